/* One write(2) a line, so lines of several threads do not mix. */
#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static atomic_int min_level = XOE_LOG_INFO;
static const char *const names[] = {"debug", "info", "warn", "error", "off"};

void xoe_log_set_level(xoe_log_level level)
{
    atomic_store(&min_level, (int)level);
}

int xoe_log_level_parse(const char *name, xoe_log_level *out)
{
    for (int i = 0; i < 5; i++)
        if (!strcmp(name, names[i])) {
            *out = (xoe_log_level)i;
            return 0;
        }
    return -1;
}

int xoe_log_enabled(xoe_log_level level)
{
    return (int)level >= atomic_load(&min_level);
}

void xoe_log(xoe_log_level level, const char *area, const char *fmt, ...)
{
    if (!xoe_log_enabled(level)) return;
    char line[1024];
    struct timespec ts;
    struct tm tm;
    clock_gettime(CLOCK_REALTIME, &ts);
    gmtime_r(&ts.tv_sec, &tm);
    size_t n = strftime(line, sizeof line, "%Y-%m-%dT%H:%M:%S", &tm);
    n += (size_t)snprintf(line + n, sizeof line - n, ".%03ldZ %-5s %s: ", ts.tv_nsec / 1000000,
                          names[level], area);
    va_list ap;
    va_start(ap, fmt);
    int m = vsnprintf(line + n, sizeof line - n - 1, fmt, ap);
    va_end(ap);
    if (m < 0) return;
    n += (size_t)m < sizeof line - n - 1 ? (size_t)m : sizeof line - n - 2;
    for (size_t i = 0; i < n; i++) /* a message never starts a second line */
        if (line[i] == '\n' || line[i] == '\r') line[i] = ' ';
    line[n++] = '\n';
    ssize_t ignored = write(STDERR_FILENO, line, n);
    (void)ignored;
}
