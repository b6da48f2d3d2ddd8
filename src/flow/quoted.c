/* Marks are looked for byte by byte: none of them is a part of another character in UTF-8. Single quotation
 * marks are left out, since an apostrophe looks the same. */
#include "flow/quoted.h"

#include <string.h>

static const struct {
    const char *open, *close[2];
} marks[] = {
    {"\"", {"\"", NULL}}, {"`", {"`", NULL}}, {"\u201c", {"\u201d", NULL}}, {"\u201e", {"\u201c", "\u201d"}}, {"\u00ab", {"\u00bb", NULL}},
};

static size_t begins(const char *s, size_t n, const char *mark)
{
    size_t k = mark ? strlen(mark) : 0;
    return k && n >= k && !memcmp(s, mark, k) ? k : 0;
}

xoe_quoted xoe_quoted_at(const char *s, size_t n)
{
    xoe_quoted q = {0};
    size_t m = 0;
    while (m < sizeof marks / sizeof marks[0] && !(q.open = begins(s, n, marks[m].open)))
        m++;
    if (!q.open) return q;
    for (size_t i = q.open; i < n; i++) {
        if (i >= XOE_QUOTED_MAX || (s[i] == '\n' && i + 1 < n && s[i + 1] == '\n')) return q;
        for (size_t k = 0; k < 2; k++) {
            if (!(q.close = begins(s + i, n - i, marks[m].close[k]))) continue;
            q.n = i == q.open ? 0 : i + q.close; /* "" and `` quote nothing */
            return q;
        }
    }
    q.maybe = true;
    return q;
}

size_t xoe_quoted_until(const char *s, size_t n, size_t from, size_t to, size_t end)
{
    for (size_t i = from < end ? end : from; i < to && i < n; i++) {
        size_t q = xoe_quoted_at(s + i, n - i).n;
        if (q) end = i + q, i = end - 1;
    }
    return end;
}
