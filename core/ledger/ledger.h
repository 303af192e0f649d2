/* The bytes of the log: frames of entries, snapshots, the sealed root. Pure: every function is a
 * codec over the caller's memory; platform/store moves the bytes to files and back.
 *
 * The log is the database: a vault's state is a function of its entries. Entries have consecutive
 * indexes from 0; a frame holds those of one turn of the log thread, sealed together; an epoch is
 * the frames under one key (platform/store: one segment file, begun at every start).
 *
 * A frame, integers big endian:
 *
 *     magic     8   "PLFRAME1"
 *     vault_id 32
 *     epoch     8   from 1
 *     sequence  8   from 0 in each epoch; below 2^32
 *     length    4   bytes of the whole frame, a multiple of 4096, at most 1 MiB
 *     salt     32   of the epoch, in clear; the same in all its frames
 *     check     8   the first bytes of SHA-256 over all the above
 *     before   16   the tag of the frame before, also across epochs; zeros in the very first
 *     sealed        AES-256-GCM: first index 8, count 4, the entries, zeros up to the end
 *     tag      16
 *
 * AAD = the 116 bytes before `sealed`: the whole header and the previous frame's tag. Key and salt
 * key = HKDF(root key, salt, label || vault_id || epoch), nonce = sequence. A nonce is used up by
 * sealing, whether or not the frame is ever written.
 * `check` is no protection against an adversary, who cannot forge the tag anyway: it tells a
 * damaged length from a torn frame, so that only the second is cut.
 *
 * An entry: body length 4, kind 2, body. Its payload is kind || body.
 *
 *     salt       = HMAC-SHA-256(salt key of its epoch, index)
 *     commitment = SHA-256(salt || payload)
 *     leaf       = SHA-256(0x00 || commitment)          (RFC 6962 section 2.1)
 *
 * The salt is derived, not stored: whoever can open the frame can compute it, showing one shows no
 * other, and commit draws no entropy under the vault's lock. Two entries that had the same index
 * (the first one's frame was torn) stood in different epochs, so they share no salt.
 *
 * No function keeps a pointer to what it was given except where it says so. Structures with keys
 * are secrets: the caller gives them memory of that kind and wipes it.
 */
#ifndef PL_LEDGER_LEDGER_H
#define PL_LEDGER_LEDGER_H

#include "crypto/crypto.h"

enum {
    PL_ROOT_KEY_BYTES = 32,
    PL_VAULT_ID_BYTES = 32,
    PL_EPOCH_SALT_BYTES = 32,
    PL_LOG_BLOCK_BYTES = 4096,
    PL_LOG_SECTOR_BYTES = 512,
    PL_FRAME_HEADER_BYTES = 116,
    PL_FRAME_BYTES_MAX = 1 << 20,
    PL_ENTRY_BODY_MAX = 512 << 10,
    PL_ENTRY_OVERHEAD = 6,
    PL_FRAME_OVERHEAD = PL_FRAME_HEADER_BYTES + 12 + PL_GCM_TAG_BYTES,
};
#define PL_EPOCH_FRAMES_MAX (UINT64_C(1) << 32)

enum pl_entry_kind {
    PL_ENTRY_NONE = 0,
#define PL_ENTRY(name, number, text) PL_ENTRY_##name = (number),
#include "ledger/entry.def"
#undef PL_ENTRY
};

/* "CREATE", and what happened; NULL for a number that entry.def does not have. */
const char *pl_entry_name(unsigned kind);
const char *pl_entry_text(unsigned kind);

struct pl_entry {
    uint64_t index;
    enum pl_entry_kind kind;
    struct pl_span body; /* borrowed; at most PL_ENTRY_BODY_MAX bytes, may be empty */
};

/* ---- an epoch: its keys, and where its chain of frames stands ------------------------------- */

#define PL_INDEX_ANY UINT64_MAX

struct pl_epoch {
    uint8_t vault_id[PL_VAULT_ID_BYTES];
    uint8_t salt[PL_EPOCH_SALT_BYTES];
    uint64_t number;                   /* from 1 */
    uint64_t sequence;                 /* of the next frame to seal or open */
    uint64_t index;                    /* its first entry; opening: PL_INDEX_ANY takes any */
    uint8_t tag[PL_GCM_TAG_BYTES];     /* of the frame before it */
    uint8_t key[PL_AES_KEY_BYTES];     /* secret */
    uint8_t salt_key[PL_SHA256_BYTES]; /* secret */
};

/* Where a log stands: what the next epoch begins from. Zeroed: the log is empty. */
struct pl_log_end {
    uint64_t epoch;                /* of the last frame; 0: none */
    uint64_t sequence;             /* of the last frame */
    uint64_t index;                /* entries so far */
    uint8_t tag[PL_GCM_TAG_BYTES]; /* of the last frame */
};

/* What an epoch begins with; all borrowed during the call. */
struct pl_epoch_start {
    const uint8_t *root;     /* PL_ROOT_KEY_BYTES */
    const uint8_t *vault_id; /* PL_VAULT_ID_BYTES */
    const uint8_t *salt;     /* PL_EPOCH_SALT_BYTES, fresh random ones when it is for sealing */
    const struct pl_log_end *end; /* its first frame will follow this */
    uint64_t number;
};

/* Derives an epoch's keys. */
PL_CHECKED pl_err pl_epoch_begin(struct pl_crypto *c, struct pl_epoch *out,
                                 const struct pl_epoch_start *start);

/* The salt, commitment and leaf hash of an entry of this epoch. out holds 32 bytes. */
PL_CHECKED pl_err pl_entry_salt(struct pl_crypto *c, uint8_t out[static PL_SHA256_BYTES],
                                const struct pl_epoch *e, uint64_t index);
PL_CHECKED pl_err pl_entry_commitment(struct pl_crypto *c, uint8_t out[static PL_SHA256_BYTES],
                                      const uint8_t salt[static PL_SHA256_BYTES],
                                      const struct pl_entry *entry);
PL_CHECKED pl_err pl_entry_leaf(struct pl_crypto *c, uint8_t out[static PL_SHA256_BYTES],
                                const uint8_t commitment[static PL_SHA256_BYTES]);

/* ---- writing a frame ------------------------------------------------------------------------ */

/* A frame being filled, in the caller's memory. */
struct pl_frame {
    uint8_t *p;     /* kept until sealed */
    size_t cap;     /* a multiple of PL_LOG_BLOCK_BYTES, at most PL_FRAME_BYTES_MAX */
    size_t n;       /* bytes used */
    uint64_t index; /* of the first entry */
    uint32_t count; /* entries so far */
};

void pl_frame_begin(struct pl_frame *f, uint8_t *mem, size_t cap, uint64_t index);
/* Would so many further entries, of so many body bytes together, fit? */
bool pl_frame_fits(const struct pl_frame *f, size_t entries, size_t body_bytes);
/* Appends and returns the entry's index. The caller made sure that it fits (asserted). */
uint64_t pl_frame_add(struct pl_frame *f, enum pl_entry_kind kind, struct pl_span body);
/* Seals in place as the epoch's next frame: the bytes to write are out_frame (in f's memory). The
 * sequence is used up whatever comes out. An intact frame has no all-zero sector: one that the
 * cipher made by chance (2^-4096 each) is refused, FRAME_ZERO_SECTOR, and the epoch is over.
 * On error f's memory is wiped. */
PL_CHECKED pl_err pl_frame_seal(struct pl_crypto *c, struct pl_epoch *e, struct pl_frame *f,
                                struct pl_span *out_frame);

/* ---- reading frames ------------------------------------------------------------------------- */

struct pl_frame_header {
    uint8_t vault_id[PL_VAULT_ID_BYTES];
    uint8_t salt[PL_EPOCH_SALT_BYTES];
    uint8_t before[PL_GCM_TAG_BYTES];
    uint64_t epoch, sequence;
    uint32_t length;
};

/* Reads the header at the front of `in`. FRAME_HEADER when it is none. Nothing in it is believed
 * before the frame was opened. */
PL_CHECKED pl_err pl_frame_header(struct pl_crypto *c, struct pl_frame_header *out,
                                  struct pl_span in);

/* What the bytes from where a frame should begin to the end of its segment are. */
enum pl_tail {
    PL_TAIL_DAMAGED = 0, /* neither of the others */
    PL_TAIL_FRAME,       /* a frame that has no all-zero sector: open it to know more */
    PL_TAIL_END,         /* zeros: nothing was written here */
    PL_TAIL_TORN,        /* one interrupted write: a frame of which a sector is missing (all zero),
                          * nothing after it, every other sector full of written bytes */
};
/* rest: from where the frame should begin to the end of the segment, a multiple of
 * PL_LOG_SECTOR_BYTES (asserted). */
PL_CHECKED pl_err pl_frame_tail(struct pl_crypto *c, enum pl_tail *out, struct pl_span rest,
                                const uint8_t vault_id[static PL_VAULT_ID_BYTES]);

/* The entries of an opened frame, in order. */
struct pl_frame_reader {
    struct pl_rd rd;
    uint64_t index;
    uint32_t left;
};
/* Opens the epoch's next frame in place: `mem` holds the whole frame (n = its length) and then its
 * plaintext, which the reader borrows. Errors, in this order: FRAME_HEADER, FRAME_VAULT (another
 * vault's), FRAME_ORDER (not the next epoch, sequence, salt or index), FRAME_CHAIN (does not follow
 * the previous tag), FRAME_SEAL (does not open; mem's sealed part is wiped), FRAME_ENTRIES (opens,
 * but is not well formed, or holds an unknown kind). The epoch advances on success only. */
PL_CHECKED pl_err pl_frame_open(struct pl_crypto *c, struct pl_epoch *e,
                                struct pl_frame_reader *out, uint8_t *mem, size_t n);
/* The next entry; false after the last. Cannot fail: open has checked them all. */
bool pl_frame_next(struct pl_frame_reader *r, struct pl_entry *out);

/* ---- snapshots ------------------------------------------------------------------------------ */

/* A snapshot: a header in clear, then the state in chunks, each sealed by itself:
 *
 *     magic     8   "PLSNAP01"
 *     vault_id 32
 *     salt     32   fresh for each snapshot
 *     index     8   the state is that after entries 0 .. index - 1
 *     epoch     8   \ the frame that holds entry index - 1
 *     sequence  8   /
 *     tag      16   of that frame
 *     tree     32   the log tree's root at `index`; zeros while there is no tree
 *
 * Key = HKDF(root key, salt), AAD = the header, nonce = {1 in the last chunk, else 0} || chunk
 * number: chunks cannot be reordered, and a missing end is seen. All but the last chunk hold
 * PL_SNAPSHOT_CHUNK bytes; the last may hold fewer, or none. A chunk on disk is its bytes and 16 of
 * tag. Entries from `index` on that stand in the same frame are replayed after the state. */
enum {
    PL_SNAPSHOT_HEADER_BYTES = 144,
    PL_SNAPSHOT_CHUNK = 65536 - PL_GCM_TAG_BYTES,
};

struct pl_snapshot {
    uint8_t vault_id[PL_VAULT_ID_BYTES];
    struct pl_log_end at;
    uint8_t tree[PL_SHA256_BYTES];
};

struct pl_snapshot_codec {
    uint8_t header[PL_SNAPSHOT_HEADER_BYTES];
    uint8_t key[PL_AES_KEY_BYTES]; /* secret */
    uint64_t chunk;
    bool done;
};

/* Begins writing; the header to write is codec->header. */
PL_CHECKED pl_err pl_snapshot_begin(struct pl_crypto *c, struct pl_snapshot_codec *out,
                                    const struct pl_snapshot *info,
                                    const uint8_t root[static PL_ROOT_KEY_BYTES],
                                    const uint8_t salt[static PL_EPOCH_SALT_BYTES]);
/* out: in.n + 16 bytes. in.n is PL_SNAPSHOT_CHUNK unless last (asserted). */
PL_CHECKED pl_err pl_snapshot_seal(struct pl_crypto *c, struct pl_snapshot_codec *k, uint8_t *out,
                                   struct pl_span in, bool last);
/* Begins reading: `in` begins with the header. SNAPSHOT_HEADER; nothing in out_info is believed
 * before a chunk was opened. */
PL_CHECKED pl_err pl_snapshot_read(struct pl_crypto *c, struct pl_snapshot_codec *out,
                                   struct pl_snapshot *out_info, struct pl_span in,
                                   const uint8_t root[static PL_ROOT_KEY_BYTES]);
/* Opens the next chunk into out (in.n - 16 bytes). SNAPSHOT_SEAL when it is not the chunk that was
 * written at this place, or not the last one although it should be. */
PL_CHECKED pl_err pl_snapshot_open(struct pl_crypto *c, struct pl_snapshot_codec *k, uint8_t *out,
                                   struct pl_span in, bool last);

/* ---- the sealed root ------------------------------------------------------------------------ */

/* magic 8 "PLROOT01" || sealer 16 || salt 32 || the root key, sealed 32 || tag 16. Key =
 * HKDF(seal key, salt), nonce 0 (the salt is fresh each time), AAD = the first 56 bytes. `sealer`
 * names what the seal key comes from (a TEE back end, "peers", ...), padded with zeros: it is shown
 * when the blob does not open. */
enum { PL_ROOT_BLOB_BYTES = 104, PL_SEALER_BYTES = 16 };

PL_CHECKED pl_err pl_root_seal(struct pl_crypto *c, uint8_t out[static PL_ROOT_BLOB_BYTES],
                               const uint8_t root[static PL_ROOT_KEY_BYTES],
                               const uint8_t seal_key[static PL_AES_KEY_BYTES],
                               const uint8_t salt[static PL_EPOCH_SALT_BYTES], const char *sealer);
/* ROOT_FORMAT when it is no such blob, ROOT_SEAL when it does not open; out is wiped then. */
PL_CHECKED pl_err pl_root_open(struct pl_crypto *c, uint8_t out[static PL_ROOT_KEY_BYTES],
                               struct pl_span blob,
                               const uint8_t seal_key[static PL_AES_KEY_BYTES]);
/* The sealer's name, NUL-terminated; "" unless printable. */
void pl_root_sealer(char out[static PL_SEALER_BYTES + 1], struct pl_span blob);

#endif
