/* For programs that tell a test, over the descriptor that PL_TELL names, what they must keep to
 * themselves. */
#ifndef PL_TESTS_SIEGE_TELL_H
#define PL_TESTS_SIEGE_TELL_H

#include <stddef.h>

void tell(const void *p, size_t n); /* nothing, where nobody listens */
/* Reads 32 bytes there, once, and keeps them in the ordinary heap: as they are, in hex, base64 and
 * base64url. A search of this process has to find these. */
void tell_keep(void);

#endif
