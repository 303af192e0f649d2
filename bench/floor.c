/* The floor: the least code that does a vault's work on the wire and on the disk, without policy,
 * log, limits or evidence. What it reaches is what there is to reach here.
 *
 *     bench_floor h2 FOLDER WORKERS     TLS 1.3 with certificates on both sides, HTTP/2, strict
 *                                       decoding, one entry a request, answered when it is durable
 *     bench_floor echo FOLDER WORKERS   TLS; what comes is written durably, then sent back
 *     bench_floor shake FOLDER WORKERS  the handshake alone, by the TLS library alone
 *     bench_floor ping HOST:PORT MS     the other side of echo; prints a line of JSON
 *     bench_floor scan FILE...          reads them and opens them by AES-GCM; prints milliseconds
 *
 * Servers print their port and end with their standard input. */
#include "bench/floor.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 256, IN_BYTES = 65536, OUT_BYTES = 65536, WORKERS = 16, PATH_BYTES = 64 };

enum mode { H2, ECHO, SHAKE };

struct conn {
    int fd;
    SSL *ssl;
    nghttp2_session *ng;
    struct worker *w;
    bool shaken, dead, dirty;
    struct conn *next_dirty;
    char path[PATH_BYTES];
    uint8_t body[256];
    size_t body_n;
};

struct waiting {
    struct conn *c;
    int32_t stream;
    uint64_t until;
    struct waiting *next;
};

struct worker {
    pthread_t thread;
    int epoll, event;
    struct conn *dirty;
    struct waiting *first, **last, *spare;
    uint8_t in[IN_BYTES], out[OUT_BYTES];
};

static struct {
    enum mode mode;
    SSL_CTX *tls;
    struct floor_disk disk;
    unsigned workers;
    struct worker *worker[WORKERS];
} g;

static void mark(struct conn *c)
{
    if (c->dirty)
        return;
    c->dirty = true;
    c->next_dirty = c->w->dirty;
    c->w->dirty = c;
}

/* ---- HTTP/2 ---- */

static int on_header(nghttp2_session *ng, const nghttp2_frame *f, const uint8_t *name, size_t n,
                     const uint8_t *value, size_t value_n, uint8_t flags, void *arg)
{
    struct conn *c = arg;
    (void)ng, (void)f, (void)flags;
    if (n == 5 && memcmp(name, ":path", 5) == 0 && value_n < PATH_BYTES) {
        memcpy(c->path, value, value_n);
        c->path[value_n] = 0;
    }
    return 0;
}

static int on_data(nghttp2_session *ng, uint8_t flags, int32_t id, const uint8_t *p, size_t n,
                   void *arg)
{
    struct conn *c = arg;
    (void)ng, (void)flags, (void)id;
    if (n > sizeof(c->body) - c->body_n)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    memcpy(c->body + c->body_n, p, n);
    c->body_n += n;
    return 0;
}

static bool decoded(struct conn *c)
{
    uint8_t handle[16];
    struct pl_json j;
    struct pl_span name;
    static const char prefix[] = "/v1/keys/", suffix[] = "/export";
    size_t n = strlen(c->path), got;
    if (n != sizeof(prefix) - 1 + 22 + sizeof(suffix) - 1 ||
        pl_unb64u(handle, sizeof(handle), &got, pl_span(c->path + sizeof(prefix) - 1, 22)) != PL_OK)
        return false;
    pl_json_init(&j, pl_span(c->body, c->body_n));
    for (pl_json_object(&j); pl_json_key(&j, &name);)
        return false;
    return pl_json_end(&j) == PL_OK;
}

static int on_frame(nghttp2_session *ng, const nghttp2_frame *f, void *arg)
{
    struct conn *c = arg;
    (void)ng;
    if (!(f->hd.flags & NGHTTP2_FLAG_END_STREAM) ||
        (f->hd.type != NGHTTP2_DATA && f->hd.type != NGHTTP2_HEADERS))
        return 0;
    kit_need(decoded(c), "a request that this program does not know");
    c->body_n = 0;
    struct waiting *w = c->w->spare;
    if (w)
        c->w->spare = w->next;
    else
        w = malloc(sizeof(*w));
    kit_need(w != NULL, "memory");
    *w = (struct waiting){c, f->hd.stream_id, floor_append(&g.disk), NULL};
    *c->w->last = w;
    c->w->last = &w->next;
    return 0;
}

/* As long as a vault's answer with a share of 32 bytes. */
static const char answer[] =
    "{\"commitment\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\",\"generation\":1,"
    "\"index\":1234567,\"share\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\",\"tag\":"
    "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}";

static ssize_t read_answer(nghttp2_session *ng, int32_t id, uint8_t *buf, size_t n, uint32_t *flags,
                           nghttp2_data_source *source, void *arg)
{
    (void)ng, (void)id, (void)n, (void)source, (void)arg;
    memcpy(buf, answer, sizeof(answer) - 1);
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    return sizeof(answer) - 1;
}

#define NV(name, value)                                                                            \
    {                                                                                              \
        (uint8_t *)(uintptr_t)(name), (uint8_t *)(uintptr_t)(value), sizeof(name) - 1,             \
            sizeof(value) - 1, NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE        \
    }

static void answer_durable(struct worker *w)
{
    static const nghttp2_nv head[] = {NV(":status", "200"), NV("content-type", "application/json"),
                                      NV("content-length", "198")};
    const nghttp2_data_provider body = {.read_callback = read_answer};
    uint64_t durable = floor_durable(&g.disk);
    while (w->first && w->first->until <= durable) {
        struct waiting *p = w->first;
        w->first = p->next;
        if (!w->first)
            w->last = &w->first;
        if (!p->c->dead) {
            nghttp2_submit_response(p->c->ng, p->stream, head, 3, &body);
            mark(p->c);
        }
        p->next = w->spare;
        w->spare = p;
    }
}

static bool new_session(struct conn *c)
{
    nghttp2_session_callbacks *cb;
    nghttp2_session_callbacks_new(&cb);
    nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame);
    bool ok = nghttp2_session_server_new(&c->ng, cb, c) == 0 &&
              nghttp2_submit_settings(c->ng, NGHTTP2_FLAG_NONE, NULL, 0) == 0;
    nghttp2_session_callbacks_del(cb);
    return ok;
}

/* ---- connections ---- */

static void drop(struct conn *c)
{
    c->dead = true; /* answers may still wait for it: never freed */
    nghttp2_session_del(c->ng);
    c->ng = NULL;
    SSL_free(c->ssl);
    close(c->fd);
}

static bool shake(struct conn *c)
{
    int r = SSL_do_handshake(c->ssl);
    if (r != 1)
        return SSL_get_error(c->ssl, r) == SSL_ERROR_WANT_READ;
    c->shaken = true;
    if (g.mode != H2)
        return true;
    mark(c);
    return new_session(c);
}

static bool take(struct conn *c, size_t n)
{
    if (g.mode == H2)
        return nghttp2_session_mem_recv(c->ng, c->w->in, n) == (ssize_t)n;
    if (g.mode == ECHO) {
        floor_write(&g.disk);
        return SSL_write(c->ssl, c->w->in, (int)n) == (int)n;
    }
    return true;
}

static void heard(struct conn *c)
{
    bool good = !c->dead && (c->shaken || shake(c));
    while (good && c->shaken) {
        int n = SSL_read(c->ssl, c->w->in, IN_BYTES);
        if (n <= 0) {
            good = SSL_get_error(c->ssl, n) == SSL_ERROR_WANT_READ;
            break;
        }
        good = take(c, (size_t)n);
    }
    if (good && c->ng)
        mark(c);
    if (!good && !c->dead)
        drop(c);
}

static void flush_all(struct worker *w)
{
    struct conn *c = w->dirty, *next;
    w->dirty = NULL;
    for (; c; c = next) {
        const uint8_t *p;
        size_t out = 0;
        ssize_t n;
        next = c->next_dirty;
        c->dirty = false;
        if (c->dead)
            continue;
        while (out < OUT_BYTES - 17000 && (n = nghttp2_session_mem_send(c->ng, &p)) > 0) {
            memcpy(w->out + out, p, (size_t)n);
            out += (size_t)n;
        }
        if (out && SSL_write(c->ssl, w->out, (int)out) != (int)out)
            drop(c);
    }
}

static void *work(void *arg)
{
    struct worker *w = arg;
    struct epoll_event ev[EVENTS];
    uint64_t n;
    for (;;) {
        int k = epoll_wait(w->epoll, ev, EVENTS, -1);
        for (int i = 0; i < k; i++) {
            if (ev[i].data.ptr)
                heard(ev[i].data.ptr);
            else if (read(w->event, &n, sizeof(n)) == sizeof(n))
                answer_durable(w);
        }
        flush_all(w);
    }
    return NULL;
}

static void wake(void)
{
    const uint64_t one = 1;
    for (unsigned i = 0; i < g.workers; i++)
        kit_need(write(g.worker[i]->event, &one, sizeof(one)) == sizeof(one), "eventfd");
}

static void adopt(struct worker *w, int fd)
{
    const int on = 1;
    struct conn *c = calloc(1, sizeof(*c));
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};
    kit_need(c && (c->ssl = SSL_new(g.tls)), "memory");
    c->fd = fd;
    c->w = w;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    SSL_set_fd(c->ssl, fd);
    SSL_set_accept_state(c->ssl);
    kit_need(epoll_ctl(w->epoll, EPOLL_CTL_ADD, fd, &ev) == 0, "epoll");
}

static void start_worker(unsigned i)
{
    struct epoll_event ev = {.events = EPOLLIN};
    struct worker *w = g.worker[i] = calloc(1, sizeof(*w));
    kit_need(w != NULL, "memory");
    w->last = &w->first;
    w->epoll = epoll_create1(EPOLL_CLOEXEC);
    w->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    kit_need(w->epoll >= 0 && w->event >= 0 &&
                 epoll_ctl(w->epoll, EPOLL_CTL_ADD, w->event, &ev) == 0,
             "epoll");
}

static int serve(const char *folder, unsigned workers)
{
    struct kit k;
    kit_open(&k, NULL, false);
    g.tls = floor_tls(&k, true);
    g.workers = workers < WORKERS ? workers : WORKERS;
    for (unsigned i = 0; i < g.workers; i++)
        start_worker(i);
    floor_disk(&g.disk, folder, wake);
    for (unsigned i = 0; i < g.workers; i++)
        kit_need(pthread_create(&g.worker[i]->thread, NULL, work, g.worker[i]) == 0, "thread");
    int listener = floor_listen();
    for (unsigned next = 0;; next++) {
        struct pollfd p[] = {{.fd = listener, .events = POLLIN},
                             {.fd = STDIN_FILENO, .events = POLLIN}};
        kit_need(poll(p, 2, -1) > 0, "poll");
        if (p[1].revents)
            return 0;
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0)
            adopt(g.worker[next % g.workers], fd);
    }
}

int main(int argc, char **argv)
{
    static const char *const modes[] = {[H2] = "h2", [ECHO] = "echo", [SHAKE] = "shake"};
    if (argc == 4 && strcmp(argv[1], "ping") == 0)
        return floor_ping(argv[2], kit_number(argv[3]));
    if (argc > 2 && strcmp(argv[1], "scan") == 0)
        return floor_scan(argv + 2);
    for (int m = H2; argc == 4 && m <= SHAKE; m++)
        if (strcmp(argv[1], modes[m]) == 0) {
            g.mode = (enum mode)m;
            return serve(argv[2], kit_number(argv[3]));
        }
    fprintf(stderr,
            "usage: bench_floor h2|echo|shake FOLDER WORKERS, ping HOST:PORT MS, scan FILE...\n");
    return 2;
}
