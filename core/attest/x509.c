#include "attest/x509.h"

#include <string.h>

/* AlgorithmIdentifiers accepted, byte for byte: parameters leave no room (RFC 4055, 5758, 8410). */
#define HASH(n)       "\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02" n "\x05\x00"
#define RSA(n)        "\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01" n "\x05\x00"
#define ECDSA(n)      "\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03" n
#define ECDSA_NULL(n) "\x30\x0c\x06\x08\x2a\x86\x48\xce\x3d\x04\x03" n "\x05\x00"
#define MGF1(n)       "\x30\x1a\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x08" HASH(n)
#define PSS(n, s)                                                                                  \
    "\x30\x41\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a\x30\x34\xa0\x0f" HASH(                   \
        n) "\xa1\x1c" MGF1(n) "\xa2\x03\x02\x01" s
static const struct {
    enum pl_sig_alg alg;
    struct pl_span der;
} algs[] = {
#define ROW(alg, der)                                                                              \
    {                                                                                              \
        alg, { (const uint8_t *)(der), sizeof(der) - 1 }                                           \
    }
    ROW(PL_SIG_ECDSA_SHA256, ECDSA("\x02")),
    ROW(PL_SIG_ECDSA_SHA384, ECDSA("\x03")),
    ROW(PL_SIG_ECDSA_SHA512, ECDSA("\x04")),
    /* mbedTLS adds NULL (against RFC 5758 3.2), so Gramine and Open Enclave do. */
    ROW(PL_SIG_ECDSA_SHA256, ECDSA_NULL("\x02")),
    ROW(PL_SIG_ECDSA_SHA384, ECDSA_NULL("\x03")),
    ROW(PL_SIG_ECDSA_SHA512, ECDSA_NULL("\x04")),
    ROW(PL_SIG_RSA_SHA256, RSA("\x0b")),
    ROW(PL_SIG_RSA_SHA384, RSA("\x0c")),
    ROW(PL_SIG_RSA_SHA512, RSA("\x0d")),
    ROW(PL_SIG_PSS_SHA256, PSS("\x01", "\x20")),
    ROW(PL_SIG_PSS_SHA384, PSS("\x02", "\x30")),
    ROW(PL_SIG_PSS_SHA512, PSS("\x03", "\x40")),
    ROW(PL_SIG_ED25519, "\x30\x05\x06\x03\x2b\x65\x70"),
    ROW(PL_SIG_RSA_SHA1, RSA("\x05")),
#undef ROW
};

static const struct pl_span oid_constraints = {(const uint8_t *)"\x55\x1d\x13", 3};
static const struct pl_span oid_usage = {(const uint8_t *)"\x55\x1d\x0f", 3};
static const struct pl_span oid_crl_number = {(const uint8_t *)"\x55\x1d\x14", 3};
static const struct pl_span oid_delta = {(const uint8_t *)"\x55\x1d\x1b", 3};
static const struct pl_span oid_idp = {(const uint8_t *)"\x55\x1d\x1c", 3};

enum { EXTENSIONS_MAX = 32 };

static struct pl_span whole(struct pl_rd *r, uint8_t tag)
{
    uint8_t got = 0;
    struct pl_span all = {0};
    pl_der_any(r, &got, &all);
    if (got != tag)
        r->bad = true;
    return r->bad ? pl_span(NULL, 0) : all;
}

static enum pl_sig_alg algorithm(struct pl_span der)
{
    for (size_t i = 0; i < sizeof(algs) / sizeof(*algs); i++)
        if (pl_span_eq(der, algs[i].der))
            return algs[i].alg;
    return PL_SIG_NONE;
}

/* A BIT STRING of whole bytes. */
static struct pl_span bits(struct pl_rd *r)
{
    struct pl_span s = pl_der(r, PL_DER_BITS);
    if (s.n < 2 || s.p[0] != 0) {
        r->bad = true;
        return pl_span(NULL, 0);
    }
    return pl_span(s.p + 1, s.n - 1);
}

/* The outer SEQUENCE { tbs, algorithm, signature } of certificates and CRLs. */
static bool signed_parts(struct pl_span der, struct pl_span *tbs, struct pl_span *alg,
                         struct pl_span *sig)
{
    struct pl_rd all = pl_rd(der), r = pl_rd(pl_der(&all, PL_DER_SEQ));
    *tbs = whole(&r, PL_DER_SEQ);
    *alg = whole(&r, PL_DER_SEQ);
    *sig = bits(&r);
    return pl_rd_end(&all) == PL_OK && pl_rd_end(&r) == PL_OK;
}

/* A Name of the shapes that pl_name_cn reads. */
static struct pl_span name(struct pl_rd *r)
{
    struct pl_span n = whole(r, PL_DER_SEQ);
    r->bad |= !r->bad && !pl_name_ok(n);
    return n;
}

struct extension {
    struct pl_span oid, value;
    bool critical;
};

static bool extension(struct pl_rd *r, struct extension *e)
{
    struct pl_rd x = pl_rd(pl_der(r, PL_DER_SEQ));
    e->oid = pl_der(&x, PL_DER_OID);
    e->critical = false;
    if (pl_der_next_is(&x, PL_DER_BOOL)) { /* DEFAULT FALSE is not encoded in DER, TRUE is ff */
        struct pl_span b = pl_der(&x, PL_DER_BOOL);
        e->critical = b.n == 1 && b.p[0] == 0xff;
        x.bad |= !e->critical;
    }
    e->value = pl_der(&x, PL_DER_OCTETS);
    r->bad |= !pl_oid_ok(e->oid) || pl_rd_end(&x) != PL_OK;
    return !r->bad;
}

bool pl_cert_next_extension(struct pl_rd *r, struct pl_span *out_oid, struct pl_span *out_value)
{
    struct extension e;
    if (pl_rd_left(r) == 0 || !extension(r, &e))
        return false;
    *out_oid = e.oid;
    *out_value = e.value;
    return true;
}

/* Two of one kind: RFC 5280 4.2 forbids it. Quadratic over at most 32. */
static pl_err no_duplicates(struct pl_span extensions)
{
    struct pl_span seen[EXTENSIONS_MAX];
    struct extension e;
    size_t n = 0;
    for (struct pl_rd r = pl_rd(extensions); pl_rd_left(&r) > 0; n++) {
        PL_REQUIRE(n < EXTENSIONS_MAX && extension(&r, &e), X509_FORMAT);
        for (size_t i = 0; i < n; i++)
            PL_REQUIRE(!pl_span_eq(seen[i], e.oid), X509_DUPLICATE);
        seen[n] = e.oid;
    }
    return PL_OK;
}

/* RFC 5280 4.2.1.9. */
static bool constraints(struct pl_cert *out, struct pl_span value)
{
    struct pl_rd all = pl_rd(value), r = pl_rd(pl_der(&all, PL_DER_SEQ));
    out->has_constraints = true;
    if (pl_der_next_is(&r, PL_DER_BOOL)) {
        struct pl_span b = pl_der(&r, PL_DER_BOOL);
        out->ca = b.n == 1 && b.p[0] == 0xff;
        r.bad |= !out->ca;
    }
    if (pl_rd_left(&r) > 0) {
        uint64_t n = pl_der_u64(&r);
        out->has_pathlen = true;
        out->pathlen = n > 255 ? 255 : (unsigned)n;
        r.bad |= !out->ca;
    }
    return pl_rd_end(&all) == PL_OK && pl_rd_end(&r) == PL_OK;
}

/* RFC 5280 4.2.1.3: a named bit list, so no trailing zero bits (X.690 11.2.2), at least one bit. */
static bool usage(struct pl_cert *out, struct pl_span value)
{
    struct pl_rd all = pl_rd(value);
    struct pl_span b = pl_der(&all, PL_DER_BITS);
    if (pl_rd_end(&all) != PL_OK || b.n < 2 || b.n > 3 || b.p[0] > 7)
        return false;
    uint8_t last = b.p[b.n - 1];
    if ((last & ((1u << b.p[0]) - 1)) != 0 || (last >> b.p[0] & 1) == 0)
        return false;
    out->has_usage = true;
    for (unsigned i = 0; i < 8; i++)
        if (b.p[1] & 0x80 >> i)
            out->usage |= 1u << i;
    return true;
}

static bool among(struct pl_span oid, const struct pl_span *known, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (pl_span_eq(oid, known[i]))
            return true;
    return false;
}

static pl_err extensions(struct pl_cert *out, const struct pl_span *known, size_t n)
{
    struct extension e;
    PL_TRY(no_duplicates(out->extensions));
    for (struct pl_rd r = pl_rd(out->extensions); pl_rd_left(&r) > 0;) {
        PL_REQUIRE(extension(&r, &e), X509_FORMAT);
        if (pl_span_eq(e.oid, oid_constraints))
            PL_REQUIRE(constraints(out, e.value), X509_FORMAT);
        else if (pl_span_eq(e.oid, oid_usage))
            PL_REQUIRE(usage(out, e.value), X509_FORMAT);
        else
            PL_REQUIRE(!e.critical || among(e.oid, known, n), X509_CRITICAL);
    }
    return PL_OK;
}

/* Validity ::= SEQUENCE { notBefore, notAfter }. */
static struct pl_period period(struct pl_rd *r)
{
    struct pl_rd v = pl_rd(pl_der(r, PL_DER_SEQ));
    struct pl_period p;
    p.from_s = pl_der_time(&v);
    p.to_s = pl_der_time(&v);
    r->bad |= pl_rd_end(&v) != PL_OK || p.to_s < p.from_s;
    return p;
}

/* A positive INTEGER of at most 20 octets; AMD's zero is allowed. */
static struct pl_span serial(struct pl_rd *r)
{
    struct pl_span s = pl_der_uint(r);
    r->bad |= s.n > 20;
    return s.n == 1 && s.p[0] == 0 ? pl_span(NULL, 0) : s;
}

/* SubjectPublicKeyInfo ::= SEQUENCE { AlgorithmIdentifier, BIT STRING }; the key itself is read by
 * whoever uses it. */
static struct pl_span key_info(struct pl_rd *r)
{
    struct pl_span spki = whole(r, PL_DER_SEQ);
    struct pl_rd all = pl_rd(spki), s = pl_rd(pl_der(&all, PL_DER_SEQ));
    struct pl_rd alg = pl_rd(pl_der(&s, PL_DER_SEQ));
    uint8_t tag;
    r->bad |= !pl_oid_ok(pl_der(&alg, PL_DER_OID));
    if (pl_rd_left(&alg) > 0) { /* parameters: a named curve, or NULL */
        struct pl_span value = pl_der_any(&alg, &tag, NULL);
        r->bad |= tag == PL_DER_OID ? !pl_oid_ok(value) : tag != PL_DER_NULL || value.n > 0;
    }
    bits(&s);
    r->bad |= pl_rd_end(&s) != PL_OK || pl_rd_end(&alg) != PL_OK;
    return spki;
}

static pl_err tbs(struct pl_cert *out, struct pl_span outer_alg, struct pl_span *out_exts)
{
    struct pl_rd all = pl_rd(out->tbs), r = pl_rd(pl_der(&all, PL_DER_SEQ));
    PL_REQUIRE(pl_der_next_is(&r, PL_DER_CTX | 0), X509_VERSION);
    struct pl_rd v = pl_rd(pl_der(&r, PL_DER_CTX | 0));
    uint64_t version = pl_der_u64(&v);
    PL_REQUIRE(pl_rd_end(&v) == PL_OK && version == 2, X509_VERSION);
    out->serial = serial(&r);
    struct pl_span inner_alg = whole(&r, PL_DER_SEQ);
    out->issuer = name(&r);
    out->valid = period(&r);
    out->subject = name(&r);
    out->spki = key_info(&r);
    PL_REQUIRE(!r.bad, X509_FORMAT);
    PL_REQUIRE(pl_span_eq(inner_alg, outer_alg), X509_ALGORITHM);
    if (pl_rd_left(&r) > 0) { /* unique ids ([1], [2]) end up refused here */
        struct pl_rd x = pl_rd(pl_der(&r, PL_DER_CTX | 3));
        *out_exts = pl_der(&x, PL_DER_SEQ);
        PL_REQUIRE(pl_rd_end(&x) == PL_OK && out_exts->n > 0, X509_FORMAT);
    }
    PL_REQUIRE(pl_rd_end(&r) == PL_OK && pl_rd_end(&all) == PL_OK, X509_FORMAT);
    return PL_OK;
}

pl_err pl_cert_parse(struct pl_cert *out, struct pl_span der, size_t max,
                     const struct pl_span *known, size_t n)
{
    struct pl_span alg;
    *out = (struct pl_cert){.der = der};
    PL_REQUIRE(der.n <= max, X509_SIZE);
    PL_REQUIRE(signed_parts(der, &out->tbs, &alg, &out->sig), X509_FORMAT);
    out->alg = algorithm(alg);
    PL_REQUIRE(out->alg != PL_SIG_NONE, X509_ALGORITHM);
    PL_TRY(tbs(out, alg, &out->extensions));
    return extensions(out, known, n);
}

bool pl_cert_extension(const struct pl_cert *cert, struct pl_span oid, struct pl_span *out_value)
{
    struct pl_rd r = pl_rd(cert->extensions);
    struct pl_span got;
    while (pl_cert_next_extension(&r, &got, out_value))
        if (pl_span_eq(got, oid))
            return true;
    *out_value = pl_span(NULL, 0);
    return false;
}

/* P-256 with SHA-256 takes the short way: keys without OpenSSL's decoders. */
static pl_err signature(struct pl_crypto *c, struct pl_span spki, enum pl_sig_alg alg,
                        struct pl_span message, struct pl_span der_sig)
{
    struct pl_pub key;
    uint8_t raw[PL_P256_SIG_BYTES];
    if (alg != PL_SIG_ECDSA_SHA256 || pl_pub_from_spki(&key, spki) != PL_OK ||
        key.type != PL_PUB_P256)
        return pl_spki_verify(c, spki, alg, message, der_sig);
    PL_REQUIRE(pl_p256_sig_from_der(raw, der_sig) == PL_OK, SIGNATURE);
    return pl_pub_verify(c, &key, message, raw);
}

pl_err pl_cert_signed_by(struct pl_crypto *c, const struct pl_cert *cert, struct pl_span spki)
{
    return signature(c, spki, cert->alg, cert->tbs, cert->sig);
}

pl_err pl_crl_signed_by(struct pl_crypto *c, const struct pl_crl *crl, struct pl_span spki)
{
    return signature(c, spki, crl->alg, crl->tbs, crl->sig);
}

pl_err pl_cert_may_issue(const struct pl_cert *cert, unsigned below)
{
    unsigned need = PL_KU_KEY_CERT_SIGN | PL_KU_CRL_SIGN;
    PL_REQUIRE(cert->has_constraints && cert->ca, X509_NOT_CA);
    PL_REQUIRE(!cert->has_pathlen || cert->pathlen >= below, X509_PATHLEN);
    PL_REQUIRE(cert->has_usage && (cert->usage & need) == need, X509_KEY_USAGE);
    return PL_OK;
}

pl_err pl_cert_is_leaf(const struct pl_cert *cert)
{
    PL_REQUIRE(!cert->ca, X509_IS_CA);
    PL_REQUIRE(cert->has_usage && cert->usage & PL_KU_DIGITAL_SIGNATURE &&
                   !(cert->usage & PL_KU_KEY_CERT_SIGN),
               X509_KEY_USAGE);
    return PL_OK;
}

/* One revokedCertificates entry; entry extensions must not be critical (no indirect CRLs). */
static bool crl_entry(struct pl_rd *r, struct pl_span *out_serial)
{
    struct pl_rd e = pl_rd(pl_der(r, PL_DER_SEQ));
    struct extension x;
    *out_serial = serial(&e);
    pl_der_time(&e);
    if (pl_rd_left(&e) > 0)
        for (struct pl_rd xs = pl_rd(pl_der(&e, PL_DER_SEQ)); pl_rd_left(&xs) > 0;)
            if (!extension(&xs, &x) || x.critical)
                e.bad = true, xs.end = xs.p;
    r->bad |= pl_rd_end(&e) != PL_OK;
    return !r->bad;
}

static bool crl_extensions(struct pl_crl *out, struct pl_span exts)
{
    struct extension e;
    bool number = false;
    if (no_duplicates(exts) != PL_OK)
        return false;
    for (struct pl_rd r = pl_rd(exts); pl_rd_left(&r) > 0;) {
        if (!extension(&r, &e) || e.critical || pl_span_eq(e.oid, oid_delta) ||
            pl_span_eq(e.oid, oid_idp))
            return false;
        if (!pl_span_eq(e.oid, oid_crl_number))
            continue;
        struct pl_rd v = pl_rd(e.value);
        out->number = pl_der_u64(&v);
        number = pl_rd_end(&v) == PL_OK;
    }
    return number;
}

static bool crl_tbs(struct pl_crl *out, struct pl_span outer_alg)
{
    struct pl_rd all = pl_rd(out->tbs), r = pl_rd(pl_der(&all, PL_DER_SEQ));
    uint64_t version = pl_der_u64(&r);
    struct pl_span inner_alg = whole(&r, PL_DER_SEQ), one;
    out->issuer = name(&r);
    out->valid.from_s = pl_der_time(&r);
    out->valid.to_s = pl_der_time(&r);
    if (r.bad || version != 1 || !pl_span_eq(inner_alg, outer_alg))
        return false;
    if (pl_der_next_is(&r, PL_DER_SEQ))
        out->revoked = pl_der(&r, PL_DER_SEQ);
    struct pl_rd x = pl_rd(pl_der(&r, PL_DER_CTX | 0));
    struct pl_span exts = pl_der(&x, PL_DER_SEQ);
    for (struct pl_rd e = pl_rd(out->revoked); pl_rd_left(&e) > 0;)
        if (!crl_entry(&e, &one))
            return false;
    return pl_rd_end(&x) == PL_OK && pl_rd_end(&r) == PL_OK && pl_rd_end(&all) == PL_OK &&
           out->valid.from_s <= out->valid.to_s && crl_extensions(out, exts);
}

pl_err pl_crl_parse(struct pl_crl *out, struct pl_span der)
{
    struct pl_span alg;
    *out = (struct pl_crl){0};
    PL_REQUIRE(der.n <= PL_CRL_MAX, X509_SIZE);
    PL_REQUIRE(signed_parts(der, &out->tbs, &alg, &out->sig), CRL_FORMAT);
    out->alg = algorithm(alg);
    PL_REQUIRE(out->alg != PL_SIG_NONE && crl_tbs(out, alg), CRL_FORMAT);
    return PL_OK;
}

bool pl_crl_lists(const struct pl_crl *crl, struct pl_span serial_no)
{
    struct pl_span s;
    for (struct pl_rd r = pl_rd(crl->revoked); pl_rd_left(&r) > 0;)
        if (!crl_entry(&r, &s) || pl_span_eq(s, serial_no)) /* unreadable: as if it were listed */
            return true;
    return false;
}
