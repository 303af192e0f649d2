/* Every way in which the store touches the world, as a table: the real one is pl_io_system; the
 * fault tests put a disk of their own under the store and make each call fail, tear or crash.
 *
 * Each function returns a value >= 0, or -errno. Names are inside the directory `dir`, without '/'.
 * Called from any thread. */
#ifndef PL_STORE_IO_H
#define PL_STORE_IO_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum pl_io_mode {
    PL_IO_NONE = 0,
    PL_IO_READ,   /* an existing regular file, no symbolic link */
    PL_IO_WRITE,  /* the same, for writing through the cache */
    PL_IO_CREATE, /* made 0600, emptied if it was there; writing through the cache */
    PL_IO_DIRECT, /* existing; each write bypasses the cache and is durable when it returns
                   * (O_DIRECT | O_DSYNC), -EINVAL where that is refused */
};

struct pl_io {
    void *ctx;
    /* The directory, made with mode 0700 if `create`; -EACCES when others can enter it. */
    int (*dir)(void *ctx, const char *path, int create);
    /* Holds it alone until closed; -EWOULDBLOCK when another holds it. */
    int (*lock)(void *ctx, int dir);
    /* Calls `each` with every name in it but "." and "..". */
    int (*list)(void *ctx, int dir, void (*each)(void *to, const char *name), void *to);
    int (*open)(void *ctx, int dir, const char *name, enum pl_io_mode mode);
    int64_t (*size)(void *ctx, int fd);
    ssize_t (*pread)(void *ctx, int fd, void *out, size_t n, uint64_t at);
    ssize_t (*pwrite)(void *ctx, int fd, const void *in, size_t n, uint64_t at);
    int (*truncate)(void *ctx, int fd, uint64_t n);
    int (*sync)(void *ctx, int fd); /* a file's data, or a directory's names */
    int (*rename)(void *ctx, int dir, const char *from, const char *to);
    int (*unlink)(void *ctx, int dir, const char *name);
    void (*close)(void *ctx, int fd);
};

extern const struct pl_io pl_io_system;

#endif
