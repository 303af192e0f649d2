#include "test.h"

#include <string.h>

/* Whether two secrets are equal may be known; where they differ may not. */
TEST(comparison_of_secrets)
{
    uint8_t a[48], b[48];
    test_fill(a, sizeof(a), 1);
    for (size_t differ = 0; differ <= sizeof(a); differ++) {
        memcpy(b, a, sizeof(a));
        if (differ < sizeof(b))
            b[differ] ^= 0x40;
        pl_ct_poison(a, sizeof(a));
        pl_ct_poison(b, sizeof(b));
        CHECK(pl_ct_eq(a, b, sizeof(a)) == (differ == sizeof(a)));
        pl_ct_declassify(a, sizeof(a));
    }
}

TEST_MAIN()
