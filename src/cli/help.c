/* Messages and help of the subcommands, all made from the table of commands. */
#include "cli/cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void complain(const char *fmt, va_list ap)
{
    fputs("xoe: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
}

void cli_complain(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    complain(fmt, ap);
    va_end(ap);
}

int cli_fail(const xoe_error *e)
{
    cli_complain("%s", e->msg[0] ? e->msg : xoe_err_text(e->code));
    return CLI_FAILED;
}

int cli_misuse(const cli_command *cmd, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    complain(fmt, ap);
    va_end(ap);
    fprintf(stderr, "Try: xoe %s --help\n", cmd->name);
    return CLI_WRONG_USE;
}

int cli_finish_output(int status)
{
    if (fflush(stdout) == 0 && !ferror(stdout)) return status;
    if (errno != EPIPE) cli_complain("cannot write to standard output: %s", strerror(errno));
    return CLI_FAILED;
}

int cli_print_json(json_t *j)
{
    int bad = !j || json_dumpf(j, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(15));
    json_decref(j);
    fputc('\n', stdout);
    if (bad) {
        cli_complain("cannot print the JSON result");
        return CLI_FAILED;
    }
    return cli_finish_output(CLI_DONE);
}

bool cli_colours(int fd)
{
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
    return isatty(fd) && !(no && *no) && term && *term && strcmp(term, "dumb") != 0;
}

static void option_line(const char *name, const char *value, const char *help)
{
    char left[96];
    snprintf(left, sizeof left, "--%s %s", name, value ? value : "");
    printf("  %-28s %s\n", left, help);
}

static void indented(const char *lines)
{
    for (const char *p = lines; *p;) {
        size_t n = strcspn(p, "\n");
        printf("  %.*s\n", (int)n, p);
        p += n + (p[n] == '\n');
    }
}

void cli_print_command_help(const cli_command *cmd, const cli_option *own, size_t n_own)
{
    char name[64];
    printf("Usage: xoe %s [OPTION…]\n\n%s\n", cmd->usage, cmd->summary);
    if (*cmd->details) printf("\n%s\n", cmd->details);
    printf("\nOptions\n");
    for (size_t i = 0; i < n_own; i++)
        option_line(own[i].name, own[i].value, own[i].help);
    for (size_t i = 0; xoe_config_flag_at(i, name); i++)
        if (cli_takes_setting(cmd, name)) xoe_config_print_flag_help(stdout, i);
    option_line("config", "FILE", "configuration file (default: config.json in the data folder)");
    if (cmd->json) option_line("json", NULL, "print the result as JSON");
    option_line("quiet", NULL, "no progress and notes on standard error");
    option_line("help", NULL, "this text");
    printf("\nExamples\n");
    indented(cmd->examples);
}
