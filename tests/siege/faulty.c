/* A vault whose file system fails, at one place: PL_FAULT="CALL COUNT HOW TIMES" makes the COUNT-th
 * call (from 1, of those that matter: see below) of CALL and so many after it fail; TIMES 0: all
 * that follow. CALL: read, write, open, sync, rename, truncate. HOW: a number of errno, or "short":
 * half of what was asked for is done. A write that fails with EIO has done half of it, too. Each
 * frame of the log that was to be written is also appended to the file PL_WROTE, whatever becomes
 * of it. Nothing else differs from pleiad-vaultd-sim. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

ssize_t __real_pread64(int fd, void *out, size_t n, off_t at);
ssize_t __wrap_pread64(int fd, void *out, size_t n, off_t at);
ssize_t __real_pwrite64(int fd, const void *in, size_t n, off_t at);
ssize_t __wrap_pwrite64(int fd, const void *in, size_t n, off_t at);
int __real_openat64(int dir, const char *name, int flags, ...);
int __wrap_openat64(int dir, const char *name, int flags, ...);
int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __real_renameat(int a, const char *from, int b, const char *to);
int __wrap_renameat(int a, const char *from, int b, const char *to);
int __real_ftruncate64(int fd, off_t n);
int __wrap_ftruncate64(int fd, off_t n);

enum { SHORT = -1 };
static atomic_uint calls;

/* 0: as usual; SHORT; or the errno of this call. */
static int fault(const char *call)
{
    char which[16], how[16];
    unsigned from, times;
    const char *order = getenv("PL_FAULT");
    if (!order || sscanf(order, "%15s %u %15s %u", which, &from, how, &times) != 4 ||
        strcmp(which, call) != 0)
        return 0;
    unsigned now = atomic_fetch_add(&calls, 1) + 1;
    bool hit = now >= from && (times == 0 || now - from < times);
    if (!hit)
        return 0;
    return strcmp(how, "short") == 0 ? SHORT : (int)strtol(how, NULL, 10);
}

static int failed(int e)
{
    errno = e;
    return -1;
}

ssize_t __wrap_pread64(int fd, void *out, size_t n, off_t at)
{
    int f = fault("read");
    if (f > 0)
        return failed(f);
    return __real_pread64(fd, out, f == SHORT ? (n + 1) / 2 : n, at);
}

static void note(const void *in, size_t n)
{
    const char *path = getenv("PL_WROTE");
    if (!path || n < 8 || memcmp(in, "PLFRAME1", 8) != 0)
        return;
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, in, n) != (ssize_t)n)
        abort();
    close(fd);
}

ssize_t __wrap_pwrite64(int fd, const void *in, size_t n, off_t at)
{
    note(in, n);
    int f = fault("write");
    size_t half = n / 2 / 512 * 512; /* O_DIRECT writes whole blocks */
    if (f == EIO && half)
        (void)!__real_pwrite64(fd, in, half, at);
    if (f > 0)
        return failed(f);
    return __real_pwrite64(fd, in, f == SHORT && half ? half : n, at);
}

int __wrap_openat64(int dir, const char *name, int flags, ...)
{
    va_list more;
    va_start(more, flags);
    mode_t mode = flags & O_CREAT ? va_arg(more, mode_t) : 0;
    va_end(more);
    int f = fault("open");
    return f > 0 ? failed(f) : __real_openat64(dir, name, flags, mode);
}

int __wrap_fdatasync(int fd)
{
    int f = fault("sync");
    return f > 0 ? failed(f) : __real_fdatasync(fd);
}

int __wrap_renameat(int a, const char *from, int b, const char *to)
{
    int f = fault("rename");
    return f > 0 ? failed(f) : __real_renameat(a, from, b, to);
}

int __wrap_ftruncate64(int fd, off_t n)
{
    int f = fault("truncate");
    return f > 0 ? failed(f) : __real_ftruncate64(fd, n);
}
