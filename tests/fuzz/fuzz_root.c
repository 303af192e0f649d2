/* The sealed root, as found on a disk: nothing opens that was not sealed, and a sealed one that
 * differs in any byte does not open either. The first byte says which. */
#include "fuzz.h"

#include "ledger/ledger.h"

#include <string.h>

static const uint8_t seal_key[32] = {1}, root[32] = {2}, salt[32] = {3};

static void open_it(struct pl_crypto *c, struct pl_span blob, bool good)
{
    char sealer[PL_SEALER_BYTES + 1];
    uint8_t out[32] = {9};
    pl_root_sealer(sealer, blob);
    FUZZ_CHECK(strlen(sealer) <= PL_SEALER_BYTES);
    for (const char *s = sealer; *s; s++)
        FUZZ_CHECK(*s > ' ' && *s <= '~');
    pl_err e = pl_root_open(c, out, blob, seal_key);
    FUZZ_CHECK((e == PL_OK) == good);
    FUZZ_CHECK(good ? memcmp(out, root, 32) == 0 : pl_span_zero(PL_ARR(out)));
    FUZZ_CHECK(good || pl_err_class(e) == PL_C_CORRUPT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct pl_crypto *c;
    static uint8_t sealed[PL_ROOT_BLOB_BYTES];
    uint8_t blob[PL_ROOT_BLOB_BYTES];
    if (!c) {
        FUZZ_CHECK(pl_crypto_new(&c) == PL_OK);
        FUZZ_CHECK(pl_root_seal(c, sealed, root, seal_key, salt, "sgx") == PL_OK);
    }
    if (size == 0)
        return 0;
    if (data[0] & 1) {
        open_it(c, pl_span(data + 1, size - 1), false);
        return 0;
    }
    memcpy(blob, sealed, sizeof(blob));
    bool same = true;
    for (size_t i = 1; i < size && i <= sizeof(blob); i++) {
        blob[i - 1] ^= data[i];
        same = same && data[i] == 0;
    }
    open_it(c, PL_ARR(blob), same);
    return 0;
}
