/* libgfshare as a peer. gfshare.c where it is installed, gfshare_absent.c elsewhere. */
#ifndef PL_BENCH_GFSHARE_H
#define PL_BENCH_GFSHARE_H

#include "shamir/shamir.h"

struct gfshare_peer;
/* Ready to split secret as s says and to combine its first k shares; NULL when libgfshare is not
 * installed. Its random source becomes a copy from `random` ((k - 1) * secret.n bytes). */
struct gfshare_peer *gfshare_peer_new(const struct pl_split *s, struct pl_span secret,
                                      const uint8_t *random);
void gfshare_peer_free(struct gfshare_peer *p); /* NULL allowed */
void gfshare_peer_split(void *peer);
void gfshare_peer_combine(void *peer);

#endif
