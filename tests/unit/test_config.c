#include "test.h"
#include "policy/config.h"

#include <stdio.h>
#include <string.h>

static struct pl_crypto *c;
static struct pl_priv key[3];
static char spki[3][160];

static void setup(void)
{
    if (c)
        return;
    CHECK_OK(pl_crypto_new(&c));
    for (unsigned i = 0; i < 3; i++) {
        uint8_t seed[48], der[PL_SPKI_MAX];
        struct pl_pub pub = {.type = PL_PUB_P256};
        test_fill(seed, sizeof(seed), i + 1);
        key[i].type = PL_PUB_P256;
        CHECK_OK(pl_p256_make(c, key[i].raw, pub.raw, seed));
        pl_b64u(spki[i], pl_span(der, pl_pub_to_spki(der, &pub)));
    }
}

__attribute__((destructor)) static void teardown(void) { pl_crypto_free(c); }

/* A document of two authorities out of three keys, with this text in place of the rest. */
static const char *document(unsigned at_least, const char *rest)
{
    static char text[8192];
    snprintf(text, sizeof(text),
             "{\"pleiad_config\":1,\"serial\":3,\"name\":\"ops\",\"authority\":{\"at_least\":%u,"
             "\"keys\":[\"%s\",\"%s\",\"%s\"]},%s}",
             at_least, spki[0], spki[1], spki[2], rest);
    return text;
}

static const char rest[] =
    "\"create\":{\"allow\":[{\"kind\":\"key\",\"spki_sha256\":"
    "\"ff00000000000000000000000000000000000000000000000000000000000000\"},{\"kind\":\"key\","
    "\"spki_sha256\":\"0100000000000000000000000000000000000000000000000000000000000000\"}],"
    "\"keys_per_owner\":7},\"time\":\"host\",\"witnesses\":{\"f\":0,\"list\":[]},"
    "\"limits\":{\"keys\":99}";

static pl_err load_signed(struct pl_config **out, const char *text, unsigned signers, char *pointer)
{
    struct pl_wr doc PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_CONFIG_BYTES);
    *out = NULL;
    PL_TRY(pl_config_sign(c, &doc, pl_span_str(text), key, signers));
    return pl_config_load(out, c, pl_wr_span(&doc), pointer);
}

TEST(enough_distinct_signatures_are_needed)
{
    struct pl_config *cfg;
    setup();
    CHECK_ERR(load_signed(&cfg, document(2, rest), 0, NULL), CONFIG_SIGNATURES);
    CHECK_ERR(load_signed(&cfg, document(2, rest), 1, NULL), CONFIG_SIGNATURES);
    CHECK_OK(load_signed(&cfg, document(2, rest), 2, NULL));
    pl_config_put(cfg);
    struct pl_priv same[] = {key[0], key[0], key[0]};
    struct pl_wr doc PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_CONFIG_BYTES);
    CHECK_OK(pl_config_sign(c, &doc, pl_span_str(document(2, rest)), same, 3));
    CHECK_ERR(pl_config_load(&cfg, c, pl_wr_span(&doc), NULL), CONFIG_SIGNATURES);
}

TEST(what_it_says_is_what_holds)
{
    struct pl_config *cfg;
    uint8_t who[32] = {0xff}, other[32] = {2};
    setup();
    NEED(CHECK_OK(load_signed(&cfg, document(1, rest), 1, NULL)));
    CHECK(cfg->serial == 3 && cfg->time == PL_TIME_HOST && !cfg->anyone);
    CHECK(cfg->keys_max == 99 && cfg->keys_per_owner == 7 && cfg->allowed == 2);
    CHECK(pl_config_lists(cfg, who) && !pl_config_lists(cfg, other) && !cfg->anyone);
    pl_config_put(cfg);
}

TEST(every_change_of_a_byte_is_noticed)
{
    struct pl_config *cfg;
    struct pl_wr doc PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_CONFIG_BYTES);
    setup();
    CHECK_OK(pl_config_sign(c, &doc, pl_span_str(document(2, rest)), key, 2));
    size_t end = (size_t)((uint8_t *)memmem(doc.p, doc.n, "\"signatures\"", 12) - doc.p);
    for (size_t i = 0; i < end; i++) {
        doc.p[i] ^= 1;
        pl_err e = pl_config_load(&cfg, c, pl_wr_span(&doc), NULL);
        if (!CHECK(e != PL_OK))
            pl_config_put(cfg);
        doc.p[i] ^= 1;
    }
}

TEST(the_root_changes_with_every_leaf_and_not_with_spacing)
{
    uint8_t a[32], b[32];
    char spaced[8200];
    setup();
    CHECK_OK(pl_config_root(c, a, pl_span_str(document(1, rest))));
    snprintf(spaced, sizeof(spaced), " %s\n", document(1, rest));
    CHECK_OK(pl_config_root(c, b, pl_span_str(spaced)));
    CHECK_BYTES(PL_ARR(b), PL_ARR(a));
    CHECK_OK(pl_config_root(c, b, pl_span_str(document(2, rest))));
    CHECK(memcmp(a, b, 32) != 0);
    char *at = strstr(spaced, "\"keys\":99");
    at[8] = '8';
    CHECK_OK(pl_config_root(c, b, pl_span_str(spaced)));
    CHECK(memcmp(a, b, 32) != 0);
}

TEST(what_this_build_cannot_keep_is_refused_by_name)
{
    static const struct {
        const char *rest;
        enum pl_code code;
        const char *pointer;
    } bad[] = {
        {"\"create\":{\"allow\":[]},\"time\":\"witnessed\",\"witnesses\":{\"f\":0,\"list\":[]}",
         PL_E_CONFIG_BUILD, "/time"},
        {"\"create\":{\"allow\":[]},\"time\":\"host\",\"witnesses\":{\"f\":0,\"list\":[\"x\"]}",
         PL_E_CONFIG_BUILD, "/witnesses/list/0"},
        {"\"create\":{\"allow\":[]},\"time\":\"host\",\"witnesses\":{\"f\":1,\"list\":[]}",
         PL_E_JSON_RANGE, "/witnesses/f"},
        {"\"create\":{\"allow\":[{\"kind\":\"person\"}]},\"time\":\"host\",\"witnesses\":"
         "{\"f\":0,\"list\":[]}",
         PL_E_CONFIG_VALUE, "/create/allow/0"},
        {"\"create\":{},\"time\":\"host\",\"witnesses\":{\"f\":0,\"list\":[]}", PL_E_JSON_MISSING,
         "/create"},
        {"\"time\":\"host\",\"witnesses\":{\"f\":0,\"list\":[]}", PL_E_JSON_MISSING, ""},
        {"\"create\":{\"allow\":[]},\"time\":\"host\",\"witnesses\":{\"f\":0,\"list\":[]},"
         "\"monitors\":[]",
         PL_E_JSON_UNKNOWN, "/monitors"},
    };
    setup();
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct pl_config *cfg;
        char pointer[PL_JSON_POINTER_MAX] = "";
        pl_err e = load_signed(&cfg, document(1, bad[i].rest), 1, pointer);
        CHECK(pl_err_code(e) == bad[i].code);
        CHECK(strncmp(pointer, bad[i].pointer, strlen(bad[i].pointer)) == 0);
        pl_config_put(cfg);
    }
}

#define ISSUERS                                                                                    \
    ",\"issuers\":[{\"audience\":\"pleiad\",\"issuer\":\"https://id.example\",\"keys\":[{\"crv\":" \
    "\"Ed25519\",\"kty\":\"OKP\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}]"

TEST(issuers_are_a_leaf_of_the_root)
{
    struct pl_config *cfg;
    uint8_t without[32], with[32];
    char text[4096], *at;
    setup();
    CHECK_OK(pl_config_root(c, without, pl_span_str(document(1, rest))));
    snprintf(text, sizeof(text), "%s" ISSUERS, rest);
    CHECK_OK(pl_config_root(c, with, pl_span_str(document(1, text))));
    CHECK(memcmp(without, with, 32) != 0);
    NEED(CHECK_OK(load_signed(&cfg, document(1, text), 1, NULL)));
    CHECK_BYTES(PL_ARR(cfg->root), PL_ARR(with));
    NEED(CHECK(cfg->issuers.n == 1));
    CHECK(strcmp(cfg->issuers.issuer[0]->issuer, "https://id.example") == 0);
    pl_config_put(cfg);
    NEED(CHECK((at = strstr(text, "11qYAYK")) != NULL));
    at[3] = 'y';
    CHECK_OK(pl_config_root(c, without, pl_span_str(document(1, text))));
    CHECK(memcmp(without, with, 32) != 0);
    char pointer[PL_JSON_POINTER_MAX];
    at[-4] = 'q';
    CHECK_ERR(load_signed(&cfg, document(1, text), 1, pointer), JSON_UNKNOWN);
}

/* A root is what the document calls it, development or custom; nothing in it makes a vendor's. */
TEST(no_root_of_a_configuration_is_a_vendors)
{
    static const char *const bad[][2] = {
        {"sgx", "vendor"}, {"sgx", ""}, {"sgx", "VENDOR"}, {"sim-sgx", "dev"}, {"none", "custom"},
    };
    struct pl_config *cfg;
    char text[2048], pointer[PL_JSON_POINTER_MAX];
    setup();
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        snprintf(text, sizeof(text),
                 "%s,\"roots\":[{\"cert\":\"AAAA\",\"label\":\"sgx\",\"tee\":\"%s\","
                 "\"trust\":\"%s\"}]",
                 rest, bad[i][0], bad[i][1]);
        CHECK_ERR(load_signed(&cfg, document(2, text), 2, pointer), CONFIG_VALUE);
        CHECK(cfg == NULL && strcmp(pointer, "/roots/0") == 0);
    }
}

TEST_MAIN()
