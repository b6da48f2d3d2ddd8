/* Marked answers for bench/watermark: requests in, answers out, both a JSON object a line.
 *
 * A request: id, prompt, key (id in DATA/keys.json; absent: no mark), shift, seed, temperature, top_p,
 * tokens. Tokens that end an answer are forbidden, so that each answer has its full length. An answer: id, text,
 * tokens, and for each token: marked, expected (the gain in score that its probability promises), and, read
 * again by the same model without the prompt as a detector would, logprob and entropy (the first token has
 * none). 4 answers are written at once, which is as fast as 8, or the 8 drafts of one under watermax; after SECONDS no new ones
 * are begun, so that a long run can be done in pieces. Usage: bench_mark_write MODEL.gguf DATA SECONDS < requests > answers
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../answers.h"
#include "engine/chat.h"
#include "trust/keyring.h"

enum { STREAMS = 4, TOKENS_MAX = BENCH_TOKENS_MAX };

static xoe_engine *en;
static xoe_keyring *ring;
static xoe_logit_bias *no_end; /* forbids every token that would end an answer */
static size_t n_no_end;
static struct bench_answer answers[STREAMS];
static json_t *requests[STREAMS]; /* of the answers */

static void die(const char *what, const char *why)
{
    fprintf(stderr, "bench_mark_write: %s: %s\n", what, why);
    exit(1);
}

static double number(const json_t *request, const char *name)
{
    const json_t *v = json_object_get(request, name);
    if (!json_is_number(v)) die("a request lacks the number", name);
    return json_number_value(v);
}

static const char *string(const json_t *request, const char *name)
{
    const char *v = json_string_value(json_object_get(request, name));
    if (!v) die("a request lacks the text", name);
    return v;
}

/* What the chat template makes of the prompt, as tokens. */
static int32_t *render(const char *prompt, size_t *n)
{
    xoe_error e = XOE_ERROR_INIT;
    xoe_chat *chat;
    int32_t *tokens;
    size_t len;
    json_t *message = json_pack("[{s:s, s:s}]", "role", "user", "content", prompt);
    char *messages = json_dumps(message, 0);
    if (xoe_chat_render(&chat, en, &(xoe_chat_inputs){.messages_json = messages}, &e) != XOE_OK) die("template", e.msg);
    const char *text = xoe_chat_prompt(chat, &len);
    if (xoe_engine_tokenize(en, text, len, true, true, &tokens, n, &e) != XOE_OK) die("prompt", e.msg);
    xoe_chat_close(chat);
    free(messages);
    json_decref(message);
    return tokens;
}

/* Whether more answers may be begun beside this one. */
static bool begin(struct bench_answer *a, json_t *request)
{
    xoe_error e = XOE_ERROR_INIT;
    xoe_key key = {0};
    const char *key_id = json_string_value(json_object_get(request, "key"));
    size_t n_prompt;
    int32_t *prompt = render(string(request, "prompt"), &n_prompt);
    if (key_id && xoe_keyring_get(ring, key_id, &key, &e) != XOE_OK) die(key_id, e.msg);
    requests[a - answers] = request;
    xoe_gen_request r = {.size = sizeof r, .prompt = prompt, .n_prompt = n_prompt, .sampling = XOE_SAMPLING_INIT,
                         .max_tokens = (int)number(request, "tokens"), .n_probs = -1, .mark = key_id ? &key.params : NULL,
                         .mark_key = key.bytes, .priority = XOE_PRIORITY_BATCH};
    if (r.max_tokens > TOKENS_MAX) die("tokens", "at most 1024");
    r.mark_shift = key_id ? (uint32_t)number(request, "shift") : 0;
    r.sampling.temperature = (float)number(request, "temperature");
    r.sampling.top_p = (float)number(request, "top_p");
    r.sampling.has_seed = true;
    r.sampling.seed = (uint64_t)number(request, "seed");
    r.sampling.logit_bias = no_end;
    r.sampling.n_logit_bias = n_no_end;
    if (bench_begin(a, en, r, &e) != XOE_OK) die("request", e.msg);
    xoe_tokens_free(prompt);
    return !xoe_writing_drafts(r.mark, &r.sampling);
}

static json_t *reals(const double *v, size_t n)
{
    json_t *a = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(a, json_real(v[i]));
    return a;
}

static void finish(struct bench_answer *a)
{
    static float logprob[TOKENS_MAX], entropy[TOKENS_MAX];
    static double lp[TOKENS_MAX], h[TOKENS_MAX];
    xoe_error e = XOE_ERROR_INIT;
    json_t *tokens = json_array(), *marked = json_array(), *request = requests[a - answers];
    bench_end(a);
    if ((double)a->n != number(request, "tokens")) die(string(request, "id"), "the answer ended early");
    if (xoe_engine_score(en, a->token, a->n, 1, XOE_PRIORITY_BATCH, logprob, entropy, &e) != XOE_OK) die("score", e.msg);
    for (size_t i = 0; i < a->n; i++) {
        json_array_append_new(tokens, json_integer(a->token[i]));
        json_array_append_new(marked, json_integer(a->marked[i]));
        if (i + 1 < a->n) lp[i] = (double)logprob[i], h[i] = (double)entropy[i];
    }
    while (a->n_text && ((unsigned char)a->text[a->n_text - 1] & 0xC0) == 0x80)
        a->n_text--; /* the last character may be cut: whatever its length, it goes */
    if (a->n_text && (unsigned char)a->text[a->n_text - 1] >= 0xC0) a->n_text--;
    json_t *text = json_stringn(a->text, a->n_text);
    if (!text) text = json_null(); /* bytes that are no UTF-8: useful as tokens only */
    json_t *line = json_pack("{s:O, s:o, s:o, s:o, s:o, s:o, s:o}", "id", json_object_get(request, "id"), "text", text,
                             "tokens", tokens, "marked", marked, "expected", reals(a->expected, a->n), "logprob",
                             reals(lp, a->n - 1), "entropy", reals(h, a->n - 1));
    if (!line || json_dumpf(line, stdout, JSON_COMPACT | JSON_REAL_PRECISION(6)) || putchar('\n') == EOF || fflush(stdout))
        die("output", "cannot write");
    json_decref(line);
    json_decref(request);
}

/* A place for an answer, after waiting for one. */
static struct bench_answer *free_place(size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!answers[i].writing) return &answers[i];
    struct bench_answer *a = bench_wait(answers, n);
    finish(a);
    return a;
}

int main(int argc, char **argv)
{
    xoe_engine_opts o = XOE_ENGINE_OPTS_INIT;
    xoe_error e = XOE_ERROR_INIT;
    char *line = NULL;
    size_t cap = 0, n_streams = STREAMS;
    if (argc != 4) die("usage", "bench_mark_write MODEL.gguf DATA SECONDS < requests > answers");
    int64_t end_ms = xoe_clock_mono_ms() + (int64_t)(atof(argv[3]) * 1000);
    o.path = argv[1];
    o.n_slots = 2 * STREAMS; /* the drafts of one answer */
    o.n_ctx_slot = 2048;
    if (xoe_engine_open(&en, &o, &e) != XOE_OK) die(argv[1], e.msg);
    if (xoe_keyring_open(&ring, argv[2], &e) != XOE_OK) die(argv[2], e.msg);
    no_end = bench_no_end(en, &n_no_end);
    while (xoe_clock_mono_ms() < end_ms && getline(&line, &cap, stdin) > 0) {
        json_t *request = json_loads(line, 0, NULL);
        if (!request) die("a request is not JSON", line);
        if (!begin(free_place(n_streams), request)) n_streams = 1;
    }
    for (struct bench_answer *a; (a = bench_wait(answers, STREAMS));)
        finish(a);
    free(line);
    xoe_free(no_end);
    xoe_keyring_close(ring);
    xoe_engine_close(en);
    return 0;
}
