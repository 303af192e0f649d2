#include "client/approval.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the statement, from what the file says ---- */

/* Of these operations a statement covers no parameter but the key itself. */
static bool plain(enum pl_op op)
{
    static const enum pl_op ops[] = {PL_OP_EXPORT,   PL_OP_DELETE,     PL_OP_FREEZE,
                                     PL_OP_UNFREEZE, PL_OP_RESTORE,    PL_OP_DESTROY,
                                     PL_OP_DESCRIBE, PL_OP_READ_POLICY};
    for (size_t i = 0; i < sizeof(ops) / sizeof(*ops); i++)
        if (op == ops[i])
            return true;
    return false;
}

static pl_err fill_up(struct pl_crypto *c, uint8_t out[static PL_STATEMENT_FILL],
                      const uint8_t seed[static PL_APPROVAL_SEED])
{
    for (uint8_t i = 0; i < PL_STATEMENT_TARGETS; i++) {
        const struct pl_span parts[] = {PL_LIT("pleiad fill 1"), pl_span(seed, PL_APPROVAL_SEED),
                                        pl_span(&i, 1)};
        PL_TRY(pl_sha256(c, out + 32 * (size_t)i, parts, 3));
    }
    return PL_OK;
}

static pl_err build(struct pl_wr *out, struct pl_crypto *c, struct pl_statement_draft *d,
                    const uint8_t seed[static PL_APPROVAL_SEED], const struct pl_act *act,
                    size_t acts)
{
    uint8_t target[PL_STATEMENT_TARGETS][32], fill[PL_STATEMENT_FILL];
    PL_REQUIRE(acts >= 1 && acts <= PL_STATEMENT_TARGETS, APPROVAL_FILE);
    for (size_t i = 0; i < acts; i++)
        PL_TRY(pl_target(c, target[i], d->typ, d->nonce, &act[i]));
    PL_TRY(fill_up(c, fill, seed));
    d->target = (const uint8_t(*)[32])target;
    d->targets = acts;
    d->params = &act[0].params;
    return pl_statement_build(out, c, d, fill);
}

/* What the approver reads must be what every one of these vaults would show him. */
static pl_err same_labels(const struct pl_statement_draft *d, const struct pl_policy *p)
{
    uint8_t text[2][PL_STATEMENT_DISPLAY];
    struct pl_statement_draft other = *d;
    struct pl_wr a = pl_wr_fixed(text[0], sizeof(text[0])),
                 b = pl_wr_fixed(text[1], sizeof(text[1]));
    other.policy = p;
    PL_TRY(pl_statement_display(&a, d));
    PL_TRY(pl_statement_display(&b, &other));
    PL_REQUIRE(pl_span_eq(pl_wr_span(&a), pl_wr_span(&b)), APPROVAL_LABELS);
    return PL_OK;
}

static void set_act(struct pl_act *a, enum pl_op op, const struct pl_approval_vault *v,
                    const struct pl_policy *p)
{
    *a = (struct pl_act){.op = op, .policy_version = v->version};
    memcpy(a->vault_id, v->vault_id, sizeof(a->vault_id));
    memcpy(a->handle, v->handle, sizeof(a->handle));
    memcpy(a->policy_sha256, pl_policy_sha256(p), 32);
}

/* ---- making ---- */

static pl_err write_file(struct pl_wr *out, const struct pl_approval_spec *spec,
                         struct pl_span statement, struct pl_spans approvals)
{
    struct pl_api_approval_vault v[PL_STATEMENT_TARGETS];
    struct pl_api_approval_file m = {.approvals = approvals,
                                     .name = spec->name,
                                     .statement = statement,
                                     .vaults = {v, spec->vaults}};
    memcpy(m.fill, spec->seed, sizeof(m.fill));
    for (size_t i = 0; i < spec->vaults; i++) {
        v[i] = (struct pl_api_approval_vault){.policy = spec->vault[i].policy,
                                              .policy_version = spec->vault[i].version};
        memcpy(v[i].handle, spec->vault[i].handle, sizeof(v[i].handle));
        memcpy(v[i].vault_id, spec->vault[i].vault_id, sizeof(v[i].vault_id));
    }
    return pl_api_write_approval_file(out, &m);
}

struct making {
    size_t n;
    struct pl_approval_vault vault[PL_STATEMENT_TARGETS];
    struct pl_policy *policy[PL_STATEMENT_TARGETS];
    struct pl_act act[PL_STATEMENT_TARGETS];
};

static void making_end(struct making *m)
{
    for (size_t i = 0; i < PL_STATEMENT_TARGETS; i++)
        pl_policy_free(m->policy[i]);
}

/* Keeps the vaults in whose words most agree. */
static pl_err keep_alike(struct making *m, struct pl_statement_draft *d,
                         const struct pl_approval_spec *spec)
{
    size_t best = 0, most = 0;
    for (size_t i = 0; i < spec->vaults; i++) {
        size_t alike = 0;
        d->policy = m->policy[i];
        for (size_t j = 0; j < spec->vaults; j++)
            alike += same_labels(d, m->policy[j]) == PL_OK;
        best = alike > most ? i : best;
        most = alike > most ? alike : most;
    }
    d->policy = m->policy[best];
    PL_REQUIRE(d->policy, APPROVAL_FILE);
    for (size_t i = 0; i < spec->vaults; i++) {
        if (same_labels(d, m->policy[i]) != PL_OK)
            continue;
        m->vault[m->n] = spec->vault[i];
        set_act(&m->act[m->n++], spec->op, &spec->vault[i], m->policy[i]);
    }
    return PL_OK;
}

pl_err pl_approval_make(struct pl_wr *out, struct pl_crypto *c, const struct pl_approval_spec *spec)
{
    struct pl_wr text PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_STATEMENT_BYTES);
    struct making m PL_CLEANUP(making_end) = {.n = 0};
    struct pl_approval_spec kept = *spec;
    struct pl_statement_draft d = {.typ = PL_TYP_APPROVAL,
                                   .op = spec->op,
                                   .iat_s = spec->iat_s,
                                   .exp_s = spec->exp_s,
                                   .requester = spec->requester};
    PL_REQUIRE(plain(spec->op), APPROVAL_OP);
    PL_REQUIRE(spec->vaults >= 1 && spec->vaults <= PL_STATEMENT_TARGETS, APPROVAL_FILE);
    memcpy(d.nonce, spec->nonce, sizeof(d.nonce));
    for (size_t i = 0; i < spec->vaults; i++)
        PL_TRY(pl_policy_load(&m.policy[i], c, spec->vault[i].policy, NULL));
    PL_TRY(keep_alike(&m, &d, spec));
    PL_TRY(build(&text, c, &d, spec->seed, m.act, m.n));
    kept.vault = m.vault;
    kept.vaults = m.n;
    return write_file(out, &kept, pl_wr_span(&text), (struct pl_spans){NULL, 0});
}

/* ---- reading ---- */

void pl_approval_free(struct pl_approval_file *f)
{
    for (size_t i = 0; i < f->vaults; i++)
        pl_policy_free(f->policy[i]);
    free(f->scratch);
    pl_wr_free(&f->copy);
    *f = (struct pl_approval_file){0};
}

static pl_err read_form(struct pl_approval_file *f, struct pl_crypto *c)
{
    size_t room = pl_api_scratch(PL_API_approval_file) + 64;
    f->scratch = malloc(room);
    PL_REQUIRE(f->scratch, NO_MEMORY);
    struct pl_arena scratch = pl_arena(f->scratch, room);
    struct pl_api_in in = {.body = pl_wr_span(&f->copy), .scratch = &scratch};
    PL_TRY(pl_api_read_approval_file(&f->m, &in));
    snprintf(f->name, sizeof(f->name), "%s", f->m.name);
    f->text = f->m.statement;
    PL_TRY(pl_statement_read(c, &f->statement, f->text));
    PL_REQUIRE(f->statement.typ == PL_TYP_APPROVAL, APPROVAL_FILE);
    return PL_OK;
}

/* The statement says what the file says, and nothing else. */
static pl_err read_content(struct pl_approval_file *f, struct pl_crypto *c)
{
    struct pl_wr again PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_STATEMENT_BYTES);
    const struct pl_statement *s = &f->statement;
    struct pl_statement_draft d = {.typ = PL_TYP_APPROVAL,
                                   .op = s->op,
                                   .iat_s = s->iat_s,
                                   .exp_s = s->exp_s,
                                   .requester = s->requester};
    memcpy(d.nonce, s->nonce, sizeof(d.nonce));
    PL_REQUIRE(plain(s->op), APPROVAL_OP);
    PL_REQUIRE(f->m.vaults.n <= PL_STATEMENT_TARGETS, APPROVAL_FILE);
    for (size_t i = 0; i < f->m.vaults.n; i++) {
        const struct pl_api_approval_vault *v = &f->m.vaults.v[i];
        struct pl_approval_vault at = {.version = v->policy_version};
        memcpy(at.vault_id, v->vault_id, sizeof(at.vault_id));
        memcpy(at.handle, v->handle, sizeof(at.handle));
        PL_TRY(pl_policy_load(&f->policy[i], c, v->policy, NULL));
        f->vaults = i + 1;
        set_act(&f->act[i], s->op, &at, f->policy[i]);
        d.policy = f->policy[0];
        PL_TRY(same_labels(&d, f->policy[i]));
    }
    PL_TRY(build(&again, c, &d, f->m.fill, f->act, f->vaults));
    PL_REQUIRE(pl_span_eq(pl_wr_span(&again), f->text), APPROVAL_FILE);
    return PL_OK;
}

static pl_err judge(struct pl_crypto *c, const struct pl_approval_file *f,
                    struct pl_approval_by *by)
{
    struct pl_statement s;
    PL_TRY(pl_statement_verify(c, &s, by->carrier, NULL));
    PL_REQUIRE(memcmp(s.sha256, f->statement.sha256, 32) == 0, APPROVAL_FILE);
    by->form = s.signer.form;
    memcpy(by->authenticator, s.signer.authenticator, 32);
    return PL_OK;
}

pl_err pl_approval_read(struct pl_approval_file *out, struct pl_crypto *c, struct pl_span text)
{
    *out = (struct pl_approval_file){0};
    PL_REQUIRE(text.n <= PL_APPROVAL_FILE, APPROVAL_FILE);
    out->copy = pl_wr_heap(PL_APPROVAL_FILE);
    pl_wr_bytes(&out->copy, text);
    PL_TRY(pl_wr_end(&out->copy));
    PL_TRY(read_form(out, c));
    PL_TRY(read_content(out, c));
    for (size_t i = 0; i < out->m.approvals.n; i++) {
        struct pl_approval_by *by = &out->by[out->approvals++];
        by->carrier = out->m.approvals.v[i];
        by->proof = judge(c, out, by);
    }
    return PL_OK;
}

pl_err pl_approval_attach(struct pl_wr *out, struct pl_crypto *c, const struct pl_approval_file *f,
                          struct pl_span carrier)
{
    struct pl_span all[PL_STATEMENTS_MAX];
    struct pl_api_approval_file m = f->m;
    struct pl_approval_by mine = {.carrier = carrier};
    PL_REQUIRE(f->approvals < PL_STATEMENTS_MAX, STATEMENT_COUNT);
    PL_TRY(judge(c, f, &mine));
    for (size_t i = 0; i < f->approvals; i++) {
        PL_REQUIRE(memcmp(f->by[i].authenticator, mine.authenticator, 32) != 0, APPROVAL_TWICE);
        all[i] = f->by[i].carrier;
    }
    all[f->approvals] = carrier;
    m.approvals = (struct pl_spans){all, f->approvals + 1};
    return pl_api_write_approval_file(out, &m);
}

pl_err pl_approval_add(struct pl_wr *out, struct pl_crypto *c, const struct pl_approval_file *f,
                       const struct pl_priv *key)
{
    struct pl_wr carrier PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_STATEMENT_BYTES);
    PL_TRY(pl_statement_sign(&carrier, c, f->text, key));
    return pl_approval_attach(out, c, f, pl_wr_span(&carrier));
}
