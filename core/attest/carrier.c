#include "attest/carrier.h"

#include <string.h>

/* ---- making ---- */

/* base64url of {"alg":A,"typ":T}: what the signer's key and the caller say, never what came. */
static void put_header(struct pl_wr *out, enum pl_pub_type key, const char *typ)
{
    char text[64 + PL_CARRIER_TYP_MAX];
    struct pl_wr w = pl_wr_fixed(text, sizeof(text));
    struct pl_jw j = pl_jw(&w);
    PL_ASSERT(strlen(typ) <= PL_CARRIER_TYP_MAX);
    pl_jw_open(&j, '{');
    pl_jw_key(&j, "alg");
    pl_jw_text(&j, key == PL_PUB_ED25519 ? "EdDSA" : "ES256");
    pl_jw_key(&j, "typ");
    pl_jw_text(&j, typ);
    pl_jw_close(&j, '}');
    pl_wr_b64u(out, pl_wr_span(&w));
}

void pl_carrier_input(struct pl_wr *out, enum pl_pub_type key, const char *typ,
                      struct pl_span statement)
{
    put_header(out, key, typ);
    pl_wr_u8(out, '.');
    pl_wr_b64u(out, statement);
}

void pl_carrier_put(struct pl_wr *out, const struct pl_pub *signer, const char *typ,
                    struct pl_span statement, const uint8_t sig[static PL_P256_SIG_BYTES])
{
    uint8_t spki[PL_SPKI_MAX], head[160];
    struct pl_wr header = pl_wr_fixed(head, sizeof(head));
    put_header(&header, signer->type, typ);
    struct pl_jw j = pl_jw(out);
    pl_jw_open(&j, '{');
    pl_jw_key(&j, "proof");
    pl_jw_open(&j, '{');
    pl_jw_key(&j, "jws");
    pl_jw_open(&j, '{');
    pl_jw_key(&j, "protected");
    pl_jw_str(&j, pl_wr_span(&header));
    pl_jw_key(&j, "signature");
    pl_jw_b64u(&j, pl_span(sig, PL_P256_SIG_BYTES));
    pl_jw_close(&j, '}');
    pl_jw_key(&j, "spki");
    pl_jw_b64u(&j, pl_span(spki, pl_pub_to_spki(spki, signer)));
    pl_jw_close(&j, '}');
    pl_jw_key(&j, "statement");
    pl_jw_raw(&j, statement);
    pl_jw_close(&j, '}');
}

pl_err pl_signed_make(struct pl_crypto *c, struct pl_wr *out, const struct pl_priv *key,
                      const char *typ, struct pl_span statement)
{
    uint8_t sig[PL_P256_SIG_BYTES];
    struct pl_pub pub;
    struct pl_wr input PL_CLEANUP(pl_wr_free) = pl_wr_heap(2 * PL_CARRIER_MAX);
    pl_carrier_input(&input, key->type, typ, statement);
    PL_TRY(pl_wr_end(&input));
    PL_TRY(pl_priv_public(c, &pub, key));
    PL_TRY(pl_priv_sign(c, sig, key, pl_wr_span(&input)));
    pl_carrier_put(out, &pub, typ, statement, sig);
    return pl_wr_end(out);
}

/* ---- reading ---- */

/* Where each part of a proof stands: proof.IN.WORD, or proof.WORD. */
static const struct {
    enum pl_carrier_form form;
    const char *in, *word;
} rows[PL_PARTS] = {
    [PL_PART_PROTECTED] = {PL_CARRIER_JWS, "jws", "protected"},
    [PL_PART_SIGNATURE] = {PL_CARRIER_JWS, "jws", "signature"},
    [PL_PART_SPKI] = {PL_CARRIER_JWS, "", "spki"},
    [PL_PART_AUTHENTICATOR] = {PL_CARRIER_PASSKEY, "passkey", "authenticator_data"},
    [PL_PART_CLIENT] = {PL_CARRIER_PASSKEY, "passkey", "client_data"},
    [PL_PART_CREDENTIAL] = {PL_CARRIER_PASSKEY, "passkey", "credential_id"},
    [PL_PART_PUBLIC_KEY] = {PL_CARRIER_PASSKEY, "passkey", "public_key"},
    [PL_PART_ASSERTION] = {PL_CARRIER_PASSKEY, "passkey", "signature"},
    [PL_PART_TOKEN] = {PL_CARRIER_OIDC, "oidc", "token"},
};

/* The members of proof.IN, or with IN "" of proof itself, where the others are objects. */
static void read_parts(struct pl_json *j, const char *in, struct pl_carrier *out)
{
    struct pl_span key;
    for (pl_json_object(j); pl_json_key(j, &key);) {
        const char *inner = NULL;
        size_t i = 0;
        for (; i < PL_PARTS; i++) {
            if (strcmp(rows[i].in, in) == 0 && pl_span_is(key, rows[i].word))
                break;
            if (!*in && *rows[i].in && pl_span_is(key, rows[i].in))
                inner = rows[i].in;
        }
        if (i < PL_PARTS)
            pl_json_plain(j, &out->part[i]);
        else if (inner)
            read_parts(j, inner, out);
        else
            pl_json_refuse(j, PL_FAIL(JSON_UNKNOWN));
    }
}

/* All parts of one form, and none of another. */
static pl_err check_form(struct pl_carrier *out)
{
    for (size_t i = 0; i < PL_PARTS; i++)
        if (out->part[i].p)
            out->form = rows[i].form;
    for (size_t i = 0; i < PL_PARTS; i++)
        PL_REQUIRE((out->part[i].p != NULL) == (rows[i].form == out->form), CARRIER_FORM);
    return PL_OK;
}

static pl_err read_signer(struct pl_crypto *c, struct pl_carrier *out)
{
    uint8_t spki[PL_SPKI_MAX];
    size_t n;
    if (out->form != PL_CARRIER_JWS)
        return PL_OK;
    PL_TRY(pl_unb64u_exact(out->sig, sizeof(out->sig), out->part[PL_PART_SIGNATURE]));
    PL_TRY(pl_unb64u(spki, sizeof(spki), &n, out->part[PL_PART_SPKI]));
    PL_TRY(pl_pub_from_spki(&out->signer, pl_span(spki, n)));
    return pl_sha256_one(c, out->signer_sha256, pl_span(spki, n));
}

/* Only the canonical bytes: a second form of one statement would be a second statement. */
static pl_err check_canonical(struct pl_span statement)
{
    struct pl_wr canon PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_CARRIER_MAX);
    PL_REQUIRE(pl_jcs(&canon, statement) == PL_OK, CARRIER_FORM);
    PL_REQUIRE(pl_span_eq(pl_wr_span(&canon), statement), CARRIER_FORM);
    return PL_OK;
}

pl_err pl_carrier_read(struct pl_crypto *c, struct pl_carrier *out, struct pl_span text)
{
    struct pl_json j;
    struct pl_span key;
    *out = (struct pl_carrier){0};
    PL_REQUIRE(text.n <= PL_CARRIER_MAX, CARRIER_FORM);
    pl_json_init(&j, text);
    for (pl_json_object(&j); pl_json_key(&j, &key);) {
        if (pl_span_is(key, "proof"))
            read_parts(&j, "", out);
        else if (pl_span_is(key, "statement"))
            pl_json_raw(&j, &out->statement);
        else
            pl_json_refuse(&j, PL_FAIL(JSON_UNKNOWN));
    }
    PL_TRY(pl_json_end(&j));
    PL_REQUIRE(out->statement.p, CARRIER_FORM);
    PL_TRY(check_form(out));
    PL_TRY(check_canonical(out->statement));
    return read_signer(c, out);
}

pl_err pl_carrier_verify(struct pl_crypto *c, const struct pl_carrier *carrier, const char *typ)
{
    PL_REQUIRE(carrier->form == PL_CARRIER_JWS, CARRIER_FORM);
    struct pl_wr input PL_CLEANUP(pl_wr_free) = pl_wr_heap(2 * PL_CARRIER_MAX);
    pl_carrier_input(&input, carrier->signer.type, typ, carrier->statement);
    PL_TRY(pl_wr_end(&input));
    size_t header_n = input.n - 1 - PL_B64U_LEN(carrier->statement.n);
    PL_REQUIRE(pl_span_eq(carrier->part[PL_PART_PROTECTED], pl_span(input.p, header_n)),
               CARRIER_TYP);
    return pl_pub_verify(c, &carrier->signer, pl_wr_span(&input), carrier->sig);
}

/* The typ inside must be the one asked for: the header alone could be said of any text. */
static pl_err check_typ(struct pl_span statement, const char *typ)
{
    struct pl_json j;
    struct pl_span key, value = {0};
    pl_json_init(&j, statement);
    for (pl_json_object(&j); pl_json_key(&j, &key);) {
        if (pl_span_is(key, "typ"))
            pl_json_plain(&j, &value);
        else
            pl_json_skip(&j);
    }
    PL_REQUIRE(pl_json_end(&j) == PL_OK, CARRIER_FORM);
    PL_REQUIRE(pl_span_is(value, typ), CARRIER_TYP);
    return PL_OK;
}

pl_err pl_signed_read(struct pl_crypto *c, struct pl_span *out_statement, struct pl_pub *out_signer,
                      const char *typ, struct pl_span carrier)
{
    struct pl_carrier k;
    *out_statement = pl_span(NULL, 0);
    *out_signer = (struct pl_pub){0};
    pl_err e = pl_carrier_read(c, &k, carrier);
    PL_REQUIRE(e == PL_OK || pl_err_code(e) == PL_E_KEY_FORMAT, CARRIER_FORM);
    PL_TRY(e);
    PL_TRY(check_typ(k.statement, typ));
    PL_TRY(pl_carrier_verify(c, &k, typ));
    *out_statement = k.statement;
    *out_signer = k.signer;
    return PL_OK;
}
