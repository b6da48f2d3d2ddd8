/* Low-rank adapters (LoRA, Hu et al. 2106.09685) that turn a chat model into a paraphraser. They are compiled in, known by the model
 * that they were trained for, and made by tools/train_paraphraser.py; docs/watermark.md tells what they bring. Thread: safe. */
#ifndef XOE_FLOW_PARAPHRASE_ADAPTER_H
#define XOE_FLOW_PARAPHRASE_ADAPTER_H

#include "xoe/engine.h"

/* The adapter for this model, a GGUF file in memory, for xoe_engine_opts; false: there is none. */
bool xoe_paraphrase_adapter(const xoe_engine *model, const void **adapter, size_t *n);

#endif
