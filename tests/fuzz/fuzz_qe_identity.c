/* QE identity: bounded, descending, and only from complete documents. */
#include "attest/internal.h"
#include "fuzz.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct pl_collateral c, again;
    uint8_t sig[PL_P256_SIG_BYTES];
    struct pl_span in = pl_span(data, size), inner = in;
    if (pl_signed_json(in, "enclaveIdentity", &inner, sig) == PL_OK)
        FUZZ_CHECK(inner.p > data && inner.p + inner.n < data + size);
    else
        inner = in;
    memset(&c, 0, sizeof(c));
    if (pl_qe_identity_parse(&c, inner) != PL_OK)
        return 0;
    FUZZ_CHECK(c.qe_levels > 0 && c.qe_levels <= PL_TCB_LEVELS_MAX);
    for (unsigned i = 0; i < c.qe_levels; i++) {
        FUZZ_CHECK(i == 0 || c.qe_level[i - 1].isvsvn > c.qe_level[i].isvsvn);
        FUZZ_CHECK(c.qe_level[i].status != PL_TCB_NONE);
    }
    memset(&again, 0, sizeof(again));
    FUZZ_CHECK(pl_qe_identity_parse(&again, inner) == PL_OK);
    FUZZ_CHECK(memcmp(&c, &again, sizeof(c)) == 0);
    return 0;
}
