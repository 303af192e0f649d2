#include "test.h"
#include "policy/jwt.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <string.h>

/* ---- An issuer ------------------------------------------------------------------------------ */

enum by { BY_RSA, BY_EC, BY_ED, BY_STRANGER, BY_SECRET, BY_NOBODY };

static struct pl_crypto *c;
static EVP_PKEY *rsa;
static struct pl_priv ec = {.type = PL_PUB_P256}, ed = {.type = PL_PUB_ED25519},
                      stranger = {.type = PL_PUB_P256};
static char rsa_n[400], ec_x[48], ec_y[48], ed_x[48];
static struct pl_issuers pinned;
static uint8_t text_room[PL_TOKEN_TEXT];
static struct pl_wr text;

/* What a token must be for: the digest of a statement, a client's certificate, a vault. */
static uint8_t statement[32], certificate[32], vault[32];
#define NONCE  "ERERERERERERERERERERERERERERERERERERERERERE"
#define HOLDER "IiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiI"
#define VAULT  "3333333333333333333333333333333333333333333333333333333333333333"

static const struct pl_interval now = {2000000, 2000100};

static pl_err load(struct pl_issuers *out, const char *json, char *pointer)
{
    struct pl_json j;
    *out = (struct pl_issuers){0};
    pl_json_init(&j, pl_span_str(json));
    pl_issuers_read(&j, c, out);
    pl_err e = pl_json_end(&j);
    if (e != PL_OK && pointer)
        pl_json_pointer(&j, pointer, PL_JSON_POINTER_MAX);
    return e;
}

static void make_keys(void)
{
    uint8_t seed[48], n[256], pub[64];
    BIGNUM *bn = NULL;
    CHECK((rsa = EVP_RSA_gen(2048)) != NULL);
    CHECK(EVP_PKEY_get_bn_param(rsa, OSSL_PKEY_PARAM_RSA_N, &bn) == 1);
    CHECK(BN_bn2binpad(bn, n, sizeof(n)) == sizeof(n));
    BN_free(bn);
    pl_b64u(rsa_n, PL_ARR(n));
    test_fill(seed, sizeof(seed), 1);
    CHECK_OK(pl_p256_make(c, ec.raw, pub, seed));
    pl_b64u(ec_x, pl_span(pub, 32));
    pl_b64u(ec_y, pl_span(pub + 32, 32));
    test_fill(seed, sizeof(seed), 2);
    CHECK_OK(pl_p256_make(c, stranger.raw, pub, seed));
    test_fill(ed.raw, 32, 3);
    CHECK_OK(pl_ed25519_public(pub, ed.raw));
    pl_b64u(ed_x, pl_span(pub, 32));
}

static void setup(void)
{
    static char json[4096];
    text = pl_wr_fixed(text_room, sizeof(text_room));
    if (c)
        return;
    memset(statement, 0x11, 32), memset(certificate, 0x22, 32), memset(vault, 0x33, 32);
    CHECK_OK(pl_crypto_new(&c));
    make_keys();
    snprintf(json, sizeof(json),
             "[{\"issuer\":\"https://id.example\",\"audience\":\"pleiad\",\"keys\":["
             "{\"kty\":\"RSA\",\"kid\":\"r1\",\"alg\":\"RS256\",\"use\":\"sig\",\"n\":\"%s\","
             "\"e\":\"AQAB\",\"key_ops\":[\"verify\"],\"x5t\":\"00\"},"
             "{\"kty\":\"EC\",\"kid\":\"e1\",\"crv\":\"P-256\",\"x\":\"%s\",\"y\":\"%s\"},"
             "{\"kty\":\"OKP\",\"kid\":\"d1\",\"crv\":\"Ed25519\",\"x\":\"%s\"},"
             "{\"kty\":\"OKP\",\"kid\":\"d2\",\"crv\":\"Ed25519\",\"x\":\"%s\"}]},"
             "{\"issuer\":\"https://other.example/realm\",\"audience\":\"vaults\",\"keys\":["
             "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"%s\",\"y\":\"%s\"}],"
             "\"roles_claim\":\"groups\",\"nonce_claim\":\"statement\"}]",
             rsa_n, ec_x, ec_y, ed_x, ed_x, ec_x, ec_y);
    CHECK_OK(load(&pinned, json, NULL));
    CHECK(pinned.n == 2 && pinned.issuer[0]->keys == 4);
}

__attribute__((destructor)) static void teardown(void)
{
    pl_issuers_free(&pinned);
    EVP_PKEY_free(rsa);
    pl_crypto_free(c);
}

/* ---- Its tokens ----------------------------------------------------------------------------- */

static size_t sign_rsa(uint8_t *sig, struct pl_span input)
{
    size_t n = 256;
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    CHECK(EVP_DigestSignInit(md, NULL, EVP_sha256(), NULL, rsa) == 1);
    CHECK(EVP_DigestSign(md, sig, &n, input.p, input.n) == 1);
    EVP_MD_CTX_free(md);
    return n;
}

/* The old confusion: the public key, as everybody has it, is the secret of an HMAC. */
static size_t sign_secret(uint8_t *sig, struct pl_span input)
{
    char pem[1024];
    struct pl_wr w = pl_wr_fixed(pem, sizeof(pem));
    const struct pl_issuer_key *k = &pinned.issuer[0]->key[0];
    pl_wr_pem(&w, pl_span(k->spki, k->spki_n), "PUBLIC KEY");
    CHECK_OK(pl_hmac(c, sig, pl_wr_span(&w), &input, 1));
    return 32;
}

static size_t sign(uint8_t *sig, enum by by, struct pl_span input)
{
    const struct pl_priv *k = by == BY_EC ? &ec : by == BY_ED ? &ed : &stranger;
    if (by == BY_NOBODY)
        return 0;
    if (by == BY_RSA)
        return sign_rsa(sig, input);
    if (by == BY_SECRET)
        return sign_secret(sig, input);
    CHECK_OK(pl_priv_sign(c, sig, k, input));
    return 64;
}

static struct pl_span token_of(enum by by, const char *header, const char *claims)
{
    static char out[3 * PL_TOKEN_BYTES];
    uint8_t sig[512];
    struct pl_wr w = pl_wr_fixed(out, sizeof(out));
    pl_wr_b64u(&w, pl_span_str(header));
    pl_wr_u8(&w, '.');
    pl_wr_b64u(&w, pl_span_str(claims));
    size_t n = sign(sig, by, pl_wr_span(&w));
    pl_wr_u8(&w, '.');
    pl_wr_b64u(&w, pl_span(sig, n));
    CHECK_OK(pl_wr_end(&w));
    return pl_wr_span(&w);
}

static const char RSA_HEADER[] = "{\"alg\":\"RS256\",\"kid\":\"r1\",\"typ\":\"JWT\"}";
static const char EC_HEADER[] = "{\"alg\":\"ES256\",\"kid\":\"e1\",\"typ\":\"JWT\"}";
static const char ED_HEADER[] = "{\"alg\":\"EdDSA\",\"kid\":\"d1\"}";
static const char CLAIMS[] =
    "{\"iss\":\"https://id.example\",\"sub\":\"alice\",\"aud\":\"pleiad\",\"exp\":2003600,"
    "\"iat\":2000000,\"nonce\":\"" NONCE "\",\"auth_time\":1999990,\"amr\":[\"hwk\",\"pin\"],"
    "\"roles\":[\"release\",\"look\"],\"realm_access\":{\"more\":1,\"roles\":[\"look\",\"admin\"]},"
    "\"name\":{\"unknown\":[1.5e3,null]}}";

/* The text with one place of it changed. */
static const char *changed(const char *from, const char *what, const char *to)
{
    static char out[2][2 * PL_TOKEN_BYTES];
    static unsigned which;
    char *o = out[which++ % 2];
    const char *at = what ? strstr(from, what) : from;
    CHECK(at != NULL);
    if (at)
        snprintf(o, sizeof(out[0]), "%.*s%s%s", (int)(at - from), from, to ? to : "",
                 at + (what ? strlen(what) : 0));
    return o;
}

static pl_err verify_as(struct pl_signer *s, struct pl_span token,
                        const struct pl_token_binding *want)
{
    text.n = 0;
    text.bad = false;
    return pl_jwt_verify(c, s, &pinned, token, want, now);
}

static pl_err verify(struct pl_signer *s, struct pl_span token)
{
    return verify_as(s, token,
                     &(struct pl_token_binding){
                         .statement_sha256 = statement, .vault_id = vault, .text = &text});
}

/* As the token of a connection with this certificate. */
static pl_err verify_held(struct pl_signer *s, struct pl_span token)
{
    return verify_as(s, token,
                     &(struct pl_token_binding){
                         .certificate_sha256 = certificate, .vault_id = vault, .text = &text});
}

static bool is_nobody(const struct pl_signer *s)
{
    static const struct pl_signer nobody;
    return memcmp(s, &nobody, sizeof(nobody)) == 0;
}

TEST(each_kind_of_key_signs_a_good_token)
{
    static const uint8_t named[] = "pleiad oidc 1\0\0\0\0\x12https://id.examplealice";
    uint8_t want[32];
    setup();
    CHECK_OK(pl_sha256_one(c, want, pl_span(named, sizeof(named) - 1)));
    for (enum by by = BY_RSA; by <= BY_ED; by++) {
        const char *const header[] = {RSA_HEADER, EC_HEADER, ED_HEADER};
        struct pl_signer s;
        NEED(CHECK_OK(verify(&s, token_of(by, header[by], CLAIMS))));
        CHECK(s.form == PL_PROOF_OIDC && !s.bare && s.iat_s == 2000000 && s.auth_time_s == 1999990);
        CHECK(pl_span_is(s.iss, "https://id.example") && pl_span_is(s.sub, "alice"));
        NEED(CHECK(s.roles == 3 && s.amrs == 2));
        CHECK(pl_span_is(s.role[0], "release") && pl_span_is(s.role[1], "look"));
        CHECK(pl_span_is(s.role[2], "admin"));
        CHECK(pl_span_is(s.amr[0], "hwk") && pl_span_is(s.amr[1], "pin"));
        CHECK_BYTES(PL_ARR(s.authenticator), PL_ARR(want));
    }
}

TEST(every_byte_of_a_token_counts)
{
    static char copy[2048];
    setup();
    for (enum by by = BY_RSA; by <= BY_ED; by++) {
        const char *const header[] = {RSA_HEADER, EC_HEADER, ED_HEADER};
        struct pl_signer s;
        struct pl_span token = token_of(by, header[by], CLAIMS);
        memcpy(copy, token.p, token.n);
        for (size_t i = 0; i < token.n; i++) {
            copy[i] ^= copy[i] == 'A' ? 3 : 1; /* still a letter mostly */
            if (!CHECK(verify(&s, pl_span(copy, token.n)) != PL_OK && is_nobody(&s)))
                printf("# byte %zu\n", i);
            copy[i] = (char)token.p[i];
            CHECK(verify(&s, pl_span(copy, i)) != PL_OK);
        }
    }
}

/* What is changed in header and claims of a token that its issuer signs with e1 or another key. */
static const struct {
    const char *name;
    enum by by;
    const char *header, *to_header, *claims, *to_claims;
    enum pl_code code;
} forged[] = {
    {"nothing", BY_EC, NULL, NULL, NULL, NULL, PL_E_OK},
    {"expired", BY_EC, NULL, NULL, "2003600", "2000000", PL_E_JWT_EXPIRED},
    {"may have expired", BY_EC, NULL, NULL, "2003600", "2000100", PL_E_JWT_TIME},
    {"just good", BY_EC, NULL, NULL, "2003600", "2000101", PL_E_OK},
    {"signed in later than issued", BY_EC, NULL, NULL, "\"auth_time\":1999990",
     "\"auth_time\":2000001", PL_E_JWT_EARLY},
    {"future", BY_EC, NULL, NULL, "\"iat\":2000000", "\"iat\":2000101", PL_E_JWT_EARLY},
    {"of this moment", BY_EC, NULL, NULL, "\"iat\":2000000", "\"iat\":2000100", PL_E_OK},
    {"nbf with iat", BY_EC, NULL, NULL, "\"iat\":2000000", "\"iat\":2000050,\"nbf\":2000050",
     PL_E_OK},
    {"nbf later", BY_EC, NULL, NULL, "\"iat\":2000000", "\"iat\":2000000,\"nbf\":2000101",
     PL_E_JWT_EARLY},
    {"nbf perhaps later", BY_EC, NULL, NULL, "\"iat\":2000000", "\"iat\":2000000,\"nbf\":2000001",
     PL_E_JWT_TIME},
    {"nbf just over", BY_EC, NULL, NULL, "\"iat\":2000000", "\"iat\":1999999,\"nbf\":2000000",
     PL_E_OK},
    {"no exp", BY_EC, NULL, NULL, "\"exp\":2003600,", "", PL_E_JWT_CLAIM},
    {"no iat", BY_EC, NULL, NULL, "\"iat\":2000000,", "", PL_E_JWT_CLAIM},
    {"no sub", BY_EC, NULL, NULL, "\"sub\":\"alice\",", "", PL_E_JWT_CLAIM},
    {"empty sub", BY_EC, NULL, NULL, "\"alice\"", "\"\"", PL_E_JWT_JSON},
    {"two sub", BY_EC, NULL, NULL, "\"alice\"", "[\"alice\",\"bob\"]", PL_E_JWT_JSON},
    {"no iss", BY_EC, NULL, NULL, "\"iss\":\"https://id.example\",", "", PL_E_JWT_ISSUER},
    {"no aud", BY_EC, NULL, NULL, "\"aud\":\"pleiad\",", "", PL_E_JWT_AUDIENCE},
    {"no nonce", BY_EC, NULL, NULL, "\"nonce\":\"" NONCE "\",", "", PL_E_JWT_NONCE},
    {"exp a text", BY_EC, NULL, NULL, "2003600", "\"2003600\"", PL_E_JWT_JSON},
    {"exp a fraction", BY_EC, NULL, NULL, "2003600", "2003600.5", PL_E_JWT_JSON},
    {"exp for ever", BY_EC, NULL, NULL, "2003600", "99999999999999999999", PL_E_JWT_JSON},
    {"wrong iss", BY_EC, NULL, NULL, "id.example", "id.example.net", PL_E_JWT_ISSUER},
    {"iss with a slash", BY_EC, NULL, NULL, "id.example", "id.example/", PL_E_JWT_ISSUER},
    {"iss escaped", BY_EC, NULL, NULL, "https://id", "https:\\/\\/id", PL_E_OK},
    {"iss a list", BY_EC, NULL, NULL, "\"https://id.example\"", "[\"https://id.example\"]",
     PL_E_JWT_JSON},
    {"the other issuer's name", BY_RSA, NULL, NULL, "https://id.example",
     "https://other.example/realm", PL_E_JWT_KEY},
    {"wrong aud", BY_EC, NULL, NULL, "\"pleiad\"", "\"pleiades\"", PL_E_JWT_AUDIENCE},
    {"aud in a list", BY_EC, NULL, NULL, "\"pleiad\"", "[\"a\",\"pleiad\"]", PL_E_OK},
    {"aud not in the list", BY_EC, NULL, NULL, "\"pleiad\"", "[\"a\",\"b\"]", PL_E_JWT_AUDIENCE},
    {"aud an empty list", BY_EC, NULL, NULL, "\"pleiad\"", "[]", PL_E_JWT_AUDIENCE},
    {"aud an object", BY_EC, NULL, NULL, "\"pleiad\"", "{\"pleiad\":1}", PL_E_JWT_JSON},
    {"aud this vault alone", BY_EC, NULL, NULL, "\"pleiad\"", "\"" VAULT "\"", PL_E_JWT_AUDIENCE},
    {"got by us", BY_EC, NULL, NULL, "\"aud\"", "\"azp\":\"pleiad\",\"aud\"", PL_E_OK},
    {"got by another", BY_EC, NULL, NULL, "\"aud\"", "\"azp\":\"evil\",\"aud\"", PL_E_JWT_AUDIENCE},
    {"wrong nonce", BY_EC, NULL, NULL, "\"ERER", "\"ERES", PL_E_JWT_NONCE},
    {"nonce padded", BY_EC, NULL, NULL, NONCE, NONCE "=", PL_E_JWT_NONCE},
    {"nonce a list", BY_EC, NULL, NULL, "\"" NONCE "\"", "[\"" NONCE "\"]", PL_E_JWT_JSON},
    {"nonce under another name", BY_EC, NULL, NULL, "\"nonce\"", "\"statement\"", PL_E_JWT_NONCE},
    {"nonce twice", BY_EC, NULL, NULL, "\"iat\"", "\"nonce\":\"" NONCE "\",\"iat\"", PL_E_JWT_JSON},
    {"sub twice", BY_EC, NULL, NULL, "\"iat\"", "\"s\\u0075b\":\"bob\",\"iat\"", PL_E_JWT_JSON},
    {"behind the claims", BY_EC, NULL, NULL, "null]}}", "null]}} {}", PL_E_JWT_JSON},
    {"claims a list", BY_EC, NULL, NULL, "{\"iss\"", "[{\"iss\"", PL_E_JWT_JSON},
    {"claims not UTF-8", BY_EC, NULL, NULL, "alice", "al\xff", PL_E_JWT_JSON},
    {"roles one", BY_EC, NULL, NULL, "[\"release\",\"look\"]", "\"release\"", PL_E_OK},
    {"roles an object", BY_EC, NULL, NULL, "[\"release\",\"look\"]", "{\"release\":{}}",
     PL_E_JWT_JSON},
    {"realm a list", BY_EC, NULL, NULL, "{\"more\"", "[{\"more\"", PL_E_JWT_JSON},
    {"alg none", BY_NOBODY, "ES256", "none", NULL, NULL, PL_E_JWT_ALG},
    {"alg None", BY_NOBODY, "ES256", "None", NULL, NULL, PL_E_JWT_ALG},
    {"alg none, signed", BY_EC, "ES256", "none", NULL, NULL, PL_E_JWT_ALG},
    {"no alg", BY_EC, "\"alg\":\"ES256\",", "", NULL, NULL, PL_E_JWT_ALG},
    {"alg a number", BY_EC, "\"ES256\"", "256", NULL, NULL, PL_E_JWT_JSON},
    {"HS256 with the public key", BY_SECRET, "ES256\",\"kid\":\"e1", "HS256\",\"kid\":\"r1", NULL,
     NULL, PL_E_JWT_ALG},
    {"HS256 called RS256", BY_SECRET, "ES256\",\"kid\":\"e1", "RS256\",\"kid\":\"r1", NULL, NULL,
     PL_E_JWT_SIGNATURE},
    {"HS256 called ES256", BY_SECRET, NULL, NULL, NULL, NULL, PL_E_JWT_SIGNATURE},
    {"PS256", BY_RSA, "ES256\",\"kid\":\"e1", "PS256\",\"kid\":\"r1", NULL, NULL, PL_E_JWT_ALG},
    {"RS256 said of e1", BY_EC, "ES256", "RS256", NULL, NULL, PL_E_JWT_ALG},
    {"RS256 by e1's kid", BY_RSA, "ES256", "RS256", NULL, NULL, PL_E_JWT_ALG},
    {"ES256 by r1's kid", BY_EC, "\"e1\"", "\"r1\"", NULL, NULL, PL_E_JWT_ALG},
    {"EdDSA said of e1", BY_EC, "ES256", "EdDSA", NULL, NULL, PL_E_JWT_ALG},
    {"signed by d1", BY_ED, NULL, NULL, NULL, NULL, PL_E_JWT_SIGNATURE},
    {"signed by a stranger", BY_STRANGER, NULL, NULL, NULL, NULL, PL_E_JWT_SIGNATURE},
    {"not signed", BY_NOBODY, NULL, NULL, NULL, NULL, PL_E_JWT_SIGNATURE},
    {"unknown kid", BY_EC, "\"e1\"", "\"e2\"", NULL, NULL, PL_E_JWT_KEY},
    {"kid of another length", BY_EC, "\"e1\"", "\"e\"", NULL, NULL, PL_E_JWT_KEY},
    {"empty kid", BY_EC, "\"e1\"", "\"\"", NULL, NULL, PL_E_JWT_JSON},
    {"kid a list", BY_EC, "\"e1\"", "[\"e1\"]", NULL, NULL, PL_E_JWT_JSON},
    {"no kid, one fits", BY_EC, ",\"kid\":\"e1\"", "", NULL, NULL, PL_E_OK},
    {"no kid, two fit", BY_ED, "ES256\",\"kid\":\"e1", "EdDSA", NULL, NULL, PL_E_JWT_KEY},
    {"two kids", BY_EC, "\"typ\"", "\"kid\":\"e1\",\"typ\"", NULL, NULL, PL_E_JWT_JSON},
    {"Ed25519 by its new name", BY_ED, "ES256\",\"kid\":\"e1", "Ed25519\",\"kid\":\"d1", NULL, NULL,
     PL_E_OK},
    {"crit", BY_EC, "\"typ\"", "\"crit\":[\"b64\"],\"b64\":false,\"typ\"", NULL, NULL,
     PL_E_JWT_CRIT},
    {"crit of nothing", BY_EC, "\"typ\"", "\"crit\":[],\"typ\"", NULL, NULL, PL_E_JWT_CRIT},
    {"jku", BY_EC, "\"typ\"", "\"jku\":\"https://evil.example\",\"typ\"", NULL, NULL,
     PL_E_JWT_OWN_KEY},
    {"jwk", BY_EC, "\"typ\"", "\"jwk\":{},\"typ\"", NULL, NULL, PL_E_JWT_OWN_KEY},
    {"x5u", BY_EC, "\"typ\"", "\"x5u\":\"https://evil.example\",\"typ\"", NULL, NULL,
     PL_E_JWT_OWN_KEY},
    {"x5c", BY_EC, "\"typ\"", "\"x5c\":[\"MII\"],\"typ\"", NULL, NULL, PL_E_JWT_OWN_KEY},
    {"x5t", BY_EC, "\"typ\"", "\"x5t\":\"AA\",\"typ\"", NULL, NULL, PL_E_OK},
    {"an access token", BY_EC, "JWT", "at+jwt", NULL, NULL, PL_E_OK},
    {"a logout token", BY_EC, "JWT", "logout+jwt", NULL, NULL, PL_E_JWT_TYP},
    {"behind the header", BY_EC, "\"JWT\"}", "\"JWT\"}{}", NULL, NULL, PL_E_JWT_JSON},
    {"header not JSON", BY_EC, "{", "", NULL, NULL, PL_E_JWT_JSON},
};

TEST(forged_tokens_are_refused_each_for_its_reason)
{
    setup();
    for (size_t i = 0; i < sizeof(forged) / sizeof(*forged); i++) {
        struct pl_signer s;
        const char *header = changed(EC_HEADER, forged[i].header, forged[i].to_header);
        const char *claims = changed(CLAIMS, forged[i].claims, forged[i].to_claims);
        pl_err e = verify(&s, token_of(forged[i].by, header, claims));
        if (!CHECK(pl_err_code(e) == forged[i].code))
            printf("# %s: %s\n", forged[i].name, pl_code_name(pl_err_code(e)));
        CHECK(e == PL_OK || is_nobody(&s));
    }
}

static pl_err verify_text(const char *format, struct pl_span token)
{
    static char out[3 * PL_TOKEN_BYTES];
    struct pl_signer s;
    int n = snprintf(out, sizeof(out), format, (int)token.n, (const char *)token.p);
    return verify(&s, pl_span(out, (size_t)n));
}

TEST(one_form_alone)
{
    static const char *const bad[] = {"%.*s.", "%.*s.AAAA", ".%.*s",  " %.*s",      "%.*s ",
                                      "%.*s=", "%.*s\n",    "\"%.*s", "Bearer %.*s"};
    struct pl_signer s;
    setup();
    struct pl_span token = token_of(BY_EC, EC_HEADER, CLAIMS);
    CHECK_OK(verify_text("%.*s", token));
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        CHECK_ERR(verify_text(bad[i], token), JWT_FORM);
    CHECK_ERR(verify(&s, PL_LIT("")), JWT_FORM);
    CHECK_ERR(verify(&s, PL_LIT("..")), JWT_JSON);
    CHECK_ERR(verify(&s, PL_LIT("a.b")), JWT_FORM);
    CHECK_ERR(verify(&s, PL_LIT("{\"payload\":\"\",\"signatures\":[]}")), JWT_FORM);
    static char claims[PL_TOKEN_BYTES]; /* at the limit of a token's length, and past it */
    for (int more = 0; more < 2; more++) {
        size_t head = PL_B64U_LEN(strlen(EC_HEADER)) + 1 + 1 + PL_B64U_LEN(64);
        int pad = (int)((PL_TOKEN_BYTES - head) * 3 / 4 - strlen(CLAIMS) - 7) + more;
        snprintf(claims, sizeof(claims), "{\"q\":\"%0*d\",%s", pad, 0, CLAIMS + 1);
        token = token_of(BY_EC, EC_HEADER, claims);
        CHECK(more ? token.n > PL_TOKEN_BYTES : token.n > PL_TOKEN_BYTES - 4);
        CHECK(pl_err_code(verify(&s, token)) == (more ? PL_E_JWT_FORM : PL_E_OK));
    }
}

TEST(another_statement_or_an_unknown_time_is_no_approval)
{
    struct pl_signer s;
    uint8_t other[32] = {1};
    setup();
    struct pl_token_binding want = {.statement_sha256 = other, .vault_id = vault, .text = &text};
    struct pl_span token = token_of(BY_EC, EC_HEADER, CLAIMS);
    CHECK_ERR(verify_as(&s, token, &want), JWT_NONCE);
    want.statement_sha256 = statement;
    CHECK_ERR(pl_jwt_verify(c, &s, &pinned, token, &want, PL_TIME_UNKNOWN), JWT_TIME);
    CHECK_ERR(pl_jwt_verify(c, &s, &pinned, token, &want, (struct pl_interval){2000001, 2000000}),
              JWT_TIME);
    CHECK_ERR(pl_jwt_verify(c, &s, &(struct pl_issuers){0}, token, &want, now), JWT_ISSUER);
}

TEST(a_connections_token_is_held_or_bare)
{
    static const char cnf[] = "\"cnf\":{\"x\":1,\"x5t#S256\":\"" HOLDER "\"},\"iat\"";
    static const char other[] = "\"cnf\":{\"x5t#S256\":\"" NONCE "\"},\"iat\"";
    static const char dpop[] = "\"cnf\":{\"jkt\":\"" HOLDER "\"},\"iat\"";
    static const char both[] = "[\"" VAULT "\",\"pleiad\"]";
    static const struct {
        const char *cnf, *aud;
        enum pl_code code;
        bool bare;
    } row[] = {
        {cnf, "\"" VAULT "\"", PL_E_OK, false},
        {cnf, both, PL_E_OK, false},
        {cnf, "\"pleiad\"", PL_E_OK, true}, /* bound to the client, not to this vault */
        {cnf, "\"somebody\"", PL_E_JWT_AUDIENCE, false},
        {"\"iat\"", "\"pleiad\"", PL_E_OK, true},
        {"\"iat\"", both, PL_E_OK, true},
        {"\"iat\"", "\"" VAULT "\"", PL_E_JWT_AUDIENCE, false},
        {other, both, PL_E_JWT_HOLDER, false},
        {dpop, both, PL_E_JWT_HOLDER, false},
        {other, "\"" VAULT "\"", PL_E_JWT_AUDIENCE, false},
        {"\"cnf\":\"" HOLDER "\",\"iat\"", both, PL_E_JWT_JSON, false},
    };
    setup();
    for (size_t i = 0; i < sizeof(row) / sizeof(*row); i++) {
        struct pl_signer s;
        const char *claims = changed(CLAIMS, "\"iat\"", row[i].cnf);
        claims = changed(claims, "\"pleiad\"", row[i].aud);
        pl_err e = verify_held(&s, token_of(BY_EC, EC_HEADER, claims));
        if (!CHECK(pl_err_code(e) == row[i].code && s.bare == row[i].bare))
            printf("# row %zu: %s\n", i, pl_code_name(pl_err_code(e)));
    }
    struct pl_signer s; /* a connection without a certificate holds nothing */
    struct pl_token_binding want = {.vault_id = vault, .text = &text};
    const char *claims = changed(CLAIMS, "\"iat\"", "\"cnf\":{\"x5t#S256\":\"\"},\"iat\"");
    CHECK_ERR(verify_as(&s, token_of(BY_EC, EC_HEADER, claims), &want), JWT_HOLDER);
}

TEST(claims_that_an_issuer_calls_otherwise)
{
    static const char claims[] =
        "{\"iss\":\"https://other.example/realm\",\"sub\":\"7\",\"aud\":\"vaults\",\"exp\":2003600,"
        "\"iat\":2000000,\"statement\":\"" NONCE "\",\"nonce\":\"n\",\"groups\":[\"a\\/b\"]}";
    static const char header[] = "{\"alg\":\"ES256\"}";
    struct pl_signer s;
    setup();
    NEED(CHECK_OK(verify(&s, token_of(BY_EC, header, claims))));
    CHECK(s.roles == 1 && pl_span_is(s.role[0], "a/b") && s.auth_time_s == INT64_MIN);
    CHECK_ERR(verify(&s, token_of(BY_EC, "{\"alg\":\"ES256\",\"kid\":\"e1\"}", claims)), JWT_KEY);
    const char *other =
        changed(claims, "\"statement\":\"" NONCE "\",\"nonce\":\"n\"", "\"nonce\":\"" NONCE "\"");
    CHECK_ERR(verify(&s, token_of(BY_EC, header, other)), JWT_NONCE);
}

TEST(roles_and_amr_have_limits)
{
    struct pl_signer s;
    char list[1024] = "", longer[700];
    setup();
    for (unsigned i = 0; i < PL_SIGNER_ROLES - 1; i++) /* and "admin" */
        snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s\"r%u\"", i ? "," : "[", i);
    snprintf(list + strlen(list), 16, ",\"r0\"]");
    const char *claims = changed(CLAIMS, "[\"release\",\"look\"]", list);
    claims = changed(claims, "\"look\",\"admin\"", "\"admin\"");
    CHECK_OK(verify(&s, token_of(BY_EC, EC_HEADER, claims)));
    CHECK(s.roles == PL_SIGNER_ROLES);
    claims = changed(claims, "[\"admin\"", "[\"admin\",\"one more\"");
    CHECK_ERR(verify(&s, token_of(BY_EC, EC_HEADER, claims)), JWT_LIMIT);
    claims = changed(CLAIMS, "\"hwk\"", "\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\"");
    CHECK_ERR(verify(&s, token_of(BY_EC, EC_HEADER, claims)), JWT_LIMIT);
    for (int n = PL_ISSUER_TEXT; n <= PL_ISSUER_TEXT + 1; n++) {
        snprintf(longer, sizeof(longer), "%0*d", n, 0);
        claims = changed(CLAIMS, "alice", longer);
        CHECK(pl_err_code(verify(&s, token_of(BY_EC, EC_HEADER, claims))) ==
              (n > PL_ISSUER_TEXT ? PL_E_JWT_LIMIT : PL_E_OK));
    }
    struct pl_wr little = pl_wr_fixed(text_room, 8);
    struct pl_token_binding want = {
        .statement_sha256 = statement, .vault_id = vault, .text = &little};
    CHECK_ERR(verify_as(&s, token_of(BY_EC, EC_HEADER, CLAIMS), &want), JWT_LIMIT);
}

/* ---- What a configuration may pin ----------------------------------------------------------- */

#define ISSUER(keys) "[{\"issuer\":\"https://a\",\"audience\":\"b\",\"keys\":[" keys "]}]"
#define OKP(more)                                                                                  \
    "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_"                                  \
    "7TyWQHOg7hcvPapiMlrwIaaPcHURo\"" more "}"
#define EC(x, y) "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" x "\",\"y\":\"" y "\"}"
#define X        "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU" /* RFC 7515 A.3 */
#define Y        "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"

TEST(issuers_that_do_not_load)
{
    static const struct {
        const char *json;
        enum pl_code code;
        const char *pointer;
    } row[] = {
        {"[]", PL_E_OK, ""},
        {ISSUER(OKP("")), PL_E_OK, ""},
        {ISSUER(OKP(",\"alg\":\"EdDSA\"") "," OKP(",\"kid\":\"k\"")), PL_E_OK, ""},
        {ISSUER(EC(X, Y)), PL_E_OK, ""},
        {ISSUER(EC(X, X)), PL_E_KEY_FORMAT, "/0/keys/0"},
        {ISSUER(EC(X, "")), PL_E_KEY_FORMAT, "/0/keys/0"},
        {"{}", PL_E_JSON_TYPE, ""},
        {ISSUER(""), PL_E_CONFIG_VALUE, "/0"},
        {ISSUER(OKP(",\"kid\":\"k\"") "," OKP(",\"kid\":\"k\"")), PL_E_CONFIG_VALUE, "/0/keys/1"},
        {ISSUER(OKP(",\"kid\":\"\"")), PL_E_JSON_LENGTH, "/0/keys/0/kid"},
        {ISSUER(OKP(",\"alg\":\"ES256\"")), PL_E_CONFIG_BUILD, "/0/keys/0"},
        {ISSUER(OKP(",\"use\":\"enc\"")), PL_E_CONFIG_VALUE, "/0/keys/0"},
        {ISSUER(OKP(",\"y\":\"" Y "\"")), PL_E_KEY_FORMAT, "/0/keys/0"},
        {ISSUER(OKP(",\"d\":\"" X "\"")), PL_E_JSON_UNKNOWN, "/0/keys/0/d"},
        {ISSUER("{\"kty\":\"oct\",\"k\":\"" X "\"}"), PL_E_JSON_UNKNOWN, "/0/keys/0/k"},
        {ISSUER("{\"kty\":\"oct\"}"), PL_E_CONFIG_BUILD, "/0/keys/0"},
        {ISSUER("{\"kty\":\"EC\",\"crv\":\"P-384\"}"), PL_E_CONFIG_BUILD, "/0/keys/0"},
        {ISSUER("{\"kty\":\"RSA\",\"n\":\"" X "\",\"e\":\"AQAB\"}"), PL_E_KEY_FORMAT, "/0/keys/0"},
        {ISSUER("{\"kty\":\"RSA\"}"), PL_E_KEY_FORMAT, "/0/keys/0"},
        {"[{\"audience\":\"b\",\"keys\":[" OKP("") "]}]", PL_E_CONFIG_VALUE, "/0"},
        {"[{\"issuer\":\"https://a\",\"keys\":[" OKP("") "]}]", PL_E_CONFIG_VALUE, "/0"},
        {"[{\"issuer\":\"https://a\",\"audience\":\"b\"}]", PL_E_CONFIG_VALUE, "/0"},
        {"[{\"issuer\":\"http://a\",\"audience\":\"b\",\"keys\":[" OKP("") "]}]", PL_E_CONFIG_VALUE,
         "/0"},
        {"[{\"issuer\":\"https://\",\"audience\":\"b\",\"keys\":[" OKP("") "]}]", PL_E_CONFIG_VALUE,
         "/0"},
        {"[{\"issuer\":\"https://a?b\",\"audience\":\"b\",\"keys\":[" OKP("") "]}]",
         PL_E_CONFIG_VALUE, "/0"},
        {"[{\"issuer\":\"https://a\",\"jwks_uri\":\"b\"}]", PL_E_JSON_UNKNOWN, "/0/jwks_uri"},
        {"[{\"issuer\":\"https://a\",\"audience\":\"b\",\"keys\":[" OKP(
             "") "]},"
                 "{\"issuer\":\"https://a\",\"audience\":\"c\",\"keys\":[" OKP("") "]}]",
         PL_E_CONFIG_VALUE, "/1"},
    };
    setup();
    for (size_t i = 0; i < sizeof(row) / sizeof(*row); i++) {
        struct pl_issuers is;
        char pointer[PL_JSON_POINTER_MAX] = "";
        pl_err e = load(&is, row[i].json, pointer);
        if (!CHECK(pl_err_code(e) == row[i].code) || !CHECK(strcmp(pointer, row[i].pointer) == 0))
            printf("# %s: %s at %s\n", row[i].json, pl_code_name(pl_err_code(e)), pointer);
        pl_issuers_free(&is);
    }
}

static const char *many(unsigned issuers, unsigned keys)
{
    static char json[32768];
    struct pl_wr w = pl_wr_fixed(json, sizeof(json) - 1);
    for (unsigned i = 0; i < issuers; i++) {
        char name[12];
        snprintf(name, sizeof(name), "%u", i);
        pl_wr_str(&w, i ? "," : "[");
        pl_wr_str(&w, "{\"issuer\":\"https://");
        pl_wr_str(&w, name);
        pl_wr_str(&w, "\",\"audience\":\"b\",\"keys\":[");
        for (unsigned k = 0; k < keys; k++) {
            pl_wr_str(&w, k ? "," : "");
            pl_wr_str(&w, OKP(""));
        }
        pl_wr_str(&w, "]}");
    }
    pl_wr_str(&w, "]");
    CHECK_OK(pl_wr_end(&w));
    json[w.n] = 0;
    return json;
}

TEST(eight_issuers_of_sixteen_keys)
{
    struct pl_issuers is;
    setup();
    CHECK_OK(load(&is, many(PL_ISSUERS_MAX, PL_ISSUER_KEYS), NULL));
    CHECK(is.n == PL_ISSUERS_MAX && is.issuer[7]->keys == PL_ISSUER_KEYS);
    pl_issuers_free(&is);
    CHECK_ERR(load(&is, many(PL_ISSUERS_MAX + 1, 1), NULL), CONFIG_VALUE);
    pl_issuers_free(&is);
    CHECK_ERR(load(&is, many(1, PL_ISSUER_KEYS + 1), NULL), CONFIG_VALUE);
    pl_issuers_free(&is);
}

TEST_MAIN()
