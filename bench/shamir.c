/* P11: Shamir, 3 of 5, on one core. Bare shares against libgfshare, whose own random source is set
 * to one that costs nothing, because ours takes random bytes as an argument. */
#include "bench/bench.h"
#include "bench/gfshare.h"
#include "shamir/shamir.h"

#include <string.h>

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

static void side_by_side(const char *workload, size_t unit_bytes, struct bench_contender ours,
                         void (*theirs)(void *), void *peer)
{
    const struct bench_contender both[] = {ours, {"libgfshare", theirs, peer}};
    bench_run("P11", workload, unit_bytes, both, theirs ? 2 : 1);
}

/* Both directions of one size; unit_bytes as bench_run's bytes. */
static void against_peer(const char *splitting, void (*ours_split)(void *), const char *combining,
                         void (*ours_combine)(void *), size_t n, size_t unit_bytes)
{
    struct gfshare_peer *peer = gfshare_peer_new(&g.split, pl_span(g.secret, n), g.random);
    side_by_side(splitting, unit_bytes, (struct bench_contender){"pleiad", ours_split, &n},
                 peer ? gfshare_peer_split : NULL, peer);
    side_by_side(combining, unit_bytes, (struct bench_contender){"pleiad", ours_combine, &n},
                 peer ? gfshare_peer_combine : NULL, peer);
    gfshare_peer_free(peer);
}

int main(void)
{
    size_t small = SMALL;
    g.split = (struct pl_split){.k = K, .n = N};
    g.arena = pl_arena(g.memory, sizeof(g.memory));
    for (size_t i = 0; i < sizeof(g.random); i++)
        g.random[i] = (uint8_t)(i * 167 + (i >> 8) * 59);
    memcpy(g.secret, g.random + 1000, sizeof(g.secret));
    must(pl_crypto_new(&g.crypto));
    must(pl_split_random_x(&g.split, pl_span(g.random, N * PL_X_SEED_BYTES)));
    against_peer("split 3 of 5, 16 KiB", split, "combine 3, 16 KiB", combine, LARGE, LARGE);
    against_peer("split 3 of 5, 32 B", split, "combine 3, 32 B", combine, SMALL, 0);
    side_by_side("split 3 of 5, 32 B, packed with its check", 0,
                 (struct bench_contender){"pleiad", packed_split, &small}, NULL, NULL);
    side_by_side("combine 3, 32 B, check verified", 0,
                 (struct bench_contender){"pleiad", packed_combine, &small}, NULL, NULL);
    pl_crypto_free(g.crypto);
    return 0;
}
