/* A verdict for people. Colours are 256-colour backgrounds, light to strong green: readable on dark and
 * light terminals because the foreground is set too. The text is the user's: control bytes other than
 * newline and tab are shown as dots, so that a marked-up file cannot drive the terminal. */
#include "cli/verdict.h"

#include "base/clock.h"

#include <math.h>
#include <string.h>

const char *cli_verdict_word(const xoe_verdict *v)
{
    if (v->detected) return "marked";
    return v->can_carry ? "no mark found" : "cannot carry a mark";
}

static void put_p(FILE *out, const xoe_verdict *v)
{
    if (v->p_value > 0 && v->log10_p > -300)
        fprintf(out, "%.2g", v->p_value);
    else
        fprintf(out, "10^%.1f", v->log10_p);
}

static void put_calibration(FILE *out, const xoe_calibration *c)
{
    char made[32];
    if (!c->made_ms) return;
    xoe_clock_rfc3339(c->made_ms, made);
    const xoe_calibration_level *l = &c->level[1];
    fprintf(out, "  own text  %zu of %zu passages called marked at %g (95 %% interval %.2g to %.2g; xoe calibrate, %.10s)\n", l->n_alarms,
            c->corpus.n_passages, l->fpr, l->low, l->high, made);
    if (c->stale) fprintf(out, "            no longer holds: %s\n", c->stale);
}

void cli_print_verdict(FILE *out, const xoe_text_verdict *t, double fpr, bool colours)
{
    const xoe_verdict *v = &t->v;
    const char *on = !colours ? "" : v->detected ? "\033[1;32m" : "\033[1;33m", *off = colours ? "\033[0m" : "";
    fprintf(out, "%s%s%s\n", on, cli_verdict_word(v), off);
    fprintf(out, "  p-value   ");
    put_p(out, v);
    fprintf(out, "  (marked means at most %g; confidence %.4f)\n", fpr, v->confidence);
    if (v->detected && *t->key_id) fprintf(out, "  key       %s  (%s)\n", t->key_id, t->method);
    if (!*t->key_id) fprintf(out, "  scheme    %s\n", t->method);
    fprintf(out, "  scored    %zu of %zu tokens\n", v->n_scored, v->n_tokens);
    if (!isnan(v->score)) fprintf(out, "  score     %.3f a token  (%.3g by chance)\n", v->score, t->chance);
    if (t->weighted) fprintf(out, "  weighted  by what the model says each token could carry\n");
    put_calibration(out, &t->calibration);
    if (v->weak_key_note) fprintf(out, "  weak key  %s\n", v->weak_key_note);
    if (!v->can_carry)
        fprintf(out, "  The text is too short, or repeats itself too much, to tell either way.\n");
    for (size_t i = 0; t->spans && i < v->n_spans; i++)
        fprintf(out, "  span      characters %zu to %zu, p-value 10^%.1f\n", t->spans[i].first_char,
                t->spans[i].end_char, t->spans[i].log10_p);
}

static void put_safe(FILE *out, const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        putc((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f ? '.' : c, out);
    }
}

/* Shades for scores of at least 1, 1.5, 2.5, 4 (chance gives 1 on average, a mark more). */
static int shade(float score)
{
    static const struct {
        float from;
        int colour;
    } shades[] = {{4, 40}, {2.5f, 77}, {1.5f, 120}, {1, 194}};
    for (size_t i = 0; i < 4; i++)
        if (score >= shades[i].from) return shades[i].colour;
    return 0;
}

static void heat_in_colour(FILE *out, const xoe_text_verdict *v, const char *text, size_t n)
{
    size_t at = 0;
    for (size_t i = 0; i < v->n_tokens; i++) {
        const xoe_text_token *t = &v->tokens[i];
        if (t->first_byte < at || t->end_byte > n || t->end_byte <= t->first_byte) continue;
        put_safe(out, text + at, t->first_byte - at);
        int c = isnan(t->score) ? 0 : shade(t->score);
        if (c) fprintf(out, "\033[48;5;%d;38;5;16m", c);
        put_safe(out, text + t->first_byte, t->end_byte - t->first_byte);
        if (c) fputs("\033[0m", out);
        at = t->end_byte;
    }
    put_safe(out, text + at, n - at);
}

void cli_print_heat(FILE *out, const xoe_text_verdict *v, const char *text, size_t n, bool colours)
{
    if (colours && v->tokens) {
        heat_in_colour(out, v, text, n);
    } else {
        size_t at = 0;
        for (size_t i = 0; v->spans && i < v->v.n_spans; i++) {
            const xoe_text_span *s = &v->spans[i];
            if (s->first_byte < at || s->end_byte > n) continue;
            put_safe(out, text + at, s->first_byte - at);
            fputs("⟦", out);
            put_safe(out, text + s->first_byte, s->end_byte - s->first_byte);
            fputs("⟧", out);
            at = s->end_byte;
        }
        put_safe(out, text + at, n - at);
    }
    if (n && text[n - 1] != '\n') putc('\n', out);
}
