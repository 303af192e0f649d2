/* The TLS pump: what it gives, and every attack that needs nothing but TLS. */
#include "tls_pair.h"

#include <stdlib.h>
#include <string.h>

static struct leaf vault, app, other;
static struct ends e;

static bool leaves(void)
{
    pair_now = (struct pl_interval){T0, T0};
    return leaf_make(&vault, 1, T0 - 60, T0 + 3600, (struct pl_span){0}) &&
           leaf_make(&app, 2, T0 - 60, T0 + 3600, (struct pl_span){0}) &&
           leaf_make(&other, 3, T0 - 60, T0 + 3600, (struct pl_span){0});
}

/* ---- The ordinary -----------------------------------------------------------------------------
 */

static void ordinary(size_t step)
{
    NEED(leaves());
    struct pl_tls_ctx *s = pair_ctx(true, &vault), *c = pair_ctx(false, &app);
    NEED(ends_make(&e, s, c, NULL));
    ends_handshake(&e, step);
    CHECK_OK(e.server_err);
    CHECK_OK(e.client_err);
    const struct pl_tls_peer *ps = pl_tls_peer(e.server), *pc = pl_tls_peer(e.client);
    CHECK(ps->present && pc->present && !ps->resumed && !pc->resumed);
    CHECK_BYTES(ps->leaf, leaf_der(&app));
    CHECK_BYTES(pc->leaf, leaf_der(&vault));
    CHECK_BYTES(PL_ARR(ps->spki_sha256), PL_ARR(app.spki_sha256));
    CHECK_BYTES(PL_ARR(pc->spki_sha256), PL_ARR(vault.spki_sha256));
    CHECK(!ps->evidence && ps->cert && ps->not_after_s == T0 + 3600);
    NEED(ends_open(&e, false));
    CHECK(ps->leaf.n == 0 && ps->cert == NULL);
    CHECK_BYTES(ends_send(&e, true, PL_LIT("ping")), PL_LIT("ping"));
    CHECK_BYTES(ends_send(&e, false, PL_LIT("pong")), PL_LIT("pong"));
    static uint8_t much[PL_TLS_WRITE_MAX];
    test_fill(much, sizeof(much), 9);
    CHECK_BYTES(ends_send(&e, true, PL_ARR(much)), PL_ARR(much));
    ends_free(&e);
    pl_tls_ctx_free(s);
    pl_tls_ctx_free(c);
}

TEST(a_channel) { ordinary(0); }
TEST(a_channel_byte_by_byte) { ordinary(1); }
TEST(a_channel_in_odd_pieces) { ordinary(97); }

TEST(both_sides_export_the_same_and_roles_differ)
{
    uint8_t a[32], b[32], c[32], again[32];
    NEED(leaves());
    struct pl_tls_ctx *s = pair_ctx(true, &vault), *k = pair_ctx(false, &app);
    NEED(ends_make(&e, s, k, NULL));
    ends_handshake(&e, 0);
    CHECK_OK(pl_tls_exporter(e.server, a, "caller"));
    CHECK_OK(pl_tls_exporter(e.client, b, "caller"));
    CHECK_OK(pl_tls_exporter(e.client, c, "vault"));
    CHECK_BYTES(PL_ARR(a), PL_ARR(b));
    CHECK(memcmp(a, c, 32) != 0);
    ends_free(&e);
    NEED(ends_make(&e, s, k, NULL));
    ends_handshake(&e, 0);
    CHECK_OK(pl_tls_exporter(e.server, again, "caller"));
    CHECK(memcmp(a, again, 32) != 0);
    ends_free(&e);
    pl_tls_ctx_free(s);
    pl_tls_ctx_free(k);
}

TEST(a_client_without_a_certificate_is_a_stranger)
{
    NEED(leaves());
    struct pl_tls_ctx *s = pair_ctx(true, &vault), *c = pair_ctx(false, NULL);
    NEED(ends_make(&e, s, c, NULL));
    ends_handshake(&e, 0);
    CHECK(pl_tls_state(e.server) == PL_TLS_VERDICT && !pl_tls_peer(e.server)->present);
    NEED(ends_open(&e, true));
    CHECK_BYTES(ends_send(&e, true, PL_LIT("x")), PL_LIT("x"));
    ends_free(&e);
    pl_tls_ctx_free(s);
    pl_tls_ctx_free(c);
}

TEST(close_is_heard)
{
    uint8_t buf[PL_TLS_OUT_MAX], plain[16];
    size_t n;
    NEED(leaves());
    struct pl_tls_ctx *s = pair_ctx(true, &vault), *c = pair_ctx(false, &app);
    NEED(ends_make(&e, s, c, NULL));
    ends_handshake(&e, 0);
    NEED(ends_open(&e, false));
    struct pl_wr w = pl_wr_fixed(buf, sizeof(buf));
    pl_tls_close(e.client, &w);
    CHECK(w.n > 0 && pl_tls_state(e.client) == PL_TLS_CLOSED);
    struct pl_span in = pl_wr_span(&w);
    uint8_t back[64];
    struct pl_wr b = pl_wr_fixed(back, sizeof(back));
    CHECK_OK(pl_tls_read(e.server, &in, &b, plain, sizeof(plain), &n));
    CHECK(n == 0 && pl_tls_state(e.server) == PL_TLS_CLOSED);
    ends_free(&e);
    pl_tls_ctx_free(s);
    pl_tls_ctx_free(c);
}

TEST(a_context_refuses_what_does_not_belong_together)
{
    struct pl_tls_ctx *ctx;
    NEED(leaves());
    struct pl_tls_config cfg = {.server = true, .leaf = leaf_der(&vault), .key = &app.key};
    cfg.now = (struct pl_interval(*)(void *))(uintptr_t)1; /* not called here */
    CHECK_ERR(pl_tls_ctx_new(&ctx, pair_crypto, &cfg), TLS_LEAF);
    cfg.leaf = (struct pl_span){0};
    CHECK(pl_tls_ctx_new(&ctx, pair_crypto, &cfg) != PL_OK);
    CHECK(ctx == NULL);
}

/* ---- Altered and flooded ----------------------------------------------------------------------
 */

TEST(an_altered_record_ends_the_connection)
{
    uint8_t buf[PL_TLS_OUT_MAX], plain[64], back[256];
    size_t n;
    NEED(leaves());
    struct pl_tls_ctx *s = pair_ctx(true, &vault), *c = pair_ctx(false, &app);
    NEED(ends_make(&e, s, c, NULL));
    ends_handshake(&e, 0);
    NEED(ends_open(&e, false));
    struct pl_wr w = pl_wr_fixed(buf, sizeof(buf)), b = pl_wr_fixed(back, sizeof(back));
    CHECK_OK(pl_tls_write(e.client, &w, PL_LIT("secret")));
    buf[w.n - 1] ^= 1;
    struct pl_span in = pl_wr_span(&w);
    CHECK_ERR(pl_tls_read(e.server, &in, &b, plain, sizeof(plain), &n), TLS_RECORD);
    CHECK(n == 0 && b.n > 0 && pl_tls_state(e.server) == PL_TLS_CLOSED);
    ends_free(&e);
    pl_tls_ctx_free(s);
    pl_tls_ctx_free(c);
}

TEST(a_flood_of_key_updates)
{
    static struct pipe pipe;
    static uint8_t out[PL_TLS_OUT_MAX];
    uint8_t plain[64];
    struct raw r;
    struct pl_tls *t;
    pl_err err = PL_OK;
    size_t n = 0;
    NEED(leaves() && raw_make(&r, false));
    struct pl_tls_ctx *s = pair_ctx(true, &vault);
    raw_start(&r);
    NEED(CHECK_OK(pl_tls_new(&t, s, pair_crypto, NULL)));
    CHECK_OK(raw_handshake(&r, t));
    struct pl_wr w = pl_wr_fixed(out, sizeof(out));
    NEED(CHECK(pl_tls_state(t) == PL_TLS_VERDICT) && CHECK_OK(pl_tls_open(t, &w, false)));
    unsigned i = 0;
    for (; i < 2000 && err == PL_OK; i++) {
        SSL_key_update(r.ssl, SSL_KEY_UPDATE_REQUESTED);
        SSL_write(r.ssl, "x", 1);
        pipe.n = 0;
        raw_drain(&r, &pipe);
        struct pl_span in = pl_span(pipe.p, pipe.n);
        w.n = 0;
        do
            err = pl_tls_read(t, &in, &w, plain, sizeof(plain), &n);
        while (err == PL_OK && n > 0);
    }
    CHECK_ERR(err, TLS_FLOOD);
    CHECK(i == PL_TLS_POST_HANDSHAKE_MAX + 1);
    pl_tls_free(t);
    raw_free(&r);
    pl_tls_ctx_free(s);
}

/* ---- Resumption -------------------------------------------------------------------------------
 */

static struct pl_tls_session *first_session(struct pl_tls_ctx *s, struct pl_tls_ctx *c,
                                            bool resumable)
{
    if (!ends_make(&e, s, c, NULL))
        return NULL;
    ends_handshake(&e, 0);
    if (!ends_open(&e, resumable))
        return NULL;
    ends_send(&e, false, PL_LIT("hello"));
    struct pl_tls_session *got = pl_tls_session_take(e.client);
    ends_free(&e);
    return got;
}

/* A second connection with the session; did it resume? Leaves both ends at VERDICT. */
static bool resumes(struct pl_tls_ctx *s, struct pl_tls_ctx *c, const struct pl_tls_session *ses)
{
    if (!ends_make(&e, s, c, ses))
        return false;
    ends_handshake(&e, 0);
    return pl_tls_peer(e.server)->resumed && pl_tls_peer(e.client)->resumed;
}

TEST(a_session_resumes_and_inherits_who_the_peer_is)
{
    uint8_t a[32], b[32];
    NEED(leaves());
    struct pl_tls_ctx *s = pair_ctx(true, &vault), *c = pair_ctx(false, &app);
    struct pl_tls_session *ses = first_session(s, c, true);
    NEED(CHECK(ses));
    for (unsigned i = 0; i < 3; i++) { /* the same session serves again */
        CHECK(resumes(s, c, ses));
        const struct pl_tls_peer *p = pl_tls_peer(e.server);
        CHECK(p->present && p->leaf.n == 0 && p->cert == NULL);
        CHECK_BYTES(PL_ARR(p->spki_sha256), PL_ARR(app.spki_sha256));
        CHECK_BYTES(PL_ARR(pl_tls_peer(e.client)->spki_sha256), PL_ARR(vault.spki_sha256));
        CHECK_OK(pl_tls_exporter(e.server, i ? b : a, "caller"));
        NEED(ends_open(&e, true));
        CHECK_BYTES(ends_send(&e, true, PL_LIT("again")), PL_LIT("again"));
        ends_send(&e, false, PL_LIT("x"));
        struct pl_tls_session *more = pl_tls_session_take(e.client);
        CHECK(more == NULL); /* no session from a session: ten minutes are ten minutes */
        pl_tls_session_free(more);
        ends_free(&e);
    }
    CHECK(memcmp(a, b, 32) != 0); /* export binds again */
    pl_tls_session_free(ses);
    pl_tls_ctx_free(s);
    pl_tls_ctx_free(c);
}

TEST(no_session_without_a_verdict)
{
    NEED(leaves());
    struct pl_tls_ctx *s = pair_ctx(true, &vault), *c = pair_ctx(false, &app);
    struct pl_tls_session *ses = first_session(s, c, false);
    CHECK(ses == NULL);
    pl_tls_session_free(ses);
    /* The client accepts, the server does not: nothing in what it sent can be resumed. */
    static uint8_t out[PL_TLS_OUT_MAX];
    uint8_t plain[64];
    size_t n;
    NEED(ends_make(&e, s, c, NULL));
    ends_handshake(&e, 0);
    struct pl_wr w = pl_wr_fixed(out, sizeof(out));
    CHECK_OK(pl_tls_open(e.client, &w, true));
    struct pl_span in = pl_span(e.to_client.p, e.to_client.n);
    CHECK_OK(pl_tls_read(e.client, &in, &w, plain, sizeof(plain), &n));
    ses = pl_tls_session_take(e.client);
    CHECK(n == 0 && ses == NULL);
    pl_tls_session_free(ses);
    ends_free(&e);
    pl_tls_ctx_free(s);
    pl_tls_ctx_free(c);
}

TEST(a_session_ends_after_ten_minutes)
{
    NEED(leaves());
    struct pl_tls_ctx *s = pair_ctx(true, &vault), *c = pair_ctx(false, &app);
    struct pl_tls_session *ses = first_session(s, c, true);
    NEED(CHECK(ses));
    pair_now = (struct pl_interval){T0 + PL_TLS_RESUME_S, T0 + PL_TLS_RESUME_S};
    CHECK(resumes(s, c, ses));
    ends_free(&e);
    pair_now = (struct pl_interval){T0 + PL_TLS_RESUME_S + 1, T0 + PL_TLS_RESUME_S + 1};
    CHECK(!resumes(s, c, ses));
    CHECK(pl_tls_state(e.server) == PL_TLS_VERDICT); /* a full handshake instead */
    ends_free(&e);
    pair_now = (struct pl_interval){T0, T0 + PL_TLS_RESUME_S + 1}; /* nobody knows */
    CHECK(!resumes(s, c, ses));
    ends_free(&e);
    pl_tls_session_free(ses);
    pl_tls_ctx_free(s);
    pl_tls_ctx_free(c);
}

TEST(a_session_does_not_outlive_a_leaf)
{
    NEED(leaves() && leaf_make(&app, 2, T0 - 60, T0 + 30, (struct pl_span){0}));
    struct pl_tls_ctx *s = pair_ctx(true, &vault), *c = pair_ctx(false, &app);
    struct pl_tls_session *ses = first_session(s, c, true);
    NEED(CHECK(ses));
    pair_now = (struct pl_interval){T0 + 31, T0 + 31};
    CHECK(!resumes(s, c, ses));
    CHECK_ERR(e.server_err, TLS_LEAF_TIME);
    ends_free(&e);
    pl_tls_session_free(ses);
    pl_tls_ctx_free(s);
    pl_tls_ctx_free(c);
}

TEST(a_session_belongs_to_one_client_key)
{
    NEED(leaves());
    struct pl_tls_ctx *s = pair_ctx(true, &vault), *c = pair_ctx(false, &app);
    struct pl_tls_ctx *d = pair_ctx(false, &other);
    struct pl_tls_session *ses = first_session(s, c, true);
    NEED(CHECK(ses));
    CHECK(!resumes(s, d, ses));
    CHECK_BYTES(PL_ARR(pl_tls_peer(e.server)->spki_sha256), PL_ARR(other.spki_sha256));
    ends_free(&e);
    pl_tls_session_free(ses);
    pl_tls_ctx_free(s);
    pl_tls_ctx_free(c);
    pl_tls_ctx_free(d);
}

static bool allow;
static unsigned asked;
static bool known(void *arg, const uint8_t leaf_sha256[static 32])
{
    uint8_t want[32];
    (void)arg;
    asked++;
    CHECK_OK(pl_sha256_one(pair_crypto, want, leaf_der(&app)));
    CHECK_BYTES(pl_span(leaf_sha256, 32), PL_ARR(want));
    return allow;
}

/* The app's leaf with something in the place of evidence: the channel does not judge it. */
static bool app_shows_evidence(void)
{
    uint8_t claims_buf[PL_RATLS_CLAIMS_BYTES], ext_buf[1024];
    struct pl_wr claims = pl_wr_fixed(claims_buf, sizeof(claims_buf));
    struct pl_wr ext = pl_wr_fixed(ext_buf, sizeof(ext_buf));
    pl_ratls_claims(&claims, app.spki_sha256, NULL);
    pl_ratls_put_evidence(&ext, PL_LIT("a quote"), pl_wr_span(&claims));
    return CHECK_OK(pl_wr_end(&ext)) && leaf_make(&app, 2, T0 - 60, T0 + 3600, pl_wr_span(&ext));
}

TEST(the_caller_and_forgetting_decide_on_resumption)
{
    NEED(leaves() && app_shows_evidence());
    struct pl_tls_config cfg = {.server = true,
                                .ask_certificate = true,
                                .leaf = leaf_der(&vault),
                                .key = &vault.key,
                                .known = known};
    asked = 0;
    struct pl_tls_ctx *s = pair_ctx_of(&cfg), *c = pair_ctx(false, &app);
    struct pl_tls_session *ses = first_session(s, c, true);
    NEED(CHECK(ses));
    CHECK(asked == 1);
    allow = false;
    CHECK(!resumes(s, c, ses));
    CHECK(pl_tls_state(e.server) == PL_TLS_VERDICT);
    ends_free(&e);
    allow = true;
    CHECK(resumes(s, c, ses));
    ends_free(&e);
    pl_tls_session_free(ses);
    pl_tls_ctx_free(s);
    pl_tls_ctx_free(c);
}

/* ---- Attacks ----------------------------------------------------------------------------------
 */

/* What the pump of ours says to a spoiled end; never the verdict. */
static pl_err against(struct raw *r, bool ours_is_server, bool *reached, bool *present)
{
    struct pl_tls *t;
    struct pl_tls_ctx *ctx = pair_ctx(ours_is_server, ours_is_server ? &vault : &app);
    raw_start(r);
    pl_err err = pl_tls_new(&t, ctx, pair_crypto, NULL);
    if (err == PL_OK)
        err = raw_handshake(r, t);
    *reached = pl_tls_state(t) == PL_TLS_VERDICT;
    *present = *reached && pl_tls_peer(t)->present;
    pl_tls_free(t);
    pl_tls_ctx_free(ctx);
    raw_free(r);
    return err;
}

static bool reached, present;

TEST(the_hostile_end_works_when_it_behaves)
{
    struct raw r;
    NEED(leaves() && raw_make(&r, false));
    NEED(raw_identity(&r, leaf_der(&app), raw_key(&app.key, &app.key)));
    CHECK_OK(against(&r, true, &reached, &present));
    CHECK(reached && present);
    NEED(raw_make(&r, true));
    NEED(raw_identity(&r, leaf_der(&vault), raw_key(&vault.key, &vault.key)));
    CHECK_OK(against(&r, false, &reached, &present));
    CHECK(reached && present);
}

TEST(attack_stolen_certificate)
{
    struct raw r;
    NEED(leaves() && raw_make(&r, false));
    NEED(raw_identity(&r, leaf_der(&app), raw_key(&other.key, &app.key)));
    CHECK_ERR(against(&r, true, &reached, &present), TLS_CERTIFICATE_VERIFY);
    CHECK(!reached);
    NEED(raw_make(&r, true));
    NEED(raw_identity(&r, leaf_der(&vault), raw_key(&other.key, &vault.key)));
    CHECK_ERR(against(&r, false, &reached, &present), TLS_CERTIFICATE_VERIFY);
    CHECK(!reached);
}

TEST(attack_wrong_certificate_verify)
{
    struct raw r;
    NEED(leaves() && raw_make(&r, false));
    NEED(raw_identity(&r, leaf_der(&app), raw_key_signing_wrong(&app.key)));
    CHECK_ERR(against(&r, true, &reached, &present), TLS_CERTIFICATE_VERIFY);
    CHECK(!reached);
    NEED(raw_make(&r, true));
    NEED(raw_identity(&r, leaf_der(&vault), raw_key_signing_wrong(&vault.key)));
    CHECK_ERR(against(&r, false, &reached, &present), TLS_CERTIFICATE_VERIFY);
    CHECK(!reached);
}

TEST(attack_wrong_self_signature)
{
    struct raw r;
    NEED(leaves());
    other.der[other.n - 1] ^= 1; /* the last byte of s */
    NEED(raw_make(&r, false));
    NEED(raw_identity(&r, leaf_der(&other), raw_key(&other.key, &other.key)));
    CHECK_ERR(against(&r, true, &reached, &present), RATLS_SELF_SIG);
    CHECK(!reached);
    NEED(raw_make(&r, true));
    NEED(raw_identity(&r, leaf_der(&other), raw_key(&other.key, &other.key)));
    CHECK_ERR(against(&r, false, &reached, &present), RATLS_SELF_SIG);
    CHECK(!reached);
}

static void leaf_dates(int64_t from, int64_t to, bool good)
{
    NEED(leaf_make(&app, 2, from, to, (struct pl_span){0}));
    struct pl_tls_ctx *s = pair_ctx(true, &vault), *c = pair_ctx(false, &app);
    NEED(ends_make(&e, s, c, NULL));
    ends_handshake(&e, 0);
    if (good)
        CHECK_OK(e.server_err);
    else
        CHECK_ERR(e.server_err, TLS_LEAF_TIME);
    CHECK((pl_tls_state(e.server) == PL_TLS_VERDICT) == good);
    ends_free(&e);
    pl_tls_ctx_free(s);
    pl_tls_ctx_free(c);
    /* The same leaf as the vault's, judged by the client. */
    s = pair_ctx(true, &app);
    c = pair_ctx(false, &vault);
    NEED(ends_make(&e, s, c, NULL));
    ends_handshake(&e, 0);
    CHECK((pl_tls_state(e.client) == PL_TLS_VERDICT) == good);
    ends_free(&e);
    pl_tls_ctx_free(s);
    pl_tls_ctx_free(c);
}

TEST(attack_expired_leaf)
{
    NEED(leaves());
    leaf_dates(T0 - 3600, T0, true);
    leaf_dates(T0 - 3600, T0 - 1, false);
    leaf_dates(T0 + 1, T0 + 3600, false);
    leaf_dates(T0, T0 + PL_TLS_LEAF_MAX_S, true);
    leaf_dates(T0, T0 + PL_TLS_LEAF_MAX_S + 1, false);
    pair_now = (struct pl_interval){T0 - 120, T0 + 120};
    leaf_dates(T0 - 120, T0 + 120, true);
    leaf_dates(T0 - 120, T0 + 119, false);
    leaf_dates(T0 - 119, T0 + 120, false);
    pair_now = PL_TIME_UNKNOWN;
    leaf_dates(T0 - 60, T0 + 60, false);
}

TEST(attack_tls_1_2)
{
    struct raw r;
    NEED(leaves() && raw_make(&r, false));
    SSL_CTX_set_max_proto_version(r.ctx, TLS1_2_VERSION);
    NEED(raw_identity(&r, leaf_der(&app), raw_key(&app.key, &app.key)));
    CHECK_ERR(against(&r, true, &reached, &present), TLS_VERSION);
    CHECK(!reached);
    NEED(raw_make(&r, true));
    SSL_CTX_set_max_proto_version(r.ctx, TLS1_2_VERSION);
    NEED(raw_identity(&r, leaf_der(&vault), raw_key(&vault.key, &vault.key)));
    CHECK(against(&r, false, &reached, &present) != PL_OK);
    CHECK(!reached);
}

TEST(attack_other_protocols)
{
    static const uint8_t http1[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
    struct raw r;
    NEED(leaves() && raw_make(&r, false));
    SSL_CTX_set_alpn_protos(r.ctx, http1, sizeof(http1));
    CHECK_ERR(against(&r, true, &reached, &present), TLS_ALPN);
    CHECK(!reached);
    NEED(raw_make(&r, false));
    SSL_CTX_set_alpn_protos(r.ctx, NULL, 0);
    CHECK_ERR(against(&r, true, &reached, &present), TLS_ALPN);
    CHECK(!reached);
    NEED(raw_make(&r, true));
    SSL_CTX_set_alpn_select_cb(r.ctx, NULL, NULL);
    NEED(raw_identity(&r, leaf_der(&vault), raw_key(&vault.key, &vault.key)));
    CHECK_ERR(against(&r, false, &reached, &present), TLS_ALPN);
    CHECK(!reached);
}

/* A leaf of another kind of key: a client is at most a stranger with it, a server nobody. */
static void foreign(const char *algorithm, const char *group)
{
    struct raw r;
    EVP_PKEY *k;
    for (int server = 0; server < 2; server++) {
        NEED(raw_make(&r, server));
        X509 *x = raw_foreign_leaf(algorithm, group, &k);
        CHECK(SSL_CTX_use_certificate(r.ctx, x) == 1 && SSL_CTX_use_PrivateKey(r.ctx, k) == 1);
        X509_free(x);
        EVP_PKEY_free(k);
        pl_err err = against(&r, !server, &reached, &present);
        CHECK(server ? err != PL_OK && !reached : !present);
    }
}

TEST(attack_leaf_of_another_kind)
{
    NEED(leaves());
    foreign("EC", "P-384");
    foreign("EC", "P-521");
    foreign("RSA", NULL);
    foreign("ED25519", "");
}

TEST(attack_a_chain_of_certificates)
{
    struct raw r;
    NEED(leaves() && raw_make(&r, false));
    NEED(raw_identity(&r, leaf_der(&app), raw_key(&app.key, &app.key)));
    const uint8_t *p = other.der;
    SSL_CTX_add_extra_chain_cert(r.ctx, d2i_X509(NULL, &p, (long)other.n));
    CHECK_ERR(against(&r, true, &reached, &present), TLS_CERTIFICATE);
    CHECK(!reached);
}

TEST(attack_a_certificate_over_the_limit)
{
    static struct leaf big;
    static uint8_t value[15000];
    struct raw r;
    NEED(leaves());
    struct pl_wr ext = pl_wr_heap(32768);
    pl_ratls_put_extension(&ext, PL_LIT("\x2a\x03\x04"), PL_ARR(value));
    NEED(leaf_make(&big, 5, T0 - 60, T0 + 3600, pl_wr_span(&ext)));
    pl_wr_free(&ext);
    NEED(raw_make(&r, false));
    NEED(raw_identity(&r, leaf_der(&big), raw_key(&big.key, &big.key)));
    CHECK_OK(against(&r, true, &reached, &present)); /* large is allowed */
    CHECK(present);
    NEED(raw_make(&r, false));
    NEED(raw_identity(&r, leaf_der(&app), raw_key(&app.key, &app.key)));
    for (int i = 0; i < 6; i++) {
        const uint8_t *p = big.der;
        SSL_CTX_add_extra_chain_cert(r.ctx, d2i_X509(NULL, &p, (long)big.n));
    }
    CHECK_ERR(against(&r, true, &reached, &present), TLS_MESSAGE_SIZE);
    CHECK(!reached);
}

/* A client that has a genuine session and sends a request with its first flight: it could be
 * replayed. It must never be taken, and never reach a reader. */
TEST(attack_early_data)
{
    struct raw r, again;
    struct pl_tls *t;
    static uint8_t out[PL_TLS_OUT_MAX];
    static struct pipe pipe;
    uint8_t plain[64];
    size_t n = 0;
    NEED(leaves() && raw_make(&r, false));
    struct pl_tls_ctx *s = pair_ctx(true, &vault);
    raw_start(&r);
    NEED(CHECK_OK(pl_tls_new(&t, s, pair_crypto, NULL)) && CHECK_OK(raw_handshake(&r, t)));
    struct pl_wr w = pl_wr_fixed(out, sizeof(out));
    NEED(CHECK_OK(pl_tls_open(t, &w, true)));
    raw_feed(&r, pl_wr_span(&w));
    SSL_read(r.ssl, plain, sizeof(plain));
    NEED(CHECK(r.session));
    pl_tls_free(t);
    SSL_set_shutdown(r.ssl, SSL_SENT_SHUTDOWN);

    NEED(raw_make(&again, false) && CHECK_OK(pl_tls_new(&t, s, pair_crypto, NULL)));
    raw_start(&again);
    CHECK(SSL_SESSION_set_max_early_data(r.session, 16384) == 1);
    CHECK(SSL_set_session(again.ssl, r.session) == 1);
    size_t wrote = 0;
    CHECK(SSL_write_early_data(again.ssl, "replayed", 8, &wrote) == 1 && wrote == 8);
    (void)raw_handshake(&again, t);
    CHECK(SSL_get_early_data_status(again.ssl) != SSL_EARLY_DATA_ACCEPTED);
    if (pl_tls_state(t) == PL_TLS_VERDICT) {
        w.n = 0;
        CHECK_OK(pl_tls_open(t, &w, false));
        pipe.n = 0;
        raw_drain(&again, &pipe);
        struct pl_span in = pl_span(pipe.p, pipe.n);
        pl_err err = pl_tls_read(t, &in, &w, plain, sizeof(plain), &n);
        CHECK(err != PL_OK || n == 0);
    }
    pl_tls_free(t);
    raw_free(&again);
    raw_free(&r);
    pl_tls_ctx_free(s);
}

TEST(attack_resumption_without_the_secret)
{
    NEED(leaves());
    struct pl_tls_ctx *s = pair_ctx(true, &vault), *c = pair_ctx(false, &app);
    struct raw r, thief;
    struct pl_tls *t;
    static uint8_t out[PL_TLS_OUT_MAX];
    uint8_t plain[8];
    NEED(raw_make(&r, false) && raw_identity(&r, leaf_der(&app), raw_key(&app.key, &app.key)));
    raw_start(&r);
    NEED(CHECK_OK(pl_tls_new(&t, s, pair_crypto, NULL)) && CHECK_OK(raw_handshake(&r, t)));
    struct pl_wr w = pl_wr_fixed(out, sizeof(out));
    NEED(CHECK_OK(pl_tls_open(t, &w, true)));
    raw_feed(&r, pl_wr_span(&w));
    SSL_read(r.ssl, plain, sizeof(plain));
    NEED(CHECK(r.session));
    pl_tls_free(t);
    /* The session's name is known to the thief (it travels in clear), its secret is not. */
    uint8_t guess[48] = {1};
    CHECK(SSL_SESSION_set1_master_key(r.session, guess, sizeof(guess)) == 1);
    NEED(raw_make(&thief, false) && CHECK_OK(pl_tls_new(&t, s, pair_crypto, NULL)));
    raw_start(&thief);
    CHECK(SSL_set_session(thief.ssl, r.session) == 1);
    CHECK(raw_handshake(&thief, t) != PL_OK);
    CHECK(pl_tls_state(t) == PL_TLS_CLOSED);
    pl_tls_free(t);
    raw_free(&thief);
    raw_free(&r);
    pl_tls_ctx_free(s);
    pl_tls_ctx_free(c);
}

TEST_MAIN()
