/* Rules, quotas and staging of a policy's document. */
#include "policy/internal.h"

#include <string.h>

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
        if (pl_load_refs(l, j, false, &r->to, &all) && r->deny && !all)
            pl_load_refuse(l->why, j, PL_FAIL(POLICY_VALUE),
                           "a deny is for everybody (\"to\": [\"*\"]): leave a principal out of "
                           "the allow rules instead");
        return HAS_TO;
    }
    if (pl_span_is(key, "when")) {
        r->when = l->p.nodes;
        pl_load_condition(l, j, (struct place){!r->deny, 0});
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

/* ---- Quotas --------------------------------------------------------------------------------- */

/* What a quota can count: what rules allow, one key at a time. */
static void load_quota_ops(struct load *l, struct pl_json *j, struct pl_quota *q)
{
    for (pl_json_array(j); pl_json_item(j);) {
        struct pl_span word;
        if (!pl_json_plain(j, &word))
            return;
        enum pl_op op = pl_op_of(word);
        if (op == PL_OP_NONE)
            pl_load_refuse(l->why, j, PL_FAIL(POLICY_NAME), "there is no operation `%s`",
                           pl_shown(word).text);
        else if (pl_op_row(op)->ruled != PL_RULED_OPERATIONS || op == PL_OP_LIST)
            pl_load_refuse(l->why, j, PL_FAIL(POLICY_VALUE),
                           "a quota cannot count `%s`: it counts what rules of `operations` allow, "
                           "list excepted",
                           pl_op_row(op)->word);
        q->ops |= PL_OP_BIT(op);
    }
    if (q->ops == 0)
        pl_load_refuse(l->why, j, PL_FAIL(POLICY_VALUE),
                       "a quota of no operation: name what it counts");
}

static void load_quota_id(struct load *l, struct pl_json *j, struct pl_quota *q)
{
    struct pl_span s;
    if (!pl_json_plain(j, &s) || !pl_load_name(l->why, j, s, q->id))
        return;
    for (const struct pl_quota *other = l->quota; other < q; other++) {
        if (pl_span_is(s, other->id))
            pl_load_refuse(l->why, j, PL_FAIL(POLICY_TWICE),
                           "two quotas have the id `%s`: the log would not say which", q->id);
    }
}

static void load_quota_max(struct load *l, struct pl_json *j, struct pl_quota *q)
{
    uint64_t n = 0;
    if (pl_json_u53(j, UINT32_MAX, &n) && n == 0)
        pl_load_refuse(l->why, j, PL_FAIL(POLICY_VALUE),
                       "a quota of 0 allows nothing: write 1 or more, or a deny rule");
    q->max = (uint32_t)n;
}

static void load_quota_per(struct load *l, struct pl_json *j, struct pl_quota *q)
{
    if (pl_load_duration(l->why, j, &q->per_s) && q->per_s > 366 * 86400)
        pl_load_refuse(l->why, j, PL_FAIL(POLICY_VALUE), "a quota is per 1s to 366d");
}

static void load_quota_by(struct load *l, struct pl_json *j, struct pl_quota *q)
{
    struct pl_span s;
    if (!pl_json_plain(j, &s))
        return;
    q->by_principal = pl_span_is(s, "principal");
    if (!q->by_principal && !pl_span_is(s, "key"))
        pl_load_refuse(l->why, j, PL_FAIL(POLICY_VALUE),
                       "by is \"key\" (all uses together) or \"principal\"");
}

static const struct {
    const char *word;
    void (*load)(struct load *l, struct pl_json *j, struct pl_quota *q);
} quota_members[] = {{"id", load_quota_id},
                     {"ops", load_quota_ops},
                     {"max", load_quota_max},
                     {"per", load_quota_per},
                     {"by", load_quota_by}};
enum { QUOTA_MEMBERS = sizeof(quota_members) / sizeof(quota_members[0]) };

void pl_load_quotas(struct load *l, struct pl_json *j)
{
    for (pl_json_array(j); pl_json_item(j);) {
        if (l->p.quotas == PL_POLICY_QUOTAS) {
            pl_load_refuse(l->why, j, PL_FAIL(POLICY_LIMIT), "more than %u quotas",
                           PL_POLICY_QUOTAS);
            return;
        }
        struct pl_quota *q = &l->quota[l->p.quotas++];
        unsigned has = 0;
        struct pl_span key;
        for (pl_json_object(j); pl_json_key(j, &key);) {
            unsigned m = 0;
            while (m < QUOTA_MEMBERS && !pl_span_is(key, quota_members[m].word))
                m++;
            if (m == QUOTA_MEMBERS)
                pl_load_refuse(l->why, j, PL_FAIL(JSON_UNKNOWN), "a quota has no member `%s`",
                               pl_shown(key).text);
            else
                quota_members[m].load(l, j, q);
            has |= 1u << m;
        }
        if (has != (1u << QUOTA_MEMBERS) - 1)
            pl_load_refuse(l->why, j, PL_FAIL(JSON_MISSING),
                           "a quota needs id, ops, max, per and by");
    }
}

/* ---- Staging -------------------------------------------------------------------------------- */

void pl_load_staging(struct load *l, struct pl_json *j)
{
    bool by = false, all = false;
    struct pl_span key;
    for (pl_json_object(j); pl_json_key(j, &key); by = true) {
        if (!pl_span_is(key, "by"))
            pl_load_refuse(l->why, j, PL_FAIL(JSON_UNKNOWN),
                           "staging has no member `%s`: it has by", pl_shown(key).text);
        else if (pl_load_refs(l, j, true, &l->p.staging, &all) && all)
            pl_load_refuse(l->why, j, PL_FAIL(POLICY_WEAK),
                           "\"*\" may not stand in staging: name who may");
    }
    if (!by)
        pl_load_refuse(l->why, j, PL_FAIL(JSON_MISSING), "staging needs `by`");
}
