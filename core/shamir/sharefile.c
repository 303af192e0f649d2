#include "shamir/shamir.h"

static const char magic[] = "PLSHARE1";

void pl_wr_share_head(struct pl_wr *w, const struct pl_split *s, uint8_t x)
{
    pl_wr_str(w, magic);
    pl_wr_bytes(w, PL_ARR(s->id));
    pl_wr_u8(w, s->k);
    pl_wr_u8(w, s->n);
    pl_wr_u8(w, x);
}

pl_err pl_share_parse(struct pl_split *out_split, struct pl_share *out, struct pl_span in)
{
    struct pl_rd r = pl_rd(in);
    *out_split = (struct pl_split){0};
    *out = (struct pl_share){0};
    struct pl_span start = pl_rd_bytes(&r, sizeof(magic) - 1);
    PL_REQUIRE(pl_span_is(start, magic), SHARE_FILE);
    struct pl_split split = {0};
    pl_rd_copy(&r, split.id, sizeof(split.id));
    split.k = pl_rd_u8(&r);
    split.n = pl_rd_u8(&r);
    struct pl_share share = {.x = pl_rd_u8(&r)};
    PL_REQUIRE(!r.bad, SHARE_FILE);
    share.y = pl_rd_bytes(&r, pl_rd_left(&r));
    PL_REQUIRE(split.k >= 2 && split.k <= split.n, SHARE_PARAMS);
    PL_REQUIRE(share.x != 0, SHARE_POINT);
    PL_REQUIRE(share.y.n >= pl_packed_bytes(1) && share.y.n <= pl_packed_bytes(PL_SECRET_MAX),
               SHARE_LENGTH);
    PL_REQUIRE(share.y.n % PL_PACK_UNIT == 0, SHARE_LENGTH);
    *out_split = split;
    *out = share;
    return PL_OK;
}

pl_err pl_share_parse_plain(struct pl_share *out, struct pl_span in)
{
    *out = (struct pl_share){0};
    PL_REQUIRE(in.n >= 2, SHARE_LENGTH);
    PL_REQUIRE(in.p[0] != 0, SHARE_POINT);
    *out = (struct pl_share){in.p[0], pl_span_sub(in, 1, in.n - 1)};
    return PL_OK;
}
