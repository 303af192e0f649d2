#include "vault/map.h"

#include <stdlib.h>
#include <string.h>

enum { SLOT_HEAD = 8, NEAR = 64 };

void pl_map_init(struct pl_map *m, size_t value_bytes, const uint64_t seed[static 2])
{
    size_t slot = (SLOT_HEAD + PL_MAP_KEY_BYTES + value_bytes + 7) & ~(size_t)7;
    *m = (struct pl_map){.slot_bytes = slot, .seed = {seed[0], seed[1]}};
}

/* A table whose slots are at hand. */
struct part {
    struct pl_map_part *p;
    const struct pl_map *m;
};

static uint8_t *slot_at(struct part t, size_t i) { return t.p->slots + i * t.m->slot_bytes; }
static uint8_t *slot_key(uint8_t *slot) { return slot + SLOT_HEAD; }
static void *slot_value(uint8_t *slot) { return slot + SLOT_HEAD + PL_MAP_KEY_BYTES; }

static void part_free(struct part t)
{
    pl_wipe(t.p->slots, t.p->cap * t.m->slot_bytes);
    free(t.p->slots);
    *t.p = (struct pl_map_part){0};
}

void pl_map_free(struct pl_map *m)
{
    for (size_t i = 0; i < PL_MAP_PARTS; i++)
        part_free((struct part){&m->part[i], m});
    m->n = 0;
}

/* Two seeded 64 x 64 bit products, folded: without the seeds no set of colliding keys is known. */
static uint64_t hash(const struct pl_map *m, const uint8_t *key)
{
    uint64_t w[4];
    memcpy(w, key, sizeof(w));
    __uint128_t a = (__uint128_t)(w[0] ^ m->seed[0]) * (w[1] ^ m->seed[1]);
    __uint128_t b = (__uint128_t)(w[2] ^ m->seed[1]) * (w[3] ^ m->seed[0]);
    uint64_t h = (uint64_t)a ^ (uint64_t)(a >> 64) ^ (uint64_t)b ^ (uint64_t)(b >> 64);
    return ((h ^ m->seed[0]) * UINT64_C(0x9e3779b97f4a7c15)) >> 20;
}

static size_t home(struct part t, const uint8_t *key)
{
    return (size_t)(hash(t.m, key) / PL_MAP_PARTS) & (t.p->cap - 1);
}

static struct part part_of(const struct pl_map *m, const uint8_t *key)
{
    const struct pl_map_part *p = &m->part[hash(m, key) % PL_MAP_PARTS];
    return (struct part){(struct pl_map_part *)(uintptr_t)p, m};
}

/* The slot of the key, or the free one where it would go. */
static size_t probe(struct part t, const uint8_t *key)
{
    size_t i = home(t, key);
    while (*slot_at(t, i) && memcmp(slot_key(slot_at(t, i)), key, PL_MAP_KEY_BYTES) != 0)
        i = (i + 1) & (t.p->cap - 1);
    return i;
}

/* At most three quarters full, so that every probe ends. */
pl_err pl_map_reserve(struct pl_map *m, const uint8_t key[static PL_MAP_KEY_BYTES], size_t more)
{
    struct part t = part_of(m, key);
    struct pl_map_part bigger = {.n = t.p->n, .cap = t.p->cap ? t.p->cap : 4};
    while (bigger.cap / 4 * 3 < t.p->n + 1 + more)
        bigger.cap *= 2;
    if (bigger.cap == t.p->cap)
        return PL_OK;
    bigger.slots = calloc(bigger.cap, m->slot_bytes);
    PL_REQUIRE(bigger.slots, NO_MEMORY);
    struct part to = {&bigger, m};
    for (size_t i = 0; i < t.p->cap; i++)
        if (*slot_at(t, i))
            memcpy(slot_at(to, probe(to, slot_key(slot_at(t, i)))), slot_at(t, i), m->slot_bytes);
    part_free(t);
    *t.p = bigger;
    return PL_OK;
}

void *pl_map_get(const struct pl_map *m, const uint8_t key[static PL_MAP_KEY_BYTES])
{
    struct part t = part_of(m, key);
    if (t.p->n == 0)
        return NULL;
    uint8_t *slot = slot_at(t, probe(t, key));
    return *slot ? slot_value(slot) : NULL;
}

void *pl_map_near(const struct pl_map *m, const uint8_t key[static PL_MAP_KEY_BYTES])
{
    struct part t = part_of(m, key);
    for (size_t looks = 0; looks < NEAR; looks++) {
        for (size_t i = 0; t.p->n && i < t.p->cap && i < NEAR; i++) {
            uint8_t *slot = slot_at(t, (home(t, key) + i) & (t.p->cap - 1));
            if (*slot)
                return slot_value(slot);
        }
        t.p = t.p + 1 < m->part + PL_MAP_PARTS ? t.p + 1 : t.p + 1 - PL_MAP_PARTS;
    }
    return NULL;
}

void *pl_map_put(struct pl_map *m, const uint8_t key[static PL_MAP_KEY_BYTES])
{
    struct part t = part_of(m, key);
    PL_ASSERT(t.p->n < t.p->cap);
    uint8_t *slot = slot_at(t, probe(t, key));
    if (!*slot) {
        *slot = 1;
        memcpy(slot_key(slot), key, PL_MAP_KEY_BYTES);
        t.p->n++;
        m->n++;
    }
    return slot_value(slot);
}

/* Empties the slot at `hole`, moving back what probing would no longer reach behind it. */
static void empty(struct pl_map *m, struct part t, size_t hole)
{
    size_t mask = t.p->cap - 1;
    for (size_t i = (hole + 1) & mask; *slot_at(t, i); i = (i + 1) & mask) {
        size_t want = home(t, slot_key(slot_at(t, i)));
        if (((i - want) & mask) < ((i - hole) & mask))
            continue;
        memcpy(slot_at(t, hole), slot_at(t, i), m->slot_bytes);
        hole = i;
    }
    pl_wipe(slot_at(t, hole), m->slot_bytes);
    t.p->n--;
    m->n--;
}

void pl_map_remove(struct pl_map *m, const uint8_t key[static PL_MAP_KEY_BYTES])
{
    struct part t = part_of(m, key);
    size_t i = t.p->n ? probe(t, key) : 0;
    if (t.p->n && *slot_at(t, i))
        empty(m, t, i);
}

bool pl_map_next(const struct pl_map *m, size_t part, size_t *at, const uint8_t **out_key,
                 void **out_value)
{
    const struct pl_map_part *p = &m->part[part];
    while (*at < p->cap) {
        uint8_t *slot = p->slots + (*at)++ * m->slot_bytes;
        if (!*slot)
            continue;
        *out_key = slot_key(slot);
        *out_value = slot_value(slot);
        return true;
    }
    return false;
}

void pl_map_remove_at(struct pl_map *m, size_t part, size_t *at)
{
    struct part t = {&m->part[part], m};
    PL_ASSERT(*at > 0 && *slot_at(t, *at - 1));
    empty(m, t, --*at); /* what moved into the hole is looked at next */
}
