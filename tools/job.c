#include "tools/job.h"

#include <string.h>

static pl_err open_anchor(struct tool *t, struct tool_job *j, enum tool_who who)
{
    const char *path = tool_text(t, "anchor");
    const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
    const void *measured;
    size_t n;
    struct pl_wr text PL_CLEANUP(pl_wr_free) = {0};
    if (who == TOOL_APP_STRICT || pl_app_measured(j->app, name, &measured, &n))
        return pl_anchor_measured(&j->anchor, j->app, name);
    if (who == TOOL_APP)
        tool_note(t, "%s is not measured input of this process: trusted as a file", path);
    PL_TRY(tool_read(&text, path, TOOL_FILE_MAX));
    return pl_anchor_read(&j->anchor, j->app, text.p, text.n);
}

enum tool_who tool_job_who(const struct tool *t, enum tool_who otherwise)
{
    const char *as = tool_text(t, "as");
    return !as ? otherwise : strcmp(as, "owner") == 0 ? TOOL_OWNER : TOOL_APP;
}

static void show(void *arg, const struct pl_report *r)
{
    uint64_t done = 0;
    for (size_t i = 0; i < r->vaults; i++)
        done += r->vault[i].step == PL_STEP_VERIFIED || r->vault[i].why;
    tool_progress(arg, "waiting for vaults, answered", done, r->vaults);
}

int tool_job_begin(struct tool *t, struct tool_job *j, enum tool_who who)
{
    pl_err e = tool_home(&j->h, t, false);
    if (e != PL_OK)
        return tool_fail(t, tool_home_name(t), e);
    e = who == TOOL_OWNER ? tool_owner_app(&j->app, &j->h, j->identity)
        : j->identity     ? tool_key_app(&j->app, &j->h, j->identity)
                          : tool_app(&j->app, &j->h, true);
    if (e != PL_OK)
        return tool_app_fail(t, NULL, "this process", e);
    pl_app_progress(j->app, show, t);
    e = open_anchor(t, j, who);
    if (e == PL_OK)
        return -1;
    int code = tool_app_fail(t, j->app, tool_text(t, "anchor"), e);
    if (who == TOOL_APP_STRICT && pl_err_code(e) == PL_E_FILE_MISSING)
        tool_note(t, "start it with the anchor as measured input (pleiad sim run --measured), or "
                     "trust the file: --insecure-anchor");
    return code;
}

void tool_job_end(struct tool_job *j)
{
    pl_anchor_free(j->anchor);
    pl_app_close(j->app);
}

int tool_job_done(struct tool *t, const struct tool_job *j, const char *what, pl_err e)
{
    char line[PL_REPORT_LINE];
    for (size_t i = 0; (e != PL_OK || tool_flag(t, "report")) && i < j->report.vaults; i++) {
        pl_report_line(line, &j->report.vault[i]);
        tool_note(t, "%s", line);
    }
    return e == PL_OK ? TOOL_DONE : tool_app_fail(t, j->app, what, e);
}

bool tool_diversity(struct tool *t, unsigned *out_vendors)
{
    static const char vendor[] = "vendor:";
    const char *text = tool_text(t, "diversity");
    const char *digit =
        text && strncmp(text, vendor, sizeof(vendor) - 1) == 0 ? text + sizeof(vendor) - 1 : "";
    bool good = *digit >= '1' && *digit <= '8' && !digit[1];
    *out_vendors = good ? (unsigned)(*digit - '0') : 0;
    if (!text || good)
        return true;
    tool_usage(t, "--diversity is vendor:N with N from 1 to 8; sites and operators are signed by "
                  "nobody in this build");
    return false;
}
