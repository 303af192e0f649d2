#include "key/key.h"

/* ---- Types ---------------------------------------------------------------------------------- */

static const struct {
    const char *word;
    bool built;
} types[PL_KEY_TYPE_COUNT] = {
    [PL_KEY_NONE] = {"none", false},
#define PL_KEY_TYPE(name, word_, built_) [PL_KEY_##name] = {word_, built_},
#include "key/type.def"
#undef PL_KEY_TYPE
};

const char *pl_key_type_word(enum pl_key_type t)
{
    return types[(unsigned)t < PL_KEY_TYPE_COUNT ? t : PL_KEY_NONE].word;
}

enum pl_key_type pl_key_type_of(struct pl_span word)
{
    for (unsigned t = PL_KEY_NONE + 1; t < PL_KEY_TYPE_COUNT; t++) {
        if (pl_span_is(word, types[t].word))
            return (enum pl_key_type)t;
    }
    return PL_KEY_NONE;
}

pl_err pl_key_type_parse(enum pl_key_type *out, struct pl_span word)
{
    *out = PL_KEY_NONE;
    enum pl_key_type t = pl_key_type_of(word);
    PL_REQUIRE(t != PL_KEY_NONE, KEY_TYPE);
    PL_REQUIRE(types[t].built, KEY_TYPE_BUILD);
    *out = t;
    return PL_OK;
}

/* ---- Operations ----------------------------------------------------------------------------- */

#define BIT(t) (UINT32_C(1) << PL_KEY_##t)
enum {
    TYPES_RAW_SHARE = BIT(RAW_SHARE),
    TYPES_AES256_GCM = BIT(AES256_GCM),
    TYPES_HMAC_SHA256 = BIT(HMAC_SHA256),
    TYPES_BIP32_SEED = BIT(BIP32_SEED),
    TYPES_SIGNING = BIT(ED25519) | BIT(P256) | BIT(SECP256K1) | BIT(BIP32_SEED),
    TYPES_WRAPPING = BIT(AES256_GCM) | BIT(WRAPPED_BLOB),
    /* Not shares, which arrive only inside the channel of whoever split, and not blobs. */
    TYPES_KEYS = TYPES_SIGNING | BIT(AES256_GCM) | BIT(HMAC_SHA256),
    TYPES_ALL = (1 << PL_KEY_TYPE_COUNT) - 2,
};

static const struct pl_op_row ops[PL_OP_COUNT] = {
    [PL_OP_NONE] = {"none", 0, PL_USAGE_NONE, PL_GIVES_NONE, false, false, PL_EVENT_NONE,
                    PL_AUDIT_NONE, PL_RULED_NOBODY},
#define PL_OP(name, word, types_, usage, gives, changes, narrows, event, audit, ruled)             \
    [PL_OP_##name] = {word,    TYPES_##types_,   PL_USAGE_##usage, PL_GIVES_##gives, changes,      \
                      narrows, PL_EVENT_##event, PL_AUDIT_##audit, PL_RULED_##ruled},
#include "key/op.def"
#undef PL_OP
};
_Static_assert(PL_OP_COUNT <= 64, "sets of operations are 64-bit masks");

const struct pl_op_row *pl_op_row(enum pl_op op)
{
    return &ops[(unsigned)op < PL_OP_COUNT ? op : PL_OP_NONE];
}

enum pl_op pl_op_of(struct pl_span word)
{
    for (unsigned op = PL_OP_NONE + 1; op < PL_OP_COUNT; op++) {
        if (pl_span_is(word, ops[op].word))
            return (enum pl_op)op;
    }
    return PL_OP_NONE;
}

bool pl_op_fits(enum pl_op op, enum pl_key_type type)
{
    return (unsigned)type < PL_KEY_TYPE_COUNT && (pl_op_row(op)->types >> type & 1) != 0;
}

/* ---- States --------------------------------------------------------------------------------- */

static const char *const state_words[PL_STATE_COUNT] = {
    "none", "prepared", "active", "frozen", "deleted", "destroyed",
};

const char *pl_state_word(enum pl_state s)
{
    return state_words[(unsigned)s < PL_STATE_COUNT ? s : PL_STATE_NONE];
}

/* What becomes of a state. An empty cell would be BLANK, which a test looks for. */
enum { BLANK = 0, NO, STAY, TO };
#define MOVE(s) (TO + PL_STATE_##s)

/* clang-format off */
static const uint8_t next[PL_STATE_COUNT][PL_EVENT_COUNT] = {
    /*                 none create          activate      use   look  change freeze        */
    /*                 unfreeze      delete         restore       destroy         lapse    */
    [PL_STATE_NONE] = {NO,  MOVE(PREPARED), NO,           NO,   NO,   NO,    NO,
                       NO,           NO,            NO,           NO,             NO},
    /* Invisible until it is whole at all vaults; whoever made it may give it up. */
    [PL_STATE_PREPARED] =
                      {NO,  NO,             MOVE(ACTIVE), NO,   NO,   NO,    NO,
                       NO,           MOVE(DESTROYED), NO,         NO,             MOVE(DESTROYED)},
    /* To freeze or unfreeze twice is to do it once: who repeats it at many vaults need not ask. */
    [PL_STATE_ACTIVE] =
                      {NO,  NO,             NO,           STAY, STAY, STAY,  MOVE(FROZEN),
                       STAY,         MOVE(DELETED), NO,           NO,             NO},
    [PL_STATE_FROZEN] =
                      {NO,  NO,             NO,           NO,   STAY, NO,    STAY,
                       MOVE(ACTIVE), MOVE(DELETED), NO,           NO,             NO},
    /* Restored frozen: what it was before is not asked, and unfreezing has its own guard. */
    [PL_STATE_DELETED] =
                      {NO,  NO,             NO,           NO,   STAY, NO,    NO,
                       NO,           NO,            MOVE(FROZEN), MOVE(DESTROYED), MOVE(DESTROYED)},
    [PL_STATE_DESTROYED] =
                      {NO,  NO,             NO,           NO,   STAY, NO,    NO,
                       NO,           NO,            NO,           NO,             NO},
};
/* clang-format on */

pl_err pl_state_next(enum pl_state *out, enum pl_state from, enum pl_event event)
{
    *out = PL_STATE_NONE;
    PL_REQUIRE((unsigned)from < PL_STATE_COUNT && (unsigned)event < PL_EVENT_COUNT, STATE);
    uint8_t cell = next[from][event];
    PL_ASSERT(cell != BLANK);
    PL_REQUIRE(cell != NO, STATE);
    *out = cell == STAY ? from : (enum pl_state)(cell - TO);
    return PL_OK;
}
