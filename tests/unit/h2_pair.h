/* For tests of the HTTP/2 engine: two of them back to back, and raw frames of a hostile peer. */
#ifndef PL_TESTS_H2_PAIR_H
#define PL_TESTS_H2_PAIR_H

#include "platform/net/h2.h"
#include "test.h"

struct side {
    struct pl_h2 *h2;
    struct pl_h2_pool pool;
    uint64_t now;
    /* server */
    bool park, refuse;
    unsigned requests, resets;
    uint32_t last;
    struct {
        char method[16], path[64], type[64], authorization[64], key[64], match[16];
        uint8_t body[PL_NET_REQUEST_MAX];
        size_t body_n;
    } seen;
    struct pl_span answer;
    /* client */
    unsigned responses, failures;
    int status;
    uint32_t retry_after;
    uint8_t *got;
    size_t got_n;
    pl_err why;
};

extern struct side server, client;

bool start(struct side *s, bool is_server, size_t pool);
void stop(struct side *s);
void shuttle(void); /* until nothing moves */
bool both(void);    /* start both and greet */
void end_both(void);
uint32_t ask(struct pl_span body); /* POST /v1/keys from the client */

/* ---- Raw frames --------------------------------------------------------------------------------
 */

enum {
    T_DATA,
    T_HEADERS,
    T_PRIORITY,
    T_RST,
    T_SETTINGS,
    T_PUSH,
    T_PING,
    T_GOAWAY,
    T_WINDOW,
    T_CONT
};
enum { END_STREAM = 1, END_HEADERS = 4 };

extern struct pl_wr raw, said; /* to the server; what it said */
bool raw_start(void);          /* a server, and the preface in raw */
void frame(uint8_t type, uint8_t flags, uint32_t id, struct pl_span payload);
/* RFC 7541 6.2.2: literal without indexing, new name, no Huffman; lengths below 127 + 2^14. */
void hpack_length(struct pl_wr *w, size_t n);
void header(struct pl_wr *w, const char *name, struct pl_span value);
void request_head(struct pl_wr *w, const char *method);
void get(uint32_t id);
pl_err feed(void); /* raw to the server, its words into said */
/* The payload of the first frame of this type that the server sent; .p NULL: there is none. */
struct pl_span said_frame(uint8_t type, uint32_t id, uint8_t *flags);
bool calmed(void);                           /* GOAWAY(ENHANCE_YOUR_CALM) was said */
bool problem(uint32_t id, const char *code); /* the stream was answered with it */

#endif
