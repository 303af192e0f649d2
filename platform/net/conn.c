/* One connection of a server, in its worker's thread. */
#include "platform/net/server.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- Lists ------------------------------------------------------------------------------------
 */

static void list_out(struct pl_conn *c)
{
    struct net_links *l = &c->worker->lists[c->list];
    if (c->prev)
        c->prev->next = c->next;
    else
        l->first = c->next;
    if (c->next)
        c->next->prev = c->prev;
    else
        l->last = c->prev;
    c->prev = c->next = NULL;
}

static void list_in(struct pl_conn *c, enum net_list list)
{
    struct net_links *l = &c->worker->lists[list];
    c->list = list;
    c->since_ms = c->worker->now_ms;
    c->prev = l->last;
    if (l->last)
        l->last->next = c;
    else
        l->first = c;
    l->last = c;
}

/* Where it belongs now. Idle time counts from the last request, not from the last PING. */
static void settle(struct pl_conn *c)
{
    enum net_list to = NET_HANDSHAKING;
    if (c->wire.h2) {
        bool busy = pl_h2_open_streams(c->wire.h2) > 0 || wire_blocked(&c->wire) || c->closing;
        bool known = pl_tls_peer(c->wire.tls)->present;
        to = busy ? NET_ACTIVE : known ? NET_IDLE_KNOWN : NET_IDLE_STRANGER;
    }
    if (to == c->list && !c->worked)
        return;
    c->worked = false;
    list_out(c);
    list_in(c, to);
}

/* ---- Birth and death --------------------------------------------------------------------------
 */

void pl_conn_discard(struct pl_server *s, const struct net_accepted *a)
{
    close(a->fd);
    pl_net_peer_leave(&s->peers, a->peer, pl_net_now_ms());
    pl_tls_ctx_free(a->tls);
    NET_COUNT(s, refused);
    __atomic_sub_fetch(&s->counts.connections, 1, __ATOMIC_RELAXED);
}

static void conn_end(struct pl_conn *c, pl_err why)
{
    struct pl_worker *w = c->worker;
    struct pl_server *s = w->server;
    if (c->dead)
        return;
    c->dead = true;
    if (!c->accepted)
        NET_COUNT(s, handshake_failures);
    pl_wire_end(&c->wire, w->scratch, why, w->now_ms); /* closing the descriptor leaves the epoll */
    if (c->accepted && s->cfg.handler->on_closed)
        s->cfg.handler->on_closed(c, why);
    list_out(c);
    uint32_t slot = (uint32_t)(c->id >> 8) & 0xffffff;
    w->slots[slot].conn = NULL;
    w->slots[slot].next_free = w->free_slot;
    w->free_slot = slot;
    w->conns--;
    pl_net_peer_leave(&s->peers, c->peer, w->now_ms);
    __atomic_sub_fetch(&s->counts.connections, 1, __ATOMIC_RELAXED);
    c->next_dead = w->dead;
    w->dead = c;
}

/* Events of this turn may still point to it: freed at the turn's end. */
void pl_conn_bury(struct pl_worker *w)
{
    while (w->dead) {
        struct pl_conn *c = w->dead;
        w->dead = c->next_dead;
        free(c);
    }
}

static pl_err on_admit(void *arg)
{
    struct pl_conn *c = arg;
    struct pl_server *s = c->worker->server;
    if (s->cfg.requests_per_s == 0 ||
        pl_net_peer_take(&s->peers, &c->peer->requests, 1, s->cfg.requests_burst,
                         s->cfg.requests_per_s, c->worker->now_ms))
        return PL_OK;
    NET_COUNT(s, limited);
    return PL_FAIL(NET_RATE);
}

static void on_request(void *arg, uint32_t stream, const struct pl_request *r)
{
    struct pl_conn *c = arg;
    NET_COUNT(c->worker->server, requests);
    c->worked = true;
    c->worker->server->cfg.handler->on_request(c, stream, r);
}

static void on_reset(void *arg, uint32_t stream)
{
    struct pl_conn *c = arg;
    if (c->worker->server->cfg.handler->on_reset)
        c->worker->server->cfg.handler->on_reset(c, stream);
}

static const struct pl_h2_events h2_events = {
    .admit = on_admit, .on_request = on_request, .on_reset = on_reset};

/* The handler first: an engine for HTTP/2 exists only for a peer it accepted. */
static pl_err on_verdict(struct net_wire *wire, bool *out_resumable)
{
    struct pl_conn *c = (struct pl_conn *)(void *)wire;
    const struct pl_server_config *cfg = &c->worker->server->cfg;
    PL_TRY(cfg->handler->on_established(c, out_resumable));
    struct pl_h2_config h2 = {
        .server = true,
        .pool = &c->worker->pool,
        .events = &h2_events,
        .arg = c,
        .request_ms = cfg->request_ms,
        .response_ms = cfg->response_ms,
        .parked_ms = cfg->parked_ms,
    };
    c->accepted = true;
    NET_COUNT(c->worker->server, handshakes);
    return pl_h2_new(&wire->h2, &h2, c->worker->now_ms);
}

static struct pl_conn *conn_new(struct pl_worker *w, const struct net_accepted *a)
{
    struct pl_conn *c = calloc(1, sizeof(*c));
    if (!c)
        return NULL;
    c->worker = w;
    c->wire = (struct net_wire){.fd = a->fd, .verdict = on_verdict};
    c->peer = a->peer;
    c->watch = EPOLLIN;
    struct epoll_event ev = {.events = c->watch, .data.ptr = c};
    if (pl_tls_new(&c->wire.tls, a->tls, w->crypto, NULL) == PL_OK &&
        epoll_ctl(w->epoll, EPOLL_CTL_ADD, a->fd, &ev) == 0)
        return c;
    pl_tls_free(c->wire.tls);
    free(c);
    return NULL;
}

/* Room for one more, if it had a while: the stranger that was idle for longest goes, else the
 * oldest handshake, else whoever with a certificate was idle for longest (anybody can make one). */
static bool make_room(struct pl_worker *w)
{
    static const enum net_list order[] = {NET_IDLE_STRANGER, NET_HANDSHAKING, NET_IDLE_KNOWN};
    if (w->conns < w->conns_max)
        return true;
    for (size_t i = 0; i < sizeof(order) / sizeof(*order); i++) {
        struct pl_conn *c = w->lists[order[i]].first;
        if (!c || w->now_ms - c->since_ms < NET_TICK_MS)
            continue;
        conn_end(c, PL_FAIL(NET_STREAMS));
        return true;
    }
    return false;
}

void pl_conn_adopt(struct pl_worker *w, const struct net_accepted *a)
{
    struct pl_conn *c = make_room(w) ? conn_new(w, a) : NULL;
    if (!c) {
        pl_conn_discard(w->server, a);
        return;
    }
    pl_tls_ctx_free(a->tls); /* the pump has its own reference */
    uint32_t slot = w->free_slot;
    w->free_slot = w->slots[slot].next_free;
    w->slots[slot].conn = c;
    c->id = (uint64_t)++w->slots[slot].generation << 32 | (uint64_t)slot << 8 | w->index;
    w->conns++;
    list_in(c, NET_HANDSHAKING);
}

/* ---- A turn -----------------------------------------------------------------------------------
 */

void pl_conn_mark(struct pl_conn *c)
{
    if (c->dirty || c->dead)
        return;
    c->dirty = true;
    c->next_dirty = c->worker->dirty;
    c->worker->dirty = c;
}

/* While output waits nothing is read: a peer that does not read cannot make us hold more. */
static void watch(struct pl_conn *c)
{
    uint32_t want = wire_blocked(&c->wire) ? EPOLLOUT : EPOLLIN;
    if (want == c->watch)
        return;
    struct epoll_event ev = {.events = want, .data.ptr = c};
    c->watch = want;
    epoll_ctl(c->worker->epoll, EPOLL_CTL_MOD, c->wire.fd, &ev);
}

void pl_conn_event(struct pl_conn *c, uint32_t events)
{
    if (c->dead)
        return;
    (void)events; /* errors and hang-ups show when reading */
    pl_err e = pl_wire_read(&c->wire, c->worker->scratch, c->worker->now_ms);
    if (e == PL_OK)
        pl_conn_mark(c);
    else
        conn_end(c, pl_err_code(e) == PL_E_NET_CLOSED ? PL_OK : e);
}

static void flush(struct pl_conn *c)
{
    struct pl_worker *w = c->worker;
    pl_err e = pl_wire_flush(&c->wire, w->scratch, w->now_ms);
    if (e != PL_OK) {
        conn_end(c, pl_err_code(e) == PL_E_NET_CLOSED ? PL_OK : e);
        return;
    }
    bool over = c->wire.h2 ? !wire_blocked(&c->wire) && pl_h2_done(c->wire.h2) : c->closing;
    if (over) {
        conn_end(c, PL_OK);
        return;
    }
    if (c->wire.more && !wire_blocked(&c->wire))
        pl_conn_mark(c);
    settle(c);
    watch(c);
}

/* Once for each: what still has more to send comes again in the next turn. */
void pl_conn_flush_all(struct pl_worker *w)
{
    struct pl_conn *c = w->dirty;
    w->dirty = NULL;
    while (c) {
        struct pl_conn *next = c->next_dirty;
        c->dirty = false;
        if (!c->dead)
            flush(c);
        c = next;
    }
}

/* ---- Deadlines --------------------------------------------------------------------------------
 */

static unsigned patience(const struct pl_worker *w, enum net_list list)
{
    const struct pl_server_config *cfg = &w->server->cfg;
    return list == NET_HANDSHAKING ? cfg->handshake_ms : cfg->idle_ms;
}

static void expire_list(struct pl_worker *w, enum net_list list)
{
    struct pl_conn *c;
    while ((c = w->lists[list].first) && w->now_ms - c->since_ms >= patience(w, list)) {
        if (c->wire.h2)
            pl_h2_shutdown(c->wire.h2);
        conn_end(c, list == NET_HANDSHAKING ? PL_FAIL(NET_HANDSHAKE_TIME) : PL_FAIL(NET_IDLE));
    }
}

static void expire_active(struct pl_worker *w)
{
    for (struct pl_conn *c = w->lists[NET_ACTIVE].first, *next; c; c = next) {
        next = c->next;
        bool slow =
            wire_blocked(&c->wire) && w->now_ms - c->wire.blocked_ms >= w->server->cfg.response_ms;
        pl_err e = slow ? PL_FAIL(NET_SLOW_READER) : pl_h2_tick(c->wire.h2, w->now_ms);
        if (e == PL_OK)
            pl_conn_mark(c);
        else
            conn_end(c, e);
    }
}

void pl_conn_expire(struct pl_worker *w)
{
    expire_list(w, NET_HANDSHAKING);
    expire_list(w, NET_IDLE_STRANGER);
    expire_list(w, NET_IDLE_KNOWN);
    if (w->now_ms - w->tick_ms < NET_TICK_MS)
        return;
    w->tick_ms = w->now_ms;
    expire_active(w);
}

uint64_t pl_conn_next_ms(const struct pl_worker *w)
{
    uint64_t next = w->lists[NET_ACTIVE].first ? w->tick_ms + NET_TICK_MS : UINT64_MAX;
    for (enum net_list l = 0; l < NET_ACTIVE; l++) {
        const struct pl_conn *c = w->lists[l].first;
        if (c && c->since_ms + patience(w, l) < next)
            next = c->since_ms + patience(w, l);
    }
    return next;
}

void pl_conn_shutdown_all(struct pl_worker *w)
{
    for (enum net_list l = 0; l < NET_LISTS; l++)
        for (struct pl_conn *c = w->lists[l].first; c; c = c->next)
            pl_conn_close(c);
}

void pl_conn_end_all(struct pl_worker *w, pl_err why)
{
    for (enum net_list l = 0; l < NET_LISTS; l++)
        while (w->lists[l].first)
            conn_end(w->lists[l].first, why);
}

/* ---- For handlers -----------------------------------------------------------------------------
 */

const struct pl_tls_peer *pl_conn_peer(const struct pl_conn *c) { return pl_tls_peer(c->wire.tls); }
pl_conn_id pl_conn_id_of(const struct pl_conn *c) { return c->id; }
struct pl_worker *pl_conn_worker(const struct pl_conn *c) { return c->worker; }
void pl_conn_set_user(struct pl_conn *c, void *user) { c->user = user; }
void *pl_conn_user(const struct pl_conn *c) { return c->user; }

struct pl_conn *pl_conn_find(struct pl_worker *w, pl_conn_id id)
{
    uint32_t slot = (uint32_t)(id >> 8) & 0xffffff;
    if ((id & 0xff) != w->index || slot >= w->conns_max)
        return NULL;
    struct pl_conn *c = w->slots[slot].conn;
    return c && c->id == id ? c : NULL;
}

pl_err pl_conn_begin_session(struct pl_conn *c, struct pl_session_state *out)
{
    return pl_tls_begin_session(c->wire.tls, out);
}

bool pl_conn_budget(struct pl_conn *c, unsigned cost)
{
    return pl_net_peer_take(&c->worker->server->peers, &c->peer->work, cost, NET_WORK_BURST,
                            NET_WORK_PER_S, c->worker->now_ms);
}

void pl_conn_close(struct pl_conn *c)
{
    c->closing = true;
    if (c->wire.h2)
        pl_h2_shutdown(c->wire.h2);
    pl_conn_mark(c);
}

pl_err pl_respond(struct pl_worker *w, pl_conn_id conn, uint32_t stream,
                  const struct pl_response *r)
{
    struct pl_conn *c = pl_conn_find(w, conn);
    PL_REQUIRE(c && c->wire.h2, NET_STREAM_GONE);
    pl_err e = pl_h2_respond(c->wire.h2, stream, r);
    pl_conn_mark(c);
    return e;
}
