/* pleiad key: split a secret over the vaults, recover it, look after it. */
#include "platform/platform.h"
#include "tools/job.h"
#include "tools/registry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SECRET_MAX = 64 * 1024, APPROVALS_MAX = 16 };

/* A command about the key of one descriptor. */
struct job {
    struct tool_job j; /* first */
    struct pl_wr descriptor;
    unsigned vendors;                 /* --diversity */
    struct pl_wr text[APPROVALS_MAX]; /* --approval */
    struct pl_bytes approval[APPROVALS_MAX];
    size_t approvals;
};

static void job_end(struct job *j)
{
    tool_job_end(&j->j);
    pl_wr_free(&j->descriptor);
    for (size_t i = 0; i < APPROVALS_MAX; i++)
        pl_wr_free(&j->text[i]);
}

/* The files of --approval; their errors are told. */
static int read_approvals(struct tool *t, struct job *j)
{
    const char *path;
    for (; (path = tool_nth(t, "approval", (unsigned)j->approvals)); j->approvals++) {
        if (j->approvals == APPROVALS_MAX)
            return tool_usage(t, "at most %d times --approval", (int)APPROVALS_MAX);
        struct pl_wr *w = &j->text[j->approvals];
        pl_err e = tool_read(w, path, TOOL_FILE_MAX);
        if (e != PL_OK)
            return tool_fail(t, path, e);
        j->approval[j->approvals] = (struct pl_bytes){w->p, w->n};
    }
    return -1;
}

static int begin_with_descriptor(struct tool *t, struct job *j)
{
    j->j.identity = tool_text(t, "identity");
    int code = tool_job_begin(t, &j->j, tool_job_who(t, TOOL_APP));
    if (code < 0)
        code = read_approvals(t, j);
    if (code >= 0)
        return code;
    pl_err e = tool_read(&j->descriptor, tool_text(t, "descriptor"), TOOL_FILE_MAX);
    return e == PL_OK ? -1 : tool_fail(t, tool_text(t, "descriptor"), e);
}

static int ended(struct tool *t, const struct job *j, pl_err e)
{
    return tool_job_done(t, &j->j, tool_text(t, "descriptor"), e);
}

/* ---- split ---- */

static pl_err read_secret(struct tool *t, struct pl_secret *out)
{
    uint64_t n = tool_number(t, "generate", 0);
    size_t got = 0;
    if (n) {
        PL_TRY(pl_secret_new(out, n));
        return pl_random(out->p, out->n);
    }
    PL_TRY(pl_secret_new(out, SECRET_MAX));
    if (isatty(STDIN_FILENO))
        PL_TRY(tool_prompt(out->p, out->n, &got, "secret", true));
    else
        PL_TRY(pl_fd_read(STDIN_FILENO, out->p, out->n, &got));
    out->n = got;
    return PL_OK;
}

static pl_err split_order(struct tool *t, struct job *j, struct pl_split_order *o,
                          struct pl_wr *grant, struct pl_place *places)
{
    const char *own = tool_text(t, "policy"), *me = tool_text(t, "owner");
    PL_TRY(tool_read(grant, own ? own : tool_text(t, "grant"), TOOL_FILE_MAX));
    *o = (struct pl_split_order){
        .name = tool_text(t, "name"),
        .k = (unsigned)tool_number(t, "k", 2),
        .n = (unsigned)tool_number(t, "n", 4),
        .min_vaults = (unsigned)tool_number(t, "min-vaults", 0),
        .descriptor = tool_text(t, "descriptor"),
        .anchor = j->j.anchor,
        .grant = own ? NULL : grant->p,
        .grant_bytes = own ? 0 : grant->n,
        .policy = own ? grant->p : NULL,
        .policy_bytes = own ? grant->n : 0,
        .owner_name = me ? me : "me",
        .place = places,
        .vendors = j->vendors,
    };
    struct tool_ids listed = {.n = 0};
    if (!own)
        PL_TRY(tool_ids_grant(&listed, j->j.app, pl_wr_span(grant)));
    return tool_places_now(t, j->j.app, &j->j.h, &listed, places, &o->places);
}

static pl_err do_split(struct tool *t, struct job *j)
{
    static struct pl_place places[TOOL_IDS_MAX];
    struct pl_secret secret PL_CLEANUP(pl_secret_free) = {0};
    struct pl_wr grant PL_CLEANUP(pl_wr_free) = {0};
    struct pl_split_order o;
    enum pl_resumed how;
    PL_TRY(split_order(t, j, &o, &grant, places));
    PL_TRY(pl_split_resume(j->j.app, &o, &how, &j->j.report));
    if (how == PL_RESUMED_DONE) {
        tool_note(t, "an interrupted split was brought to its end: its secret is the earlier one");
        return PL_OK;
    }
    PL_TRY(read_secret(t, &secret));
    o.secret = &secret;
    return pl_split(j->j.app, &o, &j->j.report);
}

static pl_err tell_split(struct tool *t, const struct pl_report *r)
{
    struct pl_wr w PL_CLEANUP(pl_wr_free) = pl_wr_heap(65536);
    struct pl_jw j = pl_jw(&w);
    pl_jw_open(&j, '{');
    pl_jw_key(&j, "descriptor");
    pl_jw_text(&j, tool_text(t, "descriptor"));
    pl_jw_key(&j, "vaults");
    pl_jw_open(&j, '[');
    for (size_t i = 0; i < r->vaults; i++) {
        pl_jw_open(&j, '{');
        pl_jw_key(&j, "endpoint");
        pl_jw_text(&j, r->vault[i].endpoint);
        pl_jw_key(&j, "used");
        pl_jw_bool(&j, r->vault[i].used);
        pl_jw_key(&j, "vault_id");
        pl_jw_hex(&j, PL_ARR(r->vault[i].vault_id));
        pl_jw_close(&j, '}');
    }
    pl_jw_close(&j, ']');
    pl_jw_close(&j, '}');
    PL_TRY(pl_wr_end(&w));
    return tool_json(t, pl_wr_span(&w));
}

static int split(struct tool *t)
{
    struct job j PL_CLEANUP(job_end) = {0};
    if (tool_number(t, "k", 2) > tool_number(t, "n", 4))
        return tool_usage(t, "-k is at most -n");
    if (!tool_text(t, "grant") == !tool_text(t, "policy"))
        return tool_usage(t, "--grant in an app, or --policy as the owner: one of them");
    if (!tool_diversity(t, &j.vendors))
        return TOOL_USAGE;
    int code = tool_job_begin(t, &j.j, tool_text(t, "policy") ? TOOL_OWNER : TOOL_APP);
    if (code >= 0)
        return code;
    pl_err e = do_split(t, &j);
    if (e == PL_OK && t->json)
        e = tell_split(t, &j.j.report);
    return ended(t, &j, e);
}

/* ---- recover, and acts at each vault ---- */

static struct pl_recover_order recover_order(struct tool *t, const struct job *j)
{
    return (struct pl_recover_order){
        .descriptor = j->descriptor.p,
        .descriptor_bytes = j->descriptor.n,
        .anchor = j->j.anchor,
        .approval = j->approval,
        .approvals = j->approvals,
        .name = tool_text(t, "name"),
        .deadline_ms = (unsigned)tool_number(t, "deadline", 0),
    };
}

static int recover(struct tool *t)
{
    static struct pl_place places[TOOL_IDS_MAX];
    struct job j PL_CLEANUP(job_end) = {0};
    struct pl_secret secret PL_CLEANUP(pl_secret_free) = {0};
    if (isatty(STDOUT_FILENO))
        return tool_usage(t, "standard output is a terminal: send the secret to a file or program");
    if (!tool_diversity(t, &j.vendors))
        return TOOL_USAGE;
    int code = begin_with_descriptor(t, &j);
    if (code >= 0)
        return code;
    struct pl_recover_order o = recover_order(t, &j);
    o.vendors = j.vendors;
    o.linger_ms = (unsigned)tool_number(t, "linger", 0);
    o.place = places;
    struct tool_ids listed = {.n = 0};
    pl_err e = tool_ids_descriptor(&listed, j.j.app, pl_wr_span(&j.descriptor));
    if (e == PL_OK && tool_text(t, "registry"))
        tool_places_newer(t, j.j.app, &j.j.h, &listed, places, &o.places);
    if (e == PL_OK)
        e = pl_recover(j.j.app, &o, &secret, &j.j.report);
    if (e == PL_OK)
        e = tool_out_bytes(pl_span(secret.p, secret.n), true);
    return ended(t, &j, e);
}

static pl_err states_json(struct tool *t, const struct pl_report *r)
{
    struct pl_wr w PL_CLEANUP(pl_wr_free) = pl_wr_heap(65536);
    struct pl_jw j = pl_jw(&w);
    pl_jw_open(&j, '[');
    for (size_t i = 0; i < r->vaults; i++) {
        const struct pl_report_vault *v = &r->vault[i];
        pl_jw_open(&j, '{');
        pl_jw_key(&j, "endpoint");
        pl_jw_text(&j, v->endpoint);
        pl_jw_key(&j, "error");
        pl_jw_text(&j, v->why && !pl_ok(v->why) ? pl_error_name(v->why) : "");
        pl_jw_key(&j, "state");
        pl_jw_text(&j, v->state);
        pl_jw_key(&j, "vault_id");
        pl_jw_hex(&j, PL_ARR(v->vault_id));
        pl_jw_close(&j, '}');
    }
    pl_jw_close(&j, ']');
    PL_TRY(pl_wr_end(&w));
    return tool_json(t, pl_wr_span(&w));
}

static pl_err print_states(struct tool *t, const struct pl_report *r)
{
    if (t->json)
        return states_json(t, r);
    static const char *const heads[] = {"VAULT", "ENDPOINT", "STATE", "MS"};
    struct tool_table tab = tool_table(4, heads);
    for (size_t i = 0; i < r->vaults; i++) {
        const struct pl_report_vault *v = &r->vault[i];
        bool bad = v->why && !pl_ok(v->why);
        tool_cellf(&tab, "%02x%02x%02x%02x", v->vault_id[0], v->vault_id[1], v->vault_id[2],
                   v->vault_id[3]);
        tool_cell(&tab, v->endpoint);
        tool_cell(&tab, bad ? pl_error_text(v->why) : v->state);
        tool_cellf(&tab, "%u", v->ms);
    }
    return tool_table_print(t, &tab);
}

typedef pl_err act_fn(struct pl_app *app, const struct pl_recover_order *order,
                      struct pl_report *report);

/* One act at each vault. Where only some did it their states are shown all the same. */
static int at_each(struct tool *t, act_fn *act)
{
    struct job j PL_CLEANUP(job_end) = {0};
    int code = begin_with_descriptor(t, &j);
    if (code >= 0)
        return code;
    const struct pl_recover_order o = recover_order(t, &j);
    pl_err e = act(j.j.app, &o, &j.j.report), out = PL_OK;
    if (e == PL_OK || pl_err_code(e) == PL_E_KEYS_SOME)
        out = print_states(t, &j.j.report);
    return ended(t, &j, e == PL_OK ? out : e);
}

static int status(struct tool *t) { return at_each(t, pl_keys_status); }
static int delete (struct tool *t) { return at_each(t, pl_keys_delete); }
static int freeze(struct tool *t) { return at_each(t, pl_keys_freeze); }
static int unfreeze(struct tool *t) { return at_each(t, pl_keys_unfreeze); }

/* ---- the table ---- */

#define DESCRIPTOR_OPT(text)                                                                       \
    {                                                                                              \
        .name = "descriptor", .arg = TOOL_FILE, .meta = "FILE", .help = text, .required = true     \
    }
/* Whoever holds the disk may exchange two descriptors of one instance: the anchor covers both. */
#define PINNED_NAME_OPT                                                                            \
    {                                                                                              \
        .name = "name", .arg = TOOL_TEXT, .meta = "NAME",                                          \
        .help = "it is called so, as split was told: not another key of this anchor"               \
    }
static const struct tool_opt split_opts[] = {
    DESCRIPTOR_OPT("where the key will be found: a new file"),
    TOOL_ANCHOR_OPT,
    TOOL_GRANT_OPT(false),
    {.name = "policy",
     .arg = TOOL_FILE,
     .meta = "FILE",
     .help = "without a grant, as the owner: the policy that the key will have"},
    {.name = "owner",
     .arg = TOOL_TEXT,
     .meta = "NAME",
     .help = "the member of principals.owner that is you (default: me)"},
    {.name = "name",
     .arg = TOOL_TEXT,
     .meta = "NAME",
     .help = "what the key is called; its id follows from it and the anchor",
     .required = true},
    TOOL_K_OPT,
    TOOL_N_OPT,
    {.name = "min-vaults",
     .arg = TOOL_NUMBER,
     .meta = "N",
     .min = 2,
     .max = 64,
     .help = "be content with so many when others do not answer"},
    TOOL_DIVERSITY_OPT,
    {.name = "generate",
     .arg = TOOL_NUMBER,
     .meta = "BYTES",
     .min = 16,
     .max = SECRET_MAX,
     .help = "draw the secret instead of reading standard input"},
    TOOL_REGISTRY_OPT,
    TOOL_REPORT_OPT,
    TOOL_HOME_OPT,
    {0},
};
static const struct tool_opt recover_opts[] = {
    DESCRIPTOR_OPT("where the key is"),
    TOOL_ANCHOR_OPT,
    PINNED_NAME_OPT,
    TOOL_DEADLINE_OPT,
    TOOL_LINGER_OPT,
    TOOL_DIVERSITY_OPT,
    TOOL_REGISTRY_OPT,
    TOOL_AS_OPT("app"),
    TOOL_IDENTITY_OPT,
    TOOL_APPROVAL_OPT,
    TOOL_REPORT_OPT,
    TOOL_HOME_OPT,
    {0},
};
static const struct tool_opt each_opts[] = {
    DESCRIPTOR_OPT("where the key is"),
    TOOL_ANCHOR_OPT,
    PINNED_NAME_OPT,
    TOOL_DEADLINE_OPT,
    TOOL_AS_OPT("app"),
    TOOL_IDENTITY_OPT,
    TOOL_APPROVAL_OPT,
    TOOL_REPORT_OPT,
    TOOL_HOME_OPT,
    {0},
};
static const struct tool_opt list_opts[] = {
    TOOL_ANCHOR_OPT,
    {.name = "descriptor",
     .arg = TOOL_FILE,
     .meta = "FILE",
     .help = "only the key of this descriptor, at its vaults (default: all, at the list's)"},
    TOOL_DEADLINE_OPT,
    TOOL_AS_OPT("owner"),
    TOOL_REGISTRY_OPT,
    TOOL_REPORT_OPT,
    TOOL_HOME_OPT,
    {0},
};

const struct tool_cmd tool_key[] = {
    {.verb = "split",
     .summary = "split a secret over vaults that do not trust each other",
     .args = "",
     .opts = split_opts,
     .example = "pleiad key split --name backup --generate 32 --grant grant.json "
                "--anchor anchor.json --descriptor backup.key",
     .run = split},
    {.verb = "recover",
     .summary = "put it together again and write it to standard output",
     .args = "",
     .opts = recover_opts,
     .example = "pleiad key recover --name backup --anchor anchor.json --descriptor backup.key > "
                "secret",
     .run = recover},
    {.verb = "status",
     .summary = "ask each vault for the state of its share",
     .args = "",
     .opts = each_opts,
     .example = "pleiad key status --anchor anchor.json --descriptor backup.key",
     .run = status},
    {.verb = "list",
     .summary = "the keys that the owner may see at each vault",
     .args = "",
     .opts = list_opts,
     .example = "pleiad key list --anchor anchor.json",
     .run = tool_key_list},
    {.verb = "describe",
     .summary = "each of these keys: policy, generation, when and how it was made",
     .args = "",
     .opts = list_opts,
     .example = "pleiad key describe --anchor anchor.json --descriptor backup.key",
     .run = tool_key_describe},
    {.verb = "delete",
     .summary = "delete it at each vault: from now on it serves nobody",
     .args = "",
     .opts = each_opts,
     .example = "pleiad key delete --anchor anchor.json --descriptor backup.key",
     .run = delete},
    {.verb = "freeze",
     .summary = "until it is unfrozen it serves nobody; acts at once",
     .args = "",
     .opts = each_opts,
     .example = "pleiad key freeze --as owner --anchor anchor.json --descriptor backup.key",
     .run = freeze},
    {.verb = "unfreeze",
     .summary = "it serves again",
     .args = "",
     .opts = each_opts,
     .example = "pleiad key unfreeze --as owner --anchor anchor.json --descriptor backup.key",
     .run = unfreeze},
    {0},
};
