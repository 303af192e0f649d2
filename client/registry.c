/* Discovery: signed entries of vaults, from a file or from a registry. Whoever serves them is
 * nobody: what counts is verified here, and what is limited is how much of it is listened to. */
#include "client/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_BYTES = 16 * 1024 * 1024, PATH_BYTES = 512, GROW = 64 };

struct registry {
    struct pl_work w; /* first */
    const struct pl_registry_order *order;
    struct pl_registry_list list;
    struct pl_tls_ctx *tls;
    struct pl_link *link; /* NULL: closed */
    char address[256], next[65];
    const char *form; /* what is wrong with a page's form; "" */
    void *mem;        /* scratch of a page and of one entry in it */
    size_t mem_n;
};

/* ---- one entry ---- */

static bool is_label(const struct pl_spans *labels, const char *wanted)
{
    for (size_t i = 0; i < labels->n; i++)
        if (pl_span_is(labels->v[i], wanted))
            return true;
    return false;
}

static bool is_listed_by_owner(const struct pl_registry_order *o, const uint8_t *vault_id)
{
    for (size_t i = 0; i < o->vaults; i++)
        if (memcmp(o->vault_id[i], vault_id, PL_ID_BYTES) == 0)
            return true;
    return o->vaults == 0;
}

/* A registry that does not filter, or filters falsely, is corrected here. */
static bool wanted(const struct pl_registry_order *o, const struct pl_api_vault_entry *m)
{
    return is_listed_by_owner(o, m->vault_id) && (!o->tee || strcmp(o->tee, m->tee) == 0) &&
           (!o->measurement || strcmp(o->measurement, m->measurement) == 0) &&
           (!o->label || is_label(&m->labels, o->label));
}

static pl_err copy(struct pl_registry_entry *out, const struct pl_api_vault_entry *m,
                   struct pl_span carrier)
{
    struct pl_wr labels = pl_wr_fixed(out->labels, sizeof(out->labels) - 1);
    struct pl_span at = m->endpoints.v[0];
    char *kept = malloc(carrier.n + 1);
    PL_REQUIRE(kept, NO_MEMORY);
    memcpy(kept, carrier.p, carrier.n);
    kept[carrier.n] = 0;
    *out = (struct pl_registry_entry){.serial = m->serial,
                                      .not_before_s = m->not_before,
                                      .not_after_s = m->not_after,
                                      .carrier = kept};
    memcpy(out->place.vault_id, m->vault_id, sizeof(m->vault_id));
    memcpy(out->config_root, m->config_root, sizeof(m->config_root));
    snprintf(out->place.endpoint, sizeof(out->place.endpoint), "%.*s", (int)at.n,
             (const char *)at.p);
    snprintf(out->tee, sizeof(out->tee), "%s", m->tee);
    snprintf(out->measurement, sizeof(out->measurement), "%s", m->measurement);
    for (size_t i = 0; i < m->labels.n; i++) {
        if (i)
            pl_wr_u8(&labels, ',');
        pl_wr_bytes(&labels, m->labels.v[i]);
    }
    return PL_OK; /* labels that do not fit cannot be: 16 of at most 64 bytes */
}

/* A place for one more at the end, zeroed. */
static pl_err grow(struct pl_registry_list *l)
{
    if (l->n % GROW == 0) {
        PL_REQUIRE(l->n < PL_LIMIT_REGISTRY_VAULTS, REGISTRY_LONG);
        struct pl_registry_entry *more = realloc(l->entry, (l->n + GROW) * sizeof(*more));
        PL_REQUIRE(more, NO_MEMORY);
        l->entry = more;
    }
    memset(&l->entry[l->n], 0, sizeof(*l->entry));
    return PL_OK;
}

static pl_err keep(struct pl_registry_list *l, const struct pl_api_vault_entry *m,
                   struct pl_span carrier, bool listed)
{
    struct pl_registry_entry fresh, *e = NULL;
    for (size_t i = 0; i < l->n && !e; i++)
        if (memcmp(l->entry[i].place.vault_id, m->vault_id, sizeof(m->vault_id)) == 0)
            e = &l->entry[i];
    if (e && m->serial <= e->serial) {
        e->listed |= listed && m->serial == e->serial;
        l->older += m->serial < e->serial;
        return PL_OK;
    }
    if (!e) {
        PL_TRY(grow(l));
        e = &l->entry[l->n];
    }
    PL_TRY(copy(&fresh, m, carrier));
    fresh.listed = listed;
    l->n += e == &l->entry[l->n];
    free(e->carrier);
    *e = fresh;
    return PL_OK;
}

/* What was seen earlier may well have ended meanwhile: not counted. */
static pl_err take_entry(struct registry *r, const struct pl_verifier *v, struct pl_span carrier,
                         struct pl_arena *scratch, bool listed)
{
    struct pl_vault_entry entry;
    struct pl_claims claims;
    pl_err e = pl_vault_entry_verify(v, &entry, &claims, carrier, scratch);
    if (e == PL_OK && wanted(r->order, &entry.said))
        return keep(&r->list, &entry.said, carrier, listed);
    if (e == PL_OK)
        r->list.other += listed;
    else if (pl_err_code(e) == PL_E_ENTRY_EXPIRED)
        r->list.expired += listed;
    else if (listed && r->list.bad++ == 0)
        r->list.bad_why = e;
    return PL_OK;
}

/* ---- one page ---- */

/* Pages stand in the order of vault ids, so a list that goes on forever cannot also go forward. */
static pl_err read_next(struct registry *r, const struct pl_api_entry_page *m)
{
    uint8_t id[PL_ID_BYTES];
    char before[65];
    memcpy(before, r->next, sizeof(before));
    r->next[0] = 0;
    if (!m->has_next)
        return PL_OK;
    PL_REQUIRE(m->entries.n > 0 && strcmp(m->next, before) > 0, REGISTRY_ANSWER);
    PL_REQUIRE(strlen(m->next) == 64, REGISTRY_ANSWER);
    PL_REQUIRE(pl_unhex(id, sizeof(id), pl_span_str(m->next)) == PL_OK, REGISTRY_ANSWER);
    memcpy(r->next, m->next, sizeof(r->next));
    return PL_OK;
}

/* Also of one entry alone, the file that a vault writes. */
static pl_err read_page(struct registry *r, struct pl_span page, bool listed)
{
    static const char alone[] = "{\"proof\"";
    struct pl_api_entry_page m;
    struct pl_app *app = r->w.app;
    struct pl_arena scratch = pl_arena(r->mem, r->mem_n);
    struct pl_api_in in = {.body = page, .scratch = &scratch};
    struct pl_verifier v = pl_trust_verifier(app->trust, app->crypto, &app->chains, pl_app_now());
    if (page.n > sizeof(alone) - 1 && memcmp(page.p, alone, sizeof(alone) - 1) == 0)
        return take_entry(r, &v, page, &scratch, listed);
    pl_err e = pl_api_read_entry_page(&m, &in);
    if (e != PL_OK && r->link)
        r->form = pl_code_text(pl_err_code(e));
    PL_REQUIRE(!*r->form, REGISTRY_ANSWER);
    PL_TRY(e);
    PL_TRY(read_next(r, &m));
    for (size_t i = 0; i < m.entries.n; i++) {
        size_t mark = pl_arena_mark(&scratch);
        PL_REQUIRE(pl_now_ms() < r->w.fan.deadline_ms, NET_DEADLINE);
        PL_TRY(take_entry(r, &v, m.entries.v[i], &scratch, listed));
        pl_arena_release(&scratch, mark);
    }
    return PL_OK;
}

/* ---- asking ---- */

static pl_err ask(struct registry *r)
{
    const struct pl_registry_order *o = r->order;
    const struct {
        const char *name, *value;
    } part[] = {{"tee", o->tee},
                {"measurement", o->measurement},
                {"label", o->label},
                {"page", *r->next ? r->next : NULL}};
    char path[PATH_BYTES] = "/v1/vaults";
    size_t n = strlen(path);
    uint32_t stream;
    for (size_t i = 0; i < sizeof(part) / sizeof(*part); i++)
        if (part[i].value)
            n += (size_t)snprintf(path + n, sizeof(path) - n, "%c%s=%s",
                                  strchr(path, '?') ? '&' : '?', part[i].name, part[i].value);
    const struct pl_request q = {.method = PL_LIT("GET"), .path = pl_span(path, n)};
    int64_t left = r->w.fan.deadline_ms - pl_now_ms();
    return pl_link_request(r->link, &stream, &q, left > 1 ? (unsigned)left : 1);
}

static void end(struct registry *r, pl_err e)
{
    char text[256];
    if (!r->w.done && e != PL_OK) {
        snprintf(text, sizeof(text), "page %zu%s%s", r->list.pages + 1, *r->form ? ": " : "",
                 r->form);
        pl_app_say(r->w.app, r->address, text);
    }
    pl_work_result(&r->w, e);
    if (r->link)
        pl_link_close(r->link);
}

/* A problem document, or anything else that is no page. */
static pl_err told(struct registry *r, struct pl_span body)
{
    struct pl_api_problem p;
    struct pl_arena scratch = pl_arena(r->mem, r->mem_n);
    struct pl_api_in in = {.body = body, .scratch = &scratch};
    PL_REQUIRE(pl_api_read_problem(&p, &in) == PL_OK, REGISTRY_ANSWER);
    enum pl_code code = pl_api_code_of(pl_span_str(p.code));
    PL_REQUIRE(code > PL_E_OK && code < PL_E_COUNT, REGISTRY_ANSWER);
    return pl_told_err(code);
}

static pl_err take_page(struct registry *r, const struct pl_response *a)
{
    if (a->status != 200)
        return told(r, a->body);
    PL_REQUIRE(r->list.pages < PL_LIMIT_REGISTRY_PAGES, REGISTRY_LONG);
    PL_TRY(read_page(r, a->body, true));
    r->list.pages++;
    if (*r->next)
        return ask(r);
    end(r, PL_OK);
    return PL_OK;
}

static pl_err on_established(struct pl_link *l) { return ask(pl_link_user(l)); }

static void on_response(struct pl_link *l, uint32_t stream, const struct pl_response *a, pl_err why)
{
    struct registry *r = pl_link_user(l);
    (void)stream;
    pl_err e = r->w.done ? PL_OK : a ? take_page(r, a) : why;
    if (e != PL_OK)
        end(r, e);
}

static void on_closed(struct pl_link *l, pl_err why)
{
    struct registry *r = pl_link_user(l);
    r->link = NULL;
    end(r, why == PL_OK ? PL_FAIL(NET_CLOSED) : why);
}

static pl_err open_link(struct registry *r)
{
    static const struct pl_link_events events = {on_established, on_response, on_closed};
    const struct pl_tls_config cfg = {.now = pl_app_tls_now}; /* no certificate: nobody asks */
    PL_TRY(pl_tls_ctx_new(&r->tls, r->w.app->crypto, &cfg));
    int64_t left = r->w.fan.deadline_ms - pl_now_ms();
    const struct pl_link_config link = {.address = r->address,
                                        .tls = r->tls,
                                        .events = &events,
                                        .user = r,
                                        .connect_ms = left > 1 ? (unsigned)left : 1};
    return pl_link_open(r->w.app->loop, &r->link, &link);
}

/* ---- the call ---- */

static bool is_word(const char *s, size_t max)
{
    size_t n = strlen(s);
    return n > 0 && n <= max && strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-._") == n;
}

static pl_err check_order(struct registry *r, const struct pl_registry_order *o)
{
    static const char scheme[] = "https://";
    const char *at = o->url ? o->url : "";
    PL_REQUIRE(o->known_bytes <= FILE_BYTES, JSON_LENGTH);
    PL_REQUIRE(!o->tee || is_word(o->tee, 32), REGISTRY_QUERY);
    PL_REQUIRE(!o->measurement || is_word(o->measurement, 128), REGISTRY_QUERY);
    PL_REQUIRE(!o->label || (strlen(o->label) <= 64 && pl_label_ok(pl_span_str(o->label))),
               REGISTRY_QUERY);
    if (strncmp(at, scheme, sizeof(scheme) - 1) == 0)
        at += sizeof(scheme) - 1;
    size_t n = strlen(at);
    n -= n > 0 && at[n - 1] == '/';
    PL_REQUIRE(n < sizeof(r->address), REGISTRY_URL);
    memcpy(r->address, at, n);
    PL_REQUIRE(!o->url || pl_endpoint_ok(pl_span_str(r->address)), REGISTRY_URL);
    return PL_OK;
}

static bool step(struct pl_work *w)
{
    struct registry *r = (struct registry *)(void *)w;
    pl_client_step(w->app->loop);
    if (!w->done && pl_now_ms() >= w->fan.deadline_ms)
        end(r, PL_FAIL(NET_DEADLINE));
    return w->done;
}

static void end_work(struct pl_work *w)
{
    struct registry *r = (struct registry *)(void *)w;
    if (r->link)
        pl_link_close(r->link);
    while (r->link) /* closing needs no peer: this ends */
        pl_client_step(w->app->loop);
    pl_tls_ctx_free(r->tls);
    pl_work_close(w);
    pl_registry_free(&r->list);
    free(r->mem);
    free(r);
}

static pl_err begin(struct registry *r, struct pl_app *app, const struct pl_registry_order *o)
{
    r->order = o;
    r->form = "";
    r->w.step = step;
    r->w.end = end_work;
    PL_TRY(check_order(r, o));
    r->mem_n = pl_api_scratch(PL_API_entry_page) + PL_VAULT_ENTRY_SCRATCH + 64;
    r->mem = malloc(r->mem_n);
    PL_REQUIRE(r->mem, NO_MEMORY);
    PL_TRY(pl_work_begin(&r->w, app));
    pl_kept_drop(app);
    r->w.fan.app = app;
    r->w.fan.deadline_ms = pl_now_ms() + (o->deadline_ms ? o->deadline_ms : PL_LIMIT_REGISTRY_MS);
    if (o->known_bytes)
        PL_TRY(read_page(r, pl_span(o->known, o->known_bytes), !o->url));
    r->next[0] = 0;
    if (o->url)
        return open_link(r);
    pl_work_result(&r->w, PL_OK);
    return PL_OK;
}

pl_err pl_registry_start(struct pl_work **out, struct pl_app *app,
                         const struct pl_registry_order *order)
{
    *out = NULL;
    struct registry *r = calloc(1, sizeof(*r));
    PL_REQUIRE(r, NO_MEMORY);
    pl_err e = begin(r, app, order);
    if (e == PL_OK)
        *out = &r->w;
    else
        end_work(&r->w);
    return e;
}

pl_err pl_registry_finish(struct pl_work *w, struct pl_registry_list *out)
{
    struct registry *r = (struct registry *)(void *)w;
    pl_work_result(w, PL_FAIL(NET_CANCELLED));
    pl_err e = w->result;
    *out = (struct pl_registry_list){0};
    if (e == PL_OK) {
        *out = r->list;
        r->list = (struct pl_registry_list){0};
    }
    w->end(w);
    return e;
}

pl_err pl_registry_read(struct pl_app *app, const struct pl_registry_order *order,
                        struct pl_registry_list *out)
{
    struct pl_work *w;
    *out = (struct pl_registry_list){0};
    PL_TRY(pl_registry_start(&w, app, order));
    pl_work_run(w);
    return pl_registry_finish(w, out);
}

pl_err pl_registry_page(char **out_json, const struct pl_registry_list *list)
{
    struct pl_span entry[PL_LIMIT_REGISTRY_PAGE];
    struct pl_wr w PL_CLEANUP(pl_wr_free) = pl_wr_heap(FILE_BYTES);
    const struct pl_api_entry_page m = {.entries = {entry, list->n}};
    *out_json = NULL;
    PL_REQUIRE(list->n <= PL_LIMIT_REGISTRY_PAGE, REGISTRY_LONG);
    for (size_t i = 0; i < list->n; i++)
        entry[i] = pl_span_str(list->entry[i].carrier);
    PL_TRY(pl_api_write_entry_page(&w, &m));
    pl_wr_u8(&w, 0);
    PL_TRY(pl_wr_end(&w));
    *out_json = strdup((const char *)w.p);
    PL_REQUIRE(*out_json, NO_MEMORY);
    return PL_OK;
}

void pl_registry_free(struct pl_registry_list *list)
{
    if (!list)
        return;
    for (size_t i = 0; i < list->n; i++)
        free(list->entry[i].carrier);
    free(list->entry);
    *list = (struct pl_registry_list){0};
}
