/* One simulated machine: everything that hardware would be, without sockets.
 *
 * Its folder holds `device.secret` (32 bytes, made at the first start): platform id, PCK key and
 * all sealing keys come from it, so the folder is the machine, and a copy of it is the same one. */
#ifndef PL_SIMD_MACHINE_H
#define PL_SIMD_MACHINE_H

#include "daemons/simd/authority.h"
#include "platform/sim/sim.h"

struct pl_machine_config {
    const char *dir, *authority; /* the machine's folder; the development authority's */
    const char *tcb_status;      /* a status of the TCB levels, or "Below"; NULL: UpToDate */
    int cpu_svn;                 /* all components at once; -1: as tcb_status says */
    bool debug, revoked, trusted_timer;
    bool has_fmspc;
    uint8_t fmspc[6];
};

/* What was measured of one process. */
struct pl_verdict {
    uint8_t mrenclave[32];
    uint16_t prod_id, svn;
};

struct pl_machine {
    struct pl_crypto *c;
    struct pl_machine_config config;
    uint8_t secret[32];
    struct pl_fx_world world;
    struct pl_wr chain; /* PEM */
    char collateral[32];
};

/* Opens or makes the machine; publishes collateral. The config's strings are borrowed. */
PL_CHECKED pl_err pl_machine_open(struct pl_machine *m, const struct pl_machine_config *config,
                                  int64_t now_s);
void pl_machine_close(struct pl_machine *m); /* wipes; a zeroed one is allowed */
/* Renews collateral that is older than a day. */
PL_CHECKED pl_err pl_machine_refresh(struct pl_machine *m, int64_t now_s);

PL_CHECKED pl_err pl_machine_hello(struct pl_machine *m, struct pl_wr *out,
                                   const struct pl_verdict *v);
PL_CHECKED pl_err pl_machine_quote(struct pl_machine *m, struct pl_wr *out,
                                   const struct pl_verdict *v, const uint8_t report_data[64]);
/* HKDF of the device's secret over measurement, mode and label. */
PL_CHECKED pl_err pl_machine_seal_key(struct pl_machine *m, struct pl_wr *out,
                                      const struct pl_verdict *v, struct pl_span label);
PL_CHECKED pl_err pl_machine_collateral(struct pl_machine *m, struct pl_wr *out);

#endif
