/* Start and birth. */
#include "vault/internal.h"

#include <string.h>

static pl_err write_change(struct pl_vault *v, const struct pl_log *log, struct change *ch)
{
    struct pl_wr w PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_ENTRY_BODY_MAX);
    PL_TRY(pl_change_write(&w, ch));
    PL_TRY(pl_vault_reserve(v, ch, NULL));
    PL_TRY(log->room(log->ctx, 1, w.n));
    pl_vault_apply(v, ch, log->append(log->ctx, ch->kind, pl_wr_span(&w)), NULL);
    return PL_OK;
}

pl_err pl_vault_boot(struct pl_vault *v, const struct pl_log *log, const struct pl_boot *boot)
{
    struct change ch = {.kind = PL_ENTRY_BOOT, .now = boot->now, .count = boot->tail_cut_bytes};
    memcpy(ch.random, boot->random, sizeof(ch.random));
    PL_REQUIRE(v->applied >= v->until, SNAPSHOT_STATE); /* the log ends before its snapshot does */
    return write_change(v, log, &ch);
}

pl_err pl_vault_adopt(struct pl_vault *v, const struct pl_log *log, struct pl_config *config,
                      struct pl_interval now)
{
    struct change ch = {.kind = PL_ENTRY_CONFIG, .now = now, .config = config->text};
    if (v->config) {
        PL_REQUIRE(memcmp(v->config->root, config->root, 32) == 0, CONFIG_OTHER);
        return PL_OK;
    }
    PL_TRY(write_change(v, log, &ch));
    pl_config_get(config);
    v->config = config;
    return PL_OK;
}

struct pl_config *pl_vault_config(struct pl_vault *v)
{
    if (v->config)
        pl_config_get(v->config);
    return v->config;
}

void pl_vault_status(const struct pl_vault *v, struct pl_vault_status *out)
{
    *out = (struct pl_vault_status){
        .born = v->config != NULL,
        .boots = v->boots,
        .keys = v->keys,
        .prepared = v->prepared,
        .deleted = v->deleted,
        .turns = v->turns,
        .refused = v->refused,
        .strangers = v->strangers,
    };
    if (!v->config)
        return;
    out->time = v->config->time;
    memcpy(out->config_root, v->config->root, sizeof(out->config_root));
}
