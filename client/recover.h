/* The vaults of a descriptor, checked against an anchor: recover, status and delete begin alike. */
#ifndef PL_CLIENT_RECOVER_H
#define PL_CLIENT_RECOVER_H

#include "client/approval.h"
#include "client/internal.h"

struct recover {
    struct pl_work w; /* first */
    struct pl_descriptor d;
    struct recover_vault {
        uint8_t commitment[32];
        struct pl_pub signer; /* of the statement in the descriptor */
    } v[PL_VAULTS_MAX];
    size_t need; /* places that must hold before anything is sent; then shares to combine */
    bool any_bound;
    struct pl_locked locked; /* shares, and what comes of them */
    struct pl_arena arena;
    size_t y_bytes, shares, tried;
    struct pl_share share[PL_VAULTS_MAX];
    unsigned char from[PL_VAULTS_MAX]; /* which vault */
    unsigned linger_ms, vendors;
    bool lingers, hurries;
    pl_err verdict;                /* NULL: none yet */
    struct pl_asked *asked;        /* approve.c, while it asks */
    struct pl_approval_file *file; /* what the order gave */
    size_t files;
    struct pl_secret secret;
};

PL_CHECKED pl_err pl_recover_new(struct recover **out, struct pl_app *app);
/* Reads, checks, connects. Events, need and any_bound are set before. */
PL_CHECKED pl_err pl_recover_open(struct recover *r, const struct pl_recover_order *o);
/* Asks a READY vault about its key, if it is the vault that the descriptor's statement is of. */
void pl_recover_ask(struct pl_vc *vc, const char *method, const char *rest);
/* Approvals of an order: read, and as the body of a request to this vault. */
PL_CHECKED pl_err pl_recover_approvals(struct recover *r, const struct pl_recover_order *o);
void pl_recover_approvals_end(struct recover *r);
PL_CHECKED pl_err pl_recover_body(struct pl_wr *out, const struct pl_vc *vc);
/* A step that is over when every vault answered or failed; how many answered. */
bool pl_step_each(struct pl_work *w);
/* Begins such a call: w is the first member of what events find as the fan's user. */
PL_CHECKED pl_err pl_each_open(struct pl_work *w, struct pl_app *app, size_t n,
                               const struct pl_fan_events *events, unsigned deadline_ms);
size_t pl_answered(const struct pl_report *r);
void pl_recover_end(struct pl_work *w);

#endif
