/* What a process believes about TEEs: pinned roots and the collateral on its disk.
 *
 * A collateral folder holds the files of one platform family, or sub-folders that do:
 *     tcb_info.json  tcb_info_issuer_chain.pem  qe_identity.json  qe_identity_issuer_chain.pem
 *     pck_crl.der  root_ca_crl.der
 * Collateral is signed: whoever can write the folder can make verification fail, and bring back an
 * older one that is still in date at a start; never make false evidence true.
 */
#ifndef PL_PLATFORM_TRUST_TRUST_H
#define PL_PLATFORM_TRUST_TRUST_H

#include "attest/attest.h"

enum { PL_TRUST_FOLDERS = 8 };

/* Immutable once loaded; any number of threads may read it. */
struct pl_trust_set {
    struct pl_roots roots; /* borrowed keys: whoever gave them keeps them */
    size_t n;
    struct pl_collateral collateral[PL_TRUST_FOLDERS];
    struct pl_wr mem[PL_TRUST_FOLDERS];
    struct pl_trust_set *older; /* what was in force before, for whoever still looks at it */
};

/* Loads and verifies the folder (NULL: none, and then no evidence verifies) under these roots.
 * out_bad (may be NULL) names the folder or file that failed; it is valid until the next call of
 * this thread. NULL out on error. TRUST_EMPTY when there is no collateral in it, TRUST_TWICE when
 * two folders are for one platform family, FILE_*, and those of pl_collateral_verify. */
PL_CHECKED pl_err pl_trust_load(struct pl_trust_set **out, struct pl_crypto *c,
                                const struct pl_roots *roots, const char *dir,
                                const char **out_bad);
/* Reads the folder again; what differs is in force from now on. On an error what was goes on:
 * a folder that is being written is tried again later. COLLATERAL_ROLLBACK when something in it is
 * older than it was before. One thread at a time; any may read *set. */
PL_CHECKED pl_err pl_trust_renew(struct pl_trust_set *_Atomic *set, struct pl_crypto *c,
                                 const char *dir, const char **out_bad);
void pl_trust_free(struct pl_trust_set *t); /* NULL allowed */
/* A verifier over it for one thread; cache may be NULL. */
struct pl_verifier pl_trust_verifier(const struct pl_trust_set *t, struct pl_crypto *c,
                                     struct pl_chain_cache *cache, struct pl_interval now);

#endif
