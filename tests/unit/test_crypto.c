#include "test.h"
#include "crypto/crypto.h"

#include <string.h>

static struct pl_crypto *c;

__attribute__((constructor)) static void open_crypto(void)
{
    if (pl_crypto_new(&c) != PL_OK)
        c = NULL;
}

__attribute__((destructor)) static void close_crypto(void) { pl_crypto_free(c); }

TEST(sha2_of_abc) /* FIPS 180-4 examples, in two parts */
{
    uint8_t h[64];
    const struct pl_span parts[] = {PL_LIT("a"), PL_LIT("bc")};
    CHECK_OK(pl_sha256(c, h, parts, 2));
    CHECK_BYTES(pl_span(h, 32),
                test_hex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
    CHECK_OK(pl_sha384(c, h, parts, 2));
    CHECK_BYTES(pl_span(h, 8), test_hex("cb00753f45a35e8b"));
    CHECK_OK(pl_sha512(c, h, parts, 2));
    CHECK_BYTES(pl_span(h, 8), test_hex("ddaf35a193617aba"));
}

TEST(hmac_rfc4231)
{
    uint8_t h[32];
    struct pl_span data = PL_LIT("what do ya want for nothing?");
    CHECK_OK(pl_hmac(c, h, PL_LIT("Jefe"), &data, 1));
    CHECK_BYTES(PL_ARR(h),
                test_hex("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"));
    CHECK_OK(pl_hmac(c, h, pl_span(NULL, 0), NULL, 0));
    CHECK_BYTES(PL_ARR(h),
                test_hex("b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad"));
}

TEST(hkdf_rfc5869_case_1)
{
    uint8_t okm[42];
    CHECK_OK(pl_hkdf(c, okm, sizeof(okm), test_hex("0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b"),
                     test_hex("000102030405060708090a0b0c"), test_hex("f0f1f2f3f4f5f6f7f8f9")));
    CHECK_BYTES(PL_ARR(okm), test_hex("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ec"
                                      "c4c5bf34007208d5b887185865"));
}

TEST(gcm_round_trip_and_every_flipped_bit)
{
    uint8_t key[32], iv[12], in[40], out[40 + PL_GCM_TAG_BYTES], back[40];
    test_fill(key, 32, 1), test_fill(iv, 12, 2), test_fill(in, 40, 3);
    CHECK_OK(pl_gcm_seal(c, out, key, iv, PL_LIT("aad"), PL_ARR(in)));
    CHECK_OK(pl_gcm_open(c, back, key, iv, PL_LIT("aad"), PL_ARR(out)));
    CHECK_BYTES(PL_ARR(back), PL_ARR(in));
    CHECK_ERR(pl_gcm_open(c, back, key, iv, PL_LIT("aaD"), PL_ARR(out)), DECRYPT);
    CHECK(pl_span_zero(PL_ARR(back)));
    for (size_t bit = 0; bit < 8 * sizeof(out); bit++) { /* ciphertext and tag */
        out[bit / 8] ^= (uint8_t)(1 << bit % 8);
        CHECK_ERR(pl_gcm_open(c, back, key, iv, PL_LIT("aad"), PL_ARR(out)), DECRYPT);
        out[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    CHECK_OK(pl_gcm_open(c, out, key, iv, PL_LIT("aad"), PL_ARR(out))); /* in place */
    CHECK_BYTES(pl_span(out, sizeof(in)), PL_ARR(in));
    CHECK_ERR(pl_gcm_open(c, back, key, iv, PL_LIT("aad"), pl_span(out, 15)), DECRYPT);
    CHECK_OK(pl_gcm_seal(c, out, key, iv, pl_span(NULL, 0), pl_span(NULL, 0)));
    CHECK_OK(pl_gcm_open(c, out, key, iv, pl_span(NULL, 0), pl_span(out, PL_GCM_TAG_BYTES)));
}

TEST(p256_sign_verify)
{
    uint8_t seed[48], priv[32], pub[64], again[64], digest[32], sig[64], der[80];
    test_fill(seed, sizeof(seed), 4), test_fill(digest, 32, 5);
    CHECK_OK(pl_p256_make(c, priv, pub, seed));
    CHECK_OK(pl_p256_public(c, again, priv));
    CHECK_BYTES(PL_ARR(pub), PL_ARR(again));
    CHECK_OK(pl_p256_sign(c, sig, priv, digest));
    CHECK_OK(pl_p256_verify(c, pub, digest, sig));
    struct pl_wr w = pl_wr_fixed(der, sizeof(der));
    pl_p256_sig_to_der(&w, sig);
    CHECK_OK(pl_p256_sig_from_der(again, pl_wr_span(&w)));
    CHECK_BYTES(PL_ARR(again), PL_ARR(sig));
    digest[0] ^= 1;
    CHECK_ERR(pl_p256_verify(c, pub, digest, sig), SIGNATURE);
    pub[5] ^= 1;
    CHECK_ERR(pl_p256_verify(c, pub, digest, sig), KEY_FORMAT);
    memset(priv, 0, 32);
    CHECK_ERR(pl_p256_sign(c, sig, priv, digest), KEY_FORMAT);
    memset(priv, 0xff, 32);
    CHECK_ERR(pl_p256_public(c, pub, priv), KEY_FORMAT);
    memset(sig, 0, sizeof(sig));
    CHECK_OK(pl_p256_public(c, pub,
                            test_hex("00000000000000000000000000000000"
                                     "00000000000000000000000000000001")
                                .p));
    CHECK_ERR(pl_p256_verify(c, pub, digest, sig), SIGNATURE);
}

static const enum pl_pub_type types[] = {PL_PUB_P256, PL_PUB_ED25519};

TEST(keys_survive_their_encodings)
{
    for (size_t i = 0; i < 2; i++) {
        uint8_t buf[256], spki[PL_SPKI_MAX], sig[64];
        struct pl_priv k = {.type = types[i]}, k2;
        struct pl_pub pub, pub2;
        test_fill(k.raw, 32, 6);
        struct pl_wr w = pl_wr_fixed(buf, sizeof(buf));
        pl_priv_to_pkcs8(&w, &k);
        CHECK_OK(pl_priv_from_pkcs8(c, &k2, pl_wr_span(&w)));
        CHECK(k2.type == k.type);
        CHECK_BYTES(PL_ARR(k2.raw), PL_ARR(k.raw));
        CHECK_OK(pl_priv_public(c, &pub, &k));
        size_t n = pl_pub_to_spki(spki, &pub);
        CHECK_OK(pl_pub_from_spki(&pub2, pl_span(spki, n)));
        CHECK_OK(pl_priv_sign(c, sig, &k2, PL_LIT("message")));
        CHECK_OK(pl_pub_verify(c, &pub2, PL_LIT("message"), sig));
        CHECK_ERR(pl_pub_verify(c, &pub2, PL_LIT("massage"), sig), SIGNATURE);
        for (size_t cut = 0; cut < w.n; cut++)
            CHECK_ERR(pl_priv_from_pkcs8(c, &k2, pl_span(buf, cut)), KEY_FORMAT);
        for (size_t cut = 0; cut < n; cut++)
            CHECK_ERR(pl_pub_from_spki(&pub2, pl_span(spki, cut)), KEY_FORMAT);
    }
}

TEST(ed25519_rfc8032_test_2)
{
    uint8_t pub[32], sig[64];
    const uint8_t *seed =
        test_hex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb").p;
    uint8_t m = 0x72;
    CHECK_OK(pl_ed25519_public(pub, seed));
    CHECK_BYTES(PL_ARR(pub),
                test_hex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"));
    CHECK_OK(pl_ed25519_sign(sig, seed, pl_span(&m, 1)));
    CHECK_BYTES(pl_span(sig, 16), test_hex("92a009a9f0d4cab8720e820b5f642540"));
    sig[63] ^= 0x10;
    CHECK_ERR(pl_ed25519_verify(pub, pl_span(&m, 1), sig), SIGNATURE);
}

/* RFC 7515 A.2 */
static const char rsa_n[] =
    "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4"
    "QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdb"
    "BYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-D"
    "WNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";
static const char rsa_sig[] =
    "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5ju"
    "jGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07"
    "Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipU"
    "TI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
static const char rsa_message[] =
    "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvb"
    "S9pc19yb290Ijp0cnVlfQ";

TEST(rs256_rfc7515_a2_and_every_flipped_byte)
{
    uint8_t n[256], sig[257] = {0}, e[] = {1, 0, 1};
    struct pl_span said = pl_span_str(rsa_message);
    CHECK_OK(pl_unb64u_exact(n, sizeof(n), pl_span_str(rsa_n)));
    CHECK_OK(pl_unb64u_exact(sig, 256, pl_span_str(rsa_sig)));
    CHECK_OK(pl_rsa_verify(c, PL_ARR(n), PL_ARR(e), said, pl_span(sig, 256)));
    said.n--;
    CHECK_ERR(pl_rsa_verify(c, PL_ARR(n), PL_ARR(e), said, pl_span(sig, 256)), SIGNATURE);
    said.n++;
    for (size_t i = 0; i < 256; i++) {
        sig[i] ^= 0x40;
        CHECK_ERR(pl_rsa_verify(c, PL_ARR(n), PL_ARR(e), said, pl_span(sig, 256)), SIGNATURE);
        sig[i] ^= 0x40;
    }
    CHECK_ERR(pl_rsa_verify(c, PL_ARR(n), PL_ARR(e), said, pl_span(sig, 255)), SIGNATURE);
    CHECK_ERR(pl_rsa_verify(c, PL_ARR(n), PL_ARR(e), said, pl_span(sig, 257)), SIGNATURE);
}

TEST(rsa_keys_out_of_their_bounds)
{
    static const struct {
        size_t n_bytes, e_bytes;
        uint8_t first, last, e[5];
        bool good;
    } key[] = {
        {256, 3, 0x80, 1, {1, 0, 1}, true},
        {512, 3, 0xff, 1, {1, 0, 1}, true},
        {257, 3, 0x01, 1, {1, 0, 1}, true},
        {256, 4, 0x80, 1, {0xff, 0xff, 0xff, 0xff}, true},
        {256, 3, 0x7f, 1, {1, 0, 1}, false},
        {513, 3, 0x01, 1, {1, 0, 1}, false},
        {257, 3, 0x00, 1, {1, 0, 1}, false},
        {256, 3, 0x80, 2, {1, 0, 1}, false},
        {256, 1, 0x80, 1, {3}, false},
        {256, 1, 0x80, 1, {1}, false},
        {256, 3, 0x80, 1, {1, 0, 0}, false},
        {256, 3, 0x80, 1, {0, 0, 3}, false},
        {256, 5, 0x80, 1, {1, 0, 0, 0, 1}, false},
        {0, 3, 0, 0, {1, 0, 1}, false},
        {256, 0, 0x80, 1, {0}, false},
    };
    for (size_t i = 0; i < sizeof(key) / sizeof(*key); i++) {
        uint8_t n[513], spki[PL_RSA_SPKI_MAX];
        struct pl_wr w = pl_wr_fixed(spki, sizeof(spki));
        memset(n, 0x5a, sizeof(n));
        n[key[i].n_bytes ? key[i].n_bytes - 1 : 0] = key[i].last;
        n[0] = key[i].first;
        pl_err e = pl_rsa_spki(&w, pl_span(n, key[i].n_bytes), pl_span(key[i].e, key[i].e_bytes));
        if (key[i].good)
            CHECK_OK(e);
        else
            CHECK_ERR(e, KEY_FORMAT);
    }
}

TEST_MAIN()
