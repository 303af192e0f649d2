/* Many vaults in one loop, and a quote for each. */
#include "client/internal.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

pl_err pl_fan_open(struct pl_fan *f, struct pl_app *app, size_t n)
{
    PL_REQUIRE(n > 0 && n <= PL_VAULTS_MAX, DESCRIPTOR_FORM);
    f->app = app;
    pl_client_step(app->loop); /* kept ones that vaults closed are gone after this */
    f->vc = calloc(n, sizeof(*f->vc));
    PL_REQUIRE(f->vc, NO_MEMORY);
    f->n = n;
    f->report->vaults = n;
    f->start_ms = pl_now_ms();
    return PL_OK;
}

void pl_fan_place(struct pl_fan *f, size_t i, const struct pl_place *p)
{
    struct pl_vc *vc = &f->vc[i];
    vc->fan = f;
    vc->seen = &f->report->vault[i];
    vc->place = *p;
    memcpy(vc->seen->vault_id, p->vault_id, sizeof(p->vault_id));
    memcpy(vc->seen->endpoint, p->endpoint, sizeof(p->endpoint));
}

static bool undecided(const struct pl_vc *vc)
{
    return vc->state != PL_VC_IDLE && vc->state != PL_VC_DONE && vc->state != PL_VC_FAILED;
}

/* The first that waits for our evidence. */
static struct pl_vc *first_waiting(const struct pl_fan *f)
{
    for (size_t i = 0; i < f->n; i++)
        if (f->vc[i].state == PL_VC_BIND)
            return &f->vc[i];
    return NULL;
}

/* When a step has something to do although nothing came. */
static int64_t next_ms(const struct pl_fan *f)
{
    int64_t next = f->wake_ms && f->wake_ms < f->deadline_ms ? f->wake_ms : f->deadline_ms;
    for (size_t i = 0; i < f->n; i++)
        if (f->vc[i].state == PL_VC_WAIT && f->vc[i].due_ms < next)
            next = f->vc[i].due_ms;
    return next;
}

size_t pl_fan_poll(struct pl_fan *f, struct pollfd *fds, size_t cap, int *out_timeout_ms)
{
    pl_kept_drop(f->app); /* it counts links: those that this call has no use for */
    size_t n = pl_client_poll(f->app->loop, fds, cap, out_timeout_ms);
    int64_t left = next_ms(f) - pl_now_ms();
    int most = left < 0 || first_waiting(f) ? 0 : left > 60000 ? 60000 : (int)left + 1;
    if (*out_timeout_ms < 0 || *out_timeout_ms > most)
        *out_timeout_ms = most;
    return n;
}

/* ---- own evidence ---- */

static pl_err send_session(struct pl_vc *vc, struct pl_span body)
{
    uint32_t stream;
    int64_t left = vc->fan->deadline_ms - pl_now_ms();
    const struct pl_request r = {.method = PL_LIT("POST"),
                                 .path = PL_LIT("/v1/session"),
                                 .content_type = PL_LIT("application/json"),
                                 .body = body};
    vc->state = PL_VC_BINDING;
    vc->moved_ms = pl_now_ms();
    return pl_link_request(vc->link, &stream, &r, left > 1 ? (unsigned)left : 1);
}

/* A quote for this vault alone: what two vaults see has nothing in common, and none learns how many
 * are asked. */
static pl_err prove(struct pl_vc *vc)
{
    struct pl_app *app = vc->fan->app;
    const struct pl_batch_proof alone = {.count = 1};
    uint8_t binding[PL_BINDING_BYTES], report_data[PL_REPORT_DATA_BYTES];
    struct pl_wr quote PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_TEE_EVIDENCE_MAX);
    struct pl_wr body PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_NET_REQUEST_MAX);
    if (!app->tee)
        return send_session(vc, PL_LIT("{}"));
    PL_TRY(pl_session_own_binding(app->crypto, &vc->session, binding));
    PL_TRY(pl_batch_expect(app->crypto, report_data, binding, &alone));
    PL_TRY(pl_tee_evidence(app->tee, &quote, report_data, PL_QUOTE_MS));
    PL_TRY(pl_session_write(&body, pl_wr_span(&quote), &alone));
    return send_session(vc, pl_wr_span(&body));
}

/* One device makes one quote at a time: one a step, so that what it was for is on its way, and
 * answers are read, before the next is asked for. */
static void bind_one(struct pl_fan *f)
{
    struct pl_vc *vc = first_waiting(f);
    if (vc && pl_session_bound(&vc->session) == PL_OK) { /* in an earlier call */
        pl_vc_ready(vc);
        return;
    }
    pl_err e = vc ? prove(vc) : PL_OK;
    if (e != PL_OK)
        pl_vc_fail(vc, e);
}

/* ---- the loop ---- */

static void go_on(struct pl_fan *f)
{
    for (size_t i = 0; i < f->n; i++)
        if (f->vc[i].state == PL_VC_WAIT && pl_now_ms() >= f->vc[i].due_ms)
            pl_vc_go_on(&f->vc[i]);
}

static void give_up(struct pl_vc *vc)
{
    pl_vc_fail(vc, vc->state == PL_VC_WAIT ? vc->wait_why : PL_FAIL(NET_DEADLINE));
}

void pl_fan_step(struct pl_fan *f)
{
    pl_kept_drop(f->app);
    go_on(f);
    pl_client_step(f->app->loop);
    bind_one(f);
    if (pl_now_ms() < f->deadline_ms)
        return;
    for (size_t i = 0; i < f->n; i++)
        if (undecided(&f->vc[i]))
            give_up(&f->vc[i]);
}

bool pl_fan_settled(const struct pl_fan *f)
{
    for (size_t i = 0; i < f->n; i++)
        if (undecided(&f->vc[i]))
            return false;
    return true;
}

static bool still_open(const struct pl_fan *f)
{
    for (size_t i = 0; i < f->n; i++)
        if (f->vc[i].link)
            return true;
    return false;
}

void pl_fan_close(struct pl_fan *f)
{
    for (size_t i = 0; i < f->n; i++) {
        struct pl_vc *vc = &f->vc[i];
        if (pl_kept_put(vc))
            vc->link = NULL;
        if (undecided(vc)) /* nobody waits for it any more; no failure either */
            vc->state = PL_VC_DONE;
        if (vc->link)
            pl_link_close(vc->link);
        pl_wr_free(&vc->body);
    }
    if (f->n) /* also for links that were abandoned */
        pl_client_step(f->app->loop);
    while (f->n && still_open(f)) /* closing needs no peer: this ends */
        pl_client_step(f->app->loop);
    free(f->vc);
    f->vc = NULL;
    f->n = 0;
}
