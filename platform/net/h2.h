/* HTTP/2 (RFC 9113, by nghttp2) as an engine: plaintext in, plaintext out, messages between; no
 * socket and no clock. Server and client alike. Inside platform/net and its tests only.
 *
 * A request or response in progress lives in one fixed-size arena (PL_H2_ARENA) with its headers
 * and small bodies; a larger body takes a block of the next size, up to PL_NET_REQUEST_MAX or
 * PL_NET_RESPONSE_MAX. All of it comes from the pool of the thread and is wiped on the way back.
 *
 * Frames that cost the sender little and carry no request (RST_STREAM, PING, SETTINGS, PRIORITY,
 * WINDOW_UPDATE, tiny DATA, oversized headers) draw on a budget of PL_H2_CALM points that refills
 * by PL_H2_CALM_PER_S; who exhausts it gets GOAWAY(ENHANCE_YOUR_CALM). nghttp2 bounds CONTINUATION
 * frames (8), settings entries (32), unsent acknowledgements, and checks the rules of messages:
 * pseudo headers, forbidden characters, content-length against what came.
 */
#ifndef PL_PLATFORM_NET_H2_H
#define PL_PLATFORM_NET_H2_H

#include "platform/net/net.h"

enum {
    PL_H2_ARENA = 8 * 1024,
    PL_H2_FRAME_ROOM = 2 * (9 + 16384), /* room that pl_h2_send needs: DATA and what follows it */
    PL_H2_PART = 16, /* of what the thread has left for bodies: a connection's most */
    PL_H2_CALM = 1000,
    PL_H2_CALM_PER_S = 200,
    PL_H2_TINY = 64, /* DATA shorter than this, not the last, costs a point */
    PL_H2_HEADER_BOMB = 4 * PL_NET_HEADER_LIST_MAX, /* past it the connection ends */
};

/* Blocks of one thread, of all its connections. */
struct pl_h2_pool {
    size_t used, max;
    struct pl_h2_free {
        void *head;
        unsigned n;
    } kept[5]; /* a size class each */
};
void pl_h2_pool_init(struct pl_h2_pool *p, size_t max_bytes);
void pl_h2_pool_free(struct pl_h2_pool *p); /* nothing may be taken any more (asserted) */
/* At least n bytes, *out_cap how many; NULL past the limit or without memory. Not zeroed. */
void *pl_h2_pool_take(struct pl_h2_pool *p, size_t n, size_t *out_cap);
/* The first `used` bytes are wiped. NULL allowed. */
void pl_h2_pool_give(struct pl_h2_pool *p, void *block, size_t cap, size_t used);

struct pl_h2;

struct pl_h2_events {
    /* Server: headers are here. PL_OK: go on; else its code's status is the answer. May be NULL. */
    pl_err (*admit)(void *arg);
    void (*on_request)(void *arg, uint32_t stream, const struct pl_request *r);
    void (*on_reset)(void *arg, uint32_t stream); /* after on_request, before its answer */
    /* Client: once for every request taken. */
    void (*on_response)(void *arg, uint32_t stream, const struct pl_response *r, pl_err why);
};

struct pl_h2_config {
    bool server;
    struct pl_h2_pool *pool;
    const struct pl_h2_events *events;
    void *arg;
    unsigned request_ms, response_ms, parked_ms; /* servers */
};

PL_CHECKED pl_err pl_h2_new(struct pl_h2 **out, const struct pl_h2_config *cfg, uint64_t now_ms);
/* Ends what is open: on_reset, on_response(NULL, why). NULL allowed. */
void pl_h2_free(struct pl_h2 *h, pl_err why);

/* Plaintext from the peer; calls events. After an error send what is left (GOAWAY) and end. Errors:
 * NET_FLOOD, NET_HTTP, NET_MEMORY. */
PL_CHECKED pl_err pl_h2_recv(struct pl_h2 *h, struct pl_span plain, uint64_t now_ms);
/* Appends frames to out, as many as fit; out is left alone when it has less than PL_H2_FRAME_ROOM
 * left. True when there may be more to send. */
bool pl_h2_send(struct pl_h2 *h, struct pl_wr *out, uint64_t now_ms);
/* Deadlines: answers 408 or 503, NET_DEADLINE; NET_SLOW_READER when the connection must end. */
PL_CHECKED pl_err pl_h2_tick(struct pl_h2 *h, uint64_t now_ms);
/* The earliest time at which pl_h2_tick has something to do; UINT64_MAX: none. */
uint64_t pl_h2_next_ms(const struct pl_h2 *h);

/* As pl_respond and pl_link_request. */
PL_CHECKED pl_err pl_h2_respond(struct pl_h2 *h, uint32_t stream, const struct pl_response *r);
PL_CHECKED pl_err pl_h2_request(struct pl_h2 *h, uint32_t *out_stream, const struct pl_request *r,
                                uint64_t deadline_ms);
void pl_h2_cancel(struct pl_h2 *h, uint32_t stream);

/* GOAWAY: what is open may end, nothing new comes in. */
void pl_h2_shutdown(struct pl_h2 *h);
bool pl_h2_waiting(const struct pl_h2 *h); /* has frames that pl_h2_send would give */
unsigned pl_h2_open_streams(const struct pl_h2 *h);
/* Nothing to send and nothing to wait for: the connection can be closed. */
bool pl_h2_done(const struct pl_h2 *h);

#endif
