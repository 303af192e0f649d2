/* Simulated hardware: run a program as an app on a simulated machine, or say what it would measure
 * as. The protocol is platform/sim/sim.h. */
#include "tools/tool.h"
#include "crypto/crypto.h"
#include "platform/platform.h"
#include "platform/sim/sim.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FILES_MAX = 64, PATH_BYTES = 4096, LIST_MAX = 256 * 1024, PROGRAM_MAX = 256 << 20 };

extern char **environ;

/* What will be registered, with the memory behind it. */
struct input {
    struct pl_sim_image image;
    struct pl_wr bytes[PL_TEE_MEASURED_MAX];
};

static void free_input(struct input *in)
{
    for (size_t i = 0; i < PL_TEE_MEASURED_MAX; i++)
        pl_wr_free(&in->bytes[i]);
}

/* The image must read back as simd will read it: names that it refuses are refused here. */
static pl_err check_image(const struct pl_sim_image *image)
{
    struct pl_sim_image back;
    struct pl_wr w PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_SIM_REQUEST_MAX);
    pl_sim_image_write(&w, image);
    PL_TRY(pl_wr_end(&w));
    return pl_sim_image_read(&back, pl_wr_span(&w)) == PL_OK ? PL_OK : PL_FAIL(LAUNCH_NAME);
}

static pl_err copy_name(char *out, size_t cap, const char *text)
{
    size_t n = strlen(text);
    PL_REQUIRE(n > 0 && n < cap, LAUNCH_NAME);
    memcpy(out, text, n + 1);
    return PL_OK;
}

static pl_err add_file(struct input *in, const char *path)
{
    const char *slash = strrchr(path, '/');
    size_t i = in->image.files;
    PL_REQUIRE(i < PL_TEE_MEASURED_MAX, LAUNCH_FILES);
    PL_TRY(copy_name(in->image.file[i].name, sizeof(in->image.file[i].name),
                     slash ? slash + 1 : path));
    in->bytes[i] = pl_wr_heap(PL_SIM_FILE_MAX);
    PL_TRY(pl_file_read(&in->bytes[i], path, PL_SIM_FILE_MAX));
    in->image.file[i].bytes = pl_wr_span(&in->bytes[i]);
    in->image.files++;
    return PL_OK;
}

/* The image from the options; 0, or the exit code of what was reported. */
static int gather(struct tool *t, struct input *in)
{
    const char *path;
    in->image.prod_id = (uint16_t)tool_number(t, "prod-id", 0);
    in->image.svn = (uint16_t)tool_number(t, "svn", 1);
    pl_err e = copy_name(in->image.name, sizeof(in->image.name), tool_text(t, "as"));
    if (e != PL_OK)
        return tool_fail(t, tool_text(t, "as"), e);
    for (unsigned i = 0; (path = tool_nth(t, "measured", i)); i++) {
        e = add_file(in, path);
        if (e != PL_OK)
            return tool_fail(t, path, e);
    }
    e = check_image(&in->image);
    return e == PL_OK ? 0 : tool_fail(t, tool_text(t, "as"), e);
}

/* --- run --- */

static pl_err register_with(int *out_fd, const char *socket_path, const struct pl_sim_image *image)
{
    bool owed;
    uint8_t none[1];
    struct pl_wr answer = pl_wr_fixed(none, sizeof(none));
    struct pl_wr w PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_SIM_REQUEST_MAX);
    pl_sim_image_write(&w, image);
    PL_TRY(pl_wr_end(&w));
    PL_TRY(pl_sim_connect(out_fd, socket_path));
    return pl_sim_call(*out_fd, PL_SIM_REGISTER, pl_wr_span(&w), &answer, PL_SIM_ANSWER_MS, &owed);
}

/* The apps' machine of the constellation in PLEIAD_HOME or here. */
static bool home_machine(char out[static PATH_BYTES])
{
    const char *home = getenv("PLEIAD_HOME");
    int n = snprintf(out, PATH_BYTES, "%s/machine-0/simd.sock", home && *home ? home : "./.pleiad");
    return n > 0 && n < PATH_BYTES && access(out, F_OK) == 0;
}

static int run(struct tool *t)
{
    char home[PATH_BYTES];
    struct input in PL_CLEANUP(free_input) = {0};
    char number[16];
    int fd = -1, code = gather(t, &in);
    if (code)
        return code;
    const char *socket_path = tool_text(t, "socket");
    if (!socket_path)
        socket_path = getenv("PLEIAD_SIM_SOCKET");
    if (!socket_path && home_machine(home))
        socket_path = home;
    if (!socket_path)
        return tool_usage(t, "which machine? pleiad dev up, --socket, or PLEIAD_SIM_SOCKET");
    pl_err e = register_with(&fd, socket_path, &in.image);
    if (e != PL_OK)
        return tool_fail(t, socket_path, e);
    snprintf(number, sizeof(number), "%d", fd);
    if (fcntl(fd, F_SETFD, 0) != 0 || setenv(PL_SIM_FD_ENV, number, 1) != 0)
        return tool_fail(t, socket_path, PL_FAIL(TEE_DEVICE));
    execvp(t->args[0], t->args);
    return tool_fail(t, t->args[0], PL_FAIL(LAUNCH_PROGRAM));
}

/* --- measure --- */

struct program {
    struct pl_crypto *c;
    size_t n;
    uint8_t digest[FILES_MAX][PL_SHA256_BYTES];
    struct {
        dev_t dev;
        ino_t ino;
    } seen[FILES_MAX];
};

static void free_program(struct program *p) { pl_crypto_free(p->c); }

static pl_err count(struct program *p, const char *path)
{
    struct stat st;
    PL_REQUIRE(stat(path, &st) == 0 && S_ISREG(st.st_mode), LAUNCH_PROGRAM);
    for (size_t i = 0; i < p->n; i++)
        if (p->seen[i].dev == st.st_dev && p->seen[i].ino == st.st_ino)
            return PL_OK;
    PL_REQUIRE(p->n < FILES_MAX, LAUNCH_PROGRAM);
    struct pl_wr b PL_CLEANUP(pl_wr_free) = pl_wr_heap(PROGRAM_MAX);
    PL_TRY(pl_file_read(&b, path, PROGRAM_MAX));
    PL_TRY(pl_sha256_one(p->c, p->digest[p->n], pl_wr_span(&b)));
    p->seen[p->n].dev = st.st_dev;
    p->seen[p->n].ino = st.st_ino;
    p->n++;
    return PL_OK;
}

/* Where execvp would find it. */
static pl_err find(char out[static PATH_BYTES], const char *name)
{
    const char *dirs = getenv("PATH");
    if (strchr(name, '/') || !dirs) {
        int n = snprintf(out, PATH_BYTES, "%s", name);
        PL_REQUIRE(n > 0 && n < PATH_BYTES && access(out, X_OK) == 0, LAUNCH_PROGRAM);
        return PL_OK;
    }
    while (*dirs) {
        size_t n = strcspn(dirs, ":");
        int made = snprintf(out, PATH_BYTES, "%.*s/%s", (int)n, n ? dirs : ".", name);
        if (made > 0 && made < PATH_BYTES && access(out, X_OK) == 0)
            return PL_OK;
        dirs += n + (dirs[n] == ':');
    }
    return PL_FAIL(LAUNCH_PROGRAM);
}

/* The dynamic loader that the program names, "" when it is linked statically. */
static pl_err loader(char out[static PATH_BYTES], const char *path)
{
    Elf64_Ehdr head;
    Elf64_Phdr part;
    *out = '\0';
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    PL_REQUIRE(fd >= 0, LAUNCH_PROGRAM);
    bool ok = pread(fd, &head, sizeof(head), 0) == sizeof(head) &&
              memcmp(head.e_ident, ELFMAG, SELFMAG) == 0 && head.e_ident[EI_CLASS] == ELFCLASS64 &&
              head.e_phentsize == sizeof(part);
    for (unsigned i = 0; ok && i < head.e_phnum; i++) {
        ok = pread(fd, &part, sizeof(part), (off_t)(head.e_phoff + i * sizeof(part))) ==
             sizeof(part);
        if (ok && part.p_type == PT_INTERP) {
            ok = part.p_filesz > 1 && part.p_filesz < PATH_BYTES &&
                 pread(fd, out, part.p_filesz, (off_t)part.p_offset) == (ssize_t)part.p_filesz &&
                 out[part.p_filesz - 1] == '\0';
            break;
        }
    }
    close(fd);
    PL_REQUIRE(ok, LAUNCH_PROGRAM);
    return PL_OK;
}

/* What `loader --list program` prints: it maps the libraries as for a start, and runs nothing. */
static pl_err list(struct pl_wr *out, const char *interpreter, const char *path)
{
    char *argv[] = {strdup(interpreter), strdup("--list"), strdup(path), NULL};
    posix_spawn_file_actions_t acts;
    int ends[2] = {-1, -1}, status = -1;
    pid_t pid = -1;
    size_t n = 0;
    pl_err e = PL_FAIL(LAUNCH_PROGRAM);
    uint8_t *room = pl_wr_take(out, LIST_MAX);
    if (pipe2(ends, O_CLOEXEC) == 0 && posix_spawn_file_actions_init(&acts) == 0) {
        if (room && posix_spawn_file_actions_adddup2(&acts, ends[1], 1) == 0 &&
            posix_spawn(&pid, interpreter, &acts, NULL, argv, environ) == 0) {
            close(ends[1]);
            ends[1] = -1;
            e = pl_fd_read(ends[0], room, LIST_MAX, &n);
            if (waitpid(pid, &status, 0) != pid || status != 0)
                e = PL_FAIL(LAUNCH_PROGRAM);
        }
        posix_spawn_file_actions_destroy(&acts);
    }
    out->n = n;
    for (size_t i = 0; i < 2; i++)
        if (ends[i] >= 0)
            close(ends[i]);
    for (size_t i = 0; i < 3; i++)
        free(argv[i]);
    return e;
}

/* Lines are "name => /path (0x...)" or "/path (0x...)"; the kernel's page has no path. */
static pl_err count_libraries(struct program *p, struct pl_span text)
{
    char path[PATH_BYTES];
    while (text.n) {
        const uint8_t *end = memchr(text.p, '\n', text.n);
        size_t n = end ? (size_t)(end - text.p) : text.n;
        const uint8_t *slash = memchr(text.p, '/', n);
        if (slash) {
            const uint8_t *arrow = memmem(text.p, n, "=> ", 3);
            const uint8_t *from = arrow ? arrow + 3 : slash;
            size_t left = n - (size_t)(from - text.p);
            const uint8_t *tail = memmem(from, left, " (0x", 4);
            size_t len = tail ? (size_t)(tail - from) : 0;
            PL_REQUIRE(len > 0 && len < sizeof(path) && *from == '/', LAUNCH_PROGRAM);
            memcpy(path, from, len);
            path[len] = '\0';
            PL_TRY(count(p, path));
        }
        text = pl_span(text.p + n, text.n - n);
        if (text.n)
            text = pl_span(text.p + 1, text.n - 1);
    }
    return PL_OK;
}

static pl_err count_all(struct program *p, const char *name)
{
    char path[PATH_BYTES], interpreter[PATH_BYTES];
    struct pl_wr text PL_CLEANUP(pl_wr_free) = pl_wr_heap(LIST_MAX);
    PL_TRY(pl_crypto_new(&p->c));
    PL_TRY(find(path, name));
    PL_TRY(loader(interpreter, path));
    PL_TRY(count(p, path));
    if (!*interpreter)
        return PL_OK;
    PL_TRY(list(&text, interpreter, path));
    return count_libraries(p, pl_wr_span(&text));
}

/* A profile as a policy has it (30-policy). */
static pl_err profile(struct pl_wr *w, const struct input *in, const uint8_t mrenclave[static 32])
{
    struct pl_jw j = pl_jw(w);
    pl_jw_open(&j, '{');
    pl_jw_key(&j, "tee");
    pl_jw_text(&j, "sim-sgx");
    pl_jw_key(&j, "measurements");
    pl_jw_open(&j, '{');
    pl_jw_key(&j, "mrenclave");
    pl_jw_open(&j, '[');
    pl_jw_hex(&j, pl_span(mrenclave, 32));
    pl_jw_close(&j, ']');
    pl_jw_close(&j, '}');
    pl_jw_key(&j, "min_svn");
    pl_jw_u64(&j, in->image.svn);
    pl_jw_key(&j, "tcb");
    pl_jw_open(&j, '[');
    pl_jw_text(&j, "UpToDate");
    pl_jw_text(&j, "SWHardeningNeeded");
    pl_jw_close(&j, ']');
    pl_jw_key(&j, "platforms");
    pl_jw_text(&j, "any");
    pl_jw_close(&j, '}');
    return pl_wr_end(w);
}

static int measure(struct tool *t)
{
    struct input in PL_CLEANUP(free_input) = {0};
    struct program p PL_CLEANUP(free_program) = {0};
    struct pl_wr w PL_CLEANUP(pl_wr_free) = pl_wr_heap(4096);
    uint8_t mrenclave[PL_SHA256_BYTES];
    int code = gather(t, &in);
    if (code)
        return code;
    pl_err e = count_all(&p, t->args[0]);
    if (e == PL_OK)
        e = pl_sim_mrenclave(p.c, mrenclave, p.digest, p.n, &in.image);
    if (e == PL_OK)
        e = profile(&w, &in, mrenclave);
    if (e == PL_OK)
        e = tool_json(t, pl_wr_span(&w));
    return e == PL_OK ? TOOL_DONE : tool_fail(t, t->args[0], e);
}

#define IMAGE_OPTS                                                                                 \
    {.name = "as",                                                                                 \
     .arg = TOOL_TEXT,                                                                             \
     .meta = "NAME",                                                                               \
     .required = true,                                                                             \
     .help = "name of the app, a part of its measurement"},                                        \
        {.name = "tee",                                                                            \
         .arg = TOOL_CHOICE,                                                                       \
         .meta = "TEE",                                                                            \
         .choices = "sgx",                                                                         \
         .help = "which TEE to simulate; default: sgx"},                                           \
        {.name = "measured",                                                                       \
         .arg = TOOL_FILE,                                                                         \
         .meta = "FILE",                                                                           \
         .repeats = true,                                                                          \
         .help = "measured input: its name and bytes are part of the measurement"},                \
        {.name = "prod-id",                                                                        \
         .arg = TOOL_NUMBER,                                                                       \
         .meta = "N",                                                                              \
         .max = 65535,                                                                             \
         .help = "product id in the evidence; default: 0"},                                        \
    {                                                                                              \
        .name = "svn", .arg = TOOL_NUMBER, .meta = "N", .max = 65535,                              \
        .help = "security version in the evidence; default: 1"                                     \
    }

static const struct tool_opt run_opts[] = {
    IMAGE_OPTS,
    {.name = "socket",
     .arg = TOOL_FILE,
     .meta = "PATH",
     .help = "the machine's socket (default: PLEIAD_SIM_SOCKET, or that of `pleiad dev up`)"},
    {0},
};
static const struct tool_opt measure_opts[] = {IMAGE_OPTS, {0}};

const struct tool_cmd tool_sim[] = {
    {.verb = "run",
     .summary = "run a program as an app on a simulated machine",
     .args = "-- CMD...",
     .min_args = 1,
     .max_args = 4096,
     .opts = run_opts,
     .example = "pleiad sim run --as billing --measured anchor.json -- ./billing",
     .run = run},
    {.verb = "measure",
     .summary = "print the profile that a program would have there",
     .args = "-- CMD...",
     .min_args = 1,
     .max_args = 4096,
     .opts = measure_opts,
     .example = "pleiad sim measure --as billing --measured anchor.json -- ./billing",
     .run = measure},
    {0},
};
