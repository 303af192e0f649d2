/* Tokens of OpenID Connect issuers that come with a request. */
#include "vault/internal.h"

/* RFC 6750: `Bearer`, in any case (RFC 9110 11.1), one space, the token. */
static pl_err bearer(struct pl_span header, struct pl_span *out)
{
    static const char scheme[] = "bearer ";
    const size_t n = sizeof(scheme) - 1;
    PL_REQUIRE(header.n > n, JWT_FORM);
    for (size_t i = 0; i < n; i++) /* upper case lacks one bit */
        PL_REQUIRE((header.p[i] | 0x20) == scheme[i], JWT_FORM);
    *out = pl_span_sub(header, n, header.n - n);
    return PL_OK;
}

pl_err pl_turn_token(struct pl_turn *t, const struct pl_env *env)
{
    struct pl_span token;
    if (!t->call.authorization.n)
        return PL_OK;
    PL_REQUIRE(t->peer.has_key, STATEMENT_STRANGER);
    PL_REQUIRE(t->config, UNBORN);
    PL_TRY(bearer(t->call.authorization, &token));
    struct pl_wr text = pl_wr_fixed(t->proofs->token, sizeof(t->proofs->token));
    struct pl_token_binding want = {
        .certificate_sha256 = t->peer.leaf_sha256, .vault_id = env->self->vault_id, .text = &text};
    return pl_jwt_verify(env->crypto, &t->token, &t->config->issuers, token, &want, env->now);
}
