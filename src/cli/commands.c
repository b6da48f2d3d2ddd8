/* The table of subcommands: one row each; `xoe --help`, every `--help` and the dispatch read it. */
#include "cli/cli.h"

#include <string.h>

const cli_command cli_commands[] = {
    {.name = "models",
     .usage = "models list|pull|verify|requantize [NAME…]",
     .summary = "List, get, check and convert model files.",
     .details = "pull without a name gets the defaults for this machine. A download goes on where it stopped, and a\n"
                "file with a wrong sha256 is refused. The sources of a model are tried in order; the one that had it is told.",
     .config_flags = "models-dir",
     .json = true,
     .max_operands = CLI_OPERANDS_MAX,
     .examples = "xoe models list\n"
                 "xoe models pull\n"
                 "xoe models pull qwen2.5-coder-1.5b-instruct\n"
                 "xoe models verify\n"
                 "xoe models requantize smollm2-135m-instruct --type q8_0",
     .run = cmd_models},
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
