/* What is listed, in one SQLite file. Times and serials are integers, everything else text or
 * blobs that were checked before they came here; every value is bound, none is put into SQL. */
#include "registryd.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

enum { BUSY_MS = 2000, SCHEMA = 1 };

/* A row outlives its entry by the longest life that an older entry of the same vault could have:
 * its serial is what that one would be refused by. */
static const char schema[] =
    "CREATE TABLE IF NOT EXISTS vault (vault_id BLOB PRIMARY KEY NOT NULL, serial INTEGER NOT NULL,"
    " expires INTEGER NOT NULL, forget INTEGER NOT NULL, tee TEXT NOT NULL,"
    " measurement TEXT NOT NULL, platform BLOB NOT NULL, registry BLOB NOT NULL, carrier BLOB);"
    "CREATE INDEX IF NOT EXISTS vault_platform ON vault (platform);"
    "CREATE TABLE IF NOT EXISTS label (label TEXT NOT NULL, vault_id BLOB NOT NULL,"
    " PRIMARY KEY (label, vault_id)) WITHOUT ROWID;"
    "CREATE INDEX IF NOT EXISTS label_vault ON label (vault_id);"
    "PRAGMA user_version = 1;";

enum statement {
    Q_BEGIN = 0,
    Q_COMMIT,
    Q_ROLLBACK,
    Q_SERIAL,
    Q_ROOM,
    Q_PUT,
    Q_UNLABEL,
    Q_LABEL,
    Q_GET,
    Q_LEAVE,
    Q_PAGE,
    Q_SWEEP_LABELS,
    Q_SWEEP,
    Q_FORGET,
    Q_COUNT,
    Q_N
};

/* LISTED: what anybody may see at ?1. */
#define LISTED "carrier IS NOT NULL AND expires >= ?1"

static const char *const sql[Q_N] = {
    [Q_BEGIN] = "BEGIN IMMEDIATE",
    [Q_COMMIT] = "COMMIT",
    [Q_ROLLBACK] = "ROLLBACK",
    [Q_SERIAL] = "SELECT serial, carrier FROM vault WHERE vault_id = ?2",
    [Q_ROOM] = "SELECT count(*), count(*) FILTER (WHERE platform = ?3) FROM vault"
               " WHERE " LISTED " AND vault_id <> ?2",
    [Q_PUT] = "INSERT INTO vault VALUES (?2, ?4, ?5, ?6, ?7, ?8, ?3, ?9, ?10)"
              " ON CONFLICT (vault_id) DO UPDATE SET serial = ?4, expires = ?5, forget = ?6,"
              " tee = ?7, measurement = ?8, platform = ?3, registry = ?9, carrier = ?10",
    [Q_UNLABEL] = "DELETE FROM label WHERE vault_id = ?2",
    [Q_LABEL] = "INSERT OR IGNORE INTO label VALUES (?4, ?2)",
    [Q_GET] = "SELECT carrier, registry, serial FROM vault WHERE vault_id = ?2 AND " LISTED,
    [Q_LEAVE] = "UPDATE vault SET serial = ?4, forget = ?6, carrier = NULL WHERE vault_id = ?2",
    [Q_PAGE] = "SELECT vault_id, carrier FROM vault WHERE " LISTED
               " AND (?2 IS NULL OR vault_id > ?2) AND (?3 IS NULL OR tee = ?3)"
               " AND (?4 IS NULL OR measurement = ?4) AND (?5 IS NULL OR EXISTS"
               " (SELECT 1 FROM label WHERE label = ?5 AND label.vault_id = vault.vault_id))"
               " ORDER BY vault_id LIMIT 257",
    [Q_SWEEP_LABELS] = "DELETE FROM label WHERE vault_id IN (SELECT vault_id FROM vault"
                       " WHERE carrier IS NULL OR expires < ?1)",
    [Q_SWEEP] = "UPDATE vault SET carrier = NULL WHERE carrier IS NOT NULL AND expires < ?1",
    [Q_FORGET] = "DELETE FROM vault WHERE carrier IS NULL AND forget < ?1",
    [Q_COUNT] = "SELECT count(*) FROM vault WHERE " LISTED,
};

struct store {
    sqlite3 *db;
    uint64_t max;
    sqlite3_stmt *q[Q_N];
};

/* ---- statements ---- */

/* Back to what can be bound and stepped again, whatever came of it. */
static sqlite3_stmt *fresh(struct store *st, enum statement q)
{
    sqlite3_reset(st->q[q]);
    sqlite3_clear_bindings(st->q[q]);
    return st->q[q];
}

static void bind_blob(sqlite3_stmt *s, int at, struct pl_span v)
{
    if (v.p)
        sqlite3_bind_blob(s, at, v.p, (int)v.n, SQLITE_STATIC);
}

static void bind_text(sqlite3_stmt *s, int at, struct pl_span v)
{
    if (v.p)
        sqlite3_bind_text(s, at, (const char *)v.p, (int)v.n, SQLITE_STATIC);
}

static pl_err run(sqlite3_stmt *s)
{
    int r = sqlite3_step(s);
    sqlite3_reset(s);
    PL_REQUIRE(r == SQLITE_DONE, REGISTRY_STORE);
    return PL_OK;
}

/* *out_row, or none. */
static pl_err step(sqlite3_stmt *s, bool *out_row)
{
    int r = sqlite3_step(s);
    *out_row = r == SQLITE_ROW;
    PL_REQUIRE(r == SQLITE_ROW || r == SQLITE_DONE, REGISTRY_STORE);
    return PL_OK;
}

static struct pl_span column(sqlite3_stmt *s, int at)
{
    const void *p = sqlite3_column_blob(s, at);
    return pl_span(p, (size_t)sqlite3_column_bytes(s, at));
}

static pl_err simple(struct store *st, enum statement q, int64_t now_s)
{
    sqlite3_stmt *s = fresh(st, q);
    if (sqlite3_bind_parameter_count(s) > 0)
        sqlite3_bind_int64(s, 1, now_s);
    return run(s);
}

/* ---- open, close ---- */

static pl_err prepare(struct store *st, const char *path)
{
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX |
                      SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_PRIVATECACHE;
    PL_REQUIRE(sqlite3_open_v2(path, &st->db, flags, NULL) == SQLITE_OK, REGISTRY_STORE);
    sqlite3_busy_timeout(st->db, BUSY_MS);
    sqlite3_limit(st->db, SQLITE_LIMIT_LENGTH, 1024 * 1024);
    sqlite3_db_config(st->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    PL_REQUIRE(sqlite3_exec(st->db,
                            "PRAGMA trusted_schema = OFF; PRAGMA journal_mode = WAL;"
                            "PRAGMA synchronous = NORMAL;",
                            NULL, NULL, NULL) == SQLITE_OK,
               REGISTRY_STORE);
    PL_REQUIRE(sqlite3_exec(st->db, schema, NULL, NULL, NULL) == SQLITE_OK, REGISTRY_STORE);
    for (unsigned i = 0; i < Q_N; i++)
        PL_REQUIRE(sqlite3_prepare_v3(st->db, sql[i], -1, SQLITE_PREPARE_PERSISTENT, &st->q[i],
                                      NULL) == SQLITE_OK,
                   REGISTRY_STORE);
    return PL_OK;
}

pl_err store_open(struct store **out, const char *path, uint64_t max)
{
    struct store *st = calloc(1, sizeof(*st));
    *out = NULL;
    PL_REQUIRE(st, NO_MEMORY);
    st->max = max;
    pl_err e = prepare(st, path);
    if (e != PL_OK) {
        store_close(st);
        return e;
    }
    *out = st;
    return PL_OK;
}

void store_close(struct store *st)
{
    if (!st)
        return;
    for (unsigned i = 0; i < Q_N; i++)
        sqlite3_finalize(st->q[i]);
    sqlite3_close(st->db);
    free(st);
}

/* ---- changing ---- */

/* Nothing of it stays when one part of it fails. */
static pl_err end(struct store *st, pl_err e)
{
    if (e == PL_OK)
        e = simple(st, Q_COMMIT, 0);
    if (e != PL_OK && !sqlite3_get_autocommit(st->db) && simple(st, Q_ROLLBACK, 0) != PL_OK)
        return PL_FAIL(REGISTRY_STORE);
    return e;
}

/* *out_same: this very entry is listed. */
static pl_err check_serial(struct store *st, const struct listing *l, bool *out_same, bool *out_new)
{
    bool row;
    sqlite3_stmt *s = fresh(st, Q_SERIAL);
    bind_blob(s, 2, pl_span(l->vault_id, PL_SHA256_BYTES));
    PL_TRY(step(s, &row));
    uint64_t seen = row ? (uint64_t)sqlite3_column_int64(s, 0) : 0;
    struct pl_span carrier = row ? column(s, 1) : pl_span(NULL, 0);
    *out_same = row && seen == l->serial && pl_span_eq(carrier, l->carrier);
    *out_new = !carrier.p;
    sqlite3_reset(s);
    PL_REQUIRE(!row || *out_same || l->serial > seen, ENTRY_STALE);
    return PL_OK;
}

static pl_err check_room(struct store *st, const struct listing *l, int64_t now_s)
{
    bool row;
    sqlite3_stmt *s = fresh(st, Q_ROOM);
    sqlite3_bind_int64(s, 1, now_s);
    bind_blob(s, 2, pl_span(l->vault_id, PL_SHA256_BYTES));
    bind_blob(s, 3, l->platform);
    PL_TRY(step(s, &row));
    uint64_t all = (uint64_t)sqlite3_column_int64(s, 0);
    uint64_t here = (uint64_t)sqlite3_column_int64(s, 1);
    sqlite3_reset(s);
    PL_REQUIRE(row && all < st->max, REGISTRY_FULL);
    PL_REQUIRE(here < REGISTRY_PER_PLATFORM, ENTRY_PLATFORM);
    return PL_OK;
}

static pl_err put_labels(struct store *st, const struct listing *l)
{
    struct pl_span id = pl_span(l->vault_id, PL_SHA256_BYTES);
    sqlite3_stmt *s = fresh(st, Q_UNLABEL);
    bind_blob(s, 2, id);
    PL_TRY(run(s));
    for (size_t i = 0; i < l->labels.n; i++) {
        s = fresh(st, Q_LABEL);
        bind_blob(s, 2, id);
        bind_text(s, 4, l->labels.v[i]);
        PL_TRY(run(s));
    }
    return PL_OK;
}

static pl_err put(struct store *st, const struct listing *l, int64_t now_s, bool *out_new)
{
    bool same;
    PL_TRY(check_serial(st, l, &same, out_new));
    if (same)
        return PL_OK;
    PL_TRY(check_room(st, l, now_s));
    sqlite3_stmt *s = fresh(st, Q_PUT);
    bind_blob(s, 2, pl_span(l->vault_id, PL_SHA256_BYTES));
    bind_blob(s, 3, l->platform);
    sqlite3_bind_int64(s, 4, (int64_t)l->serial);
    sqlite3_bind_int64(s, 5, l->expires_s);
    sqlite3_bind_int64(s, 6, now_s + PL_VAULT_ENTRY_LIFE_MAX_S);
    bind_text(s, 7, pl_span_str(l->tee));
    bind_text(s, 8, pl_span_str(l->measurement));
    bind_blob(s, 9, pl_span(l->registry_spki, l->registry_spki_n));
    bind_blob(s, 10, l->carrier);
    PL_TRY(run(s));
    return put_labels(st, l);
}

pl_err store_put(struct store *st, const struct listing *l, int64_t now_s, bool *out_new)
{
    *out_new = false;
    PL_TRY(simple(st, Q_BEGIN, 0));
    return end(st, put(st, l, now_s, out_new));
}

/* The row of a listed vault: Q_GET, stepped. Reset it. */
static pl_err listed(struct store *st, const uint8_t *vault_id, int64_t now_s, sqlite3_stmt **out)
{
    bool row;
    sqlite3_stmt *s = fresh(st, Q_GET);
    sqlite3_bind_int64(s, 1, now_s);
    bind_blob(s, 2, pl_span(vault_id, PL_SHA256_BYTES));
    *out = s;
    PL_TRY(step(s, &row));
    PL_REQUIRE(row, ENTRY_NONE);
    return PL_OK;
}

static pl_err leave(struct store *st, const uint8_t *vault_id, uint64_t serial, int64_t now_s)
{
    sqlite3_stmt *s;
    pl_err e = listed(st, vault_id, now_s, &s);
    uint64_t seen = e == PL_OK ? (uint64_t)sqlite3_column_int64(s, 2) : 0;
    sqlite3_reset(s);
    PL_TRY(e);
    PL_REQUIRE(serial > seen, ENTRY_STALE);
    s = fresh(st, Q_LEAVE);
    bind_blob(s, 2, pl_span(vault_id, PL_SHA256_BYTES));
    sqlite3_bind_int64(s, 4, (int64_t)serial);
    sqlite3_bind_int64(s, 6, now_s + PL_VAULT_ENTRY_LIFE_MAX_S);
    return run(s);
}

pl_err store_leave(struct store *st, const uint8_t vault_id[static PL_SHA256_BYTES],
                   uint64_t serial, int64_t now_s)
{
    PL_TRY(simple(st, Q_BEGIN, 0));
    return end(st, leave(st, vault_id, serial, now_s));
}

/* ---- reading ---- */

pl_err store_get(struct store *st, const uint8_t vault_id[static PL_SHA256_BYTES], int64_t now_s,
                 struct pl_wr *carrier)
{
    sqlite3_stmt *s;
    pl_err e = listed(st, vault_id, now_s, &s);
    if (e == PL_OK)
        pl_wr_bytes(carrier, column(s, 0));
    sqlite3_reset(s);
    PL_TRY(e);
    return pl_wr_end(carrier);
}

pl_err store_key(struct store *st, const uint8_t vault_id[static PL_SHA256_BYTES], int64_t now_s,
                 struct pl_pub *out)
{
    sqlite3_stmt *s;
    pl_err e = listed(st, vault_id, now_s, &s);
    if (e == PL_OK)
        e = pl_pub_from_spki(out, column(s, 1));
    sqlite3_reset(s);
    return e;
}

/* Carriers one behind the other, and where each begins: the buffer moves while it grows. */
struct page {
    struct pl_wr text;
    size_t at[REGISTRY_PAGE + 1], n;
    uint8_t last[PL_SHA256_BYTES];
    bool more;
};

static void page_free(struct page *p) { pl_wr_free(&p->text); }

static pl_err collect(sqlite3_stmt *s, struct page *p)
{
    for (bool row;;) {
        PL_TRY(step(s, &row));
        if (!row)
            return PL_OK;
        struct pl_span id = column(s, 0), carrier = column(s, 1);
        PL_REQUIRE(id.n == sizeof(p->last), REGISTRY_STORE);
        p->more =
            p->n == REGISTRY_PAGE || (p->n > 0 && p->text.n + carrier.n > REGISTRY_PAGE_BYTES);
        if (p->more)
            return PL_OK;
        pl_wr_bytes(&p->text, carrier);
        memcpy(p->last, id.p, id.n);
        p->at[++p->n] = p->text.n;
    }
}

static pl_err write_page(const struct page *p, struct pl_wr *body)
{
    char next[2 * PL_SHA256_BYTES + 1];
    struct pl_span entries[REGISTRY_PAGE];
    for (size_t i = 0; i < p->n; i++)
        entries[i] = pl_span(p->text.p + p->at[i], p->at[i + 1] - p->at[i]);
    pl_hex(next, PL_ARR(p->last));
    const struct pl_api_entry_page m = {
        .entries = {entries, p->n},
        .has_next = p->more,
        .next = next,
    };
    return pl_api_write_entry_page(body, &m);
}

pl_err store_page(struct store *st, const struct store_query *q, int64_t now_s, struct pl_wr *body)
{
    struct page p PL_CLEANUP(page_free) = {.text = pl_wr_heap(2 * REGISTRY_PAGE_BYTES)};
    sqlite3_stmt *s = fresh(st, Q_PAGE);
    sqlite3_bind_int64(s, 1, now_s);
    if (q->has_after)
        bind_blob(s, 2, PL_ARR(q->after));
    bind_text(s, 3, q->tee);
    bind_text(s, 4, q->measurement);
    bind_text(s, 5, q->label);
    pl_err e = collect(s, &p);
    sqlite3_reset(s);
    PL_TRY(e);
    PL_TRY(pl_wr_end(&p.text));
    return write_page(&p, body);
}

static pl_err sweep(struct store *st, int64_t now_s, uint64_t *out_listed)
{
    bool row;
    PL_TRY(simple(st, Q_SWEEP_LABELS, now_s));
    PL_TRY(simple(st, Q_SWEEP, now_s));
    PL_TRY(simple(st, Q_FORGET, now_s));
    sqlite3_stmt *s = fresh(st, Q_COUNT);
    sqlite3_bind_int64(s, 1, now_s);
    PL_TRY(step(s, &row));
    *out_listed = (uint64_t)sqlite3_column_int64(s, 0);
    sqlite3_reset(s);
    return PL_OK;
}

pl_err store_sweep(struct store *st, int64_t now_s, uint64_t *out_listed)
{
    *out_listed = 0;
    PL_TRY(simple(st, Q_BEGIN, 0));
    return end(st, sweep(st, now_s, out_listed));
}
