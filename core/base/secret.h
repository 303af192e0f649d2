/* Secrets: comparing, wiping, and the memory they live in. */
#ifndef PL_BASE_SECRET_H
#define PL_BASE_SECRET_H

#include "base/span.h"

/* True when the n bytes are equal. Time depends on n alone. */
PL_CHECKED bool pl_ct_eq(const uint8_t *a, const uint8_t *b, size_t n);

/* Overwrites n bytes with zeros; no compiler removes it. The only wipe in the tree. */
void pl_wipe(void *p, size_t n);

/* A stack of secret bytes over memory that platform/ locked, guarded and kept out of dumps.
 * One thread at a time. Allocations are 16-byte aligned; release wipes all above a mark. */
struct pl_arena {
    uint8_t *base;
    size_t size, used, high; /* high: the most ever used, for limits and metrics */
};

struct pl_arena pl_arena(void *base, size_t size);
/* NULL when the arena is full (PL_E_NO_MEMORY is the caller's to return). Zeroed. */
uint8_t *pl_arena_take(struct pl_arena *a, size_t n);
/* Gives back all but the first n bytes of p, the last allocation, and wipes them. */
void pl_arena_trim(struct pl_arena *a, const uint8_t *p, size_t n);
size_t pl_arena_mark(const struct pl_arena *a);
void pl_arena_release(struct pl_arena *a, size_t mark); /* wipes [mark, used) */

/* Valgrind's view of secrecy, for the constant-time suite: no-ops unless built with PL_CT_CHECK.
 * PL_DECLASSIFY marks bytes that are public by design; each use says why. */
void pl_ct_poison(const void *p, size_t n);
void pl_ct_declassify(const void *p, size_t n);

#endif
