/* Reading the text of a subcommand with the same limit as a request's body. */
#include "cli/input.h"
#include "base/file.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

int cli_read_text(const cli_command *cmd, const cli_args *a, xoe_buf *out)
{
    xoe_error e = XOE_ERROR_INIT;
    const char *file = a->n_operands ? a->operands[0] : "-";
    bool std_in = !strcmp(file, "-");
    xoe_buf_init(out, (size_t)a->config.max_body_bytes);
    if (std_in && isatty(STDIN_FILENO) && !a->quiet)
        fprintf(stderr, "Type or paste the text, then Ctrl-D on a line of its own (xoe %s --help for more).\n", cmd->name);
    if (xoe_file_read(file, out, &e)) return cli_fail(&e);
    size_t ok = xoe_utf8_valid_prefix(xoe_buf_cstr(out), out->len, NULL);
    if (ok != out->len) {
        cli_complain("%s is not UTF-8 text (byte %zu)", std_in ? "standard input" : file, ok);
        return CLI_FAILED;
    }
    if (!out->len || strspn(out->data, " \t\r\n") == out->len) {
        cli_complain("%s holds no text", std_in ? "standard input" : file);
        return CLI_FAILED;
    }
    return CLI_GO_ON;
}
