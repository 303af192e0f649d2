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
    for (int i = 0; i < 2; i++, more = true) /* what raises the floor, then what it lets go */
        while (more)
            NEED(CHECK_OK(pl_vault_lapse(v, &w.log, (struct pl_interval){later, later}, &more)));
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

/* A policy of two owners, either of whom may agree: `owner` and `other`. */
static const char *with_a_second_owner(const char *body)
{
    static char text[160 * 1024];
    char he[65];
    const char *at = strstr(body, "\"principals\":{\"owner\":{");
    if (!CHECK(at != NULL))
        return body;
    pl_hex(he, PL_ARR(w.other_spki));
    snprintf(text, sizeof(text),
             "%.*s\"owner_quorum\":1,\"principals\":{\"owner\":{\"he\":{\"kind\":\"key\",\"spki_"
             "sha256\":\"%s\"},%s",
             (int)(at - body), body, he, at + strlen("\"principals\":{\"owner\":{"));
    return text;
}

TEST(an_owner_pays_for_the_keys_that_he_agreed_to)
{
    world_open(&w);
    struct pl_peer owner = world_peer(&w, &w.owner, NULL), other = world_peer(&w, &w.other, NULL);
    const char *both = with_a_second_owner(world_create_body(&w, 1, 40, NULL));
    w.vault->config->anyone = true;
    w.vault->config->keys_per_owner = 1;
    CHECK_OK(world_call(&w, &other, "POST", "/v1/keys", both, NULL));
    char path[64];
    snprintf(path, sizeof(path), "%s", world_path(&w, ""));
    CHECK_ERR(world_call(&w, &other, "POST", "/v1/keys", both, NULL), OWNER_KEYS);
    const char *own = world_create_body(&w, 2, 40, NULL);
    CHECK_OK(world_call(&w, &owner, "POST", "/v1/keys", own, NULL)); /* he has none so far */
    CHECK_ERR(world_call(&w, &owner, "POST", "/v1/keys", own, NULL), OWNER_KEYS);
    struct pl_vault *again = world_replay(&w);
    CHECK(again->owners.n == 2 && w.vault->owners.n == 2);
    CHECK_OK(world_call(&w, &other, "DELETE", path, NULL, NULL));
    CHECK(w.vault->owners.n == 1);
    both = with_a_second_owner(world_create_body(&w, 1, 40, NULL));
    CHECK_OK(world_call(&w, &other, "POST", "/v1/keys", both, NULL));
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

/* Everything that a table of `a` holds, `b` holds too, and no more. */
static void same_table(const struct pl_map *a, const struct pl_map *b)
{
    const uint8_t *key;
    void *value;
    CHECK(a->n == b->n && a->slot_bytes == b->slot_bytes);
    for (size_t part = 0; part < PL_MAP_PARTS; part++)
        for (size_t at = 0; pl_map_next(a, part, &at, &key, &value);) {
            const void *other = pl_map_get(b, key);
            size_t n = a->slot_bytes - 8 - PL_MAP_KEY_BYTES;
            CHECK(other && memcmp(value, other, n) == 0);
        }
}

static void same_state(const struct pl_vault *a, const struct pl_vault *b)
{
    static struct record *x[1024], *y[1024];
    size_t n = pl_order_from(&a->order, x, 1024, 0);
    CHECK(n == pl_order_from(&b->order, y, 1024, 0) && n == a->records.n && n == b->records.n);
    CHECK(a->keys == b->keys && a->prepared == b->prepared && a->deleted == b->deleted);
    CHECK(a->boots == b->boots && a->floor_s == b->floor_s);
    for (size_t i = 0; i < n; i++) {
        CHECK(x[i]->born == y[i]->born && x[i]->last == y[i]->last && x[i]->state == y[i]->state);
        CHECK(x[i]->version == y[i]->version && x[i]->ends_s == y[i]->ends_s);
        CHECK(memcmp(x[i]->handle, y[i]->handle, sizeof(x[i]->handle)) == 0);
        CHECK_BYTES(pl_span(x[i]->sealed, x[i]->sealed_n), pl_span(y[i]->sealed, y[i]->sealed_n));
    }
    same_table(&a->spent, &b->spent);
    same_table(&a->grants, &b->grants);
    same_table(&a->idem, &b->idem);
    same_table(&a->callers, &b->callers);
    same_table(&a->owners, &b->owners);
}

enum { MADE = 48 };

/* Something happens: keys come, become active, are deleted, dropped, lapse. */
static void something(char made[static MADE][64], uint64_t step)
{
    struct pl_peer owner = world_peer(&w, &w.owner, NULL);
    struct pl_peer app = world_peer(&w, &w.app, &w.app_claims);
    uint8_t r[4];
    char idem[24];
    bool more;
    test_fill(r, sizeof(r), step * 77);
    snprintf(idem, sizeof(idem), "%u", r[3]);
    char *at = made[r[0] % MADE];
    bool granted = r[1] % 4 == 0;
    const char *body = world_create_body(&w, 3, 40, granted ? world_grant(&w, 3, 900) : NULL);
    if (*at == 0 &&
        world_call(&w, granted ? &app : &owner, "POST", "/v1/keys", body, idem) == PL_OK)
        snprintf(at, 64, "%s", world_path(&w, ""));
    else if (*at && r[2] % 3)
        (void)!world_call(&w, &owner, "POST", world_join(at, "/activate"), NULL, idem);
    else if (*at && world_call(&w, &owner, "DELETE", at, NULL, NULL) == PL_OK)
        *at = 0;
    w.now_s += r[2];
    if (r[3] % 16 == 0)
        CHECK_OK(pl_vault_lapse(w.vault, &w.log, (struct pl_interval){w.now_s, w.now_s}, &more));
}

TEST(a_snapshot_read_while_the_state_changes_is_the_state_after_replay)
{
    static char made[MADE][64];
    static uint8_t bytes[1 << 20];
    for (uint64_t round = 0; round < 3; round++) {
        struct pl_frozen *f = NULL;
        struct pl_vault *loaded = NULL;
        size_t n = 0, got = 0;
        world_open(&w);
        memset(made, 0, sizeof(made));
        for (uint64_t i = 0; i < 150; i++)
            something(made, round * 10000 + i);
        size_t from = w.entries;
        CHECK_OK(pl_vault_freeze(w.vault, &f));
        for (uint64_t i = 0; pl_frozen_step(f, w.vault); i++) {
            if (i < 3 || i % 64 == 0) /* all records are in three steps, tables in many */
                for (uint64_t k = 0; k < 20; k++)
                    something(made, round * 10000 + 1000 + i * 20 + k);
            do {
                CHECK_OK(pl_frozen_read(f, bytes + n, 977, &got));
                n += got;
            } while (got == 977 && n + 977 < sizeof(bytes));
        }
        CHECK(pl_frozen_until(f) > from && pl_frozen_until(f) <= w.entries);
        pl_frozen_free(f);
        CHECK_OK(pl_vault_new(&loaded, &w.self, (const uint8_t[16]){1}));
        CHECK_OK(pl_vault_load(loaded, w.c, pl_span(bytes, n), true));
        CHECK_ERR(pl_vault_boot(loaded, &w.log, &(struct pl_boot){.now = {1, 2}}), SNAPSHOT_STATE);
        for (size_t i = from; i < w.entries; i++) {
            struct pl_entry e = {.index = i, .kind = w.entry[i].kind, .body = w.entry[i].body};
            if (!CHECK_OK(pl_vault_replay(loaded, w.c, &e)))
                break;
        }
        same_state(w.vault, loaded);
        pl_vault_free(loaded);
        world_close(&w);
    }
}

TEST(pages_of_a_list_neither_skip_nor_repeat_while_keys_come_and_go)
{
    world_open(&w);
    struct pl_peer owner = world_peer(&w, &w.owner, NULL);
    struct record *stays[2 * PL_LIST_PAGE];
    static char gone[400][64];
    unsigned long long next = 0;
    size_t kept = 0, found = 0;
    for (size_t i = 0; i < 800; i++) {
        const char *path = world_active(&w, 1, 33);
        if (i % 2)
            snprintf(gone[i / 2], sizeof(gone[0]), "%s", path);
    }
    for (size_t i = 0; i < 400; i += 3) /* holes before the first page too */
        CHECK_OK(world_call(&w, &owner, "DELETE", gone[i], NULL, NULL));
    struct record *all[1024];
    size_t n = pl_order_from(&w.vault->order, all, 1024, 0);
    for (size_t i = 0; i < n; i++)
        if (all[i]->state == PL_STATE_ACTIVE && i % 2 == 0 && kept < 2 * PL_LIST_PAGE)
            stays[kept++] = all[i];
    size_t pages = 0;
    do {
        char path[64];
        snprintf(path, sizeof(path), "/v1/keys?page=%llu", next);
        CHECK_OK(world_call(&w, &owner, "GET", path, NULL, NULL));
        for (size_t i = 0; i < kept; i++) {
            char handle[32];
            pl_b64u(handle, PL_ARR(stays[i]->handle));
            bool here = memmem(w.body.p, w.body.n, handle, strlen(handle)) != NULL;
            CHECK(!here || i == found); /* in order, once */
            found += here;
        }
        const char *at = memmem(w.body.p, w.body.n, "\"next\":", 7);
        next = at ? strtoull(at + 7, NULL, 10) : 0;
        bool more = true;
        for (size_t i = pages; i < 400; i += 5) /* some are deleted, and a week later gone */
            (void)!world_call(&w, &owner, "DELETE", gone[i], NULL, NULL);
        int64_t later = w.now_s + PL_TOMBSTONE_S + 1000;
        while (more)
            NEED(CHECK_OK(
                pl_vault_lapse(w.vault, &w.log, (struct pl_interval){later, later}, &more)));
        world_active(&w, 1, 33);
        pages++;
    } while (next && pages < 20);
    CHECK(pages > 2 && kept > 300 && found == kept);
    world_close(&w);
}

TEST_MAIN()
