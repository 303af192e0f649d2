/* Certificates with SGX evidence made by other projects, and stolen or damaged ones. */
#include "tests/kat/vectors.h"

#include <stdio.h>
#include <string.h>

/* What expected.json says of one certificate. */
struct expected {
    char result[24], code[120], collateral[120];
    struct vector verdict; /* of the quote under that collateral */
    bool has_verdict;
};

static void verdict(struct pl_json *j, struct expected *e)
{
    struct pl_span key;
    e->has_verdict = true;
    for (pl_json_object(j); pl_json_key(j, &key);) {
        if (pl_span_is(key, "tcb_status"))
            pl_json_str(j, e->verdict.tcb_status, sizeof(e->verdict.tcb_status), 1, NULL);
        else if (pl_span_is(key, "debug"))
            pl_json_bool(j, &e->verdict.debug);
        else if (pl_span_is(key, "advisory_ids"))
            for (pl_json_array(j); pl_json_item(j); e->verdict.advisories++)
                pl_json_str(j, e->verdict.advisory[e->verdict.advisories % 32], 40, 1, NULL);
        else
            pl_json_skip(j);
    }
}

static bool load(const char *dir, struct expected *e, struct pl_span *der)
{
    char path[700];
    struct pl_json j;
    struct pl_span key;
    *e = (struct expected){0};
    snprintf(path, sizeof(path), "%s/cert.der", dir);
    *der = test_file(path);
    snprintf(path, sizeof(path), "%s/expected.json", dir);
    struct pl_span text = test_file(path);
    pl_json_init(&j, text);
    for (pl_json_object(&j); pl_json_key(&j, &key);) {
        if (pl_span_is(key, "result"))
            pl_json_str(&j, e->result, sizeof(e->result), 1, NULL);
        else if (pl_span_is(key, "code"))
            pl_json_str(&j, e->code, sizeof(e->code), 1, NULL);
        else if (pl_span_is(key, "with_collateral"))
            pl_json_str(&j, e->collateral, sizeof(e->collateral), 1, NULL);
        else if (pl_span_is(key, "quote_verdict"))
            verdict(&j, e);
        else
            pl_json_skip(&j);
    }
    return der->p && pl_json_end(&j) == PL_OK;
}

static pl_err binding(struct pl_span der, struct pl_ratls *out)
{
    PL_TRY(pl_ratls_parse(vector_crypto(), out, der, PL_RATLS_OFFLINE));
    return pl_ratls_binding(vector_crypto(), out);
}

/* "sgx/<folder> at <time>" */
static void with_collateral(const struct pl_ratls *cert, struct expected *e)
{
    char path[300];
    struct vector v;
    struct pl_collateral coll;
    struct pl_claims c;
    e->collateral[strcspn(e->collateral, " ")] = 0;
    snprintf(path, sizeof(path), "vectors/%s", e->collateral);
    NEED(CHECK(test_shared(path) && vector_load(&v, test_shared(path))));
    NEED(CHECK_OK(pl_collateral_verify(vector_crypto(), pl_roots_builtin(), &coll, &v.in)));
    struct pl_verifier ver = {.crypto = vector_crypto(),
                              .roots = pl_roots_builtin(),
                              .collateral = &coll,
                              .collateral_n = 1,
                              .now = {v.at, v.at}};
    NEED(CHECK_OK(pl_ratls_verify(&ver, &c, cert)));
    CHECK(strcmp(pl_tcb_text(c.tcb.status), e->verdict.tcb_status) == 0);
    CHECK(c.debug == e->verdict.debug);
    bool same = c.tcb.advisories == e->verdict.advisories;
    for (unsigned i = 0; same && i < c.tcb.advisories; i++)
        same = strcmp(c.tcb.advisory[i], e->verdict.advisory[i]) == 0;
    CHECK(same);
    CHECK(!c.has_pleiad);
    ver.now = (struct pl_interval){cert->valid.to_s + 1, cert->valid.to_s + 1};
    CHECK_ERR(pl_ratls_verify(&ver, &c, cert), RATLS_EXPIRED);
    ver.now = PL_TIME_UNKNOWN;
    CHECK_ERR(pl_ratls_verify(&ver, &c, cert), EVIDENCE_TIME);
}

static void one(const char *dir)
{
    struct expected e;
    struct pl_span der;
    struct pl_ratls cert;
    NEED(CHECK(load(dir, &e, &der)));
    pl_err got = binding(der, &cert);
    bool ok = strcmp(e.result, "ok") == 0;
    printf("# %s: %s %s: %s\n", strrchr(dir, '/') + 1, e.result, e.code,
           pl_code_name(pl_err_code(got)));
    if (!CHECK(ok == (got == PL_OK)))
        printf("# %s: expected %s\n", dir, e.result);
    if (e.code[0])
        CHECK(vector_code_fits(e.code, pl_err_code(got)));
    if (ok && e.has_verdict)
        with_collateral(&cert, &e);
}

TEST(certificates_of_others)
{
    unsigned n = vector_each("vectors/ratls", "", one);
    if (n == 0)
        test_skip("../shared/vectors/ratls is not here");
    else
        CHECK(n >= 16);
}

/* In a handshake only the emitted form counts, alone, on a P-256 key. */
TEST(channel_takes_one_form_only)
{
    static const struct {
        const char *name;
        enum pl_code want;
    } row[] = {
        {"rats-tls-interop", PL_E_OK},
        {"gramine-legacy-and-interop", PL_E_X509_KEY},
        {"neg-stolen-legacy-quote", PL_E_X509_KEY},
        {"rats-tls-legacy-rsa-a", PL_E_X509_KEY},
    };
    for (size_t i = 0; i < sizeof(row) / sizeof(*row); i++) {
        char path[200];
        struct pl_ratls cert;
        snprintf(path, sizeof(path), "vectors/ratls/%s/cert.der", row[i].name);
        if (!test_shared(path)) {
            test_skip("../shared/vectors/ratls is not here");
            return;
        }
        pl_err e =
            pl_ratls_parse(vector_crypto(), &cert, test_file(test_shared(path)), PL_RATLS_CHANNEL);
        CHECK(pl_err_code(e) == row[i].want);
    }
}

TEST_MAIN()
