/* TCB info and QE identity as text: what the parser refuses even when Intel had signed it. */
#include "attest/internal.h"
#include "tests/test.h"

#include <stdio.h>
#include <string.h>

#define HEAD                                                                                       \
    "\"id\":\"SGX\",\"version\":3,\"issueDate\":\"2025-01-01T00:00:00Z\","                         \
    "\"nextUpdate\":\"2025-02-01T00:00:00Z\",\"fmspc\":\"00606a000000\",\"pceId\":\"0000\","       \
    "\"tcbType\":0,\"tcbEvaluationDataNumber\":18"
#define TAIL "\"tcbDate\":\"2024-01-01T00:00:00Z\",\"tcbStatus\":\"UpToDate\""

/* {"svn":n} as often as asked. */
static void components(struct pl_wr *w, unsigned n, unsigned svn)
{
    char one[32];
    for (unsigned i = 0; i < n; i++) {
        snprintf(one, sizeof(one), "%s{\"svn\":%u}", i ? "," : "", svn);
        pl_wr_str(w, one);
    }
}

static void level(struct pl_wr *w, unsigned n, unsigned svn, unsigned pce, const char *rest)
{
    char one[64];
    pl_wr_str(w, "{\"tcb\":{\"sgxtcbcomponents\":[");
    components(w, n, svn);
    snprintf(one, sizeof(one), "],\"pcesvn\":%u},", pce);
    pl_wr_str(w, one);
    pl_wr_str(w, rest);
    pl_wr_str(w, "}");
}

static struct pl_collateral got;

static pl_err levels(unsigned n, unsigned svn, unsigned pce, const char *rest)
{
    static uint8_t text[8192];
    struct pl_wr w = pl_wr_fixed(text, sizeof(text));
    pl_wr_str(&w, "{" HEAD ",\"tcbLevels\":[");
    level(&w, 16, 3, 5, TAIL);
    pl_wr_str(&w, ",");
    level(&w, n, svn, pce, rest);
    pl_wr_str(&w, "]}");
    got = (struct pl_collateral){0};
    return pl_tcb_info_parse(&got, pl_wr_span(&w));
}

TEST(a_level_has_sixteen_components)
{
    CHECK_OK(levels(16, 4, 5, TAIL));
    for (unsigned n = 0; n < 20; n++)
        if (n != 16)
            CHECK_ERR(levels(n, 4, 5, TAIL), TCB_INFO_FORMAT);
    CHECK_ERR(levels(16, 256, 5, TAIL), TCB_INFO_FORMAT);
    CHECK_ERR(levels(16, 4, 65536, TAIL), TCB_INFO_FORMAT);
}

TEST(levels_come_out_descending_and_once)
{
    NEED(CHECK_OK(levels(16, 4, 1, TAIL)));
    CHECK(got.levels == 2 && got.level[0].svn[0] == 4 && got.level[1].svn[0] == 3);
    NEED(CHECK_OK(levels(16, 2, 9, TAIL)));
    CHECK(got.levels == 2 && got.level[0].svn[0] == 3 && got.level[1].svn[0] == 2);
    NEED(CHECK_OK(levels(16, 3, 6, TAIL)));
    CHECK(got.level[0].pcesvn == 6 && got.level[1].pcesvn == 5);
    CHECK_ERR(levels(16, 3, 5, TAIL), TCB_INFO_FORMAT);
}

TEST(what_a_level_must_say)
{
    CHECK_ERR(levels(16, 4, 5, "\"tcbStatus\":\"UpToDate\""), TCB_INFO_FORMAT);
    CHECK_ERR(levels(16, 4, 5, "\"tcbDate\":\"2024-01-01T00:00:00Z\""), TCB_INFO_FORMAT);
    CHECK_ERR(levels(16, 4, 5, "\"tcbDate\":\"2024-01-01T00:00:00Z\",\"tcbStatus\":\"Fine\""),
              TCB_INFO_FORMAT);
    CHECK_ERR(levels(16, 4, 5, "\"tcbDate\":\"2024-01-01\",\"tcbStatus\":\"UpToDate\""),
              TCB_INFO_FORMAT);
    CHECK_ERR(levels(16, 4, 5, TAIL ",\"advisoryIDs\":\"INTEL-SA-1\""), TCB_INFO_FORMAT);
    CHECK_ERR(levels(16, 4, 5, TAIL ",\"tcbStatus\":\"UpToDate\""), TCB_INFO_FORMAT);
    CHECK_OK(levels(16, 4, 5, TAIL ",\"advisoryIDs\":[],\"new\":{\"a\":[1]}"));
}

static pl_err info(const char *head)
{
    static uint8_t text[4096];
    struct pl_wr w = pl_wr_fixed(text, sizeof(text));
    pl_wr_str(&w, "{");
    pl_wr_str(&w, head);
    pl_wr_str(&w, ",\"tcbLevels\":[");
    level(&w, 16, 3, 5, TAIL);
    pl_wr_str(&w, "]}");
    got = (struct pl_collateral){0};
    return pl_tcb_info_parse(&got, pl_wr_span(&w));
}

#define DATES "\"issueDate\":\"2025-01-01T00:00:00Z\",\"nextUpdate\":\"2025-02-01T00:00:00Z\","
#define IDS   "\"fmspc\":\"00606a000000\",\"pceId\":\"0000\",\"tcbEvaluationDataNumber\":1"
TEST(versions_tees_and_types_are_refused_by_name)
{
    CHECK_OK(info(HEAD));
    CHECK_ERR(info("\"id\":\"TDX\",\"version\":3,\"tcbType\":0," DATES IDS), TCB_INFO_TEE);
    CHECK_ERR(info("\"version\":3,\"tcbType\":0," DATES IDS), TCB_INFO_TEE);
    CHECK_OK(info("\"version\":2,\"tcbType\":0," DATES IDS));
    CHECK_ERR(info("\"id\":\"SGX\",\"version\":4,\"tcbType\":0," DATES IDS), TCB_INFO_VERSION);
    CHECK_ERR(info("\"id\":\"SGX\",\"tcbType\":0," DATES IDS), TCB_INFO_VERSION);
    CHECK_ERR(info("\"id\":\"SGX\",\"version\":3,\"tcbType\":1," DATES IDS), TCB_INFO_TYPE);
    CHECK_ERR(info("\"id\":\"SGX\",\"version\":3," DATES IDS), TCB_INFO_TYPE);
    CHECK_ERR(info("\"id\":\"SGX\",\"version\":3,\"tcbType\":0," IDS), TCB_INFO_FORMAT);
    CHECK_ERR(info(HEAD ",\"version\":3"), TCB_INFO_FORMAT);
}

TEST(a_signed_document_has_two_members)
{
    uint8_t sig[PL_P256_SIG_BYTES];
    struct pl_span inner;
    char text[512], hex[129];
    memset(hex, 'a', 128);
    hex[128] = 0;
#define SIGNED(format, want)                                                                       \
    do {                                                                                           \
        snprintf(text, sizeof(text), format, hex);                                                 \
        CHECK_ERR(pl_signed_json(pl_span_str(text), "tcbInfo", &inner, sig), want);                \
    } while (0)
    SIGNED("{\"tcbInfo\":{\"a\": 1},\"signature\":\"%s\"}", OK);
    CHECK(pl_span_is(inner, "{\"a\": 1}")); /* as received, white space and all */
    SIGNED("{\"signature\":\"%s\",\"tcbInfo\":{}}", OK);
    SIGNED("{\"tcbInfo\":{},\"signature\":\"%s\",\"x\":1}", JSON_UNKNOWN);
    SIGNED("{\"tcbInfo\":{},\"tcbInfo\":{},\"signature\":\"%s\"}", JSON_DUPLICATE);
    SIGNED("{\"tcbInfo\":{},\"signature\":\"%s\",\"\\u0074cbInfo\":{}}", JSON_DUPLICATE);
    SIGNED("{\"tcbInfo\":[],\"signature\":\"%s\"}", JSON_UNKNOWN);
    SIGNED("{\"enclaveIdentity\":{},\"signature\":\"%s\"}", JSON_UNKNOWN);
    SIGNED("{\"signature\":\"%s\"}", JSON_MISSING);
    SIGNED("{\"tcbInfo\":{},\"signature\":\"%sa\"}", JSON_LENGTH);
}

TEST(advisories_are_sorted_once_and_bounded)
{
    static struct pl_claims c;
    char many[4096] = "[";
    CHECK_OK(pl_advisories_add(&c, PL_LIT("[\"B\",\"A\",\"B\"]")));
    CHECK_OK(pl_advisories_add(&c, PL_LIT("[\"C\",\"A\"]")));
    CHECK_OK(pl_advisories_add(&c, pl_span(NULL, 0)));
    CHECK(c.tcb.advisories == 3 && strcmp(c.tcb.advisory[0], "A") == 0 &&
          strcmp(c.tcb.advisory[2], "C") == 0);
    CHECK_ERR(pl_advisories_add(&c, PL_LIT("[\"\"]")), TCB_ADVISORIES);
    CHECK_ERR(pl_advisories_add(&c, PL_LIT("[1]")), TCB_ADVISORIES);
    CHECK_ERR(pl_advisories_add(&c, PL_LIT("[\"012345678901234567890123456789012\"]")),
              TCB_ADVISORIES);
    for (unsigned i = 0; i < 62; i++)
        snprintf(many + strlen(many), sizeof(many) - strlen(many), "%s\"X%u\"", i ? "," : "", i);
    snprintf(many + strlen(many), sizeof(many) - strlen(many), "]");
    CHECK_ERR(pl_advisories_add(&c, pl_span_str(many)), TCB_ADVISORIES);
    CHECK(c.tcb.advisories == PL_ADVISORIES_MAX);
}

TEST_MAIN()
