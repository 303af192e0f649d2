#include "attest/session.h"
#include "api/api.h"

#include <string.h>

static const char binding_tag[] = "pleiad session 1"; /* with its NUL */
static const char batch_tag[] = "pleiad session batch 1";

const char *pl_session_role_text(enum pl_session_role role)
{
    return role == PL_ROLE_CALLER ? "caller" : role == PL_ROLE_VAULT ? "vault" : "none";
}

pl_err pl_session_binding(struct pl_crypto *c, uint8_t out[static PL_BINDING_BYTES],
                          const struct pl_session *s)
{
    const uint8_t role = (uint8_t)s->role;
    PL_ASSERT(s->role == PL_ROLE_CALLER || s->role == PL_ROLE_VAULT);
    const struct pl_span part[] = {PL_ARR(binding_tag),  {&role, 1},
                                   PL_ARR(s->exporter),  PL_ARR(s->own_spki),
                                   PL_ARR(s->peer_spki), PL_ARR(s->own_claims)};
    return pl_sha512(c, out, part, sizeof(part) / sizeof(*part));
}

static pl_err leaf_hash(struct pl_crypto *c, uint8_t *out, const uint8_t *binding)
{
    static const uint8_t zero = 0;
    const struct pl_span part[] = {{&zero, 1}, {binding, PL_BINDING_BYTES}};
    return pl_sha256(c, out, part, 2);
}

static pl_err node_hash(struct pl_crypto *c, uint8_t *out, const uint8_t *left,
                        const uint8_t *right)
{
    static const uint8_t one = 1;
    const struct pl_span part[] = {{&one, 1}, {left, PL_SHA256_BYTES}, {right, PL_SHA256_BYTES}};
    return pl_sha256(c, out, part, 3);
}

static pl_err report_data(struct pl_crypto *c, uint8_t out[static PL_REPORT_DATA_BYTES],
                          const uint8_t root[static PL_SHA256_BYTES])
{
    const struct pl_span part[] = {PL_ARR(batch_tag), {root, PL_SHA256_BYTES}};
    return pl_sha512(c, out, part, 2);
}

void pl_batch_init(struct pl_batch *b)
{
    b->count = 0;
    b->sealed = false;
}

pl_err pl_batch_add(struct pl_crypto *c, struct pl_batch *b,
                    const uint8_t binding[static PL_BINDING_BYTES], uint32_t *out_index)
{
    PL_REQUIRE(!b->sealed && b->count < PL_BATCH_MAX, SESSION_BATCH);
    PL_TRY(leaf_hash(c, b->node[b->count], binding));
    *out_index = b->count++;
    return PL_OK;
}

/* Level by level: pairs are hashed, a last one without a partner moves up as it is. That is the
 * tree of RFC 6962 2.1, whose left half is the largest power of two. */
pl_err pl_batch_seal(struct pl_crypto *c, struct pl_batch *b,
                     uint8_t out[static PL_REPORT_DATA_BYTES])
{
    PL_REQUIRE(!b->sealed && b->count > 0, SESSION_BATCH);
    uint32_t from = 0, n = b->count;
    while (n > 1) {
        uint32_t up = from + n;
        for (uint32_t i = 0; i + 1 < n; i += 2)
            PL_TRY(node_hash(c, b->node[up + i / 2], b->node[from + i], b->node[from + i + 1]));
        if (n % 2)
            memcpy(b->node[up + n / 2], b->node[from + n - 1], PL_SHA256_BYTES);
        from = up;
        n = (n + 1) / 2;
    }
    b->sealed = true;
    return report_data(c, out, b->node[from]);
}

void pl_batch_proof(const struct pl_batch *b, uint32_t index, struct pl_batch_proof *out)
{
    PL_ASSERT(b->sealed && index < b->count);
    *out = (struct pl_batch_proof){.index = index, .count = b->count};
    uint32_t from = 0;
    for (uint32_t n = b->count, i = index; n > 1; from += n, n = (n + 1) / 2, i /= 2)
        if ((i ^ 1) < n)
            memcpy(out->hash[out->hashes++], b->node[from + (i ^ 1)], PL_SHA256_BYTES);
}

/* RFC 9162 2.1.3.2, with the number of hashes fixed by index and count. */
pl_err pl_batch_expect(struct pl_crypto *c, uint8_t out[static PL_REPORT_DATA_BYTES],
                       const uint8_t binding[static PL_BINDING_BYTES],
                       const struct pl_batch_proof *p)
{
    uint8_t at[PL_SHA256_BYTES];
    unsigned used = 0;
    PL_REQUIRE(p->count > 0 && p->count <= PL_BATCH_MAX && p->index < p->count, SESSION_PATH);
    PL_REQUIRE(p->hashes <= PL_BATCH_PATH_MAX, SESSION_PATH);
    PL_TRY(leaf_hash(c, at, binding));
    for (uint32_t n = p->count, i = p->index; n > 1; n = (n + 1) / 2, i /= 2) {
        if ((i ^ 1) >= n)
            continue;
        PL_REQUIRE(used < p->hashes, SESSION_PATH);
        const uint8_t *beside = p->hash[used++];
        PL_TRY(i % 2 ? node_hash(c, at, beside, at) : node_hash(c, at, at, beside));
    }
    PL_REQUIRE(used == p->hashes, SESSION_PATH);
    return report_data(c, out, at);
}

/* ---- on the wire ---- */

pl_err pl_session_write(struct pl_wr *w, struct pl_span evidence, const struct pl_batch_proof *p)
{
    struct pl_span path[PL_BATCH_PATH_MAX];
    for (unsigned i = 0; i < p->hashes; i++)
        path[i] = PL_ARR(p->hash[i]);
    const struct pl_api_session m = {.has_count = true,
                                     .count = p->count,
                                     .has_evidence = true,
                                     .evidence = evidence,
                                     .has_index = true,
                                     .index = p->index,
                                     .has_path = true,
                                     .path = {path, p->hashes}};
    return pl_api_write_session(w, &m);
}

pl_err pl_session_proof(struct pl_batch_proof *out, const struct pl_api_session *m)
{
    PL_REQUIRE(m->has_evidence && m->has_count && m->has_index, SESSION_FORM);
    PL_REQUIRE(m->path.n <= PL_BATCH_PATH_MAX, SESSION_FORM);
    *out = (struct pl_batch_proof){.index = (uint32_t)m->index, .count = (uint32_t)m->count};
    out->hashes = (unsigned)m->path.n;
    for (unsigned i = 0; i < out->hashes; i++)
        memcpy(out->hash[i], m->path.v[i].p, PL_SHA256_BYTES);
    return PL_OK;
}
