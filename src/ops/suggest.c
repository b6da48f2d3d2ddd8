/* Nearest name by the restricted Damerau-Levenshtein distance (optimal string alignment): typing errors
 * are swaps as often as they are wrong letters. Names are short, so the plain table is enough. */
#include "ops/suggest.h"

#include <string.h>

enum { LONGEST = 64 };

static size_t min2(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t xoe_edit_distance(const char *a, const char *b)
{
    size_t n = min2(strlen(a), LONGEST), m = min2(strlen(b), LONGEST);
    size_t d[LONGEST + 1][LONGEST + 1];
    for (size_t i = 0; i <= n; i++)
        d[i][0] = i;
    for (size_t j = 0; j <= m; j++)
        d[0][j] = j;
    for (size_t i = 1; i <= n; i++)
        for (size_t j = 1; j <= m; j++) {
            size_t best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            best = min2(best, min2(d[i - 1][j], d[i][j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                best = min2(best, d[i - 2][j - 2] + 1);
            d[i][j] = best;
        }
    return d[n][m];
}

const char *xoe_suggest(const char *word, const char *const *names, size_t n)
{
    const char *best = NULL;
    size_t near = 1 + strlen(word) / 3, best_d = near + 1;
    for (size_t i = 0; i < n; i++) {
        size_t d = xoe_edit_distance(word, names[i]);
        /* an abbreviation counts as one edit: "detect" for "detector", "mod" for "models" */
        if (d > 1 && strlen(word) >= 3 && !strncmp(word, names[i], strlen(word))) d = 1;
        if (d < best_d) {
            best_d = d;
            best = names[i];
        }
    }
    return best;
}
