/* The compiled policy, and what the loader's files share. Not for other folders. */
#ifndef PL_POLICY_INTERNAL_H
#define PL_POLICY_INTERNAL_H

#include "policy/policy.h"

/* ---- Compiled ------------------------------------------------------------------------------- */

enum pl_cond {
    PL_COND_NONE = 0,
#define PL_COND(name, word, withheld, load) PL_COND_##name,
#include "policy/cond.def"
#undef PL_COND
    PL_COND_COUNT
};

/* Where a text lies in the canonical document. */
struct word {
    uint32_t at, n;
};

/* Enough distinct approvals. at_least 0, which no document can say: none are asked for. */
struct quorum {
    uint64_t of;
    uint32_t fresh_s;
    uint8_t at_least, per_issuer;
    bool self;
};

/* Conditions in the order of the document; the parts of all, any and not lie between a node and
 * its `end`. */
struct node {
    uint8_t kind; /* pl_cond */
    uint8_t days; /* TIME: bit 0 is Monday */
    uint16_t end; /* index behind the last part */
    uint32_t arg; /* ATTESTED: the profile; ROLE, STEP_UP, VAULT: its bit in facts */
    union {
        struct {
            int64_t from_s, until_s; /* TIME: [from, until); INT64_MIN, INT64_MAX: not given */
            int32_t open_s, close_s; /* TIME: of the day, [open, close) */
        };
        struct quorum approvals; /* APPROVALS */
        struct {
            uint64_t of;      /* ROLE: principals, unless there are words */
            uint32_t fresh_s; /* STEP_UP */
            /* ROLE: issuer, then roles. STEP_UP: amr. VAULT: vendor, label; one may be empty. */
            struct pl_words words;
        };
    };
};

struct rule {
    char id[PL_POLICY_NAME + 1];
    bool deny;          /* applies to everybody */
    uint64_t ops, to;   /* sets of operations and principals */
    uint16_t when, end; /* its nodes; when == end: no condition */
};

struct profile {
    char name[PL_POLICY_NAME + 1];
    uint8_t sha256[32];
    uint32_t packed_at; /* where it lies among the packed ones */
};

struct guard {
    bool listed;
    bool strictest; /* with every demand for as many approvals as pl_policy.strictest */
    uint64_t by;
    struct quorum approvals;
};

struct pl_policy {
    uint8_t sha256[32];
    struct pl_lifecycle life;
    unsigned owner_quorum;
    bool has_mutability;
    struct guard guard[PL_GUARD_COUNT];
    uint64_t group[PL_GROUP_COUNT];
    uint64_t staging;  /* who may stage */
    uint8_t strictest; /* the highest at_least in the document; 0: none */
    uint16_t principals, profiles, vault_profiles, rules, nodes, quotas, words;
    uint8_t roles, steps, vaults; /* conditions that have a bit in facts */
    uint32_t text_n;
    struct pl_principal *principal;
    struct profile *profile, *vault_profile;
    struct rule *rule;
    struct node *node;
    struct pl_quota *quota;
    struct word *word;
    /* packed: profiles, by pl_profile_pack; of passkeys SHA-256(rp_id), u16 length, credential id
     */
    uint8_t *text, *packed;
};

struct pl_span pl_word(const struct pl_policy *p, unsigned i);

/* Who may change this field or do this act, listed or not; by 0: nobody. */
struct guard pl_guard_of(const struct pl_policy *p, enum pl_guard g);

/* ---- Loading -------------------------------------------------------------------------------- */

enum pl_field {
#define PL_FIELD(name, word, required, load) FIELD_##name,
#include "policy/field.def"
#undef PL_FIELD
    FIELD_COUNT
};

/* One load. Loaders read a value from j; what they find wrong they say with pl_load_refuse, which
 * makes every further read of j fail, so they go on without asking. */
struct load {
    struct pl_crypto *c;
    struct pl_refusal *why;
    struct pl_policy p;  /* points into the arrays below */
    struct pl_span text; /* canonical */
    struct pl_wr packed;
    struct pl_principal principal[PL_POLICY_PRINCIPALS];
    struct profile profile[PL_POLICY_PROFILES], vault_profile[PL_POLICY_VAULT_PROFILES];
    struct rule rule[PL_POLICY_RULES];
    struct node node[PL_POLICY_NODES];
    struct pl_quota quota[PL_POLICY_QUOTAS];
    struct word word[PL_POLICY_WORDS];
    bool present[FIELD_COUNT];
    struct pl_json at[FIELD_COUNT]; /* bookmarks at the values */
};

bool pl_load_ok(const struct pl_json *j);
/* Always false. The first refusal stays. */
bool pl_load_refuse(struct pl_refusal *why, struct pl_json *j, pl_err e, const char *text, ...)
    __attribute__((format(printf, 4, 5)));
/* A refusal that belongs to no value being read. */
pl_err pl_load_refuse_at(struct pl_refusal *why, pl_err e, const char *pointer, const char *text,
                         ...) __attribute__((format(printf, 4, 5)));
/* The error of j, with its pointer and at least the code's sentence in why. */
pl_err pl_load_error(struct pl_refusal *why, const struct pl_json *j);
/* Text of a value or key, safe to print: at most 40 bytes of it. */
struct pl_shown {
    char text[48];
};
struct pl_shown pl_shown(struct pl_span s);
bool pl_load_name(struct pl_refusal *why, struct pl_json *j, struct pl_span s,
                  char out[static PL_POLICY_NAME + 1]);
/* "5m", "1h", "30d": a whole number of seconds, minutes, hours, days. */
bool pl_load_duration(struct pl_refusal *why, struct pl_json *j, uint32_t *out_s);
/* A text of 1 to max bytes, appended to `words` (whose last it follows). */
bool pl_load_word(struct load *l, struct pl_json *j, size_t max, struct pl_words *words);
/* The same for an array of 1 to `most` of them. */
void pl_load_words(struct load *l, struct pl_json *j, unsigned most, struct pl_words *words);
enum pl_group pl_load_group_of(struct pl_span word); /* NONE when there is none */
bool pl_load_group_rules(enum pl_group g);           /* may stand in rules and guards */
/* An array of references: "GROUP/NAME", a star instead of the name, or a star alone (out_all).
 * Principals of `platforms` are refused unless `staging`. */
bool pl_load_refs(struct load *l, struct pl_json *j, bool staging, uint64_t *out, bool *out_all);
void pl_load_principals(struct load *l, struct pl_json *j);
/* {"of", "at_least", "fresh_for"} and what may be beside: of rules and of mutability. */
void pl_load_approvals(struct load *l, struct pl_json *j, struct quorum *out);
/* Where a condition stands. */
struct place {
    bool plain;       /* not in a deny, not under not: what a caller can withhold may stand here */
    unsigned nesting; /* of all, any, not */
};
void pl_load_condition(struct load *l, struct pl_json *j, struct place at);
void pl_load_quotas(struct load *l, struct pl_json *j);
void pl_load_staging(struct load *l, struct pl_json *j);
void pl_load_profile(struct pl_refusal *why, struct pl_json *j, struct pl_profile *out);
void pl_load_rules(struct load *l, struct pl_json *j);
void pl_load_lifecycle(struct load *l, struct pl_json *j);
void pl_load_mutability(struct load *l, struct pl_json *j);
/* What only the whole can show: weak guards, keys nobody could use. */
PL_CHECKED pl_err pl_load_whole(struct load *l);

#endif
