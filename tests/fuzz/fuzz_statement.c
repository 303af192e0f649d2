/* Carriers of statements and certificates, and grant files: what does not verify is zeroed. */
#include "fuzz.h"
#include "policy/grant.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct pl_crypto *c;
    static struct pl_grant_file file;
    if (!c)
        FUZZ_CHECK(pl_crypto_new(&c) == PL_OK);
    struct pl_statement s;
    struct pl_owner_cert cert;
    pl_err e = pl_statement_verify(c, &s, pl_span(data, size));
    FUZZ_CHECK((e == PL_OK) == (s.typ != PL_TYP_NONE));
    FUZZ_CHECK(e != PL_OK || (s.targets >= 8 && s.exp_s > s.iat_s));
    FUZZ_CHECK(e == PL_OK || pl_span_zero(pl_span(&s, sizeof(s))));
    e = pl_owner_cert_verify(c, &cert, pl_span(data, size));
    FUZZ_CHECK(e == PL_OK || pl_span_zero(pl_span(&cert, sizeof(cert))));
    if (pl_grant_read(c, &file, pl_span(data, size)) == PL_OK)
        FUZZ_CHECK(file.candidates > 0 && file.candidate[0].grant.n > 0);
    return 0;
}
