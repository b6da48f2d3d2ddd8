/* Text in, verdict out: bytes a second of processor time, whole and by part, as JSON on standard output.
 *
 * The text on standard input is read in pieces of PIECE bytes, cut at spaces, as if each were a document;
 * one key with 4 shifts. Parts: canonical form, tokenizer, detection of the tokens; what the whole takes
 * beyond them is the second reading of wrapped text, the keyring and the places of tokens. Three samples of
 * each, in turns. Usage: bench_mark_text_speed MODEL.gguf DATA KEY [PIECE] < text
 *
 * Threads: one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/mem.h"
#include "flow/canon.h"
#include "flow/detect.h"

enum { SAMPLES = 3, TEXT_MAX = 64 << 20 };

enum part { WHOLE, SPANS, CANON, TOKENIZE, DETECT, PARTS };
static const char *const names[PARTS] = {"text in, verdict out", "the same with spans", "canonical form", "tokenizer", "detection of tokens"};

static xoe_engine *en;
static xoe_keyring *ring;
static xoe_key key;

static void die(const char *what, const char *why)
{
    fprintf(stderr, "bench_mark_text_speed: %s: %s\n", what, why);
    exit(1);
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Runs one part on one piece; returns what it took. */
static double run(enum part part, const char *text, size_t n)
{
    xoe_error e = XOE_ERROR_INIT;
    const char *id = key.id;
    xoe_text_detect_opts o = {.spans = part == SPANS, .key_ids = &id, .n_key_ids = 1};
    xoe_text_verdict tv;
    xoe_verdict v;
    xoe_canon canon = {0};
    int32_t *tokens = NULL;
    size_t n_tokens = 0;
    if (part == TOKENIZE || part == DETECT)
        if (xoe_engine_tokenize(en, text, n, false, false, &tokens, &n_tokens, &e) != XOE_OK) die("tokenize", e.msg);
    double start = seconds();
    xoe_err rc = XOE_OK;
    switch (part) {
    case WHOLE:
    case SPANS: rc = xoe_detect_text(en, ring, text, n, &o, &tv, &e); break;
    case CANON: rc = xoe_canon_make(&canon, text, n, &e); break;
    case TOKENIZE:
        xoe_tokens_free(tokens);
        rc = xoe_engine_tokenize(en, text, n, false, false, &tokens, &n_tokens, &e);
        break;
    default: rc = xoe_detect_tokens(&key.params, (const uint8_t(*)[XOE_MARK_KEY_BYTES])&key.bytes, 1, tokens, n_tokens, NULL, &v, &e);
    }
    double took = seconds() - start;
    if (rc != XOE_OK) die(names[part], e.msg);
    if (part == WHOLE || part == SPANS) xoe_text_verdict_clear(&tv);
    if (part == DETECT) xoe_verdict_clear(&v);
    xoe_canon_clear(&canon);
    xoe_tokens_free(tokens);
    return took;
}

static double rate(enum part part, const xoe_buf *text, size_t piece)
{
    double took = 0;
    for (size_t at = 0, n; at < text->len; at += n) {
        n = text->len - at < piece ? text->len - at : piece;
        while (at + n < text->len && n > 1 && text->data[at + n] != ' ')
            n--;
        took += run(part, text->data + at, n);
    }
    return (double)text->len / took * 1e-6;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    xoe_engine_opts o = XOE_ENGINE_OPTS_INIT;
    xoe_error e = XOE_ERROR_INIT;
    xoe_buf text;
    double v[PARTS][SAMPLES];
    if (argc < 4) die("usage", "bench_mark_text_speed MODEL.gguf DATA KEY [PIECE] < text");
    size_t piece = argc > 4 ? strtoul(argv[4], NULL, 10) : 16384;
    if (piece < 100) die("usage", "a piece has at least 100 bytes");
    o.path = argv[1];
    o.vocab_only = true;
    xoe_buf_init(&text, TEXT_MAX);
    if (xoe_engine_open(&en, &o, &e) != XOE_OK) die(argv[1], e.msg);
    if (xoe_keyring_open(&ring, argv[2], &e) != XOE_OK) die(argv[2], e.msg);
    if (xoe_keyring_get(ring, argv[3], &key, &e) != XOE_OK) die(argv[3], e.msg);
    if (xoe_file_read("-", &text, &e) != XOE_OK) die("text", e.msg);
    for (int s = 0; s < SAMPLES; s++)
        for (int p = 0; p < PARTS; p++)
            v[p][s] = rate((enum part)p, &text, piece);
    printf("{\"bytes\": %zu, \"piece\": %zu, \"unit\": \"MB/s\", \"results\": [\n", text.len, piece);
    for (int p = 0; p < PARTS; p++) {
        printf("  {\"name\": \"%s\", \"samples\": [%.4g, %.4g, %.4g], ", names[p], v[p][0], v[p][1], v[p][2]);
        qsort(v[p], SAMPLES, sizeof v[p][0], compare);
        printf("\"median\": %.4g}%s\n", v[p][1], p + 1 < PARTS ? "," : "");
    }
    printf("]}\n");
    xoe_buf_free(&text);
    xoe_keyring_close(ring);
    xoe_engine_close(en);
    return 0;
}
