/* The keys in the order of their creation, in chunks, so that no change moves more than one. */
#include "vault/internal.h"

#include <stdlib.h>
#include <string.h>

/* Room for one more at the end. */
pl_err pl_order_reserve(struct order *o)
{
    bool full = o->chunks == 0 || o->chunk[o->chunks - 1]->n == ORDER_CHUNK;
    if (full && !o->spare)
        o->spare = calloc(1, sizeof(*o->spare));
    PL_REQUIRE(!full || o->spare, NO_MEMORY);
    if (!full || o->chunks < o->cap)
        return PL_OK;
    size_t cap = o->cap ? o->cap * 2 : 64;
    struct chunk **more = realloc(o->chunk, cap * sizeof(struct chunk *));
    PL_REQUIRE(more, NO_MEMORY);
    o->chunk = more;
    o->cap = cap;
    return PL_OK;
}

void pl_order_append(struct order *o, struct record *r)
{
    if (o->chunks == 0 || o->chunk[o->chunks - 1]->n == ORDER_CHUNK) {
        o->chunk[o->chunks++] = o->spare;
        o->spare = NULL;
    }
    struct chunk *last = o->chunk[o->chunks - 1];
    last->at[last->n++] = r;
}

/* The first chunk with a key created at entry `born` or later, or the one before it. */
static size_t find_chunk(const struct order *o, uint64_t born)
{
    size_t lo = 0, hi = o->chunks;
    while (hi - lo > 1) {
        size_t mid = lo + (hi - lo) / 2;
        bool before = o->chunk[mid]->at[0]->born <= born;
        lo = before ? mid : lo;
        hi = before ? hi : mid;
    }
    return lo;
}

static unsigned find_in(const struct chunk *c, uint64_t born)
{
    unsigned lo = 0, hi = c->n;
    while (lo < hi) {
        unsigned mid = lo + (hi - lo) / 2;
        bool before = c->at[mid]->born < born;
        lo = before ? mid + 1 : lo;
        hi = before ? hi : mid;
    }
    return lo;
}

size_t pl_order_from(const struct order *o, struct record **out, size_t max, uint64_t born)
{
    size_t n = 0, c = find_chunk(o, born);
    unsigned i = c < o->chunks ? find_in(o->chunk[c], born) : 0;
    for (; c < o->chunks && n < max; c++, i = 0)
        for (; i < o->chunk[c]->n && n < max; i++)
            out[n++] = o->chunk[c]->at[i];
    return n;
}

void pl_order_replace(struct order *o, struct record *old, struct record *with)
{
    size_t c = find_chunk(o, old->born);
    struct chunk *in = o->chunk[c];
    unsigned i = find_in(in, old->born);
    PL_ASSERT(i < in->n && in->at[i] == old);
    if (with) {
        in->at[i] = with;
        return;
    }
    memmove(in->at + i, in->at + i + 1, (--in->n - i) * sizeof(struct record *));
    if (in->n > 0)
        return;
    free(in);
    memmove(o->chunk + c, o->chunk + c + 1, (--o->chunks - c) * sizeof(struct chunk *));
}

void pl_order_free(struct order *o)
{
    for (size_t c = 0; c < o->chunks; c++) {
        for (unsigned i = 0; i < o->chunk[c]->n; i++)
            pl_record_put(o->chunk[c]->at[i]);
        free(o->chunk[c]);
    }
    free(o->chunk);
    free(o->spare);
}
