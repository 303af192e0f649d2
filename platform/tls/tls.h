/* TLS 1.3 as a pump: received bytes and plaintext in, bytes to send and plaintext out, no socket,
 * no clock of its own. Server and client alike.
 *
 *     HANDSHAKE --CertificateVerify and Finished checked--> VERDICT --pl_tls_open--> OPEN -->
 * CLOSED
 *
 * In VERDICT the peer's key is proven, and nothing else: the caller judges pl_tls_peer() (evidence
 * and profile, from its cache first) and calls pl_tls_open. Before that call not one byte of
 * application data is decrypted or encrypted, and no session is given out that could be resumed.
 * Dropping the pump instead is the refusal.
 *
 * Fixed: TLS 1.3, ALPN h2, X25519 and P-256, AES-256-GCM and ChaCha20-Poly1305, signatures
 * ecdsa_secp256r1_sha256, resumption by psk_dhe_ke from state kept here. None of: early data,
 * tickets with state in them, compression, renegotiation, post-handshake authentication. A peer's
 * certificate is one self-signed P-256 leaf valid for at most 24 hours (attest/ratls.h, channel
 * form): parsed and its own signature checked inside the handshake, its dates at the end of it.
 *
 * Errors: TLS_INIT and NO_MEMORY at construction; class PEER (TLS_*, RATLS_*) for what the peer
 * did; LIMIT when an output writer is too small. After any error the pump is CLOSED for good.
 */
#ifndef PL_PLATFORM_TLS_TLS_H
#define PL_PLATFORM_TLS_TLS_H

#include "crypto/crypto.h"

struct pl_ratls; /* attest/ratls.h */

enum {
    PL_TLS_CERT_MAX = 80 * 1024,   /* a peer's Certificate message */
    PL_TLS_LEAF_MAX_S = 24 * 3600, /* longest validity of a leaf */
    PL_TLS_RESUME_S = 600,         /* a session can be resumed this long after its handshake */
    PL_TLS_SESSIONS = 16384,       /* sessions a server remembers (about 4 MiB); oldest go first */
    PL_TLS_EXPORTER_BYTES = 32,
    PL_TLS_WRITE_MAX = 64 * 1024,   /* plaintext of one pl_tls_write */
    PL_TLS_OUT_MAX = 128 * 1024,    /* room that holds the output of any one call */
    PL_TLS_POST_HANDSHAKE_MAX = 64, /* KeyUpdate and other messages after the handshake */
};

enum pl_tls_state {
    PL_TLS_CLOSED = 0,
    PL_TLS_HANDSHAKE,
    PL_TLS_VERDICT,
    PL_TLS_OPEN,
};

/* ---- Contexts: identity and rules, shared by all threads ------------------------------------- */

struct pl_tls_peer;

struct pl_tls_config {
    bool server;
    /* Own leaf (DER) and its P-256 private scalar; both empty on a client without a certificate.
     * A leaf without its key or of another key: TLS_LEAF. */
    struct pl_span leaf;
    const struct pl_priv *key;
    /* Server: ask for a certificate (optional for the peer). Clients always need the server's. */
    bool ask_certificate;
    /* The present, for the dates of leaves and for resumption. Called from any thread that pumps.
     * Unknown is not good enough: such handshakes end with TLS_LEAF_TIME. */
    struct pl_interval (*now)(void *arg);
    /* Server, may be NULL: was this very leaf accepted before, with evidence, and would be now? Its
     * own signature is then not verified again. A peer that showed evidence resumes only while this
     * says so: a verdict that expired, or fell out of the caller's cache, costs nothing but time.
     */
    bool (*known)(void *arg, const uint8_t leaf_sha256[static PL_SHA256_BYTES]);
    void *arg;
};

struct pl_tls_ctx; /* counted: connections hold it, so it can be replaced while they live */

PL_CHECKED pl_err pl_tls_ctx_new(struct pl_tls_ctx **out, struct pl_crypto *c,
                                 const struct pl_tls_config *cfg);
/* A renewed leaf is a new context; remembered sessions stay behind with the old one. */
void pl_tls_ctx_ref(struct pl_tls_ctx *ctx);
void pl_tls_ctx_free(struct pl_tls_ctx *ctx); /* drops one reference; NULL allowed */

/* ---- Connections: one thread at a time --------------------------------------------------------
 */

/* What TLS proves of the peer. Everything but the spans stays valid while the connection lives. */
struct pl_tls_peer {
    bool present; /* it has a certificate and proved its key, now or in the resumed session */
    bool resumed;
    struct pl_pub key;
    uint8_t spki_sha256[PL_SHA256_BYTES];
    uint8_t leaf_sha256[PL_SHA256_BYTES]; /* the key for a cache of verdicts */
    uint8_t
        claims_sha256[PL_SHA256_BYTES]; /* of its evidence's claims, for bindings; zeros: none */
    bool evidence;                      /* the leaf carries evidence (judged by nobody yet) */
    int64_t not_before_s, not_after_s;
    /* Until pl_tls_open: the leaf and what was parsed from it. Empty and NULL when a server resumes
     * (the verdict is inherited by leaf_sha256) and after pl_tls_open. */
    struct pl_span leaf;
    const struct pl_ratls *cert;
};

struct pl_tls;
struct pl_tls_session; /* what a client keeps to resume */

/* `session` (clients, NULL: none) is tried when it was made with the same own leaf; it stays the
 * caller's. The context gains a reference. `c` must belong to the thread that pumps. */
PL_CHECKED pl_err pl_tls_new(struct pl_tls **out, struct pl_tls_ctx *ctx, struct pl_crypto *c,
                             const struct pl_tls_session *session);
/* Keeps the session resumable when the connection was open. NULL allowed. */
void pl_tls_free(struct pl_tls *t);

enum pl_tls_state pl_tls_state(const struct pl_tls *t);
const struct pl_tls_peer *pl_tls_peer(const struct pl_tls *t); /* meaningful from VERDICT on */

/* Takes received bytes from the front of *in and appends to out what must be sent. Runs the
 * handshake until it needs more bytes or stands at VERDICT; a client's first call, with empty
 * input, starts it. Bytes that arrived behind the handshake stay in *in, or inside, and are not
 * looked at. On an error `out` may hold an alert for the peer. Does nothing in other states. */
PL_CHECKED pl_err pl_tls_handshake(struct pl_tls *t, struct pl_span *in, struct pl_wr *out);

/* The caller's verdict is yes. VERDICT only (asserted). `resumable`: a server remembers the session
 * and appends the message that lets the client resume; on a resumed connection it does neither, so
 * a session ends PL_TLS_RESUME_S after its full handshake. */
PL_CHECKED pl_err pl_tls_open(struct pl_tls *t, struct pl_wr *out, bool resumable);

/* OPEN only (asserted): decrypts into plain[0, cap). *out_n is 0 when more input is needed, or the
 * peer closed (state is then CLOSED, PL_OK). Call until it is 0: then *in is empty. */
PL_CHECKED pl_err pl_tls_read(struct pl_tls *t, struct pl_span *in, struct pl_wr *out,
                              uint8_t *plain, size_t cap, size_t *out_n);
/* OPEN only (asserted): encrypts all of plain, at most PL_TLS_WRITE_MAX bytes. */
PL_CHECKED pl_err pl_tls_write(struct pl_tls *t, struct pl_wr *out, struct pl_span plain);
/* Appends close_notify where one is due; CLOSED afterwards. */
void pl_tls_close(struct pl_tls *t, struct pl_wr *out);

/* RFC 8446 7.5 with label EXPORTER-pleiad-attestation-1 and this context ("caller", "vault").
 * From VERDICT on (asserted). */
PL_CHECKED pl_err pl_tls_exporter(struct pl_tls *t, uint8_t out[static PL_TLS_EXPORTER_BYTES],
                                  const char *context);
/* Both sides' bindings of this connection: its exporters, its peer, and the leaf that it was made
 * with, also when the context was replaced since. As server the vault's side, else the caller's.
 * From VERDICT on (asserted). */
struct pl_session_state; /* attest/session_state.h */
PL_CHECKED pl_err pl_tls_begin_session(struct pl_tls *t, struct pl_session_state *out);

/* Client: the newest session the server gave, as the caller's own; NULL when there is none yet.
 * It arrives with the first bytes read after pl_tls_open. */
struct pl_tls_session *pl_tls_session_take(struct pl_tls *t);
void pl_tls_session_free(struct pl_tls_session *s); /* NULL allowed */

#endif
