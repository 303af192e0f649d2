/* A vault's directory that is not as it was written: the start stops, names the place, and changes
 * nothing. A last frame with an all-zero sector is the only thing that is cut. */
#include "test.h"
#include "fault/memdisk.h"
#include "fault/toy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct toy toy, other;

/* Two runs: two segments and more, two snapshots, frames behind the newest. */
static struct md_disk *make(struct toy *t)
{
    struct pl_store_place place;
    struct md_disk *d = md_new(1);
    toy_init(t, md_io(d), "/vault");
    for (int run = 0; run < 2; run++) {
        if (!CHECK_OK(toy_up(t, &place)))
            return d;
        for (size_t i = 0; i < 5; i++) {
            toy_append(t, 10 + 1500 * i);
            toy_turn(t);
        }
        CHECK_OK(toy_snapshot(t));
        for (size_t i = 0; i < 4; i++) { /* several frames in the last segment, and room behind */
            toy_append(t, 2000);
            toy_turn(t);
        }
        toy_down(t);
    }
    md_restart(d, true, MD_LOSE_ALL, 0);
    return d;
}

/* A start on a copy of the disk: its error, the place, and that nothing was changed by it. The
 * remains of unfinished files apart, a start that fails leaves every byte. */
static pl_err start(const struct md_disk *disk, struct pl_store_place *out_place)
{
    struct md_disk *d = md_copy(disk);
    static struct toy t;
    t = toy;
    t.io = md_io(d);
    pl_err e = toy_up(&t, out_place);
    toy_down(&t);
    if (e != PL_OK)
        CHECK(md_same(disk, d) && md_same(d, disk));
    CHECK(t.broken == NULL);
    md_free(d);
    return e;
}

static bool is_newest_snapshot(struct md_disk *d, const char *name)
{
    const char *n;
    for (unsigned i = 0; (n = md_name(d, i)); i++)
        if (strncmp(n, "snapshot.", 9) == 0 && strcmp(n, name) > 0)
            return false;
    return strncmp(name, "snapshot.", 9) == 0;
}

TEST(a_flipped_bit_at_every_64th_byte)
{
    struct md_disk *d = make(&toy);
    struct pl_store_place place;
    const char *name;
    unsigned flips = 0, files = 0, unwritten = 0;
    for (unsigned i = 0; (name = md_name(d, i)); i++) {
        if (strncmp(name, "snapshot.", 9) == 0 && !is_newest_snapshot(d, name))
            continue;
        size_t n;
        uint8_t *p = md_file(d, name, &n);
        files++;
        for (size_t at = 0; at < n; at += 64, flips++) {
            unwritten += at + 64 <= n && pl_span_zero(pl_span(p + at, 64));
            p[at] ^= (uint8_t)(1 << at / 64 % 8);
            pl_err e = start(d, &place);
            p[at] ^= (uint8_t)(1 << at / 64 % 8);
            bool named = strcmp(place.file, name) == 0 || strcmp(name, "root.sealed") == 0;
            if (!CHECK(pl_err_class(e) == PL_C_CORRUPT) || !CHECK(named)) {
                printf("# %s byte %zu: %s, named %s\n", name, at, pl_code_name(pl_err_code(e)),
                       place.file);
                break;
            }
        }
    }
    printf("# %u flips in %u files\n", flips, files);
    CHECK(files >= 4 && flips > 2000 && unwritten > 20);
    CHECK_OK(start(d, &place));
    md_free(d);
}

/* The name of the last segment, and where its last frame begins and how long it is. */
static uint8_t *last_frame(struct md_disk *d, char name[32], size_t *out_at, size_t *out_n)
{
    const char *s;
    name[0] = 0;
    for (unsigned i = 0; (s = md_name(d, i)); i++)
        if (strncmp(s, "log.", 4) == 0 && strcmp(s, name) > 0)
            snprintf(name, 32, "%s", s);
    size_t n, length = 0;
    uint8_t *p = md_file(d, name, &n);
    for (size_t at = 0; at < n && memcmp(p + at, "PLFRAME1", 8) == 0; at += length) {
        *out_at = at;
        *out_n = length = (size_t)p[at + 57] << 16 | (size_t)p[at + 58] << 8 | p[at + 59];
    }
    return p;
}

/* Any sector of the last frame that was not written: it alone is cut. */
TEST(torn_last_frame_is_cut)
{
    struct md_disk *whole = make(&toy);
    struct pl_store_place place;
    size_t at = 0, n = 0;
    char name[32];
    last_frame(whole, name, &at, &n);
    NEED(CHECK(n >= 4096 && n < 16384));
    for (size_t sector = 0; sector < n / 512; sector++) {
        struct md_disk *d = md_copy(whole);
        static struct toy t;
        t = toy;
        t.io = md_io(d);
        t.acked--; /* the torn write was never acknowledged */
        memset(last_frame(d, name, &at, &n) + at + sector * 512, 0, 512);
        CHECK_OK(toy_up(&t, &place));
        CHECK(t.report.tail_cut && t.report.tail_bytes >= n && t.broken == NULL);
        CHECK(strcmp(t.report.place.file, name) == 0 && t.report.place.offset == at);
        CHECK(t.count == toy.count - 1);
        toy_append(&t, 5);
        toy_turn(&t);
        toy_down(&t);
        md_restart(d, true, MD_LOSE_ALL, 0);
        CHECK_OK(toy_up(&t, &place)); /* and the cut is not seen a second time */
        CHECK(!t.report.tail_cut && t.count == toy.count && t.broken == NULL);
        toy_down(&t);
        md_free(d);
    }
    md_free(whole);
}

/* A zeroed sector anywhere else is damage: another frame, or another segment, follows. */
TEST(missing_sector_before_the_last_frame)
{
    struct md_disk *d = make(&toy);
    struct pl_store_place place;
    size_t last_at = 0, last_n = 0;
    char last[32];
    last_frame(d, last, &last_at, &last_n);
    const char *name;
    unsigned tried = 0, in_last = 0;
    for (unsigned i = 0; (name = md_name(d, i)); i++) {
        size_t n;
        uint8_t *p = md_file(d, name, &n), keep[512];
        for (size_t at = 0; strncmp(name, "log.", 4) == 0 && at < n; at += 512) {
            if (pl_span_zero(pl_span(p + at, 512)) || (strcmp(name, last) == 0 && at >= last_at))
                continue;
            in_last += strcmp(name, last) == 0;
            memcpy(keep, p + at, 512);
            memset(p + at, 0, 512);
            NEED(CHECK(pl_err_class(start(d, &place)) == PL_C_CORRUPT));
            memcpy(p + at, keep, 512);
            tried++;
        }
    }
    CHECK(tried > 50 && in_last > 8);
    md_free(d);
}

TEST(segments_missing_or_cut)
{
    struct pl_store_place place;
    struct md_disk *whole = make(&toy);
    char last[32], keep[32];
    size_t at = 0, n = 0;
    const char *name;
    unsigned logs = 0;
    last_frame(whole, last, &at, &n);
    for (unsigned i = 0; (name = md_name(whole, i)); i++) {
        snprintf(keep, sizeof(keep), "%s", name);
        if (strncmp(keep, "log.", 4) != 0 || strcmp(keep, last) == 0)
            continue;
        logs++;
        md_file(whole, keep, &n);
        struct md_disk *gone = md_copy(whole), *odd = md_copy(whole), *half = md_copy(whole);
        md_resize(gone, keep, 0);
        CHECK_ERR(start(gone, &place), STORE_SEGMENT);
        md_resize(odd, keep, n - 100);
        CHECK_ERR(start(odd, &place), STORE_SEGMENT);
        CHECK(strcmp(place.file, keep) == 0);
        md_resize(half, keep, 4096);
        CHECK(pl_err_class(start(half, &place)) == PL_C_CORRUPT);
        md_free(gone);
        md_free(odd);
        md_free(half);
    }
    CHECK(logs >= 2);
    md_free(whole);
}

TEST(sealed_root_never_a_first_start)
{
    struct pl_store_place place;
    struct md_disk *d = make(&toy);
    toy.seal_key[0] ^= 1; /* another machine */
    CHECK_ERR(start(d, &place), ROOT_SEAL);
    toy.seal_key[0] ^= 1;
    for (size_t n = 1; n < PL_ROOT_BLOB_BYTES; n += 17) {
        struct md_disk *cut = md_copy(d);
        md_resize(cut, "root.sealed", n);
        CHECK_ERR(start(cut, &place), ROOT_FORMAT);
        md_free(cut);
    }
    md_resize(d, "root.sealed", 0);
    CHECK_ERR(start(d, &place), STORE_ROOT_MISSING);
    CHECK(strncmp(place.file, "log.", 4) == 0);
    const char *name;
    while ((name = md_name(d, 0)) && strncmp(name, "log.", 4) == 0)
        md_resize(d, name, 0);
    CHECK_ERR(start(d, &place), STORE_ROOT_MISSING); /* snapshots alone */
    md_free(d);
}

TEST(birth_needs_an_empty_directory)
{
    struct pl_store_place place;
    enum pl_store_found found;
    struct pl_store_dir *dir, *second;
    struct md_disk *d = md_new(1);
    const struct pl_io *io = md_io(d);
    int fd = io->open(io->ctx, 0, "letter", PL_IO_CREATE);
    io->close(io->ctx, fd);
    CHECK_ERR(pl_store_dir(&dir, &found, &place, io, "/v"), STORE_NOT_EMPTY);
    CHECK(strcmp(place.file, "letter") == 0 && dir == NULL && found == PL_FOUND_UNKNOWN);
    io->unlink(io->ctx, 0, "letter");
    fd = io->open(io->ctx, 0, "root.sealed.new", PL_IO_CREATE); /* a birth that was cut short */
    io->close(io->ctx, fd);
    CHECK_OK(pl_store_dir(&dir, &found, &place, io, "/v"));
    CHECK(found == PL_FOUND_NOTHING);
    CHECK_ERR(pl_store_dir(&second, &found, &place, io, "/v"), STORE_BUSY);
    CHECK_OK(pl_store_root_make(dir, toy.root, toy.root, toy.root, "toy"));
    CHECK_ERR(pl_store_root_make(dir, toy.root, toy.root, toy.root, "toy"), STORE_NOT_EMPTY);
    pl_store_dir_close(dir);
    CHECK_OK(pl_store_dir(&dir, &found, &place, io, "/v"));
    CHECK(found == PL_FOUND_VAULT);
    pl_store_dir_close(dir);
    md_free(d);
}

TEST(reseal_keeps_the_root)
{
    struct pl_store_place place;
    enum pl_store_found found;
    struct pl_store_dir *dir;
    uint8_t got[32], key[32] = {9};
    char sealer[PL_SEALER_BYTES + 1];
    struct md_disk *d = make(&toy);
    NEED(CHECK_OK(pl_store_dir(&dir, &found, &place, md_io(d), "/v")));
    CHECK_OK(pl_store_root_reseal(dir, toy.root, key, toy.vault_id, "next-machine"));
    CHECK_ERR(pl_store_root_load(dir, got, sealer, toy.seal_key), ROOT_SEAL);
    CHECK(strcmp(sealer, "next-machine") == 0 && pl_span_zero(PL_ARR(got)));
    CHECK_OK(pl_store_root_load(dir, got, NULL, key));
    CHECK_BYTES(PL_ARR(got), PL_ARR(toy.root));
    pl_store_dir_close(dir);
    md_free(d);
}

static void copy_file(struct md_disk *to, struct md_disk *from, const char *name)
{
    size_t n, m;
    const uint8_t *p = md_file(from, name, &n);
    const struct pl_io *io = md_io(to);
    int fd = io->open(io->ctx, 0, name, PL_IO_CREATE);
    io->pwrite(io->ctx, fd, p, n, 0);
    io->sync(io->ctx, fd);
    io->close(io->ctx, fd);
    io->sync(io->ctx, io->dir(io->ctx, "/", 0));
    CHECK(md_file(to, name, &m) && n == m);
}

/* Two copies of a vault that ran on by themselves: the snapshot of one is no snapshot of the
 * other, though position, keys and vault are the same. */
TEST(snapshot_of_another_history)
{
    struct pl_store_place place;
    struct md_disk *a = make(&toy), *b = md_copy(a);
    other = toy;
    other.io = md_io(b);
    other.salts += 1000;
    other.next_seed += 1000;
    struct toy *both[] = {&toy, &other};
    for (int i = 0; i < 2; i++) {
        NEED(CHECK_OK(toy_up(both[i], &place)));
        toy_append(both[i], 100);
        toy_turn(both[i]);
        CHECK_OK(toy_snapshot(both[i]));
        toy_down(both[i]);
    }
    char name[32];
    snprintf(name, sizeof(name), "snapshot.%016lx", (unsigned long)toy.count);
    copy_file(a, b, name);
    CHECK_ERR(start(a, &place), SNAPSHOT_CHAIN);
    md_free(a);
    md_free(b);
}

/* The log's end taken away, as far as the snapshot shows it. */
TEST(log_shorter_than_its_snapshot)
{
    struct pl_store_place place;
    struct md_disk *d = make(&toy);
    size_t at = 0, n = 0;
    char name[32];
    memset(last_frame(d, name, &at, &n) + at, 0, n);
    toy.acked = 0;
    CHECK_OK(start(d, &place)); /* nothing but a witness can tell this from a shorter log */
    pl_err e = PL_OK;
    for (unsigned segments = 0; e == PL_OK && segments < 8; segments++) {
        last_frame(d, name, &at, &n);
        md_resize(d, name, 0);
        e = start(d, &place);
    }
    CHECK_ERR(e, STORE_LOG_SHORT);
    md_free(d);
}

/* Old segments archived: what a snapshot covers is not needed, what it does not is. */
TEST(archived_segments)
{
    struct pl_store_place place;
    struct md_disk *d = make(&toy), *no_snapshot;
    md_resize(d, "log.0000000000000001", 0);
    CHECK_ERR(start(d, &place), STORE_SEGMENT); /* not unless the caller knows of archives */
    toy.archived = true;
    CHECK_OK(start(d, &place));
    no_snapshot = md_copy(d);
    const char *name;
    for (unsigned i = 0; (name = md_name(no_snapshot, i));)
        if (strncmp(name, "snapshot.", 9) == 0)
            md_resize(no_snapshot, name, 0);
        else
            i++;
    CHECK_ERR(start(no_snapshot, &place), STORE_SEGMENT);
    md_free(no_snapshot);
    md_free(d);
}

TEST(unfinished_files_are_removed)
{
    struct pl_store_place place;
    struct md_disk *d = make(&toy);
    const struct pl_io *io = md_io(d);
    size_t n;
    int fd = io->open(io->ctx, 0, "snapshot.new", PL_IO_CREATE);
    io->close(io->ctx, fd);
    CHECK_OK(toy_up(&toy, &place));
    CHECK(md_file(d, "snapshot.new", &n) == NULL && md_file(d, "log.new", &n) == NULL);
    toy_down(&toy);
    md_free(d);
}

TEST(only_two_snapshots_are_kept)
{
    struct pl_store_place place;
    struct md_disk *d = make(&toy);
    NEED(CHECK_OK(toy_up(&toy, &place)));
    for (int i = 0; i < 4; i++) {
        toy_append(&toy, 10);
        toy_turn(&toy);
        CHECK_OK(toy_snapshot(&toy));
    }
    toy_down(&toy);
    const char *name;
    unsigned snapshots = 0;
    for (unsigned i = 0; (name = md_name(d, i)); i++)
        snapshots += strncmp(name, "snapshot.", 9) == 0;
    CHECK(snapshots == 2);
    NEED(CHECK_OK(toy_up(&toy, &place)));
    CHECK(toy.applied == 0 && toy.report.from_snapshot == toy.count && toy.broken == NULL);
    toy_down(&toy);
    md_free(d);
}

TEST(another_vaults_files)
{
    struct pl_store_place place;
    struct md_disk *d = make(&toy);
    toy.vault_id[0] ^= 1;
    CHECK(pl_err_class(start(d, &place)) == PL_C_CORRUPT);
    toy.vault_id[0] ^= 1;
    md_free(d);
}

TEST_MAIN()
