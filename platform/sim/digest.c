#include "platform/sim/sim.h"
#include "crypto/crypto.h"

#include <stdlib.h>
#include <string.h>

static int digest_order(const void *a, const void *b) { return memcmp(a, b, PL_SHA256_BYTES); }

/* "pleiad simulated enclave 1\0" || u32 n || digests || u16 prod_id || u16 svn || vec name || u8 m
 * || m times {vec name, SHA-256 of the bytes}. Sorted digests: where the loader puts a library and
 * what its path is do not matter, its bytes do. */
pl_err pl_sim_mrenclave(struct pl_crypto *c, uint8_t out[static 32], uint8_t (*digest)[32],
                        size_t n, const struct pl_sim_image *image)
{
    uint8_t file[PL_SHA256_BYTES];
    struct pl_wr w PL_CLEANUP(pl_wr_free) = pl_wr_heap(64 * 1024);
    qsort(digest, n, sizeof(*digest), digest_order);
    pl_wr_bytes(&w, pl_span("pleiad simulated enclave 1", 27));
    pl_wr_be32(&w, (uint32_t)n);
    pl_wr_bytes(&w, pl_span(digest, n * sizeof(*digest)));
    pl_wr_be16(&w, image->prod_id);
    pl_wr_be16(&w, image->svn);
    pl_wr_vec(&w, pl_span_str(image->name));
    pl_wr_u8(&w, (uint8_t)image->files);
    for (size_t i = 0; i < image->files; i++) {
        PL_TRY(pl_sha256_one(c, file, image->file[i].bytes));
        pl_wr_vec(&w, pl_span_str(image->file[i].name));
        pl_wr_bytes(&w, PL_ARR(file));
    }
    PL_TRY(pl_wr_end(&w));
    return pl_sha256_one(c, out, pl_wr_span(&w));
}

pl_err pl_sim_mrsigner(struct pl_crypto *c, uint8_t out[static 32])
{
    return pl_sha256_one(c, out, PL_LIT("pleiad development signer 1"));
}
