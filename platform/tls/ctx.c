#include "platform/tls/internal.h"

#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

static void free_x509(X509 **x) { X509_free(*x); }
static void free_pkey(EVP_PKEY **k) { EVP_PKEY_free(*k); }

/* OpenSSL's form of the leaf's key; loaded once for the life of the leaf. Told the type, it does
 * not search for it: a third of the time. */
static pl_err load_key(EVP_PKEY **out, const struct pl_priv *priv)
{
    uint8_t der[128];
    struct pl_wr w = pl_wr_fixed(der, sizeof(der));
    pl_priv_to_pkcs8(&w, priv);
    const unsigned char *p = der;
    *out = w.bad ? NULL : d2i_PrivateKey(EVP_PKEY_EC, NULL, &p, (long)w.n);
    pl_wipe(der, sizeof(der));
    PL_REQUIRE(*out, TLS_INIT);
    return PL_OK;
}

static pl_err load_leaf(struct pl_tls_ctx *ctx, struct pl_crypto *c)
{
    const struct pl_tls_config *cfg = &ctx->cfg;
    struct pl_ratls cert;
    struct pl_pub pub;
    uint8_t spki[PL_SPKI_MAX];
    PL_REQUIRE(cfg->key && cfg->key->type == PL_PUB_P256, TLS_LEAF);
    PL_TRY(pl_ratls_parse(c, &cert, cfg->leaf, PL_RATLS_CHANNEL));
    PL_TRY(pl_priv_public(c, &pub, cfg->key));
    size_t n = pl_pub_to_spki(spki, &pub);
    PL_REQUIRE(pl_span_eq(cert.spki, pl_span(spki, n)), TLS_LEAF);
    memcpy(ctx->spki_sha256, cert.spki_sha256, sizeof(ctx->spki_sha256));
    memcpy(ctx->claims_sha256, cert.claims_sha256, sizeof(ctx->claims_sha256));
    const uint8_t *p = cfg->leaf.p;
    X509 *x PL_CLEANUP(free_x509) = d2i_X509(NULL, &p, (long)cfg->leaf.n);
    EVP_PKEY *k PL_CLEANUP(free_pkey) = NULL;
    PL_REQUIRE(x, TLS_LEAF);
    PL_TRY(load_key(&k, cfg->key));
    PL_REQUIRE(SSL_CTX_use_certificate(ctx->ssl, x) == 1 &&
                   SSL_CTX_use_PrivateKey(ctx->ssl, k) == 1,
               TLS_LEAF);
    return PL_OK;
}

/* What both sides speak, and nothing else. */
static bool set_rules(SSL_CTX *s)
{
    SSL_CTX_set_options(s, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET |
                               SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_CLEANSE_PLAINTEXT);
    SSL_CTX_clear_options(s, SSL_OP_ENABLE_MIDDLEBOX_COMPAT | SSL_OP_ALLOW_NO_DHE_KEX);
    SSL_CTX_set_mode(s, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_AUTO_RETRY);
    SSL_CTX_set_read_ahead(s, 1);
    SSL_CTX_set_max_cert_list(s, PL_TLS_CERT_MAX);
    return SSL_CTX_set_min_proto_version(s, TLS1_3_VERSION) == 1 &&
           SSL_CTX_set_max_proto_version(s, TLS1_3_VERSION) == 1 &&
           SSL_CTX_set_ciphersuites(s, "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256") ==
               1 &&
           SSL_CTX_set1_groups_list(s, "X25519:P-256") == 1 &&
           SSL_CTX_set1_sigalgs_list(s, "ecdsa_secp256r1_sha256") == 1 &&
           SSL_CTX_set1_client_sigalgs_list(s, "ecdsa_secp256r1_sha256") == 1 &&
           SSL_CTX_set_max_early_data(s, 0) == 1 && SSL_CTX_set_recv_max_early_data(s, 0) == 1;
}

static bool set_server(SSL_CTX *s, bool ask)
{
    static const uint8_t scope[] = "pleiad";
    SSL_CTX_set_alpn_select_cb(s, pl_tls_alpn_cb, NULL);
    SSL_CTX_set_verify(s, ask ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
    /* Sessions live in our own table: bounded, without certificates, with the verdict. */
    SSL_CTX_set_session_cache_mode(s, SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(s, pl_tls_new_session_cb);
    SSL_CTX_sess_set_get_cb(s, pl_tls_get_session_cb);
    SSL_CTX_set_timeout(s, PL_TLS_RESUME_S);
    /* None at the end of the handshake: the verdict comes first (pl_tls_open). */
    return SSL_CTX_set_num_tickets(s, 0) == 1 &&
           SSL_CTX_set_session_id_context(s, scope, sizeof(scope) - 1) == 1;
}

static bool set_client(SSL_CTX *s)
{
    static const uint8_t alpn[] = {2, 'h', '2'};
    SSL_CTX_set_verify(s, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_session_cache_mode(s, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(s, pl_tls_new_session_cb);
    SSL_CTX_set_post_handshake_auth(s, 0);
    return SSL_CTX_set_alpn_protos(s, alpn, sizeof(alpn)) == 0;
}

static pl_err setup(struct pl_tls_ctx *ctx, struct pl_crypto *c)
{
    ctx->ssl = SSL_CTX_new(ctx->cfg.server ? TLS_server_method() : TLS_client_method());
    PL_REQUIRE(ctx->ssl && set_rules(ctx->ssl), TLS_INIT);
    PL_REQUIRE(ctx->cfg.server ? set_server(ctx->ssl, ctx->cfg.ask_certificate)
                               : set_client(ctx->ssl),
               TLS_INIT);
    SSL_CTX_set_cert_verify_callback(ctx->ssl, pl_tls_verify_cb, NULL);
    SSL_CTX_set_msg_callback(ctx->ssl, pl_tls_message_cb);
    PL_TRY(pl_tls_bio_new(&ctx->bio));
    if (ctx->cfg.server)
        PL_TRY(pl_tls_cache_init(&ctx->cache));
    if (ctx->cfg.leaf.n || ctx->cfg.server)
        PL_TRY(load_leaf(ctx, c));
    return PL_OK;
}

pl_err pl_tls_ctx_new(struct pl_tls_ctx **out, struct pl_crypto *c, const struct pl_tls_config *cfg)
{
    *out = NULL;
    PL_ASSERT(cfg->now);
    struct pl_tls_ctx *ctx = calloc(1, sizeof(*ctx));
    PL_REQUIRE(ctx, NO_MEMORY);
    ctx->cfg = *cfg;
    ctx->refs = 1;
    pl_err e = setup(ctx, c);
    ctx->cfg.leaf = (struct pl_span){0};
    ctx->cfg.key = NULL;
    ERR_clear_error();
    if (e == PL_OK)
        *out = ctx;
    else
        pl_tls_ctx_free(ctx);
    return e;
}

void pl_tls_ctx_ref(struct pl_tls_ctx *ctx) { __atomic_add_fetch(&ctx->refs, 1, __ATOMIC_RELAXED); }

void pl_tls_ctx_free(struct pl_tls_ctx *ctx)
{
    if (!ctx || __atomic_sub_fetch(&ctx->refs, 1, __ATOMIC_ACQ_REL) != 0)
        return;
    SSL_CTX_free(ctx->ssl);
    BIO_meth_free(ctx->bio);
    pl_tls_cache_free(&ctx->cache);
    free(ctx);
}
