#include "h2_pair.h"

#include <stdlib.h>
#include <string.h>

/* ---- A server that answers as it is told ------------------------------------------------------
 */

static void text(char *out, size_t cap, struct pl_span s)
{
    size_t n = s.n < cap - 1 ? s.n : cap - 1;
    if (n)
        memcpy(out, s.p, n);
    out[n] = '\0';
}

static void on_request(void *arg, uint32_t stream, const struct pl_request *r)
{
    struct side *s = arg;
    s->requests++;
    s->last = stream;
    text(s->seen.method, sizeof(s->seen.method), r->method);
    text(s->seen.path, sizeof(s->seen.path), r->path);
    text(s->seen.type, sizeof(s->seen.type), r->content_type);
    text(s->seen.authorization, sizeof(s->seen.authorization), r->authorization);
    text(s->seen.key, sizeof(s->seen.key), r->idempotency_key);
    text(s->seen.match, sizeof(s->seen.match), r->if_match);
    s->seen.body_n = r->body.n;
    if (r->body.n)
        memcpy(s->seen.body, r->body.p, r->body.n);
    if (s->park)
        return;
    struct pl_response a = {.status = 200, .body = s->answer.p ? s->answer : r->body};
    CHECK_OK(pl_h2_respond(s->h2, stream, &a));
}

static void on_reset(void *arg, uint32_t stream)
{
    (void)stream;
    ((struct side *)arg)->resets++;
}

static pl_err admit(void *arg)
{
    PL_REQUIRE(!((struct side *)arg)->refuse, NET_RATE);
    return PL_OK;
}

static void on_response(void *arg, uint32_t stream, const struct pl_response *r, pl_err why)
{
    struct side *s = arg;
    s->last = stream;
    s->why = why;
    if (!r) {
        s->failures++;
        return;
    }
    s->responses++;
    s->status = r->status;
    s->retry_after = r->retry_after_s;
    free(s->got);
    s->got = malloc(r->body.n + 1);
    s->got_n = r->body.n;
    if (r->body.n)
        memcpy(s->got, r->body.p, r->body.n);
    s->got[r->body.n] = '\0';
}

static const struct pl_h2_events events = {
    .admit = admit, .on_request = on_request, .on_reset = on_reset, .on_response = on_response};

struct side server, client;

bool start(struct side *s, bool is_server, size_t pool)
{
    struct pl_h2_config cfg = {.server = is_server,
                               .pool = &s->pool,
                               .events = &events,
                               .arg = s,
                               .request_ms = 1000,
                               .response_ms = 2000,
                               .parked_ms = 3000};
    free(s->got);
    memset(s, 0, sizeof(*s));
    s->now = 1000;
    s->why = PL_OK;
    pl_h2_pool_init(&s->pool, pool);
    return CHECK_OK(pl_h2_new(&s->h2, &cfg, s->now));
}

void stop(struct side *s)
{
    pl_h2_free(s->h2, PL_OK);
    s->h2 = NULL;
    CHECK(s->pool.used == 0);
    pl_h2_pool_free(&s->pool);
}

enum { ROOM = 64 * 1024 };

/* One turn of bytes; how many went over. */
static size_t pass(struct side *from, struct side *to, pl_err *err)
{
    static uint8_t buf[ROOM];
    struct pl_wr w = pl_wr_fixed(buf, sizeof(buf));
    pl_h2_send(from->h2, &w, from->now);
    if (w.n)
        *err = pl_h2_recv(to->h2, pl_wr_span(&w), to->now);
    return w.n;
}

void shuttle(void)
{
    pl_err a = PL_OK, b = PL_OK;
    while (pass(&client, &server, &a) + pass(&server, &client, &b) > 0)
        if (a != PL_OK || b != PL_OK)
            return;
}

bool both(void)
{
    bool ok = start(&server, true, 64 * 1024 * 1024) && start(&client, false, 64 * 1024 * 1024);
    if (ok)
        shuttle();
    return ok;
}

void end_both(void)
{
    stop(&client);
    stop(&server);
}

uint32_t ask(struct pl_span body)
{
    uint32_t id = 0;
    struct pl_request r = {.method = PL_LIT("POST"), .path = PL_LIT("/v1/keys"), .body = body};
    CHECK_OK(pl_h2_request(client.h2, &id, &r, client.now + 60000));
    return id;
}

/* ---- Raw frames -------------------------------------------------------------------------------
 */

struct pl_wr raw;

void frame(uint8_t type, uint8_t flags, uint32_t id, struct pl_span payload)
{
    pl_wr_u8(&raw, (uint8_t)(payload.n >> 16));
    pl_wr_be16(&raw, (uint16_t)payload.n);
    pl_wr_u8(&raw, type);
    pl_wr_u8(&raw, flags);
    pl_wr_be32(&raw, id);
    pl_wr_bytes(&raw, payload);
}

/* RFC 7541 6.2.2: literal without indexing, new name, no Huffman; lengths below 127 + 2^14. */
void hpack_length(struct pl_wr *w, size_t n)
{
    if (n < 127) {
        pl_wr_u8(w, (uint8_t)n);
        return;
    }
    pl_wr_u8(w, 127);
    for (n -= 127; n >= 128; n >>= 7)
        pl_wr_u8(w, (uint8_t)(n & 127) | 128);
    pl_wr_u8(w, (uint8_t)n);
}

void header(struct pl_wr *w, const char *name, struct pl_span value)
{
    pl_wr_u8(w, 0);
    hpack_length(w, strlen(name));
    pl_wr_str(w, name);
    hpack_length(w, value.n);
    pl_wr_bytes(w, value);
}

void request_head(struct pl_wr *w, const char *method)
{
    header(w, ":method", pl_span_str(method));
    header(w, ":scheme", PL_LIT("https"));
    header(w, ":authority", PL_LIT("v"));
    header(w, ":path", PL_LIT("/v1/status"));
}

static void open_raw(void)
{
    raw = pl_wr_heap(64 * 1024 * 1024);
    pl_wr_str(&raw, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    frame(T_SETTINGS, 0, 0, PL_LIT(""));
}

void get(uint32_t id)
{
    struct pl_wr w = pl_wr_heap(1024);
    request_head(&w, "GET");
    frame(T_HEADERS, END_HEADERS | END_STREAM, id, pl_wr_span(&w));
    pl_wr_free(&w);
}

/* What the server says to what is in `raw`, in `said`. */
struct pl_wr said;

pl_err feed(void)
{
    pl_err e = PL_OK;
    for (size_t at = 0; at < raw.n && e == PL_OK; at += 16384) {
        size_t n = raw.n - at < 16384 ? raw.n - at : 16384;
        e = pl_h2_recv(server.h2, pl_span(raw.p + at, n), server.now);
        uint8_t buf[ROOM];
        struct pl_wr w;
        do {
            w = pl_wr_fixed(buf, sizeof(buf));
            pl_h2_send(server.h2, &w, server.now);
            pl_wr_bytes(&said, pl_wr_span(&w));
        } while (w.n);
    }
    raw.n = 0;
    return e;
}

/* The payload of the n-th frame of this type that the server sent; .p NULL: there is none. */
struct pl_span said_frame(uint8_t type, uint32_t id, uint8_t *flags)
{
    struct pl_rd r = pl_rd(pl_wr_span(&said));
    while (pl_rd_left(&r) >= 9) {
        size_t n = (size_t)pl_rd_u8(&r) << 16;
        n |= pl_rd_be16(&r);
        uint8_t t = pl_rd_u8(&r), f = pl_rd_u8(&r);
        uint32_t i = pl_rd_be32(&r);
        struct pl_span p = pl_rd_bytes(&r, n);
        if (t == type && i == id) {
            if (flags)
                *flags = f;
            return p.p ? p : PL_LIT("");
        }
    }
    return (struct pl_span){0};
}

bool calmed(void)
{
    struct pl_span p = said_frame(T_GOAWAY, 0, NULL);
    return p.n >= 8 && p.p[7] == 11; /* ENHANCE_YOUR_CALM */
}

bool raw_start(void)
{
    pl_wr_free(&raw);
    pl_wr_free(&said);
    said = pl_wr_heap(64 * 1024 * 1024);
    open_raw();
    return start(&server, true, 64 * 1024 * 1024);
}

/* The title of the problem that stream got. */
bool problem(uint32_t id, const char *code)
{
    struct pl_span p = said_frame(T_DATA, id, NULL);
    return p.n && memmem(p.p, p.n, code, strlen(code)) != NULL;
}
