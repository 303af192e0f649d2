/* JSON (RFC 8259) as Pleiad accepts it: a pull reader over received bytes that builds no tree and
 * allocates nothing, a writer, and the canonical form (RFC 8785).
 *
 * Refused: depth over 16, a key twice in one object (compared after resolving escapes), invalid
 * UTF-8, lone surrogates, anything after the value. The reader's error is sticky: after the first
 * one every call returns false, and pl_json_end reports it with the JSON pointer of the place.
 *
 *     struct pl_json j;
 *     pl_json_init(&j, body);
 *     struct pl_span key;
 *     for (pl_json_object(&j); pl_json_key(&j, &key);) {
 *         if (pl_span_is(key, "count")) pl_json_u53(&j, 1000, &count);
 *         else pl_json_refuse(&j, PL_FAIL(JSON_UNKNOWN));
 *     }
 *     PL_TRY(pl_json_end(&j));
 */
#ifndef PL_BASE_JSON_H
#define PL_BASE_JSON_H

#include "base/span.h"

enum {
    PL_JSON_DEPTH_MAX = 16,
    PL_JSON_KEYS_MAX = 512,    /* keys of all objects open at one time */
    PL_JSON_KEY_BYTES = 128,   /* a key after resolving escapes; a longer one is refused */
    PL_JSON_POINTER_MAX = 256, /* room for a pointer worth reporting, with its NUL */
};

enum pl_json_type {
    PL_JSON_NONE = 0, /* an error, or nothing here */
    PL_JSON_OBJECT,
    PL_JSON_ARRAY,
    PL_JSON_STRING,
    PL_JSON_NUMBER,
    PL_JSON_BOOL,
    PL_JSON_NULL,
};

/* Private; about 5 KiB. Copying one in mid-document is allowed (a bookmark). */
struct pl_json {
    const uint8_t *begin, *p, *end;
    pl_err err;
    unsigned depth;
    bool pending; /* a value comes next and has not been read */
    struct pl_json_level {
        bool object;
        bool comma;         /* a comma must come before the next member or element */
        bool named;         /* key_at or index says what is being read */
        uint16_t keys_from; /* index of this object's first key hash */
        uint32_t index;     /* arrays: the element that is being read */
        uint32_t key_at;    /* objects: offset of the current key, behind its quote */
    } level[PL_JSON_DEPTH_MAX];
    uint16_t keys;
    uint64_t key_hash[PL_JSON_KEYS_MAX];
    uint8_t key_text[PL_JSON_KEY_BYTES];
};

/* `in` stays in use until the pointer of an error has been asked for. */
void pl_json_init(struct pl_json *j, struct pl_span in);

/* The type of the value that comes next; moves nothing but white space. NONE without an error where
 * no value can come (the document has been read, or a key must be read first). */
enum pl_json_type pl_json_peek(struct pl_json *j);

/* Step into an object or array; JSON_TYPE otherwise. */
bool pl_json_object(struct pl_json *j);
bool pl_json_array(struct pl_json *j);
/* The next member's key (escapes resolved; valid until the next key is read), or false at the end
 * of the object, which is then left, or after an error. The value must be read before the next. */
bool pl_json_key(struct pl_json *j, struct pl_span *out_key);
/* Is there a further element? False at the end of the array, which is then left, or on error. */
bool pl_json_item(struct pl_json *j);

/* Scalars. Each consumes the value; on a wrong type or range sets the error and returns false. */
bool pl_json_bool(struct pl_json *j, bool *out);
bool pl_json_null(struct pl_json *j);
bool pl_json_u53(struct pl_json *j, uint64_t max, uint64_t *out); /* integer 0..max, max < 2^53 */
bool pl_json_i53(struct pl_json *j, int64_t *out);
/* A string with escapes resolved, copied to out and NUL-terminated; JSON_LENGTH unless its length
 * is in [min, cap - 1]; a string with U+0000 is refused. out_n may be NULL. */
bool pl_json_str(struct pl_json *j, char *out, size_t cap, size_t min, size_t *out_n);
/* The same without a copy: only for strings without escapes (others: JSON_VALUE). Borrowed. */
bool pl_json_plain(struct pl_json *j, struct pl_span *out);
/* Encoded bytes: JSON_LENGTH when they do not fit, ENCODING when the text is not canonical. */
bool pl_json_b64u(struct pl_json *j, uint8_t *out, size_t cap, size_t *out_n);
bool pl_json_b64u_exact(struct pl_json *j, uint8_t *out, size_t n);
bool pl_json_hex_exact(struct pl_json *j, uint8_t *out, size_t n);
bool pl_json_time(struct pl_json *j, int64_t *out_s);
/* Any value, checked whole (depth, duplicates, UTF-8, number syntax but not number range); its
 * bytes as received, without surrounding white space. Borrowed. */
bool pl_json_raw(struct pl_json *j, struct pl_span *out);
bool pl_json_skip(struct pl_json *j);

/* Sets the error from outside (first one wins), at the value that was read last. */
void pl_json_refuse(struct pl_json *j, pl_err e);
/* PL_OK when the document was read to its end without error; BUG when the caller left some unread.
 */
PL_CHECKED pl_err pl_json_end(struct pl_json *j);
/* RFC 6901 pointer of where the error is ("" is the document), NUL-terminated, cut at a character
 * when longer than cap - 1. For a missing comma, bracket or key it names the enclosing container.
 */
void pl_json_pointer(const struct pl_json *j, char *out, size_t cap);

/* Writer on a pl_wr: commas and quoting are its own; nesting is checked by assertion. What
 * overflows the pl_wr sets its sticky error. */
struct pl_jw {
    struct pl_wr *w;
    unsigned depth;
    bool comma[PL_JSON_DEPTH_MAX + 1];
    bool after_key;
};

struct pl_jw pl_jw(struct pl_wr *w);
void pl_jw_open(struct pl_jw *j, char bracket);  /* '{' or '[' */
void pl_jw_close(struct pl_jw *j, char bracket); /* '}' or ']' */
void pl_jw_key(struct pl_jw *j, const char *key);
void pl_jw_str(struct pl_jw *j, struct pl_span s); /* escapes as RFC 8785; not UTF-8: w->bad */
void pl_jw_text(struct pl_jw *j, const char *s);
void pl_jw_u64(struct pl_jw *j, uint64_t v); /* below 2^53, asserted */
void pl_jw_i64(struct pl_jw *j, int64_t v);
void pl_jw_bool(struct pl_jw *j, bool v);
void pl_jw_null(struct pl_jw *j);
void pl_jw_b64u(struct pl_jw *j, struct pl_span s);
void pl_jw_hex(struct pl_jw *j, struct pl_span s);
void pl_jw_time(struct pl_jw *j, int64_t s);
void pl_jw_raw(struct pl_jw *j, struct pl_span json); /* trusted to be one JSON value */

/* Canonical form, RFC 8785, with Pleiad's narrowing: numbers are integers written without fraction
 * or exponent, below 2^53 in magnitude, no -0 (else JSON_RANGE); strings and keys hold no control,
 * format or bidi character and are surely NFC (only scripts that are written without combining
 * marks: the ranges are in json_jcs.c; else JCS_VALUE). So two texts with one canonical form say
 * the same. Appends to out, and while it sorts uses up to as much room again behind what it wrote:
 * a fixed writer needs twice the length. Work is bounded by the limits above: O(n * depth). */
PL_CHECKED pl_err pl_jcs(struct pl_wr *out, struct pl_span in);
/* Is `in` already its own canonical form? scratch: any writer; its content is used up. PL_OK, or
 * JCS_FORM when it is valid but not canonical, or why it has no canonical form. */
PL_CHECKED pl_err pl_jcs_check(struct pl_wr *scratch, struct pl_span in);

/* Length (1 to 4) of the UTF-8 character at p, or 0 when it is none: overlong, a surrogate, past
 * U+10FFFF, cut short. p < end. */
size_t pl_utf8_one(const uint8_t *p, const uint8_t *end);
bool pl_utf8_ok(struct pl_span s);

#endif
