/* What splitting and combining leave on the stack: nothing that was secret. Built without
 * sanitizers, which move variables about, and with optimization, as it is shipped: without, every
 * value passes through the stack. */
#include "test.h"
#include "shamir/shamir.h"

enum { ARENA = 1 << 16 };
enum { DEAD = 16384, DEAD_FROM = 512 }; /* below whoever looks */

__attribute__((noinline)) static void clear_dead_stack(void)
{
    volatile uint8_t room[DEAD + 4096];
    for (size_t i = 0; i < sizeof(room); i++)
        room[i] = 0;
}

/* Do 16 bytes of this stand where functions that returned had their frames? */
__attribute__((noinline)) static bool on_dead_stack(struct pl_span what)
{
    volatile uintptr_t here = (uintptr_t)__builtin_frame_address(0) - DEAD_FROM;
    for (uintptr_t at = here - DEAD; at < here; at++)
        for (size_t i = 0; i + 16 <= what.n; i++) {
            size_t k = 0;
            while (k < 16 && ((const volatile uint8_t *)at)[k] == what.p[i + k])
                k++;
            if (k == 16)
                return true;
        }
    return false;
}

TEST(nothing_of_secret_or_shares_stays_on_the_stack)
{
    enum { BYTES = 200 };
    static uint8_t memory[ARENA] __attribute__((aligned(64)));
    const struct pl_split s = {.k = 3, .n = 5, .x = {0x1d, 0x02, 0xff, 0x80, 0x53}};
    const size_t n = pl_packed_bytes(BYTES);
    uint8_t *const y = memory + ARENA / 2, *const secret = y + 5 * n,
                   *const random = secret + BYTES;
    struct pl_combined got;
    struct pl_share shares[4];
    struct pl_arena a = pl_arena(memory, ARENA / 2);
    struct pl_crypto *crypto;
    CHECK_OK(pl_crypto_new(&crypto));
    for (size_t i = 0; i < BYTES + pl_split_random_bytes(&s, BYTES); i++)
        secret[i] = (uint8_t)((i * i + i * 31 + (i >> 3) * 77) ^ i >> 5);
    for (unsigned round = 0; round < 2; round++) { /* the first call of a function binds it */
        clear_dead_stack();
        CHECK_OK(pl_share_split(crypto, y, &s, pl_span(secret, BYTES),
                                pl_span(random, pl_split_random_bytes(&s, BYTES)), &a));
        CHECK(round == 0 || !on_dead_stack(pl_span(secret, BYTES)));
        CHECK(round == 0 || !on_dead_stack(pl_span(y, 5 * n)));
        for (unsigned i = 0; i < 4; i++)
            shares[i] = (struct pl_share){s.x[i], pl_span(y + i * n, n)};
        clear_dead_stack();
        CHECK_OK(pl_share_combine(crypto, &got, &s, shares, 4, &a));
        CHECK(round == 0 || !on_dead_stack(got.secret));
        CHECK(round == 0 || !on_dead_stack(got.mac_key));
        CHECK(round == 0 || !on_dead_stack(pl_span(y, 5 * n)));
    }
    pl_crypto_free(crypto);
}

TEST_MAIN()
