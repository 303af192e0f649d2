/* The loader: what loads has a stable identity, renders, and refuses the stranger, also one who
 * brings approvals and proofs of his own. */
#include "fuzz.h"
#include "policy/policy.h"

static struct pl_facts stranger(enum pl_op op)
{
    struct pl_facts f = {
        .op = op, .now = {1767600000, 1767600000}, .approvals = PL_POLICY_APPROVALS, .steps = 1};
    for (unsigned i = 0; i < PL_POLICY_APPROVALS; i++)
        f.approval[i] = (struct pl_approval_fact){
            .authenticator = (uint8_t)i, .issuer = (uint8_t)i, .iat_s = 1767600000};
    f.step[0] = (struct pl_step_fact){UINT32_MAX, 1767600000};
    f.role_is = f.vault_is = UINT32_MAX;
    f.narrows = true;
    f.changes = UINT32_MAX;
    for (unsigned i = 0; i < PL_POLICY_QUOTAS; i++)
        f.room_is[i] = UINT64_MAX;
    return f;
}

static void check_loaded(struct pl_crypto *c, struct pl_policy *p)
{
    struct pl_policy *again;
    struct pl_wr words PL_CLEANUP(pl_wr_free) = pl_wr_heap(1 << 22);
    FUZZ_CHECK(pl_policy_load(&again, c, pl_policy_text(p), NULL) == PL_OK);
    FUZZ_CHECK(pl_span_eq(pl_policy_text(p), pl_policy_text(again)));
    FUZZ_CHECK(pl_policy_render(&words, p) == PL_OK && words.n > 0);
    for (unsigned op = 0; op <= PL_OP_COUNT; op++) {
        struct pl_facts nobody = stranger((enum pl_op)op);
        struct pl_trace trace;
        FUZZ_CHECK(pl_policy_evaluate(p, &nobody, &trace).verdict == PL_DENY);
    }
    pl_policy_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct pl_crypto *c;
    if (!c)
        FUZZ_CHECK(pl_crypto_new(&c) == PL_OK);
    struct pl_policy *p;
    struct pl_refusal why;
    if (pl_policy_load(&p, c, pl_span(data, size), &why) == PL_OK)
        check_loaded(c, p);
    else
        FUZZ_CHECK(p == NULL && why.text[0] != '\0');
    pl_policy_free(p);
    return 0;
}
