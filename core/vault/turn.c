#include "vault/internal.h"

#include <stdlib.h>
#include <string.h>

pl_err pl_turn_new(struct pl_turn **out)
{
    struct pl_turn *t = calloc(1, sizeof(*t));
    *out = NULL;
    PL_REQUIRE(t, NO_MEMORY);
    t->entry = pl_wr_heap(PL_ENTRY_BODY_MAX);
    t->proofs = calloc(1, sizeof(*t->proofs));
    if (!t->proofs) {
        pl_turn_free(t);
        return PL_FAIL(NO_MEMORY);
    }
    *out = t;
    return PL_OK;
}

void pl_turn_free(struct pl_turn *t)
{
    if (!t)
        return;
    pl_wr_free(&t->entry);
    free(t->proofs);
    free(t);
}

pl_err pl_peer_claims(struct pl_crypto *c, struct pl_peer *peer, const struct pl_claims *claims)
{
    const struct pl_span parts[] = {
        PL_LIT("pleiad claims 1"),        pl_span_str(claims->name),
        PL_ARR(claims->root_spki_sha256), pl_span(claims->platform_id, claims->platform_id_n),
        PL_ARR(claims->sgx.mrenclave),    PL_ARR(claims->sgx.mrsigner),
    };
    peer->claims = claims;
    return pl_sha256(c, peer->claims_sha256, parts, sizeof(parts) / sizeof(*parts));
}

void pl_turn_begin(struct pl_vault *v, struct pl_turn *t, const struct pl_call *call,
                   const struct pl_peer *peer)
{
    struct pl_wr entry = t->entry;
    entry.n = 0;
    entry.bad = false;
    *t = (struct pl_turn){.call = *call, .peer = *peer, .entry = entry, .proofs = t->proofs};
    v->turns++;
    t->config = v->config;
    if (t->config)
        pl_config_get(t->config);
    if (call->op == PL_OP_LIST)
        pl_begin_list(v, t);
    if (!call->has_handle)
        return;
    t->record = pl_vault_find(v, call->handle);
    if (t->record)
        pl_record_get(t->record);
    t->policy = t->record ? t->record->policy : pl_vault_decoy(v, call->handle);
    if (t->policy)
        t->policy->refs++;
}

void pl_turn_end(struct pl_vault *v, struct pl_turn *t)
{
    (void)v;
    for (size_t i = 0; i < t->looked; i++)
        pl_record_put(t->look[i]);
    t->looked = t->listed = 0;
    t->permit.valid = false;
    pl_record_put(t->record);
    t->record = NULL;
    pl_policy_put(t->policy);
    pl_policy_put(t->next);
    t->policy = t->next = NULL;
    pl_config_put(t->config);
    t->config = NULL;
    free(t->sealed);
    t->sealed = NULL;
}

/* Codes that tell only what the caller itself sent, or what is the same for everybody. */
static bool about_the_request(enum pl_code code)
{
    enum pl_class k = pl_code_class(code);
    return k == PL_C_INVALID || k == PL_C_LIMIT || k == PL_C_LOCKED || k == PL_C_AGAIN ||
           k == PL_C_BUG || k == PL_C_CRYPTO || k == PL_C_STORAGE;
}

struct pl_told pl_turn_problem(const struct pl_turn *t, pl_err e)
{
    enum pl_code code = pl_err_code(e);
    bool birth = t->call.op == PL_OP_CREATE;
    bool hidden = t->call.has_handle && !t->principal;
    bool again = hidden && code == PL_E_TURN_AGAIN; /* somebody changes it, so there is one */
    struct pl_told told = {code, t->why.pointer, t->why.text, hidden};
    if (t->principal || (birth && t->peer.has_key) || (about_the_request(code) && !again))
        return told;
    return (struct pl_told){PL_E_DENIED, "", "", hidden};
}
