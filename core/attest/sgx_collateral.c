/* SGX collateral: signing chains, signed JSON, CRLs (61-attestation-formats section 3, steps 3-5).
 * Signatures only; every date is kept and compared at each use. */
#include "attest/internal.h"

#include <string.h>

const struct pl_collateral_file pl_collateral_file[PL_COLLATERAL_FILES] = {
    {"tcb_info.json", PL_COLLATERAL_JSON_MAX},
    {"tcb_info_issuer_chain.pem", PL_PCK_CHAIN_MAX},
    {"qe_identity.json", PL_COLLATERAL_JSON_MAX},
    {"qe_identity_issuer_chain.pem", PL_PCK_CHAIN_MAX},
    {"pck_crl.der", PL_CRL_MAX},
    {"root_ca_crl.der", PL_CRL_MAX},
};

struct pl_collateral_in pl_collateral_of(const struct pl_span file[static PL_COLLATERAL_FILES])
{
    return (struct pl_collateral_in){PL_TEE_SGX, file[0], file[1], file[2],
                                     file[3],    file[4], file[5]};
}

/* The two documents go through the same steps and answer with codes of their own. */
struct document {
    const char *name;
    struct pl_span json, chain;
    pl_err length, signer, chain_sig, revoked, format, sig;
};

bool pl_sgx_name_is(enum pl_trust trust, struct pl_span name, const char *want)
{
    struct pl_span cn = pl_name_cn(name), intel = PL_LIT("Intel ");
    size_t n = strlen(want);
    if (cn.n < n || memcmp(cn.p + cn.n - n, want, n) != 0)
        return false;
    return trust != PL_TRUST_VENDOR || pl_span_eq(pl_span(cn.p, cn.n - n), intel);
}

/* Every key that Intel's PKI uses for SGX is P-256 and signs with SHA-256. */
static bool p256(const struct pl_cert *cert, struct pl_pub *out)
{
    return cert->alg == PL_SIG_ECDSA_SHA256 && pl_pub_from_spki(out, cert->spki) == PL_OK &&
           out->type == PL_PUB_P256;
}

bool pl_root_is(const struct pl_collateral *coll, const struct pl_root *root)
{
    struct pl_pub key;
    return pl_pub_from_spki(&key, root->spki) == PL_OK && key.type == coll->root_key.type &&
           memcmp(key.raw, coll->root_key.raw, sizeof(key.raw)) == 0;
}

/* The root of a chain: its key is a trusted one; its bytes are checked with that key too. */
static pl_err root_of(struct pl_crypto *c, const struct pl_roots *roots, const struct pl_cert *cert,
                      const struct pl_root **out)
{
    *out = pl_root_find(roots, PL_TEE_SGX, cert->spki);
    PL_REQUIRE(*out, UNTRUSTED_ROOT);
    PL_REQUIRE(pl_span_eq(cert->issuer, cert->subject), UNTRUSTED_ROOT);
    PL_TRY(pl_cert_may_issue(cert, 0));
    return pl_cert_signed_by(c, cert, (*out)->spki);
}

/* [signer, root] of a document; *out_root the trusted root, *out_key the signer's key. */
static pl_err signing_chain(struct pl_crypto *c, const struct pl_roots *roots,
                            const struct document *d, struct pl_cert cert[static 2],
                            const struct pl_root **out_root)
{
    PL_TRY(pl_cert_is_leaf(&cert[0]));
    pl_err e = root_of(c, roots, &cert[1], out_root);
    if (pl_err_code(e) == PL_E_SIGNATURE)
        return d->chain_sig;
    PL_TRY(e);
    if (!pl_sgx_name_is((*out_root)->trust, cert[0].subject, "SGX TCB Signing") ||
        !pl_span_eq(cert[0].issuer, cert[1].subject))
        return d->signer;
    return pl_cert_signed_by(c, &cert[0], (*out_root)->spki) == PL_OK ? PL_OK : d->chain_sig;
}

static pl_err root_crl(struct pl_crypto *c, struct pl_crl *out, struct pl_span der,
                       const struct pl_root *root, const struct pl_cert *root_cert)
{
    PL_TRY(pl_crl_parse(out, der));
    PL_REQUIRE(pl_span_eq(out->issuer, root_cert->subject), ROOT_CRL_ISSUER);
    PL_REQUIRE(pl_crl_signed_by(c, out, root->spki) == PL_OK, ROOT_CRL_SIG);
    return PL_OK;
}

/* One document: its chain under the root, its signer not revoked, its signature over the bytes
 * received. *out_inner are those bytes. */
static pl_err document(struct pl_crypto *c, const struct pl_roots *roots,
                       struct pl_collateral *coll, const struct document *d,
                       struct pl_span *out_inner, struct pl_period *out_chain)
{
    struct pl_cert cert[2];
    uint8_t der[2][PL_CERT_MAX], sig[PL_P256_SIG_BYTES];
    const struct pl_root *root = NULL;
    struct pl_pub key, root_key;
    struct pl_crl crl;
    PL_TRY(pl_chain_parse(cert, der, 2, d->chain, d->length));
    PL_TRY(signing_chain(c, roots, d, cert, &root));
    PL_REQUIRE(p256(&cert[0], &key) && p256(&cert[1], &root_key), X509_KEY);
    bool first = coll->root_key.type == PL_PUB_NONE;
    PL_REQUIRE(first || pl_root_is(coll, root), COLLATERAL_ROOTS);
    coll->root_key = root_key; /* of the certificate whose key is the trusted one */
    PL_TRY(root_crl(c, &crl, coll->root_crl_der, root, &cert[1]));
    coll->root_crl = crl.valid;
    coll->numbers.root_crl = crl.number;
    if (pl_crl_lists(&crl, cert[0].serial))
        return d->revoked;
    if (pl_signed_json(d->json, d->name, out_inner, sig) != PL_OK)
        return d->format;
    if (pl_pub_verify(c, &key, *out_inner, sig) != PL_OK)
        return d->sig;
    *out_chain = pl_period_both(cert[0].valid, cert[1].valid);
    return PL_OK;
}

/* Parsed only: its issuer's key is in the chain of the quote (sgx_chain.c verifies it). */
static pl_err pck_crl(struct pl_collateral *out)
{
    struct pl_crl crl;
    PL_TRY(pl_crl_parse(&crl, out->pck_crl_der));
    out->pck_crl = crl.valid;
    out->platform_ca = pl_sgx_name_is(out->trust, crl.issuer, "SGX PCK Platform CA");
    if (out->platform_ca)
        out->numbers.platform_crl = crl.number;
    else if (pl_sgx_name_is(out->trust, crl.issuer, "SGX PCK Processor CA"))
        out->numbers.processor_crl = crl.number;
    else
        return PL_FAIL(PCK_CRL_ISSUER);
    return PL_OK;
}

/* Lengths first, so that no two inputs run into each other. */
static pl_err digest(struct pl_crypto *c, uint8_t out[static PL_SHA256_BYTES],
                     const struct pl_collateral_in *in)
{
    const struct pl_span part[] = {in->tcb_info,          in->tcb_info_chain, in->qe_identity,
                                   in->qe_identity_chain, in->pck_crl,        in->root_crl};
    enum { N = sizeof(part) / sizeof(*part) };
    struct pl_span all[N + 1];
    uint8_t lengths[N * 8];
    struct pl_wr w = pl_wr_fixed(lengths, sizeof(lengths));
    for (size_t i = 0; i < N; i++) {
        pl_wr_be64(&w, part[i].n);
        all[i + 1] = part[i];
    }
    all[0] = pl_wr_span(&w);
    return pl_sha256(c, out, all, N + 1);
}

pl_err pl_sgx_collateral(struct pl_crypto *c, const struct pl_roots *roots,
                         struct pl_collateral *out, const struct pl_collateral_in *in)
{
#define DOCUMENT(NAME)                                                                             \
    PL_FAIL(NAME##_CHAIN_LEN), PL_FAIL(NAME##_SIGNER), PL_FAIL(NAME##_CHAIN_SIG),                  \
        PL_FAIL(NAME##_SIGNER_REVOKED), PL_FAIL(NAME##_FORMAT), PL_FAIL(NAME##_SIG)
    const struct document tcb = {"tcbInfo", in->tcb_info, in->tcb_info_chain, DOCUMENT(TCB_INFO)};
    const struct document qe = {"enclaveIdentity", in->qe_identity, in->qe_identity_chain,
                                DOCUMENT(QE_IDENTITY)};
#undef DOCUMENT
    struct pl_span inner;
    PL_REQUIRE(in->tcb_info.n && in->tcb_info_chain.n && in->qe_identity.n &&
                   in->qe_identity_chain.n && in->pck_crl.n && in->root_crl.n,
               COLLATERAL_MISSING);
    out->tee = PL_TEE_SGX;
    out->root_crl_der = in->root_crl;
    out->pck_crl_der = in->pck_crl;
    PL_TRY(document(c, roots, out, &tcb, &inner, &out->tcb_info_chain));
    PL_TRY(pl_tcb_info_parse(out, inner));
    PL_TRY(document(c, roots, out, &qe, &inner, &out->qe_identity_chain));
    PL_TRY(pl_qe_identity_parse(out, inner));
    uint8_t spki[PL_SPKI_MAX];
    size_t n = pl_pub_to_spki(spki, &out->root_key);
    PL_TRY(pl_sha256_one(c, out->root_spki_sha256, pl_span(spki, n)));
    const struct pl_root *root = pl_root_find(roots, PL_TEE_SGX, pl_span(spki, n));
    PL_REQUIRE(root, UNTRUSTED_ROOT);
    out->trust = root->trust;
    memcpy(out->root_label, root->label, sizeof(out->root_label));
    PL_TRY(pck_crl(out));
    return digest(c, out->id, in);
}
