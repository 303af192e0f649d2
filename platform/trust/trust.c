#include "platform/trust/trust.h"
#include "platform/platform.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_BYTES = 1024 };

static _Thread_local char bad_path[PATH_BYTES];

static bool join(char *out, const char *dir, const char *name)
{
    int n = snprintf(out, PATH_BYTES, "%s/%s", dir, name);
    return n > 0 && n < PATH_BYTES;
}

/* All six, one behind the other in the set's memory. */
static pl_err read_files(struct pl_wr *mem, const char *dir, size_t *out_at)
{
    for (unsigned i = 0; i < PL_COLLATERAL_FILES; i++) {
        PL_REQUIRE(join(bad_path, dir, pl_collateral_file[i].name), TRUST_EMPTY);
        out_at[i] = mem->n;
        PL_TRY(pl_file_read(mem, bad_path, pl_collateral_file[i].max));
    }
    out_at[PL_COLLATERAL_FILES] = mem->n;
    return PL_OK;
}

static bool same_platform(const struct pl_collateral *a, const struct pl_collateral *b)
{
    return memcmp(a->fmspc, b->fmspc, sizeof(a->fmspc)) == 0 &&
           memcmp(a->pce_id, b->pce_id, sizeof(a->pce_id)) == 0 &&
           a->platform_ca == b->platform_ca &&
           memcmp(a->root_spki_sha256, b->root_spki_sha256, sizeof(a->root_spki_sha256)) == 0;
}

static pl_err load_folder(struct pl_trust_set *t, struct pl_crypto *c, const char *dir)
{
    size_t at[PL_COLLATERAL_FILES + 1];
    struct pl_span part[PL_COLLATERAL_FILES];
    PL_REQUIRE(t->n < PL_TRUST_FOLDERS, TRUST_FULL);
    struct pl_wr *mem = &t->mem[t->n];
    *mem = pl_wr_heap(4 * PL_CRL_MAX);
    t->n++;
    PL_TRY(read_files(mem, dir, at));
    for (unsigned i = 0; i < PL_COLLATERAL_FILES; i++)
        part[i] = pl_span(mem->p + at[i], at[i + 1] - at[i]);
    const struct pl_collateral_in in = pl_collateral_of(part);
    snprintf(bad_path, sizeof(bad_path), "%s", dir);
    struct pl_collateral *fresh = &t->collateral[t->n - 1];
    PL_TRY(pl_collateral_verify(c, &t->roots, fresh, &in));
    for (const struct pl_collateral *one = t->collateral; one < fresh; one++)
        PL_REQUIRE(!same_platform(one, fresh), TRUST_TWICE); /* which of them would count? */
    return PL_OK;
}

static bool has_collateral(const char *dir)
{
    char path[PATH_BYTES];
    FILE *f = join(path, dir, pl_collateral_file[0].name) ? fopen(path, "re") : NULL;
    if (f)
        fclose(f);
    return f != NULL;
}

static void close_dir(DIR **d)
{
    if (*d)
        closedir(*d);
}

static pl_err load_tree(struct pl_trust_set *t, struct pl_crypto *c, const char *dir)
{
    if (has_collateral(dir))
        return load_folder(t, c, dir);
    DIR *d PL_CLEANUP(close_dir) = opendir(dir);
    snprintf(bad_path, sizeof(bad_path), "%s", dir);
    PL_REQUIRE(d, FILE_MISSING);
    for (struct dirent *e; (e = readdir(d));) {
        char sub[PATH_BYTES];
        if (e->d_name[0] != '.' && join(sub, dir, e->d_name) && has_collateral(sub))
            PL_TRY(load_folder(t, c, sub));
    }
    PL_REQUIRE(t->n > 0, TRUST_EMPTY);
    return PL_OK;
}

pl_err pl_trust_load(struct pl_trust_set **out, struct pl_crypto *c, const struct pl_roots *roots,
                     const char *dir, const char **out_bad)
{
    struct pl_trust_set *t = calloc(1, sizeof(*t));
    *out = NULL;
    if (out_bad)
        *out_bad = bad_path;
    PL_REQUIRE(t, NO_MEMORY);
    t->roots = *roots;
    pl_err e = dir ? load_tree(t, c, dir) : PL_OK;
    if (e != PL_OK) {
        pl_trust_free(t);
        return e;
    }
    *out = t;
    return PL_OK;
}

static bool same(const struct pl_trust_set *a, const struct pl_trust_set *b)
{
    bool all = a->n == b->n;
    for (size_t i = 0; all && i < a->n; i++)
        all = pl_span_eq(pl_wr_span(&a->mem[i]), pl_wr_span(&b->mem[i]));
    return all;
}

/* Nothing of any platform is older than it ever was here: an older list of what is revoked names
 * fewer. */
static pl_err follows(const struct pl_trust_set *fresh, const struct pl_trust_set *old)
{
    for (; old; old = old->older)
        for (size_t i = 0; i < fresh->n; i++)
            for (size_t j = 0; j < old->n; j++)
                if (same_platform(&fresh->collateral[i], &old->collateral[j]))
                    PL_TRY(
                        pl_collateral_follows(&fresh->collateral[i], &old->collateral[j].numbers));
    return PL_OK;
}

pl_err pl_trust_renew(struct pl_trust_set *_Atomic *set, struct pl_crypto *c, const char *dir,
                      const char **out_bad)
{
    struct pl_trust_set *old = *set, *fresh;
    PL_TRY(pl_trust_load(&fresh, c, &old->roots, dir, out_bad));
    pl_err e = follows(fresh, old);
    if (e != PL_OK || same(fresh, old)) {
        pl_trust_free(fresh);
        return e;
    }
    fresh->older = old;
    *set = fresh;
    return PL_OK;
}

void pl_trust_free(struct pl_trust_set *t)
{
    for (struct pl_trust_set *older; t; t = older) {
        older = t->older;
        for (size_t i = 0; i < t->n; i++)
            pl_wr_free(&t->mem[i]);
        free(t);
    }
}

struct pl_verifier pl_trust_verifier(const struct pl_trust_set *t, struct pl_crypto *c,
                                     struct pl_chain_cache *cache, struct pl_interval now)
{
    return (struct pl_verifier){
        .crypto = c,
        .roots = &t->roots,
        .collateral = t->collateral,
        .collateral_n = t->n,
        .cache = cache,
        .now = now,
    };
}
