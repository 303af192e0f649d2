/* Folders of ../shared/vectors as the attestation tests use them. */
#ifndef PL_TESTS_KAT_VECTORS_H
#define PL_TESTS_KAT_VECTORS_H

#include "attest/ratls.h"
#include "attest/x509.h"
#include "tests/test.h"

/* One folder: evidence, collateral, root, and what expected.json says. */
struct vector {
    char dir[512];
    struct pl_span quote, pck_chain, test_root; /* the latter two may be empty */
    struct pl_collateral_in in;
    char result[16], code[64], tcb_status[48], fmspc[16], mrenclave[72], mrsigner[72];
    char attributes[40], report_data[136];
    unsigned advisories;
    char advisory[32][40];
    bool has_debug, debug, has_prod, has_period;
    uint64_t isv_prod_id, isv_svn, eval[2];
    int64_t at, tcb_date, valid_from, valid_to;
};

/* False when the folder cannot be read. */
bool vector_load(struct vector *v, const char *dir);
/* Calls f for each folder below `group` (in ../shared) whose name starts with one
 * of the prefixes (space between them; "" is all), in order; the number of folders. */
unsigned vector_each(const char *group, const char *prefixes, void (*f)(const char *dir));
/* Under these roots, at this time. */
pl_err vector_verify(const struct vector *v, const struct pl_roots *roots, int64_t at,
                     struct pl_claims *out);
/* The roots a vector asks for: its own test root, or those compiled in. */
pl_err vector_roots(const struct vector *v, struct pl_roots *out);
/* One or several of our codes for a code of expected.json. */
bool vector_code_fits(const char *code, enum pl_code ours);
/* A PEM certificate as DER, from malloc. */
struct pl_span vector_der(struct pl_span pem);
struct pl_crypto *vector_crypto(void);

#endif
