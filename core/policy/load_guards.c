/* Lifecycle and mutability of a policy's document, and what only the whole of it can show. */
#include "policy/internal.h"
#include "policy/say.h"

/* ---- Lifecycle ------------------------------------------------------------------------------ */

static void load_expires(struct load *l, struct pl_json *j)
{
    struct pl_json ahead = *j;
    struct pl_span s;
    if (pl_json_plain(&ahead, &s) && pl_span_is(s, "never"))
        pl_json_skip(j);
    else
        pl_json_time(j, &l->p.life.expires_s);
}

static void load_replicas(struct load *l, struct pl_json *j)
{
    uint64_t n = 0;
    if (pl_json_u53(j, 255, &n) && n != 1)
        pl_load_refuse(l->why, j, PL_FAIL(POLICY_BUILD),
                       "replicas are not supported by this build: write 1");
}

static void load_recoverable(struct load *l, struct pl_json *j)
{
    pl_json_bool(j, &l->p.life.recoverable);
}

static void load_sealed(struct load *l, struct pl_json *j) { pl_json_bool(j, &l->p.life.sealed); }

static void load_time_source(struct load *l, struct pl_json *j)
{
    struct pl_span s;
    if (!pl_json_plain(j, &s))
        return;
    bool host = pl_span_is(s, "host");
    l->p.life.time = host ? PL_POLICY_TIME_HOST : PL_POLICY_TIME_WITNESSED;
    if (!host && !pl_span_is(s, "witnessed"))
        pl_load_refuse(l->why, j, PL_FAIL(POLICY_VALUE), "time is \"host\" or \"witnessed\"");
}

static const struct {
    const char *word;
    void (*load)(struct load *l, struct pl_json *j); /* NULL: not in this build */
} life_members[] = {
    {"expires", load_expires},
    {"replicas", load_replicas},
    {"recoverable", load_recoverable},
    {"sealed", load_sealed},
    {"time", load_time_source},
    {"unwitnessed_max", NULL},
    {"auto_migrate_to_next_attestation_profile", NULL},
};

void pl_load_lifecycle(struct load *l, struct pl_json *j)
{
    struct pl_span key;
    for (pl_json_object(j); pl_json_key(j, &key);) {
        size_t m = 0, n = sizeof(life_members) / sizeof(life_members[0]);
        while (m < n && !pl_span_is(key, life_members[m].word))
            m++;
        if (m == n)
            pl_load_refuse(l->why, j, PL_FAIL(JSON_UNKNOWN), "lifecycle has no member `%s`",
                           pl_shown(key).text);
        else if (!life_members[m].load)
            pl_load_refuse(l->why, j, PL_FAIL(POLICY_BUILD),
                           "`%s` is not supported by this build: leave it out",
                           life_members[m].word);
        else
            life_members[m].load(l, j);
    }
}

/* ---- Mutability ----------------------------------------------------------------------------- */

enum guard_kind { FIELD = 1, ACT, NARROW, DERIVED };
enum guard_absent { NOBODY = 1, OWNERS, STRICTEST };

static const struct {
    const char *word;
    enum guard_kind kind;
    enum guard_absent absent;
} guards[PL_GUARD_COUNT] = {
#define PL_GUARD(name, word_, kind_, absent_) [PL_GUARD_##name] = {word_, kind_, absent_},
#include "policy/guard.def"
#undef PL_GUARD
};

struct guard pl_guard_of(const struct pl_policy *p, enum pl_guard g)
{
    uint64_t owners = p->group[PL_GROUP_OWNER];
    if ((unsigned)g >= PL_GUARD_COUNT || g == PL_GUARD_NONE)
        return (struct guard){.listed = false};
    if (g == PL_GUARD_THAW && p->guard[PL_GUARD_PROFILES].listed)
        return p->guard[PL_GUARD_PROFILES];
    if (p->guard[g].listed)
        return p->guard[g];
    if (guards[g].absent != NOBODY)
        return (struct guard){.by = owners, .strictest = guards[g].absent == STRICTEST};
    /* Without `mutability` the owner changes everything but who owns and this rule. */
    bool kept = g == PL_GUARD_OWNER || g == PL_GUARD_OWNER_QUORUM || g == PL_GUARD_MUTABILITY;
    return (struct guard){.by = p->has_mutability || p->life.sealed || kept ? 0 : owners};
}

static void load_by(struct load *l, struct pl_json *j, enum pl_guard g)
{
    uint64_t owners = l->p.group[PL_GROUP_OWNER];
    bool all;
    struct guard *guard = &l->p.guard[g];
    if (!pl_load_refs(l, j, false, &guard->by, &all))
        return;
    if (all)
        pl_load_refuse(l->why, j, PL_FAIL(POLICY_WEAK),
                       "\"*\" may not stand in mutability: name who may");
    uint64_t named = guard->by & owners;
    if (named != 0 && __builtin_popcountll(named) < (int)l->p.owner_quorum)
        pl_load_refuse(l->why, j, PL_FAIL(POLICY_WEAK),
                       "fewer owners than owner_quorum stand here and could never agree: write "
                       "owner/*");
}

static void load_guard(struct load *l, struct pl_json *j, enum pl_guard g)
{
    bool by = false;
    struct pl_span key;
    for (pl_json_object(j); pl_json_key(j, &key);) {
        if (pl_span_is(key, "by")) {
            load_by(l, j, g);
            by = true;
        } else if (pl_span_is(key, "approvals")) {
            pl_load_approvals(l, j, &l->p.guard[g].approvals);
        } else {
            pl_load_refuse(l->why, j, PL_FAIL(JSON_UNKNOWN), "an entry of mutability has no `%s`",
                           pl_shown(key).text);
        }
    }
    if (!by)
        pl_load_refuse(l->why, j, PL_FAIL(JSON_MISSING), "an entry of mutability needs `by`");
    struct guard *guard = &l->p.guard[g];
    guard->listed = true;
    bool alone = guard->approvals.at_least == 0 || guard->approvals.self;
    if (g == PL_GUARD_LIFECYCLE_ACTS && alone && (guard->by & l->p.group[PL_GROUP_MANAGERS]) != 0)
        pl_load_refuse(l->why, j, PL_FAIL(POLICY_WEAK),
                       "a manager alone may not delete or destroy a key: name owners, or ask for "
                       "approvals of others");
}

void pl_load_mutability(struct load *l, struct pl_json *j)
{
    l->p.has_mutability = true;
    struct pl_span key;
    for (pl_json_object(j); pl_json_key(j, &key);) {
        unsigned g = PL_GUARD_NONE + 1;
        while (g < PL_GUARD_COUNT && !pl_span_is(key, guards[g].word))
            g++;
        if (g == PL_GUARD_COUNT || guards[g].kind == DERIVED)
            pl_load_refuse(
                l->why, j, PL_FAIL(POLICY_NAME),
                "mutability has no `%s`: it lists fields of the policy (principals.apps, "
                "profiles, operations, ...), lifecycle_acts and narrow",
                pl_shown(key).text);
        else
            load_guard(l, j, (enum pl_guard)g);
    }
}

/* ---- The whole ------------------------------------------------------------------------------ */

static bool same_quorum(const struct quorum *a, const struct quorum *b)
{
    return a->of == b->of && a->fresh_s == b->fresh_s && a->at_least == b->at_least &&
           a->per_issuer == b->per_issuer && a->self == b->self;
}

/* Who may widen one field could give himself the others: so all listed ones have one guard. */
static pl_err guards_alike(struct load *l)
{
    const struct guard *first = NULL;
    const char *word = NULL;
    for (unsigned g = 1; g < PL_GUARD_COUNT; g++) {
        const struct guard *one = &l->p.guard[g];
        if (!one->listed || guards[g].kind != FIELD)
            continue;
        char pointer[64];
        pl_say_text(pointer, sizeof(pointer), "/mutability/%s", guards[g].word);
        if (first && (one->by != first->by || !same_quorum(&one->approvals, &first->approvals)))
            return pl_load_refuse_at(l->why, PL_FAIL(POLICY_WEAK), pointer,
                                     "whoever may change `%s` could give himself what `%s` guards: "
                                     "give both the same `by` and the same approvals",
                                     guards[g].word, word);
        first = first ? first : one;
        word = word ? word : guards[g].word;
    }
    return PL_OK;
}

/* Principals that something could ever match. */
static uint64_t alive(const struct load *l)
{
    uint64_t mask = 0;
    for (unsigned i = 0; i < l->p.principals; i++) {
        const struct pl_principal *pr = &l->principal[i];
        mask |= pr->kind != PL_KIND_TEE || pr->profiles != 0 ? UINT64_C(1) << i : 0;
    }
    return mask;
}

/* Operations that no fact can allow any more. */
static uint64_t always_denied(const struct load *l)
{
    uint64_t mask = 0;
    for (unsigned r = 0; r < l->p.rules; r++)
        mask |= l->rule[r].deny && l->rule[r].when == l->rule[r].end ? l->rule[r].ops : 0;
    return mask;
}

static bool could_use(const struct load *l)
{
    for (unsigned r = 0; r < l->p.rules; r++) {
        const struct rule *rule = &l->rule[r];
        if (rule->deny || (rule->to & alive(l)) == 0)
            continue;
        for (unsigned op = 1; op < PL_OP_COUNT; op++) {
            bool use = pl_op_row((enum pl_op)op)->usage != PL_USAGE_NONE;
            if (use && (rule->ops & ~always_denied(l) & PL_OP_BIT(op)) != 0)
                return true;
        }
    }
    return false;
}

static bool could_change(const struct load *l, enum pl_guard g)
{
    uint64_t by = pl_guard_of(&l->p, g).by & alive(l), owners = l->p.group[PL_GROUP_OWNER];
    bool enough = __builtin_popcountll(by & owners) >= (int)l->p.owner_quorum;
    return (always_denied(l) & PL_OP_BIT(PL_OP_UPDATE_POLICY)) == 0 &&
           ((by & ~owners) != 0 || enough);
}

/* A quorum of owners must be of so many people or machines: no caller may pass for two. */
static pl_err owners_are_distinct(struct load *l)
{
    for (unsigned i = 0; i < l->p.principals && l->p.owner_quorum > 1; i++) {
        const struct pl_principal *pr = &l->principal[i];
        bool open =
            pr->kind == PL_KIND_CERTIFICATE || pr->kind == PL_KIND_ROLES || pr->kind == PL_KIND_TEE;
        if (pr->group == PL_GROUP_OWNER && open)
            return pl_load_refuse_at(
                l->why, PL_FAIL(POLICY_WEAK),
                l->present[FIELD_OWNER_QUORUM] ? "/owner_quorum" : "/principals/owner",
                "owner/%s is no single credential, so one caller could count as two owners: name "
                "keys by spki_sha256, passkeys or oidc by sub, or write \"owner_quorum\": 1",
                pr->name);
    }
    return PL_OK;
}

static pl_err staging_leads_somewhere(struct load *l)
{
    if (!l->present[FIELD_STAGING] || could_change(l, PL_GUARD_PROFILES))
        return PL_OK;
    return pl_load_refuse_at(l->why, PL_FAIL(POLICY_UNUSABLE), "/staging",
                             "nobody could ever promote what is staged: list `profiles` in "
                             "mutability, or leave staging out");
}

pl_err pl_load_whole(struct load *l)
{
    PL_TRY(guards_alike(l));
    PL_TRY(owners_are_distinct(l));
    PL_TRY(staging_leads_somewhere(l));
    bool change = false, open = false;
    for (unsigned g = 1; g < PL_GUARD_COUNT; g++) {
        bool field = guards[g].kind == FIELD && could_change(l, (enum pl_guard)g);
        change = change || field;
        open = open || (field && g != PL_GUARD_QUOTAS && g != PL_GUARD_STAGING);
        if (l->p.life.sealed && l->p.guard[g].listed && guards[g].kind == FIELD)
            return pl_load_refuse_at(l->why, PL_FAIL(POLICY_VALUE), "/lifecycle/sealed",
                                     "a sealed policy changes no more, but mutability lists `%s`: "
                                     "leave one of the two out",
                                     guards[g].word);
    }
    if (l->p.life.sealed)
        return PL_OK;
    if (!could_use(l) && !open)
        return pl_load_refuse_at(l->why, PL_FAIL(POLICY_UNUSABLE), "/operations",
                                 "no rule lets anybody use the key, and nobody could add one: "
                                 "allow an operation, or write lifecycle.sealed");
    if (!change)
        return pl_load_refuse_at(l->why, PL_FAIL(POLICY_UNUSABLE), "/mutability",
                                 "nobody could ever change this policy: list who may, or write "
                                 "\"sealed\": true in lifecycle");
    return PL_OK;
}
