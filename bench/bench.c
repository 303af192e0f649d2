#include "bench/bench.h"
#include "platform/platform.h"

#include <stdio.h>
#include <stdlib.h>

/* Nanoseconds a call, over as many calls as fit into a round. */
static double round_ns(const struct bench_contender *c)
{
    int64_t start = pl_clock_mono_ns(), now = start;
    uint64_t calls = 0;
    for (uint64_t batch = 1; now - start < BENCH_ROUND_MS * INT64_C(1000000); batch *= 2) {
        for (uint64_t i = 0; i < batch; i++)
            c->once(c->arg);
        calls += batch;
        now = pl_clock_mono_ns();
    }
    return (double)(now - start) / (double)calls;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void bench_run(const char *target, const char *workload, size_t bytes,
               const struct bench_contender *contenders, size_t n)
{
    double value[BENCH_CONTENDERS_MAX][BENCH_ROUNDS];
    PL_ASSERT(n <= BENCH_CONTENDERS_MAX);
    for (size_t i = 0; i < n; i++)
        contenders[i].once(contenders[i].arg); /* touch code and memory once */
    for (size_t r = 0; r < BENCH_ROUNDS; r++)
        for (size_t i = 0; i < n; i++) {
            double ns = round_ns(&contenders[i]);
            value[i][r] = bytes ? (double)bytes / ns : ns / 1000;
        }
    for (size_t i = 0; i < n; i++) {
        qsort(value[i], BENCH_ROUNDS, sizeof(double), ascending);
        printf("%s\t%s\t%s\t%s\t%.3f\t%.3f\t%.3f\n", target, workload, contenders[i].name,
               bytes ? "GB/s" : "us", value[i][BENCH_ROUNDS / 2], value[i][0],
               value[i][BENCH_ROUNDS - 1]);
    }
}
