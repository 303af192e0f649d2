/* A split's journal, as found after a crash: any bytes, torn anywhere. What is read and written
 * again reads as the same. The file is the input: the linker sends pl_file_read here. */
#include "fuzz.h"

#include "client/split.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static struct pl_span file;

pl_err __wrap_pl_file_read(struct pl_wr *out, const char *path, size_t max_bytes);
pl_err __wrap_pl_file_read(struct pl_wr *out, const char *path, size_t max_bytes)
{
    (void)path;
    PL_REQUIRE(file.n <= max_bytes, FILE_SIZE);
    pl_wr_bytes(out, file);
    return pl_wr_end(out);
}

static void check_again(const struct pl_journal *j)
{
    static uint8_t bytes[1 << 16];
    struct pl_journal w = {.fd = memfd_create("journal", MFD_CLOEXEC)}, again;
    FUZZ_CHECK(w.fd >= 0);
    for (size_t i = 0; i < j->n; i++) {
        FUZZ_CHECK(pl_journal_target(&w, &j->vault[i].place) == PL_OK);
        if (j->vault[i].prepared)
            FUZZ_CHECK(pl_journal_prepared(&w, j->vault[i].place.vault_id, j->vault[i].handle) ==
                       PL_OK);
    }
    ssize_t n = pread(w.fd, bytes, sizeof(bytes), 0);
    FUZZ_CHECK(n >= 0 && (size_t)n < sizeof(bytes));
    pl_journal_close(&w);
    file = pl_span(bytes, (size_t)n);
    FUZZ_CHECK(pl_journal_read(&again, "") == PL_OK && again.n == j->n);
    for (size_t i = 0; i < j->n; i++) {
        FUZZ_CHECK(strcmp(again.vault[i].place.endpoint, j->vault[i].place.endpoint) == 0);
        FUZZ_CHECK(again.vault[i].prepared == j->vault[i].prepared);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct pl_journal j;
    file = pl_span(data, size);
    if (pl_journal_read(&j, "") != PL_OK)
        return 0;
    FUZZ_CHECK(j.n <= PL_VAULTS_MAX && j.fd == -1);
    check_again(&j);
    return 0;
}
