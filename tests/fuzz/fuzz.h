/* A fuzz target is tests/fuzz/fuzz_<name>.c with LLVMFuzzerTestOneInput, its seeds are the files of
 * tests/fuzz/corpus/<name>/. Built two ways:
 *
 *   ordinary builds: with replay.c, which runs the target over its seeds and over inputs derived
 *                    from them; a test of every build
 *   -Dfuzz=true:     with libFuzzer, AddressSanitizer and UndefinedBehaviorSanitizer (clang only)
 *
 *     CC=clang meson setup build-fuzz -Dfuzz=true -Db_lundef=false
 *     build-fuzz/tests/fuzz/fuzz_json -dict=tests/fuzz/json.dict -max_total_time=60 \
 *         NEW_INPUTS tests/fuzz/corpus/json
 *
 * A target checks properties with FUZZ_CHECK; to return normally is no more than "no crash".
 */
#ifndef PL_TESTS_FUZZ_H
#define PL_TESTS_FUZZ_H

#include "base/base.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_CHECK(cond)                                                                           \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            fprintf(stderr, "%s:%d: not true: %s\n", __FILE_NAME__, __LINE__, #cond);              \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

#endif
