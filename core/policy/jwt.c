#include "policy/jwt.h"

#include <string.h>

static const struct {
    const char *word;
    enum pl_jose alg;
} algs[] = {
    {"RS256", PL_JOSE_RS256},
    {"ES256", PL_JOSE_ES256},
    {"EdDSA", PL_JOSE_EDDSA},
    {"Ed25519", PL_JOSE_EDDSA}, /* RFC 9864 */
};

enum pl_jose pl_jose_of(struct pl_span word)
{
    for (size_t i = 0; i < sizeof(algs) / sizeof(*algs); i++)
        if (pl_span_is(word, algs[i].word))
            return algs[i].alg;
    return PL_JOSE_NONE;
}

/* What the reader says of any JSON is said of a token. */
static pl_err end_json(struct pl_json *j)
{
    pl_err e = pl_json_end(j);
    PL_REQUIRE(pl_err_code(e) < PL_E_NO_SPACE || pl_err_code(e) > PL_E_JSON_VALUE, JWT_JSON);
    return e;
}

/* ---- The form ------------------------------------------------------------------------------- */

struct compact {
    struct pl_span header, payload, signature; /* as sent */
    struct pl_span input;                      /* header.payload: what is signed */
    uint8_t bytes[PL_TOKEN_TEXT];              /* of the part that was decoded last */
};

static pl_err split(struct compact *k, struct pl_span token)
{
    PL_REQUIRE(token.n && token.n <= PL_TOKEN_BYTES, JWT_FORM);
    const uint8_t *end = token.p + token.n, *a = memchr(token.p, '.', token.n);
    PL_REQUIRE(a, JWT_FORM);
    const uint8_t *b = memchr(a + 1, '.', (size_t)(end - a - 1));
    PL_REQUIRE(b && !memchr(b + 1, '.', (size_t)(end - b - 1)), JWT_FORM);
    k->header = pl_span(token.p, (size_t)(a - token.p));
    k->payload = pl_span(a + 1, (size_t)(b - a - 1));
    k->signature = pl_span(b + 1, (size_t)(end - b - 1));
    k->input = pl_span(token.p, (size_t)(b - token.p));
    return PL_OK;
}

static pl_err decode(struct compact *k, struct pl_span part, struct pl_span *out)
{
    size_t n = 0;
    PL_REQUIRE(pl_unb64u(k->bytes, sizeof(k->bytes), &n, part) == PL_OK, JWT_FORM);
    *out = pl_span(k->bytes, n);
    return PL_OK;
}

/* ---- The header ----------------------------------------------------------------------------- */

struct header {
    enum pl_jose alg;
    char kid[PL_ISSUER_WORD + 1];
};

static bool brings_key(struct pl_span member)
{
    return pl_span_is(member, "jku") || pl_span_is(member, "jwk") || pl_span_is(member, "x5u") ||
           pl_span_is(member, "x5c");
}

/* Tokens that mean something else (logout, security events) say so here. */
static void read_typ(struct pl_json *j)
{
    struct pl_span typ;
    if (pl_json_plain(j, &typ) && !pl_span_is(typ, "JWT") && !pl_span_is(typ, "jwt") &&
        !pl_span_is(typ, "at+jwt"))
        pl_json_refuse(j, PL_FAIL(JWT_TYP));
}

static pl_err read_header(struct header *h, struct pl_span text)
{
    struct pl_json j;
    struct pl_span key, alg = {0};
    pl_json_init(&j, text);
    for (pl_json_object(&j); pl_json_key(&j, &key);) {
        if (pl_span_is(key, "crit"))
            pl_json_refuse(&j, PL_FAIL(JWT_CRIT));
        else if (brings_key(key))
            pl_json_refuse(&j, PL_FAIL(JWT_OWN_KEY));
        else if (pl_span_is(key, "alg"))
            pl_json_plain(&j, &alg);
        else if (pl_span_is(key, "kid"))
            pl_json_str(&j, h->kid, sizeof(h->kid), 1, NULL);
        else if (pl_span_is(key, "typ"))
            read_typ(&j);
        else
            pl_json_skip(&j);
    }
    PL_TRY(end_json(&j));
    h->alg = pl_jose_of(alg);
    PL_REQUIRE(h->alg != PL_JOSE_NONE, JWT_ALG);
    return PL_OK;
}

/* ---- Issuer and key ------------------------------------------------------------------------- */

static pl_err find_issuer(const struct pl_issuers *pinned, const struct pl_issuer **out,
                          struct pl_span claims)
{
    char iss[PL_ISSUER_TEXT + 1] = "";
    struct pl_json j;
    struct pl_span key;
    pl_json_init(&j, claims);
    for (pl_json_object(&j); pl_json_key(&j, &key);) {
        if (pl_span_is(key, "iss"))
            pl_json_str(&j, iss, sizeof(iss), 1, NULL);
        else
            pl_json_skip(&j);
    }
    PL_TRY(end_json(&j));
    for (unsigned i = 0; i < pinned->n; i++)
        if (strcmp(pinned->issuer[i]->issuer, iss) == 0)
            *out = pinned->issuer[i];
    PL_REQUIRE(*out, JWT_ISSUER);
    return PL_OK;
}

static pl_err find_key(const struct pl_issuer *by, const struct pl_issuer_key **out,
                       const struct header *h)
{
    unsigned fit = 0;
    for (unsigned i = 0; i < by->keys; i++) {
        const struct pl_issuer_key *k = &by->key[i];
        if (*h->kid ? strcmp(k->kid, h->kid) == 0 : k->alg == h->alg) {
            *out = k;
            fit++;
        }
    }
    PL_REQUIRE(fit == 1, JWT_KEY);
    PL_REQUIRE((*out)->alg == h->alg, JWT_ALG);
    return PL_OK;
}

static pl_err check_signature(struct pl_crypto *c, const struct pl_issuer_key *key,
                              const struct compact *k)
{
    uint8_t sig[PL_RSA_BYTES_MAX];
    size_t n = 0;
    struct pl_pub pub;
    struct pl_span spki = pl_span(key->spki, key->spki_n);
    PL_REQUIRE(pl_unb64u(sig, sizeof(sig), &n, k->signature) == PL_OK, JWT_FORM);
    pl_err e;
    if (key->alg == PL_JOSE_RS256) {
        e = pl_spki_verify(c, spki, PL_SIG_RSA_SHA256, k->input, pl_span(sig, n));
    } else {
        PL_TRY(pl_pub_from_spki(&pub, spki));
        e = n == 64 ? pl_pub_verify(c, &pub, k->input, sig) : PL_FAIL(SIGNATURE);
    }
    enum pl_code code = pl_err_code(e);
    PL_REQUIRE(code != PL_E_SIGNATURE && code != PL_E_KEY_FORMAT, JWT_SIGNATURE);
    return e;
}

/* ---- The claims ----------------------------------------------------------------------------- */

struct claims {
    struct pl_json j;
    struct pl_signer *s;
    const struct pl_issuer *by;
    const struct pl_token_binding *want;
    char nonce[PL_B64U_LEN(32) + 1], holder[PL_B64U_LEN(32) + 1], vault[65]; /* as they must be */
    int64_t exp_s, nbf_s, iat_s; /* INT64_MIN: not there */
    bool for_audience, for_vault, by_other;
    bool has_holder, held, has_nonce;
};

static void one(struct claims *k, void (*take)(struct claims *k, struct pl_span s))
{
    char text[2 * PL_ISSUER_TEXT];
    size_t n = 0;
    if (pl_json_str(&k->j, text, sizeof(text), 1, &n))
        take(k, pl_span(text, n));
}

/* A string, or each of an array of strings. */
static void each(struct claims *k, void (*take)(struct claims *k, struct pl_span s))
{
    if (pl_json_peek(&k->j) != PL_JSON_ARRAY)
        one(k, take);
    else
        for (pl_json_array(&k->j); pl_json_item(&k->j);)
            one(k, take);
}

/* Adds a string to those of a list that stay; each once. */
static void keep(struct claims *k, struct pl_span *list, size_t *n, size_t max, struct pl_span s)
{
    for (size_t i = 0; i < *n; i++)
        if (pl_span_eq(list[i], s))
            return;
    uint8_t *to = *n < max && s.n <= PL_ISSUER_TEXT ? pl_wr_take(k->want->text, s.n) : NULL;
    if (!to) {
        pl_json_refuse(&k->j, PL_FAIL(JWT_LIMIT));
        return;
    }
    memcpy(to, s.p, s.n);
    list[(*n)++] = pl_span(to, s.n);
}

static void take_sub(struct claims *k, struct pl_span s)
{
    size_t n = 0;
    keep(k, &k->s->sub, &n, 1, s);
}

static void take_role(struct claims *k, struct pl_span s)
{
    keep(k, k->s->role, &k->s->roles, PL_SIGNER_ROLES, s);
}

static void take_amr(struct claims *k, struct pl_span s)
{
    keep(k, k->s->amr, &k->s->amrs, PL_SIGNER_AMR, s);
}

static void take_aud(struct claims *k, struct pl_span s)
{
    k->for_audience |= pl_span_is(s, k->by->audience);
    k->for_vault |= pl_span_is(s, k->vault);
}

static void take_azp(struct claims *k, struct pl_span s)
{
    k->by_other = !pl_span_is(s, k->by->audience);
}

static void read_sub(struct claims *k) { one(k, take_sub); }
static void read_aud(struct claims *k) { each(k, take_aud); }
static void read_azp(struct claims *k) { one(k, take_azp); }
static void read_amr(struct claims *k) { each(k, take_amr); }
static void read_roles(struct claims *k) { each(k, take_role); }
static void read_exp(struct claims *k) { pl_json_i53(&k->j, &k->exp_s); }
static void read_nbf(struct claims *k) { pl_json_i53(&k->j, &k->nbf_s); }
static void read_iat(struct claims *k) { pl_json_i53(&k->j, &k->iat_s); }
static void read_auth_time(struct claims *k) { pl_json_i53(&k->j, &k->s->auth_time_s); }

static void read_realm(struct claims *k)
{
    struct pl_span key;
    for (pl_json_object(&k->j); pl_json_key(&k->j, &key);) {
        if (pl_span_is(key, "roles"))
            read_roles(k);
        else
            pl_json_skip(&k->j);
    }
}

static void read_cnf(struct claims *k)
{
    struct pl_span key, s = {0};
    k->has_holder = true;
    for (pl_json_object(&k->j); pl_json_key(&k->j, &key);) {
        if (pl_span_is(key, "x5t#S256"))
            pl_json_plain(&k->j, &s);
        else
            pl_json_skip(&k->j);
    }
    k->held = *k->holder && pl_span_is(s, k->holder);
}

static void read_nonce(struct claims *k)
{
    struct pl_span s = {0};
    pl_json_plain(&k->j, &s);
    k->has_nonce = pl_span_is(s, k->nonce);
}

static const struct {
    const char *word;
    void (*read)(struct claims *k);
} members[] = {
    {"sub", read_sub},     {"aud", read_aud},
    {"azp", read_azp},     {"exp", read_exp},
    {"nbf", read_nbf},     {"iat", read_iat},
    {"amr", read_amr},     {"auth_time", read_auth_time},
    {"roles", read_roles}, {"realm_access", read_realm},
    {"cnf", read_cnf},
};

static void read_claim(struct claims *k, struct pl_span key)
{
    const char *nonce = *k->by->nonce_claim ? k->by->nonce_claim : "nonce";
    if (k->want->statement_sha256 && pl_span_is(key, nonce)) {
        read_nonce(k);
        return;
    }
    if (*k->by->roles_claim && pl_span_is(key, k->by->roles_claim)) {
        read_roles(k);
        return;
    }
    for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++)
        if (pl_span_is(key, members[i].word)) {
            members[i].read(k);
            return;
        }
    pl_json_skip(&k->j);
}

static pl_err read_claims(struct claims *k, struct pl_span text)
{
    struct pl_span key;
    k->exp_s = k->nbf_s = k->iat_s = k->s->auth_time_s = INT64_MIN;
    pl_json_init(&k->j, text);
    for (pl_json_object(&k->j); pl_json_key(&k->j, &key);)
        read_claim(k, key);
    PL_TRY(end_json(&k->j));
    PL_REQUIRE(k->s->sub.n && k->exp_s != INT64_MIN && k->iat_s != INT64_MIN, JWT_CLAIM);
    PL_REQUIRE(k->s->auth_time_s <= k->iat_s, JWT_EARLY); /* it would be fresh for ever */
    k->s->iat_s = k->iat_s;
    return PL_OK;
}

/* ---- What must hold ------------------------------------------------------------------------- */

static pl_err check_time(const struct claims *k, struct pl_interval now)
{
    PL_REQUIRE(now.earliest_s <= now.latest_s, JWT_TIME);
    PL_REQUIRE(pl_time_reached(now, k->iat_s) != PL_FALSE, JWT_EARLY);
    enum pl_tri begun = k->nbf_s > k->iat_s ? pl_time_reached(now, k->nbf_s) : PL_TRUE;
    PL_REQUIRE(begun != PL_FALSE, JWT_EARLY);
    enum pl_tri good = pl_time_before(now, k->exp_s - 1);
    PL_REQUIRE(good != PL_FALSE, JWT_EXPIRED);
    PL_REQUIRE(begun == PL_TRUE && good == PL_TRUE, JWT_TIME);
    return PL_OK;
}

static pl_err check_binding(struct claims *k)
{
    if (k->want->statement_sha256) {
        PL_REQUIRE(k->for_audience && !k->by_other, JWT_AUDIENCE);
        PL_REQUIRE(k->has_nonce, JWT_NONCE);
        return PL_OK;
    }
    PL_REQUIRE(k->for_audience || (k->held && k->for_vault), JWT_AUDIENCE);
    PL_REQUIRE(k->held || !k->has_holder, JWT_HOLDER);
    k->s->bare = !(k->held && k->for_vault);
    return PL_OK;
}

static pl_err name(struct pl_crypto *c, struct pl_signer *s)
{
    uint8_t length[] = {0, 0, 0, (uint8_t)s->iss.n};
    const struct pl_span parts[] = {PL_LIT("pleiad oidc 1\0"), PL_ARR(length), s->iss, s->sub};
    s->form = PL_PROOF_OIDC;
    PL_TRY(pl_sha256_one(c, s->issuer, s->iss));
    return pl_sha256(c, s->authenticator, parts, 4);
}

static pl_err verify(struct claims *k, struct pl_crypto *c, const struct pl_issuers *pinned,
                     struct compact *form)
{
    struct header h = {.alg = PL_JOSE_NONE};
    const struct pl_issuer_key *key = NULL;
    struct pl_span text;
    PL_TRY(decode(form, form->header, &text));
    PL_TRY(read_header(&h, text));
    PL_TRY(decode(form, form->payload, &text));
    PL_TRY(find_issuer(pinned, &k->by, text));
    PL_TRY(find_key(k->by, &key, &h));
    PL_TRY(check_signature(c, key, form));
    k->s->iss = pl_span_str(k->by->issuer);
    return read_claims(k, text);
}

static void must_be(struct claims *k)
{
    const struct pl_token_binding *w = k->want;
    if (w->statement_sha256)
        pl_b64u(k->nonce, pl_span(w->statement_sha256, 32));
    if (w->certificate_sha256)
        pl_b64u(k->holder, pl_span(w->certificate_sha256, 32));
    if (w->vault_id)
        pl_hex(k->vault, pl_span(w->vault_id, 32));
}

pl_err pl_jwt_verify(struct pl_crypto *c, struct pl_signer *out, const struct pl_issuers *pinned,
                     struct pl_span token, const struct pl_token_binding *want,
                     struct pl_interval now)
{
    struct compact form;
    *out = (struct pl_signer){0};
    struct claims k = {.s = out, .want = want};
    must_be(&k);
    pl_err e = split(&form, token);
    if (e == PL_OK)
        e = verify(&k, c, pinned, &form);
    if (e == PL_OK)
        e = check_time(&k, now);
    if (e == PL_OK)
        e = check_binding(&k);
    if (e == PL_OK)
        e = name(c, out);
    if (e != PL_OK)
        *out = (struct pl_signer){0};
    return e;
}
