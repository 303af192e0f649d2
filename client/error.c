/* Errors for callers that see only the installed header, secrets, random bytes. */
#include "client/internal.h"

#include <stdlib.h>
#include <string.h>

bool pl_ok(pl_err e) { return e == PL_OK; }

const char *pl_error_name(pl_err e) { return pl_code_name(pl_err_code(e)); }

const char *pl_error_text(pl_err e) { return pl_code_text(pl_err_code(e)); }

const char *pl_error_class(pl_err e) { return pl_class_name(pl_err_class(e)); }

const char *pl_error_file(pl_err e, int *out_line)
{
    *out_line = e ? e->line : 0;
    return e ? e->file : "";
}

const char *pl_library_version(void) { return PL_VERSION; }

/* One record a code: the site is the other end of the wire. */
static const struct pl_site told[PL_E_COUNT] = {
#define PL_ERR(name, class_, http, retry, text) {PL_E_##name, 0, "vault"},
#include "base/err.def"
#undef PL_ERR
};

pl_err pl_told_err(enum pl_code code)
{
    bool known = code > PL_E_OK && code < PL_E_COUNT;
    return known ? &told[code] : PL_FAIL(VAULT_ANSWER);
}

const char *pl_step_text(enum pl_step s)
{
    static const char *const text[] = {"nothing", "connecting", "binding", "asked", "verified"};
    return (unsigned)s < sizeof(text) / sizeof(*text) ? text[s] : "nothing";
}

pl_err pl_secret_new(struct pl_secret *out, size_t n)
{
    struct pl_locked m;
    *out = (struct pl_secret){0};
    PL_REQUIRE(n > 0, SECRET_EMPTY);
    PL_REQUIRE(n <= PL_SECRET_MAX, SECRET_SIZE);
    PL_TRY(pl_locked_map(&m, n));
    *out = (struct pl_secret){m.base, n, m.size};
    return PL_OK;
}

void pl_secret_free(struct pl_secret *s)
{
    if (!s || !s->p)
        return;
    struct pl_locked m = {s->p, s->mapped};
    pl_locked_unmap(&m);
    *s = (struct pl_secret){0};
}

pl_err pl_random(void *out, size_t n) { return pl_entropy(out, n); }

void pl_answer_free(struct pl_answer *a)
{
    if (!a || !a->body)
        return;
    pl_wipe(a->body, a->n);
    free(a->body);
    *a = (struct pl_answer){0};
}
