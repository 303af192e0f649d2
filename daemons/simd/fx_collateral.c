/* Signed JSON: TCB info version 3 and QE identity version 2, compact as the vendor serves them. */
#include "daemons/simd/fixture.h"

#include <stdio.h>
#include <string.h>

static void upper_hex(struct pl_jw *j, const char *key, struct pl_span s)
{
    char text[2 * 64 + 1];
    PL_ASSERT(s.n <= 64);
    pl_hex(text, s);
    for (char *p = text; *p; p++)
        if (*p >= 'a' && *p <= 'f')
            *p = (char)(*p - 'a' + 'A');
    pl_jw_key(j, key);
    pl_jw_text(j, text);
}

static void number(struct pl_jw *j, const char *key, uint64_t v)
{
    pl_jw_key(j, key);
    pl_jw_u64(j, v);
}

static void date(struct pl_jw *j, const char *key, int64_t s)
{
    pl_jw_key(j, key);
    pl_jw_time(j, s);
}

static void advisories(struct pl_jw *j, const struct pl_fx_level *l)
{
    if (!l->advisory)
        return;
    pl_jw_key(j, "advisoryIDs");
    pl_jw_open(j, '[');
    for (unsigned i = 0; i < (l->advisories ? l->advisories : 1); i++) {
        char id[64];
        if (l->advisories)
            snprintf(id, sizeof(id), "%s-%05u", l->advisory, i);
        else
            snprintf(id, sizeof(id), "%s", l->advisory);
        pl_jw_text(j, id);
    }
    pl_jw_close(j, ']');
}

static void components(struct pl_jw *j, uint8_t svn)
{
    pl_jw_key(j, "sgxtcbcomponents");
    pl_jw_open(j, '[');
    for (unsigned i = 0; i < 16; i++) {
        pl_jw_open(j, '{');
        number(j, "svn", svn);
        pl_jw_close(j, '}');
    }
    pl_jw_close(j, ']');
    number(j, "pcesvn", svn);
}

static void levels(struct pl_jw *j, const struct pl_fx_signed *s, bool platform)
{
    if (s->no_levels)
        return;
    pl_jw_key(j, "tcbLevels");
    pl_jw_open(j, '[');
    for (unsigned i = 0; i < s->levels; i++) {
        const struct pl_fx_level *l = &s->level[i];
        pl_jw_open(j, '{');
        pl_jw_key(j, "tcb");
        pl_jw_open(j, '{');
        if (platform)
            components(j, l->svn);
        else
            number(j, "isvsvn", l->svn);
        pl_jw_close(j, '}');
        pl_jw_key(j, "tcbDate");
        pl_jw_text(j, l->date);
        pl_jw_key(j, "tcbStatus");
        pl_jw_text(j, l->status);
        advisories(j, l);
        pl_jw_close(j, '}');
    }
    pl_jw_close(j, ']');
}

static void head(struct pl_jw *j, const struct pl_fx_signed *s)
{
    pl_jw_key(j, "id");
    pl_jw_text(j, s->id);
    number(j, "version", s->version);
    date(j, "issueDate", s->issued_s);
    date(j, "nextUpdate", s->next_update_s);
}

pl_err pl_fx_sign_json(struct pl_fx_world *w, struct pl_wr *out, const char *member,
                       struct pl_span body, const struct pl_fx_key *signer)
{
    uint8_t digest[PL_SHA256_BYTES], sig[PL_P256_SIG_BYTES];
    PL_TRY(pl_sha256_one(w->c, digest, body));
    PL_TRY(pl_p256_sign(w->c, sig, signer->priv, digest));
    struct pl_jw j = pl_jw(out);
    pl_jw_open(&j, '{');
    pl_jw_key(&j, member);
    pl_jw_raw(&j, body);
    pl_jw_key(&j, "signature");
    pl_jw_hex(&j, PL_ARR(sig));
    pl_jw_close(&j, '}');
    return pl_wr_end(out);
}

pl_err pl_fx_tcb_info(struct pl_fx_world *w, struct pl_wr *out)
{
    const struct pl_fx_signed *s = &w->tcb_info;
    struct pl_wr body PL_CLEANUP(pl_wr_free) = pl_wr_heap(1 << 18);
    struct pl_jw j = pl_jw(&body);
    pl_jw_open(&j, '{');
    head(&j, s);
    upper_hex(&j, "fmspc", PL_ARR(s->fmspc));
    upper_hex(&j, "pceId", PL_ARR(s->pce_id));
    number(&j, "tcbType", s->tcb_type);
    number(&j, "tcbEvaluationDataNumber", s->eval);
    levels(&j, s, true);
    pl_jw_close(&j, '}');
    PL_TRY(pl_wr_end(&body));
    return pl_fx_sign_json(w, out, "tcbInfo", pl_wr_span(&body), s->signer);
}

pl_err pl_fx_qe_identity(struct pl_fx_world *w, struct pl_wr *out)
{
    const struct pl_fx_signed *s = &w->qe_identity;
    struct pl_wr body PL_CLEANUP(pl_wr_free) = pl_wr_heap(1 << 18);
    struct pl_jw j = pl_jw(&body);
    pl_jw_open(&j, '{');
    head(&j, s);
    number(&j, "tcbEvaluationDataNumber", s->eval);
    upper_hex(&j, "miscselect", PL_ARR(s->misc));
    upper_hex(&j, "miscselectMask", PL_ARR(s->misc_mask));
    upper_hex(&j, "attributes", PL_ARR(s->attributes));
    upper_hex(&j, "attributesMask", PL_ARR(s->attributes_mask));
    upper_hex(&j, "mrsigner", PL_ARR(s->mrsigner));
    number(&j, "isvprodid", s->prod_id);
    levels(&j, s, false);
    pl_jw_close(&j, '}');
    PL_TRY(pl_wr_end(&body));
    return pl_fx_sign_json(w, out, "enclaveIdentity", pl_wr_span(&body), s->signer);
}
