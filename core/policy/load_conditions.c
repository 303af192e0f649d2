/* Conditions of a policy's document. */
#include "policy/internal.h"

#include <string.h>

/* ---- Approvals ------------------------------------------------------------------------------ */

/* Those of one OIDC issuer can count this often together, whoever of them signs. */
static unsigned issuer_capacity(const struct load *l, const struct quorum *q, unsigned first)
{
    const struct word *issuer = &l->word[l->principal[first].words.at];
    unsigned n = 0;
    for (unsigned i = 0; i < l->p.principals; i++) {
        const struct pl_principal *pr = &l->principal[i];
        bool oidc = pr->kind == PL_KIND_OIDC || pr->kind == PL_KIND_ROLES;
        const struct word *his = &l->word[pr->words.at];
        if ((q->of >> i & 1) == 0 || !oidc || his->n != issuer->n ||
            memcmp(l->text.p + his->at, l->text.p + issuer->at, his->n) != 0)
            continue;
        if (i < first)
            return 0; /* counted there */
        n += pr->kind == PL_KIND_ROLES ? q->per_issuer : 1;
    }
    return n < q->per_issuer ? n : q->per_issuer;
}

/* How many approvals can count at most. */
static unsigned capacity(const struct load *l, const struct quorum *q)
{
    unsigned n = 0;
    for (unsigned i = 0; i < l->p.principals; i++) {
        bool oidc = l->principal[i].kind == PL_KIND_OIDC || l->principal[i].kind == PL_KIND_ROLES;
        if ((q->of >> i & 1) != 0)
            n += oidc ? issuer_capacity(l, q, i) : 1;
    }
    return n;
}

static void load_signers(struct load *l, struct pl_json *j, struct quorum *q)
{
    bool all;
    if (!pl_load_refs(l, j, false, &q->of, &all))
        return;
    for (unsigned i = 0; i < l->p.principals; i++) {
        const struct pl_principal *pr = &l->principal[i];
        if ((q->of >> i & 1) != 0 && (pr->kind == PL_KIND_TEE || pr->kind == PL_KIND_CERTIFICATE))
            pl_load_refuse(l->why, j, PL_FAIL(POLICY_VALUE),
                           "`%s/%s` can sign no approval: name keys by spki_sha256, passkeys or "
                           "oidc principals",
                           pl_group_word(pr->group), pr->name);
    }
}

static void load_count(struct load *l, struct pl_json *j, const char *word, uint8_t *out)
{
    uint64_t n = 0;
    if (pl_json_u53(j, UINT32_MAX, &n) && (n == 0 || n > PL_POLICY_APPROVALS))
        pl_load_refuse(l->why, j, PL_FAIL(POLICY_VALUE), "%s is 1 to %u%s", word,
                       PL_POLICY_APPROVALS,
                       n == 0 ? ": if nobody needs to approve, leave the approvals out" : "");
    *out = (uint8_t)n;
}

static void load_fresh(struct load *l, struct pl_json *j, uint32_t *out_s)
{
    if (pl_load_duration(l->why, j, out_s) && *out_s > 3600)
        pl_load_refuse(l->why, j, PL_FAIL(POLICY_VALUE),
                       "fresh_for is one hour (1h) at most: no statement lives longer");
}

void pl_load_approvals(struct load *l, struct pl_json *j, struct quorum *out)
{
    bool of = false;
    *out = (struct quorum){.per_issuer = 1};
    struct pl_span key;
    for (pl_json_object(j); pl_json_key(j, &key);) {
        if (pl_span_is(key, "of")) {
            load_signers(l, j, out);
            of = true;
        } else if (pl_span_is(key, "at_least")) {
            load_count(l, j, "at_least", &out->at_least);
        } else if (pl_span_is(key, "per_issuer")) {
            load_count(l, j, "per_issuer", &out->per_issuer);
        } else if (pl_span_is(key, "fresh_for")) {
            load_fresh(l, j, &out->fresh_s);
        } else if (pl_span_is(key, "self")) {
            pl_json_bool(j, &out->self);
        } else {
            pl_load_refuse(l->why, j, PL_FAIL(JSON_UNKNOWN),
                           "`approvals` has no member `%s`: it has of, at_least, fresh_for, "
                           "per_issuer and self",
                           pl_shown(key).text);
        }
    }
    if (!of || out->at_least == 0 || out->fresh_s == 0)
        pl_load_refuse(l->why, j, PL_FAIL(JSON_MISSING),
                       "`approvals` needs of, at_least and fresh_for");
    if (pl_load_ok(j) && capacity(l, out) < out->at_least)
        pl_load_refuse(l->why, j, PL_FAIL(POLICY_UNUSABLE),
                       "%u approvals can never come together: at most %u can count here; name "
                       "more principals, or ask for fewer",
                       out->at_least, capacity(l, out));
    l->p.strictest = out->at_least > l->p.strictest ? out->at_least : l->p.strictest;
}

static void load_approvals(struct load *l, struct pl_json *j, struct node *n, struct place at)
{
    (void)at;
    pl_load_approvals(l, j, &n->approvals);
}

/* ---- Who the caller is besides -------------------------------------------------------------- */

/* The bit in facts of one more condition of a kind. */
static uint32_t take_bit(struct load *l, struct pl_json *j, uint8_t *taken, const char *word)
{
    if (*taken == 32)
        pl_load_refuse(l->why, j, PL_FAIL(POLICY_LIMIT), "more than 32 conditions `%s`", word);
    return *taken < 32 ? (*taken)++ : 0;
}

static void load_role_groups(struct load *l, struct pl_json *j, struct node *n)
{
    for (pl_json_array(j); pl_json_item(j);) {
        struct pl_span word;
        if (!pl_json_plain(j, &word))
            return;
        enum pl_group g = pl_load_group_of(word);
        if (g == PL_GROUP_NONE)
            pl_load_refuse(l->why, j, PL_FAIL(POLICY_NAME),
                           "there is no group `%s`: use owner, managers, auditors, apps or clients",
                           pl_shown(word).text);
        else if (!pl_load_group_rules(g))
            pl_load_refuse(l->why, j, PL_FAIL(POLICY_VALUE),
                           "`%s` may only stand in staging: a platform deploys, nothing else",
                           pl_shown(word).text);
        n->of |= l->p.group[g];
    }
}

static void load_role(struct load *l, struct pl_json *j, struct node *n, struct place at)
{
    (void)at;
    bool of = false, oidc = false, issuer = false;
    struct pl_span key;
    for (pl_json_object(j); pl_json_key(j, &key);) {
        if (pl_span_is(key, "of")) {
            load_role_groups(l, j, n);
            of = true;
        } else if (pl_span_is(key, "issuer")) { /* canonical: before `oidc` */
            issuer = pl_load_word(l, j, 255, &n->words);
        } else if (pl_span_is(key, "oidc")) {
            pl_load_words(l, j, 16, &n->words);
            oidc = true;
        } else {
            pl_load_refuse(l->why, j, PL_FAIL(JSON_UNKNOWN),
                           "`role` has no member `%s`: it has of, or oidc and issuer",
                           pl_shown(key).text);
        }
    }
    if (of == oidc || oidc != issuer)
        pl_load_refuse(l->why, j, PL_FAIL(JSON_MISSING),
                       "write {\"of\": [groups]} or {\"oidc\": [roles], \"issuer\": URL}");
    n->arg = oidc ? take_bit(l, j, &l->p.roles, "role") : 0;
}

static void load_step_up(struct load *l, struct pl_json *j, struct node *n, struct place at)
{
    (void)at;
    struct pl_span key;
    for (pl_json_object(j); pl_json_key(j, &key);) {
        if (pl_span_is(key, "fresh_for"))
            load_fresh(l, j, &n->fresh_s);
        else if (pl_span_is(key, "amr"))
            pl_load_words(l, j, PL_SIGNER_AMR, &n->words);
        else
            pl_load_refuse(l->why, j, PL_FAIL(JSON_UNKNOWN),
                           "`step_up` has no member `%s`: it has fresh_for and amr",
                           pl_shown(key).text);
    }
    if (n->fresh_s == 0)
        pl_load_refuse(l->why, j, PL_FAIL(JSON_MISSING), "`step_up` needs fresh_for");
    n->arg = take_bit(l, j, &l->p.steps, "step_up");
}

/* ---- The vault ------------------------------------------------------------------------------ */

static void check_vendor(struct load *l, struct pl_json *j, struct pl_span word)
{
    bool known = pl_span_is(word, "sim");
    for (unsigned t = 1; t < PL_TEE_COUNT; t++)
        known = known || pl_span_is(word, pl_tee_vendor((enum pl_tee)t));
    if (!known)
        pl_load_refuse(l->why, j, PL_FAIL(POLICY_NAME),
                       "there is no vendor `%s`: use intel, amd, aws, tpm or sim",
                       pl_shown(word).text);
}

static void load_vault(struct load *l, struct pl_json *j, struct node *n, struct place at)
{
    (void)at;
    struct word read[2] = {{0}}; /* vendor, label */
    struct pl_span key, s;
    for (pl_json_object(j); pl_json_key(j, &key);) {
        bool vendor = pl_span_is(key, "vendor"), label = pl_span_is(key, "label");
        if (!vendor && !label)
            pl_load_refuse(l->why, j, PL_FAIL(JSON_UNKNOWN),
                           "`vault` has no member `%s`: it has vendor and label",
                           pl_shown(key).text);
        if (!pl_json_plain(j, &s))
            return;
        if (vendor)
            check_vendor(l, j, s);
        else if (s.n < 3 || s.n > 128 || !memchr(s.p + 1, '=', s.n - 1))
            pl_load_refuse(l->why, j, PL_FAIL(POLICY_VALUE), "a label is written NAME=VALUE");
        read[label] = (struct word){(uint32_t)(s.p - l->text.p), (uint32_t)s.n};
    }
    if (read[0].n + read[1].n == 0)
        pl_load_refuse(l->why, j, PL_FAIL(JSON_MISSING), "`vault` needs vendor or label");
    if (l->p.words + 2 > PL_POLICY_WORDS) {
        pl_load_refuse(l->why, j, PL_FAIL(POLICY_LIMIT),
                       "more than %u names and addresses in principals and conditions",
                       PL_POLICY_WORDS);
        return;
    }
    n->words = (struct pl_words){l->p.words, 2};
    memcpy(&l->word[l->p.words], read, sizeof(read));
    l->p.words = (uint16_t)(l->p.words + 2);
    n->arg = take_bit(l, j, &l->p.vaults, "vault");
}

/* ---- Evidence and time
 * ----------------------------------------------------------------------------- */

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
        pl_load_condition(l, j, at);
    if (!seen)
        pl_load_refuse(l->why, j, PL_FAIL(POLICY_VALUE),
                       "an empty list of conditions says nothing");
}

static void load_not(struct load *l, struct pl_json *j, struct node *n, struct place at)
{
    (void)n;
    pl_load_condition(l, j, (struct place){false, at.nesting});
}

static const struct {
    const char *word;
    bool withheld, nests;
    void (*load)(struct load *l, struct pl_json *j, struct node *n, struct place at);
} conditions[PL_COND_COUNT] = {
#define PL_COND(name, word_, withheld_, load_)                                                     \
    [PL_COND_##name] = {word_, withheld_, PL_COND_##name >= PL_COND_ALL, load_},
#include "policy/cond.def"
#undef PL_COND
};

/* May this condition stand here? */
static bool condition_stands(struct load *l, struct pl_json *j, struct pl_span word, unsigned kind,
                             struct place at)
{
    if (kind == PL_COND_COUNT)
        return pl_load_refuse(l->why, j, PL_FAIL(POLICY_NAME),
                              "there is no condition `%s`: use attested, approvals, time, role, "
                              "step_up, vault, all, any or not",
                              pl_shown(word).text);
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
void pl_load_condition(struct load *l, struct pl_json *j, struct place at)
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
