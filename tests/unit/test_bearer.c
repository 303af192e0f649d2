/* Tokens of OpenID Connect issuers at a vault: what comes with a request in `Authorization`, and
 * what proves a statement. */
#include "vault_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct world w;

/* `Bearer` and a token of the issuer's with these claims beside its name; static. */
static const char *bearer(const struct pl_priv *by, const char *claims)
{
    static char out[4096];
    char text[1024];
    uint8_t sig[64];
    struct pl_wr t = pl_wr_fixed(out, sizeof(out) - 1);
    pl_wr_str(&t, "Bearer ");
    pl_wr_b64u(&t, PL_LIT("{\"alg\":\"EdDSA\"}"));
    pl_wr_u8(&t, '.');
    snprintf(text, sizeof(text), "{\"iss\":\"https://id.example\",\"iat\":%lld,\"exp\":%lld,%s}",
             (long long)w.now_s, (long long)w.now_s + 3600, claims);
    pl_wr_b64u(&t, pl_span_str(text));
    CHECK_OK(pl_priv_sign(w.c, sig, by, pl_span(t.p + 7, t.n - 7)));
    pl_wr_u8(&t, '.');
    pl_wr_b64u(&t, PL_ARR(sig));
    CHECK_OK(pl_wr_end(&t));
    out[t.n] = 0;
    return out;
}

static const char alice[] = "\"sub\":\"alice\",\"aud\":\"pleiad\"";

static pl_err describe(const struct pl_peer *who, const char *path, const char *authorization)
{
    w.authorization = authorization;
    pl_err e = world_call(&w, who, "GET", path, "", NULL);
    w.authorization = NULL;
    return e;
}

TEST(a_token_is_good_or_the_request_is_refused)
{
    char text[512];
    world_open(&w);
    struct pl_peer owner = world_peer(&w, &w.owner, NULL);
    const char *path = world_active(&w, 5, 100);
    CHECK_OK(describe(&owner, path, NULL));
    CHECK_OK(describe(&owner, path, bearer(&w.issuer, alice)));
    CHECK_ERR(describe(&owner, path, bearer(&w.other, alice)), JWT_SIGNATURE);
    CHECK_ERR(describe(&owner, path, "Bearer "), JWT_FORM);
    CHECK_ERR(describe(&owner, path, "Basic YWxpY2U6"), JWT_FORM);
    snprintf(text, sizeof(text), "bEARER %s", bearer(&w.issuer, alice) + 7);
    CHECK_OK(describe(&owner, path, text));
    CHECK_ERR(describe(&owner, path, text + 7), JWT_FORM);
    w.no_time = true;
    CHECK_ERR(describe(&owner, path, bearer(&w.issuer, alice)), JWT_TIME);
    w.no_time = false;
    world_close(&w);
}

/* cnf of the certificate that world_peer shows, aud of this vault */
TEST(a_token_bound_to_the_certificate_is_for_one_vault)
{
    char claims[512], vault[65], leaf[PL_B64U_LEN(32) + 1];
    world_open(&w);
    struct pl_peer owner = world_peer(&w, &w.owner, NULL);
    const char *path = world_active(&w, 5, 100);
    pl_hex(vault, PL_ARR(w.self.vault_id));
    pl_b64u(leaf, PL_ARR(owner.leaf_sha256));
    const char *format = "\"sub\":\"alice\",\"aud\":[\"%s\"],\"cnf\":{\"x5t#S256\":\"%s\"}";
    snprintf(claims, sizeof(claims), format, vault, leaf);
    CHECK_OK(describe(&owner, path, bearer(&w.issuer, claims)));
    owner.leaf_sha256[31] ^= 1; /* another certificate, perhaps of the same key */
    CHECK_ERR(describe(&owner, path, bearer(&w.issuer, claims)), JWT_AUDIENCE);
    owner.leaf_sha256[31] ^= 1;
    vault[0] = vault[0] == '0' ? '1' : '0';
    snprintf(claims, sizeof(claims), format, vault, leaf);
    CHECK_ERR(describe(&owner, path, bearer(&w.issuer, claims)), JWT_AUDIENCE);
    leaf[0] = leaf[0] == 'A' ? 'B' : 'A';
    snprintf(claims, sizeof(claims), format, "pleiad", leaf);
    CHECK_ERR(describe(&owner, path, bearer(&w.issuer, claims)), JWT_HOLDER);
    world_close(&w);
}

TEST(a_stranger_makes_the_vault_verify_nothing_and_learns_nothing)
{
    world_open(&w);
    struct pl_peer nobody = {.has_key = false}, other = world_peer(&w, &w.other, NULL);
    const char *path = world_active(&w, 5, 100);
    CHECK_ERR(describe(&nobody, path, bearer(&w.issuer, alice)), STATEMENT_STRANGER);
    CHECK_ERR(describe(&other, path, bearer(&w.other, alice)), JWT_SIGNATURE);
    CHECK(w.told.code == PL_E_DENIED && w.told.hidden);
    CHECK_ERR(describe(&other, "/v1/keys/AAAAAAAAAAAAAAAAAAAAAA", bearer(&w.other, alice)),
              JWT_SIGNATURE);
    CHECK(w.told.code == PL_E_DENIED && w.told.hidden);
    world_close(&w);
}

/* Alice may export; carol's and any reader's token may be bare. */
static void with_managers(void)
{
    world_make(&w);
    w.principals = ",\"managers\":{\"alice\":{\"kind\":\"oidc\",\"issuer\":\"https://id.example\","
                   "\"sub\":\"alice\"}},\"auditors\":{\"carol\":{\"kind\":\"oidc\",\"issuer\":"
                   "\"https://id.example\",\"sub\":\"carol\",\"bare_bearer\":true},\"readers\":{"
                   "\"kind\":\"oidc\",\"issuer\":\"https://id.example\",\"roles\":[\"a\",\"b\"],"
                   "\"bare_bearer\":true}}";
    w.rules = ",{\"id\":\"hand\",\"allow\":[\"export\",\"describe\"],\"to\":[\"managers/*\","
              "\"auditors/*\"]}";
    world_birth(&w);
}

static pl_err export(const struct pl_peer *who, const char *path, const char *body)
{
    return world_call(&w, who, "POST", world_join(path, "/export"), body, NULL);
}

TEST(who_a_bare_token_is_and_what_it_may)
{
    static const char carol[] = "\"sub\":\"carol\",\"aud\":\"pleiad\"";
    static const char reader[] = "\"sub\":\"x\",\"aud\":\"pleiad\",\"roles\":[\"b\",\"c\",\"a\"]";
    static const char half[] = "\"sub\":\"x\",\"aud\":\"pleiad\",\"roles\":[\"b\",\"c\"]";
    with_managers();
    struct pl_peer other = world_peer(&w, &w.other, NULL);
    const char *path = world_active(&w, 5, 100);
    CHECK_ERR(describe(&other, path, NULL), DENIED);
    CHECK_OK(describe(&other, path, bearer(&w.issuer, carol)));
    CHECK_OK(describe(&other, path, bearer(&w.issuer, reader)));
    CHECK_ERR(describe(&other, path, bearer(&w.issuer, half)), DENIED);
    CHECK_ERR(describe(&other, path, bearer(&w.issuer, alice)), DENIED); /* not bare_bearer */
    w.authorization = bearer(&w.issuer, carol);
    CHECK(export(&other, path, "") != PL_OK);
    w.authorization = NULL;
    world_close(&w);
}

TEST(a_held_token_makes_its_holder_a_principal_here)
{
    char claims[512], vault[65], leaf[PL_B64U_LEN(32) + 1];
    with_managers();
    struct pl_peer other = world_peer(&w, &w.other, NULL);
    const char *path = world_active(&w, 5, 100);
    pl_hex(vault, PL_ARR(w.self.vault_id));
    pl_b64u(leaf, PL_ARR(other.leaf_sha256));
    snprintf(claims, sizeof(claims),
             "\"sub\":\"alice\",\"aud\":[\"%s\",\"pleiad\"],\"cnf\":{\"x5t#S256\":\"%s\"}", vault,
             leaf);
    w.authorization = bearer(&w.issuer, claims);
    CHECK_OK(export(&other, path, ""));
    w.self.vault_id[0] ^= 1; /* at another vault of the same configuration it is bare */
    CHECK(export(&other, path, "") != PL_OK);
    w.self.vault_id[0] ^= 1;
    w.authorization = NULL;
    CHECK(export(&other, path, "") != PL_OK);
    world_close(&w);
}

/* A request for this act, proved by a token for `said`; static. */
static const char *proved(const char *statement, const char *said, const struct pl_priv *by,
                          const char *sub)
{
    static char out[PL_STATEMENT_BYTES + 64];
    char claims[512], nonce[PL_B64U_LEN(32) + 1];
    uint8_t digest[32];
    CHECK_OK(pl_sha256_one(w.c, digest, pl_span_str(said)));
    pl_b64u(nonce, PL_ARR(digest));
    snprintf(claims, sizeof(claims), "\"sub\":\"%s\",\"aud\":\"pleiad\",\"nonce\":\"%s\"", sub,
             nonce);
    snprintf(out, sizeof(out),
             "{\"statements\":[{\"proof\":{\"oidc\":{\"token\":\"%s\"}},\"statement\":%s}]}",
             bearer(by, claims) + 7, statement);
    return out;
}

TEST(a_statement_is_proved_by_a_token_made_for_it_alone)
{
    char s[PL_STATEMENT_BYTES], second[PL_STATEMENT_BYTES];
    with_managers();
    struct pl_peer other = world_peer(&w, &w.other, NULL);
    const char *path = world_active(&w, 1, 100);
    struct pl_act act = world_act(&w, path, PL_OP_EXPORT, 1);
    snprintf(s, sizeof(s), "%s", world_signed(&w, PL_TYP_REQUEST, &act, w.other_spki, NULL));
    snprintf(second, sizeof(second), "%s",
             world_signed(&w, PL_TYP_REQUEST, &act, w.other_spki, NULL));
    CHECK_ERR(export(&other, path, proved(s, second, &w.issuer, "alice")), JWT_NONCE);
    CHECK_ERR(export(&other, path, proved(s, s, &w.other, "alice")), JWT_SIGNATURE);
    CHECK_ERR(export(&other, path, proved(s, s, &w.issuer, "bob")), DENIED);
    act.vault_id[0] ^= 1; /* what is for another vault */
    snprintf(second, sizeof(second), "%s",
             world_signed(&w, PL_TYP_REQUEST, &act, w.other_spki, NULL));
    CHECK_ERR(export(&other, path, proved(second, second, &w.issuer, "alice")), STATEMENT_TARGET);
    w.now_s += 301; /* the statement holds, the token's issuer is a clock ahead no more */
    CHECK_OK(export(&other, path, proved(s, s, &w.issuer, "alice")));
    CHECK_ERR(export(&other, path, proved(s, s, &w.issuer, "alice")), STATEMENT_SPENT);
    world_close(&w);
}

/* Whoever reads a log or an answer must not be able to use what it reads. */
TEST(a_token_is_in_no_log_and_no_answer)
{
    world_open(&w);
    struct pl_peer owner = world_peer(&w, &w.owner, NULL);
    const char *path = world_active(&w, 5, 100);
    char token[4096];
    const struct pl_priv *by[] = {&w.issuer, &w.other};
    for (unsigned i = 0; i < 2; i++) {
        snprintf(token, sizeof(token), "%s", bearer(by[i], alice));
        const char *part = strchr(token, '.') + 1; /* claims and signature */
        w.authorization = token;
        pl_err e = world_call(&w, &owner, "DELETE", path, "", NULL);
        CHECK((e == PL_OK) == (i == 0));
        CHECK(!memmem(w.body.p, w.body.n, part, 40));
        CHECK(!memmem(w.detail, sizeof(w.detail), part, 40));
        for (size_t k = 0; k < w.entries; k++) {
            CHECK(!memmem(w.entry[k].body.p, w.entry[k].body.n, part, 40));
            CHECK(!memmem(w.entry[k].body.p, w.entry[k].body.n, part + strlen(part) - 40, 40));
        }
    }
    w.authorization = NULL;
    world_close(&w);
}

TEST_MAIN()
