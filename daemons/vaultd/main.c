#include "vaultd.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

enum { STOP_GRACE_MS = 3000 };

static struct pl_dopt opts[] = {
    {"dir", "DIR", "the vault's directory; made on the first start", NULL, true},
    {"listen", "HOST:PORT", "numeric address to serve on", "127.0.0.1:8443", false},
    {"config", "FILE", "signed configuration to be born under, or to check at a restart", NULL,
     false},
    {"collateral", "DIR", "collateral to judge callers' evidence with", NULL, false},
    {"tee", "NAME", "back end; the first that is here when not given", NULL, false},
    {"workers", "N", "threads that serve", "2", false},
    {"snapshot-every", "ENTRIES", "log entries from one snapshot to the next", "10000", false},
    {"metrics", "HOST:PORT", "loopback address of the metrics page", NULL, false},
    {"advertise", "HOST:PORT,...", "where clients reach this vault: writes DIR/entry.json", NULL,
     false},
    {"label", "NAME=VALUE,...", "what its entry says for people to search by", NULL, false},
    {"registry", "HOST:PORT", "a registry to send the entry to", NULL, false},
    {NULL, NULL, NULL, NULL, false},
};

static bool read_options(struct options *o)
{
    bool ok = true;
    *o = (struct options){
        .dir = pl_daemon_opt(opts, "dir"),
        .listen = pl_daemon_opt(opts, "listen"),
        .tee = pl_daemon_opt(opts, "tee"),
        .config = pl_daemon_opt(opts, "config"),
        .collateral = pl_daemon_opt(opts, "collateral"),
        .metrics = pl_daemon_opt(opts, "metrics"),
        .advertise = pl_daemon_opt(opts, "advertise"),
        .label = pl_daemon_opt(opts, "label"),
        .registry = pl_daemon_opt(opts, "registry"),
        .workers = (unsigned)pl_daemon_number(opts, "workers", 1, WORKERS_MAX, &ok),
        .snapshot_every = pl_daemon_number(opts, "snapshot-every", 16, 1000000000, &ok),
    };
    return ok;
}

/* Whoever reads the page when the vault ends waits for it, or gets an empty one. */
static void metrics_switch(struct vaultd *vd, bool on)
{
    pthread_mutex_lock(&vd->page_mutex);
    vd->metrics_on = on;
    pthread_mutex_unlock(&vd->page_mutex);
}

static pl_err serve(struct vaultd *vd)
{
    const struct pl_server_config cfg = {
        .address = vd->opt.listen,
        .workers = vd->opt.workers,
        .tls = vd->leaf.ctx,
        .handler = &vaultd_handler,
        .arg = vd,
        .requests_per_s = REQUESTS_PER_S,
        .requests_burst = 2 * REQUESTS_PER_S,
    };
    pl_err e = pl_server_start(&vd->server, &cfg);
    if (e != PL_OK) {
        pl_event_error("listen", vd->opt.listen, e);
        return e;
    }
    metrics_switch(vd, true);
    if (vd->opt.metrics)
        e = pl_metrics_start(vd->opt.metrics, vaultd_metrics, vd);
    if (e != PL_OK)
        pl_event_error("metrics", vd->opt.metrics, e);
    return e;
}

static void say_ready(const struct vaultd *vd)
{
    char id[65], root[65];
    pl_hex(id, PL_ARR(vd->self.vault_id));
    pl_hex(root, PL_ARR(vd->config_root));
    pl_event(PL_LOG_INFO, "ready", "vault_id", id, "state", vd->config ? "serving" : "unborn",
             "config_root", root, "port", pl_num(pl_server_port(vd->server)), "tee",
             pl_tee_self(vd->tee)->tee, "version", PL_VERSION, NULL);
}

static void take_new_leaf(struct vaultd *vd)
{
    uint64_t n;
    if (read(vd->wake_fd, &n, sizeof(n)) < 0)
        return;
    pthread_mutex_lock(&vd->quote_mutex);
    bool changed = vd->leaf_changed;
    vd->leaf_changed = false;
    if (changed)
        pl_server_set_tls(vd->server, vd->leaf.ctx);
    pthread_mutex_unlock(&vd->quote_mutex);
    advertise_upkeep(vd);
    if (!changed)
        return;
    pl_event(PL_LOG_INFO, "leaf-renewed", NULL);
    if (advertise_renew(vd) != PL_OK)
        pl_event(PL_LOG_WARN, "entry", "what", "made again with the next certificate", NULL);
}

/* Until a signal to end. A failure of poll itself ends the vault too: it could not be stopped
 * otherwise.
 */
static void loop(struct vaultd *vd, int signals)
{
    int64_t upkeep_at = pl_clock_mono_ms() + UPKEEP_MS, trust_at = upkeep_at + TRUST_MS;
    struct pollfd fds[] = {{.fd = signals, .events = POLLIN},
                           {.fd = pl_server_fd(vd->server), .events = POLLIN},
                           {.fd = vd->wake_fd, .events = POLLIN}};
    for (;;) {
        int64_t left = upkeep_at - pl_clock_mono_ms();
        if (poll(fds, 3, left > 0 ? (int)left : 0) < 0)
            return;
        if (fds[0].revents && pl_daemon_ends(signals))
            return;
        if (fds[0].revents || pl_clock_mono_ms() >= trust_at) {
            if (vd->config && vd->opt.collateral)
                pl_daemon_trust(&vd->trust, vd->crypto, vd->opt.collateral);
            trust_at = pl_clock_mono_ms() + TRUST_MS;
        }
        if (fds[1].revents)
            pl_server_accept(vd->server);
        if (fds[2].revents)
            take_new_leaf(vd);
        if (pl_clock_mono_ms() >= upkeep_at) {
            upkeep(vd);
            upkeep_at = pl_clock_mono_ms() + UPKEEP_MS;
        }
    }
}

static int run(struct vaultd *vd, int signals)
{
    pl_err e = vaultd_start(vd);
    if (e == PL_OK) {
        e = evidence_start(vd);
        if (e != PL_OK)
            pl_event_error("evidence", NULL, e);
    }
    if (e == PL_OK)
        e = serve(vd);
    if (e == PL_OK)
        e = advertise_start(vd);
    if (e == PL_OK) {
        say_ready(vd);
        loop(vd, signals);
        pl_event(PL_LOG_INFO, "stopping", NULL);
    }
    metrics_switch(vd, false);
    pl_server_stop(vd->server, STOP_GRACE_MS);
    vd->server = NULL;
    upkeep_end(vd);
    advertise_stop(vd);
    evidence_stop(vd);
    verdicts_free(vd);
    vaultd_stop(vd);
    return e == PL_OK ? 0 : 1;
}

int main(int argc, char **argv)
{
    static struct vaultd vd = {.wake_fd = -1};
    if (argc == 2 && strcmp(argv[1], "--version") == 0)
        return printf("pleiad-vaultd %s (TEE: %s)\n", PL_VERSION, pl_tee_names()) < 0;
    int done = pl_daemon_options(opts, "pleiad-vaultd", "a Pleiad vault", argc, argv);
    if (done >= 0)
        return done;
    if (!read_options(&vd.opt))
        return 2;
    umask(077);
    int signals = pl_daemon_signals();
    if (signals < 0) {
        fprintf(stderr, "pleiad-vaultd: the kernel gave no signal descriptor\n");
        return 1;
    }
    pthread_mutex_init(&vd.mutex, NULL);
    pthread_mutex_init(&vd.quote_mutex, NULL);
    pthread_mutex_init(&vd.verdict_mutex, NULL);
    pthread_mutex_init(&vd.wake_mutex, NULL);
    pthread_mutex_init(&vd.page_mutex, NULL);
    pthread_mutex_init(&vd.advert.mutex, NULL);
    return run(&vd, signals);
}
