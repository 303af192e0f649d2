/* A vault that, where PL_BEND is in its environment, does not start: in its place it flips a bit at
 * every 64th byte of its files, one at a time, and each time opens them as every start does, with
 * the keys of this start. Says "bent FILE FLIPS" for each file when each was refused and named,
 * else "passed FILE BYTE WHY", and ends. Nothing else of it differs from pleiad-vaultd-sim. */
#include "platform/store/store.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

pl_err __real_pl_store_open(struct pl_store **out, struct pl_store_report *report,
                            const struct pl_store_options *o);
pl_err __wrap_pl_store_open(struct pl_store **out, struct pl_store_report *report,
                            const struct pl_store_options *o);
pl_err __real_pl_store_root_load(struct pl_store_dir *d, uint8_t *out_root, char *out_sealer,
                                 const uint8_t *seal_key);
pl_err __wrap_pl_store_root_load(struct pl_store_dir *d, uint8_t *out_root, char *out_sealer,
                                 const uint8_t *seal_key);

enum { STEP = 64, BEHIND = 4096, NEAR = 1 << 20 };

static void flip(int fd, off_t at)
{
    uint8_t b;
    if (pread(fd, &b, 1, at) != 1)
        abort();
    b ^= (uint8_t)(1 << at / STEP % 8);
    if (pwrite(fd, &b, 1, at) != 1)
        abort();
}

/* Of a log, what was written and a little behind it. */
static off_t end_of(int fd, const char *name)
{
    struct stat st;
    uint8_t block[BEHIND];
    if (fstat(fd, &st) != 0)
        abort();
    off_t end = st.st_size;
    while (strncmp(name, "log.", 4) == 0 && end >= BEHIND &&
           pread(fd, block, BEHIND, end - BEHIND) == BEHIND && pl_span_zero(PL_ARR(block)))
        end -= BEHIND;
    return end + BEHIND < st.st_size ? end + BEHIND : st.st_size;
}

/* What is wrong with how this was refused; NULL: nothing. */
static const char *wrong(pl_err e, const struct pl_store_report *r, const char *name, off_t at)
{
    uint64_t byte = (uint64_t)at;
    if (e == PL_OK)
        return "it opens";
    if (strcmp(pl_class_name(pl_err_class(e)), "CORRUPT") != 0)
        return pl_code_name(pl_err_code(e));
    if (strcmp(r->place.file, name) != 0)
        return "another file is named";
    bool near = r->place.offset <= byte && byte - r->place.offset <= NEAR;
    return strncmp(name, "log.", 4) != 0 || near ? NULL : "another place is named";
}

static const char *open_bent(const struct pl_store_options *o, const char *name, off_t at)
{
    struct pl_store *store = NULL;
    struct pl_store_report report = {0};
    size_t mark = pl_arena_mark(o->secrets);
    pl_err e = __real_pl_store_open(&store, &report, o);
    if (e == PL_OK)
        pl_store_close(store);
    pl_arena_release(o->secrets, mark);
    return wrong(e, &report, name, at);
}

static void bend(const struct pl_store_options *o, const char *dir, const char *name)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    unsigned n = 0, bad = 0;
    if (fd < 0)
        abort();
    for (off_t at = 0, end = end_of(fd, name); at < end && bad < 4; at += STEP, n++) {
        flip(fd, at);
        const char *why = open_bent(o, name, at);
        flip(fd, at);
        if (why)
            printf("passed %s %lld %s\n", name, (long long)at, why), bad++;
    }
    close(fd);
    if (bad == 0)
        printf("bent %s %u\n", name, n);
}

pl_err __wrap_pl_store_open(struct pl_store **out, struct pl_store_report *report,
                            const struct pl_store_options *o)
{
    const char *dir = getenv("PL_BEND");
    if (!dir)
        return __real_pl_store_open(out, report, o);
    struct pl_store_options alone = *o; /* what was opened is not applied: the files must tell */
    alone.on_snapshot = NULL;
    alone.on_entry = NULL;
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d));)
        if (strncmp(e->d_name, "log.", 4) == 0 || strncmp(e->d_name, "snapshot.", 9) == 0)
            bend(&alone, dir, e->d_name);
    closedir(d);
    fflush(stdout);
    _exit(0);
}

/* Every byte: it is short. */
pl_err __wrap_pl_store_root_load(struct pl_store_dir *d, uint8_t *out_root, char *out_sealer,
                                 const uint8_t *seal_key)
{
    const char *dir = getenv("PL_BEND");
    char path[4096];
    struct stat st;
    unsigned bad = 0;
    snprintf(path, sizeof(path), "%s/root.sealed", dir ? dir : "");
    int fd = dir ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0 || fstat(fd, &st) != 0)
        return __real_pl_store_root_load(d, out_root, out_sealer, seal_key);
    for (off_t at = 0; at < st.st_size; at++) {
        flip(fd, at);
        pl_err e = __real_pl_store_root_load(d, out_root, out_sealer, seal_key);
        flip(fd, at);
        if (e == PL_OK)
            printf("passed root.sealed %lld it opens\n", (long long)at), bad++;
    }
    if (bad == 0)
        printf("bent root.sealed %lld\n", (long long)st.st_size);
    close(fd);
    return __real_pl_store_root_load(d, out_root, out_sealer, seal_key);
}
