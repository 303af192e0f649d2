/* Entries of vaults: whole, with every byte changed, with every field saying something else. */
#include "entry_world.h"

#include <string.h>

static struct entry_hw hw;
static struct entry_vault vault, other;
static struct pl_wr carrier;
static struct pl_vault_entry entry;
static struct pl_claims claims;

static bool ready(void)
{
    static bool made;
    if (!made)
        made = entry_hw(&hw) && entry_vault(&vault, &hw, 1) && entry_vault(&other, &hw, 2);
    return CHECK(made);
}

static pl_err verify_at(struct pl_span in, struct pl_interval now)
{
    static uint8_t scratch[PL_VAULT_ENTRY_SCRATCH];
    struct pl_arena a = pl_arena(scratch, sizeof(scratch));
    struct pl_verifier v = hw.v;
    v.now = now;
    pl_err e = pl_vault_entry_verify(&v, &entry, &claims, in, &a);
    if (e != PL_OK) {
        CHECK(pl_span_zero(pl_span(&entry, sizeof(entry))));
        CHECK(pl_span_zero(pl_span(&claims, sizeof(claims))));
    }
    return e;
}

static pl_err verify(struct pl_span in) { return verify_at(in, hw.v.now); }

/* What `v` says now, signed by it. */
static pl_err said(struct entry_vault *v)
{
    if (!entry_sign(v, &hw, &carrier))
        return PL_FAIL(BUG);
    return verify(pl_wr_span(&carrier));
}

TEST(a_true_entry_verifies)
{
    struct pl_profile p;
    NEED(ready());
    NEED(CHECK_OK(said(&vault)));
    CHECK(entry.said.serial == 7 && entry.said.endpoints.n == 2);
    CHECK_BYTES(PL_ARR(entry.said.vault_id), PL_ARR(vault.self.vault_id));
    CHECK_BYTES(PL_ARR(claims.pleiad.config_root), PL_ARR(vault.m.config_root));
    CHECK(claims.has_pleiad && strcmp(claims.name, "sim-sgx") == 0);
    CHECK(claims.earliest_s >= vault.m.not_before && claims.latest_s <= vault.m.not_after);
    pl_profile_init(&p);
    memcpy(p.tee, "sim-sgx", sizeof("sim-sgx"));
    p.any_platform = true;
    p.mrenclaves = 1;
    memcpy(p.mrenclave[0], hw.fx.report.mrenclave, 32);
    CHECK_OK(pl_profile_match(&claims, &p, hw.v.now));
}

TEST(what_is_made_is_what_is_read)
{
    struct pl_wr made PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_CARRIER_MAX);
    NEED(ready());
    NEED(CHECK_OK(pl_vault_entry_make(hw.c, &made, &vault.m, &vault.use[PL_USE_REGISTRY])));
    CHECK(made.n <= PL_VAULT_ENTRY_MAX);
    CHECK_OK(verify(pl_wr_span(&made)));
    CHECK(entry.said.not_after == vault.m.not_after);
}

TEST(the_certificate_may_have_expired_but_the_entry_may_not)
{
    NEED(ready() && CHECK_OK(said(&vault)));
    struct pl_span in = pl_wr_span(&carrier);
    const int64_t to = vault.m.not_after, from = vault.m.not_before;
    CHECK_OK(verify_at(in, (struct pl_interval){from, from}));
    CHECK_OK(verify_at(in, (struct pl_interval){entry_t0 + 30 * 3600, entry_t0 + 30 * 3600}));
    CHECK_OK(verify_at(in, (struct pl_interval){to, to}));
    CHECK_ERR(verify_at(in, (struct pl_interval){to + 1, to + 1}), ENTRY_EXPIRED);
    CHECK_ERR(verify_at(in, (struct pl_interval){from - 1, from - 1}), ENTRY_EXPIRED);
    CHECK_ERR(verify_at(in, (struct pl_interval){to - 1, to + 1}), EVIDENCE_TIME);
    CHECK_ERR(verify_at(in, PL_TIME_UNKNOWN), EVIDENCE_TIME);
}

TEST(every_byte_counts)
{
    struct pl_wr copy PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_CARRIER_MAX);
    NEED(ready() && CHECK_OK(said(&vault)));
    pl_wr_bytes(&copy, pl_wr_span(&carrier));
    NEED(CHECK_OK(pl_wr_end(&copy)));
    uint8_t *p = copy.p;
    unsigned passed = 0, tried = 0;
    for (size_t i = 0; i < copy.n; i += i < 512 ? 1 : 13, tried++) {
        p[i] ^= 1;
        passed += verify(pl_wr_span(&copy)) == PL_OK;
        p[i] ^= 1;
    }
    CHECK(tried > 1000 && passed == 0);
    CHECK_OK(verify(pl_wr_span(&copy)));
}

/* Each is signed by the vault's own registry key: a vault that lies, or that is mistaken. */
TEST(a_signed_lie_is_no_entry)
{
    NEED(ready());
    struct entry_vault liar = vault;
    memcpy(liar.m.vault_id, other.self.vault_id, 32);
    CHECK_ERR(said(&liar), KEY_LIST);
    liar = vault;
    liar.m.config_root[31] ^= 1;
    CHECK_ERR(said(&liar), ENTRY_CLAIMS);
    liar = vault;
    liar.m.tee = "sgx";
    CHECK_ERR(said(&liar), ENTRY_CLAIMS);
    liar = vault;
    char m[65];
    memcpy(m, vault.measurement, sizeof(m));
    m[0] = '0';
    liar.m.measurement = m;
    CHECK_ERR(said(&liar), ENTRY_CLAIMS);
    m[0] = 'F';
    CHECK_ERR(said(&liar), ENTRY_VALUE);
}

TEST(another_vaults_parts_do_not_fit)
{
    NEED(ready());
    struct entry_vault thief = vault;
    thief.m.certificate = other.m.certificate; /* same program, same machine */
    CHECK_ERR(said(&thief), KEY_LIST);
    thief = vault;
    thief.m.key_list = other.m.key_list;
    CHECK_ERR(said(&thief), KEY_LIST);
    thief = vault;
    thief.use[PL_USE_REGISTRY] = other.use[PL_USE_REGISTRY];
    CHECK_ERR(said(&thief), ENTRY_SIGNER);
    thief = vault;
    thief.use[PL_USE_REGISTRY] = vault.use[PL_USE_ATTESTATION]; /* each key has one use */
    CHECK_ERR(said(&thief), ENTRY_SIGNER);
    thief = vault;
    thief.use[PL_USE_REGISTRY] = vault.identity;
    CHECK_ERR(said(&thief), ENTRY_SIGNER);
}

/* Another program on the same machine makes a leaf that names this vault's id. */
TEST(a_leaf_that_the_vault_did_not_vouch_for)
{
    NEED(ready());
    struct entry_vault v = vault;
    v.leaf = (struct pl_wr){0};
    v.use[PL_USE_ATTESTATION] = other.use[PL_USE_ATTESTATION];
    NEED(entry_leaf(&v, &hw, 0xc0));
    CHECK_ERR(said(&v), LEAF_PROOF);
    pl_wr_free(&v.leaf);
}

TEST(the_configuration_is_the_one_in_the_evidence)
{
    NEED(ready());
    struct entry_vault v = vault;
    v.leaf = (struct pl_wr){0};
    NEED(entry_leaf(&v, &hw, 0xc1));
    CHECK_ERR(said(&v), ENTRY_CLAIMS);
    memset(v.m.config_root, 0xc1, 32);
    CHECK_OK(said(&v));
    pl_wr_free(&v.leaf);
}

TEST(a_certificate_without_evidence_is_none)
{
    struct pl_wr der PL_CLEANUP(pl_wr_free) = pl_wr_heap(4096);
    const struct pl_ratls_new n = {
        .name = "x", .serial = {1}, .valid = {entry_t0 - 300, entry_t0 + 3600}};
    NEED(ready());
    NEED(CHECK_OK(pl_ratls_make(hw.c, &der, &vault.leaf_key, &n)));
    struct entry_vault v = vault;
    v.m.certificate = pl_wr_span(&der);
    CHECK_ERR(said(&v), ENTRY_CLAIMS);
}

TEST(evidence_must_hold_now_and_have_been_fresh_then)
{
    NEED(ready());
    struct entry_vault v = vault;
    v.m.not_before = entry_t0 - 300 - 1; /* before the leaf was made */
    CHECK_ERR(said(&v), RATLS_EXPIRED);
    v = vault;
    v.m.not_before = entry_t0 + 24 * 3600; /* an old leaf in a new entry */
    v.m.not_after = v.m.not_before + 3600;
    NEED(entry_sign(&v, &hw, &carrier));
    struct pl_interval then = {v.m.not_before, v.m.not_before};
    CHECK_ERR(verify_at(pl_wr_span(&carrier), then), RATLS_EXPIRED);
    v = vault;
    v.m.not_after = v.m.not_before + PL_VAULT_ENTRY_LIFE_MAX_S; /* longer than the collateral */
    NEED(CHECK_OK(said(&v)));
    CHECK(claims.latest_s == entry_collateral_end);
    then = (struct pl_interval){entry_collateral_end, entry_collateral_end};
    CHECK_OK(verify_at(pl_wr_span(&carrier), then));
    then = (struct pl_interval){entry_collateral_end + 1, entry_collateral_end + 1};
    CHECK(verify_at(pl_wr_span(&carrier), then) != PL_OK);
    struct pl_verifier none = hw.v;
    static uint8_t scratch[PL_VAULT_ENTRY_SCRATCH];
    struct pl_arena a = pl_arena(scratch, sizeof(scratch));
    none.collateral_n = 0;
    CHECK(pl_vault_entry_verify(&none, &entry, &claims, pl_wr_span(&carrier), &a) != PL_OK);
    pl_arena_release(&a, 0);
    none = hw.v;
    none.roots = pl_roots_builtin();
    CHECK(pl_vault_entry_verify(&none, &entry, &claims, pl_wr_span(&carrier), &a) != PL_OK);
}

/* The quote is in the certificate, which anybody can make again around a changed one. */
TEST(evidence_is_verified)
{
    NEED(ready());
    struct entry_vault v = vault;
    struct pl_fx_key pck = hw.fx.pck_key;
    v.leaf = (struct pl_wr){0};
    hw.fx.pck_key = hw.fx.tcb_key; /* a quote that this platform did not sign */
    NEED(entry_leaf(&v, &hw, 0xc0));
    hw.fx.pck_key = pck;
    pl_err e = said(&v);
    CHECK(e != PL_OK && pl_err_class(e) == PL_C_PEER);
    pl_wr_free(&v.leaf);
}

TEST(periods_are_bounded)
{
    NEED(ready());
    struct entry_vault v = vault;
    struct pl_wr made PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_CARRIER_MAX);
    v.m.not_after = v.m.not_before + PL_VAULT_ENTRY_LIFE_MAX_S + 1;
    CHECK_ERR(said(&v), ENTRY_VALUE);
    CHECK_ERR(pl_vault_entry_make(hw.c, &made, &v.m, &v.use[PL_USE_REGISTRY]), ENTRY_VALUE);
    v.m.not_after = v.m.not_before;
    CHECK_ERR(said(&v), ENTRY_VALUE);
    v.m.not_after = v.m.not_before - 1;
    CHECK_ERR(said(&v), ENTRY_VALUE);
}

static pl_err with_endpoint(const char *text)
{
    struct entry_vault v = vault;
    const struct pl_span one = pl_span_str(text);
    v.m.endpoints.v = &one;
    v.m.endpoints.n = 1;
    return said(&v);
}

static pl_err with_label(const char *text)
{
    struct entry_vault v = vault;
    const struct pl_span one = pl_span_str(text);
    v.m.labels.v = &one;
    v.m.labels.n = 1;
    return said(&v);
}

TEST(endpoints_and_labels_have_a_form)
{
    static const char *const good[] = {"a:1", "127.0.0.1:65535", "[::1]:443", "v-1.example.org:80"};
    static const char *const bad[] = {"a",        ":1",      "a:",    "a:0",        "a:65536",
                                      "a:080",    "a:1:2:x", "[]:1",  "[::1:1",     "a b:1",
                                      "a:123456", "[::g]:1", "a/b:1", "http://a:1", "a@b:1"};
    NEED(ready());
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
        CHECK_OK(with_endpoint(good[i]));
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        CHECK_ERR(with_endpoint(bad[i]), ENTRY_VALUE);
    struct entry_vault v = vault;
    v.m.endpoints.n = 0;
    CHECK_ERR(said(&v), ENTRY_VALUE);
    CHECK_OK(with_label("site=fra"));
    CHECK_OK(with_label("a.b_c-1=x=y/z"));
    static const char *const bad_label[] = {"site",  "=x",    "site=", "Site=x",
                                            "a=b c", "a=b&c", "a=%41"};
    for (size_t i = 0; i < sizeof(bad_label) / sizeof(*bad_label); i++)
        CHECK_ERR(with_label(bad_label[i]), ENTRY_VALUE);
}

TEST(other_documents_are_no_entries)
{
    NEED(ready());
    CHECK(verify(PL_LIT("")) != PL_OK);
    CHECK(verify(PL_LIT("{}")) != PL_OK);
    CHECK_ERR(verify(pl_wr_span(&vault.key_list)), CARRIER_TYP);
    NEED(entry_sign_text(&hw, &carrier, &vault.use[PL_USE_REGISTRY],
                         PL_LIT("{\"serial\":1,\"typ\":\"pleiad-entry-1\"}")));
    CHECK(verify(pl_wr_span(&carrier)) != PL_OK);
    struct pl_wr big PL_CLEANUP(pl_wr_free) = pl_wr_heap(2 * PL_VAULT_ENTRY_MAX);
    while (big.n <= PL_VAULT_ENTRY_MAX)
        pl_wr_u8(&big, ' ');
    CHECK_ERR(verify(pl_wr_span(&big)), CARRIER_FORM);
}

TEST(only_the_vault_takes_its_entry_back)
{
    uint8_t buf[2048];
    struct pl_wr w = pl_wr_fixed(buf, sizeof(buf));
    struct pl_api_vault_leave m = {.serial = 8}, got;
    NEED(ready());
    memcpy(m.vault_id, vault.self.vault_id, 32);
    NEED(CHECK_OK(pl_vault_leave_make(hw.c, &w, &m, &vault.use[PL_USE_REGISTRY])));
    const struct pl_pub *key = &vault.self.use[PL_USE_REGISTRY];
    CHECK_OK(pl_vault_leave_read(hw.c, &got, key, pl_wr_span(&w)));
    CHECK(got.serial == 8 && memcmp(got.vault_id, m.vault_id, 32) == 0);
    key = &other.self.use[PL_USE_REGISTRY];
    CHECK_ERR(pl_vault_leave_read(hw.c, &got, key, pl_wr_span(&w)), ENTRY_SIGNER);
    CHECK(pl_span_zero(pl_span(&got, sizeof(got))));
    CHECK_ERR(pl_vault_leave_read(hw.c, &got, key, pl_wr_span(&vault.key_list)), CARRIER_TYP);
}

TEST_MAIN()
