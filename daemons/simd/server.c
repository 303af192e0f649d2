#include "daemons/simd/client.h"
#include "platform/platform.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { PATH_BYTES = 1024, REFRESH_MS = 3600 * 1000, SLOTS = 2 + 2 * PL_SIMD_CLIENTS };

struct server {
    const struct pl_simd_config *config;
    struct pl_machine machine;
    int listener, signals;
    int folder_lock;
    struct client client[PL_SIMD_CLIENTS];
    uint64_t next_ticket;
    unsigned waiting;
    int64_t quote_due_ms; /* when the quote that is being made is done; 0: none is */
    int64_t refresh_ms;
    bool stop;
};

/* --- the socket --- */

/* The folder of the socket, if only this user can enter it. */
static pl_err open_folder(int *out, const char *socket_path)
{
    char dir[PATH_BYTES];
    struct stat st;
    const char *slash = strrchr(socket_path, '/');
    size_t n = slash ? (size_t)(slash - socket_path) : 0;
    PL_REQUIRE(n > 0 && n < sizeof(dir), SOCKET_PATH);
    memcpy(dir, socket_path, n);
    dir[n] = '\0';
    *out = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    PL_REQUIRE(*out >= 0 && fstat(*out, &st) == 0, SOCKET_FOLDER);
    PL_REQUIRE(st.st_uid == geteuid() && (st.st_mode & 077) == 0, SOCKET_FOLDER);
    /* Held while this daemon lives: one machine a folder, and a socket left by a dead one goes. */
    PL_REQUIRE(flock(*out, LOCK_EX | LOCK_NB) == 0, SOCKET_BUSY);
    return PL_OK;
}

static pl_err listen_at(struct server *s)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    const char *path = s->config->socket_path;
    PL_REQUIRE(strlen(path) < sizeof(a.sun_path), SOCKET_PATH);
    memcpy(a.sun_path, path, strlen(path));
    PL_TRY(open_folder(&s->folder_lock, path));
    (void)unlink(path);
    s->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    PL_REQUIRE(s->listener >= 0, SOCKET);
    mode_t before = umask(0177);
    int bound = bind(s->listener, (const struct sockaddr *)&a, sizeof(a));
    umask(before);
    int on = 1; /* also for what clients send before they are accepted */
    PL_REQUIRE(bound == 0 &&
                   setsockopt(s->listener, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) == 0 &&
                   listen(s->listener, PL_SIMD_CLIENTS) == 0,
               SOCKET);
    return PL_OK;
}

static pl_err catch_signals(struct server *s)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    PL_REQUIRE(sigprocmask(SIG_BLOCK, &set, NULL) == 0, SOCKET);
    s->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    PL_REQUIRE(s->signals >= 0, SOCKET);
    return PL_OK;
}

static pl_err say_ready(int fd)
{
    if (fd < 0)
        return PL_OK;
    ssize_t n = write(fd, "\n", 1);
    close(fd);
    PL_REQUIRE(n == 1, SOCKET);
    return PL_OK;
}

/* --- quotes: one at a time, each as long as the device takes --- */

static struct client *next_in_queue(struct server *s)
{
    struct client *best = NULL;
    for (size_t i = 0; i < PL_SIMD_CLIENTS; i++) {
        struct client *k = &s->client[i];
        if (k->wants_quote && (!best || k->ticket < best->ticket))
            best = k;
    }
    return best;
}

static void drop(struct server *s, struct client *k, const char *why)
{
    bool was_next = k->wants_quote && k == next_in_queue(s);
    s->waiting -= k->wants_quote;
    client_close(k, why);
    if (was_next) /* the device goes on to the next one */
        s->quote_due_ms = 0;
}

static void flush(struct server *s, struct client *k)
{
    if (k->out.n && !client_write(k))
        drop(s, k, "the answer could not be sent");
}

/* Starts the device on the next request, or delivers what it has finished. */
static void run_device(struct server *s, int64_t now_ms)
{
    for (;;) {
        struct client *k = next_in_queue(s);
        if (!k) {
            s->quote_due_ms = 0;
            return;
        }
        if (s->quote_due_ms == 0)
            s->quote_due_ms = now_ms + s->config->quote_ms;
        if (now_ms < s->quote_due_ms)
            return;
        s->quote_due_ms = 0;
        s->waiting--;
        client_quote(k, &s->machine);
        client_answering(k, now_ms);
        flush(s, k);
    }
}

/* --- clients --- */

static void act(struct server *s, struct client *k, int64_t now_ms)
{
    bool ok = client_act(k, &s->machine, s->waiting >= PL_SIMD_QUEUE);
    if (!ok) {
        drop(s, k, "a request that is malformed or out of order");
        return;
    }
    k->deadline_ms = 0;
    if (k->wants_quote) {
        k->ticket = ++s->next_ticket;
        s->waiting++;
        return;
    }
    client_answering(k, now_ms);
    flush(s, k);
}

static void receive(struct server *s, struct client *k, int64_t now_ms)
{
    bool complete;
    if (!client_read(k, now_ms, &complete)) {
        drop(s, k, NULL);
        return;
    }
    if (complete)
        act(s, k, now_ms);
}

static void accept_all(struct server *s, int64_t now_ms)
{
    for (;;) {
        int fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0)
            return;
        struct client *k = NULL;
        for (size_t i = 0; i < PL_SIMD_CLIENTS && !k; i++)
            if (s->client[i].state == CLIENT_FREE)
                k = &s->client[i];
        if (!k)
            close(fd);
        else
            (void)client_open(k, fd, now_ms);
    }
}

/* --- the loop --- */

static size_t watch(struct server *s, struct pollfd p[static SLOTS])
{
    size_t n = 0;
    p[n++] = (struct pollfd){.fd = s->signals, .events = POLLIN};
    p[n++] = (struct pollfd){.fd = s->listener, .events = POLLIN};
    for (size_t i = 0; i < PL_SIMD_CLIENTS; i++) {
        const struct client *k = &s->client[i];
        bool used = k->state != CLIENT_FREE;
        short events = k->out.n ? POLLOUT : client_busy(k) ? 0 : POLLIN;
        p[n++] = (struct pollfd){.fd = used ? k->fd : -1, .events = events};
        p[n++] = (struct pollfd){.fd = used ? k->pidfd : -1, .events = POLLIN};
    }
    return n;
}

static int timeout_ms(const struct server *s, int64_t now_ms)
{
    int64_t next = s->refresh_ms;
    if (s->quote_due_ms && s->quote_due_ms < next)
        next = s->quote_due_ms;
    for (size_t i = 0; i < PL_SIMD_CLIENTS; i++) {
        const struct client *k = &s->client[i];
        if (k->state != CLIENT_FREE && k->deadline_ms && k->deadline_ms < next)
            next = k->deadline_ms;
    }
    return next > now_ms ? (int)(next - now_ms) : 0;
}

static void turn(struct server *s, struct client *k, const struct pollfd p[static 2],
                 int64_t now_ms)
{
    /* Before anything it may have sent: a verdict dies with its process. */
    if (p[1].revents)
        drop(s, k, NULL);
    else if (p[0].revents & (POLLERR | POLLNVAL))
        drop(s, k, NULL);
    else if (k->deadline_ms && now_ms >= k->deadline_ms)
        drop(s, k, "took too long");
    else if (p[0].revents & POLLOUT)
        flush(s, k);
    else if (p[0].revents & POLLIN)
        receive(s, k, now_ms);
    else if (p[0].revents & POLLHUP)
        drop(s, k, NULL);
}

static void refresh(struct server *s, int64_t now_ms)
{
    int64_t wall;
    if (now_ms < s->refresh_ms)
        return;
    s->refresh_ms = now_ms + REFRESH_MS;
    pl_err e = pl_clock_wall(&wall);
    if (e == PL_OK)
        e = pl_machine_refresh(&s->machine, wall);
    if (e != PL_OK)
        fprintf(stderr, "pleiad-simd: collateral is not renewed: %s\n",
                pl_code_text(pl_err_code(e)));
}

static pl_err loop(struct server *s)
{
    struct pollfd p[SLOTS];
    s->refresh_ms = pl_clock_mono_ms() + REFRESH_MS;
    while (!s->stop) {
        size_t n = watch(s, p);
        if (poll(p, n, timeout_ms(s, pl_clock_mono_ms())) < 0) {
            PL_REQUIRE(errno == EINTR, SOCKET);
            continue;
        }
        int64_t now = pl_clock_mono_ms();
        s->stop = p[0].revents != 0;
        for (size_t i = 0; i < PL_SIMD_CLIENTS; i++)
            if (s->client[i].state != CLIENT_FREE && p[2 + 2 * i].fd >= 0)
                turn(s, &s->client[i], &p[2 + 2 * i], now);
        if (p[1].revents)
            accept_all(s, now);
        run_device(s, now);
        refresh(s, now);
    }
    return PL_OK;
}

static pl_err serve(struct server *s)
{
    int64_t wall;
    PL_TRY(pl_process_harden());
    PL_TRY(pl_clock_wall(&wall));
    PL_TRY(pl_machine_open(&s->machine, &s->config->machine, wall));
    PL_TRY(catch_signals(s));
    PL_TRY(listen_at(s));
    PL_TRY(say_ready(s->config->ready_fd));
    return loop(s);
}

static void shut(int fd)
{
    if (fd >= 0)
        close(fd);
}

pl_err pl_simd_serve(const struct pl_simd_config *config)
{
    static struct server s; /* 80 KiB with its clients: no place for a stack */
    s = (struct server){.config = config, .listener = -1, .signals = -1, .folder_lock = -1};
    pl_err e = serve(&s);
    for (size_t i = 0; i < PL_SIMD_CLIENTS; i++)
        if (s.client[i].state != CLIENT_FREE)
            client_close(&s.client[i], NULL);
    if (s.listener >= 0)
        (void)unlink(config->socket_path);
    shut(s.listener);
    shut(s.signals);
    shut(s.folder_lock);
    pl_machine_close(&s.machine);
    return e;
}
