/* What a vault says about itself to whoever looks for vaults: the entry that registries hand on and
 * that static files hold. Made by the vault; read and verified the same way by registries and
 * clients, because nobody believes a registry.
 *
 * An entry is a carrier (attest/identity.h) of the api message vault_entry, signed by the registry
 * key of the key list inside it. What ties it together:
 *
 *     hardware -> evidence -> claims {vault_id, config_root} -> identity key -> key list
 *              -> registry key -> every other field of the entry
 *              -> attestation key -> the certificate that carries the evidence
 *
 * The certificate lives for a day and an entry for two or more, so its own dates are compared with
 * the entry's beginning, not with the present: evidence was fresh when the entry was signed. The
 * evidence itself (its platform's certificates, revocation, TCB) must hold now.
 *
 * What an entry does not prove: that its endpoints and labels are true (the channel shows whom an
 * endpoint belongs to; labels are the operator's word), and that it is the newest. Whether the
 * claims are good enough is for a profile to say, as always.
 */
#ifndef PL_ATTEST_ENTRY_H
#define PL_ATTEST_ENTRY_H

#include "api/api.h"
#include "attest/identity.h"
#include "attest/ratls.h"

enum {
    PL_VAULT_ENTRY_MAX = PL_LIMIT_REGISTRY_BODY_BYTES, /* the carrier */
    PL_VAULT_ENTRY_LIFE_S = 48 * 3600,                 /* not_after - not_before unless told */
    PL_VAULT_ENTRY_LIFE_MAX_S = PL_LIMIT_ENTRY_S,
    PL_VAULT_ENTRY_SCRATCH = 64 * 1024, /* enough for pl_vault_entry_read */
};

/* An entry whose signatures hold. Borrows carrier and scratch. */
struct pl_vault_entry {
    struct pl_api_vault_entry said;
    struct pl_vault_self self; /* the keys of the vault */
    struct pl_ratls cert;      /* parsed, its evidence NOT verified */
};

/* Form and signatures, nothing about evidence or time: enough to look at vault_id and serial, never
 * enough to use an entry. CARRIER_*, KEY_*, JSON_*, RATLS_*, SIGNATURE; ENTRY_SIGNER, ENTRY_VALUE
 * (a field that cannot be: period, endpoint, label, measurement), LEAF_PROOF. */
PL_CHECKED pl_err pl_vault_entry_read(struct pl_crypto *c, struct pl_vault_entry *out,
                                      struct pl_span carrier, struct pl_arena *scratch);

/* The whole of it: read, then evidence, what it binds, and that v->now is inside the entry's
 * period. *claims is what profiles judge; its earliest_s and latest_s are those of evidence and
 * entry together. Besides the above and those of pl_ratls_verify: ENTRY_EXPIRED (outside its
 * period), ENTRY_CLAIMS (vault_id, config_root, tee or measurement differ from the evidence's).
 * Both outputs are zeroed on error. */
PL_CHECKED pl_err pl_vault_entry_verify(const struct pl_verifier *v, struct pl_vault_entry *out,
                                        struct pl_claims *claims, struct pl_span carrier,
                                        struct pl_arena *scratch);

/* The measurement that entries are searched by, as bytes: SGX MRENCLAVE. Empty for others. */
struct pl_span pl_claims_measurement(const struct pl_claims *claims);
/* host:port, host a name, an IPv4 address or [an IPv6 address]; and name=value: the name of a-z 0-9
 * . _ -, the value printable ASCII without space, quote, backslash, '&', '%', '+' and '#'. */
bool pl_endpoint_ok(struct pl_span text);
bool pl_label_ok(struct pl_span text);

/* The vault's side: appends the carrier. The fields are the caller's; those that read would refuse
 * are refused here (ENTRY_VALUE). `registry` is the private key that key_list names. */
PL_CHECKED pl_err pl_vault_entry_make(struct pl_crypto *c, struct pl_wr *out,
                                      const struct pl_api_vault_entry *m,
                                      const struct pl_priv *registry);

/* The vault takes its entry back: message vault_leave, typ pleiad-leave-1. `registry` is
 * the registry key of the entry that is listed: another signer is ENTRY_SIGNER. Whose vault_id and
 * which serial is for the caller to compare. */
PL_CHECKED pl_err pl_vault_leave_make(struct pl_crypto *c, struct pl_wr *out,
                                      const struct pl_api_vault_leave *m,
                                      const struct pl_priv *registry);
PL_CHECKED pl_err pl_vault_leave_read(struct pl_crypto *c, struct pl_api_vault_leave *out,
                                      const struct pl_pub *registry, struct pl_span carrier);

#endif
