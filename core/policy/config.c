#include "policy/config.h"

#include <stdlib.h>
#include <string.h>

static const char sign_label[] = "pleiad config 1"; /* signed with its NUL */
static const char root_label[] = "pleiad config root 1";

/* ---- reading the members ---- */

struct authority {
    unsigned at_least, n;
    struct pl_pub key[PL_CONFIG_AUTHORITY_MAX];
};

/* What compiling needs besides the result. */
struct loading {
    struct pl_crypto *c;
    struct pl_config *cfg;
    struct authority authority;
    unsigned seen;
};

static void refuse(struct pl_json *j, pl_err e)
{
    if (e != PL_OK)
        pl_json_refuse(j, e);
}

static void read_key(struct pl_json *j, struct pl_pub *out)
{
    uint8_t spki[PL_SPKI_MAX];
    size_t n = 0;
    if (pl_json_b64u(j, spki, sizeof(spki), &n))
        refuse(j, pl_pub_from_spki(out, pl_span(spki, n)));
}

static bool same_key(const struct pl_pub *a, const struct pl_pub *b)
{
    return a->type == b->type && memcmp(a->raw, b->raw, sizeof(a->raw)) == 0;
}

static void read_authority_keys(struct pl_json *j, struct authority *a)
{
    for (pl_json_array(j); pl_json_item(j);) {
        struct pl_pub key;
        if (a->n == PL_CONFIG_AUTHORITY_MAX) {
            pl_json_refuse(j, PL_FAIL(CONFIG_VALUE));
            return;
        }
        key = (struct pl_pub){0};
        read_key(j, &key);
        for (unsigned i = 0; i < a->n; i++)
            if (same_key(&a->key[i], &key))
                pl_json_refuse(j, PL_FAIL(CONFIG_VALUE)); /* one key must not count twice */
        a->key[a->n++] = key;
    }
}

static void read_authority(struct pl_json *j, struct loading *l)
{
    uint64_t at_least = 0;
    struct pl_span key;
    for (pl_json_object(j); pl_json_key(j, &key);) {
        if (pl_span_is(key, "at_least"))
            pl_json_u53(j, PL_CONFIG_AUTHORITY_MAX, &at_least);
        else if (pl_span_is(key, "keys"))
            read_authority_keys(j, &l->authority);
        else
            pl_json_refuse(j, PL_FAIL(JSON_UNKNOWN));
    }
    l->authority.at_least = (unsigned)at_least;
    if (at_least == 0 || at_least > l->authority.n)
        pl_json_refuse(j, PL_FAIL(CONFIG_VALUE));
}

/* Puts the last hash where it belongs; the list is short and read once. */
static void keep_ascending(struct pl_config *cfg)
{
    uint8_t last[32];
    unsigned at = cfg->allowed - 1;
    memcpy(last, cfg->allow[at], sizeof(last));
    for (; at > 0 && memcmp(cfg->allow[at - 1], last, sizeof(last)) > 0; at--)
        memcpy(cfg->allow[at], cfg->allow[at - 1], sizeof(last));
    memcpy(cfg->allow[at], last, sizeof(last));
}

/* {"kind":"key","spki_sha256":HEX} or {"kind":"anyone"} */
static void read_allow_one(struct pl_json *j, struct pl_config *cfg)
{
    struct pl_span key, kind = {0};
    uint8_t spki[32];
    bool has_spki = false;
    for (pl_json_object(j); pl_json_key(j, &key);) {
        if (pl_span_is(key, "kind"))
            pl_json_plain(j, &kind);
        else if (pl_span_is(key, "spki_sha256"))
            has_spki = pl_json_hex_exact(j, spki, sizeof(spki));
        else
            pl_json_refuse(j, PL_FAIL(JSON_UNKNOWN));
    }
    if (pl_span_is(kind, "anyone") && !has_spki) {
        cfg->anyone = true;
    } else if (pl_span_is(kind, "key") && has_spki && cfg->allowed < PL_CONFIG_ALLOW_MAX) {
        memcpy(cfg->allow[cfg->allowed++], spki, sizeof(spki));
        keep_ascending(cfg);
    } else {
        pl_json_refuse(j, PL_FAIL(CONFIG_VALUE));
    }
}

static void read_create(struct pl_json *j, struct loading *l)
{
    struct pl_span key;
    bool has_allow = false;
    for (pl_json_object(j); pl_json_key(j, &key);) {
        if (pl_span_is(key, "allow")) {
            has_allow = true;
            for (pl_json_array(j); pl_json_item(j);)
                read_allow_one(j, l->cfg);
        } else if (pl_span_is(key, "keys_per_owner")) {
            pl_json_u53(j, UINT32_MAX, &l->cfg->keys_per_owner);
        } else if (pl_span_is(key, "keys_of_anyone")) {
            pl_json_u53(j, UINT32_MAX, &l->cfg->anyone_keys);
        } else {
            pl_json_refuse(j, PL_FAIL(JSON_UNKNOWN));
        }
    }
    if (!has_allow)
        pl_json_refuse(j, PL_FAIL(JSON_MISSING));
}

static void read_serial(struct pl_json *j, struct loading *l)
{
    pl_json_u53(j, (UINT64_C(1) << 53) - 1, &l->cfg->serial);
}

static void read_version(struct pl_json *j, struct loading *l)
{
    uint64_t v = 0;
    (void)l;
    if (pl_json_u53(j, 1, &v) && v != 1)
        pl_json_refuse(j, PL_FAIL(CONFIG_VALUE));
}

static void read_name(struct pl_json *j, struct loading *l)
{
    pl_json_str(j, l->cfg->name, sizeof(l->cfg->name), 1, NULL);
}

static void read_time(struct pl_json *j, struct loading *l)
{
    struct pl_span word = {0};
    if (!pl_json_plain(j, &word))
        return;
    if (pl_span_is(word, "host"))
        l->cfg->time = PL_TIME_HOST;
    else
        pl_json_refuse(j, PL_FAIL(CONFIG_BUILD));
}

/* This build keeps no witnesses, and says so rather than forget some that were asked for. */
static void read_witnesses(struct pl_json *j, struct loading *l)
{
    struct pl_span key;
    uint64_t f = 0;
    (void)l;
    for (pl_json_object(j); pl_json_key(j, &key);) {
        if (pl_span_is(key, "f")) {
            pl_json_u53(j, 0, &f);
        } else if (pl_span_is(key, "list")) {
            for (pl_json_array(j); pl_json_item(j);)
                pl_json_refuse(j, PL_FAIL(CONFIG_BUILD));
        } else {
            pl_json_refuse(j, PL_FAIL(JSON_UNKNOWN));
        }
    }
}

static void read_limits(struct pl_json *j, struct loading *l)
{
    struct pl_span key;
    for (pl_json_object(j); pl_json_key(j, &key);) {
        if (pl_span_is(key, "keys"))
            pl_json_u53(j, PL_CONFIG_KEYS_MAX, &l->cfg->keys_max);
        else
            pl_json_refuse(j, PL_FAIL(JSON_UNKNOWN));
    }
}

struct root_text {
    char label[PL_LABEL_MAX + 1];
    struct pl_span tee, trust;
    uint8_t cert[PL_CERT_MAX];
    size_t cert_n;
};

static void read_root_members(struct pl_json *j, struct root_text *r)
{
    struct pl_span key;
    for (pl_json_object(j); pl_json_key(j, &key);) {
        if (pl_span_is(key, "label"))
            pl_json_str(j, r->label, sizeof(r->label), 1, NULL);
        else if (pl_span_is(key, "tee"))
            pl_json_plain(j, &r->tee);
        else if (pl_span_is(key, "trust"))
            pl_json_plain(j, &r->trust);
        else if (pl_span_is(key, "cert"))
            pl_json_b64u(j, r->cert, sizeof(r->cert), &r->cert_n);
        else
            pl_json_refuse(j, PL_FAIL(JSON_UNKNOWN));
    }
}

static enum pl_tee tee_of(struct pl_span word)
{
    for (unsigned t = 0; t < PL_TEE_COUNT; t++)
        if (pl_tee_supported((enum pl_tee)t) && pl_span_is(word, pl_tee_text((enum pl_tee)t)))
            return (enum pl_tee)t;
    return PL_TEE_NONE;
}

/* pl_roots borrows its keys, so each certificate is copied into memory of the configuration. */
static void read_root(struct pl_json *j, struct loading *l)
{
    struct root_text r = {.cert_n = 0};
    read_root_members(j, &r);
    enum pl_trust trust = pl_span_is(r.trust, "dev")      ? PL_TRUST_DEV
                          : pl_span_is(r.trust, "custom") ? PL_TRUST_CUSTOM
                                                          : PL_TRUST_NONE;
    enum pl_tee tee = tee_of(r.tee);
    if (tee == PL_TEE_NONE || trust == PL_TRUST_NONE) {
        pl_json_refuse(j, PL_FAIL(CONFIG_VALUE));
        return;
    }
    if (l->cfg->certs == PL_ROOTS_MAX) {
        pl_json_refuse(j, PL_FAIL(CONFIG_VALUE));
        return;
    }
    uint8_t *copy = malloc(r.cert_n ? r.cert_n : 1);
    if (!copy) {
        pl_json_refuse(j, PL_FAIL(NO_MEMORY));
        return;
    }
    memcpy(copy, r.cert, r.cert_n);
    l->cfg->cert[l->cfg->certs++] = copy;
    refuse(j,
           pl_roots_add_cert(l->c, &l->cfg->roots, tee, trust, r.label, pl_span(copy, r.cert_n)));
}

static void read_roots(struct pl_json *j, struct loading *l)
{
    for (pl_json_array(j); pl_json_item(j);)
        read_root(j, l);
}

static void read_issuers(struct pl_json *j, struct loading *l)
{
    pl_issuers_read(j, l->c, &l->cfg->issuers);
}

static const struct {
    const char *name;
    void (*read)(struct pl_json *j, struct loading *l);
    bool optional;
} members[] = {
    {"pleiad_config", read_version, false},
    {"serial", read_serial, false},
    {"name", read_name, false},
    {"authority", read_authority, false},
    {"create", read_create, false},
    {"time", read_time, false},
    {"witnesses", read_witnesses, false},
    {"roots", read_roots, true},
    {"limits", read_limits, true},
    {"issuers", read_issuers, true},
};
enum { MEMBERS = sizeof(members) / sizeof(*members) };

static void read_member(struct pl_json *j, struct pl_span key, struct loading *l)
{
    for (unsigned i = 0; i < MEMBERS; i++)
        if (pl_span_is(key, members[i].name)) {
            members[i].read(j, l);
            l->seen |= 1u << i;
            return;
        }
    pl_json_refuse(j, PL_FAIL(JSON_UNKNOWN));
}

static pl_err read_config(struct loading *l, struct pl_span text, char *out_pointer)
{
    struct pl_json j;
    struct pl_span key;
    pl_json_init(&j, text);
    for (pl_json_object(&j); pl_json_key(&j, &key);)
        read_member(&j, key, l);
    pl_err e = pl_json_end(&j);
    if (e != PL_OK && out_pointer)
        pl_json_pointer(&j, out_pointer, PL_JSON_POINTER_MAX);
    for (unsigned i = 0; e == PL_OK && i < MEMBERS; i++)
        if (!members[i].optional && !(l->seen >> i & 1))
            e = PL_FAIL(JSON_MISSING);
    return e;
}

/* ---- signatures ---- */

static pl_err signed_text(struct pl_wr *w, struct pl_span config)
{
    pl_wr_bytes(w, pl_span(sign_label, sizeof(sign_label)));
    pl_wr_bytes(w, config);
    return pl_wr_end(w);
}

struct signature {
    struct pl_pub key;
    uint8_t sig[64];
};

struct signed_doc {
    struct pl_span config;
    unsigned n;
    struct signature signature[PL_CONFIG_AUTHORITY_MAX];
};

static void read_signature(struct pl_json *j, struct signature *s)
{
    struct pl_span key;
    for (pl_json_object(j); pl_json_key(j, &key);) {
        if (pl_span_is(key, "spki"))
            read_key(j, &s->key);
        else if (pl_span_is(key, "signature"))
            pl_json_b64u_exact(j, s->sig, sizeof(s->sig));
        else
            pl_json_refuse(j, PL_FAIL(JSON_UNKNOWN));
    }
}

static pl_err read_signed(struct signed_doc *d, struct pl_span text, char *out_pointer)
{
    struct pl_json j;
    struct pl_span key;
    pl_json_init(&j, text);
    for (pl_json_object(&j); pl_json_key(&j, &key);) {
        if (pl_span_is(key, "config")) {
            pl_json_raw(&j, &d->config);
        } else if (pl_span_is(key, "signatures")) {
            for (pl_json_array(&j); pl_json_item(&j);)
                if (d->n < PL_CONFIG_AUTHORITY_MAX)
                    read_signature(&j, &d->signature[d->n++]);
                else
                    pl_json_refuse(&j, PL_FAIL(CONFIG_VALUE));
        } else {
            pl_json_refuse(&j, PL_FAIL(JSON_UNKNOWN));
        }
    }
    pl_err e = pl_json_end(&j);
    if (e != PL_OK && out_pointer)
        pl_json_pointer(&j, out_pointer, PL_JSON_POINTER_MAX);
    return e;
}

static bool signed_by(struct pl_crypto *c, const struct signed_doc *d, const struct pl_pub *key,
                      struct pl_span text)
{
    for (unsigned i = 0; i < d->n; i++)
        if (same_key(&d->signature[i].key, key) &&
            pl_pub_verify(c, key, text, d->signature[i].sig) == PL_OK)
            return true;
    return false;
}

/* Distinct keys of the authority, however many signatures there are of each. */
static pl_err check_signatures(struct pl_crypto *c, const struct signed_doc *d,
                               const struct authority *a, struct pl_span canon)
{
    unsigned good = 0;
    struct pl_wr text PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_CONFIG_BYTES + sizeof(sign_label));
    PL_TRY(signed_text(&text, canon));
    for (unsigned i = 0; i < a->n; i++)
        good += signed_by(c, d, &a->key[i], pl_wr_span(&text));
    PL_REQUIRE(good >= a->at_least, CONFIG_SIGNATURES);
    return PL_OK;
}

/* ---- the root ---- */

pl_err pl_config_root(struct pl_crypto *c, uint8_t out[static 32], struct pl_span config)
{
    struct pl_wr canon PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_CONFIG_BYTES);
    struct pl_wr leaves PL_CLEANUP(pl_wr_free) = pl_wr_heap(MEMBERS * 128);
    struct pl_json j;
    struct pl_span key, value;
    PL_TRY(pl_jcs(&canon, config));
    pl_wr_bytes(&leaves, pl_span(root_label, sizeof(root_label)));
    pl_json_init(&j, pl_wr_span(&canon));
    for (pl_json_object(&j); pl_json_key(&j, &key);) {
        uint8_t digest[32];
        pl_wr_u8(&leaves, (uint8_t)key.n);
        pl_wr_bytes(&leaves, key);
        if (!pl_json_raw(&j, &value))
            break;
        PL_TRY(pl_sha256_one(c, digest, value));
        pl_wr_bytes(&leaves, PL_ARR(digest));
    }
    PL_TRY(pl_json_end(&j));
    PL_TRY(pl_wr_end(&leaves));
    return pl_sha256_one(c, out, pl_wr_span(&leaves));
}

/* ---- the whole ---- */

static pl_err load(struct loading *l, struct pl_span signed_doc, char *out_pointer)
{
    struct signed_doc d = {0};
    struct pl_wr canon PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_CONFIG_BYTES);
    PL_REQUIRE(signed_doc.n <= PL_CONFIG_BYTES, CONFIG_VALUE);
    PL_TRY(read_signed(&d, signed_doc, out_pointer));
    PL_REQUIRE(d.config.n, JSON_MISSING);
    PL_TRY(read_config(l, d.config, out_pointer));
    PL_TRY(pl_jcs(&canon, d.config));
    PL_TRY(check_signatures(l->c, &d, &l->authority, pl_wr_span(&canon)));
    uint8_t *text = malloc(signed_doc.n);
    PL_REQUIRE(text, NO_MEMORY);
    memcpy(text, signed_doc.p, signed_doc.n);
    l->cfg->text = pl_span(text, signed_doc.n);
    l->cfg->text_owned = text;
    return pl_config_root(l->c, l->cfg->root, pl_wr_span(&canon));
}

pl_err pl_config_load(struct pl_config **out, struct pl_crypto *c, struct pl_span signed_doc,
                      char *out_pointer)
{
    *out = NULL;
    if (out_pointer)
        *out_pointer = 0;
    struct pl_config *cfg = calloc(1, sizeof(*cfg));
    PL_REQUIRE(cfg, NO_MEMORY);
    cfg->refs = 1;
    cfg->roots = *pl_roots_builtin();
    cfg->keys_max = PL_CONFIG_KEYS_MAX;
    cfg->keys_per_owner = cfg->anyone_keys = PL_CONFIG_OWNER_KEYS;
    struct loading *l = calloc(1, sizeof(*l));
    if (l)
        *l = (struct loading){.c = c, .cfg = cfg};
    pl_err e = l ? load(l, signed_doc, out_pointer) : PL_FAIL(NO_MEMORY);
    free(l);
    if (e != PL_OK) {
        pl_config_put(cfg);
        return e;
    }
    *out = cfg;
    return PL_OK;
}

void pl_config_get(struct pl_config *cfg) { cfg->refs++; }

void pl_config_put(struct pl_config *cfg)
{
    if (!cfg || --cfg->refs)
        return;
    for (unsigned i = 0; i < cfg->certs; i++)
        free(cfg->cert[i]);
    pl_issuers_free(&cfg->issuers);
    free(cfg->text_owned);
    free(cfg);
}

bool pl_config_lists(const struct pl_config *cfg, const uint8_t spki_sha256[static 32])
{
    unsigned lo = 0, hi = cfg->allowed;
    while (lo < hi) {
        unsigned mid = lo + (hi - lo) / 2;
        int c = memcmp(cfg->allow[mid], spki_sha256, 32);
        if (c == 0)
            return true;
        lo = c < 0 ? mid + 1 : lo;
        hi = c < 0 ? hi : mid;
    }
    return false;
}

pl_err pl_config_sign(struct pl_crypto *c, struct pl_wr *out, struct pl_span config,
                      const struct pl_priv *keys, size_t n)
{
    struct pl_wr canon PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_CONFIG_BYTES);
    struct pl_wr text PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_CONFIG_BYTES + sizeof(sign_label));
    PL_TRY(pl_jcs(&canon, config));
    PL_TRY(signed_text(&text, pl_wr_span(&canon)));
    struct pl_jw j = pl_jw(out);
    pl_jw_open(&j, '{');
    pl_jw_key(&j, "config");
    pl_jw_raw(&j, pl_wr_span(&canon));
    pl_jw_key(&j, "signatures");
    pl_jw_open(&j, '[');
    for (size_t i = 0; i < n; i++) {
        uint8_t sig[64], spki[PL_SPKI_MAX];
        struct pl_pub pub;
        PL_TRY(pl_priv_public(c, &pub, &keys[i]));
        PL_TRY(pl_priv_sign(c, sig, &keys[i], pl_wr_span(&text)));
        pl_jw_open(&j, '{');
        pl_jw_key(&j, "signature");
        pl_jw_b64u(&j, PL_ARR(sig));
        pl_jw_key(&j, "spki");
        pl_jw_b64u(&j, pl_span(spki, pl_pub_to_spki(spki, &pub)));
        pl_jw_close(&j, '}');
    }
    pl_jw_close(&j, ']');
    pl_jw_close(&j, '}');
    return pl_wr_end(out);
}
