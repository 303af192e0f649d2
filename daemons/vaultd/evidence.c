/* The evidence thread: it alone talks to the TEE once the vault runs. Whatever waits when it turns
 * becomes leaves of one tree under one quote, so a device that takes half a second still serves
 * thousands of sessions. It renews the leaf certificate twice in its life. */
#include "vaultd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LEAF_DER_MAX = PL_RATLS_MAX };

/* ---- the leaf ---- */

struct making {
    struct pl_priv key; /* in locked memory */
    struct pl_pub pub;
    uint8_t spki[PL_SPKI_MAX], spki_sha256[32];
    size_t spki_n;
    struct pl_period valid;
};

static pl_err make_key(struct vaultd *vd, struct pl_crypto *c, struct making *m)
{
    uint8_t seed[PL_P256_SEED_BYTES];
    pl_err e = pl_entropy(seed, sizeof(seed));
    m->key.type = m->pub.type = PL_PUB_P256;
    if (e == PL_OK)
        e = pl_p256_make(c, m->key.raw, m->pub.raw, seed);
    pl_wipe(seed, sizeof(seed));
    PL_TRY(e);
    m->spki_n = pl_pub_to_spki(m->spki, &m->pub);
    struct pl_interval now = vaultd_now(vd);
    PL_REQUIRE(now.latest_s < INT64_MAX, CLOCK);
    int64_t mid = now.earliest_s + (now.latest_s - now.earliest_s) / 2;
    m->valid.from_s = mid - LEAF_BACKDATE_S;
    m->valid.to_s = m->valid.from_s + LEAF_LIFE_S - 1;
    return pl_sha256_one(c, m->spki_sha256, pl_span(m->spki, m->spki_n));
}

/* What the hardware signs with the key: configuration, vault, epoch, life. */
static pl_err put_claims(struct vaultd *vd, const struct making *m, struct pl_wr *w)
{
    struct pl_pleiad_claims p = {
        .epoch = vd->epoch, .not_before_s = m->valid.from_s, .not_after_s = m->valid.to_s};
    memcpy(p.config_root, vd->config_root, sizeof(p.config_root));
    memcpy(p.vault_id, vd->self.vault_id, sizeof(p.vault_id));
    pl_ratls_claims(w, m->spki_sha256, &p);
    return pl_wr_end(w);
}

static pl_err put_extensions(struct vaultd *vd, struct pl_crypto *c, const struct making *m,
                             struct pl_span claims, struct pl_wr *w)
{
    uint8_t report_data[PL_REPORT_DATA_BYTES];
    struct pl_wr quote PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_TEE_EVIDENCE_MAX);
    struct pl_wr proof PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_LEAF_PROOF_BYTES);
    const struct pl_leaf leaf = {.epoch = vd->epoch, .not_after_s = m->valid.to_s};
    struct pl_leaf full = leaf;
    memcpy(full.spki_sha256, m->spki_sha256, sizeof(full.spki_sha256));
    PL_TRY(pl_ratls_report_data(c, report_data, claims));
    PL_TRY(pl_tee_evidence(vd->tee, &quote, report_data, QUOTE_TIMEOUT_MS));
    PL_TRY(pl_leaf_proof_make(c, &proof, pl_wr_span(&vd->key_list),
                              &vd->keys->use[PL_USE_ATTESTATION], &full));
    pl_ratls_put_evidence(w, pl_wr_span(&quote), claims);
    pl_ratls_put_extension(w, pl_leaf_oid(), pl_wr_span(&proof));
    return pl_wr_end(w);
}

static struct pl_interval tls_now(void *arg) { return vaultd_now(arg); }

static pl_err make_ctx(struct vaultd *vd, struct pl_crypto *c, const struct making *m,
                       struct pl_span der, struct pl_tls_ctx **out)
{
    const struct pl_tls_config cfg = {
        .server = true,
        .leaf = der,
        .key = &m->key,
        .ask_certificate = true,
        .now = tls_now,
        .known = peers_known,
        .arg = vd,
    };
    return pl_tls_ctx_new(out, c, &cfg);
}

static pl_err make_leaf(struct vaultd *vd, struct pl_crypto *c, struct making *m, struct leaf *out)
{
    uint8_t claims_buf[PL_RATLS_CLAIMS_BYTES];
    struct pl_wr claims = pl_wr_fixed(claims_buf, sizeof(claims_buf));
    struct pl_wr ext PL_CLEANUP(pl_wr_free) = pl_wr_heap(LEAF_DER_MAX);
    char name[64]; /* a person who looks at the certificate sees "sim-sgx" in it */
    struct pl_ratls_new n = {.name = name};
    snprintf(name, sizeof(name), "pleiad vault %s", pl_tee_self(vd->tee)->tee);
    PL_TRY(make_key(vd, c, m));
    PL_TRY(put_claims(vd, m, &claims));
    PL_TRY(put_extensions(vd, c, m, pl_wr_span(&claims), &ext));
    PL_TRY(pl_entropy(n.serial, sizeof(n.serial)));
    n.valid = m->valid;
    n.extensions = pl_wr_span(&ext);
    out->der = pl_wr_heap(LEAF_DER_MAX);
    PL_TRY(pl_ratls_make(c, &out->der, &m->key, &n));
    out->not_after_s = m->valid.to_s;
    return make_ctx(vd, c, m, pl_wr_span(&out->der), &out->ctx);
}

/* The key exists in locked memory for as long as this takes; TLS keeps its own copy. */
static pl_err renew_leaf(struct vaultd *vd, struct pl_crypto *c)
{
    struct pl_locked locked;
    struct leaf fresh = {0}, old;
    PL_TRY(pl_locked_map(&locked, sizeof(struct making)));
    pl_err e = make_leaf(vd, c, (struct making *)(void *)locked.base, &fresh);
    pl_locked_unmap(&locked);
    if (e == PL_OK) {
        pthread_mutex_lock(&vd->quote_mutex);
        old = vd->leaf;
        vd->leaf = fresh;
        vd->leaf_changed = true;
        pthread_mutex_unlock(&vd->quote_mutex);
        fresh = old;
    }
    pl_wr_free(&fresh.der);
    pl_tls_ctx_free(fresh.ctx);
    return e;
}

/* ---- sessions ---- */

void quote_job_free(struct quote_job *j)
{
    if (!j)
        return;
    pl_wr_free(&j->body);
    free(j);
}

pl_err evidence_queue(struct vaultd *vd, struct quote_job *job)
{
    const unsigned most = job->shown ? QUOTE_QUEUE : QUOTE_QUEUE_STRANGERS;
    pthread_mutex_lock(&vd->quote_mutex);
    bool room = vd->queued < most && !vd->ending;
    if (room) {
        job->next = NULL;
        *vd->queue_end = job;
        vd->queue_end = &job->next;
        vd->queued++;
        pthread_cond_signal(&vd->quote_cond);
    }
    pthread_mutex_unlock(&vd->quote_mutex);
    PL_REQUIRE(room, QUOTE_QUEUE_FULL);
    return PL_OK;
}

struct quote_job *evidence_finished(struct vaultd *vd, unsigned worker)
{
    pthread_mutex_lock(&vd->quote_mutex);
    struct quote_job *list = vd->finished[worker];
    vd->finished[worker] = NULL;
    pthread_mutex_unlock(&vd->quote_mutex);
    return list;
}

/* One quote for all of them. */
static pl_err quote_batch(struct vaultd *vd, struct pl_crypto *c, struct quote_job *jobs,
                          struct pl_batch *batch)
{
    uint8_t report_data[PL_REPORT_DATA_BYTES];
    struct pl_wr quote PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_TEE_EVIDENCE_MAX);
    struct pl_batch_proof proof;
    uint32_t index;
    pl_batch_init(batch);
    for (struct quote_job *j = jobs; j; j = j->next)
        PL_TRY(pl_batch_add(c, batch, j->binding, &index));
    PL_TRY(pl_batch_seal(c, batch, report_data));
    PL_TRY(pl_tee_evidence(vd->tee, &quote, report_data, QUOTE_TIMEOUT_MS));
    index = 0;
    for (struct quote_job *j = jobs; j; j = j->next) {
        pl_batch_proof(batch, index++, &proof);
        PL_TRY(pl_session_write(&j->body, pl_wr_span(&quote), &proof));
    }
    return PL_OK;
}

static void hand_back(struct vaultd *vd, struct quote_job *jobs, pl_err e)
{
    pthread_mutex_lock(&vd->quote_mutex);
    for (struct quote_job *next; jobs; jobs = next) {
        next = jobs->next;
        jobs->err = e;
        jobs->next = vd->finished[jobs->worker];
        vd->finished[jobs->worker] = jobs;
    }
    pthread_mutex_unlock(&vd->quote_mutex);
    vaultd_wake_workers(vd);
}

/* ---- the thread ---- */

static struct quote_job *wait_for_work(struct vaultd *vd, int64_t renew_at_ms, bool *out_end)
{
    struct timespec until;
    int64_t ms = renew_at_ms;
    until.tv_sec = ms / 1000;
    until.tv_nsec = ms % 1000 * 1000000;
    pthread_mutex_lock(&vd->quote_mutex);
    while (!vd->queue && !vd->ending && pl_clock_mono_ms() < renew_at_ms)
        pthread_cond_timedwait(&vd->quote_cond, &vd->quote_mutex, &until);
    struct quote_job *jobs = vd->queue;
    vd->queue = NULL;
    vd->queue_end = &vd->queue;
    vd->queued = 0;
    *out_end = vd->ending;
    pthread_mutex_unlock(&vd->quote_mutex);
    return jobs;
}

static void renew_now(struct vaultd *vd, struct pl_crypto *c, int64_t *renew_at_ms)
{
    uint64_t one = 1;
    pl_err e = renew_leaf(vd, c);
    bool ok = e == PL_OK;
    *renew_at_ms = pl_clock_mono_ms() + (ok ? LEAF_RENEW_MS : LEAF_RENEW_MS / 100);
    if (!ok)
        pl_event_error("leaf-renewal", "tried again in 7 minutes", e);
    else if (write(vd->wake_fd, &one, sizeof(one)) < 0)
        pl_event(PL_LOG_WARN, "wake", "what", "the main loop takes the new leaf a little later",
                 NULL);
}

static void *run(void *arg)
{
    struct vaultd *vd = arg;
    struct pl_crypto *c = NULL;
    struct pl_batch *batch = malloc(sizeof(*batch));
    int64_t renew_at_ms = pl_clock_mono_ms() + LEAF_RENEW_MS;
    bool ending = false;
    pl_err ready = batch ? pl_crypto_new(&c) : PL_FAIL(NO_MEMORY);
    while (!ending) {
        struct quote_job *jobs = wait_for_work(vd, renew_at_ms, &ending);
        if (jobs)
            hand_back(vd, jobs, ready == PL_OK ? quote_batch(vd, c, jobs, batch) : ready);
        if (ready == PL_OK && !ending && pl_clock_mono_ms() >= renew_at_ms)
            renew_now(vd, c, &renew_at_ms);
    }
    free(batch);
    pl_crypto_free(c);
    return NULL;
}

pl_err evidence_start(struct vaultd *vd)
{
    pthread_condattr_t attr;
    vd->queue_end = &vd->queue;
    PL_TRY(renew_leaf(vd, vd->crypto));
    PL_REQUIRE(pthread_condattr_init(&attr) == 0, DAEMON_START);
    bool ok = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0 &&
              pthread_cond_init(&vd->quote_cond, &attr) == 0;
    pthread_condattr_destroy(&attr);
    PL_REQUIRE(ok && pthread_create(&vd->evidence_thread, NULL, run, vd) == 0, DAEMON_START);
    return PL_OK;
}

void evidence_stop(struct vaultd *vd)
{
    if (!vd->evidence_thread)
        return;
    pthread_mutex_lock(&vd->quote_mutex);
    vd->ending = true;
    pthread_cond_signal(&vd->quote_cond);
    pthread_mutex_unlock(&vd->quote_mutex);
    pthread_join(vd->evidence_thread, NULL);
    for (unsigned i = 0; i < WORKERS_MAX; i++)
        for (struct quote_job *j = vd->finished[i], *next; j; j = next) {
            next = j->next;
            quote_job_free(j);
        }
    pl_wr_free(&vd->leaf.der);
    pl_tls_ctx_free(vd->leaf.ctx);
}
