/* libpleiad: a key split over vaults that do not trust each other, put together again only here.
 *
 *     struct pl_app *app;
 *     struct pl_anchor *anchor;
 *     struct pl_secret key;
 *     struct pl_report report;
 *     const struct pl_app_config cfg = {.collateral = "/etc/pleiad/collateral"};
 *     pl_err e = pl_app_open(&app, &cfg);
 *     if (pl_ok(e))
 *         e = pl_anchor_measured(&anchor, app, "anchor.json");
 *     if (pl_ok(e))
 *         e = pl_recover(app, &(struct pl_recover_order){.anchor = anchor, .descriptor = text,
 *                        .descriptor_bytes = n, .bound = bound}, &key, &report);
 *
 * Layers, usable one by one: discovery (pl_registry_*), one vault (pl_vault_call), the
 * constellation (pl_split, pl_recover, pl_keys_status, pl_keys_delete). The long ones exist as
 * start / step / finish too (pl_work_*); the blocking call is a loop over these.
 *
 * No vault is spoken to before it proved what the anchor asks of it: its evidence in the channel's
 * certificate under the roots of pl_app_config, one of the anchor's vault profiles (which must name
 * a configuration root), the vault_id that was expected, a key list of its identity. Nothing secret
 * leaves before its evidence over this very connection. Functions and members named `insecure_` are
 * the only way to ask for less.
 *
 * What an order points to stays the caller's and must live until the call ends.
 * One thread at a time uses an app and what came from it; several apps may be used in parallel.
 * Outputs are NULL or zero on error. Errors stay valid for ever and are nobody's to free. */
#ifndef PLEIAD_PLEIAD_H
#define PLEIAD_PLEIAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PL_API         __attribute__((visibility("default")))
#define PL_API_CHECKED __attribute__((visibility("default"), warn_unused_result))

/* ---- Errors ---------------------------------------------------------------------------------- */

struct pl_site;
typedef const struct pl_site *pl_err;

PL_API bool pl_ok(pl_err e);                               /* false for NULL */
PL_API const char *pl_error_name(pl_err e);                /* "SHARE_FEW": stable, for programs */
PL_API const char *pl_error_text(pl_err e);                /* a sentence: what to do next */
PL_API const char *pl_error_class(pl_err e);               /* "PEER", "DENIED", "INVALID", ... */
PL_API const char *pl_error_file(pl_err e, int *out_line); /* where it was found */
PL_API const char *pl_library_version(void);

/* ---- This process ---------------------------------------------------------------------------- */

/* A root of attestation beside the vendors' keys that are compiled in. */
struct pl_root_file {
    const char *path;  /* certificate, PEM or DER */
    const char *label; /* a-z 0-9 - . _ */
    const char *tee;   /* "sgx" */
    bool development;  /* of simulated hardware: evidence under it is named "sim-sgx" */
};

struct pl_app_config {
    /* Back end of the TEE this process runs in, by name; NULL: the first that is here, or none.
     * With `must_attest` none is an error, not a caller without evidence. */
    const char *tee;
    bool must_attest;
    bool no_tee; /* do not look for one: an owner at his desk */
    /* Folder; without it no evidence verifies. It is read again at the start of a call when a file
     * in it was written; what is older than it was before, or does not verify, is not taken. */
    const char *collateral;
    const struct pl_root_file *root;
    size_t roots;
    const char
        *client_key; /* file of a P-256 key (PKCS#8, PEM) for all channels, by which vaults can tell
                        that they serve the same client; NULL: a fresh one for each */
    /* File of the owner's root key, P-256: at each vault the channel's key is the owner's there,
     * which is derived for it. Not with client_key. */
    const char *owner_key;
};

struct pl_app; /* TEE, trust, the loop */

/* Opens the TEE first: call early, before other threads exist and before anything uses OpenSSL: its
 * configuration file, which a variable can name and which can name code to load, is then not read
 * in this process. */
PL_API_CHECKED pl_err pl_app_open(struct pl_app **out, const struct pl_app_config *cfg);
PL_API void pl_app_close(struct pl_app *app); /* NULL allowed */
PL_API bool pl_app_attested(const struct pl_app *app);
/* SHA-256 of the SPKI of `client_key`: the `requester` of a grant for it. NULL without one. */
PL_API const uint8_t *pl_app_key_sha256(const struct pl_app *app);
/* What failed, beside the error: a file, a JSON pointer, a policy's refusal; "" for nothing. Valid
 * until the next call with this app. NULL app: of the last pl_app_open of this thread. */
PL_API const char *pl_app_detail(const struct pl_app *app);
/* A file of this process's measured input, as it was when it was measured; false: no such. */
PL_API bool pl_app_measured(struct pl_app *app, const char *name, const void **out, size_t *out_n);

/* ---- Secrets --------------------------------------------------------------------------------- */

/* In locked memory, left out of core dumps. */
struct pl_secret {
    uint8_t *p;
    size_t n, mapped;
};
PL_API_CHECKED pl_err pl_secret_new(struct pl_secret *out, size_t n); /* zeros */
PL_API void pl_secret_free(struct pl_secret *s); /* wipes; NULL and zeros allowed */
PL_API_CHECKED pl_err pl_random(void *out, size_t n);

/* ---- Anchor: what a descriptor is judged by -------------------------------------------------- */

enum { PL_ID_BYTES = 32, PL_VAULTS_MAX = 64 };

struct pl_anchor; /* owner's root key, vault profiles, key id or instance id */

/* From measured input: whoever changes it changes the measurement, and no vault answers. */
PL_API_CHECKED pl_err pl_anchor_measured(struct pl_anchor **out, struct pl_app *app,
                                         const char *file_name);
/* From bytes that are as trustworthy as wherever the caller took them from. */
PL_API_CHECKED pl_err pl_anchor_read(struct pl_anchor **out, struct pl_app *app, const void *json,
                                     size_t n);
/* As pl_anchor_read, and vault profiles without a configuration root are taken: whoever runs such a
 * vault chooses whom it believes. */
PL_API_CHECKED pl_err pl_anchor_insecure_any_config(struct pl_anchor **out, struct pl_app *app,
                                                    const void *json, size_t n);
PL_API void pl_anchor_free(struct pl_anchor *a);
PL_API const uint8_t *pl_anchor_owner_sha256(const struct pl_anchor *a);

/* Makes one (the owner). owner_spki: DER; exactly one of instance_id and key_id, 32 bytes;
 * profiles: JSON texts. *out_json is malloc'ed. */
struct pl_anchor_order {
    const void *owner_spki;
    size_t owner_spki_bytes;
    const uint8_t *instance_id, *key_id;
    const char *const *vault_profile;
    size_t vault_profiles;
};
PL_API_CHECKED pl_err pl_anchor_make(char **out_json, struct pl_app *app,
                                     const struct pl_anchor_order *order);

/* ---- Discovery: where vaults are ------------------------------------------------------------- */

struct pl_place {
    uint8_t vault_id[PL_ID_BYTES];
    char endpoint[256]; /* host:port */
};
/* "<64 hex digits>@host:port". */
PL_API_CHECKED pl_err pl_place_parse(struct pl_place *out, const char *text);
/* A file with such a line for each. cap: of out; a longer file is PLACE_FORM too. */
PL_API_CHECKED pl_err pl_places_file(struct pl_place *out, size_t cap, size_t *out_n,
                                     const char *path);

/* What a vault signed about itself, verified: hardware -> evidence -> vault_id, configuration root,
 * measurement -> its keys -> the rest. Endpoint and labels are its operator's word; the channel
 * shows whom an endpoint belongs to. */
struct pl_registry_entry {
    struct pl_place place; /* the first endpoint */
    uint8_t config_root[32];
    uint64_t serial;
    int64_t not_before_s, not_after_s; /* seconds since 1970; no new key is placed there later */
    char tee[33], measurement[129];
    char labels[16 * 65]; /* name=value, commas in between */
    bool listed;          /* the registry gives it; false: it is in `known` alone */
    char *carrier;        /* as it was signed: JSON, ended by NUL */
};
struct pl_registry_order {
    const char *url; /* "https://host:port" or "host:port"; NULL: `known` alone */
    /* A static file of entries; or what pl_registry_page made of an earlier call, so that a
     * registry cannot go back behind it: of two entries of one vault the higher serial counts. */
    const void *known;
    size_t known_bytes;
    const char *tee, *measurement, *label;  /* NULL: any */
    const uint8_t (*vault_id)[PL_ID_BYTES]; /* the owner's list: others are passed over */
    size_t vaults;                          /* 0: any */
    unsigned deadline_ms;                   /* of all of it; 0: 15000 */
};
struct pl_registry_list {
    size_t n;
    struct pl_registry_entry *entry;
    size_t bad;     /* entries that do not verify; left out */
    pl_err bad_why; /* of the first of these */
    size_t expired; /* outside of their period; left out */
    size_t older;   /* serial below that of an entry which is known; left out */
    size_t other;   /* not what was asked for; left out */
    size_t pages;   /* that the registry gave */
};
/* Reads all of a registry's list, or a file of the same form. Nobody believes a registry: every
 * entry is verified here, its evidence under the app's roots, and one that does not hold is left
 * out and counted. What a registry can do is to omit vaults or to show older entries that hold.
 * TLS hides from the network which vaults are looked at; the registry's certificate can be anyone's
 * and this app shows none, nor names a vault: it reads pages and picks. A page's entries are
 * verified within one step. REGISTRY_URL, REGISTRY_QUERY; NET_*, TLS_*, JSON_*; REGISTRY_ANSWER (no
 * page of entries; pl_app_detail says more), REGISTRY_LONG. */
PL_API_CHECKED pl_err pl_registry_read(struct pl_app *app, const struct pl_registry_order *order,
                                       struct pl_registry_list *out);
/* The list as a file of entries, malloc'ed. REGISTRY_LONG above 256. */
PL_API_CHECKED pl_err pl_registry_page(char **out_json, const struct pl_registry_list *list);
PL_API void pl_registry_free(struct pl_registry_list *list); /* NULL and zeros allowed */

/* ---- What happened at each vault ------------------------------------------------------------- */

enum pl_step {
    PL_STEP_NONE = 0,
    PL_STEP_CONNECT,  /* TCP, TLS, and the vault's evidence */
    PL_STEP_SESSION,  /* evidence over this connection */
    PL_STEP_REQUEST,  /* asked, not answered */
    PL_STEP_VERIFIED, /* answered, and the answer verified */
};
struct pl_report_vault {
    uint8_t vault_id[PL_ID_BYTES];
    char endpoint[256];
    enum pl_step step;   /* how far it came */
    pl_err why;          /* NULL while nothing failed */
    bool wrong;          /* its share is not the one that was stored */
    bool used;           /* its share is in the result; its vault is in the split */
    unsigned ms;         /* from the start of the call to its answer or failure */
    char request_id[24]; /* of a problem it answered with; "" without */
    char detail[256];    /* what it said; "" */
    char state[17];      /* state of the key there, where it was asked for; "" */
};
struct pl_report {
    size_t vaults;
    struct pl_report_vault vault[PL_VAULTS_MAX];
    unsigned ms;
};
PL_API const char *pl_step_text(enum pl_step s);
/* Called at least five times a second while a blocking call of this app waits; NULL: no longer. It
 * must not call anything of this app. */
typedef void pl_progress(void *arg, const struct pl_report *report);
PL_API void pl_app_progress(struct pl_app *app, pl_progress *progress, void *arg);
/* One line for people: which vault, how far it came, what was wrong with it, [CODE]. */
enum { PL_REPORT_LINE = 1024 };
PL_API void pl_report_line(char out[PL_REPORT_LINE], const struct pl_report_vault *v);

/* ---- Split ----------------------------------------------------------------------------------- */

struct pl_split_order {
    const char *name;    /* 1 to 128 bytes; key id = HMAC(instance id, name) */
    unsigned k, n;       /* 2 <= k <= n */
    unsigned min_vaults; /* 0: n. Fewer vaults than n are good enough down to this */
    const struct pl_secret *secret;
    const uint8_t *bound;   /* 32 bytes: what the key is for; NULL: zeros */
    const char *descriptor; /* path, and its folder is where the journal lives; must not exist */
    const struct pl_anchor *anchor;
    const void *grant; /* the owner's grant file; NULL: the owner himself (owner_key) */
    size_t grant_bytes;
    const void *policy;  /* without a grant: the template, whose principals.owner.OWNER_NAME is */
    size_t policy_bytes; /* replaced by the owner's key at each vault */
    const char *owner_name;
    /* Where they are. Candidates are the vaults of the grant; any other place is passed over. The
     * owner himself signs for those that he gives, 64 at most. Of the candidates that answer and
     * verify those n are taken whose HMAC(link secret, vault_id) is smallest: the link secret is
     * drawn for this split, so no vault_id is made to be chosen. */
    const struct pl_place *place;
    size_t places;
    unsigned vendors;     /* TEEs of at least so many vendors; 0: any. Platforms always differ */
    unsigned deadline_ms; /* of each phase; 0: 15000 */
};
/* Splits, stores, activates; on PL_OK the descriptor is at its path. Files while it runs, none with
 * a secret or a share: PATH.journal (vaults, handles, states), PATH.new (the whole descriptor).
 * SPLIT_UNFINISHED when such files of an interrupted call are there: pl_split_resume first.
 * SPLIT_FEW with the report naming each vault. report may be NULL. */
PL_API_CHECKED pl_err pl_split(struct pl_app *app, const struct pl_split_order *order,
                               struct pl_report *report);

enum pl_resumed {
    PL_RESUMED_NOTHING = 0, /* nothing was interrupted */
    PL_RESUMED_DONE,        /* the split is complete: the descriptor is at its path. The secret is
                             * the one of the interrupted call: recover it */
    PL_RESUMED_UNDONE,      /* prepared shares were dropped: split anew, with a new secret */
};
/* Needs anchor, descriptor and deadline_ms of the order; `bound` when it is not NULL must be that
 * of the interrupted split. */
PL_API_CHECKED pl_err pl_split_resume(struct pl_app *app, const struct pl_split_order *order,
                                      enum pl_resumed *out, struct pl_report *report);

/* ---- Recover --------------------------------------------------------------------------------- */

struct pl_bytes {
    const void *p;
    size_t n;
};
struct pl_recover_order {
    const void *descriptor; /* a hint: whoever holds the disk can replace it */
    size_t descriptor_bytes;
    const struct pl_anchor *anchor;
    const uint8_t *bound;         /* 32 bytes that the key must be bound to; NULL: zeros */
    const char *name;             /* NULL: any that the anchor covers */
    const struct pl_place *place; /* newer endpoints; may be empty */
    size_t places;
    unsigned deadline_ms; /* 0: 5000 */
    unsigned linger_ms;   /* the others are heard this much longer, so that wrong ones are named */
    unsigned vendors; /* shares of at least so many vendors' TEEs, or none are combined; 0: any */
    const struct pl_bytes *approval; /* files of approvals, which go with the request: the app's */
    size_t approvals; /* client_key is the one that they name. With owner_key too, the owner's */
                      /* key at each vault signs a request for it */
};
/* All vaults at once; the first k verified answers win. A wrong share is named in the report when
 * the others suffice. RECOVER_FEW at the deadline, or as soon as too few are left, with the report
 * naming each vault and cause; ANCHOR_* before anything is combined. report may be NULL. */
PL_API_CHECKED pl_err pl_recover(struct pl_app *app, const struct pl_recover_order *order,
                                 struct pl_secret *out, struct pl_report *report);

/* What a descriptor says of itself; nothing of it is verified. */
struct pl_descriptor_info {
    char name[129];
    uint8_t key_id[32], bound[32];
    unsigned k, n;
    uint64_t generation;
    size_t vaults;
    struct pl_descriptor_place {
        struct pl_place place;
        uint8_t handle[16];
    } vault[PL_VAULTS_MAX];
};
PL_API_CHECKED pl_err pl_descriptor_info(struct pl_descriptor_info *out, struct pl_app *app,
                                         const void *descriptor, size_t bytes);

/* ---- Every vault of a descriptor ------------------------------------------------------------- */

/* Describes the key at each: report.vault[i].state. PL_OK when at least one answered. */
PL_API_CHECKED pl_err pl_keys_status(struct pl_app *app, const struct pl_recover_order *order,
                                     struct pl_report *report);
/* Deletes it at each; seven days later it is destroyed. PL_OK when all did, else KEYS_SOME and the
 * state of those that did: what a vault did stays done. */
PL_API_CHECKED pl_err pl_keys_delete(struct pl_app *app, const struct pl_recover_order *order,
                                     struct pl_report *report);
/* Likewise: a frozen key serves nobody until it is unfrozen. To repeat either is to do it once. */
PL_API_CHECKED pl_err pl_keys_freeze(struct pl_app *app, const struct pl_recover_order *order,
                                     struct pl_report *report);
PL_API_CHECKED pl_err pl_keys_unfreeze(struct pl_app *app, const struct pl_recover_order *order,
                                       struct pl_report *report);

/* ---- Approvals ------------------------------------------------------------------------------- */

struct pl_approval_order {
    const struct pl_recover_order *key; /* which key; the caller must be let read its policy */
    const char *op;                     /* "export", "delete", ... */
    const uint8_t *requester; /* 32 bytes: SPKI hash of the key whose connection will use it */
    int64_t life_s; /* beyond what clocks may differ by; 0: five minutes, at most an hour in all */
};
/* Makes one statement, good at every vault that answers, as a file that others sign elsewhere
 * (pleiad approval sign). *out_json is malloc'ed. Vaults whose policy has other rules for the
 * operation than most are left out. */
PL_API_CHECKED pl_err pl_approval_request(char **out_json, struct pl_app *app,
                                          const struct pl_approval_order *order,
                                          struct pl_report *report);
/* The same for the vaults, versions and policies of an earlier file, without asking anybody:
 * order->key is not looked at. */
PL_API_CHECKED pl_err pl_approval_renew(char **out_json, struct pl_app *app, const void *like,
                                        size_t bytes, const struct pl_approval_order *order);

/* ---- What vaults hold ------------------------------------------------------------------------ */

struct pl_key_info {
    uint8_t vault_id[PL_ID_BYTES];
    uint8_t handle[16];
    char type[32], state[17];
    uint64_t policy_version;
    /* with `describe` */
    bool described, exportable;
    uint8_t policy_sha256[32];
    uint64_t generation, index;                   /* of its split; log entry of its creation */
    int64_t created_earliest_s, created_latest_s; /* Unix time */
    const char *custody, *origin, *memory;        /* words, as in docs/openapi.json; static */
    char allowed[512];                            /* operations, separated by commas */
};
struct pl_list_order {
    const struct pl_anchor *anchor; /* which vaults are spoken to */
    const struct pl_place *place;   /* every key there that this caller may list */
    size_t places;
    const struct pl_descriptor_info *only; /* or the keys of this descriptor, not listed but asked
                                              for by handle; then without place */
    bool describe;                         /* what is listed is described too */
    unsigned deadline_ms;                  /* for each answer; 0: 5000 */
};
/* *out is malloc'ed, by vault in the order of places, then by age; NULL for no keys. PL_OK when at
 * least one vault answered, RECOVER_FEW when none did; the report names each. A vault shows a
 * caller what policies let it see and is silent about the rest. LIST_LONG above 65536 keys. */
PL_API_CHECKED pl_err pl_keys_list(struct pl_app *app, const struct pl_list_order *order,
                                   struct pl_key_info **out, size_t *out_n,
                                   struct pl_report *report);

/* ---- One vault ------------------------------------------------------------------------------- */

struct pl_answer {
    int status; /* HTTP; problems come as errors, with *this filled too */
    char *body; /* JSON, ended by NUL; wiped by pl_answer_free */
    size_t n;
};
PL_API void pl_answer_free(struct pl_answer *a); /* NULL and zeros allowed */

struct pl_call_order {
    const struct pl_place *place;
    const struct pl_anchor *anchor;
    const char *method, *path; /* "GET", "/v1/status"; see docs/openapi.json */
    const void *body;          /* JSON; empty: none */
    size_t body_bytes;
    const char *idempotency_key; /* NULL: none */
    const char *if_match;        /* NULL: none; at most 15 bytes */
    unsigned deadline_ms;        /* 0: 5000 */
};
/* Connects, verifies, binds the session, asks once. `seen` (may be NULL) tells how far it came. */
PL_API_CHECKED pl_err pl_vault_call(struct pl_app *app, const struct pl_call_order *order,
                                    struct pl_answer *out, struct pl_report_vault *seen);

/* What a vault's verified evidence says, for people: JSON, malloc'ed. Any profile: nothing is
 * accepted by this call, it shows who answers. */
PL_API_CHECKED pl_err pl_vault_show(struct pl_app *app, const char *endpoint, char **out_json);
/* The same as "evidence", and what it answers to GET /v1/status as "status"; what both say must
 * agree, else VAULT_ANSWER. The rest of the status is the vault's unsigned word. */
PL_API_CHECKED pl_err pl_vault_health(struct pl_app *app, const char *endpoint, char **out_json);

/* ---- Grants (the owner) ---------------------------------------------------------------------- */

struct pl_grant_spec {
    const char *name, *owner_name; /* what the owner calls it; the member of principals.owner */
    const void *policy;            /* template */
    size_t policy_bytes;
    const uint8_t *instance_id; /* 32 bytes, as in the anchor */
    const char *profile;        /* a profile of the template, or NULL and requester */
    const uint8_t *requester;   /* 32 bytes, SPKI hash of a channel key */
    uint32_t count;             /* keys that may be made at each vault */
    int64_t life_s;             /* 0: a day */
    const uint8_t (*vault_id)[PL_ID_BYTES];
    size_t vaults;
    const char *owner_key; /* file: PKCS#8, PEM, P-256 or Ed25519 */
    bool one_owner_key;    /* the same key at every vault: vaults can tell */
};
/* *out_json is malloc'ed. */
PL_API_CHECKED pl_err pl_grant_make(char **out_json, struct pl_app *app,
                                    const struct pl_grant_spec *spec);
/* The vaults that a grant lists, every one certified by the owner's root key: what to ask a
 * registry for (`vault_id` of its order), so that nobody else is read of, however many are there.
 */
PL_API_CHECKED pl_err pl_grant_vaults(struct pl_app *app, const void *grant, size_t bytes,
                                      uint8_t out[PL_VAULTS_MAX][PL_ID_BYTES], size_t *out_n);

/* ---- Start, step, finish --------------------------------------------------------------------- */

struct pollfd;
struct pl_work; /* one call under way; at most one per app */

PL_API_CHECKED pl_err pl_recover_start(struct pl_work **out, struct pl_app *app,
                                       const struct pl_recover_order *order);
PL_API_CHECKED pl_err pl_split_start(struct pl_work **out, struct pl_app *app,
                                     const struct pl_split_order *order);
PL_API_CHECKED pl_err pl_registry_start(struct pl_work **out, struct pl_app *app,
                                        const struct pl_registry_order *order);
/* Fills fds for poll(2) and how long to wait at most. Returns how many of cap (PL_VAULTS_MAX) are
 * used. */
PL_API size_t pl_work_poll(struct pl_work *w, struct pollfd *fds, size_t cap, int *out_timeout_ms);
/* Does what can be done now; true when it is finished. Fetching own evidence blocks for as long as
 * the TEE takes, once for all vaults that wait; so does the fsync of a split's files. */
PL_API bool pl_work_step(struct pl_work *w);
/* Ends it, finished or not (an unfinished one is given up), and frees it. */
PL_API_CHECKED pl_err pl_recover_finish(struct pl_work *w, struct pl_secret *out,
                                        struct pl_report *report);
PL_API_CHECKED pl_err pl_split_finish(struct pl_work *w, struct pl_report *report);
PL_API_CHECKED pl_err pl_registry_finish(struct pl_work *w, struct pl_registry_list *out);

#ifdef __cplusplus
}
#endif

#endif
