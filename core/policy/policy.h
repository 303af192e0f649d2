/* Policies: a JSON document per key, compiled once, asked for every operation.
 *
 * Load: text in, an immutable struct pl_policy or one refusal out, with the JSON pointer of the
 * offender and what to do. Closed: an unknown field, name or kind refuses; what the schema knows
 * and this build does not is refused by name; nothing is ignored. Total: no loops, no functions.
 * Evaluate: pure, allocates nothing, at most PL_POLICY_RULES rules of PL_POLICY_NODES conditions in
 * all. The lists groups, kinds, conditions and guards are .def tables in this folder.
 *
 *     struct pl_policy *p;
 *     struct pl_refusal why;
 *     PL_TRY(pl_policy_load(&p, crypto, text, &why));
 *     struct pl_facts f;
 *     pl_policy_facts(&f, p, &caller);
 *     f.op = PL_OP_EXPORT;
 *     struct pl_decision d = pl_policy_evaluate(p, &f, NULL);
 *     if (d.verdict == PL_ALLOW) ...
 *
 * Who may is all that is decided here. State, expiry, type and usage come after (key/key.h,
 * pl_policy_expired). A loaded policy is read-only: any number of threads may share it.
 */
#ifndef PL_POLICY_POLICY_H
#define PL_POLICY_POLICY_H

#include "attest/attest.h"
#include "key/key.h"

enum {
    PL_POLICY_BYTES = 64 * 1024, /* the document, as received and in canonical form */
    PL_POLICY_PRINCIPALS = 64,   /* all groups together */
    PL_POLICY_PROFILES = 32,
    PL_POLICY_VAULT_PROFILES = 32,
    PL_POLICY_RULES = 64,
    PL_POLICY_NODES = 256, /* conditions of all rules together */
    PL_POLICY_NESTING = 5, /* all / any / not inside each other */
    PL_POLICY_NAME = 31,   /* a name: a-z A-Z 0-9 - _ . and no other byte, 1 to 31 of them */
    PL_SALT_BYTES = 16,
    PL_POLICY_WORDS = 256, /* names and addresses in principals and conditions together */
    PL_POLICY_QUOTAS = 16,
    PL_POLICY_APPROVALS = 16, /* of one request: as many as it has statements */
    PL_POLICY_ROLES = 32,     /* conditions that name roles of an OIDC issuer */
    PL_POLICY_STEPS = 32,     /* conditions `step_up` */
    PL_POLICY_VAULTS = 32,    /* conditions `vault` */
    PL_SIGNER_ROLES = 32,
    PL_SIGNER_AMR = 8,
};

/* ---- Loading -------------------------------------------------------------------------------- */

struct pl_policy; /* one allocation of about the document's size, and 40 bytes a principal or rule
                   */

/* Why a document was refused. */
struct pl_refusal {
    char pointer[PL_JSON_POINTER_MAX]; /* RFC 6901; "" is the whole document */
    char text[256];                    /* a sentence: what is wrong and what to write instead */
};

/* NULL out on error. Errors: JSON_* for form; POLICY_NAME unknown name, POLICY_BUILD known but not
 * in this build, POLICY_TWICE one thing under two names, POLICY_VALUE a value that cannot be,
 * POLICY_LIMIT, POLICY_WEAK a guard that gives away more than it guards, POLICY_UNUSABLE nobody
 * could ever use or change the key; NO_MEMORY. why may be NULL. */
PL_CHECKED pl_err pl_policy_load(struct pl_policy **out, struct pl_crypto *c, struct pl_span text,
                                 struct pl_refusal *why);
void pl_policy_free(struct pl_policy *p); /* NULL allowed */

/* The canonical document (RFC 8785), and its identity: SHA-256 of it. Borrowed from p. */
struct pl_span pl_policy_text(const struct pl_policy *p);
const uint8_t *pl_policy_sha256(const struct pl_policy *p); /* 32 bytes */

/* One profile document (a member of `profiles`, or a file of `pleiad sim measure`) compiled. Also
 * its identity, SHA-256 of its canonical form (out_sha256 may be NULL). */
PL_CHECKED pl_err pl_profile_load(struct pl_profile *out, uint8_t *out_sha256, struct pl_crypto *c,
                                  struct pl_span text, struct pl_refusal *why);

enum pl_group {
    PL_GROUP_NONE = 0,
#define PL_GROUP(name, word, rules) PL_GROUP_##name,
#include "policy/group.def"
#undef PL_GROUP
    PL_GROUP_COUNT
};

const char *pl_group_word(enum pl_group g); /* "managers"; "none" otherwise */

enum pl_kind {
    PL_KIND_NONE = 0,
#define PL_KIND(name, word, mark) PL_KIND_##name,
#include "policy/kind.def"
#undef PL_KIND
    PL_KIND_COUNT
};

/* Texts of the document, in its order. Private. */
struct pl_words {
    uint16_t at, n;
};

/* A principal as the document names it. Bit i of a set of principals is the i-th of these. */
struct pl_principal {
    enum pl_group group;
    enum pl_kind kind;
    char name[PL_POLICY_NAME + 1];
    uint8_t spki_sha256[32]; /* KEY, PASSKEY: of its key; CERTIFICATE: of its CA's */
    uint32_t profiles;       /* TEE: a set of profiles, any of which is enough */
    uint32_t packed_at;      /* PASSKEY; private */
    /* Private. CERTIFICATE: its name. PASSKEY: origins, then rp_id. OIDC: issuer, sub. ROLES:
     * issuer, then roles. */
    struct pl_words words;
    bool bare_bearer;
};
size_t pl_policy_principals(const struct pl_policy *p);
const struct pl_principal *pl_policy_principal(const struct pl_policy *p, size_t i); /* asserted */
uint64_t pl_policy_group(const struct pl_policy *p, enum pl_group g); /* its members */
unsigned pl_policy_owner_quorum(const struct pl_policy *p);           /* absent: every owner */

size_t pl_policy_profiles(const struct pl_policy *p);
const char *pl_policy_profile_name(const struct pl_policy *p, size_t i);
const uint8_t *pl_policy_profile_sha256(const struct pl_policy *p, size_t i); /* 32 bytes */
/* Allocates and parses nothing: it was compiled when the policy was loaded. */
void pl_policy_profile(const struct pl_policy *p, size_t i, struct pl_profile *out);

/* What must be known of time before such a key exists. */
enum pl_policy_time { PL_POLICY_TIME_ANY = 0, PL_POLICY_TIME_HOST, PL_POLICY_TIME_WITNESSED };
struct pl_lifecycle {
    int64_t expires_s; /* INT64_MAX: never */
    unsigned replicas; /* 1 */
    bool recoverable;  /* may be in backups */
    bool sealed;       /* nobody changes this policy */
    /* WITNESSED: a vault whose time is its host's clock must refuse to create the key. */
    enum pl_policy_time time;
};
const struct pl_lifecycle *pl_policy_lifecycle(const struct pl_policy *p);
/* A key is usable only when this is FALSE. */
enum pl_tri pl_policy_expired(const struct pl_policy *p, struct pl_interval now);

/* At most `max` uses in `per_s` seconds: of the key, or of each principal through whom a rule
 * allows them. */
struct pl_quota {
    char id[PL_POLICY_NAME + 1];
    uint64_t ops; /* a set of operations */
    uint32_t max, per_s;
    bool by_principal;
};
/* What is kept of one quota by key, or of one by principal and one principal. Zeroed: not used. */
struct pl_quota_use {
    int64_t begin_s; /* of the window, which the first use in it begins */
    uint32_t used;
};
size_t pl_policy_quotas(const struct pl_policy *p);
const struct pl_quota *pl_policy_quota(const struct pl_policy *p, size_t i); /* asserted */
/* Is one more use within it? */
enum pl_tri pl_quota_room(const struct pl_quota *q, const struct pl_quota_use *use,
                          struct pl_interval now);
/* Counts one more use. pl_quota_room was TRUE. */
void pl_quota_charge(const struct pl_quota *q, struct pl_quota_use *use, struct pl_interval now);

/* ---- Facts ---------------------------------------------------------------------------------- */

enum pl_proof_form { PL_PROOF_NONE = 0, PL_PROOF_JWS, PL_PROOF_PASSKEY, PL_PROOF_OIDC };

/* Who proved to have signed one statement, or holds a token; no policy was asked yet. Spans borrow
 * from the request. Zeroed: nobody. */
struct pl_signer {
    enum pl_proof_form form;
    /* Counted once. JWS and PASSKEY: SHA-256 of the key's SPKI. OIDC: of "pleiad oidc 1\0" || u32
     * length of iss || iss || sub. */
    uint8_t authenticator[32];
    uint8_t issuer[32]; /* what per_issuer counts. OIDC: SHA-256(iss); else the authenticator */
    /* PASSKEY; present and verified, both: otherwise there is no signer */
    uint8_t rp_id_sha256[32];
    struct pl_span credential_id, origin;
    uint32_t sign_count;
    /* OIDC */
    struct pl_span iss, sub, role[PL_SIGNER_ROLES], amr[PL_SIGNER_AMR];
    size_t roles, amrs;
    int64_t auth_time_s; /* INT64_MIN: not told */
    /* A token bound to nothing, good for whoever received it: describe and read_policy, where the
     * principal says bare_bearer. */
    bool bare;
    int64_t iat_s; /* of the statement */
};

/* The certificate of the TLS client key, issued by a CA whose signature was verified. Borrowed. */
struct pl_certified {
    const uint8_t (*ca_sha256)[32]; /* SPKI hashes of the CAs of its chain */
    size_t cas;
    const struct pl_span *san; /* "dns:NAME", "uri:URI", "email:ADDRESS" */
    size_t sans;
};

/* What a vault knows of itself. Zeroed: nothing, so that conditions on it are unknown. */
struct pl_vault_facts {
    struct pl_span vendor;       /* of its TEE, as attested; empty: not known */
    const struct pl_span *label; /* "NAME=VALUE", as in its configuration root */
    size_t labels;
    bool labels_known;
};

/* What was proved about whoever asks, before any key is looked up. Borrowed. */
struct pl_caller {
    const uint8_t *client_spki_sha256;    /* the TLS client key; NULL: none */
    const struct pl_certified *certified; /* its certificate; NULL: of no CA */
    const struct pl_claims *claims;       /* from session-bound evidence; NULL: none */
    const struct pl_signer *token;        /* the connection's OIDC token; NULL: none */
    const struct pl_signer *request;      /* whose verified request covers this very act */
    size_t requests;
    const struct pl_signer *approval; /* whose verified approval does: never principals by it */
    size_t approvals;                 /* those behind the first PL_POLICY_APPROVALS do not count */
    const uint8_t (*consent_sha256)[32]; /* keys whose verified grant covers this very birth */
    size_t consents;
    const struct pl_vault_facts *vault; /* NULL: nothing is known */
    struct pl_interval now;
};

/* Fields that a change of policy touches, and acts that `mutability` rules: sets of 1 << guard. */
enum pl_guard {
    PL_GUARD_NONE = 0,
#define PL_GUARD(name, word, field, absent) PL_GUARD_##name,
#include "policy/guard.def"
#undef PL_GUARD
    PL_GUARD_COUNT
};

/* One approval, as far as this policy knows its signer. */
struct pl_approval_fact {
    uint64_t who;                  /* the principals that the signer is */
    uint8_t authenticator, issuer; /* numbers within these facts: equal exactly when they are */
    bool own;                      /* its authenticator is one of the requester's */
    int64_t iat_s;
};

/* One request that the caller signed himself for this act, by a principal of this policy. */
struct pl_step_fact {
    uint32_t fits; /* the step_up conditions that such a proof, if fresh, satisfies */
    int64_t at_s;  /* the tap, or the login at the issuer */
};

/* All that an evaluation sees. Zeroed: nobody, nothing known, no operation. */
struct pl_facts {
    enum pl_op op;
    struct pl_interval now; /* earliest > latest counts as unknown */
    uint64_t is, maybe;     /* principals: proved; neither proved nor disproved */
    uint64_t bare;          /* principals by a bare token: to describe and read_policy */
    uint64_t consent;       /* owners that agreed to this birth by a grant */
    uint32_t profile_is, profile_maybe; /* profiles that the caller's claims satisfy */
    uint32_t changes;                   /* update_policy: guards of the fields that change */
    bool narrows;                       /* update_policy: it is certain that it only takes away */
    uint32_t role_is;                   /* `role` conditions of an issuer that hold */
    uint32_t vault_is, vault_maybe;     /* `vault` conditions: hold; are not known */
    /* Quota i has room for these principals; neither known to have nor not to have. One `by` key
     * has it for all or for nobody. */
    uint64_t room_is[PL_POLICY_QUOTAS], room_maybe[PL_POLICY_QUOTAS];
    unsigned approvals, steps;
    struct pl_approval_fact approval[PL_POLICY_APPROVALS];
    struct pl_step_fact step[PL_POLICY_APPROVALS];
};

/* Matches a caller with the principals of p. op is left NONE, changes empty and what quotas leave
 * unknown. Neither a grant nor an approval makes anybody a principal. */
void pl_policy_facts(struct pl_facts *out, const struct pl_policy *p, const struct pl_caller *who);

/* Whom the caller counts as for this operation: by a bare token too where these are good. */
uint64_t pl_facts_is(const struct pl_facts *f);

/* ---- Deciding ------------------------------------------------------------------------------- */

enum pl_verdict { PL_DENY = 0, PL_ALLOW };

enum pl_basis {
    PL_BASIS_NOTHING = 0, /* nothing allows it */
    PL_BASIS_RULE,        /* the rule of `rule`: an allow, or a deny that applies */
    PL_BASIS_CONSENT,     /* the owners agreed to the birth */
    PL_BASIS_GUARD,       /* an entry of `mutability`, or the rule for its absence; `staging` */
    PL_BASIS_QUOTA,       /* the quota of `rule`, by key, has or may have no room */
};

/* Zeroed: denied. */
struct pl_decision {
    enum pl_verdict verdict; /* ALLOW exactly when value is TRUE */
    enum pl_tri value;       /* UNKNOWN: better facts (time, collateral) could allow it */
    enum pl_basis basis;
    const char *rule; /* its id, borrowed from p; NULL unless basis is RULE or QUOTA */
    uint64_t charged; /* ALLOW by a rule: the principal that quotas by principal count, one bit */
};

/* The value of each part, for explanation. Only filled by pl_policy_evaluate itself, so that its
 * story and the verdict cannot differ. */
struct pl_trace {
    enum pl_tri to[PL_POLICY_RULES]; /* UNKNOWN (0) also for rules of other operations */
    enum pl_tri when[PL_POLICY_RULES];
    enum pl_tri node[PL_POLICY_NODES];
    enum pl_tri room[PL_POLICY_QUOTAS]; /* quotas of this operation: for this caller */
    enum pl_tri guard[PL_GUARD_COUNT];  /* those that were asked */
    uint8_t have[PL_POLICY_NODES], guard_have[PL_GUARD_COUNT]; /* approvals that surely count */
    enum pl_tri basis;                                         /* consent or guard */
    enum pl_tri allowed, denied;
};

/* 30-policy, "Evaluation": with Kleene's three values,
 *     value = (some allow's `to` and `when`, or consent, or guard)
 *             and not (some deny's `when`, or a quota by key without room)
 * so an unknown never allows, and a deny applies unless its `when` is false. `to` is true through
 * principals to whom the quotas by principal leave room. Rules and quotas of other operations
 * count for nothing; their order never matters. trace may be NULL. */
struct pl_decision pl_policy_evaluate(const struct pl_policy *p, const struct pl_facts *f,
                                      struct pl_trace *trace);

/* ---- Words ---------------------------------------------------------------------------------- */

/* The policy as numbered English sentences, one a line: the same text for the same document. */
PL_CHECKED pl_err pl_policy_render(struct pl_wr *out, const struct pl_policy *p);

#endif
