/* A stranger who wants to know whether there is a key: asks for it and for one that is not there,
 * in random order, each operation in turn, and says what came back and when.
 *
 *     strangers PORT HANDLE MISSING N answer|behind|bytes
 *
 * answer  "LABEL NS" for each of N requests: until it was refused. 64 are under way at a time.
 * behind  the same until the answer of a public read that travels in one packet with the request,
 *         behind it: what deciding the request cost the vault. A last line says how often that
 *         answer came first: "first N".
 * bytes   "LABEL STATUS BODY" for each operation, with the request's id blanked.
 * LABEL is 1 for HANDLE, 0 for MISSING. */
#include "attest/ratls.h"
#include "platform/net/net.h"
#include "platform/platform.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { WAIT_MS = 20000, SLOTS = 512, AT_ONCE = 64 };

static const char *const ops[][2] = {
    {"POST", "/export"}, {"GET", ""}, {"POST", "/activate"}, {"DELETE", ""}, {"GET", "/policy"}};
enum { OPS = sizeof(ops) / sizeof(*ops) };

/* What is known of a request by its stream. */
struct asked {
    bool probe, refused; /* a public read behind a request; that request was answered before */
    unsigned label;
    uint64_t at_ns;
    struct asked *before;
};

static struct stranger {
    const char *handle[2], *mode; /* missing, there */
    struct pl_crypto *c;
    struct pl_client *loop;
    struct pl_link *link;
    struct asked asked[SLOTS];
    unsigned under_way, room, first;
    bool open, probing;
} me;

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static struct pl_interval now(void *arg)
{
    int64_t s;
    (void)arg;
    pl_err e = pl_clock_wall(&s);
    PL_ASSERT(e == PL_OK);
    return (struct pl_interval){s, s};
}

static pl_err on_established(struct pl_link *l)
{
    (void)l;
    me.open = true;
    return PL_OK;
}

static void print_body(unsigned label, const struct pl_response *r)
{
    static const char mark[] = "\"request_id\":\"";
    char text[4096];
    snprintf(text, sizeof(text), "%.*s", (int)r->body.n, (const char *)r->body.p);
    char *id = strstr(text, mark);
    for (id = id ? id + sizeof(mark) - 1 : NULL; id && *id && *id != '"'; id++)
        *id = '.';
    printf("%u %d %s\n", label, r->status, text);
}

static void on_response(struct pl_link *l, uint32_t stream, const struct pl_response *r, pl_err why)
{
    struct asked *a = &me.asked[stream / 2 % SLOTS];
    (void)l;
    me.under_way--;
    if (!r) {
        fprintf(stderr, "strangers: %s\n", pl_code_name(pl_err_code(why)));
        exit(1);
    }
    a->refused = true;
    if (strcmp(me.mode, "bytes") == 0)
        print_body(a->label, r);
    if (a->probe) {
        me.probing = false;
        me.first += !a->before->refused;
    }
    if (a->probe || strcmp(me.mode, "answer") == 0)
        printf("%u %llu\n", a->label, (unsigned long long)(now_ns() - a->at_ns));
}

static void on_closed(struct pl_link *l, pl_err why)
{
    (void)l;
    (void)why;
    me.link = NULL;
}

static const struct pl_link_events events = {on_established, on_response, on_closed};

/* A certificate of a key of our own, without evidence. */
static pl_err make_ctx(struct pl_tls_ctx **out)
{
    uint8_t seed[PL_P256_SEED_BYTES], pub[PL_P256_PUB_BYTES];
    struct pl_priv key = {.type = PL_PUB_P256};
    struct pl_wr der PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_RATLS_MAX);
    struct pl_ratls_new n = {.name = "stranger", .serial = {1}};
    PL_TRY(pl_entropy(seed, sizeof(seed)));
    PL_TRY(pl_p256_make(me.c, key.raw, pub, seed));
    int64_t s = now(NULL).latest_s;
    n.valid = (struct pl_period){s - 3600, s + 3600};
    PL_TRY(pl_ratls_make(me.c, &der, &key, &n));
    const struct pl_tls_config cfg = {.leaf = pl_wr_span(&der), .key = &key, .now = now};
    return pl_tls_ctx_new(out, me.c, &cfg);
}

static bool is_open(void *arg) { return (void)arg, me.open || !me.link; }
static bool has_room(void *arg) { return (void)arg, me.under_way <= me.room; }
static bool is_seen(void *arg) { return (void)arg, !me.probing; }

static struct asked *ask(const char *method, const char *path, unsigned label)
{
    uint32_t stream;
    const struct pl_request r = {.method = pl_span_str(method), .path = pl_span_str(path)};
    pl_err e = me.link ? pl_link_request(me.link, &stream, &r, WAIT_MS) : PL_FAIL(NET_CLOSED);
    if (e != PL_OK) {
        fprintf(stderr, "strangers: %s\n", pl_code_name(pl_err_code(e)));
        exit(1);
    }
    struct asked *a = &me.asked[stream / 2 % SLOTS];
    me.under_way++;
    *a = (struct asked){.label = label, .at_ns = now_ns()};
    return a;
}

static void one(unsigned i, unsigned label)
{
    char path[64];
    snprintf(path, sizeof(path), "/v1/keys/%s%s", me.handle[label], ops[i % OPS][1]);
    struct asked *a = ask(ops[i % OPS][0], path, label);
    if (strcmp(me.mode, "behind") == 0) {
        struct asked *b = ask("GET", "/v1/identity", label);
        b->probe = me.probing = true;
        b->before = a;
        pl_client_run(me.loop, is_seen, NULL, WAIT_MS);
    }
    me.room = strcmp(me.mode, "bytes") == 0 ? 0 : AT_ONCE;
    pl_client_run(me.loop, has_room, NULL, WAIT_MS);
}

static pl_err run(unsigned n)
{
    uint8_t coin = 0;
    for (unsigned i = 0; i < n; i++) {
        PL_TRY(pl_entropy(&coin, 1));
        one(strcmp(me.mode, "bytes") == 0 ? i / 2 : i,
            strcmp(me.mode, "bytes") == 0 ? i & 1 : coin & 1);
    }
    me.room = 0;
    pl_client_run(me.loop, has_room, NULL, WAIT_MS);
    if (strcmp(me.mode, "behind") == 0)
        printf("first %u\n", me.first);
    return PL_OK;
}

int main(int argc, char **argv)
{
    char address[64];
    struct pl_tls_ctx *tls = NULL;
    if (argc != 6)
        return 2;
    snprintf(address, sizeof(address), "127.0.0.1:%s", argv[1]);
    me.handle[1] = argv[2];
    me.handle[0] = argv[3];
    me.mode = argv[5];
    pl_err e = pl_crypto_new(&me.c);
    if (e == PL_OK)
        e = make_ctx(&tls);
    if (e == PL_OK)
        e = pl_client_new(&me.loop, me.c);
    const struct pl_link_config cfg = {.address = address, .tls = tls, .events = &events};
    if (e == PL_OK)
        e = pl_link_open(me.loop, &me.link, &cfg);
    if (e == PL_OK)
        pl_client_run(me.loop, is_open, NULL, WAIT_MS);
    if (e == PL_OK)
        e = run((unsigned)strtoul(argv[4], NULL, 10));
    pl_client_free(me.loop);
    pl_tls_ctx_free(tls);
    pl_crypto_free(me.c);
    return e == PL_OK ? 0 : 1;
}
