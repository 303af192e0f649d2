#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct test_case *first, **last = &first;
static unsigned checks, failures;
static const char *skip_reason;

void test_add(struct test_case *t)
{
    *last = t;
    last = &t->next;
}

bool test_check(bool ok, const char *what, const char *file, int line)
{
    checks++;
    if (!ok) {
        failures++;
        printf("# %s:%d: not true: %s\n", file, line, what);
    }
    return ok;
}

bool test_err(pl_err got, enum pl_code want, const char *what, const char *file, int line)
{
    checks++;
    if (pl_err_code(got) == want)
        return true;
    failures++;
    printf("# %s:%d: %s: %s, expected %s (raised at %s:%d)\n", file, line, what,
           pl_code_name(pl_err_code(got)), pl_code_name(want), got ? got->file : "",
           got ? got->line : 0);
    return false;
}

static void print_hex(const char *label, struct pl_span s)
{
    printf("#   %s (%zu bytes) ", label, s.n);
    for (size_t i = 0; i < s.n && i < 64; i++)
        printf("%02x", s.p[i]);
    printf("%s\n", s.n > 64 ? "..." : "");
}

bool test_bytes(struct pl_span got, struct pl_span want, const char *what, const char *file,
                int line)
{
    checks++;
    if (pl_span_eq(got, want))
        return true;
    failures++;
    printf("# %s:%d: %s:\n", file, line, what);
    print_hex("got ", got);
    print_hex("want", want);
    return false;
}

void test_skip(const char *why)
{
    checks++;
    skip_reason = why;
}

bool test_skipped(void) { return skip_reason != NULL; }

const char *test_shared(const char *path)
{
    static char out[4096];
    const char *root = getenv("PL_SHARED");
    snprintf(out, sizeof(out), "%s/%s", root ? root : PL_SOURCE_ROOT "/../shared", path);
    FILE *f = fopen(out, "r");
    if (!f)
        return NULL;
    fclose(f);
    return out;
}

struct pl_span test_file(const char *path)
{
    FILE *f = path ? fopen(path, "rb") : NULL;
    uint8_t *p = f ? malloc(1 << 24) : NULL;
    size_t n = p ? fread(p, 1, 1 << 24, f) : 0;
    if (f)
        fclose(f);
    uint8_t *exact = p ? malloc(n ? n : 1) : NULL; /* the exact size, so that ASan sees overreads */
    if (exact)
        memcpy(exact, p, n);
    free(p);
    return pl_span(exact, n);
}

struct pl_span test_hex(const char *hex)
{
    static uint8_t ring[16][4096];
    static unsigned at;
    uint8_t *out = ring[at++ % 16];
    size_t n = strlen(hex) / 2;
    if (n > sizeof(ring[0]) || pl_unhex(out, n, pl_span_str(hex)) != PL_OK)
        test_check(false, "hex text in the test itself", "test.c", __LINE__);
    return pl_span(out, n);
}

void test_fill(uint8_t *out, size_t n, uint64_t seed)
{
    for (size_t i = 0; i < n; i++) { /* splitmix64 */
        uint64_t z = seed += 0x9e3779b97f4a7c15;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
        z = (z ^ z >> 27) * 0x94d049bb133111eb;
        out[i] = (uint8_t)(z ^ z >> 31);
    }
}

static bool run(const struct test_case *t, unsigned number)
{
    checks = failures = 0;
    skip_reason = NULL;
    t->run();
    if (checks == 0)
        printf("# %s made no check\n", t->name);
    bool ok = failures == 0 && checks > 0;
    printf("%s %u - %s", ok ? "ok" : "not ok", number, t->name);
    if (skip_reason)
        printf(" # SKIP %s", skip_reason);
    printf("\n");
    fflush(stdout);
    return ok;
}

int test_main(int argc, char **argv)
{
    unsigned n = 0, failed = 0;
    const char *only = argc > 1 ? argv[1] : NULL;
    for (const struct test_case *t = first; t; t = t->next)
        if (!only || strstr(t->name, only))
            failed += !run(t, ++n);
    printf("1..%u\n", n);
    return failed || n == 0;
}
