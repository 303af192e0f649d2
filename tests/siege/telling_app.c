/* The probe of the client tests, and it tells (tell.h) the secrets that it splits and the shares
 * that it makes of them or combines: 's' or 'x', length in two bytes, the bytes. */
#include "shamir/shamir.h"
#include "tell.h"

pl_err __real_pl_share_combine(struct pl_crypto *c, struct pl_combined *out,
                               const struct pl_split *s, const struct pl_share *shares, size_t n,
                               struct pl_arena *a);
pl_err __wrap_pl_share_combine(struct pl_crypto *c, struct pl_combined *out,
                               const struct pl_split *s, const struct pl_share *shares, size_t n,
                               struct pl_arena *a);
pl_err __real_pl_share_split(struct pl_crypto *c, uint8_t *out_y, const struct pl_split *s,
                             struct pl_span secret, struct pl_span random, struct pl_arena *a);
pl_err __wrap_pl_share_split(struct pl_crypto *c, uint8_t *out_y, const struct pl_split *s,
                             struct pl_span secret, struct pl_span random, struct pl_arena *a);

static void tell_secret(struct pl_span s)
{
    const uint8_t head[] = {'s', (uint8_t)(s.n >> 8), (uint8_t)s.n};
    tell_keep();
    tell(head, sizeof(head));
    tell(s.p, s.n);
}

static void tell_share(uint8_t x, struct pl_span y)
{
    const uint8_t head[] = {'x', (uint8_t)((y.n + 1) >> 8), (uint8_t)(y.n + 1), x};
    tell_keep();
    tell(head, sizeof(head));
    tell(y.p, y.n);
}

pl_err __wrap_pl_share_combine(struct pl_crypto *c, struct pl_combined *out,
                               const struct pl_split *s, const struct pl_share *shares, size_t n,
                               struct pl_arena *a)
{
    for (size_t i = 0; i < n; i++)
        tell_share(shares[i].x, shares[i].y);
    return __real_pl_share_combine(c, out, s, shares, n, a);
}

pl_err __wrap_pl_share_split(struct pl_crypto *c, uint8_t *out_y, const struct pl_split *s,
                             struct pl_span secret, struct pl_span random, struct pl_arena *a)
{
    pl_err e = __real_pl_share_split(c, out_y, s, secret, random, a);
    size_t n = pl_packed_bytes(secret.n);
    tell_secret(secret);
    for (size_t i = 0; i < s->n && e == PL_OK; i++)
        tell_share(s->x[i], pl_span(out_y + i * n, n));
    return e;
}
