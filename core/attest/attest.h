/* Attestation: evidence of a TEE in, claims or one precise error out.
 *
 * Pure: bytes, collateral, trusted roots and a time interval are arguments; no clock, network,
 * file or allocation. Three answers that are never folded into one:
 *   authentic  pl_evidence_verify: PL_OK, or the error of the first check that failed
 *   tcb        claims.tcb.status, advisories, dates, as the vendor publishes them
 *   accepted   pl_profile_match / pl_accept_default: PL_OK, or the reason
 * Nothing is accepted by the absence of an expectation: a profile with no measurement matches
 * nothing, and the caller of pl_evidence_verify states which report data it expects or says in
 * words that it does not check (pl_report_data_unchecked).
 *
 *     struct pl_collateral coll;
 *     PL_TRY(pl_collateral_verify(crypto, &roots, &coll, &files));     once per collateral
 *     struct pl_verifier v = {.crypto = crypto, .roots = &roots, .collateral = &coll,
 *                             .collateral_n = 1, .cache = &cache, .now = now};
 *     PL_TRY(pl_evidence_verify(&v, &claims, quote, pl_report_data(expected)));
 *     PL_TRY(pl_profile_match(&claims, &profile, now));
 *
 * Errors: class INVALID malformed, PEER not proven (signature, root, revoked, expired, mismatch),
 * AGAIN when the time interval does not decide (EVIDENCE_TIME), DENIED from profiles. Outputs are
 * zeroed on error, and zeroed claims match no profile. Distinct objects may be used from any
 * thread; const objects may be shared. Sources: Intel DCAP (quote v3, PCS v4), RFC 5280.
 * Certificates that carry evidence are in attest/ratls.h, session bindings in attest/session.h. */
#ifndef PL_ATTEST_ATTEST_H
#define PL_ATTEST_ATTEST_H

#include "crypto/crypto.h"

enum {
    PL_EVIDENCE_MAX = 64 * 1024,
    PL_PCK_CHAIN_MAX = 32 * 1024, /* PEM */
    PL_CERT_MAX = 4 * 1024,       /* a vendor's certificate, DER; RA-TLS leaves: PL_RATLS_MAX */
    PL_CRL_MAX = 1024 * 1024,
    PL_COLLATERAL_JSON_MAX = 256 * 1024,
    PL_TCB_LEVELS_MAX = 64,
    PL_ADVISORIES_MAX = 64,
    PL_ADVISORY_BYTES = 32,
    PL_ROOTS_MAX = 16,
    PL_LABEL_MAX = 32,    /* a root's label: a-z 0-9 - . _ */
    PL_TEE_NAME_MAX = 47, /* "custom-" and a label fit */
    PL_REPORT_DATA_BYTES = 64,
    PL_PLATFORM_ID_MAX = 64,
};

/* ---- Names ---------------------------------------------------------------------------------- */

enum pl_tee {
    PL_TEE_NONE = 0,
#define PL_TEE_ROW(name, text, vendor, verifier) PL_TEE_##name,
#include "attest/tee.def"
#undef PL_TEE_ROW
    PL_TEE_COUNT
};
/* "sgx"; "none" for anything else. The name of the technology, not of the trust: see claims. */
const char *pl_tee_text(enum pl_tee tee);
const char *pl_tee_vendor(enum pl_tee tee); /* "intel" */
bool pl_tee_supported(enum pl_tee tee);     /* this build verifies it */

/* TCB status. Sets of them are masks of PL_TCB_BIT. */
enum pl_tcb {
    PL_TCB_NONE = 0,
#define PL_TCB_ROW(name, text, floor, nameable) PL_TCB_##name,
#include "attest/tcb.def"
#undef PL_TCB_ROW
    PL_TCB_COUNT
};
#define PL_TCB_BIT(status) (1u << (unsigned)(status))
/* UpToDate and SWHardeningNeeded: accepted when nobody says otherwise. */
#define PL_TCB_FLOOR (PL_TCB_BIT(PL_TCB_UP_TO_DATE) | PL_TCB_BIT(PL_TCB_SW_HARDENING))
const char *pl_tcb_text(enum pl_tcb status);   /* "UpToDate"; "none" otherwise */
enum pl_tcb pl_tcb_parse(struct pl_span text); /* NONE when unknown */
bool pl_tcb_nameable(enum pl_tcb status);      /* false for Revoked: no profile can accept it */

/* ---- Trusted roots -------------------------------------------------------------------------- */

/* How a root came to be trusted. Only the keys compiled in are VENDOR. */
enum pl_trust {
    PL_TRUST_NONE = 0,
    PL_TRUST_VENDOR, /* claims.name is "sgx" */
    PL_TRUST_DEV,    /* a development root of simulated hardware: "sim-sgx" */
    PL_TRUST_CUSTOM, /* any other the operator supplied: "custom-<label>" */
};

struct pl_root {
    enum pl_tee tee;
    enum pl_trust trust;
    char label[PL_LABEL_MAX + 1];
    struct pl_span spki; /* DER SubjectPublicKeyInfo, borrowed; the verifier uses this key itself */
};
struct pl_roots {
    size_t n;
    struct pl_root root[PL_ROOTS_MAX];
};

/* The vendor keys compiled in, of every TEE this build verifies. */
const struct pl_roots *pl_roots_builtin(void);
/* Adds a root; spki is borrowed. A key that is compiled in becomes VENDOR whatever is asked, and
 * VENDOR asked for any other key is refused (ROOT_NOT_VENDOR). ROOT_LABEL for a bad label or one
 * that another key has, ROOTS_FULL past PL_ROOTS_MAX. A root that is there already stays as it is.
 */
PL_CHECKED pl_err pl_roots_add(struct pl_roots *roots, enum pl_tee tee, enum pl_trust trust,
                               const char *label, struct pl_span spki);
/* The same from a root certificate (DER), whose own signature and form are checked. */
PL_CHECKED pl_err pl_roots_add_cert(struct pl_crypto *c, struct pl_roots *roots, enum pl_tee tee,
                                    enum pl_trust trust, const char *label, struct pl_span der);

/* ---- Collateral ----------------------------------------------------------------------------- */

/* As the vendor serves it. For SGX: TCB info and QE identity (the exact bytes received), the PEM
 * chains of their signers, both CRLs in DER. Borrowed. */
struct pl_collateral_in {
    enum pl_tee tee;
    struct pl_span tcb_info, tcb_info_chain;       /* JSON; PEM [signer, root] */
    struct pl_span qe_identity, qe_identity_chain; /* JSON; PEM [signer, root] */
    struct pl_span pck_crl, root_crl;              /* DER */
};

/* The files of a collateral folder for SGX, in the order of the members above, and how large they
 * may be. */
enum { PL_COLLATERAL_FILES = 6 };
struct pl_collateral_file {
    const char *name;
    size_t max;
};
extern const struct pl_collateral_file pl_collateral_file[PL_COLLATERAL_FILES];
struct pl_collateral_in pl_collateral_of(const struct pl_span file[static PL_COLLATERAL_FILES]);

/* From when to when something says it holds, seconds since 1970, both ends included. */
struct pl_period {
    int64_t from_s, to_s;
};

/* What it said of its own age; a verifier never accepts less than the highest it has seen. */
struct pl_collateral_numbers {
    uint32_t tcb_eval, qe_eval;                     /* tcbEvaluationDataNumber */
    uint64_t root_crl, processor_crl, platform_crl; /* CRL numbers; 0 where it has none */
};

struct pl_tcb_level {
    uint8_t svn[16];
    uint16_t pcesvn;
    enum pl_tcb status;
    int64_t date_s;
    struct pl_span advisories; /* JSON array, borrowed from the signed bytes; may be empty */
};
struct pl_qe_level {
    uint16_t isvsvn;
    enum pl_tcb status;
    int64_t date_s;
    struct pl_span advisories;
};

/* Collateral whose signatures lead to a trusted root. Immutable; holds whenever `now` is inside its
 * periods, which every verification checks again, so it can be kept as long as its root is
 * trusted. Borrows tcb_info, qe_identity and both CRLs of its input: they must outlive it. About
 * 10 KiB. Fields are readable; only pl_collateral_verify writes them. */
struct pl_collateral {
    uint8_t id[PL_SHA256_BYTES]; /* digest of all input bytes: the key for a cache */
    enum pl_tee tee;
    enum pl_trust trust;
    char root_label[PL_LABEL_MAX + 1];
    struct pl_pub root_key;
    uint8_t root_spki_sha256[PL_SHA256_BYTES];
    struct pl_collateral_numbers numbers;
    struct pl_period tcb_info_chain, qe_identity_chain; /* certificates */
    struct pl_period tcb_info, qe_identity, root_crl, pck_crl;
    struct pl_span root_crl_der, pck_crl_der;
    bool platform_ca; /* the PCK CRL is that of the Platform CA, else of the Processor CA */
    uint8_t fmspc[6], pce_id[2];
    unsigned levels, qe_levels;
    struct pl_tcb_level level[PL_TCB_LEVELS_MAX];   /* descending */
    struct pl_qe_level qe_level[PL_TCB_LEVELS_MAX]; /* descending */
    uint8_t qe_misc_select[4], qe_misc_mask[4];
    uint8_t qe_attributes[16], qe_attributes_mask[16];
    uint8_t qe_mrsigner[32];
    uint16_t qe_prod_id;
};

/* Every signature of the collateral except the PCK CRL's (its key stands in the evidence's chain).
 * No time: periods are checked at each use. */
PL_CHECKED pl_err pl_collateral_verify(struct pl_crypto *c, const struct pl_roots *roots,
                                       struct pl_collateral *out,
                                       const struct pl_collateral_in *in);
/* From the earliest to the latest second at which all of it holds (without the PCK chain). */
struct pl_period pl_collateral_period(const struct pl_collateral *coll);
/* COLLATERAL_ROLLBACK when a number of it is lower than one that was seen. */
PL_CHECKED pl_err pl_collateral_follows(const struct pl_collateral *coll,
                                        const struct pl_collateral_numbers *seen);

/* ---- Verification --------------------------------------------------------------------------- */

/* What a PCK chain said, after it was verified against one collateral. */
struct pl_pck {
    struct pl_pub key;
    struct pl_period chain; /* all three certificates */
    bool platform_ca;       /* else Processor CA */
    bool has_instance_id, has_configuration;
    bool dynamic_platform, cached_keys, smt;
    uint8_t ppid[16], instance_id[16], fmspc[6], pce_id[2], components[16];
    uint16_t pce_svn;
};
enum { PL_CHAIN_CACHE_SLOTS = 16 };
/* Verdicts on platform chains, keyed by the digest of chain and collateral. Zeroed: empty. One
 * thread at a time. Time is checked at each use, so entries never grow stale. */
struct pl_chain_cache {
    unsigned next;
    struct pl_chain_slot {
        bool used;
        uint8_t chain[PL_SHA256_BYTES], collateral[PL_SHA256_BYTES]; /* digests */
        struct pl_pck pck;
    } slot[PL_CHAIN_CACHE_SLOTS];
};

struct pl_verifier {
    struct pl_crypto *crypto;
    const struct pl_roots *roots;
    const struct pl_collateral *collateral; /* array, newest first: the first that fits the platform
                                             * and is current is used */
    size_t collateral_n;
    struct pl_chain_cache *cache;       /* NULL: none */
    struct pl_interval now;             /* checks need both ends to hold */
    struct pl_collateral_numbers floor; /* lower numbers: COLLATERAL_ROLLBACK */
    /* TCB info, QE identity and PCK CRL are taken this long after their end, and claims.collateral
     * says so; profiles refuse that unless they name an age. Never certificates or the root CRL. */
    uint32_t grace_s;
    struct pl_span pck_chain; /* PEM, for quotes that carry no chain; empty: such are refused */
};

/* What the caller demands of the 64 bytes of report data. Zeroed: nothing passes. */
struct pl_report_data {
    bool unchecked;      /* only to print claims, or when the caller compares them itself */
    const uint8_t *want; /* 64 bytes, borrowed */
};
struct pl_report_data pl_report_data(const uint8_t want[static PL_REPORT_DATA_BYTES]);
struct pl_report_data pl_report_data_unchecked(void);

/* `host_readable`: the machine's host can read or fork its memory. A profile must name it. */
enum pl_memory { PL_MEMORY_NONE = 0, PL_MEMORY_ENCRYPTED, PL_MEMORY_HOST_READABLE };

struct pl_sgx_claims {
    uint8_t mrenclave[32], mrsigner[32];
    uint16_t isv_prod_id, isv_svn, config_svn;
    uint8_t config_id[64], family_id[16], ext_prod_id[16];
    uint8_t attributes[16], misc_select[4], cpu_svn[16]; /* as in the report */
    uint8_t fmspc[6], pce_id[2];
    uint16_t pce_svn;           /* of the PCK certificate */
    uint8_t tcb_components[16]; /* of the PCK certificate */
    bool has_instance_id;
    uint8_t instance_id[16];                        /* platform CA only */
    enum pl_tri dynamic_platform, cached_keys, smt; /* UNKNOWN where not stated */
};

/* Configuration of a vault or app inside its evidence: the `pleiad` entry of the signed claims. */
struct pl_pleiad_claims {
    uint8_t config_root[32];
    uint8_t vault_id[32];
    uint64_t epoch;
    int64_t not_before_s, not_after_s;
};

struct pl_claims {
    enum pl_tee tee;
    enum pl_trust trust;
    char name[PL_TEE_NAME_MAX + 1]; /* "sgx", "sim-sgx", "custom-<label>": what profiles name */
    char root_label[PL_LABEL_MAX + 1];
    uint8_t root_spki_sha256[PL_SHA256_BYTES];
    bool debug;
    uint32_t svn; /* of the program: SGX ISVSVN */
    enum pl_memory memory;
    uint8_t report_data[PL_REPORT_DATA_BYTES];
    size_t platform_id_n; /* SGX: the 16 bytes of the PPID */
    uint8_t platform_id[PL_PLATFORM_ID_MAX];
    struct {
        enum pl_tcb status;       /* converged: the worst of the parts */
        enum pl_tcb platform, qe; /* each by itself */
        int64_t date_s;           /* the oldest of the parts */
        unsigned advisories;      /* sorted, each once */
        char advisory[PL_ADVISORIES_MAX][PL_ADVISORY_BYTES + 1];
    } tcb;
    struct {
        int64_t issued_s;      /* the oldest of TCB info, QE identity, PCK CRL */
        int64_t next_update_s; /* the earliest end of these */
        bool stale;            /* past next_update_s, accepted only by grace_s */
        bool crl_stale;        /* the PCK CRL among them */
        struct pl_collateral_numbers numbers;
    } collateral;
    int64_t earliest_s, latest_s; /* all of it holds in between (without grace) */
    struct pl_sgx_claims sgx;     /* tee SGX */
    bool has_pleiad;              /* set only by attest/ratls.h: covered by report_data */
    struct pl_pleiad_claims pleiad;
};

/* Which TEE's format this is, by magic values alone; NONE when unknown. */
enum pl_tee pl_evidence_tee(struct pl_span evidence);
/* A quote may be followed by zeros, nothing else. */
PL_CHECKED pl_err pl_evidence_verify(const struct pl_verifier *v, struct pl_claims *out,
                                     struct pl_span evidence, struct pl_report_data expected);
/* The same program on the same kind of trust: TEE, root, measurement, debug, svn, platform. For the
 * session's evidence beside the certificate's. */
bool pl_claims_same_instance(const struct pl_claims *a, const struct pl_claims *b);

/* ---- Acceptance ----------------------------------------------------------------------------- */

enum pl_claim {
    PL_CLAIM_NONE = 0,
#define PL_CLAIM_ROW(name, text, tee, field) PL_CLAIM_##name,
#include "attest/claim.def"
#undef PL_CLAIM_ROW
    PL_CLAIM_COUNT
};
enum pl_claim pl_claim_parse(struct pl_span text); /* NONE when unknown */
const char *pl_claim_text(enum pl_claim claim);
size_t pl_claim_bytes(enum pl_claim claim); /* its length; 0 for NONE */
/* Empty when these claims are of another TEE. */
struct pl_span pl_claim_get(const struct pl_claims *claims, enum pl_claim claim);

enum {
    PL_PROFILE_MEASUREMENTS_MAX = 32,
    PL_PROFILE_PLATFORMS_MAX = 32,
    PL_PROFILE_ROOTS_MAX = 4,
    PL_PROFILE_CONFIG_ROOTS_MAX = 8,
    PL_PROFILE_CLAIMS_MAX = 8,
};

/* Which evidence is good enough. Flat, no pointers, about 8 KiB; copy freely. Zeroed it matches
 * nothing; pl_profile_init gives the defaults of an absent field (floor TCB, no debug, any platform
 * is NOT a default: say it). All that is listed must hold. */
struct pl_profile {
    char tee[PL_TEE_NAME_MAX + 1]; /* compared with claims.name */
    unsigned roots;                /* 0: for "sgx" the vendor's, else any of that name */
    unsigned mrenclaves, signers;  /* one match in either list is needed; both empty: no match */
    uint32_t min_svn;
    unsigned tcb; /* mask of PL_TCB_BIT; Revoked never passes */
    bool debug;   /* accept debug programs too */
    bool any_platform;
    bool host_readable; /* accept memory that the host can read */
    unsigned platforms;
    /* 0: collateral must be current. Else: claims.collateral.issued_s is at most this long
     * ago, whatever its own end; unknown time refuses. */
    uint32_t collateral_max_age_s;
    unsigned config_roots; /* 0: not asked. Else claims.pleiad.config_root is one of them */
    unsigned claims;
    /* The lists; everything before them is of one size. */
    uint8_t root_spki_sha256[PL_PROFILE_ROOTS_MAX][PL_SHA256_BYTES];
    uint8_t mrenclave[PL_PROFILE_MEASUREMENTS_MAX][32];
    struct pl_profile_signer {
        uint8_t mrsigner[32];
        uint16_t isv_prod_id;
    } signer[PL_PROFILE_MEASUREMENTS_MAX];
    struct pl_profile_platform {
        size_t n;
        uint8_t id[PL_PLATFORM_ID_MAX];
    } platform[PL_PROFILE_PLATFORMS_MAX];
    uint8_t config_root[PL_PROFILE_CONFIG_ROOTS_MAX][32];
    struct pl_profile_claim {
        enum pl_claim claim;
        uint8_t want[64]; /* the first pl_claim_bytes(claim) */
    } claim[PL_PROFILE_CLAIMS_MAX];
};

void pl_profile_init(struct pl_profile *p);
/* The same without the room that its lists do not use: for policies, of which a vault holds many.
 * In memory only; the form is this build's. */
void pl_profile_pack(struct pl_wr *out, const struct pl_profile *p);
/* Of bytes that pl_profile_pack wrote; allocates nothing. Past the end of a list *out is
 * undefined. */
void pl_profile_unpack(struct pl_profile *out, const uint8_t *packed);
/* PL_OK or the first reason of: PROFILE_TEE, PROFILE_ROOT, PROFILE_MEASUREMENT, PROFILE_SVN,
 * PROFILE_DEBUG, PROFILE_REVOKED, PROFILE_TCB, PROFILE_PLATFORM, PROFILE_MEMORY,
 * PROFILE_COLLATERAL, PROFILE_CONFIG_ROOT, PROFILE_CLAIM. */
PL_CHECKED pl_err pl_profile_match(const struct pl_claims *claims, const struct pl_profile *p,
                                   struct pl_interval now);
/* What is refused whoever asks, without a word on measurements: debug, a status outside the floor,
 * host-readable memory, stale collateral. For display: it is no permission. */
PL_CHECKED pl_err pl_accept_default(const struct pl_claims *claims);

#endif
