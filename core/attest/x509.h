/* X.509 certificates and CRLs (RFC 5280), as strict as evidence needs and no more. Parsed values
 * are spans into the DER. Nothing is verified by parsing; the chain rules of each vendor are in its
 * own file. Errors are the X509_* and CRL_* codes of err.def. */
#ifndef PL_ATTEST_X509_H
#define PL_ATTEST_X509_H

#include "attest/attest.h"

enum { /* keyUsage bits as RFC 5280 4.2.1.3 numbers them */
       PL_KU_DIGITAL_SIGNATURE = 1 << 0,
       PL_KU_KEY_CERT_SIGN = 1 << 5,
       PL_KU_CRL_SIGN = 1 << 6,
};

struct pl_cert {
    struct pl_span der, tbs;        /* tbs: whole, what is signed */
    struct pl_span serial;          /* magnitude; empty is zero */
    struct pl_span issuer, subject; /* whole Names */
    struct pl_span spki;            /* whole SubjectPublicKeyInfo */
    struct pl_span sig;
    struct pl_span extensions; /* contents of SEQUENCE OF Extension; empty: none */
    enum pl_sig_alg alg;
    struct pl_period valid;
    bool has_constraints, ca, has_pathlen, has_usage;
    unsigned pathlen, usage; /* usage: PL_KU_* */
};

/* A certificate of at most max bytes. Version 3, inner and outer algorithm equal and known, no
 * unique ids, each extension once, none critical but basicConstraints, keyUsage and those whose OID
 * contents are in known (n of them). */
PL_CHECKED pl_err pl_cert_parse(struct pl_cert *out, struct pl_span der, size_t max,
                                const struct pl_span *known, size_t n);
/* The extension with exactly this OID (contents); false when there is none. */
bool pl_cert_extension(const struct pl_cert *cert, struct pl_span oid, struct pl_span *out_value);
/* Steps through the extensions: false at the end. */
bool pl_cert_next_extension(struct pl_rd *r, struct pl_span *out_oid, struct pl_span *out_value);
/* Signed by this key (any algorithm pl_spki_verify knows); SIGNATURE, KEY_FORMAT. */
PL_CHECKED pl_err pl_cert_signed_by(struct pl_crypto *c, const struct pl_cert *cert,
                                    struct pl_span spki);
/* May it have issued a certificate with `below` further CAs under it, and CRLs? X509_NOT_CA,
 * X509_PATHLEN, X509_KEY_USAGE. */
PL_CHECKED pl_err pl_cert_may_issue(const struct pl_cert *cert, unsigned below);
/* Is it an end entity that may sign? X509_IS_CA, X509_KEY_USAGE. */
PL_CHECKED pl_err pl_cert_is_leaf(const struct pl_cert *cert);
/* A Name (whole) whose values are UTF8String, PrintableString or IA5String. */
bool pl_name_ok(struct pl_span name);
/* Its one common name; empty when there is not exactly one. */
struct pl_span pl_name_cn(struct pl_span name);
bool pl_oid_ok(struct pl_span oid); /* contents of a well-formed OBJECT IDENTIFIER */

struct pl_crl {
    struct pl_span tbs, issuer, sig;
    struct pl_span revoked; /* contents of SEQUENCE OF; empty: none */
    enum pl_sig_alg alg;
    struct pl_period valid; /* thisUpdate to nextUpdate */
    uint64_t number;
};
/* Version 2 with nextUpdate and crlNumber, direct and complete: issuingDistributionPoint, delta and
 * any critical extension are refused, every entry is read. */
PL_CHECKED pl_err pl_crl_parse(struct pl_crl *out, struct pl_span der);
PL_CHECKED pl_err pl_crl_signed_by(struct pl_crypto *c, const struct pl_crl *crl,
                                   struct pl_span spki);
bool pl_crl_lists(const struct pl_crl *crl, struct pl_span serial);

/* Exactly n certificates of a PEM text into der (cap bytes each) and cert; anything else: the
 * error `length` of the caller for a wrong count, else that of the reader. */
PL_CHECKED pl_err pl_chain_parse(struct pl_cert *cert, uint8_t (*der)[PL_CERT_MAX], size_t n,
                                 struct pl_span pem, pl_err length);

/* Does a period hold through the whole of `now`? */
enum pl_tri pl_period_holds(struct pl_interval now, struct pl_period p);
struct pl_period pl_period_both(struct pl_period a, struct pl_period b);

/* PL_OK while `now` is inside; EVIDENCE_TIME when it does not decide; PL_E_<name> outside. */
#define PL_HOLDS(now, period, name)                                                                \
    do {                                                                                           \
        enum pl_tri pl_holds = pl_period_holds((now), (period));                                   \
        PL_REQUIRE(pl_holds != PL_UNKNOWN, EVIDENCE_TIME);                                         \
        PL_REQUIRE(pl_holds == PL_TRUE, name);                                                     \
    } while (0)

#endif
