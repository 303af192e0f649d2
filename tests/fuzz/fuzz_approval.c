/* Files of approvals: what reads is what its statement says, covers each vault that it shows and no
 * other, and takes one approval more. */
#include "fuzz.h"
#include "client/approval.h"

#include <string.h>

static void free_file(struct pl_approval_file *f) { pl_approval_free(f); }

static void covers_what_it_shows(struct pl_crypto *c, const struct pl_approval_file *f)
{
    struct pl_statement s;
    struct pl_wr carrier PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_STATEMENT_BYTES);
    static const struct pl_priv key = {PL_PUB_ED25519, {1}};
    FUZZ_CHECK(pl_statement_sign(&carrier, c, f->text, &key) == PL_OK);
    FUZZ_CHECK(pl_statement_verify(c, &s, pl_wr_span(&carrier), NULL) == PL_OK);
    FUZZ_CHECK(s.typ == PL_TYP_APPROVAL && memcmp(s.sha256, f->statement.sha256, 32) == 0);
    struct pl_caller who = {.client_spki_sha256 = s.requester, .now = {s.iat_s, s.iat_s}};
    for (size_t i = 0; i < f->vaults; i++) {
        struct pl_act act = f->act[i];
        FUZZ_CHECK(pl_approval_covers(c, &s, &act, f->policy[i], &who) == PL_OK);
        FUZZ_CHECK(pl_request_covers(c, &s, &act, s.requester, who.now) != PL_OK);
        act.handle[0] ^= 1;
        FUZZ_CHECK(pl_approval_covers(c, &s, &act, f->policy[i], &who) != PL_OK);
    }
    uint8_t other[32] = {0x55};
    who.client_spki_sha256 = other;
    pl_err e = pl_approval_covers(c, &s, &f->act[0], f->policy[0], &who);
    FUZZ_CHECK(e != PL_OK || memcmp(s.requester, other, 32) == 0);
}

static void takes_one_more(struct pl_crypto *c, const struct pl_approval_file *f)
{
    static const struct pl_priv key = {PL_PUB_ED25519, {2}};
    struct pl_wr w PL_CLEANUP(pl_wr_free) = pl_wr_heap(2 * PL_APPROVAL_FILE);
    struct pl_approval_file g PL_CLEANUP(free_file) = {0};
    if (pl_approval_add(&w, c, f, &key) != PL_OK || w.n > PL_APPROVAL_FILE)
        return;
    FUZZ_CHECK(pl_approval_read(&g, c, pl_wr_span(&w)) == PL_OK);
    FUZZ_CHECK(g.approvals == f->approvals + 1 && g.by[f->approvals].proof == PL_OK);
    FUZZ_CHECK(pl_approval_add(&w, c, &g, &key) != PL_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct pl_crypto *c;
    if (!c)
        FUZZ_CHECK(pl_crypto_new(&c) == PL_OK);
    struct pl_approval_file f PL_CLEANUP(free_file) = {0};
    if (pl_approval_read(&f, c, pl_span(data, size)) != PL_OK)
        return 0;
    FUZZ_CHECK(f.vaults >= 1 && f.statement.targets >= 8);
    covers_what_it_shows(c, &f);
    takes_one_more(c, &f);
    return 0;
}
