/* TCB info and QE identity: bounded, descending, and only from complete documents. */
#include "attest/internal.h"
#include "fuzz.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct pl_collateral c;
    uint8_t sig[PL_P256_SIG_BYTES];
    struct pl_span in = pl_span(data, size), inner = in;
    if (pl_signed_json(in, "tcbInfo", &inner, sig) != PL_OK)
        inner = in;
    memset(&c, 0, sizeof(c));
    if (pl_tcb_info_parse(&c, inner) == PL_OK) {
        FUZZ_CHECK(c.levels > 0 && c.levels <= PL_TCB_LEVELS_MAX);
        for (unsigned i = 1; i < c.levels; i++) {
            int order = memcmp(c.level[i - 1].svn, c.level[i].svn, 16);
            FUZZ_CHECK(order > 0 || (order == 0 && c.level[i - 1].pcesvn > c.level[i].pcesvn));
        }
        static struct pl_claims claims;
        for (unsigned i = 0; i < c.levels; i++) {
            FUZZ_CHECK(c.level[i].status != PL_TCB_NONE);
            if (pl_advisories_add(&claims, c.level[i].advisories) == PL_OK)
                FUZZ_CHECK(claims.tcb.advisories <= PL_ADVISORIES_MAX);
        }
        memset(&claims, 0, sizeof(claims));
    }
    if (pl_signed_json(in, "enclaveIdentity", &inner, sig) != PL_OK)
        inner = in;
    memset(&c, 0, sizeof(c));
    if (pl_qe_identity_parse(&c, inner) == PL_OK) {
        FUZZ_CHECK(c.qe_levels > 0 && c.qe_levels <= PL_TCB_LEVELS_MAX);
        for (unsigned i = 1; i < c.qe_levels; i++)
            FUZZ_CHECK(c.qe_level[i - 1].isvsvn > c.qe_level[i].isvsvn);
    }
    return 0;
}
