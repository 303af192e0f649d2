#include "tools/tool.h"

#include <stdio.h>

static int bash(struct tool *t)
{
    (void)t;
    tool_completion_bash();
    return TOOL_DONE;
}

const struct tool_cmd tool_completion[] = {
    {.verb = "bash",
     .summary = "print completion for bash",
     .args = "",
     .example = "pleiad completion bash > ~/.local/share/bash-completion/completions/pleiad",
     .run = bash},
    {0},
};
