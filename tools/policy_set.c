#include "tools/policy_set.h"
#include "tools/client.h"

#include <stdio.h>
#include <string.h>

enum { PROFILE_MAX = 16384 };

/* The file's path and the name in `name`; NULL when the value has another form. */
static const char *split_set(const char *value, char name[static TOOL_PROFILE_NAME])
{
    static const char prefix[] = "profiles.";
    if (strncmp(value, prefix, sizeof(prefix) - 1) != 0)
        return NULL;
    value += sizeof(prefix) - 1;
    const char *at = strstr(value, "=@");
    if (!at || at == value || at - value >= TOOL_PROFILE_NAME || !at[2])
        return NULL;
    memcpy(name, value, (size_t)(at - value));
    name[at - value] = '\0';
    return at + 2;
}

static pl_err put_profile(struct pl_jw *w, const char *path)
{
    struct pl_wr text PL_CLEANUP(pl_wr_free) = {0};
    struct pl_json j;
    struct pl_span value;
    PL_TRY(tool_read(&text, path, PROFILE_MAX));
    pl_json_init(&j, pl_wr_span(&text));
    pl_json_raw(&j, &value);
    PL_TRY(pl_json_end(&j));
    pl_jw_raw(w, value);
    return PL_OK;
}

/* `profiles` with this one put in: replaced, or added. */
static pl_err set_profiles(struct pl_jw *w, struct pl_json *j, const char *name, const char *path)
{
    struct pl_span key, value;
    char text[TOOL_PROFILE_NAME];
    bool done = false;
    pl_jw_open(w, '{');
    for (pl_json_object(j); pl_json_key(j, &key);) {
        bool this = pl_span_is(key, name);
        snprintf(text, sizeof(text), "%.*s", (int)key.n, (const char *)key.p);
        pl_jw_key(w, text);
        if (!pl_json_raw(j, &value))
            value = pl_span_str("null");
        if (this)
            PL_TRY(put_profile(w, path));
        else
            pl_jw_raw(w, value);
        done = done || this;
    }
    if (!done) {
        pl_jw_key(w, name);
        PL_TRY(put_profile(w, path));
    }
    pl_jw_close(w, '}');
    return PL_OK;
}

static pl_err set(struct pl_wr *out, struct pl_span policy, const char *name, const char *path)
{
    struct pl_json j;
    struct pl_span key, value;
    struct pl_jw w = pl_jw(out);
    char text[TOOL_PROFILE_NAME];
    pl_json_init(&j, policy);
    pl_jw_open(&w, '{');
    for (pl_json_object(&j); pl_json_key(&j, &key);) {
        bool profiles = pl_span_is(key, "profiles");
        snprintf(text, sizeof(text), "%.*s", (int)key.n, (const char *)key.p);
        pl_jw_key(&w, text);
        if (profiles)
            PL_TRY(set_profiles(&w, &j, name, path));
        else
            pl_jw_raw(&w, pl_json_raw(&j, &value) ? value : pl_span_str("null"));
    }
    pl_jw_close(&w, '}');
    PL_TRY(pl_json_end(&j));
    return pl_wr_end(out);
}

int tool_policy_set(struct tool *t, const char *file, struct pl_wr *out,
                    char first[static TOOL_PROFILE_NAME])
{
    char name[TOOL_PROFILE_NAME];
    const char *value;
    pl_err e = tool_read(out, file, PL_POLICY_BYTES);
    if (e != PL_OK)
        return tool_fail(t, file, e);
    for (unsigned i = 0; (value = tool_nth(t, "set", i)); i++) {
        const char *path = split_set(value, name);
        struct pl_wr next = pl_wr_heap(PL_POLICY_BYTES);
        if (!path)
            return tool_usage(t, "--set profiles.NAME=@FILE is what can be set");
        if (i == 0)
            memcpy(first, name, TOOL_PROFILE_NAME);
        e = set(&next, pl_wr_span(out), name, path);
        pl_wr_free(out);
        *out = next;
        if (e != PL_OK)
            return tool_fail(t, path, e);
    }
    return -1;
}
