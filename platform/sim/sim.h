/* What a process and pleiad-simd say to each other over a Unix stream socket.
 *
 *     frame     u32 length (big endian, of what follows; 1 to the limit below), u8 kind, body
 *     request   kind is an enum pl_sim_op; one at a time: simd reads no further until it answered
 *     answer    kind is an enum pl_sim_status; a body only after OK
 *     vec       u32 length, bytes
 *
 *     REGISTER   u16 prod_id, u16 svn, vec name, u8 n, n times {vec name, vec bytes}  -> nothing
 *     HELLO      nothing              -> u8 flags, mrenclave 32, mrsigner 32, u16 prod_id, u16 svn
 *     EVIDENCE   report data 64       -> the quote
 *     SEAL_KEY   label 1..64          -> key 32
 *     MEASURED   nothing              -> u8 n, n times {vec name, vec bytes}
 *     COLLATERAL nothing              -> the same
 *
 * `pleiad sim run` connects, REGISTERs, puts the descriptor's number into PLEIAD_SIM_FD and execs
 * the program in the same process. The program says HELLO once it is loaded; simd then measures
 * the process that connected and stores the verdict with the connection. What was registered is
 * part of the measurement, so it needs no secret: a process may register whatever it likes and
 * gets the measurement of that. After HELLO the program makes itself non-dumpable.
 *
 * The verdict belongs to one process on one connection. simd compares the sender's process id that
 * the kernel attaches to each piece it receives (SCM_CREDENTIALS) with the one it measured, and
 * watches that process by pidfd; a piece from anyone else, or a descriptor passed along, ends the
 * connection. The answer goes to whoever holds the socket: the measured program keeps its
 * descriptor to itself (close on exec, not dumpable).
 *
 * What is registered and refused, and how long each step may take: docs/man/pleiad-simd.8. */
#ifndef PL_PLATFORM_SIM_SIM_H
#define PL_PLATFORM_SIM_SIM_H

#include "platform/tee/tee.h"

#define PL_SIM_FD_ENV "PLEIAD_SIM_FD"

enum {
    PL_SIM_NAME_MAX = 64,
    PL_SIM_FILE_MAX = 64 * 1024,              /* one measured file */
    PL_SIM_REQUEST_MAX = 9 * PL_SIM_FILE_MAX, /* PL_TEE_MEASURED_MAX files and the rest */
    PL_SIM_ANSWER_MAX = 2 * 1024 * 1024,
    PL_SIM_HELLO_BYTES = 1 + 32 + 32 + 2 + 2,
    PL_SIM_ANSWER_MS = 10000, /* how long any answer but evidence may take */
};

enum pl_sim_op {
    PL_SIM_REGISTER = 1,
    PL_SIM_HELLO,
    PL_SIM_EVIDENCE,
    PL_SIM_SEAL_KEY,
    PL_SIM_MEASURED,
    PL_SIM_COLLATERAL,
};

enum pl_sim_status {
    PL_SIM_OK = 1,
    PL_SIM_BUSY,    /* too many wait for a quote: try again */
    PL_SIM_REFUSED, /* this process is not measured, or cannot be; simd says why on stderr */
    PL_SIM_BAD,     /* malformed; the connection ends */
    PL_SIM_FAILED,  /* simd's own trouble */
};

enum { PL_SIM_FLAG_DEBUG = 1, PL_SIM_FLAG_TIMER = 2 };

/* What `pleiad sim run` registers. Spans are borrowed. */
struct pl_sim_image {
    char name[PL_SIM_NAME_MAX + 1]; /* printable ASCII, 1 to 64 */
    uint16_t prod_id, svn;
    size_t files;
    struct {
        char name[PL_TEE_FILE_NAME_MAX + 1]; /* base name, printable ASCII; each once */
        struct pl_span bytes;
    } file[PL_TEE_MEASURED_MAX];
};

void pl_sim_image_write(struct pl_wr *w, const struct pl_sim_image *image);
/* TRUNCATED, TRAILING, or TEE_REFUSED for a name that is not allowed. */
PL_CHECKED pl_err pl_sim_image_read(struct pl_sim_image *out, struct pl_span in);
/* The measurement: SHA-256 over the digests (sorted in place) of the n files whose code runs, and
 * all that is registered. Pure; the one definition, for simd and for `pleiad sim measure`. */
struct pl_crypto;
PL_CHECKED pl_err pl_sim_mrenclave(struct pl_crypto *c, uint8_t out[static 32],
                                   uint8_t (*digest)[32], size_t n,
                                   const struct pl_sim_image *image);
/* MRSIGNER of every simulated program: there is one development signer. */
PL_CHECKED pl_err pl_sim_mrsigner(struct pl_crypto *c, uint8_t out[static 32]);

/* {u8 n, n times {vec name, vec bytes}} appended to / parsed from borrowed bytes. */
PL_CHECKED pl_err pl_sim_files_read(struct pl_tee_files *out, struct pl_span in);

/* Connects. TEE_NONE when nobody listens there; FILE_KIND when the path is too long. */
PL_CHECKED pl_err pl_sim_connect(int *out_fd, const char *socket_path);
/* One request and its answer's body, appended to out. TEE_BUSY also when the first byte of the
 * answer did not come in time: then the answer is still owed, and pl_sim_answer reads it. After
 * TEE_DEVICE the connection is of no more use. */
PL_CHECKED pl_err pl_sim_call(int fd, enum pl_sim_op op, struct pl_span body, struct pl_wr *out,
                              unsigned timeout_ms, bool *out_owed);
PL_CHECKED pl_err pl_sim_answer(int fd, struct pl_wr *out, unsigned timeout_ms, bool *out_owed);

#endif
