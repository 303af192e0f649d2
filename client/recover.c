/* Recover: every vault of the descriptor at once; k verified answers give the secret.
 *
 * What is checked before a vault is even called: the descriptor's key is the anchor's, `bound` is
 * the caller's, the owner's root certified this vault for this key, the vault's statement names
 * that owner key alone and the commitment that follows from key id, split id, generation and
 * `bound`. Before its share counts: the vault itself (vault.c), that its listed key signed the
 * statement, that the share is the one of the statement, and its tag. After combining: the check
 * inside the secret, and the descriptor's MAC. */
#include "client/place.h"
#include "client/recover.h"

#include <stdlib.h>
#include <string.h>

enum { HURRY_MS = 500 };

/* ---- before anything is sent ---- */

static struct pl_commit commit_of(const struct pl_api_descriptor *m,
                                  const struct pl_api_descriptor_vault *v)
{
    struct pl_commit what = {.generation = m->generation};
    memcpy(what.vault_id, v->vault_id, sizeof(what.vault_id));
    memcpy(what.key_id, m->key_id, sizeof(what.key_id));
    memcpy(what.split_id, m->split_id, sizeof(what.split_id));
    memcpy(what.bound, m->bound, sizeof(what.bound));
    return what;
}

static pl_err check_vault(struct recover *r, size_t i)
{
    struct pl_crypto *c = r->w.app->crypto;
    const struct pl_api_descriptor_vault *v = &r->d.m.vaults.v[i];
    const struct pl_commit what = commit_of(&r->d.m, v);
    struct pl_owner_cert cert;
    PL_TRY(pl_anchor_cert(c, r->w.fan.anchor, &cert, v->certificate, &what, r->d.m.name));
    PL_TRY(pl_commitment(c, r->v[i].commitment, PL_ARR(r->d.m.link_secret), &what));
    const struct pl_expected want = {.vault_id = v->vault_id,
                                     .handle = v->handle,
                                     .policy_sha256 = v->policy_sha256,
                                     .owner_sha256 = cert.owner_sha256,
                                     .commitment = r->v[i].commitment,
                                     .generation = r->d.m.generation};
    return pl_key_statement_check(c, &r->v[i].signer, v->statement, &want);
}

static pl_err check_descriptor(struct recover *r, const struct pl_recover_order *o)
{
    static const uint8_t zeros[32];
    const struct pl_api_descriptor *m = &r->d.m;
    PL_TRY(pl_anchor_key(r->w.app->crypto, o->anchor, m->name, m->key_id));
    PL_REQUIRE(!o->name || strcmp(o->name, m->name) == 0, ANCHOR_KEY);
    PL_REQUIRE(r->any_bound || pl_ct_eq(m->bound, o->bound ? o->bound : zeros, 32), ANCHOR_BOUND);
    return PL_OK;
}

/* Places that the descriptor may send us to; newer endpoints take their place. */
static void set_place(struct recover *r, const struct pl_recover_order *o, size_t i)
{
    const struct pl_api_descriptor_vault *v = &r->d.m.vaults.v[i];
    struct pl_place p;
    pl_place_of(&p, v);
    for (size_t j = 0; j < o->places; j++)
        if (memcmp(o->place[j].vault_id, v->vault_id, 32) == 0)
            p = o->place[j];
    pl_fan_place(&r->w.fan, i, &p);
}

static pl_err connect_all(struct recover *r, const struct pl_recover_order *o)
{
    size_t good = 0;
    pl_err first = PL_FAIL(RECOVER_FEW);
    bool failed = false;
    for (size_t i = 0; i < r->w.fan.n; i++) {
        set_place(r, o, i);
        pl_err e = check_vault(r, i);
        if (e == PL_OK) {
            good++;
            continue;
        }
        if (!failed)
            first = e;
        failed = true;
        pl_vc_fail(&r->w.fan.vc[i], e);
    }
    if (good < r->need)
        return first; /* nothing was sent to anybody */
    for (size_t i = 0; i < r->w.fan.n; i++)
        if (r->w.fan.vc[i].state == PL_VC_IDLE)
            pl_fan_connect(&r->w.fan, i);
    return PL_OK;
}

pl_err pl_recover_open(struct recover *r, const struct pl_recover_order *o)
{
    struct pl_span file = pl_span(o->descriptor, o->descriptor_bytes);
    PL_REQUIRE(o->anchor, ANCHOR_FORM);
    PL_TRY(pl_descriptor_read(&r->d, r->w.app, file));
    PL_TRY(pl_recover_approvals(r, o));
    PL_TRY(pl_fan_open(&r->w.fan, r->w.app, r->d.m.vaults.n));
    r->w.fan.anchor = o->anchor;
    r->w.fan.user = r;
    r->w.fan.deadline_ms = pl_now_ms() + (o->deadline_ms ? o->deadline_ms : PL_RECOVER_MS);
    r->linger_ms = o->linger_ms;
    r->vendors = o->vendors;
    r->need = r->need ? r->need : r->d.m.k;
    for (size_t i = 0; i < r->w.fan.n; i++) /* so that a report is whole whatever comes next */
        set_place(r, o, i);
    PL_TRY(check_descriptor(r, o));
    return connect_all(r, o);
}

/* That the vault's listed key signed what the descriptor holds, known once it is verified. */
static bool signer_listed(const struct recover *r, const struct pl_vc *vc)
{
    const struct pl_pub *listed = &vc->self.use[PL_USE_ATTESTATION];
    const struct pl_pub *signer = &r->v[vc - r->w.fan.vc].signer;
    return signer->type == listed->type &&
           memcmp(signer->raw, listed->raw, sizeof(signer->raw)) == 0;
}

static const struct pl_span body_none;

void pl_recover_ask(struct pl_vc *vc, const char *method, const char *rest)
{
    const struct recover *r = vc->fan->user;
    char path[96];
    if (!signer_listed(r, vc)) {
        pl_vc_fail(vc, PL_FAIL(ANCHOR_STATEMENT));
        return;
    }
    pl_key_path(path, r->d.m.vaults.v[vc - vc->fan->vc].handle, rest);
    struct pl_wr body PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_NET_REQUEST_MAX);
    pl_err e = r->files ? pl_recover_body(&body, vc) : PL_OK;
    if (e != PL_OK)
        pl_vc_fail(vc, e);
    else
        pl_vc_ask(vc, method, path,
                  r->files ? pl_wr_span(&body)
                  : *rest  ? PL_LIT("{}")
                           : body_none);
}

void pl_recover_end(struct pl_work *w)
{
    struct recover *r = (struct recover *)(void *)w;
    pl_work_close(w);
    pl_locked_unmap(&r->locked);
    pl_recover_approvals_end(r);
    pl_descriptor_free(&r->d);
    free(r);
}

/* ---- shares ---- */

/* Room for all shares of this length and for combining them, in locked memory. */
static pl_err make_room(struct recover *r, size_t y_bytes)
{
    if (r->locked.base) {
        PL_REQUIRE(y_bytes == r->y_bytes, SHARE_LENGTH);
        return PL_OK;
    }
    PL_REQUIRE(y_bytes <= PL_SECRET_MAX + 96, SHARE_LENGTH);
    PL_TRY(pl_locked_map(&r->locked, (r->w.fan.n + 3) * (y_bytes + 16) + 2 * PL_SHAMIR_SCRATCH));
    r->arena = pl_locked_arena(&r->locked);
    r->y_bytes = y_bytes;
    return PL_OK;
}

/* Two vaults on one machine are one. */
static pl_err check_platform(const struct recover *r, const struct pl_vc *vc)
{
    for (size_t i = 0; i < r->shares; i++)
        PL_REQUIRE(!pl_same_platform(&r->w.fan.vc[r->from[i]], vc), PLATFORM_TWICE);
    return PL_OK;
}

static pl_err take_share(struct recover *r, struct pl_vc *vc, const struct pl_api_released *m)
{
    size_t i = (size_t)(vc - r->w.fan.vc);
    struct pl_share_place place = {.generation = r->d.m.generation};
    PL_REQUIRE(m->generation == r->d.m.generation, ANCHOR_COMMITMENT);
    PL_REQUIRE(pl_ct_eq(m->commitment, r->v[i].commitment, 32), ANCHOR_COMMITMENT);
    PL_TRY(check_platform(r, vc));
    struct pl_share share = {m->share.p[0], pl_span_sub(m->share, 1, m->share.n - 1)};
    memcpy(place.vault_id, vc->place.vault_id, sizeof(place.vault_id));
    memcpy(place.split_id, r->d.m.split_id, sizeof(place.split_id));
    PL_TRY(
        pl_share_tag_verify(r->w.app->crypto, PL_ARR(r->d.m.link_secret), &place, share, m->tag));
    PL_TRY(make_room(r, share.y.n));
    uint8_t *y = pl_arena_take(&r->arena, share.y.n);
    PL_REQUIRE(y, NO_MEMORY);
    memcpy(y, share.y.p, share.y.n);
    r->share[r->shares] = (struct pl_share){share.x, pl_span(y, share.y.n)};
    r->from[r->shares++] = (unsigned char)i;
    return PL_OK;
}

static pl_err take_released(struct pl_vc *vc, struct pl_api_in *in)
{
    struct pl_api_released m;
    pl_err e = pl_api_read_released(&m, in);
    if (e == PL_OK)
        e = take_share(vc->fan->user, vc, &m);
    vc->seen->wrong = pl_err_code(e) == PL_E_SHARE_TAG || pl_err_code(e) == PL_E_SHARE_LENGTH;
    return e;
}

static void on_ready(struct pl_vc *vc) { pl_recover_ask(vc, "POST", "/export"); }
static void on_answer(struct pl_vc *vc, struct pl_span body)
{
    pl_vc_take(vc, body, take_released);
}

/* ---- together ---- */

/* Those that lie off the polynomial that passed are wrong, whatever their tags said. */
static void name_wrong(struct recover *r, const struct pl_combined *got)
{
    for (size_t i = 0; i < r->shares; i++) {
        struct pl_vc *vc = &r->w.fan.vc[r->from[i]];
        vc->seen->wrong = got->wrong[i];
        vc->seen->used = !got->wrong[i];
        if (got->wrong[i])
            pl_vc_fail(vc, PL_FAIL(SHARE_CHECK));
    }
}

static pl_err combine(struct recover *r)
{
    struct pl_crypto *c = r->w.app->crypto;
    struct pl_combined got;
    struct pl_split s = {.k = (uint8_t)r->d.m.k, .n = (uint8_t)r->d.m.n};
    uint8_t mac[32];
    memcpy(s.id, r->d.m.split_id, sizeof(s.id));
    size_t mark = pl_arena_mark(&r->arena);
    pl_err e = pl_share_combine(c, &got, &s, r->share, r->shares, &r->arena);
    if (e == PL_OK) {
        name_wrong(r, &got);
        e = pl_descriptor_mac(c, mac, got.mac_key, r->d.text);
    }
    if (e == PL_OK && !pl_ct_eq(mac, r->d.mac, sizeof(mac)))
        e = PL_FAIL(DESCRIPTOR_MAC);
    pl_secret_free(&r->secret);
    if (e == PL_OK)
        e = pl_secret_new(&r->secret, got.secret.n);
    if (e == PL_OK)
        memcpy(r->secret.p, got.secret.p, got.secret.n);
    pl_arena_release(&r->arena, mark);
    return e;
}

static size_t possible(const struct recover *r)
{
    size_t n = 0;
    for (size_t i = 0; i < r->w.fan.n; i++)
        n += r->w.fan.vc[i].state != PL_VC_FAILED;
    return n;
}

/* Whose hardware gave the shares: how many vendors' it is. */
static unsigned vendors(const struct recover *r)
{
    const struct pl_vc *vc = r->w.fan.vc;
    unsigned n = 0;
    for (size_t i = 0; i < r->shares; i++) {
        bool known = false;
        for (size_t j = 0; j < i; j++)
            known |= pl_same_vendor(&vc[r->from[i]], &vc[r->from[j]]);
        n += !known;
    }
    return n;
}

/* A wrong share among exactly k is detected, not named: then one more is waited for. */
static void try_combine(struct recover *r)
{
    if (r->shares < r->need || r->shares == r->tried || vendors(r) < r->vendors)
        return;
    r->tried = r->shares;
    pl_err e = combine(r);
    bool more = pl_err_code(e) == PL_E_SHARE_CHECK;
    if (!more)
        r->verdict = e;
    if (e == PL_OK && r->linger_ms) {
        int64_t until = pl_now_ms() + r->linger_ms;
        if (until < r->w.fan.deadline_ms)
            r->w.fan.deadline_ms = until;
        r->linger_ms = 0;
        r->lingers = true;
    }
}

/* It cannot be any more: the others get a moment, so that the report says of each why. */
static void hurry(struct recover *r)
{
    int64_t until = pl_now_ms() + HURRY_MS;
    if (r->verdict || r->hurries || possible(r) >= r->need)
        return;
    r->hurries = true;
    if (until < r->w.fan.deadline_ms)
        r->w.fan.deadline_ms = until;
}

static bool step(struct pl_work *w)
{
    struct recover *r = (struct recover *)(void *)w;
    pl_fan_step(&w->fan);
    try_combine(r);
    hurry(r);
    bool settled = pl_fan_settled(&w->fan);
    if (r->verdict && (!r->lingers || settled || r->verdict != PL_OK))
        pl_work_result(w, r->verdict);
    else if (settled)
        pl_work_result(w, r->tried ? PL_FAIL(SHARE_CHECK) : PL_FAIL(RECOVER_FEW));
    return w->done;
}

static const struct pl_fan_events events = {on_ready, on_answer, NULL};

pl_err pl_recover_new(struct recover **out, struct pl_app *app)
{
    *out = NULL;
    struct recover *r = calloc(1, sizeof(*r));
    PL_REQUIRE(r, NO_MEMORY);
    pl_err e = pl_work_begin(&r->w, app);
    if (e != PL_OK) {
        free(r);
        return e;
    }
    r->w.end = pl_recover_end;
    r->w.step = step;
    r->w.fan.events = &events;
    *out = r;
    return PL_OK;
}

pl_err pl_recover_start(struct pl_work **out, struct pl_app *app,
                        const struct pl_recover_order *order)
{
    struct recover *r;
    *out = NULL;
    PL_TRY(pl_recover_new(&r, app));
    pl_err e = pl_recover_open(r, order);
    if (e != PL_OK)
        pl_work_result(&r->w, e);
    *out = &r->w;
    return PL_OK;
}

pl_err pl_recover_finish(struct pl_work *w, struct pl_secret *out, struct pl_report *report)
{
    struct recover *r = (struct recover *)(void *)w;
    pl_work_result(w, PL_FAIL(NET_CANCELLED));
    pl_err e = w->result;
    *out = (struct pl_secret){0};
    if (e == PL_OK) {
        *out = r->secret;
        r->secret = (struct pl_secret){0};
    }
    pl_secret_free(&r->secret);
    if (report)
        *report = w->report;
    w->end(w);
    return e;
}

pl_err pl_recover(struct pl_app *app, const struct pl_recover_order *order, struct pl_secret *out,
                  struct pl_report *report)
{
    struct pl_work *w;
    *out = (struct pl_secret){0};
    if (report)
        memset(report, 0, sizeof(*report));
    PL_TRY(pl_recover_start(&w, app, order));
    pl_work_run(w);
    return pl_recover_finish(w, out, report);
}
