/* One connection of pleiad-simd; used by server.c only. */
#ifndef PL_SIMD_CLIENT_H
#define PL_SIMD_CLIENT_H

#include "daemons/simd/server.h"

#include <sys/types.h>

enum client_state {
    CLIENT_FREE = 0,
    CLIENT_NEW,        /* has said nothing */
    CLIENT_REGISTERED, /* has said what it is to be called and what files it brings */
    CLIENT_MEASURED,   /* has a verdict */
};

struct client {
    enum client_state state;
    int fd, pidfd;
    pid_t pid;
    struct pl_wr in;  /* of one frame; REGISTER's stays for MEASURED as `image_bytes` */
    struct pl_wr out; /* the answer */
    size_t sent;
    int64_t deadline_ms; /* 0: none */
    struct pl_wr image_bytes;
    struct pl_sim_image image; /* into image_bytes */
    struct pl_verdict verdict;
    int mem; /* with probe_at: the memory that the verdict is about; -1 before */
    uint64_t probe_at;
    bool wants_quote;
    uint64_t ticket; /* place in the queue for quotes: the lowest is next */
    uint8_t report_data[PL_TEE_REPORT_DATA_BYTES];
};

/* Takes an accepted descriptor. False, and it is closed, when the peer cannot be known or is
 * another user. */
bool client_open(struct client *k, int fd, int64_t now_ms);
void client_close(struct client *k, const char *why); /* why NULL: nothing is logged */
/* Reads what is there; false ends the connection. *out_complete when a whole request is in. */
bool client_read(struct client *k, int64_t now_ms, bool *out_complete);
/* Sends what is left; false ends the connection. */
bool client_write(struct client *k);
/* Acts on the request in k->in and prepares its answer, or sets wants_quote. False: malformed. */
bool client_act(struct client *k, struct pl_machine *m, bool queue_full);
/* Makes the quote that was asked for the answer. */
void client_quote(struct client *k, struct pl_machine *m);
/* Starts the clock for the answer's delivery. */
void client_answering(struct client *k, int64_t now_ms);
static inline bool client_busy(const struct client *k) { return k->wants_quote || k->out.n; }

#endif
