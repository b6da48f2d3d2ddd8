/* xoe mark: rewrite finished text so that the rewrite carries the mark. The rewrite goes to standard
 * output, progress and the report to standard error. As every generation, it leaves an audit row, and
 * the text is only printed once that row is durable (flow/marking.h sees to both). */
#include "cli/cli.h"
#include "cli/input.h"
#include "cli/interrupt.h"
#include "cli/request_id.h"
#include "flow/marking.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

typedef struct progress {
    const cli_args *a;
    size_t source_bytes;
    int n_chunks;
} progress;

/* Called on the rephraser's thread, one chunk after the other. */
static void on_chunk(const xoe_chunk_report *r, const char *text, size_t n, void *ud)
{
    progress *p = ud;
    (void)text;
    (void)n;
    p->n_chunks++;
    if (p->a->quiet || r->outcome == XOE_CHUNK_KEPT_PROTECTED) return; /* those cost nothing */
    fprintf(stderr, "  %3.0f%%  part %d %s%s%s (%.1f s)\n", 100.0 * (double)r->source_end / (double)p->source_bytes,
            p->n_chunks, xoe_chunk_outcome_name(r->outcome), *r->reason ? ": " : "", r->reason, r->ms / 1000);
}

/* A figure in a cell, or "-" where there is none. */
static const char *cell(char out[16], int digits, double x)
{
    if (isnan(x)) return "-";
    snprintf(out, 16, "%.*f", digits, x);
    return out;
}

static void print_report(const xoe_rephrase_result *r)
{
    const char *method = "";
    fprintf(stderr, "\n%4s  %-14s  %-10s %7s  %6s  %6s  %6s  %6s  %6s  %5s  %6s  %s\n", "part", "bytes", "outcome", "meaning", "cosine", "copied", "length",
            "perpl.", "log10p", "tries", "s", "reason");
    for (size_t i = 0; i < r->n_chunks; i++) {
        const xoe_chunk_report *c = &r->chunks[i];
        char range[48], f[5][16];
        bool carries = c->outcome == XOE_CHUNK_REWRITTEN || c->outcome == XOE_CHUNK_FITS;
        snprintf(range, sizeof range, "%zu-%zu", c->source_first, c->source_end);
        fprintf(stderr, "%4zu  %-14s  %-10s %7s  %6s  %6s  %6.2f  %6s  %6s  %5d  %6.1f  %s\n", i + 1, range, xoe_chunk_outcome_name(c->outcome),
                cell(f[0], 2, c->meaning), cell(f[1], 3, c->similarity), cell(f[2], 2, c->copied), c->length_ratio,
                cell(f[3], 2, xoe_chunk_perplexity_change(c)), cell(f[4], 1, carries ? c->log10_p : NAN), c->tries, c->ms / 1000, c->reason);
        if (*c->method) method = c->method;
    }
    if (*method)
        fprintf(stderr, "meaning: log-odds over the threshold, by %s; perpl.: perplexity of the rewrite over that of the source\n", method);
}

static json_t *real_or_null(double x)
{
    return isfinite(x) ? json_real(x) : json_null();
}

static json_t *report_json(const xoe_rephrase_result *r)
{
    json_t *all = json_array();
    for (size_t i = 0; i < r->n_chunks; i++) {
        const xoe_chunk_report *c = &r->chunks[i];
        json_t *j = json_pack("{s:[I,I], s:[I,I], s:s, s:s, s:s, s:f, s:f, s:b, s:i, s:f, s:f}", "source", (json_int_t)c->source_first,
                              (json_int_t)c->source_end, "result", (json_int_t)c->out_first, (json_int_t)c->out_end, "outcome",
                              xoe_chunk_outcome_name(c->outcome), "reason", c->reason, "method", c->method, "length_ratio", c->length_ratio, "log10_p",
                              c->log10_p, "blended", (int)c->blended, "tries", c->tries, "ms", c->ms, "check_ms", c->check_ms);
        json_object_set_new(j, "meaning_score", real_or_null(c->meaning));
        json_object_set_new(j, "similarity", real_or_null(c->similarity));
        json_object_set_new(j, "copied", real_or_null(c->copied));
        json_object_set_new(j, "quality", real_or_null(c->quality));
        json_object_set_new(j, "perplexity_change", real_or_null(xoe_chunk_perplexity_change(c)));
        json_array_append_new(all, j);
    }
    return all;
}

static int print_result(const cli_args *a, const xoe_completion_result *r, const char *warning)
{
    const xoe_choice *c = &r->choices[0];
    if (a->json)
        return cli_print_json(json_pack("{s:s%, s:b, s:s, s:f, s:f, s:s, s:s, s:o, s:i, s:i, s:f}", "text", c->text, c->n,
                                        "is_watermarked", (int)c->is_watermarked, "key_id", r->key_id, "log10_p",
                                        c->log10_p, "confidence", c->confidence, "unmarked_reason",
                                        c->unmarked_reason ? c->unmarked_reason : "", "warning", warning, "chunks",
                                        report_json(&c->rephrase), "prompt_tokens", r->prompt_tokens,
                                        "completion_tokens", r->completion_tokens, "ms", r->total_ms));
    fwrite(c->text, 1, c->n, stdout);
    if (isatty(STDOUT_FILENO) && c->n && c->text[c->n - 1] != '\n') putchar('\n');
    int rc = cli_finish_output(CLI_DONE);
    if (a->quiet) return rc;
    if (c->is_watermarked)
        fprintf(stderr, "marked: p-value 10^%.1f, key %s, %.1f s\n", c->log10_p, r->key_id, r->total_ms / 1000);
    else
        fprintf(stderr, "not marked%s%s\n", c->unmarked_reason && *c->unmarked_reason ? ": " : "",
                c->unmarked_reason ? c->unmarked_reason : "");
    if (*warning) fprintf(stderr, "note: %s\n", warning);
    return rc;
}

static int read_options(const cli_command *cmd, const char *seed, const char *temperature, xoe_marking_request *r)
{
    char *end;
    if (seed) {
        r->has_seed = true;
        r->seed = strtoull(seed, &end, 10);
        if (end == seed || *end || *seed == '-') return cli_misuse(cmd, "--seed: \"%.30s\" is not a whole number", seed);
    }
    if (temperature) {
        r->temperature = strtof(temperature, &end);
        if (end == temperature || *end || !(r->temperature > 0 && r->temperature <= 2))
            return cli_misuse(cmd, "--temperature: \"%.30s\" is not above 0 and at most 2", temperature);
    }
    return CLI_GO_ON;
}

int cmd_mark(const cli_command *cmd, int argc, char **argv)
{
    const char *key = NULL, *seed = NULL, *temperature = NULL;
    bool report = false;
    const cli_option own[] = {
        {"key", "ID", "key to mark with (default: the active one)", &key, NULL},
        {"report", NULL, "a table of the parts on standard error; with --json their perplexity too", NULL, &report},
        {"temperature", "X", "of the paraphraser; higher carries more of the mark [1.0]", &temperature, NULL},
        {"seed", "N", "makes a run repeatable", &seed, NULL},
    };
    cli_args a;
    char id[CLI_REQUEST_ID_MAX];
    xoe_error e = XOE_ERROR_INIT;
    xoe_buf text = {0};
    xoe_app *app = NULL;
    xoe_cancel *cancel = NULL;
    xoe_completion_result res = {.n = 0};
    int rc = cli_parse(&a, cmd, own, sizeof own / sizeof *own, argc, argv);
    if (rc != CLI_GO_ON) return rc;
    progress p = {.a = &a};
    xoe_marking_request req = {.request_id = id, .user = "local", .key_id = key, .on_chunk = on_chunk, .chunk_ud = &p,
                               .priority = XOE_PRIORITY_INTERACTIVE};
    if ((rc = read_options(cmd, seed, temperature, &req)) != CLI_GO_ON ||
        (rc = cli_read_text(cmd, &a, &text)) != CLI_GO_ON)
        goto out;
    rc = CLI_FAILED;
    req.measure = report;
    cli_request_id("mark", id);
    req.text = text.data;
    req.n = p.source_bytes = text.len;
    cancel = xoe_cancel_new();
    if (!cancel || cli_interrupt_open()) {
        cli_complain("no memory to start");
        goto out;
    }
    if (xoe_app_open(&app, &a.config, XOE_APP_PARAPHRASE | XOE_APP_EMBED | XOE_APP_AUDIT, &e)) {
        cli_fail(&e);
        goto out;
    }
    if (!a.quiet) fprintf(stderr, "  every part is tried once before the first is finished\n");
    cli_interrupt_target(cancel);
    xoe_err err = xoe_marking_run(app, &req, cancel, &res, &e);
    cli_interrupt_target(NULL);
    rc = err ? cli_fail(&e) : print_result(&a, &res, xoe_app_paraphraser_warning(app));
    if (!err && report && !a.json) print_report(&res.choices[0].rephrase);
out:
    xoe_completion_result_clear(&res);
    xoe_app_close(app);
    cli_interrupt_close();
    xoe_cancel_free(cancel);
    xoe_buf_free(&text);
    cli_args_free(&a);
    return rc;
}
