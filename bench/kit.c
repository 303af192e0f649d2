#include "bench/kit.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LEAF_BACK_S = 600, PEM_MAX = 16 * 1024 };

void kit_must(pl_err e, const char *what)
{
    if (e == PL_OK)
        return;
    fprintf(stderr, "bench: %s at %s:%d: %s\n", pl_code_name(pl_err_code(e)), e ? e->file : "",
            e ? e->line : 0, what);
    exit(1);
}

void kit_need(bool ok, const char *what)
{
    if (ok)
        return;
    perror(what);
    exit(1);
}

struct pl_interval kit_now(void *arg)
{
    int64_t s;
    (void)arg;
    MUST(pl_clock_wall(&s));
    return (struct pl_interval){s - 300, s + 300};
}

static void read_key(struct kit *k, const char *path)
{
    uint8_t der[256];
    size_t n;
    struct pl_wr pem PL_CLEANUP(pl_wr_free) = pl_wr_heap(PEM_MAX);
    MUST(pl_file_read(&pem, path, PEM_MAX));
    struct pl_span in = pl_wr_span(&pem);
    MUST(pl_unpem(der, sizeof(der), &n, &in, "PRIVATE KEY"));
    MUST(pl_priv_from_pkcs8(k->c, &k->key, pl_span(der, n)));
}

static void make_key(struct kit *k)
{
    uint8_t seed[PL_P256_SEED_BYTES], pub[PL_P256_PUB_BYTES];
    k->key.type = PL_PUB_P256;
    MUST(pl_entropy(seed, sizeof(seed)));
    MUST(pl_p256_make(k->c, k->key.raw, pub, seed));
}

static void write_key(const struct kit *k, const char *path)
{
    uint8_t der[256];
    struct pl_wr d = pl_wr_fixed(der, sizeof(der));
    struct pl_wr pem PL_CLEANUP(pl_wr_free) = pl_wr_heap(PEM_MAX);
    pl_priv_to_pkcs8(&d, &k->key);
    pl_wr_pem(&pem, pl_wr_span(&d), "PRIVATE KEY");
    MUST(pl_file_write(path, pl_wr_span(&pem), 0600, PL_FILE_NEW));
}

static void get_evidence(struct kit *k)
{
    uint8_t buf[PL_RATLS_CLAIMS_BYTES], report_data[PL_REPORT_DATA_BYTES];
    struct pl_wr claims = pl_wr_fixed(buf, sizeof(buf));
    struct pl_wr quote PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_TEE_EVIDENCE_MAX);
    pl_ratls_claims(&claims, k->spki_sha256, NULL);
    MUST(pl_ratls_report_data(k->c, report_data, pl_wr_span(&claims)));
    MUST(pl_tee_evidence(k->tee, &quote, report_data, 10000));
    MUST(pl_sha256_one(k->c, k->claims_sha256, pl_wr_span(&claims)));
    pl_ratls_put_evidence(&k->evidence, pl_wr_span(&quote), pl_wr_span(&claims));
    MUST(pl_wr_end(&k->evidence));
}

void kit_open(struct kit *k, const char *key_file, bool attested)
{
    struct pl_pub pub;
    *k = (struct kit){.evidence = pl_wr_heap(PL_RATLS_MAX)};
    if (attested)
        MUST(pl_tee_open(&k->tee, NULL));
    MUST(pl_crypto_new(&k->c));
    FILE *there = key_file ? fopen(key_file, "r") : NULL;
    if (there) {
        fclose(there);
        read_key(k, key_file);
    } else {
        make_key(k);
        if (key_file)
            write_key(k, key_file);
    }
    MUST(pl_priv_public(k->c, &pub, &k->key));
    k->spki_n = pl_pub_to_spki(k->spki, &pub);
    MUST(pl_sha256_one(k->c, k->spki_sha256, pl_span(k->spki, k->spki_n)));
    if (attested)
        get_evidence(k);
}

void kit_close(struct kit *k)
{
    pl_wr_free(&k->evidence);
    pl_tee_close(k->tee);
    pl_crypto_free(k->c);
}

void kit_leaf(struct kit *k, struct pl_wr *der)
{
    struct pl_ratls_new n = {.name = "pleiad bench", .extensions = pl_wr_span(&k->evidence)};
    int64_t now_s;
    MUST(pl_clock_wall(&now_s));
    MUST(pl_entropy(n.serial, sizeof(n.serial)));
    n.valid.from_s = now_s - LEAF_BACK_S;
    n.valid.to_s = n.valid.from_s + PL_TLS_LEAF_MAX_S - 1;
    MUST(pl_ratls_make(k->c, der, &k->key, &n));
}

struct pl_tls_ctx *kit_ctx(struct kit *k, bool server)
{
    struct pl_tls_ctx *ctx;
    struct pl_wr der PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_RATLS_MAX);
    kit_leaf(k, &der);
    const struct pl_tls_config cfg = {.server = server,
                                      .leaf = pl_wr_span(&der),
                                      .key = &k->key,
                                      .ask_certificate = server,
                                      .now = kit_now};
    MUST(pl_tls_ctx_new(&ctx, k->c, &cfg));
    return ctx;
}

void kit_quote(struct kit *k, struct pl_wr *out, struct pl_batch *batch, const struct pl_session *s)
{
    uint8_t binding[PL_BINDING_BYTES], report_data[PL_REPORT_DATA_BYTES];
    uint32_t index;
    MUST(pl_session_binding(k->c, binding, s));
    pl_batch_init(batch);
    MUST(pl_batch_add(k->c, batch, binding, &index));
    MUST(pl_batch_seal(k->c, batch, report_data));
    MUST(pl_tee_evidence(k->tee, out, report_data, 10000));
}

uint64_t kit_cpu_ns(int pid)
{
    char path[320];
    uint64_t sum = 0;
    snprintf(path, sizeof(path), "/proc/%d/task", pid);
    DIR *d = opendir(path);
    kit_need(d != NULL, path);
    for (struct dirent *e; (e = readdir(d));) {
        unsigned long long ns = 0;
        snprintf(path, sizeof(path), "/proc/%d/task/%s/schedstat", pid, e->d_name);
        FILE *f = e->d_name[0] != '.' ? fopen(path, "r") : NULL;
        if (f && fscanf(f, "%llu", &ns) == 1)
            sum += ns;
        if (f)
            fclose(f);
    }
    closedir(d);
    return sum;
}

unsigned kit_number(const char *text)
{
    char *end;
    unsigned long n = strtoul(text, &end, 10);
    if (*end || n > 1000000000) {
        fprintf(stderr, "bench: %s is no number\n", text);
        exit(2);
    }
    return (unsigned)n;
}
