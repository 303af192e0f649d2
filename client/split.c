/* Split: find vaults, create at all of them, write the descriptor, activate, rename.
 *
 * What is on the disk decides how an interruption ends (resume.c): a whole PATH.new leads on to
 * activation, a journal without it leads back. A round that some vault fails is undone and tried
 * with the vaults that are left. */
#include "client/place.h"
#include "client/split.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum phase { FIND = 0, CREATE, ACTIVATE, UNDO };

/* A vault that could take a share. */
struct candidate {
    const struct pl_grant_candidate *grant;
    uint8_t rank[32];
    bool chosen, prepared;
    unsigned share; /* which one */
    uint8_t handle[16], policy_sha256[32];
    struct pl_wr statement;
};

struct split {
    struct pl_work w; /* first */
    struct pl_split_order o;
    struct pl_split_files files;
    struct pl_grant_file *grant;
    char *own_grant; /* made by the owner for himself: never sent */
    struct candidate c[PL_VAULTS_MAX];
    enum phase phase;
    struct pl_journal journal;
    uint8_t link_secret[32], key_id[32], bound[32];
    struct pl_split s;
    struct pl_locked locked;
    uint8_t *mac_key, *y; /* in it */
    size_t y_bytes;
    pl_err undo_why;
};

static struct split *split_of(const struct pl_vc *vc) { return vc->fan->user; }
static size_t index_of(const struct pl_vc *vc) { return (size_t)(vc - vc->fan->vc); }
static void phase_deadline(struct split *s)
{
    s->w.fan.deadline_ms = pl_now_ms() + (s->o.deadline_ms ? s->o.deadline_ms : PL_SPLIT_MS);
}

/* ---- choosing vaults ---- */

/* May candidate i join those chosen? Two vaults on one machine are one. */
static bool fits(const struct split *s, size_t i, bool new_vendor)
{
    const struct pl_vc *me = &s->w.fan.vc[i];
    bool known_vendor = false;
    for (size_t j = 0; j < s->w.fan.n; j++) {
        const struct pl_vc *other = &s->w.fan.vc[j];
        if (!s->c[j].chosen)
            continue;
        if (pl_same_platform(me, other))
            return false;
        known_vendor |= pl_same_vendor(me, other);
    }
    return !new_vendor || !known_vendor;
}

/* The best ranked that is verified, not yet chosen, and fits; fan.n when there is none. */
static size_t best(const struct split *s, bool new_vendor)
{
    size_t found = s->w.fan.n;
    for (size_t i = 0; i < s->w.fan.n; i++) {
        bool free_ = s->w.fan.vc[i].state == PL_VC_DONE && !s->c[i].chosen;
        bool better = found == s->w.fan.n || memcmp(s->c[i].rank, s->c[found].rank, 32) < 0;
        if (free_ && better && fits(s, i, new_vendor))
            found = i;
    }
    return found;
}

/* Vendors first, as many as are asked for, then by rank. Returns how many were chosen. */
static unsigned choose(struct split *s)
{
    unsigned n = 0;
    for (size_t i = 0; i < s->w.fan.n; i++)
        s->c[i].chosen = false;
    while (n < s->o.n) {
        size_t i = best(s, n < s->o.vendors);
        if (i == s->w.fan.n)
            break;
        s->c[i].chosen = true;
        s->c[i].share = n++;
    }
    return n;
}

static bool outranks_chosen(const struct split *s, size_t i)
{
    for (size_t j = 0; j < s->w.fan.n; j++)
        if (s->c[j].chosen && memcmp(s->c[i].rank, s->c[j].rank, 32) < 0)
            return true;
    return false;
}

/* Until when is this one waited for, although enough others are there? One that has nothing to do
 * but to answer, and does not, is passed over. */
static int64_t patience(const struct pl_vc *vc)
{
    bool settled = vc->state == PL_VC_DONE || vc->state == PL_VC_FAILED;
    return settled ? 0 : vc->state == PL_VC_BIND ? INT64_MAX : vc->moved_ms + PL_HEDGE_MS;
}

/* Is one that could outrank those chosen still on its way? */
static bool better_pending(struct split *s)
{
    struct pl_fan *f = &s->w.fan;
    for (size_t i = 0; i < f->n; i++) {
        int64_t until = patience(&f->vc[i]);
        if (pl_now_ms() >= until || !outranks_chosen(s, i))
            continue;
        if (f->wake_ms == 0 || until < f->wake_ms)
            f->wake_ms = until;
    }
    return f->wake_ms != 0;
}

/* ---- shares ---- */

static pl_err draw_shares(struct split *s, struct pl_arena *a)
{
    uint8_t seeds[PL_SHARES_MAX * PL_X_SEED_BYTES];
    struct pl_span secret = pl_span(s->o.secret->p, s->o.secret->n);
    size_t n = pl_split_random_bytes(&s->s, secret.n);
    PL_TRY(pl_entropy(s->s.id, sizeof(s->s.id)));
    PL_TRY(pl_entropy(seeds, sizeof(seeds)));
    PL_TRY(pl_split_random_x(&s->s, pl_span(seeds, s->s.n * (size_t)PL_X_SEED_BYTES)));
    s->y = pl_arena_take(a, s->s.n * s->y_bytes);
    s->mac_key = pl_arena_take(a, PL_MAC_KEY_BYTES);
    uint8_t *random = pl_arena_take(a, n);
    PL_REQUIRE(s->y && s->mac_key && random, NO_MEMORY);
    PL_TRY(pl_entropy(random, n));
    memcpy(s->mac_key, random, PL_MAC_KEY_BYTES);
    return pl_share_split(s->w.app->crypto, s->y, &s->s, secret, pl_span(random, n), a);
}

static pl_err make_shares(struct split *s, unsigned n)
{
    s->s = (struct pl_split){.k = (uint8_t)s->o.k, .n = (uint8_t)n};
    s->y_bytes = pl_packed_bytes(s->o.secret->n);
    size_t need = n * s->y_bytes + pl_split_random_bytes(&s->s, s->o.secret->n) + s->y_bytes +
                  PL_SHAMIR_SCRATCH + 1024;
    pl_locked_unmap(&s->locked);
    PL_TRY(pl_locked_map(&s->locked, need));
    struct pl_arena a = pl_locked_arena(&s->locked);
    return draw_shares(s, &a);
}

static struct pl_share share_of(const struct split *s, const struct candidate *c)
{
    return (struct pl_share){s->s.x[c->share], pl_span(s->y + c->share * s->y_bytes, s->y_bytes)};
}

/* ---- create ---- */

static struct pl_commit commit_of(const struct split *s, const uint8_t vault_id[static 32])
{
    struct pl_commit what = {.generation = 0};
    memcpy(what.vault_id, vault_id, sizeof(what.vault_id));
    memcpy(what.key_id, s->key_id, sizeof(what.key_id));
    memcpy(what.split_id, s->s.id, sizeof(what.split_id));
    memcpy(what.bound, s->bound, sizeof(what.bound));
    return what;
}

static pl_err fill_create(struct split *s, const struct pl_vc *vc, struct pl_api_create *m)
{
    const struct candidate *c = &s->c[index_of(vc)];
    const struct pl_commit what = commit_of(s, vc->place.vault_id);
    struct pl_share_place place = {0};
    memcpy(place.vault_id, vc->place.vault_id, sizeof(place.vault_id));
    memcpy(place.split_id, s->s.id, sizeof(place.split_id));
    m->has_commitment = m->has_generation = m->has_share = m->has_tag = m->has_statements = true;
    m->type = "raw_share";
    PL_TRY(pl_commitment(s->w.app->crypto, m->commitment, PL_ARR(s->link_secret), &what));
    return pl_share_tag(s->w.app->crypto, m->tag, PL_ARR(s->link_secret), &place, share_of(s, c));
}

/* The body goes through locked memory; the copy on its way to the wire is wiped when it left. */
static pl_err send_create(struct split *s, struct pl_vc *vc)
{
    struct candidate *c = &s->c[index_of(vc)];
    struct pl_api_create m = {.statements = {&c->grant->grant, !s->own_grant}};
    struct pl_wr policy PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_POLICY_BYTES);
    struct pl_wr body PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_NET_REQUEST_MAX);
    struct pl_wr xy PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_SECRET_MAX + 128);
    struct pl_share share = share_of(s, c);
    PL_TRY(fill_create(s, vc, &m));
    PL_TRY(pl_grant_policy(&policy, s->grant->policy, s->grant->owner_name, c->grant->salt,
                           c->grant->owner_sha256));
    PL_TRY(pl_sha256_one(s->w.app->crypto, c->policy_sha256, pl_wr_span(&policy)));
    pl_wr_u8(&xy, share.x);
    pl_wr_bytes(&xy, share.y);
    PL_TRY(pl_wr_end(&xy));
    m.share = pl_wr_span(&xy);
    m.policy = pl_wr_span(&policy);
    PL_TRY(pl_api_write_create(&body, &m));
    pl_vc_ask(vc, "POST", "/v1/keys", pl_wr_span(&body));
    return PL_OK;
}

static pl_err new_idempotency(struct pl_vc *vc)
{
    uint8_t random[16];
    PL_TRY(pl_entropy(random, sizeof(random)));
    pl_hex(vc->idem, PL_ARR(random));
    return PL_OK;
}

static pl_err journal_targets(struct split *s)
{
    for (size_t i = 0; i < s->w.fan.n; i++)
        if (s->c[i].chosen)
            PL_TRY(pl_journal_target(&s->journal, &s->w.fan.vc[i].place));
    return PL_OK;
}

static pl_err begin_create(struct split *s, unsigned n)
{
    PL_TRY(make_shares(s, n));
    if (s->journal.fd < 0)
        PL_TRY(pl_journal_make(&s->journal, s->files.journal));
    PL_TRY(journal_targets(s));
    s->phase = CREATE;
    phase_deadline(s);
    for (size_t i = 0; i < s->w.fan.n; i++) {
        struct pl_vc *vc = &s->w.fan.vc[i];
        if (!s->c[i].chosen)
            continue;
        pl_err e = new_idempotency(vc);
        if (e == PL_OK)
            e = send_create(s, vc);
        if (e != PL_OK)
            pl_vc_fail(vc, e);
    }
    return PL_OK;
}

/* ---- what vaults answer ---- */

static pl_err check_created(struct split *s, struct pl_vc *vc, struct pl_span statement)
{
    struct candidate *c = &s->c[index_of(vc)];
    struct pl_crypto *crypto = s->w.app->crypto;
    const struct pl_commit what = commit_of(s, vc->place.vault_id);
    const struct pl_pub *listed = &vc->self.use[PL_USE_ATTESTATION];
    uint8_t commitment[32], policy[32];
    struct pl_pub signer;
    PL_TRY(pl_commitment(crypto, commitment, PL_ARR(s->link_secret), &what));
    PL_TRY(pl_key_statement_peek(crypto, c->handle, policy, statement));
    const struct pl_expected want = {.vault_id = vc->place.vault_id,
                                     .handle = c->handle,
                                     .policy_sha256 = c->policy_sha256,
                                     .owner_sha256 = c->grant->owner_sha256,
                                     .commitment = commitment};
    PL_TRY(pl_key_statement_check(crypto, &signer, statement, &want));
    PL_REQUIRE(signer.type == listed->type &&
                   memcmp(signer.raw, listed->raw, sizeof(signer.raw)) == 0,
               ANCHOR_STATEMENT);
    return PL_OK;
}

static pl_err take_created(struct pl_vc *vc, struct pl_api_in *in)
{
    struct split *s = split_of(vc);
    struct candidate *c = &s->c[index_of(vc)];
    struct pl_api_created m;
    PL_TRY(pl_api_read_created(&m, in));
    PL_TRY(check_created(s, vc, m.statement));
    PL_TRY(pl_journal_prepared(&s->journal, vc->place.vault_id, c->handle));
    pl_wr_free(&c->statement);
    c->statement = pl_wr_heap(PL_STATEMENT_BYTES * 2);
    pl_wr_bytes(&c->statement, m.statement);
    c->prepared = true;
    return pl_wr_end(&c->statement);
}

static pl_err take_receipt(struct pl_vc *vc, struct pl_api_in *in)
{
    struct split *s = split_of(vc);
    struct candidate *c = &s->c[index_of(vc)];
    struct pl_api_receipt m;
    PL_TRY(pl_api_read_receipt(&m, in));
    PL_REQUIRE(memcmp(m.handle, c->handle, sizeof(m.handle)) == 0, VAULT_ANSWER);
    snprintf(vc->seen->state, sizeof(vc->seen->state), "%s", m.state);
    if (s->phase == UNDO)
        c->prepared = false;
    else
        PL_REQUIRE(strcmp(m.state, "active") == 0, VAULT_ANSWER);
    return PL_OK;
}

static void on_answer(struct pl_vc *vc, struct pl_span body)
{
    pl_vc_take(vc, body, split_of(vc)->phase == CREATE ? take_created : take_receipt);
}

static void on_ready(struct pl_vc *vc)
{
    pl_vc_done(vc); /* verified and bound: a candidate */
    vc->seen->step = PL_STEP_SESSION;
}

static const struct pl_fan_events events = {on_ready, on_answer, NULL};

/* ---- the descriptor ---- */

static void fill_place(struct split *s, size_t i, struct pl_api_descriptor_vault *v,
                       struct pl_span *endpoint)
{
    const struct pl_vc *vc = &s->w.fan.vc[i];
    const struct candidate *c = &s->c[i];
    *endpoint = pl_span_str(vc->place.endpoint);
    *v = (struct pl_api_descriptor_vault){.certificate = c->grant->certificate,
                                          .endpoints = {endpoint, 1},
                                          .statement = pl_wr_span(&c->statement)};
    memcpy(v->handle, c->handle, sizeof(v->handle));
    memcpy(v->policy_sha256, c->policy_sha256, sizeof(v->policy_sha256));
    memcpy(v->profile_sha256, s->w.fan.anchor->profile_sha256[vc->profile], 32);
    memcpy(v->vault_id, vc->place.vault_id, sizeof(v->vault_id));
}

static pl_err write_inner(struct split *s, struct pl_wr *out)
{
    struct pl_api_descriptor_vault v[PL_VAULTS_MAX];
    struct pl_span endpoint[PL_VAULTS_MAX];
    struct pl_api_descriptor m = {.k = s->o.k, .n = s->s.n, .name = s->o.name};
    for (size_t i = 0; i < s->w.fan.n; i++)
        if (s->c[i].chosen)
            fill_place(s, i, &v[s->c[i].share], &endpoint[s->c[i].share]);
    m.vaults.v = v;
    m.vaults.n = s->s.n;
    memcpy(m.bound, s->bound, sizeof(m.bound));
    memcpy(m.key_id, s->key_id, sizeof(m.key_id));
    memcpy(m.link_secret, s->link_secret, sizeof(m.link_secret));
    memcpy(m.split_id, s->s.id, sizeof(m.split_id));
    return pl_api_write_descriptor(out, &m);
}

static pl_err write_descriptor(struct split *s)
{
    struct pl_wr inner PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_DESCRIPTOR_MAX);
    struct pl_wr file PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_DESCRIPTOR_MAX);
    struct pl_api_descriptor_file m;
    PL_TRY(write_inner(s, &inner));
    m.descriptor = pl_wr_span(&inner);
    PL_TRY(pl_descriptor_mac(s->w.app->crypto, m.mac, pl_span(s->mac_key, PL_MAC_KEY_BYTES),
                             m.descriptor));
    PL_TRY(pl_api_write_descriptor_file(&file, &m));
    return pl_file_write(s->files.fresh, pl_wr_span(&file), 0600, PL_FILE_NEW);
}

/* ---- phases ---- */

static void ask_chosen(struct split *s, const char *method, const char *rest)
{
    char path[96];
    phase_deadline(s);
    for (size_t i = 0; i < s->w.fan.n; i++) {
        struct pl_vc *vc = &s->w.fan.vc[i];
        if (!s->c[i].prepared || vc->state != PL_VC_DONE)
            continue;
        pl_key_path(path, s->c[i].handle, rest);
        if (new_idempotency(vc) != PL_OK)
            vc->idem[0] = 0; /* the request is then not repeated */
        pl_vc_ask(vc, method, path, *rest ? PL_LIT("{}") : (struct pl_span){0});
    }
}

/* A vault that was passed over may be silent for as long as it likes. */
static bool chosen_settled(const struct split *s)
{
    for (size_t i = 0; i < s->w.fan.n; i++) {
        enum pl_vc_state state = s->w.fan.vc[i].state;
        if (s->c[i].chosen && state != PL_VC_DONE && state != PL_VC_FAILED)
            return false;
    }
    return true;
}

static bool chosen_failed(const struct split *s)
{
    for (size_t i = 0; i < s->w.fan.n; i++)
        if (s->c[i].chosen && s->w.fan.vc[i].state == PL_VC_FAILED)
            return true;
    return false;
}

static pl_err after_find(struct split *s)
{
    bool settled = pl_fan_settled(&s->w.fan);
    unsigned n = choose(s);
    s->w.fan.wake_ms = 0;
    if (!settled && (n < s->o.n || better_pending(s)))
        return PL_OK;
    unsigned least = s->o.min_vaults ? s->o.min_vaults : s->o.n;
    PL_REQUIRE(n >= least && n >= s->o.k && n >= s->o.vendors, SPLIT_FEW);
    return begin_create(s, n);
}

static pl_err after_create(struct split *s)
{
    if (chosen_failed(s)) { /* one that failed for good is out; the others begin anew */
        s->phase = UNDO;
        ask_chosen(s, "DELETE", "");
        return PL_OK;
    }
    PL_TRY(write_descriptor(s));
    s->phase = ACTIVATE;
    ask_chosen(s, "POST", "/activate");
    return PL_OK;
}

static pl_err after_activate(struct split *s)
{
    PL_REQUIRE(!chosen_failed(s), SPLIT_FEW); /* the descriptor stays: resume leads on */
    for (size_t i = 0; i < s->w.fan.n; i++)
        s->w.fan.vc[i].seen->used = s->c[i].chosen;
    PL_TRY(pl_split_commit(&s->files));
    pl_work_result(&s->w, PL_OK);
    return PL_OK;
}

/* What could not be dropped lapses within the hour; such a vault is not asked again now. */
static pl_err after_undo(struct split *s)
{
    for (size_t i = 0; i < s->w.fan.n; i++) {
        if (s->c[i].prepared && s->w.fan.vc[i].state == PL_VC_DONE)
            pl_vc_fail(&s->w.fan.vc[i], PL_FAIL(VAULT_ANSWER));
        s->c[i].prepared = false;
    }
    s->phase = FIND;
    return after_find(s);
}

static bool step(struct pl_work *w)
{
    static pl_err (*const after[])(struct split * s) = {[FIND] = after_find,
                                                        [CREATE] = after_create,
                                                        [ACTIVATE] = after_activate,
                                                        [UNDO] = after_undo};
    struct split *s = (struct split *)(void *)w;
    pl_fan_step(&w->fan);
    if (s->phase == FIND || chosen_settled(s)) {
        pl_err e = after[s->phase](s);
        if (e != PL_OK)
            pl_work_result(w, e);
    }
    return w->done;
}

/* ---- start ---- */

static pl_err check_order(const struct pl_split_order *o)
{
    PL_REQUIRE(o->anchor, ANCHOR_FORM);
    PL_REQUIRE(o->k >= 2 && o->k <= o->n && o->n <= PL_VAULTS_MAX, SHARE_PARAMS);
    PL_REQUIRE(o->min_vaults <= o->n, SHARE_PARAMS);
    PL_REQUIRE(o->secret && o->secret->n > 0, SECRET_EMPTY);
    PL_REQUIRE(o->name && *o->name && strlen(o->name) <= PL_NAME_MAX, DESCRIPTOR_FORM);
    return PL_OK;
}

static pl_err check_files(struct split *s)
{
    PL_TRY(pl_split_paths(&s->files, s->o.descriptor));
    PL_REQUIRE(!pl_file_there(s->files.fresh) && !pl_file_there(s->files.journal),
               SPLIT_UNFINISHED);
    PL_REQUIRE(!pl_file_there(s->files.final), FILE_EXISTS);
    return PL_OK;
}

/* The owner's keys, salts and certificates for these vaults, in the form that apps have them in.
 * The vaults see none of it but his key on the channel, which is consent enough. */
static pl_err own_grant(struct split *s)
{
    const struct pl_app *app = s->w.app;
    uint8_t id[PL_VAULTS_MAX][PL_ID_BYTES];
    PL_REQUIRE(app->owner && s->o.policy && s->o.owner_name && s->o.anchor->has_instance,
               SPLIT_GRANT);
    /* Whoever could fill the list would choose whom he signs for if it were cut. */
    PL_REQUIRE(s->o.places <= PL_VAULTS_MAX, SPLIT_GRANT);
    for (size_t i = 0; i < s->o.places; i++)
        memcpy(id[i], s->o.place[i].vault_id, sizeof(id[i]));
    const struct pl_grant_spec spec = {.name = "own",
                                       .owner_name = s->o.owner_name,
                                       .policy = s->o.policy,
                                       .policy_bytes = s->o.policy_bytes,
                                       .instance_id = s->o.anchor->id,
                                       .requester = s->o.anchor->owner_sha256,
                                       .count = 1,
                                       .vault_id = (const uint8_t(*)[PL_ID_BYTES])id,
                                       .vaults = s->o.places,
                                       .owner_key = app->owner_file};
    PL_TRY(pl_grant_make(&s->own_grant, s->w.app, &spec));
    s->o.grant = s->own_grant;
    s->o.grant_bytes = strlen(s->own_grant);
    return PL_OK;
}

static pl_err read_grant(struct split *s)
{
    const struct pl_anchor *a = s->o.anchor;
    struct pl_crypto *c = s->w.app->crypto;
    if (!s->o.grant)
        PL_TRY(own_grant(s));
    s->grant = malloc(sizeof(*s->grant));
    PL_REQUIRE(s->grant, NO_MEMORY);
    PL_TRY(pl_grant_read(c, s->grant, pl_span(s->o.grant, s->o.grant_bytes)));
    PL_REQUIRE(memcmp(s->grant->owner_sha256, a->owner_sha256, 32) == 0, SPLIT_GRANT);
    PL_REQUIRE(!a->has_instance || memcmp(s->grant->instance_id, a->id, 32) == 0, SPLIT_GRANT);
    PL_TRY(pl_key_id(c, s->key_id, s->grant->instance_id, pl_span_str(s->o.name)));
    return pl_anchor_key(c, a, s->o.name, s->key_id);
}

static const struct pl_grant_candidate *granted(const struct split *s, const uint8_t *vault_id)
{
    for (size_t i = 0; i < s->grant->candidates; i++)
        if (memcmp(s->grant->candidate[i].vault_id, vault_id, 32) == 0)
            return &s->grant->candidate[i];
    return NULL;
}

/* Places that the owner listed, each vault once. */
static size_t list_places(const struct split *s, const struct pl_place **out)
{
    size_t n = 0;
    for (size_t i = 0; i < s->o.places && n < PL_VAULTS_MAX; i++) {
        bool known = !granted(s, s->o.place[i].vault_id);
        for (size_t j = 0; j < n; j++)
            known |= memcmp(out[j]->vault_id, s->o.place[i].vault_id, 32) == 0;
        if (!known)
            out[n++] = &s->o.place[i];
    }
    return n;
}

static pl_err find(struct split *s)
{
    const struct pl_place *place[PL_VAULTS_MAX];
    size_t n = list_places(s, place);
    PL_REQUIRE(n > 0, SPLIT_FEW);
    PL_TRY(pl_entropy(s->link_secret, sizeof(s->link_secret)));
    PL_TRY(pl_fan_open(&s->w.fan, s->w.app, n));
    phase_deadline(s);
    for (size_t i = 0; i < n; i++) {
        const struct pl_span id = PL_ARR(place[i]->vault_id);
        s->c[i].grant = granted(s, place[i]->vault_id);
        PL_TRY(pl_hmac(s->w.app->crypto, s->c[i].rank, PL_ARR(s->link_secret), &id, 1));
        pl_fan_place(&s->w.fan, i, place[i]);
        pl_fan_connect(&s->w.fan, i);
    }
    return PL_OK;
}

static pl_err open_split(struct split *s)
{
    PL_TRY(check_order(&s->o));
    PL_TRY(check_files(s));
    if (s->o.bound)
        memcpy(s->bound, s->o.bound, sizeof(s->bound));
    s->w.fan.anchor = s->o.anchor;
    s->w.fan.events = &events;
    s->w.fan.user = s;
    PL_TRY(read_grant(s));
    return find(s);
}

static void end(struct pl_work *w)
{
    struct split *s = (struct split *)(void *)w;
    pl_work_close(w);
    pl_journal_close(&s->journal);
    pl_locked_unmap(&s->locked);
    for (size_t i = 0; i < PL_VAULTS_MAX; i++)
        pl_wr_free(&s->c[i].statement);
    free(s->grant);
    free(s->own_grant);
    pl_wipe(s->link_secret, sizeof(s->link_secret));
    free(s);
}

pl_err pl_split_start(struct pl_work **out, struct pl_app *app, const struct pl_split_order *order)
{
    *out = NULL;
    struct split *s = calloc(1, sizeof(*s));
    PL_REQUIRE(s, NO_MEMORY);
    pl_err e = pl_work_begin(&s->w, app);
    if (e != PL_OK) {
        free(s);
        return e;
    }
    s->o = *order;
    s->journal.fd = -1;
    s->w.end = end;
    s->w.step = step;
    e = open_split(s);
    if (e != PL_OK)
        pl_work_result(&s->w, e);
    *out = &s->w;
    return PL_OK;
}

pl_err pl_split_finish(struct pl_work *w, struct pl_report *report)
{
    struct split *s = (struct split *)(void *)w;
    pl_work_result(w, PL_FAIL(NET_CANCELLED));
    pl_err e = w->result;
    /* Nothing is prepared anywhere and no descriptor was written: nothing to resume. */
    if (e != PL_OK && s->phase == FIND && s->journal.fd >= 0 && pl_split_forget(&s->files) != PL_OK)
        pl_app_say(w->app, s->files.journal, "could not be removed");
    if (report)
        *report = w->report;
    w->end(w);
    return e;
}

pl_err pl_split(struct pl_app *app, const struct pl_split_order *order, struct pl_report *report)
{
    struct pl_work *w;
    if (report)
        memset(report, 0, sizeof(*report));
    PL_TRY(pl_split_start(&w, app, order));
    pl_work_run(w);
    return pl_split_finish(w, report);
}
