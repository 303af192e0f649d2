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

static void render_principal(struct page *g, const struct pl_principal *pr)
{
    begin(g);
    say(g, "%s/%s is ", group_words[pr->group], pr->name);
    if (pr->kind == PL_KIND_KEY) {
        say(g, "the holder of the key with SPKI hash ");
        say_hex(g, pr->spki_sha256, 32);
    } else {
        unsigned n = (unsigned)__builtin_popcount(pr->profiles), said = 0;
        say(g, n == 0 ? "nobody: it names no profile"
                      : "whoever proves, on this connection, to run as profile ");
        for (unsigned i = 0; i < g->p->profiles; i++) {
            if ((pr->profiles >> i & 1) != 0)
                say(g, "%s%s", comma(said++, n, " or "), g->p->profile[i].name);
        }
    }
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

static void say_condition(struct page *g, unsigned i)
{
    const struct node *n = &g->p->node[i];
    if (n->kind == PL_COND_TIME)
        say_time(g, n);
    else if (n->kind == PL_COND_ATTESTED)
        say(g, "the caller proves to run as profile %s", g->p->profile[n->arg].name);
    else {
        say(g, n->kind == PL_COND_NOT ? "not (" : "(");
        for (unsigned part = i + 1; part < n->end; part = g->p->node[part].end) {
            say(g, "%s", part == i + 1 ? "" : n->kind == PL_COND_ALL ? " and " : " or ");
            say_condition(g, part);
        }
        say(g, ")");
    }
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
#define PL_GUARD(name, word_, kind, absent) [PL_GUARD_##name] = {word_, kind},
#include "policy/guard.def"
#undef PL_GUARD
#undef FIELD
#undef ACT
#undef NARROW
};

static void say_agreeing(struct page *g, uint64_t by)
{
    uint64_t owners = by & g->p->group[PL_GROUP_OWNER];
    unsigned n = (unsigned)__builtin_popcountll(owners);
    if (n > 1 && g->p->owner_quorum > 1)
        say(g, "%u together of the owners among ", g->p->owner_quorum);
    say_who(g, by);
}

static void render_changes(struct page *g)
{
    for (unsigned i = 1; i < PL_GUARD_COUNT; i++) {
        uint64_t by = pl_guard_by(g->p, (enum pl_guard)i);
        if (!guard_words[i].field || by == 0)
            continue;
        begin(g);
        say(g, "`%s` may be changed by ", guard_words[i].word);
        say_agreeing(g, by);
        end(g);
    }
    begin(g);
    say(g, "What is not listed above as changeable never changes, for the life of the key");
    end(g);
    begin(g);
    say(g, "It may be frozen, and profiles and grants withdrawn, by ");
    say_agreeing(g, pl_guard_by(g->p, PL_GUARD_NARROW));
    end(g);
    bool profiles = g->p->guard[PL_GUARD_PROFILES].listed;
    begin(g);
    say(g, "It may be unfrozen by ");
    say_agreeing(g, profiles ? g->p->guard[PL_GUARD_PROFILES].by : g->p->group[PL_GROUP_OWNER]);
    end(g);
    begin(g);
    say(g, "It may be deleted, restored and destroyed by ");
    say_agreeing(g, pl_guard_by(g->p, PL_GUARD_LIFECYCLE_ACTS));
    end(g);
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
    begin(&g);
    say(&g, "Whatever no sentence above or below allows is refused");
    end(&g);
    render_changes(&g);
    return pl_wr_end(out);
}
