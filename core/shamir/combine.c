/* Finding the k shares that belong together, and naming those that do not. */
#include "shamir/shamir.h"

#include <string.h>

/* A k-subset of m shares, as ascending positions, and the walk over them. */
struct subset {
    size_t m, k;
    uint8_t at[PL_SHARES_MAX];
    bool drawn;    /* too many to try all: draw them */
    uint64_t seed; /* of the draws; always the same, for nobody gains by foreseeing it */
};

/* C(m, k), or PL_SUBSETS_MAX + 1 when it is more than PL_SUBSETS_MAX. */
static size_t how_many(size_t m, size_t k)
{
    size_t count = 1;
    if (k > m - k)
        k = m - k;
    for (size_t i = 1; i <= k; i++) {
        count = count * (m - k + i) / i; /* exact: a binomial at each step */
        if (count > PL_SUBSETS_MAX)
            return PL_SUBSETS_MAX + 1;
    }
    return count;
}

static struct subset first_subset(size_t m, size_t k)
{
    struct subset s = {.m = m, .k = k, .drawn = how_many(m, k) > PL_SUBSETS_MAX, .seed = 1};
    for (size_t i = 0; i < k; i++)
        s.at[i] = (uint8_t)i;
    return s;
}

/* The next in lexical order; false after the last. */
static bool step(struct subset *s)
{
    size_t i = s->k;
    while (i > 0 && s->at[i - 1] == s->m - s->k + i - 1)
        i--;
    if (i == 0)
        return false;
    s->at[i - 1]++;
    for (; i < s->k; i++)
        s->at[i] = (uint8_t)(s->at[i - 1] + 1);
    return true;
}

/* Knuth's selection sampling (TAOCP 3.4.2, algorithm S) on a linear congruential generator. */
static void draw(struct subset *s)
{
    for (size_t seen = 0, chosen = 0; chosen < s->k; seen++) {
        s->seed = s->seed * 6364136223846793005u + 1442695040888963407u;
        if ((s->seed >> 33) % (s->m - seen) < s->k - chosen)
            s->at[chosen++] = (uint8_t)seen;
    }
}

static bool next_subset(struct subset *s)
{
    if (!s->drawn)
        return step(s);
    draw(s);
    return true;
}

struct work {
    struct pl_crypto *c;
    const struct pl_split *split;
    const struct pl_share *shares;
    uint8_t *packed, *probe; /* in the arena, y.n bytes each */
    struct pl_arena *a;
};

static void pick(struct pl_share *out, const struct work *w, const struct subset *s)
{
    for (size_t i = 0; i < s->k; i++)
        out[i] = w->shares[s->at[i]];
}

static pl_err try_subset(struct pl_combined *out, const struct work *w, const struct subset *s)
{
    struct pl_share chosen[PL_SHARES_MAX];
    size_t n = w->shares[0].y.n;
    pick(chosen, w, s);
    out->tried++;
    PL_TRY(pl_shamir_at(w->packed, 0, chosen, s->k, w->a));
    return pl_unpack(w->c, &out->secret, &out->mac_key, w->split, pl_span(w->packed, n));
}

/* Marks every share that is not on the polynomial through the subset. */
static pl_err name_wrong(struct pl_combined *out, const struct work *w, const struct subset *s)
{
    struct pl_share chosen[PL_SHARES_MAX];
    pick(chosen, w, s);
    for (size_t i = 0, member = 0; i < s->m; i++) {
        if (member < s->k && s->at[member] == i) {
            member++;
            continue;
        }
        PL_TRY(pl_shamir_at(w->probe, w->shares[i].x, chosen, s->k, w->a));
        out->wrong[i] = !pl_ct_eq(w->probe, w->shares[i].y.p, w->shares[i].y.n);
        out->n_wrong += out->wrong[i];
    }
    return PL_OK;
}

static pl_err search(struct pl_combined *out, const struct work *w, size_t m)
{
    struct subset s = first_subset(m, w->split->k);
    pl_err e = try_subset(out, w, &s);
    while (pl_err_code(e) == PL_E_SHARE_CHECK && out->tried < PL_SUBSETS_MAX && next_subset(&s))
        e = try_subset(out, w, &s);
    PL_TRY(e);
    return name_wrong(out, w, &s);
}

static pl_err check_all(const struct pl_split *s, const struct pl_share *shares, size_t m)
{
    bool seen[256] = {true}; /* 0 is no point */
    PL_REQUIRE(s->k >= 2 && s->k <= s->n && m <= PL_SHARES_MAX, SHARE_PARAMS);
    PL_REQUIRE(m >= s->k, SHARE_FEW);
    size_t n = shares[0].y.n;
    PL_REQUIRE(n >= pl_packed_bytes(1) && n <= pl_packed_bytes(PL_SECRET_MAX), SHARE_LENGTH);
    PL_REQUIRE(n % PL_PACK_UNIT == 0, SHARE_LENGTH);
    for (size_t i = 0; i < m; i++) {
        PL_REQUIRE(shares[i].y.n == n, SHARE_LENGTH);
        PL_REQUIRE(!seen[shares[i].x], SHARE_POINT);
        seen[shares[i].x] = true;
    }
    return PL_OK;
}

pl_err pl_share_combine(struct pl_crypto *c, struct pl_combined *out, const struct pl_split *s,
                        const struct pl_share *shares, size_t m, struct pl_arena *a)
{
    *out = (struct pl_combined){0};
    PL_TRY(check_all(s, shares, m));
    size_t mark = pl_arena_mark(a), n = shares[0].y.n;
    struct work w = {.c = c, .split = s, .shares = shares, .a = a};
    w.packed = pl_arena_take(a, n);
    size_t keep = pl_arena_mark(a);
    w.probe = pl_arena_take(a, n);
    pl_err e = w.packed && w.probe ? search(out, &w, m) : PL_FAIL(NO_MEMORY);
    pl_arena_release(a, e == PL_OK ? keep : mark);
    if (e != PL_OK)
        *out = (struct pl_combined){0};
    return e;
}
