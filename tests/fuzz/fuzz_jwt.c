/* Tokens: as they come; or, where the input has a line end, as header and claims in plain text that
 * are encoded here, so that what changes is read. Any signature is good (any_signature.c). A token
 * that is taken says who, in bounds; one that is not says nobody; a token for another statement or
 * another holder is not taken. */
#include "fuzz.h"
#include "policy/jwt.h"

#include <string.h>

static const char issuers[] =
    "[{\"issuer\":\"https://a\",\"audience\":\"b\",\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\","
    "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\",\"kid\":\"d\"},{\"kty\":\"EC\",\"kid\":"
    "\"e\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\",\"y\":"
    "\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}]},{\"issuer\":\"https://c\",\"audience\":"
    "\"b\",\"keys\":[{\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":"
    "\"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0B"
    "m4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5re"
    "xMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFv"
    "UK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ\"}],\"roles_claim\":"
    "\"groups\",\"nonce_claim\":\"act\"}]";

static struct pl_crypto *c;
static struct pl_issuers pinned;

static void setup(void)
{
    struct pl_json j;
    if (c)
        return;
    FUZZ_CHECK(pl_crypto_new(&c) == PL_OK);
    pl_json_init(&j, pl_span_str(issuers));
    pl_issuers_read(&j, c, &pinned);
    FUZZ_CHECK(pl_json_end(&j) == PL_OK);
}

static bool is_nobody(const struct pl_signer *s)
{
    static const struct pl_signer nobody;
    return memcmp(s, &nobody, sizeof(nobody)) == 0;
}

/* Taken by this vault, for this statement or this certificate? */
static bool taken(struct pl_span token, uint8_t vault, uint8_t statement, uint8_t holder)
{
    uint8_t room[PL_TOKEN_TEXT], id[32], said[32], cert[32];
    struct pl_wr text = pl_wr_fixed(room, sizeof(room));
    memset(id, vault, 32), memset(said, statement, 32), memset(cert, holder, 32);
    struct pl_token_binding want = {.statement_sha256 = statement ? said : NULL,
                                    .certificate_sha256 = holder ? cert : NULL,
                                    .vault_id = id,
                                    .text = &text};
    struct pl_signer s;
    pl_err e = pl_jwt_verify(c, &s, &pinned, token, &want, (struct pl_interval){1000, 1100});
    FUZZ_CHECK(pl_err_code(e) != PL_E_BUG && (e == PL_OK) == (s.form == PL_PROOF_OIDC));
    if (e != PL_OK) {
        FUZZ_CHECK(is_nobody(&s));
        return false;
    }
    FUZZ_CHECK(s.sub.n && s.sub.n <= PL_ISSUER_TEXT && s.roles <= PL_SIGNER_ROLES);
    FUZZ_CHECK(s.amrs <= PL_SIGNER_AMR && s.iat_s <= 1100 && (!statement || !s.bare));
    for (size_t i = 0; i < s.roles; i++)
        for (size_t k = 0; k < i; k++)
            FUZZ_CHECK(!pl_span_eq(s.role[i], s.role[k]));
    return !s.bare;
}

static void try_token(struct pl_span token)
{
    FUZZ_CHECK(!(taken(token, 0x33, 0x11, 0) && taken(token, 0x33, 0x12, 0)));
    FUZZ_CHECK(!(taken(token, 0x33, 0, 0x22) && taken(token, 0x33, 0, 0x23)));
    FUZZ_CHECK(!taken(token, 0x33, 0, 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t token[4 * PL_TOKEN_BYTES], sig[64] = {1, 2, 3};
    struct pl_span in = pl_span(data, size);
    const uint8_t *line = size ? memchr(data, '\n', size) : NULL;
    setup();
    if (!line) {
        try_token(in);
        return 0;
    }
    size_t at = (size_t)(line - data);
    struct pl_wr w = pl_wr_fixed(token, sizeof(token));
    pl_wr_b64u(&w, pl_span_sub(in, 0, at));
    pl_wr_u8(&w, '.');
    pl_wr_b64u(&w, pl_span_sub(in, at + 1, size - at - 1));
    pl_wr_u8(&w, '.');
    pl_wr_b64u(&w, PL_ARR(sig));
    if (pl_wr_end(&w) == PL_OK)
        try_token(pl_wr_span(&w));
    return 0;
}
