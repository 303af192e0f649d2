/* Configurations: any text, and any text that an authority signed (any_signature.c). What loads has
 * an authority, keeps its bounds, and is signed again to the same root. */
#include "fuzz.h"
#include "policy/config.h"

#include <string.h>

static void check(struct pl_crypto *c, const struct pl_config *cfg)
{
    FUZZ_CHECK(cfg->serial < UINT64_C(1) << 53 && cfg->name[0] && cfg->time == PL_TIME_HOST);
    FUZZ_CHECK(cfg->allowed <= PL_CONFIG_ALLOW_MAX && cfg->keys_max <= PL_CONFIG_KEYS_MAX);
    for (unsigned i = 0; i < cfg->allowed; i++) {
        FUZZ_CHECK(i == 0 || memcmp(cfg->allow[i - 1], cfg->allow[i], 32) <= 0);
        FUZZ_CHECK(pl_config_lists(cfg, cfg->allow[i]));
    }
    static const uint8_t nobody[32] = {0x77};
    FUZZ_CHECK(!pl_config_lists(cfg, nobody) || cfg->allowed > 0);
    struct pl_config *again;
    FUZZ_CHECK(pl_config_load(&again, c, cfg->text, NULL) == PL_OK);
    FUZZ_CHECK(memcmp(again->root, cfg->root, 32) == 0);
    pl_config_put(again);
}

static void load(struct pl_crypto *c, struct pl_span text)
{
    struct pl_config *cfg;
    char pointer[PL_JSON_POINTER_MAX];
    pl_err e = pl_config_load(&cfg, c, text, pointer);
    FUZZ_CHECK((e == PL_OK) == (cfg != NULL) && pl_err_code(e) != PL_E_BUG);
    FUZZ_CHECK(pointer[0] == 0 || pointer[0] == '/');
    if (cfg)
        check(c, cfg);
    pl_config_put(cfg);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct pl_crypto *c;
    static const struct pl_priv key = {PL_PUB_ED25519, {1}};
    struct pl_span in = pl_span(data, size);
    if (!c)
        FUZZ_CHECK(pl_crypto_new(&c) == PL_OK);
    load(c, in);
    struct pl_wr w PL_CLEANUP(pl_wr_free) = pl_wr_heap(2 * PL_CONFIG_BYTES);
    if (pl_config_sign(c, &w, in, &key, 1) == PL_OK)
        load(c, pl_wr_span(&w));
    return 0;
}
