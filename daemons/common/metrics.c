#include "daemons/common/daemon.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { REQUEST_MAX = 2048, PAGE_MAX = 64 * 1024, SLOW_S = 2 };

struct metrics {
    int fd;
    void (*write)(void *arg, struct pl_wr *w);
    void *arg;
};

void pl_metric(struct pl_wr *w, const char *name, const char *kind, const char *help, uint64_t v)
{
    const char *const parts[] = {"# HELP ", name, " ",  help, "\n# TYPE ", name, " ",
                                 kind,      "\n", name, " ",  pl_num(v),   "\n"};
    for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
        pl_wr_str(w, parts[i]);
}

/* Reads until the request's end, its bound, or its time; what it asks for is in its first line. */
static bool wants_metrics(int fd)
{
    char buf[REQUEST_MAX];
    size_t n = 0;
    static const char line[] = "GET /metrics ";
    while (n < sizeof(buf)) {
        ssize_t got = recv(fd, buf + n, sizeof(buf) - n, 0);
        if (got <= 0)
            return false;
        n += (size_t)got;
        if (memmem(buf, n, "\r\n\r\n", 4))
            return n >= sizeof(line) - 1 && memcmp(buf, line, sizeof(line) - 1) == 0;
    }
    return false;
}

static void send_all(int fd, struct pl_span s)
{
    while (s.n) {
        ssize_t n = send(fd, s.p, s.n, MSG_NOSIGNAL);
        if (n <= 0)
            return;
        s = pl_span(s.p + n, s.n - (size_t)n);
    }
}

static void serve(const struct metrics *m, int fd)
{
    struct timeval slow = {.tv_sec = SLOW_S};
    struct pl_wr page PL_CLEANUP(pl_wr_free) = pl_wr_heap(PAGE_MAX);
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &slow, sizeof(slow)) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &slow, sizeof(slow)) != 0)
        return;
    if (wants_metrics(fd)) {
        pl_wr_str(&page, "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\n"
                         "Connection: close\r\n\r\n");
        m->write(m->arg, &page);
    } else {
        pl_wr_str(&page, "HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n");
    }
    if (pl_wr_end(&page) == PL_OK)
        send_all(fd, pl_wr_span(&page));
}

static void *run(void *arg)
{
    struct metrics *m = arg;
    for (;;) {
        int fd = accept4(m->fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            continue;
        serve(m, fd);
        close(fd);
    }
    return NULL;
}

/* "127.0.0.1:9100" and nothing but loopback: the page tells how busy the vault is. */
static bool parse(const char *address, struct sockaddr_in *out)
{
    char host[32];
    const char *colon = strrchr(address, ':');
    size_t n = colon ? (size_t)(colon - address) : 0;
    char *end = NULL;
    if (!colon || n == 0 || n >= sizeof(host))
        return false;
    memcpy(host, address, n);
    host[n] = 0;
    unsigned long port = strtoul(colon + 1, &end, 10);
    *out = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    return *end == 0 && end != colon + 1 && port <= 65535 &&
           inet_pton(AF_INET, host, &out->sin_addr) == 1 &&
           (ntohl(out->sin_addr.s_addr) >> 24) == 127;
}

pl_err pl_metrics_start(const char *address, void (*write)(void *arg, struct pl_wr *w), void *arg)
{
    struct sockaddr_in a;
    pthread_t thread;
    int one = 1;
    PL_REQUIRE(parse(address, &a), DAEMON_METRICS);
    struct metrics *m = malloc(sizeof(*m));
    PL_REQUIRE(m, NO_MEMORY);
    *m = (struct metrics){socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), write, arg};
    bool ok = m->fd >= 0 && setsockopt(m->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0 &&
              bind(m->fd, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(m->fd, 4) == 0 &&
              pthread_create(&thread, NULL, run, m) == 0;
    if (ok) {
        pthread_detach(thread);
        return PL_OK;
    }
    if (m->fd >= 0)
        close(m->fd);
    free(m);
    return PL_FAIL(DAEMON_METRICS);
}
