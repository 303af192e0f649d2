/* The owner, the operator and the app of the client tests, one command each. Prints one JSON line;
 * exit 0 when the call succeeded, 1 when it was refused, 2 for a usage error.
 *
 *     probe keygen FILE                     a fresh P-256 key, PKCS#8 in PEM
 *     probe config KEY ROOT OUT             a signed configuration; prints its root
 *     probe show ENDPOINT                   what a vault's evidence says
 *     probe anchor KEY instance|key ID OUT PROFILE...
 *     probe grant KEY ID POLICY OUT VAULT_ID...
 *     probe forge FILE KEY OUT              the statements of FILE (JSON lines) signed by KEY
 *     probe split|resume|recover|status|delete
 *     probe stay                            splits SPLITS times, recovers TIMES times, says so,
 *                                           stays; at a byte of input closes, says so, stays
 * The last take their orders from the environment: DESCRIPTOR, ANCHOR (a file), or MEASURED
 * (the name of measured input), GRANT, PLACES ("id@host:port ..."), K, N, MIN, NAME, BOUND, SECRET,
 * DEADLINE, LINGER, VENDORS; COLLATERAL and ROOT always. STOP=n: kill -9 itself before step n. */
#include "attest/identity.h"
#include "crypto/crypto.h"
#include "platform/platform.h"
#include "pleiad/pleiad.h"
#include "policy/config.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct pl_app *app;

static const char *env(const char *name, const char *otherwise)
{
    const char *v = getenv(name);
    return v && *v ? v : otherwise;
}
static unsigned number(const char *name, unsigned otherwise)
{
    const char *v = env(name, NULL);
    return v ? (unsigned)strtoul(v, NULL, 10) : otherwise;
}

static int failed(const char *what, pl_err e)
{
    int line;
    const char *file = pl_error_file(e, &line);
    printf("{\"error\":\"%s\",\"what\":\"%s\",\"site\":\"%s:%d\",\"detail\":\"%s\"}\n",
           pl_error_name(e), what, file, line, pl_app_detail(app));
    return 1;
}

static pl_err load(struct pl_wr *w, const char *path)
{
    *w = pl_wr_heap(4 << 20);
    PL_TRY(pl_file_read(w, path, (4 << 20) - 1));
    pl_wr_u8(w, 0);
    w->n--;
    return PL_OK;
}

static pl_err save(const char *path, const void *p, size_t n)
{
    return pl_file_write(path, pl_span(p, n), 0600, PL_FILE_REPLACE);
}

/* ---- keys and configuration ---- */

static pl_err keygen(const char *path)
{
    uint8_t seed[PL_P256_SEED_BYTES], pub[PL_P256_PUB_BYTES], der[256];
    struct pl_priv priv = {.type = PL_PUB_P256};
    struct pl_wr d = pl_wr_fixed(der, sizeof(der));
    struct pl_wr pem PL_CLEANUP(pl_wr_free) = pl_wr_heap(4096);
    struct pl_crypto *c;
    PL_TRY(pl_crypto_new(&c));
    PL_TRY(pl_entropy(seed, sizeof(seed)));
    PL_TRY(pl_p256_make(c, priv.raw, pub, seed));
    pl_priv_to_pkcs8(&d, &priv);
    pl_wr_pem(&pem, pl_wr_span(&d), "PRIVATE KEY");
    pl_crypto_free(c);
    return save(path, pem.p, pem.n);
}

static pl_err read_key(struct pl_crypto *c, struct pl_priv *out, uint8_t *spki, size_t *n,
                       const char *path)
{
    uint8_t der[256];
    size_t der_n;
    struct pl_pub pub;
    struct pl_wr file PL_CLEANUP(pl_wr_free) = {0};
    PL_TRY(load(&file, path));
    struct pl_span in = pl_wr_span(&file);
    PL_TRY(pl_unpem(der, sizeof(der), &der_n, &in, "PRIVATE KEY"));
    PL_TRY(pl_priv_from_pkcs8(c, out, pl_span(der, der_n)));
    PL_TRY(pl_priv_public(c, &pub, out));
    *n = pl_pub_to_spki(spki, &pub);
    return PL_OK;
}

static pl_err config(const char *key_path, const char *root_path, const char *out)
{
    struct pl_crypto *c;
    struct pl_priv priv;
    uint8_t spki[PL_SPKI_MAX], der[8192], root_hash[32];
    size_t spki_n, der_n;
    char spki_text[PL_B64U_LEN(PL_SPKI_MAX) + 1], der_text[PL_B64U_LEN(8192) + 1], hex[65];
    struct pl_wr pem PL_CLEANUP(pl_wr_free) = {0};
    struct pl_wr signed_ PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_CONFIG_BYTES);
    PL_TRY(pl_crypto_new(&c));
    PL_TRY(read_key(c, &priv, spki, &spki_n, key_path));
    PL_TRY(load(&pem, root_path));
    struct pl_span in = pl_wr_span(&pem);
    PL_TRY(pl_unpem(der, sizeof(der), &der_n, &in, "CERTIFICATE"));
    pl_b64u(spki_text, pl_span(spki, spki_n));
    pl_b64u(der_text, pl_span(der, der_n));
    char *json;
    if (asprintf(&json,
                 "{\"authority\":{\"at_least\":1,\"keys\":[\"%s\"]},\"create\":{\"allow\":[{"
                 "\"kind\":\"anyone\"}],\"keys_per_owner\":10000},\"limits\":{\"keys\":1000000},"
                 "\"name\":\"%s\",\"pleiad_config\":1,\"roots\":[{\"cert\":\"%s\",\"label\":"
                 "\"dev\",\"tee\":\"sgx\",\"trust\":\"dev\"}],\"serial\":1,\"time\":\"host\","
                 "\"witnesses\":{\"f\":0,\"list\":[]}}",
                 spki_text, env("CONFIG_NAME", "test"), der_text) < 0)
        return PL_FAIL(NO_MEMORY);
    PL_TRY(pl_config_sign(c, &signed_, pl_span_str(json), &priv, 1));
    PL_TRY(pl_config_root(c, root_hash, pl_span_str(json)));
    free(json);
    pl_hex(hex, PL_ARR(root_hash));
    printf("{\"config_root\":\"%s\"}\n", hex);
    pl_crypto_free(c);
    return save(out, signed_.p, signed_.n);
}

static pl_err anchor(char **a, int n)
{
    struct pl_crypto *c;
    struct pl_priv priv;
    uint8_t spki[PL_SPKI_MAX], id[32];
    size_t spki_n;
    struct pl_wr profile[8] = {{0}};
    const char *text[8];
    char *json;
    PL_TRY(pl_crypto_new(&c));
    PL_TRY(read_key(c, &priv, spki, &spki_n, a[0]));
    pl_crypto_free(c);
    PL_TRY(pl_unhex(id, 32, pl_span_str(a[2])));
    for (int i = 4; i < n && i < 12; i++) {
        PL_TRY(load(&profile[i - 4], a[i]));
        text[i - 4] = (const char *)profile[i - 4].p;
    }
    const struct pl_anchor_order o = {.owner_spki = spki,
                                      .owner_spki_bytes = spki_n,
                                      .instance_id = strcmp(a[1], "instance") == 0 ? id : NULL,
                                      .key_id = strcmp(a[1], "key") == 0 ? id : NULL,
                                      .vault_profile = text,
                                      .vault_profiles = (size_t)n - 4};
    PL_TRY(pl_anchor_make(&json, app, &o));
    pl_err e = save(a[3], json, strlen(json));
    free(json);
    for (int i = 0; i < 8; i++)
        pl_wr_free(&profile[i]);
    return e;
}

static pl_err grant(char **a, int n)
{
    uint8_t instance[32], vault[64][PL_ID_BYTES], requester[32];
    struct pl_wr policy PL_CLEANUP(pl_wr_free) = {0};
    char *json;
    const char *profile = env("PROFILE", "billing-v1"), *who = env("REQUESTER", NULL);
    PL_TRY(load(&policy, a[2]));
    PL_TRY(pl_unhex(instance, 32, pl_span_str(a[1])));
    for (int i = 4; i < n; i++)
        PL_TRY(pl_unhex(vault[i - 4], 32, pl_span_str(a[i])));
    if (who)
        PL_TRY(pl_unhex(requester, 32, pl_span_str(who)));
    const struct pl_grant_spec spec = {.name = "disk",
                                       .owner_name = "me",
                                       .policy = policy.p,
                                       .policy_bytes = policy.n,
                                       .instance_id = instance,
                                       .profile = who ? NULL : profile,
                                       .requester = who ? requester : NULL,
                                       .count = number("COUNT", 100),
                                       .vault_id = (const uint8_t(*)[PL_ID_BYTES])vault,
                                       .vaults = (size_t)n - 4,
                                       .owner_key = a[0]};
    PL_TRY(pl_grant_make(&json, app, &spec));
    pl_err e = save(a[3], json, strlen(json));
    free(json);
    return e;
}

/* Each line of the file, a canonical statement, in a carrier that this key signed. */
static pl_err forge(const char *in, const char *key, const char *out)
{
    struct pl_crypto *c;
    struct pl_priv priv;
    uint8_t spki[PL_SPKI_MAX];
    size_t spki_n;
    struct pl_wr text PL_CLEANUP(pl_wr_free) = {0};
    struct pl_wr w PL_CLEANUP(pl_wr_free) = pl_wr_heap(1 << 20);
    char *save_ = NULL;
    PL_TRY(pl_crypto_new(&c));
    PL_TRY(read_key(c, &priv, spki, &spki_n, key));
    PL_TRY(load(&text, in));
    for (char *l = strtok_r((char *)text.p, "\n", &save_); l; l = strtok_r(NULL, "\n", &save_)) {
        PL_TRY(pl_signed_make(c, &w, &priv, "pleiad-key-1", pl_span_str(l)));
        pl_wr_u8(&w, '\n');
    }
    pl_crypto_free(c);
    return save(out, w.p, w.n);
}

/* ---- the app ---- */

static struct pl_place place[2048];
static size_t places;
static uint8_t bound[32];
static struct pl_report report;
static struct pl_anchor *the_anchor;
static struct pl_wr descriptor_text, grant_text;

static pl_err read_places(void)
{
    char *text = strdup(env("PLACES", "")), *save_ = NULL;
    for (char *p = strtok_r(text, " ", &save_); p; p = strtok_r(NULL, " ", &save_))
        PL_TRY(pl_place_parse(&place[places++], p));
    free(text);
    return PL_OK;
}

static pl_err read_anchor(void)
{
    struct pl_wr text PL_CLEANUP(pl_wr_free) = {0};
    if (env("MEASURED", NULL))
        return pl_anchor_measured(&the_anchor, app, env("MEASURED", NULL));
    PL_TRY(load(&text, env("ANCHOR", "")));
    return env("ANY_CONFIG", NULL) ? pl_anchor_insecure_any_config(&the_anchor, app, text.p, text.n)
                                   : pl_anchor_read(&the_anchor, app, text.p, text.n);
}

static void print_report(void)
{
    printf(",\"ms\":%u,\"vaults\":[", report.ms);
    for (size_t i = 0; i < report.vaults; i++) {
        const struct pl_report_vault *v = &report.vault[i];
        char id[65];
        pl_hex(id, PL_ARR(v->vault_id));
        printf("%s{\"vault_id\":\"%s\",\"step\":\"%s\",\"why\":\"%s\",\"wrong\":%s,\"used\":%s,"
               "\"state\":\"%s\",\"ms\":%u}",
               i ? "," : "", id, pl_step_text(v->step), v->why ? pl_error_name(v->why) : "",
               v->wrong ? "true" : "false", v->used ? "true" : "false", v->state, v->ms);
    }
    printf("]");
}

static int tell(pl_err e, const struct pl_secret *secret, const char *more)
{
    int line;
    const char *file = pl_error_file(e, &line);
    char hex[8193] = "";
    if (secret && secret->n <= 4096)
        pl_hex(hex, pl_span(secret->p, secret->n));
    printf("{\"error\":\"%s\",\"site\":\"%s:%d\",\"secret\":\"%s\",\"more\":\"%s\"",
           pl_ok(e) ? "" : pl_error_name(e), file, line, hex, more);
    print_report();
    printf("}\n");
    return pl_ok(e) ? 0 : 1;
}

static void run(struct pl_work *w)
{
    struct pollfd fds[PL_VAULTS_MAX];
    unsigned stop = number("STOP", 0);
    int wait;
    for (unsigned n = 1; !pl_work_step(w); n++) {
        size_t k = pl_work_poll(w, fds, PL_VAULTS_MAX, &wait);
        if (n == stop)
            raise(SIGKILL);
        poll(fds, k, wait);
    }
}

static struct pl_split_order split_order(struct pl_secret *secret)
{
    return (struct pl_split_order){
        .name = env("NAME", "disk"),
        .k = number("K", 2),
        .n = number("N", 4),
        .min_vaults = number("MIN", 0),
        .secret = secret,
        .bound = bound,
        .descriptor = env("DESCRIPTOR", ""),
        .anchor = the_anchor,
        .grant = grant_text.p,
        .grant_bytes = grant_text.n,
        .place = place,
        .places = places,
        .vendors = number("VENDORS", 0),
        .deadline_ms = number("DEADLINE", 0),
    };
}

static int do_split(void)
{
    struct pl_secret secret;
    struct pl_work *w;
    const char *text = env("SECRET", "00112233445566778899aabbccddeeff");
    pl_err e = pl_secret_new(&secret, strlen(text) / 2);
    if (pl_ok(e))
        e = pl_unhex(secret.p, secret.n, pl_span_str(text));
    if (pl_ok(e))
        e = load(&grant_text, env("GRANT", ""));
    struct pl_split_order o = split_order(&secret);
    if (pl_ok(e))
        e = pl_split_start(&w, app, &o);
    if (pl_ok(e)) {
        run(w);
        e = pl_split_finish(w, &report);
    }
    pl_secret_free(&secret);
    return tell(e, NULL, "");
}

static int do_resume(void)
{
    static const char *const text[] = {"nothing", "done", "undone"};
    enum pl_resumed how;
    struct pl_split_order o = split_order(NULL);
    pl_err e = pl_split_resume(app, &o, &how, &report);
    return tell(e, NULL, text[how]);
}

static struct pl_recover_order recover_order(void)
{
    return (struct pl_recover_order){.descriptor = descriptor_text.p,
                                     .descriptor_bytes = descriptor_text.n,
                                     .anchor = the_anchor,
                                     .bound = bound,
                                     .place = place,
                                     .places = places,
                                     .deadline_ms = number("DEADLINE", 0),
                                     .linger_ms = number("LINGER", 0),
                                     .vendors = number("VENDORS", 0)};
}

/* Calls one after another in one process; the last under another anchor, where one is given. */
static pl_err repeat_before(const struct pl_recover_order *o)
{
    struct pl_secret secret;
    for (unsigned i = 1; i < number("REPEAT", 1); i++) {
        pl_err e = pl_recover(app, o, &secret, NULL);
        pl_secret_free(&secret);
        PL_TRY(e);
    }
    const char *between = env("BETWEEN", NULL); /* a file that is there once others went on */
    for (int fd = between ? creat(between, 0600) : -1; fd >= 0 && access(between, F_OK) == 0;)
        poll(NULL, 0, 20);
    if (!env("ANCHOR_THEN", NULL))
        return PL_OK;
    setenv("ANCHOR", env("ANCHOR_THEN", ""), 1);
    pl_anchor_free(the_anchor);
    return read_anchor();
}

static int do_recover(const char *verb)
{
    struct pl_secret secret = {0};
    pl_err e = load(&descriptor_text, env("DESCRIPTOR", ""));
    struct pl_recover_order o = recover_order();
    if (pl_ok(e))
        e = repeat_before(&o);
    o.anchor = the_anchor;
    if (pl_ok(e) && strcmp(verb, "recover") == 0)
        e = pl_recover(app, &o, &secret, &report);
    else if (pl_ok(e) && strcmp(verb, "status") == 0)
        e = pl_keys_status(app, &o, &report);
    else if (pl_ok(e))
        e = pl_keys_delete(app, &o, &report);
    int code = tell(e, &secret, "");
    pl_secret_free(&secret);
    pl_wr_free(&descriptor_text);
    return code;
}

/* A key of 32 random bytes, split to a file that goes away again. */
static pl_err split_fresh(void)
{
    struct pl_secret secret;
    PL_TRY(pl_secret_new(&secret, 32));
    struct pl_split_order o = split_order(&secret);
    o.descriptor = env("FRESH", "");
    pl_err e = pl_random(secret.p, secret.n);
    if (pl_ok(e))
        e = pl_split(app, &o, &report);
    pl_secret_free(&secret);
    unlink(o.descriptor);
    return e;
}

static int do_stay(void)
{
    struct pl_secret secret = {0};
    pl_err e = load(&descriptor_text, env("DESCRIPTOR", ""));
    if (pl_ok(e))
        e = load(&grant_text, env("GRANT", ""));
    struct pl_recover_order o = recover_order();
    for (unsigned i = 0; i < number("SPLITS", 0) && pl_ok(e); i++)
        e = split_fresh();
    for (unsigned i = 0; i < number("TIMES", 1) && pl_ok(e); i++) {
        e = pl_recover(app, &o, &secret, &report);
        pl_secret_free(&secret);
    }
    pl_wr_free(&descriptor_text);
    int code = tell(e, NULL, "");
    fflush(stdout);
    char c;
    return read(0, &c, 1) == 1 ? code : 2; /* to be looked at */
}

static int as_app(const char *verb)
{
    pl_err e = read_anchor();
    if (pl_ok(e))
        e = read_places();
    if (pl_ok(e))
        e = pl_unhex(bound, 32,
                     pl_span_str(env("BOUND", "0000000000000000000000000000000000000000000000000000"
                                              "000000000000")));
    if (!pl_ok(e))
        return failed("order", e);
    int code = strcmp(verb, "split") == 0    ? do_split()
               : strcmp(verb, "resume") == 0 ? do_resume()
               : strcmp(verb, "stay") == 0   ? do_stay()
                                             : do_recover(verb);
    pl_anchor_free(the_anchor);
    pl_wr_free(&grant_text);
    return code;
}

static int show(const char *endpoint)
{
    char *json;
    pl_err e = pl_vault_show(app, endpoint, &json);
    if (!pl_ok(e))
        return failed("show", e);
    printf("%s\n", json);
    free(json);
    return 0;
}

static int report_plain(const char *what, pl_err e) { return pl_ok(e) ? 0 : failed(what, e); }

int main(int argc, char **argv)
{
    if (argc < 2)
        return 2;
    const char *verb = argv[1];
    if (strcmp(verb, "keygen") == 0 && argc == 3)
        return report_plain(verb, keygen(argv[2]));
    if (strcmp(verb, "config") == 0 && argc == 5)
        return report_plain(verb, config(argv[2], argv[3], argv[4]));
    if (strcmp(verb, "forge") == 0 && argc == 5)
        return report_plain(verb, forge(argv[2], argv[3], argv[4]));
    const struct pl_root_file root = {env("ROOT", ""), "dev", "sgx", true};
    const struct pl_app_config cfg = {.no_tee = env("OWNER", NULL) != NULL,
                                      .collateral = env("COLLATERAL", NULL),
                                      .root = &root,
                                      .roots = 1,
                                      .client_key = env("CLIENT_KEY", NULL)};
    pl_err e = pl_app_open(&app, &cfg);
    if (!pl_ok(e))
        return failed("open", e);
    int code = 2;
    if (strcmp(verb, "show") == 0 && argc == 3)
        code = show(argv[2]);
    else if (strcmp(verb, "anchor") == 0 && argc > 6)
        code = report_plain(verb, anchor(argv + 2, argc - 2));
    else if (strcmp(verb, "grant") == 0 && argc > 6)
        code = report_plain(verb, grant(argv + 2, argc - 2));
    else if (argc == 2)
        code = as_app(verb);
    pl_app_close(app);
    if (strcmp(verb, "stay") == 0) {
        puts("{}");
        fflush(stdout);
        for (char c; read(0, &c, 1) == 1;) /* to be looked at once more */
            continue;
    }
    return code;
}
