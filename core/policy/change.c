#include "policy/change.h"
#include "policy/internal.h"

#include <string.h>

enum { PARTS = 128, POINTER = 128 };

struct walk {
    pl_difference_fn *tell;
    void *arg;
    uint32_t changes;
    bool widens, failed;
    struct pl_span mutability; /* of the old policy; empty: none */
    bool keeps_acts;           /* no demand for approvals guards an act that is not listed */
    enum pl_guard guard;       /* of the field being compared */
    char pointer[POINTER];
};
typedef void compare_fn(struct walk *w, struct pl_span name, struct pl_span was, struct pl_span is);

/* ---- parts of a canonical document ---- */

/* Members of an object; elements of an array, by their `id`. */
struct parts {
    size_t n;
    struct pl_span name[PARTS], value[PARTS];
};

static struct pl_span member(struct pl_span object, const char *name)
{
    struct pl_json j;
    struct pl_span key, value = {0};
    pl_json_init(&j, object);
    if (object.n == 0 || pl_json_peek(&j) != PL_JSON_OBJECT)
        return (struct pl_span){0};
    for (pl_json_object(&j); pl_json_key(&j, &key);) {
        bool it = pl_span_is(key, name);
        if (pl_json_raw(&j, &value) && it)
            return value;
    }
    return (struct pl_span){0};
}

/* Without its quotes: names hold no escapes. */
static struct pl_span unquoted(struct pl_span s)
{
    return s.n >= 2 && *s.p == '"' ? pl_span_sub(s, 1, s.n - 2) : s;
}

static bool add_part(struct parts *out, struct pl_span name, struct pl_span value)
{
    if (out->n == PARTS)
        return false;
    out->name[out->n] = name;
    out->value[out->n++] = value;
    return true;
}

static void read_parts(struct walk *w, struct parts *out, struct pl_span text)
{
    struct pl_json j;
    struct pl_span key, value;
    out->n = 0;
    if (text.n == 0)
        return;
    pl_json_init(&j, text);
    if (pl_json_peek(&j) == PL_JSON_ARRAY)
        for (pl_json_array(&j); pl_json_item(&j);) {
            if (!pl_json_raw(&j, &value))
                break;
            struct pl_span id = unquoted(member(value, "id"));
            w->failed |= !add_part(out, id.n ? id : unquoted(value), value);
        }
    else /* `"name":value`, and nothing between them: the form is canonical */
        for (pl_json_object(&j); pl_json_key(&j, &key);)
            if (pl_json_raw(&j, &value))
                w->failed |= !add_part(out, pl_span(value.p - 2 - key.n, key.n), value);
    w->failed |= pl_json_end(&j) != PL_OK;
}

static struct pl_span find(const struct parts *in, struct pl_span name)
{
    for (size_t i = 0; i < in->n; i++)
        if (pl_span_eq(in->name[i], name))
            return in->value[i];
    return (struct pl_span){0};
}

/* Compares what has one name; first what was there, in its order. */
static void each(struct walk *w, struct pl_span was, struct pl_span is, compare_fn *compare)
{
    struct parts a, b;
    size_t at = strlen(w->pointer);
    read_parts(w, &a, was);
    read_parts(w, &b, is);
    for (size_t i = 0; i < a.n + b.n; i++) {
        bool old = i < a.n;
        struct pl_span name = old ? a.name[i] : b.name[i - a.n];
        struct pl_span one = find(&a, name), two = find(&b, name);
        if ((!old && one.n) || pl_span_eq(one, two))
            continue;
        struct pl_wr p = pl_wr_fixed(w->pointer + at, POINTER - 1 - at);
        pl_wr_u8(&p, '/');
        pl_wr_bytes(&p, name);
        w->pointer[at + p.n] = 0;
        compare(w, name, one, two);
        w->pointer[at] = 0;
    }
}

/* ---- one difference ---- */

static void differ(struct walk *w, struct pl_span was, struct pl_span is, bool takes_away)
{
    const struct pl_difference d = {w->guard, takes_away && w->guard != PL_GUARD_OWNER, w->pointer,
                                    was, is};
    w->changes |= UINT32_C(1) << w->guard;
    w->widens |= !d.narrows;
    if (w->tell)
        w->tell(w->arg, &d);
}

static void widens(struct walk *w, struct pl_span name, struct pl_span was, struct pl_span is)
{
    (void)name;
    differ(w, was, is, false);
}

/* Only absence is less. */
static void gone(struct walk *w, struct pl_span name, struct pl_span was, struct pl_span is)
{
    (void)name;
    differ(w, was, is, is.n == 0);
}

/* Two lists, and nothing in the second that is not in the first. */
static bool shorter(struct walk *w, struct pl_span was, struct pl_span is)
{
    struct parts a, b;
    read_parts(w, &a, was);
    read_parts(w, &b, is);
    bool fewer = was.n && is.n;
    for (size_t i = 0; i < b.n; i++)
        fewer = fewer && find(&a, b.name[i]).n;
    return fewer;
}

/* A member of a principal, a rule or of staging: whom and what it names may get less. */
static void part(struct walk *w, struct pl_span name, struct pl_span was, struct pl_span is)
{
    bool list = pl_span_is(name, "profiles") || pl_span_is(name, "allow") ||
                pl_span_is(name, "to") || pl_span_is(name, "by");
    differ(w, was, is, list && shorter(w, was, is));
}

static void parts_or_gone(struct walk *w, struct pl_span name, struct pl_span was,
                          struct pl_span is)
{
    if (was.n && is.n)
        each(w, was, is, part);
    else
        gone(w, name, was, is);
}

static bool mentions(struct pl_span text, struct pl_span what)
{
    while (text.n >= what.n && memcmp(text.p, what.p, what.n) != 0)
        text = pl_span_sub(text, 1, text.n - 1);
    return text.n >= what.n;
}

static void rule(struct walk *w, struct pl_span name, struct pl_span was, struct pl_span is)
{
    (void)name;
    if (was.n && is.n) {
        each(w, was, is, part);
        return;
    }
    bool demands = mentions(was, PL_LIT("\"approvals\":"));
    differ(w, was, is, !is.n && member(was, "allow").n && (w->keeps_acts || !demands));
}

static uint64_t number(struct pl_span s)
{
    struct pl_json j;
    uint64_t n = UINT64_MAX;
    pl_json_init(&j, s);
    return s.n && pl_json_u53(&j, (UINT64_C(1) << 53) - 1, &n) ? n : UINT64_MAX;
}

static void quota_member(struct walk *w, struct pl_span name, struct pl_span was, struct pl_span is)
{
    differ(w, was, is, pl_span_is(name, "max") && number(is) < number(was));
}

static void quota(struct walk *w, struct pl_span name, struct pl_span was, struct pl_span is)
{
    (void)name;
    if (was.n && is.n)
        each(w, was, is, quota_member);
    else
        differ(w, was, is, was.n == 0);
}

static int64_t expiry(struct pl_span s)
{
    struct pl_json j;
    int64_t at_s;
    pl_json_init(&j, s);
    return s.n && pl_json_time(&j, &at_s) ? at_s : INT64_MAX;
}

static void life_member(struct walk *w, struct pl_span name, struct pl_span was, struct pl_span is)
{
    bool sooner = pl_span_is(name, "expires") && expiry(is) < expiry(was);
    bool kept = pl_span_is(name, "recoverable") && (!is.n || pl_span_is(is, "false"));
    differ(w, was, is, sooner || kept);
}

/* ---- the fields ---- */

static const char *const guard_words[PL_GUARD_COUNT] = {
#define PL_GUARD(name, word, ...) [PL_GUARD_##name] = word,
#include "policy/guard.def"
#undef PL_GUARD
};

/* The guard of "principals." and a group, or of a field. One that no guard names is guarded as the
 * guards are. */
static enum pl_guard guard_of(const char *prefix, struct pl_span name)
{
    size_t n = strlen(prefix);
    for (unsigned g = 1; g < PL_GUARD_COUNT; g++)
        if (strncmp(guard_words[g], prefix, n) == 0 && pl_span_is(name, guard_words[g] + n))
            return (enum pl_guard)g;
    return PL_GUARD_MUTABILITY;
}

/* Compares what one guard guards: by its parts, or whole. Nobody may narrow what nobody may change:
 * without `mutability` that is no field which could be narrowed. */
static void guarded(struct walk *w, enum pl_guard guard, const struct pl_span both[static 2],
                    compare_fn *parts, compare_fn *whole)
{
    w->guard = guard;
    if (parts)
        each(w, both[0], both[1], parts);
    else
        whole(w, (struct pl_span){0}, both[0], both[1]);
    bool listed = !w->mutability.n || member(w->mutability, guard_words[guard]).n;
    w->widens |= (w->changes >> guard & 1) != 0 && !listed;
}

static void group(struct walk *w, struct pl_span name, struct pl_span was, struct pl_span is)
{
    const struct pl_span both[2] = {was, is};
    guarded(w, guard_of("principals.", name), both, parts_or_gone, NULL);
}

static const struct {
    const char *word;
    compare_fn *parts, *whole;
} fields[] = {
    {"lifecycle", life_member, NULL}, {"operations", rule, NULL}, {"profiles", gone, NULL},
    {"vault_profiles", gone, NULL},   {"quotas", quota, NULL},    {"staging", NULL, parts_or_gone},
};

static void field(struct walk *w, struct pl_span name, struct pl_span was, struct pl_span is)
{
    const struct pl_span both[2] = {was, is};
    size_t row = 0, rows = sizeof(fields) / sizeof(fields[0]);
    while (row < rows && !pl_span_is(name, fields[row].word))
        row++;
    if (pl_span_is(name, "principals"))
        each(w, was, is, group);
    else if (!pl_span_is(name, "salt"))
        guarded(w, guard_of("", name), both, row < rows ? fields[row].parts : NULL,
                row < rows ? fields[row].whole : widens);
}

pl_err pl_policy_change(struct pl_policy_change *out, const struct pl_policy *was,
                        const struct pl_policy *is, pl_difference_fn *tell, void *arg)
{
    struct walk w = {.tell = tell, .arg = arg};
    *out = (struct pl_policy_change){0};
    w.mutability = member(pl_policy_text(was), "mutability");
    w.keeps_acts = member(w.mutability, "profiles").n && member(w.mutability, "lifecycle_acts").n;
    each(&w, pl_policy_text(was), pl_policy_text(is), field);
    PL_REQUIRE(!w.failed, BUG);
    out->changes = w.changes;
    out->narrows = w.changes != 0 && !w.widens;
    return PL_OK;
}
