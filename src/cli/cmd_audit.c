/* xoe audit verify: is the record whole? Exit status 1 when it is not. */
#include "cli/cli.h"
#include "trust/audit.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

int cmd_audit(const cli_command *cmd, int argc, char **argv)
{
    cli_args a;
    xoe_error e = XOE_ERROR_INIT;
    int64_t rows = 0, bad = 0;
    int rc = cli_parse(&a, cmd, NULL, 0, argc, argv);
    if (rc != CLI_GO_ON) return rc;
    if (!a.n_operands || strcmp(a.operands[0], "verify") != 0) {
        rc = cli_misuse(cmd, "audit: say what to do: verify");
        goto out;
    }
    if (xoe_audit_verify(a.config.data, &rows, &bad, &e)) {
        rc = cli_fail(&e);
        goto out;
    }
    rc = CLI_DONE;
    if (a.json)
        rc = cli_print_json(json_pack("{s:b, s:I, s:o}", "whole", bad == 0, "rows", (json_int_t)rows,
                                      "first_bad_id", bad ? json_integer(bad) : json_null()));
    else if (bad)
        printf("BROKEN at row %" PRId64 ": it, or one before it, was changed, removed or moved\n", bad);
    else
        printf("whole: %" PRId64 " rows\n", rows);
    if (bad) rc = CLI_FAILED;
    rc = cli_finish_output(rc);
out:
    cli_args_free(&a);
    return rc;
}
