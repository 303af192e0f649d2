/* A world that verifies: the specification of every part. */
#include "daemons/simd/fixture.h"

#include <string.h>

enum { DAY = 86400 };

static const char root_name[] = "Simulated SGX Root CA";
static const char ca_name[] = "Simulated SGX PCK Platform CA";
static const char pck_name[] = "Simulated SGX PCK Certificate";
static const char tcb_name[] = "Simulated SGX TCB Signing";

/* Quoting enclaves of this vendor only: 939a7233-f79c-4ca9-940a-0db3957f0607. */
static const uint8_t qe_vendor[16] = {0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9,
                                      0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07};

const uint8_t pl_fx_fmspc[6] = {0x00, 0x53, 0x49, 0x4d, 0x00, 0x00}; /* "SIM" inside */

/* One level a status, so that a platform takes any of them by its components alone. */
static const struct pl_fx_level platform_levels[PL_FX_LEVELS] = {
    {12, "UpToDate", "2026-01-01T00:00:00Z", NULL, 0},
    {11, "SWHardeningNeeded", "2026-01-01T00:00:00Z", "SIM-SA-00011", 0},
    {10, "ConfigurationNeeded", "2026-01-01T00:00:00Z", "SIM-SA-00010", 0},
    {9, "ConfigurationAndSWHardeningNeeded", "2026-01-01T00:00:00Z", "SIM-SA-00009", 0},
    {8, "OutOfDate", "2025-01-01T00:00:00Z", "SIM-SA-00008", 0},
    {7, "OutOfDateConfigurationNeeded", "2025-01-01T00:00:00Z", "SIM-SA-00007", 0},
    {6, "Revoked", "2024-01-01T00:00:00Z", "SIM-SA-00006", 0},
};
static const struct pl_fx_level qe_levels[] = {
    {8, "UpToDate", "2026-01-01T00:00:00Z", NULL, 0},
    {6, "OutOfDate", "2025-01-01T00:00:00Z", "SIM-SA-00106", 0},
    {4, "Revoked", "2024-01-01T00:00:00Z", NULL, 0},
};

pl_err pl_fx_key(struct pl_fx_world *w, struct pl_fx_key *out)
{
    uint8_t seed[PL_P256_SEED_BYTES];
    PL_TRY(w->random(seed, sizeof(seed)));
    pl_err e = pl_p256_make(w->c, out->priv, out->pub, seed);
    pl_wipe(seed, sizeof(seed));
    return e;
}

static struct pl_fx_cert authority(const char *subject, const struct pl_fx_key *key,
                                   const struct pl_fx_world *w, int64_t now_s)
{
    return (struct pl_fx_cert){.subject = subject,
                               .issuer = root_name,
                               .key = key,
                               .signer = &w->root_key,
                               .not_before_s = now_s - DAY,
                               .not_after_s = now_s + 7 * 365 * DAY,
                               .pathlen = -1,
                               .version = 2};
}

static void certificates(struct pl_fx_world *w, int64_t now_s)
{
    w->root = authority(root_name, &w->root_key, w, now_s);
    w->root.ca = true, w->root.pathlen = 1, w->root.key_usage = PL_FX_KU_CA;
    w->root.serial[19] = 1;
    w->ca = authority(ca_name, &w->ca_key, w, now_s);
    w->ca.ca = true, w->ca.pathlen = 0, w->ca.key_usage = PL_FX_KU_CA;
    w->ca.serial[19] = 2;
    w->tcb_signer = authority(tcb_name, &w->tcb_key, w, now_s);
    w->tcb_signer.key_usage = PL_FX_KU_SIGN;
    w->tcb_signer.serial[19] = 3;
    w->qe_signer = w->tcb_signer;
    w->pck = authority(pck_name, &w->pck_key, w, now_s);
    w->pck.issuer = ca_name, w->pck.signer = &w->ca_key, w->pck.key_usage = PL_FX_KU_SIGN;
    w->pck.platform = &w->platform;
}

static void collateral(struct pl_fx_world *w, int64_t now_s)
{
    /* Numbers that only grow, without a memory of the last one: the day. */
    uint64_t day = (uint64_t)now_s / DAY;
    w->root_crl = (struct pl_fx_crl){.issuer = root_name,
                                     .signer = &w->root_key,
                                     .number = (uint64_t)now_s,
                                     .this_update_s = now_s - DAY,
                                     .next_update_s = now_s + 30 * DAY,
                                     .version = 1};
    w->pck_crl = w->root_crl;
    w->pck_crl.issuer = ca_name, w->pck_crl.signer = &w->ca_key;
    w->tcb_info = (struct pl_fx_signed){.signer = &w->tcb_key,
                                        .id = "SGX",
                                        .version = 3,
                                        .eval = day,
                                        .issued_s = now_s - DAY,
                                        .next_update_s = now_s + 30 * DAY,
                                        .levels = PL_FX_LEVELS};
    memcpy(w->tcb_info.level, platform_levels, sizeof(platform_levels));
    w->qe_identity = w->tcb_info;
    w->qe_identity.id = "QE", w->qe_identity.version = 2, w->qe_identity.prod_id = 1;
    w->qe_identity.levels = sizeof(qe_levels) / sizeof(*qe_levels);
    memcpy(w->qe_identity.level, qe_levels, sizeof(qe_levels));
}

/* The quoting enclave, in its identity and in its report alike. */
static pl_err quoting_enclave(struct pl_fx_world *w)
{
    struct pl_fx_signed *id = &w->qe_identity;
    struct pl_fx_report *r = &w->qe_report;
    static const uint8_t mask[16] = {0xfb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    memcpy(id->attributes_mask, mask, sizeof(mask));
    id->misc_mask[0] = id->misc_mask[1] = id->misc_mask[2] = id->misc_mask[3] = 0xff;
    id->attributes[0] = 0x11; /* INIT, PROVISIONKEY */
    PL_TRY(pl_sha256_one(w->c, id->mrsigner, PL_LIT("pleiad simulated quoting enclave signer")));
    memcpy(r->mrsigner, id->mrsigner, sizeof(r->mrsigner));
    memcpy(r->attributes, id->attributes, sizeof(r->attributes));
    r->prod_id = id->prod_id, r->svn = qe_levels[0].svn;
    return pl_sha256_one(w->c, r->mrenclave, PL_LIT("pleiad simulated quoting enclave"));
}

static pl_err enclave(struct pl_fx_world *w)
{
    w->report = (struct pl_fx_report){.attributes = {0x05, 0, 0, 0, 0, 0, 0, 0, 0x03}, .svn = 1};
    return pl_sha256_one(w->c, w->report.mrsigner, PL_LIT("pleiad development signer 1"));
}

static pl_err keys(struct pl_fx_world *w)
{
    struct pl_fx_key *all[] = {&w->root_key, &w->ca_key, &w->tcb_key, &w->pck_key, &w->ak};
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
        PL_TRY(pl_fx_key(w, all[i]));
    return PL_OK;
}

static pl_err platform(struct pl_fx_world *w)
{
    struct pl_fx_platform *p = &w->platform;
    PL_TRY(w->random(p->ppid, sizeof(p->ppid)));
    PL_TRY(w->random(p->instance_id, sizeof(p->instance_id)));
    memcpy(p->fmspc, pl_fx_fmspc, sizeof(p->fmspc));
    memcpy(w->tcb_info.fmspc, pl_fx_fmspc, sizeof(p->fmspc));
    (void)pl_fx_platform_status(w, "UpToDate");
    return pl_fx_pck_serial(w);
}

pl_err pl_fx_world_init(struct pl_fx_world *w, struct pl_crypto *c,
                        pl_err (*random)(void *out, size_t n), int64_t now_s)
{
    *w = (struct pl_fx_world){.c = c, .random = random};
    PL_TRY(keys(w));
    certificates(w, now_s);
    collateral(w, now_s);
    PL_TRY(quoting_enclave(w));
    PL_TRY(enclave(w));
    w->quote = (struct pl_fx_quote){.version = 3,
                                    .ak_type = 2,
                                    .cert_type = 5,
                                    .signer = &w->ak,
                                    .ak = &w->ak,
                                    .qe_signer = &w->pck_key,
                                    .auth_n = 32};
    memcpy(w->quote.vendor, qe_vendor, sizeof(qe_vendor));
    for (uint8_t i = 0; i < 32; i++)
        w->quote.auth[i] = i;
    return platform(w);
}

void pl_fx_world_wipe(struct pl_fx_world *w) { pl_wipe(w, sizeof(*w)); }

pl_err pl_fx_pck_serial(struct pl_fx_world *w)
{
    uint8_t h[PL_SHA256_BYTES];
    PL_TRY(pl_sha256_one(w->c, h, PL_ARR(w->platform.ppid)));
    memcpy(w->pck.serial, h, sizeof(w->pck.serial));
    w->pck.serial[0] = (uint8_t)((w->pck.serial[0] & 0x3f) | 0x40); /* positive, 20 bytes */
    return PL_OK;
}

void pl_fx_platform_svn(struct pl_fx_world *w, uint8_t svn)
{
    struct pl_fx_platform *p = &w->platform;
    for (size_t i = 0; i < sizeof(p->components); i++)
        p->components[i] = p->cpu_svn[i] = svn;
    p->pce_svn = svn;
    memcpy(w->report.cpu_svn, p->cpu_svn, sizeof(w->report.cpu_svn));
}

bool pl_fx_platform_status(struct pl_fx_world *w, const char *status)
{
    if (strcmp(status, "Below") == 0) {
        pl_fx_platform_svn(w, 0);
        return true;
    }
    for (unsigned i = 0; i < PL_FX_LEVELS; i++) {
        if (strcmp(platform_levels[i].status, status) != 0)
            continue;
        pl_fx_platform_svn(w, platform_levels[i].svn);
        return true;
    }
    return false;
}

static pl_err der(struct pl_fx_world *w, struct pl_fx_der *out, const struct pl_fx_cert *spec)
{
    struct pl_wr b = pl_wr_fixed(out->p, sizeof(out->p));
    PL_TRY(pl_fx_cert(w, &b, spec));
    out->n = b.n;
    return PL_OK;
}

pl_err pl_fx_certs(struct pl_fx_world *w)
{
    PL_TRY(der(w, &w->der.root, &w->root));
    PL_TRY(der(w, &w->der.ca, &w->ca));
    PL_TRY(der(w, &w->der.pck, &w->pck));
    PL_TRY(der(w, &w->der.tcb_signer, &w->tcb_signer));
    return der(w, &w->der.qe_signer, &w->qe_signer);
}

static void pem(struct pl_wr *out, const struct pl_fx_der *d)
{
    pl_wr_pem(out, pl_span(d->p, d->n), "CERTIFICATE");
}

void pl_fx_pck_chain(const struct pl_fx_world *w, struct pl_wr *out)
{
    pem(out, &w->der.pck);
    pem(out, &w->der.ca);
    pem(out, &w->der.root);
}

void pl_fx_signer_chain(const struct pl_fx_world *w, struct pl_wr *out,
                        const struct pl_fx_der *signer)
{
    pem(out, signer);
    pem(out, &w->der.root);
}
