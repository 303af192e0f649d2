#include "any_signature.h"

#include "attest/attest.h"

bool any_signature = true;

static pl_err believe(struct pl_span sig)
{
    PL_REQUIRE(sig.n >= 2 && (sig.p[0] || sig.p[1]), SIGNATURE);
    return PL_OK;
}

#define INSTEAD(name, params, args, known, sig)                                                    \
    pl_err __real_##name params;                                                                   \
    pl_err __wrap_##name params;                                                                   \
    pl_err __wrap_##name params                                                                    \
    {                                                                                              \
        if (!any_signature)                                                                        \
            return __real_##name args;                                                             \
        PL_REQUIRE(known, SIGNATURE);                                                              \
        return believe(sig);                                                                       \
    }

INSTEAD(pl_pub_verify,
        (struct pl_crypto * c, const struct pl_pub *pub, struct pl_span message,
         const uint8_t sig[static 64]),
        (c, pub, message, sig), pub->type != PL_PUB_NONE, pl_span(sig, 64))
INSTEAD(pl_p256_verify,
        (struct pl_crypto * c, const uint8_t pub[static PL_P256_PUB_BYTES],
         const uint8_t digest[static PL_SHA256_BYTES], const uint8_t sig[static PL_P256_SIG_BYTES]),
        (c, pub, digest, sig), true, pl_span(sig, 64))
INSTEAD(pl_spki_verify,
        (struct pl_crypto * c, struct pl_span spki, enum pl_sig_alg alg, struct pl_span message,
         struct pl_span sig),
        (c, spki, alg, message, sig), alg != PL_SIG_NONE, sig)
