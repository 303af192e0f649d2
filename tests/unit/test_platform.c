#include "test.h"
#include "platform/platform.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Runs f in a child; its return value, or 128 + signal. */
static int in_child(int (*f)(void *), void *arg)
{
    int status = 0;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0)
        _exit(f(arg));
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* The VmFlags line of the mapping that starts at p: what the kernel really did. */
static bool mapping_has(const void *p, const char *flag)
{
    char line[512], want[8];
    bool inside = false, found = false;
    FILE *f = fopen("/proc/self/smaps", "r");
    snprintf(want, sizeof(want), " %s", flag);
    while (f && fgets(line, sizeof(line), f)) {
        unsigned long from, to;
        if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
            inside = from == (unsigned long)(uintptr_t)p;
        if (inside && strncmp(line, "VmFlags:", 8) == 0)
            found = strstr(line, want) != NULL;
    }
    if (f)
        fclose(f);
    return found;
}

/* AddressSanitizer replaces mlock by nothing; ci/meson.py says when it is there. */
static bool mlock_works(void)
{
    if (!getenv("PL_ASAN"))
        return true;
    test_skip("AddressSanitizer makes mlock do nothing");
    return false;
}

TEST(locked_memory_is_locked_and_left_out_of_dumps_and_children)
{
    struct pl_locked m;
    NEED(mlock_works());
    NEED(CHECK_OK(pl_locked_map(&m, 5000)));
    CHECK(m.size >= 5000 && m.size % 4096 == 0);
    CHECK(pl_span_zero(pl_span(m.base, m.size)));
    CHECK(mapping_has(m.base, "lo"));
    CHECK(mapping_has(m.base, "dd"));
    CHECK(mapping_has(m.base, "wf"));
    pl_locked_unmap(&m);
    CHECK(m.base == NULL);
    pl_locked_unmap(&m);
    pl_locked_unmap(NULL);
}

static int touch(void *p)
{
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    *(volatile uint8_t *)p = 1;
    return 0;
}

static int is_zero(void *p) { return *(volatile uint8_t *)p != 0; }

TEST(locked_memory_has_guards_and_a_child_does_not_inherit_it)
{
    struct pl_locked m;
    NEED(CHECK_OK(pl_locked_map(&m, 4096)));
    CHECK(in_child(touch, m.base) == 0);
    CHECK(in_child(touch, m.base - 1) != 0);
    CHECK(in_child(touch, m.base + m.size) != 0);
    m.base[0] = 7;
    CHECK(in_child(is_zero, m.base) == 0);
    CHECK(m.base[0] == 7);
    struct pl_arena a = pl_locked_arena(&m);
    CHECK(pl_arena_take(&a, m.size) == m.base);
    CHECK(pl_arena_take(&a, 1) == NULL);
    pl_locked_unmap(&m);
}

TEST(locked_memory_has_a_bound)
{
    struct pl_locked m = {(uint8_t *)1, 1};
    CHECK_ERR(pl_locked_map(&m, PL_LOCKED_MAX + 1), LOCKED_SIZE);
    CHECK(m.base == NULL && m.size == 0);
    CHECK_ERR(pl_locked_map(&m, 0), LOCKED_SIZE);
}

static int refuse_lock(void *unused)
{
    (void)unused;
    struct rlimit small = {4096, 4096};
    struct pl_locked m;
    setrlimit(RLIMIT_MEMLOCK, &small);
    if (geteuid() == 0 && setuid(65534) != 0) /* root is above the limit */
        return 9;
    return pl_err_code(pl_locked_map(&m, 1 << 16)) != PL_E_MEMLOCK || m.base != NULL;
}

TEST(a_low_limit_of_locked_memory_is_named)
{
    NEED(mlock_works());
    CHECK(in_child(refuse_lock, NULL) == 0);
}

TEST(entropy_differs_and_fills_all)
{
    static uint8_t a[1 << 16], b[1 << 16];
    CHECK_OK(pl_entropy(a, sizeof(a)));
    CHECK_OK(pl_entropy(b, sizeof(b)));
    CHECK(memcmp(a, b, sizeof(a)) != 0);
    CHECK(!pl_span_zero(pl_span(a + sizeof(a) - 32, 32)));
    CHECK_OK(pl_entropy(a, 0));
}

TEST(clocks_go_on)
{
    int64_t s = 0, before = pl_clock_mono_ns();
    CHECK_OK(pl_clock_wall(&s));
    CHECK(s > 1700000000);
    CHECK(pl_clock_mono_ns() >= before);
    CHECK(pl_clock_mono_ms() >= before / 1000000);
}

static int hardened(void *unused)
{
    (void)unused;
    struct rlimit core;
    if (pl_process_harden() != PL_OK || getrlimit(RLIMIT_CORE, &core) != 0)
        return 1;
    return !(core.rlim_max == 0 && prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0 &&
             prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
}

TEST(a_hardened_process_is_private) { CHECK(in_child(hardened, NULL) == 0); }

TEST(cpu_features_agree_with_the_kernel)
{
    char line[8192] = "", word[16];
    FILE *f = fopen("/proc/cpuinfo", "r");
    while (f && fgets(line, sizeof(line), f))
        if (strncmp(line, "flags", 5) == 0)
            break;
    if (f)
        fclose(f);
    size_t n = strlen(line);
    CHECK(n > 0);
    line[n - 1] = ' ';
    static const struct {
        unsigned bit;
        const char *name;
    } known[] = {{PL_CPU_SSSE3, "ssse3"},
                 {PL_CPU_AVX2, "avx2"},
                 {PL_CPU_GFNI, "gfni"},
                 {PL_CPU_AVX512F, "avx512f"},
                 {PL_CPU_AVX512BW, "avx512bw"}};
    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
        snprintf(word, sizeof(word), " %s ", known[i].name);
        CHECK(((pl_cpu_features() & known[i].bit) != 0) == (strstr(line, word) != NULL));
    }
}

/* A private folder as the working directory of each test below. */
static char folder[64];
static bool enter(void)
{
    snprintf(folder, sizeof(folder), "/tmp/pleiad-unit.XXXXXX");
    return mkdtemp(folder) && chdir(folder) == 0;
}
/* How many entries the folder has; removes them on the way when asked to. */
static unsigned files_here(bool removing)
{
    unsigned n = 0;
    DIR *d = opendir(folder);
    for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d)) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        n++;
        if (removing && unlink(e->d_name) != 0)
            CHECK(rmdir(e->d_name) == 0);
    }
    if (d)
        closedir(d);
    return n;
}
static void leave(void)
{
    files_here(true);
    CHECK(chdir("/") == 0 && rmdir(folder) == 0);
}

static void check_holds(const char *path, const char *want)
{
    struct pl_wr w = pl_wr_heap(1 << 16);
    CHECK_OK(pl_file_read(&w, path, 1 << 16));
    CHECK_BYTES(pl_wr_span(&w), pl_span_str(want));
    pl_wr_free(&w);
}

TEST(a_new_file_has_its_mode_and_is_never_overwritten)
{
    struct stat st;
    NEED(CHECK(enter()));
    mode_t mask = umask(077);
    CHECK_OK(pl_file_write("a", PL_LIT("one"), 0644, PL_FILE_NEW));
    CHECK(stat("a", &st) == 0 && (st.st_mode & 07777) == 0644);
    umask(0);
    CHECK_OK(pl_file_write("b", PL_LIT(""), 0600, PL_FILE_NEW));
    CHECK(stat("b", &st) == 0 && (st.st_mode & 07777) == 0600);
    umask(mask);
    CHECK_ERR(pl_file_write("a", PL_LIT("two"), 0644, PL_FILE_NEW), FILE_EXISTS);
    check_holds("a", "one");
    CHECK_OK(pl_file_write("a", PL_LIT("three"), 0600, PL_FILE_REPLACE));
    check_holds("a", "three");
    CHECK(files_here(false) == 2);
    leave();
}

TEST(a_symbolic_link_is_replaced_not_followed)
{
    struct stat st;
    NEED(CHECK(enter()));
    CHECK_OK(pl_file_write("target", PL_LIT("kept"), 0600, PL_FILE_NEW));
    CHECK(symlink("target", "link") == 0 && symlink("nowhere", "dangling") == 0);
    CHECK_ERR(pl_file_write("link", PL_LIT("x"), 0600, PL_FILE_NEW), FILE_EXISTS);
    CHECK_ERR(pl_file_write("dangling", PL_LIT("x"), 0600, PL_FILE_NEW), FILE_EXISTS);
    CHECK_OK(pl_file_write("link", PL_LIT("new"), 0600, PL_FILE_REPLACE));
    check_holds("target", "kept");
    CHECK(lstat("link", &st) == 0 && S_ISREG(st.st_mode));
    leave();
}

static int write_too_much(void *unused)
{
    (void)unused;
    static uint8_t big[8192];
    struct rlimit small = {4096, 4096};
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    return pl_err_code(pl_file_write("big", PL_ARR(big), 0600, PL_FILE_NEW)) != PL_E_DISK_FULL;
}

TEST(a_write_that_fails_leaves_nothing)
{
    NEED(CHECK(enter()));
    CHECK(in_child(write_too_much, NULL) == 0);
    CHECK(files_here(false) == 0);
    CHECK_ERR(pl_file_write("no/such/folder", PL_LIT("x"), 0600, PL_FILE_NEW), FILE_MISSING);
    CHECK(mkdir("folder", 0700) == 0);
    CHECK_ERR(pl_file_write("folder", PL_LIT("x"), 0600, PL_FILE_REPLACE), FILE_KIND);
    CHECK(files_here(false) == 1);
    leave();
}

TEST(reading_is_bounded_and_appends_nothing_on_error)
{
    struct pl_wr w = pl_wr_heap(64);
    NEED(CHECK(enter()));
    pl_wr_str(&w, "before");
    CHECK_OK(pl_file_write("ten", PL_LIT("0123456789"), 0600, PL_FILE_NEW));
    CHECK_ERR(pl_file_read(&w, "ten", 9), FILE_SIZE);
    CHECK_ERR(pl_file_read(&w, "none", 9), FILE_MISSING);
    CHECK_ERR(pl_file_read(&w, ".", 9), FILE_KIND);
    CHECK_BYTES(pl_wr_span(&w), PL_LIT("before"));
    CHECK_OK(pl_file_read(&w, "ten", 10));
    CHECK_BYTES(pl_wr_span(&w), PL_LIT("before0123456789"));
    pl_wr_free(&w);
    leave();
}

TEST(a_descriptor_is_read_to_its_end_or_its_bound)
{
    uint8_t out[8];
    size_t n = 99;
    int fds[2];
    NEED(CHECK(pipe(fds) == 0));
    CHECK_OK(pl_fd_write(fds[1], PL_LIT("12345678")));
    CHECK_OK(pl_fd_write(fds[1], PL_LIT("")));
    close(fds[1]);
    CHECK_OK(pl_fd_read(fds[0], out, sizeof(out), &n));
    CHECK_BYTES(pl_span(out, n), PL_LIT("12345678"));
    close(fds[0]);
    NEED(CHECK(pipe(fds) == 0));
    CHECK_OK(pl_fd_write(fds[1], PL_LIT("123456789")));
    close(fds[1]);
    CHECK_ERR(pl_fd_read(fds[0], out, sizeof(out), &n), FILE_SIZE);
    close(fds[0]);
    CHECK_ERR(pl_fd_read(-1, out, sizeof(out), &n), FILE_IO);
    CHECK_ERR(pl_fd_write(-1, PL_LIT("x")), FILE_IO);
}

TEST(every_errno_has_a_code)
{
    CHECK(pl_file_code(ENOSPC) == PL_E_DISK_FULL);
    CHECK(pl_file_code(EDQUOT) == PL_E_DISK_FULL);
    CHECK(pl_file_code(EACCES) == PL_E_FILE_ACCESS);
    CHECK(pl_file_code(EROFS) == PL_E_FILE_ACCESS);
    CHECK(pl_file_code(ENOENT) == PL_E_FILE_MISSING);
    CHECK(pl_file_code(EIO) == PL_E_FILE_IO);
    CHECK(pl_file_code(0) == PL_E_FILE_IO);
}

TEST_MAIN()
