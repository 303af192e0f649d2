#include "ct.h"
#include "api/api.h"

#include <string.h>

TEST(the_harness_sees_secrets)
{
    uint8_t secret[4] = {1, 2, 3, 4}, sum;
    CT_BEGIN();
    CHECK(!ct_is_secret(secret, 4));
    ct_secret(secret, 4);
    sum = (uint8_t)(secret[0] ^ 1);
    CHECK(ct_is_secret(&sum, 1));
    ct_public(&sum, 1);
    CHECK(sum == 0);
    CT_END();
}

TEST(comparing)
{
    uint8_t a[64], b[64];
    test_fill(a, sizeof(a), 1);
    for (unsigned differ = 0; differ <= 64; differ++) { /* where; 64: nowhere */
        CT_BEGIN();
        memcpy(b, a, sizeof(b));
        if (differ < 64)
            b[differ] ^= 0x80;
        ct_secret(a, sizeof(a));
        ct_secret(b, sizeof(b));
        bool same = pl_ct_eq(a, b, sizeof(a));
        CT_END();
        CHECK(same == (differ == 64));
        ct_public(a, sizeof(a));
        ct_public(b, sizeof(b));
    }
}

TEST(hex_both_ways)
{
    uint8_t secret[33], back[33];
    char text[67];
    test_fill(secret, sizeof(secret), 2);
    CT_BEGIN();
    ct_secret(secret, sizeof(secret));
    pl_hex(text, PL_ARR(secret));
    CHECK(ct_is_secret(text, 66));
    CHECK_OK(pl_unhex(back, sizeof(back), pl_span(text, 66)));
    CT_END();
    CHECK(ct_is_secret(back, 33));
    ct_public(secret, sizeof(secret));
    ct_public(back, sizeof(back));
    CHECK_BYTES(PL_ARR(back), PL_ARR(secret));
}

TEST(base64url_both_ways)
{
    uint8_t secret[32], back[32];
    char text[PL_B64U_LEN(32) + 1];
    test_fill(secret, sizeof(secret), 3);
    for (size_t n = 30; n <= 32; n++) {
        CT_BEGIN();
        ct_secret(secret, sizeof(secret));
        pl_b64u(text, pl_span(secret, n));
        CHECK(ct_is_secret(text, PL_B64U_LEN(n)));
        CHECK_OK(pl_unb64u_exact(back, n, pl_span(text, PL_B64U_LEN(n))));
        CT_END();
        CHECK(ct_is_secret(back, n));
        ct_public(secret, sizeof(secret));
        ct_public(back, sizeof(back));
        CHECK_BYTES(pl_span(back, n), pl_span(secret, n));
    }
}

TEST(writing_pem)
{
    uint8_t secret[100];
    char text[400];
    struct pl_wr w = pl_wr_fixed(text, sizeof(text));
    test_fill(secret, sizeof(secret), 4);
    CT_BEGIN();
    ct_secret(secret, sizeof(secret));
    pl_wr_pem(&w, PL_ARR(secret), "PRIVATE KEY");
    CT_END();
    CHECK(ct_is_secret(text + 30, 64));
}

TEST(reading_pem)
{
    uint8_t secret[100], back[100];
    char text[400];
    struct pl_wr w = pl_wr_fixed(text, sizeof(text));
    size_t n = 0;
    test_fill(secret, sizeof(secret), 5);
    pl_wr_pem(&w, PL_ARR(secret), "PRIVATE KEY");
    struct pl_span in = pl_wr_span(&w);
    CT_BEGIN();
    ct_secret(text + 28, 64); /* the first line of digits */
    CHECK_OK(pl_unpem(back, sizeof(back), &n, &in, "PRIVATE KEY"));
    CT_END();
    CHECK(n == sizeof(back) && ct_is_secret(back, 48));
    ct_public(back, sizeof(back));
    CHECK_BYTES(PL_ARR(back), PL_ARR(secret));
}

/* A share on the wire, as the client writes it and the vault reads it. */
TEST(a_share_in_json_both_ways)
{
    static uint8_t memory[1 << 16] __attribute__((aligned(16)));
    uint8_t share[97];
    char text[1000];
    struct pl_wr w = pl_wr_fixed(text, sizeof(text));
    struct pl_arena scratch = pl_arena(memory, sizeof(memory));
    const struct pl_api_create m = {
        .has_share = true, .share = PL_ARR(share), .type = "raw_share", .policy = PL_LIT("{}")};
    struct pl_api_create got;
    test_fill(share, sizeof(share), 6);
    CT_BEGIN();
    ct_secret(share, sizeof(share));
    CHECK_OK(pl_api_write_create(&w, &m));
    CHECK(ct_is_secret(text, w.n < 256 ? w.n : 256));
    struct pl_api_in in = {.body = pl_wr_span(&w), .scratch = &scratch};
    CHECK_OK(pl_api_read_create(&got, &in));
    CT_END();
    CHECK(got.share.n == sizeof(share) && ct_is_secret(got.share.p, sizeof(share)));
    ct_public(share, sizeof(share));
    ct_public(memory, sizeof(memory));
    CHECK_BYTES(got.share, PL_ARR(share));
}

TEST_MAIN()
