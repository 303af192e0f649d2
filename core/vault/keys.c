#include "vault/vault.h"

static pl_err derive(struct pl_crypto *c, uint8_t *out, size_t n, const uint8_t *root,
                     const char *label)
{
    return pl_hkdf(c, out, n, pl_span(root, PL_ROOT_KEY_BYTES), pl_span(NULL, 0),
                   pl_span_str(label));
}

static pl_err derive_p256(struct pl_crypto *c, struct pl_priv *out, struct pl_pub *out_pub,
                          const uint8_t *root, const char *label)
{
    uint8_t seed[PL_P256_SEED_BYTES];
    out->type = out_pub->type = PL_PUB_P256;
    pl_err e = derive(c, seed, sizeof(seed), root, label);
    if (e == PL_OK)
        e = pl_p256_make(c, out->raw, out_pub->raw, seed);
    pl_wipe(seed, sizeof(seed));
    return e;
}

pl_err pl_vault_keys(struct pl_crypto *c, struct pl_vault_keys *out, struct pl_vault_self *out_self,
                     const uint8_t root[static PL_ROOT_KEY_BYTES])
{
    static const char *const labels[PL_USES] = {
        [PL_USE_ATTESTATION] = "pleiad attestation key 1",
        [PL_USE_LOG] = "pleiad log key 1",
        [PL_USE_REGISTRY] = "pleiad registry key 1",
        [PL_USE_WITNESS] = "pleiad witness key 1",
    };
    uint8_t spki[PL_SPKI_MAX];
    *out_self = (struct pl_vault_self){0};
    PL_TRY(derive_p256(c, &out->identity, &out_self->identity, root, "pleiad identity 1"));
    for (unsigned u = 0; u < PL_USES; u++)
        PL_TRY(derive_p256(c, &out->use[u], &out_self->use[u], root, labels[u]));
    PL_TRY(derive(c, out->record, sizeof(out->record), root, "pleiad record 1"));
    PL_TRY(derive(c, out->request, sizeof(out->request), root, "pleiad request digest 1"));
    size_t n = pl_pub_to_spki(spki, &out_self->identity);
    return pl_sha256_one(c, out_self->vault_id, pl_span(spki, n));
}
