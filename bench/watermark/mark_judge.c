/* How likely a model finds texts: {"id", "prompt", "text", "tokens"} in, {"id", "n", "nats"} out, a line each: the negative
 * log-likelihood of the text's first `tokens` tokens as an answer to the prompt, in the model's own chat
 * template. Usage: bench_mark_judge MODEL.gguf < texts > judgements
 *
 * Threads: one. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "engine/chat.h"

enum { TOKENS_MAX = 2048 };

static xoe_engine *en;

static void die(const char *what, const char *why)
{
    fprintf(stderr, "bench_mark_judge: %s: %s\n", what, why);
    exit(1);
}

static size_t add(int32_t *all, size_t n, size_t room, const char *text, size_t len, bool special)
{
    xoe_error e = XOE_ERROR_INIT;
    int32_t *t;
    size_t k;
    if (xoe_engine_tokenize(en, text, len, special, special, &t, &k, &e) != XOE_OK) die("tokenize", e.msg);
    if (k > room) k = room;
    memcpy(all + n, t, k * sizeof *t);
    xoe_tokens_free(t);
    return n + k;
}

static json_t *judge(const json_t *q)
{
    static int32_t tokens[TOKENS_MAX];
    static float logprob[TOKENS_MAX];
    xoe_error e = XOE_ERROR_INIT;
    xoe_chat *chat;
    const char *text = json_string_value(json_object_get(q, "text"));
    size_t len, most = (size_t)json_integer_value(json_object_get(q, "tokens"));
    if (!text) die("input", "a line lacks its text");
    json_t *message = json_pack("[{s:s, s:O}]", "role", "user", "content", json_object_get(q, "prompt"));
    char *messages = message ? json_dumps(message, 0) : NULL;
    if (!messages) die("input", "a line lacks its prompt");
    if (xoe_chat_render(&chat, en, &(xoe_chat_inputs){.messages_json = messages}, &e) != XOE_OK) die("template", e.msg);
    const char *prompt = xoe_chat_prompt(chat, &len);
    size_t n_prompt = add(tokens, 0, TOKENS_MAX / 2, prompt, len, true);
    size_t n = add(tokens, n_prompt, most && most < TOKENS_MAX / 2 ? most : TOKENS_MAX / 2, text, strlen(text), false);
    double nats = 0;
    if (n > n_prompt && xoe_engine_score(en, tokens, n, n_prompt, XOE_PRIORITY_BATCH, logprob, NULL, &e) != XOE_OK) die("score", e.msg);
    for (size_t i = 0; i < n - n_prompt; i++)
        nats -= (double)logprob[i];
    xoe_chat_close(chat);
    free(messages);
    json_decref(message);
    return json_pack("{s:O, s:I, s:f}", "id", json_object_get(q, "id"), "n", (json_int_t)(n - n_prompt), "nats", nats);
}

int main(int argc, char **argv)
{
    xoe_engine_opts o = XOE_ENGINE_OPTS_INIT;
    xoe_error e = XOE_ERROR_INIT;
    char *line = NULL;
    size_t cap = 0;
    if (argc != 2) die("usage", "bench_mark_judge MODEL.gguf < texts > judgements");
    o.path = argv[1];
    o.n_slots = 1;
    o.n_ctx_slot = TOKENS_MAX;
    if (xoe_engine_open(&en, &o, &e) != XOE_OK) die(argv[1], e.msg);
    while (getline(&line, &cap, stdin) > 0) {
        json_t *q = json_loads(line, 0, NULL), *out = judge(q);
        if (!out || json_dumpf(out, stdout, JSON_COMPACT | JSON_REAL_PRECISION(9)) || putchar('\n') == EOF || fflush(stdout))
            die("output", "cannot write");
        json_decref(out);
        json_decref(q);
    }
    free(line);
    xoe_engine_close(en);
    return 0;
}
