/* pleiad policy set and show: the policy of a key at each of its vaults.
 *
 * What is asked for at a vault is the document with that vault's own salt and owner key, which are
 * taken from the policy that stands there. So it is the same whenever it is computed: a command
 * that was interrupted, wherever that was, is given again, and does what is left. */
#include "tools/policy_vaults.h"
#include "api/api.h"
#include "client/owner_grant.h"
#include "tools/job.h"
#include "tools/policy_diff.h"
#include "tools/policy_set.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A vault, and the key's policy there. */
struct seat {
    const struct pl_descriptor_place *at;
    struct pl_answer answer; /* of GET .../policy */
    struct pl_span was;
    uint64_t version;
    struct pl_wr is; /* what is asked for */
    bool same, done;
    pl_err why; /* NULL: nothing failed */
    struct pl_report_vault seen;
};
struct job {
    struct tool_job j;
    struct pl_crypto *crypto;
    struct pl_descriptor_info info;
    struct seat seat[PL_VAULTS_MAX];
};

static void job_end(struct job **j)
{
    for (size_t i = 0; *j && i < (*j)->info.vaults; i++) {
        pl_answer_free(&(*j)->seat[i].answer);
        pl_wr_free(&(*j)->seat[i].is);
    }
    if (*j) {
        tool_job_end(&(*j)->j);
        pl_crypto_free((*j)->crypto);
    }
    free(*j);
}
static void free_policy(struct pl_policy **p) { pl_policy_free(*p); }

/* ---- asking ---- */

static pl_err noted(struct seat *s, pl_err e)
{
    s->why = e == PL_OK ? NULL : e;
    return e;
}

static pl_err call(struct tool *t, struct job *j, struct seat *s, const struct pl_call_order *what,
                   struct pl_answer *out)
{
    char handle[PL_B64U_LEN(16) + 1], path[96];
    struct pl_call_order o = *what;
    pl_b64u(handle, PL_ARR(s->at->handle));
    snprintf(path, sizeof(path), "/v1/keys/%s/policy", handle);
    o.place = &s->at->place;
    o.anchor = j->j.anchor;
    o.path = path;
    o.deadline_ms = (unsigned)tool_number(t, "deadline", 0);
    return noted(s, pl_vault_call(j->j.app, &o, out, &s->seen));
}

static pl_err read_policy(struct tool *t, struct job *j, struct seat *s)
{
    struct pl_api_policy m;
    const struct pl_call_order get = {.method = "GET"};
    PL_TRY(call(t, j, s, &get, &s->answer));
    uint8_t mem[1024];
    struct pl_arena scratch = pl_arena(mem, sizeof(mem));
    struct pl_api_in in = {.body = pl_span(s->answer.body, s->answer.n), .scratch = &scratch};
    PL_TRY(noted(s, pl_api_read_policy(&m, &in)));
    s->was = m.policy;
    s->version = m.version;
    return PL_OK;
}

static pl_err replace(struct tool *t, struct job *j, struct seat *s)
{
    char version[16];
    struct pl_answer answer = {0};
    struct pl_wr body PL_CLEANUP(pl_wr_free) = pl_wr_heap(2 * PL_POLICY_BYTES);
    snprintf(version, sizeof(version), "%llu", (unsigned long long)s->version);
    pl_wr_str(&body, "{\"policy\":");
    pl_wr_bytes(&body, pl_wr_span(&s->is));
    pl_wr_str(&body, "}");
    PL_TRY(pl_wr_end(&body));
    const struct pl_call_order put = {
        .method = "PUT", .if_match = version, .body = body.p, .body_bytes = body.n};
    pl_err e = call(t, j, s, &put, &answer);
    pl_answer_free(&answer);
    s->done = e == PL_OK;
    s->version += s->done;
    return e;
}

/* ---- what is asked for ---- */

static struct pl_span member(struct pl_span object, const char *name)
{
    struct pl_json j;
    struct pl_span key, value = {0}, found = {0};
    pl_json_init(&j, object);
    for (pl_json_object(&j); pl_json_key(&j, &key);) {
        bool it = pl_span_is(key, name);
        if (pl_json_raw(&j, &value) && it)
            found = value;
    }
    return found;
}

/* The salt of the policy that stands there, and the owner's key in it. */
static pl_err own_part(const struct seat *s, const char *me, uint8_t salt[static PL_SALT_BYTES],
                       uint8_t owner[static 32])
{
    struct pl_json j;
    struct pl_span who = member(member(member(s->was, "principals"), "owner"), me);
    pl_json_init(&j, member(s->was, "salt"));
    pl_json_b64u_exact(&j, salt, PL_SALT_BYTES);
    PL_TRY(pl_json_end(&j));
    PL_REQUIRE(who.n, POLICY_NAME);
    pl_json_init(&j, member(who, "spki_sha256"));
    pl_json_hex_exact(&j, owner, 32);
    return pl_json_end(&j);
}

static pl_err aim(struct tool *t, struct seat *s, struct pl_span document)
{
    uint8_t salt[PL_SALT_BYTES], owner[32];
    const char *me = tool_text(t, "owner") ? tool_text(t, "owner") : "me";
    PL_TRY(own_part(s, me, salt, owner));
    s->is = pl_wr_heap(2 * PL_POLICY_BYTES);
    PL_TRY(pl_grant_policy(&s->is, document, me, salt, owner));
    s->same = pl_span_eq(pl_wr_span(&s->is), s->was);
    return PL_OK;
}

/* ---- the command ---- */

static int begin(struct tool *t, struct job **out)
{
    struct pl_wr text PL_CLEANUP(pl_wr_free) = {0};
    const char *path = tool_text(t, "descriptor");
    struct job *j = *out = calloc(1, sizeof(*j));
    if (!j)
        return tool_fail(t, path, PL_FAIL(NO_MEMORY));
    j->j.identity = tool_text(t, "identity");
    int code = tool_job_begin(t, &j->j, tool_job_who(t, TOOL_OWNER));
    if (code >= 0)
        return code;
    pl_err e = tool_read(&text, path, TOOL_FILE_MAX);
    if (e == PL_OK)
        e = pl_descriptor_info(&j->info, j->j.app, text.p, text.n);
    if (e == PL_OK)
        e = pl_crypto_new(&j->crypto);
    for (size_t i = 0; i < j->info.vaults; i++)
        j->seat[i].at = &j->info.vault[i];
    return e == PL_OK ? -1 : tool_app_fail(t, j->j.app, path, e);
}

static void write_seat(struct pl_jw *w, const struct seat *s, bool document)
{
    pl_jw_open(w, '{');
    pl_jw_key(w, "endpoint");
    pl_jw_text(w, s->at->place.endpoint);
    pl_jw_key(w, "error");
    pl_jw_text(w, s->why ? pl_error_name(s->why) : "");
    if (document && s->was.n) {
        pl_jw_key(w, "policy");
        pl_jw_raw(w, s->was);
    }
    pl_jw_key(w, "vault_id");
    pl_jw_hex(w, PL_ARR(s->at->place.vault_id));
    pl_jw_key(w, "version");
    pl_jw_u64(w, s->version);
    pl_jw_close(w, '}');
}

static pl_err print_json(struct tool *t, const struct job *j, bool documents)
{
    struct pl_wr out PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_VAULTS_MAX * (PL_POLICY_BYTES + 1024));
    struct pl_jw w = pl_jw(&out);
    pl_jw_open(&w, '[');
    for (size_t i = 0; i < j->info.vaults; i++)
        write_seat(&w, &j->seat[i], documents);
    pl_jw_close(&w, ']');
    PL_TRY(pl_wr_end(&out));
    return tool_json(t, pl_wr_span(&out));
}

static const char *state_of(const struct seat *s)
{
    return s->why    ? pl_error_text(s->why)
           : s->done ? "changed"
           : s->same ? "says this already"
                     : "as it stands";
}

static pl_err print_seats(struct tool *t, const struct job *j, bool documents)
{
    static const char *const heads[] = {"VAULT", "ENDPOINT", "VERSION", "POLICY"};
    if (t->json)
        return print_json(t, j, documents);
    struct tool_table tab = tool_table(4, heads);
    for (size_t i = 0; i < j->info.vaults; i++) {
        const struct seat *s = &j->seat[i];
        char vault[65];
        pl_hex(vault, PL_ARR(s->at->place.vault_id));
        tool_cellf(&tab, "%.8s", vault);
        tool_cell(&tab, s->at->place.endpoint);
        tool_cellf(&tab, "%llu", (unsigned long long)s->version);
        tool_cell(&tab, state_of(s));
    }
    return tool_table_print(t, &tab);
}

/* Vaults that stayed behind are named, and the exit code says so. */
static int ended(struct tool *t, struct job *j, bool documents)
{
    char line[PL_REPORT_LINE];
    bool whole = true;
    pl_err e = print_seats(t, j, documents);
    for (size_t i = 0; i < j->info.vaults; i++) {
        struct seat *s = &j->seat[i];
        whole = whole && !s->why;
        if (!s->why)
            continue;
        s->seen.why = s->why;
        pl_report_line(line, &s->seen);
        tool_note(t, "%s", line);
    }
    if (e == PL_OK && !whole)
        e = PL_FAIL(KEYS_SOME);
    return e == PL_OK ? TOOL_DONE : tool_fail(t, tool_text(t, "descriptor"), e);
}

static void job_ask(struct tool *t, struct job *j)
{
    for (size_t i = 0; i < j->info.vaults; i++)
        if (read_policy(t, j, &j->seat[i]) != PL_OK)
            j->seat[i].was = (struct pl_span){0};
}

int tool_policy_show_run(struct tool *t)
{
    struct job *j PL_CLEANUP(job_end) = NULL;
    int code = begin(t, &j);
    if (code >= 0)
        return code;
    job_ask(t, j);
    return ended(t, j, true);
}

/* What changes at this vault, for people; that the document loads. An exit code, or -1. */
static int look(struct tool *t, struct job *j, struct seat *s, bool show)
{
    struct pl_policy *was PL_CLEANUP(free_policy) = NULL;
    struct pl_policy *is PL_CLEANUP(free_policy) = NULL;
    struct pl_refusal why = {.pointer = ""};
    pl_err e = pl_policy_load(&is, j->crypto, pl_wr_span(&s->is), &why);
    if (e != PL_OK)
        return tool_fail_with(t, t->args[0], e, "at %s: %s",
                              why.pointer[0] ? why.pointer : "the document", why.text);
    if (!show)
        return -1;
    e = pl_policy_load(&was, j->crypto, s->was, NULL);
    if (e == PL_OK)
        e = tool_policy_diff(t, was, is);
    return e == PL_OK ? -1 : tool_fail(t, t->args[0], e);
}

static bool agreed(struct tool *t, size_t vaults)
{
    char answer[8] = "";
    if (tool_flag(t, "yes"))
        return true;
    fprintf(stderr, "Change it at %zu vaults? Type yes: ", vaults);
    return isatty(STDIN_FILENO) && fgets(answer, sizeof(answer), stdin) &&
           strcmp(answer, "yes\n") == 0;
}

/* How many are left to change, each with what is asked for there; -1 and *out_code on failure. */
static int plan(struct tool *t, struct job *j, struct pl_span document, int *out_code)
{
    int left = 0;
    for (size_t i = 0; i < j->info.vaults; i++) {
        struct seat *s = &j->seat[i];
        if (!s->was.n)
            continue;
        pl_err e = aim(t, s, document);
        *out_code = e == PL_OK ? -1 : tool_fail(t, t->args[0], e);
        if (*out_code < 0 && !s->same)
            *out_code = look(t, j, s, left == 0 && !t->json);
        if (*out_code >= 0)
            return -1;
        left += !s->same;
    }
    return left;
}

int tool_policy_set_run(struct tool *t)
{
    struct job *j PL_CLEANUP(job_end) = NULL;
    struct pl_wr document PL_CLEANUP(pl_wr_free) = {0};
    char name[TOOL_PROFILE_NAME];
    int code = tool_policy_set(t, t->args[0], &document, name);
    if (code < 0)
        code = begin(t, &j);
    if (code >= 0)
        return code;
    job_ask(t, j);
    int left = plan(t, j, pl_wr_span(&document), &code);
    if (left < 0)
        return code;
    if (left && !agreed(t, (size_t)left)) {
        tool_note(t, "nothing was changed");
        return TOOL_REFUSED;
    }
    for (size_t i = 0; i < j->info.vaults; i++)
        if (j->seat[i].was.n && !j->seat[i].same)
            (void)replace(t, j, &j->seat[i]); /* told below */
    return ended(t, j, false);
}

/* ---- options ---- */

#define COMMON_OPTS                                                                                \
    {.name = "descriptor",                                                                         \
     .arg = TOOL_FILE,                                                                             \
     .meta = "FILE",                                                                               \
     .help = "where the key is",                                                                   \
     .required = true},                                                                            \
        TOOL_ANCHOR_OPT, TOOL_DEADLINE_OPT, TOOL_AS_OPT("owner"), TOOL_IDENTITY_OPT, TOOL_HOME_OPT

const struct tool_opt tool_policy_show_opts[] = {COMMON_OPTS, {0}};
const struct tool_opt tool_policy_set_opts[] = {
    COMMON_OPTS,
    TOOL_SET_OPT,
    {.name = "owner",
     .arg = TOOL_TEXT,
     .meta = "NAME",
     .help = "the member of principals.owner that has another key at each vault (default: me)"},
    {.name = "yes", .arg = TOOL_FLAG, .help = "do not ask"},
    {0},
};
