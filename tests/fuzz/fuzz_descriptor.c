/* Descriptor files and what hangs on them: the schema's counts, vaults' statements, the owner's
 * certificates. What is read is written as the same and shown in full. */
#include "fuzz.h"

#include "client/internal.h"

#include <string.h>

static void check_vault(struct pl_crypto *c, const struct pl_api_descriptor *m, size_t i)
{
    struct pl_anchor anchor = {.profiles = 0};
    const struct pl_api_descriptor_vault *v = &m->vaults.v[i];
    uint8_t handle[16], policy[32], commitment[32];
    struct pl_pub signer;
    struct pl_owner_cert cert;
    struct pl_commit what = {.generation = m->generation};
    memcpy(what.vault_id, v->vault_id, 32);
    memcpy(what.key_id, m->key_id, 32);
    FUZZ_CHECK(pl_commitment(c, commitment, PL_ARR(m->link_secret), &what) == PL_OK);
    struct pl_expected want = {v->vault_id, v->handle,  v->policy_sha256,
                               what.bound,  commitment, m->generation};
    pl_err e = pl_key_statement_peek(c, handle, policy, v->statement);
    if (pl_key_statement_check(c, &signer, v->statement, &want) == PL_OK)
        FUZZ_CHECK(e == PL_OK && memcmp(handle, v->handle, 16) == 0);
    FUZZ_CHECK(pl_anchor_cert(c, &anchor, &cert, v->certificate, &what, m->name) != PL_OK);
    if (pl_owner_cert_verify(c, &cert, v->certificate) != PL_OK)
        return;
    memcpy(anchor.owner_sha256, cert.root_sha256, 32); /* whoever signed it is the owner now */
    if (pl_anchor_cert(c, &anchor, &cert, v->certificate, &what, m->name) == PL_OK)
        FUZZ_CHECK(memcmp(cert.vault_id, v->vault_id, 32) == 0);
}

static void check_again(struct pl_app *app, const struct pl_descriptor *d)
{
    struct pl_wr text PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_DESCRIPTOR_MAX);
    struct pl_wr file PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_DESCRIPTOR_MAX);
    struct pl_api_descriptor_file f = {0};
    struct pl_descriptor again;
    FUZZ_CHECK(pl_api_write_descriptor(&text, &d->m) == PL_OK);
    f.descriptor = pl_wr_span(&text);
    memcpy(f.mac, d->mac, sizeof(f.mac));
    FUZZ_CHECK(pl_api_write_descriptor_file(&file, &f) == PL_OK);
    FUZZ_CHECK(pl_descriptor_read(&again, app, pl_wr_span(&file)) == PL_OK);
    FUZZ_CHECK(again.m.vaults.n == d->m.vaults.n && strcmp(again.m.name, d->m.name) == 0);
    FUZZ_CHECK(memcmp(again.m.key_id, d->m.key_id, 32) == 0);
    pl_descriptor_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct pl_app app;
    static struct pl_descriptor_info info;
    struct pl_descriptor d;
    if (!app.crypto)
        FUZZ_CHECK(pl_crypto_new(&app.crypto) == PL_OK);
    pl_err e = pl_descriptor_info(&info, &app, data, size);
    FUZZ_CHECK(pl_descriptor_read(&d, &app, pl_span(data, size)) == e);
    if (e != PL_OK) {
        FUZZ_CHECK(!d.scratch && !d.copy.p && info.vaults == 0);
        return 0;
    }
    FUZZ_CHECK(info.k >= 2 && info.k <= info.n && info.n == info.vaults);
    FUZZ_CHECK(info.vaults <= PL_VAULTS_MAX);
    for (size_t i = 0; i < d.m.vaults.n; i++)
        check_vault(app.crypto, &d.m, i);
    check_again(&app, &d);
    pl_descriptor_free(&d);
    return 0;
}
