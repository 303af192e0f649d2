#include "vault/map.h"

#include <stdlib.h>
#include <string.h>

enum { SLOT_HEAD = 8, NEAR = 64 };

void pl_map_init(struct pl_map *m, size_t value_bytes, const uint64_t seed[static 2])
{
    size_t slot = (SLOT_HEAD + PL_MAP_KEY_BYTES + value_bytes + 7) & ~(size_t)7;
    *m = (struct pl_map){.slot_bytes = slot, .seed = {seed[0], seed[1]}};
}

void pl_map_free(struct pl_map *m)
{
    pl_wipe(m->slots, m->cap * m->slot_bytes);
    free(m->slots);
    m->slots = NULL;
    m->cap = m->n = 0;
}

static uint8_t *slot_at(const struct pl_map *m, size_t i) { return m->slots + i * m->slot_bytes; }
static uint8_t *slot_key(uint8_t *slot) { return slot + SLOT_HEAD; }
static void *slot_value(uint8_t *slot) { return slot + SLOT_HEAD + PL_MAP_KEY_BYTES; }

/* Two seeded 64 x 64 bit products, folded: without the seeds no set of colliding keys is known. */
static size_t home(const struct pl_map *m, const uint8_t *key)
{
    uint64_t w[4];
    memcpy(w, key, sizeof(w));
    __uint128_t a = (__uint128_t)(w[0] ^ m->seed[0]) * (w[1] ^ m->seed[1]);
    __uint128_t b = (__uint128_t)(w[2] ^ m->seed[1]) * (w[3] ^ m->seed[0]);
    uint64_t h = (uint64_t)a ^ (uint64_t)(a >> 64) ^ (uint64_t)b ^ (uint64_t)(b >> 64);
    h = (h ^ m->seed[0]) * UINT64_C(0x9e3779b97f4a7c15);
    return (size_t)(h >> 20) & (m->cap - 1);
}

/* The slot of the key, or the free one where it would go. */
static size_t probe(const struct pl_map *m, const uint8_t *key)
{
    size_t i = home(m, key);
    while (*slot_at(m, i) && memcmp(slot_key(slot_at(m, i)), key, PL_MAP_KEY_BYTES) != 0)
        i = (i + 1) & (m->cap - 1);
    return i;
}

static pl_err grow(struct pl_map *m, size_t cap)
{
    struct pl_map bigger = *m;
    bigger.slots = calloc(cap, m->slot_bytes);
    PL_REQUIRE(bigger.slots, NO_MEMORY);
    bigger.cap = cap;
    for (size_t i = 0; i < m->cap; i++)
        if (*slot_at(m, i))
            memcpy(slot_at(&bigger, probe(&bigger, slot_key(slot_at(m, i)))), slot_at(m, i),
                   m->slot_bytes);
    pl_wipe(m->slots, m->cap * m->slot_bytes);
    free(m->slots);
    *m = bigger;
    return PL_OK;
}

/* At most three quarters full, so that every probe ends. */
pl_err pl_map_reserve(struct pl_map *m, size_t more)
{
    size_t need = m->n + more, cap = m->cap ? m->cap : 16;
    while (cap / 4 * 3 < need)
        cap *= 2;
    return cap > m->cap ? grow(m, cap) : PL_OK;
}

pl_err pl_map_copy(struct pl_map *out, const struct pl_map *m)
{
    *out = *m;
    out->slots = NULL;
    if (m->cap == 0)
        return PL_OK;
    out->slots = malloc(m->cap * m->slot_bytes);
    if (!out->slots) {
        out->cap = out->n = 0;
        return PL_FAIL(NO_MEMORY);
    }
    memcpy(out->slots, m->slots, m->cap * m->slot_bytes);
    return PL_OK;
}

void *pl_map_get(const struct pl_map *m, const uint8_t key[static PL_MAP_KEY_BYTES])
{
    if (m->n == 0)
        return NULL;
    uint8_t *slot = slot_at(m, probe(m, key));
    return *slot ? slot_value(slot) : NULL;
}

void *pl_map_near(const struct pl_map *m, const uint8_t key[static PL_MAP_KEY_BYTES])
{
    size_t i = m->n ? home(m, key) : 0;
    for (unsigned looks = 0; m->n && looks < NEAR; looks++, i = (i + 1) & (m->cap - 1))
        if (*slot_at(m, i))
            return slot_value(slot_at(m, i));
    return NULL;
}

void *pl_map_put(struct pl_map *m, const uint8_t key[static PL_MAP_KEY_BYTES])
{
    PL_ASSERT(m->n < m->cap);
    uint8_t *slot = slot_at(m, probe(m, key));
    if (!*slot) {
        *slot = 1;
        memcpy(slot_key(slot), key, PL_MAP_KEY_BYTES);
        m->n++;
    }
    return slot_value(slot);
}

/* Empties the slot at `hole`, moving back what probing would no longer reach behind it. */
static void empty(struct pl_map *m, size_t hole)
{
    size_t mask = m->cap - 1;
    for (size_t i = (hole + 1) & mask; *slot_at(m, i); i = (i + 1) & mask) {
        size_t want = home(m, slot_key(slot_at(m, i)));
        if (((i - want) & mask) < ((i - hole) & mask))
            continue;
        memcpy(slot_at(m, hole), slot_at(m, i), m->slot_bytes);
        hole = i;
    }
    pl_wipe(slot_at(m, hole), m->slot_bytes);
    m->n--;
}

void pl_map_remove(struct pl_map *m, const uint8_t key[static PL_MAP_KEY_BYTES])
{
    if (m->n == 0)
        return;
    size_t i = probe(m, key);
    if (*slot_at(m, i))
        empty(m, i);
}

bool pl_map_next(const struct pl_map *m, size_t *at, const uint8_t **out_key, void **out_value)
{
    while (*at < m->cap) {
        uint8_t *slot = slot_at(m, (*at)++);
        if (!*slot)
            continue;
        *out_key = slot_key(slot);
        *out_value = slot_value(slot);
        return true;
    }
    return false;
}

void pl_map_remove_at(struct pl_map *m, size_t *at)
{
    PL_ASSERT(*at > 0 && *slot_at(m, *at - 1));
    empty(m, --*at); /* what moved into the hole is looked at next */
}
