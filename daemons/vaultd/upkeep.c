/* What is done now and then, by the main thread: lapses, the time for a snapshot, metrics. */
#include "vaultd.h"

#include <string.h>

enum { LAPSE_STEPS = 1024 }; /* each a short hold of the mutex */

static void lapse(struct vaultd *vd)
{
    bool more = true;
    for (int i = 0; i < LAPSE_STEPS && more; i++) {
        pthread_mutex_lock(&vd->mutex);
        pl_err e = pl_vault_lapse(vd->vault, &vd->log, vaultd_now(vd), &more);
        pthread_mutex_unlock(&vd->mutex);
        if (e != PL_OK) {
            if (pl_err_class(e) != PL_C_AGAIN && pl_err_class(e) != PL_C_LOCKED)
                pl_event_error("lapse", NULL, e);
            return;
        }
    }
}

struct snapshot_job {
    struct vaultd *vd;
    struct pl_frozen *state;
    struct pl_store_mark mark;
};
static struct snapshot_job job; /* one at a time, guarded by snapshot_running */

/* What the steps take may be ahead of the disk: the end is given when the disk has it too. */
static pl_err pull(void *ctx, uint8_t *out, size_t cap, size_t *out_n)
{
    struct vaultd *vd = ctx;
    size_t n = 0;
    for (*out_n = 0;; *out_n += n) {
        PL_TRY(pl_frozen_read(job.state, out + *out_n, cap - *out_n, &n));
        if (*out_n + n == cap)
            break;
        pthread_mutex_lock(&vd->mutex);
        bool more = pl_frozen_step(job.state, vd->vault);
        pthread_mutex_unlock(&vd->mutex);
        if (!more)
            PL_TRY(pl_store_wait(vd->store, pl_frozen_until(job.state)));
        if (!more)
            break;
    }
    *out_n += n;
    return PL_OK;
}

static void *write_snapshot(void *arg)
{
    static const uint8_t no_tree[PL_SHA256_BYTES];
    struct vaultd *vd = arg;
    pl_err e = pl_store_snapshot(vd->store, &job.mark, no_tree, pull, vd);
    if (e == PL_OK)
        pl_event(PL_LOG_INFO, "snapshot", "entries", pl_num(job.mark.index), NULL);
    else
        pl_event_error("snapshot", NULL, e);
    pthread_mutex_lock(&vd->mutex);
    pl_frozen_free(job.state);
    pthread_mutex_unlock(&vd->mutex);
    atomic_store(&vd->snapshot_running, false);
    return NULL;
}

static void join_snapshot(struct vaultd *vd)
{
    if (vd->snapshot_joinable)
        pthread_join(vd->snapshot_thread, NULL);
    vd->snapshot_joinable = false;
}

/* Not of a locked vault: its state may hold deletions that its log never will. */
static void snapshot(struct vaultd *vd)
{
    if (atomic_load(&vd->snapshot_running) || pl_store_state(vd->store) == PL_STORE_LOCKED ||
        pl_store_durable(vd->store) < vd->snapshot_at + vd->opt.snapshot_every)
        return;
    join_snapshot(vd);
    pthread_mutex_lock(&vd->mutex);
    pl_err e = pl_vault_freeze(vd->vault, &job.state);
    if (e == PL_OK)
        pl_store_mark(vd->store, &job.mark);
    pthread_mutex_unlock(&vd->mutex);
    if (e != PL_OK) {
        pl_event_error("snapshot", "not enough memory for a copy of the state", e);
        return;
    }
    vd->snapshot_at = job.mark.index;
    atomic_store(&vd->snapshot_running, true);
    vd->snapshot_joinable = pthread_create(&vd->snapshot_thread, NULL, write_snapshot, vd) == 0;
    if (vd->snapshot_joinable)
        return;
    pthread_mutex_lock(&vd->mutex);
    pl_frozen_free(job.state);
    pthread_mutex_unlock(&vd->mutex);
    atomic_store(&vd->snapshot_running, false);
}

/* Once, with the place: only a restart leaves this state, and a person must know. */
static void tell_locked(struct vaultd *vd)
{
    if (!vd->store) /* the start failed before there was one */
        return;
    struct pl_store_place place = {0};
    if (vd->locked_told || pl_store_state(vd->store) != PL_STORE_LOCKED)
        return;
    vd->locked_told = true;
    pl_err e = pl_store_error(vd->store, &place);
    pl_event_error("log-locked", place.os_error ? strerrordesc_np(place.os_error) : place.file, e);
}

void upkeep(struct vaultd *vd)
{
    tell_locked(vd);
    if (!vd->config)
        return;
    snapshot(vd);
    if (pl_clock_mono_ms() < vd->lapse_at_ms)
        return;
    lapse(vd);
    vd->lapse_at_ms = pl_clock_mono_ms() + LAPSE_MS;
}

void upkeep_end(struct vaultd *vd)
{
    join_snapshot(vd);
    tell_locked(vd);
}

static void write_metrics(struct vaultd *vd, struct pl_wr *w)
{
    struct pl_vault_status s;
    struct pl_server_stats n;
    pthread_mutex_lock(&vd->mutex);
    pl_vault_status(vd->vault, &s);
    pthread_mutex_unlock(&vd->mutex);
    pl_server_stats(vd->server, &n);
    const struct {
        const char *name, *kind, *help;
        uint64_t v;
    } rows[] = {
        {"pleiad_keys", "gauge", "keys in any state", s.keys},
        {"pleiad_keys_prepared", "gauge", "keys made but not activated", s.prepared},
        {"pleiad_keys_deleted", "gauge", "keys that are deleted and not yet destroyed", s.deleted},
        {"pleiad_log_entries", "counter", "durable log entries", pl_store_durable(vd->store)},
        {"pleiad_locked", "gauge", "1 when the log cannot be written",
         pl_store_state(vd->store) == PL_STORE_LOCKED},
        {"pleiad_epoch", "counter", "starts of this vault", vd->epoch},
        {"pleiad_turns_total", "counter", "requests on keys", s.turns},
        {"pleiad_refused_total", "counter", "requests refused", s.refused},
        {"pleiad_strangers_total", "counter", "of these, by callers who are no principal",
         s.strangers},
        {"pleiad_sessions_total", "counter", "sessions bound", atomic_load(&vd->sessions)},
        {"pleiad_session_refusals_total", "counter", "sessions refused",
         atomic_load(&vd->session_refusals)},
        {"pleiad_answers_late_total", "counter", "answers whose entry was not durable in time",
         atomic_load(&vd->parked_late)},
        {"pleiad_connections", "gauge", "open connections", n.connections},
        {"pleiad_handshakes_total", "counter", "TLS handshakes that succeeded", n.handshakes},
        {"pleiad_handshake_failures_total", "counter", "TLS handshakes that failed",
         n.handshake_failures},
        {"pleiad_limited_total", "counter", "requests refused by a limit", n.limited},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        pl_metric(w, rows[i].name, rows[i].kind, rows[i].help, rows[i].v);
}

void vaultd_metrics(void *arg, struct pl_wr *w)
{
    struct vaultd *vd = arg;
    pthread_mutex_lock(&vd->page_mutex);
    if (vd->metrics_on)
        write_metrics(vd, w);
    pthread_mutex_unlock(&vd->page_mutex);
}
