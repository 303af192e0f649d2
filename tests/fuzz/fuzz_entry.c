/* Entries of vaults and their withdrawals: what is refused is zeroed, what is read has the form
 * that the contract promises. A withdrawal is read with the key that its carrier names. */
#include "attest/entry.h"
#include "fuzz.h"

static void check_entry(const struct pl_vault_entry *e)
{
    const struct pl_api_vault_entry *m = &e->said;
    FUZZ_CHECK(m->not_before >= 0 && m->not_after > m->not_before);
    FUZZ_CHECK(m->not_after - m->not_before <= PL_VAULT_ENTRY_LIFE_MAX_S);
    FUZZ_CHECK(m->endpoints.n > 0 && e->cert.has_pleiad);
    for (size_t i = 0; i < m->endpoints.n; i++)
        FUZZ_CHECK(pl_endpoint_ok(m->endpoints.v[i]));
    for (size_t i = 0; i < m->labels.n; i++)
        FUZZ_CHECK(pl_label_ok(m->labels.v[i]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct pl_crypto *c;
    static struct pl_vault_entry entry;
    static uint8_t buf[PL_VAULT_ENTRY_SCRATCH];
    struct pl_carrier k;
    struct pl_api_vault_leave leave;
    struct pl_arena scratch = pl_arena(buf, sizeof(buf));
    if (!c)
        FUZZ_CHECK(pl_crypto_new(&c) == PL_OK);
    pl_err e = pl_vault_entry_read(c, &entry, pl_span(data, size), &scratch);
    if (e == PL_OK) {
        check_entry(&entry);
    } else {
        FUZZ_CHECK(pl_err_code(e) != PL_E_NO_MEMORY); /* the scratch is enough */
        FUZZ_CHECK(pl_span_zero(pl_span(&entry, sizeof(entry))));
    }
    if (pl_carrier_read(c, &k, pl_span(data, size)) != PL_OK)
        return 0;
    e = pl_vault_leave_read(c, &leave, &k.signer, pl_span(data, size));
    FUZZ_CHECK(e == PL_OK || pl_span_zero(pl_span(&leave, sizeof(leave))));
    return 0;
}
