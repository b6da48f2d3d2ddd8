/* `xoe detect --scheme`: text that the writers of other programs made of a real vocabulary (SmolLM2's) is
 * found by the command, as text, through the tokenizer. Fails, not skips, without the model. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <ctype.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../modelpath.h"
#include "base/buf.h"
#include "base/rng.h"
#include "base/text.h"
#include "cli/cli.h"
#include "flow/named_scheme.h"
#include "xoe/engine.h"

enum { N_TOKENS = 220, N_CANDS = 24, MAX_WORDS = 4000 };

static char folder[] = "/tmp/xoe-scheme-XXXXXX", model[MODEL_PATH_BYTES], text_path[128], out_path[128], key_path[128];
static xoe_engine *en;
static int n_vocab;
static int32_t words[MAX_WORDS]; /* tokens that stay themselves when text is tokenized again */
static size_t n_words;

static bool stays(int32_t id)
{
    char piece[64];
    int32_t *t;
    size_t n = xoe_engine_token_bytes(en, id, false, piece, sizeof piece), got = 0;
    if (n < 4 || n > 12 || piece[0] != ' ') return false;
    for (size_t i = 1; i < n; i++)
        if (!islower((unsigned char)piece[i])) return false;
    if (xoe_engine_tokenize(en, piece, n, false, false, &t, &got, NULL) != XOE_OK) return false;
    bool same = got == 1 && t[0] == id;
    xoe_tokens_free(t);
    return same;
}

static int setup(void **s)
{
    (void)s;
    xoe_engine_opts o = XOE_ENGINE_OPTS_INIT;
    xoe_engine_info info;
    xoe_error e = XOE_ERROR_INIT;
    if (!mkdtemp(folder)) return -1;
    model_path(model, "SmolLM2-135M-Instruct.Q4_1.gguf");
    snprintf(text_path, sizeof text_path, "%s/text", folder);
    snprintf(out_path, sizeof out_path, "%s/out", folder);
    snprintf(key_path, sizeof key_path, "%s/key", folder);
    o.path = model;
    o.vocab_only = true;
    if (xoe_engine_open(&en, &o, &e) != XOE_OK) {
        print_error("%s; pull it with: xoe models pull smollm2-135m-instruct\n", e.msg);
        return -1;
    }
    xoe_engine_get_info(en, &info);
    n_vocab = info.n_vocab;
    for (int32_t id = 0; id < n_vocab && n_words < MAX_WORDS; id++)
        if (stays(id)) words[n_words++] = id;
    return n_words == MAX_WORDS ? 0 : -1;
}

static int teardown(void **s)
{
    (void)s;
    char keys[128];
    xoe_engine_close(en);
    for (const char *const *f = (const char *const[]){"keys.json", "keys.lock", "text", "out", "key", NULL}; *f; f++) {
        snprintf(keys, sizeof keys, "%s/%s", folder, *f);
        unlink(keys);
    }
    return rmdir(folder);
}

static void save(const char *path, const void *p, size_t n)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(p, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

/* The command's exit status, its standard output in out_path. In a child, as a user runs it. */
static int detect(const char *scheme, const char *key, const char *option, const char *value, json_t **out)
{
    char *argv[] = {(char *)"--json", (char *)"--quiet", (char *)"--data", folder, (char *)"--scheme", (char *)scheme, (char *)"--key",
                    (char *)key, (char *)"--tokenizer", model, text_path, (char *)option, (char *)value};
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (!freopen(out_path, "w", stdout)) _exit(99);
        const cli_command *cmd = cli_command_find("detect");
        int rc = cmd->run(cmd, option ? 13 : 11, argv);
        fflush(NULL);
        _exit(rc);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    *out = json_load_file(out_path, 0, NULL);
    return WEXITSTATUS(status);
}

/* Write text with the peer's own writer and candidates of a toy model, and save it. */
static void write_text(const xoe_interop_params *params)
{
    xoe_interop *h;
    xoe_rng r, free_choice;
    xoe_cand c[N_CANDS];
    int32_t answer[N_TOKENS];
    xoe_buf text;
    xoe_error e = XOE_ERROR_INIT;
    if (xoe_interop_open(&h, params, &e) != XOE_OK) fail_msg("%s", e.msg);
    xoe_rng_seed(&r, 21);
    xoe_rng_seed(&free_choice, 22);
    xoe_buf_init(&text, 1 << 16);
    for (size_t at = 0; at < N_TOKENS; at++) {
        xoe_pick pick;
        char piece[64];
        for (int i = 0; i < N_CANDS; i++)
            c[i] = (xoe_cand){words[xoe_rng_below(&r, MAX_WORDS)], 1.0f / N_CANDS};
        assert_int_equal(
            xoe_interop_pick(h, c, N_CANDS, answer, at, (double (*)(void *))xoe_rng_uniform, &free_choice, &pick, NULL, &e), XOE_OK);
        answer[at] = c[pick.index].id;
        xoe_buf_add(&text, piece, xoe_engine_token_bytes(en, answer[at], false, piece, sizeof piece));
    }
    save(text_path, text.data, text.len);
    xoe_buf_free(&text);
    xoe_interop_close(h);
}

static void expect(const char *scheme, const char *key, const char *option, const char *value, bool detected, double log10_p)
{
    json_t *j;
    assert_int_equal(detect(scheme, key, option, value, &j), CLI_DONE);
    assert_non_null(j);
    assert_string_equal(json_string_value(json_object_get(j, "method")), scheme);
    if (json_is_true(json_object_get(j, "detected")) != detected) fail_msg("%s with key %s: wrong verdict", scheme, key);
    if (detected && !(json_number_value(json_object_get(j, "log10_p")) < log10_p))
        fail_msg("%s: log10 p is only %g", scheme, json_number_value(json_object_get(j, "log10_p")));
    assert_true(json_is_null(json_object_get(j, "key_id")));
    assert_true(json_is_string(json_object_get(j, "weak_key_note")) == (xoe_named_scheme_origin(scheme)[0] != 0));
    json_decref(j);
}

static void test_every_peer(void **s)
{
    (void)s;
    for (int k = 0; k < XOE_INTEROP_KINDS; k++) {
        xoe_interop_params p = {.kind = (xoe_interop_kind)k, .key = 4242, .n_vocab = n_vocab, .delta = 6};
        const char *name = xoe_interop_name(p.kind), *key = "4242", *other = "4243";
        bool two_keys = k == XOE_INTEROP_TEXTSEAL_DUAL || k == XOE_INTEROP_SGLANG_DUAL;
        if (two_keys) p.key_b = 99;
        if (k == XOE_INTEROP_HF_SYNTHID) {
            for (int i = 0; i < 4; i++)
                p.keys[i] = 10 + i;
            p.depth = 4;
            key = "10,11,12,13";
            other = "20,21,22,23";
        }
        write_text(&p);
        expect(name, key, two_keys ? "--key-b" : NULL, "99", true, -4);
        expect(name, other, two_keys ? "--key-b" : NULL, "100", false, 0);
    }
}

static void test_own_scheme_with_a_key_of_its_own(void **s)
{
    (void)s;
    uint8_t key[XOE_MARK_KEY_BYTES] = {7, 8, 9};
    char hex[2 * XOE_MARK_KEY_BYTES + 2], at[160];
    xoe_mark_params p = {.scheme = XOE_SCHEME_GUMBEL, .width = 2, .n_shifts = 1};
    xoe_marker *m;
    xoe_rng r, free_choice;
    xoe_cand c[N_CANDS];
    int32_t answer[N_TOKENS];
    xoe_buf text;
    assert_int_equal(xoe_marker_open(&m, &p, key, 0, 0, NULL), XOE_OK);
    xoe_rng_seed(&r, 1);
    xoe_rng_seed(&free_choice, 2);
    xoe_buf_init(&text, 1 << 16);
    for (size_t i = 0; i < N_TOKENS; i++) {
        xoe_pick pick;
        char piece[64];
        for (int k = 0; k < N_CANDS; k++)
            c[k] = (xoe_cand){words[xoe_rng_below(&r, MAX_WORDS)], 1.0f / N_CANDS};
        xoe_marker_pick(m, c, N_CANDS, answer, i, (double (*)(void *))xoe_rng_uniform, &free_choice, &pick);
        answer[i] = c[pick.index].id;
        xoe_buf_add(&text, piece, xoe_engine_token_bytes(en, answer[i], false, piece, sizeof piece));
    }
    xoe_marker_close(m);
    save(text_path, text.data, text.len);
    xoe_buf_free(&text);
    xoe_hex(key, sizeof key, hex);
    strcat(hex, "\n");
    save(key_path, hex, strlen(hex));
    snprintf(at, sizeof at, "@%s", key_path);
    expect("gumbel", at, "--width", "2", true, -40);
    expect("gumbel", at, "--width", "3", false, 0);
    expect("green", at, NULL, NULL, false, 0);
}

static void test_wrong_use(void **s)
{
    (void)s;
    json_t *j;
    char nowhere[160];
    save(text_path, "some text", 9);
    snprintf(nowhere, sizeof nowhere, "@%s/none", folder);
    assert_int_equal(detect("nothing", "1", NULL, NULL, &j), CLI_WRONG_USE);
    assert_int_equal(detect("vllm-gumbel", "x", NULL, NULL, &j), CLI_WRONG_USE);
    assert_int_equal(detect("vllm-gumbel", "1", "--gamma", "0.5", &j), CLI_WRONG_USE);
    assert_int_equal(detect("vllm-gumbel", "1", "--width", "0", &j), CLI_WRONG_USE);
    assert_int_equal(detect("textseal-dual-key", "1", NULL, NULL, &j), CLI_FAILED); /* no second key */
    assert_int_equal(detect("vllm-gumbel", nowhere, NULL, NULL, &j), CLI_FAILED);
    save(key_path, " \n", 2);
    snprintf(nowhere, sizeof nowhere, "@%s", key_path);
    assert_int_equal(detect("vllm-gumbel", nowhere, NULL, NULL, &j), CLI_FAILED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_peer),
        cmocka_unit_test(test_own_scheme_with_a_key_of_its_own),
        cmocka_unit_test(test_wrong_use),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
