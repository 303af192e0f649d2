/* What the makers and checkers of statements share. Not for other folders. */
#ifndef PL_POLICY_STATEMENT_INTERNAL_H
#define PL_POLICY_STATEMENT_INTERNAL_H

#include "policy/statement.h"

enum pl_typ pl_typ_of(struct pl_span word); /* NONE when unknown */
int64_t pl_statement_life_max(enum pl_typ typ);

#endif
