#include "platform/tls/internal.h"

#include <stdlib.h>
#include <string.h>

pl_err pl_tls_cache_init(struct tls_cache *k)
{
    k->slot = calloc(PL_TLS_SESSIONS, sizeof(*k->slot));
    k->bucket = calloc(PL_TLS_SESSIONS, sizeof(*k->bucket));
    if (!k->slot || !k->bucket || pthread_mutex_init(&k->lock, NULL) != 0) {
        free(k->slot);
        free(k->bucket);
        *k = (struct tls_cache){0};
        return PL_FAIL(NO_MEMORY);
    }
    return PL_OK;
}

void pl_tls_cache_free(struct tls_cache *k)
{
    if (!k->slot)
        return;
    pl_tls_cache_clear(k);
    pthread_mutex_destroy(&k->lock);
    free(k->slot);
    free(k->bucket);
}

/* Session ids are this server's own random bytes. */
static uint32_t *bucket_of(struct tls_cache *k, const uint8_t *id)
{
    uint32_t h;
    memcpy(&h, id, sizeof(h));
    return &k->bucket[h % PL_TLS_SESSIONS];
}

static void unlink_slot(struct tls_cache *k, struct tls_slot *s)
{
    uint32_t self = (uint32_t)(s - k->slot) + 1;
    for (uint32_t *p = bucket_of(k, s->id); *p; p = &k->slot[*p - 1].next) {
        if (*p == self) {
            *p = s->next;
            break;
        }
    }
    pl_wipe(s, sizeof(*s));
}

void pl_tls_cache_clear(struct tls_cache *k)
{
    pthread_mutex_lock(&k->lock);
    for (uint32_t i = 0; i < PL_TLS_SESSIONS; i++)
        if (k->slot[i].psk_n)
            unlink_slot(k, &k->slot[i]);
    pthread_mutex_unlock(&k->lock);
}

bool pl_tls_cache_put(struct tls_cache *k, const SSL_SESSION *s, const struct tls_memory *memory)
{
    unsigned n;
    const uint8_t *id = SSL_SESSION_get_id(s, &n);
    if (n != TLS_ID_BYTES)
        return false;
    pthread_mutex_lock(&k->lock);
    struct tls_slot *to = &k->slot[k->at];
    if (to->psk_n)
        unlink_slot(k, to);
    memcpy(to->id, id, n);
    to->psk_n = SSL_SESSION_get_master_key(s, to->psk, sizeof(to->psk));
    to->cipher = SSL_SESSION_get0_cipher(s);
    to->memory = *memory;
    uint32_t *bucket = bucket_of(k, id);
    to->next = *bucket;
    *bucket = k->at + 1;
    k->at = (k->at + 1) % PL_TLS_SESSIONS;
    pthread_mutex_unlock(&k->lock);
    return true;
}

bool pl_tls_cache_get(struct tls_cache *k, struct tls_slot *out,
                      const uint8_t id[static TLS_ID_BYTES])
{
    bool found = false;
    pthread_mutex_lock(&k->lock);
    for (uint32_t i = *bucket_of(k, id); i && !found; i = k->slot[i - 1].next) {
        found = memcmp(k->slot[i - 1].id, id, TLS_ID_BYTES) == 0;
        if (found)
            *out = k->slot[i - 1];
    }
    pthread_mutex_unlock(&k->lock);
    return found;
}
