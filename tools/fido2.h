/* A passkey on a FIDO2 stick, without a browser: this program is the client then, and says itself
 * which origin it stands for. libfido2 talks to the stick. */
#ifndef PL_TOOLS_FIDO2_H
#define PL_TOOLS_FIDO2_H

#include "base/base.h"

enum { TOOL_FIDO2_CLIENT = 512, TOOL_FIDO2_DATA = 1024, TOOL_FIDO2_SIG = 512 };

struct tool_fido2_ask {
    const char *rp_id, *origin;
    struct pl_span credential_id;
    uint8_t challenge[32];
    const char *device; /* path of one; NULL: any that knows the credential */
};
/* The parts of an assertion, as a passkey proof carries them. */
struct tool_fido2_tap {
    uint8_t client[TOOL_FIDO2_CLIENT], data[TOOL_FIDO2_DATA], sig[TOOL_FIDO2_SIG];
    size_t client_n, data_n, sig_n;
};

/* Waits for a touch. The user is verified by the stick itself, or by a PIN that is asked for on the
 * terminal without echo. FIDO2_NONE no stick, FIDO2_OPEN it cannot be opened, FIDO2_CREDENTIAL none
 * knows this passkey, FIDO2_VERIFY it has neither PIN nor own verification, FIDO2_PIN, FIDO2_TOUCH,
 * FIDO2_FAILED; PROMPT. */
PL_CHECKED pl_err tool_fido2_sign(struct tool_fido2_tap *out, const struct tool_fido2_ask *ask);
/* Client data as a browser would write it (WebAuthn 5.8.1.1). */
PL_CHECKED pl_err tool_fido2_client(struct tool_fido2_tap *out, const struct tool_fido2_ask *ask);

/* The carrier of this statement, proved by the passkey that is this principal ("managers/alice") of
 * the policy, at the first of its origins. FIDO2_PERSON when there is none of that name. */
PL_CHECKED pl_err tool_fido2_carrier(struct pl_wr *out, struct pl_span policy,
                                     const char *principal, const char *device,
                                     struct pl_span statement,
                                     const uint8_t statement_sha256[static 32]);

#endif
