/* pleiad key list and describe: what vaults hold, as far as the caller may see it. */
#include "tools/job.h"
#include "tools/registry.h"

#include <stdlib.h>

enum { JSON_MAX = 64 << 20 };

struct shown {
    struct pl_key_info *key;
    size_t n;
};

static void shown_end(struct shown *s) { free(s->key); }

static void time_text(char out[static PL_TIME_LEN + 1], int64_t at)
{
    pl_time_format(out, at);
    out[PL_TIME_LEN] = '\0';
}

/* ---- for programs ---- */

static void describe_json(struct pl_jw *j, const struct pl_key_info *k)
{
    pl_jw_key(j, "allowed");
    pl_jw_text(j, k->allowed);
    pl_jw_key(j, "created_earliest");
    pl_jw_time(j, k->created_earliest_s);
    pl_jw_key(j, "created_latest");
    pl_jw_time(j, k->created_latest_s);
    pl_jw_key(j, "custody");
    pl_jw_text(j, k->custody);
    pl_jw_key(j, "exportable");
    pl_jw_bool(j, k->exportable);
    pl_jw_key(j, "generation");
    pl_jw_u64(j, k->generation);
    pl_jw_key(j, "index");
    pl_jw_u64(j, k->index);
    pl_jw_key(j, "memory");
    pl_jw_text(j, k->memory);
    pl_jw_key(j, "origin");
    pl_jw_text(j, k->origin);
    pl_jw_key(j, "policy_sha256");
    pl_jw_hex(j, PL_ARR(k->policy_sha256));
}

static pl_err print_json(const struct tool *t, const struct shown *s)
{
    struct pl_wr w PL_CLEANUP(pl_wr_free) = pl_wr_heap(JSON_MAX);
    struct pl_jw j = pl_jw(&w);
    pl_jw_open(&j, '[');
    for (size_t i = 0; i < s->n; i++) {
        const struct pl_key_info *k = &s->key[i];
        pl_jw_open(&j, '{');
        if (k->described)
            describe_json(&j, k);
        pl_jw_key(&j, "handle");
        pl_jw_b64u(&j, PL_ARR(k->handle));
        pl_jw_key(&j, "policy_version");
        pl_jw_u64(&j, k->policy_version);
        pl_jw_key(&j, "state");
        pl_jw_text(&j, k->state);
        pl_jw_key(&j, "type");
        pl_jw_text(&j, k->type);
        pl_jw_key(&j, "vault_id");
        pl_jw_hex(&j, PL_ARR(k->vault_id));
        pl_jw_close(&j, '}');
    }
    pl_jw_close(&j, ']');
    PL_TRY(pl_wr_end(&w));
    return tool_json(t, pl_wr_span(&w));
}

/* ---- for people ---- */

static void key_cells(struct tool_table *tab, const struct pl_key_info *k)
{
    char vault[65], handle[PL_B64U_LEN(16) + 1];
    pl_hex(vault, PL_ARR(k->vault_id));
    pl_b64u(handle, PL_ARR(k->handle));
    tool_cellf(tab, "%.8s", vault);
    tool_cell(tab, handle);
    tool_cell(tab, k->type);
    tool_cell(tab, k->state);
}

static pl_err print_list(const struct tool *t, const struct shown *s)
{
    static const char *const heads[] = {"VAULT", "HANDLE", "TYPE", "STATE", "POLICY VERSION"};
    struct tool_table tab = tool_table(5, heads);
    for (size_t i = 0; i < s->n; i++) {
        key_cells(&tab, &s->key[i]);
        tool_cellf(&tab, "%llu", (unsigned long long)s->key[i].policy_version);
    }
    return tool_table_print(t, &tab);
}

static pl_err print_described(const struct tool *t, const struct shown *s)
{
    static const char *const heads[] = {"VAULT",  "HANDLE",  "TYPE",   "STATE",      "CUSTODY",
                                        "ORIGIN", "CREATED", "POLICY", "GENERATION", "ALLOWED NOW"};
    struct tool_table tab = tool_table(10, heads);
    for (size_t i = 0; i < s->n; i++) {
        const struct pl_key_info *k = &s->key[i];
        char when[PL_TIME_LEN + 1] = "", policy[65] = "";
        if (k->described)
            time_text(when, (k->created_earliest_s + k->created_latest_s) / 2);
        if (k->described)
            pl_hex(policy, PL_ARR(k->policy_sha256));
        key_cells(&tab, k);
        tool_cell(&tab, k->described ? k->custody : "not shown");
        tool_cell(&tab, k->described ? k->origin : "");
        tool_cell(&tab, when);
        tool_cellf(&tab, "%.16s", policy);
        tool_cellf(&tab, "%llu", (unsigned long long)k->generation);
        tool_cell(&tab, k->allowed);
    }
    return tool_table_print(t, &tab);
}

/* ---- both ---- */

static pl_err only(struct tool *t, struct tool_job *j, struct pl_descriptor_info *out)
{
    struct pl_wr text PL_CLEANUP(pl_wr_free) = {0};
    PL_TRY(tool_read(&text, tool_text(t, "descriptor"), TOOL_FILE_MAX));
    return pl_descriptor_info(out, j->app, text.p, text.n);
}

static pl_err look(struct tool *t, struct tool_job *j, bool describe)
{
    static struct pl_place places[TOOL_IDS_MAX];
    struct tool_ids listed = {.n = 0};
    static struct pl_descriptor_info info;
    struct shown s PL_CLEANUP(shown_end) = {0};
    struct pl_list_order o = {.anchor = j->anchor,
                              .describe = describe,
                              .deadline_ms = (unsigned)tool_number(t, "deadline", 0)};
    if (tool_text(t, "descriptor")) {
        PL_TRY(only(t, j, &info));
        o.only = &info;
    } else {
        o.place = places;
        PL_TRY(tool_places_now(t, j->app, &j->h, &listed, places, &o.places));
    }
    PL_TRY(pl_keys_list(j->app, &o, &s.key, &s.n, &j->report));
    if (t->json)
        return print_json(t, &s);
    return describe ? print_described(t, &s) : print_list(t, &s);
}

/* Vaults that do not answer are named, and the exit code says so; the others' keys are shown. */
static int run(struct tool *t, bool describe)
{
    struct tool_job j PL_CLEANUP(tool_job_end) = {0};
    char line[PL_REPORT_LINE];
    bool whole = true;
    int code = tool_job_begin(t, &j, tool_job_who(t, TOOL_OWNER));
    if (code >= 0)
        return code;
    pl_err e = look(t, &j, describe);
    for (size_t i = 0; e == PL_OK && i < j.report.vaults; i++) {
        const struct pl_report_vault *v = &j.report.vault[i];
        if (!v->why || pl_ok(v->why))
            continue;
        whole = false;
        pl_report_line(line, v);
        if (!tool_flag(t, "report"))
            tool_note(t, "%s", line);
    }
    code = tool_job_done(t, &j, tool_text(t, "anchor"), e);
    return code == TOOL_DONE && !whole ? TOOL_UNREACHABLE : code;
}

int tool_key_list(struct tool *t) { return run(t, false); }
int tool_key_describe(struct tool *t) { return run(t, true); }
