/* CRLs: what our reader accepts, OpenSSL reads the same, and every serial of its list is listed. */
#include "x509_openssl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    crl_against_openssl(pl_span(data, size));
    return 0;
}
