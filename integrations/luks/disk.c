#include "integrations/luks/disk.h"
#include "integrations/luks/volume.h"
#include "platform/platform.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void free_crypto(struct pl_crypto **c) { pl_crypto_free(*c); }
static void close_volume(struct pl_volume **v) { pl_volume_close(*v); }

static pl_err descriptor_path(char out[static PATH_MAX], const struct pl_disk_order *o)
{
    int n = snprintf(out, PATH_MAX, "%s.pleiad", o->path);
    PL_REQUIRE(n > 0 && n < PATH_MAX - 16, FILE_KIND);
    return PL_OK;
}

/* The container has its descriptor: the file beside it has done its work. */
static pl_err finish(struct pl_volume *v, const char *descriptor)
{
    struct pl_wr text PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_VOLUME_DESCRIPTOR_MAX);
    PL_TRY(pl_file_read(&text, descriptor, PL_VOLUME_DESCRIPTOR_MAX));
    PL_TRY(pl_volume_set_descriptor(v, pl_wr_span(&text)));
    unlink(descriptor);
    return PL_OK;
}

static pl_err make_file(const struct pl_disk_order *o)
{
    PL_REQUIRE(o->bytes >= PL_VOLUME_LEAST && o->bytes <= INT64_MAX, LUKS_SIZE);
    int fd = open(o->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return pl_file_err(errno);
    bool ok = ftruncate(fd, (off_t)o->bytes) == 0;
    close(fd);
    PL_REQUIRE(ok, DISK_FULL);
    return PL_OK;
}

static pl_err split(struct pl_app *app, const struct pl_disk_order *o, const char *path,
                    const struct pl_secret *key, const uint8_t *bound, struct pl_report *report)
{
    const struct pl_split_order order = {.name = o->name,
                                         .k = o->k,
                                         .n = o->n,
                                         .secret = key,
                                         .bound = bound,
                                         .descriptor = path,
                                         .anchor = o->anchor,
                                         .grant = o->grant,
                                         .grant_bytes = o->grant_bytes,
                                         .place = o->place,
                                         .places = o->places,
                                         .deadline_ms = o->deadline_ms};
    return pl_split(app, &order, report);
}

/* The header first: the key is split for exactly this container. */
static pl_err format_with(struct pl_app *app, const struct pl_disk_order *o, struct pl_crypto *c,
                          const char *path, struct pl_report *report)
{
    struct pl_secret key PL_CLEANUP(pl_secret_free) = {0};
    struct pl_volume *v PL_CLEANUP(close_volume) = NULL;
    PL_TRY(pl_secret_new(&key, PL_VOLUME_KEY_BYTES));
    PL_TRY(pl_random(key.p, key.n));
    PL_TRY(pl_volume_make(&v, c, o->path, key.p));
    PL_TRY(split(app, o, path, &key, pl_volume_bound(v), report));
    return finish(v, path);
}

static bool exists(const char *path) { return access(path, F_OK) == 0; }

/* Is a format of this container under way, its split not finished? */
static bool interrupted(const char *path)
{
    char more[PATH_MAX + 16];
    snprintf(more, sizeof(more), "%s.journal", path);
    if (exists(more))
        return true;
    snprintf(more, sizeof(more), "%s.new", path);
    return exists(more);
}

static pl_err resume(struct pl_app *app, const struct pl_disk_order *o, struct pl_crypto *c,
                     const char *path, enum pl_resumed *how, struct pl_report *report)
{
    struct pl_volume *v PL_CLEANUP(close_volume) = NULL;
    const struct pl_split_order order = {
        .descriptor = path, .anchor = o->anchor, .deadline_ms = o->deadline_ms};
    *how = PL_RESUMED_NOTHING;
    if (interrupted(path))
        PL_TRY(pl_split_resume(app, &order, how, report));
    else if (exists(path))
        *how = PL_RESUMED_DONE; /* split, but the token was not written any more */
    if (*how != PL_RESUMED_DONE)
        return PL_OK;
    PL_TRY(pl_volume_load(&v, c, o->path));
    return finish(v, path);
}

pl_err pl_disk_format(struct pl_app *app, const struct pl_disk_order *o, enum pl_resumed *resumed,
                      struct pl_report *report)
{
    char path[PATH_MAX];
    enum pl_resumed how;
    struct pl_crypto *c PL_CLEANUP(free_crypto) = NULL;
    PL_TRY(descriptor_path(path, o));
    PL_TRY(pl_crypto_new(&c));
    pl_err e = resume(app, o, c, path, &how, report);
    if (resumed)
        *resumed = how;
    PL_TRY(e);
    if (how == PL_RESUMED_DONE)
        return PL_OK;
    if (how == PL_RESUMED_NOTHING)
        PL_TRY(make_file(o));
    e = format_with(app, o, c, path, report);
    /* Refused before anything was begun: no container without a key stays behind. */
    if (e != PL_OK && how == PL_RESUMED_NOTHING && !interrupted(path) && !exists(path))
        unlink(o->path);
    return e;
}

pl_err pl_disk_open(struct pl_app *app, const struct pl_disk_order *o, struct pl_report *report)
{
    struct pl_crypto *c PL_CLEANUP(free_crypto) = NULL;
    struct pl_volume *v PL_CLEANUP(close_volume) = NULL;
    struct pl_secret key PL_CLEANUP(pl_secret_free) = {0};
    struct pl_wr text PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_VOLUME_DESCRIPTOR_MAX);
    PL_TRY(pl_crypto_new(&c));
    PL_TRY(pl_volume_load(&v, c, o->path));
    PL_TRY(pl_volume_descriptor(v, &text));
    const struct pl_recover_order order = {.descriptor = text.p,
                                           .descriptor_bytes = text.n,
                                           .anchor = o->anchor,
                                           .bound = pl_volume_bound(v),
                                           .name = o->name,
                                           .place = o->place,
                                           .places = o->places,
                                           .deadline_ms = o->deadline_ms,
                                           .linger_ms = o->linger_ms};
    PL_TRY(pl_recover(app, &order, &key, report));
    PL_REQUIRE(key.n == PL_VOLUME_KEY_BYTES, LUKS_KEY);
    return pl_volume_open(v, o->mapper, key.p);
}
