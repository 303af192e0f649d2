#include "bench/gfshare.h"

#include <libgfshare.h>
#include <stdlib.h>
#include <string.h>

struct gfshare_peer {
    gfshare_ctx *enc, *dec;
    struct pl_split split;
    size_t n;
    uint8_t *secret, *y, *out; /* n bytes, a row a share, n bytes */
};

static const uint8_t *random_bytes;
static void copy_random(unsigned char *out, unsigned int n) { memcpy(out, random_bytes, n); }

struct gfshare_peer *gfshare_peer_new(const struct pl_split *s, struct pl_span secret,
                                      const uint8_t *random)
{
    struct gfshare_peer *p = calloc(1, sizeof(*p));
    PL_ASSERT(p);
    random_bytes = random;
    gfshare_fill_rand = copy_random;
    p->split = *s;
    p->n = secret.n;
    p->secret = malloc(secret.n);
    p->enc = gfshare_ctx_init_enc(p->split.x, s->n, s->k, (unsigned)secret.n);
    p->dec = gfshare_ctx_init_dec(p->split.x, s->k, (unsigned)secret.n);
    p->y = malloc((size_t)s->n * secret.n);
    p->out = malloc(secret.n);
    PL_ASSERT(p->enc && p->dec && p->secret && p->y && p->out);
    memcpy(p->secret, secret.p, secret.n);
    return p;
}

void gfshare_peer_free(struct gfshare_peer *p)
{
    if (!p)
        return;
    gfshare_ctx_free(p->enc);
    gfshare_ctx_free(p->dec);
    free(p->secret);
    free(p->y);
    free(p->out);
    free(p);
}

void gfshare_peer_split(void *peer)
{
    struct gfshare_peer *p = peer;
    gfshare_ctx_enc_setsecret(p->enc, p->secret);
    for (unsigned char i = 0; i < p->split.n; i++)
        gfshare_ctx_enc_getshare(p->enc, i, p->y + i * p->n);
}

void gfshare_peer_combine(void *peer)
{
    struct gfshare_peer *p = peer;
    for (unsigned char i = 0; i < p->split.k; i++)
        gfshare_ctx_dec_giveshare(p->dec, i, p->y + i * p->n);
    gfshare_ctx_dec_extract(p->dec, p->out);
}
