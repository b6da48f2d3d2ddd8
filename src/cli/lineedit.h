/* One line from the person at the terminal, with editing and history where the build has libedit. */
#ifndef XOE_CLI_LINEEDIT_H
#define XOE_CLI_LINEEDIT_H

#include "xoe/error.h"

/* Load the history of DATA/chat_history; it is kept with mode 0600. */
void cli_history_open(const char *data_dir);
void cli_history_close(void); /* saves */
/* NULL: end of input. Freed with free(). */
char *cli_read_line(const char *prompt);

#endif
