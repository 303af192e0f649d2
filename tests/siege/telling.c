/* A vault that tells (tell.h) the key that its root is sealed with, its root, and the private keys
 * made of it. With PL_DUMPABLE in its environment the kernel may write its memory to a file.
 * Nothing else of it differs from pleiad-vaultd-sim. */
#include "crypto/crypto.h"
#include "platform/platform.h"
#include "platform/store/store.h"
#include "platform/tee/tee.h"
#include "vault/vault.h"
#include "tell.h"

#include <stdlib.h>
#include <sys/prctl.h>

pl_err __real_pl_process_harden(void);
pl_err __wrap_pl_process_harden(void);
pl_err __real_pl_tee_seal_key(struct pl_tee_device *t, uint8_t *out, struct pl_span label);
pl_err __wrap_pl_tee_seal_key(struct pl_tee_device *t, uint8_t *out, struct pl_span label);
pl_err __real_pl_vault_keys(struct pl_crypto *c, struct pl_vault_keys *out,
                            struct pl_vault_self *out_self, const uint8_t *root);
pl_err __wrap_pl_vault_keys(struct pl_crypto *c, struct pl_vault_keys *out,
                            struct pl_vault_self *out_self, const uint8_t *root);

pl_err __wrap_pl_process_harden(void)
{
    if (!getenv("PL_DUMPABLE"))
        return __real_pl_process_harden();
    return prctl(PR_SET_DUMPABLE, 1UL, 0UL, 0UL, 0UL) == 0 ? PL_OK : PL_FAIL(HARDEN);
}

pl_err __wrap_pl_tee_seal_key(struct pl_tee_device *t, uint8_t *out, struct pl_span label)
{
    pl_err e = __real_pl_tee_seal_key(t, out, label);
    tell_keep();
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
