#include "base/json_internal.h"

/* Appends one character; `~` and `/` as RFC 6901 writes them. False when it does not fit. */
static bool point(struct pl_wr *w, const uint8_t *p, size_t n)
{
    struct pl_span s = pl_span(p, n);
    if (*p == '~')
        s = PL_LIT("~0");
    else if (*p == '/')
        s = PL_LIT("~1");
    pl_wr_bytes(w, s);
    return !w->bad;
}

static void point_key(struct pl_wr *w, const struct pl_json *j, uint32_t at)
{
    struct pl_json k = {.p = j->begin + at, .end = j->end, .err = PL_OK};
    struct pl_span s;
    uint8_t tmp[4];
    while (pl_json_piece(&k, &s, tmp))
        for (size_t i = 0, n; i < s.n; i += n) {
            n = pl_utf8_one(s.p + i, s.p + s.n);
            if (!point(w, s.p + i, n))
                return;
        }
}

void pl_json_pointer(const struct pl_json *j, char *out, size_t cap)
{
    PL_ASSERT(cap > 0);
    struct pl_wr w = pl_wr_fixed(out, cap - 1);
    for (unsigned i = 0; i < j->depth && j->level[i].named; i++) {
        const struct pl_json_level *l = &j->level[i];
        pl_wr_str(&w, "/");
        if (l->object)
            point_key(&w, j, l->key_at);
        else
            pl_json_decimal(&w, l->index);
    }
    out[w.n] = 0;
}
