/* The difference of two policies, for people and programs. */
#ifndef PL_TOOLS_POLICY_DIFF_H
#define PL_TOOLS_POLICY_DIFF_H

#include "policy/change.h"
#include "tools/tool.h"

/* Prints what `is` changes about `was`: a line each, and whether it only takes away. */
PL_CHECKED pl_err tool_policy_diff(struct tool *t, const struct pl_policy *was,
                                   const struct pl_policy *is);

#endif
