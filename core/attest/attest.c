#include "attest/internal.h"

#include <string.h>

static const struct {
    const char *text, *vendor;
    const struct pl_tee_ops *ops;
} tees[PL_TEE_COUNT] = {
#define PL_TEE_ROW(name, text, vendor, ops) [PL_TEE_##name] = {text, vendor, ops},
#include "attest/tee.def"
#undef PL_TEE_ROW
};

static const struct {
    const char *text;
    bool nameable;
} tcbs[PL_TCB_COUNT] = {
#define PL_TCB_ROW(name, text, floor, nameable) [PL_TCB_##name] = {text, nameable},
#include "attest/tcb.def"
#undef PL_TCB_ROW
};

#define PL_TCB_ROW(name, text, floor, nameable) +((floor) ? 1u << PL_TCB_##name : 0u)
_Static_assert(PL_TCB_FLOOR == (0
#include "attest/tcb.def"
                                ),
               "tcb.def and PL_TCB_FLOOR say the same");
#undef PL_TCB_ROW

static bool known_tee(enum pl_tee t) { return t > PL_TEE_NONE && t < PL_TEE_COUNT; }
static bool known_tcb(enum pl_tcb s) { return s > PL_TCB_NONE && s < PL_TCB_COUNT; }

const char *pl_tee_text(enum pl_tee tee) { return known_tee(tee) ? tees[tee].text : "none"; }
const char *pl_tee_vendor(enum pl_tee tee) { return known_tee(tee) ? tees[tee].vendor : "none"; }
bool pl_tee_supported(enum pl_tee tee) { return pl_tee_ops(tee) != NULL; }
const struct pl_tee_ops *pl_tee_ops(enum pl_tee t) { return known_tee(t) ? tees[t].ops : NULL; }
const char *pl_tcb_text(enum pl_tcb s) { return known_tcb(s) ? tcbs[s].text : "none"; }
bool pl_tcb_nameable(enum pl_tcb s) { return known_tcb(s) && tcbs[s].nameable; }

enum pl_tcb pl_tcb_parse(struct pl_span text)
{
    for (unsigned i = PL_TCB_NONE + 1; i < PL_TCB_COUNT; i++)
        if (pl_span_is(text, tcbs[i].text))
            return (enum pl_tcb)i;
    return PL_TCB_NONE;
}

/* ---- Roots ---- */

static bool label_ok(const char *label)
{
    size_t n = label ? strlen(label) : 0;
    return n > 0 && n <= PL_LABEL_MAX &&
           strspn(label, "abcdefghijklmnopqrstuvwxyz0123456789-._") == n;
}

/* A line a TEE that is built. */
static const struct pl_roots builtin = {
    .n = 1,
    .root = {{.tee = PL_TEE_SGX,
              .trust = PL_TRUST_VENDOR,
              .label = "intel-sgx-root-ca",
              .spki = {pl_sgx_root_spki, PL_P256_SPKI_BYTES}}},
};
const struct pl_roots *pl_roots_builtin(void) { return &builtin; }

static bool compiled_in(enum pl_tee tee, struct pl_span spki)
{
    for (size_t i = 0; i < builtin.n; i++)
        if (builtin.root[i].tee == tee && pl_span_eq(builtin.root[i].spki, spki))
            return true;
    return false;
}

pl_err pl_roots_add(struct pl_roots *roots, enum pl_tee tee, enum pl_trust trust, const char *label,
                    struct pl_span spki)
{
    struct pl_pub key;
    PL_REQUIRE(pl_tee_ops(tee), TEE_UNSUPPORTED);
    PL_REQUIRE(label_ok(label), ROOT_LABEL);
    PL_REQUIRE(pl_pub_from_spki(&key, spki) == PL_OK && key.type == PL_PUB_P256, X509_KEY);
    if (compiled_in(tee, spki))
        trust = PL_TRUST_VENDOR;
    else
        PL_REQUIRE(trust == PL_TRUST_DEV || trust == PL_TRUST_CUSTOM, ROOT_NOT_VENDOR);
    for (size_t i = 0; i < roots->n; i++) {
        const struct pl_root *r = &roots->root[i];
        if (r->tee == tee && pl_span_eq(r->spki, spki))
            return PL_OK;
        PL_REQUIRE(strcmp(r->label, label) != 0, ROOT_LABEL);
    }
    PL_REQUIRE(roots->n < PL_ROOTS_MAX, ROOTS_FULL);
    struct pl_root *r = &roots->root[roots->n];
    *r = (struct pl_root){.tee = tee, .trust = trust, .spki = spki};
    memcpy(r->label, label, strlen(label) + 1);
    roots->n++;
    return PL_OK;
}

pl_err pl_roots_add_cert(struct pl_crypto *c, struct pl_roots *roots, enum pl_tee tee,
                         enum pl_trust trust, const char *label, struct pl_span der)
{
    struct pl_cert cert;
    PL_TRY(pl_cert_parse(&cert, der, PL_CERT_MAX, NULL, 0));
    PL_REQUIRE(pl_span_eq(cert.issuer, cert.subject), UNTRUSTED_ROOT);
    PL_TRY(pl_cert_may_issue(&cert, 0));
    PL_TRY(pl_cert_signed_by(c, &cert, cert.spki));
    return pl_roots_add(roots, tee, trust, label, cert.spki);
}

/* A root whose own words say VENDOR is that only when its key is compiled in. */
const struct pl_root *pl_root_find(const struct pl_roots *roots, enum pl_tee tee,
                                   struct pl_span spki)
{
    for (size_t i = 0; i < roots->n && i < PL_ROOTS_MAX; i++) {
        const struct pl_root *r = &roots->root[i];
        bool usable = r->trust == PL_TRUST_DEV || r->trust == PL_TRUST_CUSTOM ||
                      (r->trust == PL_TRUST_VENDOR && compiled_in(tee, r->spki));
        if (r->tee == tee && usable && label_ok(r->label) && pl_span_eq(r->spki, spki))
            return r;
    }
    return NULL;
}

/* ---- Collateral and evidence of any TEE ---- */

pl_err pl_collateral_verify(struct pl_crypto *c, const struct pl_roots *roots,
                            struct pl_collateral *out, const struct pl_collateral_in *in)
{
    const struct pl_tee_ops *ops = pl_tee_ops(in->tee);
    *out = (struct pl_collateral){0};
    PL_REQUIRE(ops, TEE_UNSUPPORTED);
    pl_err e = ops->collateral(c, roots, out, in);
    if (e != PL_OK)
        *out = (struct pl_collateral){0};
    return e;
}

struct pl_period pl_collateral_period(const struct pl_collateral *coll)
{
    struct pl_period p = pl_period_both(coll->tcb_info_chain, coll->qe_identity_chain);
    p = pl_period_both(p, pl_period_both(coll->tcb_info, coll->qe_identity));
    return pl_period_both(p, pl_period_both(coll->root_crl, coll->pck_crl));
}

pl_err pl_collateral_follows(const struct pl_collateral *coll,
                             const struct pl_collateral_numbers *seen)
{
    const struct pl_collateral_numbers *n = &coll->numbers;
    bool crl = coll->platform_ca ? n->platform_crl >= seen->platform_crl
                                 : n->processor_crl >= seen->processor_crl;
    PL_REQUIRE(crl && n->tcb_eval >= seen->tcb_eval && n->qe_eval >= seen->qe_eval &&
                   n->root_crl >= seen->root_crl,
               COLLATERAL_ROLLBACK);
    return PL_OK;
}

struct pl_report_data pl_report_data(const uint8_t want[static PL_REPORT_DATA_BYTES])
{
    return (struct pl_report_data){.want = want};
}

struct pl_report_data pl_report_data_unchecked(void)
{
    return (struct pl_report_data){.unchecked = true};
}

/* Formats that are known by name but not verified here, so that a refusal can say which. */
static enum pl_tee foreign(struct pl_span in)
{
    struct pl_rd r = pl_rd(in);
    uint32_t first = pl_rd_le32(&r), second = pl_rd_le32(&r);
    if (r.bad)
        return PL_TEE_NONE;
    if (((first & 0xffff) == 4 && second == 0x81) || /* TDX, quote version 4 and 5 */
        ((first & 0xffff) == 5 && second == 0x81))
        return PL_TEE_TDX;
    if (in.n >= 1184 && first >= 2 && first <= 5 && in.n % 1184 == 0)
        return PL_TEE_SNP;
    if (memcmp(in.p, "\x84\x44\xa1\x01\x38\x22", 6) == 0 ||
        memcmp(in.p, "\xd2\x84\x44\xa1\x01\x38\x22", 7) == 0)
        return PL_TEE_NITRO;
    return memcmp(in.p, "\xff\x54\x43\x47", 4) == 0 ? PL_TEE_TPM : PL_TEE_NONE;
}

enum pl_tee pl_evidence_tee(struct pl_span evidence)
{
    enum pl_tee named = foreign(evidence);
    if (named != PL_TEE_NONE)
        return named;
    for (unsigned t = PL_TEE_NONE + 1; t < PL_TEE_COUNT; t++)
        if (tees[t].ops && tees[t].ops->is_mine(evidence))
            return (enum pl_tee)t;
    return PL_TEE_NONE;
}

static pl_err verify(const struct pl_verifier *v, struct pl_claims *out, struct pl_span evidence,
                     struct pl_report_data expected)
{
    enum pl_tee tee = pl_evidence_tee(evidence);
    PL_REQUIRE(tee != PL_TEE_NONE && evidence.n <= PL_EVIDENCE_MAX, EVIDENCE_UNKNOWN);
    PL_REQUIRE(pl_tee_ops(tee), TEE_UNSUPPORTED);
    PL_TRY(pl_tee_ops(tee)->verify(v, out, evidence));
    if (!expected.unchecked)
        PL_REQUIRE(expected.want &&
                       memcmp(expected.want, out->report_data, PL_REPORT_DATA_BYTES) == 0,
                   REPORT_DATA);
    return PL_OK;
}

pl_err pl_evidence_verify(const struct pl_verifier *v, struct pl_claims *out,
                          struct pl_span evidence, struct pl_report_data expected)
{
    *out = (struct pl_claims){0};
    pl_err e = verify(v, out, evidence, expected);
    if (e != PL_OK)
        *out = (struct pl_claims){0};
    return e;
}
