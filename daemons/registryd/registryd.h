/* pleiad-registryd inside: a list of vaults that nobody has to believe.
 *
 *     main.c    options, trust, an ephemeral certificate, main loop
 *     serve.c   requests
 *     store.c   SQLite
 *
 * It can leave a vault out or show an older entry that still holds; it cannot invent or alter one.
 * So it keeps nothing secret, and its certificate says nothing about it. */
#ifndef PL_DAEMONS_REGISTRYD_REGISTRYD_H
#define PL_DAEMONS_REGISTRYD_REGISTRYD_H

#include "attest/entry.h"
#include "daemons/common/daemon.h"
#include "platform/net/net.h"
#include "platform/platform.h"
#include "platform/trust/trust.h"

#include <stdatomic.h>

enum {
    REGISTRY_WORKERS_MAX = 16,
    REGISTRY_PER_PLATFORM = 64,       /* vaults of one machine */
    REGISTRY_PAGE_BYTES = 512 * 1024, /* of entries in one answer */
    REGISTRY_PAGE = 256,              /* entries in one answer (api.def) */
    REGISTRY_SKEW_S = 60,             /* of this host's clock */
};

/* ---- store.c: times are seconds, given by the caller -------------------------------------------
 */

struct store; /* one thread at a time; several may be open on one file */

/* What is kept of an entry that was verified. Borrowed. */
struct listing {
    const uint8_t *vault_id; /* 32 bytes */
    uint64_t serial;
    int64_t expires_s;                  /* no longer listed after this second */
    const char *tee, *measurement;      /* to search by */
    struct pl_span platform;            /* whose entries are counted together */
    uint8_t registry_spki[PL_SPKI_MAX]; /* who may take it back */
    size_t registry_spki_n;
    struct pl_spans labels;
    struct pl_span carrier;
};

struct store_query {
    struct pl_span tee, measurement, label; /* .p NULL: any */
    bool has_after;
    uint8_t after[PL_SHA256_BYTES]; /* entries behind this vault_id, in their order */
};

/* Makes the file when there is none. `max` entries at most are listed. */
PL_CHECKED pl_err store_open(struct store **out, const char *path, uint64_t max);
void store_close(struct store *st); /* NULL allowed */
/* Lists it in place of an older one. The very entry that is listed: PL_OK and nothing happens.
 * ENTRY_STALE, ENTRY_PLATFORM, REGISTRY_FULL, REGISTRY_STORE. *out_new: it was not listed before.
 */
PL_CHECKED pl_err store_put(struct store *st, const struct listing *l, int64_t now_s,
                            bool *out_new);
/* The entry that is listed now, appended to `carrier`; ENTRY_NONE. */
PL_CHECKED pl_err store_get(struct store *st, const uint8_t vault_id[static PL_SHA256_BYTES],
                            int64_t now_s, struct pl_wr *carrier);
/* The key that may take it back. ENTRY_NONE when it is not listed. */
PL_CHECKED pl_err store_key(struct store *st, const uint8_t vault_id[static PL_SHA256_BYTES],
                            int64_t now_s, struct pl_pub *out);
/* No longer listed; its serial stays known. ENTRY_STALE, ENTRY_NONE. */
PL_CHECKED pl_err store_leave(struct store *st, const uint8_t vault_id[static PL_SHA256_BYTES],
                              uint64_t serial, int64_t now_s);
/* The message entry_page for what is listed now, appended to `body`. */
PL_CHECKED pl_err store_page(struct store *st, const struct store_query *q, int64_t now_s,
                             struct pl_wr *body);
/* Drops what expired. *out_listed: how many entries are listed. */
PL_CHECKED pl_err store_sweep(struct store *st, int64_t now_s, uint64_t *out_listed);

/* ---- the daemon -------------------------------------------------------------------------------
 */

struct registryd {
    const char *db;
    uint64_t max;
    struct pl_trust_set *_Atomic trust; /* renewed by the main thread */
    atomic_uint_fast64_t listed, accepted, refused, left;
};

struct pl_interval registryd_now(void); /* this host's clock, and what it may be wrong by */
extern const struct pl_handler registryd_handler;

#endif
