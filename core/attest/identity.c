#include "attest/identity.h"

#include <string.h>

/* ---- the key list ---- */

static const char key_list_typ[] = "pleiad-keys-1";
static const char *const use_text[PL_USES] = {"attestation", "log", "registry", "witness"};

static void put_spki(struct pl_jw *j, const char *key, const struct pl_pub *pub)
{
    uint8_t spki[PL_SPKI_MAX];
    pl_jw_key(j, key);
    pl_jw_b64u(j, pl_span(spki, pl_pub_to_spki(spki, pub)));
}

/* Members in the order of RFC 8785. */
static pl_err key_list_text(struct pl_wr *w, const struct pl_vault_self *self)
{
    struct pl_jw j = pl_jw(w);
    pl_jw_open(&j, '{');
    put_spki(&j, "attestation", &self->use[PL_USE_ATTESTATION]);
    pl_jw_key(&j, "epoch");
    pl_jw_u64(&j, 1);
    put_spki(&j, "log", &self->use[PL_USE_LOG]);
    put_spki(&j, "registry", &self->use[PL_USE_REGISTRY]);
    pl_jw_key(&j, "typ");
    pl_jw_text(&j, key_list_typ);
    pl_jw_key(&j, "vault_id");
    pl_jw_hex(&j, PL_ARR(self->vault_id));
    put_spki(&j, "witness", &self->use[PL_USE_WITNESS]);
    pl_jw_close(&j, '}');
    return pl_wr_end(w);
}

pl_err pl_key_list_make(struct pl_crypto *c, struct pl_wr *out, const struct pl_vault_self *self,
                        const struct pl_priv *identity)
{
    uint8_t buf[PL_KEY_LIST_BYTES];
    struct pl_wr text = pl_wr_fixed(buf, sizeof(buf));
    PL_TRY(key_list_text(&text, self));
    return pl_signed_make(c, out, identity, key_list_typ, pl_wr_span(&text));
}

static void read_pub(struct pl_json *j, struct pl_pub *out)
{
    uint8_t spki[PL_SPKI_MAX];
    size_t n = 0;
    if (!pl_json_b64u(j, spki, sizeof(spki), &n))
        return;
    pl_err e = pl_pub_from_spki(out, pl_span(spki, n));
    if (e != PL_OK || out->type != PL_PUB_P256)
        pl_json_refuse(j, PL_FAIL(KEY_FORMAT));
}

/* Reads what is there; that nothing else is and all is there shows when it is written again. */
static void read_list_member(struct pl_json *j, struct pl_span key, struct pl_vault_self *out)
{
    for (unsigned u = 0; u < PL_USES; u++)
        if (pl_span_is(key, use_text[u])) {
            read_pub(j, &out->use[u]);
            return;
        }
    if (pl_span_is(key, "vault_id"))
        pl_json_hex_exact(j, out->vault_id, sizeof(out->vault_id));
    else
        pl_json_skip(j);
}

static pl_err read_list(struct pl_vault_self *out, struct pl_span text)
{
    uint8_t buf[PL_KEY_LIST_BYTES];
    struct pl_wr again = pl_wr_fixed(buf, sizeof(buf));
    struct pl_json j;
    struct pl_span key;
    pl_json_init(&j, text);
    for (pl_json_object(&j); pl_json_key(&j, &key);)
        read_list_member(&j, key, out);
    PL_REQUIRE(pl_json_end(&j) == PL_OK, KEY_LIST);
    for (unsigned u = 0; u < PL_USES; u++)
        PL_REQUIRE(out->use[u].type == PL_PUB_P256, KEY_LIST);
    PL_TRY(key_list_text(&again, out));
    PL_REQUIRE(pl_span_eq(pl_wr_span(&again), text), KEY_LIST);
    return PL_OK;
}

pl_err pl_key_list_read(struct pl_crypto *c, struct pl_vault_self *out,
                        const uint8_t vault_id[static PL_SHA256_BYTES], struct pl_span carrier)
{
    struct pl_span text;
    struct pl_vault_self self = {0};
    uint8_t spki[PL_SPKI_MAX], id[PL_SHA256_BYTES];
    *out = (struct pl_vault_self){0};
    PL_TRY(pl_signed_read(c, &text, &self.identity, key_list_typ, carrier));
    PL_TRY(read_list(&self, text));
    PL_TRY(pl_sha256_one(c, id, pl_span(spki, pl_pub_to_spki(spki, &self.identity))));
    PL_REQUIRE(memcmp(id, vault_id, sizeof(id)) == 0, KEY_LIST);
    PL_REQUIRE(memcmp(self.vault_id, vault_id, sizeof(id)) == 0, KEY_LIST);
    *out = self;
    return PL_OK;
}

/* ---- the leaf proof ---- */

struct pl_span pl_leaf_oid(void)
{
    /* 2.25.<UUID 5b0c3f1e-8a4d-4c27-9e61-d0f7a2b94c18>: X.667, no registration needed. */
    static const uint8_t oid[] = {0x69, 0x81, 0xb6, 0x8c, 0x9f, 0xc7, 0xd1, 0xa4, 0xea, 0xb0,
                                  0xcf, 0x9e, 0xb0, 0xf4, 0x9e, 0xfa, 0x95, 0xe5, 0x98, 0x18};
    return PL_ARR(oid);
}

static pl_err leaf_text(struct pl_wr *w, const struct pl_leaf *leaf)
{
    pl_wr_bytes(w, pl_span("pleiad leaf 1", sizeof("pleiad leaf 1"))); /* with its NUL */
    pl_wr_bytes(w, PL_ARR(leaf->spki_sha256));
    pl_wr_be64(w, leaf->epoch);
    pl_wr_be64(w, (uint64_t)leaf->not_after_s);
    return pl_wr_end(w);
}

pl_err pl_leaf_proof_make(struct pl_crypto *c, struct pl_wr *out, struct pl_span key_list,
                          const struct pl_priv *attestation, const struct pl_leaf *leaf)
{
    uint8_t buf[128], sig[64];
    struct pl_wr text = pl_wr_fixed(buf, sizeof(buf));
    PL_TRY(leaf_text(&text, leaf));
    PL_TRY(pl_priv_sign(c, sig, attestation, pl_wr_span(&text)));
    pl_wr_vec(out, key_list);
    pl_wr_bytes(out, PL_ARR(sig));
    return pl_wr_end(out);
}

pl_err pl_leaf_proof_read(struct pl_crypto *c, struct pl_vault_self *out,
                          const uint8_t vault_id[static PL_SHA256_BYTES], struct pl_span proof,
                          const struct pl_leaf *leaf)
{
    uint8_t buf[128], sig[64];
    struct pl_vault_self self;
    struct pl_wr text = pl_wr_fixed(buf, sizeof(buf));
    struct pl_rd r = pl_rd(proof);
    *out = (struct pl_vault_self){0};
    struct pl_span list = pl_rd_vec(&r, PL_KEY_LIST_BYTES);
    pl_rd_copy(&r, sig, sizeof(sig));
    PL_REQUIRE(pl_rd_end(&r) == PL_OK, LEAF_PROOF);
    PL_TRY(pl_key_list_read(c, &self, vault_id, list));
    PL_TRY(leaf_text(&text, leaf));
    PL_REQUIRE(pl_pub_verify(c, &self.use[PL_USE_ATTESTATION], pl_wr_span(&text), sig) == PL_OK,
               LEAF_PROOF);
    *out = self;
    return PL_OK;
}
