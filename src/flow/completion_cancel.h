/* Inside of xoe_cancel (flow/completion.h): the jobs that a fired flag must stop. */
#ifndef XOE_FLOW_COMPLETION_CANCEL_H
#define XOE_FLOW_COMPLETION_CANCEL_H

#include <stdbool.h>
#include "flow/completion.h"

/* From now until it is dropped, firing c cancels the job; at once if it was fired before. */
void xoe_cancel_watch(xoe_cancel *c, xoe_job *job);
/* Before the job is closed. */
void xoe_cancel_drop(xoe_cancel *c, xoe_job *job);
bool xoe_cancel_fired(xoe_cancel *c);

#endif
