/* The certificate and CRL reader beside OpenSSL's, on every certificate of the vectors and on
 * damaged copies of them. */
#include "fuzz/x509_openssl.h"
#include "tests/kat/vectors.h"

#include <stdlib.h>
#include <string.h>

static unsigned certs, crls, survivors;

/* Every byte changed in turn, in a way that depends on its place; both readers must agree. */
static void damage(struct pl_span der, bool (*f)(struct pl_span))
{
    uint8_t *p = malloc(der.n);
    for (size_t i = 0; i < der.n; i++) {
        memcpy(p, der.p, der.n);
        p[i] ^= (uint8_t)(1u << (i * 5 + der.n) % 8);
        survivors += f(pl_span(p, der.n));
        p[i] = (uint8_t)(der.p[i] + 1);
        survivors += f(pl_span(p, der.n));
    }
    free(p);
    for (size_t n = 0; n < der.n; n++)
        CHECK(!f(pl_span(der.p, n)));
}

static void chain(struct pl_span pem)
{
    while (pem.n > 0) {
        uint8_t der[PL_CERT_MAX];
        size_t n = 0;
        NEED(CHECK_OK(pl_unpem(der, sizeof(der), &n, &pem, "CERTIFICATE")));
        CHECK(cert_against_openssl(pl_span(der, n)));
        damage(pl_span(der, n), cert_against_openssl);
        certs++;
    }
}

static void one(const char *dir)
{
    struct vector v;
    NEED(CHECK(vector_load(&v, dir)));
    chain(v.in.tcb_info_chain);
    chain(v.pck_chain);
    CHECK(crl_against_openssl(v.in.pck_crl) && crl_against_openssl(v.in.root_crl));
    if (v.in.pck_crl.n < 1000)
        damage(v.in.pck_crl, crl_against_openssl);
    damage(v.in.root_crl, crl_against_openssl);
    crls += 2;
    const uint8_t *pem = memmem(v.quote.p, v.quote.n, "-----BEGIN", 10);
    if (pem)
        chain(pl_span(pem, v.quote.n - (size_t)(pem - v.quote.p)));
}

TEST(we_read_what_openssl_reads)
{
    one(VECTORS_OWN "/uptodate");
    one(VECTORS_OWN "/pck-revoked");
    CHECK(certs >= 6 && crls == 4 && survivors > 0);
}

TEST(we_read_what_openssl_reads_of_real_machines)
{
    if (vector_each("vectors/sgx", "libsignal phala intel oe", one) == 0)
        test_skip("../shared/vectors/sgx is not here");
}

TEST_MAIN()
