/* What time ends. Keys go by an entry in the log, so that a clock set back does not bring them
 * again. What is remembered of statements, grants and answers goes once the entry is there that
 * raises the floor of time above it: what ended below the floor is refused for good. */
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

static void forget_caller(struct pl_vault *v, const uint8_t *caller)
{
    uint64_t *n = pl_map_get(&v->callers, caller);
    if (n && --*n == 0)
        pl_map_remove(&v->callers, caller);
}

/* The tables that are swept, and where their values keep the time at which they end. */
enum { SPENT, GRANTS, IDEM, SWEPT };
static const size_t ends_at[SWEPT] = {
    [GRANTS] = offsetof(struct grant_value, exp_s),
    [IDEM] = offsetof(struct idem_value, ends_s),
};

/* The next part of a table: forgets what ended before the floor. True when something there could be
 * forgotten under a floor of `now`. */
static bool sweep(struct pl_vault *v, unsigned table, struct pl_interval now)
{
    struct pl_map *const maps[SWEPT] = {&v->spent, &v->grants, &v->idem};
    size_t at = 0;
    const uint8_t *key;
    void *value;
    bool more = false;
    while (pl_map_next(maps[table], v->sweep_part, &at, &key, &value)) {
        int64_t ends_s;
        memcpy(&ends_s, (uint8_t *)value + ends_at[table], sizeof(ends_s));
        more |= ends_s < now.earliest_s && ends_s >= v->floor_s;
        if (ends_s >= v->floor_s)
            continue;
        if (table == IDEM)
            forget_caller(v, ((struct idem_value *)value)->caller);
        pl_map_remove_at(maps[table], v->sweep_part, &at);
    }
    return more;
}

/* Is there something to forget, and is a higher floor worth an entry of its own? */
static bool sweep_parts(struct pl_vault *v, struct pl_interval now)
{
    bool more = false;
    for (int i = 0; i < SWEEP_PARTS; i++) {
        for (unsigned table = 0; table < SWEPT; table++)
            more |= sweep(v, table, now);
        v->sweep_part = (v->sweep_part + 1) % PL_MAP_PARTS;
    }
    int64_t next;
    bool due = __builtin_add_overflow(v->floor_s, FLOOR_STEP_S, &next) || now.earliest_s >= next;
    return more && due;
}

/* Handles of lapsed keys among the next SWEEP_STEP of the order; how many. */
static size_t find_lapsed(struct pl_vault *v, struct pl_interval now, uint8_t *out)
{
    struct record *r[SWEEP_STEP];
    size_t found = 0, n = pl_order_from(&v->order, r, SWEEP_STEP, v->sweep_order);
    for (size_t i = 0; i < n; i++)
        if (pl_record_lapsed(r[i], now))
            memcpy(out + PL_HANDLE_BYTES * found++, r[i]->handle, PL_HANDLE_BYTES);
    v->sweep_order = n == SWEEP_STEP ? r[n - 1]->born + 1 : 0;
    return found;
}

pl_err pl_vault_lapse(struct pl_vault *v, const struct pl_log *log, struct pl_interval now,
                      bool *out_more)
{
    uint8_t handles[SWEEP_STEP * PL_HANDLE_BYTES], body[sizeof(handles) + 256];
    struct change ch = {.kind = PL_ENTRY_LAPSE, .now = now};
    struct pl_wr w = pl_wr_fixed(body, sizeof(body));
    bool raise = sweep_parts(v, now);
    ch.lapsed = pl_span(handles, find_lapsed(v, now, handles) * PL_HANDLE_BYTES);
    *out_more = v->sweep_part != 0;
    if (ch.lapsed.n == 0 && !raise)
        return PL_OK;
    PL_TRY(pl_change_write(&w, &ch));
    PL_TRY(log->room(log->ctx, 1, w.n));
    pl_vault_apply(v, &ch, log->append(log->ctx, ch.kind, pl_wr_span(&w)), NULL);
    return PL_OK;
}
