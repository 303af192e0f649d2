#include "attest/entry.h"

#include "attest/x509.h"

#include <string.h>

static const char entry_typ[] = "pleiad-entry-1";
static const char leave_typ[] = "pleiad-leave-1";

/* ---- fields ---- */

static bool is_digit(uint8_t c) { return c >= '0' && c <= '9'; }
static bool is_lower(uint8_t c) { return c >= 'a' && c <= 'z'; }
static bool is_upper(uint8_t c) { return c >= 'A' && c <= 'Z'; }
static bool is_hex(uint8_t c) { return is_digit(c) || (c >= 'a' && c <= 'f'); }

static bool all(struct pl_span s, bool (*one)(uint8_t c))
{
    for (size_t i = 0; i < s.n; i++)
        if (!one(s.p[i]))
            return false;
    return s.n > 0;
}

static bool host_char(uint8_t c)
{
    return is_digit(c) || is_lower(c) || is_upper(c) || c == '-' || c == '.';
}

static bool v6_char(uint8_t c) { return is_hex(c) || is_upper(c) || c == ':' || c == '.'; }

static bool port_ok(struct pl_span s)
{
    unsigned long v = 0;
    if (s.n > 5 || !all(s, is_digit) || s.p[0] == '0')
        return false;
    for (size_t i = 0; i < s.n; i++)
        v = v * 10 + (unsigned long)(s.p[i] - '0');
    return v <= 65535;
}

bool pl_endpoint_ok(struct pl_span text)
{
    size_t colon = text.n;
    while (colon > 0 && text.p[colon - 1] != ':')
        colon--;
    if (colon < 2 || !port_ok(pl_span(text.p + colon, text.n - colon)))
        return false;
    struct pl_span host = pl_span(text.p, colon - 1);
    if (host.p[0] != '[')
        return all(host, host_char);
    return host.n > 2 && host.p[host.n - 1] == ']' && all(pl_span(host.p + 1, host.n - 2), v6_char);
}

static bool name_char(uint8_t c)
{
    return is_digit(c) || is_lower(c) || c == '-' || c == '.' || c == '_';
}

/* What stands in a query without being escaped, so that a label is searched for as it is read. */
static bool value_char(uint8_t c) { return c > ' ' && c < 0x7f && strchr("\"\\&%+#", c) == NULL; }

bool pl_label_ok(struct pl_span text)
{
    size_t eq = 0;
    while (eq < text.n && text.p[eq] != '=')
        eq++;
    return eq + 1 < text.n && all(pl_span(text.p, eq), name_char) &&
           all(pl_span(text.p + eq + 1, text.n - eq - 1), value_char);
}

static pl_err check_list(const struct pl_spans *list, bool (*ok)(struct pl_span))
{
    for (size_t i = 0; i < list->n; i++)
        PL_REQUIRE(ok(list->v[i]), ENTRY_VALUE);
    return PL_OK;
}

static pl_err check_fields(const struct pl_api_vault_entry *m)
{
    PL_REQUIRE(m->not_before >= 0 && m->not_after > m->not_before, ENTRY_VALUE);
    PL_REQUIRE(m->not_after - m->not_before <= PL_VAULT_ENTRY_LIFE_MAX_S, ENTRY_VALUE);
    PL_REQUIRE(m->endpoints.n > 0, ENTRY_VALUE);
    PL_REQUIRE(all(pl_span_str(m->measurement), is_hex), ENTRY_VALUE);
    PL_TRY(check_list(&m->endpoints, pl_endpoint_ok));
    return check_list(&m->labels, pl_label_ok);
}

/* ---- reading ---- */

static bool same_key(const struct pl_pub *a, const struct pl_pub *b)
{
    uint8_t x[PL_SPKI_MAX], y[PL_SPKI_MAX];
    return pl_span_eq(pl_span(x, pl_pub_to_spki(x, a)), pl_span(y, pl_pub_to_spki(y, b)));
}

/* The vault's attestation key vouches for the certificate, as it does on a channel. */
static pl_err check_leaf(struct pl_crypto *c, const struct pl_vault_entry *e)
{
    struct pl_span proof;
    struct pl_vault_self self;
    PL_REQUIRE(e->cert.has_pleiad, ENTRY_CLAIMS);
    struct pl_leaf leaf = {.epoch = e->cert.pleiad.epoch,
                           .not_after_s = e->cert.pleiad.not_after_s};
    memcpy(leaf.spki_sha256, e->cert.spki_sha256, sizeof(leaf.spki_sha256));
    PL_TRY(pl_ratls_extension_value(&e->cert, pl_leaf_oid(), &proof));
    return pl_leaf_proof_read(c, &self, e->said.vault_id, proof, &leaf);
}

static pl_err read_entry(struct pl_crypto *c, struct pl_vault_entry *out, struct pl_span carrier,
                         struct pl_arena *scratch)
{
    struct pl_pub signer;
    struct pl_api_in in = {.scratch = scratch};
    PL_REQUIRE(carrier.n <= PL_VAULT_ENTRY_MAX, CARRIER_FORM);
    PL_TRY(pl_signed_read(c, &in.body, &signer, entry_typ, carrier));
    PL_TRY(pl_api_read_vault_entry(&out->said, &in));
    PL_TRY(check_fields(&out->said));
    PL_TRY(pl_key_list_read(c, &out->self, out->said.vault_id, out->said.key_list));
    PL_REQUIRE(same_key(&signer, &out->self.use[PL_USE_REGISTRY]), ENTRY_SIGNER);
    PL_TRY(pl_ratls_parse(c, &out->cert, out->said.certificate, PL_RATLS_CHANNEL));
    return check_leaf(c, out);
}

pl_err pl_vault_entry_read(struct pl_crypto *c, struct pl_vault_entry *out, struct pl_span carrier,
                           struct pl_arena *scratch)
{
    *out = (struct pl_vault_entry){0};
    pl_err e = read_entry(c, out, carrier, scratch);
    if (e != PL_OK)
        *out = (struct pl_vault_entry){0};
    return e;
}

/* ---- verifying ---- */

struct pl_span pl_claims_measurement(const struct pl_claims *claims)
{
    return pl_claim_get(claims, PL_CLAIM_MRENCLAVE);
}

/* The hardware signed what the entry says of vault, configuration and program. */
static pl_err check_claims(const struct pl_api_vault_entry *said, const struct pl_claims *claims)
{
    char hex[2 * 64 + 1] = "";
    struct pl_span m = pl_claims_measurement(claims);
    const struct pl_pleiad_claims *p = &claims->pleiad;
    PL_REQUIRE(m.n > 0 && m.n <= 64 && claims->has_pleiad, ENTRY_CLAIMS);
    pl_hex(hex, m);
    PL_REQUIRE(strcmp(said->measurement, hex) == 0, ENTRY_CLAIMS);
    PL_REQUIRE(strcmp(said->tee, claims->name) == 0, ENTRY_CLAIMS);
    PL_REQUIRE(memcmp(said->vault_id, p->vault_id, sizeof(p->vault_id)) == 0, ENTRY_CLAIMS);
    PL_REQUIRE(memcmp(said->config_root, p->config_root, sizeof(p->config_root)) == 0,
               ENTRY_CLAIMS);
    return PL_OK;
}

static pl_err verify(const struct pl_verifier *v, struct pl_vault_entry *out,
                     struct pl_claims *claims, struct pl_span carrier, struct pl_arena *scratch)
{
    PL_TRY(pl_vault_entry_read(v->crypto, out, carrier, scratch));
    struct pl_period said = {out->said.not_before, out->said.not_after};
    PL_HOLDS(v->now, said, ENTRY_EXPIRED);
    PL_TRY(pl_ratls_verify_signed_at(v, claims, &out->cert, out->said.not_before));
    PL_TRY(check_claims(&out->said, claims));
    struct pl_period both = {claims->earliest_s, claims->latest_s};
    both = pl_period_both(both, said);
    claims->earliest_s = both.from_s;
    claims->latest_s = both.to_s;
    return PL_OK;
}

pl_err pl_vault_entry_verify(const struct pl_verifier *v, struct pl_vault_entry *out,
                             struct pl_claims *claims, struct pl_span carrier,
                             struct pl_arena *scratch)
{
    *out = (struct pl_vault_entry){0};
    *claims = (struct pl_claims){0};
    pl_err e = verify(v, out, claims, carrier, scratch);
    if (e != PL_OK) {
        *out = (struct pl_vault_entry){0};
        *claims = (struct pl_claims){0};
    }
    return e;
}

/* ---- making ---- */

pl_err pl_vault_entry_make(struct pl_crypto *c, struct pl_wr *out,
                           const struct pl_api_vault_entry *m, const struct pl_priv *registry)
{
    struct pl_wr text PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_VAULT_ENTRY_MAX);
    PL_TRY(check_fields(m));
    PL_TRY(pl_api_write_vault_entry(&text, m));
    return pl_signed_make(c, out, registry, entry_typ, pl_wr_span(&text));
}

pl_err pl_vault_leave_make(struct pl_crypto *c, struct pl_wr *out,
                           const struct pl_api_vault_leave *m, const struct pl_priv *registry)
{
    uint8_t buf[256];
    struct pl_wr text = pl_wr_fixed(buf, sizeof(buf));
    PL_TRY(pl_api_write_vault_leave(&text, m));
    return pl_signed_make(c, out, registry, leave_typ, pl_wr_span(&text));
}

static pl_err read_leave(struct pl_crypto *c, struct pl_api_vault_leave *out,
                         const struct pl_pub *registry, struct pl_span carrier)
{
    uint8_t buf[1024];
    struct pl_pub signer;
    struct pl_arena scratch = pl_arena(buf, sizeof(buf));
    struct pl_api_in in = {.scratch = &scratch};
    PL_TRY(pl_signed_read(c, &in.body, &signer, leave_typ, carrier));
    PL_REQUIRE(same_key(&signer, registry), ENTRY_SIGNER);
    return pl_api_read_vault_leave(out, &in);
}

pl_err pl_vault_leave_read(struct pl_crypto *c, struct pl_api_vault_leave *out,
                           const struct pl_pub *registry, struct pl_span carrier)
{
    pl_err e = read_leave(c, out, registry, carrier);
    if (e != PL_OK)
        *out = (struct pl_api_vault_leave){0};
    return e;
}
