/* pleiad-registryd as a process, against vaults whose keys and hardware this test holds. */
#include "../unit/entry_world.h"
#include "wire.h"

#include "platform/platform.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static struct entry_hw hw, foreign;
static struct entry_vault vault, other, stranger;
static struct process registry;
static char dir[64];
static const char *port;
static struct answer got;
static struct pl_wr carrier;

static const char *in_dir(const char *name)
{
    static char ring[8][128];
    static unsigned at;
    char *p = ring[at++ % 8];
    snprintf(p, 128, "%s/%s", dir, name);
    return p;
}

static bool write_trust(void)
{
    static const char *const names[] = {"tcb_info.json",    "tcb_info_issuer_chain.pem",
                                        "qe_identity.json", "qe_identity_issuer_chain.pem",
                                        "pck_crl.der",      "root_ca_crl.der"};
    char path[200];
    struct pl_wr pem PL_CLEANUP(pl_wr_free) = pl_wr_heap(8192);
    if (!CHECK(mkdir(in_dir("collateral"), 0700) == 0))
        return false;
    for (int i = 0; i < 6; i++) {
        snprintf(path, sizeof(path), "%s/%s", in_dir("collateral"), names[i]);
        if (!CHECK_OK(pl_file_write(path, pl_wr_span(&hw.file[i]), 0600, PL_FILE_NEW)))
            return false;
    }
    pl_wr_pem(&pem, pl_span(hw.fx.der.root.p, hw.fx.der.root.n), "CERTIFICATE");
    return CHECK_OK(pl_file_write(in_dir("root.pem"), pl_wr_span(&pem), 0600, PL_FILE_NEW));
}

static bool start(void)
{
    const char *const argv[] = {getenv("PLEIAD_REGISTRYD"),
                                "--db",
                                in_dir("db"),
                                "--collateral",
                                in_dir("collateral"),
                                "--dev-root",
                                in_dir("root.pem"),
                                "--listen",
                                "127.0.0.1:0",
                                "--rate",
                                "1000",
                                NULL};
    bool ok = CHECK(process_start(&registry, in_dir("log"), argv));
    port = process_value(&registry, "port");
    return ok;
}

static bool ready(void)
{
    static bool made, tried;
    if (tried)
        return CHECK(made);
    tried = true;
    snprintf(dir, sizeof(dir), "/tmp/pl-registryd-XXXXXX");
    made = CHECK(mkdtemp(dir) != NULL) && CHECK_OK(pl_clock_wall(&entry_t0)) && entry_hw(&hw) &&
           entry_hw(&foreign) && entry_vault(&vault, &hw, 1) && entry_vault(&other, &hw, 2) &&
           entry_vault(&stranger, &foreign, 3) && write_trust() && start();
    return made;
}

/* POST of what v says now; the status. */
static int announce(struct entry_vault *v, struct entry_hw *w)
{
    if (!entry_sign(v, w, &carrier))
        return -1;
    return ask_status(port, "POST", "/v1/vaults", pl_wr_span(&carrier));
}

static int read_path(const char *path)
{
    const struct question q = {.port = port, .method = "GET", .path = path};
    return ask(&got, &q) ? got.status : 0;
}

/* How many entries this query gives; each is verified as a client would. */
static size_t listed(const char *path)
{
    static uint8_t scratch[1 << 20], entry_scratch[PL_VAULT_ENTRY_SCRATCH];
    struct pl_arena a = pl_arena(scratch, sizeof(scratch));
    struct pl_api_entry_page page;
    if (!CHECK(read_path(path) == 200))
        return 999;
    struct pl_api_in in = {.body = pl_wr_span(&got.body), .scratch = &a};
    if (!CHECK_OK(pl_api_read_entry_page(&page, &in)))
        return 999;
    for (size_t i = 0; i < page.entries.n; i++) {
        struct pl_vault_entry e;
        struct pl_claims claims;
        struct pl_arena s = pl_arena(entry_scratch, sizeof(entry_scratch));
        CHECK_OK(pl_vault_entry_verify(&hw.v, &e, &claims, page.entries.v[i], &s));
    }
    return page.entries.n;
}

static const char *path_of(const struct entry_vault *v)
{
    static char path[100];
    char id[65];
    pl_hex(id, PL_ARR(v->self.vault_id));
    snprintf(path, sizeof(path), "/v1/vaults/%s", id);
    return path;
}

static pl_err sign_leave(struct entry_vault *v, uint64_t serial, const struct pl_priv *key,
                         struct pl_wr *out)
{
    struct pl_api_vault_leave m = {.serial = serial};
    memcpy(m.vault_id, v->self.vault_id, 32);
    return pl_vault_leave_make(hw.c, out, &m, key);
}

static int leave(struct entry_vault *v, uint64_t serial, const struct pl_priv *key)
{
    struct pl_wr w PL_CLEANUP(pl_wr_free) = pl_wr_heap(2048);
    if (!CHECK_OK(sign_leave(v, serial, key, &w)))
        return -1;
    return ask_status(port, "DELETE", path_of(v), pl_wr_span(&w));
}

TEST(entries_come_in_and_go_out)
{
    NEED(ready());
    CHECK(listed("/v1/vaults") == 0);
    CHECK(announce(&vault, &hw) == 201);
    CHECK(announce(&other, &hw) == 201);
    CHECK(announce(&other, &hw) == 409); /* the same serial, signed again: other bytes */
    CHECK(ask_status(port, "POST", "/v1/vaults", pl_wr_span(&carrier)) == 409);
    CHECK(listed("/v1/vaults") == 2);
    CHECK(read_path(path_of(&other)) == 200);
    CHECK(ask_status(port, "POST", "/v1/vaults", pl_wr_span(&got.body)) == 200); /* sent twice */
    CHECK(listed("/v1/vaults?tee=sim-sgx&label=site=fra") == 2);
    CHECK(listed("/v1/vaults?label=site%3Dfra") == 2);
    CHECK(listed("/v1/vaults?label=site=ber") == 0);
    CHECK(listed("/v1/vaults?tee=sgx") == 0);
}

TEST(a_tag_says_that_nothing_changed)
{
    char tag[64];
    NEED(ready());
    CHECK(read_path("/v1/vaults") == 200);
    NEED(CHECK(got.etag[0] == '"'));
    snprintf(tag, sizeof(tag), "%s", got.etag);
    struct question q = {
        .port = port, .method = "GET", .path = "/v1/vaults", .etag = pl_span_str(tag)};
    CHECK(ask(&got, &q) && got.status == 304 && got.body.n == 0);
    vault.m.serial++;
    CHECK(announce(&vault, &hw) == 200);
    CHECK(ask(&got, &q) && got.status == 200 && strcmp(got.etag, tag) != 0);
}

TEST(a_stale_serial_is_refused)
{
    NEED(ready());
    vault.m.serial = 20;
    CHECK(announce(&vault, &hw) == 200);
    vault.m.serial = 19;
    CHECK(announce(&vault, &hw) == 409);
    CHECK(listed("/v1/vaults") == 2);
}

TEST(evidence_is_verified_before_listing)
{
    NEED(ready());
    CHECK(announce(&stranger, &foreign) == 403); /* well signed, on hardware of another root */
    CHECK(listed("/v1/vaults") == 2);
    CHECK(read_path(path_of(&stranger)) == 404);
}

TEST(signatures_are_verified_before_listing)
{
    NEED(ready());
    struct entry_vault v = vault;
    v.m.serial = 30;
    v.use[PL_USE_REGISTRY] = other.use[PL_USE_REGISTRY];
    CHECK(announce(&v, &hw) == 403);
    v = vault;
    v.m.serial = 30;
    NEED(entry_sign(&v, &hw, &carrier));
    uint8_t *at = memmem(carrier.p, carrier.n, "site=fra", 8);
    NEED(CHECK(at != NULL));
    memcpy(at, "site=ber", 8);
    CHECK(ask_status(port, "POST", "/v1/vaults", pl_wr_span(&carrier)) >= 400);
    CHECK(listed("/v1/vaults?label=site=ber") == 0);
}

TEST(what_expired_is_refused)
{
    NEED(ready());
    struct entry_vault v = vault;
    v.m.serial = 31;
    v.m.not_after = entry_t0 - 100;
    CHECK(announce(&v, &hw) == 403);
    v.m.not_after = entry_t0 + 31 * 24 * 3600;
    CHECK(announce(&v, &hw) == 400);
}

TEST(requests_of_other_forms_are_refused)
{
    static uint8_t big[70 * 1024];
    memset(big, ' ', sizeof(big));
    NEED(ready());
    CHECK(ask_status(port, "POST", "/v1/vaults", PL_ARR(big)) == 413);
    CHECK(ask_status(port, "POST", "/v1/vaults", PL_LIT("{}")) == 400);
    CHECK(ask_status(port, "PUT", "/v1/vaults", PL_LIT("{}")) == 405);
    CHECK(ask_status(port, "POST", path_of(&vault), PL_LIT("{}")) == 405);
    CHECK(read_path("/v1/keys") == 404);
    CHECK(read_path("/v1/vaultsx") == 404);
    CHECK(read_path("/v1/vaults/") == 404);
    CHECK(read_path("/v1/vaults/00") == 404);
    CHECK(read_path("/v1/vaults?page=zz") == 400);
    CHECK(read_path("/v1/vaults?tee=a&tee=b") == 400);
    CHECK(read_path("/v1/vaults?owner=me") == 400);
    CHECK(read_path("/v1/vaults?tee") == 400);
}

TEST(only_the_vault_leaves)
{
    NEED(ready());
    CHECK(leave(&other, 100, &vault.use[PL_USE_REGISTRY]) == 403);
    CHECK(leave(&other, 100, &other.identity) == 403);
    CHECK(leave(&other, other.m.serial, &other.use[PL_USE_REGISTRY]) == 409);
    CHECK(leave(&stranger, 100, &stranger.use[PL_USE_REGISTRY]) == 404);
    CHECK(listed("/v1/vaults") == 2);
    CHECK(leave(&other, 100, &other.use[PL_USE_REGISTRY]) == 200);
    CHECK(listed("/v1/vaults") == 1);
    other.m.serial = 50;
    CHECK(announce(&other, &hw) == 409);
    CHECK(read_path(path_of(&other)) == 404);
}

TEST(the_list_outlives_the_process)
{
    NEED(ready());
    CHECK(process_stop(&registry) == 0);
    NEED(start());
    CHECK(listed("/v1/vaults") == 1);
    vault.m.serial = 20;
    CHECK(announce(&vault, &hw) == 409);
}

static int unlink_one(const char *name, const struct stat *s, int kind, struct FTW *at)
{
    (void)s;
    (void)kind;
    (void)at;
    return remove(name);
}

TEST(it_ends_when_told)
{
    NEED(ready());
    CHECK(process_stop(&registry) == 0);
    CHECK(nftw(dir, unlink_one, 8, FTW_DEPTH | FTW_PHYS) == 0);
    pl_wr_free(&got.body);
    pl_wr_free(&carrier);
    entry_vault_free(&vault);
    entry_vault_free(&other);
    entry_vault_free(&stranger);
}

TEST_MAIN()
