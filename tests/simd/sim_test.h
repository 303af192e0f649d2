/* For tests that run pleiad-simd and programs on it. Paths of the programs come from the
 * environment: PLEIAD, PLEIAD_SIMD, SIMD_APP. All files are in a private folder that goes away. */
#ifndef PL_TESTS_SIMD_SIM_TEST_H
#define PL_TESTS_SIMD_SIM_TEST_H

#include "test.h"

#include <sys/types.h>

struct machine {
    char dir[256], socket_path[300];
    pid_t pid;
};

const char *sim_path(const char *name); /* in the private folder; ring of 16 */
const char *sim_env(const char *name);  /* aborts when it is not set */
/* Starts a machine in the folder of this name, with further options (NULL-ended), and waits until
 * it listens. */
bool machine_start(struct machine *m, const char *name, const char *const *options);
int machine_stop(struct machine *m); /* its exit code; -1 when it was killed */
/* Runs a program; its output in `out` (cap bytes, NUL-terminated). The exit code, -1 on a signal.
 */
int sim_run(char *out, size_t cap, const char *const *argv);
/* `pleiad sim run` on a machine: argv of the program after it, options before. */
int sim_app(const struct machine *m, char *out, size_t cap, const char *const *options,
            const char *const *program);
bool sim_copy(const char *to, const char *from, const char *find, const char *replace);
bool sim_write(const char *path, const char *text);

/* A raw connection. */
int raw_connect(const struct machine *m);
bool raw_send(int fd, uint8_t kind, struct pl_span body);
/* The status of the next answer, 0 when the connection ended, -1 after 20 s. */
int raw_answer(int fd);
bool raw_register(int fd, const char *name); /* and its answer */

#endif
