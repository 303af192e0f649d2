/* The socket side of pleiad-simd: one thread, one poll loop, bounded everything.
 *
 * A client is a connection and the process that made it. It registers, says hello (and is measured
 * then), and asks; each request is answered before the next is read. Quotes are made one at a time
 * and each takes quote_ms, as on hardware; past PL_SIMD_QUEUE waiting ones the answer is BUSY. */
#ifndef PL_SIMD_SERVER_H
#define PL_SIMD_SERVER_H

#include "daemons/simd/machine.h"

enum {
    PL_SIMD_CLIENTS = 128,      /* a further connection is closed at once */
    PL_SIMD_QUEUE = 64,         /* clients that wait for a quote, the one being made included */
    PL_SIMD_FRAME_MS = 5000,    /* from a request's first byte to its last; an answer likewise */
    PL_SIMD_REGISTER_MS = 5000, /* from connecting to being registered */
    PL_SIMD_QUOTE_MS_MAX = 60000,
};

struct pl_simd_config {
    struct pl_machine_config machine;
    const char *socket_path;
    unsigned quote_ms;
    int ready_fd; /* a byte is written to it, and it is closed, once the socket listens; -1: none */
};

/* Serves until SIGTERM or SIGINT. The folder of the socket must be this user's own and mode 0700.
 * SOCKET_PATH, SOCKET_FOLDER, SOCKET_BUSY, SOCKET, and those of pl_machine_open. */
PL_CHECKED pl_err pl_simd_serve(const struct pl_simd_config *config);

#endif
