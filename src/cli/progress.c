/* Progress on standard error. The rate counts only what this run did, so that a resumed download does not
 * boast. In a terminal at most ten redraws a second; elsewhere a line every three seconds at most, and
 * only when a tenth of the way was made, so that a log stays readable. Threads: one owner. */
#include "cli/progress.h"
#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { BAR = 24, REDRAW_MS = 100, LINE_MS = 3000 };

void cli_format_bytes(double bytes, char out[24])
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    int u = 0;
    while (bytes >= 999.95 && u < 4) {
        bytes /= 1000;
        u++;
    }
    snprintf(out, 24, u ? "%.1f %s" : "%.0f %s", bytes, units[u]);
}

void cli_format_seconds(double s, char out[24])
{
    if (s < 0 || s > 359999) {
        snprintf(out, 24, "-:--");
        return;
    }
    long t = (long)(s + 0.5);
    if (t >= 3600)
        snprintf(out, 24, "%ld:%02ld:%02ld", t / 3600, t / 60 % 60, t % 60);
    else
        snprintf(out, 24, "%ld:%02ld", t / 60, t % 60);
}

void cli_progress_text(const cli_progress *p, unsigned long long done, int64_t now_ms, int width,
                       char *out, size_t n)
{
    char have[24], all[24], rate[24], left[24], bar[BAR + 3] = "";
    double s = (double)(now_ms - p->started_ms) / 1000;
    double per_s = s > 0 && done > p->base ? (double)(done - p->base) / s : 0;
    cli_format_bytes((double)done, have);
    cli_format_bytes(per_s, rate);
    if (!p->total) {
        snprintf(out, n, "%s  %s  %s/s", p->label, have, rate);
        return;
    }
    double share = done < p->total ? (double)done / (double)p->total : 1;
    cli_format_bytes((double)p->total, all);
    cli_format_seconds(per_s > 0 ? (double)(p->total - (done < p->total ? done : p->total)) / per_s : -1, left);
    if (width >= 100) {
        int full = (int)(share * BAR);
        bar[0] = '[';
        for (int i = 0; i < BAR; i++)
            bar[i + 1] = i < full ? '#' : '.';
        memcpy(bar + BAR + 1, "]", 2);
    }
    snprintf(out, n, "%s  %s%s%3.0f%%  %s of %s  %s/s  %s left", p->label, bar, *bar ? " " : "", share * 100,
             have, all, rate, left);
}

void cli_progress_start(cli_progress *p, const char *label, unsigned long long total,
                        unsigned long long base, bool quiet)
{
    *p = (cli_progress){.label = label, .total = total, .base = base, .quiet = quiet,
                        .tty = isatty(STDERR_FILENO), .shown_tenth = -1};
    p->started_ms = p->shown_ms = xoe_clock_mono_ms();
}

void cli_progress_update(cli_progress *p, unsigned long long done)
{
    char text[256];
    int64_t now = xoe_clock_mono_ms();
    if (p->quiet) return;
    if (p->tty) {
        if (p->drawn && now - p->shown_ms < REDRAW_MS && done < p->total) return;
        cli_progress_text(p, done, now, 100, text, sizeof text);
        fprintf(stderr, "\r%s\033[K", text);
        fflush(stderr);
        p->drawn = true;
        p->shown_ms = now;
        return;
    }
    int tenth = p->total ? (int)(10.0 * (double)done / (double)p->total) : p->shown_tenth + 1;
    if (tenth == p->shown_tenth || now - p->shown_ms < LINE_MS) return;
    cli_progress_text(p, done, now, 80, text, sizeof text);
    fprintf(stderr, "  %s\n", text);
    p->shown_ms = now;
    p->shown_tenth = tenth;
}

void cli_progress_end(cli_progress *p)
{
    if (p->drawn) fputc('\n', stderr);
    p->drawn = false;
}
