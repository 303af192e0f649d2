/* What happens inside the handshake: the callbacks of the TLS library, and its end. */
#include "platform/tls/internal.h"

#include <openssl/err.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* The leaf's bytes, and what they parse to, into t. */
static pl_err take_leaf(struct pl_tls *t, X509 *x)
{
    int n = i2d_X509(x, NULL);
    PL_REQUIRE(n > 0 && n <= PL_RATLS_MAX, TLS_CERTIFICATE);
    PL_REQUIRE(!t->leaf && !t->cert, TLS_CERTIFICATE);
    t->leaf = malloc((size_t)n);
    t->cert = calloc(1, sizeof(*t->cert));
    PL_REQUIRE(t->leaf && t->cert, NO_MEMORY);
    uint8_t *p = t->leaf;
    PL_REQUIRE(i2d_X509(x, &p) == n, TLS_CERTIFICATE);
    struct pl_tls_peer *peer = &t->peer;
    peer->leaf = pl_span(t->leaf, (size_t)n);
    const struct pl_tls_config *cfg = &t->ctx->cfg;
    PL_TRY(pl_sha256_one(t->crypto, peer->leaf_sha256, peer->leaf));
    bool known = cfg->known && cfg->known(cfg->arg, peer->leaf_sha256);
    PL_TRY(
        pl_ratls_parse(t->crypto, t->cert, peer->leaf, known ? PL_RATLS_KNOWN : PL_RATLS_CHANNEL));
    PL_TRY(pl_pub_from_spki(&peer->key, t->cert->spki));
    PL_REQUIRE(peer->key.type == PL_PUB_P256, TLS_CERTIFICATE);
    memcpy(peer->spki_sha256, t->cert->spki_sha256, PL_SHA256_BYTES);
    memcpy(peer->claims_sha256, t->cert->claims_sha256, PL_SHA256_BYTES);
    peer->evidence = t->cert->evidences == 1;
    peer->not_before_s = t->cert->valid.from_s;
    peer->not_after_s = t->cert->valid.to_s;
    peer->cert = t->cert;
    return PL_OK;
}

/* Only parsing and the leaf's own signature: who has not proven the key costs nothing more. */
int pl_tls_verify_cb(X509_STORE_CTX *x, void *arg)
{
    (void)arg;
    SSL *ssl = X509_STORE_CTX_get_ex_data(x, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct pl_tls *t = pl_tls_of(ssl);
    X509 *leaf = X509_STORE_CTX_get0_cert(x);
    bool alone = leaf && sk_X509_num(X509_STORE_CTX_get0_untrusted(x)) == 1;
    t->err = alone ? take_leaf(t, leaf) : PL_FAIL(TLS_CERTIFICATE);
    X509_STORE_CTX_set_error(x, t->err == PL_OK ? X509_V_OK : X509_V_ERR_CERT_REJECTED);
    return t->err == PL_OK;
}

int pl_tls_alpn_cb(SSL *ssl, const unsigned char **out, unsigned char *out_n,
                   const unsigned char *in, unsigned int in_n, void *arg)
{
    (void)ssl, (void)arg;
    static const unsigned char h2[] = {2, 'h', '2'};
    unsigned char *chosen;
    if (SSL_select_next_proto(&chosen, out_n, h2, sizeof(h2), in, in_n) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = h2 + 1;
    return SSL_TLSEXT_ERR_OK;
}

/* A server's session is remembered by our table; a client's is kept for pl_tls_session_take. */
int pl_tls_new_session_cb(SSL *ssl, SSL_SESSION *s)
{
    struct pl_tls *t = pl_tls_of(ssl);
    if (!t->ctx->cfg.server) {
        SSL_SESSION_free(t->ticket);
        t->ticket = s;
        return 1; /* its reference is ours */
    }
    struct tls_memory m = {t->ctx->cfg.now(t->ctx->cfg.arg).earliest_s, t->peer};
    m.peer.leaf = (struct pl_span){0};
    m.peer.cert = NULL;
    pl_tls_cache_put(&t->ctx->cache, s, &m);
    return 0;
}

/* What is remembered still holds: 10 minutes, the leaf's dates, the caller's verdict. */
static bool may_resume(const struct pl_tls_ctx *ctx, const struct tls_memory *m)
{
    struct pl_interval now = ctx->cfg.now(ctx->cfg.arg);
    if (pl_time_before(now, m->made_s + PL_TLS_RESUME_S) != PL_TRUE)
        return false;
    if (m->peer.present && pl_tls_leaf_current(ctx, &m->peer) != PL_OK)
        return false;
    return !ctx->cfg.known || !m->peer.evidence ||
           ctx->cfg.known(ctx->cfg.arg, m->peer.leaf_sha256);
}

/* The memory travels inside the session, so that the one whose binder was checked is the one that
 * counts, whatever else was looked up on the way. */
static SSL_SESSION *session_of(const SSL *ssl, const struct tls_slot *slot)
{
    static const uint8_t scope[] = "pleiad";
    (void)ssl;
    SSL_SESSION *s = SSL_SESSION_new();
    if (s && SSL_SESSION_set1_id(s, slot->id, sizeof(slot->id)) == 1 &&
        SSL_SESSION_set1_id_context(s, scope, sizeof(scope) - 1) == 1 &&
        SSL_SESSION_set1_master_key(s, slot->psk, slot->psk_n) == 1 &&
        SSL_SESSION_set_cipher(s, slot->cipher) == 1 &&
        SSL_SESSION_set_protocol_version(s, TLS1_3_VERSION) == 1 &&
        SSL_SESSION_set_time(s, (long)time(NULL)) != 0 &&
        SSL_SESSION_set_timeout(s, PL_TLS_RESUME_S) == 1 &&
        SSL_SESSION_set1_ticket_appdata(s, &slot->memory, sizeof(slot->memory)) == 1)
        return s;
    SSL_SESSION_free(s);
    return NULL;
}

SSL_SESSION *pl_tls_get_session_cb(SSL *ssl, const unsigned char *id, int n, int *copy)
{
    struct pl_tls_ctx *ctx = pl_tls_of(ssl)->ctx;
    struct tls_slot slot;
    *copy = 0;
    if (n != TLS_ID_BYTES || !pl_tls_cache_get(&ctx->cache, &slot, id))
        return NULL;
    SSL_SESSION *s = may_resume(ctx, &slot.memory) ? session_of(ssl, &slot) : NULL;
    pl_wipe(&slot, sizeof(slot));
    return s;
}

/* Messages after the handshake cost the receiver work and the sender 27 bytes: counted. */
void pl_tls_message_cb(int write_p, int version, int type, const void *buf, size_t n, SSL *ssl,
                       void *arg)
{
    (void)version, (void)buf, (void)n, (void)arg;
    struct pl_tls *t = pl_tls_of(ssl);
    if (!write_p && type == SSL3_RT_HANDSHAKE && t->state == PL_TLS_OPEN)
        t->flooded = ++t->messages > PL_TLS_POST_HANDSHAKE_MAX;
}

pl_err pl_tls_leaf_current(const struct pl_tls_ctx *ctx, const struct pl_tls_peer *peer)
{
    struct pl_interval now = ctx->cfg.now(ctx->cfg.arg);
    PL_REQUIRE(peer->not_after_s - peer->not_before_s <= PL_TLS_LEAF_MAX_S, TLS_LEAF_TIME);
    PL_REQUIRE(pl_time_reached(now, peer->not_before_s) == PL_TRUE, TLS_LEAF_TIME);
    PL_REQUIRE(pl_time_before(now, peer->not_after_s) == PL_TRUE, TLS_LEAF_TIME);
    return PL_OK;
}

/* The peer of a resumed session, from the session itself. */
static pl_err inherit(struct pl_tls *t)
{
    struct tls_memory m = t->offer;
    if (t->ctx->cfg.server) {
        void *data = NULL;
        size_t n = 0;
        PL_REQUIRE(SSL_SESSION_get0_ticket_appdata(SSL_get_session(t->ssl), &data, &n) == 1,
                   TLS_HANDSHAKE);
        PL_REQUIRE(data && n == sizeof(m), TLS_HANDSHAKE);
        memcpy(&m, data, sizeof(m));
    }
    t->peer = m.peer;
    t->peer.resumed = true;
    return PL_OK;
}

pl_err pl_tls_finish(struct pl_tls *t)
{
    const unsigned char *alpn;
    unsigned n;
    PL_REQUIRE(SSL_version(t->ssl) == TLS1_3_VERSION, TLS_VERSION);
    SSL_get0_alpn_selected(t->ssl, &alpn, &n);
    PL_REQUIRE(pl_span_is(pl_span(alpn, n), "h2"), TLS_ALPN);
    if (SSL_session_reused(t->ssl))
        PL_TRY(inherit(t));
    else
        t->peer.present = t->cert != NULL;
    PL_REQUIRE(t->peer.present || t->ctx->cfg.server, TLS_CERTIFICATE);
    if (t->peer.present)
        PL_TRY(pl_tls_leaf_current(t->ctx, &t->peer));
    return PL_OK;
}
