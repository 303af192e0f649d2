/* Statements: one exact operation, signed. What they bind is final.
 *
 * A statement is a JSON object in canonical form (RFC 8785; other bytes are refused, they are never
 * re-ordered and accepted). It travels as
 *
 *     {"proof":{"jws":{"protected":P,"signature":S},"spki":K},"statement":{...}}
 *
 * K the signer's SPKI (P-256 or Ed25519), S 64 bytes, both base64url. Signed is P "." base64url of
 * the statement's bytes (RFC 7515); P is base64url of exactly {"alg":A,"typ":T}: A is "ES256" or
 * "EdDSA" as the key's type says (a header never chooses an algorithm), T the statement's typ.
 * Requests and approvals may instead be proved by a passkey, whose challenge is SHA-256 of the
 * statement (policy/webauthn.h), or by an OIDC token whose nonce is (policy/jwt.h);
 * attest/carrier.h has the three forms.
 *
 * Fields of pleiad-request-1 (all required, no others; *_sha256 and keys are 64 lower-case hex
 * digits, nonce, id and targets base64url, times RFC 3339):
 *   typ            also in the signed header: a request is no grant, no approval
 *   op             one word of op.def
 *   params_sha256  all parameters common to the vaults: pl_params_sha256
 *   targets        8, 16 or 32 distinct digests in ascending order of bytes, those of no vault
 *                  random. A vault finds its own: vault, handle, version and digest of the policy
 *                  it replaces or was decided under, and the parameters that differ per vault. It
 *                  learns neither how many are real nor whose.
 *   requester      SPKI hash of the connection's TLS key; for changes of an existing key that give
 *                  a receipt only, the signer's own key is good too, so that a relay can carry the
 *                  request (a birth brings material, and what it brings must not pass a relay)
 *   nonce          16 random bytes; in every target, so that targets of two statements never match
 *   iat, exp       at most PL_STATEMENT_LIFE_MAX_S apart; good only while `now <= exp` is certain
 *   display        the text that the signer saw: pl_statement_display of op, common parameters,
 *                  requester and exp; each vault renders it again and refuses any difference
 *
 * Fields of pleiad-approval-1: those of a request. Its signer agrees that somebody else does it and
 * becomes a principal of nothing. requester is the client that asks: the SPKI hash of the TLS key
 * of the connection that presents the approval, so that a vault which received it cannot use it
 * elsewhere; where a request of that key may be relayed, the signer of a request that comes with
 * the approval is good too. display says, in the words of this renderer ("Pleiad approval 1"), what
 * is done and which rules of the key's policy allow it. Several may sign one statement.
 *
 * Fields of pleiad-grant-1: the owner lets somebody else create keys in its name, offline, before
 * vaults or keys exist. op is "create"; no params_sha256 (commitment and generation are the app's)
 * and no connection (the app's is unknown); typ, nonce, targets, iat, display as above, and
 *   id             16 random bytes: what `revoke` names, and what the vault's counter hangs on
 *   owner          SPKI hash of the owner that consents: the signer itself
 *   type           of the keys
 *   profile_sha256 the digest of one profile of the policy, satisfied by the app's session-bound
 *                  evidence; or requester, the SPKI hash of the client's TLS key. Exactly one.
 *   count          1 to 2^20: keys made under it at each vault; deleting one gives nothing back
 *   exp            at most PL_GRANT_LIFE_MAX_S after iat
 * A grant's target covers the complete policy at that vault by its digest: with its salt, its
 * owners, rules and profiles. So there is no policy_sha256 beside it, which would differ at each
 * vault or link them. A holder chooses vaults among the targets, nothing else.
 *
 * Verification costs one hash and one signature and looks at no key: the vault verifies before it
 * looks up the handle, at most PL_STATEMENTS_MAX, only for connections with a client key. What is
 * spent is pl_statement.sha256; keep it until the floor of time has passed exp.
 */
#ifndef PL_POLICY_STATEMENT_H
#define PL_POLICY_STATEMENT_H

#include "attest/carrier.h"
#include "policy/policy.h"

enum {
    PL_STATEMENTS_MAX = 16,        /* in one request */
    PL_STATEMENT_BYTES = 8 * 1024, /* a carrier */
    PL_STATEMENT_TARGETS = 32,
    PL_STATEMENT_DISPLAY = 1024,
    PL_PROOF_BYTES = 3 * 1024, /* of a passkey's proof, decoded; what a signer keeps of a token */
    PL_NONCE_BYTES = 16,
    PL_GRANT_ID_BYTES = 16,
    PL_HANDLE_BYTES = 16,
    PL_STATEMENT_LIFE_S = 300, /* the default, beyond what clocks may differ by */
    PL_STATEMENT_LIFE_MAX_S = 3600,
    PL_GRANT_LIFE_MAX_S = 366 * 86400,
    PL_GRANT_COUNT_MAX = 1 << 20,
    PL_STATEMENT_FILL = 32 * PL_STATEMENT_TARGETS, /* random bytes that a builder brings */
};

enum pl_typ {
    PL_TYP_NONE = 0,
    PL_TYP_REQUEST,  /* "pleiad-request-1": its signer is a principal of this one operation */
    PL_TYP_GRANT,    /* "pleiad-grant-1" */
    PL_TYP_APPROVAL, /* "pleiad-approval-1": its signer agrees, and is no principal by it */
    PL_TYP_COUNT
};
const char *pl_typ_word(enum pl_typ t);
const char *pl_proof_word(enum pl_proof_form f); /* "passkey"; "?" for none */

/* ---- What is done --------------------------------------------------------------------------- */

/* Parameters that a statement covers. Zeroed: none. Their canonical forms are
 *   common    create: {"generation":G,"op":"create","type":T}    others: {"op":W}
 *   per vault create: {"commitment":B,"policy_sha256":H,"tag":B} others: {}
 *             create, in a grant: {"policy_sha256":H}
 *             update_policy: {"policy_sha256":H}, of the new policy there
 * B base64url of 32 bytes. A share itself is not covered: a digest of it would leave the channel it
 * arrives in. That channel is the requester's, and the tag is the owner's check on the share. */
struct pl_params {
    enum pl_key_type type;                              /* create */
    uint64_t generation;                                /* create: below 2^53 */
    uint8_t policy_sha256[32], commitment[32], tag[32]; /* create; at this vault.
                                                         * update_policy: the first */
};

/* One operation at one vault. */
struct pl_act {
    enum pl_op op;
    uint8_t vault_id[32];
    uint8_t handle[PL_HANDLE_BYTES]; /* these three are zero for a birth */
    uint64_t policy_version;
    uint8_t policy_sha256[32];
    struct pl_params params;
};

PL_CHECKED pl_err pl_params_sha256(struct pl_crypto *c, uint8_t out[static 32], enum pl_op op,
                                   const struct pl_params *p);
/* SHA-256("pleiad target 1" || nonce || vault_id || handle || u64 policy_version || policy_sha256
 * || SHA-256(per-vault parameters)); the integer is big-endian. */
PL_CHECKED pl_err pl_target(struct pl_crypto *c, uint8_t out[static 32], enum pl_typ typ,
                            const uint8_t nonce[static PL_NONCE_BYTES], const struct pl_act *act);

/* ---- Making one (client) -------------------------------------------------------------------- */

struct pl_statement_draft {
    enum pl_typ typ;
    enum pl_op op;
    const struct pl_params *params; /* the common ones are used; NULL: none */
    const uint8_t (*target)[32];    /* 1 to 32, any order, with this nonce */
    size_t targets;
    uint8_t nonce[PL_NONCE_BYTES];
    int64_t iat_s, exp_s;
    const uint8_t *requester;       /* 32 bytes; grants: or profile_sha256 */
    const struct pl_policy *policy; /* approvals: in force at these vaults, for its labels */
    const uint8_t *profile_sha256;  /* grants */
    uint8_t id[PL_GRANT_ID_BYTES];  /* grants, with owner and count */
    uint8_t owner[32];
    uint32_t count;
};
/* Appends the canonical statement. fill: fresh random bytes. STATEMENT_FIELD when a field is out of
 * its range: nothing is built that a vault would refuse for its form. */
PL_CHECKED pl_err pl_statement_build(struct pl_wr *out, struct pl_crypto *c,
                                     const struct pl_statement_draft *d,
                                     const uint8_t fill[static PL_STATEMENT_FILL]);
/* The text of `display`, one line of ASCII. An approval's names the rules of draft->policy. */
PL_CHECKED pl_err pl_statement_display(struct pl_wr *out, const struct pl_statement_draft *d);

/* The carrier, signed with a key in memory. */
PL_CHECKED pl_err pl_statement_sign(struct pl_wr *out, struct pl_crypto *c,
                                    struct pl_span statement, const struct pl_priv *priv);

/* ---- Checking one (vault) ------------------------------------------------------------------- */

/* A statement whose form and proof hold. Only pl_statement_verify fills it. About 5 KiB; not to be
 * copied, as spans of `signer` lie in `proof`. */
struct pl_statement {
    enum pl_typ typ;
    enum pl_op op;
    uint8_t sha256[32];      /* of the canonical statement: what is spent */
    struct pl_signer signer; /* grants: by JWS, so authenticator is the SPKI hash of the key */
    uint8_t nonce[PL_NONCE_BYTES];
    uint8_t params_sha256[32]; /* requests */
    size_t targets;
    uint8_t target[PL_STATEMENT_TARGETS][32];
    int64_t iat_s, exp_s;
    struct pl_span text, display; /* the whole, the sentence; borrowed from the carrier */
    bool has_requester;
    uint8_t requester[32];
    bool has_profile;
    uint8_t profile_sha256[32]; /* grants */
    uint8_t id[PL_GRANT_ID_BYTES], owner[32];
    enum pl_key_type type;
    uint32_t count;
    uint8_t proof[PL_PROOF_BYTES]; /* decoded */
};

/* What proofs are judged by beside what they carry. Zeroed: keys and passkeys alone. */
struct pl_proof_facts {
    const struct pl_issuers *issuers; /* of OIDC tokens, whose keys are pinned; NULL: none */
    struct pl_interval now;
};

/* Form and proof: a signature by the key it carries, an assertion, a token of a pinned issuer.
 * STATEMENT_FORM (with JSON_* for the finer form), STATEMENT_FIELD, STATEMENT_PROOF, KEY_FORMAT,
 * SIGNATURE, and what webauthn.h and jwt.h say. Zeroed on error. f may be NULL: as zeroed. */
PL_CHECKED pl_err pl_statement_verify(struct pl_crypto *c, struct pl_statement *out,
                                      struct pl_span carrier, const struct pl_proof_facts *f);

/* Form and fields of a bare statement in canonical form, with its digest; proved by nobody, so that
 * out->signer stays zero. For whoever is to sign it. */
PL_CHECKED pl_err pl_statement_read(struct pl_crypto *c, struct pl_statement *out,
                                    struct pl_span statement);

/* Begun and not over, both for certain: STATEMENT_EARLY, STATEMENT_EXPIRED, STATEMENT_TIME. */
PL_CHECKED pl_err pl_statement_current(const struct pl_statement *s, struct pl_interval now);

/* Is this request for exactly this act, over this connection (its client's SPKI hash), now? On
 * PL_OK, and if s->sha256 is not spent, its signer belongs in pl_caller.request.
 * STATEMENT_KIND, STATEMENT_OP, STATEMENT_PARAMS, STATEMENT_TARGET, STATEMENT_REQUESTER,
 * STATEMENT_DISPLAY, STATEMENT_EXPIRED, STATEMENT_TIME (undecided: AGAIN), STATEMENT_EARLY. */
PL_CHECKED pl_err pl_request_covers(struct pl_crypto *c, const struct pl_statement *s,
                                    const struct pl_act *act,
                                    const uint8_t connection_sha256[static 32],
                                    struct pl_interval now);

/* Is this an approval of exactly this act, under this policy, by this caller, now? The caller's
 * requests must have been taken before. On PL_OK, and if s->sha256 is not spent, its signer belongs
 * in pl_caller.approval. Errors as above. */
PL_CHECKED pl_err pl_approval_covers(struct pl_crypto *c, const struct pl_statement *s,
                                     const struct pl_act *act, const struct pl_policy *p,
                                     const struct pl_caller *who);

/* Does this grant let this caller create this key under this policy? On PL_OK, and while fewer than
 * s->count keys were made here under (signer, id) and it is not revoked, the signer
 * belongs in pl_caller.consent_sha256: for this create, and for the activate of the key it makes
 * when that is asked by the same client key or by a caller that still is whom the grant names
 * (pl_grant_names): the vault keeps signer, has_profile and subject with the prepared key. Errors
 * as above, and GRANT_OWNER the signer is no owner in p, GRANT_PROFILE the caller is not the app it
 * names. */
PL_CHECKED pl_err pl_grant_covers(struct pl_crypto *c, const struct pl_statement *s,
                                  const struct pl_act *act, const struct pl_policy *p,
                                  const struct pl_caller *who);
/* Is the caller the app (profile_sha256 of a profile in p) or client (requester) named? */
bool pl_grant_names(const struct pl_policy *p, const struct pl_caller *who, bool is_profile,
                    const uint8_t subject[static 32]);

/* ---- For readers of what statements travel in -------------------------------------------------
 */

/* pl_carrier_read and pl_carrier_verify for statements: their size, and STATEMENT_FORM for what is
 * wrong with the carrier. */
PL_CHECKED pl_err pl_statement_unpack(struct pl_crypto *c, struct pl_carrier *out,
                                      struct pl_span text);
PL_CHECKED pl_err pl_statement_signed(struct pl_crypto *c, const struct pl_carrier *carrier,
                                      const char *typ);
/* STATEMENT_TARGET unless one of its targets is this act at this vault. */
PL_CHECKED pl_err pl_statement_covers_target(struct pl_crypto *c, const struct pl_statement *s,
                                             const struct pl_act *act);
/* 64 lower-case hex digits. */
bool pl_statement_hex(struct pl_json *j, uint8_t out[static 32]);

#endif
