#include "platform/store/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#define ROOT_NAME "root.sealed"
#define ROOT_NEW  "root.sealed.new"

void pl_segment_name(char out[static NAME_BYTES], uint64_t epoch)
{
    snprintf(out, NAME_BYTES, "log.%016llx", (unsigned long long)epoch);
}

void pl_snapshot_name(char out[static NAME_BYTES], uint64_t index)
{
    snprintf(out, NAME_BYTES, "snapshot.%016llx", (unsigned long long)index);
}

pl_err pl_io_failed(struct pl_store_place *out_place, const char *name, int64_t r)
{
    if (out_place) {
        snprintf(out_place->file, sizeof(out_place->file), "%s", name);
        out_place->os_error = r < 0 ? (int)-r : EIO;
    }
    return r == -ENOSPC || r == -EDQUOT ? PL_FAIL(STORE_FULL) : PL_FAIL(STORE_IO);
}

/* The number behind `prefix`, 16 lower-case hex digits and nothing else; false: another name. */
static bool numbered(uint64_t *out, const char *name, const char *prefix)
{
    size_t n = strlen(prefix);
    uint8_t be[8];
    char again[NAME_BYTES];
    if (strncmp(name, prefix, n) != 0 || strlen(name) != n + 16 ||
        pl_unhex(be, sizeof(be), pl_span_str(name + n)) != PL_OK)
        return false;
    struct pl_rd r = pl_rd(PL_ARR(be));
    *out = pl_rd_be64(&r);
    snprintf(again, sizeof(again), "%s%016llx", prefix, (unsigned long long)*out);
    return strcmp(again, name) == 0;
}

static void add_segment(struct names *s, uint64_t epoch)
{
    s->first = s->segments == 0 || epoch < s->first ? epoch : s->first;
    s->last = epoch > s->last ? epoch : s->last;
    s->segments++;
}

static void add_snapshot(struct names *s, uint64_t index)
{
    s->oldest = s->snapshots == 0 || index < s->oldest ? index : s->oldest;
    s->snapshots++;
    if (index > s->newest) {
        s->second = s->newest;
        s->newest = index;
    } else if (index > s->second) {
        s->second = index;
    }
}

static void each_name(void *to, const char *name)
{
    struct names *s = to;
    uint64_t number;
    if (numbered(&number, name, "log."))
        add_segment(s, number);
    else if (numbered(&number, name, "snapshot."))
        add_snapshot(s, number);
    else if (strcmp(name, ROOT_NAME) == 0)
        s->root = true;
    else if (strcmp(name, ROOT_NEW) != 0 && strcmp(name, "log.new") != 0 &&
             strcmp(name, "snapshot.new") != 0)
        snprintf(s->other, sizeof(s->other), "%s", name);
}

pl_err pl_dir_names(struct pl_store_dir *d, struct names *out)
{
    *out = (struct names){0};
    int r = d->io->list(d->io->ctx, d->fd, each_name, out);
    PL_REQUIRE(r >= 0, STORE_IO);
    return PL_OK;
}

/* Whether this is a place for a birth, a vault, or something a person has to look at first. */
static pl_err judge(struct pl_store_dir *d, struct pl_store_place *out_place)
{
    struct names names;
    PL_TRY(pl_dir_names(d, &names));
    d->found = names.root ? PL_FOUND_VAULT : PL_FOUND_NOTHING;
    if (names.root)
        return PL_OK;
    if (names.segments)
        pl_segment_name(out_place->file, names.last);
    else if (names.snapshots)
        pl_snapshot_name(out_place->file, names.newest);
    else
        snprintf(out_place->file, sizeof(out_place->file), "%s", names.other);
    PL_REQUIRE(names.segments == 0 && names.snapshots == 0, STORE_ROOT_MISSING);
    PL_REQUIRE(names.other[0] == 0, STORE_NOT_EMPTY);
    return PL_OK;
}

static pl_err open_and_lock(struct pl_store_dir *d, struct pl_store_place *out_place,
                            const char *path)
{
    const struct pl_io *io = d->io;
    d->fd = io->dir(io->ctx, path, 1);
    PL_REQUIRE(d->fd != -EACCES, STORE_PERMISSIONS);
    if (d->fd < 0)
        return pl_io_failed(out_place, ".", d->fd);
    int r = io->lock(io->ctx, d->fd);
    PL_REQUIRE(r != -EWOULDBLOCK, STORE_BUSY);
    if (r < 0)
        return pl_io_failed(out_place, ".", r);
    return judge(d, out_place);
}

pl_err pl_store_dir(struct pl_store_dir **out, enum pl_store_found *out_found,
                    struct pl_store_place *out_place, const struct pl_io *io, const char *path)
{
    *out = NULL;
    *out_found = PL_FOUND_UNKNOWN;
    *out_place = (struct pl_store_place){.offset = 0};
    struct pl_store_dir *d = calloc(1, sizeof(*d));
    PL_REQUIRE(d, NO_MEMORY);
    *d = (struct pl_store_dir){.io = io, .fd = -1};
    pl_err e = open_and_lock(d, out_place, path);
    if (e != PL_OK) {
        pl_store_dir_close(d);
        return e;
    }
    *out_found = d->found;
    *out = d;
    return PL_OK;
}

void pl_store_dir_close(struct pl_store_dir *d)
{
    if (!d)
        return;
    if (d->fd >= 0)
        d->io->close(d->io->ctx, d->fd);
    free(d);
}

pl_err pl_read_all(struct pl_store_dir *d, int fd, void *out, size_t n, uint64_t at)
{
    uint8_t *p = out;
    for (size_t done = 0; done < n;) {
        ssize_t r = d->io->pread(d->io->ctx, fd, p + done, n - done, at + done);
        PL_REQUIRE(r > 0, STORE_IO);
        done += (size_t)r;
    }
    return PL_OK;
}

pl_err pl_sync_names(struct pl_store_dir *d)
{
    int r = d->io->sync(d->io->ctx, d->fd);
    return r < 0 ? pl_io_failed(NULL, ".", r) : PL_OK;
}

pl_err pl_finish_file(struct pl_store_dir *d, int fd, const char *from, const char *to)
{
    int r = d->io->sync(d->io->ctx, fd);
    d->io->close(d->io->ctx, fd);
    if (r >= 0)
        r = d->io->rename(d->io->ctx, d->fd, from, to);
    if (r < 0)
        return pl_io_failed(NULL, from, r);
    return pl_sync_names(d);
}

uint8_t *pl_map_pages(size_t n)
{
    uint8_t *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return NULL;
    madvise(p, n, MADV_DONTDUMP); /* advice: a kernel that lacks it dumps what it dumped before */
    return p;
}

void pl_unmap_pages(uint8_t *p, size_t n, size_t used)
{
    if (!p)
        return;
    pl_wipe(p, used);
    munmap(p, n);
}

/* ---- the sealed root ------------------------------------------------------------------------ */

static pl_err write_root(struct pl_store_dir *d, const uint8_t blob[static PL_ROOT_BLOB_BYTES])
{
    const struct pl_io *io = d->io;
    int fd = io->open(io->ctx, d->fd, ROOT_NEW, PL_IO_CREATE);
    if (fd < 0)
        return pl_io_failed(NULL, ROOT_NEW, fd);
    ssize_t r = io->pwrite(io->ctx, fd, blob, PL_ROOT_BLOB_BYTES, 0);
    if (r != PL_ROOT_BLOB_BYTES) {
        io->close(io->ctx, fd);
        return pl_io_failed(NULL, ROOT_NEW, r);
    }
    return pl_finish_file(d, fd, ROOT_NEW, ROOT_NAME);
}

pl_err pl_store_root_reseal(struct pl_store_dir *d, const uint8_t root[static PL_ROOT_KEY_BYTES],
                            const uint8_t seal_key[static PL_AES_KEY_BYTES],
                            const uint8_t salt[static PL_EPOCH_SALT_BYTES], const char *sealer)
{
    uint8_t blob[PL_ROOT_BLOB_BYTES];
    struct pl_crypto *c = NULL;
    PL_TRY(pl_crypto_new(&c));
    pl_err e = pl_root_seal(c, blob, root, seal_key, salt, sealer);
    pl_crypto_free(c);
    PL_TRY(e);
    PL_TRY(write_root(d, blob));
    d->found = PL_FOUND_VAULT;
    return PL_OK;
}

pl_err pl_store_root_make(struct pl_store_dir *d, const uint8_t root[static PL_ROOT_KEY_BYTES],
                          const uint8_t seal_key[static PL_AES_KEY_BYTES],
                          const uint8_t salt[static PL_EPOCH_SALT_BYTES], const char *sealer)
{
    PL_REQUIRE(d->found == PL_FOUND_NOTHING, STORE_NOT_EMPTY);
    return pl_store_root_reseal(d, root, seal_key, salt, sealer);
}

static pl_err read_root(struct pl_store_dir *d, uint8_t out[static PL_ROOT_BLOB_BYTES])
{
    const struct pl_io *io = d->io;
    int fd = io->open(io->ctx, d->fd, ROOT_NAME, PL_IO_READ);
    if (fd < 0)
        return pl_io_failed(NULL, ROOT_NAME, fd);
    int64_t size = io->size(io->ctx, fd);
    pl_err e = size == PL_ROOT_BLOB_BYTES ? pl_read_all(d, fd, out, PL_ROOT_BLOB_BYTES, 0)
               : size < 0                 ? pl_io_failed(NULL, ROOT_NAME, size)
                                          : PL_FAIL(ROOT_FORMAT);
    io->close(io->ctx, fd);
    return e;
}

pl_err pl_store_root_load(struct pl_store_dir *d, uint8_t out_root[static PL_ROOT_KEY_BYTES],
                          char *out_sealer, const uint8_t seal_key[static PL_AES_KEY_BYTES])
{
    uint8_t blob[PL_ROOT_BLOB_BYTES] = {0};
    char sealer[PL_SEALER_BYTES + 1];
    struct pl_crypto *c = NULL;
    pl_wipe(out_root, PL_ROOT_KEY_BYTES);
    pl_err e = read_root(d, blob);
    pl_root_sealer(sealer, PL_ARR(blob));
    if (out_sealer)
        memcpy(out_sealer, sealer, sizeof(sealer));
    PL_TRY(e);
    PL_TRY(pl_crypto_new(&c));
    e = pl_root_open(c, out_root, PL_ARR(blob), seal_key);
    pl_crypto_free(c);
    return e;
}
