/* pleiad attest: evidence against collateral, offline. The library decides; this reads files and
 * prints. */
#include "tools/tool.h"

#include "attest/ratls.h"
#include "platform/platform.h"
#include "policy/policy.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ROOT_FILE_MAX = 16 * 1024,
    JSON_MAX = 256 * 1024,
    PROFILE_MAX = 64 * 1024,
};

/* Beside the collateral there may be the platform's certificates. */
enum { FILES = PL_COLLATERAL_FILES + 1, FILE_PCK_CHAIN = PL_COLLATERAL_FILES };
static const struct pl_collateral_file pck_chain = {"pck_chain.pem", PL_PCK_CHAIN_MAX};

struct job {
    struct tool *t;
    struct pl_crypto *crypto;
    struct pl_wr evidence, file[FILES], root[PL_ROOTS_MAX], out;
    struct pl_roots roots;
    struct pl_collateral collateral;
    struct pl_verifier verifier;
    bool has_collateral, is_cert, bound;
    struct pl_ratls cert;
    struct pl_claims claims;
    bool has_profile;
    struct pl_profile profile;
    enum { ANSWER_ERROR = 0, ANSWER_BINDING, ANSWER_OK } answer;
    pl_err error;    /* why not authentic */
    pl_err accepted; /* PL_OK, or why not */
};

static void job_end(struct job **j)
{
    if (!*j)
        return;
    pl_wr_free(&(*j)->evidence);
    pl_wr_free(&(*j)->out);
    for (size_t i = 0; i < FILES; i++)
        pl_wr_free(&(*j)->file[i]);
    for (size_t i = 0; i < PL_ROOTS_MAX; i++)
        pl_wr_free(&(*j)->root[i]);
    pl_crypto_free((*j)->crypto);
    free(*j);
    *j = NULL;
}

/* ---- Input ---- */

static pl_err read_at(struct pl_wr *out, const char *dir, const char *name, size_t max)
{
    char path[4096];
    int n = snprintf(path, sizeof(path), "%s/%s", dir, name);
    PL_REQUIRE(n > 0 && (size_t)n < sizeof(path), FILE_KIND);
    *out = pl_wr_heap(max);
    return pl_file_read(out, path, max);
}

/* DER from a PEM text with one certificate; false for anything else, chains too. */
static bool one_certificate(struct pl_wr *out, struct pl_span text)
{
    uint8_t der[PL_CERT_MAX];
    size_t n = 0;
    if (pl_unpem(der, sizeof(der), &n, &text, "CERTIFICATE") != PL_OK || text.n > 0)
        return false;
    *out = pl_wr_heap(PL_CERT_MAX);
    pl_wr_bytes(out, pl_span(der, n));
    return !out->bad;
}

/* "Test Root.pem" is labelled "test-root". */
static void label_of(char out[static PL_LABEL_MAX + 1], const char *name)
{
    size_t n = strlen(name) - strlen(".pem");
    for (size_t i = 0; i < n && i < PL_LABEL_MAX; i++) {
        char c = name[i];
        if (c >= 'A' && c <= 'Z')
            c = (char)(c - 'A' + 'a');
        out[i] = strchr("abcdefghijklmnopqrstuvwxyz0123456789-._", c) ? c : '-';
    }
    out[n < PL_LABEL_MAX ? n : PL_LABEL_MAX] = 0;
}

/* A file with a chain is no root: what stands beside evidence must not become trusted. */
static pl_err root_file(struct job *j, const char *dir, const char *name)
{
    char label[PL_LABEL_MAX + 1];
    struct pl_wr text PL_CLEANUP(pl_wr_free) = {0};
    PL_TRY(read_at(&text, dir, name, ROOT_FILE_MAX));
    PL_REQUIRE(j->roots.n < PL_ROOTS_MAX, ROOTS_FULL);
    struct pl_wr *der = &j->root[j->roots.n];
    if (!one_certificate(der, pl_wr_span(&text))) {
        tool_note(j->t, "%s/%s holds more or less than one certificate: not a root", dir, name);
        return PL_OK;
    }
    label_of(label, name);
    size_t before = j->roots.n;
    PL_TRY(pl_roots_add_cert(j->crypto, &j->roots, PL_TEE_SGX, PL_TRUST_CUSTOM, label,
                             pl_wr_span(der)));
    if (j->roots.n == before)
        pl_wr_free(der);
    return PL_OK;
}

static int pem_only(const struct dirent *e)
{
    size_t n = strlen(e->d_name);
    return n > 4 && e->d_name[0] != '.' && strcmp(e->d_name + n - 4, ".pem") == 0;
}

/* The folder replaces the roots compiled in. */
static pl_err read_roots(struct job *j, const char *dir)
{
    struct dirent **list = NULL;
    pl_err e = PL_OK;
    if (!dir) {
        j->roots = *pl_roots_builtin();
        return PL_OK;
    }
    int n = scandir(dir, &list, pem_only, alphasort);
    for (int i = 0; i < n; i++) {
        if (e == PL_OK)
            e = root_file(j, dir, list[i]->d_name);
        free(list[i]);
    }
    free(list);
    PL_TRY(e);
    PL_REQUIRE(n >= 0 && j->roots.n > 0, FILE_MISSING);
    return PL_OK;
}

/* A file that is not there is missing collateral, which the library answers. */
static pl_err read_collateral(struct job *j, const char *dir)
{
    struct pl_span s[FILES];
    j->has_collateral = dir != NULL;
    for (size_t i = 0; dir && i < FILES; i++) {
        const struct pl_collateral_file *f =
            i == FILE_PCK_CHAIN ? &pck_chain : &pl_collateral_file[i];
        pl_err e = read_at(&j->file[i], dir, f->name, f->max);
        if (pl_err_code(e) != PL_E_FILE_MISSING)
            PL_TRY(e);
        s[i] = pl_wr_span(&j->file[i]);
    }
    if (!dir)
        return PL_OK;
    const struct pl_collateral_in in = pl_collateral_of(s);
    j->verifier.pck_chain = s[FILE_PCK_CHAIN];
    j->error = pl_collateral_verify(j->crypto, &j->roots, &j->collateral, &in);
    return PL_OK;
}

/* Its document is that of policies; `why` says where it is wrong. */
static pl_err read_profile(struct job *j, const char *path, struct pl_refusal *why)
{
    struct pl_wr text PL_CLEANUP(pl_wr_free) = pl_wr_heap(PROFILE_MAX);
    if (!path)
        return PL_OK;
    PL_TRY(pl_file_read(&text, path, PROFILE_MAX));
    j->has_profile = true;
    return pl_profile_load(&j->profile, NULL, j->crypto, pl_wr_span(&text), why);
}

/* ---- The answer ---- */

/* A certificate is DER, and no evidence begins like one. */
static bool looks_like_certificate(struct pl_span s)
{
    return s.n > 4 && s.p[0] == PL_DER_SEQ && s.p[1] == 0x82;
}

static pl_err verify_certificate(struct job *j)
{
    PL_TRY(pl_ratls_parse(j->crypto, &j->cert, pl_wr_span(&j->evidence), PL_RATLS_OFFLINE));
    PL_TRY(pl_ratls_binding(j->crypto, &j->cert));
    j->bound = true;
    j->answer = ANSWER_BINDING;
    if (!j->has_collateral)
        return PL_OK;
    pl_err e = j->error == PL_OK ? pl_ratls_verify(&j->verifier, &j->claims, &j->cert) : j->error;
    j->answer = e == PL_OK ? ANSWER_OK : ANSWER_ERROR;
    return e;
}

static pl_err tee_as_asked(const struct job *j)
{
    const char *want = tool_text(j->t, "tee");
    struct pl_span evidence = j->is_cert ? j->cert.evidence[0].evidence : pl_wr_span(&j->evidence);
    enum pl_tee tee = pl_evidence_tee(evidence);
    PL_REQUIRE(!want || strcmp(want, "auto") == 0 || strcmp(want, pl_tee_text(tee)) == 0,
               EVIDENCE_UNKNOWN);
    return PL_OK;
}

static pl_err verify(struct job *j)
{
    j->is_cert = looks_like_certificate(pl_wr_span(&j->evidence));
    if (j->is_cert) {
        PL_TRY(verify_certificate(j));
        return tee_as_asked(j);
    }
    PL_TRY(tee_as_asked(j));
    PL_REQUIRE(j->has_collateral, COLLATERAL_MISSING);
    /* A quote of a TEE that is not built is refused as that, whatever the collateral is. */
    struct pl_span evidence = pl_wr_span(&j->evidence);
    enum pl_tee tee = pl_evidence_tee(evidence);
    if (tee == PL_TEE_NONE || pl_tee_supported(tee))
        PL_TRY(j->error);
    PL_TRY(pl_evidence_verify(&j->verifier, &j->claims, evidence, pl_report_data_unchecked()));
    j->answer = ANSWER_OK;
    return PL_OK;
}

/* The profile instead of the default policy, when there is one. */
static pl_err accepted(const struct job *j)
{
    PL_REQUIRE(j->answer == ANSWER_OK, PROFILE_TEE);
    if (j->has_profile)
        return pl_profile_match(&j->claims, &j->profile, j->verifier.now);
    return pl_accept_default(&j->claims);
}

/* ---- Output ---- */

static void text(struct pl_jw *w, const char *key, const char *value)
{
    pl_jw_key(w, key);
    pl_jw_text(w, value);
}

static void hex(struct pl_jw *w, const char *key, struct pl_span value)
{
    pl_jw_key(w, key);
    pl_jw_hex(w, value);
}

static void number(struct pl_jw *w, const char *key, uint64_t value)
{
    pl_jw_key(w, key);
    pl_jw_u64(w, value);
}

static void boolean(struct pl_jw *w, const char *key, bool value)
{
    pl_jw_key(w, key);
    pl_jw_bool(w, value);
}

static void moment(struct pl_jw *w, const char *key, int64_t value)
{
    pl_jw_key(w, key);
    pl_jw_time(w, value);
}

static void tri(struct pl_jw *w, const char *key, enum pl_tri value)
{
    if (value != PL_UNKNOWN)
        boolean(w, key, value == PL_TRUE);
}

static void sgx(struct pl_jw *w, const struct pl_sgx_claims *s)
{
    hex(w, "mrenclave", PL_ARR(s->mrenclave));
    hex(w, "mrsigner", PL_ARR(s->mrsigner));
    number(w, "isv_prod_id", s->isv_prod_id);
    number(w, "isv_svn", s->isv_svn);
    hex(w, "attributes", PL_ARR(s->attributes));
    hex(w, "misc_select", PL_ARR(s->misc_select));
    hex(w, "config_id", PL_ARR(s->config_id));
    number(w, "config_svn", s->config_svn);
    hex(w, "isv_family_id", PL_ARR(s->family_id));
    hex(w, "isv_ext_prod_id", PL_ARR(s->ext_prod_id));
    hex(w, "cpu_svn", PL_ARR(s->cpu_svn));
    hex(w, "fmspc", PL_ARR(s->fmspc));
    hex(w, "pce_id", PL_ARR(s->pce_id));
    number(w, "pce_svn", s->pce_svn);
    hex(w, "tcb_components", PL_ARR(s->tcb_components));
    if (s->has_instance_id)
        hex(w, "platform_instance_id", PL_ARR(s->instance_id));
    tri(w, "dynamic_platform", s->dynamic_platform);
    tri(w, "cached_keys", s->cached_keys);
    tri(w, "smt", s->smt);
}

static void collateral(struct pl_jw *w, const struct pl_claims *c)
{
    const struct pl_collateral_numbers *n = &c->collateral.numbers;
    pl_jw_key(w, "collateral");
    pl_jw_open(w, '{');
    moment(w, "issued", c->collateral.issued_s);
    moment(w, "next_update", c->collateral.next_update_s);
    number(w, "tcb_evaluation_data_number", n->tcb_eval);
    number(w, "qe_evaluation_data_number", n->qe_eval);
    /* CRL numbers may be larger than JSON integers: as text. */
    char crl[24];
    snprintf(crl, sizeof(crl), "%llu", (unsigned long long)n->root_crl);
    text(w, "root_crl_number", crl);
    snprintf(crl, sizeof(crl), "%llu",
             (unsigned long long)(n->platform_crl ? n->platform_crl : n->processor_crl));
    text(w, "pck_crl_number", crl);
    pl_jw_close(w, '}');
}

static void pleiad_entry(struct pl_jw *w, const struct pl_pleiad_claims *p)
{
    char epoch[24];
    snprintf(epoch, sizeof(epoch), "%llu", (unsigned long long)p->epoch);
    pl_jw_key(w, "pleiad");
    pl_jw_open(w, '{');
    hex(w, "config_root", PL_ARR(p->config_root));
    hex(w, "vault_id", PL_ARR(p->vault_id));
    text(w, "epoch", epoch);
    moment(w, "not_before", p->not_before_s);
    moment(w, "not_after", p->not_after_s);
    pl_jw_close(w, '}');
}

static void claims(struct pl_jw *w, const struct pl_claims *c)
{
    pl_jw_key(w, "claims");
    pl_jw_open(w, '{');
    text(w, "tee", c->name);
    text(w, "vendor", pl_tee_vendor(c->tee));
    text(w, "root", c->root_label);
    hex(w, "root_spki_sha256", PL_ARR(c->root_spki_sha256));
    boolean(w, "debug", c->debug);
    number(w, "svn", c->svn);
    text(w, "memory", c->memory == PL_MEMORY_ENCRYPTED ? "encrypted" : "host_readable");
    hex(w, "report_data", PL_ARR(c->report_data));
    hex(w, "platform_id", pl_span(c->platform_id, c->platform_id_n));
    sgx(w, &c->sgx);
    collateral(w, c);
    if (c->has_pleiad)
        pleiad_entry(w, &c->pleiad);
    pl_jw_close(w, '}');
}

static void authentic(struct pl_jw *w, const struct job *j)
{
    const struct pl_claims *c = &j->claims;
    boolean(w, "accepted", j->accepted == PL_OK);
    if (j->accepted != PL_OK) {
        text(w, "reason", pl_code_name(pl_err_code(j->accepted)));
        text(w, "reason_text", pl_code_text(pl_err_code(j->accepted)));
    }
    text(w, "tcb_status", pl_tcb_text(c->tcb.status));
    text(w, "platform_tcb_status", pl_tcb_text(c->tcb.platform));
    text(w, "qe_tcb_status", pl_tcb_text(c->tcb.qe));
    pl_jw_key(w, "advisory_ids");
    pl_jw_open(w, '[');
    for (unsigned i = 0; i < c->tcb.advisories; i++)
        pl_jw_text(w, c->tcb.advisory[i]);
    pl_jw_close(w, ']');
    moment(w, "tcb_date", c->tcb.date_s);
    moment(w, "valid_from", c->earliest_s);
    moment(w, "valid_to", c->latest_s);
    claims(w, c);
}

static pl_err print_json(struct job *j)
{
    static const char *const answers[] = {"error", "binding", "ok"};
    j->out = pl_wr_heap(JSON_MAX);
    struct pl_jw w = pl_jw(&j->out);
    pl_jw_open(&w, '{');
    text(&w, "result", answers[j->answer]);
    moment(&w, "at", j->verifier.now.earliest_s);
    if (j->answer == ANSWER_ERROR) {
        text(&w, "code", pl_code_name(pl_err_code(j->error)));
        text(&w, "error", pl_code_text(pl_err_code(j->error)));
        boolean(&w, "accepted", false);
    }
    if (j->is_cert && j->cert.evidences > 0) {
        text(&w, "form", pl_ratls_form_text(j->cert.evidence[0].form));
        boolean(&w, "pubkey_bound", j->bound);
    }
    if (j->answer == ANSWER_BINDING)
        boolean(&w, "accepted", false); /* no collateral: nothing is said of the evidence itself */
    if (j->answer == ANSWER_OK)
        authentic(&w, j);
    pl_jw_close(&w, '}');
    PL_TRY(pl_wr_end(&j->out));
    return tool_json(j->t, pl_wr_span(&j->out));
}

static void row(struct tool_table *tab, const char *name, struct pl_span value)
{
    char digits[2 * PL_REPORT_DATA_BYTES + 1];
    pl_hex(digits, value);
    tool_cell(tab, name);
    tool_cell(tab, digits);
}

static pl_err print_claims(const struct job *j)
{
    const struct pl_claims *c = &j->claims;
    struct tool_table tab = tool_table(2, (const char *const[]){"claim", "value"});
    char date[PL_TIME_LEN + 1];
    tool_cell(&tab, "tee");
    tool_cell(&tab, c->name);
    tool_cell(&tab, "TCB status");
    tool_cell(&tab, pl_tcb_text(c->tcb.status));
    pl_time_format(date, c->tcb.date_s);
    tool_cell(&tab, "TCB date");
    tool_cell(&tab, date);
    for (unsigned i = 0; i < c->tcb.advisories; i++) {
        tool_cell(&tab, i ? "" : "advisories");
        tool_cell(&tab, c->tcb.advisory[i]);
    }
    tool_cell(&tab, "debug");
    tool_cell(&tab, c->debug ? "yes" : "no");
    row(&tab, "MRENCLAVE", PL_ARR(c->sgx.mrenclave));
    row(&tab, "MRSIGNER", PL_ARR(c->sgx.mrsigner));
    tool_cell(&tab, "product, version");
    tool_cellf(&tab, "%u, %u", (unsigned)c->sgx.isv_prod_id, (unsigned)c->sgx.isv_svn);
    row(&tab, "report data", PL_ARR(c->report_data));
    row(&tab, "platform", pl_span(c->platform_id, c->platform_id_n));
    return tool_table_print(j->t, &tab);
}

static pl_err print_text(const struct job *j)
{
    const char *name = tool_text(j->t, "evidence");
    if (j->answer == ANSWER_BINDING) {
        printf("%s: names its key; without --collateral nothing more can be said\n", name);
        return PL_OK;
    }
    PL_TRY(print_claims(j));
    if (j->accepted == PL_OK)
        printf("%s%s: authentic and accepted%s\n", tool_tint(j->t, TOOL_GOOD), name,
               tool_tint(j->t, TOOL_PLAIN));
    else
        printf("%s%s: authentic, not accepted: %s [%s]%s\n", tool_tint(j->t, TOOL_BAD), name,
               pl_code_text(pl_err_code(j->accepted)), pl_code_name(pl_err_code(j->accepted)),
               tool_tint(j->t, TOOL_PLAIN));
    return PL_OK;
}

static int report(struct job *j)
{
    pl_err e = PL_OK;
    if (j->t->json)
        e = print_json(j);
    else if (j->answer == ANSWER_ERROR)
        return tool_fail(j->t, tool_text(j->t, "evidence"), j->error) == TOOL_USAGE ? TOOL_USAGE
                                                                                    : TOOL_REFUSED;
    else
        e = print_text(j);
    if (e != PL_OK)
        return tool_fail(j->t, "standard output", e);
    return j->answer == ANSWER_OK && j->accepted == PL_OK ? TOOL_DONE : TOOL_REFUSED;
}

static int run_verify(struct tool *t)
{
    struct job *j PL_CLEANUP(job_end) = calloc(1, sizeof(*j));
    const char *evidence = tool_text(t, "evidence");
    const char *roots = tool_text(t, "roots"), *dir = tool_text(t, "collateral");
    const char *profile = tool_text(t, "profile");
    struct pl_refusal why = {0};
    int64_t now = 0;
    if (!j)
        return tool_fail(t, "attest verify", PL_FAIL(NO_MEMORY));
    j->t = t;
    j->error = PL_OK;
    pl_err e = pl_crypto_new(&j->crypto);
    if (e == PL_OK)
        e = pl_clock_wall(&now);
    if (e != PL_OK)
        return tool_fail(t, "attest verify", e);
    now = tool_time(t, "at", now);
    j->evidence = pl_wr_heap(PL_RATLS_MAX);
    if ((e = pl_file_read(&j->evidence, evidence, PL_RATLS_MAX)) != PL_OK)
        return tool_fail(t, evidence, e);
    if ((e = read_roots(j, roots)) != PL_OK)
        return tool_fail(t, roots ? roots : "roots", e);
    if ((e = read_collateral(j, dir)) != PL_OK)
        return tool_fail(t, dir, e);
    if ((e = read_profile(j, profile, &why)) != PL_OK)
        return why.text[0] ? tool_fail_with(t, profile, e, "%s: %s", why.pointer, why.text)
                           : tool_fail(t, profile, e);
    j->verifier = (struct pl_verifier){.crypto = j->crypto,
                                       .roots = &j->roots,
                                       .collateral = &j->collateral,
                                       .collateral_n = j->has_collateral ? 1 : 0,
                                       .now = {now, now},
                                       .pck_chain = j->verifier.pck_chain};
    j->error = verify(j);
    if (j->error != PL_OK)
        j->answer = ANSWER_ERROR;
    j->accepted = accepted(j);
    return report(j);
}

static const struct tool_opt verify_opts[] = {
    {.name = "evidence",
     .arg = TOOL_FILE,
     .meta = "FILE",
     .required = true,
     .help = "a quote, or a certificate (DER) that carries one"},
    {.name = "tee",
     .arg = TOOL_CHOICE,
     .meta = "TEE",
     .choices = "auto,sgx",
     .help = "what the evidence must be; default: auto"},
    {.name = "collateral",
     .arg = TOOL_DIR,
     .meta = "DIR",
     .help = "TCB info, QE identity, their chains, and CRLs"},
    {.name = "at",
     .arg = TOOL_TIME,
     .meta = "TIME",
     .help = "when it must hold; default: now, by this machine's clock"},
    {.name = "roots",
     .arg = TOOL_DIR,
     .meta = "DIR",
     .help = "trust these root certificates (*.pem) instead of those compiled in"},
    {.name = "profile",
     .arg = TOOL_FILE,
     .meta = "FILE",
     .help = "accept what this profile (JSON) accepts instead of the default policy"},
    {0},
};

const struct tool_cmd tool_attest[] = {
    {.verb = "verify",
     .summary = "verify evidence offline, and print its claims or the exact reason",
     .args = "",
     .opts = verify_opts,
     .example =
         "pleiad attest verify --evidence quote.bin --collateral . --at 2026-01-01T00:00:00Z",
     .run = run_verify},
    {0},
};
