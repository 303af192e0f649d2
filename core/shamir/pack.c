/* The packed form, its check, and the tag of a share. */
#include "shamir/shamir.h"

#include <string.h>

size_t pl_packed_bytes(size_t secret_bytes)
{
    size_t least = secret_bytes + PL_MAC_KEY_BYTES + PL_CHECK_BYTES + 1;
    return (least + PL_PACK_UNIT - 1) / PL_PACK_UNIT * PL_PACK_UNIT;
}

static pl_err make_check(struct pl_crypto *c, uint8_t out[static PL_CHECK_BYTES],
                         const struct pl_split *s, struct pl_span secret, struct pl_span mac_key)
{
    uint8_t head[PL_SPLIT_ID_BYTES + 1 + 1 + 8];
    struct pl_wr w = pl_wr_fixed(head, sizeof(head));
    pl_wr_bytes(&w, PL_ARR(s->id));
    pl_wr_u8(&w, s->k);
    pl_wr_u8(&w, s->n);
    pl_wr_be64(&w, secret.n);
    PL_TRY(pl_wr_end(&w));
    const struct pl_span parts[] = {PL_ARR(head), secret};
    return pl_hmac(c, out, mac_key, parts, 2);
}

pl_err pl_pack(struct pl_crypto *c, uint8_t *out, const struct pl_split *s, struct pl_span secret,
               const uint8_t mac_key[static PL_MAC_KEY_BYTES])
{
    PL_REQUIRE(s->k >= 2 && s->k <= s->n, SHARE_PARAMS);
    PL_REQUIRE(secret.n > 0, SECRET_EMPTY);
    PL_REQUIRE(secret.n <= PL_SECRET_MAX, SECRET_SIZE);
    size_t total = pl_packed_bytes(secret.n), used = secret.n + PL_MAC_KEY_BYTES + PL_CHECK_BYTES;
    memset(out, 0, total);
    memcpy(out, secret.p, secret.n);
    memcpy(out + secret.n, mac_key, PL_MAC_KEY_BYTES);
    out[used] = 0x80;
    pl_err e = make_check(c, out + secret.n + PL_MAC_KEY_BYTES, s, secret,
                          pl_span(mac_key, PL_MAC_KEY_BYTES));
    if (e != PL_OK)
        pl_wipe(out, total);
    return e;
}

/* 1 when v is 0, else 0, for v below 2^31. */
static uint32_t is_zero(uint32_t v) { return (v - 1) >> 31; }

/* Length before the padding, or 0 when the last 32 bytes are no padding. Every byte is looked at,
 * in the same order, whatever they are. */
static size_t unpadded(struct pl_span packed)
{
    uint32_t pad = 0, only_zeros = 1; /* pad: bytes from the 0x80 to the end */
    for (uint32_t i = 1; i <= PL_PACK_UNIT; i++) {
        uint32_t byte = packed.p[packed.n - i];
        pad |= i * (only_zeros & is_zero(byte ^ 0x80));
        only_zeros &= is_zero(byte);
    }
    /* How long the secret is: known to whoever gets it, and the check hashes that many bytes. */
    pl_ct_declassify(&pad, sizeof(pad));
    return pad ? packed.n - pad : 0;
}

pl_err pl_unpack(struct pl_crypto *c, struct pl_span *out_secret, struct pl_span *out_mac_key,
                 const struct pl_split *s, struct pl_span packed)
{
    const size_t tail = PL_MAC_KEY_BYTES + PL_CHECK_BYTES;
    uint8_t check[PL_CHECK_BYTES];
    *out_secret = *out_mac_key = pl_span(NULL, 0);
    PL_REQUIRE(packed.n > tail && packed.n % PL_PACK_UNIT == 0, SHARE_CHECK);
    size_t used = unpadded(packed);
    PL_REQUIRE(used > tail && used - tail <= PL_SECRET_MAX, SHARE_CHECK);
    struct pl_span secret = pl_span(packed.p, used - tail);
    struct pl_span mac_key = pl_span_sub(packed, secret.n, PL_MAC_KEY_BYTES);
    PL_TRY(make_check(c, check, s, secret, mac_key));
    bool right = pl_ct_eq(check, mac_key.p + mac_key.n, PL_CHECK_BYTES);
    pl_wipe(check, sizeof(check));
    PL_REQUIRE(right, SHARE_CHECK);
    *out_secret = secret;
    *out_mac_key = mac_key;
    return PL_OK;
}

size_t pl_split_random_bytes(const struct pl_split *s, size_t secret_bytes)
{
    return PL_MAC_KEY_BYTES + (size_t)(s->k - 1) * pl_packed_bytes(secret_bytes);
}

pl_err pl_share_split(struct pl_crypto *c, uint8_t *out_y, const struct pl_split *s,
                      struct pl_span secret, struct pl_span random, struct pl_arena *a)
{
    size_t mark = pl_arena_mark(a), n = pl_packed_bytes(secret.n);
    PL_REQUIRE(s->k >= 2 && s->k <= s->n, SHARE_PARAMS);
    PL_REQUIRE(secret.n <= PL_SECRET_MAX, SECRET_SIZE);
    PL_ASSERT(random.n == pl_split_random_bytes(s, secret.n));
    uint8_t *packed = pl_arena_take(a, n);
    PL_REQUIRE(packed, NO_MEMORY);
    pl_err e = pl_pack(c, packed, s, secret, random.p);
    if (e == PL_OK)
        e = pl_shamir_split(out_y, s, pl_span(packed, n),
                            pl_span_sub(random, PL_MAC_KEY_BYTES, random.n - PL_MAC_KEY_BYTES), a);
    pl_arena_release(a, mark);
    if (e != PL_OK)
        pl_wipe(out_y, s->n * n);
    return e;
}

pl_err pl_share_tag(struct pl_crypto *c, uint8_t out[static PL_SHARE_TAG_BYTES],
                    struct pl_span link_secret, const struct pl_share_place *place,
                    struct pl_share share)
{
    uint8_t head[PL_SHA256_BYTES + PL_SPLIT_ID_BYTES + 8 + 1];
    struct pl_wr w = pl_wr_fixed(head, sizeof(head));
    pl_wr_bytes(&w, PL_ARR(place->vault_id));
    pl_wr_bytes(&w, PL_ARR(place->split_id));
    pl_wr_be64(&w, place->generation);
    pl_wr_u8(&w, share.x);
    PL_TRY(pl_wr_end(&w));
    const struct pl_span parts[] = {PL_ARR(head), share.y};
    return pl_hmac(c, out, link_secret, parts, 2);
}

pl_err pl_share_tag_verify(struct pl_crypto *c, struct pl_span link_secret,
                           const struct pl_share_place *place, struct pl_share share,
                           const uint8_t tag[static PL_SHARE_TAG_BYTES])
{
    uint8_t want[PL_SHARE_TAG_BYTES];
    PL_TRY(pl_share_tag(c, want, link_secret, place, share));
    bool same = pl_ct_eq(want, tag, sizeof(want));
    pl_wipe(want, sizeof(want));
    PL_REQUIRE(same, SHARE_TAG);
    return PL_OK;
}
