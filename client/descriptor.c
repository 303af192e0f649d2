/* The descriptor file, and what a share is tied to. */
#include "client/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void pl_descriptor_free(struct pl_descriptor *d)
{
    free(d->scratch);
    pl_wr_free(&d->copy);
    *d = (struct pl_descriptor){0};
}

/* What the schema cannot say: counts that fit, no vault twice. */
static pl_err check_shape(const struct pl_api_descriptor *m)
{
    PL_REQUIRE(m->k >= 2 && m->k <= m->n && m->n == m->vaults.n, DESCRIPTOR_FORM);
    PL_REQUIRE(m->vaults.n <= PL_VAULTS_MAX, DESCRIPTOR_FORM);
    for (size_t i = 0; i < m->vaults.n; i++)
        for (size_t j = 0; j < i; j++)
            PL_REQUIRE(memcmp(m->vaults.v[i].vault_id, m->vaults.v[j].vault_id, 32) != 0,
                       DESCRIPTOR_FORM);
    return PL_OK;
}

static pl_err read_both(struct pl_descriptor *d, struct pl_app *app)
{
    struct pl_api_descriptor_file f;
    struct pl_arena scratch = pl_arena(d->scratch, d->scratch_n);
    struct pl_api_in in = {.body = pl_wr_span(&d->copy), .scratch = &scratch};
    pl_err e = pl_api_read_descriptor_file(&f, &in);
    if (e == PL_OK) {
        d->text = f.descriptor;
        memcpy(d->mac, f.mac, sizeof(d->mac));
        in.body = f.descriptor;
        e = pl_api_read_descriptor(&d->m, &in);
    }
    pl_app_say(app, e == PL_OK ? "" : in.pointer, "");
    PL_TRY(e);
    return check_shape(&d->m);
}

pl_err pl_descriptor_read(struct pl_descriptor *out, struct pl_app *app, struct pl_span file)
{
    *out = (struct pl_descriptor){0};
    PL_REQUIRE(file.n > 0 && file.n <= PL_DESCRIPTOR_MAX, DESCRIPTOR_FORM);
    out->copy = pl_wr_heap(PL_DESCRIPTOR_MAX);
    pl_wr_bytes(&out->copy, file);
    out->scratch_n =
        pl_api_scratch(PL_API_descriptor) + pl_api_scratch(PL_API_descriptor_file) + 64;
    out->scratch = malloc(out->scratch_n);
    pl_err e = out->scratch ? pl_wr_end(&out->copy) : PL_FAIL(NO_MEMORY);
    if (e == PL_OK)
        e = read_both(out, app);
    if (e != PL_OK)
        pl_descriptor_free(out);
    return e;
}

static void show_vault(struct pl_descriptor_place *out, const struct pl_api_descriptor_vault *v)
{
    memcpy(out->place.vault_id, v->vault_id, sizeof(out->place.vault_id));
    snprintf(out->place.endpoint, sizeof(out->place.endpoint), "%s",
             v->endpoints.n ? (const char *)v->endpoints.v[0].p : "");
    memcpy(out->handle, v->handle, sizeof(out->handle));
}

pl_err pl_descriptor_info(struct pl_descriptor_info *out, struct pl_app *app,
                          const void *descriptor, size_t bytes)
{
    struct pl_descriptor d;
    memset(out, 0, sizeof(*out));
    PL_TRY(pl_descriptor_read(&d, app, pl_span(descriptor, bytes)));
    snprintf(out->name, sizeof(out->name), "%s", d.m.name);
    memcpy(out->key_id, d.m.key_id, sizeof(out->key_id));
    memcpy(out->bound, d.m.bound, sizeof(out->bound));
    out->k = (unsigned)d.m.k;
    out->n = (unsigned)d.m.n;
    out->generation = d.m.generation;
    out->vaults = d.m.vaults.n;
    for (size_t i = 0; i < d.m.vaults.n; i++)
        show_vault(&out->vault[i], &d.m.vaults.v[i]);
    pl_descriptor_free(&d);
    return PL_OK;
}

pl_err pl_descriptor_mac(struct pl_crypto *c, uint8_t out[static 32], struct pl_span mac_key,
                         struct pl_span text)
{
    const struct pl_span parts[] = {PL_LIT("pleiad descriptor 1\0"), text};
    return pl_hmac(c, out, mac_key, parts, 2);
}

pl_err pl_commitment(struct pl_crypto *c, uint8_t out[static 32], struct pl_span link_secret,
                     const struct pl_commit *what)
{
    uint8_t generation[8];
    struct pl_wr w = pl_wr_fixed(generation, sizeof(generation));
    pl_wr_be64(&w, what->generation);
    const struct pl_span parts[] = {
        PL_LIT("pleiad commitment 1"), PL_ARR(what->vault_id), PL_ARR(what->key_id),
        PL_ARR(what->split_id),        PL_ARR(generation),     PL_ARR(what->bound)};
    return pl_hmac(c, out, link_secret, parts, sizeof(parts) / sizeof(*parts));
}

/* ---- statements of vaults ---- */

static pl_err read_statement(struct pl_crypto *c, struct pl_api_key_statement *out,
                             struct pl_arena *scratch, struct pl_pub *out_signer,
                             struct pl_span carrier)
{
    struct pl_span text;
    PL_TRY(pl_signed_read(c, &text, out_signer, "pleiad-key-1", carrier));
    struct pl_api_in in = {.body = text, .scratch = scratch};
    return pl_api_read_key_statement(out, &in);
}

/* One owner, and no other: with a second one, or a quorum of some, somebody else could have made
 * this key in the owner's name. */
static pl_err compare(const struct pl_api_key_statement *m, const struct pl_expected *want)
{
    PL_REQUIRE(memcmp(m->vault_id, want->vault_id, 32) == 0, ANCHOR_STATEMENT);
    PL_REQUIRE(strcmp(m->type, "raw_share") == 0, ANCHOR_STATEMENT);
    PL_REQUIRE(memcmp(m->handle, want->handle, 16) == 0, ANCHOR_STATEMENT);
    PL_REQUIRE(memcmp(m->policy_sha256, want->policy_sha256, 32) == 0, ANCHOR_STATEMENT);
    PL_REQUIRE(m->owners.n == 1, ANCHOR_STATEMENT);
    PL_REQUIRE(memcmp(m->owners.v[0].p, want->owner_sha256, 32) == 0, ANCHOR_STATEMENT);
    PL_REQUIRE(m->has_generation && m->generation == want->generation, ANCHOR_COMMITMENT);
    PL_REQUIRE(m->has_commitment && pl_ct_eq(m->commitment, want->commitment, 32),
               ANCHOR_COMMITMENT);
    return PL_OK;
}

pl_err pl_key_statement_check(struct pl_crypto *c, struct pl_pub *out_signer,
                              struct pl_span carrier, const struct pl_expected *want)
{
    uint8_t mem[8 * 1024];
    struct pl_api_key_statement m;
    struct pl_arena scratch = pl_arena(mem, sizeof(mem));
    PL_TRY(read_statement(c, &m, &scratch, out_signer, carrier));
    return compare(&m, want);
}

pl_err pl_key_statement_peek(struct pl_crypto *c, uint8_t out_handle[static 16],
                             uint8_t out_policy[static 32], struct pl_span carrier)
{
    uint8_t mem[8 * 1024];
    struct pl_api_key_statement m;
    struct pl_pub signer;
    struct pl_arena scratch = pl_arena(mem, sizeof(mem));
    PL_TRY(read_statement(c, &m, &scratch, &signer, carrier));
    memcpy(out_handle, m.handle, 16);
    memcpy(out_policy, m.policy_sha256, 32);
    return PL_OK;
}

void pl_key_path(char out[static 96], const uint8_t handle[static 16], const char *rest)
{
    char text[PL_B64U_LEN(16) + 1];
    pl_b64u(text, pl_span(handle, 16));
    snprintf(out, 96, "/v1/keys/%s%s", text, rest);
}
