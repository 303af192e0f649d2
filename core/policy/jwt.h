/* Tokens of OpenID Connect issuers (ID tokens, RFC 9068 access tokens): compact JWS (RFC 7515) and
 * nothing else, verified with keys that the vault's configuration pins.
 *
 * The key is chosen by issuer and `kid`; a token without one must fit exactly one key of its
 * issuer. The algorithm is that key's own: RS256 (2048 to 4096 bits), ES256, EdDSA (Ed25519); the
 * header must name it and chooses nothing. Refused wherever they stand: other algorithms, `none`,
 * `crit`, keys or places of keys in the header, a member twice, padding, further parts, other `typ`
 * than JWT and at+jwt.
 *
 * A token alone is good for whoever received it. So it is bound, in one of two ways:
 *   to a statement: the claim `nonce`, or the one that the issuer's row names instead, is base64url
 *     of SHA-256(statement); aud has the issuer's audience, and azp, if there, is it;
 *   to the connection: cnf.x5t#S256 (RFC 8705) is SHA-256 of the TLS client's certificate and aud
 *     has the vault's id in hex.
 * Otherwise it is bare, if it names no other holder (a `cnf` that is not this connection's
 * refuses): aud has the issuer's audience.
 *
 * Time: exp, iat are required. Good only while `now < exp` is certain; refused when iat is
 * certainly in the future; an nbf later than iat must certainly have come (one that is not says no
 * more than iat, which clocks that differ by minutes must not turn into a pause).
 */
#ifndef PL_POLICY_JWT_H
#define PL_POLICY_JWT_H

#include "policy/policy.h"

enum {
    PL_TOKEN_BYTES = 8 * 1024,
    PL_ISSUERS_MAX = 8,
    PL_ISSUER_KEYS = 16,
    PL_ISSUER_TEXT = 255,                   /* issuer, audience, sub, a role, an amr */
    PL_ISSUER_WORD = 127,                   /* kid, names of claims */
    PL_TOKEN_TEXT = PL_TOKEN_BYTES * 3 / 4, /* a part decoded; a signer keeps less of it */
};

enum pl_jose { PL_JOSE_NONE = 0, PL_JOSE_RS256, PL_JOSE_ES256, PL_JOSE_EDDSA };
enum pl_jose pl_jose_of(struct pl_span word); /* NONE: not one of these */

struct pl_issuer_key {
    enum pl_jose alg;
    char kid[PL_ISSUER_WORD + 1]; /* "": none */
    size_t spki_n;
    uint8_t spki[PL_RSA_SPKI_MAX];
};

struct pl_issuer {
    char issuer[PL_ISSUER_TEXT + 1], audience[PL_ISSUER_TEXT + 1];
    char roles_claim[PL_ISSUER_WORD + 1], nonce_claim[PL_ISSUER_WORD + 1]; /* "": none */
    unsigned keys;
    struct pl_issuer_key key[PL_ISSUER_KEYS];
};

/* Whom the configuration believes. Zeroed: nobody. */
struct pl_issuers {
    unsigned n;
    struct pl_issuer *issuer[PL_ISSUERS_MAX];
};

/* The configuration's member `issuers`:
 *   [{"issuer":URL, "audience":A, "keys":[JWK...], "roles_claim":C, "nonce_claim":C}]
 * URL https, compared byte by byte with `iss`; JWK (RFC 7517) public keys for signatures: RSA, EC
 * P-256, OKP Ed25519; kid, use, alg, and what certificates add (x5c, x5t, key_ops: not looked at);
 * claims at the top level of a token, optional. Refuses j with CONFIG_VALUE, CONFIG_BUILD (kinds of
 * keys this build does not verify), KEY_FORMAT, JSON_*. What was read so far is in out. */
void pl_issuers_read(struct pl_json *j, struct pl_crypto *c, struct pl_issuers *out);
void pl_issuers_free(struct pl_issuers *i); /* its content */

/* What a token is asked for. */
struct pl_token_binding {
    const uint8_t *statement_sha256;   /* NULL: no statement, the connection's own token */
    const uint8_t *certificate_sha256; /* of the TLS client's certificate; NULL: none */
    const uint8_t *vault_id;           /* NULL: for a statement */
    struct pl_wr *text;                /* a fixed writer, in which the signer's strings stay */
};

/* The signer that the token proves: form, authenticator, issuer, iss (borrowed from pinned), sub,
 * role, amr (in want->text), auth_time_s, bare, iat_s. Roles are those of `roles`,
 * `realm_access.roles` and the issuer's roles_claim together, each once. JWT_LIMIT when the writer
 * is full, when there are more roles or amr than a signer has room for, or longer ones. JWT_FORM,
 * JWT_JSON, JWT_CRIT, JWT_OWN_KEY, JWT_TYP, JWT_ALG, JWT_ISSUER, JWT_KEY, JWT_SIGNATURE, JWT_CLAIM,
 * JWT_AUDIENCE, JWT_EXPIRED, JWT_EARLY, JWT_TIME (undecided: AGAIN), JWT_NONCE, JWT_HOLDER. Zeroed
 * on error. */
PL_CHECKED pl_err pl_jwt_verify(struct pl_crypto *c, struct pl_signer *out,
                                const struct pl_issuers *pinned, struct pl_span token,
                                const struct pl_token_binding *want, struct pl_interval now);

#endif
