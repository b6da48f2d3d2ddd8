/* Speed of the engine without HTTP, as JSON on standard output: prompt and decode tokens a second, the
 * mark on against off, the sampler's own cost. Compare with `llama-bench -p 512 -n 64` on the same file.
 * Samples of one measure are taken in turns with those of its counterpart (off, on, off, on …), so that
 * both see the same machine; all are printed and the median counts. A figure is printed only if every
 * answer had its full length. Usage: bench_engine_speed MODEL.gguf [repeats [tokens]] */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answers.h"
#include "base/rng.h"
#include "engine/sampler.h"

enum { STREAMS = 8, REPEATS_MAX = 16, PROMPT = 512, SHORT = 24 };

static xoe_engine *en;
static xoe_engine_info info;
static xoe_logit_bias *no_end; /* forbids every token that would end an answer */
static size_t n_no_end;
static xoe_rng rng;

static void die(const char *what, const char *why)
{
    fprintf(stderr, "bench_engine_speed: %s: %s\n", what, why);
    exit(1);
}

struct rates {
    double prompt, decode; /* tokens/s; decode: of all streams together, while all of them decode */
};

/* n_streams answers of n_tokens on n_prompt random tokens each. */
static struct rates run(int n_streams, int n_prompt, int n_tokens, const xoe_mark_params *mark)
{
    static const uint8_t key[XOE_MARK_KEY_BYTES] = {7};
    static struct bench_answer s[STREAMS];
    memset(s, 0, sizeof s);
    int32_t prompt[PROMPT];
    int64_t start = xoe_clock_mono_ns(), first = 0, last = INT64_MAX;
    for (int i = 0; i < n_streams; i++) {
        xoe_error e = XOE_ERROR_INIT;
        for (int k = 0; k < n_prompt; k++)
            prompt[k] = (int32_t)xoe_rng_below(&rng, 10000) + 100;
        xoe_gen_request r = {.size = sizeof r, .prompt = prompt, .n_prompt = (size_t)n_prompt,
                             .sampling = XOE_SAMPLING_INIT, .max_tokens = n_tokens, .n_probs = -1, .mark = mark,
                             .mark_key = key, .priority = XOE_PRIORITY_INTERACTIVE};
        r.sampling.temperature = 0.7f;
        r.sampling.top_p = 0.95f;
        r.sampling.logit_bias = no_end;
        r.sampling.n_logit_bias = n_no_end;
        if (bench_begin(&s[i], en, r, &e) != XOE_OK) die("request", e.msg);
    }
    for (struct bench_answer *a; (a = bench_wait(s, STREAMS));)
        bench_end(a);
    for (int i = 0; i < n_streams; i++) {
        if ((int)s[i].n != n_tokens) die("an answer", "ended early");
        if (s[i].first_ns > first) first = s[i].first_ns;
        if (s[i].last_ns < last) last = s[i].last_ns;
    }
    double prompt_s = (double)(s[0].first_ns - start) * 1e-9, decode_s = (double)(last - first) * 1e-9;
    return (struct rates){(double)n_prompt / prompt_s, decode_s > 0 ? n_streams * (n_tokens - 1) / decode_s : 0};
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void report(const char *name, const char *unit, double *v, int n)
{
    printf("  {\"name\": \"%s\", \"unit\": \"%s\", \"samples\": [", name, unit);
    for (int i = 0; i < n; i++)
        printf("%s%.4g", i ? ", " : "", v[i]);
    qsort(v, (size_t)n, sizeof *v, compare);
    printf("], \"median\": %.4g},\n", n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2);
    fflush(stdout);
}

/* Microseconds a token on logits like a model's: normal with σ 2.5, some tokens far above. */
static double sampler_us(float temperature, float top_p, const xoe_mark_params *mark)
{
    enum { ROUNDS = 50 };
    static const uint8_t key[XOE_MARK_KEY_BYTES] = {7};
    size_t v = (size_t)info.n_vocab;
    float *model = xoe_malloc(v * sizeof *model), *work = xoe_malloc(v * sizeof *work);
    int32_t answer[ROUNDS];
    xoe_sampling s = XOE_SAMPLING_INIT;
    xoe_sampler *p;
    xoe_marker *m = NULL;
    xoe_error e = XOE_ERROR_INIT;
    int64_t spent = 0;
    XOE_ASSERT(model && work);
    s.temperature = temperature;
    s.top_p = top_p;
    if (mark && xoe_marker_open(&m, mark, key, 0, 0, &e) != XOE_OK) die("mark", e.msg);
    if (xoe_sampler_open(&p, &s, info.n_vocab, NULL, 0, NULL, m, &e) != XOE_OK) die("sampler", e.msg);
    for (size_t i = 0; i < v; i++) /* Box and Muller */
        model[i] = 2.5f * (float)(sqrt(-2 * log(1 - xoe_rng_uniform(&rng))) * cos(6.283185307 * xoe_rng_uniform(&rng)));
    for (int i = 0; i < 40; i++)
        model[xoe_rng_below(&rng, v)] = 18 - 2.2f * logf((float)(i + 1));
    for (size_t k = 0; k < ROUNDS; k++) {
        memcpy(work, model, v * sizeof *work);
        int64_t t0 = xoe_clock_mono_ns();
        answer[k] = xoe_sampler_sample(p, work, answer, k).id;
        spent += xoe_clock_mono_ns() - t0;
    }
    xoe_sampler_close(p);
    xoe_free(model);
    xoe_free(work);
    return (double)spent * 1e-3 / ROUNDS;
}

static void bench_sampler(const char *name, float temperature, float top_p, const xoe_mark_params *mark, int repeats)
{
    double v[REPEATS_MAX];
    for (int i = 0; i < repeats; i++)
        v[i] = sampler_us(temperature, top_p, mark);
    report(name, "us/token", v, repeats);
}

static void bench_decode(int n_streams, int n_tokens, const xoe_mark_params *mark, int repeats)
{
    double off[REPEATS_MAX], on[REPEATS_MAX], ratio[REPEATS_MAX];
    char name[64];
    for (int i = 0; i < repeats; i++) {
        off[i] = run(n_streams, SHORT, n_tokens, NULL).decode;
        on[i] = run(n_streams, SHORT, n_tokens, mark).decode;
        ratio[i] = on[i] / off[i];
    }
    snprintf(name, sizeof name, "decode_%d", n_streams);
    report(name, "tokens/s", off, repeats);
    snprintf(name, sizeof name, "decode_%d_marked", n_streams);
    report(name, "tokens/s", on, repeats);
    snprintf(name, sizeof name, "decode_%d_marked_ratio", n_streams);
    report(name, "ratio", ratio, repeats);
}

int main(int argc, char **argv)
{
    xoe_engine_opts o = XOE_ENGINE_OPTS_INIT;
    xoe_error e = XOE_ERROR_INIT;
    xoe_mark_params mark = XOE_MARK_PARAMS_INIT;
    double prompt[REPEATS_MAX];
    if (argc < 2) die("usage", "bench_engine_speed MODEL.gguf [repeats [tokens]]");
    int repeats = argc > 2 ? atoi(argv[2]) : 3, n_tokens = argc > 3 ? atoi(argv[3]) : 64;
    if (repeats < 1 || repeats > REPEATS_MAX || n_tokens < 2) die("usage", "1 to 16 repeats, at least 2 tokens");
    o.path = argv[1];
    o.n_slots = STREAMS;
    o.n_ctx_slot = 2048;
    if (xoe_engine_open(&en, &o, &e) != XOE_OK) die(argv[1], e.msg);
    if (xoe_mark_params_resolve(&mark, &e) != XOE_OK) die("mark", e.msg);
    xoe_engine_get_info(en, &info);
    xoe_rng_seed(&rng, 1);
    no_end = bench_no_end(en, &n_no_end);
    printf("{\"model\": \"%s\", \"n_vocab\": %d, \"threads\": %d, \"results\": [\n", info.name, info.n_vocab, info.n_threads);
    run(1, SHORT, 2, NULL); /* pages in the weights */
    for (int i = 0; i < repeats; i++)
        prompt[i] = run(1, PROMPT, 2, NULL).prompt;
    report("prompt_512", "tokens/s", prompt, repeats);
    bench_decode(1, n_tokens, &mark, repeats);
    bench_decode(STREAMS, n_tokens, &mark, repeats);
    bench_sampler("sampler_t0.7_p0.95", 0.7f, 0.95f, NULL, repeats);
    bench_sampler("sampler_t0.7_p0.95_marked", 0.7f, 0.95f, &mark, repeats);
    bench_sampler("sampler_t1_p1", 1, 1, NULL, repeats);
    bench_sampler("sampler_t1_p1_marked", 1, 1, &mark, repeats);
    printf("  {\"name\": \"file_bytes\", \"unit\": \"bytes\", \"median\": %llu}\n]}\n", (unsigned long long)info.n_bytes);
    xoe_free(no_end);
    xoe_engine_close(en);
    return 0;
}
