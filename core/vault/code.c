#include "vault/internal.h"

#include <string.h>

void pl_code_bytes(struct coder *k, void *p, size_t n)
{
    if (k->w)
        pl_wr_bytes(k->w, pl_span(p, n));
    else
        pl_rd_copy(&k->r, p, n);
}

void pl_code_u8(struct coder *k, uint8_t *v) { pl_code_bytes(k, v, 1); }

void pl_code_u64(struct coder *k, uint64_t *v)
{
    if (k->w)
        pl_wr_be64(k->w, *v);
    else
        *v = pl_rd_be64(&k->r);
}

void pl_code_i64(struct coder *k, int64_t *v)
{
    uint64_t u = (uint64_t)*v;
    pl_code_u64(k, &u);
    if (!k->w)
        *v = (int64_t)u;
}

void pl_code_interval(struct coder *k, struct pl_interval *t)
{
    pl_code_i64(k, &t->earliest_s);
    pl_code_i64(k, &t->latest_s);
}

bool pl_code_flag(struct coder *k, bool *v)
{
    uint8_t byte = *v;
    pl_code_u8(k, &byte);
    pl_code_need(k, byte <= 1);
    if (!k->w)
        *v = byte == 1;
    return byte == 1;
}

void pl_code_vec(struct coder *k, struct pl_span *s, size_t max)
{
    if (k->w)
        pl_wr_vec(k->w, *s);
    else
        *s = pl_rd_vec(&k->r, max);
}

unsigned pl_code_word(struct coder *k, unsigned v, unsigned n, const char *(*word)(unsigned v))
{
    if (k->w) {
        struct pl_span s = pl_span_str(word(v));
        pl_wr_u8(k->w, (uint8_t)s.n);
        pl_wr_bytes(k->w, s);
        return v;
    }
    struct pl_span s = pl_rd_bytes(&k->r, pl_rd_u8(&k->r));
    for (v = 0; v < n && !pl_span_is(s, word(v));)
        v++;
    return v;
}

void pl_code_need(struct coder *k, bool good)
{
    if (!good && !k->w)
        k->r.bad = true;
}

static const char *type_word(unsigned v) { return pl_key_type_word((enum pl_key_type)v); }

void pl_code_birth(struct coder *k, struct birth *b)
{
    unsigned type = pl_code_word(k, b->type, PL_KEY_TYPE_COUNT, type_word);
    pl_code_need(k, type != PL_KEY_NONE && type < PL_KEY_TYPE_COUNT);
    if (!k->w)
        b->type = (enum pl_key_type)type;
    pl_code_u64(k, &b->generation);
    pl_code_bytes(k, b->commitment, 32);
    pl_code_bytes(k, b->tag, 32);
    pl_code_flag(k, &b->by_anyone);
    if (pl_code_flag(k, &b->has_subject)) {
        pl_code_flag(k, &b->subject_is_profile);
        pl_code_bytes(k, b->subject, 32);
    }
    pl_code_u64(k, &b->consents);
}
