/* Jobs of post-hoc marking that a client fetches later: a bounded queue, one worker, results kept for
 * an hour. Thread: safe. */
#ifndef XOE_SERVE_MARK_JOBS_H
#define XOE_SERVE_MARK_JOBS_H

#include <jansson.h>
#include "flow/marking.h"

typedef struct xoe_mark_jobs xoe_mark_jobs;

enum { XOE_MARK_JOB_ID_MAX = 64, XOE_MARK_JOBS_MAX = 256, XOE_MARK_JOBS_KEEP_S = 3600 };

xoe_err xoe_mark_jobs_open(xoe_mark_jobs **out, xoe_app *app, xoe_error *e);
/* Cancels what runs; takes NULL. */
void xoe_mark_jobs_close(xoe_mark_jobs *j);
/* Everything is copied; req->request_id is ignored: the job's id is the request's.
 * Errors: XOE_EBUSY (too many unfinished jobs), XOE_ENOMEM. */
xoe_err xoe_mark_jobs_submit(xoe_mark_jobs *j, const xoe_marking_request *req, char id[XOE_MARK_JOB_ID_MAX],
                             xoe_error *e);
/* {"id","object":"watermark.job","status":"queued"|"running"|"done"|"failed", "result"?, "error"?}.
 * user: who asks; a job is shown to the one who made it only. Errors: XOE_ENOTFOUND. */
xoe_err xoe_mark_jobs_get(xoe_mark_jobs *j, const char *id, const char *user, json_t **out, xoe_error *e);

#endif
