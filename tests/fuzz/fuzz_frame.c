/* A log segment from any bytes. The first byte chooses what the rest is: a segment as found on a
 * disk, or what stands inside a frame, sealed here so that the entries' reader sees it. Nothing
 * opens unless it was sealed; what opens is well formed to the last byte. */
#include "fuzz.h"

#include "ledger/ledger.h"

#include <stdlib.h>
#include <string.h>

static uint8_t root[32], vault[32], salt[32];
static struct pl_crypto *c;

static void begin(struct pl_epoch *e)
{
    struct pl_log_end none = {0};
    if (!c) {
        for (uint8_t i = 0; i < 32; i++) {
            root[i] = i;
            vault[i] = (uint8_t)(i * 7 + 1);
            salt[i] = (uint8_t)(i * 11 + 3);
        }
        FUZZ_CHECK(pl_crypto_new(&c) == PL_OK);
    }
    struct pl_epoch_start start = {root, vault, salt, &none, 1};
    FUZZ_CHECK(pl_epoch_begin(c, e, &start) == PL_OK);
}

static void disk(struct pl_span in)
{
    struct pl_epoch e;
    struct pl_frame_reader r;
    enum pl_tail tail;
    size_t n = (in.n + PL_LOG_BLOCK_BYTES - 1) / PL_LOG_BLOCK_BYTES * PL_LOG_BLOCK_BYTES;
    uint8_t *p = calloc(1, n + 1);
    FUZZ_CHECK(p != NULL);
    if (in.n)
        memcpy(p, in.p, in.n);
    begin(&e);
    FUZZ_CHECK(pl_frame_tail(c, &tail, pl_span(p, n), vault) == PL_OK);
    FUZZ_CHECK((tail == PL_TAIL_END) == pl_span_zero(pl_span(p, n)));
    FUZZ_CHECK(pl_err_class(pl_frame_open(c, &e, &r, p, n)) == PL_C_CORRUPT);
    FUZZ_CHECK(e.sequence == 0 && e.index == 0);
    free(p);
}

/* The entries again, as the reader gave them: the same bytes. */
static void rebuild(struct pl_frame_reader r, struct pl_span inside)
{
    struct pl_entry entry;
    struct pl_wr w PL_CLEANUP(pl_wr_free) = pl_wr_heap(inside.n);
    uint32_t count = r.left;
    pl_wr_be64(&w, r.index);
    pl_wr_be32(&w, count);
    for (uint32_t i = 0; i < count; i++) {
        FUZZ_CHECK(pl_frame_next(&r, &entry) && pl_entry_name(entry.kind));
        pl_wr_be32(&w, (uint32_t)entry.body.n);
        pl_wr_be16(&w, (uint16_t)entry.kind);
        pl_wr_bytes(&w, entry.body);
    }
    FUZZ_CHECK(!pl_frame_next(&r, &entry) && !w.bad);
    pl_wr_zeros(&w, inside.n - w.n);
    FUZZ_CHECK(pl_span_eq(pl_wr_span(&w), inside));
}

static void inside(struct pl_span in)
{
    struct pl_epoch e;
    struct pl_frame f;
    struct pl_span frame;
    struct pl_frame_reader r;
    uint8_t *mem = calloc(1, PL_LOG_BLOCK_BYTES), iv[PL_GCM_IV_BYTES] = {0};
    FUZZ_CHECK(mem != NULL);
    begin(&e);
    pl_frame_begin(&f, mem, PL_LOG_BLOCK_BYTES, 0);
    pl_frame_add(&f, PL_ENTRY_BOOT, pl_span(NULL, 0));
    FUZZ_CHECK(pl_frame_seal(c, &e, &f, &frame) == PL_OK); /* for its header */
    uint8_t *p = mem + PL_FRAME_HEADER_BYTES;
    size_t n = PL_LOG_BLOCK_BYTES - PL_FRAME_HEADER_BYTES - PL_GCM_TAG_BYTES;
    memset(p, 0, n);
    if (in.n)
        memcpy(p, in.p, in.n < n ? in.n : n);
    FUZZ_CHECK(pl_gcm_seal(c, p, e.key, iv, pl_span(mem, PL_FRAME_HEADER_BYTES), pl_span(p, n)) ==
               PL_OK);
    begin(&e);
    e.index = PL_INDEX_ANY;
    pl_err err = pl_frame_open(c, &e, &r, mem, PL_LOG_BLOCK_BYTES);
    if (err == PL_OK)
        rebuild(r, pl_span(p, n));
    else
        FUZZ_CHECK(pl_err_code(err) == PL_E_FRAME_ENTRIES && pl_span_zero(pl_span(p, n)));
    free(mem);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct pl_span rest = pl_span(data + 1, size - 1);
    if (data[0] & 1)
        inside(rest);
    else
        disk(rest);
    return 0;
}
