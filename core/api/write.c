/* Writing a message: the same rows, the same bounds. */
#include "api/internal.h"

#include <string.h>

static pl_err write_message(struct pl_jw *j, const struct pl_api_row *row, const uint8_t *m);

static pl_err bounded(uint64_t v, const struct pl_api_field *f)
{
    PL_REQUIRE(v >= f->min && v <= f->max, JSON_LENGTH);
    return PL_OK;
}

static pl_err write_b64u(struct pl_jw *j, const struct pl_api_field *f, struct pl_span s)
{
    PL_TRY(bounded(s.n, f));
    pl_jw_b64u(j, s);
    return PL_OK;
}

static pl_err write_str(struct pl_jw *j, const struct pl_api_field *f, struct pl_span s)
{
    PL_TRY(bounded(s.n, f));
    PL_REQUIRE(pl_utf8_ok(s) && !(s.n && memchr(s.p, 0, s.n)), JSON_UTF8);
    pl_jw_str(j, s);
    return PL_OK;
}

/* That it is one object is the caller's word; an empty span would leave broken JSON. */
static pl_err write_raw(struct pl_jw *j, const struct pl_api_field *f, struct pl_span s)
{
    PL_TRY(bounded(s.n, f));
    PL_REQUIRE(s.n >= 2 && s.p[0] == '{' && s.p[s.n - 1] == '}', JSON_TYPE);
    pl_jw_raw(j, s);
    return PL_OK;
}

static pl_err write_word(struct pl_jw *j, const struct pl_api_field *f, unsigned v)
{
    unsigned n = 0;
    while (f->words[n + 1])
        n++;
    PL_REQUIRE(v >= 1 && v <= n, JSON_VALUE);
    pl_jw_text(j, f->words[v]);
    return PL_OK;
}

static pl_err write_element(struct pl_jw *j, const struct pl_api_field *f, struct pl_span s)
{
    switch ((int)f->kind) {
    case PL_F_HEXES:
        PL_TRY(bounded(s.n, f));
        pl_jw_hex(j, s);
        return PL_OK;
    case PL_F_B64US:
        return write_b64u(j, f, s);
    case PL_F_STRS:
        return write_str(j, f, s);
    default:
        return write_raw(j, f, s);
    }
}

static pl_err write_array(struct pl_jw *j, const struct pl_api_field *f, const struct pl_spans *a)
{
    PL_REQUIRE(a->n <= f->count, JSON_LENGTH);
    pl_jw_open(j, '[');
    for (size_t i = 0; i < a->n; i++) {
        if (f->kind == PL_F_MSGS) {
            const struct pl_api_row *row = pl_api_row(f->of);
            PL_TRY(write_message(j, row, (const uint8_t *)a->v + i * row->size));
        } else {
            PL_TRY(write_element(j, f, a->v[i]));
        }
    }
    pl_jw_close(j, ']');
    return PL_OK;
}

static pl_err write_u53(struct pl_jw *j, const struct pl_api_field *f, uint64_t v)
{
    PL_REQUIRE(v >= f->min && v <= f->max, JSON_RANGE);
    pl_jw_u64(j, v);
    return PL_OK;
}

static pl_err write_borrowed(struct pl_jw *j, const struct pl_api_field *f, const uint8_t *at)
{
    struct pl_span s;
    if (f->kind == PL_F_STR) {
        const char *text;
        memcpy(&text, at, sizeof(text));
        return write_str(j, f, pl_span_str(text));
    }
    memcpy(&s, at, sizeof(s));
    return f->kind == PL_F_B64U ? write_b64u(j, f, s) : write_raw(j, f, s);
}

static pl_err write_value(struct pl_jw *j, const struct pl_api_field *f, const uint8_t *at)
{
    switch ((int)f->kind) {
    case PL_F_HEX:
        pl_jw_hex(j, pl_span(at, f->max));
        return PL_OK;
    case PL_F_BYTES:
        pl_jw_b64u(j, pl_span(at, f->max));
        return PL_OK;
    case PL_F_U53:
        return write_u53(j, f, *(const uint64_t *)(const void *)at);
    case PL_F_BOOL:
        pl_jw_bool(j, *(const bool *)at);
        return PL_OK;
    case PL_F_TIME:
        pl_jw_time(j, *(const int64_t *)(const void *)at);
        return PL_OK;
    case PL_F_ENUM:
        return write_word(j, f, *(const unsigned *)(const void *)at);
    case PL_F_CONST:
        pl_jw_text(j, f->text);
        return PL_OK;
    case PL_F_STR:
    case PL_F_B64U:
    case PL_F_RAW:
        return write_borrowed(j, f, at);
    default: /* arrays */
        return write_array(j, f, (const struct pl_spans *)(const void *)at);
    }
}

static pl_err write_message(struct pl_jw *j, const struct pl_api_row *row, const uint8_t *m)
{
    pl_jw_open(j, '{');
    for (size_t i = 0; i < row->fields; i++) {
        const struct pl_api_field *f = &row->field[i];
        if (f->optional && !*(const bool *)(m + f->has_at))
            continue;
        pl_jw_key(j, f->name);
        PL_TRY(write_value(j, f, m + f->at));
    }
    pl_jw_close(j, '}');
    return PL_OK;
}

pl_err pl_api_write(enum pl_api_msg kind, struct pl_wr *w, const void *m)
{
    struct pl_jw j = pl_jw(w);
    size_t from = w->n;
    pl_err e = write_message(&j, pl_api_row(kind), m);
    if (e == PL_OK)
        e = pl_wr_end(w);
    if (e != PL_OK)
        w->n = from;
    return e;
}
