/* The state as a stream of items, for snapshots: u32 length, u8 tag, body. It is read in steps
 * while the state goes on changing. A step is short, and what it takes is of one moment; together
 * they hold all that was done when the first began, and some of what was done since, which replay
 * does again: every entry is applied at most once to what it changes. */
#include "vault/internal.h"

#include <stdlib.h>
#include <string.h>

enum tag { TAG_NONE = 0, TAG_HEAD, TAG_RECORD, TAG_SPENT, TAG_GRANT, TAG_IDEM, TAG_END };
enum { STREAM_VERSION = 2, ITEM_HEAD = 5, RECORDS_STEP = 64, PARTS_STEP = 4 };

struct pl_frozen {
    uint64_t boots, applied, until;
    int64_t floor_s;
    struct pl_config *config;
    struct record *record[RECORDS_STEP]; /* counted */
    size_t records, next;
    uint64_t born; /* where the next step takes records */
    size_t part;   /* where it takes entries of a table */
    enum tag at;
    struct pl_wr item; /* being given out */
    size_t given;
};

/* ---- taking ---- */

pl_err pl_vault_freeze(struct pl_vault *v, struct pl_frozen **out)
{
    struct pl_frozen *f = calloc(1, sizeof(*f));
    *out = f;
    PL_REQUIRE(f, NO_MEMORY);
    f->item = pl_wr_heap(16 * SNAPSHOT_ITEM_MAX);
    f->boots = v->boots;
    f->applied = v->applied;
    f->config = pl_vault_config(v);
    f->at = TAG_HEAD;
    return PL_OK;
}

static void put_records(struct pl_frozen *f)
{
    for (size_t i = 0; i < f->records; i++)
        pl_record_put(f->record[i]);
    f->records = f->next = 0;
}

void pl_frozen_free(struct pl_frozen *f)
{
    if (!f)
        return;
    put_records(f);
    pl_wr_free(&f->item);
    pl_config_put(f->config);
    free(f);
}

uint64_t pl_frozen_until(const struct pl_frozen *f) { return f->until; }

/* What an item holds, for both directions. */
static void code_head(struct coder *k, uint64_t *boots, uint64_t *applied, struct pl_span *config)
{
    uint8_t version = STREAM_VERSION;
    pl_code_u8(k, &version);
    pl_code_need(k, version == STREAM_VERSION);
    pl_code_u64(k, boots);
    pl_code_u64(k, applied);
    pl_code_vec(k, config, PL_CONFIG_BYTES);
}

static void code_end(struct coder *k, uint64_t *until, int64_t *floor_s)
{
    pl_code_u64(k, until);
    pl_code_i64(k, floor_s);
}

static const char *state_word(unsigned v) { return pl_state_word((enum pl_state)v); }

/* The policy before the rest, the sealed bytes behind it: the reader needs them so. */
static void code_record(struct coder *k, struct record *r)
{
    unsigned state = pl_code_word(k, r->state, PL_STATE_COUNT, state_word);
    pl_code_need(k, state != PL_STATE_NONE && state < PL_STATE_COUNT);
    if (!k->w)
        r->state = (enum pl_state)state;
    pl_code_bytes(k, r->handle, sizeof(r->handle));
    pl_code_u64(k, &r->version);
    pl_code_u64(k, &r->policy_version);
    pl_code_bytes(k, r->creator, sizeof(r->creator));
    pl_code_birth(k, &r->birth);
    pl_code_interval(k, &r->created);
    pl_code_i64(k, &r->ends_s);
    pl_code_u64(k, &r->born);
    pl_code_u64(k, &r->last);
}

static void code_spent(struct coder *k, void *value) { pl_code_i64(k, value); }

static void code_grant(struct coder *k, void *value)
{
    struct grant_value *g = value;
    pl_code_u64(k, &g->used);
    pl_code_u64(k, &g->last);
    pl_code_i64(k, &g->exp_s);
}

static void code_idem(struct coder *k, void *value)
{
    struct idem_value *i = value;
    pl_code_bytes(k, i->request, sizeof(i->request));
    pl_code_bytes(k, i->caller, sizeof(i->caller));
    pl_code_bytes(k, i->handle, sizeof(i->handle));
    pl_code_u64(k, &i->index);
    pl_code_i64(k, &i->ends_s);
}

/* The tables, and how a value of each is written. */
static const struct {
    size_t at;
    void (*code)(struct coder *k, void *value);
} tables[TAG_END] = {
    [TAG_SPENT] = {offsetof(struct pl_vault, spent), code_spent},
    [TAG_GRANT] = {offsetof(struct pl_vault, grants), code_grant},
    [TAG_IDEM] = {offsetof(struct pl_vault, idem), code_idem},
};

static struct pl_map *table_of(struct pl_vault *v, enum tag tag)
{
    return (void *)((uint8_t *)v + tables[tag].at);
}

/* One item: its length is known behind it. */
static size_t begin_item(struct pl_wr *w, enum tag tag)
{
    pl_wr_be32(w, 0);
    pl_wr_u8(w, (uint8_t)tag);
    return w->n;
}

static void end_item(struct pl_wr *w, size_t from)
{
    size_t n = w->n - from;
    for (size_t i = 0; !w->bad && i < 4; i++)
        w->p[from - ITEM_HEAD + i] = (uint8_t)(n >> (24 - 8 * i));
}

/* The entries of the next parts of a table; false when that was the last. */
static bool take_parts(struct pl_frozen *f, struct pl_vault *v)
{
    const uint8_t *key;
    void *value;
    struct coder k = {.w = &f->item};
    for (int i = 0; i < PARTS_STEP; i++, f->part++) {
        size_t at = 0;
        while (pl_map_next(table_of(v, f->at), f->part, &at, &key, &value)) {
            size_t from = begin_item(&f->item, f->at);
            pl_wr_bytes(&f->item, pl_span(key, PL_MAP_KEY_BYTES));
            tables[f->at].code(&k, value);
            end_item(&f->item, from);
        }
    }
    if (f->part < PL_MAP_PARTS)
        return true;
    f->part = 0;
    return false;
}

/* Records that were there at the first step: later ones are made by replay. */
static bool take_records(struct pl_frozen *f, struct pl_vault *v)
{
    f->records = pl_order_from(&v->order, f->record, RECORDS_STEP, f->born);
    while (f->records && f->record[f->records - 1]->born >= f->applied)
        f->records--;
    for (size_t i = 0; i < f->records; i++)
        pl_record_get(f->record[i]);
    if (f->records == 0)
        return false;
    f->born = f->record[f->records - 1]->born + 1;
    return true;
}

static void take_head(struct pl_frozen *f)
{
    struct coder k = {.w = &f->item};
    struct pl_span config = f->config ? f->config->text : pl_span(NULL, 0);
    size_t from = begin_item(&f->item, TAG_HEAD);
    code_head(&k, &f->boots, &f->applied, &config);
    end_item(&f->item, from);
}

static void take_end(struct pl_frozen *f, const struct pl_vault *v)
{
    struct coder k = {.w = &f->item};
    size_t from = begin_item(&f->item, TAG_END);
    f->until = v->applied;
    f->floor_s = v->floor_s;
    code_end(&k, &f->until, &f->floor_s);
    end_item(&f->item, from);
}

bool pl_frozen_step(struct pl_frozen *f, struct pl_vault *v)
{
    put_records(f);
    f->item.n = f->given = 0;
    bool more = false;
    if (f->at == TAG_NONE)
        return false;
    if (f->at == TAG_HEAD)
        take_head(f);
    else if (f->at == TAG_RECORD)
        more = take_records(f, v);
    else if (f->at == TAG_END)
        take_end(f, v);
    else
        more = take_parts(f, v);
    f->at = more ? f->at : f->at == TAG_END ? TAG_NONE : f->at + 1;
    return true;
}

/* ---- writing ---- */

/* A record taken before becomes bytes here, without the lock. */
static bool next_record(struct pl_frozen *f)
{
    struct coder k = {.w = &f->item};
    if (f->next == f->records)
        return false;
    struct record *r = f->record[f->next++];
    f->item.n = f->given = 0;
    size_t from = begin_item(&f->item, TAG_RECORD);
    pl_wr_vec(&f->item, pl_policy_text(r->policy->policy));
    code_record(&k, r);
    pl_wr_vec(&f->item, pl_span(r->sealed, r->sealed_n));
    end_item(&f->item, from);
    return true;
}

pl_err pl_frozen_read(struct pl_frozen *f, uint8_t *out, size_t cap, size_t *out_n)
{
    *out_n = 0;
    while (*out_n < cap) {
        if (f->given == f->item.n && !next_record(f))
            return pl_wr_end(&f->item);
        PL_TRY(pl_wr_end(&f->item));
        size_t left = f->item.n - f->given, room = cap - *out_n, n = left < room ? left : room;
        memcpy(out + *out_n, f->item.p + f->given, n);
        f->given += n;
        *out_n += n;
    }
    return PL_OK;
}

/* ---- loading ---- */

static pl_err load_head(struct pl_vault *v, struct pl_crypto *c, struct coder *k)
{
    struct pl_span config;
    PL_REQUIRE(!v->config, SNAPSHOT_STATE);
    code_head(k, &v->boots, &v->applied, &config);
    PL_REQUIRE(!k->r.bad, SNAPSHOT_STATE);
    return config.n ? pl_config_load(&v->config, c, config, NULL) : PL_OK;
}

/* Records come in the order of their birth, none from behind the head: the next snapshot would
 * leave it out. On PL_OK the table has r. */
static pl_err place_record(struct pl_vault *v, struct record *r, struct coder *k)
{
    code_record(k, r);
    struct pl_span sealed = pl_rd_vec(&k->r, pl_record_sealed_bytes(PL_SHARE_MAX));
    PL_REQUIRE(sealed.n > PL_GCM_TAG_BYTES && pl_rd_end(&k->r) == PL_OK, SNAPSHOT_STATE);
    memcpy(r->sealed, sealed.p, sealed.n);
    r->sealed_n = sealed.n;
    struct record *later;
    bool follows = r->born < v->applied && pl_order_from(&v->order, &later, 1, r->born) == 0;
    PL_REQUIRE(follows && !pl_vault_find(v, r->handle), SNAPSHOT_STATE);
    PL_TRY(pl_vault_reserve(v, &(struct change){0}, r));
    pl_vault_put_record(v, r);
    return PL_OK;
}

static pl_err load_record(struct pl_vault *v, struct pl_crypto *c, struct coder *k)
{
    struct pl_span text = pl_rd_vec(&k->r, PL_POLICY_BYTES);
    PL_REQUIRE(!k->r.bad, SNAPSHOT_STATE);
    /* The sealed bytes are a part of what is left: this is room enough, and little more. */
    struct record *r = calloc(1, sizeof(*r) + pl_rd_left(&k->r));
    PL_REQUIRE(r, NO_MEMORY);
    r->refs = 1;
    pl_err e = pl_vault_policy_of(v, &r->policy, c, text);
    if (e == PL_OK)
        e = place_record(v, r, k);
    if (e != PL_OK)
        pl_record_put(r);
    return e;
}

static pl_err load_table(struct pl_vault *v, enum tag tag, struct coder *k)
{
    uint8_t key[PL_MAP_KEY_BYTES];
    pl_code_bytes(k, key, sizeof(key));
    PL_TRY(pl_map_reserve(table_of(v, tag), key, 0));
    void *value = pl_map_put(table_of(v, tag), key);
    tables[tag].code(k, value);
    if (tag != TAG_IDEM)
        return PL_OK;
    const uint8_t *caller = ((struct idem_value *)value)->caller;
    PL_TRY(pl_map_reserve(&v->callers, caller, 0));
    ++*(uint64_t *)pl_map_put(&v->callers, caller);
    return PL_OK;
}

static pl_err load_item(struct pl_vault *v, struct pl_crypto *c, enum tag tag, struct pl_span body)
{
    struct coder k = {.r = pl_rd(body)};
    if (tag == TAG_RECORD)
        return load_record(v, c, &k); /* checks its own end */
    if (tag == TAG_HEAD)
        PL_TRY(load_head(v, c, &k));
    else if (tag > TAG_RECORD && tag < TAG_END)
        PL_TRY(load_table(v, tag, &k));
    else if (tag == TAG_END)
        code_end(&k, &v->until, &v->floor_s);
    else
        return PL_FAIL(SNAPSHOT_STATE);
    PL_REQUIRE(pl_rd_end(&k.r) == PL_OK, SNAPSHOT_STATE);
    return PL_OK;
}

/* Items may be cut anywhere between two chunks: what is incomplete waits in v->loading. */
pl_err pl_vault_load(struct pl_vault *v, struct pl_crypto *c, struct pl_span chunk, bool last)
{
    bool ended = false;
    pl_wr_bytes(&v->loading, chunk);
    PL_TRY(pl_wr_end(&v->loading));
    struct pl_rd all = pl_rd(pl_wr_span(&v->loading));
    while (pl_rd_left(&all) >= ITEM_HEAD) {
        struct pl_rd item = all;
        uint32_t n = pl_rd_be32(&item);
        enum tag tag = (enum tag)pl_rd_u8(&item);
        PL_REQUIRE(n <= SNAPSHOT_ITEM_MAX - ITEM_HEAD && !ended, SNAPSHOT_STATE);
        if (n > pl_rd_left(&item))
            break;
        PL_TRY(load_item(v, c, tag, pl_rd_bytes(&item, n)));
        ended = tag == TAG_END;
        all = item;
    }
    size_t left = pl_rd_left(&all);
    if (left > 0)
        memmove(v->loading.p, all.p, left);
    v->loading.n = left;
    PL_REQUIRE(!last || (ended && left == 0), SNAPSHOT_STATE);
    return PL_OK;
}
