/* Evidence of SGX hardware that does not exist, in the vendor's own formats: certificates, CRLs,
 * TCB info v3, QE identity v2, quote v3 with a PCK chain (Intel DCAP; RFC 5280).
 *
 * A pl_fx_world holds a specification of every part. pl_fx_world_init fills in one whose evidence
 * verifies; whoever wants evidence with one defect changes one field, or gives a part's bytes
 * himself, and makes it. Keys are fresh from `random` in each world: nothing here is compiled in,
 * so no root of a world is ever trusted by a program that was not told so.
 * Pure but for `random`. Errors: those of core/crypto, NO_SPACE, and what `random` returns. */
#ifndef PL_SIMD_FIXTURE_H
#define PL_SIMD_FIXTURE_H

#include "crypto/crypto.h"

enum {
    PL_FX_CERT_MAX = 4096,
    PL_FX_REVOKED_MAX = 64,
    PL_FX_SERIAL_BYTES = 20,
    PL_FX_LEVELS = 7,
    PL_FX_QUOTE_MAX = 32 * 1024,
    PL_FX_ADVISORY_MAX = 32,
};

struct pl_fx_key {
    uint8_t priv[PL_P256_PRIV_BYTES], pub[PL_P256_PUB_BYTES];
};

/* The SGX extension of a PCK certificate, 1.2.840.113741.1.13.1. */
struct pl_fx_platform {
    uint8_t ppid[16], components[16], cpu_svn[16], fmspc[6], pce_id[2], instance_id[16];
    uint16_t pce_svn;
    bool processor_ca; /* then without instance id and configuration */
    bool no_fmspc;     /* leaves it out */
};

extern const uint8_t pl_fx_fmspc[6]; /* the family of a world's platform, unless told otherwise */

/* Key usage, the first octet of the BIT STRING (RFC 5280 4.2.1.3). */
enum { PL_FX_KU_SIGN = 0xc0, PL_FX_KU_CA = 0x06 };

struct pl_fx_cert {
    const char *subject, *issuer; /* common names */
    const struct pl_fx_key *key, *signer;
    uint8_t serial[PL_FX_SERIAL_BYTES];
    int64_t not_before_s, not_after_s;
    bool ca;
    int pathlen;                           /* -1: none */
    uint8_t key_usage;                     /* PL_FX_KU_* */
    const struct pl_fx_platform *platform; /* NULL: no SGX extension */
    uint8_t version;                       /* 2 is version 3 */
    struct pl_span spki;                   /* replaces that of `key` */
    struct pl_span extension;              /* one more Extension, DER */
    bool outer_algorithm_differs;
};

struct pl_fx_crl {
    const char *issuer;
    const struct pl_fx_key *signer;
    uint64_t number;
    int64_t this_update_s, next_update_s;
    unsigned revoked_n;
    uint8_t revoked[PL_FX_REVOKED_MAX][PL_FX_SERIAL_BYTES];
    uint8_t version; /* 1 is version 2 */
};

/* A TCB level: all 16 components and PCESVN at least this. */
struct pl_fx_level {
    uint8_t svn;                          /* QE identity: isvsvn */
    const char *status, *date, *advisory; /* advisory may be NULL */
    unsigned advisories;                  /* so many, numbered behind `advisory` */
};

struct pl_fx_signed {
    const struct pl_fx_key *signer;
    const char *id; /* "SGX", "QE" */
    uint64_t version, eval, tcb_type;
    int64_t issued_s, next_update_s;
    uint8_t fmspc[6], pce_id[2];   /* TCB info */
    uint8_t misc[4], misc_mask[4]; /* QE identity, and the rest */
    uint8_t attributes[16], attributes_mask[16], mrsigner[32];
    uint16_t prod_id;
    unsigned levels;
    struct pl_fx_level level[PL_FX_LEVELS];
    bool no_levels; /* leaves the member out */
};

/* An SGX report body, 384 bytes. */
struct pl_fx_report {
    uint8_t cpu_svn[16], misc[4], attributes[16], mrenclave[32], mrsigner[32], report_data[64];
    uint16_t prod_id, svn;
    bool reserved_set; /* a reserved byte is not zero */
};
enum { PL_FX_ATTR_DEBUG = 0x02 }; /* attributes[0] */

struct pl_fx_quote {
    uint16_t version, ak_type, cert_type;
    uint32_t tee_type;
    uint8_t vendor[16];
    const struct pl_fx_key *signer;    /* of the quote; its public half stands in it as `ak` */
    const struct pl_fx_key *qe_signer; /* the PCK */
    const struct pl_fx_key *ak;
    uint8_t auth[32];
    size_t auth_n;
    bool ak_off_curve, ak_unbound, qe_tail_set; /* defects of the attestation key's binding */
    int cert_size_delta;                        /* added to the length that is written */
};

/* DER certificates as made, in fixed memory. */
struct pl_fx_der {
    uint8_t p[PL_FX_CERT_MAX];
    size_t n;
};

struct pl_fx_world {
    struct pl_crypto *c; /* borrowed */
    pl_err (*random)(void *out, size_t n);
    struct pl_fx_key root_key, ca_key, tcb_key, pck_key, ak;
    struct pl_fx_platform platform;
    struct pl_fx_cert root, ca, pck, tcb_signer, qe_signer;
    struct pl_fx_crl root_crl, pck_crl;
    struct pl_fx_signed tcb_info, qe_identity;
    struct pl_fx_report report, qe_report;
    struct pl_fx_quote quote;
    struct {
        struct pl_fx_der root, ca, pck, tcb_signer, qe_signer;
    } der;
};

/* A world whose parts all hold from now_s - 1 day on: certificates for years, collateral for 30
 * days. Names are "Simulated SGX Root CA" and so on. A world is 30 KiB and points into itself: it
 * must not be copied. */
PL_CHECKED pl_err pl_fx_world_init(struct pl_fx_world *w, struct pl_crypto *c,
                                   pl_err (*random)(void *out, size_t n), int64_t now_s);
void pl_fx_world_wipe(struct pl_fx_world *w);
/* A fresh key. */
PL_CHECKED pl_err pl_fx_key(struct pl_fx_world *w, struct pl_fx_key *out);
/* PCK serial: the first 20 bytes of SHA-256(PPID), made positive. Sets it from the platform. */
PL_CHECKED pl_err pl_fx_pck_serial(struct pl_fx_world *w);
/* Sets the platform's components so that `status` is its TCB level; false when no level says so.
 * "Below" every level: svn 0. */
void pl_fx_platform_svn(struct pl_fx_world *w, uint8_t svn); /* all components, and PCESVN */
bool pl_fx_platform_status(struct pl_fx_world *w, const char *status);

/* Parts. Each appends to `out` and may be used by itself. */
PL_CHECKED pl_err pl_fx_cert(struct pl_fx_world *w, struct pl_wr *out, const struct pl_fx_cert *s);
PL_CHECKED pl_err pl_fx_crl(struct pl_fx_world *w, struct pl_wr *out, const struct pl_fx_crl *s);
PL_CHECKED pl_err pl_fx_tcb_info(struct pl_fx_world *w, struct pl_wr *out);
PL_CHECKED pl_err pl_fx_qe_identity(struct pl_fx_world *w, struct pl_wr *out);
/* Signs a JSON object as TCB info and QE identity are: {"<member>":<body>,"signature":"..."}. */
PL_CHECKED pl_err pl_fx_sign_json(struct pl_fx_world *w, struct pl_wr *out, const char *member,
                                  struct pl_span body, const struct pl_fx_key *signer);
/* All certificates of w->der from their specifications. */
PL_CHECKED pl_err pl_fx_certs(struct pl_fx_world *w);
/* PEM chains of w->der: leaf, CA, root; and signer, root. */
void pl_fx_pck_chain(const struct pl_fx_world *w, struct pl_wr *out);
void pl_fx_signer_chain(const struct pl_fx_world *w, struct pl_wr *out,
                        const struct pl_fx_der *signer);
/* The quote over w->report, with `chain` as its certification data. */
PL_CHECKED pl_err pl_fx_quote(struct pl_fx_world *w, struct pl_wr *out, struct pl_span chain);

#endif
