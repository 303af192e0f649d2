/* WebAuthn's own test vectors: keys, signatures, flags and client data as others make them. */
#include "policy/webauthn.h"
#include "tests/kat/webauthn_vectors.h"
#include "tests/test.h"

#include <stdlib.h>
#include <string.h>

enum { VECTORS = sizeof(webauthn_vectors) / sizeof(webauthn_vectors[0]) };

struct vector {
    struct pl_span challenge;
    struct pl_passkey_proof proof;
};

static struct vector open_vector(const struct webauthn_vector *v)
{
    return (struct vector){test_hex(v->challenge),
                           {test_hex(v->authenticator_data), test_hex(v->client_data), PL_LIT("id"),
                            test_hex(v->public_key), test_hex(v->signature)}};
}

static struct pl_crypto *crypto;

static bool as_wanted(const struct webauthn_vector *w)
{
    struct pl_signer who;
    struct vector v = open_vector(w);
    bool ok = test_err(pl_webauthn_verify(crypto, &who, &v.proof, v.challenge.p), w->want, w->name,
                       __FILE_NAME__, __LINE__);
    if (w->want != PL_E_OK)
        return CHECK(pl_span_zero(pl_span(&who, sizeof(who)))) && ok;
    uint8_t rp_id[32];
    ok &= CHECK(who.form == PL_PROOF_PASSKEY && who.sign_count == 0);
    ok &= CHECK(pl_span_is(who.origin, "https://example.org"));
    ok &= CHECK_OK(pl_sha256_one(crypto, rp_id, PL_LIT("example.org")));
    ok &= CHECK_BYTES(PL_ARR(who.rp_id_sha256), PL_ARR(rp_id));
    ok &= CHECK_BYTES(PL_ARR(who.authenticator), test_hex(w->spki_sha256));
    return CHECK_BYTES(PL_ARR(who.issuer), PL_ARR(who.authenticator)) && ok;
}

TEST(each_vector_is_judged_as_it_says)
{
    NEED(CHECK_OK(pl_crypto_new(&crypto)));
    for (size_t i = 0; i < VECTORS; i++)
        as_wanted(&webauthn_vectors[i]);
}

/* Whatever else is wrong with a vector, its signature is good; one bit anywhere, and it is not. */
TEST(no_signed_byte_can_change)
{
    for (size_t i = 0; i < VECTORS; i++) {
        const struct webauthn_vector *w = &webauthn_vectors[i];
        if (w->want == PL_E_PASSKEY_KEY)
            continue;
        struct vector v = open_vector(w);
        struct pl_span part[] = {v.proof.authenticator_data, v.proof.client_data,
                                 v.proof.signature};
        for (size_t k = 0; k < 3; k++)
            for (size_t at = 0; at < part[k].n; at += 7) {
                struct pl_signer who;
                uint8_t *p = (uint8_t *)(uintptr_t)part[k].p + at;
                *p ^= 0x10;
                CHECK_ERR(pl_webauthn_verify(crypto, &who, &v.proof, v.challenge.p), SIGNATURE);
                *p ^= 0x10;
            }
    }
}

TEST(a_key_has_the_name_that_its_spki_has)
{
    for (size_t i = 0; i < VECTORS; i++) {
        const struct webauthn_vector *w = &webauthn_vectors[i];
        uint8_t sha256[32];
        pl_err e = pl_cose_spki(crypto, sha256, test_hex(w->public_key));
        if (!w->spki_sha256)
            CHECK_ERR(e, PASSKEY_KEY);
        else if (CHECK_OK(e))
            CHECK_BYTES(PL_ARR(sha256), test_hex(w->spki_sha256));
    }
}

TEST_MAIN()
