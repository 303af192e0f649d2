/* The table that production programs link: what it does not have, it refuses. */
#include "test.h"
#include "platform/tee/tee.h"

#include <stdlib.h>
#include <string.h>

TEST(the_hardware_table_refuses_what_it_does_not_have)
{
    struct pl_tee_device *t = NULL;
    CHECK_ERR(pl_tee_open(&t, "sim"), TEE_NONE);
    CHECK(setenv("PLEIAD_SIM_FD", "0", 1) == 0);
    CHECK_ERR(pl_tee_open(&t, "sim"), TEE_NONE);
    CHECK_ERR(pl_tee_open(&t, NULL), TEE_NONE);
    CHECK(t == NULL && strstr(pl_tee_names(), "sim") == NULL);
}

TEST_MAIN()
