/* What changes a key that exists: freezing, another policy. */
#include "vault_world.h"
#include "vault/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct world w;

/* A policy as the tests alter it: members of `mutability` with commas between them, and a rule more
 * ("" for none). The owner is `owner`, the manager `other`. */
struct doc {
    uint8_t salt;
    const char *mutability, *rules, *life;
};

static const char *policy_of(const struct doc *d)
{
    static char text[8192];
    uint8_t salt[16];
    char salted[32], owner[65], other[65], app[65];
    memset(salt, d->salt, sizeof(salt));
    pl_b64u(salted, PL_ARR(salt));
    pl_hex(owner, PL_ARR(w.owner_spki));
    pl_hex(other, PL_ARR(w.other_spki));
    pl_hex(app, PL_ARR(w.app_claims.sgx.mrenclave));
    snprintf(text, sizeof(text),
             "{\"pleiad_policy\":1,\"salt\":\"%s\",\"principals\":{\"owner\":{\"me\":{\"kind\":"
             "\"key\",\"spki_sha256\":\"%s\"}},\"managers\":{\"it\":{\"kind\":\"key\","
             "\"spki_sha256\":\"%s\"}},\"apps\":{\"app\":{\"kind\":\"tee\",\"profiles\":[\"v1\"]}}"
             "},\"profiles\":{\"v1\":{\"tee\":\"sim-sgx\",\"measurements\":{\"mrenclave\":[\"%s\"]}"
             ",\"platforms\":\"any\"}},\"operations\":[{\"id\":\"boot\",\"allow\":[\"export\"],"
             "\"to\":[\"apps/app\"]},{\"id\":\"look\",\"allow\":[\"describe\",\"list\","
             "\"read_policy\"],\"to\":[\"owner/*\",\"managers/*\"]}%s],\"mutability\":{%s},"
             "\"lifecycle\":{%s}}",
             salted, owner, other, app, d->rules ? d->rules : "", d->mutability,
             d->life ? d->life : "");
    return text;
}

static const char narrow_by_all[] = "\"operations\":{\"by\":[\"owner/*\"]},"
                                    "\"narrow\":{\"by\":[\"owner/*\",\"managers/*\"]}";

/* Creates and activates a key under it, as the owner; its path. */
static const char *key_under(const struct doc *d)
{
    static char body[16 * 1024], path[64];
    struct pl_peer owner = world_peer(&w, &w.owner, NULL);
    uint8_t fill[40];
    char share[64], tag[64];
    memset(fill, d->salt, sizeof(fill));
    pl_b64u(share, PL_ARR(fill));
    pl_b64u(tag, pl_span(fill, 32));
    snprintf(body, sizeof(body),
             "{\"commitment\":\"%s\",\"generation\":1,\"policy\":%s,\"share\":\"%s\",\"tag\":"
             "\"%s\",\"type\":\"raw_share\"}",
             tag, policy_of(d), share, tag);
    CHECK_OK(world_call(&w, &owner, "POST", "/v1/keys", body, NULL));
    snprintf(path, sizeof(path), "%s", world_path(&w, ""));
    CHECK_OK(world_call(&w, &owner, "POST", world_join(path, "/activate"), NULL, NULL));
    return path;
}

static pl_err ask(const struct pl_peer *who, const char *path, const char *what)
{
    return world_call(&w, who, "POST", world_join(path, what), NULL, NULL);
}

static void same_state(struct pl_vault *a, struct pl_vault *b)
{
    struct pl_span x = world_state(a), y = world_state(b);
    CHECK_BYTES(x, y);
    free((void *)(uintptr_t)x.p), free((void *)(uintptr_t)y.p);
}

/* The state by replay and by snapshot is the state. */
static void comes_back(void)
{
    struct pl_vault *again = world_replay(&w), *loaded = NULL;
    struct pl_span state = world_state(w.vault);
    CHECK_OK(pl_vault_new(&loaded, &w.self, (const uint8_t[16]){1}));
    CHECK_OK(pl_vault_load(loaded, w.c, state, true));
    same_state(w.vault, again);
    same_state(w.vault, loaded);
    free((void *)(uintptr_t)state.p);
    pl_vault_free(again);
    pl_vault_free(loaded);
}

TEST(a_frozen_key_serves_nobody_until_it_is_unfrozen)
{
    world_open(&w);
    const char *path = key_under(&(struct doc){.salt = 1, .mutability = narrow_by_all});
    struct pl_peer owner = world_peer(&w, &w.owner, NULL), manager = world_peer(&w, &w.other, NULL);
    struct pl_peer app = world_peer(&w, &w.app, &w.app_claims);
    CHECK_ERR(ask(&app, path, "/freeze"), DENIED);
    CHECK_OK(ask(&manager, path, "/freeze"));
    CHECK(w.entry[w.entries - 1].kind == PL_ENTRY_FREEZE);
    CHECK(memmem(w.body.p, w.body.n, "\"frozen\"", 8) != NULL);
    CHECK_ERR(ask(&app, path, "/export"), STATE);
    CHECK(w.body.n == 0);
    CHECK_OK(world_call(&w, &owner, "GET", path, NULL, NULL));
    CHECK_OK(world_call(&w, &owner, "GET", world_join(path, "/policy"), NULL, NULL));
    CHECK_OK(ask(&owner, path, "/freeze")); /* twice is once */
    comes_back();
    CHECK_ERR(ask(&manager, path, "/unfreeze"), DENIED); /* who may narrow may not widen */
    CHECK_OK(ask(&owner, path, "/unfreeze"));
    CHECK(w.entry[w.entries - 1].kind == PL_ENTRY_UNFREEZE);
    CHECK_OK(ask(&owner, path, "/unfreeze"));
    CHECK_OK(ask(&app, path, "/export"));
    CHECK_OK(ask(&owner, path, "/freeze"));
    CHECK_OK(world_call(&w, &owner, "DELETE", path, NULL, NULL));
    CHECK_ERR(ask(&owner, path, "/unfreeze"), STATE);
    comes_back();
    world_close(&w);
}

TEST(a_prepared_key_cannot_be_frozen)
{
    world_open(&w);
    struct pl_peer owner = world_peer(&w, &w.owner, NULL);
    CHECK_OK(world_call(&w, &owner, "POST", "/v1/keys", world_create_body(&w, 9, 40, NULL), NULL));
    const char *path = world_path(&w, "");
    CHECK_ERR(ask(&owner, path, "/freeze"), STATE);
    CHECK_OK(ask(&owner, path, "/activate"));
    world_close(&w);
}

TEST(a_locked_log_still_lets_a_key_be_frozen_but_not_unfrozen)
{
    world_open(&w);
    const char *path = world_active(&w, 5, 40);
    struct pl_peer owner = world_peer(&w, &w.owner, NULL);
    struct pl_peer app = world_peer(&w, &w.app, &w.app_claims);
    size_t entries = w.entries;
    w.room = PL_FAIL(LOG_LOCKED);
    CHECK_OK(ask(&owner, path, "/freeze"));
    CHECK(w.status == 202 && w.entries == entries);
    CHECK(memmem(w.body.p, w.body.n, "\"pending\":true", 14) != NULL);
    CHECK_ERR(ask(&app, path, "/export"), STATE);
    CHECK_ERR(ask(&owner, path, "/unfreeze"), LOG_LOCKED);
    CHECK_ERR(ask(&app, path, "/export"), STATE);
    w.room = PL_OK;
    world_close(&w);
}

TEST(an_expired_key_can_be_frozen)
{
    world_open(&w);
    char until[PL_TIME_LEN + 1], life[64];
    pl_time_format(until, w.now_s + 5000);
    snprintf(life, sizeof(life), "\"expires\":\"%s\"", until);
    const char *path =
        key_under(&(struct doc){.salt = 1, .mutability = narrow_by_all, .life = life});
    struct pl_peer owner = world_peer(&w, &w.owner, NULL);
    w.now_s += 10000;
    CHECK_OK(ask(&owner, path, "/freeze"));
    CHECK_ERR(ask(&owner, path, "/unfreeze"), KEY_EXPIRED);
    world_close(&w);
}

/* The owner's request for this act at this key, as a body; static. */
static const char *requested(struct pl_act *act, const char *path, const uint8_t requester[32])
{
    static char body[PL_STATEMENT_BYTES + 64];
    struct record *r;
    CHECK_OK(pl_unb64u_exact(act->handle, 16, pl_span_str(path + strlen("/v1/keys/"))));
    r = pl_vault_find(w.vault, act->handle);
    if (!CHECK(r != NULL))
        return "";
    memcpy(act->vault_id, w.self.vault_id, 32);
    act->policy_version = r->policy_version;
    memcpy(act->policy_sha256, pl_policy_sha256(r->policy->policy), 32);
    snprintf(body, sizeof(body), "{\"statements\":[%s]}", world_request(&w, act, requester));
    return body;
}

TEST(a_relay_carries_the_owners_request_to_freeze_once)
{
    world_open(&w);
    const char *path = world_active(&w, 5, 40);
    struct pl_act act = {.op = PL_OP_FREEZE};
    struct pl_peer relay = world_peer(&w, &w.app, NULL), owner = world_peer(&w, &w.owner, NULL);
    const char *body = requested(&act, path, w.owner_spki);
    CHECK_ERR(ask(&relay, path, "/freeze"), DENIED);
    CHECK_ERR(world_call(&w, &relay, "POST", world_join(path, "/unfreeze"), body, NULL),
              STATEMENT_OP);
    CHECK_OK(world_call(&w, &relay, "POST", world_join(path, "/freeze"), body, NULL));
    CHECK_OK(ask(&owner, path, "/unfreeze"));
    CHECK_ERR(world_call(&w, &relay, "POST", world_join(path, "/freeze"), body, NULL),
              STATEMENT_SPENT);
    struct pl_vault *again = world_replay(&w);
    CHECK_ERR(world_on(&w, again, &relay, "POST", world_join(path, "/freeze"), body, NULL),
              STATEMENT_SPENT);
    pl_vault_free(again);
    world_close(&w);
}

TEST_MAIN()
