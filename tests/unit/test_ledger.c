/* The log's bytes: what goes in comes out, and nothing else does. */
#include "test.h"
#include "ledger/ledger.h"

#include <stdlib.h>
#include <string.h>

static uint8_t root[32], vault[32], salt[32]; /* as random as the real ones */
static struct pl_crypto *c;
static uint8_t mem[PL_FRAME_BYTES_MAX], copy[PL_FRAME_BYTES_MAX];

static bool begin(struct pl_epoch *e)
{
    struct pl_log_end none = {0};
    test_fill(root, sizeof(root), 11);
    test_fill(vault, sizeof(vault), 12);
    test_fill(salt, sizeof(salt), 13);
    if (!c && pl_crypto_new(&c) != PL_OK)
        return false;
    struct pl_epoch_start start = {root, vault, salt, &none, 1};
    return CHECK_OK(pl_epoch_begin(c, e, &start));
}

/* One frame of `n` entries with bodies of so many bytes. */
static struct pl_span make(struct pl_epoch *e, size_t n, size_t body_bytes, size_t cap)
{
    struct pl_frame f;
    struct pl_span out = {0};
    uint8_t *body = malloc(body_bytes + 1);
    pl_frame_begin(&f, mem, cap, e->index);
    for (size_t i = 0; i < n; i++) {
        test_fill(body, body_bytes, f.index + i);
        pl_frame_add(&f, PL_ENTRY_CREATE, pl_span(body, body_bytes));
    }
    free(body);
    CHECK_OK(pl_frame_seal(c, e, &f, &out));
    return out;
}

TEST(kinds_have_names)
{
    CHECK(strcmp(pl_entry_name(PL_ENTRY_EXPORT), "EXPORT") == 0);
    CHECK(pl_entry_text(PL_ENTRY_EXPORT) != NULL);
    CHECK(pl_entry_name(0) == NULL && pl_entry_text(0) == NULL && pl_entry_name(65535) == NULL);
}

TEST(frame_round_trip)
{
    struct pl_epoch w, r;
    NEED(begin(&w) && begin(&r));
    for (size_t n = 1; n <= 40; n += 13) {
        struct pl_span frame = make(&w, n, n * 31, 1 << 16);
        CHECK(frame.n % PL_LOG_BLOCK_BYTES == 0);
        struct pl_frame_reader reader;
        struct pl_entry entry;
        uint64_t index = r.index;
        uint8_t *p = copy, body[2048];
        memcpy(p, frame.p, frame.n);
        NEED(CHECK_OK(pl_frame_open(c, &r, &reader, p, frame.n)));
        for (size_t i = 0; i < n; i++) {
            NEED(CHECK(pl_frame_next(&reader, &entry)));
            test_fill(body, n * 31, index + i);
            CHECK(entry.index == index + i && entry.kind == PL_ENTRY_CREATE);
            CHECK_BYTES(entry.body, pl_span(body, n * 31));
        }
        CHECK(!pl_frame_next(&reader, &entry) && entry.kind == PL_ENTRY_NONE);
    }
    CHECK(w.sequence == r.sequence && w.index == r.index);
}

TEST(frame_limits)
{
    struct pl_epoch w, r;
    struct pl_frame_reader reader;
    NEED(begin(&w) && begin(&r));
    struct pl_frame f;
    pl_frame_begin(&f, mem, PL_LOG_BLOCK_BYTES, 0);
    size_t most = PL_LOG_BLOCK_BYTES - PL_FRAME_OVERHEAD - PL_ENTRY_OVERHEAD;
    CHECK(pl_frame_fits(&f, 1, most) && !pl_frame_fits(&f, 1, most + 1));
    CHECK(!pl_frame_fits(&f, SIZE_MAX, SIZE_MAX) && !pl_frame_fits(&f, SIZE_MAX / 6 + 2, 0));
    CHECK(!pl_frame_fits(&f, 2, most));
    struct pl_span frame = make(&w, 1, most, PL_LOG_BLOCK_BYTES);
    CHECK(frame.n == PL_LOG_BLOCK_BYTES);
    CHECK_OK(pl_frame_open(c, &r, &reader, mem, frame.n));
    frame = make(&w, 1, PL_ENTRY_BODY_MAX, PL_FRAME_BYTES_MAX);
    CHECK_OK(pl_frame_open(c, &r, &reader, mem, frame.n));
    CHECK(reader.left == 1);
}

TEST(epoch_ends_at_2_32_frames)
{
    struct pl_epoch w;
    struct pl_span out;
    struct pl_frame f;
    NEED(begin(&w));
    w.sequence = PL_EPOCH_FRAMES_MAX - 1;
    CHECK(make(&w, 1, 1, 4096).n == 4096);
    pl_frame_begin(&f, mem, 4096, w.index);
    pl_frame_add(&f, PL_ENTRY_BOOT, PL_LIT("x"));
    CHECK_ERR(pl_frame_seal(c, &w, &f, &out), EPOCH_FULL);
    CHECK(out.n == 0 && pl_span_zero(pl_span(mem, 4096)));
}

/* Every byte of a frame matters, and every bit of its header. */
TEST(frame_any_flipped_bit)
{
    struct pl_epoch w, r, kept;
    struct pl_frame_reader reader;
    NEED(begin(&w) && begin(&r));
    struct pl_span frame = make(&w, 3, 500, 1 << 16);
    kept = r;
    for (size_t bit = 0; bit < frame.n * 8; bit += bit < 8 * PL_FRAME_HEADER_BYTES ? 1 : 61) {
        memcpy(copy, frame.p, frame.n);
        copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
        pl_err e = pl_frame_open(c, &r, &reader, copy, frame.n);
        NEED(CHECK(pl_err_class(e) == PL_C_CORRUPT));
        NEED(CHECK(reader.left == 0 && memcmp(&kept, &r, sizeof(r)) == 0));
    }
}

TEST(frame_order_and_chain)
{
    struct pl_epoch w, r, first;
    struct pl_frame_reader reader;
    NEED(begin(&w) && begin(&r));
    struct pl_span a = make(&w, 1, 10, 4096);
    memcpy(copy, a.p, a.n);
    first = w;
    struct pl_span b = make(&w, 1, 10, 4096);
    memcpy(copy + 4096, b.p, b.n);
    /* the second of two histories that part after the first frame: same keys, same sequence */
    test_fill(first.tag, sizeof(first.tag), 1);
    struct pl_span other = make(&first, 1, 10, 4096);
    memcpy(copy + 8192, other.p, other.n);

    CHECK_ERR(pl_frame_open(c, &r, &reader, copy + 4096, 4096), FRAME_ORDER);
    NEED(CHECK_OK(pl_frame_open(c, &r, &reader, copy, 4096)));
    CHECK_ERR(pl_frame_open(c, &r, &reader, copy + 8192, 4096), FRAME_CHAIN);
    r.vault_id[0] ^= 1;
    CHECK_ERR(pl_frame_open(c, &r, &reader, copy + 4096, 4096), FRAME_VAULT);
    r.vault_id[0] ^= 1;
    r.index++;
    memcpy(copy + 8192, copy + 4096, 4096);
    CHECK_ERR(pl_frame_open(c, &r, &reader, copy + 8192, 4096), FRAME_ORDER);
    r.index--;
    CHECK_ERR(pl_frame_open(c, &r, &reader, copy + 4096, 8192), FRAME_HEADER);
    CHECK_OK(pl_frame_open(c, &r, &reader, copy + 4096, 4096));
}

/* Entries that open but make no sense: only a broken build writes them, and none may read them. */
TEST(frame_entries_well_formed)
{
    static const char *const bad[] = {
        "000000000000000000000000", /* no entry */
        "000000000000000000000002"
        "00000000"
        "0010", /* fewer than it says (zeros: kind 0) */
        "000000000000000000000001"
        "00000000"
        "0000", /* kind 0 */
        "000000000000000000000001"
        "00000000"
        "ffff", /* a kind of the future */
        "000000000000000000000001"
        "00080001"
        "0010", /* body over the limit */
        "000000000000000000000001"
        "00000000"
        "0010"
        "01", /* bytes after the entries */
        "ffffffffffffffff00000001"
        "00000000"
        "0010", /* index over the limit */
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct pl_epoch w, r;
        struct pl_frame_reader reader;
        NEED(begin(&w) && begin(&r));
        struct pl_span frame = make(&w, 1, 10, 4096), inner = test_hex(bad[i]);
        uint8_t *p = mem + PL_FRAME_HEADER_BYTES, iv[12] = {0};
        NEED(CHECK(frame.n == 4096));
        memset(p, 0, 4096 - PL_FRAME_HEADER_BYTES);
        memcpy(p, inner.p, inner.n);
        NEED(CHECK_OK(pl_gcm_seal(c, p, r.key, iv, pl_span(mem, PL_FRAME_HEADER_BYTES),
                                  pl_span(p, 4096 - PL_FRAME_HEADER_BYTES - 16))));
        CHECK_ERR(pl_frame_open(c, &r, &reader, mem, 4096), FRAME_ENTRIES);
        CHECK(pl_span_zero(pl_span(p, 4096 - PL_FRAME_HEADER_BYTES - 16)));
    }
}

static enum pl_tail tail(const uint8_t *p, size_t n)
{
    enum pl_tail t = PL_TAIL_FRAME;
    CHECK_OK(pl_frame_tail(c, &t, pl_span(p, n), vault));
    return t;
}

/* Every subset of missing sectors that a torn write can leave is torn; nothing else is. */
TEST(tail_torn_exactly)
{
    struct pl_epoch w;
    NEED(begin(&w));
    struct pl_span frame = make(&w, 2, 3000, 1 << 16);
    size_t n = frame.n, sectors = n / 512;
    NEED(CHECK(n == 8192));
    uint8_t *p = copy;
    memset(p, 0, 1 << 18);
    CHECK(tail(p, 1 << 18) == PL_TAIL_END && tail(p, 0) == PL_TAIL_END);
    memcpy(p, frame.p, n);
    CHECK(tail(p, 1 << 18) == PL_TAIL_FRAME && tail(p, n) == PL_TAIL_FRAME);
    for (unsigned missing = 1; missing + 1 < 1u << sectors; missing++) {
        for (size_t s = 0; s < sectors; s++) {
            memcpy(p + s * 512, frame.p + s * 512, 512);
            if (missing >> s & 1)
                memset(p + s * 512, 0, 512);
        }
        NEED(CHECK(tail(p, 1 << 15) == PL_TAIL_TORN));
    }
}

TEST(tail_damage_is_not_torn)
{
    struct pl_epoch w;
    NEED(begin(&w));
    struct pl_span a = make(&w, 2, 3000, 1 << 16);
    uint8_t *p = copy;
    memset(p, 0, 1 << 18);
    memcpy(p, a.p, a.n);
    size_t end = a.n;
    struct pl_span b = make(&w, 1, 3000, 1 << 16);
    memcpy(p + end, b.p, b.n);
    /* a sector of a frame that another follows, its first one too */
    for (size_t at = 0; at < end; at += 512) {
        uint8_t keep[512];
        memcpy(keep, p + at, 512);
        memset(p + at, 0, 512);
        CHECK(tail(p, 1 << 18) == PL_TAIL_DAMAGED);
        memcpy(p + at, keep, 512);
    }
    /* a length that grew by a flipped bit, so that the frame seems to end in zeros */
    for (unsigned bit = 0; bit < 32; bit++) {
        p[end + 56 + bit / 8] ^= (uint8_t)(1 << bit % 8);
        CHECK(tail(p + end, 1 << 17) == PL_TAIL_DAMAGED);
        p[end + 56 + bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    CHECK(tail(p + end, 1 << 17) == PL_TAIL_FRAME);
    /* a frame that its segment cuts off */
    CHECK(tail(p, 4096) == PL_TAIL_DAMAGED);
    /* one bit where nothing was ever written, near and far */
    memset(p, 0, 1 << 18);
    for (size_t at = 0; at < 1 << 18; at += 4095) {
        p[at] = 0x10;
        CHECK(tail(p, 1 << 18) == PL_TAIL_DAMAGED);
        p[at] = 0;
    }
}

TEST(entry_commitment_and_leaf)
{
    struct pl_epoch e, f;
    struct pl_log_end none = {0};
    uint8_t s1[32], s2[32], s3[32], cm[32], leaf[32], want[32];
    NEED(begin(&e));
    struct pl_epoch_start start = {root, vault, root, &none, 1};
    NEED(CHECK_OK(pl_epoch_begin(c, &f, &start)));
    CHECK_OK(pl_entry_salt(c, s1, &e, 0));
    CHECK_OK(pl_entry_salt(c, s2, &e, 1));
    CHECK_OK(pl_entry_salt(c, s3, &f, 0));
    CHECK(memcmp(s1, s2, 32) != 0 && memcmp(s1, s3, 32) != 0);
    struct pl_entry entry = {0, PL_ENTRY_CREATE, PL_LIT("body")};
    CHECK_OK(pl_entry_commitment(c, cm, s1, &entry));
    const struct pl_span parts[] = {PL_ARR(s1), PL_LIT("\x00\x10"), PL_LIT("body")};
    CHECK_OK(pl_sha256(c, want, parts, 3));
    CHECK_BYTES(PL_ARR(cm), PL_ARR(want));
    CHECK_OK(pl_entry_leaf(c, leaf, cm));
    const struct pl_span both[] = {PL_LIT("\x00"), PL_ARR(cm)};
    CHECK_OK(pl_sha256(c, want, both, 2));
    CHECK_BYTES(PL_ARR(leaf), PL_ARR(want));
    entry.kind = PL_ENTRY_EXPORT; /* the kind is committed to */
    CHECK_OK(pl_entry_commitment(c, want, s1, &entry));
    CHECK(memcmp(cm, want, 32) != 0);
}

/* ---- snapshots ------------------------------------------------------------------------------ */

enum { CHUNK = PL_SNAPSHOT_CHUNK, SEALED = PL_SNAPSHOT_CHUNK + 16 };

static const struct pl_snapshot snap = {
    .vault_id = {4, 5, 6}, .at = {.epoch = 3, .sequence = 4, .index = 5, .tag = {6}}, .tree = {7}};

TEST(snapshot_round_trip)
{
    struct pl_epoch e;
    struct pl_snapshot_codec k;
    struct pl_snapshot got;
    NEED(begin(&e));
    uint8_t *plain = malloc(CHUNK), *out = malloc(3 * SEALED), *back = malloc(CHUNK);
    test_fill(plain, CHUNK, 1);
    CHECK_OK(pl_snapshot_begin(c, &k, &snap, root, salt));
    uint8_t header[PL_SNAPSHOT_HEADER_BYTES];
    memcpy(header, k.header, sizeof(header));
    CHECK_OK(pl_snapshot_seal(c, &k, out, pl_span(plain, CHUNK), false));
    CHECK_OK(pl_snapshot_seal(c, &k, out + SEALED, pl_span(plain, CHUNK), false));
    CHECK_OK(pl_snapshot_seal(c, &k, out + 2 * SEALED, pl_span(plain, 9), true));

    CHECK_OK(pl_snapshot_read(c, &k, &got, PL_ARR(header), root));
    CHECK(memcmp(&got, &snap, sizeof(got)) == 0);
    CHECK_OK(pl_snapshot_open(c, &k, back, pl_span(out, SEALED), false));
    CHECK_BYTES(pl_span(back, CHUNK), pl_span(plain, CHUNK));
    /* swapped, repeated, cut off after this chunk, not the last */
    CHECK_ERR(pl_snapshot_open(c, &k, back, pl_span(out, SEALED), false), SNAPSHOT_SEAL);
    CHECK_ERR(pl_snapshot_open(c, &k, back, pl_span(out + SEALED, SEALED), true), SNAPSHOT_SEAL);
    CHECK_ERR(pl_snapshot_open(c, &k, back, pl_span(out + 2 * SEALED, 25), true), SNAPSHOT_SEAL);
    CHECK_OK(pl_snapshot_open(c, &k, back, pl_span(out + SEALED, SEALED), false));
    CHECK_ERR(pl_snapshot_open(c, &k, back, pl_span(out + 2 * SEALED, 25), false), SNAPSHOT_SEAL);
    CHECK_ERR(pl_snapshot_open(c, &k, back, pl_span(out + 2 * SEALED, 15), true), SNAPSHOT_SEAL);
    CHECK_OK(pl_snapshot_open(c, &k, back, pl_span(out + 2 * SEALED, 25), true));
    CHECK(k.done);
    CHECK_ERR(pl_snapshot_open(c, &k, back, pl_span(out + 2 * SEALED, 25), true), SNAPSHOT_SEAL);
    free(plain);
    free(out);
    free(back);
}

TEST(snapshot_any_flipped_bit)
{
    struct pl_epoch e;
    struct pl_snapshot_codec k;
    struct pl_snapshot got;
    NEED(begin(&e));
    uint8_t all[PL_SNAPSHOT_HEADER_BYTES + 300 + 16], back[300], plain[300] = {1};
    CHECK_OK(pl_snapshot_begin(c, &k, &snap, root, salt));
    memcpy(all, k.header, PL_SNAPSHOT_HEADER_BYTES);
    CHECK_OK(pl_snapshot_seal(c, &k, all + PL_SNAPSHOT_HEADER_BYTES, PL_ARR(plain), true));
    for (size_t bit = 0; bit < sizeof(all) * 8; bit++) {
        all[bit / 8] ^= (uint8_t)(1 << bit % 8);
        pl_err err = pl_snapshot_read(c, &k, &got, pl_span(all, PL_SNAPSHOT_HEADER_BYTES), root);
        if (err == PL_OK)
            err = pl_snapshot_open(c, &k, back, pl_span(all + PL_SNAPSHOT_HEADER_BYTES, 316), true);
        NEED(CHECK(pl_err_class(err) == PL_C_CORRUPT));
        all[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    CHECK_ERR(pl_snapshot_read(c, &k, &got, pl_span(all, 143), root), SNAPSHOT_HEADER);
}

/* ---- the sealed root ------------------------------------------------------------------------ */

TEST(root_seal)
{
    struct pl_epoch e;
    NEED(begin(&e));
    uint8_t blob[PL_ROOT_BLOB_BYTES], got[32];
    char who[PL_SEALER_BYTES + 1];
    NEED(CHECK_OK(pl_root_seal(c, blob, root, vault, salt, "sim-sgx")));
    pl_root_sealer(who, PL_ARR(blob));
    CHECK(strcmp(who, "sim-sgx") == 0);
    CHECK_OK(pl_root_open(c, got, PL_ARR(blob), vault));
    CHECK_BYTES(PL_ARR(got), PL_ARR(root));
    CHECK_ERR(pl_root_open(c, got, PL_ARR(blob), root), ROOT_SEAL);
    CHECK(pl_span_zero(PL_ARR(got)));
    CHECK_ERR(pl_root_open(c, got, pl_span(blob, 103), vault), ROOT_FORMAT);
    for (size_t bit = 0; bit < sizeof(blob) * 8; bit++) {
        blob[bit / 8] ^= (uint8_t)(1 << bit % 8);
        pl_err err = pl_root_open(c, got, PL_ARR(blob), vault);
        NEED(CHECK(pl_err_class(err) == PL_C_CORRUPT && pl_span_zero(PL_ARR(got))));
        blob[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    blob[8] = '\n';
    pl_root_sealer(who, PL_ARR(blob));
    CHECK(who[0] == 0);
}

TEST_MAIN()
