/* Answers for tests/policy/evaluator.py: policies and situations in, decisions out, a line each.
 *
 *   P <policy>   loads it: "ok GROUP/NAME ... | PROFILE ..." in the order of the bits of sets, or
 *                "no CODE POINTER"
 *   F op earliest latest is maybe consent profile_is profile_maybe changes    (decimal)
 *                "<A|D><T|F|U> <rule or ->"
 *   .            lets the answers go
 * It also checks what only C can see: with and without trace the answers are the same, and the
 * trace adds up to the value. */
#include "policy/policy.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct pl_crypto *crypto;
static struct pl_policy *policy;

static void load(char *text)
{
    static const char *const groups[] = {
        "",
#define PL_GROUP(name, word, rules) word,
#include "policy/group.def"
#undef PL_GROUP
    };
    pl_policy_free(policy);
    struct pl_refusal why;
    pl_err e = pl_policy_load(&policy, crypto, pl_span_str(text), &why);
    if (e != PL_OK) {
        printf("no %s %s %s\n", pl_code_name(pl_err_code(e)), why.pointer, why.text);
        return;
    }
    printf("ok");
    for (size_t i = 0; i < pl_policy_principals(policy); i++) {
        const struct pl_principal *pr = pl_policy_principal(policy, i);
        printf(" %s/%s", groups[pr->group], pr->name);
    }
    printf(" |");
    for (size_t i = 0; i < pl_policy_profiles(policy); i++)
        printf(" %s", pl_policy_profile_name(policy, i));
    printf("\n");
}

static enum pl_tri negated(enum pl_tri a)
{
    return a == PL_UNKNOWN ? a : a == PL_TRUE ? PL_FALSE : PL_TRUE;
}

static bool adds_up(const struct pl_decision *d, const struct pl_trace *t)
{
    enum pl_tri not_denied = negated(t->denied);
    enum pl_tri value = t->allowed == PL_FALSE || not_denied == PL_FALSE ? PL_FALSE
                        : t->allowed == PL_TRUE && not_denied == PL_TRUE ? PL_TRUE
                                                                         : PL_UNKNOWN;
    return value == d->value && (d->verdict == PL_ALLOW) == (value == PL_TRUE);
}

static void decide(const char *text)
{
    char op[32];
    struct pl_facts f = {.op = PL_OP_NONE};
    if (!policy || sscanf(text,
                          "%31s %" SCNd64 " %" SCNd64 " %" SCNu64 " %" SCNu64 " %" SCNu64
                          " %" SCNu32 " %" SCNu32 " %" SCNu32,
                          op, &f.now.earliest_s, &f.now.latest_s, &f.is, &f.maybe, &f.consent,
                          &f.profile_is, &f.profile_maybe, &f.changes) != 9) {
        fprintf(stderr, "bad line: %s\n", text);
        exit(2);
    }
    f.op = pl_op_of(pl_span_str(op));
    struct pl_trace t;
    struct pl_decision traced = pl_policy_evaluate(policy, &f, &t);
    struct pl_decision d = pl_policy_evaluate(policy, &f, NULL);
    if (!adds_up(&traced, &t) || d.verdict != traced.verdict || d.value != traced.value ||
        d.rule != traced.rule) {
        fprintf(stderr, "explanation and verdict differ: %s\n", text);
        exit(3);
    }
    static const char values[] = "UFT";
    printf("%c%c %s\n", d.verdict == PL_ALLOW ? 'A' : 'D', values[d.value], d.rule ? d.rule : "-");
}

int main(void)
{
    static char line[PL_POLICY_BYTES + 16];
    if (pl_crypto_new(&crypto) != PL_OK)
        return 2;
    while (fgets(line, sizeof(line), stdin)) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] == '.')
            fflush(stdout);
        else if (line[0] == 'P')
            load(line + 2);
        else
            decide(line + 2);
    }
    pl_policy_free(policy);
    pl_crypto_free(crypto);
    return 0;
}
