/* Who has proven what on one connection, and what may follow: the same rules for vault and client.
 *
 *     KEY       the peer holds the private key of its certificate (TLS said so), or is a stranger
 *     LEAF      evidence in that certificate was verified and, where profiles are asked for,
 * matched BOUND     evidence for this very connection was verified: the exporter is in it
 *
 * A connection has one key and one evidence for life: the peer's session evidence is judged once,
 * and a failed try is final. A resumed connection inherits KEY and LEAF, never BOUND. Nothing
 * secret is sent to, and no `tee` principal exists for, a peer that is not BOUND.
 *
 * Errors: SESSION_SECOND (it was tried already), SESSION_UNBOUND (not BOUND, or no evidence where a
 * profile asks for it), SESSION_INSTANCE (another program or platform than in the certificate),
 * those of attest/ratls.h and attest/session.h, PROFILE_* of the first profile. */
#ifndef PL_ATTEST_SESSION_STATE_H
#define PL_ATTEST_SESSION_STATE_H

#include "attest/ratls.h"
#include "attest/session.h"

enum pl_session_step {
    PL_SESSION_NONE = 0,
    PL_SESSION_KEY,
    PL_SESSION_LEAF,
    PL_SESSION_BOUND,
    PL_SESSION_FAILED, /* session evidence was refused: nothing more comes of this connection */
};

/* About 4 KiB. Fields are read by the functions below only. */
struct pl_session_state {
    enum pl_session_step step;
    bool peer_key, served;
    struct pl_session mine, theirs; /* what both sides' bindings are made of */
    struct pl_claims leaf, bound;   /* the peer's; zeroed until proven */
};

/* What both sides' bindings are made of is the channel's to say (pl_tls_begin_session). peer_key:
 * the peer has a certificate. */
void pl_session_begin(struct pl_session_state *s, const struct pl_session *mine,
                      const struct pl_session *theirs, bool peer_key);

/* Acceptable programs: any one of them suffices. n = 0: no profile is asked for. */
struct pl_session_profiles {
    const struct pl_profile *profile;
    size_t n;
};
PL_CHECKED pl_err pl_session_match(const struct pl_claims *claims, struct pl_session_profiles any,
                                   struct pl_interval now, size_t *out_which); /* may be NULL */

/* KEY -> LEAF. The verdict on the peer's certificate, when the handshake has succeeded: its
 * evidence is verified and matched. Without evidence: SESSION_UNBOUND when a profile is asked for,
 * else the peer stays at KEY. */
PL_CHECKED pl_err pl_session_leaf(struct pl_session_state *s, const struct pl_verifier *v,
                                  const struct pl_ratls *cert, struct pl_session_profiles any);
/* The same from a verdict remembered for this leaf (claims: those of pl_session_leaf_claims). */
PL_CHECKED pl_err pl_session_leaf_again(struct pl_session_state *s, const struct pl_claims *claims,
                                        struct pl_interval now, struct pl_session_profiles any);
const struct pl_claims *pl_session_leaf_claims(const struct pl_session_state *s); /* NULL: none */

/* This side's binding, for its own evidence. */
PL_CHECKED pl_err pl_session_own_binding(struct pl_crypto *c, const struct pl_session_state *s,
                                         uint8_t out[static PL_BINDING_BYTES]);
/* Server: a POST /v1/session came. Once. */
PL_CHECKED pl_err pl_session_serve(struct pl_session_state *s);
/* The peer's session evidence -> BOUND, or FAILED for good. Once. */
PL_CHECKED pl_err pl_session_bind(struct pl_session_state *s, const struct pl_verifier *v,
                                  struct pl_span evidence, const struct pl_batch_proof *proof,
                                  struct pl_session_profiles any);

/* The gate: PL_OK when the peer is BOUND. Before export, before a secret is sent. */
PL_CHECKED pl_err pl_session_bound(const struct pl_session_state *s);
/* The bound claims: who the `tee` principal is. NULL unless BOUND. */
const struct pl_claims *pl_session_claims(const struct pl_session_state *s);

#endif
