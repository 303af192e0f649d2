/* pleiad approval: ask others to agree, agree, look at what was agreed. Files go from one to the
 * other by any way; nobody who carries them can change what is approved. */
#include "client/approval.h"
#include "platform/platform.h"
#include "tools/fido2.h"
#include "tools/job.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LIST_FILES = 1024 };

static void free_crypto(struct pl_crypto **c) { pl_crypto_free(*c); }
static void free_bytes(void **p) { free(*p); }
static void free_job(struct tool_job *j) { tool_job_end(j); }

/* ---- request ---- */

/* The SPKI hash of a private key's public half; the key is made where there is none. */
static pl_err requester_of(struct pl_crypto *c, const char *path, uint8_t out[static 32])
{
    uint8_t spki[PL_SPKI_MAX];
    size_t n;
    if (!tool_exists(path))
        PL_TRY(tool_key_new(c, path, PL_PUB_P256));
    PL_TRY(tool_key_public(c, spki, &n, path));
    return pl_sha256_one(c, out, pl_span(spki, n));
}

static pl_err requester(const struct tool *t, uint8_t out[static 32])
{
    struct pl_crypto *c PL_CLEANUP(free_crypto) = NULL;
    const char *hex = tool_text(t, "requester");
    if (hex)
        return pl_unhex(out, 32, pl_span_str(hex));
    PL_TRY(pl_crypto_new(&c));
    return requester_of(c, tool_text(t, "identity"), out);
}

static int renew(struct tool *t, const struct pl_approval_order *o)
{
    struct pl_wr like PL_CLEANUP(pl_wr_free) = {0};
    struct pl_app *app PL_CLEANUP(tool_app_close) = NULL;
    char *json PL_CLEANUP(tool_text_free) = NULL;
    const char *path = tool_text(t, "like");
    const struct pl_app_config cfg = {.no_tee = true};
    pl_err e = tool_read(&like, path, PL_APPROVAL_FILE);
    if (e == PL_OK)
        e = pl_app_open(&app, &cfg);
    if (e == PL_OK)
        e = pl_approval_renew(&json, app, like.p, like.n, o);
    return e == PL_OK ? tool_deliver(t, json) : tool_fail(t, path, e);
}

static int ask(struct tool *t, struct pl_approval_order *o)
{
    struct tool_job j PL_CLEANUP(free_job) = {0};
    struct pl_wr descriptor PL_CLEANUP(pl_wr_free) = {0};
    char *json PL_CLEANUP(tool_text_free) = NULL;
    const char *path = tool_text(t, "descriptor");
    if (tool_job_who(t, TOOL_APP) != TOOL_OWNER)
        j.identity = tool_text(t, "identity");
    int code = tool_job_begin(t, &j, tool_job_who(t, TOOL_APP));
    if (code >= 0)
        return code;
    pl_err e = tool_read(&descriptor, path, TOOL_FILE_MAX);
    if (e != PL_OK)
        return tool_fail(t, path, e);
    const struct pl_recover_order key = {.descriptor = descriptor.p,
                                         .descriptor_bytes = descriptor.n,
                                         .anchor = j.anchor,
                                         .deadline_ms = (unsigned)tool_number(t, "deadline", 0)};
    o->key = &key;
    e = pl_approval_request(&json, j.app, o, &j.report);
    code = tool_job_done(t, &j, path, e);
    return e == PL_OK ? tool_deliver(t, json) : code;
}

static int request(struct tool *t)
{
    uint8_t who[32];
    char op[32];
    if (!tool_text(t, "identity") == !tool_text(t, "requester"))
        return tool_usage(t, "whose connection will use it: --identity or --requester");
    bool like = tool_text(t, "like") != NULL;
    if (!like && (!tool_text(t, "descriptor") || !tool_text(t, "anchor")))
        return tool_usage(t, "for which key: --descriptor and --anchor, or --like");
    snprintf(op, sizeof(op), "%s", tool_text(t, "op") ? tool_text(t, "op") : "export");
    for (char *p = op; *p; p++)
        *p = *p == '-' ? '_' : *p;
    pl_err e = requester(t, who);
    if (e != PL_OK)
        return tool_fail(t, tool_text(t, "identity") ? tool_text(t, "identity") : "--requester", e);
    struct pl_approval_order o = {
        .op = op, .requester = who, .life_s = (int64_t)tool_number(t, "minutes", 5) * 60};
    return like ? renew(t, &o) : ask(t, &o);
}

/* ---- looking at one ---- */

/* Certainly over, or not yet: by this machine's clock. */
static const char *state_of(const struct pl_approval_file *f)
{
    int64_t now_s;
    size_t good = 0;
    for (size_t i = 0; i < f->approvals; i++)
        good += f->by[i].proof == PL_OK;
    if (pl_clock_wall(&now_s) != PL_OK || now_s > f->statement.exp_s)
        return "expired";
    return good ? "approved" : f->approvals ? "unproved" : "asked";
}

static void show_by(struct pl_jw *j, const struct pl_approval_file *f)
{
    pl_jw_key(j, "approvals");
    pl_jw_open(j, '[');
    for (size_t i = 0; i < f->approvals; i++) {
        pl_jw_open(j, '{');
        pl_jw_key(j, "authenticator");
        pl_jw_hex(j, PL_ARR(f->by[i].authenticator));
        pl_jw_key(j, "error");
        pl_jw_text(j, f->by[i].proof == PL_OK ? "" : pl_code_name(pl_err_code(f->by[i].proof)));
        pl_jw_key(j, "form");
        pl_jw_text(j, pl_proof_word(f->by[i].form));
        pl_jw_close(j, '}');
    }
    pl_jw_close(j, ']');
}

static void show_json(struct pl_jw *j, const struct pl_approval_file *f, const char *path)
{
    const struct pl_statement *s = &f->statement;
    pl_jw_open(j, '{');
    show_by(j, f);
    pl_jw_key(j, "display");
    pl_jw_str(j, s->display);
    pl_jw_key(j, "exp");
    pl_jw_time(j, s->exp_s);
    pl_jw_key(j, "file");
    pl_jw_text(j, path);
    pl_jw_key(j, "name");
    pl_jw_text(j, f->name);
    pl_jw_key(j, "op");
    pl_jw_text(j, pl_op_row(s->op)->word);
    pl_jw_key(j, "requester");
    pl_jw_hex(j, PL_ARR(s->requester));
    pl_jw_key(j, "state");
    pl_jw_text(j, state_of(f));
    pl_jw_key(j, "statement_sha256");
    pl_jw_hex(j, PL_ARR(s->sha256));
    pl_jw_key(j, "vaults");
    pl_jw_open(j, '[');
    for (size_t i = 0; i < f->vaults; i++) {
        pl_jw_open(j, '{');
        pl_jw_key(j, "handle");
        pl_jw_b64u(j, PL_ARR(f->act[i].handle));
        pl_jw_key(j, "policy_sha256");
        pl_jw_hex(j, PL_ARR(f->act[i].policy_sha256));
        pl_jw_key(j, "policy_version");
        pl_jw_u64(j, f->act[i].policy_version);
        pl_jw_key(j, "vault_id");
        pl_jw_hex(j, PL_ARR(f->act[i].vault_id));
        pl_jw_close(j, '}');
    }
    pl_jw_close(j, ']');
    pl_jw_close(j, '}');
}

/* All that an approver needs, on stderr or stdout as `out` says. */
static void show_text(FILE *out, const struct pl_approval_file *f)
{
    char hex[65];
    fprintf(out, "%.*s\n", (int)f->statement.display.n, (const char *)f->statement.display.p);
    fprintf(out, "key        %s, as the one who asks calls it\n", f->name);
    for (size_t i = 0; i < f->vaults; i++) {
        pl_hex(hex, PL_ARR(f->act[i].vault_id));
        fprintf(out, "vault      %.16s", hex);
        pl_hex(hex, PL_ARR(f->act[i].policy_sha256));
        fprintf(out, "  policy %.16s, version %llu\n", hex,
                (unsigned long long)f->act[i].policy_version);
    }
    for (size_t i = 0; i < f->approvals; i++) {
        pl_hex(hex, PL_ARR(f->by[i].authenticator));
        bool good = f->by[i].proof == PL_OK;
        fprintf(out, "approved   %s %.16s\n", good ? pl_proof_word(f->by[i].form) : "NOT PROVED by",
                good ? hex : pl_code_name(pl_err_code(f->by[i].proof)));
    }
}

static void show_policy(FILE *out, const struct pl_approval_file *f)
{
    struct pl_wr w PL_CLEANUP(pl_wr_free) = pl_wr_heap(1 << 20);
    if (pl_policy_render(&w, f->policy[0]) == PL_OK)
        fprintf(out, "\nThe policy at the first of these vaults:\n%.*s", (int)w.n,
                (const char *)w.p);
}

static pl_err read_one(struct pl_approval_file *f, struct pl_crypto *c, const char *path)
{
    struct pl_wr text PL_CLEANUP(pl_wr_free) = {0};
    PL_TRY(tool_read(&text, path, PL_APPROVAL_FILE));
    while (text.n && text.p[text.n - 1] == '\n')
        text.n--;
    return pl_approval_read(f, c, pl_wr_span(&text));
}

/* ---- sign ---- */

static bool agreed(const struct tool *t, const struct pl_approval_file *f)
{
    char answer[16] = "";
    size_t n = 0;
    show_text(stderr, f);
    show_policy(stderr, f);
    if (tool_flag(t, "yes"))
        return true;
    fflush(stderr);
    pl_err e =
        tool_prompt((uint8_t *)answer, sizeof(answer) - 1, &n, "approve this? type yes", false);
    return e == PL_OK && n == 3 && memcmp(answer, "yes", 3) == 0;
}

static pl_err add_mine(const struct tool *t, struct pl_crypto *c, const struct pl_approval_file *f,
                       struct pl_wr *out)
{
    char path[PATH_MAX];
    struct tool_home h;
    struct pl_locked locked PL_CLEANUP(pl_locked_unmap) = {0};
    const char *key = tool_text(t, "identity");
    if (!key) {
        PL_TRY(tool_home(&h, t, false));
        tool_path(path, &h, "owner.pem");
        key = path;
    }
    PL_TRY(pl_locked_map(&locked, sizeof(struct pl_priv)));
    struct pl_priv *priv = (struct pl_priv *)(void *)locked.base;
    PL_TRY(tool_key_read(c, priv, key));
    PL_TRY(pl_approval_add(out, c, f, priv));
    pl_wr_u8(out, 0);
    return pl_wr_end(out);
}

/* By a passkey on a stick. */
static pl_err add_tap(const struct tool *t, struct pl_crypto *c, const struct pl_approval_file *f,
                      struct pl_wr *out)
{
    struct pl_wr carrier PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_STATEMENT_BYTES);
    PL_TRY(tool_fido2_carrier(&carrier, pl_policy_text(f->policy[0]), tool_text(t, "fido2"),
                              tool_text(t, "fido2-device"), f->text, f->statement.sha256));
    PL_TRY(pl_approval_attach(out, c, f, pl_wr_span(&carrier)));
    pl_wr_u8(out, 0);
    return pl_wr_end(out);
}

static int sign(struct tool *t)
{
    struct pl_crypto *c PL_CLEANUP(free_crypto) = NULL;
    struct pl_approval_file f PL_CLEANUP(pl_approval_free) = {0};
    struct pl_wr out PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_APPROVAL_FILE);
    if (tool_text(t, "identity") && tool_text(t, "fido2"))
        return tool_usage(t, "who approves: --identity or --fido2");
    pl_err e = pl_crypto_new(&c);
    if (e == PL_OK)
        e = read_one(&f, c, t->args[0]);
    if (e != PL_OK)
        return tool_fail(t, t->args[0], e);
    if (strcmp(state_of(&f), "expired") == 0)
        return tool_fail(t, t->args[0], PL_FAIL(STATEMENT_EXPIRED));
    if (!agreed(t, &f))
        return tool_fail(t, t->args[0], PL_FAIL(APPROVAL_REFUSED));
    e = (tool_text(t, "fido2") ? add_tap : add_mine)(t, c, &f, &out);
    return e == PL_OK ? tool_deliver(t, (const char *)out.p) : tool_fail(t, t->args[0], e);
}

/* ---- verify, list ---- */

static pl_err print_one(const struct tool *t, const struct pl_approval_file *f, const char *path)
{
    struct pl_wr w PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_APPROVAL_FILE);
    struct pl_jw j = pl_jw(&w);
    if (!t->json) {
        show_text(stdout, f);
        printf("state      %s\n", state_of(f));
        return PL_OK;
    }
    show_json(&j, f, path);
    PL_TRY(pl_wr_end(&w));
    return tool_json(t, pl_wr_span(&w));
}

/* Fails for what does not fit together, an approval that proves nothing, an end that has come. */
static int verify(struct tool *t)
{
    struct pl_crypto *c PL_CLEANUP(free_crypto) = NULL;
    struct pl_approval_file f PL_CLEANUP(pl_approval_free) = {0};
    pl_err e = pl_crypto_new(&c);
    if (e == PL_OK)
        e = read_one(&f, c, t->args[0]);
    if (e == PL_OK)
        e = print_one(t, &f, t->args[0]);
    for (size_t i = 0; e == PL_OK && i < f.approvals; i++)
        e = f.by[i].proof;
    if (e == PL_OK && strcmp(state_of(&f), "expired") == 0)
        e = PL_FAIL(STATEMENT_EXPIRED);
    return e == PL_OK ? TOOL_DONE : tool_fail(t, t->args[0], e);
}

struct listing {
    struct pl_crypto *c;
    struct tool_table table;
    struct pl_wr w;
    struct pl_jw j;
};

/* Other files are passed over; one of ours that does not hold is shown as such. */
static void list_one(const struct tool *t, struct listing *l, const char *path, const char *name)
{
    struct pl_approval_file f PL_CLEANUP(pl_approval_free) = {0};
    struct pl_wr text PL_CLEANUP(pl_wr_free) = {0};
    char until[PL_TIME_LEN + 1] = "";
    static const char mark[] = "\"pleiad-approval-file-1\"";
    if (tool_read(&text, path, PL_APPROVAL_FILE) != PL_OK ||
        !memmem(text.p, text.n, mark, sizeof(mark) - 1))
        return;
    pl_err e = read_one(&f, l->c, path);
    if (t->json) {
        if (e == PL_OK)
            show_json(&l->j, &f, name);
        return;
    }
    if (e == PL_OK)
        pl_time_format(until, f.statement.exp_s);
    tool_cell(&l->table, name);
    tool_cell(&l->table, e == PL_OK ? pl_op_row(f.statement.op)->word : "");
    tool_cell(&l->table, e == PL_OK ? f.name : "");
    tool_cellf(&l->table, "%zu", f.approvals);
    tool_cell(&l->table, e == PL_OK ? state_of(&f) : pl_code_name(pl_err_code(e)));
    tool_cell(&l->table, until);
}

static int list(struct tool *t)
{
    static const char *const heads[] = {"FILE", "OPERATION", "KEY", "APPROVALS", "STATE", "UNTIL"};
    struct pl_crypto *c PL_CLEANUP(free_crypto) = NULL;
    struct dirent **found = NULL;
    const char *dir = t->n_args ? t->args[0] : ".";
    int n = scandir(dir, &found, NULL, alphasort);
    pl_err e = n < 0 ? PL_FAIL(FILE_MISSING) : pl_crypto_new(&c);
    struct listing l = {.c = c, .table = tool_table(6, heads), .w = pl_wr_heap(64 << 20)};
    l.j = pl_jw(&l.w);
    pl_jw_open(&l.j, '[');
    for (int i = 0; i < n; i++) {
        char path[PATH_MAX];
        int len = snprintf(path, sizeof(path), "%s/%s", dir, found[i]->d_name);
        if (e == PL_OK && i < LIST_FILES && len > 0 && (size_t)len < sizeof(path))
            list_one(t, &l, path, found[i]->d_name);
        free(found[i]);
    }
    free(found);
    pl_jw_close(&l.j, ']');
    if (e == PL_OK)
        e = t->json ? pl_wr_end(&l.w) : tool_table_print(t, &l.table);
    if (e == PL_OK && t->json)
        e = tool_json(t, pl_wr_span(&l.w));
    pl_wr_free(&l.table.cells);
    pl_wr_free(&l.w);
    return e == PL_OK ? TOOL_DONE : tool_fail(t, dir, e);
}

/* ---- export ---- */

static pl_err write_body(struct pl_wr *out, const struct tool *t, const struct pl_approval_by *by)
{
    const char *audience = tool_text(t, "audience");
    const struct pl_api_approval_export m = {
        .approval = by->carrier, .has_audience = audience != NULL, .audience = audience};
    return pl_api_write_approval_export(out, &m);
}

/* The key that the vault answers with is believed because the vault was verified on this very
 * connection; a reader elsewhere has it from here. */
static pl_err deliver_jws(const struct tool *t, const struct pl_answer *a)
{
    size_t room = pl_api_scratch(PL_API_approval_exported) + 64;
    void *scratch PL_CLEANUP(free_bytes) = malloc(room);
    PL_REQUIRE(scratch, NO_MEMORY);
    struct pl_arena arena = pl_arena(scratch, room);
    struct pl_api_in in = {.body = pl_span(a->body, a->n), .scratch = &arena};
    struct pl_api_approval_exported m;
    const char *jwks = tool_text(t, "jwks");
    PL_TRY(pl_api_read_approval_exported(&m, &in));
    if (jwks)
        PL_TRY(pl_file_write(jwks, m.jwks, 0644, PL_FILE_NEW));
    if (t->json)
        return tool_json(t, in.body);
    printf("%s\n", m.jws);
    return PL_OK;
}

static pl_err reissue(struct tool *t, struct tool_job *j, const struct pl_approval_by *by)
{
    struct pl_wr body PL_CLEANUP(pl_wr_free) = pl_wr_heap(4 * PL_STATEMENT_BYTES);
    struct pl_answer a PL_CLEANUP(pl_answer_free) = {0};
    struct pl_place place;
    PL_TRY(pl_place_parse(&place, tool_text(t, "vault")));
    PL_TRY(write_body(&body, t, by));
    const struct pl_call_order order = {.place = &place,
                                        .anchor = j->anchor,
                                        .method = "POST",
                                        .path = "/v1/approvals/export",
                                        .body = body.p,
                                        .body_bytes = body.n};
    j->report.vaults = 1;
    PL_TRY(pl_vault_call(j->app, &order, &a, &j->report.vault[0]));
    return deliver_jws(t, &a);
}

static int export_(struct tool *t)
{
    struct pl_approval_file f PL_CLEANUP(pl_approval_free) = {0};
    struct pl_crypto *c PL_CLEANUP(free_crypto) = NULL;
    struct tool_job j PL_CLEANUP(free_job) = {0};
    size_t by = (size_t)tool_number(t, "by", 1);
    pl_err e = pl_crypto_new(&c);
    if (e == PL_OK)
        e = read_one(&f, c, t->args[0]);
    if (e != PL_OK)
        return tool_fail(t, t->args[0], e);
    if (by > f.approvals)
        return tool_usage(t, "the file has %zu approvals", f.approvals);
    int code = tool_job_begin(t, &j, TOOL_APP);
    if (code >= 0)
        return code;
    return tool_job_done(t, &j, t->args[0], reissue(t, &j, &f.by[by - 1]));
}

/* ---- the table ---- */

static const struct tool_opt request_opts[] = {
    {.name = "op",
     .arg = TOOL_CHOICE,
     .meta = "OP",
     .choices = "export,delete,freeze,unfreeze,restore,destroy,describe,read-policy",
     .help = "what is to be approved (default export)"},
    {.name = "descriptor", .arg = TOOL_FILE, .meta = "FILE", .help = "the key, at its vaults"},
    {.name = "anchor",
     .arg = TOOL_FILE,
     .meta = "FILE",
     .help = "whose key it is and which vaults may hold it"},
    {.name = "like",
     .arg = TOOL_FILE,
     .meta = "FILE",
     .help = "instead, without asking a vault: the vaults and policies of an earlier file"},
    {.name = "identity",
     .arg = TOOL_FILE,
     .meta = "FILE",
     .help = "the key (P-256, PEM) whose connections will use it; made when it is not there"},
    {.name = "requester",
     .arg = TOOL_TEXT,
     .meta = "HEX",
     .help = "instead, the SHA-256 of that key's SPKI: it is somebody else's"},
    {.name = "minutes",
     .arg = TOOL_NUMBER,
     .meta = "N",
     .min = 1,
     .max = 55,
     .help = "how long it is good, beyond five minutes by which clocks may differ (default 5)"},
    TOOL_AS_OPT("app"),
    TOOL_DEADLINE_OPT,
    TOOL_REPORT_OPT,
    {.name = "out", .arg = TOOL_FILE, .meta = "FILE", .help = "write to a new file"},
    TOOL_HOME_OPT,
    {0},
};
static const struct tool_opt sign_opts[] = {
    {.name = "identity",
     .arg = TOOL_FILE,
     .meta = "FILE",
     .help = "the key that approves (PEM; default: DIR/owner.pem)"},
    {.name = "fido2",
     .arg = TOOL_TEXT,
     .meta = "GROUP/NAME",
     .help = "instead, the passkey of this principal of the policy, on a FIDO2 stick"},
    {.name = "fido2-device",
     .arg = TOOL_TEXT,
     .meta = "PATH",
     .help = "which stick, e.g. /dev/hidraw0 (default: one that knows the passkey)"},
    {.name = "yes", .arg = TOOL_FLAG, .help = "do not ask: what is approved was read before"},
    {.name = "out", .arg = TOOL_FILE, .meta = "FILE", .help = "write to a new file"},
    TOOL_HOME_OPT,
    {0},
};

static const struct tool_opt export_opts[] = {
    TOOL_ANCHOR_OPT,
    {.name = "vault",
     .arg = TOOL_TEXT,
     .meta = "ID@HOST:PORT",
     .required = true,
     .help = "the vault that says it again"},
    {.name = "audience", .arg = TOOL_TEXT, .meta = "TEXT", .help = "for whom: the claim aud"},
    {.name = "by",
     .arg = TOOL_NUMBER,
     .meta = "N",
     .min = 1,
     .max = PL_STATEMENTS_MAX,
     .help = "which approval of the file (default 1)"},
    {.name = "jwks",
     .arg = TOOL_FILE,
     .meta = "FILE",
     .help = "write the vault's key as a JWK set to a new file"},
    TOOL_REPORT_OPT,
    TOOL_HOME_OPT,
    {0},
};

const struct tool_cmd tool_approval[] = {
    {.verb = "request",
     .summary = "make the file that others approve, for one operation at all vaults of a key",
     .args = "",
     .opts = request_opts,
     .example = "pleiad approval request --op export --anchor anchor.json --descriptor backup.key "
                "--identity me.pem --out ask.json",
     .run = request},
    {.verb = "sign",
     .summary = "read what is asked for, and approve it; needs files only",
     .args = "FILE",
     .min_args = 1,
     .max_args = 1,
     .opts = sign_opts,
     .example = "pleiad approval sign ask.json --identity alice.pem --out approved.json",
     .run = sign},
    {.verb = "verify",
     .summary = "check a file: what it covers, who approved, whether it is over",
     .args = "FILE",
     .min_args = 1,
     .max_args = 1,
     .example = "pleiad approval verify approved.json",
     .run = verify},
    {.verb = "list",
     .summary = "the files of a folder: what each is for, its state",
     .args = "[DIR]",
     .max_args = 1,
     .example = "pleiad approval list approvals",
     .run = list},
    {.verb = "export",
     .summary = "have a vault verify an approval and sign it as a JWS of its own",
     .args = "FILE",
     .min_args = 1,
     .max_args = 1,
     .opts = export_opts,
     .example = "pleiad approval export approved.json --anchor anchor.json --vault "
                "0123...@127.0.0.1:7801 --jwks vault.jwks > approved.jws",
     .run = export_},
    {0},
};
