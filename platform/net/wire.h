/* One socket with its TLS pump and its HTTP/2 engine: what server and client have in common.
 * Inside platform/net only. */
#ifndef PL_PLATFORM_NET_WIRE_H
#define PL_PLATFORM_NET_WIRE_H

#include "platform/net/h2.h"

enum {
    NET_IN_MAX = 64 * 1024,
    NET_PLAIN_MAX = 16 * 1024,
    NET_STAGING_MAX = PL_TLS_WRITE_MAX,
};

/* Buffers of one thread, used by one wire at a time: an idle connection has none. */
struct net_scratch {
    uint8_t in[NET_IN_MAX], plain[NET_PLAIN_MAX], staging[NET_STAGING_MAX], out[PL_TLS_OUT_MAX];
};

struct net_wire {
    int fd;
    struct pl_tls *tls;
    struct pl_h2 *h2; /* from the verdict on */
    uint8_t *unsent;  /* what the socket did not take; while it is there nothing is read */
    size_t unsent_n, unsent_at;
    uint64_t blocked_ms; /* since when */
    bool more;           /* the engine has more to send than fitted this turn */
    /* At VERDICT: PL_OK, and *h2 is set, or the connection ends. */
    pl_err (*verdict)(struct net_wire *w, bool *out_resumable);
};

/* Takes what is there to read and runs it through. PL_OK; NET_CLOSED when the peer closed; else why
 * the connection must end. Call pl_wire_flush afterwards in every case. */
PL_CHECKED pl_err pl_wire_read(struct net_wire *w, struct net_scratch *s, uint64_t now_ms);
/* Starts a client's handshake. */
PL_CHECKED pl_err pl_wire_start(struct net_wire *w, struct net_scratch *s, uint64_t now_ms);
/* Encrypts and sends what the engine has, once. */
PL_CHECKED pl_err pl_wire_flush(struct net_wire *w, struct net_scratch *s, uint64_t now_ms);
/* The last words (GOAWAY, close_notify) as far as the socket takes them, then frees everything.
 * `why` is for the requests that are still open. */
void pl_wire_end(struct net_wire *w, struct net_scratch *s, pl_err why, uint64_t now_ms);
static inline bool wire_blocked(const struct net_wire *w) { return w->unsent_n > 0; }

uint64_t pl_net_now_ms(void); /* monotonic */

#endif
