/* The reader and the writer against jansson. Both must accept the same texts, but for:
 *   only Pleiad refuses:  depth over 16, more than 512 open keys, keys over 128 bytes
 *   only jansson refuses: numbers that no double holds, U+0000 in a key
 * A zero byte is JSON nowhere, but jansson drops one that follows a number or a word: such texts
 * must only be refused.
 * What both accept is copied by our reader and writer; jansson must find the copy equal. */
#include "fuzz.h"

#include <jansson.h>
#include <string.h>

static void copy_value(struct pl_json *j, struct pl_jw *w, char *text, size_t cap);

static void copy_object(struct pl_json *j, struct pl_jw *w, char *text, size_t cap)
{
    struct pl_span key;
    char name[PL_JSON_KEY_BYTES + 1];
    pl_jw_open(w, '{');
    for (pl_json_object(j); pl_json_key(j, &key);) {
        memcpy(name, key.p, key.n);
        name[key.n] = 0;
        pl_jw_key(w, name);
        copy_value(j, w, text, cap);
    }
    pl_jw_close(w, '}');
}

static void copy_array(struct pl_json *j, struct pl_jw *w, char *text, size_t cap)
{
    pl_jw_open(w, '[');
    for (pl_json_array(j); pl_json_item(j);)
        copy_value(j, w, text, cap);
    pl_jw_close(w, ']');
}

/* Scalars by their own calls where these take them, otherwise raw. */
static void copy_scalar(struct pl_json *j, struct pl_jw *w, char *text, size_t cap)
{
    struct pl_json back = *j;
    struct pl_span raw;
    int64_t i;
    size_t n;
    bool b;
    enum pl_json_type t = pl_json_peek(j);
    if (t == PL_JSON_STRING && pl_json_str(j, text, cap, 0, &n)) {
        pl_jw_str(w, pl_span(text, n));
    } else if (t == PL_JSON_NUMBER && pl_json_i53(j, &i)) {
        pl_jw_i64(w, i);
    } else if (t == PL_JSON_BOOL && pl_json_bool(j, &b)) {
        pl_jw_bool(w, b);
    } else {
        *j = back;
        FUZZ_CHECK(pl_json_raw(j, &raw));
        pl_jw_raw(w, raw);
    }
}

static void copy_value(struct pl_json *j, struct pl_jw *w, char *text, size_t cap)
{
    enum pl_json_type t = pl_json_peek(j);
    if (t == PL_JSON_OBJECT)
        copy_object(j, w, text, cap);
    else if (t == PL_JSON_ARRAY)
        copy_array(j, w, text, cap);
    else
        copy_scalar(j, w, text, cap);
}

static void compare(struct pl_span in, const json_t *theirs)
{
    struct pl_wr w PL_CLEANUP(pl_wr_free) = pl_wr_heap(16 * in.n + 64);
    struct pl_jw jw = pl_jw(&w);
    struct pl_json j;
    char *text = malloc(in.n + 1);
    FUZZ_CHECK(text != NULL);
    pl_json_init(&j, in);
    copy_value(&j, &jw, text, in.n + 1);
    FUZZ_CHECK(pl_json_end(&j) == PL_OK && pl_wr_end(&w) == PL_OK);
    json_t *again = json_loadb((const char *)w.p, w.n, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    FUZZ_CHECK(again && json_equal(theirs, again));
    json_decref(again);
    free(text);
}

static void check_pointer(const struct pl_json *j, pl_err e)
{
    char pointer[PL_JSON_POINTER_MAX];
    pl_json_pointer(j, pointer, sizeof(pointer));
    FUZZ_CHECK(pointer[0] == 0 || pointer[0] == '/');
    FUZZ_CHECK(pl_utf8_ok(pl_span_str(pointer)));
    FUZZ_CHECK(pl_err_code(e) != PL_E_BUG);
}

static bool only_ours(enum pl_code c)
{
    return c == PL_E_JSON_DEPTH || c == PL_E_JSON_KEYS || c == PL_E_JSON_LENGTH;
}

static bool only_theirs(enum json_error_code c)
{
    return c == json_error_numeric_overflow || c == json_error_null_byte_in_key;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pl_span in = pl_span(data, size), raw;
    struct pl_json j;
    json_error_t why;
    pl_json_init(&j, in);
    pl_json_raw(&j, &raw);
    pl_err e = pl_json_end(&j);
    check_pointer(&j, e);
    if (size > 0 && memchr(data, 0, size)) {
        FUZZ_CHECK(e != PL_OK);
        return 0;
    }
    json_t *theirs = json_loadb((const char *)data, size,
                                JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &why);
    if (e == PL_OK && theirs)
        compare(in, theirs);
    else if (e == PL_OK)
        FUZZ_CHECK(only_theirs(json_error_code(&why)));
    else if (theirs)
        FUZZ_CHECK(only_ours(pl_err_code(e)));
    json_decref(theirs);
    return 0;
}
