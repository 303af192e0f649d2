/* The vault: a request and facts in, a response and effects out. Pure: time, entropy and the log
 * are the caller's. It knows no threads; what must be called under the vault's mutex says so.
 *
 * A request goes through four functions (docs/ARCHITECTURE.md follows one from socket to log):
 *
 *     lock;   pl_turn_begin     finds the record and the configuration, takes references
 *     unlock; pl_turn_prepare   reads the body, verifies statements, seals new material
 *     lock;   pl_turn_commit    decides, appends the entry, applies it; makes the permit
 *     unlock; pl_turn_finish    uses the key, writes the answer, under that permit
 *     lock;   pl_turn_end       gives the references back
 *
 * The answer leaves when the entry of turn->wait is durable. apply is the only writer of state:
 * replay is a loop over it. commit and finish are the one gate to a key: a permit comes only from
 * commit, names one record, operation and entry, and works once.
 *
 * Key material is sealed in memory and in the log under a key of its own, derived from the vault's
 * root and the handle; it is opened for one operation in the caller's locked arena.
 */
#ifndef PL_VAULT_VAULT_H
#define PL_VAULT_VAULT_H

#include "attest/identity.h"
#include "ledger/ledger.h"
#include "policy/statement.h"
#include "policy/config.h"

enum {
    PL_SHARE_MAX = 66 * 1024, /* x || y: a secret of 64 KiB, its check and padding fit */
    PL_IDEMPOTENCY_KEY_MAX = 64,
    PL_IDEMPOTENCY_S = 86400,
    PL_IDEMPOTENCY_PER_CALLER = 1000,
    PL_LIST_PAGE = 256,
    PL_VAULT_KEYS_MAX = 1000000,
    PL_TURN_ENTROPY = 32,
};

/* ---- the vault's own keys ----------------------------------------------------------------------
 */

/* Secret: in locked memory. All of it is derived from the root by HKDF with labels. */
struct pl_vault_keys {
    struct pl_priv identity, use[PL_USES];
    uint8_t record[32];  /* parent of the keys that seal material */
    uint8_t request[32]; /* digests of requests in the log: no guess can be tested by readers */
};
PL_CHECKED pl_err pl_vault_keys(struct pl_crypto *c, struct pl_vault_keys *out,
                                struct pl_vault_self *out_self,
                                const uint8_t root[static PL_ROOT_KEY_BYTES]);

/* ---- state -------------------------------------------------------------------------------------
 */

struct pl_vault;

/* seed: 16 random bytes for the hash tables. */
PL_CHECKED pl_err pl_vault_new(struct pl_vault **out, const struct pl_vault_self *self,
                               const uint8_t seed[static 16]);
void pl_vault_free(struct pl_vault *v); /* NULL allowed; no turn may be open */

/* Where commit writes: platform/store, or a test's memory. Called under the mutex, no I/O. */
struct pl_log {
    pl_err (*room)(void *ctx, size_t entries, size_t body_bytes);
    uint64_t (*append)(void *ctx, enum pl_entry_kind kind, struct pl_span body);
    void *ctx;
};

/* Replays one entry. CORRUPT class ENTRY_BODY when it does not fit the state. */
PL_CHECKED pl_err pl_vault_replay(struct pl_vault *v, struct pl_crypto *c,
                                  const struct pl_entry *entry);
/* A snapshot's bytes, in order, before any entry. */
PL_CHECKED pl_err pl_vault_load(struct pl_vault *v, struct pl_crypto *c, struct pl_span chunk,
                                bool last);

/* A reading of the state for a snapshot, while it goes on changing: it begins with freeze, which
 * is the place in the log from which replay goes on. Each step takes a little more, in some ten
 * microseconds; what it took is read without the mutex. The file may count only when the entries
 * below pl_frozen_until are durable: some of their effect may be in it. */
struct pl_frozen;
PL_CHECKED pl_err pl_vault_freeze(struct pl_vault *v, struct pl_frozen **out);
/* Under the mutex. False when everything was taken. */
bool pl_frozen_step(struct pl_frozen *f, struct pl_vault *v);
/* The next bytes; fewer than cap when another step is due. Any one thread. */
PL_CHECKED pl_err pl_frozen_read(struct pl_frozen *f, uint8_t *out, size_t cap, size_t *out_n);
uint64_t pl_frozen_until(const struct pl_frozen *f); /* after the last step */
void pl_frozen_free(struct pl_frozen *f);            /* under the mutex; NULL allowed */

/* ---- birth, start, stop: under the mutex, before and after requests -----------------------------
 */

/* What a start says: appended to the log, replayed later. */
struct pl_boot {
    uint8_t random[16];
    uint64_t tail_cut_bytes; /* 0: none */
    struct pl_interval now;
};
PL_CHECKED pl_err pl_vault_boot(struct pl_vault *v, const struct pl_log *log,
                                const struct pl_boot *boot);
/* Adopts a configuration (verified by pl_config_load): at birth, or the same one again, which
 * changes nothing. CONFIG_OTHER when the vault was born under another root. */
PL_CHECKED pl_err pl_vault_adopt(struct pl_vault *v, const struct pl_log *log,
                                 struct pl_config *config, struct pl_interval now);

struct pl_vault_status {
    bool born;
    uint8_t config_root[32]; /* zeros while unborn */
    enum pl_time_source time;
    uint64_t boots; /* the epoch in evidence */
    uint64_t keys, prepared, deleted;
    uint64_t turns, refused, strangers; /* since this process started */
};
void pl_vault_status(const struct pl_vault *v, struct pl_vault_status *out);
/* The configuration in force, counted: give it back with pl_config_put. NULL while unborn. */
struct pl_config *pl_vault_config(struct pl_vault *v);

/* Ends what time ended: prepared keys after an hour, tombstones after seven days, spent statements
 * and answered requests that expired. Appends at most one entry; true when there was more to do. */
PL_CHECKED pl_err pl_vault_lapse(struct pl_vault *v, const struct pl_log *log,
                                 struct pl_interval now, bool *out_more);

/* ---- a request ---------------------------------------------------------------------------------
 */

/* Which operation on which key a method and path mean. */
struct pl_call {
    enum pl_op op;
    bool has_handle;
    uint8_t handle[PL_HANDLE_BYTES];
    struct pl_span body;            /* borrowed until pl_turn_end */
    struct pl_span idempotency_key; /* empty: none */
    struct pl_span authorization;   /* "Bearer TOKEN"; empty: none */
    struct pl_span if_match;        /* the version that an update replaces; empty: none */
    uint64_t page;                  /* list: from this creation index on */
};
/* NO_ROUTE, METHOD; PATH_HANDLE when a handle is not 22 base64url digits. Fills op, handle, page.
 */
PL_CHECKED pl_err pl_call_route(struct pl_call *out, struct pl_span method, struct pl_span path);

/* What the channel established about the caller, the same for all its requests. Borrowed. */
struct pl_peer {
    bool has_key; /* a TLS client certificate */
    uint8_t spki_sha256[32];
    uint8_t leaf_sha256[32];        /* of the certificate, DER: tokens are bound to it */
    const struct pl_claims *claims; /* of session-bound evidence; NULL: none */
    uint8_t claims_sha256[32];      /* of measurement, platform and trust, for the log */
};
/* Fills claims_sha256. */
PL_CHECKED pl_err pl_peer_claims(struct pl_crypto *c, struct pl_peer *peer,
                                 const struct pl_claims *claims);

/* What a worker brings. */
struct pl_env {
    struct pl_crypto *crypto;
    const struct pl_vault_keys *keys;
    const struct pl_vault_self *self;
    struct pl_arena *secrets; /* at least PL_SHARE_MAX + 4 KiB free */
    struct pl_interval now;
    uint8_t entropy[PL_TURN_ENTROPY]; /* fresh for each turn */
};

struct pl_turn; /* one request on its way; about 32 KiB of plain heap, reusable */
PL_CHECKED pl_err pl_turn_new(struct pl_turn **out);
void pl_turn_free(struct pl_turn *t); /* after pl_turn_end; NULL allowed */

/* Under the mutex. call and peer are copied (their spans borrowed). */
void pl_turn_begin(struct pl_vault *v, struct pl_turn *t, const struct pl_call *call,
                   const struct pl_peer *peer);
/* An error is the answer: pl_turn_problem says what may be shown. */
PL_CHECKED pl_err pl_turn_prepare(struct pl_turn *t, const struct pl_env *env);
/* Under the mutex: prepare refused it, for `why`. Instead of commit: a principal's refusal is an
 * entry, a stranger's is counted. */
void pl_turn_refused(struct pl_vault *v, struct pl_turn *t, const struct pl_log *log, pl_err why,
                     uint64_t *out_wait);
/* Under the mutex. TURN_AGAIN: the record changed meanwhile; end, begin and prepare again, at most
 * three times. On success and on refusals that are logged, *out_wait entries must be durable before
 * the answer leaves. */
PL_CHECKED pl_err pl_turn_commit(struct pl_vault *v, struct pl_turn *t, const struct pl_log *log,
                                 uint64_t *out_wait);
/* Uses the permit; appends the response body. On error nothing of the key is in it; the caller then
 * commits a FAILED entry with pl_turn_failed. */
PL_CHECKED pl_err pl_turn_finish(struct pl_turn *t, const struct pl_env *env, struct pl_wr *body,
                                 int *out_status);
/* Under the mutex: what an earlier entry allowed did not happen. */
PL_CHECKED pl_err pl_turn_failed(struct pl_turn *t, const struct pl_log *log, pl_err why,
                                 uint64_t *out_wait);
/* Under the mutex: references back, secrets wiped. */
void pl_turn_end(struct pl_vault *v, struct pl_turn *t);

/* What the caller may be told of error `e` of this turn: to strangers every refusal is DENIED with
 * the same bytes. pointer and detail are valid until pl_turn_end; "" when there is nothing. hidden:
 * the caller must not learn whether there is a key, also not by the time that this took. */
struct pl_told {
    enum pl_code code;
    const char *pointer, *detail;
    bool hidden;
};
struct pl_told pl_turn_problem(const struct pl_turn *t, pl_err e);

/* ---- approvals for others ----------------------------------------------------------------------
 */

/* POST /v1/approvals/export: an approval whose proof holds now, as a compact JWS of the vault's
 * attestation key with that key as a JWK set (api.def). It looks at no key of the vault, changes
 * and uses up nothing. config may be NULL: no issuers. out_pointer: PL_JSON_POINTER_MAX bytes,
 * filled when the body does not read. */
PL_CHECKED pl_err pl_approval_reissue(const struct pl_env *env, const struct pl_peer *peer,
                                      const struct pl_config *config, struct pl_span body,
                                      struct pl_wr *out, char *out_pointer);

#endif
