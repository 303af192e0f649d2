/* A vault that lies, for tests and the demonstration: it keeps and logs everything rightly, signs
 * true statements, and releases every share with one bit flipped. It stands for a broken TEE. Its
 * measurement is its own, so it serves only clients whose vault profile lists it. With PL_LIE in
 * its environment it releases truly, and the evidence of its sessions is for another connection. */
#include "api/api.h"

#include <stdlib.h>
#include <string.h>

enum { REPORT_DATA_AT = 48 + 320 }; /* SGX quote: behind its header, in the report body */

pl_err __real_pl_api_write(enum pl_api_msg kind, struct pl_wr *w, const void *m);
pl_err __wrap_pl_api_write(enum pl_api_msg kind, struct pl_wr *w, const void *m);

/* The bytes with one bit flipped, written in their place. */
static pl_err lie(enum pl_api_msg kind, struct pl_wr *w, const void *m, struct pl_span *what,
                  size_t at)
{
    struct pl_span truth = *what;
    PL_REQUIRE(at < truth.n, BUG);
    uint8_t *copy = malloc(truth.n);
    PL_REQUIRE(copy, NO_MEMORY);
    memcpy(copy, truth.p, truth.n);
    copy[at] ^= 1;
    *what = pl_span(copy, truth.n);
    pl_err e = __real_pl_api_write(kind, w, m);
    pl_wipe(copy, truth.n);
    free(copy);
    return e;
}

pl_err __wrap_pl_api_write(enum pl_api_msg kind, struct pl_wr *w, const void *m)
{
    const char *session = getenv("PL_LIE");
    if (kind == PL_API_released && !session) {
        struct pl_api_released r = *(const struct pl_api_released *)m;
        return lie(kind, w, &r, &r.share, r.share.n / 2);
    }
    if (kind == PL_API_session && session) {
        struct pl_api_session s = *(const struct pl_api_session *)m;
        return lie(kind, w, &s, &s.evidence, REPORT_DATA_AT);
    }
    return __real_pl_api_write(kind, w, m);
}
