#include "crypto/internal.h"

#include <sodium.h>
#include <string.h>

/* RFC 5480: id-ecPublicKey, prime256v1, BIT STRING of an uncompressed point. */
static const uint8_t p256_prefix[] = {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48,
                                      0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
                                      0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04};
/* RFC 8410: id-Ed25519. */
static const uint8_t ed25519_prefix[] = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03,
                                         0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};
/* AlgorithmIdentifiers of the two, as PKCS#8 carries them. */
static const uint8_t p256_alg[] = {0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06,
                                   0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
static const uint8_t ed25519_alg[] = {0x06, 0x03, 0x2b, 0x65, 0x70};

pl_err pl_ed25519_public(uint8_t out_pub[static PL_ED25519_PUB_BYTES],
                         const uint8_t seed[static PL_ED25519_SEED_BYTES])
{
    uint8_t sk[crypto_sign_SECRETKEYBYTES];
    int ok = crypto_sign_seed_keypair(out_pub, sk, seed);
    pl_wipe(sk, sizeof(sk));
    PL_REQUIRE(ok == 0, CRYPTO_FAILED);
    return PL_OK;
}

pl_err pl_ed25519_sign(uint8_t out[static PL_ED25519_SIG_BYTES],
                       const uint8_t seed[static PL_ED25519_SEED_BYTES], struct pl_span message)
{
    uint8_t sk[crypto_sign_SECRETKEYBYTES], pub[PL_ED25519_PUB_BYTES];
    bool ok = crypto_sign_seed_keypair(pub, sk, seed) == 0 &&
              crypto_sign_detached(out, NULL, message.p, message.n, sk) == 0;
    pl_wipe(sk, sizeof(sk));
    PL_REQUIRE(ok, CRYPTO_FAILED);
    if (pl_ed25519_verify(pub, message, out) != PL_OK) { /* a faulted signature leaks the key */
        pl_wipe(out, PL_ED25519_SIG_BYTES);
        return PL_FAIL(CRYPTO_FAILED);
    }
    return PL_OK;
}

pl_err pl_ed25519_verify(const uint8_t pub[static PL_ED25519_PUB_BYTES], struct pl_span message,
                         const uint8_t sig[static PL_ED25519_SIG_BYTES])
{
    PL_REQUIRE(crypto_sign_verify_detached(sig, message.p, message.n, pub) == 0, SIGNATURE);
    return PL_OK;
}

pl_err pl_pub_from_spki(struct pl_pub *out, struct pl_span spki)
{
    *out = (struct pl_pub){0};
    if (spki.n == PL_P256_SPKI_BYTES && memcmp(spki.p, p256_prefix, sizeof(p256_prefix)) == 0) {
        out->type = PL_PUB_P256;
        memcpy(out->raw, spki.p + sizeof(p256_prefix), PL_P256_PUB_BYTES);
        return PL_OK;
    }
    PL_REQUIRE(spki.n == PL_ED25519_SPKI_BYTES &&
                   memcmp(spki.p, ed25519_prefix, sizeof(ed25519_prefix)) == 0,
               KEY_FORMAT);
    out->type = PL_PUB_ED25519;
    memcpy(out->raw, spki.p + sizeof(ed25519_prefix), PL_ED25519_PUB_BYTES);
    return PL_OK;
}

size_t pl_pub_to_spki(uint8_t out[static PL_SPKI_MAX], const struct pl_pub *pub)
{
    bool ec = pub->type == PL_PUB_P256;
    PL_ASSERT(ec || pub->type == PL_PUB_ED25519);
    size_t prefix = ec ? sizeof(p256_prefix) : sizeof(ed25519_prefix);
    size_t raw = ec ? PL_P256_PUB_BYTES : PL_ED25519_PUB_BYTES;
    memcpy(out, ec ? p256_prefix : ed25519_prefix, prefix);
    memcpy(out + prefix, pub->raw, raw);
    return prefix + raw;
}

pl_err pl_pub_verify(struct pl_crypto *c, const struct pl_pub *pub, struct pl_span message,
                     const uint8_t sig[static 64])
{
    uint8_t digest[PL_SHA256_BYTES];
    if (pub->type == PL_PUB_ED25519)
        return pl_ed25519_verify(pub->raw, message, sig);
    PL_REQUIRE(pub->type == PL_PUB_P256, KEY_FORMAT);
    PL_TRY(pl_sha256_one(c, digest, message));
    return pl_p256_verify(c, pub->raw, digest, sig);
}

pl_err pl_priv_public(struct pl_crypto *c, struct pl_pub *out, const struct pl_priv *priv)
{
    *out = (struct pl_pub){.type = priv->type};
    if (priv->type == PL_PUB_ED25519)
        return pl_ed25519_public(out->raw, priv->raw);
    PL_REQUIRE(priv->type == PL_PUB_P256, KEY_FORMAT);
    return pl_p256_public(c, out->raw, priv->raw);
}

pl_err pl_priv_sign(struct pl_crypto *c, uint8_t out[static 64], const struct pl_priv *priv,
                    struct pl_span message)
{
    uint8_t digest[PL_SHA256_BYTES];
    if (priv->type == PL_PUB_ED25519)
        return pl_ed25519_sign(out, priv->raw, message);
    PL_REQUIRE(priv->type == PL_PUB_P256, KEY_FORMAT);
    PL_TRY(pl_sha256_one(c, digest, message));
    return pl_p256_sign(c, out, priv->raw, digest);
}

void pl_priv_to_pkcs8(struct pl_wr *w, const struct pl_priv *priv)
{
    bool ec = priv->type == PL_PUB_P256;
    PL_ASSERT(ec || priv->type == PL_PUB_ED25519);
    size_t info = pl_der_open(w, PL_DER_SEQ);
    pl_der_put_u64(w, 0);
    pl_der_put(w, PL_DER_SEQ, ec ? PL_ARR(p256_alg) : PL_ARR(ed25519_alg));
    size_t key = pl_der_open(w, PL_DER_OCTETS);
    if (ec) { /* RFC 5915 */
        size_t seq = pl_der_open(w, PL_DER_SEQ);
        pl_der_put_u64(w, 1);
        pl_der_put(w, PL_DER_OCTETS, PL_ARR(priv->raw));
        pl_der_close(w, seq);
    } else { /* RFC 8410 section 7 */
        pl_der_put(w, PL_DER_OCTETS, PL_ARR(priv->raw));
    }
    pl_der_close(w, key);
    pl_der_close(w, info);
}

/* What is behind the private scalar (parameters, public key) may be there and is not used. */
static struct pl_span ec_scalar(struct pl_span contents)
{
    struct pl_rd r = pl_rd(contents);
    struct pl_rd seq = pl_rd(pl_der(&r, PL_DER_SEQ));
    uint64_t version = pl_der_u64(&seq);
    struct pl_span d = pl_der(&seq, PL_DER_OCTETS);
    bool ok = version == 1 && !seq.bad && pl_rd_end(&r) == PL_OK;
    return ok ? d : pl_span(NULL, 0);
}

pl_err pl_priv_from_pkcs8(struct pl_crypto *c, struct pl_priv *out, struct pl_span der)
{
    *out = (struct pl_priv){0};
    struct pl_rd whole = pl_rd(der);
    struct pl_rd info = pl_rd(pl_der(&whole, PL_DER_SEQ));
    uint64_t version = pl_der_u64(&info);
    struct pl_span alg = pl_der(&info, PL_DER_SEQ);
    struct pl_span key = pl_der(&info, PL_DER_OCTETS), raw;
    PL_REQUIRE(!info.bad && pl_rd_end(&whole) == PL_OK && version <= 1, KEY_FORMAT);
    if (pl_span_eq(alg, PL_ARR(p256_alg))) {
        out->type = PL_PUB_P256;
        raw = ec_scalar(key);
    } else {
        struct pl_rd r = pl_rd(key);
        PL_REQUIRE(pl_span_eq(alg, PL_ARR(ed25519_alg)), KEY_FORMAT);
        out->type = PL_PUB_ED25519;
        raw = pl_der(&r, PL_DER_OCTETS);
        PL_REQUIRE(pl_rd_end(&r) == PL_OK, KEY_FORMAT);
    }
    PL_REQUIRE(raw.n == sizeof(out->raw), KEY_FORMAT);
    memcpy(out->raw, raw.p, raw.n);
    struct pl_pub pub;
    pl_err e = pl_priv_public(c, &pub, out);
    if (e != PL_OK)
        pl_wipe(out, sizeof(*out));
    return e;
}
