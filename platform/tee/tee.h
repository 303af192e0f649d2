/* The TEE this process runs in, whatever it is: evidence, sealing keys, own measurement.
 *
 * A back end is a row of functions. Which rows a program has is decided when it is linked, by one
 * of two objects that define pl_tee_table: table.c (hardware only) or platform/sim/table.c (the
 * same and simulated hardware). Nothing else differs, and nothing in tee.c or table.c names the
 * simulation.
 *
 * Every call may block for as long as the device does (5 ms to seconds): call from a thread that
 * has nothing else to do. One thread at a time per handle. The host answers these calls, so what
 * comes back is data: evidence is judged by whoever verifies it, not by whoever fetched it.
 *
 * Errors: TEE_NONE (this build has no such back end, or there is no such device here), TEE_DEVICE
 * (the device answers wrongly or not at all: the handle is spent, open again), TEE_BUSY (its queue
 * is full: try again), TEE_REFUSED (the device will not serve this process), NO_MEMORY.
 */
#ifndef PL_PLATFORM_TEE_TEE_H
#define PL_PLATFORM_TEE_TEE_H

#include "base/base.h"

enum {
    PL_TEE_REPORT_DATA_BYTES = 64,
    PL_TEE_SEAL_KEY_BYTES = 32,
    PL_TEE_LABEL_MAX = 64,           /* of a sealing key */
    PL_TEE_EVIDENCE_MAX = 64 * 1024, /* as on the wire (20-api: evidence) */
    PL_TEE_MEASUREMENTS_MAX = 16,
    PL_TEE_MEASURED_MAX = 8, /* measured files of one process */
    PL_TEE_FILES_MAX = 16,   /* in one struct pl_tee_files */
    PL_TEE_FILE_NAME_MAX = 63,
    PL_TEE_FILES_BYTES_MAX = 2 * 1024 * 1024, /* all files of one set together */
};

/* One measurement, named as in a profile: "mrenclave", "mrtd", "pcr7". */
struct pl_tee_measurement {
    const char *name; /* static */
    uint8_t bytes[64];
    size_t n;
};

/* What this device and this process are. Informative: the same facts stand in the evidence, where
 * they are signed. Use it to print a profile or to choose a form of evidence. */
struct pl_tee_self {
    const char *tee; /* as a profile names it: "sgx", "tdx", ...; static */
    const char
        *format; /* the evidence's format: "sgx" also when tee is not a vendor's own; static */
    bool trusted_timer; /* the host cannot slow this process's timers; false: assume it can */
    bool debug;         /* the host can read this process: evidence will say so */
    bool seals;         /* pl_tee_seal_key works; false: unlock by peers (80-lifecycle) */
    uint64_t svn;       /* security version of the code; 0 where there is none */
    size_t measurements;
    struct pl_tee_measurement measurement[PL_TEE_MEASUREMENTS_MAX];
};

/* Named files: measured input, collateral. Names and bytes live in `mem` until freed. */
struct pl_tee_files {
    size_t n;
    struct {
        char name[PL_TEE_FILE_NAME_MAX + 1]; /* a base name: no slash, never empty */
        struct pl_span bytes;
    } file[PL_TEE_FILES_MAX];
    struct pl_wr mem;
};
void pl_tee_files_free(struct pl_tee_files *f); /* NULL and a zeroed one are allowed */
/* The bytes of the file of this name; .p NULL when there is none. */
struct pl_span pl_tee_file(const struct pl_tee_files *f, const char *name);

struct pl_tee_device;

/* Opens the back end of this name, or with NULL the first of this build whose device is here.
 * Call once, early, before other threads exist: a device may measure the process at this moment,
 * and mappings of code that come later are not in its measurement. Wiped and closed by
 * pl_tee_close. TEE_NONE also when `name` is not in this build; pl_tee_names() says what is. */
PL_CHECKED pl_err pl_tee_open(struct pl_tee_device **out, const char *name);
void pl_tee_close(struct pl_tee_device *t); /* NULL allowed */
/* The back ends of this build, "a, b", for messages: "none" when the table is empty. Static. */
const char *pl_tee_names(void);

const struct pl_tee_self *pl_tee_self(const struct pl_tee_device *t); /* valid until close */

/* Evidence over 64 bytes of report data, appended to out (at most PL_TEE_EVIDENCE_MAX bytes, all or
 * nothing): a quote, report or document in the vendor's own format. timeout_ms bounds the wait. */
PL_CHECKED pl_err pl_tee_evidence(struct pl_tee_device *t, struct pl_wr *out,
                                  const uint8_t report_data[static PL_TEE_REPORT_DATA_BYTES],
                                  unsigned timeout_ms);

/* A key that this device gives to this measurement alone, one per label (1 to PL_TEE_LABEL_MAX
 * bytes): another machine, another measurement or another label has another key. The caller wipes
 * it. TEE_NO_SEALING where the hardware has none. */
PL_CHECKED pl_err pl_tee_seal_key(struct pl_tee_device *t,
                                  uint8_t out[static PL_TEE_SEAL_KEY_BYTES], struct pl_span label);

/* The files that are part of this process's measurement, as they were when it was measured: read
 * these bytes, never the path again. An empty set where there are none. Free it. */
PL_CHECKED pl_err pl_tee_measured(struct pl_tee_device *t, struct pl_tee_files *out);

/* Collateral for this device's evidence as far as the device has it, named as in a collateral
 * folder (tcb_info.json, pck_crl.der, ...). An empty set where the device has none. Free it. */
PL_CHECKED pl_err pl_tee_collateral(struct pl_tee_device *t, struct pl_tee_files *out);

/* --- for back ends --- */

struct pl_tee_backend {
    const char *name;
    /* Fills *self and *out_dev. TEE_NONE when its device is not here (open tries the next). */
    pl_err (*open)(void **out_dev, struct pl_tee_self *self);
    void (*close)(void *dev);
    pl_err (*evidence)(void *dev, struct pl_wr *out, const uint8_t *report_data,
                       unsigned timeout_ms);
    pl_err (*seal_key)(void *dev, uint8_t *out, struct pl_span label); /* NULL: no sealing */
    pl_err (*measured)(void *dev, struct pl_tee_files *out);           /* NULL: none */
    pl_err (*collateral)(void *dev, struct pl_tee_files *out);         /* NULL: none */
};

/* Ended by NULL. Defined by table.c or platform/sim/table.c, one of which each program links. */
extern const struct pl_tee_backend *const pl_tee_table[];

#endif
