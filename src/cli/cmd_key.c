/* xoe key: the keyring from the terminal. A key's bytes never leave this file's stack: they are wiped as
 * soon as the id and the parameters were printed. */
#include "cli/cli.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "trust/keyring.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *key_json(const xoe_key *k)
{
    char created[32], retired[32];
    xoe_clock_rfc3339(k->created_ms, created);
    xoe_clock_rfc3339(k->retired_ms, retired);
    return json_pack("{s:s, s:b, s:s, s:i, s:i, s:s, s:o}", "id", k->id, "active", (int)k->active, "scheme",
                     xoe_scheme_name(k->params.scheme), "width", k->params.width, "shifts",
                     k->params.n_shifts, "created", created, "retired",
                     k->retired_ms ? json_string(retired) : json_null());
}

static void print_key(const xoe_key *k)
{
    char created[32];
    xoe_clock_rfc3339(k->created_ms, created);
    printf("%-28s %-8s %-12s width %d  shifts %-3d %.10s\n", k->id, k->active ? "active" : "inactive",
           xoe_scheme_name(k->params.scheme), k->params.width, k->params.n_shifts, created);
}

static int list(const cli_args *a, xoe_keyring *ring)
{
    xoe_error e = XOE_ERROR_INIT;
    xoe_key *keys = NULL;
    size_t n = 0;
    if (xoe_keyring_list(ring, &keys, &n, &e)) return cli_fail(&e);
    int rc;
    if (a->json) {
        json_t *all = json_array();
        for (size_t i = 0; i < n; i++)
            json_array_append_new(all, key_json(&keys[i]));
        rc = cli_print_json(json_pack("{s:o}", "keys", all));
    } else {
        for (size_t i = 0; i < n; i++)
            print_key(&keys[i]);
        rc = cli_finish_output(CLI_DONE);
    }
    xoe_keyring_list_free(keys, n);
    return rc;
}

static int make(const cli_args *a, xoe_keyring *ring, const xoe_mark_params *params, bool make_active)
{
    xoe_error e = XOE_ERROR_INIT;
    xoe_key k;
    int rc;
    if (xoe_keyring_new(ring, a->n_operands > 1 ? a->operands[1] : NULL, params, make_active, &k, &e))
        return cli_fail(&e);
    if (a->json) {
        rc = cli_print_json(key_json(&k));
    } else {
        print_key(&k);
        rc = cli_finish_output(CLI_DONE);
        if (!a->quiet && make_active)
            fprintf(stderr, "New text is marked with %s from the next start of the server on; older keys are "
                            "still detected.\n", k.id);
        if (!a->quiet && !make_active)
            fprintf(stderr, "%s can be asked for by its id; `xoe key rotate` makes a key the default.\n", k.id);
    }
    xoe_zero(&k, sizeof k);
    return rc;
}

static int retire(const cli_command *cmd, const cli_args *a, xoe_keyring *ring)
{
    xoe_error e = XOE_ERROR_INIT;
    if (a->n_operands < 2) return cli_misuse(cmd, "key retire: which key? `xoe key list` shows them");
    if (xoe_keyring_retire(ring, a->operands[1], &e)) return cli_fail(&e);
    if (a->json) return cli_print_json(json_pack("{s:s, s:b}", "id", a->operands[1], "retired", 1));
    printf("%s is retired; its texts are still detected\n", a->operands[1]);
    return cli_finish_output(CLI_DONE);
}

/* A whole number of an option, 0 when it was not given (the library's default). */
static int number(const cli_command *cmd, const char *option, const char *text, int max, int *out)
{
    char *end;
    *out = 0;
    if (!text) return CLI_GO_ON;
    long v = strtol(text, &end, 10);
    if (end == text || *end || v < 1 || v > max)
        return cli_misuse(cmd, "--%s: \"%.20s\" is not a whole number between 1 and %d", option, text, max);
    *out = (int)v;
    return CLI_GO_ON;
}

int cmd_key(const cli_command *cmd, int argc, char **argv)
{
    const char *scheme = NULL, *width = NULL, *shifts = NULL;
    const cli_option own[] = {
        {"scheme", "NAME", "new, rotate: how the key marks [gumbel]", &scheme, NULL},
        {"width", "N", "new, rotate: tokens of context, 1 to 4 [3]", &width, NULL},
        {"shifts", "N", "new, rotate: variants of the key, 1 to 1024 [4]", &shifts, NULL},
    };
    cli_args a;
    xoe_error e = XOE_ERROR_INIT;
    xoe_mark_params params = XOE_MARK_PARAMS_INIT;
    xoe_keyring *ring = NULL;
    int rc = cli_parse(&a, cmd, own, sizeof own / sizeof *own, argc, argv);
    if (rc != CLI_GO_ON) return rc;
    const char *verb = a.n_operands ? a.operands[0] : "";
    bool is_list = !strcmp(verb, "list"), is_new = !strcmp(verb, "new"), is_rotate = !strcmp(verb, "rotate"),
         is_retire = !strcmp(verb, "retire");
    if (!is_list && !is_new && !is_rotate && !is_retire) {
        rc = cli_misuse(cmd, *verb ? "key: \"%.30s\" is none of new, list, rotate, retire"
                                   : "key: say what to do: new, list, rotate or retire%s", verb);
        goto out;
    }
    if (is_list && a.n_operands > 1) {
        rc = cli_misuse(cmd, "key list: unexpected \"%.40s\"", a.operands[1]);
        goto out;
    }
    if ((is_list || is_retire) && (scheme || width || shifts)) {
        rc = cli_misuse(cmd, "key %s: --scheme, --width and --shifts are for new keys", verb);
        goto out;
    }
    if ((rc = number(cmd, "width", width, XOE_MARK_WIDTH_MAX, &params.width)) != CLI_GO_ON ||
        (rc = number(cmd, "shifts", shifts, XOE_MARK_SHIFTS_MAX, &params.n_shifts)) != CLI_GO_ON)
        goto out;
    if (scheme && xoe_scheme_parse(scheme, &params.scheme, &e)) {
        rc = cli_misuse(cmd, "--scheme: %s", e.msg);
        goto out;
    }
    if (xoe_mkdirs(a.config.data, 0700, &e) || xoe_keyring_open(&ring, a.config.data, &e)) {
        rc = cli_fail(&e);
        goto out;
    }
    rc = is_list     ? list(&a, ring)
         : is_retire ? retire(cmd, &a, ring)
                     : make(&a, ring, &params, is_rotate);
out:
    xoe_keyring_close(ring);
    cli_args_free(&a);
    return rc;
}
