#include "vault/internal.h"

#include <string.h>

/* What stands behind /v1/keys: a method, whether a handle follows, and what it means. */
struct route {
    const char *method;
    bool handle;
    const char *word; /* the last part; NULL: none */
    enum pl_op op;
};

static const struct route routes[] = {
    {"POST", false, NULL, PL_OP_CREATE},        {"GET", false, NULL, PL_OP_LIST},
    {"GET", true, NULL, PL_OP_DESCRIBE},        {"DELETE", true, NULL, PL_OP_DELETE},
    {"GET", true, "policy", PL_OP_READ_POLICY}, {"PUT", true, "policy", PL_OP_UPDATE_POLICY},
    {"POST", true, "activate", PL_OP_ACTIVATE}, {"POST", true, "export", PL_OP_EXPORT},
    {"POST", true, "freeze", PL_OP_FREEZE},     {"POST", true, "unfreeze", PL_OP_UNFREEZE},
};

/* Takes `prefix` from the front of *s. */
static bool take(struct pl_span *s, const char *prefix)
{
    size_t n = strlen(prefix);
    if (s->n < n || memcmp(s->p, prefix, n) != 0)
        return false;
    *s = pl_span(s->p + n, s->n - n);
    return true;
}

/* "?page=N" or nothing. */
static pl_err read_query(struct pl_call *out, struct pl_span q)
{
    if (q.n == 0)
        return PL_OK;
    PL_REQUIRE(take(&q, "?page=") && q.n > 0 && q.n <= 15, PATH_QUERY);
    for (size_t i = 0; i < q.n; i++) {
        PL_REQUIRE(q.p[i] >= '0' && q.p[i] <= '9', PATH_QUERY);
        out->page = out->page * 10 + (uint64_t)(q.p[i] - '0');
    }
    return PL_OK;
}

static struct pl_span until(struct pl_span *s, uint8_t stop)
{
    size_t n = 0;
    while (n < s->n && s->p[n] != stop)
        n++;
    struct pl_span part = pl_span(s->p, n);
    *s = pl_span(s->p + n, s->n - n);
    return part;
}

static pl_err match(struct pl_call *out, struct pl_span method, struct pl_span word)
{
    bool known = false;
    for (size_t i = 0; i < sizeof(routes) / sizeof(*routes); i++) {
        const struct route *r = &routes[i];
        if (r->handle != out->has_handle || !pl_span_eq(word, pl_span_str(r->word)))
            continue;
        known = true;
        if (!pl_span_is(method, r->method))
            continue;
        out->op = r->op;
        return PL_OK;
    }
    return known ? PL_FAIL(METHOD) : PL_FAIL(NO_ROUTE);
}

pl_err pl_call_route(struct pl_call *out, struct pl_span method, struct pl_span path)
{
    struct pl_span query = path, word = {0};
    out->op = PL_OP_NONE;
    out->has_handle = false;
    out->page = 0;
    struct pl_span rest = until(&query, '?');
    PL_REQUIRE(take(&rest, "/v1/keys"), NO_ROUTE);
    if (rest.n) {
        PL_REQUIRE(take(&rest, "/"), NO_ROUTE);
        struct pl_span handle = until(&rest, '/');
        PL_REQUIRE(pl_unb64u_exact(out->handle, sizeof(out->handle), handle) == PL_OK, PATH_HANDLE);
        out->has_handle = true;
        if (take(&rest, "/")) {
            PL_REQUIRE(rest.n, NO_ROUTE);
            word = rest;
        }
    }
    PL_TRY(match(out, method, word));
    PL_REQUIRE(query.n == 0 || out->op == PL_OP_LIST, PATH_QUERY);
    return read_query(out, query);
}
