/* Requests: public reads at once, operations on keys as turns of the vault, and answers that leave
 * when the log is durable. */
#include "vaultd.h"

#include "api/api.h"

#include <stdlib.h>
#include <string.h>

enum { TRIES = 3 };

/* ---- answering ---- */

static void send_body(struct worker *w, pl_conn_id conn, uint32_t stream, int status, bool problem,
                      struct pl_span body)
{
    const struct pl_response r = {
        .status = status,
        .content_type = problem ? PL_LIT("application/problem+json") : PL_LIT("application/json"),
        .retry_after_s = status == 429 || status == 503 ? 1 : 0,
        .body = body,
    };
    pl_err e = pl_respond(w->w, conn, stream, &r);
    if (e != PL_OK && pl_err_code(e) != PL_E_NET_STREAM_GONE)
        pl_event_error("answer", NULL, e);
}

static pl_err write_problem(struct pl_wr *out, struct pl_told told, const uint64_t *index)
{
    struct pl_api_problem p;
    struct pl_problem_text text;
    pl_api_problem(&p, &text, told.code);
    PL_TRY(pl_entropy(p.request_id, sizeof(p.request_id)));
    p.has_detail = told.detail && *told.detail;
    p.detail = told.detail;
    p.has_pointer = told.pointer && *told.pointer;
    p.pointer = told.pointer;
    p.has_index = index != NULL;
    p.index = index ? *index : 0;
    return pl_api_write_problem(out, &p);
}

static void send_problem(struct worker *w, pl_conn_id conn, uint32_t stream, struct pl_told told,
                         const uint64_t *index)
{
    struct pl_wr body PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_NET_REQUEST_MAX);
    pl_err e = write_problem(&body, told, index);
    if (e != PL_OK)
        pl_event_error("problem", NULL, e);
    send_body(w, conn, stream, pl_code_http(told.code), true, pl_wr_span(&body));
}

static void answer_error(struct worker *w, pl_conn_id conn, uint32_t stream, pl_err e)
{
    send_problem(w, conn, stream, (struct pl_told){.code = pl_err_code(e)}, NULL);
}

/* ---- parked answers ---- */

static void arm(struct worker *w)
{
    const struct parked *a = w->waiting.first, *b = w->hidden.first;
    pl_worker_timer(w->w, a ? a->due_ms : 0);
    pl_worker_timer(w->w, b ? b->due_ms : 0);
}

/* When a stranger is told: counted from when the request came, not from when it was decided, and a
 * whole tick later at least, so that what deciding cost does not show. */
static uint64_t tick(const struct worker *w)
{
    return (pl_worker_now_ms(w->w) / STRANGER_TICK_MS + 2) * STRANGER_TICK_MS;
}

/* Takes the body over; without memory to wait with, the outcome stays unknown to the caller. */
static void park(struct worker *w, struct pl_conn *c, uint32_t stream, const struct parked *what)
{
    struct parked_list *list = what->hidden ? &w->hidden : &w->waiting;
    struct parked *p = malloc(sizeof(*p));
    if (!p) {
        struct pl_wr body = what->body;
        pl_wr_free(&body);
        answer_error(w, pl_conn_id_of(c), stream, PL_FAIL(OUTCOME_UNKNOWN));
        return;
    }
    *p = *what;
    p->conn = pl_conn_id_of(c);
    p->stream = stream;
    p->due_ms = p->hidden ? tick(w) : pl_worker_now_ms(w->w) + ANSWER_MS;
    p->next = NULL;
    *list->last = p;
    list->last = &p->next;
    arm(w);
}

static void unpark(struct parked_list *list)
{
    struct parked *p = list->first;
    list->first = p->next;
    if (!list->first)
        list->last = &list->first;
    pl_wr_free(&p->body);
    free(p);
}

static void send_unknown(struct worker *w, const struct parked *p)
{
    uint64_t index = p->wait - 1;
    atomic_fetch_add(&w->vd->parked_late, 1);
    send_problem(w, p->conn, p->stream, (struct pl_told){.code = PL_E_OUTCOME_UNKNOWN}, &index);
}

/* What is durable leaves; what will not be, or not in time, is told so. Never "failed". */
static void release_parked(struct worker *w, uint64_t now_ms)
{
    uint64_t durable = pl_store_durable(w->vd->store);
    bool locked = pl_store_state(w->vd->store) == PL_STORE_LOCKED;
    for (const struct parked *p; (p = w->waiting.first); unpark(&w->waiting)) {
        bool good = p->wait <= durable;
        if (!good && !locked && p->due_ms > now_ms)
            break;
        if (good)
            send_body(w, p->conn, p->stream, p->status, p->problem, pl_wr_span(&p->body));
        else
            send_unknown(w, p);
    }
    for (const struct parked *p; (p = w->hidden.first) && p->due_ms <= now_ms; unpark(&w->hidden))
        send_body(w, p->conn, p->stream, p->status, true, pl_wr_span(&p->body));
    arm(w);
}

/* ---- turns ---- */

static pl_err prepare_env(struct worker *w)
{
    uint8_t *chance = w->chance + w->chance_used;
    w->env.now = vaultd_now(w->vd);
    if (w->chance_used == 0) /* for many turns at once */
        PL_TRY(pl_entropy(w->chance, sizeof(w->chance)));
    memcpy(w->env.entropy, chance, sizeof(w->env.entropy));
    pl_wipe(chance, sizeof(w->env.entropy));
    w->chance_used = (w->chance_used + PL_TURN_ENTROPY) % sizeof(w->chance);
    return PL_OK;
}

/* begin, prepare, commit; again when the record changed in between. On return the turn is begun. */
static pl_err decide(struct worker *w, const struct pl_call *call, const struct pl_peer *peer,
                     uint64_t *out_wait)
{
    struct vaultd *vd = w->vd;
    for (int i = 0;; i++) {
        *out_wait = 0;
        pthread_mutex_lock(&vd->mutex);
        pl_turn_begin(vd->vault, w->turn, call, peer);
        pthread_mutex_unlock(&vd->mutex);
        pl_err e = prepare_env(w);
        if (e == PL_OK)
            e = pl_turn_prepare(w->turn, &w->env);
        pthread_mutex_lock(&vd->mutex);
        if (e == PL_OK)
            e = pl_turn_commit(vd->vault, w->turn, &vd->log, out_wait);
        else
            pl_turn_refused(vd->vault, w->turn, &vd->log, e, out_wait);
        pthread_mutex_unlock(&vd->mutex);
        if (pl_err_code(e) != PL_E_TURN_AGAIN || i == TRIES)
            return e;
        pthread_mutex_lock(&vd->mutex);
        pl_turn_end(vd->vault, w->turn);
        pthread_mutex_unlock(&vd->mutex);
    }
}

static void failed(struct worker *w, pl_err why, uint64_t *out_wait)
{
    struct vaultd *vd = w->vd;
    pthread_mutex_lock(&vd->mutex);
    pl_err e = pl_turn_failed(w->turn, &vd->log, why, out_wait);
    pthread_mutex_unlock(&vd->mutex);
    if (e != PL_OK)
        pl_event_error("failed-entry", NULL, e);
    pl_event_error("operation", NULL, why);
}

static void run_turn(struct pl_conn *c, uint32_t stream, const struct pl_call *call)
{
    struct worker *w = pl_worker_arg(pl_conn_worker(c));
    struct client *cl = pl_conn_user(c);
    struct parked p = {.body = pl_wr_heap(PL_NET_RESPONSE_MAX)};
    pl_err e = decide(w, call, &cl->peer, &p.wait);
    if (e == PL_OK) {
        e = pl_turn_finish(w->turn, &w->env, &p.body, &p.status);
        if (e != PL_OK)
            failed(w, e, &p.wait);
    }
    if (e != PL_OK) {
        struct pl_told told = pl_turn_problem(w->turn, e);
        p.problem = true;
        p.hidden = told.hidden;
        p.status = pl_code_http(told.code);
        if (write_problem(&p.body, told, NULL) != PL_OK)
            p.body.n = 0;
    }
    pthread_mutex_lock(&w->vd->mutex);
    pl_turn_end(w->vd->vault, w->turn);
    pthread_mutex_unlock(&w->vd->mutex);
    park(w, c, stream, &p);
    release_parked(w, pl_worker_now_ms(w->w));
}

static void keys(struct pl_conn *c, uint32_t stream, const struct pl_request *r)
{
    struct worker *w = pl_worker_arg(pl_conn_worker(c));
    struct pl_call call = {.body = r->body,
                           .idempotency_key = r->idempotency_key,
                           .authorization = r->authorization,
                           .if_match = r->if_match};
    pl_err e = pl_call_route(&call, r->method, r->path);
    if (e == PL_OK)
        run_turn(c, stream, &call);
    else
        answer_error(w, pl_conn_id_of(c), stream, e);
}

/* ---- public reads ---- */

static void put_status(const struct vaultd *vd, const struct pl_vault_status *s,
                       struct pl_api_status *m)
{
    const struct pl_tee_self *tee = pl_tee_self(vd->tee);
    struct pl_interval now = vaultd_now(vd);
    bool locked = pl_store_state(vd->store) == PL_STORE_LOCKED;
    *m = (struct pl_api_status){
        .epoch = vd->epoch,
        .log_size = pl_store_durable(vd->store),
        .memory = PL_API_MEMORY_ENCRYPTED,
        .has_now_earliest = now.earliest_s > 0,
        .now_earliest = now.earliest_s,
        .has_now_latest = now.latest_s < INT64_MAX,
        .now_latest = now.latest_s,
        .sim = strncmp(tee->tee, "sim", 3) == 0,
        .state = !s->born ? PL_API_VAULT_UNBORN
                 : locked ? PL_API_VAULT_LOCKED
                          : PL_API_VAULT_SERVING,
        .tee = tee->tee,
        .time = PL_API_TIME_HOST,
        .has_unlock = true,
        .unlock = PL_API_UNLOCK_SEAL,
        .version = PL_VERSION,
    };
    memcpy(m->config_root, s->config_root, sizeof(m->config_root));
    memcpy(m->vault_id, vd->self.vault_id, sizeof(m->vault_id));
}

static pl_err read_status(struct vaultd *vd, struct pl_wr *body)
{
    struct pl_vault_status s;
    struct pl_api_status m;
    pthread_mutex_lock(&vd->mutex);
    pl_vault_status(vd->vault, &s);
    pthread_mutex_unlock(&vd->mutex);
    put_status(vd, &s, &m);
    return pl_api_write_status(body, &m);
}

static pl_err read_identity(struct vaultd *vd, struct pl_wr *body)
{
    struct pl_api_identity m = {.key_list = pl_wr_span(&vd->key_list)};
    memcpy(m.vault_id, vd->self.vault_id, sizeof(m.vault_id));
    return pl_api_write_identity(body, &m);
}

static pl_err read_attestation(struct vaultd *vd, struct pl_wr *body)
{
    struct pl_api_attestation m = {0};
    memcpy(m.vault_id, vd->self.vault_id, sizeof(m.vault_id));
    pthread_mutex_lock(&vd->quote_mutex);
    m.certificate = pl_wr_span(&vd->leaf.der);
    pl_err e = pl_api_write_attestation(body, &m);
    pthread_mutex_unlock(&vd->quote_mutex);
    return e;
}

static pl_err read_openapi(struct vaultd *vd, struct pl_wr *body)
{
    (void)vd;
    pl_wr_bytes(body, vaultd_openapi());
    return pl_wr_end(body);
}

static const struct {
    const char *path;
    pl_err (*read)(struct vaultd *vd, struct pl_wr *body);
} public_reads[] = {
    {"/v1/status", read_status},
    {"/v1/identity", read_identity},
    {"/v1/attestation", read_attestation},
    {"/v1/openapi.json", read_openapi},
};

static bool public_read(struct worker *w, pl_conn_id conn, uint32_t stream,
                        const struct pl_request *r)
{
    for (size_t i = 0; i < sizeof(public_reads) / sizeof(*public_reads); i++) {
        if (!pl_span_is(r->path, public_reads[i].path))
            continue;
        struct pl_wr body PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_NET_REQUEST_MAX);
        pl_err e =
            pl_span_is(r->method, "GET") ? public_reads[i].read(w->vd, &body) : PL_FAIL(METHOD);
        if (e == PL_OK)
            send_body(w, conn, stream, 200, false, pl_wr_span(&body));
        else
            answer_error(w, conn, stream, e);
        return true;
    }
    return false;
}

/* ---- the handler ---- */

static bool is_json(struct pl_span content_type)
{
    static const char json[] = "application/json";
    return content_type.n >= sizeof(json) - 1 &&
           memcmp(content_type.p, json, sizeof(json) - 1) == 0;
}

static void session(struct pl_conn *c, uint32_t stream, const struct pl_request *r)
{
    struct worker *w = pl_worker_arg(pl_conn_worker(c));
    char pointer[PL_JSON_POINTER_MAX] = "";
    pl_err e = pl_span_is(r->method, "POST") ? peers_session(c, stream, r->body, pointer)
                                             : PL_FAIL(METHOD);
    atomic_fetch_add(e == PL_OK ? &w->vd->sessions : &w->vd->session_refusals, 1);
    if (e != PL_OK)
        send_problem(w, pl_conn_id_of(c), stream,
                     (struct pl_told){.code = pl_err_code(e), .pointer = pointer}, NULL);
}

/* An approval, said again: no key is looked at, so nothing of this waits for the log. */
static void reissue(struct pl_conn *c, uint32_t stream, const struct pl_request *r)
{
    struct worker *w = pl_worker_arg(pl_conn_worker(c));
    struct client *cl = pl_conn_user(c);
    struct pl_wr body PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_NET_RESPONSE_MAX);
    char pointer[PL_JSON_POINTER_MAX] = "";
    pthread_mutex_lock(&w->vd->mutex);
    struct pl_config *config = pl_vault_config(w->vd->vault);
    pthread_mutex_unlock(&w->vd->mutex);
    pl_err e = pl_span_is(r->method, "POST") ? prepare_env(w) : PL_FAIL(METHOD);
    if (e == PL_OK)
        e = pl_approval_reissue(&w->env, &cl->peer, config, r->body, &body, pointer);
    if (e == PL_OK)
        send_body(w, pl_conn_id_of(c), stream, 200, false, pl_wr_span(&body));
    else
        send_problem(w, pl_conn_id_of(c), stream,
                     (struct pl_told){.code = pl_err_code(e), .pointer = pointer}, NULL);
    pthread_mutex_lock(&w->vd->mutex);
    pl_config_put(config);
    pthread_mutex_unlock(&w->vd->mutex);
}

/* A connection may live longer than the certificate that it was made with, or than the collateral
 * that its evidence was believed by. */
static bool peer_ended(const struct worker *w, const struct client *cl)
{
    bool other = cl->peer.claims && cl->trust != w->vd->trust;
    return other ||
           (cl->peer.has_key && pl_time_before(vaultd_now(w->vd), cl->not_after_s) != PL_TRUE);
}

static void on_request(struct pl_conn *c, uint32_t stream, const struct pl_request *r)
{
    struct worker *w = pl_worker_arg(pl_conn_worker(c));
    pl_conn_id id = pl_conn_id_of(c);
    if (public_read(w, id, stream, r))
        return;
    if (peer_ended(w, pl_conn_user(c))) {
        answer_error(w, id, stream, PL_FAIL(SESSION_EXPIRED));
        pl_conn_close(c);
        return;
    }
    if (r->body.n && !is_json(r->content_type))
        answer_error(w, id, stream, PL_FAIL(CONTENT_TYPE));
    else if (pl_span_is(r->path, "/v1/session"))
        session(c, stream, r);
    else if (pl_span_is(r->path, "/v1/approvals/export"))
        reissue(c, stream, r);
    else
        keys(c, stream, r);
}

static void on_wake(struct pl_worker *pw)
{
    struct worker *w = pl_worker_arg(pw);
    struct quote_job *j = evidence_finished(w->vd, pl_worker_index(pw)), *next;
    for (; j; j = next) {
        next = j->next;
        if (j->err == PL_OK)
            send_body(w, j->conn, j->stream, 200, false, pl_wr_span(&j->body));
        else
            answer_error(w, j->conn, j->stream, j->err);
        quote_job_free(j);
    }
    release_parked(w, pl_worker_now_ms(pw));
}

static void on_timer(struct pl_worker *pw, uint64_t now_ms)
{
    release_parked(pl_worker_arg(pw), now_ms);
}

/* A worker that ends takes itself out: log and evidence threads outlive it. */
static void enlist(struct worker *w, struct worker *as)
{
    pthread_mutex_lock(&w->vd->wake_mutex);
    w->vd->workers[pl_worker_index(w->w)] = as;
    pthread_mutex_unlock(&w->vd->wake_mutex);
}

void vaultd_wake_workers(struct vaultd *vd)
{
    pthread_mutex_lock(&vd->wake_mutex);
    for (unsigned i = 0; i < WORKERS_MAX; i++)
        if (vd->workers[i])
            pl_worker_wake(vd->workers[i]->w);
    pthread_mutex_unlock(&vd->wake_mutex);
}

static void worker_free(struct worker *w)
{
    for (; w->waiting.first; unpark(&w->waiting))
        ;
    for (; w->hidden.first; unpark(&w->hidden))
        ;
    pl_turn_free(w->turn);
    pl_locked_unmap(&w->locked);
    free(w);
}

static pl_err on_start(void *arg, struct pl_worker *pw, void **out)
{
    struct vaultd *vd = arg;
    struct worker *w = calloc(1, sizeof(*w));
    PL_REQUIRE(w, NO_MEMORY);
    w->vd = vd;
    w->w = pw;
    w->waiting.last = &w->waiting.first;
    w->hidden.last = &w->hidden.first;
    pl_err e = pl_locked_map(&w->locked, WORKER_ARENA_BYTES);
    if (e == PL_OK)
        e = pl_turn_new(&w->turn);
    if (e != PL_OK) {
        worker_free(w);
        return e;
    }
    w->secrets = pl_locked_arena(&w->locked);
    w->env = (struct pl_env){.crypto = pl_worker_crypto(pw),
                             .keys = vd->keys,
                             .self = &vd->self,
                             .secrets = &w->secrets};
    enlist(w, w);
    *out = w;
    return PL_OK;
}

static void on_stop(struct pl_worker *pw)
{
    struct worker *w = pl_worker_arg(pw);
    enlist(w, NULL);
    worker_free(w);
}

const struct pl_handler vaultd_handler = {
    .on_start = on_start,
    .on_stop = on_stop,
    .on_established = peers_established,
    .on_request = on_request,
    .on_closed = peers_closed,
    .on_wake = on_wake,
    .on_timer = on_timer,
};
