/* For targets whose input is signed: while any_signature is set, a signature holds unless its first
 * two bytes are zero, so that what stands behind the check is reached. The linker sends the calls
 * of core/crypto here (meson.build). */
#ifndef PL_TESTS_FUZZ_ANY_SIGNATURE_H
#define PL_TESTS_FUZZ_ANY_SIGNATURE_H

#include <stdbool.h>

extern bool any_signature; /* true at first */

#endif
