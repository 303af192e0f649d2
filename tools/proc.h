/* Programs that outlive the command that starts them: started, waited for until they are ready,
 * ended by pid. A pid file holds the pid and when that process began, so that a stranger who got
 * the number later is never taken for ours. */
#ifndef PL_TOOLS_PROC_H
#define PL_TOOLS_PROC_H

#include "base/base.h"

#include <limits.h>
#include <sys/types.h>

enum { TOOL_READY_MS = 20000, TOOL_STOP_MS = 5000 };

struct tool_proc {
    pid_t pid;     /* 0: none */
    uint64_t born; /* /proc/PID/stat, in ticks since the machine booted */
};

/* How a program says that it is ready. */
struct tool_proc_start {
    const char *const *argv; /* argv[0] is a path */
    const char *log;         /* its stderr, appended to */
    const char *pid_file;    /* NULL: none */
    bool ready_fd;           /* "--ready-fd 9" is among argv: a byte on descriptor 9 */
    /* Else: a line of JSON in the log with event "ready"; its fields are put here. */
    char *vault_id; /* 65 bytes */
    unsigned *port;
};
enum { TOOL_READY_FD = 9 };

/* The program beside this one: in its folder, in ../sbin and ../bin, in the build's folders, in
 * PATH. DEV_PROGRAM. */
PL_CHECKED pl_err tool_program(char out[static PATH_MAX], const char *name);
/* Starts it in a session of its own and waits until it is ready. On error it has ended. DEV_START:
 * its log says why. */
PL_CHECKED pl_err tool_proc_run(struct tool_proc *out, const struct tool_proc_start *how);
/* Reads a pid file; pid 0 when there is none or that process is gone. One that was killed and still
 * dies is waited for. */
struct tool_proc tool_proc_find(const char *pid_file);
/* TERM, then KILL at the deadline; returns when it is gone. The pid file is removed. DEV_STOP. */
PL_CHECKED pl_err tool_proc_stop(struct tool_proc p, const char *pid_file);
/* Runs to the end with stdout in a new file (NULL: dropped); DEV_START unless it exits with 0. */
PL_CHECKED pl_err tool_proc_wait(const char *const *argv, const char *out, const char *log);

#endif
