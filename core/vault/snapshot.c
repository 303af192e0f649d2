/* The state as a stream of items, for snapshots: u32 length, u8 tag, body. What the log would give
 * when replayed up to the same entry. */
#include "vault/internal.h"

#include <stdlib.h>
#include <string.h>

enum tag { TAG_NONE = 0, TAG_HEAD, TAG_RECORD, TAG_SPENT, TAG_GRANT, TAG_IDEM, TAG_END };
enum { STREAM_VERSION = 1, ITEM_HEAD = 5 };

struct pl_frozen {
    uint64_t boots;
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

static void put_head(struct pl_wr *w, const struct pl_frozen *f)
{
    pl_wr_u8(w, STREAM_VERSION);
    pl_wr_be64(w, f->boots);
    pl_wr_vec(w, f->config ? f->config->text : pl_span(NULL, 0));
}

static void put_record(struct pl_wr *w, const struct record *r)
{
    const char *type = pl_key_type_word(r->type), *state = pl_state_word(r->state);
    pl_wr_bytes(w, PL_ARR(r->handle));
    pl_wr_vec(w, pl_span_str(type));
    pl_wr_vec(w, pl_span_str(state));
    pl_wr_be64(w, r->version);
    pl_wr_be64(w, r->policy_version);
    pl_wr_vec(w, pl_policy_text(r->policy->policy));
    pl_wr_bytes(w, PL_ARR(r->creator));
    pl_wr_u8(w, (uint8_t)(r->has_subject | r->subject_is_profile << 1));
    pl_wr_bytes(w, PL_ARR(r->subject));
    pl_wr_u8(w, (uint8_t)r->consents);
    pl_wr_bytes(w, pl_span(r->consent, 32 * (size_t)r->consents));
    pl_wr_be64(w, r->generation);
    pl_wr_bytes(w, PL_ARR(r->commitment));
    pl_wr_bytes(w, PL_ARR(r->tag));
    pl_wr_be64(w, (uint64_t)r->created.earliest_s);
    pl_wr_be64(w, (uint64_t)r->created.latest_s);
    pl_wr_be64(w, (uint64_t)r->ends_s);
    pl_wr_be64(w, r->born);
    pl_wr_be64(w, r->last);
    pl_wr_vec(w, pl_span(r->sealed, r->sealed_n));
}

static void put_idem(struct pl_wr *w, const struct idem_value *i)
{
    pl_wr_bytes(w, PL_ARR(i->request));
    pl_wr_bytes(w, PL_ARR(i->caller));
    pl_wr_bytes(w, PL_ARR(i->handle));
    pl_wr_be64(w, i->index);
    pl_wr_be64(w, (uint64_t)i->ends_s);
}

/* One entry of a map, or false at its end. */
static bool put_map(struct pl_wr *w, struct pl_frozen *f)
{
    const struct pl_map *m = f->at == TAG_SPENT   ? &f->spent
                             : f->at == TAG_GRANT ? &f->grants
                                                  : &f->idem;
    const uint8_t *key;
    void *value;
    if (!pl_map_next(m, &f->map_at, &key, &value)) {
        f->map_at = 0;
        return false;
    }
    pl_wr_bytes(w, pl_span(key, PL_MAP_KEY_BYTES));
    if (f->at == TAG_SPENT) {
        pl_wr_be64(w, (uint64_t) * (int64_t *)value);
    } else if (f->at == TAG_GRANT) {
        pl_wr_be64(w, ((struct grant_value *)value)->used);
        pl_wr_be64(w, (uint64_t)((struct grant_value *)value)->exp_s);
    } else {
        put_idem(w, value);
    }
    return true;
}

/* The body of the next item of the kind f->at; false when there is none left of it. */
static bool put_body(struct pl_wr *w, struct pl_frozen *f)
{
    switch (f->at) {
    case TAG_HEAD:
        put_head(w, f);
        return true;
    case TAG_RECORD:
        if (f->next == f->records)
            return false;
        put_record(w, f->record[f->next++]);
        return true;
    case TAG_SPENT:
    case TAG_GRANT:
    case TAG_IDEM:
        return put_map(w, f);
    case TAG_NONE:
    case TAG_END:
        break;
    }
    return true;
}

static pl_err next_item(struct pl_frozen *f)
{
    struct pl_wr *w = &f->item;
    f->given = 0;
    for (;;) {
        w->n = 0;
        pl_wr_be32(w, 0);
        pl_wr_u8(w, (uint8_t)f->at);
        if (put_body(w, f))
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

static pl_err load_head(struct pl_vault *v, struct pl_crypto *c, struct pl_rd *r)
{
    PL_REQUIRE(pl_rd_u8(r) == STREAM_VERSION && !v->config, SNAPSHOT_STATE);
    v->boots = pl_rd_be64(r);
    struct pl_span config = pl_rd_vec(r, PL_CONFIG_BYTES);
    return config.n ? pl_config_load(&v->config, c, config, NULL) : PL_OK;
}

static enum pl_state state_of(struct pl_span word)
{
    for (unsigned s = 1; s < PL_STATE_COUNT; s++)
        if (pl_span_is(word, pl_state_word((enum pl_state)s)))
            return (enum pl_state)s;
    return PL_STATE_NONE;
}

static pl_err fill_record(struct record *r, struct pl_rd *rd)
{
    pl_rd_copy(rd, r->creator, sizeof(r->creator));
    uint8_t flags = pl_rd_u8(rd);
    r->has_subject = flags & 1;
    r->subject_is_profile = flags >> 1 & 1;
    pl_rd_copy(rd, r->subject, sizeof(r->subject));
    r->consents = pl_rd_u8(rd);
    PL_REQUIRE(r->consents <= CONSENTS_MAX && flags <= 3, SNAPSHOT_STATE);
    pl_rd_copy(rd, r->consent[0], 32 * (size_t)r->consents);
    r->generation = pl_rd_be64(rd);
    pl_rd_copy(rd, r->commitment, sizeof(r->commitment));
    pl_rd_copy(rd, r->tag, sizeof(r->tag));
    r->created.earliest_s = (int64_t)pl_rd_be64(rd);
    r->created.latest_s = (int64_t)pl_rd_be64(rd);
    r->ends_s = (int64_t)pl_rd_be64(rd);
    r->born = pl_rd_be64(rd);
    r->last = pl_rd_be64(rd);
    return PL_OK;
}

/* Records come in the order of their birth. On PL_OK the table has r. */
static pl_err place_record(struct pl_vault *v, struct record *r, struct pl_rd *rd)
{
    PL_TRY(fill_record(r, rd));
    struct pl_span sealed = pl_rd_vec(rd, pl_record_sealed_bytes(PL_SHARE_MAX));
    PL_REQUIRE(sealed.n > PL_GCM_TAG_BYTES && pl_rd_end(rd) == PL_OK, SNAPSHOT_STATE);
    memcpy(r->sealed, sealed.p, sealed.n);
    r->sealed_n = sealed.n;
    bool follows = v->order_n == 0 || v->order[v->order_n - 1].born < r->born;
    PL_REQUIRE(follows && !pl_vault_find(v, r->handle), SNAPSHOT_STATE);
    PL_TRY(pl_vault_reserve(v, &(struct change){0}));
    pl_vault_put_record(v, r);
    return PL_OK;
}

static pl_err load_record(struct pl_vault *v, struct pl_crypto *c, struct pl_rd *rd)
{
    /* The sealed bytes are a part of what is left: this is room enough, and little more. */
    struct record *r = calloc(1, sizeof(*r) + pl_rd_left(rd));
    PL_REQUIRE(r, NO_MEMORY);
    r->refs = 1;
    pl_rd_copy(rd, r->handle, sizeof(r->handle));
    r->type = pl_key_type_of(pl_rd_vec(rd, 64));
    r->state = state_of(pl_rd_vec(rd, 64));
    r->version = pl_rd_be64(rd);
    r->policy_version = pl_rd_be64(rd);
    struct pl_span text = pl_rd_vec(rd, PL_POLICY_BYTES);
    bool ok = !rd->bad && r->type != PL_KEY_NONE && r->state != PL_STATE_NONE;
    pl_err e = ok ? pl_policy_ref_load(&r->policy, c, text, NULL) : PL_FAIL(SNAPSHOT_STATE);
    if (e == PL_OK)
        e = place_record(v, r, rd);
    if (e != PL_OK)
        pl_record_put(r);
    return e;
}

static pl_err load_idem(struct pl_vault *v, const uint8_t *key, struct pl_rd *r)
{
    struct idem_value i;
    pl_rd_copy(r, i.request, sizeof(i.request));
    pl_rd_copy(r, i.caller, sizeof(i.caller));
    pl_rd_copy(r, i.handle, sizeof(i.handle));
    i.index = pl_rd_be64(r);
    i.ends_s = (int64_t)pl_rd_be64(r);
    *(struct idem_value *)pl_map_put(&v->idem, key) = i;
    ++*(uint64_t *)pl_map_put(&v->callers, i.caller);
    return PL_OK;
}

static pl_err load_map(struct pl_vault *v, enum tag tag, struct pl_rd *r)
{
    uint8_t key[PL_MAP_KEY_BYTES];
    PL_TRY(pl_vault_reserve(v, &(struct change){.spends = 1}));
    pl_rd_copy(r, key, sizeof(key));
    if (tag == TAG_IDEM)
        return load_idem(v, key, r);
    if (tag == TAG_SPENT) {
        *(int64_t *)pl_map_put(&v->spent, key) = (int64_t)pl_rd_be64(r);
        return PL_OK;
    }
    struct grant_value *g = pl_map_put(&v->grants, key);
    g->used = pl_rd_be64(r);
    g->exp_s = (int64_t)pl_rd_be64(r);
    return PL_OK;
}

static pl_err load_item(struct pl_vault *v, struct pl_crypto *c, enum tag tag, struct pl_span body)
{
    struct pl_rd r = pl_rd(body);
    if (tag == TAG_RECORD)
        return load_record(v, c, &r); /* checks its own end */
    if (tag == TAG_HEAD)
        PL_TRY(load_head(v, c, &r));
    else if (tag == TAG_SPENT || tag == TAG_GRANT || tag == TAG_IDEM)
        PL_TRY(load_map(v, tag, &r));
    else
        PL_REQUIRE(tag == TAG_END, SNAPSHOT_STATE);
    PL_REQUIRE(pl_rd_end(&r) == PL_OK, SNAPSHOT_STATE);
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
