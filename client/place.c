/* Where a vault is: its place as text and in a descriptor. */
#include "client/place.h"

#include <stdio.h>
#include <string.h>

void pl_place_of(struct pl_place *out, const struct pl_api_descriptor_vault *v)
{
    memset(out, 0, sizeof(*out));
    memcpy(out->vault_id, v->vault_id, sizeof(out->vault_id));
    if (v->endpoints.n)
        snprintf(out->endpoint, sizeof(out->endpoint), "%s", (const char *)v->endpoints.v[0].p);
}

bool pl_same_platform(const struct pl_vc *one, const struct pl_vc *other)
{
    const struct pl_claims *a = pl_session_leaf_claims(&one->session);
    const struct pl_claims *b = pl_session_leaf_claims(&other->session);
    return a->platform_id_n == b->platform_id_n &&
           memcmp(a->platform_id, b->platform_id, a->platform_id_n) == 0;
}

static const char *vendor_of(const struct pl_vc *vc)
{
    return pl_tee_vendor(pl_session_leaf_claims(&vc->session)->tee);
}

bool pl_same_vendor(const struct pl_vc *a, const struct pl_vc *b)
{
    return strcmp(vendor_of(a), vendor_of(b)) == 0;
}

pl_err pl_place_parse(struct pl_place *out, const char *text)
{
    memset(out, 0, sizeof(*out));
    const char *at = strchr(text, '@');
    PL_REQUIRE(at && at - text == 2 * PL_ID_BYTES, PLACE_FORM);
    PL_REQUIRE(strlen(at + 1) > 0 && strlen(at + 1) < sizeof(out->endpoint), PLACE_FORM);
    PL_REQUIRE(pl_unhex(out->vault_id, PL_ID_BYTES, pl_span(text, 2 * PL_ID_BYTES)) == PL_OK,
               PLACE_FORM);
    memcpy(out->endpoint, at + 1, strlen(at + 1) + 1);
    return PL_OK;
}
