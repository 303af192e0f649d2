/* Requests: entries in, entries out. Whoever connects is a stranger; what is believed is signed. */
#include "registryd.h"

#include "api/api.h"

#include <stdlib.h>
#include <string.h>

struct worker {
    struct registryd *r;
    struct pl_worker *w;
    struct store *st;
    struct pl_chain_cache chains;
    uint8_t scratch[PL_VAULT_ENTRY_SCRATCH];
};

/* One request on its way to its answer. */
struct call {
    struct worker *w;
    struct pl_conn *c;
    const struct pl_request *r;
    uint8_t vault_id[PL_SHA256_BYTES]; /* of the path */
    int64_t now_s;
    struct pl_wr body; /* of the answer */
    int status;
    char pointer[PL_JSON_POINTER_MAX];
};

static void call_free(struct call *k) { pl_wr_free(&k->body); }

/* ---- what is asked for ---- */

static pl_err hex_id(uint8_t out[static PL_SHA256_BYTES], struct pl_span text)
{
    PL_REQUIRE(text.n == 2 * PL_SHA256_BYTES, NO_ROUTE);
    PL_REQUIRE(pl_unhex(out, PL_SHA256_BYTES, text) == PL_OK, NO_ROUTE);
    return PL_OK;
}

/* "=" inside a value may come as %3D, the only escape that a label can need. */
static struct pl_span unescape(uint8_t *at, struct pl_span v)
{
    size_t n = 0;
    for (size_t i = 0; i < v.n; i++, n++) {
        bool escaped = v.n - i >= 3 && v.p[i] == '%' && v.p[i + 1] == '3' &&
                       (v.p[i + 2] == 'D' || v.p[i + 2] == 'd');
        at[n] = escaped ? '=' : v.p[i];
        i += escaped ? 2 : 0;
    }
    return pl_span(at, n);
}

struct parsed_query {
    struct store_query q;
    uint8_t text[256]; /* what q borrows */
    size_t used;
};

static pl_err query_field(struct parsed_query *p, struct pl_span name, struct pl_span value)
{
    struct pl_span *into = pl_span_is(name, "tee")           ? &p->q.tee
                           : pl_span_is(name, "measurement") ? &p->q.measurement
                           : pl_span_is(name, "label")       ? &p->q.label
                                                             : NULL;
    PL_REQUIRE(value.n > 0 && value.n <= sizeof(p->text) - p->used, REGISTRY_QUERY);
    if (into) {
        PL_REQUIRE(!into->p, REGISTRY_QUERY);
        *into = unescape(p->text + p->used, value);
        p->used += into->n;
        return PL_OK;
    }
    PL_REQUIRE(pl_span_is(name, "page") && !p->q.has_after, REGISTRY_QUERY);
    p->q.has_after = true;
    PL_REQUIRE(hex_id(p->q.after, value) == PL_OK, REGISTRY_QUERY);
    return PL_OK;
}

static size_t find(struct pl_span s, char c)
{
    const void *at = s.n ? memchr(s.p, c, s.n) : NULL;
    return at ? (size_t)((const uint8_t *)at - s.p) : s.n;
}

static pl_err parse_query(struct parsed_query *p, struct pl_span text)
{
    *p = (struct parsed_query){0};
    while (text.n > 0) {
        size_t n = find(text, '&');
        struct pl_span pair = pl_span(text.p, n);
        size_t eq = find(pair, '=');
        PL_REQUIRE(eq < pair.n, REGISTRY_QUERY);
        PL_TRY(query_field(p, pl_span(pair.p, eq), pl_span(pair.p + eq + 1, pair.n - eq - 1)));
        text = n < text.n ? pl_span(text.p + n + 1, text.n - n - 1) : pl_span(NULL, 0);
    }
    return PL_OK;
}

/* ---- the four calls ---- */

static pl_err list(struct call *k, struct pl_span query)
{
    struct parsed_query p;
    PL_TRY(parse_query(&p, query));
    return store_page(k->w->st, &p.q, k->now_s, &k->body);
}

static pl_err get(struct call *k) { return store_get(k->w->st, k->vault_id, k->now_s, &k->body); }

/* What the entry says, and the evidence in it, as any client will check it again. */
static pl_err verify(struct call *k, struct pl_arena *scratch, struct pl_vault_entry *out,
                     struct pl_claims *claims)
{
    struct worker *w = k->w;
    struct pl_verifier v =
        pl_trust_verifier(w->r->trust, pl_worker_crypto(w->w), &w->chains, registryd_now());
    return pl_vault_entry_verify(&v, out, claims, k->r->body, scratch);
}

static pl_err post(struct call *k)
{
    struct pl_vault_entry e;
    struct pl_claims claims;
    struct pl_arena scratch = pl_arena(k->w->scratch, sizeof(k->w->scratch));
    bool fresh;
    PL_REQUIRE(pl_conn_budget(k->c, 1), PEER_BUDGET);
    PL_TRY(verify(k, &scratch, &e, &claims));
    struct listing l = {
        .vault_id = e.said.vault_id,
        .serial = e.said.serial,
        .expires_s = claims.latest_s,
        .tee = e.said.tee,
        .measurement = e.said.measurement,
        .platform = pl_span(claims.platform_id, claims.platform_id_n),
        .labels = e.said.labels,
        .carrier = k->r->body,
    };
    l.registry_spki_n = pl_pub_to_spki(l.registry_spki, &e.self.use[PL_USE_REGISTRY]);
    PL_TRY(store_put(k->w->st, &l, k->now_s, &fresh));
    atomic_fetch_add(&k->w->r->listed, fresh);
    atomic_fetch_add(&k->w->r->accepted, 1);
    k->status = fresh ? 201 : 200;
    pl_wr_bytes(&k->body, PL_LIT("{}"));
    return pl_wr_end(&k->body);
}

static pl_err leave(struct call *k)
{
    struct pl_pub key;
    struct pl_api_vault_leave m;
    PL_REQUIRE(pl_conn_budget(k->c, 1), PEER_BUDGET);
    PL_TRY(store_key(k->w->st, k->vault_id, k->now_s, &key));
    PL_TRY(pl_vault_leave_read(pl_worker_crypto(k->w->w), &m, &key, k->r->body));
    PL_REQUIRE(memcmp(m.vault_id, k->vault_id, sizeof(m.vault_id)) == 0, ENTRY_SIGNER);
    PL_TRY(store_leave(k->w->st, m.vault_id, m.serial, k->now_s));
    atomic_fetch_add(&k->w->r->left, 1);
    pl_wr_bytes(&k->body, PL_LIT("{}"));
    return pl_wr_end(&k->body);
}

/* ---- routes and answers ---- */

static pl_err check_body(const struct pl_request *r)
{
    static const char json[] = "application/json";
    PL_REQUIRE(r->body.n <= PL_LIMIT_REGISTRY_BODY_BYTES, REGISTRY_BODY);
    PL_REQUIRE(r->body.n == 0 || (r->content_type.n >= sizeof(json) - 1 &&
                                  memcmp(r->content_type.p, json, sizeof(json) - 1) == 0),
               CONTENT_TYPE);
    return PL_OK;
}

static pl_err route_list(struct call *k, struct pl_span query)
{
    if (pl_span_is(k->r->method, "GET"))
        return list(k, query);
    PL_REQUIRE(query.n == 0, REGISTRY_QUERY);
    PL_REQUIRE(pl_span_is(k->r->method, "POST"), METHOD);
    return post(k);
}

static pl_err route_one(struct call *k, struct pl_span id)
{
    PL_TRY(hex_id(k->vault_id, id));
    if (pl_span_is(k->r->method, "GET"))
        return get(k);
    PL_REQUIRE(pl_span_is(k->r->method, "DELETE"), METHOD);
    return leave(k);
}

static pl_err route(struct call *k)
{
    static const char base[] = "/v1/vaults";
    const size_t base_n = sizeof(base) - 1;
    struct pl_span path = k->r->path;
    size_t n = find(path, '?');
    struct pl_span query = n < path.n ? pl_span(path.p + n + 1, path.n - n - 1) : pl_span(NULL, 0);
    path.n = n;
    PL_TRY(check_body(k->r));
    PL_REQUIRE(path.n >= base_n && memcmp(path.p, base, base_n) == 0, NO_ROUTE);
    if (path.n == base_n)
        return route_list(k, query);
    PL_REQUIRE(path.p[base_n] == '/' && query.n == 0, NO_ROUTE);
    return route_one(k, pl_span(path.p + base_n + 1, path.n - base_n - 1));
}

static void send_answer(struct call *k, pl_conn_id conn, uint32_t stream, struct pl_response *a)
{
    pl_err e = pl_respond(k->w->w, conn, stream, a);
    if (e != PL_OK && pl_err_code(e) != PL_E_NET_STREAM_GONE)
        pl_event_error("answer", NULL, e);
}

static void answer_problem(struct call *k, uint32_t stream, pl_err why)
{
    struct pl_api_problem p;
    struct pl_problem_text text;
    struct pl_wr body PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_NET_REQUEST_MAX);
    pl_api_problem(&p, &text, pl_err_code(why));
    if (pl_entropy(p.request_id, sizeof(p.request_id)) != PL_OK ||
        pl_api_write_problem(&body, &p) != PL_OK)
        body.n = 0;
    struct pl_response a = {
        .status = pl_code_http(pl_err_code(why)),
        .content_type = PL_LIT("application/problem+json"),
        .body = pl_wr_span(&body),
    };
    a.retry_after_s = a.status == 429 || a.status == 503 ? 1 : 0;
    if (!pl_span_is(k->r->method, "GET"))
        atomic_fetch_add(&k->w->r->refused, 1);
    if (pl_err_class(why) == PL_C_STORAGE)
        pl_event_error("store", NULL, why);
    send_answer(k, pl_conn_id_of(k->c), stream, &a);
}

/* A strong validator: the same bytes, the same tag. */
static pl_err etag_of(struct call *k, struct pl_wr *tag)
{
    uint8_t digest[PL_SHA256_BYTES];
    PL_TRY(pl_sha256_one(pl_worker_crypto(k->w->w), digest, pl_wr_span(&k->body)));
    pl_wr_u8(tag, '"');
    pl_wr_b64u(tag, pl_span(digest, 16));
    pl_wr_u8(tag, '"');
    return pl_wr_end(tag);
}

static pl_err answer(struct call *k, uint32_t stream)
{
    uint8_t tag_buf[64];
    struct pl_wr tag = pl_wr_fixed(tag_buf, sizeof(tag_buf));
    struct pl_response a = {.status = k->status, .body = pl_wr_span(&k->body)};
    if (pl_span_is(k->r->method, "GET")) {
        PL_TRY(etag_of(k, &tag));
        a.etag = pl_wr_span(&tag);
        if (pl_span_eq(k->r->if_none_match, a.etag)) {
            a.status = 304;
            a.body = pl_span(NULL, 0);
        }
    }
    send_answer(k, pl_conn_id_of(k->c), stream, &a);
    return PL_OK;
}

static void on_request(struct pl_conn *c, uint32_t stream, const struct pl_request *r)
{
    struct call k PL_CLEANUP(call_free) = {.w = pl_worker_arg(pl_conn_worker(c)),
                                           .c = c,
                                           .r = r,
                                           .status = 200,
                                           .body = pl_wr_heap(PL_NET_RESPONSE_MAX)};
    pl_err e = pl_clock_wall(&k.now_s);
    if (e == PL_OK)
        e = route(&k);
    if (e == PL_OK)
        e = answer(&k, stream);
    if (e != PL_OK)
        answer_problem(&k, stream, e);
}

/* ---- the handler ---- */

static pl_err on_established(struct pl_conn *c, bool *out_resumable)
{
    (void)c;
    *out_resumable = false;
    return PL_OK;
}

static pl_err on_start(void *arg, struct pl_worker *pw, void **out)
{
    struct registryd *r = arg;
    struct worker *w = calloc(1, sizeof(*w));
    PL_REQUIRE(w, NO_MEMORY);
    *w = (struct worker){.r = r, .w = pw};
    pl_err e = store_open(&w->st, r->db, r->max);
    if (e != PL_OK) {
        free(w);
        return e;
    }
    *out = w;
    return PL_OK;
}

static void on_stop(struct pl_worker *pw)
{
    struct worker *w = pl_worker_arg(pw);
    store_close(w->st);
    free(w);
}

const struct pl_handler registryd_handler = {
    .on_start = on_start,
    .on_stop = on_stop,
    .on_established = on_established,
    .on_request = on_request,
};
