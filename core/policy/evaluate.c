/* The evaluator. Three-valued: a condition is true, false or unknown, and unknown never allows and
 * never disarms a deny. Read it with 30-policy, "Evaluation", beside. */
#include "policy/internal.h"

/* One evaluation. */
struct eval {
    const struct pl_policy *p;
    const struct pl_facts *f;
    struct pl_trace *trace;
    struct pl_interval now;
    uint64_t is;               /* principals, with those by a bare token where these count */
    uint64_t room, room_could; /* principals to whom every quota leaves room; may leave it */
};

/* ---- Kleene's logic ------------------------------------------------------------------------- */

static enum pl_tri both(enum pl_tri a, enum pl_tri b)
{
    if (a == PL_FALSE || b == PL_FALSE)
        return PL_FALSE;
    return a == PL_TRUE && b == PL_TRUE ? PL_TRUE : PL_UNKNOWN;
}

static enum pl_tri negate(enum pl_tri a)
{
    return a == PL_TRUE ? PL_FALSE : a == PL_FALSE ? PL_TRUE : PL_UNKNOWN;
}

static enum pl_tri either(enum pl_tri a, enum pl_tri b)
{
    return negate(both(negate(a), negate(b)));
}

static enum pl_tri value_of(bool certain, bool possible)
{
    return certain ? PL_TRUE : possible ? PL_UNKNOWN : PL_FALSE;
}

/* ---- Conditions on time --------------------------------------------------------------------- */

enum { DAY_S = 86400, DAYS_ALL = 0x7f };

/* TRUE when `good` holds all that may be, FALSE when it holds none of it. */
static enum pl_tri within(uint64_t may_be, uint64_t good)
{
    return (may_be & ~good) == 0 ? PL_TRUE : (may_be & good) == 0 ? PL_FALSE : PL_UNKNOWN;
}

static int64_t day_of(int64_t t_s) { return t_s / DAY_S - (t_s % DAY_S < 0); }
static int64_t second_of(int64_t t_s) { return (t_s % DAY_S + DAY_S) % DAY_S; }
/* Monday is 0; the first day of 1970 was a Thursday. */
static unsigned weekday_of(int64_t day) { return (unsigned)(((day + 3) % 7 + 7) % 7); }

static enum pl_tri days_value(const struct node *n, struct pl_interval now)
{
    int64_t first = day_of(now.earliest_s), last = day_of(now.latest_s);
    if (last - first >= 6)
        return within(DAYS_ALL, n->days);
    uint64_t may_be = 0;
    for (int64_t day = first; day <= last; day++)
        may_be |= UINT64_C(1) << weekday_of(day);
    return within(may_be, n->days);
}

/* Is all of [from, to], seconds of a day, in [open, close)? None of it? */
static enum pl_tri part_of_day(const struct node *n, int64_t from, int64_t to)
{
    if (from >= n->open_s && to < n->close_s)
        return PL_TRUE;
    return to < n->open_s || from >= n->close_s ? PL_FALSE : PL_UNKNOWN;
}

static enum pl_tri hours_value(const struct node *n, struct pl_interval now)
{
    int64_t first = day_of(now.earliest_s), last = day_of(now.latest_s);
    if (last - first > 1)
        return part_of_day(n, 0, DAY_S - 1);
    int64_t from = second_of(now.earliest_s), to = second_of(now.latest_s);
    if (first == last)
        return part_of_day(n, from, to);
    enum pl_tri evening = part_of_day(n, from, DAY_S - 1), morning = part_of_day(n, 0, to);
    return evening == morning ? evening : PL_UNKNOWN;
}

static enum pl_tri time_value(const struct node *n, struct pl_interval now)
{
    bool from = n->from_s != INT64_MIN, until = n->until_s != INT64_MAX;
    enum pl_tri value = from ? pl_time_reached(now, n->from_s) : PL_TRUE;
    value = both(value, until ? negate(pl_time_reached(now, n->until_s)) : PL_TRUE);
    value = both(value, days_value(n, now));
    return both(value, hours_value(n, now));
}

/* ---- Approvals and steps -------------------------------------------------------------------- */

/* What was done at at_s is at most for_s old. */
static enum pl_tri fresh(const struct eval *e, int64_t at_s, uint32_t for_s)
{
    int64_t over_s;
    if (__builtin_add_overflow(at_s, (int64_t)for_s + 1, &over_s))
        over_s = INT64_MAX;
    return negate(pl_time_reached(e->now, over_s));
}

static bool counts(const struct eval *e, const struct quorum *q, const struct pl_approval_fact *a,
                   bool certain)
{
    enum pl_tri young = fresh(e, a->iat_s, q->fresh_s);
    return (a->who & q->of) != 0 && (q->self || !a->own) &&
           (young == PL_TRUE || (young == PL_UNKNOWN && !certain));
}

/* Distinct authenticators, per_issuer of one issuer at most, whose approval counts. */
static unsigned approvals(const struct eval *e, const struct quorum *q, bool certain)
{
    bool counted[PL_POLICY_APPROVALS] = {false};
    unsigned n = 0;
    for (unsigned i = 0; i < e->f->approvals && i < PL_POLICY_APPROVALS; i++) {
        const struct pl_approval_fact *a = &e->f->approval[i];
        unsigned same_issuer = 0;
        bool again = false;
        for (unsigned k = 0; k < i; k++) {
            again |= counted[k] && e->f->approval[k].authenticator == a->authenticator;
            same_issuer += counted[k] && e->f->approval[k].issuer == a->issuer;
        }
        counted[i] = !again && same_issuer < q->per_issuer && counts(e, q, a, certain);
        n += counted[i];
    }
    return n;
}

static enum pl_tri quorum_value(const struct eval *e, const struct quorum *q, uint8_t *out_have)
{
    unsigned certain = approvals(e, q, true), possible = approvals(e, q, false);
    if (out_have)
        *out_have = (uint8_t)certain;
    return value_of(certain >= q->at_least, possible >= q->at_least);
}

static enum pl_tri step_value(const struct eval *e, const struct node *n)
{
    enum pl_tri value = PL_FALSE;
    for (unsigned i = 0; i < e->f->steps && i < PL_POLICY_APPROVALS; i++) {
        const struct pl_step_fact *s = &e->f->step[i];
        if ((s->fits >> n->arg & 1) != 0)
            value = either(value, fresh(e, s->at_s, n->fresh_s));
    }
    return value;
}

/* ---- Conditions ----------------------------------------------------------------------------- */

/* Bit i of two sets: what is so, and what may be. */
static enum pl_tri bit_value(uint64_t is, uint64_t maybe, unsigned i)
{
    return value_of((is >> i & 1) != 0, (maybe >> i & 1) != 0);
}

static enum pl_tri role_value(const struct eval *e, const struct node *n)
{
    if (n->words.n > 0)
        return bit_value(e->f->role_is, 0, n->arg);
    return value_of((e->is & n->of) != 0, (e->f->maybe & n->of) != 0);
}

static enum pl_tri node_value(const struct eval *e, unsigned i);

/* The parts of all, any and not lie between a node and its end. */
static enum pl_tri parts_value(const struct eval *e, unsigned i)
{
    const struct node *n = &e->p->node[i];
    enum pl_tri value = n->kind == PL_COND_ALL ? PL_TRUE : PL_FALSE;
    for (unsigned part = i + 1; part < n->end; part = e->p->node[part].end) {
        enum pl_tri one = node_value(e, part);
        value = n->kind == PL_COND_ALL   ? both(value, one)
                : n->kind == PL_COND_ANY ? either(value, one)
                                         : negate(one);
    }
    return value;
}

static enum pl_tri leaf_value(const struct eval *e, unsigned i)
{
    const struct node *n = &e->p->node[i];
    switch ((enum pl_cond)n->kind) {
    case PL_COND_TIME:
        return time_value(n, e->now);
    case PL_COND_ATTESTED:
        return bit_value(e->f->profile_is, e->f->profile_maybe, n->arg);
    case PL_COND_APPROVALS:
        return quorum_value(e, &n->approvals, e->trace ? &e->trace->have[i] : NULL);
    case PL_COND_ROLE:
        return role_value(e, n);
    case PL_COND_STEP_UP:
        return step_value(e, n);
    case PL_COND_VAULT:
        return bit_value(e->f->vault_is, e->f->vault_maybe, n->arg);
    case PL_COND_ALL:
    case PL_COND_ANY:
    case PL_COND_NOT:
        return parts_value(e, i);
    case PL_COND_NONE:
    case PL_COND_COUNT:
        break;
    }
    return PL_UNKNOWN;
}

/* Depth is bounded by the loader. */
static enum pl_tri node_value(const struct eval *e, unsigned i)
{
    enum pl_tri value = leaf_value(e, i);
    if (e->trace)
        e->trace->node[i] = value;
    return value;
}

/* ---- Rules and quotas ----------------------------------------------------------------------- */

/* To whom all quotas of the operation leave room: one by key to everybody or to nobody, which is as
 * good as a deny, because it counts nothing but what rules allow. The first of those that has, or
 * may have, none. */
static const struct pl_quota *ask_quotas(struct eval *e)
{
    const struct pl_quota *full = NULL;
    e->room = e->room_could = UINT64_MAX;
    for (unsigned i = 0; i < e->p->quotas; i++) {
        const struct pl_quota *q = &e->p->quota[i];
        uint64_t is = e->f->room_is[i], could = is | e->f->room_maybe[i], all = UINT64_MAX;
        if ((q->ops & PL_OP_BIT(e->f->op)) == 0)
            continue;
        e->room &= q->by_principal || is == 0 ? is : all;
        e->room_could &= q->by_principal || could == 0 ? could : all;
        full = full || q->by_principal || is != 0 ? full : q;
        if (e->trace)
            e->trace->room[i] = value_of((is & (q->by_principal ? e->is : all)) != 0, could != 0);
    }
    return full;
}

static enum pl_tri to_value(const struct eval *e, const struct rule *r)
{
    if (r->deny)
        return PL_TRUE;
    return value_of((e->is & r->to & e->room) != 0,
                    ((e->is | e->f->maybe) & r->to & e->room_could) != 0);
}

static enum pl_tri rule_value(const struct eval *e, unsigned i)
{
    const struct rule *r = &e->p->rule[i];
    enum pl_tri to = to_value(e, r);
    enum pl_tri when = r->when < r->end ? node_value(e, r->when) : PL_TRUE;
    if (e->trace) {
        e->trace->to[i] = to;
        e->trace->when[i] = when;
    }
    return both(to, when);
}

/* ---- Who may, where no rule says it --------------------------------------------------------- */

/* Enough of `by` agree: one that is no owner, or owners in the number of the quorum, of whom one at
 * least asks himself (or, at a birth, by a grant) and the others may have signed approvals. */
static enum pl_tri by_value(const struct eval *e, uint64_t by, uint64_t consent)
{
    uint64_t owners = by & e->p->group[PL_GROUP_OWNER], others = by & ~owners, signers = 0;
    uint64_t is = e->is | consent, could = is | e->f->maybe;
    int quorum = (int)e->p->owner_quorum;
    for (unsigned i = 0; i < e->f->approvals && i < PL_POLICY_APPROVALS; i++)
        signers |= e->f->approval[i].who & owners;
    bool certain = (is & owners) != 0 && __builtin_popcountll((is & owners) | signers) >= quorum;
    bool possible =
        (could & owners) != 0 && __builtin_popcountll((could & owners) | signers) >= quorum;
    return value_of(certain || (is & others) != 0, possible || (could & others) != 0);
}

/* Every demand for approvals that asks for the most of all in the document. */
static enum pl_tri strictest_value(const struct eval *e)
{
    enum pl_tri value = PL_TRUE;
    unsigned most = e->p->strictest;
    for (unsigned i = 0; most > 0 && i < e->p->nodes; i++) {
        const struct node *n = &e->p->node[i];
        if (n->kind == PL_COND_APPROVALS && n->approvals.at_least == most)
            value = both(value, node_value(e, i));
    }
    for (unsigned g = 0; most > 0 && g < PL_GUARD_COUNT; g++) {
        const struct quorum *q = &e->p->guard[g].approvals;
        if (q->at_least == most)
            value = both(value, quorum_value(e, q, NULL));
    }
    return value;
}

static enum pl_tri guard_value(const struct eval *e, enum pl_guard g)
{
    const struct guard one = pl_guard_of(e->p, g);
    uint8_t have = 0;
    enum pl_tri value = both(by_value(e, one.by, 0), quorum_value(e, &one.approvals, &have));
    if (one.strictest)
        value = both(value, strictest_value(e));
    if (e->trace) {
        e->trace->guard[g] = value;
        e->trace->guard_have[g] = have;
    }
    return value;
}

/* Every changed field's guard, or that of changes which only take away. */
static enum pl_tri changes_value(const struct eval *e)
{
    enum {
        NEVER_NARROW = 1 << PL_GUARD_OWNER | 1 << PL_GUARD_OWNER_QUORUM | 1 << PL_GUARD_MUTABILITY
    };
    uint32_t changes = e->f->changes;
    enum pl_tri value = changes != 0 ? PL_TRUE : PL_FALSE;
    for (unsigned g = 0; g < 32; g++) {
        if ((changes >> g & 1) != 0)
            value = both(value, g < PL_GUARD_COUNT ? guard_value(e, (enum pl_guard)g) : PL_FALSE);
    }
    if (e->f->narrows && changes != 0 && (changes & NEVER_NARROW) == 0)
        value = either(value, guard_value(e, PL_GUARD_NARROW));
    return value;
}

/* What allows, beside the rules of `operations`. */
static enum pl_tri basis_value(const struct eval *e, enum pl_basis *out)
{
    static const enum pl_guard ruled_by[PL_RULED_COUNT] = {
        [PL_RULED_PROFILES] = PL_GUARD_PROFILES,
        [PL_RULED_THAW] = PL_GUARD_THAW,
        [PL_RULED_NARROW] = PL_GUARD_NARROW,
        [PL_RULED_VAULT_PROFILES] = PL_GUARD_VAULT_PROFILES,
        [PL_RULED_LIFECYCLE] = PL_GUARD_LIFECYCLE_ACTS,
    };
    enum pl_ruled ruled = pl_op_row(e->f->op)->ruled;
    uint64_t owners = e->p->group[PL_GROUP_OWNER];
    *out = ruled == PL_RULED_BIRTH ? PL_BASIS_CONSENT : PL_BASIS_GUARD;
    if (ruled == PL_RULED_BIRTH)
        return by_value(e, owners, e->f->consent & owners);
    if (e->p->life.sealed && (ruled == PL_RULED_CHANGED || e->f->op == PL_OP_RETIRE))
        return PL_FALSE;
    if (ruled == PL_RULED_CHANGED)
        return changes_value(e);
    if (ruled == PL_RULED_STAGING)
        return value_of((e->is & e->p->staging) != 0, (e->f->maybe & e->p->staging) != 0);
    if (ruled_by[ruled] != PL_GUARD_NONE)
        return guard_value(e, ruled_by[ruled]);
    *out = PL_BASIS_NOTHING;
    return PL_FALSE;
}

/* ---- The decision --------------------------------------------------------------------------- */

/* What rules and the basis add up to. */
struct sum {
    enum pl_tri allowed, denied;
    const struct rule *allow, *deny; /* the first that is true; the first that is not false */
    const struct pl_quota *full;     /* a quota by key that is not open */
    uint64_t through;                /* principals through which a rule allows */
};

static void add_rule(const struct eval *e, struct sum *s, const struct rule *r, enum pl_tri value)
{
    if (r->deny) {
        s->denied = either(s->denied, value);
        s->deny = s->deny || value == PL_FALSE ? s->deny : r;
    } else {
        s->allowed = either(s->allowed, value);
        s->allow = s->allow || value != PL_TRUE ? s->allow : r;
        s->through |= value == PL_TRUE ? e->is & r->to & e->room : 0;
    }
}

static struct pl_decision decide(const struct sum *s, enum pl_basis basis)
{
    struct pl_decision d = {.value = both(s->allowed, negate(s->denied))};
    d.verdict = d.value == PL_TRUE ? PL_ALLOW : PL_DENY;
    const struct rule *r = s->deny || s->full ? s->deny : s->allow;
    d.basis = r                       ? PL_BASIS_RULE
              : s->full               ? PL_BASIS_QUOTA
              : s->allowed == PL_TRUE ? basis
                                      : PL_BASIS_NOTHING;
    d.rule = r ? r->id : s->full ? s->full->id : NULL;
    d.charged = d.verdict == PL_ALLOW ? s->through & -s->through : 0;
    return d;
}

uint64_t pl_facts_is(const struct pl_facts *f)
{
    bool reads = f->op == PL_OP_DESCRIBE || f->op == PL_OP_READ_POLICY;
    return f->is | (reads ? f->bare : 0);
}

struct pl_decision pl_policy_evaluate(const struct pl_policy *p, const struct pl_facts *f,
                                      struct pl_trace *trace)
{
    struct eval e = {.p = p, .f = f, .trace = trace, .now = f->now, .is = pl_facts_is(f)};
    if (f->now.earliest_s > f->now.latest_s)
        e.now = PL_TIME_UNKNOWN;
    if (trace)
        *trace = (struct pl_trace){.basis = PL_FALSE};
    enum pl_basis basis;
    enum pl_tri given = basis_value(&e, &basis);
    struct sum s = {.allowed = given, .denied = PL_FALSE, .full = ask_quotas(&e)};
    for (unsigned i = 0; i < p->rules; i++) {
        if ((p->rule[i].ops & PL_OP_BIT(f->op)) != 0)
            add_rule(&e, &s, &p->rule[i], rule_value(&e, i));
    }
    if (trace) {
        trace->basis = given;
        trace->allowed = s.allowed;
        trace->denied = s.denied;
    }
    return decide(&s, basis);
}
