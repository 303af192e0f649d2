/* The pull reader. One function walks strings (`pl_json_piece`), one walks numbers, one finds the
 * next member or element; everything else is built of these. Nothing recurses. */
#include "base/json_internal.h"
#include "base/enc.h"
#include "base/secret.h"

#include <string.h>

static const uint64_t U53_END = (uint64_t)1 << 53;

static bool fail(struct pl_json *j, pl_err e)
{
    if (j->err == PL_OK)
        j->err = e ? e : PL_FAIL(BUG);
    j->pending = false;
    return false;
}

static bool read_done(struct pl_json *j)
{
    j->pending = false;
    return true;
}

static struct pl_json_level *top(struct pl_json *j) { return &j->level[j->depth - 1]; }

void pl_json_init(struct pl_json *j, struct pl_span in)
{
    static const uint8_t nothing;
    j->begin = j->p = in.p ? in.p : &nothing;
    j->end = j->begin + in.n;
    j->err = PL_OK;
    j->depth = 0;
    j->keys = 0;
    j->pending = true;
    if (in.n >= UINT32_MAX)
        fail(j, PL_FAIL(JSON_LENGTH));
}

/* Skips white space; true at the end of the input. */
static bool at_end(struct pl_json *j)
{
    while (j->p < j->end && (*j->p == ' ' || *j->p == '\n' || *j->p == '\r' || *j->p == '\t'))
        j->p++;
    return j->p == j->end;
}

static bool more(struct pl_json *j) { return !at_end(j) || fail(j, PL_FAIL(TRUNCATED)); }

static enum pl_json_type type_of(uint8_t c)
{
    switch (c) {
    case '{':
        return PL_JSON_OBJECT;
    case '[':
        return PL_JSON_ARRAY;
    case '"':
        return PL_JSON_STRING;
    case 't':
    case 'f':
        return PL_JSON_BOOL;
    case 'n':
        return PL_JSON_NULL;
    default:
        return c == '-' || (c >= '0' && c <= '9') ? PL_JSON_NUMBER : PL_JSON_NONE;
    }
}

enum pl_json_type pl_json_peek(struct pl_json *j)
{
    if (j->err != PL_OK || !j->pending || !more(j))
        return PL_JSON_NONE;
    enum pl_json_type t = type_of(*j->p);
    if (t == PL_JSON_NONE)
        fail(j, PL_FAIL(JSON_SYNTAX));
    return t;
}

/* Is the next value a `type`? To read where no value can come is the caller's bug. */
static bool want(struct pl_json *j, enum pl_json_type type)
{
    PL_ASSERT(j->err != PL_OK || j->pending);
    enum pl_json_type t = pl_json_peek(j);
    if (t != PL_JSON_NONE && t != type)
        return fail(j, PL_FAIL(JSON_TYPE));
    return t == type;
}

/* Strings. */

/* The four digits of \uXXXX, at j->p. */
static bool hex4(struct pl_json *j, uint32_t *out)
{
    uint8_t b[2];
    if (j->end - j->p < 4)
        return fail(j, PL_FAIL(TRUNCATED));
    if (pl_unhex(b, 2, pl_span(j->p, 4)) != PL_OK)
        return fail(j, PL_FAIL(JSON_SYNTAX));
    j->p += 4;
    *out = (uint32_t)b[0] << 8 | b[1];
    return true;
}

static bool escape_u(struct pl_json *j, uint32_t *c)
{
    if (!hex4(j, c))
        return false;
    if (*c < 0xd800 || *c > 0xdfff)
        return true;
    uint32_t low;
    if (*c > 0xdbff || j->end - j->p < 2 || j->p[0] != '\\' || j->p[1] != 'u')
        return fail(j, PL_FAIL(JSON_UTF8));
    j->p += 2;
    if (!hex4(j, &low))
        return false;
    if (low < 0xdc00 || low > 0xdfff)
        return fail(j, PL_FAIL(JSON_UTF8));
    *c = 0x10000 + ((*c - 0xd800) << 10) + (low - 0xdc00);
    return true;
}

/* j->p is at the backslash. */
static bool escape(struct pl_json *j, struct pl_span *out, uint8_t tmp[static 4])
{
    static const char from[] = "\"\\/bfnrtu", to[] = "\"\\/\b\f\n\r\t";
    if (j->end - j->p < 2)
        return fail(j, PL_FAIL(TRUNCATED));
    const char *at = memchr(from, j->p[1], sizeof(from) - 1);
    if (!at)
        return fail(j, PL_FAIL(JSON_SYNTAX));
    j->p += 2;
    uint32_t c = (uint8_t)to[at - from];
    if (*at == 'u' && !escape_u(j, &c))
        return false;
    *out = pl_span(tmp, pl_utf8_put(tmp, c));
    return true;
}

/* How many ordinary characters of a string p begins with. Shares are read so: what a character is
 * otherwise takes no branch, and that it is ordinary is no secret. */
static size_t ordinary(const uint8_t *p, size_t n)
{
    uint8_t odd[32];
    size_t at = 0, i = 0, k;
    do {
        k = n - at < sizeof(odd) ? n - at : sizeof(odd);
        for (i = 0; i < k; i++) {
            uint8_t c = p[at + i];
            odd[i] = (uint8_t)((c < 0x20) | (c > 0x7f) | (c == '"') | (c == '\\'));
        }
        pl_ct_declassify(odd, k);
        for (i = 0; i < k && !odd[i]; i++)
            at++;
    } while (i == k && at < n);
    return at;
}

bool pl_json_piece(struct pl_json *j, struct pl_span *out, uint8_t tmp[static 4])
{
    const uint8_t *p = j->p;
    for (size_t n = 0;; p += n) {
        p += ordinary(p, (size_t)(j->end - p));
        if (p == j->end || *p < 0x80)
            break;
        if ((n = pl_utf8_one(p, j->end)) == 0)
            return fail(j, PL_FAIL(JSON_UTF8));
    }
    *out = pl_span(j->p, (size_t)(p - j->p));
    j->p = p;
    if (out->n)
        return true;
    if (p == j->end)
        return fail(j, PL_FAIL(TRUNCATED));
    if (*p == '\\')
        return escape(j, out, tmp);
    if (*p != '"')
        return fail(j, PL_FAIL(JSON_SYNTAX));
    j->p++;
    j->pending = false;
    return false;
}

bool pl_json_string(struct pl_json *j)
{
    if (!want(j, PL_JSON_STRING))
        return false;
    j->p++;
    return true;
}

/* Resolves the string that j->p is in. False when it does not fit, or on error. */
static bool resolve(struct pl_json *j, uint8_t *out, size_t cap, size_t *out_n)
{
    struct pl_span s;
    uint8_t tmp[4];
    *out_n = 0;
    while (pl_json_piece(j, &s, tmp)) {
        if (s.n > cap - *out_n)
            return fail(j, PL_FAIL(JSON_LENGTH));
        memcpy(out + *out_n, s.p, s.n);
        *out_n += s.n;
    }
    return j->err == PL_OK;
}

bool pl_json_str(struct pl_json *j, char *out, size_t cap, size_t min, size_t *out_n)
{
    size_t n = 0;
    PL_ASSERT(cap > 0);
    out[0] = 0;
    bool ok = pl_json_string(j) && resolve(j, (uint8_t *)out, cap - 1, &n);
    if (ok && n < min)
        ok = fail(j, PL_FAIL(JSON_LENGTH));
    if (ok && memchr(out, 0, n))
        ok = fail(j, PL_FAIL(JSON_VALUE));
    out[ok ? n : 0] = 0;
    if (out_n)
        *out_n = ok ? n : 0;
    return ok && read_done(j);
}

bool pl_json_plain(struct pl_json *j, struct pl_span *out)
{
    struct pl_span more_text;
    uint8_t tmp[4];
    *out = pl_span(NULL, 0);
    if (!pl_json_string(j))
        return false;
    struct pl_span s = pl_span(j->p, 0);
    if (pl_json_piece(j, &s, tmp) && (s.p == tmp || pl_json_piece(j, &more_text, tmp)))
        return fail(j, PL_FAIL(JSON_VALUE));
    if (j->err != PL_OK)
        return false;
    *out = s;
    return read_done(j);
}

/* Numbers and words. */

static const uint8_t *digits(const uint8_t *p, const uint8_t *end)
{
    while (p < end && *p >= '0' && *p <= '9')
        p++;
    return p;
}

static bool is_at(const uint8_t *p, const uint8_t *end, char a, char b)
{
    return p < end && (*p == a || *p == b);
}

/* Consumes a number (RFC 8259 section 6). out_digits: those of the integer part; out_integer: no
 * fraction, no exponent. */
static bool number(struct pl_json *j, struct pl_span *out_digits, bool *out_negative,
                   bool *out_integer)
{
    if (!want(j, PL_JSON_NUMBER))
        return false;
    const uint8_t *p = j->p, *end = j->end, *from;
    *out_negative = *p == '-';
    from = p += *out_negative;
    p = is_at(p, end, '0', '0') ? p + 1 : digits(p, end); /* 01 is 0, and then a stray 1 */
    *out_digits = pl_span(from, (size_t)(p - from));
    bool ok = p > from;
    *out_integer = true;
    if (ok && is_at(p, end, '.', '.')) {
        from = p + 1;
        p = digits(from, end);
        ok = p > from;
        *out_integer = false;
    }
    if (ok && is_at(p, end, 'e', 'E')) {
        p++;
        from = p += is_at(p, end, '+', '-');
        p = digits(p, end);
        ok = p > from;
        *out_integer = false;
    }
    if (!ok)
        return fail(j, p == end ? PL_FAIL(TRUNCATED) : PL_FAIL(JSON_SYNTAX));
    j->p = p;
    return true;
}

/* An integer of magnitude below 2^53 that is not -0. */
static bool integer(struct pl_json *j, uint64_t *out, bool *out_negative)
{
    struct pl_span d;
    bool whole;
    if (!number(j, &d, out_negative, &whole))
        return false;
    uint64_t v = 0;
    for (size_t i = 0; i < d.n && v < U53_END; i++)
        v = v * 10 + (uint64_t)(d.p[i] - '0');
    if (!whole || v >= U53_END || (*out_negative && v == 0))
        return fail(j, PL_FAIL(JSON_RANGE));
    *out = v;
    return true;
}

bool pl_json_u53(struct pl_json *j, uint64_t max, uint64_t *out)
{
    uint64_t v;
    bool negative;
    PL_ASSERT(max < U53_END);
    *out = 0;
    if (!integer(j, &v, &negative))
        return false;
    if (negative || v > max)
        return fail(j, PL_FAIL(JSON_RANGE));
    *out = v;
    return read_done(j);
}

bool pl_json_i53(struct pl_json *j, int64_t *out)
{
    uint64_t v;
    bool negative;
    *out = 0;
    if (!integer(j, &v, &negative))
        return false;
    *out = negative ? -(int64_t)v : (int64_t)v;
    return read_done(j);
}

static bool word(struct pl_json *j, const char *w)
{
    size_t n = strlen(w), left = (size_t)(j->end - j->p);
    if (memcmp(j->p, w, left < n ? left : n) != 0)
        return fail(j, PL_FAIL(JSON_SYNTAX));
    if (left < n)
        return fail(j, PL_FAIL(TRUNCATED));
    j->p += n;
    return read_done(j);
}

bool pl_json_bool(struct pl_json *j, bool *out)
{
    *out = false;
    if (!want(j, PL_JSON_BOOL))
        return false;
    bool v = *j->p == 't';
    if (!word(j, v ? "true" : "false"))
        return false;
    *out = v;
    return true;
}

bool pl_json_null(struct pl_json *j) { return want(j, PL_JSON_NULL) && word(j, "null"); }

/* Containers. */

static bool enter(struct pl_json *j, enum pl_json_type type)
{
    if (!want(j, type))
        return false;
    if (j->depth == PL_JSON_DEPTH_MAX)
        return fail(j, PL_FAIL(JSON_DEPTH));
    j->level[j->depth++] =
        (struct pl_json_level){.object = type == PL_JSON_OBJECT, .keys_from = j->keys};
    j->p++;
    return read_done(j);
}

bool pl_json_object(struct pl_json *j) { return enter(j, PL_JSON_OBJECT); }
bool pl_json_array(struct pl_json *j) { return enter(j, PL_JSON_ARRAY); }

/* Moves to the next member or element; false, having left the container, behind its bracket. */
static bool next(struct pl_json *j, bool object)
{
    if (j->err != PL_OK)
        return false;
    PL_ASSERT(j->depth > 0 && top(j)->object == object && !j->pending);
    struct pl_json_level *l = top(j);
    l->named = false;
    if (!more(j))
        return false;
    if (*j->p == (object ? '}' : ']')) {
        j->p++;
        j->keys = l->keys_from;
        j->depth--;
        return false;
    }
    if (l->comma) {
        if (*j->p != ',')
            return fail(j, PL_FAIL(JSON_SYNTAX));
        j->p++;
        l->index++;
    }
    l->comma = true;
    return true;
}

bool pl_json_item(struct pl_json *j)
{
    if (!next(j, false))
        return false;
    top(j)->named = j->pending = true;
    return true;
}

/* Has this object had the key? Hashes (FNV-1a) stand for the texts: equal texts have equal hashes,
 * so no duplicate passes; who finds two texts with one hash has a document that is refused. */
static bool seen(struct pl_json *j, struct pl_span key)
{
    uint64_t h = 0xcbf29ce484222325;
    for (size_t i = 0; i < key.n; i++)
        h = (h ^ key.p[i]) * 0x100000001b3;
    unsigned hits = 0;
    for (size_t i = top(j)->keys_from; i < j->keys; i++)
        hits += j->key_hash[i] == h;
    if (j->keys < PL_JSON_KEYS_MAX)
        j->key_hash[j->keys] = h;
    return hits > 0;
}

bool pl_json_key(struct pl_json *j, struct pl_span *out_key)
{
    size_t n;
    *out_key = pl_span(NULL, 0);
    if (!next(j, true) || !more(j))
        return false;
    if (*j->p != '"')
        return fail(j, PL_FAIL(JSON_SYNTAX));
    uint32_t at = (uint32_t)(++j->p - j->begin);
    if (!resolve(j, j->key_text, sizeof(j->key_text), &n))
        return false;
    top(j)->key_at = at;
    top(j)->named = true;
    if (seen(j, pl_span(j->key_text, n)))
        return fail(j, PL_FAIL(JSON_DUPLICATE));
    if (j->keys == PL_JSON_KEYS_MAX)
        return fail(j, PL_FAIL(JSON_KEYS));
    j->keys++;
    if (!more(j))
        return false;
    if (*j->p != ':')
        return fail(j, PL_FAIL(JSON_SYNTAX));
    j->p++;
    j->pending = true;
    *out_key = pl_span(j->key_text, n);
    return true;
}

/* Reads a scalar whole, or steps into a container. */
static bool skip_one(struct pl_json *j)
{
    struct pl_span s;
    uint8_t tmp[4];
    bool b;
    switch (pl_json_peek(j)) {
    case PL_JSON_OBJECT:
        return pl_json_object(j);
    case PL_JSON_ARRAY:
        return pl_json_array(j);
    case PL_JSON_STRING:
        for (j->p++; pl_json_piece(j, &s, tmp);)
            ;
        return j->err == PL_OK && read_done(j);
    case PL_JSON_NUMBER:
        return number(j, &s, &b, &b) && read_done(j);
    case PL_JSON_BOOL:
        return pl_json_bool(j, &b);
    case PL_JSON_NULL:
        return pl_json_null(j);
    case PL_JSON_NONE:
        break;
    }
    return false;
}

bool pl_json_skip(struct pl_json *j)
{
    PL_ASSERT(j->err != PL_OK || j->pending);
    struct pl_span key;
    unsigned depth = j->depth;
    bool ok = skip_one(j);
    while (ok && j->depth > depth) {
        bool another = top(j)->object ? pl_json_key(j, &key) : pl_json_item(j);
        ok = another ? skip_one(j) : j->err == PL_OK;
    }
    return ok;
}

bool pl_json_raw(struct pl_json *j, struct pl_span *out)
{
    *out = pl_span(NULL, 0);
    if (pl_json_peek(j) == PL_JSON_NONE)
        return false;
    const uint8_t *from = j->p;
    if (!pl_json_skip(j))
        return false;
    *out = pl_span(from, (size_t)(j->p - from));
    return true;
}

/* Ends and errors. */

void pl_json_refuse(struct pl_json *j, pl_err e)
{
    PL_ASSERT(e != PL_OK);
    fail(j, e);
}

pl_err pl_json_end(struct pl_json *j)
{
    PL_TRY(j->err);
    PL_REQUIRE(j->depth == 0 && !j->pending, BUG);
    if (!at_end(j))
        fail(j, PL_FAIL(TRAILING));
    return j->err;
}
