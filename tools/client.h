/* What commands that use libpleiad share. */
#ifndef PL_TOOLS_CLIENT_H
#define PL_TOOLS_CLIENT_H

#include "pleiad/pleiad.h"
#include "tools/home.h"

/* A process that trusts the vendors' roots and those of the home's authority, with its collateral.
 * tee: it proves what it is, where there is a TEE; else it is an owner at his desk. */
PL_CHECKED pl_err tool_app(struct pl_app **out, const struct tool_home *h, bool tee);
/* The owner at his desk: at each vault with his key there, from owner.pem of the home; or with the
 * key of a file, for which his key at each vault signs where approvals are used. NULL: none. */
PL_CHECKED pl_err tool_owner_app(struct pl_app **out, const struct tool_home *h, const char *path);
/* Whoever has the key of this file, in a TEE where there is one. */
PL_CHECKED pl_err tool_key_app(struct pl_app **out, const struct tool_home *h, const char *path);
void tool_app_close(struct pl_app **app);
void tool_text_free(char **text);
/* The home's list of vaults as places. */
PL_CHECKED pl_err tool_places(const struct tool_home *h, struct pl_place *out, size_t *out_n);
/* As tool_fail, with what the library says beside it. */
int tool_app_fail(const struct tool *t, struct pl_app *app, const char *what, pl_err e);
/* The home's instance id. */
PL_CHECKED pl_err tool_instance(const struct tool_home *h, uint8_t out[static 32]);
/* To the file of --out (new, mode 0600), else to standard output. */
int tool_deliver(const struct tool *t, const char *text);

#endif
