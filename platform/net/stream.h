/* One HTTP/2 stream in its arena, and the engine around it. Inside platform/net only. */
#ifndef PL_PLATFORM_NET_STREAM_H
#define PL_PLATFORM_NET_STREAM_H

#include "platform/net/h2.h"

#include <nghttp2/nghttp2.h>

/* Server: RECEIVING -> PARKED -> SENDING. Client: SENDING and RECEIVING at once -> DONE. */
enum h2_phase { H2_NONE = 0, H2_RECEIVING, H2_PARKED, H2_SENDING, H2_DONE };

/* Headers that are kept; all others are counted and dropped. */
enum h2_field {
    H2_METHOD = 0,
    H2_PATH,
    H2_STATUS,
    H2_CONTENT_TYPE,
    H2_AUTHORIZATION,
    H2_IDEMPOTENCY_KEY,
    H2_IF_MATCH,
    H2_IF_NONE_MATCH,
    H2_CONTENT_LENGTH,
    H2_RETRY_AFTER,
    H2_ETAG,
    H2_FIELDS
};

struct h2_block {
    uint8_t *p;
    size_t n, cap;
    bool own; /* a block of its own, not inside the arena */
};

struct h2_stream {
    struct h2_stream *prev, *next;
    int32_t id;
    enum h2_phase phase;
    uint64_t due_ms;   /* of this phase */
    pl_err refused;    /* PL_OK, or what the answer will say; its data is then dropped */
    bool whole;        /* the peer's message has ended */
    bool told;         /* client: on_response was called */
    size_t list_bytes; /* RFC 9113 6.5.2 */
    struct pl_span field[H2_FIELDS];
    struct h2_block in, out; /* bodies */
    size_t sent;             /* of out */
    size_t used;             /* of bytes[] */
    uint8_t bytes[];         /* to the arena's end */
};

struct pl_h2 {
    struct pl_h2_config cfg;
    nghttp2_session *ng;
    struct h2_stream *first;
    unsigned streams;
    size_t body_bytes; /* arenas and blocks taken */
    uint64_t now_ms, calm_ms;
    int calm;
    bool shut;
    pl_err err;        /* why the connection must end */
    struct pl_wr *out; /* during pl_h2_send */
};

/* stream.c */
struct h2_stream *pl_h2_stream_new(struct pl_h2 *h, int32_t id);
void pl_h2_stream_free(struct pl_h2 *h, struct h2_stream *s);
/* Copies into the arena; an empty span with .p NULL when it does not fit. */
struct pl_span pl_h2_keep(struct h2_stream *s, struct pl_span v);
/* Room for n more bytes of b: in the arena, or in a block. False past a budget. */
bool pl_h2_block_grow(struct pl_h2 *h, struct h2_stream *s, struct h2_block *b, size_t n);
void pl_h2_block_drop(struct pl_h2 *h, struct h2_block *b);
pl_err pl_h2_header(struct pl_h2 *h, struct h2_stream *s, struct pl_span name,
                    struct pl_span value);
pl_err pl_h2_data(struct pl_h2 *h, struct h2_stream *s, struct pl_span data);
struct pl_request pl_h2_request_of(const struct h2_stream *s);
/* False when the response is none (status). */
bool pl_h2_response_of(const struct h2_stream *s, struct pl_response *out);

/* h2.c */
void pl_h2_submit_rst(struct pl_h2 *h, struct h2_stream *s, uint32_t code);
/* message.c: the answer to a refused request. */
pl_err pl_h2_submit_problem(struct pl_h2 *h, struct h2_stream *s, enum pl_code code);
ssize_t pl_h2_read_cb(nghttp2_session *ng, int32_t id, uint8_t *buf, size_t n, uint32_t *flags,
                      nghttp2_data_source *source, void *arg);

#endif
