/* Calls of the libraries of crypto, TLS and HTTP/2 that fail when it is their turn (fault.h). */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "fault.h"

#include <nghttp2/nghttp2.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sodium.h>

#define WRAP(kind, type, name, params, args, failed)                                               \
    type __real_##name params;                                                                     \
    type __wrap_##name params;                                                                     \
    type __wrap_##name params { return fault_now(kind) ? failed : __real_##name args; }
#define CRYPTO(type, name, params, args, failed)                                                   \
    WRAP(FAULT_CRYPTO, type, name, params, args, (type)failed)
#define HTTP(name, params, args) WRAP(FAULT_HTTP, int, name, params, args, NGHTTP2_ERR_NOMEM)

/* digests, ciphers */
CRYPTO(int, EVP_DigestInit_ex2, (EVP_MD_CTX * c, const EVP_MD *m, const OSSL_PARAM p[]), (c, m, p),
       0)
CRYPTO(int, EVP_DigestUpdate, (EVP_MD_CTX * c, const void *p, size_t n), (c, p, n), 0)
CRYPTO(int, EVP_DigestFinal_ex, (EVP_MD_CTX * c, unsigned char *out, unsigned *n), (c, out, n), 0)
CRYPTO(int, EVP_CipherInit_ex2,
       (EVP_CIPHER_CTX * c, const EVP_CIPHER *t, const unsigned char *key, const unsigned char *iv,
        int enc, const OSSL_PARAM p[]),
       (c, t, key, iv, enc, p), 0)
CRYPTO(int, EVP_CipherUpdate,
       (EVP_CIPHER_CTX * c, unsigned char *out, int *out_n, const unsigned char *in, int n),
       (c, out, out_n, in, n), 0)
CRYPTO(int, EVP_CipherFinal_ex, (EVP_CIPHER_CTX * c, unsigned char *out, int *n), (c, out, n), 0)
CRYPTO(int, EVP_CIPHER_CTX_ctrl, (EVP_CIPHER_CTX * c, int type, int arg, void *p),
       (c, type, arg, p), 0)
CRYPTO(int, EVP_MAC_CTX_set_params, (EVP_MAC_CTX * c, const OSSL_PARAM p[]), (c, p), 0)

/* numbers, curves, signatures */
CRYPTO(BIGNUM *, BN_secure_new, (void), (), NULL)
CRYPTO(BN_CTX *, BN_CTX_secure_new, (void), (), NULL)
CRYPTO(BIGNUM *, BN_dup, (const BIGNUM *b), (b), NULL)
CRYPTO(BIGNUM *, BN_bin2bn, (const unsigned char *p, int n, BIGNUM *b), (p, n, b), NULL)
CRYPTO(int, BN_bn2binpad, (const BIGNUM *b, unsigned char *out, int n), (b, out, n), -1)
CRYPTO(int, BN_div, (BIGNUM * d, BIGNUM *r, const BIGNUM *n, const BIGNUM *m, BN_CTX *c),
       (d, r, n, m, c), 0)
CRYPTO(EC_KEY *, EC_KEY_new, (void), (), NULL)
CRYPTO(int, EC_KEY_set_group, (EC_KEY * k, const EC_GROUP *g), (k, g), 0)
CRYPTO(int, EC_KEY_set_private_key, (EC_KEY * k, const BIGNUM *d), (k, d), 0)
CRYPTO(int, EC_KEY_oct2key, (EC_KEY * k, const unsigned char *p, size_t n, BN_CTX *c), (k, p, n, c),
       0)
CRYPTO(EC_POINT *, EC_POINT_new, (const EC_GROUP *g), (g), NULL)
CRYPTO(int, EC_POINT_mul,
       (const EC_GROUP *g, EC_POINT *r, const BIGNUM *n, const EC_POINT *q, const BIGNUM *m,
        BN_CTX *c),
       (g, r, n, q, m, c), 0)
CRYPTO(size_t, EC_POINT_point2oct,
       (const EC_GROUP *g, const EC_POINT *p, point_conversion_form_t form, unsigned char *out,
        size_t n, BN_CTX *c),
       (g, p, form, out, n, c), 0)
CRYPTO(ECDSA_SIG *, ECDSA_SIG_new, (void), (), NULL)
CRYPTO(int, ECDSA_SIG_set0, (ECDSA_SIG * s, BIGNUM *r, BIGNUM *t), (s, r, t), 0)
CRYPTO(ECDSA_SIG *, ECDSA_do_sign, (const unsigned char *p, int n, EC_KEY *k), (p, n, k), NULL)
CRYPTO(int, ECDSA_do_verify, (const unsigned char *p, int n, const ECDSA_SIG *s, EC_KEY *k),
       (p, n, s, k), -1)
CRYPTO(EVP_PKEY *, d2i_PUBKEY, (EVP_PKEY * *k, const unsigned char **p, long n), (k, p, n), NULL)
CRYPTO(int, EVP_DigestVerifyInit,
       (EVP_MD_CTX * c, EVP_PKEY_CTX **p, const EVP_MD *m, ENGINE *e, EVP_PKEY *k), (c, p, m, e, k),
       0)
CRYPTO(int, EVP_DigestVerify,
       (EVP_MD_CTX * c, const unsigned char *sig, size_t sig_n, const unsigned char *p, size_t n),
       (c, sig, sig_n, p, n), -1)
CRYPTO(int, crypto_sign_seed_keypair,
       (unsigned char *pk, unsigned char *sk, const unsigned char *s), (pk, sk, s), -1)
CRYPTO(int, crypto_sign_detached,
       (unsigned char *out, unsigned long long *out_n, const unsigned char *p, unsigned long long n,
        const unsigned char *sk),
       (out, out_n, p, n, sk), -1)
CRYPTO(int, crypto_sign_verify_detached,
       (const unsigned char *sig, const unsigned char *p, unsigned long long n,
        const unsigned char *pk),
       (sig, p, n, pk), -1)

/* TLS */
CRYPTO(SSL_CTX *, SSL_CTX_new, (const SSL_METHOD *m), (m), NULL)
CRYPTO(SSL *, SSL_new, (SSL_CTX * c), (c), NULL)
CRYPTO(BIO_METHOD *, BIO_meth_new, (int type, const char *name), (type, name), NULL)
CRYPTO(BIO *, BIO_new, (const BIO_METHOD *m), (m), NULL)
CRYPTO(X509 *, d2i_X509, (X509 * *x, const unsigned char **p, long n), (x, p, n), NULL)
CRYPTO(int, i2d_X509, (const X509 *x, unsigned char **out), (x, out), -1)
CRYPTO(EVP_PKEY *, d2i_AutoPrivateKey, (EVP_PKEY * *k, const unsigned char **p, long n), (k, p, n),
       NULL)
CRYPTO(int, SSL_CTX_use_certificate, (SSL_CTX * c, X509 *x), (c, x), 0)
CRYPTO(int, SSL_CTX_use_PrivateKey, (SSL_CTX * c, EVP_PKEY *k), (c, k), 0)
CRYPTO(int, SSL_CTX_set_ciphersuites, (SSL_CTX * c, const char *s), (c, s), 0)
CRYPTO(int, SSL_CTX_set_alpn_protos, (SSL_CTX * c, const unsigned char *p, unsigned n), (c, p, n),
       1)
CRYPTO(int, SSL_set_ex_data, (SSL * s, int i, void *p), (s, i, p), 0)
CRYPTO(int, SSL_set_session, (SSL * s, SSL_SESSION *session), (s, session), 0)
CRYPTO(SSL_SESSION *, SSL_SESSION_new, (void), (), NULL)
CRYPTO(SSL_SESSION *, SSL_SESSION_dup, (const SSL_SESSION *s), (s), NULL)
CRYPTO(int, SSL_export_keying_material,
       (SSL * s, unsigned char *out, size_t n, const char *label, size_t label_n,
        const unsigned char *p, size_t p_n, int with),
       (s, out, n, label, label_n, p, p_n, with), 0)

/* HTTP/2 */
HTTP(nghttp2_option_new, (nghttp2_option * *o), (o))
HTTP(nghttp2_session_callbacks_new, (nghttp2_session_callbacks * *c), (c))
HTTP(nghttp2_session_server_new2,
     (nghttp2_session * *s, const nghttp2_session_callbacks *c, void *arg, const nghttp2_option *o),
     (s, c, arg, o))
HTTP(nghttp2_session_client_new2,
     (nghttp2_session * *s, const nghttp2_session_callbacks *c, void *arg, const nghttp2_option *o),
     (s, c, arg, o))
HTTP(nghttp2_submit_settings,
     (nghttp2_session * s, uint8_t f, const nghttp2_settings_entry *e, size_t n), (s, f, e, n))
HTTP(nghttp2_session_set_local_window_size, (nghttp2_session * s, uint8_t f, int32_t id, int32_t n),
     (s, f, id, n))
HTTP(nghttp2_submit_response,
     (nghttp2_session * s, int32_t id, const nghttp2_nv *nv, size_t n,
      const nghttp2_data_provider *d),
     (s, id, nv, n, d))
HTTP(nghttp2_submit_request,
     (nghttp2_session * s, const nghttp2_priority_spec *p, const nghttp2_nv *nv, size_t n,
      const nghttp2_data_provider *d, void *user),
     (s, p, nv, n, d, user))
HTTP(nghttp2_submit_rst_stream, (nghttp2_session * s, uint8_t f, int32_t id, uint32_t code),
     (s, f, id, code))
HTTP(nghttp2_submit_goaway,
     (nghttp2_session * s, uint8_t f, int32_t last, uint32_t code, const uint8_t *p, size_t n),
     (s, f, last, code, p, n))
WRAP(FAULT_HTTP, ssize_t, nghttp2_session_mem_recv,
     (nghttp2_session * s, const uint8_t *p, size_t n), (s, p, n), NGHTTP2_ERR_NOMEM)
WRAP(FAULT_HTTP, ssize_t, nghttp2_session_mem_send, (nghttp2_session * s, const uint8_t **p),
     (s, p), NGHTTP2_ERR_NOMEM)
