/* Certificates and CRLs: DER as RFC 5280 says, with the extensions of Intel's PKI. */
#include "daemons/simd/fixture.h"

#include <string.h>

static const uint8_t oid_ecdsa_sha256[] = {0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02};
static const uint8_t oid_ecdsa_sha384[] = {0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03};
static const uint8_t oid_sgx[] = {0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x01, 0x0d, 0x01};

static void algorithm(struct pl_wr *w, bool differs)
{
    size_t o = pl_der_open(w, PL_DER_SEQ);
    pl_der_put(w, PL_DER_OID, differs ? PL_ARR(oid_ecdsa_sha384) : PL_ARR(oid_ecdsa_sha256));
    pl_der_close(w, o);
}

static void attribute(struct pl_wr *w, uint8_t type, uint8_t tag, const char *text)
{
    const uint8_t oid[] = {0x55, 0x04, type};
    size_t set = pl_der_open(w, PL_DER_SET), seq = pl_der_open(w, PL_DER_SEQ);
    pl_der_put(w, PL_DER_OID, PL_ARR(oid));
    pl_der_put(w, tag, pl_span_str(text));
    pl_der_close(w, seq);
    pl_der_close(w, set);
}

/* The attributes of Intel's names, in their order. */
static void name(struct pl_wr *w, const char *common_name)
{
    size_t o = pl_der_open(w, PL_DER_SEQ);
    attribute(w, 3, PL_DER_UTF8, common_name);
    attribute(w, 10, PL_DER_UTF8, "Pleiad simulated hardware");
    attribute(w, 7, PL_DER_UTF8, "Nowhere");
    attribute(w, 8, PL_DER_UTF8, "NA");
    attribute(w, 6, PL_DER_PRINTABLE, "US");
    pl_der_close(w, o);
}

static void bits(struct pl_wr *w, uint8_t unused, struct pl_span s)
{
    size_t o = pl_der_open(w, PL_DER_BITS);
    pl_wr_u8(w, unused);
    pl_wr_bytes(w, s);
    pl_der_close(w, o);
}

/* RFC 5280 4.2.1.2 leaves the method open; here the first 20 bytes of SHA-256 of the point. */
static pl_err key_id(struct pl_fx_world *w, uint8_t out[static 32], const struct pl_fx_key *k)
{
    return pl_sha256_one(w->c, out, PL_ARR(k->pub));
}

/* extnID 2.5.29.<id>; the contents are written by the caller between open and close. */
static size_t extension_open(struct pl_wr *w, uint8_t id, bool critical, size_t *outer)
{
    const uint8_t oid[] = {0x55, 0x1d, id}, yes[] = {0xff};
    *outer = pl_der_open(w, PL_DER_SEQ);
    pl_der_put(w, PL_DER_OID, PL_ARR(oid));
    if (critical)
        pl_der_put(w, PL_DER_BOOL, PL_ARR(yes));
    return pl_der_open(w, PL_DER_OCTETS);
}

static void extension_close(struct pl_wr *w, size_t octets, size_t outer)
{
    pl_der_close(w, octets);
    pl_der_close(w, outer);
}

static pl_err authority_key_id(struct pl_fx_world *w, struct pl_wr *out, const struct pl_fx_key *k)
{
    uint8_t id[32];
    size_t outer, o = extension_open(out, 35, false, &outer);
    PL_TRY(key_id(w, id, k));
    size_t seq = pl_der_open(out, PL_DER_SEQ);
    pl_der_put(out, 0x80, pl_span(id, 20));
    pl_der_close(out, seq);
    extension_close(out, o, outer);
    return PL_OK;
}

static size_t sgx_open(struct pl_wr *w, uint8_t a, uint8_t b)
{
    uint8_t oid[sizeof(oid_sgx) + 2];
    memcpy(oid, oid_sgx, sizeof(oid_sgx));
    oid[sizeof(oid_sgx)] = a;
    oid[sizeof(oid_sgx) + 1] = b;
    size_t o = pl_der_open(w, PL_DER_SEQ);
    pl_der_put(w, PL_DER_OID, pl_span(oid, sizeof(oid_sgx) + (b ? 2 : 1)));
    return o;
}

static void sgx_octets(struct pl_wr *w, uint8_t a, uint8_t b, struct pl_span s)
{
    size_t o = sgx_open(w, a, b);
    pl_der_put(w, PL_DER_OCTETS, s);
    pl_der_close(w, o);
}

static void sgx_int(struct pl_wr *w, uint8_t a, uint8_t b, uint64_t v)
{
    size_t o = sgx_open(w, a, b);
    pl_der_put_u64(w, v);
    pl_der_close(w, o);
}

static void sgx_bool(struct pl_wr *w, uint8_t a, uint8_t b, bool v)
{
    const uint8_t octet[] = {v ? 0xff : 0x00};
    size_t o = sgx_open(w, a, b);
    pl_der_put(w, PL_DER_BOOL, PL_ARR(octet));
    pl_der_close(w, o);
}

static void sgx_tcb(struct pl_wr *w, const struct pl_fx_platform *p)
{
    size_t o = sgx_open(w, 2, 0), seq = pl_der_open(w, PL_DER_SEQ);
    for (uint8_t i = 0; i < 16; i++)
        sgx_int(w, 2, (uint8_t)(i + 1), p->components[i]);
    sgx_int(w, 2, 17, p->pce_svn);
    sgx_octets(w, 2, 18, PL_ARR(p->cpu_svn));
    pl_der_close(w, seq);
    pl_der_close(w, o);
}

static void sgx_configuration(struct pl_wr *w)
{
    size_t o = sgx_open(w, 7, 0), seq = pl_der_open(w, PL_DER_SEQ);
    sgx_bool(w, 7, 1, true);  /* dynamic platform */
    sgx_bool(w, 7, 2, true);  /* cached keys */
    sgx_bool(w, 7, 3, false); /* SMT */
    pl_der_close(w, seq);
    pl_der_close(w, o);
}

static void sgx_extension(struct pl_wr *w, const struct pl_fx_platform *p)
{
    const uint8_t scalable[] = {p->processor_ca ? 0 : 1};
    size_t outer = pl_der_open(w, PL_DER_SEQ);
    pl_der_put(w, PL_DER_OID, PL_ARR(oid_sgx));
    size_t o = pl_der_open(w, PL_DER_OCTETS), seq = pl_der_open(w, PL_DER_SEQ);
    sgx_octets(w, 1, 0, PL_ARR(p->ppid));
    sgx_tcb(w, p);
    sgx_octets(w, 3, 0, PL_ARR(p->pce_id));
    if (!p->no_fmspc)
        sgx_octets(w, 4, 0, PL_ARR(p->fmspc));
    size_t type = sgx_open(w, 5, 0);
    pl_der_put(w, PL_DER_ENUM, PL_ARR(scalable));
    pl_der_close(w, type);
    if (!p->processor_ca) {
        sgx_octets(w, 6, 0, PL_ARR(p->instance_id));
        sgx_configuration(w);
    }
    pl_der_close(w, seq);
    extension_close(w, o, outer);
}

static void basic_constraints(struct pl_wr *w, const struct pl_fx_cert *s)
{
    const uint8_t yes[] = {0xff};
    size_t outer, o = extension_open(w, 19, true, &outer), seq = pl_der_open(w, PL_DER_SEQ);
    if (s->ca)
        pl_der_put(w, PL_DER_BOOL, PL_ARR(yes));
    if (s->ca && s->pathlen >= 0)
        pl_der_put_u64(w, (uint64_t)s->pathlen);
    pl_der_close(w, seq);
    extension_close(w, o, outer);
}

static pl_err extensions(struct pl_fx_world *w, struct pl_wr *out, const struct pl_fx_cert *s)
{
    uint8_t id[32];
    size_t outer, tagged = pl_der_open(out, PL_DER_CTX | 3), list = pl_der_open(out, PL_DER_SEQ);
    PL_TRY(authority_key_id(w, out, s->signer));
    PL_TRY(key_id(w, id, s->key));
    size_t o = extension_open(out, 14, false, &outer);
    pl_der_put(out, PL_DER_OCTETS, pl_span(id, 20));
    extension_close(out, o, outer);
    o = extension_open(out, 15, true, &outer);
    bits(out, (uint8_t)__builtin_ctz(s->key_usage), pl_span(&s->key_usage, 1));
    extension_close(out, o, outer);
    basic_constraints(out, s);
    if (s->platform)
        sgx_extension(out, s->platform);
    pl_wr_bytes(out, s->extension);
    pl_der_close(out, list);
    pl_der_close(out, tagged);
    return PL_OK;
}

static pl_err to_be_signed(struct pl_fx_world *w, struct pl_wr *out, const struct pl_fx_cert *s)
{
    uint8_t spki[PL_SPKI_MAX];
    struct pl_pub pub = {.type = PL_PUB_P256};
    memcpy(pub.raw, s->key->pub, sizeof(s->key->pub));
    size_t o = pl_der_open(out, PL_DER_SEQ), version = pl_der_open(out, PL_DER_CTX);
    pl_der_put_u64(out, s->version);
    pl_der_close(out, version);
    pl_der_put_uint(out, PL_ARR(s->serial));
    algorithm(out, false);
    name(out, s->issuer);
    size_t validity = pl_der_open(out, PL_DER_SEQ);
    pl_der_put_time(out, s->not_before_s);
    pl_der_put_time(out, s->not_after_s);
    pl_der_close(out, validity);
    name(out, s->subject);
    size_t n = pl_pub_to_spki(spki, &pub);
    pl_wr_bytes(out, s->spki.n ? s->spki : pl_span(spki, n));
    PL_TRY(extensions(w, out, s));
    pl_der_close(out, o);
    return PL_OK;
}

/* Closes the SIGNED macro of X.509 around what stands behind `from`. */
static pl_err sign(struct pl_fx_world *w, struct pl_wr *out, size_t from,
                   const struct pl_fx_key *signer, bool algorithm_differs)
{
    uint8_t digest[PL_SHA256_BYTES], raw[PL_P256_SIG_BYTES], der[80];
    struct pl_wr sig = pl_wr_fixed(der, sizeof(der));
    PL_TRY(pl_wr_end(out));
    PL_TRY(pl_sha256_one(w->c, digest, pl_span(out->p + from, out->n - from)));
    PL_TRY(pl_p256_sign(w->c, raw, signer->priv, digest));
    pl_p256_sig_to_der(&sig, raw);
    algorithm(out, algorithm_differs);
    bits(out, 0, pl_wr_span(&sig));
    return PL_OK;
}

pl_err pl_fx_cert(struct pl_fx_world *w, struct pl_wr *out, const struct pl_fx_cert *s)
{
    size_t o = pl_der_open(out, PL_DER_SEQ), from = out->n;
    PL_TRY(to_be_signed(w, out, s));
    PL_TRY(sign(w, out, from, s->signer, s->outer_algorithm_differs));
    pl_der_close(out, o);
    return pl_wr_end(out);
}

static pl_err crl_extensions(struct pl_fx_world *w, struct pl_wr *out, const struct pl_fx_crl *s)
{
    size_t outer, tagged = pl_der_open(out, PL_DER_CTX), list = pl_der_open(out, PL_DER_SEQ);
    size_t o = extension_open(out, 20, false, &outer);
    pl_der_put_u64(out, s->number);
    extension_close(out, o, outer);
    PL_TRY(authority_key_id(w, out, s->signer));
    pl_der_close(out, list);
    pl_der_close(out, tagged);
    return PL_OK;
}

static void revoked_list(struct pl_wr *out, const struct pl_fx_crl *s)
{
    if (s->revoked_n == 0) /* RFC 5280 5.1.2.6: absent when empty */
        return;
    size_t list = pl_der_open(out, PL_DER_SEQ);
    for (unsigned i = 0; i < s->revoked_n; i++) {
        size_t o = pl_der_open(out, PL_DER_SEQ);
        pl_der_put_uint(out, PL_ARR(s->revoked[i]));
        pl_der_put_time(out, s->this_update_s);
        pl_der_close(out, o);
    }
    pl_der_close(out, list);
}

pl_err pl_fx_crl(struct pl_fx_world *w, struct pl_wr *out, const struct pl_fx_crl *s)
{
    size_t whole = pl_der_open(out, PL_DER_SEQ), from = out->n;
    size_t o = pl_der_open(out, PL_DER_SEQ);
    pl_der_put_u64(out, s->version);
    algorithm(out, false);
    name(out, s->issuer);
    pl_der_put_time(out, s->this_update_s);
    pl_der_put_time(out, s->next_update_s);
    revoked_list(out, s);
    PL_TRY(crl_extensions(w, out, s));
    pl_der_close(out, o);
    PL_TRY(sign(w, out, from, s->signer, false));
    pl_der_close(out, whole);
    return pl_wr_end(out);
}
