/* For tests with real processes: start one and read its events, ask a server one thing over TLS. */
#ifndef PL_TESTS_REGISTRY_WIRE_H
#define PL_TESTS_REGISTRY_WIRE_H

#include "platform/net/net.h"
#include "test.h"

#include <sys/types.h>

/* ---- processes ---- */

struct process {
    pid_t pid;
    char log[300]; /* its standard error */
};
/* Starts it with standard error in a file of this name, and waits for the event "ready". */
bool process_start(struct process *p, const char *log, const char *const *argv);
/* Waits until the log holds `text`; false after 20 s, or when the process ended. */
bool process_said(const struct process *p, const char *text);
/* The value of the first "name":"value" in its log, a static ring; "" when there is none. */
const char *process_value(const struct process *p, const char *name);
int process_stop(struct process *p); /* SIGTERM; its exit code, -1 on a signal */

/* ---- requests ---- */

struct answer {
    int status; /* 0: none */
    char etag[64];
    struct pl_wr body;
};
struct question {
    const char *port;
    const struct pl_priv *key; /* client certificate of this key; NULL: none */
    const char *method, *path;
    struct pl_span body, etag, idempotency_key;
};
/* One connection, one request. The body of `a` is emptied before; free it once. */
bool ask(struct answer *a, const struct question *q);
int ask_status(const char *port, const char *method, const char *path, struct pl_span body);

#endif
