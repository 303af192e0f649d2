/* This process: the TEE it runs in, what it believes, its key and certificate on the channel. */
#include "client/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Thread_local char open_detail[512];

struct pl_interval pl_app_now(void)
{
    int64_t s;
    if (pl_clock_wall(&s) != PL_OK)
        return PL_TIME_UNKNOWN;
    return (struct pl_interval){s - PL_CLOCK_SKEW_S, s + PL_CLOCK_SKEW_S};
}

struct pl_interval pl_app_tls_now(void *arg)
{
    (void)arg;
    return pl_app_now();
}

void pl_app_say(struct pl_app *app, const char *what, const char *more)
{
    snprintf(app->detail, sizeof(app->detail), "%s%s%s", what, *what && *more ? ": " : "", more);
}

const char *pl_app_detail(const struct pl_app *app) { return app ? app->detail : open_detail; }

/* ---- files of keys and roots ---- */

pl_err pl_key_file(struct pl_app *app, struct pl_priv *out, const char *path)
{
    uint8_t der[512];
    size_t n = 0;
    struct pl_wr pem PL_CLEANUP(pl_wr_free) = pl_wr_heap(16 * 1024);
    pl_app_say(app, path, "");
    PL_TRY(pl_file_read(&pem, path, 16 * 1024));
    struct pl_span text = pl_wr_span(&pem);
    pl_err e = pl_unpem(der, sizeof(der), &n, &text, "PRIVATE KEY");
    if (e == PL_OK)
        e = pl_priv_from_pkcs8(app->crypto, out, pl_span(der, n));
    pl_wipe(der, sizeof(der));
    PL_TRY(e);
    pl_app_say(app, "", "");
    return PL_OK;
}

/* PEM or DER; the DER stays in app->root_mem for as long as the app lives. */
static pl_err add_root(struct pl_app *app, const struct pl_root_file *r, struct pl_wr *mem)
{
    struct pl_wr file PL_CLEANUP(pl_wr_free) = pl_wr_heap(16 * 1024);
    pl_app_say(app, r->path, "");
    PL_REQUIRE(strcmp(r->tee, pl_tee_text(PL_TEE_SGX)) == 0, TEE_NONE);
    PL_TRY(pl_file_read(&file, r->path, 16 * 1024));
    struct pl_span in = pl_wr_span(&file);
    *mem = pl_wr_heap(16 * 1024);
    uint8_t *der = pl_wr_take(mem, in.n);
    PL_REQUIRE(der, NO_MEMORY);
    size_t n = in.n;
    if (in.n && in.p[0] == 0x30)
        memcpy(der, in.p, in.n);
    else
        PL_TRY(pl_unpem(der, in.n, &n, &in, "CERTIFICATE"));
    PL_TRY(pl_roots_add_cert(app->crypto, &app->roots, PL_TEE_SGX,
                             r->development ? PL_TRUST_DEV : PL_TRUST_CUSTOM, r->label,
                             pl_span(der, n)));
    pl_app_say(app, "", "");
    return PL_OK;
}

static pl_err load_trust(struct pl_app *app, const struct pl_app_config *cfg)
{
    const char *bad = "";
    struct pl_trust_set *trust;
    app->roots = *pl_roots_builtin();
    if (cfg->collateral) {
        app->collateral = strdup(cfg->collateral);
        PL_REQUIRE(app->collateral, NO_MEMORY);
        app->collateral_mark = pl_collateral_mark(app->collateral);
    }
    PL_REQUIRE(cfg->roots <= PL_ROOTS_MAX, ROOTS_FULL);
    for (size_t i = 0; i < cfg->roots; i++)
        PL_TRY(add_root(app, &cfg->root[i], &app->root_mem[i]));
    pl_err e = pl_trust_load(&trust, app->crypto, &app->roots, cfg->collateral, &bad);
    app->trust = trust;
    if (e != PL_OK)
        pl_app_say(app, bad ? bad : "", "");
    return e;
}

/* ---- the channel's keys and certificates ----
 *
 * Each connection has a key and a certificate of its own, so that two vaults see nothing in common.
 * No evidence is in them: that would cost a quote more, and what the session's evidence says, of
 * this key and of this very connection, says it all. */

static pl_err make_key(struct pl_app *app)
{
    uint8_t seed[PL_P256_SEED_BYTES], pub[PL_P256_PUB_BYTES];
    pl_err e = pl_entropy(seed, sizeof(seed));
    app->key->type = PL_PUB_P256;
    if (e == PL_OK)
        e = pl_p256_make(app->crypto, app->key->raw, pub, seed);
    pl_wipe(seed, sizeof(seed));
    return e;
}

static pl_err make_leaf(struct pl_app *app, struct pl_tls_ctx **out)
{
    int64_t now_s;
    struct pl_wr der PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_RATLS_MAX);
    struct pl_ratls_new n = {.name = "pleiad client"};
    PL_TRY(pl_clock_wall(&now_s));
    PL_TRY(pl_entropy(n.serial, sizeof(n.serial)));
    n.valid.from_s = now_s - PL_LEAF_BACK_S;
    n.valid.to_s = n.valid.from_s + PL_TLS_LEAF_MAX_S - 1;
    PL_TRY(pl_ratls_make(app->crypto, &der, app->key, &n));
    const struct pl_tls_config cfg = {
        .leaf = pl_wr_span(&der), .key = app->key, .now = pl_app_tls_now};
    return pl_tls_ctx_new(out, app->crypto, &cfg);
}

pl_err pl_leaf_new(struct pl_app *app, const uint8_t vault_id[static 32], struct pl_tls_ctx **out)
{
    pl_err e = app->own_key ? PL_OK
               : app->owner ? pl_owner_derive(app->crypto, app->key, app->owner, vault_id)
                            : make_key(app);
    if (e == PL_OK)
        e = make_leaf(app, out);
    if (!app->own_key)
        pl_wipe(app->key, sizeof(*app->key)); /* TLS keeps its own copy */
    return e;
}

/* ---- open and close ---- */

static pl_err open_tee(struct pl_app *app, const struct pl_app_config *cfg)
{
    if (cfg->no_tee) {
        PL_REQUIRE(!cfg->must_attest, TEE_NONE);
        return PL_OK;
    }
    pl_err e = pl_tee_open(&app->tee, cfg->tee);
    bool optional = !cfg->tee && !cfg->must_attest && pl_err_code(e) == PL_E_TEE_NONE;
    if (e != PL_OK && !optional)
        pl_app_say(app, cfg->tee ? cfg->tee : pl_tee_names(), "");
    if (e != PL_OK)
        return optional ? PL_OK : e;
    return pl_tee_measured(app->tee, &app->measured);
}

static pl_err open_key(struct pl_app *app, const char *path)
{
    uint8_t spki[PL_SPKI_MAX];
    struct pl_pub pub;
    if (!path)
        return PL_OK;
    PL_TRY(pl_key_file(app, app->key, path));
    pl_app_say(app, path, "the channel takes P-256 keys only");
    PL_REQUIRE(app->key->type == PL_PUB_P256, KEY_FORMAT);
    pl_app_say(app, "", "");
    app->own_key = true;
    PL_TRY(pl_priv_public(app->crypto, &pub, app->key));
    return pl_sha256_one(app->crypto, app->spki_sha256, pl_span(spki, pl_pub_to_spki(spki, &pub)));
}

/* The channel speaks with the owner's key of each vault, which is of the root's type. */
static pl_err open_owner(struct pl_app *app, const char *path)
{
    if (!path)
        return PL_OK;
    app->owner = (struct pl_priv *)(void *)pl_arena_take(&app->secrets, sizeof(*app->owner));
    app->owner_file = strdup(path);
    PL_REQUIRE(app->owner && app->owner_file, NO_MEMORY);
    PL_TRY(pl_key_file(app, app->owner, path));
    pl_app_say(app, path, "the channel takes P-256 keys only");
    PL_REQUIRE(app->owner->type == PL_PUB_P256, KEY_FORMAT);
    pl_app_say(app, "", "");
    return PL_OK;
}

static pl_err open_app(struct pl_app *app, const struct pl_app_config *cfg)
{
    PL_TRY(open_tee(app, cfg));
    PL_TRY(pl_crypto_new(&app->crypto));
    PL_TRY(pl_locked_map(&app->locked, PL_APP_SECRETS + 4096));
    app->secrets = pl_locked_arena(&app->locked);
    app->key = (struct pl_priv *)(void *)pl_arena_take(&app->secrets, sizeof(*app->key));
    PL_ASSERT(app->key);
    PL_TRY(load_trust(app, cfg));
    PL_TRY(open_key(app, cfg->client_key));
    PL_TRY(open_owner(app, cfg->owner_key));
    return pl_client_new(&app->loop, app->crypto);
}

pl_err pl_app_open(struct pl_app **out, const struct pl_app_config *cfg)
{
    *out = NULL;
    open_detail[0] = 0;
    struct pl_app *app = calloc(1, sizeof(*app));
    PL_REQUIRE(app, NO_MEMORY);
    pl_err e = open_app(app, cfg);
    if (e == PL_OK) {
        *out = app;
        return PL_OK;
    }
    memcpy(open_detail, app->detail, sizeof(open_detail));
    pl_app_close(app);
    return e;
}

void pl_app_close(struct pl_app *app)
{
    if (!app)
        return;
    pl_client_free(app->loop);
    pl_trust_free(app->trust);
    for (size_t i = 0; i < PL_ROOTS_MAX; i++)
        pl_wr_free(&app->root_mem[i]);
    pl_tee_files_free(&app->measured);
    pl_tee_close(app->tee);
    pl_crypto_free(app->crypto);
    pl_locked_unmap(&app->locked);
    free(app->owner_file);
    free(app->collateral);
    free(app);
}

bool pl_app_attested(const struct pl_app *app) { return app->tee != NULL; }

const uint8_t *pl_app_key_sha256(const struct pl_app *app)
{
    return app->own_key ? app->spki_sha256 : NULL;
}

bool pl_app_measured(struct pl_app *app, const char *name, const void **out, size_t *out_n)
{
    struct pl_span s = pl_tee_file(&app->measured, name);
    *out = s.p;
    *out_n = s.n;
    return s.p != NULL;
}
