/* The main thread's part of a server: listen, accept, deal, stop. */
#include "platform/net/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 4096, ACCEPTS = 64 };

/* ---- Addresses --------------------------------------------------------------------------------
 */

/* "host:port" or "[host]:port" taken apart. */
static bool split(const char *address, char host[static 256], char port[static 8])
{
    const char *colon = strrchr(address, ':');
    bool bracket = address[0] == '[';
    if (!colon || (bracket && (colon == address || colon[-1] != ']')))
        return false;
    const char *from = bracket ? address + 1 : address;
    size_t n = (size_t)(colon - from) - (bracket ? 1 : 0), m = strlen(colon + 1);
    if (n == 0 || n >= 256 || m == 0 || m >= 8)
        return false;
    memcpy(host, from, n);
    host[n] = '\0';
    memcpy(port, colon + 1, m + 1);
    return true;
}

static void free_info(struct addrinfo **a)
{
    if (*a)
        freeaddrinfo(*a);
}

pl_err pl_net_resolve(struct sockaddr_storage *out, unsigned *out_len, const char *address)
{
    char host[256], port[8];
    struct addrinfo *found PL_CLEANUP(free_info) = NULL;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    PL_REQUIRE(address && split(address, host, port), NET_ADDRESS);
    PL_REQUIRE(getaddrinfo(host, port, &hints, &found) == 0, NET_ADDRESS);
    PL_REQUIRE(found && found->ai_addrlen <= sizeof(*out), NET_ADDRESS);
    memset(out, 0, sizeof(*out));
    memcpy(out, found->ai_addr, found->ai_addrlen);
    *out_len = found->ai_addrlen;
    return PL_OK;
}

/* ---- Start ------------------------------------------------------------------------------------
 */

static void defaults(struct pl_server_config *c)
{
    c->connections = c->connections ? c->connections : PL_NET_CONNECTIONS;
    if (c->connections_per_peer == 0)
        c->connections_per_peer = c->connections / 4 ? c->connections / 4 : 1;
    c->handshake_ms = c->handshake_ms ? c->handshake_ms : PL_NET_HANDSHAKE_MS;
    c->idle_ms = c->idle_ms ? c->idle_ms : PL_NET_IDLE_MS;
    c->request_ms = c->request_ms ? c->request_ms : PL_NET_REQUEST_MS;
    c->response_ms = c->response_ms ? c->response_ms : PL_NET_RESPONSE_MS;
    c->parked_ms = c->parked_ms ? c->parked_ms : PL_NET_PARKED_MS;
    c->requests_burst = c->requests_burst ? c->requests_burst : c->requests_per_s;
    c->body_bytes = c->body_bytes ? c->body_bytes : PL_NET_POOL_BYTES;
}

static pl_err listen_on(struct pl_server *s)
{
    struct sockaddr_storage a;
    socklen_t n;
    const int on = 1;
    PL_TRY(pl_net_resolve(&a, &n, s->cfg.address));
    s->listener = socket(a.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    PL_REQUIRE(s->listener >= 0, NET_LISTEN);
    setsockopt(s->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    PL_REQUIRE(bind(s->listener, (const struct sockaddr *)(const void *)&a, n) == 0 &&
                   listen(s->listener, BACKLOG) == 0,
               NET_LISTEN);
    n = sizeof(a);
    PL_REQUIRE(getsockname(s->listener, (struct sockaddr *)(void *)&a, &n) == 0, NET_LISTEN);
    s->port = ntohs(a.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)(void *)&a)->sin6_port
                                            : ((struct sockaddr_in *)(void *)&a)->sin_port);
    s->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return PL_OK;
}

/* All workers have called on_start, or one has failed. */
static pl_err launch(struct pl_server *s)
{
    unsigned launched = 0;
    pl_err e = PL_OK;
    while (e == PL_OK && launched < s->workers)
        if ((e = pl_net_worker_launch(s->worker[launched])) == PL_OK)
            launched++;
    pthread_mutex_lock(&s->start_lock);
    while (s->started < launched)
        pthread_cond_wait(&s->start_cond, &s->start_lock);
    if (e == PL_OK)
        e = s->start_err;
    pthread_mutex_unlock(&s->start_lock);
    return e;
}

static pl_err setup(struct pl_server *s)
{
    uint64_t seed = 0;
    PL_REQUIRE(getrandom(&seed, sizeof(seed), 0) == sizeof(seed), ENTROPY);
    PL_TRY(pl_net_peers_init(&s->peers, seed));
    PL_TRY(listen_on(s));
    for (unsigned i = 0; i < s->workers; i++)
        PL_TRY(pl_net_worker_new(&s->worker[i], s, i));
    return launch(s);
}

pl_err pl_server_start(struct pl_server **out, const struct pl_server_config *cfg)
{
    *out = NULL;
    PL_ASSERT(cfg->workers >= 1 && cfg->workers <= NET_WORKERS_MAX && cfg->handler && cfg->tls);
    struct pl_server *s = calloc(1, sizeof(*s));
    PL_REQUIRE(s, NO_MEMORY);
    s->cfg = *cfg;
    defaults(&s->cfg);
    s->workers = cfg->workers;
    s->listener = s->spare = -1;
    s->start_err = PL_OK;
    pthread_mutex_init(&s->start_lock, NULL);
    pthread_cond_init(&s->start_cond, NULL);
    s->tls = cfg->tls;
    pl_tls_ctx_ref(s->tls);
    pl_err e = setup(s);
    if (e == PL_OK)
        *out = s;
    else
        pl_server_stop(s, 0);
    return e;
}

/* ---- Accept -----------------------------------------------------------------------------------
 */

static void deal(struct pl_server *s, int fd, const struct sockaddr_storage *from)
{
    const int on = 1;
    uint8_t key[16];
    uint32_t now = __atomic_add_fetch(&s->counts.connections, 1, __ATOMIC_RELAXED);
    struct net_accepted a = {.fd = fd};
    pl_net_peer_key(key, from);
    a.peer = pl_net_peer_enter(&s->peers, key, s->cfg.connections_per_peer, pl_net_now_ms());
    /* A little above the limit goes to the workers, which make room at the strangers' cost. */
    if (!a.peer || now > s->cfg.connections + s->workers) {
        if (a.peer)
            pl_net_peer_leave(&s->peers, a.peer, pl_net_now_ms());
        close(fd);
        NET_COUNT(s, refused);
        __atomic_sub_fetch(&s->counts.connections, 1, __ATOMIC_RELAXED);
        return;
    }
    NET_COUNT(s, accepted);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    pl_tls_ctx_ref(s->tls);
    a.tls = s->tls;
    if (!pl_net_worker_hand(s->worker[s->next], &a))
        pl_conn_discard(s, &a);
    s->next = (s->next + 1) % s->workers;
}

/* Without descriptors the listener would stay readable for ever: take one out of the queue. */
static void shed_one(struct pl_server *s)
{
    close(s->spare);
    int fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0) {
        close(fd);
        NET_COUNT(s, refused);
    }
    s->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

void pl_server_accept(struct pl_server *s)
{
    for (unsigned i = 0; i < ACCEPTS; i++) {
        struct sockaddr_storage from;
        socklen_t n = sizeof(from);
        int fd = accept4(s->listener, (struct sockaddr *)(void *)&from, &n,
                         SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            deal(s, fd, &from);
        } else if (errno == EMFILE || errno == ENFILE) {
            shed_one(s);
        } else if (errno != ECONNABORTED && errno != EINTR) {
            return;
        }
    }
}

/* ---- The rest ---------------------------------------------------------------------------------
 */

void pl_server_stop(struct pl_server *s, unsigned grace_ms)
{
    if (!s)
        return;
    if (s->listener >= 0)
        close(s->listener);
    for (unsigned i = 0; i < s->workers && s->worker[i]; i++) {
        s->worker[i]->stop_ms = pl_net_now_ms() + grace_ms;
        __atomic_store_n(&s->worker[i]->told_to_stop, true, __ATOMIC_RELEASE);
        pl_worker_wake(s->worker[i]);
    }
    for (unsigned i = 0; i < s->workers && s->worker[i]; i++) {
        if (s->worker[i]->running)
            pthread_join(s->worker[i]->thread, NULL);
        pl_net_worker_free(s->worker[i]);
    }
    if (s->spare >= 0)
        close(s->spare);
    pl_net_peers_free(&s->peers);
    pl_tls_ctx_free(s->tls);
    pthread_mutex_destroy(&s->start_lock);
    pthread_cond_destroy(&s->start_cond);
    free(s);
}

uint16_t pl_server_port(const struct pl_server *s) { return s->port; }
int pl_server_fd(const struct pl_server *s) { return s->listener; }

void pl_server_set_tls(struct pl_server *s, struct pl_tls_ctx *tls)
{
    pl_tls_ctx_ref(tls);
    pl_tls_ctx_free(s->tls);
    s->tls = tls;
}

struct pl_worker *pl_server_worker(struct pl_server *s, unsigned index)
{
    PL_ASSERT(index < s->workers);
    return s->worker[index];
}

void pl_server_stats(const struct pl_server *s, struct pl_server_stats *out)
{
    const struct net_counts *c = &s->counts;
    *out = (struct pl_server_stats){
        .accepted = __atomic_load_n(&c->accepted, __ATOMIC_RELAXED),
        .refused = __atomic_load_n(&c->refused, __ATOMIC_RELAXED),
        .handshakes = __atomic_load_n(&c->handshakes, __ATOMIC_RELAXED),
        .handshake_failures = __atomic_load_n(&c->handshake_failures, __ATOMIC_RELAXED),
        .requests = __atomic_load_n(&c->requests, __ATOMIC_RELAXED),
        .limited = __atomic_load_n(&c->limited, __ATOMIC_RELAXED),
        .connections = __atomic_load_n(&c->connections, __ATOMIC_RELAXED),
    };
}
