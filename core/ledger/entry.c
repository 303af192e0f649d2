#include "ledger/internal.h"

static const struct {
    unsigned number;
    const char *name, *text;
} kinds[] = {
#define PL_ENTRY(name, number, text) {number, #name, text},
#include "ledger/entry.def"
#undef PL_ENTRY
};

const char *pl_entry_name(unsigned kind)
{
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (kinds[i].number == kind)
            return kinds[i].name;
    return NULL;
}

const char *pl_entry_text(unsigned kind)
{
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (kinds[i].number == kind)
            return kinds[i].text;
    return NULL;
}

/* A key of the epoch, told apart from its others by the label. */
static pl_err derive(struct pl_crypto *c, uint8_t out[static 32], const uint8_t *root,
                     const struct pl_epoch *e, const char *label)
{
    uint8_t mem[32 + PL_VAULT_ID_BYTES + 8];
    struct pl_wr info = pl_wr_fixed(mem, sizeof(mem));
    pl_wr_str(&info, label);
    pl_wr_bytes(&info, PL_ARR(e->vault_id));
    pl_wr_be64(&info, e->number);
    PL_TRY(pl_wr_end(&info));
    return pl_hkdf(c, out, 32, pl_span(root, PL_ROOT_KEY_BYTES), PL_ARR(e->salt),
                   pl_wr_span(&info));
}

pl_err pl_epoch_begin(struct pl_crypto *c, struct pl_epoch *out, const struct pl_epoch_start *start)
{
    *out = (struct pl_epoch){.number = start->number, .index = start->end->index};
    memcpy(out->vault_id, start->vault_id, sizeof(out->vault_id));
    memcpy(out->salt, start->salt, sizeof(out->salt));
    memcpy(out->tag, start->end->tag, sizeof(out->tag));
    PL_TRY(derive(c, out->key, start->root, out, "pleiad log frame 1"));
    return derive(c, out->salt_key, start->root, out, "pleiad log entry salt 1");
}

pl_err pl_entry_salt(struct pl_crypto *c, uint8_t out[static PL_SHA256_BYTES],
                     const struct pl_epoch *e, uint64_t index)
{
    uint8_t be[8];
    pl_put_be64(be, index);
    return pl_hmac(c, out, PL_ARR(e->salt_key), &(struct pl_span){be, sizeof(be)}, 1);
}

pl_err pl_entry_commitment(struct pl_crypto *c, uint8_t out[static PL_SHA256_BYTES],
                           const uint8_t salt[static PL_SHA256_BYTES], const struct pl_entry *entry)
{
    const uint8_t kind[2] = {(uint8_t)(entry->kind >> 8), (uint8_t)entry->kind};
    const struct pl_span parts[] = {pl_span(salt, PL_SHA256_BYTES), PL_ARR(kind), entry->body};
    return pl_sha256(c, out, parts, 3);
}

pl_err pl_entry_leaf(struct pl_crypto *c, uint8_t out[static PL_SHA256_BYTES],
                     const uint8_t commitment[static PL_SHA256_BYTES])
{
    static const uint8_t leaf[1] = {0x00};
    const struct pl_span parts[] = {PL_ARR(leaf), pl_span(commitment, PL_SHA256_BYTES)};
    return pl_sha256(c, out, parts, 2);
}
