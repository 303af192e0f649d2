/* Certificates that carry evidence (RA-TLS): read, verify, make.
 *
 * The channel accepts one form, CCC interoperable RA-TLS (extension 2.23.133.5.4.9, CBOR tag 60000
 * [quote, claims], report data = SHA-256(claims) || 0^32, claims name the hash of this
 * certificate's key), and later the IETF CMW extension for TEEs without a CBOR tag.
 * PL_RATLS_OFFLINE reads others too, each with the binding that belongs to its OID and key type,
 * never a search over hashes. Extensions are found by their whole OID in the certificate itself;
 * evidence inside another extension, tags 60001 and 60002, and quotes under the PCK extension's OID
 * are never evidence. What such a certificate proves: its private key lives in code of this
 * measurement. It says nothing about freshness or about this connection: that is attest/session.h.
 */
#ifndef PL_ATTEST_RATLS_H
#define PL_ATTEST_RATLS_H

#include "attest/attest.h"

enum {
    PL_RATLS_MAX = 80 * 1024,       /* the certificate, DER */
    PL_RATLS_CLAIMS_MAX = 4 * 1024, /* bytes of the claims map */
    PL_RATLS_CLAIMS_BYTES = 256,    /* what pl_ratls_claims writes at most */
};

enum pl_ratls_mode {
    PL_RATLS_CHANNEL = 0, /* emitted forms only; exactly one or none; key P-256 */
    PL_RATLS_KNOWN,       /* the same, of bytes whose own signature was verified before */
    PL_RATLS_OFFLINE,     /* also foreign forms; all evidence found must verify; EC and RSA keys */
};

enum pl_ratls_form {
    PL_RATLS_NONE = 0, /* no evidence */
    PL_RATLS_TAGGED,   /* 2.23.133.5.4.9 */
    PL_RATLS_CMW,      /* 1.3.6.1.5.5.7.1.35: known by name, refused until its TEEs are built */
    PL_RATLS_GRAMINE,  /* the OID wrapped twice: report data = SHA-256(SPKI) || 0^32 */
    PL_RATLS_LEGACY,   /* 1.2.840.113741.1337.6: EC keys as GRAMINE, RSA keys SHA-256 of the
                        * PKCS#1 key (rats-tls) */
};
const char *pl_ratls_form_text(enum pl_ratls_form form);

/* A parsed certificate. Spans borrow the DER. */
struct pl_ratls {
    struct pl_span der, spki;
    uint8_t spki_sha256[PL_SHA256_BYTES];
    uint8_t key_sha256[PL_SHA256_BYTES]; /* of the subjectPublicKey bits alone */
    bool rsa;
    struct pl_period valid;
    unsigned evidences; /* 0 to 2; more than one only OFFLINE */
    struct pl_ratls_evidence {
        enum pl_ratls_form form;
        struct pl_span evidence; /* the quote */
        struct pl_span claims;   /* TAGGED: the exact bytes of the map */
    } evidence[2];
    bool has_pleiad; /* of evidence[0], NOT yet verified: covered only after pl_ratls_verify */
    struct pl_pleiad_claims pleiad;
    uint8_t claims_sha256[PL_SHA256_BYTES]; /* for attest/session.h; zero without TAGGED claims */
};

/* Parses, finds the evidence, verifies the certificate's own signature; evidence is optional here
 * (evidences == 0) and not verified. For the handshake callback: cheap, no time, no collateral. */
PL_CHECKED pl_err pl_ratls_parse(struct pl_crypto *c, struct pl_ratls *out, struct pl_span der,
                                 enum pl_ratls_mode mode);
/* The value of the extension with this OID (content bytes), NOT_FOUND class RATLS_NO_EXTENSION. */
PL_CHECKED pl_err pl_ratls_extension_value(const struct pl_ratls *cert, struct pl_span oid,
                                           struct pl_span *out);
/* Only that claims and report data name this key: what can be said without collateral. */
PL_CHECKED pl_err pl_ratls_binding(struct pl_crypto *c, const struct pl_ratls *cert);
/* Validity of the leaf, binding, and the evidence itself; claims of evidence[0], with `pleiad`.
 * RATLS_NO_EVIDENCE when there is none. */
PL_CHECKED pl_err pl_ratls_verify(const struct pl_verifier *v, struct pl_claims *out,
                                  const struct pl_ratls *cert);
/* The same for a certificate that is kept as a document: it was valid at then_s, its evidence holds
 * now, and claims.earliest_s and latest_s are the evidence's alone. */
PL_CHECKED pl_err pl_ratls_verify_signed_at(const struct pl_verifier *v, struct pl_claims *out,
                                            const struct pl_ratls *cert, int64_t then_s);

/* ---- Making one: claims -> report data -> quote from the TEE -> certificate ------------------ */

/* The claims map: pubkey-hash [1, SHA-256(SPKI)] and, unless NULL, the `pleiad` entry. */
void pl_ratls_claims(struct pl_wr *w, const uint8_t spki_sha256[static PL_SHA256_BYTES],
                     const struct pl_pleiad_claims *pleiad);
/* SHA-256(claims) || 0^32. */
PL_CHECKED pl_err pl_ratls_report_data(struct pl_crypto *c,
                                       uint8_t out[static PL_REPORT_DATA_BYTES],
                                       struct pl_span claims);
/* A whole Extension (DER SEQUENCE): any OID (content bytes), not critical. */
void pl_ratls_put_extension(struct pl_wr *w, struct pl_span oid, struct pl_span value);
/* The evidence extension for a quote and its claims, whole. */
void pl_ratls_put_evidence(struct pl_wr *w, struct pl_span quote, struct pl_span claims);

struct pl_ratls_new {
    const char *name;   /* common name, ASCII, 1 to 64 characters; not trusted by anyone */
    uint8_t serial[16]; /* random */
    struct pl_period valid;
    struct pl_span extensions; /* whole Extensions, one after the other; may be empty */
};
/* A self-signed certificate (DER) for a P-256 key. */
PL_CHECKED pl_err pl_ratls_make(struct pl_crypto *c, struct pl_wr *w, const struct pl_priv *key,
                                const struct pl_ratls_new *n);

#endif
