#include "platform/net/peers.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

pl_err pl_net_peers_init(struct net_peers *p, uint64_t seed)
{
    *p = (struct net_peers){.seed = seed};
    p->slot = calloc(NET_PEERS, sizeof(*p->slot));
    PL_REQUIRE(p->slot, NO_MEMORY);
    if (pthread_mutex_init(&p->lock, NULL) != 0) {
        free(p->slot);
        p->slot = NULL;
        return PL_FAIL(NO_MEMORY);
    }
    return PL_OK;
}

void pl_net_peers_free(struct net_peers *p)
{
    if (!p->slot)
        return;
    pthread_mutex_destroy(&p->lock);
    free(p->slot);
    p->slot = NULL;
}

void pl_net_peer_key(uint8_t out[static 16], const struct sockaddr_storage *a)
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    memset(out, 0, 16);
    if (a->ss_family == AF_INET) {
        memcpy(out, mapped, sizeof(mapped));
        memcpy(out + 12, &((const struct sockaddr_in *)(const void *)a)->sin_addr, 4);
        return;
    }
    const uint8_t *ip = ((const struct sockaddr_in6 *)(const void *)a)->sin6_addr.s6_addr;
    bool v4 = memcmp(ip, mapped, sizeof(mapped)) == 0;
    memcpy(out, ip, v4 ? 16 : 8);
}

/* Not a cryptographic hash: a collision costs a shared budget, not a secret. */
static uint32_t place(const struct net_peers *p, const uint8_t *key)
{
    uint64_t a, b, h = p->seed;
    memcpy(&a, key, 8);
    memcpy(&b, key + 8, 8);
    const uint64_t words[] = {a, b};
    for (size_t i = 0; i < 2; i++) {
        h ^= words[i];
        h *= 0xff51afd7ed558ccd;
        h ^= h >> 32;
        h *= 0xc4ceb9fe1a85ec53;
        h ^= h >> 29;
    }
    return (uint32_t)(h % (NET_PEERS - NET_PROBES));
}

/* The entry of this key, else the one to reuse, else NULL. */
static struct net_peer *find(struct net_peers *p, const uint8_t *key)
{
    struct net_peer *from = &p->slot[place(p, key)], *reuse = NULL;
    for (struct net_peer *e = from; e < from + NET_PROBES; e++) {
        if (memcmp(e->key, key, sizeof(e->key)) == 0)
            return e;
        if (e->refs == 0 && (!reuse || e->seen_ms < reuse->seen_ms))
            reuse = e;
    }
    if (reuse) {
        *reuse = (struct net_peer){0};
        memcpy(reuse->key, key, sizeof(reuse->key));
    }
    return reuse;
}

struct net_peer *pl_net_peer_enter(struct net_peers *p, const uint8_t key[static 16], unsigned max,
                                   uint64_t now_ms)
{
    pthread_mutex_lock(&p->lock);
    struct net_peer *e = find(p, key);
    if (!e)
        e = &p->slot[NET_PEERS - 1]; /* no key leads there */
    if (e->refs >= max) {
        e = NULL;
    } else {
        e->refs++;
        e->seen_ms = now_ms;
    }
    pthread_mutex_unlock(&p->lock);
    return e;
}

void pl_net_peer_leave(struct net_peers *p, struct net_peer *peer, uint64_t now_ms)
{
    pthread_mutex_lock(&p->lock);
    PL_ASSERT(peer->refs > 0);
    peer->refs--;
    peer->seen_ms = now_ms;
    pthread_mutex_unlock(&p->lock);
}

bool pl_net_peer_take(struct net_peers *p, struct net_bucket *b, unsigned cost, unsigned burst,
                      unsigned per_s, uint64_t now_ms)
{
    pthread_mutex_lock(&p->lock);
    uint64_t back = now_ms > b->at_ms ? (now_ms - b->at_ms) * per_s : 0;
    uint64_t spent = back >= b->milli ? 0 : b->milli - back;
    bool ok = spent + (uint64_t)cost * 1000 <= (uint64_t)burst * 1000;
    b->milli = (uint32_t)(ok ? spent + (uint64_t)cost * 1000 : spent);
    b->at_ms = now_ms > b->at_ms ? now_ms : b->at_ms;
    pthread_mutex_unlock(&p->lock);
    return ok;
}
