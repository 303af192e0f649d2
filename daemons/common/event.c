#include "daemons/common/daemon.h"
#include "platform/platform.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum { EVENT_MAX = 4096 };

const char *pl_num(uint64_t n)
{
    static _Thread_local char ring[8][24];
    static _Thread_local unsigned at;
    char *out = ring[at++ % 8];
    snprintf(out, sizeof(ring[0]), "%llu", (unsigned long long)n);
    return out;
}

static void begin(struct pl_jw *j, enum pl_level level, const char *event)
{
    static const char *const words[] = {"none", "error", "warn", "info"};
    int64_t now = 0;
    if (pl_clock_wall(&now) != PL_OK)
        now = 0;
    pl_jw_open(j, '{');
    pl_jw_key(j, "time");
    pl_jw_time(j, now);
    pl_jw_key(j, "level");
    pl_jw_text(j, words[level]);
    pl_jw_key(j, "event");
    pl_jw_text(j, event);
}

/* One write, so that lines of several threads do not mix. A line that cannot be written is lost:
 * there is nowhere else to say so. */
static void end(struct pl_jw *j)
{
    pl_jw_close(j, '}');
    pl_wr_u8(j->w, '\n');
    if (pl_wr_end(j->w) == PL_OK && write(STDERR_FILENO, j->w->p, j->w->n) < 0)
        return;
}

void pl_event(enum pl_level level, const char *event, ...)
{
    char buf[EVENT_MAX];
    struct pl_wr w = pl_wr_fixed(buf, sizeof(buf));
    struct pl_jw j = pl_jw(&w);
    va_list ap;
    begin(&j, level, event);
    va_start(ap, event);
    for (const char *key; (key = va_arg(ap, const char *));) {
        const char *value = va_arg(ap, const char *);
        pl_jw_key(&j, key);
        pl_jw_text(&j, value ? value : "");
    }
    va_end(ap);
    end(&j);
}

void pl_event_error(const char *event, const char *what, pl_err e)
{
    enum pl_code c = pl_err_code(e);
    char site[96];
    snprintf(site, sizeof(site), "%s:%d", e ? e->file : "", e ? e->line : 0);
    pl_event(PL_LOG_ERROR, event, "what", what ? what : "", "code", pl_code_name(c), "text",
             pl_code_text(c), "site", site, NULL);
}

int pl_daemon_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    if (sigaction(SIGPIPE, &ignore, NULL) != 0 || sigprocmask(SIG_BLOCK, &set, NULL) != 0)
        return -1;
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

bool pl_daemon_ends(int signals)
{
    struct signalfd_siginfo s;
    return read(signals, &s, sizeof(s)) != sizeof(s) || s.ssi_signo != SIGHUP;
}

void pl_daemon_trust(struct pl_trust_set *_Atomic *set, struct pl_crypto *c, const char *dir)
{
    const char *bad = "";
    const struct pl_trust_set *old = *set;
    pl_err e = pl_trust_renew(set, c, dir, &bad);
    if (e != PL_OK)
        pl_event_error("collateral", bad, e);
    else if (*set != old)
        pl_event(PL_LOG_INFO, "collateral-renewed", NULL);
}
