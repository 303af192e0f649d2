/* Runs the simulation: PL_SIM="first count" chooses seeds, else the sample of the check tier. */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>

enum { STEPS = 500, SAMPLE = 40 };

/* Time passes: mostly little; at times much, rather while a request has been verified and not yet
 * decided: whoever runs the machine chooses when its threads run. */
static void tick(struct sim_node *n, struct sim_random *r)
{
    bool between = false;
    for (size_t i = 0; i < SIM_TURNS; i++)
        between |= n->turn[i].stage == STAGE_PREPARED;
    uint32_t big = sim_below(r, between ? 12 : 60);
    n->w.now_s += big == 0 ? 4000 : big == 1 ? 8 * 86400 : sim_below(r, 120);
    node_lapse(n);
}

/* What happens next, one time in so many. */
static const struct {
    uint32_t weight;
    void (*act)(struct sim_node *n);
} acts[] = {
    {45, node_advance}, {20, node_write}, {20, node_written},
    {2, node_snapshot}, {2, node_crash},  {1, node_write_fails},
};

static void act(struct sim_node *n, struct sim_random *r)
{
    uint32_t all = 0, at;
    for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++)
        all += acts[i].weight;
    at = sim_below(r, all);
    for (size_t i = 0;; at -= acts[i++].weight)
        if (at < acts[i].weight) {
            acts[i].act(n);
            return;
        }
}

static void run(uint64_t seed, struct sim_node *total)
{
    static struct sim_node n;
    struct sim_random r = {seed * 2654435761u + 1};
    size_t job;
    node_open(&n, &r, (uint8_t)seed);
    for (n.step = 1; n.step <= STEPS; n.step++) {
        if (sim_below(&r, 3) == 0 && model_choose(&n, &job))
            (void)node_send(&n, job);
        if (sim_below(&r, 8) == 0)
            tick(&n, &r);
        act(&n, &r);
    }
    node_settle(&n);
    node_crash(&n);
    model_settled(&n);
    total->crashes += n.crashes;
    total->answers += n.answers;
    node_close(&n);
}

TEST(whatever_happens_the_vaults_answers_stay_true)
{
    static struct sim_node total;
    unsigned long first = 1, count = SAMPLE;
    const char *range = getenv("PL_SIM");
    if (range)
        CHECK(sscanf(range, "%lu %lu", &first, &count) == 2);
    for (unsigned long seed = first; seed < first + count; seed++) {
        run(seed, &total);
        if (seed % 100 == 0)
            printf("# seed %lu done\n", seed);
    }
    printf("# %lu seeds: %llu answers, %llu power cuts\n", count, (unsigned long long)total.answers,
           (unsigned long long)total.crashes);
    CHECK(total.answers > 50 * count && total.crashes > 3 * count);
}

TEST_MAIN()
