#include "vault_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static pl_err log_room(void *ctx, size_t entries, size_t body_bytes)
{
    struct world *w = ctx;
    (void)body_bytes;
    return w->entries + entries <= WORLD_ENTRIES ? w->room : PL_FAIL(LOG_FULL);
}

static uint64_t log_append(void *ctx, enum pl_entry_kind kind, struct pl_span body)
{
    struct world *w = ctx;
    uint8_t *copy = malloc(body.n ? body.n : 1);
    memcpy(copy, body.p, body.n);
    w->entry[w->entries].kind = kind;
    w->entry[w->entries].body = pl_span(copy, body.n);
    return w->entries++;
}

static void make_key(struct world *w, struct pl_priv *out, uint8_t *out_spki, uint64_t seed)
{
    uint8_t bytes[48], spki[PL_SPKI_MAX];
    struct pl_pub pub = {.type = PL_PUB_P256};
    test_fill(bytes, sizeof(bytes), seed);
    out->type = PL_PUB_P256;
    CHECK_OK(pl_p256_make(w->c, out->raw, pub.raw, bytes));
    CHECK_OK(pl_sha256_one(w->c, out_spki, pl_span(spki, pl_pub_to_spki(spki, &pub))));
}

static void make_claims(struct pl_claims *out, uint8_t measurement)
{
    *out = (struct pl_claims){.tee = PL_TEE_SGX,
                              .trust = PL_TRUST_DEV,
                              .name = "sim-sgx",
                              .memory = PL_MEMORY_ENCRYPTED,
                              .platform_id_n = 16,
                              .earliest_s = 0,
                              .latest_s = INT64_MAX};
    out->tcb.status = PL_TCB_UP_TO_DATE;
    out->collateral.next_update_s = INT64_MAX;
    memset(out->sgx.mrenclave, measurement, 32);
}

static void hex32(char out[static 65], const uint8_t *bytes) { pl_hex(out, pl_span(bytes, 32)); }

static void spki_b64u(struct world *w, char *out, const struct pl_priv *key)
{
    uint8_t spki[PL_SPKI_MAX];
    struct pl_pub pub;
    CHECK_OK(pl_priv_public(w->c, &pub, key));
    pl_b64u(out, pl_span(spki, pl_pub_to_spki(spki, &pub)));
}

static void be_born(struct world *w)
{
    char owner[65], spki[256], text[2048], issuer[PL_B64U_LEN(32) + 1];
    struct pl_config *cfg = NULL;
    struct pl_pub pub = {.type = PL_PUB_NONE};
    struct pl_wr doc PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_CONFIG_BYTES);
    hex32(owner, w->owner_spki);
    spki_b64u(w, spki, &w->owner);
    w->issuer = (struct pl_priv){PL_PUB_ED25519, {21}};
    CHECK_OK(pl_priv_public(w->c, &pub, &w->issuer));
    pl_b64u(issuer, pl_span(pub.raw, 32));
    snprintf(text, sizeof(text),
             "{\"pleiad_config\":1,\"serial\":1,\"name\":\"test\","
             "\"authority\":{\"at_least\":1,\"keys\":[\"%s\"]},"
             "\"create\":{\"allow\":[{\"kind\":\"key\",\"spki_sha256\":\"%s\"}]},"
             "\"issuers\":[{\"issuer\":\"https://id.example\",\"audience\":\"pleiad\",\"keys\":[{"
             "\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"%s\"}]}],"
             "\"time\":\"host\",\"witnesses\":{\"f\":0,\"list\":[]}}",
             spki, owner, issuer);
    CHECK_OK(pl_config_sign(w->c, &doc, pl_span_str(text), &w->owner, 1));
    CHECK_OK(pl_config_load(&cfg, w->c, pl_wr_span(&doc), NULL));
    if (cfg)
        CHECK_OK(pl_vault_adopt(w->vault, &w->log, cfg, PL_TIME_UNKNOWN));
    pl_config_put(cfg);
}

void world_make(struct world *w)
{
    static _Alignas(16) uint8_t arena[512 * 1024];
    uint8_t root[32];
    memset(w, 0, sizeof(*w));
    memset(root, WORLD_ROOT, sizeof(root));
    w->room = PL_OK;
    w->log = (struct pl_log){log_room, log_append, w};
    w->secrets = pl_arena(arena, sizeof(arena));
    w->now_s = 1800000000;
    w->body = pl_wr_heap(1 << 20);
    CHECK_OK(pl_crypto_new(&w->c));
    CHECK_OK(pl_vault_keys(w->c, &w->keys, &w->self, root));
    CHECK_OK(pl_vault_new(&w->vault, &w->self, (const uint8_t[16]){1}));
    CHECK_OK(pl_turn_new(&w->turn));
    make_key(w, &w->owner, w->owner_spki, 11);
    make_key(w, &w->app, w->app_spki, 12);
    make_key(w, &w->other, w->other_spki, 13);
    make_claims(&w->app_claims, 0xaa);
    make_claims(&w->changed_claims, 0xab);
}

void world_birth(struct world *w)
{
    CHECK_OK(pl_vault_boot(w->vault, &w->log, &(struct pl_boot){.now = {1, 2}}));
    be_born(w);
}

void world_open(struct world *w)
{
    world_make(w);
    world_birth(w);
}

void world_close(struct world *w)
{
    for (size_t i = 0; i < w->entries; i++)
        free((void *)(uintptr_t)w->entry[i].body.p);
    pl_turn_free(w->turn);
    pl_vault_free(w->vault);
    pl_wr_free(&w->body);
    pl_crypto_free(w->c);
}

struct pl_vault *world_replay(struct world *w)
{
    struct pl_vault *v = NULL;
    CHECK_OK(pl_vault_new(&v, &w->self, (const uint8_t[16]){1}));
    for (size_t i = 0; i < w->entries; i++) {
        struct pl_entry e = {.index = i, .kind = w->entry[i].kind, .body = w->entry[i].body};
        if (!CHECK_OK(pl_vault_replay(v, w->c, &e)))
            break;
    }
    return v;
}

const char *world_policy(struct world *w, uint8_t salt)
{
    static char text[4096];
    uint8_t bytes[16];
    char owner[65], app[65], salted[32];
    memset(bytes, salt, sizeof(bytes));
    pl_b64u(salted, PL_ARR(bytes));
    hex32(owner, w->owner_spki);
    hex32(app, w->app_claims.sgx.mrenclave);
    snprintf(
        text, sizeof(text),
        "{\"pleiad_policy\":1,\"salt\":\"%s\",\"principals\":{\"owner\":{\"me\":{\"kind\":"
        "\"key\",\"spki_sha256\":\"%s\"}},\"apps\":{\"app\":{\"kind\":\"tee\",\"profiles\":["
        "\"v1\"]}}%s},\"profiles\":{\"v1\":{\"tee\":\"sim-sgx\",\"measurements\":{\"mrenclave\":"
        "[\"%s\"]},\"platforms\":\"any\"}},\"operations\":[{\"id\":\"boot\",\"allow\":["
        "\"export\"],\"to\":[\"apps/app\"]},{\"id\":\"look\",\"allow\":[\"describe\",\"list\","
        "\"read_policy\"],\"to\":[\"owner/*\"]}%s]}",
        salted, owner, w->principals ? w->principals : "", app, w->rules ? w->rules : "");
    return text;
}

const char *world_create_body(struct world *w, uint8_t fill, size_t n, const char *statements)
{
    static char text[160 * 1024], share[140 * 1024];
    uint8_t bytes[PL_SHARE_MAX + 16], tag[32];
    char tag64[64];
    memset(bytes, fill, sizeof(bytes));
    memset(tag, fill, sizeof(tag));
    pl_b64u(share, pl_span(bytes, n));
    pl_b64u(tag64, PL_ARR(tag));
    snprintf(text, sizeof(text),
             "{\"commitment\":\"%s\",\"generation\":1,\"policy\":%s,\"share\":\"%s\"%s%s,"
             "\"tag\":\"%s\",\"type\":\"raw_share\"}",
             tag64, world_policy(w, fill), share, statements ? ",\"statements\":" : "",
             statements ? statements : "", tag64);
    return text;
}

struct pl_peer world_peer(struct world *w, const struct pl_priv *key,
                          const struct pl_claims *claims)
{
    struct pl_peer p = {.has_key = key != NULL};
    const uint8_t *spki = key == &w->owner ? w->owner_spki
                          : key == &w->app ? w->app_spki
                                           : w->other_spki;
    if (key)
        memcpy(p.spki_sha256, spki, 32);
    if (claims)
        CHECK_OK(pl_peer_claims(w->c, &p, claims));
    memset(p.leaf_sha256, 0x1e, sizeof(p.leaf_sha256));
    return p;
}

static pl_err run(struct world *w, struct pl_vault *v, struct pl_env *env)
{
    uint64_t wait;
    pl_err e = pl_turn_prepare(w->turn, env);
    if (e != PL_OK) {
        pl_turn_refused(v, w->turn, &w->log, e, &wait);
        return e;
    }
    PL_TRY(pl_turn_commit(v, w->turn, &w->log, &wait));
    return pl_turn_finish(w->turn, env, &w->body, &w->status);
}

void world_swap(struct world *w, struct pl_vault *v)
{
    w->aside = w->vault;
    w->vault = v;
}

pl_err world_swapped(struct world *w, pl_err e)
{
    w->vault = w->aside;
    return e;
}

pl_err world_call(struct world *w, const struct pl_peer *peer, const char *method, const char *path,
                  const char *body, const char *idem)
{
    struct pl_vault *v = w->vault;
    struct pl_env env = {.crypto = w->c,
                         .keys = &w->keys,
                         .self = &w->self,
                         .secrets = &w->secrets,
                         .now = {w->now_s - 300, w->now_s + 300}};
    struct pl_call call = {.body = pl_span_str(body),
                           .idempotency_key = pl_span_str(idem),
                           .authorization = pl_span_str(w->authorization)};
    call.if_match = pl_span_str(w->if_match);
    if (w->no_time)
        env.now = PL_TIME_UNKNOWN;
    test_fill(env.entropy, sizeof(env.entropy), ++w->seed * 1000003);
    PL_TRY(pl_call_route(&call, pl_span_str(method), pl_span_str(path)));
    w->body.n = 0;
    pl_turn_begin(v, w->turn, &call, peer);
    pl_err e = run(w, v, &env);
    w->told = (struct pl_told){.code = PL_E_OK};
    if (e != PL_OK) {
        w->told = pl_turn_problem(w->turn, e);
        snprintf(w->detail, sizeof(w->detail), "%s", w->told.detail);
        w->told.detail = w->detail;
    }
    pl_turn_end(v, w->turn);
    return e;
}

const char *world_path(struct world *w, const char *tail)
{
    static char ring[8][96];
    static unsigned at;
    static const char mark[] = "\"handle\":\"";
    char *out = ring[at++ % 8];
    const uint8_t *p = memmem(w->body.p, w->body.n, mark, sizeof(mark) - 1);
    if (!CHECK(p != NULL))
        return "/v1/keys/AAAAAAAAAAAAAAAAAAAAAA";
    snprintf(out, sizeof(ring[0]), "/v1/keys/%.22s%s", (const char *)p + sizeof(mark) - 1, tail);
    return out;
}

struct pl_span world_state(struct pl_vault *v)
{
    struct pl_frozen *f = NULL;
    uint8_t *out = malloc(1 << 22);
    size_t n = 0, got = 0;
    if (!CHECK_OK(pl_vault_freeze(v, &f)))
        return pl_span(out, 0);
    while (pl_frozen_step(f, v))
        do {
            if (!CHECK_OK(pl_frozen_read(f, out + n, 977, &got)))
                break;
            n += got;
        } while (got == 977);
    pl_frozen_free(f);
    return pl_span(out, n);
}

const char *world_signed(struct world *w, enum pl_typ typ, const struct pl_act *act,
                         const uint8_t requester[static 32], const struct pl_priv *signer)
{
    static char text[PL_STATEMENT_BYTES + 1];
    uint8_t target[1][32], fill[PL_STATEMENT_FILL];
    struct pl_policy *p = NULL;
    struct pl_statement_draft d = {.typ = typ,
                                   .op = act->op,
                                   .params = &act->params,
                                   .target = (const uint8_t(*)[32])target,
                                   .targets = 1,
                                   .iat_s = w->now_s,
                                   .exp_s = w->now_s + 3000,
                                   .requester = requester};
    struct pl_wr s PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_STATEMENT_BYTES);
    struct pl_wr out = pl_wr_fixed(text, sizeof(text) - 1);
    CHECK_OK(pl_policy_load(&p, w->c, pl_span_str(world_policy(w, 1)), NULL));
    d.policy = p;
    test_fill(d.nonce, sizeof(d.nonce), ++w->seed);
    test_fill(fill, sizeof(fill), ++w->seed);
    CHECK_OK(pl_target(w->c, target[0], d.typ, d.nonce, act));
    CHECK_OK(pl_statement_build(&s, w->c, &d, fill));
    if (signer)
        CHECK_OK(pl_statement_sign(&out, w->c, pl_wr_span(&s), signer));
    else
        pl_wr_bytes(&out, pl_wr_span(&s));
    pl_policy_free(p);
    text[out.n] = 0;
    return text;
}

const char *world_request(struct world *w, const struct pl_act *act,
                          const uint8_t requester[static 32])
{
    return world_signed(w, PL_TYP_REQUEST, act, requester, &w->owner);
}

struct pl_act world_act(struct world *w, const char *path, enum pl_op op, uint8_t fill)
{
    struct pl_act a = {.op = op, .policy_version = 1};
    struct pl_policy *p = NULL;
    memcpy(a.vault_id, w->self.vault_id, 32);
    CHECK_OK(pl_unb64u_exact(a.handle, sizeof(a.handle), pl_span(path + 9, 22)));
    CHECK_OK(pl_policy_load(&p, w->c, pl_span_str(world_policy(w, fill)), NULL));
    memcpy(a.policy_sha256, pl_policy_sha256(p), 32);
    pl_policy_free(p);
    return a;
}

/* Creates and activates as the owner; the path of the key. */
const char *world_active(struct world *w, uint8_t fill, size_t n)
{
    struct pl_peer owner = world_peer(w, &w->owner, NULL);
    CHECK_OK(world_call(w, &owner, "POST", "/v1/keys", world_create_body(w, fill, n, NULL), NULL));
    CHECK(w->status == 201);
    const char *path = world_path(w, "");
    CHECK_OK(world_call(w, &owner, "POST", world_path(w, "/activate"), NULL, NULL));
    return path;
}

const char *world_join(const char *path, const char *tail)
{
    static char out[128];
    snprintf(out, sizeof(out), "%s%s", path, tail);
    return out;
}

struct pl_act world_create_act(struct world *w, uint8_t fill)
{
    struct pl_act a = {.op = PL_OP_CREATE};
    struct pl_policy *p = NULL;
    memcpy(a.vault_id, w->self.vault_id, 32);
    a.params = (struct pl_params){.type = PL_KEY_RAW_SHARE, .generation = 1};
    memset(a.params.commitment, fill, 32);
    memset(a.params.tag, fill, 32);
    CHECK_OK(pl_policy_load(&p, w->c, pl_span_str(world_policy(w, fill)), NULL));
    memcpy(a.params.policy_sha256, pl_policy_sha256(p), 32);
    pl_policy_free(p);
    return a;
}

const char *world_statements(const char *carrier)
{
    static char out[PL_STATEMENT_BYTES + 8];
    snprintf(out, sizeof(out), "[%s]", carrier);
    return out;
}

/* The owner's grant of `count` keys to whoever runs the app's program; carrier text. */
const char *world_grant(struct world *w, uint8_t fill, uint32_t count)
{
    static char text[PL_STATEMENT_BYTES + 16];
    uint8_t target[1][32], random[PL_STATEMENT_FILL];
    struct pl_act act = world_create_act(w, fill);
    struct pl_policy *p = NULL;
    struct pl_statement_draft d = {.typ = PL_TYP_GRANT,
                                   .op = PL_OP_CREATE,
                                   .target = (const uint8_t(*)[32])target,
                                   .targets = 1,
                                   .iat_s = w->now_s,
                                   .exp_s = w->now_s + 3000,
                                   .count = count};
    struct pl_wr s PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_STATEMENT_BYTES);
    struct pl_wr out = pl_wr_fixed(text, sizeof(text) - 2);
    memcpy(d.owner, w->owner_spki, 32);
    memset(d.id, fill, sizeof(d.id));
    test_fill(random, sizeof(random), fill);
    test_fill(d.nonce, sizeof(d.nonce), fill);
    CHECK_OK(pl_policy_load(&p, w->c, pl_span_str(world_policy(w, fill)), NULL));
    d.params = &act.params;
    d.profile_sha256 = pl_policy_profile_sha256(p, 0);
    CHECK_OK(pl_target(w->c, target[0], d.typ, d.nonce, &act));
    CHECK_OK(pl_statement_build(&s, w->c, &d, random));
    pl_wr_u8(&out, '[');
    CHECK_OK(pl_statement_sign(&out, w->c, pl_wr_span(&s), &w->owner));
    pl_wr_u8(&out, ']');
    text[out.n] = 0;
    pl_policy_free(p);
    return text;
}
