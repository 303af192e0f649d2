/* What Pleiad's daemons share: options, structured logs, a metrics page, an end by signal. */
#ifndef PL_DAEMONS_COMMON_DAEMON_H
#define PL_DAEMONS_COMMON_DAEMON_H

#include "base/base.h"
#include "platform/trust/trust.h"

/* ---- options: `--name value` only; secrets never -----------------------------------------------
 */

struct pl_dopt {
    const char *name, *meta, *help; /* meta NULL: a flag */
    const char *value;              /* default; NULL: none. What was given replaces it */
    bool required;
};
/* Fills values in `opts` (ended by a NULL name). Returns -1 to go on, or the exit code: 0 after
 * --help or --version, 2 after a usage error, which is printed. */
int pl_daemon_options(struct pl_dopt *opts, const char *program, const char *what, int argc,
                      char **argv);
const char *pl_daemon_opt(const struct pl_dopt *opts, const char *name); /* asserted to exist */
/* A decimal number in [min, max], or *ok becomes false and the error is printed. */
uint64_t pl_daemon_number(const struct pl_dopt *opts, const char *name, uint64_t min, uint64_t max,
                          bool *ok);

/* ---- events: one JSON object a line on stderr --------------------------------------------------
 */

enum pl_level { PL_LOG_ERROR = 1, PL_LOG_WARN, PL_LOG_INFO };
/* Pairs of name and text, ended by NULL. Text is escaped; nothing secret may be given. */
void pl_event(enum pl_level level, const char *event, ...) __attribute__((sentinel));
/* The same for an error: its code, sentence and site, and what it concerns (may be NULL). */
void pl_event_error(const char *event, const char *what, pl_err e);
/* A number as text for pl_event, in a ring of 8 buffers of this thread. */
const char *pl_num(uint64_t n);

/* ---- end, metrics ------------------------------------------------------------------------------
 */

/* Blocks SIGTERM, SIGINT and SIGHUP in all threads to come, ignores SIGPIPE, and returns a
 * descriptor that is readable when one arrived. -1 on failure. */
int pl_daemon_signals(void);
/* Reads a folder of collateral again, and says what came of it when there is something to say. */
void pl_daemon_trust(struct pl_trust_set *_Atomic *set, struct pl_crypto *c, const char *dir);
/* Takes what arrived there: true, end; false, SIGHUP: read again what may have changed. */
bool pl_daemon_ends(int signals);

/* Serves GET /metrics (Prometheus text, version 0.0.4) on a loopback address, in a thread of its
 * own, one connection at a time. `write` appends the page. DAEMON_METRICS when the address is not
 * loopback or cannot be bound. Never stopped: ends with the process. */
PL_CHECKED pl_err pl_metrics_start(const char *address, void (*write)(void *arg, struct pl_wr *w),
                                   void *arg);
/* One sample with its help text. */
void pl_metric(struct pl_wr *w, const char *name, const char *kind, const char *help, uint64_t v);

#endif
