#include "ledger/internal.h"

static const char magic[8] = {'P', 'L', 'F', 'R', 'A', 'M', 'E', '1'};

enum {
    CHECK_BYTES = 8,
    CHECKED = PL_FRAME_HEADER_BYTES - PL_GCM_TAG_BYTES - CHECK_BYTES, /* what `check` covers */
    FIRST_ENTRY = PL_FRAME_HEADER_BYTES + 12,
    /* A sector of ciphertext has two zero bytes in the mean, one with a header at most 40 more;
     * over 64 happens by chance once in 10^70. */
    SECTOR_ZEROS_MAX = 64,
};

/* ---- writing -------------------------------------------------------------------------------- */

void pl_frame_begin(struct pl_frame *f, uint8_t *mem, size_t cap, uint64_t index)
{
    PL_ASSERT(cap >= PL_LOG_BLOCK_BYTES && cap % PL_LOG_BLOCK_BYTES == 0 &&
              cap <= PL_FRAME_BYTES_MAX);
    *f = (struct pl_frame){.p = mem, .cap = cap, .n = FIRST_ENTRY, .index = index};
}

bool pl_frame_fits(const struct pl_frame *f, size_t entries, size_t body_bytes)
{
    size_t room = f->cap - f->n - PL_GCM_TAG_BYTES;
    return entries <= room / PL_ENTRY_OVERHEAD && body_bytes <= room - entries * PL_ENTRY_OVERHEAD;
}

uint64_t pl_frame_add(struct pl_frame *f, enum pl_entry_kind kind, struct pl_span body)
{
    PL_ASSERT(pl_entry_name(kind) && body.n <= PL_ENTRY_BODY_MAX && pl_frame_fits(f, 1, body.n));
    struct pl_wr w = pl_wr_fixed(f->p + f->n, f->cap - f->n);
    pl_wr_be32(&w, (uint32_t)body.n);
    pl_wr_be16(&w, (uint16_t)kind);
    pl_wr_bytes(&w, body);
    f->n += w.n;
    return f->index + f->count++;
}

/* The first CHECK_BYTES of SHA-256 over the header's start. */
static pl_err header_check(struct pl_crypto *c, uint8_t out[static CHECK_BYTES], const uint8_t *p)
{
    uint8_t hash[PL_SHA256_BYTES];
    PL_TRY(pl_sha256_one(c, hash, pl_span(p, CHECKED)));
    memcpy(out, hash, CHECK_BYTES);
    return PL_OK;
}

static pl_err put_header(struct pl_crypto *c, const struct pl_epoch *e, uint8_t *p, size_t length)
{
    struct pl_wr w = pl_wr_fixed(p, PL_FRAME_HEADER_BYTES);
    pl_wr_bytes(&w, PL_ARR(magic));
    pl_wr_bytes(&w, PL_ARR(e->vault_id));
    pl_wr_be64(&w, e->number);
    pl_wr_be64(&w, e->sequence);
    pl_wr_be32(&w, (uint32_t)length);
    pl_wr_bytes(&w, PL_ARR(e->salt));
    uint8_t *check = pl_wr_take(&w, CHECK_BYTES);
    PL_TRY(header_check(c, check, p));
    pl_wr_bytes(&w, PL_ARR(e->tag));
    return pl_wr_end(&w);
}

static void nonce_of(uint8_t out[static PL_GCM_IV_BYTES], uint64_t sequence)
{
    memset(out, 0, PL_GCM_IV_BYTES - 8);
    pl_put_be64(out + PL_GCM_IV_BYTES - 8, sequence);
}

static bool has_zero_sector(struct pl_span s)
{
    for (size_t at = 0; at < s.n; at += PL_LOG_SECTOR_BYTES)
        if (pl_span_zero(pl_span_sub(s, at, PL_LOG_SECTOR_BYTES)))
            return true;
    return false;
}

static pl_err seal(struct pl_crypto *c, const struct pl_epoch *e, const struct pl_frame *f,
                   size_t length)
{
    size_t sealed = length - PL_FRAME_HEADER_BYTES - PL_GCM_TAG_BYTES;
    uint8_t *inside = f->p + PL_FRAME_HEADER_BYTES, iv[PL_GCM_IV_BYTES];
    struct pl_wr w = pl_wr_fixed(inside, 12);
    pl_wr_be64(&w, f->index);
    pl_wr_be32(&w, f->count);
    memset(f->p + f->n, 0, length - f->n);
    nonce_of(iv, e->sequence);
    PL_TRY(put_header(c, e, f->p, length));
    PL_TRY(pl_gcm_seal(c, inside, e->key, iv, pl_span(f->p, PL_FRAME_HEADER_BYTES),
                       pl_span(inside, sealed)));
    PL_REQUIRE(!has_zero_sector(pl_span(f->p, length)), FRAME_ZERO_SECTOR);
    return PL_OK;
}

pl_err pl_frame_seal(struct pl_crypto *c, struct pl_epoch *e, struct pl_frame *f,
                     struct pl_span *out_frame)
{
    PL_ASSERT(f->count > 0 && f->index == e->index);
    size_t used = f->n + PL_GCM_TAG_BYTES + PL_LOG_BLOCK_BYTES - 1;
    size_t length = used - used % PL_LOG_BLOCK_BYTES;
    *out_frame = pl_span(NULL, 0);
    pl_err err = e->sequence < PL_EPOCH_FRAMES_MAX ? seal(c, e, f, length) : PL_FAIL(EPOCH_FULL);
    e->sequence++;
    if (err != PL_OK) {
        pl_wipe(f->p, length);
        return err;
    }
    e->index += f->count;
    memcpy(e->tag, f->p + length - PL_GCM_TAG_BYTES, PL_GCM_TAG_BYTES);
    *out_frame = pl_span(f->p, length);
    return PL_OK;
}

/* ---- reading -------------------------------------------------------------------------------- */

pl_err pl_frame_header(struct pl_crypto *c, struct pl_frame_header *out, struct pl_span in)
{
    PL_REQUIRE(in.n >= PL_FRAME_HEADER_BYTES, FRAME_HEADER);
    uint8_t check[CHECK_BYTES];
    PL_TRY(header_check(c, check, in.p));
    struct pl_rd r = pl_rd(pl_span_sub(in, 0, PL_FRAME_HEADER_BYTES));
    struct pl_span got_magic = pl_rd_bytes(&r, sizeof(magic));
    pl_rd_copy(&r, out->vault_id, sizeof(out->vault_id));
    out->epoch = pl_rd_be64(&r);
    out->sequence = pl_rd_be64(&r);
    out->length = pl_rd_be32(&r);
    pl_rd_copy(&r, out->salt, sizeof(out->salt));
    struct pl_span got_check = pl_rd_bytes(&r, CHECK_BYTES);
    pl_rd_copy(&r, out->before, sizeof(out->before));
    PL_REQUIRE(pl_span_eq(got_magic, PL_ARR(magic)) && pl_span_eq(got_check, PL_ARR(check)),
               FRAME_HEADER);
    PL_REQUIRE(out->epoch > 0 && out->sequence < PL_EPOCH_FRAMES_MAX, FRAME_HEADER);
    PL_REQUIRE(out->length >= PL_LOG_BLOCK_BYTES && out->length <= PL_FRAME_BYTES_MAX &&
                   out->length % PL_LOG_BLOCK_BYTES == 0,
               FRAME_HEADER);
    return PL_OK;
}

/* Could this be what an interrupted write left: each sector either not written, so zero, or a whole
 * one of a frame? A flipped bit in unwritten space is neither. */
static bool whole_sectors(struct pl_span s)
{
    for (size_t at = 0; at < s.n; at += PL_LOG_SECTOR_BYTES) {
        unsigned zeros = 0;
        for (size_t i = 0; i < PL_LOG_SECTOR_BYTES; i++)
            zeros += s.p[at + i] == 0;
        if (zeros > SECTOR_ZEROS_MAX && zeros < PL_LOG_SECTOR_BYTES)
            return false;
    }
    return true;
}

/* Does a later frame of this vault begin anywhere in s? Then what stands before it was not the last
 * write. */
static bool frame_begins(struct pl_span s, const uint8_t *vault_id)
{
    for (size_t at = 0; at + PL_LOG_BLOCK_BYTES <= s.n; at += PL_LOG_BLOCK_BYTES)
        if (pl_span_eq(pl_span(s.p + at, sizeof(magic)), PL_ARR(magic)) &&
            memcmp(s.p + at + sizeof(magic), vault_id, PL_VAULT_ID_BYTES) == 0)
            return true;
    return false;
}

/* `span` bytes may belong to the interrupted write; after them nothing may have been written. */
static enum pl_tail torn_or_damaged(struct pl_span rest, size_t span, const uint8_t *vault_id)
{
    struct pl_span one = pl_span_sub(rest, 0, span);
    struct pl_span after = pl_span_sub(rest, span, rest.n - span);
    struct pl_span inner = pl_span_sub(one, PL_LOG_BLOCK_BYTES, span - PL_LOG_BLOCK_BYTES);
    bool torn = pl_span_zero(after) && whole_sectors(one) && !frame_begins(inner, vault_id);
    return torn ? PL_TAIL_TORN : PL_TAIL_DAMAGED;
}

static enum pl_tail headless(struct pl_span rest, const uint8_t *vault_id)
{
    size_t span = rest.n < PL_FRAME_BYTES_MAX ? rest.n : PL_FRAME_BYTES_MAX;
    if (!pl_span_zero(pl_span_sub(rest, 0, PL_LOG_SECTOR_BYTES)))
        return PL_TAIL_DAMAGED; /* something stands here, and it is no header */
    return pl_span_zero(rest) ? PL_TAIL_END : torn_or_damaged(rest, span, vault_id);
}

pl_err pl_frame_tail(struct pl_crypto *c, enum pl_tail *out, struct pl_span rest,
                     const uint8_t vault_id[static PL_VAULT_ID_BYTES])
{
    PL_ASSERT(rest.n % PL_LOG_BLOCK_BYTES == 0);
    struct pl_frame_header h;
    *out = PL_TAIL_END;
    if (rest.n == 0)
        return PL_OK;
    pl_err e = pl_frame_header(c, &h, rest);
    *out = PL_TAIL_DAMAGED;
    if (pl_err_code(e) == PL_E_FRAME_HEADER)
        *out = headless(rest, vault_id);
    else if (e != PL_OK)
        return e;
    else if (h.length > rest.n)
        *out = PL_TAIL_DAMAGED;
    else if (!has_zero_sector(pl_span_sub(rest, 0, h.length)))
        *out = PL_TAIL_FRAME;
    else
        *out = torn_or_damaged(rest, h.length, vault_id);
    return PL_OK;
}

/* Well formed to the last byte: the entries, each of a known kind, then zeros. */
static pl_err check_entries(struct pl_frame_reader *out, struct pl_span inside)
{
    struct pl_rd r = pl_rd(inside);
    uint64_t index = pl_rd_be64(&r);
    uint32_t count = pl_rd_be32(&r);
    *out = (struct pl_frame_reader){.rd = r, .index = index, .left = count};
    PL_REQUIRE(count > 0 && index < PL_INDEX_ANY - count, FRAME_ENTRIES);
    for (uint32_t i = 0; i < count && !r.bad; i++) {
        uint32_t n = pl_rd_be32(&r);
        bool known = pl_entry_name(pl_rd_be16(&r));
        pl_rd_bytes(&r, n);
        PL_REQUIRE(known && n <= PL_ENTRY_BODY_MAX, FRAME_ENTRIES);
    }
    PL_REQUIRE(!r.bad && pl_span_zero(pl_span(r.p, pl_rd_left(&r))), FRAME_ENTRIES);
    return PL_OK;
}

static pl_err open_sealed(struct pl_crypto *c, const struct pl_epoch *e, uint8_t *mem, size_t n)
{
    uint8_t *inside = mem + PL_FRAME_HEADER_BYTES, iv[PL_GCM_IV_BYTES];
    nonce_of(iv, e->sequence);
    pl_err err = pl_gcm_open(c, inside, e->key, iv, pl_span(mem, PL_FRAME_HEADER_BYTES),
                             pl_span(inside, n - PL_FRAME_HEADER_BYTES));
    PL_REQUIRE(pl_err_code(err) != PL_E_DECRYPT, FRAME_SEAL);
    return err;
}

static pl_err follows(const struct pl_epoch *e, const struct pl_frame_header *h, size_t n)
{
    PL_REQUIRE(h->length == n, FRAME_HEADER);
    PL_REQUIRE(pl_span_eq(PL_ARR(h->vault_id), PL_ARR(e->vault_id)), FRAME_VAULT);
    PL_REQUIRE(h->epoch == e->number && h->sequence == e->sequence &&
                   pl_span_eq(PL_ARR(h->salt), PL_ARR(e->salt)),
               FRAME_ORDER);
    PL_REQUIRE(pl_span_eq(PL_ARR(h->before), PL_ARR(e->tag)), FRAME_CHAIN);
    return PL_OK;
}

pl_err pl_frame_open(struct pl_crypto *c, struct pl_epoch *e, struct pl_frame_reader *out,
                     uint8_t *mem, size_t n)
{
    struct pl_frame_header h;
    *out = (struct pl_frame_reader){.rd = pl_rd(pl_span(NULL, 0))};
    PL_TRY(pl_frame_header(c, &h, pl_span(mem, n)));
    PL_TRY(follows(e, &h, n));
    PL_TRY(open_sealed(c, e, mem, n));
    size_t sealed = n - PL_FRAME_HEADER_BYTES - PL_GCM_TAG_BYTES;
    struct pl_frame_reader r;
    pl_err err = check_entries(&r, pl_span(mem + PL_FRAME_HEADER_BYTES, sealed));
    if (err == PL_OK && e->index != PL_INDEX_ANY && e->index != r.index)
        err = PL_FAIL(FRAME_ORDER);
    if (err != PL_OK) {
        pl_wipe(mem + PL_FRAME_HEADER_BYTES, sealed);
        return err;
    }
    e->sequence++;
    e->index = r.index + r.left;
    memcpy(e->tag, mem + n - PL_GCM_TAG_BYTES, PL_GCM_TAG_BYTES);
    *out = r;
    return PL_OK;
}

bool pl_frame_next(struct pl_frame_reader *r, struct pl_entry *out)
{
    *out = (struct pl_entry){.kind = PL_ENTRY_NONE};
    if (r->left == 0)
        return false;
    r->left--;
    uint32_t n = pl_rd_be32(&r->rd);
    out->kind = (enum pl_entry_kind)pl_rd_be16(&r->rd);
    out->body = pl_rd_bytes(&r->rd, n);
    out->index = r->index++;
    return true;
}
