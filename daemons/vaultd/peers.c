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

bool peers_may_resume(void *arg, const struct pl_tls_peer *peer)
{
    struct pl_claims claims;
    return !peer->evidence || recall(arg, peer->leaf_sha256, &claims);
}

static struct worker *worker_of(struct pl_conn *c) { return pl_worker_arg(pl_conn_worker(c)); }

/* The leaf's evidence, from the cache first; new evidence costs the peer's budget. */
static pl_err judge(struct pl_conn *c, struct client *cl)
{
    struct worker *w = worker_of(c);
    const struct pl_tls_peer *peer = pl_conn_peer(c);
    cl->has_claims = recall(w->vd, peer->leaf_sha256, &cl->claims);
    if (cl->has_claims)
        return PL_OK;
    PL_REQUIRE(peer->cert, SESSION_EXPIRED);
    PL_REQUIRE(pl_conn_budget(c, 1), PEER_BUDGET);
    struct pl_verifier v =
        pl_trust_verifier(w->vd->trust, w->env.crypto, &w->chains, vaultd_now(w->vd));
    PL_TRY(pl_ratls_verify(&v, &cl->claims, peer->cert));
    cl->has_claims = true;
    remember(w->vd, peer->leaf_sha256, &cl->claims);
    return PL_OK;
}

pl_err peers_established(struct pl_conn *c, bool *out_resumable)
{
    struct vaultd *vd = worker_of(c)->vd;
    const struct pl_tls_peer *peer = pl_conn_peer(c);
    struct client *cl = calloc(1, sizeof(*cl));
    PL_REQUIRE(cl, NO_MEMORY);
    cl->peer.has_key = peer->present;
    memcpy(cl->peer.spki_sha256, peer->spki_sha256, 32);
    pthread_mutex_lock(&vd->quote_mutex);
    memcpy(cl->own_spki, vd->leaf.spki_sha256, 32);
    memcpy(cl->own_claims, vd->leaf.claims_sha256, 32);
    pthread_mutex_unlock(&vd->quote_mutex);
    pl_err e = peer->present && peer->evidence ? judge(c, cl) : PL_OK;
    if (e != PL_OK) {
        free(cl);
        return e;
    }
    pl_conn_set_user(c, cl);
    *out_resumable = peer->present;
    return PL_OK;
}

void peers_closed(struct pl_conn *c, pl_err why)
{
    (void)why;
    free(pl_conn_user(c));
    pl_conn_set_user(c, NULL);
}

/* ---- the session ---- */

static pl_err read_proof(struct pl_batch_proof *out, const struct pl_api_session *m)
{
    PL_REQUIRE(m->has_count && m->has_index, SESSION_FORM);
    *out = (struct pl_batch_proof){.index = (uint32_t)m->index, .count = (uint32_t)m->count};
    PL_REQUIRE(m->path.n <= PL_BATCH_PATH_MAX, SESSION_FORM);
    out->hashes = (unsigned)m->path.n;
    for (unsigned i = 0; i < out->hashes; i++)
        memcpy(out->hash[i], m->path.v[i].p, PL_SHA256_BYTES);
    return PL_OK;
}

static pl_err binding_of(struct pl_conn *c, const struct client *cl, enum pl_session_role role,
                         uint8_t out[static PL_BINDING_BYTES])
{
    struct worker *w = worker_of(c);
    bool caller = role == PL_ROLE_CALLER;
    struct pl_session s = {.role = role};
    PL_TRY(pl_conn_exporter(c, s.exporter, pl_session_role_text(role)));
    memcpy(s.own_spki, caller ? cl->peer.spki_sha256 : cl->own_spki, 32);
    memcpy(s.peer_spki, caller ? cl->own_spki : cl->peer.spki_sha256, 32);
    memcpy(s.own_claims, caller ? pl_conn_peer(c)->claims_sha256 : cl->own_claims, 32);
    return pl_session_binding(w->env.crypto, out, &s);
}

/* The caller's evidence over this connection: right batch, authentic, and the same instance as the
 * one its certificate was made in. */
static pl_err bind_caller(struct pl_conn *c, struct client *cl, const struct pl_api_session *m)
{
    struct worker *w = worker_of(c);
    struct pl_batch_proof proof;
    struct pl_claims claims;
    uint8_t binding[PL_BINDING_BYTES], report_data[PL_REPORT_DATA_BYTES];
    PL_REQUIRE(cl->has_claims, SESSION_NO_LEAF);
    PL_REQUIRE(pl_conn_budget(c, 1), PEER_BUDGET);
    PL_TRY(read_proof(&proof, m));
    PL_TRY(binding_of(c, cl, PL_ROLE_CALLER, binding));
    PL_TRY(pl_batch_expect(w->env.crypto, report_data, binding, &proof));
    struct pl_verifier v =
        pl_trust_verifier(w->vd->trust, w->env.crypto, &w->chains, vaultd_now(w->vd));
    PL_TRY(pl_evidence_verify(&v, &claims, m->evidence, pl_report_data(report_data)));
    PL_REQUIRE(pl_claims_same_instance(&claims, &cl->claims), SESSION_INSTANCE);
    return pl_peer_claims(w->env.crypto, &cl->peer, &cl->claims);
}

static pl_err queue_own(struct pl_conn *c, uint32_t stream, const struct client *cl)
{
    struct worker *w = worker_of(c);
    struct quote_job *j = calloc(1, sizeof(*j));
    PL_REQUIRE(j, NO_MEMORY);
    j->worker = pl_worker_index(w->w);
    j->conn = pl_conn_id_of(c);
    j->stream = stream;
    j->body = pl_wr_heap(PL_NET_REQUEST_MAX);
    pl_err e = binding_of(c, cl, PL_ROLE_VAULT, j->binding);
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
    PL_REQUIRE(!cl->session, SESSION_TWICE);
    cl->session = true;
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
