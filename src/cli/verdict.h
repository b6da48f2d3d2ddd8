/* A verdict for people: a few lines, and the text with the places that speak for a mark. */
#ifndef XOE_CLI_VERDICT_H
#define XOE_CLI_VERDICT_H

#include <stdbool.h>
#include <stdio.h>
#include "flow/detect.h"

/* "marked", "no mark found", "cannot carry a mark". */
const char *cli_verdict_word(const xoe_verdict *v);
void cli_print_verdict(FILE *out, const xoe_text_verdict *v, double fpr, bool colours);
/* The text itself: tokens in shades of green by their score; without colours the spans in ⟦ ⟧. */
void cli_print_heat(FILE *out, const xoe_text_verdict *v, const char *text, size_t n, bool colours);

#endif
