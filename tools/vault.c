/* pleiad vault: which vaults there are, and what their evidence says. */
#include "policy/config.h"
#include "tools/registry.h"

#include <string.h>

enum { CONFIG_MAX = PL_CONFIG_BYTES, ANSWER_MAX = 64 * 1024, LIST_MAX = 16 << 20 };

/* ---- list ---- */

static pl_err list_json(struct tool *t, const struct tool_vault *v, size_t n)
{
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
    PL_TRY(pl_wr_end(&w));
    return tool_json(t, pl_wr_span(&w));
}

static int list_own(struct tool *t, const struct tool_home *h)
{
    static const char *const heads[] = {"VAULT", "ENDPOINT"};
    struct tool_vault v[TOOL_VAULTS_MAX];
    size_t n = 0;
    pl_err e = tool_vaults_read(h, v, TOOL_VAULTS_MAX, &n);
    if (e != PL_OK)
        return tool_fail(t, tool_home_name(t), e);
    if (t->json) {
        e = list_json(t, v, n);
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

static void entry_json(struct pl_jw *j, const struct pl_registry_entry *e)
{
    const struct {
        const char *name, *value;
    } text[] = {{"endpoint", e->place.endpoint},
                {"tee", e->tee},
                {"measurement", e->measurement},
                {"labels", e->labels}};
    pl_jw_open(j, '{');
    pl_jw_key(j, "vault_id");
    pl_jw_hex(j, PL_ARR(e->place.vault_id));
    for (size_t i = 0; i < sizeof(text) / sizeof(*text); i++) {
        pl_jw_key(j, text[i].name);
        pl_jw_text(j, text[i].value);
    }
    pl_jw_key(j, "config_root");
    pl_jw_hex(j, PL_ARR(e->config_root));
    pl_jw_key(j, "serial");
    pl_jw_u64(j, e->serial);
    pl_jw_key(j, "not_before");
    pl_jw_time(j, e->not_before_s);
    pl_jw_key(j, "not_after");
    pl_jw_time(j, e->not_after_s);
    pl_jw_key(j, "listed");
    pl_jw_bool(j, e->listed);
    pl_jw_close(j, '}');
}

static pl_err entries_json(struct tool *t, const struct pl_registry_list *l)
{
    const struct {
        const char *name;
        size_t n;
    } count[] = {
        {"bad", l->bad}, {"expired", l->expired}, {"older", l->older}, {"other", l->other}};
    struct pl_wr w PL_CLEANUP(pl_wr_free) = pl_wr_heap(LIST_MAX);
    struct pl_jw j = pl_jw(&w);
    pl_jw_open(&j, '{');
    pl_jw_key(&j, "entries");
    pl_jw_open(&j, '[');
    for (size_t i = 0; i < l->n; i++)
        entry_json(&j, &l->entry[i]);
    pl_jw_close(&j, ']');
    for (size_t i = 0; i < sizeof(count) / sizeof(*count); i++) {
        pl_jw_key(&j, count[i].name);
        pl_jw_u64(&j, count[i].n);
    }
    pl_jw_close(&j, '}');
    PL_TRY(pl_wr_end(&w));
    return tool_json(t, pl_wr_span(&w));
}

static pl_err print_entries(const struct tool *t, const struct pl_registry_list *l)
{
    static const char *const heads[] = {"VAULT",       "ENDPOINT",    "TEE",
                                        "MEASUREMENT", "HOLDS UNTIL", "LABELS"};
    struct tool_table tab = tool_table(6, heads);
    for (size_t i = 0; i < l->n; i++) {
        const struct pl_registry_entry *e = &l->entry[i];
        char id[2 * PL_ID_BYTES + 1], until[PL_TIME_LEN + 1];
        pl_hex(id, PL_ARR(e->place.vault_id));
        pl_time_format(until, e->not_after_s);
        tool_cell(&tab, id);
        tool_cell(&tab, e->place.endpoint);
        tool_cell(&tab, e->tee);
        tool_cellf(&tab, "%.16s", e->measurement);
        tool_cellf(&tab, "%s%s", until, e->listed ? "" : " (seen earlier)");
        tool_cell(&tab, e->labels);
    }
    return tool_table_print(t, &tab);
}

static int list_entries(struct tool *t, const struct tool_home *h)
{
    struct pl_registry_list l = {0};
    struct pl_app *app PL_CLEANUP(tool_app_close) = NULL;
    const char *from = tool_text(t, "registry") ? tool_text(t, "registry") : tool_text(t, "file");
    pl_err e = tool_app(&app, h, false);
    if (e != PL_OK)
        return tool_app_fail(t, NULL, h->dir, e);
    e = tool_registry(t, app, h, NULL, &l);
    if (e != PL_OK)
        return tool_app_fail(t, app, from, e);
    e = t->json ? entries_json(t, &l) : print_entries(t, &l);
    pl_registry_free(&l);
    return e == PL_OK ? TOOL_DONE : tool_fail(t, "standard output", e);
}

static int list(struct tool *t)
{
    struct tool_home h;
    bool registry = tool_text(t, "registry"), file = tool_text(t, "file");
    bool narrow = tool_text(t, "tee") || tool_text(t, "measurement") || tool_text(t, "label");
    if (registry && file)
        return tool_usage(t, "--registry or --file, not both");
    if (narrow && !registry && !file)
        return tool_usage(t, "--tee, --measurement and --label go with --registry or --file");
    pl_err e = tool_home(&h, t, false);
    if (e != PL_OK)
        return tool_fail(t, tool_home_name(t), e);
    return registry || file ? list_entries(t, &h) : list_own(t, &h);
}

/* ---- verify, status ---- */

/* The configuration root that the evidence carries must be that of the file. */
static pl_err check_config(struct tool *t, const char *path, const char *shown)
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
        else if (cfg->time == PL_TIME_HOST)
            tool_note(t, "this configuration takes the time from the vault's host (time: host): "
                         "what time decides there, its host decides");
    }
    pl_config_put(cfg);
    pl_crypto_free(c);
    return e;
}

/* What the members of the library's JSON are, in words. */
static const struct {
    const char *name, *text;
} fact[] = {
    {"tee", "kind of hardware"},
    {"root", "root of trust"},
    {"root_spki_sha256", "  its key"},
    {"platform", "platform, certified by it"},
    {"advisories", "  known weaknesses"},
    {"collateral_next_update", "  collateral holds until"},
    {"tcb", "  state, the worst of both"},
    {"tcb_platform", "  microcode and firmware"},
    {"tcb_qe", "  quoting enclave"},
    {"fmspc", "  family"},
    {"mrenclave", "program, quoted by it"},
    {"mrsigner", "  its signer"},
    {"svn", "  its security version"},
    {"debug", "  can be debugged"},
    {"config_root", "configuration root"},
    {"epoch", "starts"},
    {"vault_id", "vault, bound to the quote"},
    {"not_after", "  its certificate ends"},
    {"state", "state"},
    {"time", "time comes from"},
    {"now_earliest", "  not before"},
    {"now_latest", "  not after"},
    {"log_size", "log entries, all durable"},
    {"cosigned_size", "  cosigned by witnesses"},
    {"memory", "memory"},
    {"unlock", "root key opened by"},
    {"sim", "simulated: proves nothing"},
    {"version", "build"},
};

static const char *fact_text(struct pl_span name)
{
    for (size_t i = 0; i < sizeof(fact) / sizeof(*fact); i++)
        if (pl_span_is(name, fact[i].name))
            return fact[i].text;
    return NULL;
}

/* One line a fact, from the root down; objects in it are gone into. */
static void put_facts(struct tool_table *tab, struct pl_json *j)
{
    struct pl_span key, value;
    for (pl_json_object(j); pl_json_key(j, &key);) {
        if (pl_json_peek(j) == PL_JSON_OBJECT) {
            put_facts(tab, j);
            continue;
        }
        const char *words = fact_text(key);
        if (words)
            tool_cell(tab, words);
        else
            tool_cellf(tab, "%.*s", (int)key.n, (const char *)key.p);
        bool text = pl_json_peek(j) == PL_JSON_STRING;
        if (!(text ? pl_json_plain(j, &value) : pl_json_raw(j, &value)))
            value = pl_span(NULL, 0);
        tool_cellf(tab, "%.*s", (int)value.n, (const char *)value.p);
    }
}

static pl_err print_facts(const struct tool *t, const char *endpoint, const char *json)
{
    const char *const heads[] = {"VAULT AT", endpoint};
    struct tool_table tab = tool_table(2, heads);
    struct pl_json j;
    pl_json_init(&j, pl_span_str(json));
    put_facts(&tab, &j);
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
    e = t->json ? tool_json(t, pl_span_str(json)) : print_facts(t, endpoint, json);
    if (e == PL_OK && config)
        e = check_config(t, config, json);
    return e == PL_OK ? TOOL_DONE : tool_fail(t, config ? config : endpoint, e);
}

static int status_one(struct tool *t, struct pl_app *app, const char *endpoint)
{
    char *json PL_CLEANUP(tool_text_free) = NULL;
    pl_err e = pl_vault_health(app, endpoint, &json);
    if (e != PL_OK)
        return tool_app_fail(t, app, endpoint, e);
    e = t->json ? tool_json(t, pl_span_str(json)) : print_facts(t, endpoint, json);
    return e == PL_OK ? TOOL_DONE : tool_fail(t, "standard output", e);
}

/* The worst of all exit codes, so that one bad vault is not hidden by a good one. */
static int each(struct tool *t, int (*one)(struct tool *t, struct pl_app *app, const char *at))
{
    static struct pl_place place[TOOL_IDS_MAX];
    struct tool_ids listed = {.n = 0};
    struct tool_home h;
    size_t n = 0;
    int worst = TOOL_DONE;
    struct pl_app *app PL_CLEANUP(tool_app_close) = NULL;
    pl_err e = tool_home(&h, t, false);
    if (e != PL_OK)
        return tool_fail(t, tool_home_name(t), e);
    e = tool_app(&app, &h, false);
    if (e != PL_OK)
        return tool_app_fail(t, NULL, h.dir, e);
    if (t->n_args)
        return one(t, app, t->args[0]);
    e = tool_places_now(t, app, &h, &listed, place, &n);
    if (e != PL_OK)
        return tool_app_fail(t, app, h.dir, e);
    for (size_t i = 0; i < n; i++) {
        int code = one(t, app, place[i].endpoint);
        worst = code > worst ? code : worst;
    }
    return worst;
}

static int verify(struct tool *t) { return each(t, verify_one); }
static int status(struct tool *t) { return each(t, status_one); }

static const struct tool_opt list_opts[] = {
    TOOL_HOME_OPT,
    TOOL_REGISTRY_OPT,
    {.name = "file",
     .arg = TOOL_FILE,
     .meta = "FILE",
     .help = "a file of signed entries in place of a registry"},
    {.name = "tee", .arg = TOOL_TEXT, .meta = "NAME", .help = "of this kind of hardware only"},
    {.name = "measurement",
     .arg = TOOL_TEXT,
     .meta = "HEX",
     .help = "of this program only: its main measurement"},
    {.name = "label",
     .arg = TOOL_TEXT,
     .meta = "NAME=VALUE",
     .help = "with this label only, which is their operator's word"},
    {.name = "deadline",
     .arg = TOOL_NUMBER,
     .meta = "MS",
     .min = 100,
     .max = 600000,
     .help = "give a registry up after this time (default 15000)"},
    {0},
};
static const struct tool_opt status_opts[] = {TOOL_HOME_OPT, TOOL_REGISTRY_OPT, {0}};
static const struct tool_opt verify_opts[] = {
    TOOL_HOME_OPT,
    TOOL_REGISTRY_OPT,
    {.name = "config",
     .arg = TOOL_FILE,
     .meta = "FILE",
     .help = "the signed configuration that they must have been born under"},
    {0},
};

const struct tool_cmd tool_vault[] = {
    {.verb = "list",
     .summary = "print the vaults of the list, of a registry or of a file of entries",
     .args = "",
     .opts = list_opts,
     .example = "pleiad vault list --registry https://127.0.0.1:8444",
     .run = list},
    {.verb = "verify",
     .summary = "connect, verify a vault's evidence and print what it says",
     .args = "[ENDPOINT]",
     .max_args = 1,
     .opts = verify_opts,
     .example = "pleiad vault verify --config .pleiad/config.json",
     .run = verify},
    {.verb = "status",
     .summary = "connect, verify a vault's evidence and ask how it is",
     .args = "[ENDPOINT]",
     .max_args = 1,
     .opts = status_opts,
     .example = "pleiad vault status --json",
     .run = status},
    {0},
};
