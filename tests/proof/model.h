/* memcmp as C17 7.24.1 has it: nothing is read when n is 0, so one past the end will do then. */
#ifndef PL_PROOF_MODEL_H
#define PL_PROOF_MODEL_H

#include <string.h>

/*@ requires readable: n == 0 || (\valid_read((char *)a + (0 .. n - 1)) &&
                                  \valid_read((char *)b + (0 .. n - 1)));
    requires written: n == 0 || (\initialized((char *)a + (0 .. n - 1)) &&
                                 \initialized((char *)b + (0 .. n - 1)));
    assigns \result \from indirect:((char *)a)[0 .. n - 1], indirect:((char *)b)[0 .. n - 1]; */
int proof_memcmp(const void *a, const void *b, size_t n);
#define memcmp proof_memcmp

#endif
