/* The writer of the audit log.
 *
 * xoe_audit_append puts a row in a bounded queue and waits; the writer thread takes all that wait, writes
 * them in one transaction, commits (synchronous=FULL: the WAL is synced), and wakes them. So one sync
 * serves many rows, and a row that append returned XOE_OK for survives kill -9 and a power cut.
 *
 * Invariants: ids are consecutive from 1; a row's previous_hash is the hash of the row before (64 zeros
 * for the first); the chain's head in memory moves only after a commit, and to rows that other processes have appended only
 * where the last one of ours still stands, so that rows which vanish while we run leave a gap. Thread: the database is the
 * writer's alone; a mutex guards the queue and is not held across SQLite. */
#include "trust/audit.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "trust/audit_row.h"

enum { QUEUE_MAX = 65536, GROUP_MAX = 4096, FIELD_MAX = 512 };

static const char zeros[] = "0000000000000000000000000000000000000000000000000000000000000000";
static const char schema[] =
    "CREATE TABLE IF NOT EXISTS watermark_audit_log ("
    " id INTEGER PRIMARY KEY, timestamp TEXT NOT NULL, timestamp_ms INTEGER NOT NULL, user_id TEXT NOT NULL,"
    " text_hash TEXT NOT NULL, is_watermarked INTEGER NOT NULL, detection_confidence REAL,"
    " confidence_ppb INTEGER NOT NULL, model_version TEXT NOT NULL, key_id TEXT NOT NULL,"
    " request_id TEXT NOT NULL, previous_hash TEXT NOT NULL, hash TEXT NOT NULL);"
    "CREATE INDEX IF NOT EXISTS watermark_audit_text ON watermark_audit_log(text_hash);";

struct entry {
    const xoe_audit_row *row; /* of the thread that waits */
    struct entry *next;
    bool done;
    xoe_err code;
    xoe_error error;
};

struct xoe_audit {
    char *path;
    sqlite3 *db;
    sqlite3_stmt *insert;
    int64_t last_id;
    char last_hash[XOE_SHA256_HEX];
    pthread_t writer;
    bool has_writer;
    pthread_mutex_t lock; /* guards the queue, stop and every entry's done */
    pthread_cond_t work, finished;
    struct entry *head, **tail;
    int n_waiting;
    bool stop;
};

static xoe_err sqlite_error(sqlite3 *db, xoe_error *e, const char *what)
{
    int code = db ? sqlite3_extended_errcode(db) : SQLITE_NOMEM;
    xoe_err rc = xoe_error_set(e, XOE_EIO, "the audit log cannot be %s: %s", what, db ? sqlite3_errmsg(db) : "no memory");
    if (e) {
        e->foreign_code = code;
        e->origin = "sqlite";
    }
    return rc;
}

static xoe_err open_db(sqlite3 **db, const char *path, bool create, xoe_error *e)
{
    int flags = create ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY;
    if (sqlite3_open_v2(path, db, flags | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK) return sqlite_error(*db, e, "opened");
    sqlite3_busy_timeout(*db, 5000);
    return XOE_OK;
}

/* To the end of the chain, from the last row that we know; where that is not what it was, nothing moves. */
static xoe_err follow_head(xoe_audit *a, xoe_error *e)
{
    sqlite3_stmt *q = NULL;
    bool known = a->last_id == 0, first = true;
    if (sqlite3_prepare_v2(a->db, "SELECT id, hash FROM watermark_audit_log WHERE id >= ? ORDER BY id", -1, &q, NULL) != SQLITE_OK)
        return sqlite_error(a->db, e, "read");
    sqlite3_bind_int64(q, 1, a->last_id);
    int code;
    while ((code = sqlite3_step(q)) == SQLITE_ROW) {
        const char *hash = (const char *)sqlite3_column_text(q, 1);
        if (first && !known) known = hash && sqlite3_column_int64(q, 0) == a->last_id && !strcmp(hash, a->last_hash);
        first = false;
        if (!known || !hash) break;
        a->last_id = sqlite3_column_int64(q, 0);
        snprintf(a->last_hash, sizeof a->last_hash, "%s", hash);
    }
    sqlite3_finalize(q);
    if (code != SQLITE_ROW && code != SQLITE_DONE) return sqlite_error(a->db, e, "read");
    if (!known) xoe_log(XOE_LOG_ERROR, "audit", "row %lld of the record is not what was written; see: xoe audit verify", (long long)a->last_id);
    return XOE_OK;
}

static xoe_err read_head(xoe_audit *a, xoe_error *e)
{
    sqlite3_stmt *q = NULL;
    memcpy(a->last_hash, zeros, sizeof zeros);
    if (sqlite3_prepare_v2(a->db, "SELECT id, hash FROM watermark_audit_log ORDER BY id DESC LIMIT 1", -1, &q, NULL) != SQLITE_OK)
        return sqlite_error(a->db, e, "read");
    int code = sqlite3_step(q);
    if (code == SQLITE_ROW) {
        a->last_id = sqlite3_column_int64(q, 0);
        snprintf(a->last_hash, sizeof a->last_hash, "%s", (const char *)sqlite3_column_text(q, 1));
    }
    sqlite3_finalize(q);
    return code == SQLITE_ROW || code == SQLITE_DONE ? XOE_OK : sqlite_error(a->db, e, "read");
}

/* ---- writing ---- */

static int insert_row(xoe_audit *a, const xoe_audit_row *r, int64_t id, char head[XOE_SHA256_HEX])
{
    char when[32], hash[XOE_SHA256_HEX];
    int64_t ms = r->timestamp_ms ? r->timestamp_ms : xoe_clock_wall_ms();
    bool measured = r->detection_confidence >= 0;
    int64_t ppb = measured ? (int64_t)llround(r->detection_confidence * 1e9) : -1000000000;
    xoe_clock_rfc3339(ms, when);
    xoe_audit_row_hash(head, id, ms, r->request_id, r->user_id, r->text_hash, r->is_watermarked, ppb, r->model_version, r->key_id, hash);
    sqlite3_stmt *s = a->insert;
    sqlite3_bind_int64(s, 1, id);
    sqlite3_bind_text(s, 2, when, -1, SQLITE_TRANSIENT);
    sqlite3_bind_int64(s, 3, ms);
    sqlite3_bind_text(s, 4, r->user_id, -1, SQLITE_STATIC);
    sqlite3_bind_text(s, 5, r->text_hash, -1, SQLITE_STATIC);
    sqlite3_bind_int(s, 6, r->is_watermarked);
    if (measured)
        sqlite3_bind_double(s, 7, r->detection_confidence);
    else
        sqlite3_bind_null(s, 7);
    sqlite3_bind_int64(s, 8, ppb);
    sqlite3_bind_text(s, 9, r->model_version, -1, SQLITE_STATIC);
    sqlite3_bind_text(s, 10, r->key_id, -1, SQLITE_STATIC);
    sqlite3_bind_text(s, 11, r->request_id, -1, SQLITE_STATIC);
    sqlite3_bind_text(s, 12, head, -1, SQLITE_TRANSIENT);
    sqlite3_bind_text(s, 13, hash, -1, SQLITE_TRANSIENT);
    int code = sqlite3_step(s);
    sqlite3_reset(s);
    if (code != SQLITE_DONE) return code;
    memcpy(head, hash, sizeof hash);
    return SQLITE_OK;
}

/* All entries of the list, in one transaction. */
static void write_group(xoe_audit *a, struct entry *list)
{
    xoe_error err = XOE_ERROR_INIT;
    xoe_err rc = XOE_OK;
    char head[XOE_SHA256_HEX];
    int64_t id = 0;
    if (sqlite3_exec(a->db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK) {
        rc = sqlite_error(a->db, &err, "written");
    } else {
        rc = follow_head(a, &err);
        id = a->last_id;
        memcpy(head, a->last_hash, sizeof head);
        for (struct entry *en = list; en && rc == XOE_OK; en = en->next)
            if (insert_row(a, en->row, ++id, head) != SQLITE_OK) rc = sqlite_error(a->db, &err, "written");
        if (rc == XOE_OK && sqlite3_exec(a->db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK) rc = sqlite_error(a->db, &err, "written");
        if (rc != XOE_OK) sqlite3_exec(a->db, "ROLLBACK", NULL, NULL, NULL);
    }
    if (rc == XOE_OK) {
        a->last_id = id;
        memcpy(a->last_hash, head, sizeof head);
    } else {
        xoe_log(XOE_LOG_ERROR, "audit", "%s", err.msg);
    }
    pthread_mutex_lock(&a->lock);
    while (list) {
        struct entry *next = list->next; /* an entry is its owner's once it is done */
        list->code = rc;
        list->error = err;
        list->done = true;
        a->n_waiting--;
        list = next;
    }
    pthread_cond_broadcast(&a->finished);
    pthread_mutex_unlock(&a->lock);
}

static void *writer_main(void *arg)
{
    xoe_audit *a = arg;
    pthread_mutex_lock(&a->lock);
    for (;;) {
        while (!a->head && !a->stop)
            pthread_cond_wait(&a->work, &a->lock);
        if (!a->head) break;
        struct entry *list = a->head, *last = list;
        for (int i = 1; i < GROUP_MAX && last->next; i++)
            last = last->next;
        a->head = last->next;
        if (!a->head) a->tail = &a->head;
        last->next = NULL;
        pthread_mutex_unlock(&a->lock);
        write_group(a, list);
        pthread_mutex_lock(&a->lock);
    }
    pthread_mutex_unlock(&a->lock);
    return NULL;
}

/* ---- the interface ---- */

xoe_err xoe_audit_open(xoe_audit **out, const char *data_dir, xoe_error *e)
{
    *out = NULL;
    xoe_err rc = xoe_mkdirs(data_dir, 0700, e);
    if (rc != XOE_OK) return rc;
    xoe_audit *a = xoe_calloc(1, sizeof *a);
    if (!a) return xoe_error_set(e, XOE_ENOMEM, "no memory for the audit log");
    a->tail = &a->head;
    pthread_mutex_init(&a->lock, NULL);
    pthread_cond_init(&a->work, NULL);
    pthread_cond_init(&a->finished, NULL);
    a->path = xoe_path_join(data_dir, "audit.db");
    rc = a->path ? open_db(&a->db, a->path, true, e) : xoe_error_set(e, XOE_ENOMEM, "no memory for the audit log");
    if (rc == XOE_OK && (sqlite3_exec(a->db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;", NULL, NULL, NULL) != SQLITE_OK ||
                         sqlite3_exec(a->db, schema, NULL, NULL, NULL) != SQLITE_OK ||
                         sqlite3_prepare_v3(a->db, "INSERT INTO watermark_audit_log VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)", -1, SQLITE_PREPARE_PERSISTENT, &a->insert, NULL) != SQLITE_OK))
        rc = sqlite_error(a->db, e, "opened");
    if (rc == XOE_OK) rc = read_head(a, e);
    if (rc == XOE_OK) {
        int code = pthread_create(&a->writer, NULL, writer_main, a);
        a->has_writer = code == 0;
        if (code) rc = xoe_error_set(e, XOE_EINTERNAL, "cannot start the audit writer");
    }
    if (rc != XOE_OK) {
        xoe_audit_close(a);
        return rc;
    }
    *out = a;
    return XOE_OK;
}

void xoe_audit_close(xoe_audit *a)
{
    if (!a) return;
    if (a->has_writer) {
        pthread_mutex_lock(&a->lock);
        a->stop = true;
        pthread_cond_signal(&a->work);
        pthread_mutex_unlock(&a->lock);
        pthread_join(a->writer, NULL);
    }
    sqlite3_finalize(a->insert);
    sqlite3_close(a->db);
    pthread_cond_destroy(&a->finished);
    pthread_cond_destroy(&a->work);
    pthread_mutex_destroy(&a->lock);
    xoe_free(a->path);
    xoe_free(a);
}

static bool field_ok(const char *s)
{
    return s && strnlen(s, FIELD_MAX + 1) <= FIELD_MAX;
}

xoe_err xoe_audit_append(xoe_audit *a, const xoe_audit_row *row, xoe_error *e)
{
    struct entry en = {.row = row};
    if (!field_ok(row->request_id) || !field_ok(row->user_id) || !field_ok(row->model_version) || !field_ok(row->key_id) ||
        !field_ok(row->text_hash) || strlen(row->text_hash) != 64 || !(row->detection_confidence <= 1))
        return xoe_error_set(e, XOE_EINVAL, "malformed audit row");
    pthread_mutex_lock(&a->lock);
    if (a->stop || a->n_waiting >= QUEUE_MAX) {
        pthread_mutex_unlock(&a->lock);
        return xoe_error_set(e, XOE_EBUSY, "the audit log's queue is full");
    }
    *a->tail = &en;
    a->tail = &en.next;
    a->n_waiting++;
    pthread_cond_signal(&a->work);
    while (!en.done)
        pthread_cond_wait(&a->finished, &a->lock);
    pthread_mutex_unlock(&a->lock);
    if (en.code != XOE_OK && e) *e = en.error;
    return en.code;
}

xoe_err xoe_audit_count(xoe_audit *a, int64_t *rows, xoe_error *e)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *q = NULL;
    xoe_err rc = open_db(&db, a->path, false, e);
    if (rc == XOE_OK && (sqlite3_prepare_v2(db, "SELECT count(*) FROM watermark_audit_log", -1, &q, NULL) != SQLITE_OK || sqlite3_step(q) != SQLITE_ROW))
        rc = sqlite_error(db, e, "read");
    if (rc == XOE_OK) *rows = sqlite3_column_int64(q, 0);
    sqlite3_finalize(q);
    sqlite3_close(db);
    return rc;
}

static const char *text_at(sqlite3_stmt *q, int column)
{
    const char *s = (const char *)sqlite3_column_text(q, column);
    return s ? s : "";
}

xoe_err xoe_audit_verify(const char *data_dir, int64_t *rows, int64_t *bad_id, xoe_error *e)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *q = NULL;
    char head[XOE_SHA256_HEX], want[XOE_SHA256_HEX];
    int code = SQLITE_DONE;
    char *path = xoe_path_join(data_dir, "audit.db");
    *rows = *bad_id = 0;
    memcpy(head, zeros, sizeof zeros);
    xoe_err rc = path ? XOE_OK : xoe_error_set(e, XOE_ENOMEM, "no memory");
    if (rc == XOE_OK && access(path, F_OK) && errno == ENOENT)
        rc = xoe_error_set(e, XOE_ENOTFOUND, "there is no record %s: nothing was answered from this data folder yet, or the file was removed", path);
    if (rc == XOE_OK) rc = open_db(&db, path, false, e);
    if (rc == XOE_OK && sqlite3_prepare_v2(db,
                                           "SELECT id, timestamp_ms, request_id, user_id, text_hash, is_watermarked, confidence_ppb, model_version,"
                                           " key_id, previous_hash, hash, timestamp, detection_confidence FROM watermark_audit_log ORDER BY id",
                                           -1, &q, NULL) != SQLITE_OK)
        rc = sqlite_error(db, e, "read");
    while (rc == XOE_OK && (code = sqlite3_step(q)) == SQLITE_ROW && !*bad_id) {
        char when[32];
        int64_t id = sqlite3_column_int64(q, 0), ms = sqlite3_column_int64(q, 1), ppb = sqlite3_column_int64(q, 6);
        xoe_audit_row_hash(head, id, ms, text_at(q, 2), text_at(q, 3), text_at(q, 4), sqlite3_column_int(q, 5), ppb, text_at(q, 7), text_at(q, 8), want);
        xoe_clock_rfc3339(ms, when);
        bool null = sqlite3_column_type(q, 12) == SQLITE_NULL;
        bool whole = id == *rows + 1 && !strcmp(text_at(q, 9), head) && !strcmp(text_at(q, 10), want) && !strcmp(text_at(q, 11), when) &&
                     (null ? ppb == -1000000000 : llround(sqlite3_column_double(q, 12) * 1e9) == ppb);
        if (!whole) *bad_id = *rows + 1;
        ++*rows;
        memcpy(head, want, sizeof head);
    }
    if (rc == XOE_OK && !*bad_id && code != SQLITE_DONE) rc = sqlite_error(db, e, "read");
    sqlite3_finalize(q);
    sqlite3_close(db);
    xoe_free(path);
    return rc;
}
