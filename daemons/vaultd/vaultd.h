/* pleiad-vaultd inside: what its files share. docs/ARCHITECTURE.md follows a request through them.
 *
 *     main.c      options, order of the start, main loop, end
 *     start.c     the directory, the root key, replay, birth
 *     evidence.c  the evidence thread: leaf certificate, session quotes in batches
 *     peers.c     who a connection is: verdicts on its evidence, the session
 *     serve.c     requests: public reads, turns of the vault, answers that wait for the log
 *     upkeep.c    what is done now and then: lapses, snapshots, metrics
 *     advertise.c the vault's entry for registries and static lists
 */
#ifndef PL_DAEMONS_VAULTD_VAULTD_H
#define PL_DAEMONS_VAULTD_VAULTD_H

#include "attest/ratls.h"
#include "attest/session_state.h"
#include "daemons/common/daemon.h"
#include "platform/net/net.h"
#include "platform/platform.h"
#include "platform/store/store.h"
#include "platform/tee/tee.h"
#include "platform/trust/trust.h"
#include "vault/vault.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
    WORKERS_MAX = 16,
    ANSWER_MS = 2000, /* a parked answer: then 503 pending, outcome unknown */
    STRANGER_TICK_MS = 5,
    LEAF_LIFE_S = 24 * 3600,
    LEAF_RENEW_MS = 12 * 3600 * 1000,
    LEAF_BACKDATE_S = 300, /* of not_before: the other side's clock may be behind */
    QUOTE_QUEUE = 64,      /* sessions that wait for a quote; more: 429 */
    QUOTE_QUEUE_STRANGERS = QUOTE_QUEUE / 2, /* so long that callers without evidence may join it */
    QUOTE_TIMEOUT_MS = 10000,
    VERDICTS = 1024,
    ROOT_ARENA_BYTES = 64 * 1024,
    WORKER_ARENA_BYTES = 256 * 1024,
    UPKEEP_MS = 1000,
    LAPSE_MS = 10000,
    TRUST_MS = 600000,
    REQUESTS_PER_S = 10000, /* of one address, twice as many at once */
    SNAPSHOT_EVERY = 10000, /* entries, unless an option says otherwise */
};

struct options {
    const char *dir, *listen, *tee, *config, *collateral, *metrics;
    const char *advertise, *label, *registry;
    unsigned workers;
    uint64_t snapshot_every; /* log entries */
};

/* The certificate that new connections use. */
struct leaf {
    struct pl_wr der;
    int64_t not_after_s;
    struct pl_tls_ctx *ctx; /* one reference */
};

/* A session that waits for its quote, and what came of it. */
struct quote_job {
    unsigned worker;
    pl_conn_id conn;
    uint32_t stream;
    bool shown; /* the caller's own evidence was verified */
    uint8_t binding[PL_BINDING_BYTES];
    pl_err err;
    struct pl_wr body; /* the answer */
    struct quote_job *next;
};

/* The entry as it was signed last, and who sends it. */
struct advert {
    pthread_mutex_t mutex; /* over all of it */
    pthread_cond_t cond;
    struct pl_wr entry;
    uint64_t serial;
    bool unsent, stale, running, ending;
    pthread_t thread;
};

struct vaultd {
    struct options opt;
    struct pl_locked locked;
    struct pl_arena secrets;
    struct pl_vault_keys *keys; /* in locked memory, as is root */
    uint8_t *root;
    struct pl_vault_self self;
    struct pl_wr key_list;
    struct pl_crypto *crypto;  /* the main thread's */
    struct pl_tee_device *tee; /* the evidence thread's, once it runs */

    pthread_mutex_t mutex; /* over vault, and over store's room and append */
    struct pl_vault *vault;
    struct pl_store *store;
    struct pl_store_dir *dir;
    struct pl_log log;
    uint8_t config_root[32]; /* zeros while unborn; does not change while running */
    uint64_t epoch;
    struct pl_config *config;           /* counted, NULL while unborn */
    struct pl_trust_set *_Atomic trust; /* renewed by the main thread */

    pthread_mutex_t quote_mutex; /* over the queue, finished jobs, leaf and next_ctx */
    pthread_cond_t quote_cond;
    struct quote_job *queue, **queue_end, *finished[WORKERS_MAX];
    unsigned queued;
    bool ending;
    struct leaf leaf;
    bool leaf_changed;
    pthread_t evidence_thread;
    struct advert advert;

    pthread_mutex_t verdict_mutex;
    struct verdict *verdicts[VERDICTS];

    struct pl_server *server;
    pthread_mutex_t wake_mutex;          /* taken alone */
    struct worker *workers[WORKERS_MAX]; /* those that run and may be woken */
    pthread_mutex_t page_mutex;          /* over metrics_on: there is something to count */
    bool metrics_on;
    pthread_t snapshot_thread;
    atomic_bool snapshot_running;
    bool snapshot_joinable, locked_told;
    uint64_t snapshot_at;
    int64_t lapse_at_ms;
    int wake_fd; /* an eventfd of the main loop */
    atomic_uint_fast64_t sessions, session_refusals, parked_late;
};

/* Any thread, at any time: every worker that runs has a look at what is finished. */
void vaultd_wake_workers(struct vaultd *vd);
/* now: what the configuration's source of time says. */
struct pl_interval vaultd_now(const struct vaultd *vd);

/* start.c: everything up to a vault that could serve. PL_OK, or the error that was logged. */
PL_CHECKED pl_err vaultd_start(struct vaultd *vd);
void vaultd_stop(struct vaultd *vd);

/* evidence.c */
PL_CHECKED pl_err evidence_start(struct vaultd *vd); /* makes the first leaf, then the thread */
void evidence_stop(struct vaultd *vd);
/* Takes the job over. QUOTE_QUEUE_FULL: not taken. */
PL_CHECKED pl_err evidence_queue(struct vaultd *vd, struct quote_job *job);
/* Jobs of this worker that are done; a list, the caller's. */
struct quote_job *evidence_finished(struct vaultd *vd, unsigned worker);
void quote_job_free(struct quote_job *j);

/* peers.c: what is kept of a connection. */
struct client {
    struct pl_peer peer;              /* its claims: those of the bound session */
    int64_t not_after_s;              /* of its certificate: it is nobody afterwards */
    const struct pl_trust_set *trust; /* under which its claims were verified: nor under another */
    struct pl_session_state session;
};
pl_err peers_established(struct pl_conn *c, bool *out_resumable);
void peers_closed(struct pl_conn *c, pl_err why);
bool peers_known(void *arg, const uint8_t leaf_sha256[static 32]);
/* POST /v1/session. PL_OK: answered later. */
PL_CHECKED pl_err peers_session(struct pl_conn *c, uint32_t stream, struct pl_span body,
                                char *out_pointer);
void verdicts_free(struct vaultd *vd);

/* serve.c: one worker's own. */
struct parked {
    pl_conn_id conn;
    uint32_t stream;
    int status;
    bool problem, hidden;
    uint64_t wait; /* durable entries needed; hidden answers need none */
    uint64_t due_ms;
    struct pl_wr body;
    struct parked *next;
};
struct parked_list {
    struct parked *first, **last;
};
struct worker {
    struct vaultd *vd;
    struct pl_worker *w;
    struct pl_locked locked;
    struct pl_arena secrets;
    struct pl_turn *turn;
    struct pl_env env;
    uint8_t chance[16 * PL_TURN_ENTROPY]; /* of the next turns; 0 used: to be drawn */
    size_t chance_used;
    struct pl_chain_cache chains;
    struct parked_list waiting, hidden; /* for the log; strangers' refusals, for the tick */
};
extern const struct pl_handler vaultd_handler;
struct pl_span vaultd_openapi(void); /* docs/openapi.json, as it was when this was built */

/* advertise.c: nothing happens without --advertise, or before the birth. Main thread only. */
PL_CHECKED pl_err advertise_start(struct vaultd *vd); /* needs the first leaf */
PL_CHECKED pl_err advertise_renew(struct vaultd *vd); /* after each new leaf; logs its error */
void advertise_upkeep(struct vaultd *vd); /* a new entry when a registry knew a newer serial */
void advertise_stop(struct vaultd *vd);

/* upkeep.c */
void upkeep(struct vaultd *vd);
void upkeep_end(struct vaultd *vd);
void vaultd_metrics(void *arg, struct pl_wr *w);

#endif
