/* The evaluator. Three-valued: a condition is true, false or unknown, and unknown never allows and
 * never disarms a deny. Read it with 30-policy, "Evaluation", beside. */
#include "policy/internal.h"

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

/* ---- Conditions ----------------------------------------------------------------------------- */

static enum pl_tri attested_value(const struct node *n, const struct pl_facts *f)
{
    uint32_t bit = UINT32_C(1) << n->arg;
    return (f->profile_is & bit) ? PL_TRUE : (f->profile_maybe & bit) ? PL_UNKNOWN : PL_FALSE;
}

/* The value of node i; its parts lie between it and its end. Depth is bounded by the loader. */
static enum pl_tri node_value(const struct pl_policy *p, const struct pl_facts *f,
                              struct pl_trace *trace, unsigned i)
{
    const struct node *n = &p->node[i];
    enum pl_tri value = n->kind == PL_COND_ALL ? PL_TRUE : PL_FALSE;
    for (unsigned part = i + 1; part < n->end; part = p->node[part].end) {
        enum pl_tri one = node_value(p, f, trace, part);
        value = n->kind == PL_COND_ALL   ? both(value, one)
                : n->kind == PL_COND_ANY ? either(value, one)
                                         : negate(one);
    }
    if (n->kind == PL_COND_TIME)
        value = time_value(n, f->now);
    if (n->kind == PL_COND_ATTESTED)
        value = attested_value(n, f);
    if (trace)
        trace->node[i] = value;
    return value;
}

/* ---- Rules ---------------------------------------------------------------------------------- */

static enum pl_tri to_value(const struct rule *r, const struct pl_facts *f)
{
    if (r->deny || (f->is & r->to) != 0)
        return PL_TRUE;
    return (f->maybe & r->to) != 0 ? PL_UNKNOWN : PL_FALSE;
}

static enum pl_tri rule_value(const struct pl_policy *p, const struct pl_facts *f,
                              struct pl_trace *trace, unsigned i)
{
    const struct rule *r = &p->rule[i];
    enum pl_tri to = to_value(r, f);
    enum pl_tri when = r->when < r->end ? node_value(p, f, trace, r->when) : PL_TRUE;
    if (trace) {
        trace->to[i] = to;
        trace->when[i] = when;
    }
    return both(to, when);
}

/* ---- Who may, where no rule says it --------------------------------------------------------- */

static enum pl_tri consent_value(const struct pl_policy *p, const struct pl_facts *f)
{
    uint64_t owners = p->group[PL_GROUP_OWNER];
    return pl_guard_value(p, owners, f->is | (f->consent & owners), f->maybe);
}

static enum pl_tri changes_value(const struct pl_policy *p, const struct pl_facts *f)
{
    enum pl_tri value = f->changes != 0 ? PL_TRUE : PL_FALSE;
    for (unsigned g = 0; g < 32; g++) {
        if ((f->changes >> g & 1) != 0)
            value =
                both(value, pl_guard_value(p, pl_guard_by(p, (enum pl_guard)g), f->is, f->maybe));
    }
    return value;
}

static enum pl_tri guard(const struct pl_policy *p, const struct pl_facts *f, enum pl_guard g)
{
    return pl_guard_value(p, pl_guard_by(p, g), f->is, f->maybe);
}

static enum pl_tri thaw_value(const struct pl_policy *p, const struct pl_facts *f)
{
    bool listed = p->guard[PL_GUARD_PROFILES].listed;
    uint64_t by = listed ? p->guard[PL_GUARD_PROFILES].by : p->group[PL_GROUP_OWNER];
    return pl_guard_value(p, by, f->is, f->maybe);
}

/* What allows, beside the rules of `operations`. */
static enum pl_tri basis_value(const struct pl_policy *p, const struct pl_facts *f,
                               enum pl_ruled ruled, enum pl_basis *out)
{
    *out = ruled == PL_RULED_BIRTH ? PL_BASIS_CONSENT : PL_BASIS_GUARD;
    switch (ruled) {
    case PL_RULED_BIRTH:
        return consent_value(p, f);
    case PL_RULED_CHANGED:
        return changes_value(p, f);
    case PL_RULED_PROFILES:
        return guard(p, f, PL_GUARD_PROFILES);
    case PL_RULED_THAW:
        return thaw_value(p, f);
    case PL_RULED_NARROW:
        return guard(p, f, PL_GUARD_NARROW);
    case PL_RULED_VAULT_PROFILES:
        return guard(p, f, PL_GUARD_VAULT_PROFILES);
    case PL_RULED_LIFECYCLE:
        return guard(p, f, PL_GUARD_LIFECYCLE_ACTS);
    case PL_RULED_OPERATIONS:
    case PL_RULED_STAGING: /* `staging` does not load in this build: nobody may */
    case PL_RULED_NOBODY:
    case PL_RULED_COUNT:
        break;
    }
    *out = PL_BASIS_NOTHING;
    return PL_FALSE;
}

/* ---- The decision --------------------------------------------------------------------------- */

/* What the rules and the basis add up to. */
struct sum {
    enum pl_tri allowed, denied;
    const struct rule *allow, *deny; /* the first that is true; the first that is not false */
};

static void add_rule(struct sum *s, const struct rule *r, enum pl_tri value)
{
    if (r->deny) {
        s->denied = either(s->denied, value);
        s->deny = s->deny || value == PL_FALSE ? s->deny : r;
    } else {
        s->allowed = either(s->allowed, value);
        s->allow = s->allow || value != PL_TRUE ? s->allow : r;
    }
}

static struct pl_decision decide(const struct sum *s, enum pl_basis basis)
{
    struct pl_decision d = {.value = both(s->allowed, negate(s->denied))};
    d.verdict = d.value == PL_TRUE ? PL_ALLOW : PL_DENY;
    const struct rule *r = s->deny ? s->deny : s->allow;
    d.basis = r ? PL_BASIS_RULE : s->allowed == PL_TRUE ? basis : PL_BASIS_NOTHING;
    d.rule = r ? r->id : NULL;
    return d;
}

struct pl_decision pl_policy_evaluate(const struct pl_policy *p, const struct pl_facts *facts,
                                      struct pl_trace *trace)
{
    struct pl_facts f = *facts;
    if (f.now.earliest_s > f.now.latest_s)
        f.now = PL_TIME_UNKNOWN;
    if (trace)
        *trace = (struct pl_trace){.basis = PL_FALSE};
    enum pl_basis basis;
    enum pl_tri given = basis_value(p, &f, pl_op_row(f.op)->ruled, &basis);
    struct sum s = {.allowed = given, .denied = PL_FALSE};
    for (unsigned i = 0; i < p->rules; i++) {
        if ((p->rule[i].ops & PL_OP_BIT(f.op)) != 0)
            add_rule(&s, &p->rule[i], rule_value(p, &f, trace, i));
    }
    if (trace) {
        trace->basis = given;
        trace->allowed = s.allowed;
        trace->denied = s.denied;
    }
    return decide(&s, basis);
}
