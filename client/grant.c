/* The owner's side: grants for apps, made offline. */
#include "client/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DAY_S = 86400, BACK_S = 600 };

struct fresh {
    struct pl_grant_vault vault[PL_GRANT_VAULTS];
    uint8_t fill[PL_GRANT_VAULTS][PL_STATEMENT_FILL];
    struct pl_priv root;
};

static int by_id(const void *a, const void *b) { return memcmp(a, b, PL_ID_BYTES); }

static pl_err draw(struct fresh *f, const struct pl_grant_spec *spec)
{
    PL_REQUIRE(spec->vaults > 0 && spec->vaults <= PL_GRANT_VAULTS, GRANT_FILE);
    for (size_t i = 0; i < spec->vaults; i++) {
        struct pl_grant_vault *v = &f->vault[i];
        memcpy(v->vault_id, spec->vault_id[i], sizeof(v->vault_id));
        PL_TRY(pl_entropy(v->salt, sizeof(v->salt)));
        PL_TRY(pl_entropy(v->nonce, sizeof(v->nonce)));
        PL_TRY(pl_entropy(v->id, sizeof(v->id)));
        PL_TRY(pl_entropy(f->fill[i], sizeof(f->fill[i])));
        v->fill = f->fill[i];
    }
    _Static_assert(offsetof(struct pl_grant_vault, vault_id) == 0, "sorted by its first bytes");
    qsort(f->vault, spec->vaults, sizeof(f->vault[0]), by_id);
    return PL_OK;
}

static pl_err issue(struct pl_wr *out, struct pl_app *app, const struct pl_grant_spec *spec,
                    struct fresh *f)
{
    int64_t now_s;
    struct pl_refusal why = {0};
    PL_TRY(pl_key_file(app, &f->root, spec->owner_key));
    PL_TRY(draw(f, spec));
    PL_TRY(pl_clock_wall(&now_s));
    struct pl_grant_order o = {
        .name = spec->name,
        .owner_name = spec->owner_name,
        .policy = pl_span(spec->policy, spec->policy_bytes),
        .type = PL_KEY_RAW_SHARE,
        .profile = spec->profile,
        .requester = spec->requester,
        .count = spec->count,
        .iat_s = now_s - BACK_S,
        .exp_s = now_s + (spec->life_s ? spec->life_s : DAY_S),
        .vault = f->vault,
        .vaults = spec->vaults,
        .one_owner_key = spec->one_owner_key,
    };
    memcpy(o.instance_id, spec->instance_id, sizeof(o.instance_id));
    pl_err e = pl_grant_issue(out, app->crypto, &o, &f->root, &why);
    if (e != PL_OK)
        pl_app_say(app, why.pointer, why.text);
    return e;
}

pl_err pl_grant_make(char **out_json, struct pl_app *app, const struct pl_grant_spec *spec)
{
    struct pl_locked locked;
    struct pl_wr w PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_GRANT_BYTES);
    *out_json = NULL;
    PL_TRY(pl_locked_map(&locked, sizeof(struct fresh))); /* it holds the root key */
    pl_err e = issue(&w, app, spec, (struct fresh *)(void *)locked.base);
    pl_locked_unmap(&locked);
    PL_TRY(e);
    pl_wr_u8(&w, 0);
    PL_TRY(pl_wr_end(&w));
    *out_json = strdup((const char *)w.p);
    PL_REQUIRE(*out_json, NO_MEMORY);
    return PL_OK;
}

pl_err pl_grant_vaults(struct pl_app *app, const void *grant, size_t bytes,
                       uint8_t out[PL_VAULTS_MAX][PL_ID_BYTES], size_t *out_n)
{
    _Static_assert((int)PL_GRANT_VAULTS == (int)PL_VAULTS_MAX, "all of a grant");
    struct pl_grant_file *g = malloc(sizeof(*g));
    *out_n = 0;
    PL_REQUIRE(g, NO_MEMORY);
    pl_err e = pl_grant_read(app->crypto, g, pl_span(grant, bytes));
    for (size_t i = 0; e == PL_OK && i < g->candidates; i++)
        memcpy(out[(*out_n)++], g->candidate[i].vault_id, PL_ID_BYTES);
    free(g);
    return e;
}
