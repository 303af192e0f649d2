/* A development constellation: what dev.c tells and dev_up.c makes. */
#ifndef PL_TOOLS_DEV_H
#define PL_TOOLS_DEV_H

#include "tools/home.h"
#include "tools/proc.h"

struct dev {
    struct tool *t;
    struct tool_home h;
    struct pl_crypto *c;
    unsigned n;
    struct tool_vault v[TOOL_VAULTS_MAX];
    char registry[128];    /* host:port; "" until it first ran */
    char failed[PATH_MAX]; /* what an error is about: a log, a file, a program */
};

/* Makes what is missing and starts what does not run. DEV_*, FILE_*. */
PL_CHECKED pl_err tool_dev_up(struct dev *d);
/* The pid file of "vault" or "machine" i (from 1), or of "registry" 0. */
void tool_dev_pid(char out[static PATH_MAX], const struct dev *d, const char *kind, unsigned i);

#endif
