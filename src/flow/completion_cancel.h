/* Inside of xoe_cancel (flow/completion.h): the writing that a fired flag must stop. */
#ifndef XOE_FLOW_COMPLETION_CANCEL_H
#define XOE_FLOW_COMPLETION_CANCEL_H

#include <stdbool.h>
#include "flow/completion.h"
#include "flow/writing.h"

/* From now until it is dropped, firing c cancels it; at once if it was fired before. */
void xoe_cancel_watch(xoe_cancel *c, xoe_writing *w);
/* Before it is closed. */
void xoe_cancel_drop(xoe_cancel *c, xoe_writing *w);
bool xoe_cancel_fired(xoe_cancel *c);

#endif
