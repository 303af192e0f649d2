/* DER (X.690): a strict reader over pl_rd and a small writer. Definite minimal lengths, at most
 * 2^24 - 1 bytes, single-byte tags. */
#ifndef PL_BASE_DER_H
#define PL_BASE_DER_H

#include "base/span.h"

enum {
    PL_DER_BOOL = 0x01,
    PL_DER_INT = 0x02,
    PL_DER_BITS = 0x03,
    PL_DER_OCTETS = 0x04,
    PL_DER_NULL = 0x05,
    PL_DER_OID = 0x06,
    PL_DER_ENUM = 0x0a,
    PL_DER_UTF8 = 0x0c,
    PL_DER_PRINTABLE = 0x13,
    PL_DER_IA5 = 0x16,
    PL_DER_UTCTIME = 0x17,
    PL_DER_GENTIME = 0x18,
    PL_DER_SEQ = 0x30,
    PL_DER_SET = 0x31,
    PL_DER_CTX = 0xa0, /* | n: context-specific, constructed */
};

/* The next element of any tag: its contents, and (out_whole may be NULL) all its bytes. Marks the
 * reader bad and returns an empty span on any violation. */
struct pl_span pl_der_any(struct pl_rd *r, uint8_t *out_tag, struct pl_span *out_whole);
/* The next element, which must have this tag. */
struct pl_span pl_der(struct pl_rd *r, uint8_t tag);
bool pl_der_next_is(const struct pl_rd *r, uint8_t tag);
/* A non-negative INTEGER of at most 8 bytes. */
uint64_t pl_der_u64(struct pl_rd *r);
/* A non-negative INTEGER's magnitude without leading zero. */
struct pl_span pl_der_uint(struct pl_rd *r);
/* UTCTime or GeneralizedTime in the forms RFC 5280 allows, as seconds since 1970. */
int64_t pl_der_time(struct pl_rd *r);

/* Writer: open an element, write its contents with pl_wr_*, close it. Nesting as the caller does.
 */
size_t pl_der_open(struct pl_wr *w, uint8_t tag);
void pl_der_close(struct pl_wr *w, size_t opened);
void pl_der_put(struct pl_wr *w, uint8_t tag, struct pl_span contents);
void pl_der_put_uint(struct pl_wr *w, struct pl_span magnitude);
void pl_der_put_u64(struct pl_wr *w, uint64_t v);
void pl_der_put_time(struct pl_wr *w, int64_t s); /* UTCTime before 2050, as RFC 5280 4.1.2.5 */

#endif
