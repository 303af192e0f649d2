#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct sim_key *key_of(struct sim_node *n, const struct sim_job *j)
{
    return &n->model.key[j->key];
}

/* ---- what to ask ---- */

static struct sim_carrier *new_carrier(struct sim_node *n, uint8_t fill, bool may_grant)
{
    struct sim_carrier *c = &n->model.carrier[n->model.carriers++];
    struct pl_act act = world_create_act(&n->w, fill);
    char text[PL_STATEMENT_BYTES + 16];
    *c = (struct sim_carrier){
        .grant = may_grant && sim_below(n->random, 2), .fill = fill, .iat_s = n->w.now_s};
    c->allowed = c->grant ? 1 + sim_below(n->random, 3) : 1;
    if (c->grant)
        snprintf(text, sizeof(text), "%s", world_grant(&n->w, fill, c->allowed));
    else
        snprintf(text, sizeof(text), "[%s]", world_request(&n->w, &act, n->w.other_spki));
    c->text = strdup(text);
    return c;
}

/* An old one as readily as a new one: what is spent is sent again, and now and then what expired.
 * A grant's id is its fill, so there is one for each. */
static struct sim_carrier *some_carrier(struct sim_node *n, uint8_t fill)
{
    bool granted = false;
    for (size_t i = 0; i < n->model.carriers; i++) {
        struct sim_carrier *c = &n->model.carrier[i];
        bool expired = n->w.now_s > c->iat_s + 2500;
        granted |= c->fill == fill && c->grant;
        if (c->fill == fill && sim_below(n->random, expired ? 16 : 2) == 0)
            return c;
    }
    return n->model.carriers < SIM_CARRIERS ? new_carrier(n, fill, !granted) : NULL;
}

static size_t new_key(struct sim_node *n)
{
    struct sim_key *k = &n->model.key[n->model.keys];
    *k = (struct sim_key){
        .fill = (uint8_t)(1 + sim_below(n->random, 3)), .n = 34 + n->model.keys, .version = 1};
    if (sim_below(n->random, 3))
        k->by = some_carrier(n, k->fill);
    return n->model.keys++;
}

static bool pick_again(struct sim_node *n, size_t *out_job)
{
    for (size_t i = 0; i < n->model.jobs; i++)
        if (n->model.job[i].again && !n->model.job[i].sent && sim_below(n->random, 2)) {
            *out_job = i;
            return true;
        }
    return false;
}

static enum job_kind some_kind(struct sim_node *n, const struct sim_key *k)
{
    static const enum job_kind often[] = {JOB_EXPORT, JOB_EXPORT,   JOB_EXPORT,   JOB_EXPORT,
                                          JOB_STEAL,  JOB_DESCRIBE, JOB_DELETE,   JOB_FREEZE,
                                          JOB_FREEZE, JOB_UNFREEZE, JOB_UNFREEZE, JOB_UPDATE,
                                          JOB_UPDATE, JOB_UPDATE,   JOB_ACTIVATE};
    if (k->live.sent == 0 && sim_below(n->random, 4))
        return JOB_ACTIVATE;
    return often[sim_below(n->random, sizeof(often) / sizeof(often[0]))];
}

/* Often one of the newest, so that requests meet at one key. */
static size_t some_key(struct sim_node *n)
{
    uint32_t keys = (uint32_t)n->model.keys;
    return keys > 2 && sim_below(n->random, 2) ? keys - 1 - sim_below(n->random, 2)
                                               : sim_below(n->random, keys);
}

bool model_choose(struct sim_node *n, size_t *out_job)
{
    struct sim_model *m = &n->model;
    if (sim_below(n->random, 2) && pick_again(n, out_job))
        return true;
    if (m->jobs == SIM_JOBS)
        return false;
    struct sim_job *j = &m->job[m->jobs];
    *j = (struct sim_job){.kind = JOB_CREATE};
    bool make = m->keys == 0 || (m->keys < SIM_KEYS && sim_below(n->random, 4) == 0);
    j->key = make ? new_key(n) : some_key(n);
    if (!make && !*key_of(n, j)->path)
        return false;
    if (!make)
        j->kind = some_kind(n, key_of(n, j));
    if (j->kind < JOB_EXPORT && sim_below(n->random, 4))
        snprintf(j->idem, sizeof(j->idem), "job-%zu", m->jobs);
    *out_job = m->jobs++;
    return true;
}

/* ---- the bytes ---- */

static struct pl_peer maker(struct sim_node *n, const struct sim_key *k)
{
    if (!k->by)
        return world_peer(&n->w, &n->w.owner, NULL);
    return k->by->grant ? world_peer(&n->w, &n->w.app, &n->w.app_claims)
                        : world_peer(&n->w, &n->w.other, NULL);
}

static struct pl_peer thief(struct sim_node *n)
{
    switch (sim_below(n->random, 3)) {
    case 0:
        return world_peer(&n->w, &n->w.app, &n->w.changed_claims);
    case 1:
        return world_peer(&n->w, &n->w.app, NULL);
    default:
        return world_peer(&n->w, &n->w.owner, NULL);
    }
}

static struct pl_peer caller(struct sim_node *n, const struct sim_job *j, const struct sim_key *k)
{
    if (j->kind <= JOB_ACTIVATE)
        return maker(n, k);
    if (j->kind == JOB_EXPORT)
        return world_peer(&n->w, &n->w.app, &n->w.app_claims);
    return j->kind == JOB_STEAL ? thief(n) : world_peer(&n->w, &n->w.owner, NULL);
}

static void count_sending(struct sim_job *j, struct sim_key *k)
{
    if (j->kind == JOB_FREEZE) {
        k->ice.sent++;
        k->freezing += !j->again;
        k->warm.sure = false;
    }
    if (j->kind == JOB_UNFREEZE) {
        k->unfreezing += !j->again;
        k->ice.sure = false;
    }
    k->live.sent += j->kind == JOB_ACTIVATE;
    k->gone.sent += j->kind == JOB_DELETE;
    if (j->kind == JOB_CREATE && k->by)
        k->by->sent++;
}

/* Every job asks for a policy of its own. */
static const char *update_body(struct sim_node *n, const struct sim_key *k, struct sim_job *j)
{
    static char text[8192];
    if (!*j->version)
        snprintf(j->version, sizeof(j->version), "%llu",
                 (unsigned long long)k->version - (sim_below(n->random, 8) == 0 && k->version > 1));
    const char *policy = world_policy(&n->w, k->fill);
    snprintf(text, sizeof(text),
             "{\"policy\":%.*s,\"lifecycle\":{\"expires\":\"%04zu-01-01T00:00:00Z\"}}}",
             (int)strlen(policy) - 1, policy, 2100 + (size_t)(j - n->model.job));
    return text;
}

void model_send(struct sim_node *n, size_t job, struct sim_turn *t)
{
    static const char *const method[JOB_KINDS] = {
        [JOB_UPDATE] = "PUT", [JOB_DELETE] = "DELETE", [JOB_DESCRIBE] = "GET"};
    static const char *const tail[JOB_KINDS] = {
        [JOB_ACTIVATE] = "/activate", [JOB_FREEZE] = "/freeze", [JOB_UNFREEZE] = "/unfreeze",
        [JOB_UPDATE] = "/policy",     [JOB_EXPORT] = "/export", [JOB_STEAL] = "/export"};
    struct sim_job *j = &n->model.job[job];
    struct sim_key *k = key_of(n, j);
    char path[128];
    snprintf(path, sizeof(path), "%s%s", j->kind == JOB_CREATE ? "/v1/keys" : k->path,
             tail[j->kind] ? tail[j->kind] : "");
    j->sent = true;
    j->sends++;
    j->begun = n->step;
    if (!j->first_s) {
        j->first_s = n->w.now_s;
        j->first = n->step;
    }
    count_sending(j, k);
    t->peer = caller(n, j, k);
    t->call = (struct pl_call){0};
    CHECK_OK(pl_call_route(&t->call, pl_span_str(method[j->kind] ? method[j->kind] : "POST"),
                           pl_span_str(path)));
    t->call.idempotency_key = pl_span_str(j->idem);
    if (j->kind == JOB_CREATE)
        t->body = strdup(world_create_body(&n->w, k->fill, k->n, k->by ? k->by->text : NULL));
    if (j->kind == JOB_UPDATE)
        t->body = strdup(update_body(n, k, j));
    t->call.if_match = pl_span_str(j->version);
    t->call.body = pl_span_str(t->body);
}

/* ---- what an answer may be ---- */

static bool later(pl_err e)
{
    enum pl_code c = pl_err_code(e);
    return c == PL_E_LOG_FULL || c == PL_E_LOG_LOCKED || c == PL_E_TURN_AGAIN;
}

/* Surely still prepared, if nobody did anything to it: a margin for the clock's interval. */
static bool in_its_hour(const struct sim_node *n, int64_t made_s)
{
    return n->w.now_s < made_s + PL_PREPARED_S - 700;
}

static void created(struct sim_node *n, const struct sim_turn *t, struct sim_job *j,
                    struct sim_key *k)
{
    static const char mark[] = "\"handle\":\"";
    struct sim_carrier *c = k->by;
    if (t->e == PL_OK) {
        struct pl_api_created made;
        struct pl_span text = pl_wr_span(&t->answer);
        static _Alignas(16) uint8_t mem[32768];
        struct pl_arena a = pl_arena(mem, sizeof(mem));
        struct pl_api_in in = {.body = text, .scratch = &a};
        SIM_CHECK(n, t->status == 201 && pl_api_read_created(&made, &in) == PL_OK);
        const char *at = memmem(text.p, text.n, mark, sizeof(mark) - 1);
        NEED(SIM_CHECK(n, at != NULL));
        snprintf(k->path, sizeof(k->path), "/v1/keys/%.22s", at + sizeof(mark) - 1);
        k->made_s = j->first_s;
        if (c)
            SIM_CHECK(n, ++c->made <= c->allowed);
        return;
    }
    enum pl_code e = pl_err_code(t->e);
    unsigned others = c ? c->sent - (*j->idem ? j->sends : 1) : 0;
    bool spent =
        others >= (c ? c->allowed : 1) && (e == PL_E_STATEMENT_SPENT || e == PL_E_GRANT_USED);
    bool expired = c && n->w.now_s > c->iat_s + 2000 &&
                   (e == PL_E_STATEMENT_TIME || e == PL_E_STATEMENT_EXPIRED);
    bool gone = *j->idem && e == PL_E_IDEMPOTENCY_GONE && !in_its_hour(n, j->first_s);
    SIM_CHECK(n, later(t->e) || spent || expired || gone);
}

static void activated(struct sim_node *n, const struct sim_turn *t, const struct sim_job *j,
                      struct sim_key *k)
{
    if (t->e == PL_OK) {
        SIM_CHECK(n, !k->gone.sure || k->gone.step >= j->first); /* a repeat may come later */
        if (!k->live.sure)
            k->live = (struct sim_fact){k->live.sent, true, n->step};
        return;
    }
    bool first = k->live.sent == 1 && k->gone.sent == 0 && in_its_hour(n, k->made_s);
    SIM_CHECK(n, later(t->e) || !first);
}

static struct pl_span released(struct sim_node *n, struct pl_span body)
{
    static _Alignas(16) uint8_t mem[PL_SHARE_MAX + 4096];
    struct pl_arena a = pl_arena(mem, sizeof(mem));
    struct pl_api_released m;
    struct pl_api_in in = {.body = body, .scratch = &a};
    SIM_CHECK(n, pl_api_read_released(&m, &in) == PL_OK);
    return m.share;
}

static void check_share(struct sim_node *n, struct pl_span body, const struct sim_key *k)
{
    struct pl_span got = released(n, body);
    SIM_CHECK(n, got.n == k->n);
    for (size_t i = 0; i < got.n; i++)
        NEED(SIM_CHECK(n, got.p[i] == k->fill));
}

static bool surely_live(const struct sim_job *j, const struct sim_key *k)
{
    bool warm = k->ice.sent == 0 || (k->warm.sure && k->warm.step < j->begun);
    return k->live.sure && k->live.step < j->begun && k->gone.sent == 0 && warm;
}

static void exported(struct sim_node *n, const struct sim_turn *t, const struct sim_job *j,
                     const struct sim_key *k)
{
    if (t->e != PL_OK) {
        SIM_CHECK(n, t->fault || later(t->e) || !surely_live(j, k));
        return;
    }
    SIM_CHECK(n, k->live.sent > 0);
    SIM_CHECK(n, !k->gone.sure || k->gone.step >= j->begun);
    SIM_CHECK(n, !k->ice.sure || k->ice.step >= j->begun);
    check_share(n, pl_wr_span(&t->answer), k);
}

static void deleted(struct sim_node *n, const struct sim_turn *t, const struct sim_job *j,
                    struct sim_key *k)
{
    bool pending = t->status == 202;
    if (t->e == PL_OK && !pending && !k->gone.sure)
        k->gone = (struct sim_fact){k->gone.sent, true, n->step};
    if (t->e == PL_OK)
        SIM_CHECK(n, pending == n->locked || !pending);
    else
        SIM_CHECK(n, later(t->e) || k->gone.sent > 1 || !k->live.sure || k->live.step >= j->begun);
}

/* Each version is made by one request, however often that is sent, and by none that named another.
 */
static void updated(struct sim_node *n, const struct sim_turn *t, const struct sim_job *j,
                    struct sim_key *k)
{
    static _Alignas(16) uint8_t mem[32768];
    struct pl_arena a = pl_arena(mem, sizeof(mem));
    struct pl_api_updated m;
    struct pl_api_in in = {.body = pl_wr_span(&t->answer), .scratch = &a};
    size_t job = (size_t)(j - n->model.job) + 1;
    if (t->e != PL_OK)
        return;
    SIM_CHECK(n, t->status == 200 && pl_api_read_updated(&m, &in) == PL_OK);
    uint64_t mine = strtoull(j->version, NULL, 10) + 1;
    SIM_CHECK(n, m.version == mine || (*j->idem && m.version > mine));
    SIM_CHECK(n, k->live.sent > 0);
    if (mine < SIM_VERSIONS) {
        SIM_CHECK(n, k->made_by[mine] == 0 || k->made_by[mine] == job);
        k->made_by[mine] = job;
    }
    k->version = mine > k->version ? mine : k->version;
}

/* Frozen, or unfrozen, for certain: nothing of the other kind was sent and not answered since this
 * was sent first. A locked vault freezes in memory alone. */
static void turned(struct sim_node *n, const struct sim_turn *t, const struct sim_job *j,
                   struct sim_key *k)
{
    bool ice = j->kind == JOB_FREEZE;
    unsigned *mine = ice ? &k->freezing : &k->unfreezing;
    struct sim_fact *fact = ice ? &k->ice : &k->warm, *other = ice ? &k->warm : &k->ice;
    unsigned open = ice ? k->unfreezing : k->freezing;
    *mine -= !later(t->e);
    bool possible = k->live.sure && k->live.step < j->first && k->gone.sent == 0;
    SIM_CHECK(n, t->e == PL_OK || later(t->e) || !possible);
    if (t->e != PL_OK)
        return;
    SIM_CHECK(n, t->status != 202 || (ice && n->locked));
    if (t->status != 202 && open == 0 && other->step < j->first)
        fact->sure = true;
    fact->step = n->step;
}

void model_answer(struct sim_node *n, const struct sim_turn *t)
{
    struct sim_job *j = &n->model.job[t->job];
    struct sim_key *k = key_of(n, j);
    switch (j->kind) {
    case JOB_CREATE:
        created(n, t, j, k);
        break;
    case JOB_ACTIVATE:
        activated(n, t, j, k);
        break;
    case JOB_FREEZE:
    case JOB_UNFREEZE:
        turned(n, t, j, k);
        break;
    case JOB_UPDATE:
        updated(n, t, j, k);
        break;
    case JOB_EXPORT:
        exported(n, t, j, k);
        break;
    case JOB_STEAL:
        SIM_CHECK(n, t->e != PL_OK && t->answer.n == 0);
        break;
    case JOB_DELETE:
        deleted(n, t, j, k);
        break;
    case JOB_DESCRIBE:
        SIM_CHECK(n, t->e == PL_OK || later(t->e) || !k->live.sure || k->live.step >= j->begun ||
                         k->gone.sent);
        break;
    case JOB_KINDS:
        break;
    }
    j->sent = false;
    j->again = later(t->e);
}

void model_crashed(struct sim_node *n)
{
    for (size_t i = 0; i < n->model.jobs; i++) {
        struct sim_job *j = &n->model.job[i];
        j->again |= j->sent;
        j->sent = false;
    }
}

void model_settled(struct sim_node *n)
{
    struct pl_peer app = world_peer(&n->w, &n->w.app, &n->w.app_claims);
    struct pl_vault_status s;
    size_t live = 0;
    for (size_t i = 0; i < n->model.keys; i++) {
        const struct sim_key *k = &n->model.key[i];
        char path[128];
        if (!*k->path)
            continue;
        snprintf(path, sizeof(path), "%s/export", k->path);
        pl_err e = world_call(&n->w, &app, "POST", path, NULL, NULL);
        bool warm = k->ice.sent == 0 || k->warm.sure;
        if (k->live.sure && k->gone.sent == 0 && warm && SIM_CHECK(n, e == PL_OK))
            check_share(n, pl_wr_span(&n->w.body), k);
        SIM_CHECK(n, e != PL_OK || !k->ice.sure);
        live += k->live.sure && k->gone.sent == 0;
        SIM_CHECK(n, e != PL_OK || (k->live.sent > 0 && !k->gone.sure));
        node_write(n);
        node_written(n);
    }
    pl_vault_status(n->w.vault, &s);
    SIM_CHECK(n, s.keys >= live && s.keys <= n->model.jobs);
}
