#include "ct.h"
#include "shamir/shamir.h"

#include <string.h>

enum { K = 3, N = 5, LARGEST = 200 };
static uint8_t memory[1 << 14] __attribute__((aligned(16)));
static uint8_t secret[LARGEST], random_bytes[32 + (K - 1) * 288], y[N * 288], out[288];

static struct pl_split fixed_split(void)
{
    struct pl_split s = {.k = K, .n = N, .x = {0x1d, 0x02, 0xff, 0x80, 0x53}};
    memset(s.id, 7, sizeof(s.id));
    return s;
}

/* Defined values first: a test must not inherit what another poisoned. */
static struct pl_arena start(void)
{
    ct_public(memory, sizeof(memory));
    ct_public(y, sizeof(y));
    ct_public(out, sizeof(out));
    test_fill(secret, sizeof(secret), 1);
    test_fill(random_bytes, sizeof(random_bytes), 2);
    return pl_arena(memory, sizeof(memory));
}

static void rows(struct pl_share *shares, const struct pl_split *s, size_t n)
{
    for (unsigned j = 0; j < N; j++)
        shares[j] = (struct pl_share){s->x[j], pl_span(y + j * n, n)};
}

TEST(splitting_and_interpolating_bare)
{
    static const size_t lengths[] = {1, 32, 63, 64, 65, LARGEST};
    struct pl_split s = fixed_split();
    struct pl_share shares[N];
    for (unsigned i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
        size_t n = lengths[i];
        struct pl_arena a = start();
        CT_BEGIN();
        ct_secret(secret, sizeof(secret));
        ct_secret(random_bytes, sizeof(random_bytes));
        CHECK_OK(
            pl_shamir_split(y, &s, pl_span(secret, n), pl_span(random_bytes, (K - 1) * n), &a));
        CHECK(ct_is_secret(y + (N - 1) * n, n));
        rows(shares, &s, n);
        CHECK_OK(pl_shamir_at(out, 0, shares, K, &a));
        CT_END();
        CHECK(ct_is_secret(out, n));
        ct_public(secret, sizeof(secret));
        ct_public(out, sizeof(out));
        CHECK_BYTES(pl_span(out, n), pl_span(secret, n));
    }
}

/* Packs and splits 40 secret bytes; the shares are secret then. */
static bool split_packed(struct pl_crypto *c, const struct pl_split *s, struct pl_arena *a)
{
    ct_secret(secret, sizeof(secret));
    ct_secret(random_bytes, sizeof(random_bytes));
    return CHECK_OK(pl_share_split(c, y, s, pl_span(secret, 40),
                                   pl_span(random_bytes, pl_split_random_bytes(s, 40)), a));
}

/* Combines m shares of which `wrong` (a mask) were altered. */
static void combine(unsigned m, unsigned wrong)
{
    struct pl_crypto *c = NULL;
    struct pl_split s = fixed_split();
    struct pl_share shares[N];
    struct pl_combined got;
    struct pl_arena a = start();
    size_t n = pl_packed_bytes(40);
    NEED(CHECK_OK(pl_crypto_new(&c)));
    CT_BEGIN();
    NEED(split_packed(c, &s, &a));
    CHECK(ct_is_secret(y, n));
    rows(shares, &s, n);
    for (unsigned j = 0; j < m; j++)
        y[j * n + 33 * j] ^= (uint8_t)(wrong >> j & 1);
    pl_err e = pl_share_combine(c, &got, &s, shares, m, &a);
    CT_END();
    if (m == K && wrong) {
        CHECK_ERR(e, SHARE_CHECK);
    } else {
        CHECK_OK(e);
        CHECK(ct_is_secret(got.secret.p, got.secret.n));
        for (unsigned j = 0; j < m; j++)
            CHECK(got.wrong[j] == (wrong >> j & 1));
        ct_public(memory, sizeof(memory));
        ct_public(secret, sizeof(secret));
        CHECK_BYTES(got.secret, pl_span(secret, 40));
    }
    pl_crypto_free(c);
}

TEST(packed_right_shares) { combine(K, 0); }
TEST(packed_wrong_share_detected) { combine(K, 2); }
TEST(packed_wrong_share_named) { combine(N, 1 | 8); }

TEST(tags)
{
    struct pl_crypto *c = NULL;
    struct pl_share_place place = {.generation = 1};
    struct pl_share share = {9, pl_span(y, 96)};
    uint8_t link[32], tag[PL_SHARE_TAG_BYTES];
    (void)start();
    test_fill(link, sizeof(link), 5);
    NEED(CHECK_OK(pl_crypto_new(&c)));
    CT_BEGIN();
    ct_secret(link, sizeof(link));
    ct_secret(y, 96);
    CHECK_OK(pl_share_tag(c, tag, PL_ARR(link), &place, share));
    CHECK(ct_is_secret(tag, sizeof(tag)));
    CHECK_OK(pl_share_tag_verify(c, PL_ARR(link), &place, share, tag));
    tag[3] ^= 1;
    CHECK_ERR(pl_share_tag_verify(c, PL_ARR(link), &place, share, tag), SHARE_TAG);
    CT_END();
    pl_crypto_free(c);
}

TEST_MAIN()
