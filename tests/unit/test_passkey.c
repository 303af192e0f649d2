/* Passkeys where they are used: they sign statements, and are principals of policies. */
#include "policy/statement.h"
#include "tests/fixture/authenticator.h"
#include "tests/test.h"

#include <stdio.h>
#include <string.h>

#define RP     "vault.example"
#define ORIGIN "https://vault.example"

static struct pl_crypto *crypto;
static struct passkey key[3];
static uint8_t statement[4096];
static size_t statement_n;

static pl_err make_statement(void)
{
    static uint8_t fill[PL_STATEMENT_FILL], target[1][32] = {{1}}, requester[32] = {7};
    struct pl_wr w = pl_wr_fixed(statement, sizeof(statement));
    struct pl_statement_draft d = {.typ = PL_TYP_REQUEST,
                                   .op = PL_OP_DESCRIBE,
                                   .target = target,
                                   .targets = 1,
                                   .iat_s = 1000,
                                   .exp_s = 1300,
                                   .requester = requester};
    test_fill(fill, sizeof(fill), 5);
    PL_TRY(pl_statement_build(&w, crypto, &d, fill));
    statement_n = w.n;
    return PL_OK;
}

static bool ready(void)
{
    static const enum pl_sig_alg algs[] = {PL_SIG_ECDSA_SHA256, PL_SIG_ED25519, PL_SIG_RSA_SHA256};
    if (crypto)
        return true;
    bool ok = CHECK_OK(pl_crypto_new(&crypto)) && CHECK_OK(make_statement());
    for (size_t i = 0; ok && i < 3; i++)
        ok = CHECK_OK(passkey_make(crypto, &key[i], algs[i], RP, 10 * i));
    return ok;
}

/* ---- Statements ----------------------------------------------------------------------------- */

static const char *const words[] = {"authenticator_data", "client_data", "credential_id",
                                    "public_key", "signature"};

/* The carrier; part `without` of the proof is left out (5: none). */
static const char *carrier(const struct pl_passkey_proof *p, size_t without)
{
    static char text[PL_STATEMENT_BYTES + 1];
    struct pl_span part[] = {p->authenticator_data, p->client_data, p->credential_id, p->public_key,
                             p->signature};
    struct pl_wr w = pl_wr_fixed(text, sizeof(text) - 1);
    const char *comma = "";
    pl_wr_str(&w, "{\"proof\":{\"passkey\":{");
    for (size_t i = 0; i < 5; i++) {
        if (i == without)
            continue;
        pl_wr_str(&w, comma), pl_wr_str(&w, "\""), pl_wr_str(&w, words[i]), pl_wr_str(&w, "\":\"");
        pl_wr_b64u(&w, part[i]);
        pl_wr_str(&w, "\"");
        comma = ",";
    }
    pl_wr_str(&w, "}},\"statement\":");
    pl_wr_bytes(&w, pl_span(statement, statement_n));
    pl_wr_str(&w, "}");
    CHECK_OK(pl_wr_end(&w));
    text[w.n] = 0;
    return text;
}

/* A tap over this statement at this origin, and a look at its carrier. */
static bool tap(struct assertion *a, const struct passkey *k, const char *origin)
{
    uint8_t challenge[32];
    return ready() && CHECK_OK(pl_sha256_one(crypto, challenge, pl_span(statement, statement_n))) &&
           CHECK_OK(assertion_fill(crypto, a, k, origin, challenge)) &&
           CHECK_OK(assertion_sign(crypto, a, k));
}

TEST(a_passkey_signs_a_statement)
{
    for (size_t i = 0; i < 3; i++) {
        static struct pl_statement s;
        struct assertion a;
        NEED(tap(&a, &key[i], ORIGIN));
        const char *text = carrier(&a.proof, 5);
        CHECK_OK(pl_statement_verify(crypto, &s, pl_span_str(text), NULL));
        CHECK(s.typ == PL_TYP_REQUEST && s.signer.form == PL_PROOF_PASSKEY);
        CHECK(pl_span_is(s.signer.origin, ORIGIN) && s.signer.iat_s == 1000);
        CHECK_BYTES(s.signer.credential_id, PL_ARR(key[i].credential_id));
    }
}

/* One character of the statement, anywhere: another challenge, or no statement any more. */
TEST(it_signs_no_other_statement)
{
    static struct pl_statement s;
    struct assertion a;
    unsigned challenges = 0;
    NEED(tap(&a, &key[0], ORIGIN));
    for (size_t at = 0; at < statement_n; at++) {
        statement[at] ^= 1;
        pl_err e = pl_statement_verify(crypto, &s, pl_span_str(carrier(&a.proof, 5)), NULL);
        statement[at] ^= 1;
        CHECK(e != PL_OK && s.signer.form == PL_PROOF_NONE && s.typ == PL_TYP_NONE);
        challenges += pl_err_code(e) == PL_E_PASSKEY_CHALLENGE;
    }
    CHECK(challenges > 64);
}

TEST(a_proof_has_all_its_parts)
{
    static struct pl_statement s;
    struct assertion a;
    NEED(tap(&a, &key[0], ORIGIN));
    for (size_t i = 0; i < 5; i++)
        CHECK(pl_statement_verify(crypto, &s, pl_span_str(carrier(&a.proof, i)), NULL) != PL_OK);
    struct pl_passkey_proof longer = a.proof; /* than all of a proof may be */
    static uint8_t much[PL_PROOF_BYTES];
    longer.credential_id = PL_ARR(much);
    CHECK_ERR(pl_statement_verify(crypto, &s, pl_span_str(carrier(&longer, 5)), NULL), NO_SPACE);
    CHECK_OK(pl_statement_verify(crypto, &s, pl_span_str(carrier(&a.proof, 5)), NULL));
}

/* ---- Principals ----------------------------------------------------------------------------- */

static struct pl_policy *policy_of(const struct passkey *k)
{
    char text[4096];
    struct pl_wr w = pl_wr_fixed(text, sizeof(text));
    struct pl_policy *p = NULL;
    struct pl_refusal why = {0};
    pl_wr_str(&w, "{\"pleiad_policy\":1,\"salt\":\"AAAAAAAAAAAAAAAAAAAAAA\",\"principals\":{"
                  "\"owner\":{\"me\":{\"kind\":\"key\",\"spki_sha256\":\"");
    for (size_t i = 0; i < 64; i++)
        pl_wr_str(&w, "a");
    pl_wr_str(&w, "\"}},\"clients\":{\"tap\":{\"kind\":\"passkey\",\"rp_id\":\"" RP
                  "\",\"origins\":[\"" ORIGIN "\",\"https://www.vault.example\"],"
                  "\"credential_id\":\"");
    pl_wr_b64u(&w, PL_ARR(k->credential_id));
    pl_wr_str(&w, "\",\"public_key\":\"");
    pl_wr_b64u(&w, pl_span(k->cose, k->cose_n));
    pl_wr_str(&w, "\"}}},\"operations\":[{\"id\":\"look\",\"allow\":[\"describe\"],"
                  "\"to\":[\"owner/*\",\"clients/*\"]}]}");
    CHECK_OK(pl_wr_end(&w));
    if (!CHECK_OK(pl_policy_load(&p, crypto, pl_wr_span(&w), &why)))
        printf("# %s %s\n", why.pointer, why.text);
    return p;
}

/* Does whoever made this assertion hold the one principal that signs by passkey? */
static bool is_principal(const struct pl_policy *p, const struct assertion *a)
{
    uint8_t challenge[32];
    struct pl_signer who;
    struct pl_facts f;
    CHECK_OK(pl_sha256_one(crypto, challenge, pl_span(statement, statement_n)));
    CHECK_OK(pl_webauthn_verify(crypto, &who, &a->proof, challenge));
    struct pl_caller caller = {.request = &who, .requests = 1, .now = {1100, 1100}};
    pl_policy_facts(&f, p, &caller);
    CHECK((f.is & ~pl_policy_group(p, PL_GROUP_CLIENTS)) == 0);
    return f.is != 0;
}

TEST(a_principal_is_one_credential_of_one_key_at_its_origins)
{
    struct assertion a;
    NEED(ready());
    for (size_t i = 0; i < 3; i++) {
        struct pl_policy *p = policy_of(&key[i]);
        NEED(CHECK(p != NULL));
        struct passkey other = key[i];
        NEED(tap(&a, &key[i], ORIGIN));
        CHECK(is_principal(p, &a));
        NEED(tap(&a, &key[i], "https://www.vault.example"));
        CHECK(is_principal(p, &a));
        static const char *const elsewhere[] = {"https://evil.example", "http://vault.example",
                                                "https://vault.example:444", "https://vault.exampl",
                                                "https://vault.example/"};
        for (size_t k = 0; k < sizeof(elsewhere) / sizeof(elsewhere[0]); k++) {
            NEED(tap(&a, &key[i], elsewhere[k]));
            CHECK(!is_principal(p, &a));
        }
        other.rp_id = "evil.example";
        NEED(tap(&a, &other, ORIGIN));
        CHECK(!is_principal(p, &a));
        other = key[i], other.credential_id[31] ^= 1;
        NEED(tap(&a, &other, ORIGIN));
        CHECK(!is_principal(p, &a));
        other = key[(i + 1) % 3]; /* another key under the credential's id */
        memcpy(other.credential_id, key[i].credential_id, sizeof(other.credential_id));
        NEED(tap(&a, &other, ORIGIN));
        CHECK(!is_principal(p, &a));
        pl_policy_free(p);
    }
}

TEST_MAIN()
