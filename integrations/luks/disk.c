#include "integrations/luks/disk.h"
#include "integrations/luks/mark.h"
#include "integrations/luks/volume.h"
#include "platform/platform.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIECE = 1 << 20, HEAD_PIECES = 32 };

static void free_crypto(struct pl_crypto **c) { pl_crypto_free(*c); }
static void close_volume(struct pl_volume **v) { pl_volume_close(*v); }
static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}
static void free_piece(uint8_t **p) { free(*p); }
static bool exists(const char *path) { return access(path, F_OK) == 0; }

/* One format under way. */
struct format {
    struct pl_app *app;
    const struct pl_disk_order *o;
    struct pl_crypto *c;
    struct pl_report *report;
    struct pl_mark mark;
    char descriptor[PATH_MAX];
    bool made; /* the container did not exist */
};

/* ---- the container's place ---- */

static bool zeros(int fd, off_t from, size_t n)
{
    uint8_t *p PL_CLEANUP(free_piece) = malloc(PIECE);
    if (!p || pread(fd, p, n, from) != (ssize_t)n)
        return false;
    return n == 0 || (p[0] == 0 && memcmp(p, p + 1, n - 1) == 0);
}

/* Nothing is there: no file system, table of partitions, container or database begins, or keeps its
 * last copy, behind zeros. */
static bool blank(int fd, off_t size)
{
    for (off_t at = 0; at < size && at < (off_t)HEAD_PIECES * PIECE; at += PIECE)
        if (!zeros(fd, at, size - at < PIECE ? (size_t)(size - at) : PIECE))
            return false;
    return size < PIECE || zeros(fd, size - PIECE, PIECE);
}

/* Does it have a token already, so that a key lies at vaults for it? */
static bool is_ours(const struct format *f, struct pl_wr *out_descriptor)
{
    struct pl_volume *v PL_CLEANUP(close_volume) = NULL;
    return pl_volume_load(&v, f->c, f->o->path) == PL_OK &&
           pl_volume_descriptor(v, out_descriptor) == PL_OK;
}

static pl_err make_file(struct format *f)
{
    int fd PL_CLEANUP(close_fd) =
        open(f->o->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return pl_file_err(errno);
    f->made = true;
    PL_REQUIRE(ftruncate(fd, (off_t)f->o->bytes) == 0, DISK_FULL);
    return PL_OK;
}

static pl_err check_kind(int fd, off_t *size)
{
    struct stat st;
    PL_REQUIRE(fstat(fd, &st) == 0 && (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode)), FILE_KIND);
    *size = lseek(fd, 0, SEEK_END);
    PL_REQUIRE(*size >= 0, FILE_IO);
    return PL_OK;
}

/* What is there may be written over: nothing, or what an interrupted format left. */
static pl_err take_existing(struct format *f, int fd)
{
    off_t size;
    struct pl_wr token PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_VOLUME_DESCRIPTOR_MAX);
    PL_TRY(check_kind(fd, &size));
    if (size == 0) /* died between making it and giving it its size */
        PL_REQUIRE(ftruncate(fd, size = (off_t)f->o->bytes) == 0, DISK_FULL);
    PL_REQUIRE(size >= PL_VOLUME_LEAST, LUKS_SIZE);
    bool left_over = pl_mark_names(&f->mark, f->o->path) && !is_ours(f, &token);
    PL_REQUIRE(f->o->overwrite || left_over || blank(fd, size), LUKS_DATA);
    return PL_OK;
}

static pl_err take_container(struct format *f)
{
    PL_REQUIRE(f->o->bytes >= PL_VOLUME_LEAST && f->o->bytes <= INT64_MAX, LUKS_SIZE);
    int fd PL_CLEANUP(close_fd) = open(f->o->path, O_RDWR | O_CLOEXEC);
    if (fd < 0 && errno != ENOENT)
        return pl_file_err(errno);
    PL_TRY(fd < 0 ? make_file(f) : take_existing(f, fd));
    return pl_mark_set(&f->mark, f->o->path);
}

/* ---- the key ---- */

/* The header first: the key is split for exactly this container. */
static pl_err format_with(struct format *f)
{
    struct pl_secret key PL_CLEANUP(pl_secret_free) = {0};
    struct pl_volume *v PL_CLEANUP(close_volume) = NULL;
    const struct pl_disk_order *o = f->o;
    PL_TRY(pl_secret_new(&key, PL_VOLUME_KEY_BYTES));
    PL_TRY(pl_random(key.p, key.n));
    PL_TRY(pl_volume_make(&v, f->c, o->path, key.p));
    const struct pl_split_order order = {.name = o->name,
                                         .k = o->k,
                                         .n = o->n,
                                         .secret = &key,
                                         .bound = pl_volume_bound(v),
                                         .descriptor = f->descriptor,
                                         .anchor = o->anchor,
                                         .grant = o->grant,
                                         .grant_bytes = o->grant_bytes,
                                         .place = o->place,
                                         .places = o->places,
                                         .deadline_ms = o->deadline_ms,
                                         .vendors = o->vendors};
    return pl_split(f->app, &order, f->report);
}

/* The token first, then the mark: without it nobody takes the container for left over. */
static pl_err finish(struct format *f)
{
    struct pl_volume *v PL_CLEANUP(close_volume) = NULL;
    struct pl_wr text PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_VOLUME_DESCRIPTOR_MAX);
    struct pl_descriptor_info info;
    PL_TRY(pl_volume_load(&v, f->c, f->o->path));
    PL_TRY(pl_file_read(&text, f->descriptor, PL_VOLUME_DESCRIPTOR_MAX));
    PL_TRY(pl_descriptor_info(&info, f->app, text.p, text.n));
    PL_REQUIRE(pl_ct_eq(info.bound, pl_volume_bound(v), sizeof(info.bound)), ANCHOR_BOUND);
    PL_TRY(pl_volume_set_descriptor(v, pl_wr_span(&text)));
    pl_mark_remove(&f->mark);
    if (!f->o->descriptor)
        unlink(f->descriptor);
    return PL_OK;
}

/* ---- interruptions ---- */

/* Is a split under way, or was when it died? */
static bool splitting(const struct format *f)
{
    char more[PATH_MAX + 16];
    snprintf(more, sizeof(more), "%s.journal", f->descriptor);
    if (exists(more))
        return true;
    snprintf(more, sizeof(more), "%s.new", f->descriptor);
    return exists(more);
}

/* Without a mark the container is nobody's or finished, and the descriptor may be another key's. */
static pl_err resume_unmarked(struct format *f, enum pl_resumed *how)
{
    struct pl_wr text PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_VOLUME_DESCRIPTOR_MAX);
    struct pl_wr token PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_VOLUME_DESCRIPTOR_MAX);
    PL_REQUIRE(!splitting(f), SPLIT_UNFINISHED);
    if (!exists(f->descriptor))
        return PL_OK;
    PL_REQUIRE(!f->o->descriptor, FILE_EXISTS);
    PL_TRY(pl_file_read(&text, f->descriptor, PL_VOLUME_DESCRIPTOR_MAX));
    PL_REQUIRE(is_ours(f, &token) && pl_span_eq(pl_wr_span(&text), pl_wr_span(&token)),
               FILE_EXISTS);
    unlink(f->descriptor); /* the last step of all had not been done */
    *how = PL_RESUMED_DONE;
    return PL_OK;
}

static pl_err resume(struct format *f, enum pl_resumed *how)
{
    const struct pl_split_order order = {.descriptor = f->descriptor,
                                         .anchor = f->o->anchor,
                                         .place = f->o->place,
                                         .places = f->o->places,
                                         .deadline_ms = f->o->deadline_ms};
    *how = PL_RESUMED_NOTHING;
    if (!pl_mark_names(&f->mark, f->o->path))
        return resume_unmarked(f, how);
    *how = PL_RESUMED_UNDONE;
    if (splitting(f))
        PL_TRY(pl_split_resume(f->app, &order, how, f->report));
    else if (exists(f->descriptor))
        *how = PL_RESUMED_DONE; /* split, but the token was not written any more */
    return *how == PL_RESUMED_DONE ? finish(f) : PL_OK;
}

static pl_err format(struct format *f, enum pl_resumed *how)
{
    PL_TRY(resume(f, how));
    if (*how == PL_RESUMED_DONE)
        return PL_OK;
    PL_TRY(take_container(f));
    PL_TRY(format_with(f));
    return finish(f);
}

pl_err pl_disk_format(struct pl_app *app, const struct pl_disk_order *o, enum pl_resumed *resumed,
                      struct pl_report *report)
{
    enum pl_resumed how = PL_RESUMED_NOTHING;
    struct pl_crypto *c PL_CLEANUP(free_crypto) = NULL;
    struct format f = {.app = app, .o = o, .report = report, .mark = {.fd = -1}};
    int n = o->descriptor ? snprintf(f.descriptor, PATH_MAX, "%s", o->descriptor)
                          : snprintf(f.descriptor, PATH_MAX, "%s.pleiad", o->path);
    PL_REQUIRE(n > 0 && n < PATH_MAX - 16, FILE_KIND);
    PL_TRY(pl_crypto_new(&c));
    f.c = c;
    PL_TRY(pl_mark_open(&f.mark, f.descriptor));
    pl_err e = format(&f, &how);
    if (resumed)
        *resumed = how;
    /* Refused before anything lay at a vault: no container without a key stays behind. */
    if (e != PL_OK && f.made && !splitting(&f) && !exists(f.descriptor)) {
        unlink(o->path);
        pl_mark_remove(&f.mark);
    }
    pl_mark_close(&f.mark);
    return e;
}

/* ---- open ---- */

pl_err pl_disk_open(struct pl_app *app, const struct pl_disk_order *o, struct pl_report *report)
{
    struct pl_crypto *c PL_CLEANUP(free_crypto) = NULL;
    struct pl_volume *v PL_CLEANUP(close_volume) = NULL;
    struct pl_secret key PL_CLEANUP(pl_secret_free) = {0};
    struct pl_wr text PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_VOLUME_DESCRIPTOR_MAX);
    PL_TRY(pl_crypto_new(&c));
    PL_TRY(pl_volume_load(&v, c, o->path));
    PL_TRY(pl_volume_descriptor(v, &text));
    if (o->mapper)
        PL_TRY(pl_volume_may_map(v, o->mapper));
    const struct pl_recover_order order = {.descriptor = text.p,
                                           .descriptor_bytes = text.n,
                                           .anchor = o->anchor,
                                           .bound = pl_volume_bound(v),
                                           .name = o->name,
                                           .place = o->place,
                                           .places = o->places,
                                           .deadline_ms = o->deadline_ms,
                                           .linger_ms = o->linger_ms,
                                           .vendors = o->vendors};
    PL_TRY(pl_recover(app, &order, &key, report));
    PL_REQUIRE(key.n == PL_VOLUME_KEY_BYTES, LUKS_KEY);
    return pl_volume_open(v, o->mapper, key.p);
}

const char *pl_disk_detail(const struct pl_app *app)
{
    const char *said = pl_volume_said();
    return *said ? said : pl_app_detail(app);
}
