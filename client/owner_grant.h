/* The owner's file of a grant: all that an app needs to make keys in the owner's name at any of the
 * listed vaults, and to write descriptors that lead back to the owner. Made offline by
 * `pleiad grant issue`; used by the client library; no vault ever sees it.
 *
 *     {"candidates":[{"certificate":C,"grant":G,"owner_spki":K,"salt":S,"vault_id":V}, ...],
 *      "instance_id":I,"name":N,"owner":O,"owner_name":W,"pleiad_grant":1,"policy":{...}}
 *
 *   policy       the template: a whole policy document. At a vault its `salt` becomes S and the
 *                owner's key becomes the one with SPKI K (pl_grant_policy); nothing else differs
 *   owner_name   the member of principals.owner that is replaced
 *   owner        SPKI hash of the owner's root key: what an anchor pins
 *   instance_id  32 bytes, base64url: key id = HMAC-SHA-256(instance id, name of the key)
 *   name         what the owner calls it
 *   candidates   1 to PL_GRANT_VAULTS vaults in ascending order of vault_id, each with
 *     owner_spki   the owner's key at this vault, base64url. Unlinkable owners derive one per vault
 *                  (pl_owner_derive); with one key everywhere vaults can tell that they share one
 *     salt         16 random bytes, for this vault alone
 *     grant        the carrier of a pleiad-grant-1 that this owner key signed: one real target
 *                  here, with an id and a nonce of its own, so that nothing in what two vaults
 *                  receive is alike beside the policy's own content
 *     certificate  the carrier of {"instance_id":I,"owner":H(K),"root":O,"typ":"pleiad-owner-1",
 *                  "vault_id":V}, signed by the root: this is my key at that vault, for keys of
 *                  this instance. It goes into the descriptor and never to a vault. It has no end:
 *                  it says whose a key is, not what anybody may.
 * Times and counts are in the grants. A file that was altered is of no use to anyone: the policy is
 * covered by each grant's target, owner keys by their certificates, those by the anchor.
 */
#ifndef PL_CLIENT_OWNER_GRANT_H
#define PL_CLIENT_OWNER_GRANT_H

#include "policy/statement.h"

enum {
    PL_GRANT_VAULTS = 64,
    PL_GRANT_BYTES = 512 * 1024,
    PL_INSTANCE_ID_BYTES = 32,
};

/* The owner's key at a vault: HKDF-SHA-256(root key, info "pleiad owner key 1" || vault_id), of the
 * root's type. out is secret. */
PL_CHECKED pl_err pl_owner_derive(struct pl_crypto *c, struct pl_priv *out,
                                  const struct pl_priv *root, const uint8_t vault_id[static 32]);

/* key id of a key that an app makes: HMAC-SHA-256(instance id, name). */
PL_CHECKED pl_err pl_key_id(struct pl_crypto *c, uint8_t out[static 32],
                            const uint8_t instance_id[static PL_INSTANCE_ID_BYTES],
                            struct pl_span name);

/* What a certificate says: the root's key at a vault, for the keys of an instance or for one key.
 * With is_key the member is "key_id" instead of "instance_id". */
struct pl_owner_cert {
    bool is_key;
    uint8_t id[32]; /* instance id, or key id */
    uint8_t vault_id[32];
    uint8_t owner_sha256[32], root_sha256[32]; /* SPKI hashes */
};
/* Appends the carrier; root_sha256 is taken from the key that signs. */
PL_CHECKED pl_err pl_owner_cert_sign(struct pl_wr *out, struct pl_crypto *c,
                                     const struct pl_owner_cert *cert, const struct pl_priv *root);
/* Form, signature, and that the root it names is the key that signed. Compare all of *out with what
 * is expected: the anchor's owner and instance, the vault, the owner key that the vault states. */
PL_CHECKED pl_err pl_owner_cert_verify(struct pl_crypto *c, struct pl_owner_cert *out,
                                       struct pl_span carrier);

/* The template at one vault: canonical text of the policy with this salt and this owner key in the
 * place of `owner_name`. POLICY_NAME when the template has no such owner of kind `key`. */
PL_CHECKED pl_err pl_grant_policy(struct pl_wr *out, struct pl_span template,
                                  const char *owner_name, const uint8_t salt[static PL_SALT_BYTES],
                                  const uint8_t owner_sha256[static 32]);

/* ---- Making one (owner) --------------------------------------------------------------------- */

struct pl_grant_vault {
    uint8_t vault_id[32];
    uint8_t salt[PL_SALT_BYTES], nonce[PL_NONCE_BYTES], id[PL_GRANT_ID_BYTES]; /* fresh, random */
    const uint8_t *fill; /* PL_STATEMENT_FILL fresh random bytes */
};
struct pl_grant_order {
    const char *name, *owner_name;
    struct pl_span policy; /* template */
    uint8_t instance_id[PL_INSTANCE_ID_BYTES];
    enum pl_key_type type;
    const char *profile;      /* name of a profile in the template, or NULL and requester */
    const uint8_t *requester; /* SPKI hash of a client key */
    uint32_t count;
    int64_t iat_s, exp_s;
    const struct pl_grant_vault *vault; /* in ascending order of vault_id */
    size_t vaults;
    bool one_owner_key; /* the root signs everywhere: for keys that cannot be derived from */
};
PL_CHECKED pl_err pl_grant_issue(struct pl_wr *out, struct pl_crypto *c,
                                 const struct pl_grant_order *order, const struct pl_priv *root,
                                 struct pl_refusal *why);

/* ---- Using one (app) ------------------------------------------------------------------------ */

struct pl_grant_candidate {
    uint8_t vault_id[32], salt[PL_SALT_BYTES], owner_sha256[32];
    struct pl_pub owner;
    struct pl_span grant, certificate; /* carriers, borrowed from the file */
    int64_t exp_s;
};
struct pl_grant_file {
    uint8_t owner_sha256[32]; /* the root */
    uint8_t instance_id[PL_INSTANCE_ID_BYTES];
    char name[PL_POLICY_NAME + 1], owner_name[PL_POLICY_NAME + 1];
    struct pl_span policy; /* template, borrowed */
    size_t candidates;
    struct pl_grant_candidate candidate[PL_GRANT_VAULTS];
};
/* Reads and verifies all of it: every certificate and grant, that each grant's target covers the
 * policy of its vault, that all lead to one root. Compare owner_sha256 and instance_id with the
 * anchor. GRANT_FILE for what does not fit together, else the error of the part. About 20 KiB. */
PL_CHECKED pl_err pl_grant_read(struct pl_crypto *c, struct pl_grant_file *out,
                                struct pl_span text);

#endif
