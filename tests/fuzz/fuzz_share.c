/* Share files, Pleiad's and plain ones: what is read is written as the same bytes, and any two of
 * them are combined or refused, never a secret that its check does not hold for. */
#include "fuzz.h"

#include "shamir/shamir.h"

#include <string.h>

static void combine(const struct pl_split *s, const struct pl_share *share, unsigned n)
{
    static struct pl_crypto *c;
    static uint8_t memory[1 << 18] __attribute__((aligned(16)));
    struct pl_arena arena = pl_arena(memory, sizeof(memory));
    struct pl_combined out;
    if (!c)
        FUZZ_CHECK(pl_crypto_new(&c) == PL_OK);
    pl_err e = pl_share_combine(c, &out, s, share, n, &arena);
    FUZZ_CHECK(pl_err_code(e) != PL_E_BUG);
    if (e == PL_OK)
        FUZZ_CHECK(out.secret.n > 0 && out.secret.n <= PL_SECRET_MAX && out.n_wrong < n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pl_split s, other;
    struct pl_share one[2];
    struct pl_span in = pl_span(data, size), half = pl_span(data, size / 2);
    pl_err e = pl_share_parse_plain(&one[0], in);
    FUZZ_CHECK((e == PL_OK) == (size >= 2 && data[0] != 0) && (e == PL_OK) == (one[0].x != 0));
    if (pl_share_parse(&s, &one[0], in) == PL_OK) {
        struct pl_wr w PL_CLEANUP(pl_wr_free) = pl_wr_heap(size);
        FUZZ_CHECK(s.k >= 2 && s.k <= s.n && one[0].x != 0);
        pl_wr_share_head(&w, &s, one[0].x);
        pl_wr_bytes(&w, one[0].y);
        FUZZ_CHECK(pl_span_eq(pl_wr_span(&w), in));
        combine(&s, one, 1);
    } else {
        FUZZ_CHECK(s.k == 0 && one[0].x == 0 && one[0].y.n == 0);
    }
    struct pl_span rest = pl_span_sub(in, half.n, size - half.n);
    if (pl_share_parse(&s, &one[0], half) == PL_OK && /* two of them, one behind the other */
        pl_share_parse(&other, &one[1], rest) == PL_OK)
        combine(&s, one, 2);
    return 0;
}
