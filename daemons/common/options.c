#include "daemons/common/daemon.h"

#include <stdio.h>
#include <string.h>

static void print_help(const struct pl_dopt *opts, const char *program, const char *what)
{
    printf("%s: %s\n\nusage: %s [options]\n\n", program, what, program);
    for (const struct pl_dopt *o = opts; o->name; o++) {
        char left[64];
        snprintf(left, sizeof(left), "--%s %s", o->name, o->meta ? o->meta : "");
        printf("  %-24s %s", left, o->help);
        if (o->required)
            printf(" (required)");
        else if (o->value)
            printf(" (default: %s)", o->value);
        printf("\n");
    }
    printf("  %-24s %s\n  %-24s %s\n", "--help", "this text", "--version", "the version");
}

static struct pl_dopt *find(struct pl_dopt *opts, const char *arg)
{
    for (struct pl_dopt *o = opts; o->name; o++)
        if (strncmp(arg, "--", 2) == 0 && strcmp(arg + 2, o->name) == 0)
            return o;
    return NULL;
}

static int check_required(const struct pl_dopt *opts, const char *program)
{
    for (const struct pl_dopt *o = opts; o->name; o++)
        if (o->required && !o->value) {
            fprintf(stderr, "%s: --%s is required; --help lists the options\n", program, o->name);
            return 2;
        }
    return -1;
}

int pl_daemon_options(struct pl_dopt *opts, const char *program, const char *what, int argc,
                      char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            print_help(opts, program, what);
            return 0;
        }
        if (strcmp(argv[i], "--version") == 0) {
            printf("%s %s\n", program, PL_VERSION);
            return 0;
        }
        struct pl_dopt *o = find(opts, argv[i]);
        if (!o || (o->meta && i + 1 == argc)) {
            fprintf(stderr, "%s: %s %s; --help lists the options\n", program,
                    o ? "a value must follow" : "no such option:", argv[i]);
            return 2;
        }
        o->value = o->meta ? argv[++i] : "yes";
    }
    return check_required(opts, program);
}

const char *pl_daemon_opt(const struct pl_dopt *opts, const char *name)
{
    while (opts->name && strcmp(opts->name, name) != 0)
        opts++;
    PL_ASSERT(opts->name != NULL);
    return opts->value;
}

uint64_t pl_daemon_number(const struct pl_dopt *opts, const char *name, uint64_t min, uint64_t max,
                          bool *ok)
{
    const char *text = pl_daemon_opt(opts, name);
    uint64_t v = 0;
    bool good = text && *text && strlen(text) <= 12;
    for (const char *p = text; good && *p; p++) {
        good = *p >= '0' && *p <= '9';
        v = v * 10 + (uint64_t)(*p - '0');
    }
    if (good && v >= min && v <= max)
        return v;
    fprintf(stderr, "--%s: a number from %llu to %llu is wanted\n", name, (unsigned long long)min,
            (unsigned long long)max);
    *ok = false;
    return 0;
}
