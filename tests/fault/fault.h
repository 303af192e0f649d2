/* Failing the k-th call, for every k. The linker sends the calls below (fault.c and meson.build
 * list them) through here; a test runs the same work again and again with one more call let
 * through, until nothing was left to fail.
 *
 *     static pl_err work(void *arg) { ... }
 *     TEST(x) { fault_every(FAULT_MEMORY | FAULT_CRYPTO, work, arg, after); }
 *
 * One thread. Only calls from linked objects are seen, not those inside shared libraries.
 */
#ifndef PL_TESTS_FAULT_H
#define PL_TESTS_FAULT_H

#include "test.h"

enum fault_kind {
    FAULT_MEMORY = 1 << 0,  /* malloc, calloc, realloc, strdup: NULL */
    FAULT_ENTROPY = 1 << 1, /* getrandom: EIO */
    FAULT_CRYPTO = 1 << 2,  /* fetching, contexts, MAC and digest steps: NULL or 0; with
                             * fault_libs.c also ciphers, keys, signatures, TLS */
    FAULT_SYSTEM = 1 << 3,  /* files, mappings, limits: -1 with EIO */
    FAULT_HTTP = 1 << 4,    /* with fault_libs.c: nghttp2 has no memory */
};

/* For a test with a shape of its own: the k-th call (from 1) of these kinds fails, once. 0: none.
 */
void fault_arm(unsigned kinds, unsigned k);
bool fault_disarm(void);       /* did it come to that call? */
bool fault_now(unsigned kind); /* the wrappers ask this */
long fault_live_blocks(void);  /* malloc and calloc without free so far */

/* Runs work with the 1st, 2nd, ... call failing, until a run needs no more calls; that one must
 * succeed. Every other must return an error that is not BUG. None may leave memory behind. after
 * (may be NULL) checks the rest, each time. Returns how many calls were failed. */
unsigned fault_every(unsigned kinds, pl_err (*work)(void *arg), void *arg,
                     void (*after)(void *arg, pl_err e));

#endif
