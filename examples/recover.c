/* Recovers a split key inside the attested process and says how it went, never what it is.
 *
 *     recover COLLATERAL DESCRIPTOR [DEVELOPMENT-ROOT]
 *
 * The anchor is measured input, named anchor.json. A development root is for simulated hardware.
 *     cc recover.c $(pkg-config --cflags --libs libpleiad) */
#include <pleiad/pleiad.h>

#include <stdio.h>

static size_t load(const char *path, char *out, size_t cap)
{
    FILE *f = fopen(path, "rb");
    size_t n = f ? fread(out, 1, cap, f) : 0;
    if (f)
        fclose(f);
    return n;
}

static int failed(pl_err e, const struct pl_app *app, const struct pl_report *report)
{
    fprintf(stderr, "%s [%s] %s\n", pl_error_text(e), pl_error_name(e), pl_app_detail(app));
    for (size_t i = 0; i < report->vaults; i++)
        if (report->vault[i].why)
            fprintf(stderr, "  %s: %s [%s]\n", report->vault[i].endpoint,
                    pl_error_text(report->vault[i].why), pl_error_name(report->vault[i].why));
    return 1;
}

int main(int argc, char **argv)
{
    static char descriptor[256 * 1024];
    static struct pl_report report;
    struct pl_app *app = NULL;
    struct pl_anchor *anchor = NULL;
    struct pl_secret key = {0};
    if (argc < 3)
        return 2;
    const struct pl_root_file root = {argc > 3 ? argv[3] : "", "dev", "sgx", true};
    const struct pl_app_config cfg = {
        .must_attest = true, .collateral = argv[1], .root = &root, .roots = argc > 3};
    struct pl_recover_order order = {.descriptor = descriptor};
    order.descriptor_bytes = load(argv[2], descriptor, sizeof(descriptor));
    pl_err e = pl_app_open(&app, &cfg);
    if (pl_ok(e))
        e = pl_anchor_measured(&anchor, app, "anchor.json");
    order.anchor = anchor;
    if (pl_ok(e))
        e = pl_recover(app, &order, &key, &report);
    int code = pl_ok(e) ? 0 : failed(e, app, &report);
    if (code == 0)
        printf("a key of %zu bytes, in %u ms\n", key.n, report.ms);
    pl_secret_free(&key);
    pl_anchor_free(anchor);
    pl_app_close(app);
    return code;
}
