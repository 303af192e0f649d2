/* The reader, one call at a time, from every place in a span; the DER reader on it; the writer into
 * memory of each size. */
#include "proof.h"

/* What was read lies in the bytes, and the reader stays in them. */
static void read_inside(const struct pl_rd *r, struct pl_span s, struct pl_span in)
{
    PROOF_CLAIM(s.n <= in.n && (s.n == 0 || (s.p >= in.p && s.p + s.n <= in.p + in.n)));
    PROOF_CLAIM(r->p >= in.p && r->p <= in.p + in.n && r->end == in.p + in.n);
}

static void reads(struct pl_rd *r, struct pl_span in)
{
    uint8_t out[MAX];
    struct pl_span s = pl_span(NULL, 0);
    switch (each(8)) {
    case 0:
        pl_rd_u8(r);
        break;
    case 1:
        pl_rd_be16(r);
        break;
    case 2:
        pl_rd_be32(r);
        break;
    case 3:
        pl_rd_be64(r);
        break;
    case 4:
        pl_rd_le16(r);
        break;
    case 5:
        pl_rd_le32(r);
        break;
    case 6:
        s = pl_rd_bytes(r, some(SIZE_MAX));
        break;
    case 7:
        pl_rd_copy(r, out, each(MAX));
        break;
    case 8:
        s = pl_rd_vec(r, some(SIZE_MAX));
        break;
    }
    read_inside(r, s, in);
}

static void der(struct pl_rd *r, struct pl_span in)
{
    struct pl_span s = pl_span(NULL, 0), whole;
    uint8_t tag;
    switch (each(5)) {
    case 0:
        s = pl_der_any(r, &tag, &whole);
        break;
    case 1:
        s = pl_der(r, (uint8_t)some(UINT8_MAX));
        break;
    case 2:
        pl_der_next_is(r, (uint8_t)some(UINT8_MAX));
        break;
    case 3:
        pl_der_u64(r);
        break;
    case 4:
        s = pl_der_uint(r);
        break;
    case 5:
        pl_der_time(r);
        break;
    }
    read_inside(r, s, in);
}

static void writes(struct pl_wr *w, struct pl_span s)
{
    switch (each(8)) {
    case 0:
        pl_wr_u8(w, 1);
        break;
    case 1:
        pl_wr_be16(w, 1);
        break;
    case 2:
        pl_wr_be32(w, 1);
        break;
    case 3:
        pl_wr_be64(w, 1);
        break;
    case 4:
        pl_wr_le16(w, 1);
        break;
    case 5:
        pl_wr_le32(w, 1);
        break;
    case 6:
        pl_wr_bytes(w, s);
        break;
    case 7:
        pl_wr_zeros(w, s.n);
        break;
    case 8:
        pl_wr_vec(w, s);
        break;
    }
    PROOF_CLAIM(w->n <= w->cap);
}

int main(void)
{
    enum { READ, DER, WRITE };
    size_t n = each(MAX);
    struct pl_span in = pl_span(proof_bytes(n), n);
    struct pl_rd r = pl_rd(in);
    if (OP == WRITE) {
        struct pl_wr w = pl_wr_fixed((uint8_t *)in.p, n);
        w.n = each(n);
        w.bad = some(1);
        size_t more = each(MAX + 1);
        writes(&w, pl_span(proof_bytes(more), more));
        return 0;
    }
    r.p += each(n);
    r.bad = some(1);
    if (OP == DER)
        der(&r, in);
    else
        reads(&r, in);
    return 0;
}
