/* One question to each vault of a descriptor, or to one vault. */
#include "client/recover.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- about one key: the descriptor's vaults, checked as for recover ---- */

static void ready_status(struct pl_vc *vc) { pl_recover_ask(vc, "GET", ""); }
static void ready_delete(struct pl_vc *vc) { pl_recover_ask(vc, "DELETE", ""); }
static void ready_freeze(struct pl_vc *vc) { pl_recover_ask(vc, "POST", "/freeze"); }
static void ready_unfreeze(struct pl_vc *vc) { pl_recover_ask(vc, "POST", "/unfreeze"); }

static pl_err take_key(struct pl_vc *vc, struct pl_api_in *in)
{
    struct recover *r = vc->fan->user;
    struct pl_api_key m;
    size_t i = (size_t)(vc - vc->fan->vc);
    PL_TRY(pl_api_read_key(&m, in));
    PL_REQUIRE(memcmp(m.handle, r->d.m.vaults.v[i].handle, sizeof(m.handle)) == 0, VAULT_ANSWER);
    PL_REQUIRE(m.has_commitment && pl_ct_eq(m.commitment, r->v[i].commitment, 32),
               ANCHOR_COMMITMENT);
    snprintf(vc->seen->state, sizeof(vc->seen->state), "%s", m.state);
    return PL_OK;
}

static pl_err take_receipt(struct pl_vc *vc, struct pl_api_in *in)
{
    struct recover *r = vc->fan->user;
    struct pl_api_receipt m;
    PL_TRY(pl_api_read_receipt(&m, in));
    PL_REQUIRE(memcmp(m.handle, r->d.m.vaults.v[vc - vc->fan->vc].handle, 16) == 0, VAULT_ANSWER);
    snprintf(vc->seen->state, sizeof(vc->seen->state), "%s", m.state);
    return PL_OK;
}

static void answer_status(struct pl_vc *vc, struct pl_span body) { pl_vc_take(vc, body, take_key); }
static void answer_done(struct pl_vc *vc, struct pl_span body)
{
    pl_vc_take(vc, body, take_receipt);
}

static const struct pl_fan_events events_status = {ready_status, answer_status, NULL};
static const struct pl_fan_events events_delete = {ready_delete, answer_done, NULL};
static const struct pl_fan_events events_freeze = {ready_freeze, answer_done, NULL};
static const struct pl_fan_events events_unfreeze = {ready_unfreeze, answer_done, NULL};

bool pl_step_each(struct pl_work *w)
{
    pl_fan_step(&w->fan);
    if (pl_fan_settled(&w->fan))
        pl_work_result(w, PL_OK);
    return w->done;
}

pl_err pl_each_open(struct pl_work *w, struct pl_app *app, size_t n,
                    const struct pl_fan_events *events, unsigned deadline_ms)
{
    PL_TRY(pl_work_begin(w, app));
    PL_TRY(pl_fan_open(&w->fan, app, n));
    w->fan.events = events;
    w->fan.user = w;
    w->fan.deadline_ms = pl_now_ms() + deadline_ms;
    w->step = pl_step_each;
    return PL_OK;
}

size_t pl_answered(const struct pl_report *r)
{
    size_t n = 0;
    for (size_t i = 0; i < r->vaults; i++)
        n += r->vault[i].step == PL_STEP_VERIFIED && !r->vault[i].why;
    return n;
}

/* PL_OK when at least `want` of the vaults answered; 0 stands for all of them. */
static pl_err each(struct pl_app *app, const struct pl_recover_order *order,
                   const struct pl_fan_events *events, size_t want, struct pl_report *report)
{
    struct recover *r;
    if (report)
        memset(report, 0, sizeof(*report));
    PL_TRY(pl_recover_new(&r, app));
    r->w.fan.events = events;
    r->w.step = pl_step_each;
    r->need = 1;
    r->any_bound = order->bound == NULL;
    pl_err e = pl_recover_open(r, order);
    if (e == PL_OK) {
        pl_work_run(&r->w);
        size_t got = pl_answered(&r->w.report);
        if (want)
            e = got >= want ? PL_OK : PL_FAIL(RECOVER_FEW);
        else
            e = got == r->w.report.vaults ? PL_OK : PL_FAIL(KEYS_SOME);
    }
    if (report)
        *report = r->w.report;
    r->w.end(&r->w);
    return e;
}

pl_err pl_keys_status(struct pl_app *app, const struct pl_recover_order *order,
                      struct pl_report *report)
{
    return each(app, order, &events_status, 1, report);
}

pl_err pl_keys_delete(struct pl_app *app, const struct pl_recover_order *order,
                      struct pl_report *report)
{
    return each(app, order, &events_delete, 0, report);
}

pl_err pl_keys_freeze(struct pl_app *app, const struct pl_recover_order *order,
                      struct pl_report *report)
{
    return each(app, order, &events_freeze, 0, report);
}

pl_err pl_keys_unfreeze(struct pl_app *app, const struct pl_recover_order *order,
                        struct pl_report *report)
{
    return each(app, order, &events_unfreeze, 0, report);
}

/* ---- one vault ---- */

struct single {
    struct pl_work w; /* first */
    const struct pl_call_order *order;
    struct pl_answer answer;
};

static void ready_call(struct pl_vc *vc)
{
    const struct single *s = vc->fan->user;
    const struct pl_call_order *o = s->order;
    snprintf(vc->idem, sizeof(vc->idem), "%s", o->idempotency_key ? o->idempotency_key : "");
    snprintf(vc->if_match, sizeof(vc->if_match), "%s", o->if_match ? o->if_match : "");
    pl_vc_ask(vc, o->method, o->path, pl_span(o->body, o->body_bytes));
}

static void answer_call(struct pl_vc *vc, struct pl_span body)
{
    struct single *s = vc->fan->user;
    s->answer.body = malloc(body.n + 1);
    if (!s->answer.body) {
        pl_vc_fail(vc, PL_FAIL(NO_MEMORY));
        return;
    }
    memcpy(s->answer.body, body.p, body.n);
    s->answer.body[body.n] = 0;
    s->answer.n = body.n;
    s->answer.status = vc->status;
    pl_vc_done(vc);
}

static const struct pl_fan_events events_call = {ready_call, answer_call, NULL};

static pl_err open_single(struct single *s, struct pl_app *app, const struct pl_place *place,
                          const struct pl_fan_events *events, unsigned deadline_ms)
{
    PL_TRY(pl_each_open(&s->w, app, 1, events, deadline_ms ? deadline_ms : PL_RECOVER_MS));
    pl_fan_place(&s->w.fan, 0, place);
    pl_fan_connect(&s->w.fan, 0);
    pl_work_run(&s->w);
    pl_err e = s->w.fan.vc[0].seen->why;
    return e ? e : PL_OK;
}

pl_err pl_vault_call(struct pl_app *app, const struct pl_call_order *order, struct pl_answer *out,
                     struct pl_report_vault *seen)
{
    *out = (struct pl_answer){0};
    PL_REQUIRE(order->anchor, ANCHOR_FORM);
    PL_REQUIRE(strlen(order->path) < 96 && strlen(order->method) < 8, NO_ROUTE);
    PL_REQUIRE(!order->idempotency_key || strlen(order->idempotency_key) <= 32, IDEMPOTENCY_KEY);
    PL_REQUIRE(!order->if_match || strlen(order->if_match) < 16, IF_MATCH);
    struct single *s = calloc(1, sizeof(*s));
    PL_REQUIRE(s, NO_MEMORY);
    s->order = order;
    s->w.fan.anchor = order->anchor;
    pl_err e = open_single(s, app, order->place, &events_call, order->deadline_ms);
    if (seen)
        *seen = s->w.report.vault[0];
    out->status = s->w.fan.n ? s->w.fan.vc[0].status : 0;
    pl_work_close(&s->w);
    if (e == PL_OK)
        *out = s->answer;
    else
        pl_answer_free(&s->answer);
    free(s);
    return e;
}

/* ---- show, status: without an anchor a vault is verified, and nothing is accepted ---- */

static void show_sgx(struct pl_jw *j, const struct pl_sgx_claims *s)
{
    pl_jw_key(j, "fmspc");
    pl_jw_hex(j, PL_ARR(s->fmspc));
    pl_jw_key(j, "mrenclave");
    pl_jw_hex(j, PL_ARR(s->mrenclave));
    pl_jw_key(j, "mrsigner");
    pl_jw_hex(j, PL_ARR(s->mrsigner));
}

static void show_tcb(struct pl_jw *j, const struct pl_claims *c)
{
    pl_jw_key(j, "advisories");
    pl_jw_open(j, '[');
    for (unsigned i = 0; i < c->tcb.advisories; i++)
        pl_jw_text(j, c->tcb.advisory[i]);
    pl_jw_close(j, ']');
    pl_jw_key(j, "collateral_next_update");
    pl_jw_time(j, c->collateral.next_update_s);
    pl_jw_key(j, "tcb");
    pl_jw_text(j, pl_tcb_text(c->tcb.status));
    pl_jw_key(j, "tcb_platform");
    pl_jw_text(j, pl_tcb_text(c->tcb.platform));
    pl_jw_key(j, "tcb_qe");
    pl_jw_text(j, pl_tcb_text(c->tcb.qe));
}

/* From the silicon's root down to the connection. */
static void show_claims(struct pl_jw *j, const struct pl_claims *c)
{
    pl_jw_open(j, '{');
    pl_jw_key(j, "tee");
    pl_jw_text(j, c->name);
    pl_jw_key(j, "root");
    pl_jw_text(j, c->root_label);
    pl_jw_key(j, "root_spki_sha256");
    pl_jw_hex(j, PL_ARR(c->root_spki_sha256));
    pl_jw_key(j, "platform");
    pl_jw_hex(j, pl_span(c->platform_id, c->platform_id_n));
    show_tcb(j, c);
    show_sgx(j, &c->sgx);
    pl_jw_key(j, "svn");
    pl_jw_u64(j, c->svn);
    pl_jw_key(j, "debug");
    pl_jw_bool(j, c->debug);
    pl_jw_key(j, "config_root");
    pl_jw_hex(j, PL_ARR(c->pleiad.config_root));
    pl_jw_key(j, "epoch");
    pl_jw_u64(j, c->pleiad.epoch & PL_U53_MAX);
    pl_jw_key(j, "vault_id");
    pl_jw_hex(j, PL_ARR(c->pleiad.vault_id));
    pl_jw_key(j, "not_after");
    pl_jw_time(j, c->pleiad.not_after_s);
    pl_jw_close(j, '}');
}

static void keep_text(struct pl_vc *vc, struct pl_wr *w)
{
    struct single *s = vc->fan->user;
    pl_wr_u8(w, 0);
    s->answer.body = pl_wr_end(w) == PL_OK ? strdup((const char *)w->p) : NULL;
    if (s->answer.body)
        pl_vc_done(vc);
    else
        pl_vc_fail(vc, PL_FAIL(NO_MEMORY));
}

static void ready_show(struct pl_vc *vc)
{
    struct pl_wr w PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_NET_REQUEST_MAX);
    struct pl_jw j = pl_jw(&w);
    show_claims(&j, pl_session_leaf_claims(&vc->session));
    keep_text(vc, &w);
}

static void ready_health(struct pl_vc *vc)
{
    pl_vc_ask(vc, "GET", "/v1/status", (struct pl_span){0});
}

/* Health is unsigned; where it says what the evidence says too, it must say the same. */
static pl_err check_health(struct pl_vc *vc, struct pl_api_in *in)
{
    struct pl_api_status m;
    const struct pl_claims *c = pl_session_leaf_claims(&vc->session);
    PL_TRY(pl_api_read_status(&m, in));
    PL_REQUIRE(memcmp(m.vault_id, c->pleiad.vault_id, 32) == 0, VAULT_ANSWER);
    PL_REQUIRE(memcmp(m.config_root, c->pleiad.config_root, 32) == 0, VAULT_ANSWER);
    PL_REQUIRE(strcmp(m.tee, c->name) == 0 && m.epoch == c->pleiad.epoch, VAULT_ANSWER);
    return PL_OK;
}

static void answer_health(struct pl_vc *vc, struct pl_span body)
{
    struct pl_app *app = vc->fan->app;
    struct pl_wr w PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_NET_REQUEST_MAX);
    struct pl_jw j = pl_jw(&w);
    struct pl_api_in in = {.body = body, .scratch = &app->secrets};
    size_t mark = pl_arena_mark(&app->secrets);
    pl_err e = check_health(vc, &in);
    pl_arena_release(&app->secrets, mark);
    if (e != PL_OK) {
        pl_vc_fail(vc, e);
        return;
    }
    pl_jw_open(&j, '{');
    pl_jw_key(&j, "evidence");
    show_claims(&j, pl_session_leaf_claims(&vc->session));
    pl_jw_key(&j, "status");
    pl_jw_raw(&j, body);
    pl_jw_close(&j, '}');
    keep_text(vc, &w);
}

static const struct pl_fan_events events_show = {ready_show, answer_call, NULL};
static const struct pl_fan_events events_health = {ready_health, answer_health, NULL};

static pl_err show(struct pl_app *app, const char *endpoint, const struct pl_fan_events *events,
                   char **out_json)
{
    struct pl_place place = {0};
    *out_json = NULL;
    PL_REQUIRE(strlen(endpoint) < sizeof(place.endpoint), PLACE_FORM);
    memcpy(place.endpoint, endpoint, strlen(endpoint) + 1);
    struct single *s = calloc(1, sizeof(*s));
    PL_REQUIRE(s, NO_MEMORY);
    pl_err e = open_single(s, app, &place, events, 0);
    pl_work_close(&s->w);
    *out_json = e == PL_OK ? s->answer.body : NULL;
    if (e != PL_OK)
        free(s->answer.body);
    free(s);
    return e;
}

pl_err pl_vault_show(struct pl_app *app, const char *endpoint, char **out_json)
{
    return show(app, endpoint, &events_show, out_json);
}

pl_err pl_vault_health(struct pl_app *app, const char *endpoint, char **out_json)
{
    return show(app, endpoint, &events_health, out_json);
}
