/* How well the check of meaning tells good rewrites from spoiled ones (tests/meaning/pairs.jsonl): share of
 * each that passes, by kind, on the half that the weights were fitted to (even ids) and on the half held
 * out (odd ids); each wrong decision with its reason; milliseconds a pair.
 * Usage: bench_meaning [-e EMBEDDER.gguf] [-m MODEL.gguf] [-p PAIRS.jsonl] [-f FEATURES.jsonl] [-l LAYER] [-r FIRST:END] [-q]
 * -f: append the evidence of each pair, for tools/fit_meaning.py and fit_probe.py; -l LAYER: with the source's likelihood and the model's state
 * after that block, for fit_probe.py (what passes is then by words alone); -q: no list of wrong decisions; -r FIRST:END: only these lines.
 * Rewrites that readers judged have a "verdict" (good, disputable, spoiled) in place of "good". */
#include <jansson.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "flow/meaning.h"
#include "flow/meaning_model.h"
#include "flow/meaning_probe.h"

enum { KINDS = 12 };

struct tally {
    char kind[24];
    int n[2], passed[2]; /* [0]: fitted half, [1]: held out */
};

static struct tally tallies[KINDS];
static double total_ms, most_ms;
static int n_pairs;
static const char *method = "vetoes";

static void die(const char *what, const char *why)
{
    fprintf(stderr, "bench_meaning: %s: %s\n", what, why);
    exit(1);
}

static xoe_engine *open_engine(const char *path, bool embeddings)
{
    xoe_engine *en = NULL;
    xoe_error e = XOE_ERROR_INIT;
    xoe_engine_opts o = XOE_ENGINE_OPTS_INIT;
    if (!path) return NULL;
    o.path = path;
    o.embeddings = embeddings;
    o.n_slots = 4;
    o.n_ctx_slot = embeddings ? 0 : 2048;
    if (xoe_engine_open(&en, &o, &e) != XOE_OK) die(path, e.msg);
    return en;
}

static struct tally *tally_of(const char *kind)
{
    for (int i = 0; i < KINDS; i++) {
        if (!*tallies[i].kind) snprintf(tallies[i].kind, sizeof tallies[i].kind, "%s", kind);
        if (!strcmp(tallies[i].kind, kind)) return &tallies[i];
    }
    die(kind, "too many kinds");
    return NULL;
}

static void print_features(FILE *f, int id, bool good, const char *kind, const xoe_meaning *m, const float *state, int n_state)
{
    fprintf(f, "{\"id\": %d, \"good\": %s, \"kind\": \"%s\", \"veto\": \"%s\"", id, good ? "true" : "false", kind, isnan(m->score) ? m->reason : "");
    for (int i = 0; i < XOE_MEANING_N_FEATURES; i++)
        if (!isnan(m->features[i])) fprintf(f, ", \"%s\": %.6g", xoe_meaning_feature_names[i], m->features[i]);
    for (int i = 0; state && i < n_state; i++)
        fprintf(f, "%s%.5g", i ? ", " : ", \"state\": [", (double)state[i]);
    fprintf(f, "%s}\n", state ? "]" : "");
    fflush(f);
}

/* All that a probe is fitted to, into the features and state; what the words refuse is not. */
static void measure(const xoe_meaning_opts *o, int layer, const char *source, const char *rewrite, xoe_meaning *m, float *state)
{
    xoe_error e = XOE_ERROR_INIT;
    double *f = m->features;
    size_t n_s = strlen(source), n_r = strlen(rewrite);
    if (xoe_meaning_state(o->model, layer, source, n_s, rewrite, n_r, o->priority, 0, state, &e) ||
        xoe_meaning_likelihood(o->model, rewrite, n_r, source, n_s, o->priority, 0, &f[XOE_MEANING_BACK], &f[XOE_MEANING_SURPRISES], &e))
        die("measurement", e.msg);
}

static void one_pair(const xoe_meaning_opts *o, const char *line, FILE *features, int layer, bool quiet)
{
    json_error_t je;
    xoe_error e = XOE_ERROR_INIT;
    xoe_meaning m;
    int id, good = -1;
    const char *kind, *source, *rewrite, *verdict = "";
    json_t *j = json_loads(line, 0, &je);
    if (!j || json_unpack(j, "{s:i, s?b, s?s, s:s, s:s, s:s}", "id", &id, "good", &good, "verdict", &verdict, "kind", &kind, "source", &source, "rewrite", &rewrite) || (good < 0) != (*verdict != 0))
        die("a line of the pairs", line);
    if (*verdict) good = !strcmp(verdict, "good");
    xoe_meaning_opts by_words = *o;
    if (layer >= 0) by_words.model = NULL; /* its state is wanted, not what the present probe makes of it */
    if (xoe_meaning_check(&by_words, source, strlen(source), rewrite, strlen(rewrite), &m, &e) != XOE_OK) die("check", e.msg);
    bool passed = !*m.reason;
    struct tally *t = tally_of(kind);
    t->n[id & 1]++;
    t->passed[id & 1] += passed;
    if (!isnan(m.score)) method = m.method;
    total_ms += m.ms;
    most_ms = fmax(most_ms, m.ms);
    n_pairs++;
    if (features) {
        xoe_engine_info info = {0};
        if (o->model) xoe_engine_get_info(o->model, &info);
        float *state = layer >= 0 && o->model && !isnan(m.score) ? calloc((size_t)info.n_embd, sizeof *state) : NULL;
        if (state) measure(o, layer, source, rewrite, &m, state);
        print_features(features, id, good, kind, &m, state, info.n_embd);
        free(state);
    }
    if (!quiet && passed != (bool)good)
        printf("%s %d (%s): %s [%.2f]\n    %s\n    %s\n", good ? "refused" : "passed", id, kind, *m.reason ? m.reason : "no objection", m.score, source, rewrite);
    json_decref(j);
}

static void print_share(const char *what, int passed, int n)
{
    printf("%s %3d of %3d (%5.1f %%)", what, passed, n, n ? 100.0 * passed / n : 0);
}

static void print_tallies(void)
{
    printf("\nevidence: %s; %d pairs, %.1f ms a pair, at most %.0f ms\n", method, n_pairs, total_ms / n_pairs, most_ms);
    for (int half = 0; half < 2; half++) {
        int n = 0, passed = 0;
        printf("%s half\n", half ? "held-out" : "fitted");
        for (int i = 0; i < KINDS && *tallies[i].kind; i++) {
            printf("  %-10s", tallies[i].kind);
            print_share("passed", tallies[i].passed[half], tallies[i].n[half]);
            printf("\n");
            if (!strcmp(tallies[i].kind, "good")) continue;
            n += tallies[i].n[half];
            passed += tallies[i].passed[half];
        }
        printf("  %-10s", "spoiled");
        print_share("passed", passed, n);
        printf("\n");
    }
}

int main(int argc, char **argv)
{
    const char *pairs = XOE_SOURCE_DIR "/tests/meaning/pairs.jsonl", *embedder = NULL, *model = NULL, *features = NULL;
    bool quiet = false;
    int first = 0, end = INT_MAX, layer = -1;
    for (int c; (c = getopt(argc, argv, "e:m:p:f:l:r:q")) != -1;)
        switch (c) {
        case 'e': embedder = optarg; break;
        case 'm': model = optarg; break;
        case 'p': pairs = optarg; break;
        case 'f': features = optarg; break;
        case 'r':
            if (sscanf(optarg, "%d:%d", &first, &end) != 2) die(optarg, "is not FIRST:END");
            break;
        case 'l': layer = atoi(optarg); break;
        case 'q': quiet = true; break;
        default: return 2;
        }
    FILE *in = fopen(pairs, "r"), *out = features ? fopen(features, "a") : NULL;
    if (!in) die(pairs, "cannot read");
    if (features && !out) die(features, "cannot write");
    xoe_meaning_opts o = {open_engine(embedder, true), open_engine(model, false), XOE_PRIORITY_BATCH, 0, 0};
    char *line = NULL;
    size_t cap = 0;
    for (int i = 0; i < end && getline(&line, &cap, in) > 0; i++)
        if (i >= first) one_pair(&o, line, out, layer, quiet);
    if (n_pairs) print_tallies();
    free(line);
    fclose(in);
    if (out) fclose(out);
    xoe_engine_close(o.embedder);
    xoe_engine_close(o.model);
    return 0;
}
