#include "bench/load.h"
#include "api/api.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 256, BODIES = 256 << 20, SOURCES = 250 * 250 };

static uint64_t now_ms(void) { return (uint64_t)pl_clock_mono_ms(); }

static void mark(struct caller *c)
{
    if (c->dirty)
        return;
    c->dirty = true;
    c->next_dirty = c->l->dirty;
    c->l->dirty = c;
}

/* ---- requests ---- */

void caller_ask(struct caller *c, const char *path, struct pl_span body)
{
    uint32_t stream;
    const struct pl_request r = {.method = PL_LIT("POST"),
                                 .path = pl_span_str(path),
                                 .content_type = PL_LIT("application/json"),
                                 .body = body};
    c->asked_ns = (uint64_t)pl_clock_mono_ns();
    MUST(pl_h2_request(c->wire.h2, &stream, &r, now_ms() + 20000));
    mark(c);
}

/* Evidence over this connection: it makes this caller what a policy means by `tee`. */
static void ask_session(struct caller *c)
{
    struct kit *k = &c->l->kit;
    const struct pl_tls_peer *vault = pl_tls_peer(c->wire.tls);
    struct pl_session s = {.role = PL_ROLE_CALLER};
    struct pl_wr quote PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_TEE_EVIDENCE_MAX);
    struct pl_wr body PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_NET_REQUEST_MAX);
    MUST(pl_tls_exporter(c->wire.tls, s.exporter, pl_session_role_text(PL_ROLE_CALLER)));
    memcpy(s.own_spki, k->spki_sha256, 32);
    memcpy(s.peer_spki, vault->spki_sha256, 32);
    memcpy(s.own_claims, k->claims_sha256, 32);
    kit_quote(k, &quote, c->l->batch, &s);
    const struct pl_api_session m = {.has_count = true,
                                     .count = 1,
                                     .has_evidence = true,
                                     .evidence = pl_wr_span(&quote),
                                     .has_index = true};
    MUST(pl_api_write_session(&body, &m));
    caller_ask(c, "/v1/session", pl_wr_span(&body));
}

static void on_response(void *arg, uint32_t stream, const struct pl_response *r, pl_err why)
{
    struct caller *c = arg;
    struct load *l = c->l;
    (void)stream;
    if (c->ending)
        return;
    if (!r)
        MUST(why);
    if (c->step > 0 || !l->bind) {
        l->events.answer(l->events.arg, c, r);
        return;
    }
    if (r->status != 200)
        fprintf(stderr, "bench: session: %.*s\n", (int)r->body.n, (const char *)r->body.p);
    kit_need(r->status == 200, "session");
    c->step = 2;
    l->events.open(l->events.arg, c);
}

static const struct pl_h2_events h2_events = {.on_response = on_response};

/* Vaults are not judged here: the load is what a vault sees, not what its callers do. */
static pl_err on_verdict(struct net_wire *wire, bool *out_resumable)
{
    struct caller *c = (struct caller *)(void *)wire;
    struct pl_h2_config cfg = {.pool = &c->l->pool, .events = &h2_events, .arg = c};
    (void)out_resumable;
    return pl_h2_new(&wire->h2, &cfg, now_ms());
}

/* ---- connections ---- */

static void dial(struct caller *c)
{
    struct load *l = c->l;
    const int on = 1;
    const struct linger hard = {1, 0}; /* no port waits for its end */
    uint32_t i = l->from++ % SOURCES;
    struct sockaddr_in from = {.sin_family = AF_INET};
    from.sin_addr.s_addr = htonl(0x7f000000U | 2 << 16 | (1 + i / 250) << 8 | (1 + i % 250));
    c->dialed_ns = (uint64_t)pl_clock_mono_ns();
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    kit_need(fd >= 0 && setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0 &&
                 setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard)) == 0 &&
                 bind(fd, (const struct sockaddr *)&from, sizeof(from)) == 0 &&
                 connect(fd, (const struct sockaddr *)&l->to, sizeof(l->to)) == 0,
             "connect");
    c->connected = c->ending = false;
    c->step = 0;
    c->wire = (struct net_wire){.fd = fd, .verdict = on_verdict};
    c->own = l->new_leaf ? kit_ctx(&l->kit, false) : NULL;
    MUST(pl_tls_new(&c->wire.tls, c->own ? c->own : l->tls, l->kit.c, NULL));
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};
    kit_need(epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &ev) == 0, "epoll");
    MUST(pl_wire_start(&c->wire, l->scratch, now_ms()));
}

static void hang_up(struct caller *c)
{
    c->ending = true;
    pl_wire_end(&c->wire, c->l->scratch, PL_OK, now_ms());
    pl_tls_ctx_free(c->own);
    c->own = NULL;
}

void caller_again(struct caller *c)
{
    c->ending = true;
    mark(c);
}

static void heard(struct caller *c)
{
    struct load *l = c->l;
    pl_err e = pl_wire_read(&c->wire, l->scratch, now_ms());
    if (e != PL_OK)
        fprintf(stderr, "bench: %s\n", c->connected ? "connection lost" : "handshake refused");
    MUST(e);
    if (!c->connected && c->wire.h2) {
        c->connected = true;
        if (l->bind)
            ask_session(c);
        else
            l->events.open(l->events.arg, c);
    }
    mark(c);
}

static void flush_all(struct load *l)
{
    struct caller *c = l->dirty, *next;
    l->dirty = NULL;
    for (; c; c = next) {
        next = c->next_dirty;
        c->dirty = false;
        if (c->ending) {
            hang_up(c);
            dial(c);
            continue;
        }
        MUST(pl_wire_flush(&c->wire, l->scratch, now_ms()));
    }
}

void load_turn(struct load *l, int wait_ms)
{
    struct epoll_event ev[EVENTS];
    int n = epoll_wait(l->epoll, ev, EVENTS, wait_ms);
    for (int i = 0; i < n; i++)
        heard(ev[i].data.ptr);
    flush_all(l);
}

void load_run(struct load *l, bool (*over)(void *arg), unsigned at_most_ms)
{
    uint64_t end = now_ms() + at_most_ms;
    while (!over(l->events.arg)) {
        load_turn(l, 1000);
        errno = ETIMEDOUT;
        kit_need(now_ms() < end, "the load came to no end");
    }
}

/* ---- all of them ---- */

static void read_address(struct sockaddr_in *out, const char *text)
{
    char host[64];
    const char *colon = strrchr(text, ':');
    kit_need(colon && (size_t)(colon - text) < sizeof(host), text);
    memcpy(host, text, (size_t)(colon - text));
    host[colon - text] = 0;
    *out = (struct sockaddr_in){.sin_family = AF_INET};
    out->sin_port = htons((uint16_t)kit_number(colon + 1));
    kit_need(inet_pton(AF_INET, host, &out->sin_addr) == 1, text);
}

void load_open(struct load *l, const char *who, const char *address, unsigned callers,
               const struct load_events *events)
{
    static const char known[] = "known:";
    bool is_new = strcmp(who, "new") == 0, is_known = strncmp(who, known, sizeof(known) - 1) == 0;
    *l = (struct load){.events = *events, .n = callers, .new_leaf = is_new, .bind = is_new};
    const char *file = is_new ? NULL : is_known ? who + sizeof(known) - 1 : who;
    kit_open(&l->kit, file, is_new || is_known);
    read_address(&l->to, address);
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    l->scratch = calloc(1, sizeof(*l->scratch));
    l->batch = calloc(1, sizeof(*l->batch));
    l->caller = calloc(callers, sizeof(*l->caller));
    kit_need(l->epoll >= 0 && l->scratch && l->batch && l->caller, "memory");
    pl_h2_pool_init(&l->pool, BODIES);
    l->tls = kit_ctx(&l->kit, false);
    l->from = (uint32_t)now_ms() % SOURCES;
    for (unsigned i = 0; i < callers; i++) {
        l->caller[i] = (struct caller){.l = l, .id = i};
        dial(&l->caller[i]);
    }
}

void load_close(struct load *l)
{
    for (unsigned i = 0; i < l->n; i++)
        hang_up(&l->caller[i]);
    pl_h2_pool_free(&l->pool);
    pl_tls_ctx_free(l->tls);
    close(l->epoll);
    free(l->caller);
    free(l->batch);
    free(l->scratch);
    kit_close(&l->kit);
}
