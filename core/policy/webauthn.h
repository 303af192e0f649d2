/* Passkeys: WebAuthn assertions (W3C Web Authentication, Level 3) that sign one statement.
 *
 * A passkey proof holds what navigator.credentials.get() gave, byte for byte, and the public key
 * that the credential was registered with. The challenge is SHA-256 of the canonical statement, so
 * the assertion covers that statement and nothing else. Verification needs nothing but the proof:
 * a policy is asked afterwards whether this credential is one of its principals, and only that
 * says whether origin and rp_id, given out here, are the expected ones.
 *
 * Section 7.2, and what is stricter here:
 *   client data         type is webauthn.get, challenge as above, origin a string without escapes;
 *                       crossOrigin absent or false, no topOrigin: an approval is never given
 *                       inside another site's frame. Unknown members are skipped (5.8.1), none may
 *                       stand twice. Token binding is ignored, as Level 3 has it.
 *   authenticator data  UP and UV set: a person was there, and was verified. BS only with BE. No
 *                       attested credential (6.3.3), extension outputs only when ED says so: one
 *                       CBOR map, and nothing after it. Reserved flags mean nothing.
 *   signature           over authenticator data || SHA-256(client data). The algorithm is that of
 *                       the public key and stands nowhere else.
 *   public key          a COSE_Key of ES256 on P-256, EdDSA on Ed25519 or RS256 of 2048 to 4096
 * bits, in the only encoding that 6.5.1.1 and CTAP2's canonical form leave: shortest heads, keys in
 * order, no optional member, points not compressed. So two encodings of one key do not exist, and
 * there is no CBOR map to interpret: its heads are compared as bytes, with no library.
 */
#ifndef PL_POLICY_WEBAUTHN_H
#define PL_POLICY_WEBAUTHN_H

#include "policy/policy.h"

enum { PL_PASSKEY_AUTH_DATA = 1024 }; /* longer authenticator data is refused */

/* As received; borrowed. */
struct pl_passkey_proof {
    struct pl_span authenticator_data, client_data, credential_id, public_key, signature;
};

/* Who signed: form PASSKEY, authenticator and issuer SHA-256 of the key's SPKI, rp_id_sha256,
 * credential_id and origin (borrowed from the proof; the key vouches for its credential_id no
 * further than a policy that names both), sign_count. Zeroed on error: PASSKEY_KEY and KEY_FORMAT
 * the public key; PASSKEY_TYPE, PASSKEY_CHALLENGE, PASSKEY_ORIGIN, PASSKEY_FRAME or JSON_* the
 * client data; PASSKEY_DATA, PASSKEY_PRESENCE, PASSKEY_VERIFIED the authenticator data; SIGNATURE.
 */
PL_CHECKED pl_err pl_webauthn_verify(struct pl_crypto *c, struct pl_signer *out,
                                     const struct pl_passkey_proof *proof,
                                     const uint8_t challenge[static PL_SHA256_BYTES]);

/* SHA-256 of the key as SPKI: the name under which a passkey, a TLS key and a signing key are one.
 * PASSKEY_KEY, KEY_FORMAT. */
PL_CHECKED pl_err pl_cose_spki(struct pl_crypto *c, uint8_t out_sha256[static PL_SHA256_BYTES],
                               struct pl_span cose);

#endif
