/* xoe serve: the server in the foreground. Signals, draining and the rest are serve/'s; this prints the
 * address as the one result once it answers. */
#include "cli/cli.h"
#include "base/file.h"
#include "serve/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void on_ready(const char *url, void *ud)
{
    const cli_args *a = ud;
    size_t n = strlen(url);
    const char *slash = n && url[n - 1] == '/' ? "" : "/"; /* the page's address */
    if (a->json) {
        const char *host = strstr(url, "://");
        const char *port = strrchr(host ? host + 3 : url, ':');
        json_t *j = json_pack("{s:s+, s:i}", "url", url, slash, "port", port ? atoi(port + 1) : 80);
        if (j) json_dumpf(j, stdout, JSON_COMPACT);
        putchar('\n');
        json_decref(j);
    } else {
        printf("Xoe is ready: %s%s\n", url, slash);
    }
    fflush(stdout); /* who reads it through a pipe waits for it */
}

int cmd_serve(const cli_command *cmd, int argc, char **argv)
{
    cli_args a;
    xoe_error e = XOE_ERROR_INIT;
    int rc = cli_parse(&a, cmd, NULL, 0, argc, argv);
    if (rc != CLI_GO_ON) return rc;
    rc = CLI_DONE;
    if (xoe_mkdirs(a.config.data, 0700, &e) || xoe_serve_run(&a.config, on_ready, &a, &e)) rc = cli_fail(&e);
    cli_args_free(&a);
    return rc;
}
