/* Many callers of one vault in one thread: connect, prove, ask, again. An error ends the program.
 */
#ifndef PL_BENCH_LOAD_H
#define PL_BENCH_LOAD_H

#include "bench/kit.h"
#include "platform/net/wire.h"
#include "policy/config.h"

#include <netinet/in.h>

struct load;

struct caller {
    struct net_wire wire; /* first */
    struct load *l;
    unsigned id;
    struct pl_tls_ctx *own; /* a certificate of this connection alone */
    bool connected, ending, dirty;
    struct caller *next_dirty;
    uint64_t dialed_ns, asked_ns;
    unsigned runs, step; /* for whoever counts */
};

struct load_events {
    void (*open)(void *arg, struct caller *c); /* connected, and bound where that is asked for */
    void (*answer)(void *arg, struct caller *c, const struct pl_response *r);
    void *arg;
};

struct load {
    struct kit kit;
    struct pl_tls_ctx *tls;
    bool new_leaf, bind;
    struct sockaddr_in to;
    uint32_t from; /* the next source address */
    int epoll;
    struct pl_h2_pool pool;
    struct net_scratch *scratch;
    struct pl_batch *batch;
    struct load_events events;
    struct caller *caller, *dirty;
    unsigned n;
};

/* who: as load.c says. Connects all of them. */
void load_open(struct load *l, const char *who, const char *address, unsigned callers,
               const struct load_events *events);
void load_turn(struct load *l, int wait_ms);
/* Until over says so; the program ends with an error when that takes longer. */
void load_run(struct load *l, bool (*over)(void *arg), unsigned at_most_ms);
void load_close(struct load *l);

void caller_ask(struct caller *c, const char *path, struct pl_span body); /* POST */
void caller_again(struct caller *c); /* closes, and connects anew after this turn */

#endif
