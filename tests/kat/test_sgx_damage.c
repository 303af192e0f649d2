/* Evidence and collateral that were cut or changed: nothing but what is listed may pass. */
#include "tests/kat/vectors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct vector base;
static struct pl_roots roots;

static bool ready(void)
{
    return CHECK(vector_load(&base, VECTORS_OWN "/uptodate")) &&
           CHECK_OK(vector_roots(&base, &roots));
}

/* A copy that ends exactly where its memory does: a read behind it shows in sanitized builds. */
static struct pl_span copy(struct pl_span s, size_t n)
{
    uint8_t *p = malloc(n ? n : 1);
    memcpy(p, s.p, n);
    return pl_span(p, n);
}

static void drop(struct pl_span s) { free((void *)(uintptr_t)s.p); }

TEST(a_quote_cut_at_any_length_fails)
{
    struct pl_collateral coll;
    struct pl_claims claims;
    NEED(ready());
    NEED(CHECK_OK(pl_collateral_verify(vector_crypto(), &roots, &coll, &base.in)));
    struct pl_verifier v = {.crypto = vector_crypto(),
                            .roots = &roots,
                            .collateral = &coll,
                            .collateral_n = 1,
                            .now = {base.at, base.at}};
    for (size_t n = 0; n < base.quote.n; n++) {
        struct pl_span cut = copy(base.quote, n);
        if (!CHECK(pl_evidence_verify(&v, &claims, cut, pl_report_data_unchecked()) != PL_OK))
            printf("# passes at %zu of %zu bytes\n", n, base.quote.n);
        drop(cut);
    }
    CHECK_OK(pl_evidence_verify(&v, &claims, base.quote, pl_report_data_unchecked()));
}

/* White space and NULs between and behind PEM blocks are in no signature and in no field. */
static bool unsigned_byte(struct pl_span s, size_t at, uint8_t now)
{
    return memchr("\r\n \t", s.p[at], 4 + 1) && memchr("\r\n \t", now, 4 + 1);
}

TEST(a_flipped_bit_in_any_byte_of_a_quote_fails)
{
    struct pl_collateral coll;
    struct pl_claims claims;
    unsigned listed = 0;
    NEED(ready());
    NEED(CHECK_OK(pl_collateral_verify(vector_crypto(), &roots, &coll, &base.in)));
    struct pl_verifier v = {.crypto = vector_crypto(),
                            .roots = &roots,
                            .collateral = &coll,
                            .collateral_n = 1,
                            .now = {base.at, base.at}};
    struct pl_span bent = copy(base.quote, base.quote.n);
    uint8_t *p = (uint8_t *)(uintptr_t)bent.p;
    for (size_t i = 0; i < bent.n; i++) {
        uint8_t was = p[i];
        p[i] ^= (uint8_t)(1u << i % 8);
        pl_err e = pl_evidence_verify(&v, &claims, bent, pl_report_data_unchecked());
        bool passes = e == PL_OK;
        listed += passes;
        if (!CHECK(!passes || unsigned_byte(base.quote, i, p[i])))
            printf("# byte %zu: %02x as %02x passes\n", i, was, p[i]);
        p[i] = was;
    }
    printf("# %u bytes are in no signature\n", listed);
    drop(bent);
}

/* The signature's hex may be in either case. */
static bool hex_case(uint8_t was, uint8_t now)
{
    return (was ^ now) == 0x20 && strchr("abcdefABCDEF", was) && was != 0;
}

static pl_err with(struct pl_span *part, struct pl_span value)
{
    struct pl_span was = *part;
    struct pl_claims claims;
    *part = value;
    pl_err e = vector_verify(&base, &roots, base.at, &claims);
    *part = was;
    return e;
}

static void bend(struct pl_span *part, const char *name)
{
    struct pl_span bent = copy(*part, part->n);
    uint8_t *p = (uint8_t *)(uintptr_t)bent.p;
    for (size_t i = 0; i < bent.n; i++) {
        uint8_t was = p[i];
        p[i] ^= (uint8_t)(1u << i % 8);
        pl_err e = with(part, bent);
        if (!CHECK(e != PL_OK || unsigned_byte(*part, i, p[i]) || hex_case(was, p[i])))
            printf("# %s byte %zu: %02x as %02x passes\n", name, i, was, p[i]);
        p[i] = was;
    }
    drop(bent);
    for (size_t n = 0; n < part->n; n++) {
        struct pl_span cut = copy(*part, n);
        struct pl_span lost = pl_span(part->p + n, part->n - n);
        bool space = true;
        for (size_t i = 0; i < lost.n; i++)
            space &= memchr("\r\n \t", lost.p[i], 4 + 1) != NULL;
        if (!CHECK(with(part, cut) != PL_OK || space))
            printf("# %s passes at %zu of %zu bytes\n", name, n, part->n);
        drop(cut);
    }
}

TEST(collateral_bent_or_cut_anywhere_fails)
{
    NEED(ready());
    bend(&base.in.tcb_info, "TCB info");
    bend(&base.in.tcb_info_chain, "TCB info chain");
    bend(&base.in.qe_identity, "QE identity");
    bend(&base.in.pck_crl, "PCK CRL");
    bend(&base.in.root_crl, "root CRL");
}

TEST(collateral_of_another_part_fails)
{
    NEED(ready());
    CHECK_ERR(with(&base.in.tcb_info, base.in.qe_identity), TCB_INFO_FORMAT);
    CHECK_ERR(with(&base.in.qe_identity, base.in.tcb_info), QE_IDENTITY_FORMAT);
    CHECK_ERR(with(&base.in.pck_crl, base.in.root_crl), PCK_CRL_ISSUER);
    CHECK_ERR(with(&base.in.root_crl, base.in.pck_crl), ROOT_CRL_ISSUER);
    CHECK_ERR(with(&base.in.pck_crl, pl_span(NULL, 0)), COLLATERAL_MISSING);
    CHECK_ERR(with(&base.quote, pl_span(NULL, 0)), EVIDENCE_UNKNOWN);
}

/* Every way in which the time can be wrong, or not known well enough. */
TEST(time_that_does_not_decide_is_an_error_of_its_own)
{
    struct pl_collateral coll;
    struct pl_claims claims, c;
    NEED(ready());
    NEED(CHECK_OK(pl_collateral_verify(vector_crypto(), &roots, &coll, &base.in)));
    struct pl_verifier v = {.crypto = vector_crypto(),
                            .roots = &roots,
                            .collateral = &coll,
                            .collateral_n = 1,
                            .now = {base.at, base.at}};
    NEED(CHECK_OK(pl_evidence_verify(&v, &claims, base.quote, pl_report_data_unchecked())));
    v.now = PL_TIME_UNKNOWN;
    CHECK_ERR(pl_evidence_verify(&v, &c, base.quote, pl_report_data_unchecked()), EVIDENCE_TIME);
    v.now = (struct pl_interval){claims.earliest_s - 1, base.at};
    CHECK_ERR(pl_evidence_verify(&v, &c, base.quote, pl_report_data_unchecked()), EVIDENCE_TIME);
    v.now = (struct pl_interval){base.at, claims.latest_s + 1};
    CHECK_ERR(pl_evidence_verify(&v, &c, base.quote, pl_report_data_unchecked()), EVIDENCE_TIME);
    v.now = (struct pl_interval){claims.earliest_s, claims.latest_s};
    CHECK_OK(pl_evidence_verify(&v, &c, base.quote, pl_report_data_unchecked()));
}

/* The cache answers for the same bytes under the same collateral only, and never for the time. */
TEST(cached_verdicts_are_for_the_same_bytes_only)
{
    static struct pl_chain_cache cache;
    struct pl_collateral coll[2];
    struct pl_claims c;
    struct vector revoked;
    NEED(ready());
    NEED(CHECK(vector_load(&revoked, VECTORS_OWN "/pck-revoked")));
    NEED(CHECK_OK(pl_collateral_verify(vector_crypto(), &roots, &coll[0], &base.in)));
    NEED(CHECK_OK(pl_collateral_verify(vector_crypto(), &roots, &coll[1], &revoked.in)));
    CHECK(memcmp(coll[0].id, coll[1].id, sizeof(coll[0].id)) != 0);
    struct pl_verifier v = {.crypto = vector_crypto(),
                            .roots = &roots,
                            .collateral = coll,
                            .collateral_n = 1,
                            .cache = &cache,
                            .now = {base.at, base.at}};
    for (int i = 0; i < 3; i++)
        CHECK_OK(pl_evidence_verify(&v, &c, base.quote, pl_report_data_unchecked()));
    CHECK(cache.slot[0].used && !cache.slot[1].used && cache.next == 1);
    struct pl_span bent = copy(base.quote, base.quote.n);
    ((uint8_t *)(uintptr_t)bent.p)[100] ^= 1;
    CHECK(pl_evidence_verify(&v, &c, bent, pl_report_data_unchecked()) != PL_OK);
    drop(bent);
    v.now = (struct pl_interval){INT64_C(3000000000), INT64_C(3000000000)};
    CHECK(pl_evidence_verify(&v, &c, base.quote, pl_report_data_unchecked()) != PL_OK);
    v.now = (struct pl_interval){base.at, base.at};
    v.collateral = &coll[1]; /* newer collateral: the old verdict does not count */
    pl_err e = pl_evidence_verify(&v, &c, revoked.quote, pl_report_data_unchecked());
    CHECK_ERR(e, PCK_REVOKED);
    struct pl_roots none = {0};
    v.collateral = coll;
    v.roots = &none; /* a root that is trusted no more takes its verdicts with it */
    CHECK_ERR(pl_evidence_verify(&v, &c, base.quote, pl_report_data_unchecked()), UNTRUSTED_ROOT);
}

TEST(older_collateral_than_seen_is_refused)
{
    struct pl_collateral coll;
    struct pl_collateral_numbers seen = {0};
    struct pl_claims c;
    NEED(ready());
    NEED(CHECK_OK(pl_collateral_verify(vector_crypto(), &roots, &coll, &base.in)));
    pl_collateral_seen(&seen, &coll);
    struct pl_verifier v = {.crypto = vector_crypto(),
                            .roots = &roots,
                            .collateral = &coll,
                            .collateral_n = 1,
                            .now = {base.at, base.at},
                            .floor = seen};
    CHECK_OK(pl_evidence_verify(&v, &c, base.quote, pl_report_data_unchecked()));
    CHECK(seen.tcb_eval > 0 && seen.qe_eval > 0);
    for (int i = 0; i < 4; i++) {
        v.floor = seen;
        if (i == 0)
            v.floor.tcb_eval++;
        if (i == 1)
            v.floor.qe_eval++;
        if (i == 2)
            v.floor.root_crl++;
        if (i == 3) { /* whichever CA this platform has */
            v.floor.platform_crl++;
            v.floor.processor_crl++;
        }
        CHECK_ERR(pl_evidence_verify(&v, &c, base.quote, pl_report_data_unchecked()),
                  COLLATERAL_ROLLBACK);
    }
}

TEST(report_data_must_be_what_was_expected)
{
    struct pl_collateral coll;
    struct pl_claims c;
    uint8_t want[PL_REPORT_DATA_BYTES];
    NEED(ready());
    NEED(CHECK_OK(pl_collateral_verify(vector_crypto(), &roots, &coll, &base.in)));
    struct pl_verifier v = {.crypto = vector_crypto(),
                            .roots = &roots,
                            .collateral = &coll,
                            .collateral_n = 1,
                            .now = {base.at, base.at}};
    memcpy(want, base.quote.p + 48 + 320, sizeof(want));
    CHECK_OK(pl_evidence_verify(&v, &c, base.quote, pl_report_data(want)));
    for (size_t i = 0; i < sizeof(want); i++) {
        want[i] ^= 1;
        CHECK_ERR(pl_evidence_verify(&v, &c, base.quote, pl_report_data(want)), REPORT_DATA);
        want[i] ^= 1;
    }
    CHECK_ERR(pl_evidence_verify(&v, &c, base.quote, (struct pl_report_data){0}), REPORT_DATA);
    CHECK(c.tee == PL_TEE_NONE && pl_accept_default(&c) != PL_OK);
}

/* Collateral past its end: only with grace, said in the claims, and refused by default. */
TEST(stale_collateral_is_never_silent)
{
    struct pl_collateral coll;
    struct pl_claims c;
    NEED(ready());
    NEED(CHECK_OK(pl_collateral_verify(vector_crypto(), &roots, &coll, &base.in)));
    int64_t end = coll.tcb_info.to_s;
    struct pl_verifier v = {.crypto = vector_crypto(),
                            .roots = &roots,
                            .collateral = &coll,
                            .collateral_n = 1,
                            .now = {end + 10, end + 10}};
    CHECK(pl_evidence_verify(&v, &c, base.quote, pl_report_data_unchecked()) != PL_OK);
    v.grace_s = 10;
    if (pl_evidence_verify(&v, &c, base.quote, pl_report_data_unchecked()) == PL_OK) {
        CHECK(c.collateral.stale);
        CHECK_ERR(pl_accept_default(&c), PROFILE_COLLATERAL);
    } else {
        CHECK(coll.root_crl.to_s <= end); /* the root CRL has no grace */
    }
}

TEST_MAIN()
