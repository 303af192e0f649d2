/* The HTTP/2 engine among friends: messages, sizes, deadlines, limits. */
#include "h2_pair.h"

#include <stdlib.h>
#include <string.h>

/* ---- The ordinary -----------------------------------------------------------------------------
 */

TEST(a_request_and_its_answer)
{
    NEED(both());
    struct pl_request r = {.method = PL_LIT("PUT"),
                           .path = PL_LIT("/v1/keys/00/policy?x=1"),
                           .content_type = PL_LIT("application/json"),
                           .authorization = PL_LIT("Bearer abc"),
                           .idempotency_key = PL_LIT("k-1"),
                           .if_match = PL_LIT("7"),
                           .body = PL_LIT("{}")};
    uint32_t id;
    CHECK_OK(pl_h2_request(client.h2, &id, &r, client.now + 1000));
    shuttle();
    CHECK(server.requests == 1 && client.responses == 1 && client.status == 200);
    CHECK(strcmp(server.seen.method, "PUT") == 0);
    CHECK(strcmp(server.seen.path, "/v1/keys/00/policy?x=1") == 0);
    CHECK(strcmp(server.seen.type, "application/json") == 0);
    CHECK(strcmp(server.seen.authorization, "Bearer abc") == 0);
    CHECK(strcmp(server.seen.key, "k-1") == 0 && strcmp(server.seen.match, "7") == 0);
    CHECK_BYTES(pl_span(client.got, client.got_n), PL_LIT("{}"));
    CHECK(pl_h2_open_streams(client.h2) == 0 && pl_h2_open_streams(server.h2) == 0);
    CHECK(server.pool.used == 0 && client.pool.used == 0);
    end_both();
}

TEST(bodies_of_every_size_class)
{
    static const size_t sizes[] = {0, 1, 1000, 8000, 8192, 65535, 65536, 65537, 262143, 262144};
    static uint8_t body[PL_NET_REQUEST_MAX];
    NEED(both());
    test_fill(body, sizeof(body), 1);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        ask(pl_span(body, sizes[i]));
        shuttle();
        CHECK_BYTES(pl_span(server.seen.body, server.seen.body_n), pl_span(body, sizes[i]));
        CHECK_BYTES(pl_span(client.got, client.got_n), pl_span(body, sizes[i]));
        CHECK(client.responses == i + 1);
    }
    end_both();
}

TEST(an_answer_of_one_mebibyte)
{
    static uint8_t body[PL_NET_RESPONSE_MAX + 1];
    NEED(both());
    test_fill(body, sizeof(body), 2);
    server.park = true;
    uint32_t id = ask(PL_LIT("")), second = ask(PL_LIT("")), third = ask(PL_LIT(""));
    shuttle();
    struct pl_response r = {.status = 200, .body = pl_span(body, PL_NET_RESPONSE_MAX)};
    CHECK_OK(pl_h2_respond(server.h2, id, &r));
    /* A second one at the same time is over what one connection may hold. */
    CHECK_ERR(pl_h2_respond(server.h2, second, &r), NET_MEMORY);
    shuttle();
    CHECK(client.responses == 2);
    r.body.n++;
    CHECK_ERR(pl_h2_respond(server.h2, third, &r), NET_RESPONSE);
    shuttle();
    CHECK(client.status == 500);
    server.park = false;
    server.answer = pl_span(body, PL_NET_RESPONSE_MAX);
    ask(PL_LIT(""));
    shuttle();
    CHECK(client.status == 200);
    CHECK_BYTES(pl_span(client.got, client.got_n), server.answer);
    end_both();
}

TEST(a_hundred_at_once_and_ten_thousand_in_turn)
{
    NEED(both());
    server.park = true;
    uint32_t ids[PL_NET_STREAMS_MAX];
    for (unsigned i = 0; i < PL_NET_STREAMS_MAX; i++)
        ids[i] = ask(PL_LIT("x"));
    struct pl_request r = {.method = PL_LIT("GET"), .path = PL_LIT("/")};
    uint32_t id;
    CHECK_ERR(pl_h2_request(client.h2, &id, &r, client.now + 1000), NET_STREAMS);
    shuttle();
    CHECK(server.requests == PL_NET_STREAMS_MAX);
    struct pl_response a = {.status = 204};
    for (unsigned i = 0; i < PL_NET_STREAMS_MAX; i++)
        CHECK_OK(pl_h2_respond(server.h2, ids[PL_NET_STREAMS_MAX - 1 - i], &a));
    shuttle();
    CHECK(client.responses == PL_NET_STREAMS_MAX && client.status == 204);
    server.park = false;
    for (unsigned i = 0; i < 10000; i++) {
        ask(PL_LIT("{}"));
        shuttle();
    }
    CHECK(client.responses == PL_NET_STREAMS_MAX + 10000 && client.failures == 0);
    end_both();
}

TEST(a_parked_answer_after_the_stream_was_reset)
{
    NEED(both());
    server.park = true;
    uint32_t id = ask(PL_LIT("{}"));
    shuttle();
    pl_h2_cancel(client.h2, id);
    CHECK_OK(pl_h2_tick(client.h2, client.now));
    CHECK(client.failures == 1);
    CHECK_ERR(client.why, NET_CANCELLED);
    shuttle();
    CHECK(server.resets == 1);
    struct pl_response a = {.status = 200, .body = PL_LIT("late")};
    CHECK_ERR(pl_h2_respond(server.h2, id, &a), NET_STREAM_GONE);
    CHECK_ERR(pl_h2_respond(server.h2, 77, &a), NET_STREAM_GONE);
    uint32_t next = ask(PL_LIT("{}"));
    shuttle();
    CHECK_OK(pl_h2_respond(server.h2, next, &a));
    CHECK_ERR(pl_h2_respond(server.h2, next, &a), NET_STREAM_GONE); /* once */
    shuttle();
    CHECK(client.responses == 1);
    end_both();
}

TEST(a_client_deadline)
{
    NEED(both());
    server.park = true;
    uint32_t id;
    struct pl_request r = {.method = PL_LIT("GET"), .path = PL_LIT("/")};
    CHECK_OK(pl_h2_request(client.h2, &id, &r, client.now + 500));
    shuttle();
    CHECK(pl_h2_next_ms(client.h2) == client.now + 500);
    CHECK_OK(pl_h2_tick(client.h2, client.now + 499));
    CHECK(client.failures == 0);
    CHECK_OK(pl_h2_tick(client.h2, client.now + 500));
    CHECK(client.failures == 1);
    CHECK_ERR(client.why, NET_DEADLINE);
    shuttle();
    CHECK(server.resets == 1 && pl_h2_open_streams(client.h2) == 0);
    end_both();
}

TEST(shutdown_lets_the_open_end)
{
    NEED(both());
    server.park = true;
    uint32_t id = ask(PL_LIT("{}"));
    shuttle();
    pl_h2_shutdown(server.h2);
    shuttle();
    CHECK(!pl_h2_done(server.h2));
    uint32_t other;
    struct pl_request r = {.method = PL_LIT("GET"), .path = PL_LIT("/")};
    CHECK_ERR(pl_h2_request(client.h2, &other, &r, client.now + 1000), NET_CLOSED);
    struct pl_response a = {.status = 200};
    CHECK_OK(pl_h2_respond(server.h2, id, &a));
    shuttle();
    CHECK(client.responses == 1 && pl_h2_done(server.h2) && pl_h2_done(client.h2));
    end_both();
}

TEST(the_end_of_a_connection_is_told_to_every_request)
{
    NEED(both());
    server.park = true;
    ask(PL_LIT("{}"));
    ask(PL_LIT("{}"));
    shuttle();
    stop(&client);
    CHECK(client.failures == 2);
    CHECK_ERR(client.why, NET_CLOSED);
    stop(&server);
    CHECK(server.resets == 2);
}

/* ---- Limits -----------------------------------------------------------------------------------
 */

TEST(admission_is_asked_before_the_body)
{
    NEED(both());
    server.refuse = true;
    ask(PL_LIT("{}"));
    shuttle();
    CHECK(server.requests == 0 && client.status == 429 && client.retry_after == 1);
    CHECK(strstr((char *)client.got, "\"code\":\"NET_RATE\"") != NULL);
    end_both();
}

TEST(the_pool_is_a_limit_with_an_answer)
{
    static uint8_t body[PL_NET_REQUEST_MAX];
    NEED(start(&server, true, 1024 * 1024) && start(&client, false, 64 * 1024 * 1024));
    shuttle();
    ask(PL_ARR(body));
    shuttle();
    CHECK(server.requests == 0 && client.status == 429);
    CHECK(strstr((char *)client.got, "NET_MEMORY") != NULL);
    ask(PL_LIT("{}"));
    shuttle();
    CHECK(client.status == 200);
    end_both();
}

TEST_MAIN()
