#include "platform/sim/backend.h"

/* The rows of platform/tee/table.c come first here too: a program that finds real hardware uses it.
 */
const struct pl_tee_backend *const pl_tee_table[] = {
    &pl_tee_sim,
    NULL,
};
