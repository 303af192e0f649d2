/* What a policy says of itself, and whom it recognises. */
#include "policy/internal.h"

#include <string.h>

struct pl_span pl_policy_text(const struct pl_policy *p) { return pl_span(p->text, p->text_n); }
const uint8_t *pl_policy_sha256(const struct pl_policy *p) { return p->sha256; }
size_t pl_policy_principals(const struct pl_policy *p) { return p->principals; }
size_t pl_policy_profiles(const struct pl_policy *p) { return p->profiles; }
unsigned pl_policy_owner_quorum(const struct pl_policy *p) { return p->owner_quorum; }
const struct pl_lifecycle *pl_policy_lifecycle(const struct pl_policy *p) { return &p->life; }

const struct pl_principal *pl_policy_principal(const struct pl_policy *p, size_t i)
{
    PL_ASSERT(i < p->principals);
    return &p->principal[i];
}

uint64_t pl_policy_group(const struct pl_policy *p, enum pl_group g)
{
    return (unsigned)g < PL_GROUP_COUNT ? p->group[g] : 0;
}

static const struct profile *profile_at(const struct pl_policy *p, size_t i)
{
    PL_ASSERT(i < p->profiles);
    return &p->profile[i];
}

const char *pl_policy_profile_name(const struct pl_policy *p, size_t i)
{
    return profile_at(p, i)->name;
}

const uint8_t *pl_policy_profile_sha256(const struct pl_policy *p, size_t i)
{
    return profile_at(p, i)->sha256;
}

void pl_policy_profile(const struct pl_policy *p, size_t i, struct pl_profile *out)
{
    pl_profile_unpack(out, p->packed + profile_at(p, i)->packed_at);
}

enum pl_tri pl_policy_expired(const struct pl_policy *p, struct pl_interval now)
{
    if (p->life.expires_s == INT64_MAX)
        return PL_FALSE;
    return now.earliest_s > now.latest_s ? PL_UNKNOWN : pl_time_reached(now, p->life.expires_s);
}

struct pl_span pl_word(const struct pl_policy *p, unsigned i)
{
    PL_ASSERT(i < p->words);
    return pl_span_sub(pl_policy_text(p), p->word[i].at, p->word[i].n);
}

/* ---- Signers -------------------------------------------------------------------------------- */

static bool among(const uint8_t key[static 32], const uint8_t (*keys)[32], size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (memcmp(keys[i], key, 32) == 0)
            return true;
    }
    return false;
}

static bool has_span(const struct pl_span *list, size_t n, struct pl_span one)
{
    for (size_t i = 0; i < n; i++) {
        if (pl_span_eq(list[i], one))
            return true;
    }
    return false;
}

static bool is_passkey(const struct pl_policy *p, const struct pl_principal *pr,
                       const struct pl_signer *s)
{
    const uint8_t *at = p->packed + pr->packed_at;
    struct pl_span credential = pl_span(at + 34, (size_t)at[32] << 8 | at[33]);
    bool origin = false;
    for (unsigned i = 0; i + 1u < pr->words.n; i++)
        origin |= pl_span_eq(pl_word(p, pr->words.at + i), s->origin);
    return memcmp(pr->spki_sha256, s->authenticator, 32) == 0 &&
           memcmp(at, s->rp_id_sha256, 32) == 0 && pl_span_eq(credential, s->credential_id) &&
           origin;
}

/* The issuer, then for OIDC the subject, for ROLES every role. */
static bool is_oidc(const struct pl_policy *p, const struct pl_principal *pr,
                    const struct pl_signer *s)
{
    bool same = pl_span_eq(pl_word(p, pr->words.at), s->iss);
    for (unsigned i = 1; i < pr->words.n; i++) {
        struct pl_span word = pl_word(p, pr->words.at + i);
        same = same && (pr->kind == PL_KIND_OIDC ? pl_span_eq(word, s->sub)
                                                 : has_span(s->role, s->roles, word));
    }
    return same;
}

static bool is_signer(const struct pl_policy *p, const struct pl_principal *pr,
                      const struct pl_signer *s)
{
    if (s->form == PL_PROOF_JWS)
        return pr->kind == PL_KIND_KEY && memcmp(pr->spki_sha256, s->authenticator, 32) == 0;
    if (s->form == PL_PROOF_PASSKEY)
        return pr->kind == PL_KIND_PASSKEY && is_passkey(p, pr, s);
    bool oidc = pr->kind == PL_KIND_OIDC || pr->kind == PL_KIND_ROLES;
    return s->form == PL_PROOF_OIDC && oidc && (pr->bare_bearer || !s->bare) && is_oidc(p, pr, s);
}

/* The principals that this signer is. */
static uint64_t signer_principals(const struct pl_policy *p, const struct pl_signer *s)
{
    uint64_t who = 0;
    for (unsigned i = 0; i < p->principals; i++)
        who |= is_signer(p, &p->principal[i], s) ? UINT64_C(1) << i : 0;
    return who;
}

/* ---- Connections ---------------------------------------------------------------------------- */

static void match_profiles(struct pl_facts *out, const struct pl_policy *p,
                           const struct pl_caller *who)
{
    for (unsigned i = 0; who->claims && i < p->profiles; i++) {
        struct pl_profile profile;
        pl_policy_profile(p, i, &profile);
        pl_err e = pl_profile_match(who->claims, &profile, who->now);
        out->profile_is |= (uint32_t)(e == PL_OK) << i;
        out->profile_maybe |= (uint32_t)(pl_err_class(e) == PL_C_AGAIN) << i;
    }
}

/* Is this connection the principal? */
static enum pl_tri is_connection(const struct pl_policy *p, const struct pl_facts *f,
                                 const struct pl_principal *pr, const struct pl_caller *who)
{
    const struct pl_certified *cert = who->certified;
    bool is = false;
    if (pr->kind == PL_KIND_KEY)
        is = who->client_spki_sha256 && memcmp(pr->spki_sha256, who->client_spki_sha256, 32) == 0;
    if (pr->kind == PL_KIND_CERTIFICATE)
        is = who->client_spki_sha256 && cert &&
             among(pr->spki_sha256, cert->ca_sha256, cert->cas) &&
             has_span(cert->san, cert->sans, pl_word(p, pr->words.at));
    if (pr->kind != PL_KIND_TEE)
        return is ? PL_TRUE : PL_FALSE;
    if ((f->profile_is & pr->profiles) != 0)
        return PL_TRUE;
    return (f->profile_maybe & pr->profiles) != 0 ? PL_UNKNOWN : PL_FALSE;
}

static void match_principals(struct pl_facts *out, const struct pl_policy *p,
                             const struct pl_caller *who)
{
    for (size_t i = 0; i < who->requests; i++)
        out->is |= signer_principals(p, &who->request[i]);
    if (who->token)
        *(who->token->bare ? &out->bare : &out->is) |= signer_principals(p, who->token);
    for (unsigned i = 0; i < p->principals; i++) {
        const struct pl_principal *pr = &p->principal[i];
        uint64_t bit = UINT64_C(1) << i;
        enum pl_tri value = is_connection(p, out, pr, who);
        out->is |= value == PL_TRUE ? bit : 0;
        out->maybe |= value == PL_UNKNOWN ? bit : 0;
        if (pr->group == PL_GROUP_OWNER && pr->kind == PL_KIND_KEY &&
            among(pr->spki_sha256, who->consent_sha256, who->consents))
            out->consent |= bit;
    }
}

/* ---- Approvals and steps -------------------------------------------------------------------- */

static bool is_own(const struct pl_caller *who, const uint8_t authenticator[static 32])
{
    bool own = who->client_spki_sha256 && memcmp(who->client_spki_sha256, authenticator, 32) == 0;
    for (size_t i = 0; i < who->requests; i++)
        own |= memcmp(who->request[i].authenticator, authenticator, 32) == 0;
    return own || (who->token && memcmp(who->token->authenticator, authenticator, 32) == 0);
}

static void add_approvals(struct pl_facts *out, const struct pl_policy *p,
                          const struct pl_caller *who)
{
    for (unsigned i = 0; i < who->approvals && i < PL_POLICY_APPROVALS; i++) {
        const struct pl_signer *s = &who->approval[i];
        struct pl_approval_fact *a = &out->approval[out->approvals++];
        *a = (struct pl_approval_fact){.who = signer_principals(p, s),
                                       .own = is_own(who, s->authenticator),
                                       .iat_s = s->iat_s};
        while (memcmp(who->approval[a->authenticator].authenticator, s->authenticator, 32) != 0)
            a->authenticator++;
        while (memcmp(who->approval[a->issuer].issuer, s->issuer, 32) != 0)
            a->issuer++;
    }
}

/* A login by one of the ways that a step_up condition names. */
static uint32_t ways(const struct pl_policy *p, const struct pl_signer *s)
{
    uint32_t fits = 0;
    for (unsigned i = 0; i < p->nodes; i++) {
        const struct node *n = &p->node[i];
        for (unsigned w = 0; n->kind == PL_COND_STEP_UP && w < n->words.n; w++)
            fits |= (uint32_t)has_span(s->amr, s->amrs, pl_word(p, n->words.at + w)) << n->arg;
    }
    return fits;
}

/* Anybody can make a passkey: only that of a principal is a step. */
static void add_steps(struct pl_facts *out, const struct pl_policy *p, const struct pl_caller *who)
{
    for (unsigned i = 0; i < who->requests && i < PL_POLICY_APPROVALS; i++) {
        const struct pl_signer *s = &who->request[i];
        bool tap = s->form == PL_PROOF_PASSKEY;
        bool login = s->form == PL_PROOF_OIDC && s->auth_time_s != INT64_MIN;
        if ((tap || login) && signer_principals(p, s) != 0)
            out->step[out->steps++] = (struct pl_step_fact){tap ? UINT32_MAX : ways(p, s),
                                                            tap ? s->iat_s : s->auth_time_s};
    }
}

/* ---- Roles and the vault -------------------------------------------------------------------- */

static bool has_role(const struct pl_policy *p, const struct node *n, const struct pl_signer *s)
{
    bool role = false;
    for (unsigned i = 1; i < n->words.n; i++)
        role |= has_span(s->role, s->roles, pl_word(p, n->words.at + i));
    return role && s->form == PL_PROOF_OIDC && !s->bare &&
           pl_span_eq(pl_word(p, n->words.at), s->iss);
}

static enum pl_tri is_vault(const struct pl_policy *p, const struct node *n,
                            const struct pl_vault_facts *v)
{
    struct pl_span vendor = pl_word(p, n->words.at), label = pl_word(p, n->words.at + 1u);
    bool other = vendor.n > 0 && v->vendor.n > 0 && !pl_span_eq(vendor, v->vendor);
    bool unlike = label.n > 0 && v->labels_known && !has_span(v->label, v->labels, label);
    bool unknown = (vendor.n > 0 && v->vendor.n == 0) || (label.n > 0 && !v->labels_known);
    return other || unlike ? PL_FALSE : unknown ? PL_UNKNOWN : PL_TRUE;
}

static void match_conditions(struct pl_facts *out, const struct pl_policy *p,
                             const struct pl_caller *who)
{
    static const struct pl_vault_facts nothing;
    for (unsigned i = 0; i < p->nodes; i++) {
        const struct node *n = &p->node[i];
        if (n->kind == PL_COND_VAULT) {
            enum pl_tri value = is_vault(p, n, who->vault ? who->vault : &nothing);
            out->vault_is |= (uint32_t)(value == PL_TRUE) << n->arg;
            out->vault_maybe |= (uint32_t)(value == PL_UNKNOWN) << n->arg;
        }
        if (n->kind != PL_COND_ROLE || n->words.n == 0)
            continue;
        bool role = who->token && has_role(p, n, who->token);
        for (size_t r = 0; r < who->requests; r++)
            role |= has_role(p, n, &who->request[r]);
        out->role_is |= (uint32_t)role << n->arg;
    }
}

void pl_policy_facts(struct pl_facts *out, const struct pl_policy *p, const struct pl_caller *who)
{
    *out = (struct pl_facts){.now = who->now};
    match_profiles(out, p, who);
    match_principals(out, p, who);
    add_approvals(out, p, who);
    add_steps(out, p, who);
    match_conditions(out, p, who);
    memset(out->room_maybe, 0xff, sizeof(out->room_maybe));
}
