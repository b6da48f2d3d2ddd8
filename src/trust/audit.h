/* The audit log: table watermark_audit_log in DATA/audit.db (SQLite, WAL, synchronous=FULL), written
 * by one FIFO thread with group commit, each row hash-chained to the one before.
 * An answer is final only when its row is durable. Thread: safe. docs/formats/audit.md has the bytes. */
#ifndef XOE_TRUST_AUDIT_H
#define XOE_TRUST_AUDIT_H

#include <stdbool.h>
#include <stdint.h>
#include "xoe/error.h"

typedef struct xoe_audit xoe_audit;

typedef struct xoe_audit_row {
    int64_t timestamp_ms;         /* 0: now */
    const char *request_id;       /* unique a generation: "<request>#<choice>" */
    const char *user_id;          /* pseudonym or "anonymous" */
    const char *text_hash;        /* SHA-256, 64 hex digits, of the text as the client got it */
    bool is_watermarked;
    double detection_confidence;  /* fpr/(fpr+p) of our own detector; −1: not measured */
    const char *model_version;
    const char *key_id;           /* "" when unmarked */
} xoe_audit_row;

xoe_err xoe_audit_open(xoe_audit **out, const char *data_dir, xoe_error *e);
void xoe_audit_close(xoe_audit *a); /* flushes */
/* Returns when the row is durable. Errors: XOE_EIO (disk full …: the answer must not be handed out
 * as final), XOE_EINVAL. */
xoe_err xoe_audit_append(xoe_audit *a, const xoe_audit_row *row, xoe_error *e);
xoe_err xoe_audit_count(xoe_audit *a, int64_t *rows, xoe_error *e);
/* Check the whole chain of DATA/audit.db. *bad_id: first bad row, 0 if whole. */
xoe_err xoe_audit_verify(const char *data_dir, int64_t *rows, int64_t *bad_id, xoe_error *e);

#endif
