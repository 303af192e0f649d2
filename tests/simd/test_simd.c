/* What pleiad-simd promises: measurements, sealing keys, evidence that the production verifier
 * takes for what it is, and quotes as slow as it was told. */
#include "sim_test.h"
#include "attest/attest.h"
#include "platform/platform.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})
enum { OUT = 4096 };

/* What `open` printed: "sim-sgx SVN DEBUG\n<mrenclave>\n", and what came after. */
static bool measured(const struct machine *m, char hex[static 65], const char *const *options,
                     const char *app)
{
    char out[OUT];
    bool ok = sim_app(m, out, sizeof(out), options, LIST(app, "open", "sim")) == 0 &&
              strlen(out) == 12 + 65;
    memcpy(hex, ok ? out + 12 : "?", ok ? 64 : 1);
    hex[ok ? 64 : 1] = '\0';
    return ok;
}

static struct machine *shared(void)
{
    static struct machine m;
    if (m.pid <= 0 && !machine_start(&m, "shared", NULL))
        m.pid = -1;
    return &m;
}

__attribute__((destructor)) static void stop_shared(void)
{
    if (shared()->pid > 0)
        (void)machine_stop(shared());
}

TEST(a_copy_elsewhere_measures_the_same_and_as_foretold)
{
    char a[65], b[65], told[OUT];
    const char *copy = sim_path("copy"), *app = sim_env("SIMD_APP");
    NEED(CHECK(sim_copy(copy, app, NULL, NULL)));
    NEED(CHECK(measured(shared(), a, LIST("--as", "app"), app)));
    CHECK(measured(shared(), b, LIST("--as", "app"), copy));
    CHECK(strcmp(a, b) == 0);
    CHECK(sim_run(told, sizeof(told),
                  LIST(sim_env("PLEIAD"), "sim", "measure", "--as", "app", "--", copy)) == 0);
    CHECK(strstr(told, a) && strstr(told, "\"tee\":\"sim-sgx\""));
}

TEST(one_changed_byte_measures_differently)
{
    char a[65], b[65];
    const char *copy = sim_path("changed"), *app = sim_env("SIMD_APP");
    NEED(CHECK(sim_copy(copy, app, "pleiad-test-marker-A", "pleiad-test-marker-B")));
    NEED(CHECK(measured(shared(), a, LIST("--as", "app"), app)));
    CHECK(measured(shared(), b, LIST("--as", "app"), copy));
    CHECK(strcmp(a, b) != 0);
}

TEST(a_changed_library_measures_differently)
{
    char a[65], out[OUT];
    const char *lib = sim_path("libsimd_preload.so");
    NEED(CHECK(sim_copy(lib, sim_env("SIMD_LIB"), NULL, NULL)));
    NEED(CHECK(measured(shared(), a, LIST("--as", "app"), sim_env("SIMD_APP"))));
    char preload[400];
    snprintf(preload, sizeof(preload), "LD_PRELOAD=%s", lib);
    CHECK(sim_app(shared(), out, sizeof(out), LIST("--as", "app"),
                  LIST("/usr/bin/env", preload, sim_env("SIMD_APP"), "open", "sim")) == 0);
    CHECK(strlen(out) > 76 && strncmp(out + 12, a, 64) != 0);
}

TEST(all_that_is_registered_is_part_of_the_measurement)
{
    char seen[9][65];
    const char *app = sim_env("SIMD_APP"), *anchor = sim_path("anchor.json"),
               *other = sim_path("other.json");
    CHECK(sim_write(anchor, "{\"owner\":1}") && sim_write(other, "{\"owner\":1}"));
    CHECK(measured(shared(), seen[0], LIST("--as", "app"), app));
    CHECK(measured(shared(), seen[1], LIST("--as", "app2"), app));
    CHECK(measured(shared(), seen[2], LIST("--as", "app", "--svn", "2"), app));
    CHECK(measured(shared(), seen[3], LIST("--as", "app", "--prod-id", "2"), app));
    CHECK(measured(shared(), seen[4], LIST("--as", "app", "--measured", anchor), app));
    CHECK(measured(shared(), seen[5], LIST("--as", "app", "--measured", other), app));
    CHECK(measured(shared(), seen[6],
                   LIST("--as", "app", "--measured", anchor, "--measured", other), app));
    CHECK(measured(shared(), seen[7],
                   LIST("--as", "app", "--measured", other, "--measured", anchor), app));
    CHECK(sim_write(anchor, "{\"owner\":2}"));
    CHECK(measured(shared(), seen[8], LIST("--as", "app", "--measured", anchor), app));
    for (size_t i = 0; i < 9; i++)
        for (size_t j = 0; j < i; j++)
            CHECK(strcmp(seen[i], seen[j]) != 0);
}

TEST(measured_files_are_handed_over_as_they_were)
{
    char out[OUT];
    const char *anchor = sim_path("handed.json");
    CHECK(sim_write(anchor, "the anchor"));
    CHECK(sim_app(shared(), out, sizeof(out), LIST("--as", "app", "--measured", anchor),
                  LIST(sim_env("SIMD_APP"), "unlink", anchor, "open", "sim", "file",
                       "handed.json")) == 0);
    CHECK(strlen(out) > 77 && strcmp(out + 77, "the anchor") == 0);
}

/* The sealing key of one machine, app name and label. */
static bool sealed(const struct machine *m, char hex[static 65], const char *name,
                   const char *label)
{
    char out[OUT];
    bool ok = sim_app(m, out, sizeof(out), LIST("--as", name),
                      LIST(sim_env("SIMD_APP"), "open", "sim", "seal", label)) == 0 &&
              strlen(out) == 77 + 65;
    memcpy(hex, ok ? out + 77 : "?", ok ? 64 : 1);
    hex[ok ? 64 : 1] = '\0';
    return ok;
}

TEST(sealing_keys_are_of_one_machine_measurement_mode_and_label)
{
    char k[5][65], again[65];
    struct machine other, debug;
    NEED(CHECK(machine_start(&other, "other", NULL)));
    CHECK(sealed(shared(), k[0], "app", "root") && sealed(shared(), again, "app", "root"));
    CHECK(strcmp(k[0], again) == 0);
    CHECK(sealed(shared(), k[1], "app", "other") && sealed(shared(), k[2], "app2", "root"));
    CHECK(sealed(&other, k[3], "app", "root"));
    CHECK(machine_stop(&other) == 0);
    NEED(CHECK(machine_start(&other, "other", NULL)));
    CHECK(sealed(&other, again, "app", "root") && strcmp(k[3], again) == 0);
    CHECK(machine_stop(&other) == 0);
    NEED(CHECK(machine_start(&debug, "other", LIST("--debug"))));
    CHECK(sealed(&debug, k[4], "app", "root"));
    CHECK(machine_stop(&debug) == 0);
    for (size_t i = 0; i < 5; i++)
        for (size_t j = 0; j < i; j++)
            CHECK(strcmp(k[i], k[j]) != 0);
}

/* --- evidence, through the production verifier --- */

static struct pl_crypto *crypto(void)
{
    static struct pl_crypto *c;
    PL_ASSERT(c || pl_crypto_new(&c) == PL_OK);
    return c;
}

struct judged {
    struct pl_wr file[7]; /* quote, then as pl_collateral_in */
    struct pl_claims claims;
};

static struct pl_span load(struct judged *j, size_t i, const char *dir, const char *name)
{
    char path[600];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    j->file[i] = pl_wr_heap(1 << 20);
    CHECK_OK(pl_file_read(&j->file[i], path, 1 << 20));
    return pl_wr_span(&j->file[i]);
}

static pl_err verify(struct judged *j, const char *dir, const struct pl_roots *roots)
{
    static struct pl_collateral coll;
    uint8_t want[PL_REPORT_DATA_BYTES];
    struct pl_collateral_in in = {.tee = PL_TEE_SGX};
    int64_t now = 0;
    memset(want, 0x5a, sizeof(want));
    struct pl_span quote = load(j, 0, dir, "quote.bin");
    in.tcb_info = load(j, 1, dir, "tcb_info.json");
    in.tcb_info_chain = load(j, 2, dir, "tcb_info_issuer_chain.pem");
    in.qe_identity = load(j, 3, dir, "qe_identity.json");
    in.qe_identity_chain = load(j, 4, dir, "qe_identity_issuer_chain.pem");
    in.pck_crl = load(j, 5, dir, "pck_crl.der");
    in.root_crl = load(j, 6, dir, "root_ca_crl.der");
    PL_TRY(pl_clock_wall(&now));
    PL_TRY(pl_collateral_verify(crypto(), roots, &coll, &in));
    struct pl_verifier v = {.crypto = crypto(),
                            .roots = roots,
                            .collateral = &coll,
                            .collateral_n = 1,
                            .now = {now, now}};
    return pl_evidence_verify(&v, &j->claims, quote, pl_report_data(want));
}

static void forget(struct judged *j)
{
    for (size_t i = 0; i < 7; i++)
        pl_wr_free(&j->file[i]);
}

/* The development root, trusted as `trust` under `label`. */
static pl_err trust_root(struct pl_roots *roots, enum pl_trust trust, const char *label)
{
    static uint8_t der[4096];
    size_t n;
    struct pl_wr pem PL_CLEANUP(pl_wr_free) = pl_wr_heap(8192);
    PL_TRY(pl_file_read(&pem, sim_path("authority/root.pem"), 8192));
    struct pl_span left = pl_wr_span(&pem);
    PL_TRY(pl_unpem(der, sizeof(der), &n, &left, "CERTIFICATE"));
    return pl_roots_add_cert(crypto(), roots, PL_TEE_SGX, trust, label, pl_span(der, n));
}

/* Lets an app on the machine leave its evidence and the device's collateral in a folder. */
static bool collect(const struct machine *m, const char *dir)
{
    char out[OUT], quote[600];
    (void)mkdir(dir, 0700);
    snprintf(quote, sizeof(quote), "%s/quote.bin", dir);
    return sim_app(
               m, out, sizeof(out), LIST("--as", "app", "--svn", "3", "--prod-id", "4"),
               LIST(sim_env("SIMD_APP"), "open", "sim", "evidence", quote, "collateral", dir)) == 0;
}

TEST(evidence_is_authentic_and_named_simulated)
{
    struct judged j = {0};
    struct pl_roots roots = {0};
    char hex[65], want[65];
    const char *dir = sim_path("evidence");
    NEED(CHECK(collect(shared(), dir)));
    NEED(CHECK_OK(trust_root(&roots, PL_TRUST_DEV, "dev")));
    CHECK_OK(verify(&j, dir, &roots));
    CHECK(strcmp(j.claims.name, "sim-sgx") == 0 && j.claims.trust == PL_TRUST_DEV);
    CHECK(!j.claims.debug && j.claims.tcb.status == PL_TCB_UP_TO_DATE);
    CHECK(j.claims.svn == 3 && j.claims.sgx.isv_prod_id == 4);
    CHECK(measured(shared(), want, LIST("--as", "app", "--svn", "3", "--prod-id", "4"),
                   sim_env("SIMD_APP")));
    pl_hex(hex, PL_ARR(j.claims.sgx.mrenclave));
    CHECK(strcmp(hex, want) == 0);
    forget(&j);
}

/* No way leads from a development root to a vendor's name. */
TEST(evidence_is_never_a_vendors)
{
    struct judged j = {0};
    struct pl_roots roots = {0}, with = *pl_roots_builtin();
    struct pl_profile p;
    const char *dir = sim_path("evidence2");
    NEED(CHECK(collect(shared(), dir)));
    CHECK_ERR(verify(&j, dir, pl_roots_builtin()), UNTRUSTED_ROOT);
    forget(&j);
    CHECK_ERR(trust_root(&roots, PL_TRUST_VENDOR, "sgx"), ROOT_NOT_VENDOR);
    CHECK(roots.n == 0);
    CHECK_OK(trust_root(&with, PL_TRUST_CUSTOM, "sgx"));
    CHECK_OK(verify(&j, dir, &with));
    CHECK(strcmp(j.claims.name, "custom-sgx") == 0 && j.claims.trust == PL_TRUST_CUSTOM);
    pl_profile_init(&p);
    snprintf(p.tee, sizeof(p.tee), "sgx");
    p.any_platform = true;
    p.mrenclaves = 1;
    memcpy(p.mrenclave[0], j.claims.sgx.mrenclave, 32);
    struct pl_interval now = {j.claims.earliest_s, j.claims.earliest_s};
    CHECK_ERR(pl_profile_match(&j.claims, &p, now), PROFILE_TEE);
    forget(&j);
    CHECK_OK(trust_root(&roots, PL_TRUST_DEV, "sgx"));
    CHECK_OK(verify(&j, dir, &roots));
    CHECK_ERR(pl_profile_match(&j.claims, &p, now), PROFILE_TEE);
    snprintf(p.tee, sizeof(p.tee), "sim-sgx");
    CHECK_OK(pl_profile_match(&j.claims, &p, now));
    forget(&j);
}

struct state_case {
    const char *name;
    const char *options[4];
    enum pl_code code;
    enum pl_tcb tcb;
    bool debug;
};

TEST(a_machine_is_in_the_state_it_was_told)
{
    static const struct state_case cases[] = {
        {"debug", {"--debug"}, PL_E_OK, PL_TCB_UP_TO_DATE, true},
        {"old", {"--tcb-status", "OutOfDate"}, PL_E_OK, PL_TCB_OUT_OF_DATE, false},
        {"bad", {"--tcb-status", "Revoked"}, PL_E_OK, PL_TCB_REVOKED, false},
        {"rolled", {"--cpusvn", "11"}, PL_E_OK, PL_TCB_SW_HARDENING, false},
        {"below", {"--tcb-status", "Below"}, PL_E_TCB_NO_LEVEL, PL_TCB_NONE, false},
        {"revoked", {"--revoked"}, PL_E_PCK_REVOKED, PL_TCB_NONE, false},
        {"family", {"--fmspc", "00906ED50000"}, PL_E_OK, PL_TCB_UP_TO_DATE, false},
    };
    uint8_t seen[16] = {0};
    struct pl_roots roots = {0};
    NEED(CHECK(shared()->pid > 0));
    NEED(CHECK_OK(trust_root(&roots, PL_TRUST_DEV, "dev")));
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct machine m;
        struct judged j = {0};
        char dir[300];
        snprintf(dir, sizeof(dir), "%s", sim_path(cases[i].name));
        NEED(CHECK(machine_start(&m, cases[i].name, cases[i].options)));
        CHECK(collect(&m, dir));
        test_err(verify(&j, dir, &roots), cases[i].code, cases[i].name, __FILE_NAME__, __LINE__);
        CHECK(j.claims.tcb.status == cases[i].tcb && j.claims.debug == cases[i].debug);
        if (cases[i].code == PL_E_OK) { /* another machine is another platform */
            CHECK(memcmp(seen, j.claims.platform_id, sizeof(seen)) != 0);
            memcpy(seen, j.claims.platform_id, sizeof(seen));
        }
        forget(&j);
        CHECK(machine_stop(&m) == 0);
    }
}

TEST(no_machine_no_tee)
{
    char out[OUT];
    CHECK(sim_run(out, sizeof(out), LIST(sim_env("SIMD_APP"), "open", "sim")) == 1);
    CHECK(sim_run(out, sizeof(out),
                  LIST("/usr/bin/env", "PLEIAD_SIM_FD=1", sim_env("SIMD_APP"), "open", "sim")) ==
          1);
}

TEST(the_daemon_guards_its_folder_and_ends_cleanly)
{
    struct machine m, second;
    struct stat st;
    NEED(CHECK(machine_start(&m, "guarded", NULL)));
    CHECK(stat(m.socket_path, &st) == 0 && (st.st_mode & 0777) == 0600);
    CHECK(!machine_start(&second, "guarded", NULL));
    CHECK(machine_stop(&second) == 1);
    CHECK(machine_stop(&m) == 0);
    CHECK(stat(m.socket_path, &st) != 0);
    CHECK(chmod(m.dir, 0755) == 0);
    CHECK(!machine_start(&m, "guarded", NULL));
    CHECK(machine_stop(&m) == 1);
}

TEST_MAIN()
