#include "platform/net/stream.h"

#include <stdlib.h>
#include <string.h>

/* What a frame costs before it is known to carry anything, in points of PL_H2_CALM. */
enum {
    COST_RESET = 10,
    COST_SETTINGS = 20,
    COST_PING = 5,
    COST_PRIORITY = 2,
    COST_WINDOW = 1,
    COST_TINY = 1,
    COST_CONTINUATION = 5,
    COST_OTHER = 5,
    GAIN_ANSWER = 5, /* an answered request gives room for the frames around it */
};

static void give_up(struct pl_h2 *h, pl_err e, uint32_t code)
{
    if (h->err != PL_OK)
        return;
    h->err = e;
    nghttp2_session_terminate_session(h->ng, code);
}

static int verdict(const struct pl_h2 *h)
{
    return h->err == PL_OK ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
}

static void spend(struct pl_h2 *h, int points)
{
    uint64_t gained = (h->now_ms - h->calm_ms) * PL_H2_CALM_PER_S / 1000;
    if (gained > 0) {
        h->calm_ms = h->now_ms;
        h->calm = gained > (uint64_t)(PL_H2_CALM - h->calm) ? PL_H2_CALM : h->calm + (int)gained;
    }
    h->calm = h->calm - points > PL_H2_CALM ? PL_H2_CALM : h->calm - points;
    if (h->calm < 0)
        give_up(h, PL_FAIL(NET_FLOOD), NGHTTP2_ENHANCE_YOUR_CALM);
}

static int frame_cost(const nghttp2_frame_hd *hd)
{
    switch (hd->type) {
    case NGHTTP2_DATA:
        return hd->length < PL_H2_TINY && !(hd->flags & NGHTTP2_FLAG_END_STREAM) ? COST_TINY : 0;
    case NGHTTP2_HEADERS:
        return 0;
    case NGHTTP2_RST_STREAM:
        return COST_RESET;
    case NGHTTP2_SETTINGS:
        return COST_SETTINGS;
    case NGHTTP2_PING:
        return COST_PING;
    case NGHTTP2_PRIORITY:
        return COST_PRIORITY;
    case NGHTTP2_WINDOW_UPDATE:
        return COST_WINDOW;
    case NGHTTP2_CONTINUATION:
        return COST_CONTINUATION;
    default:
        return COST_OTHER;
    }
}

static int on_begin_frame(nghttp2_session *ng, const nghttp2_frame_hd *hd, void *arg)
{
    (void)ng;
    struct pl_h2 *h = arg;
    spend(h, frame_cost(hd));
    return verdict(h);
}

void pl_h2_submit_rst(struct pl_h2 *h, struct h2_stream *s, uint32_t code)
{
    if (nghttp2_submit_rst_stream(h->ng, NGHTTP2_FLAG_NONE, s->id, code) != 0)
        give_up(h, PL_FAIL(NO_MEMORY), NGHTTP2_INTERNAL_ERROR);
}

/* Client: the end of a request, told once. */
static void tell(struct pl_h2 *h, struct h2_stream *s, const struct pl_response *r, pl_err why)
{
    if (s->told)
        return;
    s->told = true;
    s->phase = H2_DONE;
    h->cfg.events->on_response(h->cfg.arg, (uint32_t)s->id, r, why);
}

/* The rest of this message is dropped. A server answers at once; a client gives up on it. */
static void refuse(struct pl_h2 *h, struct h2_stream *s, pl_err e)
{
    if (s->refused != PL_OK)
        return;
    s->refused = e;
    pl_h2_block_drop(h, &s->in);
    if (!h->cfg.server) {
        pl_h2_submit_rst(h, s, NGHTTP2_CANCEL);
        tell(h, s, NULL, pl_err_code(e) == PL_E_NET_HTTP ? e : PL_FAIL(NET_RESPONSE));
    }
}

/* Only once the headers have ended may an answer be submitted. */
static void answer_refused(struct pl_h2 *h, struct h2_stream *s)
{
    if (!h->cfg.server || s->phase != H2_RECEIVING)
        return;
    if (pl_h2_submit_problem(h, s, pl_err_code(s->refused)) != PL_OK)
        pl_h2_submit_rst(h, s, NGHTTP2_ENHANCE_YOUR_CALM);
}

static void message_whole(struct pl_h2 *h, struct h2_stream *s)
{
    s->whole = true;
    if (s->refused != PL_OK)
        return;
    if (h->cfg.server) {
        struct pl_request r = pl_h2_request_of(s);
        s->phase = H2_PARKED;
        s->due_ms = h->now_ms + h->cfg.parked_ms;
        h->cfg.events->on_request(h->cfg.arg, (uint32_t)s->id, &r);
        return;
    }
    struct pl_response r;
    spend(h, -GAIN_ANSWER);
    if (pl_h2_response_of(s, &r))
        tell(h, s, &r, PL_OK);
    else
        refuse(h, s, PL_FAIL(NET_HTTP));
}

static int on_begin_headers(nghttp2_session *ng, const nghttp2_frame *frame, void *arg)
{
    struct pl_h2 *h = arg;
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST) {
        spend(h, frame->hd.type == NGHTTP2_HEADERS && !h->cfg.server ? 0 : COST_OTHER);
        return verdict(h);
    }
    struct h2_stream *s = pl_h2_stream_new(h, frame->hd.stream_id);
    if (!s)
        return nghttp2_submit_rst_stream(ng, NGHTTP2_FLAG_NONE, frame->hd.stream_id,
                                         NGHTTP2_REFUSED_STREAM) == 0
                   ? 0
                   : NGHTTP2_ERR_CALLBACK_FAILURE;
    s->due_ms = h->now_ms + h->cfg.request_ms;
    nghttp2_session_set_stream_user_data(ng, s->id, s);
    return 0;
}

static int on_header(nghttp2_session *ng, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_n, const uint8_t *value, size_t value_n, uint8_t flags, void *arg)
{
    (void)flags;
    struct pl_h2 *h = arg;
    struct h2_stream *s = nghttp2_session_get_stream_user_data(ng, frame->hd.stream_id);
    if (!s)
        return 0;
    if (s->list_bytes > PL_H2_HEADER_BOMB) {
        give_up(h, PL_FAIL(NET_FLOOD), NGHTTP2_ENHANCE_YOUR_CALM);
        return verdict(h);
    }
    bool first =
        frame->hd.type == NGHTTP2_HEADERS &&
        frame->headers.cat == (h->cfg.server ? NGHTTP2_HCAT_REQUEST : NGHTTP2_HCAT_RESPONSE);
    if (!first || s->refused != PL_OK) { /* trailers, or the rest of what is refused: counted */
        s->list_bytes += name_n + value_n + 32;
        return 0;
    }
    pl_err e = pl_h2_header(h, s, pl_span(name, name_n), pl_span(value, value_n));
    if (e != PL_OK)
        refuse(h, s, e);
    return 0;
}

static int on_data(nghttp2_session *ng, uint8_t flags, int32_t id, const uint8_t *p, size_t n,
                   void *arg)
{
    (void)flags;
    struct pl_h2 *h = arg;
    struct h2_stream *s = nghttp2_session_get_stream_user_data(ng, id);
    if (!s || s->refused != PL_OK || s->told || n == 0)
        return 0;
    pl_err e = pl_h2_data(h, s, pl_span(p, n));
    if (e != PL_OK) {
        refuse(h, s, e);
        answer_refused(h, s);
    }
    return verdict(h);
}

static void headers_ended(struct pl_h2 *h, struct h2_stream *s)
{
    if (h->cfg.server && s->refused == PL_OK && h->cfg.events->admit) {
        pl_err e = h->cfg.events->admit(h->cfg.arg);
        if (e != PL_OK)
            refuse(h, s, e);
    }
    if (s->refused != PL_OK)
        answer_refused(h, s);
}

static int on_frame(nghttp2_session *ng, const nghttp2_frame *frame, void *arg)
{
    struct pl_h2 *h = arg;
    if (frame->hd.type == NGHTTP2_GOAWAY)
        h->shut = true;
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)
        return 0;
    struct h2_stream *s = nghttp2_session_get_stream_user_data(ng, frame->hd.stream_id);
    if (!s)
        return 0;
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
        headers_ended(h, s);
    if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
        message_whole(h, s);
    return verdict(h);
}

static bool ends_stream(const nghttp2_frame *f)
{
    return (f->hd.type == NGHTTP2_HEADERS || f->hd.type == NGHTTP2_DATA) &&
           (f->hd.flags & NGHTTP2_FLAG_END_STREAM);
}

/* RFC 9113 8.1: an answer that does not wait for the whole request asks to stop sending it. */
static int on_sent(nghttp2_session *ng, const nghttp2_frame *frame, void *arg)
{
    struct pl_h2 *h = arg;
    if (!h->cfg.server || !ends_stream(frame))
        return 0;
    struct h2_stream *s = nghttp2_session_get_stream_user_data(ng, frame->hd.stream_id);
    spend(h, -GAIN_ANSWER);
    if (s && !s->whole)
        pl_h2_submit_rst(h, s, NGHTTP2_NO_ERROR);
    return 0;
}

static int on_stream_close(nghttp2_session *ng, int32_t id, uint32_t code, void *arg)
{
    struct pl_h2 *h = arg;
    struct h2_stream *s = nghttp2_session_get_stream_user_data(ng, id);
    if (!s)
        return 0;
    nghttp2_session_set_stream_user_data(ng, id, NULL);
    if (h->cfg.server && s->phase == H2_PARKED)
        h->cfg.events->on_reset(h->cfg.arg, (uint32_t)id);
    if (!h->cfg.server)
        tell(h, s, NULL,
             code == NGHTTP2_REFUSED_STREAM ? PL_FAIL(NET_STREAMS) : PL_FAIL(NET_RESET));
    pl_h2_stream_free(h, s);
    return 0;
}

/* DATA goes from the stream's block to the output, past nghttp2's buffers, which nobody wipes. */
static int on_send_data(nghttp2_session *ng, nghttp2_frame *frame, const uint8_t *head, size_t n,
                        nghttp2_data_source *source, void *arg)
{
    (void)ng;
    struct pl_h2 *h = arg;
    struct h2_stream *s = source->ptr;
    PL_ASSERT(frame->data.padlen == 0 && n <= s->out.n - s->sent);
    if (h->out->cap - h->out->n < 9 + n + PL_H2_FRAME_ROOM / 2)
        return NGHTTP2_ERR_WOULDBLOCK;
    pl_wr_bytes(h->out, pl_span(head, 9));
    pl_wr_bytes(h->out, pl_span(s->out.p + s->sent, n));
    s->sent += n;
    return 0;
}

static nghttp2_session_callbacks *callbacks(void)
{
    nghttp2_session_callbacks *cb;
    if (nghttp2_session_callbacks_new(&cb) != 0)
        return NULL;
    nghttp2_session_callbacks_set_on_begin_frame_callback(cb, on_begin_frame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(cb, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame);
    nghttp2_session_callbacks_set_on_frame_send_callback(cb, on_sent);
    nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_stream_close);
    nghttp2_session_callbacks_set_send_data_callback(cb, on_send_data);
    return cb;
}

static bool new_session(struct pl_h2 *h)
{
    nghttp2_option *o = NULL;
    nghttp2_session_callbacks *cb = callbacks();
    bool ok = cb && nghttp2_option_new(&o) == 0;
    if (ok) {
        nghttp2_option_set_no_closed_streams(o, 1);
        nghttp2_option_set_max_outbound_ack(o, 64);
        /* Behind our own budget, which says why. */
        nghttp2_option_set_stream_reset_rate_limit(o, 4 * PL_NET_STREAMS_MAX, 100);
        nghttp2_option_set_peer_max_concurrent_streams(o, PL_NET_STREAMS_MAX);
        ok = (h->cfg.server ? nghttp2_session_server_new2(&h->ng, cb, h, o)
                            : nghttp2_session_client_new2(&h->ng, cb, h, o)) == 0;
    }
    nghttp2_option_del(o);
    nghttp2_session_callbacks_del(cb);
    return ok;
}

static bool greet(struct pl_h2 *h)
{
    bool server = h->cfg.server;
    uint32_t window = server ? PL_NET_REQUEST_MAX : PL_NET_RESPONSE_MAX;
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, server ? PL_NET_STREAMS_MAX : 0},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, window},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, PL_NET_HEADER_LIST_MAX},
    };
    size_t from = server ? 1 : 0; /* ENABLE_PUSH is a client's word */
    return nghttp2_submit_settings(h->ng, NGHTTP2_FLAG_NONE, settings + from,
                                   sizeof(settings) / sizeof(*settings) - from) == 0 &&
           nghttp2_session_set_local_window_size(h->ng, NGHTTP2_FLAG_NONE, 0,
                                                 PL_NET_CONN_BODY_MAX) == 0;
}

pl_err pl_h2_new(struct pl_h2 **out, const struct pl_h2_config *cfg, uint64_t now_ms)
{
    *out = NULL;
    struct pl_h2 *h = calloc(1, sizeof(*h));
    PL_REQUIRE(h, NO_MEMORY);
    h->cfg = *cfg;
    h->now_ms = h->calm_ms = now_ms;
    h->calm = PL_H2_CALM;
    h->err = PL_OK;
    if (!new_session(h) || !greet(h)) {
        pl_h2_free(h, PL_FAIL(NO_MEMORY));
        return PL_FAIL(NO_MEMORY);
    }
    *out = h;
    return PL_OK;
}

void pl_h2_free(struct pl_h2 *h, pl_err why)
{
    if (!h)
        return;
    h->shut = true;
    while (h->first) {
        struct h2_stream *s = h->first;
        if (h->cfg.server && s->phase == H2_PARKED)
            h->cfg.events->on_reset(h->cfg.arg, (uint32_t)s->id);
        if (!h->cfg.server)
            tell(h, s, NULL, why == PL_OK ? PL_FAIL(NET_CLOSED) : why);
        pl_h2_stream_free(h, s);
    }
    nghttp2_session_del(h->ng);
    free(h);
}

pl_err pl_h2_recv(struct pl_h2 *h, struct pl_span plain, uint64_t now_ms)
{
    h->now_ms = now_ms;
    if (h->err != PL_OK)
        return h->err;
    ssize_t n = nghttp2_session_mem_recv(h->ng, plain.p, plain.n);
    if (n == NGHTTP2_ERR_FLOODED)
        give_up(h, PL_FAIL(NET_FLOOD), NGHTTP2_ENHANCE_YOUR_CALM);
    if (h->err == PL_OK && n < 0)
        h->err = n == NGHTTP2_ERR_NOMEM ? PL_FAIL(NET_MEMORY) : PL_FAIL(NET_HTTP);
    return h->err;
}

bool pl_h2_send(struct pl_h2 *h, struct pl_wr *out, uint64_t now_ms)
{
    h->now_ms = now_ms;
    h->out = out;
    while (out->cap - out->n >= PL_H2_FRAME_ROOM) {
        const uint8_t *p;
        ssize_t n = nghttp2_session_mem_send(h->ng, &p);
        if (n < 0 && h->err == PL_OK)
            h->err = PL_FAIL(NET_HTTP);
        if (n <= 0)
            break;
        pl_wr_bytes(out, pl_span(p, (size_t)n));
    }
    h->out = NULL;
    return nghttp2_session_want_write(h->ng) != 0;
}

static void overdue(struct pl_h2 *h, struct h2_stream *s)
{
    if (!h->cfg.server) {
        pl_h2_submit_rst(h, s, NGHTTP2_CANCEL);
        tell(h, s, NULL, s->refused == PL_OK ? PL_FAIL(NET_DEADLINE) : s->refused);
        s->due_ms = UINT64_MAX;
    } else if (s->phase == H2_RECEIVING) {
        refuse(h, s, PL_FAIL(NET_SLOW_REQUEST));
        answer_refused(h, s);
    } else if (s->phase == H2_PARKED) {
        if (pl_h2_submit_problem(h, s, PL_E_NET_UNANSWERED) != PL_OK)
            pl_h2_submit_rst(h, s, NGHTTP2_INTERNAL_ERROR);
        h->cfg.events->on_reset(h->cfg.arg, (uint32_t)s->id);
    } else {
        give_up(h, PL_FAIL(NET_SLOW_READER), NGHTTP2_ENHANCE_YOUR_CALM);
    }
}

pl_err pl_h2_tick(struct pl_h2 *h, uint64_t now_ms)
{
    h->now_ms = now_ms;
    for (struct h2_stream *s = h->first, *next; s && h->err == PL_OK; s = next) {
        next = s->next;
        if (now_ms >= s->due_ms)
            overdue(h, s);
    }
    return h->err;
}

uint64_t pl_h2_next_ms(const struct pl_h2 *h)
{
    uint64_t first = UINT64_MAX;
    for (const struct h2_stream *s = h->first; s; s = s->next)
        if (s->due_ms < first)
            first = s->due_ms;
    return first;
}

/* By our own list: a request that still waits for its turn is no stream of nghttp2's yet. */
void pl_h2_cancel(struct pl_h2 *h, uint32_t stream)
{
    struct h2_stream *s = h->first;
    while (s && s->id != (int32_t)stream)
        s = s->next;
    if (!s || s->told || s->refused != PL_OK)
        return;
    s->refused = PL_FAIL(NET_CANCELLED);
    s->due_ms = 0;
}

void pl_h2_shutdown(struct pl_h2 *h)
{
    if (h->shut || h->err != PL_OK)
        return;
    h->shut = true;
    if (nghttp2_submit_goaway(h->ng, NGHTTP2_FLAG_NONE,
                              nghttp2_session_get_last_proc_stream_id(h->ng), NGHTTP2_NO_ERROR,
                              NULL, 0) != 0)
        h->err = PL_FAIL(NO_MEMORY);
}

bool pl_h2_waiting(const struct pl_h2 *h) { return nghttp2_session_want_write(h->ng) != 0; }

unsigned pl_h2_open_streams(const struct pl_h2 *h) { return h->streams; }

bool pl_h2_done(const struct pl_h2 *h)
{
    bool quiet = nghttp2_session_want_write(h->ng) == 0;
    return quiet && (nghttp2_session_want_read(h->ng) == 0 || (h->shut && h->streams == 0));
}
