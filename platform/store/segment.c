#include "platform/store/internal.h"

#include <errno.h>
#include <stdio.h>

#define NEXT_NAME "log.new"

pl_err pl_segments_init(struct segments *g, struct pl_store_dir *dir, size_t bytes)
{
    *g = (struct segments){.dir = dir, .bytes = bytes, .fd = -1, .next_fd = -1};
    g->zeros = pl_map_pages(FILL_STEP_BYTES);
    PL_REQUIRE(g->zeros, NO_MEMORY);
    return PL_OK;
}

static void close_fd(struct segments *g, int *fd)
{
    if (*fd >= 0)
        g->dir->io->close(g->dir->io->ctx, *fd);
    *fd = -1;
}

void pl_segments_free(struct segments *g)
{
    if (!g->zeros)
        return;
    close_fd(g, &g->fd);
    close_fd(g, &g->next_fd);
    pl_unmap_pages(g->zeros, FILL_STEP_BYTES, 0);
    g->zeros = NULL;
}

/* ---- the next segment ----------------------------------------------------------------------- */

static int fill_step(struct segments *g)
{
    const struct pl_io *io = g->dir->io;
    if (g->next_fd < 0) {
        g->next_fd = io->open(io->ctx, g->dir->fd, NEXT_NAME, PL_IO_CREATE);
        g->next_at = 0;
        if (g->next_fd < 0)
            return g->next_fd;
    }
    size_t left = g->bytes - g->next_at, n = left < FILL_STEP_BYTES ? left : FILL_STEP_BYTES;
    ssize_t r = n ? io->pwrite(io->ctx, g->next_fd, g->zeros, n, g->next_at) : 0;
    if (r < 0 || (n && r == 0))
        return r < 0 ? (int)r : -EIO;
    g->next_at += (uint64_t)r;
    if (g->next_at < g->bytes)
        return 0;
    int synced = io->sync(io->ctx, g->next_fd);
    close_fd(g, &g->next_fd);
    g->next_ready = synced >= 0;
    return synced;
}

bool pl_segments_prepare(struct segments *g)
{
    if (g->next_ready || g->at < g->bytes / 2)
        return false;
    if (fill_step(g) >= 0)
        return !g->next_ready;
    close_fd(g, &g->next_fd); /* the disk may be full now: advance tries again when it must */
    return false;
}

static int open_current(struct segments *g)
{
    const struct pl_io *io = g->dir->io;
    int fd = io->open(io->ctx, g->dir->fd, g->name, PL_IO_DIRECT);
    g->direct = fd >= 0;
    return fd == -EINVAL ? io->open(io->ctx, g->dir->fd, g->name, PL_IO_WRITE) : fd;
}

static int advance(struct segments *g)
{
    const struct pl_io *io = g->dir->io;
    for (int r = 0; !g->next_ready;)
        if ((r = fill_step(g)) < 0)
            return r;
    int r = io->rename(io->ctx, g->dir->fd, NEXT_NAME, g->name);
    if (r < 0)
        return r;
    g->next_ready = false;
    r = io->sync(io->ctx, g->dir->fd);
    if (r < 0)
        return r;
    g->at = 0;
    g->fd = open_current(g);
    return g->fd;
}

pl_err pl_segments_advance(struct segments *g, struct pl_store_place *out_place, uint64_t epoch)
{
    close_fd(g, &g->fd);
    pl_segment_name(g->name, epoch);
    int r = advance(g);
    if (r < 0) { /* nothing was sealed for it yet: all of it can be done once more */
        close_fd(g, &g->next_fd);
        r = advance(g);
    }
    if (r >= 0)
        return PL_OK;
    close_fd(g, &g->next_fd);
    return pl_io_failed(out_place, g->name, r);
}

/* ---- the current one ------------------------------------------------------------------------ */

static int64_t write_once(struct segments *g, struct pl_span frame)
{
    const struct pl_io *io = g->dir->io;
    ssize_t r = io->pwrite(io->ctx, g->fd, frame.p, frame.n, g->at);
    if (r == -EINVAL && g->direct) { /* the file system takes O_DIRECT in open and not in write */
        close_fd(g, &g->fd);
        g->direct = false;
        g->fd = io->open(io->ctx, g->dir->fd, g->name, PL_IO_WRITE);
        if (g->fd < 0)
            return g->fd;
        r = io->pwrite(io->ctx, g->fd, frame.p, frame.n, g->at);
    }
    if (r < 0 || (size_t)r != frame.n)
        return r < 0 ? r : -EIO;
    return g->direct ? 0 : io->sync(io->ctx, g->fd);
}

pl_err pl_segments_write(struct segments *g, struct pl_span frame, int *out_errno)
{
    PL_ASSERT(g->fd >= 0 && frame.n <= g->bytes - g->at);
    int64_t r = write_once(g, frame);
    if (r < 0 && g->fd >= 0)
        r = write_once(g, frame);
    *out_errno = r < 0 ? (int)-r : 0;
    if (r < 0)
        return pl_io_failed(NULL, g->name, r);
    g->at += frame.n;
    return PL_OK;
}
