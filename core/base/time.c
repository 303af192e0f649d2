#include "base/enc.h"

/* Days since 1970-01-01 of a Gregorian date (years from 1970 on). */
static int64_t days_from_date(int64_t y, int64_t m, int64_t d)
{
    y -= m <= 2; /* the year begins in March, so that the leap day is its last */
    int64_t era = y / 400, yoe = y % 400;
    int64_t doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static int64_t month_days(int64_t y, int64_t m)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
    return days[m - 1] + (m == 2 && leap);
}

/* Reads digits and literals after a pattern: '0' is a digit, anything else stands for itself. */
static bool match(struct pl_span in, const char *pattern, int64_t *fields)
{
    bool in_number = false;
    int64_t *field = fields - 1;
    size_t i = 0;
    for (; pattern[i]; i++) {
        if (i >= in.n)
            return false;
        uint8_t c = in.p[i];
        if (pattern[i] != '0') {
            if (c != (uint8_t)pattern[i])
                return false;
            in_number = false;
            continue;
        }
        if (c < '0' || c > '9')
            return false;
        if (!in_number)
            *++field = 0;
        in_number = true;
        *field = *field * 10 + (c - '0');
    }
    return i == in.n;
}

pl_err pl_time_parse(int64_t *out_s, struct pl_span in)
{
    int64_t f[6];
    PL_REQUIRE(match(in, "0000-00-00T00:00:00Z", f), TIME_FORMAT);
    PL_REQUIRE(f[0] >= 1970 && f[1] >= 1 && f[1] <= 12, TIME_FORMAT);
    PL_REQUIRE(f[2] >= 1 && f[2] <= month_days(f[0], f[1]), TIME_FORMAT);
    PL_REQUIRE(f[3] <= 23 && f[4] <= 59 && f[5] <= 59, TIME_FORMAT);
    *out_s = days_from_date(f[0], f[1], f[2]) * 86400 + f[3] * 3600 + f[4] * 60 + f[5];
    return PL_OK;
}

static void digits(char *out, int64_t v, size_t n)
{
    for (size_t i = n; i-- > 0; v /= 10)
        out[i] = (char)('0' + v % 10);
}

void pl_time_format(char out[static PL_TIME_LEN + 1], int64_t s)
{
    static const char shape[] = "0000-00-00T00:00:00Z";
    const int64_t last = 253402300799; /* 9999-12-31T23:59:59Z */
    s = s < 0 ? 0 : s > last ? last : s;
    int64_t days = s / 86400, y = 1970 + days / 366, m = 1;
    while (days_from_date(y + 1, 1, 1) <= days)
        y++;
    int64_t left = days - days_from_date(y, 1, 1);
    for (; left >= month_days(y, m); m++)
        left -= month_days(y, m);
    __builtin_memcpy(out, shape, sizeof(shape));
    digits(out, y, 4);
    digits(out + 5, m, 2);
    digits(out + 8, left + 1, 2);
    digits(out + 11, s / 3600 % 24, 2);
    digits(out + 14, s / 60 % 60, 2);
    digits(out + 17, s % 60, 2);
}

enum pl_tri pl_time_before(struct pl_interval now, int64_t t_s)
{
    if (now.latest_s <= t_s)
        return PL_TRUE;
    return now.earliest_s > t_s ? PL_FALSE : PL_UNKNOWN;
}

enum pl_tri pl_time_reached(struct pl_interval now, int64_t t_s)
{
    if (now.earliest_s >= t_s)
        return PL_TRUE;
    return now.latest_s < t_s ? PL_FALSE : PL_UNKNOWN;
}
