#include "sim_test.h"
#include "platform/platform.h"
#include "platform/sim/sim.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WAIT_MS = 20000, ARGS_MAX = 64 };

extern char **environ;
static char folder[200];

__attribute__((constructor)) static void make_folder(void)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(folder, sizeof(folder), "%s/pleiad-simd.XXXXXX", tmp ? tmp : "/tmp");
    PL_ASSERT(mkdtemp(folder));
}

__attribute__((destructor)) static void remove_folder(void)
{
    const char *argv[] = {"/bin/rm", "-rf", folder, NULL};
    char out[256];
    sim_run(out, sizeof(out), argv);
}

const char *sim_path(const char *name)
{
    static char ring[16][300];
    static unsigned at;
    char *p = ring[at++ % 16];
    snprintf(p, sizeof(ring[0]), "%s/%s", folder, name);
    return p;
}

const char *sim_env(const char *name)
{
    const char *v = getenv(name);
    PL_ASSERT(v);
    return v;
}

static pid_t spawn(const char *const *argv, int out_fd, int keep_fd)
{
    char *copy[ARGS_MAX + 1] = {0};
    posix_spawn_file_actions_t acts;
    pid_t pid = -1;
    for (size_t i = 0; argv[i]; i++) {
        PL_ASSERT(i < ARGS_MAX);
        copy[i] = strdup(argv[i]);
    }
    PL_ASSERT(posix_spawn_file_actions_init(&acts) == 0);
    if (out_fd >= 0)
        posix_spawn_file_actions_adddup2(&acts, out_fd, 1);
    if (keep_fd >= 0) /* onto itself: clears close-on-exec */
        posix_spawn_file_actions_adddup2(&acts, keep_fd, keep_fd);
    if (posix_spawn(&pid, argv[0], &acts, NULL, copy, environ) != 0)
        pid = -1;
    posix_spawn_file_actions_destroy(&acts);
    for (size_t i = 0; copy[i]; i++)
        free(copy[i]);
    return pid;
}

static int exit_code(pid_t pid)
{
    int status;
    if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
        return -1;
    return WEXITSTATUS(status);
}

int sim_run(char *out, size_t cap, const char *const *argv)
{
    int ends[2];
    size_t n = 0;
    PL_ASSERT(pipe2(ends, O_CLOEXEC) == 0);
    pid_t pid = spawn(argv, ends[1], -1);
    close(ends[1]);
    (void)!pl_fd_read(ends[0], (uint8_t *)out, cap - 1, &n);
    out[n] = '\0';
    close(ends[0]);
    return exit_code(pid);
}

static void add(const char **argv, size_t *n, const char *const *more)
{
    for (size_t i = 0; more && more[i]; i++) {
        PL_ASSERT(*n < ARGS_MAX - 1);
        argv[(*n)++] = more[i];
    }
    argv[*n] = NULL;
}

static bool authority(const char *path)
{
    char out[256];
    struct stat st;
    const char *argv[] = {sim_env("PLEIAD_SIMD"), "--new-authority", path, NULL};
    return stat(path, &st) == 0 || sim_run(out, sizeof(out), argv) == 0;
}

static bool said_ready(int fd)
{
    char byte;
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, WAIT_MS) == 1 && read(fd, &byte, 1) == 1;
}

bool machine_start(struct machine *m, const char *name, const char *const *options)
{
    char number[16];
    const char *argv[ARGS_MAX], *auth = sim_path("authority");
    int ends[2];
    size_t n = 0;
    snprintf(m->dir, sizeof(m->dir), "%s", sim_path(name));
    snprintf(m->socket_path, sizeof(m->socket_path), "%s/simd.sock", m->dir);
    (void)mkdir(m->dir, 0700);
    PL_ASSERT(pipe2(ends, O_CLOEXEC) == 0);
    snprintf(number, sizeof(number), "%d", ends[1]);
    const char *first[] = {sim_env("PLEIAD_SIMD"), "--dir", m->dir, "--authority", auth,
                           "--ready-fd",           number,  NULL};
    add(argv, &n, first);
    add(argv, &n, options);
    m->pid = authority(auth) ? spawn(argv, -1, ends[1]) : -1;
    close(ends[1]);
    bool ok = m->pid > 0 && said_ready(ends[0]);
    close(ends[0]);
    return ok;
}

int machine_stop(struct machine *m)
{
    if (m->pid > 0)
        kill(m->pid, SIGTERM);
    int code = exit_code(m->pid);
    m->pid = -1;
    return code;
}

int sim_app(const struct machine *m, char *out, size_t cap, const char *const *options,
            const char *const *program)
{
    const char *argv[ARGS_MAX];
    const char *first[] = {sim_env("PLEIAD"), "sim", "run", "--socket", m->socket_path, NULL};
    const char *dashes[] = {"--", NULL};
    size_t n = 0;
    add(argv, &n, first);
    add(argv, &n, options);
    add(argv, &n, dashes);
    add(argv, &n, program);
    return sim_run(out, cap, argv);
}

bool sim_write(const char *path, const char *text)
{
    return pl_file_write(path, pl_span_str(text), 0644, PL_FILE_REPLACE) == PL_OK;
}

/* A copy of a program; `replace`, as long as `find`, instead of the first `find` in it. */
bool sim_copy(const char *to, const char *from, const char *find, const char *replace)
{
    struct pl_wr b PL_CLEANUP(pl_wr_free) = pl_wr_heap(64 << 20);
    if (pl_file_read(&b, from, 64 << 20) != PL_OK)
        return false;
    if (find) {
        uint8_t *at = memmem(b.p, b.n, find, strlen(find));
        if (!at)
            return false;
        memcpy(at, replace, strlen(replace));
    }
    return pl_file_write(to, pl_wr_span(&b), 0755, PL_FILE_REPLACE) == PL_OK;
}

int raw_connect(const struct machine *m)
{
    int fd = -1;
    return pl_sim_connect(&fd, m->socket_path) == PL_OK ? fd : -1;
}

bool raw_send(int fd, uint8_t kind, struct pl_span body)
{
    struct pl_wr w PL_CLEANUP(pl_wr_free) = pl_wr_heap(1 << 20);
    pl_wr_be32(&w, (uint32_t)body.n + 1);
    pl_wr_u8(&w, kind);
    pl_wr_bytes(&w, body);
    return send(fd, w.p, w.n, MSG_NOSIGNAL) == (ssize_t)w.n;
}

int raw_answer(int fd)
{
    uint8_t head[5], skip[4096];
    size_t got = 0;
    struct pollfd p = {.fd = fd, .events = POLLIN};
    while (got < sizeof(head)) {
        if (poll(&p, 1, WAIT_MS) != 1)
            return -1;
        ssize_t n = recv(fd, head + got, sizeof(head) - got, 0);
        if (n <= 0)
            return 0;
        got += (size_t)n;
    }
    struct pl_rd r = pl_rd(PL_ARR(head));
    for (size_t left = pl_rd_be32(&r) - 1; left;) {
        ssize_t n = recv(fd, skip, left < sizeof(skip) ? left : sizeof(skip), 0);
        if (n <= 0)
            return 0;
        left -= (size_t)n;
    }
    return head[4];
}

bool raw_register(int fd, const char *name)
{
    struct pl_sim_image image = {.svn = 1};
    struct pl_wr w PL_CLEANUP(pl_wr_free) = pl_wr_heap(4096);
    snprintf(image.name, sizeof(image.name), "%s", name);
    pl_sim_image_write(&w, &image);
    return raw_send(fd, PL_SIM_REGISTER, pl_wr_span(&w)) && raw_answer(fd) == PL_SIM_OK;
}
