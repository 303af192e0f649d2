#include "test.h"

#include <string.h>

TEST(success_is_neither_null_nor_zero)
{
    pl_err zeroed = NULL;
    CHECK(zeroed != PL_OK);
    CHECK(pl_err_code(zeroed) == PL_E_BUG);
    CHECK(pl_err_class(PL_OK) == PL_C_OK);
}

static pl_err failing(void) { return PL_FAIL(DER); }
static pl_err passing_on(void)
{
    PL_TRY(failing());
    return PL_OK;
}

TEST(errors_keep_the_site_that_failed)
{
    pl_err e = passing_on();
    CHECK_ERR(e, DER);
    CHECK(strcmp(e->file, "test_base.c") == 0);
    CHECK(e->line > 0);
}

TEST(every_code_has_a_name_and_a_sentence)
{
    for (int i = 0; i < PL_E_COUNT; i++) {
        enum pl_code c = (enum pl_code)i;
        CHECK(strlen(pl_code_name(c)) > 1);
        CHECK(strlen(pl_code_text(c)) > 3);
        CHECK(pl_code_http(c) >= 200 && pl_code_http(c) < 600);
    }
    CHECK(strcmp(pl_code_name((enum pl_code)PL_E_COUNT), "BUG") == 0);
}

TEST(reader_error_is_sticky_and_leaves_nothing_half_read)
{
    struct pl_rd r = pl_rd(test_hex("0102030405"));
    CHECK(pl_rd_be16(&r) == 0x0102);
    CHECK(pl_rd_le16(&r) == 0x0403);
    CHECK(pl_rd_be32(&r) == 0);
    CHECK(pl_rd_u8(&r) == 0);
    CHECK_ERR(pl_rd_end(&r), TRUNCATED);
    struct pl_rd left = pl_rd(test_hex("01"));
    CHECK_ERR(pl_rd_end(&left), TRAILING);
    struct pl_rd empty = pl_rd(pl_span(NULL, 0));
    CHECK_OK(pl_rd_end(&empty));
}

TEST(a_vector_longer_than_its_bound_is_refused)
{
    struct pl_rd r = pl_rd(test_hex("00000003aabbcc"));
    CHECK(pl_rd_vec(&r, 2).n == 0);
    CHECK(r.bad);
    struct pl_rd huge = pl_rd(test_hex("ffffffffaa"));
    CHECK(pl_rd_vec(&huge, SIZE_MAX).n == 0);
    CHECK(huge.bad);
}

TEST(writers_stop_at_their_capacity)
{
    uint8_t small[3];
    struct pl_wr w = pl_wr_fixed(small, sizeof(small));
    pl_wr_be16(&w, 0x0102);
    pl_wr_be16(&w, 0x0304);
    CHECK_ERR(pl_wr_end(&w), NO_SPACE);
    CHECK(w.n == 2);
    struct pl_wr h PL_CLEANUP(pl_wr_free) = pl_wr_heap(1000);
    for (int i = 0; i < 1000; i++)
        pl_wr_u8(&h, (uint8_t)i);
    CHECK_OK(pl_wr_end(&h));
    CHECK(pl_wr_span(&h).p[999] == (uint8_t)999);
    pl_wr_u8(&h, 0);
    CHECK_ERR(pl_wr_end(&h), NO_SPACE);
}

TEST(comparison_sees_every_bit)
{
    uint8_t a[33], b[33];
    test_fill(a, sizeof(a), 1);
    for (size_t bit = 0; bit < sizeof(a) * 8; bit++) {
        memcpy(b, a, sizeof(a));
        b[bit / 8] ^= (uint8_t)(1 << bit % 8);
        CHECK(!pl_ct_eq(a, b, sizeof(a)));
    }
    CHECK(pl_ct_eq(a, a, sizeof(a)));
    CHECK(pl_ct_eq(a, b, 0));
}

TEST(arena_wipes_what_is_released)
{
    static _Alignas(16) uint8_t mem[256];
    struct pl_arena a = pl_arena(mem, sizeof(mem));
    uint8_t *keep = pl_arena_take(&a, 10);
    size_t mark = pl_arena_mark(&a);
    uint8_t *gone = pl_arena_take(&a, 100);
    NEED(CHECK(keep && gone));
    memset(keep, 0xaa, 10);
    memset(gone, 0xbb, 100);
    pl_arena_release(&a, mark);
    CHECK(pl_span_zero(pl_span(gone, 100)));
    CHECK(keep[9] == 0xaa);
    CHECK(pl_arena_take(&a, 300) == NULL);
    CHECK(pl_arena_take(&a, SIZE_MAX) == NULL);
    CHECK(pl_arena_take(&a, 240) != NULL);
    CHECK(a.high == 256);
}

TEST(arena_takes_back_the_end_of_the_last_allocation)
{
    static _Alignas(16) uint8_t mem[256];
    struct pl_arena a = pl_arena(mem, sizeof(mem));
    uint8_t *first = pl_arena_take(&a, 5);
    uint8_t *last = pl_arena_take(&a, 200);
    NEED(CHECK(first && last));
    memset(last, 0xcc, 200);
    pl_arena_trim(&a, last, 17);
    CHECK(last[16] == 0xcc && pl_span_zero(pl_span(last + 32, 168)));
    uint8_t *next = pl_arena_take(&a, 1);
    CHECK(next == last + 32);
    pl_arena_trim(&a, next, 0);
    CHECK(pl_arena_take(&a, 1) == next);
}

TEST(hex)
{
    uint8_t out[4];
    char text[9];
    CHECK_OK(pl_unhex(out, 4, pl_span_str("00aBFf10")));
    pl_hex(text, PL_ARR(out));
    CHECK(strcmp(text, "00abff10") == 0);
    CHECK_ERR(pl_unhex(out, 4, pl_span_str("00abff1")), ENCODING);
    CHECK_ERR(pl_unhex(out, 4, pl_span_str("00abff1g")), ENCODING);
    CHECK_ERR(pl_unhex(out, 4, pl_span_str("00abff1000")), ENCODING);
}

TEST(base64url_is_canonical)
{
    uint8_t in[64], back[64];
    char text[PL_B64U_LEN(64) + 1];
    size_t n;
    test_fill(in, sizeof(in), 2);
    for (size_t i = 0; i <= sizeof(in); i++) {
        pl_b64u(text, pl_span(in, i));
        CHECK(strlen(text) == PL_B64U_LEN(i));
        CHECK_OK(pl_unb64u(back, sizeof(back), &n, pl_span_str(text)));
        CHECK_BYTES(pl_span(back, n), pl_span(in, i));
    }
    CHECK_ERR(pl_unb64u(back, 64, &n, pl_span_str("QQ==")), ENCODING);
    CHECK_ERR(pl_unb64u(back, 64, &n, pl_span_str("QR")), ENCODING); /* unused bits set */
    CHECK_ERR(pl_unb64u(back, 64, &n, pl_span_str("Q")), ENCODING);
    CHECK_ERR(pl_unb64u(back, 64, &n, pl_span_str("Q+/A")), ENCODING);
    CHECK_ERR(pl_unb64u(back, 2, &n, pl_span_str("QUJD")), NO_SPACE);
    CHECK_ERR(pl_unb64u_exact(back, 3, pl_span_str("QUI")), ENCODING);
    CHECK_OK(pl_unb64u_exact(back, 3, pl_span_str("QUJD")));
}

TEST(pem)
{
    uint8_t in[100], back[100];
    test_fill(in, sizeof(in), 3);
    for (size_t i = 0; i <= sizeof(in); i++) {
        struct pl_wr w PL_CLEANUP(pl_wr_free) = pl_wr_heap(1000);
        size_t n;
        pl_wr_pem(&w, pl_span(in, i), "CERTIFICATE");
        pl_wr_str(&w, "\n\0");
        struct pl_span s = pl_wr_span(&w);
        CHECK_OK(pl_unpem(back, sizeof(back), &n, &s, "CERTIFICATE"));
        CHECK_BYTES(pl_span(back, n), pl_span(in, i));
        CHECK(s.n == 0);
        struct pl_span again = pl_wr_span(&w);
        CHECK_ERR(pl_unpem(back, sizeof(back), &n, &again, "X509 CRL"), ENCODING);
    }
}

TEST(times)
{
    int64_t t = 0;
    char text[PL_TIME_LEN + 1];
    CHECK_OK(pl_time_parse(&t, pl_span_str("2023-05-15T15:41:43Z")));
    CHECK(t == 1684165303);
    CHECK_OK(pl_time_parse(&t, pl_span_str("9999-12-31T23:59:59Z")));
    CHECK(t == 253402300799);
    for (int64_t s = 0; s < 200000; s++) {
        int64_t want = s * 1262303;
        pl_time_format(text, want);
        if (!CHECK_OK(pl_time_parse(&t, pl_span_str(text))) || !CHECK(t == want))
            break;
    }
    static const char *const wrong[] = {
        "2023-02-29T00:00:00Z",  "2023-13-01T00:00:00Z", "2023-00-01T00:00:00Z",
        "2023-01-00T00:00:00Z",  "2023-01-01T24:00:00Z", "2023-01-01T00:60:00Z",
        "2023-01-01T00:00:60Z",  "2023-01-01 00:00:00Z", "2023-01-01T00:00:00",
        "2023-01-01T00:00:00ZZ", "1969-12-31T23:59:59Z", "",
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
        CHECK_ERR(pl_time_parse(&t, pl_span_str(wrong[i])), TIME_FORMAT);
    CHECK_OK(pl_time_parse(&t, pl_span_str("2000-02-29T00:00:00Z")));
}

TEST(an_unknown_time_decides_nothing)
{
    CHECK(pl_time_before(PL_TIME_UNKNOWN, 1000) == PL_UNKNOWN);
    CHECK(pl_time_reached(PL_TIME_UNKNOWN, 1000) == PL_UNKNOWN);
    struct pl_interval now = {90, 110};
    CHECK(pl_time_before(now, 110) == PL_TRUE);
    CHECK(pl_time_before(now, 109) == PL_UNKNOWN);
    CHECK(pl_time_before(now, 89) == PL_FALSE);
    CHECK(pl_time_reached(now, 90) == PL_TRUE);
    CHECK(pl_time_reached(now, 91) == PL_UNKNOWN);
    CHECK(pl_time_reached(now, 111) == PL_FALSE);
}

TEST(der_lengths_are_minimal)
{
    static const char *const bad[] = {"04810101", "0482000101", "0480", "0485000000000101",
                                      "1f0100",   "0402aa",     "04"};
    static uint8_t big[300];
    struct pl_wr w PL_CLEANUP(pl_wr_free) = pl_wr_heap(1000);
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct pl_rd r = pl_rd(test_hex(bad[i]));
        uint8_t tag;
        pl_der_any(&r, &tag, NULL);
        CHECK(r.bad);
    }
    for (size_t n = 0; n < sizeof(big); n++) {
        w.n = 0;
        pl_der_put(&w, PL_DER_OCTETS, pl_span(big, n));
        struct pl_rd r = pl_rd(pl_wr_span(&w));
        CHECK(pl_der(&r, PL_DER_OCTETS).n == n);
        CHECK_OK(pl_rd_end(&r));
    }
}

TEST(der_integers_and_times)
{
    struct pl_wr w PL_CLEANUP(pl_wr_free) = pl_wr_heap(1000);
    static const uint64_t values[] = {0, 1, 127, 128, 255, 256, 1u << 31, UINT64_MAX};
    static const int64_t times[] = {0, 1684165303, 2524607999, 2524608000, 253402300799};
    for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++)
        pl_der_put_u64(&w, values[i]);
    for (size_t i = 0; i < sizeof(times) / sizeof(*times); i++)
        pl_der_put_time(&w, times[i]);
    struct pl_rd r = pl_rd(pl_wr_span(&w));
    for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++)
        CHECK(pl_der_u64(&r) == values[i]);
    for (size_t i = 0; i < sizeof(times) / sizeof(*times); i++)
        CHECK(pl_der_time(&r) == times[i]);
    CHECK_OK(pl_rd_end(&r));
    static const char *const bad[] = {"0200", "020180", "02020001", "0209ffffffffffffffffff"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct pl_rd b = pl_rd(test_hex(bad[i]));
        pl_der_u64(&b);
        CHECK(b.bad);
    }
}

TEST_MAIN()
