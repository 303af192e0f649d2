#include "platform/store/internal.h"

#include <errno.h>
#include <stdlib.h>

#define NEXT_NAME "snapshot.new"

struct writing {
    struct pl_store *s;
    struct pl_crypto *c;
    int fd;
    uint64_t at;
    uint8_t *plain, *sealed; /* a chunk each */
    pl_store_pull *pull;
    void *ctx;
};

static pl_err put(struct writing *w, const uint8_t *p, size_t n)
{
    const struct pl_io *io = w->s->dir->io;
    for (size_t done = 0; done < n;) {
        ssize_t r = io->pwrite(io->ctx, w->fd, p + done, n - done, w->at);
        if (r <= 0)
            return pl_io_failed(NULL, NEXT_NAME, r);
        done += (size_t)r;
        w->at += (uint64_t)r;
    }
    return PL_OK;
}

static pl_err write_chunks(struct writing *w)
{
    struct pl_snapshot_codec *k = &w->s->secrets->snapshot;
    while (!k->done) {
        size_t n = 0;
        PL_TRY(w->pull(w->ctx, w->plain, PL_SNAPSHOT_CHUNK, &n));
        PL_ASSERT(n <= PL_SNAPSHOT_CHUNK);
        PL_TRY(pl_snapshot_seal(w->c, k, w->sealed, pl_span(w->plain, n), n < PL_SNAPSHOT_CHUNK));
        PL_TRY(put(w, w->sealed, n + PL_GCM_TAG_BYTES));
    }
    return PL_OK;
}

static pl_err write_file(struct writing *w, const struct pl_snapshot *info)
{
    struct pl_store *s = w->s;
    struct pl_snapshot_codec *k = &s->secrets->snapshot;
    uint8_t salt[PL_EPOCH_SALT_BYTES];
    PL_TRY(pl_store_draw(s, salt, sizeof(salt)));
    PL_TRY(pl_snapshot_begin(w->c, k, info, s->root, salt));
    w->fd = s->dir->io->open(s->dir->io->ctx, s->dir->fd, NEXT_NAME, PL_IO_CREATE);
    if (w->fd < 0)
        return pl_io_failed(NULL, NEXT_NAME, w->fd);
    pl_err e = put(w, k->header, sizeof(k->header));
    if (e == PL_OK)
        e = write_chunks(w);
    if (e != PL_OK) {
        s->dir->io->close(s->dir->io->ctx, w->fd);
        return e;
    }
    char name[NAME_BYTES];
    pl_snapshot_name(name, info->at.index);
    return pl_finish_file(s->dir, w->fd, NEXT_NAME, name);
}

/* Removes all but the newest two. One that cannot be removed costs room, no more. */
static void prune(struct pl_store *s)
{
    struct names names;
    char name[NAME_BYTES];
    while (pl_dir_names(s->dir, &names) == PL_OK && names.snapshots > 2) {
        pl_snapshot_name(name, names.oldest);
        if (s->dir->io->unlink(s->dir->io->ctx, s->dir->fd, name) < 0)
            return;
    }
}

static pl_err write_snapshot(struct writing *w, const struct pl_snapshot *info)
{
    w->plain = pl_map_pages(PL_SNAPSHOT_CHUNK);
    w->sealed = pl_map_pages(PL_SNAPSHOT_CHUNK + PL_GCM_TAG_BYTES);
    PL_REQUIRE(w->plain && w->sealed, NO_MEMORY);
    PL_TRY(pl_crypto_new(&w->c));
    return write_file(w, info);
}

pl_err pl_store_snapshot(struct pl_store *s, const struct pl_store_mark *mark,
                         const uint8_t tree[static PL_SHA256_BYTES], pl_store_pull *pull, void *ctx)
{
    const struct pl_io *io = s->dir->io;
    struct writing w = {.s = s, .pull = pull, .ctx = ctx};
    struct pl_snapshot info;
    PL_REQUIRE(mark->index > 0, SNAPSHOT_EMPTY);
    PL_TRY(pl_store_wait(s, mark->index));
    memcpy(info.vault_id, s->vault_id, sizeof(info.vault_id));
    memcpy(info.tree, tree, sizeof(info.tree));
    PL_ASSERT(pthread_mutex_lock(&s->mutex) == 0);
    bool known =
        s->marked_known && s->marked_frame == mark->frame && s->marked.index == mark->index;
    info.at = s->marked;
    PL_ASSERT(pthread_mutex_unlock(&s->mutex) == 0);
    PL_ASSERT(known); /* another mark was taken meanwhile: the caller's bug */
    pl_err e = write_snapshot(&w, &info);
    pl_crypto_free(w.c);
    pl_unmap_pages(w.plain, PL_SNAPSHOT_CHUNK, PL_SNAPSHOT_CHUNK);
    pl_unmap_pages(w.sealed, PL_SNAPSHOT_CHUNK + PL_GCM_TAG_BYTES, 0);
    pl_wipe(&s->secrets->snapshot, sizeof(s->secrets->snapshot));
    if (e == PL_OK)
        prune(s);
    else
        io->unlink(io->ctx, s->dir->fd, NEXT_NAME);
    return e;
}
