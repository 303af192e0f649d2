/* Asking for approvals: what each vault of a key has in force, made into one statement. */
#include "client/approval.h"
#include "client/recover.h"

#include <stdlib.h>
#include <string.h>

struct pl_asked {
    struct pl_wr policy[PL_VAULTS_MAX];
    uint64_t version[PL_VAULTS_MAX];
};

static void ready_policy(struct pl_vc *vc) { pl_recover_ask(vc, "GET", "/policy"); }

static pl_err take_policy(struct pl_vc *vc, struct pl_api_in *in)
{
    struct recover *r = vc->fan->user;
    size_t i = (size_t)(vc - vc->fan->vc);
    struct pl_api_policy m;
    uint8_t digest[32];
    PL_TRY(pl_api_read_policy(&m, in));
    PL_TRY(pl_sha256_one(vc->fan->app->crypto, digest, m.policy));
    PL_REQUIRE(memcmp(digest, m.policy_sha256, 32) == 0, VAULT_ANSWER);
    pl_wr_free(&r->asked->policy[i]);
    r->asked->policy[i] = pl_wr_heap(PL_POLICY_BYTES);
    pl_wr_bytes(&r->asked->policy[i], m.policy);
    r->asked->version[i] = m.version;
    return pl_wr_end(&r->asked->policy[i]);
}

static void answer_policy(struct pl_vc *vc, struct pl_span body)
{
    pl_vc_take(vc, body, take_policy);
}

static const struct pl_fan_events events_policy = {ready_policy, answer_policy, NULL};

static pl_err fill_spec(struct pl_approval_spec *spec, const struct pl_approval_order *order)
{
    int64_t now_s, life = order->life_s ? order->life_s : PL_STATEMENT_LIFE_S;
    PL_TRY(pl_clock_wall(&now_s));
    spec->op = pl_op_of(pl_span_str(order->op));
    spec->requester = order->requester;
    spec->iat_s = now_s;
    spec->exp_s = now_s + PL_CLOCK_SKEW_S + life;
    if (spec->exp_s - now_s > PL_STATEMENT_LIFE_MAX_S)
        spec->exp_s = now_s + PL_STATEMENT_LIFE_MAX_S;
    PL_TRY(pl_entropy(spec->nonce, sizeof(spec->nonce)));
    return pl_entropy(spec->seed, sizeof(spec->seed));
}

static pl_err deliver(char **out_json, struct pl_app *app, const struct pl_approval_spec *spec)
{
    struct pl_wr w PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_APPROVAL_FILE);
    PL_TRY(pl_approval_make(&w, app->crypto, spec));
    pl_wr_u8(&w, 0);
    PL_TRY(pl_wr_end(&w));
    *out_json = strdup((const char *)w.p);
    PL_REQUIRE(*out_json, NO_MEMORY);
    return PL_OK;
}

static pl_err make(char **out_json, const struct recover *r, const struct pl_approval_order *order)
{
    struct pl_approval_vault v[PL_VAULTS_MAX];
    struct pl_approval_spec spec = {.name = r->d.m.name, .vault = v};
    PL_TRY(fill_spec(&spec, order));
    for (size_t i = 0; i < r->w.fan.n && spec.vaults < PL_STATEMENT_TARGETS; i++) {
        struct pl_approval_vault *at = &v[spec.vaults];
        if (r->w.fan.vc[i].state != PL_VC_DONE)
            continue;
        at->policy = pl_wr_span(&r->asked->policy[i]);
        at->version = r->asked->version[i];
        memcpy(at->handle, r->d.m.vaults.v[i].handle, sizeof(at->handle));
        memcpy(at->vault_id, r->d.m.vaults.v[i].vault_id, sizeof(at->vault_id));
        spec.vaults++;
    }
    return deliver(out_json, r->w.app, &spec);
}

static pl_err ask(char **out_json, struct recover *r, const struct pl_approval_order *order)
{
    r->w.fan.events = &events_policy;
    r->w.step = pl_step_each;
    r->need = 1;
    r->any_bound = true;
    r->asked = calloc(1, sizeof(*r->asked));
    PL_REQUIRE(r->asked, NO_MEMORY);
    PL_TRY(pl_recover_open(r, order->key));
    pl_work_run(&r->w);
    PL_REQUIRE(pl_answered(&r->w.report) > 0, RECOVER_FEW);
    return make(out_json, r, order);
}

pl_err pl_approval_request(char **out_json, struct pl_app *app,
                           const struct pl_approval_order *order, struct pl_report *report)
{
    struct recover *r;
    *out_json = NULL;
    PL_TRY(pl_recover_new(&r, app));
    pl_err e = ask(out_json, r, order);
    if (report)
        *report = r->w.report;
    for (size_t i = 0; r->asked && i < PL_VAULTS_MAX; i++)
        pl_wr_free(&r->asked->policy[i]);
    free(r->asked);
    r->w.end(&r->w);
    return e;
}

pl_err pl_approval_renew(char **out_json, struct pl_app *app, const void *like, size_t bytes,
                         const struct pl_approval_order *order)
{
    struct pl_approval_file f PL_CLEANUP(pl_approval_free) = {0};
    struct pl_approval_vault v[PL_STATEMENT_TARGETS];
    *out_json = NULL;
    PL_TRY(pl_approval_read(&f, app->crypto, pl_span(like, bytes)));
    struct pl_approval_spec spec = {.name = f.name, .vault = v, .vaults = f.vaults};
    PL_TRY(fill_spec(&spec, order));
    for (size_t i = 0; i < f.vaults; i++) {
        v[i] = (struct pl_approval_vault){.version = f.act[i].policy_version,
                                          .policy = pl_policy_text(f.policy[i])};
        memcpy(v[i].handle, f.act[i].handle, sizeof(v[i].handle));
        memcpy(v[i].vault_id, f.act[i].vault_id, sizeof(v[i].vault_id));
    }
    return deliver(out_json, app, &spec);
}

/* ---- using them ---- */

pl_err pl_recover_approvals(struct recover *r, const struct pl_recover_order *o)
{
    PL_REQUIRE(o->approvals <= PL_STATEMENTS_MAX, STATEMENT_COUNT);
    r->file = o->approvals ? calloc(o->approvals, sizeof(*r->file)) : NULL;
    PL_REQUIRE(r->file || !o->approvals, NO_MEMORY);
    for (; r->files < o->approvals; r->files++) {
        const struct pl_bytes *b = &o->approval[r->files];
        pl_err e = pl_approval_read(&r->file[r->files], r->w.app->crypto, pl_span(b->p, b->n));
        if (e != PL_OK)
            pl_approval_free(&r->file[r->files]);
        PL_TRY(e);
    }
    return PL_OK;
}

void pl_recover_approvals_end(struct recover *r)
{
    for (size_t i = 0; i < r->files; i++)
        pl_approval_free(&r->file[i]);
    free(r->file);
}

/* The owner's own request at this vault, where his key is another at each: the connection's is the
 * one that the approvals name. */
static pl_err sign_request(struct pl_wr *out, const struct pl_vc *vc, const struct pl_act *act,
                           const struct pl_statement *like)
{
    const struct pl_app *app = vc->fan->app;
    struct pl_locked locked PL_CLEANUP(pl_locked_unmap) = {0};
    struct pl_wr text PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_STATEMENT_BYTES);
    uint8_t target[1][32], fill[PL_STATEMENT_FILL];
    struct pl_statement_draft d = {.typ = PL_TYP_REQUEST,
                                   .op = act->op,
                                   .params = &act->params,
                                   .target = (const uint8_t(*)[32])target,
                                   .targets = 1,
                                   .iat_s = like->iat_s,
                                   .exp_s = like->exp_s,
                                   .requester = app->spki_sha256};
    PL_TRY(pl_entropy(d.nonce, sizeof(d.nonce)));
    PL_TRY(pl_entropy(fill, sizeof(fill)));
    PL_TRY(pl_target(app->crypto, target[0], d.typ, d.nonce, act));
    PL_TRY(pl_statement_build(&text, app->crypto, &d, fill));
    PL_TRY(pl_locked_map(&locked, sizeof(struct pl_priv)));
    struct pl_priv *key = (struct pl_priv *)(void *)locked.base;
    PL_TRY(pl_owner_derive(app->crypto, key, app->owner, vc->place.vault_id));
    return pl_statement_sign(out, app->crypto, pl_wr_span(&text), key);
}

static pl_err own_request(struct pl_jw *j, const struct pl_vc *vc)
{
    struct pl_wr w PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_STATEMENT_BYTES);
    const struct recover *r = vc->fan->user;
    const struct pl_approval_file *f = r->file;
    for (size_t i = 0; i < f->vaults; i++) {
        if (memcmp(f->act[i].vault_id, vc->place.vault_id, 32) != 0)
            continue;
        PL_TRY(sign_request(&w, vc, &f->act[i], &f->statement));
        pl_jw_raw(j, pl_wr_span(&w));
        break;
    }
    return PL_OK;
}

pl_err pl_recover_body(struct pl_wr *out, const struct pl_vc *vc)
{
    const struct recover *r = vc->fan->user;
    struct pl_jw j = pl_jw(out);
    pl_jw_open(&j, '{');
    pl_jw_key(&j, "statements");
    pl_jw_open(&j, '[');
    for (size_t i = 0; i < r->files; i++)
        for (size_t k = 0; k < r->file[i].approvals; k++)
            pl_jw_raw(&j, r->file[i].by[k].carrier);
    if (r->w.app->owner && r->w.app->own_key)
        PL_TRY(own_request(&j, vc));
    pl_jw_close(&j, ']');
    pl_jw_close(&j, '}');
    return pl_wr_end(out);
}
