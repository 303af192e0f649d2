/* Every message of api.def: the first byte says which, the rest is its text. What is read can be
 * written; what was written reads as the same and is written as the same. The scratch is as large
 * as promised and ends there. */
#include "fuzz.h"

#include "api/internal.h"

#include <string.h>

struct held {
    void *m, *memory;
    struct pl_arena scratch;
};

static struct held hold(enum pl_api_msg kind)
{
    size_t n = pl_api_scratch(kind);
    struct held h = {.m = malloc(pl_api_row(kind)->size), .memory = malloc(n + 1)};
    FUZZ_CHECK(h.m && h.memory);
    h.scratch = pl_arena(h.memory, n);
    return h;
}

static void let_go(struct held *h)
{
    free(h->m);
    free(h->memory);
}

static pl_err try_read(struct held *h, enum pl_api_msg kind, struct pl_span body)
{
    struct pl_api_in in = {.body = body, .scratch = &h->scratch};
    pl_err e = pl_api_read(kind, h->m, &in);
    FUZZ_CHECK(pl_err_code(e) != PL_E_BUG && pl_err_code(e) != PL_E_NO_MEMORY);
    FUZZ_CHECK(e != PL_OK || in.pointer[0] == 0);
    FUZZ_CHECK(e == PL_OK || pl_span_zero(pl_span(h->m, pl_api_row(kind)->size)));
    FUZZ_CHECK(in.pointer[0] == 0 || in.pointer[0] == '/');
    return e;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    enum pl_api_msg kind = (enum pl_api_msg)(1 + data[0] % (PL_API_COUNT - 1));
    struct held first PL_CLEANUP(let_go) = hold(kind);
    if (try_read(&first, kind, pl_span(data + 1, size - 1)) != PL_OK)
        return 0;
    struct held second PL_CLEANUP(let_go) = hold(kind);
    struct pl_wr w PL_CLEANUP(pl_wr_free) = pl_wr_heap(8 * size + 4096);
    struct pl_wr again PL_CLEANUP(pl_wr_free) = pl_wr_heap(8 * size + 4096);
    FUZZ_CHECK(pl_api_write(kind, &w, first.m) == PL_OK);
    FUZZ_CHECK(try_read(&second, kind, pl_wr_span(&w)) == PL_OK);
    FUZZ_CHECK(pl_api_write(kind, &again, second.m) == PL_OK);
    FUZZ_CHECK(pl_span_eq(pl_wr_span(&w), pl_wr_span(&again)));
    return 0;
}
