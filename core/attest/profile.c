/* Claims against a profile: plain comparisons, each with its own reason. */
#include "attest/internal.h"

#include <string.h>

static const struct {
    const char *text;
    enum pl_tee tee; /* NONE: all */
    size_t at, n;
} claim_rows[PL_CLAIM_COUNT] = {
#define PL_CLAIM_ROW(name, text, tee, field)                                                       \
    [PL_CLAIM_##name] = {text, PL_TEE_##tee, offsetof(struct pl_claims, field),                    \
                         sizeof(((struct pl_claims *)0)->field)},
#include "attest/claim.def"
#undef PL_CLAIM_ROW
};

static bool known(enum pl_claim c) { return c > PL_CLAIM_NONE && c < PL_CLAIM_COUNT; }

enum pl_claim pl_claim_parse(struct pl_span text)
{
    for (unsigned i = PL_CLAIM_NONE + 1; i < PL_CLAIM_COUNT; i++)
        if (pl_span_is(text, claim_rows[i].text))
            return (enum pl_claim)i;
    return PL_CLAIM_NONE;
}

const char *pl_claim_text(enum pl_claim c) { return known(c) ? claim_rows[c].text : "none"; }
size_t pl_claim_bytes(enum pl_claim c) { return known(c) ? claim_rows[c].n : 0; }

struct pl_span pl_claim_get(const struct pl_claims *claims, enum pl_claim c)
{
    if (!known(c) || claims->tee == PL_TEE_NONE ||
        (claim_rows[c].tee != PL_TEE_NONE && claim_rows[c].tee != claims->tee))
        return pl_span(NULL, 0);
    return pl_span((const uint8_t *)claims + claim_rows[c].at, claim_rows[c].n);
}

void pl_profile_init(struct pl_profile *p) { *p = (struct pl_profile){.tcb = PL_TCB_FLOOR}; }

#define LIST(count, list)                                                                          \
    {                                                                                              \
        offsetof(struct pl_profile, count), offsetof(struct pl_profile, list),                     \
            sizeof(((struct pl_profile *)0)->list[0])                                              \
    }
static const struct {
    size_t count, at, size;
} lists[] = {
    LIST(roots, root_spki_sha256), LIST(mrenclaves, mrenclave),     LIST(signers, signer),
    LIST(platforms, platform),     LIST(config_roots, config_root), LIST(claims, claim),
};
enum {
    HEAD = offsetof(struct pl_profile, root_spki_sha256),
    LISTS = sizeof(lists) / sizeof(*lists)
};

static size_t list_bytes(const struct pl_profile *p, size_t i)
{
    unsigned n;
    memcpy(&n, (const uint8_t *)p + lists[i].count, sizeof(n));
    return n * lists[i].size;
}

void pl_profile_pack(struct pl_wr *out, const struct pl_profile *p)
{
    const uint8_t *bytes = (const uint8_t *)p;
    pl_wr_bytes(out, pl_span(bytes, HEAD));
    for (size_t i = 0; i < LISTS; i++)
        pl_wr_bytes(out, pl_span(bytes + lists[i].at, list_bytes(p, i)));
}

void pl_profile_unpack(struct pl_profile *out, const uint8_t *packed)
{
    memcpy(out, packed, HEAD);
    packed += HEAD;
    for (size_t i = 0; i < LISTS; i++) {
        size_t n = list_bytes(out, i);
        memcpy((uint8_t *)out + lists[i].at, packed, n);
        packed += n;
    }
}

static bool in_list(const uint8_t *list, unsigned n, unsigned max, const uint8_t want[static 32])
{
    for (unsigned i = 0; i < n && i < max; i++)
        if (memcmp(list + (size_t)i * 32, want, 32) == 0)
            return true;
    return false;
}

/* The name carries the kind of trust; a list narrows it further. Only the vendor's own roots give
 * "sgx" (pl_root_find), so an absent list means them. */
static pl_err trust(const struct pl_claims *c, const struct pl_profile *p)
{
    PL_REQUIRE(c->tee != PL_TEE_NONE && c->trust != PL_TRUST_NONE && c->name[0], PROFILE_TEE);
    PL_REQUIRE(strncmp(c->name, p->tee, sizeof(c->name)) == 0, PROFILE_TEE);
    if (p->roots > 0)
        PL_REQUIRE(
            in_list(p->root_spki_sha256[0], p->roots, PL_PROFILE_ROOTS_MAX, c->root_spki_sha256),
            PROFILE_ROOT);
    return PL_OK;
}

static pl_err measurement(const struct pl_claims *c, const struct pl_profile *p)
{
    PL_REQUIRE(c->tee == PL_TEE_SGX, PROFILE_MEASUREMENT);
    if (in_list(p->mrenclave[0], p->mrenclaves, PL_PROFILE_MEASUREMENTS_MAX, c->sgx.mrenclave))
        return PL_OK;
    for (unsigned i = 0; i < p->signers && i < PL_PROFILE_MEASUREMENTS_MAX; i++)
        if (p->signer[i].isv_prod_id == c->sgx.isv_prod_id &&
            memcmp(p->signer[i].mrsigner, c->sgx.mrsigner, 32) == 0)
            return PL_OK;
    return PL_FAIL(PROFILE_MEASUREMENT);
}

static pl_err platform(const struct pl_claims *c, const struct pl_profile *p)
{
    if (p->any_platform)
        return PL_OK;
    for (unsigned i = 0; i < p->platforms && i < PL_PROFILE_PLATFORMS_MAX; i++)
        if (p->platform[i].n > 0 && p->platform[i].n <= PL_PLATFORM_ID_MAX &&
            pl_span_eq(pl_span(p->platform[i].id, p->platform[i].n),
                       pl_span(c->platform_id, c->platform_id_n)))
            return PL_OK;
    return PL_FAIL(PROFILE_PLATFORM);
}

/* Claims are kept for as long as a connection lives, so what holds them up is looked at each time.
 */
static pl_err still_holds(const struct pl_claims *c, struct pl_interval now)
{
    enum pl_tri begun = pl_time_reached(now, c->earliest_s), on = pl_time_before(now, c->latest_s);
    PL_REQUIRE(begun != PL_FALSE && on != PL_FALSE, PROFILE_COLLATERAL);
    PL_REQUIRE(begun == PL_TRUE && on == PL_TRUE, EVIDENCE_TIME);
    return PL_OK;
}

static pl_err collateral(const struct pl_claims *c, const struct pl_profile *p,
                         struct pl_interval now)
{
    if (p->collateral_max_age_s == 0) {
        PL_REQUIRE(!c->collateral.stale, PROFILE_COLLATERAL);
        return still_holds(c, now);
    }
    int64_t until;
    bool overflow = __builtin_add_overflow(c->collateral.issued_s, p->collateral_max_age_s, &until);
    PL_REQUIRE(!overflow && pl_time_before(now, until) == PL_TRUE, PROFILE_COLLATERAL);
    return PL_OK;
}

static pl_err wanted_claims(const struct pl_claims *c, const struct pl_profile *p)
{
    PL_REQUIRE(p->claims <= PL_PROFILE_CLAIMS_MAX, PROFILE_CLAIM);
    for (unsigned i = 0; i < p->claims; i++) {
        struct pl_span got = pl_claim_get(c, p->claim[i].claim);
        PL_REQUIRE(got.n > 0 && got.n <= sizeof(p->claim[i].want), PROFILE_CLAIM);
        PL_REQUIRE(pl_span_eq(got, pl_span(p->claim[i].want, got.n)), PROFILE_CLAIM);
    }
    return PL_OK;
}

static pl_err status(const struct pl_claims *c, unsigned accepted)
{
    PL_REQUIRE(c->tcb.status != PL_TCB_NONE, PROFILE_TCB);
    PL_REQUIRE(pl_tcb_nameable(c->tcb.status), PROFILE_REVOKED);
    PL_REQUIRE(accepted & PL_TCB_BIT(c->tcb.status), PROFILE_TCB);
    return PL_OK;
}

pl_err pl_profile_match(const struct pl_claims *c, const struct pl_profile *p,
                        struct pl_interval now)
{
    PL_TRY(trust(c, p));
    PL_TRY(measurement(c, p));
    PL_REQUIRE(c->svn >= p->min_svn, PROFILE_SVN);
    PL_REQUIRE(!c->debug || p->debug, PROFILE_DEBUG);
    PL_TRY(status(c, p->tcb));
    PL_TRY(platform(c, p));
    PL_REQUIRE(c->memory == PL_MEMORY_ENCRYPTED ||
                   (c->memory == PL_MEMORY_HOST_READABLE && p->host_readable),
               PROFILE_MEMORY);
    PL_TRY(collateral(c, p, now));
    if (p->config_roots > 0)
        PL_REQUIRE(c->has_pleiad && in_list(p->config_root[0], p->config_roots,
                                            PL_PROFILE_CONFIG_ROOTS_MAX, c->pleiad.config_root),
                   PROFILE_CONFIG_ROOT);
    return wanted_claims(c, p);
}

pl_err pl_accept_default(const struct pl_claims *c)
{
    PL_REQUIRE(c->tee != PL_TEE_NONE, PROFILE_TEE);
    PL_REQUIRE(!c->debug, PROFILE_DEBUG);
    PL_TRY(status(c, PL_TCB_FLOOR));
    PL_REQUIRE(c->memory == PL_MEMORY_ENCRYPTED, PROFILE_MEMORY);
    PL_REQUIRE(!c->collateral.stale, PROFILE_COLLATERAL);
    return PL_OK;
}

bool pl_claims_same_instance(const struct pl_claims *a, const struct pl_claims *b)
{
    const struct pl_sgx_claims *x = &a->sgx, *y = &b->sgx;
    return a->tee == PL_TEE_SGX && b->tee == PL_TEE_SGX && a->trust == b->trust &&
           a->debug == b->debug && a->svn == b->svn && strcmp(a->name, b->name) == 0 &&
           memcmp(a->root_spki_sha256, b->root_spki_sha256, PL_SHA256_BYTES) == 0 &&
           pl_span_eq(pl_span(a->platform_id, a->platform_id_n),
                      pl_span(b->platform_id, b->platform_id_n)) &&
           memcmp(x->mrenclave, y->mrenclave, 32) == 0 &&
           memcmp(x->mrsigner, y->mrsigner, 32) == 0 && x->isv_prod_id == y->isv_prod_id &&
           x->config_svn == y->config_svn && memcmp(x->config_id, y->config_id, 64) == 0 &&
           memcmp(x->attributes, y->attributes, 16) == 0;
}
