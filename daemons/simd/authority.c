#include "daemons/simd/authority.h"
#include "platform/platform.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PATH_BYTES = 1024, DAY = 86400, REVOKED_TEXT_MAX = 4096 };

static pl_err path(char out[static PATH_BYTES], const char *dir, const char *sub, const char *name)
{
    int n = snprintf(out, PATH_BYTES, "%s/%s%s%s", dir, sub, *sub ? "/" : "", name);
    PL_REQUIRE(n > 0 && n < PATH_BYTES, FILE_KIND);
    return PL_OK;
}

static pl_err errno_error(void)
{
    enum pl_code code = pl_file_code(errno);
    PL_REQUIRE(code != PL_E_FILE_EXISTS, FILE_EXISTS);
    PL_REQUIRE(code != PL_E_FILE_MISSING, FILE_MISSING);
    PL_REQUIRE(code != PL_E_FILE_ACCESS, FILE_ACCESS);
    return PL_FAIL(FILE_IO);
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static pl_err lock(int *out, const char *dir)
{
    char p[PATH_BYTES];
    PL_TRY(path(p, dir, "", "lock"));
    *out = open(p, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (*out < 0 || flock(*out, LOCK_EX) != 0)
        return errno_error();
    return PL_OK;
}

/* --- keys and certificates --- */

struct held { /* one of the three keys, with its certificate */
    const char *key_name, *cert_name;
    struct pl_fx_key *key;
    struct pl_fx_der *der;
};

static void holdings(struct held out[3], struct pl_fx_world *w)
{
    out[0] = (struct held){"root.key", "root.pem", &w->root_key, &w->der.root};
    out[1] = (struct held){"ca.key", "ca.pem", &w->ca_key, &w->der.ca};
    out[2] = (struct held){"tcb.key", "tcb.pem", &w->tcb_key, &w->der.tcb_signer};
}

static pl_err write_held(const struct held *h, const char *dir)
{
    char p[PATH_BYTES];
    struct pl_wr der PL_CLEANUP(pl_wr_free) = pl_wr_heap(1024);
    struct pl_wr pem PL_CLEANUP(pl_wr_free) = pl_wr_heap(8192);
    struct pl_priv priv = {.type = PL_PUB_P256};
    memcpy(priv.raw, h->key->priv, sizeof(priv.raw));
    pl_priv_to_pkcs8(&der, &priv);
    pl_wipe(&priv, sizeof(priv));
    pl_wr_pem(&pem, pl_wr_span(&der), "PRIVATE KEY");
    PL_TRY(pl_wr_end(&pem));
    PL_TRY(path(p, dir, "", h->key_name));
    PL_TRY(pl_file_write(p, pl_wr_span(&pem), 0600, PL_FILE_NEW));
    pem.n = 0;
    pl_wr_pem(&pem, pl_span(h->der->p, h->der->n), "CERTIFICATE");
    PL_TRY(path(p, dir, "", h->cert_name));
    return pl_file_write(p, pl_wr_span(&pem), 0644, PL_FILE_NEW);
}

static pl_err read_pem(uint8_t *out, size_t cap, size_t *out_n, const char *p, const char *label)
{
    struct pl_wr text PL_CLEANUP(pl_wr_free) = pl_wr_heap(8192);
    PL_TRY(pl_file_read(&text, p, 8192));
    struct pl_span left = pl_wr_span(&text);
    PL_TRY(pl_unpem(out, cap, out_n, &left, label));
    PL_REQUIRE(left.n == 0, AUTHORITY);
    return PL_OK;
}

static pl_err read_held(struct pl_crypto *c, const struct held *h, const char *dir)
{
    char p[PATH_BYTES];
    uint8_t der[512];
    size_t n;
    struct pl_priv priv;
    PL_TRY(path(p, dir, "", h->key_name));
    PL_TRY(read_pem(der, sizeof(der), &n, p, "PRIVATE KEY"));
    pl_err e = pl_priv_from_pkcs8(c, &priv, pl_span(der, n));
    pl_wipe(der, sizeof(der));
    PL_TRY(e);
    memcpy(h->key->priv, priv.raw, sizeof(priv.raw));
    PL_REQUIRE(priv.type == PL_PUB_P256, AUTHORITY);
    pl_wipe(&priv, sizeof(priv));
    PL_TRY(pl_p256_public(c, h->key->pub, h->key->priv));
    PL_TRY(path(p, dir, "", h->cert_name));
    return read_pem(h->der->p, sizeof(h->der->p), &h->der->n, p, "CERTIFICATE");
}

pl_err pl_authority_open(struct pl_fx_world *w, struct pl_crypto *c, const char *dir, int64_t now_s)
{
    struct held held[3];
    PL_TRY(pl_fx_world_init(w, c, pl_entropy, now_s));
    holdings(held, w);
    for (size_t i = 0; i < 3; i++)
        PL_TRY(read_held(c, &held[i], dir));
    w->der.qe_signer = w->der.tcb_signer;
    return PL_OK;
}

/* --- revocation --- */

static pl_err read_revoked(struct pl_fx_crl *crl, const char *dir)
{
    char p[PATH_BYTES];
    struct pl_wr text PL_CLEANUP(pl_wr_free) = pl_wr_heap(REVOKED_TEXT_MAX);
    PL_TRY(path(p, dir, "", "revoked"));
    pl_err e = pl_file_read(&text, p, REVOKED_TEXT_MAX);
    crl->revoked_n = 0;
    if (pl_err_code(e) == PL_E_FILE_MISSING)
        return PL_OK;
    PL_TRY(e);
    const size_t line = 2 * PL_FX_SERIAL_BYTES + 1;
    PL_REQUIRE(text.n % line == 0 && text.n / line <= PL_FX_REVOKED_MAX, AUTHORITY);
    for (size_t at = 0; at < text.n; at += line)
        PL_TRY(pl_unhex(crl->revoked[crl->revoked_n++], PL_FX_SERIAL_BYTES,
                        pl_span(text.p + at, line - 1)));
    return PL_OK;
}

pl_err pl_authority_revoke(struct pl_fx_world *w, const char *dir)
{
    char p[PATH_BYTES], hex[2 * PL_FX_SERIAL_BYTES + 1];
    struct pl_wr text PL_CLEANUP(pl_wr_free) = pl_wr_heap(REVOKED_TEXT_MAX);
    int fd PL_CLEANUP(close_fd) = -1;
    PL_TRY(lock(&fd, dir));
    PL_TRY(read_revoked(&w->pck_crl, dir));
    bool known = false;
    for (unsigned i = 0; i < w->pck_crl.revoked_n; i++) {
        pl_hex(hex, PL_ARR(w->pck_crl.revoked[i]));
        pl_wr_str(&text, hex);
        pl_wr_u8(&text, '\n');
        known |= pl_span_eq(PL_ARR(w->pck_crl.revoked[i]), PL_ARR(w->pck.serial));
    }
    if (known)
        return PL_OK;
    PL_REQUIRE(w->pck_crl.revoked_n < PL_FX_REVOKED_MAX, AUTHORITY);
    pl_hex(hex, PL_ARR(w->pck.serial));
    pl_wr_str(&text, hex);
    pl_wr_u8(&text, '\n');
    PL_TRY(pl_wr_end(&text));
    PL_TRY(path(p, dir, "", "revoked"));
    return pl_file_write(p, pl_wr_span(&text), 0600, PL_FILE_REPLACE);
}

/* --- collateral --- */

pl_err pl_fx_collateral_file(struct pl_fx_world *w, struct pl_wr *out, size_t i)
{
    PL_ASSERT(i < PL_COLLATERAL_FILES);
    switch (i) {
    case 0:
        return pl_fx_tcb_info(w, out);
    case 1:
        pl_fx_signer_chain(w, out, &w->der.tcb_signer);
        return pl_wr_end(out);
    case 2:
        return pl_fx_qe_identity(w, out);
    case 3:
        pl_fx_signer_chain(w, out, &w->der.qe_signer);
        return pl_wr_end(out);
    case 4:
        return pl_fx_crl(w, out, &w->pck_crl);
    default:
        return pl_fx_crl(w, out, &w->root_crl);
    }
}

void pl_authority_collateral(const struct pl_fx_world *w, char out[static 32])
{
    char hex[13];
    pl_hex(hex, PL_ARR(w->platform.fmspc));
    bool usual = pl_span_eq(PL_ARR(w->platform.fmspc), PL_ARR(pl_fx_fmspc));
    snprintf(out, 32, "%s%s%s", PL_AUTHORITY_COLLATERAL, usual ? "" : "-", usual ? "" : hex);
}

/* Moves everything that is dated to `now_s`, as pl_fx_world_init has it. */
static void date(struct pl_fx_world *w, int64_t now_s)
{
    w->root_crl.number = w->pck_crl.number = (uint64_t)now_s;
    w->tcb_info.eval = w->qe_identity.eval = (uint64_t)now_s / DAY;
    w->root_crl.this_update_s = w->pck_crl.this_update_s = now_s - DAY;
    w->root_crl.next_update_s = w->pck_crl.next_update_s = now_s + 30 * DAY;
    w->tcb_info.issued_s = w->qe_identity.issued_s = now_s - DAY;
    w->tcb_info.next_update_s = w->qe_identity.next_update_s = now_s + 30 * DAY;
}

static bool young(const char *p, int64_t now_s, int64_t age_s)
{
    struct stat st;
    return age_s > 0 && stat(p, &st) == 0 && st.st_mtime > now_s - age_s && st.st_mtime <= now_s;
}

pl_err pl_authority_publish(struct pl_fx_world *w, const char *dir, int64_t now_s,
                            int64_t only_older_than_s)
{
    char p[PATH_BYTES], sub[32];
    int fd PL_CLEANUP(close_fd) = -1;
    PL_TRY(lock(&fd, dir));
    pl_authority_collateral(w, sub);
    memcpy(w->tcb_info.fmspc, w->platform.fmspc, sizeof(w->tcb_info.fmspc));
    /* The last one written: when it is young, so are all. */
    PL_TRY(path(p, dir, sub, pl_collateral_file[PL_COLLATERAL_FILES - 1].name));
    if (young(p, now_s, only_older_than_s))
        return PL_OK;
    PL_TRY(path(p, dir, "", sub));
    if (mkdir(p, 0755) != 0 && errno != EEXIST)
        return errno_error();
    date(w, now_s);
    PL_TRY(read_revoked(&w->pck_crl, dir));
    for (size_t i = 0; i < PL_COLLATERAL_FILES; i++) {
        struct pl_wr b PL_CLEANUP(pl_wr_free) = pl_wr_heap(1 << 20);
        PL_TRY(pl_fx_collateral_file(w, &b, i));
        PL_TRY(path(p, dir, sub, pl_collateral_file[i].name));
        PL_TRY(pl_file_write(p, pl_wr_span(&b), 0644, PL_FILE_REPLACE));
    }
    return PL_OK;
}

static void wipe_world(struct pl_fx_world *w) { pl_fx_world_wipe(w); }

pl_err pl_authority_create(struct pl_crypto *c, const char *dir, int64_t now_s)
{
    struct pl_fx_world w PL_CLEANUP(wipe_world) = {0};
    struct held held[3];
    if (mkdir(dir, 0700) != 0)
        return errno_error();
    PL_TRY(pl_fx_world_init(&w, c, pl_entropy, now_s));
    PL_TRY(pl_fx_certs(&w));
    holdings(held, &w);
    for (size_t i = 0; i < 3; i++)
        PL_TRY(write_held(&held[i], dir));
    return pl_authority_publish(&w, dir, now_s, 0);
}
