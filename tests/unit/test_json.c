#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Reads one value whole, as pl_json_raw does for a policy. */
static pl_err whole(struct pl_span in)
{
    struct pl_json j;
    struct pl_span raw;
    pl_json_init(&j, in);
    pl_json_raw(&j, &raw);
    return pl_json_end(&j);
}

static pl_err whole_text(const char *text) { return whole(pl_span_str(text)); }

TEST(accepts_what_rfc_8259_accepts)
{
    static const char *const good[] = {
        "null",
        "true",
        "false",
        "0",
        "-0",
        "1",
        "-1",
        "10",
        "1.5",
        "0.0",
        "1e3",
        "1E+3",
        "1e-3",
        "-1.25e10",
        "9007199254740993",
        "1e999",
        "\"\"",
        "\"a\"",
        "[]",
        "{}",
        "[[]]",
        "{\"\":0}",
        " [ ] ",
        "\t\r\n{ \"a\" : [ 1 , 2 ] } \n",
        "{\"a\":1,\"b\":1}",
        "[1,\"a\",null,{}]",
        "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
        "\"\\u0041\"",
        "\"\\uD834\\uDD1E\"",
        "\"\\u0000\"",
        "\"\x7f\"",
        "\"\xc3\xa9\"",
        "\"\xe2\x82\xac\"",
        "\"\xf0\x9f\x98\x80\"",
        "\"\xf4\x8f\xbf\xbf\"",
        "\"\xed\x9f\xbf\"",
        "\"\xee\x80\x80\"",
        "\"\\uFFFF\"",
        "{\"a\":{\"a\":1},\"b\":{\"a\":1}}",
        "[{\"a\":1},{\"a\":1}]",
        "{\"a\":1,\"A\":2}",
        "{\"\\u0000\":1,\"\":2}",
        "\"\\uDBFF\\uDFFF\"",
        "\"//\"",
        "[0.1e1]",
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        if (!CHECK_OK(whole_text(good[i])))
            printf("#   %s\n", good[i]);
}

static const struct {
    const char *text;
    enum pl_code code;
} bad[] = {
    {"", PL_E_TRUNCATED},
    {" ", PL_E_TRUNCATED},
    {"nul", PL_E_TRUNCATED},
    {"nulL", PL_E_JSON_SYNTAX},
    {"True", PL_E_JSON_SYNTAX},
    {"nullnull", PL_E_TRAILING},
    {"truefalse", PL_E_TRAILING},
    {"1 2", PL_E_TRAILING},
    {"{}{}", PL_E_TRAILING},
    {"[]]", PL_E_TRAILING},
    {"\"a\"x", PL_E_TRAILING},
    {"01", PL_E_TRAILING},
    {"[01]", PL_E_JSON_SYNTAX},
    {"-", PL_E_TRUNCATED},
    {"-a", PL_E_JSON_SYNTAX},
    {"+1", PL_E_JSON_SYNTAX},
    {".5", PL_E_JSON_SYNTAX},
    {"1.", PL_E_TRUNCATED},
    {"[1.]", PL_E_JSON_SYNTAX},
    {"[1.e1]", PL_E_JSON_SYNTAX},
    {"[1e]", PL_E_JSON_SYNTAX},
    {"[1e+]", PL_E_JSON_SYNTAX},
    {"-01", PL_E_TRAILING},
    {"0x10", PL_E_TRAILING},
    {"NaN", PL_E_JSON_SYNTAX},
    {"Infinity", PL_E_JSON_SYNTAX},
    {"-Infinity", PL_E_JSON_SYNTAX},
    {"1_000", PL_E_TRAILING},
    {"[", PL_E_TRUNCATED},
    {"]", PL_E_JSON_SYNTAX},
    {"[1", PL_E_TRUNCATED},
    {"[1,", PL_E_TRUNCATED},
    {"[1,]", PL_E_JSON_SYNTAX},
    {"[,1]", PL_E_JSON_SYNTAX},
    {"[1 2]", PL_E_JSON_SYNTAX},
    {"[1}", PL_E_JSON_SYNTAX},
    {"[1;2]", PL_E_JSON_SYNTAX},
    {"{", PL_E_TRUNCATED},
    {"}", PL_E_JSON_SYNTAX},
    {"{a:1}", PL_E_JSON_SYNTAX},
    {"{'a':1}", PL_E_JSON_SYNTAX},
    {"{1:1}", PL_E_JSON_SYNTAX},
    {"{\"a\"}", PL_E_JSON_SYNTAX},
    {"{\"a\",1}", PL_E_JSON_SYNTAX},
    {"{\"a\":}", PL_E_JSON_SYNTAX},
    {"{\"a\":1,}", PL_E_JSON_SYNTAX},
    {"{,\"a\":1}", PL_E_JSON_SYNTAX},
    {"{\"a\":1 \"b\":2}", PL_E_JSON_SYNTAX},
    {"{\"a\":1]", PL_E_JSON_SYNTAX},
    {"{\"a\"::1}", PL_E_JSON_SYNTAX},
    {"{\"a\":1", PL_E_TRUNCATED},
    {"{\"a\":1,", PL_E_TRUNCATED},
    {"\"", PL_E_TRUNCATED},
    {"\"a", PL_E_TRUNCATED},
    {"\"\\", PL_E_TRUNCATED},
    {"\"\\\"", PL_E_TRUNCATED},
    {"\"\\u", PL_E_TRUNCATED},
    {"\"\\u004", PL_E_TRUNCATED},
    {"\"\\u00g0\"", PL_E_JSON_SYNTAX},
    {"\"\\u 041\"", PL_E_JSON_SYNTAX},
    {"\"\\x41\"", PL_E_JSON_SYNTAX},
    {"\"\\a\"", PL_E_JSON_SYNTAX},
    {"\"\\U0041\"", PL_E_JSON_SYNTAX},
    {"\"\n\"", PL_E_JSON_SYNTAX},
    {"\"\t\"", PL_E_JSON_SYNTAX},
    {"\"\x1f\"", PL_E_JSON_SYNTAX},
    {"'a'", PL_E_JSON_SYNTAX},
    {"\"\\uD800\"", PL_E_JSON_UTF8},
    {"\"\\uDC00\"", PL_E_JSON_UTF8},
    {"\"\\uDC00\\uD800\"", PL_E_JSON_UTF8},
    {"\"\\uD800\\u0041\"", PL_E_JSON_UTF8},
    {"\"\\uD800\\uD800\"", PL_E_JSON_UTF8},
    {"\"\\uD800x\"", PL_E_JSON_UTF8},
    {"\"\\uD800\\n\"", PL_E_JSON_UTF8},
    {"\"\x80\"", PL_E_JSON_UTF8},
    {"\"\xc0\xaf\"", PL_E_JSON_UTF8},
    {"\"\xc1\xbf\"", PL_E_JSON_UTF8},
    {"\"\xe0\x80\xaf\"", PL_E_JSON_UTF8},
    {"\"\xe0\x9f\xbf\"", PL_E_JSON_UTF8},
    {"\"\xed\xa0\x80\"", PL_E_JSON_UTF8},
    {"\"\xf0\x8f\xbf\xbf\"", PL_E_JSON_UTF8},
    {"\"\xf4\x90\x80\x80\"", PL_E_JSON_UTF8},
    {"\"\xf5\x80\x80\x80\"", PL_E_JSON_UTF8},
    {"\"\xff\"", PL_E_JSON_UTF8},
    {"\"\xe2\x82\"", PL_E_JSON_UTF8},
    {"\"\xe2", PL_E_JSON_UTF8},
    {"\"\xc3\x28\"", PL_E_JSON_UTF8},
    {"\xef\xbb\xbf{}", PL_E_JSON_SYNTAX},
    {"\xff\xfe[\0]\0", PL_E_JSON_SYNTAX},
    {"[\xc2\xa0 1]", PL_E_JSON_SYNTAX},
    {"[\f1]", PL_E_JSON_SYNTAX},
    {"[1]/**/", PL_E_TRAILING},
    {"// \n1", PL_E_JSON_SYNTAX},
    {"*", PL_E_JSON_SYNTAX},
    {"{\"a\":1,\"a\":1}", PL_E_JSON_DUPLICATE},
    {"{\"a\":1,\"b\":2,\"\\u0061\":3}", PL_E_JSON_DUPLICATE},
    {"{\"\":1,\"\":2}", PL_E_JSON_DUPLICATE},
    {"{\"\xc3\xa9\":1,\"\\u00e9\":2}", PL_E_JSON_DUPLICATE},
    {"{\"\xf0\x9f\x98\x80\":1,\"\\ud83d\\ude00\":2}", PL_E_JSON_DUPLICATE},
    {"{\"a\":{\"b\":1},\"c\":{},\"a\":2}", PL_E_JSON_DUPLICATE},
    {"[{\"x\":{\"y\":1,\"y\":1}}]", PL_E_JSON_DUPLICATE},
    {"{\"a\\/\":1,\"a/\":1}", PL_E_JSON_DUPLICATE},
};

TEST(refuses_what_rfc_8259_refuses)
{
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (!test_err(whole_text(bad[i].text), bad[i].code, "whole_text", __FILE_NAME__, __LINE__))
            printf("#   case %zu: %s\n", i, bad[i].text);
    CHECK_ERR(whole(pl_span("[1]\0", 4)), TRAILING);
    CHECK_ERR(whole(pl_span("[\0]", 3)), JSON_SYNTAX);
    CHECK_ERR(whole(pl_span("\"a\0b\"", 5)), JSON_SYNTAX);
    CHECK_ERR(whole(pl_span(NULL, 0)), TRUNCATED);
}

TEST(depth_ends_at_its_limit_in_arrays_and_objects)
{
    char text[400];
    struct pl_wr w = pl_wr_fixed(text, sizeof(text));
    for (int object = 0; object < 2; object++)
        for (int depth = 1; depth <= 40; depth++) {
            w.n = 0;
            for (int i = 0; i < depth; i++)
                pl_wr_str(&w, object ? "{\"k\":" : "[");
            pl_wr_u8(&w, '0');
            for (int i = 0; i < depth; i++)
                pl_wr_u8(&w, object ? '}' : ']');
            if (depth <= PL_JSON_DEPTH_MAX)
                CHECK_OK(whole(pl_wr_span(&w)));
            else
                CHECK_ERR(whole(pl_wr_span(&w)), JSON_DEPTH);
        }
    memset(text, '[', sizeof(text));
    CHECK_ERR(whole(PL_ARR(text)), JSON_DEPTH);
}

/* {"k0":0, ... } with n members, n from `from` on, into w; without the closing brace. */
static void many_keys(struct pl_wr *w, unsigned from, unsigned n)
{
    char text[32];
    pl_wr_str(w, "{");
    for (unsigned i = from; i < from + n; i++) {
        snprintf(text, sizeof(text), "%s\"k%u\":0", i == from ? "" : ",", i);
        pl_wr_str(w, text);
    }
}

TEST(keys_are_bounded_in_number_and_length)
{
    struct pl_wr w PL_CLEANUP(pl_wr_free) = pl_wr_heap(1 << 20);
    for (unsigned extra = 0; extra < 2; extra++) {
        w.n = 0;
        many_keys(&w, 0, PL_JSON_KEYS_MAX + extra);
        pl_wr_str(&w, "}");
        pl_err e = whole(pl_wr_span(&w));
        CHECK(pl_err_code(e) == (extra ? PL_E_JSON_KEYS : PL_E_OK));
    }
    /* Keys of closed objects count no more, those of open ones do. */
    w.n = 0;
    pl_wr_str(&w, "[");
    for (int i = 0; i < 3; i++) {
        many_keys(&w, 0, PL_JSON_KEYS_MAX);
        pl_wr_str(&w, i < 2 ? "}," : "}]");
    }
    CHECK_OK(whole(pl_wr_span(&w)));
    w.n = 0;
    many_keys(&w, 0, PL_JSON_KEYS_MAX / 2);
    pl_wr_str(&w, ",\"x\":");
    many_keys(&w, 0, PL_JSON_KEYS_MAX / 2);
    pl_wr_str(&w, "}}");
    CHECK_ERR(whole(pl_wr_span(&w)), JSON_KEYS);
    /* A duplicate far from its twin, also at the limit. */
    w.n = 0;
    many_keys(&w, 0, PL_JSON_KEYS_MAX);
    pl_wr_str(&w, ",\"k0\":0}");
    CHECK_ERR(whole(pl_wr_span(&w)), JSON_DUPLICATE);
    for (size_t n = PL_JSON_KEY_BYTES; n <= PL_JSON_KEY_BYTES + 1; n++) {
        w.n = 0;
        pl_wr_str(&w, "{\"");
        for (size_t i = 0; i < n; i++)
            pl_wr_u8(&w, 'k');
        pl_wr_str(&w, "\":0}");
        pl_err e = whole(pl_wr_span(&w));
        CHECK(pl_err_code(e) == (n > PL_JSON_KEY_BYTES ? PL_E_JSON_LENGTH : PL_E_OK));
    }
}

TEST(every_truncation_is_refused)
{
    static const char text[] =
        "{\"a\":[1,-2.5e+3,true,false,null,{\"\\u00e9\\ud83d\\ude00\":\"\xf0\x9f\x98\x80\\n\"}],"
        "\"b\":{\"c\":[[],{}]}}";
    size_t n = sizeof(text) - 1;
    CHECK_OK(whole(pl_span(text, n)));
    for (size_t i = 0; i < n; i++) {
        /* A block of exactly this size, so that a sanitizer sees a read behind it. */
        uint8_t *cut = malloc(i ? i : 1);
        NEED(CHECK(cut != NULL));
        memcpy(cut, text, i);
        CHECK(whole(pl_span(cut, i)) != PL_OK);
        free(cut);
    }
}

TEST(scalars_come_out_as_they_went_in)
{
    struct pl_json j;
    bool b = false;
    uint64_t u = 0;
    int64_t i = 0, t = 0;
    char text[8];
    size_t n = 0;
    uint8_t bytes[4];
    struct pl_span s;
    pl_json_init(&j,
                 pl_span_str("[true, null, 9007199254740991, -9007199254740991, \"a\\u00e9\\n\","
                             " \"pla-_n\", \"AQIDBA\", \"AQIDBA\", \"0102fFfe\","
                             " \"2026-01-31T08:00:00Z\", [{\"x\" : 1}] , 7]"));
    CHECK(pl_json_array(&j));
    CHECK(pl_json_item(&j) && pl_json_peek(&j) == PL_JSON_BOOL && pl_json_bool(&j, &b) && b);
    CHECK(pl_json_item(&j) && pl_json_null(&j));
    CHECK(pl_json_item(&j) && pl_json_u53(&j, ((uint64_t)1 << 53) - 1, &u));
    CHECK(u == 9007199254740991);
    CHECK(pl_json_item(&j) && pl_json_i53(&j, &i) && i == -9007199254740991);
    CHECK(pl_json_item(&j) && pl_json_str(&j, text, sizeof(text), 1, &n));
    CHECK(n == 4 && strcmp(text, "a\xc3\xa9\n") == 0);
    CHECK(pl_json_item(&j) && pl_json_plain(&j, &s) && pl_span_is(s, "pla-_n"));
    CHECK(pl_json_item(&j) && pl_json_b64u(&j, bytes, sizeof(bytes), &n) && n == 4);
    CHECK_BYTES(PL_ARR(bytes), test_hex("01020304"));
    CHECK(pl_json_item(&j) && pl_json_b64u_exact(&j, bytes, 4));
    CHECK(pl_json_item(&j) && pl_json_hex_exact(&j, bytes, 4));
    CHECK_BYTES(PL_ARR(bytes), test_hex("0102fffe"));
    CHECK(pl_json_item(&j) && pl_json_time(&j, &t) && t == 1769846400);
    CHECK(pl_json_item(&j) && pl_json_raw(&j, &s) && pl_span_is(s, "[{\"x\" : 1}]"));
    CHECK(pl_json_item(&j) && pl_json_u53(&j, 7, &u) && u == 7);
    CHECK(!pl_json_item(&j));
    CHECK(pl_json_peek(&j) == PL_JSON_NONE);
    CHECK_OK(pl_json_end(&j));
}

/* What reading `text` with f gives. */
static pl_err scalar(const char *text, bool (*f)(struct pl_json *j))
{
    struct pl_json j;
    pl_json_init(&j, pl_span_str(text));
    bool ok = f(&j);
    pl_err e = pl_json_end(&j);
    CHECK(ok == (e == PL_OK));
    return e;
}

static bool as_u53(struct pl_json *j)
{
    uint64_t v;
    return pl_json_u53(j, 1000, &v);
}
static bool as_u53_any(struct pl_json *j)
{
    uint64_t v;
    return pl_json_u53(j, ((uint64_t)1 << 53) - 1, &v);
}
static bool as_i53(struct pl_json *j)
{
    int64_t v;
    return pl_json_i53(j, &v);
}
static bool as_str(struct pl_json *j)
{
    char s[5];
    return pl_json_str(j, s, sizeof(s), 2, NULL);
}
static bool as_plain(struct pl_json *j)
{
    struct pl_span s;
    return pl_json_plain(j, &s);
}
static bool as_b64u(struct pl_json *j)
{
    uint8_t b[3];
    size_t n;
    return pl_json_b64u(j, b, sizeof(b), &n);
}
static bool as_b64u_exact(struct pl_json *j)
{
    uint8_t b[3];
    return pl_json_b64u_exact(j, b, sizeof(b));
}
static bool as_hex(struct pl_json *j)
{
    uint8_t b[2];
    return pl_json_hex_exact(j, b, sizeof(b));
}
static bool as_time(struct pl_json *j)
{
    int64_t t;
    return pl_json_time(j, &t);
}
static bool as_bool(struct pl_json *j)
{
    bool b;
    return pl_json_bool(j, &b);
}

TEST(scalars_refuse_what_is_out_of_range)
{
    static const struct {
        const char *text;
        bool (*f)(struct pl_json *);
        enum pl_code code;
    } cases[] = {
        {"0", as_u53, PL_E_OK},
        {"1000", as_u53, PL_E_OK},
        {"1001", as_u53, PL_E_JSON_RANGE},
        {"-1", as_u53, PL_E_JSON_RANGE},
        {"-0", as_u53, PL_E_JSON_RANGE},
        {"-0", as_i53, PL_E_JSON_RANGE},
        {"1e3", as_u53, PL_E_JSON_RANGE},
        {"1.0", as_u53, PL_E_JSON_RANGE},
        {"9007199254740991", as_u53_any, PL_E_OK},
        {"9007199254740992", as_u53_any, PL_E_JSON_RANGE},
        {"9007199254740993", as_u53_any, PL_E_JSON_RANGE},
        {"18446744073709551617", as_u53_any, PL_E_JSON_RANGE},
        {"99999999999999999999999999999999999999", as_u53_any, PL_E_JSON_RANGE},
        {"-9007199254740991", as_i53, PL_E_OK},
        {"-9007199254740992", as_i53, PL_E_JSON_RANGE},
        {"\"1\"", as_u53, PL_E_JSON_TYPE},
        {"null", as_u53, PL_E_JSON_TYPE},
        {"\"ab\"", as_str, PL_E_OK},
        {"\"abcd\"", as_str, PL_E_OK},
        {"\"abcde\"", as_str, PL_E_JSON_LENGTH},
        {"\"ab\\u20ac\"", as_str, PL_E_JSON_LENGTH},
        {"\"a\"", as_str, PL_E_JSON_LENGTH},
        {"\"a\\u0000\"", as_str, PL_E_JSON_VALUE},
        {"\"a\\", as_str, PL_E_TRUNCATED},
        {"12", as_str, PL_E_JSON_TYPE},
        {"\"\"", as_plain, PL_E_OK},
        {"\"abc\"", as_plain, PL_E_OK},
        {"\"\\n\"", as_plain, PL_E_JSON_VALUE},
        {"\"abc\\u0041\"", as_plain, PL_E_JSON_VALUE},
        {"\"abc", as_plain, PL_E_TRUNCATED},
        {"\"AQID\"", as_b64u, PL_E_OK},
        {"\"\"", as_b64u, PL_E_OK},
        {"\"AQIDBA\"", as_b64u, PL_E_JSON_LENGTH},
        {"\"AQ==\"", as_b64u, PL_E_ENCODING},
        {"\"AR\"", as_b64u, PL_E_ENCODING},
        {"\"A/+_\"", as_b64u, PL_E_ENCODING},
        {"\"AQ\"", as_b64u_exact, PL_E_JSON_LENGTH},
        {"\"AQID\"", as_b64u_exact, PL_E_OK},
        {"\"0aF1\"", as_hex, PL_E_OK},
        {"\"0aF\"", as_hex, PL_E_JSON_LENGTH},
        {"\"0aFg\"", as_hex, PL_E_ENCODING},
        {"\"2026-01-31T08:00:00Z\"", as_time, PL_E_OK},
        {"\"2026-01-31 08:00:00Z\"", as_time, PL_E_TIME_FORMAT},
        {"true", as_bool, PL_E_OK},
        {"1", as_bool, PL_E_JSON_TYPE},
        {"fals", as_bool, PL_E_TRUNCATED},
        {"true1", as_bool, PL_E_TRAILING},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct pl_json j;
        pl_json_init(&j, pl_span_str(cases[i].text));
        cases[i].f(&j);
        if (!test_err(pl_json_end(&j), cases[i].code, cases[i].text, __FILE_NAME__, __LINE__))
            printf("#   case %zu\n", i);
    }
    CHECK_OK(scalar("5", as_u53));
    CHECK_ERR(scalar("-5", as_u53), JSON_RANGE);
}

TEST(errors_stick_and_the_first_one_wins)
{
    struct pl_json j;
    struct pl_span key;
    uint64_t v = 0;
    pl_json_init(&j, pl_span_str("{\"a\":\"x\",\"b\":2}"));
    CHECK(pl_json_object(&j) && pl_json_key(&j, &key));
    CHECK(!pl_json_u53(&j, 9, &v));
    CHECK(!pl_json_key(&j, &key) && !pl_json_object(&j) && !pl_json_skip(&j));
    CHECK(pl_json_peek(&j) == PL_JSON_NONE);
    pl_json_refuse(&j, PL_FAIL(JSON_UNKNOWN));
    CHECK_ERR(pl_json_end(&j), JSON_TYPE);
}

TEST(a_document_left_unread_is_no_success)
{
    struct pl_json j;
    struct pl_span key;
    pl_json_init(&j, pl_span_str("{\"a\":1}"));
    CHECK_ERR(pl_json_end(&j), BUG);
    pl_json_object(&j);
    CHECK_ERR(pl_json_end(&j), BUG);
    CHECK(pl_json_key(&j, &key) && pl_json_skip(&j));
    CHECK_ERR(pl_json_end(&j), BUG);
    CHECK(!pl_json_key(&j, &key));
    CHECK_OK(pl_json_end(&j));
}

/* Walks everything, accepts numbers below 100 only; the pointer of what was refused. */
static void walk(struct pl_json *j)
{
    struct pl_span key;
    uint64_t v;
    switch (pl_json_peek(j)) {
    case PL_JSON_OBJECT:
        for (pl_json_object(j); pl_json_key(j, &key);)
            walk(j);
        break;
    case PL_JSON_ARRAY:
        for (pl_json_array(j); pl_json_item(j);)
            walk(j);
        break;
    case PL_JSON_NONE:
    case PL_JSON_STRING:
    case PL_JSON_NUMBER:
    case PL_JSON_BOOL:
    case PL_JSON_NULL:
        pl_json_u53(j, 99, &v);
        break;
    }
}

TEST(the_pointer_names_the_offender)
{
    static const struct {
        const char *text, *pointer;
    } cases[] = {
        {"100", ""},
        {"[1,2,100]", "/2"},
        {"{\"a\":1,\"b\":[1,{\"c\":[],\"d\":true}]}", "/b/1/d"},
        {"{\"\":100}", "/"},
        {"{\"a/b~c\":{\"x\\\"y\":100}}", "/a~1b~0c/x\"y"},
        {"{\"\\u00e9\\ud83d\\ude00\":null}", "/\xc3\xa9\xf0\x9f\x98\x80"},
        {"{\"a\":1,\"a\":1}", "/a"},
        {"{\"o\":{\"a\":1,\"b\":{\"z\":1},\"a\":1}}", "/o/a"},
        {"{\"a\":{},\"b\" 1}", "/b"},
        {"{\"a\":{\"b\":1;}}", "/a"},
        {"{\"a\":[1,2;3]}", "/a"},
        {"{\"a\":[1,]}", "/a/1"},
        {"[[1],[2,3],[4,[5,[6,[100]]]]]", "/2/1/1/1/0"},
        {"{\"a\":1} x", ""},
        {"{\"a\":", "/a"},
        {"[0,1,2,3,4,5,6,7,8,9,10,100]", "/11"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct pl_json j;
        char got[PL_JSON_POINTER_MAX];
        pl_json_init(&j, pl_span_str(cases[i].text));
        walk(&j);
        CHECK(pl_json_end(&j) != PL_OK);
        pl_json_pointer(&j, got, sizeof(got));
        CHECK_BYTES(pl_span_str(got), pl_span_str(cases[i].pointer));
    }
}

TEST(refused_fields_are_named_where_they_stand)
{
    struct pl_json j;
    struct pl_span key;
    char got[32];
    pl_json_init(&j, pl_span_str("{\"o\":{\"known\":1,\"other\":2}}"));
    CHECK(pl_json_object(&j) && pl_json_key(&j, &key) && pl_json_object(&j));
    CHECK(pl_json_key(&j, &key) && pl_json_skip(&j) && pl_json_key(&j, &key));
    struct pl_json here = j;
    pl_json_refuse(&j, PL_FAIL(JSON_UNKNOWN));
    pl_json_pointer(&j, got, sizeof(got));
    CHECK(strcmp(got, "/o/other") == 0);
    /* A bookmark goes on from where it was taken; missing fields name their object. */
    CHECK(pl_json_skip(&here) && !pl_json_key(&here, &key));
    pl_json_refuse(&here, PL_FAIL(JSON_MISSING));
    CHECK_ERR(pl_json_end(&here), JSON_MISSING);
    pl_json_pointer(&here, got, sizeof(got));
    CHECK(strcmp(got, "/o") == 0);
}

TEST(a_long_pointer_is_cut_at_a_character)
{
    struct pl_json j;
    char got[8];
    pl_json_init(&j, pl_span_str("{\"ab\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\":{\"x\":false}}"));
    walk(&j);
    for (size_t cap = 1; cap <= sizeof(got); cap++) {
        static const size_t want[] = {0, 0, 1, 2, 3, 3, 5, 5, 7};
        memset(got, 'x', sizeof(got));
        pl_json_pointer(&j, got, cap);
        CHECK(strlen(got) == want[cap]);
        CHECK(strncmp(got, "/ab\xc3\xa9\xc3\xa9", want[cap]) == 0);
    }
}

TEST(the_writer_separates_and_escapes)
{
    char out[512];
    struct pl_wr w = pl_wr_fixed(out, sizeof(out));
    struct pl_jw j = pl_jw(&w);
    pl_jw_open(&j, '{');
    pl_jw_key(&j, "a\"b");
    pl_jw_open(&j, '[');
    pl_jw_u64(&j, 0);
    pl_jw_u64(&j, 9007199254740991);
    pl_jw_i64(&j, -9007199254740991);
    pl_jw_bool(&j, true);
    pl_jw_bool(&j, false);
    pl_jw_null(&j);
    pl_jw_open(&j, '{');
    pl_jw_close(&j, '}');
    pl_jw_raw(&j, PL_LIT("[1]"));
    pl_jw_close(&j, ']');
    pl_jw_key(&j, "s");
    pl_jw_str(&j, pl_span("\0\x01\b\t\n\v\f\r\x1f \"\\/\x7f\xc3\xa9", 16));
    pl_jw_key(&j, "b");
    pl_jw_b64u(&j, PL_LIT("\xff\xfe\xfd\xfc"));
    pl_jw_key(&j, "h");
    pl_jw_hex(&j, PL_LIT("\xff\x00"));
    pl_jw_key(&j, "t");
    pl_jw_time(&j, 1769846400);
    pl_jw_key(&j, "e");
    pl_jw_text(&j, "");
    pl_jw_close(&j, '}');
    CHECK_OK(pl_wr_end(&w));
    CHECK_BYTES(pl_wr_span(&w),
                pl_span_str("{\"a\\\"b\":[0,9007199254740991,-9007199254740991,true,false,null,{},"
                            "[1]],\"s\":\"\\u0000\\u0001\\b\\t\\n\\u000b\\f\\r\\u001f \\\"\\\\/"
                            "\x7f\xc3\xa9\",\"b\":\"__79_A\",\"h\":\"ff00\","
                            "\"t\":\"2026-01-31T08:00:00Z\",\"e\":\"\"}"));
    CHECK_OK(whole(pl_wr_span(&w)));
}

TEST(the_writer_never_writes_what_is_not_utf8)
{
    char out[64];
    struct pl_wr w = pl_wr_fixed(out, sizeof(out));
    struct pl_jw j = pl_jw(&w);
    pl_jw_str(&j, PL_LIT("a\xed\xa0\x80"));
    CHECK_ERR(pl_wr_end(&w), NO_SPACE);
}

static pl_err jcs(const char *in, const char *want)
{
    struct pl_wr w PL_CLEANUP(pl_wr_free) = pl_wr_heap(1 << 20);
    struct pl_wr again PL_CLEANUP(pl_wr_free) = pl_wr_heap(1 << 20);
    PL_TRY(pl_jcs(&w, pl_span_str(in)));
    CHECK_BYTES(pl_wr_span(&w), pl_span_str(want));
    CHECK_OK(pl_jcs_check(&again, pl_wr_span(&w)));
    if (strcmp(in, want) != 0)
        CHECK_ERR(pl_jcs_check(&again, pl_span_str(in)), JCS_FORM);
    return PL_OK;
}

TEST(canonical_form_as_rfc_8785_says)
{
    CHECK_OK(jcs("null", "null"));
    CHECK_OK(jcs(" [ 56 , { \"d\" : true , \"10\" : null , \"1\" : [ ] } ] ",
                 "[56,{\"1\":[],\"10\":null,\"d\":true}]"));
    /* Of section 3.2.3 what has no control character, bidi letter or presentation form. */
    CHECK_OK(
        jcs("{\"\\u20ac\":\"Euro Sign\",\"1\":\"One\",\"\\ud83d\\ude00\":\"Emoji: Grinning Face\","
            "\"\\u00f6\":\"Latin Small Letter O With Diaeresis\"}",
            "{\"1\":\"One\",\"\xc3\xb6\":\"Latin Small Letter O With Diaeresis\","
            "\"\xe2\x82\xac\":\"Euro Sign\",\"\xf0\x9f\x98\x80\":\"Emoji: Grinning Face\"}"));
    /* UTF-16 order is not code point order: U+1F600 is before U+FF21. */
    CHECK_OK(jcs("{\"\xef\xbc\xa1\":1,\"\xf0\x9f\x98\x80\":2,\"\xe4\xb8\x80\":3,\"z\":4,\"\":5}",
                 "{\"\":5,\"z\":4,\"\xe4\xb8\x80\":3,\"\xf0\x9f\x98\x80\":2,\"\xef\xbc\xa1\":1}"));
    CHECK_OK(jcs("{\"a\\u005cb\":1,\"a\\\"\":\"\\/\\u0022\\u005c\",\"a!\":3,\"a\":4}",
                 "{\"a\":4,\"a!\":3,\"a\\\"\":\"/\\\"\\\\\",\"a\\\\b\":1}"));
    CHECK_OK(jcs("[-1,0,9007199254740991,-9007199254740991]",
                 "[-1,0,9007199254740991,-9007199254740991]"));
    CHECK_OK(jcs("{\"b\":{\"d\":[{\"z\":1,\"y\":2}],\"c\":{}},\"a\":{\"f\":0,\"e\":0}}",
                 "{\"a\":{\"e\":0,\"f\":0},\"b\":{\"c\":{},\"d\":[{\"y\":2,\"z\":1}]}}"));
    CHECK_OK(jcs("\"Gr\xc3\xbc\xc3\x9f"
                 "e, \xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82\"",
                 "\"Gr\xc3\xbc\xc3\x9f"
                 "e, \xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82\""));
}

TEST(what_has_no_canonical_form_is_refused)
{
    static const struct {
        const char *text;
        enum pl_code code;
    } cases[] = {
        {"1.5", PL_E_JSON_RANGE},
        {"1e3", PL_E_JSON_RANGE},
        {"-0", PL_E_JSON_RANGE},
        {"9007199254740992", PL_E_JSON_RANGE},
        {"\"\\n\"", PL_E_JCS_VALUE},
        {"\"\\u0000\"", PL_E_JCS_VALUE},
        {"\"\x7f\"", PL_E_JCS_VALUE},
        {"\"\xc2\x80\"", PL_E_JCS_VALUE},
        {"\"\\u202e\"", PL_E_JCS_VALUE},
        {"\"\\u2066\"", PL_E_JCS_VALUE},
        {"\"\\u200f\"", PL_E_JCS_VALUE},
        {"\"\\u061c\"", PL_E_JCS_VALUE},
        {"\"\\u200b\"", PL_E_JCS_VALUE},
        {"\"\\ufeff\"", PL_E_JCS_VALUE},
        {"\"\\u2028\"", PL_E_JCS_VALUE},
        {"\"e\\u0301\"", PL_E_JCS_VALUE},
        {"\"\\u212b\"", PL_E_JCS_VALUE},
        {"\"\\ufb33\"", PL_E_JCS_VALUE},
        {"\"\\u1100\\u1161\"", PL_E_JCS_VALUE},
        {"\"\\ue000\"", PL_E_JCS_VALUE},
        {"\"\\uffff\"", PL_E_JCS_VALUE},
        {"{\"a\\u0301\":1}", PL_E_JCS_VALUE},
        {"{\"a\":1,\"a\":1}", PL_E_JSON_DUPLICATE},
        {"[1] 2", PL_E_TRAILING},
        {"{\"a\":[1,{\"b\":\"\\n\"}]}", PL_E_JCS_VALUE},
    };
    uint8_t out[256];
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct pl_wr w = pl_wr_fixed(out, sizeof(out));
        pl_wr_str(&w, "before");
        test_err(pl_jcs(&w, pl_span_str(cases[i].text)), cases[i].code, cases[i].text,
                 __FILE_NAME__, __LINE__);
        CHECK(pl_span_is(pl_wr_span(&w), "before"));
    }
}

TEST(canonical_form_needs_room_and_says_so)
{
    static const char in[] = "{\"b\":1,\"a\":2}";
    uint8_t out[2 * sizeof(in)];
    for (size_t cap = 0; cap < sizeof(out); cap++) {
        struct pl_wr w = pl_wr_fixed(out, cap);
        pl_err e = pl_jcs(&w, PL_LIT("{\"b\":1,\"a\":2}"));
        if (cap >= 2 * (sizeof(in) - 1))
            CHECK_OK(e);
        else if (cap < sizeof(in) - 1)
            CHECK_ERR(e, NO_SPACE);
        CHECK(e != PL_OK || pl_span_is(pl_wr_span(&w), "{\"a\":2,\"b\":1}"));
    }
}

TEST(canonical_form_of_many_members_in_any_order)
{
    struct pl_wr up PL_CLEANUP(pl_wr_free) = pl_wr_heap(1 << 20);
    struct pl_wr mixed PL_CLEANUP(pl_wr_free) = pl_wr_heap(1 << 20);
    struct pl_wr got PL_CLEANUP(pl_wr_free) = pl_wr_heap(1 << 20);
    char text[64];
    for (unsigned step = 1; step < PL_JSON_KEYS_MAX; step += 102) {
        up.n = mixed.n = got.n = 0;
        for (unsigned i = 0; i < PL_JSON_KEYS_MAX; i++) {
            /* odd steps run through all residues of a power of two */
            unsigned k = (i * (step | 1) + 7) % PL_JSON_KEYS_MAX;
            snprintf(text, sizeof(text), "%s\"%04u\":{}", i ? "," : "{", i);
            pl_wr_str(&up, text);
            snprintf(text, sizeof(text), "%s \"%04u\" : {}", i ? "," : "{", k);
            pl_wr_str(&mixed, text);
        }
        pl_wr_str(&up, "}");
        pl_wr_str(&mixed, "}");
        CHECK_OK(pl_jcs(&got, pl_wr_span(&mixed)));
        CHECK_BYTES(pl_wr_span(&got), pl_wr_span(&up));
    }
}

TEST_MAIN()
