#include "integrations/luks/mark.h"
#include "platform/platform.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MARK_BYTES = 64 };

/* "" when there is no such container. */
static void name_of(char out[static MARK_BYTES], const char *container)
{
    struct stat st;
    *out = '\0';
    if (stat(container, &st) != 0)
        return;
    if (S_ISBLK(st.st_mode))
        snprintf(out, MARK_BYTES, "device %llx\n", (unsigned long long)st.st_rdev);
    else
        snprintf(out, MARK_BYTES, "file %llx %llx\n", (unsigned long long)st.st_dev,
                 (unsigned long long)st.st_ino);
}

pl_err pl_mark_open(struct pl_mark *m, const char *descriptor)
{
    struct stat st;
    int n = snprintf(m->path, sizeof(m->path), "%s.format", descriptor);
    m->fd = -1;
    PL_REQUIRE(n > 0 && n < (int)sizeof(m->path), FILE_KIND);
    m->fd = open(m->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (m->fd < 0)
        return pl_file_err(errno);
    /* Locked, and not one that its holder has just removed. */
    if (flock(m->fd, LOCK_EX | LOCK_NB) == 0 && fstat(m->fd, &st) == 0 && st.st_nlink == 1)
        return PL_OK;
    close(m->fd);
    m->fd = -1;
    return PL_FAIL(LUKS_BUSY);
}

bool pl_mark_names(const struct pl_mark *m, const char *container)
{
    char want[MARK_BYTES], have[MARK_BYTES] = "";
    name_of(want, container);
    ssize_t n = pread(m->fd, have, sizeof(have) - 1, 0);
    return n > 0 && *want && strcmp(have, want) == 0;
}

pl_err pl_mark_set(struct pl_mark *m, const char *container)
{
    char text[MARK_BYTES];
    name_of(text, container);
    size_t n = strlen(text);
    PL_REQUIRE(n > 0, FILE_MISSING);
    bool ok =
        ftruncate(m->fd, 0) == 0 && pwrite(m->fd, text, n, 0) == (ssize_t)n && fsync(m->fd) == 0;
    return ok ? PL_OK : pl_file_err(errno);
}

void pl_mark_close(struct pl_mark *m)
{
    struct stat st;
    if (m->fd < 0)
        return;
    if (fstat(m->fd, &st) == 0 && st.st_size == 0)
        unlink(m->path);
    close(m->fd);
    m->fd = -1;
}

void pl_mark_remove(struct pl_mark *m)
{
    unlink(m->path);
    close(m->fd);
    m->fd = -1;
}
