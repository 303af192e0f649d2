/* billing: an app with an encrypted disk whose key no machine has.
 *
 *     billing format|open --disk FILE --anchor NAME --root FILE --collateral DIR
 *                         --registry HOST:PORT | --vaults FILE  [--grant FILE] [--linger MS]
 *
 * The anchor is measured input: it says whose key this is and which vaults may hold it, and a
 * process with another anchor is another app to every vault. Everything else on the command line
 * comes from whoever owns the machine and can at worst make it fail. */
#include "integrations/luks/disk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GRANT_MAX = 512 * 1024, DISK_BYTES = 24 << 20, PLACES = 4096 /* of a registry */ };

struct options {
    const char *verb, *disk, *anchor, *vaults, *registry, *root, *collateral, *grant;
    unsigned linger_ms;
};

static struct pl_place place[PLACES];
static struct pl_report report;
static char grant[GRANT_MAX];

static int failed(struct pl_app *app, const char *what, pl_err e)
{
    const char *detail = pl_disk_detail(app);
    printf("billing: %s: %s%s%s%s [%s]\n", what, pl_error_text(e), *detail ? " (" : "", detail,
           *detail ? ")" : "", pl_error_name(e));
    return 1;
}

static void show_vaults(void)
{
    char line[PL_REPORT_LINE];
    for (size_t i = 0; i < report.vaults; i++) {
        pl_report_line(line, &report.vault[i]);
        printf("  %s\n", line);
    }
}

static bool read_grant(const char *path, size_t *n)
{
    FILE *f = fopen(path, "re");
    *n = f ? fread(grant, 1, sizeof(grant), f) : 0;
    if (f)
        fclose(f);
    return *n > 0 && *n < sizeof(grant);
}

/* What a registry shows, verified here, of the vaults that the owner listed in the grant: however
 * many others there are, they are not read. A disk that exists is opened with the places in its
 * descriptor when the registry is of no use. */
static bool read_registry(struct pl_app *app, const struct options *o, size_t *n)
{
    struct pl_registry_list l = {0};
    static uint8_t id[PL_VAULTS_MAX][PL_ID_BYTES];
    size_t grant_bytes;
    struct pl_registry_order order = {.url = o->registry, .vault_id = id};
    bool listed = o->grant && read_grant(o->grant, &grant_bytes);
    pl_err e = listed ? pl_grant_vaults(app, grant, grant_bytes, id, &order.vaults)
                      : pl_registry_read(app, &order, &l);
    if (listed && pl_ok(e))
        e = pl_registry_read(app, &order, &l);
    for (*n = 0; pl_ok(e) && *n < l.n && *n < PLACES; (*n)++)
        place[*n] = l.entry[*n].place;
    if (!pl_ok(e))
        failed(app, o->registry, e);
    else if (l.bad)
        printf("billing: %zu of the entries at the registry %s do not verify\n", l.bad,
               o->registry);
    pl_registry_free(&l);
    return pl_ok(e) || strcmp(o->verb, "open") == 0;
}

static bool find_vaults(struct pl_app *app, const struct options *o, size_t *n)
{
    if (o->registry)
        return read_registry(app, o, n);
    pl_err e = pl_places_file(place, PLACES, n, o->vaults);
    if (!pl_ok(e))
        failed(app, o->vaults, e);
    return pl_ok(e);
}

static int do_format(struct pl_app *app, const struct options *o, struct pl_disk_order *order)
{
    enum pl_resumed how;
    if (!read_grant(o->grant, &order->grant_bytes)) {
        printf("billing: %s: no grant can be read from it\n", o->grant);
        return 1;
    }
    order->grant = grant;
    pl_err e = pl_disk_format(app, order, &how, &report);
    show_vaults();
    if (!pl_ok(e))
        return failed(app, o->disk, e);
    if (how == PL_RESUMED_UNDONE)
        puts("billing: an interrupted format was undone and done anew");
    else if (how == PL_RESUMED_DONE)
        puts("billing: an interrupted format was brought to its end");
    printf("billing: %s is formatted, its key split %u-of-%u\n", o->disk, order->k, order->n);
    return 0;
}

static int do_open(struct pl_app *app, const struct options *o, const struct pl_disk_order *order)
{
    pl_err e = pl_disk_open(app, order, &report);
    show_vaults();
    if (!pl_ok(e))
        return failed(app, o->disk, e);
    printf("billing: %s opens with the recovered key, in this process\n", o->disk);
    return 0;
}

static int run(struct pl_app *app, const struct options *o)
{
    struct pl_anchor *anchor;
    size_t n = 0;
    pl_err e = pl_anchor_measured(&anchor, app, o->anchor);
    if (!pl_ok(e))
        return failed(app, o->anchor, e);
    if (!find_vaults(app, o, &n)) {
        pl_anchor_free(anchor);
        return 1;
    }
    struct pl_disk_order order = {.path = o->disk,
                                  .anchor = anchor,
                                  .place = place,
                                  .places = n,
                                  .name = "disk",
                                  .bytes = DISK_BYTES,
                                  .k = 2,
                                  .n = 4,
                                  .linger_ms = o->linger_ms};
    int code = strcmp(o->verb, "format") == 0 ? do_format(app, o, &order) : do_open(app, o, &order);
    pl_anchor_free(anchor);
    return code;
}

/* "--name value" pairs, and the verb. */
static bool parse(struct options *o, int argc, char **argv)
{
    const char *linger = "0";
    const struct {
        const char *name, **to;
    } known[] = {{"--disk", &o->disk},
                 {"--anchor", &o->anchor},
                 {"--vaults", &o->vaults},
                 {"--registry", &o->registry},
                 {"--root", &o->root},
                 {"--grant", &o->grant},
                 {"--collateral", &o->collateral},
                 {"--linger", &linger}};
    for (int i = 2; i + 1 < argc; i += 2)
        for (size_t k = 0; k < sizeof(known) / sizeof(*known); k++)
            if (strcmp(argv[i], known[k].name) == 0)
                *known[k].to = argv[i + 1];
    o->verb = argc > 1 && argc % 2 == 0 ? argv[1] : "";
    o->linger_ms = (unsigned)strtoul(linger, NULL, 10);
    return o->disk && o->anchor && (o->vaults || o->registry) && o->root && o->collateral;
}

static bool known_verb(const struct options *o)
{
    return strcmp(o->verb, "open") == 0 || (strcmp(o->verb, "format") == 0 && o->grant);
}

int main(int argc, char **argv)
{
    struct options o = {0};
    struct pl_app *app;
    if (!parse(&o, argc, argv) || !known_verb(&o)) {
        fputs("usage: billing format|open --disk FILE --anchor NAME --root FILE --collateral DIR\n"
              "                           --registry HOST:PORT | --vaults FILE [--grant FILE]\n"
              "                           [--linger MS]\n",
              stderr);
        return 2;
    }
    const struct pl_root_file root = {o.root, "dev", "sgx", true};
    const struct pl_app_config cfg = {
        .must_attest = true, .collateral = o.collateral, .root = &root, .roots = 1};
    pl_err e = pl_app_open(&app, &cfg);
    if (!pl_ok(e))
        return failed(NULL, "start", e);
    int code = run(app, &o);
    pl_app_close(app);
    return code;
}
