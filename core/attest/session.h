/* Binding evidence to one TLS session, after the handshake, in batches.
 *
 * binding     = SHA-512("pleiad session 1\0" || role || B || SHA-256(own SPKI) ||
 *               SHA-256(peer SPKI, or 32 zeros) || SHA-256(claims of the sender's leaf, or zeros))
 * B           = exporter("EXPORTER-pleiad-attestation-1", context = role's text, 32 bytes)
 * leaf        = SHA-256(0x00 || binding), node = SHA-256(0x01 || left || right), shape of RFC 6962
 * report data = SHA-512("pleiad session batch 1\0" || root)
 * One quote serves up to 1024 sessions that wait; each peer receives {evidence, index, count,
 * path}. */
#ifndef PL_ATTEST_SESSION_H
#define PL_ATTEST_SESSION_H

#include "attest/attest.h"

enum {
    PL_BINDING_BYTES = 64,
    PL_EXPORTER_BYTES = 32,
    PL_BATCH_MAX = 1024,
    PL_BATCH_PATH_MAX = 10,
};
#define PL_EXPORTER_LABEL "EXPORTER-pleiad-attestation-1"

/* Whose evidence it is; also the exporter's context (its text) and, as one byte, in the binding. */
enum pl_session_role { PL_ROLE_NONE = 0, PL_ROLE_CALLER = 1, PL_ROLE_VAULT = 2 };
const char *pl_session_role_text(enum pl_session_role role); /* "caller", "vault" */

struct pl_session {
    enum pl_session_role role;
    uint8_t exporter[PL_EXPORTER_BYTES]; /* with this role's context */
    uint8_t own_spki[PL_SHA256_BYTES];   /* hash of the sender's */
    uint8_t peer_spki[PL_SHA256_BYTES];  /* zeros: the peer has no certificate */
    uint8_t own_claims[PL_SHA256_BYTES]; /* pl_ratls.claims_sha256 of the sender; zeros: none */
};
PL_CHECKED pl_err pl_session_binding(struct pl_crypto *c, uint8_t out[static PL_BINDING_BYTES],
                                     const struct pl_session *s);

/* What travels beside the evidence: the place of a leaf among `count`, and its audit path. */
struct pl_batch_proof {
    uint32_t index, count; /* 1 to PL_BATCH_MAX */
    unsigned hashes;
    uint8_t hash[PL_BATCH_PATH_MAX][PL_SHA256_BYTES]; /* from the leaf up */
};

/* A batch that waits for its quote; about 65 KiB, reusable, no allocation. Add bindings, seal, get
 * one quote over the report data, then hand out the proofs. */
struct pl_batch {
    uint32_t count;
    bool sealed;
    uint8_t node[2 * PL_BATCH_MAX + PL_BATCH_PATH_MAX][PL_SHA256_BYTES]; /* level by level */
};
void pl_batch_init(struct pl_batch *b);
/* SESSION_BATCH when 1024 wait already or the batch is sealed. */
PL_CHECKED pl_err pl_batch_add(struct pl_crypto *c, struct pl_batch *b,
                               const uint8_t binding[static PL_BINDING_BYTES], uint32_t *out_index);
/* Computes the tree; the report data of the quote to ask for. SESSION_BATCH when empty. */
PL_CHECKED pl_err pl_batch_seal(struct pl_crypto *c, struct pl_batch *b,
                                uint8_t out[static PL_REPORT_DATA_BYTES]);
/* One leaf's proof, of a sealed batch (asserted, as index < count). */
void pl_batch_proof(const struct pl_batch *b, uint32_t index, struct pl_batch_proof *out);
/* The body of POST /v1/session and of its answer. */
PL_CHECKED pl_err pl_session_write(struct pl_wr *w, struct pl_span evidence,
                                   const struct pl_batch_proof *proof);
/* The proof in such a body. SESSION_FORM. */
struct pl_api_session; /* api/api.h */
PL_CHECKED pl_err pl_session_proof(struct pl_batch_proof *out, const struct pl_api_session *m);
/* The other side: which report data the evidence must carry for this binding to be in its batch.
 * SESSION_PATH when index, count and number of hashes do not fit together. Then
 * pl_evidence_verify(v, &claims, evidence, pl_report_data(out)). */
PL_CHECKED pl_err pl_batch_expect(struct pl_crypto *c, uint8_t out[static PL_REPORT_DATA_BYTES],
                                  const uint8_t binding[static PL_BINDING_BYTES],
                                  const struct pl_batch_proof *proof);

#endif
