/* A man in the middle of an attested channel, on sockets. She stands where a vault should, with
 * that vault's own certificate and its stolen private key, and goes on to a vault with the app's
 * certificate and the app's stolen key: evidence in certificates cannot tell her from either. What
 * she cannot steal is evidence over a value of her own two connections.
 *
 *     relay FRONT_PORT FRONT_KEY BACK_PORT APP_KEY pass|answer|use [HANDLE]
 *
 * FRONT_PORT: the vault whose certificate she shows; FRONT_KEY: its private key (PEM). BACK_PORT:
 * where she goes with APP_KEY and the certificate that the app just showed her.
 *     pass    forwards everything
 *     answer  the same, but asks the vault for its evidence in her own name, without any
 *     use     after the app's session request she asks for the share of HANDLE herself
 * One JSON line for everything that happened; ends when its standard input does. One connection of
 * an app at a time. */
#include "attest/ratls.h"
#include "platform/net/net.h"
#include "platform/platform.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WAIT_MS = 10000, LEAF_MAX = 128 * 1024 };

static struct relay {
    const char *mode, *handle;
    struct pl_priv front_key, app_key;
    struct pl_wr front_leaf, app_leaf;
    char front[64], back[64];
    struct pl_client *loop; /* the worker's */
    struct pl_tls_ctx *tls;
    struct pl_link *link;
    bool open, answered;
    /* who asked; stream 0: the relay herself */
    struct pl_worker *worker;
    pl_conn_id conn;
    uint32_t stream;
    char path[128];
} me;

static struct pl_interval now(void *arg)
{
    int64_t s;
    (void)arg;
    pl_err e = pl_clock_wall(&s);
    PL_ASSERT(e == PL_OK);
    return (struct pl_interval){s, s};
}

static bool holds_share(struct pl_span body)
{
    return memmem(body.p, body.n, "\"share\"", 7) != NULL;
}

static void tell(const char *event, int status, struct pl_span body)
{
    printf("{\"event\":\"%s\",\"path\":\"%s\",\"status\":%d,\"share\":%s}\n", event, me.path,
           status, holds_share(body) ? "true" : "false");
    fflush(stdout);
}

/* ---- the side of the vault ---- */

static pl_err back_open(struct pl_link *l)
{
    me.open = true;
    if (pl_link_user(l) != &me) { /* only to see the certificate */
        me.front_leaf = pl_wr_heap(LEAF_MAX);
        pl_wr_bytes(&me.front_leaf, pl_link_peer(l)->leaf);
    }
    return PL_OK;
}

static void back_answer(struct pl_link *l, uint32_t stream, const struct pl_response *r, pl_err why)
{
    (void)l;
    (void)stream;
    (void)why;
    me.answered = true;
    if (!r)
        return;
    tell(me.stream ? "answer" : "own", r->status, r->body);
    if (me.stream && pl_respond(me.worker, me.conn, me.stream, r) != PL_OK)
        tell("gone", 0, pl_span(NULL, 0));
}

static void back_closed(struct pl_link *l, pl_err why)
{
    (void)l;
    (void)why;
    me.link = NULL;
    me.open = false;
}

static const struct pl_link_events back = {back_open, back_answer, back_closed};

static bool is_open(void *arg) { return (void)arg, me.open || !me.link; }
static bool is_answered(void *arg) { return (void)arg, me.answered || !me.link; }

static pl_err dial(struct pl_crypto *c, const char *address, const struct pl_wr *leaf, void *user)
{
    const struct pl_tls_config tls = {.leaf = leaf ? pl_wr_span(leaf) : (struct pl_span){0},
                                      .key = leaf ? &me.app_key : NULL,
                                      .now = now};
    pl_tls_ctx_free(me.tls);
    me.tls = NULL;
    PL_TRY(pl_tls_ctx_new(&me.tls, c, &tls));
    const struct pl_link_config cfg = {
        .address = address, .tls = me.tls, .events = &back, .user = user};
    me.open = false;
    PL_TRY(pl_link_open(me.loop, &me.link, &cfg));
    pl_client_run(me.loop, is_open, NULL, WAIT_MS);
    PL_REQUIRE(me.open, NET_CONNECT);
    return PL_OK;
}

/* Asks and waits: whoever waits for her is one app. */
static void ask(const struct pl_request *r)
{
    uint32_t stream;
    me.answered = false;
    if (me.link && pl_link_request(me.link, &stream, r, WAIT_MS) == PL_OK)
        pl_client_run(me.loop, is_answered, NULL, WAIT_MS);
}

/* ---- the side of the app ---- */

static pl_err front_start(void *arg, struct pl_worker *w, void **out)
{
    (void)arg;
    *out = &me;
    me.worker = w;
    return pl_client_new(&me.loop, pl_worker_crypto(w));
}

static void front_stop(struct pl_worker *w)
{
    (void)w;
    pl_client_free(me.loop);
    pl_tls_ctx_free(me.tls);
}

static pl_err front_established(struct pl_conn *c, bool *out_resumable)
{
    (void)out_resumable;
    pl_wr_free(&me.app_leaf);
    me.app_leaf = pl_wr_heap(LEAF_MAX);
    pl_wr_bytes(&me.app_leaf, pl_conn_peer(c)->leaf);
    return dial(pl_worker_crypto(pl_conn_worker(c)), me.back, &me.app_leaf, &me);
}

static void use_it(void)
{
    snprintf(me.path, sizeof(me.path), "/v1/keys/%s/export", me.handle);
    me.stream = 0;
    ask(&(struct pl_request){.method = PL_LIT("POST"), .path = pl_span_str(me.path)});
}

static void front_request(struct pl_conn *c, uint32_t stream, const struct pl_request *r)
{
    struct pl_request mine = *r;
    bool session = pl_span_is(r->path, "/v1/session");
    me.conn = pl_conn_id_of(c);
    me.stream = stream;
    snprintf(me.path, sizeof(me.path), "%.*s", (int)r->path.n, (const char *)r->path.p);
    tell("request", 0, r->body);
    if (session && strcmp(me.mode, "answer") == 0)
        mine.body = PL_LIT("{}");
    ask(&mine);
    if (session && strcmp(me.mode, "use") == 0)
        use_it();
}

static void front_closed(struct pl_conn *c, pl_err why)
{
    (void)c;
    (void)why;
    if (me.link)
        pl_link_close(me.link);
    pl_client_run(me.loop, NULL, NULL, WAIT_MS);
}

static const struct pl_handler front = {.on_start = front_start,
                                        .on_stop = front_stop,
                                        .on_established = front_established,
                                        .on_request = front_request,
                                        .on_closed = front_closed};

/* ---- start ---- */

static pl_err read_key(struct pl_crypto *c, struct pl_priv *out, const char *path)
{
    uint8_t der[256];
    size_t n;
    struct pl_wr file PL_CLEANUP(pl_wr_free) = pl_wr_heap(16 * 1024);
    PL_TRY(pl_file_read(&file, path, 16 * 1024));
    struct pl_span in = pl_wr_span(&file);
    PL_TRY(pl_unpem(der, sizeof(der), &n, &in, "PRIVATE KEY"));
    return pl_priv_from_pkcs8(c, out, pl_span(der, n));
}

/* The certificate of the vault in front is public: whoever connects is shown it. */
static pl_err take_front_leaf(struct pl_crypto *c)
{
    PL_TRY(pl_client_new(&me.loop, c));
    pl_err e = dial(c, me.front, NULL, NULL);
    pl_client_free(me.loop);
    me.loop = NULL;
    return e;
}

static pl_err serve(struct pl_crypto *c)
{
    struct pl_tls_ctx *tls;
    struct pl_server *s;
    const struct pl_tls_config cfg = {.server = true,
                                      .ask_certificate = true,
                                      .leaf = pl_wr_span(&me.front_leaf),
                                      .key = &me.front_key,
                                      .now = now};
    PL_TRY(pl_tls_ctx_new(&tls, c, &cfg));
    const struct pl_server_config server = {
        .address = "127.0.0.1:0", .workers = 1, .tls = tls, .handler = &front};
    PL_TRY(pl_server_start(&s, &server));
    printf("{\"event\":\"ready\",\"port\":%u}\n", (unsigned)pl_server_port(s));
    fflush(stdout);
    struct pollfd fds[2] = {{pl_server_fd(s), POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
    while (poll(fds, 2, -1) > 0 && !fds[1].revents)
        pl_server_accept(s);
    pl_server_stop(s, 0);
    pl_tls_ctx_free(tls);
    return PL_OK;
}

static pl_err run(char **a)
{
    struct pl_crypto *c;
    PL_TRY(pl_crypto_new(&c));
    snprintf(me.front, sizeof(me.front), "127.0.0.1:%s", a[0]);
    snprintf(me.back, sizeof(me.back), "127.0.0.1:%s", a[2]);
    me.mode = a[4];
    me.handle = a[5] ? a[5] : "";
    PL_TRY(read_key(c, &me.front_key, a[1]));
    PL_TRY(read_key(c, &me.app_key, a[3]));
    PL_TRY(take_front_leaf(c));
    pl_err e = serve(c);
    pl_wr_free(&me.front_leaf);
    pl_wr_free(&me.app_leaf);
    pl_crypto_free(c);
    return e;
}

int main(int argc, char **argv)
{
    pl_err e = argc >= 6 ? run(argv + 1) : PL_FAIL(BUG);
    if (e != PL_OK)
        printf("{\"event\":\"error\",\"code\":\"%s\"}\n", pl_code_name(pl_err_code(e)));
    return e == PL_OK ? 0 : 1;
}
