/* One adapter so far. A model is known by its title and shape, so that a renamed file still is. */
#include "flow/paraphrase_adapter.h"

#include <string.h>

extern const unsigned char xoe_paraphrase_qwen_1_5b[];
extern const size_t xoe_paraphrase_qwen_1_5b_size;

bool xoe_paraphrase_adapter(const xoe_engine *model, const void **adapter, size_t *n)
{
    xoe_engine_info info;
    xoe_engine_get_info(model, &info);
    if (strcmp(info.title, "Qwen2.5 Coder 1.5B Instruct GGUF") || info.n_layers != 28 || info.n_embd != 1536) return false;
    *adapter = xoe_paraphrase_qwen_1_5b;
    *n = xoe_paraphrase_qwen_1_5b_size;
    return true;
}
