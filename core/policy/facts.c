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

/* ---- Matching ------------------------------------------------------------------------------- */

static bool among(const uint8_t key[static 32], const uint8_t (*keys)[32], size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (memcmp(keys[i], key, 32) == 0)
            return true;
    }
    return false;
}

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

/* A row per kind: is this caller the principal? */
static enum pl_tri is_key(const struct pl_facts *f, const struct pl_principal *pr,
                          const struct pl_caller *who)
{
    (void)f;
    bool tls = who->client_spki_sha256 && memcmp(pr->spki_sha256, who->client_spki_sha256, 32) == 0;
    bool signed_it = false;
    for (size_t i = 0; i < who->requests; i++) {
        const struct pl_signer *s = &who->request[i];
        signed_it |= s->form == PL_PROOF_JWS && memcmp(pr->spki_sha256, s->authenticator, 32) == 0;
    }
    return tls || signed_it ? PL_TRUE : PL_FALSE;
}

static enum pl_tri is_tee(const struct pl_facts *f, const struct pl_principal *pr,
                          const struct pl_caller *who)
{
    (void)who;
    if ((f->profile_is & pr->profiles) != 0)
        return PL_TRUE;
    return (f->profile_maybe & pr->profiles) != 0 ? PL_UNKNOWN : PL_FALSE;
}

static enum pl_tri (*const matchers[PL_KIND_COUNT])(const struct pl_facts *f,
                                                    const struct pl_principal *pr,
                                                    const struct pl_caller *who) = {
    [PL_KIND_KEY] = is_key,
    [PL_KIND_TEE] = is_tee,
};

void pl_policy_facts(struct pl_facts *out, const struct pl_policy *p, const struct pl_caller *who)
{
    *out = (struct pl_facts){.now = who->now};
    match_profiles(out, p, who);
    for (unsigned i = 0; i < p->principals; i++) {
        const struct pl_principal *pr = &p->principal[i];
        uint64_t bit = UINT64_C(1) << i;
        PL_ASSERT((unsigned)pr->kind < PL_KIND_COUNT && matchers[pr->kind]);
        enum pl_tri value = matchers[pr->kind](out, pr, who);
        out->is |= value == PL_TRUE ? bit : 0;
        out->maybe |= value == PL_UNKNOWN ? bit : 0;
        if (pr->group == PL_GROUP_OWNER && pr->kind == PL_KIND_KEY &&
            among(pr->spki_sha256, who->consent_sha256, who->consents))
            out->consent |= bit;
    }
}
