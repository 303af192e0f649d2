#include "crypto/internal.h"

#include <string.h>

static void free_bn(BIGNUM **b) { BN_clear_free(*b); }
static void free_point(EC_POINT **p) { EC_POINT_free(*p); }
static void free_key(EC_KEY **k) { EC_KEY_free(*k); }
static void free_sig(ECDSA_SIG **s) { ECDSA_SIG_free(*s); }

static pl_err public_of(struct pl_crypto *c, uint8_t *out_pub, const BIGNUM *d)
{
    uint8_t point[1 + PL_P256_PUB_BYTES];
    EC_POINT *q PL_CLEANUP(free_point) = EC_POINT_new(c->group);
    PL_REQUIRE(q && EC_POINT_mul(c->group, q, d, NULL, NULL, c->bn) == 1, CRYPTO_FAILED);
    PL_REQUIRE(EC_POINT_point2oct(c->group, q, POINT_CONVERSION_UNCOMPRESSED, point, sizeof(point),
                                  c->bn) == sizeof(point),
               CRYPTO_FAILED);
    memcpy(out_pub, point + 1, PL_P256_PUB_BYTES);
    return PL_OK;
}

/* FIPS 186-5 A.2.1: d = (c mod (n - 1)) + 1 for c of 128 bits more than n. */
pl_err pl_p256_make(struct pl_crypto *c, uint8_t out_priv[static PL_P256_PRIV_BYTES],
                    uint8_t out_pub[static PL_P256_PUB_BYTES],
                    const uint8_t seed[static PL_P256_SEED_BYTES])
{
    BIGNUM *d PL_CLEANUP(free_bn) = BN_secure_new();
    BIGNUM *wide PL_CLEANUP(free_bn) = BN_secure_new();
    BIGNUM *limit PL_CLEANUP(free_bn) = BN_dup(EC_GROUP_get0_order(c->group));
    PL_REQUIRE(d && wide && limit && BN_bin2bn(seed, PL_P256_SEED_BYTES, wide), NO_MEMORY);
    BN_set_flags(wide, BN_FLG_CONSTTIME);
    BN_set_flags(d, BN_FLG_CONSTTIME);
    PL_REQUIRE(BN_sub_word(limit, 1) == 1 && BN_mod(d, wide, limit, c->bn) == 1, CRYPTO_FAILED);
    PL_REQUIRE(BN_add_word(d, 1) == 1, CRYPTO_FAILED);
    PL_TRY(public_of(c, out_pub, d));
    PL_REQUIRE(BN_bn2binpad(d, out_priv, PL_P256_PRIV_BYTES) == PL_P256_PRIV_BYTES, CRYPTO_FAILED);
    return PL_OK;
}

/* A private scalar is in [1, n - 1]. */
static pl_err scalar(struct pl_crypto *c, BIGNUM *d, const uint8_t *priv)
{
    PL_REQUIRE(d && BN_bin2bn(priv, PL_P256_PRIV_BYTES, d), NO_MEMORY);
    BN_set_flags(d, BN_FLG_CONSTTIME);
    PL_REQUIRE(!BN_is_zero(d) && BN_cmp(d, EC_GROUP_get0_order(c->group)) < 0, KEY_FORMAT);
    return PL_OK;
}

pl_err pl_p256_public(struct pl_crypto *c, uint8_t out_pub[static PL_P256_PUB_BYTES],
                      const uint8_t priv[static PL_P256_PRIV_BYTES])
{
    BIGNUM *d PL_CLEANUP(free_bn) = BN_secure_new();
    PL_TRY(scalar(c, d, priv));
    return public_of(c, out_pub, d);
}

static pl_err raw_signature(uint8_t *out, const ECDSA_SIG *s)
{
    const BIGNUM *r, *t;
    ECDSA_SIG_get0(s, &r, &t);
    PL_REQUIRE(BN_bn2binpad(r, out, 32) == 32 && BN_bn2binpad(t, out + 32, 32) == 32,
               CRYPTO_FAILED);
    return PL_OK;
}

pl_err pl_p256_sign(struct pl_crypto *c, uint8_t out[static PL_P256_SIG_BYTES],
                    const uint8_t priv[static PL_P256_PRIV_BYTES],
                    const uint8_t digest[static PL_SHA256_BYTES])
{
    BIGNUM *d PL_CLEANUP(free_bn) = BN_secure_new();
    EC_KEY *k PL_CLEANUP(free_key) = EC_KEY_new();
    uint8_t pub[PL_P256_PUB_BYTES], sig[PL_P256_SIG_BYTES];
    PL_TRY(scalar(c, d, priv));
    PL_REQUIRE(k && EC_KEY_set_group(k, c->group) == 1 && EC_KEY_set_private_key(k, d) == 1,
               CRYPTO_FAILED);
    ECDSA_SIG *s PL_CLEANUP(free_sig) = ECDSA_do_sign(digest, PL_SHA256_BYTES, k);
    PL_REQUIRE(s, CRYPTO_FAILED);
    PL_TRY(raw_signature(sig, s));
    /* A fault while signing can give the key away: nothing unverified leaves. */
    PL_TRY(public_of(c, pub, d));
    PL_TRY(pl_p256_verify(c, pub, digest, sig));
    memcpy(out, sig, sizeof(sig));
    return PL_OK;
}

static EC_KEY *public_key(struct pl_crypto *c, const uint8_t *pub)
{
    uint8_t point[1 + PL_P256_PUB_BYTES] = {POINT_CONVERSION_UNCOMPRESSED};
    memcpy(point + 1, pub, PL_P256_PUB_BYTES);
    EC_KEY *k = EC_KEY_new();
    if (k && EC_KEY_set_group(k, c->group) == 1 &&
        EC_KEY_oct2key(k, point, sizeof(point), c->bn) == 1)
        return k;
    EC_KEY_free(k);
    return NULL;
}

pl_err pl_p256_verify(struct pl_crypto *c, const uint8_t pub[static PL_P256_PUB_BYTES],
                      const uint8_t digest[static PL_SHA256_BYTES],
                      const uint8_t sig[static PL_P256_SIG_BYTES])
{
    EC_KEY *k PL_CLEANUP(free_key) = public_key(c, pub);
    PL_REQUIRE(k, KEY_FORMAT);
    ECDSA_SIG *s PL_CLEANUP(free_sig) = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(sig, 32, NULL), *t = BN_bin2bn(sig + 32, 32, NULL);
    if (!s || !r || !t || ECDSA_SIG_set0(s, r, t) != 1) {
        BN_free(r);
        BN_free(t);
        return PL_FAIL(NO_MEMORY);
    }
    PL_REQUIRE(ECDSA_do_verify(digest, PL_SHA256_BYTES, s, k) == 1, SIGNATURE);
    return PL_OK;
}

pl_err pl_p256_sig_from_der(uint8_t out[static PL_P256_SIG_BYTES], struct pl_span der)
{
    struct pl_rd whole = pl_rd(der);
    struct pl_rd seq = pl_rd(pl_der(&whole, PL_DER_SEQ));
    struct pl_span r = pl_der_uint(&seq), s = pl_der_uint(&seq);
    PL_REQUIRE(pl_rd_end(&whole) == PL_OK && pl_rd_end(&seq) == PL_OK, DER);
    PL_REQUIRE(r.n <= 32 && s.n <= 32, DER);
    memset(out, 0, PL_P256_SIG_BYTES);
    memcpy(out + 32 - r.n, r.p, r.n);
    memcpy(out + 64 - s.n, s.p, s.n);
    return PL_OK;
}

void pl_p256_sig_to_der(struct pl_wr *w, const uint8_t sig[static PL_P256_SIG_BYTES])
{
    size_t o = pl_der_open(w, PL_DER_SEQ);
    pl_der_put_uint(w, pl_span(sig, 32));
    pl_der_put_uint(w, pl_span(sig + 32, 32));
    pl_der_close(w, o);
}
