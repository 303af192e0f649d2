#include "daemons/simd/machine.h"
#include "platform/platform.h"

#include <stdio.h>
#include <string.h>

enum { PATH_BYTES = 1024, DAY = 86400 };

static pl_err path(char out[static PATH_BYTES], const char *dir, const char *sub, const char *name)
{
    int n = snprintf(out, PATH_BYTES, "%s/%s%s%s", dir, sub, *sub ? "/" : "", name);
    PL_REQUIRE(n > 0 && n < PATH_BYTES, FILE_KIND);
    return PL_OK;
}

static pl_err device_secret(struct pl_machine *m)
{
    char p[PATH_BYTES];
    struct pl_wr b PL_CLEANUP(pl_wr_free) = pl_wr_heap(256);
    PL_TRY(path(p, m->config.dir, "", "device.secret"));
    pl_err e = pl_file_read(&b, p, sizeof(m->secret));
    if (pl_err_code(e) == PL_E_FILE_MISSING) {
        PL_TRY(pl_entropy(m->secret, sizeof(m->secret)));
        return pl_file_write(p, PL_ARR(m->secret), 0600, PL_FILE_NEW);
    }
    PL_TRY(e);
    PL_REQUIRE(b.n == sizeof(m->secret), MACHINE);
    memcpy(m->secret, b.p, sizeof(m->secret));
    return PL_OK;
}

static pl_err derive(struct pl_machine *m, uint8_t *out, size_t n, const char *what)
{
    return pl_hkdf(m->c, out, n, PL_ARR(m->secret), PL_LIT("pleiad simulated device 1"),
                   pl_span_str(what));
}

/* Platform id and keys: the same at each start of the same machine. */
static pl_err identity(struct pl_machine *m)
{
    struct pl_fx_world *w = &m->world;
    uint8_t seed[PL_P256_SEED_BYTES];
    PL_TRY(derive(m, w->platform.ppid, sizeof(w->platform.ppid), "ppid"));
    PL_TRY(derive(m, w->platform.instance_id, sizeof(w->platform.instance_id), "instance"));
    PL_TRY(derive(m, seed, sizeof(seed), "pck"));
    pl_err e = pl_p256_make(m->c, w->pck_key.priv, w->pck_key.pub, seed);
    pl_wipe(seed, sizeof(seed));
    PL_TRY(e);
    return pl_fx_pck_serial(w);
}

static pl_err configure(struct pl_machine *m)
{
    struct pl_fx_world *w = &m->world;
    const struct pl_machine_config *cf = &m->config;
    const char *status = cf->tcb_status ? cf->tcb_status : "UpToDate";
    PL_REQUIRE(pl_fx_platform_status(w, status), MACHINE);
    if (cf->cpu_svn >= 0)
        pl_fx_platform_svn(w, (uint8_t)cf->cpu_svn);
    if (cf->has_fmspc)
        memcpy(w->platform.fmspc, cf->fmspc, sizeof(cf->fmspc));
    if (cf->debug)
        w->report.attributes[0] |= PL_FX_ATTR_DEBUG;
    return pl_sim_mrsigner(m->c, w->report.mrsigner);
}

static pl_err certify(struct pl_machine *m)
{
    struct pl_fx_world *w = &m->world;
    struct pl_wr b = pl_wr_fixed(w->der.pck.p, sizeof(w->der.pck.p));
    PL_TRY(pl_fx_cert(w, &b, &w->pck));
    w->der.pck.n = b.n;
    m->chain = pl_wr_heap(PL_FX_QUOTE_MAX);
    pl_fx_pck_chain(w, &m->chain);
    return pl_wr_end(&m->chain);
}

pl_err pl_machine_open(struct pl_machine *m, const struct pl_machine_config *config, int64_t now_s)
{
    *m = (struct pl_machine){.config = *config};
    PL_TRY(pl_crypto_new(&m->c));
    PL_TRY(device_secret(m));
    PL_TRY(pl_authority_open(&m->world, m->c, config->authority, now_s));
    PL_TRY(identity(m));
    PL_TRY(configure(m));
    PL_TRY(certify(m));
    pl_authority_collateral(&m->world, m->collateral);
    if (config->revoked)
        PL_TRY(pl_authority_revoke(&m->world, config->authority));
    return pl_authority_publish(&m->world, config->authority, now_s, config->revoked ? 0 : DAY);
}

void pl_machine_close(struct pl_machine *m)
{
    pl_wr_free(&m->chain);
    pl_crypto_free(m->c);
    pl_wipe(m, sizeof(*m));
}

pl_err pl_machine_refresh(struct pl_machine *m, int64_t now_s)
{
    return pl_authority_publish(&m->world, m->config.authority, now_s, DAY);
}

pl_err pl_machine_hello(struct pl_machine *m, struct pl_wr *out, const struct pl_verdict *v)
{
    pl_wr_u8(out, (uint8_t)((m->config.debug ? PL_SIM_FLAG_DEBUG : 0) |
                            (m->config.trusted_timer ? PL_SIM_FLAG_TIMER : 0)));
    pl_wr_bytes(out, PL_ARR(v->mrenclave));
    pl_wr_bytes(out, PL_ARR(m->world.report.mrsigner));
    pl_wr_be16(out, v->prod_id);
    pl_wr_be16(out, v->svn);
    return pl_wr_end(out);
}

pl_err pl_machine_quote(struct pl_machine *m, struct pl_wr *out, const struct pl_verdict *v,
                        const uint8_t report_data[64])
{
    struct pl_fx_report *r = &m->world.report;
    memcpy(r->mrenclave, v->mrenclave, sizeof(r->mrenclave));
    memcpy(r->report_data, report_data, sizeof(r->report_data));
    r->prod_id = v->prod_id;
    r->svn = v->svn;
    return pl_fx_quote(&m->world, out, pl_wr_span(&m->chain));
}

pl_err pl_machine_seal_key(struct pl_machine *m, struct pl_wr *out, const struct pl_verdict *v,
                           struct pl_span label)
{
    uint8_t info[32 + 1 + PL_TEE_LABEL_MAX];
    struct pl_wr w = pl_wr_fixed(info, sizeof(info));
    pl_wr_bytes(&w, PL_ARR(v->mrenclave));
    pl_wr_u8(&w, m->config.debug); /* as hardware: a debug program gets no production key */
    pl_wr_bytes(&w, label);
    PL_TRY(pl_wr_end(&w));
    uint8_t *key = pl_wr_take(out, PL_TEE_SEAL_KEY_BYTES);
    PL_REQUIRE(key, NO_SPACE);
    return pl_hkdf(m->c, key, PL_TEE_SEAL_KEY_BYTES, PL_ARR(m->secret),
                   PL_LIT("pleiad simulated sealing 1"), pl_wr_span(&w));
}

pl_err pl_machine_collateral(struct pl_machine *m, struct pl_wr *out)
{
    char p[PATH_BYTES];
    pl_wr_u8(out, PL_COLLATERAL_FILES);
    for (size_t i = 0; i < PL_COLLATERAL_FILES; i++) {
        struct pl_wr b PL_CLEANUP(pl_wr_free) = pl_wr_heap(1 << 20);
        PL_TRY(path(p, m->config.authority, m->collateral, pl_collateral_file[i].name));
        PL_TRY(pl_file_read(&b, p, 1 << 20));
        pl_wr_vec(out, pl_span_str(pl_collateral_file[i].name));
        pl_wr_vec(out, pl_wr_span(&b));
    }
    return pl_wr_end(out);
}
