/* Another policy for a key. The old one decides, and its principals; what is asked for is compiled
 * for them alone. */
#include "policy/change.h"
#include "vault/internal.h"

#include <stdlib.h>
#include <string.h>

enum { VERSION_DIGITS = 15 };

/* A number, in quotes or not. */
static pl_err read_version(uint64_t *out, struct pl_span text)
{
    if (text.n >= 2 && text.p[0] == '"' && text.p[text.n - 1] == '"')
        text = pl_span_sub(text, 1, text.n - 2);
    PL_REQUIRE(text.n > 0 && text.n <= VERSION_DIGITS, IF_MATCH);
    for (size_t i = 0; i < text.n; i++) {
        PL_REQUIRE(text.p[i] >= '0' && text.p[i] <= '9', IF_MATCH);
        *out = *out * 10 + (uint64_t)(text.p[i] - '0');
    }
    return PL_OK;
}

/* A key that is an owner in the new policy, and asks for this or signed for it. */
static bool agrees(const struct pl_turn *t, const struct pl_principal *who)
{
    const uint8_t *key = who->spki_sha256;
    bool agree = t->peer.has_key && memcmp(key, t->peer.spki_sha256, 32) == 0;
    for (unsigned i = 0; i < t->requests; i++)
        agree |= memcmp(key, t->proofs->request[i].authenticator, 32) == 0;
    for (unsigned i = 0; i < t->approvals; i++)
        agree |= memcmp(key, t->proofs->approval[i].authenticator, 32) == 0;
    return agree;
}

static bool pays(const struct pl_principal *who)
{
    return who->group == PL_GROUP_OWNER && who->kind == PL_KIND_KEY;
}

pl_err pl_prepare_update(struct pl_turn *t, const struct pl_env *env, struct pl_span policy)
{
    struct pl_policy_change c;
    PL_TRY(read_version(&t->replaces, t->call.if_match));
    pl_err e = pl_policy_ref_load(&t->next, env->crypto, policy, &t->why);
    if (e != PL_OK) {
        pl_point_into_policy(&t->why);
        return e;
    }
    const struct pl_policy *next = t->next->policy;
    PL_TRY(pl_policy_change(&c, t->policy->policy, next, NULL, NULL));
    t->facts.changes = c.changes;
    t->facts.narrows = c.narrows;
    t->change.policy = pl_policy_text(next);
    for (size_t i = 0; i < pl_policy_principals(next); i++) {
        const struct pl_principal *who = pl_policy_principal(next, i);
        t->agreed |= (uint64_t)(pays(who) && agrees(t, who)) << i;
    }
    return PL_OK;
}

pl_err pl_check_version(struct pl_turn *t)
{
    if (t->replaces == t->record->policy_version) {
        PL_REQUIRE(t->facts.changes, POLICY_SAME);
        return PL_OK;
    }
    struct pl_wr w = pl_wr_fixed(t->why.text, sizeof(t->why.text) - 1);
    struct pl_jw j = pl_jw(&w);
    pl_wr_str(&w, "its version is ");
    pl_jw_u64(&j, t->record->policy_version);
    t->why.text[w.n] = 0;
    return PL_FAIL(POLICY_VERSION);
}

/* Did this key pay for the record so far? */
static bool paid(const struct record *r, const uint8_t *key)
{
    const struct pl_policy *p = r->policy->policy;
    for (size_t i = 0; i < pl_policy_principals(p); i++) {
        const struct pl_principal *who = pl_policy_principal(p, i);
        if ((r->birth.consents >> i & 1) && pays(who) && memcmp(who->spki_sha256, key, 32) == 0)
            return true;
    }
    return false;
}

/* Whoever paid and still owns it goes on; an owner who comes pays if he agreed, and has room. A key
 * that somebody paid for is not left to owners who did not agree: else whoever gives his keys away
 * could make new ones without end, or fill what is another's. */
pl_err pl_check_update(const struct pl_vault *v, struct pl_turn *t)
{
    const struct pl_policy *next = t->next->policy;
    uint64_t consents = 0;
    PL_REQUIRE(pl_policy_lifecycle(next)->time != PL_POLICY_TIME_WITNESSED ||
                   t->config->time != PL_TIME_HOST,
               CREATE_TIME);
    for (size_t i = 0; i < pl_policy_principals(next); i++) {
        const struct pl_principal *who = pl_policy_principal(next, i);
        bool before = pays(who) && paid(t->record, who->spki_sha256);
        const uint64_t *n = pl_map_get(&v->owners, who->spki_sha256);
        if (!before && (t->agreed >> i & 1))
            PL_REQUIRE(!n || *n < t->config->keys_per_owner, OWNER_KEYS);
        consents |= (uint64_t)(before || (t->agreed >> i & 1)) << i;
    }
    PL_REQUIRE(consents || !t->record->birth.consents, OWNER_CONSENT);
    t->change.birth.consents = consents;
    return PL_OK;
}
