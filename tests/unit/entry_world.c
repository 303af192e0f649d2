#include "entry_world.h"

#include <string.h>

int64_t entry_t0 = 1800000000, entry_collateral_end;
static struct pl_crypto *crypto;

static pl_err random_of_test(void *out, size_t n)
{
    static uint64_t seed = 77;
    test_fill(out, n, seed++);
    return PL_OK;
}

static pl_err make_collateral(struct entry_hw *w)
{
    struct pl_wr *f = w->file;
    for (int i = 0; i < 6; i++)
        f[i] = pl_wr_heap(PL_COLLATERAL_JSON_MAX);
    PL_TRY(pl_fx_certs(&w->fx));
    PL_TRY(pl_fx_tcb_info(&w->fx, &f[0]));
    pl_fx_signer_chain(&w->fx, &f[1], &w->fx.der.tcb_signer);
    PL_TRY(pl_fx_qe_identity(&w->fx, &f[2]));
    pl_fx_signer_chain(&w->fx, &f[3], &w->fx.der.qe_signer);
    PL_TRY(pl_fx_crl(&w->fx, &f[4], &w->fx.pck_crl));
    PL_TRY(pl_fx_crl(&w->fx, &f[5], &w->fx.root_crl));
    const struct pl_collateral_in in = {
        .tee = PL_TEE_SGX,
        .tcb_info = pl_wr_span(&f[0]),
        .tcb_info_chain = pl_wr_span(&f[1]),
        .qe_identity = pl_wr_span(&f[2]),
        .qe_identity_chain = pl_wr_span(&f[3]),
        .pck_crl = pl_wr_span(&f[4]),
        .root_crl = pl_wr_span(&f[5]),
    };
    PL_TRY(pl_roots_add_cert(w->c, &w->roots, PL_TEE_SGX, PL_TRUST_DEV, "sim",
                             pl_span(w->fx.der.root.p, w->fx.der.root.n)));
    return pl_collateral_verify(w->c, &w->roots, &w->coll, &in);
}

bool entry_hw(struct entry_hw *w)
{
    if (w->c)
        return true;
    if (!crypto && !CHECK_OK(pl_crypto_new(&crypto)))
        return false;
    w->c = crypto;
    if (!CHECK_OK(pl_fx_world_init(&w->fx, w->c, random_of_test, entry_t0)))
        return false;
    entry_collateral_end = entry_t0 + 5 * 24 * 3600;
    w->fx.tcb_info.next_update_s = entry_collateral_end;
    if (!CHECK_OK(make_collateral(w)))
        return false;
    memset(w->fx.report.mrenclave, 0x6d, sizeof(w->fx.report.mrenclave));
    w->v = (struct pl_verifier){
        .crypto = w->c,
        .roots = &w->roots,
        .collateral = &w->coll,
        .collateral_n = 1,
        .now = {entry_t0 - 1, entry_t0 + 1},
    };
    return true;
}

static pl_err make_key(struct pl_crypto *c, struct pl_priv *priv, struct pl_pub *pub, uint64_t seed)
{
    uint8_t bytes[PL_P256_SEED_BYTES];
    test_fill(bytes, sizeof(bytes), seed);
    priv->type = pub->type = PL_PUB_P256;
    return pl_p256_make(c, priv->raw, pub->raw, bytes);
}

static pl_err make_identity(struct entry_vault *v, struct pl_crypto *c, uint64_t seed)
{
    uint8_t spki[PL_SPKI_MAX];
    PL_TRY(make_key(c, &v->identity, &v->self.identity, 100 * seed));
    for (unsigned u = 0; u < PL_USES; u++)
        PL_TRY(make_key(c, &v->use[u], &v->self.use[u], 100 * seed + 1 + u));
    PL_TRY(
        pl_sha256_one(c, v->self.vault_id, pl_span(spki, pl_pub_to_spki(spki, &v->self.identity))));
    return pl_key_list_make(c, &v->key_list, &v->self, &v->identity);
}

static pl_err put_quote(struct entry_hw *w, struct pl_wr *out, struct pl_span claims)
{
    struct pl_wr chain PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_PCK_CHAIN_MAX);
    PL_TRY(pl_ratls_report_data(w->c, w->fx.report.report_data, claims));
    pl_fx_pck_chain(&w->fx, &chain);
    return pl_fx_quote(&w->fx, out, pl_wr_span(&chain));
}

static pl_err make_leaf(struct entry_vault *v, struct entry_hw *w, uint8_t config)
{
    struct pl_ratls_new n = {.name = "pleiad vault",
                             .serial = {1},
                             .valid = {entry_t0 - 300, entry_t0 - 300 + 24 * 3600 - 1}};
    struct pl_pleiad_claims p = {
        .epoch = 3, .not_before_s = n.valid.from_s, .not_after_s = n.valid.to_s};
    struct pl_leaf leaf = {.epoch = 3, .not_after_s = n.valid.to_s};
    uint8_t claims_buf[PL_RATLS_CLAIMS_BYTES], spki[PL_SPKI_MAX];
    struct pl_pub pub;
    struct pl_wr claims = pl_wr_fixed(claims_buf, sizeof(claims_buf));
    struct pl_wr quote PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_FX_QUOTE_MAX);
    struct pl_wr proof PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_LEAF_PROOF_BYTES);
    struct pl_wr ext PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_RATLS_MAX);
    memset(p.config_root, config, sizeof(p.config_root));
    memcpy(p.vault_id, v->self.vault_id, sizeof(p.vault_id));
    PL_TRY(make_key(w->c, &v->leaf_key, &pub, 4711));
    PL_TRY(pl_sha256_one(w->c, leaf.spki_sha256, pl_span(spki, pl_pub_to_spki(spki, &pub))));
    pl_ratls_claims(&claims, leaf.spki_sha256, &p);
    PL_TRY(put_quote(w, &quote, pl_wr_span(&claims)));
    PL_TRY(pl_leaf_proof_make(w->c, &proof, pl_wr_span(&v->key_list), &v->use[PL_USE_ATTESTATION],
                              &leaf));
    pl_ratls_put_evidence(&ext, pl_wr_span(&quote), pl_wr_span(&claims));
    pl_ratls_put_extension(&ext, pl_leaf_oid(), pl_wr_span(&proof));
    n.extensions = pl_wr_span(&ext);
    pl_wr_free(&v->leaf);
    v->leaf = pl_wr_heap(PL_RATLS_MAX);
    return pl_ratls_make(w->c, &v->leaf, &v->leaf_key, &n);
}

bool entry_leaf(struct entry_vault *v, struct entry_hw *w, uint8_t config)
{
    bool ok = CHECK_OK(make_leaf(v, w, config));
    v->m.certificate = pl_wr_span(&v->leaf);
    return ok;
}

bool entry_vault(struct entry_vault *v, struct entry_hw *w, uint64_t seed)
{
    static const struct pl_span endpoints[] = {{(const uint8_t *)"vault.example:8443", 18},
                                               {(const uint8_t *)"[2001:db8::1]:443", 17}};
    static const struct pl_span labels[] = {{(const uint8_t *)"site=fra", 8}};
    *v = (struct entry_vault){.key_list = pl_wr_heap(PL_KEY_LIST_BYTES)};
    if (!CHECK_OK(make_identity(v, w->c, seed)))
        return false;
    pl_hex(v->measurement, PL_ARR(w->fx.report.mrenclave));
    v->m = (struct pl_api_vault_entry){
        .endpoints = {endpoints, 2},
        .key_list = pl_wr_span(&v->key_list),
        .labels = {labels, 1},
        .measurement = v->measurement,
        .not_before = entry_t0 - 300,
        .not_after = entry_t0 - 300 + PL_VAULT_ENTRY_LIFE_S,
        .serial = 7,
        .tee = "sim-sgx",
    };
    memset(v->m.config_root, 0xc0, sizeof(v->m.config_root));
    memcpy(v->m.vault_id, v->self.vault_id, sizeof(v->m.vault_id));
    return entry_leaf(v, w, 0xc0);
}

void entry_vault_free(struct entry_vault *v)
{
    pl_wr_free(&v->key_list);
    pl_wr_free(&v->leaf);
}

bool entry_sign_text(struct entry_hw *w, struct pl_wr *out, const struct pl_priv *key,
                     struct pl_span statement)
{
    pl_wr_free(out);
    *out = pl_wr_heap(PL_CARRIER_MAX);
    return CHECK_OK(pl_signed_make(w->c, out, key, "pleiad-entry-1", statement));
}

/* Not by pl_vault_entry_make, which refuses what a test wants to say. */
bool entry_sign(struct entry_vault *v, struct entry_hw *w, struct pl_wr *out)
{
    struct pl_wr text PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_CARRIER_MAX);
    return CHECK_OK(pl_api_write_vault_entry(&text, &v->m)) &&
           entry_sign_text(w, out, &v->use[PL_USE_REGISTRY], pl_wr_span(&text));
}
