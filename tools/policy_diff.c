#include "tools/policy_diff.h"

#include <stdio.h>

enum { JSON_MAX = 4 * PL_POLICY_BYTES, SHOWN = 120 };

struct page {
    struct tool *t;
    struct pl_jw *json;
};

/* ---- for programs ---- */

static void write_value(struct pl_jw *j, const char *key, struct pl_span value)
{
    pl_jw_key(j, key);
    if (value.n)
        pl_jw_raw(j, value);
    else
        pl_jw_null(j);
}

static void write_one(void *arg, const struct pl_difference *d)
{
    struct pl_jw *j = ((struct page *)arg)->json;
    pl_jw_open(j, '{');
    write_value(j, "is", d->is);
    pl_jw_key(j, "pointer");
    pl_jw_text(j, d->pointer);
    pl_jw_key(j, "takes_away");
    pl_jw_bool(j, d->narrows);
    write_value(j, "was", d->was);
    pl_jw_close(j, '}');
}

static pl_err print_json(struct page *page, const struct pl_policy *was, const struct pl_policy *is)
{
    struct pl_wr w PL_CLEANUP(pl_wr_free) = pl_wr_heap(JSON_MAX);
    struct pl_jw j = pl_jw(&w);
    struct pl_policy_change c;
    page->json = &j;
    pl_jw_open(&j, '{');
    pl_jw_key(&j, "differences");
    pl_jw_open(&j, '[');
    PL_TRY(pl_policy_change(&c, was, is, write_one, page));
    pl_jw_close(&j, ']');
    pl_jw_key(&j, "takes_away");
    pl_jw_bool(&j, c.narrows);
    pl_jw_close(&j, '}');
    PL_TRY(pl_wr_end(&w));
    return tool_json(page->t, pl_wr_span(&w));
}

/* ---- for people ---- */

/* A policy's text holds no control characters: it is canonical. */
static void print_value(const char *before, struct pl_span value)
{
    int n = (int)(value.n < SHOWN ? value.n : SHOWN);
    if (value.n)
        printf("    %s %.*s%s\n", before, n, (const char *)value.p, value.n > SHOWN ? " ..." : "");
}

static void print_one(void *arg, const struct pl_difference *d)
{
    struct tool *t = ((struct page *)arg)->t;
    printf("%s%s%s  %s\n", tool_tint(t, d->narrows ? TOOL_GOOD : TOOL_WARN),
           d->narrows ? "takes away" : "widens    ", tool_tint(t, TOOL_PLAIN), d->pointer);
    print_value("was", d->was);
    print_value("is ", d->is);
}

pl_err tool_policy_diff(struct tool *t, const struct pl_policy *was, const struct pl_policy *is)
{
    struct page page = {.t = t};
    struct pl_policy_change c;
    if (t->json)
        return print_json(&page, was, is);
    PL_TRY(pl_policy_change(&c, was, is, print_one, &page));
    printf("%s\n", c.changes == 0 ? "They say the same."
                   : c.narrows    ? "It only takes away."
                               : "It widens, or may: those who guard each of these fields decide.");
    return PL_OK;
}
