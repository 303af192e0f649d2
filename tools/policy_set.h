/* A policy from a file, with profiles put into it: --set profiles.NAME=@FILE. */
#ifndef PL_TOOLS_POLICY_SET_H
#define PL_TOOLS_POLICY_SET_H

#include "base/base.h"
#include "policy/policy.h"
#include "tools/tool.h"

enum { TOOL_PROFILE_NAME = 128 };

/* The bytes of `file` with every --set done, not yet loaded; the name in the first --set (as it was
 * when there is none). -1, or the exit code with the reason said. */
int tool_policy_set(struct tool *t, const char *file, struct pl_wr *out,
                    char first[static TOOL_PROFILE_NAME]);

#define TOOL_SET_OPT                                                                               \
    {                                                                                              \
        .name = "set", .arg = TOOL_TEXT, .meta = "profiles.NAME=@FILE", .repeats = true,           \
        .help = "put the profile of a file into the policy, as `sim measure` prints it"            \
    }

#endif
