/* A small test runner: TAP on standard output, one line a test, and the line of each failed check.
 *
 *     TEST(hex_round_trip) { CHECK(...); CHECK_ERR(pl_unhex(...), ENCODING); }
 *     TEST_MAIN()
 *
 * A test that made no check fails: a test that asserts nothing is worse than nothing.
 */
#ifndef PL_TESTS_TEST_H
#define PL_TESTS_TEST_H

#include "base/base.h"

struct test_case {
    const char *name;
    void (*run)(void);
    struct test_case *next;
};

void test_add(struct test_case *t);
int test_main(int argc, char **argv); /* argv[1]: run only tests whose name contains it */
bool test_check(bool ok, const char *what, const char *file, int line);
bool test_err(pl_err got, enum pl_code want, const char *what, const char *file, int line);
bool test_bytes(struct pl_span got, struct pl_span want, const char *what, const char *file,
                int line);
/* Ends the current test as skipped, with the reason printed. Only for missing ../shared/vectors. */
void test_skip(const char *why);
bool test_skipped(void);
/* "$PL_SHARED" or "<source>/../shared", + "/" + path; NULL when it does not exist. */
const char *test_shared(const char *path);
/* A whole file, from malloc; .p NULL when it cannot be read. */
struct pl_span test_file(const char *path);
/* Bytes from hex text, in a static ring of 16 buffers of 4 KiB. */
struct pl_span test_hex(const char *hex);
/* Deterministic bytes (not random: a seed gives the same stream everywhere). */
void test_fill(uint8_t *out, size_t n, uint64_t seed);

#define TEST(name_)                                                                                \
    static void t_##name_(void);                                                                   \
    static struct test_case case_##name_ = {#name_, t_##name_, NULL};                              \
    __attribute__((constructor)) static void add_##name_(void) { test_add(&case_##name_); }        \
    static void t_##name_(void)

#define CHECK(cond)            test_check((cond), #cond, __FILE_NAME__, __LINE__)
#define CHECK_OK(expr)         test_err((expr), PL_E_OK, #expr, __FILE_NAME__, __LINE__)
#define CHECK_ERR(expr, c)     test_err((expr), PL_E_##c, #expr, __FILE_NAME__, __LINE__)
#define CHECK_BYTES(got, want) test_bytes((got), (want), #got, __FILE_NAME__, __LINE__)
/* For checks that everything after depends on. */
#define NEED(check)                                                                                \
    do {                                                                                           \
        if (!(check))                                                                              \
            return;                                                                                \
    } while (0)

#define TEST_MAIN()                                                                                \
    int main(int argc, char **argv) { return test_main(argc, argv); }

#endif
