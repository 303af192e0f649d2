/* pleiad share: Shamir alone, offline. A share is a file of its own; see shamir/shamir.h. */
#include "tools/tool.h"
#include "platform/platform.h"
#include "shamir/shamir.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    PIECE = 1024, /* bytes split at once: bounds the locked memory that coefficients take */
    PROMPT_MAX = 4096,
};

/* What both commands hold. Everything secret is in locked memory, except shares: they are about to
 * be, or were, files; they are wiped when done. */
struct job {
    struct tool *t;
    struct pl_crypto *crypto;
    struct pl_locked locked;
    struct pl_arena arena;
    struct pl_split split;
    struct pl_wr files[PL_SHARES_MAX]; /* whole contents */
    unsigned n_files;
};

static void job_end(struct job **j)
{
    if (!*j)
        return;
    for (unsigned i = 0; i < (*j)->n_files; i++)
        pl_wr_free(&(*j)->files[i]);
    pl_locked_unmap(&(*j)->locked);
    pl_crypto_free((*j)->crypto);
    free(*j);
    *j = NULL;
}

static pl_err job_start(struct job **out, struct tool *t, size_t secret_memory, unsigned files)
{
    struct job *j = *out = calloc(1, sizeof(*j));
    PL_REQUIRE(j, NO_MEMORY);
    j->t = t;
    for (; j->n_files < files; j->n_files++)
        j->files[j->n_files] = pl_wr_heap(PL_SHARE_FILE_MAX);
    PL_TRY(pl_process_harden());
    PL_TRY(pl_locked_map(&j->locked, secret_memory));
    j->arena = pl_locked_arena(&j->locked);
    return pl_crypto_new(&j->crypto);
}

/* ---- split ---- */

static pl_err read_secret(struct job *j, struct pl_span *out)
{
    size_t n = 0;
    bool prompt = tool_flag(j->t, "prompt");
    PL_REQUIRE(prompt || !isatty(STDIN_FILENO), TERMINAL);
    uint8_t *p = pl_arena_take(&j->arena, PL_SECRET_MAX);
    PL_REQUIRE(p, NO_MEMORY);
    if (prompt) {
        PL_TRY(tool_prompt(p, PROMPT_MAX, &n, "secret to split", true));
    } else {
        pl_err e = pl_fd_read(STDIN_FILENO, p, PL_SECRET_MAX, &n);
        PL_REQUIRE(pl_err_code(e) != PL_E_FILE_SIZE, SECRET_SIZE);
        PL_TRY(e);
    }
    PL_REQUIRE(n > 0, SECRET_EMPTY);
    *out = pl_span(p, n);
    return PL_OK;
}

/* The secret as it is, or in its packed form. */
static pl_err prepare(struct job *j, struct pl_span secret, struct pl_span *out, bool plain)
{
    uint8_t seed[PL_SHARES_MAX * PL_X_SEED_BYTES];
    *out = secret;
    if (plain)
        return pl_split_plain_x(&j->split);
    uint8_t *mac_key = pl_arena_take(&j->arena, PL_MAC_KEY_BYTES);
    uint8_t *packed = pl_arena_take(&j->arena, pl_packed_bytes(secret.n));
    PL_REQUIRE(mac_key && packed, NO_MEMORY);
    PL_TRY(pl_entropy(mac_key, PL_MAC_KEY_BYTES));
    PL_TRY(pl_entropy(j->split.id, sizeof(j->split.id)));
    PL_TRY(pl_entropy(seed, sizeof(seed)));
    PL_TRY(pl_split_random_x(&j->split, pl_span(seed, j->split.n * (size_t)PL_X_SEED_BYTES)));
    *out = pl_span(packed, pl_packed_bytes(secret.n));
    return pl_pack(j->crypto, packed, &j->split, secret, mac_key);
}

/* One piece of the secret, appended to every share. */
static pl_err split_piece(struct job *j, struct pl_span piece, uint8_t *random, uint8_t *rows)
{
    size_t n = (size_t)(j->split.k - 1) * piece.n;
    PL_TRY(pl_entropy(random, n));
    PL_TRY(pl_shamir_split(rows, &j->split, piece, pl_span(random, n), &j->arena));
    for (unsigned i = 0; i < j->split.n; i++)
        pl_wr_bytes(&j->files[i], pl_span(rows + i * piece.n, piece.n));
    return PL_OK;
}

static pl_err split_all(struct job *j, struct pl_span whole, bool plain)
{
    uint8_t *random = pl_arena_take(&j->arena, (size_t)j->split.k * PIECE);
    uint8_t *rows = pl_arena_take(&j->arena, (size_t)j->split.n * PIECE);
    PL_REQUIRE(random && rows, NO_MEMORY);
    for (unsigned i = 0; i < j->split.n; i++)
        if (plain)
            pl_wr_u8(&j->files[i], j->split.x[i]);
        else
            pl_wr_share_head(&j->files[i], &j->split, j->split.x[i]);
    for (size_t at = 0; at < whole.n; at += PIECE) {
        size_t n = whole.n - at < PIECE ? whole.n - at : PIECE;
        PL_TRY(split_piece(j, pl_span_sub(whole, at, n), random, rows));
    }
    return PL_OK;
}

static pl_err share_path(const struct job *j, unsigned i, char out[static PATH_MAX])
{
    const char *name = tool_text(j->t, "name");
    int digits = j->split.n >= 100 ? 3 : j->split.n >= 10 ? 2 : 1;
    int n = snprintf(out, PATH_MAX, "%s/%s-%0*u.share", tool_text(j->t, "out-dir"),
                     name ? name : "share", digits, i + 1);
    PL_REQUIRE(n > 0 && n < PATH_MAX, FILE_KIND);
    return PL_OK;
}

/* All files or none: what was written before a failure is removed again. `path` names the file that
 * failed. */
static pl_err write_files(struct job *j, char path[static PATH_MAX])
{
    struct stat st;
    pl_err e = PL_OK;
    unsigned written = 0;
    for (unsigned i = 0; i < j->split.n; i++) {
        PL_TRY(share_path(j, i, path));
        PL_REQUIRE(lstat(path, &st) != 0, FILE_EXISTS);
    }
    for (; e == PL_OK && written < j->split.n; written += e == PL_OK) {
        PL_TRY(share_path(j, written, path));
        e = pl_wr_end(&j->files[written]);
        if (e == PL_OK)
            e = pl_file_write(path, pl_wr_span(&j->files[written]), 0600, PL_FILE_NEW);
    }
    for (unsigned i = 0; e != PL_OK && i < written; i++) {
        char done[PATH_MAX];
        if (share_path(j, i, done) == PL_OK)
            unlink(done);
    }
    return e;
}

static void report_json(const struct job *j, struct pl_wr *w, bool plain)
{
    struct pl_jw o = pl_jw(w);
    char path[PATH_MAX];
    pl_jw_open(&o, '{');
    if (!plain) {
        pl_jw_key(&o, "split_id");
        pl_jw_hex(&o, PL_ARR(j->split.id));
    }
    pl_jw_key(&o, "k");
    pl_jw_u64(&o, j->split.k);
    pl_jw_key(&o, "n");
    pl_jw_u64(&o, j->split.n);
    pl_jw_key(&o, "files");
    pl_jw_open(&o, '[');
    for (unsigned i = 0; i < j->split.n; i++)
        if (share_path(j, i, path) == PL_OK)
            pl_jw_text(&o, path);
    pl_jw_close(&o, ']');
    pl_jw_close(&o, '}');
}

static pl_err report_split(struct job *j, bool plain)
{
    char path[PATH_MAX];
    struct pl_wr w = pl_wr_heap(PL_SHARES_MAX * PATH_MAX);
    pl_err e = PL_OK;
    if (j->t->json) {
        report_json(j, &w, plain);
        e = pl_wr_end(&w);
        e = e == PL_OK ? tool_json(j->t, pl_wr_span(&w)) : e;
    }
    for (unsigned i = 0; !j->t->json && e == PL_OK && i < j->split.n; i++)
        if ((e = share_path(j, i, path)) == PL_OK)
            puts(path);
    pl_wr_free(&w);
    return e;
}

static pl_err split_secret(struct job *j, bool plain)
{
    struct pl_span secret, whole;
    PL_TRY(read_secret(j, &secret));
    PL_TRY(prepare(j, secret, &whole, plain));
    return split_all(j, whole, plain);
}

static int split(struct tool *t)
{
    PL_CLEANUP(job_end) struct job *j = NULL;
    char path[PATH_MAX] = "";
    bool plain = tool_flag(t, "plain");
    uint64_t k = tool_number(t, "threshold", 0), n = tool_number(t, "shares", 0);
    const char *name = tool_text(t, "name");
    if (name && (!*name || strchr(name, '/')))
        return tool_usage(t, "--name is the beginning of a file name, not a path");
    if (k > n)
        return tool_usage(t, "-k %llu of -n %llu: there would be too few shares",
                          (unsigned long long)k, (unsigned long long)n);
    size_t memory = 2 * (size_t)PL_SECRET_MAX + (k + n) * PIECE + PL_SHAMIR_SCRATCH + 4096;
    pl_err e = job_start(&j, t, memory, (unsigned)n);
    if (e != PL_OK)
        return tool_fail(t, "split", e);
    j->split.k = (uint8_t)k;
    j->split.n = (uint8_t)n;
    if ((e = split_secret(j, plain)) != PL_OK)
        return tool_fail(t, "secret on standard input", e);
    if (mkdir(tool_text(t, "out-dir"), 0700) != 0 && errno != EEXIST)
        return tool_fail(t, tool_text(t, "out-dir"), pl_file_err(errno));
    if ((e = write_files(j, path)) != PL_OK)
        return tool_fail(t, path, e);
    if ((e = report_split(j, plain)) != PL_OK)
        return tool_fail(t, "standard output", e);
    return TOOL_DONE;
}

/* ---- combine ---- */

/* Everything that can be said about the files without combining; says it, and returns an exit code,
 * or -1 when they fit together. */
static int check_pair(struct job *j, const struct pl_split *splits, const struct pl_share *shares,
                      unsigned i)
{
    const char *here = j->t->args[i], *first = j->t->args[0];
    if (memcmp(splits[i].id, splits[0].id, sizeof(splits[0].id)) != 0)
        return tool_fail_with(j->t, here, PL_FAIL(SHARE_SPLIT), "unlike %s", first);
    if (splits[i].k != splits[0].k || splits[i].n != splits[0].n)
        return tool_fail_with(j->t, here, PL_FAIL(SHARE_HEAD), "%u of %u here, %u of %u in %s",
                              splits[i].k, splits[i].n, splits[0].k, splits[0].n, first);
    if (shares[i].y.n != shares[0].y.n)
        return tool_fail_with(j->t, here, PL_FAIL(SHARE_LENGTH), "unlike %s", first);
    for (unsigned other = 0; other < i; other++)
        if (shares[other].x == shares[i].x)
            return tool_fail_with(j->t, here, PL_FAIL(SHARE_POINT), "x = %u, as in %s", shares[i].x,
                                  j->t->args[other]);
    return -1;
}

static int load(struct job *j, struct pl_split *splits, struct pl_share *shares, bool plain)
{
    for (unsigned i = 0; i < j->n_files; i++) {
        const char *path = j->t->args[i];
        pl_err e = pl_file_read(&j->files[i], path, PL_SHARE_FILE_MAX);
        struct pl_span bytes = pl_wr_span(&j->files[i]);
        if (e == PL_OK)
            e = plain ? pl_share_parse_plain(&shares[i], bytes)
                      : pl_share_parse(&splits[i], &shares[i], bytes);
        if (e != PL_OK)
            return tool_fail(j->t, path, e);
        int code = check_pair(j, splits, shares, i);
        if (code >= 0)
            return code;
    }
    unsigned least = plain ? 2 : splits[0].k;
    if (j->n_files < least)
        return tool_fail_with(j->t, "combine", PL_FAIL(SHARE_FEW), "%u needed, %u given", least,
                              j->n_files);
    return -1;
}

static pl_err combine_plain(struct job *j, struct pl_combined *out, const struct pl_share *shares)
{
    uint8_t *p = pl_arena_take(&j->arena, shares[0].y.n);
    PL_REQUIRE(p, SECRET_SIZE);
    out->secret = pl_span(p, shares[0].y.n);
    return pl_shamir_at(p, 0, shares, j->n_files, &j->arena);
}

/* Where the secret goes: standard output, or the file of --out. */
static int deliver(struct job *j, struct pl_span secret)
{
    const char *path = tool_text(j->t, "out");
    pl_err e = path ? pl_file_write(path, secret, 0600, PL_FILE_NEW) : tool_out_bytes(secret, true);
    return e == PL_OK ? TOOL_DONE : tool_fail(j->t, path ? path : "standard output", e);
}

static int report_combined(struct job *j, const struct pl_combined *c)
{
    for (unsigned i = 0; i < j->n_files; i++)
        if (c->wrong[i])
            tool_note(j->t,
                      "%s: this share is wrong and was not used; the secret was verified "
                      "without it",
                      j->t->args[i]);
    if (!j->t->json)
        return TOOL_DONE;
    struct pl_wr w = pl_wr_heap(PL_SHARES_MAX * PATH_MAX);
    struct pl_jw o = pl_jw(&w);
    pl_jw_open(&o, '{');
    pl_jw_key(&o, "bytes");
    pl_jw_u64(&o, c->secret.n);
    pl_jw_key(&o, "wrong");
    pl_jw_open(&o, '[');
    for (unsigned i = 0; i < j->n_files; i++)
        if (c->wrong[i])
            pl_jw_text(&o, j->t->args[i]);
    pl_jw_close(&o, ']');
    pl_jw_close(&o, '}');
    pl_err e = pl_wr_end(&w);
    e = e == PL_OK ? tool_json(j->t, pl_wr_span(&w)) : e;
    pl_wr_free(&w);
    return e == PL_OK ? TOOL_DONE : tool_fail(j->t, "standard output", e);
}

static int combine(struct tool *t)
{
    PL_CLEANUP(job_end) struct job *j = NULL;
    static struct pl_split splits[PL_SHARES_MAX];
    struct pl_share shares[PL_SHARES_MAX];
    struct pl_combined out = {0};
    bool plain = tool_flag(t, "plain");
    if (t->json && !tool_text(t, "out"))
        return tool_usage(t, "--json needs --out: standard output carries the secret");
    pl_err e = job_start(&j, t, 2 * (size_t)PL_SECRET_MAX + PL_SHAMIR_SCRATCH + 4096, t->n_args);
    if (e != PL_OK)
        return tool_fail(t, "combine", e);
    memset(splits, 0, sizeof(splits));
    int code = load(j, splits, shares, plain);
    if (code >= 0)
        return code;
    e = plain ? combine_plain(j, &out, shares)
              : pl_share_combine(j->crypto, &out, &splits[0], shares, t->n_args, &j->arena);
    if (e != PL_OK)
        return tool_fail(t, "combine", e);
    code = deliver(j, out.secret);
    return code == TOOL_DONE ? report_combined(j, &out) : code;
}

static const struct tool_opt split_opts[] = {
    {.name = "threshold",
     .letter = 'k',
     .arg = TOOL_NUMBER,
     .meta = "K",
     .min = 2,
     .max = 255,
     .required = true,
     .help = "how many shares give the secret back"},
    {.name = "shares",
     .letter = 'n',
     .arg = TOOL_NUMBER,
     .meta = "N",
     .min = 2,
     .max = 255,
     .required = true,
     .help = "how many shares to make"},
    {.name = "out-dir",
     .arg = TOOL_DIR,
     .meta = "DIR",
     .required = true,
     .help = "where the share files go; made when missing"},
    {.name = "name",
     .arg = TOOL_TEXT,
     .meta = "NAME",
     .help = "how file names begin: NAME-1.share and so on; default: share"},
    {.name = "prompt",
     .arg = TOOL_FLAG,
     .help = "ask for the secret on the terminal, without echo"},
    {.name = "plain",
     .arg = TOOL_FLAG,
     .help = "bare shares x || y with x = 1, 2, ..., for other tools; nothing detects a wrong one"},
    {0},
};

static const struct tool_opt combine_opts[] = {
    {.name = "out",
     .arg = TOOL_FILE,
     .meta = "FILE",
     .help = "write the secret to a new file of mode 0600 instead of standard output"},
    {.name = "plain",
     .arg = TOOL_FLAG,
     .help = "the files are bare shares x || y; all of them are used and nothing is verified"},
    {0},
};

const struct tool_cmd tool_share[] = {
    {.verb = "split",
     .summary = "split a secret from standard input into share files",
     .args = "",
     .opts = split_opts,
     .example = "pleiad share split -k 3 -n 5 --out-dir shares < secret",
     .run = split},
    {.verb = "combine",
     .summary = "put a secret together from share files, verified, to standard output",
     .args = "FILE...",
     .min_args = 1,
     .max_args = PL_SHARES_MAX,
     .opts = combine_opts,
     .example = "pleiad share combine shares/share-1.share shares/share-4.share > secret",
     .run = combine},
    {0},
};
