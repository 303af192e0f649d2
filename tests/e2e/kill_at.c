/* Preloaded: kills the process with SIGKILL just before its KILL_AT-th change of a file, and
 * appends a line for each change to KILL_TRACE: "number what path". It is measured as any library
 * is. */
#undef _FILE_OFFSET_BITS /* both names of each function are needed */
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SHOWN __attribute__((visibility("default")))

static void trace(unsigned n, const char *what, const char *path)
{
    char line[PATH_MAX + 64];
    const char *to = getenv("KILL_TRACE");
    int fd = to ? (int)syscall(SYS_openat, AT_FDCWD, to, O_WRONLY | O_CREAT | O_APPEND, 0600) : -1;
    if (fd < 0)
        return;
    int len = snprintf(line, sizeof(line), "%u %s %s\n", n, what, path);
    syscall(SYS_write, fd, line, len);
    syscall(SYS_close, fd);
}

static void change(const char *what, const char *path)
{
    static unsigned n;
    const char *at = getenv("KILL_AT");
    trace(++n, what, path);
    if (at && strtoul(at, NULL, 10) == n)
        kill(getpid(), SIGKILL);
}

/* Sockets and terminals are not what is looked at. */
static void change_fd(const char *what, int fd)
{
    struct stat st;
    char link[64], path[PATH_MAX];
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return;
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof(path) - 1);
    path[n > 0 ? n : 0] = '\0';
    change(what, path);
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

#define OPEN(name)                                                                                 \
    SHOWN int name(const char *path, int flags, ...)                                               \
    {                                                                                              \
        va_list ap;                                                                                \
        va_start(ap, flags);                                                                       \
        unsigned mode = flags & O_CREAT ? va_arg(ap, unsigned) : 0;                                \
        va_end(ap);                                                                                \
        if (flags & O_CREAT)                                                                       \
            change("make", path);                                                                  \
        return NEXT(name)(path, flags, mode);                                                      \
    }
OPEN(open)
OPEN(open64)

SHOWN int ftruncate(int fd, off_t n) { return change_fd("size", fd), NEXT(ftruncate)(fd, n); }
SHOWN int ftruncate64(int fd, off64_t n) { return change_fd("size", fd), NEXT(ftruncate64)(fd, n); }
SHOWN int fsync(int fd) { return change_fd("sync", fd), NEXT(fsync)(fd); }
SHOWN int fdatasync(int fd) { return change_fd("sync", fd), NEXT(fdatasync)(fd); }
SHOWN int unlink(const char *path) { return change("unlink", path), NEXT(unlink)(path); }
SHOWN int rename(const char *a, const char *b) { return change("rename", a), NEXT(rename)(a, b); }
SHOWN ssize_t write(int fd, const void *p, size_t n)
{
    return change_fd("write", fd), NEXT(write)(fd, p, n);
}
SHOWN ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
    return change_fd("write", fd), NEXT(pwrite)(fd, p, n, at);
}
SHOWN ssize_t pwrite64(int fd, const void *p, size_t n, off64_t at)
{
    return change_fd("write", fd), NEXT(pwrite64)(fd, p, n, at);
}
