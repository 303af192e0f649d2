#include "api/internal.h"

/* clang-format off */
#define PL_ENUM(name)           static const char *const words_##name[] = {"",
#define PL_WORD(of, name, word) word,
#define PL_ENUM_END(name)       NULL};
#include "api/api.def"
/* clang-format on */

#define AT_HEX(m, f)   (uint16_t) offsetof(struct pl_api_##m, f)
#define AT_BYTES       AT_HEX
#define AT_B64U        AT_HEX
#define AT_STR         AT_HEX
#define AT_U53         AT_HEX
#define AT_BOOL        AT_HEX
#define AT_TIME        AT_HEX
#define AT_ENUM        AT_HEX
#define AT_RAW         AT_HEX
#define AT_CONST(m, f) 0
#define AT_HEXES       AT_HEX
#define AT_B64US       AT_HEX
#define AT_STRS        AT_HEX
#define AT_RAWS        AT_HEX
#define AT_MSGS        AT_HEX

#define HAS_REQ(m, f) .optional = false
#define HAS_OPT(m, f) .optional = true, .has_at = (uint16_t)offsetof(struct pl_api_##m, has_##f)

#define OF_HEX(x)   .of = PL_API_NONE
#define OF_BYTES    OF_HEX
#define OF_B64U     OF_HEX
#define OF_STR      OF_HEX
#define OF_U53      OF_HEX
#define OF_BOOL     OF_HEX
#define OF_TIME     OF_HEX
#define OF_ENUM(x)  .words = words_##x
#define OF_RAW      OF_HEX
#define OF_CONST(x) .text = x
#define OF_HEXES    OF_HEX
#define OF_B64US    OF_HEX
#define OF_STRS     OF_HEX
#define OF_RAWS     OF_HEX
#define OF_MSGS(x)  .of = PL_API_##x

/* clang-format off */
#define PL_MSG(name, text_) static const struct pl_api_field fields_##name[] = {
#define PL_FIELD(msg, need, kind_, name_, min_, max_, count_, of, text_)                           \
    {.name = #name_, .kind = PL_F_##kind_, HAS_##need(msg, name_), .at = AT_##kind_(msg, name_),   \
     .count = count_, .min = min_, .max = max_, OF_##kind_(of)},
#define PL_MSG_END(name) };
#include "api/api.def"
/* clang-format on */

static const struct pl_api_row rows[] = {
    [PL_API_NONE] = {"", NULL, 0, 0},
#define PL_MSG(name, text)                                                                         \
    [PL_API_##name] = {#name, fields_##name, sizeof(fields_##name) / sizeof(fields_##name[0]),     \
                       sizeof(struct pl_api_##name)},
#include "api/api.def"
};

const struct pl_api_row *pl_api_row(enum pl_api_msg kind)
{
    PL_ASSERT(kind > PL_API_NONE && kind < PL_API_COUNT);
    return &rows[kind];
}

static unsigned word_of(const char *const *words, struct pl_span word)
{
    for (unsigned i = 1; words[i]; i++)
        if (pl_span_is(word, words[i]))
            return i;
    return 0;
}

#define PL_ENUM(name)                                                                              \
    const char *pl_api_##name##_word(enum pl_api_##name v)                                         \
    {                                                                                              \
        return (unsigned)v < (unsigned)PL_API_##name##_end ? words_##name[v] : "";                 \
    }                                                                                              \
    enum pl_api_##name pl_api_##name##_of(struct pl_span word)                                     \
    {                                                                                              \
        return (enum pl_api_##name)word_of(words_##name, word);                                    \
    }
#include "api/api.def"
