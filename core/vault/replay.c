/* The log's entries back into state. Everything is checked again: a frame that opens was written by
 * this vault, but perhaps by another build of it. */
#include "vault/internal.h"

#include <stdlib.h>
#include <string.h>

static pl_err take_material(struct pl_vault *v, const struct pl_entry *entry)
{
    uint8_t handle[PL_HANDLE_BYTES];
    struct pl_span sealed;
    PL_TRY(pl_material_read(handle, &sealed, entry));
    v->material.n = 0;
    pl_wr_bytes(&v->material, PL_ARR(handle));
    pl_wr_bytes(&v->material, sealed);
    return pl_wr_end(&v->material);
}

pl_err pl_policy_ref_load(struct policy_ref **out, struct pl_crypto *c, struct pl_span text,
                          struct pl_refusal *why)
{
    struct pl_policy *policy;
    *out = NULL;
    PL_TRY(pl_policy_load(&policy, c, text, why));
    struct policy_ref *ref = malloc(sizeof(*ref));
    if (!ref) {
        pl_policy_free(policy);
        return PL_FAIL(NO_MEMORY);
    }
    *ref = (struct policy_ref){1, policy, NULL};
    *out = ref;
    return PL_OK;
}

pl_err pl_vault_policy_of(struct pl_vault *v, struct policy_ref **out, struct pl_crypto *c,
                          struct pl_span text)
{
    uint8_t digest[32];
    PL_TRY(pl_sha256_one(c, digest, text));
    *out = pl_vault_policy(v, digest);
    if (!*out)
        return pl_policy_ref_load(out, c, text, NULL);
    (*out)->refs++;
    return PL_OK;
}

static pl_err replay_create(struct pl_vault *v, struct pl_crypto *c, struct change *ch,
                            uint64_t index)
{
    uint8_t digest[32];
    struct policy_ref *policy;
    struct pl_span m = pl_wr_span(&v->material);
    struct record *r = ch->has_handle ? pl_vault_find(v, ch->handle) : NULL;
    if (r && r->born == index && index < v->until) {
        pl_vault_apply(v, ch, index, NULL);
        return PL_OK;
    }
    PL_REQUIRE(ch->has_handle && !r, ENTRY_BODY);
    PL_REQUIRE(m.n > PL_HANDLE_BYTES && memcmp(m.p, ch->handle, PL_HANDLE_BYTES) == 0, ENTRY_BODY);
    ch->sealed = pl_span_sub(m, PL_HANDLE_BYTES, m.n - PL_HANDLE_BYTES);
    PL_TRY(pl_sha256_one(c, digest, ch->sealed));
    PL_REQUIRE(memcmp(digest, ch->sealed_sha256, sizeof(digest)) == 0, ENTRY_BODY);
    PL_TRY(pl_vault_policy_of(v, &policy, c, ch->policy));
    r = pl_record_new(ch, policy, index);
    if (!r) {
        pl_policy_put(policy);
        return PL_FAIL(NO_MEMORY);
    }
    pl_err e = pl_vault_reserve(v, ch, r);
    if (e != PL_OK) {
        pl_record_put(r);
        return e;
    }
    pl_vault_apply(v, ch, index, r);
    v->material.n = 0;
    return PL_OK;
}

static pl_err replay_config(struct pl_vault *v, struct pl_crypto *c, const struct change *ch,
                            uint64_t index)
{
    struct pl_config *cfg;
    PL_REQUIRE(!v->config, ENTRY_BODY);
    PL_TRY(pl_config_load(&cfg, c, ch->config, NULL));
    v->config = cfg;
    pl_vault_apply(v, ch, index, NULL);
    return PL_OK;
}

static pl_err replay_update(struct pl_vault *v, struct pl_crypto *c, const struct change *ch,
                            uint64_t index)
{
    struct policy_ref *policy;
    struct record *next = NULL;
    PL_TRY(pl_vault_policy_of(v, &policy, c, ch->policy));
    pl_err e = pl_vault_next_record(v, &next, ch, index, policy);
    pl_policy_put(policy);
    if (e == PL_OK)
        e = pl_vault_reserve(v, ch, next);
    if (e == PL_OK)
        pl_vault_apply(v, ch, index, next);
    else
        pl_record_put(next);
    return e;
}

/* The snapshot was read after this entry had changed its record, or ended it. */
static bool done_before(const struct pl_vault *v, const struct change *ch, uint64_t index)
{
    const struct record *r = ch->has_handle ? pl_vault_find(v, ch->handle) : NULL;
    return index < v->until && (!r || index <= r->last);
}

static pl_err replay(struct pl_vault *v, struct pl_crypto *c, struct change *ch, uint64_t index)
{
    struct record *next = NULL;
    if (ch->kind == PL_ENTRY_REFUSED || ch->kind == PL_ENTRY_FAILED || ch->kind == PL_ENTRY_LIST)
        return PL_OK; /* these only tell */
    PL_TRY(pl_vault_reserve(v, ch, NULL));
    if (ch->kind == PL_ENTRY_CREATE)
        return replay_create(v, c, ch, index);
    if (ch->kind == PL_ENTRY_CONFIG)
        return replay_config(v, c, ch, index);
    bool done = done_before(v, ch, index);
    if (!done && ch->kind == PL_ENTRY_UPDATE_POLICY)
        return replay_update(v, c, ch, index);
    if (!done)
        PL_TRY(pl_vault_next_record(v, &next, ch, index, NULL));
    pl_vault_apply(v, ch, index, next);
    return PL_OK;
}

pl_err pl_vault_replay(struct pl_vault *v, struct pl_crypto *c, const struct pl_entry *entry)
{
    struct change ch;
    if (entry->kind == PL_ENTRY_MATERIAL)
        return take_material(v, entry);
    PL_TRY(pl_change_read(&ch, entry));
    return replay(v, c, &ch, entry->index);
}
