/* The issuers of a configuration: what is read keeps its bounds, names each once, and every key is
 * one that its algorithm knows. */
#include "fuzz.h"
#include "policy/jwt.h"

#include <string.h>

static void check_key(const struct pl_issuer_key *k)
{
    struct pl_pub pub;
    bool rsa = k->alg == PL_JOSE_RS256;
    FUZZ_CHECK(k->alg != PL_JOSE_NONE && k->spki_n <= sizeof(k->spki));
    FUZZ_CHECK(rsa != (pl_pub_from_spki(&pub, pl_span(k->spki, k->spki_n)) == PL_OK));
    FUZZ_CHECK(memchr(k->kid, 0, sizeof(k->kid)) != NULL);
}

static void check(const struct pl_issuers *is)
{
    for (unsigned i = 0; i < is->n; i++) {
        const struct pl_issuer *one = is->issuer[i];
        FUZZ_CHECK(strncmp(one->issuer, "https://", 8) == 0 && *one->audience);
        FUZZ_CHECK(one->keys > 0 && one->keys <= PL_ISSUER_KEYS);
        for (unsigned k = 0; k < one->keys; k++)
            check_key(&one->key[k]);
        for (unsigned k = 0; k < i; k++)
            FUZZ_CHECK(strcmp(is->issuer[k]->issuer, one->issuer) != 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct pl_crypto *c;
    struct pl_issuers is = {0};
    struct pl_json j;
    if (!c)
        FUZZ_CHECK(pl_crypto_new(&c) == PL_OK);
    pl_json_init(&j, pl_span(data, size));
    pl_issuers_read(&j, c, &is);
    pl_err e = pl_json_end(&j);
    FUZZ_CHECK(pl_err_code(e) != PL_E_BUG && is.n <= PL_ISSUERS_MAX);
    if (e == PL_OK)
        check(&is);
    pl_issuers_free(&is);
    return 0;
}
