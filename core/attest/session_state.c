#include "attest/session_state.h"

#include <string.h>

void pl_session_begin(struct pl_session_state *s, const struct pl_session *mine,
                      const struct pl_session *theirs, bool peer_key)
{
    PL_ASSERT(mine->role != theirs->role);
    *s = (struct pl_session_state){
        .step = PL_SESSION_KEY, .peer_key = peer_key, .mine = *mine, .theirs = *theirs};
}

pl_err pl_session_match(const struct pl_claims *claims, struct pl_session_profiles any,
                        struct pl_interval now, size_t *out_which)
{
    pl_err first = PL_OK;
    for (size_t i = 0; i < any.n; i++) {
        pl_err e = pl_profile_match(claims, &any.profile[i], now);
        if (out_which)
            *out_which = i;
        if (e == PL_OK)
            return PL_OK;
        if (i == 0)
            first = e;
    }
    return first;
}

pl_err pl_session_leaf_again(struct pl_session_state *s, const struct pl_claims *claims,
                             struct pl_interval now, struct pl_session_profiles any)
{
    PL_ASSERT(s->step == PL_SESSION_KEY);
    PL_REQUIRE(s->peer_key, SESSION_UNBOUND);
    PL_TRY(pl_session_match(claims, any, now, NULL));
    s->leaf = *claims;
    s->step = PL_SESSION_LEAF;
    return PL_OK;
}

pl_err pl_session_leaf(struct pl_session_state *s, const struct pl_verifier *v,
                       const struct pl_ratls *cert, struct pl_session_profiles any)
{
    struct pl_claims claims;
    if (!s->peer_key || !cert || cert->evidences == 0) {
        PL_REQUIRE(any.n == 0, SESSION_UNBOUND);
        return PL_OK;
    }
    PL_REQUIRE(pl_ct_eq(cert->spki_sha256, s->theirs.own_spki, PL_SHA256_BYTES), RATLS_KEY);
    PL_TRY(pl_ratls_verify(v, &claims, cert));
    return pl_session_leaf_again(s, &claims, v->now, any);
}

const struct pl_claims *pl_session_leaf_claims(const struct pl_session_state *s)
{
    return s->leaf.tee == PL_TEE_NONE ? NULL : &s->leaf;
}

pl_err pl_session_own_binding(struct pl_crypto *c, const struct pl_session_state *s,
                              uint8_t out[static PL_BINDING_BYTES])
{
    return pl_session_binding(c, out, &s->mine);
}

pl_err pl_session_serve(struct pl_session_state *s)
{
    PL_REQUIRE(!s->served, SESSION_SECOND);
    s->served = true;
    return PL_OK;
}

static pl_err judge(const struct pl_session_state *s, struct pl_claims *out,
                    const struct pl_verifier *v, struct pl_span evidence,
                    const struct pl_batch_proof *proof, struct pl_session_profiles any)
{
    uint8_t binding[PL_BINDING_BYTES], expected[PL_REPORT_DATA_BYTES];
    PL_REQUIRE(s->peer_key, SESSION_UNBOUND);
    PL_TRY(pl_session_binding(v->crypto, binding, &s->theirs));
    PL_TRY(pl_batch_expect(v->crypto, expected, binding, proof));
    PL_TRY(pl_evidence_verify(v, out, evidence, pl_report_data(expected)));
    const struct pl_claims *leaf = pl_session_leaf_claims(s);
    PL_REQUIRE(!leaf || pl_claims_same_instance(leaf, out), SESSION_INSTANCE);
    if (leaf) { /* covered by the certificate's evidence, of the same instance */
        out->has_pleiad = leaf->has_pleiad;
        out->pleiad = leaf->pleiad;
        out->earliest_s = out->earliest_s > leaf->earliest_s ? out->earliest_s : leaf->earliest_s;
        out->latest_s = out->latest_s < leaf->latest_s ? out->latest_s : leaf->latest_s;
    }
    return pl_session_match(out, any, v->now, NULL);
}

pl_err pl_session_bind(struct pl_session_state *s, const struct pl_verifier *v,
                       struct pl_span evidence, const struct pl_batch_proof *proof,
                       struct pl_session_profiles any)
{
    struct pl_claims claims = {0};
    PL_REQUIRE(s->step == PL_SESSION_KEY || s->step == PL_SESSION_LEAF, SESSION_SECOND);
    s->step = PL_SESSION_FAILED;
    PL_TRY(judge(s, &claims, v, evidence, proof, any));
    s->bound = claims;
    s->step = PL_SESSION_BOUND;
    return PL_OK;
}

pl_err pl_session_bound(const struct pl_session_state *s)
{
    PL_REQUIRE(s->step == PL_SESSION_BOUND, SESSION_UNBOUND);
    return PL_OK;
}

const struct pl_claims *pl_session_claims(const struct pl_session_state *s)
{
    return s->step == PL_SESSION_BOUND ? &s->bound : NULL;
}
