#include "tools/registry.h"
#include "platform/platform.h"

#include <string.h>

enum { SEEN_MAX = 8 << 20 };

/* The vaults of the home's list; none without one. */
struct mine {
    struct tool_vault v[TOOL_VAULTS_MAX];
    uint8_t id[TOOL_VAULTS_MAX][PL_ID_BYTES];
    size_t n;
};

static pl_err read_mine(struct mine *m, const struct tool_home *h)
{
    char path[PATH_MAX];
    m->n = 0;
    tool_path(path, h, "vaults");
    if (!tool_exists(path))
        return PL_OK;
    PL_TRY(tool_vaults_read(h, m->v, TOOL_VAULTS_MAX, &m->n));
    for (size_t i = 0; i < m->n; i++)
        PL_TRY(pl_unhex(m->id[i], PL_ID_BYTES, pl_span_str(m->v[i].id)));
    return PL_OK;
}

static const struct pl_registry_entry *entry_of(const struct pl_registry_list *l,
                                                const uint8_t id[static PL_ID_BYTES])
{
    for (size_t i = 0; i < l->n; i++)
        if (memcmp(l->entry[i].place.vault_id, id, PL_ID_BYTES) == 0)
            return &l->entry[i];
    return NULL;
}

/* Entries of the home's vaults alone: a registry cannot make this grow. */
static pl_err remember(const char *path, const struct mine *m, const struct pl_registry_list *l)
{
    struct pl_registry_entry keep[TOOL_VAULTS_MAX];
    struct pl_registry_list few = {.entry = keep};
    char *text PL_CLEANUP(tool_text_free) = NULL;
    for (size_t i = 0; i < m->n; i++) {
        const struct pl_registry_entry *e = entry_of(l, m->id[i]);
        if (e)
            keep[few.n++] = *e;
    }
    PL_TRY(pl_registry_page(&text, &few));
    return pl_file_write(path, pl_span_str(text), 0600, PL_FILE_REPLACE);
}

static void tell_vaults(struct tool *t, const struct mine *m, const struct pl_registry_list *l)
{
    for (size_t i = 0; i < m->n; i++) {
        const struct pl_registry_entry *e = entry_of(l, m->id[i]);
        if (!e || !e->listed)
            tool_note(t,
                      "vault %.16s of your list is not listed there: it left, or it is left out%s",
                      m->v[i].id, e ? "; its last entry still holds" : "");
    }
}

static void tell(struct tool *t, const struct pl_registry_list *l)
{
    if (l->bad)
        tool_note(t, "%zu %s not verify, left out, the first: %s [%s]", l->bad,
                  l->bad == 1 ? "entry does" : "entries do", pl_error_text(l->bad_why),
                  pl_error_name(l->bad_why));
    if (l->expired)
        tool_note(t, "%zu entries do not hold at this time and are left out", l->expired);
    if (l->older)
        tool_note(t, "%zu entries are older than what was seen before and are left out", l->older);
}

static bool has(const struct tool *t, const char *name)
{
    for (const struct tool_opt *o = t->cmd->opts; o->name; o++)
        if (strcmp(o->name, name) == 0)
            return true;
    return false;
}

static const char *optional(const struct tool *t, const char *name)
{
    return has(t, name) ? tool_text(t, name) : NULL;
}

pl_err tool_registry(struct tool *t, struct pl_app *app, const struct tool_home *h, bool mine,
                     struct pl_registry_list *out)
{
    char seen[PATH_MAX];
    struct mine m;
    const char *url = tool_text(t, "registry"), *file = url ? NULL : optional(t, "file");
    struct pl_wr known PL_CLEANUP(pl_wr_free) = {0};
    *out = (struct pl_registry_list){0};
    PL_TRY(read_mine(&m, h));
    tool_path(seen, h, "registry.seen");
    if (file || tool_exists(seen))
        PL_TRY(tool_read(&known, file ? file : seen, SEEN_MAX));
    const struct pl_registry_order o = {
        .url = url,
        .known = known.p,
        .known_bytes = known.n,
        .tee = optional(t, "tee"),
        .measurement = optional(t, "measurement"),
        .label = optional(t, "label"),
        .vault_id = m.id,
        .vaults = mine ? m.n : 0,
        .deadline_ms = has(t, "file") ? (unsigned)tool_number(t, "deadline", 0) : 0,
    };
    bool narrow = o.tee || o.measurement || o.label;
    PL_TRY(pl_registry_read(app, &o, out));
    tell(t, out);
    if (!narrow)
        tell_vaults(t, &m, out);
    return url && m.n && !narrow ? remember(seen, &m, out) : PL_OK;
}

pl_err tool_places_now(struct tool *t, struct pl_app *app, const struct tool_home *h,
                       struct pl_place *out, size_t *out_n)
{
    struct pl_registry_list l;
    if (!tool_text(t, "registry"))
        return tool_places(h, out, out_n);
    pl_err e = tool_registry(t, app, h, true, &l);
    *out_n = 0;
    for (size_t i = 0; e == PL_OK && i < l.n && *out_n < TOOL_VAULTS_MAX; i++)
        out[(*out_n)++] = l.entry[i].place;
    pl_registry_free(&l);
    return e;
}

void tool_places_newer(struct tool *t, struct pl_app *app, const struct tool_home *h,
                       struct pl_place *out, size_t *out_n)
{
    pl_err e = tool_places_now(t, app, h, out, out_n);
    if (e == PL_OK)
        return;
    *out_n = 0;
    tool_note(t, "%s: %s; going on with the descriptor's endpoints",
              tool_text(t, "registry") ? tool_text(t, "registry") : h->dir, pl_error_text(e));
}
