/* The server's workers and the client's loop over loopback, with friends and with hostile peers. */
#include "platform/net/net.h"
#include "tls_pair.h"

#include <arpa/inet.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static uint64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* ---- The server of these tests ----------------------------------------------------------------
 */

static struct leaf vault, app;
static struct pl_tls_ctx *server_ctx, *client_ctx, *stranger_ctx;
static struct pl_server *server;
static char address[64];
static pthread_t main_thread;
static bool stop_main; /* atomic */

/* Shared with the workers: atomic. */
static unsigned established, refused_now, closed, resumed;
static pl_conn_id parked_conn;
static uint32_t parked_stream;
static bool refuse_all;
static enum pl_code last_closed;

static pl_err on_established(struct pl_conn *c, bool *out_resumable)
{
    if (__atomic_load_n(&refuse_all, __ATOMIC_SEQ_CST)) {
        __atomic_add_fetch(&refused_now, 1, __ATOMIC_SEQ_CST);
        return PL_FAIL(RATLS_NO_EVIDENCE);
    }
    __atomic_add_fetch(&established, 1, __ATOMIC_SEQ_CST);
    if (pl_conn_peer(c)->resumed)
        __atomic_add_fetch(&resumed, 1, __ATOMIC_SEQ_CST);
    *out_resumable = true;
    return PL_OK;
}

static void on_request(struct pl_conn *c, uint32_t stream, const struct pl_request *r)
{
    if (pl_span_is(r->path, "/park")) {
        __atomic_store_n(&parked_stream, stream, __ATOMIC_SEQ_CST);
        __atomic_store_n(&parked_conn, pl_conn_id_of(c), __ATOMIC_SEQ_CST);
        return;
    }
    struct pl_response a = {.status = 200, .body = r->body};
    pl_err e = pl_respond(pl_conn_worker(c), pl_conn_id_of(c), stream, &a);
    PL_ASSERT(e == PL_OK);
}

static void on_closed(struct pl_conn *c, pl_err why)
{
    (void)c;
    __atomic_store_n(&last_closed, pl_err_code(why), __ATOMIC_SEQ_CST);
    __atomic_add_fetch(&closed, 1, __ATOMIC_SEQ_CST);
}

/* What was parked is answered from an event of another thread. */
static void on_wake(struct pl_worker *w)
{
    pl_conn_id id = __atomic_load_n(&parked_conn, __ATOMIC_SEQ_CST);
    uint32_t stream = __atomic_load_n(&parked_stream, __ATOMIC_SEQ_CST);
    struct pl_response a = {.status = 200, .body = PL_LIT("late")};
    if (id == 0 || !pl_conn_find(w, id))
        return;
    if (pl_respond(w, id, stream, &a) == PL_OK)
        __atomic_store_n(&parked_conn, 0, __ATOMIC_SEQ_CST);
}

static const struct pl_handler handler = {.on_established = on_established,
                                          .on_request = on_request,
                                          .on_closed = on_closed,
                                          .on_wake = on_wake};

static void *accept_loop(void *arg)
{
    (void)arg;
    while (!__atomic_load_n(&stop_main, __ATOMIC_SEQ_CST)) {
        struct pollfd p = {.fd = pl_server_fd(server), .events = POLLIN};
        if (poll(&p, 1, 20) > 0)
            pl_server_accept(server);
    }
    return NULL;
}

static bool serve(const struct pl_server_config *more)
{
    struct pl_server_config cfg = *more;
    pair_now = (struct pl_interval){T0, T0};
    established = refused_now = closed = resumed = 0;
    parked_conn = 0;
    refuse_all = stop_main = false;
    if (!leaf_make(&vault, 1, T0 - 60, T0 + 3600, (struct pl_span){0}) ||
        !leaf_make(&app, 2, T0 - 60, T0 + 3600, (struct pl_span){0}))
        return false;
    server_ctx = pair_ctx(true, &vault);
    client_ctx = pair_ctx(false, &app);
    stranger_ctx = pair_ctx(false, NULL);
    cfg.address = "127.0.0.1:0";
    cfg.workers = cfg.workers ? cfg.workers : 2;
    cfg.tls = server_ctx;
    cfg.handler = &handler;
    if (!CHECK_OK(pl_server_start(&server, &cfg)))
        return false;
    snprintf(address, sizeof(address), "127.0.0.1:%u", (unsigned)pl_server_port(server));
    return CHECK(pthread_create(&main_thread, NULL, accept_loop, NULL) == 0);
}

static void unserve(unsigned grace_ms)
{
    __atomic_store_n(&stop_main, true, __ATOMIC_SEQ_CST);
    pthread_join(main_thread, NULL);
    pl_server_stop(server, grace_ms);
    pl_tls_ctx_free(server_ctx);
    pl_tls_ctx_free(client_ctx);
    pl_tls_ctx_free(stranger_ctx);
}

static uint32_t connections(void)
{
    struct pl_server_stats s;
    pl_server_stats(server, &s);
    return s.connections;
}

/* Waits for a condition with a deadline. */
#define WAIT(cond)                                                                                 \
    do {                                                                                           \
        uint64_t end_ = now_ms() + 10000;                                                          \
        while (!(cond) && now_ms() < end_)                                                         \
            poll(NULL, 0, 5);                                                                      \
        CHECK(cond);                                                                               \
    } while (0)

/* ---- The client of these tests ----------------------------------------------------------------
 */

struct asker {
    unsigned open, answers, failures, closes;
    int status;
    pl_err why, closed_why;
    size_t body_n;
    uint8_t body[64];
    unsigned wanted; /* of answers and failures */
    bool refuse;
};

static pl_err ask_established(struct pl_link *l)
{
    struct asker *a = pl_link_user(l);
    a->open++;
    PL_REQUIRE(!a->refuse, RATLS_NO_EVIDENCE);
    return PL_OK;
}

static void ask_response(struct pl_link *l, uint32_t stream, const struct pl_response *r,
                         pl_err why)
{
    (void)stream;
    struct asker *a = pl_link_user(l);
    a->why = why;
    if (!r) {
        a->failures++;
        return;
    }
    a->answers++;
    a->status = r->status;
    a->body_n = r->body.n;
    if (r->body.n)
        memcpy(a->body, r->body.p, r->body.n < sizeof(a->body) ? r->body.n : sizeof(a->body));
}

static void ask_closed(struct pl_link *l, pl_err why)
{
    struct asker *a = pl_link_user(l);
    a->closes++;
    a->closed_why = why;
}

static const struct pl_link_events asking = {ask_established, ask_response, ask_closed};

static bool have_all(void *arg)
{
    struct asker *a = arg;
    return a->answers + a->failures >= a->wanted && a->wanted > 0;
}
static bool is_open(void *arg) { return ((struct asker *)arg)->open > 0; }
static bool is_closed(void *arg) { return ((struct asker *)arg)->closes > 0; }

static struct pl_link *dial(struct pl_client *cl, struct asker *a, struct pl_tls_ctx *tls,
                            const struct pl_tls_session *ses)
{
    struct pl_link *l = NULL;
    struct pl_link_config cfg = {
        .address = address, .tls = tls, .session = ses, .events = &asking, .user = a};
    CHECK_OK(pl_link_open(cl, &l, &cfg));
    pl_client_run(cl, is_open, a, 10000);
    return CHECK(a->open == 1) ? l : NULL;
}

static bool ask(struct pl_link *l, const char *path, struct pl_span body, unsigned deadline)
{
    uint32_t id;
    struct pl_request r = {.method = PL_LIT("POST"), .path = pl_span_str(path), .body = body};
    struct asker *a = pl_link_user(l);
    a->wanted++;
    return CHECK_OK(pl_link_request(l, &id, &r, deadline));
}

/* An honest client with a connection of its own is answered. */
static void honest_is_answered(void)
{
    struct pl_client *cl;
    struct asker a = {0};
    NEED(CHECK_OK(pl_client_new(&cl, pair_crypto)));
    struct pl_link *l = dial(cl, &a, client_ctx, NULL);
    NEED(l);
    ask(l, "/echo", PL_LIT("honest"), 10000);
    pl_client_run(cl, have_all, &a, 10000);
    CHECK(a.answers == 1 && a.status == 200);
    CHECK_BYTES(pl_span(a.body, a.body_n), PL_LIT("honest"));
    pl_client_free(cl);
    CHECK(a.closes == 1);
}

/* ---- Among friends ----------------------------------------------------------------------------
 */

TEST(many_requests_on_several_links)
{
    struct pl_client *cl;
    struct asker a[3] = {0};
    struct pl_link *l[3];
    NEED(serve(&(struct pl_server_config){0}));
    NEED(CHECK_OK(pl_client_new(&cl, pair_crypto)));
    for (unsigned i = 0; i < 3; i++)
        NEED((l[i] = dial(cl, &a[i], i == 2 ? stranger_ctx : client_ctx, NULL)));
    for (unsigned n = 0; n < 50; n++)
        for (unsigned i = 0; i < 3; i++)
            ask(l[i], "/echo", PL_LIT("{}"), 10000);
    for (unsigned i = 0; i < 3; i++) {
        pl_client_run(cl, have_all, &a[i], 10000);
        CHECK(a[i].answers == 50 && a[i].failures == 0);
    }
    static uint8_t big[PL_NET_REQUEST_MAX];
    ask(l[0], "/echo", PL_ARR(big), 10000);
    pl_client_run(cl, have_all, &a[0], 10000);
    CHECK(a[0].answers == 51 && a[0].body_n == sizeof(big));
    pl_link_close(l[0]);
    pl_client_step(cl);
    CHECK(pl_client_links(cl) == 2 && a[0].closes == 1);
    CHECK_OK(a[0].closed_why);
    pl_client_free(cl);
    WAIT(connections() == 0);
    CHECK(__atomic_load_n(&closed, __ATOMIC_SEQ_CST) == 3);
    unserve(1000);
}

TEST(a_parked_request_is_answered_from_another_thread)
{
    struct pl_client *cl;
    struct asker a = {0};
    NEED(serve(&(struct pl_server_config){0}));
    NEED(CHECK_OK(pl_client_new(&cl, pair_crypto)));
    struct pl_link *l = dial(cl, &a, client_ctx, NULL);
    NEED(l);
    ask(l, "/park", PL_LIT("{}"), 10000);
    uint64_t end = now_ms() + 10000;
    while (__atomic_load_n(&parked_conn, __ATOMIC_SEQ_CST) == 0 && now_ms() < end)
        pl_client_run(cl, have_all, &a, 5);
    NEED(CHECK(__atomic_load_n(&parked_conn, __ATOMIC_SEQ_CST) != 0));
    pl_worker_wake(pl_server_worker(server, 0));
    pl_worker_wake(pl_server_worker(server, 1));
    pl_client_run(cl, have_all, &a, 10000);
    CHECK(a.answers == 1);
    CHECK_BYTES(pl_span(a.body, a.body_n), PL_LIT("late"));
    /* A client that left: the answer finds nobody, and nothing breaks. */
    ask(l, "/park", PL_LIT("{}"), 10000);
    end = now_ms() + 10000;
    while (__atomic_load_n(&parked_conn, __ATOMIC_SEQ_CST) == 0 && now_ms() < end)
        pl_client_run(cl, have_all, &a, 5);
    pl_client_free(cl);
    CHECK(a.failures == 1);
    WAIT(connections() == 0);
    pl_worker_wake(pl_server_worker(server, 0));
    pl_worker_wake(pl_server_worker(server, 1));
    honest_is_answered();
    unserve(1000);
}

TEST(a_client_resumes)
{
    struct pl_client *cl;
    struct asker a = {0}, b = {0};
    NEED(serve(&(struct pl_server_config){0}));
    NEED(CHECK_OK(pl_client_new(&cl, pair_crypto)));
    struct pl_link *l = dial(cl, &a, client_ctx, NULL);
    NEED(l);
    ask(l, "/echo", PL_LIT("{}"), 10000);
    pl_client_run(cl, have_all, &a, 10000);
    struct pl_tls_session *ses = pl_link_session(l);
    NEED(CHECK(ses));
    l = dial(cl, &b, client_ctx, ses);
    NEED(l);
    CHECK(pl_link_peer(l)->resumed);
    ask(l, "/echo", PL_LIT("{}"), 10000);
    pl_client_run(cl, have_all, &b, 10000);
    CHECK(b.answers == 1 && __atomic_load_n(&resumed, __ATOMIC_SEQ_CST) == 1);
    pl_tls_session_free(ses);
    pl_client_free(cl);
    unserve(1000);
}

TEST(verdicts_come_before_any_byte)
{
    struct pl_client *cl;
    struct asker a = {.refuse = true}, b = {0};
    NEED(serve(&(struct pl_server_config){0}));
    NEED(CHECK_OK(pl_client_new(&cl, pair_crypto)));
    dial(cl, &a, client_ctx, NULL); /* the client refuses the vault */
    pl_client_run(cl, is_closed, &a, 10000);
    CHECK_ERR(a.closed_why, RATLS_NO_EVIDENCE);
    WAIT(connections() == 0);
    __atomic_store_n(&refuse_all, true, __ATOMIC_SEQ_CST);
    struct pl_link *l = dial(cl, &b, client_ctx, NULL); /* the vault refuses the client */
    NEED(l);
    ask(l, "/echo", PL_LIT("{}"), 10000);
    pl_client_run(cl, is_closed, &b, 10000);
    CHECK(b.answers == 0 && b.failures == 1 && b.closes == 1);
    CHECK(__atomic_load_n(&refused_now, __ATOMIC_SEQ_CST) == 1);
    struct pl_server_stats s;
    pl_server_stats(server, &s);
    CHECK(s.requests == 0 && s.handshake_failures >= 1);
    pl_client_free(cl);
    unserve(1000);
}

TEST(nobody_there)
{
    struct pl_client *cl;
    struct asker a = {0};
    struct pl_link *l;
    NEED(serve(&(struct pl_server_config){0}));
    NEED(CHECK_OK(pl_client_new(&cl, pair_crypto)));
    struct pl_link_config cfg = {.address = "127.0.0.1:1",
                                 .tls = client_ctx,
                                 .events = &asking,
                                 .user = &a,
                                 .connect_ms = 1000};
    if (pl_link_open(cl, &l, &cfg) == PL_OK) {
        pl_client_run(cl, is_closed, &a, 5000);
        CHECK_ERR(a.closed_why, NET_CONNECT);
    }
    /* One that accepts and stays silent: an error at the deadline. */
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(in);
    CHECK(bind(fd, (struct sockaddr *)&in, n) == 0 && listen(fd, 4) == 0 &&
          getsockname(fd, (struct sockaddr *)&in, &n) == 0);
    char silent[32];
    snprintf(silent, sizeof(silent), "127.0.0.1:%u", (unsigned)ntohs(in.sin_port));
    cfg.address = silent;
    cfg.connect_ms = 200;
    struct asker b = {0};
    cfg.user = &b;
    uint64_t from = now_ms();
    CHECK_OK(pl_link_open(cl, &l, &cfg));
    pl_client_run(cl, is_closed, &b, 5000);
    CHECK_ERR(b.closed_why, NET_CONNECT_TIME);
    CHECK(now_ms() - from >= 200 && now_ms() - from < 2000);
    cfg.address = "no port";
    CHECK_ERR(pl_link_open(cl, &l, &cfg), NET_ADDRESS);
    close(fd);
    pl_client_free(cl);
    unserve(1000);
}

TEST(a_graceful_stop_answers_what_is_open)
{
    struct pl_client *cl;
    struct asker a = {0};
    NEED(serve(&(struct pl_server_config){.parked_ms = 300}));
    NEED(CHECK_OK(pl_client_new(&cl, pair_crypto)));
    struct pl_link *l = dial(cl, &a, client_ctx, NULL);
    NEED(l);
    ask(l, "/park", PL_LIT("{}"), 10000);
    pl_client_run(cl, have_all, &a, 5);
    uint64_t end = now_ms() + 10000;
    while (__atomic_load_n(&parked_conn, __ATOMIC_SEQ_CST) == 0 && now_ms() < end)
        pl_client_run(cl, have_all, &a, 5);
    __atomic_store_n(&parked_conn, 0, __ATOMIC_SEQ_CST);
    unserve(5000); /* nobody answers: 503 after 300 ms, then the end */
    pl_client_run(cl, have_all, &a, 5000);
    if (!CHECK(a.answers == 1 && a.status == 503))
        printf("# %u answers, %u failures, %s, closed %s\n", a.answers, a.failures,
               pl_code_name(pl_err_code(a.why)), pl_code_name(pl_err_code(a.closed_why)));
    pl_client_run(cl, is_closed, &a, 5000);
    CHECK(a.closes == 1);
    pl_client_free(cl);
}

/* ---- Hostile peers ----------------------------------------------------------------------------
 */

static int plain_socket(void)
{
    struct sockaddr_in in = {.sin_family = AF_INET,
                             .sin_port = htons(pl_server_port(server)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&in, sizeof(in)) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

/* Both ends of a thousand connections are in this process; a login shell allows 1,024 files. */
static bool room_for_files(rlim_t n)
{
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) != 0 || r.rlim_max < n)
        return false;
    r.rlim_cur = r.rlim_cur < n ? n : r.rlim_cur;
    return setrlimit(RLIMIT_NOFILE, &r) == 0;
}

TEST(half_open_handshakes_end_at_their_time)
{
    enum { N = 1000 };
    static int fds[N];
    static const uint8_t hello[] = {22, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3};
    NEED(CHECK(room_for_files(2 * N + 100)));
    NEED(serve(&(struct pl_server_config){.handshake_ms = 1000}));
    for (unsigned i = 0; i < N; i++) {
        fds[i] = plain_socket();
        if (fds[i] >= 0 && i % 2) /* half of them begin to speak */
            CHECK(send(fds[i], hello, sizeof(hello), MSG_NOSIGNAL) == sizeof(hello));
    }
    honest_is_answered();
    WAIT(connections() == 0);
    struct pl_server_stats s;
    pl_server_stats(server, &s);
    CHECK(s.handshake_failures >= N);
    honest_is_answered();
    for (unsigned i = 0; i < N; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    unserve(1000);
}

TEST(garbage_is_no_handshake)
{
    uint8_t noise[512];
    NEED(serve(&(struct pl_server_config){0}));
    for (unsigned i = 0; i < 50; i++) {
        int fd = plain_socket();
        NEED(CHECK(fd >= 0));
        test_fill(noise, sizeof(noise), i);
        send(fd, i % 2 ? (const void *)"GET / HTTP/1.1\r\n\r\n" : noise, i % 2 ? 18 : sizeof(noise),
             MSG_NOSIGNAL);
        shutdown(fd, SHUT_WR);
        close(fd);
    }
    WAIT(connections() == 0);
    honest_is_answered();
    unserve(1000);
}

/* Ten idle callers fill the server; one more is answered in the place of the oldest of them. `idle`
 * is what they connect with, which exists once the server does. */
static bool oldest_makes_room(struct pl_client **cl, struct asker a[static 12],
                              struct pl_tls_ctx *const *idle, unsigned idle_ms)
{
    if (!serve(&(struct pl_server_config){
            .workers = 1, .connections = 10, .connections_per_peer = 100, .idle_ms = idle_ms}) ||
        !CHECK_OK(pl_client_new(cl, pair_crypto)))
        return false;
    for (unsigned i = 0; i < 10; i++)
        if (!dial(*cl, &a[i], *idle, NULL))
            return false;
    WAIT(__atomic_load_n(&established, __ATOMIC_SEQ_CST) == 10);
    poll(NULL, 0, 300); /* a place must be held for a quarter of a second before it can be lost */
    struct pl_link *l = dial(*cl, &a[10], client_ctx, NULL);
    if (!l)
        return false;
    ask(l, "/echo", PL_LIT("x"), 5000);
    pl_client_run(*cl, have_all, &a[10], 5000);
    CHECK(a[10].answers == 1);
    pl_client_run(*cl, is_closed, &a[0], 5000);
    CHECK(a[0].closes == 1 && a[5].closes == 0);
    return true;
}

TEST(idle_connections_end_and_strangers_make_room)
{
    struct pl_client *cl;
    struct asker a[12] = {0};
    NEED(oldest_makes_room(&cl, a, &stranger_ctx, 1500));
    pl_client_run(cl, is_closed, &a[9], 10000); /* idle */
    CHECK(a[9].closes == 1);
    WAIT(connections() == 0);
    pl_client_free(cl);
    unserve(1000);
}

/* A certificate is nothing special: anybody makes one. Ten of them idle keep nobody out. */
TEST(idle_callers_with_certificates_make_room_too)
{
    struct pl_client *cl;
    struct asker a[12] = {0};
    NEED(oldest_makes_room(&cl, a, &client_ctx, 60000));
    pl_client_free(cl);
    unserve(1000);
}

TEST(one_address_has_its_share)
{
    int fds[8];
    NEED(serve(&(struct pl_server_config){.connections = 100, .connections_per_peer = 5}));
    for (unsigned i = 0; i < 8; i++)
        fds[i] = plain_socket();
    struct pl_server_stats s = {0};
    uint64_t end = now_ms() + 5000;
    while (s.accepted + s.refused < 8 && now_ms() < end) {
        pl_server_stats(server, &s);
        poll(NULL, 0, 5);
    }
    CHECK(s.accepted == 5 && s.refused == 3);
    for (unsigned i = 0; i < 8; i++)
        close(fds[i]);
    WAIT(connections() == 0);
    honest_is_answered();
    unserve(1000);
}

TEST(requests_have_a_rate)
{
    struct pl_client *cl;
    struct asker a = {0};
    NEED(serve(&(struct pl_server_config){.requests_per_s = 1, .requests_burst = 10}));
    NEED(CHECK_OK(pl_client_new(&cl, pair_crypto)));
    struct pl_link *l = dial(cl, &a, client_ctx, NULL);
    NEED(l);
    for (unsigned i = 0; i < 20; i++)
        ask(l, "/echo", PL_LIT("x"), 10000);
    pl_client_run(cl, have_all, &a, 10000);
    struct pl_server_stats s;
    pl_server_stats(server, &s);
    CHECK(a.answers == 20 && s.requests >= 10 && s.requests <= 12);
    CHECK(s.requests + s.limited == 20);
    pl_client_free(cl);
    unserve(1000);
}

/* Falls silent in the middle, reading and writing nothing: its own connection ends. */
TEST(a_peer_that_falls_silent)
{
    static uint8_t big[PL_NET_REQUEST_MAX];
    struct pl_client *cl;
    struct asker a = {0};
    NEED(serve(&(struct pl_server_config){.response_ms = 700, .request_ms = 700, .idle_ms = 1000}));
    NEED(CHECK_OK(pl_client_new(&cl, pair_crypto)));
    struct pl_link *l = dial(cl, &a, client_ctx, NULL);
    NEED(l);
    for (unsigned i = 0; i < 6; i++)
        ask(l, "/echo", PL_ARR(big), 60000);
    struct pl_server_stats s = {0};
    uint64_t end = now_ms() + 5000;
    while (s.requests < 1 && now_ms() < end) {
        pl_client_run(cl, NULL, NULL, 1);
        pl_server_stats(server, &s);
    }
    /* From here on it is silent. What the socket takes is sent; the rest must not wait for ever. */
    honest_is_answered();
    WAIT(connections() == 0);
    CHECK(__atomic_load_n(&last_closed, __ATOMIC_SEQ_CST) == PL_E_NET_IDLE ||
          __atomic_load_n(&last_closed, __ATOMIC_SEQ_CST) == PL_E_NET_SLOW_READER);
    pl_client_free(cl);
    unserve(1000);
}

/* P18: what an idle attested connection costs the server, with its request behind it. */
TEST(an_idle_connection_is_small)
{
    enum { N = 200 };
    static struct asker a[N];
    struct pl_client *cl;
    NEED(serve(&(struct pl_server_config){.workers = 1, .connections_per_peer = 1000}));
    NEED(CHECK_OK(pl_client_new(&cl, pair_crypto)));
    honest_is_answered();
    size_t before = mallinfo2().uordblks;
    for (unsigned i = 0; i < N; i++) {
        struct pl_link *l = dial(cl, &a[i], client_ctx, NULL);
        NEED(l);
        ask(l, "/echo", PL_LIT("{}"), 10000);
        pl_client_run(cl, have_all, &a[i], 10000);
    }
    /* Both ends live in this process: half of it is the server's at most, within a little. */
    size_t each = (mallinfo2().uordblks - before) / N;
    printf("# %zu bytes for both ends of an idle connection\n", each);
    CHECK(each <= 2 * 64 * 1024);
    pl_client_free(cl);
    unserve(1000);
}

TEST_MAIN()
