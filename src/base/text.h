/* Small text helpers on (ptr, len) UTF-8. Pure functions. */
#ifndef XOE_BASE_TEXT_H
#define XOE_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of the longest valid UTF-8 prefix (Unicode 15, table 3-7; no surrogates, no overlongs).
 * *incomplete is set when what follows is the start of a character cut by the end. */
size_t xoe_utf8_valid_prefix(const char *s, size_t n, bool *incomplete);
bool xoe_utf8_valid(const char *s, size_t n);
/* Characters (code points) in valid UTF-8. */
size_t xoe_utf8_count(const char *s, size_t n);
/* Lower-case hex; out holds 2n+1. */
void xoe_hex(const void *p, size_t n, char *out);
int xoe_unhex(const char *s, size_t n, void *out); /* n hex digits to n/2 bytes; -1 if not hex */
/* First place of needle in hay, or SIZE_MAX. */
size_t xoe_mem_find(const char *hay, size_t n, const char *needle, size_t m);
bool xoe_ct_equal(const void *a, const void *b, size_t n); /* constant time */

#endif
