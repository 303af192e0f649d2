/* What every sub-command of `pleiad` shares: its row in the table, options, output, errors.
 *
 * A command is `pleiad NOUN VERB`; each noun is one file, tools/<noun>.c, that exports its verbs as
 * `const struct tool_cmd tool_<noun>[]` (ended by a row of zeros) and has one line in nouns.def.
 * Help, usage errors and bash completion come from these rows, so they cannot disagree with the
 * parser. Secrets come from files, descriptors or prompts: an option whose value is a secret does
 * not exist. A command runs in one thread and returns its exit code.
 */
#ifndef PL_TOOLS_TOOL_H
#define PL_TOOLS_TOOL_H

#include "base/base.h"

/* What the shell sees. */
enum tool_exit {
    TOOL_DONE = 0,
    TOOL_REFUSED = 1,     /* refused, or does not verify */
    TOOL_USAGE = 2,       /* the command line is wrong; nothing was done */
    TOOL_UNREACHABLE = 3, /* too few vaults, or none answers */
    TOOL_LOCKED = 4,      /* rolled back, no witness quorum, disk full */
};

/* What stands after an option. The kind checks the value before the command runs, and tells the
 * completion what to offer. */
enum tool_arg {
    TOOL_FLAG = 1, /* nothing */
    TOOL_TEXT,     /* any text */
    TOOL_NUMBER,   /* decimal, in [min, max] of the row */
    TOOL_FILE,     /* a path */
    TOOL_DIR,      /* a path of a folder */
    TOOL_CHOICE,   /* one of the words in `choices`, separated by commas there */
    TOOL_TIME,     /* RFC 3339 in UTC */
};

struct tool_opt {
    const char *name; /* long name without the dashes; NULL ends the list */
    char letter;      /* short form, 0: none */
    enum tool_arg arg;
    const char *meta; /* how help calls the value: "FILE" */
    const char *help; /* one line, no full stop */
    bool required, repeats;
    uint64_t min, max;   /* TOOL_NUMBER only */
    const char *choices; /* TOOL_CHOICE only */
};

struct tool;

struct tool_cmd {
    const char *verb;    /* NULL ends the list; "" for a noun that is a command by itself */
    const char *summary; /* one line, no full stop */
    const char *args;    /* positional arguments as help shows them: "FILE..."; "" for none */
    unsigned min_args, max_args;
    const struct tool_opt *opts; /* NULL: none of its own */
    const char *example;         /* a command line that works */
    int (*run)(struct tool *t);  /* returns an exit code */
};

struct tool_noun {
    const char *name, *summary;
    const struct tool_cmd *cmds;
};
extern const struct tool_noun tool_nouns[]; /* ended by a row of zeros */

enum { TOOL_VALUES_MAX = 64 }; /* options given on one command line */

/* One run. Read what is public here; the values through the functions below. */
struct tool {
    const struct tool_noun *noun;
    const struct tool_cmd *cmd;
    bool json, verbose; /* --json, --verbose */
    char **args;        /* what is no option, in order, then NULL; all after "--" are arguments */
    unsigned n_args;
    struct {
        const struct tool_opt *opt;
        const char *value;
    } given[TOOL_VALUES_MAX];
    unsigned n_given;
    int64_t started_ms; /* monotonic, for progress */
    bool progress_shown;
};

/* Values. The name must stand in the command's own options (asserted). Absent: NULL, false, or
 * `absent`. Text is borrowed from argv and lives as long as the process. */
bool tool_flag(const struct tool *t, const char *name);
const char *tool_text(const struct tool *t, const char *name);
uint64_t tool_number(const struct tool *t, const char *name, uint64_t absent);
int64_t tool_time(const struct tool *t, const char *name, int64_t absent);
/* The i-th value of an option that repeats; NULL when there is none. */
const char *tool_nth(const struct tool *t, const char *name, unsigned i);

/* Errors go to stderr as one line, `pleiad: <what>: <sentence> [CODE]`, and with --verbose the
 * site. `what` names the thing that failed (a path, a vault); control characters in it are shown as
 * '?'. Each returns the exit code, so that a command ends with `return tool_fail(...)`. */
int tool_fail(const struct tool *t, const char *what, pl_err e);
/* The same with words of the command's own behind the sentence: which file, which share. */
int tool_fail_with(const struct tool *t, const char *what, pl_err e, const char *more, ...)
    __attribute__((format(printf, 4, 5)));
int tool_usage(const struct tool *t, const char *what, ...) __attribute__((format(printf, 2, 3)));
/* A remark that changes no exit code. */
void tool_note(const struct tool *t, const char *text, ...) __attribute__((format(printf, 2, 3)));
int tool_exit_of(enum pl_code c); /* TOOL_DONE for OK */

/* Output on stdout. Colour is given only on a terminal, without NO_COLOR and TERM=dumb, and never
 * with --json: otherwise the answer is "". */
enum tool_tint { TOOL_PLAIN = 0, TOOL_GOOD, TOOL_BAD, TOOL_WARN, TOOL_FAINT, TOOL_BOLD };
const char *tool_tint(const struct tool *t, enum tool_tint tint);
/* Writes one finished JSON document and a newline. STORAGE class when stdout does not take it. */
PL_CHECKED pl_err tool_json(const struct tool *t, struct pl_span document);
/* Writes bytes as they are, all or an error; TERMINAL when stdout is a terminal and `secret`. */
PL_CHECKED pl_err tool_out_bytes(struct pl_span bytes, bool secret);
/* Flushes stdout; an error that was swallowed before shows here. main() calls it at the end. */
PL_CHECKED pl_err tool_out_end(void);

/* Asks on the terminal of this session (/dev/tty) without echo; `again` asks twice and compares. At
 * most cap bytes, without the newline, into the caller's secret memory, which holds 2 * cap when
 * `again`. PROMPT without a terminal, for an empty line, a longer one, or an interrupt;
 * PROMPT_DIFFERS. */
PL_CHECKED pl_err tool_prompt(uint8_t *out, size_t cap, size_t *out_n, const char *ask, bool again);

/* A table for people: cells are gathered, then printed with aligned columns. Control characters in
 * cells are shown as '?'. Cells that do not fit in 1 MiB are an error at the end (NO_SPACE). */
struct tool_table {
    unsigned columns, at;
    struct pl_wr cells; /* NUL-terminated texts, row by row */
};
struct tool_table tool_table(unsigned columns, const char *const *heads);
void tool_cell(struct tool_table *tab, const char *text);
void tool_cellf(struct tool_table *tab, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
PL_CHECKED pl_err tool_table_print(const struct tool *t, struct tool_table *tab); /* and frees */

/* One line on stderr that replaces itself, only on a terminal and only once the command has run for
 * a second. total 0: unknown. */
void tool_progress(struct tool *t, const char *doing, uint64_t done, uint64_t total);
void tool_progress_end(struct tool *t);

/* Parsing and help: main.c and the tests. parse returns -1 to go on, or an exit code to end with
 * (help was printed, or a usage error). */
int tool_parse(struct tool *t, int argc, char **argv);
void tool_help(const struct tool_noun *noun, const struct tool_cmd *cmd); /* NULL: one level up */
void tool_completion_bash(void);
extern const struct tool_opt tool_common_opts[]; /* every command has these; ended by zeros */

#endif
