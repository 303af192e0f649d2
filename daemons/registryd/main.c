#include "registryd.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    STOP_GRACE_MS = 3000,
    SWEEP_MS = 60000,
    LEAF_LIFE_S = 24 * 3600,
    LEAF_BACKDATE_S = 300,
    LEAF_RENEW_MS = 12 * 3600 * 1000,
};

static struct pl_dopt opts[] = {
    {"db", "FILE", "SQLite file of the entries; made on the first start", NULL, true},
    {"collateral", "DIR", "collateral to judge the evidence in entries with", NULL, true},
    {"listen", "HOST:PORT", "numeric address to serve on", "127.0.0.1:8444", false},
    {"dev-root", "FILE", "PEM certificate: believe simulated hardware under this root too", NULL,
     false},
    {"max-entries", "N", "vaults that are listed at a time", "10000", false},
    {"rate", "N", "requests a second from one address", "50", false},
    {"workers", "N", "threads that serve", "2", false},
    {"metrics", "HOST:PORT", "loopback address of the metrics page", NULL, false},
    {NULL, NULL, NULL, NULL, false},
};

static struct registryd reg;
static struct pl_server *server;
static uint8_t dev_root[PL_CERT_MAX]; /* as long as the trust that borrows it */

struct pl_interval registryd_now(void)
{
    int64_t s;
    if (pl_clock_wall(&s) != PL_OK)
        return PL_TIME_UNKNOWN;
    return (struct pl_interval){s - REGISTRY_SKEW_S, s + REGISTRY_SKEW_S};
}

static struct pl_interval tls_now(void *arg)
{
    (void)arg;
    return registryd_now();
}

/* ---- trust ---- */

static pl_err add_dev_root(struct pl_crypto *c, struct pl_roots *roots, const char *path)
{
    struct pl_wr text PL_CLEANUP(pl_wr_free) = pl_wr_heap(2 * PL_CERT_MAX);
    size_t n = 0;
    PL_TRY(pl_file_read(&text, path, 2 * PL_CERT_MAX));
    struct pl_span pem = pl_wr_span(&text);
    PL_TRY(pl_unpem(dev_root, sizeof(dev_root), &n, &pem, "CERTIFICATE"));
    return pl_roots_add_cert(c, roots, PL_TEE_SGX, PL_TRUST_DEV, "dev", pl_span(dev_root, n));
}

static pl_err load_trust(struct pl_crypto *c)
{
    struct pl_roots roots = *pl_roots_builtin();
    const char *path = pl_daemon_opt(opts, "dev-root"), *bad = "";
    pl_err e = path ? add_dev_root(c, &roots, path) : PL_OK;
    if (e != PL_OK) {
        pl_event_error("dev-root", path, e);
        return e;
    }
    struct pl_trust_set *trust;
    e = pl_trust_load(&trust, c, &roots, pl_daemon_opt(opts, "collateral"), &bad);
    if (e != PL_OK)
        pl_event_error("collateral", bad, e);
    reg.trust = trust;
    return e;
}

/* ---- the certificate: TLS wants one, nobody reads anything in it ---- */

static pl_err make_key(struct pl_crypto *c, struct pl_priv *key)
{
    uint8_t seed[PL_P256_SEED_BYTES], pub[PL_P256_PUB_BYTES];
    pl_err e = pl_entropy(seed, sizeof(seed));
    key->type = PL_PUB_P256;
    if (e == PL_OK)
        e = pl_p256_make(c, key->raw, pub, seed);
    pl_wipe(seed, sizeof(seed));
    return e;
}

static pl_err make_ctx(struct pl_crypto *c, const struct pl_priv *key, struct pl_tls_ctx **out)
{
    uint8_t buf[1024];
    struct pl_wr der = pl_wr_fixed(buf, sizeof(buf));
    struct pl_ratls_new n = {.name = "pleiad registry"};
    int64_t now_s;
    PL_TRY(pl_clock_wall(&now_s));
    PL_TRY(pl_entropy(n.serial, sizeof(n.serial)));
    n.valid.from_s = now_s - LEAF_BACKDATE_S;
    n.valid.to_s = n.valid.from_s + LEAF_LIFE_S - 1;
    PL_TRY(pl_ratls_make(c, &der, key, &n));
    const struct pl_tls_config cfg = {
        .server = true, .leaf = pl_wr_span(&der), .key = key, .now = tls_now};
    return pl_tls_ctx_new(out, c, &cfg);
}

static pl_err fresh_ctx(struct pl_crypto *c, struct pl_tls_ctx **out)
{
    struct pl_priv key;
    pl_err e = make_key(c, &key);
    if (e == PL_OK)
        e = make_ctx(c, &key, out);
    pl_wipe(&key, sizeof(key));
    return e;
}

/* ---- the loop ---- */

static void sweep(struct store *st)
{
    int64_t now_s;
    uint64_t listed;
    pl_err e = pl_clock_wall(&now_s);
    if (e == PL_OK)
        e = store_sweep(st, now_s, &listed);
    if (e == PL_OK)
        atomic_store(&reg.listed, listed);
    else
        pl_event_error("sweep", NULL, e);
}

/* When that fails the old one goes on, and it is tried again at the next sweep. */
static void renew(struct pl_crypto *c, int64_t *at_ms)
{
    struct pl_tls_ctx *ctx = NULL;
    pl_err e = fresh_ctx(c, &ctx);
    if (e != PL_OK) {
        pl_event_error("leaf-renewal", "tried again in a minute", e);
        return;
    }
    pl_server_set_tls(server, ctx);
    pl_tls_ctx_free(ctx);
    *at_ms = pl_clock_mono_ms() + LEAF_RENEW_MS;
}

static void loop(struct pl_crypto *c, struct store *st, int signals)
{
    int64_t sweep_at = pl_clock_mono_ms() + SWEEP_MS, renew_at = sweep_at + LEAF_RENEW_MS;
    struct pollfd fds[] = {{.fd = signals, .events = POLLIN},
                           {.fd = pl_server_fd(server), .events = POLLIN}};
    for (;;) {
        int64_t left = sweep_at - pl_clock_mono_ms();
        if (poll(fds, 2, left > 0 ? (int)left : 0) < 0)
            return;
        if (fds[0].revents && pl_daemon_ends(signals))
            return;
        if (fds[0].revents)
            pl_daemon_trust(&reg.trust, c, pl_daemon_opt(opts, "collateral"));
        if (fds[1].revents)
            pl_server_accept(server);
        if (pl_clock_mono_ms() < sweep_at)
            continue;
        sweep(st);
        pl_daemon_trust(&reg.trust, c, pl_daemon_opt(opts, "collateral"));
        if (pl_clock_mono_ms() >= renew_at)
            renew(c, &renew_at);
        sweep_at = pl_clock_mono_ms() + SWEEP_MS;
    }
}

static void write_metrics(void *arg, struct pl_wr *w)
{
    struct pl_server_stats n;
    (void)arg;
    pl_server_stats(server, &n);
    const struct {
        const char *name, *kind, *help;
        uint64_t v;
    } rows[] = {
        {"pleiad_registry_listed", "gauge", "vaults listed", atomic_load(&reg.listed)},
        {"pleiad_registry_accepted_total", "counter", "entries verified and listed",
         atomic_load(&reg.accepted)},
        {"pleiad_registry_left_total", "counter", "entries taken back by their vault",
         atomic_load(&reg.left)},
        {"pleiad_registry_refused_total", "counter", "changes refused", atomic_load(&reg.refused)},
        {"pleiad_connections", "gauge", "open connections", n.connections},
        {"pleiad_handshakes_total", "counter", "TLS handshakes that succeeded", n.handshakes},
        {"pleiad_handshake_failures_total", "counter", "TLS handshakes that failed",
         n.handshake_failures},
        {"pleiad_requests_total", "counter", "requests", n.requests},
        {"pleiad_limited_total", "counter", "requests refused by a limit", n.limited},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        pl_metric(w, rows[i].name, rows[i].kind, rows[i].help, rows[i].v);
}

/* ---- start ---- */

static pl_err serve(struct pl_crypto *c, unsigned workers, unsigned rate)
{
    struct pl_tls_ctx *ctx = NULL;
    const char *metrics = pl_daemon_opt(opts, "metrics");
    struct pl_server_config cfg = {
        .address = pl_daemon_opt(opts, "listen"),
        .workers = workers,
        .handler = &registryd_handler,
        .arg = &reg,
        .requests_per_s = rate,
        .requests_burst = 2 * rate,
    };
    PL_TRY(fresh_ctx(c, &ctx));
    cfg.tls = ctx;
    pl_err e = pl_server_start(&server, &cfg);
    pl_tls_ctx_free(ctx);
    if (e != PL_OK) {
        pl_event_error("listen", cfg.address, e);
        return e;
    }
    e = metrics ? pl_metrics_start(metrics, write_metrics, NULL) : PL_OK;
    if (e != PL_OK)
        pl_event_error("metrics", metrics, e);
    return e;
}

static pl_err run(struct pl_crypto *c, struct store **st, int signals, const unsigned number[2])
{
    PL_TRY(load_trust(c));
    pl_err e = store_open(st, reg.db, reg.max);
    if (e != PL_OK) {
        pl_event_error("store", reg.db, e);
        return e;
    }
    sweep(*st);
    PL_TRY(serve(c, number[0], number[1]));
    pl_event(PL_LOG_INFO, "ready", "port", pl_num(pl_server_port(server)), "listed",
             pl_num(atomic_load(&reg.listed)), "version", PL_VERSION, NULL);
    loop(c, *st, signals);
    pl_event(PL_LOG_INFO, "stopping", NULL);
    return PL_OK;
}

int main(int argc, char **argv)
{
    struct pl_crypto *c = NULL;
    struct store *st = NULL;
    bool ok = true;
    int done = pl_daemon_options(opts, "pleiad-registryd", "a list of Pleiad vaults", argc, argv);
    if (done >= 0)
        return done;
    reg.db = pl_daemon_opt(opts, "db");
    reg.max = pl_daemon_number(opts, "max-entries", 1, 1000000, &ok);
    const unsigned number[2] = {
        (unsigned)pl_daemon_number(opts, "workers", 1, REGISTRY_WORKERS_MAX, &ok),
        (unsigned)pl_daemon_number(opts, "rate", 1, 100000, &ok)};
    if (!ok)
        return 2;
    umask(077);
    int signals = pl_daemon_signals();
    pl_err e = signals < 0 ? PL_FAIL(DAEMON_START) : pl_crypto_new(&c);
    if (e == PL_OK)
        e = run(c, &st, signals, number);
    else
        pl_event_error("start", NULL, e);
    pl_server_stop(server, STOP_GRACE_MS);
    store_close(st);
    pl_trust_free(reg.trust);
    pl_crypto_free(c);
    return e == PL_OK ? 0 : 1;
}
