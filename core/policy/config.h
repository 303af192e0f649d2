/* A vault's configuration: one document for all vaults of an operator, signed by its configuration
 * authority, adopted at birth as the first thing in the log. What a vault believes stands here and
 * nowhere else: roots of attestation, source of time, who may create keys, limits.
 *
 *     {"pleiad_config":1, "serial":1, "name":"...",
 *      "authority":{"at_least":1,"keys":[SPKI...]},
 *      "create":{"allow":[{"kind":"key","spki_sha256":HEX}, {"kind":"anyone"}],
 *                "keys_per_owner":10000, "keys_of_anyone":10000},
 *      "time":"host",
 *      "witnesses":{"f":0,"list":[]},
 *      "roots":[{"label":"dev","tee":"sgx","trust":"dev","cert":DER}],
 *      "limits":{"keys":1000000},
 *      "issuers":[{"issuer":URL, "audience":"...", "keys":[JWK]}]}
 *
 * roots, limits and issuers (policy/jwt.h) may be absent: none beyond what is built in. SPKI and
 * DER in base64url. It travels as
 * {"config":{...},"signatures":[{"spki":K,"signature":S}]}, S over "pleiad config 1\0" || canonical
 * config.
 *
 * config_root = SHA-256("pleiad config root 1\0" || for each leaf in the order of names: u8 length
 * of the name, name, SHA-256(canonical value)). Leaves are the top-level members. Clients pin the
 * root; a key can be locked by leaves that changed.
 */
#ifndef PL_POLICY_CONFIG_H
#define PL_POLICY_CONFIG_H

#include "attest/attest.h"
#include "policy/jwt.h"

enum {
    PL_CONFIG_BYTES = 128 * 1024, /* the signed document */
    PL_CONFIG_AUTHORITY_MAX = 16,
    PL_CONFIG_ALLOW_MAX = 1024,
    PL_CONFIG_KEYS_MAX = 1000000,
    /* Keys of one owner, and keys that `anyone` alone let be made, where the document says nothing
     */
    PL_CONFIG_OWNER_KEYS = 10000,
};

enum pl_time_source { PL_TIME_NONE = 0, PL_TIME_HOST };
enum { PL_TIME_HOST_SKEW_S = 300 }; /* time: host is the host's clock plus or minus this */

struct pl_config {
    uint32_t refs; /* counted; touched under the vault's mutex only */
    uint8_t root[32];
    uint64_t serial;
    char name[64];
    enum pl_time_source time;
    bool anyone; /* may create */
    unsigned allowed;
    uint8_t allow[PL_CONFIG_ALLOW_MAX][32]; /* SPKI hashes, ascending */
    uint64_t keys_max, keys_per_owner, anyone_keys;
    struct pl_roots roots; /* the vendors' compiled in, then these */
    struct pl_issuers issuers;
    struct pl_span text; /* the signed document */
    /* private: backing memory */
    void *text_owned, *cert[PL_ROOTS_MAX];
    unsigned certs;
};

/* Verifies and compiles. `signed_doc` is copied. out_pointer (PL_JSON_POINTER_MAX bytes, may be
 * NULL) names the offender. Errors: JSON_*, CONFIG_VALUE, CONFIG_BUILD (a leaf that this build does
 * not know how to keep), CONFIG_SIGNATURES (fewer than at_least of its own authority's keys
 * signed), ROOT_*, NO_MEMORY. One reference is the caller's. */
PL_CHECKED pl_err pl_config_load(struct pl_config **out, struct pl_crypto *c,
                                 struct pl_span signed_doc, char *out_pointer);
void pl_config_get(struct pl_config *cfg);
void pl_config_put(struct pl_config *cfg); /* NULL allowed */
/* Is it in create.allow by its hash? `anyone` is not asked. */
bool pl_config_lists(const struct pl_config *cfg, const uint8_t spki_sha256[static 32]);

/* The operator's side: signs the canonical form of `config` with `keys` and appends the document.
 */
PL_CHECKED pl_err pl_config_sign(struct pl_crypto *c, struct pl_wr *out, struct pl_span config,
                                 const struct pl_priv *keys, size_t n);
/* The root of a canonical configuration document, for whoever pins it. */
PL_CHECKED pl_err pl_config_root(struct pl_crypto *c, uint8_t out[static 32],
                                 struct pl_span config);

#endif
