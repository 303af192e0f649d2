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

/* ---- another policy ---- */

static pl_err put_by(const struct pl_peer *who, const char *path, const char *body,
                     const char *version, const char *idem)
{
    w.if_match = version;
    pl_err e = world_call(&w, who, "PUT", world_join(path, "/policy"), body, idem);
    w.if_match = NULL;
    return e;
}

static const char *as_update(const char *policy, const char *statements)
{
    static char body[32 * 1024];
    snprintf(body, sizeof(body), "{\"policy\":%s%s%s}", policy,
             statements ? ",\"statements\":" : "", statements ? statements : "");
    return body;
}

static const char more[] = ",{\"id\":\"more\",\"allow\":[\"export\"],\"to\":[\"managers/it\"]}";
static const struct doc doc_old = {.salt = 1, .mutability = narrow_by_all},
                        doc_new = {.salt = 1, .mutability = narrow_by_all, .rules = more};

static const struct record *record_at(const char *path)
{
    uint8_t handle[16];
    CHECK_OK(pl_unb64u_exact(handle, 16, pl_span_str(path + strlen("/v1/keys/"))));
    return pl_vault_find(w.vault, handle);
}

TEST(the_old_policy_decides_about_the_new_one)
{
    world_open(&w);
    const char *path = key_under(&doc_old), *body = as_update(policy_of(&doc_new), NULL);
    struct pl_peer owner = world_peer(&w, &w.owner, NULL), manager = world_peer(&w, &w.other, NULL);
    struct pl_peer app = world_peer(&w, &w.app, &w.app_claims), none = world_peer(&w, &w.app, NULL);
    CHECK_ERR(ask(&manager, path, "/export"), DENIED);
    CHECK_ERR(put_by(&app, path, body, "1", NULL), DENIED);
    CHECK_ERR(put_by(&none, path, body, "1", NULL), DENIED);
    CHECK(w.told.code == PL_E_DENIED && *w.told.detail == 0);
    CHECK_ERR(put_by(&manager, path, body, "1", NULL), DENIED); /* it widens: not for `narrow` */
    CHECK_ERR(ask(&manager, path, "/export"), DENIED);
    CHECK_OK(put_by(&owner, path, body, "\"1\"", NULL));
    CHECK(w.entry[w.entries - 1].kind == PL_ENTRY_UPDATE_POLICY);
    CHECK(memmem(w.body.p, w.body.n, "\"version\":2", 11) != NULL);
    CHECK(record_at(path)->policy_version == 2 && w.vault->policies.n == 1);
    CHECK_OK(ask(&manager, path, "/export"));
    comes_back();
    CHECK_OK(world_call(&w, &owner, "GET", world_join(path, "/policy"), NULL, NULL));
    CHECK(memmem(w.body.p, w.body.n, "\"more\"", 6) != NULL);
    body = as_update(policy_of(&doc_old), NULL); /* a rule less: he may narrow himself away */
    CHECK_OK(put_by(&manager, path, body, "2", NULL));
    CHECK_ERR(ask(&manager, path, "/export"), DENIED);
    CHECK_OK(ask(&app, path, "/export"));
    CHECK_OK(world_call(&w, &owner, "DELETE", path, NULL, NULL));
    CHECK_ERR(put_by(&owner, path, as_update(policy_of(&doc_new), NULL), "3", NULL), STATE);
    world_close(&w);
}

TEST(an_update_names_the_version_that_it_replaces)
{
    world_open(&w);
    const char *path = key_under(&doc_old), *body = as_update(policy_of(&doc_new), NULL);
    struct pl_peer owner = world_peer(&w, &w.owner, NULL), app = world_peer(&w, &w.app, NULL);
    static const char *const bad[] = {NULL, "", "*", "x", "\"1", "1234567890123456"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK_ERR(put_by(&owner, path, body, bad[i], NULL), IF_MATCH);
    CHECK_ERR(put_by(&owner, path, body, "2", NULL), POLICY_VERSION);
    CHECK(w.told.code == PL_E_POLICY_VERSION && strstr(w.detail, "version is 1"));
    CHECK_ERR(put_by(&app, path, body, "2", NULL), DENIED);
    CHECK_ERR(put_by(&owner, path, as_update(policy_of(&doc_old), NULL), "1", NULL), POLICY_SAME);
    body = as_update("{\"pleiad_policy\":2}", NULL);
    CHECK(put_by(&owner, path, body, "1", NULL) != PL_OK);
    CHECK(strncmp(w.told.pointer, "/policy", 7) == 0);
    CHECK(put_by(&owner, path, "", "1", NULL) != PL_OK);
    CHECK(record_at(path)->policy_version == 1);
    world_close(&w);
}

TEST(an_update_repeated_by_its_key_is_done_once)
{
    world_open(&w);
    const char *path = key_under(&doc_old), *body = as_update(policy_of(&doc_new), NULL);
    struct pl_peer owner = world_peer(&w, &w.owner, NULL);
    for (int i = 0; i < 3; i++) {
        CHECK_OK(put_by(&owner, path, body, "1", "once"));
        CHECK(memmem(w.body.p, w.body.n, "\"version\":2", 11) != NULL);
    }
    CHECK(record_at(path)->policy_version == 2);
    comes_back();
    world_close(&w);
}

TEST(a_statement_is_for_one_policy_and_one_version_of_it)
{
    world_open(&w);
    const char *path = key_under(&doc_old);
    struct pl_peer relay = world_peer(&w, &w.app, NULL), owner = world_peer(&w, &w.owner, NULL);
    struct pl_act act = {.op = PL_OP_UPDATE_POLICY}, freeze = {.op = PL_OP_FREEZE};
    struct pl_policy *p = NULL;
    char carrier[PL_STATEMENT_BYTES + 16], old_freeze[PL_STATEMENT_BYTES + 64];
    CHECK_OK(pl_policy_load(&p, w.c, pl_span_str(policy_of(&doc_new)), NULL));
    memcpy(act.params.policy_sha256, pl_policy_sha256(p), 32);
    pl_policy_free(p);
    (void)requested(&act, path, w.owner_spki);
    snprintf(carrier, sizeof(carrier), "[%s]", world_request(&w, &act, w.owner_spki));
    snprintf(old_freeze, sizeof(old_freeze), "%s", requested(&freeze, path, w.owner_spki));
    const struct doc third = {
        .salt = 1, .mutability = narrow_by_all, .rules = more, .life = "\"recoverable\":true"};
    CHECK_ERR(put_by(&relay, path, as_update(policy_of(&third), carrier), "1", NULL),
              STATEMENT_TARGET);
    CHECK_OK(put_by(&relay, path, as_update(policy_of(&doc_new), carrier), "1", NULL));
    CHECK_OK(put_by(&owner, path, as_update(policy_of(&doc_old), NULL), "2", NULL));
    CHECK_ERR(put_by(&relay, path, as_update(policy_of(&doc_new), carrier), "3", NULL),
              STATEMENT_TARGET); /* the same policy again, but it is no longer version 1 */
    CHECK_ERR(world_call(&w, &relay, "POST", world_join(path, "/freeze"), old_freeze, NULL),
              STATEMENT_TARGET);
    comes_back();
    world_close(&w);
}

TEST(an_update_in_between_is_decided_again)
{
    world_open(&w);
    const char *path = key_under(&doc_new);
    struct pl_peer owner = world_peer(&w, &w.owner, NULL), manager = world_peer(&w, &w.other, NULL);
    struct pl_env env = {.crypto = w.c,
                         .keys = &w.keys,
                         .self = &w.self,
                         .secrets = &w.secrets,
                         .now = {w.now_s, w.now_s}};
    struct pl_call call = {0};
    struct pl_turn *mine = NULL;
    uint64_t wait;
    CHECK_OK(pl_turn_new(&mine));
    CHECK_OK(pl_call_route(&call, PL_LIT("POST"), pl_span_str(world_join(path, "/export"))));
    pl_turn_begin(w.vault, mine, &call, &manager);
    CHECK_OK(pl_turn_prepare(mine, &env));
    CHECK_OK(put_by(&owner, path, as_update(policy_of(&doc_old), NULL), "1", NULL));
    CHECK_ERR(pl_turn_commit(w.vault, mine, &w.log, &wait), TURN_AGAIN);
    pl_turn_end(w.vault, mine);
    pl_turn_free(mine);
    world_close(&w);
}

/* The policy with `other` in the place of the owner, or beside him. */
static const char *owned(const char *policy, bool beside)
{
    static char text[8192];
    char he[65], me[65];
    pl_hex(he, PL_ARR(w.app_spki));
    pl_hex(me, PL_ARR(w.owner_spki));
    const char *at = strstr(policy, "\"me\":");
    if (!CHECK(at != NULL))
        return policy;
    const char *rest = strchr(at, '}') + 1;
    snprintf(text, sizeof(text), "%.*s\"he\":{\"kind\":\"key\",\"spki_sha256\":\"%s\"}%s%.*s%s",
             (int)(at - policy), policy, he, beside ? "," : "", beside ? (int)(rest - at) : 0, at,
             rest);
    return text;
}

TEST(keys_of_an_owner_are_counted_where_the_owner_changes)
{
    static const char open[] = "\"principals.owner\":{\"by\":[\"owner/*\"]}";
    world_open(&w);
    const struct doc d = {.salt = 1, .mutability = open};
    struct pl_peer owner = world_peer(&w, &w.owner, NULL), he = world_peer(&w, &w.app, NULL);
    const char *path = key_under(&d);
    w.vault->config->keys_per_owner = 1;
    char given[8192];
    snprintf(given, sizeof(given), "%s", owned(policy_of(&d), false));
    /* who gives a key away does not get room for another */
    CHECK_ERR(put_by(&owner, path, as_update(given, NULL), "1", NULL), OWNER_CONSENT);
    CHECK_OK(put_by(&owner, path, as_update(owned(policy_of(&d), true), NULL), "1", NULL));
    CHECK(w.vault->owners.n == 1 && pl_map_get(&w.vault->owners, w.owner_spki));
    comes_back();
    /* two owners, both must agree: he asks, the first owner signed */
    CHECK_ERR(put_by(&he, path, as_update(given, NULL), "2", NULL), DENIED);
    struct pl_act act = {.op = PL_OP_UPDATE_POLICY};
    struct pl_policy *p = NULL;
    CHECK_OK(pl_policy_load(&p, w.c, pl_span_str(given), NULL));
    memcpy(act.params.policy_sha256, pl_policy_sha256(p), 32);
    pl_policy_free(p);
    (void)requested(&act, path, w.owner_spki);
    char carrier[PL_STATEMENT_BYTES + 16];
    snprintf(carrier, sizeof(carrier), "[%s]", world_request(&w, &act, w.app_spki));
    CHECK_OK(put_by(&he, path, as_update(given, carrier), "2", NULL));
    CHECK(w.vault->owners.n == 1 && pl_map_get(&w.vault->owners, w.app_spki));
    comes_back();
    CHECK_OK(world_call(&w, &he, "DELETE", path, NULL, NULL));
    world_close(&w);
}

TEST(keys_of_one_policy_part_when_one_gets_another)
{
    world_open(&w);
    struct pl_peer owner = world_peer(&w, &w.owner, NULL);
    char first[64], second[64];
    snprintf(first, sizeof(first), "%s", key_under(&doc_old));
    snprintf(second, sizeof(second), "%s", key_under(&doc_old));
    CHECK(w.vault->policies.n == 1);
    CHECK_OK(put_by(&owner, first, as_update(policy_of(&doc_new), NULL), "1", NULL));
    CHECK(w.vault->policies.n == 2);
    CHECK_OK(put_by(&owner, second, as_update(policy_of(&doc_new), NULL), "1", NULL));
    CHECK(w.vault->policies.n == 1 && record_at(first)->policy == record_at(second)->policy);
    comes_back();
    world_close(&w);
}

TEST(a_locked_log_changes_no_policy)
{
    world_open(&w);
    const char *path = key_under(&doc_new);
    struct pl_peer owner = world_peer(&w, &w.owner, NULL);
    w.room = PL_FAIL(LOG_LOCKED);
    CHECK_ERR(put_by(&owner, path, as_update(policy_of(&doc_old), NULL), "1", NULL), LOG_LOCKED);
    CHECK(record_at(path)->policy_version == 1);
    w.room = PL_OK;
    world_close(&w);
}

TEST_MAIN()
