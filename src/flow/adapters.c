/* One model so far. It is known by its title, so that a renamed file still is. */
#include "flow/adapters.h"

#include <string.h>

extern const xoe_adapter xoe_paraphrase_qwen_1_5b; /* cmake/embed_binary.c.in */

static const xoe_adapter *const qwen_1_5b[] = {&xoe_paraphrase_qwen_1_5b}; /* as xoe_adapted counts */

const xoe_adapter *const *xoe_adapters_of(const char *path, int *n)
{
    char title[128];
    xoe_model_title(path, title, sizeof title);
    bool known = !strcmp(title, "Qwen2.5 Coder 1.5B Instruct GGUF");
    *n = known ? (int)(sizeof qwen_1_5b / sizeof *qwen_1_5b) : 0;
    return known ? qwen_1_5b : NULL;
}
