/* Shared inside platform/store only. */
#ifndef PL_STORE_INTERNAL_H
#define PL_STORE_INTERNAL_H

#include "platform/store/store.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

enum {
    SEGMENT_BYTES = 16 << 20,
    SEGMENT_BYTES_MAX = 64 << 20,
    FILL_STEP_BYTES = 256 << 10, /* of zeros between two looks for work: below a millisecond */
    NAME_BYTES = 32,
};

/* ---- dir.c ---------------------------------------------------------------------------------- */

/* What a directory holds. */
struct names {
    uint64_t segments, first, last;     /* count, smallest and largest epoch */
    uint64_t snapshots, newest, second; /* count, the two largest indexes */
    uint64_t oldest;
    bool root;
    char other[NAME_BYTES]; /* one name that is not ours; "" none */
};

struct pl_store_dir {
    const struct pl_io *io;
    int fd;
    enum pl_store_found found;
};

void pl_segment_name(char out[static NAME_BYTES], uint64_t epoch);
void pl_snapshot_name(char out[static NAME_BYTES], uint64_t index);
/* STORE_FULL or STORE_IO for -errno `r`, and the place. out_place may be NULL. */
pl_err pl_io_failed(struct pl_store_place *out_place, const char *name, int64_t r);
PL_CHECKED pl_err pl_dir_names(struct pl_store_dir *d, struct names *out);
/* All n bytes from `at` on, however short the reads; STORE_IO at the end of the file too. */
PL_CHECKED pl_err pl_read_all(struct pl_store_dir *d, int fd, void *out, size_t n, uint64_t at);
PL_CHECKED pl_err pl_sync_names(struct pl_store_dir *d);
/* Syncs and closes fd, renames `from` to `to` and makes that durable. */
PL_CHECKED pl_err pl_finish_file(struct pl_store_dir *d, int fd, const char *from, const char *to);
/* Zeroed memory of whole pages, left out of core dumps. unmap wipes the first `used` bytes. */
uint8_t *pl_map_pages(size_t n);
void pl_unmap_pages(uint8_t *p, size_t n, size_t used);

/* ---- replay.c -------------------------------------------------------------------------------
 */

struct secrets {
    struct pl_epoch writer;
    struct pl_epoch reader;
    struct pl_snapshot_codec snapshot;
};

/* What replay leaves for the log to go on from. */
struct replayed {
    struct pl_log_end end;
    uint64_t next_epoch;
};

PL_CHECKED pl_err pl_replay(struct replayed *out, struct pl_store_report *report,
                            const struct pl_store_options *o, struct pl_crypto *c,
                            struct secrets *secrets);

/* ---- segment.c ------------------------------------------------------------------------------ */

/* The segment that is written, and the next one, which is filled with zeros ahead of its use. */
struct segments {
    struct pl_store_dir *dir;
    size_t bytes;
    int fd; /* -1: none */
    bool direct;
    char name[NAME_BYTES];
    uint64_t at;      /* where the next frame goes */
    int next_fd;      /* -1: not begun, or ready */
    uint64_t next_at; /* bytes of zeros in it */
    bool next_ready;
    uint8_t *zeros; /* FILL_STEP_BYTES */
};

PL_CHECKED pl_err pl_segments_init(struct segments *g, struct pl_store_dir *dir, size_t bytes);
void pl_segments_free(struct segments *g);
/* Fills a step of the next segment; true when that made progress and more is to do. */
bool pl_segments_prepare(struct segments *g);
/* The next segment, finished, becomes the current one under this epoch's name. */
PL_CHECKED pl_err pl_segments_advance(struct segments *g, struct pl_store_place *out_place,
                                      uint64_t epoch);
/* Writes a frame at g->at: once more, the same bytes at the same place, when that fails. */
PL_CHECKED pl_err pl_segments_write(struct segments *g, struct pl_span frame, int *out_errno);

/* ---- log.c ---------------------------------------------------------------------------------- */

struct pl_store {
    const uint8_t *root;
    pl_store_entropy *entropy;
    void (*wake)(void *ctx);
    void *ctx;
    struct pl_store_dir *dir;
    struct secrets *secrets;
    size_t frame_bytes;
    uint8_t vault_id[PL_VAULT_ID_BYTES];

    /* The log thread's alone. */
    struct pl_crypto *crypto;
    struct segments segments;
    uint8_t *frame_mem[2];

    /* Under the mutex. */
    pthread_mutex_t mutex;
    pthread_cond_t work, done;
    struct pl_frame open;  /* being filled; the other of the two is being written */
    unsigned open_in;      /* which frame_mem it fills */
    uint64_t open_frame;   /* its number since the start, from 1 */
    uint64_t frames_done;  /* frames that are durable or given up */
    struct pl_log_end end; /* the last durable frame */
    uint64_t marked_frame; /* snapshot mark: the frame whose end is wanted */
    struct pl_log_end marked;
    bool marked_known, stopping, running;
    pthread_t thread;
    pl_err error;
    struct pl_store_place place;

    _Atomic uint64_t durable;
    _Atomic int state;
};

PL_CHECKED pl_err pl_store_draw(const struct pl_store *s, uint8_t *out, size_t n);

#endif
