/* The store on real files, with its thread, several appenders and snapshots while they append;
 * built with ThreadSanitizer too. */
#include "test.h"
#include "fault/toy.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { APPENDERS = 4, EACH = 300, PATH = 64 };

static struct toy toy; /* the vault's state, under this lock as in the daemon */
static pthread_mutex_t vault = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t woken = PTHREAD_COND_INITIALIZER;
static unsigned wakes;

static void wake(void *ctx)
{
    (void)ctx;
    pthread_mutex_lock(&vault);
    wakes++;
    pthread_cond_broadcast(&woken);
    pthread_mutex_unlock(&vault);
}

/* A worker: commits under the vault's lock, then waits for its entry like a parked answer. */
static void *appender(void *arg)
{
    unsigned *failed = arg;
    for (unsigned i = 0; i < EACH; i++) {
        pthread_mutex_lock(&vault);
        unsigned seen = wakes;
        while (!toy_append(&toy, i * 37 % 3000)) { /* the log is full: after the next wake */
            while (seen == wakes)
                pthread_cond_wait(&woken, &vault);
            seen = wakes;
        }
        uint64_t index = toy.count - 1;
        while (i % 3 == 0 && pl_store_durable(toy.store) <= index)
            pthread_cond_wait(&woken, &vault);
        *failed += pl_store_state(toy.store) != PL_STORE_RUNNING;
        pthread_mutex_unlock(&vault);
    }
    return NULL;
}

struct copied {
    uint8_t bytes[8 * TOY_ENTRIES + 70000];
    size_t n, at;
};

static pl_err pull(void *ctx, uint8_t *out, size_t cap, size_t *out_n)
{
    struct copied *p = ctx;
    *out_n = p->n - p->at < cap ? p->n - p->at : cap;
    memcpy(out, p->bytes + p->at, *out_n);
    p->at += *out_n;
    return PL_OK;
}

/* The snapshot thread: copies the state under the vault's lock, writes it without. */
static void *snapshots(void *arg)
{
    static struct copied copy;
    static const uint8_t tree[32];
    unsigned *made = arg;
    for (unsigned last = 0; last < APPENDERS * EACH;) {
        struct pl_store_mark mark;
        pthread_mutex_lock(&vault);
        pl_store_mark(toy.store, &mark);
        copy = (struct copied){.n = 70000};
        struct pl_wr w = pl_wr_fixed(copy.bytes + copy.n, 8 * TOY_ENTRIES);
        for (size_t i = 0; i < toy.count; i++)
            pl_wr_be64(&w, toy.state[i]);
        copy.n += w.n;
        pthread_mutex_unlock(&vault);
        last = (unsigned)mark.index;
        *made += mark.index && pl_store_snapshot(toy.store, &mark, tree, pull, &copy) == PL_OK;
    }
    return NULL;
}

static void run(const char *path)
{
    struct pl_store_place place;
    pthread_t threads[APPENDERS], snapshot;
    unsigned failed[APPENDERS] = {0}, made = 0;
    toy_init(&toy, &pl_io_system, path);
    toy.segment_bytes = 1 << 17;
    toy.wake = wake;
    wakes = 0;
    NEED(CHECK_OK(toy_up(&toy, &place)));
    printf("# %s: %s\n", path, toy.report.direct ? "O_DIRECT" : "cached");
    NEED(CHECK_OK(pl_store_start(toy.store)));
    for (int i = 0; i < APPENDERS; i++)
        NEED(CHECK(pthread_create(&threads[i], NULL, appender, &failed[i]) == 0));
    NEED(CHECK(pthread_create(&snapshot, NULL, snapshots, &made) == 0));
    for (int i = 0; i < APPENDERS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0 && failed[i] == 0);
    CHECK(pthread_join(snapshot, NULL) == 0 && made > 0);
    CHECK_OK(pl_store_wait(toy.store, toy.count));
    toy_acknowledge(&toy);
    CHECK(toy.acked == APPENDERS * EACH);
    toy_append(&toy, 1); /* not waited for: closing writes it */
    toy_down(&toy);
    toy.acked = toy.appended_n;
    CHECK_OK(toy_up(&toy, &place));
    CHECK(toy.count == APPENDERS * EACH + 1 && toy.report.from_snapshot > 0);
    CHECK(toy.broken == NULL);
    printf("# %s\n", toy.broken ? toy.broken : "nothing broken");
    toy_down(&toy);
}

static void remove_all(const char *path)
{
    char name[512];
    snprintf(name, sizeof(name), "%s/vault", path);
    const struct pl_io *io = &pl_io_system;
    int dir = io->dir(NULL, name, 0);
    for (uint64_t i = 0; dir >= 0 && i < 4096; i++) {
        char file[32];
        snprintf(file, sizeof(file), "log.%016lx", (unsigned long)i);
        io->unlink(NULL, dir, file);
        snprintf(file, sizeof(file), "snapshot.%016lx", (unsigned long)i);
        io->unlink(NULL, dir, file);
    }
    static const char *const others[] = {"root.sealed", "log.new", "snapshot.new", "pipe"};
    for (size_t i = 0; dir >= 0 && i < 4; i++)
        io->unlink(NULL, dir, others[i]);
    if (dir >= 0)
        io->close(NULL, dir);
    rmdir(name);
    rmdir(path);
}

static bool in_fresh(const char *under, void (*test)(const char *path))
{
    char path[PATH], vault_path[PATH + 8];
    snprintf(path, sizeof(path), "%s/pleiad-test-XXXXXX", under);
    if (!mkdtemp(path))
        return false;
    snprintf(vault_path, sizeof(vault_path), "%s/vault", path);
    test(vault_path);
    remove_all(path);
    return true;
}

TEST(threads_on_disk) { CHECK(in_fresh("/var/tmp", run)); }
TEST(threads_in_memory)
{
    if (!in_fresh("/dev/shm", run))
        test_skip("no /dev/shm");
}

static void modes(const char *path)
{
    struct pl_store_place place;
    struct stat st;
    char file[PATH + 64];
    toy_init(&toy, &pl_io_system, path);
    NEED(CHECK_OK(toy_up(&toy, &place)));
    CHECK(stat(path, &st) == 0 && (st.st_mode & 07777) == 0700);
    static const char *const files[] = {"root.sealed", "log.0000000000000001"};
    for (size_t i = 0; i < 2; i++) {
        snprintf(file, sizeof(file), "%s/%s", path, files[i]);
        CHECK(stat(file, &st) == 0 && (st.st_mode & 07777) == 0600);
    }
    static struct toy second;
    toy_init(&second, &pl_io_system, path);
    CHECK_ERR(toy_up(&second, &place), STORE_BUSY);
    toy_down(&toy);
    CHECK(chmod(path, 0750) == 0);
    CHECK_ERR(toy_up(&toy, &place), STORE_PERMISSIONS);
    CHECK(chmod(path, 0700) == 0);
    /* a log that is no regular file */
    CHECK(unlink(file) == 0 && symlink("/dev/zero", file) == 0);
    CHECK_ERR(toy_up(&toy, &place), STORE_IO);
    CHECK(unlink(file) == 0 && mkfifo(file, 0600) == 0);
    CHECK_ERR(toy_up(&toy, &place), STORE_IO);
    CHECK(place.os_error == EACCES);
    CHECK(toy.broken == NULL);
}

TEST(modes_and_lock) { CHECK(in_fresh("/var/tmp", modes)); }

TEST_MAIN()
