#include "base/span.h"
#include "base/secret.h"

#include <stdlib.h>
#include <string.h>

struct pl_span pl_span_str(const char *s) { return pl_span(s, s ? strlen(s) : 0); }

bool pl_span_eq(struct pl_span a, struct pl_span b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool pl_span_is(struct pl_span a, const char *s) { return pl_span_eq(a, pl_span_str(s)); }

bool pl_span_zero(struct pl_span a)
{
    return a.n == 0 || (a.p[0] == 0 && memcmp(a.p, a.p + 1, a.n - 1) == 0);
}

struct pl_span pl_span_sub(struct pl_span a, size_t from, size_t n)
{
    PL_ASSERT(from <= a.n && n <= a.n - from);
    return pl_span(a.p ? a.p + from : NULL, n);
}

struct pl_rd pl_rd(struct pl_span s)
{
    static const uint8_t nothing;
    const uint8_t *p = s.p ? s.p : &nothing;
    return (struct pl_rd){p, p + s.n, false};
}

struct pl_span pl_rd_bytes(struct pl_rd *r, size_t n)
{
    if (r->bad || n > (size_t)(r->end - r->p)) {
        r->bad = true;
        return pl_span(NULL, 0);
    }
    struct pl_span s = pl_span(r->p, n);
    r->p += n;
    return s;
}

void pl_rd_copy(struct pl_rd *r, uint8_t *out, size_t n)
{
    struct pl_span s = pl_rd_bytes(r, n);
    if (n == 0)
        return;
    if (r->bad)
        memset(out, 0, n);
    else
        memcpy(out, s.p, n);
}

static uint64_t rd_be(struct pl_rd *r, size_t n)
{
    struct pl_span s = pl_rd_bytes(r, n);
    uint64_t v = 0;
    for (size_t i = 0; i < s.n; i++)
        v = v << 8 | s.p[i];
    return v;
}

static uint64_t rd_le(struct pl_rd *r, size_t n)
{
    struct pl_span s = pl_rd_bytes(r, n);
    uint64_t v = 0;
    for (size_t i = s.n; i-- > 0;)
        v = v << 8 | s.p[i];
    return v;
}

uint8_t pl_rd_u8(struct pl_rd *r) { return (uint8_t)rd_be(r, 1); }
uint16_t pl_rd_be16(struct pl_rd *r) { return (uint16_t)rd_be(r, 2); }
uint32_t pl_rd_be32(struct pl_rd *r) { return (uint32_t)rd_be(r, 4); }
uint64_t pl_rd_be64(struct pl_rd *r) { return rd_be(r, 8); }
uint16_t pl_rd_le16(struct pl_rd *r) { return (uint16_t)rd_le(r, 2); }
uint32_t pl_rd_le32(struct pl_rd *r) { return (uint32_t)rd_le(r, 4); }

struct pl_span pl_rd_vec(struct pl_rd *r, size_t max_bytes)
{
    uint32_t n = pl_rd_be32(r);
    if (n > max_bytes)
        r->bad = true;
    return pl_rd_bytes(r, n);
}

size_t pl_rd_left(const struct pl_rd *r) { return r->bad ? 0 : (size_t)(r->end - r->p); }

pl_err pl_rd_end(const struct pl_rd *r)
{
    PL_REQUIRE(!r->bad, TRUNCATED);
    PL_REQUIRE(r->p == r->end, TRAILING);
    return PL_OK;
}

struct pl_wr pl_wr_fixed(void *p, size_t cap)
{
    return (struct pl_wr){.p = p, .cap = cap, .max = cap};
}

struct pl_wr pl_wr_heap(size_t max_bytes) { return (struct pl_wr){.max = max_bytes, .heap = true}; }

void pl_wr_free(struct pl_wr *w)
{
    if (!w)
        return;
    if (w->heap && w->p) {
        pl_wipe(w->p, w->cap);
        free(w->p);
    }
    *w = (struct pl_wr){.max = w->max, .heap = w->heap};
}

/* Grows by a fresh block, so that the old one can be wiped: realloc would leave a copy behind. */
static bool wr_grow(struct pl_wr *w, size_t need)
{
    if (!w->heap || need > w->max)
        return false;
    size_t cap = w->cap ? w->cap : 256;
    while (cap < need)
        cap = cap > w->max / 2 ? w->max : cap * 2;
    uint8_t *p = malloc(cap);
    if (!p)
        return false;
    if (w->p) {
        memcpy(p, w->p, w->n);
        pl_wipe(w->p, w->cap);
        free(w->p);
    }
    w->p = p;
    w->cap = cap;
    return true;
}

uint8_t *pl_wr_take(struct pl_wr *w, size_t n)
{
    if (w->bad || n > SIZE_MAX - w->n || (w->n + n > w->cap && !wr_grow(w, w->n + n))) {
        w->bad = true;
        return NULL;
    }
    uint8_t *at = w->p + w->n;
    w->n += n;
    return at;
}

void pl_wr_bytes(struct pl_wr *w, struct pl_span s)
{
    if (s.n == 0)
        return;
    uint8_t *at = pl_wr_take(w, s.n);
    if (at)
        memcpy(at, s.p, s.n);
}

void pl_wr_str(struct pl_wr *w, const char *s) { pl_wr_bytes(w, pl_span_str(s)); }

void pl_wr_zeros(struct pl_wr *w, size_t n)
{
    uint8_t *at = n ? pl_wr_take(w, n) : NULL;
    if (at)
        memset(at, 0, n);
}

static void wr_be(struct pl_wr *w, uint64_t v, size_t n)
{
    uint8_t *at = pl_wr_take(w, n);
    for (size_t i = 0; at && i < n; i++)
        at[i] = (uint8_t)(v >> (8 * (n - 1 - i)));
}

static void wr_le(struct pl_wr *w, uint64_t v, size_t n)
{
    uint8_t *at = pl_wr_take(w, n);
    for (size_t i = 0; at && i < n; i++)
        at[i] = (uint8_t)(v >> (8 * i));
}

void pl_wr_u8(struct pl_wr *w, uint8_t v) { wr_be(w, v, 1); }
void pl_wr_be16(struct pl_wr *w, uint16_t v) { wr_be(w, v, 2); }
void pl_wr_be32(struct pl_wr *w, uint32_t v) { wr_be(w, v, 4); }
void pl_wr_be64(struct pl_wr *w, uint64_t v) { wr_be(w, v, 8); }
void pl_wr_le16(struct pl_wr *w, uint16_t v) { wr_le(w, v, 2); }
void pl_wr_le32(struct pl_wr *w, uint32_t v) { wr_le(w, v, 4); }

void pl_wr_vec(struct pl_wr *w, struct pl_span s)
{
    if (s.n > UINT32_MAX) {
        w->bad = true;
        return;
    }
    pl_wr_be32(w, (uint32_t)s.n);
    pl_wr_bytes(w, s);
}

struct pl_span pl_wr_span(const struct pl_wr *w) { return pl_span(w->p, w->n); }

pl_err pl_wr_end(const struct pl_wr *w)
{
    PL_REQUIRE(!w->bad, NO_SPACE);
    return PL_OK;
}
