/* Bringing a constellation up. Everything is kept, so that a second `up` is a reboot of it all. */
#include "platform/platform.h"
#include "policy/config.h"
#include "client/owner_grant.h"
#include "tools/client.h"
#include "tools/dev.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define READY_FD_TEXT "9"
_Static_assert(TOOL_READY_FD == 9, "as in READY_FD_TEXT");

enum { PROFILE_MAX = 64 * 1024, LISTED_MS = 20 };

void tool_dev_pid(char out[static PATH_MAX], const struct dev *d, const char *kind, unsigned i)
{
    tool_path(out, &d->h, "run/%s-%u.pid", kind, i);
}

/* Remembers what is being done, so that an error can name it. */
static pl_err about(struct dev *d, const char *what, pl_err e)
{
    if (e != PL_OK)
        snprintf(d->failed, sizeof(d->failed), "%s", what);
    return e;
}

static pl_err folder(struct dev *d, const char *name)
{
    char path[PATH_MAX];
    tool_path(path, &d->h, "%s", name);
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return about(d, path, pl_file_err(errno));
    return PL_OK;
}

static pl_err program(struct dev *d, char out[static PATH_MAX], const char *name)
{
    return about(d, name, tool_program(out, name));
}

/* ---- keys and the authority ---- */

static pl_err authority(struct dev *d)
{
    char dir[PATH_MAX], simd[PATH_MAX], log[PATH_MAX];
    tool_path(dir, &d->h, "authority");
    tool_path(log, &d->h, "log/authority.log");
    if (tool_exists(dir))
        return PL_OK;
    PL_TRY(program(d, simd, "pleiad-simd"));
    const char *argv[] = {simd, "--new-authority", dir, NULL};
    return about(d, log, tool_proc_wait(argv, NULL, log));
}

static pl_err key(struct dev *d, const char *name)
{
    char path[PATH_MAX];
    tool_path(path, &d->h, "%s", name);
    return tool_exists(path) ? PL_OK : about(d, path, tool_key_new(d->c, path, PL_PUB_P256));
}

static pl_err instance(struct dev *d)
{
    char path[PATH_MAX], hex[66];
    uint8_t id[PL_INSTANCE_ID_BYTES];
    tool_path(path, &d->h, "instance");
    if (tool_exists(path))
        return PL_OK;
    PL_TRY(pl_entropy(id, sizeof(id)));
    pl_hex(hex, PL_ARR(id));
    hex[64] = '\n';
    return about(d, path, pl_file_write(path, pl_span(hex, 65), 0600, PL_FILE_NEW));
}

/* ---- machines and vaults ---- */

static pl_err machine(struct dev *d, unsigned i)
{
    char dir[PATH_MAX], name[32], authority_dir[PATH_MAX], log[PATH_MAX], pid[PATH_MAX],
        simd[PATH_MAX];
    struct tool_proc p;
    tool_dev_pid(pid, d, "machine", i);
    if (tool_proc_find(pid).pid)
        return PL_OK;
    snprintf(name, sizeof(name), "machine-%u", i);
    PL_TRY(folder(d, name));
    tool_path(dir, &d->h, "%s", name);
    tool_path(authority_dir, &d->h, "authority");
    tool_path(log, &d->h, "log/%s.log", name);
    PL_TRY(program(d, simd, "pleiad-simd"));
    const char *argv[] = {simd,          "--dir",      dir,           "--authority",
                          authority_dir, "--ready-fd", READY_FD_TEXT, NULL};
    const struct tool_proc_start how = {
        .argv = argv, .log = log, .pid_file = pid, .ready_fd = true};
    return about(d, log, tool_proc_run(&p, &how));
}

/* What runs as vault i, or as the registry: the genuine one, or what a `program-NAME` in the folder
 * says. */
static pl_err chosen_program(struct dev *d, const char *name, const char *genuine,
                             char out[static PATH_MAX])
{
    char path[PATH_MAX];
    struct pl_wr w PL_CLEANUP(pl_wr_free) = {0};
    tool_path(path, &d->h, "program-%s", name);
    if (!tool_exists(path))
        return program(d, out, genuine);
    PL_TRY(about(d, path, tool_read(&w, path, PATH_MAX - 1)));
    memcpy(out, w.p, w.n + 1);
    return PL_OK;
}

static pl_err vault_program(struct dev *d, unsigned i, char out[static PATH_MAX])
{
    char name[16];
    snprintf(name, sizeof(name), "%u", i);
    return chosen_program(d, name, "pleiad-vaultd-sim", out);
}

/* At the address that it had before, if it ever ran. */
static pl_err registry(struct dev *d)
{
    char registryd[PATH_MAX], db[PATH_MAX], collateral[PATH_MAX], root[PATH_MAX], log[PATH_MAX],
        pid[PATH_MAX], path[PATH_MAX];
    struct tool_proc p;
    unsigned port = 0;
    tool_dev_pid(pid, d, "registry", 0);
    if (tool_proc_find(pid).pid)
        return PL_OK;
    PL_TRY(chosen_program(d, "registry", "pleiad-registryd", registryd));
    PL_TRY(folder(d, "registryd"));
    tool_path(db, &d->h, "registryd/entries.db");
    tool_path(collateral, &d->h, "authority/collateral");
    tool_path(root, &d->h, "authority/root.pem");
    tool_path(log, &d->h, "log/registry.log");
    const char *argv[] = {registryd,
                          "--db",
                          db,
                          "--collateral",
                          collateral,
                          "--dev-root",
                          root,
                          "--workers",
                          "1",
                          "--listen",
                          *d->registry ? d->registry : "127.0.0.1:0",
                          NULL};
    const struct tool_proc_start how = {.argv = argv, .log = log, .pid_file = pid, .port = &port};
    PL_TRY(about(d, log, tool_proc_run(&p, &how)));
    snprintf(d->registry, sizeof(d->registry), "127.0.0.1:%u", port);
    tool_path(path, &d->h, "registry");
    return about(d, path, pl_file_write(path, pl_span_str(d->registry), 0600, PL_FILE_REPLACE));
}

/* A vault must say where it is before it serves: a port that is free now, and its own from then on.
 */
static pl_err choose_endpoint(struct tool_vault *v)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t n = sizeof(a);
    if (*v->endpoint)
        return PL_OK;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool ok = fd >= 0 && bind(fd, (const struct sockaddr *)&a, n) == 0 &&
              getsockname(fd, (struct sockaddr *)&a, &n) == 0;
    if (fd >= 0)
        close(fd);
    PL_REQUIRE(ok, NET_SYSTEM);
    snprintf(v->endpoint, sizeof(v->endpoint), "127.0.0.1:%u", (unsigned)ntohs(a.sin_port));
    return PL_OK;
}

/* The vault of machine i. */
static pl_err run_vault(struct dev *d, unsigned i, struct tool_proc *p)
{
    char self[PATH_MAX], vaultd[PATH_MAX], sock[PATH_MAX], dir[PATH_MAX], config[PATH_MAX],
        collateral[PATH_MAX], log[PATH_MAX], pid[PATH_MAX];
    struct tool_vault *v = &d->v[i - 1];
    tool_dev_pid(pid, d, "vault", i);
    tool_path(sock, &d->h, "machine-%u/simd.sock", i);
    tool_path(dir, &d->h, "vault-%u", i);
    tool_path(log, &d->h, "log/vault-%u.log", i);
    tool_path(config, &d->h, "config.json");
    tool_path(collateral, &d->h, "authority/collateral");
    PL_TRY(program(d, self, "pleiad"));
    PL_TRY(vault_program(d, i, vaultd));
    PL_TRY(about(d, log, choose_endpoint(v)));
    const char *argv[] = {
        self,        "sim",         "run",       "--as",         "vault",     "--socket",
        sock,        "--",          vaultd,      "--dir",        dir,         "--listen",
        v->endpoint, "--workers",   "1",         "--collateral", collateral,  "--config",
        config,      "--advertise", v->endpoint, "--registry",   d->registry, NULL};
    const struct tool_proc_start how = {
        .argv = argv, .log = log, .pid_file = pid, .vault_id = v->id};
    return about(d, log, tool_proc_run(p, &how));
}

/* ---- the configuration ---- */

static void write_root(struct pl_jw *j, struct pl_span der)
{
    pl_jw_key(j, "roots");
    pl_jw_open(j, '[');
    pl_jw_open(j, '{');
    pl_jw_key(j, "label");
    pl_jw_text(j, "dev");
    pl_jw_key(j, "tee");
    pl_jw_text(j, "sgx");
    pl_jw_key(j, "trust");
    pl_jw_text(j, "dev");
    pl_jw_key(j, "cert");
    pl_jw_b64u(j, der);
    pl_jw_close(j, '}');
    pl_jw_close(j, ']');
}

static pl_err root_cert(struct dev *d, uint8_t *der, size_t cap, size_t *n)
{
    char path[PATH_MAX];
    struct pl_wr w PL_CLEANUP(pl_wr_free) = {0};
    tool_path(path, &d->h, "authority/root.pem");
    PL_TRY(about(d, path, tool_read(&w, path, 16384)));
    struct pl_span in = pl_wr_span(&w);
    return about(d, path, pl_unpem(der, cap, n, &in, "CERTIFICATE"));
}

/* Issuers of OpenID Connect, as `dev up --issuers` left them here; mostly nobody. */
static pl_err write_issuers(struct dev *d, struct pl_jw *j)
{
    char path[PATH_MAX];
    struct pl_wr text PL_CLEANUP(pl_wr_free) = {0};
    struct pl_json in;
    struct pl_span list;
    tool_path(path, &d->h, "issuers.json");
    if (!tool_exists(path))
        return PL_OK;
    PL_TRY(about(d, path, tool_read(&text, path, PL_CONFIG_BYTES / 2)));
    pl_json_init(&in, pl_wr_span(&text));
    pl_json_raw(&in, &list);
    PL_TRY(about(d, path, pl_json_end(&in)));
    pl_jw_key(j, "issuers");
    pl_jw_raw(j, list);
    return PL_OK;
}

/* Anyone may create: a list of one owner's keys would tell each vault which belong together. */
static pl_err write_config(struct dev *d, struct pl_wr *w, const struct pl_priv *operator)
{
    uint8_t der[PL_CERT_MAX], spki[PL_SPKI_MAX];
    size_t n;
    struct pl_pub pub;
    struct pl_jw j = pl_jw(w);
    PL_TRY(root_cert(d, der, sizeof(der), &n));
    PL_TRY(pl_priv_public(d->c, &pub, operator));
    pl_jw_open(&j, '{');
    pl_jw_key(&j, "pleiad_config");
    pl_jw_u64(&j, 1);
    pl_jw_key(&j, "serial");
    pl_jw_u64(&j, 1);
    pl_jw_key(&j, "name");
    pl_jw_text(&j, "development");
    pl_jw_key(&j, "time");
    pl_jw_text(&j, "host");
    pl_jw_key(&j, "witnesses");
    pl_jw_raw(&j, pl_span_str("{\"f\":0,\"list\":[]}"));
    pl_jw_key(&j, "authority");
    pl_jw_open(&j, '{');
    pl_jw_key(&j, "at_least");
    pl_jw_u64(&j, 1);
    pl_jw_key(&j, "keys");
    pl_jw_open(&j, '[');
    pl_jw_b64u(&j, pl_span(spki, pl_pub_to_spki(spki, &pub)));
    pl_jw_close(&j, ']');
    pl_jw_close(&j, '}');
    pl_jw_key(&j, "create");
    pl_jw_raw(&j, pl_span_str("{\"allow\":[{\"kind\":\"anyone\"}]}"));
    write_root(&j, pl_span(der, n));
    PL_TRY(write_issuers(d, &j));
    pl_jw_close(&j, '}');
    return pl_wr_end(w);
}

static pl_err make_config(struct dev *d, struct pl_priv *key, const char *path)
{
    char operator[PATH_MAX];
    struct pl_config *check = NULL;
    struct pl_wr plain PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_CONFIG_BYTES);
    struct pl_wr text PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_CONFIG_BYTES);
    tool_path(operator, & d->h, "operator.pem");
    PL_TRY(about(d, operator, tool_key_read(d->c, key, operator)));
    PL_TRY(about(d, path, write_config(d, &plain, key)));
    PL_TRY(about(d, path, pl_config_sign(d->c, &text, pl_wr_span(&plain), key, 1)));
    char at[PL_JSON_POINTER_MAX];
    pl_err e = pl_config_load(&check, d->c, pl_wr_span(&text), at);
    if (e != PL_OK)
        snprintf(d->failed, sizeof(d->failed), "%.*s at %s", PATH_MAX / 2, path, at);
    PL_TRY(e);
    pl_config_put(check); /* nothing is kept that a vault would not take */
    return about(d, path, pl_file_write(path, pl_wr_span(&text), 0600, PL_FILE_NEW));
}

static pl_err config(struct dev *d)
{
    char path[PATH_MAX];
    struct pl_locked locked PL_CLEANUP(pl_locked_unmap) = {0};
    tool_path(path, &d->h, "config.json");
    if (tool_exists(path))
        return PL_OK;
    PL_TRY(pl_locked_map(&locked, sizeof(struct pl_priv)));
    return make_config(d, (struct pl_priv *)(void *)locked.base, path);
}

/* ---- what the vaults must be ---- */

static void pin_one(struct pl_jw *j, const char *name, const uint8_t digest[static 32])
{
    pl_jw_key(j, name);
    pl_jw_open(j, '[');
    pl_jw_hex(j, pl_span(digest, 32));
    pl_jw_close(j, ']');
}

/* The profile that `sim measure` prints, with the configuration and the root of evidence pinned:
 * whoever can point an app to another development authority gains nothing by it. */
static pl_err pin(struct pl_wr *out, struct pl_span measured, const uint8_t root[static 32],
                  const uint8_t authority_key[static 32])
{
    struct pl_json in;
    struct pl_span name, value;
    struct pl_jw j = pl_jw(out);
    pl_json_init(&in, measured);
    pl_jw_open(&j, '{');
    for (pl_json_object(&in); pl_json_key(&in, &name);) {
        char text[64];
        snprintf(text, sizeof(text), "%.*s", (int)name.n, (const char *)name.p);
        pl_jw_key(&j, text);
        pl_jw_raw(&j, pl_json_raw(&in, &value) ? value : pl_span_str("null"));
    }
    PL_TRY(pl_json_end(&in));
    pin_one(&j, "config_root", root);
    pin_one(&j, "roots", authority_key);
    pl_jw_close(&j, '}');
    pl_wr_u8(out, '\n');
    return pl_wr_end(out);
}

/* The configuration's root, and the key of the authority that it names. */
static pl_err config_pins(struct dev *d, uint8_t out[static 32], uint8_t authority_key[static 32])
{
    char path[PATH_MAX];
    pl_err e = PL_FAIL(AUTHORITY);
    struct pl_config *cfg = NULL;
    struct pl_wr text PL_CLEANUP(pl_wr_free) = {0};
    tool_path(path, &d->h, "config.json");
    PL_TRY(about(d, path, tool_read(&text, path, PL_CONFIG_BYTES)));
    PL_TRY(about(d, path, pl_config_load(&cfg, d->c, pl_wr_span(&text), NULL)));
    memcpy(out, cfg->root, sizeof(cfg->root));
    for (size_t i = 0; i < cfg->roots.n; i++)
        if (cfg->roots.root[i].trust == PL_TRUST_DEV)
            e = pl_sha256_one(d->c, authority_key, cfg->roots.root[i].spki);
    pl_config_put(cfg);
    return about(d, path, e);
}

static pl_err profile(struct dev *d, const char *vaultd, const char *name)
{
    char self[PATH_MAX], log[PATH_MAX], raw[PATH_MAX], path[PATH_MAX];
    uint8_t root[32], authority_key[32];
    struct pl_wr measured PL_CLEANUP(pl_wr_free) = {0};
    struct pl_wr text PL_CLEANUP(pl_wr_free) = pl_wr_heap(PROFILE_MAX);
    tool_path(log, &d->h, "log/measure.log");
    tool_path(raw, &d->h, "run/vault.profile");
    tool_path(path, &d->h, "%s", name);
    PL_TRY(program(d, self, "pleiad"));
    const char *argv[] = {self, "sim", "measure", "--as", "vault", "--", vaultd, NULL};
    PL_TRY(about(d, log, tool_proc_wait(argv, raw, log)));
    PL_TRY(about(d, raw, tool_read(&measured, raw, PROFILE_MAX)));
    PL_TRY(config_pins(d, root, authority_key));
    PL_TRY(about(d, raw, pin(&text, pl_wr_span(&measured), root, authority_key)));
    unlink(raw);
    return about(d, path, pl_file_write(path, pl_wr_span(&text), 0600, PL_FILE_REPLACE));
}

static pl_err profiles(struct dev *d)
{
    char path[PATH_MAX], name[32];
    PL_TRY(program(d, path, "pleiad-vaultd-sim"));
    PL_TRY(profile(d, path, "vaults.profile"));
    for (unsigned i = 1; i <= d->n; i++) {
        tool_path(path, &d->h, "program-%u", i);
        if (!tool_exists(path))
            continue;
        snprintf(name, sizeof(name), "vault-%u.profile", i);
        PL_TRY(vault_program(d, i, path));
        PL_TRY(profile(d, path, name));
    }
    return PL_OK;
}

/* ---- listed ---- */

static unsigned listed(const struct dev *d, const struct pl_registry_list *l)
{
    unsigned n = 0;
    for (unsigned i = 0; i < d->n; i++)
        for (size_t k = 0; k < l->n; k++) {
            char id[65];
            pl_hex(id, PL_ARR(l->entry[k].place.vault_id));
            n += strcmp(id, d->v[i].id) == 0;
        }
    return n;
}

/* Vaults list themselves once they serve; a constellation is up when all have. */
static pl_err all_listed(struct dev *d)
{
    char log[PATH_MAX];
    struct pl_app *app PL_CLEANUP(tool_app_close) = NULL;
    const struct pl_registry_order o = {.url = d->registry};
    int64_t until = pl_clock_mono_ms() + TOOL_READY_MS;
    tool_path(log, &d->h, "log/registry.log");
    PL_TRY(about(d, log, tool_app(&app, &d->h, false)));
    for (unsigned n = 0; n < d->n && pl_clock_mono_ms() < until;) {
        struct pl_registry_list l;
        tool_progress(d->t, "waiting for the registry", n, d->n);
        PL_TRY(about(d, log, pl_registry_read(app, &o, &l)));
        n = listed(d, &l);
        pl_registry_free(&l);
        if (n == d->n)
            return PL_OK;
        (void)poll(NULL, 0, LISTED_MS);
    }
    return about(d, log, PL_FAIL(DEV_START));
}

/* ---- all of it ---- */

static pl_err folders_and_keys(struct dev *d)
{
    PL_TRY(folder(d, "log"));
    PL_TRY(folder(d, "run"));
    PL_TRY(authority(d));
    PL_TRY(key(d, "operator.pem"));
    PL_TRY(key(d, "owner.pem"));
    return instance(d);
}

pl_err tool_dev_up(struct dev *d)
{
    PL_TRY(folders_and_keys(d));
    for (unsigned i = 0; i <= d->n; i++) { /* 0: the apps' */
        tool_progress(d->t, "starting machines", i, d->n);
        PL_TRY(machine(d, i));
    }
    PL_TRY(registry(d));
    PL_TRY(config(d));
    for (unsigned i = 1; i <= d->n; i++) {
        char pid[PATH_MAX];
        struct tool_proc p;
        tool_progress(d->t, "starting vaults", i, d->n);
        tool_dev_pid(pid, d, "vault", i);
        if (!tool_proc_find(pid).pid)
            PL_TRY(run_vault(d, i, &p));
    }
    PL_TRY(tool_vaults_write(&d->h, d->v, d->n));
    PL_TRY(profiles(d));
    return all_listed(d);
}
