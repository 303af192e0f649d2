/* The table of back ends, with two doubles: one whose device is absent, one that misbehaves. */
#include "test.h"
#include "platform/tee/tee.h"

#include <string.h>

static size_t answer_bytes; /* what the double answers as evidence */
static unsigned opened, closed;

static pl_err absent_open(void **dev, struct pl_tee_self *self)
{
    (void)dev, (void)self;
    return PL_FAIL(TEE_NONE);
}

static pl_err double_open(void **dev, struct pl_tee_self *self)
{
    *dev = &opened;
    *self = (struct pl_tee_self){.tee = "double", .format = "sgx", .measurements = 1};
    self->measurement[0] = (struct pl_tee_measurement){.name = "mrenclave", .n = 32};
    opened++;
    return PL_OK;
}

static void double_close(void *dev) { closed += dev == &opened; }

static pl_err double_evidence(void *dev, struct pl_wr *out, const uint8_t *report_data,
                              unsigned timeout_ms)
{
    (void)dev, (void)timeout_ms;
    for (size_t i = 0; i < answer_bytes; i++)
        pl_wr_u8(out, report_data[i % PL_TEE_REPORT_DATA_BYTES]);
    return PL_OK;
}

static const struct pl_tee_backend absent = {.name = "absent", .open = absent_open};
static const struct pl_tee_backend twin = {
    .name = "double", .open = double_open, .close = double_close, .evidence = double_evidence};
const struct pl_tee_backend *const pl_tee_table[] = {&absent, &twin, NULL};

TEST(the_first_device_that_is_here_is_opened)
{
    struct pl_tee_device *t = NULL;
    NEED(CHECK_OK(pl_tee_open(&t, NULL)));
    CHECK(strcmp(pl_tee_self(t)->tee, "double") == 0);
    unsigned before = closed;
    pl_tee_close(t);
    CHECK(closed == before + 1);
    pl_tee_close(NULL);
}

TEST(a_name_opens_that_back_end_or_none)
{
    struct pl_tee_device *t = NULL;
    unsigned before = opened;
    CHECK_ERR(pl_tee_open(&t, "absent"), TEE_NONE);
    CHECK_ERR(pl_tee_open(&t, "gramine"), TEE_NONE);
    CHECK(t == NULL && opened == before);
    CHECK(strcmp(pl_tee_names(), "absent, double") == 0);
}

TEST(evidence_is_all_or_nothing)
{
    struct pl_tee_device *t = NULL;
    uint8_t rd[PL_TEE_REPORT_DATA_BYTES], small[8];
    struct pl_wr out PL_CLEANUP(pl_wr_free) = pl_wr_heap(1 << 20);
    test_fill(rd, sizeof(rd), 1);
    NEED(CHECK_OK(pl_tee_open(&t, "double")));
    pl_wr_str(&out, "before");
    answer_bytes = 64;
    CHECK_OK(pl_tee_evidence(t, &out, rd, 100));
    CHECK_BYTES(pl_span_sub(pl_wr_span(&out), 6, 64), PL_ARR(rd));
    answer_bytes = 0;
    CHECK_ERR(pl_tee_evidence(t, &out, rd, 100), TEE_DEVICE);
    answer_bytes = PL_TEE_EVIDENCE_MAX + 1;
    CHECK_ERR(pl_tee_evidence(t, &out, rd, 100), TEE_DEVICE);
    CHECK(out.n == 70);
    struct pl_wr tight = pl_wr_fixed(small, sizeof(small));
    answer_bytes = 64;
    CHECK_ERR(pl_tee_evidence(t, &tight, rd, 100), NO_SPACE);
    CHECK(tight.n == 0);
    pl_tee_close(t);
}

TEST(what_a_device_lacks_is_said)
{
    struct pl_tee_device *t = NULL;
    uint8_t key[PL_TEE_SEAL_KEY_BYTES];
    struct pl_tee_files f;
    NEED(CHECK_OK(pl_tee_open(&t, "double")));
    CHECK_ERR(pl_tee_seal_key(t, key, PL_LIT("root")), TEE_NO_SEALING);
    CHECK_OK(pl_tee_measured(t, &f));
    CHECK(f.n == 0 && pl_tee_file(&f, "anchor.json").p == NULL);
    pl_tee_files_free(&f);
    CHECK_OK(pl_tee_collateral(t, &f));
    CHECK(f.n == 0);
    pl_tee_files_free(&f);
    pl_tee_close(t);
}

TEST_MAIN()
