/* A vault's directory: the sealed root, the log and its snapshots in files, and the log thread.
 *
 *     root.sealed          core/ledger's blob, written beside, synced, renamed
 *     log.<epoch>          a segment: zero-filled ahead, then frames; one epoch each; never reused
 *     snapshot.<index>     the last two
 *     *.new                unfinished; removed at the next start
 *
 * Order of calls: pl_store_dir, then pl_store_root_make (directory empty) or pl_store_root_load,
 * then pl_store_open, which replays, then pl_store_start. One process holds a directory.
 *
 * What is never done: a first start in a directory that holds anything; writing to a log that was
 * found damaged; sealing other bytes under a nonce that was used; publishing an entry as durable
 * that a power cut could take away.
 *
 * Damage. A last frame of the last segment with an all-zero 512-byte sector is an interrupted write
 * of which nothing was acknowledged: it is cut, and the report says so (log a TAIL_CUT). Anything
 * else that is not as it was written stops the start: the error and the report name file, offset
 * and frame, nothing is changed. That includes a newest snapshot that does not open although an
 * older one and the log could give the same state: who wants that moves the file away by hand,
 * because a disk that loses snapshots is something a person must know. The log cannot show that its
 * end was taken away whole: witnesses do that.
 */
#ifndef PL_STORE_STORE_H
#define PL_STORE_STORE_H

#include "ledger/ledger.h"
#include "platform/store/io.h"

/* Fills out with n random bytes. */
typedef pl_err pl_store_entropy(void *ctx, uint8_t *out, size_t n);

/* Where something is: what an operator needs to find it. */
struct pl_store_place {
    char file[32];   /* inside the directory; "" unknown */
    uint64_t offset; /* bytes */
    uint64_t epoch, sequence;
    int os_error; /* errno of a failed call, or 0 */
};

/* ---- the directory and the sealed root ------------------------------------------------------ */

struct pl_store_dir;

enum pl_store_found {
    PL_FOUND_UNKNOWN = 0,
    PL_FOUND_NOTHING, /* no directory, an empty one, or the remains of a birth cut short */
    PL_FOUND_VAULT,   /* a sealed root */
};

/* Opens (or makes, 0700) and locks the directory. io and path are kept. out_found says which of
 * the two root functions is to be called. STORE_BUSY: another process has it. STORE_PERMISSIONS:
 * others can enter it. STORE_ROOT_MISSING: a log or snapshot but no sealed root. STORE_NOT_EMPTY:
 * no vault, but other files. */
PL_CHECKED pl_err pl_store_dir(struct pl_store_dir **out, enum pl_store_found *out_found,
                               struct pl_store_place *out_place, const struct pl_io *io,
                               const char *path);
void pl_store_dir_close(struct pl_store_dir *d); /* NULL allowed; after pl_store_close */

/* Seals `root` for the first time; refused (STORE_NOT_EMPTY) unless PL_FOUND_NOTHING. Durable when
 * it returns. salt: 32 fresh random bytes. */
PL_CHECKED pl_err pl_store_root_make(struct pl_store_dir *d,
                                     const uint8_t root[static PL_ROOT_KEY_BYTES],
                                     const uint8_t seal_key[static PL_AES_KEY_BYTES],
                                     const uint8_t salt[static PL_EPOCH_SALT_BYTES],
                                     const char *sealer);
/* ROOT_FORMAT, ROOT_SEAL: a person must resolve it; never a first start. out_sealer (17 bytes, may
 * be NULL) receives the sealer's name in any case. */
PL_CHECKED pl_err pl_store_root_load(struct pl_store_dir *d,
                                     uint8_t out_root[static PL_ROOT_KEY_BYTES], char *out_sealer,
                                     const uint8_t seal_key[static PL_AES_KEY_BYTES]);
/* Replaces the blob by one under another seal key (reseal): beside, synced, renamed. */
PL_CHECKED pl_err pl_store_root_reseal(struct pl_store_dir *d,
                                       const uint8_t root[static PL_ROOT_KEY_BYTES],
                                       const uint8_t seal_key[static PL_AES_KEY_BYTES],
                                       const uint8_t salt[static PL_EPOCH_SALT_BYTES],
                                       const char *sealer);

/* ---- opening: replay ------------------------------------------------------------------------ */

struct pl_store;

struct pl_store_options {
    struct pl_store_dir *dir;  /* kept */
    struct pl_arena *secrets;  /* for keys, about 600 bytes, taken in open and never given back */
    const uint8_t *root;       /* PL_ROOT_KEY_BYTES, kept: lives as long as the store */
    const uint8_t *vault_id;   /* PL_VAULT_ID_BYTES, copied */
    pl_store_entropy *entropy; /* kept; NULL: the system's. Called in open, by the log thread and
                                * in snapshot */
    /* Replay, all in the thread that calls open. NULL: not wanted. An error ends the start. */
    pl_err (*on_snapshot)(void *ctx, struct pl_span chunk, bool last);
    pl_err (*on_entry)(void *ctx, const struct pl_entry *entry);
    /* Called by the log thread after `durable` or the state changed; must not block. */
    void (*wake)(void *ctx);
    void *ctx;          /* of the four callbacks */
    size_t frame_bytes; /* 0: PL_FRAME_BYTES_MAX; a multiple of 4096 */
    bool archived;      /* the oldest segments may be missing as far as a snapshot covers them; the
                         * report's first_epoch is to be compared with what the log says of it */
    size_t segment_bytes; /* 0: 16 MiB; a multiple of 4096, at least frame_bytes, at most 64 MiB */
};

struct pl_store_report {
    uint64_t entries;          /* in the log, those under the snapshot too */
    uint64_t from_snapshot;    /* entries whose effect came with the snapshot; 0: none used */
    uint64_t frames, segments; /* read and verified */
    uint64_t first_epoch;      /* of the oldest segment; 0: none */
    bool tail_cut;             /* `place` says what */
    uint64_t tail_bytes;
    bool direct;                 /* O_DIRECT works here */
    struct pl_store_place place; /* on error: of the damage */
};

/* Verifies every frame that is on the disk, gives the newest snapshot and then each entry from its
 * index on to the callbacks, cuts a torn last frame, writes the last good frame's bytes once more
 * (a kernel that reported an error for them may show them and yet not have them on disk), and
 * prepares the segment of a new epoch. The frames under the snapshot are verified too, not
 * replayed. Errors: CORRUPT (FRAME_*, SNAPSHOT_*, STORE_SEGMENT, STORE_LOG_SHORT), STORAGE; *out is
 * NULL then, and with CORRUPT nothing on disk was changed. out_report is filled in any case. */
PL_CHECKED pl_err pl_store_open(struct pl_store **out, struct pl_store_report *out_report,
                                const struct pl_store_options *options);

/* ---- running -------------------------------------------------------------------------------- */

/* Starts the log thread. Without it a test turns the log by hand. */
PL_CHECKED pl_err pl_store_start(struct pl_store *s);
/* One turn of the log thread: what is in the open frame is sealed, written and published. False
 * when there was nothing to do. Never together with a running thread. */
bool pl_store_turn(struct pl_store *s);

enum pl_store_state {
    PL_STORE_LOCKED = 0, /* a write failed twice: nothing becomes durable until a restart */
    PL_STORE_RUNNING,
};
enum pl_store_state pl_store_state(const struct pl_store *s);
/* Why it is locked: PL_OK while it runs. */
pl_err pl_store_error(struct pl_store *s, struct pl_store_place *out_place);

/* Appending does no I/O. Entries get indexes in the order of calls, so both calls are made under
 * the vault's mutex, one after the other.
 * room: would so many entries of so many body bytes together fit into the open frame now? LOG_FULL
 * (AGAIN: the log thread is writing, try after the next wake), LOG_LOCKED (LOCKED), ENTRY_SIZE (a
 * body over PL_ENTRY_BODY_MAX, or more than any frame holds).
 * append: returns the entry's index. Cannot fail: room said yes under the same hold of the mutex
 * (asserted). If the store locks itself in between, the entry is simply never durable. */
PL_CHECKED pl_err pl_store_room(struct pl_store *s, size_t entries, size_t body_bytes);
uint64_t pl_store_append(struct pl_store *s, enum pl_entry_kind kind, struct pl_span body);

/* The number of durable entries: entry i is durable when i < pl_store_durable(). Monotone; any
 * thread, no lock. */
uint64_t pl_store_durable(const struct pl_store *s);
uint64_t pl_store_next_index(struct pl_store *s); /* that the next append returns */
/* Blocks until entries below `count` are durable: LOG_LOCKED when they will not be. For start,
 * stop and tools; workers wait for `wake`. Needs the thread. */
PL_CHECKED pl_err pl_store_wait(struct pl_store *s, uint64_t count);

/* ---- snapshots ------------------------------------------------------------------------------ */

/* The state that is current now, as a place in the log. Called under the vault's mutex together
 * with taking the copy of the state that will be written; no I/O. One at a time. */
struct pl_store_mark {
    uint64_t index; /* entries whose effect the state holds */
    uint64_t frame; /* private */
};
void pl_store_mark(struct pl_store *s, struct pl_store_mark *out);

/* Fills out with the next bytes of the state; fewer than cap only at the end. */
typedef pl_err pl_store_pull(void *ctx, uint8_t *out, size_t cap, size_t *out_n);

/* Writes the marked state: waits until its entries are durable, writes beside, syncs, renames,
 * removes all but the newest two. Blocks; called by the snapshot thread only. An error leaves the
 * older ones as they were and does not lock the store. A mark at index 0 has no
 * frame to chain to and is refused (SNAPSHOT_EMPTY). With a hand-turned log the entries must be
 * durable already. */
PL_CHECKED pl_err pl_store_snapshot(struct pl_store *s, const struct pl_store_mark *mark,
                                    const uint8_t tree[static PL_SHA256_BYTES], pl_store_pull *pull,
                                    void *ctx);

/* Ends the thread, which first writes what was appended; wipes and frees. Without a thread, what
 * was not turned is lost. NULL allowed. */
void pl_store_close(struct pl_store *s);

#endif
