/* Errors: a class to branch on, a code to tell people, a site to tell operators.
 *
 * A pl_err points to a constant record of the line that failed. Success is the address of one
 * particular record, so neither NULL nor a zeroed variable is ever success.
 */
#ifndef PL_BASE_ERR_H
#define PL_BASE_ERR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a caller can do about it. Zero is the worst: something we did not foresee. */
enum pl_class {
    PL_C_BUG = 0,   /* our fault; nothing was changed, the site says where */
    PL_C_OK,        /* success */
    PL_C_INVALID,   /* the input is malformed; repeating it will not help */
    PL_C_DENIED,    /* the policy, or the absence of one, says no */
    PL_C_NOT_FOUND, /* there is no such thing for this caller */
    PL_C_CONFLICT,  /* the thing changed meanwhile, or is in another state */
    PL_C_LOCKED,    /* the vault answers only reads and narrowing changes */
    PL_C_AGAIN,     /* not now; the same request may succeed later */
    PL_C_LIMIT,     /* a documented limit */
    PL_C_PEER,      /* the other side does not prove what it must */
    PL_C_STORAGE,   /* disk full, I/O error */
    PL_C_CRYPTO,    /* a library refused or a check on its result failed */
    PL_C_CORRUPT,   /* stored bytes are not what was written */
};

/* One code for each line of err.def; stable names, numbers are internal. */
enum pl_code {
#define PL_ERR(name, class_, http, retry, text) PL_E_##name,
#include "base/err.def"
#undef PL_ERR
    PL_E_COUNT
};

struct pl_site {
    enum pl_code code;
    int line;
    const char *file; /* base name, the same in every build folder */
};

typedef const struct pl_site *pl_err;

extern const struct pl_site pl_site_ok;
#define PL_OK (&pl_site_ok)

/* An error made here. */
#define PL_FAIL(name)                                                                              \
    (__extension__({                                                                               \
        static const struct pl_site pl_site_here = {PL_E_##name, __LINE__, __FILE_NAME__};         \
        &pl_site_here;                                                                             \
    }))

/* Returns the error of `expr` from the enclosing function unless it is PL_OK. */
#define PL_TRY(expr)                                                                               \
    do {                                                                                           \
        pl_err pl_try_err = (expr);                                                                \
        if (pl_try_err != PL_OK)                                                                   \
            return pl_try_err ? pl_try_err : PL_FAIL(BUG);                                         \
    } while (0)

/* Returns PL_E_<name> from the enclosing function unless `cond` holds: a check on data. */
#define PL_REQUIRE(cond, name)                                                                     \
    do {                                                                                           \
        if (!(cond))                                                                               \
            return PL_FAIL(name);                                                                  \
    } while (0)

/* Aborts unless `cond` holds: a caller's bug, never a property of data. Stays in every build. */
#define PL_ASSERT(cond) ((cond) ? (void)0 : pl_assert_failed(#cond, __FILE_NAME__, __LINE__))
_Noreturn void pl_assert_failed(const char *cond, const char *file, int line);

#define PL_CHECKED __attribute__((warn_unused_result))

enum pl_code pl_err_code(pl_err e);   /* NULL: PL_E_BUG */
enum pl_class pl_err_class(pl_err e); /* NULL: PL_C_BUG */

/* All of these accept every value of the enumeration and answer for PL_E_BUG otherwise. */
const char *pl_code_name(enum pl_code c); /* "QUOTE_TRUNCATED": for operators and tests */
const char *pl_code_text(enum pl_code c); /* a sentence that says what to do next */
const char *pl_class_name(enum pl_class c);
int pl_code_http(enum pl_code c);   /* HTTP status */
bool pl_code_retry(enum pl_code c); /* the same request may succeed later */
enum pl_class pl_code_class(enum pl_code c);

#endif
