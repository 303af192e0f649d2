/* The HTTP/2 engine and a peer that sends what it likes. */
#include "h2_pair.h"

#include <string.h>

TEST(a_raw_request_works)
{
    NEED(raw_start());
    get(1);
    CHECK_OK(feed());
    CHECK(server.requests == 1 && said_frame(T_HEADERS, 1, NULL).p != NULL);
    stop(&server);
}

TEST(a_body_of_300_KiB_is_answered_413)
{
    static uint8_t chunk[16384];
    NEED(raw_start());
    struct pl_wr w = pl_wr_heap(1024);
    request_head(&w, "POST");
    frame(T_HEADERS, END_HEADERS, 1, pl_wr_span(&w));
    pl_wr_free(&w);
    for (unsigned i = 0; i < 16; i++)
        frame(T_DATA, 0, 1, PL_ARR(chunk));
    CHECK_OK(feed());
    CHECK(said_frame(T_HEADERS, 1, NULL).p == NULL); /* exactly 256 KiB is allowed */
    frame(T_DATA, 0, 1, pl_span(chunk, 1));
    frame(T_DATA, 0, 1, PL_ARR(chunk));
    frame(T_DATA, END_STREAM, 1, PL_ARR(chunk));
    get(3);
    CHECK_OK(feed());
    CHECK(problem(1, "NET_REQUEST_SIZE"));
    CHECK(said_frame(T_RST, 1, NULL).n == 4); /* stop sending: NO_ERROR */
    CHECK(server.requests == 1);              /* the next request on the connection */
    CHECK(server.pool.used == 0);
    stop(&server);
}

TEST(a_content_length_over_the_limit_is_answered_before_the_body)
{
    NEED(raw_start());
    struct pl_wr w = pl_wr_heap(1024);
    request_head(&w, "POST");
    header(&w, "content-length", PL_LIT("307200"));
    frame(T_HEADERS, END_HEADERS, 1, pl_wr_span(&w));
    pl_wr_free(&w);
    CHECK_OK(feed());
    CHECK(problem(1, "NET_REQUEST_SIZE") && server.requests == 0);
    stop(&server);
}

TEST(headers_over_16_KiB_are_answered_431)
{
    static uint8_t value[9000];
    memset(value, 'a', sizeof(value));
    NEED(raw_start());
    struct pl_wr w = pl_wr_heap(65536);
    request_head(&w, "GET");
    header(&w, "x-a", PL_ARR(value));
    struct pl_span first = pl_wr_span(&w);
    frame(T_HEADERS, END_STREAM, 1, first);
    struct pl_wr v = pl_wr_heap(65536);
    header(&v, "x-b", PL_ARR(value));
    frame(T_CONT, END_HEADERS, 1, pl_wr_span(&v));
    pl_wr_free(&w);
    pl_wr_free(&v);
    get(3);
    CHECK_OK(feed());
    CHECK(problem(1, "NET_HEADER_SIZE"));
    CHECK(server.requests == 1);
    stop(&server);
}

TEST(an_accepted_header_over_its_room_is_answered_431)
{
    static uint8_t value[PL_NET_HEAD_MAX];
    memset(value, 'a', sizeof(value));
    NEED(raw_start());
    struct pl_wr w = pl_wr_heap(65536);
    request_head(&w, "GET");
    header(&w, "authorization", PL_ARR(value));
    frame(T_HEADERS, END_HEADERS | END_STREAM, 1, pl_wr_span(&w));
    pl_wr_free(&w);
    CHECK_OK(feed());
    CHECK(problem(1, "NET_HEADER_SIZE") && server.requests == 0);
    stop(&server);
}

TEST(a_header_bomb_ends_the_connection)
{
    static uint8_t value[4000];
    memset(value, 'a', sizeof(value));
    NEED(raw_start());
    struct pl_wr w = pl_wr_heap(65536);
    request_head(&w, "GET");
    pl_wr_u8(&w, 0x40); /* into the dynamic table: index 62 */
    hpack_length(&w, 1);
    pl_wr_str(&w, "a");
    hpack_length(&w, sizeof(value));
    pl_wr_bytes(&w, PL_ARR(value));
    for (unsigned i = 0; i < 10000; i++)
        pl_wr_u8(&w, 0x80 | 62); /* a byte for four thousand */
    frame(T_HEADERS, END_HEADERS | END_STREAM, 1, pl_wr_span(&w));
    pl_wr_free(&w);
    CHECK_ERR(feed(), NET_FLOOD);
    CHECK(calmed() && server.requests == 0);
    stop(&server);
}

TEST(ambiguous_requests_are_refused)
{
    NEED(raw_start());
    struct pl_wr w = pl_wr_heap(4096);
    request_head(&w, "GET");
    header(&w, "if-match", PL_LIT("1"));
    header(&w, "if-match", PL_LIT("2"));
    frame(T_HEADERS, END_HEADERS | END_STREAM, 1, pl_wr_span(&w));
    w.n = 0;
    request_head(&w, "GET");
    header(&w, ":path", PL_LIT("/other"));
    frame(T_HEADERS, END_HEADERS | END_STREAM, 3, pl_wr_span(&w));
    w.n = 0;
    request_head(&w, "POST");
    header(&w, "content-length", PL_LIT("5"));
    frame(T_HEADERS, END_HEADERS, 5, pl_wr_span(&w));
    frame(T_DATA, END_STREAM, 5, PL_LIT("four"));
    w.n = 0;
    request_head(&w, "GET");
    header(&w, "transfer-encoding", PL_LIT("chunked"));
    frame(T_HEADERS, END_HEADERS | END_STREAM, 7, pl_wr_span(&w));
    w.n = 0;
    request_head(&w, "GET");
    header(&w, "X-Upper", PL_LIT("1"));
    frame(T_HEADERS, END_HEADERS | END_STREAM, 9, pl_wr_span(&w));
    pl_wr_free(&w);
    CHECK_OK(feed());
    CHECK(problem(1, "NET_HTTP"));
    for (uint32_t id = 3; id <= 9; id += 2)
        CHECK(said_frame(T_RST, id, NULL).n == 4);
    CHECK(server.requests == 0 && server.pool.used == 0);
    stop(&server);
}

/* Frames that cost the sender nothing: `one` adds one of them. The connection must end, and before
 * that no more than the budget's worth may have been worked through. */
static void flood(void (*one)(unsigned i), unsigned count)
{
    NEED(raw_start());
    for (unsigned i = 0; i < count; i++)
        one(i);
    CHECK_ERR(feed(), NET_FLOOD);
    CHECK(calmed());
    CHECK(said.n < 64 * 1024);
    stop(&server);
}

/* The same, but in slices small enough for a patient peer: the connection stays. */
static void trickle(void (*one)(unsigned i), unsigned per_s)
{
    NEED(raw_start());
    for (unsigned s = 0; s < 60; s++) {
        for (unsigned i = 0; i < per_s; i++)
            one(s * per_s + i);
        server.now += 1000;
        if (!CHECK_OK(feed()))
            break;
    }
    stop(&server);
}

static void one_ping(unsigned i)
{
    (void)i;
    frame(T_PING, 0, 0, PL_LIT("12345678"));
}
static void one_ping_ack(unsigned i)
{
    (void)i;
    frame(T_PING, 1, 0, PL_LIT("12345678"));
}
static void one_settings(unsigned i)
{
    (void)i;
    frame(T_SETTINGS, 0, 0, PL_LIT("\0\3\0\0\0\1"));
}
static void one_priority(unsigned i) { frame(T_PRIORITY, 0, 2 * i + 1, PL_LIT("\0\0\0\0\20")); }
static void one_window(unsigned i)
{
    (void)i;
    frame(T_WINDOW, 0, 0, PL_LIT("\0\0\0\1"));
}
static void one_unknown(unsigned i)
{
    (void)i;
    frame(0x77, 0, 0, PL_LIT(""));
}
static void one_reset(unsigned i)
{
    get(2 * i + 1);
    frame(T_RST, 0, 2 * i + 1, PL_LIT("\0\0\0\10"));
}

TEST(a_ping_flood) { flood(one_ping, 20000); }
TEST(a_ping_ack_flood) { flood(one_ping_ack, 20000); }
TEST(a_settings_flood) { flood(one_settings, 5000); }
TEST(a_priority_flood) { flood(one_priority, 20000); }
TEST(a_window_update_flood) { flood(one_window, 20000); }
/* RFC 9113 4.1: ignored. They cost the receiver less than the sender. */
TEST(unknown_frames_are_ignored)
{
    NEED(raw_start());
    for (unsigned i = 0; i < 20000; i++)
        one_unknown(i);
    get(1);
    CHECK_OK(feed());
    CHECK(server.requests == 1);
    stop(&server);
}
TEST(patient_pings_are_no_flood) { trickle(one_ping, 10); }
TEST(patient_resets_are_no_flood) { trickle(one_reset, 10); }

TEST(rapid_reset)
{
    NEED(raw_start());
    server.park = true;
    for (unsigned i = 0; i < 5000; i++)
        one_reset(i);
    CHECK_ERR(feed(), NET_FLOOD);
    CHECK(calmed());
    CHECK(server.requests < 150);
    stop(&server);
    CHECK(server.resets == server.requests);
}

TEST(empty_data_is_a_flood)
{
    NEED(raw_start());
    struct pl_wr w = pl_wr_heap(1024);
    request_head(&w, "POST");
    frame(T_HEADERS, END_HEADERS, 1, pl_wr_span(&w));
    pl_wr_free(&w);
    for (unsigned i = 0; i < 20000; i++)
        frame(T_DATA, 0, 1, PL_LIT(""));
    CHECK_ERR(feed(), NET_FLOOD);
    CHECK(calmed() && server.requests == 0);
    stop(&server);
}

TEST(a_continuation_flood)
{
    NEED(raw_start());
    struct pl_wr w = pl_wr_heap(1024);
    request_head(&w, "GET");
    frame(T_HEADERS, END_STREAM, 1, pl_wr_span(&w));
    pl_wr_free(&w);
    for (unsigned i = 0; i < 20000; i++)
        frame(T_CONT, 0, 1, PL_LIT(""));
    pl_err e = feed();
    CHECK(e != PL_OK || said_frame(T_GOAWAY, 0, NULL).p != NULL);
    CHECK(server.requests == 0);
    stop(&server);
}

TEST(too_many_streams_are_refused)
{
    NEED(raw_start());
    server.park = true;
    CHECK_OK(feed());
    frame(T_SETTINGS, 1, 0, PL_LIT("")); /* acknowledged: from now on it is a broken rule */
    CHECK_OK(feed());
    for (uint32_t i = 0; i < PL_NET_STREAMS_MAX + 20; i++)
        get(2 * i + 1);
    pl_err e = feed();
    (void)e;
    CHECK(server.requests == PL_NET_STREAMS_MAX);
    CHECK(said_frame(T_RST, 2 * PL_NET_STREAMS_MAX + 1, NULL).p != NULL ||
          said_frame(T_GOAWAY, 0, NULL).p != NULL);
    stop(&server);
}

TEST(a_slow_request_is_answered_408)
{
    NEED(raw_start());
    struct pl_wr w = pl_wr_heap(1024);
    request_head(&w, "POST");
    frame(T_HEADERS, END_HEADERS, 1, pl_wr_span(&w));
    pl_wr_free(&w);
    frame(T_DATA, 0, 1, PL_LIT("{"));
    CHECK_OK(feed());
    CHECK_OK(pl_h2_tick(server.h2, server.now + 999));
    CHECK_OK(feed());
    CHECK(said_frame(T_HEADERS, 1, NULL).p == NULL);
    CHECK_OK(pl_h2_tick(server.h2, server.now + 1000));
    frame(T_PING, 0, 0, PL_LIT("12345678"));
    CHECK_OK(feed());
    CHECK(problem(1, "NET_SLOW_REQUEST"));
    CHECK(pl_h2_open_streams(server.h2) == 0 && server.pool.used == 0);
    stop(&server);
}

TEST(an_unanswered_request_is_answered_503)
{
    NEED(raw_start());
    server.park = true;
    get(1);
    CHECK_OK(feed());
    CHECK_OK(pl_h2_tick(server.h2, server.now + 3000));
    frame(T_PING, 0, 0, PL_LIT("12345678"));
    CHECK_OK(feed());
    CHECK(problem(1, "NET_UNANSWERED") && server.resets == 1);
    struct pl_response a = {.status = 200};
    CHECK_ERR(pl_h2_respond(server.h2, 1, &a), NET_STREAM_GONE);
    stop(&server);
}

TEST(a_reader_that_opens_no_window_costs_its_own_connection)
{
    static uint8_t body[200000];
    NEED(raw_start());
    server.answer = PL_ARR(body);
    get(1); /* the default window is 65535 bytes */
    CHECK_OK(feed());
    CHECK(pl_h2_open_streams(server.h2) == 1 && said.n < 70000);
    CHECK_OK(pl_h2_tick(server.h2, server.now + 1999));
    CHECK_ERR(pl_h2_tick(server.h2, server.now + 2000), NET_SLOW_READER);
    stop(&server);
}

TEST(not_http2_at_all)
{
    NEED(raw_start());
    raw.n = 0;
    pl_wr_str(&raw, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK_ERR(feed(), NET_HTTP);
    stop(&server);
    CHECK(server.requests == 0);
}

TEST_MAIN()
