/* Grant files and owner certificates. */
#include "client/owner_grant.h"

#include <string.h>

static const char cert_typ[] = "pleiad-owner-1";

/* ---- Keys and certificates ------------------------------------------------------------------ */

pl_err pl_owner_derive(struct pl_crypto *c, struct pl_priv *out, const struct pl_priv *root,
                       const uint8_t vault_id[static 32])
{
    static const char label[] = "pleiad owner key 1";
    uint8_t info[sizeof(label) - 1 + 32], seed[PL_P256_SEED_BYTES], pub[PL_P256_PUB_BYTES];
    *out = (struct pl_priv){.type = root->type};
    memcpy(info, label, sizeof(label) - 1);
    memcpy(info + sizeof(label) - 1, vault_id, 32);
    pl_err e = pl_hkdf(c, seed, sizeof(seed), PL_ARR(root->raw), pl_span(NULL, 0), PL_ARR(info));
    if (e == PL_OK && root->type == PL_PUB_P256)
        e = pl_p256_make(c, out->raw, pub, seed);
    else if (e == PL_OK)
        memcpy(out->raw, seed, sizeof(out->raw));
    pl_wipe(seed, sizeof(seed));
    return e;
}

pl_err pl_key_id(struct pl_crypto *c, uint8_t out[static 32],
                 const uint8_t instance_id[static PL_INSTANCE_ID_BYTES], struct pl_span name)
{
    return pl_hmac(c, out, pl_span(instance_id, PL_INSTANCE_ID_BYTES), &name, 1);
}

static pl_err spki_sha256(struct pl_crypto *c, uint8_t out[static 32], const struct pl_pub *pub)
{
    uint8_t spki[PL_SPKI_MAX];
    return pl_sha256_one(c, out, pl_span(spki, pl_pub_to_spki(spki, pub)));
}

pl_err pl_owner_cert_sign(struct pl_wr *out, struct pl_crypto *c, const struct pl_owner_cert *cert,
                          const struct pl_priv *root)
{
    struct pl_pub pub;
    uint8_t root_sha256[32], text[512];
    PL_TRY(pl_priv_public(c, &pub, root));
    PL_TRY(spki_sha256(c, root_sha256, &pub));
    struct pl_wr w = pl_wr_fixed(text, sizeof(text));
    struct pl_jw j = pl_jw(&w);
    pl_jw_open(&j, '{');
    pl_jw_key(&j, cert->is_key ? "key_id" : "instance_id");
    pl_jw_b64u(&j, PL_ARR(cert->id));
    pl_jw_key(&j, "owner");
    pl_jw_hex(&j, PL_ARR(cert->owner_sha256));
    pl_jw_key(&j, "root");
    pl_jw_hex(&j, PL_ARR(root_sha256));
    pl_jw_key(&j, "typ");
    pl_jw_text(&j, cert_typ);
    pl_jw_key(&j, "vault_id");
    pl_jw_hex(&j, PL_ARR(cert->vault_id));
    pl_jw_close(&j, '}');
    PL_TRY(pl_wr_end(&w));
    return pl_signed_make(c, out, root, cert_typ, pl_wr_span(&w));
}

enum { CERT_ID = 1, CERT_OWNER = 2, CERT_ROOT = 4, CERT_TYP = 8, CERT_VAULT = 16, CERT_ALL = 31 };

static unsigned read_cert_member(struct pl_json *j, struct pl_span key, struct pl_owner_cert *out)
{
    struct pl_span s = {0};
    if (pl_span_is(key, "instance_id") || pl_span_is(key, "key_id")) {
        out->is_key = pl_span_is(key, "key_id");
        return pl_json_b64u_exact(j, out->id, 32) ? CERT_ID : 0;
    }
    if (pl_span_is(key, "owner"))
        return pl_statement_hex(j, out->owner_sha256) ? CERT_OWNER : 0;
    if (pl_span_is(key, "root"))
        return pl_statement_hex(j, out->root_sha256) ? CERT_ROOT : 0;
    if (pl_span_is(key, "vault_id"))
        return pl_statement_hex(j, out->vault_id) ? CERT_VAULT : 0;
    if (pl_span_is(key, "typ"))
        return pl_json_plain(j, &s) && pl_span_is(s, cert_typ) ? CERT_TYP : 0;
    pl_json_refuse(j, PL_FAIL(JSON_UNKNOWN));
    return 0;
}

static pl_err verify_cert(struct pl_crypto *c, struct pl_owner_cert *out, struct pl_span text)
{
    struct pl_carrier carrier;
    PL_TRY(pl_statement_unpack(c, &carrier, text));
    struct pl_json j;
    struct pl_span key;
    unsigned has = 0;
    bool twice = false; /* instance_id beside key_id */
    pl_json_init(&j, carrier.statement);
    for (pl_json_object(&j); pl_json_key(&j, &key);) {
        unsigned one = read_cert_member(&j, key, out);
        twice = twice || (has & one) != 0;
        has |= one;
    }
    PL_TRY(pl_json_end(&j));
    PL_REQUIRE(has == CERT_ALL && !twice, STATEMENT_FIELD);
    PL_TRY(pl_statement_signed(c, &carrier, cert_typ));
    PL_REQUIRE(memcmp(carrier.signer_sha256, out->root_sha256, 32) == 0, GRANT_FILE);
    return PL_OK;
}

pl_err pl_owner_cert_verify(struct pl_crypto *c, struct pl_owner_cert *out, struct pl_span carrier)
{
    *out = (struct pl_owner_cert){0};
    pl_err e = verify_cert(c, out, carrier);
    if (e != PL_OK)
        *out = (struct pl_owner_cert){0};
    return e;
}

/* ---- The policy at one vault ---------------------------------------------------------------- */

/* Copies an object's members as they are, except those that `replace` writes. */
struct copy {
    struct pl_jw *j;
    const char *owner_name;
    const uint8_t *salt, *owner_sha256;
    bool replaced;
};

static void copy_key(struct copy *x, struct pl_span key)
{
    char text[PL_JSON_KEY_BYTES + 1];
    size_t n = key.n < PL_JSON_KEY_BYTES ? key.n : PL_JSON_KEY_BYTES;
    memcpy(text, key.p, n);
    text[n] = '\0';
    pl_jw_key(x->j, text);
}

static void copy_value(struct copy *x, struct pl_json *in)
{
    struct pl_span raw;
    if (pl_json_raw(in, &raw))
        pl_jw_raw(x->j, raw);
    else
        pl_jw_null(x->j);
}

static void copy_salt(struct copy *x, struct pl_json *in, struct pl_span key)
{
    (void)key;
    pl_json_skip(in);
    pl_jw_b64u(x->j, pl_span(x->salt, PL_SALT_BYTES));
}

static void copy_principal(struct copy *x, struct pl_json *in, struct pl_span key)
{
    if (!pl_span_is(key, "spki_sha256")) {
        copy_value(x, in);
        return;
    }
    pl_json_skip(in);
    pl_jw_hex(x->j, pl_span(x->owner_sha256, 32));
    x->replaced = true;
}

typedef void copy_member(struct copy *x, struct pl_json *in, struct pl_span key);

static void copy_object(struct copy *x, struct pl_json *in, copy_member *member)
{
    struct pl_span key;
    pl_jw_open(x->j, '{');
    for (pl_json_object(in); pl_json_key(in, &key);) {
        copy_key(x, key);
        member(x, in, key);
    }
    pl_jw_close(x->j, '}');
}

static void copy_owner(struct copy *x, struct pl_json *in, struct pl_span key)
{
    if (pl_span_is(key, x->owner_name))
        copy_object(x, in, copy_principal);
    else
        copy_value(x, in);
}

static void copy_group(struct copy *x, struct pl_json *in, struct pl_span key)
{
    if (pl_span_is(key, "owner"))
        copy_object(x, in, copy_owner);
    else
        copy_value(x, in);
}

static void copy_field(struct copy *x, struct pl_json *in, struct pl_span key)
{
    if (pl_span_is(key, "principals"))
        copy_object(x, in, copy_group);
    else if (pl_span_is(key, "salt"))
        copy_salt(x, in, key);
    else
        copy_value(x, in);
}

pl_err pl_grant_policy(struct pl_wr *out, struct pl_span template, const char *owner_name,
                       const uint8_t salt[static PL_SALT_BYTES],
                       const uint8_t owner_sha256[static 32])
{
    PL_CLEANUP(pl_wr_free) struct pl_wr w = pl_wr_heap(PL_POLICY_BYTES);
    struct pl_jw jw = pl_jw(&w);
    struct copy x = {
        .j = &jw, .owner_name = owner_name, .salt = salt, .owner_sha256 = owner_sha256};
    struct pl_json in;
    pl_json_init(&in, template);
    copy_object(&x, &in, copy_field);
    PL_TRY(pl_json_end(&in));
    PL_TRY(pl_wr_end(&w));
    PL_REQUIRE(x.replaced, POLICY_NAME);
    return pl_jcs(out, pl_wr_span(&w));
}

/* ---- Making a file -------------------------------------------------------------------------- */

static pl_err profile_digest(const struct pl_policy *p, const char *name, const uint8_t **out)
{
    for (size_t i = 0; i < pl_policy_profiles(p); i++) {
        if (strcmp(pl_policy_profile_name(p, i), name) == 0) {
            *out = pl_policy_profile_sha256(p, i);
            return PL_OK;
        }
    }
    return PL_FAIL(POLICY_NAME);
}

static void free_policy(struct pl_policy **p) { pl_policy_free(*p); }
static void wipe_priv(struct pl_priv *p) { pl_wipe(p, sizeof(*p)); }

/* The grant for one vault, signed by the owner's key there. */
static pl_err issue_statement(struct pl_wr *out, struct pl_crypto *c,
                              const struct pl_grant_order *o, const struct pl_grant_vault *v,
                              const struct pl_priv *key, struct pl_refusal *why)
{
    struct pl_pub pub;
    struct pl_act act = {.op = PL_OP_CREATE, .params = {.type = o->type}};
    struct pl_statement_draft d = {.typ = PL_TYP_GRANT,
                                   .op = PL_OP_CREATE,
                                   .params = &act.params,
                                   .targets = 1,
                                   .iat_s = o->iat_s,
                                   .exp_s = o->exp_s,
                                   .requester = o->requester,
                                   .count = o->count};
    memcpy(act.vault_id, v->vault_id, 32);
    memcpy(d.nonce, v->nonce, sizeof(d.nonce));
    memcpy(d.id, v->id, sizeof(d.id));
    PL_TRY(pl_priv_public(c, &pub, key));
    PL_TRY(spki_sha256(c, d.owner, &pub));
    PL_CLEANUP(pl_wr_free) struct pl_wr text = pl_wr_heap(PL_POLICY_BYTES);
    PL_CLEANUP(free_policy) struct pl_policy *p = NULL;
    PL_TRY(pl_grant_policy(&text, o->policy, o->owner_name, v->salt, d.owner));
    PL_TRY(pl_policy_load(&p, c, pl_wr_span(&text), why));
    if (o->profile)
        PL_TRY(profile_digest(p, o->profile, &d.profile_sha256));
    memcpy(act.params.policy_sha256, pl_policy_sha256(p), 32);
    uint8_t target[1][32];
    PL_TRY(pl_target(c, target[0], PL_TYP_GRANT, d.nonce, &act));
    d.target = (const uint8_t(*)[32])target;
    PL_CLEANUP(pl_wr_free) struct pl_wr statement = pl_wr_heap(PL_STATEMENT_BYTES);
    PL_TRY(pl_statement_build(&statement, c, &d, v->fill));
    return pl_statement_sign(out, c, pl_wr_span(&statement), key);
}

static pl_err issue_candidate(struct pl_jw *j, struct pl_crypto *c, const struct pl_grant_order *o,
                              const struct pl_grant_vault *v, const struct pl_priv *root,
                              struct pl_refusal *why)
{
    PL_CLEANUP(wipe_priv) struct pl_priv key = *root;
    if (!o->one_owner_key)
        PL_TRY(pl_owner_derive(c, &key, root, v->vault_id));
    struct pl_pub pub;
    struct pl_owner_cert cert = {.is_key = false};
    uint8_t spki[PL_SPKI_MAX];
    PL_TRY(pl_priv_public(c, &pub, &key));
    PL_TRY(spki_sha256(c, cert.owner_sha256, &pub));
    memcpy(cert.id, o->instance_id, 32);
    memcpy(cert.vault_id, v->vault_id, 32);
    PL_CLEANUP(pl_wr_free) struct pl_wr certificate = pl_wr_heap(PL_STATEMENT_BYTES);
    PL_CLEANUP(pl_wr_free) struct pl_wr grant = pl_wr_heap(PL_STATEMENT_BYTES);
    PL_TRY(pl_owner_cert_sign(&certificate, c, &cert, root));
    PL_TRY(issue_statement(&grant, c, o, v, &key, why));
    pl_jw_open(j, '{');
    pl_jw_key(j, "certificate");
    pl_jw_raw(j, pl_wr_span(&certificate));
    pl_jw_key(j, "grant");
    pl_jw_raw(j, pl_wr_span(&grant));
    pl_jw_key(j, "owner_spki");
    pl_jw_b64u(j, pl_span(spki, pl_pub_to_spki(spki, &pub)));
    pl_jw_key(j, "salt");
    pl_jw_b64u(j, PL_ARR(v->salt));
    pl_jw_key(j, "vault_id");
    pl_jw_hex(j, PL_ARR(v->vault_id));
    pl_jw_close(j, '}');
    return PL_OK;
}

pl_err pl_grant_issue(struct pl_wr *out, struct pl_crypto *c, const struct pl_grant_order *o,
                      const struct pl_priv *root, struct pl_refusal *why)
{
    struct pl_refusal ignored;
    why = why ? why : &ignored;
    *why = (struct pl_refusal){.pointer = ""};
    PL_REQUIRE(o->vaults >= 1 && o->vaults <= PL_GRANT_VAULTS, STATEMENT_FIELD);
    struct pl_pub pub;
    uint8_t root_sha256[32];
    PL_TRY(pl_priv_public(c, &pub, root));
    PL_TRY(spki_sha256(c, root_sha256, &pub));
    PL_CLEANUP(pl_wr_free) struct pl_wr w = pl_wr_heap(PL_GRANT_BYTES);
    struct pl_jw j = pl_jw(&w);
    pl_jw_open(&j, '{');
    pl_jw_key(&j, "candidates");
    pl_jw_open(&j, '[');
    for (size_t i = 0; i < o->vaults; i++)
        PL_TRY(issue_candidate(&j, c, o, &o->vault[i], root, why));
    pl_jw_close(&j, ']');
    pl_jw_key(&j, "instance_id");
    pl_jw_b64u(&j, PL_ARR(o->instance_id));
    pl_jw_key(&j, "name");
    pl_jw_text(&j, o->name);
    pl_jw_key(&j, "owner");
    pl_jw_hex(&j, PL_ARR(root_sha256));
    pl_jw_key(&j, "owner_name");
    pl_jw_text(&j, o->owner_name);
    pl_jw_key(&j, "pleiad_grant");
    pl_jw_u64(&j, 1);
    pl_jw_key(&j, "policy");
    pl_jw_raw(&j, o->policy);
    pl_jw_close(&j, '}');
    PL_TRY(pl_wr_end(&w));
    return pl_jcs(out, pl_wr_span(&w));
}

/* ---- Reading a file ------------------------------------------------------------------------- */

enum { G_CERT = 1, G_GRANT = 2, G_SPKI = 4, G_SALT = 8, G_VAULT = 16, G_ALL = 31 };

static unsigned read_candidate_member(struct pl_json *j, struct pl_span key,
                                      struct pl_grant_candidate *out)
{
    uint8_t spki[PL_SPKI_MAX];
    size_t n;
    if (pl_span_is(key, "certificate"))
        return pl_json_raw(j, &out->certificate) ? G_CERT : 0;
    if (pl_span_is(key, "grant"))
        return pl_json_raw(j, &out->grant) ? G_GRANT : 0;
    if (pl_span_is(key, "salt"))
        return pl_json_b64u_exact(j, out->salt, sizeof(out->salt)) ? G_SALT : 0;
    if (pl_span_is(key, "vault_id"))
        return pl_statement_hex(j, out->vault_id) ? G_VAULT : 0;
    if (pl_span_is(key, "owner_spki")) {
        pl_err e = pl_json_b64u(j, spki, sizeof(spki), &n)
                       ? pl_pub_from_spki(&out->owner, pl_span(spki, n))
                       : PL_OK;
        if (e != PL_OK)
            pl_json_refuse(j, e);
        return G_SPKI;
    }
    pl_json_refuse(j, PL_FAIL(JSON_UNKNOWN));
    return 0;
}

static void read_candidates(struct pl_json *j, struct pl_grant_file *out)
{
    for (pl_json_array(j); pl_json_item(j);) {
        if (out->candidates == PL_GRANT_VAULTS) {
            pl_json_refuse(j, PL_FAIL(GRANT_FILE));
            return;
        }
        struct pl_grant_candidate *one = &out->candidate[out->candidates++];
        unsigned has = 0;
        struct pl_span key;
        for (pl_json_object(j); pl_json_key(j, &key);)
            has |= read_candidate_member(j, key, one);
        bool after = out->candidates == 1 || memcmp(one[-1].vault_id, one->vault_id, 32) < 0;
        if (j->err == PL_OK && (has != G_ALL || !after))
            pl_json_refuse(j, PL_FAIL(GRANT_FILE));
    }
}

static void read_name(struct pl_json *j, char out[static PL_POLICY_NAME + 1])
{
    pl_json_str(j, out, PL_POLICY_NAME + 1, 1, NULL);
}

enum {
    F_CANDIDATES = 1,
    F_INSTANCE = 2,
    F_NAME = 4,
    F_OWNER = 8,
    F_OWNER_NAME = 16,
    F_VERSION = 32,
    F_POLICY = 64,
    F_ALL = 127
};

static unsigned read_file_member(struct pl_json *j, struct pl_span key, struct pl_grant_file *out)
{
    uint64_t version = 0;
    if (pl_span_is(key, "candidates"))
        return read_candidates(j, out), F_CANDIDATES;
    if (pl_span_is(key, "instance_id"))
        return pl_json_b64u_exact(j, out->instance_id, 32), F_INSTANCE;
    if (pl_span_is(key, "name"))
        return read_name(j, out->name), F_NAME;
    if (pl_span_is(key, "owner"))
        return pl_statement_hex(j, out->owner_sha256), F_OWNER;
    if (pl_span_is(key, "owner_name"))
        return read_name(j, out->owner_name), F_OWNER_NAME;
    if (pl_span_is(key, "policy"))
        return pl_json_raw(j, &out->policy), F_POLICY;
    if (pl_span_is(key, "pleiad_grant"))
        return pl_json_u53(j, 1, &version) && version == 1 ? F_VERSION : 0;
    pl_json_refuse(j, PL_FAIL(JSON_UNKNOWN));
    return 0;
}

/* One candidate holds together: root -> owner key -> grant -> the policy at this vault. */
static pl_err check_candidate(struct pl_crypto *c, const struct pl_grant_file *file,
                              struct pl_grant_candidate *one)
{
    struct pl_owner_cert cert;
    struct pl_statement grant;
    PL_TRY(spki_sha256(c, one->owner_sha256, &one->owner));
    PL_TRY(pl_owner_cert_verify(c, &cert, one->certificate));
    PL_REQUIRE(!cert.is_key && memcmp(cert.id, file->instance_id, 32) == 0, GRANT_FILE);
    PL_REQUIRE(memcmp(cert.vault_id, one->vault_id, 32) == 0, GRANT_FILE);
    PL_REQUIRE(memcmp(cert.owner_sha256, one->owner_sha256, 32) == 0, GRANT_FILE);
    PL_REQUIRE(memcmp(cert.root_sha256, file->owner_sha256, 32) == 0, GRANT_FILE);
    PL_TRY(pl_statement_verify(c, &grant, one->grant, NULL));
    PL_REQUIRE(grant.typ == PL_TYP_GRANT, GRANT_FILE);
    PL_REQUIRE(memcmp(grant.signer.authenticator, one->owner_sha256, 32) == 0, GRANT_FILE);
    PL_CLEANUP(pl_wr_free) struct pl_wr text = pl_wr_heap(PL_POLICY_BYTES);
    PL_TRY(pl_grant_policy(&text, file->policy, file->owner_name, one->salt, one->owner_sha256));
    struct pl_act act = {.op = PL_OP_CREATE, .params = {.type = grant.type}};
    memcpy(act.vault_id, one->vault_id, 32);
    PL_TRY(pl_sha256_one(c, act.params.policy_sha256, pl_wr_span(&text)));
    PL_TRY(pl_statement_covers_target(c, &grant, &act));
    one->exp_s = grant.exp_s;
    return PL_OK;
}

pl_err pl_grant_read(struct pl_crypto *c, struct pl_grant_file *out, struct pl_span text)
{
    *out = (struct pl_grant_file){.candidates = 0};
    PL_REQUIRE(text.n <= PL_GRANT_BYTES, GRANT_FILE);
    struct pl_json j;
    struct pl_span key;
    unsigned has = 0;
    pl_json_init(&j, text);
    for (pl_json_object(&j); pl_json_key(&j, &key);)
        has |= read_file_member(&j, key, out);
    PL_TRY(pl_json_end(&j));
    PL_REQUIRE(has == F_ALL && out->candidates > 0, GRANT_FILE);
    for (size_t i = 0; i < out->candidates; i++)
        PL_TRY(check_candidate(c, out, &out->candidate[i]));
    return PL_OK;
}
