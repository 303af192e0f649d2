/* Values that are encoded in strings. */
#include "base/json.h"
#include "base/enc.h"

static bool refuse(struct pl_json *j, pl_err e)
{
    pl_json_refuse(j, e);
    return false;
}

bool pl_json_b64u(struct pl_json *j, uint8_t *out, size_t cap, size_t *out_n)
{
    struct pl_span s;
    *out_n = 0;
    if (!pl_json_plain(j, &s))
        return false;
    if (s.n > PL_B64U_LEN(cap))
        return refuse(j, PL_FAIL(JSON_LENGTH));
    pl_err e = pl_unb64u(out, cap, out_n, s);
    return e == PL_OK || refuse(j, e);
}

bool pl_json_b64u_exact(struct pl_json *j, uint8_t *out, size_t n)
{
    size_t got;
    if (!pl_json_b64u(j, out, n, &got))
        return false;
    return got == n || refuse(j, PL_FAIL(JSON_LENGTH));
}

bool pl_json_hex_exact(struct pl_json *j, uint8_t *out, size_t n)
{
    struct pl_span s;
    if (!pl_json_plain(j, &s))
        return false;
    if (s.n != 2 * n)
        return refuse(j, PL_FAIL(JSON_LENGTH));
    pl_err e = pl_unhex(out, n, s);
    return e == PL_OK || refuse(j, e);
}

bool pl_json_time(struct pl_json *j, int64_t *out_s)
{
    struct pl_span s;
    if (!pl_json_plain(j, &s))
        return false;
    pl_err e = pl_time_parse(out_s, s);
    return e == PL_OK || refuse(j, e);
}
