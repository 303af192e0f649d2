/* Answers for tests/policy/evaluator.py: policies and situations in, decisions out, a line each.
 *
 *   P <policy>   loads it: "ok GROUP/NAME ... | PROFILE ..." in the order of the bits of sets, or
 *                "no CODE POINTER"
 *   C <policy>   what it changes about the loaded one: "<narrows 0|1> <guards, a mask>", then for
 *                each difference "-<pointer>" where it only takes away, else "+<pointer>"; as P
 * when it does not load S WORD=VALUE ...   a situation, as a vault sees it before it asks any
 * policy; see words[]
 *                "<A|D><T|F|U> <the principal that quotas count, or -> <rule or ->"
 *   Q MAX PER EARLIEST,LATEST ...   one quota, asked at each time and used when it has room:
 *                T, F or U each
 *   .            lets the answers go
 *
 * With --check FILE its lines are such lines, each with a tab and how the answer must begin; the
 * first that does not ends it with 1.
 *
 * A key is 64 hex digits, or two that stand for all 32 bytes. A signer is jws,KEY,IAT or
 * passkey,KEY,RP,CREDENTIAL,ORIGIN,IAT or oidc,ISS,SUB,ROLES,AMR,AUTH_TIME,BARE,IAT; members of
 * lists are joined by "+".
 * It also checks what only C can see: with and without trace the answers are the same, and the
 * trace adds up to the value. */
#include "policy/change.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MANY = 16 };

static struct pl_crypto *crypto;
static struct pl_policy *policy;
static char answer[8 * 1024];
static size_t answered;
static const char values[] = "UFT";

static __attribute__((format(printf, 1, 2))) void say(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(answer + answered, sizeof(answer) - answered, format, args);
    va_end(args);
    if (n < 0 || (answered += (size_t)n) >= sizeof(answer))
        abort();
}

static _Noreturn void bad(const char *what)
{
    fprintf(stderr, "bad line: %s\n", what);
    exit(2);
}

static void say_principal(uint64_t bit)
{
    if (bit & (bit - 1))
        bad("more than one is charged");
    if (bit == 0) {
        say("-");
        return;
    }
    const struct pl_principal *pr = pl_policy_principal(policy, (size_t)__builtin_ctzll(bit));
    say("%s/%s", pl_group_word(pr->group), pr->name);
}

static void load(char *text)
{
    pl_policy_free(policy);
    struct pl_refusal why;
    pl_err e = pl_policy_load(&policy, crypto, pl_span_str(text), &why);
    if (e != PL_OK) {
        say("no %s %s %s", pl_code_name(pl_err_code(e)), why.pointer, why.text);
        return;
    }
    say("ok");
    for (size_t i = 0; i < pl_policy_principals(policy); i++) {
        say(" ");
        say_principal(1ull << i);
    }
    say(" |");
    for (size_t i = 0; i < pl_policy_profiles(policy); i++)
        say(" %s", pl_policy_profile_name(policy, i));
}

static void difference(void *arg, const struct pl_difference *d)
{
    struct pl_wr *w = arg;
    pl_wr_str(w, d->narrows ? " -" : " +");
    pl_wr_str(w, d->pointer);
}

static void compare(const char *text)
{
    static char line[1 << 13];
    struct pl_wr w = pl_wr_fixed(line, sizeof(line) - 1);
    struct pl_policy *is = NULL;
    struct pl_policy_change c;
    struct pl_refusal why;
    pl_err e = pl_policy_load(&is, crypto, pl_span_str(text), &why);
    if (e == PL_OK && (!policy || pl_policy_change(&c, policy, is, difference, &w) != PL_OK))
        bad(text);
    line[w.n] = 0;
    if (e == PL_OK)
        say("%d %u%s", c.narrows, (unsigned)c.changes, line);
    else
        say("no %s %s %s", pl_code_name(pl_err_code(e)), why.pointer, why.text);
    pl_policy_free(is);
}

/* ---- A situation ---------------------------------------------------------------------------- */

/* What the spans of a caller point to. */
static struct situation {
    struct pl_caller who;
    struct pl_signer token, request[MANY], approval[MANY];
    uint8_t key[32], ca[MANY][32], consent[MANY][32];
    struct pl_certified certified;
    struct pl_span san[MANY], label[MANY];
    struct pl_vault_facts vault;
    struct pl_claims claims;
    enum pl_op op;
    uint32_t changes;
    bool narrows;
    uint64_t room_is[PL_POLICY_QUOTAS], room_maybe[PL_POLICY_QUOTAS];
} now_at;

static void key(uint8_t out[static 32], const char *hex)
{
    size_t digits = strlen(hex);
    if (digits != 2 && digits != 64)
        bad(hex);
    for (size_t i = 0; i < 32; i++) {
        char two[3] = {hex[2 * i % digits], hex[(2 * i + 1) % digits], '\0'};
        out[i] = (uint8_t)strtoul(two, NULL, 16);
    }
}

/* Cuts text at each separator; "-" is an empty list. How many there are. */
static size_t cut(char *text, char separator, char *part[static MANY])
{
    size_t n = 0;
    for (char *at = text; at && strcmp(text, "-") != 0; n++) {
        if (n == MANY)
            bad(text);
        part[n] = at;
        at = strchr(at, separator);
        if (at)
            *at++ = '\0';
    }
    return n;
}

static size_t list(struct pl_span out[], char *text)
{
    char *part[MANY];
    size_t n = cut(text, '+', part);
    for (size_t i = 0; i < n; i++)
        out[i] = pl_span_str(part[i]);
    return n;
}

static int64_t number(const char *text) { return strtoll(text, NULL, 10); }

static void sha256(uint8_t out[static 32], const char *text)
{
    if (pl_sha256_one(crypto, out, pl_span_str(text)) != PL_OK)
        bad(text);
}

static void oidc(struct pl_signer *s, char *part[static MANY])
{
    char both[256];
    snprintf(both, sizeof(both), "%s %s", part[1], part[2]);
    sha256(s->authenticator, both);
    sha256(s->issuer, part[1]);
    s->iss = pl_span_str(part[1]);
    s->sub = pl_span_str(part[2]);
    s->roles = list(s->role, part[3]);
    char *amr[MANY];
    s->amrs = cut(part[4], '+', amr);
    for (size_t i = 0; i < s->amrs && i < PL_SIGNER_AMR; i++)
        s->amr[i] = pl_span_str(amr[i]);
    s->auth_time_s = number(part[5]);
    s->bare = part[6][0] == '1';
    s->iat_s = number(part[7]);
}

static void signer(struct pl_signer *s, char *text)
{
    char *part[MANY];
    size_t n = cut(text, ',', part);
    *s = (struct pl_signer){.auth_time_s = INT64_MIN};
    if (n == 8 && strcmp(part[0], "oidc") == 0) {
        s->form = PL_PROOF_OIDC;
        oidc(s, part);
        return;
    }
    if (n != 3 && n != 6)
        bad(text);
    s->form = n == 3 ? PL_PROOF_JWS : PL_PROOF_PASSKEY;
    key(s->authenticator, part[1]);
    memcpy(s->issuer, s->authenticator, 32);
    s->iat_s = number(part[n - 1]);
    if (n == 6) {
        sha256(s->rp_id_sha256, part[2]);
        s->credential_id = pl_span_str(part[3]);
        s->origin = pl_span_str(part[4]);
    }
}

/* Evidence of one measurement, good from and until. */
static void claims(struct situation *s, char *text)
{
    char *part[MANY];
    if (cut(text, ',', part) != 3)
        bad(text);
    s->claims = (struct pl_claims){.tee = PL_TEE_SGX,
                                   .trust = PL_TRUST_DEV,
                                   .name = "sim-sgx",
                                   .memory = PL_MEMORY_ENCRYPTED,
                                   .tcb.status = PL_TCB_UP_TO_DATE,
                                   .earliest_s = number(part[1]),
                                   .latest_s = number(part[2])};
    key(s->claims.sgx.mrenclave, part[0]);
    s->who.claims = &s->claims;
}

static void op(struct situation *s, char *text) { s->op = pl_op_of(pl_span_str(text)); }

static void now(struct situation *s, char *text)
{
    char *part[MANY];
    if (cut(text, ',', part) != 2)
        bad(text);
    s->who.now = (struct pl_interval){number(part[0]), number(part[1])};
}

static void client(struct situation *s, char *text)
{
    key(s->key, text);
    s->who.client_spki_sha256 = s->key;
}

static void ca(struct situation *s, char *text)
{
    char *part[MANY];
    s->certified.cas = cut(text, '+', part);
    for (size_t i = 0; i < s->certified.cas; i++)
        key(s->ca[i], part[i]);
    s->certified.ca_sha256 = s->ca;
    s->who.certified = &s->certified;
}

static void san(struct situation *s, char *text)
{
    s->certified.san = s->san;
    s->certified.sans = list(s->san, text);
}

static void token(struct situation *s, char *text)
{
    signer(&s->token, text);
    s->who.token = &s->token;
}

static void request(struct situation *s, char *text)
{
    s->who.request = s->request;
    signer(&s->request[s->who.requests++ % MANY], text);
}

static void approval(struct situation *s, char *text)
{
    s->who.approval = s->approval;
    signer(&s->approval[s->who.approvals++ % MANY], text);
}

static void consent(struct situation *s, char *text)
{
    s->who.consent_sha256 = s->consent;
    key(s->consent[s->who.consents++ % MANY], text);
}

static void vendor(struct situation *s, char *text)
{
    s->vault.vendor = pl_span_str(text);
    s->who.vault = &s->vault;
}

static void labels(struct situation *s, char *text)
{
    s->vault.labels_known = true;
    s->vault.label = s->label;
    s->vault.labels = list(s->label, text);
    s->who.vault = &s->vault;
}

static void changes(struct situation *s, char *text) { s->changes = (uint32_t)number(text); }

static void narrows(struct situation *s, char *text) { s->narrows = text[0] == '1'; }

/* INDEX,IS,MAYBE of one quota; those not told have room for everybody. */
static void room(struct situation *s, char *text)
{
    char *part[MANY];
    if (cut(text, ',', part) != 3 || number(part[0]) >= PL_POLICY_QUOTAS)
        bad(text);
    s->room_is[number(part[0])] = strtoull(part[1], NULL, 10);
    s->room_maybe[number(part[0])] = strtoull(part[2], NULL, 10);
}

static const struct {
    const char *name;
    void (*read)(struct situation *, char *);
} words[] = {{"op", op},           {"now", now},         {"key", client},    {"ca", ca},
             {"san", san},         {"claims", claims},   {"token", token},   {"req", request},
             {"app", approval},    {"grant", consent},   {"vendor", vendor}, {"labels", labels},
             {"changes", changes}, {"narrows", narrows}, {"room", room}};

static void word(struct situation *s, char *text)
{
    char *value = strchr(text, '=');
    if (!value)
        bad(text);
    *value++ = '\0';
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(words[i].name, text) == 0) {
            words[i].read(s, value);
            return;
        }
    }
    bad(text);
}

/* ---- Its decision --------------------------------------------------------------------------- */

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

static void decide(const struct situation *s)
{
    struct pl_facts f;
    pl_policy_facts(&f, policy, &s->who);
    f.op = s->op;
    f.changes = s->changes;
    f.narrows = s->narrows;
    memcpy(f.room_is, s->room_is, sizeof(f.room_is));
    memcpy(f.room_maybe, s->room_maybe, sizeof(f.room_maybe));
    struct pl_trace t;
    struct pl_decision traced = pl_policy_evaluate(policy, &f, &t);
    struct pl_decision d = pl_policy_evaluate(policy, &f, NULL);
    if (!adds_up(&traced, &t) || d.verdict != traced.verdict || d.value != traced.value ||
        d.rule != traced.rule || d.charged != traced.charged) {
        fprintf(stderr, "explanation and verdict differ\n");
        exit(3);
    }
    say("%c%c ", d.verdict == PL_ALLOW ? 'A' : 'D', values[d.value]);
    say_principal(d.charged);
    say(" %s", d.rule ? d.rule : "-");
}

static void situation(char *text)
{
    if (!policy)
        bad("no policy");
    memset(&now_at, 0, sizeof(now_at));
    memset(now_at.room_is, 0xff, sizeof(now_at.room_is));
    now_at.who.now = PL_TIME_UNKNOWN;
    char *rest;
    for (char *at = strtok_r(text, " ", &rest); at; at = strtok_r(NULL, " ", &rest))
        word(&now_at, at);
    decide(&now_at);
}

static void quota(char *text)
{
    char *rest, *most = strtok_r(text, " ", &rest), *per = strtok_r(NULL, " ", &rest), *part[MANY];
    struct pl_quota q = {.max = (uint32_t)number(most), .per_s = (uint32_t)number(per)};
    struct pl_quota_use use = {0};
    for (char *at = strtok_r(NULL, " ", &rest); at; at = strtok_r(NULL, " ", &rest)) {
        if (cut(at, ',', part) != 2)
            bad(at);
        struct pl_interval when = {number(part[0]), number(part[1])};
        enum pl_tri has = pl_quota_room(&q, &use, when);
        if (has == PL_TRUE)
            pl_quota_charge(&q, &use, when);
        say("%c", values[has]);
    }
}

static void answer_to(char *line)
{
    answered = 0;
    answer[0] = '\0';
    if (line[0] == 'P')
        load(line + 2);
    else if (line[0] == 'C')
        compare(line + 2);
    else if (line[0] == 'Q')
        quota(line + 2);
    else
        situation(line + 2);
}

static int check(FILE *f, char *line, int bytes)
{
    while (fgets(line, bytes, f)) {
        line[strcspn(line, "\n")] = '\0';
        char *want = strchr(line, '\t');
        if (!want)
            bad(line);
        *want++ = '\0';
        answer_to(line);
        if (strncmp(answer, want, strlen(want)) != 0)
            return 1;
    }
    return 0;
}

static void serve(char *line, int bytes)
{
    while (fgets(line, bytes, stdin)) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] == '.') {
            fflush(stdout);
            continue;
        }
        answer_to(line);
        puts(answer);
    }
}

int main(int argc, char **argv)
{
    static char line[PL_POLICY_BYTES + 4096];
    if (pl_crypto_new(&crypto) != PL_OK)
        return 2;
    int status = 0;
    FILE *f = argc == 3 ? fopen(argv[2], "r") : NULL;
    if (f)
        status = check(f, line, sizeof(line));
    else
        serve(line, sizeof(line));
    pl_policy_free(policy);
    pl_crypto_free(crypto);
    return status;
}
