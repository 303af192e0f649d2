#include "test.h"
#include "shamir/gf.h"
#include "shamir/shamir.h"

#include <jansson.h>
#include <string.h>

enum { ARENA = 1 << 19 };
static uint8_t memory[ARENA] __attribute__((aligned(64)));

static struct pl_arena fresh(void)
{
    memset(memory, 0xee, sizeof(memory)); /* what is not wiped stays visible */
    return pl_arena(memory, sizeof(memory));
}

/* Nothing taken, and what had been used is wiped. */
static void check_clean(const struct pl_arena *a)
{
    CHECK(a->used == 0);
    CHECK(pl_span_zero(pl_span(a->base, a->high)));
    CHECK(a->high == a->size || a->base[a->high] == 0xee);
}

/* ---- The field, against schoolbook multiplication of polynomials and long division ---- */

static uint8_t slow_mul(unsigned a, unsigned b)
{
    unsigned product = 0;
    for (unsigned i = 0; i < 8; i++)
        if (b & 1u << i)
            product ^= a << i;
    for (unsigned i = 15; i >= 8; i--)
        if (product & 1u << i)
            product ^= 0x11bu << (i - 8);
    return (uint8_t)product;
}

TEST(all_products_of_the_field)
{
    unsigned wrong = 0, wrong_blocks = 0;
    uint8_t all[256], out[256], scratch[PL_GF_SCRATCH] __attribute__((aligned(16)));
    for (unsigned i = 0; i < 256; i++)
        all[i] = (uint8_t)i;
    for (unsigned a = 0; a < 256; a++) {
        uint8_t factor = (uint8_t)a;
        const struct pl_gf_rows row = {out, 1, 0, &factor};
        memset(out, 0, sizeof(out));
        pl_gf_add_times(&row, all, 256, scratch);
        for (unsigned b = 0; b < 256; b++) {
            wrong += pl_gf_mul((uint8_t)a, (uint8_t)b) != slow_mul(a, b);
            wrong_blocks += out[b] != slow_mul(a, b);
        }
    }
    CHECK(wrong == 0);
    CHECK(wrong_blocks == 0);
}

TEST(inverses_and_the_published_products)
{
    CHECK(pl_gf_inv(0) == 0);
    for (unsigned a = 1; a < 256; a++)
        CHECK(slow_mul(a, pl_gf_inv((uint8_t)a)) == 1);
    CHECK(pl_gf_mul(0x57, 0x83) == 0xc1); /* FIPS 197 section 4.2 */
    CHECK(pl_gf_mul(0x53, 0xca) == 0x01);
}

TEST(multiplication_adds_and_stops_at_every_length)
{
    uint8_t in[200], out[2 * 208], want[2 * 208],
        scratch[PL_GF_SCRATCH] __attribute__((aligned(16)));
    const uint8_t factors[2] = {0x9d, 0x01};
    test_fill(in, sizeof(in), 1);
    for (size_t n = 0; n <= sizeof(in); n++) {
        const struct pl_gf_rows rows = {out, 2, 208, factors};
        test_fill(out, sizeof(out), 2);
        test_fill(want, sizeof(want), 2);
        for (size_t i = 0; i < 2 * n; i++)
            want[i / n * 208 + i % n] ^= slow_mul(factors[i / n], in[i % n]);
        pl_gf_add_times(&rows, in, n, scratch);
        if (!CHECK(memcmp(out, want, sizeof(out)) == 0))
            return;
    }
}

/* ---- Known answers ---- */

static void check_vector(const char *secret_hex, unsigned k, struct pl_span random,
                         const char *share_hex)
{
    struct pl_span secret = test_hex(secret_hex), share = test_hex(share_hex);
    struct pl_split s = {.k = (uint8_t)k, .n = (uint8_t)k};
    struct pl_arena a = fresh();
    uint8_t y[16 * 64];
    NEED(CHECK(share.n == secret.n + 1 && k >= 2 && k <= 16 && secret.n <= 64));
    for (unsigned i = 0; i < k; i++) /* the share asked for, and others to make up k */
        s.x[i] = i == 0 ? share.p[0] : (uint8_t)(share.p[0] ^ (i + 16));
    CHECK_OK(pl_shamir_split(y, &s, secret, random, &a));
    CHECK_BYTES(pl_span(y, secret.n), pl_span(share.p + 1, secret.n));
    check_clean(&a);
}

/* Coefficient i of byte b is 0x10 + b for i = 1 and 0xa0 + b for i = 2. */
static struct pl_span vector_random(unsigned k, size_t n)
{
    static uint8_t random[2 * 64];
    for (unsigned i = 0; i < (k - 1) * n; i++)
        random[i] = (uint8_t)((i < n ? 0x10 : 0xa0) + i % n);
    return pl_span(random, (k - 1) * n);
}

TEST(known_shares)
{
    check_vector("736563726574", 2, vector_random(2, 6), "01637471617161");
    check_vector("736563726574", 2, vector_random(2, 6), "052330392d2135");
    check_vector("736563726574", 3, vector_random(3, 6), "01c3d5d3c2d5c4");
    check_vector("736563726574", 3, vector_random(3, 6), "ff0ff5dc218479");
}

static void check_split(const json_t *split)
{
    const json_t *share;
    size_t i;
    struct pl_share shares[16];
    uint8_t out[64];
    const char *secret = json_string_value(json_object_get(split, "secret_hex"));
    unsigned k = (unsigned)json_integer_value(json_object_get(split, "t"));
    NEED(CHECK(secret && k >= 2 && k <= 3));
    json_array_foreach(json_object_get(split, "shares_hex"), i, share)
    {
        struct pl_span s = test_hex(json_string_value(share));
        check_vector(secret, k, vector_random(k, s.n - 1), json_string_value(share));
        shares[i % 16] = (struct pl_share){s.p[0], pl_span(s.p + 1, s.n - 1)};
    }
    struct pl_arena a = fresh();
    CHECK_OK(pl_shamir_at(out, 0, shares + 1, k, &a));
    CHECK_BYTES(pl_span(out, strlen(secret) / 2), test_hex(secret));
}

TEST(published_vectors)
{
    const char *path = test_shared("vectors/shamir/gf256-0x11b.json");
    if (!path) {
        test_skip("no ../shared/vectors");
        return;
    }
    json_t *doc = json_load_file(path, 0, NULL), *item;
    size_t i;
    json_array_foreach(json_object_get(doc, "products"), i, item)
    {
        const uint8_t *a = test_hex(json_string_value(json_array_get(item, 0))).p;
        const uint8_t *b = test_hex(json_string_value(json_array_get(item, 1))).p;
        CHECK(pl_gf_mul(*a, *b) == *test_hex(json_string_value(json_array_get(item, 2))).p);
    }
    uint8_t power = 1;
    json_array_foreach(json_object_get(doc, "exp_of_3_first_12"), i, item)
    {
        CHECK(power == json_integer_value(item));
        power = pl_gf_mul(power, 3);
    }
    CHECK(json_array_size(json_object_get(doc, "splits")) > 0);
    json_array_foreach(json_object_get(doc, "splits"), i, item) check_split(item);
    json_decref(doc);
}

/* ---- Splitting and combining ---- */

static unsigned gather(struct pl_share *out, const struct pl_split *s, const uint8_t *y, size_t len,
                       unsigned members)
{
    unsigned count = 0;
    for (unsigned j = 0; j < s->n; j++)
        if (members & 1u << j)
            out[count++] = (struct pl_share){s->x[j], pl_span(y + j * len, len)};
    return count;
}

/* Every subset of the shares: k and more give the secret and every other share, fewer do not. */
static void check_subsets(const struct pl_split *s, struct pl_span secret, const uint8_t *y)
{
    struct pl_share shares[8];
    uint8_t out[64];
    struct pl_arena a = fresh();
    for (unsigned members = 1; members < 1u << s->n; members++) {
        unsigned count = gather(shares, s, y, secret.n, members);
        CHECK_OK(pl_shamir_at(out, 0, shares, count, &a));
        CHECK(pl_span_eq(pl_span(out, secret.n), secret) == (count >= s->k));
        for (unsigned j = 0; j < s->n && count >= s->k; j++) {
            CHECK_OK(pl_shamir_at(out, s->x[j], shares, count, &a));
            CHECK(memcmp(out, y + j * secret.n, secret.n) == 0);
        }
    }
    check_clean(&a);
}

TEST(every_k_and_n_up_to_six_and_every_subset)
{
    uint8_t secret[37], random[5 * 37], y[6 * 37], seed[6 * PL_X_SEED_BYTES];
    struct pl_arena a = fresh();
    test_fill(secret, sizeof(secret), 3);
    for (unsigned n = 2; n <= 6; n++)
        for (unsigned k = 2; k <= n; k++) {
            struct pl_split s = {.k = (uint8_t)k, .n = (uint8_t)n};
            test_fill(seed, n * PL_X_SEED_BYTES, 10 * n + k);
            test_fill(random, sizeof(random), 20 * n + k);
            CHECK_OK(pl_split_random_x(&s, pl_span(seed, n * PL_X_SEED_BYTES)));
            CHECK_OK(pl_shamir_split(y, &s, PL_ARR(secret), pl_span(random, (k - 1) * 37), &a));
            check_subsets(&s, PL_ARR(secret), y);
        }
}

TEST(the_largest_split)
{
    static uint8_t random[254 * 96], y[255 * 96], secret[96], out[96];
    struct pl_split s = {.k = 255, .n = 255};
    struct pl_share shares[255];
    struct pl_arena a = fresh();
    test_fill(random, sizeof(random), 4);
    test_fill(secret, sizeof(secret), 5);
    CHECK_OK(pl_split_plain_x(&s));
    CHECK_OK(pl_shamir_split(y, &s, PL_ARR(secret), PL_ARR(random), &a));
    for (unsigned j = 0; j < 255; j++)
        shares[j] = (struct pl_share){s.x[j], pl_span(y + j * 96, 96)};
    CHECK_OK(pl_shamir_at(out, 0, shares, 255, &a));
    CHECK_BYTES(PL_ARR(out), PL_ARR(secret));
    check_clean(&a);
}

TEST(pieces_of_a_secret_split_alone_are_pieces_of_its_shares)
{
    uint8_t secret[100], random[200], part[200], y[300], z[300];
    struct pl_split s = {.k = 3, .n = 3};
    struct pl_arena a = fresh();
    test_fill(secret, sizeof(secret), 6);
    test_fill(random, sizeof(random), 7);
    CHECK_OK(pl_split_plain_x(&s));
    CHECK_OK(pl_shamir_split(y, &s, PL_ARR(secret), PL_ARR(random), &a));
    for (size_t at = 0; at < 100; at += 20) {
        memcpy(part, random + at, 20);
        memcpy(part + 20, random + 100 + at, 20);
        CHECK_OK(pl_shamir_split(z, &s, pl_span(secret + at, 20), pl_span(part, 40), &a));
        for (unsigned j = 0; j < 3; j++)
            CHECK(memcmp(z + j * 20, y + j * 100 + at, 20) == 0);
    }
}

TEST(what_is_no_split_is_refused)
{
    uint8_t y[64], secret[4] = {1, 2, 3, 4}, random[12] = {0}, seed[5 * PL_X_SEED_BYTES] = {0};
    struct pl_arena a = fresh();
    struct pl_split bad[] = {
        {.k = 0, .n = 3}, {.k = 1, .n = 3}, {.k = 4, .n = 3}, {.k = 2, .n = 0}};
    for (unsigned i = 0; i < 4; i++) {
        CHECK_ERR(pl_split_plain_x(&bad[i]), SHARE_PARAMS);
        CHECK_ERR(pl_split_random_x(&bad[i], pl_span(seed, bad[i].n * PL_X_SEED_BYTES)),
                  SHARE_PARAMS);
        CHECK_ERR(pl_shamir_split(y, &bad[i], PL_ARR(secret), pl_span(random, 4), &a),
                  SHARE_PARAMS);
    }
    struct pl_split s = {.k = 2, .n = 3, .x = {1, 2, 2}};
    CHECK_ERR(pl_shamir_split(y, &s, PL_ARR(secret), pl_span(random, 4), &a), SHARE_PARAMS);
    s.x[2] = 0;
    CHECK_ERR(pl_shamir_split(y, &s, PL_ARR(secret), pl_span(random, 4), &a), SHARE_PARAMS);
    s.x[2] = 3;
    CHECK_ERR(pl_shamir_split(y, &s, pl_span(NULL, 0), pl_span(NULL, 0), &a), SECRET_EMPTY);
    struct pl_arena small = pl_arena(memory, PL_SHAMIR_SCRATCH - 16);
    CHECK_ERR(pl_shamir_split(y, &s, PL_ARR(secret), pl_span(random, 4), &small), NO_MEMORY);
    s.k = 1;
    CHECK_OK(pl_shamir_insecure_split(y, &s, PL_ARR(secret), pl_span(NULL, 0), &a));
    CHECK_BYTES(pl_span(y + 8, 4), PL_ARR(secret));
}

TEST(what_are_no_shares_is_refused)
{
    uint8_t out[8];
    struct pl_arena a = fresh();
    struct pl_share s[] = {{1, PL_LIT("aaaa")}, {2, PL_LIT("bbbb")}, {2, PL_LIT("cccc")}};
    CHECK_ERR(pl_shamir_at(out, 0, s, 0, &a), SHARE_FEW);
    CHECK_ERR(pl_shamir_at(out, 0, s, 256, &a), SHARE_PARAMS);
    CHECK_ERR(pl_shamir_at(out, 0, s, 3, &a), SHARE_POINT);
    s[2].x = 0;
    CHECK_ERR(pl_shamir_at(out, 0, s, 3, &a), SHARE_POINT);
    s[2] = (struct pl_share){3, PL_LIT("ccc")};
    CHECK_ERR(pl_shamir_at(out, 0, s, 3, &a), SHARE_LENGTH);
    s[0].y.n = 0;
    CHECK_ERR(pl_shamir_at(out, 0, s, 1, &a), SHARE_LENGTH);
    CHECK(a.used == 0);
}

TEST(random_points_are_distinct_and_none_is_zero)
{
    uint8_t seed[255 * PL_X_SEED_BYTES];
    unsigned first[256] = {0};
    for (unsigned round = 0; round < 2000; round++) {
        struct pl_split s = {.k = 2, .n = round % 16 ? 5 : 255};
        bool seen[256] = {true};
        test_fill(seed, s.n * PL_X_SEED_BYTES, round);
        CHECK_OK(pl_split_random_x(&s, pl_span(seed, s.n * PL_X_SEED_BYTES)));
        for (unsigned i = 0; i < s.n; i++) {
            if (!CHECK(!seen[s.x[i]]))
                return;
            seen[s.x[i]] = true;
        }
        first[s.x[0]]++;
    }
    for (unsigned x = 1; x < 256; x++) /* 7.8 expected; 30 has a chance below 2^-32 */
        CHECK(first[x] < 30);
}

/* ---- Secrecy: what k - 1 shares show fits every secret equally ---- */

TEST(one_share_of_two_fits_every_secret_equally)
{
    uint8_t secret[256], random[256], y[2 * 256];
    struct pl_split s = {.k = 2, .n = 2, .x = {0x35, 0xc9}};
    struct pl_arena a = fresh();
    for (unsigned i = 0; i < 256; i++)
        random[i] = (uint8_t)i;
    for (unsigned value = 0; value < 256; value++) {
        bool seen[2][256] = {{false}};
        memset(secret, (int)value, sizeof(secret));
        CHECK_OK(pl_shamir_split(y, &s, PL_ARR(secret), PL_ARR(random), &a));
        unsigned distinct = 0;
        for (unsigned i = 0; i < 512; i++) {
            distinct += !seen[i / 256][y[i]];
            seen[i / 256][y[i]] = true;
        }
        CHECK(distinct == 512); /* each y from exactly one coefficient */
    }
}

TEST(two_shares_of_three_fit_every_secret_equally)
{
    enum { PAIRS = 65536 };
    static uint8_t secret[PAIRS], random[2 * PAIRS], y[3 * PAIRS], seen[PAIRS];
    struct pl_split s = {.k = 3, .n = 3, .x = {0x02, 0x8e, 0xfb}};
    struct pl_arena a = fresh();
    for (unsigned i = 0; i < PAIRS; i++) {
        random[i] = (uint8_t)i;
        random[PAIRS + i] = (uint8_t)(i >> 8);
    }
    for (unsigned value = 0; value < 256; value++) {
        unsigned distinct = 0;
        memset(secret, (int)value, sizeof(secret));
        memset(seen, 0, sizeof(seen));
        CHECK_OK(pl_shamir_split(y, &s, PL_ARR(secret), PL_ARR(random), &a));
        for (unsigned i = 0; i < PAIRS; i++) {
            uint8_t *at = &seen[y[i] << 8 | y[2 * PAIRS + i]]; /* the first and the third share */
            distinct += !*at;
            *at = 1;
        }
        if (!CHECK(distinct == PAIRS))
            return;
    }
}

TEST_MAIN()
