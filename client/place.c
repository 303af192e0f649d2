/* Discovery: signed entries of vaults, from a file or from whoever serves them. */
#include "client/place.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAGE_BYTES = 16 * 1024 * 1024 };

void pl_place_of(struct pl_place *out, const struct pl_api_descriptor_vault *v)
{
    memset(out, 0, sizeof(*out));
    memcpy(out->vault_id, v->vault_id, sizeof(out->vault_id));
    if (v->endpoints.n)
        snprintf(out->endpoint, sizeof(out->endpoint), "%s", (const char *)v->endpoints.v[0].p);
}

bool pl_same_platform(const struct pl_vc *one, const struct pl_vc *other)
{
    const struct pl_claims *a = pl_session_leaf_claims(&one->session);
    const struct pl_claims *b = pl_session_leaf_claims(&other->session);
    return a->platform_id_n == b->platform_id_n &&
           memcmp(a->platform_id, b->platform_id, a->platform_id_n) == 0;
}

pl_err pl_place_parse(struct pl_place *out, const char *text)
{
    memset(out, 0, sizeof(*out));
    const char *at = strchr(text, '@');
    PL_REQUIRE(at && at - text == 2 * PL_ID_BYTES, PLACE_FORM);
    PL_REQUIRE(strlen(at + 1) > 0 && strlen(at + 1) < sizeof(out->endpoint), PLACE_FORM);
    PL_REQUIRE(pl_unhex(out->vault_id, PL_ID_BYTES, pl_span(text, 2 * PL_ID_BYTES)) == PL_OK,
               PLACE_FORM);
    memcpy(out->endpoint, at + 1, strlen(at + 1) + 1);
    return PL_OK;
}

/* ---- entries ---- */

static void keep(struct pl_places *p, uint64_t *serial, const struct pl_api_vault_entry *m)
{
    size_t i = 0;
    while (i < p->n && memcmp(p->place[i].vault_id, m->vault_id, 32) != 0)
        i++;
    if (i == PL_VAULTS_MAX || (i < p->n && serial[i] >= m->serial))
        return;
    struct pl_place *out = &p->place[i];
    memset(out, 0, sizeof(*out));
    memcpy(out->vault_id, m->vault_id, 32);
    snprintf(out->endpoint, sizeof(out->endpoint), "%s",
             m->endpoints.n ? (const char *)m->endpoints.v[0].p : "");
    serial[i] = m->serial;
    p->n += i == p->n;
}

static pl_err read_page(struct pl_app *app, struct pl_arena *scratch, struct pl_span page,
                        struct pl_places *p)
{
    struct pl_api_entry_page m;
    struct pl_vault_entry entry;
    struct pl_claims claims;
    uint64_t serial[PL_VAULTS_MAX] = {0};
    struct pl_verifier v = pl_trust_verifier(app->trust, app->crypto, &app->chains, pl_app_now());
    struct pl_api_in in = {.body = page, .scratch = scratch};
    PL_TRY(pl_api_read_entry_page(&m, &in));
    for (size_t i = 0; i < m.entries.n; i++) {
        size_t mark = pl_arena_mark(scratch);
        if (pl_vault_entry_verify(&v, &entry, &claims, m.entries.v[i], scratch) == PL_OK)
            keep(p, serial, &entry.said);
        else
            p->bad++;
        pl_arena_release(scratch, mark);
    }
    return PL_OK;
}

pl_err pl_places_read(struct pl_places *out, struct pl_app *app, const void *page, size_t bytes)
{
    size_t n = pl_api_scratch(PL_API_entry_page) + PL_VAULT_ENTRY_SCRATCH + 64;
    memset(out, 0, sizeof(*out));
    PL_REQUIRE(bytes <= PAGE_BYTES, JSON_LENGTH);
    void *mem = malloc(n);
    PL_REQUIRE(mem, NO_MEMORY);
    struct pl_arena scratch = pl_arena(mem, n);
    pl_err e = read_page(app, &scratch, pl_span(page, bytes), out);
    free(mem);
    if (e != PL_OK)
        memset(out, 0, sizeof(*out));
    return e;
}
