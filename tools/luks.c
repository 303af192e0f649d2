/* pleiad luks: containers whose key is split over vaults. */
#include "integrations/luks/disk.h"
#include "tools/job.h"
#include "tools/registry.h"

#include <stdio.h>
#include <string.h>

enum { SIZE_MIB = 64, DISK_NAME_MAX = 128 };

static void order(struct tool *t, const struct tool_job *j, struct pl_disk_order *o,
                  struct pl_place *places)
{
    *o = (struct pl_disk_order){.path = t->args[0],
                                .anchor = j->anchor,
                                .place = places,
                                .deadline_ms = (unsigned)tool_number(t, "deadline", 0)};
}

static int done(struct tool *t, const struct tool_job *j, pl_err e)
{
    int code = tool_job_done(t, j, t->args[0], e);
    const char *detail = pl_disk_detail(j->app);
    if (e != PL_OK && detail != pl_app_detail(j->app)) /* which the error's line has already */
        tool_note(t, "libcryptsetup: %s", detail);
    return code;
}

static const char *resumed_text(enum pl_resumed how)
{
    return how == PL_RESUMED_DONE ? "resumed" : how == PL_RESUMED_UNDONE ? "anew" : "new";
}

/* ---- format ---- */

static pl_err tell_format(const struct tool *t, const struct pl_disk_order *o, enum pl_resumed how)
{
    struct pl_wr w PL_CLEANUP(pl_wr_free) = pl_wr_heap(8192);
    struct pl_jw j = pl_jw(&w);
    if (how == PL_RESUMED_DONE)
        tool_note(t, "an interrupted format was brought to its end: -k, -n and --name are its own");
    if (how == PL_RESUMED_UNDONE)
        tool_note(t, "an interrupted format was undone and done anew");
    if (!t->json) {
        if (how == PL_RESUMED_DONE)
            printf("%s is formatted\n", o->path);
        else
            printf("%s is formatted, its key split %u-of-%u\n", o->path, o->k, o->n);
        return PL_OK;
    }
    pl_jw_open(&j, '{');
    pl_jw_key(&j, "container");
    pl_jw_text(&j, o->path);
    pl_jw_key(&j, "format");
    pl_jw_text(&j, resumed_text(how));
    pl_jw_close(&j, '}');
    PL_TRY(pl_wr_end(&w));
    return tool_json(t, pl_wr_span(&w));
}

static pl_err do_format(struct tool *t, struct tool_job *j, unsigned vendors)
{
    static struct pl_place places[TOOL_IDS_MAX];
    struct pl_wr grant PL_CLEANUP(pl_wr_free) = {0};
    struct pl_disk_order o;
    enum pl_resumed how;
    const char *name = tool_text(t, "name");
    order(t, j, &o, places);
    struct tool_ids listed = {.n = 0};
    PL_TRY(tool_read(&grant, tool_text(t, "grant"), TOOL_FILE_MAX));
    PL_TRY(tool_ids_grant(&listed, j->app, pl_wr_span(&grant)));
    PL_TRY(tool_places_now(t, j->app, &j->h, &listed, places, &o.places));
    o.name = name ? name : "disk";
    o.bytes = tool_number(t, "size", SIZE_MIB) << 20;
    o.vendors = vendors;
    o.k = (unsigned)tool_number(t, "k", 2);
    o.n = (unsigned)tool_number(t, "n", 4);
    o.grant = grant.p;
    o.grant_bytes = grant.n;
    o.descriptor = tool_text(t, "descriptor");
    o.overwrite = tool_flag(t, "force");
    PL_TRY(pl_disk_format(j->app, &o, &how, &j->report));
    return tell_format(t, &o, how);
}

static int format(struct tool *t)
{
    struct tool_job j PL_CLEANUP(tool_job_end) = {0};
    unsigned vendors;
    if (!tool_diversity(t, &vendors))
        return TOOL_USAGE;
    if (tool_number(t, "k", 2) > tool_number(t, "n", 4))
        return tool_usage(t, "-k is at most -n");
    int code = tool_job_begin(t, &j, tool_flag(t, "insecure-anchor") ? TOOL_APP : TOOL_APP_STRICT);
    return code >= 0 ? code : done(t, &j, do_format(t, &j, vendors));
}

/* ---- open ---- */

static pl_err tell_open(const struct tool *t, const struct pl_disk_order *o)
{
    struct pl_wr w PL_CLEANUP(pl_wr_free) = pl_wr_heap(8192);
    struct pl_jw j = pl_jw(&w);
    if (!t->json) {
        if (o->mapper)
            printf("%s is /dev/mapper/%s\n", o->path, o->mapper);
        else
            printf("%s opens with the recovered key; nothing was mapped\n", o->path);
        return PL_OK;
    }
    pl_jw_open(&j, '{');
    pl_jw_key(&j, "container");
    pl_jw_text(&j, o->path);
    pl_jw_key(&j, "mapper");
    if (o->mapper)
        pl_jw_text(&j, o->mapper);
    else
        pl_jw_raw(&j, pl_span_str("null"));
    pl_jw_close(&j, '}');
    PL_TRY(pl_wr_end(&w));
    return tool_json(t, pl_wr_span(&w));
}

static pl_err do_open(struct tool *t, struct tool_job *j, unsigned vendors)
{
    static struct pl_place places[TOOL_IDS_MAX];
    struct pl_disk_order o;
    order(t, j, &o, places);
    struct tool_ids listed = {.n = 0}; /* the container's descriptor leads to its vaults */
    tool_places_newer(t, j->app, &j->h, &listed, places, &o.places);
    o.mapper = tool_text(t, "name");
    o.name = tool_text(t, "key");
    o.vendors = vendors;
    o.linger_ms = (unsigned)tool_number(t, "linger", 0);
    PL_TRY(pl_disk_open(j->app, &o, &j->report));
    return tell_open(t, &o);
}

/* As device-mapper takes them, and no path. */
static bool mapper_name(const char *s)
{
    size_t n = strlen(s);
    return n > 0 && n < DISK_NAME_MAX && !strchr(s, '/') && *s != '.' && *s != '-';
}

static int open_(struct tool *t)
{
    struct tool_job j PL_CLEANUP(tool_job_end) = {0};
    unsigned vendors;
    if (!tool_diversity(t, &vendors))
        return TOOL_USAGE;
    const char *name = tool_text(t, "name");
    if (name && tool_flag(t, "test"))
        return tool_usage(t, "--name maps the container, --test only tries the key: one of them");
    if (name && !mapper_name(name))
        return tool_usage(t, "--name is a name below /dev/mapper, without slashes");
    int code = tool_job_begin(t, &j, tool_flag(t, "insecure-anchor") ? TOOL_APP : TOOL_APP_STRICT);
    return code >= 0 ? code : done(t, &j, do_open(t, &j, vendors));
}

/* ---- the table ---- */

#define INSECURE_OPT                                                                               \
    {                                                                                              \
        .name = "insecure-anchor", .arg = TOOL_FLAG,                                               \
        .help = "take an anchor that is not measured input: whoever can write the file chooses "   \
                "the container"                                                                    \
    }

static const struct tool_opt format_opts[] = {
    TOOL_ANCHOR_OPT,
    INSECURE_OPT,
    TOOL_GRANT_OPT(true),
    {.name = "name",
     .arg = TOOL_TEXT,
     .meta = "NAME",
     .help = "what the key is called; its id follows from it and the anchor (default: disk)"},
    TOOL_K_OPT,
    TOOL_N_OPT,
    TOOL_DIVERSITY_OPT,
    {.name = "size",
     .arg = TOOL_NUMBER,
     .meta = "MIB",
     .min = 17,
     .max = 1 << 30,
     .help = "of a file that does not exist yet (default 64; the header takes 16 of it)"},
    {.name = "descriptor",
     .arg = TOOL_FILE,
     .meta = "FILE",
     .help = "keep a copy of the descriptor there: for key status and key delete"},
    {.name = "force", .arg = TOOL_FLAG, .help = "destroy what is in it"},
    TOOL_DEADLINE_OPT,
    TOOL_REPORT_OPT,
    TOOL_REGISTRY_OPT,
    TOOL_HOME_OPT,
    {0},
};
static const struct tool_opt open_opts[] = {
    TOOL_ANCHOR_OPT,
    INSECURE_OPT,
    {.name = "name",
     .arg = TOOL_TEXT,
     .meta = "NAME",
     .help = "map it to /dev/mapper/NAME (needs root and dm-crypt)"},
    {.name = "key",
     .arg = TOOL_TEXT,
     .meta = "NAME",
     .help = "its key is called so, as format was told: not another container of this instance"},
    {.name = "test", .arg = TOOL_FLAG, .help = "only try the key; also without --name"},
    TOOL_DEADLINE_OPT,
    TOOL_LINGER_OPT,
    TOOL_DIVERSITY_OPT,
    TOOL_REPORT_OPT,
    TOOL_REGISTRY_OPT,
    TOOL_HOME_OPT,
    {0},
};

const struct tool_cmd tool_luks[] = {
    {.verb = "format",
     .summary = "make a container with a fresh key, and split the key over vaults",
     .args = "FILE",
     .min_args = 1,
     .max_args = 1,
     .opts = format_opts,
     .example = "pleiad sim run --as billing --measured anchor.json -- pleiad luks format "
                "--grant grant.json --anchor anchor.json disk.img",
     .run = format},
    {.verb = "open",
     .summary = "recover the key of a container and open it, in this process",
     .args = "FILE",
     .min_args = 1,
     .max_args = 1,
     .opts = open_opts,
     .example = "pleiad sim run --as billing --measured anchor.json -- pleiad luks open "
                "--anchor anchor.json --name data disk.img",
     .run = open_},
    {0},
};
