/* The HTTP/2 engine and a peer that sends what it likes. The first byte says who we are and how we
 * behave, the second how the rest is cut; one connection, or two of one pool in turn, get it piece
 * by piece. After each what is to be sent is taken, and time goes on. Whatever came: each request
 * is told once and answered or reset once, limits hold, and when the connections are gone the pool
 * is empty. */
#include "fuzz.h"

#include "platform/net/h2.h"

#include <string.h>

enum {
    F_CLIENT = 1,  /* we are the client */
    F_PREFACE = 2, /* the peer's preface and settings come first, unasked */
    F_PARK = 4,    /* requests are answered a piece later; clients give one up */
    F_LARGE = 8,   /* bodies of 100,000 bytes, which need a window */
    F_SLOW = 16,   /* a piece takes two seconds */
    F_REFUSE = 32, /* admit says no */
    F_TWO = 64,    /* two connections take turns */
    F_SHORT = 128, /* a pool that is soon empty */
    LARGE = 100000,
    ASKED = 3,
    OPEN_MAX = PL_NET_STREAMS_MAX + 1,
};

struct side {
    struct pl_h2 *h2;
    unsigned flags, told, asked;
    uint32_t parked[OPEN_MAX]; /* of requests that have no answer yet; 0: free */
    bool over;
};

static uint8_t large[PL_NET_RESPONSE_MAX + 1];
static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0";

static uint32_t *place_of(struct side *s, uint32_t stream)
{
    for (size_t i = 0; i < OPEN_MAX; i++)
        if (s->parked[i] == stream)
            return &s->parked[i];
    return NULL;
}

static void answer(struct side *s, uint32_t stream)
{
    struct pl_response r = {.status = 200 + (int)(stream % 300), .retry_after_s = stream & 4};
    if (s->flags & F_LARGE) /* now and then larger than any may be */
        r.body = pl_span(large, stream % 16 == 5 ? sizeof(large) : LARGE);
    else if (stream & 2)
        r.body = PL_LIT("{}");
    if (stream & 8)
        r.etag = PL_LIT("\"1\"");
    pl_err e = pl_h2_respond(s->h2, stream, &r);
    FUZZ_CHECK(e == PL_OK || (s->flags & (F_SHORT | F_LARGE)) ||
               pl_err_code(e) == PL_E_NET_STREAM_GONE);
}

static void on_request(void *arg, uint32_t stream, const struct pl_request *r)
{
    struct side *s = arg;
    FUZZ_CHECK(r->method.n > 0 && r->path.n > 0 && r->body.n <= PL_NET_REQUEST_MAX);
    FUZZ_CHECK(r->method.n + r->path.n + r->authorization.n <= PL_NET_HEAD_MAX);
    FUZZ_CHECK(!place_of(s, stream) && !(s->flags & F_REFUSE));
    if (!(s->flags & F_PARK)) {
        answer(s, stream);
        return;
    }
    uint32_t *free_place = place_of(s, 0);
    FUZZ_CHECK(free_place != NULL); /* no more than are allowed at a time */
    *free_place = stream;
}

static void on_reset(void *arg, uint32_t stream)
{
    uint32_t *at = place_of(arg, stream);
    FUZZ_CHECK(stream != 0 && at != NULL);
    *at = 0;
}

static pl_err admit(void *arg)
{
    PL_REQUIRE(!(((struct side *)arg)->flags & F_REFUSE), NET_RATE);
    return PL_OK;
}

static void on_response(void *arg, uint32_t stream, const struct pl_response *r, pl_err why)
{
    struct side *s = arg;
    (void)stream;
    s->told++;
    FUZZ_CHECK(s->told <= s->asked && (r != NULL) == (why == PL_OK));
    if (r)
        FUZZ_CHECK(r->status >= 200 && r->status <= 999 && r->body.n <= PL_NET_RESPONSE_MAX);
}

static void ask(struct side *s)
{
    static const struct pl_request what[ASKED] = {
        {.method = {(const uint8_t *)"GET", 3}, .path = {(const uint8_t *)"/v1/status", 10}},
        {.method = {(const uint8_t *)"POST", 4},
         .path = {(const uint8_t *)"/v1/keys", 8},
         .idempotency_key = {(const uint8_t *)"k", 1},
         .body = {(const uint8_t *)"{}", 2}},
        {.method = {(const uint8_t *)"POST", 4},
         .path = {(const uint8_t *)"/v1/keys", 8},
         .if_match = {(const uint8_t *)"\"1\"", 3},
         .body = {large, LARGE}},
    };
    uint32_t id = 0;
    for (size_t i = 0; i < ASKED; i++)
        s->asked += pl_h2_request(s->h2, &id, &what[i], 6000 + 1000 * i) == PL_OK;
    if (s->flags & F_PARK)
        pl_h2_cancel(s->h2, id);
}

static bool begin(struct side *s, unsigned flags, struct pl_h2_pool *pool)
{
    static const struct pl_h2_events events = {admit, on_request, on_reset, on_response};
    *s = (struct side){.flags = flags};
    struct pl_h2_config cfg = {.server = !(flags & F_CLIENT),
                               .pool = pool,
                               .events = &events,
                               .arg = s,
                               .request_ms = 5000,
                               .response_ms = 9000,
                               .parked_ms = 7000};
    FUZZ_CHECK(pl_h2_new(&s->h2, &cfg, 1000) == PL_OK);
    if (flags & F_CLIENT)
        ask(s);
    return true;
}

/* One turn of a connection's life, as conn.c makes it. */
static void turn(struct side *s, struct pl_span piece, uint64_t now)
{
    static uint8_t room[PL_TLS_WRITE_MAX];
    struct pl_wr out = pl_wr_fixed(room, sizeof(room));
    if (s->over)
        return;
    pl_err e = pl_h2_recv(s->h2, piece, now);
    FUZZ_CHECK(pl_err_code(e) != PL_E_BUG);
    for (size_t i = 0; i < OPEN_MAX && e == PL_OK; i++)
        if (s->parked[i] && !(s->flags & F_SLOW) && (now / 50 + i) % 3 == 0) {
            uint32_t id = s->parked[i];
            s->parked[i] = 0;
            answer(s, id);
        }
    if (e == PL_OK)
        e = pl_h2_tick(s->h2, now);
    pl_h2_send(s->h2, &out, now);
    FUZZ_CHECK(!out.bad && pl_h2_open_streams(s->h2) < OPEN_MAX);
    FUZZ_CHECK(e == PL_OK || pl_h2_recv(s->h2, piece, now) != PL_OK); /* it stays so */
    FUZZ_CHECK(e != PL_OK || pl_h2_next_ms(s->h2) > now);
    s->over = e != PL_OK || (!pl_h2_waiting(s->h2) && pl_h2_done(s->h2));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct side side[2];
    struct pl_h2_pool pool;
    if (size < 2)
        return 0;
    unsigned flags = data[0], n = flags & F_TWO ? 2 : 1;
    size_t cut = data[1] ? (size_t)data[1] * 8 : size;
    struct pl_span rest = pl_span(data + 2, size - 2);
    pl_h2_pool_init(&pool, flags & F_SHORT ? 40 * PL_H2_ARENA : 8 * 1024 * 1024);
    for (unsigned i = 0; i < n; i++) {
        struct pl_span first = pl_span((const uint8_t *)preface, sizeof(preface) - 1);
        begin(&side[i], flags, &pool);
        if (flags & F_PREFACE)
            turn(&side[i], flags & F_CLIENT ? pl_span_sub(first, 24, first.n - 24) : first, 1000);
    }
    uint64_t now = 1000;
    for (size_t at = 0; at < rest.n; at += cut, now += flags & F_SLOW ? 2000 : 50)
        for (unsigned i = 0; i < n; i++)
            turn(&side[i], pl_span_sub(rest, at, rest.n - at < cut ? rest.n - at : cut), now);
    for (unsigned i = 0; i < n; i++) {
        pl_h2_shutdown(side[i].h2);
        turn(&side[i], pl_span(NULL, 0), now + 20000);
        pl_h2_free(side[i].h2, PL_OK);
        FUZZ_CHECK(side[i].told == side[i].asked);
        for (size_t k = 0; k < OPEN_MAX; k++)
            FUZZ_CHECK(side[i].parked[k] == 0);
    }
    FUZZ_CHECK(pool.used == 0);
    pl_h2_pool_free(&pool);
    return 0;
}
