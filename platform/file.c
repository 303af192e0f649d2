#include "platform/platform.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum pl_code pl_file_code(int error)
{
    switch (error) {
    case ENOENT:
        return PL_E_FILE_MISSING;
    case EEXIST:
        return PL_E_FILE_EXISTS;
    case EACCES:
    case EPERM:
    case EROFS:
        return PL_E_FILE_ACCESS;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return PL_E_DISK_FULL;
    case EISDIR:
    case ENOTDIR:
    case ELOOP:
    case ENAMETOOLONG:
        return PL_E_FILE_KIND;
    default:
        return PL_E_FILE_IO;
    }
}

/* Each code has its own record. */
pl_err pl_file_err(int error)
{
    switch ((int)pl_file_code(error)) {
    case PL_E_FILE_MISSING:
        return PL_FAIL(FILE_MISSING);
    case PL_E_FILE_EXISTS:
        return PL_FAIL(FILE_EXISTS);
    case PL_E_FILE_ACCESS:
        return PL_FAIL(FILE_ACCESS);
    case PL_E_DISK_FULL:
        return PL_FAIL(DISK_FULL);
    case PL_E_FILE_KIND:
        return PL_FAIL(FILE_KIND);
    default:
        return PL_FAIL(FILE_IO);
    }
}

static void close_fd(int *fd)
{
    int kept = errno;
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
    errno = kept;
}

pl_err pl_fd_read(int fd, uint8_t *out, size_t cap, size_t *out_n)
{
    *out_n = 0;
    for (;;) {
        uint8_t more;
        bool full = *out_n == cap;
        ssize_t n = full ? read(fd, &more, 1) : read(fd, out + *out_n, cap - *out_n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return pl_file_err(errno);
        if (n == 0)
            return PL_OK;
        pl_wipe(&more, sizeof(more));
        PL_REQUIRE(!full, FILE_SIZE);
        *out_n += (size_t)n;
    }
}

/* Appends in pieces, so that a small file under a large bound takes little memory. */
static pl_err read_into(struct pl_wr *out, int fd, size_t max_bytes)
{
    uint8_t piece[4096];
    size_t total = 0;
    pl_err e = PL_OK;
    for (ssize_t n = 1; n != 0 && e == PL_OK;) {
        n = read(fd, piece, sizeof(piece));
        if (n < 0 && errno != EINTR)
            e = pl_file_err(errno);
        if (n <= 0)
            continue;
        total += (size_t)n;
        if (total > max_bytes)
            e = PL_FAIL(FILE_SIZE);
        else
            pl_wr_bytes(out, pl_span(piece, (size_t)n));
    }
    pl_wipe(piece, sizeof(piece));
    return e;
}

pl_err pl_file_read(struct pl_wr *out, const char *path, size_t max_bytes)
{
    PL_CLEANUP(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    size_t before = out->n;
    if (fd < 0)
        return pl_file_err(errno);
    pl_err e = read_into(out, fd, max_bytes);
    if (e != PL_OK && !out->bad) {
        pl_wipe(out->p + before, out->n - before);
        out->n = before;
    }
    PL_TRY(e);
    return pl_wr_end(out);
}

pl_err pl_fd_write(int fd, struct pl_span bytes)
{
    while (bytes.n) {
        ssize_t n = write(fd, bytes.p, bytes.n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return pl_file_err(n ? errno : EIO);
        bytes = pl_span_sub(bytes, (size_t)n, bytes.n - (size_t)n);
    }
    return PL_OK;
}

static pl_err drop(const char *path, pl_err e)
{
    int kept = errno;
    unlink(path);
    errno = kept;
    return e;
}

static pl_err fill(int fd, struct pl_span bytes, unsigned mode)
{
    PL_TRY(pl_fd_write(fd, bytes));
    if (fchmod(fd, mode) != 0 || fsync(fd) != 0)
        return pl_file_err(errno);
    return PL_OK;
}

static pl_err write_new(const char *path, struct pl_span bytes, unsigned mode)
{
    PL_CLEANUP(close_fd)
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode & 0600);
    if (fd < 0)
        return pl_file_err(errno);
    pl_err e = fill(fd, bytes, mode);
    return e == PL_OK ? e : drop(path, e);
}

static pl_err sync_folder(const char *path)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t n = slash == path ? 1 : slash ? (size_t)(slash - path) : 0;
    memcpy(folder, n ? path : ".", n ? n : 1);
    folder[n ? n : 1] = 0;
    PL_CLEANUP(close_fd) int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0)
        return pl_file_err(errno);
    return PL_OK;
}

static int move_new(const char *from, const char *to)
{
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -1;
    return link(from, to) == 0 ? unlink(from) : -1; /* file systems without the flag */
}

pl_err pl_file_write(const char *path, struct pl_span bytes, unsigned mode, enum pl_file_how how)
{
    char temporary[PATH_MAX], digits[17];
    uint8_t random[8];
    PL_TRY(pl_entropy(random, sizeof(random)));
    pl_hex(digits, PL_ARR(random));
    int n = snprintf(temporary, sizeof(temporary), "%s.%s", path, digits);
    PL_REQUIRE(n > 0 && (size_t)n < sizeof(temporary), FILE_KIND);
    PL_TRY(write_new(temporary, bytes, mode));
    if ((how == PL_FILE_NEW ? move_new(temporary, path) : rename(temporary, path)) != 0)
        return drop(temporary, pl_file_err(errno));
    pl_err e = sync_folder(path);
    return e != PL_OK && how == PL_FILE_NEW ? drop(path, e) : e;
}
