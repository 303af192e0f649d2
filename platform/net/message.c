/* Messages out: requests, responses, and the answers that the engine gives by itself. */
#include "platform/net/stream.h"

#include <stdio.h>
#include <string.h>

enum { NV_MAX = 10, PROBLEM_MAX = 512 };

struct nv_list {
    nghttp2_nv nv[NV_MAX];
    size_t n;
};

/* Values that identify or authorise are kept out of the peer's compression table. */
static void put(struct nv_list *l, const char *name, struct pl_span value, bool secret)
{
    PL_ASSERT(l->n < NV_MAX);
    l->nv[l->n++] = (nghttp2_nv){
        .name = (uint8_t *)(uintptr_t)name, /* nghttp2 copies both */
        .namelen = strlen(name),
        .value = (uint8_t *)(uintptr_t)(value.p ? value.p : (const uint8_t *)""),
        .valuelen = value.n,
        .flags = secret ? NGHTTP2_NV_FLAG_NO_INDEX : NGHTTP2_NV_FLAG_NONE,
    };
}

static void put_optional(struct nv_list *l, const char *name, struct pl_span value, bool secret)
{
    if (value.n)
        put(l, name, value, secret);
}

ssize_t pl_h2_read_cb(nghttp2_session *ng, int32_t id, uint8_t *buf, size_t n, uint32_t *flags,
                      nghttp2_data_source *source, void *arg)
{
    (void)ng, (void)id, (void)buf, (void)arg;
    const struct h2_stream *s = source->ptr;
    size_t left = s->out.n - s->sent;
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (left <= n)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)(left < n ? left : n);
}

/* Replaces what was there: a body that could not be sent gives way to a problem. */
static pl_err set_body(struct pl_h2 *h, struct h2_stream *s, struct pl_span body)
{
    pl_h2_block_drop(h, &s->out);
    s->sent = 0;
    if (body.n == 0)
        return PL_OK;
    PL_REQUIRE(pl_h2_block_grow(h, s, &s->out, body.n), NET_MEMORY);
    memcpy(s->out.p, body.p, body.n);
    s->out.n = body.n;
    return PL_OK;
}

static pl_err submit_response(struct pl_h2 *h, struct h2_stream *s, const struct pl_response *r)
{
    char status[12], length[24], retry[12];
    struct nv_list l = {.n = 0};
    nghttp2_data_provider body = {.source.ptr = s, .read_callback = pl_h2_read_cb};
    snprintf(status, sizeof(status), "%d", r->status);
    snprintf(length, sizeof(length), "%zu", r->body.n);
    snprintf(retry, sizeof(retry), "%u", (unsigned)r->retry_after_s);
    put(&l, ":status", pl_span_str(status), false);
    if (r->body.n)
        put(&l, "content-type", r->content_type.n ? r->content_type : PL_LIT("application/json"),
            false);
    put(&l, "content-length", pl_span_str(length), false);
    put_optional(&l, "etag", r->etag, false);
    put_optional(&l, "retry-after", r->retry_after_s ? pl_span_str(retry) : (struct pl_span){0},
                 false);
    PL_TRY(set_body(h, s, r->body));
    int e = nghttp2_submit_response(h->ng, s->id, l.nv, l.n, r->body.n ? &body : NULL);
    PL_REQUIRE(e == 0, NET_RESPONSE);
    s->phase = H2_SENDING;
    s->due_ms = h->now_ms + h->cfg.response_ms;
    return PL_OK;
}

/* RFC 9457, without detail: whoever is refused here is known by nothing but an address. */
pl_err pl_h2_submit_problem(struct pl_h2 *h, struct h2_stream *s, enum pl_code code)
{
    uint8_t text[PROBLEM_MAX];
    struct pl_wr w = pl_wr_fixed(text, sizeof(text));
    struct pl_jw j = pl_jw(&w);
    pl_jw_open(&j, '{');
    pl_jw_key(&j, "type");
    pl_jw_text(&j, "about:blank");
    pl_jw_key(&j, "title");
    pl_jw_text(&j, pl_code_text(code));
    pl_jw_key(&j, "status");
    pl_jw_u64(&j, (uint64_t)pl_code_http(code));
    pl_jw_key(&j, "code");
    pl_jw_text(&j, pl_code_name(code));
    pl_jw_close(&j, '}');
    PL_TRY(pl_wr_end(&w));
    struct pl_response r = {
        .status = pl_code_http(code),
        .content_type = PL_LIT("application/problem+json"),
        .retry_after_s = pl_code_retry(code) ? 1 : 0,
        .body = pl_wr_span(&w),
    };
    pl_err e = submit_response(h, s, &r);
    if (e == PL_OK)
        return e;
    r.body = (struct pl_span){0}; /* no memory even for the reason: the status alone */
    return submit_response(h, s, &r);
}

pl_err pl_h2_respond(struct pl_h2 *h, uint32_t stream, const struct pl_response *r)
{
    struct h2_stream *s = nghttp2_session_get_stream_user_data(h->ng, (int32_t)stream);
    PL_REQUIRE(s && s->phase == H2_PARKED, NET_STREAM_GONE);
    PL_ASSERT(r->status >= 200 && r->status <= 599);
    pl_err e = r->body.n <= PL_NET_RESPONSE_MAX ? submit_response(h, s, r) : PL_FAIL(NET_RESPONSE);
    pl_h2_block_drop(h, &s->in); /* not before: an answer may quote its request */
    if (e == PL_OK)
        return e;
    enum pl_code code = pl_err_code(e) == PL_E_NET_MEMORY ? PL_E_NET_UNANSWERED : PL_E_NET_RESPONSE;
    pl_err second = pl_h2_submit_problem(h, s, code);
    if (second != PL_OK)
        pl_h2_submit_rst(h, s, NGHTTP2_INTERNAL_ERROR);
    return e;
}

static pl_err submit_request(struct pl_h2 *h, struct h2_stream *s, const struct pl_request *r)
{
    char length[24];
    struct nv_list l = {.n = 0};
    nghttp2_data_provider body = {.source.ptr = s, .read_callback = pl_h2_read_cb};
    snprintf(length, sizeof(length), "%zu", r->body.n);
    put(&l, ":method", r->method, false);
    put(&l, ":scheme", PL_LIT("https"), false);
    put(&l, ":authority", PL_LIT("pleiad"), false);
    put(&l, ":path", r->path, false);
    put_optional(&l, "content-type", r->content_type, false);
    put_optional(&l, "authorization", r->authorization, true);
    put_optional(&l, "idempotency-key", r->idempotency_key, true);
    put_optional(&l, "if-match", r->if_match, false);
    put_optional(&l, "if-none-match", r->if_none_match, false);
    if (r->body.n)
        put(&l, "content-length", pl_span_str(length), false);
    PL_TRY(set_body(h, s, r->body));
    int32_t id = nghttp2_submit_request(h->ng, NULL, l.nv, l.n, r->body.n ? &body : NULL, s);
    PL_REQUIRE(id > 0, NET_STREAMS);
    s->id = id;
    return PL_OK;
}

pl_err pl_h2_request(struct pl_h2 *h, uint32_t *out_stream, const struct pl_request *r,
                     uint64_t deadline_ms)
{
    PL_ASSERT(!h->cfg.server && r->method.n && r->path.n && r->body.n <= PL_NET_REQUEST_MAX);
    PL_REQUIRE(!h->shut && h->err == PL_OK, NET_CLOSED);
    PL_REQUIRE(h->streams < PL_NET_STREAMS_MAX, NET_STREAMS);
    struct h2_stream *s = pl_h2_stream_new(h, 0);
    PL_REQUIRE(s, NET_MEMORY);
    s->due_ms = deadline_ms;
    pl_err e = submit_request(h, s, r);
    if (e != PL_OK) {
        pl_h2_stream_free(h, s);
        return e;
    }
    *out_stream = (uint32_t)s->id;
    return PL_OK;
}
