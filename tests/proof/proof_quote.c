/* The quote reader: any bytes, of each length up to MAX. */
#include "attest/internal.h"
#include "proof.h"

enum {
    HEADER = 48,
    SIZE_AT = HEADER + PL_REPORT_BYTES, /* of the signature data */
    DATA = SIZE_AT + 4,
    QE_END = DATA + 64 + 64 + PL_REPORT_BYTES + 64,
    MAX = QE_END + 2 + 6 + 12 + EXTRA, /* the shortest of version 5, and some */
};

static bool inside(struct pl_span part, struct pl_span whole)
{
    return part.n == 0 || (part.p >= whole.p && part.p + part.n <= whole.p + whole.n);
}

/* Bytes exist up to `there` only: what lies between that and n is not looked at. */
static void parse(size_t there, size_t n)
{
    struct pl_quote q;
    struct pl_span in = pl_span(proof_bytes(there), n);
    pl_quote_magic(in);
    if (pl_quote_parse(&q, in) != PL_OK)
        return;
    PROOF_CLAIM(q.report.n == PL_REPORT_BYTES && q.qe_report.n == PL_REPORT_BYTES);
    PROOF_CLAIM(q.sig.n == 64 && q.ak.n == 64 && q.qe_sig.n == 64);
    PROOF_CLAIM(inside(q.report, in) && inside(q.signed_part, in) && inside(q.qe_report, in));
    PROOF_CLAIM(inside(q.qe_auth, in) && inside(q.cert_data, in) && inside(q.qe_sig, in));
}

int main(void)
{
    /* Lengths between which a reader could step too far one by one, those without such a step as
     * one interval. Version 5 has 6 more bytes before the report. */
    static const struct {
        size_t from, to;
        bool one_by_one;
    } lengths[] = {
        {0, HEADER + 6, true},
        {HEADER + 7, SIZE_AT - 1, false},
        {SIZE_AT, DATA + 6, true},
        {DATA + 7, DATA + 127, false},
        {DATA + 128, DATA + 144, true},
        {DATA + 145, QE_END - 1, false},
        {QE_END, MAX, true},
    };
    size_t i = each(sizeof(lengths) / sizeof(*lengths) - 1), more = lengths[i].to - lengths[i].from;
    if (lengths[i].one_by_one) {
        size_t n = lengths[i].from + each(more);
        parse(n, n);
    } else {
        parse(lengths[i].from, lengths[i].from + some(more));
    }
    return 0;
}
