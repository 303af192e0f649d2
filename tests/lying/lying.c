/* A vault that lies, for tests and the demonstration: it keeps and logs everything rightly, signs
 * true statements, and releases every share with one bit flipped. It stands for a broken TEE. Its
 * measurement is its own, so it serves only clients whose vault profile lists it. */
#include "api/api.h"

#include <stdlib.h>
#include <string.h>

pl_err __real_pl_api_write(enum pl_api_msg kind, struct pl_wr *w, const void *m);
pl_err __wrap_pl_api_write(enum pl_api_msg kind, struct pl_wr *w, const void *m);

pl_err __wrap_pl_api_write(enum pl_api_msg kind, struct pl_wr *w, const void *m)
{
    if (kind != PL_API_released)
        return __real_pl_api_write(kind, w, m);
    struct pl_api_released lie = *(const struct pl_api_released *)m;
    uint8_t *share = malloc(lie.share.n);
    PL_REQUIRE(share, NO_MEMORY);
    memcpy(share, lie.share.p, lie.share.n);
    share[lie.share.n / 2] ^= 1;
    lie.share.p = share;
    pl_err e = __real_pl_api_write(kind, w, &lie);
    pl_wipe(share, lie.share.n);
    free(share);
    return e;
}
