/* Statements, the client's side: parameters, targets, text, signature. The vault's side uses the
 * same functions for parameters, targets and text, so that they cannot differ. */
#include "policy/internal.h"
#include "policy/statement_internal.h"
#include "policy/say.h"

#include <stdlib.h>
#include <string.h>

static const char *const typ_words[PL_TYP_COUNT] = {
    [PL_TYP_NONE] = "none",
    [PL_TYP_REQUEST] = "pleiad-request-1",
    [PL_TYP_GRANT] = "pleiad-grant-1",
    [PL_TYP_APPROVAL] = "pleiad-approval-1",
};

const char *pl_typ_word(enum pl_typ t)
{
    return typ_words[(unsigned)t < PL_TYP_COUNT ? t : PL_TYP_NONE];
}

const char *pl_proof_word(enum pl_proof_form f)
{
    static const char *const words[] = {"?", "key", "passkey", "oidc"};
    return words[f <= PL_PROOF_OIDC ? f : PL_PROOF_NONE];
}

/* ---- Parameters and targets ----------------------------------------------------------------- */

pl_err pl_params_sha256(struct pl_crypto *c, uint8_t out[static 32], enum pl_op op,
                        const struct pl_params *p)
{
    uint8_t text[128];
    struct pl_wr w = pl_wr_fixed(text, sizeof(text));
    struct pl_jw j = pl_jw(&w);
    pl_jw_open(&j, '{');
    if (op == PL_OP_CREATE) {
        pl_jw_key(&j, "generation");
        pl_jw_u64(&j, p->generation);
    }
    pl_jw_key(&j, "op");
    pl_jw_text(&j, pl_op_row(op)->word);
    if (op == PL_OP_CREATE) {
        pl_jw_key(&j, "type");
        pl_jw_text(&j, pl_key_type_word(p->type));
    }
    pl_jw_close(&j, '}');
    PL_TRY(pl_wr_end(&w));
    return pl_sha256_one(c, out, pl_wr_span(&w));
}

static pl_err vault_params_sha256(struct pl_crypto *c, uint8_t out[static 32], enum pl_typ typ,
                                  const struct pl_act *act)
{
    uint8_t text[256];
    struct pl_wr w = pl_wr_fixed(text, sizeof(text));
    struct pl_jw j = pl_jw(&w);
    pl_jw_open(&j, '{');
    if (act->op == PL_OP_CREATE && typ != PL_TYP_GRANT) {
        pl_jw_key(&j, "commitment");
        pl_jw_b64u(&j, PL_ARR(act->params.commitment));
    }
    if (act->op == PL_OP_CREATE || act->op == PL_OP_UPDATE_POLICY) {
        pl_jw_key(&j, "policy_sha256");
        pl_jw_hex(&j, PL_ARR(act->params.policy_sha256));
    }
    if (act->op == PL_OP_CREATE && typ != PL_TYP_GRANT) {
        pl_jw_key(&j, "tag");
        pl_jw_b64u(&j, PL_ARR(act->params.tag));
    }
    pl_jw_close(&j, '}');
    PL_TRY(pl_wr_end(&w));
    return pl_sha256_one(c, out, pl_wr_span(&w));
}

pl_err pl_target(struct pl_crypto *c, uint8_t out[static 32], enum pl_typ typ,
                 const uint8_t nonce[static PL_NONCE_BYTES], const struct pl_act *act)
{
    static const struct pl_act unborn;
    bool birth = pl_op_row(act->op)->event == PL_EVENT_CREATE;
    const struct pl_act *key = birth ? &unborn : act;
    uint8_t version[8], params[32];
    struct pl_wr w = pl_wr_fixed(version, sizeof(version));
    pl_wr_be64(&w, key->policy_version);
    PL_TRY(vault_params_sha256(c, params, typ, act));
    const struct pl_span parts[] = {
        PL_LIT("pleiad target 1"),
        pl_span(nonce, PL_NONCE_BYTES),
        PL_ARR(act->vault_id),
        PL_ARR(key->handle),
        PL_ARR(version),
        PL_ARR(key->policy_sha256),
        PL_ARR(params),
    };
    return pl_sha256(c, out, parts, sizeof(parts) / sizeof(parts[0]));
}

/* ---- The text a signer sees ----------------------------------------------------------------- */

static void say_hex(struct pl_wr *w, const char *before, const uint8_t *digest)
{
    char hex[65];
    pl_hex(hex, pl_span(digest, 32));
    pl_wr_str(w, before);
    pl_wr_str(w, hex);
}

static void say_act(struct pl_wr *w, const struct pl_statement_draft *d)
{
    pl_wr_str(w, pl_op_row(d->op)->word);
    if (d->op == PL_OP_CREATE) {
        pl_wr_str(w, " one key of type ");
        pl_wr_str(w, pl_key_type_word(d->params->type));
        pl_wr_str(w, ", generation ");
        pl_say_number(w, d->params->generation);
    } else {
        pl_wr_str(w, " this key");
    }
}

static void say_request(struct pl_wr *w, const struct pl_statement_draft *d)
{
    pl_wr_str(w, "Pleiad request 1: ");
    say_act(w, d);
    say_hex(w, ", asked by the client with key ", d->requester);
}

/* The rules that may allow it, as the policy names them: the same at all vaults of a key, whose
 * policies differ in salts and owners' keys alone. */
static void say_rules(struct pl_wr *w, const struct pl_statement_draft *d)
{
    enum { SHOWN = 8 };
    unsigned n = 0;
    if (pl_op_row(d->op)->ruled != PL_RULED_OPERATIONS)
        pl_wr_str(w, " as its mutability allows");
    for (size_t i = 0; pl_op_row(d->op)->ruled == PL_RULED_OPERATIONS && i < d->policy->rules;
         i++) {
        const struct rule *r = &d->policy->rule[i];
        if (r->deny || !(r->ops >> d->op & 1))
            continue;
        pl_wr_str(w, n == 0 ? " by rule " : n < SHOWN ? ", " : n == SHOWN ? " and others" : "");
        pl_wr_str(w, n++ < SHOWN ? r->id : "");
    }
}

static void say_approval(struct pl_wr *w, const struct pl_statement_draft *d)
{
    pl_wr_str(w, "Pleiad approval 1: ");
    say_act(w, d);
    say_rules(w, d);
    say_hex(w, ", asked by the client with key ", d->requester);
}

static void say_grant(struct pl_wr *w, const struct pl_statement_draft *d)
{
    if (d->profile_sha256)
        say_hex(w, "Pleiad grant 1: the app with profile ", d->profile_sha256);
    else
        say_hex(w, "Pleiad grant 1: the client with key ", d->requester);
    pl_wr_str(w, " may create up to ");
    pl_say_number(w, d->count);
    pl_wr_str(w, " keys of type ");
    pl_wr_str(w, pl_key_type_word(d->params->type));
    say_hex(w, " at each vault, in the name of the owner with key ", d->owner);
}

pl_err pl_statement_display(struct pl_wr *out, const struct pl_statement_draft *d)
{
    static void (*const say[PL_TYP_COUNT])(struct pl_wr * w, const struct pl_statement_draft *d) = {
        [PL_TYP_REQUEST] = say_request,
        [PL_TYP_GRANT] = say_grant,
        [PL_TYP_APPROVAL] = say_approval};
    char until[PL_TIME_LEN + 1];
    PL_ASSERT(d->typ > PL_TYP_NONE && d->typ < PL_TYP_COUNT);
    say[d->typ](out, d);
    pl_time_format(until, d->exp_s);
    pl_wr_str(out, ", until ");
    pl_wr_str(out, until);
    pl_wr_str(out, ".");
    return pl_wr_end(out);
}

/* ---- Building ------------------------------------------------------------------------------- */

int64_t pl_statement_life_max(enum pl_typ typ)
{
    return typ == PL_TYP_GRANT ? PL_GRANT_LIFE_MAX_S : PL_STATEMENT_LIFE_MAX_S;
}

static pl_err check_draft(const struct pl_statement_draft *d)
{
    bool grant = d->typ == PL_TYP_GRANT;
    PL_REQUIRE(d->typ > PL_TYP_NONE && d->typ < PL_TYP_COUNT, STATEMENT_FIELD);
    PL_REQUIRE(d->typ != PL_TYP_APPROVAL || d->policy, STATEMENT_FIELD);
    PL_REQUIRE(pl_op_row(d->op)->event != PL_EVENT_NONE, STATEMENT_FIELD);
    PL_REQUIRE(d->targets >= 1 && d->targets <= PL_STATEMENT_TARGETS, STATEMENT_FIELD);
    PL_REQUIRE(d->iat_s >= 0 && d->exp_s > d->iat_s, STATEMENT_FIELD);
    PL_REQUIRE(d->exp_s - d->iat_s <= pl_statement_life_max(d->typ), STATEMENT_FIELD);
    PL_REQUIRE(d->op != PL_OP_CREATE || (d->params && d->params->type != PL_KEY_NONE &&
                                         d->params->generation < UINT64_C(1) << 53),
               STATEMENT_FIELD);
    PL_REQUIRE(grant || (d->requester && !d->profile_sha256), STATEMENT_FIELD);
    PL_REQUIRE(!grant || (d->op == PL_OP_CREATE && d->count >= 1 &&
                          d->count <= PL_GRANT_COUNT_MAX && !d->requester != !d->profile_sha256),
               STATEMENT_FIELD);
    return PL_OK;
}

static int by_bytes(const void *a, const void *b) { return memcmp(a, b, 32); }

static void write_targets(struct pl_jw *j, const struct pl_statement_draft *d,
                          const uint8_t fill[static PL_STATEMENT_FILL])
{
    uint8_t all[PL_STATEMENT_TARGETS][32];
    size_t n = d->targets <= 8 ? 8 : d->targets <= 16 ? 16 : 32;
    memcpy(all, fill, sizeof(all));
    memcpy(all, d->target, d->targets * 32);
    qsort(all, n, 32, by_bytes);
    pl_jw_key(j, "targets");
    pl_jw_open(j, '[');
    for (size_t i = 0; i < n; i++)
        pl_jw_b64u(j, PL_ARR(all[i]));
    pl_jw_close(j, ']');
}

static void write_hex(struct pl_jw *j, const char *key, const uint8_t *digest)
{
    if (!digest)
        return;
    pl_jw_key(j, key);
    pl_jw_hex(j, pl_span(digest, 32));
}

/* Members in the order of the canonical form. */
static pl_err write_statement(struct pl_wr *out, const struct pl_statement_draft *d,
                              const uint8_t *params_sha256, struct pl_span display,
                              const uint8_t fill[static PL_STATEMENT_FILL])
{
    bool grant = d->typ == PL_TYP_GRANT;
    struct pl_jw j = pl_jw(out);
    pl_jw_open(&j, '{');
    if (grant) {
        pl_jw_key(&j, "count");
        pl_jw_u64(&j, d->count);
    }
    pl_jw_key(&j, "display");
    pl_jw_str(&j, display);
    pl_jw_key(&j, "exp");
    pl_jw_time(&j, d->exp_s);
    pl_jw_key(&j, "iat");
    pl_jw_time(&j, d->iat_s);
    if (grant) {
        pl_jw_key(&j, "id");
        pl_jw_b64u(&j, PL_ARR(d->id));
    }
    pl_jw_key(&j, "nonce");
    pl_jw_b64u(&j, PL_ARR(d->nonce));
    pl_jw_key(&j, "op");
    pl_jw_text(&j, pl_op_row(d->op)->word);
    write_hex(&j, "owner", grant ? d->owner : NULL);
    write_hex(&j, "params_sha256", grant ? NULL : params_sha256);
    write_hex(&j, "profile_sha256", d->profile_sha256);
    write_hex(&j, "requester", d->requester);
    write_targets(&j, d, fill);
    pl_jw_key(&j, "typ");
    pl_jw_text(&j, pl_typ_word(d->typ));
    if (grant) {
        pl_jw_key(&j, "type");
        pl_jw_text(&j, pl_key_type_word(d->params->type));
    }
    pl_jw_close(&j, '}');
    return pl_wr_end(out);
}

pl_err pl_statement_build(struct pl_wr *out, struct pl_crypto *c,
                          const struct pl_statement_draft *d,
                          const uint8_t fill[static PL_STATEMENT_FILL])
{
    PL_TRY(check_draft(d));
    uint8_t text[PL_STATEMENT_DISPLAY], params[32];
    struct pl_wr display = pl_wr_fixed(text, sizeof(text));
    PL_TRY(pl_statement_display(&display, d));
    PL_TRY(pl_params_sha256(c, params, d->op, d->params));
    return write_statement(out, d, params, pl_wr_span(&display), fill);
}

/* ---- Signing -------------------------------------------------------------------------------- */

/* The typ of a statement that was built here: the last member but `type`. */
static enum pl_typ typ_of(struct pl_span statement)
{
    struct pl_json j;
    struct pl_span key, word = {0};
    pl_json_init(&j, statement);
    for (pl_json_object(&j); pl_json_key(&j, &key);) {
        if (!pl_span_is(key, "typ"))
            pl_json_skip(&j);
        else if (!pl_json_plain(&j, &word))
            break;
    }
    return pl_json_end(&j) == PL_OK ? pl_typ_of(word) : PL_TYP_NONE;
}

enum pl_typ pl_typ_of(struct pl_span word)
{
    for (unsigned t = PL_TYP_NONE + 1; t < PL_TYP_COUNT; t++) {
        if (pl_span_is(word, typ_words[t]))
            return (enum pl_typ)t;
    }
    return PL_TYP_NONE;
}

pl_err pl_statement_sign(struct pl_wr *out, struct pl_crypto *c, struct pl_span statement,
                         const struct pl_priv *priv)
{
    enum pl_typ typ = typ_of(statement);
    PL_REQUIRE(typ != PL_TYP_NONE, STATEMENT_FORM);
    return pl_signed_make(c, out, priv, pl_typ_word(typ), statement);
}
