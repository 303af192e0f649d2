/* Carriers of statements and certificates, and grant files: what does not verify is zeroed. */
#include "fuzz.h"
#include "client/owner_grant.h"

#include <string.h>

/* A statement that holds covers an act when it names it, and none when it does not. */
static void check_covers(struct pl_crypto *c, struct pl_statement *s)
{
    struct pl_act act = {.op = s->op, .params = {.type = PL_KEY_RAW_SHARE}};
    struct pl_interval now = {s->iat_s + 1, s->iat_s + 1};
    const uint8_t *who = s->has_requester ? s->requester : s->signer.authenticator;
    FUZZ_CHECK(pl_request_covers(c, s, &act, who, now) != PL_OK);
    FUZZ_CHECK(pl_target(c, s->target[0], s->typ, s->nonce, &act) == PL_OK);
    FUZZ_CHECK(pl_params_sha256(c, s->params_sha256, act.op, &act.params) == PL_OK);
    pl_err e = pl_request_covers(c, s, &act, who, now);
    FUZZ_CHECK(e != PL_OK || s->typ == PL_TYP_REQUEST);
    bool relayed = memcmp(s->requester, s->signer.authenticator, 32) == 0;
    pl_err other = pl_request_covers(c, s, &act, (const uint8_t[32]){0x55}, now);
    FUZZ_CHECK(other != PL_OK || relayed || s->requester[0] == 0x55);
    FUZZ_CHECK(e == PL_OK || s->typ != PL_TYP_REQUEST || s->exp_s == now.latest_s ||
               pl_err_code(e) == PL_E_STATEMENT_DISPLAY);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct pl_crypto *c;
    static struct pl_grant_file file;
    if (!c)
        FUZZ_CHECK(pl_crypto_new(&c) == PL_OK);
    struct pl_statement s;
    struct pl_owner_cert cert;
    pl_err e = pl_statement_verify(c, &s, pl_span(data, size), NULL);
    FUZZ_CHECK((e == PL_OK) == (s.typ != PL_TYP_NONE));
    FUZZ_CHECK(e != PL_OK || (s.targets >= 8 && s.exp_s > s.iat_s));
    FUZZ_CHECK(e == PL_OK || pl_span_zero(pl_span(&s, sizeof(s))));
    if (e == PL_OK)
        check_covers(c, &s);
    e = pl_owner_cert_verify(c, &cert, pl_span(data, size));
    FUZZ_CHECK(e == PL_OK || pl_span_zero(pl_span(&cert, sizeof(cert))));
    if (pl_grant_read(c, &file, pl_span(data, size)) == PL_OK)
        FUZZ_CHECK(file.candidates > 0 && file.candidate[0].grant.n > 0);
    return 0;
}
