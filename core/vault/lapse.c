/* What time ends. Keys go by an entry in the log, so that a clock set back does not bring them
 * again; what only makes the vault refuse (spent statements) or repeat an answer goes silently. */
#include "vault/internal.h"

#include <string.h>

int64_t pl_ends_after(struct pl_interval now, int64_t s)
{
    int64_t end;
    return __builtin_add_overflow(now.latest_s, s, &end) ? INT64_MAX : end;
}

bool pl_record_lapsed(const struct record *r, struct pl_interval now)
{
    bool ends = r->state == PL_STATE_PREPARED || r->state == PL_STATE_DELETED;
    return ends && now.earliest_s > r->ends_s;
}

static void sweep_spent(struct pl_vault *v, struct pl_interval now)
{
    const uint8_t *key;
    void *value;
    for (int i = 0; i < SWEEP_STEP; i++) {
        if (!pl_map_next(&v->spent, &v->sweep_spent, &key, &value)) {
            v->sweep_spent = 0;
            return;
        }
        if (now.earliest_s > *(int64_t *)value)
            pl_map_remove_at(&v->spent, &v->sweep_spent);
    }
}

static void sweep_grants(struct pl_vault *v, struct pl_interval now)
{
    const uint8_t *key;
    void *value;
    for (int i = 0; i < SWEEP_STEP; i++) {
        if (!pl_map_next(&v->grants, &v->sweep_grants, &key, &value)) {
            v->sweep_grants = 0;
            return;
        }
        if (now.earliest_s > ((struct grant_value *)value)->exp_s)
            pl_map_remove_at(&v->grants, &v->sweep_grants);
    }
}

static void forget_caller(struct pl_vault *v, const uint8_t *caller)
{
    uint64_t *n = pl_map_get(&v->callers, caller);
    if (n && --*n == 0)
        pl_map_remove(&v->callers, caller);
}

static void sweep_idem(struct pl_vault *v, struct pl_interval now)
{
    const uint8_t *key;
    void *value;
    for (int i = 0; i < SWEEP_STEP; i++) {
        if (!pl_map_next(&v->idem, &v->sweep_idem, &key, &value)) {
            v->sweep_idem = 0;
            return;
        }
        struct idem_value *it = value;
        if (now.earliest_s <= it->ends_s)
            continue;
        forget_caller(v, it->caller);
        pl_map_remove_at(&v->idem, &v->sweep_idem);
    }
}

/* Handles of lapsed keys among the next SWEEP_STEP of the order; how many. */
static size_t find_lapsed(struct pl_vault *v, struct pl_interval now, uint8_t *out)
{
    size_t n = 0;
    for (int i = 0; i < SWEEP_STEP && n < LAPSE_MAX && v->sweep_order < v->order_n; i++) {
        const struct record *r = v->order[v->sweep_order++].record;
        if (r && pl_record_lapsed(r, now))
            memcpy(out + PL_HANDLE_BYTES * n++, r->handle, PL_HANDLE_BYTES);
    }
    return n;
}

pl_err pl_vault_lapse(struct pl_vault *v, const struct pl_log *log, struct pl_interval now,
                      bool *out_more)
{
    uint8_t handles[LAPSE_MAX * PL_HANDLE_BYTES], body[sizeof(handles) + 256];
    struct change ch = {.kind = PL_ENTRY_LAPSE, .now = now};
    struct pl_wr w = pl_wr_fixed(body, sizeof(body));
    sweep_spent(v, now);
    sweep_grants(v, now);
    sweep_idem(v, now);
    ch.lapsed = pl_span(handles, find_lapsed(v, now, handles) * PL_HANDLE_BYTES);
    *out_more = v->sweep_order < v->order_n;
    if (!*out_more)
        v->sweep_order = 0;
    if (ch.lapsed.n == 0)
        return PL_OK;
    PL_TRY(pl_change_write(&w, &ch));
    PL_TRY(pl_vault_reserve(v, &ch));
    PL_TRY(log->room(log->ctx, 1, w.n));
    pl_vault_apply(v, &ch, log->append(log->ctx, ch.kind, pl_wr_span(&w)), NULL);
    return PL_OK;
}
