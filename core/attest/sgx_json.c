/* TCB info and QE identity (PCS v4): signed JSON into flat fields. Values are taken only from the
 * bytes that the signature covers. Unknown members are skipped, as Intel adds some within a
 * version; a member twice is refused by the reader. */
#include "attest/internal.h"

#include <string.h>

pl_err pl_signed_json(struct pl_span in, const char *name, struct pl_span *out_inner,
                      uint8_t out_sig[static PL_P256_SIG_BYTES])
{
    struct pl_json j;
    struct pl_span key;
    bool inner = false, sig = false;
    PL_REQUIRE(in.n <= PL_COLLATERAL_JSON_MAX, JSON_LENGTH);
    pl_json_init(&j, in);
    for (pl_json_object(&j); pl_json_key(&j, &key);) {
        if (pl_span_is(key, name) && pl_json_peek(&j) == PL_JSON_OBJECT)
            inner = pl_json_raw(&j, out_inner);
        else if (pl_span_is(key, "signature"))
            sig = pl_json_hex_exact(&j, out_sig, PL_P256_SIG_BYTES);
        else
            pl_json_refuse(&j, PL_FAIL(JSON_UNKNOWN));
    }
    PL_TRY(pl_json_end(&j));
    PL_REQUIRE(inner && sig, JSON_MISSING);
    return PL_OK;
}

static bool u16(struct pl_json *j, uint16_t *out)
{
    uint64_t v = 0;
    bool ok = pl_json_u53(j, UINT16_MAX, &v);
    *out = (uint16_t)v;
    return ok;
}

static bool u32(struct pl_json *j, uint32_t *out)
{
    uint64_t v = 0;
    bool ok = pl_json_u53(j, UINT32_MAX, &v);
    *out = (uint32_t)v;
    return ok;
}

static bool status(struct pl_json *j, enum pl_tcb *out)
{
    struct pl_span text;
    if (!pl_json_plain(j, &text))
        return false;
    *out = pl_tcb_parse(text);
    if (*out == PL_TCB_NONE)
        pl_json_refuse(j, PL_FAIL(JSON_VALUE));
    return *out != PL_TCB_NONE;
}

static bool is(struct pl_json *j, const char *want)
{
    struct pl_span text;
    return pl_json_plain(j, &text) && pl_span_is(text, want);
}

/* What both documents start with. Members in any order; `seen` has a bit for each that was there.
 */
struct head {
    uint64_t version;
    bool is_sgx; /* id "SGX" or "QE", the ones for SGX */
    struct pl_period period;
    uint32_t eval;
};
enum { H_ID = 1, H_VERSION = 2, H_ISSUED = 4, H_NEXT = 8, H_EVAL = 16, H_LEVELS = 32 };

/* Reads the member if it belongs to the head; 0 when it does not. */
static unsigned head_member(struct pl_json *j, struct pl_span key, const char *id, struct head *h)
{
    if (pl_span_is(key, "id")) {
        h->is_sgx = is(j, id);
        return H_ID;
    }
    if (pl_span_is(key, "version"))
        return pl_json_u53(j, 1000, &h->version) ? H_VERSION : 0;
    if (pl_span_is(key, "issueDate"))
        return pl_json_time(j, &h->period.from_s) ? H_ISSUED : 0;
    if (pl_span_is(key, "nextUpdate"))
        return pl_json_time(j, &h->period.to_s) ? H_NEXT : 0;
    if (pl_span_is(key, "tcbEvaluationDataNumber"))
        return u32(j, &h->eval) ? H_EVAL : 0;
    return 0;
}

/* The parts of one level besides its version numbers. */
static unsigned level_member(struct pl_json *j, struct pl_span key, enum pl_tcb *st, int64_t *date,
                             struct pl_span *advisories)
{
    if (pl_span_is(key, "tcbStatus"))
        return status(j, st) ? 1 : 0;
    if (pl_span_is(key, "tcbDate"))
        return pl_json_time(j, date) ? 2 : 0;
    if (!pl_span_is(key, "advisoryIDs"))
        return 0;
    if (pl_json_peek(j) != PL_JSON_ARRAY)
        pl_json_refuse(j, PL_FAIL(JSON_TYPE));
    return pl_json_raw(j, advisories) ? 4 : 0;
}

/* [{ "svn": n, ... }] of exactly 16: a shorter list must not compare fewer components. */
static bool components_v3(struct pl_json *j, uint8_t svn[static 16])
{
    unsigned n = 0;
    struct pl_span key;
    for (pl_json_array(j); pl_json_item(j); n++) {
        bool got = false;
        uint64_t v = 0;
        for (pl_json_object(j); pl_json_key(j, &key);) {
            if (pl_span_is(key, "svn"))
                got = pl_json_u53(j, 255, &v);
            else
                pl_json_skip(j);
        }
        if (!got || n >= 16)
            pl_json_refuse(j, PL_FAIL(JSON_VALUE));
        else
            svn[n] = (uint8_t)v;
    }
    return n == 16;
}

/* Version 2: sgxtcbcomp01svn to sgxtcbcomp16svn. 0 when the key is none of them. */
static unsigned component_v2(struct pl_json *j, struct pl_span key, uint8_t svn[static 16])
{
    char name[] = "sgxtcbcomp00svn";
    for (unsigned i = 0; i < 16; i++) {
        uint64_t v = 0;
        name[10] = (char)('0' + (i + 1) / 10);
        name[11] = (char)('0' + (i + 1) % 10);
        if (!pl_span_is(key, name))
            continue;
        bool ok = pl_json_u53(j, 255, &v);
        svn[i] = (uint8_t)v;
        return ok ? 1u << i : 0;
    }
    return 0;
}

static bool tcb(struct pl_json *j, struct pl_tcb_level *out)
{
    struct pl_span key;
    unsigned v2 = 0;
    bool v3 = false, pce = false;
    for (pl_json_object(j); pl_json_key(j, &key);) {
        unsigned bit = component_v2(j, key, out->svn);
        v2 |= bit;
        if (bit)
            continue;
        if (pl_span_is(key, "sgxtcbcomponents"))
            v3 = components_v3(j, out->svn);
        else if (pl_span_is(key, "pcesvn"))
            pce = u16(j, &out->pcesvn);
        else
            pl_json_skip(j);
    }
    return pce && (v3 ? v2 == 0 : v2 == 0xffff);
}

static void tcb_level(struct pl_json *j, struct pl_tcb_level *out)
{
    struct pl_span key;
    unsigned seen = 0;
    bool versions = false;
    *out = (struct pl_tcb_level){0};
    for (pl_json_object(j); pl_json_key(j, &key);) {
        unsigned bit = level_member(j, key, &out->status, &out->date_s, &out->advisories);
        seen |= bit;
        if (bit)
            continue;
        if (pl_span_is(key, "tcb"))
            versions = tcb(j, out);
        else
            pl_json_skip(j);
    }
    if (!versions || (seen & 3) != 3)
        pl_json_refuse(j, PL_FAIL(JSON_MISSING));
}

static int tcb_order(const struct pl_tcb_level *a, const struct pl_tcb_level *b)
{
    int c = memcmp(a->svn, b->svn, sizeof(a->svn));
    return c ? c : (int)a->pcesvn - (int)b->pcesvn;
}

/* Keeps the list descending whatever order it came in; two equal levels contradict each other. */
static void tcb_levels(struct pl_json *j, struct pl_collateral *out)
{
    struct pl_tcb_level l;
    for (pl_json_array(j); pl_json_item(j);) {
        tcb_level(j, &l);
        if (out->levels == PL_TCB_LEVELS_MAX) {
            pl_json_refuse(j, PL_FAIL(JSON_LENGTH));
            continue;
        }
        unsigned at = out->levels;
        for (; at > 0 && tcb_order(&l, &out->level[at - 1]) > 0; at--)
            out->level[at] = out->level[at - 1];
        out->level[at] = l;
        out->levels++;
        if (at > 0 && tcb_order(&l, &out->level[at - 1]) == 0)
            pl_json_refuse(j, PL_FAIL(JSON_DUPLICATE));
    }
}

pl_err pl_tcb_info_parse(struct pl_collateral *out, struct pl_span inner)
{
    struct pl_json j;
    struct pl_span key;
    struct head h = {0};
    unsigned seen = 0;
    uint64_t type = 0;
    bool fmspc = false, pce = false, typed = false;
    pl_json_init(&j, inner);
    for (pl_json_object(&j); pl_json_key(&j, &key);) {
        unsigned bit = head_member(&j, key, "SGX", &h);
        seen |= bit;
        if (bit)
            continue;
        if (pl_span_is(key, "fmspc"))
            fmspc = pl_json_hex_exact(&j, out->fmspc, sizeof(out->fmspc));
        else if (pl_span_is(key, "pceId"))
            pce = pl_json_hex_exact(&j, out->pce_id, sizeof(out->pce_id));
        else if (pl_span_is(key, "tcbType"))
            typed = pl_json_u53(&j, 1000, &type);
        else if (pl_span_is(key, "tcbLevels"))
            tcb_levels(&j, out);
        else
            pl_json_skip(&j);
    }
    PL_REQUIRE(pl_json_end(&j) == PL_OK, TCB_INFO_FORMAT);
    PL_REQUIRE(seen & H_VERSION && (h.version == 2 || h.version == 3), TCB_INFO_VERSION);
    PL_REQUIRE(seen & H_ID ? h.is_sgx : h.version == 2, TCB_INFO_TEE);
    PL_REQUIRE(typed && type == 0, TCB_INFO_TYPE);
    unsigned need = H_ISSUED | H_NEXT | H_EVAL;
    PL_REQUIRE((seen & need) == need && fmspc && pce && out->levels > 0, TCB_INFO_FORMAT);
    out->tcb_info = h.period;
    out->numbers.tcb_eval = h.eval;
    return PL_OK;
}

static void qe_level(struct pl_json *j, struct pl_qe_level *out)
{
    struct pl_span key;
    unsigned seen = 0;
    bool svn = false;
    *out = (struct pl_qe_level){0};
    for (pl_json_object(j); pl_json_key(j, &key);) {
        unsigned bit = level_member(j, key, &out->status, &out->date_s, &out->advisories);
        seen |= bit;
        if (bit)
            continue;
        if (!pl_span_is(key, "tcb")) {
            pl_json_skip(j);
            continue;
        }
        for (pl_json_object(j); pl_json_key(j, &key);) {
            if (pl_span_is(key, "isvsvn"))
                svn = u16(j, &out->isvsvn);
            else
                pl_json_skip(j);
        }
    }
    bool known = out->status == PL_TCB_UP_TO_DATE || out->status == PL_TCB_OUT_OF_DATE ||
                 out->status == PL_TCB_REVOKED; /* what Intel gives to enclaves */
    if (!svn || (seen & 3) != 3 || !known)
        pl_json_refuse(j, PL_FAIL(JSON_VALUE));
}

static void qe_levels(struct pl_json *j, struct pl_collateral *out)
{
    struct pl_qe_level l;
    for (pl_json_array(j); pl_json_item(j);) {
        qe_level(j, &l);
        if (out->qe_levels == PL_TCB_LEVELS_MAX) {
            pl_json_refuse(j, PL_FAIL(JSON_LENGTH));
            continue;
        }
        unsigned at = out->qe_levels;
        for (; at > 0 && l.isvsvn > out->qe_level[at - 1].isvsvn; at--)
            out->qe_level[at] = out->qe_level[at - 1];
        out->qe_level[at] = l;
        out->qe_levels++;
        if (at > 0 && l.isvsvn == out->qe_level[at - 1].isvsvn)
            pl_json_refuse(j, PL_FAIL(JSON_DUPLICATE));
    }
}

/* The fields that a report is compared with; a bit each, 0 when the key is none of them. Hex is
 * the raw bytes of the report, not a number. */
static unsigned identity_member(struct pl_json *j, struct pl_span key, struct pl_collateral *out)
{
    if (pl_span_is(key, "miscselect"))
        return pl_json_hex_exact(j, out->qe_misc_select, 4) ? 1 : 0;
    if (pl_span_is(key, "miscselectMask"))
        return pl_json_hex_exact(j, out->qe_misc_mask, 4) ? 2 : 0;
    if (pl_span_is(key, "attributes"))
        return pl_json_hex_exact(j, out->qe_attributes, 16) ? 4 : 0;
    if (pl_span_is(key, "attributesMask"))
        return pl_json_hex_exact(j, out->qe_attributes_mask, 16) ? 8 : 0;
    if (pl_span_is(key, "mrsigner"))
        return pl_json_hex_exact(j, out->qe_mrsigner, 32) ? 16 : 0;
    if (pl_span_is(key, "isvprodid"))
        return u16(j, &out->qe_prod_id) ? 32 : 0;
    return 0;
}

pl_err pl_qe_identity_parse(struct pl_collateral *out, struct pl_span inner)
{
    struct pl_json j;
    struct pl_span key;
    struct head h = {0};
    unsigned seen = 0, fields = 0;
    pl_json_init(&j, inner);
    for (pl_json_object(&j); pl_json_key(&j, &key);) {
        unsigned bit = head_member(&j, key, "QE", &h);
        seen |= bit;
        unsigned field = bit ? 0 : identity_member(&j, key, out);
        fields |= field;
        if (bit || field)
            continue;
        if (pl_span_is(key, "tcbLevels"))
            qe_levels(&j, out);
        else
            pl_json_skip(&j);
    }
    PL_REQUIRE(pl_json_end(&j) == PL_OK, QE_IDENTITY_FORMAT);
    PL_REQUIRE(seen & H_VERSION && h.version == 2, QE_IDENTITY_VERSION);
    PL_REQUIRE(seen & H_ID && h.is_sgx, QE_IDENTITY_TEE);
    unsigned need = H_ISSUED | H_NEXT | H_EVAL;
    PL_REQUIRE((seen & need) == need && fields == 63 && out->qe_levels > 0, QE_IDENTITY_FORMAT);
    out->qe_identity = h.period;
    out->numbers.qe_eval = h.eval;
    return PL_OK;
}

pl_err pl_advisories_add(struct pl_claims *out, struct pl_span array)
{
    struct pl_json j;
    if (array.n == 0)
        return PL_OK;
    pl_json_init(&j, array);
    for (pl_json_array(&j); pl_json_item(&j);) {
        char id[PL_ADVISORY_BYTES + 1];
        unsigned at = 0;
        PL_REQUIRE(pl_json_str(&j, id, sizeof(id), 1, NULL), TCB_ADVISORIES);
        while (at < out->tcb.advisories && strcmp(out->tcb.advisory[at], id) < 0)
            at++;
        if (at < out->tcb.advisories && strcmp(out->tcb.advisory[at], id) == 0)
            continue;
        PL_REQUIRE(out->tcb.advisories < PL_ADVISORIES_MAX, TCB_ADVISORIES);
        memmove(out->tcb.advisory[at + 1], out->tcb.advisory[at],
                (out->tcb.advisories - at) * sizeof(id));
        memcpy(out->tcb.advisory[at], id, sizeof(id));
        out->tcb.advisories++;
    }
    PL_REQUIRE(pl_json_end(&j) == PL_OK, TCB_ADVISORIES);
    return PL_OK;
}
