/* Works on lines first (fences, indented code, headings, block quotes, tables, rules and list markers are
 * kept), then on sentences inside a paragraph. Pieces are told as early as they are certain, so that the
 * paraphraser can begin while the source is still being written. */
#include "flow/split.h"

#include <ctype.h>
#include <string.h>

#include "flow/quoted.h"

#define QUOTED_SHARE_MAX 0.6
enum { PROSE_MIN = 30 }; /* shorter lines carry nothing and break easily */

static size_t line_end(const char *s, size_t n) /* after the newline, or n */
{
    const char *p = memchr(s, '\n', n);
    return p ? (size_t)(p - s) + 1 : n;
}

static size_t fence(const char *s, size_t n, bool final)
{
    size_t at = line_end(s, n);
    while (at < n) {
        size_t end = at + line_end(s + at, n - at);
        if (n - at >= 3 && !strncmp(s + at, s, 3)) return s[end - 1] == '\n' || final ? end : 0;
        at = end;
    }
    return final ? n : 0;
}

static size_t list_marker(const char *s, size_t n)
{
    size_t i = 0;
    while (i < n && i < 8 && s[i] == ' ')
        i++;
    if (i + 1 < n && strchr("-*+", s[i]) && s[i + 1] == ' ') return i + 2;
    size_t d = i;
    while (d < n && d < i + 3 && isdigit((unsigned char)s[d]))
        d++;
    if (d > i && d + 1 < n && (s[d] == '.' || s[d] == ')') && s[d + 1] == ' ') return d + 2;
    return 0;
}

static bool kept_line(const char *s, size_t n)
{
    if (s[0] == '#' || s[0] == '>' || s[0] == '|' || s[0] == '\t') return true;
    if (n >= 4 && !strncmp(s, "    ", 4) && !list_marker(s, n)) return true;
    return n >= 3 && (!strncmp(s, "---", 3) || !strncmp(s, "***", 3) || !strncmp(s, "===", 3));
}

static bool special_line(const char *s, size_t n)
{
    return n && (s[0] == '\n' || kept_line(s, n) || list_marker(s, n) || (n >= 3 && (!strncmp(s, "```", 3) || !strncmp(s, "~~~", 3))));
}

/* End of a sentence at i: after its mark and closing quotes, before white space. */
static size_t sentence_end(const char *s, size_t n, size_t i)
{
    static const char *const shorts[] = {"Dr.", "Mr.", "Mrs.", "Ms.", "St.", "e.g.", "i.e.", "etc.", "No.", "vs.", "Prof.", "U.S."};
    if (!strchr(".!?", s[i])) return 0;
    size_t end = i + 1;
    while (end < n && strchr(".!?\"')]", s[end]))
        end++;
    if (end < n && !isspace((unsigned char)s[end])) return 0;
    for (size_t k = 0; k < sizeof shorts / sizeof shorts[0]; k++) {
        size_t m = strlen(shorts[k]);
        if (i + 1 >= m && !strncmp(s + i + 1 - m, shorts[k], m)) return 0;
    }
    return end;
}

/* The sentence ends with the quotation that ends at `end`: its own last mark does, and white space follows. */
static size_t quotation_end(const char *s, size_t n, size_t end, xoe_quoted q)
{
    return strchr(".!?", s[end - q.close - 1]) && (end == n || isspace((unsigned char)s[end])) ? end : 0;
}

/* Where nearly all is quoted, there is nothing to say in other words. */
static xoe_piece piece(size_t n, size_t quoted)
{
    return (xoe_piece){n, n >= PROSE_MIN + quoted && quoted < QUOTED_SHARE_MAX * (double)n};
}

/* A quotation or a piece of inline code is one whole; quoted: bytes of these so far. */
static xoe_piece prose(const char *s, size_t n, bool final, size_t aim)
{
    size_t last = 0, quoted = 0, quoted_last = 0;
    for (size_t i = 0; i < n; i++) {
        xoe_quoted q = xoe_quoted_at(s + i, n - i);
        if (q.maybe && !final) return (xoe_piece){0, true};
        if (q.n) {
            quoted += q.n;
            i += q.n - 1;
        } else if (s[i] == '\n' && i + 1 < n && special_line(s + i + 1, n - i - 1)) {
            return piece(i, quoted);
        }
        size_t end = q.n ? quotation_end(s, n, i + 1, q) : sentence_end(s, n, i);
        if (!end) continue;
        if (last && end > aim + aim / 2) return piece(last, quoted_last);
        last = end;
        quoted_last = quoted;
        if (end >= aim && end < n) return piece(end, quoted);
        i = end - 1;
    }
    if (!final) return (xoe_piece){0, true};
    while (n > 1 && isspace((unsigned char)s[n - 1]))
        n--;
    return piece(n, quoted);
}

xoe_piece xoe_split_next(const char *s, size_t n, bool line_start, bool final, size_t aim)
{
    size_t space = 0;
    if (n == 0) return (xoe_piece){0, false};
    while (space < n && isspace((unsigned char)s[space]) && !(line_start && s[space] != '\n'))
        space++;
    if (space) return (xoe_piece){space, false};
    if (line_start) {
        if (!final && n < 8 && !memchr(s, '\n', n)) return (xoe_piece){0, false};
        if (n >= 3 && (!strncmp(s, "```", 3) || !strncmp(s, "~~~", 3))) return (xoe_piece){fence(s, n, final), false};
        if (kept_line(s, n)) {
            size_t end = line_end(s, n);
            return (xoe_piece){s[end - 1] == '\n' || final ? end : 0, false};
        }
        size_t marker = list_marker(s, n);
        if (marker) return (xoe_piece){marker, false};
        while (space < n && (s[space] == ' ' || s[space] == '\t'))
            space++;
        if (space) return (xoe_piece){space, false};
    }
    return prose(s, n, final, aim);
}
