/* P12: evidence of this process, verified: all of it with the collateral loaded, and with the
 * platform's chain known; against the signatures that cannot be left out, by the library alone.
 *
 *     bench_quote COLLATERAL ROOT.pem      needs a TEE: run it by `pleiad sim run` */
#include "bench/bench.h"
#include "bench/kit.h"
#include "platform/trust/trust.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

static struct {
    struct kit kit;
    struct pl_trust_set *trust;
    struct pl_chain_cache known;
    uint8_t report_data[PL_REPORT_DATA_BYTES];
    struct pl_wr quote, sig;
    EVP_PKEY_CTX *verify;
    uint8_t digest[32];
    unsigned times;
} g;

static void verify(struct pl_chain_cache *cache)
{
    struct pl_claims claims;
    struct pl_verifier v = pl_trust_verifier(g.trust, g.kit.c, cache, kit_now(NULL));
    MUST(pl_evidence_verify(&v, &claims, pl_wr_span(&g.quote), pl_report_data(g.report_data)));
}

static void first_time(void *arg)
{
    (void)arg;
    verify(NULL);
}

static void chain_known(void *arg)
{
    (void)arg;
    verify(&g.known);
}

static void signatures(void *times)
{
    for (unsigned i = 0; i < *(unsigned *)times; i++)
        kit_need(EVP_PKEY_verify(g.verify, g.sig.p, g.sig.n, g.digest, sizeof(g.digest)) == 1,
                 "verify");
}

/* A key that is loaded once, and a signature by it. */
static void open_library(void)
{
    uint8_t point[65] = {4}, raw[64];
    char group[] = "prime256v1";
    struct pl_pub pub;
    EVP_PKEY *key = NULL;
    EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    MUST(pl_priv_public(g.kit.c, &pub, &g.kit.key));
    MUST(pl_p256_sign(g.kit.c, raw, g.kit.key.raw, g.digest));
    g.sig = pl_wr_heap(80);
    pl_p256_sig_to_der(&g.sig, raw);
    memcpy(point + 1, pub.raw, 64);
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point)),
        OSSL_PARAM_construct_end(),
    };
    kit_need(c && EVP_PKEY_fromdata_init(c) == 1 &&
                 EVP_PKEY_fromdata(c, &key, EVP_PKEY_PUBLIC_KEY, params) == 1 &&
                 (g.verify = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL)) != NULL &&
                 EVP_PKEY_verify_init(g.verify) == 1,
             "EVP");
}

static void open_trust(struct pl_roots *roots, const char *collateral, const char *root)
{
    static uint8_t der[16384];
    const char *bad = "";
    size_t n;
    struct pl_wr pem PL_CLEANUP(pl_wr_free) = pl_wr_heap(16384);
    *roots = *pl_roots_builtin();
    MUST(pl_file_read(&pem, root, 16384));
    struct pl_span in = pl_wr_span(&pem);
    MUST(pl_unpem(der, sizeof(der), &n, &in, "CERTIFICATE"));
    MUST(pl_roots_add_cert(g.kit.c, roots, PL_TEE_SGX, PL_TRUST_DEV, "dev", pl_span(der, n)));
    MUST(pl_trust_load(&g.trust, g.kit.c, roots, collateral, &bad));
}

int main(int argc, char **argv)
{
    struct pl_roots roots;
    unsigned two = 2, four = 4;
    if (argc != 3)
        return 2;
    kit_open(&g.kit, NULL, true);
    open_trust(&roots, argv[1], argv[2]);
    g.quote = pl_wr_heap(PL_TEE_EVIDENCE_MAX);
    MUST(pl_tee_evidence(g.kit.tee, &g.quote, g.report_data, 10000));
    open_library();
    const struct bench_contender first[] = {{"pleiad", first_time, NULL},
                                            {"floor: 4 P-256 signatures", signatures, &four}};
    const struct bench_contender again[] = {{"pleiad", chain_known, NULL},
                                            {"floor: 2 P-256 signatures", signatures, &two}};
    bench_run("P12", "SGX quote, collateral loaded", 0, first, 2);
    bench_run("P12", "SGX quote, its platform's chain seen before", 0, again, 2);
    return 0;
}
