/* From a directory to a vault that could serve: each step is done once, in this order, and none is
 * skipped. */
#include "vaultd.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

static const struct pl_span seal_label = {(const uint8_t *)"pleiad vault root 1", 19};

static pl_err entropy(void *ctx, uint8_t *out, size_t n)
{
    (void)ctx;
    return pl_entropy(out, n);
}

struct pl_interval vaultd_now(const struct vaultd *vd)
{
    int64_t s;
    (void)vd;
    if (pl_clock_wall(&s) != PL_OK)
        return PL_TIME_UNKNOWN;
    return (struct pl_interval){s - PL_TIME_HOST_SKEW_S, s + PL_TIME_HOST_SKEW_S};
}

static pl_err fail(const char *event, const char *what, pl_err e)
{
    pl_event_error(event, what, e);
    return e;
}

/* The place of damage, as an operator can use it. */
static pl_err fail_at(const char *event, const struct pl_store_place *place, pl_err e)
{
    char text[160];
    snprintf(text, sizeof(text), "%s at byte %llu, epoch %llu, frame %llu%s%s",
             place->file[0] ? place->file : "the directory", (unsigned long long)place->offset,
             (unsigned long long)place->epoch, (unsigned long long)place->sequence,
             place->os_error ? ": " : "", place->os_error ? strerrordesc_np(place->os_error) : "");
    return fail(event, text, e);
}

static pl_err take_secrets(struct vaultd *vd)
{
    PL_TRY(pl_locked_map(&vd->locked, ROOT_ARENA_BYTES));
    vd->secrets = pl_locked_arena(&vd->locked);
    vd->root = pl_arena_take(&vd->secrets, PL_ROOT_KEY_BYTES);
    vd->keys = (struct pl_vault_keys *)(void *)pl_arena_take(&vd->secrets, sizeof(*vd->keys));
    PL_ASSERT(vd->root && vd->keys);
    return PL_OK;
}

static pl_err first_root(struct vaultd *vd, const uint8_t *seal_key)
{
    uint8_t salt[PL_EPOCH_SALT_BYTES];
    PL_TRY(pl_entropy(vd->root, PL_ROOT_KEY_BYTES));
    PL_TRY(pl_entropy(salt, sizeof(salt)));
    PL_TRY(pl_store_root_make(vd->dir, vd->root, seal_key, salt, pl_tee_self(vd->tee)->tee));
    pl_event(PL_LOG_INFO, "first-start", "dir", vd->opt.dir, NULL);
    return PL_OK;
}

static pl_err open_root(struct vaultd *vd)
{
    enum pl_store_found found;
    struct pl_store_place place = {0};
    char sealer[PL_SEALER_BYTES + 1] = "";
    pl_err e = pl_store_dir(&vd->dir, &found, &place, &pl_io_system, vd->opt.dir);
    if (e != PL_OK)
        return fail_at("directory", &place, e);
    size_t mark = pl_arena_mark(&vd->secrets);
    uint8_t *seal_key = pl_arena_take(&vd->secrets, PL_TEE_SEAL_KEY_BYTES);
    e = seal_key ? pl_tee_seal_key(vd->tee, seal_key, seal_label) : PL_FAIL(NO_MEMORY);
    if (e == PL_OK)
        e = found == PL_FOUND_NOTHING ? first_root(vd, seal_key)
                                      : pl_store_root_load(vd->dir, vd->root, sealer, seal_key);
    pl_arena_release(&vd->secrets, mark);
    char what[48];
    snprintf(what, sizeof(what), "root.sealed, sealed by %s", *sealer ? sealer : "nobody known");
    return e == PL_OK ? e : fail("sealed-root", what, e);
}

static pl_err on_chunk(void *ctx, struct pl_span chunk, bool last)
{
    struct vaultd *vd = ctx;
    return pl_vault_load(vd->vault, vd->crypto, chunk, last);
}

static pl_err on_entry(void *ctx, const struct pl_entry *entry)
{
    struct vaultd *vd = ctx;
    return pl_vault_replay(vd->vault, vd->crypto, entry);
}

/* The log thread's call: every worker may have answers that wait. */
static void wake_all(void *ctx) { vaultd_wake_workers(ctx); }

static pl_err log_room(void *ctx, size_t entries, size_t body_bytes)
{
    return pl_store_room(((struct vaultd *)ctx)->store, entries, body_bytes);
}

static uint64_t log_append(void *ctx, enum pl_entry_kind kind, struct pl_span body)
{
    return pl_store_append(((struct vaultd *)ctx)->store, kind, body);
}

static pl_err open_log(struct vaultd *vd, struct pl_store_report *report)
{
    const struct pl_store_options o = {
        .dir = vd->dir,
        .secrets = &vd->secrets,
        .root = vd->root,
        .vault_id = vd->self.vault_id,
        .entropy = entropy,
        .on_snapshot = on_chunk,
        .on_entry = on_entry,
        .wake = wake_all,
        .ctx = vd,
    };
    pl_err e = pl_store_open(&vd->store, report, &o);
    if (e != PL_OK)
        return fail_at("log", &report->place, e);
    vd->log = (struct pl_log){log_room, log_append, vd};
    pl_event(PL_LOG_INFO, "log-open", "entries", pl_num(report->entries), "frames",
             pl_num(report->frames), "from_snapshot", pl_num(report->from_snapshot), "tail_cut",
             pl_num(report->tail_bytes), "direct", report->direct ? "yes" : "no", NULL);
    return PL_OK;
}

static pl_err boot(struct vaultd *vd, const struct pl_store_report *report)
{
    struct pl_boot b = {.tail_cut_bytes = report->tail_cut ? report->tail_bytes : 0,
                        .now = vaultd_now(vd)};
    struct pl_vault_status s;
    PL_TRY(pl_entropy(b.random, sizeof(b.random)));
    PL_TRY(pl_vault_boot(vd->vault, &vd->log, &b));
    pl_vault_status(vd->vault, &s);
    vd->epoch = s.boots;
    return PL_OK;
}

/* A birth, or the proof that the file still says what the vault was born under. Without a file a
 * vault that was born serves under its configuration; an unborn one only shows its evidence. */
static pl_err adopt(struct vaultd *vd)
{
    char pointer[PL_JSON_POINTER_MAX] = "";
    struct pl_config *cfg = NULL;
    if (vd->opt.config) {
        struct pl_wr text PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_CONFIG_BYTES);
        PL_TRY(pl_file_read(&text, vd->opt.config, PL_CONFIG_BYTES));
        pl_err e = pl_config_load(&cfg, vd->crypto, pl_wr_span(&text), pointer);
        if (e == PL_OK)
            e = pl_vault_adopt(vd->vault, &vd->log, cfg, vaultd_now(vd));
        pl_config_put(cfg);
        if (e != PL_OK)
            return fail("configuration", pointer, e);
    }
    vd->config = pl_vault_config(vd->vault);
    if (vd->config)
        memcpy(vd->config_root, vd->config->root, sizeof(vd->config_root));
    return PL_OK;
}

static pl_err load_trust(struct vaultd *vd)
{
    const char *bad = "";
    const struct pl_roots *roots = vd->config ? &vd->config->roots : pl_roots_builtin();
    const char *dir = vd->config ? vd->opt.collateral : NULL; /* unborn: nobody is believed */
    struct pl_trust_set *trust;
    pl_err e = pl_trust_load(&trust, vd->crypto, roots, dir, &bad);
    vd->trust = trust;
    return e == PL_OK ? e : fail("collateral", bad, e);
}

pl_err vaultd_start(struct vaultd *vd)
{
    uint8_t seed[16];
    struct pl_store_report report = {0};
    vd->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    PL_REQUIRE(vd->wake_fd >= 0, DAEMON_START);
    PL_TRY(take_secrets(vd));
    PL_TRY(pl_crypto_new(&vd->crypto));
    pl_err e = pl_tee_open(&vd->tee, vd->opt.tee);
    if (e != PL_OK)
        return fail("tee", vd->opt.tee ? vd->opt.tee : pl_tee_names(), e);
    PL_TRY(pl_process_harden()); /* after the TEE measured this process */
    PL_TRY(open_root(vd));
    PL_TRY(pl_vault_keys(vd->crypto, vd->keys, &vd->self, vd->root));
    vd->key_list = pl_wr_heap(PL_KEY_LIST_BYTES);
    PL_TRY(pl_key_list_make(vd->crypto, &vd->key_list, &vd->self, &vd->keys->identity));
    PL_TRY(pl_entropy(seed, sizeof(seed)));
    PL_TRY(pl_vault_new(&vd->vault, &vd->self, seed));
    PL_TRY(open_log(vd, &report));
    PL_TRY(pl_store_start(vd->store));
    PL_TRY(boot(vd, &report));
    PL_TRY(adopt(vd));
    PL_TRY(pl_store_wait(vd->store, pl_store_next_index(vd->store)));
    vd->snapshot_at = report.from_snapshot;
    return load_trust(vd);
}

void vaultd_stop(struct vaultd *vd)
{
    pl_store_close(vd->store);
    pl_store_dir_close(vd->dir);
    pl_config_put(vd->config);
    pl_vault_free(vd->vault);
    pl_trust_free(vd->trust);
    pl_tee_close(vd->tee);
    pl_wr_free(&vd->key_list);
    pl_crypto_free(vd->crypto);
    pl_locked_unmap(&vd->locked);
    if (vd->wake_fd >= 0)
        close(vd->wake_fd);
}
