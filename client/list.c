/* What vaults hold for this caller: listed page after page, and described. */
#include "client/place.h"
#include "client/recover.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LIST_MAX = 65536 };

/* Of one vault. */
struct shelf {
    struct pl_key_info *key;
    size_t n, cap;
    size_t asked; /* which is being described */
};

struct list {
    struct pl_work w; /* first */
    const struct pl_list_order *o;
    struct shelf v[PL_VAULTS_MAX];
    bool more; /* the vault whose answer is read has another page */
    uint64_t page;
    size_t total;
};

static struct list *list_of(const struct pl_vc *vc) { return vc->fan->user; }
static struct shelf *shelf_of(const struct pl_vc *vc) { return &list_of(vc)->v[vc - vc->fan->vc]; }

static pl_err add(struct list *l, struct shelf *v, struct pl_key_info **out)
{
    PL_REQUIRE(l->total < LIST_MAX, LIST_LONG);
    if (v->n == v->cap) {
        size_t cap = v->cap ? 2 * v->cap : 16;
        struct pl_key_info *more = realloc(v->key, cap * sizeof(*more));
        PL_REQUIRE(more, NO_MEMORY);
        v->key = more;
        v->cap = cap;
    }
    l->total++;
    *out = &v->key[v->n++];
    **out = (struct pl_key_info){0};
    return PL_OK;
}

/* ---- asking ---- */

/* How long one page or key may take. */
static unsigned patience_ms(const struct list *l)
{
    return l->o->deadline_ms ? l->o->deadline_ms : PL_RECOVER_MS;
}

static void ask_page(struct pl_vc *vc, uint64_t page)
{
    char path[96];
    snprintf(path, sizeof(path), page ? "/v1/keys?page=%" PRIu64 : "/v1/keys", page);
    pl_vc_ask(vc, "GET", path, (struct pl_span){0});
}

/* The next that is not described yet; false when all are. */
static bool ask_key(struct pl_vc *vc)
{
    const struct shelf *v = shelf_of(vc);
    char path[96];
    if (v->asked == v->n)
        return false;
    pl_key_path(path, v->key[v->asked].handle, "");
    pl_vc_ask(vc, "GET", path, (struct pl_span){0});
    return true;
}

static void on_ready(struct pl_vc *vc)
{
    if (!list_of(vc)->o->only)
        ask_page(vc, 0);
    else if (!ask_key(vc))
        pl_vc_done(vc);
}

/* ---- answers ---- */

static pl_err take_page(struct pl_vc *vc, struct pl_api_in *in)
{
    struct list *l = list_of(vc);
    struct pl_api_key_page m;
    struct pl_key_info *k;
    PL_TRY(pl_api_read_key_page(&m, in));
    for (size_t i = 0; i < m.keys.n; i++) {
        const struct pl_api_key_item *item = &m.keys.v[i];
        PL_TRY(add(l, shelf_of(vc), &k));
        memcpy(k->vault_id, vc->place.vault_id, sizeof(k->vault_id));
        memcpy(k->handle, item->handle, sizeof(k->handle));
        snprintf(k->type, sizeof(k->type), "%s", item->type);
        snprintf(k->state, sizeof(k->state), "%s", item->state);
        k->policy_version = item->policy_version;
    }
    PL_REQUIRE(!m.has_next || m.next > l->page, VAULT_ANSWER); /* pages end */
    l->more = m.has_next;
    l->page = m.has_next ? m.next : 0;
    return PL_OK;
}

static void join_allowed(struct pl_key_info *k, const struct pl_spans *allowed)
{
    size_t at = 0;
    for (size_t i = 0; i < allowed->n && at < sizeof(k->allowed); i++)
        at += (size_t)snprintf(k->allowed + at, sizeof(k->allowed) - at, "%s%s", i ? "," : "",
                               (const char *)allowed->v[i].p);
}

static pl_err take_key(struct pl_vc *vc, struct pl_api_in *in)
{
    struct shelf *v = shelf_of(vc);
    struct pl_key_info *k = &v->key[v->asked];
    struct pl_api_key m;
    PL_TRY(pl_api_read_key(&m, in));
    PL_REQUIRE(memcmp(m.handle, k->handle, sizeof(m.handle)) == 0, VAULT_ANSWER);
    snprintf(k->type, sizeof(k->type), "%s", m.type);
    snprintf(k->state, sizeof(k->state), "%s", m.state);
    memcpy(k->policy_sha256, m.policy_sha256, sizeof(k->policy_sha256));
    k->policy_version = m.policy_version;
    k->generation = m.generation;
    k->index = m.index;
    k->created_earliest_s = m.created_earliest;
    k->created_latest_s = m.created_latest;
    k->exportable = m.exportable;
    k->custody = pl_api_custody_word(m.custody);
    k->origin = pl_api_origin_word(m.origin);
    k->memory = pl_api_memory_word(m.memory);
    join_allowed(k, &m.allowed);
    k->described = true;
    return PL_OK;
}

static void on_answer(struct pl_vc *vc, struct pl_span body)
{
    struct list *l = list_of(vc);
    bool page = strncmp(vc->path, "/v1/keys/", 9) != 0;
    l->page = page && vc->path[8] ? strtoull(vc->path + 14, NULL, 10) : 0;
    l->more = false;
    pl_vc_take(vc, body, page ? take_page : take_key);
    if (vc->state != PL_VC_DONE)
        return;
    vc->fan->deadline_ms = pl_now_ms() + patience_ms(l);
    shelf_of(vc)->asked += !page;
    if (l->more)
        ask_page(vc, l->page);
    else if (l->o->only || l->o->describe)
        ask_key(vc);
}

/* Listed is not described: a policy may allow the one alone. It stays in the list as it is. */
static bool on_refused(struct pl_vc *vc, pl_err why)
{
    (void)why;
    if (list_of(vc)->o->only || strncmp(vc->path, "/v1/keys/", 9) != 0)
        return false;
    shelf_of(vc)->asked++;
    if (!ask_key(vc))
        pl_vc_done(vc);
    return true;
}

static const struct pl_fan_events events = {on_ready, on_answer, on_refused};

/* ---- all of it ---- */

static pl_err open_list(struct list *l, struct pl_app *app, const struct pl_list_order *o)
{
    struct pl_key_info *k;
    size_t n = o->only ? o->only->vaults : o->places;
    PL_REQUIRE(o->anchor, ANCHOR_FORM);
    PL_TRY(pl_each_open(&l->w, app, n, &events, patience_ms(l)));
    l->w.fan.anchor = o->anchor;
    for (size_t i = 0; i < n; i++) {
        const struct pl_place *p = o->only ? &o->only->vault[i].place : &o->place[i];
        pl_fan_place(&l->w.fan, i, p);
        if (!o->only)
            continue;
        PL_TRY(add(l, &l->v[i], &k));
        memcpy(k->vault_id, p->vault_id, sizeof(k->vault_id));
        memcpy(k->handle, o->only->vault[i].handle, sizeof(k->handle));
    }
    for (size_t i = 0; i < n; i++)
        pl_fan_connect(&l->w.fan, i);
    pl_work_run(&l->w);
    return pl_answered(&l->w.report) ? PL_OK : PL_FAIL(RECOVER_FEW);
}

static pl_err gather(const struct list *l, struct pl_key_info **out, size_t *out_n)
{
    size_t n = 0;
    *out = l->total ? calloc(l->total, sizeof(**out)) : NULL;
    PL_REQUIRE(*out || !l->total, NO_MEMORY);
    for (size_t i = 0; i < l->w.fan.n; i++)
        for (size_t k = 0; k < l->v[i].n; k++)
            if (!l->o->only || l->v[i].key[k].described)
                (*out)[n++] = l->v[i].key[k];
    *out_n = n;
    return PL_OK;
}

pl_err pl_keys_list(struct pl_app *app, const struct pl_list_order *order, struct pl_key_info **out,
                    size_t *out_n, struct pl_report *report)
{
    *out = NULL;
    *out_n = 0;
    if (report)
        memset(report, 0, sizeof(*report));
    struct list *l = calloc(1, sizeof(*l));
    PL_REQUIRE(l, NO_MEMORY);
    l->o = order;
    pl_err e = open_list(l, app, order);
    if (e == PL_OK)
        e = gather(l, out, out_n);
    if (report)
        *report = l->w.report;
    pl_work_close(&l->w);
    for (size_t i = 0; i < PL_VAULTS_MAX; i++)
        free(l->v[i].key);
    free(l);
    return e;
}
