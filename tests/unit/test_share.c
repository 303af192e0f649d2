/* The packed form: detecting a wrong combination, naming wrong shares, tags. */
#include "test.h"
#include "shamir/shamir.h"

#include <stdlib.h>
#include <string.h>

enum { ARENA = 1 << 19 };
static uint8_t memory[ARENA] __attribute__((aligned(64)));
static struct pl_crypto *crypto;

static struct pl_arena fresh(void)
{
    if (!crypto)
        CHECK_OK(pl_crypto_new(&crypto));
    memset(memory, 0xee, sizeof(memory));
    return pl_arena(memory, sizeof(memory));
}

static void check_clean(const struct pl_arena *a)
{
    CHECK(a->used == 0);
    CHECK(pl_span_zero(pl_span(a->base, a->high)));
}

/* ---- Known answer, from an independent implementation ---- */

static const struct pl_split known = {
    .id = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
    .k = 3,
    .n = 5,
    .x = {0x1d, 0x02, 0xff, 0x80, 0x53},
};
static const char known_secret[] = "the key of a disk";
static const char known_packed[] =
    "746865206b6579206f662061206469736b404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d"
    "5e5f9073938a802606397d79be2cedc46f96a3449adcfc62a4fd17ef03efb494805680000000000000000000000000"
    "0000";
static const char *const known_y[] = {
    "34f18c10e5264dcab56d5cc33ca1f53619eb974df22b5d93a27305d768b6c71d02c4b56fd00472af9e5c2af74896e8"
    "320412a89136e233c0cf55262c00184133f21e898e76a1485039008fbdef6d2ee3020df22b954b3ccbfb2552813fe6"
    "964f",
    "c8e2b5c69f1c3a3558473b2c7f0db79bc1dcdce9faab901e3d645f4a59683306a881daeffcf6cd98bb39025744756e"
    "5b18e1b5636834a885988ab4fe7e89fa679c9f22ca9e05a1314aad6fd52b46e7c551b12b1d0f5963d8faac969b89bf"
    "e5d3",
    "4e9fde56af0614c21ea3eb25d65f75a26b8d9e50e36b64c052d2dd6ad9135e902bf9b47ac91f109c0ea6a925965c2a"
    "e43436f2df74f159a804cfc5a58589ec8a9961cad92de97930fac137540a9cd801061dea27951a14f063ece233814c"
    "00cd",
};

static struct pl_span known_random(uint8_t out[32 + 2 * 96])
{
    for (unsigned i = 0; i < 32; i++)
        out[i] = (uint8_t)(0x40 + i);
    for (unsigned i = 0; i < 2 * 96; i++)
        out[32 + i] = (uint8_t)(i * 7 + 3);
    return pl_span(out, 32 + 2 * 96);
}

TEST(packed_form_and_shares_are_the_known_ones)
{
    struct pl_arena a = fresh();
    uint8_t random[32 + 2 * 96], packed[96], y[5 * 96];
    struct pl_span r = known_random(random), secret = pl_span_str(known_secret);
    CHECK(pl_packed_bytes(secret.n) == 96);
    CHECK(pl_split_random_bytes(&known, secret.n) == r.n);
    CHECK_OK(pl_pack(crypto, packed, &known, secret, random));
    CHECK_BYTES(PL_ARR(packed), test_hex(known_packed));
    CHECK_OK(pl_share_split(crypto, y, &known, secret, r, &a));
    for (unsigned j = 0; j < 3; j++)
        CHECK_BYTES(pl_span(y + j * 96, 96), test_hex(known_y[j]));
    check_clean(&a);
}

TEST(known_shares_give_the_secret_and_its_mac_key)
{
    struct pl_arena a = fresh();
    struct pl_share shares[3];
    struct pl_combined out;
    uint8_t random[32 + 2 * 96];
    for (unsigned j = 0; j < 3; j++)
        shares[j] = (struct pl_share){known.x[j], test_hex(known_y[j])};
    CHECK_OK(pl_share_combine(crypto, &out, &known, shares, 3, &a));
    CHECK_BYTES(out.secret, pl_span_str(known_secret));
    CHECK_BYTES(out.mac_key, pl_span_sub(known_random(random), 0, 32));
    CHECK(out.tried == 1 && out.n_wrong == 0);
    pl_arena_release(&a, 0);
    check_clean(&a);
}

TEST(the_tag_is_the_known_one_and_binds_all_it_names)
{
    struct pl_share_place place = {.generation = 7};
    struct pl_share share = {known.x[0], test_hex(known_y[0])};
    uint8_t tag[PL_SHARE_TAG_BYTES];
    struct pl_span link = PL_LIT("link secret of a descriptor");
    (void)fresh();
    for (unsigned i = 0; i < 32; i++)
        place.vault_id[i] = (uint8_t)(0xa0 + i);
    memcpy(place.split_id, known.id, sizeof(place.split_id));
    CHECK_OK(pl_share_tag(crypto, tag, link, &place, share));
    CHECK_BYTES(PL_ARR(tag),
                test_hex("477cacf912a97e37630e8b4a85803f40119cc070f21c007c4e5cb73fa3ac48d6"));
    CHECK_OK(pl_share_tag_verify(crypto, link, &place, share, tag));
    CHECK_ERR(pl_share_tag_verify(crypto, PL_LIT("another"), &place, share, tag), SHARE_TAG);
    tag[31] ^= 1;
    CHECK_ERR(pl_share_tag_verify(crypto, link, &place, share, tag), SHARE_TAG);
    tag[31] ^= 1;
    share.x ^= 1;
    CHECK_ERR(pl_share_tag_verify(crypto, link, &place, share, tag), SHARE_TAG);
    share.x ^= 1;
    place.generation++;
    CHECK_ERR(pl_share_tag_verify(crypto, link, &place, share, tag), SHARE_TAG);
    place.generation--;
    place.vault_id[31] ^= 1;
    CHECK_ERR(pl_share_tag_verify(crypto, link, &place, share, tag), SHARE_TAG);
    place.vault_id[31] ^= 1;
    place.split_id[0] ^= 1;
    CHECK_ERR(pl_share_tag_verify(crypto, link, &place, share, tag), SHARE_TAG);
    place.split_id[0] ^= 1;
    share.y = test_hex(known_y[1]);
    CHECK_ERR(pl_share_tag_verify(crypto, link, &place, share, tag), SHARE_TAG);
}

/* ---- Packed form ---- */

TEST(every_length_packs_and_unpacks)
{
    uint8_t secret[200], packed[288], mac_key[32];
    struct pl_span s, m;
    (void)fresh();
    test_fill(secret, sizeof(secret), 1);
    test_fill(mac_key, sizeof(mac_key), 2);
    for (size_t n = 1; n <= sizeof(secret); n++) {
        size_t total = pl_packed_bytes(n);
        CHECK(total % 32 == 0 && total >= n + 65 && total < n + 65 + 32);
        CHECK_OK(pl_pack(crypto, packed, &known, pl_span(secret, n), mac_key));
        CHECK_OK(pl_unpack(crypto, &s, &m, &known, pl_span(packed, total)));
        CHECK_BYTES(s, pl_span(secret, n));
        CHECK_BYTES(m, PL_ARR(mac_key));
    }
}

TEST(every_flipped_bit_of_the_packed_form_is_detected)
{
    uint8_t packed[96];
    struct pl_span s, m, good = test_hex(known_packed);
    (void)fresh();
    for (unsigned bit = 0; bit < 96 * 8; bit++) {
        memcpy(packed, good.p, 96);
        packed[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (!CHECK_ERR(pl_unpack(crypto, &s, &m, &known, PL_ARR(packed)), SHARE_CHECK))
            return;
        CHECK(s.n == 0 && m.n == 0);
    }
}

TEST(the_check_binds_split_id_k_n_and_the_length)
{
    struct pl_split other = known;
    struct pl_span s, m, good = test_hex(known_packed);
    (void)fresh();
    CHECK_OK(pl_unpack(crypto, &s, &m, &other, good));
    other.id[15] ^= 1;
    CHECK_ERR(pl_unpack(crypto, &s, &m, &other, good), SHARE_CHECK);
    other = known;
    other.k = 4;
    CHECK_ERR(pl_unpack(crypto, &s, &m, &other, good), SHARE_CHECK);
    other = known;
    other.n = 6;
    CHECK_ERR(pl_unpack(crypto, &s, &m, &other, good), SHARE_CHECK);
    for (size_t n = 0; n < good.n; n++)
        CHECK_ERR(pl_unpack(crypto, &s, &m, &known, pl_span(good.p, n)), SHARE_CHECK);
    uint8_t zeros[128] = {0};
    CHECK_ERR(pl_unpack(crypto, &s, &m, &known, PL_ARR(zeros)), SHARE_CHECK);
}

TEST(secrets_have_bounds)
{
    static uint8_t secret[PL_SECRET_MAX + 1], packed[PL_SECRET_MAX + 128], mac_key[32];
    struct pl_span s, m;
    struct pl_split one = {.k = 1, .n = 1};
    (void)fresh();
    CHECK_ERR(pl_pack(crypto, packed, &known, pl_span(secret, 0), mac_key), SECRET_EMPTY);
    CHECK_ERR(pl_pack(crypto, packed, &known, PL_ARR(secret), mac_key), SECRET_SIZE);
    CHECK_ERR(pl_pack(crypto, packed, &one, pl_span(secret, 1), mac_key), SHARE_PARAMS);
    CHECK_OK(pl_pack(crypto, packed, &known, pl_span(secret, PL_SECRET_MAX), mac_key));
    CHECK_OK(pl_unpack(crypto, &s, &m, &known, pl_span(packed, pl_packed_bytes(PL_SECRET_MAX))));
    CHECK(s.n == PL_SECRET_MAX);
}

/* ---- Wrong shares ---- */

enum { LEN = 96, MOST = 40 };
static struct {
    struct pl_split split;
    uint8_t secret[24], y[MOST * LEN];
    struct pl_share shares[MOST];
} set;

static void make_set(unsigned k, unsigned n)
{
    uint8_t random[32 + MOST * LEN], seed[MOST * PL_X_SEED_BYTES];
    struct pl_arena a = fresh();
    set.split = (struct pl_split){.k = (uint8_t)k, .n = (uint8_t)n};
    test_fill(set.split.id, sizeof(set.split.id), k * 100 + n);
    test_fill(set.secret, sizeof(set.secret), 3);
    test_fill(random, sizeof(random), k);
    test_fill(seed, sizeof(seed), n);
    CHECK_OK(pl_split_random_x(&set.split, pl_span(seed, n * PL_X_SEED_BYTES)));
    size_t need = pl_split_random_bytes(&set.split, sizeof(set.secret));
    CHECK_OK(
        pl_share_split(crypto, set.y, &set.split, PL_ARR(set.secret), pl_span(random, need), &a));
    for (unsigned j = 0; j < n; j++)
        set.shares[j] = (struct pl_share){set.split.x[j], pl_span(set.y + j * LEN, LEN)};
}

static void spoil(unsigned j) { set.y[j * LEN + 11 * j % LEN] ^= (uint8_t)(1 + j); }

/* Combines the first m shares and requires exactly those of `wrong` (a mask) to be named. */
static void check_named(unsigned m, uint64_t wrong)
{
    struct pl_combined out;
    struct pl_arena a = fresh();
    NEED(CHECK_OK(pl_share_combine(crypto, &out, &set.split, set.shares, m, &a)));
    CHECK_BYTES(out.secret, PL_ARR(set.secret));
    for (unsigned j = 0; j < m; j++)
        CHECK(out.wrong[j] == (wrong >> j & 1));
    CHECK(out.n_wrong == (unsigned)__builtin_popcountll(wrong));
    CHECK(out.tried >= 1 && out.tried <= PL_SUBSETS_MAX);
    pl_arena_release(&a, 0);
    check_clean(&a);
}

static void check_detected(unsigned m)
{
    struct pl_combined out;
    struct pl_arena a = fresh();
    CHECK_ERR(pl_share_combine(crypto, &out, &set.split, set.shares, m, &a), SHARE_CHECK);
    CHECK(out.secret.n == 0 && out.n_wrong == 0);
    check_clean(&a);
}

TEST(a_wrong_share_is_detected_with_k_and_named_with_more)
{
    for (unsigned bad = 0; bad < 5; bad++) {
        make_set(3, 5);
        check_named(5, 0);
        spoil(bad);
        if (bad < 3)
            check_detected(3);
        else
            check_named(3, 0);
        if (bad < 4)
            check_named(4, UINT64_C(1) << bad);
        check_named(5, UINT64_C(1) << bad);
    }
}

TEST(two_wrong_shares_are_named_when_k_right_ones_are_left)
{
    make_set(3, 7);
    spoil(0);
    spoil(2);
    check_detected(4);
    check_named(5, 0x5);
    check_named(7, 0x5);
    spoil(1);
    spoil(3);
    check_named(7, 0xf);
    spoil(4);
    check_detected(7);
}

TEST(shares_of_another_split_do_not_mix)
{
    make_set(2, 3);
    uint8_t foreign[LEN];
    memcpy(foreign, set.y, LEN);
    make_set(2, 4); /* other coefficients and id */
    set.shares[0].y = PL_ARR(foreign);
    check_detected(2);
    check_named(3, 1);
}

TEST(many_combinations_are_drawn_and_bounded)
{
    make_set(10, 20); /* 184,756 subsets; half of them without share 0 */
    spoil(0);
    check_named(20, 1);
    spoil(7);
    spoil(19);
    check_named(20, 1 | 1 << 7 | 1 << 19);
    make_set(12, 24);
    for (unsigned j = 0; j < 13; j++) /* only 11 are right */
        spoil(j);
    check_detected(24);
}

TEST(combining_refuses_what_cannot_be)
{
    struct pl_combined out;
    struct pl_arena a;
    make_set(3, 5);
    a = fresh();
    CHECK_ERR(pl_share_combine(crypto, &out, &set.split, set.shares, 2, &a), SHARE_FEW);
    CHECK_ERR(pl_share_combine(crypto, &out, &set.split, set.shares, 256, &a), SHARE_PARAMS);
    set.shares[4].x = set.shares[0].x;
    CHECK_ERR(pl_share_combine(crypto, &out, &set.split, set.shares, 5, &a), SHARE_POINT);
    set.shares[4].x = 0;
    CHECK_ERR(pl_share_combine(crypto, &out, &set.split, set.shares, 5, &a), SHARE_POINT);
    set.shares[2].y.n = 64;
    CHECK_ERR(pl_share_combine(crypto, &out, &set.split, set.shares, 3, &a), SHARE_LENGTH);
    for (unsigned j = 0; j < 3; j++)
        set.shares[j].y.n = 95;
    CHECK_ERR(pl_share_combine(crypto, &out, &set.split, set.shares, 3, &a), SHARE_LENGTH);
    for (unsigned j = 0; j < 3; j++)
        set.shares[j].y.n = 64;
    CHECK_ERR(pl_share_combine(crypto, &out, &set.split, set.shares, 3, &a), SHARE_LENGTH);
    set.split.k = 1;
    CHECK_ERR(pl_share_combine(crypto, &out, &set.split, set.shares, 3, &a), SHARE_PARAMS);
    CHECK(a.used == 0);
}

TEST(an_arena_that_is_too_small_is_an_error_at_every_size)
{
    struct pl_combined out;
    make_set(3, 5);
    for (size_t size = 0; size < 2 * LEN + PL_SHAMIR_SCRATCH; size += 16) {
        struct pl_arena a = fresh();
        a = pl_arena(memory, size);
        if (!CHECK_ERR(pl_share_combine(crypto, &out, &set.split, set.shares, 5, &a), NO_MEMORY))
            return;
        check_clean(&a);
    }
    struct pl_arena a = pl_arena(memory, 2 * LEN + PL_SHAMIR_SCRATCH);
    CHECK_OK(pl_share_combine(crypto, &out, &set.split, set.shares, 5, &a));
}

TEST_MAIN()
