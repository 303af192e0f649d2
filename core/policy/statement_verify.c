/* Statements, the vault's side. */
#include "policy/jwt.h"
#include "policy/statement_internal.h"
#include "policy/webauthn.h"

#include <string.h>

/* ---- The carrier ---------------------------------------------------------------------------- */

/* As a statement's reader says it: what is wrong with the carrier is wrong with the statement. */
static pl_err of_statement(pl_err e)
{
    enum pl_code code = pl_err_code(e);
    PL_REQUIRE(code != PL_E_CARRIER_FORM && code != PL_E_CARRIER_TYP, STATEMENT_FORM);
    return e;
}

pl_err pl_statement_unpack(struct pl_crypto *c, struct pl_carrier *out, struct pl_span text)
{
    *out = (struct pl_carrier){0};
    PL_REQUIRE(text.n <= PL_STATEMENT_BYTES, STATEMENT_FORM);
    return of_statement(pl_carrier_read(c, out, text));
}

pl_err pl_statement_signed(struct pl_crypto *c, const struct pl_carrier *carrier, const char *typ)
{
    return of_statement(pl_carrier_verify(c, carrier, typ));
}

/* ---- The statement's fields ----------------------------------------------------------------- */

bool pl_statement_hex(struct pl_json *j, uint8_t out[static 32])
{
    struct pl_json ahead = *j;
    struct pl_span s;
    bool lower = pl_json_plain(&ahead, &s);
    for (size_t i = 0; lower && i < s.n; i++)
        lower = s.p[i] < 'A' || s.p[i] > 'Z';
    if (!lower && j->err == PL_OK)
        pl_json_refuse(j, PL_FAIL(STATEMENT_FORM));
    return pl_json_hex_exact(j, out, 32);
}

static void read_typ(struct pl_json *j, struct pl_statement *out)
{
    struct pl_span s;
    if (pl_json_plain(j, &s) && (out->typ = pl_typ_of(s)) == PL_TYP_NONE)
        pl_json_refuse(j, PL_FAIL(STATEMENT_FIELD));
}

static void read_op(struct pl_json *j, struct pl_statement *out)
{
    struct pl_span s;
    if (pl_json_plain(j, &s) && (out->op = pl_op_of(s)) == PL_OP_NONE)
        pl_json_refuse(j, PL_FAIL(STATEMENT_OP));
}

static void read_type(struct pl_json *j, struct pl_statement *out)
{
    struct pl_span s;
    pl_err e = pl_json_plain(j, &s) ? pl_key_type_parse(&out->type, s) : PL_OK;
    if (e != PL_OK)
        pl_json_refuse(j, e);
}

static void read_targets(struct pl_json *j, struct pl_statement *out)
{
    for (pl_json_array(j); pl_json_item(j);) {
        size_t n = out->targets;
        if (n == PL_STATEMENT_TARGETS) {
            pl_json_refuse(j, PL_FAIL(STATEMENT_FIELD));
            return;
        }
        if (!pl_json_b64u_exact(j, out->target[n], 32))
            return;
        if (n > 0 && memcmp(out->target[n - 1], out->target[n], 32) >= 0)
            pl_json_refuse(j, PL_FAIL(STATEMENT_FORM));
        out->targets++;
    }
    if (out->targets != 8 && out->targets != 16 && out->targets != 32 && j->err == PL_OK)
        pl_json_refuse(j, PL_FAIL(STATEMENT_FIELD));
}

static void read_display(struct pl_json *j, struct pl_statement *out)
{
    pl_json_plain(j, &out->display);
}

static void read_count(struct pl_json *j, struct pl_statement *out)
{
    uint64_t n = 0;
    if (pl_json_u53(j, PL_GRANT_COUNT_MAX, &n) && n == 0)
        pl_json_refuse(j, PL_FAIL(STATEMENT_FIELD));
    out->count = (uint32_t)n;
}

static void read_iat(struct pl_json *j, struct pl_statement *out) { pl_json_time(j, &out->iat_s); }
static void read_exp(struct pl_json *j, struct pl_statement *out) { pl_json_time(j, &out->exp_s); }

static void read_nonce(struct pl_json *j, struct pl_statement *out)
{
    pl_json_b64u_exact(j, out->nonce, sizeof(out->nonce));
}

static void read_id(struct pl_json *j, struct pl_statement *out)
{
    pl_json_b64u_exact(j, out->id, sizeof(out->id));
}

static void read_owner(struct pl_json *j, struct pl_statement *out)
{
    pl_statement_hex(j, out->owner);
}

static void read_params(struct pl_json *j, struct pl_statement *out)
{
    pl_statement_hex(j, out->params_sha256);
}

static void read_profile(struct pl_json *j, struct pl_statement *out)
{
    out->has_profile = pl_statement_hex(j, out->profile_sha256);
}

static void read_requester(struct pl_json *j, struct pl_statement *out)
{
    out->has_requester = pl_statement_hex(j, out->requester);
}

/* Which typ has which member: 'R' in requests and approvals, 'G' in grants, 'r' and 'g' where it is
 * one of two.
 */
static const struct {
    const char *word, *of;
    void (*read)(struct pl_json *j, struct pl_statement *out);
} members[] = {
    {"typ", "RG", read_typ},
    {"op", "RG", read_op},
    {"targets", "RG", read_targets},
    {"nonce", "RG", read_nonce},
    {"iat", "RG", read_iat},
    {"exp", "RG", read_exp},
    {"display", "RG", read_display},
    {"params_sha256", "R", read_params},
    {"requester", "Rg", read_requester},
    {"profile_sha256", "g", read_profile},
    {"id", "G", read_id},
    {"owner", "G", read_owner},
    {"type", "G", read_type},
    {"count", "G", read_count},
};
enum { MEMBERS = sizeof(members) / sizeof(members[0]) };

/* Members there are exactly those of its typ. */
static pl_err check_members(const struct pl_statement *s, const bool has[static MEMBERS])
{
    bool grant = s->typ == PL_TYP_GRANT;
    for (size_t m = 0; m < MEMBERS; m++) {
        bool needed = strchr(members[m].of, grant ? 'G' : 'R') != NULL;
        bool allowed = needed || strchr(members[m].of, grant ? 'g' : 'r') != NULL;
        PL_REQUIRE(has[m] ? allowed : !needed, STATEMENT_FIELD);
    }
    PL_REQUIRE(!grant || s->has_profile != s->has_requester, STATEMENT_FIELD);
    return PL_OK;
}

static pl_err read_statement(struct pl_statement *out, struct pl_span statement)
{
    bool has[MEMBERS] = {false};
    struct pl_json j;
    struct pl_span key;
    pl_json_init(&j, statement);
    for (pl_json_object(&j); pl_json_key(&j, &key);) {
        size_t m = 0;
        while (m < MEMBERS && !pl_span_is(key, members[m].word))
            m++;
        if (m == MEMBERS) {
            pl_json_refuse(&j, PL_FAIL(JSON_UNKNOWN));
            continue;
        }
        members[m].read(&j, out);
        has[m] = true;
    }
    PL_TRY(pl_json_end(&j));
    PL_TRY(check_members(out, has));
    PL_REQUIRE(out->typ != PL_TYP_GRANT || out->op == PL_OP_CREATE, STATEMENT_OP);
    PL_REQUIRE(out->exp_s > out->iat_s, STATEMENT_FIELD);
    PL_REQUIRE(out->exp_s - out->iat_s <= pl_statement_life_max(out->typ), STATEMENT_FIELD);
    return PL_OK;
}

/* ---- The proof ------------------------------------------------------------------------------ */

static pl_err by_key(struct pl_crypto *c, struct pl_statement *out, const struct pl_carrier *k,
                     const struct pl_proof_facts *f)
{
    (void)f;
    PL_TRY(pl_statement_signed(c, k, pl_typ_word(out->typ)));
    out->signer.form = PL_PROOF_JWS;
    memcpy(out->signer.authenticator, k->signer_sha256, 32);
    memcpy(out->signer.issuer, k->signer_sha256, 32);
    return PL_OK;
}

/* The parts are decoded one behind the other. */
static pl_err by_passkey(struct pl_crypto *c, struct pl_statement *out, const struct pl_carrier *k,
                         const struct pl_proof_facts *f)
{
    (void)f;
    struct pl_passkey_proof p;
    const struct {
        enum pl_carrier_part part;
        struct pl_span *to;
    } rows[] = {{PL_PART_AUTHENTICATOR, &p.authenticator_data},
                {PL_PART_CLIENT, &p.client_data},
                {PL_PART_CREDENTIAL, &p.credential_id},
                {PL_PART_PUBLIC_KEY, &p.public_key},
                {PL_PART_ASSERTION, &p.signature}};
    size_t at = 0, n = 0;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++, at += n) {
        uint8_t *room = out->proof + at;
        PL_TRY(pl_unb64u(room, sizeof(out->proof) - at, &n, k->part[rows[i].part]));
        *rows[i].to = pl_span(room, n);
    }
    return pl_webauthn_verify(c, &out->signer, &p, out->sha256);
}

static pl_err by_token(struct pl_crypto *c, struct pl_statement *out, const struct pl_carrier *k,
                       const struct pl_proof_facts *f)
{
    static const struct pl_issuers nobody;
    struct pl_wr text = pl_wr_fixed(out->proof, sizeof(out->proof));
    struct pl_token_binding want = {.statement_sha256 = out->sha256, .text = &text};
    return pl_jwt_verify(c, &out->signer, f->issuers ? f->issuers : &nobody, k->part[PL_PART_TOKEN],
                         &want, f->now);
}

static pl_err (*const prove[])(struct pl_crypto *c, struct pl_statement *out,
                               const struct pl_carrier *k, const struct pl_proof_facts *f) = {
    [PL_CARRIER_NONE] = NULL,
    [PL_CARRIER_JWS] = by_key,
    [PL_CARRIER_PASSKEY] = by_passkey,
    [PL_CARRIER_OIDC] = by_token,
};

static pl_err verify(struct pl_crypto *c, struct pl_statement *out, struct pl_span text,
                     const struct pl_proof_facts *f)
{
    static const struct pl_proof_facts nothing;
    struct pl_carrier carrier;
    PL_TRY(pl_statement_unpack(c, &carrier, text));
    PL_TRY(read_statement(out, carrier.statement));
    PL_REQUIRE(out->typ != PL_TYP_GRANT || carrier.form == PL_CARRIER_JWS, STATEMENT_PROOF);
    PL_REQUIRE(prove[carrier.form], STATEMENT_PROOF);
    PL_TRY(pl_sha256_one(c, out->sha256, carrier.statement));
    PL_TRY(prove[carrier.form](c, out, &carrier, f ? f : &nothing));
    out->signer.iat_s = out->iat_s;
    out->text = carrier.statement;
    return PL_OK;
}

pl_err pl_statement_read(struct pl_crypto *c, struct pl_statement *out, struct pl_span statement)
{
    struct pl_wr scratch PL_CLEANUP(pl_wr_free) = pl_wr_heap(2 * PL_STATEMENT_BYTES);
    *out = (struct pl_statement){0};
    PL_REQUIRE(statement.n <= PL_STATEMENT_BYTES, STATEMENT_FORM);
    PL_TRY(pl_jcs_check(&scratch, statement));
    pl_err e = read_statement(out, statement);
    if (e == PL_OK)
        e = pl_sha256_one(c, out->sha256, statement);
    if (e != PL_OK)
        *out = (struct pl_statement){0};
    return e;
}

pl_err pl_statement_verify(struct pl_crypto *c, struct pl_statement *out, struct pl_span carrier,
                           const struct pl_proof_facts *f)
{
    *out = (struct pl_statement){0};
    pl_err e = verify(c, out, carrier, f);
    if (e != PL_OK)
        *out = (struct pl_statement){0};
    return e;
}

/* ---- What it covers ------------------------------------------------------------------------- */

pl_err pl_statement_covers_target(struct pl_crypto *c, const struct pl_statement *s,
                                  const struct pl_act *act)
{
    uint8_t mine[32];
    PL_TRY(pl_target(c, mine, s->typ, s->nonce, act));
    for (size_t i = 0; i < s->targets; i++) {
        if (memcmp(s->target[i], mine, 32) == 0)
            return PL_OK;
    }
    return PL_FAIL(STATEMENT_TARGET);
}

/* What the signer saw is what this vault would have shown him. */
static pl_err covers_display(const struct pl_statement *s, const struct pl_act *act,
                             const struct pl_policy *p)
{
    struct pl_statement_draft d = {.typ = s->typ,
                                   .op = act->op,
                                   .params = &act->params,
                                   .policy = p,
                                   .exp_s = s->exp_s,
                                   .count = s->count,
                                   .requester = s->has_requester ? s->requester : NULL,
                                   .profile_sha256 = s->has_profile ? s->profile_sha256 : NULL};
    memcpy(d.owner, s->owner, sizeof(d.owner));
    uint8_t text[PL_STATEMENT_DISPLAY];
    struct pl_wr w = pl_wr_fixed(text, sizeof(text));
    PL_TRY(pl_statement_display(&w, &d));
    PL_REQUIRE(pl_span_eq(pl_wr_span(&w), s->display), STATEMENT_DISPLAY);
    return PL_OK;
}

pl_err pl_statement_current(const struct pl_statement *s, struct pl_interval now)
{
    PL_REQUIRE(now.earliest_s <= now.latest_s, STATEMENT_TIME);
    PL_REQUIRE(pl_time_reached(now, s->iat_s) != PL_FALSE, STATEMENT_EARLY);
    enum pl_tri good = pl_time_before(now, s->exp_s);
    PL_REQUIRE(good != PL_FALSE, STATEMENT_EXPIRED);
    PL_REQUIRE(good == PL_TRUE, STATEMENT_TIME);
    return PL_OK;
}

/* The connection that asks; or whoever signed the request for it, where the answer is a receipt and
 * the key exists already. */
static pl_err covers_requester(const struct pl_statement *s, enum pl_op op,
                               const uint8_t *connection_sha256, const struct pl_signer *signer,
                               size_t signers)
{
    const struct pl_op_row *row = pl_op_row(op);
    if (connection_sha256 && memcmp(s->requester, connection_sha256, 32) == 0)
        return PL_OK;
    PL_REQUIRE(row->gives == PL_GIVES_RECEIPT && row->event != PL_EVENT_CREATE,
               STATEMENT_REQUESTER);
    for (size_t i = 0; i < signers; i++)
        if (memcmp(s->requester, signer[i].authenticator, 32) == 0)
            return PL_OK;
    return PL_FAIL(STATEMENT_REQUESTER);
}

static pl_err covers_act(struct pl_crypto *c, const struct pl_statement *s,
                         const struct pl_act *act)
{
    uint8_t params[32];
    PL_REQUIRE(s->op == act->op && s->op != PL_OP_NONE, STATEMENT_OP);
    PL_TRY(pl_params_sha256(c, params, act->op, &act->params));
    PL_REQUIRE(memcmp(params, s->params_sha256, 32) == 0, STATEMENT_PARAMS);
    return pl_statement_covers_target(c, s, act);
}

pl_err pl_request_covers(struct pl_crypto *c, const struct pl_statement *s,
                         const struct pl_act *act, const uint8_t connection_sha256[static 32],
                         struct pl_interval now)
{
    PL_REQUIRE(s->typ == PL_TYP_REQUEST, STATEMENT_KIND);
    PL_TRY(covers_act(c, s, act));
    PL_TRY(covers_requester(s, act->op, connection_sha256, &s->signer, 1));
    PL_TRY(covers_display(s, act, NULL));
    return pl_statement_current(s, now);
}

pl_err pl_approval_covers(struct pl_crypto *c, const struct pl_statement *s,
                          const struct pl_act *act, const struct pl_policy *p,
                          const struct pl_caller *who)
{
    PL_REQUIRE(s->typ == PL_TYP_APPROVAL, STATEMENT_KIND);
    PL_TRY(covers_act(c, s, act));
    PL_TRY(covers_requester(s, act->op, who->client_spki_sha256, who->request, who->requests));
    PL_TRY(covers_display(s, act, p));
    return pl_statement_current(s, who->now);
}

bool pl_grant_names(const struct pl_policy *p, const struct pl_caller *who, bool is_profile,
                    const uint8_t subject[static 32])
{
    if (!is_profile)
        return who->client_spki_sha256 && memcmp(who->client_spki_sha256, subject, 32) == 0;
    struct pl_facts f;
    pl_policy_facts(&f, p, who);
    for (size_t i = 0; i < pl_policy_profiles(p); i++) {
        if ((f.profile_is >> i & 1) != 0 &&
            memcmp(pl_policy_profile_sha256(p, i), subject, 32) == 0)
            return true;
    }
    return false;
}

static bool owns(const struct pl_policy *p, const uint8_t key_sha256[static 32])
{
    for (size_t i = 0; i < pl_policy_principals(p); i++) {
        const struct pl_principal *pr = pl_policy_principal(p, i);
        if (pr->group == PL_GROUP_OWNER && pr->kind == PL_KIND_KEY &&
            memcmp(pr->spki_sha256, key_sha256, 32) == 0)
            return true;
    }
    return false;
}

pl_err pl_grant_covers(struct pl_crypto *c, const struct pl_statement *s, const struct pl_act *act,
                       const struct pl_policy *p, const struct pl_caller *who)
{
    PL_REQUIRE(s->typ == PL_TYP_GRANT, STATEMENT_KIND);
    PL_REQUIRE(act->op == PL_OP_CREATE && s->op == PL_OP_CREATE, STATEMENT_OP);
    PL_REQUIRE(s->type == act->params.type, STATEMENT_PARAMS);
    PL_REQUIRE(memcmp(act->params.policy_sha256, pl_policy_sha256(p), 32) == 0, STATEMENT_TARGET);
    PL_TRY(pl_statement_covers_target(c, s, act));
    PL_REQUIRE(memcmp(s->owner, s->signer.authenticator, 32) == 0 && owns(p, s->owner),
               GRANT_OWNER);
    const uint8_t *subject = s->has_profile ? s->profile_sha256 : s->requester;
    PL_REQUIRE(pl_grant_names(p, who, s->has_profile, subject), GRANT_PROFILE);
    PL_TRY(covers_display(s, act, p));
    return pl_statement_current(s, who->now);
}
