#include "tools/home.h"
#include "platform/platform.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PEM_MAX = 4096, LIST_MAX = 16384 };

const char *tool_home_name(const struct tool *t)
{
    const char *dir = tool_text(t, "dir");
    if (!dir)
        dir = getenv("PLEIAD_HOME");
    return dir && *dir ? dir : ".pleiad";
}

pl_err tool_home(struct tool_home *out, const struct tool *t, bool make)
{
    const char *dir = tool_home_name(t);
    struct stat st;
    if (make && mkdir(dir, 0700) != 0 && errno != EEXIST)
        return pl_file_err(errno);
    PL_REQUIRE(stat(dir, &st) == 0 && S_ISDIR(st.st_mode), DEV_NONE);
    PL_REQUIRE(realpath(dir, out->dir), DEV_NONE);
    return PL_OK;
}

void tool_path(char out[static PATH_MAX], const struct tool_home *h, const char *format, ...)
{
    va_list ap;
    int n = snprintf(out, PATH_MAX, "%s/", h->dir);
    PL_ASSERT(n > 0 && n < PATH_MAX);
    va_start(ap, format);
    int more = vsnprintf(out + n, (size_t)(PATH_MAX - n), format, ap);
    va_end(ap);
    PL_ASSERT(more > 0 && more < PATH_MAX - n);
}

bool tool_exists(const char *path) { return access(path, F_OK) == 0; }

pl_err tool_read(struct pl_wr *out, const char *path, size_t max)
{
    *out = pl_wr_heap(max + 1);
    PL_TRY(pl_file_read(out, path, max));
    pl_wr_u8(out, 0);
    PL_TRY(pl_wr_end(out));
    out->n--;
    return PL_OK;
}

/* ---- keys ---- */

struct secret_key {
    struct pl_priv priv;
    uint8_t seed[PL_P256_SEED_BYTES];
    uint8_t file[PEM_MAX], der[PEM_MAX];
};

static pl_err draw(struct pl_crypto *c, struct secret_key *s, enum pl_pub_type type)
{
    uint8_t pub[PL_P256_PUB_BYTES];
    s->priv.type = type;
    if (type == PL_PUB_ED25519)
        return pl_entropy(s->priv.raw, sizeof(s->priv.raw));
    PL_TRY(pl_entropy(s->seed, sizeof(s->seed)));
    return pl_p256_make(c, s->priv.raw, pub, s->seed);
}

static pl_err write_key(struct pl_crypto *c, struct secret_key *s, const char *path,
                        enum pl_pub_type type)
{
    struct pl_wr der = pl_wr_fixed(s->der, sizeof(s->der));
    struct pl_wr pem = pl_wr_fixed(s->file, sizeof(s->file));
    PL_TRY(draw(c, s, type));
    pl_priv_to_pkcs8(&der, &s->priv);
    PL_TRY(pl_wr_end(&der));
    pl_wr_pem(&pem, pl_wr_span(&der), "PRIVATE KEY");
    PL_TRY(pl_wr_end(&pem));
    return pl_file_write(path, pl_wr_span(&pem), 0600, PL_FILE_NEW);
}

pl_err tool_key_new(struct pl_crypto *c, const char *path, enum pl_pub_type type)
{
    struct pl_locked locked PL_CLEANUP(pl_locked_unmap) = {0};
    PL_TRY(pl_locked_map(&locked, sizeof(struct secret_key)));
    return write_key(c, (struct secret_key *)(void *)locked.base, path, type);
}

pl_err tool_key_read(struct pl_crypto *c, struct pl_priv *out, const char *path)
{
    size_t n;
    struct pl_locked locked PL_CLEANUP(pl_locked_unmap) = {0};
    PL_TRY(pl_locked_map(&locked, sizeof(struct secret_key)));
    struct secret_key *s = (struct secret_key *)(void *)locked.base;
    struct pl_wr text PL_CLEANUP(pl_wr_free) = pl_wr_heap(PEM_MAX);
    PL_TRY(pl_file_read(&text, path, PEM_MAX));
    struct pl_span in = pl_wr_span(&text);
    PL_TRY(pl_unpem(s->der, sizeof(s->der), &n, &in, "PRIVATE KEY"));
    return pl_priv_from_pkcs8(c, out, pl_span(s->der, n));
}

pl_err tool_key_public(struct pl_crypto *c, uint8_t *spki, size_t *out_n, const char *path)
{
    struct pl_pub pub;
    struct pl_locked locked PL_CLEANUP(pl_locked_unmap) = {0};
    PL_TRY(pl_locked_map(&locked, sizeof(struct pl_priv)));
    struct pl_priv *priv = (struct pl_priv *)(void *)locked.base;
    PL_TRY(tool_key_read(c, priv, path));
    PL_TRY(pl_priv_public(c, &pub, priv));
    *out_n = pl_pub_to_spki(spki, &pub);
    return PL_OK;
}

/* ---- the list of vaults ---- */

static pl_err read_line(struct tool_vault *v, struct pl_span line)
{
    uint8_t id[32];
    PL_REQUIRE(line.n > 65 && line.n - 65 < sizeof(v->endpoint) && line.p[64] == '@', DEV_LIST);
    PL_REQUIRE(pl_unhex(id, sizeof(id), pl_span_sub(line, 0, 64)) == PL_OK, DEV_LIST);
    pl_hex(v->id, PL_ARR(id));
    memcpy(v->endpoint, line.p + 65, line.n - 65);
    v->endpoint[line.n - 65] = '\0';
    PL_REQUIRE(strchr(v->endpoint, ':'), DEV_LIST);
    return PL_OK;
}

pl_err tool_vaults_read(const struct tool_home *h, struct tool_vault *out, size_t cap,
                        size_t *out_n)
{
    char path[PATH_MAX];
    struct pl_wr w PL_CLEANUP(pl_wr_free) = {0};
    *out_n = 0;
    tool_path(path, h, "vaults");
    PL_TRY(tool_read(&w, path, LIST_MAX));
    for (struct pl_span s = pl_wr_span(&w); s.n;) {
        const uint8_t *end = memchr(s.p, '\n', s.n);
        size_t n = end ? (size_t)(end - s.p) : s.n;
        if (n && s.p[0] != '#') {
            PL_REQUIRE(*out_n < cap, DEV_LIST);
            PL_TRY(read_line(&out[*out_n], pl_span_sub(s, 0, n)));
            (*out_n)++;
        }
        s = pl_span_sub(s, n + (end != NULL), s.n - n - (end != NULL));
    }
    return PL_OK;
}

pl_err tool_vaults_write(const struct tool_home *h, const struct tool_vault *v, size_t n)
{
    char path[PATH_MAX];
    struct pl_wr w PL_CLEANUP(pl_wr_free) = pl_wr_heap(LIST_MAX);
    tool_path(path, h, "vaults");
    for (size_t i = 0; i < n; i++) {
        pl_wr_str(&w, v[i].id);
        pl_wr_u8(&w, '@');
        pl_wr_str(&w, v[i].endpoint);
        pl_wr_u8(&w, '\n');
    }
    PL_TRY(pl_wr_end(&w));
    return pl_file_write(path, pl_wr_span(&w), 0600, PL_FILE_REPLACE);
}

pl_err tool_registry_read(const struct tool_home *h, char out[static 128])
{
    char path[PATH_MAX];
    struct pl_wr w PL_CLEANUP(pl_wr_free) = {0};
    out[0] = 0;
    tool_path(path, h, "registry");
    if (!tool_exists(path))
        return PL_OK;
    PL_TRY(tool_read(&w, path, 127));
    memcpy(out, w.p, w.n + 1);
    out[strcspn(out, "\n")] = 0;
    return PL_OK;
}
