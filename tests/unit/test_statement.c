#include "test.h"
#include "client/owner_grant.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct pl_crypto *c;

__attribute__((constructor)) static void open_crypto(void)
{
    if (pl_crypto_new(&c) != PL_OK)
        c = NULL;
}

__attribute__((destructor)) static void close_crypto(void) { pl_crypto_free(c); }

enum { IAT = 1767600000, NOW = IAT + 60, EXP = IAT + 900 };
static const struct pl_interval now = {NOW - 30, NOW + 30};

/* An owner's key, the client's connection, an act at a vault. */
static struct pl_priv owner_key(enum pl_pub_type type)
{
    struct pl_priv k = {.type = type};
    uint8_t pub[64], seed[PL_P256_SEED_BYTES];
    test_fill(seed, sizeof(seed), 7);
    if (type == PL_PUB_ED25519)
        test_fill(k.raw, 32, 7);
    else
        CHECK_OK(pl_p256_make(c, k.raw, pub, seed));
    return k;
}

static struct pl_act export_act(uint8_t vault)
{
    struct pl_act a = {.op = PL_OP_EXPORT, .policy_version = 3};
    memset(a.vault_id, vault, 32);
    memset(a.handle, 0x44, 16);
    memset(a.policy_sha256, 0x55, 32);
    return a;
}

static struct pl_act create_act(uint8_t vault)
{
    struct pl_act a = {.op = PL_OP_CREATE, .params = {.type = PL_KEY_RAW_SHARE, .generation = 1}};
    memset(a.vault_id, vault, 32);
    memset(a.params.policy_sha256, 0x66, 32);
    memset(a.params.commitment, 0x77, 32);
    memset(a.params.tag, 0x88, 32);
    return a;
}

static uint8_t connection[32] = {9, 9, 9};
static uint8_t fill[PL_STATEMENT_FILL];

static void signer_sha256(const struct pl_priv *k, uint8_t out[32])
{
    struct pl_pub pub;
    uint8_t spki[PL_SPKI_MAX];
    CHECK_OK(pl_priv_public(c, &pub, k));
    CHECK_OK(pl_sha256_one(c, out, pl_span(spki, pl_pub_to_spki(spki, &pub))));
}

/* A request for the act at these vaults (act.vault_id replaced), as a carrier on the heap. */
static struct pl_wr request(const struct pl_act *act, const char *vaults, const uint8_t *requester,
                            const struct pl_priv *key)
{
    uint8_t targets[PL_STATEMENT_TARGETS][32];
    struct pl_statement_draft d = {.typ = PL_TYP_REQUEST,
                                   .op = act->op,
                                   .params = &act->params,
                                   .target = (const uint8_t(*)[32])targets,
                                   .iat_s = IAT,
                                   .exp_s = EXP,
                                   .requester = requester};
    memset(d.nonce, 0x33, sizeof(d.nonce));
    test_fill(fill, sizeof(fill), 1);
    for (const char *v = vaults; *v; v++) {
        struct pl_act at = *act;
        memset(at.vault_id, *v, 32);
        CHECK_OK(pl_target(c, targets[d.targets++], PL_TYP_REQUEST, d.nonce, &at));
    }
    struct pl_wr text = pl_wr_heap(PL_STATEMENT_BYTES), out = pl_wr_heap(PL_STATEMENT_BYTES);
    CHECK_OK(pl_statement_build(&text, c, &d, fill));
    CHECK_OK(pl_statement_sign(&out, c, pl_wr_span(&text), key));
    pl_wr_free(&text);
    return out;
}

TEST(a_request_is_good_at_its_vaults_and_nowhere_else)
{
    for (unsigned t = PL_PUB_P256; t <= PL_PUB_ED25519; t++) {
        struct pl_priv key = owner_key((enum pl_pub_type)t);
        struct pl_act act = export_act('a');
        struct pl_wr w = request(&act, "abc", connection, &key);
        struct pl_statement s;
        NEED(CHECK_OK(pl_statement_verify(c, &s, pl_wr_span(&w), NULL)));
        CHECK(s.targets == 8 && s.op == PL_OP_EXPORT);
        for (const char *v = "abc"; *v; v++) {
            memset(act.vault_id, *v, 32);
            CHECK_OK(pl_request_covers(c, &s, &act, connection, now));
        }
        memset(act.vault_id, 'd', 32);
        CHECK_ERR(pl_request_covers(c, &s, &act, connection, now), STATEMENT_TARGET);
        uint8_t digest[32];
        signer_sha256(&key, digest);
        CHECK_BYTES(PL_ARR(s.signer.authenticator), PL_ARR(digest));
        pl_wr_free(&w);
    }
}

TEST(targets_are_padded_and_tell_nothing_of_their_number)
{
    struct pl_priv key = owner_key(PL_PUB_ED25519);
    struct pl_act act = export_act('a');
    static const struct {
        const char *vaults;
        size_t padded;
    } rows[] = {{"a", 8}, {"abcdefgh", 8}, {"abcdefghi", 16}, {"abcdefghijklmnopq", 32}};
    for (size_t i = 0; i < 4; i++) {
        struct pl_wr w = request(&act, rows[i].vaults, connection, &key);
        struct pl_statement s;
        CHECK_OK(pl_statement_verify(c, &s, pl_wr_span(&w), NULL));
        CHECK(s.targets == rows[i].padded);
        for (size_t n = 1; n < s.targets; n++)
            CHECK(memcmp(s.target[n - 1], s.target[n], 32) < 0);
        pl_wr_free(&w);
    }
}

/* A digest made by hand, from the words of the header. */
TEST(a_target_is_the_digest_that_is_specified)
{
    struct pl_act act = export_act('a');
    uint8_t nonce[16], got[32], params[32], all[15 + 16 + 32 + 16 + 8 + 32 + 32], want[32];
    memset(nonce, 1, 16);
    struct pl_wr w = pl_wr_fixed(all, sizeof(all));
    pl_wr_str(&w, "pleiad target 1");
    pl_wr_bytes(&w, PL_ARR(nonce));
    pl_wr_bytes(&w, PL_ARR(act.vault_id));
    pl_wr_bytes(&w, PL_ARR(act.handle));
    pl_wr_be64(&w, 3);
    pl_wr_bytes(&w, PL_ARR(act.policy_sha256));
    CHECK_OK(pl_sha256_one(c, params, PL_LIT("{}")));
    pl_wr_bytes(&w, PL_ARR(params));
    CHECK_OK(pl_wr_end(&w));
    CHECK_OK(pl_sha256_one(c, want, PL_ARR(all)));
    CHECK_OK(pl_target(c, got, PL_TYP_REQUEST, nonce, &act));
    CHECK_BYTES(PL_ARR(got), PL_ARR(want));
    CHECK_OK(pl_params_sha256(c, got, PL_OP_EXPORT, &act.params));
    CHECK_OK(pl_sha256_one(c, want, PL_LIT("{\"op\":\"export\"}")));
    CHECK_BYTES(PL_ARR(got), PL_ARR(want));
    act = create_act('a');
    CHECK_OK(pl_params_sha256(c, got, PL_OP_CREATE, &act.params));
    CHECK_OK(pl_sha256_one(c, want,
                           PL_LIT("{\"generation\":1,\"op\":\"create\",\"type\":\"raw_share\"}")));
    CHECK_BYTES(PL_ARR(got), PL_ARR(want));
}

TEST(every_part_of_the_act_is_bound)
{
    struct pl_priv key = owner_key(PL_PUB_P256);
    struct pl_act base = export_act('a'), act = base;
    struct pl_wr w = request(&act, "a", connection, &key);
    struct pl_statement s;
    NEED(CHECK_OK(pl_statement_verify(c, &s, pl_wr_span(&w), NULL)));
    act.handle[3] ^= 1;
    CHECK_ERR(pl_request_covers(c, &s, &act, connection, now), STATEMENT_TARGET);
    act = base, act.policy_version++;
    CHECK_ERR(pl_request_covers(c, &s, &act, connection, now), STATEMENT_TARGET);
    act = base, act.policy_sha256[31] ^= 1;
    CHECK_ERR(pl_request_covers(c, &s, &act, connection, now), STATEMENT_TARGET);
    act = base, act.op = PL_OP_DELETE;
    CHECK_ERR(pl_request_covers(c, &s, &act, connection, now), STATEMENT_OP);
    uint8_t other[32] = {0};
    CHECK_ERR(pl_request_covers(c, &s, &base, other, now), STATEMENT_REQUESTER);
    pl_wr_free(&w);
    base = act = create_act('a');
    w = request(&act, "a", connection, &key);
    NEED(CHECK_OK(pl_statement_verify(c, &s, pl_wr_span(&w), NULL)));
    CHECK_OK(pl_request_covers(c, &s, &act, connection, now));
    act.params.generation++;
    CHECK_ERR(pl_request_covers(c, &s, &act, connection, now), STATEMENT_PARAMS);
    act = base, act.params.tag[0] ^= 1;
    CHECK_ERR(pl_request_covers(c, &s, &act, connection, now), STATEMENT_TARGET);
    act = base, act.params.commitment[0] ^= 1;
    CHECK_ERR(pl_request_covers(c, &s, &act, connection, now), STATEMENT_TARGET);
    act = base, act.params.policy_sha256[0] ^= 1;
    CHECK_ERR(pl_request_covers(c, &s, &act, connection, now), STATEMENT_TARGET);
    pl_wr_free(&w);
}

TEST(only_changes_with_a_receipt_may_pass_a_relay)
{
    struct pl_priv key = owner_key(PL_PUB_ED25519);
    uint8_t signer[32], relay[32] = {1};
    signer_sha256(&key, signer);
    for (unsigned op = 1; op < PL_OP_COUNT; op++) {
        struct pl_act act = op == PL_OP_CREATE ? create_act('a') : export_act('a');
        act.op = (enum pl_op)op;
        struct pl_wr w = request(&act, "a", signer, &key);
        struct pl_statement s;
        CHECK_OK(pl_statement_verify(c, &s, pl_wr_span(&w), NULL));
        const struct pl_op_row *row = pl_op_row((enum pl_op)op);
        bool relayed = row->gives == PL_GIVES_RECEIPT && row->event != PL_EVENT_CREATE;
        CHECK((pl_request_covers(c, &s, &act, relay, now) == PL_OK) == relayed);
        pl_wr_free(&w);
    }
}

TEST(time_must_be_certain)
{
    struct pl_priv key = owner_key(PL_PUB_ED25519);
    struct pl_act act = export_act('a');
    struct pl_wr w = request(&act, "a", connection, &key);
    struct pl_statement s;
    NEED(CHECK_OK(pl_statement_verify(c, &s, pl_wr_span(&w), NULL)));
    struct pl_interval t[] = {{EXP, EXP},         {EXP - 5, EXP + 1}, {EXP + 1, EXP + 1},
                              {IAT - 9, IAT - 1}, {IAT - 9, IAT},     {9, 8}};
    CHECK_OK(pl_request_covers(c, &s, &act, connection, t[0]));
    CHECK_ERR(pl_request_covers(c, &s, &act, connection, t[1]), STATEMENT_TIME);
    CHECK_ERR(pl_request_covers(c, &s, &act, connection, t[2]), STATEMENT_EXPIRED);
    CHECK_ERR(pl_request_covers(c, &s, &act, connection, t[3]), STATEMENT_EARLY);
    CHECK_OK(pl_request_covers(c, &s, &act, connection, t[4]));
    CHECK_ERR(pl_request_covers(c, &s, &act, connection, t[5]), STATEMENT_TIME);
    CHECK_ERR(pl_request_covers(c, &s, &act, connection, PL_TIME_UNKNOWN), STATEMENT_TIME);
    pl_wr_free(&w);
}

/* Each byte of a carrier, changed in each of several ways, refuses (or leaves it as it was). */
TEST(every_byte_of_a_carrier_counts)
{
    struct pl_priv key = owner_key(PL_PUB_ED25519);
    struct pl_act act = export_act('a');
    struct pl_wr w = request(&act, "a", connection, &key);
    static const uint8_t masks[] = {0x01, 0x20, 0x40};
    unsigned refused = 0;
    for (size_t i = 0; i < w.n * 3; i++) {
        w.p[i / 3] ^= masks[i % 3];
        struct pl_statement s;
        refused += pl_statement_verify(c, &s, pl_wr_span(&w), NULL) != PL_OK;
        w.p[i / 3] ^= masks[i % 3];
    }
    CHECK(refused == w.n * 3);
    struct pl_statement s;
    CHECK_OK(pl_statement_verify(c, &s, pl_wr_span(&w), NULL));
    pl_wr_free(&w);
}

/* A statement that somebody signed although its display, or its form, is not what it should be. */
static pl_err signed_as(const char *old, const char *new, const struct pl_act *act)
{
    struct pl_priv key = owner_key(PL_PUB_ED25519);
    struct pl_wr w = request(act, "a", connection, &key);
    char text[PL_STATEMENT_BYTES + 1], edited[PL_STATEMENT_BYTES + 256];
    const char *from = strstr(memcpy(text, w.p, w.n), "\"statement\":");
    text[w.n] = '\0';
    size_t n = w.n - (size_t)(from - text) - strlen("\"statement\":") - 1;
    snprintf(edited, sizeof(edited), "%.*s", (int)n, from + strlen("\"statement\":"));
    pl_wr_free(&w);
    char *at = strstr(edited, old);
    if (!CHECK(at != NULL))
        return PL_OK;
    char whole[PL_STATEMENT_BYTES + 512];
    snprintf(whole, sizeof(whole), "%.*s%s%s", (int)(at - edited), edited, new, at + strlen(old));
    struct pl_wr out = pl_wr_heap(PL_STATEMENT_BYTES);
    CHECK_OK(pl_statement_sign(&out, c, pl_span_str(whole), &key));
    struct pl_statement s;
    pl_err e = pl_statement_verify(c, &s, pl_wr_span(&out), NULL);
    if (e == PL_OK)
        e = pl_request_covers(c, &s, act, connection, now);
    pl_wr_free(&out);
    return e;
}

TEST(what_the_signer_saw_is_what_is_done)
{
    struct pl_act act = export_act('a');
    CHECK_ERR(signed_as("export this key", "describe this key", &act), STATEMENT_DISPLAY);
    CHECK_ERR(signed_as("until 2026", "until 2027", &act), STATEMENT_DISPLAY);
    CHECK_ERR(signed_as("\"op\":\"export\"", "\"op\":\"describe\"", &act), STATEMENT_OP);
    CHECK_ERR(signed_as("\"op\":\"export\"", "\"op\":\"exporT\"", &act), STATEMENT_OP);
    CHECK_ERR(signed_as("\"iat\":\"2026-01-05T08", "\"iat\":\"2026-01-05T07", &act),
              STATEMENT_FIELD);
    CHECK_ERR(signed_as("\"nonce\"", " \"nonce\"", &act), STATEMENT_FORM);
    CHECK_ERR(signed_as("{\"display\"", "{\"aud\":1,\"display\"", &act), JSON_UNKNOWN);
    CHECK_ERR(signed_as(",\"typ\":\"pleiad-request-1\"", ",\"typ\":\"pleiad-grant-1\"", &act),
              STATEMENT_FIELD);
    CHECK_ERR(signed_as("\"params_sha256\":\"", "\"params_sha256\":\"A", &act), STATEMENT_FORM);
}

/* ---- Grants --------------------------------------------------------------------------------- */

static struct pl_span template_text(void)
{
    return test_file(PL_SOURCE_ROOT "/examples/disk.json");
}

static struct pl_wr issue(struct pl_span policy, const uint8_t *requester, bool one_key)
{
    struct pl_priv root = owner_key(PL_PUB_P256);
    struct pl_grant_vault v[3] = {0};
    test_fill(fill, sizeof(fill), 5);
    for (size_t i = 0; i < 3; i++) {
        memset(v[i].vault_id, 'a' + (int)i, 32);
        test_fill(v[i].salt, 16, 10 + i);
        test_fill(v[i].nonce, 16, 20 + i);
        test_fill(v[i].id, 16, 30 + i);
        v[i].fill = fill;
    }
    struct pl_grant_order o = {.name = "billing",
                               .owner_name = "me",
                               .policy = policy,
                               .type = PL_KEY_RAW_SHARE,
                               .requester = requester,
                               .profile = requester ? NULL : "billing-v1",
                               .count = 2,
                               .iat_s = IAT,
                               .exp_s = IAT + 86400,
                               .vault = v,
                               .vaults = 3,
                               .one_owner_key = one_key};
    memset(o.instance_id, 0x5a, 32);
    struct pl_wr w = pl_wr_heap(PL_GRANT_BYTES);
    CHECK_OK(pl_grant_issue(&w, c, &o, &root, NULL));
    return w;
}

TEST(a_grant_file_serves_each_vault_and_links_none)
{
    struct pl_span policy = template_text();
    struct pl_wr w = issue(policy, connection, false);
    static struct pl_grant_file f;
    NEED(CHECK_OK(pl_grant_read(c, &f, pl_wr_span(&w))));
    CHECK(f.candidates == 3);
    struct pl_statement s[3];
    for (size_t i = 0; i < 3; i++) {
        struct pl_grant_candidate *one = &f.candidate[i];
        struct pl_wr text = pl_wr_heap(PL_POLICY_BYTES);
        struct pl_policy *p;
        CHECK_OK(pl_grant_policy(&text, f.policy, f.owner_name, one->salt, one->owner_sha256));
        NEED(CHECK_OK(pl_policy_load(&p, c, pl_wr_span(&text), NULL)));
        NEED(CHECK_OK(pl_statement_verify(c, &s[i], one->grant, NULL)));
        struct pl_act act = create_act(one->vault_id[0]);
        memcpy(act.params.policy_sha256, pl_policy_sha256(p), 32);
        struct pl_caller who = {.client_spki_sha256 = connection, .now = now};
        CHECK_OK(pl_grant_covers(c, &s[i], &act, p, &who));
        /* With consent, and only with it, the birth is allowed. */
        struct pl_facts facts;
        pl_policy_facts(&facts, p, &who);
        facts.op = PL_OP_CREATE;
        CHECK(pl_policy_evaluate(p, &facts, NULL).verdict == PL_DENY);
        who.consent_sha256 = (const uint8_t(*)[32])s[i].signer.authenticator;
        who.consents = 1;
        pl_policy_facts(&facts, p, &who);
        facts.op = PL_OP_CREATE;
        CHECK(pl_policy_evaluate(p, &facts, NULL).verdict == PL_ALLOW);
        facts.op = PL_OP_DELETE;
        CHECK(pl_policy_evaluate(p, &facts, NULL).verdict == PL_DENY);
        /* Anything else refuses. */
        uint8_t stranger[32] = {1};
        struct pl_caller other = {.client_spki_sha256 = stranger, .now = now};
        CHECK_ERR(pl_grant_covers(c, &s[i], &act, p, &other), GRANT_PROFILE);
        who.now = (struct pl_interval){IAT + 86401, IAT + 86402};
        CHECK_ERR(pl_grant_covers(c, &s[i], &act, p, &who), STATEMENT_EXPIRED);
        who.now = now;
        memset(act.vault_id, 'z', 32);
        CHECK_ERR(pl_grant_covers(c, &s[i], &act, p, &who), STATEMENT_TARGET);
        CHECK_ERR(pl_request_covers(c, &s[i], &act, connection, now), STATEMENT_KIND);
        pl_policy_free(p);
        pl_wr_free(&text);
    }
    for (size_t i = 0; i < 3; i++) {
        size_t k = (i + 1) % 3;
        CHECK(memcmp(s[i].signer.authenticator, s[k].signer.authenticator, 32) != 0);
        CHECK(memcmp(s[i].id, s[k].id, 16) != 0 && memcmp(s[i].nonce, s[k].nonce, 16) != 0);
    }
    pl_wr_free(&w);
}

TEST(a_grant_of_somebody_else_is_none)
{
    struct pl_span policy = template_text();
    struct pl_wr w = issue(policy, connection, false);
    static struct pl_grant_file f;
    NEED(CHECK_OK(pl_grant_read(c, &f, pl_wr_span(&w))));
    struct pl_policy *p; /* the template itself: another owner */
    NEED(CHECK_OK(pl_policy_load(&p, c, policy, NULL)));
    struct pl_statement s;
    NEED(CHECK_OK(pl_statement_verify(c, &s, f.candidate[0].grant, NULL)));
    struct pl_caller who = {.client_spki_sha256 = connection, .now = now};
    struct pl_act act = create_act('a');
    memcpy(act.params.policy_sha256, pl_policy_sha256(p), 32);
    CHECK_ERR(pl_grant_covers(c, &s, &act, p, &who), STATEMENT_TARGET);
    uint8_t target[32];
    CHECK_OK(pl_target(c, target, PL_TYP_GRANT, s.nonce, &act));
    memcpy(s.target[0], target, 32); /* even were it the target, */
    CHECK_ERR(pl_grant_covers(c, &s, &act, p, &who), GRANT_OWNER);
    pl_policy_free(p);
    pl_wr_free(&w);
}

TEST(an_altered_grant_file_does_not_read)
{
    struct pl_span policy = template_text();
    struct pl_wr w = issue(policy, NULL, true);
    static struct pl_grant_file f;
    NEED(CHECK_OK(pl_grant_read(c, &f, pl_wr_span(&w))));
    CHECK(memcmp(f.candidate[0].owner_sha256, f.owner_sha256, 32) == 0); /* one key */
    unsigned read = 0;
    for (size_t i = 0; i < w.n; i += 7) {
        w.p[i] ^= 1;
        if (pl_grant_read(c, &f, pl_wr_span(&w)) == PL_OK) {
            /* Only what no signature covers: the name, and the template's replaced parts. */
            CHECK(memmem(w.p + (i > 120 ? i - 120 : 0), 160, "\"name\":\"", 8) ||
                  memmem(w.p + (i > 120 ? i - 120 : 0), 160, "spki_sha256", 11) ||
                  memmem(w.p + (i > 120 ? i - 120 : 0), 160, "\"salt\":\"", 8));
            read++;
        }
        w.p[i] ^= 1;
    }
    CHECK(read < 20);
    pl_wr_free(&w);
}

TEST_MAIN()
