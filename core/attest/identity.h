/* Who a vault is, beyond its measurement: its identity key, the keys that one lists, and what they
 * sign. Both sides: the vault makes these objects, clients, registries and other vaults read them.
 *
 * vault_id = SHA-256 of the identity's SPKI. The identity key signs one thing, the key list. Each
 * listed key has one use, and every object that a vault signs begins with its own label or carries
 * its own typ, in the text and in the signed header.
 */
#ifndef PL_ATTEST_IDENTITY_H
#define PL_ATTEST_IDENTITY_H

#include "attest/carrier.h"

enum {
    PL_KEY_LIST_BYTES = 2048,
    PL_LEAF_PROOF_BYTES = PL_KEY_LIST_BYTES + 128,
};

/* ---- the key list ------------------------------------------------------------------------------
 */

enum pl_vault_use { PL_USE_ATTESTATION = 0, PL_USE_LOG, PL_USE_REGISTRY, PL_USE_WITNESS, PL_USES };

/* Public keys of a vault (all P-256). */
struct pl_vault_self {
    uint8_t vault_id[PL_SHA256_BYTES];
    struct pl_pub identity, use[PL_USES];
};

/* A carrier of typ "pleiad-keys-1", signed by the identity key: {"attestation":SPKI,"epoch":1,
 * "log":SPKI,"registry":SPKI,"typ":...,"vault_id":hex,"witness":SPKI}, SPKIs in base64url. */
PL_CHECKED pl_err pl_key_list_make(struct pl_crypto *c, struct pl_wr *out,
                                   const struct pl_vault_self *self,
                                   const struct pl_priv *identity);
/* KEY_LIST unless it is well formed, names this vault_id, and the key it names signed it. */
PL_CHECKED pl_err pl_key_list_read(struct pl_crypto *c, struct pl_vault_self *out,
                                   const uint8_t vault_id[static PL_SHA256_BYTES],
                                   struct pl_span carrier);

/* ---- the leaf proof ----------------------------------------------------------------------------
 * Second extension of a vault's leaf certificate, OID pl_leaf_oid: vec key list (32-bit length,
 * bytes), then 64 bytes of the attestation key's signature over "pleiad leaf 1\0" ||
 * SHA-256(leaf SPKI) || u64 epoch || i64 not_after; integers big endian. epoch and not_after are
 * those of the `pleiad` claims in the same leaf. */
struct pl_span pl_leaf_oid(void); /* 2.25.<UUID>, content bytes */

struct pl_leaf {
    uint8_t spki_sha256[32];
    uint64_t epoch;
    int64_t not_after_s;
};
PL_CHECKED pl_err pl_leaf_proof_make(struct pl_crypto *c, struct pl_wr *out,
                                     struct pl_span key_list, const struct pl_priv *attestation,
                                     const struct pl_leaf *leaf);
/* LEAF_PROOF (or KEY_LIST) unless the vault of this id vouches for this leaf; its keys go to out.
 */
PL_CHECKED pl_err pl_leaf_proof_read(struct pl_crypto *c, struct pl_vault_self *out,
                                     const uint8_t vault_id[static PL_SHA256_BYTES],
                                     struct pl_span proof, const struct pl_leaf *leaf);

#endif
