#include "ledger/internal.h"

static const char magic[8] = {'P', 'L', 'R', 'O', 'O', 'T', '0', '1'};
enum { CLEAR = sizeof(magic) + PL_SEALER_BYTES + PL_EPOCH_SALT_BYTES };

/* The nonce is zero: the salt, and so the key, is fresh for every blob. */
static const uint8_t nonce[PL_GCM_IV_BYTES];

static pl_err derive(struct pl_crypto *c, uint8_t out[static PL_AES_KEY_BYTES], const uint8_t *blob,
                     const uint8_t *seal_key)
{
    struct pl_span salt = pl_span(blob + CLEAR - PL_EPOCH_SALT_BYTES, PL_EPOCH_SALT_BYTES);
    return pl_hkdf(c, out, PL_AES_KEY_BYTES, pl_span(seal_key, PL_AES_KEY_BYTES), salt,
                   PL_LIT("pleiad sealed root 1"));
}

pl_err pl_root_seal(struct pl_crypto *c, uint8_t out[static PL_ROOT_BLOB_BYTES],
                    const uint8_t root[static PL_ROOT_KEY_BYTES],
                    const uint8_t seal_key[static PL_AES_KEY_BYTES],
                    const uint8_t salt[static PL_EPOCH_SALT_BYTES], const char *sealer)
{
    struct pl_span name = pl_span_str(sealer);
    PL_ASSERT(name.n <= PL_SEALER_BYTES);
    struct pl_wr w = pl_wr_fixed(out, PL_ROOT_BLOB_BYTES);
    pl_wr_bytes(&w, PL_ARR(magic));
    pl_wr_bytes(&w, name);
    pl_wr_zeros(&w, PL_SEALER_BYTES - name.n);
    pl_wr_bytes(&w, pl_span(salt, PL_EPOCH_SALT_BYTES));
    uint8_t key[PL_AES_KEY_BYTES];
    pl_err e = derive(c, key, out, seal_key);
    if (e == PL_OK)
        e = pl_gcm_seal(c, out + CLEAR, key, nonce, pl_span(out, CLEAR),
                        pl_span(root, PL_ROOT_KEY_BYTES));
    pl_wipe(key, sizeof(key));
    return e;
}

pl_err pl_root_open(struct pl_crypto *c, uint8_t out[static PL_ROOT_KEY_BYTES], struct pl_span blob,
                    const uint8_t seal_key[static PL_AES_KEY_BYTES])
{
    pl_wipe(out, PL_ROOT_KEY_BYTES);
    PL_REQUIRE(blob.n == PL_ROOT_BLOB_BYTES, ROOT_FORMAT);
    PL_REQUIRE(pl_span_eq(pl_span_sub(blob, 0, sizeof(magic)), PL_ARR(magic)), ROOT_FORMAT);
    uint8_t key[PL_AES_KEY_BYTES];
    pl_err e = derive(c, key, blob.p, seal_key);
    if (e == PL_OK)
        e = pl_gcm_open(c, out, key, nonce, pl_span_sub(blob, 0, CLEAR),
                        pl_span_sub(blob, CLEAR, blob.n - CLEAR));
    pl_wipe(key, sizeof(key));
    PL_REQUIRE(pl_err_code(e) != PL_E_DECRYPT, ROOT_SEAL);
    return e;
}

void pl_root_sealer(char out[static PL_SEALER_BYTES + 1], struct pl_span blob)
{
    memset(out, 0, PL_SEALER_BYTES + 1);
    if (blob.n != PL_ROOT_BLOB_BYTES)
        return;
    for (size_t i = 0; i < PL_SEALER_BYTES && blob.p[sizeof(magic) + i]; i++) {
        uint8_t ch = blob.p[sizeof(magic) + i];
        if (ch <= ' ' || ch > '~') {
            memset(out, 0, PL_SEALER_BYTES + 1);
            return;
        }
        out[i] = (char)ch;
    }
}
