#include "base/enc.h"

#include <string.h>

static const char hex_digits[] = "0123456789abcdef";
static const char b64u_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void pl_hex(char *out, struct pl_span in)
{
    for (size_t i = 0; i < in.n; i++) {
        *out++ = hex_digits[in.p[i] >> 4];
        *out++ = hex_digits[in.p[i] & 15];
    }
    *out = 0;
}

static int unhex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

pl_err pl_unhex(uint8_t *out, size_t n, struct pl_span in)
{
    PL_REQUIRE(in.n / 2 == n && in.n % 2 == 0, ENCODING);
    for (size_t i = 0; i < n; i++) {
        int hi = unhex_digit(in.p[2 * i]), lo = unhex_digit(in.p[2 * i + 1]);
        PL_REQUIRE(hi >= 0 && lo >= 0, ENCODING);
        out[i] = (uint8_t)(hi << 4 | lo);
    }
    return PL_OK;
}

void pl_b64u(char *out, struct pl_span in)
{
    uint32_t acc = 0;
    unsigned bits = 0;
    for (size_t i = 0; i < in.n; i++) {
        acc = acc << 8 | in.p[i];
        for (bits += 8; bits >= 6; bits -= 6)
            *out++ = b64u_digits[acc >> (bits - 6) & 63];
    }
    if (bits)
        *out++ = b64u_digits[acc << (6 - bits) & 63];
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

/* c62 and c63 are the two characters in which the alphabets differ. */
static int unb64_digit(uint8_t c, uint8_t c62, uint8_t c63)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == c62 ? 62 : c == c63 ? 63 : -1;
}

struct b64_state {
    uint32_t acc;
    unsigned bits;
};

/* Adds one digit; true when *out received a byte. */
static bool b64_push(struct b64_state *s, int digit, uint8_t *out)
{
    s->acc = s->acc << 6 | (uint32_t)digit;
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
    return s->bits < 6 && (s->acc & ((1u << s->bits) - 1)) == 0;
}

pl_err pl_unb64u(uint8_t *out, size_t cap, size_t *out_n, struct pl_span in)
{
    struct b64_state s = {0};
    size_t n = 0;
    *out_n = 0;
    for (size_t i = 0; i < in.n; i++) {
        int d = unb64_digit(in.p[i], '-', '_');
        uint8_t byte;
        PL_REQUIRE(d >= 0, ENCODING);
        if (b64_push(&s, d, &byte)) {
            PL_REQUIRE(n < cap, NO_SPACE);
            out[n++] = byte;
        }
    }
    PL_REQUIRE(b64_clean(&s), ENCODING);
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
    for (; in->n && *in->p != '-'; *in = pl_span(in->p + 1, in->n - 1)) {
        uint8_t byte, c = *in->p;
        if (c == '\r' || c == '\n')
            continue;
        digits++;
        if (c == '=') {
            pads++;
            continue;
        }
        int d = unb64_digit(c, '+', '/');
        PL_REQUIRE(d >= 0 && pads == 0, ENCODING);
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
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    pl_wr_str(w, "-----BEGIN ");
    pl_wr_str(w, label);
    pl_wr_str(w, "-----\n");
    for (size_t i = 0; i < der.n; i += 3) {
        size_t k = der.n - i < 3 ? der.n - i : 3;
        uint32_t v = (uint32_t)der.p[i] << 16;
        v |= k > 1 ? (uint32_t)der.p[i + 1] << 8 : 0;
        v |= k > 2 ? der.p[i + 2] : 0u;
        for (size_t d = 0; d < 4; d++)
            pl_wr_u8(w, d <= k ? (uint8_t)digits[v >> (18 - 6 * d) & 63] : '=');
        if (i % 48 == 45 || i + 3 >= der.n)
            pl_wr_u8(w, '\n');
    }
    pl_wr_str(w, "-----END ");
    pl_wr_str(w, label);
    pl_wr_str(w, "-----\n");
}
