/* A call under way: start, step, finish; the blocking call is a loop over them. */
#include "client/internal.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

enum { PROGRESS_MS = 200 };

pl_err pl_work_begin(struct pl_work *w, struct pl_app *app)
{
    PL_REQUIRE(!app->busy, WORK_BUSY);
    pl_app_say(app, "", "");
    pl_app_renew(app);
    app->busy = true;
    w->app = app;
    w->fan.report = &w->report;
    w->fan.start_ms = pl_now_ms();
    return PL_OK;
}

void pl_work_close(struct pl_work *w)
{
    if (!w->app)
        return;
    pl_fan_close(&w->fan);
    w->app->busy = false;
    w->app = NULL;
}

void pl_work_result(struct pl_work *w, pl_err e)
{
    if (w->done)
        return;
    w->done = true;
    w->result = e;
    w->report.ms = (unsigned)(pl_now_ms() - w->fan.start_ms);
}

size_t pl_work_poll(struct pl_work *w, struct pollfd *fds, size_t cap, int *out_timeout_ms)
{
    if (!w->done)
        return pl_fan_poll(&w->fan, fds, cap, out_timeout_ms);
    *out_timeout_ms = 0;
    return 0;
}

bool pl_work_step(struct pl_work *w) { return w->done || w->step(w); }

void pl_app_progress(struct pl_app *app, pl_progress *progress, void *arg)
{
    app->progress = progress;
    app->progress_arg = arg;
}

void pl_work_run(struct pl_work *w)
{
    struct pollfd fds[PL_VAULTS_MAX];
    int wait;
    while (!pl_work_step(w)) {
        size_t n = pl_work_poll(w, fds, PL_VAULTS_MAX, &wait);
        if (w->app->progress) {
            w->app->progress(w->app->progress_arg, &w->report);
            wait = wait < 0 || wait > PROGRESS_MS ? PROGRESS_MS : wait;
        }
        poll(fds, (nfds_t)n, wait); /* EINTR: the next step finds out */
    }
}
