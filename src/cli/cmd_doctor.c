/* xoe doctor: looks at everything that a start needs and says what to do about what is missing. Changes
 * nothing. Each check is a function that adds one or more findings; exit status 1 when one of them is a
 * failure. */
#include "cli/cli.h"
#include "cli/modelfile.h"
#include "cli/progress.h"
#include "cli/versions.h"
#include "ops/manifest.h"
#include "trust/keyring.h"

#include <errno.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { PATH_LEN = XOE_MODEL_PATH_MAX };

typedef enum level { OK, WARN, FAIL } level;

typedef struct doctor {
    const cli_args *a;
    json_t *findings; /* NULL: print lines */
    int n_fail, n_warn;
} doctor;

static void find(doctor *d, level l, const char *check, const char *fix, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
/* fix: what to do; "" when there is nothing to do. */
static void find(doctor *d, level l, const char *check, const char *fix, const char *fmt, ...)
{
    static const char *const words[] = {"ok", "warn", "FAIL"}, *const colours[] = {"\033[32m", "\033[33m", "\033[1;31m"};
    char what[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    d->n_fail += l == FAIL;
    d->n_warn += l == WARN;
    if (d->findings) {
        json_array_append_new(d->findings, json_pack("{s:s, s:s, s:s, s:s}", "check", check, "status",
                                                     l == FAIL ? "fail" : words[l], "what", what, "fix", fix));
        return;
    }
    bool colour = cli_colours(STDOUT_FILENO);
    printf("%s%-4s%s  %-10s %s\n", colour ? colours[l] : "", words[l], colour ? "\033[0m" : "", check, what);
    if (*fix) printf("                 -> %s\n", fix);
}

static bool join(char out[PATH_LEN], const char *folder, const char *name)
{
    return snprintf(out, PATH_LEN, "%s/%s", folder, name) < PATH_LEN;
}

static void check_data(doctor *d)
{
    struct stat st;
    struct statvfs vfs;
    char fix[PATH_LEN + 32], room[24] = "?";
    const char *data = d->a->config.data;
    if (stat(data, &st)) {
        find(d, OK, "data", "", "%s does not exist yet; it is made when needed", data);
        return;
    }
    if (!S_ISDIR(st.st_mode) || access(data, R_OK | W_OK | X_OK)) {
        find(d, FAIL, "data", "give this user the folder, or choose another with --data", "%s cannot be written", data);
        return;
    }
    if (statvfs(data, &vfs) == 0) cli_format_bytes((double)vfs.f_bavail * (double)vfs.f_frsize, room);
    if (st.st_mode & 077) {
        snprintf(fix, sizeof fix, "chmod 700 %s", data);
        find(d, WARN, "data", fix, "%s can be read by other users", data);
    } else {
        find(d, OK, "data", "", "%s, %s free", data, room);
    }
    if (statvfs(data, &vfs) == 0 && (double)vfs.f_bavail * (double)vfs.f_frsize < 256e6)
        find(d, WARN, "disk", "make room: an answer is only final when its audit row is on disk", "only %s free", room);
}

static void check_config(doctor *d)
{
    char path[PATH_LEN], fix[PATH_LEN + 32];
    struct stat st;
    if (!join(path, d->a->config.data, "config.json") || stat(path, &st)) return;
    if (*d->a->config.api_key && (st.st_mode & 077)) {
        snprintf(fix, sizeof fix, "chmod 600 %s", path);
        find(d, WARN, "config", fix, "%s may hold the API key and can be read by other users", path);
    } else {
        find(d, OK, "config", "", "%s", path);
    }
}

static void check_keys(doctor *d)
{
    char path[PATH_LEN];
    xoe_error e = XOE_ERROR_INIT;
    xoe_keyring *ring = NULL;
    xoe_key *keys = NULL;
    size_t n = 0;
    if (!join(path, d->a->config.data, "keys.json") || access(path, F_OK)) {
        find(d, OK, "keys", "", "no keyring yet; the first start makes one with a fresh key");
        return;
    }
    if (xoe_keyring_open(&ring, d->a->config.data, &e) || xoe_keyring_list(ring, &keys, &n, &e)) {
        find(d, FAIL, "keys", "without its keys Xoe can neither mark nor find its marks", "%s", e.msg);
    } else {
        const char *active = NULL;
        for (size_t i = 0; i < n; i++)
            if (keys[i].active) active = keys[i].id;
        if (active)
            find(d, OK, "keys", "", "%zu, new text is marked with %s", n, active);
        else
            find(d, FAIL, "keys", "xoe key rotate", "none of the %zu keys is active", n);
    }
    xoe_keyring_list_free(keys, n);
    xoe_keyring_close(ring);
}

/* Is the file what the manifest says? Strangers are only named. */
static void check_model_file(doctor *d, const char *check, const char *path, const char *name)
{
    xoe_manifest *m = NULL;
    xoe_error e = XOE_ERROR_INIT;
    char hash[XOE_SHA256_HEX], size[24], fix[256];
    struct stat st;
    const char *file = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
    cli_format_bytes(stat(path, &st) == 0 ? (double)st.st_size : 0, size);
    if (xoe_manifest_open(&m, &e)) {
        find(d, FAIL, check, "", "%s", e.msg);
        return;
    }
    const xoe_model *x = xoe_manifest_lookup(m, file);
    if (!x || strcmp(x->file, file) != 0) {
        find(d, OK, check, "", "%s (%s, %s)", name, file, size);
    } else if (cli_model_hash(path, file, false, true, hash, &e)) {
        find(d, FAIL, check, "", "%s", e.msg);
    } else if (strcmp(hash, x->sha256) != 0) {
        snprintf(fix, sizeof fix, "xoe models pull %s", x->name);
        find(d, FAIL, check, fix, "%s is not the file that the manifest names: its sha256 is %.16s…", path, hash);
    } else {
        find(d, OK, check, "", "%s (%s, sha256 right)", name, size);
    }
    xoe_manifest_close(m);
}

static void check_models(doctor *d)
{
    static const struct {
        const char *purpose, *check, *without;
        level l;
    } wanted[] = {
        {"llm", "chat model", "", FAIL},
        {"embedding", "embeddings", "/v1/embeddings answers 404 without one", WARN},
        {"paraphrase", "rephrasing", "watermark mode rephrase needs one: xoe models pull qwen2.5-coder-1.5b-instruct", WARN},
    };
    for (size_t i = 0; i < 3; i++) {
        char path[PATH_LEN], name[XOE_MODEL_NAME_MAX];
        xoe_error e = XOE_ERROR_INIT;
        if (xoe_manifest_default(&d->a->config, wanted[i].purpose, path, name, &e))
            find(d, wanted[i].l, wanted[i].check, wanted[i].without, "%s", e.msg);
        else
            check_model_file(d, wanted[i].check, path, name);
    }
}

/* A value of /proc/meminfo in bytes; 0: none. */
static double meminfo(const char *field)
{
    char line[128];
    double kb = 0;
    size_t n = strlen(field);
    FILE *f = fopen("/proc/meminfo", "re");
    while (f && !kb && fgets(line, sizeof line, f))
        if (!strncmp(line, field, n) && line[n] == ':') kb = strtod(line + n + 1, NULL);
    if (f) fclose(f);
    return kb * 1024;
}

static void check_machine(doctor *d)
{
    char path[PATH_LEN], name[XOE_MODEL_NAME_MAX], need[24], have[24], all[24];
    struct stat st;
    double free_bytes = meminfo("MemAvailable"), file = 0;
    if (!xoe_manifest_default(&d->a->config, "llm", path, name, NULL) && stat(path, &st) == 0) file = (double)st.st_size;
    double wanted = file * 1.2 + 300e6; /* weights, context, buffers: measured with 8 answers at once */
    cli_format_bytes(wanted, need);
    cli_format_bytes(free_bytes, have);
    cli_format_bytes(xoe_machine_memory_gb() * 1024 * 1024 * 1024, all);
    if (free_bytes && wanted > free_bytes)
        find(d, WARN, "memory", "close something, or choose a smaller model (xoe models list)",
             "%s available, the chat model wants about %s", have, need);
    else
        find(d, OK, "memory", "", "%s available of %s", have, all);
    int cores = xoe_machine_cores();
    if (d->a->config.threads > cores)
        find(d, WARN, "cores", "set threads to 0, or to at most the cores", "%lld threads for %d cores: slower than %d",
             (long long)d->a->config.threads, cores, cores);
    else
        find(d, OK, "cores", "", "%d", cores);
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        find(d, OK, "cpu", "", "AVX2 and FMA%s", __builtin_cpu_supports("avx512f") ? ", AVX-512" : "");
    else
        find(d, WARN, "cpu", "it works, but expect a few tokens a second", "no AVX2");
#endif
}

static void check_port(doctor *d)
{
    const xoe_config *c = &d->a->config;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV}, *ai = NULL;
    char port[16];
    int yes = 1;
    snprintf(port, sizeof port, "%d", (int)c->port);
    int rc = getaddrinfo(c->host, port, &hints, &ai);
    if (rc) {
        find(d, FAIL, "address", "set host to an address of this machine", "%s: %s", c->host, gai_strerror(rc));
        return;
    }
    int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (fd >= 0 && bind(fd, ai->ai_addr, ai->ai_addrlen) == 0 && listen(fd, 1) == 0)
        find(d, OK, "address", "", "%s port %s is free", c->host, port);
    else if (errno == EADDRINUSE)
        find(d, WARN, "address", "fine when it is Xoe that runs there; else choose another with --port",
             "%s port %s is in use", c->host, port);
    else
        find(d, FAIL, "address", errno == EACCES ? "ports below 1024 are for root: choose a higher one" : "set host and port",
             "%s port %s: %s", c->host, port, strerror(errno));
    if (fd >= 0) close(fd);
    freeaddrinfo(ai);
}

static void check_parts(doctor *d)
{
    char line[256] = "";
    size_t n;
    const cli_part *parts = cli_parts(&n);
    for (size_t i = 0; i < n; i++) {
        size_t used = strlen(line);
        snprintf(line + used, sizeof line - used, "%s%s %s", used ? ", " : "", parts[i].name, parts[i].version);
    }
    find(d, OK, "parts", "", "%s", line);
}

int cmd_doctor(const cli_command *cmd, int argc, char **argv)
{
    cli_args a;
    doctor d = {.a = &a};
    int rc = cli_parse(&a, cmd, NULL, 0, argc, argv);
    if (rc != CLI_GO_ON) return rc;
    if (a.json) d.findings = json_array();
    check_data(&d);
    check_config(&d);
    check_keys(&d);
    check_models(&d);
    check_machine(&d);
    check_port(&d);
    check_parts(&d);
    rc = d.n_fail ? CLI_FAILED : CLI_DONE;
    if (a.json) {
        int printed = cli_print_json(json_pack("{s:b, s:i, s:i, s:o}", "ok", d.n_fail == 0, "failures", d.n_fail,
                                               "warnings", d.n_warn, "findings", d.findings));
        if (printed) rc = printed;
    } else {
        printf("\n%s\n", d.n_fail ? "Something must be mended first." : d.n_warn ? "Xoe can start." : "All is well.");
        rc = cli_finish_output(rc);
    }
    cli_args_free(&a);
    return rc;
}
