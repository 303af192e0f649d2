/* What stands beside the readers, as far as it matters to them. */
#include "proof.h"

const struct pl_site pl_site_ok = {PL_E_OK, 0, ""};
enum pl_code pl_err_code(pl_err e) { return e ? e->code : PL_E_BUG; }

/*@ requires contract: \false; */
void pl_assert_failed(const char *cond, const char *file, int line)
{
    (void)cond, (void)file, (void)line;
    abort();
}

void pl_wipe(void *p, size_t n)
{
    if (n)
        memset(p, 0, n);
}

void pl_ct_declassify(const void *p, size_t n) { (void)p, (void)n; }
