/* What stands in quotation marks or backticks, and must stay as it is. Pure; thread: safe. */
#ifndef XOE_FLOW_QUOTED_H
#define XOE_FLOW_QUOTED_H

#include <stdbool.h>
#include <stddef.h>

enum { XOE_QUOTED_MAX = 1000 /* bytes; an opening mark without a closing one nearer than this is none */ };

typedef struct xoe_quoted {
    size_t n;            /* bytes with both marks; 0: nothing quoted begins here */
    size_t open, close;  /* bytes of the marks */
    bool maybe;          /* the text ends before one can tell */
} xoe_quoted;

/* What begins at s: "…", “…”, „…“, «…» or `…`, within a paragraph. */
xoe_quoted xoe_quoted_at(const char *s, size_t n);
/* Reading on from s[from] to s[to), where what is quoted so far ends at `end` (0: nothing): where it ends now. */
size_t xoe_quoted_until(const char *s, size_t n, size_t from, size_t to, size_t end);

#endif
