/* The state, and the only function that writes it. */
#include "vault/internal.h"

#include <stdlib.h>
#include <string.h>

static void handle_key(uint8_t out[static PL_MAP_KEY_BYTES],
                       const uint8_t handle[static PL_HANDLE_BYTES])
{
    memset(out, 0, PL_MAP_KEY_BYTES);
    memcpy(out, handle, PL_HANDLE_BYTES);
}

pl_err pl_vault_new(struct pl_vault **out, const struct pl_vault_self *self,
                    const uint8_t seed[static 16])
{
    uint64_t s[2];
    struct pl_vault *v = calloc(1, sizeof(*v));
    *out = NULL;
    PL_REQUIRE(v, NO_MEMORY);
    memcpy(s, seed, sizeof(s));
    v->self = *self;
    pl_map_init(&v->records, sizeof(struct record *), s);
    pl_map_init(&v->spent, sizeof(int64_t), s);
    pl_map_init(&v->grants, sizeof(struct grant_value), s);
    pl_map_init(&v->idem, sizeof(struct idem_value), s);
    pl_map_init(&v->callers, sizeof(uint64_t), s);
    pl_map_init(&v->owners, sizeof(uint64_t), s);
    pl_map_init(&v->policies, sizeof(struct policy_ref *), s);
    v->floor_s = INT64_MIN;
    v->loading = pl_wr_heap(2 * SNAPSHOT_ITEM_MAX);
    v->material = pl_wr_heap(PL_ENTRY_BODY_MAX);
    *out = v;
    return PL_OK;
}

void pl_vault_free(struct pl_vault *v)
{
    if (!v)
        return;
    pl_order_free(&v->order);
    pl_map_free(&v->records);
    pl_map_free(&v->spent);
    pl_map_free(&v->grants);
    pl_map_free(&v->idem);
    pl_map_free(&v->callers);
    pl_map_free(&v->owners);
    pl_map_free(&v->policies);
    pl_wr_free(&v->loading);
    pl_wr_free(&v->material);
    pl_config_put(v->config);
    free(v);
}

struct record *pl_vault_find(const struct pl_vault *v, const uint8_t handle[static PL_HANDLE_BYTES])
{
    uint8_t key[PL_MAP_KEY_BYTES];
    handle_key(key, handle);
    struct record **r = pl_map_get(&v->records, key);
    return r ? *r : NULL;
}

struct policy_ref *pl_vault_policy(const struct pl_vault *v, const uint8_t sha256[static 32])
{
    struct policy_ref **p = pl_map_get(&v->policies, sha256);
    return p ? *p : NULL;
}

struct policy_ref *pl_vault_decoy(const struct pl_vault *v,
                                  const uint8_t handle[static PL_HANDLE_BYTES])
{
    uint8_t key[PL_MAP_KEY_BYTES];
    struct record *first;
    handle_key(key, handle);
    struct record **r = pl_map_near(&v->records, key);
    if (r)
        return (*r)->policy;
    return pl_order_from(&v->order, &first, 1, 0) ? first->policy : NULL;
}

static pl_err reserve_record(struct pl_vault *v, const struct record *r)
{
    uint8_t key[PL_MAP_KEY_BYTES];
    const struct pl_policy *p = r->policy->policy;
    handle_key(key, r->handle);
    PL_TRY(pl_map_reserve(&v->records, key, 0));
    PL_TRY(pl_map_reserve(&v->policies, pl_policy_sha256(p), 0));
    for (size_t i = 0; i < pl_policy_principals(p); i++)
        PL_TRY(pl_map_reserve(&v->owners, pl_policy_principal(p, i)->spki_sha256,
                              PL_POLICY_PRINCIPALS));
    return pl_order_reserve(&v->order);
}

pl_err pl_vault_reserve(struct pl_vault *v, const struct change *ch, const struct record *fresh)
{
    for (unsigned i = 0; i < ch->spends; i++)
        PL_TRY(pl_map_reserve(&v->spent, ch->spent[i].sha256, ch->spends));
    if (ch->has_grant)
        PL_TRY(pl_map_reserve(&v->grants, ch->grant, 0));
    if (ch->has_idem) {
        PL_TRY(pl_map_reserve(&v->idem, ch->idem, 0));
        PL_TRY(pl_map_reserve(&v->callers, ch->caller, 0));
    }
    return fresh ? reserve_record(v, fresh) : PL_OK;
}

/* ---- applying ---- */

static uint64_t *state_counter(struct pl_vault *v, enum pl_state s)
{
    return s == PL_STATE_PREPARED ? &v->prepared : s == PL_STATE_DELETED ? &v->deleted : NULL;
}

static void count_state(struct pl_vault *v, enum pl_state s, int by)
{
    uint64_t *n = state_counter(v, s);
    if (n)
        *n += (uint64_t)by;
    v->keys += (uint64_t)by;
}

static void name_policy(struct pl_vault *v, struct policy_ref *p)
{
    if (p->home || pl_vault_policy(v, pl_policy_sha256(p->policy)))
        return;
    *(struct policy_ref **)pl_map_put(&v->policies, pl_policy_sha256(p->policy)) = p;
    p->home = &v->policies;
}

static void count_owners(struct pl_vault *v, const struct record *r, int by)
{
    const struct pl_policy *p = r->policy->policy;
    v->by_anyone += r->birth.by_anyone ? (uint64_t)by : 0;
    for (size_t i = 0; i < pl_policy_principals(p); i++) {
        const struct pl_principal *who = pl_policy_principal(p, i);
        if (!(r->birth.consents >> i & 1) || who->kind != PL_KIND_KEY)
            continue;
        uint64_t *n = pl_map_put(&v->owners, who->spki_sha256);
        *n += (uint64_t)by;
        if (*n == 0)
            pl_map_remove(&v->owners, who->spki_sha256);
    }
}

void pl_vault_put_record(struct pl_vault *v, struct record *r)
{
    uint8_t key[PL_MAP_KEY_BYTES];
    handle_key(key, r->handle);
    struct record **at = pl_map_put(&v->records, key);
    if (*at) {
        count_state(v, (*at)->state, -1);
        if ((*at)->policy != r->policy) { /* who pays for the key may be somebody else now */
            count_owners(v, *at, -1);
            name_policy(v, r->policy);
            count_owners(v, r, 1);
        }
        pl_order_replace(&v->order, *at, r);
        pl_record_put(*at);
    } else {
        pl_order_append(&v->order, r);
        name_policy(v, r->policy);
        count_owners(v, r, 1);
    }
    count_state(v, r->state, 1);
    *at = r;
}

static void remove_record(struct pl_vault *v, struct record *r)
{
    uint8_t key[PL_MAP_KEY_BYTES];
    handle_key(key, r->handle);
    count_state(v, r->state, -1);
    count_owners(v, r, -1);
    pl_order_replace(&v->order, r, NULL);
    pl_map_remove(&v->records, key);
    pl_record_put(r);
}

static void remember_request(struct pl_vault *v, const struct change *ch, uint64_t index)
{
    struct idem_value *i = pl_map_put(&v->idem, ch->idem);
    if (i->ends_s == 0) {
        uint64_t *n = pl_map_put(&v->callers, ch->caller);
        ++*n;
    }
    memcpy(i->request, ch->request, sizeof(i->request));
    memcpy(i->caller, ch->caller, sizeof(i->caller));
    memcpy(i->handle, ch->handle, sizeof(i->handle));
    i->index = index;
    i->ends_s = pl_ends_after(ch->now, PL_IDEMPOTENCY_S);
}

static void spend(struct pl_vault *v, const struct change *ch, uint64_t index)
{
    for (unsigned i = 0; i < ch->spends; i++) {
        int64_t *exp = pl_map_put(&v->spent, ch->spent[i].sha256);
        *exp = ch->spent[i].exp_s;
    }
    if (ch->has_grant) {
        struct grant_value *g = pl_map_put(&v->grants, ch->grant);
        g->used += index > g->last; /* once an entry, replayed or not */
        g->last = index > g->last ? index : g->last;
        if (ch->grant_exp_s > g->exp_s)
            g->exp_s = ch->grant_exp_s;
    }
}

/* Time to live in the state that begins: a deleted key can be restored for a week. */
static int64_t state_ends(enum pl_state s, struct pl_interval now)
{
    return s == PL_STATE_DELETED ? pl_ends_after(now, PL_TOMBSTONE_S) : INT64_MAX;
}

static void change_policy(struct record *r, struct policy_ref *policy, const struct change *ch)
{
    policy->refs++;
    pl_policy_put(r->policy);
    r->policy = policy;
    r->policy_version++;
    r->birth.consents = ch->birth.consents;
}

pl_err pl_vault_next_record(const struct pl_vault *v, struct record **out, const struct change *ch,
                            uint64_t index, struct policy_ref *policy)
{
    enum pl_state next;
    *out = NULL;
    if (!pl_op_row(ch->op)->changes)
        return PL_OK;
    struct record *r = ch->has_handle ? pl_vault_find(v, ch->handle) : NULL;
    PL_REQUIRE(r && ch->kind == pl_change_kind(ch->op), ENTRY_BODY);
    PL_REQUIRE(policy || ch->op != PL_OP_UPDATE_POLICY, BUG);
    PL_TRY(pl_state_next(&next, r->state, pl_op_row(ch->op)->event));
    struct record *copy = pl_record_copy(r);
    PL_REQUIRE(copy, NO_MEMORY);
    copy->state = next;
    copy->ends_s = state_ends(next, ch->now);
    copy->last = index;
    if (policy)
        change_policy(copy, policy, ch);
    *out = copy;
    return PL_OK;
}

void pl_vault_apply(struct pl_vault *v, const struct change *ch, uint64_t index,
                    struct record *fresh)
{
    spend(v, ch, index);
    v->applied = index >= v->applied ? index + 1 : v->applied;
    if (ch->kind == PL_ENTRY_LAPSE && ch->now.earliest_s > v->floor_s)
        v->floor_s = ch->now.earliest_s;
    if (fresh)
        pl_vault_put_record(v, fresh);
    if (fresh && fresh->state == PL_STATE_DESTROYED)
        remove_record(v, fresh);
    if (ch->has_idem)
        remember_request(v, ch, index);
    for (size_t i = 0; i < ch->lapsed.n; i += PL_HANDLE_BYTES) {
        struct record *r = pl_vault_find(v, ch->lapsed.p + i);
        if (r)
            remove_record(v, r);
    }
    if (ch->kind == PL_ENTRY_BOOT)
        v->boots++;
}
