/* The command as a passkey's client: what it says to be signed, whom it finds in a policy, and
 * what it says without a stick. */
#include "tests/fixture/authenticator.h"
#include "tests/test.h"
#include "tools/fido2.h"

#include <string.h>
#include <unistd.h>

static struct pl_crypto *crypto;

/* Signed by a passkey as a stick would sign it, a vault believes it. */
TEST(its_client_data_is_a_browsers)
{
    struct passkey key;
    struct assertion a;
    struct tool_fido2_tap tap;
    struct pl_signer who;
    struct tool_fido2_ask ask = {.rp_id = "vault.example", .origin = "https://vault.example"};
    test_fill(ask.challenge, sizeof(ask.challenge), 3);
    NEED(CHECK_OK(pl_crypto_new(&crypto)));
    NEED(CHECK_OK(passkey_make(crypto, &key, PL_SIG_ECDSA_SHA256, ask.rp_id, 1)));
    CHECK_OK(tool_fido2_client(&tap, &ask));
    CHECK_OK(assertion_fill(crypto, &a, &key, "https://elsewhere.example", (uint8_t[32]){0}));
    memcpy(a.client, tap.client, tap.client_n);
    a.client_n = tap.client_n;
    CHECK_OK(assertion_sign(crypto, &a, &key));
    CHECK_OK(pl_webauthn_verify(crypto, &who, &a.proof, ask.challenge));
    CHECK(pl_span_is(who.origin, ask.origin));
}

TEST(an_origin_too_long_is_cut_nowhere)
{
    static char origin[TOOL_FIDO2_CLIENT + 1];
    struct tool_fido2_tap tap;
    struct tool_fido2_ask ask = {.rp_id = "a", .origin = origin};
    memset(origin, 'a', sizeof(origin) - 1);
    CHECK_ERR(tool_fido2_client(&tap, &ask), NO_SPACE);
}

#define MANAGERS                                                                                   \
    "{\"principals\":{\"managers\":{\"alice\":{\"credential_id\":\"aWQ\",\"kind\":\"passkey\","    \
    "\"origins\":[\"https://a.example\",\"https://b.example\"],\"public_key\":\"pQ\","             \
    "\"rp_id\":\"a.example\"},\"bob\":{\"kind\":\"key\",\"spki_sha256\":\"00\"}}}}"

static pl_err carrier_of(const char *principal)
{
    static uint8_t text[4096];
    struct pl_wr w = pl_wr_fixed(text, sizeof(text));
    return tool_fido2_carrier(&w, PL_LIT(MANAGERS), principal, "/nonexistent/stick", PL_LIT("{}"),
                              (uint8_t[32]){0});
}

TEST(a_passkey_of_the_policy_is_asked_for)
{
    static const char *const nobody[] = {"managers/carol", "managers/bob",   "alice", "owner/alice",
                                         "managers",       "managers/",      "/",     "",
                                         "managers/alic",  "managers/alice/"};
    for (size_t i = 0; i < sizeof(nobody) / sizeof(nobody[0]); i++)
        test_err(carrier_of(nobody[i]), PL_E_FIDO2_PERSON, nobody[i], __FILE_NAME__, __LINE__);
    CHECK_ERR(carrier_of("managers/alice"), FIDO2_OPEN); /* found; the stick is not there */
}

/* Where there is a device that could be a stick, nobody would touch it. */
TEST(without_a_stick_that_is_said)
{
    struct tool_fido2_tap tap;
    struct tool_fido2_ask ask = {
        .rp_id = "a", .origin = "https://a", .credential_id = PL_LIT("id"), .device = NULL};
    for (char path[] = "/dev/hidraw0"; path[11] <= '9'; path[11]++)
        if (access(path, F_OK) == 0)
            ask.device = "/nonexistent/stick";
    pl_err e = tool_fido2_sign(&tap, &ask);
    CHECK(pl_err_code(e) == (ask.device ? PL_E_FIDO2_OPEN : PL_E_FIDO2_NONE));
    CHECK(tap.sig_n == 0);
}

TEST_MAIN()
