/* Two vaults on simulated hardware, the registry they are listed at, and a record of every byte
 * that the registry was given while one of them made and kept a key. */
#include "../simd/sim_test.h"
#include "attest/entry.h"
#include "policy/config.h"
#include "platform/platform.h"
#include "platform/trust/trust.h"
#include "wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})
enum { SHARE_BYTES = 33, RECORD_MAX = 4 << 20 };

static struct pl_crypto *crypto;
static struct machine machine[2];
static struct process registry, vault[2];
static struct pl_priv owner;
static char owner_spki[256], owner_sha256[65], root_der64[8192];
static struct pl_trust_set *trust;
static struct answer got;
static uint8_t share[SHARE_BYTES], tag[32], salt[16];

static const char *copy_path(const char *name)
{
    static char ring[16][300];
    static unsigned at;
    char *p = ring[at++ % 16];
    snprintf(p, 300, "%s", sim_path(name));
    return p;
}

/* ---- the world ---- */

static pl_err make_owner(void)
{
    uint8_t seed[PL_P256_SEED_BYTES], spki[PL_SPKI_MAX], digest[32];
    struct pl_pub pub = {.type = PL_PUB_P256};
    test_fill(seed, sizeof(seed), 51);
    owner.type = PL_PUB_P256;
    PL_TRY(pl_p256_make(crypto, owner.raw, pub.raw, seed));
    size_t n = pl_pub_to_spki(spki, &pub);
    pl_b64u(owner_spki, pl_span(spki, n));
    PL_TRY(pl_sha256_one(crypto, digest, pl_span(spki, n)));
    pl_hex(owner_sha256, PL_ARR(digest));
    return PL_OK;
}

static pl_err load_trust(void)
{
    static uint8_t der[4096];
    size_t n = 0;
    const char *bad;
    struct pl_roots roots = *pl_roots_builtin();
    struct pl_wr pem PL_CLEANUP(pl_wr_free) = pl_wr_heap(8192);
    PL_TRY(pl_file_read(&pem, sim_path("authority/root.pem"), 8192));
    struct pl_span left = pl_wr_span(&pem);
    PL_TRY(pl_unpem(der, sizeof(der), &n, &left, "CERTIFICATE"));
    pl_b64u(root_der64, pl_span(der, n));
    PL_TRY(pl_roots_add_cert(crypto, &roots, PL_TEE_SGX, PL_TRUST_DEV, "dev", pl_span(der, n)));
    return pl_trust_load(&trust, crypto, &roots, sim_path("collateral"), &bad);
}

static pl_err write_config(void)
{
    char text[12 * 1024];
    struct pl_wr doc PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_CONFIG_BYTES);
    snprintf(
        text, sizeof(text),
        "{\"pleiad_config\":1,\"serial\":1,\"name\":\"test\",\"authority\":{\"at_least\":1,"
        "\"keys\":[\"%s\"]},\"create\":{\"allow\":[{\"kind\":\"key\",\"spki_sha256\":\"%s\"}]},"
        "\"roots\":[{\"label\":\"dev\",\"tee\":\"sgx\",\"trust\":\"dev\",\"cert\":\"%s\"}],"
        "\"time\":\"host\",\"witnesses\":{\"f\":0,\"list\":[]}}",
        owner_spki, owner_sha256, root_der64);
    PL_TRY(pl_config_sign(crypto, &doc, pl_span_str(text), &owner, 1));
    return pl_file_write(sim_path("config.json"), pl_wr_span(&doc), 0600, PL_FILE_NEW);
}

static bool collateral(void)
{
    char out[4096];
    const char *dir = copy_path("collateral"), *quote = copy_path("quote.bin");
    return mkdir(dir, 0700) == 0 && sim_app(&machine[0], out, sizeof(out), LIST("--as", "app"),
                                            LIST(sim_env("SIMD_APP"), "open", "sim", "evidence",
                                                 quote, "collateral", dir)) == 0;
}

static bool start_registry(void)
{
    setenv("PL_RECORD", sim_path("record"), 1);
    return process_start(&registry, copy_path("registry.log"),
                         LIST(sim_env("PLEIAD_REGISTRYD"), "--db", copy_path("db"), "--collateral",
                              copy_path("collateral"), "--dev-root",
                              copy_path("authority/root.pem"), "--listen", "127.0.0.1:0"));
}

static bool start_vault(int i)
{
    char name[32], address[64], label[32];
    snprintf(name, sizeof(name), "vault%d", i);
    const char *dir = copy_path(name);
    snprintf(name, sizeof(name), "vault%d.log", i);
    snprintf(address, sizeof(address), "127.0.0.1:%s", process_value(&registry, "port"));
    snprintf(label, sizeof(label), "site=s%d,operator=test", i);
    return process_start(&vault[i], copy_path(name),
                         LIST(sim_env("PLEIAD"), "sim", "run", "--socket", machine[i].socket_path,
                              "--as", "vault", "--", sim_env("PLEIAD_VAULTD_SIM"), "--dir", dir,
                              "--listen", "127.0.0.1:0", "--config", copy_path("config.json"),
                              "--collateral", copy_path("collateral"), "--advertise",
                              "vault.example:8443,[::1]:8443", "--label", label, "--registry",
                              address));
}

static bool ready(void)
{
    static bool made, tried;
    if (tried)
        return CHECK(made);
    tried = true;
    test_fill(share, sizeof(share), 900);
    test_fill(tag, sizeof(tag), 901);
    test_fill(salt, sizeof(salt), 902);
    made = CHECK_OK(pl_crypto_new(&crypto)) && CHECK_OK(make_owner()) &&
           CHECK(machine_start(&machine[0], "one", NULL)) &&
           CHECK(machine_start(&machine[1], "two", NULL)) && CHECK(collateral()) &&
           CHECK_OK(load_trust()) && CHECK_OK(write_config()) && CHECK(start_registry()) &&
           CHECK(start_vault(0)) && CHECK(start_vault(1));
    return made;
}

/* ---- what clients see ---- */

static bool verify_entry(struct pl_span carrier, struct pl_vault_entry *e)
{
    static uint8_t mem[PL_VAULT_ENTRY_SCRATCH];
    struct pl_arena scratch = pl_arena(mem, sizeof(mem));
    struct pl_claims claims;
    int64_t s = 0;
    if (!CHECK_OK(pl_clock_wall(&s)))
        return false;
    struct pl_verifier v = pl_trust_verifier(trust, crypto, NULL, (struct pl_interval){s, s});
    return CHECK_OK(pl_vault_entry_verify(&v, e, &claims, carrier, &scratch));
}

static bool read_file(struct pl_wr *out, const char *path)
{
    *out = pl_wr_heap(RECORD_MAX);
    return CHECK_OK(pl_file_read(out, path, RECORD_MAX));
}

/* The entry of vault i at the registry is the one in its directory; its serial. */
static uint64_t entry_of(int i)
{
    char name[32], path[100];
    struct pl_vault_entry e;
    struct pl_wr file PL_CLEANUP(pl_wr_free) = {0};
    snprintf(path, sizeof(path), "/v1/vaults/%s", process_value(&vault[i], "vault_id"));
    const struct question q = {
        .port = process_value(&registry, "port"), .method = "GET", .path = path};
    snprintf(name, sizeof(name), "vault%d/entry.json", i);
    if (!CHECK(ask(&got, &q) && got.status == 200) || !read_file(&file, sim_path(name)))
        return 0;
    CHECK_BYTES(pl_wr_span(&got.body), pl_wr_span(&file));
    if (!verify_entry(pl_wr_span(&got.body), &e))
        return 0;
    CHECK(e.said.endpoints.n == 2 && pl_span_is(e.said.endpoints.v[0], "vault.example:8443"));
    CHECK(e.said.labels.n == 2 && strcmp(e.said.tee, "sim-sgx") == 0);
    return e.said.serial;
}

TEST(vaults_list_themselves)
{
    NEED(ready());
    NEED(CHECK(process_said(&vault[0], "\"registry-listed\"")));
    NEED(CHECK(process_said(&vault[1], "\"registry-listed\"")));
    CHECK(entry_of(0) > 0);
    CHECK(entry_of(1) > 0);
    const struct question q = {.port = process_value(&registry, "port"),
                               .method = "GET",
                               .path = "/v1/vaults?label=site=s1&tee=sim-sgx"};
    CHECK(ask(&got, &q) && got.status == 200);
    char id[100];
    snprintf(id, sizeof(id), "\"vault_id\":\"%s\"", process_value(&vault[1], "vault_id"));
    CHECK(memmem(got.body.p, got.body.n, id, strlen(id)) != NULL);
    snprintf(id, sizeof(id), "\"vault_id\":\"%s\"", process_value(&vault[0], "vault_id"));
    CHECK(memmem(got.body.p, got.body.n, id, strlen(id)) == NULL);
}

TEST(a_vault_that_stops_leaves_and_comes_back)
{
    NEED(ready());
    uint64_t before = entry_of(0);
    char path[100];
    snprintf(path, sizeof(path), "/v1/vaults/%s", process_value(&vault[0], "vault_id"));
    const struct question q = {
        .port = process_value(&registry, "port"), .method = "GET", .path = path};
    CHECK(process_stop(&vault[0]) == 0);
    CHECK(ask(&got, &q) && got.status == 404); /* it took its entry back */
    NEED(CHECK(start_vault(0)));
    NEED(CHECK(process_said(&vault[0], "\"registry-listed\"")));
    CHECK(entry_of(0) > before);
}

/* ---- a key, and the record ---- */

static int make_key(char handle[static 32])
{
    char body[8192], share64[64], tag64[64], salt64[32];
    pl_b64u(share64, PL_ARR(share));
    pl_b64u(tag64, PL_ARR(tag));
    pl_b64u(salt64, PL_ARR(salt));
    snprintf(body, sizeof(body),
             "{\"commitment\":\"%s\",\"generation\":1,\"policy\":{\"pleiad_policy\":1,\"salt\":\"%s"
             "\",\"principals\":{\"owner\":{\"me\":{\"kind\":\"key\",\"spki_sha256\":\"%s\"}}},"
             "\"operations\":[{\"id\":\"needle-operation\",\"allow\":[\"describe\",\"list\","
             "\"read_policy\"],\"to\":[\"owner/*\"]}]},\"share\":\"%s\",\"tag\":\"%s\",\"type\":"
             "\"raw_share\"}",
             tag64, salt64, owner_sha256, share64, tag64);
    const struct question q = {.port = process_value(&vault[0], "port"),
                               .key = &owner,
                               .method = "POST",
                               .path = "/v1/keys",
                               .body = pl_span_str(body)};
    if (!ask(&got, &q))
        return 0;
    const char *at = memmem(got.body.p, got.body.n, "\"handle\":\"", 10);
    snprintf(handle, 32, "%.22s", at ? at + 10 : "");
    return got.status;
}

struct record {
    struct pl_wr raw, headers, bodies;
};

static bool holds(const struct record *r, struct pl_span needle)
{
    return memmem(r->raw.p, r->raw.n, needle.p, needle.n) ||
           memmem(r->headers.p, r->headers.n, needle.p, needle.n) ||
           memmem(r->bodies.p, r->bodies.n, needle.p, needle.n);
}

/* In the forms that something could travel in; also the middle of it, in every base64 phase. */
static bool holds_bytes(const struct record *r, struct pl_span secret)
{
    char text[256];
    bool found = holds(r, secret);
    pl_hex(text, secret);
    found |= holds(r, pl_span_str(text));
    for (size_t skip = 0; skip < 3; skip++) {
        size_t n = (secret.n - skip) / 3 * 3;
        pl_b64u(text, pl_span(secret.p + skip, n));
        found |= holds(r, pl_span_str(text));
    }
    return found;
}

static bool read_record(struct record *r)
{
    return read_file(&r->raw, sim_path("record.raw")) &&
           read_file(&r->headers, sim_path("record.headers")) &&
           read_file(&r->bodies, sim_path("record.bodies"));
}

/* Signed by the registry key of a vault that stands in no other field than its name. */
static bool verify_leave(struct pl_span carrier)
{
    struct pl_api_vault_leave m;
    for (int i = 0; i < 2; i++) {
        char name[32];
        struct pl_wr file PL_CLEANUP(pl_wr_free) = {0};
        struct pl_vault_entry e;
        snprintf(name, sizeof(name), "vault%d/entry.json", i);
        if (read_file(&file, sim_path(name)) && verify_entry(pl_wr_span(&file), &e) &&
            pl_vault_leave_read(crypto, &m, &e.self.use[PL_USE_REGISTRY], carrier) == PL_OK)
            return true;
    }
    return CHECK(false);
}

/* Whatever has a body is an entry or a word of leave: the strict schemas of which have no place for
 * anything else. */
static void bodies_are_entries(const struct record *r)
{
    unsigned n = 0, left = 0;
    struct pl_span rest = pl_wr_span(&r->bodies);
    while (rest.n > 0) {
        struct pl_vault_entry e;
        size_t end = 1;
        const uint8_t *next = memmem(rest.p + 1, rest.n - 1, "{\"proof\":{\"jws\"", 15);
        /* the key list inside is a carrier too: the next body is the next one that ends whole */
        for (end = rest.n; next; next = memmem(next + 1, (size_t)(rest.p + rest.n - next - 1),
                                               "{\"proof\":{\"jws\"", 15))
            if (next[-1] == '}') {
                end = (size_t)(next - rest.p);
                break;
            }
        bool leaves = memmem(rest.p, end, "\"pleiad-leave-1\"", 16) != NULL;
        if (leaves ? !verify_leave(pl_span(rest.p, end)) : !verify_entry(pl_span(rest.p, end), &e))
            return;
        left += leaves;
        n += !leaves;
        rest = pl_span(rest.p + end, rest.n - end);
    }
    printf("# %u entries were sent, %u taken back\n", n, left);
    CHECK(left >= 2);
    CHECK(n >= 4); /* two starts, two restarts; more when a serial was stale */
}

TEST(the_registry_is_told_nothing_of_keys)
{
    char handle[32] = "";
    struct record r = {0};
    NEED(ready());
    NEED(CHECK(make_key(handle) == 201));
    NEED(CHECK(strlen(handle) == 22));
    CHECK(process_stop(&vault[0]) == 0);
    NEED(CHECK(start_vault(0)) && CHECK(process_said(&vault[0], "\"registry-listed\"")));
    NEED(read_record(&r));
    CHECK(holds(&r, PL_LIT("/v1/vaults")) && holds(&r, PL_LIT("site=s0"))); /* it does see */
    CHECK(!holds_bytes(&r, PL_ARR(share)));
    CHECK(!holds_bytes(&r, PL_ARR(tag)));
    CHECK(!holds_bytes(&r, PL_ARR(salt)));
    CHECK(!holds_bytes(&r, PL_ARR(owner.raw)));
    CHECK(!holds(&r, pl_span_str(owner_sha256)));
    CHECK(!holds(&r, pl_span_str(owner_spki)));
    CHECK(!holds(&r, pl_span_str(handle)));
    static const char *const words[] = {
        "needle-operation", "policy", "profile",    "approv",        "audit",
        "principal",        "share",  "commitment", "authorization", "statements"};
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
        CHECK(!holds(&r, pl_span_str(words[i])));
    bodies_are_entries(&r);
    pl_wr_free(&r.raw);
    pl_wr_free(&r.headers);
    pl_wr_free(&r.bodies);
}

TEST(a_registry_that_is_away_costs_a_vault_nothing)
{
    NEED(ready());
    CHECK(process_stop(&registry) == 0);
    CHECK(process_stop(&vault[1]) == 0);
    NEED(CHECK(start_vault(1)));
    CHECK(process_said(&vault[1], "\"event\":\"registry\""));
    const struct question q = {
        .port = process_value(&vault[1], "port"), .method = "GET", .path = "/v1/status"};
    CHECK(ask(&got, &q) && got.status == 200);
    CHECK(process_stop(&vault[1]) == 0);
    CHECK(process_stop(&vault[0]) == 0);
    CHECK(machine_stop(&machine[0]) == 0);
    CHECK(machine_stop(&machine[1]) == 0);
    pl_wr_free(&got.body);
    pl_trust_free(trust);
}

TEST_MAIN()
