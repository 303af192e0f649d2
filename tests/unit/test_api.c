#include "api_sample.h"
#include "test.h"

#include "attest/entry.h"
#include "attest/session.h"
#include "client/internal.h"
#include "daemons/registryd/registryd.h"
#include "daemons/vaultd/vaultd.h"
#include "platform/net/peers.h"
#include "platform/net/server.h"
#include "client/owner_grant.h"
#include "policy/statement.h"
#include "shamir/shamir.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_MAX = 1 << 26 };

/* A message of any kind, with scratch of exactly the size that is promised to be enough. */
struct holder {
    void *m, *memory;
    struct pl_arena scratch;
    struct pl_api_in in;
};

static struct holder holder(enum pl_api_msg kind)
{
    size_t n = pl_api_scratch(kind);
    struct holder h = {.m = malloc(pl_api_row(kind)->size), .memory = malloc(n ? n : 1)};
    h.scratch = pl_arena(h.memory, n);
    return h;
}

static void holder_free(struct holder *h)
{
    free(h->m);
    free(h->memory);
}

static pl_err read_text(struct holder *h, enum pl_api_msg kind, struct pl_span text)
{
    pl_arena_release(&h->scratch, 0);
    h->in.scratch = &h->scratch;
    h->in.body = text;
    return pl_api_read(kind, h->m, &h->in);
}

static void round_trip(enum pl_api_msg kind, enum sample_mode mode)
{
    struct pl_wr text PL_CLEANUP(pl_wr_free) = pl_wr_heap(TEXT_MAX);
    struct pl_wr again PL_CLEANUP(pl_wr_free) = pl_wr_heap(TEXT_MAX);
    struct holder h PL_CLEANUP(holder_free) = holder(kind);
    NEED(CHECK(sample_write(&text, kind, mode, 0) && !text.bad));
    if (!CHECK_OK(read_text(&h, kind, pl_wr_span(&text))))
        printf("#   %s %d at %s\n", pl_api_row(kind)->name, (int)mode, h.in.pointer);
    CHECK_OK(pl_api_write(kind, &again, h.m));
    CHECK_BYTES(pl_wr_span(&again), pl_wr_span(&text));
}

TEST(every_message_comes_back_as_it_was)
{
    for (int k = 1; k < PL_API_COUNT; k++) {
        round_trip((enum pl_api_msg)k, SAMPLE_LEAST);
        round_trip((enum pl_api_msg)k, SAMPLE_MOST);
    }
}

TEST(what_is_written_is_canonical)
{
    for (int k = 1; k < PL_API_COUNT; k++) {
        const struct pl_api_row *row = pl_api_row((enum pl_api_msg)k);
        struct pl_wr text PL_CLEANUP(pl_wr_free) = pl_wr_heap(TEXT_MAX);
        struct pl_wr room PL_CLEANUP(pl_wr_free) = pl_wr_heap(TEXT_MAX);
        CHECK(sample_write(&text, (enum pl_api_msg)k, SAMPLE_OVER, row->fields));
        CHECK_OK(pl_jcs_check(&room, pl_wr_span(&text)));
        CHECK(row->fields > 0 && row->fields <= 32);
    }
}

/* What each bad sample must be refused as. */
static bool expected(const struct pl_api_field *f, enum sample_mode mode, enum pl_code c)
{
    switch (mode) {
    case SAMPLE_OVER:
    case SAMPLE_UNDER:
    case SAMPLE_ELEMENT:
        if (f->kind == PL_F_U53)
            return c == PL_E_JSON_RANGE;
        if (f->kind == PL_F_TIME)
            return c == PL_E_TIME_FORMAT;
        if (f->kind == PL_F_ENUM || f->kind == PL_F_CONST)
            return c == PL_E_JSON_VALUE;
        return c == PL_E_JSON_LENGTH;
    case SAMPLE_TYPE:
        return c == PL_E_JSON_TYPE;
    case SAMPLE_MISSING:
        return c == (f->optional ? PL_E_OK : PL_E_JSON_MISSING);
    case SAMPLE_TWICE:
        return c == PL_E_JSON_DUPLICATE;
    case SAMPLE_UNKNOWN:
        return c == PL_E_JSON_UNKNOWN;
    case SAMPLE_LEAST:
    case SAMPLE_MOST:
        break;
    }
    return false;
}

/* The pointer names the field, an element of it, the unknown field, or the object. */
static bool points(const char *pointer, const struct pl_api_field *f, enum sample_mode mode)
{
    if (mode == SAMPLE_MISSING)
        return pointer[0] == 0;
    if (mode == SAMPLE_UNKNOWN)
        return strcmp(pointer, "/nonsense") == 0;
    size_t n = strlen(f->name);
    return pointer[0] == '/' && strncmp(pointer + 1, f->name, n) == 0 &&
           (pointer[n + 1] == 0 || pointer[n + 1] == '/');
}

static void refused(enum pl_api_msg kind, enum sample_mode mode, size_t at)
{
    const struct pl_api_field *f = &pl_api_row(kind)->field[at];
    struct pl_wr text PL_CLEANUP(pl_wr_free) = pl_wr_heap(TEXT_MAX);
    struct holder h PL_CLEANUP(holder_free) = holder(kind);
    if (!sample_write(&text, kind, mode, at))
        return;
    pl_err e = read_text(&h, kind, pl_wr_span(&text));
    bool ok = CHECK(expected(f, mode, pl_err_code(e)));
    if (e != PL_OK) {
        ok &= CHECK(points(h.in.pointer, f, mode));
        ok &= CHECK(pl_span_zero(pl_span(h.m, pl_api_row(kind)->size)));
    }
    if (!ok)
        printf("#   %s.%s mode %d: %s at \"%s\"\n", pl_api_row(kind)->name, f->name, (int)mode,
               pl_code_name(pl_err_code(e)), h.in.pointer);
}

TEST(every_field_is_held_to_its_bounds)
{
    for (int k = 1; k < PL_API_COUNT; k++)
        for (size_t at = 0; at < pl_api_row((enum pl_api_msg)k)->fields; at++)
            for (int mode = SAMPLE_OVER; mode <= SAMPLE_TYPE; mode++)
                refused((enum pl_api_msg)k, (enum sample_mode)mode, at);
}

TEST(every_field_stands_once_or_is_missed)
{
    for (int k = 1; k < PL_API_COUNT; k++)
        for (size_t at = 0; at < pl_api_row((enum pl_api_msg)k)->fields; at++)
            for (int mode = SAMPLE_MISSING; mode <= SAMPLE_UNKNOWN; mode++)
                refused((enum pl_api_msg)k, (enum sample_mode)mode, at);
}

TEST(every_truncated_message_is_refused)
{
    for (int k = 1; k < PL_API_COUNT; k++) {
        enum pl_api_msg kind = (enum pl_api_msg)k;
        struct pl_wr text PL_CLEANUP(pl_wr_free) = pl_wr_heap(TEXT_MAX);
        struct holder h PL_CLEANUP(holder_free) = holder(kind);
        sample_write(&text, kind, SAMPLE_OVER, pl_api_row(kind)->fields);
        for (size_t n = 0; n < text.n; n++)
            CHECK(read_text(&h, kind, pl_span(text.p, n)) != PL_OK);
    }
}

TEST(scratch_that_is_too_small_is_an_error)
{
    struct pl_wr text PL_CLEANUP(pl_wr_free) = pl_wr_heap(TEXT_MAX);
    struct holder h PL_CLEANUP(holder_free) = holder(PL_API_create);
    sample_write(&text, PL_API_create, SAMPLE_MOST, 0);
    for (size_t n = 0; n < 67584; n += 4096) {
        h.scratch = pl_arena(h.memory, n);
        CHECK_ERR(read_text(&h, PL_API_create, pl_wr_span(&text)), NO_MEMORY);
    }
}

TEST(names_in_hex_have_one_spelling)
{
    struct holder h PL_CLEANUP(holder_free) = holder(PL_API_vault_leave);
    char text[256];
    for (int upper = 0; upper < 2; upper++) {
        snprintf(text, sizeof(text),
                 "{\"serial\":1,\"typ\":\"pleiad-leave-1\",\"vault_id\":\"%s%032d%028d\"}",
                 upper ? "abcD" : "abcd", 0, 0);
        pl_err e = read_text(&h, PL_API_vault_leave, pl_span_str(text));
        CHECK(pl_err_code(e) == (upper ? PL_E_ENCODING : PL_E_OK));
    }
}

TEST(members_hold_what_was_sent)
{
    struct holder h PL_CLEANUP(holder_free) = holder(PL_API_create);
    CHECK_OK(
        read_text(&h, PL_API_create,
                  pl_span_str("{\"type\":\"raw\\u005fshare\",\"policy\": {\"pleiad_policy\":1} ,"
                              "\"share\":\"AQID\",\"generation\":7,"
                              "\"statements\":[{\"a\":1},{}]}")));
    const struct pl_api_create *m = h.m;
    CHECK(strcmp(m->type, "raw_share") == 0);
    CHECK(pl_span_is(m->policy, "{\"pleiad_policy\":1}"));
    CHECK(m->has_share && m->has_generation && !m->has_tag && !m->has_commitment);
    CHECK_BYTES(m->share, test_hex("010203"));
    CHECK(m->generation == 7 && m->statements.n == 2);
    CHECK(pl_span_is(m->statements.v[0], "{\"a\":1}") && pl_span_is(m->statements.v[1], "{}"));
    struct holder s PL_CLEANUP(holder_free) = holder(PL_API_session);
    CHECK_OK(read_text(&s, PL_API_session, PL_LIT("{}")));
    CHECK(!((const struct pl_api_session *)s.m)->has_evidence);
}

TEST(the_writer_keeps_the_bounds_too)
{
    struct pl_wr w PL_CLEANUP(pl_wr_free) = pl_wr_heap(TEXT_MAX);
    static const uint8_t share[67585];
    struct pl_api_released r = {.share = pl_span(share, 1)};
    pl_wr_str(&w, "x");
    CHECK_ERR(pl_api_write_released(&w, &r), JSON_LENGTH);
    r.share = PL_ARR(share);
    CHECK_ERR(pl_api_write_released(&w, &r), JSON_LENGTH);
    r.share.n--;
    CHECK_OK(pl_api_write_released(&w, &r));
    struct pl_api_status st = {
        .tee = "sgx", .version = "1", .memory = PL_API_MEMORY_ENCRYPTED, .time = PL_API_TIME_HOST};
    w.n = 1;
    CHECK_ERR(pl_api_write_status(&w, &st), JSON_VALUE); /* no state */
    st.state = (enum pl_api_vault_state)99;
    CHECK_ERR(pl_api_write_status(&w, &st), JSON_VALUE);
    st.state = PL_API_VAULT_LOCKED;
    st.version = "\xff";
    CHECK_ERR(pl_api_write_status(&w, &st), JSON_UTF8);
    st.version = "";
    CHECK_ERR(pl_api_write_status(&w, &st), JSON_LENGTH);
    CHECK(w.n == 1 && w.p[0] == 'x');
    struct pl_api_policy p = {.policy = PL_LIT("[]")};
    CHECK_ERR(pl_api_write_policy(&w, &p), JSON_TYPE);
    p.policy = PL_LIT("{}");
    p.version = PL_U53_MAX + 1;
    CHECK_ERR(pl_api_write_policy(&w, &p), JSON_RANGE);
}

TEST(words_have_values_and_back)
{
    CHECK(pl_api_custody_of(PL_LIT("in_vault")) == PL_API_CUSTODY_IN_VAULT);
    CHECK(strcmp(pl_api_custody_word(PL_API_CUSTODY_IN_VAULT), "in_vault") == 0);
    CHECK(pl_api_custody_of(PL_LIT("")) == 0 && pl_api_custody_of(PL_LIT("In_vault")) == 0);
    CHECK(strcmp(pl_api_custody_word((enum pl_api_custody)99), "") == 0);
    CHECK(strcmp(pl_api_custody_word((enum pl_api_custody)0), "") == 0);
}

TEST(every_error_is_a_problem_and_back)
{
    for (int i = 0; i < PL_E_COUNT; i++) {
        struct pl_api_problem p;
        struct pl_problem_text text;
        struct pl_wr w PL_CLEANUP(pl_wr_free) = pl_wr_heap(TEXT_MAX);
        pl_api_problem(&p, &text, (enum pl_code)i);
        CHECK(pl_api_code_of(pl_span_str(p.code)) == (enum pl_code)i);
        CHECK(strspn(p.code, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(p.code));
        CHECK_OK(pl_api_write_problem(&w, &p));
    }
    CHECK(pl_api_code_of(PL_LIT("no-such-thing")) == PL_E_BUG);
    CHECK(pl_api_code_of(PL_LIT("JSON-DEPTH")) == PL_E_BUG);
}

/* Limits whose constants live in other folders. */
TEST(limits_are_those_of_the_code)
{
    static const struct {
        const char *name;
        int stated, real;
    } limits[] = {
        {"HANDSHAKE_S", PL_LIMIT_HANDSHAKE_S * 1000, PL_NET_HANDSHAKE_MS},
        {"IDLE_S", PL_LIMIT_IDLE_S * 1000, PL_NET_IDLE_MS},
        {"CONNECTIONS", PL_LIMIT_CONNECTIONS, PL_NET_CONNECTIONS},
        {"STREAMS", PL_LIMIT_STREAMS, PL_NET_STREAMS_MAX},
        {"HEADER_BYTES", PL_LIMIT_HEADER_BYTES, PL_NET_HEADER_LIST_MAX},
        {"BODY_BYTES", PL_LIMIT_BODY_BYTES, PL_NET_REQUEST_MAX},
        {"RESPONSE_BYTES", PL_LIMIT_RESPONSE_BYTES, PL_NET_RESPONSE_MAX},
        {"REQUEST_MS", PL_LIMIT_REQUEST_MS, PL_NET_REQUEST_MS},
        {"RESPONSE_MS", PL_LIMIT_RESPONSE_MS, PL_NET_RESPONSE_MS},
        {"CONN_BODY_BYTES", PL_LIMIT_CONN_BODY_BYTES, PL_NET_CONN_BODY_MAX},
        {"CARRIER_BYTES", PL_LIMIT_CARRIER_BYTES, PL_CARRIER_MAX},
        {"JSON_DEPTH", PL_LIMIT_JSON_DEPTH, PL_JSON_DEPTH_MAX},
        {"JSON_KEYS", PL_LIMIT_JSON_KEYS, PL_JSON_KEYS_MAX},
        {"JSON_KEY_BYTES", PL_LIMIT_JSON_KEY_BYTES, PL_JSON_KEY_BYTES},
        {"EVIDENCE_BYTES", PL_LIMIT_EVIDENCE_BYTES, PL_EVIDENCE_MAX},
        {"BATCH", PL_LIMIT_BATCH, PL_BATCH_MAX},
        {"QUOTE_QUEUE", PL_LIMIT_QUOTE_QUEUE, QUOTE_QUEUE},
        {"QUOTE_QUEUE_STRANGERS", PL_LIMIT_QUOTE_QUEUE_STRANGERS, QUOTE_QUEUE_STRANGERS},
        {"CONNECTIONS_PEER", PL_LIMIT_CONNECTIONS_PEER, PL_NET_CONNECTIONS / 4},
        {"POOL_BYTES", PL_LIMIT_POOL_BYTES, PL_NET_POOL_BYTES},
        {"QUOTE_MS", PL_LIMIT_QUOTE_MS, QUOTE_TIMEOUT_MS},
        {"WORK_BURST", PL_LIMIT_WORK_BURST, NET_WORK_BURST},
        {"WORK_PER_S", PL_LIMIT_WORK_PER_S, NET_WORK_PER_S},
        {"STRANGER_TICK_MS", PL_LIMIT_STRANGER_TICK_MS, STRANGER_TICK_MS},
        {"VERDICTS", PL_LIMIT_VERDICTS, VERDICTS},
        {"TLS_SESSION_S", PL_LIMIT_TLS_SESSION_S, PL_TLS_RESUME_S},
        {"LEAF_S", PL_LIMIT_LEAF_S, PL_TLS_LEAF_MAX_S},
        {"LEAF_S", PL_LIMIT_LEAF_S, LEAF_LIFE_S},
        {"POLICY_BYTES", PL_LIMIT_POLICY_BYTES, PL_POLICY_BYTES},
        {"POLICY_PRINCIPALS", PL_LIMIT_POLICY_PRINCIPALS, PL_POLICY_PRINCIPALS},
        {"POLICY_PROFILES", PL_LIMIT_POLICY_PROFILES, PL_POLICY_PROFILES},
        {"POLICY_PROFILES", PL_LIMIT_POLICY_PROFILES, PL_POLICY_VAULT_PROFILES},
        {"POLICY_RULES", PL_LIMIT_POLICY_RULES, PL_POLICY_RULES},
        {"POLICY_NODES", PL_LIMIT_POLICY_NODES, PL_POLICY_NODES},
        {"POLICY_QUOTAS", PL_LIMIT_POLICY_QUOTAS, PL_POLICY_QUOTAS},
        {"POLICY_WORDS", PL_LIMIT_POLICY_WORDS, PL_POLICY_WORDS},
        {"POLICY_ROLES", PL_LIMIT_POLICY_ROLES, PL_POLICY_ROLES},
        {"POLICY_APPROVALS", PL_LIMIT_POLICY_APPROVALS, PL_POLICY_APPROVALS},
        {"POLICY_NESTING", PL_LIMIT_POLICY_NESTING, PL_POLICY_NESTING},
        {"POLICY_NAME", PL_LIMIT_POLICY_NAME, PL_POLICY_NAME},
        {"CONFIG_BYTES", PL_LIMIT_CONFIG_BYTES, PL_CONFIG_BYTES},
        {"CONFIG_ALLOW", PL_LIMIT_CONFIG_ALLOW, PL_CONFIG_ALLOW_MAX},
        {"ISSUERS", PL_LIMIT_ISSUERS, PL_ISSUERS_MAX},
        {"ISSUER_KEYS", PL_LIMIT_ISSUER_KEYS, PL_ISSUER_KEYS},
        {"TOKEN_BYTES", PL_LIMIT_TOKEN_BYTES, PL_TOKEN_BYTES},
        {"TOKEN_ROLES", PL_LIMIT_TOKEN_ROLES, PL_SIGNER_ROLES},
        {"OWNER_KEYS", PL_LIMIT_OWNER_KEYS, PL_CONFIG_OWNER_KEYS},
        {"ANYONE_KEYS", PL_LIMIT_ANYONE_KEYS, PL_CONFIG_OWNER_KEYS},
        {"SHARE_BYTES", PL_LIMIT_SHARE_BYTES, PL_SHARE_MAX},
        {"STATEMENTS", PL_LIMIT_STATEMENTS, PL_STATEMENTS_MAX},
        {"STATEMENT_BYTES", PL_LIMIT_STATEMENT_BYTES, PL_STATEMENT_BYTES},
        {"STATEMENT_S", PL_LIMIT_STATEMENT_S, PL_STATEMENT_LIFE_MAX_S},
        {"TARGETS", PL_LIMIT_TARGETS, PL_STATEMENT_TARGETS},
        {"GRANT_S", PL_LIMIT_GRANT_S, PL_GRANT_LIFE_MAX_S},
        {"GRANT_VAULTS", PL_LIMIT_GRANT_VAULTS, PL_GRANT_VAULTS},
        {"KEYS", PL_LIMIT_KEYS, PL_VAULT_KEYS_MAX},
        {"KEYS", PL_LIMIT_KEYS, PL_CONFIG_KEYS_MAX},
        {"PREPARED_S", PL_LIMIT_PREPARED_S, PL_PREPARED_S},
        {"TOMBSTONE_S", PL_LIMIT_TOMBSTONE_S, PL_TOMBSTONE_S},
        {"IDEMPOTENCY_S", PL_LIMIT_IDEMPOTENCY_S, PL_IDEMPOTENCY_S},
        {"IDEMPOTENCY", PL_LIMIT_IDEMPOTENCY, PL_IDEMPOTENCY_PER_CALLER},
        {"IDEMPOTENCY_KEY_BYTES", PL_LIMIT_IDEMPOTENCY_KEY_BYTES, PL_IDEMPOTENCY_KEY_MAX},
        {"PAGE", PL_LIMIT_PAGE, PL_LIST_PAGE},
        {"WAIT_MS", PL_LIMIT_WAIT_MS, ANSWER_MS},
        {"ENTRY_BYTES", PL_LIMIT_ENTRY_BYTES, PL_ENTRY_BODY_MAX},
        {"FRAME_BYTES", PL_LIMIT_FRAME_BYTES, PL_FRAME_BYTES_MAX},
        {"REQUESTS_PER_S", PL_LIMIT_REQUESTS_PER_S, REQUESTS_PER_S},
        {"SNAPSHOT_EVERY", PL_LIMIT_SNAPSHOT_EVERY, SNAPSHOT_EVERY},
        {"WORKERS", PL_LIMIT_WORKERS, WORKERS_MAX},
        {"ENTRY_S", PL_LIMIT_ENTRY_S, PL_VAULT_ENTRY_LIFE_MAX_S},
        {"REGISTRY_BODY_BYTES", PL_LIMIT_REGISTRY_BODY_BYTES, PL_VAULT_ENTRY_MAX},
        {"PER_PLATFORM", PL_LIMIT_PER_PLATFORM, REGISTRY_PER_PLATFORM},
        {"REGISTRY_PAGE", PL_LIMIT_REGISTRY_PAGE, REGISTRY_PAGE},
        {"REGISTRY_PAGE_BYTES", PL_LIMIT_REGISTRY_PAGE_BYTES, REGISTRY_PAGE_BYTES},
        {"SUBSETS", PL_LIMIT_SUBSETS, PL_SUBSETS_MAX},
        {"SHARES", PL_LIMIT_SHARES, PL_SHARES_MAX},
        {"SPLIT_VAULTS", PL_LIMIT_SPLIT_VAULTS, PL_VAULTS_MAX},
        {"HEDGE_MS", PL_LIMIT_HEDGE_MS, PL_HEDGE_MS},
        {"SPLIT_MS", PL_LIMIT_SPLIT_MS, PL_SPLIT_MS},
        {"RECOVER_MS", PL_LIMIT_RECOVER_MS, PL_RECOVER_MS},
        {"KEY_NAME_BYTES", PL_LIMIT_KEY_NAME_BYTES, PL_NAME_MAX},
    };
    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
        if (!CHECK(limits[i].stated == limits[i].real))
            printf("#   %s: stated %d, enforced %d\n", limits[i].name, limits[i].stated,
                   limits[i].real);
}

TEST_MAIN()
