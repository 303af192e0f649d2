/* Our reader of certificates and CRLs beside OpenSSL's: what ours accepts, OpenSSL accepts and
 * reads the same. Ours may refuse more. For the fuzz targets and the test over all vectors. */
#ifndef PL_TESTS_FUZZ_X509_OPENSSL_H
#define PL_TESTS_FUZZ_X509_OPENSSL_H

#include "attest/x509.h"
#include "fuzz/fuzz.h"

#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <time.h>

static inline int64_t theirs_time(const ASN1_TIME *t)
{
    struct tm tm = {0};
    FUZZ_CHECK(ASN1_TIME_to_tm(t, &tm) == 1);
    return (int64_t)timegm(&tm);
}

static inline bool same_number(const ASN1_INTEGER *theirs, struct pl_span ours)
{
    BIGNUM *a = ASN1_INTEGER_to_BN(theirs, NULL), *b = BN_bin2bn(ours.p, (int)ours.n, NULL);
    bool same = a && b && BN_cmp(a, b) == 0;
    BN_free(a);
    BN_free(b);
    return same;
}

static inline bool same_name(const X509_NAME *theirs, struct pl_span ours)
{
    const unsigned char *der = NULL;
    size_t n = 0;
    return X509_NAME_get0_der(theirs, &der, &n) == 1 && pl_span_eq(pl_span(der, n), ours);
}

static inline void same_flags(X509 *x, const struct pl_cert *c)
{
    uint32_t flags = X509_get_extension_flags(x);
    if (flags & EXFLAG_INVALID) /* an extension that ours does not read is malformed */
        return;
    FUZZ_CHECK(((flags & EXFLAG_BCONS) != 0) == c->has_constraints);
    FUZZ_CHECK(((flags & EXFLAG_CA) != 0) == c->ca);
    FUZZ_CHECK(((flags & EXFLAG_KUSAGE) != 0) == c->has_usage);
    if (c->has_pathlen && c->pathlen < 255)
        FUZZ_CHECK(X509_get_pathlen(x) == (long)c->pathlen);
    if (!c->has_usage)
        return;
    uint32_t ku = X509_get_key_usage(x);
    FUZZ_CHECK(((ku & KU_DIGITAL_SIGNATURE) != 0) == ((c->usage & PL_KU_DIGITAL_SIGNATURE) != 0));
    FUZZ_CHECK(((ku & KU_KEY_CERT_SIGN) != 0) == ((c->usage & PL_KU_KEY_CERT_SIGN) != 0));
    FUZZ_CHECK(((ku & KU_CRL_SIGN) != 0) == ((c->usage & PL_KU_CRL_SIGN) != 0));
}

/* Did ours accept it? */
static inline bool cert_against_openssl(struct pl_span der)
{
    struct pl_cert c;
    if (pl_cert_parse(&c, der, PL_CERT_MAX, NULL, 0) != PL_OK)
        return false;
    const unsigned char *p = der.p;
    X509 *x = d2i_X509(NULL, &p, (long)der.n);
    FUZZ_CHECK(x != NULL && p == der.p + der.n);
    FUZZ_CHECK(X509_get_version(x) == 2);
    FUZZ_CHECK(same_number(X509_get0_serialNumber(x), c.serial));
    FUZZ_CHECK(theirs_time(X509_get0_notBefore(x)) == c.valid.from_s);
    FUZZ_CHECK(theirs_time(X509_get0_notAfter(x)) == c.valid.to_s);
    FUZZ_CHECK(same_name(X509_get_issuer_name(x), c.issuer));
    FUZZ_CHECK(same_name(X509_get_subject_name(x), c.subject));
    unsigned char *spki = NULL;
    int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &spki);
    FUZZ_CHECK(n > 0 && pl_span_eq(pl_span(spki, (size_t)n), c.spki));
    OPENSSL_free(spki);
    int extensions = 0;
    struct pl_span oid, value;
    for (struct pl_rd r = pl_rd(c.extensions); pl_cert_next_extension(&r, &oid, &value);)
        extensions++;
    FUZZ_CHECK(X509_get_ext_count(x) == extensions);
    same_flags(x, &c);
    X509_free(x);
    return true;
}

static inline bool crl_against_openssl(struct pl_span der)
{
    struct pl_crl c;
    if (pl_crl_parse(&c, der) != PL_OK)
        return false;
    const unsigned char *p = der.p;
    X509_CRL *x = d2i_X509_CRL(NULL, &p, (long)der.n);
    FUZZ_CHECK(x != NULL && p == der.p + der.n);
    FUZZ_CHECK(X509_CRL_get_version(x) == 1);
    FUZZ_CHECK(same_name(X509_CRL_get_issuer(x), c.issuer));
    FUZZ_CHECK(theirs_time(X509_CRL_get0_lastUpdate(x)) == c.valid.from_s);
    FUZZ_CHECK(theirs_time(X509_CRL_get0_nextUpdate(x)) == c.valid.to_s);
    STACK_OF(X509_REVOKED) *list = X509_CRL_get_REVOKED(x);
    for (int i = 0; i < sk_X509_REVOKED_num(list); i++) {
        uint8_t serial[32];
        const ASN1_INTEGER *no = X509_REVOKED_get0_serialNumber(sk_X509_REVOKED_value(list, i));
        BIGNUM *b = ASN1_INTEGER_to_BN(no, NULL);
        FUZZ_CHECK(b && BN_num_bytes(b) <= 20);
        int n = BN_bn2bin(b, serial);
        FUZZ_CHECK(pl_crl_lists(&c, pl_span(serial, (size_t)n)));
        BN_free(b);
    }
    FUZZ_CHECK((list == NULL || sk_X509_REVOKED_num(list) == 0) == (c.revoked.n == 0));
    X509_CRL_free(x);
    return true;
}

#endif
