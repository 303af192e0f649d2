#include "platform/tee/tee.h"

/* Hardware back ends of this build, the one to prefer first. */
const struct pl_tee_backend *const pl_tee_table[] = {
    NULL,
};
