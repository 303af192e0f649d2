/* Sentences from parts, without the C library's printf. Not for other folders. */
#ifndef PL_POLICY_SAY_H
#define PL_POLICY_SAY_H

#include "base/span.h"

#include <stdarg.h>

/* Understands %s, %u (unsigned) and %02u only; anything else aborts. The compiler checks the
 * arguments as it does for printf. */
void pl_say(struct pl_wr *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
void pl_sayv(struct pl_wr *w, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));
/* The same into a text of cap bytes, cut at its end, with a NUL. */
void pl_say_text(char *out, size_t cap, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void pl_say_textv(char *out, size_t cap, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));
void pl_say_number(struct pl_wr *w, uint64_t v);

#endif
