/* pleiad policy: look at a policy offline, with the loader and the words that a vault uses. */
#include "tools/policy_diff.h"
#include "tools/home.h"
#include "tools/policy_set.h"
#include "tools/policy_vaults.h"
#include "platform/platform.h"

#include <stdio.h>

static void free_crypto(struct pl_crypto **c) { pl_crypto_free(*c); }
static void free_policy(struct pl_policy **p) { pl_policy_free(*p); }

static int compile(struct tool *t, const char *file, struct pl_span text, struct pl_policy **out)
{
    PL_CLEANUP(free_crypto) struct pl_crypto *c = NULL;
    struct pl_refusal why = {.pointer = ""};
    *out = NULL;
    pl_err e = pl_crypto_new(&c);
    if (e != PL_OK)
        return tool_fail(t, file, e);
    e = pl_policy_load(out, c, text, &why);
    if (e == PL_OK)
        return -1;
    return tool_fail_with(t, file, e, "at %s: %s", why.pointer[0] ? why.pointer : "the document",
                          why.text);
}

/* The policy of the file, with what --set puts into it. On failure the exit code, with the place
 * and the remedy said; -1 when *out holds it. */
static int load(struct tool *t, const char *file, struct pl_policy **out)
{
    PL_CLEANUP(pl_wr_free) struct pl_wr text = pl_wr_heap(PL_POLICY_BYTES + 1);
    char name[TOOL_PROFILE_NAME];
    int code = tool_policy_set(t, file, &text, name);
    return code >= 0 ? code : compile(t, file, pl_wr_span(&text), out);
}

static pl_err print_check(const struct tool *t, const struct pl_policy *p)
{
    char digest[65];
    pl_hex(digest, pl_span(pl_policy_sha256(p), 32));
    if (!t->json) {
        printf("%s\n", digest);
        return PL_OK;
    }
    PL_CLEANUP(pl_wr_free) struct pl_wr w = pl_wr_heap(1024);
    struct pl_jw j = pl_jw(&w);
    pl_jw_open(&j, '{');
    pl_jw_key(&j, "owner_quorum");
    pl_jw_u64(&j, pl_policy_owner_quorum(p));
    pl_jw_key(&j, "policy_sha256");
    pl_jw_text(&j, digest);
    pl_jw_key(&j, "principals");
    pl_jw_u64(&j, pl_policy_principals(p));
    pl_jw_key(&j, "profiles");
    pl_jw_u64(&j, pl_policy_profiles(p));
    pl_jw_close(&j, '}');
    PL_TRY(pl_wr_end(&w));
    return tool_json(t, pl_wr_span(&w));
}

static int check(struct tool *t)
{
    PL_CLEANUP(free_policy) struct pl_policy *p = NULL;
    int code = load(t, t->args[0], &p);
    if (code >= 0)
        return code;
    pl_err e = print_check(t, p);
    return e == PL_OK ? TOOL_DONE : tool_fail(t, "output", e);
}

static pl_err print_sentences(const struct tool *t, const struct pl_policy *p)
{
    PL_CLEANUP(pl_wr_free) struct pl_wr text = pl_wr_heap(1 << 20);
    PL_TRY(pl_policy_render(&text, p));
    if (!t->json)
        return tool_out_bytes(pl_wr_span(&text), false);
    PL_CLEANUP(pl_wr_free) struct pl_wr w = pl_wr_heap(1 << 21);
    struct pl_jw j = pl_jw(&w);
    const char *at = (const char *)text.p, *end = at + text.n;
    pl_jw_open(&j, '{');
    pl_jw_key(&j, "sentences");
    pl_jw_open(&j, '[');
    for (const char *line = at; line < end; line = at + 1) {
        for (at = line; *at != '\n'; at++)
            ;
        pl_jw_str(&j, pl_span(line, (size_t)(at - line)));
    }
    pl_jw_close(&j, ']');
    pl_jw_close(&j, '}');
    PL_TRY(pl_wr_end(&w));
    return tool_json(t, pl_wr_span(&w));
}

static int render(struct tool *t)
{
    PL_CLEANUP(free_policy) struct pl_policy *p = NULL;
    int code = load(t, t->args[0], &p);
    if (code >= 0)
        return code;
    pl_err e = print_sentences(t, p);
    return e == PL_OK ? TOOL_DONE : tool_fail(t, "output", e);
}

static int diff(struct tool *t)
{
    PL_CLEANUP(free_policy) struct pl_policy *was = NULL;
    PL_CLEANUP(free_policy) struct pl_policy *is = NULL;
    PL_CLEANUP(pl_wr_free) struct pl_wr text = {0};
    pl_err e = tool_read(&text, t->args[0], PL_POLICY_BYTES);
    if (e != PL_OK)
        return tool_fail(t, t->args[0], e);
    int code = compile(t, t->args[0], pl_wr_span(&text), &was);
    if (code < 0)
        code = load(t, t->args[1], &is);
    if (code >= 0)
        return code;
    e = tool_policy_diff(t, was, is);
    return e == PL_OK ? TOOL_DONE : tool_fail(t, "output", e);
}

static const struct tool_opt set_opts[] = {TOOL_SET_OPT, {0}};

const struct tool_cmd tool_policy[] = {
    {.verb = "check",
     .summary = "load a policy as a vault would; print its digest",
     .args = "FILE",
     .min_args = 1,
     .max_args = 1,
     .opts = set_opts,
     .example = "pleiad policy check examples/disk.json",
     .run = check},
    {.verb = "render",
     .summary = "say a policy in numbered sentences",
     .args = "FILE",
     .min_args = 1,
     .max_args = 1,
     .opts = set_opts,
     .example = "pleiad policy render examples/disk.json",
     .run = render},
    {.verb = "diff",
     .summary = "what the second policy changes about the first, and whether it only takes away",
     .args = "OLD NEW",
     .min_args = 2,
     .max_args = 2,
     .opts = set_opts,
     .example = "pleiad policy diff examples/disk.json new.json",
     .run = diff},
    {.verb = "show",
     .summary = "the policy of a key at each of its vaults",
     .args = "",
     .opts = tool_policy_show_opts,
     .example = "pleiad policy show --json --anchor anchor.json --descriptor backup.key",
     .run = tool_policy_show_run},
    {.verb = "set",
     .summary = "replace the policy of a key at each of its vaults; given again it does the rest",
     .args = "FILE",
     .min_args = 1,
     .max_args = 1,
     .opts = tool_policy_set_opts,
     .example = "pleiad policy set --anchor anchor.json --descriptor backup.key new.json",
     .run = tool_policy_set_run},
    {0},
};
