#include "policy/say.h"

#include <string.h>

void pl_say_number(struct pl_wr *w, uint64_t v)
{
    char digits[24];
    size_t at = sizeof(digits);
    digits[--at] = '\0';
    for (bool more = true; more; more = v > 0) {
        digits[--at] = (char)('0' + v % 10);
        v /= 10;
    }
    pl_wr_str(w, digits + at);
}

/* The part of the format up to the next %, or all of it. */
static const char *plain_part(struct pl_wr *w, const char *format)
{
    size_t n = strcspn(format, "%");
    size_t room = w->heap ? n : w->cap - w->n; /* fixed texts are cut, not dropped */
    pl_wr_bytes(w, pl_span(format, n < room ? n : room));
    return format + n;
}

static void word_part(struct pl_wr *w, const char *word)
{
    size_t n = strlen(word), room = w->heap ? n : w->cap - w->n;
    pl_wr_bytes(w, pl_span(word, n < room ? n : room));
}

void pl_sayv(struct pl_wr *w, const char *format, va_list args)
{
    for (format = plain_part(w, format); *format == '%'; format = plain_part(w, format)) {
        bool two = strncmp(format, "%02u", 4) == 0;
        PL_ASSERT(two || format[1] == 's' || format[1] == 'u');
        if (format[1] == 's') {
            word_part(w, va_arg(args, const char *));
        } else {
            unsigned v = va_arg(args, unsigned);
            if (two && v < 10)
                pl_wr_str(w, "0");
            pl_say_number(w, v);
        }
        format += two ? 4 : 2;
    }
}

void pl_say(struct pl_wr *w, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    pl_sayv(w, format, args);
    va_end(args);
}

void pl_say_textv(char *out, size_t cap, const char *format, va_list args)
{
    struct pl_wr w = pl_wr_fixed(out, cap - 1);
    pl_sayv(&w, format, args);
    out[w.n] = '\0';
}

void pl_say_text(char *out, size_t cap, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    pl_say_textv(out, cap, format, args);
    va_end(args);
}
