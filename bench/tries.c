/* What the paraphraser writes, before any of it is judged: each text is cut into chunks as in the product, each chunk gets one round
 * of tries under a key, and all different ones are printed as JSON lines, to be judged by readers (tests/meaning/tries.jsonl).
 * Usage: bench_tries -m MODEL.gguf [-p TEXTS.jsonl] [-t TEMPERATURE] [-o TOP_P] [-a AVOID] [-k KEY_NUMBER] [-n]
 * TEXTS: {"id": …, "text": …} a line, default standard input. -a: pressure against copying, logits, negative: none; -n: the model without its adapter. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "flow/adapters.h"
#include "flow/rephrase.h"

static void die(const char *what, const char *why)
{
    fprintf(stderr, "bench_tries: %s: %s\n", what, why);
    exit(1);
}

static xoe_engine *open_paraphraser(const char *path, bool plain)
{
    xoe_engine *en = NULL;
    xoe_error e = XOE_ERROR_INIT;
    xoe_engine_opts o = XOE_ENGINE_OPTS_INIT;
    o.path = path;
    o.n_slots = 4;
    o.n_ctx_slot = 2048;
    o.adapters = xoe_adapters_of(path, &o.n_adapters);
    if (!o.n_adapters) fprintf(stderr, "bench_tries: no adapter for this model\n");
    o.adapter = plain || !o.n_adapters ? XOE_AS_IT_IS : XOE_TO_REPHRASE;
    if (xoe_engine_open(&en, &o, &e)) die(path, e.msg);
    return en;
}

static bool print_try(const xoe_try_report *t, void *ud)
{
    json_t *j = json_pack("{s:O, s:s%, s:s%, s:s%, s:b, s:f, s:f}", "id", (json_t *)ud, "before", t->before ? t->before : "", t->n_before, "source", t->source, t->n_source,
                          "rewrite", t->rewrite, t->n_rewrite, "ended", t->ended, "log10_p", t->log10_p, "quality", t->quality);
    if (j) {
        json_dumpf(j, stdout, JSON_COMPACT);
        puts("");
        fflush(stdout);
    }
    json_decref(j);
    return false; /* it is not judged here */
}

static void one_text(xoe_rephrase_opts *o, const char *line)
{
    json_t *j = json_loads(line, 0, NULL), *id;
    const char *text;
    size_t n;
    xoe_rephraser *r = NULL;
    xoe_rephrase_result out = {0};
    xoe_error e = XOE_ERROR_INIT;
    if (!j || json_unpack(j, "{s:o, s:s%}", "id", &id, "text", &text, &n)) die("a line of the texts", line);
    o->try_ud = id;
    if (xoe_rephraser_open(&r, o, NULL, NULL, &e) || xoe_rephraser_feed(r, text, n, &e) || xoe_rephraser_finish(r, &out, &e)) die("rephrase", e.msg);
    xoe_rephraser_close(r);
    xoe_rephrase_result_clear(&out);
    json_decref(j);
}

int main(int argc, char **argv)
{
    const char *model = NULL, *texts = "/dev/stdin";
    bool plain = false;
    xoe_key key = {.id = "bench", .params = XOE_MARK_PARAMS_INIT};
    xoe_rephrase_opts o = {.max_tries = 4, .priority = XOE_PRIORITY_BATCH, .on_try = print_try, .seed = 1};
    for (int c; (c = getopt(argc, argv, "m:p:t:o:a:k:n")) != -1;)
        switch (c) {
        case 'm': model = optarg; break;
        case 'p': texts = optarg; break;
        case 't': o.temperature = strtof(optarg, NULL); break;
        case 'o': o.top_p = strtof(optarg, NULL); break;
        case 'a': o.avoid_strength = strtof(optarg, NULL); break;
        case 'k': key.bytes[0] = (uint8_t)atoi(optarg); break;
        case 'n': plain = true; break;
        default: return 2;
        }
    if (!model) die("usage", "-m MODEL.gguf is missing");
    FILE *in = fopen(texts, "r");
    if (!in) die(texts, "cannot read");
    o.paraphraser = open_paraphraser(model, plain);
    xoe_error e = XOE_ERROR_INIT;
    if (xoe_mark_params_resolve(&key.params, &e)) die("key", e.msg);
    o.key = key;
    char *line = NULL;
    size_t cap = 0;
    while (getline(&line, &cap, in) > 0)
        one_text(&o, line);
    free(line);
    fclose(in);
    xoe_engine_close(o.paraphraser);
    return 0;
}
