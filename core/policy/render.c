/* A policy in numbered English sentences. The text is stable: people compare it with what they saw
 * before, and snapshots of it are committed. */
#include "policy/internal.h"
#include "policy/say.h"

#include <stdarg.h>
#include <string.h>

struct page {
    struct pl_wr *w;
    const struct pl_policy *p;
    unsigned line;
};

__attribute__((format(printf, 2, 3))) static void say(struct page *g, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    pl_sayv(g->w, format, args);
    va_end(args);
}

static void begin(struct page *g) { say(g, "%u. ", ++g->line); }
static void end(struct page *g) { say(g, ".\n"); }

/* "a", "a or b", "a, b or c" */
static const char *comma(unsigned i, unsigned n, const char *last)
{
    return i == 0 ? "" : i + 1 == n ? last : ", ";
}

static void say_hex(struct page *g, const uint8_t *bytes, size_t n)
{
    char hex[2 * PL_PLATFORM_ID_MAX + 1];
    pl_hex(hex, pl_span(bytes, n));
    say(g, "%s", hex);
}

/* A text of the document, which may hold any character: quoted, what is not plain ASCII escaped. */
static void say_word(struct page *g, unsigned i)
{
    struct pl_span s = pl_word(g->p, i);
    static const char digits[] = "0123456789abcdef";
    pl_wr_u8(g->w, '"');
    for (size_t k = 0; k < s.n; k++) {
        char hex[5] = {'\\', 'x', digits[s.p[k] >> 4], digits[s.p[k] & 15], '\0'};
        if (s.p[k] > 0x20 && s.p[k] < 0x7f)
            pl_wr_u8(g->w, s.p[k]);
        else
            say(g, "%s", hex);
    }
    pl_wr_u8(g->w, '"');
}

static void say_words(struct page *g, struct pl_words words, const char *last)
{
    for (unsigned i = 0; i < words.n; i++) {
        say(g, "%s", comma(i, words.n, last));
        say_word(g, words.at + i);
    }
}

/* The largest unit that divides it. */
static void say_duration(struct page *g, uint32_t s)
{
    static const struct {
        uint32_t seconds;
        const char *word;
    } units[] = {{86400, "day"}, {3600, "hour"}, {60, "minute"}, {1, "second"}};
    unsigned u = 0;
    while (s % units[u].seconds != 0)
        u++;
    unsigned n = s / units[u].seconds;
    say(g, "%u %s%s", n, units[u].word, n == 1 ? "" : "s");
}

static const char *const group_words[PL_GROUP_COUNT] = {
#define PL_GROUP(name, word, rules) [PL_GROUP_##name] = word,
#include "policy/group.def"
#undef PL_GROUP
};

static void say_who(struct page *g, uint64_t mask)
{
    unsigned n = (unsigned)__builtin_popcountll(mask), said = 0;
    if (n == 0)
        say(g, "nobody");
    for (unsigned i = 0; i < g->p->principals; i++) {
        if ((mask >> i & 1) == 0)
            continue;
        const struct pl_principal *pr = &g->p->principal[i];
        say(g, "%s%s/%s", comma(said++, n, " or "), group_words[pr->group], pr->name);
    }
}

/* ---- Principals and profiles ---------------------------------------------------------------- */

static void say_spki(struct page *g, const struct pl_principal *pr, const char *what)
{
    say(g, "%s", what);
    say_hex(g, pr->spki_sha256, 32);
}

static void say_tee(struct page *g, const struct pl_principal *pr)
{
    unsigned n = (unsigned)__builtin_popcount(pr->profiles), said = 0;
    say(g, n == 0 ? "nobody: it names no profile"
                  : "whoever proves, on this connection, to run as profile ");
    for (unsigned i = 0; i < g->p->profiles; i++) {
        if ((pr->profiles >> i & 1) != 0)
            say(g, "%s%s", comma(said++, n, " or "), g->p->profile[i].name);
    }
}

static void say_passkey(struct page *g, const struct pl_principal *pr)
{
    const uint8_t *at = g->p->packed + pr->packed_at;
    unsigned origins = pr->words.n - 1u;
    say(g, "the holder of the passkey with credential id ");
    pl_wr_b64u(g->w, pl_span(at + 34, (size_t)at[32] << 8 | at[33]));
    say_spki(g, pr, " and SPKI hash ");
    say(g, ", used for ");
    say_word(g, pr->words.at + origins);
    say(g, " at ");
    say_words(g, (struct pl_words){pr->words.at, (uint16_t)origins}, " or ");
}

static void say_oidc(struct page *g, const struct pl_principal *pr)
{
    struct pl_words rest = {(uint16_t)(pr->words.at + 1), (uint16_t)(pr->words.n - 1)};
    say(g, pr->kind == PL_KIND_OIDC ? "whoever " : "anybody whom ");
    say_word(g, pr->words.at);
    say(g, pr->kind == PL_KIND_OIDC ? " knows as " : " gives the role ");
    say_words(g, rest, " and ");
    say(g, pr->bare_bearer ? "; to describe and read_policy also by a BARE TOKEN" : "");
}

static void render_principal(struct page *g, const struct pl_principal *pr)
{
    begin(g);
    say(g, "%s/%s is ", group_words[pr->group], pr->name);
    if (pr->kind == PL_KIND_KEY)
        say_spki(g, pr, "the holder of the key with SPKI hash ");
    if (pr->kind == PL_KIND_CERTIFICATE) {
        say(g, "whoever connects with a certificate for ");
        say_word(g, pr->words.at);
        say_spki(g, pr, " of the CA with SPKI hash ");
    }
    if (pr->kind == PL_KIND_PASSKEY)
        say_passkey(g, pr);
    if (pr->kind == PL_KIND_OIDC || pr->kind == PL_KIND_ROLES)
        say_oidc(g, pr);
    if (pr->kind == PL_KIND_TEE)
        say_tee(g, pr);
    end(g);
}

static void say_program(struct page *g, const struct pl_profile *f)
{
    unsigned n = f->mrenclaves + f->signers;
    say(g, "; the program has ");
    for (unsigned i = 0; i < f->mrenclaves; i++) {
        say(g, "%smrenclave ", comma(i, n, " or "));
        say_hex(g, f->mrenclave[i], 32);
    }
    for (unsigned i = 0; i < f->signers; i++) {
        say(g, "%smrsigner ", comma(f->mrenclaves + i, n, " or "));
        say_hex(g, f->signer[i].mrsigner, 32);
        say(g, " with product %u", f->signer[i].isv_prod_id);
    }
    if (f->min_svn > 0)
        say(g, "; its security version is at least %u", f->min_svn);
}

static void say_platform(struct page *g, const struct pl_profile *f)
{
    unsigned n = (unsigned)__builtin_popcount(f->tcb), said = 0;
    say(g, "; the TCB status is %s", n == 0 ? "one of none" : "");
    for (unsigned s = 1; s < PL_TCB_COUNT; s++) {
        if ((f->tcb & PL_TCB_BIT(s)) != 0)
            say(g, "%s%s", comma(said++, n, " or "), pl_tcb_text((enum pl_tcb)s));
    }
    say(g, f->any_platform ? "; on any platform" : "; on platform ");
    for (unsigned i = 0; i < f->platforms; i++) {
        say(g, "%s", comma(i, f->platforms, " or "));
        say_hex(g, f->platform[i].id, f->platform[i].n);
    }
    if (!f->any_platform && f->platforms == 0)
        say(g, "none");
    say(g, f->host_readable ? "; its memory MAY BE READABLE BY ITS HOST" : "");
    say(g, f->debug ? "; DEBUG PROGRAMS ARE ACCEPTED" : "");
    if (f->collateral_max_age_s > 0)
        say(g, "; collateral issued at most %u seconds before", f->collateral_max_age_s);
}

static void say_pins(struct page *g, const struct pl_profile *f)
{
    for (unsigned i = 0; i < f->config_roots; i++) {
        say(g, "%s", i == 0 ? "; its configuration root is " : comma(i, f->config_roots, " or "));
        say_hex(g, f->config_root[i], 32);
    }
    for (unsigned i = 0; i < f->claims; i++) {
        say(g, "; its %s is ", pl_claim_text(f->claim[i].claim));
        say_hex(g, f->claim[i].want, pl_claim_bytes(f->claim[i].claim));
    }
}

static void render_profile(struct page *g, const struct profile *one, const char *what)
{
    struct pl_profile f;
    pl_profile_unpack(&f, g->p->packed + one->packed_at);
    begin(g);
    say(g, "%s %s: evidence of %s", what, one->name, f.tee);
    say(g, f.roots == 0 ? " under the roots that this name stands for" : " under root ");
    for (unsigned i = 0; i < f.roots; i++) {
        say(g, "%s", comma(i, f.roots, " or "));
        say_hex(g, f.root_spki_sha256[i], 32);
    }
    say_program(g, &f);
    say_platform(g, &f);
    say_pins(g, &f);
    end(g);
}

/* ---- Rules ---------------------------------------------------------------------------------- */

static void say_days(struct page *g, uint8_t days)
{
    static const char *const words[7] = {"Monday", "Tuesday",  "Wednesday", "Thursday",
                                         "Friday", "Saturday", "Sunday"};
    unsigned n = (unsigned)__builtin_popcount(days), said = 0;
    say(g, " on ");
    for (unsigned d = 0; d < 7; d++) {
        if ((days >> d & 1) != 0)
            say(g, "%s%s", comma(said++, n, " or "), words[d]);
    }
}

static void say_time(struct page *g, const struct node *n)
{
    char text[PL_TIME_LEN + 1];
    say(g, "the time is");
    if (n->from_s != INT64_MIN) {
        pl_time_format(text, n->from_s);
        say(g, " %s or later", text);
    }
    if (n->until_s != INT64_MAX) {
        pl_time_format(text, n->until_s);
        say(g, "%s before %s", n->from_s != INT64_MIN ? " and" : "", text);
    }
    if (n->days != 0x7f)
        say_days(g, n->days);
    if (n->open_s != 0 || n->close_s != 86400)
        say(g, " from %02u:%02u to %02u:%02u UTC", (unsigned)n->open_s / 3600,
            (unsigned)n->open_s / 60 % 60, (unsigned)n->close_s / 3600,
            (unsigned)n->close_s / 60 % 60);
    if (n->from_s == INT64_MIN && n->until_s == INT64_MAX && n->days == 0x7f && n->open_s == 0 &&
        n->close_s == 86400)
        say(g, " any");
}

static void say_attested(struct page *g, const struct node *n)
{
    say(g, "the caller proves to run as profile %s", g->p->profile[n->arg].name);
}

static void say_quorum(struct page *g, const struct quorum *q)
{
    say(g, "%u approval%s of ", q->at_least, q->at_least == 1 ? "" : "s by different ones");
    say_who(g, q->of);
    say(g, ", not older than ");
    say_duration(g, q->fresh_s);
    if (q->per_issuer > 1)
        say(g, ", up to %u of one issuer", q->per_issuer);
    say(g, q->self ? ", THE CALLER'S OWN INCLUDED" : "");
}

static void say_approvals(struct page *g, const struct node *n)
{
    say(g, "there %s ", n->approvals.at_least == 1 ? "is" : "are");
    say_quorum(g, &n->approvals);
}

static void say_role(struct page *g, const struct node *n)
{
    if (n->words.n == 0) {
        say(g, "the caller is ");
        say_who(g, n->of);
        return;
    }
    struct pl_words roles = {(uint16_t)(n->words.at + 1), (uint16_t)(n->words.n - 1)};
    say(g, "the caller has the role ");
    say_words(g, roles, " or ");
    say(g, " of ");
    say_word(g, n->words.at);
}

static void say_step_up(struct page *g, const struct node *n)
{
    say(g, "the caller confirmed this very act with a passkey");
    if (n->words.n > 0) {
        say(g, ", or with a login by ");
        say_words(g, n->words, " or ");
        say(g, ",");
    }
    say(g, " at most ");
    say_duration(g, n->fresh_s);
    say(g, " before");
}

static void say_vault(struct page *g, const struct node *n)
{
    bool vendor = pl_word(g->p, n->words.at).n > 0, label = pl_word(g->p, n->words.at + 1u).n > 0;
    say(g, "the vault's ");
    if (vendor) {
        say(g, "vendor is ");
        say_word(g, n->words.at);
    }
    if (label) {
        say(g, vendor ? " and its label is " : "label is ");
        say_word(g, n->words.at + 1u);
    }
}

static void say_condition(struct page *g, unsigned i);

static void say_parts(struct page *g, const struct node *n)
{
    unsigned i = (unsigned)(n - g->p->node);
    say(g, n->kind == PL_COND_NOT ? "not (" : "(");
    for (unsigned part = i + 1; part < n->end; part = g->p->node[part].end) {
        say(g, "%s", part == i + 1 ? "" : n->kind == PL_COND_ALL ? " and " : " or ");
        say_condition(g, part);
    }
    say(g, ")");
}

static void (*const condition_words[PL_COND_COUNT])(struct page *g, const struct node *n) = {
    [PL_COND_ATTESTED] = say_attested, [PL_COND_APPROVALS] = say_approvals,
    [PL_COND_TIME] = say_time,         [PL_COND_ROLE] = say_role,
    [PL_COND_STEP_UP] = say_step_up,   [PL_COND_VAULT] = say_vault,
    [PL_COND_ALL] = say_parts,         [PL_COND_ANY] = say_parts,
    [PL_COND_NOT] = say_parts,
};

static void say_condition(struct page *g, unsigned i)
{
    condition_words[g->p->node[i].kind](g, &g->p->node[i]);
}

static void say_ops(struct page *g, uint64_t ops)
{
    unsigned n = (unsigned)__builtin_popcountll(ops), said = 0;
    say(g, n == 0 ? "do nothing" : "");
    for (unsigned op = 1; op < PL_OP_COUNT; op++) {
        if ((ops & PL_OP_BIT(op)) != 0)
            say(g, "%s%s", comma(said++, n, " or "), pl_op_row((enum pl_op)op)->word);
    }
}

static void render_rule(struct page *g, const struct rule *r)
{
    begin(g);
    say(g, "[%s] ", r->id);
    if (r->deny)
        say(g, "NOBODY");
    else
        say_who(g, r->to);
    say(g, " may ");
    say_ops(g, r->ops);
    if (r->when < r->end) {
        say(g, r->deny ? ", unless it is certain that not: " : ", if ");
        say_condition(g, r->when);
    }
    say(g, r->deny ? "; whatever else allows it" : "");
    end(g);
}

/* ---- Life and changes ----------------------------------------------------------------------- */

static const struct {
    const char *word;
    bool field;
} guard_words[PL_GUARD_COUNT] = {
#define FIELD                               true
#define ACT                                 false
#define NARROW                              false
#define DERIVED                             false
#define PL_GUARD(name, word_, kind, absent) [PL_GUARD_##name] = {word_, kind},
#include "policy/guard.def"
#undef PL_GUARD
#undef FIELD
#undef ACT
#undef NARROW
#undef DERIVED
};

static void say_guard(struct page *g, enum pl_guard which)
{
    const struct guard one = pl_guard_of(g->p, which);
    uint64_t owners = one.by & g->p->group[PL_GROUP_OWNER], others = one.by & ~owners;
    bool together = owners != 0 && g->p->owner_quorum > 1;
    if (!together || others != 0)
        say_who(g, together ? others : one.by);
    if (together) {
        say(g, "%s%u together of ", others != 0 ? ", or " : "", g->p->owner_quorum);
        say_who(g, owners);
    }
    if (one.approvals.at_least > 0) {
        say(g, ", with ");
        say_quorum(g, &one.approvals);
    }
    if (one.strictest && g->p->strictest > 0)
        say(g, ", with every set of %u approval%s that this policy asks for anywhere",
            g->p->strictest, g->p->strictest == 1 ? "" : "s");
    end(g);
}

static void render_quota(struct page *g, const struct pl_quota *q)
{
    begin(g);
    say(g, "[%s] At most %u time%s in ", q->id, q->max, q->max == 1 ? "" : "s");
    say_duration(g, q->per_s);
    say(g, q->by_principal ? " each principal may " : " all together may ");
    say_ops(g, q->ops);
    end(g);
}

static void render_changes(struct page *g)
{
    for (unsigned i = 1; i < PL_GUARD_COUNT; i++) {
        if (!guard_words[i].field || pl_guard_of(g->p, (enum pl_guard)i).by == 0)
            continue;
        begin(g);
        say(g, "`%s` may be changed by ", guard_words[i].word);
        say_guard(g, (enum pl_guard)i);
    }
    begin(g);
    say(g, "What is not listed above as changeable never changes, for the life of the key");
    end(g);
    if (g->p->staging != 0) {
        begin(g);
        say(g, "A new profile may be proposed, without effect until it is promoted, by ");
        say_who(g, g->p->staging);
        end(g);
    }
    begin(g);
    say(g, "It may be frozen, and profiles and grants withdrawn, by ");
    say_guard(g, PL_GUARD_NARROW);
    begin(g);
    say(g, "It may be unfrozen by ");
    say_guard(g, PL_GUARD_THAW);
    begin(g);
    say(g, "It may be deleted, restored and destroyed by ");
    say_guard(g, PL_GUARD_LIFECYCLE_ACTS);
}

static void render_life(struct page *g)
{
    const struct pl_lifecycle *life = &g->p->life;
    begin(g);
    say(g, "A key under this policy is made only with the consent of %u of ", g->p->owner_quorum);
    say_who(g, g->p->group[PL_GROUP_OWNER]);
    end(g);
    char text[PL_TIME_LEN + 1] = "";
    if (life->expires_s != INT64_MAX)
        pl_time_format(text, life->expires_s);
    begin(g);
    say(g, "It %s%s", life->expires_s == INT64_MAX ? "never expires" : "expires at ", text);
    say(g, life->recoverable ? "; it may be in backups" : "; it is in no backup");
    say(g, life->time == PL_POLICY_TIME_WITNESSED ? "; only where time is witnessed" : "");
    say(g, life->sealed ? "; it is SEALED: nobody ever changes this policy" : "");
    end(g);
}

pl_err pl_policy_render(struct pl_wr *out, const struct pl_policy *p)
{
    struct page g = {.w = out, .p = p};
    for (unsigned i = 0; i < p->principals; i++)
        render_principal(&g, &p->principal[i]);
    for (unsigned i = 0; i < p->profiles; i++)
        render_profile(&g, &p->profile[i], "Profile");
    for (unsigned i = 0; i < p->vault_profiles; i++)
        render_profile(&g, &p->vault_profile[i], "Vault profile");
    render_life(&g);
    for (unsigned i = 0; i < p->rules; i++)
        render_rule(&g, &p->rule[i]);
    for (unsigned i = 0; i < p->quotas; i++)
        render_quota(&g, &p->quota[i]);
    begin(&g);
    say(&g, "Whatever no sentence above or below allows is refused");
    end(&g);
    render_changes(&g);
    return pl_wr_end(out);
}
