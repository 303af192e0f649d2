/* Shamir's secret sharing over GF(2^8), and the form of a secret that makes a wrong share visible.
 *
 * The field is GF(2)[t] / (t^8 + t^4 + t^3 + t + 1) (0x11b, the one of AES, FIPS 197 section 4.2).
 * Each byte of the secret is the value at 0 of its own polynomial of degree k - 1 whose other
 * coefficients are random; a share is a point x (not 0) and, for each byte, the value there. Fewer
 * than k shares say nothing about the secret but its length (A. Shamir, CACM 22, 1979).
 *
 * Time depends on k, n, the x and the lengths alone, all of which are public: no table is indexed
 * and no branch taken by a secret byte, a coefficient or a y. Nothing here draws randomness: random
 * bytes are arguments. Secret temporaries live in the caller's arena and are wiped before return.
 * All functions may run in any thread on distinct objects. On error, out buffers hold
 * nothing secret: they are wiped or were never written.
 */
#ifndef PL_SHAMIR_SHAMIR_H
#define PL_SHAMIR_SHAMIR_H

#include "base/base.h"
#include "crypto/crypto.h"

enum {
    PL_SHARES_MAX = 255, /* points of the field without 0 */
    PL_SPLIT_ID_BYTES = 16,
    PL_SECRET_MAX = 64 << 10, /* bytes of a secret in the packed form */
    PL_MAC_KEY_BYTES = 32,
    PL_CHECK_BYTES = 32,
    PL_PACK_UNIT = 32, /* the packed form is a multiple of this */
    PL_SHARE_TAG_BYTES = 32,
    PL_X_SEED_BYTES = 8,      /* random bytes for the choice of one x */
    PL_SUBSETS_MAX = 10000,   /* combinations tried to find a wrong share */
    PL_SHAMIR_SCRATCH = 1280, /* what the bare functions take from the arena, in bytes */
};

/* How a secret is split. id, k and n go into the check of the packed form; x is where the shares
 * lie and matters to splitting only. */
struct pl_split {
    uint8_t id[PL_SPLIT_ID_BYTES];
    uint8_t k, n;             /* 2 <= k <= n */
    uint8_t x[PL_SHARES_MAX]; /* the first n: distinct, none 0 */
};

/* One share, borrowed. */
struct pl_share {
    uint8_t x;
    struct pl_span y;
};

/* ---- Points ---- */

/* n distinct x, none 0, in random order; random: n * PL_X_SEED_BYTES bytes (asserted). The
 * choice is uniform but for a bias below 2^-55; x are public and secrecy does not rest on it.
 * SHARE_PARAMS unless 2 <= k <= n. */
PL_CHECKED pl_err pl_split_random_x(struct pl_split *s, struct pl_span random);
/* x = 1, 2, ..., n, as most other tools number their shares. SHARE_PARAMS likewise. */
PL_CHECKED pl_err pl_split_plain_x(struct pl_split *s);

/* ---- Bare shares: nothing but Shamir ---- */

/* Splits secret.n bytes into n shares of the same length. out_y: n rows of secret.n bytes, row j
 * belongs to s->x[j]. random: (k - 1) * secret.n bytes (asserted), uniform, secret, used once; byte
 * (i - 1) * secret.n + b is the coefficient of x^i for byte b. Bytes are independent of each
 * other, so a long secret may be split piece by piece.
 * SHARE_PARAMS unless 2 <= k <= n and the x are distinct and not 0; SECRET_EMPTY; NO_MEMORY when
 * the arena has less than PL_SHAMIR_SCRATCH left. */
PL_CHECKED pl_err pl_shamir_split(uint8_t *out_y, const struct pl_split *s, struct pl_span secret,
                                  struct pl_span random, struct pl_arena *a);
/* The same, also for k = 1, where every share is the secret itself. */
PL_CHECKED pl_err pl_shamir_insecure_split(uint8_t *out_y, const struct pl_split *s,
                                           struct pl_span secret, struct pl_span random,
                                           struct pl_arena *a);

/* The value at x = `at` of the polynomials of degree k - 1 through these k shares: at 0 the secret,
 * elsewhere the share that would lie there. out: shares[0].y.n bytes, not overlapping any y.
 * Any k shares give some value: bare shares cannot tell a wrong one.
 * SHARE_FEW when k is 0, SHARE_POINT when an x is 0 or stands twice, SHARE_LENGTH when lengths
 * differ or are 0, SHARE_PARAMS when k > 255, NO_MEMORY as above. */
PL_CHECKED pl_err pl_shamir_at(uint8_t *out, uint8_t at, const struct pl_share *shares, size_t k,
                               struct pl_arena *a);

/* ---- Packed: a secret that knows whether it was put together rightly ----
 *
 *   packed = secret || mac key (32) || check (32) || 0x80 || 0x00 ...
 *
 * with the fewest zeros (0 to 31) that make the length a multiple of 32, so a share tells the
 * length of the secret to 32 bytes only. The mac key is random and belongs to this split.
 *
 *   check = HMAC-SHA-256(mac key, id (16 bytes) || k (1) || n (1) || length (8, big endian, of the
 *           secret in bytes) || secret)
 *
 * Both mac key and check are inside what is split: nothing outside the shares depends on the
 * secret. Whoever uses the mac key for something else must begin that message with a label. */
size_t pl_packed_bytes(size_t secret_bytes);

/* out: pl_packed_bytes(secret.n) bytes, in secret memory. SECRET_EMPTY, SECRET_SIZE, SHARE_PARAMS.
 */
PL_CHECKED pl_err pl_pack(struct pl_crypto *c, uint8_t *out, const struct pl_split *s,
                          struct pl_span secret, const uint8_t mac_key[static PL_MAC_KEY_BYTES]);
/* Borrows secret and mac key from packed. SHARE_CHECK when it is not what pl_pack wrote for this
 * id, k and n; then the outputs are empty. */
PL_CHECKED pl_err pl_unpack(struct pl_crypto *c, struct pl_span *out_secret,
                            struct pl_span *out_mac_key, const struct pl_split *s,
                            struct pl_span packed);

/* Packs and splits at once. out_y: n rows of pl_packed_bytes(secret.n). random: the mac key, then
 * the coefficients: pl_split_random_bytes(s, secret.n) bytes (asserted), used once. Takes
 * pl_packed_bytes(secret.n) + PL_SHAMIR_SCRATCH from the arena, for as long as it runs. */
size_t pl_split_random_bytes(const struct pl_split *s, size_t secret_bytes);
PL_CHECKED pl_err pl_share_split(struct pl_crypto *c, uint8_t *out_y, const struct pl_split *s,
                                 struct pl_span secret, struct pl_span random, struct pl_arena *a);

/* What came out of combining, in the arena: it lives until the caller releases its own mark. */
struct pl_combined {
    struct pl_span secret, mac_key;
    unsigned tried; /* combinations until one passed */
    unsigned n_wrong;
    bool wrong[PL_SHARES_MAX]; /* by position in `shares`: not on the polynomial that passed */
};

/* Puts a packed secret together from m >= k shares; s->x is not used. Give the most trusted shares
 * first: the first k are tried first, then other k-subsets (all of them when there are at most
 * PL_SUBSETS_MAX, else that many drawn by a fixed generator), until the check passes; then every
 * other share is held against that polynomial and those that deviate are named in out->wrong.
 * Takes 2 * length of y + PL_SHAMIR_SCRATCH from the arena.
 * SHARE_CHECK when no combination passes: with m = k a wrong share is detected, not named.
 * SHARE_FEW when m < k, SHARE_PARAMS, SHARE_POINT, SHARE_LENGTH as above and when the length is not
 * that of a packed secret. *out is zeros on error and the arena as it was. */
PL_CHECKED pl_err pl_share_combine(struct pl_crypto *c, struct pl_combined *out,
                                   const struct pl_split *s, const struct pl_share *shares,
                                   size_t m, struct pl_arena *a);

/* ---- A share in a file ----
 *
 *   "PLSHARE1" || split id (16) || k (1) || n (1) || x (1) || y
 *
 * with the y of a packed secret. A plain share is x || y, bare, as other tools write it. */
enum { PL_SHARE_HEAD_BYTES = 8 + PL_SPLIT_ID_BYTES + 3 };
enum { PL_SHARE_FILE_MAX = PL_SHARE_HEAD_BYTES + PL_SECRET_MAX + 96 };
void pl_wr_share_head(struct pl_wr *w, const struct pl_split *s, uint8_t x);
/* id, k and n to *out_split (its x are zeros); *out borrows from `in`. SHARE_FILE when it is no
 * such file, SHARE_PARAMS, SHARE_POINT, SHARE_LENGTH when it is one that cannot be. */
PL_CHECKED pl_err pl_share_parse(struct pl_split *out_split, struct pl_share *out,
                                 struct pl_span in);
/* A plain one: SHARE_LENGTH when there is no y, SHARE_POINT when x is 0. */
PL_CHECKED pl_err pl_share_parse_plain(struct pl_share *out, struct pl_span in);

/* ---- The fast hint ----
 * tag = HMAC-SHA-256(link secret, vault_id (32) || split id (16) || generation (8, big endian) ||
 *                    x (1) || y)
 * It goes with each share and tells a spoiled one before anything is combined. A hint only: the
 * link secret stands in the descriptor, so whoever has the descriptor can make tags. */
struct pl_share_place {
    uint8_t vault_id[PL_SHA256_BYTES];
    uint8_t split_id[PL_SPLIT_ID_BYTES];
    uint64_t generation;
};
PL_CHECKED pl_err pl_share_tag(struct pl_crypto *c, uint8_t out[static PL_SHARE_TAG_BYTES],
                               struct pl_span link_secret, const struct pl_share_place *place,
                               struct pl_share share);
/* SHARE_TAG when it does not match. */
PL_CHECKED pl_err pl_share_tag_verify(struct pl_crypto *c, struct pl_span link_secret,
                                      const struct pl_share_place *place, struct pl_share share,
                                      const uint8_t tag[static PL_SHARE_TAG_BYTES]);

#endif
