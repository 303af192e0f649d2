/* A vault's state from a snapshot's items and from the entries of a log, after their seals were
 * opened: another build may have written them. An even first byte: the items, in pieces of the
 * second byte; odd: entries, each u8 kind, u16 length, body. What loads is given out again as
 * items, and those load as the same. */
#include "any_signature.h"
#include "fuzz.h"
#include "vault/vault.h"

#include <string.h>

enum { STATE_MAX = 1 << 21 };

static struct pl_crypto *c;
static const struct pl_vault_self self = {.vault_id = {1}};
static const uint8_t seed[16] = {1};

static bool load(struct pl_vault *v, struct pl_span in, size_t cut)
{
    size_t at = 0;
    for (; in.n - at > cut; at += cut)
        if (pl_vault_load(v, c, pl_span_sub(in, at, cut), false) != PL_OK)
            return false;
    pl_err e = pl_vault_load(v, c, pl_span_sub(in, at, in.n - at), true);
    FUZZ_CHECK(pl_err_code(e) != PL_E_BUG);
    return e == PL_OK;
}

static void take(struct pl_vault *v, struct pl_wr *out)
{
    struct pl_frozen *f;
    uint8_t piece[977];
    size_t n;
    FUZZ_CHECK(pl_vault_freeze(v, &f) == PL_OK);
    while (pl_frozen_step(f, v))
        do {
            FUZZ_CHECK(pl_frozen_read(f, piece, sizeof(piece), &n) == PL_OK);
            pl_wr_bytes(out, pl_span(piece, n));
        } while (n == sizeof(piece));
    FUZZ_CHECK(!out->bad);
    pl_frozen_free(f);
}

static void free_vault(struct pl_vault **v) { pl_vault_free(*v); }

static void check(struct pl_vault *v)
{
    struct pl_wr first PL_CLEANUP(pl_wr_free) = pl_wr_heap(STATE_MAX);
    struct pl_wr second PL_CLEANUP(pl_wr_free) = pl_wr_heap(STATE_MAX);
    struct pl_vault *again PL_CLEANUP(free_vault) = NULL;
    struct pl_vault_status a, b;
    take(v, &first);
    FUZZ_CHECK(pl_vault_new(&again, &self, seed) == PL_OK);
    FUZZ_CHECK(load(again, pl_wr_span(&first), 1000));
    take(again, &second);
    FUZZ_CHECK(pl_span_eq(pl_wr_span(&first), pl_wr_span(&second)));
    pl_vault_status(v, &a);
    pl_vault_status(again, &b);
    FUZZ_CHECK(a.keys == b.keys && a.prepared == b.prepared && a.boots == b.boots);
}

static void entries(struct pl_vault *v, struct pl_span in)
{
    struct pl_rd r = pl_rd(in);
    for (uint64_t i = 0; pl_rd_left(&r) >= 3; i++) {
        struct pl_entry e = {.index = i, .kind = (enum pl_entry_kind)pl_rd_u8(&r)};
        size_t n = pl_rd_be16(&r);
        e.body = pl_rd_bytes(&r, n < pl_rd_left(&r) ? n : pl_rd_left(&r));
        pl_err err = pl_entry_name(e.kind) ? pl_vault_replay(v, c, &e) : PL_OK;
        FUZZ_CHECK(pl_err_code(err) != PL_E_BUG);
        if (err != PL_OK)
            return;
    }
    check(v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pl_vault *v PL_CLEANUP(free_vault) = NULL;
    if (!c)
        FUZZ_CHECK(pl_crypto_new(&c) == PL_OK);
    if (size < 2)
        return 0;
    FUZZ_CHECK(pl_vault_new(&v, &self, seed) == PL_OK);
    if (data[0] & 1)
        entries(v, pl_span(data + 1, size - 1));
    else if (load(v, pl_span(data + 2, size - 2), data[1] ? data[1] : SIZE_MAX))
        check(v);
    return 0;
}
