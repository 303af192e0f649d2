#include "daemons/simd/measure.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum { CHUNK = 64 * 1024, PATH_BYTES = 4096 };

/* An executable mapping. */
struct region {
    uint64_t start, end, offset, inode, dev_major, dev_minor;
    char permissions[4]; /* "r-xp" */
    const char *path;    /* the rest of the line, in the caller's text */
};

struct bytes { /* a file's content */
    uint8_t *p;
    size_t n;
};

static void free_bytes(struct bytes *b) { free(b->p); }
static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static bool alive(int pidfd)
{
    struct pollfd p = {.fd = pidfd, .events = POLLIN};
    return poll(&p, 1, 0) == 0; /* a pidfd is readable when its process has ended */
}

/* All of a file of /proc, NUL-terminated. */
static pl_err proc_text(int proc, const char *name, struct pl_wr *out)
{
    int fd PL_CLEANUP(close_fd) = openat(proc, name, O_RDONLY | O_CLOEXEC);
    PL_REQUIRE(fd >= 0, MEASURE_ACCESS);
    out->n = 0;
    for (;;) {
        char buf[4096];
        ssize_t n = read(fd, buf, sizeof(buf));
        PL_REQUIRE(n >= 0, MEASURE_ACCESS);
        if (n == 0)
            break;
        pl_wr_bytes(out, pl_span(buf, (size_t)n));
    }
    pl_wr_u8(out, 0);
    PL_REQUIRE(!out->bad, MEASURE_LIMIT);
    return PL_OK;
}

static pl_err not_traced(int proc)
{
    struct pl_wr text PL_CLEANUP(pl_wr_free) = pl_wr_heap(64 * 1024);
    PL_TRY(proc_text(proc, "status", &text));
    const char *line = strstr((const char *)text.p, "\nTracerPid:\t");
    PL_REQUIRE(line && strncmp(line, "\nTracerPid:\t0\n", 14) == 0, MEASURE_TRACED);
    return PL_OK;
}

/* A number at *at that ends with `then`, which is passed over; false otherwise. */
static bool number(const char **at, int base, char then, uint64_t *out)
{
    char *end = NULL;
    if (!isxdigit((unsigned char)**at))
        return false;
    errno = 0;
    *out = strtoull(*at, &end, base);
    if (errno || *end != then)
        return false;
    *at = end + 1;
    return true;
}

/* "start-end rwxp offset major:minor inode      path", see proc(5). */
static pl_err parse(struct region *r, const char *at)
{
    PL_REQUIRE(number(&at, 16, '-', &r->start) && number(&at, 16, ' ', &r->end) && strlen(at) > 5 &&
                   at[4] == ' ',
               MEASURE_ACCESS);
    memcpy(r->permissions, at, 4);
    at += 5;
    PL_REQUIRE(number(&at, 16, ' ', &r->offset) && number(&at, 16, ':', &r->dev_major) &&
                   number(&at, 16, ' ', &r->dev_minor) && number(&at, 10, ' ', &r->inode) &&
                   r->start < r->end,
               MEASURE_ACCESS);
    r->path = at + strspn(at, " ");
    return PL_OK;
}

/* Does this mapping count? Not when it holds no code, or is a page of the kernel's own. */
static pl_err counts(const struct region *r, bool *out)
{
    *out = r->permissions[2] == 'x' && strcmp(r->path, "[vdso]") != 0 &&
           strcmp(r->path, "[vsyscall]") != 0;
    PL_REQUIRE(!*out || (r->inode != 0 && r->path[0] == '/' && r->permissions[1] != 'w'),
               MEASURE_CODE);
    return PL_OK;
}

/* The mapped file, or an error: never another one that now has its path. */
static pl_err open_mapped(int *out, int proc, const struct region *r, struct stat *st)
{
    char path[PATH_BYTES];
    int n = snprintf(path, sizeof(path), "root%s", r->path);
    PL_REQUIRE(n > 0 && (size_t)n < sizeof(path), MEASURE_LIMIT);
    *out = openat(proc, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    PL_REQUIRE(*out >= 0 || errno == ENOENT, MEASURE_ACCESS);
    PL_REQUIRE(*out >= 0 && fstat(*out, st) == 0 && S_ISREG(st->st_mode), MEASURE_REPLACED);
    PL_REQUIRE(st->st_ino == r->inode && major(st->st_dev) == r->dev_major &&
                   minor(st->st_dev) == r->dev_minor,
               MEASURE_REPLACED);
    PL_REQUIRE(st->st_size > 0 && st->st_size <= PL_MEASURE_FILE_BYTES_MAX, MEASURE_LIMIT);
    return PL_OK;
}

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec && a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
           a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static pl_err read_all(struct bytes *out, int fd, const struct stat *st)
{
    out->n = (size_t)st->st_size;
    out->p = malloc(out->n);
    PL_REQUIRE(out->p, NO_MEMORY);
    for (size_t at = 0; at < out->n;) {
        ssize_t n = pread(fd, out->p + at, out->n - at, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        PL_REQUIRE(n > 0, MEASURE_UNSTABLE);
        at += (size_t)n;
    }
    struct stat now;
    PL_REQUIRE(fstat(fd, &now) == 0 && same_file(st, &now), MEASURE_UNSTABLE);
    return PL_OK;
}

/* What is in memory is what the file holds there; behind its end there are only zeros. */
static pl_err compare(int mem, const struct region *r, const struct bytes *file)
{
    static uint8_t buf[CHUNK]; /* one measurement at a time: simd is single-threaded */
    for (uint64_t at = r->start; at < r->end;) {
        size_t want = r->end - at < CHUNK ? (size_t)(r->end - at) : CHUNK;
        ssize_t n = pread(mem, buf, want, (off_t)at);
        PL_REQUIRE(n > 0, MEASURE_ACCESS);
        uint64_t from = r->offset + (at - r->start);
        size_t in_file = from >= file->n ? 0 : file->n - from;
        size_t both = (size_t)n < in_file ? (size_t)n : in_file;
        PL_REQUIRE(both == 0 || memcmp(buf, file->p + from, both) == 0, MEASURE_PATCHED);
        PL_REQUIRE(pl_span_zero(pl_span(buf + both, (size_t)n - both)), MEASURE_PATCHED);
        at += (uint64_t)n;
    }
    return PL_OK;
}

/* The lines of a text of maps, without changing it: each is copied out. */
static const char *next_line(const char *at, char *out, size_t cap)
{
    const char *end = strchr(at, '\n');
    if (!end || (size_t)(end - at) >= cap)
        return NULL;
    memcpy(out, at, (size_t)(end - at));
    out[end - at] = '\0';
    return end + 1;
}

struct measuring {
    struct pl_crypto *c;
    int proc, mem;
    const char *maps; /* of code only */
    struct pl_measured *out;
    struct {
        uint64_t inode, dev_major, dev_minor;
    } seen[PL_MEASURE_FILES_MAX]; /* of out->digest */
};

static bool seen(const struct measuring *m, const struct region *r)
{
    for (size_t i = 0; i < m->out->n; i++)
        if (m->seen[i].inode == r->inode && m->seen[i].dev_major == r->dev_major &&
            m->seen[i].dev_minor == r->dev_minor)
            return true;
    return false;
}

/* Compares every mapping of this file, from the line `at` on. */
static pl_err compare_all(struct measuring *m, const struct region *first, const char *at,
                          const struct bytes *file)
{
    char line[PATH_BYTES];
    struct region r;
    PL_TRY(compare(m->mem, first, file));
    while (*at) {
        at = next_line(at, line, sizeof(line));
        PL_REQUIRE(at, MEASURE_LIMIT);
        PL_TRY(parse(&r, line));
        if (r.inode == first->inode && r.dev_major == first->dev_major &&
            r.dev_minor == first->dev_minor)
            PL_TRY(compare(m->mem, &r, file));
    }
    return PL_OK;
}

static pl_err count_file(struct measuring *m, const struct region *r, const char *rest)
{
    struct stat st;
    struct bytes file PL_CLEANUP(free_bytes) = {0};
    int fd PL_CLEANUP(close_fd) = -1;
    PL_REQUIRE(m->out->n < PL_MEASURE_FILES_MAX, MEASURE_LIMIT);
    PL_TRY(open_mapped(&fd, m->proc, r, &st));
    PL_TRY(read_all(&file, fd, &st));
    PL_TRY(compare_all(m, r, rest, &file));
    PL_TRY(pl_sha256_one(m->c, m->out->digest[m->out->n], pl_span(file.p, file.n)));
    m->seen[m->out->n].inode = r->inode;
    m->seen[m->out->n].dev_major = r->dev_major;
    m->seen[m->out->n].dev_minor = r->dev_minor;
    m->out->n++;
    m->out->probe_at = r->start;
    return PL_OK;
}

static pl_err count_all(struct measuring *m)
{
    char line[PATH_BYTES];
    struct region r;
    for (const char *at = m->maps; *at;) {
        at = next_line(at, line, sizeof(line));
        PL_REQUIRE(at, MEASURE_LIMIT);
        PL_TRY(parse(&r, line));
        if (!seen(m, &r))
            PL_TRY(count_file(m, &r, at));
    }
    PL_REQUIRE(m->out->n > 0, MEASURE_GONE); /* a process that has ended has no mappings */
    return PL_OK;
}

/* The lines of maps that count: the rest, such as the heap, may change while we look. */
static pl_err code_map(int proc, struct pl_wr *out)
{
    char line[PATH_BYTES];
    struct region r;
    bool code;
    struct pl_wr text PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_MEASURE_MAPS_MAX);
    PL_TRY(proc_text(proc, "maps", &text));
    for (const char *at = (const char *)text.p; *at;) {
        at = next_line(at, line, sizeof(line));
        PL_REQUIRE(at, MEASURE_LIMIT);
        PL_TRY(parse(&r, line));
        PL_TRY(counts(&r, &code));
        pl_wr_str(out, code ? line : "");
        pl_wr_str(out, code ? "\n" : "");
    }
    pl_wr_u8(out, 0);
    PL_REQUIRE(!out->bad, MEASURE_LIMIT);
    return PL_OK;
}

pl_err pl_measure_process(struct pl_crypto *c, struct pl_measured *out, pid_t pid, int pidfd)
{
    char name[32];
    struct pl_wr before PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_MEASURE_MAPS_MAX);
    struct pl_wr after PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_MEASURE_MAPS_MAX);
    *out = (struct pl_measured){.mem = -1};
    snprintf(name, sizeof(name), "/proc/%d", (int)pid);
    int proc PL_CLEANUP(close_fd) = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    PL_REQUIRE(proc >= 0, MEASURE_GONE);
    /* The number was this process's while the folder was opened; from here on the folder is, and
     * answers no more when the process has ended, whoever gets the number next. */
    PL_REQUIRE(alive(pidfd), MEASURE_GONE);
    PL_TRY(not_traced(proc));
    PL_TRY(code_map(proc, &before));
    int mem PL_CLEANUP(close_fd) = openat(proc, "mem", O_RDONLY | O_CLOEXEC);
    PL_REQUIRE(mem >= 0, MEASURE_ACCESS);
    struct measuring m = {
        .c = c, .proc = proc, .mem = mem, .maps = (const char *)before.p, .out = out};
    PL_TRY(count_all(&m));
    PL_TRY(code_map(proc, &after));
    PL_REQUIRE(pl_span_eq(pl_wr_span(&before), pl_wr_span(&after)), MEASURE_UNSTABLE);
    PL_TRY(not_traced(proc));
    PL_REQUIRE(alive(pidfd), MEASURE_GONE);
    out->mem = mem;
    mem = -1;
    return PL_OK;
}

/* The descriptor holds on to the memory, not to the process: exec gives the process another one,
 * and of the old one nothing can be read any more. */
bool pl_measured_lives(int mem, uint64_t probe_at)
{
    uint8_t byte;
    return mem >= 0 && pread(mem, &byte, 1, (off_t)probe_at) == 1;
}

pl_err pl_measure_file(struct pl_crypto *c, uint8_t out[static PL_SHA256_BYTES], const char *path)
{
    struct stat st;
    struct bytes file PL_CLEANUP(free_bytes) = {0};
    int fd PL_CLEANUP(close_fd) = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    PL_REQUIRE(fd >= 0, MEASURE_ACCESS);
    PL_REQUIRE(fstat(fd, &st) == 0 && S_ISREG(st.st_mode), MEASURE_ACCESS);
    PL_REQUIRE(st.st_size > 0 && st.st_size <= PL_MEASURE_FILE_BYTES_MAX, MEASURE_LIMIT);
    PL_TRY(read_all(&file, fd, &st));
    return pl_sha256_one(c, out, pl_span(file.p, file.n));
}
