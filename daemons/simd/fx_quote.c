/* Quote version 3 (Intel DCAP): header, report, signatures, certification data of type 5. */
#include "daemons/simd/fixture.h"

#include <string.h>

static void report(struct pl_wr *w, const struct pl_fx_report *r)
{
    pl_wr_bytes(w, PL_ARR(r->cpu_svn));
    pl_wr_bytes(w, PL_ARR(r->misc));
    pl_wr_zeros(w, 12 + 16); /* reserved, ISVEXTPRODID */
    pl_wr_bytes(w, PL_ARR(r->attributes));
    pl_wr_bytes(w, PL_ARR(r->mrenclave));
    pl_wr_zeros(w, 32);
    pl_wr_bytes(w, PL_ARR(r->mrsigner));
    pl_wr_u8(w, r->reserved_set);
    pl_wr_zeros(w, 31 + 64); /* reserved, CONFIGID */
    pl_wr_le16(w, r->prod_id);
    pl_wr_le16(w, r->svn);
    pl_wr_zeros(w, 2 + 42 + 16); /* CONFIGSVN, reserved, ISVFAMILYID */
    pl_wr_bytes(w, PL_ARR(r->report_data));
}

static void header(struct pl_wr *w, const struct pl_fx_world *f)
{
    const struct pl_fx_quote *q = &f->quote;
    pl_wr_le16(w, q->version);
    pl_wr_le16(w, q->ak_type);
    pl_wr_le32(w, q->tee_type);
    pl_wr_le16(w, f->qe_report.svn);
    pl_wr_le16(w, f->platform.pce_svn);
    pl_wr_bytes(w, PL_ARR(q->vendor));
    pl_wr_bytes(w, PL_ARR(f->platform.ppid)); /* the QE's own platform id: informative */
    pl_wr_zeros(w, 4);
}

static pl_err sign(struct pl_fx_world *w, struct pl_wr *out, struct pl_span over,
                   const struct pl_fx_key *k)
{
    uint8_t digest[PL_SHA256_BYTES], sig[PL_P256_SIG_BYTES];
    PL_TRY(pl_sha256_one(w->c, digest, over));
    PL_TRY(pl_p256_sign(w->c, sig, k->priv, digest));
    pl_wr_bytes(out, PL_ARR(sig));
    return PL_OK;
}

/* The quoting enclave's report vouches for the key: SHA-256(key || auth) || 0^32. */
static pl_err qe_part(struct pl_fx_world *w, struct pl_wr *out, struct pl_span ak)
{
    const struct pl_fx_quote *q = &w->quote;
    struct pl_fx_report r = w->qe_report;
    const struct pl_span parts[] = {ak, pl_span(q->auth, q->auth_n)};
    uint8_t body[384];
    struct pl_wr b = pl_wr_fixed(body, sizeof(body));
    PL_TRY(pl_sha256(w->c, r.report_data, parts, 2));
    r.report_data[0] ^= q->ak_unbound;
    r.report_data[63] ^= q->qe_tail_set;
    report(&b, &r);
    PL_TRY(pl_wr_end(&b));
    pl_wr_bytes(out, PL_ARR(body));
    PL_TRY(sign(w, out, PL_ARR(body), q->qe_signer));
    pl_wr_le16(out, (uint16_t)q->auth_n);
    pl_wr_bytes(out, pl_span(q->auth, q->auth_n));
    return PL_OK;
}

pl_err pl_fx_quote(struct pl_fx_world *w, struct pl_wr *out, struct pl_span chain)
{
    const struct pl_fx_quote *q = &w->quote;
    uint8_t signed_part[48 + 384], data[PL_FX_QUOTE_MAX], ak[PL_P256_PUB_BYTES];
    struct pl_wr s = pl_wr_fixed(signed_part, sizeof(signed_part));
    struct pl_wr d = pl_wr_fixed(data, sizeof(data));
    header(&s, w);
    report(&s, &w->report);
    PL_TRY(pl_wr_end(&s));
    memcpy(ak, q->ak->pub, sizeof(ak));
    ak[63] ^= q->ak_off_curve;
    PL_TRY(sign(w, &d, PL_ARR(signed_part), q->signer));
    pl_wr_bytes(&d, PL_ARR(ak));
    PL_TRY(qe_part(w, &d, PL_ARR(ak)));
    pl_wr_le16(&d, q->cert_type);
    pl_wr_le32(&d, (uint32_t)((int64_t)chain.n + q->cert_size_delta));
    pl_wr_bytes(&d, chain);
    PL_TRY(pl_wr_end(&d));
    pl_wr_bytes(out, PL_ARR(signed_part));
    pl_wr_le32(out, (uint32_t)d.n);
    pl_wr_bytes(out, pl_wr_span(&d));
    return pl_wr_end(out);
}
