#include "base/enc.h"
#include "base/secret.h"

#include <string.h>

/* Keys and shares go through these encodings, so a digit is computed, not looked up: no table is
 * indexed and no branch taken by a byte of the value. Masks are all ones for true, else 0; all
 * operands are below 2^31. */
static uint32_t at_least(uint32_t a, uint32_t b) { return ((a - b) >> 31) - 1; }
static uint32_t between(uint32_t c, uint32_t low, uint32_t high)
{
    return at_least(c, low) & at_least(high, c);
}

static char hex_digit(uint32_t v) { return (char)('0' + v + (at_least(v, 10) & ('a' - '0' - 10))); }

void pl_hex(char *out, struct pl_span in)
{
    for (size_t i = 0; i < in.n; i++) {
        *out++ = hex_digit(in.p[i] >> 4);
        *out++ = hex_digit(in.p[i] & 15);
    }
    *out = 0;
}

/* Values with bit 31 set are no digit. */
static uint32_t unhex_digit(uint32_t c)
{
    uint32_t lower = c | 0x20;
    return ((between(c, '0', '9') & (c - '0' + 1)) |
            (between(lower, 'a', 'f') & (lower - 'a' + 11))) -
           1;
}

pl_err pl_unhex(uint8_t *out, size_t n, struct pl_span in)
{
    uint32_t bad = 0;
    PL_REQUIRE(in.n / 2 == n && in.n % 2 == 0, ENCODING);
    for (size_t i = 0; i < n; i++) {
        uint32_t hi = unhex_digit(in.p[2 * i]), lo = unhex_digit(in.p[2 * i + 1]);
        bad |= hi | lo;
        out[i] = (uint8_t)(hi << 4 | lo);
    }
    bad >>= 31;
    pl_ct_declassify(&bad, sizeof(bad)); /* whether it is hex is the answer */
    PL_REQUIRE(!bad, ENCODING);
    return PL_OK;
}

/* `ends` are the two characters in which the alphabets differ: 62 and 63. */
static char b64_digit(uint32_t v, const char ends[static 2])
{
    uint32_t c = 'A' + v;
    c += at_least(v, 26) & ('a' - 'A' - 26);
    c += at_least(v, 52) & (uint32_t)('0' - 'a' - 26);
    c += at_least(v, 62) & (uint32_t)(ends[0] - '0' - 10);
    c += at_least(v, 63) & (uint32_t)(ends[1] - ends[0] - 1);
    return (char)c;
}

static const char url_ends[] = "-_", plain_ends[] = "+/";

void pl_b64u(char *out, struct pl_span in)
{
    uint32_t acc = 0;
    unsigned bits = 0;
    for (size_t i = 0; i < in.n; i++) {
        acc = acc << 8 | in.p[i];
        for (bits += 8; bits >= 6; bits -= 6)
            *out++ = b64_digit(acc >> (bits - 6) & 63, url_ends);
    }
    if (bits)
        *out++ = b64_digit(acc << (6 - bits) & 63, url_ends);
    *out = 0;
}

void pl_wr_b64u(struct pl_wr *w, struct pl_span in)
{
    char *at = (char *)pl_wr_take(w, PL_B64U_LEN(in.n) + 1);
    if (!at)
        return;
    pl_b64u(at, in);
    w->n--; /* the NUL */
}

/* Values with bit 31 set are no digit. */
static uint32_t unb64_digit(uint32_t c, const char ends[static 2])
{
    uint32_t e0 = (uint8_t)ends[0], e1 = (uint8_t)ends[1];
    return ((between(c, 'A', 'Z') & (c - 'A' + 1)) | (between(c, 'a', 'z') & (c - 'a' + 27)) |
            (between(c, '0', '9') & (c - '0' + 53)) | (between(c, e0, e0) & 63) |
            (between(c, e1, e1) & 64)) -
           1;
}

struct b64_state {
    uint32_t acc;
    unsigned bits;
};

/* Adds one digit; true when *out received a byte. */
static bool b64_push(struct b64_state *s, uint32_t digit, uint8_t *out)
{
    s->acc = s->acc << 6 | digit;
    s->bits += 6;
    if (s->bits < 8)
        return false;
    s->bits -= 8;
    *out = (uint8_t)(s->acc >> s->bits);
    return true;
}

/* The bits left over at the end must be zero and fewer than a digit. */
static bool b64_clean(const struct b64_state *s)
{
    uint32_t left = s->acc & ((1u << s->bits) - 1);
    pl_ct_declassify(&left, sizeof(left)); /* zeros in whatever is canonical */
    return s->bits < 6 && left == 0;
}

pl_err pl_unb64u(uint8_t *out, size_t cap, size_t *out_n, struct pl_span in)
{
    struct b64_state s = {0};
    uint32_t bad = 0;
    size_t n = 0;
    *out_n = 0;
    for (size_t i = 0; i < in.n; i++) {
        uint32_t d = unb64_digit(in.p[i], url_ends);
        uint8_t byte;
        bad |= d;
        if (!b64_push(&s, d & 63, &byte))
            continue;
        PL_REQUIRE(n < cap, NO_SPACE);
        out[n++] = byte;
    }
    bad >>= 31;
    pl_ct_declassify(&bad, sizeof(bad)); /* whether it is base64 is the answer */
    PL_REQUIRE(!bad && b64_clean(&s), ENCODING);
    *out_n = n;
    return PL_OK;
}

pl_err pl_unb64u_exact(uint8_t *out, size_t n, struct pl_span in)
{
    size_t got;
    PL_REQUIRE(in.n == PL_B64U_LEN(n), ENCODING);
    PL_TRY(pl_unb64u(out, n, &got, in));
    PL_REQUIRE(got == n, ENCODING);
    return PL_OK;
}

static bool is_space(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == 0;
}

static void skip_space(struct pl_span *in)
{
    while (in->n && is_space(*in->p))
        *in = pl_span(in->p + 1, in->n - 1);
}

/* Consumes `-----<what> <label>-----` from the front of *in. */
static bool pem_line(struct pl_span *in, const char *what, const char *label)
{
    const char *const parts[] = {"-----", what, " ", label, "-----"};
    for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
        size_t n = strlen(parts[i]);
        if (in->n < n || memcmp(in->p, parts[i], n) != 0)
            return false;
        *in = pl_span(in->p + n, in->n - n);
    }
    return true;
}

pl_err pl_unpem(uint8_t *out, size_t cap, size_t *out_n, struct pl_span *in, const char *label)
{
    struct b64_state s = {0};
    size_t n = 0, pads = 0, digits = 0;
    *out_n = 0;
    skip_space(in);
    PL_REQUIRE(pem_line(in, "BEGIN", label), ENCODING);
    for (; in->n; *in = pl_span(in->p + 1, in->n - 1)) {
        uint8_t byte, c = *in->p;
        uint32_t d = unb64_digit(c, plain_ends), other = d >> 31;
        pl_ct_declassify(&other, sizeof(other)); /* where digits stand is no secret */
        if (other && c == '-')
            break;
        if (other && (c == '\r' || c == '\n'))
            continue;
        digits++;
        if (other && c == '=') {
            pads++;
            continue;
        }
        PL_REQUIRE(!other && pads == 0, ENCODING);
        if (b64_push(&s, d, &byte)) {
            PL_REQUIRE(n < cap, NO_SPACE);
            out[n++] = byte;
        }
    }
    PL_REQUIRE(digits % 4 == 0 && pads <= 2 && b64_clean(&s), ENCODING);
    PL_REQUIRE(pem_line(in, "END", label), ENCODING);
    skip_space(in);
    *out_n = n;
    return PL_OK;
}

void pl_wr_pem(struct pl_wr *w, struct pl_span der, const char *label)
{
    pl_wr_str(w, "-----BEGIN ");
    pl_wr_str(w, label);
    pl_wr_str(w, "-----\n");
    for (size_t i = 0; i < der.n; i += 3) {
        size_t k = der.n - i < 3 ? der.n - i : 3;
        uint32_t v = (uint32_t)der.p[i] << 16;
        v |= k > 1 ? (uint32_t)der.p[i + 1] << 8 : 0;
        v |= k > 2 ? der.p[i + 2] : 0u;
        for (size_t d = 0; d < 4; d++)
            pl_wr_u8(w, d <= k ? (uint8_t)b64_digit(v >> (18 - 6 * d) & 63, plain_ends) : '=');
        if (i % 48 == 45 || i + 3 >= der.n)
            pl_wr_u8(w, '\n');
    }
    pl_wr_str(w, "-----END ");
    pl_wr_str(w, label);
    pl_wr_str(w, "-----\n");
}
