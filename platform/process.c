#include "platform/platform.h"

#include <sys/prctl.h>
#include <sys/resource.h>

pl_err pl_process_harden(void)
{
    const struct rlimit none = {0, 0};
    PL_REQUIRE(setrlimit(RLIMIT_CORE, &none) == 0, HARDEN);
    PL_REQUIRE(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0, HARDEN);
    PL_REQUIRE(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, HARDEN);
    return PL_OK;
}
