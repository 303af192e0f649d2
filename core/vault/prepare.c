/* The part of a request that needs no lock: its body, its statements, new key material. */
#include "api/api.h"
#include "vault/internal.h"

#include <stdlib.h>
#include <string.h>

/* Statements are verified against the key each carries, before any key of the vault is looked at;
 * without a client certificate nobody makes the vault verify anything. */
static pl_err read_statements(struct pl_turn *t, struct pl_crypto *c, const struct pl_spans *in)
{
    PL_REQUIRE(in->n == 0 || t->peer.has_key, STATEMENT_STRANGER);
    PL_REQUIRE(in->n <= PL_STATEMENTS_MAX, STATEMENT_COUNT);
    const struct pl_proof_facts facts = {.issuers = t->config ? &t->config->issuers : NULL,
                                         .now = t->change.now};
    for (; t->statements < in->n; t->statements++)
        PL_TRY(pl_statement_verify(c, &t->proofs->statement[t->statements], in->v[t->statements],
                                   &facts));
    return PL_OK;
}

static pl_err read_create(struct pl_api_create *m, struct pl_api_in *in)
{
    PL_TRY(pl_api_read_create(m, in));
    /* raw_share is the only type of this build, and has all four. */
    PL_REQUIRE(m->has_commitment && m->has_generation && m->has_share && m->has_tag, JSON_MISSING);
    return PL_OK;
}

static pl_err read_update(struct pl_api_create *m, struct pl_api_in *in)
{
    struct pl_api_update u;
    PL_TRY(pl_api_read_update(&u, in));
    m->policy = u.policy;
    m->statements = u.statements;
    return PL_OK;
}

static pl_err read_operation(struct pl_api_create *m, struct pl_api_in *in)
{
    struct pl_api_operation o;
    if (in->body.n == 0) /* as good as an empty object */
        return PL_OK;
    PL_TRY(pl_api_read_operation(&o, in));
    m->statements = o.statements;
    return PL_OK;
}

/* Reads the body into `m`, as far as this operation has such members, and the statements. */
static pl_err read_body(struct pl_turn *t, const struct pl_env *env, struct pl_api_create *m)
{
    struct pl_api_in in = {.body = t->call.body, .scratch = env->secrets};
    pl_err e = t->call.op == PL_OP_CREATE          ? read_create(m, &in)
               : t->call.op == PL_OP_UPDATE_POLICY ? read_update(m, &in)
                                                   : read_operation(m, &in);
    if (e != PL_OK) {
        memcpy(t->why.pointer, in.pointer, sizeof(t->why.pointer));
        return e;
    }
    return read_statements(t, env->crypto, &m->statements);
}

/* The caller sent a request that holds the policy: its refusal points into it. */
void pl_point_into_policy(struct pl_refusal *why)
{
    char inner[sizeof(why->pointer)];
    const char prefix[] = "/policy";
    memcpy(inner, why->pointer, sizeof(inner));
    struct pl_wr w = pl_wr_fixed(why->pointer, sizeof(why->pointer) - 1);
    pl_wr_str(&w, prefix);
    size_t room = w.cap - w.n, n = strnlen(inner, sizeof(inner));
    pl_wr_bytes(&w, pl_span(inner, n < room ? n : room));
    why->pointer[w.n] = 0;
}

static pl_err seal_share(struct pl_turn *t, const struct pl_env *env, struct pl_span share)
{
    t->sealed_n = pl_record_sealed_bytes(share.n);
    t->sealed = malloc(t->sealed_n);
    PL_REQUIRE(t->sealed, NO_MEMORY);
    PL_TRY(pl_record_seal(env->crypto, t->sealed, env->keys, t->handle, share));
    return pl_sha256_one(env->crypto, t->change.sealed_sha256, pl_span(t->sealed, t->sealed_n));
}

/* A first look, so that nobody from outside makes the vault compile policies: commit decides. */
static bool could_create(const struct pl_turn *t)
{
    bool could = t->config->anyone || pl_config_lists(t->config, t->peer.spki_sha256);
    for (unsigned i = 0; i < t->statements; i++)
        could |= pl_config_lists(t->config, t->proofs->statement[i].signer.authenticator);
    return could;
}

static pl_err prepare_birth(struct pl_turn *t, const struct pl_env *env,
                            const struct pl_api_create *m)
{
    struct change *ch = &t->change;
    PL_REQUIRE(t->peer.has_key, CREATE_STRANGER);
    PL_REQUIRE(t->config, UNBORN);
    PL_REQUIRE(could_create(t), CREATE_DENIED);
    PL_TRY(pl_key_type_parse(&ch->birth.type, pl_span_str(m->type)));
    pl_err e = pl_policy_ref_load(&t->policy, env->crypto, m->policy, &t->why);
    if (e != PL_OK) {
        pl_point_into_policy(&t->why);
        return e;
    }
    memcpy(t->handle, env->entropy, sizeof(t->handle));
    PL_TRY(seal_share(t, env, m->share));
    ch->birth.generation = m->generation;
    memcpy(ch->birth.commitment, m->commitment, 32);
    memcpy(ch->birth.tag, m->tag, 32);
    ch->policy = pl_policy_text(t->policy->policy);
    ch->sealed = pl_span(t->sealed, t->sealed_n);
    t->act.params = (struct pl_params){.type = ch->birth.type, .generation = m->generation};
    memcpy(t->act.params.policy_sha256, pl_policy_sha256(t->policy->policy), 32);
    memcpy(t->act.params.commitment, m->commitment, 32);
    memcpy(t->act.params.tag, m->tag, 32);
    return PL_OK;
}

static void describe_act(struct pl_turn *t, const struct pl_env *env)
{
    t->act.op = t->call.op;
    memcpy(t->act.vault_id, env->self->vault_id, sizeof(t->act.vault_id));
    if (!t->call.has_handle)
        return;
    memcpy(t->act.handle, t->call.handle, sizeof(t->act.handle));
    t->act.policy_version = t->record ? t->record->policy_version : 1;
    memcpy(t->act.policy_sha256, pl_policy_sha256(t->policy->policy), 32);
}

static struct pl_caller caller_of(const struct pl_turn *t, const struct pl_env *env)
{
    return (struct pl_caller){
        .client_spki_sha256 = t->peer.has_key ? t->peer.spki_sha256 : NULL,
        .claims = t->peer.claims,
        .token = t->token.form ? &t->token : NULL,
        .request = t->proofs->request,
        .requests = t->requests,
        .approval = t->proofs->approval,
        .approvals = t->approvals,
        .consent_sha256 = t->consent,
        .consents = t->consents,
        .now = env->now,
    };
}

/* Once, however many signed it. */
static void spend(struct change *ch, const struct pl_statement *s)
{
    unsigned i = 0;
    while (i < ch->spends && memcmp(ch->spent[i].sha256, s->sha256, 32) != 0)
        i++;
    memcpy(ch->spent[i].sha256, s->sha256, 32);
    ch->spent[i].exp_s = s->exp_s;
    ch->spends = i < ch->spends ? ch->spends : i + 1;
}

static pl_err apply_request(struct pl_turn *t, const struct pl_env *env,
                            const struct pl_statement *s, const struct pl_caller *who)
{
    PL_TRY(pl_request_covers(env->crypto, s, &t->act, who->client_spki_sha256, env->now));
    t->proofs->request[t->requests++] = s->signer;
    spend(&t->change, s);
    return PL_OK;
}

static pl_err apply_approval(struct pl_turn *t, const struct pl_env *env,
                             const struct pl_statement *s, const struct pl_caller *who)
{
    PL_TRY(pl_approval_covers(env->crypto, s, &t->act, t->policy->policy, who));
    t->proofs->approval[t->approvals++] = s->signer;
    spend(&t->change, s);
    return PL_OK;
}

/* The counter of a grant hangs on SHA-256(signer || id). */
static pl_err apply_grant(struct pl_turn *t, const struct pl_env *env, const struct pl_statement *s,
                          const struct pl_caller *who)
{
    const struct pl_span parts[] = {PL_ARR(s->signer.authenticator), PL_ARR(s->id)};
    PL_TRY(pl_grant_covers(env->crypto, s, &t->act, t->policy->policy, who));
    PL_REQUIRE(!t->grant, GRANT_TWO);
    t->grant = s;
    t->change.has_grant = true;
    t->change.grant_exp_s = s->exp_s;
    t->change.birth.has_subject = true;
    t->change.birth.subject_is_profile = s->has_profile;
    memcpy(t->change.birth.subject, s->has_profile ? s->profile_sha256 : s->requester, 32);
    memcpy(t->consent[t->consents++], s->signer.authenticator, 32);
    return pl_sha256(env->crypto, t->change.grant, parts, 2);
}

static pl_err (*const apply[PL_TYP_COUNT])(struct pl_turn *t, const struct pl_env *env,
                                           const struct pl_statement *s,
                                           const struct pl_caller *who) = {
    [PL_TYP_REQUEST] = apply_request,
    [PL_TYP_GRANT] = apply_grant,
    [PL_TYP_APPROVAL] = apply_approval,
};

/* What every statement says must hold for exactly this; one that does not refuses the request. In
 * whatever order they came, requests first: approvals may be for whoever signed one. */
static pl_err apply_statements(struct pl_turn *t, const struct pl_env *env)
{
    for (unsigned typ = PL_TYP_REQUEST; typ < PL_TYP_COUNT; typ++) {
        struct pl_caller who = caller_of(t, env);
        for (unsigned i = 0; i < t->statements; i++)
            if (t->proofs->statement[i].typ == typ)
                PL_TRY(apply[typ](t, env, &t->proofs->statement[i], &who));
    }
    return PL_OK;
}

/* Whoever made a prepared key may finish or drop it: the same connection key, or the app or client
 * that its grant named. The owners' consent to the birth then still stands, also for the activation
 * told once more. */
static void recognise_creator(struct pl_turn *t, const struct pl_caller *who)
{
    const struct record *r = t->record;
    static const uint8_t nobody[32];
    bool prepared = r && r->state == PL_STATE_PREPARED, subject = r && r->birth.has_subject;
    if (!prepared && t->call.op != PL_OP_ACTIVATE)
        return;
    bool maker = r && t->peer.has_key && memcmp(t->peer.spki_sha256, r->creator, 32) == 0;
    if (!maker) /* asked of a missing key too: the answer costs the same */
        maker = pl_grant_names(t->policy->policy, who, !subject || r->birth.subject_is_profile,
                               subject ? r->birth.subject : nobody) &&
                subject;
    t->creator = prepared && maker;
    t->consented = maker ? r->birth.consents : 0;
}

/* "GROUP/NAME" of each, with commas between; those that have no room are left out. */
static struct pl_span names(char out[static PRINCIPALS_TEXT], const struct pl_policy *p,
                            uint64_t set)
{
    struct pl_wr w = pl_wr_fixed(out, PRINCIPALS_TEXT);
    for (size_t i = 0; i < pl_policy_principals(p); i++) {
        const struct pl_principal *who = pl_policy_principal(p, i);
        const char *group = pl_group_word(who->group);
        size_t need = strlen(group) + strlen(who->name) + 2;
        if (!(set >> i & 1) || w.cap - w.n < need)
            continue;
        if (w.n)
            pl_wr_u8(&w, ',');
        pl_wr_str(&w, group);
        pl_wr_u8(&w, '/');
        pl_wr_str(&w, who->name);
    }
    return pl_wr_span(&w);
}

static void name_principals(struct pl_turn *t)
{
    uint64_t approvers = 0;
    for (unsigned i = 0; i < t->facts.approvals; i++)
        approvers |= t->facts.approval[i].who;
    t->change.principals = names(t->principals, t->policy->policy, pl_facts_is(&t->facts));
    t->change.approvers = names(t->approvers, t->policy->policy, approvers);
}

static pl_err digest_request(struct pl_turn *t, const struct pl_env *env)
{
    const char *word = pl_op_row(t->call.op)->word;
    struct pl_span key = t->call.idempotency_key;
    PL_TRY(pl_hmac(env->crypto, t->change.request, PL_ARR(env->keys->request), &t->call.body, 1));
    if (key.n == 0 || !t->peer.has_key || !pl_op_row(t->call.op)->changes)
        return PL_OK;
    PL_REQUIRE(key.n <= PL_IDEMPOTENCY_KEY_MAX, IDEMPOTENCY_KEY);
    const struct pl_span parts[] = {
        PL_LIT("pleiad idempotency 1\0"),
        PL_ARR(t->peer.spki_sha256),
        pl_span(word, strlen(word) + 1),
        pl_span(t->call.handle, t->call.has_handle ? 16 : 0),
        key,
    };
    t->change.has_idem = true;
    return pl_sha256(env->crypto, t->change.idem, parts, 5);
}

/* What statements cover. Whoever asks, and whether there is such a key: it costs the same. */
static pl_err digest_policy(struct pl_turn *t, const struct pl_env *env, struct pl_span policy)
{
    struct pl_wr w PL_CLEANUP(pl_wr_free) = pl_wr_heap(2 * PL_POLICY_BYTES);
    PL_TRY(pl_jcs(&w, policy));
    return pl_sha256_one(env->crypto, t->act.params.policy_sha256, pl_wr_span(&w));
}

static pl_err read_request(struct pl_turn *t, const struct pl_env *env, struct pl_api_create *m)
{
    PL_TRY(digest_request(t, env));
    PL_TRY(pl_turn_token(t, env));
    PL_TRY(read_body(t, env, m));
    if (t->call.op == PL_OP_LIST)
        pl_prepare_list(t, env);
    if (t->call.op == PL_OP_UPDATE_POLICY)
        return digest_policy(t, env, m->policy);
    return t->call.op == PL_OP_CREATE ? prepare_birth(t, env, m) : PL_OK;
}

static pl_err prepare(struct pl_turn *t, const struct pl_env *env)
{
    struct pl_api_create m = {0};
    t->change.now = env->now;
    t->change.op = t->call.op;
    t->change.has_key = t->peer.has_key;
    memcpy(t->change.caller, t->peer.spki_sha256, 32);
    t->change.attested = t->peer.claims != NULL;
    memcpy(t->change.claims, t->peer.claims_sha256, 32);
    pl_err e = read_request(t, env, &m);
    /* A list is decided key by key; a refused birth or an empty vault has no policy to ask. */
    if (!t->policy || (e != PL_OK && t->call.op == PL_OP_CREATE))
        return e;
    describe_act(t, env);
    struct pl_caller who = caller_of(t, env);
    recognise_creator(t, &who);
    if (e == PL_OK)
        e = apply_statements(t, env);
    who = caller_of(t, env);
    pl_policy_facts(&t->facts, t->policy->policy, &who);
    t->facts.op = t->call.op;
    t->facts.consent |= t->consented;
    name_principals(t);
    bool hidden = !t->record || (t->record->state == PL_STATE_PREPARED && !t->creator);
    t->principal = !hidden && (pl_facts_is(&t->facts) || t->creator);
    if (e == PL_OK && t->call.op == PL_OP_UPDATE_POLICY && t->principal)
        e = pl_prepare_update(t, env, m.policy);
    return e;
}

pl_err pl_turn_prepare(struct pl_turn *t, const struct pl_env *env)
{
    size_t mark = pl_arena_mark(env->secrets);
    pl_err e = prepare(t, env);
    pl_arena_release(env->secrets, mark); /* the share is sealed now, or not wanted */
    return e;
}
