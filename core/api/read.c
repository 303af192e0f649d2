/* Reading a message: one loop over the members of an object, one function a kind of value. */
#include "api/internal.h"

#include <string.h>

struct ctx {
    struct pl_json j;
    struct pl_arena *scratch;
};

static bool refuse(struct ctx *c, pl_err e)
{
    pl_json_refuse(&c->j, e);
    return false;
}

/* Room for n bytes; at least one, so that success is never NULL. */
static uint8_t *take(struct ctx *c, size_t n)
{
    uint8_t *p = pl_arena_take(c->scratch, n ? n : 1);
    if (!p)
        refuse(c, PL_FAIL(NO_MEMORY));
    return p;
}

static bool read_hex(struct ctx *c, uint8_t *out, size_t n)
{
    struct pl_span s;
    if (!pl_json_plain(&c->j, &s))
        return false;
    if (s.n != 2 * n)
        return refuse(c, PL_FAIL(JSON_LENGTH));
    /* One spelling a name: what is compared as text elsewhere must not have two. */
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] >= 'A' && s.p[i] <= 'F')
            return refuse(c, PL_FAIL(ENCODING));
    pl_err e = pl_unhex(out, n, s);
    return e == PL_OK || refuse(c, e);
}

static bool read_b64u(struct ctx *c, const struct pl_api_field *f, struct pl_span *out)
{
    struct pl_span s;
    if (!pl_json_plain(&c->j, &s))
        return false;
    if (s.n < PL_B64U_LEN(f->min) || s.n > PL_B64U_LEN(f->max))
        return refuse(c, PL_FAIL(JSON_LENGTH));
    size_t cap = s.n * 3 / 4;
    uint8_t *p = take(c, cap);
    if (!p)
        return false;
    pl_err e = pl_unb64u(p, cap, &out->n, s);
    out->p = p;
    return e == PL_OK || refuse(c, e);
}

/* The text and its NUL stay in scratch, the rest of the room goes back. */
static bool read_str(struct ctx *c, const struct pl_api_field *f, struct pl_span *out)
{
    uint8_t *p = take(c, f->max + 1);
    if (!p || !pl_json_str(&c->j, (char *)p, f->max + 1, f->min, &out->n))
        return false;
    out->p = p;
    pl_arena_trim(c->scratch, p, out->n + 1);
    return true;
}

static bool read_raw(struct ctx *c, const struct pl_api_field *f, struct pl_span *out)
{
    enum pl_json_type t = pl_json_peek(&c->j);
    if (t != PL_JSON_NONE && t != PL_JSON_OBJECT)
        return refuse(c, PL_FAIL(JSON_TYPE));
    if (!pl_json_raw(&c->j, out))
        return false;
    return out->n <= f->max || refuse(c, PL_FAIL(JSON_LENGTH));
}

static bool read_u53(struct ctx *c, const struct pl_api_field *f, uint64_t *out)
{
    if (!pl_json_u53(&c->j, f->max, out))
        return false;
    return *out >= f->min || refuse(c, PL_FAIL(JSON_RANGE));
}

static bool read_word(struct ctx *c, const struct pl_api_field *f, unsigned *out)
{
    struct pl_span s;
    if (!pl_json_plain(&c->j, &s))
        return false;
    for (unsigned i = 1; f->words[i]; i++)
        if (pl_span_is(s, f->words[i])) {
            *out = i;
            return true;
        }
    return refuse(c, PL_FAIL(JSON_VALUE));
}

static bool read_const(struct ctx *c, const struct pl_api_field *f)
{
    struct pl_span s;
    if (!pl_json_plain(&c->j, &s))
        return false;
    return pl_span_is(s, f->text) || refuse(c, PL_FAIL(JSON_VALUE));
}

static bool read_message(struct ctx *c, const struct pl_api_row *row, uint8_t *out);

/* One element of an array, of the size of element_size(f). */
static bool read_element(struct ctx *c, const struct pl_api_field *f, uint8_t *at)
{
    struct pl_span s = {NULL, 0};
    bool ok = false;
    if (f->kind == PL_F_MSGS)
        return read_message(c, pl_api_row(f->of), at);
    if (f->kind == PL_F_HEXES) {
        uint8_t *p = take(c, f->max);
        ok = p && read_hex(c, p, f->max);
        s = pl_span(p, f->max);
    } else if (f->kind == PL_F_B64US) {
        ok = read_b64u(c, f, &s);
    } else if (f->kind == PL_F_STRS) {
        ok = read_str(c, f, &s);
    } else if (f->kind == PL_F_RAWS) {
        ok = read_raw(c, f, &s);
    }
    memcpy(at, &s, sizeof(s));
    return ok;
}

/* How many elements has the array that comes next? Reads ahead on a copy. */
static size_t count_items(const struct ctx *c)
{
    struct pl_json ahead = c->j;
    size_t n = 0;
    for (pl_json_array(&ahead); pl_json_item(&ahead); n++)
        pl_json_skip(&ahead);
    return n; /* after an error too many or too few: reading will find it */
}

static bool read_array(struct ctx *c, const struct pl_api_field *f, struct pl_spans *out)
{
    size_t size = f->kind == PL_F_MSGS ? pl_api_row(f->of)->size : sizeof(struct pl_span);
    size_t n = count_items(c), i = 0;
    if (!pl_json_array(&c->j))
        return false;
    if (n > f->count) {
        for (; i <= f->count && pl_json_item(&c->j); i++)
            if (i < f->count)
                pl_json_skip(&c->j);
        return refuse(c, PL_FAIL(JSON_LENGTH)); /* at the first one too many */
    }
    uint8_t *p = take(c, n * size);
    if (!p)
        return false;
    while (pl_json_item(&c->j)) {
        PL_ASSERT(i < n);
        if (!read_element(c, f, p + i++ * size))
            return false;
    }
    /* spans or messages: the structs of both kinds of array are a pointer and a length */
    out->v = (const struct pl_span *)(const void *)p;
    out->n = i;
    return true;
}

/* STR, B64U, RAW: a pointer, or a span. */
static bool read_borrowed(struct ctx *c, const struct pl_api_field *f, uint8_t *at)
{
    struct pl_span s = {NULL, 0};
    if (f->kind == PL_F_STR) {
        bool ok = read_str(c, f, &s);
        memcpy(at, &s.p, sizeof(s.p));
        return ok;
    }
    bool ok = f->kind == PL_F_B64U ? read_b64u(c, f, &s) : read_raw(c, f, &s);
    memcpy(at, &s, sizeof(s));
    return ok;
}

static bool read_value(struct ctx *c, const struct pl_api_field *f, uint8_t *at)
{
    switch ((int)f->kind) {
    case PL_F_HEX:
        return read_hex(c, at, f->max);
    case PL_F_BYTES:
        return pl_json_b64u_exact(&c->j, at, f->max);
    case PL_F_U53:
        return read_u53(c, f, (uint64_t *)(void *)at);
    case PL_F_BOOL:
        return pl_json_bool(&c->j, (bool *)at);
    case PL_F_TIME:
        return pl_json_time(&c->j, (int64_t *)(void *)at);
    case PL_F_ENUM:
        return read_word(c, f, (unsigned *)(void *)at);
    case PL_F_CONST:
        return read_const(c, f);
    case PL_F_STR:
    case PL_F_B64U:
    case PL_F_RAW:
        return read_borrowed(c, f, at);
    default: /* arrays */
        return read_array(c, f, (struct pl_spans *)(void *)at);
    }
}

static bool read_message(struct ctx *c, const struct pl_api_row *row, uint8_t *out)
{
    struct pl_span key;
    uint32_t seen = 0;
    memset(out, 0, row->size);
    for (pl_json_object(&c->j); pl_json_key(&c->j, &key);) {
        size_t i = 0;
        while (i < row->fields && !pl_span_is(key, row->field[i].name))
            i++;
        if (i == row->fields)
            return refuse(c, PL_FAIL(JSON_UNKNOWN));
        const struct pl_api_field *f = &row->field[i];
        if (!read_value(c, f, out + f->at))
            return false;
        seen |= UINT32_C(1) << i;
        if (f->optional)
            *(bool *)(out + f->has_at) = true;
    }
    for (size_t i = 0; i < row->fields; i++)
        if (!row->field[i].optional && !(seen >> i & 1))
            return refuse(c, PL_FAIL(JSON_MISSING)); /* keeps an earlier error */
    return true;
}

pl_err pl_api_read(enum pl_api_msg kind, void *out, struct pl_api_in *in)
{
    const struct pl_api_row *row = pl_api_row(kind);
    struct ctx c = {.scratch = in->scratch};
    pl_json_init(&c.j, in->body);
    in->pointer[0] = 0;
    read_message(&c, row, out);
    pl_err e = pl_json_end(&c.j);
    if (e == PL_OK)
        return PL_OK;
    memset(out, 0, row->size);
    pl_json_pointer(&c.j, in->pointer, sizeof(in->pointer));
    return e;
}

/* A value in scratch, with what aligning it can cost. */
static size_t room(uint64_t n) { return (size_t)n + 32; }

size_t pl_api_scratch(enum pl_api_msg kind)
{
    const struct pl_api_row *row = pl_api_row(kind);
    size_t sum = 0;
    for (size_t i = 0; i < row->fields; i++) {
        const struct pl_api_field *f = &row->field[i];
        size_t array = room(f->count * sizeof(struct pl_span));
        if (f->kind == PL_F_B64U || f->kind == PL_F_STR)
            sum += room(f->max + 1);
        else if (f->kind == PL_F_HEXES || f->kind == PL_F_B64US || f->kind == PL_F_STRS)
            sum += array + f->count * room(f->max + 1);
        else if (f->kind == PL_F_RAWS)
            sum += array;
        else if (f->kind == PL_F_MSGS)
            sum += room(f->count * pl_api_row(f->of)->size) + f->count * pl_api_scratch(f->of);
    }
    return sum;
}
