/* The program: picks a subcommand of the table in commands.c. */
#include "base/mem.h"
#include "cli/cli.h"
#include "ops/suggest.h"
#include "xoe/version.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int help(FILE *out)
{
    fprintf(out, "Xoe %s: a private assistant that marks what it writes and finds its marks again.\n\n"
                 "Usage: xoe COMMAND [OPTION…]\n\nCommands\n",
            xoe_version());
    for (const cli_command *c = cli_commands; c->name; c++)
        fprintf(out, "  %-10s %s\n", c->name, c->summary);
    fprintf(out, "\nEvery command takes --data DIR, --config FILE, --quiet and --help (with examples).\n"
                 "Results go to standard output, everything else to standard error.\n"
                 "Exit status: 0 done, 1 failed, 2 wrong use.\n");
    return fflush(out) ? CLI_FAILED : CLI_DONE;
}

static int unknown_command(const char *name)
{
    const char *names[32];
    size_t n = 0;
    for (const cli_command *c = cli_commands; c->name && n < 32; c++)
        names[n++] = c->name;
    const char *near = xoe_suggest(name, names, n);
    if (near)
        cli_complain("unknown command \"%.40s\"; did you mean \"%s\"?", name, near);
    else
        cli_complain("unknown command \"%.40s\"", name);
    fputs("Try: xoe --help\n", stderr);
    return CLI_WRONG_USE;
}

/* Compute threads that wait for each other spin for milliseconds by default, which starves whatever else runs
 * on the machine and then themselves: beside another program SmolLM2 135M fell below 1 token/s; with 1,000
 * rounds it keeps 14, and a machine of our own gives 133 either way. OpenMP reads the variable before main,
 * so the program starts itself anew with it, once. */
static void limit_spinning(char **argv)
{
    if (getenv("GOMP_SPINCOUNT") || getenv("OMP_WAIT_POLICY")) return;
    if (setenv("GOMP_SPINCOUNT", "1000", 1) == 0) execv("/proc/self/exe", argv);
}

int main(int argc, char **argv)
{
    limit_spinning(argv);
    xoe_mem_steady();
    signal(SIGPIPE, SIG_IGN); /* a reader that went away is an error of write, told as such */
    if (argc < 2) {
        help(stderr);
        return CLI_WRONG_USE;
    }
    const char *name = argv[1];
    if (!strcmp(name, "--help") || !strcmp(name, "-h") || (!strcmp(name, "help") && argc == 2))
        return help(stdout);
    if (!strcmp(name, "--version")) name = "version";
    if (!strcmp(name, "help")) { /* xoe help detect */
        const cli_command *c = cli_command_find(argv[2]);
        char *const ask[] = {(char[]){"--help"}, NULL};
        return c ? c->run(c, 1, (char **)ask) : unknown_command(argv[2]);
    }
    const cli_command *c = cli_command_find(name);
    return c ? c->run(c, argc - 2, argv + 2) : unknown_command(name);
}
