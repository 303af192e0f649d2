/* Constant-time tests: secrets are marked as undefined memory, and valgrind's memcheck reports each
 * branch and each address that depends on undefined memory. Built with -Dct_check=true and run
 * under valgrind (ci/ct.py); elsewhere every test fails, for it would see nothing.
 *
 *     TEST(x) { CT_BEGIN(); ct_secret(key, n); work(key); CT_END(); CHECK(ct_is_secret(out, n)); }
 *
 * After CT_END results are made public with ct_public before they are compared.
 */
#ifndef PL_TESTS_CT_H
#define PL_TESTS_CT_H

#include "test.h"

#include <valgrind/memcheck.h>

#define CT_BEGIN()                                                                                 \
    NEED(CHECK(RUNNING_ON_VALGRIND));                                                              \
    unsigned long ct_errors_before = VALGRIND_COUNT_ERRORS
#define CT_END() CHECK(VALGRIND_COUNT_ERRORS == ct_errors_before)

static inline void ct_secret(const void *p, size_t n) { pl_ct_poison(p, n); }
static inline void ct_public(const void *p, size_t n) { pl_ct_declassify(p, n); }

/* Does any of these bytes still depend on a secret? Shows that nothing on the way made the secret
 * public, which would blind the test. */
static inline bool ct_is_secret(const void *p, size_t n)
{
    uint8_t bits[256];
    if (n > sizeof(bits) || VALGRIND_GET_VBITS(p, bits, n) != 1)
        return false;
    (void)VALGRIND_MAKE_MEM_DEFINED(bits, n);
    return !pl_span_zero(pl_span(bits, n));
}

#endif
