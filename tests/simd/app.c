/* An app on simulated hardware for the tests of pleiad-simd. Its arguments are acts, done in turn,
 * each answer on standard output; acts before `open` happen before it is measured. */
#include "platform/platform.h"
#include "platform/tee/tee.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* A test changes one byte of this in a copy of the program. */
const char *volatile app_marker = "pleiad-test-marker-A";

static struct pl_tee_device *tee;

static void print_hex(struct pl_span s)
{
    for (size_t i = 0; i < s.n; i++)
        printf("%02x", s.p[i]);
    printf("\n");
}

/* Evidence over 64 times the byte 0x5a, into a file. */
static pl_err evidence(const char *path)
{
    uint8_t rd[PL_TEE_REPORT_DATA_BYTES];
    struct pl_wr w PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_TEE_EVIDENCE_MAX);
    memset(rd, 0x5a, sizeof(rd));
    PL_TRY(pl_tee_evidence(tee, &w, rd, 30000));
    return pl_file_write(path, pl_wr_span(&w), 0644, PL_FILE_REPLACE);
}

static pl_err seal(const char *label)
{
    uint8_t key[PL_TEE_SEAL_KEY_BYTES];
    PL_TRY(pl_tee_seal_key(tee, key, pl_span_str(label)));
    print_hex(PL_ARR(key));
    return PL_OK;
}

static pl_err file(const char *name)
{
    struct pl_tee_files f;
    PL_TRY(pl_tee_measured(tee, &f));
    struct pl_span s = pl_tee_file(&f, name);
    bool found = s.p && fwrite(s.p, 1, s.n, stdout) == s.n;
    pl_tee_files_free(&f);
    return found ? PL_OK : PL_FAIL(FILE_MISSING);
}

static pl_err collateral(const char *dir)
{
    struct pl_tee_files f;
    char path[1024];
    PL_TRY(pl_tee_collateral(tee, &f));
    pl_err e = PL_OK;
    for (size_t i = 0; i < f.n && e == PL_OK; i++) {
        snprintf(path, sizeof(path), "%s/%s", dir, f.file[i].name);
        e = pl_file_write(path, f.file[i].bytes, 0644, PL_FILE_REPLACE);
    }
    pl_tee_files_free(&f);
    return e;
}

/* What a careless program would do: its child asks on the connection of its parent. */
static pl_err child(const char *label)
{
    int status = -1;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0)
        _exit(seal(label) == PL_OK ? 0 : 1);
    PL_REQUIRE(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0, TEE_REFUSED);
    return PL_OK;
}

/* The path becomes another file of the same content. */
static pl_err replace(const char *path)
{
    struct pl_wr b PL_CLEANUP(pl_wr_free) = pl_wr_heap(64 << 20);
    PL_TRY(pl_file_read(&b, path, 64 << 20));
    return pl_file_write(path, pl_wr_span(&b), 0755, PL_FILE_REPLACE);
}

static pl_err dumpable(const char *want)
{
    return prctl(PR_GET_DUMPABLE, 0UL, 0UL, 0UL, 0UL) == (*want == '1') ? PL_OK : PL_FAIL(HARDEN);
}

static pl_err open_tee(const char *name)
{
    PL_TRY(pl_tee_open(&tee, name));
    printf("%s %llu %d\n", pl_tee_self(tee)->tee, (unsigned long long)pl_tee_self(tee)->svn,
           pl_tee_self(tee)->debug);
    print_hex(pl_span(pl_tee_self(tee)->measurement[0].bytes, 32));
    return PL_OK;
}

static pl_err act(const char *what, const char *with)
{
    static const struct {
        const char *name;
        pl_err (*act)(const char *with);
    } acts[] = {{"open", open_tee},   {"evidence", evidence},     {"seal", seal},
                {"file", file},       {"collateral", collateral}, {"child", child},
                {"replace", replace}, {"dumpable", dumpable}};
    for (size_t i = 0; i < sizeof(acts) / sizeof(*acts); i++)
        if (strcmp(acts[i].name, what) == 0)
            return acts[i].act(with);
    if (strcmp(what, "unlink") == 0)
        return unlink(with) == 0 ? PL_OK : PL_FAIL(FILE_IO);
    return PL_FAIL(BUG);
}

int main(int argc, char **argv)
{
    pl_err e = app_marker[0] == 'p' ? PL_OK : PL_FAIL(BUG);
    for (int i = 1; i + 1 < argc && e == PL_OK; i += 2)
        e = act(argv[i], argv[i + 1]);
    if (e != PL_OK)
        fprintf(stderr, "app: %s\n", pl_code_name(pl_err_code(e)));
    pl_tee_close(tee);
    return e != PL_OK;
}
