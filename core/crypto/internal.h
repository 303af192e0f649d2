/* Shared inside core/crypto only. */
#ifndef PL_CRYPTO_INTERNAL_H
#define PL_CRYPTO_INTERNAL_H

/* EC_KEY and ECDSA_do_* open a P-256 key nearly twice as fast as EVP_PKEY_fromdata (docs/
 * DEPENDENCIES.md); OpenSSL 3.0 marks them deprecated, and this folder alone may use them. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "crypto/crypto.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>

struct pl_crypto {
    EVP_MD *sha256, *sha384, *sha512;
    EVP_CIPHER *gcm;
    EVP_MAC *hmac;
    EC_GROUP *group;
    EVP_MD_CTX *md;
    EVP_CIPHER_CTX *cipher;
    EVP_MAC_CTX *mac;
    BN_CTX *bn;
};

#endif
