/* What a caller without this project's client needs to talk to a vault: a key, a certificate that
 * is valid now, and a configuration that lets anyone create. Written into the folder argv[1]:
 * key.der (PKCS #8), cert.der, spki (hex), config.json (signed). With argv[2], the certificate ends
 * that many seconds from now; with argv[3], it carries an extension of so many bytes. */
#include "attest/ratls.h"
#include "platform/platform.h"
#include "policy/config.h"

#include <stdio.h>
#include <stdlib.h>

struct kit {
    struct pl_crypto *c;
    struct pl_priv key;
    struct pl_pub pub;
    uint8_t spki[PL_SPKI_MAX], spki_sha256[32];
    size_t spki_n;
    int64_t ends_in_s;
    size_t ballast;
};

static pl_err put(const char *dir, const char *name, struct pl_span bytes)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    return pl_file_write(path, bytes, 0600, PL_FILE_NEW);
}

static pl_err make_key(struct kit *k)
{
    uint8_t seed[PL_P256_SEED_BYTES];
    PL_TRY(pl_entropy(seed, sizeof(seed)));
    k->key.type = k->pub.type = PL_PUB_P256;
    PL_TRY(pl_p256_make(k->c, k->key.raw, k->pub.raw, seed));
    k->spki_n = pl_pub_to_spki(k->spki, &k->pub);
    return pl_sha256_one(k->c, k->spki_sha256, pl_span(k->spki, k->spki_n));
}

static pl_err write_key(const struct kit *k, const char *dir)
{
    uint8_t der[256];
    char hex[65];
    struct pl_wr w = pl_wr_fixed(der, sizeof(der));
    pl_priv_to_pkcs8(&w, &k->key);
    PL_TRY(put(dir, "key.der", pl_wr_span(&w)));
    pl_hex(hex, PL_ARR(k->spki_sha256));
    return put(dir, "spki", pl_span_str(hex));
}

static pl_err write_cert(const struct kit *k, const char *dir)
{
    static const uint8_t oid[] = {0x2a, 3, 4};
    static uint8_t ballast[1 << 17];
    struct pl_wr der PL_CLEANUP(pl_wr_free) = pl_wr_heap(sizeof(ballast) + 4096);
    struct pl_wr ext PL_CLEANUP(pl_wr_free) = pl_wr_heap(sizeof(ballast) + 4096);
    struct pl_ratls_new n = {.name = "test client", .serial = {1}};
    if (k->ballast && k->ballast < sizeof(ballast))
        pl_ratls_put_extension(&ext, PL_ARR(oid), pl_span(ballast, k->ballast));
    n.extensions = pl_wr_span(&ext);
    int64_t now;
    PL_TRY(pl_clock_wall(&now));
    n.valid = (struct pl_period){now - 3600, now + k->ends_in_s};
    PL_TRY(pl_ratls_make(k->c, &der, &k->key, &n));
    return put(dir, "cert.der", pl_wr_span(&der));
}

static pl_err write_config(const struct kit *k, const char *dir)
{
    char text[2048], spki[256];
    struct pl_wr doc PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_CONFIG_BYTES);
    pl_b64u(spki, pl_span(k->spki, k->spki_n));
    snprintf(text, sizeof(text),
             "{\"pleiad_config\":1,\"serial\":1,\"name\":\"test\","
             "\"authority\":{\"at_least\":1,\"keys\":[\"%s\"]},"
             "\"create\":{\"allow\":[{\"kind\":\"anyone\"}],\"keys_of_anyone\":1000000,"
             "\"keys_per_owner\":1000000},"
             "\"time\":\"host\",\"witnesses\":{\"f\":0,\"list\":[]}}",
             spki);
    PL_TRY(pl_config_sign(k->c, &doc, pl_span_str(text), &k->key, 1));
    return put(dir, "config.json", pl_wr_span(&doc));
}

static pl_err run(struct kit *k, const char *dir)
{
    PL_TRY(pl_crypto_new(&k->c));
    PL_TRY(make_key(k));
    PL_TRY(write_key(k, dir));
    PL_TRY(write_cert(k, dir));
    return write_config(k, dir);
}

int main(int argc, char **argv)
{
    struct kit k = {.ends_in_s = argc > 2 ? strtol(argv[2], NULL, 10) : 20 * 3600,
                    .ballast = argc > 3 ? strtoul(argv[3], NULL, 10) : 0};
    pl_err e = argc > 1 ? run(&k, argv[1]) : PL_FAIL(BUG);
    if (e != PL_OK)
        fprintf(stderr, "client_kit: %s\n", pl_code_name(pl_err_code(e)));
    pl_crypto_free(k.c);
    return e == PL_OK ? 0 : 1;
}
