#include "platform/net/stream.h"

#include <string.h>

enum { ARENA_ROOM = PL_H2_ARENA - sizeof(struct h2_stream) };
_Static_assert(PL_NET_HEAD_MAX + 512 <= ARENA_ROOM, "headers and a small body fit an arena");

/* A block within the connection's budget and the thread's. The less the thread has left, the less
 * one connection may hold: those who hold much cannot take all, and a small request always finds
 * room. */
static void *take(struct pl_h2 *h, size_t n, size_t *out_cap)
{
    size_t cap = 0, part = (h->cfg.pool->max - h->cfg.pool->used) / PL_H2_PART;
    size_t most = part < PL_NET_CONN_BODY_MAX ? part : PL_NET_CONN_BODY_MAX;
    void *p = pl_h2_pool_take(h->cfg.pool, n, &cap);
    if (p && cap + h->body_bytes > most) {
        pl_h2_pool_give(h->cfg.pool, p, cap, 0);
        return NULL;
    }
    h->body_bytes += cap;
    *out_cap = cap;
    return p;
}

static void give(struct pl_h2 *h, void *p, size_t cap, size_t used)
{
    pl_h2_pool_give(h->cfg.pool, p, cap, used);
    h->body_bytes -= cap;
}

struct h2_stream *pl_h2_stream_new(struct pl_h2 *h, int32_t id)
{
    size_t cap;
    struct h2_stream *s = take(h, PL_H2_ARENA, &cap);
    if (!s)
        return NULL;
    *s = (struct h2_stream){.id = id, .phase = H2_RECEIVING, .refused = PL_OK, .next = h->first};
    if (h->first)
        h->first->prev = s;
    h->first = s;
    h->streams++;
    return s;
}

void pl_h2_stream_free(struct pl_h2 *h, struct h2_stream *s)
{
    pl_h2_block_drop(h, &s->in);
    pl_h2_block_drop(h, &s->out);
    if (s->next)
        s->next->prev = s->prev;
    if (s->prev)
        s->prev->next = s->next;
    else
        h->first = s->next;
    h->streams--;
    give(h, s, PL_H2_ARENA, sizeof(*s) + s->used);
}

struct pl_span pl_h2_keep(struct h2_stream *s, struct pl_span v)
{
    if (v.n > ARENA_ROOM - s->used)
        return (struct pl_span){0};
    uint8_t *to = s->bytes + s->used;
    if (v.n)
        memcpy(to, v.p, v.n);
    s->used += v.n;
    return pl_span(to, v.n);
}

/* Inside the arena a body is its last part and grows in place. */
static bool grow_inside(struct h2_stream *s, struct h2_block *b, size_t n)
{
    if (!b->p)
        b->p = s->bytes + s->used;
    if (b->p + b->n != s->bytes + s->used || n > ARENA_ROOM - s->used)
        return false;
    s->used += n;
    b->cap = b->n + n;
    return true;
}

bool pl_h2_block_grow(struct pl_h2 *h, struct h2_stream *s, struct h2_block *b, size_t n)
{
    if (b->own && b->cap - b->n >= n)
        return true;
    if (!b->own && grow_inside(s, b, n))
        return true;
    size_t cap;
    uint8_t *p = take(h, b->n + n, &cap);
    if (!p)
        return false;
    if (b->n)
        memcpy(p, b->p, b->n);
    if (b->own)
        give(h, b->p, b->cap, b->n);
    *b = (struct h2_block){.p = p, .n = b->n, .cap = cap, .own = true};
    return true;
}

void pl_h2_block_drop(struct pl_h2 *h, struct h2_block *b)
{
    if (b->own)
        give(h, b->p, b->cap, b->n);
    *b = (struct h2_block){0};
}

static const struct {
    const char *name;
    bool server, client; /* in what this side receives */
} fields[H2_FIELDS] = {
    [H2_METHOD] = {":method", true, false},
    [H2_PATH] = {":path", true, false},
    [H2_STATUS] = {":status", false, true},
    [H2_CONTENT_TYPE] = {"content-type", true, true},
    [H2_AUTHORIZATION] = {"authorization", true, false},
    [H2_IDEMPOTENCY_KEY] = {"idempotency-key", true, false},
    [H2_IF_MATCH] = {"if-match", true, false},
    [H2_IF_NONE_MATCH] = {"if-none-match", true, false},
    [H2_CONTENT_LENGTH] = {"content-length", true, true},
    [H2_RETRY_AFTER] = {"retry-after", false, true},
    [H2_ETAG] = {"etag", false, true},
};

/* Decimal, at most 9 digits; -1 otherwise. */
static int64_t decimal(struct pl_span v)
{
    int64_t n = 0;
    if (v.n == 0 || v.n > 9)
        return -1;
    for (size_t i = 0; i < v.n; i++) {
        if (v.p[i] < '0' || v.p[i] > '9')
            return -1;
        n = n * 10 + (v.p[i] - '0');
    }
    return n;
}

static size_t body_max(const struct pl_h2 *h)
{
    return h->cfg.server ? PL_NET_REQUEST_MAX : PL_NET_RESPONSE_MAX;
}

/* A kept header twice is ambiguous: whoever read the other one would see another request. */
static pl_err keep_field(struct pl_h2 *h, struct h2_stream *s, enum h2_field f, struct pl_span v)
{
    PL_REQUIRE(!s->field[f].p, NET_HTTP);
    PL_REQUIRE(s->used + v.n <= PL_NET_HEAD_MAX, NET_HEADER_SIZE);
    s->field[f] = pl_h2_keep(s, v);
    PL_REQUIRE(s->field[f].p, NET_HEADER_SIZE);
    if (f != H2_CONTENT_LENGTH)
        return PL_OK;
    int64_t n = decimal(v);
    PL_REQUIRE(n >= 0 && (size_t)n <= body_max(h), NET_REQUEST_SIZE);
    return PL_OK;
}

pl_err pl_h2_header(struct pl_h2 *h, struct h2_stream *s, struct pl_span name, struct pl_span value)
{
    s->list_bytes += name.n + value.n + 32;
    PL_REQUIRE(s->list_bytes <= PL_NET_HEADER_LIST_MAX, NET_HEADER_SIZE);
    for (enum h2_field f = 0; f < H2_FIELDS; f++)
        if ((h->cfg.server ? fields[f].server : fields[f].client) &&
            pl_span_is(name, fields[f].name))
            return keep_field(h, s, f, value);
    return PL_OK;
}

pl_err pl_h2_data(struct pl_h2 *h, struct h2_stream *s, struct pl_span data)
{
    PL_REQUIRE(data.n <= body_max(h) - s->in.n, NET_REQUEST_SIZE);
    PL_REQUIRE(pl_h2_block_grow(h, s, &s->in, data.n), NET_MEMORY);
    memcpy(s->in.p + s->in.n, data.p, data.n);
    s->in.n += data.n;
    return PL_OK;
}

struct pl_request pl_h2_request_of(const struct h2_stream *s)
{
    return (struct pl_request){
        .method = s->field[H2_METHOD],
        .path = s->field[H2_PATH],
        .content_type = s->field[H2_CONTENT_TYPE],
        .authorization = s->field[H2_AUTHORIZATION],
        .idempotency_key = s->field[H2_IDEMPOTENCY_KEY],
        .if_match = s->field[H2_IF_MATCH],
        .if_none_match = s->field[H2_IF_NONE_MATCH],
        .body = pl_span(s->in.p, s->in.n),
    };
}

bool pl_h2_response_of(const struct h2_stream *s, struct pl_response *out)
{
    int64_t status = decimal(s->field[H2_STATUS]);
    int64_t retry = decimal(s->field[H2_RETRY_AFTER]);
    *out = (struct pl_response){
        .status = (int)status,
        .content_type = s->field[H2_CONTENT_TYPE],
        .etag = s->field[H2_ETAG],
        .retry_after_s = retry > 0 ? (uint32_t)retry : 0,
        .body = pl_span(s->in.p, s->in.n),
    };
    return status >= 200 && status <= 599;
}
