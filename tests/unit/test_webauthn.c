/* Passkeys: what an assertion must say, each way in which it may not, and keys as COSE has them. */
#include "policy/webauthn.h"
#include "tests/fixture/authenticator.h"
#include "tests/test.h"

#include <string.h>

#define ORIGIN "https://vault.example"

static struct pl_crypto *crypto;
static struct passkey key[3]; /* one of each algorithm */
static const uint8_t challenge[32] = "what the statement's digest is..";

static bool ready(void)
{
    static const enum pl_sig_alg algs[] = {PL_SIG_ECDSA_SHA256, PL_SIG_ED25519, PL_SIG_RSA_SHA256};
    if (crypto)
        return true;
    bool ok = CHECK_OK(pl_crypto_new(&crypto));
    for (size_t i = 0; ok && i < 3; i++)
        ok = CHECK_OK(passkey_make(crypto, &key[i], algs[i], "vault.example", 10 * i));
    return ok;
}

static struct assertion fresh(const struct passkey *p)
{
    struct assertion a;
    CHECK(ready());
    CHECK_OK(assertion_fill(crypto, &a, p, ORIGIN, challenge));
    return a;
}

/* Signed as it is now, by the first passkey; who is zero on error. */
static pl_err judge(struct assertion *a)
{
    struct pl_signer who;
    CHECK_OK(assertion_sign(crypto, a, &key[0]));
    pl_err e = pl_webauthn_verify(crypto, &who, &a->proof, challenge);
    CHECK((e == PL_OK) == (who.form == PL_PROOF_PASSKEY));
    CHECK(e == PL_OK || pl_span_zero(pl_span(&who, sizeof(who))));
    return e;
}

/* ---- What is good --------------------------------------------------------------------------- */

TEST(each_algorithm_signs)
{
    for (size_t i = 0; i < 3; i++) {
        struct assertion a = fresh(&key[i]);
        struct pl_signer who;
        uint8_t rp_id[32], spki[32];
        CHECK_OK(assertion_sign(crypto, &a, &key[i]));
        CHECK_OK(pl_webauthn_verify(crypto, &who, &a.proof, challenge));
        CHECK(who.form == PL_PROOF_PASSKEY && who.sign_count == 7 && !who.bare);
        CHECK(pl_span_is(who.origin, ORIGIN));
        CHECK_BYTES(who.credential_id, PL_ARR(key[i].credential_id));
        CHECK_OK(pl_sha256_one(crypto, rp_id, PL_LIT("vault.example")));
        CHECK_BYTES(PL_ARR(who.rp_id_sha256), PL_ARR(rp_id));
        CHECK_OK(pl_cose_spki(crypto, spki, a.proof.public_key));
        CHECK_BYTES(PL_ARR(who.authenticator), PL_ARR(spki));
        CHECK_BYTES(PL_ARR(who.issuer), PL_ARR(spki));
    }
}

TEST(a_key_is_one_signer_as_passkey_and_otherwise)
{
    NEED(ready());
    for (size_t i = 0; i < 2; i++) {
        uint8_t spki[PL_SPKI_MAX], sha256[32], cose[32];
        struct pl_pub pub;
        CHECK_OK(pl_priv_public(crypto, &pub, &key[i].priv));
        size_t n = pl_pub_to_spki(spki, &pub);
        CHECK_OK(pl_sha256_one(crypto, sha256, pl_span(spki, n)));
        CHECK_OK(pl_cose_spki(crypto, cose, pl_span(key[i].cose, key[i].cose_n)));
        CHECK_BYTES(PL_ARR(cose), PL_ARR(sha256));
    }
}

TEST(clients_may_say_more)
{
    static const char *const more[][2] = {
        {"\"crossOrigin\":false", "\"other_keys_can_be_added_here\":\"do not compare\""},
        {"\"crossOrigin\":false", "\"tokenBinding\":{\"status\":\"present\",\"id\":\"x\"}"},
        {"\"crossOrigin\":false", "\"later\":[1,2.5e3,{\"deep\":null}],\"crossOrigin\":false"},
        {"{\"type\":\"webauthn.get\",", "{ \"zero\" : 0 , \"\\u0074ype\" : \"webauthn.get\" ,\n"},
    };
    for (size_t i = 0; i < sizeof(more) / sizeof(more[0]); i++) {
        struct assertion a = fresh(&key[0]);
        assertion_replace(&a, more[i][0], more[i][1]);
        CHECK_OK(judge(&a));
    }
}

TEST(flags_that_mean_nothing_here)
{
    static const uint8_t flags[] = {AUTH_BE, AUTH_BE | AUTH_BS, 0x02, 0x20};
    for (size_t i = 0; i < sizeof(flags); i++) {
        struct assertion a = fresh(&key[0]);
        a.data[32] |= flags[i];
        CHECK_OK(judge(&a));
    }
}

/* ---- Client data ---------------------------------------------------------------------------- */

struct client_row {
    const char *from, *to;
    enum pl_code want;
};

#define HALF "\"challenge\":\"d2hhdCB0aGUg"
static const struct client_row client_rows[] = {
    {"webauthn.get", "webauthn.create", PL_E_PASSKEY_TYPE},
    {"webauthn.get", "payment.get", PL_E_PASSKEY_TYPE},
    {"webauthn.get", "webauthn.get ", PL_E_PASSKEY_TYPE},
    {"webauthn.get", "Webauthn.get", PL_E_PASSKEY_TYPE},
    {"webauthn.get", "", PL_E_PASSKEY_TYPE},
    {"\"type\":\"webauthn.get\",", "", PL_E_PASSKEY_TYPE},
    {"\"type\":", "\"Type\":", PL_E_PASSKEY_TYPE},
    {"\"webauthn.get\"", "7", PL_E_JSON_TYPE},
    {"\"webauthn.get\"", "[\"webauthn.get\"]", PL_E_JSON_TYPE},
    {"\"webauthn.get\"", "\"webauthn\\u002eget\"", PL_E_JSON_VALUE},
    {"{", "{\"type\":\"webauthn.get\",", PL_E_JSON_DUPLICATE},
    {"{", "{\"challeng\\u0065\":\"\",", PL_E_JSON_DUPLICATE},
    {"{", "{\"x\":{\"y\":1,\"y\":2},", PL_E_JSON_DUPLICATE},
    {"\"challenge\"", "\"Challenge\"", PL_E_PASSKEY_CHALLENGE},
    {HALF, "\"challenge\":\"D2hhdCB0aGUg", PL_E_PASSKEY_CHALLENGE},
    {HALF, "\"challenge\":\"", PL_E_PASSKEY_CHALLENGE},
    {HALF, "\"challenge\":\" d2hhdCB0aGUg", PL_E_PASSKEY_CHALLENGE},
    {"\",\"origin\"", "=\",\"origin\"", PL_E_PASSKEY_CHALLENGE},
    {"\",\"origin\"", "A\",\"origin\"", PL_E_PASSKEY_CHALLENGE},
    {"\"origin\":\"" ORIGIN "\",", "", PL_E_PASSKEY_ORIGIN},
    {"\"" ORIGIN "\"", "\"\"", PL_E_PASSKEY_ORIGIN},
    {"\"" ORIGIN "\"", "null", PL_E_JSON_TYPE},
    {"\"" ORIGIN "\"", "\"https:\\/\\/vault.example\"", PL_E_JSON_VALUE},
    {"{", "{\"origin\":\"https://evil.example\",", PL_E_JSON_DUPLICATE},
    {"\"crossOrigin\":false", "\"crossOrigin\":true", PL_E_PASSKEY_FRAME},
    {"\"crossOrigin\":false", "\"crossOrigin\":\"false\"", PL_E_JSON_TYPE},
    {"\"crossOrigin\":false", "\"crossOrigin\":null", PL_E_JSON_TYPE},
    {"\"crossOrigin\":false", "\"topOrigin\":\"" ORIGIN "\"", PL_E_PASSKEY_FRAME},
    {"\"crossOrigin\":false", "\"crossOrigin\":false,\"topOrigin\":null", PL_E_PASSKEY_FRAME},
    {"}", "", PL_E_TRUNCATED},
    {"}", "}}", PL_E_TRAILING},
    {"{", "\xef\xbb\xbf{", PL_E_JSON_SYNTAX},
    {"vault.example", "vault.ex\xff", PL_E_JSON_UTF8},
};

TEST(client_data_says_what_was_signed_where)
{
    for (size_t i = 0; i < sizeof(client_rows) / sizeof(client_rows[0]); i++) {
        const struct client_row *row = &client_rows[i];
        struct assertion a = fresh(&key[0]);
        assertion_replace(&a, row->from, row->to);
        test_err(judge(&a), row->want, row->to, __FILE_NAME__, __LINE__);
    }
}

TEST(an_origin_is_given_out_as_it_was_seen)
{
    static const char *const origins[] = {"https://evil.example", "http://localhost:8080",
                                          "android:apk-key-hash:abc", "https://vault.example.evil"};
    for (size_t i = 0; i < sizeof(origins) / sizeof(origins[0]); i++) {
        struct assertion a = fresh(&key[0]);
        struct pl_signer who;
        assertion_replace(&a, ORIGIN, origins[i]);
        CHECK_OK(assertion_sign(crypto, &a, &key[0]));
        CHECK_OK(pl_webauthn_verify(crypto, &who, &a.proof, challenge));
        CHECK(pl_span_is(who.origin, origins[i]));
    }
}

TEST(an_assertion_is_for_one_challenge)
{
    struct assertion a = fresh(&key[0]);
    struct pl_signer who;
    CHECK_OK(assertion_sign(crypto, &a, &key[0]));
    for (unsigned bit = 0; bit < 256; bit++) {
        uint8_t other[32];
        memcpy(other, challenge, 32);
        other[bit / 8] ^= (uint8_t)(1u << bit % 8);
        CHECK_ERR(pl_webauthn_verify(crypto, &who, &a.proof, other), PASSKEY_CHALLENGE);
    }
}

/* ---- Authenticator data --------------------------------------------------------------------- */

struct data_row {
    uint8_t flags; /* all of them */
    const char *more;
    enum pl_code want;
};

#define BOTH (AUTH_UP | AUTH_UV)
static const struct data_row data_rows[] = {
    {AUTH_UV, "", PL_E_PASSKEY_PRESENCE},
    {AUTH_UP, "", PL_E_PASSKEY_VERIFIED},
    {0, "", PL_E_PASSKEY_PRESENCE},
    {0x3a & ~AUTH_UV, "", PL_E_PASSKEY_PRESENCE},
    {BOTH | AUTH_BS, "", PL_E_PASSKEY_DATA},
    {BOTH, "00", PL_E_PASSKEY_DATA},
    {BOTH, "a0", PL_E_PASSKEY_DATA},
    {BOTH | AUTH_AT, "", PL_E_PASSKEY_DATA},
    {BOTH | AUTH_AT, "000000000000000000000000000000000001aaa0", PL_E_PASSKEY_DATA},
    {BOTH | AUTH_ED, "", PL_E_PASSKEY_DATA},
    {BOTH | AUTH_ED, "a0", PL_E_OK},
    {BOTH | AUTH_ED, "a16375766dc0", PL_E_PASSKEY_DATA},             /* a tag without its item */
    {BOTH | AUTH_ED, "a16375766d818303181804", PL_E_OK},             /* {"uvm": [[3, 24, 4]]} */
    {BOTH | AUTH_ED, "a16375766d81830318180400", PL_E_PASSKEY_DATA}, /* and a byte */
    {BOTH | AUTH_ED, "bf6375766d01ff", PL_E_PASSKEY_DATA},           /* of no stated length */
    {BOTH | AUTH_ED, "a16375766d1801", PL_E_PASSKEY_DATA},           /* a head that is too long */
    {BOTH | AUTH_ED, "a1", PL_E_PASSKEY_DATA},
    {BOTH | AUTH_ED, "80", PL_E_PASSKEY_DATA}, /* no map */
    {BOTH | AUTH_ED, "41a0", PL_E_PASSKEY_DATA},
    {BOTH | AUTH_ED, "a0a0", PL_E_PASSKEY_DATA},
};

TEST(authenticator_data_is_that_of_a_verified_person)
{
    for (size_t i = 0; i < sizeof(data_rows) / sizeof(data_rows[0]); i++) {
        const struct data_row *row = &data_rows[i];
        struct assertion a = fresh(&key[0]);
        a.data[32] = row->flags;
        assertion_append(&a, test_hex(row->more));
        test_err(judge(&a), row->want, row->more, __FILE_NAME__, __LINE__);
    }
}

TEST(authenticator_data_has_a_length)
{
    static const uint8_t key_of_bytes[] = {0xa1, 0x61, 'x', 0x59, 0x03};
    struct assertion a = fresh(&key[0]);
    for (a.data_n = 0; a.data_n < 37; a.data_n++)
        CHECK_ERR(judge(&a), PASSKEY_DATA);
    for (unsigned more = 0; more < 2; more++) { /* the longest, and one more */
        a = fresh(&key[0]);
        a.data[32] |= AUTH_ED;
        size_t n = PL_PASSKEY_AUTH_DATA - 37 - sizeof(key_of_bytes) - 1 + more;
        uint8_t rest[1024] = {(uint8_t)n}; /* 0x03 and this */
        CHECK(n >> 8 == 3);
        assertion_append(&a, PL_ARR(key_of_bytes));
        assertion_append(&a, pl_span(rest, 1 + n));
        pl_err e = judge(&a);
        CHECK(more ? pl_err_code(e) == PL_E_PASSKEY_DATA : e == PL_OK);
    }
}

/* ---- The signature -------------------------------------------------------------------------- */

TEST(a_signature_covers_both_parts)
{
    for (size_t i = 0; i < 3; i++) {
        struct pl_signer who;
        struct assertion a = fresh(&key[i]);
        CHECK_OK(assertion_sign(crypto, &a, &key[i]));
        a.data[36]++; /* the counter */
        CHECK_ERR(pl_webauthn_verify(crypto, &who, &a.proof, challenge), SIGNATURE);
        a.data[36]--;
        CHECK_OK(pl_webauthn_verify(crypto, &who, &a.proof, challenge));
        *(uint8_t *)memmem(a.client, a.client_n, "vault", 5) = 'w';
        CHECK_ERR(pl_webauthn_verify(crypto, &who, &a.proof, challenge), SIGNATURE);
    }
}

/* By each passkey, shown with each key. */
TEST(a_signature_is_by_its_own_key)
{
    for (size_t i = 0; i < 3; i++)
        for (size_t k = 0; k < 3; k++) {
            struct pl_signer who;
            struct assertion a = fresh(&key[i]);
            CHECK_OK(assertion_sign(crypto, &a, &key[i]));
            a.proof.public_key = pl_span(key[k].cose, key[k].cose_n);
            pl_err e = pl_webauthn_verify(crypto, &who, &a.proof, challenge);
            CHECK(pl_err_code(e) == (i == k ? PL_E_OK : PL_E_SIGNATURE));
        }
}

static pl_err with_signature(struct assertion *a, struct pl_span sig)
{
    struct pl_signer who;
    a->proof.signature = sig;
    return pl_webauthn_verify(crypto, &who, &a->proof, challenge);
}

/* 3t LL 02 rr R 02 ss S: every length that could be another, zeros before numbers, bytes behind. */
TEST(an_ecdsa_signature_has_one_encoding)
{
    struct assertion a = fresh(&key[0]);
    uint8_t sig[128], raw[64];
    CHECK_OK(judge(&a));
    struct pl_span good = a.proof.signature;
    CHECK_OK(pl_p256_sig_from_der(raw, good));
    CHECK_ERR(with_signature(&a, PL_ARR(raw)), SIGNATURE);
    memcpy(sig, good.p, good.n);
    sig[good.n] = 0;
    CHECK_ERR(with_signature(&a, pl_span(sig, good.n + 1)), SIGNATURE);
    for (size_t n = 1; n < good.n; n++)
        CHECK_ERR(with_signature(&a, pl_span(sig, n)), SIGNATURE);
    sig[0] = 0x30, sig[1] = 0x81, sig[2] = good.p[1]; /* a long length */
    memcpy(sig + 3, good.p + 2, good.n - 2);
    CHECK_ERR(with_signature(&a, pl_span(sig, good.n + 1)), SIGNATURE);
    sig[1] = (uint8_t)(good.p[1] + 1), sig[2] = 0x02; /* a zero before r */
    sig[3] = (uint8_t)(good.p[3] + 1), sig[4] = 0;
    memcpy(sig + 5, good.p + 4, good.n - 4);
    CHECK_ERR(with_signature(&a, pl_span(sig, good.n + 1)), SIGNATURE);
    CHECK_OK(with_signature(&a, good));
}

TEST(nothing_is_no_signature)
{
    NEED(ready());
    for (size_t i = 0; i < 3; i++) {
        static const uint8_t zeros[256];
        static const uint8_t der_zeros[] = {0x30, 0x06, 0x02, 0x01, 0x00, 0x02, 0x01, 0x00};
        struct assertion a = fresh(&key[i]);
        CHECK_OK(assertion_sign(crypto, &a, &key[i]));
        CHECK_ERR(with_signature(&a, pl_span(NULL, 0)), KEY_FORMAT);
        CHECK_ERR(with_signature(&a, pl_span(zeros, 64)), SIGNATURE);
        CHECK_ERR(with_signature(&a, PL_ARR(zeros)), SIGNATURE);
        CHECK_ERR(with_signature(&a, PL_ARR(der_zeros)), SIGNATURE);
    }
}

/* ---- The public key ------------------------------------------------------------------------- */

#define X32 "65eda5a12577c2bae829437fe338701a10aaa375e1bb5b5de108de439c08551d"
#define Y32 "1e52ed75701163f7f9e40ddf9f341b3dc9ba860af7e0ca7ca7e9eecd0084d19c"

struct key_row {
    const char *hex;
    enum pl_code want;
};

static const struct key_row key_rows[] = {
    {"a5010203262001215820" X32 "225820" Y32, PL_E_OK},
    {"a5010203262001215820" X32 "225820" Y32 "00", PL_E_PASSKEY_KEY},
    {"a5010203262001215820" X32 "225820", PL_E_PASSKEY_KEY},
    {"a5010203262001215820" X32 "22f5", PL_E_PASSKEY_KEY}, /* a compressed point */
    {"a5010203262001215820" X32, PL_E_PASSKEY_KEY},
    {"a4010203262001215820" X32, PL_E_PASSKEY_KEY},
    {"a5010203382220012158", PL_E_PASSKEY_KEY},                  /* ES384 */
    {"a5010203272001215820" X32 "225820" Y32, PL_E_PASSKEY_KEY}, /* EdDSA with EC2 */
    {"a5010203262002215820" X32 "225820" Y32, PL_E_PASSKEY_KEY}, /* ES256 on P-384 */
    {"a5010203262008215820" X32 "225820" Y32, PL_E_PASSKEY_KEY}, /* secp256k1 */
    {"a5010203282001215820" X32 "225820" Y32, PL_E_PASSKEY_KEY}, /* ESP256 */
    {"a5032601022001215820" X32 "225820" Y32, PL_E_PASSKEY_KEY}, /* out of order */
    {"a401022001215820" X32 "225820" Y32, PL_E_PASSKEY_KEY},     /* no alg */
    {"a601020241000326200121"
     "5820" X32 "225820" Y32,
     PL_E_PASSKEY_KEY}, /* a kid */
    {"a50102032620012159"
     "0020" X32 "225820" Y32,
     PL_E_PASSKEY_KEY}, /* a long head */
    {"bf010203262001215820" X32 "225820" Y32 "ff", PL_E_PASSKEY_KEY},
    {"a4010103272006215820" X32, PL_E_OK},
    {"a4010103272006215820" X32 "00", PL_E_PASSKEY_KEY},
    {"a4010103272004215820" X32, PL_E_PASSKEY_KEY}, /* X25519 */
    {"a4010103262006215820" X32, PL_E_PASSKEY_KEY}, /* ES256 with OKP */
    {"a4010103322006215820" X32, PL_E_PASSKEY_KEY}, /* Ed25519 by its own id */
    {"a401030339010020", PL_E_PASSKEY_KEY},
    {"a4010303390100205820" X32 "2143010001", PL_E_KEY_FORMAT}, /* 256 bits */
    {"a401030338242041ff2143010001", PL_E_PASSKEY_KEY},         /* PS256 */
    {"a4010303390100206100"
     "2143010001",
     PL_E_PASSKEY_KEY}, /* a text */
    {"", PL_E_PASSKEY_KEY},
    {"a0", PL_E_PASSKEY_KEY},
    {"f6", PL_E_PASSKEY_KEY},
    {"80", PL_E_PASSKEY_KEY},
};

TEST(a_key_has_one_encoding)
{
    uint8_t sha256[32];
    NEED(ready());
    for (size_t i = 0; i < sizeof(key_rows) / sizeof(key_rows[0]); i++)
        test_err(pl_cose_spki(crypto, sha256, test_hex(key_rows[i].hex)), key_rows[i].want,
                 key_rows[i].hex, __FILE_NAME__, __LINE__);
}

/* n of this many bytes whose first is `top`, and e. */
static pl_err rsa_key(size_t n, uint8_t top, uint8_t last, const char *e)
{
    static uint8_t cose[700], number[600];
    uint8_t sha256[32];
    struct pl_wr w = pl_wr_fixed(cose, sizeof(cose));
    memset(number, 0xab, sizeof(number));
    number[0] = top, number[n - 1] = last;
    pl_wr_bytes(&w, test_hex("a40103033901002059"));
    pl_wr_be16(&w, (uint16_t)n);
    pl_wr_bytes(&w, pl_span(number, n));
    pl_wr_bytes(&w, test_hex(e));
    return pl_cose_spki(crypto, sha256, pl_wr_span(&w));
}

#define F4 "2143010001"
TEST(an_rsa_key_is_neither_weak_nor_endless)
{
    NEED(ready());
    CHECK_OK(rsa_key(256, 0x80, 1, F4));
    CHECK_OK(rsa_key(512, 0xff, 1, F4));
    CHECK_OK(rsa_key(257, 0x01, 1, F4));
    CHECK_ERR(rsa_key(256, 0x7f, 1, F4), KEY_FORMAT); /* 2047 bits */
    CHECK_ERR(rsa_key(513, 0x01, 1, F4), KEY_FORMAT); /* 4097 */
    CHECK_ERR(rsa_key(257, 0x00, 1, F4), KEY_FORMAT);
    CHECK_ERR(rsa_key(256, 0x80, 2, F4), KEY_FORMAT); /* even */
    CHECK_ERR(rsa_key(256, 0x80, 1, "214103"), KEY_FORMAT);
    CHECK_ERR(rsa_key(256, 0x80, 1, "214101"), KEY_FORMAT);
    CHECK_ERR(rsa_key(256, 0x80, 1, "2142ffff"), KEY_FORMAT);
    CHECK_ERR(rsa_key(256, 0x80, 1, "2143010000"), KEY_FORMAT);
    CHECK_ERR(rsa_key(256, 0x80, 1, "214400010001"), KEY_FORMAT);
    CHECK_ERR(rsa_key(256, 0x80, 1, "2140"), KEY_FORMAT);
    CHECK_ERR(rsa_key(256, 0x80, 1, "21430100"), PASSKEY_KEY);
    CHECK_ERR(rsa_key(256, 0x80, 1, F4 "00"), PASSKEY_KEY);
    CHECK_ERR(rsa_key(256, 0x80, 1, "2243010001"), PASSKEY_KEY);
    CHECK_ERR(rsa_key(256, 0x80, 1, ""), PASSKEY_KEY);
}

/* The point of another curve is a key that signs nothing. */
TEST(a_point_off_the_curve_signs_nothing)
{
    struct assertion a = fresh(&key[0]);
    struct pl_signer who;
    CHECK_OK(assertion_sign(crypto, &a, &key[0]));
    uint8_t cose[sizeof(key[0].cose)];
    memcpy(cose, key[0].cose, sizeof(cose));
    cose[key[0].cose_n - 1] ^= 1;
    a.proof.public_key = pl_span(cose, key[0].cose_n);
    CHECK_ERR(pl_webauthn_verify(crypto, &who, &a.proof, challenge), KEY_FORMAT);
}

TEST_MAIN()
