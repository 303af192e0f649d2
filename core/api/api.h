/* The wire: messages as structs, read from JSON and written to it within the bounds of api.def.
 *
 * Each PL_MSG(name) of api.def is a struct pl_api_<name> with a member for each field, and
 *
 *     pl_api_read_<name>(&out, &in)     JSON in, struct out
 *     pl_api_write_<name>(w, &m)        struct in, JSON out
 *
 * Members:
 *     HEX, BYTES                 uint8_t f[n]
 *     B64U, RAW                  struct pl_span f
 *     STR                        const char *f, without U+0000
 *     U53, BOOL                  uint64_t f, bool f
 *     TIME                       int64_t f, seconds since 1970
 *     ENUM                       enum pl_api_<of> f; 0 is no value
 *     HEXES, B64US, STRS, RAWS   struct pl_spans f; those of STRS have a NUL behind them
 *     MSGS                       struct {const struct pl_api_<of> *v; size_t n;} f
 * An optional field has a bool has_<f> before it; it is zero when absent.
 *
 *     struct pl_api_create m;
 *     struct pl_api_in in = {.body = body, .scratch = &arena};
 *     pl_err e = pl_api_read_create(&m, &in);     on error in.pointer names the offender
 *
 * What is read is borrowed: raw values from the body, everything else from scratch; both must stay
 * until the message is done with. Bodies carry secrets (create.share, released.share): scratch is
 * an arena whose release wipes, the body is the caller's to wipe, and so is what an answer is
 * written into. Nothing else is allocated; the stack needs less than 40 KiB.
 *
 * Reading proves form and bounds. Still to be checked by whoever acts on a message:
 *     session    index, count and path fit together; evidence comes with index and count
 *     create     raw_share has commitment, generation, share and tag, other types none of them
 *     type       is known and built
 *     carriers   (statements, key lists, entries) are not looked into
 *     anchor     has exactly one of key_id and instance_id; descriptor: k <= n = number of vaults
 *
 * The calls with their requests and answers are in route.def, limits in limit.def.
 * Nothing depends on locale, clock or environment; safe from any thread on distinct objects.
 */
#ifndef PL_API_API_H
#define PL_API_API_H

#include "base/base.h"

#define PL_U53_MAX ((UINT64_C(1) << 53) - 1)

/* Limits: enum constants PL_LIMIT_<NAME>. */
enum {
#define PL_LIMIT(name, value, unit, what, past) PL_LIMIT_##name = (value),
#include "api/limit.def"
#undef PL_LIMIT
};

/* ---- Enumerations and messages, as api.def lists them ---------------------------------------- */

struct pl_spans {
    const struct pl_span *v;
    size_t n;
};

/* enum pl_api_<name>, constants PL_API_<CONSTANT>; 0 is none of them. */
/* clang-format off */
#define PL_ENUM(name) enum pl_api_##name { PL_API_##name##_none = 0,
#define PL_WORD(of, name, word) PL_API_##name,
#define PL_ENUM_END(name) PL_API_##name##_end };
#include "api/api.def"

#define PL_HAS_REQ(name)
#define PL_HAS_OPT(name)             bool has_##name;
#define PL_DECL_HEX(name, max, of)   uint8_t name[max];
#define PL_DECL_BYTES(name, max, of) uint8_t name[max];
#define PL_DECL_B64U(name, max, of)  struct pl_span name;
#define PL_DECL_RAW(name, max, of)   struct pl_span name;
#define PL_DECL_STR(name, max, of)   const char *name;
#define PL_DECL_U53(name, max, of)   uint64_t name;
#define PL_DECL_BOOL(name, max, of)  bool name;
#define PL_DECL_TIME(name, max, of)  int64_t name;
#define PL_DECL_ENUM(name, max, of)  enum pl_api_##of name;
#define PL_DECL_CONST(name, max, of)
#define PL_DECL_HEXES(name, max, of) struct pl_spans name;
#define PL_DECL_B64US(name, max, of) struct pl_spans name;
#define PL_DECL_STRS(name, max, of)  struct pl_spans name;
#define PL_DECL_RAWS(name, max, of)  struct pl_spans name;
#define PL_DECL_MSGS(name, max, of)                                                                \
    struct {                                                                                       \
        const struct pl_api_##of *v;                                                               \
        size_t n;                                                                                  \
    } name;

#define PL_MSG(name, text) struct pl_api_##name {
#define PL_FIELD(msg, need, kind, name, min, max, count, of, text)                                 \
    PL_HAS_##need(name) PL_DECL_##kind(name, max, of)
#define PL_MSG_END(name) };
#include "api/api.def"
/* clang-format on */

#undef PL_HAS_REQ
#undef PL_HAS_OPT
#undef PL_DECL_HEX
#undef PL_DECL_BYTES
#undef PL_DECL_B64U
#undef PL_DECL_RAW
#undef PL_DECL_STR
#undef PL_DECL_U53
#undef PL_DECL_BOOL
#undef PL_DECL_TIME
#undef PL_DECL_ENUM
#undef PL_DECL_CONST
#undef PL_DECL_HEXES
#undef PL_DECL_B64US
#undef PL_DECL_STRS
#undef PL_DECL_RAWS
#undef PL_DECL_MSGS

enum pl_api_msg {
    PL_API_NONE = 0,
#define PL_MSG(name, text) PL_API_##name,
#include "api/api.def"
    PL_API_COUNT
};

/* ---- Reading and writing ----------------------------------------------------------------------
 */

struct pl_api_in {
    struct pl_span body;
    struct pl_arena *scratch;
    char pointer[PL_JSON_POINTER_MAX]; /* filled on error */
};

/* The most scratch that a message can take, in bytes, whatever the body: create 70 KiB, others
 * less; descriptor and entry_page, which no vault reads, up to 1 MiB. */
size_t pl_api_scratch(enum pl_api_msg kind);

/* Unknown, missing or repeated fields, and values of wrong type, length or range are refused:
 * JSON_*, ENCODING, TIME_FORMAT. NO_MEMORY when scratch is full. *out is zeroed on error; scratch
 * keeps what was taken until the caller releases it. */
PL_CHECKED pl_err pl_api_read(enum pl_api_msg kind, void *out, struct pl_api_in *in);
/* Appends the message, in canonical form when its raw parts are. A field out of its bounds is
 * refused (JSON_LENGTH, JSON_RANGE, JSON_VALUE) and w is as before. NO_SPACE. */
PL_CHECKED pl_err pl_api_write(enum pl_api_msg kind, struct pl_wr *w, const void *m);

#define PL_MSG(name, text)                                                                         \
    static inline PL_CHECKED pl_err pl_api_read_##name(struct pl_api_##name *out,                  \
                                                       struct pl_api_in *in)                       \
    {                                                                                              \
        return pl_api_read(PL_API_##name, out, in);                                                \
    }                                                                                              \
    static inline PL_CHECKED pl_err pl_api_write_##name(struct pl_wr *w,                           \
                                                        const struct pl_api_##name *m)             \
    {                                                                                              \
        return pl_api_write(PL_API_##name, w, m);                                                  \
    }
#include "api/api.def"

/* The word of an enumeration's value, and the value of a word (0: none). */
#define PL_ENUM(name)                                                                              \
    const char *pl_api_##name##_word(enum pl_api_##name v);                                        \
    enum pl_api_##name pl_api_##name##_of(struct pl_span word);
#include "api/api.def"

/* ---- Errors -----------------------------------------------------------------------------------
 */

/* "quote-truncated": the code's name as the wire writes it. */
enum { PL_CODE_TEXT = 64 };
void pl_api_code(char out[static PL_CODE_TEXT], enum pl_code c);
/* The code of such a name; PL_E_BUG when this build knows none. */
enum pl_code pl_api_code_of(struct pl_span text);

/* Fills code, type, title, status and retry for c; text is their storage. request_id and everything
 * optional is left zero, for the caller to add. What may be told to whom is the caller's choice. */
struct pl_problem_text {
    char code[PL_CODE_TEXT], type[96];
};
void pl_api_problem(struct pl_api_problem *out, struct pl_problem_text *text, enum pl_code c);

#endif
