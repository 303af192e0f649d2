/* P11: Shamir, 3 of 5, on one core. Bare shares against libgfshare, whose own random source is set
 * to one that costs nothing, because ours takes random bytes as an argument. */
#include "bench/bench.h"
#include "shamir/shamir.h"

#include <stdio.h>
#include <string.h>
#ifdef HAVE_GFSHARE
#include <libgfshare.h>
#endif

enum { K = 3, N = 5, LARGE = 16 << 10, SMALL = 32 };

static struct {
    struct pl_crypto *crypto;
    struct pl_split split;
    uint8_t secret[LARGE], random[(K - 1) * LARGE + 4096], y[N * LARGE], out[LARGE];
    struct pl_arena arena;
    uint8_t memory[1 << 16] __attribute__((aligned(16)));
} g;

static void must(pl_err e) { PL_ASSERT(e == PL_OK); }

static void split(void *bytes)
{
    size_t n = *(const size_t *)bytes;
    must(pl_shamir_split(g.y, &g.split, pl_span(g.secret, n), pl_span(g.random, (K - 1) * n),
                         &g.arena));
}

static void combine(void *bytes)
{
    size_t n = *(const size_t *)bytes;
    struct pl_share shares[K];
    for (size_t i = 0; i < K; i++)
        shares[i] = (struct pl_share){g.split.x[i], pl_span(g.y + i * n, n)};
    must(pl_shamir_at(g.out, 0, shares, K, &g.arena));
}

static void packed_split(void *bytes)
{
    size_t n = *(const size_t *)bytes;
    must(pl_share_split(g.crypto, g.y, &g.split, pl_span(g.secret, n),
                        pl_span(g.random, pl_split_random_bytes(&g.split, n)), &g.arena));
}

static void packed_combine(void *bytes)
{
    size_t n = pl_packed_bytes(*(const size_t *)bytes);
    struct pl_share shares[K];
    struct pl_combined out;
    for (size_t i = 0; i < K; i++)
        shares[i] = (struct pl_share){g.split.x[i], pl_span(g.y + i * n, n)};
    must(pl_share_combine(g.crypto, &out, &g.split, shares, K, &g.arena));
    pl_arena_release(&g.arena, 0);
}

#ifdef HAVE_GFSHARE
static struct {
    gfshare_ctx *enc, *dec;
    uint8_t y[K][LARGE];
} peer;

static void no_random(unsigned char *out, unsigned int n) { memcpy(out, g.random, n); }

static void peer_start(unsigned n)
{
    gfshare_fill_rand = no_random;
    peer.enc = gfshare_ctx_init_enc(g.split.x, N, K, n);
    peer.dec = gfshare_ctx_init_dec(g.split.x, K, n);
    PL_ASSERT(peer.enc && peer.dec);
}

static void peer_end(void)
{
    gfshare_ctx_free(peer.enc);
    gfshare_ctx_free(peer.dec);
}

static void peer_split(void *unused)
{
    (void)unused;
    gfshare_ctx_enc_setsecret(peer.enc, g.secret);
    for (unsigned char i = 0; i < N; i++)
        gfshare_ctx_enc_getshare(peer.enc, i, g.y + i * LARGE);
}

static void peer_combine(void *unused)
{
    (void)unused;
    for (unsigned char i = 0; i < K; i++)
        gfshare_ctx_dec_giveshare(peer.dec, i, peer.y[i]);
    gfshare_ctx_dec_extract(peer.dec, g.out);
}
#else
static void peer_start(unsigned n) { (void)n; }
static void peer_end(void) {}
#endif

static void side_by_side(const char *workload, size_t unit_bytes, struct bench_contender ours,
                         void (*theirs)(void *))
{
    const struct bench_contender both[] = {ours, {"libgfshare", theirs, NULL}};
    bench_run("P11", workload, unit_bytes, both, theirs ? 2 : 1);
}

int main(void)
{
    size_t large = LARGE, small = SMALL;
    g.split = (struct pl_split){.k = K, .n = N};
    g.arena = pl_arena(g.memory, sizeof(g.memory));
    for (size_t i = 0; i < sizeof(g.random); i++)
        g.random[i] = (uint8_t)(i * 167 + (i >> 8) * 59);
    memcpy(g.secret, g.random + 1000, sizeof(g.secret));
    must(pl_crypto_new(&g.crypto));
    must(pl_split_random_x(&g.split, pl_span(g.random, N * PL_X_SEED_BYTES)));
    void (*theirs_split)(void *) = NULL, (*theirs_combine)(void *) = NULL;
#ifdef HAVE_GFSHARE
    theirs_split = peer_split;
    theirs_combine = peer_combine;
#endif
    peer_start(LARGE);
    side_by_side("split 3 of 5, 16 KiB", LARGE, (struct bench_contender){"pleiad", split, &large},
                 theirs_split);
    side_by_side("combine 3, 16 KiB", LARGE, (struct bench_contender){"pleiad", combine, &large},
                 theirs_combine);
    peer_end();
    peer_start(SMALL);
    side_by_side("split 3 of 5, 32 B", 0, (struct bench_contender){"pleiad", split, &small},
                 theirs_split);
    side_by_side("combine 3, 32 B", 0, (struct bench_contender){"pleiad", combine, &small},
                 theirs_combine);
    peer_end();
    side_by_side("split 3 of 5, 32 B, packed with its check", 0,
                 (struct bench_contender){"pleiad", packed_split, &small}, NULL);
    side_by_side("combine 3, 32 B, check verified", 0,
                 (struct bench_contender){"pleiad", packed_combine, &small}, NULL);
    pl_crypto_free(g.crypto);
    return 0;
}
