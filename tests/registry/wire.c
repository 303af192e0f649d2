#include "wire.h"

#include "attest/ratls.h"
#include "platform/platform.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WAIT_MS = 20000, LOG_MAX = 1 << 20 };
extern char **environ;

/* ---- processes ---- */

static pid_t spawn(const char *log, const char *const *argv)
{
    char *args[40];
    size_t n = 0;
    pid_t pid = -1;
    posix_spawn_file_actions_t acts;
    while (argv[n]) {
        PL_ASSERT(n < 39);
        args[n] = strdup(argv[n]);
        n++;
    }
    args[n] = NULL;
    PL_ASSERT(posix_spawn_file_actions_init(&acts) == 0);
    posix_spawn_file_actions_addopen(&acts, 2, log, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (posix_spawn(&pid, args[0], &acts, NULL, args, environ) != 0)
        pid = -1;
    posix_spawn_file_actions_destroy(&acts);
    while (n > 0)
        free(args[--n]);
    return pid;
}

static bool read_log(const struct process *p, struct pl_wr *out)
{
    *out = pl_wr_heap(LOG_MAX);
    if (pl_file_read(out, p->log, LOG_MAX - 1) != PL_OK)
        return false;
    pl_wr_u8(out, 0);
    return pl_wr_end(out) == PL_OK;
}

static bool log_holds(const struct process *p, const char *text)
{
    struct pl_wr log PL_CLEANUP(pl_wr_free) = {0};
    return read_log(p, &log) && strstr((const char *)log.p, text) != NULL;
}

bool process_said(const struct process *p, const char *text)
{
    int64_t until = pl_clock_mono_ms() + WAIT_MS;
    while (pl_clock_mono_ms() < until) {
        if (log_holds(p, text))
            return true;
        siginfo_t info = {0};
        if (waitid(P_PID, (id_t)p->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid)
            return log_holds(p, text);
        (void)poll(NULL, 0, 10);
    }
    return false;
}

bool process_start(struct process *p, const char *log, const char *const *argv)
{
    snprintf(p->log, sizeof(p->log), "%s", log);
    p->pid = spawn(log, argv);
    bool ok = p->pid > 0 && process_said(p, "\"ready\"");
    struct pl_wr text PL_CLEANUP(pl_wr_free) = {0};
    if (!ok && read_log(p, &text))
        printf("# not ready: %s\n", (const char *)text.p);
    return ok;
}

const char *process_value(const struct process *p, const char *name)
{
    static char ring[8][160];
    static unsigned at;
    char *out = ring[at++ % 8], key[64];
    struct pl_wr log PL_CLEANUP(pl_wr_free) = {0};
    out[0] = 0;
    snprintf(key, sizeof(key), "\"%s\":\"", name);
    const char *v = read_log(p, &log) ? strstr((const char *)log.p, key) : NULL;
    if (v) {
        v += strlen(key);
        snprintf(out, 160, "%.*s", (int)strcspn(v, "\""), v);
    }
    return out;
}

int process_stop(struct process *p)
{
    int status = -1;
    if (p->pid <= 0)
        return -1;
    kill(p->pid, SIGTERM);
    bool waited = waitpid(p->pid, &status, 0) == p->pid;
    p->pid = -1;
    return waited && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* ---- requests ---- */

struct asking {
    const struct question *q;
    struct answer *a;
    bool over;
};

static struct pl_interval now(void *arg)
{
    int64_t s = 0;
    (void)arg;
    return pl_clock_wall(&s) == PL_OK ? (struct pl_interval){s, s} : PL_TIME_UNKNOWN;
}

/* Whoever answers: what is asked here is public, or the test's own. */
static pl_err on_established(struct pl_link *l)
{
    const struct asking *k = pl_link_user(l);
    uint32_t stream;
    const struct pl_request r = {
        .method = pl_span_str(k->q->method),
        .path = pl_span_str(k->q->path),
        .content_type = k->q->body.n ? PL_LIT("application/json") : (struct pl_span){0},
        .if_none_match = k->q->etag,
        .idempotency_key = k->q->idempotency_key,
        .body = k->q->body,
    };
    return pl_link_request(l, &stream, &r, WAIT_MS);
}

static void on_response(struct pl_link *l, uint32_t stream, const struct pl_response *r, pl_err why)
{
    struct asking *k = pl_link_user(l);
    (void)stream;
    (void)why;
    if (r) {
        k->a->status = r->status;
        snprintf(k->a->etag, sizeof(k->a->etag), "%.*s", (int)r->etag.n,
                 r->etag.n ? (const char *)r->etag.p : "");
        pl_wr_bytes(&k->a->body, r->body);
    }
    pl_link_close(l);
}

static void on_closed(struct pl_link *l, pl_err why)
{
    struct asking *k = pl_link_user(l);
    (void)why;
    k->over = true;
}

static bool is_over(void *arg) { return ((const struct asking *)arg)->over; }

static pl_err leaf_of(struct pl_crypto *c, struct pl_wr *der, const struct pl_priv *key)
{
    int64_t s;
    PL_TRY(pl_clock_wall(&s));
    const struct pl_ratls_new n = {.name = "a client", .serial = {1}, .valid = {s - 300, s + 3600}};
    return pl_ratls_make(c, der, key, &n);
}

static pl_err exchange(struct asking *k, struct pl_crypto *c, struct pl_client **cl,
                       struct pl_tls_ctx **tls)
{
    static const struct pl_link_events events = {on_established, on_response, on_closed};
    struct pl_wr der PL_CLEANUP(pl_wr_free) = pl_wr_heap(4096);
    char address[64];
    struct pl_link *l;
    snprintf(address, sizeof(address), "127.0.0.1:%s", k->q->port);
    if (k->q->key)
        PL_TRY(leaf_of(c, &der, k->q->key));
    const struct pl_tls_config cfg = {.leaf = pl_wr_span(&der), .key = k->q->key, .now = now};
    PL_TRY(pl_tls_ctx_new(tls, c, &cfg));
    PL_TRY(pl_client_new(cl, c));
    const struct pl_link_config link = {
        .address = address, .tls = *tls, .events = &events, .user = k};
    PL_TRY(pl_link_open(*cl, &l, &link));
    pl_client_run(*cl, is_over, k, WAIT_MS);
    return PL_OK;
}

bool ask(struct answer *a, const struct question *q)
{
    struct pl_crypto *c = NULL;
    struct pl_client *cl = NULL;
    struct pl_tls_ctx *tls = NULL;
    struct asking k = {.q = q, .a = a};
    pl_wr_free(&a->body);
    *a = (struct answer){.body = pl_wr_heap(PL_NET_RESPONSE_MAX)};
    pl_err e = pl_crypto_new(&c);
    if (e == PL_OK)
        e = exchange(&k, c, &cl, &tls);
    pl_client_free(cl);
    pl_tls_ctx_free(tls);
    pl_crypto_free(c);
    return e == PL_OK && a->status != 0;
}

int ask_status(const char *port, const char *method, const char *path, struct pl_span body)
{
    struct answer a = {0};
    const struct question q = {.port = port, .method = method, .path = path, .body = body};
    int status = ask(&a, &q) ? a.status : 0;
    pl_wr_free(&a.body);
    return status;
}
