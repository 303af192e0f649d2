/* The PCK chain of a quote: [leaf, intermediate, root] (61-attestation-formats section 1.4 and 3,
 * steps 2 and 3), and the values its SGX extension gives to the TCB comparison. */
#include "attest/internal.h"

#include <string.h>

/* Under 1.2.840.113741.1.13.1. */
static const uint8_t sgx_arc[] = {0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x01, 0x0d, 0x01};
static const struct pl_span oid_sgx = {sgx_arc, sizeof(sgx_arc)};

/* The sub-identifiers behind `arc`; 0 when the OID is not of this arc with one more byte. */
static unsigned under(struct pl_span oid, const uint8_t *arc, size_t n)
{
    return oid.n == n + 1 && memcmp(oid.p, arc, n) == 0 && oid.p[n] < 0x80 ? oid.p[n] : 0;
}

static bool octets(struct pl_rd *r, uint8_t *out, size_t n)
{
    struct pl_span s = pl_der(r, PL_DER_OCTETS);
    if (s.n != n)
        return false;
    memcpy(out, s.p, n);
    return true;
}

/* .2: SEQUENCE OF SEQUENCE { OID .2.n, value }: 16 components, PCESVN, CPUSVN, each once. */
static bool tcb_values(struct pl_rd *r, struct pl_pck *out)
{
    uint8_t arc[sizeof(sgx_arc) + 1], cpu_svn[16];
    uint32_t seen = 0;
    memcpy(arc, sgx_arc, sizeof(sgx_arc));
    arc[sizeof(sgx_arc)] = 2;
    for (struct pl_rd list = pl_rd(pl_der(r, PL_DER_SEQ)); pl_rd_left(&list) > 0;) {
        struct pl_rd item = pl_rd(pl_der(&list, PL_DER_SEQ));
        unsigned n = under(pl_der(&item, PL_DER_OID), arc, sizeof(arc));
        uint64_t v = 0;
        if (n == 0 || n > 18 || seen & 1u << n)
            return false;
        seen |= 1u << n;
        if (n == 18 ? !octets(&item, cpu_svn, sizeof(cpu_svn))
                    : (v = pl_der_u64(&item)) > (n == 17 ? UINT16_MAX : UINT8_MAX))
            return false;
        if (n == 17)
            out->pce_svn = (uint16_t)v;
        else if (n < 17)
            out->components[n - 1] = (uint8_t)v;
        if (pl_rd_end(&item) != PL_OK)
            return false;
    }
    return !r->bad && (seen & 0x3fffe) == 0x3fffe; /* .1 to .17 */
}

/* .7: dynamic platform, cached keys, SMT: each a BOOLEAN, each once. */
static bool configuration(struct pl_rd *r, struct pl_pck *out)
{
    uint8_t arc[sizeof(sgx_arc) + 1];
    bool *const to[] = {&out->dynamic_platform, &out->cached_keys, &out->smt};
    unsigned seen = 0;
    memcpy(arc, sgx_arc, sizeof(sgx_arc));
    arc[sizeof(sgx_arc)] = 7;
    for (struct pl_rd list = pl_rd(pl_der(r, PL_DER_SEQ)); pl_rd_left(&list) > 0;) {
        struct pl_rd item = pl_rd(pl_der(&list, PL_DER_SEQ));
        unsigned n = under(pl_der(&item, PL_DER_OID), arc, sizeof(arc));
        struct pl_span b = pl_der(&item, PL_DER_BOOL);
        if (n == 0 || n > 3 || seen & 1u << n || b.n != 1 || (b.p[0] != 0 && b.p[0] != 0xff) ||
            pl_rd_end(&item) != PL_OK)
            return false;
        seen |= 1u << n;
        *to[n - 1] = b.p[0] != 0;
    }
    out->has_configuration = seen == 0xe;
    return !r->bad && out->has_configuration;
}

/* One member; unknown ones are Intel's to add. */
static bool member(unsigned n, struct pl_rd *item, struct pl_pck *out)
{
    switch (n) {
    case 1:
        return octets(item, out->ppid, sizeof(out->ppid));
    case 2:
        return tcb_values(item, out);
    case 3:
        return octets(item, out->pce_id, sizeof(out->pce_id));
    case 4:
        return octets(item, out->fmspc, sizeof(out->fmspc));
    case 5: {
        struct pl_span type = pl_der(item, PL_DER_ENUM);
        return type.n == 1 && type.p[0] <= 2;
    }
    case 6:
        out->has_instance_id = true;
        return octets(item, out->instance_id, sizeof(out->instance_id));
    case 7:
        return configuration(item, out);
    default: {
        uint8_t tag;
        pl_der_any(item, &tag, NULL);
        return !item->bad;
    }
    }
}

pl_err pl_pck_extension(struct pl_pck *out, const struct pl_cert *leaf)
{
    struct pl_span value;
    uint32_t seen = 0;
    PL_REQUIRE(pl_cert_extension(leaf, oid_sgx, &value), PCK_EXTENSION);
    struct pl_rd all = pl_rd(value), list = pl_rd(pl_der(&all, PL_DER_SEQ));
    while (pl_rd_left(&list) > 0) {
        struct pl_rd item = pl_rd(pl_der(&list, PL_DER_SEQ));
        unsigned n = under(pl_der(&item, PL_DER_OID), sgx_arc, sizeof(sgx_arc));
        PL_REQUIRE(n < 32 && !(n && seen & 1u << n), PCK_EXTENSION);
        seen |= 1u << n;
        PL_REQUIRE(member(n, &item, out) && pl_rd_end(&item) == PL_OK, PCK_EXTENSION);
    }
    PL_REQUIRE(pl_rd_end(&all) == PL_OK && !list.bad && (seen & 0x3e) == 0x3e, PCK_EXTENSION);
    return PL_OK;
}

static pl_err names(enum pl_trust trust, const struct pl_cert cert[static 3], bool *out_platform)
{
    *out_platform = pl_sgx_name_is(trust, cert[1].subject, "SGX PCK Platform CA");
    PL_REQUIRE(*out_platform || pl_sgx_name_is(trust, cert[1].subject, "SGX PCK Processor CA"),
               PCK_CHAIN_NAMES);
    PL_REQUIRE(pl_sgx_name_is(trust, cert[0].subject, "SGX PCK Certificate") &&
                   pl_sgx_name_is(trust, cert[2].subject, "SGX Root CA"),
               PCK_CHAIN_NAMES);
    PL_REQUIRE(pl_span_eq(cert[0].issuer, cert[1].subject) &&
                   pl_span_eq(cert[1].issuer, cert[2].subject) &&
                   pl_span_eq(cert[2].issuer, cert[2].subject),
               PCK_CHAIN_NAMES);
    return PL_OK;
}

/* Each certificate may do what it did, and did it with the key above it; the root's own is the
 * trusted one. */
static pl_err links(const struct pl_verifier *v, const struct pl_cert cert[static 3],
                    const struct pl_root *root)
{
    for (int i = 0; i < 3; i++) {
        struct pl_pub key;
        PL_REQUIRE(cert[i].alg == PL_SIG_ECDSA_SHA256 &&
                       pl_pub_from_spki(&key, cert[i].spki) == PL_OK && key.type == PL_PUB_P256,
                   X509_KEY);
    }
    PL_TRY(pl_cert_is_leaf(&cert[0]));
    PL_TRY(pl_cert_may_issue(&cert[1], 0));
    PL_TRY(pl_cert_may_issue(&cert[2], 1));
    PL_REQUIRE(pl_cert_signed_by(v->crypto, &cert[2], root->spki) == PL_OK, PCK_CHAIN_SIG);
    PL_REQUIRE(pl_cert_signed_by(v->crypto, &cert[1], root->spki) == PL_OK, PCK_CHAIN_SIG);
    PL_REQUIRE(pl_cert_signed_by(v->crypto, &cert[0], cert[1].spki) == PL_OK, PCK_CHAIN_SIG);
    return PL_OK;
}

static pl_err not_revoked(const struct pl_verifier *v, const struct pl_cert cert[static 3],
                          const struct pl_collateral *coll)
{
    struct pl_crl root_crl, pck_crl;
    PL_TRY(pl_crl_parse(&root_crl, coll->root_crl_der)); /* its signature: pl_sgx_collateral */
    PL_REQUIRE(pl_span_eq(root_crl.issuer, cert[1].issuer), ROOT_CRL_ISSUER);
    PL_REQUIRE(!pl_crl_lists(&root_crl, cert[1].serial), INTERMEDIATE_REVOKED);
    PL_TRY(pl_crl_parse(&pck_crl, coll->pck_crl_der));
    PL_REQUIRE(pl_span_eq(pck_crl.issuer, cert[0].issuer), PCK_CRL_ISSUER);
    PL_REQUIRE(pl_crl_signed_by(v->crypto, &pck_crl, cert[1].spki) == PL_OK, PCK_CRL_SIG);
    PL_REQUIRE(!pl_crl_lists(&pck_crl, cert[0].serial), PCK_REVOKED);
    return PL_OK;
}

/* The first collateral for this platform that is current, else the first for it, else the first. */
static const struct pl_collateral *choose(const struct pl_verifier *v, const struct pl_pck *pck,
                                          const struct pl_root *root)
{
    const struct pl_collateral *fits = NULL;
    for (size_t i = 0; i < v->collateral_n; i++) {
        const struct pl_collateral *c = &v->collateral[i];
        if (memcmp(c->fmspc, pck->fmspc, sizeof(c->fmspc)) != 0 ||
            memcmp(c->pce_id, pck->pce_id, sizeof(c->pce_id)) != 0 ||
            c->platform_ca != pck->platform_ca || !pl_root_is(c, root))
            continue;
        if (pl_period_holds(v->now, pl_collateral_period(c)) == PL_TRUE)
            return c;
        fits = fits ? fits : c;
    }
    return fits ? fits : &v->collateral[0];
}

static pl_err verify(const struct pl_verifier *v, struct pl_pck *out,
                     const struct pl_collateral **out_coll, struct pl_span pem)
{
    struct pl_cert cert[3];
    uint8_t der[3][PL_CERT_MAX];
    PL_TRY(pl_chain_parse(cert, der, 3, pem, PL_FAIL(PCK_CHAIN_LEN)));
    const struct pl_root *root = pl_root_find(v->roots, PL_TEE_SGX, cert[2].spki);
    PL_REQUIRE(root, UNTRUSTED_ROOT);
    PL_TRY(names(root->trust, cert, &out->platform_ca));
    PL_TRY(links(v, cert, root));
    PL_TRY(pl_pub_from_spki(&out->key, cert[0].spki));
    PL_TRY(pl_pck_extension(out, &cert[0]));
    const struct pl_collateral *coll = choose(v, out, root);
    PL_REQUIRE(pl_root_is(coll, root), COLLATERAL_ROOTS);
    PL_TRY(not_revoked(v, cert, coll));
    out->chain = pl_period_both(cert[0].valid, pl_period_both(cert[1].valid, cert[2].valid));
    *out_coll = coll;
    return PL_OK;
}

/* A verdict on these bytes under a collateral that the caller still trusts. */
static bool cached(const struct pl_verifier *v, const uint8_t chain[static PL_SHA256_BYTES],
                   struct pl_pck *out, const struct pl_collateral **out_coll)
{
    for (size_t i = 0; i < v->collateral_n; i++)
        for (size_t s = 0; s < PL_CHAIN_CACHE_SLOTS; s++) {
            const struct pl_chain_slot *slot = &v->cache->slot[s];
            if (!slot->used || memcmp(slot->chain, chain, PL_SHA256_BYTES) != 0 ||
                memcmp(slot->collateral, v->collateral[i].id, PL_SHA256_BYTES) != 0)
                continue;
            *out = slot->pck;
            *out_coll = &v->collateral[i];
            return true;
        }
    return false;
}

pl_err pl_pck_verify(const struct pl_verifier *v, struct pl_pck *out,
                     const struct pl_collateral **out_coll, struct pl_span pem)
{
    uint8_t chain[PL_SHA256_BYTES];
    *out = (struct pl_pck){0};
    PL_REQUIRE(v->collateral_n > 0, COLLATERAL_MISSING);
    PL_REQUIRE(pem.n <= PL_PCK_CHAIN_MAX, X509_SIZE);
    if (!v->cache)
        return verify(v, out, out_coll, pem);
    PL_TRY(pl_sha256_one(v->crypto, chain, pem));
    if (cached(v, chain, out, out_coll))
        return PL_OK;
    PL_TRY(verify(v, out, out_coll, pem));
    struct pl_chain_slot *slot = &v->cache->slot[v->cache->next];
    v->cache->next = (v->cache->next + 1) % PL_CHAIN_CACHE_SLOTS;
    slot->used = true;
    slot->pck = *out;
    memcpy(slot->chain, chain, sizeof(chain));
    memcpy(slot->collateral, (*out_coll)->id, sizeof((*out_coll)->id));
    return PL_OK;
}
