#include "platform/net/wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

uint64_t pl_net_now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Bytes sent; 0 when the socket is full; -1 when it is broken. */
static ssize_t push(int fd, const uint8_t *p, size_t n)
{
    size_t done = 0;
    while (done < n) {
        ssize_t k = send(fd, p + done, n - done, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            return errno == EAGAIN || errno == EWOULDBLOCK ? (ssize_t)done : -1;
        done += (size_t)k;
    }
    return (ssize_t)done;
}

static void drop_unsent(struct net_wire *w)
{
    free(w->unsent);
    w->unsent = NULL;
    w->unsent_n = w->unsent_at = 0;
}

static pl_err retry_unsent(struct net_wire *w)
{
    ssize_t n = push(w->fd, w->unsent + w->unsent_at, w->unsent_n);
    PL_REQUIRE(n >= 0, NET_CLOSED);
    w->unsent_at += (size_t)n;
    w->unsent_n -= (size_t)n;
    if (w->unsent_n == 0)
        drop_unsent(w);
    return PL_OK;
}

/* Ciphertext to the socket; what it does not take is kept (nothing is read meanwhile, so this is at
 * most the output of one turn). */
static pl_err send_out(struct net_wire *w, const struct pl_wr *out, uint64_t now_ms)
{
    if (out->n == 0)
        return PL_OK;
    size_t sent = 0;
    if (!wire_blocked(w)) {
        ssize_t n = push(w->fd, out->p, out->n);
        PL_REQUIRE(n >= 0, NET_CLOSED);
        sent = (size_t)n;
    }
    size_t left = out->n - sent;
    if (left == 0)
        return PL_OK;
    uint8_t *p = malloc(w->unsent_n + left);
    PL_REQUIRE(p, NO_MEMORY);
    if (w->unsent_n)
        memcpy(p, w->unsent + w->unsent_at, w->unsent_n);
    else
        w->blocked_ms = now_ms;
    memcpy(p + w->unsent_n, out->p + sent, left);
    size_t n = w->unsent_n + left;
    drop_unsent(w);
    w->unsent = p;
    w->unsent_n = n;
    return PL_OK;
}

static pl_err judge(struct net_wire *w, struct pl_wr *out)
{
    bool resumable = false;
    PL_TRY(w->verdict(w, &resumable));
    PL_ASSERT(w->h2);
    return pl_tls_open(w->tls, out, resumable);
}

static pl_err pump_open(struct net_wire *w, struct net_scratch *s, struct pl_span *in,
                        struct pl_wr *out, uint64_t now_ms)
{
    for (;;) {
        size_t n = 0;
        PL_TRY(pl_tls_read(w->tls, in, out, s->plain, sizeof(s->plain), &n));
        PL_REQUIRE(pl_tls_state(w->tls) == PL_TLS_OPEN, NET_CLOSED);
        if (n == 0)
            return PL_OK;
        pl_err e = pl_h2_recv(w->h2, pl_span(s->plain, n), now_ms);
        pl_wipe(s->plain, n);
        PL_TRY(e);
    }
}

static pl_err pump(struct net_wire *w, struct net_scratch *s, struct pl_span in, struct pl_wr *out,
                   uint64_t now_ms)
{
    PL_TRY(pl_tls_handshake(w->tls, &in, out));
    if (pl_tls_state(w->tls) == PL_TLS_VERDICT)
        PL_TRY(judge(w, out));
    if (pl_tls_state(w->tls) == PL_TLS_OPEN)
        PL_TRY(pump_open(w, s, &in, out, now_ms));
    return PL_OK;
}

/* Alerts go out also when the pump ends with an error. */
static pl_err pump_and_send(struct net_wire *w, struct net_scratch *s, size_t n, uint64_t now_ms)
{
    struct pl_wr out = pl_wr_fixed(s->out, sizeof(s->out));
    pl_err e = pump(w, s, pl_span(s->in, n), &out, now_ms);
    pl_err sent = send_out(w, &out, now_ms);
    return e == PL_OK ? sent : e;
}

pl_err pl_wire_read(struct net_wire *w, struct net_scratch *s, uint64_t now_ms)
{
    if (wire_blocked(w))
        PL_TRY(retry_unsent(w));
    if (wire_blocked(w))
        return PL_OK;
    ssize_t n = recv(w->fd, s->in, sizeof(s->in), MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return PL_OK;
    PL_REQUIRE(n > 0, NET_CLOSED);
    return pump_and_send(w, s, (size_t)n, now_ms);
}

pl_err pl_wire_start(struct net_wire *w, struct net_scratch *s, uint64_t now_ms)
{
    return pump_and_send(w, s, 0, now_ms);
}

pl_err pl_wire_flush(struct net_wire *w, struct net_scratch *s, uint64_t now_ms)
{
    w->more = false;
    if (wire_blocked(w))
        PL_TRY(retry_unsent(w));
    if (wire_blocked(w) || !w->h2 || pl_tls_state(w->tls) != PL_TLS_OPEN)
        return PL_OK;
    struct pl_wr staging = pl_wr_fixed(s->staging, sizeof(s->staging));
    struct pl_wr out = pl_wr_fixed(s->out, sizeof(s->out));
    w->more = pl_h2_send(w->h2, &staging, now_ms) && staging.n > 0;
    pl_err e = pl_tls_write(w->tls, &out, pl_wr_span(&staging));
    pl_wipe(s->staging, staging.n);
    PL_TRY(e);
    return send_out(w, &out, now_ms);
}

void pl_wire_end(struct net_wire *w, struct net_scratch *s, pl_err why, uint64_t now_ms)
{
    struct pl_wr out = pl_wr_fixed(s->out, sizeof(s->out));
    pl_err e = w->fd >= 0 && w->tls ? pl_wire_flush(w, s, now_ms) : PL_FAIL(NET_CLOSED);
    if (e == PL_OK && !wire_blocked(w)) {
        pl_tls_close(w->tls, &out);
        e = send_out(w, &out, now_ms);
    }
    (void)e; /* the connection ends either way */
    struct pl_h2 *h2 = w->h2;
    w->h2 = NULL;
    pl_h2_free(h2, why);
    pl_tls_free(w->tls);
    w->tls = NULL;
    drop_unsent(w);
    if (w->fd >= 0)
        close(w->fd);
    w->fd = -1;
}
