#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint32_t sim_below(struct sim_random *r, uint32_t n)
{
    r->state = r->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)((r->state >> 33) % n);
}

bool sim_check(const struct sim_node *n, bool ok, const char *what, const char *file, int line)
{
    char text[256];
    snprintf(text, sizeof(text), "step %llu, crash %llu: %s", (unsigned long long)n->step,
             (unsigned long long)n->crashes, what);
    return test_check(ok, text, file, line);
}

/* ---- the log ---- */

static pl_err log_room(void *ctx, size_t entries, size_t body_bytes)
{
    struct sim_node *n = ctx;
    PL_REQUIRE(!n->locked, LOG_LOCKED);
    PL_REQUIRE(pl_frame_fits(&n->open, entries, body_bytes), LOG_FULL);
    return PL_OK;
}

static uint64_t log_append(void *ctx, enum pl_entry_kind kind, struct pl_span body)
{
    struct sim_node *n = ctx;
    return pl_frame_add(&n->open, kind, body);
}

static struct pl_epoch_start epoch_start(struct sim_node *n, const struct pl_log_end *end,
                                         const uint8_t *salt, uint64_t number)
{
    static uint8_t root[32];
    memset(root, WORLD_ROOT, sizeof(root));
    return (struct pl_epoch_start){root, n->w.self.vault_id, salt, end, number};
}

/* No two frames, whether they ever reached the disk or not, were sealed under one key and nonce. */
static void note_seal(struct sim_node *n, struct pl_span frame)
{
    struct pl_frame_header h;
    uint8_t name[40], id[32];
    CHECK_OK(pl_frame_header(n->w.c, &h, frame));
    memcpy(name, h.salt, 32);
    for (int i = 0; i < 8; i++)
        name[32 + i] = (uint8_t)(h.sequence >> 8 * i);
    CHECK_OK(pl_sha256_one(n->w.c, id, PL_ARR(name)));
    for (size_t i = 0; i < n->seals; i++)
        SIM_CHECK(n, memcmp(n->sealed[i], id, 32) != 0);
    memcpy(n->sealed[n->seals++], id, 32);
}

void node_write(struct sim_node *n)
{
    struct pl_span out;
    struct sim_frame *f = &n->frame[n->frames];
    if (n->locked || n->frames > n->durable || n->open.count == 0 || n->frames == SIM_FRAMES)
        return;
    *f = (struct sim_frame){.index = n->open.index, .count = n->open.count};
    NEED(CHECK_OK(pl_frame_seal(n->w.c, &n->seal, &n->open, &out)));
    note_seal(n, out);
    f->p = malloc(out.n);
    f->n = out.n;
    memcpy(f->p, out.p, out.n);
    n->frames++;
    pl_frame_begin(&n->open, n->mem, SIM_FRAME_BYTES, f->index + f->count);
}

/* Opens the next frame and applies its entries `from` and on. */
static void read_frame(struct sim_node *n, struct sim_reader *at, const struct sim_frame *f,
                       struct pl_vault *v, uint64_t from)
{
    struct pl_frame_header h;
    struct pl_frame_reader r;
    struct pl_entry entry;
    uint8_t *copy = malloc(f->n);
    memcpy(copy, f->p, f->n);
    CHECK_OK(pl_frame_header(n->w.c, &h, pl_span(copy, f->n)));
    if (h.epoch != at->epoch.number) {
        struct pl_epoch_start s = epoch_start(n, &at->end, h.salt, h.epoch);
        CHECK_OK(pl_epoch_begin(n->w.c, &at->epoch, &s));
    }
    if (CHECK_OK(pl_frame_open(n->w.c, &at->epoch, &r, copy, f->n)))
        while (pl_frame_next(&r, &entry))
            if (entry.index >= from)
                SIM_CHECK(n, pl_vault_replay(v, n->w.c, &entry) == PL_OK);
    at->end = (struct pl_log_end){at->epoch.number, at->epoch.sequence - 1, at->epoch.index, {0}};
    memcpy(at->end.tag, at->epoch.tag, sizeof(at->epoch.tag));
    free(copy);
}

/* The whole log, entries `from` and on; where it ends. */
static struct pl_log_end replay(struct sim_node *n, struct pl_vault *v, uint64_t from)
{
    struct sim_reader at = {0};
    for (size_t i = 0; i < n->durable; i++)
        read_frame(n, &at, &n->frame[i], v, from);
    return at.end;
}

/* The newest durable frame, applied to the follower. */
static void follow(struct sim_node *n)
{
    const struct sim_frame *f = &n->frame[n->durable - 1];
    read_frame(n, &n->followed, f, n->follower, 0);
    n->entries = n->followed.end.index;
    SIM_CHECK(n, n->entries == f->index + f->count);
}

static void turn_free(struct sim_turn *t)
{
    free(t->body);
    t->body = NULL;
    t->stage = STAGE_FREE;
}

static void deliver(struct sim_node *n)
{
    for (size_t i = 0; i < SIM_TURNS; i++) {
        struct sim_turn *t = &n->turn[i];
        if (t->stage != STAGE_PARKED || t->wait > n->entries)
            continue;
        n->answers++;
        model_answer(n, t);
        turn_free(t);
    }
}

void node_written(struct sim_node *n)
{
    if (n->frames > n->durable && !n->locked) {
        n->durable = n->frames;
        follow(n);
    }
    deliver(n);
}

void node_write_fails(struct sim_node *n) { n->locked = true; }

/* ---- a request ---- */

bool node_send(struct sim_node *n, size_t job)
{
    for (size_t i = 0; i < SIM_TURNS; i++) {
        struct sim_turn *t = &n->turn[i];
        if (t->stage != STAGE_FREE)
            continue;
        t->job = job;
        t->tries = 0;
        t->fault = false;
        model_send(n, job, t);
        pl_turn_begin(n->w.vault, t->turn, &t->call, &t->peer);
        t->stage = STAGE_BEGUN;
        return true;
    }
    return false;
}

static struct pl_env env_of(struct sim_node *n)
{
    struct pl_env env = {.crypto = n->w.c,
                         .keys = &n->w.keys,
                         .self = &n->w.self,
                         .secrets = &n->w.secrets,
                         .now = {n->w.now_s - 300, n->w.now_s + 300}};
    test_fill(env.entropy, sizeof(env.entropy), ++n->w.seed * 1000003);
    return env;
}

static void park(struct sim_node *n, struct sim_turn *t, pl_err e)
{
    t->e = e;
    pl_turn_end(n->w.vault, t->turn);
    t->stage = STAGE_PARKED;
}

static void prepare(struct sim_node *n, struct sim_turn *t)
{
    struct pl_env env = env_of(n);
    t->wait = 0;
    pl_err e = pl_turn_prepare(t->turn, &env);
    if (e == PL_OK) {
        t->stage = STAGE_PREPARED;
        return;
    }
    pl_turn_refused(n->w.vault, t->turn, &n->w.log, e, &t->wait);
    park(n, t, e);
}

/* Now and then the key cannot be used after all: a FAILED entry, and the error waits for it. */
static pl_err finish(struct sim_node *n, struct sim_turn *t, struct pl_env *env)
{
    struct pl_arena none = pl_arena(n->w.secrets.base, 0);
    t->fault = n->model.job[t->job].kind == JOB_EXPORT && sim_below(n->random, 40) == 0;
    if (t->fault)
        env->secrets = &none;
    pl_err e = pl_turn_finish(t->turn, env, &t->answer, &t->status);
    SIM_CHECK(n, !t->fault || e != PL_OK);
    if (e != PL_OK) {
        pl_err logged = pl_turn_failed(t->turn, &n->w.log, e, &t->wait);
        SIM_CHECK(n, logged == PL_OK || pl_err_code(logged) == PL_E_LOG_FULL);
    }
    return e;
}

static void commit(struct sim_node *n, struct sim_turn *t)
{
    struct pl_env env = env_of(n);
    t->answer.n = 0;
    pl_err e = pl_turn_commit(n->w.vault, t->turn, &n->w.log, &t->wait);
    if (pl_err_code(e) == PL_E_TURN_AGAIN && ++t->tries < 4) {
        pl_turn_end(n->w.vault, t->turn);
        pl_turn_begin(n->w.vault, t->turn, &t->call, &t->peer);
        t->stage = STAGE_BEGUN;
        return;
    }
    if (e == PL_OK)
        e = finish(n, t, &env);
    park(n, t, e);
}

void node_advance(struct sim_node *n)
{
    uint32_t from = sim_below(n->random, SIM_TURNS);
    for (uint32_t i = 0; i < SIM_TURNS; i++) {
        struct sim_turn *t = &n->turn[(from + i) % SIM_TURNS];
        if (t->stage == STAGE_BEGUN)
            prepare(n, t);
        else if (t->stage == STAGE_PREPARED)
            commit(n, t);
        else
            continue;
        break;
    }
    deliver(n);
}

void node_lapse(struct sim_node *n)
{
    struct pl_interval now = {n->w.now_s - 300, n->w.now_s + 300};
    bool more = true;
    while (more && pl_vault_lapse(n->w.vault, &n->w.log, now, &more) == PL_OK)
        ;
}

/* Not of a vault that is locked: its state may hold what its log never will. */
void node_snapshot(struct sim_node *n)
{
    if (n->locked)
        return;
    free((void *)(uintptr_t)n->snapshot.p);
    n->snapshot = world_state(n->w.vault);
    n->snapshot_at = n->open.index + n->open.count;
}

/* ---- power cuts ---- */

static struct pl_vault *fresh(struct sim_node *n)
{
    struct pl_vault *v = NULL;
    CHECK_OK(pl_vault_new(&v, &n->w.self, (const uint8_t[16]){1}));
    return v;
}

static pl_err no_room(void *ctx, size_t entries, size_t body_bytes)
{
    (void)ctx, (void)entries, (void)body_bytes;
    return PL_OK;
}

static uint64_t nowhere(void *ctx, enum pl_entry_kind kind, struct pl_span body)
{
    (void)ctx, (void)kind, (void)body;
    return 1;
}

/* The state in bytes, once all that time has ended is gone: spent statements and answered requests
 * age without an entry, so how many are still there depends on when somebody looked. */
static struct pl_span aged_state(struct sim_node *n, struct pl_vault *v)
{
    struct pl_log log = {no_room, nowhere, NULL};
    struct pl_interval now = {n->w.now_s - 300, n->w.now_s + 300};
    struct pl_vault *copy = fresh(n);
    struct pl_span state = world_state(v);
    bool more = true;
    SIM_CHECK(n, pl_vault_load(copy, n->w.c, state, true) == PL_OK);
    free((void *)(uintptr_t)state.p);
    for (int i = 0; i < 2; i++, more = true) /* what raises the floor, then what it lets go */
        while (more && CHECK_OK(pl_vault_lapse(copy, &log, now, &more)))
            ;
    state = world_state(copy);
    pl_vault_free(copy);
    return state;
}

static int item_cmp(const void *a, const void *b)
{
    const struct pl_span *x = a, *y = b;
    int d = memcmp(x->p, y->p, x->n < y->n ? x->n : y->n);
    return d ? d : (x->n > y->n) - (x->n < y->n);
}

/* A state is a stream of items (u32 length, u8 tag, body) in no order of its own. */
static size_t items_of(struct sim_node *n, struct pl_span state, struct pl_span *out)
{
    struct pl_rd r = pl_rd(state);
    size_t count = 0;
    while (pl_rd_left(&r) && SIM_CHECK(n, count < SIM_ITEMS)) {
        struct pl_span whole = pl_span(r.p, 4);
        whole.n += 1 + pl_rd_be32(&r);
        (void)pl_rd_bytes(&r, whole.n - 4);
        out[count++] = whole;
    }
    SIM_CHECK(n, pl_rd_end(&r) == PL_OK);
    qsort(out, count, sizeof(*out), item_cmp);
    return count;
}

static void check_same(struct sim_node *n, struct pl_vault *a, struct pl_vault *b)
{
    static struct pl_span x[SIM_ITEMS], y[SIM_ITEMS];
    struct pl_span sa = aged_state(n, a), sb = aged_state(n, b);
    size_t count = items_of(n, sa, x);
    bool same = count == items_of(n, sb, y);
    for (size_t i = 0; same && i < count; i++)
        same = pl_span_eq(x[i], y[i]);
    SIM_CHECK(n, same);
    free((void *)(uintptr_t)sa.p);
    free((void *)(uintptr_t)sb.p);
}

static void drop_everything(struct sim_node *n)
{
    for (size_t i = 0; i < SIM_TURNS; i++) {
        if (n->turn[i].stage == STAGE_BEGUN || n->turn[i].stage == STAGE_PREPARED)
            pl_turn_end(n->w.vault, n->turn[i].turn);
        turn_free(&n->turn[i]);
    }
    pl_vault_free(n->w.vault);
    if (n->frames > n->durable && sim_below(n->random, 2)) {
        n->durable = n->frames; /* it was whole on the disk, though nobody was told */
        follow(n);
    }
    for (; n->frames > n->durable; n->frames--)
        free(n->frame[n->frames - 1].p);
}

static void begin_epoch(struct sim_node *n, const struct pl_log_end *end)
{
    uint8_t salt[32];
    test_fill(salt, sizeof(salt), ++n->w.seed * 77773);
    struct pl_epoch_start s = epoch_start(n, end, salt, end->epoch + 1);
    CHECK_OK(pl_epoch_begin(n->w.c, &n->seal, &s));
    pl_frame_begin(&n->open, n->mem, SIM_FRAME_BYTES, end->index);
    n->locked = false;
}

void node_crash(struct sim_node *n)
{
    n->crashes++;
    drop_everything(n);
    struct pl_vault *whole = fresh(n), *tail = fresh(n);
    struct pl_log_end end = replay(n, whole, 0);
    if (n->snapshot.n && n->snapshot_at <= n->entries) {
        SIM_CHECK(n, pl_vault_load(tail, n->w.c, n->snapshot, true) == PL_OK);
        (void)replay(n, tail, n->snapshot_at);
    } else {
        (void)replay(n, tail, 0);
        free((void *)(uintptr_t)n->snapshot.p);
        n->snapshot =
            pl_span(NULL, 0); /* it held what the disk does not: the store writes it later */
    }
    check_same(n, whole, tail);
    check_same(n, whole, n->follower);
    bool keep_tail = sim_below(n->random, 2);
    n->w.vault = keep_tail ? tail : whole;
    pl_vault_free(keep_tail ? whole : tail);
    begin_epoch(n, &end);
    model_crashed(n);
    struct pl_boot boot = {.now = {n->w.now_s - 300, n->w.now_s + 300}};
    test_fill(boot.random, sizeof(boot.random), ++n->w.seed);
    CHECK_OK(pl_vault_boot(n->w.vault, &n->w.log, &boot));
    node_write(n);
    node_written(n);
}

void node_settle(struct sim_node *n)
{
    if (n->locked)
        node_crash(n);
    for (int i = 0; i < 64; i++) {
        node_advance(n);
        node_write(n);
        node_written(n);
    }
    for (size_t i = 0; i < SIM_TURNS; i++)
        SIM_CHECK(n, n->turn[i].stage == STAGE_FREE);
}

/* ---- birth and end ---- */

void node_open(struct sim_node *n, struct sim_random *r, uint8_t entropy)
{
    struct pl_log_end none = {0};
    memset(n, 0, sizeof(*n));
    n->random = r;
    world_make(&n->w);
    n->w.seed = (uint64_t)entropy << 32;
    n->mem = malloc(SIM_FRAME_BYTES);
    n->w.log = (struct pl_log){log_room, log_append, n};
    begin_epoch(n, &none);
    n->follower = fresh(n);
    for (size_t i = 0; i < SIM_TURNS; i++) {
        CHECK_OK(pl_turn_new(&n->turn[i].turn));
        n->turn[i].answer = pl_wr_heap(1 << 20);
    }
    world_birth(&n->w);
    node_write(n);
    node_written(n);
}

void node_close(struct sim_node *n)
{
    for (size_t i = 0; i < SIM_TURNS; i++) {
        pl_turn_free(n->turn[i].turn);
        pl_wr_free(&n->turn[i].answer);
    }
    for (size_t i = 0; i < n->frames; i++)
        free(n->frame[i].p);
    for (size_t i = 0; i < n->model.carriers; i++)
        free(n->model.carrier[i].text);
    pl_vault_free(n->follower);
    free((void *)(uintptr_t)n->snapshot.p);
    free(n->mem);
    world_close(&n->w);
}
