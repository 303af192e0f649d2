/* Signed objects as they travel: {"proof":{"jws":{"protected":P,"signature":S},"spki":K},
 * "statement":{...}}. The statement is canonical JSON (RFC 8785) with a member "typ"; signed is
 * P "." base64url(statement) (RFC 7515), P = base64url of {"alg":A,"typ":T}. What vaults sign about
 * themselves and what principals sign to them has this one form.
 */
#ifndef PL_ATTEST_CARRIER_H
#define PL_ATTEST_CARRIER_H

#include "crypto/crypto.h"

enum {
    PL_CARRIER_MAX = 80 * 1024,
    PL_CARRIER_TYP_MAX = 32,
};

/* ---- in one step ---------------------------------------------------------------------------- */

/* Appends the carrier. The statement must be canonical and hold "typ": the writer's duty. */
PL_CHECKED pl_err pl_signed_make(struct pl_crypto *c, struct pl_wr *out, const struct pl_priv *key,
                                 const char *typ, struct pl_span statement);
/* Form, canonical form and signature. *out_statement borrows `carrier`. Whose key it is remains to
 * be compared by the caller. CARRIER_FORM, CARRIER_TYP, KEY_FORMAT, SIGNATURE. */
PL_CHECKED pl_err pl_signed_read(struct pl_crypto *c, struct pl_span *out_statement,
                                 struct pl_pub *out_signer, const char *typ,
                                 struct pl_span carrier);

/* ---- in parts: for keys that are elsewhere, and for kinds that the statement itself says ----- */

/* What the key signs, and the carrier once it has. Errors are the writer's. */
void pl_carrier_input(struct pl_wr *out, enum pl_pub_type key, const char *typ,
                      struct pl_span statement);
void pl_carrier_put(struct pl_wr *out, const struct pl_pub *signer, const char *typ,
                    struct pl_span statement, const uint8_t sig[static PL_P256_SIG_BYTES]);

/* How somebody proves to have signed a statement. Vaults and owners sign by JWS; the others are
 * {"proof":{"passkey":{"authenticator_data":B,"client_data":B,"credential_id":B,"public_key":B,
 * "signature":B}},...} and {"proof":{"oidc":{"token":T}},...}. */
enum pl_carrier_form { PL_CARRIER_NONE = 0, PL_CARRIER_JWS, PL_CARRIER_PASSKEY, PL_CARRIER_OIDC };
enum pl_carrier_part {
    PL_PART_PROTECTED,
    PL_PART_SIGNATURE,
    PL_PART_SPKI,
    PL_PART_AUTHENTICATOR,
    PL_PART_CLIENT,
    PL_PART_CREDENTIAL,
    PL_PART_PUBLIC_KEY,
    PL_PART_ASSERTION,
    PL_PART_TOKEN,
    PL_PARTS
};

/* A carrier taken apart: every member of its one form there, the statement in canonical form.
 * Borrowed. */
struct pl_carrier {
    enum pl_carrier_form form;
    struct pl_span statement;
    struct pl_span part[PL_PARTS];          /* text as it came: base64url, a token */
    struct pl_pub signer;                   /* JWS */
    uint8_t signer_sha256[PL_SHA256_BYTES]; /* of its SPKI */
    uint8_t sig[PL_P256_SIG_BYTES];
};
/* CARRIER_FORM, KEY_FORMAT, or what the JSON reader found. Nothing is verified yet. */
PL_CHECKED pl_err pl_carrier_read(struct pl_crypto *c, struct pl_carrier *out, struct pl_span text);
/* The signature of a JWS, under a header of exactly this typ: CARRIER_FORM for another form,
 * CARRIER_TYP, SIGNATURE. */
PL_CHECKED pl_err pl_carrier_verify(struct pl_crypto *c, const struct pl_carrier *carrier,
                                    const char *typ);

#endif
