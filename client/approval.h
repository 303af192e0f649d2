/* What is to be approved, and who approved it: a file for people and other machines. It holds all
 * that an approver needs to see for himself what he signs; vaults are sent the signed statement
 * alone. One operation, one client, all vaults of a key. Pure: used by the library and commands.
 *
 * Whoever makes such a file is not believed. The statement is made again from what the file says
 * (vaults, handles, versions, policies, and the seed of the values that fill up its targets) and
 * must come out byte for byte: a target that the file does not show, for another key, cannot hide
 * among those that stand for nobody. */
#ifndef PL_CLIENT_APPROVAL_H
#define PL_CLIENT_APPROVAL_H

#include "api/api.h"
#include "policy/statement.h"

enum {
    PL_APPROVAL_FILE = 1 << 20,
    PL_APPROVAL_NAME = 128,
    PL_APPROVAL_SEED = 32,
};

struct pl_approval_vault {
    uint8_t vault_id[32], handle[PL_HANDLE_BYTES];
    uint64_t version;      /* of the policy */
    struct pl_span policy; /* the document in force there */
};
struct pl_approval_spec {
    const char *name; /* what the one who asks calls the key */
    enum pl_op op;    /* one that has no parameters */
    const uint8_t *requester;
    int64_t iat_s, exp_s;
    uint8_t nonce[PL_NONCE_BYTES], seed[PL_APPROVAL_SEED]; /* fresh, random */
    const struct pl_approval_vault *vault;
    size_t vaults; /* 1 to 32 */
};
/* Appends the file, approved by nobody. Vaults whose policies have other rules for this than most
 * are left out: nobody could read what he signs for both. APPROVAL_OP, else what is wrong with a
 * policy or a field. */
PL_CHECKED pl_err pl_approval_make(struct pl_wr *out, struct pl_crypto *c,
                                   const struct pl_approval_spec *spec);

struct pl_approval_file {
    char name[PL_APPROVAL_NAME + 1];
    struct pl_statement statement; /* form and fields; proved by nobody */
    struct pl_span text;           /* of it */
    size_t vaults;
    struct pl_act act[PL_STATEMENT_TARGETS];
    struct pl_policy *policy[PL_STATEMENT_TARGETS]; /* loaded */
    size_t approvals;
    struct pl_approval_by {
        struct pl_span carrier;
        pl_err proof; /* PL_OK, or why it proves nothing; an OIDC token is for vaults to judge */
        enum pl_proof_form form;
        uint8_t authenticator[32];
    } by[PL_STATEMENTS_MAX];
    struct pl_api_approval_file m; /* all this borrows from it */
    struct pl_wr copy;
    void *scratch;
};
/* Reads and makes again. APPROVAL_FILE when the statement is not what the file shows. Who signed is
 * judged one by one, in by[]. Free it in any case. */
PL_CHECKED pl_err pl_approval_read(struct pl_approval_file *out, struct pl_crypto *c,
                                   struct pl_span text);
void pl_approval_free(struct pl_approval_file *f);
/* Appends the file with one approval more. APPROVAL_TWICE when this key has approved. */
PL_CHECKED pl_err pl_approval_add(struct pl_wr *out, struct pl_crypto *c,
                                  const struct pl_approval_file *f, const struct pl_priv *key);
/* The same with a carrier of the statement that was signed elsewhere; refused when it proves
 * nothing, as its own judge says. */
PL_CHECKED pl_err pl_approval_attach(struct pl_wr *out, struct pl_crypto *c,
                                     const struct pl_approval_file *f, struct pl_span carrier);

#endif
