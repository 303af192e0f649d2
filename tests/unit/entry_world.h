/* A vault on simulated hardware and its entry, all in memory: for tests of entries. */
#ifndef PL_TESTS_ENTRY_WORLD_H
#define PL_TESTS_ENTRY_WORLD_H

#include "attest/entry.h"
#include "daemons/simd/fixture.h"
#include "test.h"

extern int64_t entry_t0; /* the present of the world; set it before entry_hw */
extern int64_t entry_collateral_end;

/* The hardware: one platform, its collateral, a verifier that trusts its root as "sim-sgx". */
struct entry_hw {
    struct pl_crypto *c;
    struct pl_fx_world fx;
    struct pl_wr file[6];
    struct pl_collateral coll;
    struct pl_roots roots;
    struct pl_verifier v; /* its present is entry_t0 */
};

struct entry_vault {
    struct pl_priv identity, use[PL_USES], leaf_key;
    struct pl_vault_self self;
    struct pl_wr key_list, leaf;
    struct pl_api_vault_entry m; /* what its entry says */
    char measurement[65];
};

bool entry_hw(struct entry_hw *w); /* once */
/* A vault whose keys come from `seed`; its leaf began at entry_t0 - 300 and is valid for a day. */
bool entry_vault(struct entry_vault *v, struct entry_hw *w, uint64_t seed);
/* A new leaf for it, with a configuration root of these bytes. */
bool entry_leaf(struct entry_vault *v, struct entry_hw *w, uint8_t config);
void entry_vault_free(struct entry_vault *v);
/* v->m signed by its registry key, in `out` (emptied before). */
bool entry_sign(struct entry_vault *v, struct entry_hw *w, struct pl_wr *out);
/* Any statement signed by any key: what pl_vault_entry_make would refuse to make. */
bool entry_sign_text(struct entry_hw *w, struct pl_wr *out, const struct pl_priv *key,
                     struct pl_span statement);

#endif
