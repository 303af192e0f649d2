/* Primitives from OpenSSL 3.0 and libsodium, fetched once and kept in a context.
 *
 * The only folder that includes their headers (platform/tls, for libssl, stands beside it). A
 * context belongs to one thread. Nothing here draws entropy except ECDSA nonces (OpenSSL's own,
 * hedged): keys are made from bytes the caller brings. Errors: CRYPTO_FAILED when a library
 * refuses for reasons of its own, the named code where the input decides. Outputs are zero or
 * untouched on error.
 */
#ifndef PL_CRYPTO_CRYPTO_H
#define PL_CRYPTO_CRYPTO_H

#include "base/base.h"

enum {
    PL_SHA256_BYTES = 32,
    PL_SHA384_BYTES = 48,
    PL_SHA512_BYTES = 64,
    PL_AES_KEY_BYTES = 32,
    PL_GCM_IV_BYTES = 12,
    PL_GCM_TAG_BYTES = 16,
    PL_P256_PRIV_BYTES = 32,
    PL_P256_PUB_BYTES = 64,  /* X || Y, big endian, without the 0x04 */
    PL_P256_SIG_BYTES = 64,  /* r || s, big endian */
    PL_P256_SPKI_BYTES = 91, /* DER SubjectPublicKeyInfo, RFC 5480, uncompressed point */
    PL_P256_SEED_BYTES = 48, /* entropy for one key: FIPS 186-5 A.2.1 */
    PL_ED25519_SEED_BYTES = 32,
    PL_ED25519_PUB_BYTES = 32,
    PL_ED25519_SIG_BYTES = 64,
    PL_ED25519_SPKI_BYTES = 44, /* RFC 8410 */
};

struct pl_crypto; /* one thread's fetched algorithms and kept contexts */

/* NULL out on error (CRYPTO_INIT, NO_MEMORY). */
PL_CHECKED pl_err pl_crypto_new(struct pl_crypto **out);
void pl_crypto_free(struct pl_crypto *c); /* NULL allowed */

/* Hashes over the concatenation of n parts. */
PL_CHECKED pl_err pl_sha256(struct pl_crypto *c, uint8_t out[static PL_SHA256_BYTES],
                            const struct pl_span *parts, size_t n);
PL_CHECKED pl_err pl_sha384(struct pl_crypto *c, uint8_t out[static PL_SHA384_BYTES],
                            const struct pl_span *parts, size_t n);
PL_CHECKED pl_err pl_sha512(struct pl_crypto *c, uint8_t out[static PL_SHA512_BYTES],
                            const struct pl_span *parts, size_t n);
PL_CHECKED pl_err pl_sha256_one(struct pl_crypto *c, uint8_t out[static PL_SHA256_BYTES],
                                struct pl_span in);

/* HMAC-SHA-256 (RFC 2104) over the concatenation of n parts. */
PL_CHECKED pl_err pl_hmac(struct pl_crypto *c, uint8_t out[static PL_SHA256_BYTES],
                          struct pl_span key, const struct pl_span *parts, size_t n);

/* HKDF-SHA-256 (RFC 5869); out_n at most 255 * 32. */
PL_CHECKED pl_err pl_hkdf(struct pl_crypto *c, uint8_t *out, size_t out_n, struct pl_span ikm,
                          struct pl_span salt, struct pl_span info);

/* AES-256-GCM (SP 800-38D), 96-bit IV; the 128-bit tag follows the ciphertext.
 * Seal: out holds in.n + PL_GCM_TAG_BYTES bytes. Open: in is ciphertext and tag, out holds the
 * bytes without the tag; DECRYPT when the tag does not match or is not all there, and then out is
 * wiped. out may be in.p. */
PL_CHECKED pl_err pl_gcm_seal(struct pl_crypto *c, uint8_t *out,
                              const uint8_t key[static PL_AES_KEY_BYTES],
                              const uint8_t iv[static PL_GCM_IV_BYTES], struct pl_span aad,
                              struct pl_span in);
PL_CHECKED pl_err pl_gcm_open(struct pl_crypto *c, uint8_t *out,
                              const uint8_t key[static PL_AES_KEY_BYTES],
                              const uint8_t iv[static PL_GCM_IV_BYTES], struct pl_span aad,
                              struct pl_span in);

/* P-256. A private key from entropy (extra random bits), its public key, signatures over a
 * 32-byte SHA-256 digest. sign verifies its own result before returning it. */
PL_CHECKED pl_err pl_p256_make(struct pl_crypto *c, uint8_t out_priv[static PL_P256_PRIV_BYTES],
                               uint8_t out_pub[static PL_P256_PUB_BYTES],
                               const uint8_t seed[static PL_P256_SEED_BYTES]);
PL_CHECKED pl_err pl_p256_public(struct pl_crypto *c, uint8_t out_pub[static PL_P256_PUB_BYTES],
                                 const uint8_t priv[static PL_P256_PRIV_BYTES]);
PL_CHECKED pl_err pl_p256_sign(struct pl_crypto *c, uint8_t out[static PL_P256_SIG_BYTES],
                               const uint8_t priv[static PL_P256_PRIV_BYTES],
                               const uint8_t digest[static PL_SHA256_BYTES]);
/* KEY_FORMAT when the point is not on the curve, SIGNATURE when it does not verify. */
PL_CHECKED pl_err pl_p256_verify(struct pl_crypto *c, const uint8_t pub[static PL_P256_PUB_BYTES],
                                 const uint8_t digest[static PL_SHA256_BYTES],
                                 const uint8_t sig[static PL_P256_SIG_BYTES]);
/* ECDSA-Sig-Value (RFC 3279) to r || s and back; DER when not strict. out holds up to 72 bytes. */
PL_CHECKED pl_err pl_p256_sig_from_der(uint8_t out[static PL_P256_SIG_BYTES], struct pl_span der);
void pl_p256_sig_to_der(struct pl_wr *w, const uint8_t sig[static PL_P256_SIG_BYTES]);

/* Ed25519 (RFC 8032) by libsodium. */
PL_CHECKED pl_err pl_ed25519_public(uint8_t out_pub[static PL_ED25519_PUB_BYTES],
                                    const uint8_t seed[static PL_ED25519_SEED_BYTES]);
PL_CHECKED pl_err pl_ed25519_sign(uint8_t out[static PL_ED25519_SIG_BYTES],
                                  const uint8_t seed[static PL_ED25519_SEED_BYTES],
                                  struct pl_span message);
PL_CHECKED pl_err pl_ed25519_verify(const uint8_t pub[static PL_ED25519_PUB_BYTES],
                                    struct pl_span message,
                                    const uint8_t sig[static PL_ED25519_SIG_BYTES]);

/* Public keys as the world names them: DER SubjectPublicKeyInfo. */
enum pl_pub_type { PL_PUB_NONE = 0, PL_PUB_P256, PL_PUB_ED25519 };
struct pl_pub {
    enum pl_pub_type type;
    uint8_t raw[PL_P256_PUB_BYTES]; /* Ed25519: the first 32 */
};
enum { PL_SPKI_MAX = PL_P256_SPKI_BYTES };
/* KEY_FORMAT unless it is exactly one of the two encodings (uncompressed points only). */
PL_CHECKED pl_err pl_pub_from_spki(struct pl_pub *out, struct pl_span spki);
size_t pl_pub_to_spki(uint8_t out[static PL_SPKI_MAX], const struct pl_pub *pub); /* its length */
/* Over the message itself: P-256 hashes it with SHA-256 first (ES256), Ed25519 is EdDSA. */
PL_CHECKED pl_err pl_pub_verify(struct pl_crypto *c, const struct pl_pub *pub,
                                struct pl_span message, const uint8_t sig[static 64]);

/* Signatures by keys that are not Pleiad's own: certificates of TEE vendors and other projects. */
enum pl_sig_alg {
    PL_SIG_NONE = 0,
    PL_SIG_ECDSA_SHA256,
    PL_SIG_ECDSA_SHA384,
    PL_SIG_ECDSA_SHA512,
    PL_SIG_RSA_SHA256, /* PKCS#1 v1.5 */
    PL_SIG_RSA_SHA384,
    PL_SIG_RSA_SHA512,
    PL_SIG_PSS_SHA256, /* MGF1 with the same hash, salt as long as it */
    PL_SIG_PSS_SHA384,
    PL_SIG_PSS_SHA512,
    PL_SIG_ED25519,
    PL_SIG_RSA_SHA1, /* broken: only where something else covers the same bytes */
};
/* Over the message; sig as certificates carry it (ECDSA: DER). KEY_FORMAT unless spki is a key of
 * that algorithm on P-256, P-384 or P-521, or RSA of 2048 to 8192 bits; SIGNATURE otherwise. */
PL_CHECKED pl_err pl_spki_verify(struct pl_crypto *c, struct pl_span spki, enum pl_sig_alg alg,
                                 struct pl_span message, struct pl_span sig);

/* RSA keys as JWK (RFC 7518 6.3.1) and COSE (RFC 8230) carry them: big-endian n and e without
 * leading zero bytes. pl_rsa_spki appends the one DER SubjectPublicKeyInfo (RFC 3279) of the key,
 * in PL_RSA_SPKI_MAX bytes of room. KEY_FORMAT unless n is odd with 2048 to 4096 bits and e is odd
 * and in [65537, 2^32) (FIPS 186-5 A.1.1; smaller ones made forgeries easy more than once). */
enum { PL_RSA_BYTES_MAX = 512, PL_RSA_SPKI_MAX = 560 };
PL_CHECKED pl_err pl_rsa_spki(struct pl_wr *out, struct pl_span n, struct pl_span e);
/* RS256: PKCS#1 v1.5 with SHA-256 over the message; sig has exactly the length of n. KEY_FORMAT,
 * SIGNATURE. */
PL_CHECKED pl_err pl_rsa_verify(struct pl_crypto *c, struct pl_span n, struct pl_span e,
                                struct pl_span message, struct pl_span sig);

/* A private key of either type, in the caller's (secret) memory. */
struct pl_priv {
    enum pl_pub_type type;
    uint8_t raw[32]; /* P-256: scalar; Ed25519: seed */
};
PL_CHECKED pl_err pl_priv_public(struct pl_crypto *c, struct pl_pub *out,
                                 const struct pl_priv *priv);
PL_CHECKED pl_err pl_priv_sign(struct pl_crypto *c, uint8_t out[static 64],
                               const struct pl_priv *priv, struct pl_span message);
/* PKCS#8 (RFC 5958), unencrypted: what an owner's key file holds. KEY_FORMAT otherwise. */
PL_CHECKED pl_err pl_priv_from_pkcs8(struct pl_crypto *c, struct pl_priv *out, struct pl_span der);
void pl_priv_to_pkcs8(struct pl_wr *w, const struct pl_priv *priv);

#endif
