/* Memory, entropy, crypto library and system calls failing one by one under the base, Shamir and
 * the share commands. */
#include "fault.h"
#include "platform/platform.h"
#include "shamir/shamir.h"
#include "tools/tool.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- base ---- */

static pl_err grow(void *unused)
{
    (void)unused;
    PL_CLEANUP(pl_wr_free) struct pl_wr w = pl_wr_heap(1 << 16);
    for (unsigned i = 0; i < 4000; i++)
        pl_wr_be64(&w, i);
    PL_TRY(pl_wr_end(&w));
    PL_ASSERT(w.n == 32000 && w.p[31999] == (3999 & 255));
    return PL_OK;
}

TEST(a_growing_writer) { CHECK(fault_every(FAULT_MEMORY, grow, NULL, NULL) == 8); }

/* ---- entropy ---- */

static pl_err draw(void *out) { return pl_entropy(out, 32); }

static void check_drawn(void *out, pl_err e)
{
    CHECK(pl_span_zero(pl_span(out, 32)) == (e != PL_OK));
}

TEST(entropy_that_fails_leaves_zeros)
{
    uint8_t out[32] = {1};
    CHECK(fault_every(FAULT_ENTROPY, draw, out, check_drawn) == 1);
}

/* ---- shamir ---- */

static struct {
    uint8_t memory[1 << 13] __attribute__((aligned(16)));
    uint8_t y[5 * 96], random[32 + 2 * 96];
    struct pl_arena arena;
} g;

static pl_err split_and_combine(struct pl_crypto *c)
{
    struct pl_split s = {.k = 3, .n = 5};
    struct pl_share shares[5];
    struct pl_combined out;
    PL_TRY(pl_split_plain_x(&s));
    PL_TRY(pl_share_split(c, g.y, &s, PL_LIT("a secret"), PL_ARR(g.random), &g.arena));
    g.y[5] ^= 1; /* one wrong share: more than one combination */
    for (unsigned j = 0; j < 5; j++)
        shares[j] = (struct pl_share){s.x[j], pl_span(g.y + j * 96, 96)};
    PL_TRY(pl_share_combine(c, &out, &s, shares, 5, &g.arena));
    PL_ASSERT(pl_span_is(out.secret, "a secret") && out.wrong[0] && out.n_wrong == 1);
    pl_arena_release(&g.arena, 0);
    return PL_OK;
}

static pl_err shamir_work(void *unused)
{
    (void)unused;
    struct pl_crypto *c;
    g.arena = pl_arena(g.memory, sizeof(g.memory));
    PL_TRY(pl_crypto_new(&c));
    pl_err e = split_and_combine(c);
    pl_crypto_free(c);
    return e;
}

static void check_arena(void *unused, pl_err e)
{
    (void)unused, (void)e;
    CHECK(g.arena.used == 0 && pl_span_zero(PL_ARR(g.memory)));
}

TEST(shamir)
{
    test_fill(g.random, sizeof(g.random), 1);
    CHECK(fault_every(FAULT_MEMORY | FAULT_CRYPTO, shamir_work, NULL, check_arena) > 15);
}

/* ---- files ---- */

static char folder[64];

static void enter(void)
{
    snprintf(folder, sizeof(folder), "/tmp/pleiad-fault.XXXXXX");
    CHECK(mkdtemp(folder) && chdir(folder) == 0);
}

/* Empties a folder; how many files it had. */
static unsigned empty(const char *name)
{
    unsigned n = 0;
    char path[512];
    DIR *d = opendir(name);
    for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d)) {
        if (e->d_name[0] == '.' && (!e->d_name[1] || e->d_name[1] == '.'))
            continue;
        snprintf(path, sizeof(path), "%s/%s", name, e->d_name);
        n += unlink(path) == 0;
    }
    if (d)
        closedir(d);
    return n;
}

static void leave(void)
{
    empty(".");
    CHECK(chdir("/") == 0 && rmdir(folder) == 0);
}

static pl_err write_file(void *unused)
{
    (void)unused;
    return pl_file_write("file", PL_LIT("contents"), 0600, PL_FILE_NEW);
}

static void check_file(void *unused, pl_err e)
{
    (void)unused;
    CHECK(empty(".") == (e == PL_OK ? 1 : 0));
}

TEST(a_new_file_is_there_or_not)
{
    enter();
    CHECK(fault_every(FAULT_SYSTEM | FAULT_ENTROPY, write_file, NULL, check_file) >= 7);
    leave();
}

/* ---- the share commands ---- */

extern const struct tool_cmd tool_share[];
const struct tool_noun tool_nouns[] = {{"share", "", tool_share}, {0}};

enum { ALL = FAULT_MEMORY | FAULT_ENTROPY | FAULT_CRYPTO | FAULT_SYSTEM, WORDS_MAX = 16 };

/* A command line, which files are its standard input and output (errors go nowhere), and which call
 * fails while it runs; 0: none. */
struct command {
    const char *const *words;
    const char *in, *out;
    unsigned k;
};

static int call(const struct command *c)
{
    static char copies[WORDS_MAX][64];
    char *argv[WORDS_MAX];
    int argc = 0;
    struct tool t = {0};
    for (; c->words[argc]; argc++) {
        snprintf(copies[argc], sizeof(copies[argc]), "%s", c->words[argc]);
        argv[argc] = copies[argc];
    }
    argv[argc] = NULL;
    fault_arm(ALL, c->k);
    int code = tool_parse(&t, argc, argv);
    return code < 0 ? t.cmd->run(&t) : code;
}

/* The exit code; *hit: did it come to the call that fails? */
static int run(const struct command *c, bool *hit)
{
    int kept[3] = {dup(0), dup(1), dup(2)};
    int fds[3] = {open(c->in, O_RDONLY), open(c->out, O_WRONLY | O_CREAT | O_TRUNC, 0600),
                  open("/dev/null", O_WRONLY)};
    long live = fault_live_blocks();
    fflush(stdout);
    for (int i = 0; i < 3; i++)
        dup2(fds[i], i);
    int code = call(c);
    *hit = fault_disarm();
    CHECK_OK(tool_out_end());
    for (int i = 0; i < 3; i++) {
        dup2(kept[i], i);
        close(kept[i]);
        close(fds[i]);
    }
    CHECK(fault_live_blocks() == live);
    return code;
}

static const char *const split_words[] = {"pleiad", "share", "split",     "-k",     "2",
                                          "-n",     "3",     "--out-dir", "shares", NULL};
static const char *const combine_words[] = {
    "pleiad", "share", "combine", "shares/share-3.share", "shares/share-1.share", NULL};

static void check_whole(const char *path, const char *want)
{
    struct pl_wr w = pl_wr_heap(4096);
    CHECK_OK(pl_file_read(&w, path, 4096));
    CHECK_BYTES(pl_wr_span(&w), pl_span_str(want));
    pl_wr_free(&w);
}

TEST(share_split_makes_all_files_or_none)
{
    struct command c = {split_words, "secret", "out", 1};
    enter();
    CHECK_OK(pl_file_write("secret", PL_LIT("a secret"), 0600, PL_FILE_NEW));
    for (bool hit = true; hit && c.k < 500; c.k++) {
        CHECK(run(&c, &hit) == (hit ? TOOL_REFUSED : TOOL_DONE));
        unsigned files = empty("shares");
        if (!CHECK(files == (hit ? 0 : 3)))
            printf("# %u files after call %u failed\n", files, c.k);
        rmdir("shares");
    }
    CHECK(c.k > 40 && c.k < 500);
    leave();
}

TEST(share_combine_gives_the_secret_or_nothing)
{
    struct command split = {split_words, "secret", "out", 0},
                   c = {combine_words, "/dev/null", "out", 1};
    bool hit;
    enter();
    CHECK_OK(pl_file_write("secret", PL_LIT("a secret"), 0600, PL_FILE_NEW));
    CHECK(run(&split, &hit) == TOOL_DONE);
    for (hit = true; hit && c.k < 500; c.k++) {
        CHECK(run(&c, &hit) == (hit ? TOOL_REFUSED : TOOL_DONE));
        check_whole("out", hit ? "" : "a secret");
    }
    CHECK(c.k > 25 && c.k < 500);
    CHECK(empty("shares") == 3 && rmdir("shares") == 0);
    leave();
}

TEST_MAIN()
