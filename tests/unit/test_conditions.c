/* Principals of every kind, and conditions, guards and quotas over what they signed. */
#include "test.h"
#include "policy/policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct pl_crypto *c;

__attribute__((constructor)) static void open_crypto(void)
{
    if (pl_crypto_new(&c) != PL_OK)
        c = NULL;
}

__attribute__((destructor)) static void close_crypto(void) { pl_crypto_free(c); }

#define HEX(b) b b b b b b b b b b b b b b b b b b b b b b b b b b b b b b b b
#define KEY(b) "{'kind':'key','spki_sha256':'" HEX(b) "'}"
#define COSE                                                                                       \
    "pQECAyYgASFYIAWq0VxNLuszGZll9zcTLCVUmkYMf5hGn0dFWknb-agiIlgg3NAfvqd88eYChD1iQaR4_sqDT1-"      \
    "kbYubZ-F2OziN1Ck"
#define OTHER        "pAEBAycgBiFYIPfl7XQwPC_UiPq-NlRwoyLY7RRKoh3SDnJaj_UBU3so"
#define SITE         "'rp_id':'vault.example','origins':['https://vault.example','https://a.vault.example']"
#define PASSKEY      "{'kind':'passkey'," SITE ",'credential_id':'Y3JlZA','public_key':'" COSE "'}"
#define OIDC(sub)    "{'kind':'oidc','issuer':'https://id','sub':'" sub "'}"
#define ROLES        "{'kind':'oidc','issuer':'https://id','roles':['ops','prod']}"
#define FLEET        "{'kind':'key','ca_sha256':'" HEX("ca") "','san':'dns:ci.example'}"
#define PROGRAM      "{'mrenclave':['" HEX("aa") "']}"
#define PROFILE      "{'tee':'sim-sgx','measurements':" PROGRAM ",'platforms':'any'}"
#define RULE         "{'id':'use','allow':['sign','describe'],'to':['*']"
#define IS(name, it) "'" name "':" it

/* The parts of a policy that a test may replace. */
struct parts {
    const char *owner, *more, *when, *rest;
};
#define SOME     IS("ann", PASSKEY) "," IS("ben", OIDC("ben")) "," IS("cem", OIDC("cem"))
#define MANAGERS IS("managers", "{" SOME "," IS("dan", KEY("d4")) "}")
#define APPS     "'apps':{'one':{'kind':'tee','profiles':['p']}}"
#define SERVERS  IS("ci", KEY("c1")) "," IS("fleet", FLEET) "," IS("ops", ROLES)
#define CLIENTS  IS("clients", "{" SERVERS "}")
static const struct parts usual = {
    .owner = IS("me", KEY("11")),
    .more = MANAGERS "," APPS "," CLIENTS ",'platforms':{" IS("dep", KEY("d7")) "}",
    .when = "{'time':{'days':'mon-sun'}}",
    .rest = "",
};

/* Static; ' stands for ". */
static const char *text_of(const struct parts *p)
{
    static char out[16384];
    snprintf(out, sizeof(out),
             "{'pleiad_policy':1,'salt':'AAAAAAAAAAAAAAAAAAAAAA','principals':{'owner':{%s},%s},"
             "'profiles':{'p':" PROFILE "},'operations':[" RULE ",'when':%s}]%s}",
             p->owner, p->more, p->when, p->rest);
    for (char *at = out; *at; at++)
        *at = *at == '\'' ? '"' : *at;
    return out;
}

static struct pl_policy *load(const struct parts *parts)
{
    struct pl_policy *p;
    struct pl_refusal why;
    if (!CHECK_OK(pl_policy_load(&p, c, pl_span_str(text_of(parts)), &why)))
        printf("# %s: %s\n", why.pointer, why.text);
    return p;
}

static struct pl_policy *load_when(const char *when)
{
    struct parts parts = usual;
    parts.when = when;
    return load(&parts);
}

static struct pl_policy *load_rest(const char *rest)
{
    struct parts parts = usual;
    parts.rest = rest;
    return load(&parts);
}

/* ---- Callers -------------------------------------------------------------------------------- */

enum { NOW = 1767600000 };
static const struct pl_interval at_now = {NOW, NOW};

static uint64_t bit_of(const struct pl_policy *p, const char *name)
{
    for (size_t i = 0; i < pl_policy_principals(p); i++) {
        if (strcmp(pl_policy_principal(p, i)->name, name) == 0)
            return UINT64_C(1) << i;
    }
    return 0;
}

static struct pl_signer jws(int byte, int64_t iat_s)
{
    struct pl_signer s = {.form = PL_PROOF_JWS, .iat_s = iat_s};
    memset(s.authenticator, byte, 32);
    memset(s.issuer, byte, 32);
    return s;
}

static struct pl_signer passkey(const struct pl_policy *p, int64_t iat_s)
{
    struct pl_signer s = {.form = PL_PROOF_PASSKEY,
                          .credential_id = PL_LIT("cred"),
                          .origin = PL_LIT("https://a.vault.example"),
                          .iat_s = iat_s};
    CHECK_OK(pl_sha256_one(c, s.rp_id_sha256, PL_LIT("vault.example")));
    for (size_t i = 0; i < pl_policy_principals(p); i++) {
        if (pl_policy_principal(p, i)->kind == PL_KIND_PASSKEY)
            memcpy(s.authenticator, pl_policy_principal(p, i)->spki_sha256, 32);
    }
    memcpy(s.issuer, s.authenticator, 32);
    return s;
}

/* Subjects are told apart by their first byte. */
static struct pl_signer oidc(const char *sub, int64_t iat_s)
{
    struct pl_signer s = {.form = PL_PROOF_OIDC,
                          .iss = PL_LIT("https://id"),
                          .sub = pl_span_str(sub),
                          .auth_time_s = iat_s,
                          .iat_s = iat_s};
    memset(s.authenticator, sub[0], 32);
    memset(s.issuer, 'i', 32);
    return s;
}

static struct pl_facts facts_of(const struct pl_policy *p, const struct pl_caller *who,
                                enum pl_op op)
{
    struct pl_facts f;
    pl_policy_facts(&f, p, who);
    f.op = op;
    return f;
}

static enum pl_tri decide(const struct pl_policy *p, const struct pl_caller *who, enum pl_op op)
{
    struct pl_facts f = facts_of(p, who, op);
    struct pl_trace trace;
    struct pl_decision d = pl_policy_evaluate(p, &f, &trace);
    CHECK(pl_policy_evaluate(p, &f, NULL).value == d.value);
    return d.value;
}

static uint64_t who_signed(const struct pl_policy *p, const struct pl_signer *s)
{
    struct pl_caller who = {.request = s, .requests = 1, .now = at_now};
    return facts_of(p, &who, PL_OP_NONE).is;
}

/* ---- Who ------------------------------------------------------------------------------------ */

TEST(a_passkey_is_its_key_credential_site_and_origin)
{
    struct pl_policy *p = load(&usual);
    NEED(p != NULL);
    struct pl_signer good = passkey(p, NOW), s = good;
    CHECK(who_signed(p, &s) == bit_of(p, "ann"));
    s.authenticator[5] ^= 1;
    CHECK(who_signed(p, &s) == 0);
    s = good;
    s.rp_id_sha256[31] ^= 1;
    CHECK(who_signed(p, &s) == 0);
    s = good;
    s.credential_id = PL_LIT("creb");
    CHECK(who_signed(p, &s) == 0);
    s.credential_id = PL_LIT("cre");
    CHECK(who_signed(p, &s) == 0);
    s = good;
    s.origin = PL_LIT("https://vault.example.evil");
    CHECK(who_signed(p, &s) == 0);
    s.origin = PL_LIT("vault.example"); /* the rp_id is no origin */
    CHECK(who_signed(p, &s) == 0);
    s = good;
    s.form = PL_PROOF_JWS; /* the same key, not through an authenticator */
    CHECK(who_signed(p, &s) == 0);
    pl_policy_free(p);
}

TEST(a_token_is_its_subject_or_all_of_the_roles)
{
    struct pl_policy *p = load(&usual);
    NEED(p != NULL);
    struct pl_signer s = oidc("ben", NOW);
    CHECK(who_signed(p, &s) == bit_of(p, "ben"));
    s.iss = PL_LIT("https://id.evil");
    CHECK(who_signed(p, &s) == 0);
    s = oidc("eve", NOW);
    s.role[0] = PL_LIT("prod");
    s.roles = 1;
    CHECK(who_signed(p, &s) == 0);
    s.role[1] = PL_LIT("ops");
    s.roles = 2;
    CHECK(who_signed(p, &s) == bit_of(p, "ops"));
    s.bare = true; /* no principal here says bare_bearer */
    CHECK(who_signed(p, &s) == 0);
    s.bare = false;
    s.form = PL_PROOF_NONE;
    CHECK(who_signed(p, &s) == 0);
    pl_policy_free(p);
}

TEST(a_bare_token_describes_and_reads_only)
{
    struct parts parts = usual;
    parts.more = "'managers':{'ben':{'kind':'oidc','issuer':'https://id','sub':'ben',"
                 "'bare_bearer':true},'cem':" OIDC("cem") "}";
    struct pl_policy *p = load(&parts);
    NEED(p != NULL);
    struct pl_signer token = oidc("ben", NOW);
    struct pl_caller who = {.token = &token, .now = at_now};
    CHECK(decide(p, &who, PL_OP_SIGN) == PL_TRUE); /* bound to the connection */
    token.bare = true;
    CHECK(decide(p, &who, PL_OP_SIGN) == PL_FALSE);
    CHECK(decide(p, &who, PL_OP_DESCRIBE) == PL_TRUE);
    for (unsigned op = 1; op < PL_OP_COUNT; op++)
        CHECK(op == PL_OP_DESCRIBE || decide(p, &who, (enum pl_op)op) == PL_FALSE);
    token = oidc("cem", NOW); /* not said of him */
    token.bare = true;
    CHECK(decide(p, &who, PL_OP_DESCRIBE) == PL_FALSE);
    pl_policy_free(p);
}

TEST(a_certificate_counts_with_its_ca_and_its_name)
{
    struct pl_policy *p = load(&usual);
    NEED(p != NULL);
    uint8_t key[32] = {7}, ca[2][32];
    memset(ca, 0xca, sizeof(ca));
    ca[0][0] = 0;
    struct pl_span san[2] = {PL_LIT("dns:other"), PL_LIT("dns:ci.example")};
    struct pl_certified cert = {.ca_sha256 = ca, .cas = 2, .san = san, .sans = 2};
    struct pl_caller who = {.client_spki_sha256 = key, .certified = &cert, .now = at_now};
    CHECK(facts_of(p, &who, PL_OP_NONE).is == bit_of(p, "fleet"));
    cert.sans = 1;
    CHECK(facts_of(p, &who, PL_OP_NONE).is == 0);
    cert.sans = 2;
    cert.cas = 1;
    CHECK(facts_of(p, &who, PL_OP_NONE).is == 0);
    struct pl_signer s = jws(0xca, NOW); /* the CA's own key is nobody */
    CHECK(who_signed(p, &s) == 0);
    pl_policy_free(p);
}

/* ---- Approvals ------------------------------------------------------------------------------ */

#define TWO_OF_MANAGERS "{'approvals':{'of':['managers/*'],'at_least':2,'fresh_for':'5m'}}"

/* ci asks, with these approvals. */
static enum pl_tri approved(const struct pl_policy *p, const struct pl_signer *s, size_t n,
                            struct pl_interval now)
{
    uint8_t ci[32];
    memset(ci, 0xc1, 32);
    struct pl_caller who = {.client_spki_sha256 = ci, .approval = s, .approvals = n, .now = now};
    return decide(p, &who, PL_OP_SIGN);
}

TEST(approvals_are_counted_by_authenticator_and_issuer)
{
    struct pl_policy *p = load_when(TWO_OF_MANAGERS);
    NEED(p != NULL);
    struct pl_signer ann = passkey(p, NOW), ben = oidc("ben", NOW), cem = oidc("cem", NOW),
                     dan = jws(0xd4, NOW), eve = jws(0xee, NOW);
    CHECK(approved(p, NULL, 0, at_now) == PL_FALSE);
    CHECK(approved(p, (struct pl_signer[]){ann, dan}, 2, at_now) == PL_TRUE);
    CHECK(approved(p, (struct pl_signer[]){ann, ann}, 2, at_now) == PL_FALSE);
    CHECK(approved(p, (struct pl_signer[]){ann, eve}, 2, at_now) == PL_FALSE);
    CHECK(approved(p, (struct pl_signer[]){ben, cem}, 2, at_now) == PL_FALSE); /* one issuer */
    CHECK(approved(p, (struct pl_signer[]){ben, cem, dan}, 3, at_now) == PL_TRUE);
    struct pl_caller who = {.approval = &dan, .approvals = 1, .now = at_now};
    CHECK(facts_of(p, &who, PL_OP_NONE).is == 0); /* nobody's principal by it */
    pl_policy_free(p);
    p = load_when("{'approvals':{'of':['managers/*'],'at_least':2,'fresh_for':'5m',"
                  "'per_issuer':2}}");
    NEED(p != NULL);
    CHECK(approved(p, (struct pl_signer[]){ben, cem}, 2, at_now) == PL_TRUE);
    CHECK(approved(p, (struct pl_signer[]){ben, ben}, 2, at_now) == PL_FALSE);
    pl_policy_free(p);
}

TEST(approvals_age)
{
    struct pl_policy *p =
        load_when("{'approvals':{'of':['managers/dan'],'at_least':1,'fresh_for':'5m'}}");
    NEED(p != NULL);
    struct pl_signer dan = jws(0xd4, NOW - 300);
    CHECK(approved(p, &dan, 1, at_now) == PL_TRUE);
    CHECK(approved(p, &dan, 1, (struct pl_interval){NOW, NOW + 1}) == PL_UNKNOWN);
    CHECK(approved(p, &dan, 1, (struct pl_interval){NOW + 1, NOW + 1}) == PL_FALSE);
    CHECK(approved(p, &dan, 1, PL_TIME_UNKNOWN) == PL_UNKNOWN);
    CHECK(approved(p, &dan, 1, (struct pl_interval){NOW, NOW - 1}) == PL_UNKNOWN);
    dan.iat_s = INT64_MAX;
    CHECK(approved(p, &dan, 1, PL_TIME_UNKNOWN) == PL_UNKNOWN);
    struct pl_signer twice[2] = {jws(0xd4, NOW - 900), jws(0xd4, NOW)}; /* an old one, a new one */
    CHECK(approved(p, twice, 2, at_now) == PL_TRUE);
    pl_policy_free(p);
}

TEST(nobody_approves_himself)
{
    const char *when = "{'approvals':{'of':['managers/*'],'at_least':1,'fresh_for':'5m'%s}}";
    for (int self = 0; self < 2; self++) {
        char text[256];
        snprintf(text, sizeof(text), when, self ? ",'self':true" : "");
        struct pl_policy *p = load_when(text);
        NEED(p != NULL);
        enum pl_tri want = self ? PL_TRUE : PL_FALSE;
        uint8_t key[32];
        memset(key, 0xd4, 32);
        struct pl_signer dan = jws(0xd4, NOW), ben = oidc("ben", NOW), ann = passkey(p, NOW);
        struct pl_caller who = {
            .client_spki_sha256 = key, .approval = &dan, .approvals = 1, .now = at_now};
        CHECK(decide(p, &who, PL_OP_SIGN) == want); /* his connection */
        key[0] = 0;
        who.approval = who.request = &ann;
        who.requests = 1;
        CHECK(decide(p, &who, PL_OP_SIGN) == want); /* his request, over another's connection */
        who = (struct pl_caller){.token = &ben, .approval = &ben, .approvals = 1, .now = at_now};
        CHECK(decide(p, &who, PL_OP_SIGN) == want); /* his token */
        pl_policy_free(p);
    }
}

/* ---- The other conditions ------------------------------------------------------------------- */

TEST(a_step_is_a_fresh_proof_of_a_principal_for_this_act)
{
    struct pl_policy *p = load_when("{'step_up':{'fresh_for':'1m','amr':['otp','hwk']}}");
    NEED(p != NULL);
    struct pl_signer ann = passkey(p, NOW - 60), ben = oidc("ben", NOW);
    struct pl_caller who = {.request = &ann, .requests = 1, .now = at_now};
    CHECK(decide(p, &who, PL_OP_SIGN) == PL_TRUE);
    who.now = (struct pl_interval){NOW + 1, NOW + 1};
    CHECK(decide(p, &who, PL_OP_SIGN) == PL_FALSE);
    who.now = PL_TIME_UNKNOWN;
    CHECK(decide(p, &who, PL_OP_SIGN) == PL_UNKNOWN);
    who.now = at_now;
    struct pl_signer both[2] = {jws(0xc1, NOW), ann}; /* ci is allowed; the step is made by */
    both[1].authenticator[0] ^= 1;                    /* a passkey of nobody */
    who = (struct pl_caller){.request = both, .requests = 2, .now = at_now};
    CHECK(decide(p, &who, PL_OP_SIGN) == PL_FALSE);
    both[1].authenticator[0] ^= 1;
    CHECK(decide(p, &who, PL_OP_SIGN) == PL_TRUE);
    who = (struct pl_caller){.request = &ben, .requests = 1, .now = at_now};
    CHECK(decide(p, &who, PL_OP_SIGN) == PL_FALSE); /* no amr */
    ben.amr[0] = PL_LIT("hwk");
    ben.amrs = 1;
    CHECK(decide(p, &who, PL_OP_SIGN) == PL_TRUE);
    ben.auth_time_s = NOW - 61;
    CHECK(decide(p, &who, PL_OP_SIGN) == PL_FALSE);
    ben.auth_time_s = INT64_MIN;
    CHECK(decide(p, &who, PL_OP_SIGN) == PL_FALSE);
    ben.auth_time_s = NOW;
    who = (struct pl_caller){.token = &ben, .now = at_now}; /* bound to no act */
    CHECK(decide(p, &who, PL_OP_SIGN) == PL_FALSE);
    pl_policy_free(p);
}

TEST(a_role_is_of_the_key_or_of_an_issuer)
{
    struct pl_policy *p = load_when("{'role':{'of':['owner','managers']}}");
    NEED(p != NULL);
    struct pl_signer ben = oidc("ben", NOW), ci = jws(0xc1, NOW);
    struct pl_caller who = {.token = &ben, .now = at_now};
    CHECK(decide(p, &who, PL_OP_SIGN) == PL_TRUE);
    who = (struct pl_caller){.request = &ci, .requests = 1, .now = at_now};
    CHECK(decide(p, &who, PL_OP_SIGN) == PL_FALSE);
    pl_policy_free(p);
    p = load_when("{'role':{'oidc':['a','b'],'issuer':'https://id'}}");
    NEED(p != NULL);
    who = (struct pl_caller){.token = &ben, .now = at_now};
    CHECK(decide(p, &who, PL_OP_SIGN) == PL_FALSE);
    ben.role[0] = PL_LIT("b");
    ben.roles = 1;
    CHECK(decide(p, &who, PL_OP_SIGN) == PL_TRUE);
    struct pl_signer bare = ben;
    bare.bare = true;
    who.token = &bare;
    who.request = &ci;
    who.requests = 1;
    CHECK(decide(p, &who, PL_OP_DESCRIBE) == PL_FALSE);
    ben.iss = PL_LIT("https://id.evil");
    who.token = &ben;
    CHECK(decide(p, &who, PL_OP_SIGN) == PL_FALSE);
    pl_policy_free(p);
}

TEST(what_a_vault_does_not_know_of_itself_is_unknown)
{
    struct pl_policy *p = load_when("{'not':{'vault':{'vendor':'amd','label':'site=a'}}}");
    NEED(p != NULL);
    struct pl_signer ci = jws(0xc1, NOW);
    struct pl_span labels[2] = {PL_LIT("site=b"), PL_LIT("site=a")};
    struct pl_vault_facts vault = {.label = labels, .labels = 2};
    struct pl_caller who = {.request = &ci, .requests = 1, .now = at_now};
    CHECK(decide(p, &who, PL_OP_SIGN) == PL_UNKNOWN);
    who.vault = &vault;
    CHECK(decide(p, &who, PL_OP_SIGN) == PL_UNKNOWN);
    vault.labels_known = true;
    CHECK(decide(p, &who, PL_OP_SIGN) == PL_UNKNOWN);
    vault.vendor = PL_LIT("amd");
    CHECK(decide(p, &who, PL_OP_SIGN) == PL_FALSE);
    vault.labels = 1; /* one part is enough to be another */
    CHECK(decide(p, &who, PL_OP_SIGN) == PL_TRUE);
    vault.labels_known = false;
    vault.vendor = PL_LIT("intel");
    CHECK(decide(p, &who, PL_OP_SIGN) == PL_TRUE);
    pl_policy_free(p);
}

/* ---- Guards --------------------------------------------------------------------------------- */

#define GUARD "{'by':['owner/*'],'approvals':{'of':['managers/*'],'at_least':2,'fresh_for':'10m'}}"

TEST(a_guard_is_its_owners_and_its_approvals)
{
    struct pl_policy *p = load_rest(",'mutability':{'profiles':" GUARD ",'narrow':{'by':["
                                    "'managers/*']}}");
    NEED(p != NULL);
    struct pl_signer me = jws(0x11, NOW), two[2] = {passkey(p, NOW), jws(0xd4, NOW)};
    struct pl_caller who = {.request = &me, .requests = 1, .now = at_now};
    static const enum pl_op strict[] = {PL_OP_PROMOTE, PL_OP_UNFREEZE, PL_OP_DELETE};
    for (size_t i = 0; i < 3; i++) {
        who.approvals = 0;
        CHECK(decide(p, &who, strict[i]) == PL_FALSE);
        who.approval = two;
        who.approvals = 1;
        CHECK(decide(p, &who, strict[i]) == PL_FALSE);
        who.approvals = 2;
        CHECK(decide(p, &who, strict[i]) == PL_TRUE);
        struct pl_caller others = who;
        others.requests = 0;
        CHECK(decide(p, &others, strict[i]) == PL_FALSE);
    }
    CHECK(decide(p, &who, PL_OP_FREEZE) == PL_FALSE); /* narrow does not name the owner */
    struct pl_facts f = facts_of(p, &who, PL_OP_UPDATE_POLICY);
    f.changes = 1u << PL_GUARD_PROFILES;
    CHECK(pl_policy_evaluate(p, &f, NULL).verdict == PL_ALLOW);
    f.changes |= 1u << PL_GUARD_OPERATIONS; /* not listed: immutable */
    CHECK(pl_policy_evaluate(p, &f, NULL).verdict == PL_DENY);
    f.narrows = true;
    CHECK(pl_policy_evaluate(p, &f, NULL).verdict == PL_DENY);
    f.is |= bit_of(p, "dan");
    CHECK(pl_policy_evaluate(p, &f, NULL).verdict == PL_ALLOW);
    for (unsigned g = PL_GUARD_NONE; g < 3; g++) { /* of these nothing is ever only taken away */
        static const enum pl_guard kept[3] = {PL_GUARD_OWNER, PL_GUARD_OWNER_QUORUM,
                                              PL_GUARD_MUTABILITY};
        f.changes = 1u << kept[g];
        CHECK(pl_policy_evaluate(p, &f, NULL).verdict == PL_DENY);
    }
    f.changes = 0;
    CHECK(pl_policy_evaluate(p, &f, NULL).verdict == PL_DENY);
    pl_policy_free(p);
}

TEST(absent_guards_ask_for_the_most_of_the_document)
{
    struct parts parts = usual;
    parts.when = "{'any':[" TWO_OF_MANAGERS ",{'approvals':{'of':['managers/dan'],'at_least':1,"
                 "'fresh_for':'5m'}}]}";
    struct pl_policy *p = load(&parts);
    NEED(p != NULL);
    struct pl_signer me = jws(0x11, NOW), two[2] = {jws(0xd4, NOW), passkey(p, NOW)};
    struct pl_caller who = {
        .request = &me, .requests = 1, .approval = two, .approvals = 1, .now = at_now};
    CHECK(decide(p, &who, PL_OP_SIGN) == PL_TRUE);
    CHECK(decide(p, &who, PL_OP_DELETE) == PL_FALSE && decide(p, &who, PL_OP_UNFREEZE) == PL_FALSE);
    CHECK(decide(p, &who, PL_OP_FREEZE) == PL_TRUE);
    who.approvals = 2;
    CHECK(decide(p, &who, PL_OP_DELETE) == PL_TRUE && decide(p, &who, PL_OP_UNFREEZE) == PL_TRUE);
    pl_policy_free(p);
}

TEST(owners_agree_by_request_and_by_approval_never_by_approval_alone)
{
    struct parts parts = usual;
    parts.owner = "'me':" KEY("11") ",'you':" KEY("22") ",'third':" KEY("33");
    parts.rest = ",'owner_quorum':2";
    struct pl_policy *p = load(&parts);
    NEED(p != NULL);
    struct pl_signer me = jws(0x11, NOW), s[2] = {jws(0x22, NOW), jws(0x33, NOW)};
    struct pl_caller who = {.request = &me, .requests = 1, .now = at_now};
    CHECK(decide(p, &who, PL_OP_DELETE) == PL_FALSE && decide(p, &who, PL_OP_CREATE) == PL_FALSE);
    who.approval = s;
    who.approvals = 1;
    CHECK(decide(p, &who, PL_OP_DELETE) == PL_TRUE && decide(p, &who, PL_OP_CREATE) == PL_TRUE);
    who.approval = &me; /* himself once more */
    CHECK(decide(p, &who, PL_OP_DELETE) == PL_FALSE);
    who = (struct pl_caller){.approval = s, .approvals = 2, .now = at_now};
    CHECK(decide(p, &who, PL_OP_DELETE) == PL_FALSE && decide(p, &who, PL_OP_CREATE) == PL_FALSE);
    CHECK(facts_of(p, &who, PL_OP_DELETE).is == 0);
    pl_policy_free(p);
}

TEST(a_sealed_policy_changes_by_nothing)
{
    struct pl_policy *p = load_rest(",'lifecycle':{'sealed':true}");
    NEED(p != NULL);
    struct pl_signer me = jws(0x11, NOW);
    struct pl_caller who = {.request = &me, .requests = 1, .now = at_now};
    struct pl_facts f = facts_of(p, &who, PL_OP_UPDATE_POLICY);
    f.narrows = true;
    f.changes = 1u << PL_GUARD_PROFILES;
    CHECK(pl_policy_evaluate(p, &f, NULL).verdict == PL_DENY);
    CHECK(decide(p, &who, PL_OP_RETIRE) == PL_FALSE);
    CHECK(decide(p, &who, PL_OP_FREEZE) == PL_TRUE);
    pl_policy_free(p);
}

TEST(staging_is_for_those_it_names)
{
    struct pl_policy *p = load_rest(",'staging':{'by':['platforms/dep','clients/ci']}");
    NEED(p != NULL);
    struct pl_signer dep = jws(0xd7, NOW), ci = jws(0xc1, NOW), me = jws(0x11, NOW);
    struct pl_caller who = {.request = &dep, .requests = 1, .now = at_now};
    CHECK(decide(p, &who, PL_OP_STAGE) == PL_TRUE && decide(p, &who, PL_OP_PROMOTE) == PL_FALSE);
    CHECK(decide(p, &who, PL_OP_SIGN) == PL_FALSE);
    who.request = &ci;
    CHECK(decide(p, &who, PL_OP_STAGE) == PL_TRUE);
    who.request = &me;
    CHECK(decide(p, &who, PL_OP_STAGE) == PL_FALSE);
    pl_policy_free(p);
}

/* ---- Quotas --------------------------------------------------------------------------------- */

TEST(a_quota_of_principals_is_charged_to_one_with_room)
{
    struct pl_policy *p =
        load_rest(",'quotas':[{'id':'q','ops':['sign'],'max':2,'per':'1h','by':'principal'}]");
    NEED(p != NULL);
    struct pl_signer both[2] = {jws(0xc1, NOW), oidc("ben", NOW)};
    struct pl_caller who = {.request = both, .requests = 2, .now = at_now};
    struct pl_facts f = facts_of(p, &who, PL_OP_SIGN);
    uint64_t ci = bit_of(p, "ci"), ben = bit_of(p, "ben");
    CHECK(pl_policy_evaluate(p, &f, NULL).value == PL_UNKNOWN); /* not told yet */
    memset(f.room_maybe, 0, sizeof(f.room_maybe));
    CHECK(pl_policy_evaluate(p, &f, NULL).value == PL_FALSE);
    f.room_is[0] = ci | ben;
    CHECK(pl_policy_evaluate(p, &f, NULL).charged == (ci < ben ? ci : ben));
    f.room_is[0] = ben;
    CHECK(pl_policy_evaluate(p, &f, NULL).charged == ben);
    f.is = ci; /* withholding ben is no way out */
    CHECK(pl_policy_evaluate(p, &f, NULL).verdict == PL_DENY);
    f.op = PL_OP_DESCRIBE; /* not counted */
    CHECK(pl_policy_evaluate(p, &f, NULL).verdict == PL_ALLOW);
    pl_policy_free(p);
}

TEST(a_quota_of_the_key_denies)
{
    struct pl_policy *p =
        load_rest(",'quotas':[{'id':'q','ops':['sign'],'max':2,'per':'1h','by':'key'}]");
    NEED(p != NULL);
    struct pl_signer ci = jws(0xc1, NOW);
    struct pl_caller who = {.request = &ci, .requests = 1, .now = at_now};
    struct pl_facts f = facts_of(p, &who, PL_OP_SIGN);
    struct pl_decision d = pl_policy_evaluate(p, &f, NULL);
    CHECK(d.value == PL_UNKNOWN && d.basis == PL_BASIS_QUOTA && strcmp(d.rule, "q") == 0);
    memset(f.room_maybe, 0, sizeof(f.room_maybe));
    CHECK(pl_policy_evaluate(p, &f, NULL).value == PL_FALSE);
    f.room_is[0] = UINT64_MAX;
    d = pl_policy_evaluate(p, &f, NULL);
    CHECK(d.verdict == PL_ALLOW && d.basis == PL_BASIS_RULE && d.charged == bit_of(p, "ci"));
    pl_policy_free(p);
}

TEST(a_window_begins_with_its_first_use_and_ends_for_certain)
{
    struct pl_quota q = {.max = 2, .per_s = 60};
    struct pl_quota_use use = {0};
    struct pl_interval now = {NOW - 5, NOW + 5};
    CHECK(pl_quota_room(&q, &use, PL_TIME_UNKNOWN) == PL_UNKNOWN);
    CHECK(pl_quota_room(&q, &use, now) == PL_TRUE);
    pl_quota_charge(&q, &use, now);
    CHECK(use.begin_s == NOW + 5 && use.used == 1);
    CHECK(pl_quota_room(&q, &use, PL_TIME_UNKNOWN) == PL_TRUE);
    pl_quota_charge(&q, &use, PL_TIME_UNKNOWN);
    CHECK(use.begin_s == NOW + 5 && use.used == 2);
    CHECK(pl_quota_room(&q, &use, now) == PL_FALSE);
    CHECK(pl_quota_room(&q, &use, PL_TIME_UNKNOWN) == PL_UNKNOWN);
    now = (struct pl_interval){NOW + 64, NOW + 65};
    CHECK(pl_quota_room(&q, &use, now) == PL_UNKNOWN);
    now = (struct pl_interval){NOW + 65, NOW + 75};
    CHECK(pl_quota_room(&q, &use, now) == PL_TRUE);
    pl_quota_charge(&q, &use, now);
    CHECK(use.begin_s == NOW + 75 && use.used == 1);
    use = (struct pl_quota_use){.begin_s = INT64_MAX - 1, .used = 2};
    CHECK(pl_quota_room(&q, &use, now) == PL_FALSE);
}

/* ---- What does not load --------------------------------------------------------------------- */

/* Each replaces one part: o its owners, m the other groups, w `when`, r the rest. */
static const struct {
    char part;
    const char *text, *code, *pointer, *word;
} refusals[] = {
    {'m', "'managers':{'x':{'kind':'key'}}", "JSON_MISSING", "/principals/managers/x",
     "spki_sha256, or else ca_sha256"},
    {'m', "'managers':{'x':{'kind':'oidc','issuer':'i'}}", "JSON_MISSING", "/principals/managers/x",
     "sub, or else roles"},
    {'m', "'managers':{'x':{'kind':'oidc','sub':'i'}}", "JSON_MISSING", "/principals/managers/x",
     "issuer"},
    {'m', "'managers':{'x':{'kind':'oidc','issuer':'i','sub':'s','roles':['r']}}", "JSON_UNKNOWN",
     "/principals/managers/x/roles", "issuer, sub, bare_bearer"},
    {'m', "'managers':{'x':{'kind':'oidc','issuer':'i','roles':[]}}", "POLICY_VALUE",
     "/principals/managers/x/roles", "empty"},
    {'m', "'managers':{'x':{'kind':'oidc','issuer':'','sub':'s'}}", "POLICY_VALUE",
     "/principals/managers/x/issuer", "1 to 255"},
    {'m', "'managers':{'x':{'kind':'key','ca_sha256':'" HEX("ca") "','san':'ci.example'}}",
     "POLICY_VALUE", "/principals/managers/x/san", "dns:NAME"},
    {'m', "'managers':{'x':{'kind':'passkey','rp_id':'a','origins':['b'],'public_key':'" COSE "'}}",
     "JSON_MISSING", "/principals/managers/x", "credential_id"},
    {'m',
     "'managers':{'x':{'kind':'passkey','rp_id':'a','origins':[],'credential_id':'AA',"
     "'public_key':'" COSE "'}}",
     "POLICY_VALUE", "/principals/managers/x/origins", "empty"},
    {'m',
     "'managers':{'x':{'kind':'passkey','rp_id':'a','origins':['b'],'credential_id':'',"
     "'public_key':'" COSE "'}}",
     "POLICY_VALUE", "/principals/managers/x/credential_id", "empty"},
    {'m', "'managers':{'x':" PASSKEY "},'auditors':{'y':" PASSKEY "}", "POLICY_TWICE",
     "/principals/managers/x/public_key", "auditors/y"},
    {'m',
     "'managers':{'x':" PASSKEY "},'auditors':{'y':{'kind':'passkey'," SITE
     ",'credential_id':'Y3JlZA','public_key':'" OTHER "'}}",
     "POLICY_TWICE", "/principals/managers/x/rp_id", "auditors/y"},
    {'m', "'managers':{'x':" OIDC("s") "},'auditors':{'y':" OIDC("s") "}", "POLICY_TWICE",
     "/principals/managers/x/sub", "auditors/y"},
    {'m',
     "'managers':{'x':{'kind':'passkey','strict_counter':true," SITE
     ",'credential_id':'Y3JlZA','public_key':'" OTHER "'}}",
     "POLICY_BUILD", "/principals/managers/x/strict_counter", "not kept"},
    {'o', "'me':" KEY("11") ",'x':{'kind':'key','ca_sha256':'" HEX("ca") "','san':'dns:a'}",
     "POLICY_WEAK", "/principals/owner", "owner/x"},
    {'o', "'me':" KEY("11") ",'x':{'kind':'oidc','issuer':'i','roles':['r']}", "POLICY_WEAK",
     "/principals/owner", "owner/x"},
    {'o', "'me':" KEY("11") ",'x':{'kind':'tee','profiles':['p']}", "POLICY_WEAK",
     "/principals/owner", "owner/x"},
    {'w', "{'approvals':{'of':['managers/*'],'at_least':0,'fresh_for':'5m'}}", "POLICY_VALUE",
     "/operations/0/when/approvals/at_least", "1 to 16"},
    {'w', "{'approvals':{'of':['managers/*'],'at_least':17,'fresh_for':'5m'}}", "POLICY_VALUE",
     "/operations/0/when/approvals/at_least", "1 to 16"},
    {'w', "{'approvals':{'of':['managers/*'],'at_least':1,'fresh_for':'5m','per_issuer':0}}",
     "POLICY_VALUE", "/operations/0/when/approvals/per_issuer", "1 to 16"},
    {'w', "{'approvals':{'of':['managers/*'],'at_least':1,'fresh_for':'2h'}}", "POLICY_VALUE",
     "/operations/0/when/approvals/fresh_for", "one hour"},
    {'w', "{'approvals':{'of':['managers/*'],'at_least':1}}", "JSON_MISSING",
     "/operations/0/when/approvals", "fresh_for"},
    {'w', "{'approvals':{'of':['apps/one'],'at_least':1,'fresh_for':'5m'}}", "POLICY_VALUE",
     "/operations/0/when/approvals/of", "apps/one"},
    {'w', "{'approvals':{'of':['clients/fleet'],'at_least':1,'fresh_for':'5m'}}", "POLICY_VALUE",
     "/operations/0/when/approvals/of", "clients/fleet"},
    {'w', "{'approvals':{'of':[],'at_least':1,'fresh_for':'5m'}}", "POLICY_UNUSABLE",
     "/operations/0/when/approvals", "at most 0"},
    {'w', "{'approvals':{'of':['managers/*'],'at_least':4,'fresh_for':'5m'}}", "POLICY_UNUSABLE",
     "/operations/0/when/approvals", "at most 3"}, /* ben and cem have one issuer */
    {'w', "{'approvals':{'of':['managers/*'],'at_least':5,'fresh_for':'5m','per_issuer':9}}",
     "POLICY_UNUSABLE", "/operations/0/when/approvals", "at most 4"},
    {'w', "{'approvals':{'of':['clients/ops'],'at_least':4,'fresh_for':'5m','per_issuer':3}}",
     "POLICY_UNUSABLE", "/operations/0/when/approvals", "at most 3"},
    {'w', "{'approvals':{'of':['managers/*'],'at_least':1,'fresh_for':'5m','from':1}}",
     "JSON_UNKNOWN", "/operations/0/when/approvals/from", "per_issuer"},
    {'w', "{'not':" TWO_OF_MANAGERS "}", "POLICY_VALUE", "/operations/0/when/not/approvals",
     "withhold"},
    {'w', "{'not':{'role':{'of':['owner']}}}", "POLICY_VALUE", "/operations/0/when/not/role",
     "withhold"},
    {'w', "{'not':{'step_up':{'fresh_for':'1m'}}}", "POLICY_VALUE",
     "/operations/0/when/not/step_up", "withhold"},
    {'w', "{'role':{'of':['platforms']}}", "POLICY_VALUE", "/operations/0/when/role/of/0",
     "staging"},
    {'w', "{'role':{'of':['bosses']}}", "POLICY_NAME", "/operations/0/when/role/of/0", "bosses"},
    {'w', "{'role':{'oidc':['a']}}", "JSON_MISSING", "/operations/0/when/role", "issuer"},
    {'w', "{'role':{'issuer':'i','oidc':['a'],'of':['owner']}}", "JSON_MISSING",
     "/operations/0/when/role", "or"},
    {'w', "{'step_up':{'amr':['otp']}}", "JSON_MISSING", "/operations/0/when/step_up", "fresh_for"},
    {'w', "{'step_up':{'fresh_for':'61m'}}", "POLICY_VALUE", "/operations/0/when/step_up/fresh_for",
     "one hour"},
    {'w', "{'vault':{}}", "JSON_MISSING", "/operations/0/when/vault", "vendor or label"},
    {'w', "{'vault':{'vendor':'acme'}}", "POLICY_NAME", "/operations/0/when/vault/vendor", "intel"},
    {'w', "{'vault':{'label':'site'}}", "POLICY_VALUE", "/operations/0/when/vault/label",
     "NAME=VALUE"},
    {'r', ",'quotas':[{'id':'q','ops':['sign'],'max':1,'per':'1h'}]", "JSON_MISSING", "/quotas/0",
     "by"},
    {'r', ",'quotas':[{'id':'q','ops':['delete'],'max':1,'per':'1h','by':'key'}]", "POLICY_VALUE",
     "/quotas/0/ops/0", "delete"},
    {'r', ",'quotas':[{'id':'q','ops':['list'],'max':1,'per':'1h','by':'key'}]", "POLICY_VALUE",
     "/quotas/0/ops/0", "list"},
    {'r', ",'quotas':[{'id':'q','ops':[],'max':1,'per':'1h','by':'key'}]", "POLICY_VALUE",
     "/quotas/0/ops", "no operation"},
    {'r', ",'quotas':[{'id':'q','ops':['sign'],'max':0,'per':'1h','by':'key'}]", "POLICY_VALUE",
     "/quotas/0/max", "deny rule"},
    {'r', ",'quotas':[{'id':'q','ops':['sign'],'max':1,'per':'367d','by':'key'}]", "POLICY_VALUE",
     "/quotas/0/per", "366d"},
    {'r', ",'quotas':[{'id':'q','ops':['sign'],'max':1,'per':'1h','by':'caller'}]", "POLICY_VALUE",
     "/quotas/0/by", "principal"},
    {'r',
     ",'quotas':[{'id':'q','ops':['sign'],'max':1,'per':'1h','by':'key'},"
     "{'id':'q','ops':['mac'],'max':1,'per':'1h','by':'key'}]",
     "POLICY_TWICE", "/quotas/1/id", "`q`"},
    {'r', ",'quotas':[{'id':'q','opts':[]}]", "JSON_UNKNOWN", "/quotas/0/opts", "opts"},
    {'r', ",'staging':{'by':['*']}", "POLICY_WEAK", "/staging/by", "name who"},
    {'r', ",'staging':{'of':['owner/*']}", "JSON_UNKNOWN", "/staging/of", "by"},
    {'r', ",'staging':{'by':['owner/*']},'lifecycle':{'sealed':true}", "POLICY_UNUSABLE",
     "/staging", "promote"},
    {'r', ",'staging':{'by':['owner/*']},'mutability':{'operations':{'by':['owner/*']}}",
     "POLICY_UNUSABLE", "/staging", "promote"},
    {'r', ",'mutability':{'profiles':" GUARD ",'operations':{'by':['owner/*']}}", "POLICY_WEAK",
     "/mutability/operations", "same approvals"},
    {'r',
     ",'mutability':{'profiles':" GUARD ",'operations':{'by':['owner/*'],'approvals':{'of':["
     "'managers/*'],'at_least':2,'fresh_for':'11m'}}}",
     "POLICY_WEAK", "/mutability/operations", "same approvals"},
    {'r', ",'mutability':{'profiles':{'by':['owner/*']},'lifecycle_acts':{'by':['managers/*']}}",
     "POLICY_WEAK", "/mutability/lifecycle_acts", "manager alone"},
    {'r', ",'mutability':{'profiles':{'by':['owner/*']},'unfreeze':{'by':['owner/*']}}",
     "POLICY_NAME", "/mutability/unfreeze", "narrow"},
    {'r', ",'mutability':{'profiles':{'by':['platforms/dep']}}", "POLICY_VALUE",
     "/mutability/profiles/by/0", "staging"},
};

TEST(every_refusal_of_the_whole_schema_says_what_where_and_what_to_do)
{
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        struct parts parts = usual;
        *(refusals[i].part == 'o'   ? &parts.owner
          : refusals[i].part == 'm' ? &parts.more
          : refusals[i].part == 'w' ? &parts.when
                                    : &parts.rest) = refusals[i].text;
        struct pl_policy *p;
        struct pl_refusal why;
        pl_err e = pl_policy_load(&p, c, pl_span_str(text_of(&parts)), &why);
        bool good = CHECK(p == NULL);
        good = CHECK(strcmp(pl_code_name(pl_err_code(e)), refusals[i].code) == 0) && good;
        good = CHECK(strcmp(why.pointer, refusals[i].pointer) == 0) && good;
        good = CHECK(strstr(why.text, refusals[i].word) != NULL) && good;
        if (!good)
            printf("# %s: %s at '%s': %s\n", refusals[i].text, pl_code_name(pl_err_code(e)),
                   why.pointer, why.text);
        pl_policy_free(p);
    }
}

TEST_MAIN()
