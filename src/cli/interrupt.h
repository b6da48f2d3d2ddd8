/* Ctrl-C stops the answer that is being written, not the program. */
#ifndef XOE_CLI_INTERRUPT_H
#define XOE_CLI_INTERRUPT_H

#include "flow/completion.h"

/* Call before any thread is started: SIGINT is blocked and given to a watcher thread. 0, or −1. */
int cli_interrupt_open(void);
void cli_interrupt_close(void);
/* The answer that Ctrl-C stops; NULL: none, then Ctrl-C ends the program … */
void cli_interrupt_target(xoe_cancel *cancel);
/* … or, from this call on, prints a hint how to leave. */
void cli_interrupt_keep(void);

#endif
