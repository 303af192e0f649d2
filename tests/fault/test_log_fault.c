/* The store on a disk that fails at the k-th call, for every k and every way to fail. Whatever
 * happens: no acknowledged entry is lost, no entry is shown that is not whole, no key and nonce
 * seals two contents, no vault is taken for a first start, and the next start without a fault
 * works. */
#include "test.h"
#include "fault/memdisk.h"
#include "fault/toy.h"

#include <stdio.h>
#include <stdlib.h>

static struct toy toy;

/* The scripted workload: two runs of a vault's life, with full frames, full segments, snapshots
 * and a third, empty run. Goes as far as it gets; returns whether it got to the end. */
static bool work(struct toy *t)
{
    struct pl_store_place place;
    for (int run = 0; run < 2; run++) {
        if (toy_up(t, &place) != PL_OK)
            return false;
        for (size_t i = 0; i < 4; i++) {
            toy_append(t, 100 + 2000 * i);
            toy_append(t, 3);
            toy_turn(t);
        }
        toy_append(t, 12000);
        if (toy_snapshot(t) != PL_OK && pl_store_state(t->store) == PL_STORE_LOCKED) {
            toy_down(t);
            return false;
        }
        toy_append(t, 1);
        toy_append(t, 9000);
        toy_turn(t);
        pl_store_turn(t->store); /* nothing to do */
        toy_down(t);
    }
    return true;
}

/* After the fault: the vault starts, shows what it must, takes more, and shows that too. */
static const char *recover(struct toy *t, struct md_disk *d, bool power, enum md_loss loss)
{
    struct pl_store_place place;
    toy_down(t);
    md_restart(d, power, loss, t->next_seed);
    for (int i = 0; i < 2; i++) {
        pl_err e = toy_up(t, &place);
        if (e != PL_OK) {
            printf("# %s:%d %s in %s at %lu\n", e->file, e->line, pl_code_name(pl_err_code(e)),
                   place.file, (unsigned long)place.offset);
            return "does not start again";
        }
        size_t before = t->acked;
        toy_append(t, 700);
        toy_turn(t);
        if (t->acked != before + 1)
            return "does not take entries again";
        toy_down(t);
        md_restart(d, true, MD_LOSE_ALL, 1); /* and all of that was durable */
    }
    size_t n;
    const char *name;
    for (unsigned i = 0; (name = md_name(d, i)); i++) {
        const uint8_t *p = md_file(d, name, &n);
        toy_look(t, p, n);
    }
    return t->broken;
}

struct outcome {
    unsigned sectors; /* of the write that was hit */
    bool reached;     /* the workload made as many calls */
};

static struct outcome one(struct md_plan plan, int direct, bool power, enum md_loss loss)
{
    struct md_disk *d = md_new(direct);
    toy_init(&toy, md_io(d), "/vault");
    md_watch(d, toy_look, &toy);
    md_plan(d, plan);
    work(&toy);
    struct outcome out = {md_hit_sectors(d), md_calls(d) > plan.from};
    const char *broken = recover(&toy, d, power, loss);
    if (!test_check(broken == NULL, broken ? broken : "", __FILE_NAME__, __LINE__))
        printf("# fault %d at call %lu for %lu, part %d of sector %u, %s, power %d loss %d\n",
               (int)plan.fault, (unsigned long)plan.from, (unsigned long)plan.calls, (int)plan.part,
               plan.cut, direct == 1 ? "direct" : "cached", power, (int)loss);
    md_free(d);
    return out;
}

/* Every k, until the workload makes fewer calls than that. */
static void every_call(enum md_fault fault, uint64_t calls, bool power, enum md_loss loss)
{
    for (int direct = 0; direct < 3; direct++) {
        uint64_t k = 0;
        while (one((struct md_plan){.fault = fault, .from = k, .calls = calls}, direct, power, loss)
                   .reached)
            k++;
        CHECK(k > 60);
    }
}

TEST(no_fault)
{
    struct md_disk *d = md_new(1);
    toy_init(&toy, md_io(d), "/vault");
    md_watch(d, toy_look, &toy);
    CHECK(work(&toy));
    CHECK(toy.acked == toy.appended_n && toy.acked > 15);
    CHECK(toy.nonce_n > 10);
    const char *broken = recover(&toy, d, true, MD_LOSE_ALL);
    CHECK(broken == NULL);
    CHECK(toy.report.from_snapshot > 0 && toy.applied < toy.count);
    md_free(d);
}

TEST(call_fails_once) { every_call(MD_EIO, 1, true, MD_LOSE_ALL); }
TEST(call_fails_twice_then_power_cut) { every_call(MD_EIO, 2, true, MD_LOSE_ALL); }
TEST(call_fails_twice_then_restart) { every_call(MD_EIO, 2, false, MD_LOSE_ALL); }
TEST(everything_fails_from_a_call_on) { every_call(MD_EIO, UINT64_MAX, true, MD_LOSE_SOME); }
TEST(disk_full_for_a_call) { every_call(MD_ENOSPC, 1, true, MD_LOSE_SOME); }
TEST(disk_full_from_a_call_on) { every_call(MD_ENOSPC, UINT64_MAX, true, MD_LOSE_ALL); }
TEST(short_reads_and_writes_once) { every_call(MD_SHORT, 1, true, MD_LOSE_ALL); }
TEST(short_reads_and_writes_from_a_call_on)
{
    every_call(MD_SHORT, UINT64_MAX, true, MD_LOSE_SOME);
}
TEST(crash_lose_all) { every_call(MD_CRASH, 1, true, MD_LOSE_ALL); }
TEST(crash_keep_all) { every_call(MD_CRASH, 1, true, MD_KEEP_ALL); }
TEST(crash_lose_some) { every_call(MD_CRASH, 1, true, MD_LOSE_SOME); }
TEST(process_dies) { every_call(MD_CRASH, 1, false, MD_LOSE_ALL); }

/* Every write torn at every sector, in three ways. */
static void every_sector(enum md_fault fault, uint64_t calls, bool power)
{
    bool more = true;
    unsigned torn = 0;
    for (uint64_t k = 0; more; k++) {
        struct md_plan plan = {.fault = fault, .from = k, .calls = calls};
        struct outcome first = one(plan, 1, power, MD_LOSE_ALL);
        more = first.reached;
        /* the zeros of a segment and a snapshot's chunks before their rename: a few cuts will do */
        unsigned step = first.sectors > 32 ? first.sectors / 3 : 1;
        for (plan.cut = 0; plan.cut < first.sectors; plan.cut += step)
            for (int part = MD_BEFORE; part <= MD_BUT; part++) {
                plan.part = (enum md_part)part;
                torn += one(plan, 1, power, MD_LOSE_ALL).reached;
            }
    }
    CHECK(torn > 500);
}

TEST(write_torn_and_power_cut) { every_sector(MD_CRASH, 1, true); }
TEST(write_torn_and_repeated) { every_sector(MD_TORN, 1, true); }
TEST(write_torn_twice) { every_sector(MD_TORN, 2, true); }

/* The same bytes, once more, at the same place: a single error is not seen by anybody. */
TEST(failed_write_is_repeated_once)
{
    struct pl_store_place place;
    for (int direct = 0; direct < 2; direct++) {
        struct md_disk *d = md_new(direct);
        toy_init(&toy, md_io(d), "/vault");
        NEED(CHECK_OK(toy_up(&toy, &place)));
        toy_append(&toy, 100);
        md_plan(d, (struct md_plan){.fault = MD_TORN, .from = 0, .calls = 1, .cut = 3});
        toy_turn(&toy);
        CHECK(pl_store_state(toy.store) == PL_STORE_RUNNING && toy.acked == 1);
        CHECK(pl_store_error(toy.store, &place) == PL_OK);
        toy_append(&toy, 100);
        md_plan(d, (struct md_plan){.fault = MD_TORN, .from = 0, .calls = 2, .cut = 3});
        toy_turn(&toy);
        CHECK(pl_store_state(toy.store) == PL_STORE_LOCKED && toy.acked == 1);
        toy_down(&toy);
        md_free(d);
    }
}

/* A frame whose sync failed is in the cache and not on the disk. The next start sees it; nothing
 * may chain to it before it is durable. */
TEST(failed_sync_is_not_believed)
{
    struct pl_store_place place;
    struct md_disk *d = md_new(0);
    toy_init(&toy, md_io(d), "/vault");
    NEED(CHECK_OK(toy_up(&toy, &place)));
    toy_append(&toy, 100);
    md_plan(d, (struct md_plan){.fault = MD_EIO, .from = 1, .calls = 3}); /* sync, write, sync */
    toy_turn(&toy);
    CHECK(pl_store_state(toy.store) == PL_STORE_LOCKED && toy.acked == 0);
    CHECK_ERR(pl_store_room(toy.store, 1, 1), LOG_LOCKED);
    CHECK_ERR(pl_store_error(toy.store, &place), STORE_IO);
    CHECK(place.os_error == 5 && place.file[0]);
    toy_down(&toy);
    md_restart(d, false, MD_LOSE_ALL, 0);
    NEED(CHECK_OK(toy_up(&toy, &place)));
    CHECK(toy.acked == 1);
    toy_append(&toy, 100);
    toy_turn(&toy);
    toy_down(&toy);
    md_restart(d, true, MD_LOSE_ALL, 0);
    CHECK_OK(toy_up(&toy, &place));
    CHECK(toy.acked == 2 && toy.broken == NULL);
    toy_down(&toy);
    md_free(d);
}

TEST_MAIN()
