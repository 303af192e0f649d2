/* An SGX quote against collateral: claims (61-attestation-formats section 3). */
#include "attest/internal.h"

#include <string.h>

const uint8_t pl_sgx_root_spki[PL_P256_SPKI_BYTES] = {
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04, 0x0b, 0xa9, 0xc4, 0xc0, 0xc0,
    0xc8, 0x61, 0x93, 0xa3, 0xfe, 0x23, 0xd6, 0xb0, 0x2c, 0xda, 0x10, 0xa8, 0xbb, 0xd4, 0xe8, 0x8e,
    0x48, 0xb4, 0x45, 0x85, 0x61, 0xa3, 0x6e, 0x70, 0x55, 0x25, 0xf5, 0x67, 0x91, 0x8e, 0x2e, 0xdc,
    0x88, 0xe4, 0x0d, 0x86, 0x0b, 0xd0, 0xcc, 0x4e, 0xe2, 0x6a, 0xac, 0xc9, 0x88, 0xe5, 0x05, 0xa9,
    0x53, 0x55, 0x8c, 0x45, 0x3f, 0x6b, 0x09, 0x04, 0xae, 0x73, 0x94};

enum { FLAG_DEBUG = 0x02 };

static struct pl_span field(struct pl_span report, size_t at, size_t n)
{
    return pl_span_sub(report, at, n);
}

static uint16_t field16(struct pl_span report, size_t at)
{
    return (uint16_t)(report.p[at] | report.p[at + 1] << 8);
}

/* Steps 7, 8 and 10: the platform signed the QE, the QE vouches for the key, the key signed. */
static pl_err signatures(const struct pl_verifier *v, const struct pl_quote *q,
                         const struct pl_pck *pck)
{
    uint8_t digest[PL_SHA256_BYTES];
    const struct pl_span vouched[] = {q->ak, q->qe_auth};
    struct pl_span data = field(q->qe_report, PL_REPORT_DATA, PL_REPORT_DATA_BYTES);
    PL_REQUIRE(pl_pub_verify(v->crypto, &pck->key, q->qe_report, q->qe_sig.p) == PL_OK,
               QE_REPORT_SIG);
    PL_TRY(pl_sha256(v->crypto, digest, vouched, 2));
    PL_REQUIRE(memcmp(data.p, digest, sizeof(digest)) == 0, QE_REPORT_DATA);
    PL_REQUIRE(pl_span_zero(pl_span_sub(data, 32, 32)), QE_REPORT_TAIL);
    PL_TRY(pl_sha256_one(v->crypto, digest, q->signed_part));
    pl_err e = pl_p256_verify(v->crypto, q->ak.p, digest, q->sig.p);
    PL_REQUIRE(pl_err_code(e) != PL_E_KEY_FORMAT, QUOTE_AK);
    PL_REQUIRE(e == PL_OK, QUOTE_SIG);
    return PL_OK;
}

static bool masked_eq(const uint8_t *got, const uint8_t *mask, const uint8_t *want, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((got[i] & mask[i]) != want[i])
            return false;
    return true;
}

/* Step 9. The debug bit of the QE is inside the mask. */
static pl_err qe_identity(const struct pl_collateral *c, struct pl_span r)
{
    PL_REQUIRE(masked_eq(r.p + PL_REPORT_MISC_SELECT, c->qe_misc_mask, c->qe_misc_select, 4),
               QE_MISCSELECT);
    PL_REQUIRE(masked_eq(r.p + PL_REPORT_ATTRIBUTES, c->qe_attributes_mask, c->qe_attributes, 16),
               QE_ATTRIBUTES);
    PL_REQUIRE(memcmp(r.p + PL_REPORT_MRSIGNER, c->qe_mrsigner, 32) == 0, QE_MRSIGNER);
    PL_REQUIRE(field16(r, PL_REPORT_PROD_ID) == c->qe_prod_id, QE_PROD_ID);
    return PL_OK;
}

/* Component by component: a version vector is no big number. */
static bool reaches(const struct pl_pck *pck, const struct pl_tcb_level *l)
{
    for (size_t i = 0; i < sizeof(l->svn); i++)
        if (pck->components[i] < l->svn[i])
            return false;
    return pck->pce_svn >= l->pcesvn;
}

/* Step 14: what an out-of-date or revoked QE makes of the platform's status. */
static enum pl_tcb converge(enum pl_tcb platform, enum pl_tcb qe)
{
    if (platform == PL_TCB_REVOKED || qe == PL_TCB_REVOKED)
        return PL_TCB_REVOKED;
    if (qe != PL_TCB_OUT_OF_DATE)
        return platform;
    if (platform == PL_TCB_UP_TO_DATE || platform == PL_TCB_SW_HARDENING)
        return PL_TCB_OUT_OF_DATE;
    if (platform == PL_TCB_CONFIGURATION || platform == PL_TCB_CONFIGURATION_SW_HARDENING)
        return PL_TCB_OUT_OF_DATE_CONFIGURATION;
    return platform;
}

/* Steps 11, 12, 14. Levels are descending, so the first that is reached is the highest. */
static pl_err tcb_status(struct pl_claims *out, const struct pl_collateral *c,
                         const struct pl_pck *pck, uint16_t qe_svn)
{
    unsigned i = 0, k = 0;
    while (i < c->levels && !reaches(pck, &c->level[i]))
        i++;
    PL_REQUIRE(i < c->levels, TCB_NO_LEVEL);
    while (k < c->qe_levels && qe_svn < c->qe_level[k].isvsvn)
        k++;
    PL_REQUIRE(k < c->qe_levels, QE_NO_LEVEL);
    const struct pl_tcb_level *l = &c->level[i];
    const struct pl_qe_level *q = &c->qe_level[k];
    out->tcb.platform = l->status;
    out->tcb.qe = q->status;
    out->tcb.status = converge(l->status, q->status);
    out->tcb.date_s = l->date_s < q->date_s ? l->date_s : q->date_s;
    PL_TRY(pl_advisories_add(out, l->advisories));
    return pl_advisories_add(out, q->advisories);
}

static struct pl_period longer(struct pl_period p, uint32_t grace_s)
{
    p.to_s = p.to_s > INT64_MAX - grace_s ? INT64_MAX : p.to_s + grace_s;
    return p;
}

/* Every date, at each use: nothing verified earlier grows stale unseen. */
static pl_err current(const struct pl_verifier *v, const struct pl_collateral *c,
                      const struct pl_pck *pck)
{
    const struct pl_interval now = v->now;
    const int64_t always = INT64_MAX;
    PL_HOLDS(now, pck->chain, PCK_CHAIN_EXPIRED);
    PL_HOLDS(now, c->root_crl, ROOT_CRL_EXPIRED);
    PL_HOLDS(now, longer(c->pck_crl, v->grace_s), PCK_CRL_EXPIRED);
    PL_HOLDS(now, c->tcb_info_chain, TCB_INFO_CHAIN_EXPIRED);
    PL_HOLDS(now, c->qe_identity_chain, QE_IDENTITY_CHAIN_EXPIRED);
    PL_HOLDS(now, ((struct pl_period){c->tcb_info.from_s, always}), TCB_INFO_EARLY);
    PL_HOLDS(now, longer(c->tcb_info, v->grace_s), TCB_INFO_EXPIRED);
    PL_HOLDS(now, ((struct pl_period){c->qe_identity.from_s, always}), QE_IDENTITY_EARLY);
    PL_HOLDS(now, longer(c->qe_identity, v->grace_s), QE_IDENTITY_EXPIRED);
    return PL_OK;
}

static int64_t least(int64_t a, int64_t b, int64_t c)
{
    int64_t m = a < b ? a : b;
    return m < c ? m : c;
}

static void collateral_claims(struct pl_claims *out, const struct pl_verifier *v,
                              const struct pl_collateral *c, const struct pl_pck *pck)
{
    struct pl_period all = pl_period_both(pl_collateral_period(c), pck->chain);
    out->collateral.issued_s = least(c->tcb_info.from_s, c->qe_identity.from_s, c->pck_crl.from_s);
    out->collateral.next_update_s = least(c->tcb_info.to_s, c->qe_identity.to_s, c->pck_crl.to_s);
    out->collateral.stale = pl_time_before(v->now, out->collateral.next_update_s) != PL_TRUE;
    out->collateral.crl_stale = pl_time_before(v->now, c->pck_crl.to_s) != PL_TRUE;
    out->collateral.numbers = c->numbers;
    out->earliest_s = all.from_s;
    out->latest_s = all.to_s;
}

static enum pl_tri stated(bool has, bool value)
{
    return !has ? PL_UNKNOWN : value ? PL_TRUE : PL_FALSE;
}

static void platform_claims(struct pl_claims *out, const struct pl_pck *pck)
{
    struct pl_sgx_claims *s = &out->sgx;
    memcpy(s->fmspc, pck->fmspc, sizeof(s->fmspc));
    memcpy(s->pce_id, pck->pce_id, sizeof(s->pce_id));
    memcpy(s->tcb_components, pck->components, sizeof(s->tcb_components));
    memcpy(s->instance_id, pck->instance_id, sizeof(s->instance_id));
    s->pce_svn = pck->pce_svn;
    s->has_instance_id = pck->has_instance_id;
    s->dynamic_platform = stated(pck->has_configuration, pck->dynamic_platform);
    s->cached_keys = stated(pck->has_configuration, pck->cached_keys);
    s->smt = stated(pck->has_configuration, pck->smt);
    out->platform_id_n = sizeof(pck->ppid);
    memcpy(out->platform_id, pck->ppid, sizeof(pck->ppid));
}

static void report_claims(struct pl_claims *out, struct pl_span r)
{
    struct pl_sgx_claims *s = &out->sgx;
#define COPY(to, at) memcpy((to), r.p + (at), sizeof(to))
    COPY(s->mrenclave, PL_REPORT_MRENCLAVE);
    COPY(s->mrsigner, PL_REPORT_MRSIGNER);
    COPY(s->config_id, PL_REPORT_CONFIG_ID);
    COPY(s->family_id, PL_REPORT_FAMILY_ID);
    COPY(s->ext_prod_id, PL_REPORT_EXT_PROD_ID);
    COPY(s->attributes, PL_REPORT_ATTRIBUTES);
    COPY(s->misc_select, PL_REPORT_MISC_SELECT);
    COPY(s->cpu_svn, PL_REPORT_CPU_SVN);
    COPY(out->report_data, PL_REPORT_DATA);
#undef COPY
    s->isv_prod_id = field16(r, PL_REPORT_PROD_ID);
    s->isv_svn = field16(r, PL_REPORT_SVN);
    s->config_svn = field16(r, PL_REPORT_CONFIG_SVN);
    out->svn = s->isv_svn;
    out->debug = (s->attributes[0] & FLAG_DEBUG) != 0;
    out->memory = PL_MEMORY_ENCRYPTED;
}

/* The name says how the root came to be trusted, now: never what a cache remembers. */
static pl_err trust_claims(struct pl_claims *out, const struct pl_verifier *v,
                           const struct pl_collateral *c)
{
    const struct pl_root *root = NULL;
    for (size_t i = 0; i < v->roots->n && !root; i++)
        if (pl_root_is(c, &v->roots->root[i]))
            root = pl_root_find(v->roots, PL_TEE_SGX, v->roots->root[i].spki);
    PL_REQUIRE(root, UNTRUSTED_ROOT);
    out->tee = PL_TEE_SGX;
    out->trust = root->trust;
    struct pl_wr w = pl_wr_fixed(out->name, sizeof(out->name) - 1);
    if (root->trust == PL_TRUST_CUSTOM) {
        pl_wr_str(&w, "custom-");
        pl_wr_str(&w, root->label);
    } else {
        pl_wr_str(&w, root->trust == PL_TRUST_VENDOR ? "" : "sim-");
        pl_wr_str(&w, pl_tee_text(PL_TEE_SGX));
    }
    memcpy(out->root_label, root->label, sizeof(out->root_label));
    memcpy(out->root_spki_sha256, c->root_spki_sha256, sizeof(out->root_spki_sha256));
    return pl_wr_end(&w);
}

static pl_err verify(const struct pl_verifier *v, struct pl_claims *out, struct pl_span evidence)
{
    struct pl_quote q;
    struct pl_pck pck;
    const struct pl_collateral *c = NULL;
    PL_TRY(pl_quote_parse(&q, evidence));
    struct pl_span chain = q.cert_type == PL_CERT_PCK_CHAIN ? q.cert_data : v->pck_chain;
    PL_REQUIRE(chain.n > 0, QUOTE_CERT_TYPE);
    PL_TRY(pl_pck_verify(v, &pck, &c, chain));
    PL_TRY(trust_claims(out, v, c));
    PL_TRY(current(v, c, &pck));
    PL_TRY(pl_collateral_follows(c, &v->floor));
    PL_REQUIRE(memcmp(c->fmspc, pck.fmspc, sizeof(pck.fmspc)) == 0, FMSPC_MISMATCH);
    PL_REQUIRE(memcmp(c->pce_id, pck.pce_id, sizeof(pck.pce_id)) == 0, PCEID_MISMATCH);
    PL_TRY(signatures(v, &q, &pck));
    PL_TRY(qe_identity(c, q.qe_report));
    PL_TRY(tcb_status(out, c, &pck, field16(q.qe_report, PL_REPORT_SVN)));
    report_claims(out, q.report);
    platform_claims(out, &pck);
    collateral_claims(out, v, c, &pck);
    return PL_OK;
}

static pl_err stated_report_data(struct pl_span evidence, uint8_t out[static PL_REPORT_DATA_BYTES])
{
    struct pl_quote q;
    PL_TRY(pl_quote_parse(&q, evidence));
    memcpy(out, q.report.p + PL_REPORT_DATA, PL_REPORT_DATA_BYTES);
    return PL_OK;
}

const struct pl_tee_ops pl_tee_sgx = {.verify = verify,
                                      .collateral = pl_sgx_collateral,
                                      .report_data = stated_report_data,
                                      .is_mine = pl_quote_magic};
