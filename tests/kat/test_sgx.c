/* SGX evidence of real machines and of a synthetic PKI: the results of expected.json. */
#include "tests/kat/vectors.h"

#include <stdio.h>
#include <string.h>

static bool hex_is(struct pl_span got, const char *want)
{
    char text[2 * PL_REPORT_DATA_BYTES + 1];
    if (want[0] == 0)
        return true;
    pl_hex(text, got);
    return strcmp(text, want) == 0;
}

static bool advisories_are(const struct pl_claims *c, const struct vector *v)
{
    bool same = c->tcb.advisories == v->advisories;
    for (unsigned i = 0; same && i < v->advisories; i++)
        same = strcmp(c->tcb.advisory[i], v->advisory[i]) == 0;
    return same;
}

static void identity(const struct pl_claims *c, const struct vector *v)
{
    CHECK(hex_is(PL_ARR(c->sgx.mrenclave), v->mrenclave));
    CHECK(hex_is(PL_ARR(c->sgx.mrsigner), v->mrsigner));
    CHECK(hex_is(PL_ARR(c->sgx.attributes), v->attributes));
    CHECK(hex_is(PL_ARR(c->report_data), v->report_data));
    CHECK(hex_is(PL_ARR(c->sgx.fmspc), v->fmspc));
    CHECK(!v->has_debug || c->debug == v->debug);
    CHECK(!v->has_prod || (c->sgx.isv_prod_id == v->isv_prod_id && c->sgx.isv_svn == v->isv_svn));
    CHECK(c->collateral.numbers.tcb_eval == v->eval[0] &&
          c->collateral.numbers.qe_eval == v->eval[1]);
}

static bool in_floor(const char *status)
{
    return strcmp(status, "UpToDate") == 0 || strcmp(status, "SWHardeningNeeded") == 0;
}

static void authentic(const struct vector *v, const struct pl_roots *roots,
                      const struct pl_claims *c)
{
    struct pl_claims other;
    CHECK(strcmp(pl_tcb_text(c->tcb.status), v->tcb_status) == 0);
    CHECK(c->tcb.date_s == v->tcb_date);
    CHECK(advisories_are(c, v));
    identity(c, v);
    CHECK(strcmp(c->name, v->test_root.p ? "custom-test" : "sgx") == 0);
    CHECK((pl_accept_default(c) == PL_OK) == (in_floor(v->tcb_status) && !v->debug));
    CHECK(c->earliest_s <= v->at && v->at <= c->latest_s);
    CHECK_OK(vector_verify(v, roots, c->earliest_s, &other));
    CHECK_OK(vector_verify(v, roots, c->latest_s, &other));
    CHECK(vector_verify(v, roots, c->earliest_s - 1, &other) != PL_OK);
    CHECK(vector_verify(v, roots, c->latest_s + 1, &other) != PL_OK);
    CHECK(pl_span_zero(pl_span(&other, sizeof(other))));
    /* valid_from and valid_to of the vectors look at nextUpdate only in part: ours is inside. */
    if (v->has_period)
        CHECK(c->earliest_s >= v->valid_from && c->latest_s <= v->valid_to);
}

static void one(const char *dir)
{
    struct vector v;
    struct pl_roots roots;
    struct pl_claims claims;
    NEED(CHECK(vector_load(&v, dir)));
    NEED(CHECK_OK(vector_roots(&v, &roots)));
    pl_err e = vector_verify(&v, &roots, v.at, &claims);
    bool ok = strcmp(v.result, "ok") == 0;
    if (!CHECK(ok == (e == PL_OK)) || (!ok && !CHECK(vector_code_fits(v.code, pl_err_code(e)))))
        printf("# %s: expected %s %s, got %s\n", dir, v.result, v.code,
               pl_code_name(pl_err_code(e)));
    if (ok && e == PL_OK)
        authentic(&v, &roots, &claims);
}

TEST(sgx_of_real_machines)
{
    unsigned n = vector_each("vectors/sgx", "", one);
    if (n == 0)
        test_skip("../shared/vectors/sgx is not here");
    else
        CHECK(n >= 9);
}

TEST(sgx_synthetic)
{
    unsigned n = vector_each("vectors/dcap-synthetic", "sgx-", one);
    if (n == 0)
        test_skip("../shared/vectors/dcap-synthetic is not here");
    else
        CHECK(n >= 44);
}

static void intel_root(const char *dir)
{
    struct vector v;
    struct pl_claims claims;
    NEED(CHECK(vector_load(&v, dir)));
    pl_err e = vector_verify(&v, pl_roots_builtin(), v.at, &claims);
    if (!CHECK(e != PL_OK))
        printf("# %s passes under Intel's root\n", dir);
    CHECK(pl_span_zero(pl_span(&claims, sizeof(claims))));
}

TEST(synthetic_fails_under_intels_root)
{
    if (vector_each("vectors/dcap-synthetic", "sgx- tdx-", intel_root) == 0)
        test_skip("../shared/vectors/dcap-synthetic is not here");
}

static void refused_by_name(const char *dir)
{
    struct vector v;
    struct pl_roots roots;
    struct pl_verifier ver = {.crypto = vector_crypto(), .roots = &roots};
    struct pl_claims claims;
    NEED(CHECK(vector_load(&v, dir)));
    NEED(CHECK_OK(vector_roots(&v, &roots)));
    pl_err e = pl_evidence_verify(&ver, &claims, v.quote, pl_report_data_unchecked());
    if (strstr(dir, "tdx-v4-tee-type"))
        CHECK(e != PL_OK);
    else
        CHECK_ERR(e, TEE_UNSUPPORTED);
}

TEST(tdx_is_refused_by_name)
{
    if (vector_each("vectors/dcap-synthetic", "tdx-", refused_by_name) == 0)
        test_skip("../shared/vectors/dcap-synthetic is not here");
}

TEST_MAIN()
