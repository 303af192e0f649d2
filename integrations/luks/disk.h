/* A disk key split over vaults, from format to open, inside one attested process. */
#ifndef PL_LUKS_DISK_H
#define PL_LUKS_DISK_H

#include "pleiad/pleiad.h"

struct pl_disk_order {
    const char *path; /* the container: a file or a block device */
    const struct pl_anchor *anchor;
    const struct pl_place *place;
    size_t places;
    const char *name; /* of the key; also checked on open, NULL there: any the anchor covers */
    unsigned deadline_ms;
    unsigned vendors; /* as in pl_split_order and pl_recover_order */
    /* format */
    uint64_t bytes; /* of a container that does not exist yet */
    unsigned k, n;
    const void *grant;
    size_t grant_bytes;
    const char *descriptor; /* a copy of the descriptor stays there; NULL: none */
    bool overwrite;         /* whatever is in it */
    /* open */
    const char *mapper; /* NULL: only try the key */
    unsigned linger_ms;
};

/* Makes the container with a fresh key, splits the key, writes the token. What exists is used as it
 * is when it holds nothing: its first 32 MiB and its last are zeros; else LUKS_DATA.
 *
 * An interrupted format of the same container is brought to its end, or undone and done anew, at
 * whatever moment it died; *resumed (may be NULL) says which. While it runs, and after it died,
 * these lie beside the descriptor (DESCRIPTOR, or PATH.pleiad), none with a secret or a share:
 * DESCRIPTOR itself, DESCRIPTOR.new, DESCRIPTOR.journal (see pl_split), DESCRIPTOR.format. */
PL_API_CHECKED pl_err pl_disk_format(struct pl_app *app, const struct pl_disk_order *o,
                                     enum pl_resumed *resumed, struct pl_report *report);
/* Loads the header, recovers the key that is bound to it, opens the same header with it. Whether a
 * mapper name can be had is asked before the vaults are. */
PL_API_CHECKED pl_err pl_disk_open(struct pl_app *app, const struct pl_disk_order *o,
                                   struct pl_report *report);
/* What failed, beside the error: what libcryptsetup said, or pl_app_detail; "" for nothing. */
PL_API const char *pl_disk_detail(const struct pl_app *app);

#endif
