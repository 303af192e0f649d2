/* An app linked with the production library, which knows hardware alone. Prints what it finds. */
#include "pleiad/pleiad.h"

#include <stdio.h>

int main(void)
{
    struct pl_app *app;
    const struct pl_app_config cfg = {.must_attest = true};
    pl_err e = pl_app_open(&app, &cfg);
    if (!pl_ok(e))
        fprintf(stderr, "%s %s\n", pl_error_name(e), pl_app_detail(NULL));
    pl_app_close(app);
    return pl_ok(e) ? 0 : 1;
}
