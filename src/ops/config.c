/* Configuration: everything here is made from XOE_CONFIG_TABLE, so that a new setting is one line there
 * (and one in `limits` when its values are bounded).
 *
 * Why values are checked where they are set and not at the end: only there it is known which place
 * (file, environment, flag) a wrong value came from, and the message must say so. What needs several
 * values together (a public address needs a key) is checked by xoe_config_finish.
 * Invariants: every STR and SECRET is a string of its own, never NULL, after xoe_config_load.
 * Threads: a xoe_config has one owner until xoe_config_finish; then it is only read. */
#include "ops/config.h"
#include "base/file.h"
#include "base/mem.h"
#include "ops/suggest.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <pwd.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FILE_MAX = 1 << 20, PATH_LEN = 4096 };

typedef enum kind { K_STR, K_SECRET, K_INT, K_NUM, K_BOOL } kind;

#define DEFAULT_STR(def) .def_s = (def)
#define DEFAULT_SECRET(def) .def_s = (def)
#define DEFAULT_INT(def) .def_i = (def)
#define DEFAULT_NUM(def) .def_n = (def)
#define DEFAULT_BOOL(def) .def_b = (def)

typedef struct setting {
    kind k;
    const char *name; /* as in the file: "max_body_bytes" */
    size_t at;        /* offset in xoe_config */
    const char *help;
    const char *def_s;
    int64_t def_i;
    double def_n;
    bool def_b;
} setting;

static const setting settings[] = {
#define ROW(type, field, def, text)                                                                \
    {.k = K_##type, .name = #field, .at = offsetof(xoe_config, field), .help = text,               \
     DEFAULT_##type(def)},
    XOE_CONFIG_TABLE(ROW)
#undef ROW
};
enum { N_SETTINGS = sizeof settings / sizeof settings[0] };

/* Numbers must lie in [min, max]; a text must be one of choices ("a|b|c"). */
static const struct limit {
    const char *name;
    double min, max;
    const char *choices;
} limits[] = {
    {"port", 0, 65535, NULL},
    {"slots", 1, 256, NULL},
    {"max_models", 1, 16, NULL},
    {"ctx", 128, 1048576, NULL},
    {"threads", 0, 1024, NULL},
    {"queue", 0, 65536, NULL},
    {"max_body_bytes", 1024, 1073741824, NULL},
    {"request_timeout_s", 1, 86400, NULL},
    {"rate_per_minute", 0, 1000000, NULL},
    {"detect_rate_per_minute", 0, 1000000, NULL},
    {"auth_failures_per_minute", 0, 1000000, NULL},
    {"idle_timeout_s", 1, 86400, NULL},
    {"write_timeout_s", 1, 86400, NULL},
    {"fpr", 1e-15, 0.5, NULL},
    {"watermax_drafts", 2, 16, NULL},
    {"watermax_piece", 1, 256, NULL},
    {"watermark", 0, 0, "generate|rephrase|off"},
    {"log_level", 0, 0, "debug|info|warn|error|off"},
};

static const struct limit *limit_of(const setting *s)
{
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++)
        if (!strcmp(limits[i].name, s->name)) return &limits[i];
    return NULL;
}

/* "max-body-bytes" and "max_body_bytes" are the same setting. */
static const setting *setting_of(const char *name)
{
    for (size_t i = 0; i < N_SETTINGS; i++) {
        const char *a = settings[i].name, *b = name;
        while (*a && (*a == *b || (*a == '_' && *b == '-')))
            a++, b++;
        if (!*a && !*b) return &settings[i];
    }
    return NULL;
}

static void flag_name(const setting *s, char out[64])
{
    size_t i = 0;
    for (; s->name[i] && i < 63; i++)
        out[i] = s->name[i] == '_' ? '-' : s->name[i];
    out[i] = 0;
}

static void env_name(const setting *s, char out[64])
{
    size_t n = (size_t)snprintf(out, 64, "XOE_%s", s->name);
    for (size_t i = 4; i < n && i < 63; i++)
        if (out[i] >= 'a' && out[i] <= 'z') out[i] = (char)(out[i] - 'a' + 'A');
}

static void *field(xoe_config *c, const setting *s)
{
    return (char *)c + s->at;
}

static xoe_err set_text(xoe_config *c, const setting *s, const char *value, xoe_error *e)
{
    char **slot = field(c, s);
    char *copy = xoe_strdup(value);
    if (!copy) return xoe_error_set(e, XOE_ENOMEM, "no memory for the configuration");
    if (*slot && s->k == K_SECRET) xoe_zero(*slot, strlen(*slot));
    xoe_free(*slot);
    *slot = copy;
    return XOE_OK;
}

static bool is_choice(const char *choices, const char *value)
{
    size_t n = strlen(value);
    for (const char *p = choices; p; p = strchr(p, '|')) {
        if (*p == '|') p++;
        if (!strncmp(p, value, n) && (p[n] == '|' || !p[n]) && n) return true;
    }
    return false;
}

static xoe_err set_number(xoe_config *c, const setting *s, const char *value, const char *place,
                          xoe_error *e)
{
    const struct limit *l = limit_of(s);
    char *end;
    errno = 0;
    if (s->k == K_INT) {
        long long v = strtoll(value, &end, 10);
        if (end == value || *end || *value == ' ')
            return xoe_error_set(e, XOE_EINVAL, "%s: \"%.40s\" is not a whole number (from %s)", s->name,
                                 value, place);
        if (errno || (l && ((double)v < l->min || (double)v > l->max)))
            return xoe_error_set(e, XOE_EINVAL, "%s: %.40s is not between %.0f and %.0f (from %s)",
                                 s->name, value, l ? l->min : -9.2e18, l ? l->max : 9.2e18, place);
        *(int64_t *)field(c, s) = v;
        return XOE_OK;
    }
    double v = strtod(value, &end);
    if (end == value || *end || !isfinite(v) || *value == ' ')
        return xoe_error_set(e, XOE_EINVAL, "%s: \"%.40s\" is not a number (from %s)", s->name, value, place);
    if (l && (v < l->min || v > l->max))
        return xoe_error_set(e, XOE_EINVAL, "%s: %.40s is not between %g and %g (from %s)", s->name, value,
                             l->min, l->max, place);
    *(double *)field(c, s) = v;
    return XOE_OK;
}

static xoe_err set_bool(xoe_config *c, const setting *s, const char *value, const char *place,
                        xoe_error *e)
{
    static const char *const yes[] = {"true", "1", "yes", "on"}, *const no[] = {"false", "0", "no", "off"};
    for (size_t i = 0; i < 4; i++) {
        if (!strcasecmp(value, yes[i]) || !strcasecmp(value, no[i])) {
            *(bool *)field(c, s) = !strcasecmp(value, yes[i]);
            return XOE_OK;
        }
    }
    return xoe_error_set(e, XOE_EINVAL, "%s: \"%.40s\" is neither true nor false (from %s)", s->name, value,
                         place);
}

static xoe_err set_value(xoe_config *c, const setting *s, const char *value, const char *place,
                         xoe_error *e)
{
    const struct limit *l = limit_of(s);
    switch (s->k) {
    case K_INT:
    case K_NUM:
        return set_number(c, s, value, place, e);
    case K_BOOL:
        return set_bool(c, s, value, place, e);
    case K_STR:
        if (l && !is_choice(l->choices, value))
            return xoe_error_set(e, XOE_EINVAL, "%s: \"%.40s\" is not one of %s (from %s)", s->name, value,
                                 l->choices, place);
        break;
    case K_SECRET:
        if (strpbrk(value, "\r\n"))
            return xoe_error_set(e, XOE_EINVAL, "%s: holds a line break (from %s)", s->name, place);
        break;
    }
    return set_text(c, s, value, e);
}

static xoe_err unknown(const char *name, const char *place, bool is_flag, xoe_error *e)
{
    char flags[N_SETTINGS][64];
    const char *names[N_SETTINGS], *dashes = is_flag ? "--" : "";
    for (size_t i = 0; i < N_SETTINGS; i++) {
        flag_name(&settings[i], flags[i]);
        names[i] = is_flag ? flags[i] : settings[i].name;
    }
    const char *near = xoe_suggest(name, names, N_SETTINGS);
    if (near)
        return xoe_error_set(e, XOE_ENOTFOUND, "no setting \"%s%.60s\" (in %s); did you mean \"%s%s\"?",
                             dashes, name, place, dashes, near);
    return xoe_error_set(e, XOE_ENOTFOUND, "no setting \"%s%.60s\" (in %s); docs/configuration.md lists them",
                         dashes, name, place);
}

xoe_err xoe_config_set(xoe_config *c, const char *name, const char *value, const char *place, xoe_error *e)
{
    const setting *s = setting_of(name);
    if (!s) return unknown(name, place, true, e);
    return set_value(c, s, value, place, e);
}

bool xoe_config_is_flag(const char *name, bool *takes_value)
{
    const setting *s = setting_of(name);
    if (s && takes_value) *takes_value = s->k != K_BOOL;
    return s != NULL;
}

bool xoe_config_flag_at(size_t i, char name[64])
{
    if (i >= N_SETTINGS) return false;
    flag_name(&settings[i], name);
    return true;
}

/* A value of the file as the text that set_value takes. */
static xoe_err set_json(xoe_config *c, const setting *s, const json_t *v, const char *place, xoe_error *e)
{
    char text[64];
    const char *want = NULL;
    switch (s->k) {
    case K_STR:
    case K_SECRET:
        if (json_is_string(v)) return set_value(c, s, json_string_value(v), place, e);
        want = "a text in quotes";
        break;
    case K_INT:
        snprintf(text, sizeof text, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
        if (json_is_integer(v)) return set_value(c, s, text, place, e);
        want = "a whole number";
        break;
    case K_NUM:
        snprintf(text, sizeof text, "%.17g", json_number_value(v));
        if (json_is_number(v)) return set_value(c, s, text, place, e);
        want = "a number";
        break;
    case K_BOOL:
        if (json_is_boolean(v)) return set_value(c, s, json_is_true(v) ? "true" : "false", place, e);
        want = "true or false";
        break;
    }
    return xoe_error_set(e, XOE_EINVAL, "%s: must be %s (from %s)", s->name, want, place);
}

static xoe_err load_file(xoe_config *c, const char *path, bool must_exist, xoe_error *e)
{
    xoe_buf text;
    json_t *root = NULL;
    json_error_t bad;
    const char *key;
    json_t *value;
    char place[160];
    xoe_buf_init(&text, FILE_MAX);
    xoe_err rc = xoe_file_read(path, &text, e);
    if (rc == XOE_ENOTFOUND && !must_exist) rc = XOE_OK;
    if (rc || !text.len) goto out;
    root = json_loadb(text.data, text.len, JSON_REJECT_DUPLICATES, &bad);
    if (!root) {
        rc = xoe_error_set(e, XOE_EFORMAT, "%.100s: line %d: %.80s", path, bad.line, bad.text);
        goto out;
    }
    if (!json_is_object(root)) {
        rc = xoe_error_set(e, XOE_EFORMAT, "%.100s: must hold one JSON object, {\"port\": 8080, …}", path);
        goto out;
    }
    snprintf(place, sizeof place, "file %.150s", path);
    json_object_foreach(root, key, value)
    {
        const setting *s = setting_of(key);
        rc = s ? set_json(c, s, value, place, e) : unknown(key, place, false, e);
        if (rc) break;
    }
out:
    if (text.data) xoe_zero(text.data, text.len); /* it may hold the API key */
    xoe_buf_free(&text);
    json_decref(root);
    return rc;
}

static const char *home_folder(void)
{
    const char *home = getenv("HOME");
    if (home && *home) return home;
    const struct passwd *pw = getpwuid(getuid());
    return pw && pw->pw_dir ? pw->pw_dir : "/";
}

static void default_data(char out[PATH_LEN])
{
    const char *xdg = getenv("XDG_DATA_HOME");
    if (xdg && xdg[0] == '/')
        snprintf(out, PATH_LEN, "%s/xoe", xdg);
    else
        snprintf(out, PATH_LEN, "%s/.local/share/xoe", home_folder());
}

/* Replace an empty value by a default and "~/" by the home folder. */
static xoe_err resolve_path(char **slot, const char *def, xoe_error *e)
{
    char path[PATH_LEN];
    const char *v = *slot;
    int n = !*v                       ? snprintf(path, sizeof path, "%s", def)
            : v[0] == '~' && v[1] == '/' ? snprintf(path, sizeof path, "%s%s", home_folder(), v + 1)
                                      : snprintf(path, sizeof path, "%s", v);
    if (n < 0 || n >= (int)sizeof path) return xoe_error_set(e, XOE_EINVAL, "the path %.60s… is too long", v);
    while (n > 1 && path[n - 1] == '/')
        path[--n] = 0;
    char *copy = xoe_strdup(path);
    if (!copy) return xoe_error_set(e, XOE_ENOMEM, "no memory for the configuration");
    xoe_free(*slot);
    *slot = copy;
    return XOE_OK;
}

xoe_err xoe_config_load(xoe_config *c, const char *file, xoe_error *e)
{
    xoe_err rc = XOE_OK;
    memset(c, 0, sizeof *c);
    for (size_t i = 0; i < N_SETTINGS && !rc; i++) {
        const setting *s = &settings[i];
        switch (s->k) {
        case K_STR:
        case K_SECRET:
            rc = set_text(c, s, s->def_s, e);
            break;
        case K_INT:
            *(int64_t *)field(c, s) = s->def_i;
            break;
        case K_NUM:
            *(double *)field(c, s) = s->def_n;
            break;
        case K_BOOL:
            *(bool *)field(c, s) = s->def_b;
            break;
        }
    }
    if (!rc && file) {
        rc = load_file(c, file, true, e);
    } else if (!rc) {
        char folder[PATH_LEN], path[PATH_LEN + 16];
        const char *env = getenv("XOE_DATA");
        if (env && *env)
            snprintf(folder, sizeof folder, "%s", env);
        else
            default_data(folder);
        snprintf(path, sizeof path, "%s/config.json", folder);
        rc = load_file(c, path, false, e);
    }
    for (size_t i = 0; i < N_SETTINGS && !rc; i++) {
        char env[64], place[80];
        env_name(&settings[i], env);
        const char *v = getenv(env);
        if (!v || !*v) continue;
        snprintf(place, sizeof place, "environment %s", env);
        rc = set_value(c, &settings[i], v, place, e);
    }
    if (rc) xoe_config_free(c);
    return rc;
}

static bool is_loopback(const char *host)
{
    struct in_addr a4;
    struct in6_addr a6;
    if (!strcmp(host, "localhost")) return true;
    if (inet_pton(AF_INET, host, &a4) == 1) return ntohl(a4.s_addr) >> 24 == 127;
    if (inet_pton(AF_INET6, host, &a6) == 1) return IN6_IS_ADDR_LOOPBACK(&a6);
    return false;
}

xoe_err xoe_config_finish(xoe_config *c, xoe_error *e)
{
    char def[PATH_LEN];
    xoe_err rc;
    default_data(def);
    if ((rc = resolve_path(&c->data, def, e))) return rc;
    if (strlen(c->data) + 8 >= sizeof def) return xoe_error_set(e, XOE_EINVAL, "data: the path is too long");
    snprintf(def, sizeof def, "%.4000s/models", c->data);
    if ((rc = resolve_path(&c->models_dir, def, e))) return rc;
    if (!is_loopback(c->host) && !*c->api_key)
        return xoe_error_set(e, XOE_EPERM,
                             "host: %.60s can be reached by others, so an API key is needed: set XOE_API_KEY "
                             "or api_key in the file, or keep to 127.0.0.1",
                             c->host);
    if (c->enforce && !strcmp(c->watermark, "off"))
        return xoe_error_set(e, XOE_EINVAL, "watermark: \"off\" contradicts enforce; drop one of the two");
    return XOE_OK;
}

void xoe_config_free(xoe_config *c)
{
    for (size_t i = 0; i < N_SETTINGS; i++) {
        const setting *s = &settings[i];
        if (s->k != K_STR && s->k != K_SECRET) continue;
        char **slot = field(c, s);
        if (*slot && s->k == K_SECRET) xoe_zero(*slot, strlen(*slot));
        xoe_free(*slot);
        *slot = NULL;
    }
}

static void default_text(const setting *s, char out[64])
{
    switch (s->k) {
    case K_STR:
    case K_SECRET:
        snprintf(out, 64, "%s", s->def_s);
        break;
    case K_INT:
        snprintf(out, 64, "%" PRId64, s->def_i);
        break;
    case K_NUM:
        snprintf(out, 64, "%g", s->def_n);
        break;
    case K_BOOL:
        snprintf(out, 64, "%s", s->def_b ? "true" : "false");
        break;
    }
}

static const char *value_word(const setting *s)
{
    static const char *const words[] = {"TEXT", "KEY", "N", "X", ""};
    return words[s->k];
}

void xoe_config_print_flag_help(FILE *out, size_t i)
{
    const setting *s = &settings[i];
    char flag[64], left[96], def[64];
    flag_name(s, flag);
    default_text(s, def);
    snprintf(left, sizeof left, "--%s %s", flag, value_word(s));
    fprintf(out, "  %-28s %s", left, s->help);
    if (*def && s->k != K_BOOL) fprintf(out, " [%s]", def);
    fputc('\n', out);
}

void xoe_config_print_help(FILE *out)
{
    for (size_t i = 0; i < N_SETTINGS; i++)
        xoe_config_print_flag_help(out, i);
}

void xoe_config_print_markdown(FILE *out)
{
    static const char *const types[] = {"text", "secret text", "whole number", "number", "true or false"};
    fprintf(out, "| in the file | environment | flag | type | default | meaning |\n|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < N_SETTINGS; i++) {
        const setting *s = &settings[i];
        const struct limit *l = limit_of(s);
        char flag[64], env[64], def[64], type[96], quoted[80] = "";
        flag_name(s, flag);
        env_name(s, env);
        default_text(s, def);
        if (l && !l->choices)
            snprintf(type, sizeof type, "%s, %g to %.10g", types[s->k], l->min, l->max);
        else
            snprintf(type, sizeof type, "%s", types[s->k]);
        if (*def) snprintf(quoted, sizeof quoted, "`%s`", def);
        fprintf(out, "| `%s` | `%s` | `--%s` | %s | %s | %s |\n", s->name, env, flag, type, quoted, s->help);
    }
}
