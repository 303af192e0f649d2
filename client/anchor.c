/* The anchor: what measured input says about whose key it is, which key, and which vaults. */
#include "client/internal.h"

#include <stdlib.h>
#include <string.h>

enum { ANCHOR_BYTES = 256 * 1024 };

static pl_err load_profiles(struct pl_anchor *a, struct pl_app *app, const struct pl_spans *texts)
{
    struct pl_refusal why = {0};
    PL_REQUIRE(texts->n > 0 && texts->n <= PL_ANCHOR_PROFILES, ANCHOR_FORM);
    for (; a->profiles < texts->n; a->profiles++) {
        struct pl_profile *p = &a->profile[a->profiles];
        pl_err e = pl_profile_load(p, a->profile_sha256[a->profiles], app->crypto,
                                   texts->v[a->profiles], &why);
        pl_app_say(app, why.pointer, why.text);
        PL_TRY(e);
        pl_app_say(app, "vault_profiles", "a profile without config_root");
        PL_REQUIRE(a->any_config || p->config_roots > 0, ANCHOR_CONFIG);
        pl_app_say(app, "", "");
    }
    return PL_OK;
}

static pl_err fill(struct pl_anchor *a, struct pl_app *app, const struct pl_api_anchor *m)
{
    PL_REQUIRE(m->has_instance_id != m->has_key_id, ANCHOR_FORM);
    a->has_instance = m->has_instance_id;
    memcpy(a->id, m->has_instance_id ? m->instance_id : m->key_id, sizeof(a->id));
    PL_TRY(pl_pub_from_spki(&a->owner, m->owner));
    PL_TRY(pl_sha256_one(app->crypto, a->owner_sha256, m->owner));
    return load_profiles(a, app, &m->vault_profiles);
}

static pl_err read_anchor(struct pl_anchor *a, struct pl_app *app, struct pl_span json)
{
    struct pl_api_anchor m;
    size_t n = pl_api_scratch(PL_API_anchor);
    void *mem = malloc(n);
    PL_REQUIRE(mem, NO_MEMORY);
    struct pl_arena scratch = pl_arena(mem, n);
    struct pl_api_in in = {.body = json, .scratch = &scratch};
    pl_err e = pl_api_read_anchor(&m, &in);
    pl_app_say(app, e == PL_OK ? "" : in.pointer, "");
    if (e == PL_OK)
        e = fill(a, app, &m);
    free(mem);
    return e;
}

static pl_err make_anchor(struct pl_anchor **out, struct pl_app *app, struct pl_span json, bool any)
{
    *out = NULL;
    PL_REQUIRE(json.n <= ANCHOR_BYTES, ANCHOR_FORM);
    struct pl_anchor *a = calloc(1, sizeof(*a));
    PL_REQUIRE(a, NO_MEMORY);
    a->any_config = any;
    pl_err e = read_anchor(a, app, json);
    if (e != PL_OK) {
        free(a);
        return e;
    }
    *out = a;
    return PL_OK;
}

pl_err pl_anchor_read(struct pl_anchor **out, struct pl_app *app, const void *json, size_t n)
{
    return make_anchor(out, app, pl_span(json, n), false);
}

pl_err pl_anchor_insecure_any_config(struct pl_anchor **out, struct pl_app *app, const void *json,
                                     size_t n)
{
    return make_anchor(out, app, pl_span(json, n), true);
}

pl_err pl_anchor_measured(struct pl_anchor **out, struct pl_app *app, const char *file_name)
{
    *out = NULL;
    struct pl_span json = pl_tee_file(&app->measured, file_name);
    pl_app_say(app, file_name, "not in this process's measured input");
    PL_REQUIRE(json.p, FILE_MISSING);
    return make_anchor(out, app, json, false);
}

void pl_anchor_free(struct pl_anchor *a) { free(a); }

const uint8_t *pl_anchor_owner_sha256(const struct pl_anchor *a) { return a->owner_sha256; }

pl_err pl_anchor_make(char **out_json, struct pl_app *app, const struct pl_anchor_order *order)
{
    struct pl_span profile[PL_ANCHOR_PROFILES];
    struct pl_anchor *check = NULL;
    struct pl_wr w PL_CLEANUP(pl_wr_free) = pl_wr_heap(ANCHOR_BYTES);
    *out_json = NULL;
    PL_REQUIRE(order->vault_profiles > 0 && order->vault_profiles <= PL_ANCHOR_PROFILES,
               ANCHOR_FORM);
    for (size_t i = 0; i < order->vault_profiles; i++)
        profile[i] = pl_span_str(order->vault_profile[i]);
    struct pl_api_anchor m = {
        .has_instance_id = order->instance_id != NULL,
        .has_key_id = order->key_id != NULL,
        .owner = pl_span(order->owner_spki, order->owner_spki_bytes),
        .vault_profiles = {profile, order->vault_profiles},
    };
    if (order->instance_id)
        memcpy(m.instance_id, order->instance_id, sizeof(m.instance_id));
    if (order->key_id)
        memcpy(m.key_id, order->key_id, sizeof(m.key_id));
    PL_TRY(pl_api_write_anchor(&w, &m));
    PL_TRY(make_anchor(&check, app, pl_wr_span(&w), true)); /* nothing is made that is not read */
    pl_anchor_free(check);
    pl_wr_u8(&w, 0);
    PL_TRY(pl_wr_end(&w));
    *out_json = strdup((const char *)w.p);
    PL_REQUIRE(*out_json, NO_MEMORY);
    return PL_OK;
}

/* ---- what it decides ---- */

pl_err pl_anchor_key(struct pl_crypto *c, const struct pl_anchor *a, const char *name,
                     const uint8_t key_id[static 32])
{
    uint8_t want[32];
    memcpy(want, a->id, sizeof(want));
    if (a->has_instance)
        PL_TRY(pl_key_id(c, want, a->id, pl_span_str(name)));
    PL_REQUIRE(pl_ct_eq(want, key_id, sizeof(want)), ANCHOR_KEY);
    return PL_OK;
}

/* A certificate is for one key, or for the keys of an instance, which are known by their names. */
static pl_err covers(struct pl_crypto *c, const struct pl_owner_cert *cert,
                     const uint8_t key_id[static 32], const char *name)
{
    uint8_t id[32];
    memcpy(id, cert->id, sizeof(id));
    if (!cert->is_key)
        PL_TRY(pl_key_id(c, id, cert->id, pl_span_str(name)));
    PL_REQUIRE(pl_ct_eq(id, key_id, sizeof(id)), ANCHOR_OWNER);
    return PL_OK;
}

pl_err pl_anchor_cert(struct pl_crypto *c, const struct pl_anchor *a, struct pl_owner_cert *out,
                      struct pl_span carrier, const struct pl_commit *what, const char *name)
{
    PL_TRY(pl_owner_cert_verify(c, out, carrier));
    PL_REQUIRE(memcmp(out->root_sha256, a->owner_sha256, 32) == 0, ANCHOR_OWNER);
    PL_REQUIRE(memcmp(out->vault_id, what->vault_id, 32) == 0, ANCHOR_OWNER);
    return covers(c, out, what->key_id, name);
}
