/* Approvals: what they bind, when they are spent, and that nothing of one can be changed. */
#include "vault_world.h"
#include "client/approval.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct world w;
static const char *path; /* of the key, active, with world_policy(5) */

static struct pl_peer open_key(void)
{
    world_open(&w);
    path = world_active(&w, 5, 40);
    return world_peer(&w, &w.app, &w.app_claims);
}

static pl_err export_with(const struct pl_peer *who, const char *at, const char *statements)
{
    static char body[3 * PL_STATEMENT_BYTES];
    char to[128];
    snprintf(body, sizeof(body), "{\"statements\":[%s]}", statements);
    snprintf(to, sizeof(to), "%s/export", at);
    return world_call(&w, who, "POST", to, body, NULL);
}

/* An approval of `other`, of the export of the key by the app. */
static const char *approved(void)
{
    struct pl_act act = world_act(&w, path, PL_OP_EXPORT, 5);
    return world_signed(&w, PL_TYP_APPROVAL, &act, w.app_spki, &w.other);
}

TEST(an_approval_is_good_once_for_this_act_by_this_client)
{
    struct pl_peer app = open_key(), same_app = world_peer(&w, &w.other, &w.app_claims);
    char one[PL_STATEMENT_BYTES + 1], two[3 * PL_STATEMENT_BYTES];
    snprintf(one, sizeof(one), "%s", approved());
    CHECK_ERR(export_with(&same_app, path, one), STATEMENT_REQUESTER); /* another connection */
    CHECK_OK(export_with(&app, path, one));
    CHECK_ERR(export_with(&app, path, one), STATEMENT_SPENT);
    struct pl_vault *again = world_replay(&w), *loaded = NULL;
    CHECK_ERR(world_swapped(&w, (world_swap(&w, again), export_with(&app, path, one))),
              STATEMENT_SPENT);
    struct pl_span state = world_state(again);
    CHECK_OK(pl_vault_new(&loaded, &w.self, (const uint8_t[16]){1}));
    CHECK_OK(pl_vault_load(loaded, w.c, state, true));
    CHECK_ERR(world_swapped(&w, (world_swap(&w, loaded), export_with(&app, path, one))),
              STATEMENT_SPENT);
    /* beside a fresh one it refuses all, and the fresh one is spent by nothing */
    char fresh[PL_STATEMENT_BYTES + 1];
    snprintf(fresh, sizeof(fresh), "%s", approved());
    snprintf(two, sizeof(two), "%s,%s", one, fresh);
    CHECK_ERR(export_with(&app, path, two), STATEMENT_SPENT);
    CHECK_OK(export_with(&app, path, fresh));
    free((void *)(uintptr_t)state.p);
    pl_vault_free(again);
    pl_vault_free(loaded);
    world_close(&w);
}

TEST(a_refused_request_spends_no_approval)
{
    struct pl_peer app = open_key(), changed = world_peer(&w, &w.app, &w.changed_claims);
    char one[PL_STATEMENT_BYTES + 1];
    snprintf(one, sizeof(one), "%s", approved());
    CHECK_ERR(export_with(&changed, path, one), DENIED); /* the same client, no principal */
    struct pl_peer owner = world_peer(&w, &w.owner, NULL);
    struct pl_act act = world_act(&w, path, PL_OP_EXPORT, 5);
    char owners[PL_STATEMENT_BYTES + 1];
    snprintf(owners, sizeof(owners), "%s",
             world_signed(&w, PL_TYP_APPROVAL, &act, w.owner_spki, &w.other));
    CHECK_ERR(export_with(&owner, path, owners), DENIED); /* a principal, and no rule for him */
    CHECK_ERR(export_with(&owner, path, owners), DENIED);
    CHECK_OK(export_with(&app, path, one));
    world_close(&w);
}

TEST(an_approval_is_for_one_key_operation_vault_and_version)
{
    struct pl_peer app = open_key(), owner = world_peer(&w, &w.owner, NULL);
    struct pl_act base = world_act(&w, path, PL_OP_EXPORT, 5), act;
    char to[128];
    snprintf(to, sizeof(to), "%s", world_active(&w, 6, 40));
    CHECK_ERR(export_with(&app, to, approved()), STATEMENT_TARGET);
#define REFUSED(change, code)                                                                      \
    act = base, change,                                                                            \
    CHECK_ERR(                                                                                     \
        export_with(&app, path, world_signed(&w, PL_TYP_APPROVAL, &act, w.app_spki, &w.other)),    \
        code)
    REFUSED(act.vault_id[0] ^= 1, STATEMENT_TARGET);
    REFUSED(act.handle[15] ^= 1, STATEMENT_TARGET);
    REFUSED(act.policy_version++, STATEMENT_TARGET);
    REFUSED(act.policy_sha256[31] ^= 1, STATEMENT_TARGET);
    REFUSED(act.op = PL_OP_DESCRIBE, STATEMENT_OP);
    act = base;
    CHECK_OK(
        export_with(&app, path, world_signed(&w, PL_TYP_APPROVAL, &act, w.app_spki, &w.other)));
    /* of a change it is good for whoever signed a request that comes with it */
    act.op = PL_OP_DELETE;
    char both[3 * PL_STATEMENT_BYTES], approval[PL_STATEMENT_BYTES + 1];
    snprintf(approval, sizeof(approval), "%s",
             world_signed(&w, PL_TYP_APPROVAL, &act, w.owner_spki, &w.other));
    CHECK_ERR(export_with(&app, path, approval), STATEMENT_OP);
    snprintf(both, sizeof(both), "{\"statements\":[%s]}", approval);
    CHECK_ERR(world_call(&w, &app, "DELETE", path, both, NULL), STATEMENT_REQUESTER);
    snprintf(both, sizeof(both), "{\"statements\":[%s,%s]}", approval,
             world_request(&w, &act, w.owner_spki));
    struct pl_peer stranger = world_peer(&w, &w.other, NULL);
    CHECK_OK(world_call(&w, &stranger, "DELETE", path, both, NULL)); /* in whatever order */
    (void)owner;
    world_close(&w);
}

TEST(whoever_signed_an_approval_is_no_principal)
{
    (void)open_key();
    struct pl_peer other = world_peer(&w, &w.other, NULL);
    struct pl_act act = world_act(&w, path, PL_OP_DELETE, 5);
    char body[3 * PL_STATEMENT_BYTES];
    snprintf(body, sizeof(body), "{\"statements\":[%s]}",
             world_signed(&w, PL_TYP_APPROVAL, &act, w.other_spki, &w.owner));
    CHECK_ERR(world_call(&w, &other, "DELETE", path, body, NULL), DENIED);
    snprintf(body, sizeof(body), "{\"statements\":[%s]}",
             world_signed(&w, PL_TYP_REQUEST, &act, w.other_spki, &w.owner));
    CHECK_OK(world_call(&w, &other, "DELETE", path, body, NULL)); /* a request makes him one */
    world_close(&w);
}

TEST(a_stranger_is_told_the_same_of_a_key_that_is_there_and_one_that_is_not)
{
    (void)open_key();
    struct pl_peer stranger = world_peer(&w, &w.other, NULL);
    struct pl_act act = world_act(&w, path, PL_OP_EXPORT, 5), none = act;
    const char *missing = "/v1/keys/AAAAAAAAAAAAAAAAAAAAAA";
    memset(none.handle, 0, sizeof(none.handle));
    char good[PL_STATEMENT_BYTES + 1];
    snprintf(good, sizeof(good), "%s",
             world_signed(&w, PL_TYP_APPROVAL, &act, w.other_spki, &w.other));
    CHECK_ERR(export_with(&stranger, path, good), DENIED);
    CHECK(w.told.code == PL_E_DENIED && w.told.hidden && !*w.told.detail);
    CHECK(export_with(&stranger, missing, good) != PL_OK);
    CHECK(w.told.code == PL_E_DENIED && w.told.hidden && !*w.told.detail);
    CHECK(export_with(&stranger, missing,
                      world_signed(&w, PL_TYP_APPROVAL, &none, w.other_spki, &w.other)) != PL_OK);
    CHECK(w.told.code == PL_E_DENIED && w.told.hidden && !*w.told.detail);
    struct pl_peer nobody = world_peer(&w, NULL, NULL);
    CHECK_ERR(export_with(&nobody, path, good), STATEMENT_STRANGER);
    CHECK_ERR(export_with(&nobody, missing, good), STATEMENT_STRANGER);
    world_close(&w);
}

TEST(sixteen_statements_and_no_more)
{
    struct pl_peer app = open_key();
    static char body[20 * PL_STATEMENT_BYTES];
    size_t n = 0;
    n += (size_t)snprintf(body, sizeof(body), "{\"statements\":[");
    for (int i = 0; i < 16; i++)
        n += (size_t)snprintf(body + n, sizeof(body) - n, "%s%s", i ? "," : "", approved());
    size_t sixteen = n;
    snprintf(body + n, sizeof(body) - n, ",%s]}", approved());
    char to[128];
    snprintf(to, sizeof(to), "%s/export", path);
    CHECK(world_call(&w, &app, "POST", to, body, NULL) != PL_OK);
    snprintf(body + sixteen, sizeof(body) - sixteen, "]}");
    CHECK_OK(world_call(&w, &app, "POST", to, body, NULL));
    CHECK_ERR(world_call(&w, &app, "POST", to, body, NULL), STATEMENT_SPENT);
    world_close(&w);
}

/* One statement that two signed is one statement: both are used up together. */
TEST(a_statement_of_two_signers_is_spent_for_both)
{
    struct pl_peer app = open_key();
    char one[PL_STATEMENT_BYTES + 1], two[PL_STATEMENT_BYTES + 1], both[3 * PL_STATEMENT_BYTES];
    snprintf(one, sizeof(one), "%s", approved());
    struct pl_span text;
    struct pl_pub signer;
    NEED(CHECK_OK(pl_signed_read(w.c, &text, &signer, "pleiad-approval-1", pl_span_str(one))));
    struct pl_wr again = pl_wr_fixed(two, sizeof(two) - 1);
    CHECK_OK(pl_statement_sign(&again, w.c, text, &w.owner));
    two[again.n] = 0;
    snprintf(both, sizeof(both), "%s,%s", one, two);
    CHECK_OK(export_with(&app, path, both));
    CHECK_ERR(export_with(&app, path, one), STATEMENT_SPENT);
    CHECK_ERR(export_with(&app, path, two), STATEMENT_SPENT);
    world_close(&w);
}

TEST(no_byte_of_an_approval_can_be_changed)
{
    struct pl_peer app = open_key();
    char text[PL_STATEMENT_BYTES + 1];
    static const char masks[] = {0x01, 0x04, 0x20};
    snprintf(text, sizeof(text), "%s", approved());
    for (size_t i = 0; i < 3 * strlen(text); i++) {
        text[i / 3] = (char)(text[i / 3] ^ masks[i % 3]);
        CHECK(export_with(&app, path, text) != PL_OK);
        text[i / 3] = (char)(text[i / 3] ^ masks[i % 3]);
    }
    CHECK_OK(export_with(&app, path, text));
    world_close(&w);
}

/* Members of which a signer may choose the value: they say nothing of what is done. */
static bool free_to_choose(const char *text, const char *at)
{
    const char *iat = strstr(text, "\"iat\":"), *targets = strstr(text, "\"targets\":");
    return (at >= iat && at < iat + 30) || (at >= targets && at < strstr(targets, "]"));
}

/* Signed anew after each change, so that only what it says can refuse it. */
TEST(an_approval_that_says_anything_else_covers_nothing)
{
    struct pl_peer app = open_key();
    struct pl_span statement;
    struct pl_pub signer;
    char carrier[PL_STATEMENT_BYTES + 1], text[PL_STATEMENT_BYTES + 1];
    snprintf(carrier, sizeof(carrier), "%s", approved());
    NEED(CHECK_OK(
        pl_signed_read(w.c, &statement, &signer, "pleiad-approval-1", pl_span_str(carrier))));
    memcpy(text, statement.p, statement.n);
    text[statement.n] = 0;
    unsigned refused = 0;
    for (char *at = text; *at; at++) {
        static const char masks[] = {0x01, 0x04, 0x20};
        for (unsigned m = 0; m < 3 && !free_to_choose(text, at); m++) {
            char out[PL_STATEMENT_BYTES + 1];
            struct pl_wr o = pl_wr_fixed(out, sizeof(out) - 1);
            *at = (char)(*at ^ masks[m]);
            pl_err e = pl_signed_make(w.c, &o, &w.other, "pleiad-approval-1", pl_span_str(text));
            out[o.n] = 0;
            *at = (char)(*at ^ masks[m]);
            refused += CHECK(e != PL_OK || export_with(&app, path, out) != PL_OK);
        }
    }
    CHECK(refused > 1000);
    CHECK_OK(export_with(&app, path, carrier));
    world_close(&w);
}

TEST(an_approval_ends_within_the_hour)
{
    struct pl_peer app = open_key();
    struct pl_act act = world_act(&w, path, PL_OP_EXPORT, 5);
    char text[PL_STATEMENT_BYTES + 1];
    snprintf(text, sizeof(text), "%s",
             world_signed(&w, PL_TYP_APPROVAL, &act, w.app_spki, &w.other));
    w.now_s += 2900; /* the clock is right to 300 s */
    CHECK_ERR(export_with(&app, path, text), STATEMENT_TIME);
    w.now_s += 500;
    CHECK_ERR(export_with(&app, path, text), STATEMENT_EXPIRED);
    w.now_s -= 4500;
    CHECK_ERR(export_with(&app, path, text), STATEMENT_EARLY);
    w.now_s += 1100;
    w.no_time = true;
    CHECK_ERR(export_with(&app, path, text), STATEMENT_TIME);
    w.no_time = false;
    CHECK_OK(export_with(&app, path, text));
    world_close(&w);
}

TEST(what_an_approver_reads_names_the_rules)
{
    (void)open_key();
    char text[PL_STATEMENT_BYTES + 1];
    snprintf(text, sizeof(text), "%s", approved());
    CHECK(strstr(text, "Pleiad approval 1: export this key by rule boot, asked by the client with "
                       "key ") != NULL);
    struct pl_act act = world_act(&w, path, PL_OP_DELETE, 5);
    snprintf(text, sizeof(text), "%s",
             world_signed(&w, PL_TYP_APPROVAL, &act, w.app_spki, &w.other));
    CHECK(strstr(text, "delete this key as its mutability allows, asked by") != NULL);
    world_close(&w);
}

/* ---- files ---- */

enum { VAULTS = 4 };

/* Four vaults of one key; the policy of the last is another, if `odd`. */
static struct pl_wr make_file(bool odd)
{
    static char policy[VAULTS][4096];
    static struct pl_approval_vault v[VAULTS];
    struct pl_approval_spec spec = {.name = "paper",
                                    .op = PL_OP_EXPORT,
                                    .requester = w.app_spki,
                                    .iat_s = w.now_s,
                                    .exp_s = w.now_s + 3000,
                                    .vault = v,
                                    .vaults = VAULTS};
    struct pl_wr out = pl_wr_heap(PL_APPROVAL_FILE);
    for (size_t i = 0; i < VAULTS; i++) {
        snprintf(policy[i], sizeof(policy[i]), "%s", world_policy(&w, (uint8_t)(5 + i)));
        v[i] = (struct pl_approval_vault){.version = i + 1};
        memset(v[i].vault_id, (int)i + 1, 32);
        memset(v[i].handle, (int)i + 11, 16);
    }
    if (odd)
        memcpy(strstr(policy[3], "\"boot\""), "\"loot\"", 6);
    for (size_t i = 0; i < VAULTS; i++)
        v[i].policy = pl_span_str(policy[i]);
    test_fill(spec.nonce, sizeof(spec.nonce), 1);
    test_fill(spec.seed, sizeof(spec.seed), 2);
    CHECK_OK(pl_approval_make(&out, w.c, &spec));
    return out;
}

TEST(a_vault_that_shows_another_policy_is_left_out)
{
    world_open(&w);
    struct pl_approval_file f = {0};
    struct pl_wr file = make_file(true);
    CHECK_OK(pl_approval_read(&f, w.c, pl_wr_span(&file)));
    CHECK(f.vaults == 3 && f.act[2].vault_id[0] == 3 && f.approvals == 0);
    pl_approval_free(&f);
    pl_wr_free(&file);
    world_close(&w);
}

/* What an approver is shown, by whoever carried the file to him. */
static bool shows(const struct pl_approval_file *f, struct pl_span display)
{
    bool same = pl_span_eq(f->statement.display, display) && f->vaults == VAULTS;
    for (size_t i = 0; same && i < VAULTS; i++)
        same = f->act[i].vault_id[0] == i + 1 && f->act[i].handle[0] == i + 11 &&
               f->act[i].policy_version == i + 1;
    return same;
}

TEST(whoever_carries_a_file_cannot_change_what_is_signed)
{
    world_open(&w);
    struct pl_approval_file f = {0};
    struct pl_wr file = make_file(false);
    NEED(CHECK_OK(pl_approval_read(&f, w.c, pl_wr_span(&file))));
    CHECK(shows(&f, f.statement.display));
    const char *name = memmem(file.p, file.n, "\"name\":\"paper\"", 14);
    const char *iat = memmem(file.p, file.n, "\"iat\":\"", 7);
    unsigned read = 0;
    for (size_t i = 0; i < file.n; i++) {
        struct pl_approval_file g = {0};
        const char *at = (char *)file.p + i;
        file.p[i] ^= 1;
        if (pl_approval_read(&g, w.c, pl_wr_span(&file)) == PL_OK) {
            /* a name that nobody vouches for, and when it was asked: who signs, signs that */
            CHECK(shows(&g, f.statement.display));
            CHECK((at >= name && at < name + 15) || (at >= iat && at < iat + 28));
            read++;
        }
        pl_approval_free(&g);
        file.p[i] ^= 1;
    }
    CHECK(read >= 5 && read < 15);
    pl_approval_free(&f);
    pl_wr_free(&file);
    world_close(&w);
}

TEST_MAIN()
