/* Attested channels end to end, without sockets: TLS pumps, evidence of simulated machines in the
 * certificates, POST /v1/session both ways, and an attacker at every point of it. */
#include "attest/session_state.h"
#include "daemons/simd/fixture.h"
#include "tls_pair.h"

#include <stdlib.h>
#include <string.h>

/* ---- Machines ---------------------------------------------------------------------------------
 */

struct machine {
    struct pl_fx_world w;
    struct pl_wr chain, part[6];
};

static uint64_t drawn;
static pl_err draw(void *out, size_t n)
{
    test_fill(out, n, ++drawn + 1000);
    return PL_OK;
}

static bool publish(struct machine *m)
{
    for (size_t i = 0; i < 6; i++)
        m->part[i] = pl_wr_heap(64 * 1024);
    bool ok = CHECK_OK(pl_fx_tcb_info(&m->w, &m->part[0])) &&
              CHECK_OK(pl_fx_qe_identity(&m->w, &m->part[2])) &&
              CHECK_OK(pl_fx_crl(&m->w, &m->part[4], &m->w.pck_crl)) &&
              CHECK_OK(pl_fx_crl(&m->w, &m->part[5], &m->w.root_crl));
    pl_fx_signer_chain(&m->w, &m->part[1], &m->w.der.tcb_signer);
    pl_fx_signer_chain(&m->w, &m->part[3], &m->w.der.qe_signer);
    return ok;
}

static bool machine(struct machine *m)
{
    m->chain = pl_wr_heap(64 * 1024);
    bool ok = CHECK_OK(pl_fx_world_init(&m->w, pair_crypto, draw, T0)) &&
              CHECK_OK(pl_fx_certs(&m->w)) && publish(m);
    pl_fx_pck_chain(&m->w, &m->chain);
    return ok;
}

static void machine_free(struct machine *m)
{
    pl_fx_world_wipe(&m->w);
    pl_wr_free(&m->chain);
    for (size_t i = 0; i < 6; i++)
        pl_wr_free(&m->part[i]);
}

/* What a process of this name gets signed. */
static bool quote(struct machine *m, struct pl_wr *out, uint64_t program, bool debug,
                  const uint8_t *report_data)
{
    test_fill(m->w.report.mrenclave, 32, program);
    m->w.report.attributes[0] &= (uint8_t)~PL_FX_ATTR_DEBUG;
    m->w.report.attributes[0] |= debug ? PL_FX_ATTR_DEBUG : 0;
    memcpy(m->w.report.report_data, report_data, 64);
    return CHECK_OK(pl_fx_quote(&m->w, out, pl_wr_span(&m->chain)));
}

/* ---- What one side believes -------------------------------------------------------------------
 */

struct belief {
    struct pl_roots roots;
    struct pl_collateral coll;
    struct pl_verifier v;
    struct pl_profile profile;
};

static bool believe_as(struct belief *b, const struct machine *m, enum pl_trust trust,
                       const char *label, uint64_t program)
{
    struct pl_span part[PL_COLLATERAL_FILES];
    for (size_t i = 0; i < PL_COLLATERAL_FILES; i++)
        part[i] = pl_wr_span(&m->part[i]);
    const struct pl_collateral_in in = pl_collateral_of(part);
    memset(b, 0, sizeof(*b));
    bool ok = CHECK_OK(pl_roots_add_cert(pair_crypto, &b->roots, PL_TEE_SGX, trust, label,
                                         pl_span(m->w.der.root.p, m->w.der.root.n))) &&
              CHECK_OK(pl_collateral_verify(pair_crypto, &b->roots, &b->coll, &in));
    b->v = (struct pl_verifier){.crypto = pair_crypto,
                                .roots = &b->roots,
                                .collateral = &b->coll,
                                .collateral_n = 1,
                                .now = {T0, T0}};
    pl_profile_init(&b->profile);
    memcpy(b->profile.tee, "sim-sgx", 8);
    b->profile.mrenclaves = 1;
    test_fill(b->profile.mrenclave[0], 32, program);
    b->profile.any_platform = true;
    return ok;
}

static bool believe(struct belief *b, const struct machine *m, enum pl_trust trust,
                    uint64_t program)
{
    return believe_as(b, m, trust, "dev", program);
}

static struct pl_session_profiles any(const struct belief *b)
{
    return (struct pl_session_profiles){&b->profile, 1};
}

/* ---- Parties ----------------------------------------------------------------------------------
 */

enum { APP = 71, VAULT = 72, STRANGE = 73 };

/* A leaf whose evidence says: its key lives in this program. `for_key` NULL: of its own key. */
static bool attested_leaf(struct leaf *l, uint64_t seed, struct machine *m, uint64_t program,
                          bool debug, const struct leaf *for_key)
{
    uint8_t data[64];
    if (!leaf_make(l, seed, T0 - 60, T0 + 3600, (struct pl_span){0}))
        return false;
    struct pl_wr claims = pl_wr_heap(4096), q = pl_wr_heap(65536), ext = pl_wr_heap(65536);
    struct pl_pleiad_claims pleiad = {.epoch = 1, .not_before_s = T0 - 60, .not_after_s = T0 + 60};
    pl_ratls_claims(&claims, for_key ? for_key->spki_sha256 : l->spki_sha256, &pleiad);
    bool ok = CHECK_OK(pl_ratls_report_data(pair_crypto, data, pl_wr_span(&claims))) &&
              quote(m, &q, program, debug, data);
    pl_ratls_put_evidence(&ext, pl_wr_span(&q), pl_wr_span(&claims));
    ok = ok && leaf_make(l, seed, T0 - 60, T0 + 3600, pl_wr_span(&ext));
    pl_wr_free(&claims);
    pl_wr_free(&q);
    pl_wr_free(&ext);
    return ok;
}

/* One connection between two of ours, both verdicts still to come. */
struct meeting {
    struct pl_tls_ctx *server, *client;
    struct ends e;
    struct pl_session_state vault, app; /* what each side knows */
};

static bool meet(struct meeting *m, const struct leaf *vault, const struct leaf *app)
{
    pair_now = (struct pl_interval){T0, T0};
    m->server = pair_ctx(true, vault);
    m->client = pair_ctx(false, app);
    if (!ends_make(&m->e, m->server, m->client, NULL))
        return false;
    ends_handshake(&m->e, 0);
    if (!CHECK(pl_tls_state(m->e.server) == PL_TLS_VERDICT) ||
        !CHECK(pl_tls_state(m->e.client) == PL_TLS_VERDICT))
        return false;
    return CHECK_OK(pl_tls_begin_session(m->e.server, &m->vault)) &&
           CHECK_OK(pl_tls_begin_session(m->e.client, &m->app));
}

static void part(struct meeting *m)
{
    ends_free(&m->e);
    pl_tls_ctx_free(m->server);
    pl_tls_ctx_free(m->client);
}

/* Session evidence for what `s` knows, alone in its batch. */
static bool session_quote(const struct pl_session_state *s, struct machine *m, uint64_t program,
                          bool debug, struct pl_wr *out, struct pl_batch_proof *proof)
{
    static struct pl_batch b;
    uint8_t binding[PL_BINDING_BYTES], data[PL_REPORT_DATA_BYTES];
    uint32_t index = 0;
    pl_batch_init(&b);
    bool ok = CHECK_OK(pl_session_own_binding(pair_crypto, s, binding)) &&
              CHECK_OK(pl_batch_add(pair_crypto, &b, binding, &index)) &&
              CHECK_OK(pl_batch_seal(pair_crypto, &b, data)) && quote(m, out, program, debug, data);
    pl_batch_proof(&b, index, proof);
    return ok;
}

/* The judge binds the other's evidence, made by `from` with this machine. */
static pl_err bind_with(struct pl_session_state *judge, const struct belief *b,
                        const struct pl_session_state *from, struct machine *m, uint64_t program,
                        bool debug)
{
    struct pl_batch_proof proof;
    struct pl_wr q = pl_wr_heap(65536);
    pl_err e = PL_FAIL(BUG);
    if (session_quote(from, m, program, debug, &q, &proof))
        e = pl_session_bind(judge, &b->v, pl_wr_span(&q), &proof, any(b));
    pl_wr_free(&q);
    return e;
}

static struct machine host, elsewhere;
static struct belief sees_app, sees_vault;
static struct leaf vault_leaf, app_leaf, mallory_leaf, plain_leaf;
static struct meeting m;

static bool setup(void)
{
    return machine(&host) && machine(&elsewhere) && believe(&sees_app, &host, PL_TRUST_DEV, APP) &&
           believe(&sees_vault, &host, PL_TRUST_DEV, VAULT) &&
           attested_leaf(&vault_leaf, 21, &host, VAULT, false, NULL) &&
           attested_leaf(&app_leaf, 22, &host, APP, false, NULL) &&
           leaf_make(&plain_leaf, 24, T0 - 60, T0 + 3600, (struct pl_span){0});
}

static void teardown(void)
{
    machine_free(&host);
    machine_free(&elsewhere);
}

/* The verdicts that both sides reach at the end of the handshake. */
static pl_err app_verdict(void)
{
    return pl_session_leaf(&m.app, &sees_vault.v, pl_tls_peer(m.e.client)->cert, any(&sees_vault));
}
static pl_err vault_verdict(void)
{
    return pl_session_leaf(&m.vault, &sees_app.v, pl_tls_peer(m.e.server)->cert, any(&sees_app));
}

TEST(two_attested_ends_bind_a_session)
{
    NEED(setup() && meet(&m, &vault_leaf, &app_leaf));
    CHECK_OK(app_verdict());
    CHECK_OK(vault_verdict());
    NEED(ends_open(&m.e, true));
    CHECK_ERR(pl_session_bound(&m.vault), SESSION_UNBOUND);
    CHECK(pl_session_claims(&m.vault) == NULL && pl_session_leaf_claims(&m.vault) != NULL);
    CHECK_OK(pl_session_serve(&m.vault));
    CHECK_OK(bind_with(&m.vault, &sees_app, &m.app, &host, APP, false));
    CHECK_OK(bind_with(&m.app, &sees_vault, &m.vault, &host, VAULT, false));
    CHECK_OK(pl_session_bound(&m.vault));
    CHECK_OK(pl_session_bound(&m.app));
    CHECK(strcmp(pl_session_claims(&m.vault)->name, "sim-sgx") == 0);
    CHECK(pl_session_claims(&m.app)->has_pleiad);
    part(&m);
    teardown();
}

TEST(attack_second_session)
{
    NEED(setup() && meet(&m, &vault_leaf, &app_leaf));
    CHECK_OK(vault_verdict());
    CHECK_OK(pl_session_serve(&m.vault));
    CHECK_OK(bind_with(&m.vault, &sees_app, &m.app, &host, APP, false));
    CHECK_ERR(pl_session_serve(&m.vault), SESSION_SECOND);
    CHECK_ERR(bind_with(&m.vault, &sees_app, &m.app, &host, APP, false), SESSION_SECOND);
    part(&m);
    NEED(meet(&m, &vault_leaf, &app_leaf)); /* nor after one that failed */
    CHECK_OK(vault_verdict());
    CHECK(bind_with(&m.vault, &sees_app, &m.app, &host, STRANGE, false) != PL_OK);
    CHECK_ERR(bind_with(&m.vault, &sees_app, &m.app, &host, APP, false), SESSION_SECOND);
    CHECK_ERR(pl_session_bound(&m.vault), SESSION_UNBOUND);
    part(&m);
    teardown();
}

TEST(attack_evidence_of_another_key)
{
    NEED(setup());
    /* A genuine quote for the app's key in Mallory's certificate. */
    NEED(attested_leaf(&mallory_leaf, 23, &host, APP, false, &app_leaf));
    NEED(meet(&m, &vault_leaf, &mallory_leaf));
    CHECK_ERR(vault_verdict(), RATLS_KEY);
    CHECK_ERR(bind_with(&m.app, &sees_vault, &m.vault, &host, STRANGE, false), PROFILE_MEASUREMENT);
    part(&m);
    NEED(attested_leaf(&mallory_leaf, 23, &host, VAULT, false, &vault_leaf));
    NEED(meet(&m, &mallory_leaf, &app_leaf));
    CHECK_ERR(app_verdict(), RATLS_KEY);
    part(&m);
    teardown();
}

/* Mallory stands between app and vault with a genuine machine that runs the genuine programs, and
 * even with the app's own key: what she cannot have is the app's evidence for her connection. */
TEST(attack_relayed_from_another_session)
{
    struct meeting left, right;
    struct pl_batch_proof proof;
    NEED(setup());
    NEED(meet(&left, &vault_leaf, &app_leaf) && meet(&right, &vault_leaf, &app_leaf));
    CHECK_OK(pl_session_leaf(&right.vault, &sees_app.v, pl_tls_peer(right.e.server)->cert,
                             any(&sees_app)));
    struct pl_wr q = pl_wr_heap(65536);
    NEED(session_quote(&left.app, &host, APP, false, &q, &proof));
    CHECK_ERR(pl_session_bind(&right.vault, &sees_app.v, pl_wr_span(&q), &proof, any(&sees_app)),
              REPORT_DATA);
    CHECK_ERR(pl_session_bound(&right.vault), SESSION_UNBOUND);
    /* The other way: the vault's evidence for Mallory, shown to the app. */
    q.n = 0;
    NEED(session_quote(&right.vault, &host, VAULT, false, &q, &proof));
    CHECK_ERR(pl_session_bind(&left.app, &sees_vault.v, pl_wr_span(&q), &proof, any(&sees_vault)),
              REPORT_DATA);
    /* And its own evidence thrown back at it: roles differ. */
    NEED(meet(&m, &vault_leaf, &app_leaf));
    q.n = 0;
    NEED(session_quote(&m.app, &host, VAULT, false, &q, &proof));
    CHECK_ERR(pl_session_bind(&m.app, &sees_vault.v, pl_wr_span(&q), &proof, any(&sees_vault)),
              REPORT_DATA);
    pl_wr_free(&q);
    part(&left);
    part(&right);
    part(&m);
    teardown();
}

/* What speaks in the session must be what stands in the certificate. */
TEST(attack_another_program_in_the_session)
{
    NEED(setup() && meet(&m, &vault_leaf, &app_leaf));
    CHECK_OK(vault_verdict());
    CHECK_ERR(bind_with(&m.vault, &sees_app, &m.app, &host, STRANGE, false), SESSION_INSTANCE);
    part(&m);
    teardown();
}

TEST(attack_debug_platform)
{
    NEED(setup() && attested_leaf(&mallory_leaf, 23, &host, APP, true, NULL));
    NEED(meet(&m, &vault_leaf, &mallory_leaf));
    CHECK_ERR(vault_verdict(), PROFILE_DEBUG);
    part(&m);
    NEED(meet(&m, &vault_leaf, &plain_leaf)); /* a plain key, and debug evidence in the session */
    CHECK_ERR(bind_with(&m.vault, &sees_app, &m.app, &host, APP, true), PROFILE_DEBUG);
    part(&m);
    teardown();
}

TEST(attack_revoked_platform)
{
    NEED(setup());
    struct pl_fx_crl *crl = &host.w.pck_crl;
    memcpy(crl->revoked[crl->revoked_n++], host.w.pck.serial, PL_FX_SERIAL_BYTES);
    for (size_t i = 0; i < 6; i++)
        pl_wr_free(&host.part[i]);
    NEED(publish(&host) && believe(&sees_app, &host, PL_TRUST_DEV, APP));
    NEED(meet(&m, &vault_leaf, &app_leaf));
    CHECK_ERR(vault_verdict(), PCK_REVOKED);
    part(&m);
    teardown();
}

TEST(attack_other_root)
{
    NEED(setup() && attested_leaf(&mallory_leaf, 23, &elsewhere, APP, false, NULL));
    NEED(meet(&m, &vault_leaf, &mallory_leaf));
    pl_err e = vault_verdict();
    CHECK(e != PL_OK && pl_err_class(e) == PL_C_PEER);
    CHECK(pl_session_leaf_claims(&m.vault) == NULL);
    part(&m);
    /* With collateral beside it that is complete and current, under that other root. */
    static struct belief hers;
    NEED(believe(&hers, &elsewhere, PL_TRUST_DEV, APP) && meet(&m, &vault_leaf, &mallory_leaf));
    sees_app.v.collateral = &hers.coll;
    CHECK_ERR(vault_verdict(), UNTRUSTED_ROOT);
    CHECK(pl_session_leaf_claims(&m.vault) == NULL);
    part(&m);
    teardown();
}

TEST(attack_custom_root_passing_as_sgx)
{
    struct pl_claims c;
    struct pl_ratls cert;
    NEED(setup());
    memcpy(sees_app.profile.tee, "sgx", 4);
    NEED(meet(&m, &vault_leaf, &app_leaf));
    CHECK_ERR(vault_verdict(), PROFILE_TEE);
    part(&m);
    static struct belief custom;
    NEED(believe(&custom, &host, PL_TRUST_CUSTOM, APP));
    NEED(CHECK_OK(pl_ratls_parse(pair_crypto, &cert, leaf_der(&app_leaf), PL_RATLS_CHANNEL)));
    CHECK_OK(pl_ratls_verify(&custom.v, &c, &cert));
    CHECK(strcmp(c.name, "custom-dev") == 0);
    memcpy(custom.profile.tee, "sgx", 4);
    CHECK_ERR(pl_session_match(&c, any(&custom), custom.v.now, NULL), PROFILE_TEE);
    teardown();
}

/* A verifier that was given the simulation's root by every name it could be given it by, and whose
 * profile lists that very root: what is asked for is hardware, and this is none. */
TEST(attack_simulated_hardware_as_a_vendors)
{
    static struct belief b;
    static const struct {
        enum pl_trust trust;
        const char *label, *name;
    } table[] = {{PL_TRUST_DEV, "sgx", "sim-sgx"},
                 {PL_TRUST_DEV, "intel-sgx-root-ca", "sim-sgx"},
                 {PL_TRUST_CUSTOM, "sgx", "custom-sgx"},
                 {PL_TRUST_CUSTOM, "intel-sgx-root-ca", "custom-intel-sgx-root-ca"}};
    NEED(setup());
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        NEED(believe_as(&b, &host, table[i].trust, table[i].label, APP));
        struct pl_ratls cert;
        struct pl_claims c;
        NEED(CHECK_OK(pl_ratls_parse(pair_crypto, &cert, leaf_der(&app_leaf), PL_RATLS_CHANNEL)));
        CHECK_OK(pl_ratls_verify(&b.v, &c, &cert));
        CHECK(strcmp(c.name, table[i].name) == 0);
        memset(b.profile.tee, 0, sizeof(b.profile.tee));
        memcpy(b.profile.tee, "sgx", 4);
        b.profile.roots = 1;
        memcpy(b.profile.root_spki_sha256[0], c.root_spki_sha256, 32);
        CHECK_ERR(pl_session_match(&c, any(&b), b.v.now, NULL), PROFILE_TEE);
        /* And when the memory that holds the trusted roots says that it is the vendor's. */
        b.roots.root[b.roots.n - 1].trust = PL_TRUST_VENDOR;
        CHECK_ERR(pl_ratls_verify(&b.v, &c, &cert), UNTRUSTED_ROOT);
    }
    struct pl_roots roots = *pl_roots_builtin();
    struct pl_span root = pl_span(host.w.der.root.p, host.w.der.root.n);
    CHECK_ERR(pl_roots_add_cert(pair_crypto, &roots, PL_TEE_SGX, PL_TRUST_VENDOR, "dev", root),
              ROOT_NOT_VENDOR);
    CHECK_ERR(pl_roots_add_cert(pair_crypto, &roots, PL_TEE_SGX, PL_TRUST_CUSTOM,
                                "intel-sgx-root-ca", root),
              ROOT_LABEL);
    teardown();
}

TEST(attack_missing_evidence)
{
    NEED(setup() && meet(&m, &vault_leaf, &plain_leaf));
    CHECK_ERR(vault_verdict(), SESSION_UNBOUND); /* a profile is asked for */
    CHECK_OK(pl_session_leaf(&m.vault, &sees_app.v, pl_tls_peer(m.e.server)->cert,
                             (struct pl_session_profiles){0}));
    CHECK(pl_session_leaf_claims(&m.vault) == NULL);
    CHECK_ERR(pl_session_bound(&m.vault), SESSION_UNBOUND);
    part(&m);
    NEED(meet(&m, &plain_leaf, &app_leaf)); /* a vault without evidence */
    CHECK_ERR(app_verdict(), SESSION_UNBOUND);
    part(&m);
    NEED(meet(&m, &vault_leaf, NULL)); /* a stranger has no key to bind */
    CHECK_ERR(vault_verdict(), SESSION_UNBOUND);
    CHECK_ERR(bind_with(&m.vault, &sees_app, &m.app, &host, APP, false), SESSION_UNBOUND);
    part(&m);
    teardown();
}

/* A resumed connection knows the peer's key and leaf, and has to bind again. */
TEST(a_resumed_session_binds_again)
{
    struct pl_claims remembered;
    uint8_t first[64], second[64];
    NEED(setup() && meet(&m, &vault_leaf, &app_leaf));
    CHECK_OK(vault_verdict());
    remembered = *pl_session_leaf_claims(&m.vault);
    NEED(ends_open(&m.e, true));
    CHECK_OK(bind_with(&m.vault, &sees_app, &m.app, &host, APP, false));
    CHECK_OK(pl_session_own_binding(pair_crypto, &m.app, first));
    ends_send(&m.e, false, PL_LIT("x"));
    struct pl_tls_session *ses = pl_tls_session_take(m.e.client);
    NEED(CHECK(ses));
    ends_free(&m.e);
    NEED(ends_make(&m.e, m.server, m.client, ses));
    ends_handshake(&m.e, 0);
    const struct pl_tls_peer *p = pl_tls_peer(m.e.server);
    CHECK(p->resumed && p->evidence);
    CHECK_OK(pl_tls_begin_session(m.e.server, &m.vault));
    CHECK_OK(pl_tls_begin_session(m.e.client, &m.app));
    CHECK_OK(pl_session_leaf_again(&m.vault, &remembered, sees_app.v.now, any(&sees_app)));
    CHECK_ERR(pl_session_bound(&m.vault), SESSION_UNBOUND);
    CHECK_OK(pl_session_own_binding(pair_crypto, &m.app, second));
    CHECK(memcmp(first, second, 64) != 0);
    CHECK_OK(bind_with(&m.vault, &sees_app, &m.app, &host, APP, false));
    CHECK_OK(pl_session_bound(&m.vault));
    pl_tls_session_free(ses);
    part(&m);
    teardown();
}

/* A vault renews its leaf between the handshake and the session. */
TEST(a_session_keeps_the_leaf_of_its_handshake)
{
    static struct leaf renewed;
    NEED(setup() && attested_leaf(&renewed, 24, &host, VAULT, false, NULL));
    NEED(meet(&m, &vault_leaf, &app_leaf));
    pl_tls_ctx_free(m.server);
    m.server = pair_ctx(true, &renewed);
    CHECK_OK(pl_tls_begin_session(m.e.server, &m.vault));
    CHECK_OK(vault_verdict());
    CHECK_OK(app_verdict());
    CHECK_OK(bind_with(&m.vault, &sees_app, &m.app, &host, APP, false));
    CHECK_OK(bind_with(&m.app, &sees_vault, &m.vault, &host, VAULT, false));
    part(&m);
    teardown();
}

TEST_MAIN()
