/* The rows of api.def, as the codec, the generator of documents and the tests see them. */
#ifndef PL_API_INTERNAL_H
#define PL_API_INTERNAL_H

#include "api/api.h"

enum pl_api_kind {
    PL_F_HEX = 1,
    PL_F_BYTES,
    PL_F_B64U,
    PL_F_STR,
    PL_F_U53,
    PL_F_BOOL,
    PL_F_TIME,
    PL_F_ENUM,
    PL_F_RAW,
    PL_F_CONST,
    PL_F_HEXES,
    PL_F_B64US,
    PL_F_STRS,
    PL_F_RAWS,
    PL_F_MSGS,
};

struct pl_api_field {
    const char *name;
    enum pl_api_kind kind;
    bool optional;
    uint16_t at, has_at; /* offsets of the member, and of its has_ */
    uint16_t count;      /* arrays */
    uint64_t min, max;
    const char *text;         /* CONST */
    const char *const *words; /* ENUM, from 1; ends with NULL */
    enum pl_api_msg of;       /* MSGS */
};

struct pl_api_row {
    const char *name;
    const struct pl_api_field *field;
    size_t fields, size; /* how many; bytes of the struct */
};

/* PL_ASSERTs that there is such a message. */
const struct pl_api_row *pl_api_row(enum pl_api_msg kind);

#endif
