#include "base/err.h"

#include <stdio.h>
#include <stdlib.h>

const struct pl_site pl_site_ok = {PL_E_OK, 0, ""};

struct code_row {
    const char *name, *text;
    enum pl_class class_;
    int http;
    bool retry;
};

static const struct code_row codes[] = {
#define PL_ERR(name, class_, http, retry, text) {#name, text, PL_C_##class_, http, retry},
#include "base/err.def"
#undef PL_ERR
};

static const struct code_row *row(enum pl_code c)
{
    return (unsigned)c < PL_E_COUNT ? &codes[c] : &codes[PL_E_BUG];
}

enum pl_code pl_err_code(pl_err e) { return e ? e->code : PL_E_BUG; }
enum pl_class pl_err_class(pl_err e) { return row(pl_err_code(e))->class_; }
const char *pl_code_name(enum pl_code c) { return row(c)->name; }
const char *pl_code_text(enum pl_code c) { return row(c)->text; }
int pl_code_http(enum pl_code c) { return row(c)->http; }
bool pl_code_retry(enum pl_code c) { return row(c)->retry; }
enum pl_class pl_code_class(enum pl_code c) { return row(c)->class_; }

const char *pl_class_name(enum pl_class c)
{
    static const char *const names[] = {
        "BUG",   "OK",    "INVALID", "DENIED",  "NOT_FOUND", "CONFLICT", "LOCKED",
        "AGAIN", "LIMIT", "PEER",    "STORAGE", "CRYPTO",    "CORRUPT",
    };
    return (unsigned)c < sizeof(names) / sizeof(*names) ? names[c] : names[PL_C_BUG];
}

void pl_assert_failed(const char *cond, const char *file, int line)
{
    fprintf(stderr, "pleiad: %s:%d: broken contract: %s\n", file, line, cond);
    abort();
}
