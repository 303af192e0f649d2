#include "attest/ratls.h"

#include "base/cbor.h"
#include "attest/internal.h"

#include <string.h>

enum { TAG_EVIDENCE = 60000, CLAIM_SHA256 = 1, CLAIM_SHA384 = 7, CLAIM_SHA512 = 8 };

#define OID(bytes)                                                                                 \
    {                                                                                              \
        (const uint8_t *)(bytes), sizeof(bytes) - 1                                                \
    }
/* Whole OIDs; anything else, longer or shorter, is not evidence. */
static const struct {
    enum pl_ratls_form form;
    bool channel; /* accepted in a handshake */
    const char *text;
    struct pl_span oid;
} forms[] = {
    {PL_RATLS_TAGGED, true, "tcg-dice-tagged-60000", OID("\x67\x81\x05\x05\x04\x09")},
    {PL_RATLS_CMW, true, "cmw", OID("\x2b\x06\x01\x05\x05\x07\x01\x23")},
    {PL_RATLS_GRAMINE, false, "gramine-legacy",
     OID("\x06\x09\x2a\x86\x48\x86\xf8\x4d\x8a\x39\x06")},
    {PL_RATLS_LEGACY, false, "1.2.840.113741.1337.6", OID("\x2a\x86\x48\x86\xf8\x4d\x8a\x39\x06")},
};
enum { FORMS = sizeof(forms) / sizeof(*forms) };

static const struct pl_span oid_rsa = OID("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01");

const char *pl_ratls_form_text(enum pl_ratls_form form)
{
    for (size_t i = 0; i < FORMS; i++)
        if (forms[i].form == form)
            return forms[i].text;
    return "none";
}

/* [1 | 7 | 8, hash] inside a byte string. */
static bool key_hash(struct pl_rd value, uint64_t *out_alg, struct pl_span *out_hash)
{
    struct pl_rd in = pl_rd(pl_cbor_bytes(&value));
    bool pair = pl_cbor_head(&in, PL_CBOR_ARRAY) == 2;
    *out_alg = pl_cbor_head(&in, PL_CBOR_UINT);
    *out_hash = pl_cbor_bytes(&in);
    size_t want = *out_alg == CLAIM_SHA256   ? PL_SHA256_BYTES
                  : *out_alg == CLAIM_SHA384 ? PL_SHA384_BYTES
                  : *out_alg == CLAIM_SHA512 ? PL_SHA512_BYTES
                                             : 0;
    return pair && want > 0 && out_hash->n == want && pl_rd_end(&in) == PL_OK &&
           pl_rd_end(&value) == PL_OK;
}

static bool claim_key_hash(struct pl_span claims, uint64_t *out_alg, struct pl_span *out_hash)
{
    struct pl_rd r = pl_rd(claims), value;
    return pl_cbor_map_find(&r, "pubkey-hash", &value) && pl_rd_end(&r) == PL_OK &&
           key_hash(value, out_alg, out_hash);
}

static struct pl_span keyed_bytes(struct pl_rd *r, const char *key)
{
    r->bad |= !pl_span_is(pl_cbor_text(r), key);
    return pl_cbor_bytes(r);
}

static uint64_t keyed_uint(struct pl_rd *r, const char *key)
{
    r->bad |= !pl_span_is(pl_cbor_text(r), key);
    return pl_cbor_head(r, PL_CBOR_UINT);
}

/* Exactly the map that pl_ratls_claims writes: five keys in their one order. */
static pl_err pleiad_entry(struct pl_pleiad_claims *out, struct pl_rd value)
{
    struct pl_rd r = pl_rd(pl_cbor_bytes(&value));
    PL_REQUIRE(pl_rd_end(&value) == PL_OK && pl_cbor_head(&r, PL_CBOR_MAP) == 5, RATLS_PLEIAD);
    out->epoch = keyed_uint(&r, "epoch");
    struct pl_span vault = keyed_bytes(&r, "vault_id");
    uint64_t after = keyed_uint(&r, "not_after"), before = keyed_uint(&r, "not_before");
    struct pl_span root = keyed_bytes(&r, "config_root");
    PL_REQUIRE(pl_rd_end(&r) == PL_OK && vault.n == 32 && root.n == 32, RATLS_PLEIAD);
    PL_REQUIRE(after <= INT64_MAX && before <= after, RATLS_PLEIAD);
    memcpy(out->vault_id, vault.p, sizeof(out->vault_id));
    memcpy(out->config_root, root.p, sizeof(out->config_root));
    out->not_before_s = (int64_t)before;
    out->not_after_s = (int64_t)after;
    return PL_OK;
}

/* 60000([quote, claims]), nothing behind. */
static pl_err tagged(struct pl_ratls *out, struct pl_ratls_evidence *e, struct pl_span value)
{
    struct pl_rd r = pl_rd(value), map, entry;
    uint64_t tag = pl_cbor_head(&r, PL_CBOR_TAG), alg;
    struct pl_span hash;
    PL_REQUIRE(!r.bad, CBOR_FORMAT);
    PL_REQUIRE(tag == TAG_EVIDENCE, RATLS_TAG);
    bool pair = pl_cbor_head(&r, PL_CBOR_ARRAY) == 2;
    e->evidence = pl_cbor_bytes(&r);
    e->claims = pl_cbor_bytes(&r);
    PL_REQUIRE(pair && pl_rd_end(&r) == PL_OK, CBOR_FORMAT);
    PL_REQUIRE(e->claims.n <= PL_RATLS_CLAIMS_MAX && claim_key_hash(e->claims, &alg, &hash),
               RATLS_CLAIMS);
    map = pl_rd(e->claims);
    out->has_pleiad = pl_cbor_map_find(&map, "pleiad", &entry);
    return out->has_pleiad ? pleiad_entry(&out->pleiad, entry) : PL_OK;
}

/* TAGGED goes first, so that evidence[0] is the one with claims. */
static pl_err add_evidence(struct pl_ratls *out, enum pl_ratls_form form, struct pl_span value)
{
    PL_REQUIRE(form != PL_RATLS_CMW, TEE_UNSUPPORTED); /* its TEEs are not in this build */
    PL_REQUIRE(out->evidences < 2, RATLS_MANY);
    struct pl_ratls_evidence *e = &out->evidence[out->evidences];
    if (form == PL_RATLS_TAGGED && out->evidences == 1) {
        out->evidence[1] = out->evidence[0];
        e = &out->evidence[0];
    }
    *e = (struct pl_ratls_evidence){.form = form, .evidence = value};
    out->evidences++;
    return form == PL_RATLS_TAGGED ? tagged(out, e, value) : PL_OK;
}

static pl_err find_evidence(struct pl_ratls *out, const struct pl_cert *cert,
                            enum pl_ratls_mode mode)
{
    struct pl_rd r = pl_rd(cert->extensions);
    struct pl_span oid, value;
    while (pl_cert_next_extension(&r, &oid, &value))
        for (size_t i = 0; i < FORMS; i++) {
            if (!pl_span_eq(oid, forms[i].oid))
                continue;
            PL_REQUIRE(mode == PL_RATLS_OFFLINE || forms[i].channel, RATLS_FORM);
            PL_REQUIRE(mode == PL_RATLS_OFFLINE || out->evidences == 0, RATLS_MANY);
            PL_TRY(add_evidence(out, forms[i].form, value));
        }
    return PL_OK;
}

/* SubjectPublicKeyInfo ::= SEQUENCE { algorithm, BIT STRING }. */
static pl_err key_parts(struct pl_crypto *c, struct pl_ratls *out)
{
    struct pl_rd all = pl_rd(out->spki), r = pl_rd(pl_der(&all, PL_DER_SEQ));
    struct pl_rd alg = pl_rd(pl_der(&r, PL_DER_SEQ));
    struct pl_span oid = pl_der(&alg, PL_DER_OID), bits = pl_der(&r, PL_DER_BITS);
    PL_REQUIRE(pl_rd_end(&r) == PL_OK && pl_rd_end(&all) == PL_OK && !alg.bad, X509_KEY);
    PL_REQUIRE(bits.n > 1 && bits.p[0] == 0, X509_KEY);
    out->rsa = pl_span_eq(oid, oid_rsa);
    PL_TRY(pl_sha256_one(c, out->spki_sha256, out->spki));
    return pl_sha256_one(c, out->key_sha256, pl_span(bits.p + 1, bits.n - 1));
}

static pl_err own_signature(struct pl_crypto *c, const struct pl_cert *cert,
                            enum pl_ratls_mode mode)
{
    struct pl_pub key;
    if (mode != PL_RATLS_OFFLINE)
        PL_REQUIRE(cert->alg == PL_SIG_ECDSA_SHA256 &&
                       pl_pub_from_spki(&key, cert->spki) == PL_OK && key.type == PL_PUB_P256,
                   X509_KEY);
    if (mode == PL_RATLS_KNOWN)
        return PL_OK;
    PL_REQUIRE(pl_cert_signed_by(c, cert, cert->spki) == PL_OK, RATLS_SELF_SIG);
    return PL_OK;
}

static pl_err parse(struct pl_crypto *c, struct pl_ratls *out, struct pl_span der,
                    enum pl_ratls_mode mode)
{
    struct pl_cert cert;
    struct pl_span known[FORMS];
    for (size_t i = 0; i < FORMS; i++)
        known[i] = forms[i].oid;
    PL_TRY(pl_cert_parse(&cert, der, PL_RATLS_MAX, known, FORMS));
    out->der = der;
    out->spki = cert.spki;
    out->valid = cert.valid;
    PL_TRY(own_signature(c, &cert, mode));
    PL_TRY(key_parts(c, out));
    PL_TRY(find_evidence(out, &cert, mode));
    if (out->evidence[0].form == PL_RATLS_TAGGED)
        PL_TRY(pl_sha256_one(c, out->claims_sha256, out->evidence[0].claims));
    return PL_OK;
}

pl_err pl_ratls_parse(struct pl_crypto *c, struct pl_ratls *out, struct pl_span der,
                      enum pl_ratls_mode mode)
{
    *out = (struct pl_ratls){0};
    pl_err e = parse(c, out, der, mode);
    if (e != PL_OK)
        *out = (struct pl_ratls){0};
    return e;
}

pl_err pl_ratls_extension_value(const struct pl_ratls *cert, struct pl_span oid,
                                struct pl_span *out)
{
    struct pl_cert parsed;
    struct pl_span known[FORMS];
    for (size_t i = 0; i < FORMS; i++)
        known[i] = forms[i].oid;
    PL_TRY(pl_cert_parse(&parsed, cert->der, PL_RATLS_MAX, known, FORMS));
    PL_REQUIRE(pl_cert_extension(&parsed, oid, out), RATLS_NO_EXTENSION);
    return PL_OK;
}

/* The claims name this key. */
static pl_err claims_name_key(struct pl_crypto *c, const struct pl_ratls *cert,
                              struct pl_span claims)
{
    uint8_t digest[PL_SHA512_BYTES];
    uint64_t alg = 0;
    struct pl_span hash;
    PL_REQUIRE(claim_key_hash(claims, &alg, &hash), RATLS_CLAIMS);
    if (alg == CLAIM_SHA256)
        PL_TRY(pl_sha256(c, digest, &cert->spki, 1));
    else if (alg == CLAIM_SHA384)
        PL_TRY(pl_sha384(c, digest, &cert->spki, 1));
    else
        PL_TRY(pl_sha512(c, digest, &cert->spki, 1));
    PL_REQUIRE(memcmp(digest, hash.p, hash.n) == 0, RATLS_KEY);
    return PL_OK;
}

/* The one report data that binds this evidence to this key, by the rule of its OID. */
static pl_err expected_data(struct pl_crypto *c, const struct pl_ratls *cert,
                            const struct pl_ratls_evidence *e,
                            uint8_t out[static PL_REPORT_DATA_BYTES])
{
    memset(out, 0, PL_REPORT_DATA_BYTES);
    switch (e->form) {
    case PL_RATLS_TAGGED:
        PL_TRY(claims_name_key(c, cert, e->claims));
        return pl_sha256_one(c, out, e->claims);
    case PL_RATLS_GRAMINE:
        memcpy(out, cert->spki_sha256, PL_SHA256_BYTES);
        return PL_OK;
    case PL_RATLS_LEGACY:
        memcpy(out, cert->rsa ? cert->key_sha256 : cert->spki_sha256, PL_SHA256_BYTES);
        return PL_OK;
    case PL_RATLS_NONE:
    case PL_RATLS_CMW:
    default:
        return PL_FAIL(RATLS_FORM);
    }
}

static pl_err bound(struct pl_crypto *c, const struct pl_ratls *cert,
                    const struct pl_ratls_evidence *e, uint8_t want[static PL_REPORT_DATA_BYTES])
{
    uint8_t got[PL_REPORT_DATA_BYTES];
    enum pl_tee tee = pl_evidence_tee(e->evidence);
    PL_TRY(expected_data(c, cert, e, want));
    PL_REQUIRE(tee != PL_TEE_NONE, EVIDENCE_UNKNOWN);
    PL_REQUIRE(pl_tee_ops(tee), TEE_UNSUPPORTED);
    PL_TRY(pl_tee_ops(tee)->report_data(e->evidence, got));
    bool same = memcmp(got, want, sizeof(got)) == 0;
    PL_REQUIRE(same || e->form != PL_RATLS_TAGGED, RATLS_CLAIMS_HASH);
    PL_REQUIRE(same, RATLS_KEY);
    return PL_OK;
}

pl_err pl_ratls_binding(struct pl_crypto *c, const struct pl_ratls *cert)
{
    uint8_t want[PL_REPORT_DATA_BYTES];
    PL_REQUIRE(cert->evidences > 0, RATLS_NO_EVIDENCE);
    for (unsigned i = 0; i < cert->evidences; i++)
        PL_TRY(bound(c, cert, &cert->evidence[i], want));
    return PL_OK;
}

/* What the leaf says of its own life, and what its claims say. */
static pl_err leaf_period(const struct pl_ratls *cert, struct pl_interval at, struct pl_period *out)
{
    *out = cert->valid;
    PL_HOLDS(at, cert->valid, RATLS_EXPIRED);
    if (cert->has_pleiad) {
        struct pl_period said = {cert->pleiad.not_before_s, cert->pleiad.not_after_s};
        PL_HOLDS(at, said, RATLS_PERIOD);
        *out = pl_period_both(*out, said);
    }
    return PL_OK;
}

static pl_err verify(const struct pl_verifier *v, struct pl_claims *out,
                     const struct pl_ratls *cert)
{
    uint8_t want[PL_REPORT_DATA_BYTES];
    struct pl_claims second;
    PL_REQUIRE(cert->evidences > 0, RATLS_NO_EVIDENCE);
    for (unsigned i = 0; i < cert->evidences; i++) {
        PL_TRY(bound(v->crypto, cert, &cert->evidence[i], want));
        PL_TRY(pl_evidence_verify(v, i ? &second : out, cert->evidence[i].evidence,
                                  pl_report_data(want)));
        PL_REQUIRE(i == 0 || pl_claims_same_instance(out, &second), RATLS_MANY);
    }
    out->has_pleiad = cert->has_pleiad;
    out->pleiad = cert->pleiad;
    return PL_OK;
}

static pl_err verify_leaf(const struct pl_verifier *v, struct pl_claims *out,
                          const struct pl_ratls *cert)
{
    struct pl_period leaf;
    PL_REQUIRE(cert->evidences > 0, RATLS_NO_EVIDENCE);
    PL_TRY(leaf_period(cert, v->now, &leaf));
    PL_TRY(verify(v, out, cert));
    leaf = pl_period_both(leaf, (struct pl_period){out->earliest_s, out->latest_s});
    out->earliest_s = leaf.from_s;
    out->latest_s = leaf.to_s;
    return PL_OK;
}

pl_err pl_ratls_verify(const struct pl_verifier *v, struct pl_claims *out,
                       const struct pl_ratls *cert)
{
    *out = (struct pl_claims){0};
    pl_err e = verify_leaf(v, out, cert);
    if (e != PL_OK)
        *out = (struct pl_claims){0};
    return e;
}

pl_err pl_ratls_verify_signed_at(const struct pl_verifier *v, struct pl_claims *out,
                                 const struct pl_ratls *cert, int64_t then_s)
{
    struct pl_period leaf;
    *out = (struct pl_claims){0};
    pl_err e = leaf_period(cert, (struct pl_interval){then_s, then_s}, &leaf);
    if (e == PL_OK)
        e = verify(v, out, cert);
    if (e != PL_OK)
        *out = (struct pl_claims){0};
    return e;
}

pl_err pl_ratls_report_data(struct pl_crypto *c, uint8_t out[static PL_REPORT_DATA_BYTES],
                            struct pl_span claims)
{
    memset(out, 0, PL_REPORT_DATA_BYTES);
    return pl_sha256_one(c, out, claims);
}
