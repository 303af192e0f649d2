#include "fault/memdisk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILES = 64, FDS = 32, SECTOR = 512, DIR_FD = 1000 };

struct image {
    uint8_t *p;
    size_t n, cap;
};

struct file {
    struct image now, safe;
    uint8_t *dirty; /* a byte a sector of now */
    size_t dirty_n;
};

struct names {
    struct {
        char name[32];
        int file; /* -1: free */
    } at[FILES];
};

struct md_disk {
    struct pl_io io;
    struct file files[FILES];
    unsigned file_count;
    struct names now, safe;
    struct {
        int file; /* -1: closed */
        enum pl_io_mode mode;
    } fds[FDS];
    int direct, locked;
    struct md_plan plan;
    uint64_t calls;
    unsigned hit_sectors;
    bool crashed;
    void (*each)(void *to, const void *p, size_t n);
    void *to;
};

/* ---- images --------------------------------------------------------------------------------- */

static void resize(struct image *m, size_t n)
{
    if (n > m->cap) {
        m->cap = n * 2;
        m->p = realloc(m->p, m->cap);
        if (!m->p)
            abort();
    }
    if (n > m->n)
        memset(m->p + m->n, 0, n - m->n);
    m->n = n;
}

static void put(struct image *m, size_t at, const void *p, size_t n)
{
    if (at + n > m->n)
        resize(m, at + n);
    if (n)
        memcpy(m->p + at, p, n);
}

static void set_dirty(struct file *f, size_t at, size_t n)
{
    size_t sectors = f->now.n / SECTOR + 1;
    if (sectors > f->dirty_n) {
        f->dirty = realloc(f->dirty, sectors);
        if (!f->dirty)
            abort();
        memset(f->dirty + f->dirty_n, 0, sectors - f->dirty_n);
        f->dirty_n = sectors;
    }
    for (size_t s = at / SECTOR; n && s <= (at + n - 1) / SECTOR; s++)
        f->dirty[s] = 1;
}

static size_t in_sector(const struct file *f, size_t s)
{
    size_t left = s * SECTOR < f->now.n ? f->now.n - s * SECTOR : 0;
    return left < SECTOR ? left : SECTOR;
}

static void clean(struct file *f)
{
    for (size_t s = 0; s < f->dirty_n; s++)
        f->dirty[s] = 0;
}

static void sync_file(struct file *f)
{
    resize(&f->safe, f->now.n);
    for (size_t s = 0; s < f->dirty_n; s++)
        if (f->dirty[s])
            put(&f->safe, s * SECTOR, f->now.p + s * SECTOR, in_sector(f, s));
    clean(f);
}

/* ---- names ---------------------------------------------------------------------------------- */

static int find(const struct names *s, const char *name)
{
    for (int i = 0; i < FILES; i++)
        if (s->at[i].file >= 0 && strcmp(s->at[i].name, name) == 0)
            return i;
    return -1;
}

static int add(struct names *s, const char *name, int file)
{
    for (int i = 0; i < FILES; i++)
        if (s->at[i].file < 0) {
            snprintf(s->at[i].name, sizeof(s->at[i].name), "%s", name);
            s->at[i].file = file;
            return i;
        }
    abort();
}

/* ---- faults --------------------------------------------------------------------------------- */

static bool hit(struct md_disk *d)
{
    uint64_t n = d->calls++;
    return d->plan.fault != MD_NONE && n >= d->plan.from && n - d->plan.from < d->plan.calls;
}

/* 0, or what a call without a length of its own returns. */
static int gate(struct md_disk *d, bool needs_room)
{
    if (d->crashed)
        return -EIO;
    if (!hit(d))
        return 0;
    enum md_fault f = d->plan.fault;
    d->crashed = f == MD_CRASH;
    if (f == MD_ENOSPC)
        return needs_room ? -ENOSPC : 0;
    return f == MD_EIO || f == MD_CRASH || f == MD_TORN ? -EIO : 0;
}

static bool arrives(const struct md_plan *p, size_t sector)
{
    return p->part == MD_BEFORE  ? sector < p->cut
           : p->part == MD_AFTER ? sector > p->cut
                                 : sector != p->cut;
}

/* ---- the table ------------------------------------------------------------------------------ */

static int md_dir(void *ctx, const char *path, int create)
{
    struct md_disk *d = ctx;
    (void)path;
    (void)create;
    int e = gate(d, true);
    return e ? e : DIR_FD;
}

static int md_lock(void *ctx, int dir)
{
    struct md_disk *d = ctx;
    (void)dir;
    int e = gate(d, false);
    if (e)
        return e;
    if (d->locked)
        return -EWOULDBLOCK;
    d->locked = 1;
    return 0;
}

static int md_list(void *ctx, int dir, void (*each)(void *to, const char *name), void *to)
{
    struct md_disk *d = ctx;
    (void)dir;
    int e = gate(d, false);
    if (e)
        return e;
    struct names copy = d->now;
    for (int i = 0; i < FILES; i++)
        if (copy.at[i].file >= 0)
            each(to, copy.at[i].name);
    return 0;
}

static int take_fd(struct md_disk *d, int file, enum pl_io_mode mode)
{
    for (int fd = 0; fd < FDS; fd++)
        if (d->fds[fd].file < 0) {
            d->fds[fd].file = file;
            d->fds[fd].mode = mode;
            return fd;
        }
    abort(); /* the store leaks descriptors */
}

static int md_open(void *ctx, int dir, const char *name, enum pl_io_mode mode)
{
    struct md_disk *d = ctx;
    (void)dir;
    int e = gate(d, mode == PL_IO_CREATE);
    if (e)
        return e;
    int i = find(&d->now, name);
    if (mode == PL_IO_DIRECT && !d->direct)
        return -EINVAL;
    if (i < 0 && mode != PL_IO_CREATE)
        return -ENOENT;
    if (i < 0) {
        if (d->file_count == FILES)
            abort();
        i = add(&d->now, name, (int)d->file_count++);
    } else if (mode == PL_IO_CREATE) {
        d->files[d->now.at[i].file].now.n = 0;
    }
    return take_fd(d, d->now.at[i].file, mode);
}

static struct file *of(struct md_disk *d, int fd)
{
    if (fd < 0 || fd >= FDS || d->fds[fd].file < 0)
        abort();
    return &d->files[d->fds[fd].file];
}

static int64_t md_size(void *ctx, int fd)
{
    struct md_disk *d = ctx;
    int e = gate(d, false);
    return e ? e : (int64_t)of(d, fd)->now.n;
}

static ssize_t md_pread(void *ctx, int fd, void *out, size_t n, uint64_t at)
{
    struct md_disk *d = ctx;
    struct file *f = of(d, fd);
    if (d->crashed)
        return -EIO;
    if (hit(d)) {
        d->crashed = d->plan.fault == MD_CRASH;
        if (d->plan.fault == MD_SHORT)
            n = n > 1 ? n / 2 : n;
        else if (d->plan.fault != MD_ENOSPC)
            return -EIO;
    }
    if (at >= f->now.n)
        return 0;
    n = n < f->now.n - at ? n : f->now.n - at;
    memcpy(out, f->now.p + at, n);
    return (ssize_t)n;
}

static void write_sector(struct md_disk *d, int fd, const uint8_t *p, size_t n, uint64_t at)
{
    struct file *f = of(d, fd);
    put(&f->now, at, p, n);
    set_dirty(f, at, n);
    if (d->fds[fd].mode == PL_IO_DIRECT)
        put(&f->safe, at, p, n);
}

static ssize_t md_pwrite(void *ctx, int fd, const void *in, size_t n, uint64_t at)
{
    struct md_disk *d = ctx;
    const uint8_t *p = in;
    struct md_plan all = {.part = MD_BUT, .cut = UINT32_MAX}, *part = &all;
    ssize_t result = (ssize_t)n;
    if (d->crashed)
        return -EIO;
    if (d->direct == 2 && d->fds[fd].mode == PL_IO_DIRECT)
        return -EINVAL;
    if (d->each)
        d->each(d->to, in, n);
    if (hit(d)) {
        d->hit_sectors = (unsigned)((n + SECTOR - 1) / SECTOR);
        d->crashed = d->plan.fault == MD_CRASH;
        if (d->plan.fault == MD_EIO || d->plan.fault == MD_ENOSPC)
            return d->plan.fault == MD_EIO ? -EIO : -ENOSPC;
        if (d->plan.fault == MD_SHORT)
            n = (size_t)(result = (ssize_t)(n > 1 ? n / 2 : n));
        else {
            part = &d->plan;
            result = -EIO;
        }
    }
    for (size_t s = 0; s * SECTOR < n; s++) {
        size_t len = n - s * SECTOR < SECTOR ? n - s * SECTOR : SECTOR;
        if (arrives(part, s))
            write_sector(d, fd, p + s * SECTOR, len, at + s * SECTOR);
    }
    return result;
}

static int md_truncate(void *ctx, int fd, uint64_t n)
{
    struct md_disk *d = ctx;
    int e = gate(d, false);
    if (!e)
        resize(&of(d, fd)->now, n);
    return e;
}

static int md_sync(void *ctx, int fd)
{
    struct md_disk *d = ctx;
    int e = gate(d, true);
    if (fd == DIR_FD) {
        if (!e)
            d->safe = d->now;
        return e;
    }
    struct file *f = of(d, fd);
    if (!e)
        sync_file(f);
    else if (!d->crashed)
        clean(f);
    return e;
}

static int md_rename(void *ctx, int dir, const char *from, const char *to)
{
    struct md_disk *d = ctx;
    (void)dir;
    int e = gate(d, true), i = find(&d->now, from), j = find(&d->now, to);
    if (e || i < 0)
        return e ? e : -ENOENT;
    if (j >= 0)
        d->now.at[j].file = -1;
    snprintf(d->now.at[i].name, sizeof(d->now.at[i].name), "%s", to);
    return 0;
}

static int md_unlink(void *ctx, int dir, const char *name)
{
    struct md_disk *d = ctx;
    (void)dir;
    int e = gate(d, false), i = find(&d->now, name);
    if (e || i < 0)
        return e ? e : -ENOENT;
    d->now.at[i].file = -1;
    return 0;
}

static void md_close(void *ctx, int fd)
{
    struct md_disk *d = ctx;
    if (fd == DIR_FD) {
        d->locked = 0;
        return;
    }
    of(d, fd);
    d->fds[fd].file = -1;
}

/* ---- what tests call ------------------------------------------------------------------------ */

static const struct pl_io table = {
    .dir = md_dir,
    .lock = md_lock,
    .list = md_list,
    .open = md_open,
    .size = md_size,
    .pread = md_pread,
    .pwrite = md_pwrite,
    .truncate = md_truncate,
    .sync = md_sync,
    .rename = md_rename,
    .unlink = md_unlink,
    .close = md_close,
};

struct md_disk *md_new(int direct)
{
    struct md_disk *d = calloc(1, sizeof(*d));
    if (!d)
        abort();
    d->io = table;
    d->io.ctx = d;
    d->direct = direct;
    for (int i = 0; i < FILES; i++)
        d->now.at[i].file = -1;
    for (int i = 0; i < FDS; i++)
        d->fds[i].file = -1;
    d->safe = d->now;
    return d;
}

void md_free(struct md_disk *d)
{
    for (int i = 0; d && i < FILES; i++) {
        free(d->files[i].now.p);
        free(d->files[i].safe.p);
        free(d->files[i].dirty);
    }
    free(d);
}

const struct pl_io *md_io(struct md_disk *d) { return &d->io; }

void md_plan(struct md_disk *d, struct md_plan plan)
{
    d->plan = plan;
    d->calls = 0;
    d->hit_sectors = 0;
}

uint64_t md_calls(const struct md_disk *d) { return d->calls; }
unsigned md_hit_sectors(const struct md_disk *d) { return d->hit_sectors; }
bool md_crashed(const struct md_disk *d) { return d->crashed; }

static bool lost(enum md_loss loss, uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return loss == MD_LOSE_ALL || (loss == MD_LOSE_SOME && *seed >> 63);
}

static void cut_power(struct file *f, enum md_loss loss, uint64_t seed)
{
    if (!lost(loss, &seed))
        resize(&f->safe, f->now.n);
    for (size_t s = 0; s < f->dirty_n; s++)
        if (f->dirty[s] && s * SECTOR + in_sector(f, s) <= f->safe.n && !lost(loss, &seed))
            put(&f->safe, s * SECTOR, f->now.p + s * SECTOR, in_sector(f, s));
    resize(&f->now, 0);
    put(&f->now, 0, f->safe.p, f->safe.n);
    clean(f);
}

void md_restart(struct md_disk *d, bool power, enum md_loss loss, uint64_t seed)
{
    for (int i = 0; i < FDS; i++)
        d->fds[i].file = -1;
    d->locked = 0;
    d->crashed = false;
    md_plan(d, (struct md_plan){.fault = MD_NONE});
    if (!power)
        return;
    for (unsigned i = 0; i < d->file_count; i++)
        cut_power(&d->files[i], loss, seed + i);
    if (lost(loss, &seed))
        d->now = d->safe;
    else
        d->safe = d->now;
}

void md_watch(struct md_disk *d, void (*each)(void *to, const void *p, size_t n), void *to)
{
    d->each = each;
    d->to = to;
}

uint8_t *md_file(struct md_disk *d, const char *name, size_t *out_n)
{
    int i = find(&d->now, name);
    *out_n = i < 0 ? 0 : d->files[d->now.at[i].file].now.n;
    return i < 0 ? NULL : d->files[d->now.at[i].file].now.p;
}

void md_resize(struct md_disk *d, const char *name, size_t n)
{
    int i = find(&d->now, name);
    if (i < 0)
        return;
    resize(&d->files[d->now.at[i].file].now, n);
    resize(&d->files[d->now.at[i].file].safe, n);
    if (n == 0)
        d->now.at[i].file = -1;
    d->safe = d->now;
}

const char *md_name(struct md_disk *d, unsigned i)
{
    for (int j = 0; j < FILES; j++)
        if (d->now.at[j].file >= 0 && i-- == 0)
            return d->now.at[j].name;
    return NULL;
}

struct md_disk *md_copy(const struct md_disk *from)
{
    struct md_disk *d = md_new(from->direct);
    d->now = from->now;
    d->safe = from->safe;
    d->file_count = from->file_count;
    for (unsigned i = 0; i < from->file_count; i++) {
        put(&d->files[i].now, 0, from->files[i].now.p, from->files[i].now.n);
        put(&d->files[i].safe, 0, from->files[i].safe.p, from->files[i].safe.n);
    }
    return d;
}

bool md_same(const struct md_disk *a, const struct md_disk *b)
{
    for (int i = 0; i < FILES; i++) {
        if (a->now.at[i].file < 0)
            continue;
        int j = find(&b->now, a->now.at[i].name);
        if (j < 0)
            return false;
        const struct image *x = &a->files[a->now.at[i].file].now;
        const struct image *y = &b->files[b->now.at[j].file].now;
        if (x->n != y->n || (x->n && memcmp(x->p, y->p, x->n) != 0))
            return false;
    }
    return true;
}
