/* The decision. Everything here runs under the vault's mutex: no I/O, no public-key operation, no
 * sealing. */
#include "vault/internal.h"

#include <stdlib.h>
#include <string.h>

/* ---- what must hold beside the policy ---- */

/* What was forgotten was below the floor, so whatever ends there counts as spent. */
static pl_err check_spent(const struct pl_vault *v, const struct change *ch)
{
    for (unsigned i = 0; i < ch->spends; i++) {
        PL_REQUIRE(ch->spent[i].exp_s > v->floor_s, STATEMENT_EXPIRED);
        PL_REQUIRE(!pl_map_get(&v->spent, ch->spent[i].sha256), STATEMENT_SPENT);
    }
    return PL_OK;
}

static pl_err check_grant(const struct pl_vault *v, const struct pl_turn *t)
{
    if (!t->grant)
        return PL_OK;
    const struct grant_value *g = pl_map_get(&v->grants, t->change.grant);
    PL_REQUIRE(t->change.grant_exp_s > v->floor_s, STATEMENT_EXPIRED);
    PL_REQUIRE((g ? g->used : 0) < t->grant->count, GRANT_USED);
    return PL_OK;
}

/* Who may create at all is configuration: the connection, or whoever signed for this creation. Keys
 * that `anyone` alone lets be made have a bound of their own: owners cost nothing to invent, so
 * quotas of owners do not hold them, and those who are listed keep their room. */
static pl_err check_creator(const struct pl_vault *v, struct pl_turn *t)
{
    bool listed = pl_config_lists(t->config, t->peer.spki_sha256);
    for (unsigned i = 0; i < t->requests; i++)
        listed |= t->proofs->request[i].form == PL_PROOF_JWS &&
                  pl_config_lists(t->config, t->proofs->request[i].authenticator);
    for (unsigned i = 0; i < t->consents; i++)
        listed |= pl_config_lists(t->config, t->consent[i]);
    t->change.birth.by_anyone = !listed;
    PL_REQUIRE(listed || t->config->anyone, CREATE_DENIED);
    PL_REQUIRE(listed || t->answered || v->by_anyone < t->config->anyone_keys, VAULT_FULL);
    return PL_OK;
}

/* Those who agree: nobody else can use up what an owner may have by naming him. */
static pl_err check_owners(const struct pl_vault *v, const struct pl_turn *t)
{
    const struct pl_policy *p = t->policy->policy;
    uint64_t agree = (t->facts.is | t->facts.consent) & pl_policy_group(p, PL_GROUP_OWNER);
    for (size_t i = 0; i < pl_policy_principals(p); i++) {
        const struct pl_principal *who = pl_policy_principal(p, i);
        if (!(agree >> i & 1) || who->kind != PL_KIND_KEY)
            continue;
        const uint64_t *n = pl_map_get(&v->owners, who->spki_sha256);
        PL_REQUIRE(!n || *n < t->config->keys_per_owner, OWNER_KEYS);
    }
    return PL_OK;
}

static pl_err check_birth(const struct pl_vault *v, struct pl_turn *t)
{
    const struct pl_lifecycle *life = pl_policy_lifecycle(t->policy->policy);
    PL_TRY(check_creator(v, t));
    PL_REQUIRE(t->decision.verdict == PL_ALLOW, CREATE_CONSENT);
    PL_REQUIRE(life->time != PL_POLICY_TIME_WITNESSED || t->config->time != PL_TIME_HOST,
               CREATE_TIME);
    if (t->answered)
        return PL_OK;
    PL_REQUIRE(v->records.n < t->config->keys_max, VAULT_FULL);
    PL_REQUIRE(!pl_vault_find(v, t->handle), TURN_AGAIN);
    PL_TRY(check_owners(v, t));
    return check_grant(v, t);
}

/* State, expiry and type are looked at only after the policy said yes. */
static pl_err check_key(const struct pl_turn *t)
{
    enum pl_state next;
    const struct record *r = t->record;
    bool drops = t->creator && t->call.op == PL_OP_DELETE;
    PL_REQUIRE(drops || t->decision.verdict == PL_ALLOW, DENIED);
    PL_REQUIRE(pl_op_fits(t->call.op, r->birth.type), KEY_TYPE_OP);
    PL_REQUIRE(!pl_record_lapsed(r, t->change.now), DENIED);
    if (!t->answered)
        PL_TRY(pl_state_next(&next, r->state, pl_op_row(t->call.op)->event));
    const struct pl_op_row *row = pl_op_row(t->call.op);
    bool harmless = row->event == PL_EVENT_LOOK || row->narrows;
    PL_REQUIRE(harmless || pl_policy_expired(r->policy->policy, t->change.now) == PL_FALSE,
               KEY_EXPIRED);
    return PL_OK;
}

static pl_err decide(const struct pl_vault *v, struct pl_turn *t)
{
    bool birth = t->call.op == PL_OP_CREATE;
    if (t->answered && !t->record)
        return PL_OK; /* it is gone, and its policy with it: the maker of the request is told so */
    /* A missing key and a stranger take the same way to the same answer, which the rules of no
     * policy delay: without a principal or a consent they would allow nothing. */
    PL_REQUIRE(birth || t->principal || t->facts.consent, DENIED);
    if (t->next && t->answered)
        return PL_OK; /* what it changed is no change any more: a principal is told so */
    if (t->next)
        PL_TRY(pl_check_version(t));
    t->decision = pl_policy_evaluate(t->policy->policy, &t->facts, NULL);
    PL_TRY(birth ? check_birth(v, t) : check_key(t));
    if (t->next)
        PL_TRY(pl_check_update(v, t));
    return t->answered ? PL_OK : check_spent(v, &t->change);
}

/* ---- repeated requests ---- */

/* A request that was answered before: its outcome, which is told if it is allowed still. */
static pl_err find_answered(struct pl_vault *v, struct pl_turn *t, uint64_t *out_index)
{
    const struct idem_value *i = t->change.has_idem ? pl_map_get(&v->idem, t->change.idem) : NULL;
    if (!i || t->change.now.earliest_s > i->ends_s) {
        const uint64_t *n = t->change.has_idem ? pl_map_get(&v->callers, t->change.caller) : NULL;
        PL_REQUIRE(!n || *n < PL_IDEMPOTENCY_PER_CALLER, IDEMPOTENCY_FULL);
        return PL_OK;
    }
    PL_REQUIRE(pl_ct_eq(i->request, t->change.request, 32), IDEMPOTENCY_OTHER);
    struct record *r = pl_vault_find(v, i->handle);
    PL_REQUIRE(r || t->call.op == PL_OP_DELETE, IDEMPOTENCY_GONE);
    if (t->call.op == PL_OP_CREATE)
        PL_REQUIRE(memcmp(r->creator, t->peer.spki_sha256, 32) == 0, IDEMPOTENCY_OTHER);
    if (r)
        pl_record_get(r);
    pl_record_put(t->record);
    t->record = r;
    t->answered = true;
    t->pending = i->index == 0; /* entry 0 is the first start: this one is in memory only */
    *out_index = i->index;
    return PL_OK;
}

/* ---- writing it down ---- */

static void note_rule(struct pl_turn *t)
{
    static const char *const basis[] = {
        [PL_BASIS_NOTHING] = "",
        [PL_BASIS_RULE] = "",
        [PL_BASIS_CONSENT] = "consent",
        [PL_BASIS_GUARD] = "mutability",
    };
    const char *rule = t->decision.rule ? t->decision.rule : basis[t->decision.basis];
    struct pl_wr w = pl_wr_fixed(t->rule, sizeof(t->rule) - 1);
    pl_wr_str(&w, rule);
    t->rule[w.n] = 0;
    t->change.rule = pl_wr_span(&w);
}

static pl_err write_entry(struct pl_turn *t)
{
    struct change *ch = &t->change;
    ch->kind = pl_change_kind(t->call.op);
    ch->has_handle = t->call.op != PL_OP_LIST;
    memcpy(ch->handle, t->call.op == PL_OP_CREATE ? t->handle : t->call.handle, sizeof(ch->handle));
    note_rule(t);
    if (t->call.op == PL_OP_CREATE) /* owners among caller, signers and granters */
        ch->birth.consents =
            (t->facts.is | t->facts.consent) & pl_policy_group(t->policy->policy, PL_GROUP_OWNER);
    t->entry.n = 0;
    return pl_change_write(&t->entry, ch);
}

static pl_err next_record(struct pl_vault *v, struct pl_turn *t, struct record **out)
{
    if (t->call.op != PL_OP_CREATE)
        return pl_vault_next_record(v, out, &t->change, 0, t->next);
    *out = pl_record_new(&t->change, t->policy, 0);
    PL_REQUIRE(*out, NO_MEMORY);
    t->policy->refs++;
    return PL_OK;
}

/* MATERIAL and CREATE go into one frame, or neither does. A log that is locked for good still lets
 * a change happen that only takes away: in memory, told as pending, lost with a restart. */
static pl_err append(struct pl_turn *t, const struct pl_log *log, uint64_t *out_index)
{
    if (t->call.op != PL_OP_CREATE) {
        pl_err e = log->room(log->ctx, 1, t->entry.n);
        t->pending = pl_err_class(e) == PL_C_LOCKED && pl_op_row(t->call.op)->narrows;
        if (t->pending)
            return PL_OK;
        PL_TRY(e);
        *out_index = log->append(log->ctx, t->change.kind, pl_wr_span(&t->entry));
        return PL_OK;
    }
    struct pl_wr m PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_ENTRY_BODY_MAX);
    PL_TRY(pl_material_write(&m, t->handle, pl_span(t->sealed, t->sealed_n)));
    PL_TRY(log->room(log->ctx, 2, m.n + t->entry.n));
    (void)log->append(log->ctx, PL_ENTRY_MATERIAL, pl_wr_span(&m));
    *out_index = log->append(log->ctx, t->change.kind, pl_wr_span(&t->entry));
    return PL_OK;
}

static pl_err perform(struct pl_vault *v, struct pl_turn *t, const struct pl_log *log,
                      uint64_t *out_index)
{
    uint64_t index = 0;
    struct record *fresh = NULL;
    PL_TRY(write_entry(t));
    PL_TRY(next_record(v, t, &fresh));
    pl_err e = pl_vault_reserve(v, &t->change, fresh);
    if (e == PL_OK)
        e = append(t, log, &index);
    if (e != PL_OK) {
        pl_record_put(fresh);
        return e;
    }
    if (fresh) {
        fresh->last = index;
        if (t->call.op == PL_OP_CREATE)
            fresh->born = index;
        pl_record_get(fresh);
        pl_record_put(t->record);
        t->record = fresh;
    }
    pl_vault_apply(v, &t->change, index, fresh);
    *out_index = index;
    return PL_OK;
}

/* A principal's refusal is an entry; strangers' are counted. The refusal stands either way: when
 * the log has no room it only goes unrecorded. */
static void log_refusal(struct pl_vault *v, struct pl_turn *t, const struct pl_log *log, pl_err why,
                        uint64_t *out_wait)
{
    struct change *ch = &t->change;
    v->refused++;
    if (!t->principal) {
        v->strangers++;
        return;
    }
    note_rule(t);
    ch->kind = PL_ENTRY_REFUSED;
    ch->error = pl_err_code(why);
    ch->spends = 0;
    ch->has_grant = ch->has_idem = false;
    ch->has_handle = t->call.has_handle;
    memcpy(ch->handle, t->call.handle, sizeof(ch->handle));
    t->entry.n = 0;
    if (pl_change_write(&t->entry, ch) == PL_OK && log->room(log->ctx, 1, t->entry.n) == PL_OK)
        *out_wait = 1 + log->append(log->ctx, ch->kind, pl_wr_span(&t->entry));
}

static void tell_principal(struct pl_turn *t, pl_err e)
{
    struct pl_wr w = pl_wr_fixed(t->why.text, sizeof(t->why.text) - 1);
    if (pl_err_code(e) != PL_E_DENIED || !t->principal)
        return;
    pl_wr_str(&w, t->decision.rule ? "the rule \"" : "no rule allows ");
    pl_wr_str(&w, t->decision.rule ? t->decision.rule : pl_op_row(t->call.op)->word);
    pl_wr_str(&w, t->decision.rule ? "\" denies it" : " to ");
    pl_wr_bytes(&w, t->decision.rule ? pl_span(NULL, 0) : t->change.principals);
    if (t->decision.value == PL_UNKNOWN)
        pl_wr_str(&w, "; with a certain time or current collateral it could be allowed");
    t->why.text[w.n] = 0;
}

/* One policy is held once, however many keys it has. */
static void share_policy(const struct pl_vault *v, struct policy_ref **mine, struct change *ch)
{
    struct policy_ref *same = *mine ? pl_vault_policy(v, pl_policy_sha256((*mine)->policy)) : NULL;
    if (!same)
        return;
    same->refs++;
    pl_policy_put(*mine);
    *mine = same;
    ch->policy = pl_policy_text(same->policy);
}

pl_err pl_turn_commit(struct pl_vault *v, struct pl_turn *t, const struct pl_log *log,
                      uint64_t *out_wait)
{
    uint64_t index = 0;
    *out_wait = 0;
    PL_REQUIRE(v->config == t->config, TURN_AGAIN);
    PL_REQUIRE(v->config, UNBORN);
    if (t->call.op == PL_OP_LIST)
        return pl_commit_list(v, t, log, out_wait);
    if (t->call.has_handle)
        PL_REQUIRE(pl_vault_find(v, t->call.handle) == t->record, TURN_AGAIN);
    share_policy(v, t->call.has_handle ? &t->next : &t->policy, &t->change);
    pl_err e = find_answered(v, t, &index);
    if (e == PL_OK)
        e = decide(v, t);
    if (e == PL_OK) {
        if (!t->answered)
            PL_TRY(perform(v, t, log, &index));
        t->permit = (struct permit){true, t->call.op, t->record, index};
        *out_wait = t->pending ? 0 : index + 1;
        return PL_OK;
    }
    tell_principal(t, e);
    if (pl_err_code(e) != PL_E_TURN_AGAIN)
        log_refusal(v, t, log, e, out_wait);
    return e;
}

void pl_turn_refused(struct pl_vault *v, struct pl_turn *t, const struct pl_log *log, pl_err why,
                     uint64_t *out_wait)
{
    *out_wait = 0;
    log_refusal(v, t, log, why, out_wait);
}

pl_err pl_turn_failed(struct pl_turn *t, const struct pl_log *log, pl_err why, uint64_t *out_wait)
{
    struct change ch = t->change;
    ch.kind = PL_ENTRY_FAILED;
    ch.error = pl_err_code(why);
    ch.index = t->permit.index;
    ch.spends = 0;
    ch.has_grant = ch.has_idem = false;
    t->entry.n = 0;
    PL_TRY(pl_change_write(&t->entry, &ch));
    PL_TRY(log->room(log->ctx, 1, t->entry.n));
    *out_wait = 1 + log->append(log->ctx, ch.kind, pl_wr_span(&t->entry));
    return PL_OK;
}
