#include "tls_pair.h"

#include <stdlib.h>
#include <string.h>

struct pl_interval pair_now = {T0, T0};
struct pl_crypto *pair_crypto;

__attribute__((constructor)) static void init(void)
{
    if (pl_crypto_new(&pair_crypto) != PL_OK)
        abort();
}

static struct pl_interval now(void *arg)
{
    (void)arg;
    return pair_now;
}

bool leaf_make(struct leaf *l, uint64_t seed, int64_t from, int64_t to, struct pl_span extensions)
{
    uint8_t entropy[PL_P256_SEED_BYTES], spki[PL_SPKI_MAX];
    struct pl_pub pub = {.type = PL_PUB_P256};
    struct pl_ratls_new n = {.name = "test", .valid = {from, to}, .extensions = extensions};
    test_fill(entropy, sizeof(entropy), seed);
    test_fill(n.serial, sizeof(n.serial), seed + 1);
    l->key.type = PL_PUB_P256;
    struct pl_wr w = pl_wr_fixed(l->der, sizeof(l->der));
    bool ok = CHECK_OK(pl_p256_make(pair_crypto, l->key.raw, pub.raw, entropy)) &&
              CHECK_OK(pl_ratls_make(pair_crypto, &w, &l->key, &n));
    size_t spki_n = pl_pub_to_spki(spki, &pub);
    ok = ok && CHECK_OK(pl_sha256_one(pair_crypto, l->spki_sha256, pl_span(spki, spki_n)));
    l->n = w.n;
    return ok;
}

struct pl_tls_ctx *pair_ctx_of(const struct pl_tls_config *cfg)
{
    struct pl_tls_ctx *ctx = NULL;
    struct pl_tls_config c = *cfg;
    c.now = now;
    CHECK_OK(pl_tls_ctx_new(&ctx, pair_crypto, &c));
    return ctx;
}

struct pl_tls_ctx *pair_ctx(bool server, const struct leaf *l)
{
    struct pl_tls_config c = {.server = server, .ask_certificate = server};
    if (l) {
        c.leaf = leaf_der(l);
        c.key = &l->key;
    }
    return pair_ctx_of(&c);
}

/* ---- Two of ours ------------------------------------------------------------------------------
 */

static void put(struct pipe *p, struct pl_span s)
{
    PL_ASSERT(s.n <= sizeof(p->p) - p->n);
    if (s.n)
        memcpy(p->p + p->n, s.p, s.n);
    p->n += s.n;
}

/* At most n bytes from the pipe through t; true when something moved. */
static bool through(struct pl_tls *t, pl_err *err, struct pipe *from, struct pipe *to, size_t n)
{
    static uint8_t out[PL_TLS_OUT_MAX];
    struct pl_wr w = pl_wr_fixed(out, sizeof(out));
    struct pl_span in = pl_span(from->p, n == 0 || n > from->n ? from->n : n);
    size_t before = in.n;
    if (*err != PL_OK)
        return false;
    *err = pl_tls_handshake(t, &in, &w);
    size_t taken = before - in.n;
    memmove(from->p, from->p + taken, from->n - taken);
    from->n -= taken;
    put(to, pl_wr_span(&w));
    return taken + w.n > 0;
}

bool ends_make(struct ends *e, struct pl_tls_ctx *server, struct pl_tls_ctx *client,
               const struct pl_tls_session *session)
{
    memset(e, 0, sizeof(*e));
    e->server_err = e->client_err = PL_OK;
    return CHECK_OK(pl_tls_new(&e->server, server, pair_crypto, NULL)) &&
           CHECK_OK(pl_tls_new(&e->client, client, pair_crypto, session));
}

void ends_handshake(struct ends *e, size_t step)
{
    bool moved = true;
    while (moved) {
        moved = through(e->client, &e->client_err, &e->to_client, &e->to_server, step);
        moved |= through(e->server, &e->server_err, &e->to_server, &e->to_client, step);
    }
}

bool ends_open(struct ends *e, bool resumable)
{
    static uint8_t out[PL_TLS_OUT_MAX];
    struct pl_wr w = pl_wr_fixed(out, sizeof(out));
    bool ok = CHECK(pl_tls_state(e->server) == PL_TLS_VERDICT) &&
              CHECK(pl_tls_state(e->client) == PL_TLS_VERDICT) &&
              CHECK_OK(pl_tls_open(e->server, &w, resumable));
    put(&e->to_client, pl_wr_span(&w));
    w.n = 0;
    return ok && CHECK_OK(pl_tls_open(e->client, &w, resumable)) && CHECK(w.n == 0);
}

struct pl_span ends_send(struct ends *e, bool from_client, struct pl_span data)
{
    static uint8_t out[PL_TLS_OUT_MAX], got[PL_TLS_WRITE_MAX + 1];
    struct pl_tls *from = from_client ? e->client : e->server;
    struct pl_tls *to = from_client ? e->server : e->client;
    struct pipe *pipe = from_client ? &e->to_server : &e->to_client;
    struct pl_wr w = pl_wr_fixed(out, sizeof(out));
    size_t n = 0, k = 1;
    if (!CHECK_OK(pl_tls_write(from, &w, data)))
        return (struct pl_span){0};
    put(pipe, pl_wr_span(&w));
    struct pl_span in = pl_span(pipe->p, pipe->n);
    w.n = 0;
    while (k > 0 && n < sizeof(got) && pl_tls_state(to) == PL_TLS_OPEN) {
        if (!CHECK_OK(pl_tls_read(to, &in, &w, got + n, sizeof(got) - n, &k)))
            break;
        n += k;
    }
    CHECK(in.n == 0);
    pipe->n = 0;
    return pl_span(got, n);
}

void ends_free(struct ends *e)
{
    pl_tls_free(e->server);
    pl_tls_free(e->client);
}

/* ---- Hostile ends -----------------------------------------------------------------------------
 */

static int raw_verify(X509_STORE_CTX *x, void *arg)
{
    (void)x, (void)arg;
    return 1;
}

static int raw_new_session(SSL *ssl, SSL_SESSION *s)
{
    struct raw *r = SSL_get_app_data(ssl);
    SSL_SESSION_free(r->session);
    r->session = s;
    return 1;
}

static int raw_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_n,
                    const unsigned char *in, unsigned int in_n, void *arg)
{
    (void)ssl, (void)arg, (void)in, (void)in_n;
    static const unsigned char h2[] = "h2";
    *out = h2;
    *out_n = 2;
    return SSL_TLSEXT_ERR_OK;
}

bool raw_make(struct raw *r, bool server)
{
    static const uint8_t alpn[] = {2, 'h', '2'};
    memset(r, 0, sizeof(*r));
    r->ctx = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
    if (!CHECK(r->ctx))
        return false;
    SSL_CTX_set_cert_verify_callback(r->ctx, raw_verify, NULL);
    SSL_CTX_set_session_cache_mode(r->ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(r->ctx, raw_new_session);
    SSL_CTX_set_security_level(r->ctx, 0);
    if (server)
        SSL_CTX_set_alpn_select_cb(r->ctx, raw_alpn, NULL);
    else
        SSL_CTX_set_alpn_protos(r->ctx, alpn, sizeof(alpn));
    return true;
}

void raw_start(struct raw *r)
{
    r->ssl = SSL_new(r->ctx);
    r->in = BIO_new(BIO_s_mem());
    r->out = BIO_new(BIO_s_mem());
    BIO_set_mem_eof_return(r->in, -1);
    SSL_set_bio(r->ssl, r->in, r->out);
    SSL_set_app_data(r->ssl, r);
    if (SSL_CTX_get_ssl_method(r->ctx) == TLS_server_method())
        SSL_set_accept_state(r->ssl);
    else
        SSL_set_connect_state(r->ssl);
}

void raw_free(struct raw *r)
{
    SSL_free(r->ssl);
    SSL_SESSION_free(r->session);
    SSL_CTX_free(r->ctx);
    ERR_clear_error();
}

bool raw_identity(struct raw *r, struct pl_span der, EVP_PKEY *key)
{
    const uint8_t *p = der.p;
    X509 *x = d2i_X509(NULL, &p, (long)der.n);
    bool ok = CHECK(x && key && SSL_CTX_use_certificate(r->ctx, x) == 1 &&
                    SSL_CTX_use_PrivateKey(r->ctx, key) == 1);
    X509_free(x);
    EVP_PKEY_free(key);
    return ok;
}

static EC_KEY *ec_key(const struct pl_priv *priv, const struct pl_priv *shown)
{
    struct pl_pub pub;
    uint8_t point[1 + PL_P256_PUB_BYTES] = {4};
    if (!CHECK_OK(pl_priv_public(pair_crypto, &pub, shown)))
        return NULL;
    memcpy(point + 1, pub.raw, PL_P256_PUB_BYTES);
    EC_KEY *k = EC_KEY_new_by_curve_name(NID_X9_62_prime256v1);
    BIGNUM *d = BN_bin2bn(priv->raw, 32, NULL);
    CHECK(EC_KEY_set_private_key(k, d) == 1 && EC_KEY_oct2key(k, point, sizeof(point), NULL) == 1);
    BN_free(d);
    return k;
}

EVP_PKEY *raw_key(const struct pl_priv *priv, const struct pl_priv *shown)
{
    EVP_PKEY *k = EVP_PKEY_new();
    EVP_PKEY_assign_EC_KEY(k, ec_key(priv, shown));
    return k;
}

static int sign_wrong(int type, const unsigned char *dgst, int n, unsigned char *sig,
                      unsigned int *sig_n, const BIGNUM *kinv, const BIGNUM *r, EC_KEY *key)
{
    int (*sign)(int, const unsigned char *, int, unsigned char *, unsigned int *, const BIGNUM *,
                const BIGNUM *, EC_KEY *);
    unsigned char other[64];
    memcpy(other, dgst, (size_t)n);
    other[0] ^= 1;
    EC_KEY_METHOD_get_sign(EC_KEY_OpenSSL(), &sign, NULL, NULL);
    return sign(type, other, n, sig, sig_n, kinv, r, key);
}

EVP_PKEY *raw_key_signing_wrong(const struct pl_priv *priv)
{
    static EC_KEY_METHOD *method;
    int (*setup)(EC_KEY *, BN_CTX *, BIGNUM **, BIGNUM **);
    ECDSA_SIG *(*raw_sign)(const unsigned char *, int, const BIGNUM *, const BIGNUM *, EC_KEY *);
    if (!method) {
        method = EC_KEY_METHOD_new(EC_KEY_OpenSSL());
        EC_KEY_METHOD_get_sign(EC_KEY_OpenSSL(), NULL, &setup, &raw_sign);
        EC_KEY_METHOD_set_sign(method, sign_wrong, setup, raw_sign);
    }
    EC_KEY *ec = ec_key(priv, priv);
    CHECK(EC_KEY_set_method(ec, method) == 1);
    EVP_PKEY *k = EVP_PKEY_new();
    EVP_PKEY_assign_EC_KEY(k, ec);
    return k;
}

X509 *raw_foreign_leaf(const char *algorithm, const char *group, EVP_PKEY **out_key)
{
    EVP_PKEY *k = group ? EVP_PKEY_Q_keygen(NULL, NULL, algorithm, group)
                        : EVP_PKEY_Q_keygen(NULL, NULL, algorithm, (size_t)2048);
    X509 *x = X509_new();
    X509_set_version(x, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 7);
    ASN1_TIME_set(X509_getm_notBefore(x), T0 - 60);
    ASN1_TIME_set(X509_getm_notAfter(x), T0 + 3600);
    X509_set_pubkey(x, k);
    CHECK(X509_sign(x, k, strcmp(algorithm, "ED25519") == 0 ? NULL : EVP_sha256()) > 0);
    *out_key = k;
    return x;
}

void raw_feed(struct raw *r, struct pl_span bytes)
{
    if (bytes.n)
        CHECK(BIO_write(r->in, bytes.p, (int)bytes.n) == (int)bytes.n);
}

void raw_drain(struct raw *r, struct pipe *to)
{
    int n = BIO_read(r->out, to->p + to->n, (int)(sizeof(to->p) - to->n));
    if (n > 0)
        to->n += (size_t)n;
}

pl_err raw_handshake(struct raw *r, struct pl_tls *t)
{
    static uint8_t out[PL_TLS_OUT_MAX];
    static struct pipe in;
    pl_err e = PL_OK;
    in.n = 0;
    for (unsigned i = 0; i < 10; i++) {
        struct pl_wr w = pl_wr_fixed(out, sizeof(out));
        SSL_do_handshake(r->ssl);
        raw_drain(r, &in);
        struct pl_span s = pl_span(in.p, in.n);
        if (e == PL_OK)
            e = pl_tls_handshake(t, &s, &w);
        memmove(in.p, in.p + in.n - s.n, s.n);
        in.n = s.n;
        raw_feed(r, pl_wr_span(&w));
    }
    ERR_clear_error();
    return e;
}
