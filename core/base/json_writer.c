#include "base/json_internal.h"
#include "base/enc.h"

static const int64_t INT53_MAX = ((int64_t)1 << 53) - 1;

struct pl_jw pl_jw(struct pl_wr *w) { return (struct pl_jw){.w = w}; }

/* What must stand before a value or a key. */
static void lead(struct pl_jw *j)
{
    if (j->comma[j->depth] && !j->after_key)
        pl_wr_u8(j->w, ',');
    j->comma[j->depth] = true;
    j->after_key = false;
}

void pl_jw_open(struct pl_jw *j, char bracket)
{
    PL_ASSERT(bracket == '{' || bracket == '[');
    PL_ASSERT(j->depth < PL_JSON_DEPTH_MAX);
    lead(j);
    pl_wr_u8(j->w, (uint8_t)bracket);
    j->comma[++j->depth] = false;
}

void pl_jw_close(struct pl_jw *j, char bracket)
{
    PL_ASSERT(bracket == '}' || bracket == ']');
    PL_ASSERT(j->depth > 0 && !j->after_key);
    pl_wr_u8(j->w, (uint8_t)bracket);
    j->depth--;
}

/* What RFC 8785 (3.2.2.2) escapes, in the form it names. */
static void quoted(struct pl_wr *w, struct pl_span s)
{
    static const char digits[] = "0123456789abcdef";
    /* Indexed by the character from U+0008 to U+000D; '?' has no short form. */
    static const char letter[] = "btn?fr";
    if (!pl_utf8_ok(s))
        w->bad = true;
    pl_wr_u8(w, '"');
    for (size_t i = 0, from = 0; i <= s.n; i++) {
        if (i < s.n && s.p[i] >= 0x20 && s.p[i] != '"' && s.p[i] != '\\')
            continue;
        pl_wr_bytes(w, pl_span_sub(s, from, i - from));
        from = i + 1;
        if (i == s.n)
            break;
        uint8_t c = s.p[i];
        pl_wr_u8(w, '\\');
        if (c >= 0x20) {
            pl_wr_u8(w, c);
        } else if (c >= '\b' && c <= '\r' && c != '\v') {
            pl_wr_u8(w, (uint8_t)letter[c - '\b']);
        } else {
            pl_wr_str(w, "u00");
            pl_wr_u8(w, (uint8_t)digits[c >> 4]);
            pl_wr_u8(w, (uint8_t)digits[c & 15]);
        }
    }
    pl_wr_u8(w, '"');
}

void pl_jw_key(struct pl_jw *j, const char *key)
{
    PL_ASSERT(j->depth > 0 && !j->after_key);
    lead(j);
    quoted(j->w, pl_span_str(key));
    pl_wr_u8(j->w, ':');
    j->after_key = true;
}

void pl_jw_str(struct pl_jw *j, struct pl_span s)
{
    lead(j);
    quoted(j->w, s);
}

void pl_jw_text(struct pl_jw *j, const char *s) { pl_jw_str(j, pl_span_str(s)); }

void pl_json_decimal(struct pl_wr *w, uint64_t v)
{
    char text[20];
    size_t at = sizeof(text);
    do
        text[--at] = (char)('0' + v % 10);
    while (v /= 10);
    pl_wr_bytes(w, pl_span(text + at, sizeof(text) - at));
}

void pl_jw_u64(struct pl_jw *j, uint64_t v)
{
    PL_ASSERT(v <= (uint64_t)INT53_MAX);
    lead(j);
    pl_json_decimal(j->w, v);
}

void pl_jw_i64(struct pl_jw *j, int64_t v)
{
    PL_ASSERT(v >= -INT53_MAX && v <= INT53_MAX);
    lead(j);
    if (v < 0)
        pl_wr_u8(j->w, '-');
    pl_json_decimal(j->w, (uint64_t)(v < 0 ? -v : v));
}

void pl_jw_bool(struct pl_jw *j, bool v)
{
    lead(j);
    pl_wr_str(j->w, v ? "true" : "false");
}

void pl_jw_null(struct pl_jw *j)
{
    lead(j);
    pl_wr_str(j->w, "null");
}

void pl_jw_b64u(struct pl_jw *j, struct pl_span s)
{
    lead(j);
    pl_wr_u8(j->w, '"');
    pl_wr_b64u(j->w, s);
    pl_wr_u8(j->w, '"');
}

void pl_jw_hex(struct pl_jw *j, struct pl_span s)
{
    static const char digits[] = "0123456789abcdef";
    lead(j);
    pl_wr_u8(j->w, '"');
    for (size_t i = 0; i < s.n; i++) {
        pl_wr_u8(j->w, (uint8_t)digits[s.p[i] >> 4]);
        pl_wr_u8(j->w, (uint8_t)digits[s.p[i] & 15]);
    }
    pl_wr_u8(j->w, '"');
}

void pl_jw_time(struct pl_jw *j, int64_t s)
{
    char text[PL_TIME_LEN + 1];
    pl_time_format(text, s);
    pl_jw_text(j, text);
}

void pl_jw_raw(struct pl_jw *j, struct pl_span json)
{
    lead(j);
    pl_wr_bytes(j->w, json);
}
