/* Writing what ratls.c reads. Keys of maps stand in the order of RFC 8949 4.2.1. */
#include "attest/ratls.h"

#include "base/cbor.h"

#include <string.h>

static const uint8_t ecdsa_sha256[] = {0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86,
                                       0x48, 0xce, 0x3d, 0x04, 0x03, 0x02};
static const uint8_t oid_cn[] = {0x55, 0x04, 0x03};
static const uint8_t oid_evidence[] = {0x67, 0x81, 0x05, 0x05, 0x04, 0x09};
/* keyUsage, critical, digitalSignature: what a TLS 1.3 leaf does. */
static const uint8_t usage[] = {0x30, 0x0e, 0x06, 0x03, 0x55, 0x1d, 0x0f, 0x01,
                                0x01, 0xff, 0x04, 0x04, 0x03, 0x02, 0x07, 0x80};

static void pleiad_entry(struct pl_wr *w, const struct pl_pleiad_claims *p)
{
    uint8_t map[192];
    struct pl_wr m = pl_wr_fixed(map, sizeof(map));
    pl_cbor_put(&m, PL_CBOR_MAP, 5);
    pl_cbor_put_text(&m, "epoch");
    pl_cbor_put(&m, PL_CBOR_UINT, p->epoch);
    pl_cbor_put_text(&m, "vault_id");
    pl_cbor_put_bytes(&m, PL_ARR(p->vault_id));
    pl_cbor_put_text(&m, "not_after");
    pl_cbor_put(&m, PL_CBOR_UINT, (uint64_t)p->not_after_s);
    pl_cbor_put_text(&m, "not_before");
    pl_cbor_put(&m, PL_CBOR_UINT, (uint64_t)p->not_before_s);
    pl_cbor_put_text(&m, "config_root");
    pl_cbor_put_bytes(&m, PL_ARR(p->config_root));
    PL_ASSERT(!m.bad);
    pl_cbor_put_text(w, "pleiad");
    pl_cbor_put_bytes(w, pl_wr_span(&m));
}

void pl_ratls_claims(struct pl_wr *w, const uint8_t spki_sha256[static PL_SHA256_BYTES],
                     const struct pl_pleiad_claims *pleiad)
{
    uint8_t hash[40];
    struct pl_wr h = pl_wr_fixed(hash, sizeof(hash));
    pl_cbor_put(&h, PL_CBOR_ARRAY, 2);
    pl_cbor_put(&h, PL_CBOR_UINT, 1); /* SHA-256 in the IANA registry of named hashes */
    pl_cbor_put_bytes(&h, pl_span(spki_sha256, PL_SHA256_BYTES));
    PL_ASSERT(!h.bad && (!pleiad || (pleiad->not_before_s >= 0 &&
                                     pleiad->not_before_s <= pleiad->not_after_s)));
    pl_cbor_put(w, PL_CBOR_MAP, pleiad ? 2 : 1);
    if (pleiad)
        pleiad_entry(w, pleiad);
    pl_cbor_put_text(w, "pubkey-hash");
    pl_cbor_put_bytes(w, pl_wr_span(&h));
}

void pl_ratls_put_extension(struct pl_wr *w, struct pl_span oid, struct pl_span value)
{
    size_t o = pl_der_open(w, PL_DER_SEQ);
    pl_der_put(w, PL_DER_OID, oid);
    pl_der_put(w, PL_DER_OCTETS, value);
    pl_der_close(w, o);
}

void pl_ratls_put_evidence(struct pl_wr *w, struct pl_span quote, struct pl_span claims)
{
    size_t o = pl_der_open(w, PL_DER_SEQ);
    pl_der_put(w, PL_DER_OID, PL_ARR(oid_evidence));
    size_t v = pl_der_open(w, PL_DER_OCTETS);
    pl_cbor_put(w, PL_CBOR_TAG, 60000);
    pl_cbor_put(w, PL_CBOR_ARRAY, 2);
    pl_cbor_put_bytes(w, quote);
    pl_cbor_put_bytes(w, claims);
    pl_der_close(w, v);
    pl_der_close(w, o);
}

static void name(struct pl_wr *w, const char *cn)
{
    size_t seq = pl_der_open(w, PL_DER_SEQ), set = pl_der_open(w, PL_DER_SET);
    size_t pair = pl_der_open(w, PL_DER_SEQ);
    pl_der_put(w, PL_DER_OID, PL_ARR(oid_cn));
    pl_der_put(w, PL_DER_UTF8, pl_span_str(cn));
    pl_der_close(w, pair);
    pl_der_close(w, set);
    pl_der_close(w, seq);
}

static void tbs(struct pl_wr *w, const struct pl_pub *pub, const struct pl_ratls_new *n)
{
    uint8_t serial[sizeof(n->serial)], spki[PL_SPKI_MAX];
    size_t spki_n = pl_pub_to_spki(spki, pub);
    memcpy(serial, n->serial, sizeof(serial));
    serial[0] = (uint8_t)((serial[0] & 0x7f) | 0x40); /* positive, always 16 bytes */
    size_t seq = pl_der_open(w, PL_DER_SEQ), version = pl_der_open(w, PL_DER_CTX | 0);
    pl_der_put_u64(w, 2);
    pl_der_close(w, version);
    pl_der_put_uint(w, PL_ARR(serial));
    pl_wr_bytes(w, PL_ARR(ecdsa_sha256));
    name(w, n->name);
    size_t valid = pl_der_open(w, PL_DER_SEQ);
    pl_der_put_time(w, n->valid.from_s);
    pl_der_put_time(w, n->valid.to_s);
    pl_der_close(w, valid);
    name(w, n->name);
    pl_wr_bytes(w, pl_span(spki, spki_n));
    size_t ctx = pl_der_open(w, PL_DER_CTX | 3), exts = pl_der_open(w, PL_DER_SEQ);
    pl_wr_bytes(w, PL_ARR(usage));
    pl_wr_bytes(w, n->extensions);
    pl_der_close(w, exts);
    pl_der_close(w, ctx);
    pl_der_close(w, seq);
}

pl_err pl_ratls_make(struct pl_crypto *c, struct pl_wr *w, const struct pl_priv *key,
                     const struct pl_ratls_new *n)
{
    struct pl_pub pub;
    uint8_t sig[PL_P256_SIG_BYTES];
    size_t cn = strlen(n->name);
    PL_ASSERT(key->type == PL_PUB_P256 && cn > 0 && cn <= 64);
    PL_TRY(pl_priv_public(c, &pub, key));
    size_t all = pl_der_open(w, PL_DER_SEQ), from = w->n;
    tbs(w, &pub, n);
    PL_TRY(pl_wr_end(w));
    PL_TRY(pl_priv_sign(c, sig, key, pl_span(w->p + from, w->n - from)));
    pl_wr_bytes(w, PL_ARR(ecdsa_sha256));
    size_t bits = pl_der_open(w, PL_DER_BITS);
    pl_wr_u8(w, 0);
    pl_p256_sig_to_der(w, sig);
    pl_der_close(w, bits);
    pl_der_close(w, all);
    return pl_wr_end(w);
}
