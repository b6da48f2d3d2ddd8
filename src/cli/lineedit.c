/* Line editing by libedit's readline interface; without it, plain getline. What a person typed to a
 * private assistant is private: the history file is made with mode 0600 before anything is in it.
 * Thread: the main thread only. */
#include "cli/lineedit.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <string.h>
#include <unistd.h>

#ifdef XOE_HAVE_LIBEDIT
#include <editline/readline.h>

enum { HISTORY_MAX = 500 };
static char history_path[4096 + 16];

void cli_history_open(const char *data_dir)
{
    rl_readline_name = "xoe";
    using_history();
    stifle_history(HISTORY_MAX);
    if (xoe_mkdirs(data_dir, 0700, NULL)) return;
    if (snprintf(history_path, sizeof history_path, "%s/chat_history", data_dir) >= (int)sizeof history_path)
        history_path[0] = 0;
    if (history_path[0]) read_history(history_path);
}

void cli_history_close(void)
{
    if (!history_path[0]) return;
    int fd = open(history_path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return;
    if (fchmod(fd, 0600) == 0) write_history(history_path);
    close(fd);
}

char *cli_read_line(const char *prompt)
{
    char *line = readline(prompt);
    if (line && *line) add_history(line);
    return line;
}

#else

void cli_history_open(const char *data_dir)
{
    (void)data_dir;
}

void cli_history_close(void)
{
}

char *cli_read_line(const char *prompt)
{
    char *line = NULL;
    size_t cap = 0;
    fputs(prompt, stdout);
    fflush(stdout);
    ssize_t n = getline(&line, &cap, stdin);
    if (n < 0) {
        free(line);
        return NULL;
    }
    if (n && line[n - 1] == '\n') line[n - 1] = 0;
    return line;
}
#endif
