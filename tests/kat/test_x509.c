/* The certificate and CRL reader beside OpenSSL's, on every certificate of the vectors and on
 * damaged copies of them. */
#include "fuzz/x509_openssl.h"
#include "tests/fixture/scene.h"
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

static void all_of(const struct pl_collateral_in *in, struct pl_span quote)
{
    chain(in->tcb_info_chain);
    CHECK(crl_against_openssl(in->pck_crl) && crl_against_openssl(in->root_crl));
    if (in->pck_crl.n < 1000)
        damage(in->pck_crl, crl_against_openssl);
    damage(in->root_crl, crl_against_openssl);
    crls += 2;
    const uint8_t *pem = memmem(quote.p, quote.n, "-----BEGIN", 10);
    if (pem)
        chain(pl_span(pem, quote.n - (size_t)(pem - quote.p)));
}

static void one(const char *dir)
{
    struct vector v;
    NEED(CHECK(vector_load(&v, dir)));
    all_of(&v.in, v.quote);
    chain(v.pck_chain);
}

static void revoke(struct scene *s)
{
    memcpy(s->w.pck_crl.revoked[s->w.pck_crl.revoked_n++], s->w.pck.serial, PL_FX_SERIAL_BYTES);
}

TEST(we_read_what_openssl_reads)
{
    static const struct defect made[] = {{.name = "none"}, {.name = "revoked", .spec = revoke}};
    static struct scene s;
    for (size_t i = 0; i < 2; i++) {
        NEED(CHECK_OK(scene_begin(&s)));
        NEED(CHECK_OK(scene_make(&s, &made[i])));
        struct pl_collateral_in in = scene_in(&s);
        all_of(&in, pl_wr_span(&s.quote));
        scene_end(&s);
    }
    CHECK(certs >= 6 && crls == 4 && survivors > 0);
}

TEST(we_read_what_openssl_reads_of_real_machines)
{
    if (vector_each("vectors/sgx", "libsignal phala intel oe", one) == 0)
        test_skip("../shared/vectors/sgx is not here");
}

TEST_MAIN()
