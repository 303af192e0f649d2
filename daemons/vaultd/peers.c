/* Who a connection is. Its certificate's evidence is judged after the handshake and before the
 * first byte; it makes nobody a `tee` principal yet. That takes /v1/session: evidence over a value
 * of this very connection, from the same instance. */
#include "vaultd.h"

#include "api/api.h"

#include <stdlib.h>
#include <string.h>

/* A leaf that was judged, by its hash. */
struct verdict {
    uint8_t leaf_sha256[32];
    struct pl_claims claims;
};

static unsigned slot_of(const uint8_t *leaf_sha256)
{
    return (unsigned)(leaf_sha256[0] | leaf_sha256[1] << 8) % VERDICTS;
}

/* Evidence stays good for as long as all of it holds, and no longer. */
static bool recall(struct vaultd *vd, const uint8_t *leaf_sha256, struct pl_claims *out)
{
    struct pl_interval now = vaultd_now(vd);
    pthread_mutex_lock(&vd->verdict_mutex);
    const struct verdict *v = vd->verdicts[slot_of(leaf_sha256)];
    bool found = v && memcmp(v->leaf_sha256, leaf_sha256, 32) == 0;
    if (found)
        *out = v->claims;
    pthread_mutex_unlock(&vd->verdict_mutex);
    return found && now.earliest_s >= out->earliest_s && now.latest_s <= out->latest_s;
}

static void remember(struct vaultd *vd, const uint8_t *leaf_sha256, const struct pl_claims *claims)
{
    struct verdict *v = malloc(sizeof(*v)), *old;
    if (!v)
        return; /* it will be judged again */
    memcpy(v->leaf_sha256, leaf_sha256, 32);
    v->claims = *claims;
    pthread_mutex_lock(&vd->verdict_mutex);
    old = vd->verdicts[slot_of(leaf_sha256)];
    vd->verdicts[slot_of(leaf_sha256)] = v;
    pthread_mutex_unlock(&vd->verdict_mutex);
    free(old);
}

void verdicts_free(struct vaultd *vd)
{
    for (unsigned i = 0; i < VERDICTS; i++)
        free(vd->verdicts[i]);
}

bool peers_known(void *arg, const uint8_t leaf_sha256[static 32])
{
    struct pl_claims claims;
    return recall(arg, leaf_sha256, &claims);
}

static struct worker *worker_of(struct pl_conn *c) { return pl_worker_arg(pl_conn_worker(c)); }

static struct pl_verifier verifier(struct worker *w, struct client *cl)
{
    cl->trust = w->vd->trust;
    return pl_trust_verifier(cl->trust, w->env.crypto, &w->chains, vaultd_now(w->vd));
}

/* A vault asks callers for no profile here: which programs may do what is each key's policy. */
static const struct pl_session_profiles any_program = {NULL, 0};

/* The leaf's evidence, from the cache first; new evidence costs the peer's budget. */
static pl_err judge(struct pl_conn *c, struct client *cl)
{
    struct worker *w = worker_of(c);
    const struct pl_tls_peer *peer = pl_conn_peer(c);
    struct pl_claims known;
    if (recall(w->vd, peer->leaf_sha256, &known))
        return pl_session_leaf_again(&cl->session, &known, vaultd_now(w->vd), any_program);
    PL_REQUIRE(peer->cert, SESSION_EXPIRED);
    PL_REQUIRE(pl_conn_budget(c, 1), PEER_BUDGET);
    struct pl_verifier v = verifier(w, cl);
    PL_TRY(pl_session_leaf(&cl->session, &v, peer->cert, any_program));
    remember(w->vd, peer->leaf_sha256, pl_session_leaf_claims(&cl->session));
    return PL_OK;
}

static pl_err begin(struct pl_conn *c, struct client *cl)
{
    const struct pl_tls_peer *peer = pl_conn_peer(c);
    PL_TRY(pl_conn_begin_session(c, &cl->session));
    cl->peer.has_key = peer->present;
    cl->not_after_s = peer->not_after_s;
    memcpy(cl->peer.spki_sha256, peer->spki_sha256, 32);
    memcpy(cl->peer.leaf_sha256, peer->leaf_sha256, 32);
    return peer->present && peer->evidence ? judge(c, cl) : PL_OK;
}

pl_err peers_established(struct pl_conn *c, bool *out_resumable)
{
    struct client *cl = calloc(1, sizeof(*cl));
    PL_REQUIRE(cl, NO_MEMORY);
    pl_err e = begin(c, cl);
    if (e != PL_OK) {
        free(cl);
        return e;
    }
    pl_conn_set_user(c, cl);
    *out_resumable = cl->peer.has_key;
    return PL_OK;
}

void peers_closed(struct pl_conn *c, pl_err why)
{
    (void)why;
    free(pl_conn_user(c));
    pl_conn_set_user(c, NULL);
}

/* ---- the session ---- */

/* The caller's evidence over this connection makes it a `tee` principal. */
static pl_err bind_caller(struct pl_conn *c, struct client *cl, const struct pl_api_session *m)
{
    struct worker *w = worker_of(c);
    struct pl_batch_proof proof;
    PL_REQUIRE(pl_conn_budget(c, 1), PEER_BUDGET);
    PL_TRY(pl_session_proof(&proof, m));
    struct pl_verifier v = verifier(w, cl);
    PL_TRY(pl_session_bind(&cl->session, &v, m->evidence, &proof, any_program));
    return pl_peer_claims(w->env.crypto, &cl->peer, pl_session_claims(&cl->session));
}

static pl_err queue_own(struct pl_conn *c, uint32_t stream, const struct client *cl)
{
    struct worker *w = worker_of(c);
    struct quote_job *j = calloc(1, sizeof(*j));
    PL_REQUIRE(j, NO_MEMORY);
    j->worker = pl_worker_index(w->w);
    j->conn = pl_conn_id_of(c);
    j->stream = stream;
    j->shown = cl->peer.claims != NULL;
    j->body = pl_wr_heap(PL_NET_REQUEST_MAX);
    pl_err e = pl_session_own_binding(w->env.crypto, &cl->session, j->binding);
    if (e == PL_OK)
        e = evidence_queue(w->vd, j);
    if (e != PL_OK)
        quote_job_free(j);
    return e;
}

pl_err peers_session(struct pl_conn *c, uint32_t stream, struct pl_span body, char *out_pointer)
{
    struct worker *w = worker_of(c);
    struct client *cl = pl_conn_user(c);
    struct pl_api_session m;
    struct pl_api_in in = {.body = body, .scratch = &w->secrets};
    size_t mark = pl_arena_mark(&w->secrets);
    PL_TRY(pl_session_serve(&cl->session));
    pl_err e = pl_api_read_session(&m, &in);
    if (e != PL_OK)
        memcpy(out_pointer, in.pointer, PL_JSON_POINTER_MAX);
    if (e == PL_OK && m.has_evidence)
        e = bind_caller(c, cl, &m);
    pl_arena_release(&w->secrets, mark);
    PL_TRY(e);
    /* Strangers' evidence costs a quote: theirs to pay from the peer's budget. */
    PL_REQUIRE(cl->peer.claims || pl_conn_budget(c, 1), PEER_BUDGET);
    return queue_own(c, stream, cl);
}
