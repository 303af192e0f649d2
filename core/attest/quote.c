/* DCAP quotes, versions 3, 4 and 5, with an SGX report as their body: bytes into parts. Lengths are
 * unsigned, so each must leave nothing over (61-attestation-formats section 1). */
#include "attest/internal.h"

#include <string.h>

enum { HEADER = 48, FIXED = 64 + 64, QE_PART = PL_REPORT_BYTES + 64 };

static const uint8_t intel_qe[16] = {0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9,
                                     0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07};

/* Anything that means to be a quote, so that its error can say what is wrong with it. */
bool pl_quote_magic(struct pl_span in)
{
    struct pl_rd r = pl_rd(in);
    unsigned version = pl_rd_le16(&r), key_type = pl_rd_le16(&r);
    if (in.n >= HEADER && memcmp(in.p + 12, intel_qe, sizeof(intel_qe)) == 0)
        return true;
    return !r.bad && version >= 1 && version <= 5 && key_type >= 1 && key_type <= 3;
}

static pl_err header(struct pl_quote *out, struct pl_rd *r)
{
    PL_REQUIRE(pl_rd_left(r) >= HEADER, QUOTE_TRUNCATED);
    out->version = pl_rd_le16(r);
    unsigned key_type = pl_rd_le16(r);
    uint32_t tee = pl_rd_le32(r);
    pl_rd_bytes(r, 4); /* SVNs of QE and PCE: hints, the PCK certificate decides */
    struct pl_span vendor = pl_rd_bytes(r, 16);
    pl_rd_bytes(r, 20); /* user data of the QE */
    PL_REQUIRE(out->version >= 3 && out->version <= 5, QUOTE_VERSION);
    PL_REQUIRE(key_type == 2, QUOTE_AK_TYPE);
    PL_REQUIRE(tee == 0, QUOTE_TEE_TYPE); /* version 3: reserved; TDX was sent elsewhere */
    PL_REQUIRE(memcmp(vendor.p, intel_qe, sizeof(intel_qe)) == 0, QUOTE_VENDOR);
    return PL_OK;
}

/* Reserved bytes of a report are zero in every CPU so far; others would mean fields that this code
 * does not know. */
static pl_err report(struct pl_span *out, struct pl_rd *r)
{
    static const struct {
        uint16_t from, n;
    } reserved[] = {{20, 12}, {96, 32}, {160, 32}, {262, 42}};
    PL_REQUIRE(pl_rd_left(r) >= PL_REPORT_BYTES, QUOTE_TRUNCATED);
    *out = pl_rd_bytes(r, PL_REPORT_BYTES);
    for (size_t i = 0; i < sizeof(reserved) / sizeof(*reserved); i++)
        PL_REQUIRE(pl_span_zero(pl_span_sub(*out, reserved[i].from, reserved[i].n)),
                   QUOTE_RESERVED);
    return PL_OK;
}

/* Type and length, then exactly that many bytes to the end of r. */
static pl_err cert_data(struct pl_rd *r, unsigned *out_type, struct pl_span *out)
{
    *out_type = pl_rd_le16(r);
    size_t n = pl_rd_le32(r);
    PL_REQUIRE(!r->bad && n == pl_rd_left(r), QUOTE_FORMAT);
    *out = pl_rd_bytes(r, n);
    return PL_OK;
}

/* QE report, its signature, authentication data, and the certificates. */
static pl_err qe_part(struct pl_quote *out, struct pl_rd *r)
{
    PL_REQUIRE(pl_rd_left(r) >= QE_PART, QUOTE_FORMAT);
    PL_TRY(report(&out->qe_report, r));
    out->qe_sig = pl_rd_bytes(r, 64);
    out->qe_auth = pl_rd_bytes(r, pl_rd_le16(r));
    return cert_data(r, &out->cert_type, &out->cert_data);
}

static pl_err signature_data(struct pl_quote *out, struct pl_rd *r)
{
    PL_REQUIRE(pl_rd_left(r) >= FIXED, QUOTE_FORMAT);
    out->sig = pl_rd_bytes(r, 64);
    out->ak = pl_rd_bytes(r, 64);
    if (out->version == 3)
        return qe_part(out, r);
    unsigned type = 0;
    struct pl_span inner;
    PL_TRY(cert_data(r, &type, &inner));
    PL_REQUIRE(type == PL_CERT_QE_REPORT, QUOTE_CERT_TYPE);
    struct pl_rd in = pl_rd(inner);
    return qe_part(out, &in);
}

pl_err pl_quote_parse(struct pl_quote *out, struct pl_span in)
{
    struct pl_rd r = pl_rd(in);
    *out = (struct pl_quote){0};
    PL_TRY(header(out, &r));
    if (out->version == 5) { /* body type 1 (SGX) and the size of its body */
        unsigned type = pl_rd_le16(&r);
        uint32_t n = pl_rd_le32(&r);
        PL_REQUIRE(!r.bad, QUOTE_TRUNCATED);
        PL_REQUIRE(type == 1 && n == PL_REPORT_BYTES, QUOTE_FORMAT);
    }
    PL_TRY(report(&out->report, &r));
    out->signed_part = pl_span(in.p, (size_t)(r.p - in.p));
    size_t n = pl_rd_le32(&r);
    PL_REQUIRE(!r.bad && n <= pl_rd_left(&r), QUOTE_TRUNCATED);
    struct pl_rd data = pl_rd(pl_rd_bytes(&r, n));
    PL_TRY(signature_data(out, &data));
    /* Kernels hand out buffers that are longer than the quote. */
    PL_REQUIRE(pl_span_zero(pl_span(r.p, pl_rd_left(&r))), QUOTE_TRAILING);
    return PL_OK;
}
