/* The canonical form: what has one is valid JSON of the same meaning (as jansson reads it), is its
 * own canonical form, is never longer than the text, and does not depend on the kind of writer. */
#include "fuzz.h"

#include <jansson.h>

static void check_equal(struct pl_span in, struct pl_span canonical)
{
    size_t flags = JSON_REJECT_DUPLICATES | JSON_DECODE_ANY;
    json_t *a = json_loadb((const char *)in.p, in.n, flags, NULL);
    json_t *b = json_loadb((const char *)canonical.p, canonical.n, flags, NULL);
    FUZZ_CHECK(a && b && json_equal(a, b));
    json_decref(a);
    json_decref(b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pl_span in = pl_span(data, size), raw;
    struct pl_wr w PL_CLEANUP(pl_wr_free) = pl_wr_heap(2 * size + 64);
    struct pl_wr again PL_CLEANUP(pl_wr_free) = pl_wr_heap(2 * size + 64);
    struct pl_json j;
    pl_json_init(&j, in);
    pl_json_raw(&j, &raw);
    pl_err valid = pl_json_end(&j), e = pl_jcs(&w, in);
    if (valid != PL_OK || e != PL_OK) {
        FUZZ_CHECK(e != PL_OK && w.n == 0 && !w.bad);
        return 0;
    }
    FUZZ_CHECK(w.n <= size);
    FUZZ_CHECK(pl_jcs_check(&again, pl_wr_span(&w)) == PL_OK);
    FUZZ_CHECK((pl_jcs_check(&again, in) == PL_OK) == pl_span_eq(pl_wr_span(&w), in));
    uint8_t *room = malloc(2 * size);
    FUZZ_CHECK(room != NULL);
    struct pl_wr fixed = pl_wr_fixed(room, 2 * size);
    FUZZ_CHECK(pl_jcs(&fixed, in) == PL_OK && pl_span_eq(pl_wr_span(&fixed), pl_wr_span(&w)));
    free(room);
    check_equal(in, pl_wr_span(&w));
    return 0;
}
