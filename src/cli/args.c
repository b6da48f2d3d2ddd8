/* Options of the subcommands: those that all share (--data, --config, --json, --quiet, --help), settings
 * of the configuration as flags, and a subcommand's own.
 *
 * Why not getopt: settings come from a table, unknown options get a suggestion, and the place of the
 * configuration file (--config, --data) must be known before the other flags are applied on top of it.
 * So argv is read twice by one walker. */
#include "cli/cli.h"
#include "base/log.h"
#include "base/mem.h"
#include "ops/suggest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NAMES_MAX = 96, NAME_LEN = 64 };

bool cli_takes_setting(const cli_command *cmd, const char *name)
{
    size_t n = strlen(name);
    if (!xoe_config_is_flag(name, NULL)) return false;
    if (!strcmp(name, "data") || !strcmp(cmd->config_flags, "*")) return true;
    for (const char *p = cmd->config_flags; (p = strstr(p, name)); p += n)
        if ((p == cmd->config_flags || p[-1] == ' ') && (p[n] == ' ' || !p[n])) return true;
    return false;
}

static const char *suggestion(const cli_command *cmd, const cli_option *own, size_t n_own, const char *name)
{
    static const char *const shared[] = {"data", "config", "quiet", "help"};
    static char settings[NAMES_MAX][NAME_LEN]; /* the answer points into it */
    const char *names[NAMES_MAX];
    size_t n = 0;
    for (size_t i = 0; i < sizeof shared / sizeof *shared; i++)
        names[n++] = shared[i];
    if (cmd->json) names[n++] = "json";
    for (size_t i = 0; i < n_own && n < NAMES_MAX; i++)
        names[n++] = own[i].name;
    for (size_t i = 0; n < NAMES_MAX && i < NAMES_MAX && xoe_config_flag_at(i, settings[i]); i++)
        if (cli_takes_setting(cmd, settings[i])) names[n++] = settings[i];
    return xoe_suggest(name, names, n);
}

static int unknown_option(const cli_command *cmd, const cli_option *own, size_t n_own, const char *name)
{
    const char *near = suggestion(cmd, own, n_own, name);
    if (near) return cli_misuse(cmd, "unknown option --%s; did you mean --%s?", name, near);
    return cli_misuse(cmd, "unknown option --%s", name);
}

typedef struct found {
    const char *config_file, *data;
} found;

typedef struct walk {
    cli_args *a;
    const cli_command *cmd;
    const cli_option *own;
    size_t n_own;
    found *look; /* first reading: only looks for --config, --data and --help */
    bool help;
} walk;

static const cli_option *own_option(const walk *w, const char *name)
{
    for (size_t i = 0; i < w->n_own; i++)
        if (!strcmp(w->own[i].name, name)) return &w->own[i];
    return NULL;
}

static int set_setting(walk *w, const char *name, const char *value)
{
    xoe_error e = XOE_ERROR_INIT;
    char place[80];
    if (w->look) {
        if (!strcmp(name, "data")) w->look->data = value;
        return CLI_GO_ON;
    }
    snprintf(place, sizeof place, "flag --%.64s", name);
    if (xoe_config_set(&w->a->config, name, value, place, &e)) return cli_misuse(w->cmd, "%s", e.msg);
    return CLI_GO_ON;
}

/* One option; *next is the argument after it, taken when *used is set. */
static int one_option(walk *w, const char *arg, const char *next, bool *used)
{
    char name[NAME_LEN];
    const char *eq = strchr(arg, '=');
    size_t n = eq ? (size_t)(eq - arg) : strlen(arg);
    if (n >= sizeof name) return cli_misuse(w->cmd, "unknown option --%.60s…", arg);
    memcpy(name, arg, n);
    name[n] = 0;

    const cli_option *o = own_option(w, name);
    bool setting = !o && cli_takes_setting(w->cmd, name), takes_value = false;
    if (o)
        takes_value = o->value != NULL;
    else if (setting)
        xoe_config_is_flag(name, &takes_value);
    else if (!strcmp(name, "config"))
        takes_value = true;

    const char *value = eq ? eq + 1 : NULL;
    if (takes_value && !value) {
        if (!next) return cli_misuse(w->cmd, "--%s needs a value", name);
        value = next;
        *used = true;
    }
    if (setting) return set_setting(w, name, value ? value : "true");
    if (eq && !takes_value) return cli_misuse(w->cmd, "--%s takes no value", name);
    if (o) {
        if (o->text)
            *o->text = value;
        else
            *o->flag = true;
    } else if (!strcmp(name, "config")) {
        if (w->look) w->look->config_file = value;
    } else if (!strcmp(name, "help")) {
        w->help = true;
    } else if (!strcmp(name, "quiet")) {
        w->a->quiet = true;
    } else if (!strcmp(name, "json") && w->cmd->json) {
        w->a->json = true;
    } else {
        return unknown_option(w->cmd, w->own, w->n_own, name);
    }
    return CLI_GO_ON;
}

static int read_all(walk *w, int argc, char **argv)
{
    bool only_operands = false;
    w->a->n_operands = 0;
    for (int i = 0; i < argc; i++) {
        const char *s = argv[i];
        if (!only_operands && !strcmp(s, "--")) {
            only_operands = true;
        } else if (!only_operands && (!strcmp(s, "-h") || !strcmp(s, "-q"))) {
            if (s[1] == 'h') w->help = true;
            if (s[1] == 'q') w->a->quiet = true;
        } else if (!only_operands && !strncmp(s, "--", 2)) {
            bool used = false;
            int rc = one_option(w, s + 2, i + 1 < argc ? argv[i + 1] : NULL, &used);
            if (rc != CLI_GO_ON) return rc;
            i += used;
        } else if (!only_operands && s[0] == '-' && s[1]) {
            return cli_misuse(w->cmd, "unknown option %s", s);
        } else if (w->a->n_operands >= w->cmd->max_operands || w->a->n_operands >= CLI_OPERANDS_MAX) {
            return cli_misuse(w->cmd, "unexpected \"%.60s\"", s);
        } else {
            w->a->operands[w->a->n_operands++] = s;
        }
    }
    return CLI_GO_ON;
}

/* The configuration below the flags: --config, else XOE_CONFIG, else config.json of the data folder. */
static xoe_err load_config(cli_args *a, const found *look, xoe_error *e)
{
    char path[4096];
    const char *file = look->config_file;
    if (!file) {
        file = getenv("XOE_CONFIG");
        if (file && !*file) file = NULL;
    }
    if (!file && look->data) {
        snprintf(path, sizeof path, "%s/config.json", look->data);
        /* a folder named by a flag has no say in what the default folder's file holds */
        file = access(path, F_OK) == 0 ? path : "/dev/null";
    }
    return xoe_config_load(&a->config, file, e);
}

int cli_parse(cli_args *a, const cli_command *cmd, const cli_option *own, size_t n_own, int argc,
              char **argv)
{
    xoe_error e = XOE_ERROR_INIT;
    found look = {NULL, NULL};
    memset(a, 0, sizeof *a);
    walk w = {.a = a, .cmd = cmd, .own = own, .n_own = n_own, .look = &look};
    int rc = read_all(&w, argc, argv);
    if (w.help) {
        cli_print_command_help(cmd, own, n_own);
        return cli_finish_output(CLI_DONE);
    }
    if (rc != CLI_GO_ON) return rc;
    if (load_config(a, &look, &e)) return cli_fail(&e);
    w.look = NULL;
    rc = read_all(&w, argc, argv);
    /* only who listens may be refused for the address: `xoe detect` works beside a public server whose
       key is in the environment of its service */
    if (rc == CLI_GO_ON && strcmp(cmd->config_flags, "*") != 0 &&
        xoe_config_set(&a->config, "host", "127.0.0.1", "", &e))
        rc = cli_fail(&e);
    if (rc == CLI_GO_ON && xoe_config_finish(&a->config, &e)) rc = cli_fail(&e);
    if (rc != CLI_GO_ON) {
        xoe_config_free(&a->config);
        return rc;
    }
    xoe_log_level level = XOE_LOG_INFO;
    xoe_log_level_parse(a->config.log_level, &level);
    bool serves = !strcmp(cmd->config_flags, "*"); /* elsewhere routine notes only stand in the way */
    if ((a->quiet || !serves) && level == XOE_LOG_INFO) level = XOE_LOG_WARN;
    xoe_log_set_level(level);
    return CLI_GO_ON;
}

void cli_args_free(cli_args *a)
{
    xoe_config_free(&a->config);
}
