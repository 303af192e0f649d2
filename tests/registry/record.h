/* What a daemon under test was given, appended to $PL_RECORD.SUFFIX. */
#ifndef PL_TESTS_RECORD_H
#define PL_TESTS_RECORD_H

#include "base/base.h"

void record(const char *suffix, struct pl_span bytes);

#endif
