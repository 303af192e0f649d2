/* Statements and their proofs, as a vault judges them:
 *
 *     judge statement        a request, in canonical form
 *     judge verify < CARRIER one line of JSON: the error's name, and who signed
 */
#include "policy/statement.h"

#include <stdio.h>
#include <string.h>

static pl_err make(struct pl_crypto *c)
{
    static const uint8_t requester[32] = {1}, target[1][32] = {{2}};
    static uint8_t fill[PL_STATEMENT_FILL], text[PL_STATEMENT_BYTES];
    struct pl_wr w = pl_wr_fixed(text, sizeof(text));
    struct pl_statement_draft d = {.typ = PL_TYP_REQUEST,
                                   .op = PL_OP_DESCRIBE,
                                   .target = target,
                                   .targets = 1,
                                   .iat_s = 1700000000,
                                   .exp_s = 1700000300,
                                   .requester = requester};
    for (size_t i = 0; i < sizeof(fill); i++)
        fill[i] = (uint8_t)(7 * i + i / 32);
    PL_TRY(pl_statement_build(&w, c, &d, fill));
    printf("%.*s", (int)w.n, (const char *)w.p);
    return PL_OK;
}

static void hex_member(const char *name, struct pl_span bytes)
{
    printf(",\"%s\":\"", name);
    for (size_t i = 0; i < bytes.n; i++)
        printf("%02x", bytes.p[i]);
    printf("\"");
}

static void verify(struct pl_crypto *c)
{
    static struct pl_statement s;
    static uint8_t text[2 * PL_STATEMENT_BYTES];
    size_t n = fread(text, 1, sizeof(text), stdin);
    pl_err e = pl_statement_verify(c, &s, pl_span(text, n), NULL);
    printf("{\"error\":\"%s\",\"form\":%d,\"count\":%u,\"origin\":\"%.*s\"",
           pl_code_name(pl_err_code(e)), (int)s.signer.form, s.signer.sign_count,
           (int)s.signer.origin.n, (const char *)s.signer.origin.p);
    hex_member("authenticator", PL_ARR(s.signer.authenticator));
    hex_member("rp_id_sha256", PL_ARR(s.signer.rp_id_sha256));
    hex_member("credential_id", s.signer.credential_id);
    printf("}\n");
}

int main(int argc, char **argv)
{
    struct pl_crypto *c = NULL;
    if (argc != 2 || pl_crypto_new(&c) != PL_OK)
        return 2;
    bool good = true;
    if (strcmp(argv[1], "statement") == 0)
        good = make(c) == PL_OK;
    else
        verify(c);
    pl_crypto_free(c);
    return good ? 0 : 1;
}
