/* A vault in memory for tests: fixed keys, a log that is an array, callers made of claims. */
#ifndef PL_TESTS_VAULT_WORLD_H
#define PL_TESTS_VAULT_WORLD_H

#include "test.h"
#include "api/api.h"
#include "vault/vault.h"

enum { WORLD_ENTRIES = 4096, WORLD_ROOT = 7 /* each byte of the root key */ };

struct world {
    struct pl_crypto *c;
    struct pl_vault_keys keys;
    struct pl_vault_self self;
    struct pl_vault *vault, *aside;
    struct pl_log log;
    struct {
        enum pl_entry_kind kind;
        struct pl_span body; /* malloced */
    } entry[WORLD_ENTRIES];
    size_t entries;
    pl_err room; /* what the log says to room; PL_OK at first */
    struct pl_arena secrets;
    struct pl_priv owner, app, other; /* TLS keys; owner also signs */
    struct pl_priv issuer;            /* "https://id.example", audience "pleiad" */
    uint8_t owner_spki[32], app_spki[32], other_spki[32];
    struct pl_claims app_claims, changed_claims; /* the app, and another build of it */
    int64_t now_s;
    bool no_time;                   /* the clock failed */
    const char *principals, *rules; /* more of them in policies: text behind theirs; NULL: none */
    const char *authorization;      /* header of the calls that follow; NULL: none */
    const char *if_match;           /* likewise */
    uint64_t seed;
    struct pl_turn *turn;
    struct pl_wr body; /* the last answer */
    int status;
    struct pl_told told; /* of the last error */
    char detail[512];
};

/* Unborn: w->log may still be another. */
void world_make(struct world *w);
/* First start, and born under a configuration that lets `owner` create. */
void world_birth(struct world *w);
void world_open(struct world *w); /* both */
void world_close(struct world *w);
/* A second vault from the log of w: same keys, own state. */
struct pl_vault *world_replay(struct world *w);
/* The policy: owner, one app by its measurement, with this salt byte. Static text. */
const char *world_policy(struct world *w, uint8_t salt);
/* A create body with a share of n bytes of `fill`; static text. statements: JSON array text. */
const char *world_create_body(struct world *w, uint8_t fill, size_t n, const char *statements);
/* One request through all five functions; the answer in w->body, the error returned. */
pl_err world_call(struct world *w, const struct pl_peer *peer, const char *method, const char *path,
                  const char *body, const char *idem);
/* The same at another vault. */
#define world_on(w, v, ...) (world_swap(w, v), world_swapped(w, world_call(w, __VA_ARGS__)))
void world_swap(struct world *w, struct pl_vault *v);
pl_err world_swapped(struct world *w, pl_err e);
struct pl_peer world_peer(struct world *w, const struct pl_priv *key,
                          const struct pl_claims *claims);
/* The handle in the last answer to a create, as a path "/v1/keys/<handle>" + tail. Static ring. */
const char *world_path(struct world *w, const char *tail);
/* The whole state as a snapshot's bytes; malloced. */
struct pl_span world_state(struct pl_vault *v);
/* A request or approval of this act by `signer`, for whoever has the key `requester`; static. */
const char *world_signed(struct world *w, enum pl_typ typ, const struct pl_act *act,
                         const uint8_t requester[static 32], const struct pl_priv *signer);
/* This operation on the key of a path "/v1/keys/<handle>...", made with world_policy(fill). */
struct pl_act world_act(struct world *w, const char *path, enum pl_op op, uint8_t fill);
/* A request of the owner's for this act, as carrier text; static. */
const char *world_request(struct world *w, const struct pl_act *act,
                          const uint8_t requester[static 32]);

/* Creates and activates a key as the owner: a share of n bytes; its path. */
const char *world_active(struct world *w, uint8_t fill, size_t n);
const char *world_join(const char *path, const char *tail); /* static */
/* What world_create_body(fill) asks for, as a statement covers it. */
struct pl_act world_create_act(struct world *w, uint8_t fill);
const char *world_statements(const char *carrier); /* as an array; static */
/* The owner's grant of `count` keys to whoever runs the app's program, as an array; static. */
const char *world_grant(struct world *w, uint8_t fill, uint32_t count);

#endif
