/* Every k-th call failing, for every k, under the operations that a vault and its client consist
 * of: an error or the right answer, never a wrong one, nothing left behind. What must be refused is
 * refused whatever fails. */
#include "fault.h"
#include "client/internal.h"
#include "fixture/scene.h"
#include "platform/net/h2.h"
#include "policy/config.h"
#include "unit/vault_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ALL = FAULT_MEMORY | FAULT_ENTROPY | FAULT_CRYPTO | FAULT_HTTP };

/* work may also succeed although a call failed, where it says itself that its result is right.
 * Returns how many calls were failed. */
static unsigned each_call(pl_err (*work)(void *arg), void *arg)
{
    for (unsigned k = 1;; k++) {
        long live = fault_live_blocks();
        fault_arm(ALL, k);
        pl_err e = work(arg);
        bool hit = fault_disarm();
        bool good = hit ? CHECK(pl_err_code(e) != PL_E_BUG) : CHECK_OK(e);
        good = CHECK(fault_live_blocks() == live) && good;
        if (!good)
            printf("# call %u: %s\n", k, pl_code_name(pl_err_code(e)));
        if (!hit || !good)
            return k - 1;
    }
}

/* The same for what is wrong: never a success, whatever fails. */
static unsigned each_call_refused(pl_err (*work)(void *arg), void *arg)
{
    for (unsigned k = 1;; k++) {
        long live = fault_live_blocks();
        fault_arm(ALL, k);
        pl_err e = work(arg);
        bool hit = fault_disarm();
        if (!CHECK(e != PL_OK && pl_err_code(e) != PL_E_BUG) || !CHECK(fault_live_blocks() == live))
            printf("# call %u: %s\n", k, pl_code_name(pl_err_code(e)));
        if (!hit)
            return k - 1;
    }
}

static struct pl_crypto *crypto;

__attribute__((constructor)) static void open_crypto(void)
{
    if (pl_crypto_new(&crypto) != PL_OK)
        abort();
}
__attribute__((destructor)) static void close_crypto(void) { pl_crypto_free(crypto); }

/* ---- crypto ---------------------------------------------------------------------------------- */

struct keyed {
    struct pl_priv key;
    struct pl_pub pub;
    uint8_t sig[64], sealed[48];
};

static const uint8_t aes_key[32] = {5}, iv[PL_GCM_IV_BYTES] = {6};

static pl_err sign_and_seal(void *arg)
{
    struct keyed *k = arg, now = *k;
    uint8_t digest[64], plain[32] = {1}, back[32];
    struct pl_span all[] = {PL_ARR(plain)};
    PL_TRY(pl_priv_public(crypto, &now.pub, &k->key));
    PL_TRY(pl_priv_sign(crypto, now.sig, &k->key, PL_LIT("message")));
    PL_TRY(pl_pub_verify(crypto, &now.pub, PL_LIT("message"), now.sig));
    PL_TRY(pl_sha384(crypto, digest, all, 1));
    PL_TRY(pl_hkdf(crypto, digest, 64, PL_ARR(plain), PL_LIT("salt"), PL_LIT("info")));
    PL_TRY(pl_gcm_seal(crypto, now.sealed, aes_key, iv, PL_LIT("aad"), PL_ARR(plain)));
    PL_TRY(pl_gcm_open(crypto, back, aes_key, iv, PL_LIT("aad"), PL_ARR(now.sealed)));
    PL_ASSERT(memcmp(back, plain, 32) == 0 && memcmp(&now.pub, &k->pub, sizeof(k->pub)) == 0);
    return PL_OK;
}

static pl_err verify_wrong(void *arg)
{
    const struct keyed *k = arg;
    return pl_pub_verify(crypto, &k->pub, PL_LIT("massage"), k->sig);
}

static pl_err verify_wrong_spki(void *arg)
{
    const struct keyed *k = arg;
    uint8_t spki[PL_SPKI_MAX], der[80];
    struct pl_wr w = pl_wr_fixed(der, sizeof(der));
    size_t n = pl_pub_to_spki(spki, &k->pub);
    bool ec = k->pub.type == PL_PUB_P256;
    if (ec)
        pl_p256_sig_to_der(&w, k->sig);
    else
        pl_wr_bytes(&w, PL_ARR(k->sig));
    return pl_spki_verify(crypto, pl_span(spki, n), ec ? PL_SIG_ECDSA_SHA256 : PL_SIG_ED25519,
                          PL_LIT("massage"), pl_wr_span(&w));
}

static pl_err open_wrong(void *arg)
{
    const struct keyed *k = arg;
    uint8_t back[32], bent[48];
    memcpy(bent, k->sealed, sizeof(bent));
    bent[3] ^= 1;
    pl_err e = pl_gcm_open(crypto, back, aes_key, iv, PL_LIT("aad"), PL_ARR(bent));
    PL_ASSERT(pl_span_zero(PL_ARR(back)));
    return e;
}

TEST(keys_sign_seal_and_verify)
{
    for (enum pl_pub_type t = PL_PUB_P256; t <= PL_PUB_ED25519; t++) {
        struct keyed k = {.key = {t, {0}}};
        uint8_t plain[32] = {1};
        memset(k.key.raw, 9, sizeof(k.key.raw));
        NEED(CHECK_OK(pl_priv_public(crypto, &k.pub, &k.key)));
        NEED(CHECK_OK(pl_priv_sign(crypto, k.sig, &k.key, PL_LIT("message"))));
        NEED(CHECK_OK(pl_gcm_seal(crypto, k.sealed, aes_key, iv, PL_LIT("aad"), PL_ARR(plain))));
        CHECK(fault_every(ALL, sign_and_seal, &k, NULL) > 20);
        CHECK(each_call_refused(verify_wrong, &k) > 0);
        CHECK(each_call_refused(verify_wrong_spki, &k) > 1);
        CHECK(each_call_refused(open_wrong, &k) > 3);
    }
}

/* ---- messages, policies, statements ---------------------------------------------------------- */

static struct pl_span seed_file(const char *name)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/tests/fuzz/corpus/%s", PL_SOURCE_ROOT, name);
    struct pl_span s = test_file(path);
    CHECK(s.p != NULL);
    return s;
}

static void drop(struct pl_span *s) { free((void *)(uintptr_t)s->p); }

static pl_err message(void *arg)
{
    const struct pl_span *text = arg;
    static _Alignas(16) uint8_t memory[1 << 16];
    struct pl_arena scratch = pl_arena(memory, sizeof(memory));
    struct pl_api_problem m;
    struct pl_api_in in = {.body = *text, .scratch = &scratch};
    struct pl_wr w PL_CLEANUP(pl_wr_free) = pl_wr_heap(1 << 16);
    PL_TRY(pl_api_read_problem(&m, &in));
    PL_TRY(pl_api_write_problem(&w, &m));
    PL_ASSERT(pl_span_eq(pl_wr_span(&w), *text));
    return PL_OK;
}

TEST(a_message_is_read_and_written)
{
    struct pl_span read PL_CLEANUP(drop) = seed_file("api/problem");
    struct pl_span body = pl_span_sub(read, 1, read.n - 1);
    CHECK(fault_every(ALL, message, &body, NULL) > 0);
}

static pl_err policy(void *arg)
{
    const struct pl_span *text = arg;
    struct pl_policy *p;
    struct pl_refusal why;
    struct pl_wr words PL_CLEANUP(pl_wr_free) = pl_wr_heap(1 << 20);
    PL_TRY(pl_policy_load(&p, crypto, *text, &why));
    pl_err e = pl_policy_render(&words, p);
    struct pl_facts nobody = {.op = PL_OP_EXPORT, .now = {1767600000, 1767600000}};
    PL_ASSERT(pl_policy_evaluate(p, &nobody, NULL).verdict == PL_DENY);
    pl_policy_free(p);
    return e;
}

TEST(a_policy_is_loaded_and_rendered)
{
    struct pl_span text PL_CLEANUP(drop) = seed_file("policy/disk.json");
    CHECK(fault_every(ALL, policy, &text, NULL) > 5);
}

static pl_err statement(void *arg)
{
    struct pl_statement s;
    pl_err e = pl_statement_verify(crypto, &s, *(const struct pl_span *)arg, NULL);
    PL_ASSERT(e == PL_OK || pl_span_zero(pl_span(&s, sizeof(s))));
    return e;
}

static pl_err grant_file(void *arg)
{
    static struct pl_grant_file file;
    return pl_grant_read(crypto, &file, *(const struct pl_span *)arg);
}

/* A copy with a byte of its first signature changed. */
static struct pl_span bent(struct pl_span s)
{
    static const char mark[] = "\"signature\":\"";
    uint8_t *p = malloc(s.n);
    PL_ASSERT(p);
    memcpy(p, s.p, s.n);
    uint8_t *at = memmem(p, s.n, mark, sizeof(mark) - 1);
    PL_ASSERT(at);
    at[sizeof(mark) + 8] ^= 1;
    return pl_span(p, s.n);
}

static void signed_thing(const char *file, pl_err (*work)(void *arg))
{
    struct pl_span good PL_CLEANUP(drop) = seed_file(file);
    struct pl_span wrong PL_CLEANUP(drop) = bent(good);
    CHECK(fault_every(ALL, work, &good, NULL) > 5);
    CHECK(each_call_refused(work, &wrong) > 5);
}

TEST(a_request_is_verified) { signed_thing("statement/request-p256.json", statement); }
TEST(another_request_is_verified) { signed_thing("statement/request-ed25519.json", statement); }
TEST(a_grant_file_is_read) { signed_thing("statement/grant-file.json", grant_file); }

static pl_err config(void *arg)
{
    const struct pl_span *text = arg;
    struct pl_config *cfg;
    const struct pl_priv key = {PL_PUB_ED25519, {1}};
    struct pl_wr doc PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_CONFIG_BYTES);
    PL_TRY(pl_config_sign(crypto, &doc, *text, &key, 1));
    PL_TRY(pl_config_load(&cfg, crypto, pl_wr_span(&doc), NULL));
    PL_ASSERT(cfg->serial == 3);
    pl_config_put(cfg);
    return PL_OK;
}

static pl_err config_unsigned(void *arg)
{
    struct pl_config *cfg;
    pl_err e = pl_config_load(&cfg, crypto, *(const struct pl_span *)arg, NULL);
    PL_ASSERT((e == PL_OK) == (cfg != NULL));
    return e;
}

TEST(a_configuration_is_signed_and_loaded)
{
    struct pl_span text PL_CLEANUP(drop) = seed_file("config/whole");
    struct pl_span wrong PL_CLEANUP(drop) = seed_file("config/signed_wrong");
    CHECK(fault_every(ALL, config, &text, NULL) > 10);
    CHECK(each_call_refused(config_unsigned, &wrong) > 5);
}

static pl_err descriptor(void *arg)
{
    static struct pl_app app;
    static struct pl_descriptor_info info;
    const struct pl_span *text = arg;
    pl_err e = pl_descriptor_info(&info, &app, text->p, text->n);
    PL_ASSERT(info.vaults == (e == PL_OK ? 3 : 0));
    return e;
}

TEST(a_descriptor_is_read)
{
    struct pl_span text PL_CLEANUP(drop) = seed_file("descriptor/three");
    CHECK(fault_every(ALL, descriptor, &text, NULL) > 1);
}

/* ---- evidence -------------------------------------------------------------------------------- */

static struct scene scene;

static pl_err evidence(void *arg)
{
    static struct pl_collateral coll;
    struct pl_claims claims;
    (void)arg;
    struct pl_collateral_in in = scene_in(&scene);
    PL_TRY(pl_collateral_verify(crypto, &scene.roots, &coll, &in));
    struct pl_verifier v = scene_verifier(&scene, &coll);
    v.crypto = crypto;
    pl_err e = pl_evidence_verify(&v, &claims, pl_wr_span(&scene.quote), scene.expected);
    PL_ASSERT(e == PL_OK || claims.tee == PL_TEE_NONE);
    return e;
}

TEST(evidence_is_verified)
{
    NEED(CHECK_OK(scene_begin(&scene)) && CHECK_OK(scene_make(&scene, NULL)));
    CHECK(fault_every(ALL, evidence, NULL, NULL) > 50);
    static const size_t at[] = {60, 48 + 320, 436 + 3, 600}; /* report, data, signature, QE */
    for (size_t i = 0; i < sizeof(at) / sizeof(*at); i++) {
        scene.quote.p[at[i]] ^= 1;
        CHECK(each_call_refused(evidence, NULL) > 10);
        scene.quote.p[at[i]] ^= 1;
    }
    scene_end(&scene);
}

/* ---- TLS ------------------------------------------------------------------------------------- */

enum { T0 = 1800000000, PIPE = 1 << 16 };

struct end {
    struct pl_tls_ctx *ctx;
    struct pl_tls *tls;
    uint8_t in[PIPE]; /* on its way here */
    size_t in_n;
};

static struct pl_priv leaf_key;
static uint8_t leaf_der[4096];
static size_t leaf_n;
static bool strangers; /* the server's certificate belongs to another key */

static struct pl_interval tls_now(void *arg)
{
    (void)arg;
    return (struct pl_interval){T0, T0};
}

static pl_err step(struct end *me, struct end *peer, bool *moved)
{
    static uint8_t room[PL_TLS_OUT_MAX];
    struct pl_wr w = pl_wr_fixed(room, sizeof(room));
    struct pl_span in = pl_span(me->in, me->in_n);
    pl_err e = pl_tls_handshake(me->tls, &in, &w);
    *moved = *moved || in.n < me->in_n || w.n > 0;
    memmove(me->in, in.p ? in.p : me->in, in.n);
    me->in_n = in.n;
    PL_ASSERT(w.n <= PIPE - peer->in_n);
    memcpy(peer->in + peer->in_n, room, w.n);
    peer->in_n += w.n;
    return e;
}

static pl_err shake(struct end *server, struct end *client)
{
    for (bool moved = true; moved;) {
        moved = false;
        PL_TRY(step(client, server, &moved));
        PL_TRY(step(server, client, &moved));
    }
    PL_REQUIRE(pl_tls_state(server->tls) == PL_TLS_VERDICT, TLS_LEAF);
    PL_REQUIRE(pl_tls_state(client->tls) == PL_TLS_VERDICT, TLS_LEAF);
    PL_ASSERT(pl_tls_peer(client->tls)->present && pl_tls_peer(server->tls)->present);
    return PL_OK;
}

static pl_err talk(struct end *server, struct end *client)
{
    static uint8_t room[PL_TLS_OUT_MAX];
    uint8_t got[16], a[PL_TLS_EXPORTER_BYTES], b[PL_TLS_EXPORTER_BYTES];
    struct pl_wr w = pl_wr_fixed(room, sizeof(room));
    size_t n = 0;
    PL_TRY(pl_tls_exporter(server->tls, a, "caller"));
    PL_TRY(pl_tls_exporter(client->tls, b, "caller"));
    PL_ASSERT(memcmp(a, b, sizeof(a)) == 0);
    PL_TRY(pl_tls_open(client->tls, &w, true));
    w.n = 0;
    PL_TRY(pl_tls_open(server->tls, &w, true));
    PL_TRY(pl_tls_write(server->tls, &w, PL_LIT("hello")));
    struct pl_span in = pl_wr_span(&w);
    struct pl_wr none = pl_wr_fixed(got, 0);
    PL_TRY(pl_tls_read(client->tls, &in, &none, got, sizeof(got), &n));
    PL_ASSERT(n == 5 && memcmp(got, "hello", 5) == 0);
    pl_tls_session_free(pl_tls_session_take(client->tls));
    return PL_OK;
}

static pl_err end_open(struct end *e, bool server)
{
    struct pl_priv other = {PL_PUB_P256, {1}};
    struct pl_tls_config cfg = {.server = server,
                                .ask_certificate = server,
                                .leaf = pl_span(leaf_der, leaf_n),
                                .key = server && strangers ? &other : &leaf_key,
                                .now = tls_now};
    PL_TRY(pl_tls_ctx_new(&e->ctx, crypto, &cfg));
    return pl_tls_new(&e->tls, e->ctx, crypto, NULL);
}

static void end_close(struct end *e)
{
    pl_tls_free(e->tls);
    pl_tls_ctx_free(e->ctx);
    *e = (struct end){0};
}

static pl_err handshake(void *arg)
{
    static struct end server, client;
    (void)arg;
    pl_err e = end_open(&server, true);
    if (e == PL_OK)
        e = end_open(&client, false);
    if (e == PL_OK)
        e = shake(&server, &client);
    if (e == PL_OK)
        e = talk(&server, &client);
    end_close(&server);
    end_close(&client);
    return e;
}

TEST(two_ends_shake_hands)
{
    uint8_t entropy[PL_P256_SEED_BYTES] = {7}, pub[64];
    struct pl_ratls_new n = {.name = "test", .valid = {T0 - 60, T0 + 3600}};
    struct pl_wr w = pl_wr_fixed(leaf_der, sizeof(leaf_der));
    leaf_key.type = PL_PUB_P256;
    NEED(CHECK_OK(pl_p256_make(crypto, leaf_key.raw, pub, entropy)));
    NEED(CHECK_OK(pl_ratls_make(crypto, &w, &leaf_key, &n)));
    leaf_n = w.n;
    NEED(CHECK_OK(handshake(NULL)));
    CHECK(each_call(handshake, NULL) > 60);
    strangers = true;
    CHECK(each_call_refused(handshake, NULL) > 5);
}

/* ---- HTTP/2 ---------------------------------------------------------------------------------- */

struct peer {
    struct pl_h2 *h2;
    struct pl_h2_pool pool;
    unsigned asked, told, answers;
    pl_err why;
};

static uint8_t body[20000];

static void on_request(void *arg, uint32_t stream, const struct pl_request *r)
{
    struct peer *p = arg;
    struct pl_response a = {.status = 200, .body = r->body};
    p->asked++;
    PL_ASSERT(pl_span_eq(r->body, PL_ARR(body)) && pl_span_is(r->path, "/v1/keys"));
    p->why = pl_h2_respond(p->h2, stream, &a);
}

static void on_reset(void *arg, uint32_t stream) { (void)arg, (void)stream; }

static void on_response(void *arg, uint32_t stream, const struct pl_response *r, pl_err why)
{
    struct peer *p = arg;
    (void)stream;
    p->told++;
    p->why = why;
    if (!r)
        return;
    p->answers += r->status == 200;
    PL_ASSERT(r->status == 200 ? pl_span_eq(r->body, PL_ARR(body)) : r->status >= 400);
    if (r->status != 200)
        p->why = PL_FAIL(NET_RESPONSE);
}

static pl_err peer_open(struct peer *p, bool server)
{
    static const struct pl_h2_events events = {
        .on_request = on_request, .on_reset = on_reset, .on_response = on_response};
    struct pl_h2_config cfg = {.server = server,
                               .pool = &p->pool,
                               .events = &events,
                               .arg = p,
                               .request_ms = 1000,
                               .response_ms = 1000,
                               .parked_ms = 1000};
    *p = (struct peer){.why = PL_OK};
    pl_h2_pool_init(&p->pool, 1 << 23);
    return pl_h2_new(&p->h2, &cfg, 1);
}

static pl_err pass(struct peer *from, struct peer *to, bool *moved)
{
    static uint8_t room[1 << 16];
    struct pl_wr w = pl_wr_fixed(room, sizeof(room));
    pl_h2_send(from->h2, &w, 1);
    *moved = *moved || w.n > 0;
    return w.n ? pl_h2_recv(to->h2, pl_wr_span(&w), 1) : PL_OK;
}

static pl_err exchange(struct peer *server, struct peer *client)
{
    uint32_t id;
    struct pl_request r = {
        .method = PL_LIT("POST"), .path = PL_LIT("/v1/keys"), .body = PL_ARR(body)};
    PL_TRY(pl_h2_request(client->h2, &id, &r, 60000));
    for (bool moved = true; moved;) {
        moved = false;
        PL_TRY(pass(client, server, &moved));
        PL_TRY(pass(server, client, &moved));
    }
    PL_TRY(server->why);
    PL_TRY(client->why);
    PL_REQUIRE(client->answers == 1 && server->asked == 1, NET_CLOSED);
    return PL_OK;
}

static pl_err request(void *arg)
{
    static struct peer server, client;
    (void)arg;
    pl_err e = peer_open(&server, true), c = peer_open(&client, false);
    e = e == PL_OK ? c : e;
    if (e == PL_OK)
        e = exchange(&server, &client);
    pl_h2_free(server.h2, PL_OK);
    pl_h2_free(client.h2, PL_OK);
    PL_ASSERT(server.pool.used == 0 && client.pool.used == 0 && client.told <= 1);
    pl_h2_pool_free(&server.pool);
    pl_h2_pool_free(&client.pool);
    return e;
}

TEST(a_request_over_http2)
{
    test_fill(body, sizeof(body), 3);
    CHECK(each_call(request, NULL) > 20);
}

/* ---- the vault ------------------------------------------------------------------------------- */

enum { LOG_ENTRIES = 1024 };
static struct world w;

static struct {
    enum pl_entry_kind kind;
    uint8_t p[8192];
    size_t n;
} entries[LOG_ENTRIES];
static size_t entries_n;

static pl_err room(void *ctx, size_t n, size_t bytes)
{
    (void)ctx, (void)bytes;
    PL_REQUIRE(entries_n + n <= LOG_ENTRIES, LOG_FULL);
    return PL_OK;
}

static uint64_t append(void *ctx, enum pl_entry_kind kind, struct pl_span s)
{
    (void)ctx;
    PL_ASSERT(s.n <= sizeof(entries[0].p));
    entries[entries_n].kind = kind;
    memcpy(entries[entries_n].p, s.p, s.n);
    entries[entries_n].n = s.n;
    return w.entries + entries_n++;
}

static const char *released(void)
{
    static const char mark[] = "\"share\":\"";
    const uint8_t *p = w.body.n ? memmem(w.body.p, w.body.n, mark, sizeof(mark) - 1) : NULL;
    return p ? (const char *)p + sizeof(mark) - 1 : "";
}

struct asked {
    struct pl_peer peer;
    const char *method, *path, *body;
};

static pl_err ask(void *arg)
{
    const struct asked *a = arg;
    pl_err e = world_call(&w, &a->peer, a->method, a->path, a->body, NULL);
    PL_ASSERT(w.secrets.used == 0 && (e == PL_OK || !*released()));
    if (e != PL_OK)
        pl_wr_free(&w.body);
    return e;
}

/* Each call of it fails once; before each, `again` (may be NULL) makes what it needs. At last it
 * succeeds, and the state is what the log says. Returns how many calls were failed. */
static unsigned each_call_asked(struct asked *a, void (*again)(struct asked *a))
{
    for (unsigned k = 1;; k++) {
        if (again)
            again(a);
        fault_arm(ALL, k);
        pl_err e = ask(a);
        bool hit = fault_disarm();
        bool good = hit ? CHECK(pl_err_code(e) != PL_E_BUG) : CHECK_OK(e);
        if (!good)
            printf("# call %u: %s\n", k, pl_code_name(pl_err_code(e)));
        if (!hit || !good)
            return k - 1;
    }
}

static bool log_says_the_same(void)
{
    struct pl_vault *v = world_replay(&w);
    for (size_t i = 0; v && i < entries_n; i++) {
        struct pl_entry e = {.index = w.entries + i,
                             .kind = entries[i].kind,
                             .body = pl_span(entries[i].p, entries[i].n)};
        if (!CHECK_OK(pl_vault_replay(v, w.c, &e)))
            break;
    }
    struct pl_span live PL_CLEANUP(drop) = world_state(w.vault);
    struct pl_span again PL_CLEANUP(drop) = world_state(v);
    bool same = CHECK(pl_span_eq(live, again));
    pl_vault_free(v);
    return same;
}

static char path[128], create_body[4096];

/* A prepared key, and path to activate it. */
static void prepare(struct asked *a)
{
    CHECK_OK(world_call(&w, &a->peer, "POST", "/v1/keys", create_body, NULL));
    snprintf(path, sizeof(path), "%s", world_path(&w, "/activate"));
}

static void vault_paths(void)
{
    struct asked a = {world_peer(&w, &w.owner, NULL), "POST", "/v1/keys", create_body};
    snprintf(create_body, sizeof(create_body), "%s", world_create_body(&w, 9, 40, NULL));
    CHECK(each_call_asked(&a, NULL) > 20 && log_says_the_same());
    a.path = path;
    a.body = NULL;
    CHECK(each_call_asked(&a, prepare) > 0 && log_says_the_same());
    snprintf(strrchr(path, '/'), 16, "/export");
    a = (struct asked){world_peer(&w, &w.app, &w.changed_claims), "POST", path, "{}"};
    CHECK_ERR(ask(&a), DENIED); /* another build of the app */
    each_call_refused(ask, &a);
    a.peer = world_peer(&w, &w.app, &w.app_claims);
    CHECK(each_call_asked(&a, NULL) > 5 && log_says_the_same());
    CHECK(strncmp(released(), "CQkJCQkJ", 8) == 0);
}

TEST(a_vault_creates_activates_and_exports)
{
    world_open(&w);
    w.log = (struct pl_log){room, append, &w};
    vault_paths();
    world_close(&w);
}

TEST_MAIN()
