/* For tests of the channel: leaves, contexts, two pumps back to back, and hostile ends made with
 * the TLS library itself. */
#ifndef PL_TESTS_TLS_PAIR_H
#define PL_TESTS_TLS_PAIR_H

#define OPENSSL_SUPPRESS_DEPRECATED
#include "attest/ratls.h"
#include "platform/tls/tls.h"
#include "test.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

enum { T0 = 1800000000 }; /* the present of these tests, seconds */
extern struct pl_interval pair_now;
extern struct pl_crypto *pair_crypto;

struct leaf {
    struct pl_priv key;
    uint8_t spki_sha256[32];
    uint8_t der[16 * 1024];
    size_t n;
};
/* A leaf of the key that `seed` gives, valid [from, to], with whole extensions. */
bool leaf_make(struct leaf *l, uint64_t seed, int64_t from, int64_t to, struct pl_span extensions);
static inline struct pl_span leaf_der(const struct leaf *l) { return pl_span(l->der, l->n); }

struct pl_tls_ctx *pair_ctx(bool server, const struct leaf *l);
struct pl_tls_ctx *pair_ctx_of(const struct pl_tls_config *cfg); /* now and arg are filled in */

/* Bytes on their way. */
struct pipe {
    uint8_t p[512 * 1024];
    size_t n;
};

struct ends {
    struct pl_tls *server, *client;
    pl_err server_err, client_err;
    struct pipe to_server, to_client;
};
/* Handshakes until nothing moves; `step` bytes at a time (0: all). */
void ends_handshake(struct ends *e, size_t step);
bool ends_open(struct ends *e, bool resumable); /* both verdicts yes */
void ends_free(struct ends *e);
bool ends_make(struct ends *e, struct pl_tls_ctx *server, struct pl_tls_ctx *client,
               const struct pl_tls_session *session);
/* One message; what the other side read of it, in a static buffer. */
struct pl_span ends_send(struct ends *e, bool from_client, struct pl_span data);

/* ---- Hostile ends: the TLS library with any rule broken ----------------------------------------
 */

struct raw {
    SSL_CTX *ctx;
    SSL *ssl;
    BIO *in, *out;
    SSL_SESSION *session; /* the newest it was given */
};
bool raw_make(struct raw *r, bool server); /* TLS 1.2 and 1.3, ALPN h2, no certificate */
void raw_start(struct raw *r);             /* after the context has been spoiled */
void raw_free(struct raw *r);
/* A certificate with any key beside it, whoever it belongs to. */
bool raw_identity(struct raw *r, struct pl_span der, EVP_PKEY *key);
/* The private key of `priv` that claims to be the key of `shown`. */
EVP_PKEY *raw_key(const struct pl_priv *priv, const struct pl_priv *shown);
/* The same key, whose every signature is over something else. */
EVP_PKEY *raw_key_signing_wrong(const struct pl_priv *priv);
/* A self-signed certificate of a kind that is not allowed. */
X509 *raw_foreign_leaf(const char *algorithm, const char *group, EVP_PKEY **out_key);
/* Handshake of t (ours) against r until nothing moves. */
pl_err raw_handshake(struct raw *r, struct pl_tls *t);
/* Bytes that r has to say, into *to. */
void raw_drain(struct raw *r, struct pipe *to);
void raw_feed(struct raw *r, struct pl_span bytes);

#endif
