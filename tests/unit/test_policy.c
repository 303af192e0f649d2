#include "test.h"
#include "policy/policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct pl_crypto *c;

__attribute__((constructor)) static void open_crypto(void)
{
    if (pl_crypto_new(&c) != PL_OK)
        c = NULL;
}

__attribute__((destructor)) static void close_crypto(void) { pl_crypto_free(c); }

#define ONES "1111111111111111111111111111111111111111111111111111111111111111"
#define TWOS "2222222222222222222222222222222222222222222222222222222222222222"
#define AS   "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

/* A policy whose parts a test can replace. */
static const char base[] =
    "{\"pleiad_policy\":1,\"salt\":\"AAAAAAAAAAAAAAAAAAAAAA\",\"principals\":{\"owner\":{\"me\":"
    "{\"kind\":\"key\",\"spki_sha256\":\"" ONES "\"}},\"apps\":{\"one\":{\"kind\":\"tee\","
    "\"profiles\":[\"p\"]}},\"clients\":{\"ci\":{\"kind\":\"key\",\"spki_sha256\":\"" TWOS "\"}},"
    "\"managers\":{},\"platforms\":{\"dep\":{\"kind\":\"key\",\"spki_sha256\":\"" AS "\"}}},"
    "\"profiles\":{\"p\":{\"tee\":\"sim-sgx\",\"measurements\":{\"mrenclave\":[\"" AS "\"]},"
    "\"platforms\":\"any\"}},\"operations\":[{\"id\":\"boot\",\"allow\":[\"export\"],\"to\":["
    "\"apps/one\"],\"when\":{\"time\":{\"days\":\"mon-fri\"}}},{\"id\":\"end\",\"deny\":["
    "\"export\"],\"to\":[\"*\"],\"when\":{\"time\":{\"from\":\"2030-01-01T00:00:00Z\"}}}],"
    "\"lifecycle\":{\"expires\":\"never\"}}";

/* base with the first `old` replaced; static. */
static const char *with(const char *old, const char *new)
{
    static char out[sizeof(base) + 4096];
    const char *at = strstr(base, old);
    if (!CHECK(at != NULL))
        return base;
    snprintf(out, sizeof(out), "%.*s%s%s", (int)(at - base), base, new, at + strlen(old));
    return out;
}

static struct pl_policy *load(const char *text)
{
    struct pl_policy *p;
    struct pl_refusal why;
    if (!CHECK_OK(pl_policy_load(&p, c, pl_span_str(text), &why)))
        printf("# %s: %s\n", why.pointer, why.text);
    return p;
}

TEST(a_policy_loads_with_its_parts)
{
    struct pl_policy *p = load(base);
    NEED(p != NULL);
    uint8_t digest[32];
    CHECK_OK(pl_sha256_one(c, digest, pl_policy_text(p)));
    CHECK_BYTES(pl_span(pl_policy_sha256(p), 32), PL_ARR(digest));
    CHECK(pl_policy_principals(p) == 4 && pl_policy_profiles(p) == 1);
    CHECK(strcmp(pl_policy_principal(p, 0)->name, "one") == 0);
    CHECK(__builtin_popcountll(pl_policy_group(p, PL_GROUP_OWNER)) == 1);
    CHECK(pl_policy_group(p, PL_GROUP_MANAGERS) == 0 && pl_policy_owner_quorum(p) == 1);
    CHECK(pl_policy_expired(p, PL_TIME_UNKNOWN) == PL_FALSE);
    struct pl_profile profile;
    pl_policy_profile(p, 0, &profile);
    CHECK(strcmp(profile.tee, "sim-sgx") == 0 && profile.any_platform && profile.mrenclaves == 1);
    pl_policy_free(p);
}

TEST(identity_is_that_of_the_canonical_form)
{
    struct pl_policy *p = load(base);
    NEED(p != NULL);
    uint8_t first[32];
    memcpy(first, pl_policy_sha256(p), 32);
    pl_policy_free(p);
    p = load(with("\"lifecycle\":{\"expires\":\"never\"}",
                  "\"lifecycle\" : {\n\"expires\" : \"n\\u0065ver\" }"));
    NEED(p != NULL);
    CHECK_BYTES(pl_span(pl_policy_sha256(p), 32), PL_ARR(first));
    pl_policy_free(p);
    p = load(with("AAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAQ"));
    NEED(p != NULL);
    CHECK(memcmp(pl_policy_sha256(p), first, 32) != 0);
    pl_policy_free(p);
}

/* What is wrong, where, and a word of what is said. */
static const struct {
    const char *old, *new, *code, *pointer, *word;
} refusals[] = {
    {"\"pleiad_policy\":1", "\"pleiad_policy\":2", "POLICY_VALUE", "/pleiad_policy", "version 1"},
    {"\"salt\":\"AAAAAAAAAAAAAAAAAAAAAA\",", "", "JSON_MISSING", "", "salt"},
    {"AAAAAAAAAAAAAAAAAAAAAA", "AAAA", "JSON_LENGTH", "/salt", "16 random bytes"},
    {"\"lifecycle\"", "\"lifecicle\"", "JSON_UNKNOWN", "/lifecicle", "lifecicle"},
    {"\"lifecycle\"", "\"staging\":{},\"lifecycle\"", "JSON_MISSING", "/staging", "`by`"},
    {"\"managers\"", "\"bosses\"", "POLICY_NAME", "/principals/bosses", "no group"},
    {"\"owner\":{", "\"auditors\":{", "POLICY_UNUSABLE", "/principals", "owner"},
    {"\"kind\":\"key\"", "\"kind\":\"passkey\"", "JSON_UNKNOWN", "/principals/owner/me/spki_sha256",
     "credential_id, origins, public_key, rp_id"},
    {"\"kind\":\"key\"", "\"kind\":\"oidc\"", "JSON_UNKNOWN", "/principals/owner/me/spki_sha256",
     "issuer, sub"},
    {"\"kind\":\"key\"", "\"kind\":\"kee\"", "POLICY_NAME", "/principals/owner/me", "`kee`"},
    {"\"kind\":\"key\",", "", "JSON_MISSING", "/principals/owner/me", "kind"},
    {"\"spki_sha256\":\"" ONES, "\"ca_sha256\":\"" ONES, "JSON_MISSING", "/principals/owner/me",
     "needs san"},
    {"\"spki_sha256\":\"" ONES, "\"spki\":\"" ONES, "JSON_UNKNOWN", "/principals/owner/me/spki",
     "spki_sha256"},
    {"\"" ONES, "\"x" ONES, "JSON_LENGTH", "/principals/owner/me/spki_sha256", ""},
    {"\"" ONES, "\"" AS, "POLICY_TWICE", "/principals/platforms/dep/spki_sha256", "owner/me"},
    {"\"" TWOS, "\"" ONES, "POLICY_TWICE", "/principals/owner/me/spki_sha256", "clients/ci"},
    {"\"me\"", "\"m e\"", "POLICY_VALUE", "/principals/owner/m e", "no name"},
    {"\"profiles\":[\"p\"]", "\"profiles\":[\"x\"]", "POLICY_NAME",
     "/principals/apps/one/profiles/0", "`x`"},
    {"\"tee\":\"sim-sgx\"", "\"tee\":\"tdx\"", "POLICY_BUILD", "/profiles/p/tee", "tdx"},
    {"\"tee\":\"sim-sgx\"", "\"tee\":\"sex\"", "POLICY_NAME", "/profiles/p/tee", "sex"},
    {"\"tee\":\"sim-sgx\",", "", "JSON_MISSING", "/profiles/p", "tee"},
    {"[\"" AS "\"]", "[]", "POLICY_VALUE", "/profiles/p", "measurements"},
    {"{\"mrenclave\":[\"" AS "\"]}", "{\"signer\":[{\"mrsigner\":\"" AS "\"}]}", "POLICY_VALUE",
     "/profiles/p/measurements/signer/0", "isv_prod_id"},
    {",\"platforms\":\"any\"}", "}", "JSON_MISSING", "/profiles/p", "platforms"},
    {",\"platforms\":\"any\"}", ",\"platforms\":\"all\"}", "POLICY_VALUE", "/profiles/p/platforms",
     "any"},
    {"\"platforms\":\"any\"}", "\"platforms\":\"any\",\"tcb\":[\"Revoked\"]}", "POLICY_NAME",
     "/profiles/p/tcb/0", "Revoked"},
    {"\"platforms\":\"any\"}", "\"platforms\":\"any\",\"collateral_max_age\":\"3w\"}",
     "POLICY_VALUE", "/profiles/p/collateral_max_age", "duration"},
    {"\"platforms\":\"any\"}", "\"platforms\":\"any\",\"roots\":[]}", "POLICY_VALUE",
     "/profiles/p/roots", "vendor"},
    {"\"platforms\":\"any\"}", "\"platforms\":\"any\",\"claims\":{\"colour\":\"00\"}}",
     "POLICY_NAME", "/profiles/p/claims/colour", "colour"},
    {"\"profiles\":{\"p\":",
     "\"vault_profiles\":{\"v\":{\"tee\":\"sgx\",\"measurements\":{\"mrenclave\":[\"" AS
     "\"]},\"platforms\":\"any\"}},\"profiles\":{\"p\":",
     "POLICY_VALUE", "/vault_profiles/v", "config_root"},
    {"\"salt\"", "\"owner_quorum\":2,\"salt\"", "POLICY_UNUSABLE", "/owner_quorum", "1 owners"},
    {"\"salt\"", "\"owner_quorum\":0,\"salt\"", "POLICY_UNUSABLE", "/owner_quorum", "quorum"},
    {"[\"export\"]", "[\"exprot\"]", "POLICY_NAME", "/operations/0/allow/0", "exprot"},
    {"[\"export\"]", "[\"promote\"]", "POLICY_VALUE", "/operations/0/allow/0",
     "mutability.profiles"},
    {"[\"export\"]", "[\"activate\"]", "POLICY_VALUE", "/operations/0/allow/0", "consent"},
    {"\"id\":\"end\"", "\"id\":\"boot\"", "POLICY_TWICE", "/operations/1/id", "boot"},
    {"\"id\":\"boot\",", "", "JSON_MISSING", "/operations/0", "id"},
    {"\"allow\":[\"export\"],", "", "POLICY_VALUE", "/operations/0", "allow"},
    {"\"allow\":[\"export\"],", "\"allow\":[],\"deny\":[],", "POLICY_VALUE", "/operations/0",
     "either"},
    {"\"to\":[\"*\"]", "\"to\":[\"apps/one\"]", "POLICY_VALUE", "/operations/1/to", "everybody"},
    {"\"to\":[\"apps/one\"]", "\"to\":[\"apps/two\"]", "POLICY_NAME", "/operations/0/to/0",
     "apps/two"},
    {"\"to\":[\"apps/one\"]", "\"to\":[\"apps\"]", "POLICY_NAME", "/operations/0/to/0",
     "group/name"},
    {"\"to\":[\"apps/one\"]", "\"to\":[\"platforms/dep\"]", "POLICY_VALUE", "/operations/0/to/0",
     "staging"},
    {"\"to\":[\"apps/one\"]", "\"to\":[\"platforms/*\"]", "POLICY_VALUE", "/operations/0/to/0",
     "staging"},
    {"{\"time\":{\"days\":\"mon-fri\"}}", "{}", "JSON_MISSING", "/operations/0/when", "empty"},
    {"{\"time\":{\"days\":\"mon-fri\"}}", "{\"thyme\":{}}", "POLICY_NAME",
     "/operations/0/when/thyme", "thyme"},
    {"{\"time\":{\"days\":\"mon-fri\"}}", "{\"approvals\":{\"of\":[],\"at_least\":0}}",
     "POLICY_VALUE", "/operations/0/when/approvals/at_least", "leave the approvals out"},
    {"{\"time\":{\"days\":\"mon-fri\"}}", "{\"all\":[]}", "POLICY_VALUE", "/operations/0/when/all",
     "empty"},
    {"{\"time\":{\"days\":\"mon-fri\"}}", "{\"time\":{}}", "JSON_MISSING",
     "/operations/0/when/time", "one of"},
    {"\"days\":\"mon-fri\"", "\"days\":\"fri-mon\"", "POLICY_VALUE", "/operations/0/when/time/days",
     "mon-fri"},
    {"\"days\":\"mon-fri\"", "\"hours\":\"22:00-06:00\"", "POLICY_VALUE",
     "/operations/0/when/time/hours", "night"},
    {"\"days\":\"mon-fri\"", "\"from\":\"2026-01-01T00:00:00Z\",\"until\":\"2026-01-01T00:00:00Z\"",
     "POLICY_VALUE", "/operations/0/when/time", "no time"},
    {"{\"time\":{\"days\":\"mon-fri\"}}", "{\"attested\":{\"profile\":\"x\"}}", "POLICY_NAME",
     "/operations/0/when/attested/profile", "`x`"},
    {"{\"time\":{\"days\":\"mon-fri\"}}", "{\"not\":{\"attested\":{\"profile\":\"p\"}}}",
     "POLICY_VALUE", "/operations/0/when/not/attested", "withhold"},
    {"{\"time\":{\"days\":\"mon-fri\"}}",
     "{\"not\":{\"any\":[{\"attested\":{\"profile\":\"p\"}}]}}", "POLICY_VALUE",
     "/operations/0/when/not/any/0/attested", "withhold"},
    {"{\"time\":{\"from\":\"2030-01-01T00:00:00Z\"}}", "{\"attested\":{\"profile\":\"p\"}}",
     "POLICY_VALUE", "/operations/1/when/attested", "withhold"},
    {"\"expires\":\"never\"", "\"expires\":\"soon\"", "TIME_FORMAT", "/lifecycle/expires", ""},
    {"\"expires\":\"never\"", "\"replicas\":2", "POLICY_BUILD", "/lifecycle/replicas", "replicas"},
    {"\"expires\":\"never\"", "\"unwitnessed_max\":0", "POLICY_BUILD", "/lifecycle/unwitnessed_max",
     "unwitnessed_max"},
    {"\"lifecycle\"", "\"mutability\":{\"apps\":{\"by\":[]}},\"lifecycle\"", "POLICY_NAME",
     "/mutability/apps", "principals.apps"},
    {"\"lifecycle\"",
     "\"mutability\":{\"profiles\":{\"by\":[\"owner/*\"],\"approvals\":{}}},\"lifecycle\"",
     "JSON_MISSING", "/mutability/profiles/approvals", "at_least and fresh_for"},
    {"\"lifecycle\"",
     "\"mutability\":{\"profiles\":{\"by\":[\"owner/*\"]},\"operations\":{\"by\":[\"owner/"
     "*\",\"clients/ci\"]}},\"lifecycle\"",
     "POLICY_WEAK", "/mutability/operations", "same `by`"},
    {"\"lifecycle\"", "\"mutability\":{\"profiles\":{\"by\":[\"*\"]}},\"lifecycle\"", "POLICY_WEAK",
     "/mutability/profiles/by", "name who"},
    {"\"lifecycle\"", "\"mutability\":{},\"lifecycle\"", "POLICY_UNUSABLE", "/mutability",
     "sealed"},
    {"\"to\":[\"*\"],\"when\":{\"time\":{\"from\":\"2030-01-01T00:00:00Z\"}}",
     "\"to\":[\"*\"]}],\"mutability\":{\"narrow\":{\"by\":[\"owner/"
     "*\"]}},\"vault_profiles\":{},\"profiles_\":[{",
     "JSON_UNKNOWN", "/profiles_", ""},
};

TEST(every_refusal_says_what_where_and_what_to_do)
{
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        struct pl_policy *p;
        struct pl_refusal why;
        const char *text = with(refusals[i].old, refusals[i].new);
        pl_err e = pl_policy_load(&p, c, pl_span_str(text), &why);
        CHECK(p == NULL);
        bool good = CHECK(strcmp(pl_code_name(pl_err_code(e)), refusals[i].code) == 0);
        good = CHECK(strcmp(why.pointer, refusals[i].pointer) == 0) && good;
        good = CHECK(refusals[i].word[0] == '\0' || strstr(why.text, refusals[i].word)) && good;
        good = CHECK(why.text[0] != '\0') && good;
        if (!good)
            printf("# row %zu (%s): %s at '%s': %s\n", i, refusals[i].new,
                   pl_code_name(pl_err_code(e)), why.pointer, why.text);
    }
}

TEST(a_key_nobody_can_use_or_change_needs_sealed)
{
    struct pl_policy *p;
    struct pl_refusal why;
    const char *dead = with("\"allow\":[\"export\"]", "\"allow\":[\"describe\"]");
    CHECK_OK(pl_policy_load(&p, c, pl_span_str(dead), &why)); /* the owner may add a rule */
    pl_policy_free(p);
    p = load(with("\"expires\":\"never\"", "\"sealed\":true"));
    CHECK(p && pl_policy_lifecycle(p)->sealed);
    pl_policy_free(p);
    CHECK_ERR(pl_policy_load(&p, c,
                             pl_span_str(with("\"lifecycle\":{\"expires\":\"never\"}",
                                              "\"lifecycle\":{\"sealed\":true},\"mutability\":{"
                                              "\"profiles\":{\"by\":[\"owner/*\"]}}")),
                             &why),
              POLICY_VALUE);
    CHECK(strcmp(why.pointer, "/lifecycle/sealed") == 0);
}

TEST(zero_means_no)
{
    struct pl_decision zero = {0};
    CHECK(zero.verdict == PL_DENY);
    struct pl_policy *p = load(base);
    NEED(p != NULL);
    struct pl_facts nothing = {0};
    CHECK(pl_policy_evaluate(p, &nothing, NULL).verdict == PL_DENY);
    for (unsigned op = 0; op <= PL_OP_COUNT; op++) {
        struct pl_facts stranger = {.op = (enum pl_op)op, .now = {1767600000, 1767600000}};
        CHECK(pl_policy_evaluate(p, &stranger, NULL).verdict == PL_DENY);
    }
    pl_policy_free(p);
}

TEST(callers_become_principals_only_by_proof)
{
    struct pl_policy *p = load(base);
    NEED(p != NULL);
    uint8_t me[32], stranger[2][32] = {{0}};
    memset(me, 0x11, 32);
    struct pl_interval monday = {1767600000, 1767600000};
    struct pl_caller who = {.client_spki_sha256 = me, .now = monday};
    struct pl_facts f;
    pl_policy_facts(&f, p, &who);
    CHECK(f.is == pl_policy_group(p, PL_GROUP_OWNER) && f.maybe == 0 && f.consent == 0);
    struct pl_signer signer[2] = {{.form = PL_PROOF_JWS}, {.form = PL_PROOF_JWS}};
    who = (struct pl_caller){.request = signer, .requests = 2, .now = monday};
    pl_policy_facts(&f, p, &who);
    CHECK(f.is == 0);
    memcpy(signer[1].authenticator, me, 32);
    pl_policy_facts(&f, p, &who);
    CHECK(f.is == pl_policy_group(p, PL_GROUP_OWNER));
    memcpy(stranger[1], me, 32);
    who = (struct pl_caller){.consent_sha256 = stranger, .consents = 2, .now = monday};
    pl_policy_facts(&f, p, &who);
    CHECK(f.is == 0 && f.consent == pl_policy_group(p, PL_GROUP_OWNER)); /* never a principal */
    f.op = PL_OP_CREATE;
    CHECK(pl_policy_evaluate(p, &f, NULL).basis == PL_BASIS_CONSENT);
    f.op = PL_OP_DELETE;
    CHECK(pl_policy_evaluate(p, &f, NULL).verdict == PL_DENY);
    struct pl_claims claims = {.tee = PL_TEE_SGX, .name = "sim-sgx"};
    who = (struct pl_caller){.claims = &claims, .now = monday};
    pl_policy_facts(&f, p, &who);
    CHECK(f.is == 0 && f.profile_is == 0);
    pl_policy_free(p);
}

static void check_example(const char *name, bool loads, const char *word)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/examples/%s", PL_SOURCE_ROOT, name);
    struct pl_span text = test_file(path);
    struct pl_policy *p;
    struct pl_refusal why;
    NEED(CHECK(text.p != NULL));
    pl_err e = pl_policy_load(&p, c, text, &why);
    if (!CHECK((e == PL_OK) == loads) || !CHECK(loads || strstr(why.text, word)))
        printf("# %s: %s: %s\n", name, why.pointer, why.text);
    pl_policy_free(p);
    free((void *)(uintptr_t)text.p);
}

TEST(examples_load)
{
    check_example("disk.json", true, "");
    check_example("disk-office-hours.json", true, "");
    check_example("disk-two-of-three-owners.json", true, "");
    check_example("disk-sealed.json", true, "");
    check_example("full.json", true, "");
}

TEST_MAIN()
