/* Carriers: the form that all signed objects have. What is read is canonical, and put together
 * again it is the same in canonical form; what was signed reads as what was signed. */
#include "fuzz.h"
#include "attest/carrier.h"

#include <string.h>

static const char typ[] = "pleiad-test-1";

static void taken_apart(struct pl_crypto *c, struct pl_span in)
{
    struct pl_carrier k;
    struct pl_span statement;
    struct pl_pub signer;
    pl_err e = pl_carrier_read(c, &k, in), read = pl_signed_read(c, &statement, &signer, typ, in);
    FUZZ_CHECK(read != PL_OK || e == PL_OK);
    FUZZ_CHECK((read == PL_OK) == (statement.p != NULL) && (read == PL_OK) == (signer.type != 0));
    if (e != PL_OK)
        return;
    struct pl_wr w PL_CLEANUP(pl_wr_free) = pl_wr_heap(2 * PL_CARRIER_MAX);
    FUZZ_CHECK(pl_jcs_check(&w, k.statement) == PL_OK &&
               (k.signer.type != PL_PUB_NONE) == (k.form == PL_CARRIER_JWS));
    if (pl_carrier_verify(c, &k, typ) != PL_OK)
        return;
    w.n = 0;
    pl_carrier_put(&w, &k.signer, typ, k.statement, k.sig);
    struct pl_carrier again;
    FUZZ_CHECK(pl_carrier_read(c, &again, pl_wr_span(&w)) == PL_OK);
    FUZZ_CHECK(pl_span_eq(again.statement, k.statement) && pl_span_eq(again.part[0], k.part[0]));
    FUZZ_CHECK(memcmp(again.sig, k.sig, 64) == 0);
    FUZZ_CHECK(memcmp(again.signer_sha256, k.signer_sha256, 32) == 0);
}

static void put_together(struct pl_crypto *c, struct pl_span in)
{
    static const struct pl_priv key = {PL_PUB_ED25519, {1}};
    struct pl_wr canon PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_CARRIER_MAX);
    struct pl_wr w PL_CLEANUP(pl_wr_free) = pl_wr_heap(2 * PL_CARRIER_MAX);
    struct pl_span statement;
    struct pl_pub signer;
    if (pl_jcs(&canon, in) != PL_OK || pl_wr_span(&canon).p[0] != '{')
        return;
    FUZZ_CHECK(pl_signed_make(c, &w, &key, typ, pl_wr_span(&canon)) == PL_OK);
    if (pl_signed_read(c, &statement, &signer, typ, pl_wr_span(&w)) == PL_OK)
        FUZZ_CHECK(pl_span_eq(statement, pl_wr_span(&canon)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct pl_crypto *c;
    if (!c)
        FUZZ_CHECK(pl_crypto_new(&c) == PL_OK);
    if (size > PL_CARRIER_MAX / 4)
        return 0;
    taken_apart(c, pl_span(data, size));
    put_together(c, pl_span(data, size));
    return 0;
}
