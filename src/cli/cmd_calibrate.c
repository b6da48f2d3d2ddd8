/* xoe calibrate: how often the detector is wrong on the owner's own unmarked text. Exit status 1 when more
 * alarms were raised than chance explains: then the text is marked, or something is broken. */
#include "cli/cli.h"
#include "cli/progress.h"
#include "flow/calibrate.h"

#include <stdio.h>
#include <stdlib.h>

static void on_progress(void *ud, unsigned long long n_bytes, unsigned long long n_bytes_in_all)
{
    cli_progress *p = ud;
    p->total = n_bytes_in_all;
    cli_progress_update(p, n_bytes);
}

static void print_text(const xoe_calibration *c)
{
    printf("%zu passages of %zu words from %zu files", c->corpus.n_passages, c->words, c->corpus.n_files);
    if (c->corpus.n_repeated) printf("; %zu repeated ones left out", c->corpus.n_repeated);
    if (c->corpus.n_skipped) printf("; %zu files skipped (not UTF-8, too large or unreadable)", c->corpus.n_skipped);
    if (c->n_too_short) printf("; %zu cannot carry a mark", c->n_too_short);
    printf("\n%zu key%s, vocabulary of %s\n\n", c->n_keys, c->n_keys == 1 ? "" : "s", c->vocabularies);
    printf("  nominal   alarms   observed    95 %% interval\n");
    for (int i = 0; i < XOE_CALIBRATION_LEVELS; i++) {
        const xoe_calibration_level *l = &c->level[i];
        printf("  %-7g %8zu   %-9.2g   %.2g to %.2g\n", l->fpr, l->n_alarms, l->rate, l->low, l->high);
    }
}

static int words_of(const cli_command *cmd, const char *text, size_t *out)
{
    char *end;
    if (!text) return CLI_GO_ON;
    long v = strtol(text, &end, 10);
    if (end == text || *end || v < 20 || v > XOE_CALIBRATE_WORDS_MAX)
        return cli_misuse(cmd, "--words: \"%.20s\" is not a whole number between 20 and %d", text, XOE_CALIBRATE_WORDS_MAX);
    *out = (size_t)v;
    return CLI_GO_ON;
}

static int report(const cli_args *a, const xoe_calibration *c, bool stored)
{
    int rc;
    bool excess = xoe_calibration_excess(c);
    if (a->json) {
        json_t *j = xoe_calibration_json(c);
        json_object_set_new(j, "stored", json_boolean(stored));
        rc = cli_print_json(j);
    } else {
        print_text(c);
        rc = cli_finish_output(CLI_DONE);
    }
    if (excess)
        cli_complain("more alarms than chance explains: the corpus holds text that was marked with these keys, or text copied from it. "
                     "Look for it with `xoe detect`; if there is none, please report it as a fault of the detector");
    return excess ? CLI_FAILED : rc;
}

int cmd_calibrate(const cli_command *cmd, int argc, char **argv)
{
    const char *words = NULL;
    xoe_calibrate_opts o = {0};
    const cli_option own[] = {
        {"corpus", "DIR", "folder with text that is not marked: .txt and .md files, also in folders inside", &o.folder, NULL},
        {"words", "N", "words of a passage [300]", &words, NULL},
        {"key", "ID", "only this key; nothing is stored (default: all keys, as xoe detect does)", &o.key_id, NULL},
    };
    cli_args a;
    cli_progress bar;
    xoe_error e = XOE_ERROR_INIT;
    xoe_app *app = NULL;
    xoe_calibration c;
    int rc = cli_parse(&a, cmd, own, sizeof own / sizeof *own, argc, argv);
    if (rc != CLI_GO_ON) return rc;
    if (!o.folder) {
        rc = cli_misuse(cmd, "calibrate: which text? --corpus DIR");
        goto out;
    }
    if ((rc = words_of(cmd, words, &o.words)) != CLI_GO_ON) goto out;
    cli_progress_start(&bar, "reading", 0, 0, a.quiet);
    o.on_progress = on_progress;
    o.ud = &bar;
    xoe_err err = xoe_app_open(&app, &a.config, XOE_APP_TOKENIZER, &e);
    if (!err) err = xoe_calibrate(app, &o, &c, &e);
    cli_progress_end(&bar);
    if (!err && !o.key_id) err = xoe_calibration_save(&c, app->keyring, a.config.data, &e);
    rc = err ? cli_fail(&e) : report(&a, &c, !o.key_id);
out:
    xoe_app_close(app);
    cli_args_free(&a);
    return rc;
}
