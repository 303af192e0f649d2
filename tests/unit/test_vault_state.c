/* What a vault remembers: spent statements, answers, policies, the order of its keys. */
#include "vault_world.h"
#include "vault/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct world w;

/* The clock goes far ahead, what ended is forgotten, the clock comes back. */
static void swing_clock(struct pl_vault *v)
{
    bool more = true;
    int64_t later = w.now_s + 100000;
    for (int i = 0; i < 3; i++) /* the entry that raises the floor, then what it lets go */
        CHECK_OK(pl_vault_lapse(v, &w.log, (struct pl_interval){later, later}, &more));
}

TEST(a_spent_statement_stays_spent_when_the_clock_goes_back)
{
    world_open(&w);
    struct pl_act act = world_create_act(&w, 3);
    struct pl_peer other = world_peer(&w, &w.other, NULL);
    char request[PL_STATEMENT_BYTES + 16];
    snprintf(request, sizeof(request), "%s",
             world_statements(world_request(&w, &act, w.other_spki)));
    const char *body = world_create_body(&w, 3, 40, request);
    CHECK_OK(world_call(&w, &other, "POST", "/v1/keys", body, NULL));
    CHECK(w.vault->spent.n == 1);
    swing_clock(w.vault);
    CHECK(w.vault->spent.n == 0);
    CHECK(w.entry[w.entries - 1].kind == PL_ENTRY_LAPSE);
    CHECK_ERR(world_call(&w, &other, "POST", "/v1/keys", body, NULL), STATEMENT_EXPIRED);
    struct pl_vault *again = world_replay(&w), *loaded = NULL;
    CHECK_ERR(world_on(&w, again, &other, "POST", "/v1/keys", body, NULL), STATEMENT_EXPIRED);
    struct pl_span state = world_state(w.vault);
    CHECK_OK(pl_vault_new(&loaded, &w.self, (const uint8_t[16]){1}));
    CHECK_OK(pl_vault_load(loaded, w.c, state, true));
    CHECK(loaded->spent.n == 0);
    CHECK_ERR(world_on(&w, loaded, &other, "POST", "/v1/keys", body, NULL), STATEMENT_EXPIRED);
    size_t entries = w.entries;
    swing_clock(w.vault); /* nothing to forget: nothing is written */
    CHECK(w.entries == entries);
    pl_vault_free(again);
    pl_vault_free(loaded);
    free((void *)(uintptr_t)state.p);
    world_close(&w);
}

TEST(a_used_grant_stays_used_when_the_clock_goes_back)
{
    world_open(&w);
    struct pl_peer app = world_peer(&w, &w.app, &w.app_claims);
    const char *body = world_create_body(&w, 3, 40, world_grant(&w, 3, 1));
    CHECK_OK(world_call(&w, &app, "POST", "/v1/keys", body, NULL));
    CHECK_ERR(world_call(&w, &app, "POST", "/v1/keys", body, NULL), GRANT_USED);
    swing_clock(w.vault);
    CHECK(w.vault->grants.n == 0);
    CHECK_ERR(world_call(&w, &app, "POST", "/v1/keys", body, NULL), STATEMENT_EXPIRED);
    world_close(&w);
}

TEST(whoever_may_create_as_anyone_cannot_fill_the_vault)
{
    world_open(&w);
    struct pl_peer owner = world_peer(&w, &w.owner, NULL);
    w.vault->config->anyone = true;
    w.vault->config->anyone_keys = 2;
    w.vault->config->allowed = 0;
    for (uint8_t i = 0; i < 3; i++) {
        pl_err e = world_call(&w, &owner, "POST", "/v1/keys", world_create_body(&w, i, 40, NULL),
                              i ? NULL : "one");
        CHECK(pl_err_code(e) == (i < 2 ? PL_E_OK : PL_E_VAULT_FULL));
    }
    const char *first = world_create_body(&w, 0, 40, NULL);
    CHECK_OK(world_call(&w, &owner, "POST", "/v1/keys", first, "one")); /* told, not made */
    struct pl_vault *again = world_replay(&w);
    CHECK(again->by_anyone == 2);
    w.vault->config->allowed = 1; /* the owner is on the list again */
    CHECK_OK(world_call(&w, &owner, "POST", "/v1/keys", world_create_body(&w, 9, 40, NULL), NULL));
    CHECK(w.vault->by_anyone == 2);
    first = world_create_body(&w, 0, 40, NULL);
    CHECK_OK(world_call(&w, &owner, "POST", "/v1/keys", first, "one"));
    CHECK_OK(world_call(&w, &owner, "DELETE", world_path(&w, ""), NULL, NULL));
    CHECK(w.vault->by_anyone == 1);
    pl_vault_free(again);
    world_close(&w);
}

TEST(keys_with_one_policy_hold_it_once)
{
    world_open(&w);
    const char *path = world_active(&w, 5, 40);
    world_active(&w, 5, 41);
    world_active(&w, 6, 40);
    CHECK(w.vault->policies.n == 2 && w.vault->records.n == 3);
    struct pl_vault *again = world_replay(&w), *loaded = NULL;
    struct pl_span state = world_state(w.vault);
    CHECK_OK(pl_vault_new(&loaded, &w.self, (const uint8_t[16]){1}));
    CHECK_OK(pl_vault_load(loaded, w.c, state, true));
    CHECK(again->policies.n == 2 && loaded->policies.n == 2);
    struct pl_peer owner = world_peer(&w, &w.owner, NULL);
    CHECK_OK(world_call(&w, &owner, "GET", world_join(path, "/policy"), NULL, NULL));
    pl_vault_free(again);
    pl_vault_free(loaded);
    free((void *)(uintptr_t)state.p);
    world_close(&w);
}

/* The same body, but nobody may do `op` from a time 5,000 seconds ahead on. */
static const char *with_a_deadline(const char *body, const char *op)
{
    static char text[160 * 1024];
    char until[PL_TIME_LEN + 1];
    const char *at = strstr(body, "\"operations\":[");
    if (!CHECK(at != NULL))
        return body;
    at += strlen("\"operations\":[");
    pl_time_format(until, w.now_s + 5000);
    snprintf(text, sizeof(text),
             "%.*s{\"id\":\"late\",\"deny\":[\"%s\"],\"to\":[\"*\"],\"when\":{\"time\":{"
             "\"from\":\"%s\"}}},%s",
             (int)(at - body), body, op, until, at);
    return text;
}

TEST(a_repeated_request_is_decided_again)
{
    world_open(&w);
    struct pl_peer owner = world_peer(&w, &w.owner, NULL);
    static const char *const ops[][3] = {
        {"create", "POST", NULL}, {"activate", "POST", "/activate"}, {"delete", "DELETE", ""}};
    for (size_t i = 0; i < 3; i++) {
        const char *body = with_a_deadline(world_create_body(&w, (uint8_t)i, 40, NULL), ops[i][0]);
        CHECK_OK(world_call(&w, &owner, "POST", "/v1/keys", body, i ? NULL : "made"));
        const char *path = ops[i][2] ? world_path(&w, "") : "/v1/keys";
        if (i == 2)
            CHECK_OK(world_call(&w, &owner, "POST", world_join(path, "/activate"), NULL, NULL));
        const char *again = ops[i][2] ? NULL : body,
                   *at = world_join(path, ops[i][2] ? ops[i][2] : "");
        for (int n = 0; n < 2; n++)
            CHECK_OK(world_call(&w, &owner, ops[i][1], at, again, "made"));
        size_t entries = w.entries;
        w.now_s += 10000;
        CHECK(world_call(&w, &owner, ops[i][1], at, again, "made") != PL_OK);
        CHECK(w.body.n == 0);
        CHECK(w.entries <= entries + 1); /* at most the refusal */
        w.now_s -= 10000;
        CHECK_OK(world_call(&w, &owner, ops[i][1], at, again, "made"));
    }
    world_close(&w);
}

TEST(lists_show_what_the_caller_may_list_page_by_page)
{
    world_open(&w);
    struct pl_peer owner = world_peer(&w, &w.owner, NULL), other = world_peer(&w, &w.other, NULL);
    for (int i = 0; i < 300; i++)
        world_active(&w, (uint8_t)i, 33);
    CHECK_OK(world_call(&w, &owner, "GET", "/v1/keys", NULL, NULL));
    const char *next = memmem(w.body.p, w.body.n, "\"next\":", 7);
    NEED(CHECK(next != NULL));
    char path[64];
    snprintf(path, sizeof(path), "/v1/keys?page=%llu", strtoull(next + 7, NULL, 10));
    CHECK_OK(world_call(&w, &owner, "GET", path, NULL, NULL));
    CHECK(memmem(w.body.p, w.body.n, "\"next\":", 7) == NULL);
    CHECK_OK(world_call(&w, &other, "GET", "/v1/keys", NULL, NULL));
    CHECK(memmem(w.body.p, w.body.n, "handle", 6) == NULL);
    world_close(&w);
}

TEST_MAIN()
