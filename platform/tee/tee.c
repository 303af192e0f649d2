#include "platform/tee/tee.h"

#include <stdlib.h>
#include <string.h>

struct pl_tee_device {
    const struct pl_tee_backend *ops;
    void *dev;
    struct pl_tee_self self;
};

void pl_tee_files_free(struct pl_tee_files *f)
{
    if (!f)
        return;
    pl_wr_free(&f->mem);
    f->n = 0;
}

struct pl_span pl_tee_file(const struct pl_tee_files *f, const char *name)
{
    for (size_t i = 0; i < f->n; i++)
        if (strcmp(f->file[i].name, name) == 0)
            return f->file[i].bytes;
    return pl_span(NULL, 0);
}

const char *pl_tee_names(void)
{
    static char text[128];
    struct pl_wr w = pl_wr_fixed(text, sizeof(text) - 1);
    for (size_t i = 0; pl_tee_table[i]; i++) {
        pl_wr_str(&w, i ? ", " : "");
        pl_wr_str(&w, pl_tee_table[i]->name);
    }
    text[w.n] = '\0';
    return w.n ? text : "none";
}

pl_err pl_tee_open(struct pl_tee_device **out, const char *name)
{
    *out = NULL;
    pl_err e = PL_FAIL(TEE_NONE);
    struct pl_tee_device *t = calloc(1, sizeof(*t));
    PL_REQUIRE(t, NO_MEMORY);
    for (size_t i = 0; pl_tee_table[i] && pl_err_code(e) == PL_E_TEE_NONE; i++) {
        t->ops = pl_tee_table[i];
        if (!name || strcmp(name, t->ops->name) == 0)
            e = t->ops->open(&t->dev, &t->self);
    }
    if (e != PL_OK) {
        free(t);
        return e;
    }
    *out = t;
    return PL_OK;
}

void pl_tee_close(struct pl_tee_device *t)
{
    if (!t)
        return;
    t->ops->close(t->dev);
    free(t);
}

const struct pl_tee_self *pl_tee_self(const struct pl_tee_device *t) { return &t->self; }

pl_err pl_tee_evidence(struct pl_tee_device *t, struct pl_wr *out,
                       const uint8_t report_data[static PL_TEE_REPORT_DATA_BYTES],
                       unsigned timeout_ms)
{
    size_t before = out->n;
    pl_err e = t->ops->evidence(t->dev, out, report_data, timeout_ms);
    if (e == PL_OK && (out->n == before || out->n - before > PL_TEE_EVIDENCE_MAX))
        e = PL_FAIL(TEE_DEVICE);
    if (e == PL_OK)
        e = pl_wr_end(out);
    if (e != PL_OK)
        out->n = before;
    return e;
}

pl_err pl_tee_seal_key(struct pl_tee_device *t, uint8_t out[static PL_TEE_SEAL_KEY_BYTES],
                       struct pl_span label)
{
    PL_ASSERT(label.n >= 1 && label.n <= PL_TEE_LABEL_MAX);
    PL_REQUIRE(t->ops->seal_key, TEE_NO_SEALING);
    return t->ops->seal_key(t->dev, out, label);
}

static pl_err files(pl_err (*get)(void *, struct pl_tee_files *), void *dev,
                    struct pl_tee_files *out)
{
    *out = (struct pl_tee_files){.mem = pl_wr_heap(PL_TEE_FILES_BYTES_MAX)};
    pl_err e = get ? get(dev, out) : PL_OK;
    if (e != PL_OK)
        pl_tee_files_free(out);
    return e;
}

pl_err pl_tee_measured(struct pl_tee_device *t, struct pl_tee_files *out)
{
    return files(t->ops->measured, t->dev, out);
}

pl_err pl_tee_collateral(struct pl_tee_device *t, struct pl_tee_files *out)
{
    return files(t->ops->collateral, t->dev, out);
}
