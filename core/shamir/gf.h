/* GF(2^8) modulo 0x11b: single public bytes, and blocks of secret ones times a public byte. */
#ifndef PL_SHAMIR_GF_H
#define PL_SHAMIR_GF_H

#include "base/base.h"

/* Branch-free as well, though only public x and what follows from them come here. */
uint8_t pl_gf_mul(uint8_t a, uint8_t b);
uint8_t pl_gf_inv(uint8_t a); /* a^254: 0 for 0 */

/* Scratch of one multiplication: a block of 64 secret bytes and its products with t, t^2, ... t^7.
 * 16-byte aligned memory of this size, from the arena. */
enum { PL_GF_BLOCK = 64, PL_GF_SCRATCH = 8 * PL_GF_BLOCK };

/* out[r][0 .. n) ^= factors[r] * in[0 .. n) for each of the rows, which lie `stride` bytes apart.
 * Time depends on n, rows and the factors, which are public; not on in or out. */
struct pl_gf_rows {
    uint8_t *out;
    size_t rows, stride;
    const uint8_t *factors;
};
void pl_gf_add_times(const struct pl_gf_rows *to, const uint8_t *in, size_t n, uint8_t *scratch);

#endif
