/* A LUKS2 container whose key is split over vaults. One keyslot holds a random key of 64 bytes,
 * with few iterations: there is nothing to guess. A token of type "pleiad" holds the descriptor, as
 * base64url of its exact bytes.
 *
 * `bound` ties the key to this container: SHA-256 of the RFC 8785 form of {"digests", "segments",
 * "uuid"} of the header, without the lists of keyslots inside digests: other keyslots, tokens and
 * labels may come and go, another volume key, cipher or place of the data may not.
 *
 * Only who links this links libcryptsetup: it takes 3 ms at every start of a program.
 */
#ifndef PL_LUKS_VOLUME_H
#define PL_LUKS_VOLUME_H

#include "crypto/crypto.h"

enum {
    PL_VOLUME_KEY_BYTES = 64,
    PL_VOLUME_DESCRIPTOR_MAX = 160 * 1024,
    PL_VOLUME_LEAST = 17 << 20, /* the header alone takes 16 MiB */
};

struct pl_volume; /* one header in memory: what is checked is what is opened */

/* Overwrites the file at path with a fresh header whose one keyslot opens with this key. */
PL_CHECKED pl_err pl_volume_make(struct pl_volume **out, struct pl_crypto *c, const char *path,
                                 const uint8_t key[static PL_VOLUME_KEY_BYTES]);
/* LUKS_HEADER when there is none. */
PL_CHECKED pl_err pl_volume_load(struct pl_volume **out, struct pl_crypto *c, const char *path);
const uint8_t *pl_volume_bound(const struct pl_volume *v); /* 32 bytes */
PL_CHECKED pl_err pl_volume_set_descriptor(struct pl_volume *v, struct pl_span descriptor);
/* Appends the descriptor of the first such token; LUKS_TOKEN when there is none. */
PL_CHECKED pl_err pl_volume_descriptor(struct pl_volume *v, struct pl_wr *out);
/* Whether /dev/mapper/NAME can be asked for: device-mapper is there, and the name is free.
 * LUKS_MAPPER. */
PL_CHECKED pl_err pl_volume_may_map(struct pl_volume *v, const char *name);
/* Tries the key; with a name also activates /dev/mapper/NAME. LUKS_KEY, LUKS_MAPPER. */
PL_CHECKED pl_err pl_volume_open(struct pl_volume *v, const char *name,
                                 const uint8_t key[static PL_VOLUME_KEY_BYTES]);
/* libcryptsetup's last error in this thread since a volume was made or loaded; "" for none. */
const char *pl_volume_said(void);
void pl_volume_close(struct pl_volume *v); /* NULL allowed */

#endif
