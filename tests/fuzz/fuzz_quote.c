/* Quotes: parts lie inside the input and leave nothing over but zeros. */
#include "attest/internal.h"
#include "fuzz.h"

static bool inside(struct pl_span part, struct pl_span whole)
{
    return part.n == 0 || (part.p >= whole.p && part.p + part.n <= whole.p + whole.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pl_span in = pl_span(data, size);
    struct pl_quote q;
    enum pl_tee tee = pl_evidence_tee(in);
    if (pl_quote_parse(&q, in) != PL_OK)
        return 0;
    FUZZ_CHECK(tee == PL_TEE_SGX);
    FUZZ_CHECK(inside(q.report, in) && inside(q.signed_part, in) && inside(q.qe_report, in));
    FUZZ_CHECK(inside(q.qe_auth, in) && inside(q.cert_data, in) && inside(q.qe_sig, in));
    FUZZ_CHECK(q.report.n == PL_REPORT_BYTES && q.qe_report.n == PL_REPORT_BYTES);
    FUZZ_CHECK(q.sig.n == 64 && q.ak.n == 64 && q.qe_sig.n == 64);
    const uint8_t *end = q.cert_data.p + q.cert_data.n;
    FUZZ_CHECK(pl_span_zero(pl_span(end, (size_t)(data + size - end))));
    return 0;
}
