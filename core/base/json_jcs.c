/* RFC 8785. One pass: members are written in the order they come, and when their object closes and
 * they were out of order, a sorted copy is made behind it and moved into its place. A byte is moved
 * at most once for each object around it, and an object's members are found in `seen`, which never
 * holds more than the reader's limit of keys in open objects. */
#include "base/json_internal.h"

#include <string.h>

struct member {
    size_t at, n; /* `"key":value` in the output */
    size_t key_n; /* the key as written, between its quotes */
};

struct jcs {
    struct pl_json *j;
    struct pl_wr *w;
    size_t count;
    struct member seen[PL_JSON_KEYS_MAX];
};

/* Characters that are assigned in Unicode 14, stand alone (combining class 0, never the second of a
 * composition), are their own NFC, and are no control, format, bidi or surrogate character. Every
 * string of such is NFC. tests/unit/check_nfc.py proves the table against the Unicode data.
 * Left out with their combining marks: the Indic scripts, Thai, Tibetan, vowelled Hebrew and
 * Arabic, decomposed accents. */
static const struct {
    uint32_t from, to;
} plain_chars[] = {
    {0x20, 0x7e},       {0xa0, 0xac},       {0xae, 0x2ff},      {0x370, 0x373},
    {0x375, 0x377},     {0x37a, 0x37d},     {0x37f, 0x37f},     {0x384, 0x386},
    {0x388, 0x38a},     {0x38c, 0x38c},     {0x38e, 0x3a1},     {0x3a3, 0x482},
    {0x48a, 0x52f},     {0x531, 0x556},     {0x559, 0x58a},     {0x58d, 0x58f},
    {0x5d0, 0x5ea},     {0x620, 0x64a},     {0x660, 0x66f},     {0x671, 0x6d5},
    {0x10d0, 0x10ff},   {0x1e00, 0x1eff},   {0x2010, 0x2027},   {0x2030, 0x205e},
    {0x2070, 0x2071},   {0x2074, 0x208e},   {0x20a0, 0x20bf},   {0x2100, 0x2125},
    {0x2127, 0x2129},   {0x212c, 0x218b},   {0x2190, 0x2328},   {0x232b, 0x2426},
    {0x2460, 0x2adb},   {0x2add, 0x2b73},   {0x3000, 0x3029},   {0x3030, 0x303f},
    {0x3041, 0x3096},   {0x309b, 0x30ff},   {0x3105, 0x312f},   {0x3400, 0x4dbf},
    {0x4e00, 0x9fff},   {0xac00, 0xd7a3},   {0xff01, 0xff60},   {0xffe0, 0xffe6},
    {0x1f300, 0x1f64f}, {0x1f680, 0x1f6d7}, {0x1f900, 0x1fa53}, {0x20000, 0x2a6df},
};

static bool plain_char(uint32_t c)
{
    size_t low = 0, high = sizeof(plain_chars) / sizeof(plain_chars[0]);
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (c > plain_chars[mid].to)
            low = mid + 1;
        else
            high = mid;
    }
    return low < sizeof(plain_chars) / sizeof(plain_chars[0]) && c >= plain_chars[low].from;
}

/* s is valid UTF-8. */
static bool plain_text(struct pl_span s)
{
    for (size_t i = 0, n; i < s.n; i += n) {
        n = pl_utf8_one(s.p + i, s.p + s.n);
        PL_ASSERT(n > 0);
        uint32_t c = n == 1 ? s.p[i] : s.p[i] & (0xffu >> (n + 1));
        for (size_t k = 1; k < n; k++)
            c = c << 6 | (s.p[i + k] & 0x3fu);
        if (!plain_char(c))
            return false;
    }
    return true;
}

/* s as the inside of a JSON string; it holds nothing else that needs an escape. */
static void put_text(struct jcs *c, struct pl_span s)
{
    if (!plain_text(s)) {
        pl_json_refuse(c->j, PL_FAIL(JCS_VALUE));
        return;
    }
    for (size_t i = 0, from = 0; i <= s.n; i++) {
        bool escaped = i < s.n && (s.p[i] == '"' || s.p[i] == '\\');
        if (i < s.n && !escaped)
            continue;
        pl_wr_bytes(c->w, pl_span_sub(s, from, i - from));
        from = i;
        if (escaped)
            pl_wr_u8(c->w, '\\');
    }
}

static void put_string(struct jcs *c)
{
    struct pl_span s;
    uint8_t tmp[4];
    pl_wr_u8(c->w, '"');
    if (pl_json_string(c->j))
        while (pl_json_piece(c->j, &s, tmp))
            put_text(c, s);
    pl_wr_u8(c->w, '"');
}

/* UTF-16 order (RFC 8785 section 3.2.3) is byte order of UTF-8, but for U+E000 to U+FFFF, which
 * come after what UTF-16 writes with surrogates: lead bytes EE and EF rank behind F0 to F4. */
static uint8_t rank(uint8_t c) { return (uint8_t)(c < 0xee ? c : c < 0xf0 ? c + 5 : c - 2); }

/* Order of two keys as written: a backslash only stands before the character it escapes. */
static int key_cmp(struct pl_span a, struct pl_span b)
{
    size_t i = 0, k = 0;
    while (i < a.n && k < b.n) {
        i += a.p[i] == '\\';
        k += b.p[k] == '\\';
        int d = rank(a.p[i++]) - rank(b.p[k++]);
        if (d)
            return d;
    }
    return (i < a.n) - (k < b.n);
}

static struct pl_span key_of(const struct jcs *c, const struct member *m)
{
    return pl_span(c->w->p + m->at + 1, m->key_n);
}

/* Files m among the members of its object, seen[from] to the last. False when it was not the last
 * in order. */
static bool insert(struct jcs *c, size_t from, struct member m)
{
    size_t low = from, high = c->count;
    PL_ASSERT(c->count < PL_JSON_KEYS_MAX);
    if (high > from && key_cmp(key_of(c, &c->seen[high - 1]), key_of(c, &m)) < 0)
        low = high; /* canonical input pays one comparison a member */
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (key_cmp(key_of(c, &c->seen[mid]), key_of(c, &m)) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    memmove(&c->seen[low + 1], &c->seen[low], (c->count - low) * sizeof(m));
    c->seen[low] = m;
    return low == c->count++;
}

/* Puts the members, which fill the output from `at`, into the order of seen[from...]. */
static void reorder(struct jcs *c, size_t from, size_t at)
{
    size_t n = c->w->n - at, done = 0;
    uint8_t *copy = pl_wr_take(c->w, n);
    if (!copy)
        return;
    for (size_t i = from; i < c->count; i++) {
        memcpy(copy + done, c->w->p + c->seen[i].at, c->seen[i].n);
        done += c->seen[i].n;
        if (i + 1 < c->count)
            copy[done++] = ',';
    }
    PL_ASSERT(done == n);
    memcpy(c->w->p + at, copy, n);
    c->w->n -= n;
}

static void put_value(struct jcs *c);

static void put_object(struct jcs *c)
{
    struct pl_span key;
    size_t from = c->count, at = c->w->n + 1;
    bool sorted = true;
    pl_wr_u8(c->w, '{');
    for (pl_json_object(c->j); pl_json_key(c->j, &key);) {
        if (c->w->n > at)
            pl_wr_u8(c->w, ',');
        struct member m = {.at = c->w->n};
        pl_wr_u8(c->w, '"');
        put_text(c, key);
        m.key_n = c->w->n - m.at - 1;
        pl_wr_str(c->w, "\":");
        put_value(c);
        m.n = c->w->n - m.at;
        if (c->w->bad)
            pl_json_refuse(c->j, PL_FAIL(NO_SPACE));
        else
            sorted &= insert(c, from, m);
    }
    if (!sorted && !c->w->bad)
        reorder(c, from, at);
    c->count = from;
    pl_wr_u8(c->w, '}');
}

static void put_array(struct jcs *c)
{
    size_t at = c->w->n + 1;
    pl_wr_u8(c->w, '[');
    for (pl_json_array(c->j); pl_json_item(c->j);) {
        if (c->w->n > at)
            pl_wr_u8(c->w, ',');
        put_value(c);
        if (c->w->bad)
            pl_json_refuse(c->j, PL_FAIL(NO_SPACE));
    }
    pl_wr_u8(c->w, ']');
}

/* Recurses as deep as the reader lets it: PL_JSON_DEPTH_MAX. */
static void put_value(struct jcs *c)
{
    struct pl_jw one = pl_jw(c->w);
    int64_t number;
    bool b;
    switch (pl_json_peek(c->j)) {
    case PL_JSON_OBJECT:
        put_object(c);
        break;
    case PL_JSON_ARRAY:
        put_array(c);
        break;
    case PL_JSON_STRING:
        put_string(c);
        break;
    case PL_JSON_NUMBER:
        if (pl_json_i53(c->j, &number))
            pl_jw_i64(&one, number);
        break;
    case PL_JSON_BOOL:
        if (pl_json_bool(c->j, &b))
            pl_jw_bool(&one, b);
        break;
    case PL_JSON_NULL:
        if (pl_json_null(c->j))
            pl_jw_null(&one);
        break;
    case PL_JSON_NONE:
        break;
    }
}

pl_err pl_jcs(struct pl_wr *out, struct pl_span in)
{
    struct pl_json j;
    struct jcs c = {.j = &j, .w = out};
    size_t from = out->n;
    pl_json_init(&j, in);
    put_value(&c);
    pl_err e = j.err == PL_OK ? pl_wr_end(out) : j.err;
    if (e == PL_OK)
        e = pl_json_end(&j);
    if (e != PL_OK)
        out->n = from;
    return e;
}

pl_err pl_jcs_check(struct pl_wr *scratch, struct pl_span in)
{
    scratch->n = 0;
    PL_TRY(pl_jcs(scratch, in));
    PL_REQUIRE(pl_span_eq(pl_wr_span(scratch), in), JCS_FORM);
    return PL_OK;
}
