/* Certificates with evidence, and the CBOR inside them. An item that our reader steps over ends
 * inside the input; a value it finds in a map is one item. */
#include "base/cbor.h"
#include "attest/ratls.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct pl_crypto *c;
    struct pl_span in = pl_span(data, size);
    struct pl_ratls cert;
    struct pl_rd r = pl_rd(in), v;
    if (!c && pl_crypto_new(&c) != PL_OK)
        abort();
    if (pl_ratls_parse(c, &cert, in, PL_RATLS_OFFLINE) == PL_OK) {
        FUZZ_CHECK(cert.evidences <= 2 && cert.spki.n > 0);
        pl_err e = pl_ratls_binding(c, &cert);
        FUZZ_CHECK(e != PL_OK || cert.evidences > 0);
        FUZZ_CHECK(pl_err_code(e) != PL_E_BUG);
    }
    struct pl_ratls again;
    pl_err channel = pl_ratls_parse(c, &cert, in, PL_RATLS_CHANNEL);
    pl_err known = pl_ratls_parse(c, &again, in, PL_RATLS_KNOWN);
    FUZZ_CHECK(channel != PL_OK || (known == PL_OK && cert.evidences <= 1));
    pl_cbor_skip(&r);
    FUZZ_CHECK(r.bad || (r.p > data && r.p <= data + size));
    r = pl_rd(in);
    if (pl_cbor_map_find(&r, "pubkey-hash", &v)) {
        pl_cbor_skip(&v);
        FUZZ_CHECK(pl_rd_end(&v) == PL_OK);
    }
    return 0;
}
