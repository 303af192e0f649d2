/* pleiad grant: let an app make keys in the owner's name. */
#include "platform/platform.h"
#include "client/owner_grant.h"
#include "tools/client.h"
#include "tools/policy_set.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void free_crypto(struct pl_crypto **c) { pl_crypto_free(*c); }

/* ---- issue ---- */

static pl_err order(struct tool *t, const struct tool_home *h, struct pl_app *app,
                    struct pl_grant_spec *spec, char **json)
{
    uint8_t instance[32], id[PL_VAULTS_MAX][PL_ID_BYTES];
    struct pl_place place[PL_VAULTS_MAX];
    char key[PATH_MAX];
    PL_TRY(tool_places(h, place, &spec->vaults));
    for (size_t i = 0; i < spec->vaults; i++)
        memcpy(id[i], place[i].vault_id, sizeof(id[i]));
    PL_TRY(tool_instance(h, instance));
    tool_path(key, h, "owner.pem");
    spec->instance_id = instance;
    spec->owner_key = key;
    spec->vault_id = (const uint8_t(*)[PL_ID_BYTES])id;
    spec->count = (uint32_t)tool_number(t, "count", 16);
    spec->life_s = (int64_t)tool_number(t, "days", 1) * 86400;
    return pl_grant_make(json, app, spec);
}

static int issue(struct tool *t)
{
    struct tool_home h;
    struct pl_app *app PL_CLEANUP(tool_app_close) = NULL;
    char *json PL_CLEANUP(tool_text_free) = NULL;
    struct pl_wr text PL_CLEANUP(pl_wr_free) = {0};
    char first[TOOL_PROFILE_NAME] = "";
    const char *profile = tool_text(t, "profile"), *name = tool_text(t, "name"),
               *owner = tool_text(t, "owner");
    int code = tool_policy_set(t, tool_text(t, "policy"), &text, first);
    if (code >= 0)
        return code;
    if (!profile && !*first)
        return tool_usage(t, "for which app? name its profile with --profile or --set");
    pl_err e = tool_home(&h, t, false);
    if (e == PL_OK)
        e = tool_app(&app, &h, false);
    if (e != PL_OK)
        return tool_app_fail(t, app, tool_home_name(t), e);
    struct pl_grant_spec spec = {.name = name ? name : "grant",
                                 .owner_name = owner ? owner : "me",
                                 .policy = text.p,
                                 .policy_bytes = text.n,
                                 .profile = profile ? profile : first};
    e = order(t, &h, app, &spec, &json);
    return e == PL_OK ? tool_deliver(t, json) : tool_app_fail(t, app, tool_text(t, "policy"), e);
}

/* ---- show ---- */

static void tell_json(const struct pl_grant_file *g, struct pl_jw *j)
{
    pl_jw_open(j, '{');
    pl_jw_key(j, "name");
    pl_jw_text(j, g->name);
    pl_jw_key(j, "owner_spki_sha256");
    pl_jw_hex(j, PL_ARR(g->owner_sha256));
    pl_jw_key(j, "instance_id");
    pl_jw_hex(j, PL_ARR(g->instance_id));
    pl_jw_key(j, "vaults");
    pl_jw_open(j, '[');
    for (size_t i = 0; i < g->candidates; i++) {
        pl_jw_open(j, '{');
        pl_jw_key(j, "vault_id");
        pl_jw_hex(j, PL_ARR(g->candidate[i].vault_id));
        pl_jw_key(j, "expires");
        pl_jw_time(j, g->candidate[i].exp_s);
        pl_jw_close(j, '}');
    }
    pl_jw_close(j, ']');
    pl_jw_close(j, '}');
}

static pl_err tell_table(const struct tool *t, const struct pl_grant_file *g)
{
    static const char *const heads[] = {"VAULT", "OWNER'S KEY THERE", "EXPIRES"};
    char owner[65], when[PL_TIME_LEN + 1];
    struct tool_table tab = tool_table(3, heads);
    pl_hex(owner, PL_ARR(g->owner_sha256));
    printf("grant  %s\nowner  %s\n\n", g->name, owner);
    for (size_t i = 0; i < g->candidates; i++) {
        const struct pl_grant_candidate *c = &g->candidate[i];
        char id[65], there[65];
        pl_hex(id, PL_ARR(c->vault_id));
        pl_hex(there, PL_ARR(c->owner_sha256));
        pl_time_format(when, c->exp_s);
        tool_cellf(&tab, "%.16s", id);
        tool_cellf(&tab, "%.16s", there);
        tool_cell(&tab, when);
    }
    return tool_table_print(t, &tab);
}

static pl_err tell(const struct tool *t, const struct pl_grant_file *g)
{
    struct pl_wr w PL_CLEANUP(pl_wr_free) = pl_wr_heap(64 * 1024);
    struct pl_jw j = pl_jw(&w);
    if (!t->json)
        return tell_table(t, g);
    tell_json(g, &j);
    PL_TRY(pl_wr_end(&w));
    return tool_json(t, pl_wr_span(&w));
}

static int show(struct tool *t)
{
    static struct pl_grant_file g;
    struct pl_crypto *c PL_CLEANUP(free_crypto) = NULL;
    struct pl_wr text PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_GRANT_BYTES);
    pl_err e = pl_file_read(&text, t->args[0], PL_GRANT_BYTES);
    if (e == PL_OK)
        e = pl_crypto_new(&c);
    while (e == PL_OK && text.n && text.p[text.n - 1] == '\n')
        text.n--;
    if (e == PL_OK)
        e = pl_grant_read(c, &g, pl_wr_span(&text));
    if (e == PL_OK)
        e = tell(t, &g);
    return e == PL_OK ? TOOL_DONE : tool_fail(t, t->args[0], e);
}

static const struct tool_opt issue_opts[] = {
    TOOL_HOME_OPT,
    {.name = "policy",
     .arg = TOOL_FILE,
     .meta = "FILE",
     .required = true,
     .help = "the policy that keys made under the grant will have"},
    TOOL_SET_OPT,
    {.name = "profile",
     .arg = TOOL_TEXT,
     .meta = "NAME",
     .help = "the profile of the app that may use the grant (default: the first --set)"},
    {.name = "owner",
     .arg = TOOL_TEXT,
     .meta = "NAME",
     .help = "the member of principals.owner that is you (default: me)"},
    {.name = "name", .arg = TOOL_TEXT, .meta = "NAME", .help = "what you call the grant"},
    {.name = "count",
     .arg = TOOL_NUMBER,
     .meta = "N",
     .min = 1,
     .max = PL_GRANT_COUNT_MAX,
     .help = "how many keys it lets be made at each vault (default 16)"},
    {.name = "days",
     .arg = TOOL_NUMBER,
     .meta = "N",
     .min = 1,
     .max = 365,
     .help = "how long it is good (default 1)"},
    {.name = "out", .arg = TOOL_FILE, .meta = "FILE", .help = "write to a new file"},
    {0},
};

const struct tool_cmd tool_grant[] = {
    {.verb = "issue",
     .summary = "sign a grant for the vaults of the list, offline",
     .args = "",
     .opts = issue_opts,
     .example = "pleiad grant issue --policy examples/disk.json --set "
                "profiles.billing-v1=@billing.profile --out grant.json",
     .run = issue},
    {.verb = "show",
     .summary = "verify a grant file and print what it allows",
     .args = "FILE",
     .min_args = 1,
     .max_args = 1,
     .example = "pleiad grant show grant.json",
     .run = show},
    {0},
};
