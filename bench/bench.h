/* Measuring ours and a peer side by side: each contender in turn, five rounds, the median and the
 * spread. Output is one line a contender, tab separated, which bench/run turns into tables:
 *
 *     target  workload  contender  unit  median  least  most
 */
#ifndef PL_BENCH_BENCH_H
#define PL_BENCH_BENCH_H

#include "base/base.h"

enum { BENCH_ROUNDS = 5, BENCH_ROUND_MS = 100, BENCH_CONTENDERS_MAX = 8 };

struct bench_contender {
    const char *name;        /* "pleiad", "libgfshare" */
    void (*once)(void *arg); /* the work, once */
    void *arg;
};

/* Runs each contender for BENCH_ROUND_MS, one after the other, BENCH_ROUNDS times. bytes: how much
 * one call works on, then the unit is GB/s; 0: the unit is microseconds a call. */
void bench_run(const char *target, const char *workload, size_t bytes,
               const struct bench_contender *contenders, size_t n);

#endif
