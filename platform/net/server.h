/* The server's threads: shared inside platform/net only. */
#ifndef PL_PLATFORM_NET_SERVER_H
#define PL_PLATFORM_NET_SERVER_H

#include "platform/net/peers.h"
#include "platform/net/wire.h"

#include <pthread.h>

enum {
    NET_WORKERS_MAX = 64,
    NET_INBOX = 1024,  /* accepted descriptors that wait for one worker */
    NET_TICK_MS = 250, /* how often deadlines of active connections are looked at */
};

/* Where a connection stands: one list each, ordered by since_ms, the oldest first. */
enum net_list {
    NET_HANDSHAKING = 0, /* since accept */
    NET_IDLE_STRANGER,   /* no certificate: first to go when room is needed */
    NET_IDLE_KNOWN,
    NET_ACTIVE, /* has streams or unsent bytes */
    NET_LISTS
};

struct pl_conn {
    struct net_wire wire; /* first: the wire of a connection is the connection */
    struct pl_worker *worker;
    pl_conn_id id;
    struct net_peer *peer;
    struct pl_conn *prev, *next; /* in its list */
    struct pl_conn *next_dirty, *next_dead;
    enum net_list list;
    uint64_t since_ms;
    uint32_t watch; /* epoll events asked for */
    bool accepted;  /* by on_established */
    bool worked;    /* a request since it was put into its list */
    bool dirty, closing, dead;
    void *user;
};

struct net_accepted {
    int fd;
    struct pl_tls_ctx *tls; /* a reference */
    struct net_peer *peer;
};

struct pl_worker {
    struct pl_server *server;
    unsigned index;
    pthread_t thread;
    bool running; /* the thread exists */
    int epoll, event;
    void *arg;
    struct pl_crypto *crypto;
    uint64_t now_ms, timer_ms, tick_ms;
    struct pl_h2_pool pool;
    struct net_scratch *scratch;
    struct net_links {
        struct pl_conn *first, *last;
    } lists[NET_LISTS];
    struct pl_conn *dirty, *dead;
    unsigned conns, conns_max;
    struct net_slot {
        struct pl_conn *conn;
        uint32_t generation;
        uint32_t next_free;
    } * slots; /* conns_max of them */
    uint32_t free_slot;
    bool woken, stopping, told_to_stop; /* woken: atomic; told_to_stop: atomic, by main */
    uint64_t stop_ms;                   /* when patience ends */
    pthread_mutex_t inbox_lock;
    unsigned inbox_n;
    struct net_accepted inbox[NET_INBOX];
};

struct net_counts { /* atomic, relaxed */
    uint64_t accepted, refused, handshakes, handshake_failures, requests, limited;
    uint32_t connections;
};

struct pl_server {
    struct pl_server_config cfg; /* with defaults filled in */
    int listener, spare;         /* spare: a descriptor to give up when there are none left */
    uint16_t port;
    unsigned workers, next;
    struct pl_tls_ctx *tls;
    struct net_peers peers;
    struct net_counts counts;
    pthread_mutex_t start_lock;
    pthread_cond_t start_cond;
    unsigned started;
    pl_err start_err;
    struct pl_worker *worker[NET_WORKERS_MAX];
};

#define NET_COUNT(s, field) __atomic_add_fetch(&(s)->counts.field, 1, __ATOMIC_RELAXED)

/* worker.c */
pl_err pl_net_worker_new(struct pl_worker **out, struct pl_server *s, unsigned index);
pl_err pl_net_worker_launch(struct pl_worker *w);
void pl_net_worker_free(struct pl_worker *w); /* after its thread ended */
/* False when its inbox is full. Takes what is in `a`. Any thread. */
bool pl_net_worker_hand(struct pl_worker *w, const struct net_accepted *a);

/* conn.c: all in the worker's thread */
void pl_conn_adopt(struct pl_worker *w, const struct net_accepted *a);
void pl_conn_discard(struct pl_server *s, const struct net_accepted *a); /* refuses it */
void pl_conn_event(struct pl_conn *c, uint32_t events);
void pl_conn_mark(struct pl_conn *c); /* to be flushed at the end of this turn */
void pl_conn_flush_all(struct pl_worker *w);
void pl_conn_expire(struct pl_worker *w);
/* The next time pl_conn_expire has work; UINT64_MAX: none. */
uint64_t pl_conn_next_ms(const struct pl_worker *w);
void pl_conn_shutdown_all(struct pl_worker *w);
void pl_conn_end_all(struct pl_worker *w, pl_err why);
void pl_conn_bury(struct pl_worker *w); /* frees what ended in this turn */

#endif
