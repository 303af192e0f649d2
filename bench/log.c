/* Durable writes: the store with its thread and turned by hand, against the least a program can do
 * for the same promise: one 4 KiB block into a file filled with zeros, by O_DIRECT | O_DSYNC and by
 * write and fdatasync. Entries have 300 bytes, about what a request leaves.
 *
 *     bench_log [FOLDER]      default /var/tmp: must be a disk, not memory, to mean anything
 */
#include "bench/bench.h"
#include "platform/platform.h"
#include "platform/store/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BLOCK = 4096, FLOOR_BYTES = 64 << 20, ENTRY_BYTES = 300, PATH_BYTES = 256 };

static void must(pl_err e)
{
    if (e == PL_OK)
        return;
    fprintf(stderr, "bench_log: %s:%d %s\n", e->file, e->line, pl_code_text(pl_err_code(e)));
    exit(1);
}

static void must_do(bool ok, const char *what)
{
    if (ok)
        return;
    perror(what);
    exit(1);
}

/* ---- the store ----------------------------------------------------------------------------------
 */

struct vault {
    _Alignas(16) uint8_t secrets[4096];
    uint8_t root[32], id[32];
    struct pl_arena arena;
    struct pl_store_dir *dir;
    struct pl_store *store;
};

static void vault_open(struct vault *v, const char *folder, const char *name)
{
    char path[PATH_BYTES];
    enum pl_store_found found;
    struct pl_store_place place;
    struct pl_store_report report;
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    v->arena = pl_arena(v->secrets, sizeof(v->secrets));
    must(pl_entropy(v->root, sizeof(v->root)));
    must(pl_entropy(v->id, sizeof(v->id)));
    must(pl_store_dir(&v->dir, &found, &place, &pl_io_system, path));
    must(pl_store_root_make(v->dir, v->root, v->root, v->id, "bench"));
    const struct pl_store_options o = {
        .dir = v->dir, .secrets = &v->arena, .root = v->root, .vault_id = v->id};
    must(pl_store_open(&v->store, &report, &o));
    if (!report.direct)
        fprintf(stderr, "bench_log: %s refuses O_DIRECT\n", folder);
}

static void vault_close(struct vault *v)
{
    pl_store_close(v->store);
    pl_store_dir_close(v->dir);
}

static uint64_t append(struct pl_store *s, unsigned n)
{
    static const uint8_t body[ENTRY_BYTES];
    uint64_t index = 0;
    must(pl_store_room(s, n, n * sizeof(body)));
    for (unsigned i = 0; i < n; i++)
        index = pl_store_append(s, PL_ENTRY_CREATE, PL_ARR(body));
    return index + 1;
}

struct batch {
    struct vault *vault;
    unsigned n;
};

static void waited(void *arg)
{
    const struct batch *b = arg;
    must(pl_store_wait(b->vault->store, append(b->vault->store, b->n)));
}

static void turned(void *arg)
{
    const struct batch *b = arg;
    uint64_t end = append(b->vault->store, b->n);
    must_do(pl_store_turn(b->vault->store) && pl_store_durable(b->vault->store) == end, "turn");
}

/* ---- the floor ----------------------------------------------------------------------------------
 */

struct floor_file {
    int fd;
    bool sync;
    unsigned blocks; /* a write */
    off_t at;
    uint8_t *bytes;
};

static void floor_open(struct floor_file *f, const char *folder, bool direct)
{
    const struct pl_io *io = &pl_io_system;
    int dir = io->dir(NULL, folder, 0);
    f->bytes = aligned_alloc(BLOCK, 1 << 20);
    must_do(dir >= 0 && f->bytes, "floor");
    memset(f->bytes, 0, 1 << 20);
    f->fd = io->open(NULL, dir, "floor", PL_IO_CREATE);
    for (off_t at = 0; at < FLOOR_BYTES; at += 1 << 20)
        must_do(pwrite(f->fd, f->bytes, 1 << 20, at) == 1 << 20, "floor");
    must_do(fdatasync(f->fd) == 0, "floor");
    close(f->fd);
    f->fd = io->open(NULL, dir, "floor", direct ? PL_IO_DIRECT : PL_IO_WRITE);
    f->sync = !direct;
    must_do(f->fd >= 0, "floor");
    memset(f->bytes, 0x5a, 1 << 20);
    io->unlink(NULL, dir, "floor");
    close(dir);
}

static void floor_write(void *arg)
{
    struct floor_file *f = arg;
    size_t n = (size_t)f->blocks * BLOCK;
    must_do(pwrite(f->fd, f->bytes, n, f->at) == (ssize_t)n, "write");
    must_do(!f->sync || fdatasync(f->fd) == 0, "fdatasync");
    f->at = (f->at + (off_t)n) % (FLOOR_BYTES - (1 << 20)) / BLOCK * BLOCK;
}

static void compare(struct vault *threaded, struct vault *by_hand, struct floor_file *direct,
                    struct floor_file *cached, unsigned n)
{
    char workload[64];
    struct batch a = {threaded, n}, b = {by_hand, n};
    size_t frame = PL_FRAME_OVERHEAD + n * (ENTRY_BYTES + (size_t)PL_ENTRY_OVERHEAD);
    direct->blocks = cached->blocks = (unsigned)((frame + BLOCK - 1) / BLOCK);
    snprintf(workload, sizeof(workload), "%u entr%s durable (%u KiB)", n, n == 1 ? "y" : "ies",
             direct->blocks * BLOCK / 1024);
    const struct bench_contender all[] = {
        {"pleiad, log thread", waited, &a},
        {"pleiad, turned by hand", turned, &b},
        {"floor: O_DIRECT, O_DSYNC", floor_write, direct},
        {"floor: write, fdatasync", floor_write, cached},
    };
    bench_run("log", workload, 0, all, sizeof(all) / sizeof(all[0]));
}

static void remove_vault(const char *folder, const char *name)
{
    char path[PATH_BYTES], file[64];
    const struct pl_io *io = &pl_io_system;
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    int dir = io->dir(NULL, path, 0);
    io->unlink(NULL, dir, "root.sealed");
    io->unlink(NULL, dir, "log.new");
    for (unsigned i = 1; i < 1000; i++) {
        snprintf(file, sizeof(file), "log.%016x", i);
        if (io->unlink(NULL, dir, file) < 0)
            break;
    }
    close(dir);
    rmdir(path);
}

int main(int argc, char **argv)
{
    static struct vault threaded, by_hand;
    struct floor_file direct = {0}, cached = {0};
    char folder[PATH_BYTES - 32];
    snprintf(folder, sizeof(folder), "%s/pleiad-bench-XXXXXX", argc > 1 ? argv[1] : "/var/tmp");
    must_do(mkdtemp(folder) != NULL, folder);
    vault_open(&threaded, folder, "threaded");
    vault_open(&by_hand, folder, "by-hand");
    must(pl_store_start(threaded.store));
    floor_open(&direct, folder, true);
    floor_open(&cached, folder, false);
    const unsigned sizes[] = {1, 16, 100};
    for (size_t i = 0; i < 3; i++)
        compare(&threaded, &by_hand, &direct, &cached, sizes[i]);
    vault_close(&threaded);
    vault_close(&by_hand);
    close(direct.fd);
    close(cached.fd);
    free(direct.bytes);
    free(cached.bytes);
    remove_vault(folder, "threaded");
    remove_vault(folder, "by-hand");
    rmdir(folder);
    return 0;
}
