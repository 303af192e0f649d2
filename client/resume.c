/* After an interruption: a whole PATH.new leads on, a journal without it leads back. */
#include "client/recover.h"
#include "client/split.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- on: activate where that has not happened, rename ---- */

static void ask_activate(struct pl_vc *vc) { pl_recover_ask(vc, "POST", "/activate"); }

/* It may be active already: then nobody may activate it again, and it says what it is. */
static bool on_refused(struct pl_vc *vc, pl_err why)
{
    (void)why;
    if (strcmp(vc->method, "POST") != 0)
        return false;
    pl_recover_ask(vc, "GET", "");
    return true;
}

static pl_err take(struct pl_vc *vc, struct pl_api_in *in)
{
    const struct recover *r = vc->fan->user;
    const uint8_t *handle = r->d.m.vaults.v[vc - vc->fan->vc].handle;
    struct pl_api_key k = {0};
    struct pl_api_receipt m = {0};
    bool described = strcmp(vc->method, "GET") == 0;
    PL_TRY(described ? pl_api_read_key(&k, in) : pl_api_read_receipt(&m, in));
    PL_REQUIRE(memcmp(described ? k.handle : m.handle, handle, 16) == 0, VAULT_ANSWER);
    const char *state = described ? k.state : m.state;
    snprintf(vc->seen->state, sizeof(vc->seen->state), "%s", state);
    PL_REQUIRE(strcmp(state, "active") == 0, VAULT_ANSWER);
    return PL_OK;
}

static void on_answer(struct pl_vc *vc, struct pl_span body) { pl_vc_take(vc, body, take); }

static const struct pl_fan_events events_on = {ask_activate, on_answer, on_refused};

static pl_err go_on(struct pl_app *app, const struct pl_split_order *o,
                    const struct pl_split_files *f, struct pl_report *report)
{
    struct recover *r;
    struct pl_wr text PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_DESCRIPTOR_MAX);
    PL_TRY(pl_file_read(&text, f->fresh, PL_DESCRIPTOR_MAX));
    const struct pl_recover_order order = {.descriptor = text.p,
                                           .descriptor_bytes = text.n,
                                           .anchor = o->anchor,
                                           .bound = o->bound,
                                           .place = o->place,
                                           .places = o->places,
                                           .deadline_ms =
                                               o->deadline_ms ? o->deadline_ms : PL_SPLIT_MS};
    PL_TRY(pl_recover_new(&r, app));
    r->w.fan.events = &events_on;
    r->w.step = pl_step_each;
    r->any_bound = o->bound == NULL;
    pl_err e = pl_recover_open(r, &order);
    if (e == PL_OK) {
        pl_work_run(&r->w);
        e = pl_answered(&r->w.report) == r->w.report.vaults ? PL_OK : PL_FAIL(SPLIT_FEW);
    }
    *report = r->w.report;
    r->w.end(&r->w);
    PL_TRY(e);
    return pl_split_commit(f);
}

/* ---- back: drop what was prepared ---- */

struct undo {
    struct pl_work w; /* first */
    struct pl_journal journal;
    size_t from[PL_VAULTS_MAX];
};

static void ask_delete(struct pl_vc *vc)
{
    const struct undo *u = vc->fan->user;
    char path[96];
    pl_key_path(path, u->journal.vault[u->from[vc - vc->fan->vc]].handle, "");
    pl_vc_ask(vc, "DELETE", path, (struct pl_span){0});
}

static void on_deleted(struct pl_vc *vc, struct pl_span body)
{
    (void)body;
    pl_vc_done(vc);
}

static const struct pl_fan_events events_back = {ask_delete, on_deleted, NULL};

static pl_err drop(struct undo *u, struct pl_app *app, const struct pl_split_order *o)
{
    size_t n = 0;
    for (size_t i = 0; i < u->journal.n; i++)
        if (u->journal.vault[i].prepared)
            u->from[n++] = i;
    if (n == 0)
        return PL_OK;
    PL_TRY(
        pl_each_open(&u->w, app, n, &events_back, o->deadline_ms ? o->deadline_ms : PL_SPLIT_MS));
    u->w.fan.anchor = o->anchor;
    for (size_t i = 0; i < n; i++) {
        pl_fan_place(&u->w.fan, i, &u->journal.vault[u->from[i]].place);
        pl_fan_connect(&u->w.fan, i);
    }
    pl_work_run(&u->w);
    return PL_OK;
}

/* What does not answer now, or knows the key no more, lapses by itself within the hour. */
static pl_err go_back(struct pl_app *app, const struct pl_split_order *o,
                      const struct pl_split_files *f, struct pl_report *report)
{
    struct undo *u = calloc(1, sizeof(*u));
    PL_REQUIRE(u, NO_MEMORY);
    pl_err e = pl_journal_read(&u->journal, f->journal);
    if (e == PL_OK)
        e = drop(u, app, o);
    *report = u->w.report;
    pl_work_close(&u->w);
    free(u);
    PL_TRY(e);
    return pl_split_forget(f);
}

pl_err pl_split_resume(struct pl_app *app, const struct pl_split_order *order, enum pl_resumed *out,
                       struct pl_report *report)
{
    struct pl_split_files f;
    struct pl_report own, *r = report ? report : &own;
    memset(r, 0, sizeof(*r));
    *out = PL_RESUMED_NOTHING;
    PL_REQUIRE(order->anchor, ANCHOR_FORM);
    PL_TRY(pl_split_paths(&f, order->descriptor));
    if (pl_file_there(f.fresh)) {
        PL_TRY(go_on(app, order, &f, r));
        *out = PL_RESUMED_DONE;
    } else if (pl_file_there(f.journal) && pl_file_there(f.final)) {
        PL_TRY(pl_split_forget(&f)); /* renamed, and nothing else was left to do */
        *out = PL_RESUMED_DONE;
    } else if (pl_file_there(f.journal)) {
        PL_TRY(go_back(app, order, &f, r));
        *out = PL_RESUMED_UNDONE;
    }
    return PL_OK;
}
