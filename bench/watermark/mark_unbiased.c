/* Is the next-token distribution unchanged on average over keys? As JSON on standard output.
 *
 * Real distributions: the 64 best tokens of the model at steps of its answers to PROMPTS, at the temperature,
 * cut at top-p, normalised. At each of them, under each scheme, KEYS random keys choose a token each; the
 * counts are compared with the distribution by chi-square (cells of fewer than 5 expected are joined). Schemes
 * that promise to keep the distribution should give p-values that are uniform; green and morphmark promise no
 * such thing and show that the test sees a difference. "least": the smallest p, corrected for the contexts
 * by Šidák. Usage: bench_mark_unbiased MODEL.gguf PROMPTS.txt [temperature [keys]]
 *
 * Threads: on_event runs on the engine's worker, which is done when the job is closed. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "xoe/engine.h"

enum { CONTEXTS = 20, TOP = 64, STEP = 6 };

struct place {
    xoe_cand c[TOP];
    size_t n;
    int step;
    int32_t token[8]; /* the answer so far */
    xoe_token_prob top[TOP];
    int n_top;
};

static void die(const char *what, const char *why)
{
    fprintf(stderr, "bench_mark_unbiased: %s: %s\n", what, why);
    exit(1);
}

static double uniform(void *rng)
{
    return xoe_rng_uniform(rng);
}

static void on_event(const xoe_event *ev, void *ud)
{
    struct place *p = ud;
    if (ev->kind != XOE_EVENT_TOKEN || p->step > STEP) return;
    if (p->step == STEP) {
        memcpy(p->top, ev->top, (size_t)ev->n_top * sizeof *ev->top);
        p->n_top = ev->n_top;
    } else {
        p->token[p->step] = ev->token;
    }
    p->step++;
}

/* The distribution after truncation, from the model's own log-probabilities. */
static void truncate(struct place *p, double temperature, double top_p)
{
    double mass = 0, kept = 0;
    for (int i = 0; i < p->n_top; i++)
        mass += exp((double)p->top[i].logprob / temperature);
    while ((int)p->n < p->n_top && kept < top_p * mass) {
        const xoe_token_prob *t = &p->top[p->n];
        double w = exp((double)t->logprob / temperature);
        p->c[p->n++] = (xoe_cand){t->id, (float)w};
        kept += w;
    }
    for (size_t i = 0; i < p->n; i++)
        p->c[i].p = (float)((double)p->c[i].p / kept);
}

static void look(xoe_engine *en, const char *prompt, uint64_t seed, struct place *p, double temperature)
{
    xoe_error e = XOE_ERROR_INIT;
    xoe_job *job;
    int32_t *tokens;
    size_t n;
    *p = (struct place){0};
    if (xoe_engine_tokenize(en, prompt, strlen(prompt), true, false, &tokens, &n, &e) != XOE_OK) die("prompt", e.msg);
    xoe_gen_request r = {.size = sizeof r, .prompt = tokens, .n_prompt = n, .sampling = XOE_SAMPLING_INIT, .max_tokens = STEP + 1,
                         .n_probs = TOP, .priority = XOE_PRIORITY_BATCH, .on_event = on_event, .ud = p};
    r.sampling.has_seed = true;
    r.sampling.seed = seed;
    if (xoe_engine_generate(en, &r, &job, &e) != XOE_OK) die("request", e.msg);
    xoe_job_close(job);
    xoe_tokens_free(tokens);
    if (p->n_top) truncate(p, temperature, 0.95);
}

/* P(chi-square of k degrees ≥ x): the incomplete gamma function's series, or continued fraction (Lentz). */
static double chi_square_tail(double x, int k)
{
    double a = k / 2.0, h = x / 2, front = exp(a * log(h) - h - lgamma(a));
    if (!(x > 0)) return 1;
    if (h < a + 1) {
        double term = 1 / a, sum = term;
        for (int i = 1; i < 10000 && term > sum * 1e-16; i++)
            sum += term *= h / (a + i);
        return 1 - front * sum;
    }
    double b = h + 1 - a, c = 1e300, d = 1 / b, f = d;
    for (int i = 1; i < 10000; i++) {
        double an = -i * (i - a);
        b += 2;
        d = 1 / (an * d + b);
        c = b + an / c;
        f *= d * c;
        if (fabs(d * c - 1) < 1e-15) break;
    }
    return front * f;
}

/* p-value of the counts of n_keys choices; *total_variation: half the sum of absolute differences. */
static double fit(const struct place *p, const int *count, int n_keys, double *total_variation)
{
    double x = 0, rest_want = 0, rest_got = 0;
    int cells = 0;
    *total_variation = 0;
    for (size_t i = 0; i < p->n; i++) {
        double want = (double)p->c[i].p * n_keys, got = count[i];
        *total_variation += fabs(got - want) / n_keys / 2;
        if (want < 5) {
            rest_want += want;
            rest_got += got;
            continue;
        }
        x += (got - want) * (got - want) / want;
        cells++;
    }
    if (rest_want >= 5) {
        x += (rest_got - rest_want) * (rest_got - rest_want) / rest_want;
        cells++;
    }
    return cells > 1 ? chi_square_tail(x, cells - 1) : 1;
}

static void test(const struct place *places, const xoe_mark_params *params, const char *name, int n_keys, xoe_rng *rng, bool last)
{
    double least = 1, variation = 0;
    printf("  {\"scheme\": \"%s\", \"p\": [", name);
    for (int k = 0; k < CONTEXTS; k++) {
        int count[TOP] = {0};
        double tv;
        for (int i = 0; i < n_keys; i++) {
            uint8_t key[XOE_MARK_KEY_BYTES];
            xoe_marker *m = NULL;
            xoe_pick got = {0};
            for (size_t b = 0; b < sizeof key; b++)
                key[b] = (uint8_t)xoe_rng_u64(rng);
            if (params) {
                if (xoe_marker_open(&m, params, key, 0, 0, NULL) != XOE_OK) die(name, "cannot open");
                xoe_marker_pick(m, places[k].c, places[k].n, places[k].token, STEP, uniform, rng, &got);
                if (!got.marked) die(name, "a choice was not marked");
                xoe_marker_close(m);
            } else { /* an honest draw, to see what chance alone gives */
                double u = xoe_rng_uniform(rng);
                while (got.index + 1 < places[k].n && (u -= (double)places[k].c[got.index].p) >= 0)
                    got.index++;
            }
            count[got.index]++;
        }
        double p = fit(&places[k], count, n_keys, &tv);
        printf("%s%.4g", k ? ", " : "", p);
        least = fmin(least, p);
        variation += tv / CONTEXTS;
    }
    printf("], \"least\": %.4g, \"mean_total_variation\": %.4g}%s\n", -expm1(CONTEXTS * log1p(-least)), variation, last ? "" : ",");
    fflush(stdout);
}

int main(int argc, char **argv)
{
    static const xoe_scheme schemes[] = {XOE_SCHEME_GUMBEL, XOE_SCHEME_SYNTHID, XOE_SCHEME_DIPMARK, XOE_SCHEME_DUAL,
                                         XOE_SCHEME_GREEN, XOE_SCHEME_MORPHMARK};
    enum { N = sizeof schemes / sizeof *schemes };
    static struct place places[CONTEXTS];
    xoe_engine_opts o = XOE_ENGINE_OPTS_INIT;
    xoe_error e = XOE_ERROR_INIT;
    xoe_engine *en;
    xoe_rng rng;
    char *line = NULL;
    size_t cap = 0;
    int n = 0;
    if (argc < 3) die("usage", "bench_mark_unbiased MODEL.gguf PROMPTS.txt [temperature [keys]]");
    double temperature = argc > 3 ? atof(argv[3]) : 1;
    int n_keys = argc > 4 ? atoi(argv[4]) : 20000;
    if (!(temperature > 0) || n_keys < 100) die("usage", "a temperature above 0, at least 100 keys");
    FILE *f = fopen(argv[2], "r");
    if (!f) die(argv[2], "cannot be read");
    o.path = argv[1];
    o.n_slots = 1;
    o.n_ctx_slot = 512;
    if (xoe_engine_open(&en, &o, &e) != XOE_OK) die(argv[1], e.msg);
    while (n < CONTEXTS && getline(&line, &cap, f) > 0) {
        char *tab = strchr(line, '\t');
        if (!tab) continue;
        look(en, tab + 1, (uint64_t)n, &places[n], temperature);
        if (places[n].n >= 5) n++; /* enough to choose from */
    }
    fclose(f);
    free(line);
    xoe_engine_close(en);
    if (n < CONTEXTS) die(argv[2], "too few prompts lead to an open choice");
    xoe_rng_seed(&rng, 1);
    double mean = 0;
    for (int i = 0; i < CONTEXTS; i++)
        mean += (double)places[i].n / CONTEXTS;
    printf("{\"contexts\": %d, \"keys\": %d, \"temperature\": %g, \"mean_candidates\": %.3g, \"results\": [\n", CONTEXTS, n_keys,
           temperature, mean);
    test(places, NULL, "honest draw", n_keys, &rng, false);
    for (int i = 0; i < N; i++) {
        xoe_mark_params p = {.scheme = schemes[i]};
        test(places, &p, xoe_scheme_name(schemes[i]), n_keys, &rng, i + 1 == N);
    }
    printf("]}\n");
    return 0;
}
