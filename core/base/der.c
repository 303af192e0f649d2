#include "base/der.h"
#include "base/enc.h"

static struct pl_span bad(struct pl_rd *r)
{
    r->bad = true;
    return pl_span(NULL, 0);
}

/* X.690 10.1: the shortest form that holds the length. */
static size_t der_length(struct pl_rd *r)
{
    uint8_t first = pl_rd_u8(r);
    if (first < 0x80)
        return first;
    size_t bytes = first & 0x7f, n = 0;
    if (bytes == 0 || bytes > 3)
        return bad(r).n;
    for (size_t i = 0; i < bytes; i++)
        n = n << 8 | pl_rd_u8(r);
    size_t least = bytes == 1 ? 0x80 : (size_t)1 << 8 * (bytes - 1);
    return n < least ? bad(r).n : n;
}

struct pl_span pl_der_any(struct pl_rd *r, uint8_t *out_tag, struct pl_span *out_whole)
{
    const uint8_t *from = r->p;
    *out_tag = pl_rd_u8(r);
    if ((*out_tag & 0x1f) == 0x1f)
        return bad(r);
    size_t n = der_length(r);
    struct pl_span s = pl_rd_bytes(r, n);
    if (out_whole)
        *out_whole = r->bad ? pl_span(NULL, 0) : pl_span(from, (size_t)(r->p - from));
    return s;
}

struct pl_span pl_der(struct pl_rd *r, uint8_t tag)
{
    uint8_t got = 0;
    struct pl_span s = pl_der_any(r, &got, NULL);
    return got == tag ? s : bad(r);
}

bool pl_der_next_is(const struct pl_rd *r, uint8_t tag) { return pl_rd_left(r) && *r->p == tag; }

struct pl_span pl_der_uint(struct pl_rd *r)
{
    struct pl_span s = pl_der(r, PL_DER_INT);
    if (s.n == 0 || s.p[0] & 0x80)
        return bad(r);
    if (s.n == 1 || s.p[0] != 0)
        return s;
    return s.p[1] & 0x80 ? pl_span(s.p + 1, s.n - 1) : bad(r);
}

uint64_t pl_der_u64(struct pl_rd *r)
{
    struct pl_span s = pl_der_uint(r);
    uint64_t v = 0;
    if (s.n > 8)
        return bad(r).n;
    for (size_t i = 0; i < s.n; i++)
        v = v << 8 | s.p[i];
    return v;
}

/* RFC 5280 4.1.2.5: seconds present, Z, no fraction; a two-digit year from 50 on is 19xx. */
int64_t pl_der_time(struct pl_rd *r)
{
    uint8_t tag = 0;
    char text[PL_TIME_LEN] = "0000-00-00T00:00:00Z";
    static const uint8_t at[] = {0, 1, 2, 3, 5, 6, 8, 9, 11, 12, 14, 15, 17, 18};
    struct pl_span s = pl_der_any(r, &tag, NULL);
    size_t skip = tag == PL_DER_UTCTIME ? 2 : 0;
    int64_t t = 0;
    bool shape = (tag == PL_DER_UTCTIME || tag == PL_DER_GENTIME) && s.n + skip == 15;
    if (!shape || s.p[s.n - 1] != 'Z')
        return (int64_t)bad(r).n;
    for (size_t i = skip; i < sizeof(at); i++)
        text[at[i]] = (char)s.p[i - skip];
    if (skip) {
        text[0] = s.p[0] >= '5' ? '1' : '2';
        text[1] = s.p[0] >= '5' ? '9' : '0';
    }
    if (pl_time_parse(&t, pl_span(text, sizeof(text))) != PL_OK)
        return (int64_t)bad(r).n;
    return t;
}

/* Four bytes of length are reserved, and closed up when the element turns out shorter. */
size_t pl_der_open(struct pl_wr *w, uint8_t tag)
{
    pl_wr_u8(w, tag);
    pl_wr_zeros(w, 4);
    return w->n;
}

void pl_der_close(struct pl_wr *w, size_t opened)
{
    if (w->bad)
        return;
    size_t n = w->n - opened;
    uint8_t *length = w->p + opened - 4;
    size_t bytes = n < 0x80 ? 0 : n < 0x100 ? 1 : n < 0x10000 ? 2 : 3;
    PL_ASSERT(n < 0x1000000);
    length[0] = (uint8_t)(bytes ? 0x80 | bytes : n);
    for (size_t i = 0; i < bytes; i++)
        length[1 + i] = (uint8_t)(n >> 8 * (bytes - 1 - i));
    __builtin_memmove(length + 1 + bytes, w->p + opened, n);
    w->n -= 3 - bytes;
}

void pl_der_put(struct pl_wr *w, uint8_t tag, struct pl_span contents)
{
    size_t o = pl_der_open(w, tag);
    pl_wr_bytes(w, contents);
    pl_der_close(w, o);
}

void pl_der_put_uint(struct pl_wr *w, struct pl_span m)
{
    while (m.n > 1 && m.p[0] == 0)
        m = pl_span(m.p + 1, m.n - 1);
    size_t o = pl_der_open(w, PL_DER_INT);
    if (m.n == 0 || m.p[0] & 0x80)
        pl_wr_u8(w, 0);
    pl_wr_bytes(w, m);
    pl_der_close(w, o);
}

void pl_der_put_u64(struct pl_wr *w, uint64_t v)
{
    uint8_t b[8];
    for (size_t i = 0; i < 8; i++)
        b[i] = (uint8_t)(v >> (56 - 8 * i));
    pl_der_put_uint(w, PL_ARR(b));
}

void pl_der_put_time(struct pl_wr *w, int64_t s)
{
    static const uint8_t at[] = {0, 1, 2, 3, 5, 6, 8, 9, 11, 12, 14, 15, 17, 18};
    char text[PL_TIME_LEN + 1];
    pl_time_format(text, s);
    bool general = s >= 2524608000; /* 2050-01-01 */
    size_t o = pl_der_open(w, general ? PL_DER_GENTIME : PL_DER_UTCTIME);
    for (size_t i = general ? 0 : 2; i < sizeof(at); i++)
        pl_wr_u8(w, (uint8_t)text[at[i]]);
    pl_wr_u8(w, 'Z');
    pl_der_close(w, o);
}
