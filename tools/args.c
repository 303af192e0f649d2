#include "tools/tool.h"

#include <stdio.h>
#include <string.h>

const struct tool_opt tool_common_opts[] = {
    {.name = "json", .arg = TOOL_FLAG, .help = "print JSON instead of text"},
    {.name = "verbose",
     .letter = 'v',
     .arg = TOOL_FLAG,
     .help = "say where in the code an error was raised"},
    {.name = "help", .letter = 'h', .arg = TOOL_FLAG, .help = "print this help"},
    {0},
};

static const struct tool_opt *find(const struct tool_opt *list, const char *name, size_t n)
{
    for (; list && list->name; list++)
        if (strlen(list->name) == n && memcmp(list->name, name, n) == 0)
            return list;
    return NULL;
}

static const struct tool_opt *find_letter(const struct tool_opt *list, char letter)
{
    for (; list && list->name; list++)
        if (list->letter && list->letter == letter)
            return list;
    return NULL;
}

/* Decimal digits only: no sign, no space, no overflow. */
static bool number(const char *s, uint64_t *out)
{
    uint64_t v = 0;
    if (!*s)
        return false;
    for (; *s; s++) {
        if (*s < '0' || *s > '9' || v > (UINT64_MAX - 9) / 10)
            return false;
        v = v * 10 + (uint64_t)(*s - '0');
    }
    *out = v;
    return true;
}

static bool among(const char *choices, const char *value)
{
    size_t n = strlen(value);
    while (n && choices && *choices) {
        size_t word = strcspn(choices, ",");
        if (word == n && memcmp(choices, value, n) == 0)
            return true;
        choices += word + (choices[word] == ',');
    }
    return false;
}

/* -1 when the value is good. */
static int check_value(const struct tool *t, const struct tool_opt *o, const char *value)
{
    uint64_t v;
    int64_t time_s;
    switch (o->arg) {
    case TOOL_NUMBER:
        if (!number(value, &v) || v < o->min || v > o->max)
            return tool_usage(t, "--%s takes a number from %llu to %llu", o->name,
                              (unsigned long long)o->min, (unsigned long long)o->max);
        return -1;
    case TOOL_CHOICE:
        return among(o->choices, value)
                   ? -1
                   : tool_usage(t, "--%s takes one of %s", o->name, o->choices);
    case TOOL_TIME:
        return pl_time_parse(&time_s, pl_span_str(value)) == PL_OK
                   ? -1
                   : tool_usage(t, "--%s takes a UTC time such as 2026-01-31T08:00:00Z", o->name);
    case TOOL_FILE:
    case TOOL_DIR:
        return *value ? -1 : tool_usage(t, "--%s takes a path", o->name);
    case TOOL_FLAG:
    case TOOL_TEXT:
        return -1;
    }
    return tool_usage(t, "--%s has no kind", o->name);
}

static const char *given(const struct tool *t, const struct tool_opt *o, unsigned i)
{
    for (unsigned at = 0; at < t->n_given; at++)
        if (t->given[at].opt == o && i-- == 0)
            return t->given[at].value;
    return NULL;
}

static int take(struct tool *t, const struct tool_opt *o, const char *value)
{
    int code = check_value(t, o, value);
    if (code >= 0)
        return code;
    if (given(t, o, 0) && !o->repeats && o->arg != TOOL_FLAG)
        return tool_usage(t, "--%s was given twice", o->name);
    if (t->n_given == TOOL_VALUES_MAX)
        return tool_usage(t, "more than %d options", TOOL_VALUES_MAX);
    t->given[t->n_given].opt = o;
    t->given[t->n_given++].value = value;
    if (o == &tool_common_opts[0])
        t->json = true;
    if (o == &tool_common_opts[1])
        t->verbose = true;
    return -1;
}

/* One option at argv[*i]; moves *i over a value that stands by itself. */
static int option(struct tool *t, int argc, char **argv, int *i)
{
    const char *word = argv[*i], *value = NULL;
    const struct tool_opt *o;
    if (word[1] == '-') {
        size_t n = strcspn(word + 2, "=");
        o = find(t->cmd->opts, word + 2, n);
        o = o ? o : find(tool_common_opts, word + 2, n);
        value = word[2 + n] ? word + 3 + n : NULL;
    } else {
        o = find_letter(t->cmd->opts, word[1]);
        o = o ? o : find_letter(tool_common_opts, word[1]);
        value = word[2] ? word + 2 : NULL;
    }
    if (!o)
        return tool_usage(t, "there is no option %s", word);
    if (o->arg == TOOL_FLAG)
        return value ? tool_usage(t, "--%s takes no value", o->name) : take(t, o, "");
    if (!value && *i + 1 < argc)
        value = argv[++*i];
    return value ? take(t, o, value) : tool_usage(t, "--%s needs a value", o->name);
}

static int check_whole(const struct tool *t)
{
    for (const struct tool_opt *o = t->cmd->opts; o && o->name; o++)
        if (o->required && !given(t, o, 0))
            return tool_usage(t, "--%s is missing", o->name);
    if (t->n_args < t->cmd->min_args)
        return tool_usage(t, "too few arguments");
    if (t->n_args > t->cmd->max_args)
        return tool_usage(t, "too many arguments");
    return -1;
}

static bool is_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0;
}

/* Finds noun and verb; *i is then the first word behind them. */
static int find_command(struct tool *t, int argc, char **argv, int *i)
{
    if (argc < 2)
        return tool_usage(t, "which command? `pleiad --help` lists them");
    if (strcmp(argv[1], "--version") == 0) {
        puts("pleiad " PL_VERSION);
        return TOOL_DONE;
    }
    if (is_help(argv[1])) {
        tool_help(NULL, NULL);
        return TOOL_DONE;
    }
    const struct tool_noun *noun = tool_nouns;
    while (noun->name && strcmp(noun->name, argv[1]) != 0)
        noun++;
    if (!noun->name)
        return tool_usage(t, "there is no command %s", argv[1]);
    t->noun = noun;
    *i = 2;
    if (noun->cmds->verb && !*noun->cmds->verb) {
        t->cmd = noun->cmds;
        return -1;
    }
    if (argc < 3)
        return tool_usage(t, "%s: which of its commands?", argv[1]);
    if (is_help(argv[2])) {
        tool_help(noun, NULL);
        return TOOL_DONE;
    }
    for (const struct tool_cmd *c = noun->cmds; c->verb; c++)
        if (strcmp(c->verb, argv[2]) == 0)
            t->cmd = c;
    *i = 3;
    return t->cmd ? -1 : tool_usage(t, "%s has no command %s", argv[1], argv[2]);
}

int tool_parse(struct tool *t, int argc, char **argv)
{
    int i = 1, code = find_command(t, argc, argv, &i);
    bool only_args = false;
    if (code >= 0)
        return code;
    t->args = argv; /* arguments are moved to the front as they are met */
    for (; i < argc; i++) {
        if (!only_args && strcmp(argv[i], "--") == 0) {
            only_args = true;
        } else if (only_args || argv[i][0] != '-' || !argv[i][1]) {
            t->args[t->n_args++] = argv[i];
        } else if ((code = option(t, argc, argv, &i)) >= 0) {
            return code;
        }
    }
    t->args[t->n_args] = NULL; /* the noun alone takes one place more than there are arguments */
    if (given(t, find(tool_common_opts, "help", 4), 0)) {
        tool_help(t->noun, t->cmd);
        return TOOL_DONE;
    }
    return check_whole(t);
}

static const struct tool_opt *own(const struct tool *t, const char *name)
{
    const struct tool_opt *o = find(t->cmd->opts, name, strlen(name));
    PL_ASSERT(o);
    return o;
}

bool tool_flag(const struct tool *t, const char *name) { return given(t, own(t, name), 0) != NULL; }

const char *tool_text(const struct tool *t, const char *name) { return given(t, own(t, name), 0); }

const char *tool_nth(const struct tool *t, const char *name, unsigned i)
{
    return given(t, own(t, name), i);
}

uint64_t tool_number(const struct tool *t, const char *name, uint64_t absent)
{
    const char *value = given(t, own(t, name), 0);
    uint64_t v = absent;
    PL_ASSERT(!value || number(value, &v)); /* checked when it was parsed */
    return v;
}

int64_t tool_time(const struct tool *t, const char *name, int64_t absent)
{
    const char *value = given(t, own(t, name), 0);
    int64_t s = absent;
    PL_ASSERT(!value || pl_time_parse(&s, pl_span_str(value)) == PL_OK);
    return s;
}
