/* A registry, or a file of entries, as the commands see it. */
#ifndef PL_TOOLS_REGISTRY_H
#define PL_TOOLS_REGISTRY_H

#include "tools/client.h"

#define TOOL_REGISTRY_OPT                                                                          \
    {                                                                                              \
        .name = "registry", .arg = TOOL_TEXT, .meta = "URL",                                       \
        .help = "a registry, https://host:port: what it shows is verified, whoever it is"          \
    }

/* Reads the registry of --registry, else the file of --file; with the filters of the command. What
 * the home's vaults signed last is remembered in the home's `registry.seen`, so that a registry
 * cannot show an older entry; what it leaves out or alters is said on stderr. Only entries of the
 * home's list (`vaults`) when `mine`. */
PL_CHECKED pl_err tool_registry(struct tool *t, struct pl_app *app, const struct tool_home *h,
                                bool mine, struct pl_registry_list *out);
/* The home's list of vaults; endpoints from --registry where it is given. */
PL_CHECKED pl_err tool_places_now(struct tool *t, struct pl_app *app, const struct tool_home *h,
                                  struct pl_place *out, size_t *out_n);
/* The same for a key that has a descriptor, which knows where its vaults were: a registry that
 * fails is no reason to stop. It is said, and there are no places. */
void tool_places_newer(struct tool *t, struct pl_app *app, const struct tool_home *h,
                       struct pl_place *out, size_t *out_n);

#endif
