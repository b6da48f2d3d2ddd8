/* The text that `xoe mark` and `xoe detect` work on. */
#ifndef XOE_CLI_INPUT_H
#define XOE_CLI_INPUT_H

#include "base/buf.h"
#include "cli/cli.h"

/* The file that the first operand names; "-" or none: standard input. CLI_GO_ON, or the exit status. The
 * text is valid UTF-8 and holds more than blanks. */
int cli_read_text(const cli_command *cmd, const cli_args *a, xoe_buf *out);

#endif
