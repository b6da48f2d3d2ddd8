/* cli/: options, the table of commands, progress texts, remembered hashes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/modelfile.h"
#include "cli/progress.h"

static char folder[] = "/tmp/xoe-cli-XXXXXX";

static int setup(void **s)
{
    (void)s;
    if (!mkdtemp(folder)) return -1;
    setenv("XOE_DATA", folder, 1);
    unsetenv("XOE_HOST");
    unsetenv("XOE_API_KEY");
    unsetenv("XOE_PORT");
    unsetenv("XOE_CONFIG");
    return 0;
}

static int teardown(void **s)
{
    (void)s;
    return rmdir(folder);
}

static const cli_command some = {.name = "some", .usage = "some", .summary = "", .details = "",
                                 .config_flags = "port models-dir", .json = true, .max_operands = 2, .examples = ""};
static const cli_command all = {.name = "all", .usage = "all", .summary = "", .details = "", .config_flags = "*",
                                .json = false, .max_operands = 0, .examples = ""};

typedef struct parsed {
    cli_args a;
    const char *text;
    bool flag;
    int rc;
} parsed;

static parsed parse(const cli_command *cmd, ...)
{
    char *argv[16];
    int argc = 0;
    va_list ap;
    parsed p = {0};
    va_start(ap, cmd);
    for (const char *s; (s = va_arg(ap, const char *));)
        argv[argc++] = (char *)s;
    va_end(ap);
    const cli_option own[] = {{"key", "ID", "", &p.text, NULL}, {"report", NULL, "", NULL, &p.flag}};
    p.rc = cli_parse(&p.a, cmd, own, 2, argc, argv);
    return p;
}

#define PARSE(cmd, ...) parse(cmd, __VA_ARGS__, (const char *)NULL)

static void test_options(void **s)
{
    (void)s;
    parsed p = PARSE(&some, "a", "--json", "--key", "k1", "--port=9", "--report", "-q", "--models-dir", "/m/", "-");
    assert_int_equal(p.rc, CLI_GO_ON);
    assert_true(p.a.json && p.a.quiet && p.flag);
    assert_string_equal(p.text, "k1");
    assert_int_equal(p.a.config.port, 9);
    assert_string_equal(p.a.config.models_dir, "/m");
    assert_string_equal(p.a.config.data, folder);
    assert_int_equal(p.a.n_operands, 2);
    assert_string_equal(p.a.operands[1], "-");
    cli_args_free(&p.a);

    p = PARSE(&some, "--", "--json");
    assert_int_equal(p.rc, CLI_GO_ON);
    assert_false(p.a.json);
    assert_string_equal(p.a.operands[0], "--json");
    cli_args_free(&p.a);

    p = PARSE(&all, "--enforce", "--slots", "3", "--max-body-bytes=4096");
    assert_int_equal(p.rc, CLI_GO_ON);
    assert_true(p.a.config.enforce);
    assert_int_equal(p.a.config.slots, 3);
    assert_int_equal(p.a.config.max_body_bytes, 4096);
    cli_args_free(&p.a);
    p = PARSE(&all, "--enforce=false");
    assert_int_equal(p.rc, CLI_GO_ON);
    assert_false(p.a.config.enforce);
    cli_args_free(&p.a);
}

static void test_wrong_use(void **s)
{
    (void)s;
    assert_int_equal(PARSE(&some, "--slots", "3").rc, CLI_WRONG_USE); /* not one of its settings */
    assert_int_equal(PARSE(&some, "--nothing").rc, CLI_WRONG_USE);
    assert_int_equal(PARSE(&some, "--key").rc, CLI_WRONG_USE); /* no value */
    assert_int_equal(PARSE(&some, "--report=yes").rc, CLI_WRONG_USE);
    assert_int_equal(PARSE(&some, "-x").rc, CLI_WRONG_USE);
    assert_int_equal(PARSE(&some, "a", "b", "c").rc, CLI_WRONG_USE); /* too many operands */
    assert_int_equal(PARSE(&some, "--port", "99999").rc, CLI_WRONG_USE);
    assert_int_equal(PARSE(&all, "--json").rc, CLI_WRONG_USE);
    assert_int_equal(PARSE(&some, "--config", "/nonexistent").rc, CLI_FAILED); /* a place, not a use */
    setenv("XOE_PORT", "x", 1);
    assert_int_equal(PARSE(&some, "a").rc, CLI_FAILED);
    unsetenv("XOE_PORT");
}

static void test_public_host(void **s)
{
    (void)s;
    setenv("XOE_HOST", "0.0.0.0", 1);
    assert_int_equal(PARSE(&all, "--slots=1").rc, CLI_FAILED); /* it would listen */
    parsed p = PARSE(&some, "a");                              /* it would not */
    assert_int_equal(p.rc, CLI_GO_ON);
    cli_args_free(&p.a);
    unsetenv("XOE_HOST");
}

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

/* The port that parse ends up with. */
static int64_t port_of(parsed p)
{
    assert_int_equal(p.rc, CLI_GO_ON);
    int64_t port = p.a.config.port;
    cli_args_free(&p.a);
    return port;
}

/* --data names a folder whose config.json counts, and the default folder's does not. */
static void test_config_places(void **s)
{
    (void)s;
    char there[96], file[112], here[96];
    snprintf(there, sizeof there, "%s/there", folder);
    snprintf(file, sizeof file, "%s-config.json", there);
    snprintf(here, sizeof here, "%s/config.json", folder);
    write_file(here, "{\"port\": 1}");
    write_file(file, "{\"port\": 2}");
    assert_int_equal(port_of(PARSE(&some, "a")), 1);
    assert_int_equal(port_of(PARSE(&some, "--data", there)), 8080);
    assert_int_equal(port_of(PARSE(&some, "--data", folder)), 1);
    assert_int_equal(port_of(PARSE(&some, "--config", file)), 2);
    setenv("XOE_CONFIG", file, 1);
    assert_int_equal(port_of(PARSE(&some, "a")), 2);
    assert_int_equal(port_of(PARSE(&some, "--port", "3")), 3);
    unsetenv("XOE_CONFIG");
    unlink(here);
    unlink(file);
}

static void test_formats(void **s)
{
    (void)s;
    char b[24], line[256];
    cli_format_bytes(0, b);
    assert_string_equal(b, "0 B");
    cli_format_bytes(999, b);
    assert_string_equal(b, "999 B");
    cli_format_bytes(999999, b); /* not "1000.0 kB" */
    assert_string_equal(b, "1.0 MB");
    cli_format_bytes(491400064, b);
    assert_string_equal(b, "491.4 MB");
    cli_format_seconds(59.6, b);
    assert_string_equal(b, "1:00");
    cli_format_seconds(3723, b);
    assert_string_equal(b, "1:02:03");
    cli_format_seconds(-1, b);
    assert_string_equal(b, "-:--");

    /* resumed at 400 of 1000 bytes, 10 s for the next 100: the rate counts only those */
    cli_progress p = {.label = "m", .total = 1000, .base = 400, .started_ms = 0};
    cli_progress_text(&p, 500, 10000, 80, line, sizeof line);
    assert_string_equal(line, "m   50%  500 B of 1.0 kB  10 B/s  0:50 left");
    cli_progress_text(&p, 400, 0, 100, line, sizeof line);
    assert_string_equal(line, "m  [#########...............]  40%  400 B of 1.0 kB  0 B/s  -:-- left");
    p.total = 0;
    cli_progress_text(&p, 500, 10000, 80, line, sizeof line);
    assert_string_equal(line, "m  500 B  10 B/s");
}

static void test_remembered_hash(void **s)
{
    (void)s;
    static const char abc[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    char path[96], stamp[112], hash[XOE_SHA256_HEX], known[XOE_SHA256_HEX];
    xoe_error e;
    snprintf(path, sizeof path, "%s/f", folder);
    snprintf(stamp, sizeof stamp, "%s.sha256", path);
    write_file(path, "abc");
    assert_false(cli_model_hash_known(path, known));
    assert_int_equal(cli_model_hash(path, "f", false, true, hash, &e), XOE_OK);
    assert_string_equal(hash, abc);
    assert_true(cli_model_hash_known(path, known));
    assert_string_equal(known, abc);
    write_file(path, "abcd");
    assert_false(cli_model_hash_known(path, known)); /* another size */
    assert_int_equal(cli_model_hash(path, "f", false, true, hash, &e), XOE_OK);
    assert_string_not_equal(hash, abc);
    unlink(path);
    assert_int_equal(cli_model_hash(path, "f", false, true, hash, &e), XOE_ENOTFOUND);
    unlink(stamp);
}

static void test_table(void **s)
{
    (void)s;
    for (const cli_command *c = cli_commands; c->name; c++) {
        char flags[256], *save;
        assert_ptr_equal(cli_command_find(c->name), c);
        assert_non_null(c->run);
        assert_true(*c->summary && *c->examples);
        assert_non_null(strstr(c->examples, "xoe "));
        assert_int_equal(strncmp(c->usage, c->name, strlen(c->name)), 0);
        snprintf(flags, sizeof flags, "%s", c->config_flags);
        for (char *p = flags, *name; (name = strtok_r(p, " ", &save)); p = NULL)
            if (strcmp(name, "*") != 0) assert_true(xoe_config_is_flag(name, NULL));
    }
    assert_null(cli_command_find("nothing"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options),       cmocka_unit_test(test_wrong_use), cmocka_unit_test(test_public_host),
        cmocka_unit_test(test_config_places), cmocka_unit_test(test_formats),   cmocka_unit_test(test_remembered_hash),
        cmocka_unit_test(test_table),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
