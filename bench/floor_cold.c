/* The floor of a cold start: the least that brings a secret out of two of three places that are
 * attested both ways, over TLS by the library alone, with messages of a length and bytes.
 *
 *     bench_floor_cold serve COLLATERAL ROOT.pem
 *     bench_floor_cold get COLLATERAL ROOT.pem HOST:PORT...    prints the XOR of the first two
 *     bench_floor_cold measured                                opens its TEE, and ends
 *
 * All need a TEE. What must be done: own evidence in a fresh certificate, the peer's verified,
 * evidence over this connection's exporter from both sides, verified. What is left out: HTTP, JSON,
 * policy, log, descriptor, anchor, and any judgement of what the evidence says. */
#include "bench/floor.h"
#include "platform/trust/trust.h"

#include <openssl/x509.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MESSAGE_MAX = 64 * 1024, SHARE = 32, PLACES = 8, NEED = 2 };

static struct {
    struct kit kit;
    SSL_CTX *tls;
    struct pl_roots roots;
    struct pl_wr root;
    struct pl_trust_set *trust;
    pthread_mutex_t lock; /* over the TEE and over what came */
    pthread_cond_t came;
    unsigned shares;
    uint8_t secret[SHARE];
} g;

/* One peer; its own crypto context, so that threads need no lock. */
struct side {
    struct pl_crypto *c;
    struct pl_chain_cache chains;
    SSL *ssl;
    uint8_t peer_spki[32], peer_claims[32];
};

static void open_all(char **a)
{
    const char *bad = "";
    uint8_t *der;
    size_t n;
    struct pl_wr pem PL_CLEANUP(pl_wr_free) = pl_wr_heap(16384);
    kit_open(&g.kit, NULL, true);
    g.tls = floor_tls(&g.kit, strcmp(a[-1], "serve") == 0);
    g.roots = *pl_roots_builtin();
    MUST(pl_file_read(&pem, a[1], 16384));
    struct pl_span in = pl_wr_span(&pem);
    g.root = pl_wr_heap(16384);
    der = pl_wr_take(&g.root, in.n);
    kit_need(der != NULL, "memory");
    MUST(pl_unpem(der, in.n, &n, &in, "CERTIFICATE"));
    MUST(pl_roots_add_cert(g.kit.c, &g.roots, PL_TEE_SGX, PL_TRUST_DEV, "dev", pl_span(der, n)));
    MUST(pl_trust_load(&g.trust, g.kit.c, &g.roots, a[0], &bad));
    pthread_mutex_init(&g.lock, NULL);
    pthread_cond_init(&g.came, NULL);
}

/* False when the peer has gone: a caller with enough answers waits for no other. */
static bool send_bytes(SSL *ssl, const uint8_t *p, size_t n)
{
    uint8_t buf[4 + MESSAGE_MAX];
    struct pl_wr w = pl_wr_fixed(buf, sizeof(buf));
    pl_wr_be32(&w, (uint32_t)n);
    pl_wr_bytes(&w, pl_span(p, n));
    return SSL_write(ssl, buf, (int)w.n) == (int)w.n;
}

static bool receive_all(SSL *ssl, uint8_t *p, size_t n)
{
    for (size_t got = 0; got < n;) {
        int k = SSL_read(ssl, p + got, (int)(n - got));
        if (k <= 0)
            return false;
        got += (size_t)k;
    }
    return true;
}

static size_t receive(SSL *ssl, uint8_t *p, size_t cap)
{
    uint8_t head[4];
    if (!receive_all(ssl, head, sizeof(head)))
        return 0;
    struct pl_rd r = pl_rd(PL_ARR(head));
    size_t n = pl_rd_be32(&r);
    return n <= cap && receive_all(ssl, p, n) ? n : 0;
}

static void judge_leaf(struct side *s)
{
    struct pl_ratls cert;
    struct pl_claims claims;
    uint8_t *der = NULL;
    X509 *x = SSL_get0_peer_certificate(s->ssl);
    int n = x ? i2d_X509(x, &der) : 0;
    struct pl_verifier v = pl_trust_verifier(g.trust, s->c, &s->chains, kit_now(NULL));
    kit_need(n > 0, "certificate");
    MUST(pl_ratls_parse(s->c, &cert, pl_span(der, (size_t)n), PL_RATLS_CHANNEL));
    MUST(pl_ratls_verify(&v, &claims, &cert));
    memcpy(s->peer_spki, cert.spki_sha256, 32);
    memcpy(s->peer_claims, cert.claims_sha256, 32);
    OPENSSL_free(der);
}

static void session_of(struct side *s, struct pl_session *out, enum pl_session_role role, bool own)
{
    const char *text = pl_session_role_text(role);
    *out = (struct pl_session){.role = role};
    memcpy(out->own_spki, own ? g.kit.spki_sha256 : s->peer_spki, 32);
    memcpy(out->peer_spki, own ? s->peer_spki : g.kit.spki_sha256, 32);
    memcpy(out->own_claims, own ? g.kit.claims_sha256 : s->peer_claims, 32);
    kit_need(SSL_export_keying_material(s->ssl, out->exporter, 32, PL_EXPORTER_LABEL,
                                        sizeof(PL_EXPORTER_LABEL) - 1, (const uint8_t *)text,
                                        strlen(text), 1) == 1,
             "exporter");
}

static bool prove(struct side *s, enum pl_session_role role)
{
    struct pl_session own;
    struct pl_batch *batch = malloc(sizeof(*batch));
    struct pl_wr quote PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_TEE_EVIDENCE_MAX);
    kit_need(batch != NULL, "memory");
    session_of(s, &own, role, true);
    pthread_mutex_lock(&g.lock);
    kit_quote(&g.kit, &quote, batch, &own);
    pthread_mutex_unlock(&g.lock);
    free(batch);
    return send_bytes(s->ssl, quote.p, quote.n);
}

static bool judge_session(struct side *s, enum pl_session_role role)
{
    static _Thread_local uint8_t quote[MESSAGE_MAX];
    struct pl_session theirs;
    struct pl_claims claims;
    const struct pl_batch_proof alone = {.count = 1};
    uint8_t binding[PL_BINDING_BYTES], report_data[PL_REPORT_DATA_BYTES];
    struct pl_verifier v = pl_trust_verifier(g.trust, s->c, &s->chains, kit_now(NULL));
    size_t n = receive(s->ssl, quote, sizeof(quote));
    if (n == 0)
        return false;
    session_of(s, &theirs, role, false);
    MUST(pl_session_binding(s->c, binding, &theirs));
    MUST(pl_batch_expect(s->c, report_data, binding, &alone));
    MUST(pl_evidence_verify(&v, &claims, pl_span(quote, n), pl_report_data(report_data)));
    return true;
}

static void *serve_one(void *arg)
{
    static const uint8_t share[SHARE] = {1, 2, 3};
    struct side s = {.ssl = arg};
    MUST(pl_crypto_new(&s.c));
    if (SSL_accept(s.ssl) == 1) {
        judge_leaf(&s);
        if (judge_session(&s, PL_ROLE_CALLER) && prove(&s, PL_ROLE_VAULT))
            (void)send_bytes(s.ssl, share, sizeof(share));
    }
    close(SSL_get_fd(s.ssl));
    SSL_free(s.ssl);
    pl_crypto_free(s.c);
    return NULL;
}

static int serve(void)
{
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    int listener = floor_listen();
    kit_need(sigaction(SIGPIPE, &ignore, NULL) == 0, "SIGPIPE");
    for (;;) {
        pthread_t t;
        struct pollfd p[] = {{.fd = listener, .events = POLLIN},
                             {.fd = STDIN_FILENO, .events = POLLIN}};
        kit_need(poll(p, 2, -1) > 0, "poll");
        if (p[1].revents)
            return 0;
        int fd = accept(listener, NULL, NULL);
        SSL *ssl = SSL_new(g.tls);
        kit_need(fd >= 0 && ssl && SSL_set_fd(ssl, fd) == 1 &&
                     pthread_create(&t, NULL, serve_one, ssl) == 0 && pthread_detach(t) == 0,
                 "accept");
    }
}

static void *get_one(void *address)
{
    uint8_t share[SHARE];
    struct side s = {.ssl = SSL_new(g.tls)};
    MUST(pl_crypto_new(&s.c));
    kit_need(s.ssl && SSL_set_fd(s.ssl, floor_connect(address)) == 1 && SSL_connect(s.ssl) == 1,
             "TLS");
    judge_leaf(&s);
    kit_need(prove(&s, PL_ROLE_CALLER) && judge_session(&s, PL_ROLE_VAULT) &&
                 receive(s.ssl, share, SHARE) == SHARE,
             "share");
    pthread_mutex_lock(&g.lock);
    for (int i = 0; i < SHARE && g.shares < NEED; i++)
        g.secret[i] ^= share[i];
    g.shares++;
    pthread_cond_signal(&g.came);
    pthread_mutex_unlock(&g.lock);
    return NULL; /* the process ends with the answer */
}

static int get(char **address, int n)
{
    pthread_t t[PLACES];
    char hex[2 * SHARE + 1];
    for (int i = 0; i < n && i < PLACES; i++)
        kit_need(pthread_create(&t[i], NULL, get_one, address[i]) == 0, "thread");
    pthread_mutex_lock(&g.lock);
    while (g.shares < NEED)
        pthread_cond_wait(&g.came, &g.lock);
    pl_hex(hex, PL_ARR(g.secret));
    printf("%s\n", hex);
    fflush(stdout);
    _exit(0);
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "serve") == 0) {
        open_all(argv + 2);
        return serve();
    }
    if (argc > 5 && strcmp(argv[1], "get") == 0) {
        open_all(argv + 2);
        return get(argv + 4, argc - 4);
    }
    if (argc == 2 && strcmp(argv[1], "measured") == 0) {
        struct pl_tee_device *tee;
        MUST(pl_tee_open(&tee, NULL));
        printf("%s\n", pl_tee_self(tee)->tee);
        pl_tee_close(tee);
        return 0;
    }
    fprintf(stderr, "usage: bench_floor_cold serve|get COLLATERAL ROOT.pem [HOST:PORT...], "
                    "or measured\n");
    return 2;
}
