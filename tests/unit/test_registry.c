/* What a registry keeps: serials only rise, what expired is gone, pages and filters. The present
 * is an argument here. */
#include "daemons/registryd/registryd.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NOW = 1800000000 };

static char dir[64], path[96];
static struct store *st;

static bool fresh(uint64_t max)
{
    snprintf(dir, sizeof(dir), "/tmp/pl-registry-XXXXXX");
    if (!CHECK(mkdtemp(dir) != NULL))
        return false;
    snprintf(path, sizeof(path), "%s/db", dir);
    return CHECK_OK(store_open(&st, path, max));
}

static void done(void)
{
    static const char *const suffix[] = {"", "-wal", "-shm"};
    char name[128];
    store_close(st);
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof(name), "%s%s", path, suffix[i]);
        (void)unlink(name);
    }
    CHECK(rmdir(dir) == 0);
}

/* A made-up entry of vault number n: the store believes what it is told. */
struct made {
    uint8_t id[32], platform[16];
    char carrier[64];
    struct pl_span label[1];
    struct listing l;
};

static struct listing *make(struct made *m, unsigned n, uint64_t serial)
{
    *m = (struct made){.label = {PL_LIT("site=fra")}};
    test_fill(m->id, sizeof(m->id), n);
    test_fill(m->platform, sizeof(m->platform), n);
    snprintf(m->carrier, sizeof(m->carrier), "{\"vault\":%u,\"serial\":%u}", n, (unsigned)serial);
    struct pl_pub key = {.type = PL_PUB_ED25519};
    m->l = (struct listing){
        .vault_id = m->id,
        .serial = serial,
        .expires_s = NOW + 1000,
        .tee = "sim-sgx",
        .measurement = "00ff",
        .platform = PL_ARR(m->platform),
        .labels = {m->label, 1},
        .carrier = pl_span_str(m->carrier),
    };
    test_fill(key.raw, 32, n);
    m->l.registry_spki_n = pl_pub_to_spki(m->l.registry_spki, &key);
    return &m->l;
}

static pl_err put_at(unsigned n, uint64_t serial, int64_t now_s)
{
    struct made m;
    bool was_new;
    return store_put(st, make(&m, n, serial), now_s, &was_new);
}

static pl_err put(unsigned n, uint64_t serial) { return put_at(n, serial, NOW); }

/* How many entries a query gives, over all pages; *out_pages how many these were. */
static unsigned count(struct store_query q, int64_t now_s, unsigned *out_pages)
{
    unsigned n = 0;
    static uint8_t scratch[64 * 1024];
    for (*out_pages = 0;;) {
        struct pl_wr body PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_NET_RESPONSE_MAX);
        struct pl_arena a = pl_arena(scratch, sizeof(scratch));
        struct pl_api_entry_page page;
        if (!CHECK_OK(store_page(st, &q, now_s, &body)))
            return n;
        struct pl_api_in in = {.body = pl_wr_span(&body), .scratch = &a};
        if (!CHECK_OK(pl_api_read_entry_page(&page, &in)))
            return n;
        n += (unsigned)page.entries.n;
        ++*out_pages;
        if (!page.has_next)
            return n;
        q.has_after = CHECK_OK(pl_unhex(q.after, sizeof(q.after), pl_span_str(page.next)));
    }
}

static unsigned listed(int64_t now_s)
{
    unsigned pages;
    return count((struct store_query){0}, now_s, &pages);
}

TEST(a_serial_only_rises)
{
    struct pl_wr got PL_CLEANUP(pl_wr_free) = pl_wr_heap(1024);
    struct made m;
    NEED(fresh(10));
    CHECK_OK(put(1, 5));
    CHECK_OK(put(1, 5)); /* the same bytes again */
    CHECK_OK(put(1, 6));
    CHECK_ERR(put(1, 5), ENTRY_STALE);
    make(&m, 1, 6);
    m.carrier[2] = 'V'; /* the same serial on other bytes */
    bool was_new = true;
    CHECK_ERR(store_put(st, &m.l, NOW, &was_new), ENTRY_STALE);
    CHECK_OK(store_get(st, make(&m, 1, 6)->vault_id, NOW, &got));
    CHECK_BYTES(pl_wr_span(&got), m.l.carrier);
    CHECK(listed(NOW) == 1);
    done();
}

TEST(what_expired_is_not_listed)
{
    struct pl_wr got PL_CLEANUP(pl_wr_free) = pl_wr_heap(1024);
    struct made m;
    struct pl_pub key;
    uint64_t left;
    NEED(fresh(10));
    CHECK_OK(put(1, 5));
    make(&m, 1, 5);
    CHECK(listed(NOW + 1000) == 1);
    CHECK(listed(NOW + 1001) == 0);
    CHECK_OK(store_get(st, m.id, NOW + 1000, &got));
    CHECK_ERR(store_get(st, m.id, NOW + 1001, &got), ENTRY_NONE);
    CHECK_OK(store_key(st, m.id, NOW + 1000, &key));
    CHECK_ERR(store_key(st, m.id, NOW + 1001, &key), ENTRY_NONE);
    CHECK_OK(store_sweep(st, NOW + 1001, &left));
    CHECK(left == 0 && listed(NOW) == 0);
    CHECK_ERR(put_at(1, 5, NOW + 1002), ENTRY_STALE); /* its serial stays known */
    CHECK_OK(store_sweep(st, NOW + PL_VAULT_ENTRY_LIFE_MAX_S, &left));
    CHECK_ERR(put_at(1, 5, NOW + 1002), ENTRY_STALE);
    CHECK_OK(store_sweep(st, NOW + PL_VAULT_ENTRY_LIFE_MAX_S + 1, &left));
    CHECK_OK(put(1, 1)); /* no older entry can still hold */
    done();
}

TEST(a_vault_that_left_stays_away_until_it_says_otherwise)
{
    struct made m;
    NEED(fresh(10));
    make(&m, 1, 5);
    CHECK_ERR(store_leave(st, m.id, 9, NOW), ENTRY_NONE);
    CHECK_OK(put(1, 5));
    CHECK_ERR(store_leave(st, m.id, 5, NOW), ENTRY_STALE);
    CHECK_ERR(store_leave(st, m.id, 4, NOW), ENTRY_STALE);
    CHECK(listed(NOW) == 1);
    CHECK_OK(store_leave(st, m.id, 6, NOW));
    CHECK(listed(NOW) == 0);
    CHECK_ERR(put(1, 5), ENTRY_STALE);
    CHECK_ERR(put(1, 6), ENTRY_STALE);
    CHECK_OK(put(1, 7));
    CHECK(listed(NOW) == 1);
    done();
}

TEST(no_machine_and_nobody_fills_the_list)
{
    struct made m, first;
    bool was_new;
    NEED(fresh(100));
    make(&first, 1000, 1);
    for (unsigned i = 0; i < REGISTRY_PER_PLATFORM; i++) {
        make(&m, i, 1);
        m.l.platform = PL_ARR(first.platform);
        CHECK_OK(store_put(st, &m.l, NOW, &was_new));
    }
    make(&m, 500, 1);
    m.l.platform = PL_ARR(first.platform);
    CHECK_ERR(store_put(st, &m.l, NOW, &was_new), ENTRY_PLATFORM);
    make(&m, 3, 2);
    m.l.platform = PL_ARR(first.platform);
    CHECK_OK(store_put(st, &m.l, NOW, &was_new)); /* a renewal takes no more room */
    for (unsigned i = REGISTRY_PER_PLATFORM; i < 100; i++)
        CHECK_OK(put(i, 1));
    CHECK_ERR(put(200, 1), REGISTRY_FULL);
    CHECK_OK(put(99, 2));
    CHECK(listed(NOW) == 100);
    done();
}

TEST(pages_and_filters)
{
    unsigned pages;
    struct made m;
    bool was_new;
    NEED(fresh(1000));
    for (unsigned i = 0; i < 600; i++)
        CHECK_OK(put(i, 1));
    make(&m, 600, 1);
    m.l.tee = "sgx";
    m.l.measurement = "aa";
    m.label[0] = PL_LIT("site=ber");
    CHECK_OK(store_put(st, &m.l, NOW, &was_new));
    CHECK(count((struct store_query){0}, NOW, &pages) == 601 && pages == 3);
    CHECK(count((struct store_query){.tee = PL_LIT("sgx")}, NOW, &pages) == 1);
    CHECK(count((struct store_query){.tee = PL_LIT("sim-sgx")}, NOW, &pages) == 600);
    CHECK(count((struct store_query){.measurement = PL_LIT("aa")}, NOW, &pages) == 1);
    CHECK(count((struct store_query){.label = PL_LIT("site=ber")}, NOW, &pages) == 1);
    CHECK(count((struct store_query){.label = PL_LIT("site=fra")}, NOW, &pages) == 600);
    CHECK(count((struct store_query){.label = PL_LIT("site=")}, NOW, &pages) == 0);
    CHECK(count((struct store_query){.label = PL_LIT("' OR 1=1 --")}, NOW, &pages) == 0);
    const struct store_query both = {.tee = PL_LIT("sgx"), .label = PL_LIT("site=fra")};
    CHECK(count(both, NOW, &pages) == 0);
    m.l.serial = 2;
    m.label[0] = PL_LIT("site=muc"); /* labels are those of the newest entry */
    m.l.carrier = PL_LIT("{}");
    CHECK_OK(store_put(st, &m.l, NOW, &was_new));
    CHECK(!was_new);
    CHECK(count((struct store_query){.label = PL_LIT("site=ber")}, NOW, &pages) == 0);
    CHECK(count((struct store_query){.label = PL_LIT("site=muc")}, NOW, &pages) == 1);
    done();
}

TEST(it_is_there_after_a_restart)
{
    NEED(fresh(10));
    CHECK_OK(put(1, 5));
    store_close(st);
    NEED(CHECK_OK(store_open(&st, path, 10)));
    CHECK(listed(NOW) == 1);
    CHECK_ERR(put(1, 4), ENTRY_STALE);
    done();
    CHECK_ERR(store_open(&st, "/nowhere/db", 10), REGISTRY_STORE);
    CHECK(st == NULL);
}

TEST_MAIN()
