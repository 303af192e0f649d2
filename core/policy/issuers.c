/* The configuration's member `issuers`. */
#include "policy/jwt.h"

#include <stdlib.h>
#include <string.h>

struct jwk {
    struct pl_span kty, crv, use, alg;
    char kid[PL_ISSUER_WORD + 1];
    uint8_t n[PL_RSA_BYTES_MAX], e[4], x[32], y[32];
    size_t n_n, e_n, x_n, y_n;
};

static void read_member(struct pl_json *j, struct jwk *k, struct pl_span key)
{
    const struct {
        const char *word;
        struct pl_span *text;
        uint8_t *bytes;
        size_t cap, *n;
    } member[] = {
        {"kty", &k->kty, NULL, 0, NULL},          {"crv", &k->crv, NULL, 0, NULL},
        {"use", &k->use, NULL, 0, NULL},          {"alg", &k->alg, NULL, 0, NULL},
        {"n", NULL, k->n, sizeof(k->n), &k->n_n}, {"e", NULL, k->e, sizeof(k->e), &k->e_n},
        {"x", NULL, k->x, sizeof(k->x), &k->x_n}, {"y", NULL, k->y, sizeof(k->y), &k->y_n},
    };
    static const char *const aside[] = {"key_ops", "x5c", "x5t", "x5t#S256"};
    for (size_t i = 0; i < sizeof(member) / sizeof(*member); i++) {
        if (!pl_span_is(key, member[i].word))
            continue;
        if (member[i].text)
            pl_json_plain(j, member[i].text);
        else
            pl_json_b64u(j, member[i].bytes, member[i].cap, member[i].n);
        return;
    }
    for (size_t i = 0; i < sizeof(aside) / sizeof(*aside); i++)
        if (pl_span_is(key, aside[i])) {
            pl_json_skip(j);
            return;
        }
    if (pl_span_is(key, "kid"))
        pl_json_str(j, k->kid, sizeof(k->kid), 1, NULL);
    else
        pl_json_refuse(j, PL_FAIL(JSON_UNKNOWN)); /* also what only a private key has */
}

/* On the curve? Verifying anything tells. */
static bool is_point(struct pl_crypto *c, const struct pl_pub *pub)
{
    static const uint8_t digest[32], sig[64];
    return pl_err_code(pl_p256_verify(c, pub->raw, digest, sig)) == PL_E_SIGNATURE;
}

static pl_err pub_key(struct pl_crypto *c, struct pl_issuer_key *out, const struct jwk *k)
{
    struct pl_pub pub = {.type = PL_PUB_ED25519};
    bool ec = pl_span_is(k->kty, "EC");
    PL_REQUIRE(k->x_n == 32 && k->y_n == (ec ? 32 : 0), KEY_FORMAT);
    memcpy(pub.raw, k->x, 32);
    if (ec) {
        pub.type = PL_PUB_P256;
        memcpy(pub.raw + 32, k->y, 32);
        PL_REQUIRE(is_point(c, &pub), KEY_FORMAT);
    }
    out->alg = ec ? PL_JOSE_ES256 : PL_JOSE_EDDSA;
    out->spki_n = pl_pub_to_spki(out->spki, &pub);
    return PL_OK;
}

static pl_err key_of(struct pl_crypto *c, struct pl_issuer_key *out, const struct jwk *k)
{
    bool ec = pl_span_is(k->kty, "EC") && pl_span_is(k->crv, "P-256");
    bool okp = pl_span_is(k->kty, "OKP") && pl_span_is(k->crv, "Ed25519");
    memcpy(out->kid, k->kid, sizeof(out->kid));
    if (pl_span_is(k->kty, "RSA")) {
        struct pl_wr w = pl_wr_fixed(out->spki, sizeof(out->spki));
        PL_TRY(pl_rsa_spki(&w, pl_span(k->n, k->n_n), pl_span(k->e, k->e_n)));
        out->alg = PL_JOSE_RS256;
        out->spki_n = w.n;
    } else {
        PL_REQUIRE(ec || okp, CONFIG_BUILD);
        PL_TRY(pub_key(c, out, k));
    }
    PL_REQUIRE(!k->alg.n || pl_jose_of(k->alg) == out->alg, CONFIG_BUILD);
    PL_REQUIRE(!k->use.n || pl_span_is(k->use, "sig"), CONFIG_VALUE);
    return PL_OK;
}

static void read_jwk(struct pl_json *j, struct pl_crypto *c, struct pl_issuer *is)
{
    struct jwk k = {.n_n = 0};
    struct pl_span key;
    for (pl_json_object(j); pl_json_key(j, &key);)
        read_member(j, &k, key);
    if (j->err != PL_OK)
        return;
    bool twice = is->keys == PL_ISSUER_KEYS;
    for (unsigned i = 0; i < is->keys; i++)
        twice |= *k.kid && strcmp(is->key[i].kid, k.kid) == 0;
    pl_err e = twice ? PL_FAIL(CONFIG_VALUE) : key_of(c, &is->key[is->keys], &k);
    if (e == PL_OK)
        is->keys++;
    else
        pl_json_refuse(j, e);
}

/* https, and nothing behind that a comparison of bytes could stumble over */
static bool is_url(const char *s)
{
    static const char https[] = "https://";
    bool good = strncmp(s, https, sizeof(https) - 1) == 0 && s[sizeof(https) - 1];
    for (; good && *s; s++)
        good = *s > ' ' && *s < 0x7f && *s != '?' && *s != '#';
    return good;
}

static void read_issuer(struct pl_json *j, struct pl_crypto *c, struct pl_issuer *is)
{
    struct pl_span key;
    for (pl_json_object(j); pl_json_key(j, &key);) {
        if (pl_span_is(key, "issuer"))
            pl_json_str(j, is->issuer, sizeof(is->issuer), 1, NULL);
        else if (pl_span_is(key, "audience"))
            pl_json_str(j, is->audience, sizeof(is->audience), 1, NULL);
        else if (pl_span_is(key, "roles_claim"))
            pl_json_str(j, is->roles_claim, sizeof(is->roles_claim), 1, NULL);
        else if (pl_span_is(key, "nonce_claim"))
            pl_json_str(j, is->nonce_claim, sizeof(is->nonce_claim), 1, NULL);
        else if (pl_span_is(key, "keys"))
            for (pl_json_array(j); pl_json_item(j);)
                read_jwk(j, c, is);
        else
            pl_json_refuse(j, PL_FAIL(JSON_UNKNOWN));
    }
    if (j->err == PL_OK && !(is_url(is->issuer) && *is->audience && is->keys))
        pl_json_refuse(j, PL_FAIL(CONFIG_VALUE));
}

void pl_issuers_read(struct pl_json *j, struct pl_crypto *c, struct pl_issuers *out)
{
    for (pl_json_array(j); pl_json_item(j);) {
        struct pl_issuer *is = out->n < PL_ISSUERS_MAX ? calloc(1, sizeof(*is)) : NULL;
        if (!is) {
            pl_json_refuse(j, out->n < PL_ISSUERS_MAX ? PL_FAIL(NO_MEMORY) : PL_FAIL(CONFIG_VALUE));
            return;
        }
        out->issuer[out->n++] = is;
        read_issuer(j, c, is);
        for (unsigned i = 0; i + 1 < out->n; i++)
            if (strcmp(out->issuer[i]->issuer, is->issuer) == 0)
                pl_json_refuse(j, PL_FAIL(CONFIG_VALUE));
    }
}

void pl_issuers_free(struct pl_issuers *i)
{
    while (i->n)
        free(i->issuer[--i->n]);
}
