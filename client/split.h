/* A split under way, and its files. */
#ifndef PL_CLIENT_SPLIT_H
#define PL_CLIENT_SPLIT_H

#include "client/internal.h"

/* The journal: PATH.journal, a JSON line a fact, appended and synced before what it announces or
 * after what it reports. No secret, share, tag or link secret stands in it.
 *     {"endpoint":"h:p","journal":1,"vault_id":HEX}      a share goes there
 *     {"handle":B64U,"vault_id":HEX}                     it is prepared there
 * A torn last line is what a crash left: everything before it holds. */
struct pl_journal_vault {
    struct pl_place place;
    bool prepared;
    uint8_t handle[16];
};
struct pl_journal {
    int fd; /* -1: closed */
    size_t n;
    struct pl_journal_vault vault[PL_VAULTS_MAX];
};

enum { PL_SPLIT_PATH = 4096 };
struct pl_split_files {
    char final[PL_SPLIT_PATH], fresh[PL_SPLIT_PATH], journal[PL_SPLIT_PATH];
};
PL_CHECKED pl_err pl_split_paths(struct pl_split_files *out, const char *descriptor);
bool pl_file_there(const char *path);

PL_CHECKED pl_err pl_journal_make(struct pl_journal *j, const char *path); /* new, empty, synced */
PL_CHECKED pl_err pl_journal_target(struct pl_journal *j, const struct pl_place *p);
PL_CHECKED pl_err pl_journal_prepared(struct pl_journal *j, const uint8_t vault_id[static 32],
                                      const uint8_t handle[static 16]);
void pl_journal_close(struct pl_journal *j);
PL_CHECKED pl_err pl_journal_read(struct pl_journal *out, const char *path);
/* Renames the fresh descriptor, syncs the folder, removes the journal. */
PL_CHECKED pl_err pl_split_commit(const struct pl_split_files *f);
PL_CHECKED pl_err pl_split_forget(const struct pl_split_files *f); /* removes the journal, synced */

/* Sync of the folder that a path is in. */
PL_CHECKED pl_err pl_folder_sync(const char *path);

#endif
