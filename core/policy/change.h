/* What one policy changes about another: for the decision (which fields, and whether it only takes
 * away) and for people (each difference, marked). Pure; reads the canonical documents, so that it
 * sees all that a digest covers.
 *
 * A change only takes away when that is certain of each difference:
 *     a principal, a profile or a vault profile gone; an app's list of profiles shorter
 *     an allow rule gone, or with fewer operations or principals listed
 *     a new quota, or one with a lower max
 *     staging gone, or with fewer principals listed
 *     expires earlier; recoverable no longer
 * All else widens, or may. So do these when a field is not listed in `mutability` (nobody changes
 * it, whoever may narrow), an owner (the quorum may be counted over those that are left), and a
 * rule that demands approvals (where `profiles` or `lifecycle_acts` is not listed, the highest
 * demand in the document guards what they stand for). The salt is no difference. */
#ifndef PL_POLICY_CHANGE_H
#define PL_POLICY_CHANGE_H

#include "policy/policy.h"

struct pl_difference {
    enum pl_guard guard;
    bool narrows;           /* it only takes away */
    const char *pointer;    /* "/operations/release/to": rules and quotas by their id */
    struct pl_span was, is; /* canonical values; empty: not there */
};
/* Called in the order of the documents; what it is given is valid for the call. */
typedef void pl_difference_fn(void *arg, const struct pl_difference *d);

struct pl_policy_change {
    uint32_t changes; /* guards of the fields that change; 0: none does */
    bool narrows;     /* they change, and all of it only takes away */
};
/* tell may be NULL. */
PL_CHECKED pl_err pl_policy_change(struct pl_policy_change *out, const struct pl_policy *was,
                                   const struct pl_policy *is, pl_difference_fn *tell, void *arg);

#endif
