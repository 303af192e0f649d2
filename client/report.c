/* For people: what happened at a vault, and lists of vaults that people write. */
#include "client/internal.h"

#include <stdio.h>
#include <string.h>

enum { LIST_BYTES = 64 * 1024 };

void pl_report_line(char out[PL_REPORT_LINE], const struct pl_report_vault *v)
{
    bool bad = v->why && !pl_ok(v->why);
    const char *what = v->wrong  ? "LIED: its share is not the one that was stored"
                       : bad     ? pl_error_text(v->why)
                       : v->used ? "verified, used"
                                 : pl_step_text(v->step);
    snprintf(out, PL_REPORT_LINE, "vault %02x%02x%02x%02x %s %u ms: %s%s%s%s%s%s", v->vault_id[0],
             v->vault_id[1], v->vault_id[2], v->vault_id[3], v->endpoint, v->ms, what,
             bad && *v->detail ? ": " : "", bad ? v->detail : "", bad ? " [" : "",
             bad ? pl_error_name(v->why) : "", bad ? "]" : "");
}

pl_err pl_places_file(struct pl_place *out, size_t cap, size_t *out_n, const char *path)
{
    struct pl_wr w PL_CLEANUP(pl_wr_free) = pl_wr_heap(LIST_BYTES + 1);
    *out_n = 0;
    PL_TRY(pl_file_read(&w, path, LIST_BYTES));
    pl_wr_u8(&w, 0);
    PL_TRY(pl_wr_end(&w));
    char *rest, *line = strtok_r((char *)w.p, "\n", &rest);
    for (size_t n = 0; line; line = strtok_r(NULL, "\n", &rest)) {
        PL_REQUIRE(n < cap, PLACE_FORM);
        PL_TRY(pl_place_parse(&out[n], line));
        *out_n = ++n;
    }
    return PL_OK;
}
