/* Listing: what the caller may see, at most a page at a time while the mutex is held. */
#include "vault/internal.h"

static bool may_list(const struct record *r, const struct pl_turn *t, const struct pl_env *env)
{
    struct pl_facts f;
    struct pl_caller who = {
        .client_spki_sha256 = t->peer.has_key ? t->peer.spki_sha256 : NULL,
        .claims = t->peer.claims,
        .token = t->token.form ? &t->token : NULL,
        .now = env->now,
    };
    if (r->state == PL_STATE_PREPARED || pl_record_lapsed(r, env->now))
        return false;
    pl_policy_facts(&f, r->policy->policy, &who);
    f.op = PL_OP_LIST;
    return pl_policy_evaluate(r->policy->policy, &f, NULL).verdict == PL_ALLOW;
}

/* The next PL_LIST_PAGE keys, not the next that match: the time under the mutex is the same for
 * everybody. Pages go by creation, which changes for no key: whatever is made or destroyed between
 * two pages, each key that stays is on exactly one. next_page is 0 at the end. */
void pl_begin_list(struct pl_vault *v, struct pl_turn *t)
{
    struct record *next;
    t->looked = pl_order_from(&v->order, t->look, PL_LIST_PAGE, t->call.page);
    for (size_t i = 0; i < t->looked; i++)
        pl_record_get(t->look[i]);
    if (t->looked && pl_order_from(&v->order, &next, 1, t->look[t->looked - 1]->born + 1))
        t->next_page = next->born;
}

void pl_prepare_list(struct pl_turn *t, const struct pl_env *env)
{
    for (size_t i = 0; i < t->looked; i++)
        if (may_list(t->look[i], t, env))
            t->list[t->listed++] = t->look[i];
}

pl_err pl_commit_list(struct pl_vault *v, struct pl_turn *t, const struct pl_log *log,
                      uint64_t *out_wait)
{
    struct change *ch = &t->change;
    PL_REQUIRE(t->peer.has_key || t->peer.claims, DENIED);
    t->permit = (struct permit){true, PL_OP_LIST, NULL, 0};
    if (t->listed == 0) { /* nothing was shown: whoever has a certificate writes no log with it */
        v->strangers++;
        return PL_OK;
    }
    ch->kind = PL_ENTRY_LIST;
    ch->count = t->listed;
    t->entry.n = 0;
    PL_TRY(pl_change_write(&t->entry, ch));
    PL_TRY(log->room(log->ctx, 1, t->entry.n));
    t->permit.index = log->append(log->ctx, ch->kind, pl_wr_span(&t->entry));
    *out_wait = t->permit.index + 1;
    return PL_OK;
}
