/* Who connects, by address: counts and budgets over all connections of one peer (an IPv4 address or
 * an IPv6 /64). A fixed table; entries without connections are reused, the longest unused first, so
 * budgets outlive a reconnect. Inside platform/net only. */
#ifndef PL_PLATFORM_NET_PEERS_H
#define PL_PLATFORM_NET_PEERS_H

#include "base/base.h"

#include <pthread.h>

struct sockaddr_storage;

enum {
    NET_PEERS = 16384, /* about 1 MiB */
    NET_PROBES = 16,
    NET_WORK_BURST = 64, /* expensive work: pl_conn_budget */
    NET_WORK_PER_S = 16,
};

struct net_bucket {
    uint64_t at_ms;
    uint32_t milli; /* thousandths of what was spent and has not come back */
};

struct net_peer {
    uint8_t key[16];
    uint32_t refs;
    uint64_t seen_ms;
    struct net_bucket work, requests;
};

struct net_peers {
    pthread_mutex_t lock;
    uint64_t seed; /* so that nobody can aim at one place of the table */
    struct net_peer *slot;
};

pl_err pl_net_peers_init(struct net_peers *p, uint64_t seed);
void pl_net_peers_free(struct net_peers *p);
void pl_net_peer_key(uint8_t out[static 16], const struct sockaddr_storage *a);
/* One more connection of this address; NULL when it has `max` already. When all places it could
 * take are in use, strangers share one. */
struct net_peer *pl_net_peer_enter(struct net_peers *p, const uint8_t key[static 16], unsigned max,
                                   uint64_t now_ms);
void pl_net_peer_leave(struct net_peers *p, struct net_peer *peer, uint64_t now_ms);
/* Token buckets: `burst` at once, `per_s` come back. False: nothing was taken. */
bool pl_net_peer_take(struct net_peers *p, struct net_bucket *b, unsigned cost, unsigned burst,
                      unsigned per_s, uint64_t now_ms);

#endif
