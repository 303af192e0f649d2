#include "ct.h"

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

TEST_MAIN()
