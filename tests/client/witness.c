/* Linked over pleiad-vaultd-sim for one test, with tests/registry/record.c: a vault that writes
 * down all it learns. Beside what it received: the certificate of each caller to $PL_RECORD.leaf,
 * and the body of each entry of its log, in clear, to .entries; what a vault keeps is what its
 * entries say. */
#include "ledger/ledger.h"
#include "platform/net/net.h"
#include "tests/registry/record.h"

pl_err __real_pl_conn_begin_session(struct pl_conn *c, struct pl_session_state *out);
pl_err __wrap_pl_conn_begin_session(struct pl_conn *c, struct pl_session_state *out);
pl_err __wrap_pl_conn_begin_session(struct pl_conn *c, struct pl_session_state *out)
{
    record("leaf", pl_conn_peer(c)->leaf);
    return __real_pl_conn_begin_session(c, out);
}

uint64_t __real_pl_frame_add(struct pl_frame *f, enum pl_entry_kind kind, struct pl_span body);
uint64_t __wrap_pl_frame_add(struct pl_frame *f, enum pl_entry_kind kind, struct pl_span body);
uint64_t __wrap_pl_frame_add(struct pl_frame *f, enum pl_entry_kind kind, struct pl_span body)
{
    record("entries", body);
    return __real_pl_frame_add(f, kind, body);
}
