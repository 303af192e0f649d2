/* The bare scheme: points, splitting, interpolation. */
#include "shamir/gf.h"
#include "shamir/shamir.h"

#include <string.h>

/* What is taken from the arena: the powers, and a public factor for each share. */
enum { FACTORS = (PL_SHARES_MAX + 15) / 16 * 16 };
_Static_assert(PL_GF_SCRATCH + FACTORS <= PL_SHAMIR_SCRATCH, "the header's bound holds");

static pl_err check_counts(const struct pl_split *s)
{
    PL_REQUIRE(s->k >= 2 && s->k <= s->n, SHARE_PARAMS);
    return PL_OK;
}

pl_err pl_split_plain_x(struct pl_split *s)
{
    PL_TRY(check_counts(s));
    for (unsigned i = 0; i < s->n; i++)
        s->x[i] = (uint8_t)(i + 1);
    return PL_OK;
}

/* Fisher and Yates: the first n places of a shuffle of 1 .. 255. */
pl_err pl_split_random_x(struct pl_split *s, struct pl_span random)
{
    uint8_t all[PL_SHARES_MAX];
    PL_TRY(check_counts(s));
    PL_ASSERT(random.n == (size_t)s->n * PL_X_SEED_BYTES);
    struct pl_rd r = pl_rd(random);
    for (unsigned i = 0; i < PL_SHARES_MAX; i++)
        all[i] = (uint8_t)(i + 1);
    for (unsigned i = 0; i < s->n; i++) {
        unsigned from = i + (unsigned)(pl_rd_be64(&r) % (PL_SHARES_MAX - i));
        s->x[i] = all[from];
        all[from] = all[i];
    }
    return PL_OK;
}

static bool distinct_x(const uint8_t *x, size_t n)
{
    bool seen[256] = {true}; /* 0 is no point */
    for (size_t i = 0; i < n; i++) {
        if (seen[x[i]])
            return false;
        seen[x[i]] = true;
    }
    return true;
}

pl_err pl_shamir_insecure_split(uint8_t *out_y, const struct pl_split *s, struct pl_span secret,
                                struct pl_span random, struct pl_arena *a)
{
    size_t mark = pl_arena_mark(a);
    PL_REQUIRE(s->k >= 1 && s->k <= s->n && distinct_x(s->x, s->n), SHARE_PARAMS);
    PL_REQUIRE(secret.n > 0, SECRET_EMPTY);
    PL_ASSERT(random.n == (size_t)(s->k - 1) * secret.n);
    uint8_t *scratch = pl_arena_take(a, PL_SHAMIR_SCRATCH);
    PL_REQUIRE(scratch, NO_MEMORY);
    uint8_t *power = scratch + PL_GF_SCRATCH; /* of each x */
    const struct pl_gf_rows rows = {out_y, s->n, secret.n, power};
    for (unsigned j = 0; j < s->n; j++)
        memcpy(out_y + j * secret.n, secret.p, secret.n);
    memset(power, 1, s->n);
    for (unsigned i = 1; i < s->k; i++) {
        for (unsigned j = 0; j < s->n; j++)
            power[j] = pl_gf_mul(power[j], s->x[j]);
        pl_gf_add_times(&rows, random.p + (i - 1) * secret.n, secret.n, scratch);
    }
    pl_arena_release(a, mark);
    return PL_OK;
}

pl_err pl_shamir_split(uint8_t *out_y, const struct pl_split *s, struct pl_span secret,
                       struct pl_span random, struct pl_arena *a)
{
    PL_TRY(check_counts(s));
    return pl_shamir_insecure_split(out_y, s, secret, random, a);
}

/* Lagrange: share j counts with the product over the others of (at - x_m) / (x_j - x_m). */
static uint8_t weight(const uint8_t *x, size_t k, size_t j, uint8_t at)
{
    uint8_t over = 1, under = 1;
    for (size_t m = 0; m < k; m++) {
        if (m == j)
            continue;
        over = pl_gf_mul(over, at ^ x[m]);
        under = pl_gf_mul(under, x[j] ^ x[m]);
    }
    return pl_gf_mul(over, pl_gf_inv(under));
}

static pl_err check_shares(const struct pl_share *shares, size_t k, uint8_t x[PL_SHARES_MAX])
{
    PL_REQUIRE(k > 0, SHARE_FEW);
    PL_REQUIRE(k <= PL_SHARES_MAX, SHARE_PARAMS);
    for (size_t j = 0; j < k; j++) {
        PL_REQUIRE(shares[j].y.n > 0 && shares[j].y.n == shares[0].y.n, SHARE_LENGTH);
        x[j] = shares[j].x;
    }
    PL_REQUIRE(distinct_x(x, k), SHARE_POINT);
    return PL_OK;
}

pl_err pl_shamir_at(uint8_t *out, uint8_t at, const struct pl_share *shares, size_t k,
                    struct pl_arena *a)
{
    uint8_t x[PL_SHARES_MAX];
    size_t mark = pl_arena_mark(a);
    PL_TRY(check_shares(shares, k, x));
    uint8_t *scratch = pl_arena_take(a, PL_SHAMIR_SCRATCH);
    PL_REQUIRE(scratch, NO_MEMORY);
    memset(out, 0, shares[0].y.n);
    for (size_t j = 0; j < k; j++) {
        uint8_t factor = weight(x, k, j, at);
        const struct pl_gf_rows row = {out, 1, 0, &factor};
        pl_gf_add_times(&row, shares[j].y.p, shares[j].y.n, scratch);
    }
    pl_arena_release(a, mark);
    return PL_OK;
}
