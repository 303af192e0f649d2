/* HTTP/2 over attested TLS: the server's workers and the client's loop.
 *
 * Both run the same engines without I/O (platform/tls, net/h2.h) and keep the same order: TLS
 * handshake, then the handler's verdict on the peer, then the first byte of application data.
 * Every size, count, rate and time below is a limit with an answer: 413, 429, 431, RST_STREAM,
 * GOAWAY or a closed connection, never a hang. What a connection costs is its own: it holds at most
 * PL_NET_CONN_BODY_MAX bytes of bodies, and an idle one at most 64 KiB in all.
 */
#ifndef PL_PLATFORM_NET_NET_H
#define PL_PLATFORM_NET_NET_H

#include "platform/tls/tls.h"

enum {
    PL_NET_REQUEST_MAX = 256 * 1024,    /* body of a request; a longer one: 413 */
    PL_NET_RESPONSE_MAX = 1024 * 1024,  /* body of a response; clients refuse a longer one */
    PL_NET_HEADER_LIST_MAX = 16 * 1024, /* RFC 9113 6.5.2 count; more: 431 */
    PL_NET_HEAD_MAX = 6 * 1024,         /* method, path and the accepted headers together */
    PL_NET_STREAMS_MAX = 100,           /* open at a time, a connection */
    PL_NET_CONN_BODY_MAX = 2048 * 1024, /* bodies held for one connection, both directions */
    PL_NET_POOL_BYTES = 64 << 20,       /* bodies held by one worker for all its connections */
    PL_NET_CONNECTIONS = 10000,
    PL_NET_HANDSHAKE_MS = 5000,
    PL_NET_IDLE_MS = 120000,
    PL_NET_REQUEST_MS = 20000,  /* first byte of a request to its last */
    PL_NET_RESPONSE_MS = 20000, /* a response taken by its reader; unsent bytes of a connection */
    PL_NET_PARKED_MS = 30000,   /* a request without an answer from the handler: 503 */
};

/* ---- Messages: all spans are borrowed for the duration of the call -----------------------------
 */

struct pl_request {
    struct pl_span method, path;                                 /* path with its query, as sent */
    struct pl_span content_type, authorization, idempotency_key; /* .p NULL: absent */
    struct pl_span if_match, if_none_match;                      /* the same */
    struct pl_span body;
};

struct pl_response {
    int status;                  /* 200 to 599 */
    struct pl_span content_type; /* empty: application/json when there is a body */
    struct pl_span etag;         /* empty: none */
    uint32_t retry_after_s;      /* 0: none */
    struct pl_span body;
};

/* ---- Server -----------------------------------------------------------------------------------
 */

struct pl_server; /* the listening socket, counts, workers */
struct pl_worker; /* one thread: an epoll, its connections, its crypto contexts */
struct pl_conn;   /* one connection; belongs to its worker's thread */

/* Names a connection beyond its life: never reused while the process lives. 0 is none. */
typedef uint64_t pl_conn_id;

/* All run in the worker's thread and must not block. `arg` is pl_worker_arg(). */
struct pl_handler {
    /* Worker start and end; start may be NULL. *out becomes pl_worker_arg. */
    pl_err (*on_start)(void *arg, struct pl_worker *w, void **out);
    void (*on_stop)(struct pl_worker *w);
    /* The handshake succeeded: judge pl_conn_peer(). PL_OK opens the connection; anything else
     * closes it before a byte of application data, and is logged by on_closed. Set *out_resumable
     * (false before the call) to let the peer resume for 10 minutes: the verdict is then inherited,
     * and this is called again with peer->resumed. */
    pl_err (*on_established)(struct pl_conn *c, bool *out_resumable);
    /* A whole request within the limits. Answer now or later, once, by pl_respond. */
    void (*on_request)(struct pl_conn *c, uint32_t stream, const struct pl_request *r);
    /* The peer cancelled a request that has no answer yet; may be NULL. */
    void (*on_reset)(struct pl_conn *c, uint32_t stream);
    /* The connection is gone, for this reason (PL_OK: closed by the peer); may be NULL. Called for
     * every connection that on_established accepted. */
    void (*on_closed)(struct pl_conn *c, pl_err why);
    /* After pl_worker_wake from any thread, and when pl_worker_timer falls due; may be NULL. */
    void (*on_wake)(struct pl_worker *w);
    void (*on_timer)(struct pl_worker *w, uint64_t now_ms);
};

struct pl_server_config {
    const char *address; /* numeric, "127.0.0.1:8443" or "[::1]:0" */
    unsigned workers;    /* 1 to 64 */
    struct pl_tls_ctx *tls;
    const struct pl_handler *handler;
    void *arg; /* on_start's; pl_worker_arg without on_start */
    /* 0: the default of the limits above. */
    unsigned connections, connections_per_peer; /* per peer: one IPv4 address or IPv6 /64 */
    unsigned handshake_ms, idle_ms, request_ms, response_ms, parked_ms;
    /* Requests a second and burst for one peer, over all of its connections; 0: no limit.
     * Past it: 429 with Retry-After. */
    unsigned requests_per_s, requests_burst;
    /* Bodies held by one worker for all its connections, bytes; 0: 64 MiB. Past it: 429. */
    size_t body_bytes;
};

/* Binds, listens and starts the workers. NET_ADDRESS, NET_LISTEN, NO_MEMORY or on_start's error. */
PL_CHECKED pl_err pl_server_start(struct pl_server **out, const struct pl_server_config *cfg);
uint16_t pl_server_port(const struct pl_server *s);
/* For the main thread's own poll: readable when pl_server_accept has something to do. */
int pl_server_fd(const struct pl_server *s);
/* Accepts what waits (without blocking) and deals it to the workers in turn. Main thread only. */
void pl_server_accept(struct pl_server *s);
/* Handshakes from now on use this context (a renewed leaf). Main thread only. */
void pl_server_set_tls(struct pl_server *s, struct pl_tls_ctx *tls);
/* Stops listening, sends GOAWAY, lets open requests end until grace_ms, ends the workers. Main
 * thread only; frees everything. NULL allowed. */
void pl_server_stop(struct pl_server *s, unsigned grace_ms);

struct pl_server_stats {
    uint64_t accepted, refused, handshakes, handshake_failures, requests, limited;
    uint32_t connections;
};
void pl_server_stats(const struct pl_server *s, struct pl_server_stats *out); /* any thread */

struct pl_worker *pl_server_worker(struct pl_server *s, unsigned index);
void pl_worker_wake(struct pl_worker *w); /* any thread, also a signal handler */
unsigned pl_worker_index(const struct pl_worker *w);
void *pl_worker_arg(const struct pl_worker *w);
struct pl_crypto *pl_worker_crypto(const struct pl_worker *w); /* in its thread only */
uint64_t pl_worker_now_ms(const struct pl_worker *w);          /* monotonic, of this loop turn */
/* on_timer will be called once at about this time (or the earlier of two calls); 0: never. */
void pl_worker_timer(struct pl_worker *w, uint64_t at_ms);

const struct pl_tls_peer *pl_conn_peer(const struct pl_conn *c);
pl_conn_id pl_conn_id_of(const struct pl_conn *c);
struct pl_worker *pl_conn_worker(const struct pl_conn *c);
struct pl_conn *pl_conn_find(struct pl_worker *w, pl_conn_id id); /* NULL: gone */
/* pl_tls_begin_session of this connection. */
PL_CHECKED pl_err pl_conn_begin_session(struct pl_conn *c, struct pl_session_state *out);
void pl_conn_set_user(struct pl_conn *c, void *user); /* yours; freed by you in on_closed */
void *pl_conn_user(const struct pl_conn *c);
/* Takes `cost` from the peer address's budget of expensive work (verifying new evidence, quotes):
 * 64 at once, 16 more a second, over all of its connections. False: refuse with 429. */
bool pl_conn_budget(struct pl_conn *c, unsigned cost);
/* Finish what is open, take nothing new. */
void pl_conn_close(struct pl_conn *c);

/* Answers a request, from its worker's thread. The body is copied. NET_STREAM_GONE when connection
 * or stream ended meanwhile (nothing happens then), NET_RESPONSE when the answer breaks a limit or
 * memory is short (500 or 503 was sent instead). */
PL_CHECKED pl_err pl_respond(struct pl_worker *w, pl_conn_id conn, uint32_t stream,
                             const struct pl_response *r);

/* ---- Client: several connections in one loop, one thread ----------------------------------------
 */

struct pl_client;
struct pl_link; /* one connection of a client */

struct pl_link_events {
    /* As the server's: PL_OK opens. Until then nothing is sent. */
    pl_err (*on_established)(struct pl_link *l);
    /* Called once for every request that pl_link_request took: either r, or r NULL and why
     * (NET_DEADLINE, NET_CLOSED, class PEER...). */
    void (*on_response)(struct pl_link *l, uint32_t stream, const struct pl_response *r,
                        pl_err why);
    /* Called once; no event follows. The link is freed after it returns. PL_OK: closed by you. */
    void (*on_closed)(struct pl_link *l, pl_err why);
};

PL_CHECKED pl_err pl_client_new(struct pl_client **out, struct pl_crypto *c);
void pl_client_free(struct pl_client *cl); /* closes what is open, with events. NULL allowed */

struct pl_link_config {
    const char *address; /* "host:port"; a name is resolved at once, which may block: see below */
    struct pl_tls_ctx *tls;
    const struct pl_tls_session *session; /* NULL: none; borrowed for the call */
    const struct pl_link_events *events;
    void *user;
    unsigned connect_ms; /* TCP and TLS handshake and verdict together; 0: 5000 */
};
/* Starts to connect; *out is valid until on_closed. Errors found at once: NET_ADDRESS, NO_MEMORY.
 */
PL_CHECKED pl_err pl_link_open(struct pl_client *cl, struct pl_link **out,
                               const struct pl_link_config *cfg);
void pl_link_close(struct pl_link *l); /* requests in flight end with NET_CLOSED */
void *pl_link_user(const struct pl_link *l);
/* Who is told from now on. */
void pl_link_hand_over(struct pl_link *l, const struct pl_link_events *events, void *user);
const struct pl_tls_peer *pl_link_peer(const struct pl_link *l);
PL_CHECKED pl_err pl_link_begin_session(struct pl_link *l, struct pl_session_state *out);
/* The newest session for resumption, the caller's to keep and free; NULL: none (yet). */
struct pl_tls_session *pl_link_session(struct pl_link *l);
/* Queues a request (copied) on a link that on_established accepted, or from within that call. At
 * most PL_NET_STREAMS_MAX in flight (NET_STREAMS). deadline_ms from now. */
PL_CHECKED pl_err pl_link_request(struct pl_link *l, uint32_t *out_stream,
                                  const struct pl_request *r, unsigned deadline_ms);

struct pollfd;
/* start / step / finish: fill an array for poll(2), wait at most *out_timeout_ms (-1: forever),
 * step. Returns how many of `cap` entries are used; asserts that cap holds all links. */
size_t pl_client_poll(struct pl_client *cl, struct pollfd *fds, size_t cap, int *out_timeout_ms);
/* Does what can be done without blocking and calls events. */
void pl_client_step(struct pl_client *cl);
size_t pl_client_links(const struct pl_client *cl); /* links not yet closed */
/* The loop over the two for callers with nothing else to do: until no link is open or `done` (may
 * be NULL) says so or timeout_ms passed. At most 256 links (asserted). */
void pl_client_run(struct pl_client *cl, bool (*done)(void *arg), void *arg, unsigned timeout_ms);

/* Numeric addresses do not block; a name goes to the system's resolver, which may. */
struct sockaddr_storage;
PL_CHECKED pl_err pl_net_resolve(struct sockaddr_storage *out, unsigned *out_len,
                                 const char *address);

#endif
