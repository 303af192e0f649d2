/* Connections that outlive a call: bound both ways, with nothing on its way, to be used again by
 * the next call to the same vault, under that call's anchor. */
#include "client/internal.h"

#include <stdlib.h>
#include <string.h>

struct pl_kept {
    struct pl_kept *next;
    struct pl_app *app;
    struct pl_link *link;
    struct pl_place place;
    struct pl_session_state session;
    struct pl_vault_self self;
    int64_t born_ms, until_ms;
};

static void forget(struct pl_kept *k)
{
    struct pl_kept **at = &k->app->kept;
    while (*at != k)
        at = &(*at)->next;
    *at = k->next;
    free(k);
}

static pl_err on_established(struct pl_link *l)
{
    (void)l;
    return PL_FAIL(BUG); /* it was, long ago */
}

static void on_response(struct pl_link *l, uint32_t stream, const struct pl_response *r, pl_err why)
{
    (void)l, (void)stream, (void)r, (void)why;
}

static void on_closed(struct pl_link *l, pl_err why)
{
    (void)why;
    forget(pl_link_user(l));
}

static const struct pl_link_events idle = {on_established, on_response, on_closed};

static void on_gone(struct pl_link *l, pl_err why) { (void)l, (void)why; }

static const struct pl_link_events abandoned = {on_established, on_response, on_gone};

void pl_link_abandon(struct pl_link *l)
{
    pl_link_hand_over(l, &abandoned, NULL);
    pl_link_close(l);
}

bool pl_kept_put(struct pl_vc *vc)
{
    if (!vc->link || vc->state != PL_VC_DONE || pl_session_bound(&vc->session) != PL_OK)
        return false;
    struct pl_kept *k = calloc(1, sizeof(*k));
    if (!k)
        return false;
    *k = (struct pl_kept){.next = vc->fan->app->kept,
                          .app = vc->fan->app,
                          .link = vc->link,
                          .place = vc->place,
                          .session = vc->session,
                          .self = vc->self,
                          .born_ms = vc->born_ms,
                          .until_ms = pl_now_ms() + PL_KEPT_MS};
    pl_link_hand_over(k->link, &idle, k);
    k->app->kept = k;
    return true;
}

static bool same_place(const struct pl_place *a, const struct pl_place *b)
{
    return memcmp(a->vault_id, b->vault_id, sizeof(a->vault_id)) == 0 &&
           strcmp(a->endpoint, b->endpoint) == 0;
}

bool pl_kept_take(struct pl_vc *vc, const struct pl_link_events *events)
{
    struct pl_kept *k = vc->fan->anchor ? vc->fan->app->kept : NULL;
    while (k && !same_place(&k->place, &vc->place))
        k = k->next;
    if (!k || pl_now_ms() >= k->until_ms || pl_now_ms() >= k->born_ms + PL_KEPT_LIFE_MS)
        return false;
    vc->session = k->session;
    vc->self = k->self;
    if (pl_vc_accept(vc, pl_session_claims(&vc->session)) != PL_OK)
        return false; /* its evidence may have ended: a new connection finds out */
    vc->link = k->link;
    vc->kept = true;
    vc->born_ms = k->born_ms;
    pl_link_hand_over(vc->link, events, vc);
    forget(k);
    return true;
}

void pl_kept_drop(struct pl_app *app)
{
    for (struct pl_kept *k = app->kept; k; k = k->next)
        pl_link_close(k->link);
    while (app->kept) /* closing needs no peer: this ends */
        pl_client_step(app->loop);
}
