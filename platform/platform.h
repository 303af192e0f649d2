/* Everything impure that stands alone: memory that holds secrets, entropy, clocks, files, the
 * process itself, what the CPU can do. Linux. Core never includes this. All functions may be called
 * from any thread. Errors that come from the kernel leave errno as the kernel set it.
 */
#ifndef PL_PLATFORM_PLATFORM_H
#define PL_PLATFORM_PLATFORM_H

#include "base/base.h"

/* Memory for secrets: its own mapping between two guard pages, never swapped (mlock), left out of
 * core dumps, empty in a forked child. The core gets it as an arena. */
struct pl_locked {
    uint8_t *base; /* page aligned, zeroed; NULL when there is none */
    size_t size;   /* what was asked for, rounded up to whole pages */
};

/* At most 4 MiB (LOCKED_SIZE): RLIMIT_MEMLOCK is 8 MiB for ordinary users. MEMLOCK when the kernel
 * refuses. *out is zeros on error. */
enum { PL_LOCKED_MAX = 4 << 20 };
PL_CHECKED pl_err pl_locked_map(struct pl_locked *out, size_t size);
struct pl_arena pl_locked_arena(const struct pl_locked *m); /* an empty arena over all of it */
void pl_locked_unmap(struct pl_locked *m);                  /* wipes; zeros and NULL allowed */

/* n bytes of the kernel's generator, which has been seeded (getrandom without flags). ENTROPY on
 * failure, and then out is zeros: no caller can mistake it for a key that was drawn. */
PL_CHECKED pl_err pl_entropy(void *out, size_t n);

/* Seconds since 1970 as the host tells it, which a vault does not believe. CLOCK on failure. */
PL_CHECKED pl_err pl_clock_wall(int64_t *out_s);
/* Since some moment in the past; never goes back; stands still while the machine sleeps. */
int64_t pl_clock_mono_ms(void);
int64_t pl_clock_mono_ns(void);

/* Not dumpable, not traceable by its own user, no core file, no new privileges by exec. HARDEN on
 * failure. An exec resets all but the last. */
PL_CHECKED pl_err pl_process_harden(void);

/* The code that fits an errno of a file operation: FILE_MISSING, FILE_EXISTS, FILE_ACCESS,
 * DISK_FULL, FILE_KIND, FILE_IO. */
enum pl_code pl_file_code(int error);
pl_err pl_file_err(int error); /* the same as an error; never PL_OK */

/* Reads all of an open descriptor, from where it stands, into out; FILE_SIZE when there is more
 * than cap (and out then holds the first cap bytes). Short reads and EINTR are resumed. */
PL_CHECKED pl_err pl_fd_read(int fd, uint8_t *out, size_t cap, size_t *out_n);
/* The same for a path (a FIFO or /dev/stdin will do), appended to a growing writer, at most
 * max_bytes. Nothing is appended on error. A writer that is freed wipes what it held. */
PL_CHECKED pl_err pl_file_read(struct pl_wr *out, const char *path, size_t max_bytes);
PL_CHECKED pl_err pl_fd_write(int fd, struct pl_span bytes); /* all of them, or an error */

/* The whole file or none of it, also across a crash: a temporary file beside it (same name, a dot,
 * 16 random digits), fsync, rename, fsync of the folder. `mode` are the exact permissions.
 * PL_FILE_NEW refuses an existing path (FILE_EXISTS) without a gap; symbolic links at `path` are
 * replaced, never followed. After a crash the temporary file may stay; when only the fsync of the
 * folder failed, a replaced file is in place though an error is returned. */
enum pl_file_how { PL_FILE_NEW = 1, PL_FILE_REPLACE };
PL_CHECKED pl_err pl_file_write(const char *path, struct pl_span bytes, unsigned mode,
                                enum pl_file_how how);

/* What this CPU offers and the kernel lets us use (cpuid and xgetbv); 0 on other machines. */
enum pl_cpu {
    PL_CPU_SSSE3 = 1 << 0,
    PL_CPU_AVX2 = 1 << 1,
    PL_CPU_GFNI = 1 << 2,
    PL_CPU_AVX512F = 1 << 3,
    PL_CPU_AVX512BW = 1 << 4,
};
unsigned pl_cpu_features(void); /* a mask of enum pl_cpu */

#endif
