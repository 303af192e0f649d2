/* Many vaults in one loop, and one quote for all connections that wait for one. */
#include "client/internal.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

pl_err pl_fan_open(struct pl_fan *f, struct pl_app *app, size_t n)
{
    PL_REQUIRE(n > 0 && n <= PL_VAULTS_MAX, DESCRIPTOR_FORM);
    f->app = app;
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

size_t pl_fan_poll(struct pl_fan *f, struct pollfd *fds, size_t cap, int *out_timeout_ms)
{
    size_t n = pl_client_poll(f->app->loop, fds, cap, out_timeout_ms);
    int64_t left = f->deadline_ms - pl_now_ms();
    int most = left < 0 ? 0 : left > 60000 ? 60000 : (int)left + 1;
    if (*out_timeout_ms < 0 || *out_timeout_ms > most)
        *out_timeout_ms = most;
    return n;
}

/* ---- own evidence ---- */

static pl_err own_binding(struct pl_vc *vc, uint8_t out[static PL_BINDING_BYTES])
{
    struct pl_app *app = vc->fan->app;
    struct pl_session s = {.role = PL_ROLE_CALLER};
    PL_TRY(pl_link_exporter(vc->link, s.exporter, pl_session_role_text(PL_ROLE_CALLER)));
    memcpy(s.own_spki, app->spki_sha256, 32);
    memcpy(s.peer_spki, pl_link_peer(vc->link)->spki_sha256, 32);
    memcpy(s.own_claims, app->claims_sha256, 32);
    return pl_session_binding(app->crypto, out, &s);
}

static pl_err ask_session(struct pl_vc *vc, const struct pl_api_session *m)
{
    uint32_t stream;
    struct pl_wr body PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_NET_REQUEST_MAX);
    PL_TRY(pl_api_write_session(&body, m));
    int64_t left = vc->fan->deadline_ms - pl_now_ms();
    const struct pl_request r = {.method = PL_LIT("POST"),
                                 .path = PL_LIT("/v1/session"),
                                 .content_type = PL_LIT("application/json"),
                                 .body = pl_wr_span(&body)};
    vc->state = PL_VC_BINDING;
    return pl_link_request(vc->link, &stream, &r, left > 1 ? (unsigned)left : 1);
}

static void prove(struct pl_vc *vc, const struct pl_batch *batch, uint32_t index,
                  struct pl_span quote)
{
    struct pl_batch_proof proof;
    struct pl_span path[PL_BATCH_PATH_MAX];
    pl_batch_proof(batch, index, &proof);
    for (unsigned i = 0; i < proof.hashes; i++)
        path[i] = PL_ARR(proof.hash[i]);
    const struct pl_api_session m = {.has_count = true,
                                     .count = proof.count,
                                     .has_evidence = true,
                                     .evidence = quote,
                                     .has_index = true,
                                     .index = proof.index,
                                     .has_path = true,
                                     .path = {path, proof.hashes}};
    pl_err e = ask_session(vc, &m);
    if (e != PL_OK)
        pl_vc_fail(vc, e);
}

static pl_err quote_all(struct pl_fan *f, struct pl_batch *batch, struct pl_wr *quote)
{
    uint8_t binding[PL_BINDING_BYTES], report_data[PL_REPORT_DATA_BYTES];
    uint32_t index;
    pl_batch_init(batch);
    for (size_t i = 0; i < f->n; i++) {
        if (f->vc[i].state != PL_VC_BIND)
            continue;
        PL_TRY(own_binding(&f->vc[i], binding));
        PL_TRY(pl_batch_add(f->app->crypto, batch, binding, &index));
    }
    PL_TRY(pl_batch_seal(f->app->crypto, batch, report_data));
    return pl_tee_evidence(f->app->tee, quote, report_data, PL_QUOTE_MS);
}

static void bind_attested(struct pl_fan *f)
{
    struct pl_batch *batch = malloc(sizeof(*batch));
    struct pl_wr quote PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_TEE_EVIDENCE_MAX);
    pl_err e = batch ? quote_all(f, batch, &quote) : PL_FAIL(NO_MEMORY);
    uint32_t index = 0;
    for (size_t i = 0; i < f->n; i++) {
        if (f->vc[i].state != PL_VC_BIND)
            continue;
        if (e == PL_OK)
            prove(&f->vc[i], batch, index++, pl_wr_span(&quote));
        else
            pl_vc_fail(&f->vc[i], e);
    }
    free(batch);
}

static void bind_waiting(struct pl_fan *f)
{
    const struct pl_api_session nothing = {0};
    size_t waiting = 0;
    for (size_t i = 0; i < f->n; i++)
        waiting += f->vc[i].state == PL_VC_BIND;
    if (waiting && f->app->tee) {
        bind_attested(f);
        return;
    }
    for (size_t i = 0; waiting && i < f->n; i++) {
        struct pl_vc *vc = &f->vc[i];
        pl_err e = vc->state == PL_VC_BIND ? ask_session(vc, &nothing) : PL_OK;
        if (e != PL_OK)
            pl_vc_fail(vc, e);
    }
}

/* ---- the loop ---- */

static bool undecided(const struct pl_vc *vc)
{
    return vc->state != PL_VC_IDLE && vc->state != PL_VC_DONE && vc->state != PL_VC_FAILED;
}

void pl_fan_step(struct pl_fan *f)
{
    pl_client_step(f->app->loop);
    bind_waiting(f);
    if (pl_now_ms() < f->deadline_ms)
        return;
    for (size_t i = 0; i < f->n; i++)
        if (undecided(&f->vc[i]))
            pl_vc_fail(&f->vc[i], PL_FAIL(NET_DEADLINE));
}

bool pl_fan_settled(const struct pl_fan *f)
{
    for (size_t i = 0; i < f->n; i++)
        if (undecided(&f->vc[i]))
            return false;
    return true;
}

void pl_fan_close(struct pl_fan *f)
{
    for (size_t i = 0; i < f->n; i++) {
        struct pl_vc *vc = &f->vc[i];
        if (undecided(vc)) /* nobody waits for it any more; no failure either */
            vc->state = PL_VC_DONE;
        if (vc->link)
            pl_link_close(vc->link);
        pl_wr_free(&vc->body);
    }
    while (f->n && pl_client_links(f->app->loop) > 0) /* closing needs no peer: this ends */
        pl_client_step(f->app->loop);
    free(f->vc);
    f->vc = NULL;
    f->n = 0;
}
