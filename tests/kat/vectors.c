#include "tests/kat/vectors.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct pl_crypto *vector_crypto(void)
{
    static struct pl_crypto *c;
    if (!c && pl_crypto_new(&c) != PL_OK)
        abort();
    return c;
}

static struct pl_span file(const char *dir, const char *name)
{
    char path[1024];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    struct pl_span s = test_file(path);
    return s.p ? s : pl_span(NULL, 0);
}

struct pl_span vector_der(struct pl_span pem)
{
    uint8_t *der = malloc(PL_CERT_MAX);
    size_t n = 0;
    if (!der || pl_unpem(der, PL_CERT_MAX, &n, &pem, "CERTIFICATE") != PL_OK)
        return pl_span(NULL, 0);
    return pl_span(der, n);
}

static void advisories(struct pl_json *j, struct vector *v)
{
    for (pl_json_array(j); pl_json_item(j); v->advisories++)
        pl_json_str(j, v->advisory[v->advisories % 32], 40, 1, NULL);
}

static bool text(struct pl_json *j, struct pl_span key, struct vector *v)
{
    const struct {
        const char *key;
        char *to;
        size_t n;
    } row[] = {
        {"result", v->result, sizeof(v->result)},
        {"code", v->code, sizeof(v->code)},
        {"tcb_status", v->tcb_status, sizeof(v->tcb_status)},
        {"fmspc", v->fmspc, sizeof(v->fmspc)},
        {"mrenclave", v->mrenclave, sizeof(v->mrenclave)},
        {"mrsigner", v->mrsigner, sizeof(v->mrsigner)},
        {"attributes", v->attributes, sizeof(v->attributes)},
        {"report_data", v->report_data, sizeof(v->report_data)},
    };
    for (size_t i = 0; i < sizeof(row) / sizeof(*row); i++)
        if (pl_span_is(key, row[i].key))
            return pl_json_str(j, row[i].to, row[i].n, 0, NULL);
    return false;
}

static void member(struct pl_json *j, struct pl_span key, struct vector *v)
{
    if (text(j, key, v))
        return;
    if (pl_span_is(key, "advisory_ids"))
        advisories(j, v);
    else if (pl_span_is(key, "debug"))
        v->has_debug = pl_json_bool(j, &v->debug);
    else if (pl_span_is(key, "isvprodid"))
        v->has_prod = pl_json_u53(j, 65535, &v->isv_prod_id);
    else if (pl_span_is(key, "isvsvn"))
        pl_json_u53(j, 65535, &v->isv_svn);
    else if (pl_span_is(key, "unix_time"))
        pl_json_i53(j, &v->at);
    else if (pl_span_is(key, "tcb_date"))
        pl_json_time(j, &v->tcb_date);
    else if (pl_span_is(key, "valid_from"))
        v->has_period = pl_json_time(j, &v->valid_from);
    else if (pl_span_is(key, "valid_to"))
        pl_json_time(j, &v->valid_to);
    else if (pl_span_is(key, "tcb_eval_data_number")) {
        unsigned n = 0;
        for (pl_json_array(j); pl_json_item(j); n++)
            pl_json_u53(j, 1000, &v->eval[n % 2]);
    } else
        pl_json_skip(j);
}

bool vector_load(struct vector *v, const char *dir)
{
    struct pl_json j;
    struct pl_span key;
    *v = (struct vector){0};
    snprintf(v->dir, sizeof(v->dir), "%s", dir);
    v->quote = file(dir, "quote.bin");
    v->pck_chain = file(dir, "pck_chain.pem");
    v->test_root = file(dir, "test_root.pem");
    if (!v->test_root.p && strstr(dir, "dcap-synthetic")) {
        char up[600];
        snprintf(up, sizeof(up), "%s/..", dir);
        v->test_root = file(up, "test_root.pem");
    }
    struct pl_span part[PL_COLLATERAL_FILES];
    for (size_t i = 0; i < PL_COLLATERAL_FILES; i++)
        part[i] = file(dir, pl_collateral_file[i].name);
    v->in = pl_collateral_of(part);
    struct pl_span expected = file(dir, "expected.json");
    pl_json_init(&j, expected);
    for (pl_json_object(&j); pl_json_key(&j, &key);)
        member(&j, key, v);
    if (pl_json_end(&j) != PL_OK)
        printf("# %s: expected.json is not readable\n", dir);
    return v->quote.p && pl_json_end(&j) == PL_OK;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool starts(const char *name, const char *prefixes)
{
    for (const char *p = prefixes;; p += strcspn(p, " ") + 1) {
        size_t n = strcspn(p, " ");
        if (strncmp(name, p, n) == 0)
            return true;
        if (p[n] == 0)
            return false;
    }
}

unsigned vector_each(const char *group, const char *prefixes, void (*f)(const char *dir))
{
    char *names[256], path[1024];
    unsigned n = 0;
    const char *base = test_shared(group);
    char root[600];
    snprintf(root, sizeof(root), "%s", base ? base : "");
    DIR *d = base ? opendir(root) : NULL;
    for (struct dirent *e; d && (e = readdir(d)) && n < 256;)
        if (e->d_name[0] != '.' && starts(e->d_name, prefixes) && !strchr(e->d_name, '.'))
            names[n++] = strdup(e->d_name);
    if (d)
        closedir(d);
    qsort(names, n, sizeof(*names), by_name);
    for (unsigned i = 0; i < n; i++) {
        snprintf(path, sizeof(path), "%s/%s", root, names[i]);
        f(path);
        free(names[i]);
    }
    return n;
}

pl_err vector_roots(const struct vector *v, struct pl_roots *out)
{
    *out = *pl_roots_builtin();
    if (!v->test_root.p)
        return PL_OK;
    *out = (struct pl_roots){0};
    return pl_roots_add_cert(vector_crypto(), out, PL_TEE_SGX, PL_TRUST_CUSTOM, "test",
                             vector_der(v->test_root));
}

pl_err vector_verify(const struct vector *v, const struct pl_roots *roots, int64_t at,
                     struct pl_claims *out)
{
    struct pl_collateral coll;
    *out = (struct pl_claims){0};
    PL_TRY(pl_collateral_verify(vector_crypto(), roots, &coll, &v->in));
    struct pl_verifier ver = {.crypto = vector_crypto(),
                              .roots = roots,
                              .collateral = &coll,
                              .collateral_n = 1,
                              .now = {at, at},
                              .pck_chain = v->pck_chain};
    return pl_evidence_verify(&ver, out, v->quote, pl_report_data_unchecked());
}

bool vector_code_fits(const char *code, enum pl_code ours)
{
    static const struct {
        const char *code;
        enum pl_code ours;
    } map[] = {
        {"AK_TYPE", PL_E_QUOTE_AK_TYPE},
        {"CRL_EXPIRED", PL_E_PCK_CRL_EXPIRED},
        {"CRL_EXPIRED", PL_E_ROOT_CRL_EXPIRED},
        {"FMSPC_MISMATCH", PL_E_FMSPC_MISMATCH},
        {"INTERMEDIATE_REVOKED", PL_E_INTERMEDIATE_REVOKED},
        {"PCEID_MISMATCH", PL_E_PCEID_MISMATCH},
        {"PCK_CHAIN_EXPIRED", PL_E_PCK_CHAIN_EXPIRED},
        {"PCK_CHAIN_LEN", PL_E_PCK_CHAIN_LEN},
        {"PCK_CHAIN_SIG", PL_E_PCK_CHAIN_SIG},
        {"PCK_CRL_SIG", PL_E_PCK_CRL_SIG},
        {"PCK_REVOKED", PL_E_PCK_REVOKED},
        {"QE_IDENTITY_EXPIRED", PL_E_QE_IDENTITY_EXPIRED},
        {"QE_IDENTITY_MISMATCH", PL_E_QE_MISCSELECT},
        {"QE_IDENTITY_MISMATCH", PL_E_QE_ATTRIBUTES},
        {"QE_IDENTITY_MISMATCH", PL_E_QE_MRSIGNER},
        {"QE_IDENTITY_MISMATCH", PL_E_QE_PROD_ID},
        {"QE_IDENTITY_SIG", PL_E_QE_IDENTITY_SIG},
        {"QE_REPORT_DATA", PL_E_QE_REPORT_DATA},
        {"QE_REPORT_SIG", PL_E_QE_REPORT_SIG},
        {"QE_VENDOR", PL_E_QUOTE_VENDOR},
        {"QUOTE_SIG", PL_E_QUOTE_SIG},
        {"QUOTE_TRUNCATED", PL_E_QUOTE_TRUNCATED},
        {"QUOTE_VERSION", PL_E_QUOTE_VERSION},
        {"TCB_INFO_EXPIRED", PL_E_TCB_INFO_EXPIRED},
        {"TCB_INFO_SIG", PL_E_TCB_INFO_SIG},
        {"TCB_INFO_TEE_MISMATCH", PL_E_TCB_INFO_TEE},
        {"TCB_NOT_SUPPORTED", PL_E_TCB_NO_LEVEL},
        {"TCB_NOT_SUPPORTED", PL_E_QE_NO_LEVEL},
        {"TCB_SIGNING_REVOKED", PL_E_TCB_INFO_SIGNER_REVOKED},
        {"TCB_SIGNING_REVOKED", PL_E_QE_IDENTITY_SIGNER_REVOKED},
        {"TRAILING_DATA", PL_E_QUOTE_TRAILING},
        {"UNTRUSTED_ROOT", PL_E_UNTRUSTED_ROOT},
        {"CERT_SIG", PL_E_RATLS_SELF_SIG},
        {"PUBKEY_MISMATCH", PL_E_RATLS_KEY},
        {"EVIDENCE_FORMAT", PL_E_RATLS_TAG},
        {"EVIDENCE_FORMAT", PL_E_RATLS_CLAIMS},
    };
    for (size_t i = 0; i < sizeof(map) / sizeof(*map); i++)
        if (map[i].ours == ours && strncmp(code, map[i].code, strlen(map[i].code)) == 0)
            return true;
    return false;
}
