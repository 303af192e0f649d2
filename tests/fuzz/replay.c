/* Runs a fuzz target over its seeds without libFuzzer: each seed, prefixes of it, and copies with
 * one byte changed, fewer of them where there are many seeds. Every input ends at a page that
 * cannot be read, so that one byte too many is a crash in every build.
 *
 *     fuzz_NAME FOLDER [seeds]     seeds: nothing but the seeds, for coverage
 */
#include "fuzz.h"

#include <dirent.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { INPUT_MAX = 1 << 20, PREFIXES_MAX = 2048, CHANGES = 256, FEW_SEEDS = 4 };

static uint8_t *guard; /* the page that cannot be read */
static char current[512];
static size_t prefixes = PREFIXES_MAX, changes = CHANGES; /* of each seed */

/* The handler is reset by then: the signal comes again and ends the process as it would have. */
static void crashed(int sig)
{
    static const char what[] = " crashed the target\n";
    if (write(STDOUT_FILENO, "# ", 2) < 0 || write(STDOUT_FILENO, current, strlen(current)) < 0 ||
        write(STDOUT_FILENO, what, sizeof(what) - 1) < 0)
        _exit(3);
    raise(sig);
}

static void run(const uint8_t *p, size_t n)
{
    memmove(guard - n, p, n);
    LLVMFuzzerTestOneInput(guard - n, n);
}

static uint64_t next(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

static void run_seed(const char *name, const uint8_t *p, size_t n)
{
    static uint8_t copy[INPUT_MAX];
    uint64_t state = n;
    snprintf(current, sizeof(current), "%s", name);
    run(p, n);
    for (size_t i = 0; i < n && i < prefixes; i++) {
        snprintf(current, sizeof(current), "%s, its first %zu bytes,", name, i);
        run(p, i);
    }
    for (size_t i = 0; n > 0 && i < changes; i++) {
        size_t at = next(&state) % n;
        /* half of the changes are to another byte of the seed: those reach further */
        uint8_t to = i % 2 ? p[next(&state) % n] : (uint8_t)next(&state);
        snprintf(current, sizeof(current), "%s, byte %zu made 0x%02x,", name, at, to);
        memcpy(copy, p, n);
        copy[at] = to;
        run(copy, n);
    }
}

/* False when the file cannot be read whole. */
static bool replay(const char *dir, const char *name)
{
    static uint8_t input[INPUT_MAX];
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *f = fopen(path, "rb");
    if (!f)
        return false;
    size_t n = fread(input, 1, sizeof(input), f);
    bool whole = feof(f) && !ferror(f);
    fclose(f);
    if (whole)
        run_seed(name, input, n);
    return whole;
}

/* So that a folder of many seeds takes no longer than one of FEW_SEEDS. */
static void share_out(const char *dir)
{
    unsigned n = 0;
    DIR *d = opendir(dir);
    while (d && readdir(d))
        n++;
    if (d)
        closedir(d);
    if (n > FEW_SEEDS) {
        prefixes = prefixes * FEW_SEEDS / n;
        changes = changes * FEW_SEEDS / n;
    }
}

int main(int argc, char **argv)
{
    unsigned seeds = 0, unread = 0;
    uint8_t *map =
        mmap(NULL, INPUT_MAX + 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    bool only_seeds = argc == 3 && strcmp(argv[2], "seeds") == 0;
    if (argc != 2 + only_seeds || map == MAP_FAILED ||
        mprotect(map + INPUT_MAX, 65536, PROT_NONE) != 0)
        return 2;
    guard = map + INPUT_MAX;
    share_out(argv[1]);
    if (only_seeds)
        prefixes = changes = 0;
    struct sigaction act = {.sa_handler = crashed, .sa_flags = (int)SA_RESETHAND};
    sigaction(SIGSEGV, &act, NULL);
    sigaction(SIGABRT, &act, NULL);
    DIR *d = opendir(argv[1]);
    for (struct dirent *e; d && (e = readdir(d));)
        if (e->d_name[0] != '.') {
            seeds++;
            unread += !replay(argv[1], e->d_name);
        }
    if (d)
        closedir(d);
    printf("1..1\n%s 1 - %u seeds, %u unread\n", seeds && !unread ? "ok" : "not ok", seeds, unread);
    return seeds && !unread ? 0 : 1;
}
