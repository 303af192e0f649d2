/* The development authority: a folder that plays the vendor for machines made of software.
 *
 *     root.key ca.key tcb.key   private keys, PKCS#8 in PEM, mode 0600, fresh in each folder
 *     root.pem ca.pem tcb.pem   their certificates; root.pem is what a verifier must be told
 *     revoked                   serials of revoked PCK certificates, hex, a line each
 *     collateral/               what the vendor would publish, in the layout verifiers read
 *     collateral-<fmspc>/       the same for machines of another family
 *     lock                      held while any of it is written
 *
 * The folder is mode 0700: whoever reads it can make evidence that passes as simulated hardware of
 * this root. It can never pass as a vendor's. Errors: those of platform/ files and core/crypto;
 * AUTHORITY when the folder's contents do not fit together. */
#ifndef PL_SIMD_AUTHORITY_H
#define PL_SIMD_AUTHORITY_H

#include "attest/attest.h"
#include "daemons/simd/fixture.h"

#define PL_AUTHORITY_COLLATERAL "collateral"

/* Makes the folder (FILE_EXISTS when it is there), its keys, certificates and collateral. */
PL_CHECKED pl_err pl_authority_create(struct pl_crypto *c, const char *dir, int64_t now_s);
/* Fills *w with the authority's keys and certificates and fresh others; see pl_fx_world_init. The
 * caller wipes the world also on error. */
PL_CHECKED pl_err pl_authority_open(struct pl_fx_world *w, struct pl_crypto *c, const char *dir,
                                    int64_t now_s);
/* Publishes collateral for w->platform.fmspc, valid from now on, with all revoked serials. With
 * only_older_than_s > 0 only when what is published is older than that. */
PL_CHECKED pl_err pl_authority_publish(struct pl_fx_world *w, const char *dir, int64_t now_s,
                                       int64_t only_older_than_s);
/* Adds w->pck.serial to the revoked ones; publish makes it known. */
PL_CHECKED pl_err pl_authority_revoke(struct pl_fx_world *w, const char *dir);
/* The name of the collateral folder for this family, inside the authority's. */
void pl_authority_collateral(const struct pl_fx_world *w, char out[static 32]);

/* Makes the i-th of pl_collateral_file from a world whose certificates are made. */
PL_CHECKED pl_err pl_fx_collateral_file(struct pl_fx_world *w, struct pl_wr *out, size_t i);

#endif
