/* The back end that talks to pleiad-simd. Linked by pleiad-vaultd-sim, tools and tests; never by
 * pleiad-vaultd. Its device is the connection that `pleiad sim run` left in PLEIAD_SIM_FD
 * (sim.h); without one it is not here (TEE_NONE). Opening it says hello, which measures
 * this process, closes the descriptor on exec, removes the variable and makes the process
 * non-dumpable, for good. After TEE_DEVICE there is no second connection: start the program again.
 * A process opens it once. */
#ifndef PL_PLATFORM_SIM_BACKEND_H
#define PL_PLATFORM_SIM_BACKEND_H

#include "platform/tee/tee.h"

extern const struct pl_tee_backend pl_tee_sim;

#endif
