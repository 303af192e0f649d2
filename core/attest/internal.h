/* Shared inside core/attest only. */
#ifndef PL_ATTEST_INTERNAL_H
#define PL_ATTEST_INTERNAL_H

#include "attest/x509.h"

/* What a TEE brings: one of these, its line in tee.def, its lines in attest.c's builtin roots. */
struct pl_tee_ops {
    /* Everything but the report data, which the caller of the table compares. */
    pl_err (*verify)(const struct pl_verifier *v, struct pl_claims *out, struct pl_span evidence);
    pl_err (*collateral)(struct pl_crypto *c, const struct pl_roots *roots,
                         struct pl_collateral *out, const struct pl_collateral_in *in);
    /* As the evidence states it, nothing verified. */
    pl_err (*report_data)(struct pl_span evidence, uint8_t out[static PL_REPORT_DATA_BYTES]);
    bool (*is_mine)(struct pl_span evidence); /* by magic values alone */
};
extern const struct pl_tee_ops pl_tee_sgx;
const struct pl_tee_ops *pl_tee_ops(enum pl_tee tee); /* NULL: not in this build */

/* The trusted root with this key for this TEE; NULL when there is none. */
const struct pl_root *pl_root_find(const struct pl_roots *roots, enum pl_tee tee,
                                   struct pl_span spki);

/* The common name is "Intel <want>"; under roots other than Intel's, another word may stand first.
 */
bool pl_sgx_name_is(enum pl_trust trust, struct pl_span name, const char *want);
/* Is it the root that this collateral leads to? By key. */
bool pl_root_is(const struct pl_collateral *coll, const struct pl_root *root);

/* A DCAP quote in its parts; spans borrow. */
struct pl_quote {
    unsigned version;
    struct pl_span report; /* 384 bytes: the enclave's */
    struct pl_span signed_part;
    struct pl_span sig, ak;   /* 64 bytes each */
    struct pl_span qe_report; /* 384 */
    struct pl_span qe_sig, qe_auth;
    unsigned cert_type;
    struct pl_span cert_data;
};
enum { PL_CERT_PCK_CHAIN = 5, PL_CERT_QE_REPORT = 6 };
PL_CHECKED pl_err pl_quote_parse(struct pl_quote *out, struct pl_span in);
bool pl_quote_magic(struct pl_span in);

/* Fields of an SGX report (384 bytes) by their offsets; source: Intel SDM 38.15. */
enum {
    PL_REPORT_CPU_SVN = 0,
    PL_REPORT_MISC_SELECT = 16,
    PL_REPORT_EXT_PROD_ID = 32,
    PL_REPORT_ATTRIBUTES = 48,
    PL_REPORT_MRENCLAVE = 64,
    PL_REPORT_MRSIGNER = 128,
    PL_REPORT_CONFIG_ID = 192,
    PL_REPORT_PROD_ID = 256,
    PL_REPORT_SVN = 258,
    PL_REPORT_CONFIG_SVN = 260,
    PL_REPORT_FAMILY_ID = 304,
    PL_REPORT_DATA = 320,
    PL_REPORT_BYTES = 384,
};

PL_CHECKED pl_err pl_sgx_collateral(struct pl_crypto *c, const struct pl_roots *roots,
                                    struct pl_collateral *out, const struct pl_collateral_in *in);
/* The signed JSON of a collateral into its fields; `inner` are the bytes the signature covers. */
PL_CHECKED pl_err pl_tcb_info_parse(struct pl_collateral *out, struct pl_span inner);
PL_CHECKED pl_err pl_qe_identity_parse(struct pl_collateral *out, struct pl_span inner);
/* {"<name>": <object>, "signature": "<128 hex>"} with nothing else. */
PL_CHECKED pl_err pl_signed_json(struct pl_span in, const char *name, struct pl_span *out_inner,
                                 uint8_t out_sig[static PL_P256_SIG_BYTES]);
/* Adds the ids of a JSON array to the claims: sorted, each once. */
PL_CHECKED pl_err pl_advisories_add(struct pl_claims *out, struct pl_span array);

/* The PCK leaf's SGX extension. */
PL_CHECKED pl_err pl_pck_extension(struct pl_pck *out, const struct pl_cert *leaf);
/* The chain of a quote against a collateral, through the cache. *out_coll: the one that was used.
 */
PL_CHECKED pl_err pl_pck_verify(const struct pl_verifier *v, struct pl_pck *out,
                                const struct pl_collateral **out_coll, struct pl_span pem);

/* Intel SGX Root CA; its key is the same in every chain Intel has issued. */
extern const uint8_t pl_sgx_root_spki[PL_P256_SPKI_BYTES];

#endif
