#include "crypto/internal.h"

#include <openssl/core_names.h>
#include <openssl/params.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t no_key[1];

static bool fetch(struct pl_crypto *c)
{
    c->sha256 = EVP_MD_fetch(NULL, "SHA2-256", NULL);
    c->sha384 = EVP_MD_fetch(NULL, "SHA2-384", NULL);
    c->sha512 = EVP_MD_fetch(NULL, "SHA2-512", NULL);
    c->gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    c->hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    c->group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
    c->md = EVP_MD_CTX_new();
    c->cipher = EVP_CIPHER_CTX_new();
    c->mac = c->hmac ? EVP_MAC_CTX_new(c->hmac) : NULL;
    c->bn = BN_CTX_secure_new();
    char digest[] = OSSL_DIGEST_NAME_SHA2_256; /* named once: each naming is a search */
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    return c->sha256 && c->sha384 && c->sha512 && c->gcm && c->hmac && c->group && c->md &&
           c->cipher && c->mac && c->bn && EVP_MAC_CTX_set_params(c->mac, params) == 1;
}

pl_err pl_crypto_new(struct pl_crypto **out)
{
    *out = NULL;
    /* No configuration file: a variable would name one, and it would name code to load. */
    PL_REQUIRE(OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) == 1, CRYPTO_INIT);
    PL_REQUIRE(sodium_init() >= 0, CRYPTO_INIT);
    struct pl_crypto *c = calloc(1, sizeof(*c));
    PL_REQUIRE(c, NO_MEMORY);
    if (!fetch(c)) {
        pl_crypto_free(c);
        return PL_FAIL(CRYPTO_INIT);
    }
    *out = c;
    return PL_OK;
}

void pl_crypto_free(struct pl_crypto *c)
{
    if (!c)
        return;
    BN_CTX_free(c->bn);
    EVP_MAC_CTX_free(c->mac);
    EVP_CIPHER_CTX_free(c->cipher);
    EVP_MD_CTX_free(c->md);
    EC_GROUP_free(c->group);
    EVP_MAC_free(c->hmac);
    EVP_CIPHER_free(c->gcm);
    EVP_MD_free(c->sha512);
    EVP_MD_free(c->sha384);
    EVP_MD_free(c->sha256);
    free(c);
}

static pl_err digest(struct pl_crypto *c, const EVP_MD *md, uint8_t *out,
                     const struct pl_span *parts, size_t n)
{
    PL_REQUIRE(EVP_DigestInit_ex2(c->md, md, NULL) == 1, CRYPTO_FAILED);
    for (size_t i = 0; i < n; i++)
        PL_REQUIRE(EVP_DigestUpdate(c->md, parts[i].p, parts[i].n) == 1, CRYPTO_FAILED);
    PL_REQUIRE(EVP_DigestFinal_ex(c->md, out, NULL) == 1, CRYPTO_FAILED);
    return PL_OK;
}

pl_err pl_sha256(struct pl_crypto *c, uint8_t out[static PL_SHA256_BYTES],
                 const struct pl_span *parts, size_t n)
{
    return digest(c, c->sha256, out, parts, n);
}

pl_err pl_sha384(struct pl_crypto *c, uint8_t out[static PL_SHA384_BYTES],
                 const struct pl_span *parts, size_t n)
{
    return digest(c, c->sha384, out, parts, n);
}

pl_err pl_sha512(struct pl_crypto *c, uint8_t out[static PL_SHA512_BYTES],
                 const struct pl_span *parts, size_t n)
{
    return digest(c, c->sha512, out, parts, n);
}

pl_err pl_sha256_one(struct pl_crypto *c, uint8_t out[static PL_SHA256_BYTES], struct pl_span in)
{
    return digest(c, c->sha256, out, &in, 1);
}

static pl_err hmac(struct pl_crypto *c, uint8_t *out, struct pl_span key,
                   const struct pl_span *parts, size_t n)
{
    size_t got = 0;
    PL_REQUIRE(EVP_MAC_init(c->mac, key.n ? key.p : no_key, key.n, NULL) == 1, CRYPTO_FAILED);
    for (size_t i = 0; i < n; i++)
        PL_REQUIRE(EVP_MAC_update(c->mac, parts[i].p, parts[i].n) == 1, CRYPTO_FAILED);
    PL_REQUIRE(EVP_MAC_final(c->mac, out, &got, PL_SHA256_BYTES) == 1, CRYPTO_FAILED);
    PL_REQUIRE(got == PL_SHA256_BYTES, CRYPTO_FAILED);
    return PL_OK;
}

/* The context is kept, and would keep the key: it gets another one. */
pl_err pl_hmac(struct pl_crypto *c, uint8_t out[static PL_SHA256_BYTES], struct pl_span key,
               const struct pl_span *parts, size_t n)
{
    pl_err e = hmac(c, out, key, parts, n);
    PL_REQUIRE(EVP_MAC_init(c->mac, no_key, sizeof(no_key), NULL) == 1, CRYPTO_FAILED);
    return e;
}

pl_err pl_hkdf(struct pl_crypto *c, uint8_t *out, size_t out_n, struct pl_span ikm,
               struct pl_span salt, struct pl_span info)
{
    uint8_t prk[PL_SHA256_BYTES], t[PL_SHA256_BYTES];
    pl_err e = pl_hmac(c, prk, salt, &ikm, 1);
    PL_ASSERT(out_n <= 255 * sizeof(t));
    for (size_t done = 0, i = 1; e == PL_OK && done < out_n; i++) {
        uint8_t counter = (uint8_t)i;
        const struct pl_span parts[] = {pl_span(t, i == 1 ? 0 : sizeof(t)), info,
                                        pl_span(&counter, 1)};
        size_t n = out_n - done < sizeof(t) ? out_n - done : sizeof(t);
        e = pl_hmac(c, t, PL_ARR(prk), parts, 3);
        if (e == PL_OK)
            memcpy(out + done, t, n);
        done += n;
    }
    pl_wipe(prk, sizeof(prk));
    pl_wipe(t, sizeof(t));
    return e;
}

static bool gcm_start(struct pl_crypto *c, int seal, const uint8_t *key, const uint8_t *iv,
                      struct pl_span aad)
{
    int n;
    return aad.n <= INT32_MAX && EVP_CipherInit_ex2(c->cipher, c->gcm, key, iv, seal, NULL) == 1 &&
           (aad.n == 0 || EVP_CipherUpdate(c->cipher, NULL, &n, aad.p, (int)aad.n) == 1);
}

static bool gcm_run(struct pl_crypto *c, uint8_t *out, struct pl_span in)
{
    int n = 0;
    return in.n <= INT32_MAX &&
           (in.n == 0 || EVP_CipherUpdate(c->cipher, out, &n, in.p, (int)in.n) == 1) &&
           (size_t)n == in.n;
}

pl_err pl_gcm_seal(struct pl_crypto *c, uint8_t *out, const uint8_t key[static PL_AES_KEY_BYTES],
                   const uint8_t iv[static PL_GCM_IV_BYTES], struct pl_span aad, struct pl_span in)
{
    int n;
    uint8_t end[16], *tag = out + in.n;
    bool ok = gcm_start(c, 1, key, iv, aad) && gcm_run(c, out, in) &&
              EVP_CipherFinal_ex(c->cipher, end, &n) == 1 &&
              EVP_CIPHER_CTX_ctrl(c->cipher, EVP_CTRL_AEAD_GET_TAG, PL_GCM_TAG_BYTES, tag) == 1;
    if (!ok)
        pl_wipe(out, in.n);
    EVP_CIPHER_CTX_reset(c->cipher);
    PL_REQUIRE(ok, CRYPTO_FAILED);
    return PL_OK;
}

pl_err pl_gcm_open(struct pl_crypto *c, uint8_t *out, const uint8_t key[static PL_AES_KEY_BYTES],
                   const uint8_t iv[static PL_GCM_IV_BYTES], struct pl_span aad, struct pl_span in)
{
    int n;
    uint8_t end[16], tag[PL_GCM_TAG_BYTES];
    PL_REQUIRE(in.n >= sizeof(tag), DECRYPT);
    in.n -= sizeof(tag);
    memcpy(tag, in.p + in.n, sizeof(tag));
    bool ok = gcm_start(c, 0, key, iv, aad) && gcm_run(c, out, in) &&
              EVP_CIPHER_CTX_ctrl(c->cipher, EVP_CTRL_AEAD_SET_TAG, PL_GCM_TAG_BYTES, tag) == 1;
    bool authentic = ok && EVP_CipherFinal_ex(c->cipher, end, &n) == 1;
    if (!authentic)
        pl_wipe(out, in.n);
    EVP_CIPHER_CTX_reset(c->cipher);
    PL_REQUIRE(ok, CRYPTO_FAILED);
    PL_REQUIRE(authentic, DECRYPT);
    return PL_OK;
}
