#include "ledger/internal.h"

static const char magic[8] = {'P', 'L', 'S', 'N', 'A', 'P', '0', '1'};

static pl_err derive(struct pl_crypto *c, struct pl_snapshot_codec *k, const uint8_t *root)
{
    struct pl_span salt =
        pl_span(k->header + sizeof(magic) + PL_VAULT_ID_BYTES, PL_EPOCH_SALT_BYTES);
    return pl_hkdf(c, k->key, sizeof(k->key), pl_span(root, PL_ROOT_KEY_BYTES), salt,
                   PL_LIT("pleiad snapshot 1"));
}

pl_err pl_snapshot_begin(struct pl_crypto *c, struct pl_snapshot_codec *out,
                         const struct pl_snapshot *info,
                         const uint8_t root[static PL_ROOT_KEY_BYTES],
                         const uint8_t salt[static PL_EPOCH_SALT_BYTES])
{
    PL_ASSERT(info->at.index > 0 && info->at.epoch > 0);
    *out = (struct pl_snapshot_codec){.chunk = 0};
    struct pl_wr w = pl_wr_fixed(out->header, sizeof(out->header));
    pl_wr_bytes(&w, PL_ARR(magic));
    pl_wr_bytes(&w, PL_ARR(info->vault_id));
    pl_wr_bytes(&w, pl_span(salt, PL_EPOCH_SALT_BYTES));
    pl_wr_be64(&w, info->at.index);
    pl_wr_be64(&w, info->at.epoch);
    pl_wr_be64(&w, info->at.sequence);
    pl_wr_bytes(&w, PL_ARR(info->at.tag));
    pl_wr_bytes(&w, PL_ARR(info->tree));
    PL_TRY(pl_wr_end(&w));
    return derive(c, out, root);
}

/* The chunk's number and whether it is the last are in the nonce: no chunk opens at another's
 * place, and none but the last ends a snapshot. */
static void nonce_of(uint8_t out[static PL_GCM_IV_BYTES], const struct pl_snapshot_codec *k,
                     bool last)
{
    memset(out, 0, PL_GCM_IV_BYTES);
    out[0] = last;
    pl_put_be64(out + PL_GCM_IV_BYTES - 8, k->chunk);
}

pl_err pl_snapshot_seal(struct pl_crypto *c, struct pl_snapshot_codec *k, uint8_t *out,
                        struct pl_span in, bool last)
{
    PL_ASSERT(!k->done && (in.n == PL_SNAPSHOT_CHUNK || (last && in.n < PL_SNAPSHOT_CHUNK)));
    uint8_t iv[PL_GCM_IV_BYTES];
    nonce_of(iv, k, last);
    k->chunk++;
    k->done = last;
    return pl_gcm_seal(c, out, k->key, iv, PL_ARR(k->header), in);
}

pl_err pl_snapshot_read(struct pl_crypto *c, struct pl_snapshot_codec *out,
                        struct pl_snapshot *out_info, struct pl_span in,
                        const uint8_t root[static PL_ROOT_KEY_BYTES])
{
    *out = (struct pl_snapshot_codec){.chunk = 0};
    struct pl_rd r = pl_rd(in);
    pl_rd_copy(&r, out->header, sizeof(out->header));
    PL_REQUIRE(!r.bad, SNAPSHOT_HEADER);
    r = pl_rd(PL_ARR(out->header));
    struct pl_span got = pl_rd_bytes(&r, sizeof(magic));
    pl_rd_copy(&r, out_info->vault_id, sizeof(out_info->vault_id));
    pl_rd_bytes(&r, PL_EPOCH_SALT_BYTES);
    out_info->at.index = pl_rd_be64(&r);
    out_info->at.epoch = pl_rd_be64(&r);
    out_info->at.sequence = pl_rd_be64(&r);
    pl_rd_copy(&r, out_info->at.tag, sizeof(out_info->at.tag));
    pl_rd_copy(&r, out_info->tree, sizeof(out_info->tree));
    PL_TRY(pl_rd_end(&r));
    PL_REQUIRE(pl_span_eq(got, PL_ARR(magic)) && out_info->at.index > 0 &&
                   out_info->at.index != PL_INDEX_ANY && out_info->at.epoch > 0 &&
                   out_info->at.sequence < PL_EPOCH_FRAMES_MAX,
               SNAPSHOT_HEADER);
    return derive(c, out, root);
}

pl_err pl_snapshot_open(struct pl_crypto *c, struct pl_snapshot_codec *k, uint8_t *out,
                        struct pl_span in, bool last)
{
    PL_REQUIRE(!k->done && in.n >= PL_GCM_TAG_BYTES, SNAPSHOT_SEAL);
    size_t n = in.n - PL_GCM_TAG_BYTES;
    PL_REQUIRE(n == PL_SNAPSHOT_CHUNK || (last && n < PL_SNAPSHOT_CHUNK), SNAPSHOT_SEAL);
    uint8_t iv[PL_GCM_IV_BYTES];
    nonce_of(iv, k, last);
    pl_err e = pl_gcm_open(c, out, k->key, iv, PL_ARR(k->header), in);
    PL_REQUIRE(pl_err_code(e) != PL_E_DECRYPT, SNAPSHOT_SEAL);
    k->chunk++;
    k->done = last;
    return e;
}
