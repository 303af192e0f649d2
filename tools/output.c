/* What a person or a script sees: errors, tables, JSON, colour, progress. */
#include "tools/tool.h"
#include "platform/platform.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Text of strangers (file names, names from a vault) must not steer a terminal. */
static void put_safe(FILE *f, const char *s)
{
    for (; *s; s++)
        fputc((unsigned char)*s < 0x20 || *s == 0x7f ? '?' : *s, f);
}

static void put_format(FILE *f, const char *format, va_list ap)
{
    char text[1024];
    vsnprintf(text, sizeof(text), format, ap);
    put_safe(f, text);
}

static const struct {
    enum pl_class class_;
    int exit;
} exits[] = {
    {PL_C_OK, TOOL_DONE},
    {PL_C_LOCKED, TOOL_LOCKED},
};

int tool_exit_of(enum pl_code c)
{
    static const enum pl_code unreachable[] = {PL_E_NET_CONNECT,  PL_E_NET_CONNECT_TIME,
                                               PL_E_NET_DEADLINE, PL_E_SPLIT_FEW,
                                               PL_E_RECOVER_FEW,  PL_E_KEYS_SOME};
    for (size_t i = 0; i < sizeof(unreachable) / sizeof(*unreachable); i++)
        if (unreachable[i] == c)
            return TOOL_UNREACHABLE;
    for (size_t i = 0; i < sizeof(exits) / sizeof(*exits); i++)
        if (exits[i].class_ == pl_code_class(c))
            return exits[i].exit;
    return TOOL_REFUSED;
}

static void clear_progress(const struct tool *t)
{
    if (t->progress_shown)
        fputs("\r\033[K", stderr);
}

static int fail(const struct tool *t, const char *what, pl_err e, const char *more, va_list *ap)
{
    enum pl_code c = pl_err_code(e);
    clear_progress(t);
    fputs("pleiad: ", stderr);
    if (what && *what) {
        put_safe(stderr, what);
        fputs(": ", stderr);
    }
    fputs(pl_code_text(c), stderr);
    if (more) {
        fputs(": ", stderr);
        put_format(stderr, more, *ap);
    }
    fprintf(stderr, " [%s]", pl_code_name(c));
    if (t->verbose && e)
        fprintf(stderr, " (%s:%d)", e->file, e->line);
    fputc('\n', stderr);
    return tool_exit_of(c);
}

int tool_fail(const struct tool *t, const char *what, pl_err e)
{
    return fail(t, what, e, NULL, NULL);
}

int tool_fail_with(const struct tool *t, const char *what, pl_err e, const char *more, ...)
{
    va_list ap;
    va_start(ap, more);
    int code = fail(t, what, e, more, &ap);
    va_end(ap);
    return code;
}

int tool_usage(const struct tool *t, const char *what, ...)
{
    va_list ap;
    va_start(ap, what);
    fputs("pleiad: ", stderr);
    put_format(stderr, what, ap);
    va_end(ap);
    fprintf(stderr, "; see `pleiad%s%s%s%s --help`\n", t->noun ? " " : "",
            t->noun ? t->noun->name : "", t->cmd && *t->cmd->verb ? " " : "",
            t->cmd ? t->cmd->verb : "");
    return TOOL_USAGE;
}

void tool_note(const struct tool *t, const char *text, ...)
{
    va_list ap;
    clear_progress(t);
    va_start(ap, text);
    fputs("pleiad: ", stderr);
    put_format(stderr, text, ap);
    va_end(ap);
    fputc('\n', stderr);
}

static bool coloured(const struct tool *t)
{
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
    return !t->json && !(no && *no) && term && strcmp(term, "dumb") != 0 && isatty(STDOUT_FILENO);
}

const char *tool_tint(const struct tool *t, enum tool_tint tint)
{
    static const char *const codes[] = {
        [TOOL_PLAIN] = "\033[0m", [TOOL_GOOD] = "\033[32m", [TOOL_BAD] = "\033[31m",
        [TOOL_WARN] = "\033[33m", [TOOL_FAINT] = "\033[2m", [TOOL_BOLD] = "\033[1m",
    };
    return coloured(t) ? codes[tint] : "";
}

pl_err tool_out_bytes(struct pl_span bytes, bool secret)
{
    PL_REQUIRE(!secret || !isatty(STDOUT_FILENO), TERMINAL);
    PL_TRY(tool_out_end()); /* past stdio, which would keep a copy of a secret in its buffer */
    return pl_fd_write(STDOUT_FILENO, bytes);
}

pl_err tool_json(const struct tool *t, struct pl_span document)
{
    (void)t;
    PL_REQUIRE(fwrite(document.p, 1, document.n, stdout) == document.n, OUTPUT);
    PL_REQUIRE(fputc('\n', stdout) == '\n', OUTPUT);
    return PL_OK;
}

pl_err tool_out_end(void)
{
    PL_REQUIRE(fflush(stdout) == 0 && !ferror(stdout), OUTPUT);
    return PL_OK;
}

enum { TABLE_BYTES_MAX = 1 << 20, TABLE_COLUMNS_MAX = 16 };

struct tool_table tool_table(unsigned columns, const char *const *heads)
{
    struct tool_table tab = {.columns = columns, .cells = pl_wr_heap(TABLE_BYTES_MAX)};
    PL_ASSERT(columns > 0 && columns <= TABLE_COLUMNS_MAX);
    for (unsigned i = 0; i < columns; i++)
        tool_cell(&tab, heads[i]);
    return tab;
}

void tool_cell(struct tool_table *tab, const char *text)
{
    pl_wr_bytes(&tab->cells, pl_span(text, strlen(text) + 1));
    tab->at = (tab->at + 1) % tab->columns;
}

void tool_cellf(struct tool_table *tab, const char *format, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, format);
    vsnprintf(text, sizeof(text), format, ap);
    va_end(ap);
    tool_cell(tab, text);
}

static void print_rows(const struct tool *t, const struct tool_table *tab, const int *width)
{
    struct pl_span s = pl_wr_span(&tab->cells);
    unsigned column = 0;
    for (size_t at = 0, row = 0; at < s.n; column = (column + 1) % tab->columns) {
        const char *cell = (const char *)s.p + at;
        size_t n = strlen(cell);
        bool last = column + 1 == tab->columns;
        if (column == 0 && row == 0)
            fputs(tool_tint(t, TOOL_BOLD), stdout);
        put_safe(stdout, cell);
        if (!last)
            printf("%*s", width[column] - (int)n + 2, "");
        else if (row++ == 0)
            fputs(tool_tint(t, TOOL_PLAIN), stdout);
        if (last)
            putchar('\n');
        at += n + 1;
    }
}

pl_err tool_table_print(const struct tool *t, struct tool_table *tab)
{
    int width[TABLE_COLUMNS_MAX] = {0};
    pl_err e = pl_wr_end(&tab->cells);
    PL_ASSERT(tab->at == 0);
    struct pl_span s = pl_wr_span(&tab->cells);
    unsigned column = 0;
    for (size_t at = 0; e == PL_OK && at < s.n; column = (column + 1) % tab->columns) {
        size_t n = strlen((const char *)s.p + at);
        if ((int)n > width[column])
            width[column] = (int)n;
        at += n + 1;
    }
    if (e == PL_OK)
        print_rows(t, tab, width);
    pl_wr_free(&tab->cells);
    return e;
}

void tool_progress(struct tool *t, const char *doing, uint64_t done, uint64_t total)
{
    if (t->started_ms == 0)
        t->started_ms = pl_clock_mono_ms();
    if (!isatty(STDERR_FILENO) || pl_clock_mono_ms() - t->started_ms < 1000)
        return;
    t->progress_shown = true;
    fprintf(stderr, "\r\033[K%s %llu", doing, (unsigned long long)done);
    if (total)
        fprintf(stderr, " of %llu", (unsigned long long)total);
    fflush(stderr);
}

void tool_progress_end(struct tool *t)
{
    clear_progress(t);
    t->progress_shown = false;
}
