/* A profile's document: which evidence is good enough. */
#include "policy/internal.h"
#include "policy/say.h"

#include <string.h>

struct ctx {
    struct pl_refusal *why;
    struct pl_profile *p;
    bool identity, platforms; /* given */
};

static bool full(struct ctx *x, struct pl_json *j, unsigned n, unsigned max)
{
    return n < max || (pl_load_refuse(x->why, j, PL_FAIL(POLICY_LIMIT),
                                      "more than %u entries in this list of a profile", max),
                       false);
}

static void load_tee_name(struct ctx *x, struct pl_json *j)
{
    struct pl_span s;
    if (!pl_json_plain(j, &s))
        return;
    static const char *const prefixes[] = {"", "sim-", "custom-"};
    bool good = s.n > 0 && s.n <= PL_TEE_NAME_MAX;
    bool built = good && s.n > 7 && memcmp(s.p, prefixes[2], 7) == 0, known = built;
    for (unsigned t = 1; good && t < PL_TEE_COUNT; t++) {
        for (unsigned k = 0; k < 2; k++) {
            char name[PL_TEE_NAME_MAX + 1];
            pl_say_text(name, sizeof(name), "%s%s", prefixes[k], pl_tee_text((enum pl_tee)t));
            bool same = pl_span_is(s, name);
            known = known || same;
            built = built || (same && pl_tee_supported((enum pl_tee)t));
        }
    }
    if (!good || !known)
        pl_load_refuse(x->why, j, PL_FAIL(POLICY_NAME),
                       "there is no TEE `%s`: use a name such as sgx, sim-sgx or custom-LABEL",
                       pl_shown(s).text);
    else if (!built)
        pl_load_refuse(x->why, j, PL_FAIL(POLICY_BUILD),
                       "the TEE `%s` is not supported by this build: use sgx or sim-sgx",
                       pl_shown(s).text);
    else
        memcpy(x->p->tee, s.p, s.n);
}

static void load_roots(struct ctx *x, struct pl_json *j)
{
    struct pl_span s;
    if (pl_json_peek(j) == PL_JSON_STRING) {
        if (pl_json_plain(j, &s) && !pl_span_is(s, "vendor"))
            pl_load_refuse(x->why, j, PL_FAIL(POLICY_VALUE),
                           "roots is \"vendor\" or a list of SPKI hashes");
        return;
    }
    for (pl_json_array(j); pl_json_item(j);) {
        if (full(x, j, x->p->roots, PL_PROFILE_ROOTS_MAX) &&
            pl_json_hex_exact(j, x->p->root_spki_sha256[x->p->roots], 32))
            x->p->roots++;
    }
    if (x->p->roots == 0)
        pl_load_refuse(x->why, j, PL_FAIL(POLICY_VALUE),
                       "an empty list of roots trusts nobody: write \"vendor\" or list them");
}

static void load_signer(struct ctx *x, struct pl_json *j)
{
    struct pl_profile_signer *s = &x->p->signer[x->p->signers++];
    bool key_seen = false, id_seen = false;
    struct pl_span key;
    for (pl_json_object(j); pl_json_key(j, &key);) {
        uint64_t id = 0;
        if (pl_span_is(key, "mrsigner")) {
            key_seen = pl_json_hex_exact(j, s->mrsigner, 32);
        } else if (pl_span_is(key, "isv_prod_id")) {
            id_seen = pl_json_u53(j, UINT16_MAX, &id);
            s->isv_prod_id = (uint16_t)id;
        } else {
            pl_load_refuse(x->why, j, PL_FAIL(JSON_UNKNOWN), "a signer has no member `%s`",
                           pl_shown(key).text);
        }
    }
    if (!key_seen || !id_seen)
        pl_load_refuse(x->why, j, PL_FAIL(POLICY_VALUE),
                       "a signer is {mrsigner, isv_prod_id}: the signer alone names every program "
                       "it ever signs");
}

static void load_measurements(struct ctx *x, struct pl_json *j)
{
    struct pl_span key;
    for (pl_json_object(j); pl_json_key(j, &key);) {
        bool enclaves = pl_span_is(key, "mrenclave");
        if (!enclaves && !pl_span_is(key, "signer")) {
            pl_load_refuse(x->why, j, PL_FAIL(JSON_UNKNOWN),
                           "this TEE has no measurement `%s`: use mrenclave or signer",
                           pl_shown(key).text);
            return;
        }
        for (pl_json_array(j); pl_json_item(j);) {
            unsigned n = enclaves ? x->p->mrenclaves : x->p->signers;
            if (!full(x, j, n, PL_PROFILE_MEASUREMENTS_MAX))
                return;
            if (!enclaves)
                load_signer(x, j);
            else if (pl_json_hex_exact(j, x->p->mrenclave[n], 32))
                x->p->mrenclaves++;
        }
    }
    x->identity = x->p->mrenclaves + x->p->signers > 0;
}

static void load_min_svn(struct ctx *x, struct pl_json *j)
{
    uint64_t v = 0;
    pl_json_u53(j, UINT32_MAX, &v);
    x->p->min_svn = (uint32_t)v;
}

static void load_tcb(struct ctx *x, struct pl_json *j)
{
    x->p->tcb = 0;
    for (pl_json_array(j); pl_json_item(j);) {
        struct pl_span s;
        if (!pl_json_plain(j, &s))
            return;
        enum pl_tcb status = pl_tcb_parse(s);
        if (status == PL_TCB_NONE || !pl_tcb_nameable(status))
            pl_load_refuse(x->why, j, PL_FAIL(POLICY_NAME),
                           "`%s` is no TCB status that a profile can accept (UpToDate, "
                           "SWHardeningNeeded, ...)",
                           pl_shown(s).text);
        x->p->tcb |= PL_TCB_BIT(status);
    }
}

static void load_platforms(struct ctx *x, struct pl_json *j)
{
    struct pl_span s;
    x->platforms = true;
    if (pl_json_peek(j) == PL_JSON_STRING) {
        x->p->any_platform = true;
        if (pl_json_plain(j, &s) && !pl_span_is(s, "any"))
            pl_load_refuse(x->why, j, PL_FAIL(POLICY_VALUE),
                           "platforms is \"any\" or a list of platform ids in hex");
        return;
    }
    for (pl_json_array(j); pl_json_item(j);) {
        if (!full(x, j, x->p->platforms, PL_PROFILE_PLATFORMS_MAX) || !pl_json_plain(j, &s))
            return;
        struct pl_profile_platform *one = &x->p->platform[x->p->platforms++];
        one->n = s.n / 2;
        if (one->n == 0 || one->n > PL_PLATFORM_ID_MAX || pl_unhex(one->id, one->n, s) != PL_OK)
            pl_load_refuse(x->why, j, PL_FAIL(POLICY_VALUE), "`%s` is no platform id in hex",
                           pl_shown(s).text);
    }
}

static void load_debug(struct ctx *x, struct pl_json *j) { pl_json_bool(j, &x->p->debug); }

static void load_memory(struct ctx *x, struct pl_json *j)
{
    struct pl_span s;
    if (!pl_json_plain(j, &s))
        return;
    x->p->host_readable = pl_span_is(s, "host_readable");
    if (!x->p->host_readable && !pl_span_is(s, "encrypted"))
        pl_load_refuse(x->why, j, PL_FAIL(POLICY_VALUE),
                       "memory is \"encrypted\" or \"host_readable\"");
}

static void load_max_age(struct ctx *x, struct pl_json *j)
{
    pl_load_duration(x->why, j, &x->p->collateral_max_age_s);
}

static void load_config_root(struct ctx *x, struct pl_json *j)
{
    for (pl_json_array(j); pl_json_item(j);) {
        if (full(x, j, x->p->config_roots, PL_PROFILE_CONFIG_ROOTS_MAX) &&
            pl_json_hex_exact(j, x->p->config_root[x->p->config_roots], 32))
            x->p->config_roots++;
    }
    if (x->p->config_roots == 0)
        pl_load_refuse(x->why, j, PL_FAIL(POLICY_VALUE),
                       "an empty config_root accepts nothing: list configurations or leave it out");
}

static void load_claims(struct ctx *x, struct pl_json *j)
{
    struct pl_span key, s;
    for (pl_json_object(j); pl_json_key(j, &key);) {
        enum pl_claim claim = pl_claim_parse(key);
        if (claim == PL_CLAIM_NONE)
            pl_load_refuse(x->why, j, PL_FAIL(POLICY_NAME), "evidence has no claim `%s`",
                           pl_shown(key).text);
        if (!full(x, j, x->p->claims, PL_PROFILE_CLAIMS_MAX) || !pl_json_plain(j, &s))
            return;
        struct pl_profile_claim *one = &x->p->claim[x->p->claims++];
        size_t n = pl_claim_bytes(claim);
        one->claim = claim;
        if (n > sizeof(one->want) || s.n != 2 * n || pl_unhex(one->want, n, s) != PL_OK)
            pl_load_refuse(x->why, j, PL_FAIL(POLICY_VALUE), "claim `%s` is %u bytes in hex",
                           pl_claim_text(claim), (unsigned)n);
    }
}

static const struct {
    const char *word;
    void (*load)(struct ctx *x, struct pl_json *j);
} members[] = {
    {"tee", load_tee_name},
    {"roots", load_roots},
    {"measurements", load_measurements},
    {"min_svn", load_min_svn},
    {"tcb", load_tcb},
    {"platforms", load_platforms},
    {"debug", load_debug},
    {"memory", load_memory},
    {"collateral_max_age", load_max_age},
    {"config_root", load_config_root},
    {"claims", load_claims},
};

void pl_load_profile(struct pl_refusal *why, struct pl_json *j, struct pl_profile *out)
{
    struct ctx x = {.why = why, .p = out};
    pl_profile_init(out);
    struct pl_span key;
    for (pl_json_object(j); pl_json_key(j, &key);) {
        size_t m = 0, n = sizeof(members) / sizeof(members[0]);
        while (m < n && !pl_span_is(key, members[m].word))
            m++;
        if (m == n)
            pl_load_refuse(why, j, PL_FAIL(JSON_UNKNOWN), "a profile has no member `%s`",
                           pl_shown(key).text);
        else
            members[m].load(&x, j);
    }
    if (out->tee[0] == '\0')
        pl_load_refuse(why, j, PL_FAIL(JSON_MISSING), "a profile needs its tee");
    if (!x.identity)
        pl_load_refuse(why, j, PL_FAIL(POLICY_VALUE),
                       "a profile needs measurements that name a program: mrenclave or signer");
    if (!x.platforms)
        pl_load_refuse(why, j, PL_FAIL(JSON_MISSING),
                       "a profile needs platforms: \"any\", or a list of platform ids");
}
