/* Where vaults are, and which of them share a machine. */
#ifndef PL_CLIENT_PLACE_H
#define PL_CLIENT_PLACE_H

#include "client/internal.h"

void pl_place_of(struct pl_place *out, const struct pl_api_descriptor_vault *v);
/* Both verified. */
bool pl_same_platform(const struct pl_vc *a, const struct pl_vc *b);
bool pl_same_vendor(const struct pl_vc *a, const struct pl_vc *b);

#endif
