/* A snapshot file and a sealed root from any bytes: neither opens, whatever the header says; and
 * what is sealed from these bytes opens to them, at its own place only. */
#include "fuzz.h"

#include "ledger/ledger.h"

#include <stdlib.h>
#include <string.h>

static const uint8_t root[32] = {1}, salt[32] = {2};
static struct pl_crypto *c;

static void found(struct pl_span in)
{
    struct pl_snapshot_codec k;
    struct pl_snapshot info;
    char sealer[PL_SEALER_BYTES + 1];
    uint8_t out[32];
    pl_root_sealer(sealer, in);
    FUZZ_CHECK(strlen(sealer) <= PL_SEALER_BYTES);
    FUZZ_CHECK(pl_err_class(pl_root_open(c, out, in, root)) == PL_C_CORRUPT);
    pl_err e = pl_snapshot_read(c, &k, &info, in, root);
    FUZZ_CHECK(e == PL_OK || pl_err_code(e) == PL_E_SNAPSHOT_HEADER);
    if (e != PL_OK)
        return;
    FUZZ_CHECK(info.at.index > 0 && info.at.epoch > 0);
    struct pl_span rest = pl_span_sub(in, sizeof(k.header), in.n - sizeof(k.header));
    uint8_t *plain = malloc(rest.n + 1);
    FUZZ_CHECK(plain != NULL);
    for (int last = 0; last < 2; last++)
        FUZZ_CHECK(pl_err_code(pl_snapshot_open(c, &k, plain, rest, last)) == PL_E_SNAPSHOT_SEAL);
    FUZZ_CHECK(k.chunk == 0 && !k.done);
    free(plain);
}

static void made(struct pl_span in)
{
    struct pl_snapshot_codec w, r;
    struct pl_snapshot info = {.at = {.epoch = 1, .index = 1 + in.n}}, got;
    size_t n = in.n < PL_SNAPSHOT_CHUNK ? in.n : PL_SNAPSHOT_CHUNK - 1;
    uint8_t *sealed = malloc(n + PL_GCM_TAG_BYTES), *plain = malloc(n + 1);
    FUZZ_CHECK(sealed && plain);
    FUZZ_CHECK(pl_snapshot_begin(c, &w, &info, root, salt) == PL_OK);
    FUZZ_CHECK(pl_snapshot_seal(c, &w, sealed, pl_span(in.p, n), true) == PL_OK);
    FUZZ_CHECK(pl_snapshot_read(c, &r, &got, PL_ARR(w.header), root) == PL_OK);
    struct pl_span all = pl_span(sealed, n + PL_GCM_TAG_BYTES);
    r.chunk = 1;
    FUZZ_CHECK(pl_snapshot_open(c, &r, plain, all, true) != PL_OK);
    r.chunk = 0;
    FUZZ_CHECK(pl_snapshot_open(c, &r, plain, all, true) == PL_OK && r.done);
    FUZZ_CHECK(pl_span_eq(pl_span(plain, n), pl_span(in.p, n)) && got.at.index == 1 + in.n);
    free(sealed);
    free(plain);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!c)
        FUZZ_CHECK(pl_crypto_new(&c) == PL_OK);
    found(pl_span(data, size));
    made(pl_span(data, size));
    return 0;
}
