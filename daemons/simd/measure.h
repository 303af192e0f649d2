/* Measuring a process: which bytes run in it.
 *
 * Each file with an executable mapping in the process counts with the SHA-256 of its whole content
 * (so constants count, not only instructions), by content and not by path. And what runs must be
 * what was hashed: memory of every such mapping is compared with the file, the file must be the
 * one that is mapped (device and inode), and neither the list of mappings nor a file may change
 * while it is read. Refused: code in memory without a file, writable code, a process under a
 * tracer, a file that was replaced or deleted since.
 *
 * Not covered, by its nature: data and the stack, code that is loaded later (a program says hello
 * early), and whoever may trace the process between its start and its being non-dumpable. */
#ifndef PL_SIMD_MEASURE_H
#define PL_SIMD_MEASURE_H

#include "crypto/crypto.h"

#include <sys/types.h>

enum {
    PL_MEASURE_FILES_MAX = 64,
    PL_MEASURE_MAPS_MAX = 1 << 20,         /* text of /proc/PID/maps */
    PL_MEASURE_FILE_BYTES_MAX = 256 << 20, /* one program or library */
};

struct pl_measured {
    size_t n;
    uint8_t digest[PL_MEASURE_FILES_MAX][PL_SHA256_BYTES]; /* each file once, in no order */
    int mem;           /* the memory that was measured, kept open: the caller closes it; -1: none */
    uint64_t probe_at; /* an address in it */
};

/* Does the memory that was measured still belong to a process? False once it has ended or has
 * become another program by exec, which a pid and a pidfd do not show. */
bool pl_measured_lives(int mem, uint64_t probe_at);

/* The process that pidfd names; pid is its number here. MEASURE_GONE, MEASURE_TRACED,
 * MEASURE_CODE (code without a file, or writable), MEASURE_REPLACED, MEASURE_PATCHED,
 * MEASURE_UNSTABLE, MEASURE_LIMIT, MEASURE_ACCESS (not ours to read). */
PL_CHECKED pl_err pl_measure_process(struct pl_crypto *c, struct pl_measured *out, pid_t pid,
                                     int pidfd);
/* The content of one file, as it counts above. */
PL_CHECKED pl_err pl_measure_file(struct pl_crypto *c, uint8_t out[static PL_SHA256_BYTES],
                                  const char *path);

#endif
