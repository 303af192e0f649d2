/* One vault: connect, verify, bind the session, ask. The order is the state's: a request needs
 * PL_VC_READY, which only the vault's evidence over this very connection gives. */
#include "client/internal.h"

#include <stdio.h>
#include <string.h>

enum { TRIES = 3 };

int64_t pl_now_ms(void) { return pl_clock_mono_ms(); }

static struct pl_app *app_of(const struct pl_vc *vc) { return vc->fan->app; }

static unsigned left_ms(const struct pl_vc *vc)
{
    int64_t left = vc->fan->deadline_ms - pl_now_ms();
    return left > 1 ? (unsigned)left : 1;
}

static void decided(struct pl_vc *vc)
{
    vc->seen->ms = (unsigned)(pl_now_ms() - vc->fan->start_ms);
}

void pl_vc_fail(struct pl_vc *vc, pl_err why)
{
    if (vc->state == PL_VC_FAILED)
        return;
    vc->state = PL_VC_FAILED;
    vc->seen->why = why;
    pl_wr_free(&vc->body); /* it may hold a share */
    decided(vc);
    if (vc->link)
        pl_link_close(vc->link);
}

/* ---- once more ---- */

/* Was it refused or lost before it could do harm twice? An export only writes a line more. */
static bool repeatable(const struct pl_vc *vc)
{
    const char *end = strrchr(vc->path, '/');
    return vc->state != PL_VC_ASKED || vc->idem[0] || strcmp(vc->method, "GET") == 0 ||
           (end && strcmp(end, "/export") == 0);
}

/* False: there is no time for it. */
static bool wait_until(struct pl_vc *vc, int64_t due_ms, pl_err why)
{
    if (due_ms >= vc->fan->deadline_ms)
        return false;
    vc->repeat = vc->repeat || vc->state == PL_VC_ASKED;
    vc->state = PL_VC_WAIT;
    vc->due_ms = due_ms;
    vc->wait_why = why;
    return true;
}

/* On another connection: this one is of no use any more. */
static bool start_anew(struct pl_vc *vc, int64_t due_ms, pl_err why)
{
    if (!wait_until(vc, due_ms, why))
        return false;
    if (vc->link)
        pl_link_abandon(vc->link);
    vc->link = NULL;
    vc->anew = true;
    return true;
}

/* A session under collateral that the vault has replaced since is none any more: once, what was
 * asked, and refused, is asked over a new connection. */
static bool expired(struct pl_vc *vc, pl_err why)
{
    return !vc->anew && pl_err_code(why) == PL_E_SESSION_EXPIRED &&
           start_anew(vc, pl_now_ms(), why);
}

/* The vault has too much to do now. What it refused to bind, it binds on another connection only.
 */
static bool busy(struct pl_vc *vc, const struct pl_response *r, pl_err why)
{
    int64_t due_ms = pl_now_ms() + 1000 * (r->retry_after_s ? (int64_t)r->retry_after_s : 1);
    if (r->status != 429)
        return false;
    return vc->state == PL_VC_BINDING ? start_anew(vc, due_ms, why) : wait_until(vc, due_ms, why);
}

/* What was kept may have ended at the vault while nobody looked: then another connection, once. */
static void lost(struct pl_vc *vc, pl_err why)
{
    bool outlived = vc->kept && !vc->anew && repeatable(vc);
    bool late = pl_err_code(why) == PL_E_NET_DEADLINE;
    if (!outlived || late || !start_anew(vc, pl_now_ms(), why))
        pl_vc_fail(vc, why);
}

void pl_vc_done(struct pl_vc *vc)
{
    vc->state = PL_VC_DONE;
    vc->seen->step = PL_STEP_VERIFIED;
    pl_wr_free(&vc->body);
    decided(vc);
}

/* An answer is read in locked memory. */
static pl_err read_body(struct pl_vc *vc, struct pl_span body, pl_vc_reader *reader)
{
    struct pl_app *app = app_of(vc);
    struct pl_api_in in = {.body = body, .scratch = &app->secrets};
    size_t mark = pl_arena_mark(&app->secrets);
    pl_err e = reader(vc, &in);
    pl_arena_release(&app->secrets, mark);
    return e;
}

void pl_vc_take(struct pl_vc *vc, struct pl_span body, pl_vc_reader *reader)
{
    pl_err e = read_body(vc, body, reader);
    if (e == PL_OK)
        pl_vc_done(vc);
    else
        pl_vc_fail(vc, e);
}

/* ---- who answers ---- */

/* The key list and the leaf belong to the vault that the evidence names. */
static pl_err judge_identity(struct pl_vc *vc, const struct pl_ratls *cert)
{
    const struct pl_claims *claims = pl_session_leaf_claims(&vc->session);
    struct pl_span proof;
    PL_REQUIRE(claims && claims->has_pleiad, VAULT_NO_EVIDENCE);
    if (!vc->fan->anchor) /* to be shown, not believed: whoever it says it is */
        memcpy(vc->place.vault_id, claims->pleiad.vault_id, 32);
    PL_REQUIRE(memcmp(claims->pleiad.vault_id, vc->place.vault_id, 32) == 0, VAULT_OTHER);
    struct pl_leaf leaf = {.epoch = claims->pleiad.epoch,
                           .not_after_s = claims->pleiad.not_after_s};
    PL_TRY(pl_ratls_extension_value(cert, pl_leaf_oid(), &proof));
    memcpy(leaf.spki_sha256, cert->spki_sha256, sizeof(leaf.spki_sha256));
    return pl_leaf_proof_read(app_of(vc)->crypto, &vc->self, vc->place.vault_id, proof, &leaf);
}

static struct pl_verifier verifier(const struct pl_vc *vc)
{
    struct pl_app *app = app_of(vc);
    return pl_trust_verifier(app->trust, app->crypto, &app->chains, pl_app_now());
}

pl_err pl_vc_accept(struct pl_vc *vc, const struct pl_claims *claims)
{
    const struct pl_anchor *a = vc->fan->anchor;
    if (!a)
        return PL_OK;
    PL_REQUIRE(a->profiles, ANCHOR_FORM);
    const struct pl_session_profiles any = {a->profile, a->profiles};
    PL_TRY(pl_session_match(claims, any, pl_app_now(), &vc->profile));
    vc->want = (struct pl_session_profiles){&a->profile[vc->profile], 1};
    return PL_OK;
}

/* The channel's evidence, whose vault it is, and which of the anchor's profiles it satisfies. */
static pl_err judge(struct pl_vc *vc)
{
    const struct pl_session_profiles nothing_yet = {NULL, 0};
    const struct pl_ratls *cert = pl_link_peer(vc->link)->cert;
    struct pl_verifier v = verifier(vc);
    const struct pl_claims before = vc->session.leaf;
    PL_REQUIRE(cert, VAULT_NO_EVIDENCE);
    PL_TRY(pl_link_begin_session(vc->link, &vc->session));
    PL_TRY(pl_session_leaf(&vc->session, &v, cert, nothing_yet));
    PL_TRY(judge_identity(vc, cert));
    /* It was chosen for what it was: the same program on the same machine. */
    PL_REQUIRE(!vc->repeat || pl_claims_same_instance(&before, &vc->session.leaf),
               SESSION_INSTANCE);
    return pl_vc_accept(vc, pl_session_leaf_claims(&vc->session));
}

/* ---- the session ---- */

static pl_err take_session(struct pl_vc *vc, struct pl_api_in *in)
{
    struct pl_api_session m;
    struct pl_batch_proof proof;
    struct pl_verifier v = verifier(vc);
    PL_TRY(pl_api_read_session(&m, in));
    PL_TRY(pl_session_proof(&proof, &m));
    return pl_session_bind(&vc->session, &v, m.evidence, &proof, vc->want);
}

/* ---- requests ---- */

static pl_err send(struct pl_vc *vc)
{
    uint32_t stream;
    PL_TRY(pl_session_bound(&vc->session));
    const struct pl_request r = {
        .method = pl_span_str(vc->method),
        .path = pl_span_str(vc->path),
        .content_type = vc->body.n ? PL_LIT("application/json") : (struct pl_span){0},
        .idempotency_key = vc->idem[0] ? pl_span_str(vc->idem) : (struct pl_span){0},
        .if_match = vc->if_match[0] ? pl_span_str(vc->if_match) : (struct pl_span){0},
        .body = pl_wr_span(&vc->body),
    };
    return pl_link_request(vc->link, &stream, &r, left_ms(vc));
}

void pl_vc_ask(struct pl_vc *vc, const char *method, const char *path, struct pl_span body)
{
    PL_ASSERT(vc->state == PL_VC_READY || vc->state == PL_VC_DONE);
    snprintf(vc->method, sizeof(vc->method), "%s", method);
    snprintf(vc->path, sizeof(vc->path), "%s", path);
    pl_wr_free(&vc->body);
    vc->body = pl_wr_heap(PL_NET_REQUEST_MAX);
    pl_wr_bytes(&vc->body, body);
    vc->tries = 0;
    vc->state = PL_VC_ASKED;
    vc->seen->step = PL_STEP_REQUEST;
    pl_err e = !vc->link ? PL_FAIL(NET_CLOSED) : pl_wr_end(&vc->body);
    if (e == PL_OK)
        e = send(vc);
    if (e != PL_OK)
        lost(vc, e);
}

/* What a problem document says; an answer that is none is no answer. */
static pl_err take_problem(struct pl_vc *vc, struct pl_api_in *in)
{
    struct pl_api_problem p;
    PL_TRY(pl_api_read_problem(&p, in));
    pl_b64u(vc->seen->request_id, PL_ARR(p.request_id));
    snprintf(vc->seen->detail, sizeof(vc->seen->detail), "%s%s%s", p.has_pointer ? p.pointer : "",
             p.has_pointer && p.has_detail ? ": " : "", p.has_detail ? p.detail : "");
    return pl_told_err(pl_api_code_of(pl_span_str(p.code)));
}

static void ask_again(struct pl_vc *vc)
{
    vc->repeat = false;
    vc->state = PL_VC_ASKED;
    vc->seen->step = PL_STEP_REQUEST;
    pl_err e = send(vc);
    if (e != PL_OK)
        lost(vc, e);
}

void pl_vc_ready(struct pl_vc *vc)
{
    vc->state = PL_VC_READY;
    if (vc->repeat)
        ask_again(vc);
    else
        vc->fan->events->ready(vc);
}

/* The outcome is not known there yet: the same request, by its key, finds out. */
static bool again(struct pl_vc *vc, pl_err e)
{
    bool worth = pl_err_code(e) == PL_E_OUTCOME_UNKNOWN && vc->idem[0] && vc->tries++ < TRIES;
    return worth && send(vc) == PL_OK;
}

static void on_answer(struct pl_vc *vc, const struct pl_response *r)
{
    vc->status = r->status;
    bool good = r->status >= 200 && r->status < 300;
    if (vc->state == PL_VC_BINDING) {
        pl_err e = read_body(vc, r->body, good ? take_session : take_problem);
        if (e == PL_OK)
            pl_vc_ready(vc);
        else if (good || !(busy(vc, r, e) || expired(vc, e)))
            pl_vc_fail(vc, e);
        return;
    }
    if (good) {
        vc->fan->events->answer(vc, r->body);
        return;
    }
    pl_err e = read_body(vc, r->body, take_problem);
    if (again(vc, e) || busy(vc, r, e) || expired(vc, e))
        return;
    vc->state = PL_VC_READY;
    if (!vc->fan->events->refused || !vc->fan->events->refused(vc, e))
        pl_vc_fail(vc, e);
}

/* ---- the link ---- */

static pl_err on_established(struct pl_link *l)
{
    struct pl_vc *vc = pl_link_user(l);
    PL_TRY(judge(vc));
    vc->state = PL_VC_BIND;
    vc->moved_ms = pl_now_ms();
    vc->seen->step = PL_STEP_SESSION;
    return PL_OK;
}

static void on_response(struct pl_link *l, uint32_t stream, const struct pl_response *r, pl_err why)
{
    struct pl_vc *vc = pl_link_user(l);
    (void)stream;
    if (vc->state == PL_VC_FAILED || vc->state == PL_VC_DONE)
        return;
    if (r)
        on_answer(vc, r);
    else
        lost(vc, why);
}

static void on_closed(struct pl_link *l, pl_err why)
{
    struct pl_vc *vc = pl_link_user(l);
    vc->link = NULL;
    if (vc->state != PL_VC_DONE && vc->state != PL_VC_FAILED && vc->state != PL_VC_WAIT)
        lost(vc, why == PL_OK ? PL_FAIL(NET_CLOSED) : why);
}

static const struct pl_link_events events = {
    .on_established = on_established, .on_response = on_response, .on_closed = on_closed};

static pl_err connect_to(struct pl_vc *vc)
{
    struct pl_tls_ctx *tls;
    PL_TRY(pl_leaf_new(app_of(vc), vc->place.vault_id, &tls));
    const struct pl_link_config cfg = {.address = vc->place.endpoint,
                                       .tls = tls,
                                       .events = &events,
                                       .user = vc,
                                       .connect_ms = left_ms(vc)};
    pl_err e = pl_link_open(app_of(vc)->loop, &vc->link, &cfg);
    pl_tls_ctx_free(tls); /* the link holds it */
    return e;
}

static void connect_anew(struct pl_vc *vc)
{
    vc->state = PL_VC_CONNECTING;
    vc->seen->step = PL_STEP_CONNECT;
    vc->kept = false;
    vc->born_ms = vc->moved_ms = pl_now_ms();
    pl_err e = connect_to(vc);
    if (e != PL_OK)
        pl_vc_fail(vc, e);
}

void pl_vc_go_on(struct pl_vc *vc)
{
    if (vc->link && vc->repeat)
        ask_again(vc);
    else
        connect_anew(vc);
}

void pl_fan_connect(struct pl_fan *f, size_t i)
{
    struct pl_vc *vc = &f->vc[i];
    vc->state = PL_VC_CONNECTING;
    if (!pl_kept_take(vc, &events)) {
        connect_anew(vc);
        return;
    }
    vc->state = PL_VC_BIND; /* it is bound: the next step says so */
    vc->moved_ms = pl_now_ms();
    vc->seen->step = PL_STEP_SESSION;
}
