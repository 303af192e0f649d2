#include "integrations/luks/volume.h"

#include <errno.h>
#include <libcryptsetup.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    METADATA_BYTES = 256 * 1024,
    ITERATIONS = 1000, /* the least that LUKS2 takes */
    TOKENS_MAX = 32,
    JSON_MAX = METADATA_BYTES,
    NAME_MAX_ = 64,
};

struct pl_volume {
    struct crypt_device *cd;
    uint8_t bound[PL_SHA256_BYTES];
};

static _Thread_local char said[256];

/* libcryptsetup's own words would go to stdout. Its last error is kept: errors are told by their
 * codes, and this beside them. */
static void hear(int level, const char *text, void *arg)
{
    (void)arg;
    if (level == CRYPT_LOG_ERROR)
        snprintf(said, sizeof(said), "%.*s", (int)strcspn(text, "\n"), text);
}

const char *pl_volume_said(void) { return said; }

/* ---- bound ---- */

static void copy_key(struct pl_jw *w, struct pl_json *j, struct pl_span key)
{
    char name[NAME_MAX_];
    if (key.n >= sizeof(name)) {
        pl_json_refuse(j, PL_FAIL(LUKS_HEADER));
        return;
    }
    memcpy(name, key.p, key.n);
    name[key.n] = '\0';
    pl_jw_key(w, name);
}

/* One digest without the keyslots that it names. */
static void copy_digest(struct pl_jw *w, struct pl_json *j)
{
    struct pl_span key, value;
    pl_jw_open(w, '{');
    for (pl_json_object(j); pl_json_key(j, &key);) {
        if (pl_span_is(key, "keyslots")) {
            pl_json_skip(j);
            continue;
        }
        copy_key(w, j, key);
        pl_jw_raw(w, pl_json_raw(j, &value) ? value : pl_span_str("null"));
    }
    pl_jw_close(w, '}');
}

static void copy_digests(struct pl_jw *w, struct pl_json *j)
{
    struct pl_span key;
    pl_jw_open(w, '{');
    for (pl_json_object(j); pl_json_key(j, &key);) {
        copy_key(w, j, key);
        copy_digest(w, j);
    }
    pl_jw_close(w, '}');
}

static pl_err what_is_bound(struct pl_wr *out, struct pl_span header, const char *uuid)
{
    struct pl_json j;
    struct pl_span key, value;
    struct pl_jw w = pl_jw(out);
    unsigned seen = 0;
    pl_json_init(&j, header);
    pl_jw_open(&w, '{');
    pl_jw_key(&w, "uuid");
    pl_jw_text(&w, uuid);
    for (pl_json_object(&j); pl_json_key(&j, &key);) {
        if (pl_span_is(key, "digests")) {
            pl_jw_key(&w, "digests");
            copy_digests(&w, &j);
            seen |= 1;
        } else if (pl_span_is(key, "segments") && pl_json_raw(&j, &value)) {
            pl_jw_key(&w, "segments");
            pl_jw_raw(&w, value);
            seen |= 2;
        } else {
            pl_json_skip(&j);
        }
    }
    pl_jw_close(&w, '}');
    PL_TRY(pl_json_end(&j));
    PL_REQUIRE(seen == 3, LUKS_HEADER);
    return pl_wr_end(out);
}

static pl_err find_bound(struct pl_volume *v, struct pl_crypto *c)
{
    const char *json = NULL, *uuid = crypt_get_uuid(v->cd);
    struct pl_wr text PL_CLEANUP(pl_wr_free) = pl_wr_heap(JSON_MAX);
    struct pl_wr canonical PL_CLEANUP(pl_wr_free) = pl_wr_heap(2 * JSON_MAX);
    PL_REQUIRE(uuid && crypt_dump_json(v->cd, &json, 0) == 0 && json, LUKS_HEADER);
    PL_TRY(what_is_bound(&text, pl_span_str(json), uuid));
    PL_TRY(pl_jcs(&canonical, pl_wr_span(&text)));
    return pl_sha256_one(c, v->bound, pl_wr_span(&canonical));
}

/* ---- making and loading ---- */

static pl_err fresh(struct pl_volume **out, const char *path)
{
    *out = NULL;
    struct pl_volume *v = calloc(1, sizeof(*v));
    PL_REQUIRE(v, NO_MEMORY);
    said[0] = '\0';
    crypt_set_log_callback(NULL, hear, NULL);
    if (crypt_init(&v->cd, path) != 0) {
        free(v);
        return PL_FAIL(LUKS_HEADER);
    }
    *out = v;
    return PL_OK;
}

static pl_err format(struct pl_volume *v, struct pl_crypto *c,
                     const uint8_t key[static PL_VOLUME_KEY_BYTES])
{
    const struct crypt_pbkdf_type pbkdf = {.type = CRYPT_KDF_PBKDF2,
                                           .hash = "sha256",
                                           .iterations = ITERATIONS,
                                           .flags = CRYPT_PBKDF_NO_BENCHMARK};
    struct crypt_params_luks2 params = {.pbkdf = &pbkdf, .sector_size = 4096};
    PL_REQUIRE(crypt_set_metadata_size(v->cd, METADATA_BYTES, 0) == 0, LUKS_FORMAT);
    PL_REQUIRE(crypt_format(v->cd, CRYPT_LUKS2, "aes", "xts-plain64", NULL, NULL,
                            PL_VOLUME_KEY_BYTES, &params) == 0,
               LUKS_FORMAT);
    PL_REQUIRE(crypt_keyslot_add_by_volume_key(v->cd, 0, NULL, 0, (const char *)key,
                                               PL_VOLUME_KEY_BYTES) == 0,
               LUKS_FORMAT);
    return find_bound(v, c);
}

pl_err pl_volume_make(struct pl_volume **out, struct pl_crypto *c, const char *path,
                      const uint8_t key[static PL_VOLUME_KEY_BYTES])
{
    PL_TRY(fresh(out, path));
    pl_err e = format(*out, c, key);
    if (e != PL_OK) {
        pl_volume_close(*out);
        *out = NULL;
    }
    return e;
}

pl_err pl_volume_load(struct pl_volume **out, struct pl_crypto *c, const char *path)
{
    PL_TRY(fresh(out, path));
    pl_err e =
        crypt_load((*out)->cd, CRYPT_LUKS2, NULL) == 0 ? find_bound(*out, c) : PL_FAIL(LUKS_HEADER);
    if (e != PL_OK) {
        pl_volume_close(*out);
        *out = NULL;
    }
    return e;
}

const uint8_t *pl_volume_bound(const struct pl_volume *v) { return v->bound; }

void pl_volume_close(struct pl_volume *v)
{
    if (v)
        crypt_free(v->cd);
    free(v);
}

/* ---- the token ---- */

static bool is_ours(struct pl_volume *v, int token)
{
    const char *type = NULL;
    crypt_token_info s = crypt_token_status(v->cd, token, &type);
    return s != CRYPT_TOKEN_INVALID && s != CRYPT_TOKEN_INACTIVE && type &&
           strcmp(type, "pleiad") == 0;
}

static int our_token(struct pl_volume *v)
{
    for (int i = 0; i < TOKENS_MAX; i++)
        if (is_ours(v, i))
            return i;
    return CRYPT_ANY_TOKEN;
}

pl_err pl_volume_set_descriptor(struct pl_volume *v, struct pl_span descriptor)
{
    struct pl_wr w PL_CLEANUP(pl_wr_free) = pl_wr_heap(JSON_MAX);
    struct pl_jw j = pl_jw(&w);
    PL_REQUIRE(descriptor.n <= PL_VOLUME_DESCRIPTOR_MAX, LUKS_SPACE);
    pl_jw_open(&j, '{');
    pl_jw_key(&j, "type");
    pl_jw_text(&j, "pleiad");
    pl_jw_key(&j, "keyslots");
    pl_jw_raw(&j, pl_span_str("[\"0\"]"));
    pl_jw_key(&j, "descriptor");
    pl_jw_b64u(&j, descriptor);
    pl_jw_close(&j, '}');
    pl_wr_u8(&w, 0);
    PL_TRY(pl_wr_end(&w));
    PL_REQUIRE(crypt_token_json_set(v->cd, our_token(v), (const char *)w.p) >= 0, LUKS_SPACE);
    return PL_OK;
}

pl_err pl_volume_descriptor(struct pl_volume *v, struct pl_wr *out)
{
    const char *json = NULL;
    int token = our_token(v);
    struct pl_json j;
    struct pl_span key;
    size_t n = 0;
    PL_REQUIRE(token >= 0 && crypt_token_json_get(v->cd, token, &json) == token, LUKS_TOKEN);
    uint8_t *room = pl_wr_take(out, PL_VOLUME_DESCRIPTOR_MAX);
    PL_REQUIRE(room, NO_MEMORY);
    pl_json_init(&j, pl_span_str(json));
    for (pl_json_object(&j); pl_json_key(&j, &key);)
        if (pl_span_is(key, "descriptor"))
            pl_json_b64u(&j, room, PL_VOLUME_DESCRIPTOR_MAX, &n);
        else
            pl_json_skip(&j);
    PL_TRY(pl_json_end(&j));
    PL_REQUIRE(n > 0, LUKS_TOKEN);
    out->n -= PL_VOLUME_DESCRIPTOR_MAX - n;
    return PL_OK;
}

pl_err pl_volume_may_map(struct pl_volume *v, const char *name)
{
    said[0] = '\0';
    crypt_status_info s = crypt_status(v->cd, name);
    bool taken = s == CRYPT_ACTIVE || s == CRYPT_BUSY;
    if (taken)
        snprintf(said, sizeof(said), "/dev/mapper/%.64s exists", name);
    PL_REQUIRE(!taken && !*said, LUKS_MAPPER); /* without device-mapper it said so */
    return PL_OK;
}

pl_err pl_volume_open(struct pl_volume *v, const char *name,
                      const uint8_t key[static PL_VOLUME_KEY_BYTES])
{
    const char *secret = (const char *)key;
    PL_REQUIRE(crypt_activate_by_passphrase(v->cd, NULL, 0, secret, PL_VOLUME_KEY_BYTES, 0) >= 0,
               LUKS_KEY);
    if (!name)
        return PL_OK;
    PL_REQUIRE(crypt_activate_by_passphrase(v->cd, name, 0, secret, PL_VOLUME_KEY_BYTES, 0) >= 0,
               LUKS_MAPPER);
    return PL_OK;
}
