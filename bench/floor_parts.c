#include "bench/floor.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BLOCK = 4096, PINGS = 1 << 20, PING_BYTES = 300 };

/* ---- TLS ---- */

static int believe(int ok, X509_STORE_CTX *x)
{
    (void)ok, (void)x;
    return 1;
}

static int choose_h2(SSL *ssl, const unsigned char **out, unsigned char *n, const unsigned char *in,
                     unsigned int in_n, void *arg)
{
    static const unsigned char h2[] = {2, 'h', '2'};
    (void)ssl, (void)in, (void)in_n, (void)arg;
    *out = h2 + 1;
    *n = 2;
    return SSL_TLSEXT_ERR_OK;
}

static void use_leaf(SSL_CTX *s, struct kit *k)
{
    uint8_t pkcs8[256];
    struct pl_wr key = pl_wr_fixed(pkcs8, sizeof(pkcs8));
    struct pl_wr der PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_RATLS_MAX);
    kit_leaf(k, &der);
    pl_priv_to_pkcs8(&key, &k->key);
    const uint8_t *p = der.p, *q = pkcs8;
    X509 *x = d2i_X509(NULL, &p, (long)der.n);
    EVP_PKEY *pkey = d2i_PrivateKey(EVP_PKEY_EC, NULL, &q, (long)key.n);
    kit_need(SSL_CTX_use_certificate(s, x) == 1 && SSL_CTX_use_PrivateKey(s, pkey) == 1, "leaf");
    X509_free(x);
    EVP_PKEY_free(pkey);
}

SSL_CTX *floor_tls(struct kit *k, bool server)
{
    static const uint8_t alpn[] = {2, 'h', '2'};
    SSL_CTX *s = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
    kit_need(s && SSL_CTX_set_min_proto_version(s, TLS1_3_VERSION) == 1 &&
                 SSL_CTX_set_ciphersuites(s, "TLS_AES_256_GCM_SHA384") == 1 &&
                 SSL_CTX_set1_groups_list(s, "X25519") == 1 &&
                 SSL_CTX_set_alpn_protos(s, alpn, sizeof(alpn)) == 0,
             "TLS");
    SSL_CTX_set_options(s, SSL_OP_NO_TICKET);
    SSL_CTX_set_num_tickets(s, 0);
    SSL_CTX_set_session_cache_mode(s, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(s, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(s, 1);
    SSL_CTX_set_verify(s, SSL_VERIFY_PEER, believe);
    if (server)
        SSL_CTX_set_alpn_select_cb(s, choose_h2, NULL);
    use_leaf(s, k);
    return s;
}

/* ---- sockets ---- */

int floor_listen(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    kit_need(fd >= 0 && bind(fd, (struct sockaddr *)&a, n) == 0 && listen(fd, 1024) == 0 &&
                 getsockname(fd, (struct sockaddr *)&a, &n) == 0,
             "listen");
    printf("%u\n", ntohs(a.sin_port));
    fflush(stdout);
    return fd;
}

int floor_connect(const char *address)
{
    const int on = 1;
    const char *colon = strrchr(address, ':');
    kit_need(colon != NULL, address);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    a.sin_port = htons((uint16_t)kit_number(colon + 1));
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    kit_need(fd >= 0 && setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0 &&
                 connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0,
             address);
    return fd;
}

/* ---- the disk ---- */

static void open_file(struct floor_disk *d, const char *folder)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/floor-XXXXXX", folder);
    int fd = mkstemp(path);
    kit_need(fd >= 0, path);
    for (off_t at = 0; at < FLOOR_FILE; at += FLOOR_FRAME)
        kit_need(pwrite(fd, d->sealed, FLOOR_FRAME, at) == FLOOR_FRAME, path);
    kit_need(fdatasync(fd) == 0, path);
    close(fd);
    d->fd = open(path, O_WRONLY | O_DIRECT | O_DSYNC | O_CLOEXEC);
    if (d->fd < 0)
        d->fd = open(path, O_WRONLY | O_DSYNC | O_CLOEXEC);
    kit_need(d->fd >= 0, path);
    unlink(path);
}

static void put(struct floor_disk *d, size_t n)
{
    kit_need(pwrite(d->fd, d->sealed, n, d->at) == (ssize_t)n, "write");
    d->at = (d->at + (off_t)n) % (FLOOR_FILE - FLOOR_FRAME) / BLOCK * BLOCK;
}

static void seal_and_write(struct floor_disk *d, const uint8_t *frame, size_t n)
{
    uint8_t iv[12] = {0};
    int done;
    size_t length = (n + 16 + BLOCK - 1) / BLOCK * BLOCK;
    memcpy(iv, &d->sequence, sizeof(d->sequence));
    d->sequence++;
    kit_need(EVP_EncryptInit_ex2(d->gcm, NULL, NULL, iv, NULL) == 1 &&
                 EVP_EncryptUpdate(d->gcm, d->sealed, &done, frame, (int)(length - 16)) == 1 &&
                 EVP_EncryptFinal_ex(d->gcm, d->sealed + done, &done) == 1 &&
                 EVP_CIPHER_CTX_ctrl(d->gcm, EVP_CTRL_AEAD_GET_TAG, 16, d->sealed + length - 16) ==
                     1,
             "seal");
    put(d, length);
}

static void *log_thread(void *arg)
{
    struct floor_disk *d = arg;
    for (;;) {
        pthread_mutex_lock(&d->lock);
        while (d->n == 0)
            pthread_cond_wait(&d->work, &d->lock);
        const uint8_t *frame = d->frame[d->open];
        size_t n = d->n;
        uint64_t entries = d->entries;
        d->open ^= 1;
        d->n = 0;
        pthread_mutex_unlock(&d->lock);
        seal_and_write(d, frame, n);
        atomic_store(&d->durable, entries);
        d->wake();
    }
    return NULL;
}

void floor_disk(struct floor_disk *d, const char *folder, void (*wake)(void))
{
    static const uint8_t key[32] = {1};
    *d = (struct floor_disk){.wake = wake};
    d->frame[0] = aligned_alloc(BLOCK, FLOOR_FRAME);
    d->frame[1] = aligned_alloc(BLOCK, FLOOR_FRAME);
    d->sealed = aligned_alloc(BLOCK, FLOOR_FRAME);
    d->gcm = EVP_CIPHER_CTX_new();
    kit_need(d->frame[0] && d->frame[1] && d->sealed && d->gcm, "memory");
    memset(d->frame[0], 1, FLOOR_FRAME);
    memset(d->frame[1], 1, FLOOR_FRAME);
    memset(d->sealed, 0, FLOOR_FRAME);
    kit_need(EVP_EncryptInit_ex2(d->gcm, EVP_aes_256_gcm(), key, NULL, NULL) == 1, "AES");
    open_file(d, folder);
    pthread_mutex_init(&d->lock, NULL);
    pthread_cond_init(&d->work, NULL);
    kit_need(pthread_create(&d->thread, NULL, log_thread, d) == 0, "thread");
}

uint64_t floor_append(struct floor_disk *d)
{
    static const uint8_t entry[FLOOR_ENTRY] = {7};
    pthread_mutex_lock(&d->lock);
    kit_need(d->n + sizeof(entry) + 16 <= FLOOR_FRAME, "a full frame");
    memcpy(d->frame[d->open] + d->n, entry, sizeof(entry));
    d->n += sizeof(entry);
    uint64_t index = ++d->entries;
    pthread_cond_signal(&d->work);
    pthread_mutex_unlock(&d->lock);
    return index;
}

uint64_t floor_durable(struct floor_disk *d) { return atomic_load(&d->durable); }

void floor_write(struct floor_disk *d) { put(d, BLOCK); }

/* ---- one who asks and waits ---- */

static int ascending(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static bool ping(SSL *ssl)
{
    uint8_t buf[PING_BYTES] = {1};
    int got = 0;
    if (SSL_write(ssl, buf, sizeof(buf)) != sizeof(buf))
        return false;
    while (got < (int)sizeof(buf)) {
        int n = SSL_read(ssl, buf + got, (int)sizeof(buf) - got);
        if (n <= 0)
            return false;
        got += n;
    }
    return true;
}

int floor_ping(const char *address, unsigned ms)
{
    struct kit k;
    size_t n = 0;
    uint32_t *us = calloc(PINGS, sizeof(*us));
    kit_open(&k, NULL, false);
    SSL *ssl = SSL_new(floor_tls(&k, false));
    kit_need(us && ssl && SSL_set_fd(ssl, floor_connect(address)) == 1 && SSL_connect(ssl) == 1,
             "TLS");
    int64_t begin = pl_clock_mono_ns(), now = begin;
    while (n < PINGS && now - begin < (int64_t)ms * 1000000) {
        int64_t before = now;
        kit_need(ping(ssl), "ping");
        now = pl_clock_mono_ns();
        us[n++] = (uint32_t)((now - before) / 1000);
    }
    qsort(us, n, sizeof(*us), ascending);
    printf("{\"requests\":%zu,\"p50_us\":%u,\"p99_us\":%u}\n", n, us[n / 2], us[n * 99 / 100]);
    free(us);
    return 0;
}

/* ---- one who reads ---- */

/* Whatever is in it: no tag is compared. */
static void scan(const char *path, EVP_CIPHER_CTX *gcm, uint8_t *in, uint8_t *out)
{
    static const uint8_t iv[12] = {0};
    int fd = open(path, O_RDONLY | O_CLOEXEC), done;
    kit_need(fd >= 0, path);
    for (ssize_t n; (n = read(fd, in, FLOOR_FRAME)) > 0;)
        kit_need(EVP_DecryptInit_ex2(gcm, NULL, NULL, iv, NULL) == 1 &&
                     EVP_DecryptUpdate(gcm, out, &done, in, (int)n) == 1,
                 "open");
    close(fd);
}

int floor_scan(char **path)
{
    static const uint8_t key[32] = {1};
    uint8_t *in = malloc(FLOOR_FRAME), *out = malloc(FLOOR_FRAME);
    EVP_CIPHER_CTX *gcm = EVP_CIPHER_CTX_new();
    int64_t begin = pl_clock_mono_ns();
    kit_need(in && out && gcm && EVP_DecryptInit_ex2(gcm, EVP_aes_256_gcm(), key, NULL, NULL) == 1,
             "AES");
    for (; *path; path++)
        scan(*path, gcm, in, out);
    printf("%.3f\n", (double)(pl_clock_mono_ns() - begin) / 1e6);
    free(in);
    free(out);
    EVP_CIPHER_CTX_free(gcm);
    return 0;
}
