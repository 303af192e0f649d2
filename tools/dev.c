/* pleiad dev: a constellation of simulated machines on this one, and a registry, for development
 * and tests. */
#include "tools/dev.h"
#include "platform/platform.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

enum { VAULTS = 4, VAULTS_MAX = 32, REPORT_MAX = 256 * 1024, ISSUERS_MAX = 64 * 1024 };

static void end(struct dev **d)
{
    if (*d)
        pl_crypto_free((*d)->c);
    free(*d);
    *d = NULL;
}

static void unlock(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

/* One command at a time changes a constellation. */
static pl_err lock(int *fd, const struct tool_home *h)
{
    char path[PATH_MAX];
    tool_path(path, h, "lock");
    *fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (*fd < 0)
        return pl_file_err(errno);
    while (flock(*fd, LOCK_EX) != 0)
        PL_REQUIRE(errno == EINTR, FILE_IO);
    return PL_OK;
}

static pl_err open_dev(struct dev **out, struct tool *t, bool make, int *fd)
{
    struct dev *d = *out = calloc(1, sizeof(*d));
    size_t n = 0;
    PL_REQUIRE(d, NO_MEMORY);
    d->t = t;
    snprintf(d->failed, sizeof(d->failed), "%s", tool_home_name(t));
    PL_TRY(tool_home(&d->h, t, make));
    PL_TRY(lock(fd, &d->h));
    pl_err e = tool_vaults_read(&d->h, d->v, TOOL_VAULTS_MAX, &n);
    if (pl_err_code(e) == PL_E_FILE_MISSING && make)
        e = PL_OK;
    else if (pl_err_code(e) == PL_E_FILE_MISSING)
        e = PL_FAIL(DEV_NONE);
    PL_TRY(e);
    d->n = (unsigned)n;
    PL_TRY(tool_registry_read(&d->h, d->registry));
    return pl_crypto_new(&d->c);
}

/* ---- what is shown ---- */

static pid_t running(const struct dev *d, const char *kind, unsigned i)
{
    char path[PATH_MAX];
    tool_dev_pid(path, d, kind, i);
    return tool_proc_find(path).pid;
}

static void machine_json(const struct dev *d, struct pl_jw *j, unsigned i)
{
    pl_jw_open(j, '{');
    pl_jw_key(j, "vault_id");
    pl_jw_text(j, d->v[i - 1].id);
    pl_jw_key(j, "endpoint");
    pl_jw_text(j, d->v[i - 1].endpoint);
    pl_jw_key(j, "vault_pid");
    pl_jw_i64(j, running(d, "vault", i));
    pl_jw_key(j, "machine_pid");
    pl_jw_i64(j, running(d, "machine", i));
    pl_jw_close(j, '}');
}

static pl_err show_json(const struct dev *d)
{
    struct pl_wr w PL_CLEANUP(pl_wr_free) = pl_wr_heap(REPORT_MAX);
    struct pl_jw j = pl_jw(&w);
    pl_jw_open(&j, '{');
    pl_jw_key(&j, "dir");
    pl_jw_text(&j, d->h.dir);
    pl_jw_key(&j, "registry");
    pl_jw_open(&j, '{');
    pl_jw_key(&j, "endpoint");
    pl_jw_text(&j, d->registry);
    pl_jw_key(&j, "pid");
    pl_jw_i64(&j, running(d, "registry", 0));
    pl_jw_close(&j, '}');
    pl_jw_key(&j, "vaults");
    pl_jw_open(&j, '[');
    for (unsigned i = 1; i <= d->n; i++)
        machine_json(d, &j, i);
    pl_jw_close(&j, ']');
    pl_jw_close(&j, '}');
    PL_TRY(pl_wr_end(&w));
    return tool_json(d->t, pl_wr_span(&w));
}

static void process_cell(const struct dev *d, struct tool_table *tab, const char *kind, unsigned i)
{
    pid_t pid = running(d, kind, i);
    if (pid)
        tool_cellf(tab, "running, pid %d", (int)pid);
    else
        tool_cell(tab, "not running");
}

static pl_err show(const struct dev *d)
{
    static const char *const heads[] = {"NAME", "ID", "ENDPOINT", "PROCESS", "MACHINE"};
    if (d->t->json)
        return show_json(d);
    struct tool_table tab = tool_table(5, heads);
    for (unsigned i = 1; i <= d->n; i++) {
        tool_cellf(&tab, "vault-%u", i);
        tool_cellf(&tab, "%.16s", d->v[i - 1].id);
        tool_cell(&tab, d->v[i - 1].endpoint);
        process_cell(d, &tab, "vault", i);
        process_cell(d, &tab, "machine", i);
    }
    tool_cell(&tab, "registry");
    tool_cell(&tab, "");
    tool_cell(&tab, d->registry);
    process_cell(d, &tab, "registry", 0);
    tool_cell(&tab, "");
    return tool_table_print(d->t, &tab);
}

/* ---- the verbs ---- */

/* --program I=FILE: remembered in the folder, for this and every later start. */
static pl_err programs(struct dev *d)
{
    const char *value;
    for (unsigned i = 0; (value = tool_nth(d->t, "program", i)); i++) {
        char *end, path[PATH_MAX], real[PATH_MAX], name[16] = "registry";
        unsigned long at = strtoul(value, &end, 10);
        snprintf(d->failed, sizeof(d->failed), "--program %s", value);
        if (strncmp(value, "registry=", 9) == 0) {
            end = strchr(value, '=');
        } else {
            PL_REQUIRE(at >= 1 && at <= d->n && *end == '=', DEV_PROGRAM);
            snprintf(name, sizeof(name), "%lu", at);
        }
        PL_REQUIRE(realpath(end + 1, real), DEV_PROGRAM);
        tool_path(path, &d->h, "program-%s", name);
        PL_TRY(pl_file_write(path, pl_span_str(real), 0600, PL_FILE_REPLACE));
    }
    return PL_OK;
}

/* --issuers FILE: of the configuration that the vaults are born under, so at the first start only.
 */
static pl_err issuers(struct dev *d)
{
    const char *file = tool_text(d->t, "issuers");
    char path[PATH_MAX];
    struct pl_wr text PL_CLEANUP(pl_wr_free) = {0};
    if (!file)
        return PL_OK;
    snprintf(d->failed, sizeof(d->failed), "--issuers %s", file);
    tool_path(path, &d->h, "config.json");
    PL_REQUIRE(!tool_exists(path), CONFIG_OTHER);
    PL_TRY(tool_read(&text, file, ISSUERS_MAX));
    tool_path(path, &d->h, "issuers.json");
    return pl_file_write(path, pl_wr_span(&text), 0600, PL_FILE_REPLACE);
}

static int up(struct tool *t)
{
    struct dev *d PL_CLEANUP(end) = NULL;
    int fd PL_CLEANUP(unlock) = -1;
    pl_err e = open_dev(&d, t, true, &fd);
    if (e != PL_OK)
        return tool_fail(t, d ? d->failed : NULL, e);
    unsigned want = (unsigned)tool_number(t, "vaults", d->n ? d->n : VAULTS);
    if (d->n && want != d->n)
        return tool_usage(t, "there are %u vaults in %s already; use another --dir", d->n,
                          d->h.dir);
    d->n = want;
    e = programs(d);
    if (e == PL_OK)
        e = issuers(d);
    if (e == PL_OK)
        e = tool_dev_up(d);
    tool_progress_end(t);
    if (e != PL_OK)
        return tool_fail(t, d->failed, e);
    e = show(d);
    if (e != PL_OK)
        return tool_fail(t, "standard output", e);
    if (!t->json)
        printf("\n%sSimulated hardware: nothing here protects a real secret.%s\n"
               "Keys, list and profile of the vaults: %s\n"
               "Their registry: pleiad vault list --registry %s\n"
               "Apps run on a machine of their own: pleiad sim run --as NAME -- CMD\n"
               "Stop: pleiad dev down --dir %s\n",
               tool_tint(t, TOOL_WARN), tool_tint(t, TOOL_PLAIN), d->h.dir, d->registry,
               tool_home_name(t));
    return TOOL_DONE;
}

static int status(struct tool *t)
{
    struct dev *d PL_CLEANUP(end) = NULL;
    int fd PL_CLEANUP(unlock) = -1;
    pl_err e = open_dev(&d, t, false, &fd);
    if (e != PL_OK)
        return tool_fail(t, d ? d->failed : NULL, e);
    bool all = running(d, "registry", 0);
    for (unsigned i = 1; i <= d->n; i++)
        all = all && running(d, "vault", i);
    e = show(d);
    if (e != PL_OK)
        return tool_fail(t, "standard output", e);
    return all ? TOOL_DONE : TOOL_UNREACHABLE;
}

/* All of one kind; the first error, after all were tried. */
static pl_err stop_all(struct dev *d, const char *kind, unsigned *stopped)
{
    pl_err first = PL_OK;
    for (unsigned i = 0; i <= VAULTS_MAX; i++) {
        char pid[PATH_MAX];
        tool_dev_pid(pid, d, kind, i);
        struct tool_proc p = tool_proc_find(pid);
        pl_err e = tool_proc_stop(p, pid);
        if (e != PL_OK && first == PL_OK) {
            snprintf(d->failed, sizeof(d->failed), "%s-%u", kind, i);
            first = e;
        } else if (e == PL_OK && p.pid) {
            (*stopped)++;
        }
    }
    return first;
}

static int down(struct tool *t)
{
    struct dev *d PL_CLEANUP(end) = NULL;
    int fd PL_CLEANUP(unlock) = -1;
    unsigned stopped = 0;
    pl_err e = open_dev(&d, t, false, &fd);
    /* Where it never came fully up there is no list; its processes have pid files all the same. */
    if (e != PL_OK && !(pl_err_code(e) == PL_E_DEV_NONE && d && *d->h.dir))
        return tool_fail(t, d ? d->failed : NULL, e);
    static const char *const kinds[] = {"vault", "registry", "machine"};
    e = PL_OK; /* vaults first: they take leave of the registry */
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
        pl_err other = stop_all(d, kinds[i], &stopped);
        e = e == PL_OK ? other : e;
    }
    if (e != PL_OK)
        return tool_fail(t, d->failed, e);
    if (t->json)
        printf("{\"stopped\":%u}\n", stopped);
    else
        printf("%u process%s ended; keys and vaults are kept in %s\n", stopped,
               stopped == 1 ? "" : "es", d->h.dir);
    return TOOL_DONE;
}

static const struct tool_opt up_opts[] = {
    TOOL_HOME_OPT,
    {.name = "vaults",
     .letter = 'n',
     .arg = TOOL_NUMBER,
     .meta = "N",
     .min = 1,
     .max = VAULTS_MAX,
     .help = "how many vaults, each on a machine of its own (default 4)"},
    {.name = "program",
     .arg = TOOL_TEXT,
     .meta = "I=FILE",
     .repeats = true,
     .help = "run this program as vault I, or as the registry (registry=FILE): for tests of broken "
             "ones"},
    {.name = "issuers",
     .arg = TOOL_FILE,
     .meta = "FILE",
     .help = "whose OpenID Connect tokens the vaults believe, with their keys: at the first start"},
    {0},
};
static const struct tool_opt dir_opts[] = {TOOL_HOME_OPT, {0}};

const struct tool_cmd tool_dev[] = {
    {.verb = "up",
     .summary = "make a constellation of simulated machines and a registry, or start it again",
     .args = "",
     .opts = up_opts,
     .example = "pleiad dev up --vaults 4",
     .run = up},
    {.verb = "status",
     .summary = "show its vaults, registry and processes; exit 3 when one does not run",
     .args = "",
     .opts = dir_opts,
     .example = "pleiad dev status",
     .run = status},
    {.verb = "down",
     .summary = "end its processes; keys and vaults stay",
     .args = "",
     .opts = dir_opts,
     .example = "pleiad dev down",
     .run = down},
    {0},
};
