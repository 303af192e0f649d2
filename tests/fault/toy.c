#include "fault/toy.h"
#include "test.h"

#include <string.h>

enum { FILLER = 70000 }; /* so that a snapshot has more than one chunk */

static void broken(struct toy *t, const char *what) { t->broken = t->broken ? t->broken : what; }

void toy_init(struct toy *t, const struct pl_io *io, const char *path)
{
    *t = (struct toy){.io = io, .path = path, .frame_bytes = 16384, .segment_bytes = 32768};
    t->next_seed = 1;
    test_fill(t->root, 32, 1001);
    test_fill(t->vault_id, 32, 1002);
    test_fill(t->seal_key, 32, 1003);
}

static pl_err entropy(void *ctx, uint8_t *out, size_t n)
{
    struct toy *t = ctx;
    test_fill(out, n, 77777 + t->salts++ * 1000);
    return PL_OK;
}

static size_t length_of(uint64_t seed) { return (size_t)(seed >> 32); }

static void body_of(uint8_t *out, uint64_t seed)
{
    struct pl_wr w = pl_wr_fixed(out, 8);
    pl_wr_be64(&w, seed);
    test_fill(out + 8, length_of(seed), seed);
}

static pl_err on_entry(void *ctx, const struct pl_entry *e)
{
    static uint8_t want[8 + PL_ENTRY_BODY_MAX];
    struct toy *t = ctx;
    struct pl_rd r = pl_rd(e->body);
    uint64_t seed = pl_rd_be64(&r);
    if (e->index != t->count || e->body.n != 8 + length_of(seed) || t->count == TOY_ENTRIES) {
        broken(t, "an entry of another index or length than was appended");
        return PL_FAIL(BUG);
    }
    body_of(want, seed);
    if (memcmp(want, e->body.p, e->body.n) != 0)
        broken(t, "an entry shown that is not whole");
    t->state[t->count++] = seed;
    t->applied++;
    return PL_OK;
}

/* The snapshot's state: FILLER bytes, then the seeds. */
static pl_err on_snapshot(void *ctx, struct pl_span chunk, bool last)
{
    struct toy *t = ctx;
    for (size_t i = 0; i < chunk.n; i++) {
        if (t->skip > 0) {
            t->skip--;
            continue;
        }
        t->part[t->part_n++] = chunk.p[i];
        if (t->part_n < 8)
            continue;
        struct pl_rd r = pl_rd(PL_ARR(t->part));
        t->state[t->count++] = pl_rd_be64(&r);
        t->part_n = 0;
    }
    if (last && (t->part_n || t->skip))
        broken(t, "a snapshot that is not whole");
    return PL_OK;
}

/* Nothing acknowledged is missing, nothing is there that was not appended. What is shown once is
 * shown for ever. */
static void audit(struct toy *t)
{
    if (t->count < t->acked)
        broken(t, "an acknowledged entry is lost");
    if (t->count > t->appended_n)
        broken(t, "an entry that was never appended");
    for (size_t i = 0; i < t->count && i < t->appended_n; i++)
        if (t->state[i] != t->appended[i])
            broken(t, "another entry than was appended at this index");
    t->acked = t->appended_n = t->count;
}

static pl_err root(struct toy *t, enum pl_store_found found)
{
    uint8_t got[32], salt[32];
    if (found == PL_FOUND_NOTHING) {
        if (t->born)
            broken(t, "a vault that exists was taken for a first start");
        PL_TRY(entropy(t, salt, sizeof(salt)));
        PL_TRY(pl_store_root_make(t->dir, t->root, t->seal_key, salt, "toy"));
    }
    PL_TRY(pl_store_root_load(t->dir, got, NULL, t->seal_key));
    if (memcmp(got, t->root, 32) != 0)
        broken(t, "another root key");
    t->born = true;
    return PL_OK;
}

static pl_err up(struct toy *t, struct pl_store_place *out_place)
{
    enum pl_store_found found;
    PL_TRY(pl_store_dir(&t->dir, &found, out_place, t->io, t->path));
    PL_TRY(root(t, found));
    t->arena = pl_arena(t->secrets, sizeof(t->secrets));
    struct pl_store_options o = {.dir = t->dir,
                                 .secrets = &t->arena,
                                 .root = t->root,
                                 .vault_id = t->vault_id,
                                 .entropy = entropy,
                                 .on_snapshot = on_snapshot,
                                 .on_entry = on_entry,
                                 .wake = t->wake,
                                 .ctx = t,
                                 .archived = t->archived,
                                 .frame_bytes = t->frame_bytes,
                                 .segment_bytes = t->segment_bytes};
    t->count = t->applied = t->part_n = 0;
    t->skip = FILLER;
    pl_err e = pl_store_open(&t->store, &t->report, &o);
    *out_place = t->report.place;
    PL_TRY(e);
    if (t->report.entries != t->count)
        broken(t, "the report counts other entries than were shown");
    audit(t);
    return PL_OK;
}

pl_err toy_up(struct toy *t, struct pl_store_place *out_place)
{
    pl_err e = up(t, out_place);
    if (e != PL_OK)
        toy_down(t);
    return e;
}

void toy_down(struct toy *t)
{
    pl_store_close(t->store);
    t->store = NULL;
    pl_store_dir_close(t->dir);
    t->dir = NULL;
}

bool toy_append(struct toy *t, size_t bytes)
{
    static uint8_t body[8 + PL_ENTRY_BODY_MAX];
    uint64_t seed = (uint64_t)bytes << 32 | t->next_seed;
    if (pl_store_room(t->store, 1, 8 + bytes) != PL_OK || t->count == TOY_ENTRIES)
        return false;
    t->next_seed++;
    body_of(body, seed);
    uint64_t index = pl_store_append(t->store, PL_ENTRY_CREATE, pl_span(body, 8 + bytes));
    if (index != t->count)
        broken(t, "append gave another index than the next");
    t->state[t->count++] = t->appended[t->appended_n++] = seed;
    return true;
}

void toy_acknowledge(struct toy *t)
{
    uint64_t durable = pl_store_durable(t->store);
    if (durable < t->acked || durable > t->appended_n)
        broken(t, "the number of durable entries went back, or past the last");
    t->acked = (size_t)durable;
}

void toy_turn(struct toy *t)
{
    pl_store_turn(t->store);
    toy_acknowledge(t);
}

struct pulled {
    const struct toy *t;
    size_t at, end;
};

static pl_err pull(void *ctx, uint8_t *out, size_t cap, size_t *out_n)
{
    struct pulled *p = ctx;
    size_t n = 0;
    for (; n < cap && p->at < p->end; n++, p->at++) {
        size_t i = p->at - FILLER;
        out[n] = p->at < FILLER ? 0x5a : (uint8_t)(p->t->state[i / 8] >> (56 - 8 * (i % 8)));
    }
    *out_n = n;
    return PL_OK;
}

pl_err toy_snapshot(struct toy *t)
{
    static const uint8_t tree[32];
    struct pl_store_mark mark;
    pl_store_mark(t->store, &mark);
    if (pl_store_durable(t->store) < mark.index)
        toy_turn(t);
    if (pl_store_state(t->store) != PL_STORE_RUNNING || pl_store_durable(t->store) < mark.index)
        return PL_FAIL(LOG_LOCKED);
    struct pulled p = {t, 0, FILLER + 8 * mark.index};
    return pl_store_snapshot(t->store, &mark, tree, pull, &p);
}

static void note(struct toy *t, const uint8_t *salt, uint64_t sequence, struct pl_span sealed)
{
    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; i < sealed.n; i++)
        hash = (hash ^ sealed.p[i]) * 1099511628211u;
    for (size_t i = 0; i < t->nonce_n; i++)
        if (memcmp(t->nonces[i].salt, salt, 32) == 0 && t->nonces[i].sequence == sequence) {
            if (t->nonces[i].hash != hash)
                broken(t, "two contents sealed under one key and nonce");
            return;
        }
    PL_ASSERT(t->nonce_n < TOY_NONCES);
    struct toy_nonce *n = &t->nonces[t->nonce_n++];
    memcpy(n->salt, salt, 32);
    n->sequence = sequence;
    n->hash = hash;
}

void toy_look(void *toy, const void *bytes, size_t n)
{
    const uint8_t *p = bytes;
    for (size_t at = 0; at + PL_LOG_BLOCK_BYTES <= n; at += PL_LOG_BLOCK_BYTES) {
        struct pl_rd r = pl_rd(pl_span(p + at, n - at));
        if (!pl_span_eq(pl_rd_bytes(&r, 8), PL_LIT("PLFRAME1")))
            continue;
        pl_rd_bytes(&r, 32 + 8);
        uint64_t sequence = pl_rd_be64(&r);
        uint32_t length = pl_rd_be32(&r);
        struct pl_span salt = pl_rd_bytes(&r, 32);
        if (length <= n - at)
            note(toy, salt.p, sequence, pl_span(p + at, length));
    }
    if (n == PL_SNAPSHOT_HEADER_BYTES && memcmp(p, "PLSNAP01", 8) == 0)
        note(toy, p + 40, 0, pl_span(p, n));
}
