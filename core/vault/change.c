/* The bodies of log entries. Integers big endian; "vec" is a 32-bit length and the bytes.
 *
 *     version 1   u8
 *     op          u8 length, word of op.def ("" where there is none)
 *     now         i64 earliest, i64 latest
 *     caller      u8 flags (1 key, 2 attested), 32 SPKI hash if 1, 32 claims digest if 2
 *     request     32
 *     rule        vec, principals vec
 *     handle      u8 0/1, 16
 *     idem        u8 0/1, 32
 *     spent       u8 n, n * {32, i64 exp}
 *     grant       u8 0/1, {32, i64 exp}
 *     then by kind, nothing else:
 *     CREATE            below
 *     REFUSED, FAILED   u8 length, name of err.def; u64 index of the entry that allowed it (FAILED)
 *     LIST              u64 keys listed
 *     LAPSE             vec handles
 *     CONFIG            vec the signed document
 *     BOOT              16 random, u64 bytes of a torn tail that was cut
 *
 * Words and names, not numbers of tables, so that a later build reads an older log.
 */
#include "vault/internal.h"

#include <string.h>

enum { CHANGE_VERSION = 1, HAS_KEY = 1, HAS_CLAIMS = 2, ERROR_NAME_MAX = 64 };

static void put_word(struct pl_wr *w, const char *word)
{
    size_t n = strlen(word);
    PL_ASSERT(n < 256);
    pl_wr_u8(w, (uint8_t)n);
    pl_wr_str(w, word);
}

static struct pl_span get_word(struct pl_rd *r) { return pl_rd_bytes(r, pl_rd_u8(r)); }

static bool get_flag(struct pl_rd *r)
{
    uint8_t v = pl_rd_u8(r);
    if (v > 1)
        r->bad = true;
    return v == 1;
}

static bool put_optional(struct pl_wr *w, bool has)
{
    pl_wr_u8(w, has);
    return has;
}

static void put_interval(struct pl_wr *w, struct pl_interval t)
{
    pl_wr_be64(w, (uint64_t)t.earliest_s);
    pl_wr_be64(w, (uint64_t)t.latest_s);
}

static struct pl_interval get_interval(struct pl_rd *r)
{
    int64_t from = (int64_t)pl_rd_be64(r), to = (int64_t)pl_rd_be64(r);
    return (struct pl_interval){from, to};
}

static void put_caller(struct pl_wr *w, const struct change *ch)
{
    pl_wr_u8(w, (uint8_t)((ch->has_key ? HAS_KEY : 0) | (ch->attested ? HAS_CLAIMS : 0)));
    if (ch->has_key)
        pl_wr_bytes(w, PL_ARR(ch->caller));
    if (ch->attested)
        pl_wr_bytes(w, PL_ARR(ch->claims));
}

static void get_caller(struct pl_rd *r, struct change *ch)
{
    uint8_t flags = pl_rd_u8(r);
    if (flags & ~(HAS_KEY | HAS_CLAIMS))
        r->bad = true;
    ch->has_key = flags & HAS_KEY;
    ch->attested = flags & HAS_CLAIMS;
    if (ch->has_key)
        pl_rd_copy(r, ch->caller, sizeof(ch->caller));
    if (ch->attested)
        pl_rd_copy(r, ch->claims, sizeof(ch->claims));
}

static void put_spent(struct pl_wr *w, const struct change *ch)
{
    pl_wr_u8(w, (uint8_t)ch->spends);
    for (unsigned i = 0; i < ch->spends; i++) {
        pl_wr_bytes(w, PL_ARR(ch->spent[i].sha256));
        pl_wr_be64(w, (uint64_t)ch->spent[i].exp_s);
    }
    if (put_optional(w, ch->has_grant)) {
        pl_wr_bytes(w, PL_ARR(ch->grant));
        pl_wr_be64(w, (uint64_t)ch->grant_exp_s);
    }
}

static void get_spent(struct pl_rd *r, struct change *ch)
{
    ch->spends = pl_rd_u8(r);
    if (ch->spends > PL_STATEMENTS_MAX) {
        r->bad = true;
        ch->spends = 0;
    }
    for (unsigned i = 0; i < ch->spends; i++) {
        pl_rd_copy(r, ch->spent[i].sha256, 32);
        ch->spent[i].exp_s = (int64_t)pl_rd_be64(r);
    }
    ch->has_grant = get_flag(r);
    if (ch->has_grant) {
        pl_rd_copy(r, ch->grant, sizeof(ch->grant));
        ch->grant_exp_s = (int64_t)pl_rd_be64(r);
    }
}

/* CREATE: type word, u64 generation, 32 commitment, 32 tag, u8 subject (0 none, 1 client, 2
 * profile) and its 32, u8 n and n * 32 consents, vec policy, 32 SHA-256 of the sealed material. The
 * material itself stands in the MATERIAL entry before, in the same frame (version, 16 handle, vec):
 * the entry that an auditor is shown holds nothing of it. */
static void put_birth(struct pl_wr *w, const struct change *ch)
{
    put_word(w, pl_key_type_word(ch->birth.type));
    pl_wr_be64(w, ch->birth.generation);
    pl_wr_bytes(w, PL_ARR(ch->birth.commitment));
    pl_wr_bytes(w, PL_ARR(ch->birth.tag));
    pl_wr_u8(w, !ch->birth.has_subject ? 0 : ch->birth.subject_is_profile ? 2 : 1);
    if (ch->birth.has_subject)
        pl_wr_bytes(w, PL_ARR(ch->birth.subject));
    pl_wr_u8(w, (uint8_t)ch->birth.consents);
    for (unsigned i = 0; i < ch->birth.consents; i++)
        pl_wr_bytes(w, PL_ARR(ch->birth.consent[i]));
    pl_wr_vec(w, ch->birth.policy);
    pl_wr_bytes(w, PL_ARR(ch->birth.sealed_sha256));
}

static void get_birth(struct pl_rd *r, struct change *ch)
{
    ch->birth.type = pl_key_type_of(get_word(r));
    ch->birth.generation = pl_rd_be64(r);
    pl_rd_copy(r, ch->birth.commitment, 32);
    pl_rd_copy(r, ch->birth.tag, 32);
    uint8_t subject = pl_rd_u8(r);
    ch->birth.has_subject = subject != 0;
    ch->birth.subject_is_profile = subject == 2;
    if (subject)
        pl_rd_copy(r, ch->birth.subject, 32);
    ch->birth.consents = pl_rd_u8(r);
    if (ch->birth.consents > CONSENTS_MAX || subject > 2 || ch->birth.type == PL_KEY_NONE) {
        r->bad = true;
        ch->birth.consents = 0;
    }
    for (unsigned i = 0; i < ch->birth.consents; i++)
        pl_rd_copy(r, ch->birth.consent[i], 32);
    ch->birth.policy = pl_rd_vec(r, PL_POLICY_BYTES);
    pl_rd_copy(r, ch->birth.sealed_sha256, 32);
}

static enum pl_code code_of(struct pl_span name)
{
    for (unsigned i = 0; i < PL_E_COUNT; i++)
        if (pl_span_is(name, pl_code_name((enum pl_code)i)))
            return (enum pl_code)i;
    return PL_E_BUG; /* a code of another build: it is only shown */
}

static void put_kind(struct pl_wr *w, const struct change *ch)
{
    if (ch->kind == PL_ENTRY_CREATE)
        put_birth(w, ch);
    if (ch->kind == PL_ENTRY_REFUSED || ch->kind == PL_ENTRY_FAILED) {
        put_word(w, pl_code_name(ch->error));
        pl_wr_be64(w, ch->index);
    }
    if (ch->kind == PL_ENTRY_LIST)
        pl_wr_be64(w, ch->count);
    if (ch->kind == PL_ENTRY_LAPSE)
        pl_wr_vec(w, ch->lapsed);
    if (ch->kind == PL_ENTRY_CONFIG)
        pl_wr_vec(w, ch->config);
    if (ch->kind == PL_ENTRY_BOOT) {
        pl_wr_bytes(w, PL_ARR(ch->random));
        pl_wr_be64(w, ch->count);
    }
}

static void get_kind(struct pl_rd *r, struct change *ch)
{
    if (ch->kind == PL_ENTRY_CREATE)
        get_birth(r, ch);
    if (ch->kind == PL_ENTRY_REFUSED || ch->kind == PL_ENTRY_FAILED) {
        ch->error = code_of(get_word(r));
        ch->index = pl_rd_be64(r);
    }
    if (ch->kind == PL_ENTRY_LIST)
        ch->count = pl_rd_be64(r);
    if (ch->kind == PL_ENTRY_LAPSE)
        ch->lapsed = pl_rd_vec(r, LAPSE_MAX * PL_HANDLE_BYTES);
    if (ch->kind == PL_ENTRY_CONFIG)
        ch->config = pl_rd_vec(r, PL_CONFIG_BYTES);
    if (ch->kind == PL_ENTRY_BOOT) {
        pl_rd_copy(r, ch->random, sizeof(ch->random));
        ch->count = pl_rd_be64(r);
    }
    if (ch->lapsed.n % PL_HANDLE_BYTES)
        r->bad = true;
}

pl_err pl_change_write(struct pl_wr *w, const struct change *ch)
{
    pl_wr_u8(w, CHANGE_VERSION);
    put_word(w, ch->op == PL_OP_NONE ? "" : pl_op_row(ch->op)->word);
    put_interval(w, ch->now);
    put_caller(w, ch);
    pl_wr_bytes(w, PL_ARR(ch->request));
    pl_wr_vec(w, ch->rule);
    pl_wr_vec(w, ch->principals);
    if (put_optional(w, ch->has_handle))
        pl_wr_bytes(w, PL_ARR(ch->handle));
    if (put_optional(w, ch->has_idem))
        pl_wr_bytes(w, PL_ARR(ch->idem));
    put_spent(w, ch);
    put_kind(w, ch);
    return pl_wr_end(w);
}

pl_err pl_change_read(struct change *ch, const struct pl_entry *entry)
{
    struct pl_rd r = pl_rd(entry->body);
    *ch = (struct change){.kind = entry->kind};
    PL_REQUIRE(pl_rd_u8(&r) == CHANGE_VERSION, ENTRY_BODY);
    struct pl_span word = get_word(&r);
    ch->op = word.n ? pl_op_of(word) : PL_OP_NONE;
    PL_REQUIRE(word.n == 0 || ch->op != PL_OP_NONE, ENTRY_BODY);
    ch->now = get_interval(&r);
    get_caller(&r, ch);
    pl_rd_copy(&r, ch->request, sizeof(ch->request));
    ch->rule = pl_rd_vec(&r, 64);
    ch->principals = pl_rd_vec(&r, PRINCIPALS_TEXT);
    ch->has_handle = get_flag(&r);
    if (ch->has_handle)
        pl_rd_copy(&r, ch->handle, sizeof(ch->handle));
    ch->has_idem = get_flag(&r);
    if (ch->has_idem)
        pl_rd_copy(&r, ch->idem, sizeof(ch->idem));
    get_spent(&r, ch);
    get_kind(&r, ch);
    PL_REQUIRE(pl_rd_end(&r) == PL_OK, ENTRY_BODY);
    return PL_OK;
}

pl_err pl_material_write(struct pl_wr *w, const uint8_t handle[static PL_HANDLE_BYTES],
                         struct pl_span sealed)
{
    pl_wr_u8(w, CHANGE_VERSION);
    pl_wr_bytes(w, pl_span(handle, PL_HANDLE_BYTES));
    pl_wr_vec(w, sealed);
    return pl_wr_end(w);
}

pl_err pl_material_read(uint8_t out_handle[static PL_HANDLE_BYTES], struct pl_span *out_sealed,
                        const struct pl_entry *entry)
{
    struct pl_rd r = pl_rd(entry->body);
    PL_REQUIRE(pl_rd_u8(&r) == CHANGE_VERSION, ENTRY_BODY);
    pl_rd_copy(&r, out_handle, PL_HANDLE_BYTES);
    *out_sealed = pl_rd_vec(&r, pl_record_sealed_bytes(PL_SHARE_MAX));
    PL_REQUIRE(pl_rd_end(&r) == PL_OK, ENTRY_BODY);
    return PL_OK;
}
