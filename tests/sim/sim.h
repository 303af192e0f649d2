/* A seeded simulation of vaults and clients on one thread. Nothing here waits or sleeps: a
 * scheduler picks the next step by a seed, so that a seed that fails fails again.
 *
 *     node   one vault: the four functions of core/vault, several turns at once, real frames on a
 *            disk that is an array, a log thread that is two steps (write, written), snapshots,
 *            power cuts at any step
 *     model  what the clients know for certain; it is the judge and shares no code with the vault
 */
#ifndef PL_TESTS_SIM_H
#define PL_TESTS_SIM_H

#include "vault_world.h"

enum {
    SIM_TURNS = 5,     /* requests on their way at one node */
    SIM_FRAMES = 1024, /* frames of a node's log */
    SIM_KEYS = 48,
    SIM_VERSIONS = 64,
    SIM_JOBS = 512,
    SIM_CARRIERS = 40,
    SIM_ITEMS = 4096,
    SIM_FRAME_BYTES = 256 * 1024,
};

struct sim_random {
    uint64_t state;
};
uint32_t sim_below(struct sim_random *r, uint32_t n); /* 0 .. n - 1 */

/* ---- model -------------------------------------------------------------------------------- */

enum job_kind {
    JOB_CREATE,
    JOB_ACTIVATE,
    JOB_FREEZE,
    JOB_UNFREEZE,
    JOB_UPDATE,
    JOB_EXPORT,
    JOB_STEAL,
    JOB_DELETE,
    JOB_DESCRIBE,
    JOB_KINDS
};

/* A request as its client sees it. Sent again after a crash with the same bytes. */
struct sim_job {
    enum job_kind kind;
    size_t key;       /* in model.key */
    char idem[24];    /* "": none */
    char version[12]; /* UPDATE: of the policy that it replaces */
    bool sent, again; /* again: it was sent before a crash and not answered */
    unsigned sends;
    uint64_t begun;  /* step at which it was sent last */
    uint64_t first;  /* and at which it was sent first, */
    int64_t first_s; /* at that time; 0: never */
};

struct sim_carrier {
    bool grant;       /* else a request, good once */
    unsigned allowed; /* creations */
    unsigned sent, made;
    uint8_t fill;
    int64_t iat_s;
    char *text; /* malloced */
};

struct sim_key {
    uint8_t fill;
    size_t n;
    struct sim_carrier *by; /* NULL: its owner makes it */
    char path[96];          /* "" until a create was answered */
    int64_t made_s;         /* not made before */
    /* How often it was asked for; whether it was answered, as durable, and at which step. */
    struct sim_fact {
        unsigned sent;
        bool sure;
        uint64_t step;
    } live, gone;
    /* Freezing and unfreezing are known for certain only while the other is not under way: `sure`
     * falls when the other is sent. open: sent, and may still be done. */
    struct sim_fact ice, warm;
    unsigned freezing, unfreezing;
    /* Policies: the highest version that was answered, and which job (from 1) was told that it made
     * each of the first ones. */
    uint64_t version;
    size_t made_by[SIM_VERSIONS];
};

struct sim_model {
    struct sim_key key[SIM_KEYS];
    size_t keys;
    struct sim_job job[SIM_JOBS];
    size_t jobs;
    struct sim_carrier carrier[SIM_CARRIERS];
    size_t carriers;
};

/* ---- node --------------------------------------------------------------------------------- */

enum stage { STAGE_FREE, STAGE_BEGUN, STAGE_PREPARED, STAGE_PARKED };

struct sim_turn {
    enum stage stage;
    struct pl_turn *turn;
    size_t job;
    struct pl_call call;
    struct pl_peer peer;
    char *body;
    unsigned tries;
    bool fault;    /* its finish was made to fail */
    uint64_t wait; /* entries that must be durable */
    pl_err e;
    int status;
    struct pl_wr answer;
};

struct sim_frame {
    uint8_t *p;
    size_t n;
    uint64_t index;
    uint32_t count;
};

/* How far a log was read. */
struct sim_reader {
    struct pl_epoch epoch;
    struct pl_log_end end;
};

struct sim_node {
    struct world w;
    struct pl_vault *follower; /* the state of what is durable, entry by entry */
    struct sim_reader followed;
    struct pl_epoch seal;
    struct pl_frame open;
    uint8_t *mem;
    struct sim_frame frame[SIM_FRAMES];
    size_t frames, durable; /* frames written (perhaps), frames certain */
    uint64_t entries;       /* durable ones */
    bool locked;            /* a write failed for good */
    struct pl_span snapshot;
    uint64_t snapshot_at;
    struct sim_turn turn[SIM_TURNS];
    struct sim_model model;
    struct sim_random *random;
    uint64_t step, crashes, answers;
    uint8_t sealed[4 * SIM_FRAMES][32]; /* SHA-256(salt || sequence) of every frame ever sealed */
    size_t seals;
};

void node_open(struct sim_node *n, struct sim_random *r, uint8_t entropy);
void node_close(struct sim_node *n);
/* Sends a job of the model as a new turn; false when no turn is free. */
bool node_send(struct sim_node *n, size_t job);
/* One stage further for one turn that is under way, if there is one. */
void node_advance(struct sim_node *n);
void node_write(struct sim_node *n);       /* the log thread takes the open frame and writes it */
void node_written(struct sim_node *n);     /* and the disk is done: answers leave */
void node_write_fails(struct sim_node *n); /* the vault is locked until its next start */
void node_snapshot(struct sim_node *n);
void node_lapse(struct sim_node *n);
/* Power goes. The frame that was being written is there or is not. Then a start: the states by full
 * replay, by snapshot and tail, and by the follower must be the same bytes. */
void node_crash(struct sim_node *n);
/* Everything that is under way is answered. */
void node_settle(struct sim_node *n);

/* The model's part: what to ask next, with which bytes, and what an answer may be. */
bool model_choose(struct sim_node *n, size_t *out_job);
void model_send(struct sim_node *n, size_t job, struct sim_turn *t);
void model_answer(struct sim_node *n, const struct sim_turn *t);
void model_crashed(struct sim_node *n);
/* With nothing under way: every certain key gives its share, every deleted one does not. */
void model_settled(struct sim_node *n);

/* A check that names the step. */
#define SIM_CHECK(n_, cond) sim_check((n_), (cond), #cond, __FILE_NAME__, __LINE__)
bool sim_check(const struct sim_node *n, bool ok, const char *what, const char *file, int line);

#endif
