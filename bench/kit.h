/* What the programs of the bench have in common: a caller with a key, evidence and certificates,
 * as many as wanted, and the plain ways to stop and to print. An error ends the program. */
#ifndef PL_BENCH_KIT_H
#define PL_BENCH_KIT_H

#include "attest/ratls.h"
#include "attest/session.h"
#include "platform/platform.h"
#include "platform/tee/tee.h"
#include "platform/tls/tls.h"

#define MUST(expr) kit_must(expr, #expr)
void kit_must(pl_err e, const char *what);
void kit_need(bool ok, const char *what); /* errno says why */

struct kit {
    struct pl_crypto *c;
    struct pl_tee_device *tee; /* NULL: no evidence */
    struct pl_priv key;
    uint8_t spki[PL_SPKI_MAX], spki_sha256[32], claims_sha256[32];
    size_t spki_n;
    struct pl_wr evidence; /* the certificate's extension; empty without a TEE */
};
/* The key of this file (made when it is not there); NULL: a fresh one. attested: open the TEE,
 * first of all, and get evidence for the key. */
void kit_open(struct kit *k, const char *key_file, bool attested);
void kit_close(struct kit *k);
/* A certificate of its own: a new serial each time. Appended to der. */
void kit_leaf(struct kit *k, struct pl_wr *der);
struct pl_tls_ctx *kit_ctx(struct kit *k, bool server); /* with a certificate of its own */
/* A quote over one session's binding, alone in its batch. */
void kit_quote(struct kit *k, struct pl_wr *out, struct pl_batch *batch,
               const struct pl_session *s);
struct pl_interval kit_now(void *arg);
/* Nanoseconds of processor time of all threads of a process. */
uint64_t kit_cpu_ns(int pid);
unsigned kit_number(const char *text);

#endif
