/* Frames of the log, as they may stand on a disk. The hash gives any bytes; the cipher refuses:
 * what a frame holds is read in a case of its own, from any bytes. */
#include "ledger/frame.c"
#include "proof.h"

pl_err pl_sha256_one(struct pl_crypto *c, uint8_t out[static PL_SHA256_BYTES], struct pl_span in)
{
    (void)c;
    for (size_t i = 0; i < in.n; i++)
        PROOF_CLAIM(in.p[i] <= 255);
    Frama_C_make_unknown((char *)out, PL_SHA256_BYTES);
    return some(1) ? PL_OK : PL_FAIL(CRYPTO_FAILED);
}

pl_err pl_gcm_open(struct pl_crypto *c, uint8_t *out, const uint8_t key[static PL_AES_KEY_BYTES],
                   const uint8_t iv[static PL_GCM_IV_BYTES], struct pl_span aad, struct pl_span in)
{
    (void)c, (void)key, (void)iv;
    PROOF_CLAIM(in.n >= PL_GCM_TAG_BYTES && out == in.p && aad.p + aad.n == in.p);
    memset(out, 0, in.n - PL_GCM_TAG_BYTES);
    return some(1) ? PL_FAIL(DECRYPT) : PL_FAIL(CRYPTO_FAILED);
}

/* Not read here. */
pl_err pl_gcm_seal(struct pl_crypto *c, uint8_t *out, const uint8_t key[static PL_AES_KEY_BYTES],
                   const uint8_t iv[static PL_GCM_IV_BYTES], struct pl_span aad, struct pl_span in)
{
    (void)c, (void)out, (void)key, (void)iv, (void)aad, (void)in;
    return PL_FAIL(CRYPTO_FAILED);
}

static void header(void)
{
    struct pl_frame_header h;
    size_t n = each(PL_FRAME_HEADER_BYTES + 4);
    if (pl_frame_header(NULL, &h, pl_span(proof_bytes(n), n)) == PL_OK)
        PROOF_CLAIM(h.length >= PL_LOG_BLOCK_BYTES && h.length <= PL_FRAME_BYTES_MAX);
}

static void tail(void)
{
    static uint8_t vault_id[PL_VAULT_ID_BYTES];
    enum pl_tail t;
    size_t n = PL_LOG_BLOCK_BYTES * each(1);
    Frama_C_make_unknown((char *)vault_id, sizeof(vault_id));
    if (pl_frame_tail(NULL, &t, pl_span(proof_bytes(n), n), vault_id) == PL_OK)
        PROOF_CLAIM(n > 0 || t == PL_TAIL_END);
}

static void opened(void)
{
    static struct pl_epoch e;
    struct pl_frame_reader r;
    struct pl_entry entry;
    size_t n = PL_LOG_BLOCK_BYTES;
    Frama_C_make_unknown((char *)&e, sizeof(e));
    PROOF_CLAIM(pl_frame_open(NULL, &e, &r, proof_bytes(n), n) != PL_OK);
    PROOF_CLAIM(!pl_frame_next(&r, &entry));
}

/* What opened, as the check of its entries and then the reader see it: entries lie inside. */
static void entries(void)
{
    struct pl_frame_reader r;
    struct pl_entry entry;
    size_t n = each(MAX);
    uint8_t *b = proof_bytes(n);
    if (check_entries(&r, pl_span(b, n)) != PL_OK)
        return;
    if (pl_frame_next(&r, &entry))
        PROOF_CLAIM(entry.body.n <= n &&
                    (entry.body.n == 0 || entry.body.p + entry.body.n <= b + n));
}

int main(void)
{
    enum { HEADER, TAIL, OPEN, ENTRIES };
    switch (OP) {
    case HEADER:
        header();
        break;
    case TAIL:
        tail();
        break;
    case OPEN:
        opened();
        break;
    case ENTRIES:
        entries();
        break;
    }
    return 0;
}
