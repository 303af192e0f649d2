/* What a key is and what can be done with one: the tables of operations, key types and states.
 *
 * Nothing here decides who may: that is policy/policy.h. Nothing holds key material. Everything is
 * constant; safe from any thread.
 */
#ifndef PL_KEY_KEY_H
#define PL_KEY_KEY_H

#include "base/base.h"

/* ---- Types ---------------------------------------------------------------------------------- */

enum pl_key_type {
    PL_KEY_NONE = 0,
#define PL_KEY_TYPE(name, word, built) PL_KEY_##name,
#include "key/type.def"
#undef PL_KEY_TYPE
    PL_KEY_TYPE_COUNT
};

const char *pl_key_type_word(enum pl_key_type t);     /* "raw_share"; "none" otherwise */
enum pl_key_type pl_key_type_of(struct pl_span word); /* NONE when there is no such type */
/* The type of this name: KEY_TYPE when there is none, KEY_TYPE_BUILD when it is not in this
 * build. *out is NONE on error. */
PL_CHECKED pl_err pl_key_type_parse(enum pl_key_type *out, struct pl_span word);

/* ---- Operations ----------------------------------------------------------------------------- */

enum pl_op {
    PL_OP_NONE = 0,
#define PL_OP(name, ...) PL_OP_##name,
#include "key/op.def"
#undef PL_OP
    PL_OP_COUNT
};
/* Sets of operations are 64-bit masks. */
#define PL_OP_BIT(op) (UINT64_C(1) << (unsigned)(op))

/* Which act of a key an operation is: a key allows the usages fixed at its birth, one at a time. */
enum pl_usage {
    PL_USAGE_NONE = 0, /* not a use of the key: only policy and state decide */
    PL_USAGE_EXPORT,
    PL_USAGE_SIGN,
    PL_USAGE_VERIFY,
    PL_USAGE_WRAP,
    PL_USAGE_UNWRAP,
    PL_USAGE_MAC,
    PL_USAGE_DERIVE,
};

/* What the answer holds. Whoever asks for more than a receipt must be the connection that gets it:
 * a statement for such an operation names the connection's TLS key as its requester. */
enum pl_gives {
    PL_GIVES_NONE = 0, /* no such operation */
    PL_GIVES_RECEIPT,  /* that it happened, and public facts about it */
    PL_GIVES_RESULT,   /* what was computed or read */
    PL_GIVES_MATERIAL, /* key material leaves this vault: waits for cosignatures */
};

enum pl_audit { PL_AUDIT_NONE = 0, PL_AUDIT_LOOK, PL_AUDIT_USE, PL_AUDIT_CHANGE, PL_AUDIT_RELEASE };

/* Which part of the policy says who may. */
enum pl_ruled {
    PL_RULED_NOBODY = 0,
    PL_RULED_BIRTH,          /* consent of the owners: caller, request or grant */
    PL_RULED_OPERATIONS,     /* rules in `operations` */
    PL_RULED_CHANGED,        /* `mutability` of every field that changes */
    PL_RULED_STAGING,        /* `staging` */
    PL_RULED_PROFILES,       /* `mutability.profiles` */
    PL_RULED_THAW,           /* the same; the owners where it is not listed */
    PL_RULED_NARROW,         /* `mutability.narrow` */
    PL_RULED_VAULT_PROFILES, /* `mutability.vault_profiles` */
    PL_RULED_LIFECYCLE,      /* `mutability.lifecycle_acts` */
    PL_RULED_COUNT
};

enum pl_event {
    PL_EVENT_NONE = 0,
    PL_EVENT_CREATE, /* create, import, receive */
    PL_EVENT_ACTIVATE,
    PL_EVENT_USE,    /* export, sign, ... */
    PL_EVENT_LOOK,   /* describe, list, read_policy, audit */
    PL_EVENT_CHANGE, /* policy, profiles, versions, copies */
    PL_EVENT_FREEZE,
    PL_EVENT_UNFREEZE,
    PL_EVENT_DELETE,
    PL_EVENT_RESTORE,
    PL_EVENT_DESTROY,
    PL_EVENT_LAPSE, /* time: an hour in `prepared`, or 7 days in `deleted`, are over */
    PL_EVENT_COUNT
};

struct pl_op_row {
    const char *word; /* "mac_verify": in policies and paths; the CLI writes hyphens */
    uint32_t types;   /* mask of 1 << pl_key_type that it works on */
    enum pl_usage usage;
    enum pl_gives gives;
    bool changes; /* changes the vault's state beyond its log */
    bool narrows; /* only takes away: acts at once, also in a locked vault */
    enum pl_event event;
    enum pl_audit audit;
    enum pl_ruled ruled;
};

/* Every value answers; out of range is the row of NONE: no types, nobody. */
const struct pl_op_row *pl_op_row(enum pl_op op);
enum pl_op pl_op_of(struct pl_span word); /* NONE when there is no such operation */
bool pl_op_fits(enum pl_op op, enum pl_key_type type);

/* ---- States --------------------------------------------------------------------------------- */

enum pl_state {
    PL_STATE_NONE = 0, /* no key of this handle */
    PL_STATE_PREPARED, /* made, invisible, lapses after PL_PREPARED_S */
    PL_STATE_ACTIVE,
    PL_STATE_FROZEN,
    PL_STATE_DELETED,   /* tombstone, restorable for PL_TOMBSTONE_S */
    PL_STATE_DESTROYED, /* for ever: handles are never reused */
    PL_STATE_COUNT
};
enum { PL_PREPARED_S = 3600, PL_TOMBSTONE_S = 7 * 86400 };

const char *pl_state_word(enum pl_state s); /* "active" */
/* The state after the event; *out equals `from` for events that change nothing. STATE when this
 * state refuses the event (and then *out is NONE). Who may is not asked here. Total: values out of
 * range are refused. */
PL_CHECKED pl_err pl_state_next(enum pl_state *out, enum pl_state from, enum pl_event event);

#endif
