/* X.501 names and object identifiers, as far as certificates of TEE vendors use them. */
#include "attest/x509.h"

static const struct pl_span oid_cn = {(const uint8_t *)"\x55\x04\x03", 3};

/* X.690 8.19: at least one sub-identifier, none with leading zeros, the last one complete. */
bool pl_oid_ok(struct pl_span oid)
{
    bool first = true;
    for (size_t i = 0; i < oid.n; i++) {
        if (first && oid.p[i] == 0x80)
            return false;
        first = !(oid.p[i] & 0x80);
    }
    return oid.n > 0 && first;
}

/* UTF8String that is UTF-8, or PrintableString and IA5String of ASCII. */
static bool text_ok(uint8_t tag, struct pl_span s)
{
    if (tag == PL_DER_UTF8)
        return pl_utf8_ok(s);
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] & 0x80)
            return false;
    return tag == PL_DER_PRINTABLE || tag == PL_DER_IA5;
}

/* Name ::= SEQUENCE OF SET OF SEQUENCE { OID, text }. *out_cn: the common name when there is
 * exactly one, else empty. */
static bool read_name(struct pl_span name, struct pl_span *out_cn)
{
    struct pl_rd all = pl_rd(name), rdns = pl_rd(pl_der(&all, PL_DER_SEQ));
    unsigned cns = 0;
    *out_cn = pl_span(NULL, 0);
    while (pl_rd_left(&rdns) > 0) {
        struct pl_rd set = pl_rd(pl_der(&rdns, PL_DER_SET));
        if (rdns.bad || pl_rd_left(&set) == 0)
            return false;
        while (pl_rd_left(&set) > 0) {
            struct pl_rd a = pl_rd(pl_der(&set, PL_DER_SEQ));
            struct pl_span oid = pl_der(&a, PL_DER_OID);
            uint8_t tag = 0;
            struct pl_span text = pl_der_any(&a, &tag, NULL);
            if (set.bad || pl_rd_end(&a) != PL_OK || !pl_oid_ok(oid) || !text_ok(tag, text))
                return false;
            if (pl_span_eq(oid, oid_cn))
                *out_cn = cns++ == 0 ? text : pl_span(NULL, 0);
        }
    }
    return pl_rd_end(&all) == PL_OK && !rdns.bad;
}

bool pl_name_ok(struct pl_span name)
{
    struct pl_span cn;
    return read_name(name, &cn);
}

struct pl_span pl_name_cn(struct pl_span name)
{
    struct pl_span cn;
    return read_name(name, &cn) ? cn : pl_span(NULL, 0);
}
