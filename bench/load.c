/* The load generator: callers on the client's pumps, one thread, one epoll.
 *
 *     bench_load key FILE                               makes a key; prints its name, SPKI's
 * SHA-256 bench_load config ROOT.pem OUT                    a configuration under which anybody
 * creates bench_load make KEY ADDRESS POLICY N HANDLES      makes and activates N shares, as the
 * owner bench_load keep WHO ADDRESS HANDLES CONNS MS PID  exports over connections that stay
 *     bench_load fresh WHO ADDRESS HANDLES CONNS MS PID a full handshake for each export
 *     bench_load shake WHO ADDRESS CONNS MS PID         a full handshake, and nothing over it
 *     bench_load idle WHO ADDRESS CONNS                 opens them and waits for the end of stdin
 *
 * WHO: a key file, or "new": an attested caller whose certificate is new for each connection, and
 * who binds its session; "known:FILE" is attested by a certificate that the vault has seen.
 * PID's processor time is read around what is counted. One line of JSON comes out. Connections come
 * from addresses of their own, so that a limit for one address is not what is measured. */
#include "bench/load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    LATENCIES = 4 << 20,
    WARM_MS = 300,
    SALT_EVERY = 1000,
    STUCK_MS = 20000,
    MAKERS = 256, /* so many shares are made at a time: they share the log's frames */
    MAKE_MS = 5,  /* for one share, on a machine that does much else */
};

struct run {
    struct load *l;
    const char *mode;
    unsigned want, asked, made, whole; /* make; whole: activated */
    FILE *handles_out;
    char *policy;
    size_t salt_at;
    char (*handle)[23];
    size_t handles, next;
    uint32_t *latency;
    size_t n;
    uint64_t begin_ns, end_ns, cpu_ns, asked_ms;
    int pid;
    unsigned ms;
    bool counting, over, once; /* once: one request a connection */
    unsigned running, errors;
};

/* ---- what is asked ---- */

static void new_salt(struct run *r)
{
    uint8_t salt[16];
    char text[PL_B64U_LEN(16) + 1];
    MUST(pl_entropy(salt, sizeof(salt)));
    pl_b64u(text, PL_ARR(salt));
    memcpy(r->policy + r->salt_at, text, 22);
}

static void ask_create(struct run *r, struct caller *c)
{
    uint8_t random[32 + 32 + 33];
    char commitment[44], tag[44], share[45];
    struct pl_wr body PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_NET_REQUEST_MAX);
    if (r->asked++ % SALT_EVERY == 0)
        new_salt(r);
    MUST(pl_entropy(random, sizeof(random)));
    random[64] |= 1; /* x is not zero */
    pl_b64u(commitment, pl_span(random, 32));
    pl_b64u(tag, pl_span(random + 32, 32));
    pl_b64u(share, pl_span(random + 64, 33));
    const char *parts[] = {"{\"commitment\":\"",
                           commitment,
                           "\",\"generation\":1,\"policy\":",
                           r->policy,
                           "",
                           ",\"share\":\"",
                           share,
                           "\",\"tag\":\"",
                           tag,
                           "\",\"type\":\"raw_share\"}"};
    for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
        pl_wr_str(&body, parts[i]);
    caller_ask(c, "/v1/keys", pl_wr_span(&body));
}

static void ask_export(struct run *r, struct caller *c)
{
    char path[64];
    snprintf(path, sizeof(path), "/v1/keys/%s/export", r->handle[r->next++ % r->handles]);
    caller_ask(c, path, PL_LIT("{}"));
}

static void ask(struct run *r, struct caller *c)
{
    if (*r->mode == 'm' && r->asked < r->want)
        ask_create(r, c);
    else if (*r->mode == 'k' || *r->mode == 'f')
        ask_export(r, c);
}

/* ---- what comes ---- */

static void begin_counting(struct run *r)
{
    r->counting = true;
    r->begin_ns = (uint64_t)pl_clock_mono_ns();
    r->end_ns = r->begin_ns + (uint64_t)r->ms * 1000000;
    r->cpu_ns = kit_cpu_ns(r->pid);
}

static void count(struct run *r, uint64_t since_ns, uint64_t now_ns)
{
    if (!r->counting || r->over)
        return;
    if (r->n < LATENCIES)
        r->latency[r->n++] = (uint32_t)((now_ns - since_ns) / 1000);
    if (now_ns < r->end_ns)
        return;
    r->cpu_ns = kit_cpu_ns(r->pid) - r->cpu_ns;
    r->end_ns = now_ns;
    r->over = true;
}

/* All callers run; what was opened while they came is not counted. */
static void look_at_clock(struct run *r)
{
    uint64_t now = (uint64_t)pl_clock_mono_ms();
    if (!r->counting && r->running == r->l->n && *r->mode != 'm') {
        if (!r->asked_ms)
            r->asked_ms = now;
        else if (now - r->asked_ms >= WARM_MS)
            begin_counting(r);
    }
}

static void keep_handle(struct run *r, struct pl_span body)
{
    static const char mark[] = "\"handle\":\"";
    char text[8192];
    size_t n = body.n < sizeof(text) - 1 ? body.n : sizeof(text) - 1;
    memcpy(text, body.p, n);
    text[n] = 0;
    const char *at = strstr(text, mark);
    kit_need(at && strlen(at) > sizeof(mark) + 22, "an answer without a handle");
    memcpy(r->handle[r->made], at + sizeof(mark) - 1, 22);
    fprintf(r->handles_out, "%.22s\n", r->handle[r->made]);
}

static void on_made(struct run *r, struct caller *c, struct pl_span body)
{
    char path[64];
    if (c->step++ % 2 == 0) {
        keep_handle(r, body);
        snprintf(path, sizeof(path), "/v1/keys/%.22s/activate", r->handle[r->made++]);
        caller_ask(c, path, PL_LIT("{}"));
        return;
    }
    r->over = ++r->whole >= r->want;
    ask(r, c);
}

static void on_open(void *arg, struct caller *c)
{
    struct run *r = arg;
    if (c->runs++ == 0)
        r->running++;
    if (*r->mode != 's') {
        ask(r, c);
        return;
    }
    count(r, c->dialed_ns, (uint64_t)pl_clock_mono_ns());
    look_at_clock(r);
    caller_again(c);
}

static void on_answer(void *arg, struct caller *c, const struct pl_response *res)
{
    struct run *r = arg;
    if (res->status < 200 || res->status > 299) {
        if (r->errors++ == 0)
            fprintf(stderr, "bench_load: %d %.*s\n", res->status, (int)res->body.n,
                    (const char *)res->body.p);
        kit_need(r->errors < 100, "too many refusals");
    }
    if (*r->mode == 'm') {
        kit_need(r->errors == 0, "a share was refused");
        on_made(r, c, res->body);
        return;
    }
    count(r, r->once ? c->dialed_ns : c->asked_ns, (uint64_t)pl_clock_mono_ns());
    look_at_clock(r);
    if (r->once)
        caller_again(c);
    else
        ask(r, c);
}

/* ---- modes ---- */

static int ascending(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void report(struct run *r)
{
    double s = (double)(r->end_ns - r->begin_ns) / 1e9;
    qsort(r->latency, r->n, sizeof(*r->latency), ascending);
    printf("{\"requests\":%zu,\"seconds\":%.3f,\"cpu_seconds\":%.4f,\"errors\":%u,\"p50_us\":%u,"
           "\"p99_us\":%u}\n",
           r->n, s, (double)r->cpu_ns / 1e9, r->errors, r->n ? r->latency[r->n / 2] : 0,
           r->n ? r->latency[r->n * 99 / 100] : 0);
}

static bool is_over(void *arg)
{
    struct run *r = arg;
    return r->over;
}

static void load_handles(struct run *r, const char *path)
{
    char line[64];
    FILE *f = fopen(path, "r");
    kit_need(f != NULL, path);
    r->handle = calloc(1000000, sizeof(*r->handle));
    kit_need(r->handle != NULL, "memory");
    while (r->handles < 1000000 && fgets(line, sizeof(line), f))
        memcpy(r->handle[r->handles++], line, 22);
    fclose(f);
    kit_need(r->handles > 0, "no handles");
}

static void measure(struct run *r, const char *who, const char *address, unsigned callers)
{
    struct load l;
    r->latency = calloc(LATENCIES, sizeof(*r->latency));
    kit_need(r->latency != NULL, "memory");
    const struct load_events events = {on_open, on_answer, r};
    load_open(&l, who, address, callers, &events);
    r->l = &l;
    load_run(&l, is_over, STUCK_MS + r->ms);
    report(r);
    load_close(&l);
    free(r->latency);
    free(r->handle);
}

static void make(struct run *r, char **a)
{
    struct load l;
    struct pl_wr policy PL_CLEANUP(pl_wr_free) = pl_wr_heap(1 << 16);
    MUST(pl_file_read(&policy, a[2], 1 << 16));
    pl_wr_u8(&policy, 0);
    r->policy = (char *)policy.p;
    char *salt = strstr(r->policy, "\"salt\":\"");
    kit_need(salt != NULL, "a policy without \"salt\":\"");
    r->salt_at = (size_t)(salt - r->policy) + 8;
    r->want = kit_number(a[3]);
    r->handle = calloc(r->want, sizeof(*r->handle));
    r->handles_out = fopen(a[4], "w");
    kit_need(r->handle && r->handles_out, a[4]);
    const struct load_events events = {on_open, on_answer, r};
    load_open(&l, a[0], a[1], r->want < MAKERS ? r->want : MAKERS, &events);
    r->l = &l;
    load_run(&l, is_over, 10 * STUCK_MS + r->want * MAKE_MS);
    load_close(&l);
    fclose(r->handles_out);
    free(r->handle);
}

static void idle(struct run *r, char **a)
{
    struct load l;
    char byte;
    const struct load_events events = {on_open, on_answer, r};
    load_open(&l, a[0], a[1], kit_number(a[2]), &events);
    r->l = &l;
    while (r->running < l.n)
        load_turn(&l, 1000);
    printf("{\"open\":%u}\n", r->running);
    fflush(stdout);
    kit_need(read(STDIN_FILENO, &byte, 1) >= 0, "stdin");
    load_close(&l);
}

static void config(char **a)
{
    struct kit k;
    uint8_t der[8192];
    char spki[PL_B64U_LEN(PL_SPKI_MAX) + 1], cert[PL_B64U_LEN(8192) + 1], text[16384], owner[65];
    size_t n;
    struct pl_wr pem PL_CLEANUP(pl_wr_free) = pl_wr_heap(16384);
    struct pl_wr out PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_CONFIG_BYTES);
    kit_open(&k, a[1], false);
    pl_hex(owner, PL_ARR(k.spki_sha256));
    MUST(pl_file_read(&pem, a[0], 16384));
    struct pl_span in = pl_wr_span(&pem);
    MUST(pl_unpem(der, sizeof(der), &n, &in, "CERTIFICATE"));
    pl_b64u(spki, pl_span(k.spki, k.spki_n));
    pl_b64u(cert, pl_span(der, n));
    snprintf(text, sizeof(text),
             "{\"authority\":{\"at_least\":1,\"keys\":[\"%s\"]},\"create\":{\"allow\":[{\"kind\":"
             "\"key\",\"spki_sha256\":\"%s\"}],\"keys_per_owner\":1000000},\"limits\":{\"keys\":"
             "1000000},\"name\":"
             "\"bench\",\"pleiad_config\":1,\"roots\":[{\"cert\":\"%s\",\"label\":\"dev\",\"tee\":"
             "\"sgx\",\"trust\":\"dev\"}],\"serial\":1,\"time\":\"host\",\"witnesses\":{\"f\":0,"
             "\"list\":[]}}",
             spki, owner, cert);
    MUST(pl_config_sign(k.c, &out, pl_span_str(text), &k.key, 1));
    MUST(pl_file_write(a[2], pl_wr_span(&out), 0600, PL_FILE_NEW));
    kit_close(&k);
}

static void key(const char *path)
{
    struct kit k;
    char hex[65];
    kit_open(&k, path, false);
    pl_hex(hex, PL_ARR(k.spki_sha256));
    printf("%s\n", hex);
    kit_close(&k);
}

static int usage(void)
{
    fprintf(stderr,
            "usage: bench_load key|config|make|keep|fresh|shake|idle ...: see bench/load.c\n");
    return 2;
}

int main(int argc, char **argv)
{
    struct run r = {.mode = argc > 1 ? argv[1] : ""};
    char **a = argv + 2;
    bool exports = strcmp(r.mode, "keep") == 0 || strcmp(r.mode, "fresh") == 0;
    if (exports && argc == 8) {
        load_handles(&r, a[2]);
        r.once = *r.mode == 'f';
        r.ms = kit_number(a[4]);
        r.pid = (int)kit_number(a[5]);
        measure(&r, a[0], a[1], kit_number(a[3]));
    } else if (strcmp(r.mode, "shake") == 0 && argc == 7) {
        r.ms = kit_number(a[3]);
        r.pid = (int)kit_number(a[4]);
        measure(&r, a[0], a[1], kit_number(a[2]));
    } else if (strcmp(r.mode, "make") == 0 && argc == 7) {
        make(&r, a);
    } else if (strcmp(r.mode, "idle") == 0 && argc == 5) {
        idle(&r, a);
    } else if (strcmp(r.mode, "key") == 0 && argc == 3) {
        key(a[0]);
    } else if (strcmp(r.mode, "config") == 0 && argc == 5) {
        config(a);
    } else {
        return usage();
    }
    return 0;
}
