#include "policy/webauthn.h"
#include "base/cbor.h"

#include <string.h>

/* ---- The public key ------------------------------------------------------------------------- */

struct cose {
    enum pl_sig_alg alg;
    uint8_t spki[PL_RSA_SPKI_MAX];
    size_t n;
};

static bool heads(struct pl_rd *r, struct pl_span bytes)
{
    bool same = pl_rd_left(r) >= bytes.n && pl_span_eq(pl_span(r->p, bytes.n), bytes);
    pl_rd_bytes(r, same ? bytes.n : 0);
    return same;
}

/* Map of 5: 1 (kty) EC2, 3 (alg) ES256, -1 (crv) P-256, -2 (x), -3 (y). RFC 9053 7.1.1. */
static bool es256(struct pl_rd *r, struct pl_pub *out)
{
    static const uint8_t x[] = {0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20};
    static const uint8_t y[] = {0x22, 0x58, 0x20};
    if (!heads(r, PL_ARR(x)))
        return false;
    out->type = PL_PUB_P256;
    pl_rd_copy(r, out->raw, 32);
    r->bad |= !heads(r, PL_ARR(y));
    pl_rd_copy(r, out->raw + 32, 32);
    return true;
}

/* Map of 4: 1 (kty) OKP, 3 (alg) EdDSA, -1 (crv) Ed25519, -2 (x). RFC 9053 7.2. */
static bool eddsa(struct pl_rd *r, struct pl_pub *out)
{
    static const uint8_t x[] = {0xa4, 0x01, 0x01, 0x03, 0x27, 0x20, 0x06, 0x21, 0x58, 0x20};
    if (!heads(r, PL_ARR(x)))
        return false;
    out->type = PL_PUB_ED25519;
    pl_rd_copy(r, out->raw, 32);
    return true;
}

/* Map of 4: 1 (kty) RSA, 3 (alg) RS256, -1 (n), -2 (e). RFC 8230 4. */
static pl_err rs256(struct pl_rd *r, struct pl_wr *out)
{
    static const uint8_t n[] = {0xa4, 0x01, 0x03, 0x03, 0x39, 0x01, 0x00, 0x20}, e[] = {0x21};
    PL_REQUIRE(heads(r, PL_ARR(n)), PASSKEY_KEY);
    struct pl_span modulus = pl_cbor_bytes(r);
    PL_REQUIRE(heads(r, PL_ARR(e)), PASSKEY_KEY);
    struct pl_span exponent = pl_cbor_bytes(r);
    PL_REQUIRE(pl_rd_end(r) == PL_OK, PASSKEY_KEY);
    return pl_rsa_spki(out, modulus, exponent);
}

static pl_err read_key(struct cose *out, struct pl_span cose)
{
    struct pl_rd r = pl_rd(cose);
    struct pl_pub pub = {0};
    if (es256(&r, &pub) || eddsa(&r, &pub)) {
        out->alg = pub.type == PL_PUB_P256 ? PL_SIG_ECDSA_SHA256 : PL_SIG_ED25519;
        out->n = pl_pub_to_spki(out->spki, &pub);
    } else {
        struct pl_wr w = pl_wr_fixed(out->spki, sizeof(out->spki));
        PL_TRY(rs256(&r, &w));
        out->alg = PL_SIG_RSA_SHA256;
        out->n = w.n;
    }
    PL_REQUIRE(pl_rd_end(&r) == PL_OK, PASSKEY_KEY);
    return PL_OK;
}

pl_err pl_cose_spki(struct pl_crypto *c, uint8_t out_sha256[static PL_SHA256_BYTES],
                    struct pl_span cose)
{
    struct cose key;
    PL_TRY(read_key(&key, cose));
    return pl_sha256_one(c, out_sha256, pl_span(key.spki, key.n));
}

/* ---- What the client saw (5.8.1) ------------------------------------------------------------ */

static pl_err read_client(struct pl_signer *out, struct pl_span client, const uint8_t *challenge)
{
    struct pl_json j;
    struct pl_span key, type = {0}, asked = {0};
    bool framed = false, top = false;
    char want[PL_B64U_LEN(PL_SHA256_BYTES) + 1];
    pl_b64u(want, pl_span(challenge, PL_SHA256_BYTES));
    pl_json_init(&j, client);
    for (pl_json_object(&j); pl_json_key(&j, &key);) {
        top |= pl_span_is(key, "topOrigin");
        if (pl_span_is(key, "type"))
            pl_json_plain(&j, &type);
        else if (pl_span_is(key, "challenge"))
            pl_json_plain(&j, &asked);
        else if (pl_span_is(key, "origin"))
            pl_json_plain(&j, &out->origin);
        else if (pl_span_is(key, "crossOrigin"))
            pl_json_bool(&j, &framed);
        else
            pl_json_skip(&j);
    }
    PL_TRY(pl_json_end(&j));
    PL_REQUIRE(pl_span_is(type, "webauthn.get"), PASSKEY_TYPE);
    PL_REQUIRE(pl_span_is(asked, want), PASSKEY_CHALLENGE);
    PL_REQUIRE(out->origin.n > 0, PASSKEY_ORIGIN);
    PL_REQUIRE(!framed && !top, PASSKEY_FRAME);
    return PL_OK;
}

/* ---- What the authenticator did (6.1) ------------------------------------------------------- */

enum { UP = 0x01, UV = 0x04, BE = 0x08, BS = 0x10, AT = 0x40, ED = 0x80 };

static pl_err read_data(struct pl_signer *out, struct pl_span data)
{
    struct pl_rd r = pl_rd(data);
    pl_rd_copy(&r, out->rp_id_sha256, sizeof(out->rp_id_sha256));
    uint8_t flags = pl_rd_u8(&r);
    out->sign_count = pl_rd_be32(&r);
    if (flags & ED) {
        r.bad |= pl_rd_left(&r) == 0 || *r.p >> 5 != PL_CBOR_MAP;
        pl_cbor_skip(&r);
    }
    PL_REQUIRE(pl_rd_end(&r) == PL_OK, PASSKEY_DATA);
    PL_REQUIRE(!(flags & AT) && (flags & (BE | BS)) != BS, PASSKEY_DATA);
    PL_REQUIRE(flags & UP, PASSKEY_PRESENCE);
    PL_REQUIRE(flags & UV, PASSKEY_VERIFIED);
    return PL_OK;
}

/* ---- Both, and the signature over them (7.2) ------------------------------------------------ */

static pl_err check_signature(struct pl_crypto *c, const struct cose *key,
                              const struct pl_passkey_proof *p)
{
    uint8_t message[PL_PASSKEY_AUTH_DATA + PL_SHA256_BYTES], client[PL_SHA256_BYTES];
    struct pl_wr w = pl_wr_fixed(message, sizeof(message));
    PL_REQUIRE(p->authenticator_data.n <= PL_PASSKEY_AUTH_DATA, PASSKEY_DATA);
    PL_TRY(pl_sha256_one(c, client, p->client_data));
    pl_wr_bytes(&w, p->authenticator_data);
    pl_wr_bytes(&w, PL_ARR(client));
    PL_TRY(pl_wr_end(&w));
    return pl_spki_verify(c, pl_span(key->spki, key->n), key->alg, pl_wr_span(&w), p->signature);
}

pl_err pl_webauthn_verify(struct pl_crypto *c, struct pl_signer *out,
                          const struct pl_passkey_proof *proof,
                          const uint8_t challenge[static PL_SHA256_BYTES])
{
    struct pl_signer s = {.form = PL_PROOF_PASSKEY, .credential_id = proof->credential_id};
    struct cose key;
    *out = (struct pl_signer){0};
    PL_TRY(read_key(&key, proof->public_key));
    PL_TRY(check_signature(c, &key, proof));
    PL_TRY(read_client(&s, proof->client_data, challenge));
    PL_TRY(read_data(&s, proof->authenticator_data));
    PL_TRY(pl_sha256_one(c, s.authenticator, pl_span(key.spki, key.n)));
    memcpy(s.issuer, s.authenticator, sizeof(s.issuer));
    *out = s;
    return PL_OK;
}
