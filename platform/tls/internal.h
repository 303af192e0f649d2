/* Shared inside platform/tls only. */
#ifndef PL_PLATFORM_TLS_INTERNAL_H
#define PL_PLATFORM_TLS_INTERNAL_H

#include "attest/ratls.h"
#include "platform/tls/tls.h"

#include <openssl/ssl.h>
#include <pthread.h>

enum {
    TLS_PSK_MAX = 64,
    TLS_ID_BYTES = SSL_MAX_SSL_SESSION_ID_LENGTH,
};

/* What a resumed connection inherits: a peer without its spans. */
struct tls_memory {
    int64_t made_s; /* the full handshake was no earlier than this */
    struct pl_tls_peer peer;
};

/* One remembered session of a server. */
struct tls_slot {
    uint8_t id[TLS_ID_BYTES];
    uint8_t psk[TLS_PSK_MAX];
    size_t psk_n; /* 0: free */
    const SSL_CIPHER *cipher;
    struct tls_memory memory;
    uint32_t next; /* in its bucket: index + 1, 0 ends */
};

/* Sessions in the order they were made: the oldest is overwritten. Its own lock, taken alone. */
struct tls_cache {
    pthread_mutex_t lock;
    struct tls_slot *slot; /* PL_TLS_SESSIONS of them, touched only when used */
    uint32_t *bucket;      /* as many: index + 1 */
    uint32_t at;           /* the slot that is written next */
};

pl_err pl_tls_cache_init(struct tls_cache *k);
void pl_tls_cache_free(struct tls_cache *k); /* wipes */
void pl_tls_cache_clear(struct tls_cache *k);
/* False when the session is of a kind that is never made here. */
bool pl_tls_cache_put(struct tls_cache *k, const SSL_SESSION *s, const struct tls_memory *memory);
/* A copy, to be wiped by the caller. */
bool pl_tls_cache_get(struct tls_cache *k, struct tls_slot *out,
                      const uint8_t id[static TLS_ID_BYTES]);

struct pl_tls_ctx {
    SSL_CTX *ssl;
    BIO_METHOD *bio;
    struct pl_tls_config cfg; /* leaf and key are not kept */
    uint8_t spki_sha256[PL_SHA256_BYTES], claims_sha256[PL_SHA256_BYTES]; /* of the own leaf */
    struct tls_cache cache;                                               /* servers */
    unsigned refs;                                                        /* atomic */
};

struct pl_tls {
    struct pl_tls_ctx *ctx;
    struct pl_crypto *crypto;
    SSL *ssl;
    enum pl_tls_state state;
    pl_err err; /* what a callback found; PL_OK: nothing */
    struct pl_tls_peer peer;
    uint8_t *leaf;           /* until pl_tls_open */
    struct pl_ratls *cert;   /* until pl_tls_open */
    struct pl_span *in;      /* during a call */
    struct pl_wr *out;       /* during a call */
    SSL_SESSION *ticket;     /* clients: the newest */
    struct tls_memory offer; /* clients: what the offered session remembers */
    unsigned messages;       /* after the handshake */
    bool flooded;
};

struct pl_tls_session {
    SSL_SESSION *ssl;
    uint8_t own_spki_sha256[PL_SHA256_BYTES];
    struct tls_memory memory;
};

pl_err pl_tls_bio_new(BIO_METHOD **out);
struct pl_tls *pl_tls_of(const SSL *ssl);
/* Callbacks of the context (handshake.c). */
int pl_tls_verify_cb(X509_STORE_CTX *x, void *arg);
int pl_tls_alpn_cb(SSL *ssl, const unsigned char **out, unsigned char *out_n,
                   const unsigned char *in, unsigned int in_n, void *arg);
int pl_tls_new_session_cb(SSL *ssl, SSL_SESSION *s);
SSL_SESSION *pl_tls_get_session_cb(SSL *ssl, const unsigned char *id, int n, int *copy);
void pl_tls_message_cb(int write_p, int version, int type, const void *buf, size_t n, SSL *ssl,
                       void *arg);
/* Now is inside the leaf's dates, and they are no longer apart than is allowed. */
pl_err pl_tls_leaf_current(const struct pl_tls_ctx *ctx, const struct pl_tls_peer *peer);
/* The handshake's end: TLS 1.3, h2, the peer filled in. */
pl_err pl_tls_finish(struct pl_tls *t);

#endif
