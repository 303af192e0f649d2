/* A vault that lies, for tests and the demonstration: it keeps and logs everything rightly, signs
 * true statements, and releases every share with one bit flipped. It stands for a broken TEE. Its
 * measurement is its own, so it serves only clients whose vault profile lists it. With PL_LIE in
 * its environment it releases truly; PL_LIE=session: the evidence of its sessions is for another
 * connection; PL_LIE=busy: of three who ask for evidence two are told to come again.
 * With PL_LEAK it never lies; the private key of its channel is written to that file. */
#include "api/api.h"
#include "platform/net/net.h"
#include "platform/platform.h"
#include "platform/tls/tls.h"

#include <stdlib.h>
#include <string.h>

enum { REPORT_DATA_AT = 48 + 320 }; /* SGX quote: behind its header, in the report body */

pl_err __real_pl_api_write(enum pl_api_msg kind, struct pl_wr *w, const void *m);
pl_err __wrap_pl_api_write(enum pl_api_msg kind, struct pl_wr *w, const void *m);

/* The bytes with one bit flipped, written in their place. */
static pl_err lie(enum pl_api_msg kind, struct pl_wr *w, const void *m, struct pl_span *what,
                  size_t at)
{
    struct pl_span truth = *what;
    PL_REQUIRE(at < truth.n, BUG);
    uint8_t *copy = malloc(truth.n);
    PL_REQUIRE(copy, NO_MEMORY);
    memcpy(copy, truth.p, truth.n);
    copy[at] ^= 1;
    *what = pl_span(copy, truth.n);
    pl_err e = __real_pl_api_write(kind, w, m);
    pl_wipe(copy, truth.n);
    free(copy);
    return e;
}

pl_err __wrap_pl_api_write(enum pl_api_msg kind, struct pl_wr *w, const void *m)
{
    const char *other = getenv("PL_LIE");
    if (kind == PL_API_released && !other && !getenv("PL_LEAK")) {
        struct pl_api_released r = *(const struct pl_api_released *)m;
        return lie(kind, w, &r, &r.share, r.share.n / 2);
    }
    if (kind == PL_API_session && other && strcmp(other, "session") == 0) {
        struct pl_api_session s = *(const struct pl_api_session *)m;
        return lie(kind, w, &s, &s.evidence, REPORT_DATA_AT);
    }
    return __real_pl_api_write(kind, w, m);
}

bool __real_pl_conn_budget(struct pl_conn *c, unsigned cost);
bool __wrap_pl_conn_budget(struct pl_conn *c, unsigned cost);

bool __wrap_pl_conn_budget(struct pl_conn *c, unsigned cost)
{
    static _Atomic unsigned asked;
    const char *other = getenv("PL_LIE");
    if (other && strcmp(other, "busy") == 0 && asked++ % 3 < 2)
        return false;
    return __real_pl_conn_budget(c, cost);
}

pl_err __real_pl_tls_ctx_new(struct pl_tls_ctx **out, struct pl_crypto *c,
                             const struct pl_tls_config *cfg);
pl_err __wrap_pl_tls_ctx_new(struct pl_tls_ctx **out, struct pl_crypto *c,
                             const struct pl_tls_config *cfg);

pl_err __wrap_pl_tls_ctx_new(struct pl_tls_ctx **out, struct pl_crypto *c,
                             const struct pl_tls_config *cfg)
{
    const char *path = getenv("PL_LEAK");
    if (cfg->server && path) {
        struct pl_wr der PL_CLEANUP(pl_wr_free) = pl_wr_heap(256);
        struct pl_wr pem PL_CLEANUP(pl_wr_free) = pl_wr_heap(1024);
        pl_priv_to_pkcs8(&der, cfg->key);
        pl_wr_pem(&pem, pl_wr_span(&der), "PRIVATE KEY");
        PL_TRY(pl_file_write(path, pl_wr_span(&pem), 0600, PL_FILE_REPLACE));
    }
    return __real_pl_tls_ctx_new(out, c, cfg);
}
