/* Anchors: what is read has an owner, profiles that load, and one way to say whose key it is. */
#include "fuzz.h"

#include "client/internal.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct pl_app app;
    struct pl_anchor *any, *a;
    uint8_t id[32] = {1};
    if (!app.crypto)
        FUZZ_CHECK(pl_crypto_new(&app.crypto) == PL_OK);
    pl_err e = pl_anchor_insecure_any_config(&any, &app, data, size);
    pl_err strict = pl_anchor_read(&a, &app, data, size);
    FUZZ_CHECK((e == PL_OK) == (any != NULL) && (strict == PL_OK) == (a != NULL));
    FUZZ_CHECK(strict != PL_OK || e == PL_OK);
    FUZZ_CHECK(memchr(app.detail, 0, sizeof(app.detail)) != NULL);
    if (any) {
        FUZZ_CHECK(any->owner.type != PL_PUB_NONE);
        FUZZ_CHECK(any->profiles > 0 && any->profiles <= PL_ANCHOR_PROFILES);
        pl_err other = pl_anchor_key(app.crypto, any, "k", id);
        FUZZ_CHECK(other == PL_OK || pl_err_code(other) == PL_E_ANCHOR_KEY);
        memcpy(id, any->id, sizeof(id));
        other = pl_anchor_key(app.crypto, any, "k", id);
        FUZZ_CHECK(any->has_instance || other == PL_OK);
    }
    for (unsigned i = 0; a && i < a->profiles; i++)
        FUZZ_CHECK(a->profile[i].config_roots > 0);
    pl_anchor_free(any);
    pl_anchor_free(a);
    return 0;
}
