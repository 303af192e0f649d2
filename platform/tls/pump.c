#include "attest/session_state.h"
#include "platform/tls/internal.h"

#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

/* ---- The BIO: straight from and to the caller's buffers ---------------------------------------
 */

static int bio_read(BIO *b, char *out, int n)
{
    struct pl_tls *t = BIO_get_data(b);
    BIO_clear_retry_flags(b);
    if (n <= 0 || t->flooded)
        return 0;
    if (t->in->n == 0) {
        BIO_set_retry_read(b);
        return -1;
    }
    size_t take = t->in->n < (size_t)n ? t->in->n : (size_t)n;
    memcpy(out, t->in->p, take);
    *t->in = pl_span_sub(*t->in, take, t->in->n - take);
    return (int)take;
}

static int bio_write(BIO *b, const char *p, int n)
{
    struct pl_tls *t = BIO_get_data(b);
    BIO_clear_retry_flags(b);
    if (n <= 0)
        return 0;
    if (t->out)
        pl_wr_bytes(t->out, pl_span(p, (size_t)n));
    if (t->out && !t->out->bad)
        return n;
    t->err = PL_FAIL(NO_SPACE);
    return -1;
}

static long bio_ctrl(BIO *b, int cmd, long num, void *ptr)
{
    (void)b, (void)num, (void)ptr;
    return cmd == BIO_CTRL_FLUSH;
}

pl_err pl_tls_bio_new(BIO_METHOD **out)
{
    *out = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "pleiad");
    PL_REQUIRE(*out && BIO_meth_set_read(*out, bio_read) == 1 &&
                   BIO_meth_set_write(*out, bio_write) == 1 &&
                   BIO_meth_set_ctrl(*out, bio_ctrl) == 1,
               TLS_INIT);
    return PL_OK;
}

/* ---- Birth and death --------------------------------------------------------------------------
 */

struct pl_tls *pl_tls_of(const SSL *ssl) { return SSL_get_app_data(ssl); }

/* A session made under another leaf would make both sides disagree on who this end is. */
static bool usable(const struct pl_tls *t, const struct pl_tls_session *s)
{
    return s && !t->ctx->cfg.server &&
           memcmp(s->own_spki_sha256, t->ctx->spki_sha256, PL_SHA256_BYTES) == 0 &&
           pl_tls_leaf_current(t->ctx, &s->memory.peer) == PL_OK;
}

/* A copy: the TLS library spoils a session that was used once, and ours may be used again. */
static pl_err offer(struct pl_tls *t, const struct pl_tls_session *s)
{
    SSL_SESSION *copy = SSL_SESSION_dup(s->ssl);
    PL_REQUIRE(copy, NO_MEMORY);
    int ok = SSL_set_session(t->ssl, copy);
    SSL_SESSION_free(copy);
    PL_REQUIRE(ok == 1, TLS_INIT);
    t->offer = s->memory;
    return PL_OK;
}

static pl_err setup(struct pl_tls *t, const struct pl_tls_session *session)
{
    t->ssl = SSL_new(t->ctx->ssl);
    PL_REQUIRE(t->ssl, NO_MEMORY);
    BIO *bio = BIO_new(t->ctx->bio);
    PL_REQUIRE(bio, NO_MEMORY);
    BIO_set_data(bio, t);
    BIO_set_init(bio, 1);
    SSL_set_bio(t->ssl, bio, bio);
    PL_REQUIRE(SSL_set_app_data(t->ssl, t) == 1, NO_MEMORY);
    if (t->ctx->cfg.server)
        SSL_set_accept_state(t->ssl);
    else
        SSL_set_connect_state(t->ssl);
    return usable(t, session) ? offer(t, session) : PL_OK;
}

pl_err pl_tls_new(struct pl_tls **out, struct pl_tls_ctx *ctx, struct pl_crypto *c,
                  const struct pl_tls_session *session)
{
    *out = NULL;
    struct pl_tls *t = calloc(1, sizeof(*t));
    PL_REQUIRE(t, NO_MEMORY);
    pl_tls_ctx_ref(ctx);
    t->ctx = ctx;
    t->crypto = c;
    t->err = PL_OK;
    t->state = PL_TLS_HANDSHAKE;
    pl_err e = setup(t, session);
    if (e == PL_OK)
        *out = t;
    else
        pl_tls_free(t);
    return e;
}

static void drop_leaf(struct pl_tls *t)
{
    free(t->leaf);
    free(t->cert);
    t->leaf = NULL;
    t->cert = NULL;
    t->peer.leaf = (struct pl_span){0};
    t->peer.cert = NULL;
}

/* The TLS library forgets the session of a connection that was freed without its shutdown. */
static void keep_session(struct pl_tls *t)
{
    SSL_set_shutdown(t->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
}

void pl_tls_free(struct pl_tls *t)
{
    if (!t)
        return;
    if (t->state == PL_TLS_OPEN)
        keep_session(t);
    SSL_free(t->ssl);
    SSL_SESSION_free(t->ticket);
    drop_leaf(t);
    pl_tls_ctx_free(t->ctx);
    free(t);
}

enum pl_tls_state pl_tls_state(const struct pl_tls *t) { return t->state; }
const struct pl_tls_peer *pl_tls_peer(const struct pl_tls *t) { return &t->peer; }

/* ---- The pump ---------------------------------------------------------------------------------
 */

static void begin(struct pl_tls *t, struct pl_span *in, struct pl_wr *out)
{
    ERR_clear_error(); /* the queue is the thread's: another connection may have left something */
    t->in = in;
    t->out = out;
}

static void end(struct pl_tls *t)
{
    t->in = NULL;
    t->out = NULL;
}

static pl_err known_reason(int reason)
{
    switch (reason) {
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_VERSION_TOO_LOW:
    case SSL_R_WRONG_SSL_VERSION:
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_HTTP_REQUEST:
        return PL_FAIL(TLS_VERSION);
    case SSL_R_BAD_SIGNATURE:
    case SSL_R_WRONG_CURVE:
        return PL_FAIL(TLS_CERTIFICATE_VERIFY);
    case SSL_R_NO_APPLICATION_PROTOCOL:
        return PL_FAIL(TLS_ALPN);
    case SSL_R_EXCESSIVE_MESSAGE_SIZE:
        return PL_FAIL(TLS_MESSAGE_SIZE);
    default: /* the peer's alerts are numbered above all reasons of this end */
        return reason >= SSL_AD_REASON_OFFSET ? PL_FAIL(TLS_ALERT) : PL_OK;
    }
}

static pl_err library_error(struct pl_tls *t)
{
    unsigned long e = ERR_peek_error();
    pl_err known = ERR_GET_LIB(e) == ERR_LIB_SSL ? known_reason(ERR_GET_REASON(e)) : PL_OK;
    if (known != PL_OK)
        return known;
    return t->state == PL_TLS_OPEN ? PL_FAIL(TLS_RECORD) : PL_FAIL(TLS_HANDSHAKE);
}

/* After a call that returned r <= 0: PL_OK when it only waits for input or the peer closed. */
static pl_err outcome(struct pl_tls *t, int r)
{
    int why = SSL_get_error(t->ssl, r);
    if (t->err == PL_OK && !t->flooded && why == SSL_ERROR_WANT_READ)
        return PL_OK;
    pl_err e = t->err;
    if (e == PL_OK && t->flooded)
        e = PL_FAIL(TLS_FLOOD);
    if (e == PL_OK && why == SSL_ERROR_ZERO_RETURN)
        keep_session(t);
    else if (e == PL_OK)
        e = library_error(t);
    t->state = PL_TLS_CLOSED;
    ERR_clear_error();
    return e;
}

/* Ends the connection for a reason of ours. */
static pl_err fail(struct pl_tls *t, pl_err e)
{
    t->state = PL_TLS_CLOSED;
    return e;
}

pl_err pl_tls_handshake(struct pl_tls *t, struct pl_span *in, struct pl_wr *out)
{
    if (t->state != PL_TLS_HANDSHAKE)
        return PL_OK;
    begin(t, in, out);
    int r = SSL_do_handshake(t->ssl);
    pl_err e = r == 1 ? pl_tls_finish(t) : outcome(t, r);
    end(t);
    if (r != 1)
        return e;
    if (e != PL_OK)
        return fail(t, e);
    t->state = PL_TLS_VERDICT;
    return PL_OK;
}

pl_err pl_tls_open(struct pl_tls *t, struct pl_wr *out, bool resumable)
{
    PL_ASSERT(t->state == PL_TLS_VERDICT);
    drop_leaf(t);
    t->state = PL_TLS_OPEN;
    if (!resumable || !t->ctx->cfg.server || t->peer.resumed)
        return PL_OK;
    struct pl_span none = {0};
    begin(t, &none, out);
    bool ok = SSL_new_session_ticket(t->ssl) == 1 && SSL_do_handshake(t->ssl) == 1;
    end(t);
    if (!ok)
        return fail(t, t->err == PL_OK ? PL_FAIL(TLS_RECORD) : t->err);
    return PL_OK;
}

pl_err pl_tls_read(struct pl_tls *t, struct pl_span *in, struct pl_wr *out, uint8_t *plain,
                   size_t cap, size_t *out_n)
{
    PL_ASSERT(t->state == PL_TLS_OPEN && cap > 0);
    *out_n = 0;
    if (in->n == 0 && !SSL_has_pending(t->ssl))
        return PL_OK;
    begin(t, in, out);
    int r = SSL_read_ex(t->ssl, plain, cap, out_n);
    pl_err e = r == 1 && !t->flooded ? PL_OK : outcome(t, r);
    end(t);
    return e;
}

pl_err pl_tls_write(struct pl_tls *t, struct pl_wr *out, struct pl_span plain)
{
    PL_ASSERT(t->state == PL_TLS_OPEN && plain.n <= PL_TLS_WRITE_MAX);
    if (plain.n == 0)
        return PL_OK;
    struct pl_span none = {0};
    size_t n = 0;
    begin(t, &none, out);
    int r = SSL_write_ex(t->ssl, plain.p, plain.n, &n);
    /* The BIO takes everything or fails: there is no half-written state to come back to. */
    pl_err e = r == 1 && n == plain.n ? PL_OK : t->err != PL_OK ? t->err : library_error(t);
    end(t);
    return e == PL_OK ? e : fail(t, e);
}

void pl_tls_close(struct pl_tls *t, struct pl_wr *out)
{
    struct pl_span none = {0};
    if (t->state == PL_TLS_OPEN || t->state == PL_TLS_VERDICT) {
        begin(t, &none, out);
        (void)SSL_shutdown(t->ssl); /* a peer that does not hear it sees the socket close */
        end(t);
        ERR_clear_error();
        if (t->state == PL_TLS_OPEN)
            keep_session(t);
    }
    t->state = PL_TLS_CLOSED;
}

pl_err pl_tls_exporter(struct pl_tls *t, uint8_t out[static PL_TLS_EXPORTER_BYTES],
                       const char *context)
{
    static const char label[] = PL_EXPORTER_LABEL;
    PL_ASSERT(t->state == PL_TLS_VERDICT || t->state == PL_TLS_OPEN);
    PL_REQUIRE(SSL_export_keying_material(t->ssl, out, PL_TLS_EXPORTER_BYTES, label,
                                          sizeof(label) - 1, (const uint8_t *)context,
                                          strlen(context), 1) == 1,
               CRYPTO_FAILED);
    return PL_OK;
}

/* The peer's hashes are zeros while it has no certificate. */
pl_err pl_tls_begin_session(struct pl_tls *t, struct pl_session_state *out)
{
    struct pl_session own = {.role = PL_ROLE_CALLER}, peer = {.role = PL_ROLE_CALLER};
    *(t->ctx->cfg.server ? &own.role : &peer.role) = PL_ROLE_VAULT;
    PL_TRY(pl_tls_exporter(t, own.exporter, pl_session_role_text(own.role)));
    PL_TRY(pl_tls_exporter(t, peer.exporter, pl_session_role_text(peer.role)));
    memcpy(own.own_spki, t->ctx->spki_sha256, sizeof(own.own_spki));
    memcpy(own.own_claims, t->ctx->claims_sha256, sizeof(own.own_claims));
    memcpy(own.peer_spki, t->peer.spki_sha256, sizeof(own.peer_spki));
    memcpy(peer.own_spki, own.peer_spki, sizeof(peer.own_spki));
    memcpy(peer.own_claims, t->peer.claims_sha256, sizeof(peer.own_claims));
    memcpy(peer.peer_spki, own.own_spki, sizeof(peer.peer_spki));
    pl_session_begin(out, &own, &peer, t->peer.present);
    return PL_OK;
}

/* ---- Client sessions --------------------------------------------------------------------------
 */

struct pl_tls_session *pl_tls_session_take(struct pl_tls *t)
{
    if (!t->ticket)
        return NULL;
    struct pl_tls_session *s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    s->ssl = t->ticket;
    t->ticket = NULL;
    memcpy(s->own_spki_sha256, t->ctx->spki_sha256, PL_SHA256_BYTES);
    s->memory.peer = t->peer;
    return s;
}

void pl_tls_session_free(struct pl_tls_session *s)
{
    if (!s)
        return;
    SSL_SESSION_free(s->ssl);
    free(s);
}
