/* A hash table from 32-byte keys to values of one fixed size: handles, spent statements, requests
 * that were answered, counters. Keys may be chosen by an adversary, so the hash is seeded. The
 * table is made of many small ones that grow by themselves, each a few hundred slots in a table of
 * a million: no call takes long, and a walk part by part misses nothing, because a key never
 * leaves its part. It allocates in pl_map_reserve alone, so a change that was reserved cannot
 * fail. */
#ifndef PL_VAULT_MAP_H
#define PL_VAULT_MAP_H

#include "base/base.h"

enum { PL_MAP_KEY_BYTES = 32, PL_MAP_PARTS = 2048 };

struct pl_map {
    size_t n, slot_bytes;
    uint64_t seed[2];
    struct pl_map_part {
        uint8_t *slots; /* each: used byte, 7 of padding, key, value */
        uint32_t cap, n;
    } part[PL_MAP_PARTS];
};

/* Empty, without memory. The seed must be random where keys come from strangers. */
void pl_map_init(struct pl_map *m, size_t value_bytes, const uint64_t seed[static 2]);
void pl_map_free(struct pl_map *m); /* wipes; what values point to is the caller's */
/* Makes room for this key and `more` others. NO_MEMORY, and then nothing changed. */
PL_CHECKED pl_err pl_map_reserve(struct pl_map *m, const uint8_t key[static PL_MAP_KEY_BYTES],
                                 size_t more);
/* The value of a key, or NULL. Valid until the next put, remove or reserve. */
void *pl_map_get(const struct pl_map *m, const uint8_t key[static PL_MAP_KEY_BYTES]);
/* The value of some key near the place where this one would be. NULL: none is near. It stays the
 * same until the table changes around it. */
void *pl_map_near(const struct pl_map *m, const uint8_t key[static PL_MAP_KEY_BYTES]);
/* The value of a key, zeroed when it is new. Room was reserved (asserted). */
void *pl_map_put(struct pl_map *m, const uint8_t key[static PL_MAP_KEY_BYTES]);
void pl_map_remove(struct pl_map *m, const uint8_t key[static PL_MAP_KEY_BYTES]);
/* Walks the entries of one part: *at starts at 0; false after the last. The only change allowed
 * meanwhile is pl_map_remove_at of the entry just returned; an entry may then be seen twice, none
 * is missed. */
bool pl_map_next(const struct pl_map *m, size_t part, size_t *at, const uint8_t **out_key,
                 void **out_value);
void pl_map_remove_at(struct pl_map *m, size_t part, size_t *at);

#endif
