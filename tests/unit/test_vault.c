#include "vault_world.h"
#include "vault/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct world w;

/* The share in the last answer. */
static struct pl_span released(void)
{
    static _Alignas(16) uint8_t mem[PL_SHARE_MAX + 4096];
    struct pl_arena a = pl_arena(mem, sizeof(mem));
    struct pl_api_released m;
    struct pl_api_in in = {.body = pl_wr_span(&w.body), .scratch = &a};
    CHECK_OK(pl_api_read_released(&m, &in));
    return m.share;
}

TEST(only_the_attested_app_gets_the_share)
{
    world_open(&w);
    const char *path = world_active(&w, 5, 40);
    struct pl_peer app = world_peer(&w, &w.app, &w.app_claims);
    struct pl_peer changed = world_peer(&w, &w.app, &w.changed_claims);
    struct pl_peer bare = world_peer(&w, &w.app, NULL), owner = world_peer(&w, &w.owner, NULL);
    CHECK_OK(world_call(&w, &app, "POST", world_join(path, "/export"), "{}", NULL));
    uint8_t want[40];
    memset(want, 5, sizeof(want));
    CHECK_BYTES(released(), PL_ARR(want));
    CHECK_ERR(world_call(&w, &changed, "POST", world_join(path, "/export"), "{}", NULL), DENIED);
    CHECK(w.body.n == 0);
    CHECK_ERR(world_call(&w, &bare, "POST", world_join(path, "/export"), "{}", NULL), DENIED);
    CHECK_ERR(world_call(&w, &owner, "POST", world_join(path, "/export"), "{}", NULL), DENIED);
    CHECK(strstr(w.detail, "export") != NULL); /* the owner is told why */
    world_close(&w);
}

TEST(a_prepared_key_is_there_for_its_maker_alone_and_lapses)
{
    world_open(&w);
    struct pl_peer owner = world_peer(&w, &w.owner, NULL), other = world_peer(&w, &w.other, NULL);
    struct pl_peer app = world_peer(&w, &w.app, &w.app_claims);
    bool more;
    CHECK_OK(world_call(&w, &owner, "POST", "/v1/keys", world_create_body(&w, 9, 40, NULL), NULL));
    const char *path = world_path(&w, "");
    CHECK_ERR(world_call(&w, &app, "POST", world_join(path, "/export"), NULL, NULL), DENIED);
    CHECK(w.told.code == PL_E_DENIED && *w.told.detail == 0);
    CHECK_ERR(world_call(&w, &other, "POST", world_join(path, "/activate"), NULL, NULL), DENIED);
    w.now_s += PL_PREPARED_S + 2000;
    CHECK_ERR(world_call(&w, &owner, "POST", world_join(path, "/activate"), NULL, NULL), DENIED);
    struct pl_vault_status s;
    CHECK_OK(pl_vault_lapse(w.vault, &w.log, (struct pl_interval){w.now_s, w.now_s}, &more));
    pl_vault_status(w.vault, &s);
    CHECK(s.keys == 0 && s.prepared == 0);
    CHECK(w.entry[w.entries - 1].kind == PL_ENTRY_LAPSE);
    world_close(&w);
}

TEST(the_maker_can_drop_a_prepared_key)
{
    world_open(&w);
    struct pl_peer owner = world_peer(&w, &w.owner, NULL);
    struct pl_vault_status s;
    CHECK_OK(world_call(&w, &owner, "POST", "/v1/keys", world_create_body(&w, 9, 40, NULL), NULL));
    const char *path = world_path(&w, "");
    CHECK_OK(world_call(&w, &owner, "DELETE", path, NULL, NULL));
    pl_vault_status(w.vault, &s);
    CHECK(s.keys == 0);
    CHECK_ERR(world_call(&w, &owner, "GET", path, NULL, NULL), DENIED);
    world_close(&w);
}

TEST(a_deleted_key_releases_nothing_and_goes_after_a_week)
{
    world_open(&w);
    bool more;
    struct pl_vault_status s;
    const char *path = world_active(&w, 5, 40);
    struct pl_peer owner = world_peer(&w, &w.owner, NULL);
    struct pl_peer app = world_peer(&w, &w.app, &w.app_claims);
    CHECK_OK(world_call(&w, &owner, "DELETE", path, NULL, NULL));
    CHECK_ERR(world_call(&w, &app, "POST", world_join(path, "/export"), NULL, NULL), STATE);
    CHECK_OK(pl_vault_lapse(w.vault, &w.log, (struct pl_interval){w.now_s, w.now_s}, &more));
    pl_vault_status(w.vault, &s);
    CHECK(s.deleted == 1);
    int64_t later = w.now_s + PL_TOMBSTONE_S + 1000;
    CHECK_OK(pl_vault_lapse(w.vault, &w.log, (struct pl_interval){later, later}, &more));
    pl_vault_status(w.vault, &s);
    CHECK(s.keys == 0 && s.deleted == 0);
    world_close(&w);
}

TEST(nobody_creates_in_anothers_name)
{
    world_open(&w);
    struct pl_peer other = world_peer(&w, &w.other, NULL), nobody = world_peer(&w, NULL, NULL);
    const char *body = world_create_body(&w, 1, 40, NULL);
    CHECK_ERR(world_call(&w, &other, "POST", "/v1/keys", body, NULL), CREATE_DENIED);
    CHECK_ERR(world_call(&w, &nobody, "POST", "/v1/keys", body, NULL), CREATE_STRANGER);
    CHECK(w.told.code == PL_E_DENIED);
    struct pl_vault_status s;
    pl_vault_status(w.vault, &s);
    CHECK(s.keys == 0);
    world_close(&w);
}

TEST(an_owners_request_lets_another_connection_create_once)
{
    world_open(&w);
    struct pl_act act = world_create_act(&w, 3);
    struct pl_peer other = world_peer(&w, &w.other, NULL), app = world_peer(&w, &w.app, NULL);
    char request[PL_STATEMENT_BYTES + 16];
    snprintf(request, sizeof(request), "%s",
             world_statements(world_request(&w, &act, w.other_spki)));
    CHECK_ERR(world_call(&w, &app, "POST", "/v1/keys", world_create_body(&w, 3, 40, request), NULL),
              STATEMENT_REQUESTER);
    CHECK_OK(
        world_call(&w, &other, "POST", "/v1/keys", world_create_body(&w, 3, 40, request), NULL));
    CHECK_ERR(
        world_call(&w, &other, "POST", "/v1/keys", world_create_body(&w, 3, 40, request), NULL),
        STATEMENT_SPENT);
    struct pl_vault *again = world_replay(&w); /* a restart does not refill it */
    CHECK_ERR(world_on(&w, again, &other, "POST", "/v1/keys", world_create_body(&w, 3, 40, request),
                       NULL),
              STATEMENT_SPENT);
    CHECK_ERR(
        world_call(&w, &other, "POST", "/v1/keys", world_create_body(&w, 4, 40, request), NULL),
        STATEMENT_TARGET);
    pl_vault_free(again);
    world_close(&w);
}

TEST(a_grant_lets_the_attested_app_create_so_many_keys_and_no_restart_refills_it)
{
    world_open(&w);
    struct pl_peer app = world_peer(&w, &w.app, &w.app_claims);
    struct pl_peer other = world_peer(&w, &w.other, &w.app_claims);
    struct pl_peer changed = world_peer(&w, &w.other, &w.changed_claims);
    struct pl_peer bare = world_peer(&w, &w.app, NULL), owner = world_peer(&w, &w.owner, NULL);
    const char *grant = world_grant(&w, 3, 3);
    const char *body = world_create_body(&w, 3, 40, grant);
    CHECK_ERR(world_call(&w, &changed, "POST", "/v1/keys", body, NULL), GRANT_PROFILE);
    CHECK_ERR(world_call(&w, &bare, "POST", "/v1/keys", body, NULL), GRANT_PROFILE);
    CHECK_OK(world_call(&w, &app, "POST", "/v1/keys", body, NULL));
    const char *path = world_path(&w, "");
    CHECK_ERR(world_call(&w, &app, "POST", world_join(path, "/export"), NULL, NULL), STATE);
    CHECK_ERR(world_call(&w, &changed, "POST", world_join(path, "/activate"), NULL, NULL), DENIED);
    CHECK_OK(world_call(&w, &other, "POST", world_join(path, "/activate"), NULL,
                        NULL)); /* same program */
    CHECK_OK(world_call(&w, &app, "POST", world_join(path, "/export"), NULL, NULL));
    CHECK_ERR(world_call(&w, &app, "DELETE", path, NULL, NULL), DENIED); /* it owns nothing */
    CHECK_OK(world_call(&w, &owner, "GET", path, NULL, NULL));
    CHECK(memmem(w.body.p, w.body.n, "\"granted\"", 9) != NULL);
    CHECK_OK(world_call(&w, &app, "POST", "/v1/keys", body, NULL));
    struct pl_vault *again = world_replay(&w);
    CHECK_OK(world_on(&w, again, &other, "POST", "/v1/keys", body, NULL));
    CHECK_ERR(world_on(&w, again, &app, "POST", "/v1/keys", body, NULL), GRANT_USED);
    struct pl_span state = world_state(again);
    struct pl_vault *loaded = NULL;
    CHECK_OK(pl_vault_new(&loaded, &w.self, (const uint8_t[16]){1}));
    CHECK_OK(pl_vault_load(loaded, w.c, state, true));
    CHECK_ERR(world_on(&w, loaded, &app, "POST", "/v1/keys", body, NULL), GRANT_USED);
    w.now_s += 2900; /* its end is not certain to be ahead */
    CHECK_ERR(world_call(&w, &app, "POST", "/v1/keys", body, NULL), STATEMENT_TIME);
    pl_vault_free(again);
    pl_vault_free(loaded);
    free((void *)(uintptr_t)state.p);
    world_close(&w);
}

TEST(no_byte_of_a_grant_or_request_can_be_changed)
{
    world_open(&w);
    struct pl_peer app = world_peer(&w, &w.app, &w.app_claims);
    struct pl_peer other = world_peer(&w, &w.other, NULL);
    struct pl_act act = world_create_act(&w, 3);
    static char bad[160 * 1024], grant[PL_STATEMENT_BYTES + 16], request[PL_STATEMENT_BYTES + 16];
    struct pl_vault_status s;
    snprintf(grant, sizeof(grant), "%s", world_grant(&w, 3, 3));
    snprintf(request, sizeof(request), "%s",
             world_statements(world_request(&w, &act, w.other_spki)));
    for (int which = 0; which < 2; which++) {
        const char *carrier = which ? request : grant;
        snprintf(bad, sizeof(bad), "%s", world_create_body(&w, 3, 40, carrier));
        char *at = strstr(bad, carrier);
        NEED(CHECK(at != NULL));
        for (size_t i = 1; i + 1 < strlen(carrier); i++) {
            at[i] = (char)(at[i] ^ 1);
            CHECK(world_call(&w, which ? &other : &app, "POST", "/v1/keys", bad, NULL) != PL_OK);
            at[i] = (char)(at[i] ^ 1);
        }
    }
    pl_vault_status(w.vault, &s);
    CHECK(s.keys == 0);
    CHECK_OK(world_call(&w, &other, "POST", "/v1/keys", bad, NULL)); /* unchanged it is good */
    world_close(&w);
}

TEST(only_claims_that_satisfy_the_profile_make_a_principal)
{
    world_open(&w);
    struct pl_policy *p = NULL;
    CHECK_OK(pl_policy_load(&p, w.c, pl_span_str(world_policy(&w, 3)), NULL));
    NEED(CHECK(p != NULL));
    struct pl_claims bad[9];
    for (size_t i = 0; i < 9; i++)
        bad[i] = w.app_claims;
    bad[0].collateral.stale = true;
    bad[1].debug = true;
    bad[2] = w.changed_claims;
    bad[3].tcb.status = PL_TCB_REVOKED;
    bad[4].tcb.status = PL_TCB_NONE;
    bad[5].trust = PL_TRUST_NONE;
    bad[6].memory = PL_MEMORY_HOST_READABLE;
    bad[7].latest_s = w.now_s; /* over, perhaps */
    bad[8].earliest_s = w.now_s;
    struct pl_facts f;
    struct pl_caller who = {.claims = &w.app_claims, .now = {w.now_s - 300, w.now_s + 300}};
    pl_policy_facts(&f, p, &who);
    CHECK(f.is == pl_policy_group(p, PL_GROUP_APPS) && f.maybe == 0 && f.profile_is == 1);
    for (size_t i = 0; i < 9; i++) {
        who.claims = &bad[i];
        pl_policy_facts(&f, p, &who);
        CHECK(f.is == 0 && f.profile_is == 0);
        CHECK((f.maybe != 0) == (i >= 7));
        f.op = PL_OP_EXPORT;
        CHECK(pl_policy_evaluate(p, &f, NULL).verdict == PL_DENY);
    }
    who = (struct pl_caller){.claims = &w.app_claims, .now = PL_TIME_UNKNOWN};
    w.app_claims.latest_s = w.now_s + 100000;
    pl_policy_facts(&f, p, &who);
    CHECK(f.is == 0 && f.maybe == pl_policy_group(p, PL_GROUP_APPS));
    pl_policy_free(p);
    world_close(&w);
}

TEST(a_repeated_request_is_answered_not_done_again)
{
    world_open(&w);
    struct pl_peer owner = world_peer(&w, &w.owner, NULL);
    struct pl_vault_status s;
    const char *body = world_create_body(&w, 5, 40, NULL);
    CHECK_OK(world_call(&w, &owner, "POST", "/v1/keys", body, "one"));
    char first[96], second[96];
    snprintf(first, sizeof(first), "%s", world_path(&w, ""));
    size_t entries = w.entries;
    CHECK_OK(world_call(&w, &owner, "POST", "/v1/keys", body, "one"));
    snprintf(second, sizeof(second), "%s", world_path(&w, ""));
    CHECK(strcmp(first, second) == 0);
    CHECK(w.entries == entries);
    CHECK_ERR(world_call(&w, &owner, "POST", "/v1/keys", world_create_body(&w, 6, 40, NULL), "one"),
              IDEMPOTENCY_OTHER);
    struct pl_vault *again = world_replay(&w);
    CHECK_OK(
        world_on(&w, again, &owner, "POST", "/v1/keys", world_create_body(&w, 5, 40, NULL), "one"));
    CHECK(strcmp(first, world_path(&w, "")) == 0);
    pl_vault_status(again, &s);
    CHECK(s.keys == 1);
    pl_vault_free(again);
    world_close(&w);
}

TEST(replay_and_snapshot_give_the_same_state)
{
    world_open(&w);
    struct pl_peer owner = world_peer(&w, &w.owner, NULL);
    struct pl_peer app = world_peer(&w, &w.app, &w.app_claims);
    char last[96] = "";
    for (uint8_t i = 1; i <= 20; i++) {
        snprintf(last, sizeof(last), "%s", world_active(&w, i, (size_t)i * 100));
        if (i % 5 == 0)
            CHECK_OK(world_call(&w, &owner, "DELETE", last, NULL, "again"));
        else
            CHECK_OK(world_call(&w, &app, "POST", world_join(last, "/export"), NULL, NULL));
    }
    struct pl_vault *replayed = world_replay(&w), *loaded = NULL;
    struct pl_span a = world_state(w.vault), b = world_state(replayed);
    CHECK(a.n > 1000);
    CHECK_BYTES(b, a);
    CHECK_OK(pl_vault_new(&loaded, &w.self, (const uint8_t[16]){1}));
    for (size_t at = 0; at < a.n; at += 333) {
        size_t n = a.n - at < 333 ? a.n - at : 333;
        CHECK_OK(pl_vault_load(loaded, w.c, pl_span(a.p + at, n), at + n == a.n));
    }
    struct pl_span c = world_state(loaded);
    CHECK_BYTES(c, a);
    CHECK_ERR(world_on(&w, loaded, &app, "POST", world_join(last, "/export"), NULL, NULL), STATE);
    pl_vault_free(replayed);
    pl_vault_free(loaded);
    free((void *)(uintptr_t)a.p), free((void *)(uintptr_t)b.p), free((void *)(uintptr_t)c.p);
    world_close(&w);
}

TEST(a_snapshot_cut_anywhere_does_not_load)
{
    world_open(&w);
    world_active(&w, 5, 40);
    struct pl_span a = world_state(w.vault);
    for (size_t n = 0; n < a.n; n += 7) {
        struct pl_vault *v = NULL;
        CHECK_OK(pl_vault_new(&v, &w.self, (const uint8_t[16]){1}));
        CHECK(pl_vault_load(v, w.c, pl_span(a.p, n), true) != PL_OK);
        pl_vault_free(v);
    }
    free((void *)(uintptr_t)a.p);
    world_close(&w);
}

TEST(entries_cut_or_lengthened_do_not_replay)
{
    world_open(&w);
    world_active(&w, 5, 40);
    struct change ch;
    for (size_t i = 0; i < w.entries; i++) {
        struct pl_span body = w.entry[i].body;
        struct pl_wr longer PL_CLEANUP(pl_wr_free) = pl_wr_heap(1 << 20);
        if (w.entry[i].kind == PL_ENTRY_MATERIAL)
            continue;
        for (size_t n = 0; n < body.n; n++) {
            struct pl_entry e = {.kind = w.entry[i].kind, .body = pl_span(body.p, n)};
            CHECK(pl_change_read(&ch, &e) != PL_OK);
        }
        pl_wr_bytes(&longer, body);
        pl_wr_u8(&longer, 0);
        struct pl_entry e = {.kind = w.entry[i].kind, .body = pl_wr_span(&longer)};
        CHECK_ERR(pl_change_read(&ch, &e), ENTRY_BODY);
    }
    world_close(&w);
}

TEST(a_permit_works_once)
{
    world_open(&w);
    const char *path = world_active(&w, 5, 40);
    struct pl_peer app = world_peer(&w, &w.app, &w.app_claims);
    struct pl_env env = {.crypto = w.c,
                         .keys = &w.keys,
                         .self = &w.self,
                         .secrets = &w.secrets,
                         .now = {w.now_s, w.now_s}};
    struct pl_call call = {0};
    uint64_t wait;
    CHECK_OK(pl_call_route(&call, PL_LIT("POST"), pl_span_str(world_join(path, "/export"))));
    pl_turn_begin(w.vault, w.turn, &call, &app);
    CHECK_ERR(pl_turn_finish(w.turn, &env, &w.body, &w.status), BUG); /* before commit */
    CHECK_OK(pl_turn_prepare(w.turn, &env));
    CHECK_OK(pl_turn_commit(w.vault, w.turn, &w.log, &wait));
    CHECK(wait == w.entries);
    w.body.n = 0;
    CHECK_OK(pl_turn_finish(w.turn, &env, &w.body, &w.status));
    size_t n = w.body.n;
    CHECK_ERR(pl_turn_finish(w.turn, &env, &w.body, &w.status), BUG);
    CHECK(w.body.n == n);
    pl_turn_end(w.vault, w.turn);
    world_close(&w);
}

TEST(a_change_in_between_is_decided_again)
{
    world_open(&w);
    const char *path = world_active(&w, 5, 40);
    struct pl_peer app = world_peer(&w, &w.app, &w.app_claims);
    struct pl_peer owner = world_peer(&w, &w.owner, NULL);
    struct pl_env env = {.crypto = w.c,
                         .keys = &w.keys,
                         .self = &w.self,
                         .secrets = &w.secrets,
                         .now = {w.now_s, w.now_s}};
    struct pl_call call = {0};
    struct pl_turn *mine = NULL, *keep = w.turn;
    uint64_t wait;
    CHECK_OK(pl_turn_new(&mine));
    CHECK_OK(pl_call_route(&call, PL_LIT("POST"), pl_span_str(world_join(path, "/export"))));
    pl_turn_begin(w.vault, mine, &call, &app);
    CHECK_OK(pl_turn_prepare(mine, &env));
    CHECK_OK(world_call(&w, &owner, "DELETE", path, NULL, NULL));
    CHECK_ERR(pl_turn_commit(w.vault, mine, &w.log, &wait), TURN_AGAIN);
    pl_turn_end(w.vault, mine);
    pl_turn_free(mine);
    w.turn = keep;
    world_close(&w);
}

TEST(a_full_or_locked_log_changes_nothing)
{
    world_open(&w);
    struct pl_peer owner = world_peer(&w, &w.owner, NULL);
    struct pl_span before = world_state(w.vault);
    w.room = PL_FAIL(LOG_FULL);
    CHECK_ERR(world_call(&w, &owner, "POST", "/v1/keys", world_create_body(&w, 5, 40, NULL), "x"),
              LOG_FULL);
    w.room = PL_OK;
    struct pl_span after = world_state(w.vault);
    CHECK_BYTES(after, before);
    free((void *)(uintptr_t)before.p), free((void *)(uintptr_t)after.p);
    world_close(&w);
}

TEST(a_locked_log_still_lets_a_key_be_deleted)
{
    world_open(&w);
    const char *path = world_active(&w, 5, 40);
    struct pl_peer owner = world_peer(&w, &w.owner, NULL);
    struct pl_peer app = world_peer(&w, &w.app, &w.app_claims);
    size_t entries = w.entries;
    w.room = PL_FAIL(LOG_LOCKED);
    CHECK_ERR(world_call(&w, &app, "POST", world_join(path, "/export"), NULL, NULL), LOG_LOCKED);
    CHECK(w.body.n == 0);
    CHECK_OK(world_call(&w, &owner, "DELETE", path, NULL, NULL));
    CHECK(w.status == 202);
    CHECK(memmem(w.body.p, w.body.n, "\"pending\":true", 14) != NULL);
    CHECK(w.entries == entries);
    CHECK_ERR(world_call(&w, &app, "POST", world_join(path, "/export"), NULL, NULL), STATE);
    w.room = PL_OK;
    world_close(&w);
}

TEST(a_time_that_is_not_known_ends_nothing)
{
    world_open(&w);
    bool more;
    struct pl_vault_status s;
    struct pl_peer owner = world_peer(&w, &w.owner, NULL);
    const char *body = world_create_body(&w, 5, 40, NULL);
    const char *gone = world_active(&w, 6, 40);
    w.no_time = true;
    CHECK_OK(world_call(&w, &owner, "DELETE", gone, NULL, NULL));
    body = world_create_body(&w, 5, 40, NULL);
    CHECK_OK(world_call(&w, &owner, "POST", "/v1/keys", body, "one"));
    w.no_time = false;
    CHECK_OK(pl_vault_lapse(w.vault, &w.log, (struct pl_interval){w.now_s, w.now_s}, &more));
    size_t entries = w.entries;
    CHECK_OK(world_call(&w, &owner, "POST", "/v1/keys", body, "one")); /* still remembered */
    CHECK(w.entries == entries);
    pl_vault_status(w.vault, &s);
    CHECK(s.keys == 2 && s.deleted == 1 && s.prepared == 1);
    world_close(&w);
}

TEST(claims_that_expired_meanwhile_release_nothing)
{
    world_open(&w);
    const char *path = world_active(&w, 5, 40);
    w.app_claims.latest_s = w.now_s + 1000;
    struct pl_peer app = world_peer(&w, &w.app, &w.app_claims);
    CHECK_OK(world_call(&w, &app, "POST", world_join(path, "/export"), NULL, NULL));
    w.now_s += 800; /* within the doubt about the time */
    CHECK_ERR(world_call(&w, &app, "POST", world_join(path, "/export"), NULL, NULL), DENIED);
    w.now_s += 5000;
    CHECK_ERR(world_call(&w, &app, "POST", world_join(path, "/export"), NULL, NULL), DENIED);
    CHECK(w.body.n == 0);
    w.now_s -= 5800;
    w.no_time = true;
    CHECK_ERR(world_call(&w, &app, "POST", world_join(path, "/export"), NULL, NULL), DENIED);
    world_close(&w);
}

TEST(a_repeated_deletion_of_a_locked_vault_is_still_pending)
{
    world_open(&w);
    const char *path = world_active(&w, 5, 40);
    struct pl_peer owner = world_peer(&w, &w.owner, NULL);
    w.room = PL_FAIL(LOG_LOCKED);
    for (int i = 0; i < 2; i++) {
        CHECK_OK(world_call(&w, &owner, "DELETE", path, NULL, "one"));
        CHECK(w.status == 202);
        CHECK(memmem(w.body.p, w.body.n, "\"pending\":true", 14) != NULL);
    }
    w.room = PL_OK;
    world_close(&w);
}

TEST(strangers_write_nothing_into_the_log)
{
    world_open(&w);
    const char *path = world_active(&w, 5, 40);
    struct pl_peer peers[] = {world_peer(&w, &w.other, NULL), world_peer(&w, NULL, NULL),
                              world_peer(&w, &w.other, &w.changed_claims)};
    static const char *const tails[][3] = {
        {"POST", "/export", "{}"}, {"POST", "/export", "{"}, {"DELETE", "", NULL},
        {"GET", "", NULL},         {"GET", "/policy", NULL},
    };
    struct pl_vault_status before, after;
    size_t entries = w.entries;
    pl_vault_status(w.vault, &before);
    for (size_t p = 0; p < 3; p++) {
        (void)!world_call(&w, &peers[p], "GET", "/v1/keys", NULL, NULL);
        CHECK(memmem(w.body.p, w.body.n, "handle", 6) == NULL);
        for (size_t i = 0; i < 5; i++)
            CHECK(world_call(&w, &peers[p], tails[i][0], world_join(path, tails[i][1]), tails[i][2],
                             NULL) != PL_OK);
    }
    pl_vault_status(w.vault, &after);
    CHECK(w.entries == entries);
    CHECK(after.strangers >= before.strangers + 15);
    world_close(&w);
}

/* The last entry, decoded: its error. */
static enum pl_code last_refusal(void)
{
    struct change ch;
    struct pl_entry e = {.kind = w.entry[w.entries - 1].kind, .body = w.entry[w.entries - 1].body};
    if (!CHECK(e.kind == PL_ENTRY_REFUSED) || !CHECK_OK(pl_change_read(&ch, &e)))
        return PL_E_OK;
    CHECK(ch.principals.n > 0 && ch.has_handle && ch.has_key);
    return ch.error;
}

TEST(every_refusal_of_a_principal_is_an_entry)
{
    world_open(&w);
    const char *path = world_active(&w, 5, 40);
    struct pl_act act = {.op = PL_OP_DELETE, .policy_version = 1};
    struct pl_peer owner = world_peer(&w, &w.owner, NULL);
    char body[PL_STATEMENT_BYTES + 64];
    size_t entries = w.entries;
    CHECK_ERR(world_call(&w, &owner, "POST", world_join(path, "/export"), NULL, NULL), DENIED);
    CHECK(w.entries == ++entries && last_refusal() == PL_E_DENIED);
    /* a statement for another key: refused before the decision */
    memcpy(act.vault_id, w.self.vault_id, 32);
    snprintf(body, sizeof(body), "{\"statements\":[%s]}", world_request(&w, &act, w.owner_spki));
    CHECK_ERR(world_call(&w, &owner, "DELETE", path, body, NULL), STATEMENT_TARGET);
    CHECK(w.entries == ++entries && last_refusal() == PL_E_STATEMENT_TARGET);
    CHECK_ERR(world_call(&w, &owner, "POST", world_join(path, "/export"), "{\"x\":1}", NULL),
              JSON_UNKNOWN);
    CHECK(w.entries == ++entries && last_refusal() == PL_E_JSON_UNKNOWN);
    struct pl_vault *again = world_replay(&w);
    pl_vault_free(again);
    world_close(&w);
}

TEST(shares_of_every_size_up_to_the_limit)
{
    world_open(&w);
    static const size_t sizes[] = {2, 33, 4096, PL_SHARE_MAX};
    struct pl_peer owner = world_peer(&w, &w.owner, NULL);
    struct pl_peer app = world_peer(&w, &w.app, &w.app_claims);
    for (size_t i = 0; i < 4; i++) {
        const char *path = world_active(&w, 7, sizes[i]);
        CHECK_OK(world_call(&w, &app, "POST", world_join(path, "/export"), NULL, NULL));
        CHECK(released().n == sizes[i]);
    }
    CHECK_ERR(world_call(&w, &owner, "POST", "/v1/keys",
                         world_create_body(&w, 7, PL_SHARE_MAX + 1, NULL), NULL),
              JSON_LENGTH);
    CHECK(strcmp(w.told.pointer, "/share") == 0);
    CHECK_ERR(world_call(&w, &owner, "POST", "/v1/keys", world_create_body(&w, 7, 1, NULL), NULL),
              JSON_LENGTH);
    world_close(&w);
}

TEST(a_policy_is_refused_with_a_pointer_into_the_request)
{
    world_open(&w);
    struct pl_peer owner = world_peer(&w, &w.owner, NULL);
    static char text[200 * 1024];
    snprintf(text, sizeof(text), "%s", world_create_body(&w, 7, 40, NULL));
    char *at = strstr(text, "\"export\"");
    NEED(CHECK(at != NULL));
    memcpy(at, "\"exporf\"", 8);
    CHECK(world_call(&w, &owner, "POST", "/v1/keys", text, NULL) != PL_OK);
    CHECK(strncmp(w.told.pointer, "/policy/operations/0", 20) == 0);
    CHECK(strlen(w.detail) > 10);
    world_close(&w);
}

TEST(the_request_digest_and_the_create_entry_hold_nothing_of_the_share)
{
    world_open(&w);
    struct pl_peer owner = world_peer(&w, &w.owner, NULL);
    const char *body = world_create_body(&w, 0x5c, 64, NULL);
    uint8_t digest[32], needle[16];
    CHECK_OK(pl_sha256_one(w.c, digest, pl_span_str(body)));
    CHECK_OK(world_call(&w, &owner, "POST", "/v1/keys", body, NULL));
    memset(needle, 0x5c, sizeof(needle));
    for (size_t i = 0; i < w.entries; i++) {
        struct pl_span e = w.entry[i].body;
        CHECK(memmem(e.p, e.n, digest, 32) == NULL);
        if (w.entry[i].kind == PL_ENTRY_MATERIAL)
            CHECK(memmem(e.p, e.n, needle, sizeof(needle)) == NULL);
    }
    world_close(&w);
}

TEST(routes)
{
    struct pl_call c = {0};
    CHECK_OK(pl_call_route(&c, PL_LIT("GET"), PL_LIT("/v1/keys?page=17")));
    CHECK(c.op == PL_OP_LIST && c.page == 17);
    CHECK_OK(pl_call_route(&c, PL_LIT("GET"), PL_LIT("/v1/keys/AAAAAAAAAAAAAAAAAAAAAA/policy")));
    CHECK(c.op == PL_OP_READ_POLICY && c.has_handle);
    static const char *const bad[][3] = {
        {"GET", "/v1/key", "NO_ROUTE"},
        {"GET", "/v1/keysx", "NO_ROUTE"},
        {"GET", "/v1/keys/AAAA", "PATH_HANDLE"},
        {"GET", "/v1/keys/AAAAAAAAAAAAAAAAAAAAAB", "PATH_HANDLE"}, /* unused bits set */
        {"POST", "/v1/keys/AAAAAAAAAAAAAAAAAAAAAA/sign", "NO_ROUTE"},
        {"GET", "/v1/keys/AAAAAAAAAAAAAAAAAAAAAA/export", "METHOD"},
        {"GET", "/v1/keys/AAAAAAAAAAAAAAAAAAAAAA/", "NO_ROUTE"},
        {"GET", "/v1/keys?page=", "PATH_QUERY"},
        {"GET", "/v1/keys?page=1&x=2", "PATH_QUERY"},
        {"POST", "/v1/keys?page=1", "PATH_QUERY"},
        {"GET", "/v1/keys?page=1234567890123456", "PATH_QUERY"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        pl_err e = pl_call_route(&c, pl_span_str(bad[i][0]), pl_span_str(bad[i][1]));
        CHECK(strcmp(pl_code_name(pl_err_code(e)), bad[i][2]) == 0);
    }
}

TEST(every_route_of_a_key_in_the_wire_table_leads_somewhere)
{
    static const char *const table[][2] = {
#define PL_ROUTE(method, path, request, answer, who, text) {method, path},
#include "api/route.def"
#undef PL_ROUTE
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        char path[128];
        struct pl_call c = {0};
        const char *brace = strstr(table[i][1], "{handle}");
        if (strncmp(table[i][1], "/v1/keys", 8) != 0)
            continue;
        snprintf(path, sizeof(path), "%.*s%s%s", brace ? (int)(brace - table[i][1]) : 64,
                 table[i][1], brace ? "AAAAAAAAAAAAAAAAAAAAAA" : "", brace ? brace + 8 : "");
        CHECK_OK(pl_call_route(&c, pl_span_str(table[i][0]), pl_span_str(path)));
    }
}

TEST(a_map_agrees_with_a_list)
{
    struct pl_map m;
    uint8_t key[200][32], got = 0;
    bool in[200] = {false};
    size_t n = 0;
    pl_map_init(&m, 1, (const uint64_t[2]){3, 4});
    for (size_t i = 0; i < 200; i++)
        test_fill(key[i], 32, i);
    for (uint64_t step = 0; step < 20000; step++) {
        test_fill(&got, 1, step * 7);
        size_t i = (got + step * 31) % 200;
        if (step % 3) {
            CHECK_OK(pl_map_reserve(&m, key[i], 0));
            *(uint8_t *)pl_map_put(&m, key[i]) = (uint8_t)i;
            n += !in[i];
            in[i] = true;
        } else {
            pl_map_remove(&m, key[i]);
            n -= in[i];
            in[i] = false;
        }
        const uint8_t *v = pl_map_get(&m, key[i]);
        if (!CHECK((v != NULL) == in[i]) || !CHECK(m.n == n))
            break;
    }
    for (size_t i = 0; i < 200; i++) {
        const uint8_t *v = pl_map_get(&m, key[i]);
        CHECK(in[i] ? v && *v == (uint8_t)i : v == NULL);
    }
    pl_map_free(&m);
}

TEST_MAIN()
