#include "policy/policy.h"

const char *pl_group_word(enum pl_group g)
{
    static const char *const words[PL_GROUP_COUNT] = {
        [PL_GROUP_NONE] = "none",
#define PL_GROUP(name, word, role) [PL_GROUP_##name] = word,
#include "policy/group.def"
#undef PL_GROUP
    };
    return words[(unsigned)g < PL_GROUP_COUNT ? g : PL_GROUP_NONE];
}
