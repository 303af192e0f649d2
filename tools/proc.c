#include "tools/proc.h"
#include "platform/platform.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { STAT_MAX = 4096, LOG_TAIL_MAX = 4 << 20 };

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* ---- which program, which process ---- */

pl_err tool_program(char out[static PATH_MAX], const char *name)
{
    static const char *const beside[] = {"",
                                         "../sbin/",
                                         "../bin/",
                                         "../daemons/simd/",
                                         "../daemons/vaultd/",
                                         "../daemons/registryd/",
                                         "../tools/"};
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    PL_REQUIRE(n > 0, DEV_PROGRAM);
    self[n] = '\0';
    char *slash = strrchr(self, '/');
    PL_REQUIRE(slash, DEV_PROGRAM);
    slash[1] = '\0';
    for (size_t i = 0; i < sizeof(beside) / sizeof(*beside); i++) {
        int made = snprintf(out, PATH_MAX, "%s%s%s", self, beside[i], name);
        if (made > 0 && made < PATH_MAX && access(out, X_OK) == 0)
            return PL_OK;
    }
    return PL_FAIL(DEV_PROGRAM);
}

/* /proc/PID/NAME as text; "" when there is no such process. */
static void about(char out[static STAT_MAX], pid_t pid, const char *name)
{
    char path[64];
    size_t n = 0;
    *out = '\0';
    snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    pl_err e = pl_fd_read(fd, (uint8_t *)out, STAT_MAX - 1, &n);
    close(fd);
    out[e == PL_OK ? n : 0] = '\0';
}

/* The 22nd field; the second, the name, is in brackets and may hold anything. 0: no such process,
 * or one that has ended and only waits to be reaped. */
static uint64_t born(pid_t pid)
{
    char text[STAT_MAX];
    about(text, pid, "stat");
    char *at = strrchr(text, ')');
    if (!at || at[1] != ' ' || at[2] == 'Z')
        return 0;
    for (int field = 2; at && field < 22; field++)
        at = strchr(at + 1, ' ');
    return at ? strtoull(at + 1, NULL, 10) : 0;
}

/* SIGKILL has been sent: it runs no code of its own any more, but is not gone yet. */
static bool dying(pid_t pid)
{
    static const char field[] = "\nShdPnd:\t";
    char text[STAT_MAX];
    about(text, pid, "status");
    const char *at = strstr(text, field);
    return at && strtoull(at + sizeof(field) - 1, NULL, 16) >> (SIGKILL - 1) & 1;
}

static bool gone(int pidfd, int64_t until_ms)
{
    struct pollfd f = {.fd = pidfd, .events = POLLIN};
    for (;;) {
        int64_t left = until_ms - pl_clock_mono_ms();
        int got = poll(&f, 1, left > 0 ? (int)left : 0);
        if (got > 0)
            return true;
        if (got == 0 || errno != EINTR)
            return false;
    }
}

/* It still holds its files while it dies, so whoever asks waits until it does not. */
static bool runs(pid_t pid, uint64_t when)
{
    int fd PL_CLEANUP(close_fd) = pidfd_open(pid, 0);
    if (fd < 0 || born(pid) != when)
        return false;
    return !dying(pid) || !gone(fd, pl_clock_mono_ms() + TOOL_STOP_MS);
}

struct tool_proc tool_proc_find(const char *pid_file)
{
    struct tool_proc p = {0};
    char *at;
    struct pl_wr w PL_CLEANUP(pl_wr_free) = pl_wr_heap(128);
    if (pl_file_read(&w, pid_file, 100) != PL_OK)
        return p;
    pl_wr_u8(&w, 0);
    if (pl_wr_end(&w) != PL_OK)
        return p;
    long pid = strtol((const char *)w.p, &at, 10);
    if (pid <= 1 || pid > INT_MAX || *at != ' ')
        return p;
    uint64_t when = strtoull(at + 1, &at, 10);
    if (*at == '\n' && when && runs((pid_t)pid, when))
        p = (struct tool_proc){.pid = (pid_t)pid, .born = when};
    return p;
}

static pl_err write_pid(const char *path, const struct tool_proc *p)
{
    char text[64];
    int n = snprintf(text, sizeof(text), "%d %" PRIu64 "\n", (int)p->pid, p->born);
    return pl_file_write(path, pl_span(text, (size_t)n), 0600, PL_FILE_REPLACE);
}

/* ---- ending one ---- */

pl_err tool_proc_stop(struct tool_proc p, const char *pid_file)
{
    if (p.pid > 1) {
        int fd = pidfd_open(p.pid, 0);
        /* Asked again now that the descriptor holds on to whoever has the number. */
        if (fd >= 0 && born(p.pid) == p.born) {
            bool ok = pidfd_send_signal(fd, SIGTERM, NULL, 0) == 0 &&
                      gone(fd, pl_clock_mono_ms() + TOOL_STOP_MS);
            if (!ok)
                ok = pidfd_send_signal(fd, SIGKILL, NULL, 0) == 0 &&
                     gone(fd, pl_clock_mono_ms() + TOOL_STOP_MS);
            if (!ok && born(p.pid) == p.born) {
                close(fd);
                return PL_FAIL(DEV_STOP);
            }
        }
        close_fd(&fd);
        waitpid(p.pid, NULL, WNOHANG); /* where it is a child of ours */
    }
    if (pid_file)
        unlink(pid_file);
    return PL_OK;
}

/* ---- starting one ---- */

static pl_err spawn(pid_t *out, const char *const *argv, int out_fd, int err_fd, int ready_fd)
{
    posix_spawn_file_actions_t acts;
    posix_spawnattr_t attr;
    sigset_t none;
    PL_REQUIRE(posix_spawn_file_actions_init(&acts) == 0, NO_MEMORY);
    if (posix_spawnattr_init(&attr) != 0) {
        posix_spawn_file_actions_destroy(&acts);
        return PL_FAIL(NO_MEMORY);
    }
    sigemptyset(&none);
    bool ok =
        posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK) == 0 &&
        posix_spawnattr_setsigmask(&attr, &none) == 0 &&
        posix_spawn_file_actions_addopen(&acts, 0, "/dev/null", O_RDONLY, 0) == 0 &&
        posix_spawn_file_actions_adddup2(&acts, out_fd, 1) == 0 &&
        posix_spawn_file_actions_adddup2(&acts, err_fd, 2) == 0 &&
        (ready_fd < 0 || posix_spawn_file_actions_adddup2(&acts, ready_fd, TOOL_READY_FD) == 0);
    union {
        const char *const *from;
        char *const *to; /* posix_spawn changes nothing in it */
    } args = {.from = argv};
    ok = ok && posix_spawn(out, argv[0], &acts, &attr, args.to, environ) == 0;
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&acts);
    PL_REQUIRE(ok, DEV_START);
    return PL_OK;
}

static pl_err open_log(int *out, const char *path)
{
    *out = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    return *out >= 0 ? PL_OK : pl_file_err(errno);
}

/* One line of the log. True when it is the event that is waited for. */
static bool ready_line(struct pl_span line, const struct tool_proc_start *how)
{
    struct pl_json j;
    struct pl_span key;
    char event[32] = "", id[65] = "", port[8] = "";
    pl_json_init(&j, line);
    for (pl_json_object(&j); pl_json_key(&j, &key);)
        if (pl_span_is(key, "event"))
            pl_json_str(&j, event, sizeof(event), 1, NULL);
        else if (pl_span_is(key, "vault_id"))
            pl_json_str(&j, id, sizeof(id), 0, NULL);
        else if (pl_span_is(key, "port"))
            pl_json_str(&j, port, sizeof(port), 0, NULL);
        else
            pl_json_skip(&j);
    if (pl_json_end(&j) != PL_OK || strcmp(event, "ready") != 0)
        return false;
    if (how->vault_id)
        snprintf(how->vault_id, sizeof(id), "%s", id);
    if (how->port)
        *how->port = (unsigned)strtoul(port, NULL, 10);
    return true;
}

static bool ready_in_log(const struct tool_proc_start *how, off_t from)
{
    bool found = false;
    struct pl_wr w PL_CLEANUP(pl_wr_free) = pl_wr_heap(LOG_TAIL_MAX);
    if (pl_file_read(&w, how->log, LOG_TAIL_MAX) != PL_OK || w.n < (size_t)from)
        return false;
    struct pl_span s = pl_span(w.p + from, w.n - (size_t)from);
    while (s.n && !found) {
        const uint8_t *end = memchr(s.p, '\n', s.n);
        if (!end)
            break;
        size_t n = (size_t)(end - s.p);
        found = ready_line(pl_span(s.p, n), how);
        s = pl_span_sub(s, n + 1, s.n - n - 1);
    }
    return found;
}

/* Until it is ready, it ended, or the deadline. watch: the pipe, or inotify on the log. */
static bool wait_ready(const struct tool_proc_start *how, int watch, int pidfd, off_t from)
{
    int64_t until = pl_clock_mono_ms() + TOOL_READY_MS;
    char bytes[4096];
    for (;;) {
        struct pollfd f[2] = {{.fd = watch, .events = POLLIN}, {.fd = pidfd, .events = POLLIN}};
        if (!how->ready_fd && ready_in_log(how, from))
            return true;
        int64_t left = until - pl_clock_mono_ms();
        int got = left > 0 ? poll(f, 2, (int)left) : 0;
        if (got == 0 || (got < 0 && errno != EINTR) || (got > 0 && f[1].revents))
            return false;
        if (got > 0 && f[0].revents) {
            ssize_t n = read(watch, bytes, sizeof(bytes));
            if (how->ready_fd)
                return n > 0;
        }
    }
}

static pl_err start(struct tool_proc *out, const struct tool_proc_start *how, int log_fd,
                    int ready_fd, int *watch)
{
    off_t from = lseek(log_fd, 0, SEEK_END);
    if (!how->ready_fd) {
        *watch = inotify_init1(IN_CLOEXEC);
        PL_REQUIRE(*watch >= 0 && inotify_add_watch(*watch, how->log, IN_MODIFY) >= 0, DEV_START);
    }
    PL_TRY(spawn(&out->pid, how->argv, log_fd, log_fd, ready_fd));
    out->born = born(out->pid);
    int pidfd PL_CLEANUP(close_fd) = pidfd_open(out->pid, 0);
    if (ready_fd >= 0)
        close(ready_fd); /* so that its end shows when the child ends */
    pl_err e = how->pid_file ? write_pid(how->pid_file, out) : PL_OK;
    if (e == PL_OK && (pidfd < 0 || !wait_ready(how, *watch, pidfd, from)))
        e = PL_FAIL(DEV_START);
    if (e == PL_OK)
        return PL_OK;
    if (tool_proc_stop(*out, how->pid_file) != PL_OK)
        return PL_FAIL(DEV_STOP);
    out->pid = 0;
    return e;
}

pl_err tool_proc_run(struct tool_proc *out, const struct tool_proc_start *how)
{
    int ends[2] = {-1, -1};
    int log_fd PL_CLEANUP(close_fd) = -1;
    *out = (struct tool_proc){0};
    PL_TRY(open_log(&log_fd, how->log));
    PL_REQUIRE(!how->ready_fd || pipe2(ends, O_CLOEXEC) == 0, DEV_START);
    int watch PL_CLEANUP(close_fd) = ends[0];
    return start(out, how, log_fd, ends[1], &watch);
}

pl_err tool_proc_wait(const char *const *argv, const char *out, const char *log)
{
    pid_t pid = -1;
    int status = -1;
    int log_fd PL_CLEANUP(close_fd) = -1;
    PL_TRY(open_log(&log_fd, log));
    int out_fd PL_CLEANUP(close_fd) =
        open(out ? out : "/dev/null", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    PL_REQUIRE(out_fd >= 0, FILE_ACCESS);
    PL_TRY(spawn(&pid, argv, out_fd, log_fd, -1));
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    PL_REQUIRE(WIFEXITED(status) && WEXITSTATUS(status) == 0, DEV_START);
    return PL_OK;
}
