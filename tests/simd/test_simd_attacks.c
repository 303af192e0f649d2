/* Whoever tries to get a verdict that is another's, or to make pleiad-simd wait or swallow. */
#include "sim_test.h"
#include "daemons/simd/measure.h"
#include "daemons/simd/server.h"
#include "platform/platform.h"
#include "platform/sim/sim.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})
#define LABEL     PL_LIT("root")
#define EMPTY     pl_span(NULL, 0)
enum { OUT = 4096 };

static struct machine *shared(void)
{
    static struct machine m;
    if (m.pid <= 0 && !machine_start(&m, "shared", NULL))
        m.pid = -1;
    return &m;
}

__attribute__((destructor)) static void stop_shared(void)
{
    if (shared()->pid > 0)
        (void)machine_stop(shared());
}

static bool hello(int fd) { return raw_send(fd, PL_SIM_HELLO, EMPTY); }
/* A connection of this process with a verdict. */
static int measured_fd(const struct machine *m)
{
    int fd = raw_connect(m);
    CHECK(fd >= 0 && raw_register(fd, "test") && hello(fd) && raw_answer(fd) == PL_SIM_OK);
    return fd;
}

/* Runs `what` in a child; its exit code. */
static int in_child(int (*what)(int fd), int fd)
{
    int status = -1;
    CHECK(shared()->pid > 0); /* started here: a child would leave its own machine behind */
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        alarm(30);
        _exit(what(fd));
    }
    bool ended = pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status);
    return ended ? WEXITSTATUS(status) : -1;
}

/* --- the verdict belongs to one process on one connection --- */

static int ask_key(int fd) { return raw_send(fd, PL_SIM_SEAL_KEY, LABEL) ? raw_answer(fd) : 0; }

TEST(a_child_cannot_use_its_parents_connection)
{
    int fd = measured_fd(shared());
    CHECK(ask_key(fd) == PL_SIM_OK);
    CHECK(in_child(ask_key, fd) == 0);
    CHECK(ask_key(fd) == 0); /* and it is over for the parent too */
    close(fd);
}

TEST(a_child_cannot_be_measured_on_its_parents_connection)
{
    int fd = raw_connect(shared());
    CHECK(raw_register(fd, "test"));
    CHECK(hello(fd) && raw_answer(fd) == PL_SIM_OK);
    close(fd);
    fd = raw_connect(shared());
    CHECK(raw_register(fd, "test"));
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0)
        _exit(hello(fd) ? raw_answer(fd) : 99);
    int status = -1;
    CHECK(waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 0);
    close(fd);
}

/* A process with a verdict passes the descriptor to us, and waits until we have tried it. */
static int pass_descriptor(int channel)
{
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {0};
    char byte = 0;
    struct iovec iov = {&byte, 1};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = &control,
                         .msg_controllen = sizeof(control)};
    int fd = measured_fd(shared());
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(c), &fd, sizeof(fd));
    bool ok = sendmsg(channel, &msg, 0) == 1 && read(channel, &byte, 1) == 1;
    return ok ? 0 : 1;
}

static int take_descriptor(int channel)
{
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(sizeof(int))];
    } control;
    char byte;
    int fd = -1;
    struct iovec iov = {&byte, 1};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = &control,
                         .msg_controllen = sizeof(control)};
    struct cmsghdr *c = recvmsg(channel, &msg, 0) == 1 ? CMSG_FIRSTHDR(&msg) : NULL;
    if (c)
        memcpy(&fd, CMSG_DATA(c), sizeof(fd));
    return fd;
}

TEST(a_descriptor_that_was_passed_on_is_worth_nothing)
{
    int ends[2], status = -1;
    NEED(CHECK(shared()->pid > 0));
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        alarm(30);
        _exit(pass_descriptor(ends[1]));
    }
    close(ends[1]);
    int fd = take_descriptor(ends[0]);
    CHECK(fd >= 0);
    CHECK(ask_key(fd) == 0);
    CHECK(write(ends[0], "", 1) == 1 && waitpid(pid, &status, 0) == pid && status == 0);
    close(fd), close(ends[0]);
}

/* The owner ends while a thief holds the descriptor: the pidfd tells, not the socket. */
TEST(a_verdict_dies_with_its_process)
{
    int ends[2], status = -1;
    NEED(CHECK(shared()->pid > 0));
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        alarm(30);
        _exit(pass_descriptor(ends[1]));
    }
    close(ends[1]);
    int fd = take_descriptor(ends[0]);
    CHECK(fd >= 0 && write(ends[0], "", 1) == 1 && waitpid(pid, &status, 0) == pid);
    CHECK(raw_answer(fd) == 0); /* closed without a word from us */
    close(fd), close(ends[0]);
}

/* Same process id, same pidfd, same descriptor: another program, which sends the request it finds
 * in a file, and lives on until its standard input ends. */
static int become_another(int fd, int input)
{
    if (dup2(input, 0) != 0 || dup2(fd, 1) != 1)
        return 99;
    execl("/bin/cat", "cat", sim_path("request"), "-", (char *)NULL);
    return 98;
}

TEST(exec_ends_the_verdict)
{
    uint8_t frame[] = {0, 0, 0, 5, PL_SIM_SEAL_KEY, 'r', 'o', 'o', 't'};
    int status = -1, ends[2];
    CHECK_OK(pl_file_write(sim_path("request"), PL_ARR(frame), 0600, PL_FILE_REPLACE));
    NEED(CHECK(shared()->pid > 0));
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        alarm(30);
        int fd = measured_fd(shared());
        if (ask_key(fd) != PL_SIM_OK) /* before exec it works */
            _exit(97);
        /* A watcher keeps the socket open to read what cat is answered. */
        pid_t cat = getpid(), watcher = fork();
        if (watcher == 0) {
            uint8_t got = (uint8_t)raw_answer(fd);
            _exit(write(ends[1], &got, 1) == 1 && cat > 0 ? 0 : 1);
        }
        _exit(become_another(fd, ends[1]));
    }
    close(ends[1]);
    uint8_t got = 99;
    CHECK(read(ends[0], &got, 1) == 1 && got == 0);
    close(ends[0]);
    CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* --- what runs is what is measured --- */

static int hello_status(int fd)
{
    (void)fd;
    int own = raw_connect(shared());
    return raw_register(own, "test") && hello(own) ? raw_answer(own) : 99;
}

static int traced(int fd) { return ptrace(PTRACE_TRACEME, 0, 0, 0) == 0 ? hello_status(fd) : 99; }

static int anonymous_code(int fd)
{
    void *p = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p != MAP_FAILED ? hello_status(fd) : 99;
}

static int memory_file_code(int fd)
{
    int mem = (int)syscall(SYS_memfd_create, "code", 0);
    void *p = mem >= 0 && ftruncate(mem, 4096) == 0
                  ? mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, mem, 0)
                  : MAP_FAILED;
    return p != MAP_FAILED ? hello_status(fd) : 99;
}

static int victim(void) { return 1; }

/* Not watched: code has no shadow in which its writes could be noted. */
__attribute__((no_sanitize("thread"))) static int patched(int fd)
{
    int (*volatile at)(void) = victim;
    uintptr_t page = (uintptr_t)at & ~(uintptr_t)4095;
    /* NOLINTNEXTLINE(performance-no-int-to-ptr): the page of a function has no other name */
    uint8_t *p = (uint8_t *)page;
    if (mprotect(p, 4096, PROT_READ | PROT_WRITE | PROT_EXEC) != 0)
        return 99;
    p[(uintptr_t)at & 4095] ^= 1;
    return mprotect(p, 4096, PROT_READ | PROT_EXEC) == 0 ? hello_status(fd) : 99;
}

TEST(an_honest_process_is_measured) { CHECK(in_child(hello_status, -1) == PL_SIM_OK); }
TEST(a_traced_process_is_refused) { CHECK(in_child(traced, -1) == PL_SIM_REFUSED); }
TEST(code_without_a_file_is_refused)
{
    CHECK(in_child(anonymous_code, -1) == PL_SIM_REFUSED);
    CHECK(in_child(memory_file_code, -1) == PL_SIM_REFUSED);
}
TEST(patched_code_is_refused) { CHECK(in_child(patched, -1) == PL_SIM_REFUSED); }

TEST(a_replaced_program_is_refused)
{
    char out[OUT];
    const char *copy = sim_path("copy");
    NEED(CHECK(sim_copy(copy, sim_env("SIMD_APP"), NULL, NULL)));
    CHECK(sim_app(shared(), out, sizeof(out), LIST("--as", "app"),
                  LIST(copy, "unlink", copy, "open", "sim")) == 1);
    NEED(CHECK(sim_copy(copy, sim_env("SIMD_APP"), NULL, NULL)));
    CHECK(sim_app(shared(), out, sizeof(out), LIST("--as", "app"),
                  LIST(copy, "replace", copy, "open", "sim")) == 1);
    CHECK(strlen(out) == 0);
    /* What a removed file is called is a name that another file can have. */
    const char *stand_in = sim_path("copy (deleted)");
    NEED(CHECK(sim_copy(copy, sim_env("SIMD_APP"), NULL, NULL)));
    NEED(CHECK(sim_copy(stand_in, sim_env("SIMD_APP"), NULL, NULL)));
    CHECK(sim_app(shared(), out, sizeof(out), LIST("--as", "app"),
                  LIST(copy, "unlink", copy, "open", "sim")) == 1);
    CHECK(strlen(out) == 0);
}

TEST(after_hello_nobody_of_the_same_user_looks_in)
{
    char out[OUT];
    CHECK(sim_app(shared(), out, sizeof(out), LIST("--as", "app"),
                  LIST(sim_env("SIMD_APP"), "open", "sim", "dumpable", "0")) == 0);
    CHECK(sim_app(shared(), out, sizeof(out), LIST("--as", "app"),
                  LIST(sim_env("SIMD_APP"), "dumpable", "1", "open", "sim")) == 0);
    CHECK(sim_app(shared(), out, sizeof(out), LIST("--as", "app"),
                  LIST(sim_env("SIMD_APP"), "open", "sim", "child", "root")) == 1);
}

/* --- the measurer by itself: the number of a process that has ended names another --- */

TEST(a_reused_process_number_is_not_measured)
{
    struct pl_crypto *c;
    struct pl_measured got;
    int status;
    NEED(CHECK_OK(pl_crypto_new(&c)));
    fflush(stdout);
    pid_t dead = fork();
    if (dead == 0)
        _exit(0);
    int pidfd = (int)syscall(SYS_pidfd_open, dead, 0);
    CHECK(pidfd >= 0 && waitpid(dead, &status, 0) == dead);
    /* As if our own number were the dead one's, given out again. */
    CHECK_ERR(pl_measure_process(c, &got, getpid(), pidfd), MEASURE_GONE);
    close(pidfd);
    pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
    CHECK_OK(pl_measure_process(c, &got, getpid(), pidfd));
    CHECK(got.n >= 2 && pl_measured_lives(got.mem, got.probe_at));
    close(got.mem), close(pidfd);
    pl_crypto_free(c);
}

/* --- bounds --- */

static void closed_after(const char *what, struct pl_span bytes)
{
    int fd = raw_connect(shared());
    bool sent = send(fd, bytes.p, bytes.n, MSG_NOSIGNAL) == (ssize_t)bytes.n;
    test_check(sent && raw_answer(fd) == 0, what, __FILE_NAME__, __LINE__);
    close(fd);
}

TEST(malformed_requests_end_the_connection)
{
    static const uint8_t zero[] = {0, 0, 0, 0, 1}, huge[] = {0xff, 0xff, 0xff, 0xff, 1},
                         over[] = {0, 9, 0, 1, 1}, unknown[] = {0, 0, 0, 1, 9},
                         nothing[] = {0, 0, 0, 1, 0}, bare[] = {0, 0, 0, 1, 1};
    closed_after("length 0", PL_ARR(zero));
    closed_after("length 2^32 - 1", PL_ARR(huge));
    closed_after("one more than the limit", PL_ARR(over));
    closed_after("unknown request", PL_ARR(unknown));
    closed_after("request 0", PL_ARR(nothing));
    closed_after("empty registration", PL_ARR(bare));
}

TEST(requests_out_of_order_end_the_connection)
{
    uint8_t rd[64] = {0};
    int fd = raw_connect(shared());
    CHECK(hello(fd) && raw_answer(fd) == 0);
    close(fd);
    fd = raw_connect(shared());
    CHECK(raw_register(fd, "test") && raw_send(fd, PL_SIM_EVIDENCE, PL_ARR(rd)));
    CHECK(raw_answer(fd) == 0);
    close(fd);
    fd = raw_connect(shared());
    CHECK(raw_register(fd, "test") && !raw_register(fd, "other"));
    close(fd);
    fd = measured_fd(shared());
    CHECK(!raw_register(fd, "other"));
    close(fd);
    fd = measured_fd(shared());
    CHECK(raw_send(fd, PL_SIM_EVIDENCE, pl_span(rd, 63)) && raw_answer(fd) == 0);
    close(fd);
    fd = measured_fd(shared());
    CHECK(raw_send(fd, PL_SIM_SEAL_KEY, EMPTY) && raw_answer(fd) == 0);
    close(fd);
}

TEST(names_that_could_deceive_are_refused)
{
    static const char *const names[] = {"", "a b", "a/b", "a\nb", "\x1b[2J", "caf\xc3\xa9"};
    char out[OUT];
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        int fd = raw_connect(shared());
        CHECK(fd >= 0 && !raw_register(fd, names[i]));
        close(fd);
    }
    CHECK(sim_app(shared(), out, sizeof(out), LIST("--as", "a b"), LIST("/bin/true")) == 1);
}

TEST(who_does_not_finish_is_dropped)
{
    uint8_t part[] = {0, 0, 0, 5, PL_SIM_SEAL_KEY, 'r'};
    int silent = raw_connect(shared()), slow = measured_fd(shared());
    CHECK(send(slow, part, sizeof(part), MSG_NOSIGNAL) == sizeof(part));
    int64_t before = pl_clock_mono_ms();
    CHECK(raw_answer(silent) == 0 && raw_answer(slow) == 0);
    CHECK(pl_clock_mono_ms() - before < PL_SIMD_FRAME_MS + 3000);
    int idle = measured_fd(shared()); /* who waits between requests is not */
    CHECK(ask_key(idle) == PL_SIM_OK);
    close(silent), close(slow), close(idle);
}

/* --- quotes take their time, one after the other, and the queue is bounded --- */

TEST(quotes_take_turns_and_the_queue_is_bounded)
{
    enum { QUOTE_MS = 60, N = PL_SIMD_QUEUE + 2 };
    struct machine m;
    uint8_t rd[64] = {0};
    int fd[N], answered = 0, busy = 0;
    NEED(CHECK(machine_start(&m, "slow", LIST("--quote-ms", "60"))));
    for (int i = 0; i < N; i++)
        fd[i] = measured_fd(&m);
    int64_t before = pl_clock_mono_ms();
    for (int i = 0; i < N; i++)
        CHECK(raw_send(fd[i], PL_SIM_EVIDENCE, PL_ARR(rd)));
    CHECK(raw_answer(fd[0]) == PL_SIM_OK);
    int64_t first = pl_clock_mono_ms() - before;
    CHECK(first >= QUOTE_MS);
    for (int i = N - 1; i > 2; i--) {
        int status = i > PL_SIMD_QUEUE - 1 ? raw_answer(fd[i]) : 0;
        busy += status == PL_SIM_BUSY;
        answered += status == PL_SIM_OK;
    }
    CHECK(busy >= 1 && answered <= 1); /* the daemon may have begun before the last had asked */
    CHECK(raw_answer(fd[1]) == PL_SIM_OK && raw_answer(fd[2]) == PL_SIM_OK);
    CHECK(pl_clock_mono_ms() - before >= 3 * QUOTE_MS);
    int other = measured_fd(&m); /* other requests do not wait for the device */
    before = pl_clock_mono_ms();
    CHECK(ask_key(other) == PL_SIM_OK && pl_clock_mono_ms() - before < 1000);
    close(other);
    for (int i = 0; i < N; i++)
        close(fd[i]);
    CHECK(machine_stop(&m) == 0);
}

TEST(too_many_clients_are_turned_away)
{
    int fd[PL_SIMD_CLIENTS + 1];
    struct machine m;
    NEED(CHECK(machine_start(&m, "crowd", NULL)));
    for (int i = 0; i <= PL_SIMD_CLIENTS; i++)
        fd[i] = raw_connect(&m);
    CHECK(raw_answer(fd[PL_SIMD_CLIENTS]) == 0);
    CHECK(raw_register(fd[0], "test"));
    for (int i = 0; i <= PL_SIMD_CLIENTS; i++)
        close(fd[i]);
    CHECK(machine_stop(&m) == 0);
}

TEST_MAIN()
