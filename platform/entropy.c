#include "platform/platform.h"

#include <errno.h>
#include <sys/random.h>

pl_err pl_entropy(void *out, size_t n)
{
    uint8_t *p = out;
    for (size_t done = 0; done < n;) {
        ssize_t got = getrandom(p + done, n - done, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            pl_wipe(out, n);
            return PL_FAIL(ENTROPY);
        }
        done += (size_t)got;
    }
    return PL_OK;
}
