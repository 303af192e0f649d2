/* A policy's document: its fields and profiles; and the making of the compiled form.
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

bool pl_load_word(struct load *l, struct pl_json *j, size_t max, struct pl_words *words)
{
    struct pl_span s;
    if (!pl_json_plain(j, &s))
        return false;
    if (s.n == 0 || s.n > max)
        return pl_load_refuse(l->why, j, PL_FAIL(POLICY_VALUE), "write a text of 1 to %u bytes",
                              (unsigned)max);
    if (l->p.words == PL_POLICY_WORDS)
        return pl_load_refuse(l->why, j, PL_FAIL(POLICY_LIMIT),
                              "more than %u names and addresses in principals and conditions",
                              PL_POLICY_WORDS);
    words->at = words->n == 0 ? l->p.words : words->at;
    words->n++;
    l->word[l->p.words++] = (struct word){(uint32_t)(s.p - l->text.p), (uint32_t)s.n};
    return true;
}

void pl_load_words(struct load *l, struct pl_json *j, unsigned most, struct pl_words *words)
{
    unsigned n = 0;
    for (pl_json_array(j); pl_json_item(j); n++) {
        if (n == most)
            pl_load_refuse(l->why, j, PL_FAIL(POLICY_LIMIT), "more than %u entries in this list",
                           most);
        pl_load_word(l, j, 255, words);
    }
    if (n == 0)
        pl_load_refuse(l->why, j, PL_FAIL(POLICY_VALUE),
                       "an empty list matches nothing: write what it should match");
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
                  s->rules * sizeof(*s->rule) + s->nodes * sizeof(*s->node) +
                  s->quotas * sizeof(*s->quota) + s->words * sizeof(*s->word) + text.n +
                  l->packed.n + 9 * 8;
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
    p->quota = place(&at, l->quota, s->quotas, sizeof(*s->quota));
    p->word = place(&at, l->word, s->words, sizeof(*s->word));
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
    l->text = canonical;
    l->packed =
        pl_wr_heap((PL_POLICY_PROFILES + PL_POLICY_VAULT_PROFILES) * sizeof(struct pl_profile) +
                   PL_POLICY_BYTES + PL_POLICY_PRINCIPALS * 34);
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
