/* Bytes: borrowed spans, one reader, one writer. Reader and writer carry a sticky error, so a
 * parser reads a whole structure and checks once. */
#ifndef PL_BASE_SPAN_H
#define PL_BASE_SPAN_H

#include "base/err.h"

/* Borrowed bytes; p may be NULL when n is 0. Never owns. */
struct pl_span {
    const uint8_t *p;
    size_t n;
};

static inline struct pl_span pl_span(const void *p, size_t n)
{
    return (struct pl_span){(const uint8_t *)p, n};
}
/* The bytes of an array, and of a string literal without its NUL. */
#define PL_ARR(a) pl_span((a), sizeof(a))
#define PL_LIT(s) pl_span("" s, sizeof(s) - 1)
struct pl_span pl_span_str(const char *s); /* s without its NUL; NULL: empty */

bool pl_span_eq(struct pl_span a, struct pl_span b); /* not constant time: public bytes only */
bool pl_span_is(struct pl_span a, const char *s);
bool pl_span_zero(struct pl_span a); /* all bytes 0 (also when empty); not constant time */
/* Bytes [from, from + n) of a; out of range aborts (a caller's bug). */
struct pl_span pl_span_sub(struct pl_span a, size_t from, size_t n);

/* Reader over borrowed bytes. After a short read `bad` stays set and every read gives zeros. */
struct pl_rd {
    const uint8_t *p, *end;
    bool bad;
};

struct pl_rd pl_rd(struct pl_span s);
uint8_t pl_rd_u8(struct pl_rd *r);
uint16_t pl_rd_be16(struct pl_rd *r);
uint32_t pl_rd_be32(struct pl_rd *r);
uint64_t pl_rd_be64(struct pl_rd *r);
uint16_t pl_rd_le16(struct pl_rd *r);
uint32_t pl_rd_le32(struct pl_rd *r);
struct pl_span pl_rd_bytes(struct pl_rd *r, size_t n);       /* n bytes, borrowed */
void pl_rd_copy(struct pl_rd *r, uint8_t *out, size_t n);    /* zeros when short */
struct pl_span pl_rd_vec(struct pl_rd *r, size_t max_bytes); /* be32 length, then the bytes */
size_t pl_rd_left(const struct pl_rd *r);
/* PL_OK when nothing went wrong and nothing is left; TRUNCATED or TRAILING otherwise. */
PL_CHECKED pl_err pl_rd_end(const struct pl_rd *r);

/* Writer. Either over the caller's memory (pl_wr_fixed; never allocates) or growing on the heap up
 * to `max` bytes (pl_wr_heap; pl_wr_free wipes and frees). After an overflow `bad` stays set and
 * nothing more is written; `n` is then the length that had been written. */
struct pl_wr {
    uint8_t *p;
    size_t n, cap, max;
    bool heap, bad;
};

struct pl_wr pl_wr_fixed(void *p, size_t cap);
struct pl_wr pl_wr_heap(size_t max_bytes);
void pl_wr_free(struct pl_wr *w); /* wipes; for fixed writers only forgets. NULL allowed */
void pl_wr_u8(struct pl_wr *w, uint8_t v);
void pl_wr_be16(struct pl_wr *w, uint16_t v);
void pl_wr_be32(struct pl_wr *w, uint32_t v);
void pl_wr_be64(struct pl_wr *w, uint64_t v);
void pl_wr_le16(struct pl_wr *w, uint16_t v);
void pl_wr_le32(struct pl_wr *w, uint32_t v);
void pl_wr_bytes(struct pl_wr *w, struct pl_span s);
void pl_wr_str(struct pl_wr *w, const char *s); /* without the NUL */
void pl_wr_zeros(struct pl_wr *w, size_t n);
void pl_wr_vec(struct pl_wr *w, struct pl_span s); /* be32 length, then the bytes */
/* Room for n bytes that the caller fills at once; NULL when there is none. */
uint8_t *pl_wr_take(struct pl_wr *w, size_t n);
struct pl_span pl_wr_span(const struct pl_wr *w); /* what was written; valid until the next write */
/* PL_OK, or NO_SPACE when something did not fit. */
PL_CHECKED pl_err pl_wr_end(const struct pl_wr *w);

#define PL_CLEANUP(f) __attribute__((cleanup(f)))

#endif
