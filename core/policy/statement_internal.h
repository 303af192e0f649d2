/* What the makers and checkers of statements share. Not for other folders. */
#ifndef PL_POLICY_STATEMENT_INTERNAL_H
#define PL_POLICY_STATEMENT_INTERNAL_H

#include "attest/carrier.h"
#include "policy/statement.h"

enum pl_typ pl_typ_of(struct pl_span word); /* NONE when unknown */
int64_t pl_statement_life_max(enum pl_typ typ);

/* pl_carrier_read and pl_carrier_verify for statements: their size, and STATEMENT_FORM for what is
 * wrong with the carrier. */
PL_CHECKED pl_err pl_statement_unpack(struct pl_crypto *c, struct pl_carrier *out,
                                      struct pl_span text);
PL_CHECKED pl_err pl_statement_signed(struct pl_crypto *c, const struct pl_carrier *carrier,
                                      const char *typ);
/* STATEMENT_TARGET unless one of its targets is this act at this vault. */
PL_CHECKED pl_err pl_statement_covers_target(struct pl_crypto *c, const struct pl_statement *s,
                                             const struct pl_act *act);
/* 64 lower-case hex digits. */
bool pl_statement_hex(struct pl_json *j, uint8_t out[static 32]);

#endif
