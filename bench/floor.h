/* Parts of the floor programs: a TLS context by the library alone, durable frames, a TLS client. */
#ifndef PL_BENCH_FLOOR_H
#define PL_BENCH_FLOOR_H

#include "bench/kit.h"

#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>

enum { FLOOR_ENTRY = 300, FLOOR_FRAME = 256 * 1024, FLOOR_FILE = 64 << 20 };

SSL_CTX *floor_tls(struct kit *k, bool server); /* asks for the peer's certificate, believes it */
int floor_listen(void);                         /* on a free port, which it prints */
int floor_connect(const char *address);
int floor_ping(const char *address, unsigned ms);
int floor_scan(char **path); /* a NULL ends them */

/* Two frames: one is filled while the other is sealed and written, by a thread, in one write. */
struct floor_disk {
    int fd;
    off_t at;
    EVP_CIPHER_CTX *gcm;
    uint64_t sequence;
    pthread_mutex_t lock;
    pthread_cond_t work;
    pthread_t thread;
    uint8_t *frame[2], *sealed;
    unsigned open;
    size_t n;
    uint64_t entries;
    atomic_uint_fast64_t durable;
    void (*wake)(void);
};
void floor_disk(struct floor_disk *d, const char *folder, void (*wake)(void));
uint64_t floor_append(struct floor_disk *d); /* durable once floor_durable says so much */
uint64_t floor_durable(struct floor_disk *d);
void floor_write(struct floor_disk *d); /* one block, at once, by the caller's thread */

#endif
