/* A registry, or a file of entries, as the commands see it. */
#ifndef PL_TOOLS_REGISTRY_H
#define PL_TOOLS_REGISTRY_H

#include "tools/client.h"

#define TOOL_REGISTRY_OPT                                                                          \
    {                                                                                              \
        .name = "registry", .arg = TOOL_TEXT, .meta = "URL",                                       \
        .help = "a registry, https://host:port: what it shows is verified, whoever it is"          \
    }

/* Vaults that somebody listed whom a registry cannot speak for: the owner in a grant, a descriptor,
 * the home's file `vaults`. */
enum { TOOL_IDS_MAX = PL_VAULTS_MAX + TOOL_VAULTS_MAX };
struct tool_ids {
    uint8_t id[TOOL_IDS_MAX][PL_ID_BYTES];
    size_t n;
};
void tool_ids_add(struct tool_ids *ids, const uint8_t id[static PL_ID_BYTES]);

/* Reads the registry of --registry, else the file of --file; with the filters of the command. What
 * listed vaults signed last is remembered in the home's `registry.seen`, so that a registry cannot
 * show an older entry; what it leaves out or alters is said on stderr. With `listed` the home's
 * list is added to it and only entries of these vaults are read; without, all that it shows. */
PL_CHECKED pl_err tool_registry(struct tool *t, struct pl_app *app, const struct tool_home *h,
                                struct tool_ids *listed, struct pl_registry_list *out);
/* The home's list of vaults. With --registry: the endpoints that it has for the listed and for
 * those of the home; FILE_MISSING when there are none of either. Room for TOOL_IDS_MAX. */
PL_CHECKED pl_err tool_places_now(struct tool *t, struct pl_app *app, const struct tool_home *h,
                                  struct tool_ids *listed, struct pl_place *out, size_t *out_n);
/* The same for a key that has a descriptor, which knows where its vaults were: a registry that
 * fails is no reason to stop. It is said, and there are no places. */
void tool_places_newer(struct tool *t, struct pl_app *app, const struct tool_home *h,
                       struct tool_ids *listed, struct pl_place *out, size_t *out_n);
/* The vaults of a descriptor, or of the owner's grant. */
PL_CHECKED pl_err tool_ids_descriptor(struct tool_ids *out, struct pl_app *app,
                                      struct pl_span text);
PL_CHECKED pl_err tool_ids_grant(struct tool_ids *out, struct pl_app *app, struct pl_span text);

#endif
