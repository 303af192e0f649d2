#include "shamir/gf.h"

#include <string.h>

uint8_t pl_gf_mul(uint8_t a, uint8_t b)
{
    unsigned x = a, product = 0;
    for (unsigned bit = 0; bit < 8; bit++) {
        product ^= x & (0u - (b >> bit & 1u));
        x = x << 1 ^ (0x11bu & (0u - (x >> 7)));
    }
    return (uint8_t)product;
}

uint8_t pl_gf_inv(uint8_t a)
{
    uint8_t power = a, out = 1;
    for (unsigned i = 1; i < 8; i++) { /* 254 = 2 + 4 + ... + 128 */
        power = pl_gf_mul(power, power);
        out = pl_gf_mul(out, power);
    }
    return out;
}

/* Sixteen bytes at once, in the compiler's own vector types: one instruction an operation where
 * the machine has 128-bit registers, correct everywhere. */
typedef uint8_t vec __attribute__((vector_size(16), may_alias));
typedef uint8_t loose __attribute__((vector_size(16), may_alias, aligned(1)));
typedef int8_t signed_vec __attribute__((vector_size(16)));
struct block {
    vec a, b, c, d; /* by name: gcc keeps these in registers, but not an array it has to index */
};
_Static_assert(sizeof(struct block) == PL_GF_BLOCK, "a block has no padding");

/* Times t: shift, and fold the bit that fell out back in. A comparison of vectors gives a mask. */
static inline vec times_t(vec a)
{
    const vec fold = {0x1b, 0x1b, 0x1b, 0x1b, 0x1b, 0x1b, 0x1b, 0x1b,
                      0x1b, 0x1b, 0x1b, 0x1b, 0x1b, 0x1b, 0x1b, 0x1b};
    const signed_vec zero = {0};
    return (a + a) ^ ((vec)((signed_vec)a < zero) & fold);
}

static inline void powers_of_t(struct block power[8])
{
    struct block p = power[0];
    for (unsigned bit = 1; bit < 8; bit++) {
        p = (struct block){times_t(p.a), times_t(p.b), times_t(p.c), times_t(p.d)};
        power[bit] = p;
    }
}

/* Adds factor * power[0]; the factor is public. The sum has no address, so that it stands in
 * registers: on the stack it would stay behind, and it may be a piece of the secret. */
static void add_block(const struct pl_gf_rows *to, size_t at, const struct block power[8])
{
    for (size_t r = 0; r < to->rows; r++) {
        loose *out = (loose *)(void *)(to->out + r * to->stride + at);
        vec a = out[0], b = out[1], c = out[2], d = out[3];
        for (unsigned f = to->factors[r]; f; f &= f - 1) {
            const struct block *p = &power[__builtin_ctz(f)];
            a ^= p->a, b ^= p->b, c ^= p->c, d ^= p->d;
        }
        out[0] = a, out[1] = b, out[2] = c, out[3] = d;
    }
}

/* The last n < 64 bytes, byte by byte from the same powers. */
static void add_tail(const struct pl_gf_rows *to, size_t at, size_t n, struct block power[8])
{
    for (size_t r = 0; r < to->rows; r++)
        for (unsigned f = to->factors[r]; f; f &= f - 1) {
            const uint8_t *p = (const uint8_t *)&power[__builtin_ctz(f)];
            for (size_t i = 0; i < n; i++)
                to->out[r * to->stride + at + i] ^= p[i];
        }
}

void pl_gf_add_times(const struct pl_gf_rows *to, const uint8_t *in, size_t n, uint8_t *scratch)
{
    struct block *power = (struct block *)(void *)scratch;
    size_t at = 0;
    for (; n - at >= PL_GF_BLOCK; at += PL_GF_BLOCK) {
        memcpy(&power[0], in + at, PL_GF_BLOCK);
        powers_of_t(power);
        add_block(to, at, power);
    }
    if (at == n)
        return;
    memcpy(&power[0], in + at, n - at);
    powers_of_t(power);
    add_tail(to, at, n - at, power);
}
