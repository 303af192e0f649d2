/* The bodies of log entries. Integers big endian; "vec" is a 32-bit length and the bytes, "word" an
 * 8-bit one; "flag" is a byte 0 or 1, and what stands in braces follows a 1 only.
 *
 *     version 3   u8
 *     op          word of op.def ("none" where there is none)
 *     now         i64 earliest, i64 latest
 *     caller      flag {32 SPKI hash}, flag {32 claims digest}
 *     request     32
 *     rule        vec, principals vec, approvers vec (principals who signed approvals)
 *     handle      flag {16}
 *     idem        flag {32}
 *     spent       u8 n, n * {32, i64 exp}
 *     grant       flag {32, i64 exp}
 *     then by kind, nothing else:
 *     CREATE            birth (code.c), vec policy, 32 SHA-256 of the sealed material
 *     UPDATE_POLICY     vec the new policy, u64 its principals that are owners and agreed
 *     REFUSED, FAILED   word of err.def; u64 index of the entry that allowed it (FAILED)
 *     LIST              u64 keys listed
 *     LAPSE             vec handles
 *     CONFIG            vec the signed document
 *     BOOT              16 random, u64 bytes of a torn tail that was cut
 *
 * Words and names, not numbers of tables, so that a later build reads an older log. The material
 * itself stands in the MATERIAL entry before its CREATE, in the same frame (version, 16 handle,
 * vec): the entry that an auditor is shown holds nothing of it.
 */
#include "vault/internal.h"

enum { CHANGE_VERSION = 3 };

enum pl_entry_kind pl_change_kind(enum pl_op op)
{
    static const enum pl_entry_kind kinds[PL_OP_COUNT] = {
        [PL_OP_CREATE] = PL_ENTRY_CREATE,           [PL_OP_ACTIVATE] = PL_ENTRY_ACTIVATE,
        [PL_OP_EXPORT] = PL_ENTRY_EXPORT,           [PL_OP_DELETE] = PL_ENTRY_DELETE,
        [PL_OP_DESCRIBE] = PL_ENTRY_DESCRIBE,       [PL_OP_LIST] = PL_ENTRY_LIST,
        [PL_OP_READ_POLICY] = PL_ENTRY_READ_POLICY, [PL_OP_FREEZE] = PL_ENTRY_FREEZE,
        [PL_OP_UNFREEZE] = PL_ENTRY_UNFREEZE,       [PL_OP_UPDATE_POLICY] = PL_ENTRY_UPDATE_POLICY,
    };
    return kinds[(unsigned)op < PL_OP_COUNT ? op : PL_OP_NONE];
}

static const char *op_word(unsigned v) { return pl_op_row((enum pl_op)v)->word; }
static const char *code_name(unsigned v) { return pl_code_name((enum pl_code)v); }

static void code_spent(struct coder *k, struct change *ch)
{
    uint8_t n = (uint8_t)ch->spends;
    pl_code_u8(k, &n);
    pl_code_need(k, n <= PL_STATEMENTS_MAX);
    ch->spends = n <= PL_STATEMENTS_MAX ? n : 0;
    for (unsigned i = 0; i < ch->spends; i++) {
        pl_code_bytes(k, ch->spent[i].sha256, 32);
        pl_code_i64(k, &ch->spent[i].exp_s);
    }
    if (pl_code_flag(k, &ch->has_grant)) {
        pl_code_bytes(k, ch->grant, 32);
        pl_code_i64(k, &ch->grant_exp_s);
    }
}

static void code_kind(struct coder *k, struct change *ch)
{
    if (ch->kind == PL_ENTRY_CREATE) {
        pl_code_birth(k, &ch->birth);
        pl_code_vec(k, &ch->policy, PL_POLICY_BYTES);
        pl_code_bytes(k, ch->sealed_sha256, 32);
    }
    if (ch->kind == PL_ENTRY_UPDATE_POLICY) {
        pl_code_vec(k, &ch->policy, PL_POLICY_BYTES);
        pl_code_u64(k, &ch->birth.consents);
    }
    if (ch->kind == PL_ENTRY_REFUSED || ch->kind == PL_ENTRY_FAILED) {
        unsigned code = pl_code_word(k, ch->error, PL_E_COUNT, code_name);
        /* a code of another build is only shown */
        ch->error = code < PL_E_COUNT ? (enum pl_code)code : PL_E_BUG;
        pl_code_u64(k, &ch->index);
    }
    if (ch->kind == PL_ENTRY_LIST)
        pl_code_u64(k, &ch->count);
    if (ch->kind == PL_ENTRY_LAPSE)
        pl_code_vec(k, &ch->lapsed, LAPSE_MAX * PL_HANDLE_BYTES);
    pl_code_need(k, ch->lapsed.n % PL_HANDLE_BYTES == 0);
    if (ch->kind == PL_ENTRY_CONFIG)
        pl_code_vec(k, &ch->config, PL_CONFIG_BYTES);
    if (ch->kind == PL_ENTRY_BOOT) {
        pl_code_bytes(k, ch->random, sizeof(ch->random));
        pl_code_u64(k, &ch->count);
    }
}

static void code_version(struct coder *k)
{
    uint8_t version = CHANGE_VERSION;
    pl_code_u8(k, &version);
    pl_code_need(k, version == CHANGE_VERSION);
}

static void code_change(struct coder *k, struct change *ch)
{
    code_version(k);
    unsigned op = pl_code_word(k, ch->op, PL_OP_COUNT, op_word);
    pl_code_need(k, op < PL_OP_COUNT);
    ch->op = op < PL_OP_COUNT ? (enum pl_op)op : PL_OP_NONE;
    pl_code_interval(k, &ch->now);
    if (pl_code_flag(k, &ch->has_key))
        pl_code_bytes(k, ch->caller, 32);
    if (pl_code_flag(k, &ch->attested))
        pl_code_bytes(k, ch->claims, 32);
    pl_code_bytes(k, ch->request, 32);
    pl_code_vec(k, &ch->rule, 64);
    pl_code_vec(k, &ch->principals, PRINCIPALS_TEXT);
    pl_code_vec(k, &ch->approvers, PRINCIPALS_TEXT);
    if (pl_code_flag(k, &ch->has_handle))
        pl_code_bytes(k, ch->handle, PL_HANDLE_BYTES);
    if (pl_code_flag(k, &ch->has_idem))
        pl_code_bytes(k, ch->idem, 32);
    code_spent(k, ch);
    code_kind(k, ch);
}

pl_err pl_change_write(struct pl_wr *w, struct change *ch)
{
    struct coder k = {.w = w};
    code_change(&k, ch);
    return pl_wr_end(w);
}

pl_err pl_change_read(struct change *ch, const struct pl_entry *entry)
{
    struct coder k = {.r = pl_rd(entry->body)};
    *ch = (struct change){.kind = entry->kind};
    code_change(&k, ch);
    PL_REQUIRE(pl_rd_end(&k.r) == PL_OK, ENTRY_BODY);
    return PL_OK;
}

static void code_material(struct coder *k, uint8_t *handle, struct pl_span *sealed)
{
    code_version(k);
    pl_code_bytes(k, handle, PL_HANDLE_BYTES);
    pl_code_vec(k, sealed, pl_record_sealed_bytes(PL_SHARE_MAX));
}

pl_err pl_material_write(struct pl_wr *w, uint8_t handle[static PL_HANDLE_BYTES],
                         struct pl_span sealed)
{
    struct coder k = {.w = w};
    code_material(&k, handle, &sealed);
    return pl_wr_end(w);
}

pl_err pl_material_read(uint8_t out_handle[static PL_HANDLE_BYTES], struct pl_span *out_sealed,
                        const struct pl_entry *entry)
{
    struct coder k = {.r = pl_rd(entry->body)};
    code_material(&k, out_handle, out_sealed);
    PL_REQUIRE(pl_rd_end(&k.r) == PL_OK, ENTRY_BODY);
    return PL_OK;
}
