/* A disk in memory behind the store's I/O table, that fails as disks do.
 *
 * Each file has what the system shows (its cache) and what would survive a power cut; writes get
 * from one to the other by sync, or at once when the file was opened PL_IO_DIRECT. Names are the
 * same: durable after sync of the directory. A sync that fails leaves the cache as it is and
 * forgets that it has to be written: a later sync that succeeds does not make it durable. That is
 * what Linux does.
 */
#ifndef PL_FAULT_MEMDISK_H
#define PL_FAULT_MEMDISK_H

#include "platform/store/io.h"

#include <stdbool.h>

enum md_fault {
    MD_NONE = 0,
    MD_EIO,    /* fails, no effect (sync: see above) */
    MD_ENOSPC, /* the same, for what needs room; others go on */
    MD_SHORT,  /* reads and writes do the first half only */
    MD_TORN,   /* a write reaches the medium in part, and fails */
    MD_CRASH,  /* the same, and nothing works from then on */
};

/* Which 512-byte sectors of a torn or crashed write arrive, `cut` being one of them. */
enum md_part {
    MD_BEFORE = 0, /* those before it */
    MD_AFTER,      /* those after it */
    MD_BUT,        /* all but that one */
};

/* What a power cut does to that which was not synced. */
enum md_loss { MD_LOSE_ALL = 0, MD_KEEP_ALL, MD_LOSE_SOME };

struct md_plan {
    enum md_fault fault;
    uint64_t from, calls; /* the calls from..from + calls - 1, counted from 0, are hit */
    enum md_part part;
    unsigned cut;
};

struct md_disk;

/* direct: 1 takes PL_IO_DIRECT; 0 refuses it; 2 takes it and refuses each write, as some file
 * systems do. */
struct md_disk *md_new(int direct);
void md_free(struct md_disk *d);
const struct pl_io *md_io(struct md_disk *d);
void md_plan(struct md_disk *d, struct md_plan plan); /* and counts calls from 0 again */
uint64_t md_calls(const struct md_disk *d);
/* Of the call that `from` hit: the sectors it wrote, 0 when it was no write or was not reached. */
unsigned md_hit_sectors(const struct md_disk *d);
bool md_crashed(const struct md_disk *d);
/* All files are closed and no fault is planned any more. power: the cache is lost, by `loss`. */
void md_restart(struct md_disk *d, bool power, enum md_loss loss, uint64_t seed);
/* Everything that was ever given to a write, whether it succeeded or not. */
void md_watch(struct md_disk *d, void (*each)(void *to, const void *p, size_t n), void *to);
/* A file as the system shows it: for planting damage. NULL: there is none. */
uint8_t *md_file(struct md_disk *d, const char *name, size_t *out_n);
void md_resize(struct md_disk *d, const char *name, size_t n);  /* durably; 0 removes */
const char *md_name(struct md_disk *d, unsigned i);             /* the i-th name; NULL: no more */
struct md_disk *md_copy(const struct md_disk *d);               /* files and names; nothing open */
bool md_same(const struct md_disk *a, const struct md_disk *b); /* as the system shows them */

#endif
