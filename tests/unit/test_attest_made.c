/* Quotes made for the purpose under a development root: defects that no signed vector has. */
#include "attest/attest.h"
#include "daemons/simd/fixture.h"
#include "platform/platform.h"
#include "tests/test.h"

#include <stdlib.h>

enum { NOW = 1800000000 };
static struct pl_fx_world w;
static uint8_t room[8][32 * 1024];

static struct pl_wr out(unsigned i) { return pl_wr_fixed(room[i], sizeof(room[i])); }

/* Everything from w as it stands, verified. */
static pl_err verify(struct pl_claims *claims)
{
    struct pl_wr tcb = out(0), qe = out(1), chain = out(2), signer = out(3), qe_signer = out(4);
    struct pl_wr pck_crl = out(5), root_crl = out(6), quote = out(7);
    struct pl_roots roots = {0};
    struct pl_collateral coll;
    PL_TRY(pl_fx_certs(&w));
    PL_TRY(pl_fx_tcb_info(&w, &tcb));
    PL_TRY(pl_fx_qe_identity(&w, &qe));
    PL_TRY(pl_fx_crl(&w, &pck_crl, &w.pck_crl));
    PL_TRY(pl_fx_crl(&w, &root_crl, &w.root_crl));
    pl_fx_pck_chain(&w, &chain);
    pl_fx_signer_chain(&w, &signer, &w.der.tcb_signer);
    pl_fx_signer_chain(&w, &qe_signer, &w.der.qe_signer);
    PL_TRY(pl_fx_quote(&w, &quote, pl_wr_span(&chain)));
    PL_TRY(pl_roots_add_cert(w.c, &roots, PL_TEE_SGX, PL_TRUST_DEV, "dev",
                             pl_span(w.der.root.p, w.der.root.n)));
    struct pl_collateral_in in = {
        PL_TEE_SGX,           pl_wr_span(&tcb),       pl_wr_span(&signer),
        pl_wr_span(&qe),      pl_wr_span(&qe_signer), pl_wr_span(&pck_crl),
        pl_wr_span(&root_crl)};
    PL_TRY(pl_collateral_verify(w.c, &roots, &coll, &in));
    struct pl_verifier v = {
        .crypto = w.c, .roots = &roots, .collateral = &coll, .collateral_n = 1, .now = {NOW, NOW}};
    return pl_evidence_verify(&v, claims, pl_wr_span(&quote), pl_report_data_unchecked());
}

#define MADE(change, want)                                                                         \
    do {                                                                                           \
        struct pl_claims c;                                                                        \
        NEED(CHECK_OK(pl_fx_world_init(&w, crypto, pl_entropy, NOW)));                             \
        change;                                                                                    \
        CHECK_ERR(verify(&c), want);                                                               \
    } while (0)

TEST(defects_of_the_key_binding_and_the_report)
{
    struct pl_crypto *crypto = NULL;
    NEED(CHECK_OK(pl_crypto_new(&crypto)));
    MADE((void)0, OK);
    MADE(w.quote.qe_tail_set = true, QE_REPORT_TAIL);
    MADE(w.quote.ak_unbound = true, QE_REPORT_DATA);
    MADE(w.quote.ak_off_curve = true, QUOTE_AK);
    MADE(w.report.reserved_set = true, QUOTE_RESERVED);
    MADE(w.quote.cert_size_delta = 1, QUOTE_FORMAT);
    MADE(w.quote.cert_size_delta = -1, QUOTE_FORMAT);
    MADE(w.pck.ca = true, X509_IS_CA);
    MADE(w.ca.ca = false, X509_NOT_CA);
    MADE(w.root.pathlen = 0, X509_PATHLEN);
    MADE(w.ca.key_usage = PL_FX_KU_SIGN, X509_KEY_USAGE);
    MADE(w.pck.outer_algorithm_differs = true, X509_ALGORITHM);
    MADE(w.platform.no_fmspc = true, PCK_EXTENSION);
    pl_fx_world_wipe(&w);
    pl_crypto_free(crypto);
}

TEST_MAIN()
