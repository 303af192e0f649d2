/* What the parts of JSON share: see json.h for everything else. */
#ifndef PL_BASE_JSON_INTERNAL_H
#define PL_BASE_JSON_INTERNAL_H

#include "base/json.h"

/* Steps into a string; JSON_TYPE when the next value is none. */
bool pl_json_string(struct pl_json *j);
/* Its next part: a run of bytes as they stand (valid UTF-8, no quote, backslash or control
 * character), or one resolved escape in tmp. False behind the closing quote, and on error. */
bool pl_json_piece(struct pl_json *j, struct pl_span *out, uint8_t tmp[static 4]);

/* Writes a character that is no surrogate; its length. */
size_t pl_utf8_put(uint8_t out[static 4], uint32_t c);
void pl_json_decimal(struct pl_wr *w, uint64_t v);

#endif
