/* CBOR (RFC 8949) as evidence and authenticators carry it: a strict reader over pl_rd and a small
 * writer. Definite lengths, shortest heads, no floats, no simple values but true, false and null;
 * depth 8. Of its own and not libcbor, because that builds a tree on the heap before a bound can be
 * checked, and accepts longer heads and duplicate keys. Marks the reader bad on any violation. */
#ifndef PL_BASE_CBOR_H
#define PL_BASE_CBOR_H

#include "base/span.h"

enum pl_cbor {
    PL_CBOR_UINT = 0,
    PL_CBOR_NINT,
    PL_CBOR_BYTES,
    PL_CBOR_TEXT,
    PL_CBOR_ARRAY,
    PL_CBOR_MAP,
    PL_CBOR_TAG,
    PL_CBOR_SIMPLE,
};

/* The argument of the next head, which must be of this major type: a value, length or count. */
uint64_t pl_cbor_head(struct pl_rd *r, enum pl_cbor major);
struct pl_span pl_cbor_bytes(struct pl_rd *r);
struct pl_span pl_cbor_text(struct pl_rd *r); /* not checked to be UTF-8: compare, do not show */
/* Any well-formed item. */
void pl_cbor_skip(struct pl_rd *r);
/* A map whose keys are text, each once, at most 64 pairs: the value of `key` as a reader over that
 * item alone; false (and not bad) when it is not there. The reader itself steps over the map. */
bool pl_cbor_map_find(struct pl_rd *r, const char *key, struct pl_rd *out_value);

void pl_cbor_put(struct pl_wr *w, enum pl_cbor major, uint64_t argument);
void pl_cbor_put_bytes(struct pl_wr *w, struct pl_span s);
void pl_cbor_put_text(struct pl_wr *w, const char *s);

#endif
