/* Whoever is nothing to a key learns nothing of it, not even whether it is there. */
#include "vault/internal.h"
#include "vault_world.h"

#include <stdio.h>
#include <string.h>

static struct world w;

/* The routes that name a key: method, path. */
static const char *const key_routes[][2] = {
#define PL_ROUTE(method, path, request, answer, who, text) {method, path},
#include "api/route.def"
#undef PL_ROUTE
};

/* A request on what stands behind "{handle}" in the route; false: the route names no key. */
static bool key_call(size_t i, const struct pl_peer *peer, const char *path, pl_err *out)
{
    const char *brace = strstr(key_routes[i][1], "{handle}");
    if (!brace)
        return false;
    bool put =
        strcmp(key_routes[i][0], "PUT") == 0; /* what has no right form is told to everybody */
    *out = world_call(&w, peer, key_routes[i][0], world_join(path, brace + 8),
                      put ? "{\"policy\":{}}" : NULL, NULL);
    return true;
}

static void strangers_are_told_the_same(const char *path)
{
    const char *missing = "/v1/keys/AAAAAAAAAAAAAAAAAAAAAA";
    struct pl_peer peers[] = {world_peer(&w, &w.other, NULL), world_peer(&w, NULL, NULL),
                              world_peer(&w, &w.other, &w.changed_claims)};
    unsigned asked = 0;
    pl_err e = PL_OK;
    for (size_t p = 0; p < 3; p++)
        for (size_t i = 0; i < sizeof(key_routes) / sizeof(*key_routes); i++) {
            size_t before = w.entries;
            if (!key_call(i, &peers[p], path, &e))
                continue;
            struct pl_told here = w.told;
            CHECK(e != PL_OK && here.hidden && here.code == PL_E_DENIED);
            CHECK(*here.detail == 0 && *here.pointer == 0);
            CHECK(key_call(i, &peers[p], missing, &e) && e != PL_OK && w.told.hidden);
            CHECK(w.told.code == PL_E_DENIED && *w.told.detail == 0 && *w.told.pointer == 0);
            CHECK(w.entries == before);
            asked++;
        }
    CHECK(asked >= 15);
}

TEST(a_stranger_cannot_tell_a_key_from_none)
{
    world_open(&w);
    strangers_are_told_the_same("/v1/keys/AQAAAAAAAAAAAAAAAAAAAA"); /* where there is no key */
    const char *path = world_active(&w, 5, 40);
    strangers_are_told_the_same(path);
    struct pl_peer owner = world_peer(&w, &w.owner, NULL);
    CHECK_ERR(world_call(&w, &owner, "POST", world_join(path, "/export"), NULL, NULL), DENIED);
    CHECK(!w.told.hidden); /* who may know of the key does not wait for the tick */
    CHECK_OK(world_call(&w, &owner, "DELETE", path, NULL, NULL));
    strangers_are_told_the_same(path);
    world_close(&w);
}

/* What a stranger asks for in vain costs what a key of this vault costs, each time the same. */
TEST(a_missing_key_is_decided_as_one_that_is_there)
{
    uint8_t handle[PL_HANDLE_BYTES];
    const struct policy_ref *seen[8] = {NULL};
    size_t kinds = 0;
    world_open(&w);
    CHECK(pl_vault_decoy(w.vault, (const uint8_t[PL_HANDLE_BYTES]){1}) == NULL);
    for (uint8_t k = 1; k <= 4; k++)
        world_active(&w, k, 40);
    for (uint64_t i = 0; i < 200; i++) {
        test_fill(handle, sizeof(handle), i);
        const struct policy_ref *p = pl_vault_decoy(w.vault, handle);
        size_t at = 0;
        CHECK(p != NULL && p == pl_vault_decoy(w.vault, handle));
        while (at < kinds && seen[at] != p)
            at++;
        if (at == kinds && kinds < 8)
            seen[kinds++] = p;
    }
    CHECK(kinds == 4);
    world_close(&w);
}

/* Whatever is refused to strangers, and however often: nothing of it stays. */
TEST(a_stranger_fills_neither_log_nor_memory)
{
    char idem[32];
    pl_err e = PL_OK;
    world_open(&w);
    const char *path = world_active(&w, 5, 40);
    struct pl_peer peers[] = {world_peer(&w, &w.other, NULL),
                              world_peer(&w, &w.other, &w.changed_claims)};
    const struct pl_vault *v = w.vault;
    const size_t before[] = {w.entries, v->records.n, v->spent.n,   v->grants.n,
                             v->idem.n, v->callers.n, v->order.cap, v->policies.n};
    uint64_t refused = v->strangers;
    for (unsigned i = 0; i < 300; i++) {
        const struct pl_peer *who = &peers[i % 2];
        snprintf(idem, sizeof(idem), "request-%u", i);
        CHECK(world_call(&w, who, "POST", "/v1/keys", world_create_body(&w, 6, 40, NULL), idem) !=
              PL_OK);
        CHECK(world_call(&w, who, "POST", world_join(path, "/export"), "{}", idem) != PL_OK);
        CHECK(world_call(&w, who, "DELETE", path, NULL, idem) != PL_OK);
        (void)key_call(i % (sizeof(key_routes) / sizeof(*key_routes)), who,
                       "/v1/keys/AAAAAAAAAAAAAAAAAAAAAA", &e);
        CHECK_OK(world_call(&w, who, "GET", "/v1/keys", NULL, NULL)); /* an empty list */
    }
    const size_t after[] = {w.entries, v->records.n, v->spent.n,   v->grants.n,
                            v->idem.n, v->callers.n, v->order.cap, v->policies.n};
    CHECK(memcmp(before, after, sizeof(before)) == 0);
    CHECK(v->strangers >= refused + 4 * 300); /* they are counted */
    world_close(&w);
}

TEST_MAIN()
