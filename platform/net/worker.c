/* A worker: one thread, one epoll, its connections. */
#include "platform/net/server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { EVENTS = 256 };

static bool make_slots(struct pl_worker *w)
{
    w->slots = calloc(w->conns_max, sizeof(*w->slots));
    for (uint32_t i = 0; w->slots && i < w->conns_max; i++)
        w->slots[i].next_free = i + 1;
    return w->slots != NULL;
}

static bool make_descriptors(struct pl_worker *w)
{
    w->epoll = epoll_create1(EPOLL_CLOEXEC);
    w->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct epoll_event ev = {.events = EPOLLIN};
    return w->epoll >= 0 && w->event >= 0 && epoll_ctl(w->epoll, EPOLL_CTL_ADD, w->event, &ev) == 0;
}

pl_err pl_net_worker_new(struct pl_worker **out, struct pl_server *s, unsigned index)
{
    struct pl_worker *w = *out = calloc(1, sizeof(*w));
    PL_REQUIRE(w, NO_MEMORY);
    w->server = s;
    w->index = index;
    w->arg = s->cfg.arg;
    w->epoll = w->event = -1;
    w->conns_max = (s->cfg.connections + s->workers - 1) / s->workers;
    w->scratch = calloc(1, sizeof(*w->scratch));
    pthread_mutex_init(&w->inbox_lock, NULL);
    pl_h2_pool_init(&w->pool, s->cfg.body_bytes);
    PL_REQUIRE(w->scratch && make_slots(w), NO_MEMORY);
    PL_REQUIRE(make_descriptors(w), NET_SYSTEM);
    return pl_crypto_new(&w->crypto);
}

void pl_net_worker_free(struct pl_worker *w)
{
    if (!w)
        return;
    for (unsigned i = 0; i < w->inbox_n; i++)
        pl_conn_discard(w->server, &w->inbox[i]);
    if (w->epoll >= 0)
        close(w->epoll);
    if (w->event >= 0)
        close(w->event);
    pl_crypto_free(w->crypto);
    pl_h2_pool_free(&w->pool);
    pthread_mutex_destroy(&w->inbox_lock);
    if (w->scratch)
        pl_wipe(w->scratch, sizeof(*w->scratch));
    free(w->scratch);
    free(w->slots);
    free(w);
}

/* ---- From other threads -----------------------------------------------------------------------
 */

static void ring(struct pl_worker *w)
{
    const uint64_t one = 1;
    ssize_t n = write(w->event, &one, sizeof(one)); /* full: it is ringing already */
    (void)n;
}

void pl_worker_wake(struct pl_worker *w)
{
    __atomic_store_n(&w->woken, true, __ATOMIC_RELEASE);
    ring(w);
}

bool pl_net_worker_hand(struct pl_worker *w, const struct net_accepted *a)
{
    pthread_mutex_lock(&w->inbox_lock);
    bool room = w->inbox_n < NET_INBOX;
    if (room)
        w->inbox[w->inbox_n++] = *a;
    pthread_mutex_unlock(&w->inbox_lock);
    if (room)
        ring(w);
    return room;
}

/* ---- The loop ---------------------------------------------------------------------------------
 */

static void take_inbox(struct pl_worker *w)
{
    for (;;) {
        struct net_accepted some[16];
        pthread_mutex_lock(&w->inbox_lock);
        unsigned n = w->inbox_n < 16 ? w->inbox_n : 16;
        memcpy(some, w->inbox, n * sizeof(*some));
        memmove(w->inbox, w->inbox + n, (w->inbox_n - n) * sizeof(*some));
        w->inbox_n -= n;
        pthread_mutex_unlock(&w->inbox_lock);
        for (unsigned i = 0; i < n; i++) {
            if (w->stopping)
                pl_conn_discard(w->server, &some[i]);
            else
                pl_conn_adopt(w, &some[i]);
        }
        if (n == 0)
            return;
    }
}

static void heard(struct pl_worker *w)
{
    uint64_t n;
    ssize_t got = read(w->event, &n, sizeof(n));
    (void)got; /* nothing there: somebody was heard twice */
    take_inbox(w);
    if (__atomic_load_n(&w->told_to_stop, __ATOMIC_ACQUIRE) && !w->stopping) {
        w->stopping = true;
        pl_conn_shutdown_all(w);
    }
    if (__atomic_exchange_n(&w->woken, false, __ATOMIC_ACQ_REL) && w->server->cfg.handler->on_wake)
        w->server->cfg.handler->on_wake(w);
}

static int wait_ms(const struct pl_worker *w)
{
    if (w->dirty)
        return 0;
    uint64_t next = pl_conn_next_ms(w);
    if (w->timer_ms && w->timer_ms < next)
        next = w->timer_ms;
    if (w->stopping && w->stop_ms < next)
        next = w->stop_ms;
    uint64_t now = pl_net_now_ms();
    if (next <= now)
        return 0;
    return next - now > 60000 ? 60000 : (int)(next - now);
}

static void timers(struct pl_worker *w)
{
    pl_conn_expire(w);
    if (w->timer_ms == 0 || w->now_ms < w->timer_ms)
        return;
    w->timer_ms = 0;
    if (w->server->cfg.handler->on_timer)
        w->server->cfg.handler->on_timer(w, w->now_ms);
}

static void turn(struct pl_worker *w)
{
    struct epoll_event ev[EVENTS];
    int n = epoll_wait(w->epoll, ev, EVENTS, wait_ms(w));
    w->now_ms = pl_net_now_ms();
    for (int i = 0; i < n; i++) {
        if (ev[i].data.ptr)
            pl_conn_event(ev[i].data.ptr, ev[i].events);
        else
            heard(w);
    }
    timers(w);
    pl_conn_flush_all(w);
    pl_conn_bury(w);
}

static pl_err begin(struct pl_worker *w)
{
    const struct pl_handler *h = w->server->cfg.handler;
    w->now_ms = w->tick_ms = pl_net_now_ms();
    return h->on_start ? h->on_start(w->server->cfg.arg, w, &w->arg) : PL_OK;
}

static void report(struct pl_server *s, pl_err e)
{
    pthread_mutex_lock(&s->start_lock);
    s->started++;
    if (e != PL_OK && s->start_err == PL_OK)
        s->start_err = e;
    pthread_cond_signal(&s->start_cond);
    pthread_mutex_unlock(&s->start_lock);
}

static void *run(void *arg)
{
    struct pl_worker *w = arg;
    pl_err e = begin(w);
    report(w->server, e);
    if (e != PL_OK)
        return NULL;
    while (!w->stopping || (w->conns > 0 && w->now_ms < w->stop_ms))
        turn(w);
    pl_conn_end_all(w, PL_OK);
    pl_conn_bury(w);
    if (w->server->cfg.handler->on_stop)
        w->server->cfg.handler->on_stop(w);
    return NULL;
}

pl_err pl_net_worker_launch(struct pl_worker *w)
{
    PL_REQUIRE(pthread_create(&w->thread, NULL, run, w) == 0, NET_SYSTEM);
    w->running = true;
    return PL_OK;
}

/* ---- For handlers -----------------------------------------------------------------------------
 */

unsigned pl_worker_index(const struct pl_worker *w) { return w->index; }
void *pl_worker_arg(const struct pl_worker *w) { return w->arg; }
struct pl_crypto *pl_worker_crypto(const struct pl_worker *w) { return w->crypto; }
uint64_t pl_worker_now_ms(const struct pl_worker *w) { return w->now_ms; }

void pl_worker_timer(struct pl_worker *w, uint64_t at_ms)
{
    if (at_ms && (w->timer_ms == 0 || at_ms < w->timer_ms))
        w->timer_ms = at_ms;
}
