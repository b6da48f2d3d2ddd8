/* What the subcommands share: the table's row, option parsing, messages.
 * Results go to standard output, everything else to standard error; exit status 0 done, 1 failed,
 * 2 wrong use. Thread: the main thread only. */
#ifndef XOE_CLI_CLI_H
#define XOE_CLI_CLI_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include "ops/config.h"
#include "xoe/error.h"

enum { CLI_DONE = 0, CLI_FAILED = 1, CLI_WRONG_USE = 2, CLI_GO_ON = -1 };
enum { CLI_OPERANDS_MAX = 64 };

typedef struct cli_command {
    const char *name;
    const char *usage;        /* after "xoe ": "detect [FILE|-]" */
    const char *summary;      /* one line */
    const char *details;      /* more for --help; lines, "" if none */
    const char *config_flags; /* flags of settings that it takes, blank-separated; "*": all */
    bool json;                /* takes --json */
    int max_operands;
    const char *examples;     /* lines */
    int (*run)(const struct cli_command *cmd, int argc, char **argv); /* argv[0]: first after name */
} cli_command;

/* An option of one subcommand: exactly one of text and flag is set. */
typedef struct cli_option {
    const char *name;  /* "report" for --report */
    const char *value; /* "FILE"; NULL: a switch */
    const char *help;
    const char **text;
    bool *flag;
} cli_option;

typedef struct cli_args {
    xoe_config config; /* finished; freed by cli_args_free */
    bool json, quiet;
    const char *operands[CLI_OPERANDS_MAX]; /* borrowed from argv */
    int n_operands;
} cli_args;

/* Parse options and load the configuration. CLI_GO_ON, or the status to exit with (help was printed, or
 * an error); then nothing needs freeing. */
int cli_parse(cli_args *a, const cli_command *cmd, const cli_option *own, size_t n_own, int argc,
              char **argv);
/* Is --name a setting of the configuration that this subcommand takes? */
bool cli_takes_setting(const cli_command *cmd, const char *name);
void cli_args_free(cli_args *a);

/* "xoe: …" on standard error. cli_fail prints the error and returns CLI_FAILED. */
void cli_complain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
int cli_fail(const xoe_error *e);
/* A wrong use: the message, then where to read more. Returns CLI_WRONG_USE. */
int cli_misuse(const cli_command *cmd, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* One JSON document and a newline on standard output; takes the reference. CLI_DONE or CLI_FAILED. */
int cli_print_json(json_t *j);
/* Flush standard output; a full disk or closed pipe is a failure. */
int cli_finish_output(int status);
bool cli_colours(int fd); /* a terminal that wants colours (NO_COLOR, TERM=dumb are heeded) */
void cli_print_command_help(const cli_command *cmd, const cli_option *own, size_t n_own);

/* The table, in the order of the help; ends with a NULL name. */
extern const cli_command cli_commands[];
const cli_command *cli_command_find(const char *name);

int cmd_serve(const cli_command *cmd, int argc, char **argv);
int cmd_chat(const cli_command *cmd, int argc, char **argv);
int cmd_mark(const cli_command *cmd, int argc, char **argv);
int cmd_detect(const cli_command *cmd, int argc, char **argv);
int cmd_calibrate(const cli_command *cmd, int argc, char **argv);
int cmd_key(const cli_command *cmd, int argc, char **argv);
int cmd_models(const cli_command *cmd, int argc, char **argv);
int cmd_audit(const cli_command *cmd, int argc, char **argv);
int cmd_doctor(const cli_command *cmd, int argc, char **argv);
int cmd_version(const cli_command *cmd, int argc, char **argv);

#endif
