#include "test.h"
#include "key/key.h"

#include <string.h>

TEST(operations_have_unique_words_and_full_rows)
{
    for (unsigned op = 1; op < PL_OP_COUNT; op++) {
        const struct pl_op_row *row = pl_op_row((enum pl_op)op);
        CHECK(pl_op_of(pl_span_str(row->word)) == op);
        CHECK(row->types != 0 && row->gives != PL_GIVES_NONE && row->event != PL_EVENT_NONE);
        CHECK(row->audit != PL_AUDIT_NONE && row->ruled != PL_RULED_NOBODY);
        CHECK(row->gives != PL_GIVES_MATERIAL || row->audit == PL_AUDIT_RELEASE);
        CHECK(!row->narrows || row->changes);
    }
    CHECK(pl_op_of(PL_LIT("mac-verify")) == PL_OP_NONE);
    CHECK(pl_op_row((enum pl_op)1000)->ruled == PL_RULED_NOBODY);
    CHECK(pl_op_fits(PL_OP_EXPORT, PL_KEY_RAW_SHARE) && !pl_op_fits(PL_OP_EXPORT, PL_KEY_ED25519));
    CHECK(pl_op_fits(PL_OP_SIGN, PL_KEY_ED25519) && !pl_op_fits(PL_OP_SIGN, PL_KEY_AES256_GCM));
    CHECK(!pl_op_fits(PL_OP_IMPORT, PL_KEY_RAW_SHARE) && !pl_op_fits(PL_OP_SIGN, PL_KEY_NONE));
}

TEST(only_export_of_shares_is_a_use_that_releases)
{
    for (unsigned op = 1; op < PL_OP_COUNT; op++) {
        const struct pl_op_row *row = pl_op_row((enum pl_op)op);
        bool use = row->usage != PL_USAGE_NONE && row->gives == PL_GIVES_MATERIAL;
        CHECK(use == (op == PL_OP_EXPORT));
    }
    CHECK(pl_op_row(PL_OP_EXPORT)->types == 1u << PL_KEY_RAW_SHARE);
}

TEST(types_of_later_builds_are_refused_by_name)
{
    enum pl_key_type t;
    CHECK_OK(pl_key_type_parse(&t, PL_LIT("raw_share")));
    CHECK(t == PL_KEY_RAW_SHARE);
    CHECK_ERR(pl_key_type_parse(&t, PL_LIT("ed25519")), KEY_TYPE_BUILD);
    CHECK_ERR(pl_key_type_parse(&t, PL_LIT("rsa")), KEY_TYPE);
    CHECK(t == PL_KEY_NONE);
}

/* Every cell has an answer, and the moves are these and no others. */
TEST(states_move_as_written)
{
    static const struct {
        enum pl_state from;
        enum pl_event event;
        enum pl_state to;
    } moves[] = {
        {PL_STATE_NONE, PL_EVENT_CREATE, PL_STATE_PREPARED},
        {PL_STATE_PREPARED, PL_EVENT_ACTIVATE, PL_STATE_ACTIVE},
        {PL_STATE_PREPARED, PL_EVENT_DELETE, PL_STATE_DESTROYED},
        {PL_STATE_PREPARED, PL_EVENT_LAPSE, PL_STATE_DESTROYED},
        {PL_STATE_ACTIVE, PL_EVENT_USE, PL_STATE_ACTIVE},
        {PL_STATE_ACTIVE, PL_EVENT_LOOK, PL_STATE_ACTIVE},
        {PL_STATE_ACTIVE, PL_EVENT_CHANGE, PL_STATE_ACTIVE},
        {PL_STATE_ACTIVE, PL_EVENT_FREEZE, PL_STATE_FROZEN},
        {PL_STATE_ACTIVE, PL_EVENT_UNFREEZE, PL_STATE_ACTIVE},
        {PL_STATE_ACTIVE, PL_EVENT_DELETE, PL_STATE_DELETED},
        {PL_STATE_FROZEN, PL_EVENT_FREEZE, PL_STATE_FROZEN},
        {PL_STATE_FROZEN, PL_EVENT_LOOK, PL_STATE_FROZEN},
        {PL_STATE_FROZEN, PL_EVENT_UNFREEZE, PL_STATE_ACTIVE},
        {PL_STATE_FROZEN, PL_EVENT_DELETE, PL_STATE_DELETED},
        {PL_STATE_DELETED, PL_EVENT_LOOK, PL_STATE_DELETED},
        {PL_STATE_DELETED, PL_EVENT_RESTORE, PL_STATE_FROZEN},
        {PL_STATE_DELETED, PL_EVENT_DESTROY, PL_STATE_DESTROYED},
        {PL_STATE_DELETED, PL_EVENT_LAPSE, PL_STATE_DESTROYED},
        {PL_STATE_DESTROYED, PL_EVENT_LOOK, PL_STATE_DESTROYED},
    };
    unsigned allowed = 0;
    for (unsigned s = 0; s < PL_STATE_COUNT; s++) {
        for (unsigned e = 0; e < PL_EVENT_COUNT; e++) {
            enum pl_state to;
            bool ok = pl_state_next(&to, (enum pl_state)s, (enum pl_event)e) == PL_OK;
            allowed += ok;
            bool listed = false;
            for (size_t m = 0; m < sizeof(moves) / sizeof(moves[0]); m++)
                listed = listed || (moves[m].from == s && moves[m].event == e && moves[m].to == to);
            CHECK(ok == listed);
        }
    }
    CHECK(allowed == sizeof(moves) / sizeof(moves[0]));
    enum pl_state to;
    CHECK_ERR(pl_state_next(&to, (enum pl_state)99, PL_EVENT_USE), STATE);
    CHECK_ERR(pl_state_next(&to, PL_STATE_ACTIVE, (enum pl_event)99), STATE);
}

TEST_MAIN()
