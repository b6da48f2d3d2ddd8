/* xoe models: what the manifest knows, what is present, getting and checking files. */
#include "cli/cli.h"
#include "cli/modelfile.h"
#include "cli/progress.h"
#include "cli/pull.h"
#include "xoe/engine.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHOICES_MAX = 16 };

typedef struct job {
    const cli_command *cmd;
    const cli_args *a;
    xoe_manifest *m;
    const char *type; /* requantize */
    bool offline;
} job;

static bool is_present(const xoe_config *c, const char *file)
{
    char path[XOE_MODEL_PATH_MAX];
    return file && snprintf(path, sizeof path, "%s/%s", c->models_dir, file) < (int)sizeof path &&
           access(path, R_OK) == 0;
}

static void source_words(const xoe_model *x, char out[64])
{
    static const char *const words[] = {"hub", "pypi", "convert"};
    out[0] = 0;
    for (size_t i = 0; i < x->n_sources; i++) {
        size_t used = strlen(out);
        snprintf(out + used, 64 - used, "%s%s", used ? ", " : "", words[x->sources[i].kind]);
    }
}

static bool is_machine_default(const xoe_manifest *m, const xoe_model *x)
{
    const xoe_model *best[1];
    return xoe_manifest_choices(m, x->purpose, xoe_machine_memory_gb(), xoe_machine_cores(), best, 1) == 1 &&
           best[0] == x;
}

static int list_json(const job *j)
{
    json_t *all = json_array();
    for (size_t i = 0; i < xoe_manifest_count(j->m); i++) {
        const xoe_model *x = xoe_manifest_at(j->m, i);
        json_t *sources = json_array();
        for (size_t k = 0; k < x->n_sources; k++) {
            char text[128];
            cli_source_text(&x->sources[k], text);
            json_array_append_new(sources, json_string(text));
        }
        json_array_append_new(
            all, json_pack("{s:s, s:s, s:s, s:o, s:s, s:s, s:s, s:f, s:i, s:b, s:b, s:o}", "name", x->name,
                           "purpose", x->purpose, "file", x->file, "bytes",
                           x->bytes ? json_integer(x->bytes) : json_null(), "sha256", x->sha256, "licence",
                           x->licence, "licence_note", x->licence_note ? x->licence_note : "", "min_memory_gb",
                           x->min_memory_gb, "min_cores", x->min_cores, "default", (int)is_machine_default(j->m, x),
                           "present", (int)is_present(&j->a->config, x->file), "sources", sources));
    }
    return cli_print_json(json_pack("{s:s, s:o}", "models_dir", j->a->config.models_dir, "models", all));
}

static int list(const job *j)
{
    if (j->a->json) return list_json(j);
    printf("%-30s %-10s %-9s %-11s %-8s %s\n", "name", "purpose", "size", "licence", "present", "source");
    for (size_t i = 0; i < xoe_manifest_count(j->m); i++) {
        const xoe_model *x = xoe_manifest_at(j->m, i);
        char size[24] = "-", source[64], name[80];
        if (x->bytes) cli_format_bytes((double)x->bytes, size);
        source_words(x, source);
        snprintf(name, sizeof name, "%.60s%s", x->name, is_machine_default(j->m, x) ? " *" : "");
        const char *present = !is_present(&j->a->config, x->file)         ? "no"
                              : is_present(&j->a->config, x->derive_file) ? "yes, +"
                                                                          : "yes";
        printf("%-30s %-10s %-9s %-11s %-8s %s\n", name, x->purpose, size, x->licence, present, source);
    }
    printf("\n*  the default for this machine (%.0f GB, %d cores)   +  with a faster copy\nFolder: %s\n",
           xoe_machine_memory_gb(), xoe_machine_cores(), j->a->config.models_dir);
    return cli_finish_output(CLI_DONE);
}

static void report_pulled(const job *j, json_t *all, const xoe_model *x, const cli_pulled *got)
{
    if (j->a->json)
        json_array_append_new(all, json_pack("{s:s, s:s, s:s, s:s, s:b}", "name", x->name, "path", got->path,
                                             "sha256", x->sha256, "source", got->source, "was_present",
                                             (int)got->was_present));
    else
        printf("%s  %s\n", x->name, got->path);
    if (!j->a->quiet && x->licence_note && !got->was_present)
        fprintf(stderr, "%s: licence %s; %s\n", x->name, x->licence, x->licence_note);
}

/* The best default of a purpose that some source has. */
static xoe_err pull_default(const job *j, cli_pull *p, const char *purpose, json_t *all, xoe_error *e)
{
    const xoe_model *choices[CHOICES_MAX];
    cli_pulled got;
    size_t n = xoe_manifest_choices(j->m, purpose, xoe_machine_memory_gb(), xoe_machine_cores(), choices, CHOICES_MAX);
    xoe_err rc = XOE_OK;
    for (size_t i = 0; i < n; i++) {
        rc = cli_pull_model(p, choices[i], &got, e);
        if (!rc) report_pulled(j, all, choices[i], &got);
        if (!rc || rc == XOE_EBUSY || rc == XOE_EIO) return rc;
        if (i + 1 < n && !j->a->quiet)
            fprintf(stderr, "%s cannot be had (%s); taking the next smaller default\n", choices[i]->name, e->msg);
    }
    return rc;
}

static int unknown_model(const job *j, const char *name)
{
    char path[XOE_MODEL_PATH_MAX];
    xoe_error e = XOE_ERROR_INIT;
    if (xoe_manifest_find(&j->a->config, name, path, &e)) return cli_fail(&e);
    cli_complain("%.60s is a file of your own; the manifest does not know it", name);
    return CLI_FAILED;
}

static int pull(const job *j)
{
    cli_pull p = {.config = &j->a->config, .quiet = j->a->quiet, .offline = j->offline};
    xoe_error e = XOE_ERROR_INIT;
    json_t *all = json_array();
    int failed = 0;
    for (int i = 1; i < j->a->n_operands; i++) {
        cli_pulled got;
        const xoe_model *x = xoe_manifest_lookup(j->m, j->a->operands[i]);
        if (!x) {
            failed += unknown_model(j, j->a->operands[i]) != CLI_DONE;
        } else if (cli_pull_model(&p, x, &got, &e)) {
            cli_complain("%s: %s", x->name, e.msg);
            failed++;
        } else {
            report_pulled(j, all, x, &got);
        }
    }
    static const char *const purposes[] = {"llm", "embedding"};
    for (size_t i = 0; j->a->n_operands == 1 && i < 2; i++)
        if (pull_default(j, &p, purposes[i], all, &e)) {
            cli_complain("no %s model: %s", i ? "embedding" : "chat", e.msg);
            failed++;
        }
    if (j->a->json)
        failed += cli_print_json(json_pack("{s:o}", "models", all)) != CLI_DONE;
    else
        json_decref(all);
    return cli_finish_output(failed ? CLI_FAILED : CLI_DONE);
}

/* One file against a hash; hash NULL: none is known beforehand, only that it can be read. */
static int verify_file(const job *j, json_t *all, const char *file, const char *want)
{
    char path[XOE_MODEL_PATH_MAX], hash[XOE_SHA256_HEX], before[XOE_SHA256_HEX];
    xoe_error e = XOE_ERROR_INIT;
    if (snprintf(path, sizeof path, "%s/%s", j->a->config.models_dir, file) >= (int)sizeof path) return 1;
    if (!want && cli_model_hash_known(path, before)) want = before;
    if (cli_model_hash(path, file, true, j->a->quiet, hash, &e)) {
        cli_complain("%s%s", e.msg, e.code == XOE_ENOTFOUND ? "; get it with: xoe models pull" : "");
        return 1;
    }
    bool right = !want || !strcmp(hash, want);
    if (!j->a->json)
        printf("%-8s %s%s\n", right ? "ok" : "WRONG", file, right ? "" : ": run `xoe models pull` to replace it");
    json_array_append_new(all, json_pack("{s:s, s:s, s:b}", "file", file, "sha256", hash, "ok", (int)right));
    return !right;
}

static int verify(const job *j)
{
    json_t *all = json_array();
    int failed = 0;
    for (size_t i = 0; i < xoe_manifest_count(j->m); i++) {
        const xoe_model *x = xoe_manifest_at(j->m, i);
        bool asked = j->a->n_operands == 1;
        for (int k = 1; k < j->a->n_operands; k++)
            asked = asked || xoe_manifest_lookup(j->m, j->a->operands[k]) == x;
        if (asked && (j->a->n_operands > 1 || is_present(&j->a->config, x->file)))
            failed += verify_file(j, all, x->file, x->sha256);
        if (asked && x->derive_file && is_present(&j->a->config, x->derive_file))
            failed += verify_file(j, all, x->derive_file, NULL);
    }
    for (int k = 1; k < j->a->n_operands; k++)
        if (!xoe_manifest_lookup(j->m, j->a->operands[k]))
            failed += unknown_model(j, j->a->operands[k]) != CLI_DONE;
    if (!j->a->json && !json_array_size(all) && !failed) printf("no model of the manifest is present\n");
    if (j->a->json)
        failed += cli_print_json(json_pack("{s:o}", "files", all)) != CLI_DONE;
    else
        json_decref(all);
    return cli_finish_output(failed ? CLI_FAILED : CLI_DONE);
}

static int requantize(const job *j)
{
    char in[XOE_MODEL_PATH_MAX], out[XOE_MODEL_PATH_MAX];
    xoe_error e = XOE_ERROR_INIT;
    const char *type = j->type ? j->type : "q8_0";
    if (j->a->n_operands < 2 || j->a->n_operands > 3)
        return cli_misuse(j->cmd, "models requantize: say which model, and the new file if it has a place of its own");
    if (xoe_manifest_find(&j->a->config, j->a->operands[1], in, &e)) return cli_fail(&e);
    size_t stem = strlen(in);
    if (stem > 5 && !strcasecmp(in + stem - 5, ".gguf")) stem -= 5;
    int n = j->a->n_operands == 3 ? snprintf(out, sizeof out, "%s", j->a->operands[2])
                                  : snprintf(out, sizeof out, "%.*s.%s.gguf", (int)stem, in, type);
    if (n >= (int)sizeof out) {
        cli_complain("the path of the new file is too long");
        return CLI_FAILED;
    }
    if (access(out, F_OK) == 0) {
        cli_complain("%s exists; name another file, or remove it first", out);
        return CLI_FAILED;
    }
    if (xoe_model_requantize(in, out, type, &e)) return cli_fail(&e);
    if (j->a->json) return cli_print_json(json_pack("{s:s, s:s, s:s}", "from", in, "path", out, "type", type));
    printf("%s\n", out);
    return cli_finish_output(CLI_DONE);
}

int cmd_models(const cli_command *cmd, int argc, char **argv)
{
    job j = {.cmd = cmd};
    const cli_option own[] = {
        {"type", "TYPE", "requantize: q8_0, q4_0, q4_k_m or f16 [q8_0]", &j.type, NULL},
        {"offline", NULL, "pull: use no network, only check what is present", NULL, &j.offline},
    };
    static const struct {
        const char *name;
        int (*run)(const job *);
    } verbs[] = {{"list", list}, {"pull", pull}, {"verify", verify}, {"requantize", requantize}};
    cli_args a;
    xoe_error e = XOE_ERROR_INIT;
    int rc = cli_parse(&a, cmd, own, sizeof own / sizeof *own, argc, argv);
    if (rc != CLI_GO_ON) return rc;
    j.a = &a;
    rc = CLI_WRONG_USE;
    size_t v = 0;
    while (a.n_operands && v < 4 && strcmp(verbs[v].name, a.operands[0]))
        v++;
    if (!a.n_operands)
        cli_misuse(cmd, "models: say what to do: list, pull, verify or requantize");
    else if (v == 4)
        cli_misuse(cmd, "models: \"%.30s\" is none of list, pull, verify, requantize", a.operands[0]);
    else if (xoe_manifest_open(&j.m, &e))
        rc = cli_fail(&e);
    else
        rc = verbs[v].run(&j);
    xoe_manifest_close(j.m);
    cli_args_free(&a);
    return rc;
}
