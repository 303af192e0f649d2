/* The client's loop: links in one thread, over the same wires as the server's connections. */
#include "platform/net/wire.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECT_MS = 5000, RUN_LINKS = 256, BODY_BYTES = 64 * 1024 * 1024 };

enum link_state { LINK_CONNECTING = 0, LINK_HANDSHAKE, LINK_OPEN, LINK_DEAD };

struct pl_link {
    struct net_wire wire; /* first */
    struct pl_client *client;
    struct pl_link *prev, *next;
    enum link_state state;
    const struct pl_link_events *events;
    void *user;
    uint64_t due_ms; /* to be open by then */
    bool closing;    /* pl_link_close was called */
};

struct pl_client {
    struct pl_crypto *crypto;
    struct pl_h2_pool pool;
    struct net_scratch *scratch;
    struct pl_link *first, *last;
    size_t links;
};

pl_err pl_client_new(struct pl_client **out, struct pl_crypto *c)
{
    *out = NULL;
    struct pl_client *cl = calloc(1, sizeof(*cl));
    PL_REQUIRE(cl, NO_MEMORY);
    cl->crypto = c;
    cl->scratch = calloc(1, sizeof(*cl->scratch));
    pl_h2_pool_init(&cl->pool, BODY_BYTES);
    if (!cl->scratch) {
        free(cl);
        return PL_FAIL(NO_MEMORY);
    }
    *out = cl;
    return PL_OK;
}

/* ---- Links ------------------------------------------------------------------------------------
 */

static void link_remove(struct pl_link *l)
{
    struct pl_client *cl = l->client;
    if (l->prev)
        l->prev->next = l->next;
    else
        cl->first = l->next;
    if (l->next)
        l->next->prev = l->prev;
    else
        cl->last = l->prev;
    cl->links--;
}

static void link_end(struct pl_link *l, pl_err why)
{
    l->state = LINK_DEAD;
    pl_wire_end(&l->wire, l->client->scratch, why, pl_net_now_ms());
    l->events->on_closed(l, why);
    link_remove(l);
    free(l);
}

void pl_client_free(struct pl_client *cl)
{
    if (!cl)
        return;
    while (cl->first)
        link_end(cl->first, PL_OK);
    pl_h2_pool_free(&cl->pool);
    pl_wipe(cl->scratch, sizeof(*cl->scratch));
    free(cl->scratch);
    free(cl);
}

static void on_response(void *arg, uint32_t stream, const struct pl_response *r, pl_err why)
{
    struct pl_link *l = arg;
    l->events->on_response(l, stream, r, why);
}

static const struct pl_h2_events h2_events = {.on_response = on_response};

/* The engine exists before the verdict so that the handler may queue requests from within it;
 * nothing of it is encrypted before pl_tls_open. */
static pl_err on_verdict(struct net_wire *wire, bool *out_resumable)
{
    (void)out_resumable;
    struct pl_link *l = (struct pl_link *)(void *)wire;
    struct pl_h2_config h2 = {.pool = &l->client->pool, .events = &h2_events, .arg = l};
    PL_TRY(pl_h2_new(&wire->h2, &h2, pl_net_now_ms()));
    PL_TRY(l->events->on_established(l));
    l->state = LINK_OPEN;
    return PL_OK;
}

static pl_err dial(struct pl_link *l, const char *address)
{
    struct sockaddr_storage a;
    unsigned n;
    const int on = 1;
    PL_TRY(pl_net_resolve(&a, &n, address));
    l->wire.fd = socket(a.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    PL_REQUIRE(l->wire.fd >= 0, NET_SYSTEM);
    setsockopt(l->wire.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (connect(l->wire.fd, (const struct sockaddr *)(const void *)&a, n) != 0)
        PL_REQUIRE(errno == EINPROGRESS || errno == EINTR, NET_CONNECT);
    return PL_OK;
}

pl_err pl_link_open(struct pl_client *cl, struct pl_link **out, const struct pl_link_config *cfg)
{
    *out = NULL;
    struct pl_link *l = calloc(1, sizeof(*l));
    PL_REQUIRE(l, NO_MEMORY);
    l->client = cl;
    l->events = cfg->events;
    l->user = cfg->user;
    l->wire = (struct net_wire){.fd = -1, .verdict = on_verdict};
    l->due_ms = pl_net_now_ms() + (cfg->connect_ms ? cfg->connect_ms : CONNECT_MS);
    pl_err e = pl_tls_new(&l->wire.tls, cfg->tls, cl->crypto, cfg->session);
    if (e == PL_OK)
        e = dial(l, cfg->address);
    if (e != PL_OK) {
        if (l->wire.fd >= 0)
            close(l->wire.fd);
        pl_tls_free(l->wire.tls);
        free(l);
        return e;
    }
    l->prev = cl->last;
    if (cl->last)
        cl->last->next = l;
    else
        cl->first = l;
    cl->last = l;
    cl->links++;
    *out = l;
    return PL_OK;
}

void pl_link_close(struct pl_link *l)
{
    l->closing = true;
    if (l->wire.h2)
        pl_h2_shutdown(l->wire.h2);
}

void pl_link_hand_over(struct pl_link *l, const struct pl_link_events *events, void *user)
{
    l->events = events;
    l->user = user;
}

void *pl_link_user(const struct pl_link *l) { return l->user; }
const struct pl_tls_peer *pl_link_peer(const struct pl_link *l) { return pl_tls_peer(l->wire.tls); }

pl_err pl_link_begin_session(struct pl_link *l, struct pl_session_state *out)
{
    return pl_tls_begin_session(l->wire.tls, out);
}

struct pl_tls_session *pl_link_session(struct pl_link *l)
{
    return l->wire.tls ? pl_tls_session_take(l->wire.tls) : NULL;
}

pl_err pl_link_request(struct pl_link *l, uint32_t *out_stream, const struct pl_request *r,
                       unsigned deadline_ms)
{
    PL_REQUIRE(l->wire.h2 && !l->closing, NET_CLOSED);
    return pl_h2_request(l->wire.h2, out_stream, r, pl_net_now_ms() + deadline_ms);
}

/* ---- Steps ------------------------------------------------------------------------------------
 */

static pl_err step_connect(struct pl_link *l, uint64_t now_ms)
{
    struct pollfd p = {.fd = l->wire.fd, .events = POLLOUT};
    int bad = 0;
    socklen_t n = sizeof(bad);
    if (poll(&p, 1, 0) <= 0)
        return PL_OK;
    PL_REQUIRE(getsockopt(l->wire.fd, SOL_SOCKET, SO_ERROR, &bad, &n) == 0 && bad == 0,
               NET_CONNECT);
    l->state = LINK_HANDSHAKE;
    return pl_wire_start(&l->wire, l->client->scratch, now_ms);
}

static pl_err step_data(struct pl_link *l, uint64_t now_ms)
{
    pl_err e = pl_wire_read(&l->wire, l->client->scratch, now_ms);
    if (e == PL_OK && l->wire.h2)
        e = pl_h2_tick(l->wire.h2, now_ms);
    if (e == PL_OK)
        e = pl_wire_flush(&l->wire, l->client->scratch, now_ms);
    return e;
}

/* PL_OK: it goes on. */
static pl_err step(struct pl_link *l, uint64_t now_ms)
{
    if (l->state == LINK_CONNECTING)
        PL_TRY(step_connect(l, now_ms));
    if (l->state != LINK_CONNECTING)
        PL_TRY(step_data(l, now_ms));
    PL_REQUIRE(l->state == LINK_OPEN || now_ms < l->due_ms, NET_CONNECT_TIME);
    PL_REQUIRE(!l->wire.h2 || wire_blocked(&l->wire) || !pl_h2_done(l->wire.h2), NET_CLOSED);
    return PL_OK;
}

void pl_client_step(struct pl_client *cl)
{
    uint64_t now = pl_net_now_ms();
    for (struct pl_link *l = cl->first, *next; l; l = next) {
        pl_err e = l->closing ? PL_OK : step(l, now);
        next = l->next; /* links opened by events of this one are stepped too */
        if (e != PL_OK || l->closing)
            link_end(l, l->closing ? PL_OK : e);
    }
}

static uint64_t next_ms(const struct pl_link *l)
{
    if (l->closing)
        return 0;
    uint64_t due = l->state == LINK_OPEN ? UINT64_MAX : l->due_ms;
    uint64_t h2 = l->wire.h2 ? pl_h2_next_ms(l->wire.h2) : UINT64_MAX;
    if (l->wire.h2 && !wire_blocked(&l->wire) && (l->wire.more || pl_h2_waiting(l->wire.h2)))
        return 0;
    return h2 < due ? h2 : due;
}

size_t pl_client_poll(struct pl_client *cl, struct pollfd *fds, size_t cap, int *out_timeout_ms)
{
    size_t n = 0;
    uint64_t first = UINT64_MAX, now = pl_net_now_ms();
    for (const struct pl_link *l = cl->first; l; l = l->next) {
        bool out = l->state == LINK_CONNECTING || wire_blocked(&l->wire);
        PL_ASSERT(n < cap);
        fds[n++] = (struct pollfd){.fd = l->wire.fd, .events = out ? POLLOUT : POLLIN};
        if (next_ms(l) < first)
            first = next_ms(l);
    }
    *out_timeout_ms = first == UINT64_MAX ? -1 : first <= now ? 0 : (int)(first - now);
    return n;
}

size_t pl_client_links(const struct pl_client *cl) { return cl->links; }

void pl_client_run(struct pl_client *cl, bool (*done)(void *arg), void *arg, unsigned timeout_ms)
{
    uint64_t end = pl_net_now_ms() + timeout_ms;
    for (;;) {
        pl_client_step(cl);
        uint64_t now = pl_net_now_ms();
        if (cl->links == 0 || (done && done(arg)) || now >= end)
            return;
        struct pollfd fds[RUN_LINKS];
        int wait;
        size_t n = pl_client_poll(cl, fds, RUN_LINKS, &wait);
        int left = end - now > INT32_MAX ? INT32_MAX : (int)(end - now);
        poll(fds, (nfds_t)n, wait < 0 || wait > left ? left : wait);
    }
}
