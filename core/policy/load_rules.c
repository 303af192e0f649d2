/* Rules and conditions of a policy's document. */
#include "policy/internal.h"

#include <string.h>

/* Where a condition stands. */
struct place {
    bool plain;       /* not in a deny, not under not: what a caller can withhold may stand here */
    unsigned nesting; /* of all, any, not */
};

static void load_condition(struct load *l, struct pl_json *j, struct place at);

/* ---- Conditions ----------------------------------------------------------------------------- */

static void load_attested(struct load *l, struct pl_json *j, struct node *n, struct place at)
{
    (void)at;
    struct pl_span key, name;
    bool seen = false;
    for (pl_json_object(j); pl_json_key(j, &key);) {
        if (!pl_span_is(key, "profile")) {
            pl_load_refuse(l->why, j, PL_FAIL(JSON_UNKNOWN),
                           "`attested` has no member `%s`: write {\"profile\": NAME}",
                           pl_shown(key).text);
            return;
        }
        if (!pl_json_plain(j, &name))
            return;
        n->arg = 0;
        while (n->arg < l->p.profiles && !pl_span_is(name, l->profile[n->arg].name))
            n->arg++;
        if (n->arg == l->p.profiles)
            pl_load_refuse(l->why, j, PL_FAIL(POLICY_NAME),
                           "there is no profile `%s`: add it under profiles", pl_shown(name).text);
        seen = true;
    }
    if (!seen)
        pl_load_refuse(l->why, j, PL_FAIL(JSON_MISSING), "`attested` needs the name of a profile");
}

static unsigned weekday(struct pl_span s)
{
    static const char *const days[7] = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};
    unsigned d = 0;
    while (d < 7 && !pl_span_is(s, days[d]))
        d++;
    return d;
}

/* "mon-fri", "sat,sun", "mon,wed-fri": days and ranges that do not pass Sunday. 0: malformed. */
static uint8_t weekdays(struct pl_span s)
{
    unsigned mask = 0;
    for (size_t at = 0; at + 3 <= s.n; at += 1) {
        unsigned from = weekday(pl_span_sub(s, at, 3)), to = from;
        at += 3;
        if (at + 4 <= s.n && s.p[at] == '-') {
            to = weekday(pl_span_sub(s, at + 1, 3));
            at += 4;
        }
        if (from > to || to > 6)
            return 0;
        for (unsigned d = from; d <= to; d++)
            mask |= 1u << d;
        if (at == s.n)
            return (uint8_t)mask;
        if (s.p[at] != ',')
            return 0;
    }
    return 0;
}

/* "08:30" as seconds of the day, "24:00" included; -1: malformed. */
static int32_t clock_time(struct pl_span s)
{
    if (s.n != 5 || s.p[2] != ':')
        return -1;
    for (size_t i = 0; i < 5; i += i == 1 ? 2 : 1) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return -1;
    }
    int32_t h = (s.p[0] - '0') * 10 + (s.p[1] - '0'), m = (s.p[3] - '0') * 10 + (s.p[4] - '0');
    return m > 59 || h * 60 + m > 24 * 60 ? -1 : (h * 60 + m) * 60;
}

static void load_time_member(struct load *l, struct pl_json *j, struct pl_span key, struct node *n)
{
    struct pl_span s;
    if (pl_span_is(key, "from")) {
        pl_json_time(j, &n->from_s);
    } else if (pl_span_is(key, "until")) {
        pl_json_time(j, &n->until_s);
    } else if (pl_span_is(key, "days")) {
        if (pl_json_plain(j, &s) && (n->days = weekdays(s)) == 0)
            pl_load_refuse(l->why, j, PL_FAIL(POLICY_VALUE),
                           "days are written mon-fri, sat,sun or mon,wed-fri");
    } else if (pl_span_is(key, "hours")) {
        if (!pl_json_plain(j, &s))
            return;
        bool form = s.n == 11 && s.p[5] == '-';
        n->open_s = form ? clock_time(pl_span_sub(s, 0, 5)) : -1;
        n->close_s = form ? clock_time(pl_span_sub(s, 6, 5)) : -1;
        if (n->open_s < 0 || n->close_s <= n->open_s)
            pl_load_refuse(l->why, j, PL_FAIL(POLICY_VALUE),
                           "hours are written 08:00-18:00 (UTC), the first before the second: for "
                           "a night write two conditions under any");
    } else {
        pl_load_refuse(l->why, j, PL_FAIL(JSON_UNKNOWN),
                       "`time` has no member `%s`: it has from, until, days and hours",
                       pl_shown(key).text);
    }
}

static void load_time(struct load *l, struct pl_json *j, struct node *n, struct place at)
{
    (void)at;
    n->from_s = INT64_MIN;
    n->until_s = INT64_MAX;
    n->days = 0x7f;
    n->close_s = 86400;
    bool seen = false;
    struct pl_span key;
    for (pl_json_object(j); pl_json_key(j, &key); seen = true)
        load_time_member(l, j, key, n);
    if (!seen)
        pl_load_refuse(l->why, j, PL_FAIL(JSON_MISSING),
                       "`time` needs one of from, until, days and hours");
    if (n->from_s >= n->until_s)
        pl_load_refuse(l->why, j, PL_FAIL(POLICY_VALUE), "no time is from `from` until `until`");
}

static void load_list(struct load *l, struct pl_json *j, struct node *n, struct place at)
{
    (void)n;
    bool seen = false;
    for (pl_json_array(j); pl_json_item(j); seen = true)
        load_condition(l, j, at);
    if (!seen)
        pl_load_refuse(l->why, j, PL_FAIL(POLICY_VALUE),
                       "an empty list of conditions says nothing");
}

static void load_not(struct load *l, struct pl_json *j, struct node *n, struct place at)
{
    (void)n;
    load_condition(l, j, (struct place){false, at.nesting});
}

static const struct {
    const char *word;
    bool built, withheld, nests;
    void (*load)(struct load *l, struct pl_json *j, struct node *n, struct place at);
} conditions[PL_COND_COUNT] = {
#define PL_COND(name, word_, built_, withheld_, load_)                                             \
    [PL_COND_##name] = {word_, built_, withheld_, PL_COND_##name >= PL_COND_ALL, load_},
#include "policy/cond.def"
#undef PL_COND
};

/* May this condition stand here? */
static bool condition_stands(struct load *l, struct pl_json *j, struct pl_span word, unsigned kind,
                             struct place at)
{
    if (kind == PL_COND_COUNT)
        return pl_load_refuse(l->why, j, PL_FAIL(POLICY_NAME),
                              "there is no condition `%s`: use attested, time, all, any or not",
                              pl_shown(word).text);
    if (!conditions[kind].built)
        return pl_load_refuse(l->why, j, PL_FAIL(POLICY_BUILD),
                              "condition `%s` is not supported by this build: use attested or time",
                              conditions[kind].word);
    if (conditions[kind].withheld && !at.plain)
        return pl_load_refuse(l->why, j, PL_FAIL(POLICY_VALUE),
                              "a caller can withhold `%s`, so it cannot stand in a deny or under "
                              "not: put it, without not, in the `when` of the allow rules",
                              conditions[kind].word);
    if (conditions[kind].nests && at.nesting == PL_POLICY_NESTING)
        return pl_load_refuse(l->why, j, PL_FAIL(POLICY_LIMIT),
                              "conditions are nested deeper than %u", PL_POLICY_NESTING);
    if (l->p.nodes == PL_POLICY_NODES)
        return pl_load_refuse(l->why, j, PL_FAIL(POLICY_LIMIT), "more than %u conditions",
                              PL_POLICY_NODES);
    return true;
}

/* An object with one member, whose name is the condition. */
static void load_condition(struct load *l, struct pl_json *j, struct place at)
{
    bool seen = false;
    struct pl_span key;
    for (pl_json_object(j); pl_json_key(j, &key); seen = true) {
        unsigned kind = PL_COND_NONE + 1;
        while (kind < PL_COND_COUNT && !pl_span_is(key, conditions[kind].word))
            kind++;
        if (seen)
            pl_load_refuse(l->why, j, PL_FAIL(POLICY_VALUE),
                           "a condition has one member: put several under all or any");
        else if (condition_stands(l, j, key, kind, at)) {
            struct node *n = &l->node[l->p.nodes++];
            n->kind = (uint8_t)kind;
            conditions[kind].load(l, j, n,
                                  (struct place){at.plain, at.nesting + conditions[kind].nests});
            n->end = l->p.nodes;
        }
    }
    if (!seen)
        pl_load_refuse(l->why, j, PL_FAIL(JSON_MISSING),
                       "an empty condition: leave `when` out if there is none");
}

/* ---- Rules ---------------------------------------------------------------------------------- */

/* Why an operation cannot be allowed by a rule. */
static const char *const elsewhere[PL_RULED_COUNT] = {
    [PL_RULED_BIRTH] = "the owners' consent",
    [PL_RULED_CHANGED] = "mutability, field by field",
    [PL_RULED_STAGING] = "staging",
    [PL_RULED_PROFILES] = "mutability.profiles",
    [PL_RULED_THAW] = "mutability.profiles",
    [PL_RULED_NARROW] = "mutability.narrow",
    [PL_RULED_VAULT_PROFILES] = "mutability.vault_profiles",
    [PL_RULED_LIFECYCLE] = "mutability.lifecycle_acts",
};

static void load_ops(struct load *l, struct pl_json *j, struct rule *r)
{
    for (pl_json_array(j); pl_json_item(j);) {
        struct pl_span word;
        if (!pl_json_plain(j, &word))
            return;
        enum pl_op op = pl_op_of(word);
        const char *other = elsewhere[pl_op_row(op)->ruled];
        if (op == PL_OP_NONE)
            pl_load_refuse(l->why, j, PL_FAIL(POLICY_NAME), "there is no operation `%s`",
                           pl_shown(word).text);
        else if (!r->deny && other)
            pl_load_refuse(l->why, j, PL_FAIL(POLICY_VALUE),
                           "`%s` is ruled by %s: an allow rule cannot give it", pl_op_row(op)->word,
                           other);
        r->ops |= PL_OP_BIT(op);
    }
}

static void load_id(struct load *l, struct pl_json *j, struct rule *r)
{
    struct pl_span s;
    if (!pl_json_plain(j, &s) || !pl_load_name(l->why, j, s, r->id))
        return;
    for (const struct rule *other = l->rule; other < r; other++) {
        if (pl_span_is(s, other->id))
            pl_load_refuse(l->why, j, PL_FAIL(POLICY_TWICE),
                           "two rules have the id `%s`: the log would not say which", r->id);
    }
}

enum { HAS_ID = 1, HAS_OPS = 2, HAS_TO = 4, HAS_ALL = 7 };

static unsigned load_rule_member(struct load *l, struct pl_json *j, struct pl_span key,
                                 struct rule *r)
{
    bool all = false;
    if (pl_span_is(key, "id")) {
        load_id(l, j, r);
        return HAS_ID;
    }
    if (pl_span_is(key, "allow") || pl_span_is(key, "deny")) {
        load_ops(l, j, r);
        return HAS_OPS;
    }
    if (pl_span_is(key, "to")) {
        if (pl_load_refs(l, j, &r->to, &all) && r->deny && !all)
            pl_load_refuse(l->why, j, PL_FAIL(POLICY_VALUE),
                           "a deny is for everybody (\"to\": [\"*\"]): leave a principal out of "
                           "the allow rules instead");
        return HAS_TO;
    }
    if (pl_span_is(key, "when")) {
        r->when = l->p.nodes;
        load_condition(l, j, (struct place){!r->deny, 0});
        r->end = l->p.nodes;
        return 0;
    }
    pl_load_refuse(l->why, j, PL_FAIL(JSON_UNKNOWN),
                   "a rule has no member `%s`: it has id, allow or deny, to and when",
                   pl_shown(key).text);
    return 0;
}

/* Is it an allow or a deny? Asked first, because it decides how the rest is read. */
static void load_effect(struct load *l, struct pl_json *j, struct rule *r)
{
    struct pl_json ahead = *j;
    struct pl_span key;
    bool allow = false, deny = false;
    for (pl_json_object(&ahead); pl_json_key(&ahead, &key);) {
        allow = allow || pl_span_is(key, "allow");
        deny = deny || pl_span_is(key, "deny");
        if (!pl_json_skip(&ahead))
            break;
    }
    r->deny = deny;
    if (pl_load_ok(&ahead) && allow == deny)
        pl_load_refuse(l->why, j, PL_FAIL(POLICY_VALUE),
                       "a rule has either `allow` or `deny`, a list of operations");
}

void pl_load_rules(struct load *l, struct pl_json *j)
{
    for (pl_json_array(j); pl_json_item(j);) {
        if (l->p.rules == PL_POLICY_RULES) {
            pl_load_refuse(l->why, j, PL_FAIL(POLICY_LIMIT), "more than %u rules", PL_POLICY_RULES);
            return;
        }
        struct rule *r = &l->rule[l->p.rules++];
        load_effect(l, j, r);
        unsigned has = 0;
        struct pl_span key;
        for (pl_json_object(j); pl_json_key(j, &key);)
            has |= load_rule_member(l, j, key, r);
        if (has != HAS_ALL)
            pl_load_refuse(l->why, j, PL_FAIL(JSON_MISSING),
                           "a rule needs id, allow or deny, and to");
    }
}
