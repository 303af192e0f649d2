/* The smallest vault over a store: its state is the list of the entries it was given. It keeps its
 * own account of what was acknowledged and appended, outside the disk, and says what was broken. */
#ifndef PL_FAULT_TOY_H
#define PL_FAULT_TOY_H

#include "platform/store/store.h"

enum { TOY_ENTRIES = 4096, TOY_NONCES = 4096 };

struct toy {
    const struct pl_io *io;
    const char *path;
    size_t frame_bytes, segment_bytes;
    bool archived;
    void (*wake)(void *toy);

    struct pl_store_dir *dir;
    struct pl_store *store;
    struct pl_store_report report;
    uint8_t root[32], vault_id[32], seal_key[32];
    _Alignas(16) uint8_t secrets[4096];
    struct pl_arena arena;

    uint64_t state[TOY_ENTRIES]; /* the vault: a seed an entry */
    size_t count, applied;       /* applied: one by one, not from a snapshot */
    uint8_t part[8];             /* of a seed that a snapshot's chunk cut */
    size_t part_n;
    uint64_t skip; /* filler of the snapshot that is still to come */

    /* the account */
    uint64_t appended[TOY_ENTRIES]; /* seed last appended at each index */
    size_t appended_n, acked;
    bool born;
    uint64_t next_seed;
    _Atomic uint64_t salts; /* the log and the snapshot thread draw them */
    struct toy_nonce {
        uint8_t salt[32];
        uint64_t sequence, hash;
    } nonces[TOY_NONCES];
    size_t nonce_n;
    const char *broken; /* the first promise that was not kept; NULL: none */
};

void toy_init(struct toy *t, const struct pl_io *io, const char *path);
/* A start: directory, root (made if nothing is there), replay, and what it shows against the
 * account. On error nothing is open. */
pl_err toy_up(struct toy *t, struct pl_store_place *out_place);
void toy_down(struct toy *t);
/* Appends an entry of about so many bytes; false when there is no room now, or never again. */
bool toy_append(struct toy *t, size_t bytes);
/* Turns the log by hand and notes what was acknowledged. */
void toy_turn(struct toy *t);
void toy_acknowledge(struct toy *t);
pl_err toy_snapshot(struct toy *t);
/* Notes each frame and snapshot among the bytes of a write or a file, and whether one (key, nonce)
 * was ever used for two contents. */
void toy_look(void *toy, const void *p, size_t n);

#endif
