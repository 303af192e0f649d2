/* The real files behind the table. */
#include "platform/store/io.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define RETRY(call)                                                                                \
    (__extension__({                                                                               \
        __typeof__(call) retry_r;                                                                  \
        do                                                                                         \
            retry_r = (call);                                                                      \
        while (retry_r < 0 && errno == EINTR);                                                     \
        retry_r < 0 ? -(__typeof__(call))errno : retry_r;                                          \
    }))

static int sys_dir(void *ctx, const char *path, int create)
{
    (void)ctx;
    if (create && mkdir(path, 0700) < 0 && errno != EEXIST)
        return -errno;
    int fd = RETRY(open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
    struct stat st;
    if (fd < 0)
        return fd;
    if (fstat(fd, &st) == 0 && st.st_uid == geteuid() && (st.st_mode & 077) == 0)
        return fd;
    close(fd);
    return -EACCES;
}

static int sys_lock(void *ctx, int dir)
{
    (void)ctx;
    return RETRY(flock(dir, LOCK_EX | LOCK_NB));
}

static int sys_list(void *ctx, int dir, void (*each)(void *to, const char *name), void *to)
{
    (void)ctx;
    int fd = RETRY(openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d) {
        int e = fd < 0 ? fd : -errno;
        if (fd >= 0)
            close(fd);
        return e;
    }
    struct dirent *entry;
    errno = 0;
    while ((entry = readdir(d))) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            each(to, entry->d_name);
        errno = 0;
    }
    int e = -errno;
    closedir(d);
    return e;
}

static int sys_open(void *ctx, int dir, const char *name, enum pl_io_mode mode)
{
    (void)ctx;
    static const int flags[] = {
        [PL_IO_READ] = O_RDONLY,
        [PL_IO_WRITE] = O_WRONLY,
        [PL_IO_CREATE] = O_WRONLY | O_CREAT | O_TRUNC,
        [PL_IO_DIRECT] = O_WRONLY | O_DIRECT | O_DSYNC,
    };
    if (mode == PL_IO_NONE)
        return -EINVAL;
    /* O_NONBLOCK: a name that turns out to be a pipe must not hold the start up for ever. */
    int fd = RETRY(openat(dir, name, flags[mode] | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600));
    struct stat st;
    if (fd < 0)
        return fd;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
        return fd;
    close(fd);
    return -EACCES;
}

static int64_t sys_size(void *ctx, int fd)
{
    (void)ctx;
    struct stat st;
    return fstat(fd, &st) < 0 ? -errno : (int64_t)st.st_size;
}

static ssize_t sys_pread(void *ctx, int fd, void *out, size_t n, uint64_t at)
{
    (void)ctx;
    return RETRY(pread(fd, out, n, (off_t)at));
}

static ssize_t sys_pwrite(void *ctx, int fd, const void *in, size_t n, uint64_t at)
{
    (void)ctx;
    return RETRY(pwrite(fd, in, n, (off_t)at));
}

static int sys_truncate(void *ctx, int fd, uint64_t n)
{
    (void)ctx;
    return RETRY(ftruncate(fd, (off_t)n));
}

static int sys_sync(void *ctx, int fd)
{
    (void)ctx;
    return RETRY(fdatasync(fd));
}

static int sys_rename(void *ctx, int dir, const char *from, const char *to)
{
    (void)ctx;
    return RETRY(renameat(dir, from, dir, to));
}

static int sys_unlink(void *ctx, int dir, const char *name)
{
    (void)ctx;
    return RETRY(unlinkat(dir, name, 0));
}

static void sys_close(void *ctx, int fd)
{
    (void)ctx;
    close(fd);
}

const struct pl_io pl_io_system = {
    .dir = sys_dir,
    .lock = sys_lock,
    .list = sys_list,
    .open = sys_open,
    .size = sys_size,
    .pread = sys_pread,
    .pwrite = sys_pwrite,
    .truncate = sys_truncate,
    .sync = sys_sync,
    .rename = sys_rename,
    .unlink = sys_unlink,
    .close = sys_close,
};
