/* Options that name a scheme. A key on the command line can be seen by other users of the machine while the
 * program runs, so a key may come from a file or a pipe, and a literal one gets a warning. */
#include "cli/scheme_options.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"

enum { KEY_FILE_MAX = 64 << 10, OPTION_NAME_MAX = 32 };

static const struct {
    const char *value, *help;
} fields[XOE_NAMED_N_FIELDS] = {
#define ROW(id, name, value, help) {value, "with --scheme: " help},
    XOE_NAMED_FIELDS(ROW)
#undef ROW
};

/* key_b is --key-b. */
static const char *option_name(xoe_named_field f)
{
    static char names[XOE_NAMED_N_FIELDS][OPTION_NAME_MAX];
    snprintf(names[f], OPTION_NAME_MAX, "%s", xoe_named_field_name(f));
    for (char *p = names[f]; *p; p++)
        if (*p == '_') *p = '-';
    return names[f];
}

void cli_scheme_rows(cli_scheme_options *o, cli_option *out)
{
    *out++ = (cli_option){"scheme", "NAME", "look for this scheme with --key instead of the keyring; list: show them all", &o->scheme, NULL};
    for (unsigned f = 0; f < XOE_NAMED_N_FIELDS; f++)
        *out++ = (cli_option){option_name((xoe_named_field)f), fields[f].value, fields[f].help, &o->values[f], NULL};
    out[-XOE_NAMED_N_FIELDS + XOE_NAMED_KEY] = (cli_option){
        "key", "ID|KEY", "look for this key of the keyring only; with --scheme: the key itself (64 hex digits for ours, a\n"
        "                               number for others, a list of numbers for hf-synthid), or @FILE that holds it",
        &o->values[XOE_NAMED_KEY], NULL};
}

/* The text of a key: as given, or read from @FILE into buf. */
static int key_text(const cli_command *cmd, const cli_args *a, const char *given, bool text_on_stdin, xoe_buf *buf, const char **out)
{
    xoe_error e = XOE_ERROR_INIT;
    *out = given;
    if (*given != '@') {
        if (!a->quiet)
            cli_complain("note: other users of this machine can see a key on the command line; --key @FILE keeps it to yourself");
        return CLI_GO_ON;
    }
    if (!strcmp(given, "@-") && text_on_stdin)
        return cli_misuse(cmd, "--key @-: standard input holds the text already; give the text as a file");
    if (xoe_file_read(given + 1, buf, &e)) return cli_fail(&e);
    while (buf->len && strchr(" \t\r\n", buf->data[buf->len - 1]))
        buf->data[--buf->len] = 0;
    const char *p = xoe_buf_cstr(buf);
    if (strlen(p) != buf->len || !buf->len) {
        cli_complain("%s holds no key", given + 1);
        return CLI_FAILED;
    }
    *out = p + strspn(p, " \t\r\n");
    return CLI_GO_ON;
}

static int set(const cli_command *cmd, xoe_named_scheme *s, xoe_named_field f, const char *text)
{
    xoe_error e = XOE_ERROR_INIT;
    return xoe_named_scheme_set(s, f, text, &e) ? cli_misuse(cmd, "--%s: %s", option_name(f), e.msg) : CLI_GO_ON;
}

int cli_scheme_read(const cli_command *cmd, const cli_args *a, const cli_scheme_options *o, bool text_on_stdin, xoe_named_scheme *out)
{
    xoe_error e = XOE_ERROR_INIT;
    int rc = CLI_GO_ON;
    if (xoe_named_scheme_start(out, o->scheme, &e)) return cli_misuse(cmd, "--scheme: %s", e.msg);
    for (unsigned i = 0; i < XOE_NAMED_N_FIELDS && rc == CLI_GO_ON; i++) {
        xoe_named_field f = (xoe_named_field)i;
        const char *text = o->values[f];
        xoe_buf buf;
        if (!text) continue;
        xoe_buf_init(&buf, KEY_FILE_MAX);
        if (f == XOE_NAMED_KEY || f == XOE_NAMED_KEY_B) rc = key_text(cmd, a, text, text_on_stdin, &buf, &text);
        if (rc == CLI_GO_ON) rc = set(cmd, out, f, text);
        if (buf.data) xoe_zero(buf.data, buf.len);
        xoe_buf_free(&buf);
    }
    if (rc == CLI_GO_ON && !out->has_key) rc = cli_misuse(cmd, "--scheme %s needs its key: --key KEY or --key @FILE", o->scheme);
    if (rc != CLI_GO_ON) xoe_named_scheme_wipe(out);
    return rc;
}

int cli_scheme_list(bool json)
{
    const char *name;
    json_t *all = json_array();
    for (size_t i = 0; (name = xoe_named_scheme_at(i)); i++) {
        const char *origin = xoe_named_scheme_origin(name);
        if (json)
            json_array_append_new(all, json_pack("{s:s, s:s}", "scheme", name, "program", *origin ? origin : "Xoe"));
        else
            printf("%-28s %s\n", name, *origin ? origin : "Xoe");
    }
    if (json) return cli_print_json(json_pack("{s:o}", "schemes", all));
    json_decref(all);
    return cli_finish_output(CLI_DONE);
}
