#include "base/secret.h"

#include <string.h>
#ifdef PL_CT_CHECK
#include <valgrind/memcheck.h>
#endif

bool pl_ct_eq(const uint8_t *a, const uint8_t *b, size_t n)
{
    uint8_t d = 0;
    for (size_t i = 0; i < n; i++) {
        d |= (uint8_t)(a[i] ^ b[i]);
        __asm__("" : "+r"(d)); /* keeps the compiler from leaving the loop early */
    }
    uint32_t equal = ((uint32_t)d - 1) >> 31;
    pl_ct_declassify(&equal, sizeof(equal)); /* whether they are equal is the answer */
    return equal;
}

void pl_wipe(void *p, size_t n)
{
    if (n == 0)
        return;
    memset(p, 0, n);
    __asm__ volatile("" : : "r"(p) : "memory");
}

enum { ARENA_ALIGN = 16 };

struct pl_arena pl_arena(void *base, size_t size)
{
    PL_ASSERT(((uintptr_t)base & (ARENA_ALIGN - 1)) == 0);
    return (struct pl_arena){.base = base, .size = size};
}

uint8_t *pl_arena_take(struct pl_arena *a, size_t n)
{
    if (n > a->size - a->used)
        return NULL;
    size_t rounded = (n + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
    if (rounded > a->size - a->used)
        return NULL;
    uint8_t *p = a->base + a->used;
    a->used += rounded;
    if (a->used > a->high)
        a->high = a->used;
    memset(p, 0, rounded);
    return p;
}

void pl_arena_trim(struct pl_arena *a, const uint8_t *p, size_t n)
{
    PL_ASSERT(p >= a->base && p <= a->base + a->used && n <= (size_t)(a->base + a->used - p));
    size_t end = (size_t)(p - a->base) + n;
    pl_arena_release(a, (end + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1));
}

size_t pl_arena_mark(const struct pl_arena *a) { return a->used; }

void pl_arena_release(struct pl_arena *a, size_t mark)
{
    PL_ASSERT(mark <= a->used);
    pl_wipe(a->base + mark, a->used - mark);
    a->used = mark;
}

#ifdef PL_CT_CHECK
void pl_ct_poison(const void *p, size_t n) { (void)VALGRIND_MAKE_MEM_UNDEFINED(p, n); }
void pl_ct_declassify(const void *p, size_t n) { (void)VALGRIND_MAKE_MEM_DEFINED(p, n); }
#else
void pl_ct_poison(const void *p, size_t n) { (void)p, (void)n; }
void pl_ct_declassify(const void *p, size_t n) { (void)p, (void)n; }
#endif
