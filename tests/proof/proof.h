/* What every driver has: unknown values, memory of exactly the size that is claimed, and claims. An
 * alarm of Frama-C is a read or write outside, an undefined operation, or a claim that it could not
 * prove. */
#ifndef PL_PROOF_H
#define PL_PROOF_H

#include "base/base.h"

#include <__fc_builtin.h>
#include <stdlib.h>
#include <string.h>

/* Each number of [0, max], in a case of its own. */
static inline size_t each(size_t max)
{
    size_t n = Frama_C_unsigned_long_interval(0, max);
    //@ split n;
    return n;
}

/* Some number of [0, max]; all in one case. */
static inline size_t some(size_t max) { return Frama_C_unsigned_long_interval(0, max); }

/* A block of exactly n unknown bytes: one byte before or after it is an alarm. */
static inline uint8_t *proof_bytes(size_t n)
{
    uint8_t *p = malloc(n);
    if (n)
        Frama_C_make_unknown((char *)p, n);
    return p;
}

/* Proved when this is never reached with a false condition. */
#define PROOF_CLAIM(cond) ((cond) ? (void)0 : proof_refuted())
/*@ requires claim: \false;
    assigns \nothing; */
void proof_refuted(void);

#endif
