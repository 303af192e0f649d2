#include "tools/fido2.h"
#include "base/cbor.h"
#include "platform/platform.h"
#include "tools/tool.h"

#include <fido.h>
#include <string.h>

enum { DEVICES = 16, PIN_MAX = 63, TOUCH_MS = 60 * 1000 };

static void free_list(fido_dev_info_t **p) { fido_dev_info_free(p, DEVICES); }
static void free_assert(fido_assert_t **p) { fido_assert_free(p); }
static void free_device(fido_dev_t **p)
{
    if (*p)
        fido_dev_close(*p);
    fido_dev_free(p);
}

/* What libfido2 says, as something that a person can act on. */
static pl_err because(int code)
{
    switch (code) {
    case FIDO_OK:
        return PL_OK;
    case FIDO_ERR_NO_CREDENTIALS:
    case FIDO_ERR_INVALID_CREDENTIAL:
        return PL_FAIL(FIDO2_CREDENTIAL);
    case FIDO_ERR_PIN_INVALID:
    case FIDO_ERR_PIN_BLOCKED:
    case FIDO_ERR_PIN_AUTH_INVALID:
    case FIDO_ERR_PIN_AUTH_BLOCKED:
    case FIDO_ERR_UV_INVALID:
    case FIDO_ERR_UV_BLOCKED:
        return PL_FAIL(FIDO2_PIN);
    case FIDO_ERR_PIN_NOT_SET:
        return PL_FAIL(FIDO2_VERIFY);
    case FIDO_ERR_OPERATION_DENIED:
    case FIDO_ERR_USER_ACTION_TIMEOUT:
    case FIDO_ERR_ACTION_TIMEOUT:
        return PL_FAIL(FIDO2_TOUCH);
    default:
        return PL_FAIL(FIDO2_FAILED);
    }
}

pl_err tool_fido2_client(struct tool_fido2_tap *out, const struct tool_fido2_ask *ask)
{
    struct pl_wr w = pl_wr_fixed(out->client, sizeof(out->client));
    struct pl_jw j = pl_jw(&w);
    pl_jw_open(&j, '{');
    pl_jw_key(&j, "type");
    pl_jw_text(&j, "webauthn.get");
    pl_jw_key(&j, "challenge");
    pl_jw_b64u(&j, PL_ARR(ask->challenge));
    pl_jw_key(&j, "origin");
    pl_jw_text(&j, ask->origin);
    pl_jw_key(&j, "crossOrigin");
    pl_jw_bool(&j, false);
    pl_jw_close(&j, '}');
    out->client_n = w.n;
    return pl_wr_end(&w);
}

/* libfido2 gives authenticator data as a CBOR byte string. */
static pl_err take(struct tool_fido2_tap *out, const fido_assert_t *a)
{
    struct pl_rd r = pl_rd(pl_span(fido_assert_authdata_ptr(a, 0), fido_assert_authdata_len(a, 0)));
    struct pl_span data = pl_cbor_bytes(&r);
    struct pl_span sig = pl_span(fido_assert_sig_ptr(a, 0), fido_assert_sig_len(a, 0));
    PL_REQUIRE(pl_rd_end(&r) == PL_OK && sig.p && data.n <= sizeof(out->data), FIDO2_FAILED);
    PL_REQUIRE(sig.n <= sizeof(out->sig), FIDO2_FAILED);
    memcpy(out->data, data.p, out->data_n = data.n);
    memcpy(out->sig, sig.p, out->sig_n = sig.n);
    return PL_OK;
}

/* With the PIN in locked memory, which is wiped when it is given back. */
static pl_err with_pin(fido_dev_t *device, fido_assert_t *a)
{
    struct pl_locked locked PL_CLEANUP(pl_locked_unmap) = {0};
    size_t n = 0;
    PL_REQUIRE(fido_dev_has_pin(device), FIDO2_VERIFY);
    PL_TRY(pl_locked_map(&locked, PIN_MAX + 1));
    char *pin = (char *)locked.base;
    PL_TRY(tool_prompt(locked.base, PIN_MAX, &n, "PIN of the stick", false));
    pin[n] = 0;
    return because(fido_dev_get_assert(device, a, pin));
}

static pl_err sign_at(struct tool_fido2_tap *out, const char *path,
                      const struct tool_fido2_ask *ask)
{
    fido_dev_t *device PL_CLEANUP(free_device) = fido_dev_new();
    fido_assert_t *a PL_CLEANUP(free_assert) = fido_assert_new();
    PL_REQUIRE(device && a, NO_MEMORY);
    PL_REQUIRE(fido_dev_open(device, path) == FIDO_OK, FIDO2_OPEN);
    fido_dev_set_timeout(device, TOUCH_MS);
    PL_TRY(because(fido_assert_set_clientdata(a, out->client, out->client_n)));
    PL_TRY(because(fido_assert_set_rp(a, ask->rp_id)));
    PL_TRY(because(fido_assert_allow_cred(a, ask->credential_id.p, ask->credential_id.n)));
    bool own = fido_dev_has_uv(device); /* a fingerprint, a PIN pad */
    if (own)
        PL_TRY(because(fido_assert_set_uv(a, FIDO_OPT_TRUE)));
    PL_TRY(own ? because(fido_dev_get_assert(device, a, NULL)) : with_pin(device, a));
    return take(out, a);
}

pl_err tool_fido2_sign(struct tool_fido2_tap *out, const struct tool_fido2_ask *ask)
{
    fido_dev_info_t *list PL_CLEANUP(free_list) = fido_dev_info_new(DEVICES);
    size_t n = 0;
    *out = (struct tool_fido2_tap){0};
    PL_TRY(tool_fido2_client(out, ask));
    fido_init(0);
    if (ask->device)
        return sign_at(out, ask->device, ask);
    PL_REQUIRE(list, NO_MEMORY);
    PL_REQUIRE(fido_dev_info_manifest(list, DEVICES, &n) == FIDO_OK && n > 0, FIDO2_NONE);
    pl_err e = PL_FAIL(FIDO2_NONE);
    for (size_t i = 0; i < n; i++) {
        e = sign_at(out, fido_dev_info_path(fido_dev_info_ptr(list, i)), ask);
        if (pl_err_code(e) != PL_E_FIDO2_CREDENTIAL && pl_err_code(e) != PL_E_FIDO2_OPEN)
            break;
    }
    return e;
}

/* ---- The principal of a policy -------------------------------------------------------------- */

struct person {
    char rp_id[256], origin[256];
    uint8_t credential_id[1024];
    size_t credential_n;
    struct pl_span public_key; /* base64url */
    bool passkey;
};

/* The reader stands at the member's value then, or there is none. */
static bool into(struct pl_json *j, struct pl_span name)
{
    struct pl_span key;
    for (pl_json_object(j); pl_json_key(j, &key); pl_json_skip(j))
        if (pl_span_eq(key, name))
            return true;
    return false;
}

/* The first of the origins; the array has been entered, and has one. */
static void read_first(struct person *out, struct pl_json *j)
{
    pl_json_str(j, out->origin, sizeof(out->origin), 1, NULL);
    while (pl_json_item(j))
        pl_json_skip(j);
}

static void read_person(struct person *out, struct pl_json *j)
{
    struct pl_span key, kind;
    for (pl_json_object(j); pl_json_key(j, &key);) {
        if (pl_span_is(key, "kind"))
            out->passkey = pl_json_plain(j, &kind) && pl_span_is(kind, "passkey");
        else if (pl_span_is(key, "rp_id"))
            pl_json_str(j, out->rp_id, sizeof(out->rp_id), 1, NULL);
        else if (pl_span_is(key, "public_key"))
            pl_json_plain(j, &out->public_key);
        else if (pl_span_is(key, "credential_id"))
            pl_json_b64u(j, out->credential_id, sizeof(out->credential_id), &out->credential_n);
        else if (pl_span_is(key, "origins") && pl_json_array(j) && pl_json_item(j))
            read_first(out, j);
        else
            pl_json_skip(j);
    }
}

static pl_err find_person(struct person *out, struct pl_span policy, const char *principal)
{
    struct pl_json j;
    const char *slash = strchr(principal, '/');
    *out = (struct person){0};
    pl_json_init(&j, policy);
    PL_REQUIRE(slash, FIDO2_PERSON);
    PL_REQUIRE(into(&j, PL_LIT("principals")), FIDO2_PERSON);
    PL_REQUIRE(into(&j, pl_span(principal, (size_t)(slash - principal))), FIDO2_PERSON);
    PL_REQUIRE(into(&j, pl_span_str(slash + 1)), FIDO2_PERSON);
    read_person(out, &j);
    PL_REQUIRE(out->passkey && out->origin[0] && out->public_key.n, FIDO2_PERSON);
    return PL_OK;
}

/* ---- The carrier ---------------------------------------------------------------------------- */

static void put_proof(struct pl_jw *j, const struct tool_fido2_tap *tap, const struct person *who)
{
    pl_jw_open(j, '{');
    pl_jw_key(j, "passkey");
    pl_jw_open(j, '{');
    pl_jw_key(j, "authenticator_data");
    pl_jw_b64u(j, pl_span(tap->data, tap->data_n));
    pl_jw_key(j, "client_data");
    pl_jw_b64u(j, pl_span(tap->client, tap->client_n));
    pl_jw_key(j, "credential_id");
    pl_jw_b64u(j, pl_span(who->credential_id, who->credential_n));
    pl_jw_key(j, "public_key");
    pl_jw_str(j, who->public_key);
    pl_jw_key(j, "signature");
    pl_jw_b64u(j, pl_span(tap->sig, tap->sig_n));
    pl_jw_close(j, '}');
    pl_jw_close(j, '}');
}

pl_err tool_fido2_carrier(struct pl_wr *out, struct pl_span policy, const char *principal,
                          const char *device, struct pl_span statement,
                          const uint8_t statement_sha256[static 32])
{
    struct person who;
    struct tool_fido2_tap tap;
    struct pl_jw j = pl_jw(out);
    PL_TRY(find_person(&who, policy, principal));
    struct tool_fido2_ask ask = {
        who.rp_id, who.origin, pl_span(who.credential_id, who.credential_n), {0}, device};
    memcpy(ask.challenge, statement_sha256, sizeof(ask.challenge));
    PL_TRY(tool_fido2_sign(&tap, &ask));
    pl_jw_open(&j, '{');
    pl_jw_key(&j, "proof");
    put_proof(&j, &tap, &who);
    pl_jw_key(&j, "statement");
    pl_jw_raw(&j, statement);
    pl_jw_close(&j, '}');
    return pl_wr_end(out);
}
