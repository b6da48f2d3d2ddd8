/* xoe detect: is a text marked with one of our keys? Needs the model's tokenizer, not its weights.
 * Exit status 0 whatever the verdict: it is a result, not a failure. */
#include "cli/cli.h"
#include "base/mem.h"
#include "cli/input.h"
#include "cli/verdict.h"
#include "flow/app_detect.h"

#include <stdio.h>
#include <unistd.h>

static int print(const cli_args *a, const xoe_text_verdict *v, const xoe_buf *text, bool with_tokens)
{
    if (a->json) {
        char *json = xoe_text_verdict_json(v, with_tokens);
        if (!json) {
            cli_complain("out of memory");
            return CLI_FAILED;
        }
        puts(json);
        xoe_free(json);
        return cli_finish_output(CLI_DONE);
    }
    bool colours = cli_colours(STDOUT_FILENO);
    cli_print_verdict(stdout, v, a->config.fpr, colours);
    if (with_tokens || (!a->quiet && (colours || v->v.n_spans))) {
        putchar('\n');
        cli_print_heat(stdout, v, text->data, text->len, colours);
    }
    return cli_finish_output(CLI_DONE);
}

int cmd_detect(const cli_command *cmd, int argc, char **argv)
{
    const char *key = NULL;
    bool tokens = false;
    const cli_option own[] = {
        {"key", "ID", "look for this key only (default: all keys, retired ones too)", &key, NULL},
        {"tokens", NULL, "give the score of every token", NULL, &tokens},
    };
    cli_args a;
    xoe_error e = XOE_ERROR_INIT;
    xoe_buf text = {0};
    xoe_app *app = NULL;
    int rc = cli_parse(&a, cmd, own, sizeof own / sizeof *own, argc, argv);
    if (rc != CLI_GO_ON) return rc;
    xoe_text_detect_opts opts = {.fpr = a.config.fpr, .spans = true, .tokens = true};
    if (key) {
        opts.key_ids = &key;
        opts.n_key_ids = 1;
    }
    xoe_text_verdict v = {0};
    char model[XOE_MODEL_NAME_MAX];
    if ((rc = cli_read_text(cmd, &a, &text)) != CLI_GO_ON) goto out;
    if (xoe_app_open(&app, &a.config, XOE_APP_TOKENIZER, &e) ||
        xoe_app_detect(app, NULL, text.data, text.len, &opts, &v, model, &e)) {
        rc = cli_fail(&e);
        goto out;
    }
    rc = print(&a, &v, &text, tokens);
    xoe_text_verdict_clear(&v);
out:
    xoe_app_close(app);
    xoe_buf_free(&text);
    cli_args_free(&a);
    return rc;
}
