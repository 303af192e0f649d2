#include "base/cbor.h"

#include <string.h>

enum { DEPTH_MAX = 8, PAIRS_MAX = 64 };

static uint64_t any_head(struct pl_rd *r, enum pl_cbor *out_major)
{
    uint8_t first = pl_rd_u8(r), info = first & 0x1f;
    uint64_t v = info, least = 0;
    *out_major = (enum pl_cbor)(first >> 5);
    switch (info) {
    case 24:
        v = pl_rd_u8(r), least = 24;
        break;
    case 25:
        v = pl_rd_be16(r), least = UINT8_MAX + 1u;
        break;
    case 26:
        v = pl_rd_be32(r), least = UINT16_MAX + 1u;
        break;
    case 27:
        v = pl_rd_be64(r), least = UINT32_MAX + (uint64_t)1;
        break;
    default:
        r->bad |= info > 27; /* reserved, and indefinite lengths */
    }
    r->bad |= v < least;
    return r->bad ? 0 : v;
}

uint64_t pl_cbor_head(struct pl_rd *r, enum pl_cbor major)
{
    enum pl_cbor got;
    uint64_t v = any_head(r, &got);
    r->bad |= got != major;
    return r->bad ? 0 : v;
}

static struct pl_span string(struct pl_rd *r, uint64_t n)
{
    r->bad |= n > pl_rd_left(r);
    return pl_rd_bytes(r, r->bad ? 0 : (size_t)n);
}

struct pl_span pl_cbor_bytes(struct pl_rd *r) { return string(r, pl_cbor_head(r, PL_CBOR_BYTES)); }
struct pl_span pl_cbor_text(struct pl_rd *r) { return string(r, pl_cbor_head(r, PL_CBOR_TEXT)); }

/* Every item takes at least a byte, so the loop ends with the input; depth is bounded. */
static void skip(struct pl_rd *r, unsigned depth)
{
    enum pl_cbor major;
    uint64_t v = any_head(r, &major), items = 0;
    r->bad |= depth > DEPTH_MAX;
    if (major == PL_CBOR_BYTES || major == PL_CBOR_TEXT)
        string(r, v);
    else if (major == PL_CBOR_SIMPLE)
        r->bad |= v < 20 || v > 22;
    else if (major == PL_CBOR_ARRAY || major == PL_CBOR_TAG)
        items = major == PL_CBOR_TAG ? 1 : v;
    else if (major == PL_CBOR_MAP)
        items = v > UINT64_MAX / 2 ? UINT64_MAX : 2 * v;
    for (; items > 0 && !r->bad; items--)
        skip(r, depth + 1);
}

void pl_cbor_skip(struct pl_rd *r) { skip(r, 1); }

bool pl_cbor_map_find(struct pl_rd *r, const char *key, struct pl_rd *out_value)
{
    struct pl_span seen[PAIRS_MAX];
    uint64_t n = pl_cbor_head(r, PL_CBOR_MAP);
    bool found = false;
    r->bad |= n > PAIRS_MAX;
    for (size_t i = 0; i < n && !r->bad; i++) {
        seen[i] = pl_cbor_text(r);
        for (size_t k = 0; k < i; k++)
            r->bad |= pl_span_eq(seen[k], seen[i]);
        const uint8_t *from = r->p;
        pl_cbor_skip(r);
        if (!r->bad && pl_span_is(seen[i], key)) {
            *out_value = pl_rd(pl_span(from, (size_t)(r->p - from)));
            found = true;
        }
    }
    return found && !r->bad;
}

void pl_cbor_put(struct pl_wr *w, enum pl_cbor major, uint64_t v)
{
    uint8_t top = (uint8_t)(major << 5);
    if (v < 24) {
        pl_wr_u8(w, (uint8_t)(top | v));
    } else if (v <= UINT8_MAX) {
        pl_wr_u8(w, top | 24);
        pl_wr_u8(w, (uint8_t)v);
    } else if (v <= UINT16_MAX) {
        pl_wr_u8(w, top | 25);
        pl_wr_be16(w, (uint16_t)v);
    } else if (v <= UINT32_MAX) {
        pl_wr_u8(w, top | 26);
        pl_wr_be32(w, (uint32_t)v);
    } else {
        pl_wr_u8(w, top | 27);
        pl_wr_be64(w, v);
    }
}

void pl_cbor_put_bytes(struct pl_wr *w, struct pl_span s)
{
    pl_cbor_put(w, PL_CBOR_BYTES, s.n);
    pl_wr_bytes(w, s);
}

void pl_cbor_put_text(struct pl_wr *w, const char *s)
{
    pl_cbor_put(w, PL_CBOR_TEXT, strlen(s));
    pl_wr_str(w, s);
}
