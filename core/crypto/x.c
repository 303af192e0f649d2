/* Verification only, for keys in other people's certificates. */
#include "crypto/internal.h"

#include <openssl/rsa.h>
#include <openssl/x509.h>

static const struct {
    int key; /* EVP_PKEY_* */
    const EVP_MD *(*md)(void);
    bool pss;
} algs[] = {
    [PL_SIG_ECDSA_SHA256] = {EVP_PKEY_EC, EVP_sha256, false},
    [PL_SIG_ECDSA_SHA384] = {EVP_PKEY_EC, EVP_sha384, false},
    [PL_SIG_ECDSA_SHA512] = {EVP_PKEY_EC, EVP_sha512, false},
    [PL_SIG_RSA_SHA256] = {EVP_PKEY_RSA, EVP_sha256, false},
    [PL_SIG_RSA_SHA384] = {EVP_PKEY_RSA, EVP_sha384, false},
    [PL_SIG_RSA_SHA512] = {EVP_PKEY_RSA, EVP_sha512, false},
    [PL_SIG_PSS_SHA256] = {EVP_PKEY_RSA, EVP_sha256, true},
    [PL_SIG_PSS_SHA384] = {EVP_PKEY_RSA, EVP_sha384, true},
    [PL_SIG_PSS_SHA512] = {EVP_PKEY_RSA, EVP_sha512, true},
    [PL_SIG_ED25519] = {EVP_PKEY_ED25519, NULL, false},
    [PL_SIG_RSA_SHA1] = {EVP_PKEY_RSA, EVP_sha1, false},
};

static void free_pkey(EVP_PKEY **k) { EVP_PKEY_free(*k); }
static void free_md(EVP_MD_CTX **m) { EVP_MD_CTX_free(*m); }

static bool size_fits(const EVP_PKEY *k)
{
    int bits = EVP_PKEY_get_bits(k);
    if (EVP_PKEY_get_base_id(k) == EVP_PKEY_RSA)
        return bits >= 2048 && bits <= 8192;
    if (EVP_PKEY_get_base_id(k) == EVP_PKEY_EC) {
        char name[32] = "";
        size_t n = 0;
        return EVP_PKEY_get_group_name(k, name, sizeof(name), &n) == 1 &&
               (pl_span_is(pl_span(name, n), "prime256v1") ||
                pl_span_is(pl_span(name, n), "secp384r1") ||
                pl_span_is(pl_span(name, n), "secp521r1"));
    }
    return true;
}

pl_err pl_spki_verify(struct pl_crypto *c, struct pl_span spki, enum pl_sig_alg alg,
                      struct pl_span message, struct pl_span sig)
{
    (void)c; /* d2i and implicit fetches: not a hot path */
    PL_REQUIRE(alg > PL_SIG_NONE && alg <= PL_SIG_RSA_SHA1, KEY_FORMAT);
    PL_REQUIRE(spki.n > 0 && spki.n <= 8192 && sig.n > 0, KEY_FORMAT);
    const uint8_t *p = spki.p;
    EVP_PKEY *k PL_CLEANUP(free_pkey) = d2i_PUBKEY(NULL, &p, (long)spki.n);
    PL_REQUIRE(k && p == spki.p + spki.n, KEY_FORMAT);
    PL_REQUIRE(EVP_PKEY_get_base_id(k) == algs[alg].key && size_fits(k), KEY_FORMAT);
    EVP_MD_CTX *md PL_CLEANUP(free_md) = EVP_MD_CTX_new();
    EVP_PKEY_CTX *pctx = NULL; /* owned by md */
    const EVP_MD *hash = algs[alg].md ? algs[alg].md() : NULL;
    PL_REQUIRE(md && EVP_DigestVerifyInit(md, &pctx, hash, NULL, k) == 1, CRYPTO_FAILED);
    if (algs[alg].pss)
        PL_REQUIRE(EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING) == 1 &&
                       EVP_PKEY_CTX_set_rsa_mgf1_md(pctx, hash) == 1 &&
                       EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, RSA_PSS_SALTLEN_DIGEST) == 1,
                   CRYPTO_FAILED);
    PL_REQUIRE(EVP_DigestVerify(md, sig.p, sig.n, message.p, message.n) == 1, SIGNATURE);
    return PL_OK;
}

static bool rsa_fits(struct pl_span n, struct pl_span e)
{
    bool wide = n.n > 256 || (n.n == 256 && n.p[0] >= 0x80);
    bool odd = n.n > 0 && n.n <= PL_RSA_BYTES_MAX && n.p[0] && n.p[n.n - 1] & 1;
    return wide && odd && (e.n == 3 || e.n == 4) && e.p[0] && e.p[e.n - 1] & 1;
}

pl_err pl_rsa_spki(struct pl_wr *out, struct pl_span n, struct pl_span e)
{
    static const uint8_t rsa_encryption[] = {0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7,
                                             0x0d, 0x01, 0x01, 0x01, 0x05, 0x00};
    PL_REQUIRE(rsa_fits(n, e), KEY_FORMAT);
    size_t info = pl_der_open(out, PL_DER_SEQ);
    pl_der_put(out, PL_DER_SEQ, PL_ARR(rsa_encryption));
    size_t bits = pl_der_open(out, PL_DER_BITS);
    pl_wr_u8(out, 0);
    size_t key = pl_der_open(out, PL_DER_SEQ);
    pl_der_put_uint(out, n);
    pl_der_put_uint(out, e);
    pl_der_close(out, key);
    pl_der_close(out, bits);
    pl_der_close(out, info);
    return pl_wr_end(out);
}

pl_err pl_rsa_verify(struct pl_crypto *c, struct pl_span n, struct pl_span e,
                     struct pl_span message, struct pl_span sig)
{
    uint8_t spki[PL_RSA_SPKI_MAX];
    struct pl_wr w = pl_wr_fixed(spki, sizeof(spki));
    PL_TRY(pl_rsa_spki(&w, n, e));
    return pl_spki_verify(c, pl_wr_span(&w), PL_SIG_RSA_SHA256, message, sig);
}
