/* Shared inside core/vault only. */
#ifndef PL_VAULT_INTERNAL_H
#define PL_VAULT_INTERNAL_H

#include "vault/map.h"
#include "vault/vault.h"

enum {
    PRINCIPALS_TEXT = 512, /* names of matched principals in an entry, comma separated */
    LAPSE_MAX = 256,       /* keys that one entry ends */
    SWEEP_STEP = 64,       /* keys looked at while the mutex is held */
    SWEEP_PARTS = 2,       /* and parts of tables */
    FLOOR_STEP_S = 60,     /* the floor of time rises by this at least, or with a lapse */
    SNAPSHOT_ITEM_MAX = 512 * 1024,
};

/* ---- code.c: one description of bytes for both directions ---------------------------------------
 */

/* Writes to w, or reads from r where w is NULL. Writing alters nothing that it is given. */
struct coder {
    struct pl_wr *w;
    struct pl_rd r;
};
void pl_code_u8(struct coder *k, uint8_t *v);
void pl_code_u64(struct coder *k, uint64_t *v);
void pl_code_i64(struct coder *k, int64_t *v);
void pl_code_interval(struct coder *k, struct pl_interval *t);
bool pl_code_flag(struct coder *k, bool *v);
void pl_code_bytes(struct coder *k, void *p, size_t n);
void pl_code_vec(struct coder *k, struct pl_span *s, size_t max);
/* The value of v; read, n when none of the n words is it. */
unsigned pl_code_word(struct coder *k, unsigned v, unsigned n, const char *(*word)(unsigned v));
void pl_code_need(struct coder *k, bool good); /* reading: else the whole does not read */

/* What a CREATE decides once and for all. */
struct birth {
    enum pl_key_type type;
    uint64_t generation;
    uint8_t commitment[32], tag[32];
    bool by_anyone;                       /* the configuration's `anyone` alone let it be made */
    bool has_subject, subject_is_profile; /* whom the grant named */
    uint8_t subject[32];
    uint64_t consents; /* the policy's principals that are owners and agreed */
};
/* type word, u64 generation, 32 commitment, 32 tag, flag by anyone, flag {flag is a profile, 32
 * subject}, u64 consents */
void pl_code_birth(struct coder *k, struct birth *b);

/* ---- change.c: what an entry's body says --------------------------------------------------------
 */

/* A statement that the operation used up, or a grant that it drew on. */
struct spent {
    uint8_t sha256[32];
    int64_t exp_s;
};

/* Everything a log entry about a request holds, decoded. Spans borrow the entry's body. Which
 * fields are there is a matter of its kind: see change.c. */
struct change {
    enum pl_entry_kind kind;
    enum pl_op op;
    struct pl_interval now;
    bool has_key, attested;
    uint8_t caller[32], claims[32];
    uint8_t request[32]; /* HMAC of the request's body */
    struct pl_span rule, principals, approvers;
    bool has_handle;
    uint8_t handle[PL_HANDLE_BYTES];
    bool has_idem;
    uint8_t idem[32];
    unsigned spends;
    struct spent spent[PL_STATEMENTS_MAX];
    bool has_grant;
    uint8_t grant[32]; /* SHA-256(signer || id): what the counter hangs on */
    int64_t grant_exp_s;
    enum pl_code error;    /* REFUSED, FAILED */
    uint64_t index;        /* FAILED: the entry that allowed it */
    uint64_t count;        /* LIST: keys listed; BOOT: bytes of tail cut */
    struct pl_span lapsed; /* LAPSE: handles */
    struct pl_span config; /* CONFIG: the signed document */
    uint8_t random[16];    /* BOOT */
    struct birth birth;    /* CREATE, and what follows */
    uint8_t sealed_sha256[32];
    struct pl_span policy;
    struct pl_span sealed; /* from the MATERIAL entry, not in this one's body */
};
/* The entry that says that this happened; 0: none. */
enum pl_entry_kind pl_change_kind(enum pl_op op);
PL_CHECKED pl_err pl_change_write(struct pl_wr *w, struct change *ch);
PL_CHECKED pl_err pl_change_read(struct change *ch, const struct pl_entry *entry);
PL_CHECKED pl_err pl_material_write(struct pl_wr *w, uint8_t handle[static PL_HANDLE_BYTES],
                                    struct pl_span sealed);
PL_CHECKED pl_err pl_material_read(uint8_t out_handle[static PL_HANDLE_BYTES],
                                   struct pl_span *out_sealed, const struct pl_entry *entry);

/* ---- record.c: a key as the vault keeps it ------------------------------------------------------
 */

/* Keys with one policy share it: a policy of a record stands in pl_vault.policies. */
struct policy_ref {
    uint32_t refs;
    struct pl_policy *policy;
    struct pl_map *home; /* the table that names it; NULL: none yet */
};

/* Immutable once it is in the table; a change puts a new one in its place. refs and the policy's
 * refs are touched under the mutex only. */
struct record {
    uint32_t refs;
    uint8_t handle[PL_HANDLE_BYTES];
    enum pl_state state;
    uint64_t version;        /* of the record: grows with every change */
    uint64_t policy_version; /* 1 at birth */
    struct policy_ref *policy;
    uint8_t creator[32]; /* SPKI hash of the connection that made it */
    struct birth birth;
    struct pl_interval created;
    int64_t ends_s; /* prepared and deleted: when that state lapses at the latest */
    uint64_t born;  /* index of the CREATE entry: order of lists */
    uint64_t last;  /* index of the last change */
    size_t sealed_n;
    uint8_t sealed[]; /* ciphertext and tag */
};
/* For replay: the vault's own, counted, or a fresh one of this text. */
PL_CHECKED pl_err pl_vault_policy_of(struct pl_vault *v, struct policy_ref **out,
                                     struct pl_crypto *c, struct pl_span text);
/* A fresh record from a CREATE; takes over one reference of policy. NULL: no memory. */
struct record *pl_record_new(const struct change *ch, struct policy_ref *policy, uint64_t index);
/* A copy with one further version, without references. NULL: no memory. */
struct record *pl_record_copy(const struct record *r);
void pl_record_get(struct record *r);
void pl_record_put(struct record *r);
void pl_policy_put(struct policy_ref *p);
/* Sealed size of n bytes of material. */
size_t pl_record_sealed_bytes(size_t n);
/* Seals material under the handle's own key: out holds pl_record_sealed_bytes(in.n). The AAD is
 * the handle. A handle seals once, so the nonce is zero. */
PL_CHECKED pl_err pl_record_seal(struct pl_crypto *c, uint8_t *out,
                                 const struct pl_vault_keys *keys,
                                 const uint8_t handle[static PL_HANDLE_BYTES], struct pl_span in);
PL_CHECKED pl_err pl_record_open(struct pl_crypto *c, uint8_t *out,
                                 const struct pl_vault_keys *keys, const struct record *r);

/* ---- order.c ------------------------------------------------------------------------------------
 */

enum { ORDER_CHUNK = 128 };
struct order {
    struct chunk {
        unsigned n; /* never 0 while it is listed */
        struct record *at[ORDER_CHUNK];
    } * *chunk, *spare;
    size_t chunks, cap;
};
PL_CHECKED pl_err pl_order_reserve(struct order *o);
void pl_order_append(struct order *o, struct record *r);
/* The first `max` records created at entry `born` or later, not counted; how many. */
size_t pl_order_from(const struct order *o, struct record **out, size_t max, uint64_t born);
void pl_order_replace(struct order *o, struct record *old, struct record *with); /* NULL: goes */
void pl_order_free(struct order *o); /* and puts its records */

/* ---- state.c ------------------------------------------------------------------------------------
 */

struct idem_value {
    uint8_t request[32], caller[32], handle[PL_HANDLE_BYTES];
    uint64_t index;
    int64_t ends_s;
};
struct grant_value {
    uint64_t used, last; /* the entry that used it last */
    int64_t exp_s;
};
struct pl_vault {
    struct pl_vault_self self;
    struct pl_config *config; /* NULL: unborn */
    uint64_t boots, keys, prepared, deleted, by_anyone;
    /* What ended before this was forgotten, so that nothing that old is believed again, whatever
     * the clock says later. It never goes back. */
    int64_t floor_s;
    uint64_t turns, refused, strangers;
    struct pl_map records;  /* handle || 0^16 -> struct record * */
    struct pl_map spent;    /* statement -> int64_t exp_s */
    struct pl_map grants;   /* grant -> struct grant_value */
    struct pl_map idem;     /* request id -> struct idem_value */
    struct pl_map callers;  /* caller -> uint64_t remembered requests */
    struct pl_map owners;   /* owner -> uint64_t keys */
    struct pl_map policies; /* digest -> struct policy_ref *, not counted */
    struct order order;
    uint64_t sweep_order; /* where the next sweep goes on */
    size_t sweep_part;
    /* A snapshot is read from a state that changes meanwhile: it holds all that the entries below
     * `applied` did, and perhaps some of what those below `until` did. Replay does these again. */
    uint64_t applied, until;
    struct pl_wr loading;  /* replay: part of a snapshot's item */
    struct pl_wr material; /* replay: of the last MATERIAL entry: handle, sealed bytes */
};

/* What a request for a key that is not there is decided against, and always the same: the policy of
 * a key near by, so that it costs what requests for keys cost in this vault. NULL: no key is. */
struct policy_ref *pl_vault_decoy(const struct pl_vault *v,
                                  const uint8_t handle[static PL_HANDLE_BYTES]);
struct record *pl_vault_find(const struct pl_vault *v,
                             const uint8_t handle[static PL_HANDLE_BYTES]);
/* Makes room for everything that applying ch can need. */
PL_CHECKED pl_err pl_vault_reserve(struct pl_vault *v, const struct change *ch,
                                   const struct record *fresh);
/* The only writer of state. `fresh` is the record that a CREATE puts in place or a changed copy
 * that the caller made (one reference, taken over); NULL where no record changes. Room was
 * reserved. */
void pl_vault_apply(struct pl_vault *v, const struct change *ch, uint64_t index,
                    struct record *fresh);
/* Puts a record in place (snapshot, CREATE). */
void pl_vault_put_record(struct pl_vault *v, struct record *r);
/* The changed copy of its record that an entry about a key makes, with the policy of an
 * UPDATE_POLICY (NULL for others); NULL for entries that change none. ENTRY_BODY when the record is
 * not there or its state does not allow it. */
PL_CHECKED pl_err pl_vault_next_record(const struct pl_vault *v, struct record **out,
                                       const struct change *ch, uint64_t index,
                                       struct policy_ref *policy);
/* What the vault has under this digest already, not counted; NULL: nothing. */
struct policy_ref *pl_vault_policy(const struct pl_vault *v, const uint8_t sha256[static 32]);
PL_CHECKED pl_err pl_policy_ref_load(struct policy_ref **out, struct pl_crypto *c,
                                     struct pl_span text, struct pl_refusal *why);
/* `s` seconds after now at the latest; for ever when the time is not known. */
int64_t pl_ends_after(struct pl_interval now, int64_t s);
/* It is certain that time has ended it. Such a key is as good as gone, swept or not. */
bool pl_record_lapsed(const struct record *r, struct pl_interval now);

/* ---- turn.c
 * -------------------------------------------------------------------------------------- */

/* Proof that policy, state and statements allowed exactly this, and that the log says so. Made by
 * commit alone, taken by finish alone, once. */
struct permit {
    bool valid;
    enum pl_op op;
    const struct record *record;
    uint64_t index;
};

/* update.c: reads what the new policy changes, for a principal; act.params was filled before. Then
 * under the mutex: is it the version that stands, and who will the key's owners be? */
void pl_point_into_policy(struct pl_refusal *why);
PL_CHECKED pl_err pl_prepare_update(struct pl_turn *t, const struct pl_env *env,
                                    struct pl_span policy);
PL_CHECKED pl_err pl_check_version(struct pl_turn *t);
PL_CHECKED pl_err pl_check_update(const struct pl_vault *v, struct pl_turn *t);

/* list.c: takes a page of keys; chooses what the caller may see, without the lock; writes it down.
 */
void pl_begin_list(struct pl_vault *v, struct pl_turn *t);
void pl_prepare_list(struct pl_turn *t, const struct pl_env *env);
PL_CHECKED pl_err pl_commit_list(struct pl_vault *v, struct pl_turn *t, const struct pl_log *log,
                                 uint64_t *out_wait);

/* t->token, from the header of the request; nobody's where there is none. JWT_*,
 * STATEMENT_STRANGER, UNBORN. */
PL_CHECKED pl_err pl_turn_token(struct pl_turn *t, const struct pl_env *env);

struct pl_turn {
    struct pl_call call;
    struct pl_peer peer;
    struct record *record; /* counted; NULL: no such key */
    struct pl_config *config;
    struct policy_ref *policy; /* of the record, the new one of a create, or the decoy; counted */
    struct policy_ref *next;   /* update: the policy that is asked for; counted */
    uint64_t replaces, agreed; /* update: which version; owners in `next` who signed or ask */
    struct pl_act act;
    struct pl_facts facts;
    bool principal;     /* has a right to know why not */
    bool creator;       /* of the prepared key it asks for */
    uint64_t consented; /* owners who agreed to the birth of the key that its creator asks for */
    unsigned statements, requests, approvals, consents;
    struct proofs {
        struct pl_statement statement[PL_STATEMENTS_MAX];
        struct pl_signer request[PL_STATEMENTS_MAX], approval[PL_STATEMENTS_MAX];
        uint8_t token[PL_PROOF_BYTES]; /* strings of the connection's */
    } * proofs; /* as many of each as said above; not cleared for each turn, being 100 KiB */
    uint8_t consent[PL_STATEMENTS_MAX][32];
    struct pl_signer token;           /* the connection's; its form NONE: there is none */
    const struct pl_statement *grant; /* among the statements, that covers; NULL: none */
    uint8_t *sealed;
    size_t sealed_n;
    uint8_t handle[PL_HANDLE_BYTES]; /* create: the new one */
    struct change change;
    struct pl_wr entry;
    struct permit permit;
    struct pl_decision decision;
    bool pending;          /* happened in memory only: the log is locked */
    bool answered;         /* idempotent: the answer comes from state, nothing is done again */
    size_t looked, listed; /* list: keys of this page, counted; those that may be shown */
    struct record *look[PL_LIST_PAGE], *list[PL_LIST_PAGE];
    uint64_t next_page;
    struct pl_refusal why;
    char rule[64], principals[PRINCIPALS_TEXT], approvers[PRINCIPALS_TEXT];
};

#endif
