/* Messages as JSON text, made from the rows of api.def and by none of the codec's own code but the
 * JSON writer. What comes out for the good modes is exactly what pl_api_write must write. */
#ifndef PL_TESTS_API_SAMPLE_H
#define PL_TESTS_API_SAMPLE_H

#include "api/internal.h"

enum sample_mode {
    SAMPLE_LEAST, /* required fields, each as small as it may be */
    SAMPLE_MOST,  /* all fields, each as large as it may be */
    /* all fields, least, but for field `at`: */
    SAMPLE_OVER,    /* one past its upper bound */
    SAMPLE_UNDER,   /* one below its lower bound */
    SAMPLE_ELEMENT, /* arrays: one element, past its upper bound */
    SAMPLE_TYPE,    /* of another type */
    SAMPLE_MISSING, /* absent */
    SAMPLE_TWICE,   /* twice */
    SAMPLE_UNKNOWN, /* followed by a field that does not exist */
};

/* False when the field cannot be made so. */
bool sample_write(struct pl_wr *w, enum pl_api_msg kind, enum sample_mode mode, size_t at);

#endif
