/* pleiad vault: which vaults there are, and what their evidence says. */
#include "policy/config.h"
#include "tools/client.h"

#include <string.h>

enum { CONFIG_MAX = PL_CONFIG_BYTES, ANSWER_MAX = 64 * 1024 };

static int list(struct tool *t)
{
    static const char *const heads[] = {"VAULT", "ENDPOINT"};
    struct tool_home h;
    struct tool_vault v[TOOL_VAULTS_MAX];
    size_t n = 0;
    pl_err e = tool_home(&h, t, false);
    if (e == PL_OK)
        e = tool_vaults_read(&h, v, TOOL_VAULTS_MAX, &n);
    if (e != PL_OK)
        return tool_fail(t, tool_home_name(t), e);
    if (t->json) {
        struct pl_wr w PL_CLEANUP(pl_wr_free) = pl_wr_heap(ANSWER_MAX);
        struct pl_jw j = pl_jw(&w);
        pl_jw_open(&j, '[');
        for (size_t i = 0; i < n; i++) {
            pl_jw_open(&j, '{');
            pl_jw_key(&j, "endpoint");
            pl_jw_text(&j, v[i].endpoint);
            pl_jw_key(&j, "vault_id");
            pl_jw_text(&j, v[i].id);
            pl_jw_close(&j, '}');
        }
        pl_jw_close(&j, ']');
        e = tool_json(t, pl_wr_span(&w));
    } else {
        struct tool_table tab = tool_table(2, heads);
        for (size_t i = 0; i < n; i++) {
            tool_cell(&tab, v[i].id);
            tool_cell(&tab, v[i].endpoint);
        }
        e = tool_table_print(t, &tab);
    }
    return e == PL_OK ? TOOL_DONE : tool_fail(t, "standard output", e);
}

/* ---- verify ---- */

/* The configuration root that the evidence carries must be that of the file. */
static pl_err check_config(const char *path, const char *shown)
{
    struct pl_wr text PL_CLEANUP(pl_wr_free) = {0};
    struct pl_crypto *c = NULL;
    struct pl_config *cfg = NULL;
    char hex[65];
    PL_TRY(tool_read(&text, path, CONFIG_MAX));
    PL_TRY(pl_crypto_new(&c));
    pl_err e = pl_config_load(&cfg, c, pl_wr_span(&text), NULL);
    if (e == PL_OK) {
        pl_hex(hex, PL_ARR(cfg->root));
        if (!strstr(shown, hex))
            e = PL_FAIL(VAULT_CONFIG);
    }
    pl_config_put(cfg);
    pl_crypto_free(c);
    return e;
}

/* One line a fact, for people: the members of the one flat object that the library gives. */
static pl_err print_facts(const struct tool *t, const char *json)
{
    static const char *const heads[] = {"", ""};
    struct tool_table tab = tool_table(2, heads);
    struct pl_json j;
    struct pl_span key, value;
    pl_json_init(&j, pl_span_str(json));
    for (pl_json_object(&j); pl_json_key(&j, &key);) {
        tool_cellf(&tab, "%.*s", (int)key.n, (const char *)key.p);
        bool text = pl_json_peek(&j) == PL_JSON_STRING;
        if (!(text ? pl_json_plain(&j, &value) : pl_json_raw(&j, &value)))
            value = pl_span(NULL, 0);
        tool_cellf(&tab, "%.*s", (int)value.n, (const char *)value.p);
    }
    PL_TRY(tool_table_print(t, &tab));
    return pl_json_end(&j);
}

static int verify_one(struct tool *t, struct pl_app *app, const char *endpoint)
{
    char *json PL_CLEANUP(tool_text_free) = NULL;
    const char *config = tool_text(t, "config");
    pl_err e = pl_vault_show(app, endpoint, &json);
    if (e != PL_OK)
        return tool_app_fail(t, app, endpoint, e);
    e = t->json ? tool_json(t, pl_span_str(json)) : print_facts(t, json);
    if (e == PL_OK && config)
        e = check_config(config, json);
    return e == PL_OK ? TOOL_DONE : tool_fail(t, config ? config : endpoint, e);
}

/* The worst of all exit codes, so that one bad vault is not hidden by a good one. */
static int each(struct tool *t, struct pl_app *app, const struct tool_home *h)
{
    struct tool_vault v[TOOL_VAULTS_MAX];
    size_t n = 0;
    int worst = TOOL_DONE;
    if (t->n_args)
        return verify_one(t, app, t->args[0]);
    pl_err e = tool_vaults_read(h, v, TOOL_VAULTS_MAX, &n);
    if (e != PL_OK)
        return tool_fail(t, h->dir, e);
    for (size_t i = 0; i < n; i++) {
        int code = verify_one(t, app, v[i].endpoint);
        worst = code > worst ? code : worst;
    }
    return worst;
}

static int verify(struct tool *t)
{
    struct tool_home h;
    struct pl_app *app PL_CLEANUP(tool_app_close) = NULL;
    pl_err e = tool_home(&h, t, false);
    if (e != PL_OK)
        return tool_fail(t, tool_home_name(t), e);
    e = tool_app(&app, &h, false);
    if (e != PL_OK)
        return tool_app_fail(t, NULL, h.dir, e);
    return each(t, app, &h);
}

static const struct tool_opt list_opts[] = {TOOL_HOME_OPT, {0}};
static const struct tool_opt verify_opts[] = {
    TOOL_HOME_OPT,
    {.name = "config",
     .arg = TOOL_FILE,
     .meta = "FILE",
     .help = "the signed configuration that they must have been born under"},
    {0},
};

const struct tool_cmd tool_vault[] = {
    {.verb = "list",
     .summary = "print the vaults of the list",
     .args = "",
     .opts = list_opts,
     .example = "pleiad vault list",
     .run = list},
    {.verb = "verify",
     .summary = "connect, verify a vault's evidence and print what it says",
     .args = "[ENDPOINT]",
     .max_args = 1,
     .opts = verify_opts,
     .example = "pleiad vault verify --config .pleiad/config.json",
     .run = verify},
    {0},
};
