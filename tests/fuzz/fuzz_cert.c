/* Certificates: what our reader accepts, OpenSSL reads the same. */
#include "x509_openssl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pl_cert c;
    struct pl_span in = pl_span(data, size);
    cert_against_openssl(in);
    if (pl_cert_parse(&c, in, PL_CERT_MAX, NULL, 0) == PL_OK) {
        struct pl_span cn = pl_name_cn(c.subject);
        FUZZ_CHECK(cn.n == 0 || (cn.p >= data && cn.p + cn.n <= data + size));
    }
    return 0;
}
