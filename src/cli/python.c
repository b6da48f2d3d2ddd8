/* Running Python for pip and the conversion scripts: by posix_spawn with an argument list, never through a
 * shell; standard input is empty and the output goes to a log whose last line explains a failure. */
#include "cli/fetch.h"
#include "base/buf.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
enum { ARGS_MAX = 24, LOG_MAX = 4 << 20, PATH_LEN = 4096 };

/* XOE_PYTHON; else the virtual environment that set-up made in the cache; else python3. */
static void find_python(char out[PATH_LEN])
{
    const char *own = getenv("XOE_PYTHON"), *cache = getenv("XOE_CACHE"), *xdg = getenv("XDG_CACHE_HOME"),
               *home = getenv("HOME");
    if (own && *own) {
        snprintf(out, PATH_LEN, "%s", own);
        return;
    }
    if (cache && *cache)
        snprintf(out, PATH_LEN, "%s/venv/bin/python", cache);
    else if (xdg && *xdg)
        snprintf(out, PATH_LEN, "%s/xoe/venv/bin/python", xdg);
    else
        snprintf(out, PATH_LEN, "%s/.cache/xoe/venv/bin/python", home ? home : "");
    if (access(out, X_OK)) snprintf(out, PATH_LEN, "python3");
}

/* The last line of the log that says something. */
static void last_line(const char *log, char out[160])
{
    xoe_buf b;
    xoe_buf_init(&b, LOG_MAX);
    snprintf(out, 160, "no output");
    if (!xoe_file_read(log, &b, NULL))
        for (char *p = b.data, *save = NULL, *line; (line = strtok_r(p, "\n", &save)); p = NULL) {
            line += strspn(line, " \t");
            if (*line && strncmp(line, "[notice]", 8) != 0 && strncmp(line, "WARNING: You are", 16) != 0)
                snprintf(out, 160, "%.150s", line);
        }
    xoe_buf_free(&b);
}

xoe_err cli_python(const char *const *args, const char *log, xoe_error *e)
{
    char python[PATH_LEN], why[160];
    const char *argv[ARGS_MAX + 2];
    posix_spawn_file_actions_t fa;
    size_t n = 0;
    pid_t pid;
    int status, rc;
    find_python(python);
    argv[n++] = python;
    argv[n++] = "-u"; /* else what was printed before an error comes after it in the log */
    for (size_t i = 0; args[i] && n < ARGS_MAX; i++)
        argv[n++] = args[i];
    argv[n] = NULL;
    if (posix_spawn_file_actions_init(&fa)) return xoe_error_set(e, XOE_ENOMEM, "no memory to run Python");
    posix_spawn_file_actions_addopen(&fa, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&fa, STDOUT_FILENO, log, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    posix_spawn_file_actions_adddup2(&fa, STDOUT_FILENO, STDERR_FILENO);
    rc = posix_spawnp(&pid, python, &fa, NULL, (char *const *)argv, environ);
    posix_spawn_file_actions_destroy(&fa);
    if (rc) {
        errno = rc;
        return xoe_error_errno(e, XOE_EUNAVAILABLE,
                               "cannot run %.100s (install python3 with pip, or set XOE_PYTHON)", python);
    }
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR) return xoe_error_errno(e, XOE_EIO, "lost sight of Python");
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return XOE_OK;
    last_line(log, why);
    return xoe_error_set(e, XOE_EUNAVAILABLE, "%.60s failed: %s", python, why);
}
