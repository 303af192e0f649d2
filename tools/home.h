/* The folder of a constellation: where keys, lists and the development machines live.
 *
 *     authority/   the development authority: its root and collateral
 *     machine-N/   one simulated machine; vault-N/ the vault on it
 *     owner.pem  instance   the owner's root key; the id under which the keys of apps are named
 *     operator.pem          the configuration authority
 *     config.json           the signed configuration, vaults.profile what the vaults must be
 *     vaults                one line a vault: vault_id@host:port
 *     registry              host:port of the development registry; registryd/ its database
 *     registry.seen         entries of these vaults as a registry showed them last
 *     run/  log/            pid files and logs
 */
#ifndef PL_TOOLS_HOME_H
#define PL_TOOLS_HOME_H

#include "crypto/crypto.h"
#include "tools/tool.h"

#include <limits.h>

enum { TOOL_VAULTS_MAX = 64 };

struct tool_home {
    char dir[PATH_MAX]; /* absolute when it exists */
};
struct tool_vault {
    char id[65];        /* hex; "" while unknown */
    char endpoint[128]; /* host:port */
};

/* --dir, else PLEIAD_HOME, else ./.pleiad. With `make` the folder is made, mode 0700; without,
 * DEV_NONE when there is none. */
PL_CHECKED pl_err tool_home(struct tool_home *out, const struct tool *t, bool make);
const char *tool_home_name(const struct tool *t); /* the path before it was looked at */
#define TOOL_HOME_OPT                                                                              \
    {                                                                                              \
        .name = "dir", .arg = TOOL_DIR, .meta = "DIR",                                             \
        .help = "the constellation's folder (default: PLEIAD_HOME, or ./.pleiad)"                  \
    }

/* A path in it. Ends the process when it does not fit: no folder is that deep. */
void tool_path(char out[static PATH_MAX], const struct tool_home *h, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
bool tool_exists(const char *path);
/* A writer with the whole file and a NUL behind it that is not counted. */
PL_CHECKED pl_err tool_read(struct pl_wr *out, const char *path, size_t max);

/* Private keys: PKCS#8 in PEM, mode 0600. */
PL_CHECKED pl_err tool_key_new(struct pl_crypto *c, const char *path, enum pl_pub_type type);
PL_CHECKED pl_err tool_key_read(struct pl_crypto *c, struct pl_priv *out, const char *path);
/* The SPKI of its public half, at most PL_SPKI_MAX bytes; the private key leaves locked memory only
 * into it. */
PL_CHECKED pl_err tool_key_public(struct pl_crypto *c, uint8_t *spki, size_t *out_n,
                                  const char *path);

/* The file `vaults`. Lines that are no vault are an error, DEV_LIST. */
PL_CHECKED pl_err tool_vaults_read(const struct tool_home *h, struct tool_vault *out, size_t cap,
                                   size_t *out_n);
PL_CHECKED pl_err tool_vaults_write(const struct tool_home *h, const struct tool_vault *v,
                                    size_t n);

/* The file `registry`: host:port; "" when there is none. */
PL_CHECKED pl_err tool_registry_read(const struct tool_home *h, char out[static 128]);

#endif
