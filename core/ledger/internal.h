/* Shared inside core/ledger only. */
#ifndef PL_LEDGER_INTERNAL_H
#define PL_LEDGER_INTERNAL_H

#include "ledger/ledger.h"

#include <string.h>

static inline void pl_put_be64(uint8_t out[static 8], uint64_t v)
{
    for (int i = 0; i < 8; i++)
        out[i] = (uint8_t)(v >> (56 - 8 * i));
}

#endif
