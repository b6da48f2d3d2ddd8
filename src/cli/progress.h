/* Progress of something long on standard error: a bar in a terminal, a line now and then elsewhere. */
#ifndef XOE_CLI_PROGRESS_H
#define XOE_CLI_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct cli_progress {
    const char *label;
    unsigned long long total, base; /* bytes; total 0: not known; base: done before this run */
    int64_t started_ms, shown_ms;
    int shown_tenth;
    bool quiet, tty, drawn;
} cli_progress;

void cli_progress_start(cli_progress *p, const char *label, unsigned long long total,
                        unsigned long long base, bool quiet);
void cli_progress_update(cli_progress *p, unsigned long long done);
void cli_progress_end(cli_progress *p); /* leaves the cursor on a fresh line */

/* "491.4 MB"; "1:02:03". */
void cli_format_bytes(double bytes, char out[24]);
void cli_format_seconds(double s, char out[24]);
/* The text of a bar: label, share, bytes, rate, time left. Pure; for tests. */
void cli_progress_text(const cli_progress *p, unsigned long long done, int64_t now_ms, int width,
                       char *out, size_t n);

#endif
