/* A disk key split over vaults, from format to open, inside one attested process. */
#ifndef PL_LUKS_DISK_H
#define PL_LUKS_DISK_H

#include "pleiad/pleiad.h"

struct pl_disk_order {
    const char *path; /* the container */
    const struct pl_anchor *anchor;
    const struct pl_place *place;
    size_t places;
    const char *name; /* of the key; also checked on open, NULL there: any the anchor covers */
    unsigned deadline_ms;
    /* format */
    uint64_t bytes; /* of a container that does not exist yet */
    unsigned k, n;
    const void *grant;
    size_t grant_bytes;
    /* open */
    const char *mapper; /* NULL: only try the key */
    unsigned linger_ms;
};

/* Makes the container (which must not exist) with a fresh key, splits the key, writes the token.
 * An interrupted format of the same container is brought to its end, or undone and done anew;
 * *resumed (may be NULL) says which. Beside the container lie PATH.pleiad, PATH.pleiad.new and
 * PATH.pleiad.journal while it runs. */
PL_API_CHECKED pl_err pl_disk_format(struct pl_app *app, const struct pl_disk_order *o,
                                     enum pl_resumed *resumed, struct pl_report *report);
/* Loads the header, recovers the key that is bound to it, opens the same header with it. */
PL_API_CHECKED pl_err pl_disk_open(struct pl_app *app, const struct pl_disk_order *o,
                                   struct pl_report *report);

#endif
