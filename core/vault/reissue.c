/* A verified approval, said again by the vault: so that others need to know one kind of key and
 * one form, whatever the approver signed with. A compact JWS (RFC 7515) of its attestation key. */
#include "api/api.h"
#include "vault/internal.h"

#include <string.h>

static const char typ[] = "pleiad-approved-1";

static void put_text(struct pl_jw *j, const char *key, struct pl_span text)
{
    pl_jw_key(j, key);
    pl_jw_str(j, text);
}

/* Who approved, as far as the proof names him beyond his key. */
static void put_signer(struct pl_jw *j, const struct pl_signer *s)
{
    pl_jw_key(j, "authenticator");
    pl_jw_hex(j, PL_ARR(s->authenticator));
    if (s->form == PL_PROOF_PASSKEY) {
        pl_jw_key(j, "credential_id");
        pl_jw_b64u(j, s->credential_id);
    }
    pl_jw_key(j, "form");
    pl_jw_text(j, pl_proof_word(s->form));
    if (s->form == PL_PROOF_OIDC) {
        put_text(j, "oidc_iss", s->iss);
        put_text(j, "oidc_sub", s->sub);
    }
    if (s->form == PL_PROOF_PASSKEY)
        put_text(j, "origin", s->origin);
}

static pl_err write_claims(struct pl_wr *w, const struct pl_statement *s, const char *iss,
                           const struct pl_api_approval_export *m)
{
    struct pl_jw j = pl_jw(w);
    pl_jw_open(&j, '{');
    pl_jw_key(&j, "approval");
    pl_jw_raw(&j, s->text);
    if (m->has_audience)
        put_text(&j, "aud", pl_span_str(m->audience));
    pl_jw_key(&j, "exp");
    pl_jw_i64(&j, s->exp_s);
    pl_jw_key(&j, "iat");
    pl_jw_i64(&j, s->iat_s);
    put_text(&j, "iss", pl_span_str(iss));
    put_signer(&j, &s->signer);
    pl_jw_key(&j, "typ");
    pl_jw_text(&j, typ);
    pl_jw_close(&j, '}');
    return pl_wr_end(w);
}

static void write_header(struct pl_wr *w, const char *kid)
{
    struct pl_jw j = pl_jw(w);
    pl_jw_open(&j, '{');
    put_text(&j, "alg", PL_LIT("ES256"));
    put_text(&j, "kid", pl_span_str(kid));
    put_text(&j, "typ", pl_span_str(typ));
    pl_jw_close(&j, '}');
}

static pl_err write_keys(struct pl_wr *w, const struct pl_pub *key, const char *kid)
{
    struct pl_jw j = pl_jw(w);
    pl_jw_open(&j, '{');
    pl_jw_key(&j, "keys");
    pl_jw_open(&j, '[');
    pl_jw_open(&j, '{');
    put_text(&j, "alg", PL_LIT("ES256"));
    put_text(&j, "crv", PL_LIT("P-256"));
    put_text(&j, "kid", pl_span_str(kid));
    put_text(&j, "kty", PL_LIT("EC"));
    put_text(&j, "use", PL_LIT("sig"));
    pl_jw_key(&j, "x");
    pl_jw_b64u(&j, pl_span(key->raw, 32));
    pl_jw_key(&j, "y");
    pl_jw_b64u(&j, pl_span(key->raw + 32, 32));
    pl_jw_close(&j, '}');
    pl_jw_close(&j, ']');
    pl_jw_close(&j, '}');
    return pl_wr_end(w);
}

static pl_err sign(const struct pl_env *env, struct pl_wr *jws, struct pl_span claims,
                   const char *kid)
{
    uint8_t head[256], sig[PL_P256_SIG_BYTES];
    struct pl_wr header = pl_wr_fixed(head, sizeof(head));
    write_header(&header, kid);
    PL_TRY(pl_wr_end(&header));
    pl_wr_b64u(jws, pl_wr_span(&header));
    pl_wr_u8(jws, '.');
    pl_wr_b64u(jws, claims);
    PL_TRY(pl_wr_end(jws));
    PL_TRY(pl_priv_sign(env->crypto, sig, &env->keys->use[PL_USE_ATTESTATION], pl_wr_span(jws)));
    pl_wr_u8(jws, '.');
    pl_wr_b64u(jws, PL_ARR(sig));
    pl_wr_u8(jws, 0);
    return pl_wr_end(jws);
}

static pl_err answer(const struct pl_env *env, struct pl_wr *out, const struct pl_statement *s,
                     const struct pl_api_approval_export *m)
{
    const struct pl_pub *key = &env->self->use[PL_USE_ATTESTATION];
    uint8_t spki[PL_SPKI_MAX], digest[32];
    char kid[65], iss[96] = "urn:pleiad:vault:";
    struct pl_wr claims PL_CLEANUP(pl_wr_free) = pl_wr_heap(4 * PL_STATEMENT_BYTES);
    struct pl_wr jws PL_CLEANUP(pl_wr_free) = pl_wr_heap(8 * PL_STATEMENT_BYTES);
    struct pl_wr keys PL_CLEANUP(pl_wr_free) = pl_wr_heap(1024);
    PL_TRY(pl_sha256_one(env->crypto, digest, pl_span(spki, pl_pub_to_spki(spki, key))));
    pl_hex(kid, PL_ARR(digest));
    pl_hex(iss + strlen(iss), PL_ARR(env->self->vault_id));
    PL_TRY(write_claims(&claims, s, iss, m));
    PL_TRY(sign(env, &jws, pl_wr_span(&claims), kid));
    PL_TRY(write_keys(&keys, key, kid));
    const struct pl_api_approval_exported a = {.jwks = pl_wr_span(&keys),
                                               .jws = (const char *)jws.p};
    return pl_api_write_approval_exported(out, &a);
}

pl_err pl_approval_reissue(const struct pl_env *env, const struct pl_peer *peer,
                           const struct pl_config *config, struct pl_span body, struct pl_wr *out,
                           char *out_pointer)
{
    struct pl_api_approval_export m;
    struct pl_api_in in = {.body = body, .scratch = env->secrets};
    struct pl_statement s;
    const struct pl_proof_facts facts = {.issuers = config ? &config->issuers : NULL,
                                         .now = env->now};
    PL_REQUIRE(peer->has_key, STATEMENT_STRANGER);
    size_t mark = pl_arena_mark(env->secrets);
    pl_err e = pl_api_read_approval_export(&m, &in);
    if (e != PL_OK)
        memcpy(out_pointer, in.pointer, sizeof(in.pointer));
    if (e == PL_OK)
        e = pl_statement_verify(env->crypto, &s, m.approval, &facts);
    if (e == PL_OK && s.typ != PL_TYP_APPROVAL)
        e = PL_FAIL(STATEMENT_KIND);
    if (e == PL_OK)
        e = pl_statement_current(&s, env->now);
    if (e == PL_OK)
        e = answer(env, out, &s, &m);
    pl_arena_release(env->secrets, mark);
    return e;
}
