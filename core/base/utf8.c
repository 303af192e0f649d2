#include "base/json_internal.h"

size_t pl_utf8_one(const uint8_t *p, const uint8_t *end)
{
    /* RFC 3629: the second byte's range depends on the first, the others are 80..BF. */
    uint8_t c = *p, low = 0x80, high = 0xbf;
    if (c < 0x80)
        return 1;
    if (c < 0xc2 || c > 0xf4)
        return 0;
    size_t n = c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
    if (c == 0xe0)
        low = 0xa0;
    else if (c == 0xed)
        high = 0x9f;
    else if (c == 0xf0)
        low = 0x90;
    else if (c == 0xf4)
        high = 0x8f;
    if ((size_t)(end - p) < n || p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return n;
}

size_t pl_utf8_put(uint8_t out[static 4], uint32_t c)
{
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const uint8_t lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = n; i-- > 1; c >>= 6)
        out[i] = (uint8_t)(0x80 | (c & 0x3f));
    out[0] = (uint8_t)(lead[n] | c);
    return n;
}

bool pl_utf8_ok(struct pl_span s)
{
    for (size_t i = 0, n; i < s.n; i += n)
        if ((n = pl_utf8_one(s.p + i, s.p + s.n)) == 0)
            return false;
    return true;
}
