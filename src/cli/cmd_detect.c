/* xoe detect: is a text marked with one of our keys, or with a scheme and key that the user names? Needs the
 * model's tokenizer, not its weights. Exit status 0 whatever the verdict: it is a result, not a failure. */
#include "cli/cli.h"
#include "base/mem.h"
#include "cli/input.h"
#include "cli/scheme_options.h"
#include "cli/verdict.h"
#include "flow/app_detect.h"

#include <stdio.h>
#include <string.h>
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

/* Options that only make sense with --scheme, given without it. */
static int check_use(const cli_command *cmd, const cli_scheme_options *o, const cli_option *rows)
{
    for (unsigned f = 0; f < XOE_NAMED_N_FIELDS && !o->scheme; f++)
        if (f != XOE_NAMED_KEY && o->values[f])
            return cli_misuse(cmd, "--%s goes with --scheme: keys of the keyring know their parameters", rows[1 + f].name);
    return CLI_GO_ON;
}

static int test_of(const cli_command *cmd, const char *name, xoe_mark_test *out)
{
    static const char *const names[] = {[XOE_TEST_SUM] = "sum", [XOE_TEST_GOF] = "gof", [XOE_TEST_BOTH] = "both"};
    for (size_t i = 0; name && i < sizeof names / sizeof names[0]; i++)
        if (!strcmp(names[i], name)) {
            *out = (xoe_mark_test)i;
            return CLI_GO_ON;
        }
    return name ? cli_misuse(cmd, "--test: \"%.20s\" is none of sum, gof, both", name) : CLI_GO_ON;
}

int cmd_detect(const cli_command *cmd, int argc, char **argv)
{
    enum { PLAIN = 4 };
    cli_scheme_options scheme = {0};
    const char *tokenizer = NULL, *test = NULL;
    bool tokens = false, weights = false;
    cli_option own[PLAIN + CLI_SCHEME_OPTIONS] = {
        {"tokens", NULL, "give the score of every token", NULL, &tokens},
        {"weights", NULL, "read the text with the model too and weigh its tokens: finds more, takes longer", NULL, &weights},
        {"test", "NAME", "sum of the scores, gof (goodness of fit) or both [sum]", &test, NULL},
        {"tokenizer", "MODEL", "whose tokens the text is made of: a model's name or a GGUF file", &tokenizer, NULL},
    };
    cli_args a;
    xoe_error e = XOE_ERROR_INIT;
    xoe_buf text = {0};
    xoe_app *app = NULL;
    xoe_named_scheme named = {0};
    cli_scheme_rows(&scheme, own + PLAIN);
    int rc = cli_parse(&a, cmd, own, sizeof own / sizeof *own, argc, argv);
    if (rc != CLI_GO_ON) return rc;
    xoe_text_detect_opts opts = {.fpr = a.config.fpr, .spans = true, .tokens = true, .weights = weights};
    xoe_text_verdict v = {0};
    char model[XOE_MODEL_NAME_MAX];
    if (scheme.scheme && !strcmp(scheme.scheme, "list")) {
        rc = cli_scheme_list(a.json);
        goto out;
    }
    if ((rc = test_of(cmd, test, &opts.test)) != CLI_GO_ON) goto out;
    if ((rc = check_use(cmd, &scheme, own + PLAIN)) != CLI_GO_ON) goto out;
    if (scheme.scheme) {
        bool std_in = !a.n_operands || !strcmp(a.operands[0], "-");
        if ((rc = cli_scheme_read(cmd, &a, &scheme, std_in, &named)) != CLI_GO_ON) goto out;
        opts.scheme = &named;
    } else if (scheme.values[XOE_NAMED_KEY]) {
        opts.key_ids = &scheme.values[XOE_NAMED_KEY];
        opts.n_key_ids = 1;
    }
    if (tokenizer && xoe_config_set(&a.config, "model", tokenizer, "--tokenizer", &e)) {
        rc = cli_fail(&e);
        goto out;
    }
    if ((rc = cli_read_text(cmd, &a, &text)) != CLI_GO_ON) goto out;
    if (xoe_app_open(&app, &a.config, weights ? XOE_APP_CHAT : XOE_APP_TOKENIZER, &e) ||
        xoe_app_detect(app, NULL, text.data, text.len, &opts, &v, model, &e)) {
        rc = cli_fail(&e);
        goto out;
    }
    rc = print(&a, &v, &text, tokens);
    xoe_text_verdict_clear(&v);
out:
    xoe_named_scheme_wipe(&named);
    xoe_app_close(app);
    xoe_buf_free(&text);
    cli_args_free(&a);
    return rc;
}
