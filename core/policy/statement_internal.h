/* What the makers and checkers of statements share. Not for other folders. */
#ifndef PL_POLICY_STATEMENT_INTERNAL_H
#define PL_POLICY_STATEMENT_INTERNAL_H

#include "policy/statement.h"

enum pl_typ pl_typ_of(struct pl_span word); /* NONE when unknown */
int64_t pl_statement_life_max(enum pl_typ typ);

/* The one form of a signature (RFC 7515): header {"alg","typ"}, payload the statement's bytes. */
void pl_jws_protected(struct pl_wr *out, enum pl_pub_type key, const char *typ); /* base64url */
void pl_jws_input(struct pl_wr *out, enum pl_pub_type key, const char *typ, struct pl_span payload);
void pl_jws_carry(struct pl_wr *out, const struct pl_pub *pub, const char *typ,
                  struct pl_span statement, const uint8_t sig[static 64]);
PL_CHECKED pl_err pl_jws_sign(struct pl_wr *out, struct pl_crypto *c, const char *typ,
                              struct pl_span statement, const struct pl_priv *priv);

/* A carrier taken apart: every member there, the statement in canonical form. Borrowed. */
struct pl_carrier {
    struct pl_span statement, protected;
    struct pl_pub pub;
    uint8_t signer_sha256[32], sig[64];
};
PL_CHECKED pl_err pl_carrier_read(struct pl_crypto *c, struct pl_carrier *out, struct pl_span text);
/* The signature, under a header of exactly this typ. */
PL_CHECKED pl_err pl_carrier_verify(struct pl_crypto *c, const struct pl_carrier *carrier,
                                    const char *typ);
/* STATEMENT_TARGET unless one of its targets is this act at this vault. */
PL_CHECKED pl_err pl_statement_covers_target(struct pl_crypto *c, const struct pl_statement *s,
                                             const struct pl_act *act);
/* 64 lower-case hex digits. */
bool pl_statement_hex(struct pl_json *j, uint8_t out[static 32]);

#endif
