/* What attestation does without a platform's chain: names, roots, profiles, CBOR, certificates that
 * carry evidence, session bindings, certificates against OpenSSL's reader. */
#include "base/cbor.h"
#include "attest/ratls.h"
#include "attest/session.h"
#include "attest/x509.h"
#include "tests/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct pl_crypto *crypto(void)
{
    static struct pl_crypto *c;
    if (!c && pl_crypto_new(&c) != PL_OK)
        abort();
    return c;
}

static struct pl_priv a_key(uint64_t seed)
{
    uint8_t entropy[PL_P256_SEED_BYTES], pub[PL_P256_PUB_BYTES];
    struct pl_priv k = {.type = PL_PUB_P256};
    test_fill(entropy, sizeof(entropy), seed);
    CHECK_OK(pl_p256_make(crypto(), k.raw, pub, entropy));
    return k;
}

/* ---- Names and roots ---- */

TEST(names_are_the_vendors)
{
    CHECK(strcmp(pl_tee_text(PL_TEE_SGX), "sgx") == 0);
    CHECK(strcmp(pl_tee_text(PL_TEE_NONE), "none") == 0);
    CHECK(pl_tee_supported(PL_TEE_SGX) && !pl_tee_supported(PL_TEE_TDX));
    for (unsigned i = PL_TCB_NONE + 1; i < PL_TCB_COUNT; i++)
        CHECK(pl_tcb_parse(pl_span_str(pl_tcb_text((enum pl_tcb)i))) == (enum pl_tcb)i);
    CHECK(pl_tcb_parse(PL_LIT("uptodate")) == PL_TCB_NONE);
    CHECK(pl_tcb_parse(PL_LIT("none")) == PL_TCB_NONE);
    CHECK(!pl_tcb_nameable(PL_TCB_REVOKED) && pl_tcb_nameable(PL_TCB_OUT_OF_DATE));
}

TEST(only_compiled_in_keys_are_vendor_roots)
{
    struct pl_roots r = {0};
    const struct pl_root *intel = &pl_roots_builtin()->root[0];
    struct pl_pub pub;
    uint8_t spki[PL_SPKI_MAX], other[PL_SPKI_MAX];
    struct pl_priv k = a_key(1), k2 = a_key(2);
    NEED(CHECK_OK(pl_priv_public(crypto(), &pub, &k)));
    size_t n = pl_pub_to_spki(spki, &pub);
    NEED(CHECK_OK(pl_priv_public(crypto(), &pub, &k2)));
    pl_pub_to_spki(other, &pub);
    CHECK_ERR(pl_roots_add(&r, PL_TEE_SGX, PL_TRUST_VENDOR, "x", pl_span(spki, n)),
              ROOT_NOT_VENDOR);
    CHECK_ERR(pl_roots_add(&r, PL_TEE_TDX, PL_TRUST_DEV, "x", pl_span(spki, n)), TEE_UNSUPPORTED);
    CHECK_ERR(pl_roots_add(&r, PL_TEE_SGX, PL_TRUST_DEV, "", pl_span(spki, n)), ROOT_LABEL);
    CHECK_ERR(pl_roots_add(&r, PL_TEE_SGX, PL_TRUST_DEV, "A b", pl_span(spki, n)), ROOT_LABEL);
    CHECK_OK(pl_roots_add(&r, PL_TEE_SGX, PL_TRUST_DEV, "dev", pl_span(spki, n)));
    CHECK_ERR(pl_roots_add(&r, PL_TEE_SGX, PL_TRUST_DEV, "dev", pl_span(other, n)), ROOT_LABEL);
    CHECK_OK(pl_roots_add(&r, PL_TEE_SGX, PL_TRUST_CUSTOM, "again", pl_span(spki, n)));
    CHECK(r.n == 1 && r.root[0].trust == PL_TRUST_DEV);
    CHECK_OK(pl_roots_add(&r, PL_TEE_SGX, PL_TRUST_CUSTOM, "intel", intel->spki));
    CHECK(r.n == 2 && r.root[1].trust == PL_TRUST_VENDOR);
}

/* ---- Profiles ---- */

static struct pl_claims good_claims(void)
{
    struct pl_claims c = {.tee = PL_TEE_SGX,
                          .trust = PL_TRUST_VENDOR,
                          .name = "sgx",
                          .svn = 5,
                          .memory = PL_MEMORY_ENCRYPTED,
                          .platform_id_n = 16,
                          .tcb = {.status = PL_TCB_UP_TO_DATE},
                          .collateral = {.issued_s = 1000, .next_update_s = 2000},
                          .earliest_s = 1000,
                          .latest_s = 2000,
                          .has_pleiad = true};
    test_fill(c.sgx.mrenclave, 32, 1);
    test_fill(c.sgx.mrsigner, 32, 2);
    test_fill(c.pleiad.config_root, 32, 3);
    test_fill(c.platform_id, 16, 4);
    test_fill(c.sgx.config_id, 64, 5);
    test_fill(c.root_spki_sha256, 32, 6);
    c.sgx.isv_prod_id = 7;
    return c;
}

static struct pl_profile good_profile(void)
{
    struct pl_profile p;
    pl_profile_init(&p);
    memcpy(p.tee, "sgx", 4);
    p.mrenclaves = 1;
    test_fill(p.mrenclave[0], 32, 1);
    p.any_platform = true;
    p.min_svn = 5;
    return p;
}

static const struct pl_interval noon = {1500, 1500};

#define MATCH(change, want)                                                                        \
    do {                                                                                           \
        struct pl_claims c = good_claims();                                                        \
        struct pl_profile p = good_profile();                                                      \
        change;                                                                                    \
        CHECK_ERR(pl_profile_match(&c, &p, noon), want);                                           \
    } while (0)

TEST(a_profile_gives_each_reason)
{
    MATCH((void)0, OK);
    MATCH(c = (struct pl_claims){0}, PROFILE_TEE);
    MATCH(memcpy(c.name, "sim-sgx", 8), PROFILE_TEE);
    MATCH(c.trust = PL_TRUST_NONE, PROFILE_TEE);
    MATCH(p.roots = 1, PROFILE_ROOT);
    MATCH((p.roots = 1, test_fill(p.root_spki_sha256[0], 32, 6)), OK);
    MATCH(p.mrenclaves = 0, PROFILE_MEASUREMENT);
    MATCH(c.sgx.mrenclave[31] ^= 1, PROFILE_MEASUREMENT);
    MATCH(p.min_svn = 6, PROFILE_SVN);
    MATCH(c.debug = true, PROFILE_DEBUG);
    MATCH((c.debug = true, p.debug = true), OK);
    MATCH(c.tcb.status = PL_TCB_OUT_OF_DATE, PROFILE_TCB);
    MATCH((c.tcb.status = PL_TCB_OUT_OF_DATE, p.tcb |= PL_TCB_BIT(PL_TCB_OUT_OF_DATE)), OK);
    MATCH((c.tcb.status = PL_TCB_REVOKED, p.tcb = ~0u), PROFILE_REVOKED);
    MATCH((c.tcb.status = PL_TCB_NONE, p.tcb = ~0u), PROFILE_TCB);
    MATCH(p.tcb = 0, PROFILE_TCB);
    MATCH(p.any_platform = false, PROFILE_PLATFORM);
    MATCH(c.memory = PL_MEMORY_NONE, PROFILE_MEMORY);
    MATCH(c.memory = PL_MEMORY_HOST_READABLE, PROFILE_MEMORY);
    MATCH((c.memory = PL_MEMORY_HOST_READABLE, p.host_readable = true), OK);
    MATCH(c.collateral.stale = true, PROFILE_COLLATERAL);
    MATCH((c.collateral.stale = true, p.collateral_max_age_s = 500), OK);
    MATCH(p.collateral_max_age_s = 499, PROFILE_COLLATERAL);
    MATCH(p.config_roots = 1, PROFILE_CONFIG_ROOT);
    MATCH((p.config_roots = 1, test_fill(p.config_root[0], 32, 3)), OK);
    MATCH((p.config_roots = 1, test_fill(p.config_root[0], 32, 3), c.has_pleiad = false),
          PROFILE_CONFIG_ROOT);
}

TEST(claims_do_not_outlive_what_holds_them_up)
{
    struct pl_claims c = good_claims();
    struct pl_profile p = good_profile();
    CHECK_OK(pl_profile_match(&c, &p, (struct pl_interval){1000, 2000}));
    CHECK_ERR(pl_profile_match(&c, &p, (struct pl_interval){999, 2000}), EVIDENCE_TIME);
    CHECK_ERR(pl_profile_match(&c, &p, (struct pl_interval){1000, 2001}), EVIDENCE_TIME);
    CHECK_ERR(pl_profile_match(&c, &p, (struct pl_interval){2001, 2001}), PROFILE_COLLATERAL);
    CHECK_ERR(pl_profile_match(&c, &p, (struct pl_interval){999, 999}), PROFILE_COLLATERAL);
    CHECK_ERR(pl_profile_match(&c, &p, PL_TIME_UNKNOWN), EVIDENCE_TIME);
}

TEST(a_profile_matches_signers_platforms_and_claims)
{
    MATCH((p.mrenclaves = 0, p.signers = 1, test_fill(p.signer[0].mrsigner, 32, 2),
           p.signer[0].isv_prod_id = 7),
          OK);
    MATCH((p.mrenclaves = 0, p.signers = 1, test_fill(p.signer[0].mrsigner, 32, 2)),
          PROFILE_MEASUREMENT);
    MATCH((p.any_platform = false, p.platforms = 1, p.platform[0].n = 16,
           test_fill(p.platform[0].id, 16, 4)),
          OK);
    MATCH((p.any_platform = false, p.platforms = 1, p.platform[0].n = 15,
           test_fill(p.platform[0].id, 15, 4)),
          PROFILE_PLATFORM);
    MATCH((p.any_platform = false, p.platforms = 1, c.platform_id_n = 0), PROFILE_PLATFORM);
    MATCH((p.claims = 1, p.claim[0].claim = PL_CLAIM_CONFIG_ID, test_fill(p.claim[0].want, 64, 5)),
          OK);
    MATCH((p.claims = 1, p.claim[0].claim = PL_CLAIM_CONFIG_ID), PROFILE_CLAIM);
    MATCH(p.claims = 1, PROFILE_CLAIM);
    MATCH(p.claims = PL_PROFILE_CLAIMS_MAX + 1, PROFILE_CLAIM);
    for (unsigned i = PL_CLAIM_NONE + 1; i < PL_CLAIM_COUNT; i++) {
        struct pl_claims c = good_claims();
        enum pl_claim claim = (enum pl_claim)i;
        CHECK(pl_claim_parse(pl_span_str(pl_claim_text(claim))) == claim);
        CHECK(pl_claim_get(&c, claim).n == pl_claim_bytes(claim) && pl_claim_bytes(claim) <= 64);
        c.tee = PL_TEE_NONE;
        CHECK(pl_claim_get(&c, claim).n == 0);
    }
}

TEST(unknown_time_refuses_an_age)
{
    struct pl_claims c = good_claims();
    struct pl_profile p = good_profile();
    p.collateral_max_age_s = 1000;
    CHECK_OK(pl_profile_match(&c, &p, noon));
    CHECK_ERR(pl_profile_match(&c, &p, PL_TIME_UNKNOWN), PROFILE_COLLATERAL);
    CHECK_ERR(pl_profile_match(&c, &p, (struct pl_interval){1500, 2001}), PROFILE_COLLATERAL);
}

TEST(an_empty_profile_and_empty_claims_match_nothing)
{
    struct pl_claims c = good_claims(), none = {0};
    struct pl_profile p = good_profile(), empty = {0};
    CHECK_ERR(pl_profile_match(&c, &empty, noon), PROFILE_TEE);
    CHECK_ERR(pl_profile_match(&none, &empty, noon), PROFILE_TEE);
    CHECK_ERR(pl_profile_match(&none, &p, noon), PROFILE_TEE);
    CHECK(!pl_claims_same_instance(&none, &none));
    CHECK(pl_claims_same_instance(&c, &c));
    struct pl_claims d = c;
    d.platform_id[3] ^= 1;
    CHECK(!pl_claims_same_instance(&c, &d));
    d = c;
    d.sgx.mrenclave[0] ^= 1;
    CHECK(!pl_claims_same_instance(&c, &d));
    d = c;
    d.debug = true;
    CHECK(!pl_claims_same_instance(&c, &d));
}

/* ---- CBOR ---- */

static bool skips(const char *hex)
{
    struct pl_rd r = pl_rd(test_hex(hex));
    pl_cbor_skip(&r);
    return pl_rd_end(&r) == PL_OK;
}

TEST(cbor_is_strict)
{
    CHECK(skips("00") && skips("1818") && skips("a16161f6") && skips("83010203") && skips("40"));
    CHECK(skips("d9ea60824101a0") && skips("3903e7"));
    CHECK(!skips("1817")); /* not the shortest head */
    CHECK(!skips("190018") && !skips("1a0000ffff") && !skips("1b00000000ffffffff"));
    CHECK(!skips("5f4101ff") && !skips("9fff") && !skips("bfff")); /* indefinite */
    CHECK(!skips("f93c00") && !skips("fb3ff0000000000000"));       /* floats */
    CHECK(!skips("f7") && !skips("f820") && !skips("1c"));
    CHECK(!skips("4201") && !skips("8201") && !skips("a101") && !skips(""));
    CHECK(!skips("9b7fffffffffffffff01") && !skips("bbffffffffffffffff01"));
    CHECK(skips("8181818181818101") && !skips("818181818181818101"));
}

TEST(cbor_maps_have_each_key_once)
{
    struct pl_rd r = pl_rd(test_hex("a26161016162416b")), v;
    CHECK(pl_cbor_map_find(&r, "b", &v) && pl_rd_end(&r) == PL_OK);
    CHECK(pl_span_is(pl_cbor_bytes(&v), "k") && pl_rd_end(&v) == PL_OK);
    r = pl_rd(test_hex("a26161016162416b"));
    CHECK(!pl_cbor_map_find(&r, "c", &v) && !r.bad);
    r = pl_rd(test_hex("a2616101616102"));
    CHECK(!pl_cbor_map_find(&r, "a", &v) && r.bad);
    r = pl_rd(test_hex("a10102"));
    CHECK(!pl_cbor_map_find(&r, "a", &v) && r.bad);
}

/* ---- Certificates that carry evidence ---- */

static const struct pl_pleiad_claims entry = {.config_root = {1, 2, 3},
                                              .vault_id = {4, 5},
                                              .epoch = UINT64_MAX,
                                              .not_before_s = 1000,
                                              .not_after_s = 2000};

/* The shape of a quote and its report data; nothing in it is signed. */
static struct pl_span a_quote(const uint8_t data[static PL_REPORT_DATA_BYTES])
{
    static uint8_t q[48 + 384 + 4 + 128 + 384 + 64 + 2 + 6 + 1];
    static const uint8_t intel[16] = {0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9,
                                      0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07};
    struct pl_wr w = pl_wr_fixed(q, sizeof(q));
    pl_wr_le16(&w, 3);
    pl_wr_le16(&w, 2);
    pl_wr_zeros(&w, 8);
    pl_wr_bytes(&w, PL_ARR(intel));
    pl_wr_zeros(&w, 20 + 320);
    pl_wr_bytes(&w, pl_span(data, PL_REPORT_DATA_BYTES));
    pl_wr_le32(&w, 128 + 384 + 64 + 2 + 6 + 1);
    pl_wr_zeros(&w, 128 + 384 + 64 + 2);
    pl_wr_le16(&w, 5);
    pl_wr_le32(&w, 1);
    pl_wr_u8(&w, '-');
    return pl_wr_span(&w);
}

struct made {
    uint8_t der[8192], claims[PL_RATLS_CLAIMS_BYTES], exts[4096], data[PL_REPORT_DATA_BYTES];
    struct pl_priv key;
    uint8_t spki_sha256[32];
    struct pl_wr d, c, e;
};

static void start(struct made *m, uint64_t seed)
{
    struct pl_pub pub;
    uint8_t spki[PL_SPKI_MAX];
    m->key = a_key(seed);
    m->d = pl_wr_fixed(m->der, sizeof(m->der));
    m->c = pl_wr_fixed(m->claims, sizeof(m->claims));
    m->e = pl_wr_fixed(m->exts, sizeof(m->exts));
    CHECK_OK(pl_priv_public(crypto(), &pub, &m->key));
    size_t n = pl_pub_to_spki(spki, &pub);
    CHECK_OK(pl_sha256_one(crypto(), m->spki_sha256, pl_span(spki, n)));
    pl_ratls_claims(&m->c, m->spki_sha256, &entry);
    CHECK_OK(pl_ratls_report_data(crypto(), m->data, pl_wr_span(&m->c)));
}

static struct pl_span finish(struct made *m)
{
    struct pl_ratls_new n = {
        .name = "test", .valid = {1000, 2000}, .extensions = pl_wr_span(&m->e)};
    CHECK_OK(pl_ratls_make(crypto(), &m->d, &m->key, &n));
    return pl_wr_span(&m->d);
}

static struct pl_span whole(struct made *m, uint64_t seed)
{
    start(m, seed);
    pl_ratls_put_evidence(&m->e, a_quote(m->data), pl_wr_span(&m->c));
    return finish(m);
}

TEST(a_made_certificate_reads_back)
{
    struct made m;
    struct pl_ratls r;
    struct pl_span der = whole(&m, 1);
    NEED(CHECK_OK(pl_ratls_parse(crypto(), &r, der, PL_RATLS_CHANNEL)));
    CHECK(r.evidences == 1 && r.evidence[0].form == PL_RATLS_TAGGED && r.has_pleiad);
    CHECK(memcmp(&r.pleiad, &entry, sizeof(entry)) == 0);
    CHECK(r.valid.from_s == 1000 && r.valid.to_s == 2000);
    CHECK_BYTES(PL_ARR(r.spki_sha256), PL_ARR(m.spki_sha256));
    CHECK_BYTES(r.evidence[0].claims, pl_wr_span(&m.c));
    CHECK_BYTES(pl_span(m.data, 32), PL_ARR(r.claims_sha256));
    CHECK_OK(pl_ratls_binding(crypto(), &r));
    CHECK(m.c.n <= PL_RATLS_CLAIMS_BYTES);
}

TEST(a_certificate_without_evidence_proves_nothing)
{
    struct made m;
    struct pl_ratls r;
    struct pl_claims c;
    struct pl_verifier v = {.crypto = crypto(), .roots = pl_roots_builtin(), .now = {1500, 1500}};
    start(&m, 1);
    NEED(CHECK_OK(pl_ratls_parse(crypto(), &r, finish(&m), PL_RATLS_CHANNEL)));
    CHECK(r.evidences == 0 && pl_span_zero(PL_ARR(r.claims_sha256)));
    CHECK_ERR(pl_ratls_binding(crypto(), &r), RATLS_NO_EVIDENCE);
    CHECK_ERR(pl_ratls_verify(&v, &c, &r), RATLS_NO_EVIDENCE);
}

static pl_err bound(struct pl_span der)
{
    struct pl_ratls r;
    PL_TRY(pl_ratls_parse(crypto(), &r, der, PL_RATLS_CHANNEL));
    return pl_ratls_binding(crypto(), &r);
}

TEST(evidence_of_another_key_is_refused)
{
    struct made a, b;
    whole(&a, 1);
    start(&b, 2); /* a's evidence, whole, under b's key */
    pl_ratls_put_evidence(&b.e, a_quote(a.data), pl_wr_span(&a.c));
    CHECK_ERR(bound(finish(&b)), RATLS_KEY);
    start(&b, 2); /* a's quote with b's claims */
    pl_ratls_put_evidence(&b.e, a_quote(a.data), pl_wr_span(&b.c));
    CHECK_ERR(bound(finish(&b)), RATLS_CLAIMS_HASH);
    start(&b, 2); /* the tail of the report data is not zero */
    b.data[63] = 1;
    pl_ratls_put_evidence(&b.e, a_quote(b.data), pl_wr_span(&b.c));
    CHECK_ERR(bound(finish(&b)), RATLS_CLAIMS_HASH);
}

TEST(evidence_inside_another_extension_is_none)
{
    static const uint8_t other[] = {0x2a, 0x03, 0x04},
                         longer[] = {0x67, 0x81, 0x05, 0x05, 0x04, 0x09, 0x01};
    static const uint8_t pck[] = {0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x01, 0x0d, 0x01};
    const struct pl_span oid[] = {PL_ARR(other), PL_ARR(longer), PL_ARR(pck)};
    for (size_t i = 0; i < 3; i++) {
        struct made m;
        uint8_t inner[2048];
        struct pl_wr w = pl_wr_fixed(inner, sizeof(inner));
        start(&m, 1);
        pl_ratls_put_evidence(&w, a_quote(m.data), pl_wr_span(&m.c));
        pl_ratls_put_extension(&m.e, oid[i], pl_wr_span(&w));
        CHECK_ERR(bound(finish(&m)), RATLS_NO_EVIDENCE);
    }
}

static void tagged(struct made *m, uint64_t tag)
{
    static const uint8_t oid[] = {0x67, 0x81, 0x05, 0x05, 0x04, 0x09};
    uint8_t v[2048];
    struct pl_wr w = pl_wr_fixed(v, sizeof(v));
    pl_cbor_put(&w, PL_CBOR_TAG, tag);
    pl_cbor_put(&w, PL_CBOR_ARRAY, 2);
    pl_cbor_put_bytes(&w, a_quote(m->data));
    pl_cbor_put_bytes(&w, pl_wr_span(&m->c));
    pl_ratls_put_extension(&m->e, PL_ARR(oid), pl_wr_span(&w));
}

TEST(other_forms_and_second_evidence_are_refused_on_the_channel)
{
    static const uint8_t legacy[] = {0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x8a, 0x39, 0x06};
    static const uint8_t cmw[] = {0x2b, 6, 1, 5, 5, 7, 1, 35};
    struct made m;
    struct pl_ratls r;
    for (uint64_t tag = 60000; tag < 60003; tag++) {
        start(&m, 1);
        tagged(&m, tag);
        if (tag == 60000)
            CHECK_OK(bound(finish(&m)));
        else
            CHECK_ERR(bound(finish(&m)), RATLS_TAG);
    }
    start(&m, 1);
    pl_ratls_put_evidence(&m.e, a_quote(m.data), pl_wr_span(&m.c));
    pl_ratls_put_evidence(&m.e, a_quote(m.data), pl_wr_span(&m.c));
    CHECK_ERR(bound(finish(&m)), X509_DUPLICATE);
    start(&m, 1);
    pl_ratls_put_evidence(&m.e, a_quote(m.data), pl_wr_span(&m.c));
    pl_ratls_put_extension(&m.e, PL_ARR(legacy), a_quote(m.data));
    CHECK_ERR(bound(finish(&m)), RATLS_FORM);
    CHECK_OK(pl_ratls_parse(crypto(), &r, pl_wr_span(&m.d), PL_RATLS_OFFLINE));
    CHECK_ERR(pl_ratls_binding(crypto(), &r), RATLS_KEY); /* both must bind, each by its rule */
    start(&m, 1);
    pl_ratls_put_extension(&m.e, PL_ARR(cmw), a_quote(m.data));
    CHECK_ERR(bound(finish(&m)), TEE_UNSUPPORTED);
}

TEST(the_certificates_own_signature_is_checked)
{
    struct made m, n;
    struct pl_ratls r;
    struct pl_span der = whole(&m, 1);
    for (size_t i = 0; i < der.n; i += 3) {
        m.der[i] ^= (uint8_t)(1u << i % 8);
        CHECK(pl_ratls_parse(crypto(), &r, der, PL_RATLS_CHANNEL) != PL_OK);
        CHECK(r.evidences == 0);
        m.der[i] ^= (uint8_t)(1u << i % 8);
    }
    for (size_t cut = 0; cut < der.n; cut++)
        CHECK(pl_ratls_parse(crypto(), &r, pl_span(der.p, cut), PL_RATLS_CHANNEL) != PL_OK);
    whole(&n, 2); /* another key's signature under this certificate */
    memcpy(m.der + m.d.n - 8, n.der + n.d.n - 8, 8);
    CHECK_ERR(pl_ratls_parse(crypto(), &r, der, PL_RATLS_CHANNEL), RATLS_SELF_SIG);
}

TEST(an_extension_of_the_callers_own_is_found_by_its_whole_oid)
{
    static const uint8_t oid[] = {0x2a, 0x03, 0x04}, near[] = {0x2a, 0x03};
    struct made m;
    struct pl_ratls r;
    struct pl_span v;
    start(&m, 1);
    pl_ratls_put_extension(&m.e, PL_ARR(oid), PL_LIT("signed"));
    NEED(CHECK_OK(pl_ratls_parse(crypto(), &r, finish(&m), PL_RATLS_CHANNEL)));
    CHECK_OK(pl_ratls_extension_value(&r, PL_ARR(oid), &v));
    CHECK(pl_span_is(v, "signed"));
    CHECK_ERR(pl_ratls_extension_value(&r, PL_ARR(near), &v), RATLS_NO_EXTENSION);
}

/* ---- Session bindings ---- */

static struct pl_session a_session(void)
{
    struct pl_session s = {.role = PL_ROLE_CALLER};
    test_fill(s.exporter, 32, 1);
    test_fill(s.own_spki, 32, 2);
    test_fill(s.peer_spki, 32, 3);
    test_fill(s.own_claims, 32, 4);
    return s;
}

TEST(every_part_of_a_session_is_in_its_binding)
{
    uint8_t want[64], got[64], direct[64];
    struct pl_session s = a_session();
    const uint8_t role = 1;
    const struct pl_span part[] = {pl_span("pleiad session 1", 17),
                                   {&role, 1},
                                   PL_ARR(s.exporter),
                                   PL_ARR(s.own_spki),
                                   PL_ARR(s.peer_spki),
                                   PL_ARR(s.own_claims)};
    NEED(CHECK_OK(pl_session_binding(crypto(), want, &s)));
    CHECK_OK(pl_sha512(crypto(), direct, part, 6));
    CHECK_BYTES(PL_ARR(want), PL_ARR(direct));
    for (unsigned i = 0; i < 5; i++) {
        s = a_session();
        uint8_t *field[] = {s.exporter, s.own_spki, s.peer_spki, s.own_claims};
        if (i < 4)
            field[i][31] ^= 1;
        else
            s.role = PL_ROLE_VAULT;
        CHECK_OK(pl_session_binding(crypto(), got, &s));
        CHECK(memcmp(got, want, 64) != 0);
    }
}

static void binding_of(uint8_t out[static 64], uint32_t i) { test_fill(out, 64, 1000 + i); }

/* RFC 6962 2.1, by recursion over leaves: another way to the same root. */
static void tree_by_recursion(uint8_t out[static 32], uint32_t from, uint32_t n)
{
    static const uint8_t zero = 0, one = 1;
    uint8_t b[64], left[32], right[32];
    if (n == 1) {
        binding_of(b, from);
        const struct pl_span p[] = {{&zero, 1}, PL_ARR(b)};
        CHECK_OK(pl_sha256(crypto(), out, p, 2));
        return;
    }
    uint32_t k = 1;
    while (k * 2 < n)
        k *= 2;
    tree_by_recursion(left, from, k);
    tree_by_recursion(right, from + k, n - k);
    const struct pl_span p[] = {{&one, 1}, PL_ARR(left), PL_ARR(right)};
    CHECK_OK(pl_sha256(crypto(), out, p, 3));
}

static void batch_of(uint32_t n)
{
    static struct pl_batch b;
    uint8_t data[64], binding[64], root[32], direct[64], got[64];
    uint32_t at = 0;
    pl_batch_init(&b);
    for (uint32_t i = 0; i < n; i++) {
        binding_of(binding, i);
        CHECK(pl_batch_add(crypto(), &b, binding, &at) == PL_OK && at == i);
    }
    NEED(CHECK_OK(pl_batch_seal(crypto(), &b, data)));
    tree_by_recursion(root, 0, n);
    const struct pl_span part[] = {pl_span("pleiad session batch 1", 23), PL_ARR(root)};
    CHECK_OK(pl_sha512(crypto(), direct, part, 2));
    CHECK_BYTES(PL_ARR(data), PL_ARR(direct));
    for (uint32_t i = 0; i<n; i += n> 40 ? 37 : 1) {
        struct pl_batch_proof p;
        pl_batch_proof(&b, i, &p);
        binding_of(binding, i);
        CHECK_OK(pl_batch_expect(crypto(), got, binding, &p));
        CHECK_BYTES(PL_ARR(got), PL_ARR(data));
        binding[0] ^= 1; /* another session's binding is in no batch */
        CHECK_OK(pl_batch_expect(crypto(), got, binding, &p));
        CHECK(memcmp(got, data, 64) != 0);
    }
}

TEST(batches_of_every_small_size_and_the_largest)
{
    for (uint32_t n = 1; n <= 33; n++)
        batch_of(n);
    batch_of(1000);
    batch_of(PL_BATCH_MAX);
}

TEST(a_path_must_fit_its_index_and_count)
{
    static struct pl_batch b;
    struct pl_batch_proof p, q;
    uint8_t data[64], binding[64], got[64];
    uint32_t at = 0;
    pl_batch_init(&b);
    CHECK_ERR(pl_batch_seal(crypto(), &b, data), SESSION_BATCH);
    for (uint32_t i = 0; i < 5; i++) {
        binding_of(binding, i);
        CHECK_OK(pl_batch_add(crypto(), &b, binding, &at));
    }
    NEED(CHECK_OK(pl_batch_seal(crypto(), &b, data)));
    CHECK_ERR(pl_batch_add(crypto(), &b, binding, &at), SESSION_BATCH);
    CHECK_ERR(pl_batch_seal(crypto(), &b, data), SESSION_BATCH);
    pl_batch_proof(&b, 1, &p);
    binding_of(binding, 1);
    for (unsigned h = 0; h <= PL_BATCH_PATH_MAX + 1; h++) {
        q = p;
        q.hashes = h;
        if (h != p.hashes)
            CHECK_ERR(pl_batch_expect(crypto(), got, binding, &q), SESSION_PATH);
    }
    q = p;
    q.count = 0;
    CHECK_ERR(pl_batch_expect(crypto(), got, binding, &q), SESSION_PATH);
    q.count = PL_BATCH_MAX + 1;
    CHECK_ERR(pl_batch_expect(crypto(), got, binding, &q), SESSION_PATH);
    q = p;
    q.index = 5;
    CHECK_ERR(pl_batch_expect(crypto(), got, binding, &q), SESSION_PATH);
    q = p;
    q.index = 0; /* another place */
    CHECK_OK(pl_batch_expect(crypto(), got, binding, &q));
    CHECK(memcmp(got, data, 64) != 0);
}

TEST_MAIN()
