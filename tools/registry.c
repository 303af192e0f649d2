#include "tools/registry.h"
#include "platform/platform.h"

#include <string.h>

enum { SEEN_MAX = 8 << 20 };

void tool_ids_add(struct tool_ids *ids, const uint8_t id[static PL_ID_BYTES])
{
    for (size_t i = 0; i < ids->n; i++)
        if (memcmp(ids->id[i], id, PL_ID_BYTES) == 0)
            return;
    if (ids->n < TOOL_IDS_MAX)
        memcpy(ids->id[ids->n++], id, PL_ID_BYTES);
}

/* The vaults of the home's list; none without one. */
static pl_err add_mine(struct tool_ids *ids, const struct tool_home *h)
{
    char path[PATH_MAX];
    struct pl_place place[TOOL_VAULTS_MAX];
    size_t n;
    tool_path(path, h, "vaults");
    if (!tool_exists(path))
        return PL_OK;
    PL_TRY(tool_places(h, place, &n));
    for (size_t i = 0; i < n; i++)
        tool_ids_add(ids, place[i].vault_id);
    return PL_OK;
}

pl_err tool_ids_descriptor(struct tool_ids *out, struct pl_app *app, struct pl_span text)
{
    static struct pl_descriptor_info info;
    PL_TRY(pl_descriptor_info(&info, app, text.p, text.n));
    for (size_t i = 0; i < info.vaults; i++)
        tool_ids_add(out, info.vault[i].place.vault_id);
    return PL_OK;
}

pl_err tool_ids_grant(struct tool_ids *out, struct pl_app *app, struct pl_span text)
{
    uint8_t id[PL_VAULTS_MAX][PL_ID_BYTES];
    size_t n;
    PL_TRY(pl_grant_vaults(app, text.p, text.n, id, &n));
    for (size_t i = 0; i < n; i++)
        tool_ids_add(out, id[i]);
    return PL_OK;
}

static const struct pl_registry_entry *entry_of(const struct pl_registry_list *l,
                                                const uint8_t id[static PL_ID_BYTES])
{
    for (size_t i = 0; i < l->n; i++)
        if (memcmp(l->entry[i].place.vault_id, id, PL_ID_BYTES) == 0)
            return &l->entry[i];
    return NULL;
}

/* Entries of listed vaults alone: a registry cannot make this grow. */
static pl_err remember(const char *path, const struct tool_ids *ids,
                       const struct pl_registry_list *l)
{
    struct pl_registry_entry keep[TOOL_IDS_MAX];
    struct pl_registry_list few = {.entry = keep};
    char *text PL_CLEANUP(tool_text_free) = NULL;
    for (size_t i = 0; i < ids->n; i++) {
        const struct pl_registry_entry *e = entry_of(l, ids->id[i]);
        if (e)
            keep[few.n++] = *e;
    }
    PL_TRY(pl_registry_page(&text, &few));
    return pl_file_write(path, pl_span_str(text), 0600, PL_FILE_REPLACE);
}

static void tell_vaults(struct tool *t, const struct tool_ids *ids,
                        const struct pl_registry_list *l)
{
    char hex[17];
    for (size_t i = 0; i < ids->n; i++) {
        const struct pl_registry_entry *e = entry_of(l, ids->id[i]);
        pl_hex(hex, pl_span(ids->id[i], 8));
        if (!e || !e->listed)
            tool_note(t, "vault %s of your list is not listed there: it left, or it is left out%s",
                      hex, e ? "; its last entry still holds" : "");
    }
}

static void tell(struct tool *t, const struct pl_registry_list *l)
{
    if (l->bad)
        tool_note(t, "%zu %s not verify, left out, the first: %s [%s]", l->bad,
                  l->bad == 1 ? "entry does" : "entries do", pl_error_text(l->bad_why),
                  pl_error_name(l->bad_why));
    if (l->expired)
        tool_note(t, "%zu entries do not hold at this time and are left out", l->expired);
    if (l->older)
        tool_note(t, "%zu entries are older than what was seen before and are left out", l->older);
}

static bool has(const struct tool *t, const char *name)
{
    for (const struct tool_opt *o = t->cmd->opts; o->name; o++)
        if (strcmp(o->name, name) == 0)
            return true;
    return false;
}

static const char *optional(const struct tool *t, const char *name)
{
    return has(t, name) ? tool_text(t, name) : NULL;
}

pl_err tool_registry(struct tool *t, struct pl_app *app, const struct tool_home *h,
                     struct tool_ids *listed, struct pl_registry_list *out)
{
    char seen[PATH_MAX];
    struct tool_ids mine = {.n = 0}, *ids = listed ? listed : &mine;
    const char *url = tool_text(t, "registry"), *file = url ? NULL : optional(t, "file");
    struct pl_wr known PL_CLEANUP(pl_wr_free) = {0};
    *out = (struct pl_registry_list){0};
    PL_TRY(add_mine(ids, h));
    PL_REQUIRE(!listed || ids->n, FILE_MISSING); /* nobody's list is not everybody's */
    tool_path(seen, h, "registry.seen");
    if (file || tool_exists(seen))
        PL_TRY(tool_read(&known, file ? file : seen, SEEN_MAX));
    const struct pl_registry_order o = {
        .url = url,
        .known = known.p,
        .known_bytes = known.n,
        .tee = optional(t, "tee"),
        .measurement = optional(t, "measurement"),
        .label = optional(t, "label"),
        .vault_id = ids->id,
        .vaults = listed ? ids->n : 0,
        .deadline_ms = has(t, "file") ? (unsigned)tool_number(t, "deadline", 0) : 0,
    };
    bool narrow = o.tee || o.measurement || o.label;
    PL_TRY(pl_registry_read(app, &o, out));
    tell(t, out);
    if (!narrow)
        tell_vaults(t, ids, out);
    return url && ids->n && !narrow ? remember(seen, ids, out) : PL_OK;
}

pl_err tool_places_now(struct tool *t, struct pl_app *app, const struct tool_home *h,
                       struct tool_ids *listed, struct pl_place *out, size_t *out_n)
{
    struct pl_registry_list l;
    if (!tool_text(t, "registry"))
        return tool_places(h, out, out_n);
    pl_err e = tool_registry(t, app, h, listed, &l);
    *out_n = 0;
    for (size_t i = 0; e == PL_OK && i < l.n && *out_n < TOOL_IDS_MAX; i++)
        out[(*out_n)++] = l.entry[i].place;
    pl_registry_free(&l);
    return e;
}

void tool_places_newer(struct tool *t, struct pl_app *app, const struct tool_home *h,
                       struct tool_ids *listed, struct pl_place *out, size_t *out_n)
{
    pl_err e = tool_places_now(t, app, h, listed, out, out_n);
    if (e == PL_OK)
        return;
    *out_n = 0;
    tool_note(t, "%s: %s; going on with the descriptor's endpoints",
              tool_text(t, "registry") ? tool_text(t, "registry") : h->dir, pl_error_text(e));
}
