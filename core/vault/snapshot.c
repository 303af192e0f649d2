/* The state as a stream of items, for snapshots: u32 length, u8 tag, body. What the log would give
 * when replayed up to the same entry. */
#include "vault/internal.h"

#include <stdlib.h>
#include <string.h>

enum tag { TAG_NONE = 0, TAG_HEAD, TAG_RECORD, TAG_SPENT, TAG_GRANT, TAG_IDEM, TAG_END };
enum { STREAM_VERSION = 2, ITEM_HEAD = 5 };

struct pl_frozen {
    uint64_t boots;
    int64_t floor_s;
    struct pl_config *config;
    struct record **record;
    size_t records, next;
    struct pl_map spent, grants, idem;
    enum tag at;
    size_t map_at;
    struct pl_wr item; /* being given out */
    size_t given;
};

/* ---- taking ---- */

static void take_records(struct pl_frozen *f, const struct pl_vault *v)
{
    for (size_t i = 0; i < v->order_n; i++)
        if (v->order[i].record) {
            f->record[f->records++] = v->order[i].record;
            pl_record_get(v->order[i].record);
        }
}

pl_err pl_vault_freeze(struct pl_vault *v, struct pl_frozen **out)
{
    struct pl_frozen *f = calloc(1, sizeof(*f));
    *out = NULL;
    PL_REQUIRE(f, NO_MEMORY);
    f->item = pl_wr_heap(SNAPSHOT_ITEM_MAX);
    f->record = calloc(v->records.n + 1, sizeof(*f->record));
    pl_err e = f->record ? PL_OK : PL_FAIL(NO_MEMORY);
    if (e == PL_OK)
        e = pl_map_copy(&f->spent, &v->spent);
    if (e == PL_OK)
        e = pl_map_copy(&f->grants, &v->grants);
    if (e == PL_OK)
        e = pl_map_copy(&f->idem, &v->idem);
    if (e != PL_OK) {
        pl_frozen_free(f);
        return e;
    }
    take_records(f, v);
    f->boots = v->boots;
    f->floor_s = v->floor_s;
    f->config = pl_vault_config(v);
    f->at = TAG_HEAD;
    *out = f;
    return PL_OK;
}

void pl_frozen_free(struct pl_frozen *f)
{
    if (!f)
        return;
    for (size_t i = 0; i < f->records; i++)
        pl_record_put(f->record[i]);
    free(f->record);
    pl_map_free(&f->spent);
    pl_map_free(&f->grants);
    pl_map_free(&f->idem);
    pl_wr_free(&f->item);
    pl_config_put(f->config);
    free(f);
}

/* ---- writing ---- */

/* What an item holds, for both directions. */
static void code_head(struct coder *k, uint64_t *boots, int64_t *floor_s, struct pl_span *config)
{
    uint8_t version = STREAM_VERSION;
    pl_code_u8(k, &version);
    pl_code_need(k, version == STREAM_VERSION);
    pl_code_u64(k, boots);
    pl_code_i64(k, floor_s);
    pl_code_vec(k, config, PL_CONFIG_BYTES);
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

static void put_record(struct coder *k, struct record *r)
{
    pl_wr_vec(k->w, pl_policy_text(r->policy->policy));
    code_record(k, r);
    pl_wr_vec(k->w, pl_span(r->sealed, r->sealed_n));
}

static void code_spent(struct coder *k, void *value) { pl_code_i64(k, value); }

static void code_grant(struct coder *k, void *value)
{
    struct grant_value *g = value;
    pl_code_u64(k, &g->used);
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
    size_t frozen, live;
    void (*code)(struct coder *k, void *value);
} tables[TAG_END] = {
    [TAG_SPENT] = {offsetof(struct pl_frozen, spent), offsetof(struct pl_vault, spent), code_spent},
    [TAG_GRANT] = {offsetof(struct pl_frozen, grants), offsetof(struct pl_vault, grants),
                   code_grant},
    [TAG_IDEM] = {offsetof(struct pl_frozen, idem), offsetof(struct pl_vault, idem), code_idem},
};

/* One entry of a table, or false at its end. */
static bool put_table(struct coder *k, struct pl_frozen *f)
{
    const struct pl_map *m = (const void *)((const uint8_t *)f + tables[f->at].frozen);
    const uint8_t *key;
    void *value;
    if (!pl_map_next(m, &f->map_at, &key, &value)) {
        f->map_at = 0;
        return false;
    }
    pl_wr_bytes(k->w, pl_span(key, PL_MAP_KEY_BYTES));
    tables[f->at].code(k, value);
    return true;
}

/* The body of the next item of the kind f->at; false when there is none left of it. */
static bool put_body(struct coder *k, struct pl_frozen *f)
{
    struct pl_span config = f->config ? f->config->text : pl_span(NULL, 0);
    if (f->at == TAG_HEAD)
        code_head(k, &f->boots, &f->floor_s, &config);
    else if (f->at == TAG_RECORD && f->next == f->records)
        return false;
    else if (f->at == TAG_RECORD)
        put_record(k, f->record[f->next++]);
    else if (f->at != TAG_END)
        return put_table(k, f);
    return true;
}

static pl_err next_item(struct pl_frozen *f)
{
    struct pl_wr *w = &f->item;
    struct coder k = {.w = w};
    f->given = 0;
    for (;;) {
        w->n = 0;
        pl_wr_be32(w, 0);
        pl_wr_u8(w, (uint8_t)f->at);
        if (put_body(&k, f))
            break;
        f->at++;
    }
    PL_TRY(pl_wr_end(w));
    uint32_t n = (uint32_t)(w->n - ITEM_HEAD);
    for (size_t i = 0; i < 4; i++)
        w->p[i] = (uint8_t)(n >> (24 - 8 * i));
    if (f->at == TAG_HEAD)
        f->at = TAG_RECORD;
    else if (f->at == TAG_END)
        f->at = TAG_NONE;
    return PL_OK;
}

pl_err pl_frozen_read(struct pl_frozen *f, uint8_t *out, size_t cap, size_t *out_n)
{
    *out_n = 0;
    while (*out_n < cap) {
        if (f->given == f->item.n) {
            if (f->at == TAG_NONE)
                return PL_OK;
            PL_TRY(next_item(f));
        }
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
    code_head(k, &v->boots, &v->floor_s, &config);
    PL_REQUIRE(!k->r.bad, SNAPSHOT_STATE);
    return config.n ? pl_config_load(&v->config, c, config, NULL) : PL_OK;
}

/* Records come in the order of their birth. On PL_OK the table has r. */
static pl_err place_record(struct pl_vault *v, struct record *r, struct coder *k)
{
    code_record(k, r);
    struct pl_span sealed = pl_rd_vec(&k->r, pl_record_sealed_bytes(PL_SHARE_MAX));
    PL_REQUIRE(sealed.n > PL_GCM_TAG_BYTES && pl_rd_end(&k->r) == PL_OK, SNAPSHOT_STATE);
    memcpy(r->sealed, sealed.p, sealed.n);
    r->sealed_n = sealed.n;
    bool follows = v->order_n == 0 || v->order[v->order_n - 1].born < r->born;
    PL_REQUIRE(follows && !pl_vault_find(v, r->handle), SNAPSHOT_STATE);
    PL_TRY(pl_vault_reserve(v, &(struct change){0}));
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
    PL_TRY(pl_vault_reserve(v, &(struct change){.spends = 1}));
    pl_code_bytes(k, key, sizeof(key));
    void *value = pl_map_put((void *)((uint8_t *)v + tables[tag].live), key);
    tables[tag].code(k, value);
    if (tag == TAG_IDEM)
        ++*(uint64_t *)pl_map_put(&v->callers, ((struct idem_value *)value)->caller);
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
    else
        PL_REQUIRE(tag == TAG_END, SNAPSHOT_STATE);
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
