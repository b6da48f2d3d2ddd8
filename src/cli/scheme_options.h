/* The options of `xoe detect` that name a scheme and its key outside the keyring. */
#ifndef XOE_CLI_SCHEME_OPTIONS_H
#define XOE_CLI_SCHEME_OPTIONS_H

#include "cli/cli.h"
#include "flow/named_scheme.h"

typedef struct cli_scheme_options {
    const char *scheme;                     /* NULL: the keyring */
    const char *values[XOE_NAMED_N_FIELDS]; /* by field; that of the key without a scheme is an id */
} cli_scheme_options;

enum { CLI_SCHEME_OPTIONS = 1 + XOE_NAMED_N_FIELDS };

/* Rows for cli_parse; out: [CLI_SCHEME_OPTIONS]. */
void cli_scheme_rows(cli_scheme_options *o, cli_option *out);
/* Read them, the key also from @FILE (@-: standard input; text_on_stdin: that is taken). CLI_GO_ON, or the
 * exit status after a message. */
int cli_scheme_read(const cli_command *cmd, const cli_args *a, const cli_scheme_options *o, bool text_on_stdin, xoe_named_scheme *out);
/* `--scheme list`. */
int cli_scheme_list(bool json);

#endif
