#include "vault/internal.h"

#include <stdlib.h>
#include <string.h>

struct record *pl_record_new(const struct change *ch, struct policy_ref *policy, uint64_t index)
{
    size_t n = ch->sealed.n;
    struct record *r = calloc(1, sizeof(*r) + n);
    if (!r)
        return NULL;
    r->refs = 1;
    memcpy(r->handle, ch->handle, sizeof(r->handle));
    r->state = PL_STATE_PREPARED;
    r->version = r->policy_version = 1;
    r->policy = policy;
    memcpy(r->creator, ch->caller, sizeof(r->creator));
    r->birth = ch->birth;
    r->created = ch->now;
    r->ends_s = pl_ends_after(ch->now, PL_PREPARED_S);
    r->born = r->last = index;
    r->sealed_n = n;
    memcpy(r->sealed, ch->sealed.p, n);
    return r;
}

struct record *pl_record_copy(const struct record *r)
{
    struct record *copy = malloc(sizeof(*copy) + r->sealed_n);
    if (!copy)
        return NULL;
    memcpy(copy, r, sizeof(*copy) + r->sealed_n);
    copy->refs = 1;
    copy->version++;
    copy->policy->refs++;
    return copy;
}

void pl_record_get(struct record *r) { r->refs++; }

void pl_policy_put(struct policy_ref *p)
{
    if (!p || --p->refs)
        return;
    if (p->home)
        pl_map_remove(p->home, pl_policy_sha256(p->policy));
    pl_policy_free(p->policy);
    free(p);
}

void pl_record_put(struct record *r)
{
    if (!r || --r->refs)
        return;
    pl_policy_put(r->policy);
    pl_wipe(r, sizeof(*r) + r->sealed_n);
    free(r);
}

size_t pl_record_sealed_bytes(size_t n) { return n + PL_GCM_TAG_BYTES; }

static pl_err record_key(struct pl_crypto *c, uint8_t out[static 32],
                         const struct pl_vault_keys *keys, const uint8_t *handle)
{
    const struct pl_span parts[] = {PL_LIT("pleiad material 1"), pl_span(handle, PL_HANDLE_BYTES)};
    return pl_hmac(c, out, PL_ARR(keys->record), parts, 2);
}

static const uint8_t zero_iv[PL_GCM_IV_BYTES];

pl_err pl_record_seal(struct pl_crypto *c, uint8_t *out, const struct pl_vault_keys *keys,
                      const uint8_t handle[static PL_HANDLE_BYTES], struct pl_span in)
{
    uint8_t key[32];
    pl_err e = record_key(c, key, keys, handle);
    if (e == PL_OK)
        e = pl_gcm_seal(c, out, key, zero_iv, pl_span(handle, PL_HANDLE_BYTES), in);
    pl_wipe(key, sizeof(key));
    return e;
}

pl_err pl_record_open(struct pl_crypto *c, uint8_t *out, const struct pl_vault_keys *keys,
                      const struct record *r)
{
    uint8_t key[32];
    pl_err e = record_key(c, key, keys, r->handle);
    if (e == PL_OK)
        e = pl_gcm_open(c, out, key, zero_iv, PL_ARR(r->handle), pl_span(r->sealed, r->sealed_n));
    pl_wipe(key, sizeof(key));
    return e;
}
