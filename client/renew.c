/* Collateral that changes while this process lives: whoever brings it writes the folder, and the
 * next call believes what is in it. */
#include "client/internal.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>

/* One file's part; of those that are not there, nothing. */
static uint64_t mark_file(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return 0;
    const uint64_t what[] = {(uint64_t)st.st_ino, (uint64_t)st.st_size, (uint64_t)st.st_mtim.tv_sec,
                             (uint64_t)st.st_mtim.tv_nsec, (uint64_t)st.st_ctim.tv_nsec};
    uint64_t mark = 0xcbf29ce484222325; /* FNV-1a, by words */
    for (size_t i = 0; i < sizeof(what) / sizeof(*what); i++)
        mark = (mark ^ what[i]) * 0x100000001b3;
    return mark;
}

static uint64_t mark_files(const char *dir)
{
    uint64_t mark = 0;
    for (size_t i = 0; i < PL_COLLATERAL_FILES; i++) {
        char path[4096];
        int n = snprintf(path, sizeof(path), "%s/%s", dir, pl_collateral_file[i].name);
        if (n > 0 && (size_t)n < sizeof(path))
            mark += mark_file(path) * (2 * i + 1);
    }
    return mark;
}

static void close_dir(DIR **d)
{
    if (*d)
        closedir(*d);
}

/* The same for any order in which a folder is listed. */
uint64_t pl_collateral_mark(const char *dir)
{
    uint64_t mark = mark_files(dir);
    DIR *d PL_CLEANUP(close_dir) = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d));) {
        char sub[4096];
        int n = snprintf(sub, sizeof(sub), "%s/%s", dir, e->d_name);
        if (e->d_name[0] != '.' && n > 0 && (size_t)n < sizeof(sub))
            mark += mark_files(sub);
    }
    return mark;
}

/* A folder that is just being written is tried again by the next call; what was goes on. */
void pl_app_renew(struct pl_app *app)
{
    if (!app->collateral)
        return;
    uint64_t mark = pl_collateral_mark(app->collateral);
    const struct pl_trust_set *before = app->trust;
    if (mark == app->collateral_mark ||
        pl_trust_renew(&app->trust, app->crypto, app->collateral, NULL) != PL_OK)
        return;
    app->collateral_mark = mark;
    if (app->trust != before) /* those were judged by what was believed then */
        pl_kept_drop(app);
}
