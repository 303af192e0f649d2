/* Evidence of the tests' own simulated platform with one part changed or replaced.
 *
 *     byte 0   which part; with 128, signatures are truly verified, and then what passes says what
 *              the unchanged evidence says
 *     byte 1   which of the tests' defects the evidence has to begin with; 0: none
 *     byte 2   0: the rest replaces the part. Else each four bytes of the rest set a byte of it,
 *              cut one out or double one
 */
#include "any_signature.h"
#include "fixture/scene.h"
#include "fuzz.h"

#include <string.h>

enum { PARTS = 1 + PL_COLLATERAL_FILES, PART_MAX = 1 << 17, SCENES = 128 };

static struct scene *scenes[SCENES];    /* made when first asked for */
static struct pl_chain_cache chains[2]; /* of any signature, of true ones */
static struct pl_wr changed;

static struct pl_wr *part_of(struct scene *s, size_t i)
{
    return i == 0 ? &s->quote : &s->file[i - 1];
}

static const struct defect *row(unsigned i)
{
    const struct defect *d = scene_rows_evidence;
    for (; d->name && --i; d++)
        continue;
    return d->name ? d : NULL;
}

static struct scene *scene(unsigned which)
{
    struct scene **s = &scenes[which % SCENES];
    if (*s)
        return *s;
    const struct defect *d = which % SCENES ? row(which % SCENES) : NULL;
    any_signature = false;
    *s = calloc(1, sizeof(**s));
    FUZZ_CHECK(*s && scene_begin(*s) == PL_OK && scene_make(*s, d) == PL_OK);
    FUZZ_CHECK(d || scene_verify(*s) == PL_OK);
    return *s;
}

static void edit(struct pl_rd *r)
{
    size_t how = pl_rd_u8(r), at = pl_rd_be16(r);
    uint8_t to = pl_rd_u8(r);
    if (r->bad || at >= changed.n)
        return;
    size_t after = changed.n - at - 1;
    if (how % 3 == 0) {
        changed.p[at] = to;
    } else if (how % 3 == 1) {
        memmove(changed.p + at, changed.p + at + 1, after);
        changed.n--;
    } else if (changed.n < changed.cap) {
        memmove(changed.p + at + 1, changed.p + at, after + 1);
        changed.p[at] = to;
        changed.n++;
    }
}

static void change(struct pl_span part, struct pl_span in)
{
    struct pl_rd r = pl_rd(in);
    bool replaced = pl_rd_u8(&r) == 0;
    if (!changed.p)
        changed = pl_wr_heap(PART_MAX);
    changed.n = 0;
    pl_wr_bytes(&changed, replaced ? pl_rd_bytes(&r, pl_rd_left(&r)) : part);
    while (!changed.bad && pl_rd_left(&r) >= 4)
        edit(&r);
    PL_ASSERT(!changed.bad);
}

/* Twice with a memory of chains: the same verdict. */
static pl_err judge(struct scene *s)
{
    static struct pl_collateral coll;
    struct pl_claims again;
    pl_err e = scene_verify(s);
    if (scene_collateral(s, &coll) != PL_OK)
        return e;
    struct pl_verifier v = scene_verifier(s, &coll);
    v.cache = &chains[!any_signature];
    for (int i = 0; i < 2; i++)
        FUZZ_CHECK(pl_err_code(pl_evidence_verify(&v, &again, pl_wr_span(&s->quote),
                                                  s->expected)) == pl_err_code(e));
    return e;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3 || size > PART_MAX / 2)
        return 0;
    struct pl_claims base = scene(0)->claims; /* first: its keys are then the same in every run */
    struct scene *s = scene(data[1]);
    struct pl_wr *part = part_of(s, data[0] % 128 % PARTS), kept = *part;
    any_signature = !(data[0] & 128);
    change(pl_wr_span(part), pl_span(data + 2, size - 2));
    *part = changed;
    pl_err e = judge(s);
    *part = kept;
    struct pl_claims got = s->claims;
    s->claims = base;
    FUZZ_CHECK(pl_err_code(e) != PL_E_BUG);
    if (e != PL_OK)
        return 0;
    FUZZ_CHECK(got.tee == base.tee && got.trust == PL_TRUST_DEV);
    if (!any_signature && data[1] % SCENES == 0) {
        FUZZ_CHECK(memcmp(&got.sgx, &base.sgx, sizeof(base.sgx)) == 0);
        FUZZ_CHECK(got.tcb.status == base.tcb.status);
    }
    return 0;
}
