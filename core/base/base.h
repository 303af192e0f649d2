/* What every other folder may use: errors, bytes, secrets, text encodings, DER, JSON. Pure; the
 * only allocation is a growing pl_wr. Safe from any thread on distinct objects. */
#ifndef PL_BASE_BASE_H
#define PL_BASE_BASE_H

#include "base/err.h"
#include "base/span.h"
#include "base/secret.h"
#include "base/enc.h"
#include "base/der.h"
#include "base/json.h"

#endif
