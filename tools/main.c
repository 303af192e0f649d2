#include "tools/tool.h"

#include <stdio.h>

#define NOUN(name, summary) extern const struct tool_cmd tool_##name[];
#include "tools/nouns.def"
#undef NOUN

const struct tool_noun tool_nouns[] = {
#define NOUN(name, summary) {#name, summary, tool_##name},
#include "tools/nouns.def"
#undef NOUN
    {0},
};

int main(int argc, char **argv)
{
    struct tool t = {0};
    int code = tool_parse(&t, argc, argv);
    if (code < 0)
        code = t.cmd->run(&t);
    tool_progress_end(&t);
    pl_err e = tool_out_end();
    return e == PL_OK ? code : tool_fail(&t, "standard output", e);
}
