/* Files of a split under way: what survives kill -9 at any point. */
#include "client/split.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LINE_BYTES = 512, JOURNAL_BYTES = 256 * 1024 };

pl_err pl_split_paths(struct pl_split_files *out, const char *descriptor)
{
    PL_REQUIRE(descriptor && *descriptor && strlen(descriptor) + 16 < PL_SPLIT_PATH, FILE_MISSING);
    snprintf(out->final, sizeof(out->final), "%s", descriptor);
    snprintf(out->fresh, sizeof(out->fresh), "%.4000s.new", descriptor);
    snprintf(out->journal, sizeof(out->journal), "%.4000s.journal", descriptor);
    PL_REQUIRE(strlen(descriptor) <= 4000, FILE_MISSING);
    return PL_OK;
}

bool pl_file_there(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0 || errno != ENOENT;
}

static void folder_of(char out[static PL_SPLIT_PATH], const char *path)
{
    snprintf(out, PL_SPLIT_PATH, "%.4090s", path);
    char *slash = strrchr(out, '/');
    if (!slash)
        snprintf(out, PL_SPLIT_PATH, ".");
    else
        slash[slash == out] = 0;
}

pl_err pl_folder_sync(const char *path)
{
    char dir[PL_SPLIT_PATH];
    folder_of(dir, path);
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return pl_file_err(errno);
    int bad = fsync(fd) == 0 ? 0 : errno;
    close(fd);
    return bad ? pl_file_err(bad) : PL_OK;
}

/* ---- writing ---- */

pl_err pl_journal_make(struct pl_journal *j, const char *path)
{
    j->n = 0;
    j->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (j->fd < 0)
        return pl_file_err(errno);
    return pl_folder_sync(path);
}

static pl_err append(struct pl_journal *j, struct pl_wr *w)
{
    pl_wr_u8(w, '\n');
    PL_TRY(pl_wr_end(w));
    PL_TRY(pl_fd_write(j->fd, pl_wr_span(w)));
    return fdatasync(j->fd) == 0 ? PL_OK : pl_file_err(errno);
}

pl_err pl_journal_target(struct pl_journal *j, const struct pl_place *p)
{
    char mem[LINE_BYTES];
    struct pl_wr w = pl_wr_fixed(mem, sizeof(mem));
    struct pl_jw line = pl_jw(&w);
    pl_jw_open(&line, '{');
    pl_jw_key(&line, "endpoint");
    pl_jw_text(&line, p->endpoint);
    pl_jw_key(&line, "journal");
    pl_jw_u64(&line, 1);
    pl_jw_key(&line, "vault_id");
    pl_jw_hex(&line, PL_ARR(p->vault_id));
    pl_jw_close(&line, '}');
    return append(j, &w);
}

pl_err pl_journal_prepared(struct pl_journal *j, const uint8_t vault_id[static 32],
                           const uint8_t handle[static 16])
{
    char mem[LINE_BYTES];
    struct pl_wr w = pl_wr_fixed(mem, sizeof(mem));
    struct pl_jw line = pl_jw(&w);
    pl_jw_open(&line, '{');
    pl_jw_key(&line, "handle");
    pl_jw_b64u(&line, pl_span(handle, 16));
    pl_jw_key(&line, "vault_id");
    pl_jw_hex(&line, pl_span(vault_id, 32));
    pl_jw_close(&line, '}');
    return append(j, &w);
}

void pl_journal_close(struct pl_journal *j)
{
    if (j->fd >= 0)
        close(j->fd);
    j->fd = -1;
}

/* ---- reading ---- */

struct line {
    char endpoint[256];
    uint8_t vault_id[32], handle[16];
    bool has_endpoint, has_handle, has_vault;
};

static void read_member(struct pl_json *j, struct pl_span key, struct line *l)
{
    uint64_t version;
    if (pl_span_is(key, "vault_id"))
        l->has_vault = pl_json_hex_exact(j, l->vault_id, sizeof(l->vault_id));
    else if (pl_span_is(key, "handle"))
        l->has_handle = pl_json_b64u_exact(j, l->handle, sizeof(l->handle));
    else if (pl_span_is(key, "endpoint"))
        l->has_endpoint = pl_json_str(j, l->endpoint, sizeof(l->endpoint), 1, NULL);
    else if (pl_span_is(key, "journal"))
        pl_json_u53(j, 1, &version);
    else
        pl_json_refuse(j, PL_FAIL(JSON_UNKNOWN));
}

static pl_err take(struct pl_journal *out, const struct line *l)
{
    struct pl_journal_vault *v = NULL;
    PL_REQUIRE(l->has_vault, JOURNAL_FORM);
    /* a vault that was tried again: its newest line counts */
    for (size_t i = 0; i < out->n; i++)
        if (memcmp(out->vault[i].place.vault_id, l->vault_id, 32) == 0)
            v = &out->vault[i];
    if (l->has_endpoint && !v) {
        PL_REQUIRE(out->n < PL_VAULTS_MAX, JOURNAL_FORM);
        v = &out->vault[out->n++];
        memset(v, 0, sizeof(*v));
        memcpy(v->place.vault_id, l->vault_id, 32);
    }
    PL_REQUIRE(v, JOURNAL_FORM);
    if (l->has_endpoint)
        memcpy(v->place.endpoint, l->endpoint, sizeof(v->place.endpoint));
    if (l->has_handle)
        memcpy(v->handle, l->handle, sizeof(v->handle));
    v->prepared = l->has_handle ? true : l->has_endpoint ? false : v->prepared;
    return PL_OK;
}

static pl_err read_line(struct pl_journal *out, struct pl_span text)
{
    struct line l = {0};
    struct pl_span key;
    struct pl_json j;
    pl_json_init(&j, text);
    pl_json_object(&j);
    while (pl_json_key(&j, &key))
        read_member(&j, key, &l);
    PL_REQUIRE(pl_json_end(&j) == PL_OK, JOURNAL_FORM);
    return take(out, &l);
}

pl_err pl_journal_read(struct pl_journal *out, const char *path)
{
    struct pl_wr text PL_CLEANUP(pl_wr_free) = pl_wr_heap(JOURNAL_BYTES);
    *out = (struct pl_journal){.fd = -1};
    PL_TRY(pl_file_read(&text, path, JOURNAL_BYTES));
    for (size_t from = 0; from < text.n;) {
        const uint8_t *end = memchr(text.p + from, '\n', text.n - from);
        if (!end)
            break; /* torn: what it would have said is not relied on */
        PL_TRY(read_line(out, pl_span(text.p + from, (size_t)(end - text.p) - from)));
        from = (size_t)(end - text.p) + 1;
    }
    return PL_OK;
}

/* ---- ends ---- */

/* pl_file_write that died leaves its file's name with 16 hex digits behind it. */
static void drop_torn(const char *fresh)
{
    char dir[PL_SPLIT_PATH];
    const char *base = strrchr(fresh, '/') ? strrchr(fresh, '/') + 1 : fresh;
    size_t n = strlen(base);
    folder_of(dir, fresh);
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d));) {
        const char *rest = strncmp(e->d_name, base, n) == 0 ? e->d_name + n : "";
        if (*rest == '.' && strlen(rest) == 17 && strspn(rest + 1, "0123456789abcdef") == 16)
            unlinkat(dirfd(d), e->d_name, 0);
    }
    if (d)
        closedir(d);
}

pl_err pl_split_forget(const struct pl_split_files *f)
{
    drop_torn(f->fresh);
    if (unlink(f->journal) != 0 && errno != ENOENT)
        return pl_file_err(errno);
    return pl_folder_sync(f->journal);
}

pl_err pl_split_commit(const struct pl_split_files *f)
{
    if (rename(f->fresh, f->final) != 0)
        return pl_file_err(errno);
    PL_TRY(pl_folder_sync(f->final));
    return pl_split_forget(f);
}
