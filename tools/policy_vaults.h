/* Verbs of pleiad policy that speak to the vaults of a key: policy_vaults.c. */
#ifndef PL_TOOLS_POLICY_VAULTS_H
#define PL_TOOLS_POLICY_VAULTS_H

#include "tools/tool.h"

int tool_policy_set_run(struct tool *t);
int tool_policy_show_run(struct tool *t);
extern const struct tool_opt tool_policy_set_opts[], tool_policy_show_opts[];

#endif
