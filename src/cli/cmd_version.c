/* xoe version: the program's and its parts' versions. */
#include "cli/cli.h"
#include "cli/versions.h"
#include "xoe/version.h"

#include <stdio.h>

int cmd_version(const cli_command *cmd, int argc, char **argv)
{
    cli_args a;
    size_t n;
    int rc = cli_parse(&a, cmd, NULL, 0, argc, argv);
    if (rc != CLI_GO_ON) return rc;
    const cli_part *parts = cli_parts(&n);
    if (a.json) {
        json_t *list = json_array();
        for (size_t i = 0; i < n; i++)
            json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "name", parts[i].name, "version",
                                                  parts[i].version, "licence", parts[i].licence));
        rc = cli_print_json(json_pack("{s:s, s:s, s:o}", "version", xoe_version(), "licence", "Apache-2.0",
                                      "parts", list));
    } else {
        printf("xoe %s\n", xoe_version());
        for (size_t i = 0; i < n; i++)
            printf("  %-14s %-12s %s\n", parts[i].name, parts[i].version, parts[i].licence);
        rc = cli_finish_output(CLI_DONE);
    }
    cli_args_free(&a);
    return rc;
}
