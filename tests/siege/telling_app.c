/* The probe of the client tests, and it tells (tell.h) the shares that it combines: length in two
 * bytes, x, y. */
#include "shamir/shamir.h"
#include "tell.h"

pl_err __real_pl_share_combine(struct pl_crypto *c, struct pl_combined *out,
                               const struct pl_split *s, const struct pl_share *shares, size_t n,
                               struct pl_arena *a);
pl_err __wrap_pl_share_combine(struct pl_crypto *c, struct pl_combined *out,
                               const struct pl_split *s, const struct pl_share *shares, size_t n,
                               struct pl_arena *a);

pl_err __wrap_pl_share_combine(struct pl_crypto *c, struct pl_combined *out,
                               const struct pl_split *s, const struct pl_share *shares, size_t n,
                               struct pl_arena *a)
{
    tell_keep();
    for (size_t i = 0; i < n; i++) {
        size_t bytes = shares[i].y.n + 1;
        const uint8_t head[] = {(uint8_t)(bytes >> 8), (uint8_t)bytes, shares[i].x};
        tell(head, sizeof(head));
        tell(shares[i].y.p, shares[i].y.n);
    }
    return __real_pl_share_combine(c, out, s, shares, n, a);
}
