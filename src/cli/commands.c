/* The table of subcommands: one row each; `xoe --help`, every `--help` and the dispatch read it. */
#include "cli/cli.h"

#include <string.h>

const cli_command cli_commands[] = {
    {.name = "version",
     .usage = "version",
     .summary = "Print the version of Xoe and of what it stands on.",
     .details = "",
     .config_flags = "",
     .json = true,
     .max_operands = 0,
     .examples = "xoe version\nxoe version --json",
     .run = cmd_version},
    {.name = NULL},
};

const cli_command *cli_command_find(const char *name)
{
    for (const cli_command *c = cli_commands; c->name; c++)
        if (!strcmp(c->name, name)) return c;
    return NULL;
}
