#include "platform/platform.h"

#include <sys/mman.h>
#include <unistd.h>

static size_t page(void)
{
    long n = sysconf(_SC_PAGESIZE);
    PL_ASSERT(n > 0);
    return (size_t)n;
}

/* The part between the guard pages: usable, locked, private to this process and its running. */
static bool prepare(uint8_t *base, size_t size)
{
    return mprotect(base, size, PROT_READ | PROT_WRITE) == 0 && mlock(base, size) == 0 &&
           madvise(base, size, MADV_DONTDUMP) == 0 && madvise(base, size, MADV_WIPEONFORK) == 0;
}

pl_err pl_locked_map(struct pl_locked *out, size_t size)
{
    *out = (struct pl_locked){0};
    PL_REQUIRE(size > 0 && size <= PL_LOCKED_MAX, LOCKED_SIZE);
    size_t guard = page(), inner = (size + guard - 1) / guard * guard;
    uint8_t *map = mmap(NULL, inner + 2 * guard, PROT_NONE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    PL_REQUIRE(map != MAP_FAILED, NO_MEMORY);
    if (!prepare(map + guard, inner)) {
        munmap(map, inner + 2 * guard);
        return PL_FAIL(MEMLOCK);
    }
    *out = (struct pl_locked){map + guard, inner};
    return PL_OK;
}

struct pl_arena pl_locked_arena(const struct pl_locked *m) { return pl_arena(m->base, m->size); }

void pl_locked_unmap(struct pl_locked *m)
{
    if (!m || !m->base)
        return;
    pl_wipe(m->base, m->size);
    munmap(m->base - page(), m->size + 2 * page());
    *m = (struct pl_locked){0};
}
