/* Text encodings: hex, base64url, standard base64 and PEM, RFC 3339 times.
 *
 * Hex, base64url and the writing of PEM take a time that depends on lengths alone, for secrets are
 * encoded by them; reading PEM does not. On error what stands in out means nothing. */
#ifndef PL_BASE_ENC_H
#define PL_BASE_ENC_H

#include "base/span.h"

/* Lower-case hex; out holds 2 * in.n + 1 bytes and ends in NUL. */
void pl_hex(char *out, struct pl_span in);
/* Either case; exactly 2 * n digits. */
PL_CHECKED pl_err pl_unhex(uint8_t *out, size_t n, struct pl_span in);

/* base64url without padding (RFC 4648 section 5). Canonical only: unused bits must be zero. */
#define PL_B64U_LEN(n) (((n)*4 + 2) / 3)
void pl_b64u(char *out, struct pl_span in); /* PL_B64U_LEN(in.n) + 1 bytes with the NUL */
void pl_wr_b64u(struct pl_wr *w, struct pl_span in);
/* out_n receives the length; NO_SPACE when it exceeds cap, ENCODING when not canonical. */
PL_CHECKED pl_err pl_unb64u(uint8_t *out, size_t cap, size_t *out_n, struct pl_span in);
/* Exactly n bytes. */
PL_CHECKED pl_err pl_unb64u_exact(uint8_t *out, size_t n, struct pl_span in);

/* One PEM block with this label (RFC 7468, strict base64 with padding, CRLF or LF) from the front
 * of *in; *in moves behind it. White space and NULs before and after are skipped. */
PL_CHECKED pl_err pl_unpem(uint8_t *out, size_t cap, size_t *out_n, struct pl_span *in,
                           const char *label);
void pl_wr_pem(struct pl_wr *w, struct pl_span der, const char *label);

/* "2026-01-31T08:00:00Z" only, 1970 to 9999. Seconds since 1970, no leap seconds. */
#define PL_TIME_LEN 20
PL_CHECKED pl_err pl_time_parse(int64_t *out_s, struct pl_span in);
void pl_time_format(char out[static PL_TIME_LEN + 1], int64_t s); /* clamped to that range */

/* What is known about the present: it is in [earliest_s, latest_s]. */
struct pl_interval {
    int64_t earliest_s, latest_s;
};
#define PL_TIME_UNKNOWN ((struct pl_interval){INT64_MIN, INT64_MAX})

/* Three-valued truth. Zero is neither. */
enum pl_tri { PL_UNKNOWN = 0, PL_FALSE, PL_TRUE };
enum pl_tri pl_time_before(struct pl_interval now, int64_t t_s);  /* now <= t */
enum pl_tri pl_time_reached(struct pl_interval now, int64_t t_s); /* now >= t */

#endif
