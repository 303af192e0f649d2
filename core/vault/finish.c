/* The only use of key material, under a permit. */
#include "api/api.h"
#include "vault/internal.h"

#include <string.h>

static const char key_typ[] = "pleiad-key-1";

enum { OWNERS_MAX = 64 };

struct owners {
    struct pl_span v[OWNERS_MAX];
    size_t n;
};

static void find_owners(struct owners *o, const struct pl_policy *p)
{
    o->n = 0;
    for (size_t i = 0; i < pl_policy_principals(p); i++) {
        const struct pl_principal *who = pl_policy_principal(p, i);
        if (who->group != PL_GROUP_OWNER || who->kind != PL_KIND_KEY || o->n == OWNERS_MAX)
            continue;
        size_t at = o->n++; /* kept ascending */
        for (; at > 0 && memcmp(o->v[at - 1].p, who->spki_sha256, 32) > 0; at--)
            o->v[at] = o->v[at - 1];
        o->v[at] = PL_ARR(who->spki_sha256);
    }
}

/* What the vault says of a key it made, signed with its attestation key. */
static pl_err sign_key(const struct pl_env *env, struct pl_wr *out, const struct record *r)
{
    struct owners owners;
    struct pl_wr text PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_CARRIER_MAX);
    struct pl_api_key_statement m = {
        .has_commitment = true,
        .has_generation = true,
        .generation = r->birth.generation,
        .type = pl_key_type_word(r->birth.type),
    };
    find_owners(&owners, r->policy->policy);
    m.owners = (struct pl_spans){owners.v, owners.n};
    memcpy(m.commitment, r->birth.commitment, sizeof(m.commitment));
    memcpy(m.handle, r->handle, sizeof(m.handle));
    memcpy(m.policy_sha256, pl_policy_sha256(r->policy->policy), 32);
    memcpy(m.vault_id, env->self->vault_id, sizeof(m.vault_id));
    PL_TRY(pl_api_write_key_statement(&text, &m));
    return pl_signed_make(env->crypto, out, &env->keys->use[PL_USE_ATTESTATION], key_typ,
                          pl_wr_span(&text));
}

static pl_err finish_create(const struct pl_turn *t, const struct pl_env *env,
                            const struct permit *p, struct pl_wr *body)
{
    (void)t;
    struct pl_wr carrier PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_CARRIER_MAX);
    PL_TRY(sign_key(env, &carrier, p->record));
    struct pl_api_created m = {
        .index = p->index,
        .state = pl_state_word(p->record->state),
        .statement = pl_wr_span(&carrier),
    };
    return pl_api_write_created(body, &m);
}

static pl_err finish_receipt(const struct pl_turn *t, const struct pl_env *env,
                             const struct permit *p, struct pl_wr *body)
{
    (void)env;
    enum pl_state s = p->record ? p->record->state : PL_STATE_DESTROYED;
    struct pl_api_receipt m = {.index = p->index, .pending = t->pending, .state = pl_state_word(s)};
    memcpy(m.handle, t->call.handle, sizeof(m.handle));
    return pl_api_write_receipt(body, &m);
}

static pl_err finish_update(const struct pl_turn *t, const struct pl_env *env,
                            const struct permit *p, struct pl_wr *body)
{
    (void)t;
    struct pl_wr carrier PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_CARRIER_MAX);
    PL_TRY(sign_key(env, &carrier, p->record));
    struct pl_api_updated m = {
        .index = p->index, .statement = pl_wr_span(&carrier), .version = p->record->policy_version};
    memcpy(m.handle, p->record->handle, sizeof(m.handle));
    memcpy(m.policy_sha256, pl_policy_sha256(p->record->policy->policy), 32);
    return pl_api_write_updated(body, &m);
}

static pl_err finish_export(const struct pl_turn *t, const struct pl_env *env,
                            const struct permit *p, struct pl_wr *body)
{
    (void)t;
    const struct record *r = p->record;
    size_t n = r->sealed_n - PL_GCM_TAG_BYTES;
    uint8_t *share = pl_arena_take(env->secrets, n);
    PL_REQUIRE(share, NO_MEMORY);
    PL_TRY(pl_record_open(env->crypto, share, env->keys, r));
    struct pl_api_released m = {
        .generation = r->birth.generation, .index = p->index, .share = pl_span(share, n)};
    memcpy(m.commitment, r->birth.commitment, sizeof(m.commitment));
    memcpy(m.tag, r->birth.tag, sizeof(m.tag));
    return pl_api_write_released(body, &m);
}

/* Every operation that this caller's facts would be allowed now, in the order of op.def. */
static size_t allowed(const struct pl_turn *t, struct pl_span *out)
{
    size_t n = 0;
    for (unsigned op = 1; op < PL_OP_COUNT; op++) {
        struct pl_facts f = t->facts;
        f.op = (enum pl_op)op;
        bool born = pl_op_row(f.op)->event == PL_EVENT_CREATE || f.op == PL_OP_ACTIVATE;
        if (born || !pl_op_fits(f.op, t->record->birth.type))
            continue;
        if (pl_policy_evaluate(t->policy->policy, &f, NULL).verdict == PL_ALLOW)
            out[n++] = pl_span_str(pl_op_row(f.op)->word);
    }
    return n;
}

static pl_err finish_describe(const struct pl_turn *t, const struct pl_env *env,
                              const struct permit *p, struct pl_wr *body)
{
    const struct record *r = p->record;
    struct pl_span ops[PL_OP_COUNT];
    struct pl_wr carrier PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_CARRIER_MAX);
    PL_TRY(sign_key(env, &carrier, r));
    struct pl_api_key m = {
        .allowed = {ops, allowed(t, ops)},
        .has_commitment = true,
        .created_earliest = r->created.earliest_s,
        .created_latest = r->created.latest_s,
        .custody = PL_API_CUSTODY_SPLIT,
        .exportable = true,
        .has_generation = true,
        .generation = r->birth.generation,
        .index = r->born,
        .memory = PL_API_MEMORY_ENCRYPTED,
        .origin = r->birth.has_subject ? PL_API_ORIGIN_GRANTED : PL_API_ORIGIN_IMPORTED,
        .policy_version = r->policy_version,
        .state = pl_state_word(r->state),
        .statement = pl_wr_span(&carrier),
        .type = pl_key_type_word(r->birth.type),
    };
    memcpy(m.commitment, r->birth.commitment, sizeof(m.commitment));
    memcpy(m.handle, r->handle, sizeof(m.handle));
    memcpy(m.policy_sha256, pl_policy_sha256(r->policy->policy), 32);
    return pl_api_write_key(body, &m);
}

static pl_err finish_policy(const struct pl_turn *t, const struct pl_env *env,
                            const struct permit *p, struct pl_wr *body)
{
    (void)t, (void)env;
    const struct pl_policy *policy = p->record->policy->policy;
    struct pl_api_policy m = {.policy = pl_policy_text(policy),
                              .version = p->record->policy_version};
    memcpy(m.policy_sha256, pl_policy_sha256(policy), 32);
    return pl_api_write_policy(body, &m);
}

static pl_err finish_list(const struct pl_turn *t, const struct pl_env *env, const struct permit *p,
                          struct pl_wr *body)
{
    (void)env, (void)p;
    struct pl_api_key_item items[PL_LIST_PAGE];
    for (size_t i = 0; i < t->listed; i++) {
        const struct record *r = t->list[i];
        items[i] = (struct pl_api_key_item){
            .policy_version = r->policy_version,
            .state = pl_state_word(r->state),
            .type = pl_key_type_word(r->birth.type),
        };
        memcpy(items[i].handle, r->handle, sizeof(items[i].handle));
    }
    struct pl_api_key_page m = {
        .keys = {items, t->listed}, .has_next = t->next_page != 0, .next = t->next_page};
    return pl_api_write_key_page(body, &m);
}

typedef pl_err finish_fn(const struct pl_turn *t, const struct pl_env *env, const struct permit *p,
                         struct pl_wr *body);

static finish_fn *const finish_of[PL_OP_COUNT] = {
    [PL_OP_CREATE] = finish_create,     [PL_OP_ACTIVATE] = finish_receipt,
    [PL_OP_EXPORT] = finish_export,     [PL_OP_DELETE] = finish_receipt,
    [PL_OP_DESCRIBE] = finish_describe, [PL_OP_READ_POLICY] = finish_policy,
    [PL_OP_LIST] = finish_list,         [PL_OP_FREEZE] = finish_receipt,
    [PL_OP_UNFREEZE] = finish_receipt,  [PL_OP_UPDATE_POLICY] = finish_update,
};

pl_err pl_turn_finish(struct pl_turn *t, const struct pl_env *env, struct pl_wr *body,
                      int *out_status)
{
    struct permit permit = t->permit;
    size_t mark = pl_arena_mark(env->secrets), from = body->n;
    t->permit.valid = false; /* once */
    /* A permit of another operation cannot be: commit made it for this one. */
    PL_REQUIRE(permit.valid && permit.op == t->call.op && finish_of[permit.op], BUG);
    *out_status = permit.op == PL_OP_CREATE ? 201 : t->pending ? 202 : 200;
    pl_err e = finish_of[permit.op](t, env, &permit, body);
    pl_arena_release(env->secrets, mark);
    if (e != PL_OK && body->p) {
        pl_wipe(body->p + from, body->n - from);
        body->n = from;
    }
    return e;
}
