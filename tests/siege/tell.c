#include "tell.h"

#include "base/base.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *kept[4];

static int where(void)
{
    const char *fd = getenv("PL_TELL");
    return fd ? (int)strtol(fd, NULL, 10) : -1;
}

void tell(const void *p, size_t n)
{
    if (where() >= 0 && write(where(), p, n) != (ssize_t)n)
        abort();
}

void tell_keep(void)
{
    if (kept[0] || where() < 0)
        return;
    uint8_t canary[32];
    if (read(where(), canary, sizeof(canary)) != (ssize_t)sizeof(canary))
        abort();
    for (int i = 0; i < 4; i++)
        kept[i] = calloc(1, 128);
    memcpy(kept[0], canary, sizeof(canary));
    pl_hex(kept[1], PL_ARR(canary));
    pl_b64u(kept[2], PL_ARR(canary));
    memcpy(kept[3], kept[2], 64);
    for (char *p = kept[3]; *p; p++)
        *p = *p == '-' ? '+' : *p == '_' ? '/' : *p;
}
