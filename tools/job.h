/* What commands begin and end with that speak to vaults about one key. */
#ifndef PL_TOOLS_JOB_H
#define PL_TOOLS_JOB_H

#include "tools/client.h"

enum { TOOL_FILE_MAX = 1 << 20 };

struct tool_job {
    const char *identity; /* --identity, where there is one */
    struct tool_home h;
    struct pl_app *app;
    struct pl_anchor *anchor;
    struct pl_report report;
};

/* Who speaks to the vaults. */
enum tool_who {
    TOOL_APP = 1,    /* this process, attested where there is a TEE, which measures it now: nothing
                      * comes before it. A file that is not measured is as good as whoever wrote it:
                      * such an anchor is taken with a remark */
    TOOL_APP_STRICT, /* as TOOL_APP, and an anchor that is not measured is refused */
    TOOL_OWNER,      /* the owner at his desk */
};
/* --as; `otherwise` without it. */
enum tool_who tool_job_who(const struct tool *t, enum tool_who otherwise);
/* The home, this process, the anchor of --anchor. -1, or an exit code. */
int tool_job_begin(struct tool *t, struct tool_job *j, enum tool_who who);
void tool_job_end(struct tool_job *j);
/* Reports when it failed or with --report, a line a vault on stderr, and the error. Exit code. */
int tool_job_done(struct tool *t, const struct tool_job *j, const char *what, pl_err e);

/* --diversity: TEEs of how many vendors; 0 without it. False: it is none, and that was said. */
bool tool_diversity(struct tool *t, unsigned *out_vendors);

/* key_list.c */
int tool_key_list(struct tool *t);
int tool_key_describe(struct tool *t);

#define TOOL_ANCHOR_OPT                                                                            \
    {                                                                                              \
        .name = "anchor", .arg = TOOL_FILE, .meta = "FILE",                                        \
        .help = "whose key it is and which vaults may hold it; measured input where there is any", \
        .required = true                                                                           \
    }
#define TOOL_AS_OPT(otherwise)                                                                     \
    {                                                                                              \
        .name = "as", .arg = TOOL_CHOICE, .meta = "WHO", .choices = "owner,app",                   \
        .help =                                                                                    \
            "owner: with the owner's key at each vault; app: as this program (default: " otherwise \
            ")"                                                                                    \
    }
#define TOOL_IDENTITY_OPT                                                                          \
    {                                                                                              \
        .name = "identity", .arg = TOOL_FILE, .meta = "FILE",                                      \
        .help = "speak with this key (P-256, PEM), the same at every vault: a manager's, a "       \
                "client's"                                                                         \
    }
#define TOOL_APPROVAL_OPT                                                                          \
    {                                                                                              \
        .name = "approval", .arg = TOOL_FILE, .meta = "FILE", .repeats = true,                     \
        .help = "what others agreed to (pleiad approval), with --identity the key that asked"      \
    }
#define TOOL_GRANT_OPT(needed)                                                                     \
    {                                                                                              \
        .name = "grant", .arg = TOOL_FILE, .meta = "FILE",                                         \
        .help = "the owner's grant for this program", .required = needed                           \
    }
#define TOOL_REPORT_OPT                                                                            \
    {                                                                                              \
        .name = "report", .arg = TOOL_FLAG, .help = "say on stderr what each vault did"            \
    }
#define TOOL_DEADLINE_OPT                                                                          \
    {                                                                                              \
        .name = "deadline", .arg = TOOL_NUMBER, .meta = "MS", .min = 100, .max = 600000,           \
        .help = "give up after this time (default 5000)"                                           \
    }
#define TOOL_LINGER_OPT                                                                            \
    {                                                                                              \
        .name = "linger", .arg = TOOL_NUMBER, .meta = "MS", .min = 1, .max = 60000,                \
        .help = "hear the other vaults so much longer, to name wrong ones"                         \
    }
#define TOOL_DIVERSITY_OPT                                                                         \
    {                                                                                              \
        .name = "diversity", .arg = TOOL_TEXT, .meta = "vendor:N",                                 \
        .help = "TEEs of at least N vendors; two vaults on one machine are never accepted"         \
    }
#define TOOL_K_OPT                                                                                 \
    {                                                                                              \
        .name = "k", .letter = 'k', .arg = TOOL_NUMBER, .meta = "K", .min = 2, .max = 64,          \
        .help = "vaults needed to recover (default 2)"                                             \
    }
#define TOOL_N_OPT                                                                                 \
    {                                                                                              \
        .name = "n", .letter = 'n', .arg = TOOL_NUMBER, .meta = "N", .min = 2, .max = 64,          \
        .help = "vaults that get a share (default 4)"                                              \
    }

#endif
