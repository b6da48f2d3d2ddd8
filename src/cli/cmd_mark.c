/* xoe mark: rewrite finished text so that the rewrite carries the mark. The rewrite goes to standard
 * output, progress and the report to standard error. As every generation, it leaves an audit row, and
 * the text is only printed once that row is durable. */
#include "cli/cli.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/text.h"
#include "cli/input.h"
#include "cli/verdict.h"
#include "flow/app.h"
#include "flow/detect.h"
#include "flow/rephrase.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct mark_job {
    const cli_args *a;
    xoe_app *app;
    xoe_rephrase_opts opts;
    size_t source_bytes;
    int n_chunks;
} mark_job;

static const char *outcome_word(xoe_chunk_outcome o)
{
    switch (o) {
    case XOE_CHUNK_REWRITTEN:
        return "rewritten";
    case XOE_CHUNK_KEPT_MEANING:
        return "kept";
    case XOE_CHUNK_KEPT_PROTECTED:
        return "protected";
    }
    return "?";
}

/* Called on the rephraser's thread, one chunk after the other. */
static void on_chunk(const xoe_chunk_report *r, const char *text, size_t n, void *ud)
{
    mark_job *j = ud;
    (void)text;
    (void)n;
    j->n_chunks++;
    if (j->a->quiet) return;
    fprintf(stderr, "  %3.0f%%  part %d %s%s%s (%.1f s)\n", 100.0 * (double)r->source_end / (double)j->source_bytes,
            j->n_chunks, outcome_word(r->outcome), *r->reason ? ": " : "", r->reason, r->ms / 1000);
}

static void print_report(const xoe_rephrase_result *r)
{
    fprintf(stderr, "\n%4s  %-14s  %-10s %6s  %6s  %5s  %5s  %6s  %s\n", "part", "bytes", "outcome", "cosine", "length",
            "log p", "tries", "s", "reason");
    for (size_t i = 0; i < r->n_chunks; i++) {
        const xoe_chunk_report *c = &r->chunks[i];
        char range[32], cosine[16] = "-";
        snprintf(range, sizeof range, "%zu-%zu", c->source_first, c->source_end);
        if (!isnan(c->similarity)) snprintf(cosine, sizeof cosine, "%.3f", c->similarity);
        fprintf(stderr, "%4zu  %-14s  %-10s %6s  %6.2f  %5.1f  %5d  %6.1f  %s\n", i + 1, range,
                outcome_word(c->outcome), cosine, c->length_ratio, c->log10_p, c->tries, c->ms / 1000, c->reason);
    }
}

static json_t *report_json(const xoe_rephrase_result *r)
{
    json_t *all = json_array();
    for (size_t i = 0; i < r->n_chunks; i++) {
        const xoe_chunk_report *c = &r->chunks[i];
        json_array_append_new(
            all, json_pack("{s:[I,I], s:[I,I], s:s, s:s, s:o, s:f, s:f, s:i, s:f}", "source",
                           (json_int_t)c->source_first, (json_int_t)c->source_end, "result",
                           (json_int_t)c->out_first, (json_int_t)c->out_end, "outcome", outcome_word(c->outcome),
                           "reason", c->reason, "similarity",
                           isnan(c->similarity) ? json_null() : json_real(c->similarity), "length_ratio",
                           c->length_ratio, "log10_p", c->log10_p, "tries", c->tries, "ms", c->ms));
    }
    return all;
}

static int print_result(const mark_job *j, const xoe_rephrase_result *r, const xoe_text_verdict *v)
{
    if (!j->a->json) {
        fwrite(r->text, 1, r->n, stdout);
        int rc = cli_finish_output(CLI_DONE);
        if (!j->a->quiet)
            fprintf(stderr, "%s: p-value 10^%.1f, %zu of %zu tokens scored, key %s\n", cli_verdict_word(&v->v),
                    v->v.log10_p, v->v.n_scored, v->v.n_tokens, j->opts.key.id);
        return rc;
    }
    char *verdict = xoe_text_verdict_json(v, false);
    json_t *detection = verdict ? json_loads(verdict, 0, NULL) : NULL;
    xoe_free(verdict);
    return cli_print_json(json_pack("{s:s%, s:b, s:s, s:o, s:o, s:f}", "text", r->text, r->n, "is_watermarked",
                                    (int)v->v.detected, "key_id", j->opts.key.id, "chunks", report_json(r), "detection",
                                    detection ? detection : json_null(), "ms", r->ms));
}

static xoe_err record(const mark_job *j, const xoe_rephrase_result *r, const xoe_text_verdict *v, xoe_error *e)
{
    char hash[XOE_SHA256_HEX], id[40] = "mark-";
    unsigned char random[12];
    xoe_engine_info info;
    xoe_sha256_hex(r->text, r->n, hash);
    if (xoe_random_bytes(random, sizeof random)) return xoe_error_set(e, XOE_EIO, "the kernel gives no randomness");
    xoe_hex(random, sizeof random, id + 5);
    memcpy(id + 5 + 2 * sizeof random, "#0", 3);
    xoe_engine_get_info(j->opts.paraphraser, &info);
    xoe_audit_row row = {.request_id = id, .user_id = "local", .text_hash = hash, .is_watermarked = v->v.detected,
                         .detection_confidence = v->v.confidence, .model_version = info.name,
                         .key_id = j->opts.key.id};
    return xoe_audit_append(j->app->audit, &row, e);
}

static int run(mark_job *j, const xoe_buf *text, bool report)
{
    xoe_error e = XOE_ERROR_INIT;
    xoe_rephraser *r = NULL;
    xoe_rephrase_result res = {0};
    xoe_text_verdict v = {0};
    const char *key_id = j->opts.key.id;
    xoe_text_detect_opts look = {.fpr = j->a->config.fpr, .key_ids = &key_id, .n_key_ids = 1};
    int rc = CLI_FAILED;
    if (xoe_rephraser_open(&r, &j->opts, on_chunk, j, &e) || xoe_rephraser_feed(r, text->data, text->len, &e) ||
        xoe_rephraser_finish(r, &res, &e) ||
        xoe_detect_text(j->opts.paraphraser, j->app->keyring, res.text, res.n, &look, &v, &e) ||
        record(j, &res, &v, &e))
        rc = cli_fail(&e);
    else
        rc = print_result(j, &res, &v);
    if (report && !j->a->json && res.n_chunks) print_report(&res);
    xoe_rephraser_close(r);
    xoe_rephrase_result_clear(&res);
    xoe_text_verdict_clear(&v);
    return rc;
}

static int read_options(const cli_command *cmd, const char *seed, const char *temperature, xoe_rephrase_opts *o)
{
    char *end;
    if (xoe_random_bytes(&o->seed, sizeof o->seed)) {
        cli_complain("the kernel gives no randomness");
        return CLI_FAILED;
    }
    if (seed) {
        o->seed = strtoull(seed, &end, 10);
        if (end == seed || *end || *seed == '-') return cli_misuse(cmd, "--seed: \"%.30s\" is not a whole number", seed);
    }
    if (temperature) {
        o->temperature = strtof(temperature, &end);
        if (end == temperature || *end || !(o->temperature > 0 && o->temperature <= 2))
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
        {"report", NULL, "a table of the parts on standard error", NULL, &report},
        {"temperature", "X", "of the paraphraser; higher carries more of the mark [1.0]", &temperature, NULL},
        {"seed", "N", "makes a run repeatable", &seed, NULL},
    };
    cli_args a;
    xoe_error e = XOE_ERROR_INIT;
    xoe_buf text = {0};
    mark_job j = {.a = &a};
    int rc = cli_parse(&a, cmd, own, sizeof own / sizeof *own, argc, argv);
    if (rc != CLI_GO_ON) return rc;
    if ((rc = read_options(cmd, seed, temperature, &j.opts)) != CLI_GO_ON ||
        (rc = cli_read_text(cmd, &a, &text)) != CLI_GO_ON)
        goto out;
    if (xoe_app_open(&j.app, &a.config, XOE_APP_PARAPHRASE | XOE_APP_EMBED | XOE_APP_AUDIT, &e) ||
        xoe_keyring_get(j.app->keyring, key, &j.opts.key, &e)) {
        rc = cli_fail(&e);
        goto out;
    }
    if (!j.app->paraphrase) {
        cli_complain("no model here is good enough to rephrase; get one with: xoe models pull "
                     "qwen2.5-coder-1.5b-instruct");
        rc = CLI_FAILED;
        goto out;
    }
    xoe_rng rng;
    xoe_rng_seed(&rng, j.opts.seed);
    j.opts.paraphraser = j.app->paraphrase;
    j.opts.embedder = j.app->embed;
    j.opts.shift = (uint32_t)xoe_rng_below(&rng, (uint64_t)j.opts.key.params.n_shifts);
    j.opts.priority = XOE_PRIORITY_INTERACTIVE;
    j.source_bytes = text.len;
    rc = run(&j, &text, report);
out:
    xoe_zero(&j.opts.key, sizeof j.opts.key);
    xoe_app_close(j.app);
    xoe_buf_free(&text);
    cli_args_free(&a);
    return rc;
}
