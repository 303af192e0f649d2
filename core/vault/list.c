/* Listing: what the caller may see, at most a page at a time while the mutex is held. */
#include "vault/internal.h"

static bool may_list(const struct record *r, const struct pl_turn *t, const struct pl_env *env)
{
    struct pl_facts f;
    struct pl_caller who = {
        .client_spki_sha256 = t->peer.has_key ? t->peer.spki_sha256 : NULL,
        .claims = t->peer.claims,
        .now = env->now,
    };
    if (r->state == PL_STATE_PREPARED || pl_record_lapsed(r, env->now))
        return false;
    pl_policy_facts(&f, r->policy->policy, &who);
    f.op = PL_OP_LIST;
    return pl_policy_evaluate(r->policy->policy, &f, NULL).verdict == PL_ALLOW;
}

/* Looks at the next PL_LIST_PAGE keys of the order, not at the next that match: the time under the
 * mutex is the same for everybody. next_page is 0 at the end. */
static void walk(struct pl_vault *v, struct pl_turn *t, const struct pl_env *env)
{
    size_t i = pl_vault_order_from(v, t->call.page);
    for (size_t n = 0; i < v->order_n && n < PL_LIST_PAGE; i++, n++) {
        struct record *r = v->order[i].record;
        if (!r || !may_list(r, t, env))
            continue;
        pl_record_get(r);
        t->list[t->listed++] = r;
    }
    t->next_page = i < v->order_n ? v->order[i].born : 0;
}

pl_err pl_commit_list(struct pl_vault *v, struct pl_turn *t, const struct pl_env *env,
                      const struct pl_log *log, uint64_t *out_wait)
{
    struct change *ch = &t->change;
    PL_REQUIRE(t->peer.has_key || t->peer.claims, DENIED);
    walk(v, t, env);
    t->permit = (struct permit){true, PL_OP_LIST, NULL, 0};
    if (t->listed == 0) { /* nothing was shown: whoever has a certificate writes no log with it */
        v->strangers++;
        return PL_OK;
    }
    ch->kind = PL_ENTRY_LIST;
    ch->count = t->listed;
    t->entry.n = 0;
    PL_TRY(pl_change_write(&t->entry, ch));
    PL_TRY(pl_vault_reserve(v, ch));
    PL_TRY(log->room(log->ctx, 1, t->entry.n));
    uint64_t index = log->append(log->ctx, ch->kind, pl_wr_span(&t->entry));
    pl_vault_apply(v, ch, index, NULL);
    t->permit.index = index;
    *out_wait = index + 1;
    return PL_OK;
}
