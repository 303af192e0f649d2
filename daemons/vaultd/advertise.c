/* The vault's own word on where it is: DIR/entry.json, signed anew with each leaf certificate, and
 * sent to a registry by a thread of its own when there is one. A registry that is away, or that
 * refuses, costs a vault nothing but log lines. */
#include "vaultd.h"

#include "attest/entry.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    ENDPOINTS_MAX = 8,
    LABELS_MAX = 16,
    POST_MS = 10000,
    LEAVE_MS = 1000,
    SLICE_MS = 200, /* an ending is noticed within this */
    RETRY_MIN_MS = 1000,
    RETRY_MAX_MS = 10 * 60 * 1000,
};

/* ---- the entry ---- */

/* The parts between commas, at most `max`; empty parts are none. */
static pl_err split(const char *text, struct pl_span *out, size_t max, size_t *out_n)
{
    struct pl_span rest = pl_span_str(text);
    *out_n = 0;
    while (rest.n > 0) {
        const uint8_t *comma = memchr(rest.p, ',', rest.n);
        size_t n = comma ? (size_t)(comma - rest.p) : rest.n;
        PL_REQUIRE(*out_n < max, ENTRY_VALUE);
        out[(*out_n)++] = pl_span(rest.p, n);
        rest = comma ? pl_span(comma + 1, rest.n - n - 1) : pl_span(NULL, 0);
    }
    return PL_OK;
}

static pl_err main_measurement(const struct pl_tee_self *tee, char out[static 129])
{
    for (size_t i = 0; i < tee->measurements; i++)
        if (strcmp(tee->measurement[i].name, pl_claim_text(PL_CLAIM_MRENCLAVE)) == 0) {
            pl_hex(out, pl_span(tee->measurement[i].bytes, tee->measurement[i].n));
            return PL_OK;
        }
    return PL_FAIL(ENTRY_VALUE);
}

/* Seconds since 1970 are the serial: they outlive a vault that was restored from a backup. */
static pl_err describe(struct vaultd *vd, struct pl_api_vault_entry *m, int64_t leaf_from_s)
{
    int64_t now_s;
    PL_TRY(pl_clock_wall(&now_s));
    m->not_before = now_s - LEAF_BACKDATE_S;
    if (m->not_before < leaf_from_s)
        m->not_before = leaf_from_s; /* the certificate must have been valid then */
    m->not_after = m->not_before + PL_VAULT_ENTRY_LIFE_S;
    m->serial = (uint64_t)now_s > vd->advert.serial ? (uint64_t)now_s : vd->advert.serial + 1;
    m->tee = pl_tee_self(vd->tee)->tee;
    m->key_list = pl_wr_span(&vd->key_list);
    memcpy(m->vault_id, vd->self.vault_id, sizeof(m->vault_id));
    memcpy(m->config_root, vd->config_root, sizeof(m->config_root));
    return PL_OK;
}

static pl_err make(struct vaultd *vd, struct pl_wr *out, uint64_t *out_serial)
{
    char measurement[129];
    struct pl_span endpoints[ENDPOINTS_MAX], labels[LABELS_MAX];
    struct pl_wr leaf PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_RATLS_MAX);
    struct pl_api_vault_entry m = {.endpoints = {endpoints, 0}, .labels = {labels, 0}};
    PL_TRY(split(vd->opt.advertise, endpoints, ENDPOINTS_MAX, &m.endpoints.n));
    PL_TRY(split(vd->opt.label, labels, LABELS_MAX, &m.labels.n));
    PL_TRY(main_measurement(pl_tee_self(vd->tee), measurement));
    m.measurement = measurement;
    pthread_mutex_lock(&vd->quote_mutex);
    int64_t leaf_from_s = vd->leaf.not_after_s + 1 - LEAF_LIFE_S;
    pl_wr_bytes(&leaf, pl_wr_span(&vd->leaf.der));
    pthread_mutex_unlock(&vd->quote_mutex);
    PL_TRY(pl_wr_end(&leaf));
    m.certificate = pl_wr_span(&leaf);
    PL_TRY(describe(vd, &m, leaf_from_s));
    *out_serial = m.serial;
    return pl_vault_entry_make(vd->crypto, out, &m, &vd->keys->use[PL_USE_REGISTRY]);
}

static pl_err write_file(const struct vaultd *vd, struct pl_span entry)
{
    char path[4096];
    int n = snprintf(path, sizeof(path), "%s/entry.json", vd->opt.dir);
    PL_REQUIRE(n > 0 && (size_t)n < sizeof(path), FILE_KIND);
    return pl_file_write(path, entry, 0644, PL_FILE_REPLACE);
}

pl_err advertise_renew(struct vaultd *vd)
{
    uint64_t serial;
    struct pl_wr fresh = pl_wr_heap(PL_VAULT_ENTRY_MAX);
    if (!vd->opt.advertise || !vd->config)
        return PL_OK;
    pl_err e = make(vd, &fresh, &serial);
    if (e == PL_OK)
        e = write_file(vd, pl_wr_span(&fresh));
    if (e != PL_OK) {
        pl_wr_free(&fresh);
        pl_event_error("entry", vd->opt.advertise, e);
        return e;
    }
    pthread_mutex_lock(&vd->advert.mutex);
    struct pl_wr old = vd->advert.entry;
    vd->advert.entry = fresh;
    vd->advert.serial = serial;
    vd->advert.unsent = true;
    pthread_cond_signal(&vd->advert.cond);
    pthread_mutex_unlock(&vd->advert.mutex);
    pl_wr_free(&old);
    pl_event(PL_LOG_INFO, "entry", "serial", pl_num(serial), NULL);
    return PL_OK;
}

/* ---- sending it ---- */

/* One request to the registry, and what came of it. */
struct ask {
    const char *method, *path;
    struct pl_span body;
    int ms;     /* for its answer */
    int status; /* 0: no answer */
    pl_err err;
    bool over;
};

/* Any certificate will do: an entry is public, and whoever takes it can only leave it out. */
static pl_err on_established(struct pl_link *l)
{
    const struct ask *k = pl_link_user(l);
    uint32_t stream;
    const struct pl_request r = {
        .method = pl_span_str(k->method),
        .path = pl_span_str(k->path),
        .content_type = PL_LIT("application/json"),
        .body = k->body,
    };
    return pl_link_request(l, &stream, &r, (unsigned)k->ms);
}

static void on_response(struct pl_link *l, uint32_t stream, const struct pl_response *r, pl_err why)
{
    struct ask *k = pl_link_user(l);
    (void)stream;
    k->status = r ? r->status : 0;
    k->err = why;
    pl_link_close(l);
}

static void on_closed(struct pl_link *l, pl_err why)
{
    struct ask *k = pl_link_user(l);
    k->err = k->err == PL_OK ? why : k->err;
    k->over = true;
}

static bool is_over(void *arg) { return ((struct ask *)arg)->over; }

static struct pl_interval tls_now(void *arg) { return vaultd_now(arg); }

static bool ending(struct vaultd *vd)
{
    pthread_mutex_lock(&vd->advert.mutex);
    bool yes = vd->advert.ending;
    pthread_mutex_unlock(&vd->advert.mutex);
    return yes;
}

/* An end of the vault cuts it short, unless it began with that. */
static pl_err exchange(struct vaultd *vd, struct pl_client *cl, struct pl_tls_ctx *tls,
                       struct ask *k)
{
    static const struct pl_link_events events = {on_established, on_response, on_closed};
    struct pl_link *l;
    bool last = ending(vd);
    const struct pl_link_config cfg = {
        .address = vd->opt.registry, .tls = tls, .events = &events, .user = k};
    PL_TRY(pl_link_open(cl, &l, &cfg));
    for (int ms = 0; !k->over && ms < 2 * k->ms && (last || !ending(vd)); ms += SLICE_MS)
        pl_client_run(cl, is_over, k, SLICE_MS);
    return k->status || k->err != PL_OK ? k->err : PL_FAIL(NET_DEADLINE);
}

/* No answer is an error, which is logged; any answer is none. */
static pl_err ask(struct vaultd *vd, struct pl_crypto *c, struct ask *k)
{
    const struct pl_tls_config cfg = {.now = tls_now, .arg = vd};
    struct pl_tls_ctx *tls = NULL;
    struct pl_client *cl = NULL;
    pl_err e = pl_tls_ctx_new(&tls, c, &cfg);
    if (e == PL_OK)
        e = pl_client_new(&cl, c);
    if (e == PL_OK)
        e = exchange(vd, cl, tls, k);
    pl_client_free(cl);
    pl_tls_ctx_free(tls);
    if (k->status)
        return PL_OK;
    pl_event_error("registry", vd->opt.registry, e);
    return e;
}

/* True: nothing more to do until the next entry. A stale serial (two starts within a second, a
 * clock that was set back) is cured by a new entry, which the main loop makes. */
static bool send_entry(struct vaultd *vd, struct pl_crypto *c, struct pl_span entry)
{
    uint64_t one = 1;
    struct ask k = {.method = "POST", .path = "/v1/vaults", .body = entry, .ms = POST_MS};
    if (ask(vd, c, &k) != PL_OK)
        return false;
    bool good = k.status == 200 || k.status == 201;
    pl_event(good ? PL_LOG_INFO : PL_LOG_WARN, good ? "registry-listed" : "registry-refused", "at",
             vd->opt.registry, "status", pl_num((uint64_t)k.status), NULL);
    if (k.status == 409) {
        pthread_mutex_lock(&vd->advert.mutex);
        vd->advert.stale = true;
        pthread_mutex_unlock(&vd->advert.mutex);
        if (write(vd->wake_fd, &one, sizeof(one)) < 0)
            return false;
    }
    return good;
}

/* A vault that ends in order takes its entry back. One that is killed stays listed until the entry
 * expires; whoever believes it finds nobody there. */
static void leave(struct vaultd *vd, struct pl_crypto *c)
{
    char path[80] = "/v1/vaults/";
    struct pl_wr w PL_CLEANUP(pl_wr_free) = pl_wr_heap(4096);
    struct pl_api_vault_leave m = {.serial = vd->advert.serial + 1};
    memcpy(m.vault_id, vd->self.vault_id, sizeof(m.vault_id));
    pl_hex(path + strlen(path), PL_ARR(m.vault_id));
    pl_err e = pl_vault_leave_make(c, &w, &m, &vd->keys->use[PL_USE_REGISTRY]);
    struct ask k = {.method = "DELETE", .path = path, .body = pl_wr_span(&w), .ms = LEAVE_MS};
    if (e == PL_OK && ask(vd, c, &k) == PL_OK)
        pl_event(PL_LOG_INFO, "registry-left", "at", vd->opt.registry, "status",
                 pl_num((uint64_t)k.status), NULL);
}

/* Waits for an entry that was not sent, or for the time to try again. False: the end. */
static bool wait_unsent(struct vaultd *vd, int64_t retry_ms, struct pl_wr *copy)
{
    int64_t at = pl_clock_mono_ms() + retry_ms;
    const struct timespec until = {at / 1000, at % 1000 * 1000000};
    pthread_mutex_lock(&vd->advert.mutex);
    while (!vd->advert.ending && retry_ms > 0 && pl_clock_mono_ms() < at)
        pthread_cond_timedwait(&vd->advert.cond, &vd->advert.mutex, &until);
    while (!vd->advert.ending && !vd->advert.unsent)
        pthread_cond_wait(&vd->advert.cond, &vd->advert.mutex);
    bool go = !vd->advert.ending;
    copy->n = 0;
    pl_wr_bytes(copy, pl_wr_span(&vd->advert.entry));
    vd->advert.unsent = false;
    pthread_mutex_unlock(&vd->advert.mutex);
    return go && pl_wr_end(copy) == PL_OK;
}

static void *run(void *arg)
{
    struct vaultd *vd = arg;
    struct pl_crypto *c = NULL;
    struct pl_wr copy PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_VAULT_ENTRY_MAX);
    int64_t retry_ms = 0;
    bool listed = false;
    pl_err e = pl_crypto_new(&c);
    if (e != PL_OK)
        pl_event_error("registry", vd->opt.registry, e);
    while (e == PL_OK && wait_unsent(vd, retry_ms, &copy)) {
        if (send_entry(vd, c, pl_wr_span(&copy))) {
            retry_ms = 0;
            listed = true;
            continue;
        }
        retry_ms = retry_ms == 0 ? RETRY_MIN_MS : 2 * retry_ms;
        retry_ms = retry_ms > RETRY_MAX_MS ? RETRY_MAX_MS : retry_ms;
        pthread_mutex_lock(&vd->advert.mutex);
        vd->advert.unsent = true;
        pthread_mutex_unlock(&vd->advert.mutex);
    }
    if (listed)
        leave(vd, c);
    pl_crypto_free(c);
    return NULL;
}

/* ---- start, end ---- */

pl_err advertise_start(struct vaultd *vd)
{
    pthread_condattr_t attr;
    if (!vd->opt.advertise || !vd->config)
        return PL_OK;
    PL_REQUIRE(pthread_condattr_init(&attr) == 0, DAEMON_START);
    bool ok = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0 &&
              pthread_cond_init(&vd->advert.cond, &attr) == 0;
    pthread_condattr_destroy(&attr);
    PL_REQUIRE(ok, DAEMON_START);
    PL_TRY(advertise_renew(vd));
    if (!vd->opt.registry)
        return PL_OK;
    vd->advert.running = pthread_create(&vd->advert.thread, NULL, run, vd) == 0;
    PL_REQUIRE(vd->advert.running, DAEMON_START);
    return PL_OK;
}

void advertise_upkeep(struct vaultd *vd)
{
    pthread_mutex_lock(&vd->advert.mutex);
    bool stale = vd->advert.stale;
    vd->advert.stale = false;
    pthread_mutex_unlock(&vd->advert.mutex);
    if (stale && advertise_renew(vd) != PL_OK)
        pl_event(PL_LOG_WARN, "entry", "what", "made again with the next certificate", NULL);
}

void advertise_stop(struct vaultd *vd)
{
    if (vd->advert.running) {
        pthread_mutex_lock(&vd->advert.mutex);
        vd->advert.ending = true;
        pthread_cond_signal(&vd->advert.cond);
        pthread_mutex_unlock(&vd->advert.mutex);
        pthread_join(vd->advert.thread, NULL);
    }
    pl_wr_free(&vd->advert.entry);
}
