#include "api_sample.h"

#include <string.h>

static void fill(struct pl_wr *w, size_t n, uint8_t with)
{
    uint8_t *p = n ? pl_wr_take(w, n) : NULL;
    for (size_t i = 0; p && i < n; i++)
        p[i] = with;
}

/* n bytes encoded, or n characters, in quotes. */
static void put_text(struct pl_wr *w, enum pl_api_kind kind, size_t n)
{
    pl_wr_u8(w, '"');
    if (kind == PL_F_STR || kind == PL_F_STRS)
        fill(w, n, 'a');
    else if (kind == PL_F_HEX || kind == PL_F_HEXES)
        fill(w, 2 * n, '5');
    else
        fill(w, PL_B64U_LEN(n), 'A');
    pl_wr_u8(w, '"');
}

/* An object of n bytes; the smallest has two. */
static void put_raw(struct pl_wr *w, size_t n)
{
    if (n < 7) {
        pl_wr_str(w, "{}");
        return;
    }
    pl_wr_str(w, "{\"a\":\"");
    fill(w, n - 8, 'r');
    pl_wr_str(w, "\"}");
}

static void put_number(struct pl_wr *w, uint64_t v)
{
    struct pl_jw j = pl_jw(w);
    if (v <= PL_U53_MAX)
        pl_jw_u64(&j, v);
    else
        pl_wr_str(w, "9007199254740992");
}

static bool is_array(const struct pl_api_field *f) { return f->kind >= PL_F_HEXES; }

/* The size to use for a mode, for kinds that have one. False: there is no such size. */
static bool size_for(const struct pl_api_field *f, enum sample_mode mode, uint64_t *out)
{
    bool exact = f->kind == PL_F_HEX || f->kind == PL_F_BYTES || f->kind == PL_F_HEXES;
    *out = exact ? f->max : f->min;
    if (mode == SAMPLE_MOST)
        *out = f->max;
    if (mode == SAMPLE_OVER)
        *out = f->max + 1;
    if (mode == SAMPLE_UNDER) {
        if (*out == 0)
            return false;
        --*out;
    }
    return true;
}

static bool put_one(struct pl_wr *w, const struct pl_api_field *f, enum sample_mode mode)
{
    uint64_t n = 0;
    if (!size_for(f, mode, &n))
        return false;
    switch (f->kind) {
    case PL_F_U53:
        put_number(w, n);
        return true;
    case PL_F_BOOL:
        pl_wr_str(w, "true");
        return mode <= SAMPLE_MOST;
    case PL_F_TIME:
        pl_wr_str(w,
                  mode == SAMPLE_OVER ? "\"10000-01-01T00:00:00Z\"" : "\"2026-01-31T08:00:00Z\"");
        return mode != SAMPLE_UNDER;
    case PL_F_ENUM:
        pl_wr_str(w, mode == SAMPLE_OVER ? "\"\"" : "\"");
        pl_wr_str(w, mode == SAMPLE_OVER ? "" : f->words[1]);
        pl_wr_str(w, mode == SAMPLE_OVER ? "" : "\"");
        return mode != SAMPLE_UNDER;
    case PL_F_CONST:
        pl_wr_u8(w, '"');
        pl_wr_str(w, f->text);
        pl_wr_str(w, mode == SAMPLE_OVER ? "x\"" : "\"");
        return mode != SAMPLE_UNDER;
    case PL_F_RAW:
    case PL_F_RAWS:
        put_raw(w, (size_t)n);
        return mode != SAMPLE_UNDER;
    case PL_F_MSGS:
        return sample_write(w, f->of, SAMPLE_LEAST, 0);
    case PL_F_HEX:
    case PL_F_BYTES:
    case PL_F_B64U:
    case PL_F_STR:
    case PL_F_HEXES:
    case PL_F_B64US:
    case PL_F_STRS:
        put_text(w, f->kind, (size_t)n);
        return true;
    }
    return false;
}

/* Arrays: empty, full, one element too many; their elements' bounds are met by the first one. */
static bool put_array(struct pl_wr *w, const struct pl_api_field *f, enum sample_mode mode)
{
    size_t n = mode == SAMPLE_MOST ? f->count : mode == SAMPLE_OVER ? f->count + 1u : 0;
    pl_wr_u8(w, '[');
    if (mode == SAMPLE_UNDER || mode == SAMPLE_ELEMENT) {
        bool ok = f->kind != PL_F_MSGS &&
                  put_one(w, f, mode == SAMPLE_UNDER ? SAMPLE_UNDER : SAMPLE_OVER);
        pl_wr_u8(w, ']');
        return ok;
    }
    for (size_t i = 0; i < n; i++) {
        if (i)
            pl_wr_u8(w, ',');
        put_one(w, f, i == 0 && mode == SAMPLE_MOST ? SAMPLE_MOST : SAMPLE_LEAST);
    }
    pl_wr_u8(w, ']');
    return true;
}

static bool put_value(struct pl_wr *w, const struct pl_api_field *f, enum sample_mode mode)
{
    if (mode == SAMPLE_TYPE) {
        pl_wr_str(w, f->kind == PL_F_BOOL ? "1" : "null");
        return true;
    }
    if (is_array(f))
        return put_array(w, f, mode);
    if (mode == SAMPLE_ELEMENT)
        return false;
    return put_one(w, f, mode);
}

bool sample_write(struct pl_wr *w, enum pl_api_msg kind, enum sample_mode mode, size_t at)
{
    const struct pl_api_row *row = pl_api_row(kind);
    bool ok = true, comma = false;
    pl_wr_u8(w, '{');
    for (size_t i = 0; i < row->fields; i++) {
        const struct pl_api_field *f = &row->field[i];
        bool special = mode > SAMPLE_MOST && i == at;
        if ((mode == SAMPLE_LEAST && f->optional) || (special && mode == SAMPLE_MISSING))
            continue;
        enum sample_mode m = special && mode <= SAMPLE_TYPE ? mode : SAMPLE_LEAST;
        for (int times = special && mode == SAMPLE_TWICE ? 2 : 1; times > 0; times--) {
            pl_wr_str(w, comma ? ",\"" : "\"");
            comma = true;
            pl_wr_str(w, f->name);
            pl_wr_str(w, "\":");
            ok &= put_value(w, f, mode == SAMPLE_MOST ? SAMPLE_MOST : m);
        }
        if (special && mode == SAMPLE_UNKNOWN)
            pl_wr_str(w, ",\"nonsense\":0");
    }
    pl_wr_u8(w, '}');
    return ok;
}
