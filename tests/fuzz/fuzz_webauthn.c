/* Assertions: be16 length and client data, be16 length and authenticator data, be16 length and key,
 * and the signature. What is taken says, read by jansson and by hand, what it must. */
#include "fuzz.h"
#include "policy/webauthn.h"

#include <jansson.h>
#include <string.h>

#define CHALLENGE "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" /* 32 zeros */

static struct pl_span part(struct pl_rd *r) { return pl_rd_bytes(r, pl_rd_be16(r)); }

static void check_client(struct pl_span text, struct pl_span origin)
{
    json_t *j =
        json_loadb((const char *)text.p, text.n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
    const char *type = json_string_value(json_object_get(j, "type"));
    const char *challenge = json_string_value(json_object_get(j, "challenge"));
    const char *theirs = json_string_value(json_object_get(j, "origin"));
    if (j) { /* jansson takes no number that no double holds */
        FUZZ_CHECK(type && strcmp(type, "webauthn.get") == 0);
        FUZZ_CHECK(challenge && strcmp(challenge, CHALLENGE) == 0);
        FUZZ_CHECK(theirs && pl_span_is(origin, theirs));
        FUZZ_CHECK(!json_is_true(json_object_get(j, "crossOrigin")));
        FUZZ_CHECK(!json_object_get(j, "topOrigin"));
    }
    json_decref(j);
}

static void check_data(struct pl_span data, const struct pl_signer *who)
{
    FUZZ_CHECK(data.n >= 37 && data.n <= PL_PASSKEY_AUTH_DATA);
    FUZZ_CHECK((data.p[32] & 0x45) == 0x05);
    FUZZ_CHECK(data.p[32] & 0x80 ? data.n > 37 && data.p[37] >> 5 == 5 : data.n == 37);
    FUZZ_CHECK(memcmp(who->rp_id_sha256, data.p, 32) == 0);
    FUZZ_CHECK(data.p[36] == (who->sign_count & 0xff) && data.p[33] == who->sign_count >> 24);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct pl_crypto *c;
    static const uint8_t challenge[32];
    struct pl_rd r = pl_rd(pl_span(data, size));
    struct pl_passkey_proof p = {.credential_id = PL_LIT("id")};
    struct pl_signer who;
    uint8_t spki[32];
    if (!c)
        FUZZ_CHECK(pl_crypto_new(&c) == PL_OK);
    p.client_data = part(&r);
    p.authenticator_data = part(&r);
    p.public_key = part(&r);
    p.signature = pl_rd_bytes(&r, pl_rd_left(&r));
    pl_err e = pl_webauthn_verify(c, &who, &p, challenge);
    FUZZ_CHECK(pl_err_code(e) != PL_E_BUG);
    FUZZ_CHECK((e == PL_OK) == (who.form == PL_PROOF_PASSKEY));
    FUZZ_CHECK(e == PL_OK || pl_span_zero(pl_span(&who, sizeof(who))));
    if (e != PL_OK)
        return 0;
    check_client(p.client_data, who.origin);
    check_data(p.authenticator_data, &who);
    FUZZ_CHECK(pl_cose_spki(c, spki, p.public_key) == PL_OK);
    FUZZ_CHECK(memcmp(spki, who.authenticator, 32) == 0 && memcmp(spki, who.issuer, 32) == 0);
    return 0;
}
