/* What the files of libpleiad share. */
#ifndef PL_CLIENT_INTERNAL_H
#define PL_CLIENT_INTERNAL_H

#include "api/api.h"
#include "attest/attest.h"
#include "attest/entry.h"
#include "attest/identity.h"
#include "attest/ratls.h"
#include "attest/session_state.h"
#include "platform/net/net.h"
#include "platform/platform.h"
#include "platform/tee/tee.h"
#include "platform/trust/trust.h"
#include "pleiad/pleiad.h"
#include "client/owner_grant.h"
#include "policy/policy.h"
#include "shamir/shamir.h"

enum {
    PL_APP_SECRETS = 256 * 1024, /* locked: one answer, one share on its way */
    PL_CLOCK_SKEW_S = 300,       /* the host's clock is right to this */
    PL_LEAF_BACK_S = 600,
    PL_KEPT_MS = 60000,                 /* less than a vault's patience with a silent connection */
    PL_KEPT_LIFE_MS = 12 * 3600 * 1000, /* less than the life of its certificates */
    PL_QUOTE_MS = 10000,
    PL_RECOVER_MS = 5000,
    PL_SPLIT_MS = 15000,
    PL_HEDGE_MS = 1500, /* so long a silent candidate is waited for, where enough others answered */
    PL_ANCHOR_PROFILES = 8,
    PL_DESCRIPTOR_MAX = 1400 * 1024, /* the file */
    PL_NAME_MAX = 128,
};

struct pl_app {
    struct pl_crypto *crypto;
    struct pl_tee_device *tee; /* NULL: a caller without evidence */
    struct pl_tee_files measured;
    struct pl_roots roots;
    struct pl_wr root_mem[PL_ROOTS_MAX];
    struct pl_trust_set *_Atomic trust;
    char *collateral; /* the folder it comes from; NULL: none */
    uint64_t collateral_mark;
    struct pl_chain_cache chains;
    struct pl_locked locked; /* key of the channel, then `secrets` */
    struct pl_arena secrets;
    struct pl_priv *key;
    bool own_key;            /* from a file, for all connections */
    uint8_t spki_sha256[32]; /* of that one */
    struct pl_priv *owner;   /* root that the key at each vault is derived from; NULL: none */
    char *owner_file;
    struct pl_client *loop;
    struct pl_kept *kept;  /* links of the loop that no call uses */
    pl_progress *progress; /* NULL: nobody watches */
    void *progress_arg;
    bool busy;
    char detail[512];
};

/* What the folder of collateral holds now, if that changed; then no older connection is used. */
void pl_app_renew(struct pl_app *app);
uint64_t pl_collateral_mark(const char *dir); /* differs when a file in it was written since */
struct pl_interval pl_app_now(void);
struct pl_interval pl_app_tls_now(void *unused); /* the same, as channels ask for it */
void pl_app_say(struct pl_app *app, const char *what, const char *more);
/* Key and certificate of one connection to this vault. */
PL_CHECKED pl_err pl_leaf_new(struct pl_app *app, const uint8_t vault_id[static 32],
                              struct pl_tls_ctx **out);
/* The first P-256 or Ed25519 private key of a PEM file (PKCS#8). out is secret. */
PL_CHECKED pl_err pl_key_file(struct pl_app *app, struct pl_priv *out, const char *path);
/* The error of a code that came over the wire. */
pl_err pl_told_err(enum pl_code code);

/* ---- anchor ---- */

struct pl_anchor {
    struct pl_crypto *crypto; /* of the app that read it */
    struct pl_pub owner;
    uint8_t owner_sha256[32];
    bool has_instance, any_config;
    uint8_t id[32]; /* instance id or key id */
    unsigned profiles;
    struct pl_profile profile[PL_ANCHOR_PROFILES];
    uint8_t profile_sha256[PL_ANCHOR_PROFILES][32];
};
/* Is this the key that the anchor means? ANCHOR_KEY. */
PL_CHECKED pl_err pl_anchor_key(struct pl_crypto *c, const struct pl_anchor *a, const char *name,
                                const uint8_t key_id[static 32]);
/* The owner's certificate for this vault and key; the owner's key there to out. ANCHOR_OWNER. */
struct pl_commit;
PL_CHECKED pl_err pl_anchor_cert(struct pl_crypto *c, const struct pl_anchor *a,
                                 struct pl_owner_cert *out, struct pl_span carrier,
                                 const struct pl_commit *what, const char *name);

/* ---- one vault ---- */

enum pl_vc_state {
    PL_VC_IDLE = 0,
    PL_VC_CONNECTING,
    PL_VC_BIND,    /* verified; own evidence over the connection is due */
    PL_VC_BINDING, /* asked for the vault's */
    PL_VC_READY,   /* secrets may be sent */
    PL_VC_ASKED,
    PL_VC_WAIT, /* begins anew, or asks again, when it is due */
    PL_VC_DONE,
    PL_VC_FAILED,
};

struct pl_fan;
struct pl_vc {
    struct pl_fan *fan;
    struct pl_report_vault *seen;
    struct pl_place place;
    struct pl_link *link; /* NULL: closed */
    int64_t born_ms;      /* when that began */
    int64_t moved_ms;     /* when it last came further */
    int64_t due_ms;       /* WAIT: until then */
    pl_err wait_why;      /* WAIT: what for */
    bool kept;            /* the link is of an earlier call */
    bool anew;            /* a second connection was made: there is no third for the same reason */
    bool repeat;          /* what was asked is asked again as soon as it is bound */
    enum pl_vc_state state;
    struct pl_session_state session;
    size_t profile;                  /* of the anchor, that it satisfies */
    struct pl_session_profiles want; /* that one; none without an anchor */
    struct pl_vault_self self;
    unsigned tries;
    struct pl_wr body; /* of a request that may be repeated; wiped */
    char method[8], path[96], idem[33], if_match[16];
    int status;
};
/* Asks on a bound connection (READY or DONE, asserted): nothing secret can be sent before. The body
 * is copied. */
void pl_vc_ask(struct pl_vc *vc, const char *method, const char *path, struct pl_span body);
void pl_vc_ready(struct pl_vc *vc); /* bound both ways */
typedef pl_err pl_vc_reader(struct pl_vc *vc, struct pl_api_in *in);
/* The reader says whether the answer is good; its scratch is locked. Then done, or failed. */
void pl_vc_take(struct pl_vc *vc, struct pl_span body, pl_vc_reader *reader);
void pl_vc_go_on(struct pl_vc *vc);            /* WAIT is over */
void pl_vc_done(struct pl_vc *vc);             /* the answer is good */
void pl_vc_fail(struct pl_vc *vc, pl_err why); /* closes; the first reason stays */

/* Claims that the anchor accepts, and by which profile. */
PL_CHECKED pl_err pl_vc_accept(struct pl_vc *vc, const struct pl_claims *claims);

/* ---- connections between calls ---- */

/* Keeps the connection of a vault that is done with. False: it is the caller's to close. */
bool pl_kept_put(struct pl_vc *vc);
/* Takes one to this place that the fan's anchor accepts. */
bool pl_kept_take(struct pl_vc *vc, const struct pl_link_events *events);
void pl_kept_drop(struct pl_app *app);   /* closes all; also before a loop that counts its links */
void pl_link_abandon(struct pl_link *l); /* closes it; nobody is told */

/* ---- many vaults ---- */

struct pl_fan_events {
    void (*ready)(struct pl_vc *vc);                       /* the session is bound both ways */
    void (*answer)(struct pl_vc *vc, struct pl_span body); /* 2xx; call pl_vc_done or _fail */
    /* A problem; true: something else was asked instead. NULL: the vault fails. */
    bool (*refused)(struct pl_vc *vc, pl_err why);
};
struct pl_fan {
    struct pl_app *app;
    const struct pl_anchor *anchor; /* NULL: show only, nothing is asked */
    const struct pl_fan_events *events;
    void *user;
    struct pl_report *report;
    size_t n;
    struct pl_vc *vc;
    int64_t start_ms, deadline_ms; /* monotonic */
    int64_t wake_ms;               /* a step has something to do then; 0: nothing */
};
PL_CHECKED pl_err pl_fan_open(struct pl_fan *f, struct pl_app *app, size_t n);
void pl_fan_place(struct pl_fan *f, size_t i, const struct pl_place *p);
void pl_fan_connect(struct pl_fan *f, size_t i); /* errors are the vault's own */
size_t pl_fan_poll(struct pl_fan *f, struct pollfd *fds, size_t cap, int *out_timeout_ms);
void pl_fan_step(struct pl_fan *f); /* past the deadline the undecided fail */
bool pl_fan_settled(const struct pl_fan *f);
void pl_fan_close(struct pl_fan *f);
int64_t pl_now_ms(void);

/* ---- work ---- */

struct pl_work {
    struct pl_app *app;
    bool (*step)(struct pl_work *w); /* true: finished, result set */
    void (*end)(struct pl_work *w);  /* frees what the kind holds, and itself */
    struct pl_fan fan;
    struct pl_report report;
    pl_err result;
    bool done;
};
/* Takes the app. WORK_BUSY. */
PL_CHECKED pl_err pl_work_begin(struct pl_work *w, struct pl_app *app);
void pl_work_close(struct pl_work *w); /* gives the app back */
void pl_work_run(struct pl_work *w);   /* the blocking loop */
void pl_work_result(struct pl_work *w, pl_err e);

/* ---- descriptor ---- */

struct pl_descriptor {
    struct pl_api_descriptor m;
    struct pl_span text; /* canonical, what the MAC covers */
    uint8_t mac[32];
    void *scratch; /* behind it all */
    size_t scratch_n;
    struct pl_wr copy; /* of the file */
};
PL_CHECKED pl_err pl_descriptor_read(struct pl_descriptor *out, struct pl_app *app,
                                     struct pl_span file);
void pl_descriptor_free(struct pl_descriptor *d);
PL_CHECKED pl_err pl_descriptor_mac(struct pl_crypto *c, uint8_t out[static 32],
                                    struct pl_span mac_key, struct pl_span text);

/* What ties a share to its key, and where. */
struct pl_commit {
    uint8_t vault_id[32], key_id[32], split_id[PL_SPLIT_ID_BYTES], bound[32];
    uint64_t generation;
};
PL_CHECKED pl_err pl_commitment(struct pl_crypto *c, uint8_t out[static 32],
                                struct pl_span link_secret, const struct pl_commit *what);
/* What a vault said about its key, against what is expected of it. The signer is compared with the
 * vault's listed key by the caller once it is known: *out_signer. */
struct pl_expected {
    const uint8_t *vault_id, *handle, *policy_sha256, *owner_sha256, *commitment;
    uint64_t generation;
};
PL_CHECKED pl_err pl_key_statement_check(struct pl_crypto *c, struct pl_pub *out_signer,
                                         struct pl_span carrier, const struct pl_expected *want);
/* The statement's handle and policy digest alone, of a carrier whose signature holds. */
PL_CHECKED pl_err pl_key_statement_peek(struct pl_crypto *c, uint8_t out_handle[static 16],
                                        uint8_t out_policy[static 32], struct pl_span carrier);
/* "/v1/keys/<handle>" and what follows. */
void pl_key_path(char out[static 96], const uint8_t handle[static 16], const char *rest);

#endif
