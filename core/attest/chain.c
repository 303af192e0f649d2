#include "attest/x509.h"

pl_err pl_chain_parse(struct pl_cert *cert, uint8_t (*der)[PL_CERT_MAX], size_t n,
                      struct pl_span pem, pl_err length)
{
    PL_REQUIRE(pem.n <= PL_PCK_CHAIN_MAX, X509_SIZE);
    for (size_t i = 0; i < n; i++) {
        size_t got = 0;
        if (pem.n == 0)
            return length;
        PL_TRY(pl_unpem(der[i], PL_CERT_MAX, &got, &pem, "CERTIFICATE"));
        PL_TRY(pl_cert_parse(&cert[i], pl_span(der[i], got), PL_CERT_MAX, NULL, 0));
    }
    return pem.n == 0 ? PL_OK : length;
}

enum pl_tri pl_period_holds(struct pl_interval now, struct pl_period p)
{
    enum pl_tri from = pl_time_reached(now, p.from_s), to = pl_time_before(now, p.to_s);
    if (from == PL_FALSE || to == PL_FALSE)
        return PL_FALSE;
    return from == PL_TRUE && to == PL_TRUE ? PL_TRUE : PL_UNKNOWN;
}

struct pl_period pl_period_both(struct pl_period a, struct pl_period b)
{
    return (struct pl_period){a.from_s > b.from_s ? a.from_s : b.from_s,
                              a.to_s < b.to_s ? a.to_s : b.to_s};
}
