/* An answer written piece by piece, each piece drafted several times: the draft that gains most under the key stays
 * (watermax, Giboulot & Furon 2024, 2403.04808). Looks like a job of the engine to its owner. */
#ifndef XOE_FLOW_DRAFTS_H
#define XOE_FLOW_DRAFTS_H

#include "xoe/engine.h"

enum { XOE_DRAFTS_MAX = 16, XOE_DRAFT_PIECE_MAX = 256 };

typedef struct xoe_drafts xoe_drafts;

/* Start writing. r: as for xoe_engine_generate, with a mark; what its sampling points to is borrowed until close.
 * Events come on a thread of the drafts, DONE exactly once and last; n_predicted counts what was kept. n_drafts: 2 to
 * XOE_DRAFTS_MAX; piece: tokens, 1 to XOE_DRAFT_PIECE_MAX.
 * Errors: as xoe_engine_generate's and xoe_marker_open's; XOE_EINVAL, XOE_ENOMEM, XOE_EUNAVAILABLE (no thread). */
xoe_err xoe_drafts_start(xoe_drafts **out, xoe_engine *en, const xoe_gen_request *r, int n_drafts, int piece, xoe_error *e);
/* Ask to stop; never waits. Thread: any, before close. */
void xoe_drafts_cancel(xoe_drafts *d);
/* Wait until DONE was delivered, then free. Takes NULL. Not from a callback. */
void xoe_drafts_close(xoe_drafts *d);

#endif
