/* A vault that tells a test, over the descriptor that PL_TELL names, what it must keep to itself:
 * the key that its root is sealed with, its root, the private keys made of it. It reads 32 bytes
 * there first and keeps them in its ordinary heap, as they are and in the ways in which bytes are
 * written down: a search of its memory has to find those. Nothing else of it differs from
 * pleiad-vaultd-sim. */
#include "crypto/crypto.h"
#include "platform/store/store.h"
#include "platform/tee/tee.h"
#include "vault/vault.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

pl_err __real_pl_tee_seal_key(struct pl_tee_device *t, uint8_t *out, struct pl_span label);
pl_err __wrap_pl_tee_seal_key(struct pl_tee_device *t, uint8_t *out, struct pl_span label);
pl_err __real_pl_vault_keys(struct pl_crypto *c, struct pl_vault_keys *out,
                            struct pl_vault_self *out_self, const uint8_t *root);
pl_err __wrap_pl_vault_keys(struct pl_crypto *c, struct pl_vault_keys *out,
                            struct pl_vault_self *out_self, const uint8_t *root);

static char *kept[4];

static int where(void)
{
    const char *fd = getenv("PL_TELL");
    return fd ? (int)strtol(fd, NULL, 10) : -1;
}

static void tell(const void *p, size_t n)
{
    if (write(where(), p, n) != (ssize_t)n)
        abort();
}

/* The canary, in four forms. */
static void keep(void)
{
    uint8_t canary[32];
    if (read(where(), canary, sizeof(canary)) != (ssize_t)sizeof(canary))
        abort();
    for (int i = 0; i < 4; i++)
        kept[i] = calloc(1, 128);
    memcpy(kept[0], canary, sizeof(canary));
    pl_hex(kept[1], PL_ARR(canary));
    pl_b64u(kept[2], PL_ARR(canary));
    memcpy(kept[3], kept[2], 64);
    for (char *p = kept[3]; *p; p++)
        *p = *p == '-' ? '+' : *p == '_' ? '/' : *p;
}

pl_err __wrap_pl_tee_seal_key(struct pl_tee_device *t, uint8_t *out, struct pl_span label)
{
    pl_err e = __real_pl_tee_seal_key(t, out, label);
    if (e == PL_OK && !kept[0])
        keep();
    if (e == PL_OK)
        tell(out, PL_TEE_SEAL_KEY_BYTES);
    return e;
}

pl_err __wrap_pl_vault_keys(struct pl_crypto *c, struct pl_vault_keys *out,
                            struct pl_vault_self *out_self, const uint8_t *root)
{
    pl_err e = __real_pl_vault_keys(c, out, out_self, root);
    tell(root, PL_ROOT_KEY_BYTES);
    tell(out->identity.raw, sizeof(out->identity.raw));
    tell(out->use[PL_USE_ATTESTATION].raw, sizeof(out->use[0].raw));
    tell(out->record, sizeof(out->record));
    return e;
}
