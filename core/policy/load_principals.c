/* Principals of a policy's document: who is known by which name, and how he proves it. */
#include "policy/internal.h"
#include "policy/say.h"
#include "policy/webauthn.h"

#include <string.h>

enum { CREDENTIAL_MAX = 1023, COSE_MAX = 1024 };

static const struct {
    const char *word;
    bool rules;
} groups[PL_GROUP_COUNT] = {
#define PL_GROUP(name, word_, rules_) [PL_GROUP_##name] = {word_, rules_},
#include "policy/group.def"
#undef PL_GROUP
};

enum pl_group pl_load_group_of(struct pl_span word)
{
    for (unsigned g = 1; g < PL_GROUP_COUNT; g++) {
        if (pl_span_is(word, groups[g].word))
            return (enum pl_group)g;
    }
    return PL_GROUP_NONE;
}

bool pl_load_group_rules(enum pl_group g) { return groups[g].rules; }

/* ---- Members -------------------------------------------------------------------------------- */

static struct pl_span word_at(const struct load *l, unsigned i)
{
    return pl_span_sub(l->text, l->word[i].at, l->word[i].n);
}

static bool same_words(const struct load *l, const struct pl_words *a, const struct pl_words *b)
{
    bool same = a->n == b->n;
    for (unsigned i = 0; same && i < a->n; i++)
        same = pl_span_eq(word_at(l, a->at + i), word_at(l, b->at + i));
    return same;
}

/* SHA-256(rp_id), length and credential id; empty when it is not (yet) there. */
static struct pl_span packed_credential(const struct load *l, const struct pl_principal *pr)
{
    if (pr->kind != PL_KIND_PASSKEY || l->packed.n < pr->packed_at + 34u)
        return (struct pl_span){0};
    const uint8_t *at = l->packed.p + pr->packed_at;
    return pl_span(at, 34 + ((size_t)at[32] << 8 | at[33]));
}

static bool same_credential(const struct load *l, const struct pl_principal *a,
                            const struct pl_principal *b)
{
    struct pl_span credential = packed_credential(l, a);
    if (credential.n > 0 && pl_span_eq(credential, packed_credential(l, b)))
        return true;
    bool key = a->kind == PL_KIND_KEY || a->kind == PL_KIND_PASSKEY;
    bool other_key = b->kind == PL_KIND_KEY || b->kind == PL_KIND_PASSKEY;
    bool same_key = memcmp(a->spki_sha256, b->spki_sha256, 32) == 0;
    if (key || other_key)
        return key && other_key && same_key;
    return a->kind == b->kind && a->kind != PL_KIND_TEE && same_key &&
           same_words(l, &a->words, &b->words);
}

/* When what makes it itself has been read. */
static void check_unique(struct load *l, struct pl_json *j, const struct pl_principal *pr)
{
    for (const struct pl_principal *other = l->principal; pl_load_ok(j) && other < pr; other++) {
        if (same_credential(l, other, pr))
            pl_load_refuse(l->why, j, PL_FAIL(POLICY_TWICE),
                           "the key of `%s/%s` stands here again: one key has one name",
                           groups[other->group].word, other->name);
    }
}

static void load_spki(struct load *l, struct pl_json *j, struct pl_principal *pr)
{
    pl_json_hex_exact(j, pr->spki_sha256, sizeof(pr->spki_sha256));
    check_unique(l, j, pr);
}

static void load_ca(struct load *l, struct pl_json *j, struct pl_principal *pr)
{
    (void)l;
    pl_json_hex_exact(j, pr->spki_sha256, sizeof(pr->spki_sha256));
}

static bool begins(struct pl_span s, const char *with)
{
    size_t n = strlen(with);
    return s.n > n && memcmp(s.p, with, n) == 0;
}

static void load_san(struct load *l, struct pl_json *j, struct pl_principal *pr)
{
    if (!pl_load_word(l, j, 255, &pr->words))
        return;
    struct pl_span san = word_at(l, pr->words.at);
    if (!begins(san, "dns:") && !begins(san, "uri:") && !begins(san, "email:"))
        pl_load_refuse(l->why, j, PL_FAIL(POLICY_VALUE),
                       "`%s` is no name of a certificate: write dns:NAME, uri:URI or email:ADDRESS",
                       pl_shown(san).text);
    check_unique(l, j, pr);
}

/* Read before rp_id: the place in `packed` is made here, for both. */
static void load_credential(struct load *l, struct pl_json *j, struct pl_principal *pr)
{
    static const uint8_t rp_id_later[32];
    uint8_t id[CREDENTIAL_MAX];
    size_t n = 0;
    if (pl_json_b64u(j, id, sizeof(id), &n) && n == 0)
        pl_load_refuse(l->why, j, PL_FAIL(POLICY_VALUE), "an empty credential_id names no passkey");
    pr->packed_at = (uint32_t)l->packed.n;
    pl_wr_bytes(&l->packed, PL_ARR(rp_id_later));
    pl_wr_be16(&l->packed, (uint16_t)n);
    pl_wr_bytes(&l->packed, pl_span(id, n));
}

static void load_origins(struct load *l, struct pl_json *j, struct pl_principal *pr)
{
    pl_load_words(l, j, 8, &pr->words);
}

static void load_public_key(struct load *l, struct pl_json *j, struct pl_principal *pr)
{
    uint8_t cose[COSE_MAX];
    size_t n = 0;
    if (!pl_json_b64u(j, cose, sizeof(cose), &n))
        return;
    if (pl_cose_spki(l->c, pr->spki_sha256, pl_span(cose, n)) != PL_OK)
        pl_load_refuse(l->why, j, PL_FAIL(POLICY_VALUE),
                       "public_key is a COSE key in base64url: ES256, EdDSA, or RS256 of 2048 to "
                       "4096 bits");
    check_unique(l, j, pr);
}

static void load_rp_id(struct load *l, struct pl_json *j, struct pl_principal *pr)
{
    if (!pl_load_word(l, j, 253, &pr->words))
        return;
    struct pl_span rp_id = word_at(l, pr->words.at + pr->words.n - 1u);
    uint8_t digest[32];
    pl_err e = pl_sha256_one(l->c, digest, rp_id);
    if (e != PL_OK)
        pl_json_refuse(j, e);
    else if (l->packed.n >=
             pr->packed_at + sizeof(digest)) /* else no memory, or no credential_id */
        memcpy(l->packed.p + pr->packed_at, digest, sizeof(digest));
    check_unique(l, j, pr);
}

static void load_strict(struct load *l, struct pl_json *j, struct pl_principal *pr)
{
    bool strict = false;
    (void)pr;
    if (pl_json_bool(j, &strict) && strict)
        pl_load_refuse(l->why, j, PL_FAIL(POLICY_BUILD),
                       "counters of passkeys are not kept by this build: leave strict_counter out");
}

static void load_issuer(struct load *l, struct pl_json *j, struct pl_principal *pr)
{
    pl_load_word(l, j, 255, &pr->words);
}

static void load_sub(struct load *l, struct pl_json *j, struct pl_principal *pr)
{
    pl_load_word(l, j, 255, &pr->words);
    check_unique(l, j, pr);
}

static void load_role_words(struct load *l, struct pl_json *j, struct pl_principal *pr)
{
    pl_load_words(l, j, 16, &pr->words);
    check_unique(l, j, pr);
}

static void load_bare(struct load *l, struct pl_json *j, struct pl_principal *pr)
{
    (void)l;
    pl_json_bool(j, &pr->bare_bearer);
}

static void load_tee(struct load *l, struct pl_json *j, struct pl_principal *pr)
{
    for (pl_json_array(j); pl_json_item(j);) {
        struct pl_span name;
        if (!pl_json_plain(j, &name))
            return;
        unsigned i = 0;
        while (i < l->p.profiles && !pl_span_is(name, l->profile[i].name))
            i++;
        if (i == l->p.profiles)
            pl_load_refuse(l->why, j, PL_FAIL(POLICY_NAME),
                           "there is no profile `%s`: add it under profiles", pl_shown(name).text);
        else
            pr->profiles |= UINT32_C(1) << i;
    }
}

/* ---- Kinds ---------------------------------------------------------------------------------- */

static const struct {
    const char *word, *mark;
} kinds[PL_KIND_COUNT] = {
#define PL_KIND(name, word_, mark_) [PL_KIND_##name] = {word_, mark_},
#include "policy/kind.def"
#undef PL_KIND
};

#define IN(kind) (1u << PL_KIND_##kind)
static const struct {
    const char *word;
    unsigned needed, may;
    void (*load)(struct load *l, struct pl_json *j, struct pl_principal *pr);
} members[] = {
#define PL_MEMBER(word_, needed_, may_, load_) {word_, needed_, may_, load_},
#include "policy/member.def"
#undef PL_MEMBER
};
#undef IN
enum { MEMBERS = sizeof(members) / sizeof(members[0]) };

/* `kind` and the members that stand beside it decide how these are read. */
static enum pl_kind load_kind(struct load *l, struct pl_json *j)
{
    struct pl_json ahead = *j;
    struct pl_span key, word = {0};
    unsigned marks = 0;
    for (pl_json_object(&ahead); pl_json_key(&ahead, &key);) {
        for (unsigned k = 1; k < PL_KIND_COUNT; k++)
            marks |= pl_span_is(key, kinds[k].mark) ? 1u << k : 0;
        bool kind = pl_span_is(key, "kind");
        if (kind ? !pl_json_plain(&ahead, &word) : !pl_json_skip(&ahead))
            break;
    }
    unsigned first = PL_KIND_NONE;
    for (unsigned k = PL_KIND_COUNT - 1; k > 0; k--) {
        bool better = first == PL_KIND_NONE || (marks >> k & 1) != 0 || (marks >> first & 1) == 0;
        first = pl_span_is(word, kinds[k].word) && better ? k : first;
    }
    if (!pl_load_ok(&ahead) || word.n == 0)
        pl_load_refuse(l->why, j, pl_load_ok(&ahead) ? PL_FAIL(JSON_MISSING) : ahead.err,
                       "a principal is an object with its kind: key, passkey, oidc or tee");
    else if (first == PL_KIND_NONE)
        pl_load_refuse(l->why, j, PL_FAIL(POLICY_NAME),
                       "there is no principal kind `%s`: use key, passkey, oidc or tee",
                       pl_shown(word).text);
    return (enum pl_kind)first;
}

static void unknown_member(struct load *l, struct pl_json *j, struct pl_span key, enum pl_kind kind)
{
    char has[128] = "";
    for (unsigned m = 0; m < MEMBERS; m++) {
        size_t n = strlen(has);
        if (((members[m].needed | members[m].may) >> kind & 1) != 0)
            pl_say_text(has + n, sizeof(has) - n, "%s%s", n > 0 ? ", " : "", members[m].word);
    }
    pl_load_refuse(l->why, j, PL_FAIL(JSON_UNKNOWN),
                   "a principal of kind `%s` has no member `%s` here: it has %s", kinds[kind].word,
                   pl_shown(key).text, has);
}

/* A needed member is not there; perhaps another form of the kind was meant. */
static void missing_member(struct load *l, struct pl_json *j, const char *word, enum pl_kind kind)
{
    unsigned other = 1;
    while (other < PL_KIND_COUNT &&
           (other == kind || strcmp(kinds[other].word, kinds[kind].word) != 0))
        other++;
    bool form = other < PL_KIND_COUNT && strcmp(word, kinds[kind].mark) == 0;
    pl_load_refuse(l->why, j, PL_FAIL(JSON_MISSING), "a principal of kind `%s` needs %s%s%s",
                   kinds[kind].word, word, form ? ", or else " : "", form ? kinds[other].mark : "");
}

static void load_principal(struct load *l, struct pl_json *j, struct pl_principal *pr)
{
    pr->kind = load_kind(l, j);
    unsigned has = 0;
    struct pl_span key, word;
    for (pl_json_object(j); pl_json_key(j, &key);) {
        unsigned m = 0;
        while (m < MEMBERS && !pl_span_is(key, members[m].word))
            m++;
        if (pl_span_is(key, "kind"))
            pl_json_plain(j, &word);
        else if (m == MEMBERS || ((members[m].needed | members[m].may) >> pr->kind & 1) == 0)
            unknown_member(l, j, key, pr->kind);
        else
            members[m].load(l, j, pr);
        has |= 1u << m;
    }
    for (unsigned m = 0; m < MEMBERS; m++) {
        if ((members[m].needed >> pr->kind & 1) != 0 && (has >> m & 1) == 0)
            missing_member(l, j, members[m].word, pr->kind);
    }
}

static void load_group(struct load *l, struct pl_json *j, enum pl_group g)
{
    struct pl_span key;
    for (pl_json_object(j); pl_json_key(j, &key);) {
        if (l->p.principals == PL_POLICY_PRINCIPALS) {
            pl_load_refuse(l->why, j, PL_FAIL(POLICY_LIMIT), "more than %u principals",
                           PL_POLICY_PRINCIPALS);
            return;
        }
        struct pl_principal *pr = &l->principal[l->p.principals];
        pr->group = g;
        pl_load_name(l->why, j, key, pr->name);
        load_principal(l, j, pr);
        l->p.group[g] |= UINT64_C(1) << l->p.principals++;
    }
}

void pl_load_principals(struct load *l, struct pl_json *j)
{
    struct pl_span key;
    for (pl_json_object(j); pl_json_key(j, &key);) {
        enum pl_group g = pl_load_group_of(key);
        if (g == PL_GROUP_NONE)
            pl_load_refuse(l->why, j, PL_FAIL(POLICY_NAME),
                           "there is no group `%s`: use owner, managers, auditors, apps, clients "
                           "or platforms",
                           pl_shown(key).text);
        else
            load_group(l, j, g);
    }
    if (l->p.group[PL_GROUP_OWNER] == 0)
        pl_load_refuse(l->why, j, PL_FAIL(POLICY_UNUSABLE),
                       "principals.owner is empty: nobody could create the key; name its owner");
    l->p.owner_quorum = (unsigned)__builtin_popcountll(l->p.group[PL_GROUP_OWNER]);
}

/* ---- References ----------------------------------------------------------------------------- */

static uint64_t ref_members(const struct load *l, enum pl_group g, struct pl_span name)
{
    if (pl_span_is(name, "*"))
        return l->p.group[g];
    for (unsigned i = 0; i < l->p.principals; i++) {
        if (l->principal[i].group == g && pl_span_is(name, l->principal[i].name))
            return UINT64_C(1) << i;
    }
    return 0;
}

/* One reference; adds to *out. */
static void load_ref(struct load *l, struct pl_json *j, bool staging, uint64_t *out, bool *out_all)
{
    struct pl_span s;
    if (!pl_json_plain(j, &s))
        return;
    if (pl_span_is(s, "*")) {
        *out_all = true;
        for (unsigned g = 1; g < PL_GROUP_COUNT; g++)
            *out |= groups[g].rules ? l->p.group[g] : 0;
        return;
    }
    size_t slash = 0;
    while (slash < s.n && s.p[slash] != '/')
        slash++;
    struct pl_span name =
        slash < s.n ? pl_span_sub(s, slash + 1, s.n - slash - 1) : (struct pl_span){0};
    enum pl_group g = slash < s.n ? pl_load_group_of(pl_span_sub(s, 0, slash)) : PL_GROUP_NONE;
    uint64_t named = ref_members(l, g, name);
    if (g == PL_GROUP_NONE || (named == 0 && !pl_span_is(name, "*")))
        pl_load_refuse(l->why, j, PL_FAIL(POLICY_NAME),
                       "there is no principal `%s`: write group/name, group/* or *",
                       pl_shown(s).text);
    else if (!groups[g].rules && !staging)
        pl_load_refuse(l->why, j, PL_FAIL(POLICY_VALUE),
                       "`%s` may only stand in staging: a platform deploys, nothing else",
                       pl_shown(s).text);
    *out |= named;
}

bool pl_load_refs(struct load *l, struct pl_json *j, bool staging, uint64_t *out, bool *out_all)
{
    *out = 0;
    *out_all = false;
    for (pl_json_array(j); pl_json_item(j);)
        load_ref(l, j, staging, out, out_all);
    return pl_load_ok(j);
}
