/* Structured log lines on standard error: "time level area message key=value". Thread: safe.
 * Never pass a secret or the text of a request. */
#ifndef XOE_BASE_LOG_H
#define XOE_BASE_LOG_H

typedef enum xoe_log_level { XOE_LOG_DEBUG, XOE_LOG_INFO, XOE_LOG_WARN, XOE_LOG_ERROR, XOE_LOG_OFF } xoe_log_level;

void xoe_log_set_level(xoe_log_level level);
int xoe_log_level_parse(const char *name, xoe_log_level *out); /* 0, or -1 unknown */
int xoe_log_enabled(xoe_log_level level);
void xoe_log(xoe_log_level level, const char *area, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
