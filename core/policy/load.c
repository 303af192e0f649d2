/* A policy's document: its fields, principals and profiles; and the making of the compiled form.
 * The document is brought into canonical form first, and only that form is read. */
#include "policy/internal.h"
#include "policy/say.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* ---- Refusing ------------------------------------------------------------------------------- */

bool pl_load_ok(const struct pl_json *j) { return j->err == PL_OK; }

bool pl_load_refuse(struct pl_refusal *why, struct pl_json *j, pl_err e, const char *text, ...)
{
    if (!pl_load_ok(j))
        return false;
    va_list args;
    va_start(args, text);
    pl_say_textv(why->text, sizeof(why->text), text, args);
    va_end(args);
    pl_json_refuse(j, e);
    return false;
}

pl_err pl_load_refuse_at(struct pl_refusal *why, pl_err e, const char *pointer, const char *text,
                         ...)
{
    va_list args;
    va_start(args, text);
    pl_say_textv(why->text, sizeof(why->text), text, args);
    va_end(args);
    pl_say_text(why->pointer, sizeof(why->pointer), "%s", pointer);
    return e;
}

pl_err pl_load_error(struct pl_refusal *why, const struct pl_json *j)
{
    pl_json_pointer(j, why->pointer, sizeof(why->pointer));
    if (why->text[0] == '\0')
        pl_say_text(why->text, sizeof(why->text), "%s", pl_code_text(pl_err_code(j->err)));
    return j->err;
}

struct pl_shown pl_shown(struct pl_span s)
{
    struct pl_shown out = {""};
    size_t n = s.n < 40 ? s.n : 40;
    for (size_t i = 0; i < n; i++)
        out.text[i] = s.p[i] >= 0x20 && s.p[i] < 0x7f ? (char)s.p[i] : '?';
    memcpy(out.text + n, s.n > n ? "..." : "", s.n > n ? 4 : 1);
    return out;
}

/* ---- Small values --------------------------------------------------------------------------- */

static bool name_byte(uint8_t b)
{
    return (b >= 'a' && b <= 'z') || (b >= 'A' && b <= 'Z') || (b >= '0' && b <= '9') || b == '-' ||
           b == '_' || b == '.';
}

bool pl_load_name(struct pl_refusal *why, struct pl_json *j, struct pl_span s,
                  char out[static PL_POLICY_NAME + 1])
{
    bool good = s.n >= 1 && s.n <= PL_POLICY_NAME;
    for (size_t i = 0; good && i < s.n; i++)
        good = name_byte(s.p[i]);
    if (!good)
        return pl_load_refuse(why, j, PL_FAIL(POLICY_VALUE),
                              "`%s` is no name: use 1 to %u of a-z A-Z 0-9 - _ .", pl_shown(s).text,
                              PL_POLICY_NAME);
    memcpy(out, s.p, s.n);
    out[s.n] = '\0';
    return true;
}

bool pl_load_duration(struct pl_refusal *why, struct pl_json *j, uint32_t *out_s)
{
    static const struct {
        char unit;
        uint32_t seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
    struct pl_span s;
    if (!pl_json_plain(j, &s))
        return false;
    uint64_t n = 0;
    size_t i = 0;
    for (; i < s.n && i < 6 && s.p[i] >= '0' && s.p[i] <= '9'; i++)
        n = n * 10 + (uint64_t)(s.p[i] - '0');
    for (size_t u = 0; i > 0 && i + 1 == s.n && s.p[0] != '0' && u < 4; u++) {
        n = s.p[i] == (uint8_t)units[u].unit ? n * units[u].seconds : n;
        if (s.p[i] == (uint8_t)units[u].unit && n <= 3660 * UINT64_C(86400)) {
            *out_s = (uint32_t)n;
            return true;
        }
    }
    return pl_load_refuse(why, j, PL_FAIL(POLICY_VALUE),
                          "`%s` is no duration: write 90s, 5m, 1h or 30d, ten years at most",
                          pl_shown(s).text);
}

/* ---- Profiles ------------------------------------------------------------------------------- */

static void load_profile_set(struct load *l, struct pl_json *j, struct profile *set,
                             uint16_t *count, size_t max)
{
    bool vault = set == l->vault_profile;
    struct pl_span key, raw;
    for (pl_json_object(j); pl_json_key(j, &key);) {
        if (*count == max) {
            pl_load_refuse(l->why, j, PL_FAIL(POLICY_LIMIT), "more than %u profiles",
                           (unsigned)max);
            return;
        }
        struct profile *entry = &set[*count];
        pl_load_name(l->why, j, key, entry->name);
        struct pl_json whole = *j;
        struct pl_profile compiled;
        pl_load_profile(l->why, j, &compiled);
        if (vault && compiled.config_roots == 0)
            pl_load_refuse(l->why, j, PL_FAIL(POLICY_VALUE),
                           "vault profile `%s` has no config_root: list the configurations that "
                           "are good (pleiad vault verify prints them)",
                           entry->name);
        if (!pl_load_ok(j) || !pl_json_raw(&whole, &raw))
            return;
        entry->packed_at = (uint32_t)l->packed.n;
        pl_profile_pack(&l->packed, &compiled);
        pl_err e = pl_sha256_one(l->c, entry->sha256, raw);
        if (e != PL_OK)
            pl_json_refuse(j, e);
        ++*count;
    }
}

static void load_profiles(struct load *l, struct pl_json *j)
{
    load_profile_set(l, j, l->profile, &l->p.profiles, PL_POLICY_PROFILES);
}

static void load_vault_profiles(struct load *l, struct pl_json *j)
{
    load_profile_set(l, j, l->vault_profile, &l->p.vault_profiles, PL_POLICY_VAULT_PROFILES);
}

/* ---- Principals ----------------------------------------------------------------------------- */

static const struct {
    const char *word;
    bool rules;
} groups[PL_GROUP_COUNT] = {
#define PL_GROUP(name, word_, rules_) [PL_GROUP_##name] = {word_, rules_},
#include "policy/group.def"
#undef PL_GROUP
};

static enum pl_group group_of(struct pl_span word)
{
    for (unsigned g = 1; g < PL_GROUP_COUNT; g++) {
        if (pl_span_is(word, groups[g].word))
            return (enum pl_group)g;
    }
    return PL_GROUP_NONE;
}

/* The members of a principal, `kind` aside. */
static void load_key(struct load *l, struct pl_json *j, struct pl_span key, struct pl_principal *pr)
{
    if (!pl_span_is(key, "spki_sha256")) {
        bool later = pl_span_is(key, "ca_sha256") || pl_span_is(key, "san");
        pl_load_refuse(l->why, j, later ? PL_FAIL(POLICY_BUILD) : PL_FAIL(JSON_UNKNOWN),
                       later ? "`%s` (certificates of a CA) is not supported by this build: name "
                               "the key by spki_sha256"
                             : "a principal of kind `key` has no member `%s`: it has spki_sha256",
                       pl_shown(key).text);
        return;
    }
    if (!pl_json_hex_exact(j, pr->spki_sha256, sizeof(pr->spki_sha256)))
        return;
    for (const struct pl_principal *other = l->principal; other < pr; other++) {
        if (other->kind == PL_KIND_KEY && memcmp(other->spki_sha256, pr->spki_sha256, 32) == 0)
            pl_load_refuse(l->why, j, PL_FAIL(POLICY_TWICE),
                           "the key of `%s/%s` stands here again: one key has one name",
                           groups[other->group].word, other->name);
    }
}

static void load_tee(struct load *l, struct pl_json *j, struct pl_span key, struct pl_principal *pr)
{
    if (!pl_span_is(key, "profiles")) {
        pl_load_refuse(l->why, j, PL_FAIL(JSON_UNKNOWN),
                       "a principal of kind `tee` has no member `%s`: it has profiles",
                       pl_shown(key).text);
        return;
    }
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

static const struct {
    const char *word, *member; /* the one member beside kind */
    void (*load)(struct load *l, struct pl_json *j, struct pl_span key, struct pl_principal *pr);
} kinds[PL_KIND_COUNT] = {
#define PL_KIND(name, word_, member_, load_) [PL_KIND_##name] = {word_, member_, load_},
#include "policy/kind.def"
#undef PL_KIND
};

/* `kind` decides how the other members are read, and may stand anywhere among them. */
static enum pl_kind load_kind(struct load *l, struct pl_json *j)
{
    struct pl_json ahead = *j;
    struct pl_span key, word = {0};
    for (pl_json_object(&ahead); pl_json_key(&ahead, &key);) {
        bool kind = pl_span_is(key, "kind");
        if (kind ? !pl_json_plain(&ahead, &word) : !pl_json_skip(&ahead))
            break;
    }
    unsigned k = 1;
    while (k < PL_KIND_COUNT && !pl_span_is(word, kinds[k].word))
        k++;
    if (k < PL_KIND_COUNT && kinds[k].load)
        return (enum pl_kind)k;
    if (!pl_load_ok(&ahead) || word.n == 0)
        pl_load_refuse(l->why, j, pl_load_ok(&ahead) ? PL_FAIL(JSON_MISSING) : ahead.err,
                       "a principal is an object with its kind: key or tee");
    else if (k < PL_KIND_COUNT)
        pl_load_refuse(l->why, j, PL_FAIL(POLICY_BUILD),
                       "principal kind `%s` is not supported by this build: use key or tee",
                       kinds[k].word);
    else
        pl_load_refuse(l->why, j, PL_FAIL(POLICY_NAME),
                       "there is no principal kind `%s`: use key or tee", pl_shown(word).text);
    return PL_KIND_NONE;
}

static void load_principal(struct load *l, struct pl_json *j, struct pl_principal *pr)
{
    pr->kind = load_kind(l, j);
    bool seen = false;
    struct pl_span key, word;
    for (pl_json_object(j); pl_json_key(j, &key);) {
        if (pl_span_is(key, "kind")) {
            pl_json_plain(j, &word);
            continue;
        }
        kinds[pr->kind].load(l, j, key, pr);
        seen = true;
    }
    if (!seen)
        pl_load_refuse(l->why, j, PL_FAIL(JSON_MISSING), "a principal of kind `%s` needs %s",
                       kinds[pr->kind].word, kinds[pr->kind].member);
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

static void load_principals(struct load *l, struct pl_json *j)
{
    struct pl_span key;
    for (pl_json_object(j); pl_json_key(j, &key);) {
        enum pl_group g = group_of(key);
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
static void load_ref(struct load *l, struct pl_json *j, uint64_t *out, bool *out_all)
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
    enum pl_group g = slash < s.n ? group_of(pl_span_sub(s, 0, slash)) : PL_GROUP_NONE;
    uint64_t members = ref_members(l, g, name);
    if (g == PL_GROUP_NONE || (members == 0 && !pl_span_is(name, "*")))
        pl_load_refuse(l->why, j, PL_FAIL(POLICY_NAME),
                       "there is no principal `%s`: write group/name, group/* or *",
                       pl_shown(s).text);
    else if (!groups[g].rules)
        pl_load_refuse(l->why, j, PL_FAIL(POLICY_VALUE),
                       "`%s` may only stand in staging: a platform deploys, nothing else",
                       pl_shown(s).text);
    *out |= members;
}

bool pl_load_refs(struct load *l, struct pl_json *j, uint64_t *out, bool *out_all)
{
    *out = 0;
    *out_all = false;
    for (pl_json_array(j); pl_json_item(j);)
        load_ref(l, j, out, out_all);
    return pl_load_ok(j);
}

/* ---- The whole ------------------------------------------------------------------------------ */

static void load_version(struct load *l, struct pl_json *j)
{
    uint64_t v = 0;
    if (pl_json_u53(j, 1000000, &v) && v != 1)
        pl_load_refuse(l->why, j, PL_FAIL(POLICY_VALUE),
                       "this build reads policies of version 1: write \"pleiad_policy\": 1");
}

static void load_salt(struct load *l, struct pl_json *j)
{
    uint8_t salt[PL_SALT_BYTES];
    if (!pl_json_b64u_exact(j, salt, sizeof(salt)) && l->why->text[0] == '\0')
        pl_say_text(l->why->text, sizeof(l->why->text),
                    "salt is 16 random bytes in base64url, 22 characters");
}

static void load_owner_quorum(struct load *l, struct pl_json *j)
{
    unsigned owners = l->p.owner_quorum;
    uint64_t m = 0;
    if (pl_json_u53(j, UINT16_MAX, &m) && (m == 0 || m > owners))
        pl_load_refuse(l->why, j, PL_FAIL(POLICY_UNUSABLE),
                       "a quorum of %u cannot be met by %u owners: write 1 to %u", (unsigned)m,
                       owners, owners);
    l->p.owner_quorum = (unsigned)m;
}

static void load_operations(struct load *l, struct pl_json *j) { pl_load_rules(l, j); }
static void load_lifecycle(struct load *l, struct pl_json *j) { pl_load_lifecycle(l, j); }
static void load_mutability(struct load *l, struct pl_json *j) { pl_load_mutability(l, j); }

static const struct {
    const char *word;
    bool required;
    void (*load)(struct load *l, struct pl_json *j);
} fields[FIELD_COUNT] = {
#define PL_FIELD(name, word_, required_, load_) [FIELD_##name] = {word_, required_, load_},
#include "policy/field.def"
#undef PL_FIELD
};

/* Finds the fields; leaves a bookmark at each value. */
static void find_fields(struct load *l, struct pl_json *j)
{
    struct pl_span key;
    for (pl_json_object(j); pl_json_key(j, &key);) {
        unsigned f = 0;
        while (f < FIELD_COUNT && !pl_span_is(key, fields[f].word))
            f++;
        if (f == FIELD_COUNT) {
            pl_load_refuse(l->why, j, PL_FAIL(JSON_UNKNOWN), "a policy has no field `%s`",
                           pl_shown(key).text);
            return;
        }
        if (!fields[f].load)
            pl_load_refuse(l->why, j, PL_FAIL(POLICY_BUILD),
                           "`%s` is not supported by this build: leave it out", fields[f].word);
        l->present[f] = true;
        l->at[f] = *j;
        if (pl_load_ok(j))
            pl_json_skip(j);
    }
    for (unsigned f = 0; f < FIELD_COUNT; f++) {
        if (fields[f].required && !l->present[f])
            pl_load_refuse(l->why, j, PL_FAIL(JSON_MISSING), "a policy needs the field `%s`",
                           fields[f].word);
    }
}

static pl_err load_fields(struct load *l, struct pl_span canonical)
{
    struct pl_json j;
    pl_json_init(&j, canonical);
    find_fields(l, &j);
    if (!pl_load_ok(&j))
        return pl_load_error(l->why, &j);
    for (unsigned f = 0; f < FIELD_COUNT; f++) {
        if (!l->present[f])
            continue;
        fields[f].load(l, &l->at[f]);
        if (!pl_load_ok(&l->at[f]))
            return pl_load_error(l->why, &l->at[f]);
    }
    return pl_load_whole(l);
}

/* The next n elements of `size` bytes in a block that is being laid out, and a copy of them. */
static void *place(uint8_t **at, const void *from, size_t n, size_t size)
{
    void *here = *at;
    if (n > 0)
        memcpy(here, from, n * size);
    *at += (n * size + 7) / 8 * 8;
    return here;
}

/* One block of exactly the size: a vault holds very many. */
static struct pl_policy *compact(const struct load *l, struct pl_span text)
{
    const struct pl_policy *s = &l->p;
    size_t size = sizeof(*s) + s->principals * sizeof(*s->principal) +
                  ((size_t)s->profiles + s->vault_profiles) * sizeof(*s->profile) +
                  s->rules * sizeof(*s->rule) + s->nodes * sizeof(*s->node) + text.n + l->packed.n +
                  7 * 8;
    struct pl_policy *p = malloc(size);
    if (!p)
        return NULL;
    *p = *s;
    uint8_t *at = (uint8_t *)(p + 1);
    p->principal = place(&at, l->principal, s->principals, sizeof(*s->principal));
    p->profile = place(&at, l->profile, s->profiles, sizeof(*s->profile));
    p->vault_profile = place(&at, l->vault_profile, s->vault_profiles, sizeof(*s->profile));
    p->rule = place(&at, l->rule, s->rules, sizeof(*s->rule));
    p->node = place(&at, l->node, s->nodes, sizeof(*s->node));
    p->text = place(&at, text.p, text.n, 1);
    p->text_n = (uint32_t)text.n;
    p->packed = place(&at, l->packed.p, l->packed.n, 1);
    return p;
}

static void free_load(struct load **l)
{
    if (*l)
        pl_wr_free(&(*l)->packed);
    free(*l);
}

static pl_err load_canonical(struct pl_policy **out, struct pl_crypto *c, struct pl_span canonical,
                             struct pl_refusal *why)
{
    PL_CLEANUP(free_load) struct load *l = calloc(1, sizeof(*l));
    PL_REQUIRE(l, NO_MEMORY);
    l->c = c;
    l->why = why;
    l->packed =
        pl_wr_heap((PL_POLICY_PROFILES + PL_POLICY_VAULT_PROFILES) * sizeof(struct pl_profile));
    l->p.life = (struct pl_lifecycle){.expires_s = INT64_MAX, .replicas = 1};
    PL_TRY(load_fields(l, canonical));
    PL_TRY(pl_sha256_one(c, l->p.sha256, canonical));
    PL_TRY(pl_wr_end(&l->packed));
    *out = compact(l, canonical);
    PL_REQUIRE(*out, NO_MEMORY);
    return PL_OK;
}

/* The canonical form, or a refusal with the place where there is one. */
static pl_err canonical_form(struct pl_wr *out, struct pl_span text, struct pl_refusal *why)
{
    if (text.n > PL_POLICY_BYTES)
        return pl_load_refuse_at(why, PL_FAIL(POLICY_LIMIT), "",
                                 "a policy has at most %u bytes; this one has %u", PL_POLICY_BYTES,
                                 (unsigned)text.n);
    struct pl_json j;
    pl_json_init(&j, text);
    pl_json_skip(&j);
    if (pl_json_end(&j) != PL_OK)
        return pl_load_error(why, &j);
    pl_err e = pl_jcs(out, text);
    if (e != PL_OK)
        return pl_load_refuse_at(why, e, "", "%s", pl_code_text(pl_err_code(e)));
    return PL_OK;
}

pl_err pl_policy_load(struct pl_policy **out, struct pl_crypto *c, struct pl_span text,
                      struct pl_refusal *why)
{
    struct pl_refusal ignored;
    why = why ? why : &ignored;
    *why = (struct pl_refusal){.pointer = ""};
    *out = NULL;
    PL_CLEANUP(pl_wr_free) struct pl_wr canonical = pl_wr_heap(PL_POLICY_BYTES);
    PL_TRY(canonical_form(&canonical, text, why));
    return load_canonical(out, c, pl_wr_span(&canonical), why);
}

void pl_policy_free(struct pl_policy *p) { free(p); }

pl_err pl_profile_load(struct pl_profile *out, uint8_t *out_sha256, struct pl_crypto *c,
                       struct pl_span text, struct pl_refusal *why)
{
    struct pl_refusal ignored;
    why = why ? why : &ignored;
    *why = (struct pl_refusal){.pointer = ""};
    *out = (struct pl_profile){.tee = ""};
    PL_CLEANUP(pl_wr_free) struct pl_wr canonical = pl_wr_heap(PL_POLICY_BYTES);
    PL_TRY(canonical_form(&canonical, text, why));
    struct pl_json j;
    pl_json_init(&j, pl_wr_span(&canonical));
    struct pl_profile p;
    pl_load_profile(why, &j, &p);
    if (pl_json_end(&j) != PL_OK)
        return pl_load_error(why, &j);
    if (out_sha256)
        PL_TRY(pl_sha256_one(c, out_sha256, pl_wr_span(&canonical)));
    *out = p;
    return PL_OK;
}
